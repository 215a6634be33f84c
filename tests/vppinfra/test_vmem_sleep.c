/* SPDX-License-Identifier: Apache-2.0 */
/* Sleeping for room: in what order sleepers are served, what wakes them, how long they wait, and
 * who is refused.  How long a wake-up took is printed, and held against nothing: the machine is not
 * ours alone. */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <time.h>
#include <vppinfra/vmem.h>
#include "unit.h"

#define ADDR(x) ((void *)(uword)(x))
#define N_SLEEPERS 6
#define SECOND 1000000000ull

typedef struct {
	vmem_t *vmp;
	uword size;
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

static void *
sleep_for_room(void *arg)
{
	sleeper_t *s = arg;

	s->error = vmem_alloc_timed(s->vmp, s->size, VM_SLEEP, s->timeout_ns, &s->got);
	s->woke_ns = now_ns();
	s->order = atomic_fetch_add(&n_served, 1);
	return NULL;
}

static void
await_sleepers(vmem_t *vmp, u32 n)
{
	vmem_sleeper_t sleepers[N_SLEEPERS];

	while (vmem_sleepers(vmp, sleepers, N_SLEEPERS) < n)
		sched_yield();
}

/* One after the other, so that they stand in the queue in this order. */
static void
start_sleepers(sleeper_t *s, u32 n, vmem_t *vmp, uword size)
{
	atomic_store(&n_served, 0);
	for (u32 i = 0; i < n; i++) {
		s[i] = (sleeper_t){ .vmp = vmp, .size = size };
		pthread_create(&s[i].thread, NULL, sleep_for_room, &s[i]);
		await_sleepers(vmp, i + 1);
	}
}

static vmem_t *
full_arena(uword n)
{
	vmem_t *vmp = vmem_create("full", ADDR(1), n, 1, NULL, NULL, NULL, 0, VM_NOSLEEP);

	for (uword i = 1; i <= n; i++)
		CU_ASSERT_PTR_EQUAL(vmem_alloc(vmp, 1, VM_NOSLEEP | VM_FIRSTFIT), ADDR(i));
	return vmp;
}

/* Each free serves the one that has waited longest, and hands over the very segment. */
static void
first_come_first_served(void)
{
	vmem_t *vmp = full_arena(N_SLEEPERS);
	sleeper_t s[N_SLEEPERS];
	u64 freed_ns, worst_ns = 0;

	start_sleepers(s, N_SLEEPERS, vmp, 1);
	for (u32 i = 0; i < N_SLEEPERS; i++) {
		freed_ns = now_ns();
		vmem_free(vmp, ADDR(N_SLEEPERS - i), 1);
		/* Nobody else could have it, however late its new owner wakes. */
		CU_ASSERT_PTR_NULL(vmem_alloc(vmp, 1, VM_NOSLEEP));
		pthread_join(s[i].thread, NULL);
		CU_ASSERT_EQUAL(s[i].error, 0);
		CU_ASSERT_EQUAL(s[i].order, i);
		CU_ASSERT_PTR_EQUAL(s[i].got, ADDR(N_SLEEPERS - i));
		worst_ns = clib_max(worst_ns, s[i].woke_ns - freed_ns);
	}
	printf("woken after %.3f ms at most\n", (double)worst_ns / 1e6);
	CU_ASSERT_EQUAL(vmp->vm_kstat.vk_wait, N_SLEEPERS);
	CU_ASSERT_EQUAL(vmp->vm_kstat.vk_served, N_SLEEPERS);
	CU_ASSERT_EQUAL(vmem_check(vmp, NULL, 0), 0);
	for (u32 i = 1; i <= N_SLEEPERS; i++)
		vmem_free(vmp, ADDR(i), 1);
	vmem_destroy(vmp);
}

/* A small request behind a large one is served by what the large one cannot use: it may be what
 * the large one waits for. */
static void
the_large_do_not_block_the_small(void)
{
	vmem_t *vmp = full_arena(10);
	sleeper_t large = { .vmp = vmp, .size = 5 }, small = { .vmp = vmp, .size = 1 };

	pthread_create(&large.thread, NULL, sleep_for_room, &large);
	await_sleepers(vmp, 1);
	pthread_create(&small.thread, NULL, sleep_for_room, &small);
	await_sleepers(vmp, 2);
	vmem_free(vmp, ADDR(10), 1);
	pthread_join(small.thread, NULL);
	CU_ASSERT_PTR_EQUAL(small.got, ADDR(10));
	for (uword i = 1; i <= 5; i++)
		vmem_free(vmp, ADDR(i), 1);
	pthread_join(large.thread, NULL);
	CU_ASSERT_PTR_EQUAL(large.got, ADDR(1));
	vmem_free(vmp, large.got, 5);
	for (uword i = 6; i <= 10; i++)
		vmem_free(vmp, ADDR(i), 1);
	vmem_destroy(vmp);
}

/* One free may serve several; so does a span, and so does what is left when a segment shrinks. */
static void
whatever_brings_room_serves(void)
{
	vmem_t *vmp = vmem_create("full", ADDR(1), 8, 1, NULL, NULL, NULL, 0, VM_NOSLEEP);
	void *all = vmem_alloc(vmp, 8, VM_NOSLEEP);
	sleeper_t s[4];

	start_sleepers(s, 4, vmp, 2);
	CU_ASSERT_EQUAL(vmem_resize(vmp, 1, 8, 6), 0);
	pthread_join(s[0].thread, NULL);
	CU_ASSERT_PTR_EQUAL(s[0].got, ADDR(7));
	CU_ASSERT_PTR_NOT_NULL(vmem_add(vmp, ADDR(100), 2, VM_NOSLEEP));
	pthread_join(s[1].thread, NULL);
	CU_ASSERT_PTR_EQUAL(s[1].got, ADDR(100));
	vmem_free(vmp, all, 6);
	pthread_join(s[2].thread, NULL);
	pthread_join(s[3].thread, NULL);
	CU_ASSERT_EQUAL(vmp->vm_n_waiters, 0);
	CU_ASSERT_EQUAL(vmem_size(vmp, VMEM_FREE), 2);
	for (u32 i = 0; i < 4; i++)
		vmem_free(vmp, s[i].got, 2);
	CU_ASSERT_EQUAL(vmem_check(vmp, NULL, 0), 0);
	vmem_destroy(vmp);
}

/* Nobody frees: the sleeper comes back when its time is up, and leaves the queue. */
static void
a_sleep_ends_in_time(void)
{
	vmem_t *vmp = full_arena(2);
	sleeper_t s[2] = { { .vmp = vmp, .size = 1, .timeout_ns = SECOND / 50 },
			   { .vmp = vmp, .size = 1, .timeout_ns = 3600 * SECOND } };
	vmem_sleeper_t seen[2];
	u64 began_ns = now_ns();

	pthread_create(&s[1].thread, NULL, sleep_for_room, &s[1]);
	await_sleepers(vmp, 1);
	pthread_create(&s[0].thread, NULL, sleep_for_room, &s[0]);
	pthread_join(s[0].thread, NULL);
	CU_ASSERT_EQUAL(s[0].error, -ETIMEDOUT);
	CU_ASSERT(s[0].woke_ns - began_ns >= SECOND / 50);
	CU_ASSERT_EQUAL(vmp->vm_kstat.vk_timeout, 1);
	CU_ASSERT_EQUAL(vmem_sleepers(vmp, seen, 2), 1);
	CU_ASSERT_EQUAL(seen[0].size, 1);
	CU_ASSERT(seen[0].deadline_ns > 3000 * SECOND);
	vmem_free(vmp, ADDR(1), 1);
	pthread_join(s[1].thread, NULL);
	CU_ASSERT_EQUAL(s[1].error, 0);
	CU_ASSERT(vmp->vm_kstat.vk_wait_ns_max >= SECOND / 50);
	vmem_free(vmp, ADDR(1), 1);
	vmem_free(vmp, ADDR(2), 1);
	vmem_destroy(vmp);
}

/* The source is full: a free there, or a free here, or a higher limit lets an importer go on. */
static void
importers_are_woken(void)
{
	vmem_t *source = vmem_create("source", ADDR(1), 100, 1, NULL, NULL, NULL, 0, VM_NOSLEEP);
	vmem_t *between =
		vmem_create("between", NULL, 0, 1, vmem_alloc, vmem_free, source, 0, VM_NOSLEEP);
	vmem_t *vmp =
		vmem_create("importer", NULL, 0, 1, vmem_alloc, vmem_free, between, 0, VM_NOSLEEP);
	void *own = vmem_alloc(vmp, 10, VM_NOSLEEP), *others = vmem_alloc(source, 90, VM_NOSLEEP);
	sleeper_t s;

	/* Two arenas down. */
	start_sleepers(&s, 1, vmp, 20);
	vmem_free(source, others, 90);
	pthread_join(s.thread, NULL);
	CU_ASSERT_EQUAL(s.error, 0);
	vmem_free(vmp, s.got, 20);

	/* Here. */
	others = vmem_alloc(source, 90, VM_NOSLEEP);
	start_sleepers(&s, 1, vmp, 5);
	CU_ASSERT_EQUAL(vmem_resize(vmp, pointer_to_uword(own), 10, 5), 0);
	pthread_join(s.thread, NULL);
	CU_ASSERT_EQUAL(s.error, 0);
	vmem_free(vmp, s.got, 5);
	vmem_free(source, others, 90);

	/* The limit. */
	vmem_set_limit(vmp, 15);
	start_sleepers(&s, 1, vmp, 8);
	vmem_set_limit(vmp, 50);
	pthread_join(s.thread, NULL);
	CU_ASSERT_EQUAL(s.error, 0);
	vmem_free(vmp, s.got, 8);
	vmem_free(vmp, own, 5);
	CU_ASSERT_EQUAL(vmem_size(source, VMEM_ALLOC), 0);
	vmem_destroy(vmp);
	vmem_destroy(between);
	vmem_destroy(source);
}

static void
be_silent(const char *what, vmem_t *vmp, uword addr, uword size, const void *caller)
{
}

static void *
ask_in_vain(void *arg)
{
	sleeper_t *s = arg;

	s->error = vmem_alloc_timed(s->vmp, s->size, VM_SLEEP, 0, &s->got);
	return NULL;
}

/* Refused although another thread exists: above the limit, more than the source's spans, more than
 * any span here. */
static void
what_nobody_could_bring_is_refused(void)
{
	vmem_t *source = vmem_create("source", ADDR(1), 100, 1, NULL, NULL, NULL, 0, VM_NOSLEEP);
	vmem_t *vmp =
		vmem_create("importer", NULL, 0, 1, vmem_alloc, vmem_free, source, 0, VM_NOSLEEP);
	sleeper_t cases[] = { { .vmp = vmp, .size = 101 },
			      { .vmp = source, .size = 101 },
			      { .vmp = vmp, .size = 51 } };

	vmem_set_error_handler(be_silent);
	for (u32 i = 0; i < ARRAY_LEN(cases); i++) {
		if (i == 2)
			vmem_set_limit(vmp, 50);
		pthread_create(&cases[i].thread, NULL, ask_in_vain, &cases[i]);
		pthread_join(cases[i].thread, NULL);
		CU_ASSERT_EQUAL(cases[i].error, -EDEADLK);
		CU_ASSERT_EQUAL(cases[i].vmp->vm_kstat.vk_wait, 0);
	}
	vmem_set_error_handler(NULL);
	vmem_destroy(vmp);
	vmem_destroy(source);
}

/* gcc's thread sanitizer keeps a thread of its own: with it nobody is ever alone. */
#ifdef __SANITIZE_THREAD__
#	define ALONE -ETIMEDOUT
#else
#	define ALONE -EDEADLK
#endif

static void *
leave_when_somebody_sleeps(void *arg)
{
	await_sleepers(arg, 1);
	return NULL;
}

/* Who could have freed may end without doing so: then the last sleeper is refused, whether it has
 * come alone or the others' time ran out, in a plain arena and in one that imports. */
static void
the_last_one_is_told(void)
{
	u64 timeout_ns = ALONE == -EDEADLK ? 0 : SECOND / 10;
	sleeper_t impatient = { .size = 64, .timeout_ns = SECOND / 50 };
	pthread_t thread;
	void *p;

	vmem_set_error_handler(be_silent);
	for (u32 imports = 0; imports < 2; imports++) {
		vmem_t *source =
			vmem_create("source", ADDR(4096), 256, 64, NULL, NULL, NULL, 0, VM_NOSLEEP);
		vmem_t *vmp = imports ? vmem_create("importer", NULL, 0, 64, vmem_alloc, vmem_free,
						    source, 0, VM_NOSLEEP)
				      : source;
		void *all = vmem_alloc(vmp, 256, VM_NOSLEEP);

		pthread_create(&thread, NULL, leave_when_somebody_sleeps, vmp);
		CU_ASSERT_EQUAL(vmem_alloc_timed(vmp, 64, VM_SLEEP, timeout_ns, &p), ALONE);
		pthread_join(thread, NULL);

		/* Behind another, which comes first in the queue and leaves it by itself. */
		impatient.vmp = vmp;
		pthread_create(&impatient.thread, NULL, sleep_for_room, &impatient);
		await_sleepers(vmp, 1);
		CU_ASSERT_EQUAL(vmem_alloc_timed(vmp, 64, VM_SLEEP, timeout_ns, &p), ALONE);
		pthread_join(impatient.thread, NULL);
		CU_ASSERT_EQUAL(impatient.error, -ETIMEDOUT);

		CU_ASSERT_EQUAL(vmem_sleepers(vmp, NULL, 0), 0);
		vmem_free(vmp, all, 256);
		if (imports)
			vmem_destroy(vmp);
		vmem_destroy(source);
	}
	vmem_set_error_handler(NULL);
}

/* A source that never has anything.  While it is asked, what is held comes free: as if its owner
 * had freed it and ended. */
static struct {
	vmem_t *vmp;
	void *held;
} late;

static void *
free_and_refuse(vmem_t *CLIB_UNUSED(source), size_t CLIB_UNUSED(size), int CLIB_UNUSED(flags))
{
	if (late.held)
		vmem_free(late.vmp, late.held, 100);
	late.held = NULL;
	return NULL;
}

static void
free_nothing(vmem_t *CLIB_UNUSED(source), void *CLIB_UNUSED(addr), size_t CLIB_UNUSED(size))
{
}

/* Nobody is left to free anything, but there is what was freed since the last look. */
static void
what_comes_late_is_found(void)
{
	void *p;

	late.vmp = vmem_create("late", ADDR(1), 100, 1, free_and_refuse, free_nothing, NULL, 0,
			       VM_NOSLEEP);
	late.held = vmem_alloc(late.vmp, 100, VM_NOSLEEP);
	CU_ASSERT_PTR_NOT_NULL(late.held);
	CU_ASSERT_EQUAL(vmem_alloc_timed(late.vmp, 100, VM_SLEEP, SECOND, &p), 0);
	CU_ASSERT_PTR_NULL(late.held);
	vmem_free(late.vmp, p, 100);
	vmem_destroy(late.vmp);
}

static void *
ask_whether_futile(void *arg)
{
	vmem_t *vmp = arg;

	CU_ASSERT_EQUAL(vmem_wait_is_futile(vmp, 100, 1), 0);
	CU_ASSERT_EQUAL(vmem_wait_is_futile(vmp, 101, 1), 1);
	return NULL;
}

/* Layers above look first and ask then; what came meanwhile must not make the answer a refusal. */
static void
room_is_worth_waiting_for(void)
{
	vmem_t *vmp = vmem_create("free", ADDR(1), 100, 1, NULL, NULL, NULL, 0, VM_NOSLEEP);
	pthread_t thread;

	pthread_create(&thread, NULL, ask_whether_futile, vmp);
	pthread_join(thread, NULL);
	vmem_destroy(vmp);
}

/* ---- a crowd ---- */

typedef struct {
	vmem_t *vmp;
	u64 random, n_ops, n_timeouts;
	pthread_t thread;
} worker_t;

static _Atomic u8 is_held[64];

static void *
take_and_give(void *arg)
{
	worker_t *w = arg;

	for (u64 op = 0; op < w->n_ops; op++) {
		uword size = 1 + unit_random_below(&w->random, 24);
		void *p;

		if (vmem_alloc_timed(w->vmp, size, VM_SLEEP | (op & 1 ? VM_BESTFIT : VM_NEXTFIT),
				     60 * SECOND, &p)) {
			w->n_timeouts++;
			continue;
		}
		for (uword i = 0; i < size; i++)
			CU_ASSERT_EQUAL(atomic_exchange(&is_held[pointer_to_uword(p) + i], 1), 0);
		if (op % 4 == 0)
			sched_yield();
		for (uword i = 0; i < size; i++)
			atomic_store(&is_held[pointer_to_uword(p) + i], 0);
		vmem_free(w->vmp, p, size);
	}
	return NULL;
}

/* Four threads want more than there is, all the time: nobody starves, nothing is held twice. */
static void
a_crowd_is_served(void)
{
	vmem_t *vmp = vmem_create("crowd", ADDR(1), 40, 1, NULL, NULL, NULL, 0, VM_NOSLEEP);
	worker_t w[4];

	for (u32 i = 0; i < 4; i++) {
		w[i] = (worker_t){ .vmp = vmp,
				   .random = unit_seed() + i,
				   .n_ops = unit_n_ops(4000) };
		pthread_create(&w[i].thread, NULL, take_and_give, &w[i]);
	}
	for (u32 i = 0; i < 4; i++) {
		pthread_join(w[i].thread, NULL);
		CU_ASSERT_EQUAL(w[i].n_timeouts, 0);
	}
	printf("%llu waits, %llu served\n", (unsigned long long)vmp->vm_kstat.vk_wait,
	       (unsigned long long)vmp->vm_kstat.vk_served);
	CU_ASSERT_EQUAL(vmem_size(vmp, VMEM_ALLOC), 0);
	CU_ASSERT_EQUAL(vmp->vm_n_waiters, 0);
	CU_ASSERT_EQUAL(vmem_check(vmp, NULL, 0), 0);
	vmem_destroy(vmp);
}

static const unit_test_t tests[] = {
	UNIT(first_come_first_served),     UNIT(the_large_do_not_block_the_small),
	UNIT(whatever_brings_room_serves), UNIT(a_sleep_ends_in_time),
	UNIT(importers_are_woken),         UNIT(what_nobody_could_bring_is_refused),
	UNIT(the_last_one_is_told),        UNIT(what_comes_late_is_found),
	UNIT(room_is_worth_waiting_for),   UNIT(a_crowd_is_served),
};

int
main(void)
{
	return unit_run("vmem_sleep", tests, ARRAY_LEN(tests));
}
