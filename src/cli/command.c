/* SPDX-License-Identifier: Apache-2.0 */
/* The commands that share the words read so far are a run of the sorted list; each further word
 * narrows the run.  No tree is kept: plugins register at start, and a few hundred paths are
 * sorted in less time than the answer takes to print. */
#include <cli/command_impl.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/stat.h>
#include <plugins/framework/event_log.h>
#include <vppinfra/format.h>
#include <vppinfra/vec.h>

/* ---- words ---- */

static int
is_blank(u8 c)
{
	return c == ' ' || c == '\t';
}

int
cli_next_word(const u8 *line, uword n_bytes, uword *at, cli_word_t *word)
{
	uword i = *at;

	while (i < n_bytes && is_blank(line[i]))
		i++;
	word->p = line + i;
	word->offset = i;
	while (i < n_bytes && !is_blank(line[i]))
		i++;
	word->n = i - word->offset;
	*at = i;
	return word->n > 0;
}

const char *
cli_path_word(const char *path, u32 k, uword *n)
{
	for (;; k--) {
		path += strspn(path, " ");
		*n = strcspn(path, " ");
		if (k == 0 || *n == 0)
			return path;
		path += *n;
	}
}

static int
compare_commands(const void *a, const void *b)
{
	vmheap_cli_command_t *const *x = a, *const *y = b;

	return strcmp((*x)->path, (*y)->path);
}

vmheap_cli_command_t **
cli_sorted_commands(void)
{
	vmheap_cli_command_t **sorted = 0;

	for (vmheap_cli_command_t *c = vmheap_cli_commands(); c; c = c->next)
		vec_add1(sorted, c);
	if (sorted)
		qsort(sorted, vec_len(sorted), sizeof(sorted[0]), compare_commands);
	return sorted;
}

/* ---- matching ---- */

void
cli_match_init(cli_match_t *m)
{
	memset(m, 0, sizeof(*m));
	m->set = cli_sorted_commands();
}

void
cli_match_free(cli_match_t *m)
{
	vec_free(m->set);
}

vmheap_cli_command_t *
cli_match_command(const cli_match_t *m)
{
	uword n;

	for (uword i = 0; i < vec_len(m->set); i++) {
		cli_path_word(m->set[i]->path, m->depth, &n);
		if (n == 0 && m->depth > 0)
			return m->set[i];
	}
	return 0;
}

char **
cli_match_next_words(const cli_match_t *m, const cli_word_t *prefix)
{
	char **words = 0;
	const char *last = 0, *w;
	uword n, n_last = 0;

	for (uword i = 0; i < vec_len(m->set); i++) {
		w = cli_path_word(m->set[i]->path, m->depth, &n);
		if (n == 0 || (prefix && (n < prefix->n || memcmp(w, prefix->p, prefix->n))))
			continue;
		/* The list is sorted, so equal words are neighbours. */
		if (last && n == n_last && !memcmp(w, last, n))
			continue;
		last = w;
		n_last = n;
		vec_add1(words, (char *)format(0, "%.*s%c", (int)n, w, 0));
	}
	return words;
}

void
cli_words_free(char **words)
{
	for (uword i = 0; i < vec_len(words); i++)
		vec_free(words[i]);
	vec_free(words);
}

static void
match_narrow(cli_match_t *m, const char *word)
{
	uword n_word = strlen(word), n_kept = 0, n;
	const char *w;

	for (uword i = 0; i < vec_len(m->set); i++) {
		w = cli_path_word(m->set[i]->path, m->depth, &n);
		if (n == n_word && !memcmp(w, word, n))
			m->set[n_kept++] = m->set[i];
	}
	vec_set_len(m->set, n_kept);
	m->depth++;
}

int
cli_match_word(cli_match_t *m, const cli_word_t *word)
{
	char **words = cli_match_next_words(m, word);
	int found = -1, rv;

	/* A whole word wins over a longer one that it begins. */
	for (uword i = 0; i < vec_len(words); i++) {
		if (strlen(words[i]) == word->n)
			found = i;
	}
	if (found < 0 && vec_len(words) == 1)
		found = 0;
	rv = found >= 0 ? 1 : vec_len(words) ? -1 : 0;
	if (rv == 1)
		match_narrow(m, words[found]);
	cli_words_free(words);
	return rv;
}

/* ---- errors ---- */

void
cli_error_free(cli_error_t *e)
{
	vec_free(e->message);
	cli_words_free(e->expected);
	memset(e, 0, sizeof(*e));
}

/* What stands before the first byte that is not printable text, or ~0 when all is. */
static uword
first_bad_byte(const u8 *line, uword n_bytes)
{
	for (uword i = 0; i < n_bytes; i++) {
		if ((line[i] < ' ' && line[i] != '\t') || line[i] == 0x7f)
			return i;
	}
	return ~(uword)0;
}

static void
unknown_word(cli_error_t *e, const cli_word_t *word, char **expected)
{
	e->offset = word->offset;
	e->message = format(0, "unknown word '%U'", format_cli_excerpt, word->p, word->n);
	e->expected = expected;
}

