/* SPDX-License-Identifier: Apache-2.0 */
/* The two forms of an answer.  An error in JSON is {"error": {"message", "line", "column",
 * "expected"}}; in text it is the line, the caret and one sentence. */
#include <cli/command_impl.h>

#include <string.h>
#include <jansson.h>
#include <vppinfra/format.h>
#include <vppinfra/vec.h>
#include <cli/json.h>

/* Bytes of a line that are shown around the caret when the reader has no terminal. */
#define CARET_WINDOW 100

static u8 *
add_printable(u8 *s, const u8 *p, uword n)
{
	for (uword i = 0; i < n; i++)
		vec_add1(s, p[i] == '\t' ? ' ' : p[i] < ' ' || p[i] == 0x7f ? '.' : p[i]);
	return s;
}

u8 *
format_cli_excerpt(u8 *s, va_list *va)
{
	const u8 *p = va_arg(*va, const u8 *);
	uword n = va_arg(*va, uword);

	s = add_printable(s, p, clib_min(n, (uword)40));
	return n > 40 ? format(s, "...") : s;
}

static int
is_utf8_tail(u8 c)
{
	return (c & 0xc0) == 0x80;
}

u8 *
format_cli_caret(u8 *s, va_list *va)
{
	const u8 *line = va_arg(*va, const u8 *);
	uword n_bytes = va_arg(*va, uword);
	uword offset = va_arg(*va, uword);
	u32 width = va_arg(*va, u32);
	uword start = 0, end = n_bytes, column = 0;
	int is_cut;

	width = clib_clamp(width, 20u, 1000u) - 8; /* 8: dots on both sides */
	offset = clib_min(offset, n_bytes);
	if (n_bytes > width) {
		start = offset > width / 2 ? offset - width / 2 : 0;
		end = clib_min(n_bytes, start + width);
	}
	while (start < offset && start > 0 && is_utf8_tail(line[start]))
		start++;
	is_cut = start > 0;
	s = is_cut ? format(s, "...") : s;
	s = add_printable(s, line + start, end - start);
	s = format(s, end < n_bytes ? "...\n" : "\n");
	/* One column a character: the bytes behind the first of a UTF-8 sequence take none. */
	for (uword i = start; i < offset; i++)
		column += !is_utf8_tail(line[i]);
	for (uword i = 0; i < column + (is_cut ? 3 : 0); i++)
		vec_add1(s, ' ');
	return format(s, "^\n");
}

/* ", expected one of: a, b, c", in lines no longer than the reader's terminal. */
static u8 *
add_expected(u8 *s, const cli_error_t *e, uword line_start, u16 columns)
{
	if (!vec_len(e->expected))
		return s;
	s = format(s, e->is_ambiguous ? ", could be: " : ", expected one of: ");
	for (uword i = 0; i < vec_len(e->expected); i++) {
		if (columns && vec_len(s) - line_start + strlen(e->expected[i]) + 1 > columns) {
			/* The blank behind the comma or colon becomes the end of the line. */
			s[vec_len(s) - 1] = '\n';
			line_start = vec_len(s);
			s = format(s, "  ");
		}
		s = format(s, "%s%s", e->expected[i], i + 1 < vec_len(e->expected) ? ", " : "");
	}
	return s;
}

static u8 *
add_text_error(u8 *s, const u8 *line, uword n_bytes, const cli_error_t *e, u16 columns)
{
	uword line_start;

	if (e->offset != CLI_NO_OFFSET)
		s = format(s, "%U", format_cli_caret, line, n_bytes, e->offset,
			   columns ? (u32)columns : CARET_WINDOW);
	line_start = vec_len(s);
	s = format(s, "%v", e->message);
	s = add_expected(s, e, line_start, columns);
	return format(s, "\n");
}

static u8 *
add_json_error(u8 *s, const u8 *line, uword n_bytes, const cli_error_t *e)
{
	json_t *error = json_object(), *expected, *top;

	json_object_set_new(error, "message", cli_json_string(e->message, vec_len(e->message)));
	if (e->offset != CLI_NO_OFFSET) {
		json_object_set_new(error, "line",
				    cli_json_string(line, clib_min(n_bytes, (uword)1024)));
		json_object_set_new(error, "column", json_integer(e->offset + 1));
	}
	if (e->expected) {
		expected = json_array();
		for (uword i = 0; i < vec_len(e->expected); i++)
			json_array_append_new(expected, json_string(e->expected[i]));
		json_object_set_new(error, "expected", expected);
	}
	top = json_object();
	json_object_set_new(top, "error", error);
	s = cli_json_dump(s, top);
	json_decref(top);
	return s;
}

void
cli_answer_render(const u8 *line, uword n_bytes, u32 format_, u16 columns, const cli_output_t *out,
		  const cli_error_t *e, cli_answer_t *answer)
{
	answer->status = e->message ? CLI_STATUS_ERROR : CLI_STATUS_OK;
	answer->quit = !e->message && out->quit;
	if (out->out_of_memory)
		cli_answer_no_memory(format_, answer);
	else if (format_ == CLI_FORMAT_JSON && e->message)
		answer->body = add_json_error(answer->body, line, n_bytes, e);
	else if (format_ == CLI_FORMAT_JSON)
		answer->body = format(answer->body, "%U", format_cli_output_json, out);
	else
		answer->body = e->is_leftover ? 0 : format(0, "%U", format_cli_output, out);
	if (format_ == CLI_FORMAT_TEXT && e->message)
		answer->body = add_text_error(answer->body, line, n_bytes, e, columns);
}

void
cli_answer_no_memory(u32 format_, cli_answer_t *answer)
{
	cli_error_t e = { .offset = CLI_NO_OFFSET };

	cli_answer_free(answer);
	answer->status = CLI_STATUS_ERROR;
	e.message = format(0, "no memory for the answer, see show memory");
	if (format_ == CLI_FORMAT_JSON)
		answer->body = add_json_error(0, 0, 0, &e);
	else
		answer->body = add_text_error(0, 0, 0, &e, 0);
	cli_error_free(&e);
}

void
cli_refuse_long_line(u64 n_bytes, u32 format_, cli_answer_t *answer)
{
	cli_error_t e = { .offset = CLI_NO_OFFSET };

	memset(answer, 0, sizeof(*answer));
	answer->status = CLI_STATUS_ERROR;
	e.message = format(0, "a line of %Ld bytes, the limit is %d", n_bytes, CLI_LINE_BYTES_MAX);
	if (format_ == CLI_FORMAT_JSON)
		answer->body = add_json_error(0, 0, 0, &e);
	else
		answer->body = add_text_error(0, 0, 0, &e, 0);
	cli_error_free(&e);
}
