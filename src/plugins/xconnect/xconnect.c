/* SPDX-License-Identifier: Apache-2.0 */
/* xconnect: what port A receives leaves by port B, and the other way round.
 *
 *   startup.conf:  xconnect { A B  C D }
 *   vmheapctl:     xconnect add A B | xconnect del A B | show xconnect
 *
 * Node "xconnect" has an edge to drop and one to each port's tx node.  A table says for each
 * receiving port which edge; the control thread changes an entry with one store while workers
 * read, so a burst goes either the old way or the new one. */
#include <stdatomic.h>
#include <plugins/framework/drop.h>
#include <plugins/framework/framework.h>
#include <plugins/framework/port.h>
#include <plugins/pool/pktpool.h>
#include <vppinfra/byte_order.h>
#include <vppinfra/vec.h>
#include <rte_graph_worker.h>

#define XCONNECT_NODE "xconnect"
#define EDGE_DROP 0
#define PLUGIN "xconnect"

VMHEAP_PLUGIN_REGISTER(.name = "xconnect", .version = VMHEAP_VERSION,
		       .description = "connects ports in pairs", .requires = "ethdev");

/* A worker's counts for one receiving port: one writer. */
typedef struct {
	_Atomic u64 n_packets, n_bytes;
} counts_t;

static struct {
	char **pairs; /* vector of names, two a pair, as configured */

	/* Set by init, constant after. */
	u32 n_workers, n_ports;
	u16 worker_of_lcore[RTE_MAX_LCORE];
	u16 edge_to[RTE_MAX_ETHPORTS]; /* edge that leads to a port's tx node */
	counts_t **counts;             /* by worker, vectors by port id; a line at least each */

	/* Written by the main lcore, read by workers. */
	_Alignas(CLIB_CACHE_LINE_BYTES) _Atomic u16 edge_of[RTE_MAX_ETHPORTS];
	/* Main lcore: the other port, or none. */
	u16 peer_of[RTE_MAX_ETHPORTS];
} xconnect_main;

#define NO_PEER RTE_MAX_ETHPORTS

enum { NOT_CONNECTED };
static const char *const reasons[] = { "port not connected" };
static vmheap_error_strings_t xconnect_errors = { .node = XCONNECT_NODE,
						  .reasons = reasons,
						  .n_reasons = ARRAY_LEN(reasons) };

/* ---- node ---- */

always_inline void
add_relaxed(_Atomic u64 *p, u64 n)
{
	atomic_store_explicit(p, atomic_load_explicit(p, memory_order_relaxed) + n,
			      memory_order_relaxed);
}

always_inline u16
edge_of(u16 port)
{
	return port < RTE_MAX_ETHPORTS
		       ? atomic_load_explicit(&xconnect_main.edge_of[port], memory_order_relaxed)
		       : EDGE_DROP;
}

static void
set_reasons(struct rte_mbuf **mbufs, u32 n)
{
	for (u32 i = 0; i < n; i++)
		vmheap_drop_set_reason(mbufs[i], &xconnect_errors, NOT_CONNECTED);
}

/* data_off, refcnt, nb_segs and port in one word, port in the two bytes that are last. */
STATIC_ASSERT(offsetof(struct rte_mbuf, port) == offsetof(struct rte_mbuf, rearm_data) + 6,
	      "port_word() knows the layout of an mbuf");
#if CLIB_ARCH_IS_BIG_ENDIAN
#	define PORT_SHIFT 0
#else
#	define PORT_SHIFT 48
#endif

always_inline u64
port_word(const struct rte_mbuf *m)
{
	return *(const u64 *)m->rearm_data;
}

/* The end of the run of one port's packets that begins at first, and its bytes.  Eight at a time:
 * what a port received comes in whole bursts. */
always_inline u32
end_of_run(struct rte_mbuf *const *mbufs, u32 first, u32 n, u64 *n_bytes)
{
	u64 word = port_word(mbufs[first]);
	u32 end = first;

	for (; end + 8 <= n; end += 8) {
		u64 in_all = word, in_any = word;
		u32 n_eight = 0; /* of packets below half a gigabyte */

#pragma GCC unroll 8
		for (u32 i = 0; i < 8; i++) {
			const struct rte_mbuf *m = mbufs[end + i];

			in_all &= port_word(m);
			in_any |= port_word(m);
			n_eight += m->pkt_len;
		}
		if (((in_all ^ in_any) >> PORT_SHIFT) & UINT16_MAX)
			break;
		*n_bytes += n_eight;
	}
	for (; end < n && !(((port_word(mbufs[end]) ^ word) >> PORT_SHIFT) & UINT16_MAX); end++)
		*n_bytes += mbufs[end]->pkt_len;
	return end;
}

