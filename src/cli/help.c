/* SPDX-License-Identifier: Apache-2.0 */
/* help: what a line could go on with, told to people, and to the client as completions. */
#include <cli/command_impl.h>

#include <string.h>
#include <vppinfra/format.h>
#include <vppinfra/vec.h>

static const cli_column_t word_columns[] = {
	{ "word", "Word", 16, CLI_LEFT },
	{ "help", "Help", 0, CLI_LEFT },
};

/* The words that follow `word`, "a, b, c". */
static u8 *
format_words_below(u8 *s, va_list *va)
{
	cli_match_t *m = va_arg(*va, cli_match_t *);
	char **words = cli_match_next_words(m, 0);

	for (uword i = 0; i < vec_len(words); i++)
		s = format(s, "%s%s", i ? ", " : "", words[i]);
	cli_words_free(words);
	return s;
}

static void
add_word_row(cli_table_t *t, const cli_match_t *outer, const char *text)
{
	cli_match_t m = { .set = vec_dup(outer->set), .depth = outer->depth };
	cli_word_t word = { .p = (const u8 *)text, .n = strlen(text) };
	vmheap_cli_command_t *c;

	cli_match_word(&m, &word);
	c = cli_match_command(&m);
	cli_row(t);
	cli_string(t, "%s", text);
	if (c)
		cli_string(t, "%s", c->short_help ? c->short_help : c->path);
	else
		cli_string(t, "%U", format_words_below, &m);
	cli_match_free(&m);
}

static void
help_of_command(cli_output_t *out, const vmheap_cli_command_t *c)
{
	const char *syntax = c->short_help ? c->short_help : c->path;

	cli_text(out, "%s", syntax);
	if (c->long_help)
		cli_text(out, "%s", c->long_help);
	if (c->words)
		cli_text(out, "options: %s", c->words);
	cli_field_string(out, "path", "%s", c->path);
	cli_field_string(out, "syntax", "%s", syntax);
	cli_field_string(out, "help", "%s", c->long_help ? c->long_help : "");
	cli_field_string(out, "options", "%s", c->words ? c->words : "");
}

static void
list_words(cli_output_t *out, const cli_match_t *m, char **words)
{
	cli_table_t *t;

	if (!words)
		return;
	t = cli_table(out, "words", word_columns, ARRAY_LEN(word_columns));
	if (!t)
		return;
	for (uword i = 0; i < vec_len(words); i++)
		add_word_row(t, m, words[i]);
}

/* Where a line stands: the match as far as its whole words go, and the beginning of the next. */
typedef struct {
	cli_match_t match;
	cli_word_t prefix;
	u8 has_prefix, is_past_command; /* words behind the path: the command's own */
} cli_place_t;

/* Value: 0, or -1 with the error filled in (when e is not NULL). */
static int
find_place(const u8 *line, uword n_bytes, int last_is_prefix, cli_place_t *place, cli_error_t *e)
{
	cli_match_t *m = &place->match;
	cli_word_t word;
	uword at = 0;
	int rv;

	memset(place, 0, sizeof(*place));
	cli_match_init(m);
	while (cli_next_word(line, n_bytes, &at, &word)) {
		if (last_is_prefix && at == n_bytes) {
			place->prefix = word;
			place->has_prefix = 1;
			return 0;
		}
		if (place->is_past_command)
			continue;
		rv = cli_match_word(m, &word);
		if (rv == 1)
			continue;
		if (cli_match_command(m)) {
			place->is_past_command = 1;
			continue;
		}
		if (e) {
			e->offset = word.offset;
			e->is_ambiguous = rv < 0;
			e->expected = cli_match_next_words(m, rv < 0 ? &word : 0);
			e->message = format(0, rv < 0 ? "ambiguous word '%U'" : "unknown word '%U'",
					    format_cli_excerpt, word.p, word.n);
		}
		return -1;
	}
	return 0;
}

/* Option words of a command that begin with the prefix. */
static char **
option_words(const vmheap_cli_command_t *c, const cli_word_t *prefix)
{
	char **words = 0;
	const char *w;
	uword n;

	for (u32 k = 0; c && c->words && *(w = cli_path_word(c->words, k, &n)); k++) {
		if (n >= prefix->n && !memcmp(w, prefix->p, prefix->n))
			vec_add1(words, (char *)format(0, "%.*s%c", (int)n, w, 0));
	}
	return words;
}

void
cli_help(const u8 *line, uword n_bytes, int last_is_prefix, cli_output_t *out, cli_error_t *e)
{
	vmheap_cli_command_t *c;
	cli_place_t place;
	char **words = 0;

	if (!find_place(line, n_bytes, last_is_prefix, &place, e)) {
		c = cli_match_command(&place.match);
		if (!place.is_past_command)
			words = cli_match_next_words(&place.match,
						     place.has_prefix ? &place.prefix : 0);
		if (!c && !words) {
			e->offset = place.prefix.offset;
			e->message = format(0, "unknown word '%U'", format_cli_excerpt,
					    place.prefix.p, place.prefix.n);
			e->expected = cli_match_next_words(&place.match, 0);
		}
		if (c && !(place.has_prefix && words))
			help_of_command(out, c);
		list_words(out, &place.match, words);
	}
	cli_words_free(words);
	cli_match_free(&place.match);
}

