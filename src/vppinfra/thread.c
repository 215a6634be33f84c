/* SPDX-License-Identifier: Apache-2.0 */
/* A bitmap of free indices under a mutex; the index of a thread lives in a thread-local and is
 * given back by the destructor of a pthread key, so it works for threads we did not start. */
#include <vppinfra/thread.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define N_EXIT_CALLBACKS 64 /* a cache kind each: pools, heap fronts, object caches */
#define NAME_BYTES 32

__thread u32 clib_thread_index_plus_1;
__thread u8 *clib_thread_percpu_base;

static struct {
	pthread_mutex_t lock;
	pthread_once_t once;
	pthread_key_t key;
	u64 is_used[CLIB_MAX_THREADS / 64];
	_Atomic u32 limit, n_threads;
	struct {
		clib_thread_exit_function_t *fn;
		void *arg;
	} at_exit[N_EXIT_CALLBACKS];
	u32 n_at_exit;
	char names[CLIB_MAX_THREADS][NAME_BYTES];
} thread_main = { .lock = PTHREAD_MUTEX_INITIALIZER, .once = PTHREAD_ONCE_INIT };

/* Runs in the exiting thread.  Callbacks may allocate and free: the index is still theirs. */
static void
thread_exit(void *arg)
{
	u16 index = (u16)((uword)arg - 1);
	u32 n;

	pthread_mutex_lock(&thread_main.lock);
	n = thread_main.n_at_exit;
	pthread_mutex_unlock(&thread_main.lock);
	while (n-- > 0) {
		clib_thread_exit_function_t *fn;
		void *fn_arg;

		pthread_mutex_lock(&thread_main.lock);
		fn = thread_main.at_exit[n].fn;
		fn_arg = thread_main.at_exit[n].arg;
		pthread_mutex_unlock(&thread_main.lock);
		if (fn)
			fn(fn_arg, index);
	}

	/* The unit belongs to the index, and the index to somebody else from here on. */
	clib_thread_percpu_base = NULL;
	pthread_mutex_lock(&thread_main.lock);
	thread_main.is_used[index / 64] &= ~(1ULL << (index % 64));
	thread_main.names[index][0] = 0;
	atomic_fetch_sub_explicit(&thread_main.n_threads, 1, memory_order_relaxed);
	pthread_mutex_unlock(&thread_main.lock);
	/* A later key destructor that calls in again must not use an index that is no longer ours.
	 */
	clib_thread_index_plus_1 = (u32)CLIB_THREAD_INDEX_NONE + 1;
}

static void
thread_make_key(void)
{
	if (pthread_key_create(&thread_main.key, thread_exit)) {
		fputs("vmheap: no pthread key left for thread indices\n", stderr);
		abort();
	}
}

u16
clib_thread_register(void)
{
	u32 index = CLIB_THREAD_INDEX_NONE;

	pthread_once(&thread_main.once, thread_make_key);
	pthread_mutex_lock(&thread_main.lock);
	for (u32 w = 0; w < ARRAY_LEN(thread_main.is_used); w++) {
		if (~thread_main.is_used[w]) {
			index = w * 64 + (u32)count_trailing_zeros(~thread_main.is_used[w]);
			thread_main.is_used[w] |= 1ULL << (index % 64);
			break;
		}
	}
	if (index != CLIB_THREAD_INDEX_NONE) {
		u32 limit = atomic_load_explicit(&thread_main.limit, memory_order_relaxed);

		if (index + 1 > limit)
			atomic_store_explicit(&thread_main.limit, index + 1, memory_order_relaxed);
		atomic_fetch_add_explicit(&thread_main.n_threads, 1, memory_order_relaxed);
		thread_main.names[index][0] = 0;
	}
	pthread_mutex_unlock(&thread_main.lock);

	/* First: pthread_setspecific() may allocate, and the allocator may ask for the index. */
	clib_thread_index_plus_1 = index + 1;
	if (index != CLIB_THREAD_INDEX_NONE)
		pthread_setspecific(thread_main.key, (void *)(uword)(index + 1));
	return (u16)index;
}

void
clib_thread_before_fork(void)
{
	/* Locks taken by the handlers after us may ask for the index, which then needs ours. */
	clib_thread_index();
	pthread_mutex_lock(&thread_main.lock);
}

void
clib_thread_after_fork(void)
{
	pthread_mutex_unlock(&thread_main.lock);
}

u32
clib_thread_index_limit(void)
{
	return atomic_load_explicit(&thread_main.limit, memory_order_relaxed);
}

u32
clib_n_threads(void)
{
	return atomic_load_explicit(&thread_main.n_threads, memory_order_relaxed);
}

int
clib_thread_at_exit(clib_thread_exit_function_t *fn, void *arg)
{
	int error = -ENOMEM;

	pthread_mutex_lock(&thread_main.lock);
	for (u32 i = 0; i < N_EXIT_CALLBACKS && error; i++) {
		if (thread_main.at_exit[i].fn)
			continue;
		thread_main.at_exit[i].fn = fn;
		thread_main.at_exit[i].arg = arg;
		if (i >= thread_main.n_at_exit)
			thread_main.n_at_exit = i + 1;
		error = 0;
	}
	pthread_mutex_unlock(&thread_main.lock);
	return error;
}

int
clib_thread_at_exit_remove(clib_thread_exit_function_t *fn, void *arg)
{
	int error = -ENOENT;

	pthread_mutex_lock(&thread_main.lock);
	for (u32 i = 0; i < thread_main.n_at_exit && error; i++) {
		if (thread_main.at_exit[i].fn == fn && thread_main.at_exit[i].arg == arg) {
			thread_main.at_exit[i].fn = NULL;
			error = 0;
		}
	}
	pthread_mutex_unlock(&thread_main.lock);
	return error;
}

void
clib_thread_set_name(const char *name)
{
	u16 index = clib_thread_index();

	if (index != CLIB_THREAD_INDEX_NONE)
		snprintf(thread_main.names[index], NAME_BYTES, "%s", name);
}

const char *
clib_thread_name(u16 thread_index)
{
	return thread_index < CLIB_MAX_THREADS ? thread_main.names[thread_index] : "";
}
