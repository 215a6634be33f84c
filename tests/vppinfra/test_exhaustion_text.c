/* SPDX-License-Identifier: Apache-2.0 */
/* Each call of format, unformat, error and table that takes memory, with each of its allocations
 * failing in turn: alone, and with all that follow.  Nothing is lost, the heap stays whole, and
 * what the headers promise of the result holds. */
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>
#include <vppinfra/bitmap.h>
#include <vppinfra/error.h>
#include <vppinfra/format_table.h>
#include <vppinfra/hash.h>
#include "text_test.h"

/* A job yields what it made as a vector, whose owner is the caller, and `refused' if it noticed
 * that memory had ended. */
typedef struct {
	const char *name;
	u8 *(*job)(int *refused);
} job_t;

/* What a job's result may be when an allocation failed: `whole' is the result when none does. */
typedef int(judge_t)(const u8 *got, const u8 *whole, int refused);

static void
fail_once(u64 k)
{
	mheap_fail_get_after(k);
}

static void
fail_for_ever(u64 k)
{
	mheap_fail_gets_after(k);
}

/* Run the job with allocation k failing.  Yields whether its result was the whole one. */
static int
run(const job_t *j, const u8 *whole, judge_t *judge, void (*fail)(u64), u64 k)
{
	int refused = 0, is_whole, is_right;
	u8 *got;

	fail(k);
	got = j->job(&refused);
	fail(0);
	is_whole = vec_is_equal(got, whole) && !refused;
	is_right = is_whole || judge(got, whole, refused);
	if (!is_right)
		printf("\n%s, allocation %lu: [%.*s] instead of [%.*s]%s\n", j->name,
		       (unsigned long)k, (int)vec_len(got), got ? (char *)got : "",
		       (int)vec_len(whole), whole ? (char *)whole : "", refused ? ", refused" : "");
	CU_ASSERT(is_right);
	vec_free(got);
	return is_whole;
}

static void
walk(const job_t *jobs, uword n_jobs, judge_t *judge)
{
	for (const job_t *j = jobs; j < jobs + n_jobs; j++) {
		test_heap_t h = heap_make(MiB(1));
		int refused = 0;
		u8 *whole = j->job(&refused);
		u64 k, n_gets;

		CU_ASSERT_EQUAL(refused, 0);
		for (n_gets = 1; !run(j, whole, judge, fail_for_ever, n_gets); n_gets++)
			if (n_gets == 1000) {
				printf("\n%s never ends\n", j->name);
				CU_FAIL("no end");
				break;
			}
		CU_ASSERT(n_gets > 1);
		for (k = 1; k < n_gets; k++)
			run(j, whole, judge, fail_once, k);
		vec_free(whole);
		heap_done(&h);
	}
}

/* ---- format ---- */

/* Text may have a hole where a function's was refused: never longer, and what stood there before
 * stands there still. */
static int
is_kept_and_shorter(const u8 *got, const u8 *whole, int refused)
{
	return vec_len(got) <= vec_len(whole) &&
	       !memcmp(got ? (const char *)got : "", "kept", clib_min(4u, vec_len(got)));
}

/* One call without functions and widths stops where memory ends. */
static int
is_beginning(const u8 *got, const u8 *whole, int refused)
{
	return vec_len(got) <= vec_len(whole) && (!got || !memcmp(got, whole, vec_len(got)));
}

/* So that each call has to grow. */
#define KEPT "kept, and so long that the next few bytes do not fit into the vector as it is"

static u8 *
plain(int *refused)
{
	return format(NULL, "%s%d %x %c %.300d|%v|%f %e %p%.100s%s", KEPT, 1, 2, 'c', 3, NULL, 4.,
		      5., NULL, KEPT, KEPT);
}

static u8 *
padded(int *refused)
{
	return format(NULL, "kept %200d|%-200s|%=200x|%0300u|%200c|%250.3f|%250e", 1, "two", 3, 4,
		      'c', 5., 6.);
}

static u8 *
format_inner(u8 *s, va_list *va)
{
	return format(s, "<%300d>", va_arg(*va, int));
}

static u8 *
nested(int *refused)
{
	return format(NULL, "kept %U %600U %=800U", format_inner, 1, format_inner, 2, format_inner,
		      3);
}

static u8 *
dumps(int *refused)
{
	u8 bytes[300];
	u64 longs[40] = {};
	u8 *s;

	memset(bytes, 'b', sizeof(bytes));
	s = format(NULL, "kept %U %U %U", format_hex_bytes, bytes, 300, format_hex_bytes_no_wrap,
		   bytes, 300, format_ascii_bytes, bytes, 300);
	s = format(s, "%U%U%U%U", format_hexdump, bytes, 300ul, format_hexdump_u16, longs, 40,
		   format_hexdump_u32, longs, 40, format_hexdump_u64, longs, 40);
	return format(s, "%U%U", format_white_space, 500, format_uword_bitmap, longs, 3);
}

