/* SPDX-License-Identifier: Apache-2.0 */
/* The family, in a program that is linked with libvmheap-malloc: all of its allocations, CUnit's
 * and libc's own among them, are ours. */
#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include "fork_library.h"
#include "unit.h"

/* Hidden from the compiler, which knows what sizes cannot be had. */
static volatile size_t huge = (size_t)PTRDIFF_MAX + 1;

static int
is_aligned(const void *p, size_t align)
{
	return (uintptr_t)p % align == 0;
}

static int
holds(const u8 *p, u8 value, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] != value)
			return 0;
	return 1;
}

/* It is our malloc that answers: its statistics grow with what is asked for. */
static void
it_is_ours(void)
{
	struct mallinfo2 before = mallinfo2(), after;
	void *p = malloc(MiB(1));

	CU_ASSERT_PTR_NOT_NULL_FATAL(p);
	after = mallinfo2();
	CU_ASSERT(after.uordblks >= before.uordblks + MiB(1));
	CU_ASSERT(after.arena >= MiB(1));
	free(p);
	CU_ASSERT(mallinfo2().uordblks < after.uordblks);
	CU_ASSERT_EQUAL(mallinfo().hblks, (int)mallinfo2().hblks);
}

/* Objects of all sizes are aligned to 16 and as large as asked for. */
static void
objects_hold_what_was_asked_for(void)
{
	for (size_t n = 0; n < MiB(64); n = n < 64 ? n + 1 : n * 5 / 4) {
		u8 *p = malloc(n);

		CU_ASSERT_PTR_NOT_NULL_FATAL(p);
		CU_ASSERT(is_aligned(p, 16));
		CU_ASSERT(malloc_usable_size(p) >= n);
		memset(p, 0xa5, malloc_usable_size(p));
		free(p);
	}
	free(NULL);
	CU_ASSERT_EQUAL(malloc_usable_size(NULL), 0);
}

/* No bytes are an object of its own; too many are ENOMEM. */
static void
the_ends_of_the_range(void)
{
	void *p = malloc(0), *q = malloc(0);

	CU_ASSERT_PTR_NOT_NULL(p);
	CU_ASSERT_PTR_NOT_EQUAL(p, q);
	free(p);
	free(q);
	errno = 0;
	CU_ASSERT_PTR_NULL(malloc(huge));
	CU_ASSERT_EQUAL(errno, ENOMEM);
	errno = 0;
	CU_ASSERT_PTR_NULL(calloc(huge, 4));
	CU_ASSERT_EQUAL(errno, ENOMEM);
	errno = 0;
	CU_ASSERT_PTR_NULL(realloc(NULL, huge));
	CU_ASSERT_EQUAL(errno, ENOMEM);
	p = malloc(10);
	errno = 0;
	CU_ASSERT_PTR_NULL(reallocarray(p, huge, 4));
	CU_ASSERT_EQUAL(errno, ENOMEM);
	errno = 0;
	/* More than there is address space. */
	CU_ASSERT_PTR_NULL(malloc(huge / 2));
	CU_ASSERT_EQUAL(errno, ENOMEM);
	free(p);
	errno = 77;
	free(malloc(100));
	free(malloc(MiB(10)));
	CU_ASSERT_EQUAL(errno, 77);
}

/* calloc clears what was used before. */
static void
calloc_clears(void)
{
	for (size_t n = 1; n < MiB(16); n *= 3) {
		u8 *p = malloc(n);

		memset(p, 0xff, n);
		free(p);
		p = calloc(n, 1);
		CU_ASSERT(holds(p, 0, n));
		free(p);
	}
}

