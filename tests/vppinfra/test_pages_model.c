/* SPDX-License-Identifier: Apache-2.0 */
/* Buddies against a shadow that keeps a byte a page and finds blocks by looking; then threads that
 * own what they hold. */
#include <vppinfra/pages.h>

#include <pthread.h>
#include "unit.h"

#define N_PAGES 2048
#define MAX_ORDER 9
#define N_HELD 600

/* Order of the block that starts at each page, + 1, free (positive) or used (negative); 0 inside.
 */
static signed char shadow[N_PAGES];
static u32 n_free[MAX_ORDER + 1];

static void
shadow_merge(u32 at)
{
	u32 order = (u32)shadow[at] - 1;

	n_free[order]++;
	while (order < MAX_ORDER && shadow[at ^ (1u << order)] == (signed char)(order + 1)) {
		u32 buddy = at ^ (1u << order);

		n_free[order] -= 2;
		shadow[at | buddy] = 0;
		at &= buddy;
		shadow[at] = (signed char)(++order + 1);
		n_free[order]++;
	}
}

/* The block at `at` came: it must be the lower end of the smallest free block that fits. */
static int
shadow_take(u32 at, u32 order)
{
	u32 from = order;

	while (from <= MAX_ORDER && !n_free[from])
		from++;
	if (from > MAX_ORDER || shadow[at] != (signed char)(from + 1))
		return -1;
	n_free[from]--;
	while (from > order) {
		from--;
		shadow[at + (1u << from)] = (signed char)(from + 1);
		n_free[from]++;
	}
	shadow[at] = -(signed char)(order + 1);
	return 0;
}

static int
counts_agree(pages_t *p)
{
	static pages_info_t info;

	pages_get_info(p, &info);
	for (u32 o = 0; o <= MAX_ORDER; o++)
		if (info.zones[ZONE_NORMAL].nr_free[o][0] != n_free[o] ||
		    info.zones[ZONE_NORMAL].nr_free[o][1])
			return 0;
	return 1;
}

/* How the orders of requests and the choice of what to free are drawn. */
typedef enum { SMOKE, SMALL, LARGE, ALTERNATING } pattern_t;

static u32
draw_order(u64 *seed, pattern_t pattern, u64 i)
{
	switch (pattern) {
	case SMALL:
		return (u32)unit_random_below(seed, 2);
	case LARGE:
		return 6 + (u32)unit_random_below(seed, 4);
	case ALTERNATING:
		return i % 2 ? 0 : 5;
	default:
		return (u32)count_trailing_zeros(unit_random(seed) | 1u << MAX_ORDER);
	}
}

static void
run_against_shadow(pattern_t pattern, u64 n_ops)
{
	pages_params_t params = { .name = "model",
				  .numa_node = VM_NODE_ANY,
				  .max_bytes = N_PAGES * PAGES_PAGE_BYTES,
				  .initial_bytes = N_PAGES * PAGES_PAGE_BYTES };
	static struct {
		page_t *page;
		u32 order;
	} held[N_HELD];
	u64 seed = unit_seed(), n_wrong = 0, n_full = 0;
	page_t *first;
	pages_t *p;
	u32 n = 0;

	memset(shadow, 0, sizeof(shadow));
	memset(n_free, 0, sizeof(n_free));
	for (u32 i = 0; i < N_PAGES; i += 1u << MAX_ORDER)
		shadow[i] = MAX_ORDER + 1;
	n_free[MAX_ORDER] = N_PAGES >> MAX_ORDER;
	CU_ASSERT_EQUAL_FATAL(pages_create(&params, &p), 0);
	first = pages_alloc(p, GFP_ATOMIC, MAX_ORDER);
	while (clib_virt_to_page((u8 *)clib_page_address(first) - PAGES_PAGE_BYTES))
		first -= 1u << MAX_ORDER;
	pages_free(clib_virt_to_page(clib_page_address(first + (N_PAGES - (1u << MAX_ORDER)))),
		   MAX_ORDER);

	for (u64 i = 0; i < n_ops; i++) {
		int is_alloc = n == 0 || (n < N_HELD && unit_random(&seed) % 2);

		if (is_alloc) {
			u32 order = draw_order(&seed, pattern, i);
			page_t *page = pages_alloc(p, GFP_ATOMIC | __GFP_NOWARN, order);

			if (!page) {
				/* Refused only where the shadow has none either. */
				for (u32 o = order; o <= MAX_ORDER; o++)
					n_wrong += n_free[o] != 0;
				n_full++;
				continue;
			}
			n_wrong += shadow_take((u32)(page - first), order) != 0;
			held[n].page = page;
			held[n++].order = order;
		} else {
			u32 k = (u32)unit_random_below(&seed, n), at = (u32)(held[k].page - first);

			n_wrong += pages_free(held[k].page, held[k].order) != 0;
			shadow[at] = (signed char)-shadow[at];
			shadow_merge(at);
			held[k] = held[--n];
		}
		if (i % 1000 == 0) {
			n_wrong += !counts_agree(p);
			n_wrong += pages_check(p, NULL, 0) != 0;
		}
	}
	while (n) {
		n--;
		pages_free(held[n].page, held[n].order);
	}
	CU_ASSERT_EQUAL(n_wrong, 0);
	printf("%lu operations, %lu refused\n", (unsigned long)n_ops, (unsigned long)n_full);
	CU_ASSERT_EQUAL(pages_destroy(p), 0);
}

