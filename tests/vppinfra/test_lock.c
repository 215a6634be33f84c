/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <vppinfra/lock.h>
#include <vppinfra/mem.h>
#include "unit.h"

#define N_THREADS 4

static clib_spinlock_t spinlock;
static clib_rwlock_t rwlock;

/* Plain memory: only the locks keep the threads apart, as the thread sanitizer sees too. */
static struct {
	u64 a, b;
} shared;
static u64 n_turns, n_torn;

static void
in_threads(void *(*fn)(void *))
{
	pthread_t threads[N_THREADS];
	int n = 0;

	while (n < N_THREADS && !pthread_create(&threads[n], NULL, fn, (void *)(uword)n))
		n++;
	CU_ASSERT_EQUAL(n, N_THREADS);
	while (n > 0)
		pthread_join(threads[--n], NULL);
}

static void *
count_under_spinlock(void *arg)
{
	for (u64 i = 0; i < n_turns; i++) {
		if ((uword)arg % 2)
			clib_spinlock_lock(&spinlock);
		else
			while (!clib_spinlock_trylock(&spinlock))
				sched_yield();
		shared.a++;
		shared.b++;
		clib_spinlock_unlock(&spinlock);
	}
	return NULL;
}

/* No increment is lost, with more threads than processors: waiters let the owner run. */
static void
a_spinlock_excludes(void)
{
	memset(&shared, 0, sizeof(shared));
	n_turns = unit_n_ops(500000);
	CU_ASSERT_EQUAL(clib_spinlock_init(&spinlock), 0);
	CU_ASSERT_EQUAL((uword)spinlock % CLIB_CACHE_LINE_BYTES, 0);
	in_threads(count_under_spinlock);
	CU_ASSERT_EQUAL(shared.a, N_THREADS * n_turns);
	CU_ASSERT_EQUAL(shared.b, N_THREADS * n_turns);
	CU_ASSERT_FALSE(CLIB_SPINLOCK_IS_LOCKED(&spinlock));
	clib_spinlock_free(&spinlock);
	CU_ASSERT_PTR_NULL(spinlock);
}

/* Trylock tells; a lock that was never made costs a test and excludes nobody. */
static void
trylock_and_locks_never_made(void)
{
	CU_ASSERT_EQUAL(clib_spinlock_init(&spinlock), 0);
	CU_ASSERT_TRUE(clib_spinlock_trylock(&spinlock));
	CU_ASSERT_FALSE(clib_spinlock_trylock(&spinlock));
	CU_ASSERT_TRUE(CLIB_SPINLOCK_IS_LOCKED(&spinlock));
	CU_ASSERT_FALSE(clib_spinlock_trylock_if_init(&spinlock));
	clib_spinlock_unlock_if_init(&spinlock);
	clib_spinlock_lock_if_init(&spinlock);
	CU_ASSERT_TRUE(CLIB_SPINLOCK_IS_LOCKED(&spinlock));
	clib_spinlock_unlock(&spinlock);
	clib_spinlock_free(&spinlock);
	clib_spinlock_free(&spinlock);

	CU_ASSERT_TRUE(clib_spinlock_trylock_if_init(&spinlock));
	clib_spinlock_lock_if_init(&spinlock);
	clib_spinlock_unlock_if_init(&spinlock);
	CU_ASSERT_PTR_NULL(spinlock);

	mheap_fail_get_after(1);
	CU_ASSERT_EQUAL(clib_spinlock_init(&spinlock), -ENOMEM);
	CU_ASSERT_PTR_NULL(spinlock);
	mheap_fail_get_after(1);
	CU_ASSERT_EQUAL(clib_rwlock_init(&rwlock), -ENOMEM);
	CU_ASSERT_PTR_NULL(rwlock);
	mheap_fail_get_after(0);
}

static void *
read_or_write(void *arg)
{
	for (u64 i = 0; i < n_turns; i++) {
		if ((i + (uword)arg) % 4 == 0) {
			clib_rwlock_writer_lock(&rwlock);
			shared.a++;
			shared.b++;
			clib_rwlock_writer_unlock(&rwlock);
		} else {
			clib_rwlock_reader_lock(&rwlock);
			if (shared.a != shared.b)
				__atomic_fetch_add(&n_torn, 1, __ATOMIC_RELAXED);
			clib_rwlock_reader_unlock(&rwlock);
		}
	}
	return NULL;
}

