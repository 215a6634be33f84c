/* SPDX-License-Identifier: Apache-2.0 */
/* Packets made by a source of the test's own run through two workers' graphs to drop. */
#include <stdatomic.h>
#include <time.h>
#include <plugins/framework/drop.h>
#include <plugins/framework/framework.h>
#include <vppinfra/mem.h>
#include <vppinfra/vec.h>
#include <rte_graph_worker.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>
#include "eal.h"
#include "run_command.h"
#include "unit.h"

#define N_WORKERS 2
#define N_MBUFS 1023
#define BURST 32
#define BUDGET 20000 /* packets a worker, in each run */

static struct rte_mempool *pools[N_WORKERS]; /* one a worker */
static _Atomic u64 budgets[N_WORKERS];

/* ---- nodes ---- */

static const char *const middle_reasons[] = { "divisible by three", "unlucky" };
static vmheap_error_strings_t middle_errors = { "test-middle", middle_reasons, 2, 0 };

/* Makes packets until the budget of its worker is spent; a packet's length is its number. */
static u16
source_process(struct rte_graph *graph, struct rte_node *node, void **objs, u16 n_objs)
{
	u32 w = vmheap_worker_of_lcore(rte_lcore_id());
	_Atomic u64 *budget = &budgets[w];
	u64 left = atomic_load_explicit(budget, memory_order_relaxed);
	u32 n = (u32)clib_min(left, (u64)BURST);
	struct rte_mbuf *mbufs[BURST];

	if (!n || rte_pktmbuf_alloc_bulk(pools[w], mbufs, n))
		return 0;
	for (u32 i = 0; i < n; i++)
		mbufs[i]->pkt_len = (u32)(left - i);
	rte_node_enqueue(graph, node, 0, (void **)mbufs, (u16)n);
	atomic_store_explicit(budget, left - n, memory_order_relaxed);
	return (u16)n;
}

/* Every third packet is dropped with a reason, each other one is sent. */
static u16
middle_process(struct rte_graph *graph, struct rte_node *node, void **objs, u16 n_objs)
{
	for (u32 i = 0; i < n_objs; i++) {
		struct rte_mbuf *m = objs[i];
		int is_third = m->pkt_len % 3 == 0;

		if (is_third)
			vmheap_drop_set_reason(m, &middle_errors, 0);
		rte_node_enqueue_x1(graph, node, is_third ? 1 : 0, m);
	}
	return n_objs;
}

/* Sends all but each fifth packet, which goes to drop without a reason. */
static u16
output_process(struct rte_graph *graph, struct rte_node *node, void **objs, u16 n_objs)
{
	u16 n_sent = 0;

	for (u32 i = 0; i < n_objs; i++) {
		struct rte_mbuf *m = objs[i];

		if (m->pkt_len % 5 == 0) {
			rte_node_enqueue_x1(graph, node, 0, m);
			continue;
		}
		rte_pktmbuf_free(m);
		n_sent++;
	}
	return n_sent;
}

static struct rte_node_register test_source = {
	.name = "test-source",
	.flags = RTE_NODE_SOURCE_F,
	.process = source_process,
	.nb_edges = 1,
	.next_nodes = { "test-middle" },
};
RTE_NODE_REGISTER(test_source)

static struct rte_node_register test_middle = {
	.name = "test-middle",
	.process = middle_process,
	.nb_edges = 2,
	.next_nodes = { "test-output", VMHEAP_DROP_NODE },
};
RTE_NODE_REGISTER(test_middle)

static struct rte_node_register test_output = {
	.name = "test-output",
	.process = output_process,
	.nb_edges = 1,
	.next_nodes = { VMHEAP_DROP_NODE },
};
RTE_NODE_REGISTER(test_output)

/* Nobody has an edge to it. */
static struct rte_node_register test_island = {
	.name = "test-island",
	.process = middle_process,
};
RTE_NODE_REGISTER(test_island)

static struct rte_node_register test_to_nobody = {
	.name = "test-to-nobody",
	.flags = RTE_NODE_SOURCE_F,
	.process = source_process,
	.nb_edges = 1,
	.next_nodes = { "test-nobody" },
};
RTE_NODE_REGISTER(test_to_nobody)

/* ---- helpers ---- */

static u8 *log_text;

static void
collect_log(const char *line)
{
	log_text = format(log_text, "%s\n", line);
}

static int
log_has(const char *text)
{
	return log_text && memmem(log_text, vec_len(log_text), text, strlen(text)) != NULL;
}

static void
expect_error(clib_error_t *error, const char *text)
{
	u8 *s = format(NULL, "%U%c", format_clib_error, error, 0);

	CU_ASSERT_PTR_NOT_NULL(error);
	if (!strstr((char *)s, text)) {
		printf("error was: %s\n", s);
		CU_FAIL("error text");
	}
	vec_free(s);
	clib_error_free(error);
}

