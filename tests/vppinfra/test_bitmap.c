/* SPDX-License-Identifier: Apache-2.0 */
#include <vppinfra/bitmap.h>
#include <vppinfra/mem.h>
#include "unit.h"

/* The model: one byte a bit. */
#define N_BITS 400

typedef struct {
	u8 bits[N_BITS + 128];
} model_t;

static uword *
bitmap_of(const model_t *m)
{
	uword *b = 0;

	for (uword i = 0; i < N_BITS; i++)
		if (m->bits[i])
			b = clib_bitmap_set(b, i, 1);
	return b;
}

static void
randomise(model_t *m, u64 *seed)
{
	/* Sparse, half and dense sets, of different lengths. */
	u64 density = 1 + unit_random_below(seed, 15), n = unit_random_below(seed, N_BITS + 1);

	memset(m, 0, sizeof(*m));
	for (uword i = 0; i < n; i++)
		m->bits[i] = unit_random_below(seed, 16) < density;
}

static int
has_bits_of(const uword *b, const model_t *m)
{
	for (uword i = 0; i < N_BITS + 128; i++)
		if (clib_bitmap_get(b, i) != m->bits[i])
			return 0;
	return 1;
}

/* Bits agree, and no zero word is at the end. */
static int
is_model(const uword *b, const model_t *m)
{
	return has_bits_of(b, m) && (vec_len(b) == 0 || b[vec_len(b) - 1] != 0);
}

/* NULL is the empty set, to look at and to combine with. */
static void
null_is_the_empty_set(void)
{
	uword *b = 0, *c = 0, i, n = 0;

	CU_ASSERT_TRUE(clib_bitmap_is_zero(b));
	CU_ASSERT_EQUAL(clib_bitmap_get(b, 77), 0);
	CU_ASSERT_EQUAL(clib_bitmap_first_set(b), ~0ULL);
	CU_ASSERT_EQUAL(clib_bitmap_last_set(b), ~0ULL);
	CU_ASSERT_EQUAL(clib_bitmap_next_set(b, 5), ~0ULL);
	CU_ASSERT_EQUAL(clib_bitmap_first_clear(b), 0);
	CU_ASSERT_EQUAL(clib_bitmap_next_clear(b, 5), 5);
	CU_ASSERT_EQUAL(clib_bitmap_count_set_bits(b), 0);
	CU_ASSERT_TRUE(clib_bitmap_is_equal(b, c));
	clib_bitmap_foreach (i, b)
		n++;
	CU_ASSERT_EQUAL(n, 0);
	CU_ASSERT_PTR_NULL(clib_bitmap_or(b, c));
	CU_ASSERT_PTR_NULL(clib_bitmap_and(b, c));
	CU_ASSERT_PTR_NULL(clib_bitmap_set(b, 1000, 0));
	CU_ASSERT_PTR_NULL(clib_bitmap_set_region(b, 10, 0, 100));
	CU_ASSERT_EQUAL(clib_bitmap_validate(b, 0), 0);
	CU_ASSERT_PTR_NULL(b);
	clib_bitmap_free(b);
}