/* realloc keeps the contents, up and down, in the heap, out of it, and back. */
static void
realloc_keeps_contents(void)
{
	static const size_t sizes[] = { 1,    100,    50,     5000,    5001,   100000,
					2000, MiB(1), MiB(5), MiB(20), MiB(6), MiB(1),
					10,   40000,  MiB(8), 16 };
	u8 *p = realloc(NULL, 1);
	size_t n = 1;

	p[0] = 0x5a;
	for (u32 i = 0; i < ARRAY_LEN(sizes); i++) {
		size_t n_next = sizes[i];

		p = realloc(p, n_next);
		CU_ASSERT_PTR_NOT_NULL_FATAL(p);
		CU_ASSERT(malloc_usable_size(p) >= n_next);
		CU_ASSERT(holds(p, 0x5a, n < n_next ? n : n_next));
		memset(p, 0x5a, n_next);
		n = n_next;
	}
	CU_ASSERT_PTR_NULL(realloc(p, 0));
	p = reallocarray(NULL, 100, 7);
	CU_ASSERT(malloc_usable_size(p) >= 700);
	free(p);
}

/* Alignments up to beyond the mapped objects, of small and large sizes. */
static void
alignments_are_kept(void)
{
	for (size_t align = 1; align <= MiB(32); align *= 2) {
		for (size_t n = 1; n < MiB(8); n *= 17) {
			void *p = memalign(align, n), *q = NULL;

			CU_ASSERT(p && is_aligned(p, align));
			CU_ASSERT(malloc_usable_size(p) >= n);
			free(p);
			p = aligned_alloc(align, n);
			CU_ASSERT(p && is_aligned(p, align));
			memset(p, 1, n);
			p = realloc(p, 2 * n);
			CU_ASSERT(p && holds(p, 1, n));
			free(p);
			if (align < sizeof(void *))
				continue;
			CU_ASSERT_EQUAL(posix_memalign(&q, align, n), 0);
			CU_ASSERT(q && is_aligned(q, align));
			free(q);
		}
	}
}

static void
wrong_alignments_are_refused(void)
{
	void *p = &p;

	CU_ASSERT_EQUAL(posix_memalign(&p, 4, 10), EINVAL);
	CU_ASSERT_EQUAL(posix_memalign(&p, 24, 10), EINVAL);
	CU_ASSERT_EQUAL(posix_memalign(&p, 0, 10), EINVAL);
	CU_ASSERT_EQUAL(posix_memalign(&p, 64, huge), ENOMEM);
	CU_ASSERT_PTR_EQUAL(p, &p);
	errno = 0;
	CU_ASSERT_PTR_NULL(aligned_alloc(huge - 2, 10));
	CU_ASSERT_EQUAL(errno, EINVAL);
	p = memalign(24, 10); /* the next power of two */
	CU_ASSERT(is_aligned(p, 32));
	free(p);
	p = valloc(10);
	CU_ASSERT(is_aligned(p, 4096));
	free(p);
	p = pvalloc(4097);
	CU_ASSERT(is_aligned(p, 4096));
	CU_ASSERT(malloc_usable_size(p) >= 8192);
	free(p);
}

/* The heap in XML, a knob that is known and one that is not, and memory that goes back. */
static void
the_heap_tells_of_itself(void)
{
	static char text[4096];
	FILE *f = fmemopen(text, sizeof(text), "w");
	void *p;

	CU_ASSERT_EQUAL(malloc_info(0, f), 0);
	fclose(f);
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "<malloc version="));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "</malloc>"));
	errno = 0;
	CU_ASSERT_EQUAL(malloc_info(1, stdout), -1);
	CU_ASSERT_EQUAL(errno, EINVAL);
	CU_ASSERT_EQUAL(mallopt(M_MMAP_THRESHOLD, 1 << 20), 1);
	p = malloc(1 << 20);
	CU_ASSERT_EQUAL(mallinfo2().hblks, 1);
	free(p);
	CU_ASSERT_EQUAL(mallinfo2().hblks, 0);
	CU_ASSERT_EQUAL(mallopt(M_MMAP_THRESHOLD, 4 << 20), 1);
	CU_ASSERT_EQUAL(mallopt(M_ARENA_MAX, 1), 0);
	CU_ASSERT_EQUAL(mallopt(M_TRIM_THRESHOLD, 16 << 20), 1);
	p = malloc(MiB(3));
	memset(p, 1, MiB(3));
	free(p);
	CU_ASSERT_EQUAL(malloc_trim(0), 1);
}

/* ---- threads ---- */

#define N_THREADS 4
#define N_SLOTS 256
static _Atomic(u8 *) slots[N_SLOTS];
static _Atomic u32 n_faults;
static _Atomic u64 n_handed_over;

