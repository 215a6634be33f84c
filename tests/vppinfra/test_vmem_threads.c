/* SPDX-License-Identifier: Apache-2.0 */
/* Several threads on one arena: allocating, importing, sleeping, walking and forking.  Nothing is
 * asserted about time; a sleeper that is not woken is what the program's time limit is for. */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vppinfra/vmem.h>
#include <vppinfra/vmem/vmem_lock.h>
#include "unit.h"

#define ADDR(x) ((void *)(uword)(x))
#define N_HELD 64

typedef struct {
	vmem_t *vmp;
	u64 random, n_ops;
	u32 n_failed;
	_Atomic u8 *is_held; /* who holds an address, by quantum: two at once would be seen */
	uword base;
} worker_t;

static void
claim(worker_t *w, uword addr, uword size, int is_taken)
{
	for (uword a = addr; a < addr + size; a += w->vmp->vm_quantum) {
		u8 was = atomic_exchange(&w->is_held[(a - w->base) / w->vmp->vm_quantum],
					 (u8)is_taken);

		if (was == is_taken)
			w->n_failed++;
	}
}

static void *
churn(void *arg)
{
	static const int policies[] = { 0, VM_BESTFIT, VM_FIRSTFIT, VM_NEXTFIT };
	worker_t *w = arg;
	uword addr[N_HELD] = { 0 }, size[N_HELD] = { 0 };

	for (u64 op = 0; op < w->n_ops; op++) {
		u32 i = (u32)unit_random_below(&w->random, N_HELD);

		if (addr[i]) {
			claim(w, addr[i], round_pow2(size[i], w->vmp->vm_quantum), 0);
			vmem_free(w->vmp, ADDR(addr[i]), size[i]);
			addr[i] = 0;
			continue;
		}
		size[i] = 1 + unit_random_below(&w->random, 6 * w->vmp->vm_quantum);
		addr[i] = pointer_to_uword(vmem_alloc(
			w->vmp, size[i], VM_NOSLEEP | policies[unit_random_below(&w->random, 4)]));
		if (addr[i])
			claim(w, addr[i], round_pow2(size[i], w->vmp->vm_quantum), 1);
	}
	for (u32 i = 0; i < N_HELD; i++) {
		if (addr[i]) {
			claim(w, addr[i], round_pow2(size[i], w->vmp->vm_quantum), 0);
			vmem_free(w->vmp, ADDR(addr[i]), size[i]);
		}
	}
	return NULL;
}

#define N_UNITS 2048
static _Atomic u8 is_held[N_UNITS];

static void
churn_two(vmem_t *vmp, uword base, u64 n_ops)
{
	worker_t workers[2];
	pthread_t threads[2];

	for (u32 i = 0; i < 2; i++) {
		workers[i] = (worker_t){ .vmp = vmp,
					 .random = unit_seed() + i,
					 .n_ops = n_ops,
					 .is_held = is_held,
					 .base = base };
		pthread_create(&threads[i], NULL, churn, &workers[i]);
	}
	for (u32 i = 0; i < 2; i++) {
		pthread_join(threads[i], NULL);
		CU_ASSERT_EQUAL(workers[i].n_failed, 0);
	}
	CU_ASSERT_EQUAL(vmem_size(vmp, VMEM_ALLOC), 0);
	CU_ASSERT_EQUAL(vmem_check(vmp, NULL, 0), 0);
}

/* No address is ever held twice. */
static void
two_threads_share_an_arena(void)
{
	vmem_t *vmp =
		vmem_create("shared", ADDR(0x10000), 600 * 16, 16, NULL, NULL, NULL, 0, VM_NOSLEEP);

	churn_two(vmp, 0x10000, unit_n_ops(400000));
	vmem_destroy(vmp);
}

/* Both import and export through one source all the time. */
static void
two_threads_import(void)
{
	vmem_t *source = vmem_create("source", ADDR(0x100000), N_UNITS * 16, 64, NULL, NULL, NULL,
				     0, VM_NOSLEEP);
	vmem_t *vmp =
		vmem_create("importer", NULL, 0, 16, vmem_alloc, vmem_free, source, 0, VM_NOSLEEP);

	churn_two(vmp, 0x100000, unit_n_ops(300000));
	CU_ASSERT_EQUAL(vmem_size(source, VMEM_ALLOC), 0);
	CU_ASSERT_EQUAL(vmem_check(source, NULL, 0), 0);
	vmem_destroy(vmp);
	vmem_destroy(source);
}

/* ---- sleeping ---- */

typedef struct {
	vmem_t *vmp;
	uword size;
	int vmflag;
	void *got;
} sleeper_t;

