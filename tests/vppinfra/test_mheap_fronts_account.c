/* SPDX-License-Identifier: Apache-2.0 */
/* Fronts as others see them: figures beside a walk, memory that they take, when they open, and what
 * a heap at its limit does to them. */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vppinfra/mheap_front.h>
#include "heap_helpers.h"

#define N_SLOTS 3000

static void *v;

/* ---- figures ---- */

typedef struct {
	u64 n_used, n_used_bytes, n_cached, n_cached_bytes;
} walked_t;

/* Header by header: what the figures must say. */
static walked_t
walk(void)
{
	walked_t w = { 0 };
	uword end = _vec_find(v)->len;

	for (uword uo = MHEAP_ELT_OVERHEAD_BYTES; uo < end;) {
		const mheap_elt_t *e = mheap_elt_at_uoffset(v, uo);
		uword n_bytes = mheap_elt_data_bytes(e);

		if (e->front & MHEAP_FRONT_CACHED) {
			w.n_cached++;
			w.n_cached_bytes += n_bytes;
		} else if (!e->is_free) {
			w.n_used++;
			w.n_used_bytes += n_bytes;
		}
		uo += n_bytes + MHEAP_ELT_OVERHEAD_BYTES;
	}
	return w;
}

/* No thread gets or puts.  Of what is cached the figures know the class: up to 16 bytes less, each.
 */
static void
compare_with_a_walk(void)
{
	clib_mem_usage_t u;
	mheap_front_usage_t f;
	walked_t w = walk();
	u64 more;

	mheap_usage(v, &u);
	mheap_front_usage(v, &f);
	more = u.bytes_used - w.n_used_bytes;
	CU_ASSERT_EQUAL(u.object_count, w.n_used);
	CU_ASSERT_EQUAL(mheap_elts(v), w.n_used);
	CU_ASSERT_EQUAL(f.n_cached, w.n_cached);
	CU_ASSERT(more <= 16 * w.n_cached);
	CU_ASSERT_EQUAL(f.n_cached_bytes + more, w.n_cached_bytes);
	CU_ASSERT_EQUAL(u.bytes_total, u.bytes_used + u.bytes_free + u.bytes_overhead);
}

static struct {
	pthread_barrier_t step;
	uword slots[N_SLOTS];
	u64 seed;
} shared;

static void
meet(void)
{
	pthread_barrier_wait(&shared.step);
}

/* Sizes that fronts have, and some above. */
static void
churn(u64 *seed, u32 n_ops)
{
	for (u32 i = 0; i < n_ops; i++) {
		uword k = unit_random_below(seed, N_SLOTS);

		if (shared.slots[k] != NOTHING) {
			mheap_put(v, shared.slots[k]);
			shared.slots[k] = NOTHING;
		} else {
			shared.slots[k] =
				get(v, 1 + unit_random_below(seed, i % 32 ? 3000 : 50000));
		}
	}
}

static void *
churn_by_turns(void *arg)
{
	for (u32 turn = 0; turn < 8; turn++) {
		meet();
		churn(&shared.seed, 5000);
		meet();
	}
	return NULL;
}

/* With objects in two threads' stacks, in mail between them, and claimed, the counters say what a
 * walk over all headers finds. */
static void
figures_equal_a_walk(void)
{
	pthread_t thread;

	shared.seed = unit_seed();
	memset(shared.slots, 0xff, sizeof(shared.slots));
	v = mheap_alloc_with_flags(NULL, MiB(256), MHEAP_FLAG_FRONTS);
	pthread_barrier_init(&shared.step, NULL, 2);
	pthread_create(&thread, NULL, churn_by_turns, NULL);
	for (u32 turn = 0; turn < 8; turn++) {
		churn(&shared.seed, 5000);
		compare_with_a_walk();
		if (turn == 5) {
			mheap_trim(v);
			compare_with_a_walk();
		}
		meet();
		meet();
		/* After its last turn the other gives back what it has. */
		if (turn < 7)
			compare_with_a_walk();
	}
	pthread_join(thread, NULL);
	compare_with_a_walk();
	CU_ASSERT(mheap_header(v)->n_mail_taken > 0);
	CU_ASSERT(is_whole(v));
	pthread_barrier_destroy(&shared.step);
	mheap_free(v);
}

static _Atomic int bulk_is_to_stop;

static void *
get_and_put_many(void *arg)
{
	void *objects[MHEAP_FRONT_MAX_DEPTH];

	while (!atomic_load(&bulk_is_to_stop))
		for (u32 i = 0; i < 100; i++)
			mheap_put_bulk(v, mheap_get_bulk(v, 64, ARRAY_LEN(objects), objects),
				       objects);
	return arg;
}

