/* SPDX-License-Identifier: Apache-2.0 */
/* Instructions of each call, counted by single steps: the trap flag makes the processor stop after
 * each, and a handler counts.  What docs/mheap.md promises of the worst call is held here, and that
 * calls cost the same however many objects live.  The counts are of an optimised build; a
 * sanitizer's would be its own. */
#include <pthread.h>
#include <signal.h>
#include <vppinfra/mheap_front.h>
#include "heap_helpers.h"

#if defined(__x86_64__) && defined(__OPTIMIZE__) && !defined(__SANITIZE_ADDRESS__) &&              \
	!defined(__SANITIZE_THREAD__) && CLIB_DEBUG == 0
#	define CAN_COUNT 1
#else
#	define CAN_COUNT 0
#endif

/* ---- counting ---- */

static volatile u64 n_steps;

static void
count_step(int CLIB_UNUSED(signum))
{
	n_steps++;
}

/* The flag goes by way of the stack, below what the compiler may keep there. */
always_inline void
step_on(void)
{
#if CAN_COUNT
	__asm__ volatile("sub $128, %%rsp\n\tpushfq\n\torq $0x100, (%%rsp)\n\tpopfq\n\t"
			 "add $128, %%rsp"
			 :
			 :
			 : "memory", "cc");
#endif
}

always_inline void
step_off(void)
{
#if CAN_COUNT
	__asm__ volatile("sub $128, %%rsp\n\tpushfq\n\tandq $~0x100, (%%rsp)\n\tpopfq\n\t"
			 "add $128, %%rsp"
			 :
			 :
			 : "memory", "cc");
#endif
}

typedef struct {
	const char *call, *text;
	/* What docs/mheap.md says. */
	u32 most_allowed;
	u32 n, least, most;
	u64 sum;
} case_t;

static u64 n_of_nothing;

static void
note(case_t *c, u64 n)
{
	n = n > n_of_nothing ? n - n_of_nothing : 0;
	c->least = c->n ? clib_min(c->least, (u32)n) : (u32)n;
	c->most = clib_max(c->most, (u32)n);
	c->sum += n;
	c->n++;
}

/* x is one statement. */
#define COUNT(c, x)                                                                                \
	do {                                                                                       \
		n_steps = 0;                                                                       \
		step_on();                                                                         \
		x;                                                                                 \
		step_off();                                                                        \
		note((c), n_steps);                                                                \
	} while (0)

static void
nothing(void)
{
}

static void
start_counting(void)
{
	static case_t empty;

	signal(SIGTRAP, count_step);
	n_of_nothing = 0;
	COUNT(&empty, nothing());
	n_of_nothing = empty.most;
}

static void
print_case(const case_t *c)
{
	printf("  %-20s %-28s %6u %8.1f %6u  of %u, %u calls\n", c->call, c->text, c->least,
	       c->n ? (double)c->sum / c->n : 0.0, c->most, c->most_allowed, c->n);
	CU_ASSERT(c->n > 0);
	CU_ASSERT(c->most <= c->most_allowed);
}

/* ---- work ---- */

#define MAX_LIVE 1000000
static uword live[MAX_LIVE];
static void *v;

static uword
some_bytes(u64 *seed)
{
	return 16 + unit_random_below(seed, 241);
}

static void
fill(u32 n_live, uword flags, u64 *seed)
{
	v = mheap_alloc_with_flags(NULL, GiB(1), flags);
	CU_ASSERT_PTR_NOT_NULL_FATAL(v);
	for (u32 i = 0; i < n_live; i++)
		live[i] = get(v, some_bytes(seed));
	/* Holes as they are in the long run. */
	for (u32 i = 0; i < 4 * n_live; i++) {
		uword k = unit_random_below(seed, n_live);

		mheap_put(v, live[k]);
		live[k] = get(v, some_bytes(seed));
	}
}

static const mheap_stats_t *
stats(void)
{
	return &mheap_header(v)->stats;
}

/* ---- the worst call ---- */