static u8 *
small_functions(int *refused)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	struct timeval tv = {};
	u8 *s = format(NULL, "kept %U %U %U %U %U", format_memory_size, 1025ul, format_base10,
		       1001ul, format_log2_page_size, 21, format_time_interval, "d:h:m:s:f:u", 1.5,
		       format_timeval, NULL, &tv);

	s = format(s, "%U %U %U %U", format_time_float, NULL, 1., format_c_identifier, "a_b",
		   format_sockaddr, &in, format_signal, 11);
	return format(s, "%U", format_page_map, (uword)KEPT, 4096ul);
}

static u8 *
container_functions(int *refused)
{
	static uword words[3] = { 1, 2, 3 };
	uword *bitmap = NULL, *v = NULL;
	u32 *v32 = NULL;
	u8 *s;

	/* Made while memory lasts, as a program's data is. */
	vec_add(v, words, 3);
	vec_add1(v32, 7);
	bitmap = clib_bitmap_set(bitmap, 100, 1);
	*refused = !v || !v32 || !clib_bitmap_get(bitmap, 100);
	s = format(NULL, "kept %U %U %U %U", format_vec32, v32, "%d", format_vec_uword, v, "%200lu",
		   format_bitmap_hex, bitmap, format_bitmap_list, bitmap);
	vec_free(v);
	vec_free(v32);
	clib_bitmap_free(bitmap);
	return s;
}

static void
format_keeps_the_string(void)
{
	static const job_t beginnings[] = { { "plain", plain } };
	static const job_t jobs[] = {
		{ "padded", padded },
		{ "nested", nested },
		{ "dumps", dumps },
		{ "small_functions", small_functions },
		{ "container_functions", container_functions },
	};

	walk(beginnings, ARRAY_LEN(beginnings), is_beginning);
	walk(jobs, ARRAY_LEN(jobs), is_kept_and_shorter);
}

static u8 *
to_descriptor(int *refused)
{
	u8 text[512];
	int fds[2];
	u8 *s = NULL;
	ssize_t n;

	if (pipe(fds))
		return NULL;
	n = fdformat(fds[1], "%s %300d", "beginning", 1);
	close(fds[1]);
	if (n >= 0)
		n = read(fds[0], text, sizeof(text));
	close(fds[0]);
	/* What was written, kept where no allocation is made to fail. */
	mheap_fail_gets_after(0);
	if (n > 0)
		vec_add(s, text, (uword)n);
	return s;
}

/* What is written is a beginning of what should be. */
static void
a_descriptor_gets_a_beginning(void)
{
	static const job_t jobs[] = { { "fdformat", to_descriptor } };

	walk(jobs, ARRAY_LEN(jobs), is_beginning);
}

/* ---- unformat ---- */

/* Text that parsing cannot keep is no match, and the input says why. */
static int
is_refused(const u8 *got, const u8 *whole, int refused)
{
	return refused && vec_len(got) == 0;
}

/* The result of one conversion as text that takes no memory of the heap: its own vector. */
static u8 *
parse(int *refused, const char *text, unformat_function_t *fn, const char *fmt)
{
	unformat_input_t input;
	u8 *s = NULL;
	uword matched, at;

	unformat_init_cstring(&input, text);
	at = input.index;
	matched = fmt ? unformat(&input, fmt, &s) : unformat_user(&input, fn, &s);
	*refused = !matched && input.error == -ENOMEM;
	/* Refused, it stays where it was; or it never had any text. */
	CU_ASSERT(matched || input.index == at);
	CU_ASSERT_PTR_NULL(input.buffer_marks);
	unformat_free(&input);
	return s;
}

#define LONG_WORD "a-word-that-is-so-long-that-the-vector-it-goes-into-has-to-grow-a-few-times"

static u8 *
string(int *refused)
{
	return parse(refused, LONG_WORD, NULL, "%s");
}

static u8 *
braces(int *refused)
{
	return parse(refused, "{" LONG_WORD " {" LONG_WORD "}}", NULL, "%v");
}

static u8 *
line(int *refused)
{
	return parse(refused, LONG_WORD " " LONG_WORD "\nmore", unformat_line, NULL);
}

static u8 *
hex_string(int *refused)
{
	return parse(refused, "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff",
		     unformat_hex_string, NULL);
}

static u8 *
quoted(int *refused)
{
	return parse(refused, "\"" LONG_WORD " and blanks\"", unformat_double_quoted_string, NULL);
}

static u8 *
token(int *refused)
{
	unformat_input_t input;
	u8 *s = NULL;

	unformat_init_cstring(&input, LONG_WORD " more");
	*refused = !unformat(&input, "%U", unformat_token, "a-z-", &s) && input.error == -ENOMEM;
	unformat_free(&input);
	return s;
}

