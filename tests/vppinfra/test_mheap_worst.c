/* SPDX-License-Identifier: Apache-2.0 */
/* The bounds that docs/mheap.md lists: what the worst call of each kind looks at, moves and asks
 * the system for.  Counted, not timed. */
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vppinfra/mheap_front.h>
#include "heap_helpers.h"

#define N_LIVE 20000

static uword live[N_LIVE];
static void *v;

/* The most that one call added to each counter. */
typedef struct {
	u64 n_searched, n_filled, n_drained, n_commits, n_reclaims;
} worst_t;

static void
note_worst(worst_t *w, const mheap_stats_t *before)
{
	const mheap_stats_t *now = &mheap_header(v)->stats;

	w->n_searched = clib_max(w->n_searched, now->free_list.n_objects_searched -
							before->free_list.n_objects_searched);
	w->n_filled = clib_max(w->n_filled, now->n_front_filled - before->n_front_filled);
	w->n_drained = clib_max(w->n_drained, now->n_front_drained - before->n_front_drained);
	w->n_commits = clib_max(w->n_commits, now->n_commits - before->n_commits);
	w->n_reclaims = clib_max(w->n_reclaims, now->n_reclaims - before->n_reclaims);
}

static uword
random_bytes(u64 *seed, u32 n_log2)
{
	uword log2 = 4 + unit_random_below(seed, n_log2);

	return (1ULL << log2) + unit_random_below(seed, 1ULL << log2);
}

static uword
get_aligned_or_not(uword n_bytes, uword align)
{
	uword offset;

	mheap_get_aligned(v, n_bytes, align, 0, &offset);
	return offset;
}

/* One random call: a put where the slot holds something, else a get. */
static void
one_call(u64 *seed, u32 n_live, uword max_align)
{
	uword k = unit_random_below(seed, n_live);

	if (live[k] != NOTHING) {
		mheap_put(v, live[k]);
		live[k] = NOTHING;
	} else {
		uword align = unit_random_below(seed, 8) ? 0 : max_align;

		live[k] = get_aligned_or_not(random_bytes(seed, 10), align);
	}
}

static worst_t
worst_of(uword size, uword flags, u32 n_live, uword max_align)
{
	u64 seed = 1, n_ops = unit_n_ops(300000);
	mheap_stats_t before;
	worst_t w = { 0 };

	v = mheap_alloc_with_flags(NULL, size, flags);
	CU_ASSERT_PTR_NOT_NULL_FATAL(v);
	memset(live, 0xff, sizeof(live));
	for (u64 i = 0; i < n_ops; i++) {
		before = mheap_header(v)->stats;
		one_call(&seed, n_live, max_align);
		note_worst(&w, &before);
	}
	CU_ASSERT(is_whole(v));
	mheap_free(v);
	return w;
}

/* A get looks at no more than 4 elements, with 100 and with 20000 live; a fill of a front at no
 * more than one for each object that it takes. */
static void
a_get_looks_at_few(void)
{
	worst_t few = worst_of(GiB(1), 0, 100, 256), many = worst_of(GiB(1), 0, N_LIVE, 256);

	CU_ASSERT(few.n_searched <= 4);
	CU_ASSERT(many.n_searched <= 4);
	printf("[%llu and %llu] ", (unsigned long long)few.n_searched,
	       (unsigned long long)many.n_searched);
}

/* At max_size it may look at 36. */
static void
a_get_at_the_limit_looks_at_more(void)
{
	worst_t w = worst_of(MiB(1), 0, N_LIVE, 256);

	CU_ASSERT(w.n_searched > 4);
	CU_ASSERT(w.n_searched <= 36);
	printf("[%llu] ", (unsigned long long)w.n_searched);
}

/* Between a front and the bins no call moves more than half a stack. */
static void
a_front_moves_half_a_stack(void)
{
	worst_t w = worst_of(GiB(1), MHEAP_FLAG_FRONTS, N_LIVE, 64);

	CU_ASSERT(w.n_filled > 0 && w.n_filled <= MHEAP_FRONT_MAX_DEPTH / 2);
	CU_ASSERT(w.n_drained > 0 && w.n_drained <= MHEAP_FRONT_MAX_DEPTH / 2);
	CU_ASSERT(w.n_searched <= MHEAP_FRONT_MAX_DEPTH / 2 + 4);
	printf("[%llu filled, %llu drained] ", (unsigned long long)w.n_filled,
	       (unsigned long long)w.n_drained);
}

/* Nor where objects go for good and fronts are emptied: half a stack, and at two free elements for
 * each of them pages are given back. */
