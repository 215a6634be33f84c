/* SPDX-License-Identifier: Apache-2.0 */
/* Bitmaps as text, and back.  They stand below format, so this stands above. */
#include <vppinfra/bitmap.h>
#include <vppinfra/format.h>

/* ---- bitmaps ---- */

u8 *
format_bitmap_hex(u8 *s, va_list *args)
{
	uword *bitmap = va_arg(*args, uword *), last = clib_bitmap_last_set(bitmap), word;

	if (last == ~0ULL)
		return format(s, "0");
	word = last / CLIB_BITMAP_WORD_BITS;
	s = format(s, "%wx", bitmap[word]);
	while (word-- > 0)
		s = format(s, "%016wx", bitmap[word]);
	return s;
}

u8 *
format_bitmap_list(u8 *s, va_list *args)
{
	uword *bitmap = va_arg(*args, uword *), from = clib_bitmap_first_set(bitmap);
	const char *separator = "";

	while (from != ~0ULL) {
		uword past = clib_bitmap_next_clear(bitmap, from);

		s = format(s, "%s%wu", separator, from);
		if (past - from > 1)
			s = format(s, "-%wu", past - 1);
		separator = ", ";
		from = clib_bitmap_next_set(bitmap, past);
	}
	return s;
}

static int
hex_digit(uword c)
{
	if (c >= '0' && c <= '9')
		return (int)(c - '0');
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? (int)(c - 'a' + 10) : -1;
}

/* Digit number i from the right is bits [4 i, 4 i + 4). */
static int
bitmap_of_digits(const u8 *digits, uword **bitmap)
{
	uword n = vec_len64(digits);

	if (clib_bitmap_validate(*bitmap, 4 * n))
		return -ENOMEM;
	for (uword i = 0; i < n; i++)
		(*bitmap)[i / 16] |= (uword)digits[n - 1 - i] << 4 * (i % 16);
	*bitmap = _clib_bitmap_remove_trailing_zeros(*bitmap);
	return 0;
}

uword
unformat_bitmap_mask(unformat_input_t *input, va_list *args)
{
	uword **result = va_arg(*args, uword **), *bitmap = 0;
	u8 *digits = 0;
	int digit, error = 0;

	unformat(input, "0x%_");
	while (!error && (digit = hex_digit(unformat_peek_input(input))) >= 0) {
		error = vec_add1(digits, (u8)digit);
		unformat_get_input(input);
	}
	if (!error)
		error = digits ? bitmap_of_digits(digits, &bitmap) : -EINVAL;
	vec_free(digits);
	if (error)
		return 0;
	*result = bitmap;
	return 1;
}

static int
skip_comma(unformat_input_t *input)
{
	if (unformat_peek_input(input) != ',')
		return 0;
	unformat_get_input(input);
	return 1;
}

uword
unformat_bitmap_list(unformat_input_t *input, va_list *args)
{
	uword **result = va_arg(*args, uword **), *bitmap = 0;
	u32 from, to;

	do {
		if (unformat(input, "%u-%u", &from, &to))
			;
		else if (unformat(input, "%u", &from))
			to = from;
		else
			goto no_match;
		if (to < from)
			goto no_match;
		bitmap = clib_bitmap_set_region(bitmap, from, 1, (uword)to - from + 1);
		if (!clib_bitmap_get(bitmap, to))
			goto no_match;
	} while (skip_comma(input));
	*result = bitmap;
	return 1;

no_match:
	clib_bitmap_free(bitmap);
	return 0;
}
