/* SPDX-License-Identifier: Apache-2.0 */
/* Which graph node has a buffer: every node of every graph is entered by way of one function that
 * notes the node, for what it takes meanwhile, and marks the watched buffers it is given.
 *
 * Marking is a look at each pointer of each vector.  One walk of a graph in sixteen is followed
 * that way, from its sources to its last node; where all buffers of a pool are watched each one is.
 *
 * rte_graph calls a node through a pointer in the graph's own memory, so the switch is a store of
 * that pointer, and nothing remains of it when it is off. */
#include <plugins/pool/forensics_impl.h>

#include <rte_graph.h>
#include <rte_graph_worker.h>

/* By node id: what the graphs called before.  The table only grows, and is kept: a worker may be
 * between our pointer and the table when the switch is turned off. */
static struct {
	u32 n;
	_Atomic(rte_node_process_t) *process;
} nodes;

/* 16: a look costs as much as that of a take; so it is a sixteenth of it a node. */
#define WALKS_PER_FOLLOWED 16u

__thread pktpool_trace_walk_t pktpool_trace_walk = { .is_past_sources = 1 };

/* Sources are given nothing, all other nodes something; a walk begins with its sources. */
always_inline void
note_progress(pktpool_trace_walk_t *walk, u16 n)
{
	if (n) {
		walk->is_past_sources = 1;
	} else if (walk->is_past_sources) {
		walk->is_past_sources = 0;
		walk->is_followed = ++walk->n % WALKS_PER_FOLLOWED == 0 ||
				    pktpool_load(&pktpool_n_fully_traced);
	}
}

static never_inline void
see(void **objs, u16 n, u16 node)
{
	for (u32 i = 0, limit = pktpool_table_limit(); i < limit; i++) {
		pktpool_t *pool = pktpool_at(i);

		if (pool && pool->is_in_arena && pktpool_trace_is_on(pool))
			pktpool_trace_seen(pool, objs, n, node);
	}
}

static u16
traced_process(struct rte_graph *graph, struct rte_node *node, void **objs, u16 n)
{
	rte_node_process_t process =
		atomic_load_explicit(&nodes.process[node->id], memory_order_relaxed);
	pktpool_trace_walk_t *walk = &pktpool_trace_walk;

	walk->node = (u16)(node->id + 1);
	note_progress(walk, n);
	if (PREDICT_FALSE(walk->is_followed) && n)
		see(objs, n, walk->node);
	n = process(graph, node, objs, n);
	/* Nodes do not call each other. */
	walk->node = 0;
	return n;
}

/* Room for all ids there are.  The old table is not freed, see above: it is a few hundred bytes,
 * once for each time that nodes were added between two calls. */
static int
table_grow(u32 n)
{
	_Atomic(rte_node_process_t) *table, *old = nodes.process;

	if (n <= nodes.n)
		return 0;
	table = calloc(n, sizeof(*table));
	if (!table)
		return -ENOMEM;
	for (u32 i = 0; i < nodes.n; i++)
		atomic_init(&table[i], atomic_load_explicit(&old[i], memory_order_relaxed));
	__atomic_store_n(&nodes.process, table, __ATOMIC_RELEASE);
	nodes.n = n;
	return 0;
}

static void
switch_node(struct rte_node *node, int is_on)
{
	rte_node_process_t now = __atomic_load_n(&node->process, __ATOMIC_RELAXED);

	if (is_on && now != traced_process) {
		atomic_store_explicit(&nodes.process[node->id], now, memory_order_relaxed);
		/* Release: the table has the node's own function, pairs with the data dependency
		 * in traced_process(). */
		__atomic_store_n(&node->process, traced_process, __ATOMIC_RELEASE);
	} else if (!is_on && now == traced_process) {
		__atomic_store_n(
			&node->process,
			atomic_load_explicit(&nodes.process[node->id], memory_order_relaxed),
			__ATOMIC_RELEASE);
	}
}

int
pktpool_trace_nodes(int is_on)
{
	int error = is_on ? table_grow(rte_node_max_count()) : 0;
	rte_graph_t n_graphs = rte_graph_max_count();

	if (error)
		return error;
	for (rte_graph_t id = 0; id < n_graphs; id++) {
		char *name = rte_graph_id_to_name(id);
		struct rte_graph *graph = name ? rte_graph_lookup(name) : NULL;
		rte_graph_off_t off;
		rte_node_t count;
		struct rte_node *node;

		if (!graph)
			continue;
		rte_graph_foreach_node (count, off, graph, node)
			switch_node(node, is_on);
	}
	return 0;
}
