/* SPDX-License-Identifier: Apache-2.0 */
/* Counters of running graphs, read as they are.  A clear remembers what they were; the worker
 * that owns them never sees it. */
#include <plugins/framework/framework_impl.h>

#include <time.h>
#include <plugins/framework/drop.h>
#include <vppinfra/vec.h>

typedef struct {
	u64 n_calls, n_objs, n_cycles;
} node_counts_t;

static node_counts_t *baselines[VMHEAP_MAX_WORKERS]; /* vectors, by position in the graph */
static u64 loops_baseline[VMHEAP_MAX_WORKERS];
static f64 start_seconds;

static f64
seconds_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (f64)t.tv_sec + 1e-9 * (f64)t.tv_nsec;
}

f64
framework_runtime_seconds(void)
{
	return seconds_now() - start_seconds;
}

u64
framework_runtime_loops(u32 w)
{
	return atomic_load_explicit(&framework_worker(w)->n_loops, memory_order_relaxed) -
	       loops_baseline[w];
}

FRAMEWORK_LIVE_READ static node_counts_t
live_counts(const struct rte_node *n)
{
	return (node_counts_t){ .n_calls = *(const volatile u64 *)&n->total_calls,
				.n_objs = *(const volatile u64 *)&n->total_objs,
				.n_cycles = *(const volatile u64 *)&n->total_cycles };
}

/* A node whose every edge leads to drop takes packets out: a tx node keeps that edge for what
 * the device refuses. */
static int
is_output(const struct rte_node *n)
{
	for (u32 e = 0; e < n->nb_edges; e++)
		if (strcmp(n->nodes[e]->name, VMHEAP_DROP_NODE))
			return 0;
	return 1;
}

framework_node_stats_t *
framework_node_stats(u32 w)
{
	struct rte_graph *graph = framework_worker(w)->graph;
	framework_node_stats_t *stats = NULL;
	struct rte_node *n;
	rte_graph_off_t off;
	rte_node_t count;

	if (!graph)
		return NULL;
	rte_graph_foreach_node (count, off, graph, n) {
		node_counts_t c = live_counts(n), base = { 0 };
		framework_node_stats_t s = { .name = n->name };

		if (count < vec_len(baselines[w]))
			base = baselines[w][count];
		for (u32 i = 0; i < vec_len(framework_worker(w)->sources); i++)
			s.is_source |= framework_worker(w)->sources[i] == n;
		s.is_drop = !strcmp(n->name, VMHEAP_DROP_NODE);
		s.is_output = !s.is_source && !s.is_drop && is_output(n);
		s.n_calls = c.n_calls - base.n_calls;
		s.n_objs = c.n_objs - base.n_objs;
		s.n_cycles = c.n_cycles - base.n_cycles;
		if (vec_add1(stats, s))
			break;
	}
	return stats;
}

void
framework_runtime_start(void)
{
	for (u32 w = 0; w < VMHEAP_MAX_WORKERS; w++) {
		vec_free(baselines[w]);
		loops_baseline[w] =
			atomic_load_explicit(&framework_worker(w)->n_loops, memory_order_relaxed);
	}
	start_seconds = seconds_now();
}

void
framework_runtime_clear(void)
{
	framework_runtime_start();
	for (u32 w = 0; w < VMHEAP_MAX_WORKERS; w++) {
		struct rte_graph *graph = framework_worker(w)->graph;
		struct rte_node *n;
		rte_graph_off_t off;
		rte_node_t count;

		if (!graph)
			continue;
		rte_graph_foreach_node (count, off, graph, n)
			if (vec_add1(baselines[w], live_counts(n)))
				break;
	}
}

void
framework_runtime_free(void)
{
	for (u32 w = 0; w < VMHEAP_MAX_WORKERS; w++)
		vec_free(baselines[w]);
}
