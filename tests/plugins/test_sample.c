/* SPDX-License-Identifier: Apache-2.0 */
/* The sample plugin as the daemon meets it: found in the build's folder of plugins, loaded,
 * configured, used from the command line and by packets, and gone without a trace. */
#include <stdatomic.h>
#include <unistd.h>
#include <plugins/framework/drop.h>
#include <plugins/framework/framework.h>
#include <vppinfra/mem.h>
#include <vppinfra/vec.h>
#include <vppinfra/vmem.h>
#include <rte_graph_worker.h>
#include <rte_mbuf.h>
#include "eal.h"
#include "run_command.h"
#include "unit.h"

#define N_MBUFS 255
#define N_PACKETS 101

static struct rte_mempool *pool;
static _Atomic u32 n_to_send;

/* Sends packets of length 1, 2, 3, ... to the sample's node. */
static u16
source_process(struct rte_graph *graph, struct rte_node *node, void **objs, u16 n_objs)
{
	u32 n = atomic_load(&n_to_send);
	struct rte_mbuf *m = n ? rte_pktmbuf_alloc(pool) : NULL;

	if (!m)
		return 0;
	m->pkt_len = n;
	rte_node_enqueue_x1(graph, node, 0, m);
	atomic_store(&n_to_send, n - 1);
	return 1;
}

static struct rte_node_register sample_test_source = {
	.name = "sample-test-source",
	.flags = RTE_NODE_SOURCE_F,
	.process = source_process,
	.nb_edges = 1,
	.next_nodes = { "sample-sink" },
};
RTE_NODE_REGISTER(sample_test_source)

static clib_error_t *
configure(const char *words)
{
	unformat_input_t input;
	clib_error_t *error;

	unformat_init_cstring(&input, words);
	error = vmheap_config_call("sample", &input);
	unformat_free(&input);
	return error;
}

/* The plugin is found beside the others and its note says who it is. */
static void
the_plugin_loads(void)
{
	char dir[400], *path = dir;
	vmheap_plugin_config_t config = { 0 };
	vmheap_plugin_entry_t sample = { .name = (char *)"sample", .require = 1 };
	clib_error_t *error;
	ssize_t n = readlink("/proc/self/exe", dir, sizeof(dir) - 32);

	CU_ASSERT_FATAL(n > 0);
	dir[n] = 0;
	strcpy(strrchr(dir, '/'), "/../../src/plugins");
	vec_add1(config.paths, path);
	vec_add1(config.entries, sample);
	config.default_disable = 1;
	error = vmheap_plugins_load(&config);
	clib_error_report(error);
	CU_ASSERT_PTR_NULL_FATAL(error);
	CU_ASSERT_STRING_EQUAL(vmheap_plugin_by_name("sample")->note.version, VMHEAP_VERSION);
	vec_free(config.paths);
	vec_free(config.entries);
}

/* Its stanza takes a range and nothing that is none. */
static void
the_stanza_is_checked(void)
{
	static const char *const bad[] = { "ids 0 - 5", "ids 9 - 8", "ids 1 - 70000", "ids x",
					   "colour blue" };

	for (u32 i = 0; i < ARRAY_LEN(bad); i++) {
		clib_error_t *error = configure(bad[i]);

		CU_ASSERT_PTR_NOT_NULL(error);
		clib_error_free(error);
	}
	CU_ASSERT_PTR_NULL(configure("ids 100 - 102"));
	CU_ASSERT_PTR_NULL_FATAL(vmheap_init_call(VMHEAP_INIT));
}

/* Ids come lowest first, each once, and can be given back; what is not taken cannot. */
static void
ids_are_handed_out_once(void)
{
	CU_ASSERT_STRING_EQUAL(run_command("sample id", "alloc"), "id 100\n");
	CU_ASSERT_STRING_EQUAL(run_command("sample id", "alloc"), "id 101\n");
	CU_ASSERT_STRING_EQUAL(run_command("sample id", "alloc"), "id 102\n");
	CU_ASSERT_STRING_EQUAL(run_command("sample id", "alloc"),
			       "error: all ids from 100 to 102 are taken");
	CU_ASSERT_STRING_EQUAL(run_command("sample id", "free 101"), "");
	CU_ASSERT_STRING_EQUAL(run_command("sample id", "free 101"), "error: id 101 is not taken");
	CU_ASSERT_STRING_EQUAL(run_command("sample id", "free 99"), "error: id 99 is not taken");
	CU_ASSERT_STRING_EQUAL(run_command("sample id", "free 4294967295"),
			       "error: id 4294967295 is not taken");
	CU_ASSERT_STRING_EQUAL(run_command("sample id", "show"), "   First    Last    Used\n"
								 "     100     102       2\n");
	CU_ASSERT_STRING_EQUAL(run_command("sample id", "alloc"), "id 101\n");
	CU_ASSERT_STRING_EQUAL(run_command("sample id", "sell"),
			       "error: unknown input 'sell', expected alloc, free N or show");
	CU_ASSERT_STRING_EQUAL(run_command("sample id", ""),
			       "error: input ends, expected alloc, free N or show");
}

/* Packets end in its node, counted by what their length is. */
static void
packets_end_in_its_node(void)
{
	CU_ASSERT_EQUAL(vmheap_worker_add_source(0, "sample-test-source"), 0);
	CU_ASSERT_PTR_NULL_FATAL(vmheap_graphs_create());
	atomic_store(&n_to_send, N_PACKETS);
	CU_ASSERT_PTR_NULL_FATAL(vmheap_workers_start());
	for (u32 i = 0; i < 30000 && atomic_load(&n_to_send); i++)
		usleep(1000);
	vmheap_workers_stop();
	CU_ASSERT_EQUAL(rte_graph_node_get_by_name("worker-0", "sample-sink")->total_objs,
			N_PACKETS);
	CU_ASSERT_EQUAL(rte_graph_node_get_by_name("worker-0", VMHEAP_DROP_NODE)->total_objs,
			N_PACKETS);
	CU_ASSERT_EQUAL(rte_mempool_avail_count(pool), N_MBUFS);
	vmheap_graphs_destroy();
}

/* Ids that people left taken go back at exit, and the arena with them. */
static void
exit_leaves_nothing(void)
{
	CU_ASSERT_PTR_NOT_NULL(vmem_by_name("sample-ids"));
	CU_ASSERT_PTR_NULL(vmheap_init_call(VMHEAP_EXIT));
	CU_ASSERT_PTR_NULL(vmem_by_name("sample-ids"));
}

static const unit_test_t tests[] = {
	UNIT(the_plugin_loads),        UNIT(the_stanza_is_checked), UNIT(ids_are_handed_out_once),
	UNIT(packets_end_in_its_node), UNIT(exit_leaves_nothing),
};

int
main(void)
{
	int status;

	if (eal_up(1, 0, NULL))
		return 1;
	pool = rte_pktmbuf_pool_create("test", N_MBUFS, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
				       SOCKET_ID_ANY);
	if (!pool)
		return 1;
	status = unit_run("sample", tests, ARRAY_LEN(tests));
	rte_mempool_free(pool);
	eal_down();
	return status;
}
