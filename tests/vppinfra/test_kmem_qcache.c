/* SPDX-License-Identifier: Apache-2.0 */
/* Quantum caches of vmem are object caches: of numbers, through FreeBSD's face, where 0 is one. */
#include "../unit.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/vmem.h>
#include <vppinfra/kmem.h>

#define FLAGS (M_FIRSTFIT | M_NOWAIT)
#define QUANTUM 16
#define QCACHE_MAX 64

static _Atomic u32 n_errors;

static void
note_error(const char *what, vmem_t *vmp, uword addr, uword size, const void *caller)
{
	n_errors++;
}

static vmem_t *
arena_of(uword size)
{
	vmem_t *vm = vmem_create("numbers", 0, size, QUANTUM, QCACHE_MAX, FLAGS);

	CU_ASSERT_PTR_NOT_NULL_FATAL(vm);
	n_errors = 0;
	vmem_set_error_handler(note_error);
	return vm;
}

static void
destroy(vmem_t *vm)
{
	vmem_destroy(vm);
	CU_ASSERT_EQUAL(n_errors, 0);
	vmem_set_error_handler(NULL);
	CU_ASSERT_PTR_NULL(clib_kmem_cache_by_name("numbers_16"));
}

/* Every size up to qcache_max has a cache, which shows up among the others by its name. */
static void
each_size_has_a_cache(void)
{
	vmem_t *vm = arena_of(KiB(64));
	clib_kmem_cache_t *c = clib_kmem_cache_by_name("numbers_48");
	clib_kmem_stats_t s;
	vmem_addr_t addr;

	CU_ASSERT_PTR_NOT_NULL_FATAL(c);
	CU_ASSERT_EQUAL(vmem_alloc(vm, 40, FLAGS, &addr), 0);
	clib_kmem_cache_get_stats(c, &s);
	CU_ASSERT_EQUAL(s.n_live, 1);
	CU_ASSERT_EQUAL(s.object_bytes, 48);
	CU_ASSERT_TRUE(s.is_off_slab);
	CU_ASSERT_STRING_EQUAL(s.source, "numbers");
	CU_ASSERT_EQUAL(addr % QUANTUM, 0);
	vmem_free(vm, addr, 40);
	clib_kmem_cache_get_stats(c, &s);
	CU_ASSERT_EQUAL(s.n_live, 0);
	CU_ASSERT_EQUAL(s.n_frees, 1);
	CU_ASSERT_EQUAL(clib_kmem_cache_check(c, NULL, 0), 0);
	destroy(vm);
}

/* All of an arena can be had through a cache, 0 included, each number once; and again. */
static void
every_number_once(void)
{
	enum { N = 4096 };
	static u8 is_taken[N];
	vmem_t *vm = arena_of(N * QUANTUM);
	vmem_addr_t addr;

	for (u32 round = 0; round < 3; round++) {
		u64 n = 0, n_wrong = 0;

		memset(is_taken, 0, sizeof(is_taken));
		while (vmem_alloc(vm, QUANTUM, FLAGS, &addr) == 0) {
			n_wrong += addr >= N * QUANTUM || is_taken[addr / QUANTUM]++;
			n++;
		}
		CU_ASSERT_EQUAL(n, N);
		CU_ASSERT_EQUAL(n_wrong, 0);
		for (u32 i = 0; i < N; i++)
			vmem_free(vm, i * QUANTUM, QUANTUM);
	}
	destroy(vm);
}

/* A number that is given back twice is refused the second time, always, and is handed out once. */
static void
a_double_free_is_always_caught(void)
{
	vmem_t *vm = arena_of(KiB(64));
	vmem_addr_t a, b, c;

	for (u32 i = 0; i < 1000; i++) {
		CU_ASSERT_EQUAL(vmem_alloc(vm, QUANTUM, FLAGS, &a), 0);
		vmem_free(vm, a, QUANTUM);
		vmem_free(vm, a, QUANTUM);
	}
	CU_ASSERT_EQUAL(n_errors, 1000);
	CU_ASSERT_EQUAL(vmem_alloc(vm, QUANTUM, FLAGS, &b), 0);
	CU_ASSERT_EQUAL(vmem_alloc(vm, QUANTUM, FLAGS, &c), 0);
	CU_ASSERT_NOT_EQUAL(b, c);
	/* Of another size than it was taken with: no cache and no segment has it. */
	vmem_free(vm, b, 2 * QUANTUM);
	CU_ASSERT_EQUAL(n_errors, 1001);
	vmem_free(vm, b + 1, QUANTUM);
	CU_ASSERT_EQUAL(n_errors, 1002);
	vmem_free(vm, b, QUANTUM);
	vmem_free(vm, c, QUANTUM);
	n_errors = 0;
	destroy(vm);
}

typedef struct {
	vmem_t *vm;
	vmem_addr_t addr;
	pthread_barrier_t *barrier;
} racer_t;

static void *
free_at_once(void *arg)
{
	racer_t *r = arg;

	for (u32 i = 0; i < 200; i++) {
		pthread_barrier_wait(r->barrier);
		vmem_free(r->vm, r->addr, QUANTUM);
		pthread_barrier_wait(r->barrier);
	}
	return NULL;
}

/* Two threads give the same number back at the same moment: one of them is told. */
static void
of_two_frees_at_once_one_is_caught(void)
{
	pthread_barrier_t barrier;
	racer_t r = { .vm = arena_of(KiB(64)), .barrier = &barrier };
	pthread_t thread;
	u32 n_caught = 0;

	pthread_barrier_init(&barrier, NULL, 2);
	pthread_create(&thread, NULL, free_at_once, &r);
	for (u32 i = 0; i < 200; i++) {
		CU_ASSERT_EQUAL(vmem_alloc(r.vm, QUANTUM, FLAGS, &r.addr), 0);
		pthread_barrier_wait(&barrier);
		vmem_free(r.vm, r.addr, QUANTUM);
		pthread_barrier_wait(&barrier);
		n_caught += n_errors == 1;
		n_errors = 0;
	}
	pthread_join(thread, NULL);
	CU_ASSERT_EQUAL(n_caught, 200);
	destroy(r.vm);
}

