/* SPDX-License-Identifier: Apache-2.0 */
/* ip: routes IPv4 and IPv6 between ports, and answers for their addresses.  Shared by this folder.
 *
 *   config.c    ip { ... }                 cli.c       commands           show.c  show commands
 *   ip.c        init, ports, addresses     route.c     routes             neighbor.c  who is where
 *   ethernet.c  ethernet-input, arp-input  text.c      addresses in text  trace.c
 *   ip4.c       ip4-input, ip4-lookup, ip4-rewrite, ip4-arp
 *   ip4_local.c ip4-local, ip4-icmp-error  ip6.c, ip6_local.c  the same for IPv6, and ND
 *
 *   ethdev-rx-* -> ethernet-input -> ip4-input -> ip4-lookup -> ip4-rewrite -> ethdev-tx-P
 *                        |                            |  `----> ip4-arp -> ethdev-tx-P
 *                        `-> arp-input -> tx          `-> ip4-local -> ip4-lookup (echo replies)
 *                                        ip4-icmp-error -> ip4-lookup (from input, rewrite, local)
 *
 * Lookup is DPDK's: rte_fib (DIR24-8) and rte_fib6 (a trie), 32 MiB each, made when a port gets its
 * first address of the family.  What a prefix leads to is a dpo: a line with all that a worker
 * needs, named by the 15 bits that the tables store.
 *
 * Changes.  The main lcore alone changes tables.  A dpo is never changed while a table leads to it:
 * a new one is filled, the table is led to it with one store, and after
 * vmheap_workers_synchronize() the old one is free.  The same wait follows each change of a table,
 * so a group of entries that DPDK recycles is not used again while a worker may still read it. */
#ifndef included_ip_ip_h
#define included_ip_ip_h

#include <stdatomic.h>
#include <plugins/framework/drop.h>
#include <plugins/framework/framework.h>
#include <plugins/framework/port.h>
#include <vppinfra/vec.h>
#include <rte_ether.h>
#include <rte_fib.h>
#include <rte_fib6.h>
#include <rte_graph_worker.h>
#include <rte_ip.h>
#include <rte_lcore.h>
#include <rte_mbuf_dyn.h>

#define IP_PLUGIN "ip"
#define ETHERNET_INPUT_NODE "ethernet-input"

/** Of both families together; what 15 bits can name. */
#define IP_MAX_ROUTES 32767
#define IP_DEFAULT_ROUTES 4096
#define IP_MAX_NEIGHBORS 1024

/** An address in network order; IPv4 in the first four bytes, the rest 0. */
typedef union {
	u8 b[16];
	u32 ip4;
	u64 u64[2];
} ip_address_t;

typedef struct {
	ip_address_t address;
	u8 is_ip6;
	u8 len;
} ip_prefix_t;

/* ---- what workers read ---- */

typedef enum {
	IP_DPO_DROP,    /* 0: no route, or one that says drop */
	IP_DPO_LOCAL,   /* an address of ours */
	IP_DPO_GLEAN,   /* on the link: who has the destination? */
	IP_DPO_RESOLVE, /* who has the next hop? */
	IP_DPO_REWRITE, /* the neighbor is known */
	IP_N_DPOS,
} ip_dpo_kind_t;

/** What a prefix leads to.  Constant while a table leads to it. */
typedef struct {
	_Alignas(CLIB_CACHE_LINE_BYTES) u8 kind;
	u8 is_ip6;
	u16 port_id;
	u16 mtu;
	u16 port_ordinal; /* edge of the rewrite nodes: IP_EDGE_PORTS and this */
	u8 rewrite[RTE_ETHER_HDR_LEN];
	ip_address_t next_hop; /* RESOLVE, REWRITE */
	ip_address_t source;   /* LOCAL: itself; else an address of ours on the port */
} ip_dpo_t;

/** A port as workers see it.  Written before packets come, or with none coming. */
typedef struct {
	struct rte_ether_addr mac;
	u16 mtu;
	u16 ordinal;
	/* Released by main; 0 none.  What ICMP errors and ARP come from. */
	_Atomic u32 ip4;
	_Atomic u32 has_ip6; /* ip6 is valid */
	ip_address_t ip6;
	ip_address_t link_local; /* fe80::, from the MAC (RFC 4291, appendix A) */
} ip_port_t;

