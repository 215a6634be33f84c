/* SPDX-License-Identifier: Apache-2.0 */
#include <vppinfra/format.h>
#include <vppinfra/mem.h>
#include "unit.h"

static struct {
	uword n;
	char what[128];
} report;

static void
note_report(const char *what, const void *v, uword offset, const void *caller)
{
	report.n++;
	snprintf(report.what, sizeof(report.what), "%s", what);
}

/* Objects of any size and alignment do not overlap, and all memory comes back. */
static void
objects_are_apart_and_aligned(void)
{
	static const u32 sizes[] = { 1, 8, 24, 64, 100, 1000, 5000, 70000 };
	static const u32 aligns[] = { 0, 1, 8, 24, 64, 4096 };
	clib_mem_heap_t *heap = clib_mem_init(NULL, MiB(256));
	u8 *objects[100];

	for (u32 s = 0; s < ARRAY_LEN(sizes); s++) {
		for (u32 a = 0; a < ARRAY_LEN(aligns); a++) {
			clib_mem_bulk_handle_t b = clib_mem_bulk_init(sizes[s], aligns[a], 10);
			uword align = aligns[a] ? max_pow2(aligns[a]) : 16, n_wrong = 0;

			CU_ASSERT_PTR_NOT_NULL_FATAL(b);
			for (u32 i = 0; i < ARRAY_LEN(objects); i++) {
				objects[i] = clib_mem_bulk_alloc(b);
				CU_ASSERT_PTR_NOT_NULL_FATAL(objects[i]);
				CU_ASSERT_EQUAL((uword)objects[i] % align, 0);
				memset(objects[i], (int)i, sizes[s]);
			}
			for (u32 i = 0; i < ARRAY_LEN(objects); i++) {
				n_wrong += objects[i][0] != i || objects[i][sizes[s] - 1] != i;
				clib_mem_bulk_free(b, objects[i]);
			}
			CU_ASSERT_EQUAL(n_wrong, 0);
			/* The handle, and the one empty chunk that is kept. */
			CU_ASSERT_EQUAL(mheap_elts(heap), 2);
			clib_mem_bulk_destroy(b);
			CU_ASSERT_EQUAL(mheap_elts(heap), 0);
		}
	}
	clib_mem_bulk_destroy(NULL);
	clib_mem_exit();
}

/* Random allocs and frees against a plain array; the counts in words agree with it. */
static void
random_operations_keep_the_books(void)
{
	u64 seed = unit_seed();
	clib_mem_heap_t *heap = clib_mem_init(NULL, MiB(64));
	clib_mem_bulk_handle_t b = clib_mem_bulk_init(sizeof(u64), 8, 20);
	static u64 *objects[3000];
	u64 n_live = 0, n_wrong = 0;
	char expected[32];
	u8 *s;

	for (u64 k = unit_n_ops(300000); k > 0; k--) {
		u64 i = unit_random_below(&seed, ARRAY_LEN(objects));

		if (objects[i]) {
			n_wrong += *objects[i] != i;
			clib_mem_bulk_free(b, objects[i]);
			objects[i] = NULL;
			n_live--;
		} else {
			objects[i] = clib_mem_bulk_alloc(b);
			CU_ASSERT_PTR_NOT_NULL_FATAL(objects[i]);
			*objects[i] = i;
			n_live++;
		}
	}
	CU_ASSERT_EQUAL(n_wrong, 0);
	s = format(0, "%U%c", format_clib_mem_bulk, b, 0);
	snprintf(expected, sizeof(expected), "elts: %llu", (unsigned long long)n_live);
	CU_ASSERT_PTR_NOT_NULL(strstr((char *)s, expected));
	CU_ASSERT_PTR_NOT_NULL(strstr((char *)s, "8 bytes/elt, align 8, "));
	vec_free(s);
	for (u32 i = 0; i < ARRAY_LEN(objects); i++)
		clib_mem_bulk_free(b, objects[i]);
	CU_ASSERT_EQUAL(mheap_elts(heap), 2);
	clib_mem_bulk_destroy(b);
	CU_ASSERT_EQUAL(mheap_check(heap, NULL, 0), 0);
	clib_mem_exit();
}

