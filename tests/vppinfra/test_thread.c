/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <vppinfra/thread.h>
#include "unit.h"

static void *
report_index(void *arg)
{
	*(u16 *)arg = clib_thread_index();
	return NULL;
}

static u16
index_of_a_new_thread(void)
{
	pthread_t t;
	u16 index = 0;

	pthread_create(&t, NULL, report_index, &index);
	pthread_join(t, NULL);
	return index;
}

/* The same thread always gets the same index, and VPP's name for it agrees. */
static void
an_index_is_stable(void)
{
	CU_ASSERT_EQUAL(clib_thread_index(), clib_thread_index());
	CU_ASSERT_EQUAL(os_get_thread_index(), clib_thread_index());
}

/* Arrays stay short: an index is taken back when its thread exits and handed out again. */
static void
an_index_is_reused_after_exit(void)
{
	u16 first, second;

	clib_thread_index();
	first = index_of_a_new_thread();
	second = index_of_a_new_thread();
	CU_ASSERT_NOT_EQUAL(first, clib_thread_index());
	CU_ASSERT_EQUAL(first, second);
}

static u16 exited_index;
static int n_exits;

static void
note_exit(void *arg, u16 index)
{
	CU_ASSERT_PTR_EQUAL(arg, &n_exits);
	CU_ASSERT_EQUAL(clib_thread_index(), index);
	exited_index = index;
	n_exits++;
}

/* Caches go home: a callback runs in the exiting thread while the index is still its own. */
static void
exit_callbacks_run_with_the_index(void)
{
	u16 index;

	CU_ASSERT_EQUAL(clib_thread_at_exit(note_exit, &n_exits), 0);
	index = index_of_a_new_thread();
	CU_ASSERT_EQUAL(n_exits, 1);
	CU_ASSERT_EQUAL(exited_index, index);
	CU_ASSERT_EQUAL(clib_thread_at_exit_remove(note_exit, &n_exits), 0);
	CU_ASSERT_EQUAL(clib_thread_at_exit_remove(note_exit, &n_exits), -ENOENT);
	index_of_a_new_thread();
	CU_ASSERT_EQUAL(n_exits, 1);
}

#define N_CROWD (CLIB_MAX_THREADS + 8)
static pthread_barrier_t all_are_in, all_may_go;

static void *
stay_in_the_crowd(void *arg)
{
	*(u16 *)arg = clib_thread_index();
	pthread_barrier_wait(&all_are_in);
	pthread_barrier_wait(&all_may_go);
	return NULL;
}

/* Beyond the last index a thread works without one; live indices are never shared. */
static void
more_threads_than_indices(void)
{
	static pthread_t threads[N_CROWD];
	static u16 indices[N_CROWD];
	static u8 is_seen[CLIB_MAX_THREADS];
	int n_none = 0, n_started = 0;
	pthread_attr_t attr;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 64 << 10);
	pthread_barrier_init(&all_are_in, NULL, N_CROWD + 1);
	pthread_barrier_init(&all_may_go, NULL, N_CROWD + 1);
	is_seen[clib_thread_index()] = 1;
	for (int i = 0; i < N_CROWD; i++)
		n_started += !pthread_create(&threads[i], &attr, stay_in_the_crowd, &indices[i]);
	CU_ASSERT_EQUAL_FATAL(n_started, N_CROWD);
	pthread_barrier_wait(&all_are_in);
	for (int i = 0; i < N_CROWD; i++) {
		if (indices[i] == CLIB_THREAD_INDEX_NONE) {
			n_none++;
			continue;
		}
		CU_ASSERT_EQUAL(is_seen[indices[i]], 0);
		is_seen[indices[i]] = 1;
	}
	CU_ASSERT_EQUAL(n_none, N_CROWD + 1 - CLIB_MAX_THREADS);
	CU_ASSERT_EQUAL(clib_n_threads(), CLIB_MAX_THREADS);
	pthread_barrier_wait(&all_may_go);
	for (int i = 0; i < N_CROWD; i++)
		pthread_join(threads[i], NULL);
	CU_ASSERT_EQUAL(clib_n_threads(), 1);
}

static const unit_test_t tests[] = {
	UNIT(an_index_is_stable),
	UNIT(an_index_is_reused_after_exit),
	UNIT(exit_callbacks_run_with_the_index),
	UNIT(more_threads_than_indices),
};

int
main(void)
{
	return unit_run("thread", tests, ARRAY_LEN(tests));
}