/* Single bits at the edges of words; clearing the last one trims, save where set does it. */
static void
single_bits(void)
{
	static const uword edges[] = { 0, 1, 63, 64, 65, 127, 128, 4095 };
	uword *b = 0;

	for (uword k = 0; k < ARRAY_LEN(edges); k++) {
		b = clib_bitmap_set(b, edges[k], 1);
		CU_ASSERT_EQUAL(clib_bitmap_get(b, edges[k]), 1);
		CU_ASSERT_EQUAL(clib_bitmap_count_set_bits(b), k + 1);
		CU_ASSERT_EQUAL(clib_bitmap_last_set(b), edges[k]);
	}
	CU_ASSERT_EQUAL(clib_bitmap_set_no_check(b, 64, 0), 1);
	CU_ASSERT_EQUAL(clib_bitmap_set_no_check(b, 64, 0), 0);
	CU_ASSERT_EQUAL(clib_bitmap_get_no_check(b, 64), 0);
	b = clib_bitmap_set(b, 4095, 0);
	CU_ASSERT_EQUAL(vec_len(b), 64);
	b = clib_bitmap_xori(b, 1);
	CU_ASSERT_EQUAL(vec_len(b), 3);
	CU_ASSERT_EQUAL(clib_bitmap_get(b, 1), 0);
	b = clib_bitmap_xori(b, 1);
	b = clib_bitmap_andi(b, 1);
	CU_ASSERT_EQUAL(clib_bitmap_first_set(b), 1);
	CU_ASSERT_EQUAL(clib_bitmap_last_set(b), 1);
	b = clib_bitmap_ori(b, 200);
	b = clib_bitmap_andnoti(b, 200);
	b = clib_bitmap_andnoti(b, 1);
	CU_ASSERT_TRUE(clib_bitmap_is_zero(b));
	CU_ASSERT_EQUAL(vec_len(b), 0);
	b = clib_bitmap_ori_notrim(b, 130);
	b = clib_bitmap_xori_notrim(b, 130);
	CU_ASSERT_EQUAL(vec_len(b), 3);
	b = clib_bitmap_andnoti_notrim(b, 64);
	CU_ASSERT_EQUAL(vec_len(b), 3);
	clib_bitmap_zero(b);
	clib_bitmap_free(b);
	CU_ASSERT_EQUAL(clib_bitmap_alloc(b, 65), 0);
	CU_ASSERT_EQUAL(vec_len(b), 2);
	CU_ASSERT_EQUAL(clib_bitmap_bytes(b), 16);
	clib_bitmap_free(b);
}

/* What was validated stays good for the no_check forms whatever set clears: a bit that is set
 * there is not lost to a vector that was cut short and grew again. */
static void
clearing_keeps_what_was_validated(void)
{
	uword *b = 0;

	CU_ASSERT_EQUAL(clib_bitmap_validate(b, 1024), 0);
	b = clib_bitmap_set(b, 5, 1);
	b = clib_bitmap_set(b, 5, 0);
	b = clib_bitmap_set_region(b, 100, 0, 50);
	b = clib_bitmap_set_multiple(b, 200, 0, 9);
	clib_bitmap_set_no_check(b, 800, 1);
	b = clib_bitmap_set(b, 900, 1);
	CU_ASSERT_EQUAL(clib_bitmap_get(b, 800), 1);
	CU_ASSERT_EQUAL(clib_bitmap_count_set_bits(b), 2);
	CU_ASSERT_EQUAL(vec_len(b), 16);
	clib_bitmap_free(b);
}

/* A body may change the set and the loop's variable: what is set above it, then, comes next. */
static void
a_loop_sees_what_its_body_changes(void)
{
	uword *b = 0, i;
	u32 narrow, n = 0, seen[8] = { 0 };
	int number;

	for (i = 0; i < 640; i += 5)
		b = clib_bitmap_set(b, i, 1);
	clib_bitmap_foreach (i, b) {
		if (n < ARRAY_LEN(seen))
			seen[n] = (u32)i;
		n++;
		if (i == 0) {
			b = clib_bitmap_set(b, 5, 0);
			b = clib_bitmap_set(b, 7, 1);
		} else if (i == 7)
			i = 500;
		else if (i == 505)
			b = clib_bitmap_andi(b, 510);
	}
	CU_ASSERT_EQUAL(n, 4);
	CU_ASSERT_TRUE(seen[0] == 0 && seen[1] == 7 && seen[2] == 505 && seen[3] == 510);
	n = 0;
	clib_bitmap_foreach (narrow, b)
		n += narrow;
	clib_bitmap_foreach (number, b)
		n += (u32)number;
	CU_ASSERT_EQUAL(n, 1020);
	clib_bitmap_foreach (i, b)
		clib_bitmap_free(b);
	CU_ASSERT_PTR_NULL(b);
}

/* Both generations' loops. */
static void
loops_visit_every_bit(void)
{
	uword *b = 0, i, n = 0, sum = 0;

	for (i = 0; i < 1000; i += 37)
		b = clib_bitmap_set(b, i, 1);
	clib_bitmap_foreach (i, b) {
		if (i % 2)
			continue;
		n++;
	}
	CU_ASSERT_EQUAL(n, 14);
	clib_bitmap_foreach (i, b, ({
				     uword x = i, y = 2;
				     sum += x * y;
			     }))
		;
	CU_ASSERT_EQUAL(sum, 2 * 37 * (27 * 28 / 2 - 27 + 27));
	clib_bitmap_free(b);
}

