/* SPDX-License-Identifier: Apache-2.0 */
/* Question: what does a burst of buffers cost, taken and given back, beside what a DPDK program
 * would use instead: by one lcore, by two at once, and from one to the other?
 *
 * Method: one pool of 8192 buffers each, all on the same kind of pages; a case takes a burst and
 * gives it back; rounds of all cases are interleaved.  Unit: per buffer, one get and one put
 * together; of the pipeline, what passes.  `bench_pool 4k` does it on 4K pages.
 *
 *   pktpool            our calls              rte_vmheap   our driver in a mempool of DPDK's making
 *   ring_mp_mc, stack, lf_stack               DPDK's handlers, with a per-lcore cache of 256 and
 *                                             without
 *   rte_nothing        a handler that does nothing: what DPDK's calls of any handler cost
 *
 *   raw: pointers alone       mbuf: alloc (reset included) and free of packet buffers
 *   two_lcores: both take 512 in bursts, then give all back; per lcore
 *   pipeline: one lcore allocates, a ring of 1024, the other frees */
#include "bench.h"

#include <plugins/pool/pktpool.h>
#include <vppinfra/mheap.h>
#include <vppinfra/vm.h>
#include <rte_eal.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>
#include <rte_pause.h>
#include <rte_ring.h>

#define N_BUFFERS 8192
#define N_OBJS 65536 /* a round; a multiple of every burst */
#define N_ROUNDS 31
#define MAX_BURST 256
#define N_HELD 512 /* each of two lcores; a multiple of every burst */