static void
ambiguous_word(cli_error_t *e, const cli_word_t *word, char **candidates)
{
	e->offset = word->offset;
	e->message = format(0, "ambiguous word '%U'", format_cli_excerpt, word->p, word->n);
	e->is_ambiguous = 1;
	e->expected = candidates;
}

/* ---- running ---- */

static u16 columns_of_reader;

u16
cli_columns(void)
{
	return columns_of_reader;
}

/* Follow the line's words down to a command.  Value: the command, *at behind its path, or NULL
 * with the error filled in. */
vmheap_cli_command_t *
cli_find_command(const u8 *line, uword n_bytes, uword *at, cli_error_t *e)
{
	vmheap_cli_command_t *command = 0;
	cli_match_t m;
	cli_word_t word;
	uword next = *at;

	cli_match_init(&m);
	while (cli_next_word(line, n_bytes, &next, &word)) {
		int rv = cli_match_word(&m, &word);

		if (rv == 1) {
			*at = next;
			continue;
		}
		command = cli_match_command(&m);
		/* Behind a whole path an ambiguous word may be the command's own option. */
		if (!command && rv == 0)
			unknown_word(e, &word, cli_match_next_words(&m, 0));
		else if (rv < 0 && !command)
			ambiguous_word(e, &word, cli_match_next_words(&m, &word));
		goto done;
	}
	command = cli_match_command(&m);
	if (!command) {
		e->offset = n_bytes;
		e->message = format(0, "the command goes on");
		e->expected = cli_match_next_words(&m, 0);
	}
done:
	cli_match_free(&m);
	return command;
}

/* The words that a command says it takes, or else the words of its syntax line. */
static char **
expected_of_command(const vmheap_cli_command_t *c)
{
	char **words = 0;
	const char *w;
	uword n;

	for (u32 k = 0; c->words && *(w = cli_path_word(c->words, k, &n)); k++)
		vec_add1(words, (char *)format(0, "%.*s%c", (int)n, w, 0));
	return words;
}

int
cli_error_has_offset(const clib_error_t *error)
{
	return (error[0].flags & VMHEAP_ERROR_AT_WORD) != 0;
}

/* The handler's error: with an offset it points at a word of the arguments. */
static void
error_of_handler(cli_error_t *e, clib_error_t *error, const vmheap_cli_command_t *c,
		 uword args_offset, uword n_bytes)
{
	if (cli_error_has_offset(error)) {
		/* ~0: behind the last word. */
		e->offset = args_offset + clib_min((uword)error[0].code, n_bytes - args_offset);
		e->message = format(0, "%v", error[0].what);
	} else {
		e->message = format(0, "%s: %v", c->path, error[0].what);
	}
	while (vec_len(e->message) && e->message[vec_len(e->message) - 1] == '\n')
		vec_dec_len(e->message, 1);
	clib_error_free(error);
}

/* Blanks behind the last word that the handler took do not count as left over. */
static int
find_leftover(const unformat_input_t *input, const u8 *args, uword n_args, cli_word_t *word)
{
	uword at = input->index == UNFORMAT_END_OF_INPUT ? n_args : clib_min(input->index, n_args);

	return cli_next_word(args, n_args, &at, word);
}

static void
log_command_event(const vmheap_cli_command_t *c, u64 cycles, int has_failed)
{
	ELOG_TYPE_DECLARE(e) = { .format = "`%s' %s in %u us",
				 .format_args = "T4t4i4",
				 .n_enum_strings = 2,
				 .enum_strings = { "done", "failed" } };
	ELOG_TRACK(commands);
	elog_main_t *em = vmheap_elog_main();
	u32 *d, name = vmheap_elog_name(c->path);

	d = ELOG_TRACK_DATA(em, e, commands);
	d[0] = name;
	d[1] = has_failed != 0;
	d[2] = (u32)((f64)cycles * em->cpu_timer.seconds_per_clock * 1e6);
}

void
cli_run_command(vmheap_cli_command_t *c, const u8 *line, uword n_bytes, uword at, cli_output_t *out,
		cli_error_t *e)
{
	u64 start = clib_cpu_time_now();
	unformat_input_t input;
	clib_error_t *error;
	cli_word_t left;

	unformat_init_string(&input, (char *)line + at, n_bytes - at);
	error = c->function(out, &input, c);
	log_command_event(c, clib_cpu_time_now() - start, error != 0);
	if (error) {
		error_of_handler(e, error, c, at, n_bytes);
	} else if (find_leftover(&input, line + at, n_bytes - at, &left)) {
		left.offset += at;
		left.p = line + left.offset;
		unknown_word(e, &left, expected_of_command(c));
		e->is_leftover = 1;
		if (!e->expected)
			e->message = format(e->message, ", the syntax is: %s",
					    c->short_help ? c->short_help : c->path);
	}
	unformat_free(&input);
}

