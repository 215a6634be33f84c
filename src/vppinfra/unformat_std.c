/* SPDX-License-Identifier: Apache-2.0 */
/* Unformat functions that need no layer above the vectors, and words for where parsing stopped. */
#include <vppinfra/format.h>
#include <vppinfra/vm.h>

/* Bytes of input that an error message quotes. */
#define ERROR_EXCERPT_BYTES 30

/* Append c to a result under way.  Yields 0 with the result freed when memory ends. */
static uword
keep(unformat_input_t *input, u8 **v, u8 c)
{
	if (!vec_add1(*v, c))
		return 1;
	vec_free(*v);
	input->error = -ENOMEM;
	return 0;
}

uword
unformat_line(unformat_input_t *input, va_list *va)
{
	u8 **result = va_arg(*va, u8 **), *line = NULL;
	uword c;

	while ((c = unformat_get_input(input)) != UNFORMAT_END_OF_INPUT && c != '\n')
		if (!keep(input, &line, (u8)c))
			return 0;
	if (!line)
		return 0;
	*result = line;
	return 1;
}

uword
unformat_line_input(unformat_input_t *input, va_list *va)
{
	unformat_input_t *result = va_arg(*va, unformat_input_t *);
	u8 *line;

	if (!unformat_user(input, unformat_line, &line))
		return 0;
	unformat_init_vector(result, line);
	return 1;
}

uword
unformat_input(unformat_input_t *input, va_list *va)
{
	unformat_input_t *result = va_arg(*va, unformat_input_t *);
	u8 *text;

	if (!unformat(input, "%v", &text))
		return 0;
	unformat_init_vector(result, text);
	return 1;
}

/* Mark the bytes of a set like "a-z_" in is_member. */
static void
read_byte_set(const u8 *set, u8 is_member[256])
{
	memset(is_member, 0, 256);
	for (; *set; set++) {
		uword last = *set;

		if (set[1] == '-' && set[2])
			last = set[2];
		for (uword c = *set; c <= last; c++)
			is_member[c] = 1;
		if (last != *set)
			set += 2;
	}
}

uword
unformat_token(unformat_input_t *input, va_list *va)
{
	const u8 *set = va_arg(*va, const u8 *);
	u8 **result = va_arg(*va, u8 **), *token = NULL, is_member[256];
	uword c;

	read_byte_set(set ? set : (const u8 *)"a-zA-Z0-9_", is_member);
	while ((c = unformat_peek_input(input)) < 256 && is_member[c]) {
		input->index++;
		if (!keep(input, &token, (u8)c))
			return 0;
	}
	if (!token)
		return 0;
	*result = token;
	return 1;
}

uword
unformat_eof(unformat_input_t *input, va_list *va)
{
	unformat_skip_white_space(input);
	return unformat_check_input(input) == UNFORMAT_END_OF_INPUT;
}

/* Index + 1 in units of the letter that follows, in either case; 0 when it is none of them. */
static uword
match_unit(unformat_input_t *input, const char *units)
{
	uword c = unformat_peek_input(input);
	const char *p;

	if (c >= 'A' && c <= 'Z')
		c += 'a' - 'A';
	if (c == 0 || c > 'z' || !(p = strchr(units, (int)c)))
		return 0;
	input->index++;
	return (uword)(p - units) + 1;
}

/* A decimal and, right behind it, one of the units, each `base' times the one before. */
static uword
match_scaled(unformat_input_t *input, const char *units, u64 base, u64 *result)
{
	u64 n;

	if (!unformat(input, "%lu%_", &n))
		return 0;
	for (uword i = match_unit(input, units); i > 0; i--)
		if (__builtin_mul_overflow(n, base, &n))
			return 0;
	*result = n;
	return 1;
}

uword
unformat_memory_size(unformat_input_t *input, va_list *va)
{
	return match_scaled(input, "kmgt", 1024, va_arg(*va, uword *));
}

uword
unformat_base10(unformat_input_t *input, va_list *va)
{
	return match_scaled(input, "kmg", 1000, va_arg(*va, u64 *));
}

uword
unformat_log2_page_size(unformat_input_t *input, va_list *va)
{
	clib_mem_page_sz_t *result = va_arg(*va, clib_mem_page_sz_t *);
	u64 n;

	if (unformat(input, "default-hugepage"))
		*result = CLIB_MEM_PAGE_SZ_DEFAULT_HUGE;
	else if (unformat(input, "default"))
		*result = CLIB_MEM_PAGE_SZ_DEFAULT;
	else if (match_scaled(input, "kmgt", 1024, &n) && n >= 1024 && is_pow2(n))
		*result = (clib_mem_page_sz_t)min_log2(n);
	else
		return 0;
	return 1;
}

