/* SPDX-License-Identifier: Apache-2.0 */
/* handoff: what a port receives is spread over workers, flow by flow.
 *
 *   startup.conf:  handoff { interface PORT workers 0,2-3 [symmetrical]  queue-size N }
 *   vmheapctl:     set interface handoff PORT workers 0,2-3 [symmetrical] | PORT disable
 *                  show interface handoff
 *
 *   ethdev-rx-P-Q -> worker-handoff --------------------------------> xconnect, ethernet-input, ...
 *                          `-> queue of worker W -> handoff-input-W ->   (on worker W)
 *
 * For devices with fewer queues than there are workers, or whose RSS does not see into packets. All
 * packets of a flow go to one worker, in order.  A queue is an rte_ring with many producers and one
 * consumer; a burst that does not fit is dropped and counted, nobody waits. */
#include <stdatomic.h>
#include <stdio.h>
#include <plugins/framework/drop.h>
#include <plugins/framework/framework.h>
#include <plugins/framework/port.h>
#include <vppinfra/mem.h>
#include <vppinfra/vec.h>
#include <rte_ether.h>
#include <rte_graph_worker.h>
#include <rte_hash_crc.h>
#include <rte_ip.h>
#include <rte_lcore.h>
#include <rte_ring.h>

#define HANDOFF_NODE "worker-handoff"
#define INPUT_NODE "handoff-input"
#define PLUGIN "handoff"
#define EDGE_DROP 0
/* VPP's queue is 64 frames of 256; a ring of packets needs no room for half full frames. */
#define DEFAULT_QUEUE 2048
#define MAX_QUEUE 65536
#define BURST RTE_GRAPH_BURST_SIZE

VMHEAP_PLUGIN_REGISTER(.name = PLUGIN, .version = VMHEAP_VERSION,
		       .description = "spreads packets over workers", .requires = "ethdev",
		       .load_after = "xconnect,ip");

/* Whom a port's packets go to.  Never changed: another one takes its place. */
typedef struct {
	u32 n_workers;
	u8 is_symmetrical;
	u8 workers[VMHEAP_MAX_WORKERS];
} spread_t;

typedef struct {
	char *port; /* NUL-terminated vector */
	spread_t spread;
} line_t;

static struct {
	line_t *lines; /* vector, as configured */
	u32 queue_size;

	/* Set by init, constant after. */
	u32 n_workers;
	u16 worker_of_lcore[RTE_MAX_LCORE];
	struct rte_ring *queues[VMHEAP_MAX_WORKERS];

	/* Written by main, acquired by workers; NULL: the port's packets stay. */
	_Alignas(CLIB_CACHE_LINE_BYTES) spread_t *_Atomic spreads[RTE_MAX_ETHPORTS];
} handoff_main;

enum { CONGESTION, HANDED };
static const char *const reasons[] = {
	[CONGESTION] = "congestion drop", [HANDED] = "packets handed to another worker"
};
static vmheap_error_strings_t handoff_errors = { .node = HANDOFF_NODE,
						 .reasons = reasons,
						 .n_reasons = ARRAY_LEN(reasons) };

/* ---- which worker ---- */

static u32
hash_words(const u8 *from, const u8 *to, u32 n_bytes, int is_symmetrical)
{
	/* DPDK's function reads words; in a packet they are aligned to 2. */
	u64 words[2][2];
	u32 a, b;

	memcpy(words[0], from, n_bytes);
	memcpy(words[1], to, n_bytes);
	a = rte_hash_crc(words[0], n_bytes, 0x9e3779b9);
	b = rte_hash_crc(words[1], n_bytes, 0x9e3779b9);

	/* A sum does not tell which came first; a chain does. */
	return is_symmetrical ? rte_hash_crc_4byte(a + b, 0) : rte_hash_crc_4byte(b, a);
}

/* Ports behind an IP header, where there are some: all fragments of a packet go without. */
static u32
hash_ports(const struct rte_mbuf *m, const u8 *at, u8 proto, int is_symmetrical)
{
	if (at + 4 > rte_pktmbuf_mtod(m, const u8 *) + m->data_len ||
	    (proto != IPPROTO_TCP && proto != IPPROTO_UDP && proto != IPPROTO_SCTP))
		return proto;
	return proto ^ hash_words(at, at + 2, 2, is_symmetrical);
}

