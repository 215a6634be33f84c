/* SPDX-License-Identifier: Apache-2.0 */
#include <vppinfra/format_table.h>

static const table_text_attr_t title_attr = { .flags = TTAF_BOLD, .align = TTAA_CENTER };
static const table_text_attr_t header_attr = { .flags = TTAF_BOLD };
static const table_text_attr_t body_attr = {};

/* The cell, made if need be; NULL when there is no such header or no memory. */
static table_cell_t *
cell_at(table_t *t, int c, int r)
{
	word column = (word)c + t->n_header_cols, row = (word)r + t->n_header_rows;
	uword n_before;

	if (column < 0 || row < 0)
		return NULL;
	if (vec_validate(t->cells, column)) {
		t->out_of_memory = 1;
		return NULL;
	}
	n_before = vec_len64(t->cells[column]);
	if (vec_validate(t->cells[column], row)) {
		t->out_of_memory = 1;
		return NULL;
	}
	for (; n_before < vec_len64(t->cells[column]); n_before++)
		t->cells[column][n_before].attr =
			c < 0 || (word)n_before < t->n_header_rows ? header_attr : body_attr;
	return &t->cells[column][row];
}

static void
va_format_cell(table_t *t, int c, int r, const char *fmt, va_list *va)
{
	table_cell_t *cell = cell_at(t, c, r);

	if (!cell)
		return;
	vec_reset_length(cell->text);
	cell->text = va_format(cell->text, fmt, va);
}

void
table_format_title(table_t *t, const char *fmt, ...)
{
	va_list va;

	va_start(va, fmt);
	vec_reset_length(t->title);
	t->title = va_format(t->title, fmt, &va);
	va_end(va);
}

void
table_format_cell(table_t *t, int c, int r, const char *fmt, ...)
{
	va_list va;

	va_start(va, fmt);
	va_format_cell(t, c, r, fmt, &va);
	va_end(va);
}

void
table_set_cell_align(table_t *t, int c, int r, table_text_attr_align_t a)
{
	table_cell_t *cell = cell_at(t, c, r);

	if (cell)
		cell->attr.align = (u8)a;
}

void
table_set_cell_fg_color(table_t *t, int c, int r, table_text_attr_color_t v)
{
	table_cell_t *cell = cell_at(t, c, r);

	if (!cell)
		return;
	cell->attr.flags |= TTAF_FG_COLOR_SET;
	cell->attr.fg_color = (u8)v;
}

void
table_set_cell_bg_color(table_t *t, int c, int r, table_text_attr_color_t v)
{
	table_cell_t *cell = cell_at(t, c, r);

	if (!cell)
		return;
	cell->attr.flags |= TTAF_BG_COLOR_SET;
	cell->attr.bg_color = (u8)v;
}

/* A blank cell in each column at the row where cells start.  Yields 0, or -ENOMEM with the table
 * as it was: room is made everywhere before anything moves. */
static int
insert_row(table_t *t)
{
	uword row = (uword)t->n_header_rows;
	table_cell_t **column;

	vec_foreach (column, t->cells)
		if (vec_alloc(*column, 1))
			return -ENOMEM;
	vec_foreach (column, t->cells) {
		if (vec_len64(*column) < row)
			continue;
		vec_insert(*column, 1, row);
		(*column)[row].attr = header_attr;
	}
	t->n_header_rows++;
	return 0;
}

static int
insert_column(table_t *t)
{
	uword column = (uword)t->n_header_cols;

	if (vec_len64(t->cells) >= column && vec_insert(t->cells, 1, column))
		return -ENOMEM;
	t->n_header_cols++;
	return 0;
}

void
table_add_header_row(table_t *t, int n_strings, ...)
{
	va_list va;

	if (insert_row(t)) {
		t->out_of_memory = 1;
		return;
	}
	va_start(va, n_strings);
	for (int c = 0; c < n_strings; c++)
		table_format_cell(t, c, -1, "%s", va_arg(va, char *));
	va_end(va);
}

void
table_add_header_col(table_t *t, int n_strings, ...)
{
	va_list va;

	if (insert_column(t)) {
		t->out_of_memory = 1;
		return;
	}
	va_start(va, n_strings);
	for (int r = 0; r < n_strings; r++)
		table_format_cell(t, -1, r, "%s", va_arg(va, char *));
	va_end(va);
}

