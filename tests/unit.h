/* SPDX-License-Identifier: Apache-2.0 */
/* unit: CUnit with less ceremony.  A test program lists its tests and returns unit_run().
 *
 *   static const unit_test_t tests[] = { UNIT(get_refuses_what_cannot_fit), ... };
 *   int main(void) { return unit_run("mheap", tests, ARRAY_LEN(tests)); }
 *
 * Exit status: 0 all passed, 1 a failure, 77 (meson: SKIP) from unit_skip(). */
#ifndef included_tests_unit_h
#define included_tests_unit_h

#include <stdio.h>
#include <stdlib.h>
#include <CUnit/Basic.h>
#include <CUnit/TestDB.h>
#include <vppinfra/clib.h>

typedef struct {
	const char *name;
	void (*fn)(void);
} unit_test_t;

#define UNIT(fn)                                                                                   \
	{                                                                                          \
#		fn, fn                                                                            \
	}

/* Every line is flushed, so a crash leaves the name of the test that crashed. */
static inline int
unit_run(const char *suite_name, const unit_test_t *tests, uword n_tests)
{
	CU_pSuite suite;
	unsigned n_failures;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (CU_initialize_registry() != CUE_SUCCESS)
		return 1;
	suite = CU_add_suite(suite_name, NULL, NULL);
	for (uword i = 0; i < n_tests; i++)
		CU_add_test(suite, tests[i].name, tests[i].fn);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	n_failures = CU_get_number_of_failures() + CU_get_number_of_suites_failed();
	CU_cleanup_registry();
	return n_failures != 0;
}

/* Ends the program as skipped, saying why and what would help. */
static inline void
unit_skip(const char *why)
{
	printf("SKIP: %s\n", why);
	exit(77);
}

/* Random tests: the seed is printed, and SEED=n in the environment repeats a run. */
static inline u64
unit_seed(void)
{
	const char *s = getenv("SEED");
	u64 seed = s ? strtoull(s, NULL, 0) : 0x5eed;

	printf("SEED=%llu\n", (unsigned long long)seed);
	return seed;
}

/* How many random operations: N_OPS in the environment, else the default; sanitizer builds run
 * slower and take a tenth. */
static inline u64
unit_n_ops(u64 n_default)
{
	const char *s = getenv("N_OPS");

	if (s)
		return strtoull(s, NULL, 0);
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	return n_default / 10;
#elif defined(__has_feature)
#	if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
	return n_default / 10;
#	endif
#endif
	return n_default;
}

/* splitmix64: Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators", 2014. */
static inline u64
unit_random(u64 *state)
{
	u64 z = (*state += 0x9e3779b97f4a7c15ull);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

/* Uniform in [0, n). */
static inline u64
unit_random_below(u64 *state, u64 n)
{
	return (u64)(((__uint128_t)unit_random(state) * n) >> 64);
}

#endif
