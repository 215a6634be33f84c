/* SPDX-License-Identifier: Apache-2.0 */
/* Random operations of two threads against ownership: every object carries a stamp that says whose
 * it is, so that one which is handed out twice, or changes hands, is caught at once.  Objects
 * also change threads through a mailbox and are freed where they were not allocated.  Every 1000
 * operations all structures are compared with each other. */
#include "../unit.h"

#include <pthread.h>
#include <stdatomic.h>
#include <vppinfra/kmem.h>

#define N_THREADS 2
#define N_LIVE 1500
#define N_MAIL 64
#define STAMP_FREE 0x5afe5afe5afe5afeull

typedef struct {
	_Atomic u64 stamp;
	u64 copy; /* plain: TSan sees every hand-over that nobody ordered */
	u8 rest[];
} object_t;

typedef struct {
	clib_kmem_cache_t *cache;
	u64 seed, n_ops;
	u32 index;
	u64 n_allocs, n_frees, n_wrong, n_null, n_checks, n_again;
	char what[128];
	_Atomic(object_t *) *mail; /* shared */
	object_t *live[N_LIVE];
	u64 stamps[N_LIVE];
} worker_t;

static void
construct(void *object)
{
	atomic_store_explicit(&((object_t *)object)->stamp, STAMP_FREE, memory_order_relaxed);
}

static object_t *
take(worker_t *w, u64 stamp)
{
	object_t *o = kmem_cache_alloc(w->cache, 0);

	if (!o) {
		w->n_null++;
		return NULL;
	}
	w->n_allocs++;
	/* Constructed, or freed in that state: anything else has been handed out twice. */
	w->n_wrong +=
		atomic_exchange_explicit(&o->stamp, stamp, memory_order_relaxed) != STAMP_FREE;
	o->copy = stamp;
	return o;
}

static void
give(worker_t *w, object_t *o, u64 stamp)
{
	w->n_wrong += o->copy != stamp;
	w->n_wrong +=
		atomic_exchange_explicit(&o->stamp, STAMP_FREE, memory_order_relaxed) != stamp;
	kmem_cache_free(w->cache, o);
	w->n_frees++;
}

/* Leave an object to whoever comes, and free what was left. */
static void
exchange_mail(worker_t *w, object_t *o)
{
	/* Release and acquire: the object's contents go with it. */
	o = atomic_exchange_explicit(&w->mail[unit_random_below(&w->seed, N_MAIL)], o,
				     memory_order_acq_rel);
	if (o)
		give(w, o, o->copy);
}

static void
compare(worker_t *w)
{
	int error = clib_kmem_cache_check(w->cache, w->n_wrong ? NULL : w->what, sizeof(w->what));

	/* -EAGAIN: the other thread has no processor. */
	w->n_again += error == -EAGAIN;
	w->n_checks += error == 0;
	w->n_wrong += error == -EUCLEAN;
}

static void *
work(void *arg)
{
	worker_t *w = arg;
	object_t **live = w->live;
	u64 *stamps = w->stamps, serial = 0;
	u32 n = 0;

	for (u64 op = 0; op < w->n_ops; op++) {
		/* Waves: the number of live objects swings between few and many. */
		u32 aim = (op >> 13) % 3 == 0 ? N_LIVE : (op >> 13) % 3 == 1 ? 40 : N_LIVE / 3;
		u64 r = unit_random_below(&w->seed, 100);
		bool is_alloc = n == 0 || (n < N_LIVE && r < (n < aim ? 75u : 25u));

		if (is_alloc) {
			stamps[n] = (u64)(w->index + 1) << 48 | ++serial;
			live[n] = take(w, stamps[n]);
			n += live[n] != NULL;
		} else {
			u32 i = (u32)unit_random_below(&w->seed, n);

			if (r % 8 == 0)
				exchange_mail(w, live[i]);
			else
				give(w, live[i], stamps[i]);
			live[i] = live[--n];
			stamps[i] = stamps[n];
		}
		if (op % 1000 == 0)
			compare(w);
		if (op % 50021 == 0)
			kmem_cache_shrink(w->cache);
		if (op % 20011 == 0)
			kmem_cache_reap(w->cache);
	}
	while (n--)
		give(w, live[n], stamps[n]);
	return NULL;
}

