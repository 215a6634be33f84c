/* SPDX-License-Identifier: Apache-2.0 */
/* A THREAD_SAFE heap under threads: objects never overlap, frees may come from another thread,
 * and the lock holds for threads with and without a dense index. */
#include <pthread.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <unistd.h>
#include <vppinfra/thread.h>
#include "heap_helpers.h"

#define N_SLOTS 256
#define N_PER_THREAD 64

static void *heap;

/* Objects in passing: whoever empties a slot frees what another thread may have filled. */
static _Atomic uword slots[N_SLOTS];
static _Atomic u32 n_faults;

static int
fill_and_check(uword offset, uword n_bytes, u8 mark)
{
	u8 *p = (u8 *)heap + offset;

	memset(p, mark, n_bytes);
	for (uword i = 0; i < n_bytes; i++)
		if (p[i] != mark)
			return 0;
	return 1;
}

static void *
exchange_objects(void *arg)
{
	u64 seed = (uword)arg, n_ops = unit_n_ops(200000);
	uword kept[N_PER_THREAD] = { 0 }, offset;

	for (u64 i = 0; i < n_ops; i++) {
		uword n = 1 + unit_random_below(&seed, i % 16 ? 300 : 5000);
		uword align = unit_random_below(&seed, 4) ? 0 : 8ULL << unit_random_below(&seed, 7);
		uword k = unit_random_below(&seed, N_PER_THREAD);

		if (kept[k]) {
			/* To another thread, and free what it left. */
			offset =
				atomic_exchange(&slots[unit_random_below(&seed, N_SLOTS)], kept[k]);
			kept[k] = 0;
			if (offset && mheap_put_checked(heap, offset))
				atomic_fetch_add(&n_faults, 1);
			continue;
		}
		mheap_get_aligned(heap, n, align, align > 16 ? 8 : 0, &offset);
		if (offset == NOTHING)
			continue;
		if (!fill_and_check(offset, n, (u8)(uword)arg))
			atomic_fetch_add(&n_faults, 1);
		if (i % 64 == 0 && mheap_object_bytes(heap, offset) < n)
			atomic_fetch_add(&n_faults, 1);
		kept[k] = offset;
	}
	for (uword k = 0; k < N_PER_THREAD; k++)
		if (kept[k] && mheap_put_checked(heap, kept[k]))
			atomic_fetch_add(&n_faults, 1);
	return NULL;
}

/* Two threads get, fill, hand over and put; a third looks on.  All is free at the end. */
static void
two_threads_share_a_heap(void)
{
	pthread_t threads[2];
	clib_mem_usage_t u;

	heap = mheap_alloc_with_flags(NULL, MiB(64), MHEAP_FLAG_THREAD_SAFE);
	CU_ASSERT_PTR_NOT_NULL_FATAL(heap);
	atomic_store(&n_faults, 0);
	for (uword i = 0; i < 2; i++)
		pthread_create(&threads[i], NULL, exchange_objects, (void *)(i + 1));
	for (int i = 0; i < 20; i++) {
		mheap_usage(heap, &u);
		CU_ASSERT_EQUAL(u.bytes_total, u.bytes_used + u.bytes_free + u.bytes_overhead);
		CU_ASSERT(is_whole(heap));
		mheap_trim(heap);
	}
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	for (int i = 0; i < N_SLOTS; i++) {
		uword offset = atomic_exchange(&slots[i], 0);

		if (offset)
			mheap_put(heap, offset);
	}
	CU_ASSERT_EQUAL(atomic_load(&n_faults), 0);
	CU_ASSERT_EQUAL(mheap_elts(heap), 0);
	CU_ASSERT_EQUAL(mheap_header(heap)->stats.n_bad_puts, 0);
	CU_ASSERT(is_whole(heap));
	mheap_free(heap);
}

static uword
count_and_measure(void *arg, void *v, void *data, uword size)
{
	/* The walk holds the lock already: the same thread may take it again. */
	*(uword *)arg += mheap_object_bytes(v, (uword)data - (uword)v);
	return 0;
}

/* The lock is recursive. */
static void
the_lock_is_recursive(void)
{
	uword n = 0;

	heap = mheap_alloc_with_flags(NULL, MiB(1), MHEAP_FLAG_THREAD_SAFE | MHEAP_FLAG_VALIDATE);
	get(heap, 100);
	get(heap, 200);
	mheap_foreach(heap, count_and_measure, &n);
	CU_ASSERT_EQUAL(n, 112 + 208);
	CU_ASSERT_EQUAL(mheap_header(heap)->recursion_count, 0);
	mheap_free(heap);
}

static pthread_barrier_t all_are_in, all_may_go;

static void *
hold_an_index(void *arg)
{
	clib_thread_index();
	pthread_barrier_wait(&all_are_in);
	pthread_barrier_wait(&all_may_go);
	return NULL;
}

