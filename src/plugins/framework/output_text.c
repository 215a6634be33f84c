/* SPDX-License-Identifier: Apache-2.0 */
/* The text form.  A column is as wide as what is in it asks, so nothing is cut; VPP's widths are
 * the least, so an ordinary table looks as it does there.  Columns stand edge to edge, so where
 * two texts would touch the column is a blank wider. */
#include <plugins/framework/output.h>

#include <vppinfra/format.h>
#include <vppinfra/vec.h>

u8 *
format_cli_cell(u8 *s, va_list *va)
{
	const cli_cell_t *c = va_arg(*va, const cli_cell_t *);

	switch (c->type) {
	case CLI_CELL_STRING:
		return format(s, "%s", c->string);
	case CLI_CELL_U64:
		return format(s, "%lu", c->u64);
	case CLI_CELL_I64:
		return format(s, "%ld", c->i64);
	case CLI_CELL_F64:
		return format(s, "%.2f", c->f64);
	case CLI_CELL_BYTES:
		return format(s, "%U", format_memory_size, (uword)c->u64);
	case CLI_CELL_HEX:
		return format(s, "0x%lx", c->u64);
	case CLI_CELL_BOOL:
		return format(s, "%s", c->u64 ? "yes" : "no");
	default:
		return s;
	}
}

/* A title or a cell with its padding, both sides: what follows starts at the column's end. */
static u8 *
add_aligned(u8 *s, const u8 *text, uword n_bytes, uword width, u8 align)
{
	uword n_blanks = width - n_bytes, n_left = 0;

	if (align == CLI_RIGHT)
		n_left = n_blanks;
	else if (align == CLI_CENTRE)
		n_left = n_blanks / 2;
	for (uword i = 0; i < n_left; i++)
		vec_add1(s, ' ');
	if (n_bytes)
		vec_add(s, text, n_bytes);
	for (uword i = n_left; i < n_blanks; i++)
		vec_add1(s, ' ');
	return s;
}

/* Ends a line that began at byte `start`: no blanks at its end. */
static u8 *
end_line(u8 *s, uword start)
{
	while (vec_len(s) > start && s[vec_len(s) - 1] == ' ')
		vec_set_len(s, vec_len(s) - 1);
	vec_add1(s, '\n');
	return s;
}

/* Blanks that column c needs beyond its longest text.  A left column's text is followed by one,
 * a right column's is preceded by one, a centred one has both; nothing at the table's edges.
 * Where a right column meets a left one neither would leave a blank: the left one begins with it.
 */
static uword
n_extra_blanks(const cli_table_t *t, u32 c)
{
	const cli_column_t *col = t->columns + c;
	int is_first = c == 0, is_last = c + 1 == vec_len(t->columns);

	switch (col->align) {
	case CLI_RIGHT:
		return is_first ? 0 : 1;
	case CLI_LEFT:
		return is_last ? 0 : 1;
	default:
		return 2;
	}
}

static int
begins_with_blank(const cli_table_t *t, u32 c)
{
	return c && t->columns[c].align == CLI_LEFT && t->columns[c - 1].align == CLI_RIGHT;
}

static u8 *
format_table_row(u8 *s, const cli_table_t *t, const uword *widths, const cli_cell_t *row)
{
	uword start = vec_len(s);
	u8 *text = NULL;

	for (u32 i = 0; i < t->indent; i++)
		vec_add1(s, ' ');
	for (u32 c = 0; c < vec_len(t->columns); c++) {
		vec_reset_length(text);
		if (!row)
			text = format(text, "%s", t->columns[c].title);
		else if (c < vec_len(row))
			text = format(text, "%U", format_cli_cell, row + c);
		if (begins_with_blank(t, c))
			vec_add1(s, ' ');
		s = add_aligned(s, text, vec_len(text), widths[c], t->columns[c].align);
	}
	vec_free(text);
	return end_line(s, start);
}

static u8 *
format_text_table(u8 *s, const cli_table_t *t)
{
	u32 n_columns = vec_len(t->columns);
	uword *widths = NULL;
	u8 *text = NULL;
	cli_cell_t **row;

	if (!n_columns || vec_validate(widths, n_columns - 1))
		return s;
	for (u32 c = 0; c < n_columns; c++) {
		uword longest = t->hide_header ? 0 : strlen(t->columns[c].title);

		vec_foreach (row, t->rows) {
			vec_reset_length(text);
			if (c < vec_len(*row))
				text = format(text, "%U", format_cli_cell, *row + c);
			longest = clib_max(longest, (uword)vec_len(text));
		}
		widths[c] = clib_max((uword)t->columns[c].width, longest + n_extra_blanks(t, c));
	}
	vec_free(text);
	if (!t->hide_header)
		s = format_table_row(s, t, widths, NULL);
	vec_foreach (row, t->rows)
		s = format_table_row(s, t, widths, *row);
	vec_free(widths);
	return s;
}

u8 *
format_cli_output(u8 *s, va_list *va)
{
	const cli_output_t *out = va_arg(*va, const cli_output_t *);
	cli_section_t *section;

	if (out) {
		vec_foreach (section, out->sections) {
			if (section->type == CLI_SECTION_TEXT)
				s = format(s, "%v\n", section->text);
			else if (section->type == CLI_SECTION_TABLE)
				s = format_text_table(s, section->table);
		}
	}
	if (cli_output_is_incomplete(out))
		s = format(s, "out of memory: this output is incomplete\n");
	return s;
}
