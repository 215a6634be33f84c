/* SPDX-License-Identifier: Apache-2.0 */
#include <vppinfra/fifo.h>
#include <vppinfra/mem.h>
#include "unit.h"

/* NULL is an empty queue. */
static void
null_is_an_empty_queue(void)
{
	u32 *f = 0, *p, n = 0;

	CU_ASSERT_EQUAL(clib_fifo_elts(f), 0);
	CU_ASSERT_EQUAL(clib_fifo_len(f), 0);
	CU_ASSERT_EQUAL(clib_fifo_free_elts(f), 0);
	CU_ASSERT_TRUE(clib_fifo_is_full(f));
	CU_ASSERT_PTR_NULL(clib_fifo_dup(f));
	clib_fifo_foreach(p, f, n += *p);
	clib_fifo_reset(f);
	clib_fifo_advance_head(f, 0);
	CU_ASSERT_EQUAL(clib_fifo_validate(f, 0), 0);
	CU_ASSERT_EQUAL(n, 0);
	clib_fifo_free(f);
}

/* An empty queue has nothing to give: it says so, yields zero, and goes on as it was. */
static void
an_empty_queue_yields_nothing(void)
{
	struct {
		u64 a, b;
	} *f = 0, x = { 1, 2 }, *p;

	for (u32 turn = 0; turn < 3; turn++) {
		x.b = 2;
		p = &x;
		CU_ASSERT_EQUAL(clib_fifo_sub1(f, x), -ENOENT);
		CU_ASSERT_TRUE(x.a == 0 && x.b == 0);
		CU_ASSERT_EQUAL(clib_fifo_sub2(f, p), -ENOENT);
		CU_ASSERT_PTR_NULL(p);
		CU_ASSERT_EQUAL(clib_fifo_advance_head(f, 1), ~0ULL);
		CU_ASSERT_EQUAL(clib_fifo_elts(f), 0);
		x.a = turn;
		CU_ASSERT_EQUAL(clib_fifo_add1_aligned(f, x, 4096), 0);
		CU_ASSERT_EQUAL((uword)f % 4096, 0);
		CU_ASSERT_EQUAL(clib_fifo_advance_head(f, 2), ~0ULL);
		CU_ASSERT_TRUE(clib_fifo_sub1(f, x) == 0 && x.a == turn);
	}
	clib_fifo_free(f);
}

/* First in, first out, round the ring and over its growth. */
static void
elements_leave_in_order(void)
{
	u32 *f = 0, *p, x, next_in = 0, next_out = 0, some[5], n = 0;

	CU_ASSERT_EQUAL(clib_fifo_alloc(f, 10), 0);
	CU_ASSERT_TRUE(clib_fifo_free_elts(f) >= 10);
	for (u32 turn = 0; turn < 200; turn++) {
		for (u32 i = 0; i < 7; i++)
			CU_ASSERT_EQUAL(clib_fifo_add1(f, next_in++), 0);
		for (u32 i = 0; i < 6; i++) {
			clib_fifo_sub1(f, x);
			CU_ASSERT_EQUAL(x, next_out++);
		}
	}
	CU_ASSERT_EQUAL(clib_fifo_elts(f), 200);
	clib_fifo_add2(f, p);
	*p = next_in++;
	for (u32 i = 0; i < 5; i++)
		some[i] = next_in++;
	CU_ASSERT_EQUAL(clib_fifo_add(f, some, 5), 0);
	clib_fifo_foreach(p, f, ({
				  CU_ASSERT_EQUAL(*p, next_out + n);
				  n++;
			  }));
	CU_ASSERT_EQUAL(n, 206);
	CU_ASSERT_EQUAL(*clib_fifo_head(f), next_out);
	CU_ASSERT_EQUAL(*clib_fifo_elt_at_index(f, 205), next_in - 1);
	clib_fifo_sub2(f, p);
	CU_ASSERT_EQUAL(*p, next_out++);
	p = clib_fifo_head(f);
	CU_ASSERT_PTR_EQUAL(f + clib_fifo_advance_head(f, 100), p);
	clib_fifo_sub1(f, x);
	CU_ASSERT_EQUAL(x, next_out + 100);
	CU_ASSERT_EQUAL(clib_fifo_resize(f, 100), 0);
	p = clib_fifo_tail(f);
	CU_ASSERT_PTR_EQUAL(f + clib_fifo_advance_tail(f, 2), p);
	*clib_fifo_elt_at_index(f, 105) = 77;
	CU_ASSERT_EQUAL(clib_fifo_elts(f), 106);
	clib_fifo_reset(f);
	CU_ASSERT_EQUAL(clib_fifo_elts(f), 0);
	clib_fifo_free(f);
	CU_ASSERT_PTR_NULL(f);
}

/* Random adds and takes beside an array of all that ever went in; the heap fails now and then, and
 * an add that failed has not happened. */
static void
random_operations_match_an_array(void)
{
	u64 seed = unit_seed(), n_ops = unit_n_ops(500000), first = 0, last = 0, favour = 8;
	void *heap = mheap_alloc(0, MiB(16)), *before = clib_mem_set_heap(heap);
	u64 *model = malloc((n_ops + 1) * sizeof(*model)), *f = 0, *copy, *p, x, i, n_refused = 0;

	for (u64 op = 0; op < n_ops; op++) {
		if (op % 1000 == 0)
			favour = 4 + unit_random_below(&seed, 9);
		if (unit_random_below(&seed, 16) < favour) {
			int error;

			if (unit_random_below(&seed, 4) == 0)
				mheap_fail_get_after(1);
			x = unit_random(&seed);
			error = clib_fifo_add1_aligned(f, x, 64);
			mheap_fail_get_after(0);
			CU_ASSERT_TRUE(error == 0 || error == -ENOMEM);
			if (!error)
				model[last++] = x;
			n_refused += error != 0;
		} else if (last > first) {
			clib_fifo_sub1(f, x);
			CU_ASSERT_EQUAL(x, model[first++]);
		}
		CU_ASSERT_EQUAL_FATAL(clib_fifo_elts(f), last - first);
		if (op % 1000 == 0) {
			i = first;
			clib_fifo_foreach(p, f, CU_ASSERT_EQUAL(*p, model[i++]));
			CU_ASSERT_EQUAL((uword)f % 64, 0);
		}
		if (op % 20000 == 0) {
			copy = clib_fifo_dup_aligned(f, 64);
			clib_fifo_free(f);
			f = copy;
		}
		if (op % 7000 == 0) {
			clib_fifo_free(f);
			first = last;
		}
	}
	CU_ASSERT_TRUE(n_refused > 0);
	clib_fifo_free(f);
	free(model);
	CU_ASSERT_EQUAL(mheap_elts(heap), 0);
	clib_mem_set_heap(before);
	mheap_free(heap);
}

static const unit_test_t tests[] = {
	UNIT(null_is_an_empty_queue),
	UNIT(an_empty_queue_yields_nothing),
	UNIT(elements_leave_in_order),
	UNIT(random_operations_match_an_array),
};

int
main(void)
{
	return unit_run("fifo", tests, ARRAY_LEN(tests));
}