static void *
sleep_for_room(void *arg)
{
	sleeper_t *s = arg;

	s->got = vmem_alloc(s->vmp, s->size, s->vmflag);
	return NULL;
}

/* Until so many sleep, and so often as was gone to sleep; both are counted under the lock just
 * before. */
static void
await_sleepers(vmem_t *vmp, u32 n, u64 n_waits)
{
	bool are_asleep;

	do {
		vmem_lock(&vmp->vm_lock);
		are_asleep = vmp->vm_n_waiters >= n && vmp->vm_kstat.vk_wait >= n_waits;
		vmem_unlock(&vmp->vm_lock);
		sched_yield();
	} while (!are_asleep);
}

/* The arena is full: a sleeper waits, and is woken by the free that makes room for it, not before;
 * what it gets was its own before it woke. */
static void
a_sleeper_wakes_on_free(void)
{
	vmem_t *vmp = vmem_create("full", ADDR(1), 100, 1, NULL, NULL, NULL, 0, VM_NOSLEEP);
	void *first = vmem_alloc(vmp, 40, VM_NOSLEEP), *rest = vmem_alloc(vmp, 60, VM_NOSLEEP);
	sleeper_t s = { .vmp = vmp, .size = 90, .vmflag = VM_SLEEP };
	pthread_t thread;

	pthread_create(&thread, NULL, sleep_for_room, &s);
	await_sleepers(vmp, 1, 1);
	/* Room, but not enough: it sleeps on. */
	vmem_free(vmp, first, 40);
	CU_ASSERT_EQUAL(vmp->vm_n_waiters, 1);
	vmem_free(vmp, rest, 60);
	CU_ASSERT_EQUAL(vmp->vm_n_waiters, 0);
	CU_ASSERT_EQUAL(vmem_size(vmp, VMEM_ALLOC), 90);
	pthread_join(thread, NULL);
	CU_ASSERT_PTR_NOT_NULL(s.got);
	CU_ASSERT_EQUAL(vmp->vm_kstat.vk_wait, 1);
	CU_ASSERT_EQUAL(vmp->vm_kstat.vk_served, 1);
	CU_ASSERT_EQUAL(vmp->vm_n_waiters, 0);
	vmem_free(vmp, s.got, 90);
	CU_ASSERT_EQUAL(vmem_check(vmp, NULL, 0), 0);
	vmem_destroy(vmp);
}

/* Nobody is left behind when several sleep for what one free brings, and a new span wakes too. */
static void
every_sleeper_wakes(void)
{
	vmem_t *vmp = vmem_create("full", ADDR(1), 8, 1, NULL, NULL, NULL, 0, VM_NOSLEEP);
	void *all = vmem_alloc(vmp, 8, VM_NOSLEEP);
	sleeper_t s[4];
	pthread_t threads[4];

	for (u32 i = 0; i < 4; i++) {
		s[i] = (sleeper_t){ .vmp = vmp, .size = 4, .vmflag = VM_SLEEP | VM_BESTFIT };
		pthread_create(&threads[i], NULL, sleep_for_room, &s[i]);
	}
	await_sleepers(vmp, 4, 4);
	vmem_free(vmp, all, 8);
	vmem_add(vmp, ADDR(1000), 8, VM_NOSLEEP);
	for (u32 i = 0; i < 4; i++) {
		pthread_join(threads[i], NULL);
		CU_ASSERT_PTR_NOT_NULL(s[i].got);
	}
	CU_ASSERT_EQUAL(vmem_size(vmp, VMEM_FREE), 0);
	for (u32 i = 0; i < 4; i++)
		vmem_free(vmp, s[i].got, 4);
	vmem_destroy(vmp);
}

static _Atomic u32 source_has_room;

static void *
moody_import(vmem_t *source, size_t size, int vmflag)
{
	return atomic_load(&source_has_room) ? vmem_alloc(source, size, VM_NOSLEEP) : NULL;
}

/* A source that finds room later tells nobody: the sleeper asks again by itself. */
static void
a_sleeper_asks_its_source_again(void)
{
	vmem_t *source =
		vmem_create("source", ADDR(0x1000), 0x1000, 1, NULL, NULL, NULL, 0, VM_NOSLEEP);
	vmem_t *vmp = vmem_create("moody", ADDR(1), 10, 1, moody_import, vmem_free, source, 0,
				  VM_NOSLEEP);
	void *held = vmem_alloc(vmp, 10, VM_NOSLEEP);
	sleeper_t s = { .vmp = vmp, .size = 5, .vmflag = VM_SLEEP };
	pthread_t thread;

	pthread_create(&thread, NULL, sleep_for_room, &s);
	await_sleepers(vmp, 1, 1);
	atomic_store(&source_has_room, 1);
	pthread_join(thread, NULL);
	CU_ASSERT(pointer_to_uword(s.got) >= 0x1000);
	vmem_free(vmp, s.got, 5);
	vmem_free(vmp, held, 10);
	vmem_destroy(vmp);
	vmem_destroy(source);
}

