/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <math.h>
#include <unistd.h>
#include <vppinfra/error.h>
#include "text_test.h"

/* Whether what is left of the input, which is freed, is the text. */
static void
expect_rest(int line, const char *text, unformat_input_t *input)
{
	uword n = vec_len64(input->buffer) - clib_min(input->index, vec_len64(input->buffer));
	u8 *rest = NULL;

	vec_add(rest, vec_end(input->buffer) - n, n);
	expect_bytes(line, text, strlen(text), rest);
	unformat_free(input);
}

/* REST("left", matched, "input", "format", ...): the match and what it leaves. */
#define REST(rest, matched, text, ...)                                                             \
	do {                                                                                       \
		unformat_input_t _input;                                                           \
		unformat_init_cstring(&_input, text);                                              \
		CU_ASSERT_EQUAL(unformat(&_input, __VA_ARGS__), matched);                          \
		expect_rest(__LINE__, rest, &_input);                                              \
	} while (0)

/* Each integer conversion reads its base, and stores as many bytes as it was told. */
static void
integers_in_each_base_and_size(void)
{
	u64 large[2] = { 0, 7 };
	u32 word[2] = { 0, 7 };
	u16 half[2] = { 0, 7 };
	u8 byte[2] = { 0, 7 };

	REST("", 1, "-42", "%d", word);
	CU_ASSERT_EQUAL((i32)word[0], -42);
	REST("", 1, "+42", "%d", word);
	CU_ASSERT_EQUAL(word[0], 42);
	REST("", 1, "ffFFffff", "%x", word);
	CU_ASSERT_EQUAL(word[0], ~0u);
	REST("", 1, "777", "%o", word);
	CU_ASSERT_EQUAL(word[0], 0777);
	REST("", 1, "1011", "%b", word);
	CU_ASSERT_EQUAL(word[0], 11);
	REST("", 1, "18446744073709551615", "%lu", large);
	CU_ASSERT_EQUAL(large[0], ~0ul);
	REST("", 1, "-9223372036854775808", "%lld", large);
	CU_ASSERT_EQUAL((i64)large[0], INT64_MIN);
	REST("", 1, "ffffffffffffffff", "%Lx", large);
	CU_ASSERT_EQUAL(large[0], ~0ul);
	REST("", 1, "5", "%wd", large);
	CU_ASSERT_EQUAL(large[0], 5);
	REST("", 1, "-1", "%D", 2, half);
	CU_ASSERT_EQUAL(half[0], 0xffff);
	REST("", 1, "fe", "%X", 1, byte);
	CU_ASSERT_EQUAL(byte[0], 0xfe);
	CU_ASSERT_EQUAL(large[1] == 7 && word[1] == 7 && half[1] == 7 && byte[1] == 7, 1);
}

/* What does not fit is no match, and the input stays; all that fits in either sign does. */
static void
integers_that_do_not_fit(void)
{
	u64 large = 1;
	u32 word = 1;
	u8 byte = 1;

	REST("4294967296", 0, "4294967296", "%d", &word);
	REST("-2147483649", 0, "-2147483649", "%d", &word);
	REST("18446744073709551616", 0, "18446744073709551616", "%lu", &large);
	REST("99999999999999999999999", 0, "99999999999999999999999", "%lx", &large);
	REST("256", 0, "256", "%D", 1, &byte);
	REST("-1", 0, "-1", "%u", &word);
	REST("-", 0, "-", "%d", &word);
	REST("+-1", 0, "+-1", "%d", &word);
	REST("x", 0, "x", "%d", &word);
	REST("2", 0, "2", "%b", &word);
	REST("8", 0, "8", "%o", &word);
	REST("1", 0, "1", "%D", 3, &word);
	CU_ASSERT_EQUAL(large == 1 && word == 1 && byte == 1, 1);
	REST("", 1, "4294967295", "%d", &word);
	CU_ASSERT_EQUAL(word, ~0u);
	REST("", 1, "-2147483648", "%d", &word);
	CU_ASSERT_EQUAL((i32)word, INT32_MIN);
	REST("x10", 1, "0x10", "%x", &word);
	REST("", 1, "0x10", "0x%x", &word);
	CU_ASSERT_EQUAL(word, 16);
	REST("abc", 1, "12abc", "%d", &word);
}