void
table_free(table_t *t)
{
	table_cell_t **column, *cell;

	vec_foreach (column, t->cells) {
		vec_foreach (cell, *column)
			vec_free(cell->text);
		vec_free(*column);
	}
	vec_free(t->cells);
	vec_free(t->row_sizes);
	vec_free(t->title);
	memset(t, 0, sizeof(*t));
}

static u8 *
add_attr(u8 *s, const table_text_attr_t *a)
{
	s = format(s, "\x1b[0");
	if (a->flags & TTAF_BOLD)
		s = format(s, ";1");
	if (a->flags & TTAF_DIM)
		s = format(s, ";2");
	if (a->flags & TTAF_UNDERLINE)
		s = format(s, ";4");
	if (a->flags & TTAF_FG_COLOR_SET)
		s = format(s, ";%d", (a->flags & TTAF_FG_COLOR_BRIGHT ? 90 : 30) + a->fg_color % 8);
	if (a->flags & TTAF_BG_COLOR_SET)
		s = format(s, ";%d",
			   (a->flags & TTAF_BG_COLOR_BRIGHT ? 100 : 40) + a->bg_color % 8);
	return format(s, "m");
}

/* Text in `width' columns, blanks where it does not reach; none at the end of a line. */
static u8 *
add_text(u8 *s, const table_t *t, const table_text_attr_t *a, uword align, const u8 *text,
	 uword width, int is_last)
{
	uword n_pad = width > vec_len64(text) ? width - vec_len64(text) : 0, n_left, n_right;
	int has_ground = !t->no_ansi && a->flags & TTAF_BG_COLOR_SET;
	int has_attr = has_ground || (!t->no_ansi && a->flags && vec_len64(text));

	n_left = align == TTAA_LEFT ? 0 : align == TTAA_CENTER ? (n_pad + 1) / 2 : n_pad;
	n_right = n_pad - n_left;
	if (is_last && !has_ground)
		n_right = 0;
	if (has_attr)
		s = add_attr(s, a);
	s = format(s, "%U%v%U", format_white_space, (u32)n_left, text, format_white_space,
		   (u32)n_right);
	return has_attr ? format(s, "\x1b[0m") : s;
}

static u8 *
add_row(u8 *s, const table_t *t, uword row)
{
	static const table_cell_t blank = {};
	uword n_columns = vec_len64(t->row_sizes), c, start = vec_len64(s);

	for (c = 0; c < n_columns; c++) {
		const table_cell_t *cell =
			row < vec_len64(t->cells[c]) ? &t->cells[c][row] : &blank;
		uword align = cell->attr.align != TTAA_DEFAULT   ? cell->attr.align
			      : (word)c < (word)t->n_header_cols ? TTAA_LEFT
								 : TTAA_RIGHT;

		if (c > 0)
			s = format(s, " ");
		s = add_text(s, t, &cell->attr, align, cell->text, (uword)t->row_sizes[c],
			     c + 1 == n_columns);
	}
	while (vec_len64(s) > start && s[vec_len64(s) - 1] == ' ')
		vec_dec_len(s, 1);
	return s;
}

/* Widths of columns and, as values, that of the table and the number of rows. */
static uword
measure(table_t *t, uword *n_rows)
{
	uword c, width = 0;
	table_cell_t *cell;

	*n_rows = (uword)t->n_header_rows;
	vec_reset_length(t->row_sizes);
	if (vec_resize(t->row_sizes, vec_len64(t->cells)))
		t->out_of_memory = 1;
	vec_foreach_index (c, t->row_sizes) {
		t->row_sizes[c] = 0;
		vec_foreach (cell, t->cells[c])
			t->row_sizes[c] = clib_max(t->row_sizes[c], (int)vec_len(cell->text));
		*n_rows = clib_max(*n_rows, vec_len64(t->cells[c]));
		width += (uword)t->row_sizes[c] + (c > 0);
	}
	return width;
}

u8 *
format_table(u8 *s, va_list *va)
{
	table_t *t = va_arg(*va, table_t *);
	u32 indent = format_get_indent(s);
	uword n_rows, width = measure(t, &n_rows), n_lines = 0;

	if (vec_len64(t->title)) {
		s = add_text(s, t, &title_attr, TTAA_CENTER, t->title, width, 1);
		n_lines++;
	}
	for (uword row = 0; row < n_rows; row++) {
		if (n_lines++ > 0)
			s = format(s, "\n%U", format_white_space, indent);
		s = add_row(s, t, row);
	}
	if (t->out_of_memory)
		s = format(s, "%s(out of memory: cells are missing)", n_lines ? "\n" : "");
	return s;
}
