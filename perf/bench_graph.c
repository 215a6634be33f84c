/* SPDX-License-Identifier: Apache-2.0 */
/* Question: what does a packet cost on its way from one net_null port to the other through our
 * graph, beside the loop of a program without one?  And when buffers are watched?
 *
 * Method: the plugins, their graph and the peers' ports are in one process and on one CPU, so
 * rounds of all cases are interleaved, a millisecond or two each: what forward.py asks of whole
 * daemons minutes apart.  Unit: per packet, received, passed on and sent.
 *
 *   graph_xconnect trace=off|on|check     ethdev-rx, xconnect, ethdev-tx; buffer-trace as said
 *   loop_io, loop_macswap                 rte_eth_rx_burst(), nothing or the MAC addresses swapped,
 *                                         rte_eth_tx_burst(), as dpdk-testpmd's loops do: bursts of
 *                                         32, a mempool of ring_mp_mc with a cache of 250
 */
#include "bench.h"

#include <plugins/framework/framework.h>
#include <plugins/pool/forensics.h>
#include <vppinfra/mem.h>
#include <vppinfra/mem_setup.h>
#include <vppinfra/vec.h>
#include <vppinfra/vm.h>
#include <rte_dev.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_ether.h>
#include <rte_graph.h>
#include <rte_graph_worker.h>
#include <rte_mbuf.h>

#define N_PACKETS 65536 /* a round; a multiple of every burst */
#define N_ROUNDS 61
#define N_BUFFERS 16384
#define LOOP_BURST 32
#define LOOP_CACHE 250

static struct rte_graph *graph;
static struct rte_node *sources[2];

/* ---- our graph ---- */

static void
walk(void *arg, uint64_t n)
{
	uint64_t end = sources[0]->total_objs + sources[1]->total_objs + n;

	while (sources[0]->total_objs + sources[1]->total_objs < end)
		rte_graph_walk(graph);
}

static int
trace_one(pktpool_t *pool, void *arg)
{
	const int *flags = arg;

	if (*flags < 0)
		pktpool_trace_off(pool);
	else if (pktpool_trace_on(pool, 0, (u32)*flags))
		fputs("# no trace\n", stderr);
	return 0;
}

/* Caches are as warm afterwards as they are for every other case. */
static void
set_trace(void *arg)
{
	pktpool_foreach(trace_one, arg);
	pktpool_trace_nodes(*(const int *)arg >= 0);
	walk(NULL, N_PACKETS / 8);
}

static int trace_off = -1, trace_on = 0, trace_check = PKTPOOL_TRACE_CHECK;

static void
end_trace(void *arg)
{
	pktpool_foreach(trace_one, &trace_off);
	pktpool_trace_nodes(0);
}

/* ---- peers ---- */

static uint16_t loop_ports[2];

static inline void
swap_addresses(struct rte_mbuf **mbufs, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++) {
		struct rte_mbuf *m = mbufs[i];
		struct rte_ether_hdr *eth = rte_pktmbuf_mtod(m, struct rte_ether_hdr *);
		struct rte_ether_addr to = eth->dst_addr;

		if (i + 1 < n)
			rte_prefetch0(rte_pktmbuf_mtod(mbufs[i + 1], void *));
		eth->dst_addr = eth->src_addr;
		eth->src_addr = to;
		m->ol_flags &= RTE_MBUF_F_INDIRECT | RTE_MBUF_F_EXTERNAL;
		m->l2_len = sizeof(*eth);
		m->l3_len = sizeof(uint32_t) * 5;
	}
}

always_inline void
loop(uint64_t n, int swaps)
{
	struct rte_mbuf *mbufs[LOOP_BURST];

	for (uint64_t i = 0; i < n;) {
		for (uint32_t p = 0; p < 2; p++) {
			uint16_t k = rte_eth_rx_burst(loop_ports[p], 0, mbufs, LOOP_BURST), sent;

			if (swaps)
				swap_addresses(mbufs, k);
			sent = rte_eth_tx_burst(loop_ports[1 - p], 0, mbufs, k);
			if (sent < k)
				rte_pktmbuf_free_bulk(mbufs + sent, k - sent);
			i += k;
		}
	}
}