static void
floats(void)
{
	static const struct {
		const char *text;
		f64 value;
		const char *rest;
	} cases[] = {
		{ "1.5", 1.5, "" },
		{ "-.5", -0.5, "" },
		{ "+2.", 2, "" },
		{ "1e3", 1000, "" },
		{ "1.25E-2x", 0.0125, "x" },
		{ "7e", 7, "e" },
		{ "7e+", 7, "e+" },
		{ "0.000", 0, "" },
		{ "1e999999999999", INFINITY, "" },
		{ "1e-99999999999", 0, "" },
		{ "0.1", 0.1, "" },
		{ "1.5.5", 1.5, ".5" },
		{ "00012", 12, "" },
		{ "179769313486231570e291", 1.7976931348623157e308, "" },
	};
	char *long_digits = malloc(MiB(1) + 1);
	f64 x = -1;

	for (uword i = 0; i < ARRAY_LEN(cases); i++) {
		REST(cases[i].rest, 1, cases[i].text, "%f", &x);
		CU_ASSERT_EQUAL(x, cases[i].value);
	}
	REST(".", 0, ".", "%f", &x);
	REST("-", 0, "-", "%f", &x);
	REST("e5", 0, "e5", "%f", &x);
	REST("", 1, "-0", "%f", &x);
	CU_ASSERT(signbit(x));
	/* One above what lies halfway between 2^53 and its neighbour: only the last of a million
	 * digits says to round up. */
	memset(long_digits, '0', MiB(1));
	memcpy(long_digits, "9007199254740993.", 17);
	long_digits[MiB(1)] = 0;
	REST("", 1, long_digits, "%f", &x);
	CU_ASSERT_EQUAL(x, 9007199254740992.0);
	long_digits[MiB(1) - 1] = '1';
	REST("", 1, long_digits, "%f", &x);
	CU_ASSERT_EQUAL(x, 9007199254740994.0);
	/* And digits before the point have their places though they are too many to keep. */
	memset(long_digits, '0', MiB(1));
	memcpy(long_digits, "1", 1);
	strcpy(long_digits + 5000, "e-5000 rest");
	REST("rest", 1, long_digits, "%f", &x);
	CU_ASSERT_EQUAL(x, 0.1);
	free(long_digits);
}

/* A word is found whole or not at all, and a failure takes nothing. */
static void
words_match_whole(void)
{
	int n = 0;

	REST("", 1, "foo", "foo");
	REST("bar", 1, "foo bar", "foo");
	REST("bar", 1, "  \t foo \n bar", "foo");
	REST("food", 0, "food", "foo");
	REST(" food", 0, " food", "foo");
	REST("fo", 0, "fo", "foo");
	REST("", 0, "", "foo");
	REST("foo bax", 0, "foo bax", "foo bar");
	REST("", 1, "foo    bar", "foo bar");
	REST("", 1, "foo bar ", "foo   bar  ");
	REST(",bletch", 1, "foo 10,bletch", "foo %d", &n);
	CU_ASSERT_EQUAL(n, 10);
	REST("foo x", 0, "foo x", "foo %d", &n);
	REST("d", 1, "food", "foo%_");
	REST("", 1, "100% sure", "100%% sure");
	REST("100x", 0, "100x", "100%%");
	REST("x", 1, "x", "");
	REST("5", 0, "5", "%");
	REST("5", 0, "5", "%k", &n);
}

/* After %_ blanks count; what is before such a part is skipped all the same. */
static void
blanks_count_where_asked(void)
{
	int a, b, c, d;

	REST("", 1, "1.2 -> 3.4", "%_%d.%d%_->%_%d.%d%_", &a, &b, &c, &d);
	CU_ASSERT_EQUAL(a == 1 && b == 2 && c == 3 && d == 4, 1);
	REST("1. 2", 0, "1. 2", "%_%d.%d", &a, &b);
	REST("", 1, "1. 2", "%d.%d", &a, &b);
	REST("12", 0, "12", "%_1 2");
	REST("", 1, "1  2", "%_1 2");
	REST("  x", 1, "1  x", "%_%d", &a);
	REST("x", 1, "1  x", "%d", &a);
	REST(" 1", 0, " 1", "%_%d", &a);
	REST(" x", 1, "1 x", "%d%_", &a);
}