/* Until done() says so; gives up after far longer than it can take. */
static int
wait_for(int (*done)(void))
{
	for (u32 i = 0; i < 30000 && !done(); i++)
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	return done();
}

static int
all_is_spent(void)
{
	for (u32 w = 0; w < N_WORKERS; w++)
		if (atomic_load_explicit(&budgets[w], memory_order_relaxed))
			return 0;
	return 1;
}

static int
all_buffers_are_back(void)
{
	for (u32 w = 0; w < N_WORKERS; w++)
		if (rte_mempool_avail_count(pools[w]) != N_MBUFS)
			return 0;
	return 1;
}

static int
make_pools(void)
{
	for (u32 w = 0; w < N_WORKERS; w++) {
		char name[16];

		snprintf(name, sizeof(name), "test-%u", w);
		pools[w] = rte_pktmbuf_pool_create(name, N_MBUFS, 32, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
						   SOCKET_ID_ANY);
		if (!pools[w])
			return -1;
	}
	return 0;
}

static u64
objects_of(u32 worker, const char *node)
{
	char graph[16];
	struct rte_node *n;

	snprintf(graph, sizeof(graph), "worker-%u", worker);
	n = rte_graph_node_get_by_name(graph, node);
	CU_ASSERT_PTR_NOT_NULL_FATAL(n);
	return n->total_objs;
}

static void
spend(void)
{
	for (u32 w = 0; w < N_WORKERS; w++)
		atomic_store_explicit(&budgets[w], BUDGET, memory_order_relaxed);
	CU_ASSERT_FATAL(wait_for(all_is_spent));
}

/* ---- tests ---- */

/* Workers are EAL's worker lcores in order. */
static void
workers_are_the_worker_lcores(void)
{
	CU_ASSERT_EQUAL(vmheap_n_workers(), N_WORKERS);
	CU_ASSERT_EQUAL(vmheap_worker_lcore(0), 1);
	CU_ASSERT_EQUAL(vmheap_worker_lcore(1), 2);
	CU_ASSERT_EQUAL(vmheap_worker_lcore(2), ~0u);
	CU_ASSERT_EQUAL(vmheap_worker_of_lcore(2), 1);
	CU_ASSERT_EQUAL(vmheap_worker_of_lcore(0), ~0u);
	CU_ASSERT_EQUAL(vmheap_worker_of_lcore(77), ~0u);
}

/* Without a source there is no graph; workers run all the same, and stop. */
static void
workers_without_sources_idle(void)
{
	CU_ASSERT_PTR_NULL(vmheap_graphs_create());
	CU_ASSERT(!vmheap_workers_are_running());
	CU_ASSERT_PTR_NULL(vmheap_workers_start());
	CU_ASSERT(vmheap_workers_are_running());
	expect_error(vmheap_workers_start(), "workers are running already");
	expect_error(vmheap_graphs_create(), "workers are running");
	CU_ASSERT_PTR_NOT_NULL(strstr(run_command("show runtime", ""), "no source node"));
	vmheap_workers_stop();
	vmheap_workers_stop();
	CU_ASSERT(!vmheap_workers_are_running());
	vmheap_graphs_destroy();
}

/* A name that cannot be a node's, a worker that is not there, the same twice: refused. */
static void
bad_sources_are_refused(void)
{
	static const char long_name[] = "a-name-that-is-longer-than-the-sixty-three-bytes-that-"
					"rte-graph-has-room-for";

	CU_ASSERT_EQUAL(vmheap_worker_add_source(N_WORKERS, "test-source"), -EINVAL);
	CU_ASSERT_EQUAL(vmheap_worker_add_source(0, ""), -EINVAL);
	CU_ASSERT_EQUAL(vmheap_worker_add_source(0, NULL), -EINVAL);
	CU_ASSERT_EQUAL(vmheap_worker_add_source(0, "test-*"), -EINVAL);
	CU_ASSERT_EQUAL(vmheap_worker_add_source(0, long_name), -EINVAL);
	CU_ASSERT_EQUAL(vmheap_graph_add_nodes(NULL), -EINVAL);
	CU_ASSERT_EQUAL(vmheap_graph_add_nodes(""), -EINVAL);
}

