/* SPDX-License-Identifier: Apache-2.0 */
/* The command engine without sockets: words, carets, help, completion, and whatever bytes. */
#include <string.h>
#include <unistd.h>
#include <sys/stat.h>
#include <vppinfra/mem.h>
#include <cli/command_impl.h>
#include "unit.h"

/* ---- commands of the test ---- */

static u32 n_calls;

static clib_error_t *
show_numbers_fn(cli_output_t *out, unformat_input_t *input, vmheap_cli_command_t *cmd)
{
	u32 n = 0, is_detail = 0;

	n_calls++;
	while (unformat_check_input(input) != UNFORMAT_END_OF_INPUT) {
		if (unformat(input, "detail"))
			is_detail = 1;
		else if (unformat(input, "%u", &n))
			;
		else
			return vmheap_config_unknown(input, "a number or detail");
	}
	cli_text(out, "n %u detail %u", n, is_detail);
	cli_field_u64(out, "n", n);
	return 0;
}

VMHEAP_CLI_COMMAND(show_numbers) = {
	.path = "list numbers",
	.short_help = "list numbers [N] [detail]",
	.long_help = "Numbers of all kinds.",
	.words = "detail",
	.function = show_numbers_fn,
};

/* Takes one word and leaves the rest: the engine must notice. */
static clib_error_t *
show_names_fn(cli_output_t *out, unformat_input_t *input, vmheap_cli_command_t *cmd)
{
	u8 *name = 0;

	n_calls++;
	if (unformat(input, "%s", &name))
		cli_text(out, "name %s", name);
	vec_free(name);
	return 0;
}

VMHEAP_CLI_COMMAND(show_names) = { .path = "list names",
				   .words = "first second",
				   .function = show_names_fn };
VMHEAP_CLI_COMMAND(show_names_all) = { .path = "list names all", .function = show_names_fn };

static clib_error_t *
clear_fn(cli_output_t *out, unformat_input_t *input, vmheap_cli_command_t *cmd)
{
	return clib_error_return(0, "nothing to clear");
}

VMHEAP_CLI_COMMAND(clear_numbers) = { .path = "clear numbers", .function = clear_fn };
/* "cl" could be either; "clear" is a whole word and wins. */
VMHEAP_CLI_COMMAND(clearance) = { .path = "clearance", .function = show_names_fn };

/* ---- helpers ---- */

static u8
run(const char *line, u8 **body)
{
	cli_answer_t a;

	cli_run((const u8 *)line, strlen(line), CLI_FORMAT_TEXT, 0, &a);
	vec_add1(a.body, 0);
	*body = a.body;
	return a.status;
}

static void
expect(const char *line, u8 status, const char *text)
{
	u8 *body;

	CU_ASSERT_EQUAL(run(line, &body), status);
	if (strcmp((char *)body, text))
		printf("\n`%s' said\n%sexpected\n%s", line, body, text);
	CU_ASSERT_STRING_EQUAL((char *)body, text);
	vec_free(body);
}

/* ---- tests ---- */

/* Any prefix of a word that no other word at its place begins with stands for the word. */
static void
words_may_be_shortened(void)
{
	expect("list numbers", CLI_STATUS_OK, "n 0 detail 0\n");
	expect("li nu", CLI_STATUS_OK, "n 0 detail 0\n");
	expect("  li\tnumb   7   detail ", CLI_STATUS_OK, "n 7 detail 1\n");
	expect("list numbers 7\r\n", CLI_STATUS_OK, "n 7 detail 0\n");
}

/* A prefix of several words is not guessed at: the candidates are listed, under the word. */
static void
ambiguous_words_list_their_candidates(void)
{
	expect("list n", CLI_STATUS_ERROR,
	       "list n\n"
	       "     ^\n"
	       "ambiguous word 'n', could be: names, numbers\n");
	expect("cle numbers", CLI_STATUS_ERROR,
	       "cle numbers\n"
	       "^\n"
	       "ambiguous word 'cle', could be: clear, clearance\n");
}