static u32
hash_of(const struct rte_mbuf *m, int is_symmetrical)
{
	const struct rte_ether_hdr *eth = rte_pktmbuf_mtod(m, const struct rte_ether_hdr *);
	const u8 *l3 = (const u8 *)(eth + 1);
	u32 n_left = m->data_len - (u32)sizeof(*eth);

	if (m->data_len < sizeof(*eth))
		return 0;
	if (eth->ether_type == RTE_BE16(RTE_ETHER_TYPE_IPV4) &&
	    n_left >= sizeof(struct rte_ipv4_hdr)) {
		const struct rte_ipv4_hdr *ip = (const struct rte_ipv4_hdr *)l3;
		u32 h = hash_words((const u8 *)&ip->src_addr, (const u8 *)&ip->dst_addr, 4,
				   is_symmetrical);

		if (ip->fragment_offset & RTE_BE16(RTE_IPV4_HDR_MF_FLAG | RTE_IPV4_HDR_OFFSET_MASK))
			return h;
		return h ^ hash_ports(m, l3 + (ip->version_ihl & 15) * 4, ip->next_proto_id,
				      is_symmetrical);
	}
	if (eth->ether_type == RTE_BE16(RTE_ETHER_TYPE_IPV6) &&
	    n_left >= sizeof(struct rte_ipv6_hdr)) {
		const struct rte_ipv6_hdr *ip = (const struct rte_ipv6_hdr *)l3;

		return hash_words(ip->src_addr, ip->dst_addr, 16, is_symmetrical) ^
		       hash_ports(m, l3 + sizeof(*ip), ip->proto, is_symmetrical);
	}
	return hash_words(eth->src_addr.addr_bytes, eth->dst_addr.addr_bytes, 6, is_symmetrical);
}

static u32
worker_of(const struct rte_mbuf *m, u32 own)
{
	/* Acquire: the spread is whole, pairs with replace_spread(). */
	const spread_t *s =
		m->port < RTE_MAX_ETHPORTS
			? atomic_load_explicit(&handoff_main.spreads[m->port], memory_order_acquire)
			: NULL;

	/* A product's high half is a remainder without a division. */
	return s ? s->workers[((u64)hash_of(m, s->is_symmetrical) * s->n_workers) >> 32] : own;
}

always_inline u16
next_of(const struct rte_mbuf *m)
{
	return m->port < RTE_MAX_ETHPORTS
		       ? atomic_load_explicit(&vmheap_port_next_edge[m->port], memory_order_acquire)
		       : EDGE_DROP;
}

/* ---- worker-handoff ---- */

/* A run of packets for one worker: into its queue, or on in this graph. */
static void
pass_on(struct rte_graph *graph, struct rte_node *node, void **objs, u32 n, u32 worker, u32 own)
{
	u32 n_done = 0;

	if (worker == own) {
		for (; n_done < n; n_done++)
			rte_node_enqueue_x1(graph, node, next_of(objs[n_done]), objs[n_done]);
		return;
	}
	n_done = rte_ring_mp_enqueue_burst(handoff_main.queues[worker], objs, n, NULL);
	vmheap_error_count(&handoff_errors, HANDED, n_done);
	for (u32 i = n_done; i < n; i++)
		vmheap_drop_set_reason(objs[i], &handoff_errors, CONGESTION);
	if (n_done < n)
		rte_node_enqueue(graph, node, EDGE_DROP, objs + n_done, (u16)(n - n_done));
}

static u16
handoff_process(struct rte_graph *graph, struct rte_node *node, void **objs, u16 n)
{
	u32 own = handoff_main.worker_of_lcore[rte_lcore_id()];
	u8 worker[BURST];

	for (u32 first = 0; first < n; first += BURST) {
		u32 n_chunk = clib_min((u32)n - first, (u32)BURST), start = 0;
		void **chunk = objs + first;
		/* Of each worker in turn, so that a queue is entered once a burst. */
		void *of_one[BURST];

		for (u32 i = 0; i < n_chunk; i++)
			worker[i] = (u8)worker_of(chunk[i], own);
		for (u32 w = 0; w < handoff_main.n_workers && start < n_chunk; w++) {
			u32 k = 0;

			for (u32 i = 0; i < n_chunk; i++)
				if (worker[i] == w)
					of_one[k++] = chunk[i];
			if (k)
				pass_on(graph, node, of_one, k, w, own);
			start += k;
		}
	}
	return n;
}

