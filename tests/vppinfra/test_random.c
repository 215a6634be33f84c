/* SPDX-License-Identifier: Apache-2.0 */
#include <vppinfra/mem.h>
#include <vppinfra/random.h>
#include <vppinfra/random_buffer.h>
#include <vppinfra/random_isaac.h>
#include "unit.h"

/* The words of a zero seed, read backwards in each 256, are the keys of PolyGlot's book format,
 * published as a table: its first four, and the last of its 781. */
static void
isaac_gives_the_published_words(void)
{
	static uword r[ISAAC_SIZE];
	static isaac_t ctx;

	isaac_init(&ctx, r);
	isaac(&ctx, r);
	CU_ASSERT_EQUAL(r[255], 0x9d39247e33776d41ull);
	CU_ASSERT_EQUAL(r[254], 0x2af7398005aaa5c7ull);
	CU_ASSERT_EQUAL(r[253], 0x44db015024623547ull);
	CU_ASSERT_EQUAL(r[252], 0x9c15f73e62a76ae2ull);
	for (int i = 0; i < 3; i++)
		isaac(&ctx, r);
	CU_ASSERT_EQUAL(r[255 - (780 - 3 * 256)], 0xf8d626aaaf278509ull);
}

/* Two contexts at a time are two contexts. */
static void
isaac2_is_isaac_twice(void)
{
	static uword both[2 * ISAAC_SIZE], one[ISAAC_SIZE], seed[ISAAC_SIZE];
	static isaac_t pair[2], single[2];

	for (uword c = 0; c < 2; c++) {
		seed[0] = c + 1;
		isaac_init(&pair[c], seed);
		isaac_init(&single[c], seed);
	}
	for (int i = 0; i < 5; i++) {
		isaac2(pair, both);
		for (uword c = 0; c < 2; c++) {
			isaac(&single[c], one);
			CU_ASSERT_EQUAL(memcmp(both + c * ISAAC_SIZE, one, sizeof(one)), 0);
		}
	}
	CU_ASSERT_NOT_EQUAL(memcmp(both, one, sizeof(one)), 0);
}

/* What comes in pieces is what comes in words: no byte twice, none out of bounds.  (VPP's buffer
 * hands out bytes again, and bytes beyond its cache, when a word is asked for in three pieces.) */
static void
a_buffer_hands_out_each_byte_once(void)
{
	static clib_random_buffer_t b, whole;
	u8 seen[8], *p;
	uword *w;

	clib_random_buffer_init(&b, 7);
	clib_random_buffer_init(&whole, 7);
	for (int i = 0; i < 3000; i++) {
		uword at = 0;

		for (uword n = 3; at < 8; n = clib_min(8 - at, (uword)(1 + i % 3))) {
			p = clib_random_buffer_get_data(&b, n);
			CU_ASSERT_PTR_NOT_NULL_FATAL(p);
			memcpy(seen + at, p, n);
			at += n;
		}
		w = clib_random_buffer_get_data(&whole, 8);
		CU_ASSERT_PTR_NOT_NULL_FATAL(w);
		CU_ASSERT_EQUAL(memcmp(seen, w, 8), 0);
	}
	clib_random_buffer_free(&b);
	clib_random_buffer_free(&whole);
	CU_ASSERT_PTR_NULL(b.buffer);
}

/* Large requests, requests of nothing, and neighbouring seeds. */
static void
a_buffer_fills_as_needed(void)
{
	static clib_random_buffer_t b, next;
	uword *w, n_same = 0, first[100];

	clib_random_buffer_init(&b, 1);
	clib_random_buffer_init(&next, 2);
	w = clib_random_buffer_get_data(&b, 100000);
	CU_ASSERT_PTR_NOT_NULL_FATAL(w);
	CU_ASSERT_EQUAL((uword)w % 8, 0);
	CU_ASSERT_PTR_NOT_NULL(clib_random_buffer_get_data(&b, 0));
	memcpy(first, clib_random_buffer_get_data(&b, sizeof(first)), sizeof(first));
	w = clib_random_buffer_get_data(&next, sizeof(first));
	for (uword i = 0; i < 100; i++)
		n_same += first[i] == w[i];
	CU_ASSERT_EQUAL(n_same, 0);
	clib_random_buffer_free(&b);
	clib_random_buffer_free(&next);
}

/* Without memory there is no data, and nothing is lost. */
static void
a_buffer_survives_exhaustion(void)
{
	static clib_random_buffer_t b;
	clib_mem_heap_t *small = clib_mem_create_heap(0, KiB(64), 0, "small"), *main_heap;

	CU_ASSERT_PTR_NOT_NULL_FATAL(small);
	main_heap = clib_mem_set_heap(small);
	clib_random_buffer_init(&b, 1);
	mheap_fail_get_after(1);
	CU_ASSERT_PTR_NULL(clib_random_buffer_get_data(&b, 4));
	CU_ASSERT_PTR_NOT_NULL(clib_random_buffer_get_data(&b, 5));
	CU_ASSERT_EQUAL(b.n_cached_bytes, 3);
	CU_ASSERT_PTR_NULL(clib_random_buffer_get_data(&b, MiB(1)));
	CU_ASSERT_EQUAL(b.n_cached_bytes, 3);
	CU_ASSERT_EQUAL(vec_len(b.buffer), 511);
	CU_ASSERT_PTR_NULL(clib_random_buffer_get_data(&b, ~(uword)0));
	CU_ASSERT_EQUAL(clib_random_buffer_fill(&b, ~(uword)0), -ENOMEM);
	CU_ASSERT_EQUAL(vec_len(b.buffer), 511);
	clib_random_buffer_free(&b);
	clib_mem_set_heap(main_heap);
	clib_mem_destroy_heap(small);
}

/* Bytes are spread: chi-square of 256 cells, mean 255, deviation 23. */
static void
bytes_are_spread(void)
{
	u64 *counts = vec_new(u64, 256);
	static clib_random_buffer_t b;
	f64 chi;

	clib_random_buffer_init(&b, 3);
	for (int i = 0; i < 200000; i++)
		counts[*(u8 *)clib_random_buffer_get_data(&b, 1)]++;
	chi = clib_chisquare(counts);
	CU_ASSERT_TRUE(chi > 255 - 5 * 23 && chi < 255 + 5 * 23);
	vec_free(counts);
	clib_random_buffer_free(&b);
}

static const unit_test_t tests[] = {
	UNIT(isaac_gives_the_published_words),   UNIT(isaac2_is_isaac_twice),
	UNIT(a_buffer_hands_out_each_byte_once), UNIT(a_buffer_fills_as_needed),
	UNIT(a_buffer_survives_exhaustion),      UNIT(bytes_are_spread),
};

int
main(void)
{
	return unit_run("random", tests, ARRAY_LEN(tests));
}
