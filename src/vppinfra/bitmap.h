/* SPDX-License-Identifier: Apache-2.0 */
/* bitmap: sets of small numbers, as vectors of words; NULL is the empty set.
 *
 *   clib_bitmap_t *b = 0;
 *   b = clib_bitmap_set (b, 42, 1);      the bitmap may move: store what is returned
 *   clib_bitmap_foreach (i, b) ...       42
 *
 * Bit i is bit i % 64 of word i / 64; bits past the vector are zero.  Operations on whole sets and
 * the and, andnot, or, xor forms of one bit drop zero words at the end (save notrim forms); set
 * and its multiples never shorten the vector, so that what was validated stays good for the
 * no_check forms.  A call that finds no memory returns the bitmap as it was, so the bit it was to
 * set reads 0.
 *
 * Threads: one at a time.  Owner and memory: as a vector's (vec.h). */
#ifndef included_vppinfra_bitmap_h
#define included_vppinfra_bitmap_h

#include <vppinfra/error.h>
#include <vppinfra/random.h>
#include <vppinfra/vec.h>

typedef uword clib_bitmap_t;

/** Bits in a word of a bitmap. */
#define CLIB_BITMAP_WORD_BITS 64

/** Words that hold n bits. */
always_inline uword
_clib_bitmap_n_words(uword n_bits)
{
	return n_bits / CLIB_BITMAP_WORD_BITS + (n_bits % CLIB_BITMAP_WORD_BITS != 0);
}

/* ---- make, copy, free ---- */

/** Room for bits [0, n_bits), new ones zero.  Value: 0 or -ENOMEM. */
#define clib_bitmap_validate(v, n_bits) _clib_bitmap_validate(v, n_bits, CLIB_UNIQUE(_bitmap_n))
#define _clib_bitmap_validate(v, n_bits, n)                                                        \
	({                                                                                         \
		uword n = _clib_bitmap_n_words(n_bits);                                            \
		n ? vec_validate(v, n - 1) : 0;                                                    \
	})

/** v becomes a fresh bitmap of n_bits zeros; its former value is not freed. */
#define clib_bitmap_alloc(v, n_bits)                                                               \
	({                                                                                         \
		(v) = 0;                                                                           \
		clib_bitmap_validate(v, n_bits);                                                   \
	})

/** Of the vector that a bitmap is: make word i valid (0 or -ENOMEM); a copy, NULL without memory;
 *  free and set to 0; bytes in use. */
#define clib_bitmap_vec_validate(v, i) vec_validate(v, i)
#define clib_bitmap_dup(v) ((uword *)vec_dup(v))
#define clib_bitmap_free(v) vec_free(v)
#define clib_bitmap_bytes(v) vec_bytes(v)

/** Clear every bit; the words stay. */
#define clib_bitmap_zero(v) vec_zero(v)

/* ---- whole sets ---- */

/** Whether no bit is set. */
static inline uword
clib_bitmap_is_zero(const uword *ai)
{
	for (uword i = 0; i < vec_len64(ai); i++)
		if (ai[i])
			return 0;
	return 1;
}

/** Same bits; trailing zero words make no difference. */
static inline uword
clib_bitmap_is_equal(const uword *a, const uword *b)
{
	uword n = clib_max(vec_len64(a), vec_len64(b));

	for (uword i = 0; i < n; i++)
		if ((i < vec_len64(a) ? a[i] : 0) != (i < vec_len64(b) ? b[i] : 0))
			return 0;
	return 1;
}

/** How many bits are set. */
static inline uword
clib_bitmap_count_set_bits(const uword *ai)
{
	uword n = 0;

	for (uword i = 0; i < vec_len64(ai); i++)
		n += count_set_bits(ai[i]);
	return n;
}

/** Drop zero words at the end; the memory stays. */
static inline uword *
_clib_bitmap_remove_trailing_zeros(uword *a)
{
	uword n = vec_len64(a);

	while (n > 0 && a[n - 1] == 0)
		n--;
	vec_set_len(a, n);
	return a;
}