/* The text of an input that another one is made of. */
static u8 *
sub_input(int *refused, unformat_function_t *fn)
{
	unformat_input_t input, sub;
	u8 *s = NULL;

	unformat_init_cstring(&input, "{" LONG_WORD " " LONG_WORD "}");
	if (unformat_user(&input, fn, &sub)) {
		s = sub.buffer;
		sub.buffer = NULL;
		unformat_free(&sub);
	} else
		*refused = input.error == -ENOMEM;
	unformat_free(&input);
	return s;
}

static u8 *
input_in_braces(int *refused)
{
	return sub_input(refused, unformat_input);
}

static u8 *
line_input(int *refused)
{
	return sub_input(refused, unformat_line_input);
}

static u8 *
command_line(int *refused)
{
	char *argv[] = { "program", LONG_WORD, "and", LONG_WORD, LONG_WORD, NULL };
	unformat_input_t input;
	u8 *s;

	*refused = unformat_init_command_line(&input, argv) == -ENOMEM && input.error == -ENOMEM &&
		   unformat_is_eof(&input);
	s = input.buffer;
	input.buffer = NULL;
	unformat_free(&input);
	return s;
}

static u8 *
environment(int *refused)
{
	unformat_input_t input;
	u8 *s;

	CU_ASSERT_EQUAL(unformat_init_unix_env(&input, "VMHEAP_LONG"), 1);
	*refused = input.error == -ENOMEM && unformat_is_eof(&input);
	s = input.buffer;
	input.buffer = NULL;
	unformat_free(&input);
	return s;
}

/* A word that stands across pieces of a file: it is kept, whole, while more is read. */
static u8 *
file(int *refused)
{
	static char text[6000];
	unformat_input_t input;
	u8 *s = NULL;
	int fds[2];

	memset(text, 'w', sizeof(text));
	if (pipe(fds) || write(fds[1], text, sizeof(text)) != sizeof(text))
		return NULL;
	close(fds[1]);
	unformat_init_clib_file(&input, fds[0]);
	*refused = (!unformat(&input, "%v", &s) || vec_len(s) < sizeof(text)) &&
		   input.error == -ENOMEM;
	if (*refused)
		vec_free(s);
	unformat_free(&input);
	close(fds[0]);
	return s;
}

static u8 *
bitmap_from(int *refused, const char *text, unformat_function_t *fn)
{
	uword *bitmap = NULL;
	unformat_input_t input;
	u8 *s = NULL;
	uword matched;

	unformat_init_cstring(&input, text);
	matched = unformat(&input, "%U", fn, &bitmap);
	unformat_free(&input);
	mheap_fail_gets_after(0);
	if (matched)
		vec_add(s, (u8 *)bitmap, vec_bytes(bitmap));
	else
		*refused = bitmap == NULL;
	clib_bitmap_free(bitmap);
	return s;
}

static u8 *
bitmap_list(int *refused)
{
	return bitmap_from(refused, "1-3,700,2000-2100", unformat_bitmap_list);
}

static u8 *
bitmap_mask(int *refused)
{
	return bitmap_from(refused, "0x1234567890abcdef1234567890abcdef1", unformat_bitmap_mask);
}

static u8 *
c_string_array(int *refused)
{
	char array[100] = "";
	unformat_input_t input;
	u8 *s = NULL;

	unformat_init_cstring(&input, LONG_WORD);
	*refused = !unformat(&input, "%U", unformat_c_string_array, array, (u32)sizeof(array));
	CU_ASSERT(!*refused || array[0] == 0);
	unformat_free(&input);
	mheap_fail_gets_after(0);
	if (!*refused)
		vec_add(s, array, strlen(array));
	return s;
}

static void
unformat_refuses_what_it_cannot_keep(void)
{
	static const job_t jobs[] = {
		{ "string", string },
		{ "braces", braces },
		{ "line", line },
		{ "hex_string", hex_string },
		{ "quoted", quoted },
		{ "token", token },
		{ "input_in_braces", input_in_braces },
		{ "line_input", line_input },
		{ "command_line", command_line },
		{ "environment", environment },
		{ "file", file },
		{ "bitmap_list", bitmap_list },
		{ "bitmap_mask", bitmap_mask },
		{ "c_string_array", c_string_array },
	};

	setenv("VMHEAP_LONG", LONG_WORD " " LONG_WORD, 1);
	walk(jobs, ARRAY_LEN(jobs), is_refused);
}

