/* SPDX-License-Identifier: Apache-2.0 */
#include <vppinfra/mem.h>
#include <vppinfra/pool.h>
#include "unit.h"

static void *test_heap, *heap_before;

static void
heap_begin(uword size)
{
	test_heap = mheap_alloc(0, size);
	CU_ASSERT_PTR_NOT_NULL_FATAL(test_heap);
	heap_before = clib_mem_set_heap(test_heap);
}

static void
heap_end(void)
{
	CU_ASSERT_EQUAL(mheap_elts(test_heap), 0);
	CU_ASSERT_EQUAL(mheap_check(test_heap, NULL, 0), 0);
	clib_mem_set_heap(heap_before);
	mheap_free(test_heap);
}

typedef struct {
	u64 id;
	u32 n;
} thing_t;

/* Ids 0 .. n - 1, each at its own index. */
static thing_t *
pool_of(u32 n)
{
	thing_t *pool = 0, *e;

	for (u32 i = 0; i < n; i++) {
		pool_get(pool, e);
		CU_ASSERT_EQUAL_FATAL((uword)(e - pool), i);
		e->id = i;
	}
	return pool;
}

/* However far its elements' alignment puts element 0 from the start of the memory, a pool that
 * moves as it grows keeps its header. */
static void
alignment_and_header_survive_growth(void)
{
	static const uword aligns[] = { 8, 64, 256, 4096, KiB(64) };

	heap_begin(MiB(16));
	for (u32 a = 0; a < ARRAY_LEN(aligns); a++) {
		thing_t *pool = 0, *e;
		void *behind = NULL;

		for (u32 i = 0; i < 500; i++) {
			CU_ASSERT_EQUAL(pool_get_aligned(pool, e, aligns[a]), 0);
			e->id = i;
			if (i == 0)
				pool_header(pool)->opaque = (void *)&aligns[a];
			/* In the way of growing where it lies. */
			if (i % 50 == 0) {
				clib_mem_free(behind);
				behind = clib_mem_alloc(64);
			}
		}
		CU_ASSERT_EQUAL((uword)pool % aligns[a], 0);
		CU_ASSERT_PTR_EQUAL(pool_header(pool)->opaque, &aligns[a]);
		CU_ASSERT_EQUAL(pool_check(pool), 0);
		pool_foreach (e, pool)
			CU_ASSERT_EQUAL(e->id, (u64)(e - pool));
		clib_mem_free(behind);
		pool_free(pool);
	}
	heap_end();
}

/* A cursor of any type starts at ~0 and ends at ~0, as VPP's programs have it; the questions of
 * both generations get their answers. */
static void
old_and_new_forms_agree(void)
{
	thing_t *pool = 0, *e;
	uword wide = ~0ULL, n = 0;
	u32 narrow = ~0u;
	int number = -1, answer = 7;

	heap_begin(MiB(1));
	pool_get_will_expand(pool, answer);
	CU_ASSERT_TRUE(answer == 1 && pool_get_will_expand(pool) == 1);
	pool = pool_of(100);
	for (u32 i = 0; i < 100; i += 3)
		pool_put_index(pool, i);
	pool_get_aligned_will_expand(pool, answer, 64);
	CU_ASSERT_TRUE(answer == 0 && pool_get_aligned_will_expand(pool, 64) == 0);
	e = pool + 1;
	answer = 7;
	pool_put_will_expand(pool, e, answer);
	CU_ASSERT_TRUE(answer == 0 && pool_put_will_expand(pool, e) == 0);
	CU_ASSERT_TRUE(pool_max_len(pool) >= 100);
	CU_ASSERT_EQUAL(pool_free_elts(pool) + pool_elts(pool), pool_max_len(pool));
	do {
		wide = pool_next_index(pool, wide);
		narrow = pool_next_index(pool, narrow);
		number = pool_next_index(pool, number);
		CU_ASSERT_TRUE((u32)wide == narrow && (int)wide == number);
		n++;
	} while (wide != ~0ULL && n < 1000);
	CU_ASSERT_EQUAL(n, pool_elts(pool) + 1);
	pool_free(pool);
	CU_ASSERT_EQUAL(pool_next_index(pool, narrow), ~0ULL);
	heap_end();
}