/* Asleep or not is no matter for whoever may fail, and for a request that no free can satisfy. */
static void *
ask_for_too_much(void *arg)
{
	return vmem_alloc(arg, 11, VM_SLEEP);
}

static void
be_silent(const char *what, vmem_t *vmp, uword addr, uword size, const void *caller)
{
}

static void
what_no_free_can_satisfy_is_refused(void)
{
	vmem_t *vmp = vmem_create("small", ADDR(1), 10, 1, NULL, NULL, NULL, 0, VM_NOSLEEP);
	void *held = vmem_alloc(vmp, 10, VM_NOSLEEP), *got = held;
	pthread_t thread;

	vmem_set_error_handler(be_silent);
	pthread_create(&thread, NULL, ask_for_too_much, vmp);
	pthread_join(thread, &got);
	CU_ASSERT_PTR_NULL(got);
	CU_ASSERT_EQUAL(vmp->vm_kstat.vk_wait, 0);
	vmem_set_error_handler(NULL);
	vmem_free(vmp, held, 10);
	vmem_destroy(vmp);
}

/* ---- long work, in slices ---- */

static _Atomic u32 is_over;
static _Atomic u64 n_pairs;

/* Pairs of instant fit until it is over. */
static void *
pair_meanwhile(void *vmp)
{
	while (!atomic_load(&is_over)) {
		void *p = vmem_alloc(vmp, 64, VM_NOSLEEP);

		if (p == NULL)
			break;
		vmem_free(vmp, p, 64);
		atomic_fetch_add(&n_pairs, 1);
	}
	return NULL;
}

/* Holes of one to sixteen quanta, in an arena that never saw a policy.  Value: where they end. */
static uword
make_holes(vmem_t *vmp, u32 n)
{
	uword addr = 1 << 20;
	u64 random = unit_seed();

	for (u32 i = 0; i < n; i++) {
		addr += 64 * (1 + unit_random_below(&random, 16));
		vmem_claim(vmp, addr, 64);
		addr += 64;
	}
	vmem_vacate(vmp);
	vmem_vacate(vmp);
	return addr;
}

typedef struct {
	uword wanted, size, addr;
} best_t;

static void
note_best(void *arg, void *p, size_t size)
{
	best_t *best = arg;

	if (size >= best->wanted && (best->size == 0 || size < best->size)) {
		best->size = size;
		best->addr = (uword)p;
	}
}

static void
free_any(void *vmp, void *p, size_t size)
{
	vmem_xfree(vmp, p, size);
}

/* The first request that names a policy among a hundred thousand holes leaves the arena to another
 * thread again and again while it builds the index, and then takes what the policy says. */
static void
a_first_policy_keeps_nobody_out(void)
{
	u32 n = 100000;
	vmem_t *vmp = vmem_create("first", ADDR(1 << 20), 1ull << 30, 64, NULL, NULL, NULL, 0,
				  VM_NOSLEEP);
	best_t best = { .wanted = 16 * 64 };
	uword addr = 0;
	pthread_t thread;
	u64 n_before, n_bytes, n_builds;

	make_holes(vmp, n);
	CU_ASSERT_EQUAL(vmem_index_state(vmp, &n_bytes), 0);
	vmem_walk(vmp, VMEM_FREE, note_best, &best);
	n_builds = vmp->vm_kstat.vk_index_builds;
	atomic_store(&is_over, 0);
	atomic_store(&n_pairs, 0);
	pthread_create(&thread, NULL, pair_meanwhile, vmp);
	while (atomic_load(&n_pairs) == 0)
		sched_yield();
	n_before = atomic_load(&n_pairs);
	addr = (uword)vmem_alloc(vmp, 16 * 64, VM_NOSLEEP | VM_BESTFIT);
	CU_ASSERT(atomic_load(&n_pairs) > n_before);
	atomic_store(&is_over, 1);
	pthread_join(thread, NULL);
	CU_ASSERT_EQUAL(addr, best.addr);
	CU_ASSERT_EQUAL(vmp->vm_kstat.vk_index_builds, n_builds + 1);
	/* What the other thread's operations entered meanwhile is not the request's. */
	CU_ASSERT(vmp->vm_kstat.vk_index_slices > 0);
	printf("%llu slices, %llu pairs meanwhile\n",
	       (unsigned long long)vmp->vm_kstat.vk_index_slices,
	       (unsigned long long)(atomic_load(&n_pairs) - n_before));
	CU_ASSERT_EQUAL(vmem_check(vmp, NULL, 0), 0);
	vmem_free(vmp, ADDR(addr), 16 * 64);
	vmem_walk(vmp, VMEM_ALLOC | (int)VMEM_REENTRANT, free_any, vmp);
	vmem_destroy(vmp);
}