/* An object carries its size in its first word, and that size's low byte in its last. */
static u8 *
make(u64 *seed)
{
	size_t n = 8 + unit_random_below(seed, 1ULL << (4 + unit_random_below(seed, 10)));
	u8 *p = malloc(n + 1);

	memcpy(p, &n, sizeof(n));
	p[n] = (u8)n;
	return p;
}

static void
check_and_free(u8 *p)
{
	size_t n;

	memcpy(&n, p, sizeof(n));
	if (n > 1 << 20 || p[n] != (u8)n)
		atomic_fetch_add(&n_faults, 1);
	free(p);
}

static void *
exchange(void *arg)
{
	u64 seed = (uintptr_t)arg, n_ops = unit_n_ops(200000);
	u8 *p;

	for (u64 i = 0; i < n_ops; i++) {
		p = atomic_exchange(&slots[unit_random_below(&seed, N_SLOTS)], make(&seed));
		if (p) {
			check_and_free(p);
			atomic_fetch_add_explicit(&n_handed_over, 1, memory_order_relaxed);
		}
	}
	return NULL;
}

static void
run_threads(void *(*fn)(void *))
{
	pthread_t threads[N_THREADS];

	for (uword i = 0; i < N_THREADS; i++)
		CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, fn, (void *)(i + 1)), 0);
	for (u32 i = 0; i < N_THREADS; i++)
		pthread_join(threads[i], NULL);
}

static void
free_slots(void)
{
	for (u32 i = 0; i < N_SLOTS; i++) {
		u8 *p = atomic_exchange(&slots[i], NULL);

		if (p)
			check_and_free(p);
	}
}

/* Threads free what others made; threads come and go. */
static void
threads_exchange_objects(void)
{
	size_t before = mallinfo2().uordblks;

	atomic_store(&n_faults, 0);
	for (u32 i = 0; i < 3; i++)
		run_threads(exchange);
	free_slots();
	CU_ASSERT_EQUAL(atomic_load(&n_faults), 0);
	CU_ASSERT(atomic_load(&n_handed_over) > 1000);
	/* Thread stacks and their like are libc's to keep. */
	CU_ASSERT(mallinfo2().uordblks < before + KiB(64));
}

/* In a child: allocate, free what the parent's threads made, start a thread. */
static int
child_main(void)
{
	pthread_t thread;

	free_slots();
	for (u32 i = 0; i < 1000; i++)
		free(realloc(malloc(i), 3 * i + 1));
	if (pthread_create(&thread, NULL, exchange, (void *)99))
		return 1;
	pthread_join(thread, NULL);
	free_slots();
	malloc_trim(0);
	return atomic_load(&n_faults) != 0;
}

static void *
fork_often(void *arg)
{
	for (u32 i = 0; i < 10; i++) {
		pid_t pid = fork();
		int status = -1;

		if (pid == 0) {
			alarm(60);
			_exit(child_main());
		}
		waitpid(pid, &status, 0);
		if (status)
			atomic_fetch_add(&n_faults, 1);
	}
	return NULL;
}

static void *
exchange_or_fork(void *arg)
{
	return (uintptr_t)arg == 1 ? fork_often(arg) : exchange(arg);
}

/* A process that forks while its threads allocate has children that can. */
static void
children_of_a_threaded_process_allocate(void)
{
	atomic_store(&n_faults, 0);
	run_threads(exchange_or_fork);
	free_slots();
	CU_ASSERT_EQUAL(atomic_load(&n_faults), 0);
}

#define TOO_MANY_PAGES ((1UL << 30) / 4096)

/* In a child, since what is locked is locked for good. */
static int
lock_and_allocate(void)
{
	unsigned long n_pages = 0, n_resident = TOO_MANY_PAGES;
	FILE *f;

	if (mlockall(MCL_CURRENT | MCL_FUTURE))
		return 77;
	for (u32 i = 0; i < 100; i++)
		memset(malloc(MiB(1)), 1, MiB(1));
	f = fopen("/proc/self/statm", "r");
	if (!f || fscanf(f, "%lu %lu", &n_pages, &n_resident) != 2)
		return 1;
	return n_resident >= TOO_MANY_PAGES;
}