/* Strings end at a blank or at the character that follows in the format; braces nest. */
static void
strings_and_braces(void)
{
	static const struct {
		const char *text, *format, *string, *rest;
	} cases[] = {
		{ "one two", "%s", "one", " two" },
		{ "key=value", "%s=", "key", "value" },
		{ "{a b} c", "%s", "a b", " c" },
		{ "{a {b c} {d}}", "%s", "a {b c} {d}", "" },
		{ "{}x", "%s", "", "x" },
		{ "a{b c}", "%s", "a{b", " c}" },
		{ "a}b", "%s", "a}b", "" },
		{ "a\\ b c", "%s", "a b", " c" },
		{ "{a\\}b}", "%s", "a}b", "" },
		{ "\\{ x", "%s", "{", " x" },
		{ "{never closed", "%s", "never closed", "" },
		{ "{", "%s", "{", "" },
		{ "a,b", "%s", "a,b", "" },
	};
	u8 *s;

	for (uword i = 0; i < ARRAY_LEN(cases); i++) {
		char format_text[16];

		/* %_ leaves the blanks after the string where they are. */
		snprintf(format_text, sizeof(format_text), "%s%%_", cases[i].format);
		s = NULL;
		if (strchr(cases[i].format, '='))
			REST(cases[i].rest, 1, cases[i].text, format_text, &s);
		else {
			unformat_input_t input;

			unformat_init_cstring(&input, cases[i].text);
			CU_ASSERT_EQUAL(unformat(&input, "%_%s", &s), 1);
			expect_rest(__LINE__, cases[i].rest, &input);
		}
		CU_ASSERT_EQUAL(vec_len(s), strlen(cases[i].string) + 1);
		CU_ASSERT_STRING_EQUAL(s, cases[i].string);
		vec_free(s);
	}
	REST("", 0, "", "%s", &s);
	REST("  ", 0, "  ", "%s", &s);
	/* A word that nobody wants is skipped. */
	REST("two", 1, "one two", "%s", NULL);
	REST("two", 1, "{one {or}} two", "%v", NULL);
	REST("", 0, "", "%s", NULL);
	s = (u8 *)1;
	REST("", 1, "{}", "%v", &s);
	CU_ASSERT_PTR_NULL(s);
	REST("", 1, "word", "%v", &s);
	expect_bytes(__LINE__, "word", 4, s);
}

/* Constants are stored and ORed; a number after a closing %= is stored instead. */
static void
constants_and_what_may_follow(void)
{
	int v = 0;

	REST("", 1, "verbose", "verbose %=", &v, 5);
	CU_ASSERT_EQUAL(v, 5);
	REST("", 1, "verbose 3", "verbose %=", &v, 5);
	CU_ASSERT_EQUAL(v, 3);
	REST("rest", 1, "verbose -1 rest", "verbose%=", &v, 5);
	CU_ASSERT_EQUAL(v, -1);
	REST("3x", 1, "verbose 3x", "verbose %=", &v, 5);
	CU_ASSERT_EQUAL(v, 5);
	REST("", 1, "verbose 3 on", "verbose %= %d on", &v, 9, &v);
	CU_ASSERT_EQUAL(v, 3);
	v = 1;
	REST("2", 1, "flag 2", "flag %|", &v, 4);
	CU_ASSERT_EQUAL(v, 5);
	REST("2", 1, "2", "%|", &v, 8);
	CU_ASSERT_EQUAL(v, 13);
}

static uword
unformat_pair(unformat_input_t *input, va_list *va)
{
	int *a = va_arg(*va, int *), *b = va_arg(*va, int *);

	return unformat(input, "(%d,%d", a, b) && unformat(input, ")%_");
}

static uword
unformat_greedy_failure(unformat_input_t *input, va_list *va)
{
	u8 **line = va_arg(*va, u8 **);

	unformat_user(input, unformat_line, line);
	return 0;
}

/* %U hands over its arguments; a function that fails half-way has taken nothing. */
static void
user_functions_are_rewound(void)
{
	unformat_input_t input;
	u8 *line = NULL;
	int a, b, c;

	REST("x", 1, " (1, 2) 3 x", "%U %d", unformat_pair, &a, &b, &c);
	CU_ASSERT_EQUAL(a == 1 && b == 2 && c == 3, 1);
	REST("(1,2 3", 0, "(1,2 3", "%U %d", unformat_pair, &a, &b, &c);
	unformat_init_cstring(&input, "(7,8]");
	CU_ASSERT_EQUAL(unformat_user(&input, unformat_pair, &a, &b), 0);
	CU_ASSERT_EQUAL(unformat_user(&input, unformat_greedy_failure, &line), 0);
	vec_free(line);
	CU_ASSERT_PTR_NULL(input.buffer_marks);
	expect_rest(__LINE__, "(7,8]", &input);
}

