/* SPDX-License-Identifier: Apache-2.0 */
/* Threads take and give random bursts of one pool and pass buffers to each other.  The model is
 * in the buffers themselves: whoever takes one must find "free" in it and writes its name; whoever
 * gives one back must find the name of the thread it is held by and writes "free".  A buffer that
 * two threads hold, or that is handed out twice, is seen at once; one that is lost, at the end. */
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>
#include <plugins/pool/pktpool_impl.h>
#include <vppinfra/mheap.h>
#include <rte_mbuf.h>
#include "eal.h"
#include "unit.h"

#define N_BUFFERS 2000
/* Three on two CPUs: at least one is always switched out in the middle of something. */
#define N_THREADS 3
#define MAX_BURST 300
/* One thread alone can want more than there is. */
#define MAX_HELD (N_BUFFERS + MAX_BURST)
/* Hand-over box between threads: enough for a burst. */
#define BOX_SIZE 64

/* What a pool may grow by. */
#define N_MORE 600

#define STAMP_FREE 0xf4eef4eeu
#define STAMP_HELD 0x0e1d0000u

static clib_arena_t *arena;
static void *heap;
static pktpool_t *pool;

typedef struct {
	pthread_mutex_t lock;
	struct rte_mbuf *mbufs[BOX_SIZE];
	u32 n;
} box_t;

static box_t boxes[N_THREADS];
static _Atomic u64 n_faults, n_moved, n_refused;

typedef struct {
	u32 number;
	u64 seed, n_to_move;
	u32 n_held;
	u8 is_generous, has_stalls;
	struct rte_mbuf *held[MAX_HELD];
} walker_t;

/* The stamp is an atomic: should two threads ever hold one buffer, the test must say so instead
 * of racing. */
static _Atomic u32 *
stamp_of(struct rte_mbuf *m)
{
	return (_Atomic u32 *)((u8 *)m->buf_addr + RTE_PKTMBUF_HEADROOM);
}

static void
change_stamp(struct rte_mbuf *m, u32 from, u32 to)
{
	if (atomic_exchange_explicit(stamp_of(m), to, memory_order_relaxed) != from)
		atomic_fetch_add(&n_faults, 1);
}

static u32
burst_size(u64 *seed)
{
	/* Mostly the sizes of a data path, now and then an odd or a great one. */
	static const u32 usual[] = { 1, 1, 4, 8, 32, 32, 64, 256 };
	u64 r = unit_random(seed);

	return r & 7 ? usual[(r >> 3) & 7] : (u32)(1 + (r >> 8) % MAX_BURST);
}

static void
take(walker_t *w)
{
	u32 n = burst_size(&w->seed);
	struct rte_mbuf **to = w->held + w->n_held;

	if (w->n_held + n > MAX_HELD)
		return;
	if (pktpool_alloc(pool, to, n)) {
		atomic_fetch_add_explicit(&n_refused, 1, memory_order_relaxed);
		w->is_generous = 1;
		return;
	}
	for (u32 i = 0; i < n; i++)
		change_stamp(to[i], STAMP_FREE, STAMP_HELD + w->number);
	w->n_held += n;
	atomic_fetch_add_explicit(&n_moved, n, memory_order_relaxed);
}

/* From the end, or from anywhere: magazines see buffers in every order. */
static void
give(walker_t *w)
{
	u32 n = clib_min(burst_size(&w->seed), w->n_held);

	if (!n)
		return;
	if (!(unit_random(&w->seed) & 7))
		for (u32 i = 0; i < n; i++) {
			u32 k = (u32)unit_random_below(&w->seed, w->n_held);
			struct rte_mbuf *m = w->held[k];

			w->held[k] = w->held[w->n_held - 1 - i];
			w->held[w->n_held - 1 - i] = m;
		}
	w->n_held -= n;
	for (u32 i = 0; i < n; i++)
		change_stamp(w->held[w->n_held + i], STAMP_HELD + w->number, STAMP_FREE);
	pktpool_free(w->held + w->n_held, n);
}