/* Wrong frees are told apart, reported, counted and ignored. */
static void
wrong_frees_are_reported(void)
{
	clib_mem_bulk_handle_t b, other;
	u64 n_before = clib_mem_n_bad_frees();
	u8 *p, *q, on_stack;

	clib_mem_init(NULL, MiB(4));
	b = clib_mem_bulk_init(100, 0, 0);
	other = clib_mem_bulk_init(100, 0, 0);
	p = clib_mem_bulk_alloc(b);
	q = clib_mem_bulk_alloc(other);
	mheap_set_error_handler(note_report);
	report.n = 0;
	clib_mem_bulk_free(b, NULL);
	CU_ASSERT_EQUAL(report.n, 0);
	clib_mem_bulk_free(b, p + 1);
	clib_mem_bulk_free(b, q);
	clib_mem_bulk_free(b, &on_stack);
	clib_mem_bulk_free(b, clib_mem_alloc(100));
	clib_mem_bulk_free(b, (void *)~0ULL);
	/* An address in a chunk's header. */
	clib_mem_bulk_free(b, (u8 *)round_down_pow2((uword)p, 4096) + 8);
	CU_ASSERT_EQUAL(report.n, 6);
	CU_ASSERT_PTR_NOT_NULL(strstr(report.what, "no object"));
	clib_mem_bulk_free(b, p);
	CU_ASSERT_EQUAL(report.n, 6);
	clib_mem_bulk_free(b, p);
	CU_ASSERT_EQUAL(report.n, 7);
	CU_ASSERT_PTR_NOT_NULL(strstr(report.what, "already"));
	CU_ASSERT_EQUAL(clib_mem_n_bad_frees() - n_before, 7);
	mheap_set_error_handler(NULL);
	CU_ASSERT_PTR_EQUAL(clib_mem_bulk_alloc(b), p);
	clib_mem_bulk_destroy(b);
	clib_mem_bulk_destroy(other);
	clib_mem_exit();
}

/* When memory ends there is NULL, and what was handed out stays whole. */
static void
exhaustion_is_null(void)
{
	clib_mem_heap_t *heap = clib_mem_init(NULL, MiB(1));
	clib_mem_bulk_handle_t b;
	void *last = NULL, *p;
	uword n = 0;

	CU_ASSERT_PTR_NULL(clib_mem_bulk_init(0, 8, 8));
	CU_ASSERT_PTR_NULL(clib_mem_bulk_init(~0u, 8, 8));
	CU_ASSERT_PTR_NULL(clib_mem_bulk_init(8, ~0u, 8));
	CU_ASSERT_PTR_NULL(clib_mem_bulk_init(1 << 20, 8, ~0u));
	mheap_fail_get_after(1);
	CU_ASSERT_PTR_NULL(clib_mem_bulk_init(64, 64, 50));
	b = clib_mem_bulk_init(64, 64, 50);
	mheap_fail_get_after(1);
	CU_ASSERT_PTR_NULL(clib_mem_bulk_alloc(b));
	CU_ASSERT_EQUAL(mheap_elts(heap), 1);
	while ((p = clib_mem_bulk_alloc(b))) {
		memset(p, 0xee, 64);
		last = p;
		n++;
	}
	CU_ASSERT(n > 5000);
	clib_mem_bulk_free(b, last);
	CU_ASSERT_PTR_EQUAL(clib_mem_bulk_alloc(b), last);
	CU_ASSERT_PTR_NULL(clib_mem_bulk_alloc(b));
	clib_mem_bulk_destroy(b);
	CU_ASSERT_EQUAL(mheap_elts(heap), 0);
	CU_ASSERT_EQUAL(mheap_check(heap, NULL, 0), 0);
	clib_mem_exit();
}

/* The heap that was current at init, whatever is current later. */
static void
a_bulk_stays_in_its_heap(void)
{
	clib_mem_heap_t *heap = clib_mem_init(NULL, MiB(4)), *other = mheap_alloc(NULL, MiB(4));
	clib_mem_bulk_handle_t b = clib_mem_bulk_init(64, 64, 8);
	void *p;

	clib_mem_set_heap(other);
	p = clib_mem_bulk_alloc(b);
	CU_ASSERT_EQUAL(mheap_elts(other), 0);
	CU_ASSERT_EQUAL(mheap_elts(heap), 2);
	clib_mem_bulk_free(b, p);
	clib_mem_bulk_destroy(b);
	CU_ASSERT_EQUAL(mheap_elts(heap), 0);
	clib_mem_set_heap(heap);
	mheap_free(other);
	clib_mem_exit();
}

static const unit_test_t tests[] = {
	UNIT(objects_are_apart_and_aligned), UNIT(random_operations_keep_the_books),
	UNIT(wrong_frees_are_reported),      UNIT(exhaustion_is_null),
	UNIT(a_bulk_stays_in_its_heap),
};

int
main(void)
{
	return unit_run("mem_bulk", tests, ARRAY_LEN(tests));
}
