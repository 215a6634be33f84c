/* SPDX-License-Identifier: Apache-2.0 */
/* Question: what does a burst of buffers cost, taken and given back by one lcore, beside what a
 * DPDK program would use instead?
 *
 * Method: one pool of 8192 buffers each, all on the same kind of pages; a case takes a burst and
 * gives it back; rounds of all cases are interleaved.  Unit: per buffer, one get and one put
 * together.
 *
 *   pktpool            our calls              rte_vmheap   our pool by way of rte_mempool's ops
 *   ring_mp_mc, stack  DPDK's handlers, with its per-lcore cache of 256 and without
 *
 *   raw: pointers alone       mbuf: alloc (reset included) and free of packet buffers */
#include "bench.h"

#include <plugins/pool/pktpool.h>
#include <vppinfra/mheap.h>
#include <vppinfra/vm.h>
#include <rte_eal.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>

#define N_BUFFERS 8192
#define N_OBJS 65536 /* a round; a multiple of every burst */
#define N_ROUNDS 31
#define MAX_BURST 256

typedef struct {
	struct rte_mempool *mp;
	pktpool_t *pool;
	uint32_t burst;
} arg_t;

static void *objs[MAX_BURST];
/* The first refusal of any case: figures are worth nothing then. */
static int n_refused;

static void
our_raw(void *arg, uint64_t n)
{
	const arg_t *a = arg;

	for (uint64_t i = 0; i < n; i += a->burst) {
		n_refused += pktpool_get_raw(a->pool, objs, a->burst) != 0;
		bench_keep(objs);
		pktpool_put_raw(a->pool, objs, a->burst);
	}
}

static void
mempool_raw(void *arg, uint64_t n)
{
	const arg_t *a = arg;

	for (uint64_t i = 0; i < n; i += a->burst) {
		n_refused += rte_mempool_get_bulk(a->mp, objs, a->burst) != 0;
		bench_keep(objs);
		rte_mempool_put_bulk(a->mp, objs, a->burst);
	}
}

static void
our_mbuf(void *arg, uint64_t n)
{
	const arg_t *a = arg;

	for (uint64_t i = 0; i < n; i += a->burst) {
		n_refused += pktpool_alloc(a->pool, (struct rte_mbuf **)objs, a->burst) != 0;
		bench_keep(objs);
		pktpool_free((struct rte_mbuf **)objs, a->burst);
	}
}

static void
mempool_mbuf(void *arg, uint64_t n)
{
	const arg_t *a = arg;

	for (uint64_t i = 0; i < n; i += a->burst) {
		n_refused += rte_pktmbuf_alloc_bulk(a->mp, (struct rte_mbuf **)objs, a->burst) != 0;
		bench_keep(objs);
		rte_pktmbuf_free_bulk((struct rte_mbuf **)objs, a->burst);
	}
}

/* One by one, as many drivers free what they sent. */
static void
mempool_single_free(void *arg, uint64_t n)
{
	const arg_t *a = arg;

	for (uint64_t i = 0; i < n; i += a->burst) {
		n_refused += rte_pktmbuf_alloc_bulk(a->mp, (struct rte_mbuf **)objs, a->burst) != 0;
		for (uint32_t k = 0; k < a->burst; k++)
			rte_pktmbuf_free(objs[k]);
	}
}

/* ---- set-up ---- */

static int is_huge;

static int
start_eal(void)
{
	static char lcores[16], prefix[32];
	char *huge[] = { (char *)"bench",
			 (char *)"--lcores",
			 lcores,
			 (char *)"--file-prefix",
			 prefix,
			 (char *)"--no-pci",
			 (char *)"--no-telemetry",
			 (char *)"--log-level=*:error",
			 (char *)"--in-memory" };
	char *small[] = { (char *)"bench",
			  (char *)"--lcores",
			  lcores,
			  (char *)"--file-prefix",
			  prefix,
			  (char *)"--no-pci",
			  (char *)"--no-telemetry",
			  (char *)"--log-level=*:error",
			  (char *)"--no-huge",
			  (char *)"--no-shconf",
			  (char *)"-m",
			  (char *)"256" };
	vm_hugepages_t pages;

	/* 96: five pools of 20 pages. */
	is_huge = !vm_hugepages(VM_NODE_ANY, 21, &pages) && pages.n_free >= 120;
	snprintf(lcores, sizeof(lcores), "0@%d", bench_cpu < 0 ? 0 : bench_cpu);
	snprintf(prefix, sizeof(prefix), "vmheap-bench-%d", (int)getpid());
	return is_huge ? rte_eal_init(ARRAY_LEN(huge), huge)
		       : rte_eal_init(ARRAY_LEN(small), small);
}

static clib_arena_t *arena;
static void *heap;