/** Packets and bytes that a worker sent by a dpo: one writer. */
typedef struct {
	_Atomic u64 n_packets, n_bytes;
} ip_counts_t;

/** What a worker remembers about what it sent to find neighbors and to report errors. */
#define IP_N_THROTTLE 256
typedef struct {
	_Alignas(CLIB_CACHE_LINE_BYTES) ip_address_t asked[IP_N_THROTTLE];
	u64 asked_tsc[IP_N_THROTTLE];
	u16 asked_port[IP_N_THROTTLE];
	u64 error_tsc;       /* when the next ICMP error would be on time */
	ip_counts_t *counts; /* vector, by dpo */
	u16 ip4_id;
} ip_worker_t;

/** Worker to main: somebody said that address is at mac. */
typedef struct {
	ip_address_t address;
	struct rte_ether_addr mac;
	u16 port_id;
	u8 is_ip6;
	u8 is_update_only; /* believed only about a neighbor we have asked for */
	u16 pad;
} ip_learned_t;
STATIC_ASSERT(sizeof(ip_learned_t) % 4 == 0, "rte_ring's unit");

/* Each node that sends to ports has these edges, then one a port in order of ordinals. */
#define IP_EDGE_DROP 0
#define IP_EDGE_PORTS 4

typedef struct {
	/* Configuration. */
	u32 max_routes;

	/* Set by init, constant after. */
	u32 n_workers; /* and one more for lcores that are none */
	u16 worker_of_lcore[RTE_MAX_LCORE];
	ip_worker_t *workers; /* vector */
	int field_offset;     /* of the u32 that nodes pass on in an mbuf */
	struct rte_ring *learned;
	u64 hz;

	/* Written by main, read by workers; made before any port sends here. */
	struct rte_fib *fib4;
	struct rte_fib6 *fib6;
	ip_dpo_t *dpos; /* vector, max_routes + 1 */
	ip_port_t ports[RTE_MAX_ETHPORTS];
} ip_main_t;

extern ip_main_t ip_main;

/** The u32 in an mbuf: a dpo behind lookup, ip_error_word() on the way to an error node. */
always_inline u32 *
ip_word(struct rte_mbuf *m)
{
	return RTE_MBUF_DYNFIELD(m, ip_main.field_offset, u32 *);
}

always_inline u32
ip_error_word(u8 type, u8 code, u16 mtu)
{
	return (u32)type << 24 | (u32)code << 16 | mtu;
}

always_inline ip_worker_t *
ip_this_worker(void)
{
	return &ip_main.workers[ip_main.worker_of_lcore[rte_lcore_id()]];
}

always_inline void
ip_count(ip_counts_t *c, u64 n_packets, u64 n_bytes)
{
	atomic_store_explicit(&c->n_packets,
			      atomic_load_explicit(&c->n_packets, memory_order_relaxed) + n_packets,
			      memory_order_relaxed);
	atomic_store_explicit(&c->n_bytes,
			      atomic_load_explicit(&c->n_bytes, memory_order_relaxed) + n_bytes,
			      memory_order_relaxed);
}

always_inline int
ip_address_is_equal(const ip_address_t *a, const ip_address_t *b)
{
	return ((a->u64[0] ^ b->u64[0]) | (a->u64[1] ^ b->u64[1])) == 0;
}

/** The port's Ethernet header in front of a packet, which begins with its IP header. */
always_inline int
ip_prepend_ethernet(struct rte_mbuf *m, const void *header)
{
	void *at = rte_pktmbuf_prepend(m, RTE_ETHER_HDR_LEN);

	if (PREDICT_FALSE(!at))
		return -ENOSPC;
	memcpy(at, header, RTE_ETHER_HDR_LEN);
	return 0;
}

/** Packets i with next[i] the edge each takes, runs of one edge together; all n of the node's
 *  stream, or fewer. */
