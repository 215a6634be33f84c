/* SPDX-License-Identifier: Apache-2.0 */
/* Caches and threads: magazines of a thread that stands still, that exits, that has no index, whose
 * stack is small; a consumer that frees what a producer allocates; sleepers; forks. */
#include "../unit.h"
#include "child.h"

#include <pthread.h>
#include <stdlib.h>
#include <stdatomic.h>
#include <vppinfra/kmem.h>
#include <vppinfra/vmem.h>

static clib_kmem_cache_t *
cache_of(const clib_kmem_params_t *p)
{
	clib_kmem_cache_t *c = NULL;

	CU_ASSERT_EQUAL_FATAL(clib_kmem_cache_make(p, &c), 0);
	return c;
}

static clib_kmem_stats_t
stats_of(clib_kmem_cache_t *c)
{
	clib_kmem_stats_t s;

	clib_kmem_cache_get_stats(c, &s);
	return s;
}

/* ---- a thread that fills its magazines and then stands still ---- */

typedef struct {
	clib_kmem_cache_t *cache;
	pthread_barrier_t filled, go_on;
} idler_t;

static void *
fill_and_idle(void *arg)
{
	idler_t *t = arg;
	void *objects[40];

	for (u32 i = 0; i < ARRAY_LEN(objects); i++)
		objects[i] = kmem_cache_alloc(t->cache, 0);
	for (u32 i = 0; i < ARRAY_LEN(objects); i++)
		kmem_cache_free(t->cache, objects[i]);
	pthread_barrier_wait(&t->filled);
	pthread_barrier_wait(&t->go_on);
	/* It finds its magazines gone, and works on. */
	objects[0] = kmem_cache_alloc(t->cache, 0);
	kmem_cache_free(t->cache, objects[0]);
	return objects[0];
}

/* Shrinking reaches into the magazines of a thread that does something else. */
static void
shrinking_empties_other_threads_magazines(void)
{
	idler_t t = { .cache = cache_of(
			      &(clib_kmem_params_t){ .name = "idle", .object_bytes = 64 }) };
	pthread_t thread;
	void *rv;

	pthread_barrier_init(&t.filled, NULL, 2);
	pthread_barrier_init(&t.go_on, NULL, 2);
	pthread_create(&thread, NULL, fill_and_idle, &t);
	pthread_barrier_wait(&t.filled);
	CU_ASSERT_TRUE(stats_of(t.cache).n_cached >= 40);
	CU_ASSERT_TRUE(kmem_cache_shrink(t.cache) > 0);
	CU_ASSERT_EQUAL(stats_of(t.cache).n_cached, 0);
	CU_ASSERT_EQUAL(stats_of(t.cache).n_slabs, 0);
	pthread_barrier_wait(&t.go_on);
	pthread_join(thread, &rv);
	CU_ASSERT_PTR_NOT_NULL(rv);
	CU_ASSERT_EQUAL(clib_kmem_cache_check(t.cache, NULL, 0), 0);
	CU_ASSERT_EQUAL(kmem_cache_destroy(t.cache), 0);
}

/* What a thread has cached comes home when it exits; what it counted stays counted. */
static void
an_exiting_thread_leaves_nothing_behind(void)
{
	idler_t t = { .cache = cache_of(
			      &(clib_kmem_params_t){ .name = "exit", .object_bytes = 64 }) };
	pthread_t thread;

	pthread_barrier_init(&t.filled, NULL, 1);
	pthread_barrier_init(&t.go_on, NULL, 1);
	for (u32 i = 0; i < 20; i++) {
		pthread_create(&thread, NULL, fill_and_idle, &t);
		pthread_join(thread, NULL);
		CU_ASSERT_EQUAL(stats_of(t.cache).n_cached, 0);
		CU_ASSERT_EQUAL(stats_of(t.cache).n_live, 0);
	}
	CU_ASSERT_EQUAL(stats_of(t.cache).n_allocs, 20 * 41);
	CU_ASSERT_EQUAL(stats_of(t.cache).n_frees, 20 * 41);
	CU_ASSERT_EQUAL(clib_kmem_cache_check(t.cache, NULL, 0), 0);
	CU_ASSERT_EQUAL(kmem_cache_destroy(t.cache), 0);
}