/* ---- one bit ---- */

/** Set or clear bit i, which is inside the vector.  Value: what it was. */
always_inline uword
clib_bitmap_set_no_check(uword *a, uword i, uword new_value)
{
	uword *w = a + i / CLIB_BITMAP_WORD_BITS, bit = 1ULL << i % CLIB_BITMAP_WORD_BITS;
	uword old = (*w & bit) != 0;

	ASSERT(i / CLIB_BITMAP_WORD_BITS < vec_len64(a));
	*w = new_value ? *w | bit : *w & ~bit;
	return old;
}

/** Set (value not 0) or clear bit i. */
static inline uword *
clib_bitmap_set(uword *ai, uword i, uword value)
{
	uword at = i / CLIB_BITMAP_WORD_BITS;

	if (at >= vec_len64(ai)) {
		if (!value || vec_validate(ai, at))
			return ai;
	}
	clib_bitmap_set_no_check(ai, i, value);
	return ai;
}

/** Bit i, 0 or 1, of a bitmap that has its word. */
always_inline uword
clib_bitmap_get_no_check(const uword *ai, uword i)
{
	return ai[i / CLIB_BITMAP_WORD_BITS] >> i % CLIB_BITMAP_WORD_BITS & 1;
}

/** Bit i, 0 past the end. */
always_inline uword
clib_bitmap_get(const uword *ai, uword i)
{
	return i / CLIB_BITMAP_WORD_BITS < vec_len64(ai) ? clib_bitmap_get_no_check(ai, i) : 0;
}

/* ---- a run of bits ---- */

/** Bits [i, i + n_bits) as a number, bit i lowest; n_bits at most 64. */
static inline uword
clib_bitmap_get_multiple(const uword *ai, uword i, uword n_bits)
{
	uword at = i / CLIB_BITMAP_WORD_BITS, shift = i % CLIB_BITMAP_WORD_BITS, x = 0;

	ASSERT(n_bits <= CLIB_BITMAP_WORD_BITS);
	if (at < vec_len64(ai))
		x = ai[at] >> shift;
	if (shift && at + 1 < vec_len64(ai))
		x |= ai[at + 1] << (CLIB_BITMAP_WORD_BITS - shift);
	return x & pow2_mask(n_bits);
}

/** The same; checking costs nothing here. */
#define clib_bitmap_get_multiple_no_check(ai, i, n_bits) clib_bitmap_get_multiple(ai, i, n_bits)

/* One past the last of n_bits from i; ~0 stands for what is beyond: no memory holds that. */
always_inline uword
_clib_bitmap_region_end(uword i, uword n_bits)
{
	uword end;

	return __builtin_add_overflow(i, n_bits, &end) ? ~0ULL : end;
}

/** Set bits [i, i + n_bits), any number of them, all to 1 (value not 0) or all to 0. */
static inline uword *
clib_bitmap_set_region(uword *bitmap, uword i, uword value, uword n_bits)
{
	uword end = _clib_bitmap_region_end(i, n_bits);

	if (value ? clib_bitmap_validate(bitmap, end) : 0)
		return bitmap;
	end = clib_min(end, vec_len64(bitmap) * CLIB_BITMAP_WORD_BITS);
	while (i < end) {
		uword shift = i % CLIB_BITMAP_WORD_BITS;
		uword n = clib_min(end - i, CLIB_BITMAP_WORD_BITS - shift);
		uword mask = pow2_mask(n) << shift, *w = bitmap + i / CLIB_BITMAP_WORD_BITS;

		*w = value ? *w | mask : *w & ~mask;
		i += n;
	}
	return bitmap;
}