static void
sizes_and_small_integers(void)
{
	clib_mem_page_sz_t page;
	uword n = 1;
	u64 n64;
	u16 half = 1;
	u8 byte = 1;

	REST("", 1, "512", "%U", unformat_memory_size, &n);
	CU_ASSERT_EQUAL(n, 512);
	REST("", 1, "64k", "%U", unformat_memory_size, &n);
	CU_ASSERT_EQUAL(n, KiB(64));
	REST("x", 1, "3M x", "%U", unformat_memory_size, &n);
	CU_ASSERT_EQUAL(n, MiB(3));
	REST("", 1, "2g", "%U", unformat_memory_size, &n);
	CU_ASSERT_EQUAL(n, GiB(2));
	REST("", 1, "1T", "%U", unformat_memory_size, &n);
	CU_ASSERT_EQUAL(n, GiB(1024));
	REST("m", 1, "3 m", "%U", unformat_memory_size, &n);
	REST("99999999999g", 0, "99999999999g", "%U", unformat_memory_size, &n);
	REST("-1k", 0, "-1k", "%U", unformat_memory_size, &n);
	REST("k", 0, "k", "%U", unformat_memory_size, &n);
	CU_ASSERT_EQUAL(n, 3);
	REST("", 1, "1500K", "%U", unformat_base10, &n64);
	CU_ASSERT_EQUAL(n64, 1500000);
	REST("", 1, "2M", "%U", unformat_log2_page_size, &page);
	CU_ASSERT_EQUAL(page, 21);
	REST("", 1, "default-hugepage", "%U", unformat_log2_page_size, &page);
	CU_ASSERT_EQUAL(page, CLIB_MEM_PAGE_SZ_DEFAULT_HUGE);
	REST("", 1, "default", "%U", unformat_log2_page_size, &page);
	CU_ASSERT_EQUAL(page, CLIB_MEM_PAGE_SZ_DEFAULT);
	REST("3M", 0, "3M", "%U", unformat_log2_page_size, &page);
	REST("0", 0, "0", "%U", unformat_log2_page_size, &page);
	REST("", 1, "255", "%U", unformat_u8, &byte);
	REST("256", 0, "256", "%U", unformat_u8, &byte);
	REST("", 1, "65535", "%U", unformat_u16, &half);
	REST("65536", 0, "65536", "%U", unformat_u16, &half);
	CU_ASSERT_EQUAL(byte == 255 && half == 65535, 1);
}

/* Quotes hold blanks, arrays take what fits with its NUL, sizes are powers of 1024. */
static void
quotes_arrays_and_data_sizes(void)
{
	char array[6];
	gid_t gid = 7;
	u64 n = 1;
	u8 *s;

	REST("x", 1, "  \"a \\\"b\\\" c\" x", "%U", unformat_double_quoted_string, &s);
	CU_ASSERT_STRING_EQUAL(s, "a \"b\" c");
	CU_ASSERT_EQUAL(vec_len(s), 8);
	vec_free(s);
	REST("", 1, "''", "%U", unformat_single_quoted_string, &s);
	CU_ASSERT_STRING_EQUAL(s, "");
	vec_free(s);
	REST("\"open", 0, "\"open", "%U", unformat_double_quoted_string, &s);
	REST("'a'b", 0, "'a'b", "%U", unformat_single_quoted_string, &s);
	REST("'a\\", 0, "'a\\", "%U", unformat_single_quoted_string, &s);
	REST("a", 0, "a", "%U", unformat_single_quoted_string, &s);

	memset(array, 'x', sizeof(array));
	REST("more", 1, "abc more", "%U", unformat_c_string_array, array, (u32)sizeof(array));
	CU_ASSERT(!memcmp(array, "abc\0\0\0", 6));
	REST("", 1, "abcde", "%U", unformat_c_string_array, array, (u32)sizeof(array));
	REST("abcdef", 0, "abcdef", "%U", unformat_c_string_array, array, (u32)sizeof(array));
	CU_ASSERT_STRING_EQUAL(array, "abcde");

	REST("", 1, "512", "%U", unformat_data_size, &n);
	CU_ASSERT_EQUAL(n, 512);
	REST("", 1, "3K", "%U", unformat_data_size, &n);
	CU_ASSERT_EQUAL(n, KiB(3));
	REST("", 1, "2Mb", "%U", unformat_data_size, &n);
	CU_ASSERT_EQUAL(n, MiB(2));
	REST("x", 1, "1G x", "%U", unformat_data_size, &n);
	CU_ASSERT_EQUAL(n, GiB(1));
	REST("18446744073709551615G", 0, "18446744073709551615G", "%U", unformat_data_size, &n);

	REST("", 1, "gid 12", "gid %U", unformat_unix_gid, &gid);
	CU_ASSERT_EQUAL(gid, 12);
	REST("", 1, "gid root", "gid %U", unformat_unix_gid, &gid);
	CU_ASSERT_EQUAL(gid, 0);
	REST("gid no-such-group", 0, "gid no-such-group", "gid %U", unformat_unix_gid, &gid);
}