/* NULL is the empty pool. */
static void
null_is_an_empty_pool(void)
{
	thing_t *pool = 0, *e;
	uword i, n = 0;

	CU_ASSERT_EQUAL(pool_elts(pool), 0);
	CU_ASSERT_EQUAL(pool_len(pool), 0);
	CU_ASSERT_EQUAL(pool_bytes(pool), 0);
	CU_ASSERT_EQUAL(pool_free_elts(pool), 0);
	CU_ASSERT_TRUE(pool_is_free_index(pool, 0));
	CU_ASSERT_EQUAL(pool_next_index(pool, ~0), ~0ULL);
	CU_ASSERT_TRUE(pool_get_will_expand(pool));
	CU_ASSERT_EQUAL(pool_put_index(pool, 0), -EINVAL);
	CU_ASSERT_PTR_NULL(pool_dup(pool));
	CU_ASSERT_EQUAL(pool_check(pool), 0);
	pool_foreach (e, pool)
		n++;
	pool_foreach_index (i, pool)
		n++;
	pool_flush(e, pool, n++);
	CU_ASSERT_EQUAL(n, 0);
	pool_free(pool);
}

/* The index freed last is handed out first; new ones only when none is free. */
static void
last_freed_is_first_taken(void)
{
	thing_t *pool, *e;

	heap_begin(MiB(1));
	pool = pool_of(10);
	CU_ASSERT_EQUAL(pool_put_index(pool, 3), 0);
	CU_ASSERT_EQUAL(pool_put(pool, pool + 7), 0);
	CU_ASSERT_EQUAL(pool_elts(pool), 8);
	CU_ASSERT_EQUAL(pool_len(pool), 10);
	CU_ASSERT_TRUE(pool_is_free_index(pool, 3));
	CU_ASSERT_TRUE(pool_is_free(pool, pool + 7));
	CU_ASSERT_FALSE(pool_is_free_index(pool, 4));
	CU_ASSERT_TRUE(pool_is_free_index(pool, 10));
	CU_ASSERT_FALSE(pool_get_will_expand(pool));
	pool_get(pool, e);
	CU_ASSERT_EQUAL(e - pool, 7);
	CU_ASSERT_EQUAL(e->id, 7);
	pool_get_zero(pool, e);
	CU_ASSERT_EQUAL(e - pool, 3);
	CU_ASSERT_EQUAL(e->id, 0);
	pool_get(pool, e);
	CU_ASSERT_EQUAL(e - pool, 10);
	CU_ASSERT_EQUAL(pool_elt_at_index(pool, 9)->id, 9);
	CU_ASSERT_EQUAL(pool_check(pool), 0);
	pool_validate(pool);
	pool_free(pool);
	CU_ASSERT_PTR_NULL(pool);
	heap_end();
}

/* Wrong puts change nothing: what is free stays free once, what is not there stays away. */
static void
wrong_puts_are_refused(void)
{
	thing_t *pool;

	heap_begin(MiB(1));
	pool = pool_of(4);
	CU_ASSERT_EQUAL(pool_put_index(pool, 2), 0);
	CU_ASSERT_EQUAL(pool_put_index(pool, 2), -EALREADY);
	CU_ASSERT_EQUAL(pool_put_index(pool, 4), -EINVAL);
	CU_ASSERT_EQUAL(pool_put_index(pool, ~0ULL), -EINVAL);
	CU_ASSERT_EQUAL(pool_put(pool, pool - 1), -EINVAL);
	CU_ASSERT_EQUAL(pool_elts(pool), 3);
	CU_ASSERT_EQUAL(pool_check(pool), 0);
	pool_free(pool);
	heap_end();
}