/* What a plugin asked for before its init said no is forgotten: graphs can be made. */
static void
sources_of_a_failed_plugin_are_withdrawn(void)
{
	char dir[400], *path = dir;
	vmheap_plugin_config_t config = { .default_disable = 1 };
	vmheap_plugin_entry_t entry = { .name = (char *)"failing", .enable = 1 };
	ssize_t n = readlink("/proc/self/exe", dir, sizeof(dir) - 1);

	CU_ASSERT_FATAL(n > 0);
	dir[n] = 0;
	*strrchr(dir, '/') = 0;
	vec_add1(config.paths, path);
	vec_add1(config.entries, entry);
	CU_ASSERT_PTR_NULL_FATAL(vmheap_plugins_load(&config));
	vec_free(config.paths);
	vec_free(config.entries);
	CU_ASSERT_EQUAL(vmheap_plugin_by_name("failing")->state, VMHEAP_PLUGIN_LOADED);
	CU_ASSERT_PTR_NULL(vmheap_init_call(VMHEAP_MAIN_LOOP_ENTER));
	CU_ASSERT_EQUAL(vmheap_plugin_by_name("failing")->state, VMHEAP_PLUGIN_FAILED);
	CU_ASSERT_PTR_NULL(vmheap_graphs_create());
	CU_ASSERT(!log_has("is left out"));
}

static clib_error_t *
add_sources(void)
{
	CU_ASSERT_EQUAL(vmheap_worker_add_source(0, "test-source"), 0);
	CU_ASSERT_EQUAL(vmheap_worker_add_source(0, "test-source"), -EEXIST);
	CU_ASSERT_EQUAL(vmheap_worker_add_source(1, "test-source"), 0);
	CU_ASSERT_EQUAL(vmheap_graph_add_nodes("test-i*"), 0);
	return NULL;
}
VMHEAP_GRAPH_INIT_FUNCTION(add_sources);

/* Graphs follow the edges of their sources; announced nodes that nothing reaches are named. */
static void
graphs_hold_what_sources_reach(void)
{
	CU_ASSERT_PTR_NULL(vmheap_init_call(VMHEAP_GRAPH_INIT));
	CU_ASSERT_PTR_NULL(vmheap_graphs_create());
	for (u32 w = 0; w < N_WORKERS; w++) {
		CU_ASSERT_EQUAL(objects_of(w, "test-source"), 0);
		CU_ASSERT_EQUAL(objects_of(w, "test-middle"), 0);
		CU_ASSERT_EQUAL(objects_of(w, "test-output"), 0);
		CU_ASSERT_EQUAL(objects_of(w, VMHEAP_DROP_NODE), 0);
	}
	CU_ASSERT(log_has("node test-island is left out: no source leads to it"));
}

/* Every packet is in exactly one counter, and every buffer is back in its pool. */
static void
packets_are_counted_once(void)
{
	u64 n_thirds = 0, n_fifths = 0;

	CU_ASSERT(all_buffers_are_back());
	CU_ASSERT_PTR_NULL(vmheap_workers_start());
	spend();
	vmheap_workers_stop();
	for (u32 i = 1; i <= BUDGET; i++) {
		n_thirds += i % 3 == 0;
		n_fifths += i % 3 != 0 && i % 5 == 0;
	}
	for (u32 w = 0; w < N_WORKERS; w++) {
		CU_ASSERT_EQUAL(objects_of(w, "test-source"), BUDGET);
		CU_ASSERT_EQUAL(objects_of(w, "test-middle"), BUDGET);
		CU_ASSERT_EQUAL(objects_of(w, "test-output"), BUDGET - n_thirds - n_fifths);
		CU_ASSERT_EQUAL(objects_of(w, VMHEAP_DROP_NODE), n_thirds + n_fifths);
	}
	CU_ASSERT_EQUAL(vmheap_error_total(&middle_errors, 0), N_WORKERS * n_thirds);
	CU_ASSERT_EQUAL(vmheap_error_total(&middle_errors, 1), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(run_command("show errors", ""), "dropped"));
	CU_ASSERT(all_buffers_are_back());
}

/* Shown while workers run, by worker, in VPP's layout; a clear starts at zero again and leaves
 * the workers' own counters alone. */
static void
runtime_is_shown_and_cleared_live(void)
{
	char columns[160], polling[64], unused[80];
	const char *text;
	u64 before;

	snprintf(columns, sizeof(columns), "%-30s   State    %16s%16s%16s%16s%16s\n", "Name",
		 "Calls", "Vectors", "Suspends", "Packet-Clocks", "Vectors/Call");
	snprintf(polling, sizeof(polling), "\n%-30s  polling   ", "test-source");
	snprintf(unused, sizeof(unused), "\n%-30s   active   %16u%16u", "test-middle", 0, 0);
	CU_ASSERT_PTR_NULL(vmheap_workers_start());
	text = run_command("show runtime", "");
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "Thread 1 worker-0 (lcore 1)\nTime "));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "Thread 2 worker-1 (lcore 2)\nTime "));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "loops/sec "));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "vector rates in "));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, columns));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, polling));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "test-middle"));

	before = objects_of(0, "test-middle");
	CU_ASSERT(before > 0);
	CU_ASSERT_STRING_EQUAL(run_command("clear runtime", ""), "");
	CU_ASSERT_EQUAL(objects_of(0, "test-middle"), before);
	text = run_command("show runtime", "");
	CU_ASSERT_PTR_NULL(strstr(text, "test-middle"));
	/* Never called since the clear: only verbose has it. */
	text = run_command("show runtime", "verbose");
	CU_ASSERT_PTR_NOT_NULL(strstr(text, unused));
	CU_ASSERT_PTR_NOT_NULL(
		strstr(run_command("show runtime", "max"), "error: unknown input 'max'"));
	vmheap_workers_stop();
}

