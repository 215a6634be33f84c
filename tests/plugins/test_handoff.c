/* SPDX-License-Identifier: Apache-2.0 */
/* The plugin handoff on three workers: what one port receives is spread over them and leaves by
 * another, every packet once and every flow in order. */
#include <stdatomic.h>
#include <plugins/framework/port.h>
#include <vppinfra/mem.h>
#include <vppinfra/mem_setup.h>
#include <rte_graph.h>
#include <rte_graph_worker.h>
#include <rte_ip.h>
#include "eal.h"
#include "ring_ports.h"
#include "run_command.h"
#include "unit.h"

#define N_FLOWS 64

static u32 n_next[N_FLOWS]; /* of a flow, what comes next */
static u32 n_received, n_disordered;

static void
log_line(const char *line)
{
	if (getenv("VERBOSE"))
		puts(line);
}

static void
set_up(void)
{
	static const char *const names[] = { "buffer", "ethdev", "handoff", "xconnect" };
	static const struct {
		const char *words, *says;
	} bad[] = {
		{ "queue-size 100", "a power of two" },
		{ "interface in worker 1", "expected interface PORT" },
		{ "interface in workers 2-1", "descending" },
		{ "interface in workers 1,1", "named twice" },
		{ "interface in workers 99", "there are not so many" },
	};

	load_plugins(names, ARRAY_LEN(names));
	for (u32 i = 0; i < ARRAY_LEN(bad); i++) {
		clib_error_t *error = configure("handoff", bad[i].words);
		u8 *s = format(0, "%U%c", format_clib_error, error, 0);

		CU_ASSERT_PTR_NOT_NULL(error);
		CU_ASSERT_PTR_NOT_NULL(strstr((char *)s, bad[i].says));
		vec_free(s);
		clib_error_free(error);
	}
	must(configure("buffers", "buffers-per-numa 4096"));
	must(configure("dpdk", "dev net_ring_p0 { name in }\ndev net_ring_p1 { name out }"));
	must(configure("xconnect", "in out"));
	must(configure("handoff", "queue-size 1024 interface in workers 0-2"));
	make_ports();
	must(vmheap_init_call(VMHEAP_INIT));
	must(vmheap_init_call(VMHEAP_GRAPH_INIT));
	must(vmheap_graphs_create());
	must(vmheap_init_call(VMHEAP_MAIN_LOOP_ENTER));
	must(vmheap_workers_start());
}

/* Behind an Ethernet header words are aligned to 2. */
typedef u32 word_t __attribute__((aligned(2)));

/* Packet n of a flow: its addresses and ports say which, its payload which one. */
static struct rte_mbuf *
packet(u32 flow, u32 n)
{
	struct rte_ether_hdr *eth;
	struct rte_ipv4_hdr *ip;
	struct rte_mbuf *m;
	word_t *words;

	if (pktpool_alloc(pktpool_by_node(0), &m, 1))
		return NULL;
	eth = (struct rte_ether_hdr *)rte_pktmbuf_append(m, 64);
	memset(eth, 0, 64);
	eth->ether_type = RTE_BE16(RTE_ETHER_TYPE_IPV4);
	ip = (struct rte_ipv4_hdr *)(eth + 1);
	*ip = (struct rte_ipv4_hdr){ .version_ihl = RTE_IPV4_VHL_DEF,
				     .total_length = RTE_BE16(50),
				     .next_proto_id = IPPROTO_UDP,
				     .src_addr = RTE_BE32(0x0a000001),
				     .dst_addr = rte_cpu_to_be_32(0x0a000100 + flow % 8) };
	words = (word_t *)(ip + 1);
	words[0] = rte_cpu_to_be_32(1000u << 16 | (2000 + flow / 8));
	words[2] = flow;
	words[3] = n;
	return m;
}

static void
take_all(void)
{
	struct rte_mbuf *m;

	while (!rte_ring_dequeue(from_port[1], (void **)&m)) {
		const word_t *words = rte_pktmbuf_mtod_offset(m, const word_t *, 34);

		n_disordered += words[3] != n_next[words[2]]++;
		n_received++;
		rte_pktmbuf_free(m);
	}
}

static u64
n_counted(const char *reason)
{
	const char *text = run_command("show errors", ""), *at = strstr(text, reason);

	if (!at)
		return 0;
	while (at > text && at[-1] != '\n')
		at--;
	return strtoull(at, NULL, 10);
}

/* Each packet of 64 flows arrives once, and after those that were sent before it. */
static void
flows_stay_in_order(void)
{
	u64 state = unit_seed(), n = unit_n_ops(30000);
	u32 n_sent[N_FLOWS] = {};

	for (u64 i = 0; i < n; i++) {
		u32 flow = (u32)unit_random_below(&state, N_FLOWS);
		struct rte_mbuf *m;

		/* No more under way than the queues hold. */
		while (i - n_received > 500)
			take_all();
		while (!(m = packet(flow, n_sent[flow])))
			take_all();
		n_sent[flow]++;
		while (rte_ring_enqueue(to_port[0], m))
			take_all();
	}
	for (u32 i = 0; i < 20000 && n_received < n; i++) {
		take_all();
		usleep(100);
	}
	CU_ASSERT_EQUAL(n_received, n);
	CU_ASSERT_EQUAL(n_disordered, 0);
	/* Two of three go elsewhere, if the hash is any good. */
	CU_ASSERT(n_counted("packets handed to another worker") > n / 3);
	CU_ASSERT(n_counted("packets handed to another worker") < n);
	CU_ASSERT(says("show interface handoff", "", "0,1,2"));
	CU_ASSERT(says("show interface handoff", "", "asymmetrical"));
}

