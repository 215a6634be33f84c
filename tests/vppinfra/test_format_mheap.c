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
	CU_ASSERT_EQUAL(n_lines(s), 9);
	CU_ASSERT_PTR_NOT_NULL(strstr(s, "\n  alloc. from free-list: 21 attempts, 0 hits (0.00%), "
					 "0 considered (per-attempt 0.00)\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(s, "\n  alloc. from vector-expand: 21\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(s, "\n  allocs: 22, 1 failed\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr(s, "\n  frees: 1, 1 bad"));
	CU_ASSERT_PTR_NOT_NULL(strstr(s, "\n  bins: 1 of 304 non-empty, the largest holds 64"));
	CU_ASSERT_PTR_NOT_NULL(strstr(s, "\n  non-empty bitmap: 0000000000000008 0"));
	CU_ASSERT_PTR_NOT_NULL(strstr(s, "\n  flags: none, trace off"));
	CU_ASSERT_PTR_NULL(strstr(s, "elements"));
	mheap_free(v);
}

/* More verbose: a histogram by bin with the lists' heads, and where the elements lie. */
static void
more_verbose_shows_the_elements(void)
{
	void *v = small_heap();
	const char *s = text_of(v, 2);

	CU_ASSERT_PTR_NOT_NULL(strstr(s, "          64          20           1    0x330\n"));
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
	UNIT(the_short_form_is_one_line),       UNIT(verbose_shows_the_counters),
	UNIT(more_verbose_shows_the_elements),  UNIT(the_map_is_bounded),
	UNIT(the_current_heap_can_show_itself),
};

int
main(void)
{
	return unit_run("format_mheap", tests, ARRAY_LEN(tests));
}