always_inline void
ip_send(struct rte_graph *graph, struct rte_node *node, void **objs, const u16 *next, u32 n)
{
	u32 first = 0;

	while (first < n) {
		u32 end = first + 1;

		while (end < n && next[end] == next[first])
			end++;
		if (end - first == node->idx)
			rte_node_next_stream_move(graph, node, next[first]);
		else
			rte_node_enqueue(graph, node, next[first], objs + first,
					 (u16)(end - first));
		first = end;
	}
}

/** A node's work on up to IP_CHUNK packets at a time: fn(mbufs, next, n) says where each goes. */
#define IP_CHUNK 256
typedef void(ip_chunk_function_t)(struct rte_graph *graph, struct rte_node *node,
				  struct rte_mbuf **mbufs, u16 *next, u32 n);

always_inline u16
ip_process(struct rte_graph *graph, struct rte_node *node, void **objs, u16 n,
	   ip_chunk_function_t *fn)
{
	u16 next[IP_CHUNK];

	for (u32 first = 0; first < n; first += IP_CHUNK) {
		u32 n_chunk = clib_min((u32)n - first, (u32)IP_CHUNK);

		fn(graph, node, (struct rte_mbuf **)objs + first, next, n_chunk);
		ip_send(graph, node, objs + first, next, n_chunk);
	}
	return n;
}

/** The same for nodes that look at one packet after the other.  @return of fn: its edge */
always_inline u16
ip_process_each(struct rte_graph *graph, struct rte_node *node, void **objs, u16 n,
		u16 (*fn)(struct rte_mbuf *m))
{
	u16 next[IP_CHUNK];

	for (u32 first = 0; first < n; first += IP_CHUNK) {
		u32 n_chunk = clib_min((u32)n - first, (u32)IP_CHUNK);

		for (u32 i = 0; i < n_chunk; i++)
			next[i] = fn(objs[first + i]);
		ip_send(graph, node, objs + first, next, n_chunk);
	}
	return n;
}

/** To drop, with a reason of a node's set. */
always_inline u16
ip_drop(struct rte_mbuf *m, const vmheap_error_strings_t *e, u32 reason)
{
	vmheap_drop_set_reason(m, e, reason);
	return IP_EDGE_DROP;
}

/** The first n bytes of a packet at most; of a chain, of its first segment. */
always_inline void
ip_cut(struct rte_mbuf *m, u16 n)
{
	if (m->next) {
		rte_pktmbuf_free(m->next);
		m->next = NULL;
		m->nb_segs = 1;
	}
	m->data_len = clib_min(m->data_len, n);
	m->pkt_len = m->data_len;
}

/* ---- ip.c ---- */

/** Make the tables of a family; NULL when they are there. */
clib_error_t *ip_enable_family(int is_ip6);

typedef struct {
	ip_prefix_t prefix; /* the address with its host bits */
	u16 port_id;
} ip_interface_address_t;

clib_error_t *ip_address_add(const vmheap_port_t *port, const ip_prefix_t *p);
clib_error_t *ip_address_del(const vmheap_port_t *port, const ip_prefix_t *p);
/** Vector of all, in the order they were given. */
const ip_interface_address_t *ip_addresses(void);
/** An address of ours on the link of another address, or NULL. */
const ip_interface_address_t *ip_address_beside(u16 port_id, int is_ip6, const ip_address_t *a);

/* ---- route.c ---- */

/** Who a route is from: the smaller wins. */
typedef enum { IP_FROM_INTERFACE, IP_FROM_USER, IP_FROM_NEIGHBOR } ip_route_source_t;

typedef struct {
	u8 kind; /* DROP, LOCAL, GLEAN, RESOLVE: by a neighbor, known or not */
	u16 port_id;
	ip_address_t next_hop;
} ip_path_t;

typedef struct {
	ip_prefix_t prefix;
	ip_path_t path;
	u8 source;
	u16 dpo;
	u64 n_packets, n_bytes; /* of dpos it had before */
} ip_route_t;

int ip_routes_init(void);
void ip_routes_exit(void);
/**
 * @return 0; -EEXIST a stronger source, or the same with another path, has the prefix; -ENOSPC
 *         max_routes; -ENOMEM the table has no group for a prefix that long
 */