static void
tokens_lines_and_bytes(void)
{
	unformat_input_t input, line;
	u8 *s;
	int n;

	REST("-2", 1, "if_0-2", "%U", unformat_token, NULL, &s);
	expect_bytes(__LINE__, "if_0", 4, s);
	REST("9z", 1, "abc-9z", "%U", unformat_token, "a-c-", &s);
	expect_bytes(__LINE__, "abc-", 4, s);
	REST("?", 0, "?", "%U", unformat_token, NULL, &s);
	REST("!", 1, "\xff\xfe!", "%U", unformat_token, "\xf0-\xff", &s);
	expect_bytes(__LINE__, "\xff\xfe", 2, s);
	REST("xy", 1, "00Ff10 xy", "%U", unformat_hex_string, &s);
	expect_bytes(__LINE__, "\x00\xff\x10", 3, s);
	REST("abc", 0, "abc", "%U", unformat_hex_string, &s);
	REST("", 0, "", "%U", unformat_hex_string, &s);
	REST("", 1, "  \n", "%U", unformat_eof);
	REST(" x", 0, " x", "%U", unformat_eof);

	unformat_init_cstring(&input, "first line 1\n\nthird {4 {5} 6}");
	CU_ASSERT_EQUAL(unformat_user(&input, unformat_line_input, &line), 1);
	CU_ASSERT_EQUAL(unformat(&line, "first line %d", &n), 1);
	CU_ASSERT(unformat_is_eof(&line));
	unformat_free(&line);
	CU_ASSERT_EQUAL(unformat_user(&input, unformat_line_input, &line), 0);
	CU_ASSERT_EQUAL(unformat_peek_input(&input), '\n');
	unformat_skip_line(&input);
	CU_ASSERT_EQUAL(unformat(&input, "third %U", unformat_input, &line), 1);
	CU_ASSERT_EQUAL(unformat(&line, "4 %s 6", &s), 1);
	CU_ASSERT_STRING_EQUAL(s, "5");
	vec_free(s);
	unformat_free(&line);
	CU_ASSERT_EQUAL(unformat_user(&input, unformat_line, &s), 0);
	unformat_skip_line(&input);
	expect_rest(__LINE__, "", &input);
}

/* One byte at a time: what was taken can be given back, and the end is the end. */
static void
bytes_are_taken_and_given_back(void)
{
	unformat_input_t input;

	unformat_init_string(&input, "a\0b", 3);
	CU_ASSERT_EQUAL(unformat_get_input(&input), 'a');
	unformat_put_input(&input);
	CU_ASSERT_EQUAL(unformat_peek_input(&input), 'a');
	CU_ASSERT_EQUAL(unformat_get_input(&input), 'a');
	CU_ASSERT_EQUAL(unformat_get_input(&input), 0);
	CU_ASSERT_EQUAL(unformat_check_input(&input), 2);
	CU_ASSERT_EQUAL(unformat_get_input(&input), 'b');
	CU_ASSERT_EQUAL(unformat_get_input(&input), UNFORMAT_END_OF_INPUT);
	unformat_put_input(&input);
	CU_ASSERT(unformat_is_eof(&input));
	CU_ASSERT_EQUAL(unformat_peek_input(&input), UNFORMAT_END_OF_INPUT);
	unformat_free(&input);
	CU_ASSERT_EQUAL(unformat_init_string(&input, NULL, 5), 0);
	CU_ASSERT(unformat_is_eof(&input));
	CU_ASSERT_EQUAL(unformat_init_string(&input, "x", -5), 0);
	CU_ASSERT(unformat_is_eof(&input));
	unformat_init_vector(&input, NULL);
	CU_ASSERT(unformat_is_eof(&input));
	unformat_init(&input, NULL, NULL);
	CU_ASSERT(unformat_is_eof(&input));
	unformat_free(&input);
}

static void
command_lines_environment_and_files(void)
{
	char *argv[] = { "program", "-x", "12", "name", NULL }, *nothing[] = { NULL };
	unformat_input_t input;
	int fds[2], n = 0;

	CU_ASSERT_EQUAL(unformat_init_command_line(&input, argv), 0);
	CU_ASSERT_EQUAL(unformat(&input, "-x %d", &n), 1);
	CU_ASSERT_EQUAL(n, 12);
	expect_rest(__LINE__, "name", &input);
	CU_ASSERT_EQUAL(unformat_init_command_line(&input, nothing), 0);
	CU_ASSERT(unformat_is_eof(&input));
	setenv("VMHEAP_TEST", "a b", 1);
	CU_ASSERT_EQUAL(unformat_init_unix_env(&input, "VMHEAP_TEST"), 1);
	expect_rest(__LINE__, "a b", &input);
	unsetenv("VMHEAP_TEST");
	CU_ASSERT_EQUAL(unformat_init_unix_env(&input, "VMHEAP_TEST"), 0);
	CU_ASSERT(unformat_is_eof(&input));

	CU_ASSERT_EQUAL(pipe(fds), 0);
	CU_ASSERT_EQUAL(write(fds[1], "12 34", 5), 5);
	close(fds[1]);
	unformat_init_clib_file(&input, fds[0]);
	CU_ASSERT_EQUAL(unformat(&input, "%d", &n), 1);
	CU_ASSERT_EQUAL(unformat(&input, "%d", &n), 1);
	CU_ASSERT_EQUAL(n, 34);
	CU_ASSERT(unformat_is_eof(&input));
	CU_ASSERT_EQUAL(input.error, 0);
	unformat_free(&input);
	close(fds[0]);
	unformat_init_clib_file(&input, fds[0]);
	CU_ASSERT(unformat_is_eof(&input));
	CU_ASSERT_EQUAL(input.error, -EBADF);
	unformat_free(&input);
}