static void
count_segment(void *arg, void *p, size_t size)
{
	++*(u64 *)arg;
}

static void
print_nothing(const char *format, ...)
{
}

static void *
churn_meanwhile(void *arg)
{
	static const int policies[] = { VM_BESTFIT, VM_FIRSTFIT, VM_NEXTFIT, 0 };
	worker_t *w = arg;
	void *held[N_HELD] = { NULL };

	while (!atomic_load(&is_over)) {
		u32 k = (u32)unit_random_below(&w->random, N_HELD);

		if (held[k])
			vmem_xfree(w->vmp, held[k], 64 * (1 + k % 16));
		held[k] = vmem_xalloc(w->vmp, 64 * (1 + k % 16), 0, 0, 0,
				      k % 5 ? NULL : ADDR(2 << 20), NULL,
				      VM_NOSLEEP | policies[k % 4]);
		w->n_failed += held[k] == NULL;
	}
	for (u32 k = 0; k < N_HELD; k++) {
		if (held[k])
			vmem_xfree(w->vmp, held[k], 64 * (1 + k % 16));
	}
	return NULL;
}

/* Two threads whose requests need indexes, which a third takes away again and again while it asks,
 * walks, prints, adds and removes itself: everything that is done in slices meets everything. */
static void
slices_meet(void)
{
	vmem_t *vmp = vmem_create("slices", ADDR(1 << 20), 1ull << 28, 64, NULL, NULL, NULL, 0,
				  VM_NOSLEEP);
	uword end = round_pow2(make_holes(vmp, 3000), MiB(1)) + MiB(64);
	u64 n_rounds = unit_n_ops(300), n_seen = 0;
	worker_t workers[2];
	pthread_t threads[2];
	int error;

	atomic_store(&is_over, 0);
	for (u32 i = 0; i < 2; i++) {
		workers[i] = (worker_t){ .vmp = vmp, .random = unit_seed() + i };
		pthread_create(&threads[i], NULL, churn_meanwhile, &workers[i]);
	}
	for (u64 i = 0; i < n_rounds; i++) {
		vmem_vacate(vmp);
		vmem_vacate(vmp);
		switch (i % 5) {
		case 0:
			CU_ASSERT(vmem_max_free(vmp) >= MiB(64));
			break;
		case 1:
			error = vmem_remove(vmp, end, MiB(1));
			CU_ASSERT(error == 0 || error == -EBUSY); /* next fit comes by */
			if (error == 0)
				CU_ASSERT_PTR_NOT_NULL(
					vmem_add(vmp, ADDR(end), MiB(1), VM_NOSLEEP));
			break;
		case 2:
			vmem_walk(vmp, VMEM_FREE | (int)VMEM_REENTRANT, count_segment, &n_seen);
			break;
		case 3:
			vmem_dump(vmp, print_nothing);
			break;
		default:
			CU_ASSERT_EQUAL(vmem_check(vmp, NULL, 0), 0);
			break;
		}
	}
	atomic_store(&is_over, 1);
	for (u32 i = 0; i < 2; i++) {
		pthread_join(threads[i], NULL);
		CU_ASSERT_EQUAL(workers[i].n_failed, 0);
	}
	CU_ASSERT(vmp->vm_kstat.vk_index_slices > 0);
	CU_ASSERT(n_seen >= n_rounds / 5 * 2900);
	CU_ASSERT_EQUAL(vmem_check(vmp, NULL, 0), 0);
	vmem_walk(vmp, VMEM_ALLOC | (int)VMEM_REENTRANT, free_any, vmp);
	vmem_destroy(vmp);
}

/* ---- many arenas, walks, forks ---- */

static _Atomic u32 is_done;

static void *
come_and_go(void *arg)
{
	while (!atomic_load(&is_done)) {
		vmem_t *vmp =
			vmem_create("brief", ADDR(1), 5000, 1, NULL, NULL, NULL, 0, VM_NOSLEEP);

		for (u32 i = 0; i < 200; i++)
			vmem_alloc(vmp, 1, VM_NOSLEEP);
		for (u32 i = 1; i <= 200; i++)
			vmem_free(vmp, ADDR(i), 1);
		vmem_destroy(vmp);
	}
	return NULL;
}