static struct rte_node_register handoff_node = {
	.name = HANDOFF_NODE,
	.process = handoff_process,
	.nb_edges = 1,
	.next_nodes = { VMHEAP_DROP_NODE },
};
RTE_NODE_REGISTER(handoff_node)

/* ---- handoff-input-W ---- */

typedef struct {
	struct rte_ring *queue;
} input_ctx_t;
STATIC_ASSERT(sizeof(input_ctx_t) <= RTE_NODE_CTX_SZ, "fits the node's context");

static int
input_init(const struct rte_graph *graph, struct rte_node *node)
{
	unsigned int worker;

	if (sscanf(node->name, INPUT_NODE "-%u", &worker) != 1 || worker >= VMHEAP_MAX_WORKERS)
		return -EINVAL;
	((input_ctx_t *)node->ctx)->queue = handoff_main.queues[worker];
	return 0;
}

static u16
input_process(struct rte_graph *graph, struct rte_node *node, void **objs, u16 n_objs)
{
	struct rte_ring *queue = ((const input_ctx_t *)node->ctx)->queue;
	u32 n, first = 0;

	n = rte_ring_sc_dequeue_burst(queue, node->objs, clib_min(node->size, (u16)BURST), NULL);
	if (!n)
		return 0;
	node->idx = (u16)n;
	while (first < n) {
		u16 edge = next_of(node->objs[first]);
		u32 end = first + 1;

		while (end < n && next_of(node->objs[end]) == edge)
			end++;
		if (end - first == n)
			rte_node_next_stream_move(graph, node, edge);
		else
			rte_node_enqueue(graph, node, edge, node->objs + first, (u16)(end - first));
		first = end;
	}
	return (u16)n;
}

static struct rte_node_register input_node = {
	.name = INPUT_NODE,
	.flags = RTE_NODE_SOURCE_F,
	.process = input_process,
	.init = input_init,
	.nb_edges = 1,
	.next_nodes = { VMHEAP_DROP_NODE },
};
RTE_NODE_REGISTER(input_node)

/* ---- spreads ---- */

/* "0,2-3": workers by number, ascending or not, none twice. */
static clib_error_t *
parse_workers(unformat_input_t *input, spread_t *s)
{
	u32 first, last;

	if (!unformat(input, "%u", &first))
		return vmheap_config_unknown(input, "workers, 0,2-3");
	do {
		last = first;
		if (unformat(input, "-%u", &last) && last < first)
			return clib_error_return(0, "workers %u-%u: descending", first, last);
		for (; first <= last; first++) {
			if (first >= VMHEAP_MAX_WORKERS ||
			    memchr(s->workers, (int)first, s->n_workers))
				return clib_error_return(0, "worker %u: %s", first,
							 first >= VMHEAP_MAX_WORKERS
								 ? "there are not so many"
								 : "named twice");
			s->workers[s->n_workers++] = (u8)first;
		}
	} while (unformat(input, ",%u", &first));
	s->is_symmetrical = unformat(input, "symmetrical") != 0;
	return NULL;
}

static clib_error_t *
check_workers(const spread_t *s)
{
	for (u32 i = 0; i < s->n_workers; i++)
		if (s->workers[i] >= handoff_main.n_workers)
			return clib_error_return(0, "worker %u: there are %u, from 0",
						 s->workers[i], handoff_main.n_workers);
	return NULL;
}

static void
replace_spread(u16 port_id, spread_t *s)
{
	/* Release: the spread is whole, pairs with worker_of(). */
	spread_t *old =
		atomic_exchange_explicit(&handoff_main.spreads[port_id], s, memory_order_acq_rel);

	vmheap_workers_synchronize();
	clib_mem_free(old);
}

static clib_error_t *
set_spread(const vmheap_port_t *port, const spread_t *wanted)
{
	clib_error_t *error = check_workers(wanted);
	spread_t *s;

	if (error)
		return error;
	s = clib_mem_alloc_or_null(sizeof(*s));
	if (!s)
		return clib_error_return(0, "no memory");
	*s = *wanted;
	replace_spread(port->port_id, s);
	if (vmheap_port_set_rx_via(port->port_id, HANDOFF_NODE))
		return clib_error_return(0, "node " HANDOFF_NODE " was not offered");
	return NULL;
}

static void
unset_spread(const vmheap_port_t *port)
{
	vmheap_port_set_rx_via(port->port_id, NULL);
	replace_spread(port->port_id, NULL);
}

/* ---- configuration ---- */