/* Workers start and stop, graphs go and come back, and count from zero when they do. */
static void
workers_start_and_stop_again(void)
{
	for (u32 i = 0; i < 3; i++) {
		CU_ASSERT_PTR_NULL(vmheap_workers_start());
		spend();
		vmheap_workers_stop();
	}
	CU_ASSERT(objects_of(1, "test-source") >= 3 * BUDGET);
	vmheap_graphs_destroy();
	CU_ASSERT_PTR_NULL(vmheap_graphs_create());
	CU_ASSERT_EQUAL(objects_of(1, "test-source"), 0);
	CU_ASSERT_PTR_NULL(vmheap_workers_start());
	spend();
	vmheap_workers_stop();
	CU_ASSERT_EQUAL(objects_of(1, "test-source"), BUDGET);
	CU_ASSERT(all_buffers_are_back());
}

static int
a_worker_slept(void)
{
	/* Sleeps is the last column: a row that ends in something else than " 0". */
	const char *row = strstr(run_command("show lcores", ""), "worker-0");
	const char *end = row ? strchr(row, '\n') : NULL;

	return end && !(end[-1] == '0' && end[-2] == ' ');
}

/* Told to, an idle worker sleeps between walks; packets that come wake it. */
static void
idle_workers_sleep_when_told(void)
{
	vmheap_set_idle_sleep_us(100);
	CU_ASSERT_PTR_NULL(vmheap_workers_start());
	CU_ASSERT(wait_for(a_worker_slept));
	spend();
	vmheap_workers_stop();
	vmheap_set_idle_sleep_us(VMHEAP_IDLE_ADAPTIVE);
	CU_ASSERT(all_buffers_are_back());
}

/* show lcores names each lcore, its thread and what it does. */
static void
lcores_are_shown(void)
{
	const char *text;

	CU_ASSERT_PTR_NULL(vmheap_workers_start());
	text = run_command("show lcores", "");
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "ID  Name        Type     LWP"));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "0   main        main"));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "1   worker-0    worker"));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "polling"));
	CU_ASSERT_PTR_NOT_NULL(strstr(run_command("show lcores", "x"), "error: unknown input 'x'"));
	vmheap_workers_stop();
	CU_ASSERT_PTR_NOT_NULL(strstr(run_command("show lcores", ""), "wait"));
}

/* A source that is not there, or leads nowhere, is an error that names it, and no graph is
 * left.  Last: a source cannot be taken back. */
static void
graphs_that_cannot_be_made_say_why(void)
{
	vmheap_graphs_destroy();
	CU_ASSERT_EQUAL(vmheap_worker_add_source(1, "test-to-nobody"), 0);
	expect_error(vmheap_graphs_create(),
		     "node test-to-nobody has an edge to test-nobody, which no plugin has");
	CU_ASSERT_PTR_NULL(rte_graph_lookup("worker-0"));
	CU_ASSERT_EQUAL(vmheap_worker_add_source(0, "test-ghost"), 0);
	expect_error(vmheap_graphs_create(), "worker 0: there is no node test-ghost");
	CU_ASSERT_PTR_NULL(rte_graph_lookup("worker-0"));
}

static const unit_test_t tests[] = {
	UNIT(workers_are_the_worker_lcores),
	UNIT(workers_without_sources_idle),
	UNIT(bad_sources_are_refused),
	UNIT(sources_of_a_failed_plugin_are_withdrawn),
	UNIT(graphs_hold_what_sources_reach),
	UNIT(packets_are_counted_once),
	UNIT(runtime_is_shown_and_cleared_live),
	UNIT(workers_start_and_stop_again),
	UNIT(idle_workers_sleep_when_told),
	UNIT(lcores_are_shown),
	UNIT(graphs_that_cannot_be_made_say_why),
};

int
main(void)
{
	clib_error_t *error;
	int status;

	if (eal_up(N_WORKERS, 0, NULL))
		return 1;
	vmheap_log_set_function(collect_log);
	error = vmheap_init_call(VMHEAP_INIT);
	if (make_pools() || error || vmheap_errors_register(&middle_errors))
		return 1;
	status = unit_run("graph", tests, ARRAY_LEN(tests));
	for (u32 w = 0; w < N_WORKERS; w++)
		rte_mempool_free(pools[w]);
	eal_down();
	return status;
}