/* A run goes on with one copy of its pointers.  rte_node_enqueue() would copy by sixteen bytes. */
always_inline void
send_run(struct rte_graph *graph, struct rte_node *node, u16 edge, void **objs, u32 n)
{
	void **to = rte_node_next_stream_get(graph, node, edge, (u16)n);

	pktpool_copy_many(to, objs, n);
	rte_node_next_stream_put(graph, node, edge, (u16)n);
}

static u16
xconnect_process(struct rte_graph *graph, struct rte_node *node, void **objs, u16 n)
{
	counts_t *counts = xconnect_main.counts[xconnect_main.worker_of_lcore[rte_lcore_id()]];
	struct rte_mbuf **mbufs = (struct rte_mbuf **)objs;
	u32 first = 0;

	while (first < n) {
		u64 n_bytes = 0;
		u16 port = mbufs[first]->port, edge = edge_of(port);
		u32 end = end_of_run(mbufs, first, n, &n_bytes);

		if (PREDICT_FALSE(edge == EDGE_DROP))
			set_reasons(mbufs + first, end - first);
		else {
			add_relaxed(&counts[port].n_packets, end - first);
			add_relaxed(&counts[port].n_bytes, n_bytes);
		}
		if (end - first == n)
			rte_node_next_stream_move(graph, node, edge);
		else
			send_run(graph, node, edge, objs + first, end - first);
		first = end;
	}
	return n;
}

static struct rte_node_register xconnect_node = {
	.name = XCONNECT_NODE,
	.process = xconnect_process,
	.nb_edges = 1,
	.next_nodes = { VMHEAP_DROP_NODE },
};
RTE_NODE_REGISTER(xconnect_node)

/* ---- table ---- */

static void
connect_ports(u16 a, u16 b)
{
	xconnect_main.peer_of[a] = b;
	xconnect_main.peer_of[b] = a;
	atomic_store_explicit(&xconnect_main.edge_of[a], xconnect_main.edge_to[b],
			      memory_order_relaxed);
	atomic_store_explicit(&xconnect_main.edge_of[b], xconnect_main.edge_to[a],
			      memory_order_relaxed);
}

static void
disconnect_ports(u16 a, u16 b)
{
	atomic_store_explicit(&xconnect_main.edge_of[a], EDGE_DROP, memory_order_relaxed);
	atomic_store_explicit(&xconnect_main.edge_of[b], EDGE_DROP, memory_order_relaxed);
	xconnect_main.peer_of[a] = xconnect_main.peer_of[b] = NO_PEER;
	vmheap_port_clear_rx_next(a, PLUGIN);
	vmheap_port_clear_rx_next(b, PLUGIN);
}

/* A port that belongs to a pair is ours until the pair is taken apart. */
static clib_error_t *
claim_ports(const vmheap_port_t *a, const vmheap_port_t *b)
{
	const vmheap_port_t *both[] = { a, b };

	for (u32 i = 0; i < 2; i++) {
		if (!vmheap_port_set_rx_next(both[i]->port_id, XCONNECT_NODE, PLUGIN))
			continue;
		/* The other one is free for somebody else, unless it is in a pair already. */
		if (i && xconnect_main.peer_of[a->port_id] == NO_PEER)
			vmheap_port_clear_rx_next(a->port_id, PLUGIN);
		return clib_error_return(0, "what %s receives goes to node %s, as plugin %s asked",
					 both[i]->name, both[i]->rx_next, both[i]->rx_owner);
	}
	return NULL;
}

static clib_error_t *
add_pair(const vmheap_port_t *a, const vmheap_port_t *b)
{
	const vmheap_port_t *both[] = { a, b };
	clib_error_t *error;

	for (u32 i = 0; i < 2; i++) {
		u16 peer = xconnect_main.peer_of[both[i]->port_id];

		if (peer != NO_PEER && peer != both[1 - i]->port_id)
			return clib_error_return(0, "%s is connected to %s already", both[i]->name,
						 vmheap_port(peer)->name);
	}
	error = claim_ports(a, b);
	if (!error)
		connect_ports(a->port_id, b->port_id);
	return error;
}

