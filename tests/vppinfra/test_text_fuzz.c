/* SPDX-License-Identifier: Apache-2.0 */
/* Formats, arguments and text that nobody would write.  With addresses checked (ASan) nothing is
 * read or written out of place; without, that each call keeps to its rules is still a test. */
#include <vppinfra/bitmap.h>
#include <vppinfra/error.h>
#include "text_test.h"

/* ---- format ---- */

/* A random conversion behind a percent sign: any grammar, any letter of those given. */
static u8 *
random_conversion(u64 *seed, u8 *f, const char *letters)
{
	static const char *const flags[] = { "", "-", "+", "=", "0", "-0", "=0", "-=+-" };
	static const char *const modifiers[] = { "", "l", "ll", "L", "w" };

	f = format(f, "%%%s", flags[unit_random_below(seed, ARRAY_LEN(flags))]);
	if (unit_random_below(seed, 2))
		f = format(f, "%u", (u32)unit_random_below(seed, 400));
	if (unit_random_below(seed, 2))
		f = format(f, ".%u", (u32)unit_random_below(seed, 400));
	f = format(f, "%s", modifiers[unit_random_below(seed, ARRAY_LEN(modifiers))]);
	return format(f, "%c", letters[unit_random_below(seed, strlen(letters))]);
}

/* What a conversion of a random format added keeps its width, to the byte. */
static void
widths_are_exact_whatever_is_in_them(void)
{
	static const char letters[] = "duxXopsSvc";
	u64 seed = unit_seed(), n = unit_n_ops(200000), n_wrong = 0;
	test_heap_t h = heap_make(MiB(4));
	u8 *f = NULL, *s = NULL, *v = format(NULL, "a vector of some length");

	for (u64 i = 0; i < n; i++) {
		uword before = unit_random_below(&seed, 40), added;
		u64 value = unit_random(&seed) >> unit_random_below(&seed, 64);
		char c;
		u8 *p;
		word width = 0;

		vec_reset_length(f);
		f = random_conversion(&seed, f, letters);
		vec_add1(f, 0);
		vec_reset_length(s);
		s = format(s, "%U", format_white_space, (u32)before);
		c = (char)f[vec_len(f) - 2];
		if (c == 's' || c == 'S')
			s = format(s, (char *)f, "a string of some_length");
		else if (c == 'v')
			s = format(s, (char *)f, v);
		else
			s = format(s, (char *)f, value);
		added = vec_len(s) - before;
		for (p = f + 1; *p == '-' || *p == '+' || *p == '=' || *p == '0'; p++)
			;
		for (; *p >= '0' && *p <= '9'; p++)
			width = width * 10 + (*p - '0');
		if (width && added != (uword)width) {
			printf("\n%s of %lx: %lu bytes\n", f, value, added);
			n_wrong++;
		}
	}
	CU_ASSERT_EQUAL(n_wrong, 0);
	vec_free(f);
	vec_free(s);
	vec_free(v);
	heap_done(&h);
}

/* Bytes as a format: conversions that take an argument are given one, and what is no conversion
 * ends the string.  (A number where a string is wanted would be a wild pointer: those are left
 * out.) */
static void
any_bytes_are_a_format(void)
{
	u64 seed = unit_seed(), n = unit_n_ops(200000);
	test_heap_t h = heap_make(MiB(4));
	u8 *f = NULL, *s = NULL;

	for (u64 i = 0; i < n; i++) {
		uword n_bytes = unit_random_below(&seed, 20);

		vec_reset_length(f);
		for (uword k = 0; k < n_bytes; k++) {
			static const char likely[] = "%%%%-=+.*0123dxXpcflwLQ";
			u8 c = unit_random_below(&seed, 4)
				       ? (u8)likely[unit_random_below(&seed, sizeof(likely) - 1)]
				       : (u8)unit_random(&seed);

			if (c == 's' || c == 'S' || c == 'v' || c == 'U')
				c = 'd';
			vec_add1(f, c);
		}
		vec_add1(f, 0);
		vec_reset_length(s);
		s = format(s, (char *)f, 7, -3, 11, 0, 5, 60, -40, 2, 1, 9, 17, 33, 21, 4, 8, 12, 6,
			   14, 19, 22, 1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 7.5, 8.5);
		CU_ASSERT_FATAL(vec_len(s) < 100000);
	}
	vec_free(f);
	vec_free(s);
	heap_done(&h);
}

/* ---- unformat ---- */

/* The bytes of v as a vector in memory of malloc(), to its last byte: to read behind it is to read
 * out of place.  The memory is freed by its header. */
static u8 *
in_malloc(const u8 *v)
{
	uword n = vec_len64(v);
	vec_header_t *header = calloc(1, sizeof(*header) + n);

	*header = (vec_header_t){ .max_bytes = n, .len = n, .magic = VEC_HEADER_MAGIC };
	if (n)
		memcpy(header + 1, v, n);
	return (u8 *)(header + 1);
}

/* Bytes, most of them such as formats look for, with no NUL behind them. */
static u8 *
random_bytes(u64 *seed)
{
	static const char likely[] = "0123456789abcdefxX+-.,:/eE{}\\\"' \t\nkKmMgGb-_default";
	uword n = unit_random_below(seed, 40);
	u8 *s = NULL;

	if (n)
		vec_validate(s, n - 1);
	for (uword i = 0; i < n; i++)
		s[i] = unit_random_below(seed, 8)
			       ? (u8)likely[unit_random_below(seed, sizeof(likely) - 1)]
			       : (u8)unit_random(seed);
	return s;
}