/** Set bits [i, i + n_bits) to those of value, bit i its lowest; n_bits at most 64. */
static inline uword *
clib_bitmap_set_multiple(uword *bitmap, uword i, uword value, uword n_bits)
{
	uword at = i / CLIB_BITMAP_WORD_BITS, shift = i % CLIB_BITMAP_WORD_BITS;
	uword mask = pow2_mask(n_bits);

	ASSERT(n_bits <= CLIB_BITMAP_WORD_BITS);
	value &= mask;
	if (!value)
		return clib_bitmap_set_region(bitmap, i, 0, n_bits);
	if (clib_bitmap_validate(bitmap, _clib_bitmap_region_end(i, n_bits)))
		return bitmap;
	bitmap[at] = (bitmap[at] & ~(mask << shift)) | value << shift;
	if (shift + n_bits > CLIB_BITMAP_WORD_BITS) {
		shift = CLIB_BITMAP_WORD_BITS - shift;
		bitmap[at + 1] = (bitmap[at + 1] & ~(mask >> shift)) | value >> shift;
	}
	return bitmap;
}

/* ---- searches ---- */

/* The word at `at` or behind it that holds a set bit (flip 0) or a clear one (flip ~0): that bit;
 * the number of bits in the vector when there is none. */
static inline uword
_clib_bitmap_scan(const uword *ai, uword at, uword flip)
{
	uword n = vec_len64(ai);

	for (; at < n; at++)
		if (ai[at] != flip)
			return at * CLIB_BITMAP_WORD_BITS + log2_first_set(ai[at] ^ flip);
	return n * CLIB_BITMAP_WORD_BITS;
}

/** Lowest set bit at or above i; ~0 for none. */
always_inline uword
clib_bitmap_next_set(const uword *ai, uword i)
{
	uword at = i / CLIB_BITMAP_WORD_BITS, n = vec_len64(ai), t;

	if (PREDICT_FALSE(at >= n))
		return ~0ULL;
	/* Most often it is in the same word. */
	t = ai[at] >> i % CLIB_BITMAP_WORD_BITS;
	if (PREDICT_TRUE(t != 0))
		return i + (uword)__builtin_ctzll(t);
	i = _clib_bitmap_scan(ai, at + 1, 0);
	return i < n * CLIB_BITMAP_WORD_BITS ? i : ~0ULL;
}

/** Lowest clear bit at or above i; there always is one, perhaps past the vector. */
always_inline uword
clib_bitmap_next_clear(const uword *ai, uword i)
{
	uword at = i / CLIB_BITMAP_WORD_BITS, t;

	if (PREDICT_FALSE(at >= vec_len64(ai)))
		return i;
	t = ~ai[at] >> i % CLIB_BITMAP_WORD_BITS;
	if (PREDICT_TRUE(t != 0))
		return i + (uword)__builtin_ctzll(t);
	return _clib_bitmap_scan(ai, at + 1, ~0ULL);
}

/** VPP's spelling where it puts its own next_clear right. */
#define clib_bitmap_next_clear_corrected(ai, i) clib_bitmap_next_clear((ai), (i))

/** The lowest bit that is set; ~0 for none. */
static inline uword
clib_bitmap_first_set(const uword *ai)
{
	return clib_bitmap_next_set(ai, 0);
}

/** The lowest bit that is not set; there is always one. */
static inline uword
clib_bitmap_first_clear(const uword *ai)
{
	return clib_bitmap_next_clear(ai, 0);
}

/** Greatest set bit; ~0 for none. */
static inline uword
clib_bitmap_last_set(const uword *ai)
{
	for (uword i = vec_len64(ai); i > 0; i--)
		if (ai[i - 1])
			return (i - 1) * CLIB_BITMAP_WORD_BITS + min_log2(ai[i - 1]);
	return ~0ULL;
}

/* The same for a loop: the bit that comes next is most often in the word where the last one was.
 * Reading *at, not i, for that lets the load start before i is known. */
always_inline uword
_clib_bitmap_next_near(const uword *ai, uword i, uword *at)
{
	uword near = *at, t;

	/* Or the compiler finds that both are the same. */
	__asm__("" : "+r"(near));
	if (PREDICT_TRUE(i / CLIB_BITMAP_WORD_BITS == *at && near < vec_len64(ai))) {
		t = ai[near] & ~0ULL << i % CLIB_BITMAP_WORD_BITS;
		if (PREDICT_TRUE(t != 0))
			return near * CLIB_BITMAP_WORD_BITS + (uword)__builtin_ctzll(t);
	}
	i = clib_bitmap_next_set(ai, i);
	*at = i / CLIB_BITMAP_WORD_BITS;
	return i;
}