static void *
use_heap_without_index(void *arg)
{
	if (clib_thread_index() != CLIB_THREAD_INDEX_NONE)
		atomic_fetch_add(&n_faults, 1);
	return exchange_objects(arg);
}

/* Threads beyond the last dense index exclude each other all the same. */
static void
threads_without_an_index_exclude_each_other(void)
{
	static pthread_t holders[CLIB_MAX_THREADS];
	pthread_t threads[2];
	pthread_attr_t attr;
	uword n_holders;

	clib_thread_index();
	n_holders = CLIB_MAX_THREADS - clib_n_threads();
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 64 << 10);
	pthread_barrier_init(&all_are_in, NULL, (unsigned)n_holders + 1);
	pthread_barrier_init(&all_may_go, NULL, (unsigned)n_holders + 1);
	for (uword i = 0; i < n_holders; i++)
		CU_ASSERT_EQUAL_FATAL(pthread_create(&holders[i], &attr, hold_an_index, NULL), 0);
	pthread_barrier_wait(&all_are_in);

	heap = mheap_alloc_with_flags(NULL, MiB(64), MHEAP_FLAG_THREAD_SAFE);
	atomic_store(&n_faults, 0);
	for (uword i = 0; i < 2; i++)
		pthread_create(&threads[i], NULL, use_heap_without_index, (void *)(i + 1));
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	CU_ASSERT_EQUAL(atomic_load(&n_faults), 0);
	CU_ASSERT(is_whole(heap));
	for (int i = 0; i < N_SLOTS; i++) {
		uword offset = atomic_exchange(&slots[i], 0);

		if (offset)
			mheap_put(heap, offset);
	}
	CU_ASSERT_EQUAL(mheap_elts(heap), 0);
	mheap_free(heap);
	pthread_barrier_wait(&all_may_go);
	for (uword i = 0; i < n_holders; i++)
		pthread_join(holders[i], NULL);
}

static void *
make_and_free_heaps(void *arg)
{
	for (int i = 0; i < 200; i++) {
		void *v = mheap_alloc(NULL, MiB(1));
		uword offset;

		if (!v) {
			atomic_fetch_add(&n_faults, 1);
			continue;
		}
		mheap_get(v, 100, &offset);
		if (mheap_of_address((u8 *)v + offset) != v)
			atomic_fetch_add(&n_faults, 1);
		mheap_free(v);
	}
	return NULL;
}

/* The table of live heaps is shared by all threads. */
static void
heaps_come_and_go_in_threads(void)
{
	pthread_t threads[2];

	atomic_store(&n_faults, 0);
	for (uword i = 0; i < 2; i++)
		pthread_create(&threads[i], NULL, make_and_free_heaps, NULL);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	CU_ASSERT_EQUAL(atomic_load(&n_faults), 0);
}

#define N_WAITERS 64
#define HOLD_US 500000

static uword
sleep_inside(void *CLIB_UNUSED(arg), void *CLIB_UNUSED(v), void *CLIB_UNUSED(data),
	     uword CLIB_UNUSED(size))
{
	usleep(HOLD_US);
	return 1;
}

static void *
get_and_put(void *arg)
{
	uword offset;

	mheap_get(heap, 100, &offset);
	mheap_put(heap, offset);
	return arg;
}

/* Many that wait long sleep until it is their turn: they do not look every so often. */
static void
who_waits_sleeps(void)
{
	pthread_t threads[N_WAITERS];
	struct rusage before, after;
	uword offset;

	heap = mheap_alloc_with_flags(0, MiB(1), MHEAP_FLAG_THREAD_SAFE);
	CU_ASSERT_PTR_NOT_NULL_FATAL(heap);
	mheap_get(heap, 100, &offset);
	getrusage(RUSAGE_SELF, &before);
	for (uword i = 0; i < N_WAITERS; i++)
		pthread_create(&threads[i], NULL, get_and_put, NULL);
	mheap_foreach(heap, sleep_inside, NULL);
	for (uword i = 0; i < N_WAITERS; i++)
		pthread_join(threads[i], NULL);
	getrusage(RUSAGE_SELF, &after);
	/* One looks every 10 ms; each other one begins, waits, is woken, perhaps in vain, and ends.
	 * If all looked it were fifty times each. */
	CU_ASSERT(after.ru_nvcsw - before.ru_nvcsw < N_WAITERS * 20);
	CU_ASSERT_EQUAL(mheap_elts(heap), 1);
	mheap_free(heap);
}

static const unit_test_t tests[] = {
	UNIT(two_threads_share_a_heap),
	UNIT(the_lock_is_recursive),
	UNIT(who_waits_sleeps),
	UNIT(threads_without_an_index_exclude_each_other),
	UNIT(heaps_come_and_go_in_threads),
};

int
main(void)
{
	return unit_run("mheap_threads", tests, ARRAY_LEN(tests));
}
