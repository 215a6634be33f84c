/* SPDX-License-Identifier: Apache-2.0 */
/* A heap in words, at each verbosity, also when the words grow in that very heap. */
#include <vppinfra/format.h>
#include <vppinfra/mem.h>
#include "heap_helpers.h"

static char text[16384];

static const char *
text_of(void *v, int verbose)
{
	u8 *s = format(NULL, "%U", format_mheap, v, verbose);
	uword n = clib_min((uword)vec_len(s), sizeof(text) - 1);

	memcpy(text, s, n);
	text[n] = 0;
	vec_free(s);
	return text;
}

static uword
n_lines(const char *s)
{
	uword n = 1;

	for (; *s; s++)
		n += *s == '\n';
	return n;
}

/* 20 objects and a hole in a heap of 1 MiB. */
static void *
small_heap(void)
{
	void *v = heap_of(MiB(1));
	uword hole = 0;

	for (int i = 0; i < 21; i++) {
		uword offset = get(v, 64);

		if (i == 10)
			hole = offset;
	}
	mheap_put(v, hole);
	return v;
}

/* Without verbosity: one line, no newline, VPP's words. */
static void
the_short_form_is_one_line(void)
{
	void *v = small_heap();

	CU_ASSERT_STRING_EQUAL(text_of(v, 0), "20 objects, 1k of 4k used, 64 free, 0 reclaimed, "
					      "3k overhead, 1020k capacity");
	CU_ASSERT_STRING_EQUAL(text_of(NULL, 0), "no heap");
	mheap_free(v);
}