/* One way traffic: what I took somebody else gives back. */
static void
hand_over(walker_t *w)
{
	box_t *to = &boxes[(w->number + 1) % N_THREADS], *mine = &boxes[w->number];

	pthread_mutex_lock(&to->lock);
	while (to->n < BOX_SIZE && w->n_held) {
		struct rte_mbuf *m = w->held[--w->n_held];

		change_stamp(m, STAMP_HELD + w->number, STAMP_HELD + (w->number + 1) % N_THREADS);
		to->mbufs[to->n++] = m;
	}
	pthread_mutex_unlock(&to->lock);
	pthread_mutex_lock(&mine->lock);
	while (mine->n && w->n_held < MAX_HELD)
		w->held[w->n_held++] = mine->mbufs[--mine->n];
	pthread_mutex_unlock(&mine->lock);
}

static void *
walk(void *arg)
{
	walker_t *w = arg;

	while (atomic_load_explicit(&n_moved, memory_order_relaxed) < w->n_to_move) {
		u64 r = unit_random_below(&w->seed, 16);

		/* A thread that stands still with what it holds and caches, as an lcore does whose
		 * CPU was taken away: once in some 30000 moves, up to a millisecond. */
		if (w->has_stalls && !unit_random_below(&w->seed, 30000))
			usleep((useconds_t)unit_random_below(&w->seed, 1000));
		/* Greedy until the pool is dry, then generous until little is held: a walker runs
		 * it dry even if the others do not get to run meanwhile. */
		if (w->n_held < MAX_BURST)
			w->is_generous = 0;
		if (r < (w->is_generous ? 4 : 10))
			take(w);
		else if (r < 14)
			give(w);
		else
			hand_over(w);
	}
	for (u32 i = 0; i < w->n_held; i++)
		change_stamp(w->held[i], STAMP_HELD + w->number, STAMP_FREE);
	pktpool_free(w->held, w->n_held);
	w->n_held = 0;
	return NULL;
}

static void
empty_the_boxes(void)
{
	for (u32 i = 0; i < N_THREADS; i++) {
		for (u32 k = 0; k < boxes[i].n; k++)
			change_stamp(boxes[i].mbufs[k], STAMP_HELD + i, STAMP_FREE);
		pktpool_free(boxes[i].mbufs, boxes[i].n);
		boxes[i].n = 0;
	}
}

/* All buffers can be taken at once by one thread, each with "free" in it, and nothing more. */
static void
nothing_is_lost(void)
{
	static struct rte_mbuf *all[N_BUFFERS];
	char what[160] = "";

	if (pktpool_check(pool, what, sizeof(what)))
		printf("%s\n", what);
	CU_ASSERT_STRING_EQUAL(what, "");
	CU_ASSERT_EQUAL(pktpool_alloc(pool, all, N_BUFFERS), 0);
	for (u32 i = 0; i < N_BUFFERS; i++)
		change_stamp(all[i], STAMP_FREE, STAMP_FREE);
	CU_ASSERT_EQUAL(pktpool_alloc(pool, all, 1), -ENOBUFS);
	pktpool_free(all, N_BUFFERS);
	CU_ASSERT_EQUAL(atomic_load(&n_faults), 0);
}

static void
begin(void)
{
	static struct rte_mbuf *all[N_BUFFERS];
	clib_arena_params_t arena_params = { .name = "test",
					     .reserve_bytes = MiB(64),
					     .numa_node = VM_NODE_ANY,
					     .page_size = CLIB_MEM_PAGE_SZ_4K,
					     .vm_flags = VM_RANGE_WINDOW | VM_RANGE_SHARED };
	pktpool_params_t params = { .name = "model",
				    .n_buffers = N_BUFFERS,
				    .n_max = N_BUFFERS + N_MORE,
				    .data_bytes = 64 };

	CU_ASSERT_EQUAL_FATAL(clib_arena_create(&arena_params, &arena), 0);
	heap = mheap_alloc_with_flags(0, MiB(32), MHEAP_FLAG_THREAD_SAFE);
	params.arena = arena;
	params.heap = heap;
	CU_ASSERT_EQUAL_FATAL(pktpool_create(&params, &pool), 0);
	CU_ASSERT_EQUAL(pktpool_alloc(pool, all, N_BUFFERS), 0);
	for (u32 i = 0; i < N_BUFFERS; i++)
		atomic_store(stamp_of(all[i]), STAMP_FREE);
	pktpool_free(all, N_BUFFERS);
}