/* Text for an input that comes in pieces; each piece may come with the buffer moved. */
typedef struct {
	const u8 *text;
	uword n, at;
	u64 *seed;
} feed_t;

static uword
feed(unformat_input_t *input)
{
	feed_t *f = input->fill_buffer_arg;
	uword n = clib_min(1 + unit_random_below(f->seed, 5), f->n - f->at);

	if (n == 0)
		return UNFORMAT_END_OF_INPUT;
	vec_add(input->buffer, f->text + f->at, n);
	f->at += n;
	return unit_random_below(f->seed, 2) ? input->index : UNFORMAT_MORE_INPUT;
}

/* A random format whose conversions take one pointer each, to something of eight bytes. */
static u8 *
random_format(u64 *seed, u8 *f)
{
	static const char *const pieces[] = { "%d", "%lu", "%x",  "%o", "%b", "%f", "%_", "%%",
					      " ",  "  ",  "foo", "0x", ",",  ":",  "{",  "%wx",
					      "%",  "%q",  "\t",  "-",  "k",  "%L" };
	uword n = unit_random_below(seed, 7);

	while (n--)
		f = format(f, "%s", pieces[unit_random_below(seed, ARRAY_LEN(pieces))]);
	vec_add1(f, 0);
	return f;
}

/* One call, of everything that parses.  Yields what it stored as a vector, to be freed. */
static void
parse_something(u64 *seed, unformat_input_t *input, u8 *f, u8 **s)
{
	static unformat_function_t *const to_vector[] = { unformat_line, unformat_hex_string,
							  unformat_single_quoted_string,
							  unformat_double_quoted_string };
	static unformat_function_t *const to_number[] = {
		unformat_memory_size, unformat_base10, unformat_data_size, unformat_log2_page_size,
		unformat_u8,          unformat_u16,    unformat_unix_gid
	};
	uword which = unit_random_below(seed, 9), at = input->index, matched = 1;
	u64 n[8] = {};
	char array[8];
	unformat_input_t sub;

	switch (which) {
	case 0:
		matched = unformat(input, (char *)f, &n[0], &n[1], &n[2], &n[3], &n[4], &n[5],
				   &n[6], &n[7]);
		break;
	case 1:
		matched = unformat(input, "%U",
				   to_number[unit_random_below(seed, ARRAY_LEN(to_number))], n);
		break;
	case 2:
		matched = unformat_user(
			input, to_vector[unit_random_below(seed, ARRAY_LEN(to_vector))], s);
		break;
	case 3:
		matched = unformat(input, unit_random_below(seed, 2) ? "%s" : "%v,", s);
		break;
	case 4:
		matched = unformat(input, "%U",
				   unit_random_below(seed, 2) ? unformat_bitmap_mask
							      : unformat_bitmap_list,
				   s);
		break;
	case 5:
		matched = unformat(input, "%U", unformat_c_string_array, array, (u32)sizeof(array));
		CU_ASSERT(!matched || strlen(array) < sizeof(array));
		break;
	case 6:
		matched = unformat_user(
			input, unit_random_below(seed, 2) ? unformat_input : unformat_line_input,
			&sub);
		if (matched)
			unformat_free(&sub);
		break;
	case 7:
		matched = unformat_user(input, unformat_token,
					unit_random_below(seed, 2) ? NULL : "-a-z\\0-9-", s);
		break;
	default:
		if (unit_random_below(seed, 2))
			unformat_skip_line(input);
		else
			unformat_get_input(input);
		break;
	}
	/* What failed has taken nothing (unless earlier text was dropped meanwhile). */
	CU_ASSERT(matched || input->index == at || input->fill_buffer);
	CU_ASSERT_PTR_NULL(input->buffer_marks);
	CU_ASSERT(input->index == UNFORMAT_END_OF_INPUT ||
		  input->index <= vec_len64(input->buffer));
}

/* Whatever the bytes, the format and the pieces in which they come, every call returns, and an
 * input is used up in the end; with memory that ends now and then as well. */
static void
any_bytes_are_an_input(void)
{
	u64 seed = unit_seed(), n = unit_n_ops(200000);
	test_heap_t h = heap_make(MiB(4));
	u8 *f = NULL, *error = NULL;

	for (u64 i = 0; i < n; i++) {
		u8 *text = random_bytes(&seed);
		feed_t source = { text, vec_len(text), 0, &seed };
		u8 *outside = in_malloc(text);
		unformat_input_t input;

		if (unit_random_below(&seed, 2))
			unformat_init(&input, feed, &source);
		else
			unformat_init_vector(&input, outside);
		for (int steps = 0; steps < 1000 && !unformat_is_eof(&input); steps++) {
			u8 *s = NULL;

			vec_reset_length(f);
			f = random_format(&seed, f);
			if (unit_random_below(&seed, 16) == 0)
				mheap_fail_get_after(1 + unit_random_below(&seed, 3));
			parse_something(&seed, &input, f, &s);
			mheap_fail_get_after(0);
			vec_free(s);
			vec_reset_length(error);
			error = format(error, "%U%U", format_unformat_error, &input,
				       format_unformat_input, &input);
			unformat_get_input(&input);
		}
		CU_ASSERT(unformat_is_eof(&input));
		unformat_free(&input);
		free(_vec_find(outside));
		vec_free(text);
	}
	vec_free(f);
	vec_free(error);
	heap_done(&h);
}

static const unit_test_t tests[] = {
	UNIT(widths_are_exact_whatever_is_in_them),
	UNIT(any_bytes_are_a_format),
	UNIT(any_bytes_are_an_input),
};

int
main(void)
{
	return unit_run("text_fuzz", tests, ARRAY_LEN(tests));
}
