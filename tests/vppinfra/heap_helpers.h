/* SPDX-License-Identifier: Apache-2.0 */
/* heap_helpers: what the tests of mheap say over and over. */
#ifndef included_tests_heap_helpers_h
#define included_tests_heap_helpers_h

#include <vppinfra/mheap.h>
#include "unit.h"

#define NOTHING (~(uword)0)

static inline void *
heap_of(uword size)
{
	void *v = mheap_alloc(NULL, size);

	CU_ASSERT_PTR_NOT_NULL_FATAL(v);
	return v;
}

static inline uword
get(void *v, uword n_bytes)
{
	uword offset;

	CU_ASSERT_PTR_EQUAL(mheap_get(v, n_bytes, &offset), v);
	return offset;
}

static inline int
is_whole(const void *v)
{
	char what[512];
	int error = mheap_check(v, what, sizeof(what));

	if (error)
		printf("mheap_check: %s\n", what);
	return error == 0;
}

static inline uword
n_free_elts(const void *v)
{
	static u64 n_used[MHEAP_N_BINS], n_free[MHEAP_N_BINS];
	uword n = 0;

	mheap_bin_counts(v, n_used, n_free);
	for (uword i = 0; i < MHEAP_N_BINS; i++)
		n += n_free[i];
	return n;
}

/* The misuse that was reported last. */
static struct heap_report {
	uword n;
	const void *v, *caller;
	uword offset;
	char what[512];
} report __attribute__((unused));

static inline void
note_report(const char *what, const void *v, uword offset, const void *caller)
{
	report.n++;
	report.v = v;
	report.offset = offset;
	report.caller = caller;
	snprintf(report.what, sizeof(report.what), "%s", what);
}

#endif