/* Verbose: counters, bins and the bitmap. */
static void
verbose_shows_the_counters(void)
{
	void *v = small_heap();
	const char *s;

	mheap_put_checked(v, 3);
	get(v, MiB(2));
	s = text_of(v, 1);
	CU_ASSERT_EQUAL(n_lines(s), 12);
	CU_ASSERT_PTR_NOT_NULL(strstr(s, "\n  alloc. from small object cache: 0 hits 0 attempts "
					 "(0.00%) replacements 0\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(s, "\n  alloc. from free-list: 21 attempts, 0 hits (0.00%), "
					 "0 considered (per-attempt 0.00)\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(s, "\n  alloc. from vector-expand: 21\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(s, "\n  allocs: 22 0.00 clocks/call\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(s, "\n  frees: 1 0.00 clocks/call\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(s, "\n  timed: 0 allocs, 0 frees"));
	CU_ASSERT_PTR_NOT_NULL(strstr(s, "\n  refused: 1 allocs, 1 frees; 0 lists"));
	CU_ASSERT_PTR_NOT_NULL(strstr(s, "\n  bins: 1 of 304 non-empty, the largest holds 64"));
	CU_ASSERT_PTR_NOT_NULL(strstr(s, "\n  non-empty bitmap: 0000000000000008 0"));
	CU_ASSERT_PTR_NOT_NULL(strstr(s, "\n  flags: none, validated 0 times"));
	CU_ASSERT_PTR_NULL(strstr(s, "elements"));
	mheap_free(v);
}

/* More verbose: a histogram by bin with the lists' heads, and where the elements lie. */
static void
more_verbose_shows_the_elements(void)
{
	void *v = small_heap();
	const char *s = text_of(v, 2);

	CU_ASSERT_PTR_NOT_NULL(
		strstr(s, "          64          20          1.0000           1    0x330\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(s, "\n    0x10 0x60 0xb0"));
	CU_ASSERT_PTR_NOT_NULL(strstr(s, " (0x330)"));
	mheap_free(v);
}

/* VPP's map never ended.  This one is a screen, however large the heap. */
static void
the_map_is_bounded(void)
{
	void *v = heap_of(MiB(4));
	const char *s;

	for (int i = 0; i < 10000; i++)
		get(v, 16);
	s = text_of(v, 2);
	CU_ASSERT(n_lines(s) < 40);
	CU_ASSERT_PTR_NOT_NULL(strstr(s, "and 9872 more"));
	mheap_free(v);
}

/* VPP printed the size of every bin as 8 + 4 times its number, wrong above a kibibyte.  Each size
 * here is one whose objects fall into that bin. */
static void
the_histogram_has_true_sizes(void)
{
	void *v = heap_of(MiB(64));
	char line[64];
	const char *s;

	for (uword n = 48; n <= MiB(8); n *= 3)
		get(v, n);
	s = text_of(v, 2);
	CU_ASSERT_PTR_NOT_NULL(strstr(s, "      Size        Count       Fraction        Free"));
	for (uword n = 48; n <= MiB(8); n *= 3) {
		uword bin = mheap_bin_of_size(round_pow2(n, 16));

		CU_ASSERT(mheap_bin_bytes(bin) <= round_pow2(n, 16));
		CU_ASSERT(mheap_bin_bytes(bin + 1) > n);
		snprintf(line, sizeof(line), "\n  %12llu           1",
			 (unsigned long long)mheap_bin_bytes(bin));
		CU_ASSERT_PTR_NOT_NULL(strstr(s, line));
	}
	mheap_free(v);
}

/* While a heap is traced or validated its calls are timed, and the lines say how long they took. */
static void
watched_calls_are_timed(void)
{
	void *v = heap_of(MiB(1));
	const char *s;
	f64 clocks = 0;

	mheap_set_flags(v, MHEAP_FLAG_VALIDATE, 0);
	for (int i = 0; i < 40; i++)
		mheap_put(v, get(v, 64));
	s = text_of(v, 1);
	CU_ASSERT_PTR_NOT_NULL_FATAL(strstr(s, "allocs: 40 "));
	CU_ASSERT_EQUAL(sscanf(strstr(s, "allocs: 40 "), "allocs: 40 %lf clocks/call", &clocks), 1);
	CU_ASSERT(clocks > 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(s, "timed: 3 allocs, 3 frees"));
	CU_ASSERT_PTR_NOT_NULL(strstr(s, "flags: validate,"));
	mheap_free(v);
}

/* A header that was written over is named, with its bytes; no walk goes on behind it. */
static void
the_first_corrupt_object_is_named(void)
{
	void *v = heap_of(MiB(1));
	uword a = get(v, 64), b = get(v, 64);
	char line[128];
	const char *s;

	get(v, 64);
	CU_ASSERT_PTR_NULL(strstr(text_of(v, 1), "corrupt object"));
	memset((u8 *)v + a, 0xa5, 64 + 8);
	s = text_of(v, 2);
	snprintf(line, sizeof(line),
		 "first corrupt object: 0x%llx, size 64\n    00000000: a5a5a5a5a5a5a5a5",
		 (unsigned long long)((uword)v + b));
	CU_ASSERT_PTR_NOT_NULL(strstr(s, line));
	CU_ASSERT_PTR_NULL(strstr(s, "elements, free ones"));
	mheap_free(v);
}

/* Shown in itself: the current heap, with its lock, while the text grows in it. */
static void
the_current_heap_can_show_itself(void)
{
	void *v = clib_mem_init(NULL, MiB(1));
	const char *s;

	clib_mem_alloc(100);
	s = text_of(v, 2);
	CU_ASSERT_PTR_NOT_NULL(strstr(s, "flags: thread-safe"));
	CU_ASSERT_PTR_NULL(strstr(s, "locked by"));
	CU_ASSERT(is_whole(v));
	CU_ASSERT_EQUAL(mheap_elts(v), 1);
	/* And when there is no memory for the words: nothing worse than fewer words. */
	while (clib_mem_alloc_or_null(16))
		;
	CU_ASSERT_PTR_NULL(format(NULL, "%U", format_mheap, v, 2));
	CU_ASSERT(is_whole(v));
	clib_mem_exit();
}

static const unit_test_t tests[] = {
	UNIT(the_short_form_is_one_line),        UNIT(verbose_shows_the_counters),
	UNIT(more_verbose_shows_the_elements),   UNIT(the_map_is_bounded),
	UNIT(the_histogram_has_true_sizes),      UNIT(watched_calls_are_timed),
	UNIT(the_first_corrupt_object_is_named), UNIT(the_current_heap_can_show_itself),
};

int
main(void)
{
	return unit_run("format_mheap", tests, ARRAY_LEN(tests));
}
