/* SPDX-License-Identifier: Apache-2.0 */
/* Sleeping for an object: in what order sleepers are served, by what, how long they wait, who is
 * refused.  How long a wake-up took is printed, and held against nothing: the machine is not ours
 * alone. */
#include <pthread.h>
#include <stdlib.h>
#include <sched.h>
#include <stdatomic.h>
#include <time.h>
#include <vppinfra/kmem.h>
#include <vppinfra/vmem.h>
#include "child.h"
#include "unit.h"

#define N_SLEEPERS 6
#define SECOND 1000000000ull
#define SLAB_BYTES KiB(16)

typedef struct {
	clib_kmem_cache_t *cache;
	u64 timeout_ns;
	void *got;
	int error;
	u32 order; /* how many had been served before */
	u64 woke_ns;
	pthread_t thread;
} sleeper_t;

static _Atomic u32 n_served;

static u64
now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (u64)now.tv_sec * SECOND + (u64)now.tv_nsec;
}

/* ---- a cache that has one slab, and no more to come by ---- */

typedef struct {
	vmem_t *arena;
	void *base;
	clib_kmem_cache_t *cache;
	void *objects[64];
	u32 n;
} small_t;

static void
make_small(small_t *s, u32 flags, clib_kmem_ctor_t *ctor)
{
	clib_kmem_params_t p = { .name = "small",
				 .object_bytes = 500,
				 .flags = flags,
				 .slab_bytes = SLAB_BYTES,
				 .ctor = ctor };

	/* A slab is aligned to its size. */
	*s = (small_t){ .base = aligned_alloc(SLAB_BYTES, SLAB_BYTES) };
	s->arena =
		vmem_create("one slab", s->base, SLAB_BYTES, 4096, NULL, NULL, NULL, 0, VM_NOSLEEP);
	p.source = s->arena;
	CU_ASSERT_EQUAL_FATAL(clib_kmem_cache_make(&p, &s->cache), 0);
}

static void
take_all(small_t *s)
{
	while ((s->objects[s->n] = kmem_cache_alloc(s->cache, CLIB_KMEM_NOSLEEP)) != NULL)
		s->n++;
}

static void
free_small(small_t *s)
{
	CU_ASSERT_EQUAL(clib_kmem_cache_check(s->cache, NULL, 0), 0);
	CU_ASSERT_EQUAL(kmem_cache_destroy(s->cache), 0);
	vmem_destroy(s->arena);
	free(s->base);
}

static clib_kmem_stats_t
stats_of(clib_kmem_cache_t *c)
{
	clib_kmem_stats_t s;

	clib_kmem_cache_get_stats(c, &s);
	return s;
}

static void *
sleep_for_one(void *arg)
{
	sleeper_t *s = arg;

	s->error = clib_kmem_cache_alloc_timed(s->cache, 0, s->timeout_ns, &s->got);
	s->woke_ns = now_ns();
	s->order = atomic_fetch_add(&n_served, 1);
	return NULL;
}

/* One after the other, so that they stand in the queue in this order. */
static void
start_sleepers(sleeper_t *s, u32 n, clib_kmem_cache_t *cache)
{
	atomic_store(&n_served, 0);
	for (u32 i = 0; i < n; i++) {
		s[i] = (sleeper_t){ .cache = cache };
		pthread_create(&s[i].thread, NULL, sleep_for_one, &s[i]);
		while (stats_of(cache).n_sleepers < i + 1)
			sched_yield();
	}
}

static const struct {
	const char *what;
	u32 flags;
} kinds[] = {
	{ "magazines", 0 },
	{ "no magazines", CLIB_KMEM_NO_MAGAZINES },
	{ "checked", CLIB_KMEM_CHECKED },
	{ "debugged", CLIB_KMEM_REDZONE | CLIB_KMEM_POISON },
};

/* Whatever a cache does with what is freed, each free serves the one that has waited longest, and
 * hands over the very object: nobody else could have had it, however late its new owner wakes. */
