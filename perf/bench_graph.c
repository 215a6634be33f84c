/* SPDX-License-Identifier: Apache-2.0 */
/* Question: what does a packet cost on its way from one net_null port to the other through our
 * graph, beside the loop of a program without one?  When buffers are watched?  And what does such a
 * loop cost with our mempool ops under it, beside DPDK's?
 *
 * Method: the plugins, their graph and the loops' ports are in one process and on one CPU, so
 * rounds of all cases are interleaved, a millisecond or two each: what forward.py asks of whole
 * daemons minutes apart.  Unit: per packet, received, passed on and sent.
 *
 *   graph_xconnect trace=off|on|check     ethdev-rx, xconnect, ethdev-tx; buffer-trace as said
 *   loop_io, loop_macswap                 rte_eth_rx_burst(), nothing or the MAC addresses swapped,
 *                                         rte_eth_tx_burst(), as dpdk-testpmd's loops do, in bursts
 * of 32; the mempool's ops and per-lcore cache as said
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
#define N_LOOP_BUFFERS 8192
#define LOOP_BURST 32

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
	walk(NULL, N_PACKETS);
}

static int trace_off = -1, trace_on = 0, trace_check = PKTPOOL_TRACE_CHECK;

static void
end_trace(void *arg)
{
	pktpool_foreach(trace_one, &trace_off);
	pktpool_trace_nodes(0);
}

/* ---- loops ---- */

typedef struct {
	const char *ops;
	uint32_t cache;
	uint16_t port; /* both ends */
} loop_t;

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
loop(uint16_t port, uint64_t n, int swaps)
{
	struct rte_mbuf *mbufs[LOOP_BURST];

	for (uint64_t i = 0; i < n;) {
		uint16_t k = rte_eth_rx_burst(port, 0, mbufs, LOOP_BURST), sent;

		if (swaps)
			swap_addresses(mbufs, k);
		sent = rte_eth_tx_burst(port, 0, mbufs, k);
		if (sent < k)
			rte_pktmbuf_free_bulk(mbufs + sent, k - sent);
		i += k;
	}
}

static void
loop_io(void *arg, uint64_t n)
{
	loop(((const loop_t *)arg)->port, n, 0);
}

static void
loop_macswap(void *arg, uint64_t n)
{
	loop(((const loop_t *)arg)->port, n, 1);
}

enum { RING, STACK, LF_STACK, VMHEAP, N_OPS };
enum { UNCACHED, CACHED, N_CACHES };
#define PEER(name, cache)                                                                          \
	{                                                                                          \
		name, cache, 0                                                                     \
	}
static loop_t loops[N_CACHES][N_OPS] = {
	[UNCACHED] = { PEER("ring_mp_mc", 0), PEER("stack", 0), PEER("lf_stack", 0),
		       PEER(PKTPOOL_OPS_NAME, 0) },
	[CACHED] = { PEER("ring_mp_mc", 250), PEER("stack", 250), PEER("lf_stack", 250),
		     PEER(PKTPOOL_OPS_NAME, 250) },
};

static int
make_loop(loop_t *l, uint32_t number)
{
	struct rte_eth_conf conf = {};
	char device[32], name[32];
	struct rte_mempool *mp;
	int rc;

	snprintf(name, sizeof(name), "loop-%u", number);
	/* The first two are the graph's. */
	snprintf(device, sizeof(device), "net_null%u", number + 2);
	mp = rte_pktmbuf_pool_create_by_ops(name, N_LOOP_BUFFERS, l->cache, 0,
					    RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY, l->ops);
	if (!mp)
		return -rte_errno;
	rc = rte_eal_hotplug_add("vdev", device, "");
	if (!rc)
		rc = rte_eth_dev_get_port_by_name(device, &l->port);
	if (!rc)
		rc = rte_eth_dev_configure(l->port, 1, 1, &conf);
	if (!rc)
		rc = rte_eth_rx_queue_setup(l->port, 0, 512, SOCKET_ID_ANY, NULL, mp);
	if (!rc)
		rc = rte_eth_tx_queue_setup(l->port, 0, 512, SOCKET_ID_ANY, NULL);
	return rc ? rc : rte_eth_dev_start(l->port);
}