int ip_route_add(const ip_prefix_t *p, const ip_path_t *path, ip_route_source_t source);
/** @return 0; -ENOENT no route for it from that source */
int ip_route_del(const ip_prefix_t *p, ip_route_source_t source);
/** All routes by way of a neighbor that has changed. */
void ip_routes_by(u16 port_id, int is_ip6, const ip_address_t *next_hop);
/** The longest prefix of an address, or NULL. */
const ip_route_t *ip_route_lookup(int is_ip6, const ip_address_t *a);
/** Vector of all routes of a family, by address and length; the caller frees it. */
ip_route_t *ip_routes_sorted(int is_ip6);
void ip_route_counts(const ip_route_t *r, u64 *n_packets, u64 *n_bytes);

/* ---- neighbor.c ---- */

typedef struct {
	ip_address_t address;
	struct rte_ether_addr mac;
	u16 port_id;
	u8 is_ip6;
	u8 is_static;
	u8 has_no_route; /* "no-fib-entry" */
	f64 heard;       /* seconds, when last said to be there */
} ip_neighbor_t;

int ip_neighbors_init(void);
void ip_neighbors_exit(void);
/** @return 0; -ENOSPC IP_MAX_NEIGHBORS; -ENOMEM; -EBUSY a static one is not overwritten by what
 *  was learned. */
int ip_neighbor_set(const ip_neighbor_t *n);
/** @return 0, -ENOENT */
int ip_neighbor_del(u16 port_id, int is_ip6, const ip_address_t *a);
const ip_neighbor_t *ip_neighbor(u16 port_id, int is_ip6, const ip_address_t *a);
/** Vector, unordered. */
const ip_neighbor_t *ip_neighbors(void);
f64 ip_seconds(void);

/** On a worker: tell main, unless the tables say so already.  is_update_only: see ip_learned_t. */
void ip_learn(u16 port_id, int is_ip6, const ip_address_t *a, const struct rte_ether_addr *mac,
	      int is_update_only);
/** On a worker: whether to ask for a neighbor now; not more than once in a while. */
int ip_may_ask(ip_worker_t *w, u16 port_id, const ip_address_t *a);
/** On a worker: whether an ICMP error may be sent now. */
int ip_may_report(ip_worker_t *w);

/* ---- text.c ---- */

format_function_t format_ip_address;  /* int is_ip6, const ip_address_t * */
format_function_t format_ip_prefix;   /* const ip_prefix_t * */
format_function_t format_mac_address; /* const struct rte_ether_addr * */
unformat_function_t unformat_ip;      /* int *is_ip6, ip_address_t * */
unformat_function_t unformat_ip_pfx;  /* ip_prefix_t *: A/L, L within bounds */
unformat_function_t unformat_mac;     /* struct rte_ether_addr * */
int ip_prefix_contains(const ip_prefix_t *p, const ip_address_t *a);
/** Host bits to 0. */
void ip_prefix_normalize(ip_prefix_t *p);

/* ---- config.c ---- */

clib_error_t *ip_config_apply(void);
void ip_config_free(void);
/** What follows "ip route add", "set ip neighbor" and "set interface ip address". */
clib_error_t *ip_route_words(unformat_input_t *input, int is_add);
clib_error_t *ip_neighbor_words(unformat_input_t *input);
clib_error_t *ip_address_words(unformat_input_t *input);

/* ---- nodes ---- */

/** Each family's counters; registered by init. */
extern vmheap_error_strings_t ethernet_input_errors, arp_input_errors;
extern vmheap_error_strings_t ip4_input_errors, ip4_lookup_errors, ip4_rewrite_errors,
	ip4_arp_errors, ip4_local_errors, ip4_icmp_error_errors;
extern vmheap_error_strings_t ip6_input_errors, ip6_lookup_errors, ip6_rewrite_errors,
	ip6_nd_errors, ip6_local_errors, ip6_icmp_error_errors;
/** Edges to the ports' tx nodes.  @return the node that cannot have them, or NULL. */
const char *ip_add_port_edges(const vmheap_port_t *port);

/** The dpo of an address as workers look it up, for one address. */
const ip_dpo_t *ip4_dpo_of(u32 address);
const ip_dpo_t *ip6_dpo_of(const ip_address_t *a);

#endif