static void
first_come_first_served(void)
{
	for (u32 kind = 0; kind < ARRAY_LEN(kinds); kind++) {
		sleeper_t s[N_SLEEPERS];
		u64 freed_ns, worst_ns = 0;
		small_t small;

		make_small(&small, kinds[kind].flags, NULL);
		take_all(&small);
		start_sleepers(s, N_SLEEPERS, small.cache);
		for (u32 i = 0; i < N_SLEEPERS; i++) {
			freed_ns = now_ns();
			kmem_cache_free(small.cache, small.objects[i]);
			CU_ASSERT_PTR_NULL(kmem_cache_alloc(small.cache, CLIB_KMEM_NOSLEEP));
			pthread_join(s[i].thread, NULL);
			CU_ASSERT_EQUAL(s[i].error, 0);
			CU_ASSERT_EQUAL(s[i].order, i);
			CU_ASSERT_PTR_EQUAL(s[i].got, small.objects[i]);
			worst_ns = clib_max(worst_ns, s[i].woke_ns - freed_ns);
		}
		printf("%s: woken after %.3f ms at most\n", kinds[kind].what,
		       (double)worst_ns / 1e6);
		CU_ASSERT_EQUAL(stats_of(small.cache).n_sleeps, N_SLEEPERS);
		CU_ASSERT_EQUAL(stats_of(small.cache).n_sleepers, 0);
		for (u32 i = 0; i < small.n; i++)
			kmem_cache_free(small.cache, small.objects[i]);
		free_small(&small);
	}
}

/* Free objects in the magazines of a thread that does nothing more are found before anybody sleeps
 * for them; and one free of many serves many. */
static void
a_bulk_free_serves_as_many(void)
{
	sleeper_t s[N_SLEEPERS];
	small_t small;

	make_small(&small, 0, NULL);
	take_all(&small);
	start_sleepers(s, N_SLEEPERS, small.cache);
	clib_kmem_cache_free_bulk(small.cache, small.n, small.objects);
	for (u32 i = 0; i < N_SLEEPERS; i++) {
		pthread_join(s[i].thread, NULL);
		CU_ASSERT_EQUAL(s[i].error, 0);
		kmem_cache_free(small.cache, s[i].got);
	}
	/* With nobody asleep magazines are in use again. */
	small.n = 0;
	take_all(&small);
	clib_kmem_cache_free_bulk(small.cache, small.n, small.objects);
	CU_ASSERT_TRUE(stats_of(small.cache).n_cached > 0);
	free_small(&small);
}

/* ---- time ---- */

/* Who waited long enough goes, and those behind are served as if it had never been there. */
static void
time_runs_out(void)
{
	sleeper_t s[3] = {};
	small_t small;
	void *p = &p;

	make_small(&small, 0, NULL);
	take_all(&small);
	start_sleepers(s, 1, small.cache);
	s[1] = (sleeper_t){ .cache = small.cache, .timeout_ns = SECOND / 100, .got = &small };
	pthread_create(&s[1].thread, NULL, sleep_for_one, &s[1]);
	pthread_join(s[1].thread, NULL);
	CU_ASSERT_EQUAL(s[1].error, -ETIMEDOUT);
	CU_ASSERT_PTR_EQUAL(s[1].got, &small);
	CU_ASSERT_EQUAL(stats_of(small.cache).n_timeouts, 1);
	CU_ASSERT_EQUAL(stats_of(small.cache).n_sleepers, 1);
	/* Counted from when it lay down, which is later than the limit is counted from. */
	CU_ASSERT_TRUE(stats_of(small.cache).sleep_ns_max >= SECOND / 200);
	kmem_cache_free(small.cache, small.objects[0]);
	pthread_join(s[0].thread, NULL);
	CU_ASSERT_PTR_EQUAL(s[0].got, small.objects[0]);
	/* Not to sleep is an answer too. */
	CU_ASSERT_EQUAL(clib_kmem_cache_alloc_timed(small.cache, CLIB_KMEM_NOSLEEP, SECOND, &p),
			-ENOMEM);
	CU_ASSERT_PTR_EQUAL(p, &p);
	clib_kmem_cache_free_bulk(small.cache, small.n, small.objects);
	free_small(&small);
}