/* A heap is whole whatever its threads are at: nothing is said of calls that take or bring many. */
static void
a_check_lets_bulk_calls_end(void)
{
	pthread_t threads[3];
	int is_ok = 1;

	v = mheap_alloc_with_flags(NULL, MiB(16), MHEAP_FLAG_FRONTS);
	atomic_store(&bulk_is_to_stop, 0);
	for (u32 i = 0; i < ARRAY_LEN(threads); i++)
		pthread_create(&threads[i], NULL, get_and_put_many, NULL);
	for (u64 i = 0; i < unit_n_ops(3000) && is_ok; i++)
		is_ok = is_whole(v);
	CU_ASSERT(is_ok);
	atomic_store(&bulk_is_to_stop, 1);
	for (u32 i = 0; i < ARRAY_LEN(threads); i++)
		pthread_join(threads[i], NULL);
	CU_ASSERT_EQUAL(mheap_elts(v), 0);
	mheap_free(v);
}

/* ---- the limit ---- */

static void *
fill_and_wait(void *arg)
{
	for (u32 i = 0; i < 100; i++)
		shared.slots[i] = get(v, 512);
	for (u32 i = 0; i < 100; i++)
		mheap_put(v, shared.slots[i]);
	meet(); /* 1: a full front */
	meet(); /* 2: the other has done its worst */
	return NULL;
}

/* A heap at its limit fails a thousand gets and disturbs the others' fronts once, when there is
 * something to be had in them. */
static void
a_full_heap_leaves_idle_fronts_alone(void)
{
	pthread_t thread;
	u64 n_claims;

	v = mheap_alloc_with_flags(NULL, MiB(1), MHEAP_FLAG_FRONTS);
	pthread_barrier_init(&shared.step, NULL, 2);
	pthread_create(&thread, NULL, fill_and_wait, NULL);
	meet(); /* 1 */
	while (get(v, 2000) != NOTHING)
		;
	n_claims = mheap_header(v)->stats.n_front_claims;
	CU_ASSERT(n_claims >= 1);
	CU_ASSERT(n_claims <= 3);
	for (u32 i = 0; i < 1000; i++)
		CU_ASSERT_EQUAL(get(v, 2000), NOTHING);
	CU_ASSERT_EQUAL(mheap_header(v)->stats.n_front_claims, n_claims);
	CU_ASSERT(is_whole(v));
	meet(); /* 2 */
	pthread_join(thread, NULL);
	pthread_barrier_destroy(&shared.step);
	mheap_free(v);
}

static _Atomic int has_begun, is_over;

static void *
use_small_objects(void *arg)
{
	uword offsets[32];

	while (!is_over) {
		has_begun = 1;
		/* No asserts: CUnit counts them without a lock. */
		for (u32 i = 0; i < ARRAY_LEN(offsets); i++)
			mheap_get(v, 64, &offsets[i]);
		for (u32 i = 0; i < ARRAY_LEN(offsets); i++)
			if (offsets[i] != NOTHING)
				mheap_put(v, offsets[i]);
	}
	return NULL;
}

/* Where another thread goes on using its front, failing gets that taking it does not help do so
 * seldom: one in a few dozen. */
static void
claims_in_vain_get_rare(void)
{
	const mheap_stats_t *stats;
	pthread_t thread;
	u64 n_claims, n_failures;

	has_begun = is_over = 0;
	v = mheap_alloc_with_flags(NULL, MiB(1), MHEAP_FLAG_FRONTS);
	stats = &mheap_header(v)->stats;
	/* In the middle, so there is never so much in one place. */
	get(v, KiB(600));
	pthread_create(&thread, NULL, use_small_objects, NULL);
	while (!has_begun)
		sched_yield();
	for (n_failures = 0; n_failures < 20000; n_failures++) {
		CU_ASSERT_EQUAL(get(v, KiB(700)), NOTHING);
		if (n_failures % 16 == 0)
			sched_yield();
	}
	n_claims = stats->n_front_claims;
	CU_ASSERT(n_claims > 0);
	is_over = 1;
	pthread_join(thread, NULL);
	CU_ASSERT(n_claims <= n_failures / 32);
	printf("[%llu claims by %llu failing gets] ", (unsigned long long)n_claims,
	       (unsigned long long)n_failures);
	CU_ASSERT(is_whole(v));
	mheap_free(v);
}

/* ---- the table ---- */

static void *
put_a_few_and_end(void *arg)
{
	for (u32 i = 0; i < 5; i++)
		mheap_put_later(v, (u8 *)v + shared.slots[i]);
	return NULL;
}