static void
end(void)
{
	u32 n;

	CU_ASSERT_EQUAL(pktpool_destroy(pool, &n), 0);
	CU_ASSERT_EQUAL(n, 0);
	CU_ASSERT_EQUAL(mheap_elts(heap), 0);
	mheap_free(heap);
	CU_ASSERT_EQUAL(clib_arena_destroy(arena), 0);
}

/* Rounds of threads that come, work against each other and exit; the pool is checked between.
 * Together the threads want more than the pool has, so it runs dry over and over. */
static void
threads_against_each_other(void)
{
	static walker_t walkers[N_THREADS];
	u64 seed = unit_seed(), n_total = unit_n_ops(50000000);
	pktpool_info_t info;

	begin();
	for (u32 i = 0; i < N_THREADS; i++)
		pthread_mutex_init(&boxes[i].lock, NULL);
	for (u64 round = 1; round <= 16; round++) {
		pthread_t t[N_THREADS];

		for (u32 i = 0; i < N_THREADS; i++) {
			walkers[i].number = i;
			walkers[i].seed = unit_random(&seed);
			walkers[i].has_stalls = 1;
			walkers[i].n_to_move = n_total * round / 16;
			pthread_create(&t[i], NULL, walk, &walkers[i]);
		}
		for (u32 i = 0; i < N_THREADS; i++)
			pthread_join(t[i], NULL);
		empty_the_boxes();
		nothing_is_lost();
	}
	pktpool_get_info(pool, &info);
	printf("%llu buffers moved, %llu requests refused, %llu reclaims, %llu exchanges\n",
	       (unsigned long long)n_moved, (unsigned long long)n_refused,
	       (unsigned long long)info.n_reclaims, (unsigned long long)info.n_misses);
	CU_ASSERT(atomic_load(&n_moved) >= n_total);
	CU_ASSERT(atomic_load(&n_refused) > 0);
	CU_ASSERT_EQUAL(info.n_failures, atomic_load(&n_refused) + 16);
	CU_ASSERT_EQUAL(info.n_bad_puts, 0);
	end();
}

/* ---- growing and shrinking under threads ---- */

static _Atomic int resizing_is_over;

/* A new piece's buffers have no stamp yet: what is there first does not count, but a name that
 * somebody else wrote and did not take back does. */
static void *
hold_and_give(void *arg)
{
	u32 mine = STAMP_HELD + (u32)(uword)arg, other = STAMP_HELD + 1 - (u32)(uword)arg;
	u64 seed = (uword)arg + 1;
	struct rte_mbuf *m[64];

	while (!atomic_load(&resizing_is_over)) {
		u32 n = 1 + (u32)unit_random_below(&seed, 64), n_wrong = 0;

		if (pktpool_alloc(pool, m, n))
			continue;
		for (u32 i = 0; i < n; i++)
			n_wrong += atomic_exchange(stamp_of(m[i]), mine) == other ||
				   m[i]->pool != pktpool_mempool(pool);
		for (u32 i = 0; i < n; i++)
			n_wrong += atomic_exchange(stamp_of(m[i]), STAMP_FREE) != mine;
		atomic_fetch_add(&n_faults, n_wrong);
		atomic_fetch_add(&n_moved, n);
		pktpool_free(m, n);
	}
	return NULL;
}

/* Pieces come and go while two threads take and give: no buffer is held by two, none is lost, and
 * the memory of each piece that went is not touched any more (it is unmapped). */