static uword
trim_line(const u8 *line, uword n_bytes)
{
	while (n_bytes && (is_blank(line[n_bytes - 1]) || line[n_bytes - 1] == '\n' ||
			   line[n_bytes - 1] == '\r'))
		n_bytes--;
	return n_bytes;
}

void
cli_run(const u8 *line, uword n_bytes, u32 format_, u16 columns, cli_answer_t *answer)
{
	u16 outer_columns = columns_of_reader;
	vmheap_cli_command_t *c;
	cli_error_t e = { .offset = CLI_NO_OFFSET };
	cli_output_t *out;
	cli_word_t first;
	uword at = 0, bad;

	memset(answer, 0, sizeof(*answer));
	if (n_bytes > CLI_LINE_BYTES_MAX) {
		cli_refuse_long_line(n_bytes, format_, answer);
		return;
	}
	n_bytes = trim_line(line, n_bytes);
	out = cli_output_create();
	if (!out) {
		cli_answer_no_memory(format_, answer);
		return;
	}
	columns_of_reader = columns;
	bad = first_bad_byte(line, n_bytes);
	if (bad != ~(uword)0) {
		e.offset = bad;
		e.message = format(0, "byte 0x%02x in column %wd is not text", line[bad], bad + 1);
	} else if (!cli_next_word(line, n_bytes, &at, &first) || first.p[0] == '#') {
		/* Nothing to do is done. */
	} else if (line[n_bytes - 1] == '?') {
		cli_help(line, n_bytes - 1, 1, out, &e);
	} else {
		at = 0;
		c = cli_find_command(line, n_bytes, &at, &e);
		if (c)
			cli_run_command(c, line, n_bytes, at, out, &e);
	}
	cli_answer_render(line, n_bytes, format_, columns, out, &e, answer);
	columns_of_reader = outer_columns;
	cli_error_free(&e);
	cli_output_free(out);
}

void
cli_answer_free(cli_answer_t *answer)
{
	vec_free(answer->body);
	memset(answer, 0, sizeof(*answer));
}

/* ---- files of commands ---- */

/* Files that run each other are followed so far and no further. */
#define EXEC_DEPTH_MAX 8

static clib_error_t *
exec_line(const char *file, u32 line_number, const char *line, uword n, u8 **text)
{
	clib_error_t *error = 0;
	cli_answer_t a;

	cli_run((const u8 *)line, n, CLI_FORMAT_TEXT, 0, &a);
	if (a.status != CLI_STATUS_OK)
		error = clib_error_return(0, "%s:%d: the command failed:\n%v", file, line_number,
					  a.body);
	else if (vec_len(*text) + vec_len(a.body) > CLI_ANSWER_BYTES_MAX)
		error = clib_error_return(0, "%s:%d: the answers are longer than 16 MiB", file,
					  line_number);
	else
		vec_append(*text, a.body);
	cli_answer_free(&a);
	return error;
}

/* A plain file, or NULL with the error.  Opening or reading anything else may wait, or never end,
 * and the daemon with it. */
static FILE *
open_commands(const char *file, clib_error_t **error)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	FILE *f = NULL;

	if (fd < 0 || fstat(fd, &st)) {
		*error = clib_error_return(0, "%s: %s", file, strerror(errno));
	} else if (!S_ISREG(st.st_mode)) {
		*error = clib_error_return(0, "%s: not a plain file", file);
	} else {
		f = fdopen(fd, "r");
		if (f)
			return f;
		*error = clib_error_return(0, "%s: %s", file, strerror(errno));
	}
	if (fd >= 0)
		close(fd);
	return NULL;
}

/* The next line without its newline; of one that is too long no more than shows that.  Value: 0 at
 * the end. */
static int
read_line(FILE *f, char line[CLI_LINE_BYTES_MAX], uword *n_bytes)
{
	uword n = 0;
	int c;

	while ((c = getc_unlocked(f)) != EOF && c != '\n' && n <= CLI_LINE_BYTES_MAX) {
		if (n < CLI_LINE_BYTES_MAX)
			line[n] = (char)c;
		n++;
	}
	*n_bytes = n;
	return c != EOF || n > 0;
}

clib_error_t *
cli_exec_file(const char *file, u8 **text)
{
	static u32 depth;
	clib_error_t *error = 0;
	FILE *f = open_commands(file, &error);
	u32 line_number = 0;
	uword n;
	char *line;

	if (!f)
		return error;
	line = malloc(CLI_LINE_BYTES_MAX);
	if (!line)
		error = clib_error_return(0, "%s: no memory", file);
	else if (depth == EXEC_DEPTH_MAX)
		error = clib_error_return(0, "%s: files that run files, %d deep", file, depth);
	depth++;
	while (!error && read_line(f, line, &n))
		error = exec_line(file, ++line_number, line, n, text);
	if (!error && ferror(f))
		error = clib_error_return(0, "%s: reading failed", file);
	depth--;
	free(line);
	fclose(f);
	return error;
}