static int
make_loops(void)
{
	for (uint32_t i = 0; i < N_CACHES * N_OPS; i++) {
		int rc = make_loop(&loops[i / N_OPS][i % N_OPS], i);

		if (rc)
			return rc;
	}
	return 0;
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
	const char *huge[] = { "--in-memory", "-m", "256" };
	const char *small[] = { "--no-huge", "--no-shconf", "-m", "256" };
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

/* clang-format off */
#define GRAPH(level_name, level, end)                                                              \
	{ .name = "graph_xconnect", .params = "trace=" level_name, .fn = walk,                     \
	  .prepare = set_trace, .finish = end, .arg = level, .n_ops = N_PACKETS }
#define LOOP(what, i, k)                                                                           \
	{ .name = #what, .fn = what, .arg = &loops[i][k], .n_ops = N_PACKETS }

enum { OFF, ON, CHECK, MACSWAP, IO };
static bench_case_t cases[] = {
	[OFF] = GRAPH("off", &trace_off, NULL),
	[ON] = GRAPH("on", &trace_on, end_trace),
	[CHECK] = GRAPH("check", &trace_check, end_trace),
	[MACSWAP] = LOOP(loop_macswap, CACHED, RING),
	[IO + RING] = LOOP(loop_io, UNCACHED, RING),
	[IO + STACK] = LOOP(loop_io, UNCACHED, STACK),
	[IO + LF_STACK] = LOOP(loop_io, UNCACHED, LF_STACK),
	[IO + VMHEAP] = LOOP(loop_io, UNCACHED, VMHEAP),
	[IO + N_OPS + RING] = LOOP(loop_io, CACHED, RING),
	[IO + N_OPS + STACK] = LOOP(loop_io, CACHED, STACK),
	[IO + N_OPS + LF_STACK] = LOOP(loop_io, CACHED, LF_STACK),
	[IO + N_OPS + VMHEAP] = LOOP(loop_io, CACHED, VMHEAP),
};
/* clang-format on */

static void
name_loops(void)
{
	static char params[ARRAY_LEN(cases)][40];

	for (uint32_t i = MACSWAP; i < ARRAY_LEN(cases); i++) {
		const loop_t *l = cases[i].arg;

		snprintf(params[i], sizeof(params[i]), "ops=%s cache=%u", l->ops, l->cache);
		cases[i].params = params[i];
	}
}

/* Rounds have been sorted: of the least, of a quarter, which a busy machine leaves alone, and of
 * medians. */
static void
print_ratio(const char *what, const bench_case_t *a, const bench_case_t *b)
{
	uint32_t n = bench_rounds(N_ROUNDS);

	printf("ratio %s min=%.3f quarter=%.3f median=%.3f\n", what, a->ns[0] / b->ns[0],
	       a->ns[n / 4] / b->ns[n / 4], a->ns[n / 2] / b->ns[n / 2]);
}

/* Our ops, to the best of DPDK's with the same cache. */
static void
print_loop_ratios(void)
{
	uint32_t median = bench_rounds(N_ROUNDS) / 2;

	for (uint32_t c = 0; c < N_CACHES; c++) {
		const bench_case_t *of = &cases[IO + c * N_OPS], *best = of;
		char what[80];

		for (uint32_t i = RING; i < VMHEAP; i++)
			if (of[i].ns[median] < best->ns[median])
				best = &of[i];
		snprintf(what, sizeof(what), "loop_io cache=%u vmheap_to=%s", loops[c][RING].cache,
			 loops[c][best - of].ops);
		print_ratio(what, &of[VMHEAP], best);
	}
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
	if (!error && make_loops())
		error = clib_error_return(0, "the loops' ports cannot be made");
	if (error) {
		clib_error_report(error);
		return 1;
	}
	printf("# page=%s\n", is_huge ? "2M" : "4K");
	name_loops();
	bench_run(cases, ARRAY_LEN(cases), N_ROUNDS);
	print_ratio("trace_on_to_off", &cases[ON], &cases[OFF]);
	print_ratio("trace_check_to_off", &cases[CHECK], &cases[OFF]);
	print_ratio("graph_to_loop_macswap", &cases[OFF], &cases[MACSWAP]);
	print_ratio("graph_to_loop_io", &cases[OFF], &cases[IO + N_OPS + RING]);
	print_loop_ratios();
	vmheap_graphs_destroy();
	error = vmheap_init_call(VMHEAP_EXIT);
	if (error)
		clib_error_report(error);
	return error != NULL;
}