/* Text for an input that comes in pieces. */
typedef struct {
	const u8 *text;
	uword n, at, n_piece;
} pieces_t;

static uword
fill_from_pieces(unformat_input_t *input)
{
	pieces_t *p = input->fill_buffer_arg;
	uword n = clib_min(p->n_piece, p->n - p->at);

	if (n == 0)
		return UNFORMAT_END_OF_INPUT;
	vec_add(input->buffer, p->text + p->at, n);
	p->at += n;
	return input->index;
}

static uword
fill_with_nothing(unformat_input_t *input)
{
	(*(int *)input->fill_buffer_arg)++;
	return input->index;
}

static uword
fill_and_say_more(unformat_input_t *input)
{
	return fill_from_pieces(input) == UNFORMAT_END_OF_INPUT ? UNFORMAT_END_OF_INPUT
								: UNFORMAT_MORE_INPUT;
}

/* A function may say that there is more instead of where: the text it added is what follows, even
 * while earlier text is kept to return to. */
static void
a_fill_may_say_that_there_is_more(void)
{
	pieces_t pieces = { .text = (const u8 *)"foo 12 foo 34", .n = 13, .n_piece = 3 };
	unformat_input_t input;
	int n = 0;

	unformat_init(&input, fill_and_say_more, &pieces);
	CU_ASSERT_EQUAL(unformat(&input, "foo bar"), 0);
	CU_ASSERT_EQUAL(unformat(&input, "foo %d", &n), 1);
	CU_ASSERT_EQUAL(n, 12);
	CU_ASSERT_EQUAL(unformat(&input, "foo %d", &n), 1);
	CU_ASSERT_EQUAL(n, 34);
	CU_ASSERT(unformat_is_eof(&input));
	unformat_free(&input);
}

/* A function that neither adds text nor ends it cannot keep the parser for ever. */
static void
a_fill_without_progress_is_the_end(void)
{
	unformat_input_t input;
	int n_calls = 0, n;

	unformat_init(&input, fill_with_nothing, &n_calls);
	CU_ASSERT_EQUAL(unformat(&input, "%d", &n), 0);
	CU_ASSERT(n_calls > 0 && n_calls < 10);
	unformat_free(&input);
}

/* A random line out of what formats ask for, and of noise. */
static u8 *
random_text(u64 *seed)
{
	static const char *const words[] = { "foo",   "bar", "12", "-3",  "ff", "{a b}",
					     "{",     "}",   " ",  "\n",  ",",  ".",
					     "1.5e3", "64k", "\\", "food" };
	uword n = unit_random_below(seed, 12);
	u8 *s = NULL, c;

	for (uword i = 0; i < n; i++) {
		c = (u8)unit_random(seed);
		if (unit_random_below(seed, 8) == 0)
			vec_add1(s, c);
		else
			s = format(s, "%s%s", words[unit_random_below(seed, ARRAY_LEN(words))],
				   unit_random_below(seed, 2) ? " " : "");
	}
	return s;
}

/* All that a round of parsing came to. */
typedef struct {
	uword matched;
	int i[2];
	f64 f;
	uword n;
	u8 *s;
} result_t;

static result_t
parse_once(unformat_input_t *input, uword which)
{
	result_t r = {};

	switch (which) {
	case 0:
		r.matched = unformat(input, "foo %d", &r.i[0]);
		break;
	case 1:
		r.matched = unformat(input, "%d %x", &r.i[0], &r.i[1]);
		break;
	case 2:
		r.matched = unformat(input, "%s,", &r.s);
		break;
	case 3:
		r.matched = unformat(input, "%_%d.%d%_", &r.i[0], &r.i[1]);
		break;
	case 4:
		r.matched = unformat(input, "%f", &r.f);
		break;
	case 5:
		r.matched = unformat(input, "%U", unformat_memory_size, &r.n);
		break;
	case 6:
		r.matched = unformat_user(input, unformat_line, &r.s);
		break;
	case 7:
		r.matched = unformat(input, "bar %=", &r.i[0], 3);
		break;
	case 8:
		r.matched = unformat(input, "food %v", &r.s);
		break;
	case 9:
		r.matched = unformat(input, "%U", unformat_token, NULL, &r.s);
		break;
	default:
		unformat_get_input(input);
		break;
	}
	/* What a failed match stored is of no account, but for what it owns. */
	if (!r.matched)
		r = (result_t){ .s = r.s };
	return r;
}