static uword
hex_digit(uword c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
				      : 16;
}

uword
unformat_hex_string(unformat_input_t *input, va_list *va)
{
	u8 **result = va_arg(*va, u8 **), *bytes = NULL;
	uword digit, high = 0, n_digits = 0;

	while ((digit = hex_digit(unformat_peek_input(input))) < 16) {
		input->index++;
		if (n_digits++ % 2 == 0)
			high = digit;
		else if (!keep(input, &bytes, (u8)(high << 4 | digit)))
			return 0;
	}
	if (n_digits == 0 || n_digits % 2) {
		vec_free(bytes);
		return 0;
	}
	*result = bytes;
	return 1;
}

uword
unformat_data_size(unformat_input_t *input, va_list *va)
{
	u64 *result = va_arg(*va, u64 *), n;
	uword c;

	if (!unformat(input, "%lu%_", &n))
		return 0;
	c = unformat_peek_input(input);
	if (c == 'K' || c == 'M' || c == 'G') {
		uword log2_unit = c == 'K' ? 10 : c == 'M' ? 20 : 30;

		if (n >> (64 - log2_unit))
			return 0;
		n <<= log2_unit;
		input->index++;
		if (unformat_peek_input(input) == 'b')
			input->index++;
	}
	*result = n;
	return 1;
}

uword
unformat_c_string_array(unformat_input_t *input, va_list *va)
{
	char *array = va_arg(*va, char *);
	u32 n_bytes = va_arg(*va, u32);
	u8 *s = NULL;
	uword n, fits;

	if (!unformat(input, "%v", &s))
		return 0;
	n = vec_len64(s);
	fits = n > 0 && n < n_bytes;
	if (fits) {
		memcpy(array, s, n);
		memset(array + n, 0, n_bytes - n);
	}
	vec_free(s);
	return fits;
}

static uword
match_quoted(unformat_input_t *input, uword quote, u8 **result)
{
	u8 *s = NULL;
	uword c;

	unformat_skip_white_space(input);
	if (unformat_get_input(input) != quote)
		return 0;
	while ((c = unformat_get_input(input)) != quote) {
		if (c == '\\')
			c = unformat_get_input(input);
		if (c == UNFORMAT_END_OF_INPUT) {
			vec_free(s);
			return 0;
		}
		if (!keep(input, &s, (u8)c))
			return 0;
	}
	if (!unformat_is_eof(input) && !is_white_space(unformat_peek_input(input))) {
		vec_free(s);
		return 0;
	}
	if (!keep(input, &s, 0))
		return 0;
	*result = s;
	return 1;
}

uword
unformat_single_quoted_string(unformat_input_t *input, va_list *va)
{
	return match_quoted(input, '\'', va_arg(*va, u8 **));
}

uword
unformat_double_quoted_string(unformat_input_t *input, va_list *va)
{
	return match_quoted(input, '"', va_arg(*va, u8 **));
}

uword
unformat_u8(unformat_input_t *input, va_list *va)
{
	u8 *result = va_arg(*va, u8 *);
	u32 value;

	if (!unformat(input, "%u", &value) || value > UINT8_MAX)
		return 0;
	*result = (u8)value;
	return 1;
}

uword
unformat_u16(unformat_input_t *input, va_list *va)
{
	u16 *result = va_arg(*va, u16 *);
	u32 value;

	if (!unformat(input, "%u", &value) || value > UINT16_MAX)
		return 0;
	*result = (u16)value;
	return 1;
}

/* A byte that a terminal can show. */
static u8 *
add_escaped(u8 *s, u8 c)
{
	switch (c) {
	case '\n':
		return format(s, "\\n");
	case '\r':
		return format(s, "\\r");
	case '\t':
		return format(s, "\\t");
	default:
		return c < ' ' || c == 0x7f ? format(s, "\\x%02x", c) : format(s, "%c", c);
	}
}

u8 *
format_unformat_error(u8 *s, va_list *va)
{
	const unformat_input_t *input = va_arg(*va, const unformat_input_t *);
	uword n = vec_len64(input->buffer), at = input->index, end;

	if (at >= n)
		return s;
	end = clib_min(n, at + ERROR_EXCERPT_BYTES);
	while (end == n && end > at && is_white_space(input->buffer[end - 1]))
		n = --end;
	for (; at < end; at++)
		s = add_escaped(s, input->buffer[at]);
	return end < n ? format(s, "...") : s;
}

u8 *
format_unformat_input(u8 *s, va_list *va)
{
	const unformat_input_t *input = va_arg(*va, const unformat_input_t *);

	if (input->index >= vec_len64(input->buffer))
		return format(s, "{END_OF_INPUT}");
	vec_add(s, input->buffer + input->index, vec_len64(input->buffer) - input->index);
	return s;
}