enum { GET_FRONT, GET_FILL, PUT_FRONT, PUT_DRAIN, LATER, BULK_GET, BULK_PUT, USAGE, N_FRONT_CASES };
static case_t front_cases[N_FRONT_CASES] = {
	[GET_FRONT] = { "mheap_get_aligned", "front has one", 60 },
	[GET_FILL] = { "mheap_get_aligned", "front is empty", 25000 },
	[PUT_FRONT] = { "mheap_put", "own, room", 70 },
	[PUT_DRAIN] = { "mheap_put", "own, full", 25000 },
	[LATER] = { "mheap_put_later", "8 each 8th time", 450 },
	[BULK_GET] = { "mheap_get_bulk", "32 of 256 bytes", 32 * 14 },
	[BULK_PUT] = { "mheap_put_bulk", "32 of 256 bytes", 32 * 50 },
	[USAGE] = { "mheap_usage", "one thread", 700 },
};

static void
replace_and_count(u64 *seed, u32 n_live)
{
	mheap_stats_t before;
	uword k = unit_random_below(seed, n_live), n_bytes = some_bytes(seed);
	u32 n_put;
	case_t one = { 0 };

	before = *stats();
	COUNT(&one, mheap_put(v, live[k]));
	n_put = one.most;
	note(&front_cases[stats()->n_front_drains != before.n_front_drains ? PUT_DRAIN : PUT_FRONT],
	     n_put + n_of_nothing);
	one = (case_t){ 0 };
	COUNT(&one, mheap_get_aligned(v, n_bytes, 0, 0, &live[k]));
	note(&front_cases[stats()->n_front_fills != before.n_front_fills ? GET_FILL : GET_FRONT],
	     one.most + n_of_nothing);
}

static void
count_bulk(void)
{
	void *objects[32];
	u32 n = 0;

	for (u32 i = 0; i < 20; i++) {
		mheap_put_bulk(v, mheap_get_bulk(v, 256, 32, objects), objects);
		COUNT(&front_cases[BULK_GET], n = mheap_get_bulk(v, 256, 32, objects));
		CU_ASSERT_EQUAL(n, 32);
		COUNT(&front_cases[BULK_PUT], mheap_put_bulk(v, 32, objects));
	}
}

/* A heap with fronts.  A put that makes its stack deeper takes the lock and drains nothing, and so
 * does a get that finds mail: they are counted among the short ones only where they are as short.
 */
static void
fronts_keep_their_bounds(void)
{
	clib_mem_usage_t u;
	u64 seed = 11;

	if (!CAN_COUNT) {
		printf("[no counting in this build] ");
		return;
	}
	start_counting();
	fill(20000, MHEAP_FLAG_FRONTS, &seed);
	/* The loader finds each call when it is first made. */
	mheap_usage(v, &u);
	mheap_put_later(v, mheap_get_inline(v, 64));
	for (u32 i = 0; i < MHEAP_N_LATER; i++) {
		void *p = mheap_get_inline(v, 64);

		get(v, 16);
		mheap_put_later(v, p);
	}
	/* Stacks as deep as they get. */
	for (u32 i = 0; i < 20000; i++)
		mheap_put(v, live[i]);
	for (u32 i = 0; i < 20000; i++)
		live[i] = get(v, some_bytes(&seed));
	for (u32 i = 0; i < 200; i++)
		replace_and_count(&seed, 20000);
	/* One way only, so that stacks run over and dry. */
	for (u32 i = 0; i < 1200; i++) {
		u64 n_drains = stats()->n_front_drains;
		case_t one = { 0 };

		COUNT(&one, mheap_put(v, live[i]));
		if (stats()->n_front_drains != n_drains)
			note(&front_cases[PUT_DRAIN], one.most + n_of_nothing);
	}
	for (u32 i = 0; i < 1200; i++) {
		u64 n_fills = stats()->n_front_fills;
		uword n_bytes = some_bytes(&seed);
		case_t one = { 0 };

		COUNT(&one, mheap_get_aligned(v, n_bytes, 0, 0, &live[i]));
		if (stats()->n_front_fills != n_fills)
			note(&front_cases[GET_FILL], one.most + n_of_nothing);
	}
	for (u32 i = 0; i < 100; i++) {
		void *p = (u8 *)v + live[i];

		get(v, 16); /* so that it is not the last */
		COUNT(&front_cases[LATER], mheap_put_later(v, p));
		live[i] = get(v, some_bytes(&seed));
	}
	count_bulk();
	for (u32 i = 0; i < 20; i++)
		COUNT(&front_cases[USAGE], mheap_usage(v, &u));
	printf("\n  instructions: least, mean, most\n");
	for (u32 i = 0; i < N_FRONT_CASES; i++)
		print_case(&front_cases[i]);
	CU_ASSERT(is_whole(v));
	mheap_free(v);
}

