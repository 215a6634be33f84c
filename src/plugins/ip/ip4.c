/* SPDX-License-Identifier: Apache-2.0 */
/* The way of an IPv4 packet that is not for us.  Headers are RFC 791's, checks RFC 1812's. */
#include "ip.h"

#include <plugins/pool/pktpool.h>
#include <rte_arp.h>

#define MIN_IHL 5
#define ICMP_TIME_EXCEEDED 11
#define ICMP_UNREACHABLE 3
#define ICMP_FRAGMENTATION_NEEDED 4

always_inline struct rte_ipv4_hdr *
header_of(struct rte_mbuf *m)
{
	return rte_pktmbuf_mtod(m, struct rte_ipv4_hdr *);
}

const ip_dpo_t *
ip4_dpo_of(u32 address)
{
	u32 a = rte_be_to_cpu_32(address);
	u64 dpo = 0;

	rte_fib_lookup_bulk(ip_main.fib4, &a, &dpo, 1);
	return &ip_main.dpos[dpo];
}

/* ---- ip4-input ---- */

enum {
	INPUT_TOO_SHORT,
	INPUT_BAD_VERSION,
	INPUT_BAD_LENGTH,
	INPUT_BAD_CHECKSUM,
	INPUT_TTL_ZERO,
	INPUT_BAD_SOURCE
};
static const char *const input_reasons[] = {
	[INPUT_TOO_SHORT] = "ip4 length < 20 bytes",
	[INPUT_BAD_VERSION] = "ip4 version != 4",
	[INPUT_BAD_LENGTH] = "ip4 length > l2 length",
	[INPUT_BAD_CHECKSUM] = "bad ip4 checksum",
	[INPUT_TTL_ZERO] = "ip4 ttl is zero",
	[INPUT_BAD_SOURCE] = "ip4 source is no host's",
};
vmheap_error_strings_t ip4_input_errors = { .node = "ip4-input",
					    .reasons = input_reasons,
					    .n_reasons = ARRAY_LEN(input_reasons) };

#define INPUT_TO_LOOKUP 1

/* Multicast, reserved, loopback, this network: RFC 1122, 3.2.1.3. */
always_inline int
is_bad_source(u32 address)
{
	u8 top = (u8)(rte_be_to_cpu_32(address) >> 24);

	return top == 0 || top == 127 || top >= 224;
}

static u16
input_one(struct rte_mbuf *m)
{
	struct rte_ipv4_hdr *ip = header_of(m);
	u32 n_header, n_total;

	if (PREDICT_FALSE(m->data_len < sizeof(*ip)))
		return ip_drop(m, &ip4_input_errors, INPUT_TOO_SHORT);
	n_header = (ip->version_ihl & 15) * 4u;
	n_total = rte_be_to_cpu_16(ip->total_length);
	if (PREDICT_FALSE(ip->version_ihl >> 4 != 4 || n_header < MIN_IHL * 4))
		return ip_drop(m, &ip4_input_errors, INPUT_BAD_VERSION);
	if (PREDICT_FALSE(n_total < n_header || n_total > m->pkt_len || n_header > m->data_len))
		return ip_drop(m, &ip4_input_errors, INPUT_BAD_LENGTH);
	if (PREDICT_FALSE(rte_raw_cksum(ip, n_header) != 0xffff))
		return ip_drop(m, &ip4_input_errors, INPUT_BAD_CHECKSUM);
	if (PREDICT_FALSE(!ip->time_to_live))
		return ip_drop(m, &ip4_input_errors, INPUT_TTL_ZERO);
	if (PREDICT_FALSE(is_bad_source(ip->src_addr)))
		return ip_drop(m, &ip4_input_errors, INPUT_BAD_SOURCE);
	/* Ethernet pads frames to 60 bytes. */
	if (PREDICT_FALSE(m->pkt_len > n_total) && rte_pktmbuf_trim(m, (u16)(m->pkt_len - n_total)))
		return ip_drop(m, &ip4_input_errors, INPUT_BAD_LENGTH);
	return INPUT_TO_LOOKUP;
}