/** Each set bit in rising order.  clib_bitmap_foreach(i, b) { body } is a loop; old VPP's
 *  clib_bitmap_foreach(i, b, ({ body })) is a statement in which break ends one turn only. */
#define clib_bitmap_foreach(i, ai, ...)                                                            \
	_clib_bitmap_foreach##__VA_OPT__(_body)(i, ai __VA_OPT__(, ) __VA_ARGS__)
#define _clib_bitmap_foreach(i, ai) _clib_bitmap_foreach_at(i, ai, CLIB_UNIQUE(_bitmap_at))
#define _clib_bitmap_foreach_at(i, ai, at)                                                         \
	for (uword at = ((i) = clib_bitmap_first_set(ai), (uword)(i) / CLIB_BITMAP_WORD_BITS);     \
	     (i) != (__typeof__(i))~0ULL; (i) = _clib_bitmap_next_near((ai), (uword)(i) + 1, &at))
#define _clib_bitmap_foreach_body(i, ai, ...)                                                      \
	do {                                                                                       \
		_clib_bitmap_foreach(i, ai)                                                        \
		{                                                                                  \
			do {                                                                       \
				__VA_ARGS__;                                                       \
			} while (0);                                                               \
		}                                                                                  \
	} while (0)

/* ---- two sets: the result replaces the first ---- */

/** ai & bi. */
static inline uword *
clib_bitmap_and(uword *ai, const uword *bi)
{
	for (uword i = 0; i < vec_len64(ai); i++)
		ai[i] &= i < vec_len64(bi) ? bi[i] : 0;
	return _clib_bitmap_remove_trailing_zeros(ai);
}

/** ai & ~bi. */
static inline uword *
clib_bitmap_andnot(uword *ai, const uword *bi)
{
	uword n = clib_min(vec_len64(ai), vec_len64(bi));

	for (uword i = 0; i < n; i++)
		ai[i] &= ~bi[i];
	return _clib_bitmap_remove_trailing_zeros(ai);
}

/** ai | bi; ai as it was when there is no memory. */
static inline uword *
clib_bitmap_or(uword *ai, const uword *bi)
{
	uword n = vec_len64(bi);

	if (n && vec_validate(ai, n - 1))
		return ai;
	for (uword i = 0; i < n; i++)
		ai[i] |= bi[i];
	return _clib_bitmap_remove_trailing_zeros(ai);
}

/** ai ^ bi; ai as it was when there is no memory. */
static inline uword *
clib_bitmap_xor(uword *ai, const uword *bi)
{
	uword n = vec_len64(bi);

	if (n && vec_validate(ai, n - 1))
		return ai;
	for (uword i = 0; i < n; i++)
		ai[i] ^= bi[i];
	return _clib_bitmap_remove_trailing_zeros(ai);
}

/* ---- a set and the set of bit i alone ---- */

/** Keep bit i only. */
static inline uword *
clib_bitmap_andi(uword *ai, uword i)
{
	uword at = i / CLIB_BITMAP_WORD_BITS;

	for (uword k = 0; k < vec_len64(ai); k++)
		ai[k] &= k == at ? 1ULL << i % CLIB_BITMAP_WORD_BITS : 0;
	return _clib_bitmap_remove_trailing_zeros(ai);
}

/** Clear bit i; the notrim form keeps the length. */
static inline uword *
clib_bitmap_andnoti_notrim(uword *ai, uword i)
{
	if (i / CLIB_BITMAP_WORD_BITS < vec_len64(ai))
		clib_bitmap_set_no_check(ai, i, 0);
	return ai;
}

/** Clear bit i.  @return the bitmap */
static inline uword *
clib_bitmap_andnoti(uword *ai, uword i)
{
	return _clib_bitmap_remove_trailing_zeros(clib_bitmap_andnoti_notrim(ai, i));
}