static void *
grow_and_shrink(void *arg)
{
	void *objects[200];

	for (u32 round = 0; round < 50; round++) {
		for (u32 i = 0; i < ARRAY_LEN(objects); i++)
			objects[i] = kmem_cache_alloc(arg, 0);
		for (u32 i = 0; i < ARRAY_LEN(objects); i++)
			kmem_cache_free(arg, objects[i]);
		kmem_cache_shrink(arg);
	}
	return NULL;
}

/* Figures are read without a lock while slabs come and go: the thread sanitizer looks on. */
static void
figures_need_no_lock(void)
{
	clib_kmem_cache_t *c =
		cache_of(&(clib_kmem_params_t){ .name = "figures", .object_bytes = 600 });
	pthread_t thread;

	pthread_create(&thread, NULL, grow_and_shrink, c);
	for (u32 i = 0; i < 2000; i++) {
		clib_kmem_stats_t s = stats_of(c);

		CU_ASSERT_TRUE(s.colour < s.slab_bytes);
	}
	pthread_join(thread, NULL);
	CU_ASSERT_EQUAL(stats_of(c).n_live, 0);
	CU_ASSERT_EQUAL(kmem_cache_destroy(c), 0);
}

/* ---- exhaustion with the last objects in another's magazines ---- */

static void
what_others_cache_is_there_for_the_needy(void)
{
	vmem_t *arena;
	/* A slab is aligned to its size. */
	void *base = aligned_alloc(KiB(8), KiB(8));
	void *objects[128];
	idler_t t;
	pthread_t thread;
	u32 n = 0;

	arena = vmem_create("two slabs", base, KiB(8), 4096, NULL, NULL, NULL, 0, VM_NOSLEEP);
	t.cache = cache_of(&(clib_kmem_params_t){
		.name = "needy", .object_bytes = 64, .slab_bytes = 4096, .source = arena });
	pthread_barrier_init(&t.filled, NULL, 2);
	pthread_barrier_init(&t.go_on, NULL, 2);
	pthread_create(&thread, NULL, fill_and_idle, &t);
	pthread_barrier_wait(&t.filled);
	while ((objects[n] = kmem_cache_alloc(t.cache, 0)) != NULL)
		n++;
	CU_ASSERT_EQUAL(n, 2 * stats_of(t.cache).n_objects_per_slab);
	CU_ASSERT_EQUAL(stats_of(t.cache).n_fails, 1);
	while (n)
		kmem_cache_free(t.cache, objects[--n]);
	pthread_barrier_wait(&t.go_on);
	pthread_join(thread, NULL);
	CU_ASSERT_EQUAL(clib_kmem_cache_check(t.cache, NULL, 0), 0);
	CU_ASSERT_EQUAL(kmem_cache_destroy(t.cache), 0);
	vmem_destroy(arena);
	free(base);
}

/* ---- producer and consumer ---- */

#define N_PASSED 200000
#define RING 4096

typedef struct {
	clib_kmem_cache_t *cache;
	_Atomic u64 head, tail;
	u64 *ring[RING];
	u64 n_wrong, n_objects;
} pipe_t;

static void *
consume(void *arg)
{
	pipe_t *p = arg;

	for (u64 i = 0; i < p->n_objects; i++) {
		/* Acquire: the object's contents, pairs with the producer's release. */
		while (atomic_load_explicit(&p->head, memory_order_acquire) <= i)
			sched_yield();
		p->n_wrong += *p->ring[i % RING] != i;
		*p->ring[i % RING] = ~i;
		kmem_cache_free(p->cache, p->ring[i % RING]);
		atomic_store_explicit(&p->tail, i + 1, memory_order_release);
	}
	return NULL;
}