static u16
input_process(struct rte_graph *graph, struct rte_node *node, void **objs, u16 n)
{
	return ip_process_each(graph, node, objs, n, input_one);
}

static struct rte_node_register ip4_input = {
	.name = "ip4-input",
	.process = input_process,
	.nb_edges = 2,
	.next_nodes = { VMHEAP_DROP_NODE, [INPUT_TO_LOOKUP] = "ip4-lookup" },
};
RTE_NODE_REGISTER(ip4_input)

/* ---- ip4-lookup ---- */

enum { LOOKUP_NO_ROUTE, LOOKUP_DROP_ROUTE };
static const char *const lookup_reasons[] = {
	[LOOKUP_NO_ROUTE] = "no route",
	[LOOKUP_DROP_ROUTE] = "route says drop",
};
vmheap_error_strings_t ip4_lookup_errors = { .node = "ip4-lookup",
					     .reasons = lookup_reasons,
					     .n_reasons = ARRAY_LEN(lookup_reasons) };

enum { LOOKUP_TO_LOCAL = 1, LOOKUP_TO_ARP, LOOKUP_TO_REWRITE, LOOKUP_TO_ERROR };

static const u16 edge_of_kind[IP_N_DPOS] = {
	[IP_DPO_DROP] = IP_EDGE_DROP,         [IP_DPO_LOCAL] = LOOKUP_TO_LOCAL,
	[IP_DPO_GLEAN] = LOOKUP_TO_ARP,       [IP_DPO_RESOLVE] = LOOKUP_TO_ARP,
	[IP_DPO_REWRITE] = LOOKUP_TO_REWRITE,
};

/* Nothing found is looked up again: while a prefix is taken away, DPDK empties entries that a
 * reader may just be on its way to. */
static u16
no_route(struct rte_mbuf *m, u64 *dpo)
{
	u32 to = rte_be_to_cpu_32(header_of(m)->dst_addr);

	rte_fib_lookup_bulk(ip_main.fib4, &to, dpo, 1);
	if (*dpo && ip_main.dpos[*dpo].kind != IP_DPO_DROP)
		return edge_of_kind[ip_main.dpos[*dpo].kind];
	if (*dpo)
		return ip_drop(m, &ip4_lookup_errors, LOOKUP_DROP_ROUTE);
	if (to >= 0xe0000000u)
		return ip_drop(m, &ip4_lookup_errors, LOOKUP_NO_ROUTE);
	vmheap_error_count(&ip4_lookup_errors, LOOKUP_NO_ROUTE, 1);
	*ip_word(m) = ip_error_word(ICMP_UNREACHABLE, 0, 0);
	return LOOKUP_TO_ERROR;
}

static void
lookup_chunk(struct rte_graph *graph, struct rte_node *node, struct rte_mbuf **mbufs, u16 *next,
	     u32 n)
{
	ip_counts_t *counts = ip_this_worker()->counts;
	u32 to[IP_CHUNK];
	u64 dpos[IP_CHUNK];

	for (u32 i = 0; i < n; i++)
		to[i] = rte_be_to_cpu_32(header_of(mbufs[i])->dst_addr);
	rte_fib_lookup_bulk(ip_main.fib4, to, dpos, (int)n);
	for (u32 i = 0; i < n; i++) {
		struct rte_mbuf *m = mbufs[i];

		next[i] = edge_of_kind[ip_main.dpos[dpos[i]].kind];
		if (PREDICT_FALSE(next[i] == IP_EDGE_DROP)) {
			next[i] = no_route(m, &dpos[i]);
			if (next[i] == IP_EDGE_DROP || next[i] == LOOKUP_TO_ERROR)
				continue;
		}
		*ip_word(m) = (u32)dpos[i];
		ip_count(&counts[dpos[i]], 1, m->pkt_len);
	}
}

static u16
lookup_process(struct rte_graph *graph, struct rte_node *node, void **objs, u16 n)
{
	return ip_process(graph, node, objs, n, lookup_chunk);
}