/* mlockall() brings in what the heap has, not the address space that it may have. */
static void
locked_memory_is_what_the_heap_has(void)
{
	int status = -1;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		/* A kernel that brought all of it in would not end. */
		alarm(5);
		_exit(lock_and_allocate());
	}
	waitpid(pid, &status, 0);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		printf("mlockall: %s\n", "not permitted here (ulimit -l), not looked at");
	else
		CU_ASSERT_EQUAL(status, 0);
}

/* ---- objects of megabytes that come again ---- */

static int
in_child(int (*fn)(void))
{
	int status = -1;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		alarm(60);
		_exit(fn());
	}
	waitpid(pid, &status, 0);
	return status;
}

/* Mappings that an object of n bytes has. */
static size_t
n_mappings(size_t n)
{
	void *p = malloc(n);
	size_t n_now = mallinfo2().hblks;

	memset(p, 1, n);
	free(p);
	return n_now;
}

/* @return a line where it is not so; 0 */
static int
large_objects_come_again(void)
{
	struct rusage before, after;
	u8 *sparse;

	/* A table that nobody fills says nothing. */
	sparse = calloc(1, MiB(8));
	sparse[MiB(4)] = 1;
	free(sparse);
	if (n_mappings(MiB(8)) != 1 || n_mappings(MiB(8)) != 0)
		return __LINE__ % 256;
	/* Larger ones begin anew, up to 32 MiB. */
	if (n_mappings(MiB(24)) != 1 || n_mappings(MiB(24)) != 0 || n_mappings(MiB(8)) != 0)
		return __LINE__ % 256;
	if (n_mappings(MiB(33)) != 1 || n_mappings(MiB(33)) != 1)
		return __LINE__ % 256;
	getrusage(RUSAGE_SELF, &before);
	for (u32 i = 0; i < 10; i++)
		n_mappings(MiB(24));
	getrusage(RUSAGE_SELF, &after);
	/* Of 61440 that were touched. */
	if (after.ru_minflt - before.ru_minflt > 100)
		return __LINE__ % 256;
	return 0;
}

/* A knob that was turned stays. */
static int
large_objects_keep_to_the_knob(void)
{
	mallopt(M_MMAP_THRESHOLD, 4 << 20);
	return n_mappings(MiB(8)) != 1 || n_mappings(MiB(8)) != 1;
}

static int
large_objects_keep_to_the_other_knob(void)
{
	mallopt(M_TRIM_THRESHOLD, 16 << 20);
	return n_mappings(MiB(8)) != 1 || n_mappings(MiB(8)) != 1;
}

/* A large object has a mapping, its successor of the same size is the heap's and finds its pages
 * there; not where the program chose itself.  First of all tests, as it is a matter of the past. */
static void
what_comes_again_has_its_pages(void)
{
	CU_ASSERT_EQUAL(in_child(large_objects_come_again), 0);
	CU_ASSERT_EQUAL(in_child(large_objects_keep_to_the_knob), 0);
	CU_ASSERT_EQUAL(in_child(large_objects_keep_to_the_other_knob), 0);
}

/* ---- where address space is limited ---- */

static size_t
address_space_bytes(void)
{
	unsigned long n_pages = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	if (f && fscanf(f, "%lu", &n_pages) != 1)
		n_pages = 0;
	if (f)
		fclose(f);
	return n_pages * (size_t)sysconf(_SC_PAGESIZE);
}

static void *
allocate_a_little(void *arg)
{
	void *p = malloc(1000);

	free(p);
	return p ? arg : NULL;
}

#define N_UNDER_LIMIT 16384
#define ROOM MiB(200)

/* What the process may have. */
static struct rlimit limit;

/* All that may be had in objects of n bytes, then all that may be had when they were freed: as much
 * as there is room for (and free from before), again and again. */