/* Readers never see half of a write, and no write is lost. */
static void
a_rwlock_keeps_readers_from_halves(void)
{
	memset(&shared, 0, sizeof(shared));
	n_turns = unit_n_ops(400000) / 4 * 4;
	CU_ASSERT_EQUAL(clib_rwlock_init(&rwlock), 0);
	in_threads(read_or_write);
	CU_ASSERT_EQUAL(n_torn, 0);
	CU_ASSERT_EQUAL(shared.a, N_THREADS * n_turns / 4);
	clib_rwlock_free(&rwlock);
	CU_ASSERT_PTR_NULL(rwlock);
}

static void *
read_meanwhile(void *arg)
{
	clib_rwlock_reader_lock(&rwlock);
	shared.b = shared.a;
	clib_rwlock_reader_unlock(&rwlock);
	return NULL;
}

/* Readers share: another thread gets in while this one reads, twice even. */
static void
readers_share(void)
{
	pthread_t t;

	CU_ASSERT_EQUAL(clib_rwlock_init(&rwlock), 0);
	shared.a = 7;
	clib_rwlock_reader_lock(&rwlock);
	clib_rwlock_reader_lock(&rwlock);
	CU_ASSERT_EQUAL_FATAL(pthread_create(&t, NULL, read_meanwhile, NULL), 0);
	pthread_join(t, NULL);
	CU_ASSERT_EQUAL(shared.b, 7);
	clib_rwlock_reader_unlock(&rwlock);
	clib_rwlock_reader_unlock(&rwlock);
	clib_rwlock_writer_lock(&rwlock);
	clib_rwlock_writer_unlock(&rwlock);
	clib_rwlock_free(&rwlock);
}

static u64 counter, maximum;

static void *
count_without_lock(void *arg)
{
	for (u64 i = 1; i <= n_turns; i++) {
		u64 seen, mine = i * N_THREADS + (uword)arg;

		clib_atomic_fetch_add(&counter, 2);
		clib_atomic_sub_fetch(&counter, 1);
		/* The greatest value anybody had. */
		seen = clib_atomic_load_relax_n(&maximum);
		while (seen < mine &&
		       !clib_atomic_cmp_and_swap_acq_relax_n(&maximum, &seen, mine, 1))
			;
	}
	return NULL;
}

/* The atomic names do what they say, between threads too. */
static void
atomics_are_atomic(void)
{
	u64 x = 5;

	CU_ASSERT_EQUAL(clib_atomic_fetch_or(&x, 8), 5);
	CU_ASSERT_EQUAL(clib_atomic_and_fetch(&x, 9), 9);
	CU_ASSERT_EQUAL(clib_atomic_cmp_and_swap(&x, 1, 2), 9);
	CU_ASSERT_FALSE(clib_atomic_bool_cmp_and_swap(&x, 1, 2));
	CU_ASSERT_TRUE(clib_atomic_bool_cmp_and_swap(&x, 9, 2));
	CU_ASSERT_EQUAL(clib_atomic_swap_acq_n(&x, 0), 2);
	CU_ASSERT_EQUAL(clib_atomic_test_and_set(&x), 0);
	CU_ASSERT_EQUAL(clib_atomic_test_and_set(&x), 1);
	clib_atomic_release(&x);
	CU_ASSERT_EQUAL(clib_atomic_load_acq_n(&x), 0);
	clib_atomic_store_rel_n(&x, 3);
	CU_ASSERT_EQUAL(clib_atomic_load_seq_cst(&x), 3);

	n_turns = unit_n_ops(500000);
	in_threads(count_without_lock);
	CU_ASSERT_EQUAL(counter, N_THREADS * n_turns);
	CU_ASSERT_EQUAL(maximum, n_turns * N_THREADS + N_THREADS - 1);
}

static const unit_test_t tests[] = {
	UNIT(a_spinlock_excludes),
	UNIT(trylock_and_locks_never_made),
	UNIT(a_rwlock_keeps_readers_from_halves),
	UNIT(readers_share),
	UNIT(atomics_are_atomic),
};

int
main(void)
{
	return unit_run("lock", tests, ARRAY_LEN(tests));
}