/* ---- two threads ---- */

#define N_LIVE 200

typedef struct {
	vmem_t *vm;
	_Atomic u8 *owner;
	u64 seed, n_ops, n_wrong;
	u8 id;
} worker_t;

static void *
work(void *arg)
{
	worker_t *w = arg;
	vmem_addr_t live[N_LIVE];
	u32 n = 0;

	for (u64 op = 0; op < w->n_ops; op++) {
		if (n == 0 || (n < N_LIVE && unit_random(&w->seed) % 2)) {
			if (vmem_alloc(w->vm, QUANTUM, FLAGS, &live[n])) {
				w->n_wrong++;
				continue;
			}
			w->n_wrong += atomic_exchange(&w->owner[live[n] / QUANTUM], w->id) != 0;
			n++;
		} else {
			u32 i = (u32)unit_random_below(&w->seed, n);

			w->n_wrong += atomic_exchange(&w->owner[live[i] / QUANTUM], 0) != w->id;
			vmem_free(w->vm, live[i], QUANTUM);
			live[i] = live[--n];
		}
	}
	while (n) {
		atomic_exchange(&w->owner[live[--n] / QUANTUM], 0);
		vmem_free(w->vm, live[n], QUANTUM);
	}
	return NULL;
}

/* Two threads over one cache: no number is anybody's twice. */
static void
two_threads_share_no_number(void)
{
	enum { N = 2048 };
	static _Atomic u8 owner[N];
	vmem_t *vm = arena_of(N * QUANTUM);
	worker_t w[2];
	pthread_t threads[2];

	for (u32 i = 0; i < 2; i++) {
		w[i] = (worker_t){ .vm = vm,
				   .owner = owner,
				   .seed = unit_seed() + i,
				   .n_ops = unit_n_ops(500000),
				   .id = (u8)(i + 1) };
		pthread_create(&threads[i], NULL, work, &w[i]);
	}
	for (u32 i = 0; i < 2; i++) {
		pthread_join(threads[i], NULL);
		CU_ASSERT_EQUAL(w[i].n_wrong, 0);
	}
	CU_ASSERT_EQUAL(clib_kmem_cache_check(clib_kmem_cache_by_name("numbers_16"), NULL, 0), 0);
	CU_ASSERT_EQUAL(n_errors, 0);
	destroy(vm);
}

/* What a cache keeps comes back when the arena needs it: the other sizes, and all of it at last. */
static void
caches_are_emptied_under_pressure(void)
{
	vmem_t *vm = arena_of(KiB(4));
	vmem_addr_t small[64], large;
	u32 n;

	for (n = 0; n < ARRAY_LEN(small); n++)
		CU_ASSERT_EQUAL(vmem_alloc(vm, QUANTUM, FLAGS, &small[n]), 0);
	while (n)
		vmem_free(vm, small[--n], QUANTUM);
	CU_ASSERT_EQUAL(vmem_alloc(vm, KiB(4), FLAGS, &large), 0);
	CU_ASSERT_EQUAL(large, 0);
	vmem_free(vm, large, KiB(4));
	destroy(vm);
}

/* A cache knows no constraints, so a request that has some is met by the arena, through the pair of
 * calls of the caches, too; and what a cache has cannot be resized, also where it starts a slab. */
static void
caches_do_not_meet_constraints(void)
{
	vmem_t *vm = arena_of(KiB(64));
	vmem_request_t request = { .size = QUANTUM,
				   .align = KiB(1),
				   .min = KiB(32),
				   .max = KiB(33) + QUANTUM - 1,
				   .policy = VMEM_POLICY_BEST,
				   .flags = VMEM_REQUEST_NOSLEEP };
	vmem_addr_t small[64], addr;

	for (u32 i = 0; i < ARRAY_LEN(small); i++)
		CU_ASSERT_EQUAL(vmem_alloc(vm, QUANTUM, FLAGS, &small[i]), 0);
	CU_ASSERT_EQUAL(vmem_core_alloc(vm, &request, &addr), 0);
	CU_ASSERT_EQUAL(addr, KiB(32));
	vmem_free(vm, addr, QUANTUM);
	request = (vmem_request_t){ .size = QUANTUM, .align = KiB(4), .max = ~(uword)0 };
	CU_ASSERT_EQUAL(vmem_core_alloc(vm, &request, &addr), 0);
	CU_ASSERT_EQUAL(addr % KiB(4), 0);
	vmem_free(vm, addr, QUANTUM);
	for (u32 i = 0; i < ARRAY_LEN(small); i++) {
		CU_ASSERT_EQUAL(vmem_resize(vm, small[i], QUANTUM, 2 * QUANTUM), -EINVAL);
		vmem_free(vm, small[i], QUANTUM);
	}
	CU_ASSERT_EQUAL(vmem_check(vm, NULL, 0), 0);
	destroy(vm);
}

static const unit_test_t tests[] = {
	UNIT(each_size_has_a_cache),          UNIT(every_number_once),
	UNIT(a_double_free_is_always_caught), UNIT(of_two_frees_at_once_one_is_caught),
	UNIT(two_threads_share_no_number),    UNIT(caches_are_emptied_under_pressure),
	UNIT(caches_do_not_meet_constraints),
};

int
main(void)
{
	return unit_run("kmem_qcache", tests, ARRAY_LEN(tests));
}