/* One thread only allocates, the other only frees: whole magazines go through the depot, and back
 * as empty ones. */
static void
objects_cross_threads_by_magazines(void)
{
	static pipe_t p;
	clib_kmem_stats_t s;
	pthread_t thread;

	p.cache = cache_of(&(clib_kmem_params_t){ .name = "pipe", .object_bytes = 64 });
	p.n_objects = unit_n_ops(N_PASSED);
	pthread_create(&thread, NULL, consume, &p);
	for (u64 i = 0; i < p.n_objects; i++) {
		u64 *o = kmem_cache_alloc(p.cache, 0);

		while (i - atomic_load_explicit(&p.tail, memory_order_acquire) >= RING)
			sched_yield();
		*o = i;
		p.ring[i % RING] = o;
		atomic_store_explicit(&p.head, i + 1, memory_order_release);
	}
	pthread_join(thread, NULL);
	s = stats_of(p.cache);
	CU_ASSERT_EQUAL(p.n_wrong, 0);
	CU_ASSERT_EQUAL(s.n_allocs, p.n_objects);
	CU_ASSERT_EQUAL(s.n_live, 0);
	/* Most came out of the depot and not out of new slabs. */
	CU_ASSERT_TRUE(s.n_slabs_created * s.n_objects_per_slab < p.n_objects / 2);
	CU_ASSERT_EQUAL(clib_kmem_cache_check(p.cache, NULL, 0), 0);
	CU_ASSERT_EQUAL(kmem_cache_destroy(p.cache), 0);
}

/* ---- threads without an index ---- */

typedef struct {
	pthread_barrier_t *all_in, *done;
	clib_kmem_cache_t *cache;
	u32 n_without, n_wrong;
	pthread_mutex_t lock;
} crowd_t;

static void *
crowd_member(void *arg)
{
	crowd_t *crowd = arg;
	u16 index = clib_thread_index();
	u64 *a, *b;

	pthread_barrier_wait(crowd->all_in);
	pthread_mutex_lock(&crowd->lock);
	if (index == CLIB_THREAD_INDEX_NONE) {
		crowd->n_without++;
		a = kmem_cache_alloc(crowd->cache, 0);
		b = kmem_cache_zalloc(crowd->cache, 0);
		crowd->n_wrong += a == NULL || b == NULL || a == b || *b != 0;
		kmem_cache_free(crowd->cache, a);
		crowd->n_wrong += kmem_cache_alloc_bulk(crowd->cache, 0, 1, (void **)&a) != 1;
		kmem_cache_free_bulk(crowd->cache, 1, (void **)&a);
		kmem_cache_free(crowd->cache, b);
	}
	pthread_mutex_unlock(&crowd->lock);
	pthread_barrier_wait(crowd->done);
	return NULL;
}

/* More threads than there are indices: those without one work past the magazines, rightly. */
static void
threads_beyond_the_last_index_work(void)
{
	enum { N = CLIB_MAX_THREADS + 8 };
	static pthread_t threads[N];
	pthread_barrier_t all_in, done;
	crowd_t crowd = { .all_in = &all_in, .done = &done, .lock = PTHREAD_MUTEX_INITIALIZER };
	pthread_attr_t attr;
	u32 n;

	crowd.cache = cache_of(&(clib_kmem_params_t){ .name = "crowd", .object_bytes = 64 });
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, KiB(64));
	pthread_barrier_init(&all_in, NULL, N);
	pthread_barrier_init(&done, NULL, N);
	for (n = 0; n < N; n++)
		if (pthread_create(&threads[n], &attr, crowd_member, &crowd))
			break;
	/* A machine that does not give us as many would leave them waiting. */
	CU_ASSERT_EQUAL_FATAL(n, N);
	for (u32 i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
	CU_ASSERT_TRUE(crowd.n_without >= 8);
	CU_ASSERT_EQUAL(crowd.n_wrong, 0);
	CU_ASSERT_EQUAL(stats_of(crowd.cache).n_live, 0);
	CU_ASSERT_EQUAL(kmem_cache_destroy(crowd.cache), 0);
}