/* Both generations' loops visit the same objects, in order of their indices. */
static void
loops_visit_what_is_in_use(void)
{
	thing_t *pool, *e, **pointers = 0, **pe;
	uword i, n, lo, hi, regions[8] = { 0 }, n_regions = 0;

	heap_begin(MiB(1));
	pool = pool_of(200);
	for (i = 0; i < 200; i++)
		if (i % 3 != 1 || i > 190)
			pool_put_index(pool, i);

	n = 0;
	pool_foreach (e, pool) {
		if (e->id % 2)
			continue;
		n += e->id;
	}
	CU_ASSERT_EQUAL(n, 3104); /* 4 + 10 + ... + 190 = 32 x 97 */
	n = 0;
	pool_foreach (e, pool, ({
			      uword a = e->id, b = 1;
			      n += a * b;
		      }))
		;
	CU_ASSERT_EQUAL(n, 6112); /* 1 + 4 + ... + 190 = 64 x 95.5 */
	n = 0;
	pool_foreach_index (i, pool)
		n += i;
	CU_ASSERT_EQUAL(n, 6112);
	n = 0;
	pool_foreach_index (i, pool, ({ n += i; }))
		;
	CU_ASSERT_EQUAL(n, 6112);
	n = 0;
	pool_foreach_stepping_index(i, 3, 10, pool) n += i;
	CU_ASSERT_EQUAL(n, 4 + 7);
	n = 0;
	for (i = pool_next_index(pool, ~0); i != ~0ULL; i = pool_next_index(pool, i))
		n++;
	CU_ASSERT_EQUAL(n, 64);
	CU_ASSERT_EQUAL(pool_get_first_index(pool), 1);
	CU_ASSERT_EQUAL(pool_get_next_index(pool, 1), 4);

	pool_foreach (e, pool) {
		pool_get(pointers, pe);
		*pe = e;
	}
	pool_put_index(pointers, 0);
	n = 0;
	pool_foreach_pointer(t, pointers) n += t->id;
	CU_ASSERT_EQUAL(n, 6112 - 1);

	pool_put_index(pool, 4);
	pool_get(pool, e);
	pool_get(pool, e); /* 199, freed before 4 was */
	n = 0;
	pool_foreach_region(lo, hi, pool, ({
				    CU_ASSERT_TRUE(lo < hi);
				    n += hi - lo;
				    if (n_regions < 8)
					    regions[n_regions++] = lo;
			    }));
	CU_ASSERT_EQUAL(n, pool_elts(pool));
	CU_ASSERT_EQUAL(regions[0], 1);
	CU_ASSERT_EQUAL(regions[1], 4);

	n = 0;
	pool_flush(e, pool, { n += e->id != ~0ULL; });
	CU_ASSERT_EQUAL(n, 65);
	CU_ASSERT_EQUAL(pool_elts(pool), 0);
	CU_ASSERT_EQUAL(pool_check(pool), 0);
	pool_free(pointers);
	pool_free(pool);
	heap_end();
}

/* A body may put the object it is at. */
static void
a_loop_may_put_its_object(void)
{
	thing_t *pool, *e;

	heap_begin(MiB(1));
	pool = pool_of(100);
	pool_foreach (e, pool)
		if (e->id % 2 == 0)
			pool_put(pool, e);
	CU_ASSERT_EQUAL(pool_elts(pool), 50);
	pool_foreach (e, pool)
		CU_ASSERT_EQUAL(e->id % 2, 1);
	pool_free(pool);
	heap_end();
}