static struct rte_node_register ip4_lookup = {
	.name = "ip4-lookup",
	.process = lookup_process,
	.nb_edges = 5,
	.next_nodes = { VMHEAP_DROP_NODE, [LOOKUP_TO_LOCAL] = "ip4-local",
			[LOOKUP_TO_ARP] = "ip4-arp", [LOOKUP_TO_REWRITE] = "ip4-rewrite",
			[LOOKUP_TO_ERROR] = "ip4-icmp-error" },
};
RTE_NODE_REGISTER(ip4_lookup)

/* ---- ip4-rewrite ---- */

enum { REWRITE_TTL_EXPIRED, REWRITE_MTU, REWRITE_NO_ROOM };
static const char *const rewrite_reasons[] = {
	[REWRITE_TTL_EXPIRED] = "ip4 ttl <= 1",
	[REWRITE_MTU] = "ip4 MTU exceeded",
	[REWRITE_NO_ROOM] = "no room for the l2 header",
};
vmheap_error_strings_t ip4_rewrite_errors = { .node = "ip4-rewrite",
					      .reasons = rewrite_reasons,
					      .n_reasons = ARRAY_LEN(rewrite_reasons) };

#define REWRITE_TO_ERROR 1

/* One less in the high byte of a word: the checksum, ones' complement, grows by as much, and a
 * carry comes round (RFC 1624). */
always_inline void
decrement_ttl(struct rte_ipv4_hdr *ip)
{
	u32 sum = ip->hdr_checksum + (u32)RTE_BE16(0x0100);

	ip->time_to_live--;
	ip->hdr_checksum = (u16)(sum + (sum >> 16));
}

static never_inline u16
to_error(struct rte_mbuf *m, u32 reason, u8 type, u8 code, u16 mtu)
{
	vmheap_error_count(&ip4_rewrite_errors, reason, 1);
	*ip_word(m) = ip_error_word(type, code, mtu);
	return REWRITE_TO_ERROR;
}

always_inline u16
rewrite_one(struct rte_mbuf *m)
{
	const ip_dpo_t *d = &ip_main.dpos[*ip_word(m)];
	struct rte_ipv4_hdr *ip = header_of(m);

	if (PREDICT_FALSE(ip->time_to_live <= 1))
		return to_error(m, REWRITE_TTL_EXPIRED, ICMP_TIME_EXCEEDED, 0, 0);
	/* Fragmenting is left to hosts, as in IPv6: they are told the MTU, with DF or without. */
	if (PREDICT_FALSE(m->pkt_len > d->mtu))
		return to_error(m, REWRITE_MTU, ICMP_UNREACHABLE, ICMP_FRAGMENTATION_NEEDED,
				d->mtu);
	if (PREDICT_FALSE(ip_prepend_ethernet(m, d->rewrite)))
		return ip_drop(m, &ip4_rewrite_errors, REWRITE_NO_ROOM);
	decrement_ttl(ip);
	return IP_EDGE_PORTS + d->port_ordinal;
}

static u16
rewrite_process(struct rte_graph *graph, struct rte_node *node, void **objs, u16 n)
{
	return ip_process_each(graph, node, objs, n, rewrite_one);
}

static struct rte_node_register ip4_rewrite = {
	.name = "ip4-rewrite",
	.process = rewrite_process,
	.nb_edges = IP_EDGE_PORTS,
	.next_nodes = { VMHEAP_DROP_NODE, [REWRITE_TO_ERROR] = "ip4-icmp-error", VMHEAP_DROP_NODE,
			VMHEAP_DROP_NODE },
};
RTE_NODE_REGISTER(ip4_rewrite)

/* ---- ip4-arp ---- */