/* A word that is written out wins over a longer one that it begins. */
static void
a_whole_word_wins(void)
{
	expect("clear num", CLI_STATUS_ERROR, "clear numbers: nothing to clear\n");
	expect("clearance x", CLI_STATUS_OK, "name x\n");
}

/* Of `list names' and `list names all' the longer path is taken when its words are there; any
 * other word is an argument. */
static void
the_longest_path_wins(void)
{
	expect("list names bob", CLI_STATUS_OK, "name bob\n");
	expect("list names all bob", CLI_STATUS_OK, "name bob\n");
	expect("list na al bob", CLI_STATUS_OK, "name bob\n");
}

/* The caret stands under the wrong word, also behind tabs and letters of several bytes. */
static void
carets_point_at_unknown_words(void)
{
	expect("list memroy verbose", CLI_STATUS_ERROR,
	       "list memroy verbose\n"
	       "     ^\n"
	       "unknown word 'memroy', expected one of: names, numbers\n");
	expect("list\tz\xc3\xbc", CLI_STATUS_ERROR,
	       "list z\xc3\xbc\n"
	       "     ^\n"
	       "unknown word 'z\xc3\xbc', expected one of: names, numbers\n");
	expect("list", CLI_STATUS_ERROR,
	       "list\n"
	       "    ^\n"
	       "the command goes on, expected one of: names, numbers\n");
	expect("list numbers \xc3\xbc", CLI_STATUS_ERROR,
	       "list numbers \xc3\xbc\n"
	       "             ^\n"
	       "unknown input '\xc3\xbc', expected a number or detail\n");
}

/* What the command's own parser refuses is pointed at in the whole line. */
static void
carets_point_at_wrong_arguments(void)
{
	expect("li numb 7 detial 8", CLI_STATUS_ERROR,
	       "li numb 7 detial 8\n"
	       "          ^\n"
	       "unknown input 'detial', expected a number or detail\n");
}

/* A command that does not look at all its words has not understood the line. */
static void
leftover_words_are_an_error(void)
{
	expect("list names bob and alice", CLI_STATUS_ERROR,
	       "list names bob and alice\n"
	       "               ^\n"
	       "unknown word 'and', expected one of: first, second\n");
	expect("clearance a b", CLI_STATUS_ERROR,
	       "clearance a b\n"
	       "            ^\n"
	       "unknown word 'b', the syntax is: clearance\n");
	expect("quit now", CLI_STATUS_ERROR,
	       "quit now\n"
	       "     ^\n"
	       "unknown word 'now', the syntax is: quit\n");
}

/* Nothing to do is done: scripts have empty lines and comments. */
static void
empty_lines_and_comments_do_nothing(void)
{
	n_calls = 0;
	expect("", CLI_STATUS_OK, "");
	expect("   \t ", CLI_STATUS_OK, "");
	expect("# list numbers", CLI_STATUS_OK, "");
	expect("  # list numbers?", CLI_STATUS_OK, "");
	CU_ASSERT_EQUAL(n_calls, 0);
}

/* Bytes that are no text are named, with their place; the command does not run. */
static void
control_bytes_are_refused(void)
{
	static const u8 with_nul[] = "list\0numbers";
	cli_answer_t a;

	n_calls = 0;
	cli_run(with_nul, sizeof(with_nul) - 1, CLI_FORMAT_TEXT, 0, &a);
	CU_ASSERT_EQUAL(a.status, CLI_STATUS_ERROR);
	vec_add1(a.body, 0);
	CU_ASSERT_STRING_EQUAL((char *)a.body, "list.numbers\n"
					       "    ^\n"
					       "byte 0x00 in column 5 is not text\n");
	cli_answer_free(&a);
	CU_ASSERT_EQUAL(n_calls, 0);
}

/* A line of a megabyte gets one line for an answer; one that is just short enough is looked at,
 * and its error shows a piece of it. */