/* A fixed pool never moves, starts at index 0, and has none when all are out. */
static void
a_fixed_pool_ends_without_moving(void)
{
	thing_t *pool, *e, *start;

	heap_begin(MiB(1));
	CU_ASSERT_EQUAL(pool_init_fixed(pool, 0), -EINVAL);
	CU_ASSERT_PTR_NULL(pool);
	CU_ASSERT_EQUAL(pool_init_fixed(pool, MiB(64)), -ENOMEM);
	CU_ASSERT_PTR_NULL(pool);
	CU_ASSERT_EQUAL(pool_init_fixed(pool, 67), 0);
	start = pool;
	CU_ASSERT_EQUAL(pool_elts(pool), 0);
	CU_ASSERT_EQUAL(pool_free_elts(pool), 67);
	for (uword i = 0; i < 67; i++) {
		CU_ASSERT_EQUAL(pool_get(pool, e), 0);
		CU_ASSERT_EQUAL(e - pool, (word)i);
	}
	CU_ASSERT_EQUAL(pool_get(pool, e), -ENOMEM);
	CU_ASSERT_PTR_NULL(e);
	CU_ASSERT_EQUAL(pool_get_zero(pool, e), -ENOMEM);
	CU_ASSERT_EQUAL(pool_alloc(pool, 1), -ENOMEM);
	CU_ASSERT_EQUAL(pool_elts(pool), 67);
	pool_put_index(pool, 66);
	CU_ASSERT_EQUAL(pool_alloc(pool, 1), 0);
	CU_ASSERT_EQUAL(pool_get(pool, e), 0);
	CU_ASSERT_PTR_EQUAL(pool, start);
	CU_ASSERT_EQUAL(pool_check(pool), 0);
	pool_free(pool);
	heap_end();
}

/* Reserved room: so many gets without a move, told in advance in both spellings. */
static void
reserved_room_is_kept(void)
{
	thing_t *pool = 0, *e, *start;
	int will_expand = -1;

	heap_begin(MiB(1));
	CU_ASSERT_EQUAL(pool_alloc_aligned(pool, 100, 64), 0);
	CU_ASSERT_EQUAL(pool_elts(pool), 0);
	CU_ASSERT_TRUE(pool_free_elts(pool) >= 100);
	start = pool;
	for (u32 i = 0; i < 100; i++) {
		CU_ASSERT_FALSE(pool_get_will_expand(pool));
		pool_get_will_expand(pool, will_expand);
		CU_ASSERT_EQUAL(will_expand, 0);
		pool_get_aligned(pool, e, 64);
	}
	CU_ASSERT_PTR_EQUAL(pool, start);
	CU_ASSERT_EQUAL((uword)pool % 64, 0);
	while (!pool_get_will_expand(pool))
		pool_get_aligned_zero(pool, e, 64);
	pool_get_aligned_will_expand(pool, will_expand, 64);
	CU_ASSERT_EQUAL(will_expand, 1);
	CU_ASSERT_EQUAL(pool_put_will_expand(pool, e), 0);
	CU_ASSERT_EQUAL(pool_validate_index(pool, 300), 0);
	CU_ASSERT_EQUAL(pool_len(pool), 301);
	CU_ASSERT_EQUAL(pool[300].id, 0);
	CU_ASSERT_FALSE(pool_is_free_index(pool, 300));
	pool_free(pool);
	heap_end();
}

/* A copy has the same objects and hands out the same indices. */
static void
a_copy_goes_on_alike(void)
{
	thing_t *pool, *copy, *e, *f;

	heap_begin(MiB(1));
	pool = pool_of(50);
	for (u32 i = 0; i < 50; i += 7)
		pool_put_index(pool, i);
	copy = pool_dup(pool);
	CU_ASSERT_EQUAL(pool_elts(copy), pool_elts(pool));
	CU_ASSERT_EQUAL(pool_check(copy), 0);
	pool_foreach (e, pool)
		CU_ASSERT_EQUAL(copy[e - pool].id, e->id);
	for (u32 i = 0; i < 20; i++) {
		pool_get(pool, e);
		pool_get(copy, f);
		CU_ASSERT_EQUAL(e - pool, f - copy);
	}
	pool_free(pool);
	pool_free(copy);
	heap_end();
}

/* Each allocation of a get failing in turn: -ENOMEM, no object, and a pool whose objects, length
 * and free indices are as before; puts need no memory at any time. */
