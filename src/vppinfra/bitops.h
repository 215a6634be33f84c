/* SPDX-License-Identifier: Apache-2.0 */
/* bitops: bits of words, and of arrays of words.  (count_set_bits, first_set, log2_first_set,
 * count_leading_zeros, count_trailing_zeros and foreach_set_bit are in clib.h.)
 *
 * A bit of an array is bit i % 64 of word i / 64; bounds are the caller's.  Threads: one writer. */
#ifndef included_vppinfra_bitops_h
#define included_vppinfra_bitops_h

#include <vppinfra/clib.h>

/** A mask of bit i; bit i of n, 0 or 1. */
#define SET_BIT(i) (1ULL << (i))
#define GET_BIT(n, i) ((n)&SET_BIT(i))

/** By i bits, modulo 64. */
always_inline uword
rotate_left(uword x, uword i)
{
	return x << (i & 63) | x >> (-i & 63);
}

/** Turn x to the right by i bits. */
always_inline uword
rotate_right(uword x, uword i)
{
	return x >> (i & 63) | x << (-i & 63);
}

/** The next greater number with as many bits set; 0 for 0 and when there is none (Beeler, Gosper
 *  and Schroeppel, HAKMEM, item 175). */
always_inline uword
next_with_same_number_of_set_bits(uword x)
{
	uword lowest = x & -x, carried = x + lowest;

	if (!carried || !x)
		return 0;
	/* The bits that the carry cleared but one go back to the bottom. */
	return carried | (x ^ carried) >> 2 >> log2_first_set(x);
}

/** The lowest set bit: as a mask, its number (64 for 0), and x without it. */
always_inline uword
get_lowest_set_bit(uword x)
{
	return x & -x;
}

/** Number of the lowest set bit; 64 for 0. */
always_inline u8
get_lowest_set_bit_index(uword x)
{
	return (u8)count_trailing_zeros(x);
}

/** x without its lowest set bit; 0 for 0. */
always_inline uword
clear_lowest_set_bit(uword x)
{
	return x & (x - 1);
}

/** Number of the highest set bit; x is not 0. */
always_inline u8
get_highest_set_bit_index(uword x)
{
	return (u8)min_log2(x);
}

/** The bits of x where mask has one, moved together at the bottom. */
always_inline u64
bit_extract_u64(u64 x, u64 mask)
{
#ifdef __BMI2__
	return __builtin_ia32_pext_di(x, mask);
#else
	u64 result = 0;

	for (u64 to = 1; mask; mask &= mask - 1, to <<= 1)
		result |= x & mask & -mask ? to : 0;
	return result;
#endif
}

/** The bits of x that the mask selects, moved together at the low end. */
always_inline u32
bit_extract_u32(u32 x, u32 mask)
{
	return (u32)bit_extract_u64(x, mask);
}

/* ---- arrays ---- */

/** Whether a bit of an array of words is set. */
always_inline int
uword_bitmap_is_bit_set(const uword *bmp, uword bit_index)
{
	return bmp[bit_index / 64] >> (bit_index % 64) & 1;
}

/** Clear all of n words. */
always_inline void
uword_bitmap_clear(uword *bmp, uword n_uwords)
{
	for (uword i = 0; i < n_uwords; i++)
		bmp[i] = 0;
}

/** Set bits in n words. */
always_inline uword
uword_bitmap_count_set_bits(const uword *bmp, uword n_uwords)
{
	uword count = 0;

	for (uword i = 0; i < n_uwords; i++)
		count += count_set_bits(bmp[i]);
	return count;
}

/** Number of the lowest set bit; one is. */
always_inline uword
uword_bitmap_find_first_set(const uword *bmp)
{
	uword i = 0;

	while (!bmp[i])
		i++;
	return 64 * i + count_trailing_zeros(bmp[i]);
}

/** The n_bits (at most 64) bits from bit i on, at the bottom; for n_bits = 0 it is 0. */
always_inline uword
uword_bitmap_get_multiple(const uword *bmp, uword i, uword n_bits)
{
	uword low = i % 64, x;

	if (n_bits == 0)
		return 0;
	x = bmp[i / 64] >> low;
	if (low + n_bits > 64)
		x |= bmp[i / 64 + 1] << (64 - low);
	return x & pow2_mask(n_bits);
}

/* Bits [i, i + n_bits) become value. */
always_inline void
_uword_bitmap_fill(uword *bmp, uword i, uword n_bits, int value)
{
	while (n_bits > 0) {
		uword low = i % 64, n = clib_min(64 - low, n_bits), mask = pow2_mask(n) << low;

		if (value)
			bmp[i / 64] |= mask;
		else
			bmp[i / 64] &= ~mask;
		i += n;
		n_bits -= n;
	}
}

/** Set n bits from one on; the array must have them. */
always_inline void
uword_bitmap_set_bits_at_index(uword *bmp, uword bit_index, uword n_bits)
{
	_uword_bitmap_fill(bmp, bit_index, n_bits, 1);
}

/** Clear n bits from one on; the array must have them. */
always_inline void
uword_bitmap_clear_bits_at_index(uword *bmp, uword bit_index, uword n_bits)
{
	_uword_bitmap_fill(bmp, bit_index, n_bits, 0);
}

/** Older names of these two. */
#define uword_bitmap_set_multiple(bmp, i, n_bits)                                                  \
	uword_bitmap_set_bits_at_index((bmp), (i), (n_bits))
#define uword_bitmap_clear_multiple(bmp, i, n_bits)                                                \
	uword_bitmap_clear_bits_at_index((bmp), (i), (n_bits))

#endif