enum { GET, GET_ALIGNED, PUT, EXTEND, N_PLAIN_CASES };
static case_t plain_cases[N_PLAIN_CASES] = {
	[GET] = { "mheap_get_aligned", "no front", 300 },
	[GET_ALIGNED] = { "mheap_get_aligned", "no front, aligned", 900 },
	[PUT] = { "mheap_put", "no front", 600 },
	[EXTEND] = { "mheap_extend", "no front", 500 },
};

/* A heap without fronts or lock, prefaulted as a worker's is. */
static void
plain_heaps_keep_their_bounds(void)
{
	u64 seed = 12;

	if (!CAN_COUNT) {
		printf("[no counting in this build] ");
		return;
	}
	start_counting();
	fill(20000, 0, &seed);
	CU_ASSERT_EQUAL(mheap_prefault(v, MiB(64)), 0);
	CU_ASSERT_EQUAL(mheap_extend(v, live[0], 1), 0);
	for (u32 i = 0; i < 250; i++) {
		uword k = unit_random_below(&seed, 20000), n_bytes = some_bytes(&seed);
		int error;

		COUNT(&plain_cases[PUT], mheap_put(v, live[k]));
		if (i % 8)
			COUNT(&plain_cases[GET], mheap_get_aligned(v, n_bytes, 0, 0, &live[k]));
		else
			COUNT(&plain_cases[GET_ALIGNED],
			      mheap_get_aligned(v, n_bytes * 8, 256, 0, &live[k]));
		CU_ASSERT_NOT_EQUAL(live[k], NOTHING);
		k = unit_random_below(&seed, 20000);
		n_bytes = mheap_data_bytes(v, live[k]) + 16;
		COUNT(&plain_cases[EXTEND], error = mheap_extend(v, live[k], n_bytes));
		CU_ASSERT(error == 0 || error == -ENOMEM);
	}
	printf("\n  instructions: least, mean, most\n");
	for (u32 i = 0; i < N_PLAIN_CASES; i++)
		print_case(&plain_cases[i]);
	CU_ASSERT(is_whole(v));
	mheap_free(v);
}

/* ---- however many live ---- */

static double
mean_of(u32 n_live, u32 n_ops)
{
	u64 seed = 13;
	case_t all = { 0 };

	fill(n_live, 0, &seed);
	for (u32 i = 0; i < n_ops; i++) {
		uword k = unit_random_below(&seed, n_live), n_bytes = some_bytes(&seed);

		COUNT(&all, mheap_put(v, live[k]));
		COUNT(&all, mheap_get_aligned(v, n_bytes, 0, 0, &live[k]));
	}
	mheap_free(v);
	return (double)all.sum / (all.n / 2);
}

/* A put and a get of another size, through the bins, cost the same instructions with a thousand and
 * with a million objects: within five in a hundred.  (perf/bench_malloc --instructions has it of
 * fronts and of malloc, where most calls are not the ones that move a batch.) */
static void
the_number_of_objects_does_not_matter(void)
{
	u32 n_ops = (u32)clib_min(unit_n_ops(300), 1000000UL);
	double thousand, million;

	if (!CAN_COUNT) {
		printf("[no counting in this build] ");
		return;
	}
	start_counting();
	thousand = mean_of(1000, n_ops);
	million = mean_of(MAX_LIVE, n_ops);
	printf("[%.1f of 1000 live, %.1f of 1000000] ", thousand, million);
	CU_ASSERT(million < 1.05 * thousand);
	CU_ASSERT(million > 0.95 * thousand);
}

static const unit_test_t tests[] = {
	UNIT(fronts_keep_their_bounds),
	UNIT(plain_heaps_keep_their_bounds),
	UNIT(the_number_of_objects_does_not_matter),
};

int
main(void)
{
	return unit_run("mheap_instructions", tests, ARRAY_LEN(tests));
}