/* ---- who cannot be woken ---- */

static pthread_barrier_t may_exit;

/* gcc's thread sanitizer keeps a thread of its own: with it nobody is ever alone. */
#ifdef __SANITIZE_THREAD__
#	define ALONE -ETIMEDOUT
#else
#	define ALONE -EDEADLK
#endif

static void *
stand_by(void *arg)
{
	pthread_barrier_wait(&may_exit);
	return arg;
}

/* A thread that is alone, and a request that the arena could not meet if all of it were free. */
static void
the_hopeless_are_refused(void)
{
	clib_kmem_params_t p = { .name = "huge", .object_bytes = 2 * SLAB_BYTES };
	clib_kmem_cache_t *huge;
	pthread_t thread;
	small_t small;
	void *o;

	make_small(&small, 0, NULL);
	take_all(&small);
	CU_ASSERT_EQUAL(clib_kmem_cache_alloc_timed(small.cache, 0, SECOND / 10, &o), ALONE);
	p.source = small.arena;
	CU_ASSERT_EQUAL_FATAL(clib_kmem_cache_make(&p, &huge), 0);
	pthread_barrier_init(&may_exit, NULL, 2);
	pthread_create(&thread, NULL, stand_by, NULL);
	CU_ASSERT_EQUAL(clib_kmem_cache_alloc_timed(huge, 0, 0, &o), -EDEADLK);
	CU_ASSERT_EQUAL(clib_kmem_cache_alloc_timed(small.cache, 0, SECOND / 1000, &o), -ETIMEDOUT);
	pthread_barrier_wait(&may_exit);
	pthread_join(thread, NULL);
	CU_ASSERT_EQUAL(kmem_cache_destroy(huge), 0);
	clib_kmem_cache_free_bulk(small.cache, small.n, small.objects);
	free_small(&small);
}

static void *
leave_after_a_while(void *arg)
{
	clib_kmem_cache_t *c = arg;

	while (stats_of(c).n_sleepers == 0)
		sched_yield();
	return NULL;
}

/* Who could have woken a sleeper may end without doing so: then nobody is left to wait for. */
static void
the_last_one_is_told(void)
{
	pthread_t thread;
	small_t small;
	void *o;

	make_small(&small, 0, NULL);
	take_all(&small);
	pthread_create(&thread, NULL, leave_after_a_while, small.cache);
	CU_ASSERT_EQUAL(clib_kmem_cache_alloc_timed(small.cache, 0,
						    ALONE == -EDEADLK ? 0 : SECOND / 10, &o),
			ALONE);
	pthread_join(thread, NULL);
	CU_ASSERT_EQUAL(stats_of(small.cache).n_sleepers, 0);
	clib_kmem_cache_free_bulk(small.cache, small.n, small.objects);
	free_small(&small);
}

/* A source that never has anything.  At its n-th call what is held comes free, as if its owner had
 * freed it and ended. */
static struct {
	clib_kmem_cache_t *cache;
	void *held;
	u32 n_calls, at_call;
} late;

static void *
free_and_refuse(vmem_t *CLIB_UNUSED(source), size_t CLIB_UNUSED(size), int CLIB_UNUSED(flags))
{
	if (++late.n_calls == late.at_call)
		kmem_cache_free(late.cache, late.held);
	return NULL;
}

static void
free_nothing(vmem_t *CLIB_UNUSED(source), void *CLIB_UNUSED(addr), size_t CLIB_UNUSED(size))
{
}

/* Nobody is left to free anything, but there is what was freed since the last look: at whatever
 * point of an allocation in vain that was. */
