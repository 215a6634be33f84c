/* SPDX-License-Identifier: Apache-2.0 */
/* text_test: what the tests of format, unformat and error share. */
#ifndef included_tests_text_test_h
#define included_tests_text_test_h

#include <vppinfra/format.h>
#include <vppinfra/mem.h>
#include "unit.h"

/* Whether vector s, which is freed, holds exactly n bytes of text. */
static inline void
expect_bytes(int line, const char *text, uword n, u8 *s)
{
	int is_equal = vec_len64(s) == n && (n == 0 || !memcmp(s, text, n));

	if (!is_equal)
		printf("\nline %d: expected [%.*s]\n     got [%.*s]\n", line, (int)n, text,
		       (int)vec_len(s), s ? (char *)s : "");
	CU_ASSERT(is_equal);
	vec_free(s);
}

/* EXPECT("text", "%d", 1): what format() appends to nothing. */
#define EXPECT(text, ...) expect_bytes(__LINE__, text, strlen(text), format(NULL, __VA_ARGS__))

/* A heap that only this test uses, current until heap_done(): which checks that it is whole and
 * that everything was given back. */
typedef struct {
	void *heap, *former;
	uword n_elts;
} test_heap_t;

static inline test_heap_t
heap_make(uword n_bytes)
{
	test_heap_t h = { .heap = mheap_alloc(NULL, n_bytes) };

	h.n_elts = mheap_elts(h.heap);
	h.former = clib_mem_set_heap(h.heap);
	return h;
}

static inline void
heap_done(test_heap_t *h)
{
	char what[200] = "";

	CU_ASSERT_EQUAL(mheap_check(h->heap, what, sizeof(what)), 0);
	CU_ASSERT_EQUAL(mheap_elts(h->heap), h->n_elts);
	clib_mem_set_heap(h->former);
	mheap_free(h->heap);
}

#endif
