/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <vppinfra/interrupt.h>
#include <vppinfra/mem.h>
#include "unit.h"

/* Pending interrupts come in ascending order, each once, whoever raised them; both forms of the
 * call. */
static void
each_comes_once_in_order(void)
{
	static const int raised[] = { 63, 0, 199, 64, 7 }, sorted[] = { 0, 7, 63, 64, 199 };
	void *d = 0;
	int n = -1;

	CU_ASSERT_EQUAL(clib_interrupt_init(&d, 200), 0);
	CU_ASSERT_EQUAL(clib_interrupt_get_n_int(d), 200);
	CU_ASSERT_FALSE(clib_interrupt_is_any_pending(d));
	for (uword i = 0; i < ARRAY_LEN(raised); i++) {
		CU_ASSERT_EQUAL(
			(i & 1 ? clib_interrupt_set : clib_interrupt_set_atomic)(d, raised[i]), 0);
		clib_interrupt_set(d, raised[i]);
	}
	CU_ASSERT_TRUE(clib_interrupt_is_any_pending(d));
	for (uword i = 0; i < ARRAY_LEN(sorted); i++) {
		CU_ASSERT_EQUAL(clib_interrupt_get_next(d, n), sorted[i]);
		n = clib_interrupt_get_next_and_clear(d, n);
		CU_ASSERT_EQUAL(n, sorted[i]);
	}
	CU_ASSERT_EQUAL(clib_interrupt_get_next_and_clear(d, n), -1);
	CU_ASSERT_FALSE(clib_interrupt_is_any_pending(d));
	/* Today's callers give no last one, so start from the lowest each time. */
	clib_interrupt_set(d, 9);
	clib_interrupt_set(d, 3);
	CU_ASSERT_EQUAL(clib_interrupt_get_next_and_clear(d), 3);
	clib_interrupt_set(d, 3);
	CU_ASSERT_EQUAL(clib_interrupt_get_next_and_clear(d), 3);
	CU_ASSERT_EQUAL(clib_interrupt_get_next_and_clear(d), 9);
	CU_ASSERT_EQUAL(clib_interrupt_get_next_and_clear(d), -1);
	clib_interrupt_set_atomic(d, 5);
	CU_ASSERT_EQUAL(clib_interrupt_clear(d, 5), 0);
	CU_ASSERT_FALSE(clib_interrupt_is_any_pending(d));
	clib_interrupt_free(&d);
	CU_ASSERT_PTR_NULL(d);
	clib_interrupt_free(&d);
}

/* A number that is none, and an object that is none. */
static void
what_is_not_there_is_refused(void)
{
	void *d = 0;

	CU_ASSERT_EQUAL(clib_interrupt_get_n_int(d), 0);
	CU_ASSERT_EQUAL(clib_interrupt_set(d, 0), -EINVAL);
	CU_ASSERT_EQUAL(clib_interrupt_get_next(d, -1), -1);
	CU_ASSERT_FALSE(clib_interrupt_is_any_pending(d));
	CU_ASSERT_EQUAL(clib_interrupt_init(&d, 100), 0);
	CU_ASSERT_EQUAL(clib_interrupt_set(d, 100), -EINVAL);
	CU_ASSERT_EQUAL(clib_interrupt_set(d, -1), -EINVAL);
	CU_ASSERT_EQUAL(clib_interrupt_set_atomic(d, 512), -EINVAL);
	CU_ASSERT_EQUAL(clib_interrupt_clear(d, 1 << 30), -EINVAL);
	CU_ASSERT_EQUAL(clib_interrupt_get_next(d, 99), -1);
	CU_ASSERT_EQUAL(clib_interrupt_get_next(d, INT32_MAX), -1);
	CU_ASSERT_FALSE(clib_interrupt_is_any_pending(d));
	clib_interrupt_free(&d);
	CU_ASSERT_EQUAL(clib_interrupt_init(&d, 0), 0);
	CU_ASSERT_EQUAL(clib_interrupt_set(d, 0), -EINVAL);
	CU_ASSERT_EQUAL(clib_interrupt_get_next(d, -1), -1);
	clib_interrupt_free(&d);
}

/* Any number of interrupts, resized up and down at random, against a plain array; no memory now
 * and then leaves all as it was. */