static void
what_comes_late_is_found(void)
{
	u32 n_calls = 1;

	late.at_call = 0;
	for (u32 i = 0; i <= n_calls; i++) {
		clib_kmem_params_t p = { .name = "late",
					 .object_bytes = 500,
					 .slab_bytes = SLAB_BYTES };
		void *base = aligned_alloc(SLAB_BYTES, SLAB_BYTES);
		small_t small = { .base = base };
		void *o;

		small.arena = vmem_create("late", base, SLAB_BYTES, 4096, free_and_refuse,
					  free_nothing, NULL, 0, VM_NOSLEEP);
		p.source = small.arena;
		CU_ASSERT_EQUAL_FATAL(clib_kmem_cache_make(&p, &small.cache), 0);
		take_all(&small);
		late.cache = small.cache;
		late.held = small.objects[0];
		late.n_calls = 0;
		late.at_call = i;
		CU_ASSERT_EQUAL(clib_kmem_cache_alloc_timed(
					small.cache, 0,
					i == 0 && ALONE != -EDEADLK ? SECOND / 10 : SECOND, &o),
				i == 0 ? ALONE : 0);
		/* The first time all calls are in vain: then each may be the one. */
		if (i == 0)
			n_calls = late.n_calls;
		late.at_call = 0;
		clib_kmem_cache_free_bulk(small.cache, small.n, small.objects);
		free_small(&small);
	}
	CU_ASSERT_TRUE(n_calls > 1);
}

static int
refuse(void *CLIB_UNUSED(object), void *CLIB_UNUSED(arg), int CLIB_UNUSED(flags))
{
	return -1;
}

/* A constructor that will not is no shortage: nobody sleeps for that. */
static void
a_constructor_that_refuses_is_an_answer(void)
{
	small_t small;
	void *o;

	make_small(&small, CLIB_KMEM_SLEEPS, refuse);
	CU_ASSERT_EQUAL(clib_kmem_cache_alloc_timed(small.cache, 0, 0, &o), -ENOMEM);
	CU_ASSERT_PTR_NULL(kmem_cache_alloc(small.cache, 0));
	CU_ASSERT_EQUAL(stats_of(small.cache).n_sleeps, 0);
	free_small(&small);
}

/* ---- memory of the arena ---- */

/* What comes free in the arena wakes too, from another cache's slabs or by no cache at all. */
static void
the_arena_wakes(void)
{
	clib_kmem_params_t p = { .name = "rival", .object_bytes = 500, .slab_bytes = SLAB_BYTES };
	void *all, *object;
	sleeper_t s;
	small_t small;

	make_small(&small, 0, NULL);
	all = vmem_alloc(small.arena, SLAB_BYTES, VM_NOSLEEP);
	start_sleepers(&s, 1, small.cache);
	vmem_free(small.arena, all, SLAB_BYTES);
	pthread_join(s.thread, NULL);
	CU_ASSERT_EQUAL(s.error, 0);
	kmem_cache_free(small.cache, s.got);
	kmem_cache_shrink(small.cache);

	clib_kmem_cache_t *rival;

	p.source = small.arena;
	CU_ASSERT_EQUAL_FATAL(clib_kmem_cache_make(&p, &rival), 0);
	object = kmem_cache_alloc(rival, 0);
	CU_ASSERT_PTR_NOT_NULL_FATAL(object);
	start_sleepers(&s, 1, small.cache);
	kmem_cache_free(rival, object);
	kmem_cache_shrink(rival);
	pthread_join(s.thread, NULL);
	CU_ASSERT_EQUAL(s.error, 0);
	kmem_cache_free(small.cache, s.got);
	CU_ASSERT_EQUAL(kmem_cache_destroy(rival), 0);
	free_small(&small);
}

/* ---- no wake-up is lost ---- */

#define N_WORKERS 4

typedef struct {
	clib_kmem_cache_t *cache;
	u64 seed, n_ops;
	_Atomic u8 *owned; /* by object */
	const u8 *base;
	pthread_t thread;
	u64 n_errors;
} worker_t;

/* Holds one object at a time, so whoever has one can go on; if a wake-up were lost, those who wait
 * for it would stand still for ever. */