static clib_error_t *
handoff_config(unformat_input_t *input)
{
	while (unformat_check_input(input) != UNFORMAT_END_OF_INPUT) {
		clib_error_t *error = NULL;
		line_t l = {};
		u32 n;

		if (unformat(input, "queue-size %u", &n)) {
			if (n < 64 || n > MAX_QUEUE || !is_pow2(n))
				return clib_error_return(
					0, "queue-size %u: a power of two from 64 to %u", n,
					MAX_QUEUE);
			handoff_main.queue_size = n;
			continue;
		}
		if (!unformat(input, "interface %U workers", unformat_token, "a-zA-Z0-9_.:/-",
			      &l.port))
			return vmheap_config_unknown(
				input, "interface PORT workers LIST [symmetrical] or queue-size N");
		vec_add1(l.port, 0);
		error = parse_workers(input, &l.spread);
		if (!error && vec_add1(handoff_main.lines, l))
			error = clib_error_return(0, "no memory");
		if (error) {
			vec_free(l.port);
			return error;
		}
	}
	return NULL;
}
VMHEAP_CONFIG_FUNCTION(handoff_config, "handoff");

/* ---- init, exit ---- */

static clib_error_t *
handoff_init(void)
{
	int rc = vmheap_errors_register(&handoff_errors);

	handoff_main.n_workers = vmheap_n_workers();
	if (!handoff_main.queue_size)
		handoff_main.queue_size = DEFAULT_QUEUE;
	for (u32 i = 0; i < RTE_MAX_LCORE; i++)
		handoff_main.worker_of_lcore[i] =
			(u16)clib_min(vmheap_worker_of_lcore(i), (u32)VMHEAP_MAX_WORKERS);
	for (u32 w = 0; w < handoff_main.n_workers && !rc; w++) {
		char name[RTE_RING_NAMESIZE];

		snprintf(name, sizeof(name), "vmheap-handoff-%u", w);
		handoff_main.queues[w] = rte_ring_create(
			name, handoff_main.queue_size,
			(int)rte_lcore_to_socket_id(vmheap_worker_lcore(w)), RING_F_SC_DEQ);
		rc = handoff_main.queues[w] ? 0 : -ENOMEM;
	}
	rc = rc ? rc : vmheap_port_offer_rx_node(HANDOFF_NODE);
	return rc ? clib_error_return_code(0, rc, 0, "queues of %u packets: %s",
					   handoff_main.queue_size, strerror(-rc))
		  : NULL;
}
VMHEAP_INIT_FUNCTION(handoff_init, .runs_after = "ethdev_init");

/* A worker alone hands nothing to anybody, and is not made to look. */
static clib_error_t *
add_inputs(void)
{
	const char *missing = "";

	if (vmheap_port_add_rx_edges(handoff_node.id, &missing))
		return clib_error_return(0, "edges of " HANDOFF_NODE ": no node %s", missing);
	for (u32 w = 0; w < handoff_main.n_workers && handoff_main.n_workers > 1; w++) {
		char suffix[16], name[RTE_NODE_NAMESIZE];
		rte_node_t id;

		snprintf(suffix, sizeof(suffix), "%u", w);
		snprintf(name, sizeof(name), INPUT_NODE "-%u", w);
		id = rte_node_clone(input_node.id, suffix);
		if (id == RTE_NODE_ID_INVALID || vmheap_port_add_rx_edges(id, &missing) ||
		    vmheap_worker_add_source(w, name))
			return clib_error_return(0, "node %s cannot be made", name);
	}
	return NULL;
}

static clib_error_t *
handoff_graph_init(void)
{
	clib_error_t *error = add_inputs();
	line_t *l;

	vec_foreach (l, handoff_main.lines) {
		const vmheap_port_t *port = vmheap_port_by_name(l->port);

		if (error)
			break;
		error = port ? set_spread(port, &l->spread)
			     : clib_error_return(0, "there is no such port");
		if (error)
			error = clib_error_return(error, "handoff { interface %s }", l->port);
	}
	return error;
}
VMHEAP_GRAPH_INIT_FUNCTION(handoff_graph_init,
			   .runs_after = "ethdev_graph_init,xconnect_graph_init,ip_graph_init");

