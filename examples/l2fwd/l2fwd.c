/* SPDX-License-Identifier: Apache-2.0 */
/* Layer 2 forwarding between pairs of ports, with our buffer pool instead of rte_mempool's.
 *
 *   l2fwd [EAL arguments] -- [seconds]
 *
 * What port 0 receives leaves by port 1 and the other way round, source address rewritten; each
 * worker lcore serves one pair.  After so many seconds, or at SIGINT, it prints what it moved and
 * `show memory`, and counts whether every buffer came back.
 *
 * A DPDK program needs four lines for our pool: they are marked. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <plugins/pool/pktpool.h>
#include <vppinfra/format.h>
#include <vppinfra/mem.h>
#include <vppinfra/mem_setup.h>
#include <vppinfra/vec.h>
#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_launch.h>
#include <rte_lcore.h>

#define BURST 32
#define N_DESC 512
#define N_BUFFERS 8192

static volatile sig_atomic_t must_stop;

/* One lcore's pair; a cache line, one writer. */
typedef struct {
	_Alignas(64) u16 ports[2];
	struct rte_ether_addr mac[2];
	u64 n_packets, n_drops;
} pair_t;

static pair_t pairs[RTE_MAX_LCORE];

static void
on_signal(int number)
{
	(void)number;
	must_stop = 1;
}

static void
forward(pair_t *p, u32 from)
{
	struct rte_mbuf *mbufs[BURST];
	u16 n = rte_eth_rx_burst(p->ports[from], 0, mbufs, BURST), n_sent;

	for (u16 i = 0; i < n; i++)
		rte_ether_addr_copy(&p->mac[!from],
				    &rte_pktmbuf_mtod(mbufs[i], struct rte_ether_hdr *)->src_addr);
	n_sent = n ? rte_eth_tx_burst(p->ports[!from], 0, mbufs, n) : 0;
	p->n_packets += n_sent;
	p->n_drops += n - n_sent;
	if (n_sent < n)
		pktpool_free(mbufs + n_sent, n - n_sent); /* [4] chains, references, many pools */
}

static int
serve(void *arg)
{
	pair_t *p = arg;

	while (!must_stop) {
		forward(p, 0);
		forward(p, 1);
	}
	return 0;
}

static int
start_port(u16 id, struct rte_mempool *mp)
{
	struct rte_eth_conf conf = { 0 };

	if (rte_eth_dev_configure(id, 1, 1, &conf) ||
	    rte_eth_rx_queue_setup(id, 0, N_DESC, rte_eth_dev_socket_id(id), NULL, mp) ||
	    rte_eth_tx_queue_setup(id, 0, N_DESC, rte_eth_dev_socket_id(id), NULL))
		return -1;
	return rte_eth_dev_start(id);
}

/* `show memory` in two calls: text from the heap and the pool, and out with it. */
static void
show_memory(pktpool_t *pool)
{
	pktpool_info_t info;
	u8 *text;

	pktpool_get_info(pool, &info);
	text = format(0, "%U\npool %s: %u buffers, %u in the depot, %u cached, %u in use\n",
		      format_clib_mem_heap, clib_mem_main_heap(), 1, info.name, info.n_total,
		      info.n_depot, info.n_cached, info.n_used);
	fwrite(text, 1, vec_len(text), stdout);
	vec_free(text);
}

static int
run(u32 n_seconds, pktpool_t *pool)
{
	u16 ids[2 * RTE_MAX_LCORE], n = 0, id;
	u32 lcore, n_pairs = 0, n_leaked = 0;
	u64 n_packets = 0, n_drops = 0;

	RTE_ETH_FOREACH_DEV(id)
	{
		if (n == 2 * RTE_MAX_LCORE || start_port(id, pktpool_mempool(pool))) /* [3] */
			return fprintf(stderr, "port %u cannot be started\n", id), 1;
		ids[n++] = id;
	}
	if (n < 2 || n % 2 || rte_lcore_count() <= (u32)n / 2)
		return fprintf(stderr, "%u ports and %u lcores: a main lcore and one for each pair\n",
			       n, rte_lcore_count()),
		       1;
	RTE_LCORE_FOREACH_WORKER (lcore) {
		pair_t *p = &pairs[n_pairs];

		if (2 * n_pairs == n)
			break;
		for (u32 i = 0; i < 2; i++) {
			p->ports[i] = ids[2 * n_pairs + i];
			rte_eth_macaddr_get(p->ports[i], &p->mac[i]);
		}
		n_pairs++;
		rte_eal_remote_launch(serve, p, lcore);
	}
	for (u32 i = 0; i < 10 * n_seconds && !must_stop; i++)
		usleep(100000);
	must_stop = 1;
	rte_eal_mp_wait_lcore();
	for (u32 i = 0; i < n_pairs; i++) {
		n_packets += pairs[i].n_packets;
		n_drops += pairs[i].n_drops;
	}
	printf("forwarded %lu packets, dropped %lu\n", n_packets, n_drops);
	show_memory(pool);
	for (u16 i = 0; i < n; i++) {
		rte_eth_dev_stop(ids[i]);
		rte_eth_dev_close(ids[i]);
	}
	pktpool_destroy(pool, &n_leaked);
	printf("%u buffers leaked\n", n_leaked);
	return n_leaked || !n_packets;
}

int
main(int argc, char **argv)
{
	pktpool_params_t params = { .name = "l2fwd", .n_buffers = N_BUFFERS, .data_bytes = 2048 };
	int n_eal = rte_eal_init(argc, argv), status;
	char why[128] = "";
	pktpool_t *pool;

	if (n_eal < 0)
		return 1;
	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);
	if (clib_mem_setup(NULL, why, sizeof(why))) /* [1] arenas and heaps, one a NUMA node */
		return fprintf(stderr, "%s\n", why), 1;
	params.numa_node = (int)rte_socket_id();
	params.arena = clib_mem_numa_arena((u32)params.numa_node);
	params.heap = clib_mem_get_numa_heap((u32)params.numa_node);
	status = pktpool_create(&params, &pool); /* [2] a real rte_mempool is behind it */
	if (status)
		return fprintf(stderr, "%u buffers: error %d\n", params.n_buffers, status), 1;
	status = run(argc > n_eal + 1 ? (u32)atoi(argv[n_eal + 1]) : ~0u / 10, pool);
	rte_eal_cleanup();
	if (clib_mem_teardown(why, sizeof(why)))
		printf("%s\n", why);
	return status;
}