static void
resizing_keeps_what_is_pending(void)
{
	enum { MOST = 2000 };
	static u8 model[MOST];
	u64 seed = unit_seed(), n_ops = unit_n_ops(100000);
	int n = 0, got;
	void *d = 0;

	memset(model, 0, sizeof(model));
	while (n_ops-- > 0) {
		int i = (int)unit_random_below(&seed, MOST), next;

		switch (unit_random_below(&seed, 100)) {
		case 0:
			mheap_fail_get_after(unit_random_below(&seed, 3));
			if (!clib_interrupt_resize(&d, (u32)i)) {
				n = i;
				memset(model + n, 0, MOST - (uword)n);
			}
			mheap_fail_get_after(0);
			break;
		case 1 ... 40:
			CU_ASSERT_EQUAL(clib_interrupt_set(d, i), i < n ? 0 : -EINVAL);
			model[i] = i < n;
			break;
		case 41 ... 80:
			CU_ASSERT_EQUAL(clib_interrupt_set_atomic(d, i), i < n ? 0 : -EINVAL);
			model[i] = i < n;
			break;
		default:
			for (next = i + 1; next < MOST && !model[next]; next++)
				;
			got = clib_interrupt_get_next_and_clear(d, i);
			CU_ASSERT_EQUAL(got, next < MOST ? next : -1);
			if (got >= 0)
				model[got] = 0;
		}
		CU_ASSERT_EQUAL_FATAL(clib_interrupt_get_n_int(d), n);
	}
	for (int i = 0; i < MOST; i++) {
		if (model[i])
			CU_ASSERT_EQUAL(clib_interrupt_get_next_and_clear(d), i);
	}
	CU_ASSERT_FALSE(clib_interrupt_is_any_pending(d));
	clib_interrupt_free(&d);
}

static void
no_memory_no_interrupts(void)
{
	void *d = &d;

	mheap_fail_get_after(1);
	CU_ASSERT_EQUAL(clib_interrupt_init(&d, 10), -ENOMEM);
	CU_ASSERT_PTR_NULL(d);
	CU_ASSERT_EQUAL(clib_interrupt_init(&d, ~0u), -ENOMEM);
	CU_ASSERT_EQUAL(clib_interrupt_init(&d, 10), 0);
	clib_interrupt_set(d, 3);
	mheap_fail_get_after(1);
	CU_ASSERT_EQUAL(clib_interrupt_resize(&d, 10000), -ENOMEM);
	mheap_fail_get_after(0);
	CU_ASSERT_EQUAL(clib_interrupt_resize(&d, ~0u), -ENOMEM);
	CU_ASSERT_EQUAL(clib_interrupt_get_n_int(d), 10);
	CU_ASSERT_EQUAL(clib_interrupt_get_next_and_clear(d), 3);
	clib_interrupt_free(&d);
}

#define N_THREADS 3
#define N_INTS 300
static void *meeting;
/* What a raiser wrote before it raised: one writer each, read by the server. */
static u64 n_raised[N_THREADS];
static u64 n_turns;

static void *
raise(void *arg)
{
	uword me = (uword)arg;

	for (u64 i = 1; i <= n_turns; i++) {
		__atomic_store_n(&n_raised[me], i, __ATOMIC_RELAXED);
		clib_interrupt_set_atomic(meeting,
					  (int)(me + N_THREADS * (i % (N_INTS / N_THREADS))));
	}
	return NULL;
}

/* Threads raise while one serves: what was written before an interrupt is seen by its server, and
 * the last interrupt of each is not lost. */
static void
threads_raise_and_one_serves(void)
{
	u64 seen[N_THREADS] = {}, n_done = 0;
	pthread_t threads[N_THREADS];
	int i;

	n_turns = unit_n_ops(200000);
	CU_ASSERT_EQUAL(clib_interrupt_init(&meeting, N_INTS), 0);
	for (uword t = 0; t < N_THREADS; t++)
		CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[t], NULL, raise, (void *)t), 0);
	while (n_done < N_THREADS) {
		i = clib_interrupt_get_next_and_clear(meeting);
		if (i < 0)
			continue;
		if (seen[i % N_THREADS] < n_turns) {
			seen[i % N_THREADS] =
				__atomic_load_n(&n_raised[i % N_THREADS], __ATOMIC_RELAXED);
			n_done += seen[i % N_THREADS] == n_turns;
		}
	}
	for (uword t = 0; t < N_THREADS; t++)
		pthread_join(threads[t], NULL);
	while (clib_interrupt_get_next_and_clear(meeting) >= 0)
		;
	CU_ASSERT_FALSE(clib_interrupt_is_any_pending(meeting));
	clib_interrupt_free(&meeting);
}

static const unit_test_t tests[] = {
	UNIT(each_comes_once_in_order),       UNIT(what_is_not_there_is_refused),
	UNIT(resizing_keeps_what_is_pending), UNIT(no_memory_no_interrupts),
	UNIT(threads_raise_and_one_serves),
};

int
main(void)
{
	return unit_run("interrupt", tests, ARRAY_LEN(tests));
}