static void
every_failed_allocation_leaves_the_pool_whole(void)
{
	u32 n_failed = 0;

	heap_begin(MiB(4));
	for (u32 n = 0; n < 200; n++) {
		for (u32 k = 1; k <= 3; k++) {
			thing_t *pool = pool_of(n), *e = (thing_t *)8;
			uword len = pool_len(pool);
			int error;

			mheap_fail_get_after(k);
			error = pool_get(pool, e);
			mheap_fail_get_after(0);
			CU_ASSERT_EQUAL(error != 0, e == NULL);
			CU_ASSERT_EQUAL(pool_elts(pool), n + (error == 0));
			CU_ASSERT_EQUAL(pool_len(pool), len + (error == 0));
			CU_ASSERT_EQUAL(pool_check(pool), 0);
			n_failed += error != 0;

			mheap_fail_get_after(1);
			for (u32 i = 0; i < n; i++) {
				CU_ASSERT_EQUAL(pool[i].id, i);
				CU_ASSERT_EQUAL(pool_put_index(pool, i), 0);
			}
			mheap_fail_get_after(0);
			CU_ASSERT_EQUAL(pool_check(pool), 0);
			pool_free(pool);
		}
	}
	CU_ASSERT_TRUE(n_failed > 0);
	for (u32 k = 1; k <= 3; k++) {
		thing_t *pool, *from = pool_of(100), *copy;

		mheap_fail_get_after(k);
		CU_ASSERT_EQUAL(pool_init_fixed(pool, 100), -ENOMEM);
		CU_ASSERT_PTR_NULL(pool);
		mheap_fail_get_after(k);
		copy = pool_dup(from);
		CU_ASSERT_PTR_NULL(copy);
		mheap_fail_get_after(0);
		pool_free(from);
	}
	heap_end();
}

/* The check sees each of its invariants broken. */
static void
the_check_sees_what_is_broken(void)
{
	pool_header_t *h;
	thing_t *pool;

	heap_begin(MiB(1));
	pool = pool_of(10);
	for (u32 i = 2; i < 5; i++)
		pool_put_index(pool, i);
	h = pool_header(pool);
	CU_ASSERT_EQUAL(pool_check(pool), 0);

	h->free_indices[0] = 3; /* there twice, and 2 not at all */
	CU_ASSERT_EQUAL(pool_check(pool), -EUCLEAN);
	h->free_indices[0] = 10; /* not there */
	CU_ASSERT_EQUAL(pool_check(pool), -EUCLEAN);
	h->free_indices[0] = 2;
	clib_bitmap_set_no_check(h->free_bitmap, 7, 1); /* a bit without an index */
	CU_ASSERT_EQUAL(pool_check(pool), -EUCLEAN);
	clib_bitmap_set_no_check(h->free_bitmap, 7, 0);
	clib_bitmap_set_no_check(h->free_bitmap, 11, 1); /* past the end */
	CU_ASSERT_EQUAL(pool_check(pool), -EUCLEAN);
	clib_bitmap_set_no_check(h->free_bitmap, 11, 0);
	CU_ASSERT_EQUAL(pool_check(pool), 0);
	pool_free(pool);
	heap_end();
}

/* Get until the heap is full. */
static void
exhaustion_is_told(void)
{
	thing_t *pool = 0, *e;
	uword n = 0;

	heap_begin(KiB(256));
	while (pool_get(pool, e) == 0)
		e->id = n++;
	CU_ASSERT_PTR_NULL(e);
	CU_ASSERT_EQUAL(pool_elts(pool), n);
	pool_foreach (e, pool)
		CU_ASSERT_EQUAL_FATAL(e->id, (uword)(e - pool));
	pool_put_index(pool, n / 2);
	CU_ASSERT_EQUAL(pool_get(pool, e), 0);
	CU_ASSERT_EQUAL(e->id, n / 2);
	pool_free(pool);
	heap_end();
}

/* ---- random operations beside an array of ids and a stack of free indices ---- */

#define MODEL_MAX 3000

static struct {
	u64 ids[MODEL_MAX + 1]; /* 0: free */
	u32 free_stack[MODEL_MAX + 1];
	u32 len, n_free;
} model;