static int
objects_under_a_limit(size_t n)
{
	static u8 *objects[N_UNDER_LIMIT];
	size_t n_had = 0, n_first = 0;

	for (u32 round = 0; round < 3; round++) {
		for (n_had = 0; n_had < N_UNDER_LIMIT; n_had++) {
			errno = 0;
			objects[n_had] = malloc(n);
			if (!objects[n_had])
				break;
			memset(objects[n_had], (int)n_had, 100);
		}
		if (n_had * n > limit.rlim_cur || n_had * n < ROOM / 2 || errno != ENOMEM)
			return __LINE__ % 256;
		if (round == 0)
			n_first = n_had;
		else if (n_had + n_had / 8 < n_first)
			return __LINE__ % 256;
		/* What is refused is left as it was. */
		if (realloc(objects[0], limit.rlim_cur) || errno != ENOMEM)
			return __LINE__ % 256;
		for (size_t i = 0; i < n_had; i++) {
			if (!holds(objects[i], (u8)i, 100))
				return __LINE__ % 256;
			free(objects[i]);
		}
	}
	/* One large object where small ones were. */
	objects[0] = malloc(ROOM / 3);
	if (!objects[0])
		return __LINE__ % 256;
	free(objects[0]);
	return 0;
}

static int
limit_address_space(void)
{
	pthread_t thread;
	void *value = NULL;

	limit.rlim_cur = limit.rlim_max = address_space_bytes() + ROOM;
	if (limit.rlim_cur == ROOM)
		return __LINE__ % 256;
	if (setrlimit(RLIMIT_AS, &limit))
		return __LINE__ % 256;
	/* The heap has taken nothing of it beforehand. */
	if (pthread_create(&thread, NULL, allocate_a_little, &limit) ||
	    pthread_join(thread, &value) || value != &limit)
		return __LINE__ % 256;
	return 0;
}

static int
small_objects_under_a_limit(void)
{
	int line = limit_address_space();

	return line ? line : objects_under_a_limit(KiB(100));
}

static int
large_objects_under_a_limit(void)
{
	int line = limit_address_space();

	return line ? line : objects_under_a_limit(MiB(5));
}

/* A program that limits its own address space may use as much as it said, for whatever it likes,
 * and is refused more. */
static void
limits_of_address_space_hold(void)
{
	CU_ASSERT_EQUAL(in_child(small_objects_under_a_limit), 0);
	CU_ASSERT_EQUAL(in_child(large_objects_under_a_limit), 0);
}

/* ---- others' fork handlers ---- */

static atomic_int library_is_to_stop;

static void *
use_library(void *arg)
{
	while (!atomic_load(&library_is_to_stop))
		library_with_a_lock();
	return arg;
}

static int
use_library_once(void)
{
	library_with_a_lock();
	return 0;
}

/* A library that was there first holds its lock while the process is copied, allocates meanwhile,
 * and its threads allocate under that lock. */
static void
libraries_allocate_in_their_fork_handlers(void)
{
	pthread_t threads[2];

	atomic_store(&library_is_to_stop, 0);
	/* It would be forever. */
	alarm(60);
	for (int i = 0; i < 2; i++)
		pthread_create(&threads[i], NULL, use_library, NULL);
	for (int i = 0; i < 50; i++)
		CU_ASSERT_EQUAL(in_child(use_library_once), 0);
	atomic_store(&library_is_to_stop, 1);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	alarm(0);
	CU_ASSERT(n_library_forks() >= 50);
}

static const unit_test_t tests[] = {
	UNIT(what_comes_again_has_its_pages),
	UNIT(it_is_ours),
	UNIT(objects_hold_what_was_asked_for),
	UNIT(the_ends_of_the_range),
	UNIT(calloc_clears),
	UNIT(realloc_keeps_contents),
	UNIT(alignments_are_kept),
	UNIT(wrong_alignments_are_refused),
	UNIT(the_heap_tells_of_itself),
	UNIT(threads_exchange_objects),
	UNIT(children_of_a_threaded_process_allocate),
	UNIT(locked_memory_is_what_the_heap_has),
	UNIT(limits_of_address_space_hold),
	UNIT(libraries_allocate_in_their_fork_handlers),
};

int
main(void)
{
	return unit_run("malloc", tests, ARRAY_LEN(tests));
}