static void
long_lines_are_refused(void)
{
	uword n = MiB(1);
	u8 *line = malloc(n);
	cli_answer_t a;

	memset(line, 'x', n);
	cli_run(line, n, CLI_FORMAT_TEXT, 0, &a);
	vec_add1(a.body, 0);
	CU_ASSERT_EQUAL(a.status, CLI_STATUS_ERROR);
	CU_ASSERT_STRING_EQUAL((char *)a.body, "a line of 1048576 bytes, the limit is 65536\n");
	cli_answer_free(&a);

	memcpy(line, "list numbers ", 13);
	cli_run(line, CLI_LINE_BYTES_MAX, CLI_FORMAT_TEXT, 0, &a);
	CU_ASSERT_EQUAL(a.status, CLI_STATUS_ERROR);
	CU_ASSERT(vec_len(a.body) > 100);
	cli_answer_free(&a);
	memset(line, ' ', CLI_LINE_BYTES_MAX);
	memcpy(line + CLI_LINE_BYTES_MAX - 4, "nope", 4);
	cli_run(line, CLI_LINE_BYTES_MAX, CLI_FORMAT_TEXT, 0, &a);
	vec_add1(a.body, 0);
	CU_ASSERT_PTR_NOT_NULL(strstr((char *)a.body, "nope\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr((char *)a.body, "unknown word 'nope', expected one of: "));
	CU_ASSERT(vec_len(a.body) < 400);
	cli_answer_free(&a);
	free(line);
}

/* `?' lists what may follow, for words begun, words complete and whole commands. */
static void
a_question_mark_asks(void)
{
	u8 *body;

	CU_ASSERT_EQUAL(run("list ?", &body), CLI_STATUS_OK);
	CU_ASSERT_PTR_NOT_NULL(strstr((char *)body, "numbers"));
	CU_ASSERT_PTR_NOT_NULL(strstr((char *)body, "list numbers [N] [detail]"));
	vec_free(body);
	CU_ASSERT_EQUAL(run("list nu?", &body), CLI_STATUS_OK);
	CU_ASSERT_PTR_NOT_NULL(strstr((char *)body, "numbers"));
	CU_ASSERT_PTR_NULL(strstr((char *)body, "names"));
	vec_free(body);
	expect("list numbers ?", CLI_STATUS_OK,
	       "list numbers [N] [detail]\nNumbers of all kinds.\noptions: detail\n");
	expect("help li nu", CLI_STATUS_OK,
	       "list numbers [N] [detail]\nNumbers of all kinds.\noptions: detail\n");
	CU_ASSERT_EQUAL(run("?", &body), CLI_STATUS_OK);
	CU_ASSERT_PTR_NOT_NULL(strstr((char *)body, "clear"));
	vec_free(body);
	CU_ASSERT_EQUAL(run("help", &body), CLI_STATUS_OK);
	CU_ASSERT_PTR_NOT_NULL(strstr((char *)body, "quit"));
	vec_free(body);
	CU_ASSERT_EQUAL(run("help nothing", &body), CLI_STATUS_ERROR);
	CU_ASSERT_PTR_NOT_NULL(strstr((char *)body, "unknown word 'nothing'"));
	vec_free(body);
	CU_ASSERT_EQUAL(run("list zzz?", &body), CLI_STATUS_ERROR);
	CU_ASSERT_PTR_NOT_NULL(strstr((char *)body, "unknown word 'zzz'"));
	vec_free(body);
}

static void
expect_completion(const char *line, const char *candidates)
{
	cli_answer_t a;

	cli_complete((const u8 *)line, strlen(line), CLI_FORMAT_TEXT, &a);
	vec_add1(a.body, 0);
	CU_ASSERT_EQUAL(a.status, CLI_STATUS_OK);
	CU_ASSERT_STRING_EQUAL((char *)a.body, candidates);
	cli_answer_free(&a);
}

/* The client asks what the last word may become: command words first, then a command's options. */
static void
completions_follow_the_line(void)
{
	expect_completion("list n", "names\nnumbers\n");
	expect_completion("list ", "names\nnumbers\n");
	expect_completion("li nu", "numbers\n");
	expect_completion("list numbers ", "detail\n");
	expect_completion("list numbers 7 de", "detail\n");
	expect_completion("list names ", "all\nfirst\nsecond\n");
	expect_completion("list nothing ", "");
	expect_completion("zzz", "");
}

/* Programs get the same error as an object. */
static void
errors_have_a_json_form(void)
{
	cli_answer_t a;

	cli_run((const u8 *)"list memroy", 11, CLI_FORMAT_JSON, 0, &a);
	vec_add1(a.body, 0);
	CU_ASSERT_EQUAL(a.status, CLI_STATUS_ERROR);
	CU_ASSERT_STRING_EQUAL((char *)a.body, "{\n"
					       "  \"error\": {\n"
					       "    \"message\": \"unknown word 'memroy'\",\n"
					       "    \"line\": \"list memroy\",\n"
					       "    \"column\": 6,\n"
					       "    \"expected\": [\n"
					       "      \"names\",\n"
					       "      \"numbers\"\n"
					       "    ]\n"
					       "  }\n"
					       "}\n");
	cli_answer_free(&a);
}

/* A reader's terminal bounds the list of expected words. */
static void
lists_are_wrapped_to_the_terminal(void)
{
	cli_answer_t a;
	uword n = 0, widest = 0;

	cli_run((const u8 *)"x", 1, CLI_FORMAT_TEXT, 40, &a);
	for (uword i = 0; i < vec_len(a.body); i++) {
		n = a.body[i] == '\n' ? 0 : n + 1;
		widest = clib_max(n, widest);
	}
	CU_ASSERT(widest <= 40);
	CU_ASSERT(widest > 20);
	cli_answer_free(&a);
}

static const char *
write_file(const char *text)
{
	static char path[] = "/tmp/vmheap-cli-test-XXXXXX";
	int fd;

	strcpy(path + sizeof(path) - 7, "XXXXXX");
	fd = mkstemp(path);
	CU_ASSERT_EQUAL(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	return path;
}

/* A file of commands stops at its first error and says where that was. */
static void
files_run_until_an_error(void)
{
	const char *path =
		write_file("# a comment\nlist numbers 1\n\nlist nothing\nlist numbers 2\n");
	u8 *text = 0, *what;
	clib_error_t *error;

	n_calls = 0;
	error = cli_exec_file(path, &text);
	CU_ASSERT_PTR_NOT_NULL_FATAL(error);
	what = format(0, "%v%c", error->what, 0);
	CU_ASSERT_PTR_NOT_NULL(strstr((char *)what, ":4: "));
	CU_ASSERT_EQUAL(n_calls, 1);
	vec_add1(text, 0);
	CU_ASSERT_STRING_EQUAL((char *)text, "n 1 detail 0\n");
	vec_free(text);
	vec_free(what);
	clib_error_free(error);
	unlink(path);
	error = cli_exec_file("/nonexistent/file", &text);
	CU_ASSERT_PTR_NOT_NULL(error);
	clib_error_free(error);
}

/* Value: whether running the file fails with these words. */
static int
exec_fails_with(const char *path, const char *words)
{
	u8 *text = 0, *what;
	clib_error_t *error = cli_exec_file(path, &text);
	int has_words = 0;

	if (error) {
		what = format(0, "%v%c", error->what, 0);
		has_words = strstr((char *)what, words) != NULL;
		vec_free(what);
	}
	clib_error_free(error);
	vec_free(text);
	return has_words;
}

/* A pipe that nobody writes to, a device without an end, a folder: refused at once, for whoever
 * waits there is the daemon. */
static void
what_is_no_plain_file_is_not_run(void)
{
	char path[64];

	snprintf(path, sizeof(path), "/tmp/vmheap-cli-fifo-%d", (int)getpid());
	CU_ASSERT_EQUAL_FATAL(mkfifo(path, 0600), 0);
	alarm(10);
	CU_ASSERT(exec_fails_with(path, "not a plain file"));
	CU_ASSERT(exec_fails_with("/dev/zero", "not a plain file"));
	CU_ASSERT(exec_fails_with("/tmp", "not a plain file"));
	alarm(0);
	unlink(path);
}

/* A line that never ends is not read to its end, and a NUL is not the end of one. */
static void
lines_of_a_file_are_bounded(void)
{
	const char *path = write_file("list numbers 1\n");

	CU_ASSERT_EQUAL(truncate(path, 1l << 40), 0);
	alarm(10);
	CU_ASSERT(exec_fails_with(path, ":2: the command failed:\na line of 65537 bytes"));
	alarm(0);
	CU_ASSERT_EQUAL(truncate(path, 16), 0);
	CU_ASSERT(exec_fails_with(path, ":2: the command failed:\n."));
	CU_ASSERT(exec_fails_with(path, "byte 0x00 in column 1 is not text"));
	unlink(path);
}

/* A file that runs itself ends with an error, not with the stack. */
static void
files_that_run_themselves_end(void)
{
	const char *path = write_file("");
	FILE *f = fopen(path, "w");
	u8 *text = 0;
	clib_error_t *error;

	fprintf(f, "exec %s\n", path);
	fclose(f);
	error = cli_exec_file(path, &text);
	CU_ASSERT_PTR_NOT_NULL(error);
	clib_error_free(error);
	vec_free(text);
	unlink(path);
}

/* Random lines of words, beginnings of words and any bytes: an answer each time, and nothing
 * left on the heap at the end. */
static void
any_line_gets_an_answer(void)
{
	static const char *const words[] = { "show", "list",  "li",     "numbers", "names",
					     "all",  "clear", "detail", "?",       "help",
					     "7",    "quit",  "{",      "}",       "%s",
					     "-",    "#",     "\t",     "\xc3\xbc" };
	u64 seed = unit_seed(), n_lines = unit_n_ops(300000);
	uword n_objects = 0;

	for (u64 k = 0; k < n_lines; k++) {
		u32 n_words = unit_random_below(&seed, 6), n = 0;
		u8 line[256];
		cli_answer_t a;

		for (u32 w = 0; w < n_words; w++) {
			if (unit_random_below(&seed, 4)) {
				const char *word =
					words[unit_random_below(&seed, ARRAY_LEN(words))];
				u32 n_word = unit_random_below(&seed, 8)
						     ? strlen(word)
						     : unit_random_below(&seed, strlen(word) + 1);

				memcpy(line + n, word, n_word);
				n += n_word;
			} else {
				for (u32 i = unit_random_below(&seed, 12); i; i--)
					line[n++] = unit_random_below(&seed, 8)
							    ? ' ' + unit_random_below(&seed, 95)
							    : unit_random(&seed);
			}
			if (unit_random_below(&seed, 5))
				line[n++] = ' ';
		}
		/* Opening files by random names is no part of this. */
		if (n && line[strspn((char *)memcpy(line + n, "", 1) - n, " \t")] == 'e')
			continue;
		cli_run(line, n, k & 1 ? CLI_FORMAT_JSON : CLI_FORMAT_TEXT, k % 90, &a);
		if (a.status > CLI_STATUS_ERROR)
			CU_FAIL("no status");
		cli_answer_free(&a);
		cli_complete(line, n, CLI_FORMAT_TEXT, &a);
		cli_answer_free(&a);
		if (k == 1000)
			n_objects = mheap_elts(clib_mem_get_heap());
	}
	CU_ASSERT_EQUAL(mheap_elts(clib_mem_get_heap()), n_objects);
}

static const unit_test_t tests[] = {
	UNIT(words_may_be_shortened),
	UNIT(ambiguous_words_list_their_candidates),
	UNIT(a_whole_word_wins),
	UNIT(the_longest_path_wins),
	UNIT(carets_point_at_unknown_words),
	UNIT(carets_point_at_wrong_arguments),
	UNIT(leftover_words_are_an_error),
	UNIT(empty_lines_and_comments_do_nothing),
	UNIT(control_bytes_are_refused),
	UNIT(long_lines_are_refused),
	UNIT(a_question_mark_asks),
	UNIT(completions_follow_the_line),
	UNIT(errors_have_a_json_form),
	UNIT(lists_are_wrapped_to_the_terminal),
	UNIT(files_run_until_an_error),
	UNIT(what_is_no_plain_file_is_not_run),
	UNIT(lines_of_a_file_are_bounded),
	UNIT(files_that_run_themselves_end),
	UNIT(any_line_gets_an_answer),
};

int
main(void)
{
	clib_mem_init(0, MiB(64));
	return unit_run("command", tests, ARRAY_LEN(tests));
}