enum { ARP_ASKED, ARP_THROTTLED, ARP_NO_SOURCE, ARP_NO_BUFFER };
static const char *const arp_reasons[] = {
	[ARP_ASKED] = "ARP requests sent",
	[ARP_THROTTLED] = "ARP requests throttled",
	[ARP_NO_SOURCE] = "no source address for ARP request",
	[ARP_NO_BUFFER] = "no buffer for ARP request",
};
vmheap_error_strings_t ip4_arp_errors = { .node = "ip4-arp",
					  .reasons = arp_reasons,
					  .n_reasons = ARRAY_LEN(arp_reasons) };

static struct rte_mbuf *
make_request(struct rte_mempool *mp, const ip_port_t *port, u32 source, u32 target)
{
	struct rte_mbuf *m = pktpool_alloc_by_name(mp, PKTPOOL_RESERVATION_CONTROL);
	struct rte_ether_hdr *eth;
	struct rte_arp_hdr *arp;

	if (!m)
		return NULL;
	/* Ethernet's least, which the device may or may not pad to. */
	eth = (struct rte_ether_hdr *)rte_pktmbuf_append(m, RTE_ETHER_MIN_LEN - RTE_ETHER_CRC_LEN);
	if (!eth) {
		rte_pktmbuf_free(m);
		return NULL;
	}
	memset(eth, 0, m->data_len);
	memset(&eth->dst_addr, 0xff, sizeof(eth->dst_addr));
	eth->src_addr = port->mac;
	eth->ether_type = RTE_BE16(RTE_ETHER_TYPE_ARP);
	arp = (struct rte_arp_hdr *)(eth + 1);
	arp->arp_hardware = RTE_BE16(RTE_ARP_HRD_ETHER);
	arp->arp_protocol = RTE_BE16(RTE_ETHER_TYPE_IPV4);
	arp->arp_hlen = RTE_ETHER_ADDR_LEN;
	arp->arp_plen = sizeof(u32);
	arp->arp_opcode = RTE_BE16(RTE_ARP_OP_REQUEST);
	arp->arp_data.arp_sha = port->mac;
	arp->arp_data.arp_sip = source;
	arp->arp_data.arp_tip = target;
	return m;
}

/* The packet that wants a neighbor is dropped, its sender says it again; VPP does so, too. */
static u32
ask(struct rte_graph *graph, struct rte_node *node, struct rte_mbuf *m)
{
	const ip_dpo_t *d = &ip_main.dpos[*ip_word(m)];
	const ip_port_t *port = &ip_main.ports[d->port_id];
	ip_address_t target = d->next_hop;
	u32 source = d->source.ip4;
	struct rte_mbuf *request;

	if (d->kind == IP_DPO_GLEAN)
		target = (ip_address_t){ .ip4 = header_of(m)->dst_addr };
	if (!source)
		source = atomic_load_explicit(&port->ip4, memory_order_relaxed);
	if (!source)
		return ARP_NO_SOURCE;
	if (!ip_may_ask(ip_this_worker(), d->port_id, &target))
		return ARP_THROTTLED;
	request = make_request(m->pool, port, source, target.ip4);
	if (!request)
		return ARP_NO_BUFFER;
	request->port = m->port;
	rte_node_enqueue_x1(graph, node, IP_EDGE_PORTS + port->ordinal, request);
	return ARP_ASKED;
}

static void
arp_chunk(struct rte_graph *graph, struct rte_node *node, struct rte_mbuf **mbufs, u16 *next, u32 n)
{
	for (u32 i = 0; i < n; i++)
		next[i] = ip_drop(mbufs[i], &ip4_arp_errors, ask(graph, node, mbufs[i]));
}

static u16
arp_process(struct rte_graph *graph, struct rte_node *node, void **objs, u16 n)
{
	return ip_process(graph, node, objs, n, arp_chunk);
}

static struct rte_node_register ip4_arp = {
	.name = "ip4-arp",
	.process = arp_process,
	.nb_edges = IP_EDGE_PORTS,
	.next_nodes = { VMHEAP_DROP_NODE, VMHEAP_DROP_NODE, VMHEAP_DROP_NODE, VMHEAP_DROP_NODE },
};
RTE_NODE_REGISTER(ip4_arp)