static void
run(const clib_kmem_params_t *params, u64 n_ops)
{
	_Atomic(object_t *) mail[N_MAIL] = {};
	static worker_t w[N_THREADS];
	pthread_t threads[N_THREADS];
	clib_kmem_cache_t *cache;
	clib_kmem_stats_t s;
	u64 seed = unit_seed(), n_allocs = 0, n_frees = 0;

	CU_ASSERT_EQUAL_FATAL(clib_kmem_cache_make(params, &cache), 0);
	for (u32 i = 0; i < N_THREADS; i++) {
		w[i] = (worker_t){ .cache = cache,
				   .seed = seed + i,
				   .n_ops = n_ops / N_THREADS,
				   .index = i,
				   .mail = mail };
		pthread_create(&threads[i], NULL, work, &w[i]);
	}
	for (u32 i = 0; i < N_THREADS; i++) {
		pthread_join(threads[i], NULL);
		CU_ASSERT_EQUAL(w[i].n_wrong, 0);
		CU_ASSERT_EQUAL(w[i].n_null, 0);
		CU_ASSERT_TRUE(w[i].n_checks > w[i].n_again);
		if (w[i].n_wrong)
			printf("thread %u: %s\n", i, w[i].what);
		n_allocs += w[i].n_allocs;
		n_frees += w[i].n_frees;
	}
	for (u32 i = 0; i < N_MAIL; i++)
		if (mail[i]) {
			atomic_store(&mail[i]->stamp, STAMP_FREE);
			kmem_cache_free(cache, mail[i]);
			n_frees++;
		}
	clib_kmem_cache_get_stats(cache, &s);
	CU_ASSERT_EQUAL(n_allocs, n_frees);
	CU_ASSERT_EQUAL(s.n_live, 0);
	CU_ASSERT_EQUAL(s.n_allocs, n_allocs);
	CU_ASSERT_EQUAL(s.n_bad_frees + s.n_errors, 0);
	CU_ASSERT_EQUAL(clib_kmem_cache_check(cache, NULL, 0), 0);
	printf("%llu operations, %llu checks, %llu contended, %llu resizes, %llu claims\n",
	       (unsigned long long)n_ops, (unsigned long long)(w[0].n_checks + w[1].n_checks),
	       (unsigned long long)s.n_contended, (unsigned long long)s.n_magazine_resizes,
	       (unsigned long long)s.n_claims);
	CU_ASSERT_EQUAL(kmem_cache_destroy(cache), 0);
}

/* Small objects, magazines of the usual size. */
static void
two_threads_own_what_they_hold(void)
{
	const clib_kmem_params_t p = { .name = "model", .object_bytes = 64, .init = construct };

	run(&p, unit_n_ops(10000000));
}

/* The least magazines, so that the depot and the slabs see all of it. */
static void
two_threads_with_small_magazines(void)
{
	const clib_kmem_params_t p = { .name = "model small",
				       .object_bytes = 200,
				       .slab_bytes = 4096,
				       .magazine_rounds = 1,
				       .magazine_rounds_max = 1,
				       .depot_magazines = 4,
				       .init = construct };

	run(&p, unit_n_ops(2000000));
}

/* Every free checked on the spot. */
static void
two_threads_with_every_free_checked(void)
{
	const clib_kmem_params_t p = { .name = "model checked",
				       .object_bytes = 100,
				       .flags = CLIB_KMEM_CHECKED,
				       .init = construct };

	run(&p, unit_n_ops(1000000));
}

/* No magazines at all: the slabs alone. */
static void
two_threads_without_magazines(void)
{
	const clib_kmem_params_t p = { .name = "model slabs",
				       .object_bytes = 48,
				       .flags = CLIB_KMEM_NO_MAGAZINES,
				       .init = construct };

	run(&p, unit_n_ops(1000000));
}

/* Patterns and sites on every call. */
static void
two_threads_with_debugging(void)
{
	const clib_kmem_params_t p = { .name = "model debug",
				       .object_bytes = 40,
				       .flags = CLIB_KMEM_DEBUG,
				       .init = construct };

	run(&p, unit_n_ops(200000));
}

static const unit_test_t tests[] = {
	UNIT(two_threads_own_what_they_hold),      UNIT(two_threads_with_small_magazines),
	UNIT(two_threads_with_every_free_checked), UNIT(two_threads_without_magazines),
	UNIT(two_threads_with_debugging),
};

int
main(void)
{
	return unit_run("kmem_model", tests, ARRAY_LEN(tests));
}