static void
loop_io(void *arg, uint64_t n)
{
	loop(n, 0);
}

static void
loop_macswap(void *arg, uint64_t n)
{
	loop(n, 1);
}

static int
make_loop_port(const char *device, struct rte_mempool *mp, uint16_t *port)
{
	struct rte_eth_conf conf = {};
	int rc = rte_eal_hotplug_add("vdev", device, "");

	if (!rc)
		rc = rte_eth_dev_get_port_by_name(device, port);
	if (!rc)
		rc = rte_eth_dev_configure(*port, 1, 1, &conf);
	if (!rc)
		rc = rte_eth_rx_queue_setup(*port, 0, 512, SOCKET_ID_ANY, NULL, mp);
	if (!rc)
		rc = rte_eth_tx_queue_setup(*port, 0, 512, SOCKET_ID_ANY, NULL);
	return rc ? rc : rte_eth_dev_start(*port);
}

static int
make_loop(void)
{
	struct rte_mempool *mp = rte_pktmbuf_pool_create_by_ops("loop", N_BUFFERS, LOOP_CACHE, 0,
								RTE_MBUF_DEFAULT_BUF_SIZE,
								SOCKET_ID_ANY, "ring_mp_mc");
	int rc = mp ? make_loop_port("net_null2", mp, &loop_ports[0]) : -ENOMEM;

	return rc ? rc : make_loop_port("net_null3", mp, &loop_ports[1]);
}

/* ---- set-up ---- */

static int
start_eal(const cpu_set_t *allowed, int want_huge)
{
	static char lcores[32], prefix[32];
	const char *all[] = { "bench",
			      "--lcores",
			      lcores,
			      "--file-prefix",
			      prefix,
			      "--no-pci",
			      "--no-telemetry",
			      "--log-level=*:error",
			      "--vdev=net_null0",
			      "--vdev=net_null1" };
	const char *huge[] = { "--in-memory", "-m", "128" };
	const char *small[] = { "--no-huge", "--no-shconf", "-m", "128" };
	char *argv[ARRAY_LEN(all) + ARRAY_LEN(small)];
	int cpu = bench_cpu < 0 ? 0 : bench_cpu, argc = 0;

	/* The second lcore is a worker by name alone: its graph is walked here. */
	snprintf(lcores, sizeof(lcores), "0@%d,1@%d", cpu, cpu);
	snprintf(prefix, sizeof(prefix), "vmheap-bench-%d", (int)getpid());
	for (uint32_t i = 0; i < ARRAY_LEN(all); i++)
		argv[argc++] = (char *)all[i];
	for (uint32_t i = 0; i < (want_huge ? ARRAY_LEN(huge) : ARRAY_LEN(small)); i++)
		argv[argc++] = (char *)(want_huge ? huge[i] : small[i]);
	return rte_eal_init(argc, argv);
}

static clib_error_t *
configure(const char *stanza, const char *words)
{
	unformat_input_t input;
	clib_error_t *error;

	unformat_init_cstring(&input, words);
	error = vmheap_config_call(stanza, &input);
	unformat_free(&input);
	return error;
}

static clib_error_t *
load_plugins(void)
{
	static const char *const names[] = { "buffer", "ethdev", "xconnect" };
	char dir[400], *path = dir;
	vmheap_plugin_config_t config = { .default_disable = 1 };
	ssize_t n = readlink("/proc/self/exe", dir, sizeof(dir) - 32);
	clib_error_t *error;

	if (n < 0)
		return clib_error_return_unix(0, "/proc/self/exe");
	dir[n] = 0;
	strcpy(strrchr(dir, '/'), "/../src/plugins");
	vec_add1(config.paths, path);
	for (uint32_t i = 0; i < ARRAY_LEN(names); i++) {
		vmheap_plugin_entry_t entry = { .name = (char *)names[i], .require = 1 };

		vec_add1(config.entries, entry);
	}
	error = vmheap_plugins_load(&config);
	vec_free(config.paths);
	vec_free(config.entries);
	return error;
}