/* Runs of bits read and written across words, beside the model. */
static void
runs_match_the_model(void)
{
	u64 seed = unit_seed();
	model_t m;

	for (u32 turn = 0; turn < 2000; turn++) {
		u64 i = unit_random_below(&seed, N_BITS), n = unit_random_below(&seed, 65);
		u64 value = unit_random(&seed), expected = 0;
		uword *b;

		randomise(&m, &seed);
		b = bitmap_of(&m);
		for (u64 k = 0; k < n; k++)
			expected |= (u64)m.bits[i + k] << k;
		CU_ASSERT_EQUAL(clib_bitmap_get_multiple(b, i, n), expected);
		b = clib_bitmap_set_multiple(b, i, value, n);
		for (u64 k = 0; k < n; k++)
			m.bits[i + k] = value >> k & 1;
		CU_ASSERT_TRUE(has_bits_of(b, &m));

		i = unit_random_below(&seed, N_BITS);
		n = unit_random_below(&seed, N_BITS + 128 - i);
		b = clib_bitmap_set_region(b, i, value & 1, n);
		memset(m.bits + i, value & 1, n);
		CU_ASSERT_TRUE(has_bits_of(b, &m));
		clib_bitmap_free(b);
	}
}

/* Searches from every bit. */
static void
searches_match_the_model(void)
{
	u64 seed = unit_seed();
	model_t m;

	for (u32 turn = 0; turn < 200; turn++) {
		uword *b, set = ~0ULL, clear = ~0ULL, last = ~0ULL, n = 0;

		randomise(&m, &seed);
		b = bitmap_of(&m);
		for (uword i = N_BITS + 128; i-- > 0;) {
			set = m.bits[i] ? i : set;
			clear = m.bits[i] ? clear : i;
			n += m.bits[i];
			if (m.bits[i] && last == ~0ULL)
				last = i;
			CU_ASSERT_EQUAL(clib_bitmap_next_set(b, i), set);
			CU_ASSERT_EQUAL(clib_bitmap_next_clear(b, i), clear);
		}
		CU_ASSERT_EQUAL(clib_bitmap_first_set(b), set);
		CU_ASSERT_EQUAL(clib_bitmap_first_clear(b), clear);
		CU_ASSERT_EQUAL(clib_bitmap_last_set(b), last);
		CU_ASSERT_EQUAL(clib_bitmap_count_set_bits(b), n);
		CU_ASSERT_EQUAL(clib_bitmap_is_zero(b), n == 0);
		clib_bitmap_free(b);
	}
}

/* The four operations of two sets, in place and into a copy that leaves both alone. */
static void
set_operations_match_the_model(void)
{
	static uword *(*const in_place[])(uword *,
					  const uword *) = { clib_bitmap_and, clib_bitmap_andnot,
							     clib_bitmap_or, clib_bitmap_xor };
	static uword *(*const into_copy[])(const uword *, const uword *) = {
		clib_bitmap_dup_and, clib_bitmap_dup_andnot, clib_bitmap_dup_or, clib_bitmap_dup_xor
	};
	u64 seed = unit_seed();
	model_t a, b, r;

	for (u32 turn = 0; turn < 2000; turn++) {
		u32 op = turn % 4;
		uword *x, *y, *copy;

		randomise(&a, &seed);
		randomise(&b, &seed);
		for (uword i = 0; i < sizeof(r.bits); i++)
			r.bits[i] = op == 0   ? a.bits[i] & b.bits[i]
				    : op == 1 ? a.bits[i] & !b.bits[i]
				    : op == 2 ? a.bits[i] | b.bits[i]
					      : a.bits[i] ^ b.bits[i];
		x = bitmap_of(&a);
		y = bitmap_of(&b);
		copy = into_copy[op](x, y);
		CU_ASSERT_TRUE(is_model(copy, &r));
		CU_ASSERT_TRUE(is_model(x, &a));
		x = in_place[op](x, y);
		CU_ASSERT_TRUE(is_model(x, &r));
		CU_ASSERT_TRUE(is_model(y, &b));
		CU_ASSERT_TRUE(clib_bitmap_is_equal(x, copy));
		x = clib_bitmap_xori(x, N_BITS + 7);
		CU_ASSERT_FALSE(clib_bitmap_is_equal(x, copy));
		clib_bitmap_free(copy);
		clib_bitmap_free(x);
		clib_bitmap_free(y);
	}
}