static int
is_same_result(result_t *a, result_t *b)
{
	int is_same = a->matched == b->matched && a->i[0] == b->i[0] && a->i[1] == b->i[1] &&
		      (a->f == b->f) && a->n == b->n && vec_is_equal(a->s, b->s);

	vec_free(a->s);
	vec_free(b->s);
	return is_same;
}

/* The same text whole and in pieces of every size is the same to the parser, a failure leaves the
 * next byte in place, and every text is used up. */
static void
pieces_parse_as_the_whole(void)
{
	test_heap_t h = heap_make(MiB(16));
	u64 seed = unit_seed(), n_ops = unit_n_ops(100000);
	int is_good = 1;

	for (u64 i = 0; i < n_ops && is_good; i++) {
		u8 *text = random_text(&seed);
		pieces_t pieces = { text, vec_len(text), 0, 1 + unit_random_below(&seed, 7) };
		unformat_input_t whole, in_pieces;

		unformat_init_string(&whole, (char *)text, (int)vec_len(text));
		unformat_init(&in_pieces, fill_from_pieces, &pieces);
		while (is_good && !unformat_is_eof(&whole)) {
			uword which = unit_random_below(&seed, 12);
			uword at = whole.index;
			result_t a = parse_once(&whole, which), b = parse_once(&in_pieces, which);

			is_good &= which > 9 || a.matched || whole.index == at;
			is_good &= is_same_result(&a, &b);
			is_good &= unformat_peek_input(&whole) == unformat_peek_input(&in_pieces);
			is_good &= !whole.buffer_marks && !in_pieces.buffer_marks;
		}
		CU_ASSERT(unformat_is_eof(&in_pieces) || !is_good);
		if (!is_good)
			fformat(stdout, "\ntext [%v]\n", text);
		unformat_free(&whole);
		unformat_free(&in_pieces);
		vec_free(text);
	}
	CU_ASSERT(is_good);
	heap_done(&h);
}

/* What format() writes unformat() reads back, whatever the value. */
static void
values_survive_the_round_trip(void)
{
	u64 seed = unit_seed(), n_ops = unit_n_ops(200000), n_bad = 0;

	for (u64 i = 0; i < n_ops; i++) {
		u64 u = unit_random(&seed) >> unit_random_below(&seed, 64), u_back = 0;
		i64 d = (i64)unit_random(&seed) >> unit_random_below(&seed, 64), d_back = 0;
		u32 o = (u32)(unit_random(&seed) >> unit_random_below(&seed, 64)), o_back = 0;
		f64 f = ldexp((f64)d, (int)unit_random_below(&seed, 400) - 200), f_back = 0;
		uword size = KiB(unit_random_below(&seed, 2048)), size_back = 1;
		u8 *name = NULL, *name_back = NULL;
		unformat_input_t input;
		uword matched;

		for (uword k = unit_random_below(&seed, 20); k > 0; k--)
			vec_add1(name, (u8)('a' + unit_random_below(&seed, 26)));
		unformat_init_vector(&input,
				     format(NULL, "x 0x%lx %-20ld %o,%.17g {%v} %luk %=30lu", u, d,
					    o, f, name, size >> 10, u));
		matched = unformat(&input, "x 0x%lx %ld %o,%f %v %U %lu", &u_back, &d_back, &o_back,
				   &f_back, &name_back, unformat_memory_size, &size_back, &u_back);
		n_bad += !matched || u != u_back || d != d_back || o != o_back || f != f_back ||
			 !vec_is_equal(name, name_back) || size != size_back ||
			 !unformat_is_eof(&input);
		unformat_free(&input);
		vec_free(name);
		vec_free(name_back);
	}
	CU_ASSERT_EQUAL(n_bad, 0);
}