/** Set bit i. */
static inline uword *
clib_bitmap_ori_notrim(uword *ai, uword i)
{
	if (!vec_validate(ai, i / CLIB_BITMAP_WORD_BITS))
		clib_bitmap_set_no_check(ai, i, 1);
	return ai;
}

/** Set bit i.  @return the bitmap, which may have moved; as it was without memory */
static inline uword *
clib_bitmap_ori(uword *ai, uword i)
{
	return _clib_bitmap_remove_trailing_zeros(clib_bitmap_ori_notrim(ai, i));
}

/** Flip bit i. */
static inline uword *
clib_bitmap_xori_notrim(uword *ai, uword i)
{
	if (!vec_validate(ai, i / CLIB_BITMAP_WORD_BITS))
		ai[i / CLIB_BITMAP_WORD_BITS] ^= 1ULL << i % CLIB_BITMAP_WORD_BITS;
	return ai;
}

/** Turn bit i over.  @return the bitmap, which may have moved; as it was without memory */
static inline uword *
clib_bitmap_xori(uword *ai, uword i)
{
	return _clib_bitmap_remove_trailing_zeros(clib_bitmap_xori_notrim(ai, i));
}

/* ---- the same into a new bitmap; NULL when there is no memory (or nothing is left) ---- */

/* 1 when dup is the copy of ai that was asked for. */
#define _clib_bitmap_is_dup(dup, ai) ((dup) || vec_len64(ai) == 0)

#define _clib_bitmap_define_dup(op)                                                                \
	static inline uword *clib_bitmap_dup_##op(const uword *ai, const uword *bi)                \
	{                                                                                          \
		uword *dup = clib_bitmap_dup(ai);                                                  \
                                                                                                   \
		return _clib_bitmap_is_dup(dup, ai) ? clib_bitmap_##op(dup, bi) : 0;               \
	}                                                                                          \
	static inline uword *clib_bitmap_dup_##op##i(const uword *ai, uword i)                     \
	{                                                                                          \
		uword *dup = clib_bitmap_dup(ai);                                                  \
                                                                                                   \
		return _clib_bitmap_is_dup(dup, ai) ? clib_bitmap_##op##i(dup, i) : 0;             \
	}

_clib_bitmap_define_dup(and);
_clib_bitmap_define_dup(andnot);
_clib_bitmap_define_dup(or);
_clib_bitmap_define_dup(xor);

/** n_bits random bits; ai as it was when there is no memory. */
static inline uword *
clib_bitmap_random(uword *ai, uword n_bits, u32 *seed)
{
	uword n = _clib_bitmap_n_words(n_bits);

	if (n == 0 || vec_validate(ai, n - 1))
		return ai;
	for (uword i = 0; i < n; i++)
		ai[i] = random_uword(seed);
	if (n_bits % CLIB_BITMAP_WORD_BITS)
		ai[n - 1] &= pow2_mask(n_bits % CLIB_BITMAP_WORD_BITS);
	return _clib_bitmap_remove_trailing_zeros(ai);
}

/* ---- text (format_containers.c) ---- */

struct _unformat_input_t;

/** format functions, argument uword *bitmap: `1f` (0 for the empty set); `0-4, 7`. */
CLIB_EXPORT u8 *format_bitmap_hex(u8 *s, __builtin_va_list *args);
CLIB_EXPORT u8 *format_bitmap_list(u8 *s, __builtin_va_list *args);

/** unformat functions, argument uword **bitmap, a new bitmap: hex digits with or without 0x; and
 *  `0-4,7`, blanks allowed after a comma.  No match, and 0, for what is neither, for a range that
 *  runs backwards, and when there is no memory. */
CLIB_EXPORT uword unformat_bitmap_mask(struct _unformat_input_t *input, __builtin_va_list *args);
CLIB_EXPORT uword unformat_bitmap_list(struct _unformat_input_t *input, __builtin_va_list *args);

#endif