/* Without memory a set is as it was, whatever was asked of it. */
static void
exhaustion_leaves_the_set_as_it_was(void)
{
	void *heap = mheap_alloc(0, MiB(1)), *before = clib_mem_set_heap(heap);
	static void *pieces[1000];
	uword n_pieces = 0, *b = 0, *big = 0, *copy;
	u32 seed = 1;

	b = clib_bitmap_set(b, 5, 1);
	big = clib_bitmap_set(big, 5000, 1);
	copy = clib_bitmap_dup(b);
	for (uword size = KiB(512); size >= 16; size /= 2)
		while (n_pieces < ARRAY_LEN(pieces) &&
		       (pieces[n_pieces] = clib_mem_alloc_or_null(size)))
			n_pieces++;
	b = clib_bitmap_set(b, 6000, 1);
	b = clib_bitmap_or(b, big);
	b = clib_bitmap_xor(b, big);
	b = clib_bitmap_ori(b, 7000);
	b = clib_bitmap_xori(b, 7000);
	b = clib_bitmap_set_multiple(b, 7000, 3, 2);
	b = clib_bitmap_set_region(b, 7000, 1, 2);
	b = clib_bitmap_random(b, 9000, &seed);
	CU_ASSERT_TRUE(clib_bitmap_is_equal(b, copy));
	CU_ASSERT_EQUAL(clib_bitmap_validate(b, 9000), -ENOMEM);
	CU_ASSERT_PTR_NULL(clib_bitmap_dup_or(big, b));
	while (n_pieces > 0)
		clib_mem_free(pieces[--n_pieces]);
	clib_bitmap_free(b);
	clib_bitmap_free(big);
	clib_bitmap_free(copy);
	CU_ASSERT_EQUAL(mheap_elts(heap), 0);
	clib_mem_set_heap(before);
	mheap_free(heap);
}

/* Random bits: within bounds, about half of them set. */
static void
random_bits_stay_in_bounds(void)
{
	uword *b = 0, n;
	u32 seed = 42;

	b = clib_bitmap_random(b, 10001, &seed);
	n = clib_bitmap_count_set_bits(b);
	CU_ASSERT_TRUE(n > 4500 && n < 5500);
	CU_ASSERT_TRUE(clib_bitmap_last_set(b) <= 10000);
	clib_bitmap_free(b);
}

/* Runs whose end is past the greatest number: setting finds no memory and changes nothing, clearing
 * goes to the end of the vector. */
static void
runs_past_the_greatest_number(void)
{
	uword *b = clib_bitmap_set(clib_bitmap_set(0, 7, 1), 700, 1);

	b = clib_bitmap_set_multiple(b, ~0ULL - 10, 0x3ff, 64);
	b = clib_bitmap_set_region(b, ~0ULL - 3, 1, 10);
	CU_ASSERT_EQUAL(clib_bitmap_count_set_bits(b), 2);
	b = clib_bitmap_set_multiple(b, ~0ULL - 10, 0, 64);
	CU_ASSERT_EQUAL(clib_bitmap_count_set_bits(b), 2);
	b = clib_bitmap_set_region(b, 8, 0, ~0ULL);
	CU_ASSERT_EQUAL(clib_bitmap_count_set_bits(b), 1);
	CU_ASSERT_EQUAL(clib_bitmap_get(b, 7), 1);
	clib_bitmap_free(b);
}

static const unit_test_t tests[] = {
	UNIT(null_is_the_empty_set),
	UNIT(single_bits),
	UNIT(clearing_keeps_what_was_validated),
	UNIT(a_loop_sees_what_its_body_changes),
	UNIT(loops_visit_every_bit),
	UNIT(runs_match_the_model),
	UNIT(searches_match_the_model),
	UNIT(set_operations_match_the_model),
	UNIT(exhaustion_leaves_the_set_as_it_was),
	UNIT(random_bits_stay_in_bounds),
	UNIT(runs_past_the_greatest_number),
};

int
main(void)
{
	return unit_run("bitmap", tests, ARRAY_LEN(tests));
}