/* ---- configuration ---- */

#define NAME_CHARACTERS "a-zA-Z0-9_.:/-"

static clib_error_t *
xconnect_config(unformat_input_t *input)
{
	while (unformat_skip_white_space(input), !unformat_is_eof(input)) {
		u8 *names[2] = { NULL, NULL };

		for (u32 i = 0; i < 2; i++) {
			if (!unformat(input, "%U", unformat_token, NAME_CHARACTERS, &names[i])) {
				vec_free(names[0]);
				return vmheap_config_unknown(input, "pairs of port names");
			}
			vec_add1(names[i], 0);
		}
		for (u32 i = 0; i < 2; i++)
			vec_add1(xconnect_main.pairs, (char *)names[i]);
	}
	return NULL;
}
VMHEAP_CONFIG_FUNCTION(xconnect_config, "xconnect");

/* ---- init, exit ---- */

static int
take_port(const vmheap_port_t *port, void *arg)
{
	xconnect_main.n_ports = port->port_id + 1;
	/* What nobody wants is counted here as not connected. */
	vmheap_port_set_rx_default(port->port_id, XCONNECT_NODE, PLUGIN);
	return 0;
}

static clib_error_t *
allocate_counts(void)
{
	u32 n_workers = vmheap_n_workers() + 1;

	/* A spare line at the end: the next vector's header is another worker's no more. */
	for (u32 w = 0; w < n_workers; w++) {
		counts_t *c = NULL;

		if (vec_validate_aligned(c, xconnect_main.n_ports + 4, CLIB_CACHE_LINE_BYTES) ||
		    vec_add1(xconnect_main.counts, c)) {
			vec_free(c);
			return clib_error_return(0, "counters of %u ports: no memory",
						 xconnect_main.n_ports);
		}
	}
	xconnect_main.n_workers = n_workers;
	for (u32 i = 0; i < RTE_MAX_LCORE; i++)
		xconnect_main.worker_of_lcore[i] =
			(u16)clib_min(vmheap_worker_of_lcore(i), n_workers - 1);
	return NULL;
}

static clib_error_t *
xconnect_init(void)
{
	char **pairs = xconnect_main.pairs;
	clib_error_t *error;
	int rc;

	for (u32 i = 0; i < RTE_MAX_ETHPORTS; i++)
		xconnect_main.peer_of[i] = NO_PEER;
	for (u32 i = 0; i < vec_len(pairs); i++)
		if (!vmheap_port_by_name(pairs[i]))
			return clib_error_return(0, "xconnect { %s %s }: there is no port %s",
						 pairs[i & ~1u], pairs[i | 1], pairs[i]);
	rc = vmheap_errors_register(&xconnect_errors);
	if (rc)
		return clib_error_return_code(0, rc, 0, "counters: %s", strerror(-rc));
	vmheap_port_foreach(take_port, NULL);
	for (u32 i = 0; i < vec_len(pairs); i += 2) {
		error = claim_ports(vmheap_port_by_name(pairs[i]),
				    vmheap_port_by_name(pairs[i + 1]));
		if (error)
			return clib_error_return(error, "xconnect { %s %s }", pairs[i],
						 pairs[i + 1]);
	}
	return allocate_counts();
}
VMHEAP_INIT_FUNCTION(xconnect_init, .runs_after = "ethdev_init");

/* One edge a port, and the configured pairs. */
static int
add_edge(const vmheap_port_t *port, void *arg)
{
	const char *next = port->tx_node;
	rte_edge_t edge = rte_node_edge_count(xconnect_node.id);

	if (rte_node_edge_update(xconnect_node.id, edge, &next, 1) != 1) {
		*(const vmheap_port_t **)arg = port;
		return 1;
	}
	xconnect_main.edge_to[port->port_id] = edge;
	return 0;
}

static clib_error_t *
xconnect_graph_init(void)
{
	char **pairs = xconnect_main.pairs;
	const vmheap_port_t *failed = NULL;

	vmheap_port_foreach(add_edge, &failed);
	if (failed)
		return clib_error_return(0, "no edge from " XCONNECT_NODE " to %s",
					 failed->tx_node);
	for (u32 i = 0; i < vec_len(pairs); i += 2) {
		clib_error_t *error =
			add_pair(vmheap_port_by_name(pairs[i]), vmheap_port_by_name(pairs[i + 1]));

		if (error)
			return clib_error_return(error, "xconnect { %s %s }", pairs[i],
						 pairs[i + 1]);
	}
	return NULL;
}
VMHEAP_GRAPH_INIT_FUNCTION(xconnect_graph_init, .runs_after = "ethdev_graph_init");

