/* SPDX-License-Identifier: Apache-2.0 */
/* container_test: a small heap of a test's own under its containers, which must be empty again when
 * the test ends. */
#ifndef included_tests_container_test_h
#define included_tests_container_test_h

#include <vppinfra/mem.h>
#include "unit.h"

static void *test_heap, *heap_before;

static inline void
heap_begin(uword size)
{
	test_heap = mheap_alloc(0, size);
	CU_ASSERT_PTR_NOT_NULL_FATAL(test_heap);
	heap_before = clib_mem_set_heap(test_heap);
}

static inline void
heap_end(void)
{
	CU_ASSERT_EQUAL(mheap_elts(test_heap), 0);
	CU_ASSERT_EQUAL(mheap_check(test_heap, NULL, 0), 0);
	clib_mem_set_heap(heap_before);
	mheap_free(test_heap);
}

#endif