static void
growing_and_shrinking_under_threads(void)
{
	u64 n_rounds = 1 + unit_n_ops(50000000) / 100000;
	u32 n_again = 0, n_out;
	pthread_t t[2];

	begin();
	resizing_is_over = 0;
	for (uword i = 0; i < 2; i++)
		pthread_create(&t[i], NULL, hold_and_give, (void *)i);
	for (u64 round = 0; round < n_rounds; round++) {
		int error;

		CU_ASSERT_EQUAL(pktpool_grow(pool, N_MORE), 0);
		sched_yield();
		while ((error = pktpool_shrink(pool, N_MORE, &n_out)) == -EAGAIN) {
			CU_ASSERT(n_out <= N_MORE);
			n_again++;
			sched_yield();
		}
		CU_ASSERT_EQUAL(error, 0);
	}
	resizing_is_over = 1;
	for (u32 i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	printf("%llu pieces came and went, %u times one had to wait\n",
	       (unsigned long long)n_rounds, n_again);
	nothing_is_lost();
	end();
}

/* ---- starving ---- */

static _Atomic int starving_is_over;
static _Atomic u32 owner_index;

static void *
sit_on_buffers(void *arg)
{
	u64 seed = 1;

	atomic_store(&owner_index, clib_thread_index());
	/* Keeps its magazines moving while the other takes them away under it. */
	while (!atomic_load(&starving_is_over)) {
		struct rte_mbuf *mbufs[32];
		u32 n = 1 + (u32)unit_random_below(&seed, 32);

		if (pktpool_alloc(pool, mbufs, n))
			continue;
		for (u32 i = 0; i < n; i++)
			change_stamp(mbufs[i], STAMP_FREE, STAMP_HELD);
		for (u32 i = 0; i < n; i++)
			change_stamp(mbufs[i], STAMP_HELD, STAMP_FREE);
		pktpool_free(mbufs, n);
	}
	return NULL;
}

/* One thread takes nearly all there is, again and again, so it must reach into the magazines of
 * another that is using them at full speed. */
static void
reclaim_against_a_busy_owner(void)
{
	static struct rte_mbuf *mbufs[N_BUFFERS];
	u64 n_rounds = 1 + unit_n_ops(50000000) / 2000, n_taken = 0;
	pktpool_info_t info;
	pthread_t t;

	begin();
	starving_is_over = 0;
	owner_index = 0;
	pthread_create(&t, NULL, sit_on_buffers, NULL);
	for (u64 round = 0; round < n_rounds || !n_taken; round++) {
		/* Refused while the other holds more in its hands; what it caches is to be had. */
		u32 n = N_BUFFERS - 24;

		/* Once it has filled a magazine, going on needs a reclaim. */
		for (u32 i = 0; i < 10000; i++)
			if (pktpool_thread_cached(pool, (u16)atomic_load(&owner_index)) > 24)
				break;

		if (pktpool_alloc(pool, mbufs, n))
			continue;
		n_taken++;
		for (u32 i = 0; i < n; i++)
			change_stamp(mbufs[i], STAMP_FREE, STAMP_HELD + 1);
		for (u32 i = 0; i < n; i++)
			change_stamp(mbufs[i], STAMP_HELD + 1, STAMP_FREE);
		pktpool_free(mbufs, n);
	}
	atomic_store(&starving_is_over, 1);
	pthread_join(t, NULL);
	pktpool_get_info(pool, &info);
	printf("%llu of %llu rounds got all, %llu reclaims\n", (unsigned long long)n_taken,
	       (unsigned long long)n_rounds, (unsigned long long)info.n_reclaims);
	/* How often depends on who gets to run; test_pktpool shows a reclaim step by step. */
	nothing_is_lost();
	end();
}

static const unit_test_t tests[] = {
	UNIT(threads_against_each_other),
	UNIT(growing_and_shrinking_under_threads),
	UNIT(reclaim_against_a_busy_owner),
};

int
main(void)
{
	int status;

	if (eal_up(0, 64, NULL))
		return 1;
	status = unit_run("pktpool_model", tests, ARRAY_LEN(tests));
	eal_down();
	return status;
}