static int
count_arena(vmem_t *vmp, void *arg)
{
	/* For its lock's sake: some have memory only while others need it. */
	vmem_size(vmp, VMEM_ALLOC | VMEM_FREE);
	++*(u32 *)arg;
	return 0;
}

/* Arenas come and go while others list, check, walk and reap them, and a child forked meanwhile
 * can go on: no lock was left held in it. */
static void
arenas_come_and_go_meanwhile(void)
{
	u64 n_rounds = unit_n_ops(300), n_seen = 0;
	u32 n_arenas = 0;
	pthread_t threads[2];

	atomic_store(&is_done, 0);
	for (u32 i = 0; i < 2; i++)
		pthread_create(&threads[i], NULL, come_and_go, NULL);
	for (u64 i = 0; i < n_rounds; i++) {
		vmem_foreach_arena(count_arena, &n_arenas);
		CU_ASSERT_EQUAL(vmem_check(vmem_seg_arena, NULL, 0), 0);
		CU_ASSERT_EQUAL(vmem_check(vmem_vmem_arena, NULL, 0), 0);
		vmem_walk(vmem_vmem_arena, VMEM_ALLOC | (int)VMEM_REENTRANT, count_segment,
			  &n_seen);
		if (i % 10 == 0)
			vmem_reap();
	}
	/* The heap, the one it imports from, and four of vmem's own. */
	CU_ASSERT(n_arenas >= n_rounds * 6);
	CU_ASSERT(n_seen >= n_rounds * 6);
/* TSan does not follow a multi-threaded fork. */
#if !defined(__SANITIZE_THREAD__)
	for (u32 i = 0; i < 20; i++) {
		int status = -1;
		pid_t pid = fork();

		if (pid == 0) {
			vmem_t *vmp = vmem_create("child", ADDR(1), 5000, 1, NULL, NULL, NULL, 0,
						  VM_NOSLEEP);

			for (u32 j = 0; j < 3000; j++)
				vmem_alloc(vmp, 1, VM_NOSLEEP);
			_exit(vmem_check(vmp, NULL, 0) || vmem_size(vmp, VMEM_ALLOC) != 3000 ||
			      vmem_by_name("child") != vmp);
		}
		waitpid(pid, &status, 0);
		CU_ASSERT_EQUAL(status, 0);
	}
#endif
	atomic_store(&is_done, 1);
	for (u32 i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	CU_ASSERT_PTR_NULL(vmem_by_name("brief"));
	CU_ASSERT_EQUAL(vmem_check(vmem_vmem_arena, NULL, 0), 0);
}

static _Atomic u32 n_starting;

static void *
create_first(void *arg)
{
	atomic_fetch_sub(&n_starting, 1);
	while (atomic_load(&n_starting))
		sched_yield();
	return vmem_create("race", ADDR(1), 10, 1, NULL, NULL, NULL, 0, VM_NOSLEEP);
}

/* Two threads create the first arena of the process at once: vmem boots once. */
static void
the_first_create_may_race(void)
{
	pthread_t threads[2];
	void *arenas[2];

	CU_ASSERT_PTR_NULL(vmem_heap);
	atomic_store(&n_starting, 2);
	for (u32 i = 0; i < 2; i++)
		pthread_create(&threads[i], NULL, create_first, NULL);
	for (u32 i = 0; i < 2; i++)
		pthread_join(threads[i], &arenas[i]);
	CU_ASSERT_PTR_NOT_NULL_FATAL(arenas[0]);
	CU_ASSERT_PTR_NOT_NULL_FATAL(arenas[1]);
	CU_ASSERT_PTR_NOT_EQUAL(arenas[0], arenas[1]);
	CU_ASSERT_EQUAL(((vmem_t *)arenas[0])->vm_id + ((vmem_t *)arenas[1])->vm_id, 7 + 8);
	vmem_destroy(arenas[0]);
	vmem_destroy(arenas[1]);
}

static const unit_test_t tests[] = {
	UNIT(the_first_create_may_race),
	UNIT(two_threads_share_an_arena),
	UNIT(two_threads_import),
	UNIT(a_sleeper_wakes_on_free),
	UNIT(every_sleeper_wakes),
	UNIT(a_sleeper_asks_its_source_again),
	UNIT(what_no_free_can_satisfy_is_refused),
	UNIT(a_first_policy_keeps_nobody_out),
	UNIT(slices_meet),
	UNIT(arenas_come_and_go_meanwhile),
};

int
main(void)
{
	return unit_run("vmem_threads", tests, ARRAY_LEN(tests));
}