static clib_error_t *
make_graph(void)
{
	static const char *const names[] = { "ethdev-rx-0-0", "ethdev-rx-1-0" };
	clib_error_t *error = load_plugins();

	if (!error)
		error = configure("buffers", "buffers-per-numa 16384");
	if (!error)
		error = configure("xconnect", "net_null0 net_null1");
	if (!error)
		error = vmheap_init_call(VMHEAP_INIT);
	if (!error)
		error = vmheap_init_call(VMHEAP_GRAPH_INIT);
	if (!error)
		error = vmheap_graphs_create();
	if (error)
		return error;
	graph = rte_graph_lookup("worker-0");
	for (uint32_t i = 0; i < ARRAY_LEN(names) && graph; i++)
		sources[i] = rte_graph_node_get_by_name("worker-0", names[i]);
	return graph && sources[0] && sources[1]
		       ? NULL
		       : clib_error_return(0, "the graph has not the nodes it should have");
}

static bench_case_t cases[] = {
	{ .name = "graph_xconnect",
	  .params = "trace=off",
	  .fn = walk,
	  .prepare = set_trace,
	  .arg = &trace_off,
	  .n_ops = N_PACKETS },
	{ .name = "graph_xconnect",
	  .params = "trace=on",
	  .fn = walk,
	  .prepare = set_trace,
	  .finish = end_trace,
	  .arg = &trace_on,
	  .n_ops = N_PACKETS },
	{ .name = "graph_xconnect",
	  .params = "trace=check",
	  .fn = walk,
	  .prepare = set_trace,
	  .finish = end_trace,
	  .arg = &trace_check,
	  .n_ops = N_PACKETS },
	{ .name = "loop_io", .fn = loop_io, .n_ops = N_PACKETS },
	{ .name = "loop_macswap", .fn = loop_macswap, .n_ops = N_PACKETS },
};
enum { OFF, ON, CHECK, IO, MACSWAP };

/* Rounds have been sorted: of the least, of a quarter, which a busy machine leaves alone, and of
 * medians. */
static void
print_ratio(const char *what, const bench_case_t *a, const bench_case_t *b)
{
	uint32_t n = bench_rounds(N_ROUNDS);

	printf("ratio %s min=%.3f quarter=%.3f median=%.3f\n", what, a->ns[0] / b->ns[0],
	       a->ns[n / 4] / b->ns[n / 4], a->ns[n / 2] / b->ns[n / 2]);
}

int
main(int argc, char **argv)
{
	clib_mem_setup_t setup = { .main_heap_bytes = MiB(64),
				   .numa_heap_bytes = MiB(64),
				   .numa_arena_bytes = MiB(128) };
	vm_hugepages_t pages;
	clib_error_t *error;
	cpu_set_t allowed;
	char what[200];
	int is_huge;

	CPU_ZERO(&allowed);
	sched_getaffinity(0, sizeof(allowed), &allowed);
	bench_start("bench_graph");
	is_huge = !vm_hugepages(VM_NODE_ANY, 21, &pages) && pages.n_free >= 200;
	setup.flags = is_huge ? 0 : CLIB_MEM_SETUP_NO_HUGE;
	if (clib_mem_setup(&setup, what, sizeof(what))) {
		printf("# %s\n", what);
		return 1;
	}
	if (start_eal(&allowed, is_huge) < 0) {
		printf("# no EAL: %s\n", rte_strerror(rte_errno));
		return 1;
	}
	error = make_graph();
	if (!error && make_loop())
		error = clib_error_return(0, "the peers' ports cannot be made");
	if (error) {
		clib_error_report(error);
		return 1;
	}
	printf("# page=%s\n", is_huge ? "2M" : "4K");
	bench_run(cases, ARRAY_LEN(cases), N_ROUNDS);
	print_ratio("trace_on_to_off", &cases[ON], &cases[OFF]);
	print_ratio("trace_check_to_off", &cases[CHECK], &cases[OFF]);
	print_ratio("graph_to_loop_macswap", &cases[OFF], &cases[MACSWAP]);
	print_ratio("graph_to_loop_io", &cases[OFF], &cases[IO]);
	vmheap_graphs_destroy();
	error = vmheap_init_call(VMHEAP_EXIT);
	if (error)
		clib_error_report(error);
	return error != NULL;
}