static void
smoke_equals_the_shadow(void)
{
	run_against_shadow(SMOKE, unit_n_ops(4000000));
}

static void
small_requests_equal_the_shadow(void)
{
	run_against_shadow(SMALL, unit_n_ops(3000000));
}

static void
large_requests_equal_the_shadow(void)
{
	run_against_shadow(LARGE, unit_n_ops(1500000));
}

static void
alternating_requests_equal_the_shadow(void)
{
	run_against_shadow(ALTERNATING, unit_n_ops(1500000));
}

/* ---- threads ---- */

static pages_t *shared;

/* A thread's mark in a page that it holds. */
static u64
name_of(u64 me, const page_t *page)
{
	return me << 48 | (pointer_to_uword(page) & pow2_mask(48));
}

/* Each writes its name into every page of what it holds, and finds it there. */
static void *
own_and_check(void *arg)
{
	u64 me = (u64)(uword)arg, seed = me * 7919, n_ops = unit_n_ops(400000), n_wrong = 0;
	struct {
		page_t *page;
		u32 order;
	} held[40];
	u32 n = 0;

	for (u64 i = 0; i < n_ops; i++) {
		if (n < ARRAY_LEN(held) && (n == 0 || unit_random(&seed) % 2)) {
			u32 order = unit_random(&seed) % 4 ? 0 : (u32)unit_random_below(&seed, 4);
			page_t *page = pages_alloc(shared, GFP_ATOMIC | __GFP_NOWARN, order);

			if (!page)
				continue;
			for (u32 k = 0; k < 1u << order; k++)
				*(u64 *)clib_page_address(page + k) = name_of(me, page);
			held[n].page = page;
			held[n++].order = order;
		} else {
			u32 k = (u32)unit_random_below(&seed, n);
			page_t *page = held[k].page;

			for (u32 j = 0; j < 1u << held[k].order; j++)
				n_wrong += *(u64 *)clib_page_address(page + j) != name_of(me, page);
			n_wrong += pages_free(page, held[k].order) != 0;
			held[k] = held[--n];
		}
	}
	while (n) {
		n--;
		n_wrong += pages_free(held[n].page, held[n].order) != 0;
	}
	return (void *)(uword)n_wrong;
}

/* Threads own what they hold, and what an exiting one kept comes back. */
static void
threads_never_share_a_page(void)
{
	pages_params_t params = { .name = "threads",
				  .numa_node = VM_NODE_ANY,
				  .max_bytes = MiB(2),
				  .initial_bytes = MiB(2),
				  .n_cached_pages = 64 };
	pthread_t threads[3];
	char what[160] = "";

	CU_ASSERT_EQUAL_FATAL(pages_create(&params, &shared), 0);
	for (uword i = 0; i < ARRAY_LEN(threads); i++)
		pthread_create(&threads[i], NULL, own_and_check, (void *)(i + 1));
	for (uword i = 0; i < ARRAY_LEN(threads); i++) {
		void *n_wrong;

		pthread_join(threads[i], &n_wrong);
		CU_ASSERT_PTR_NULL(n_wrong);
	}
	CU_ASSERT_EQUAL(pages_check(shared, what, sizeof(what)), 0);
	printf("%s", what);
	CU_ASSERT_EQUAL(pages_destroy(shared), 0);
}

static const unit_test_t tests[] = {
	UNIT(smoke_equals_the_shadow),         UNIT(small_requests_equal_the_shadow),
	UNIT(large_requests_equal_the_shadow), UNIT(alternating_requests_equal_the_shadow),
	UNIT(threads_never_share_a_page),
};

int
main(void)
{
	return unit_run("pages_model", tests, ARRAY_LEN(tests));
}