/* Spread, taken together and spread anew while packets move: none is lost. */
static void
spreads_change_while_packets_move(void)
{
	static const char *const words[] = { "in workers 1", "in workers 0,2 symmetrical",
					     "in disable", "in workers 0-2" };
	u32 n = (u32)unit_n_ops(10000);

	n_received = 0;
	for (u32 i = 0; i < n; i++) {
		struct rte_mbuf *m;

		if (i % 500 == 0)
			must_say("set interface handoff", words[i / 500 % ARRAY_LEN(words)]);
		while (i - n_received > 500 || !(m = packet(i % N_FLOWS, 0)))
			take_all();
		while (rte_ring_enqueue(to_port[0], m))
			take_all();
	}
	for (u32 i = 0; i < 20000 && n_received < n; i++) {
		take_all();
		usleep(100);
	}
	CU_ASSERT_EQUAL(n_received, n);
	CU_ASSERT(says("set interface handoff", "in workers 0-3", "there are 3"));
	CU_ASSERT(says("set interface handoff", "nobody workers 0", "the name of a port"));
	CU_ASSERT(says("set interface handoff", "in", "expected workers LIST or disable"));
}

/* More than a worker's queue holds, while that worker does not look: the rest is dropped, counted
 * and given back; what was in the queue arrives in order. */
static void
what_a_queue_cannot_hold_is_dropped(void)
{
	pktpool_t *pool = pktpool_by_node(0);
	u64 n_before = n_counted("congestion drop");
	u32 n_sent = 0, n_held = 0;
	struct rte_graph *graph = rte_graph_lookup("worker-0");
	pktpool_info_t info;

	take_all();
	pktpool_get_info(pool, &info);
	CU_ASSERT_EQUAL(info.n_used, 0);
	/* Port `in` is worker 0's to poll; its packets are worker 1's, who has stopped. */
	must_say("set interface handoff", "in workers 1");
	vmheap_workers_stop();
	memset(n_next, 0, sizeof(n_next));
	n_received = n_disordered = 0;
	for (; n_sent < 3000; n_sent++) {
		struct rte_mbuf *m = packet(0, n_sent);

		CU_ASSERT_PTR_NOT_NULL_FATAL(m);
		while (rte_ring_enqueue(to_port[0], m))
			rte_graph_walk(graph);
	}
	while (!rte_ring_empty(to_port[0]))
		rte_graph_walk(graph);
	/* A ring holds one less than its size. */
	CU_ASSERT_EQUAL(n_counted("congestion drop") - n_before, 3000 - 1023);
	pktpool_get_info(pool, &info);
	n_held = info.n_used;
	CU_ASSERT_EQUAL(n_held, 1023);
	CU_ASSERT(says("show interface handoff", "", "1023"));
	must(vmheap_workers_start());
	for (u32 i = 0; i < 20000 && n_received < 1023; i++) {
		take_all();
		usleep(100);
	}
	CU_ASSERT_EQUAL(n_received, 1023);
	CU_ASSERT_EQUAL(n_disordered, 0);
	must_say("set interface handoff", "in workers 0-2");
}

/* Workers stop with packets in every queue: all buffers are found again, and nothing of the heap
 * is missing. */
static void
a_stop_in_the_middle_loses_no_buffer(void)
{
	char what[256] = "";

	vmheap_workers_stop();
	for (u32 i = 0; i < 1000; i++) {
		struct rte_mbuf *m = packet(i % N_FLOWS, 0);

		if (!m || rte_ring_enqueue(to_port[0], m)) {
			rte_pktmbuf_free(m);
			break;
		}
	}
	must(vmheap_workers_start());
	usleep(1000);
	vmheap_workers_stop();
	take_all();
	vmheap_graphs_destroy();
	must(vmheap_init_call(VMHEAP_EXIT));
	CU_ASSERT_EQUAL(mheap_elts(clib_mem_get_numa_heap(0)), 0);
	CU_ASSERT_EQUAL(mheap_check(clib_mem_get_numa_heap(0), what, sizeof(what)), 0);
}

static const unit_test_t story[] = {
	UNIT(set_up),
	UNIT(flows_stay_in_order),
	UNIT(spreads_change_while_packets_move),
	UNIT(what_a_queue_cannot_hold_is_dropped),
	UNIT(a_stop_in_the_middle_loses_no_buffer),
};

int
main(void)
{
	clib_mem_setup_t setup = { .main_heap_bytes = MiB(64),
				   .numa_heap_bytes = MiB(64),
				   .numa_arena_bytes = MiB(256),
				   .flags = CLIB_MEM_SETUP_NO_HUGE };
	char what[200];
	int status;

	if (clib_mem_setup(&setup, what, sizeof(what))) {
		fprintf(stderr, "%s\n", what);
		return 1;
	}
	vmheap_log_set_function(log_line);
	if (eal_up(3, 0, NULL))
		return 1;
	status = unit_run("handoff", story, ARRAY_LEN(story));
	eal_down();
	return status;
}