/* ---- a small stack ---- */

static void *
work_on_small_stack(void *arg)
{
	clib_kmem_cache_t **caches = arg;
	void *objects[64];
	u64 n = 0;

	for (u32 kind = 0; kind < 3; kind++)
		for (u32 round = 0; round < 20; round++) {
			for (u32 i = 0; i < ARRAY_LEN(objects); i++) {
				objects[i] = kmem_cache_alloc(caches[kind], 0);
				n += objects[i] != NULL;
			}
			for (u32 i = 0; i < ARRAY_LEN(objects); i++)
				kmem_cache_free(caches[kind], objects[i]);
			kmem_cache_shrink(caches[kind]);
		}
	return (void *)n;
}

/* 16 KiB of stack are enough for every way through, debugging included. */
static void
sixteen_kib_of_stack_are_enough(void)
{
	static const u32 flags[] = { 0, CLIB_KMEM_CHECKED, CLIB_KMEM_DEBUG };
	clib_kmem_cache_t *caches[3];
	pthread_attr_t attr;
	pthread_t thread;
	void *rv;

	for (u32 i = 0; i < 3; i++)
		caches[i] = cache_of(&(clib_kmem_params_t){
			.name = "stack", .object_bytes = 1000, .flags = flags[i] });
	pthread_attr_init(&attr);
	CU_ASSERT_EQUAL_FATAL(pthread_attr_setstacksize(&attr, KiB(16)), 0);
	CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, &attr, work_on_small_stack, caches), 0);
	pthread_join(thread, &rv);
	CU_ASSERT_EQUAL((u64)rv, 3 * 20 * 64);
	for (u32 i = 0; i < 3; i++)
		CU_ASSERT_EQUAL(kmem_cache_destroy(caches[i]), 0);
}

/* ---- sleeping ---- */

static _Atomic u32 n_sleep_errors;

static void
note_sleep_error(const clib_kmem_error_t *e)
{
	n_sleep_errors += e->kind == CLIB_KMEM_ERROR_NO_SLEEP;
}

static void *
sleep_for_one(void *arg)
{
	return kmem_cache_alloc(arg, KM_SLEEP);
}

/* In illumos' caches KM_SLEEP waits until another thread gives something back, KM_NOSLEEP does not;
 * a thread that is alone is told that it would wait for ever. */
static void
a_sleeper_gets_what_is_freed(void)
{
	vmem_t *arena;
	/* A slab is aligned to its size. */
	void *base = aligned_alloc(KiB(16), KiB(16)), *objects[64], *rv;
	clib_kmem_cache_t *c;
	pthread_t thread;
	u32 n = 0;

	arena = vmem_create("one slab", base, KiB(16), 4096, NULL, NULL, NULL, 0, VM_NOSLEEP);
	c = kmem_cache_create("sleepy", 500, 0, NULL, NULL, NULL, NULL, arena, 0);
	while ((objects[n] = kmem_cache_alloc(c, KM_NOSLEEP)) != NULL)
		n++;
	CU_ASSERT_EQUAL(n, stats_of(c).n_objects_per_slab);
	clib_kmem_set_error_handler(note_sleep_error);
	n_sleep_errors = 0;
	if (clib_n_threads() == 1)
		CU_ASSERT_PTR_NULL(kmem_cache_alloc(c, KM_SLEEP));
	CU_ASSERT_EQUAL(n_sleep_errors, 1);
	clib_kmem_set_error_handler(NULL);
	pthread_create(&thread, NULL, sleep_for_one, c);
	while (clib_n_threads() == 1)
		sched_yield();
	kmem_cache_free(c, objects[3]);
	pthread_join(thread, &rv);
	CU_ASSERT_PTR_EQUAL(rv, objects[3]);
	for (u32 i = 0; i < n; i++)
		kmem_cache_free(c, objects[i]);
	CU_ASSERT_EQUAL(kmem_cache_destroy(c), 0);
	vmem_destroy(arena);
	free(base);
}

