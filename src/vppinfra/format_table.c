/* SPDX-License-Identifier: Apache-2.0 */
/* Cells are vectors of vectors by c and r, headers included; every line is made as long as the cell
 * just asked for needs, so lines end where VPP's do.  Widths are measured when a table is printed.
 */
#include <vppinfra/format_table.h>

static const table_text_attr_t title_attr = { .flags = TTAF_FG_COLOR_SET | TTAF_BOLD,
					      .fg_color = TTAC_YELLOW,
					      .align = TTAA_CENTER };
static const table_text_attr_t header_col_attr = { .flags = TTAF_FG_COLOR_SET,
						   .fg_color = TTAC_YELLOW,
						   .align = TTAA_RIGHT };
static const table_text_attr_t header_row_attr = { .flags = TTAF_FG_COLOR_SET | TTAF_BOLD,
						   .fg_color = TTAC_GREEN,
						   .align = TTAA_LEFT };
static const table_text_attr_t body_attr = { .align = TTAA_RIGHT };

/* The cell, made if need be; NULL when there is no such header or no memory. */
static table_cell_t *
cell_at(table_t *t, int c, int r)
{
	word col = (word)c + t->n_header_cols, row = (word)r + t->n_header_rows;
	table_cell_t **line;

	if (col < 0 || row < 0)
		return NULL;
	if (vec_validate(t->cells, col)) {
		t->out_of_memory = 1;
		return NULL;
	}
	vec_foreach (line, t->cells)
		if (vec_validate(*line, row)) {
			t->out_of_memory = 1;
			return NULL;
		}
	return &t->cells[col][row];
}

void
table_format_title(table_t *t, const char *fmt, ...)
{
	va_list va;

	va_start(va, fmt);
	t->title = va_format(t->title, fmt, &va);
	va_end(va);
}