/* Numbers and words take no memory, so an input that there is can always be read. */
static void
numbers_take_no_memory(void)
{
	test_heap_t h = heap_make(MiB(1));
	unformat_input_t input;
	uword size = 0;
	f64 f = 0;
	int a = 0, b = 0;

	unformat_init_cstring(&input, "word 12 0x1f size 64k 1.5e3 {skipped {word}}");
	mheap_fail_gets_after(1);
	CU_ASSERT_EQUAL(unformat(&input, "word %d 0x%x size %U %f %s", &a, &b, unformat_memory_size,
				 &size, &f, NULL),
			1);
	CU_ASSERT(unformat_is_eof(&input));
	mheap_fail_gets_after(0);
	CU_ASSERT_EQUAL(a == 12 && b == 31 && size == KiB(64) && f == 1500, 1);
	CU_ASSERT_EQUAL(input.error, 0);
	unformat_free(&input);
	heap_done(&h);
}

/* ---- errors ---- */

static clib_error_t *
deep_error(void)
{
	clib_error_t *e = clib_error_return_code(NULL, 7, 0, "%s", LONG_WORD);

	for (int i = 0; i < 10; i++)
		e = clib_error_return(e, "level %d", i);
	errno = EIO;
	return clib_error_return_unix(e, "last");
}

static u8 *
chain(int *refused)
{
	clib_error_t *e = deep_error();
	any code = clib_error_get_code(e);
	u8 *s;

	/* An error is an error, with its cause's code or that of what happened to it. */
	CU_ASSERT_PTR_NOT_NULL(e);
	CU_ASSERT(code == 7 || code == ENOMEM || code == 0 || code == EIO);
	mheap_fail_gets_after(0);
	s = format(NULL, "%U", format_clib_error, e);
	CU_ASSERT(vec_len(s) > 0);
	clib_error_free(e);
	CU_ASSERT_PTR_NULL(e);
	return s;
}

static u8 heard[4096];
static int n_heard;

static void
hear(void *arg, u8 *msg, int n)
{
	CU_ASSERT(n > 0 && msg[n - 1] == '\n');
	n_heard = clib_min(n, (int)sizeof(heard));
	memcpy(heard, msg, (uword)n_heard);
}

/* What the handler heard, in a vector made when memory is back. */
static u8 *
what_was_heard(void)
{
	u8 *s = NULL;

	mheap_fail_gets_after(0);
	CU_ASSERT(n_heard > 0);
	vec_add(s, heard, (uword)n_heard);
	n_heard = 0;
	return s;
}

static u8 *
report(int *refused)
{
	clib_error_t *e = deep_error();

	clib_error_report(e);
	CU_ASSERT_PTR_NULL(e);
	return what_was_heard();
}

static u8 *
warning(int *refused)
{
	_clib_error(CLIB_ERROR_WARNING, "f", 7, "%s %s %300d", LONG_WORD, LONG_WORD, 1);
	return what_was_heard();
}

/* There is always something to read. */
static int
is_told(const u8 *got, const u8 *whole, int refused)
{
	return vec_len(got) > 0;
}

static void
an_error_is_an_error_still(void)
{
	static const job_t jobs[] = {
		{ "chain", chain },
		{ "report", report },
		{ "warning", warning },
	};

	CU_ASSERT_EQUAL(clib_error_register_handler(hear, NULL), 0);
	walk(jobs, ARRAY_LEN(jobs), is_told);
	CU_ASSERT_EQUAL(clib_error_unregister_handler(hear, NULL), 0);
}

/* ---- tables ---- */

static u8 *
table(int *refused)
{
	table_t table = { .no_ansi = 1 }, *t = &table;
	u8 *s;

	table_format_title(t, "%s", LONG_WORD);
	for (int i = 0; i < 12; i++)
		table_format_cell(t, i, i % 4, "cell %d of many", i);
	table_add_header_col(t, 3, "one", "two", "three");
	table_add_header_row(t, 2, "left", "and more");
	table_set_cell_align(t, 20, 0, TTAA_LEFT);
	s = format(NULL, "%U", format_table, t);
	*refused = t->out_of_memory;
	table_free(t);
	CU_ASSERT_PTR_NULL(t->cells);
	return s;
}

/* Cells may be missing, none is made up. */
static int
is_table(const u8 *got, const u8 *whole, int refused)
{
	return refused || vec_len(got) <= vec_len(whole);
}

static void
a_table_has_what_it_could_keep(void)
{
	static const job_t jobs[] = { { "table", table } };

	walk(jobs, ARRAY_LEN(jobs), is_table);
}

static const unit_test_t tests[] = {
	UNIT(format_keeps_the_string),
	UNIT(a_descriptor_gets_a_beginning),
	UNIT(unformat_refuses_what_it_cannot_keep),
	UNIT(numbers_take_no_memory),
	UNIT(an_error_is_an_error_still),
	UNIT(a_table_has_what_it_could_keep),
};

int
main(void)
{
	return unit_run("exhaustion_text", tests, ARRAY_LEN(tests));
}