/* ---- fork ---- */

static clib_kmem_cache_t *forked;
static void *parents_object;

static int
use_cache_in_child(void)
{
	void *a = kmem_cache_alloc(forked, 0);

	CHILD_CHECK(a != NULL && a != parents_object);
	memset(parents_object, 0xee, 64);
	kmem_cache_free(forked, a);
	kmem_cache_free(forked, parents_object);
	CHILD_CHECK(clib_kmem_cache_check(forked, NULL, 0) == 0);
	CHILD_CHECK(stats_of(forked).n_live == 0);
	kmem_cache_shrink(forked);
	CHILD_CHECK(stats_of(forked).n_slabs == 0);
	CHILD_CHECK(kmem_cache_destroy(forked) == 0);
	return 0;
}

static _Atomic u32 churn_is_over;

static void *
churn(void *arg)
{
	while (!atomic_load(&churn_is_over)) {
		void *objects[100];

		for (u32 i = 0; i < ARRAY_LEN(objects); i++)
			objects[i] = kmem_cache_alloc(arg, 0);
		kmem_cache_free_bulk(arg, ARRAY_LEN(objects), objects);
		kmem_cache_shrink(arg);
	}
	return NULL;
}

static clib_kmem_cache_t *churned;

static int
use_churned_cache_in_child(void)
{
	void *a = kmem_cache_alloc(churned, 0);

	/* The other thread's magazines are nobody's now, and come home. */
	CHILD_CHECK(a != NULL);
	kmem_cache_free(churned, a);
	kmem_cache_shrink(churned);
	CHILD_CHECK(clib_kmem_cache_check(churned, NULL, 0) == 0);
	CHILD_CHECK(stats_of(churned).n_cached == 0);
	return 0;
}

/* A child has the caches as they were: it can use and destroy them, and the parent's are not
 * touched. */
static void
a_forked_child_goes_on(void)
{
	forked = cache_of(&(clib_kmem_params_t){ .name = "fork", .object_bytes = 64 });
	parents_object = kmem_cache_alloc(forked, 0);
	memset(parents_object, 0x11, 64);
	CU_ASSERT_EQUAL(in_child(use_cache_in_child), 0);
	CU_ASSERT_EQUAL(*(u8 *)parents_object, 0x11);
	kmem_cache_free(forked, parents_object);
	CU_ASSERT_EQUAL(kmem_cache_destroy(forked), 0);
}

/* Forking while another thread works: whatever it was about to do, the child's locks are free. */
static void
a_fork_amid_work_leaves_locks_free(void)
{
	pthread_t thread;

	churned = cache_of(&(clib_kmem_params_t){ .name = "churn", .object_bytes = 64 });
	pthread_create(&thread, NULL, churn, churned);
	for (u32 i = 0; i < 20; i++)
		CU_ASSERT_EQUAL(in_child(use_churned_cache_in_child), 0);
	atomic_store(&churn_is_over, 1);
	pthread_join(thread, NULL);
	CU_ASSERT_EQUAL(kmem_cache_destroy(churned), 0);
}

static const unit_test_t tests[] = {
	UNIT(a_sleeper_gets_what_is_freed),
	UNIT(shrinking_empties_other_threads_magazines),
	UNIT(an_exiting_thread_leaves_nothing_behind),
	UNIT(figures_need_no_lock),
	UNIT(what_others_cache_is_there_for_the_needy),
	UNIT(objects_cross_threads_by_magazines),
	UNIT(threads_beyond_the_last_index_work),
	UNIT(sixteen_kib_of_stack_are_enough),
	UNIT(a_forked_child_goes_on),
	UNIT(a_fork_amid_work_leaves_locks_free),
};

int
main(void)
{
	return unit_run("kmem_threads", tests, ARRAY_LEN(tests));
}