/* A thread that only puts, and fewer than make a batch, leaves nothing behind when it ends. */
static void
a_thread_that_only_puts_leaves_nothing(void)
{
	pthread_t thread;

	v = mheap_alloc_with_flags(NULL, MiB(16), MHEAP_FLAG_FRONTS);
	for (u32 round = 0; round < 3; round++) {
		for (u32 i = 0; i < 5; i++)
			shared.slots[i] = get(v, 100 * (i + 1));
		pthread_create(&thread, NULL, put_a_few_and_end, NULL);
		pthread_join(thread, NULL);
		CU_ASSERT_EQUAL(mheap_elts(v), 0);
		compare_with_a_walk();
	}
	mheap_free(v);
}

static uword
locked_kib(void)
{
	char line[256];
	unsigned long n = 0;
	FILE *f = fopen("/proc/self/status", "r");

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "RssAnon: %lu", &n) == 1)
			break;
	if (f)
		fclose(f);
	return n;
}

/* Exit status: 0 as it should be, 1 not, 77 mlockall is not permitted. */
static int
make_heap_in_locked_memory(void)
{
	struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };
	uword before;

	setrlimit(RLIMIT_MEMLOCK, &all);
	if (mlockall(MCL_CURRENT | MCL_FUTURE))
		return 77;
	before = locked_kib();
	v = mheap_alloc_with_flags(NULL, MiB(1), MHEAP_FLAG_FRONTS);
	if (!v || get(v, 64) == NOTHING)
		return 1;
	return locked_kib() - before > KiB(8);
}

/* In a program that locks its memory a heap with fronts takes what it uses, not room for a thousand
 * threads. */
static void
a_locked_program_pays_for_its_own_fronts(void)
{
	int status = -1;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0)
		_exit(make_heap_in_locked_memory());
	waitpid(pid, &status, 0);
	CU_ASSERT_FATAL(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		printf("[mlockall: not permitted] ");
	else
		CU_ASSERT_EQUAL(WEXITSTATUS(status), 0);
}

/* ---- when shared ---- */

static void *
get_and_put(void *arg)
{
	for (u32 i = 0; i < 10; i++)
		mheap_put(v, get(v, 64));
	return NULL;
}

/* Fronts that wait for a second thread: one thread's heap has nothing cached and ends where its
 * last object does; after another came both have fronts. */
static void
fronts_open_when_a_second_thread_comes(void)
{
	mheap_front_usage_t u;
	pthread_t thread;
	uword a, b;

	v = mheap_alloc_with_flags(NULL, MiB(16),
				   MHEAP_FLAG_FRONTS | MHEAP_FLAG_FRONTS_WHEN_SHARED);
	CU_ASSERT(mheap_header(v)->flags & MHEAP_FLAG_THREAD_SAFE);
	a = get(v, 64);
	b = get(v, 64);
	CU_ASSERT_EQUAL(b, a + 64 + MHEAP_ELT_OVERHEAD_BYTES);
	mheap_put(v, b);
	mheap_put(v, a);
	CU_ASSERT_EQUAL(mheap_bytes(v), MHEAP_HEADER_BYTES + MHEAP_ELT_OVERHEAD_BYTES);
	mheap_front_usage(v, &u);
	CU_ASSERT_EQUAL(u.n_gets, 0);
	CU_ASSERT_EQUAL(u.n_fronts, 0);

	pthread_create(&thread, NULL, get_and_put, NULL);
	pthread_join(thread, NULL);
	mheap_front_usage(v, &u);
	CU_ASSERT_EQUAL(u.n_gets, 10);
	CU_ASSERT_EQUAL(u.n_cached, 0);
	for (u32 i = 0; i < 10; i++)
		mheap_put(v, get(v, 64));
	mheap_front_usage(v, &u);
	CU_ASSERT_EQUAL(u.n_gets, 20);
	CU_ASSERT_EQUAL(u.n_fronts, 1);
	CU_ASSERT(u.n_cached > 0);
	compare_with_a_walk();
	CU_ASSERT(is_whole(v));
	mheap_free(v);

	/* The flag alone is none. */
	v = mheap_alloc_with_flags(NULL, MiB(16), MHEAP_FLAG_FRONTS_WHEN_SHARED);
	CU_ASSERT_EQUAL(mheap_header(v)->flags, 0);
	mheap_free(v);
}

static const unit_test_t tests[] = {
	UNIT(figures_equal_a_walk),
	UNIT(a_check_lets_bulk_calls_end),
	UNIT(a_full_heap_leaves_idle_fronts_alone),
	UNIT(claims_in_vain_get_rare),
	UNIT(a_thread_that_only_puts_leaves_nothing),
	UNIT(a_locked_program_pays_for_its_own_fronts),
	UNIT(fronts_open_when_a_second_thread_comes),
};

int
main(void)
{
	return unit_run("mheap_fronts_account", tests, ARRAY_LEN(tests));
}