void
table_format_cell(table_t *t, int c, int r, const char *fmt, ...)
{
	table_cell_t *cell = cell_at(t, c, r);
	va_list va;

	if (!cell)
		return;
	va_start(va, fmt);
	cell->text = va_format(cell->text, fmt, &va);
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

/* Cells of the longest line. */
static uword
longest_line(const table_t *t)
{
	table_cell_t **line;
	uword n = 0;

	vec_foreach (line, t->cells)
		n = clib_max(n, vec_len64(*line));
	return n;
}

void
table_add_header_col(table_t *t, int n_strings, ...)
{
	uword col = (uword)t->n_header_cols;
	va_list va;

	if (vec_len64(t->cells) >= col && vec_insert(t->cells, 1, col)) {
		t->out_of_memory = 1;
		return;
	}
	t->n_header_cols++;
	/* It is as long as the lines that there are. */
	cell_at(t, -1, (int)longest_line(t) - t->n_header_rows - 1);
	va_start(va, n_strings);
	for (int r = 0; r < n_strings; r++)
		table_format_cell(t, -1, r, "%s", va_arg(va, char *));
	va_end(va);
}

/* A blank cell in each line where the cells start.  Yields 0, or -ENOMEM with the table as it was:
 * room is made everywhere before anything moves. */
static int
insert_header_row(table_t *t)
{
	uword row = (uword)t->n_header_rows;
	table_cell_t **line;

	vec_foreach (line, t->cells)
		if (vec_alloc(*line, 1))
			return -ENOMEM;
	vec_foreach (line, t->cells)
		if (vec_len64(*line) >= row)
			vec_insert(*line, 1, row);
	t->n_header_rows++;
	return 0;
}

void
table_add_header_row(table_t *t, int n_strings, ...)
{
	va_list va;

	if (insert_header_row(t)) {
		t->out_of_memory = 1;
		return;
	}
	va_start(va, n_strings);
	for (int c = 0; c < n_strings; c++)
		table_format_cell(t, c, -1, "%s", va_arg(va, char *));
	va_end(va);
}

void
table_free(table_t *t)
{
	table_cell_t **line, *cell;

	vec_foreach (line, t->cells) {
		vec_foreach (cell, *line)
			vec_free(cell->text);
		vec_free(*line);
	}
	vec_free(t->cells);
	vec_free(t->row_sizes);
	vec_free(t->title);
	memset(t, 0, sizeof(*t));
}

/* The sequence that turns a on: the numbers of what it sets, with semicolons between. */
static u8 *
add_attr(u8 *s, const table_text_attr_t *a)
{
	int codes[6], n = 0;

	if (a->flags & TTAF_RESET)
		codes[n++] = 0;
	if (a->flags & TTAF_BOLD)
		codes[n++] = 1;
	if (a->flags & TTAF_DIM)
		codes[n++] = 2;
	if (a->flags & TTAF_UNDERLINE)
		codes[n++] = 4;
	if (a->flags & TTAF_FG_COLOR_SET)
		codes[n++] = (a->flags & TTAF_FG_COLOR_BRIGHT ? 90 : 30) + a->fg_color % 8;
	if (a->flags & TTAF_BG_COLOR_SET)
		codes[n++] = (a->flags & TTAF_BG_COLOR_BRIGHT ? 100 : 40) + a->bg_color % 8;
	for (int i = 0; i < n; i++)
		s = format(s, i ? ";%d" : "\x1b[%d", codes[i]);
	return n ? format(s, "m") : s;
}

/* A cell in `width' columns; what it does not say is as the default says. */
static u8 *
add_cell(u8 *s, const table_t *t, const table_cell_t *cell, const table_text_attr_t *or_else,
	 uword width)
{
	table_text_attr_t a = *or_else;
	/* The title may be wider than its table.  (And a width of 0 is none.) */
	int n = (int)clib_max(width, vec_len64(cell->text));

	a.flags |= cell->attr.flags;
	if (cell->attr.flags & TTAF_FG_COLOR_SET)
		a.fg_color = cell->attr.fg_color;
	if (cell->attr.flags & TTAF_BG_COLOR_SET)
		a.bg_color = cell->attr.bg_color;
	if (cell->attr.align != TTAA_DEFAULT)
		a.align = cell->attr.align;
	if (!t->no_ansi)
		s = add_attr(s, &a);
	s = format(s,
		   a.align == TTAA_LEFT     ? "%-*v"
		   : a.align == TTAA_CENTER ? "%=*v"
					    : "%*v",
		   n, cell->text);
	return t->no_ansi ? s : format(s, "\x1b[0m");
}

static u8 *
add_line(u8 *s, const table_t *t, uword c)
{
	int is_header = (word)c < t->n_header_cols;
	const table_cell_t *line = t->cells[c];
	uword r;

	vec_foreach_index (r, line) {
		const table_text_attr_t *a = is_header                    ? &header_col_attr
					     : (word)r < t->n_header_rows ? &header_row_attr
									  : &body_attr;

		if (r > 0)
			s = format(s, " ");
		s = add_cell(s, t, &line[r], a,
			     r < vec_len64(t->row_sizes) ? (uword)t->row_sizes[r] : 0);
	}
	return s;
}

/* Find the widths.  Returns the sum of them. */
static uword
measure(table_t *t)
{
	table_cell_t **line;
	uword r, sum = 0;

	vec_reset_length(t->row_sizes);
	if (vec_resize(t->row_sizes, longest_line(t))) {
		t->out_of_memory = 1;
		return 0;
	}
	vec_foreach_index (r, t->row_sizes) {
		int width = 0;

		vec_foreach (line, t->cells)
			if (r < vec_len64(*line))
				width = clib_max(width, (int)vec_len((*line)[r].text));
		t->row_sizes[r] = width;
		sum += (uword)width;
	}
	return sum;
}

u8 *
format_table(u8 *s, va_list *va)
{
	table_t *t = va_arg(*va, table_t *);
	table_cell_t title = { .text = t->title };
	uword c, n_lines = 0, width = measure(t);
	u32 indent = format_get_indent(s);

	if (vec_len64(t->title)) {
		s = add_cell(s, t, &title, &title_attr, width);
		n_lines++;
	}
	vec_foreach_index (c, t->cells) {
		if (n_lines++ > 0)
			s = format(s, "\n%U", format_white_space, indent);
		s = add_line(s, t, c);
	}
	if (t->out_of_memory)
		s = format(s, "%s(out of memory: cells are missing)", n_lines ? "\n" : "");
	return s;
}