static void
add_candidates(u8 **s, cli_table_t *t, char **words)
{
	for (uword i = 0; i < vec_len(words); i++) {
		*s = format(*s, "%s\n", words[i]);
		if (t) {
			cli_row(t);
			cli_string(t, "%s", words[i]);
		}
	}
}

void
cli_complete(const u8 *line, uword n_bytes, u32 format_, cli_answer_t *answer)
{
	static const cli_column_t columns[] = { { "word", "Word", 0, CLI_LEFT } };
	static const cli_word_t none = { .p = (const u8 *)"" };
	char **words = 0, **options = 0;
	const cli_word_t *prefix;
	cli_output_t *out;
	cli_place_t place;
	cli_table_t *t;
	u8 *text = 0;

	memset(answer, 0, sizeof(*answer));
	out = cli_output_create();
	if (!out) {
		cli_answer_no_memory(format_, answer);
		return;
	}
	t = cli_table(out, "candidates", columns, ARRAY_LEN(columns));
	if (!find_place(line, n_bytes, 1, &place, 0)) {
		prefix = place.has_prefix ? &place.prefix : &none;
		if (!place.is_past_command)
			words = cli_match_next_words(&place.match, prefix);
		options = option_words(cli_match_command(&place.match), prefix);
		add_candidates(&text, t, words);
		add_candidates(&text, t, options);
	}
	if (format_ == CLI_FORMAT_JSON) {
		answer->body = format(0, "%U", format_cli_output_json, out);
		vec_free(text);
	} else {
		answer->body = text;
	}
	cli_words_free(words);
	cli_words_free(options);
	cli_match_free(&place.match);
	cli_output_free(out);
}

/* ---- commands of the engine itself ---- */

/* The rest of the line, consumed; a vector without blanks around it. */
static u8 *
take_rest(unformat_input_t *input)
{
	u8 *rest = 0;

	while (unformat_check_input(input) != UNFORMAT_END_OF_INPUT)
		vec_add1(rest, (u8)unformat_get_input(input));
	return rest;
}

static clib_error_t *
help_fn(cli_output_t *out, unformat_input_t *input, vmheap_cli_command_t *cmd)
{
	cli_error_t e = { .offset = CLI_NO_OFFSET };
	u8 *rest = take_rest(input);
	clib_error_t *error = 0;

	cli_help(rest, vec_len(rest), 0, out, &e);
	if (e.message) {
		u8 *words = 0;

		for (uword i = 0; i < vec_len(e.expected); i++)
			words = format(words, "%s%s", i ? ", " : "", e.expected[i]);
		error = clib_error_return(
			0, "%v%s%v", e.message,
			e.is_ambiguous ? ", could be: " : ", expected one of: ", words);
		vec_free(words);
	}
	cli_error_free(&e);
	vec_free(rest);
	return error;
}

VMHEAP_CLI_COMMAND(help) = {
	.path = "help",
	.short_help = "help [COMMAND]",
	.long_help =
		"What a command does and takes; `COMMAND ?` means the same, and `show m?`\n"
		"lists the words that begin so.  Words may be shortened while they are unique.",
	.function = help_fn,
};

static clib_error_t *
quit_fn(cli_output_t *out, unformat_input_t *input, vmheap_cli_command_t *cmd)
{
	out->quit = 1;
	return 0;
}

VMHEAP_CLI_COMMAND(quit) = {
	.path = "quit",
	.short_help = "quit",
	.long_help = "Ends this client; the daemon goes on.",
	.function = quit_fn,
};

static clib_error_t *
show_cli_fn(cli_output_t *out, unformat_input_t *input, vmheap_cli_command_t *cmd)
{
	static const cli_column_t columns[] = {
		{ "command", "Command", 28, CLI_LEFT },
		{ "syntax", "Syntax", 48, CLI_LEFT },
		{ "plugin", "Plugin", 0, CLI_LEFT },
	};
	vmheap_cli_command_t **commands = cli_sorted_commands();
	cli_table_t *t = cli_table(out, "commands", columns, ARRAY_LEN(columns));

	for (uword i = 0; i < vec_len(commands); i++) {
		const vmheap_cli_command_t *c = commands[i];

		if (!t)
			break;
		cli_row(t);
		cli_string(t, "%s", c->path);
		cli_string(t, "%s", c->short_help ? c->short_help : c->path);
		cli_string(t, "%s", c->plugin ? c->plugin : "");
	}
	vec_free(commands);
	return 0;
}

VMHEAP_CLI_COMMAND(show_cli) = {
	.path = "show cli",
	.short_help = "show cli",
	.long_help = "Every command, its syntax, and the plugin it came with.",
	.function = show_cli_fn,
};

static clib_error_t *
exec_fn(cli_output_t *out, unformat_input_t *input, vmheap_cli_command_t *cmd)
{
	clib_error_t *error;
	u8 *file = 0, *text = 0;

	if (!unformat(input, "%s", &file))
		return vmheap_config_unknown(input, "the name of a file of commands");
	error = cli_exec_file((char *)file, &text);
	while (vec_len(text) && text[vec_len(text) - 1] == '\n')
		vec_dec_len(text, 1);
	if (vec_len(text))
		cli_text(out, "%v", text);
	vec_free(text);
	vec_free(file);
	return error;
}

VMHEAP_CLI_COMMAND(exec) = {
	.path = "exec",
	.short_help = "exec FILE",
	.long_help = "Runs the commands of a file on the daemon's machine, one a line, until one "
		     "fails.\n"
		     "Lines that start with # are comments.",
	.function = exec_fn,
};