/* Long words and lines, and NULs in them, are only bytes. */
static void
a_megabyte_and_nuls_are_parsed(void)
{
	u8 *text = NULL, *s = NULL;
	unformat_input_t input;
	uword n_empty = 0;

	vec_validate_init_empty(text, MiB(1) - 1, 'w');
	text[77] = 0;
	vec_add1(text, '\n');
	unformat_init_string(&input, (char *)text, (int)vec_len(text));
	CU_ASSERT_EQUAL(unformat(&input, "%s%_", &s), 1);
	CU_ASSERT_EQUAL(vec_len(s), MiB(1) + 1);
	vec_free(s);
	unformat_free(&input);
	unformat_init_vector(&input, text);
	CU_ASSERT_EQUAL(unformat_user(&input, unformat_line, &s), 1);
	CU_ASSERT_EQUAL(vec_len(s), MiB(1));
	vec_free(s);
	unformat_free(&input);

	/* A loop that reads words ends, whatever the bytes. */
	unformat_init_string(&input, "\0\0 a\0 \0", 7);
	while (unformat_check_input(&input) != UNFORMAT_END_OF_INPUT && n_empty < 10) {
		CU_ASSERT_EQUAL(unformat(&input, "%v", &s), 1);
		n_empty += vec_len(s) == 0;
		vec_free(s);
	}
	CU_ASSERT_EQUAL(n_empty, 0);
	unformat_free(&input);

	text = NULL;
	vec_validate_init_empty(text, MiB(1) - 1, '{');
	unformat_init_vector(&input, text);
	CU_ASSERT_EQUAL(unformat(&input, "%v", &s), 1);
	CU_ASSERT_EQUAL(vec_len(s), MiB(1) - 1);
	vec_free(s);
	unformat_free(&input);
}

/* Without memory a word is no match, the input says why, and nothing is lost. */
static void
memory_ends_at_each_allocation(void)
{
	static const char text[] =
		"name {a long enough value to grow a vector more than once} ff00";
	test_heap_t h = heap_make(MiB(1));
	int is_whole = 0;
	uword k;

	for (k = 1; k < 100 && !is_whole; k++) {
		u8 *name = NULL, *bytes = NULL, *token = NULL;
		unformat_input_t input;

		mheap_fail_get_after(k);
		unformat_init_cstring(&input, text);
		is_whole = unformat(&input, "%U", unformat_token, NULL, &token) &&
			   unformat(&input, "%v", &name) &&
			   unformat(&input, "%U", unformat_hex_string, &bytes);
		mheap_fail_get_after(0);
		CU_ASSERT_EQUAL(is_whole ? 0 : -ENOMEM, input.error);
		vec_free(token);
		vec_free(name);
		vec_free(bytes);
		unformat_free(&input);
	}
	CU_ASSERT(is_whole && k > 4);
	heap_done(&h);
}

/* An error quotes a little of what is left, fit for a terminal. */
static void
errors_quote_the_input(void)
{
	unformat_input_t input;
	clib_error_t *error;

	unformat_init_cstring(&input, "what is\tthis\x1b[31m thing that does not end");
	EXPECT("what is\\tthis\\x1b[31m thing that d...", "%U", format_unformat_error, &input);
	error = unformat_parse_error(&input);
	EXPECT("errors_quote_the_input: parse error `what is\\tthis\\x1b[31m thing that d...'",
	       "%U", format_clib_error, error);
	clib_error_free(error);
	CU_ASSERT_EQUAL(unformat(&input, "what is"), 1);
	EXPECT("this\x1b[31m thing that does not end", "%U", format_unformat_input, &input);
	unformat_skip_line(&input);
	EXPECT("", "%U", format_unformat_error, &input);
	EXPECT("", "%U", format_unformat_error, &input);
	CU_ASSERT(unformat_is_eof(&input));
	EXPECT("{END_OF_INPUT}", "%U", format_unformat_input, &input);
	unformat_free(&input);
	unformat_init_cstring(&input, "word \n\n");
	EXPECT("word", "%U", format_unformat_error, &input);
	unformat_free(&input);
}

static const unit_test_t tests[] = {
	UNIT(integers_in_each_base_and_size),
	UNIT(integers_that_do_not_fit),
	UNIT(floats),
	UNIT(words_match_whole),
	UNIT(blanks_count_where_asked),
	UNIT(strings_and_braces),
	UNIT(constants_and_what_may_follow),
	UNIT(user_functions_are_rewound),
	UNIT(sizes_and_small_integers),
	UNIT(quotes_arrays_and_data_sizes),
	UNIT(tokens_lines_and_bytes),
	UNIT(bytes_are_taken_and_given_back),
	UNIT(command_lines_environment_and_files),
	UNIT(a_fill_may_say_that_there_is_more),
	UNIT(a_fill_without_progress_is_the_end),
	UNIT(pieces_parse_as_the_whole),
	UNIT(values_survive_the_round_trip),
	UNIT(a_megabyte_and_nuls_are_parsed),
	UNIT(memory_ends_at_each_allocation),
	UNIT(errors_quote_the_input),
};

int
main(void)
{
	return unit_run("unformat", tests, ARRAY_LEN(tests));
}