static clib_error_t *
handoff_exit(void)
{
	line_t *l;

	for (u32 w = 0; w < VMHEAP_MAX_WORKERS; w++) {
		void *m;

		while (handoff_main.queues[w] && !rte_ring_dequeue(handoff_main.queues[w], &m))
			rte_pktmbuf_free(m);
		rte_ring_free(handoff_main.queues[w]);
		handoff_main.queues[w] = NULL;
	}
	for (u32 i = 0; i < RTE_MAX_ETHPORTS; i++) {
		clib_mem_free(atomic_load_explicit(&handoff_main.spreads[i], memory_order_relaxed));
		atomic_store_explicit(&handoff_main.spreads[i], NULL, memory_order_relaxed);
	}
	vec_foreach (l, handoff_main.lines)
		vec_free(l->port);
	vec_free(handoff_main.lines);
	return NULL;
}
VMHEAP_EXIT_FUNCTION(handoff_exit, .runs_before = "buffer_exit,ethdev_exit");

/* ---- commands ---- */

static clib_error_t *
set_handoff_fn(cli_output_t *out, unformat_input_t *input, vmheap_cli_command_t *cmd)
{
	const vmheap_port_t *port;
	clib_error_t *error;
	spread_t s = {};
	int is_disable;

	if (!unformat(input, "%U", unformat_vmheap_port, &port))
		return vmheap_config_unknown(input, "the name of a port");
	is_disable = unformat(input, "disable") != 0;
	if (!is_disable) {
		if (!unformat(input, "workers"))
			return vmheap_config_unknown(input, "workers LIST or disable");
		if ((error = parse_workers(input, &s)))
			return error;
	}
	if (unformat_check_input(input) != UNFORMAT_END_OF_INPUT)
		return vmheap_config_unknown(input, "symmetrical or no more words");
	if (!is_disable)
		return set_spread(port, &s);
	unset_spread(port);
	return NULL;
}
VMHEAP_CLI_COMMAND(set_handoff) = {
	.path = "set interface handoff",
	.short_help = "set interface handoff PORT workers LIST [symmetrical]|disable",
	.long_help = "Spread what a port receives over workers (0,2-3), flow by flow.  "
		     "symmetrical: both\n"
		     "directions of a flow come to the same worker.",
	.words = "workers symmetrical disable",
	.function = set_handoff_fn,
};

static int
show_spread(const vmheap_port_t *port, void *arg)
{
	const spread_t *s =
		atomic_load_explicit(&handoff_main.spreads[port->port_id], memory_order_relaxed);
	cli_table_t *t = arg;
	u8 *workers = NULL;

	if (!s)
		return 0;
	for (u32 i = 0; i < s->n_workers; i++)
		workers = format(workers, "%s%u", i ? "," : "", s->workers[i]);
	cli_row(t);
	cli_string(t, "%s", port->name);
	cli_string(t, "%v", workers);
	cli_string(t, "%s", s->is_symmetrical ? "symmetrical" : "asymmetrical");
	vec_free(workers);
	return 0;
}

static clib_error_t *
show_handoff_fn(cli_output_t *out, unformat_input_t *input, vmheap_cli_command_t *cmd)
{
	static const cli_column_t spreads[] = { { "interface", "Interface", 20, CLI_LEFT },
						{ "workers", "Workers", 20, CLI_LEFT },
						{ "hash", "Hash", 0, CLI_LEFT } };
	static const cli_column_t queues[] = { { "worker", "Worker", 8, CLI_RIGHT },
					       { "size", "Queue size", 12, CLI_RIGHT },
					       { "count", "In it now", 12, CLI_RIGHT } };
	cli_table_t *t;

	if (unformat_check_input(input) != UNFORMAT_END_OF_INPUT)
		return vmheap_config_unknown(input, "no more words");
	vmheap_port_foreach(show_spread, cli_table(out, "spreads", spreads, ARRAY_LEN(spreads)));
	cli_text(out, "");
	t = cli_table(out, "queues", queues, ARRAY_LEN(queues));
	for (u32 w = 0; w < handoff_main.n_workers; w++) {
		cli_row(t);
		cli_u64(t, w);
		cli_u64(t, rte_ring_get_capacity(handoff_main.queues[w]));
		cli_u64(t, rte_ring_count(handoff_main.queues[w]));
	}
	return NULL;
}
VMHEAP_CLI_COMMAND(show_handoff) = {
	.path = "show interface handoff",
	.short_help = "show interface handoff",
	.long_help = "Ports whose packets are spread over workers, and the workers' queues.",
	.function = show_handoff_fn,
};