static void
compare_with_model(thing_t *pool)
{
	uword n = 0;
	thing_t *e;

	CU_ASSERT_EQUAL_FATAL(pool_check(pool), 0);
	CU_ASSERT_EQUAL_FATAL(pool_len(pool), model.len);
	pool_foreach (e, pool) {
		CU_ASSERT_EQUAL_FATAL(e->id, model.ids[e - pool]);
		n++;
	}
	CU_ASSERT_EQUAL_FATAL(n, model.len - model.n_free);
	for (u32 i = 0; i < model.len; i++)
		CU_ASSERT_EQUAL_FATAL(pool_is_free_index(pool, i), model.ids[i] == 0);
}

static void
random_operations_match_an_array(void)
{
	u64 seed = unit_seed(), n_ops = unit_n_ops(3000000), n_refused = 0, favour = 8;
	thing_t *pool = 0, *e, *copy;

	heap_begin(MiB(16));
	memset(&model, 0, sizeof(model));
	for (u64 op = 0; op < n_ops; op++) {
		u32 i = (u32)unit_random_below(&seed, model.len + 2), expected;
		int error;

		/* Full and empty alternate. */
		if (op % 10000 == 0)
			favour = 4 + unit_random_below(&seed, 9);
		if (unit_random_below(&seed, 16) < favour) {
			if (model.n_free == 0 && model.len == MODEL_MAX)
				continue;
			if (unit_random_below(&seed, model.n_free ? 20 : 2) == 0)
				mheap_fail_get_after(1 + unit_random_below(&seed, 3));
			error = pool_get_aligned(pool, e, 64);
			mheap_fail_get_after(0);
			if (error) {
				CU_ASSERT_EQUAL(error, -ENOMEM);
				CU_ASSERT_PTR_NULL(e);
				CU_ASSERT_EQUAL(model.n_free, 0);
				n_refused++;
				continue;
			}
			expected = model.n_free ? model.free_stack[--model.n_free] : model.len++;
			CU_ASSERT_EQUAL_FATAL((uword)(e - pool), expected);
			model.ids[expected] = e->id = op + 1;
		} else {
			error = pool_put_index(pool, i);
			if (i >= model.len) {
				CU_ASSERT_EQUAL(error, -EINVAL);
			} else if (!model.ids[i]) {
				CU_ASSERT_EQUAL(error, -EALREADY);
			} else {
				CU_ASSERT_EQUAL(error, 0);
				model.ids[i] = 0;
				model.free_stack[model.n_free++] = i;
			}
		}
		CU_ASSERT_EQUAL(pool_elts(pool), model.len - model.n_free);
		if (op % 1000 == 0)
			compare_with_model(pool);
		if (op % 50000 == 0 && pool) {
			copy = pool_dup_aligned(pool, 64);
			pool_free(pool);
			pool = copy;
			compare_with_model(pool);
		}
		if (op % 25000 == 24999) {
			pool_free(pool);
			memset(&model, 0, sizeof(model));
		}
	}
	CU_ASSERT_TRUE(n_refused > 0);
	compare_with_model(pool);
	pool_free(pool);
	heap_end();
}

static const unit_test_t tests[] = {
	UNIT(null_is_an_empty_pool),
	UNIT(alignment_and_header_survive_growth),
	UNIT(old_and_new_forms_agree),
	UNIT(last_freed_is_first_taken),
	UNIT(wrong_puts_are_refused),
	UNIT(loops_visit_what_is_in_use),
	UNIT(a_loop_may_put_its_object),
	UNIT(a_fixed_pool_ends_without_moving),
	UNIT(reserved_room_is_kept),
	UNIT(a_copy_goes_on_alike),
	UNIT(every_failed_allocation_leaves_the_pool_whole),
	UNIT(the_check_sees_what_is_broken),
	UNIT(exhaustion_is_told),
	UNIT(random_operations_match_an_array),
};

int
main(void)
{
	return unit_run("pool", tests, ARRAY_LEN(tests));
}
