/* SPDX-License-Identifier: Apache-2.0 */
/* Compiled twice: as it is, and for hsw.  The processor at hand decides which build runs. */
#include <vppinfra/march.h>

CLIB_MARCH_FN(priority_of_build, int, int more)
{
	return CLIB_MARCH_FN_PRIORITY() + more;
}

int
CLIB_MULTIARCH_FN(priority_of_registered)(void)
{
	return CLIB_MARCH_FN_PRIORITY();
}

CLIB_MARCH_FN_REGISTRATION(priority_of_registered)

#ifndef CLIB_MARCH_VARIANT
#	include "unit.h"

static int
plain(void)
{
	return 1;
}

static int
wide(void)
{
	return 2;
}

/* The hsw build runs where the processor can, the plain one elsewhere; both ways of choosing agree.
 */
static void
the_best_build_runs(void)
{
	int (*fn)(void) = CLIB_MARCH_FN_POINTER(priority_of_registered);
	int expected = 0;

#	ifdef __x86_64__
	expected = clib_max(clib_cpu_march_priority_hsw(), 0);
	CU_ASSERT_EQUAL(clib_cpu_march_priority_hsw(), __builtin_cpu_supports("avx2") ? 50 : -1);
#	endif
	CU_ASSERT_EQUAL(CLIB_MARCH_FN_SELECT(priority_of_build)(1000), 1000 + expected);
	CU_ASSERT_PTR_NOT_NULL_FATAL(fn);
	CU_ASSERT_EQUAL(fn(), expected);
}

/* What the processor cannot run is never chosen, whatever else there is. */
static void
what_cannot_run_is_not_chosen(void)
{
	clib_march_fn_registration a = { .function = (void *)plain, .priority = 0 };
	clib_march_fn_registration b = { .function = (void *)wide, .priority = -1, .next = &a };

	CU_ASSERT_PTR_EQUAL(clib_march_select_fn_ptr(&b), (void *)plain);
	b.priority = 100;
	CU_ASSERT_PTR_EQUAL(clib_march_select_fn_ptr(&b), (void *)wide);
	a.priority = 200;
	CU_ASSERT_PTR_EQUAL(clib_march_select_fn_ptr(&b), (void *)plain);
	a.priority = b.priority = -1;
	CU_ASSERT_PTR_NULL(clib_march_select_fn_ptr(&b));
	CU_ASSERT_PTR_NULL(clib_march_select_fn_ptr(NULL));
}

static const unit_test_t tests[] = {
	UNIT(the_best_build_runs),
	UNIT(what_cannot_run_is_not_chosen),
};

int
main(void)
{
	return unit_run("march", tests, ARRAY_LEN(tests));
}
#endif