static void *
work(void *arg)
{
	worker_t *w = arg;

	for (u64 i = 0; i < w->n_ops; i++) {
		void *p = kmem_cache_alloc(w->cache, 0);
		uword at = ((const u8 *)p - w->base) / 64;

		w->n_errors += p == NULL;
		if (p == NULL)
			continue;
		w->n_errors += atomic_exchange(&w->owned[at], 1) != 0;
		if (unit_random_below(&w->seed, 4) == 0)
			sched_yield();
		atomic_store(&w->owned[at], 0);
		kmem_cache_free(w->cache, p);
	}
	return NULL;
}

/* Four threads, and two objects: they sleep for each other all the time. */
static void
no_wakeup_is_lost(void)
{
	static _Atomic u8 owned[SLAB_BYTES / 64];
	worker_t w[N_WORKERS];
	void *hoard[64];
	u64 seed = unit_seed();
	small_t small;
	u32 n = 0;

	for (u32 kind = 0; kind < ARRAY_LEN(kinds); kind++) {
		make_small(&small, kinds[kind].flags | CLIB_KMEM_SLEEPS, NULL);
		n = 0;
		while ((hoard[n] = kmem_cache_alloc(small.cache, CLIB_KMEM_NOSLEEP)) != NULL)
			n++;
		for (u32 i = 0; i < 2; i++)
			kmem_cache_free(small.cache, hoard[--n]);
		for (u32 i = 0; i < N_WORKERS; i++) {
			w[i] = (worker_t){ .cache = small.cache,
					   .seed = seed + i,
					   .n_ops = unit_n_ops(5000),
					   .owned = owned,
					   .base = small.base };
			pthread_create(&w[i].thread, NULL, work, &w[i]);
		}
		for (u32 i = 0; i < N_WORKERS; i++) {
			pthread_join(w[i].thread, NULL);
			CU_ASSERT_EQUAL(w[i].n_errors, 0);
		}
		printf("%s: %llu of %llu allocations slept, %.3f ms at most\n", kinds[kind].what,
		       (unsigned long long)stats_of(small.cache).n_sleeps,
		       (unsigned long long)(N_WORKERS * w[0].n_ops),
		       (double)stats_of(small.cache).sleep_ns_max / 1e6);
		CU_ASSERT_EQUAL(stats_of(small.cache).n_sleepers, 0);
		for (u32 i = 0; i < n; i++)
			kmem_cache_free(small.cache, hoard[i]);
		free_small(&small);
	}
}

/* ---- fork ---- */

static small_t forked;

static int
use_in_child(void)
{
	void *p;

	CHILD_CHECK(stats_of(forked.cache).n_sleepers == 0);
	kmem_cache_free(forked.cache, forked.objects[1]);
	p = kmem_cache_alloc(forked.cache, CLIB_KMEM_NOSLEEP);
	CHILD_CHECK(p == forked.objects[1]);
	CHILD_CHECK(clib_kmem_cache_check(forked.cache, NULL, 0) == 0);
	return 0;
}

/* Whoever slept in the parent does not exist in the child, and takes nothing there. */
static void
sleepers_stay_with_the_parent(void)
{
	sleeper_t s;

	make_small(&forked, 0, NULL);
	take_all(&forked);
	start_sleepers(&s, 1, forked.cache);
	CU_ASSERT_EQUAL(in_child(use_in_child), 0);
	kmem_cache_free(forked.cache, forked.objects[0]);
	pthread_join(s.thread, NULL);
	CU_ASSERT_PTR_EQUAL(s.got, forked.objects[0]);
	clib_kmem_cache_free_bulk(forked.cache, forked.n, forked.objects);
	free_small(&forked);
}

static const unit_test_t tests[] = {
	UNIT(first_come_first_served), UNIT(a_bulk_free_serves_as_many),
	UNIT(time_runs_out),           UNIT(the_hopeless_are_refused),
	UNIT(the_last_one_is_told),    UNIT(what_comes_late_is_found),
	UNIT(the_arena_wakes),         UNIT(a_constructor_that_refuses_is_an_answer),
	UNIT(no_wakeup_is_lost),       UNIT(sleepers_stay_with_the_parent),
};

int
main(void)
{
	return unit_run("kmem_sleep", tests, ARRAY_LEN(tests));
}