static int
make_pktpool(arg_t *a)
{
	clib_arena_params_t arena_params = {
		.name = "bench",
		.reserve_bytes = MiB(128),
		.numa_node = VM_NODE_ANY,
		.page_size = is_huge ? CLIB_MEM_PAGE_SZ_2M : CLIB_MEM_PAGE_SZ_4K,
		.vm_flags = VM_RANGE_WINDOW | VM_RANGE_SHARED | VM_RANGE_EXACT_PAGE
	};
	pktpool_params_t params = { .name = "pktpool", .n_buffers = N_BUFFERS, .data_bytes = 2048 };
	int error = clib_arena_create(&arena_params, &arena);

	if (error)
		return error;
	heap = mheap_alloc_with_flags(0, MiB(16), MHEAP_FLAG_THREAD_SAFE);
	params.arena = arena;
	params.heap = heap;
	error = pktpool_create(&params, &a->pool);
	if (!error)
		a->mp = pktpool_mempool(a->pool);
	return error;
}

static struct rte_mempool *
make_mempool(const char *ops, unsigned cache_size)
{
	char name[32];

	snprintf(name, sizeof(name), "%s-%u", ops, cache_size);
	/* The same private area and room as ours. */
	return rte_pktmbuf_pool_create_by_ops(name, N_BUFFERS - 1, cache_size, PKTPOOL_PRIV_BYTES,
					      2048 + RTE_PKTMBUF_HEADROOM, SOCKET_ID_ANY, ops);
}

typedef struct {
	const char *what, *name;
	void (*fn)(void *arg, uint64_t n);
	uint32_t pool; /* index of its arg */
} kind_t;

enum { OURS, RING_CACHED, RING, STACK_CACHED, STACK, N_POOLS };

static const kind_t kinds[] = {
	{ "raw", "pktpool", our_raw, OURS },
	{ "raw", "rte_vmheap cache=0", mempool_raw, OURS },
	{ "raw", "rte_ring_mp_mc cache=256", mempool_raw, RING_CACHED },
	{ "raw", "rte_ring_mp_mc cache=0", mempool_raw, RING },
	{ "raw", "rte_stack cache=256", mempool_raw, STACK_CACHED },
	{ "raw", "rte_stack cache=0", mempool_raw, STACK },
	{ "mbuf", "pktpool", our_mbuf, OURS },
	{ "mbuf", "rte_vmheap cache=0", mempool_mbuf, OURS },
	{ "mbuf", "rte_ring_mp_mc cache=256", mempool_mbuf, RING_CACHED },
	{ "mbuf", "rte_ring_mp_mc cache=0", mempool_mbuf, RING },
	{ "mbuf_single_free", "rte_vmheap cache=0", mempool_single_free, OURS },
	{ "mbuf_single_free", "rte_ring_mp_mc cache=256", mempool_single_free, RING_CACHED },
	{ "mbuf_single_free", "rte_ring_mp_mc cache=0", mempool_single_free, RING },
};
static const uint32_t bursts[] = { 1, 8, 32, 256 };

#define N_CASES (ARRAY_LEN(kinds) * ARRAY_LEN(bursts))

static bench_case_t cases[N_CASES];
static char names[N_CASES][32], params[N_CASES][96];
static arg_t args[N_CASES];

int
main(void)
{
	arg_t pools[N_POOLS] = { 0 };
	uint32_t n = 0;

	bench_start("bench_pool");
	if (start_eal() < 0 || make_pktpool(&pools[OURS])) {
		printf("# no EAL, or no memory for %u buffers\n", N_BUFFERS);
		return 1;
	}
	pools[RING_CACHED].mp = make_mempool("ring_mp_mc", 256);
	pools[RING].mp = make_mempool("ring_mp_mc", 0);
	pools[STACK_CACHED].mp = make_mempool("stack", 256);
	pools[STACK].mp = make_mempool("stack", 0);
	for (uint32_t b = 0; b < ARRAY_LEN(bursts); b++) {
		for (uint32_t k = 0; k < ARRAY_LEN(kinds); k++, n++) {
			args[n] = pools[kinds[k].pool];
			args[n].burst = bursts[b];
			if (!args[n].mp) {
				printf("# no memory for DPDK's mempools\n");
				return 1;
			}
			snprintf(names[n], sizeof(names[n]), "pool_%s", kinds[k].what);
			snprintf(params[n], sizeof(params[n]), "burst=%u pool=%s page=%s",
				 bursts[b], kinds[k].name, is_huge ? "2M" : "4K");
			cases[n] = (bench_case_t){ .name = names[n],
						   .params = params[n],
						   .fn = kinds[k].fn,
						   .arg = &args[n],
						   .n_ops = N_OBJS };
		}
	}
	bench_run(cases, n, N_ROUNDS);
	if (n_refused)
		printf("# %d requests were refused: the figures above are worth nothing\n",
		       n_refused);
	for (uint32_t i = RING_CACHED; i < N_POOLS; i++)
		rte_mempool_free(pools[i].mp);
	if (pktpool_destroy(pools[OURS].pool, NULL))
		n_refused++;
	rte_eal_cleanup();
	return n_refused != 0;
}