typedef struct {
	struct rte_mempool *mp;
	pktpool_t *pool; /* NULL: only by way of the mempool */
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

/* ---- two lcores ---- */

static struct rte_ring *ring;
static int is_stopped, is_running;

static unsigned
other_lcore(void)
{
	return rte_get_next_lcore(rte_lcore_id(), 1, 0);
}

static int
take(const arg_t *a, void **p)
{
	return a->pool ? pktpool_get_raw(a->pool, p, a->burst)
		       : rte_mempool_get_bulk(a->mp, p, a->burst);
}

static void
give(const arg_t *a, void **p)
{
	if (a->pool)
		pktpool_put_raw(a->pool, p, a->burst);
	else
		rte_mempool_put_bulk(a->mp, p, a->burst);
}

/* @return requests that were refused. */
static int
hold_512(const arg_t *a)
{
	static void *by_lcore[2][N_HELD] __attribute__((aligned(CLIB_CACHE_LINE_BYTES)));
	void **held = by_lcore[rte_lcore_id()];
	int n = 0;

	for (uint32_t i = 0; i < N_HELD; i += a->burst)
		n += take(a, held + i) != 0;
	if (n)
		return n;
	for (uint32_t i = 0; i < N_HELD; i += a->burst)
		give(a, held + i);
	return 0;
}

static void
set_flag(int *flag, int x)
{
	__atomic_store_n(flag, x, __ATOMIC_RELEASE);
}

static int
other_holds(void *arg)
{
	int n = 0;

	set_flag(&is_running, 1);
	while (!__atomic_load_n(&is_stopped, __ATOMIC_RELAXED))
		n += hold_512(arg);
	return n;
}

static int
other_frees(void *arg)
{
	const arg_t *a = arg;
	void *p[MAX_BURST];

	set_flag(&is_running, 1);
	for (;;) {
		unsigned n = rte_ring_sc_dequeue_burst(ring, p, a->burst, NULL);

		if (!n) {
			if (__atomic_load_n(&is_stopped, __ATOMIC_ACQUIRE) && rte_ring_empty(ring))
				return 0;
			rte_pause();
		} else if (a->pool) {
			pktpool_free((struct rte_mbuf **)p, n);
		} else if (a->mp) {
			rte_pktmbuf_free_bulk((struct rte_mbuf **)p, n);
		}
	}
}

static void
start_other(int (*fn)(void *), void *arg)
{
	is_stopped = is_running = 0;
	rte_eal_remote_launch(fn, arg, other_lcore());
	while (!__atomic_load_n(&is_running, __ATOMIC_ACQUIRE))
		rte_pause();
}

static void
start_holder(void *arg)
{
	start_other(other_holds, arg);
}

static void
start_freer(void *arg)
{
	start_other(other_frees, arg);
}

static void
stop_other(void *arg)
{
	set_flag(&is_stopped, 1);
	n_refused += rte_eal_wait_lcore(other_lcore());
}

static void
two_lcores(void *arg, uint64_t n)
{
	for (uint64_t i = 0; i < n; i += N_HELD)
		n_refused += hold_512(arg);
}

static void
pipeline(void *arg, uint64_t n)
{
	const arg_t *a = arg;
	void *p[MAX_BURST];

	memset(p, 0, sizeof(p));
	for (uint64_t i = 0; i < n; i += a->burst) {
		if (a->pool)
			n_refused += pktpool_alloc(a->pool, (struct rte_mbuf **)p, a->burst) != 0;
		else if (a->mp)
			n_refused +=
				rte_pktmbuf_alloc_bulk(a->mp, (struct rte_mbuf **)p, a->burst) != 0;
		while (!rte_ring_sp_enqueue_bulk(ring, p, a->burst, NULL))
			rte_pause();
	}
	/* To the end: what is still in the ring belongs to this round. */
	while (!rte_ring_empty(ring))
		rte_pause();
}

/* ---- set-up ---- */

static int
nothing_alloc(struct rte_mempool *mp)
{
	return 0;
}

static void
nothing_free(struct rte_mempool *mp)
{
}

static int
nothing_enqueue(struct rte_mempool *mp, void *const *p, unsigned n)
{
	return 0;
}

static int
nothing_dequeue(struct rte_mempool *mp, void **p, unsigned n)
{
	return 0;
}

static unsigned
nothing_count(const struct rte_mempool *mp)
{
	return 0;
}

static const struct rte_mempool_ops nothing = {
	.name = "nothing",
	.alloc = nothing_alloc,
	.free = nothing_free,
	.enqueue = nothing_enqueue,
	.dequeue = nothing_dequeue,
	.get_count = nothing_count,
};

static int is_huge, n_lcores;

/* Another CPU than ours, of those we may use; -1: none. */
static int
second_cpu(const cpu_set_t *allowed)
{
	for (int i = 0; i < CPU_SETSIZE; i++)
		if (CPU_ISSET(i, allowed) && i != bench_cpu)
			return i;
	return -1;
}

static int
start_eal(const cpu_set_t *allowed, int want_huge)
{
	static char lcores[32], prefix[32];
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
			  (char *)"512" };
	int cpu = bench_cpu < 0 ? 0 : bench_cpu, other = second_cpu(allowed);
	vm_hugepages_t pages;

	/* Eight pools of 10 pages, and what EAL takes. */
	is_huge = want_huge && !vm_hugepages(VM_NODE_ANY, 21, &pages) && pages.n_free >= 150;
	n_lcores = other < 0 ? 1 : 2;
	if (n_lcores == 1)
		snprintf(lcores, sizeof(lcores), "0@%d", cpu);
	else
		snprintf(lcores, sizeof(lcores), "0@%d,1@%d", cpu, other);
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

enum {
	OURS,
	DRIVER,
	RING_CACHED,
	RING,
	STACK_CACHED,
	STACK,
	LF_STACK_CACHED,
	LF_STACK,
	NOTHING,
	N_POOLS
};

static const struct {
	const char *name, *ops;
	unsigned cache_size;
} pools[N_POOLS] = {
	[OURS] = { "pktpool" },
	[DRIVER] = { "rte_vmheap cache=0", PKTPOOL_OPS_NAME, 0 },
	[RING_CACHED] = { "rte_ring_mp_mc cache=256", "ring_mp_mc", 256 },
	[RING] = { "rte_ring_mp_mc cache=0", "ring_mp_mc", 0 },
	[STACK_CACHED] = { "rte_stack cache=256", "stack", 256 },
	[STACK] = { "rte_stack cache=0", "stack", 0 },
	[LF_STACK_CACHED] = { "rte_lf_stack cache=256", "lf_stack", 256 },
	[LF_STACK] = { "rte_lf_stack cache=0", "lf_stack", 0 },
	[NOTHING] = { "rte_nothing cache=0", "nothing", 0 },
};

typedef void(loop_t)(void *arg, uint64_t n);

/* ours: for our own calls, NULL for the same by way of the mempool; bits of bursts. */
typedef struct {
	const char *what;
	loop_t *ours, *mempool;
	void (*prepare)(void *arg), (*finish)(void *arg);
	uint32_t pools, bursts, n_lcores;
} kind_t;

#define BIT(i) (1u << (i))
#define CACHED (BIT(RING_CACHED) | BIT(STACK_CACHED) | BIT(LF_STACK_CACHED))
#define UNCACHED (BIT(RING) | BIT(STACK) | BIT(LF_STACK))
#define BOTH_OURS (BIT(OURS) | BIT(DRIVER))

static const kind_t kinds[] = {
	{ "raw", our_raw, mempool_raw, NULL, NULL,
	  BOTH_OURS | BIT(RING_CACHED) | UNCACHED | BIT(NOTHING), 15, 1 },
	{ "mbuf", our_mbuf, mempool_mbuf, NULL, NULL, BOTH_OURS | BIT(RING_CACHED) | UNCACHED, 15,
	  1 },
	{ "mbuf_single_free", NULL, mempool_single_free, NULL, NULL,
	  BIT(DRIVER) | BIT(RING_CACHED) | UNCACHED, 15, 1 },
	{ "two_lcores", two_lcores, two_lcores, start_holder, stop_other,
	  BOTH_OURS | CACHED | UNCACHED, 15, 2 },
	{ "pipeline", pipeline, pipeline, start_freer, stop_other, BOTH_OURS | CACHED | UNCACHED,
	  BIT(2), 2 },
	/* Pointers through the ring alone. */
	{ "pipeline_ring_alone", NULL, pipeline, start_freer, stop_other, BIT(NOTHING), BIT(2), 2 },
};
static const uint32_t bursts[] = { 1, 8, 32, 256 };

#define MAX_CASES (ARRAY_LEN(kinds) * ARRAY_LEN(bursts) * N_POOLS)

static bench_case_t cases[MAX_CASES];
static uint32_t n_cases;
static arg_t args[MAX_CASES];
/* Of a case: which kind, burst and pool. */
static struct {
	uint32_t kind, burst, pool;
	char name[32], params[96];
} about[MAX_CASES];

static void
add_case(uint32_t kind, uint32_t b, uint32_t pool, const arg_t *arg)
{
	const kind_t *k = &kinds[kind];
	uint32_t n = n_cases++;

	args[n] = *arg;
	args[n].burst = bursts[b];
	if (pool == NOTHING && k->n_lcores == 2)
		args[n].mp = NULL;
	about[n].kind = kind;
	about[n].burst = b;
	about[n].pool = pool;
	snprintf(about[n].name, sizeof(about[n].name), "pool_%s", k->what);
	snprintf(about[n].params, sizeof(about[n].params), "burst=%u pool=%s page=%s", bursts[b],
		 pools[pool].name, is_huge ? "2M" : "4K");
	cases[n] = (bench_case_t){ .name = about[n].name,
				   .params = about[n].params,
				   .fn = pool == OURS ? k->ours : k->mempool,
				   .prepare = k->prepare,
				   .finish = k->finish,
				   .arg = &args[n],
				   .n_ops = N_OBJS };
}

static void
add_cases(const arg_t *pool_args)
{
	for (uint32_t b = 0; b < ARRAY_LEN(bursts); b++)
		for (uint32_t k = 0; k < ARRAY_LEN(kinds); k++)
			for (uint32_t p = 0; p < N_POOLS; p++)
				if ((kinds[k].pools & BIT(p)) && (kinds[k].bursts & BIT(b)) &&
				    kinds[k].n_lcores <= (uint32_t)n_lcores)
					add_case(k, b, p, &pool_args[p]);
}

/* The best of the pools in a set at the same job, by median; NULL: none was measured. */
static const bench_case_t *
best_of(uint32_t i, uint32_t set, uint32_t median)
{
	const bench_case_t *best = NULL;

	for (uint32_t k = 0; k < n_cases; k++)
		if (about[k].kind == about[i].kind && about[k].burst == about[i].burst &&
		    (set & BIT(about[k].pool)) && (!best || cases[k].ns[median] < best->ns[median]))
			best = &cases[k];
	return best;
}

/* Rounds have been sorted: the least comes first. */
static void
print_ratios(void)
{
	static const struct {
		const char *name;
		uint32_t set;
	} peers[] = { { "cached", CACHED }, { "uncached", UNCACHED } };
	uint32_t median = bench_rounds(N_ROUNDS) / 2;

	for (uint32_t i = 0; i < n_cases; i++) {
		if (!(BOTH_OURS & BIT(about[i].pool)))
			continue;
		for (uint32_t k = 0; k < ARRAY_LEN(peers); k++) {
			const bench_case_t *best = best_of(i, peers[k].set, median);

			if (best)
				printf("ratio %s %s to=%s best=%s ratio_min=%.2f "
				       "ratio_median=%.2f\n",
				       cases[i].name, cases[i].params, peers[k].name,
				       pools[about[best - cases].pool].ops,
				       cases[i].ns[0] / best->ns[0],
				       cases[i].ns[median] / best->ns[median]);
		}
	}
}

static int
make_pools(arg_t *pool_args)
{
	if (rte_mempool_register_ops(&nothing) < 0)
		printf("# no place for ops that do nothing\n");
	ring = rte_ring_create("pipeline", 1024, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
	if (!ring || make_pktpool(&pool_args[OURS]))
		return -ENOMEM;
	for (uint32_t i = OURS + 1; i < N_POOLS; i++) {
		pool_args[i].mp = make_mempool(pools[i].ops, pools[i].cache_size);
		if (!pool_args[i].mp)
			return -ENOMEM;
	}
	return 0;
}

int
main(int argc, char **argv)
{
	arg_t pool_args[N_POOLS] = { 0 };
	cpu_set_t allowed;

	CPU_ZERO(&allowed);
	sched_getaffinity(0, sizeof(allowed), &allowed);
	bench_start("bench_pool");
	if (start_eal(&allowed, argc < 2 || strcmp(argv[1], "4k")) < 0 || make_pools(pool_args)) {
		printf("# no EAL, or no memory for %u pools of %u buffers\n", N_POOLS, N_BUFFERS);
		return 1;
	}
	if (n_lcores == 1)
		printf("# one CPU: nothing with two lcores\n");
	add_cases(pool_args);
	bench_run(cases, n_cases, N_ROUNDS);
	print_ratios();
	if (n_refused)
		printf("# %d requests were refused: the figures above are worth nothing\n",
		       n_refused);
	for (uint32_t i = OURS + 1; i < N_POOLS; i++)
		rte_mempool_free(pool_args[i].mp);
	rte_ring_free(ring);
	if (pktpool_destroy(pool_args[OURS].pool, NULL))
		n_refused++;
	rte_eal_cleanup();
	return n_refused != 0;
}