static void
a_falling_heap_moves_no_more(void)
{
	mheap_stats_t before;
	worst_t w = { 0 };
	u64 seed = 5;

	v = mheap_alloc_with_flags(NULL, GiB(1), MHEAP_FLAG_FRONTS);
	CU_ASSERT_PTR_NOT_NULL_FATAL(v);
	for (u32 i = 0; i < N_LIVE; i++)
		live[i] = get(v, random_bytes(&seed, 8));
	for (u32 i = 0; i < N_LIVE; i++) {
		before = mheap_header(v)->stats;
		mheap_put(v, live[i]);
		note_worst(&w, &before);
	}
	CU_ASSERT(w.n_drained <= MHEAP_FRONT_MAX_DEPTH / 2);
	CU_ASSERT(w.n_reclaims > 0);
	/* Of each object that goes to the bins: two looks, at both ends of an element. */
	CU_ASSERT(w.n_reclaims <= 4 * MHEAP_FRONT_MAX_DEPTH / 2);
	printf("[%llu drained, %llu given back] ", (unsigned long long)w.n_drained,
	       (unsigned long long)w.n_reclaims);
	CU_ASSERT(is_whole(v));
	mheap_free(v);
}

/* ---- no system call: the kernel ends a process that makes one ---- */

static void
churn(u64 seed, u64 n_ops)
{
	for (u64 i = 0; i < n_ops; i++)
		one_call(&seed, N_LIVE, 64);
}

/* Strict: read, write, exit and sigreturn; anything else is SIGKILL. */
static int
ends_by_itself(void (*fn)(void))
{
	pid_t pid;
	int status = -1;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT))
			_exit(77);
		fn();
		syscall(SYS_exit, 0);
	}
	waitpid(pid, &status, 0);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
		printf("[no seccomp here] ");
		return -1;
	}
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void
churn_again(void)
{
	churn(7, 200000);
}

static void
make_one_system_call(void)
{
	getppid();
}

static void
no_call_enters_the_kernel(uword flags)
{
	int is_watched = ends_by_itself(make_one_system_call);
	mheap_stats_t before;

	v = mheap_alloc_with_flags(NULL, GiB(1), flags);
	CU_ASSERT_PTR_NOT_NULL_FATAL(v);
	memset(live, 0xff, sizeof(live));
	CU_ASSERT_EQUAL(mheap_prefault(v, MiB(256)), 0);
	churn(3, 200000);
	before = mheap_header(v)->stats;
	if (is_watched >= 0) {
		CU_ASSERT_EQUAL(is_watched, 0);
		CU_ASSERT_EQUAL(ends_by_itself(churn_again), 1);
	}
	churn(7, 200000);
	/* The same in the counters. */
	CU_ASSERT_EQUAL(mheap_header(v)->stats.n_commits, before.n_commits);
	CU_ASSERT_EQUAL(mheap_header(v)->stats.n_reclaims, before.n_reclaims);
	CU_ASSERT(is_whole(v));
	mheap_free(v);
}

/* On a prefaulted heap neither get nor put makes a system call, with fronts and without. */
static void
a_warm_heap_makes_no_system_call(void)
{
	no_call_enters_the_kernel(0);
	no_call_enters_the_kernel(MHEAP_FLAG_FRONTS);
}

/* Prefault: the pages are there, no more than the heap may have, and puts keep them. */
static void
prefault_brings_pages(void)
{
	static const char *const stranger = "no heap";
	static u8 memory[2 * MHEAP_HEADER_BYTES];
	uword offset;

	v = mheap_alloc(NULL, MiB(64));
	CU_ASSERT_EQUAL(mheap_prefault(v, MiB(8)), 0);
	CU_ASSERT(mheap_header(v)->n_committed_bytes >= MiB(8));
	offset = get(v, MiB(6));
	mheap_put(v, offset);
	CU_ASSERT(mheap_header(v)->n_committed_bytes >= MiB(8));
	CU_ASSERT_EQUAL(mheap_header(v)->stats.n_reclaims, 0);
	/* All that there is. */
	CU_ASSERT_EQUAL(mheap_prefault(v, ~(uword)0), 0);
	CU_ASSERT_EQUAL(mheap_header(v)->n_committed_bytes, mheap_header(v)->max_size);
	CU_ASSERT(mheap_trim(v) > MiB(60));
	CU_ASSERT(is_whole(v));
	mheap_free(v);
	memcpy(memory, stranger, sizeof("no heap"));
	CU_ASSERT_EQUAL(mheap_prefault(memory + MHEAP_HEADER_BYTES, 1), -EINVAL);
}

static const unit_test_t tests[] = {
	UNIT(a_get_looks_at_few),
	UNIT(a_get_at_the_limit_looks_at_more),
	UNIT(a_front_moves_half_a_stack),
	UNIT(a_falling_heap_moves_no_more),
	UNIT(a_warm_heap_makes_no_system_call),
	UNIT(prefault_brings_pages),
};

int
main(void)
{
	return unit_run("mheap_worst", tests, ARRAY_LEN(tests));
}