static clib_error_t *
xconnect_exit(void)
{
	for (u32 i = 0; i < vec_len(xconnect_main.pairs); i++)
		vec_free(xconnect_main.pairs[i]);
	vec_free(xconnect_main.pairs);
	for (u32 w = 0; w < vec_len(xconnect_main.counts); w++)
		vec_free(xconnect_main.counts[w]);
	vec_free(xconnect_main.counts);
	return NULL;
}
VMHEAP_EXIT_FUNCTION(xconnect_exit);

/* ---- commands ---- */

static clib_error_t *
parse_pair(unformat_input_t *input, const vmheap_port_t **ports)
{
	for (u32 i = 0; i < 2; i++)
		if (!unformat(input, "%U", unformat_vmheap_port, &ports[i]))
			return vmheap_config_unknown(input, "the name of a port");
	unformat_skip_white_space(input);
	return unformat_is_eof(input) ? NULL : vmheap_config_unknown(input, "nothing more");
}

static clib_error_t *
xconnect_add(cli_output_t *out, unformat_input_t *input, vmheap_cli_command_t *cmd)
{
	const vmheap_port_t *ports[2];
	clib_error_t *error = parse_pair(input, ports);

	return error ? error : add_pair(ports[0], ports[1]);
}
VMHEAP_CLI_COMMAND(xconnect_add) = {
	.path = "xconnect add",
	.short_help = "xconnect add A B",
	.long_help = "What port A receives leaves by port B, and the other way round.  A B with A "
		     "twice sends packets back.",
	.function = xconnect_add,
};

static clib_error_t *
xconnect_del(cli_output_t *out, unformat_input_t *input, vmheap_cli_command_t *cmd)
{
	const vmheap_port_t *ports[2];
	clib_error_t *error = parse_pair(input, ports);

	if (error)
		return error;
	if (xconnect_main.peer_of[ports[0]->port_id] != ports[1]->port_id)
		return clib_error_return(0, "%s and %s are not connected", ports[0]->name,
					 ports[1]->name);
	disconnect_ports(ports[0]->port_id, ports[1]->port_id);
	return NULL;
}
VMHEAP_CLI_COMMAND(xconnect_del) = {
	.path = "xconnect del",
	.short_help = "xconnect del A B",
	.long_help = "Disconnect two ports: what they receive is dropped and counted.",
	.function = xconnect_del,
};

static int
show_port(const vmheap_port_t *port, void *arg)
{
	u16 peer = xconnect_main.peer_of[port->port_id];
	u64 n_packets = 0, n_bytes = 0;
	cli_table_t *t = arg;

	if (peer == NO_PEER)
		return 0;
	for (u32 w = 0; w < vec_len(xconnect_main.counts); w++) {
		counts_t *c = &xconnect_main.counts[w][port->port_id];

		n_packets += atomic_load_explicit(&c->n_packets, memory_order_relaxed);
		n_bytes += atomic_load_explicit(&c->n_bytes, memory_order_relaxed);
	}
	cli_row(t);
	cli_string(t, "%s", port->name);
	cli_string(t, "%s", vmheap_port(peer)->name);
	cli_u64(t, n_packets);
	cli_u64(t, n_bytes);
	return 0;
}

static clib_error_t *
show_xconnect(cli_output_t *out, unformat_input_t *input, vmheap_cli_command_t *cmd)
{
	static const cli_column_t columns[] = { { "from", "From", 20, CLI_LEFT },
						{ "to", "To", 20, CLI_LEFT },
						{ "packets", "Packets", 16, CLI_RIGHT },
						{ "bytes", "Bytes", 18, CLI_RIGHT } };

	vmheap_port_foreach(show_port, cli_table(out, "xconnects", columns, ARRAY_LEN(columns)));
	return NULL;
}
VMHEAP_CLI_COMMAND(show_xconnect) = {
	.path = "show xconnect",
	.short_help = "show xconnect",
	.long_help = "Connected ports, and what was passed on in each direction.",
	.function = show_xconnect,
};
