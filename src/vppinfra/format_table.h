/* SPDX-License-Identifier: Apache-2.0 */
/* format_table: text in columns as wide as their widest cell.
 *
 *   table_t table = {}, *t = &table;
 *   table_add_header_col(t, 2, "Name", "Size");
 *   table_format_cell(t, 0, 0, "%v", name);           line 0, first column
 *   table_format_cell(t, 0, 1, "%U", format_memory_size, n_bytes);
 *   s = format(s, "%U\n", format_table, t);
 *   table_free(t);
 *
 * A cell has two numbers, c and r, and VPP, whose interface this is, prints the cells of one c on
 * one line: c counts lines down, r counts across.  A header "col" is thus a line above the cells,
 * a header "row" what stands to the left of them:
 *
 *                     r = -1      r = 0      r = 1
 *       c = -1                    header     header       n_header_cols = 1
 *       c =  0        header       cell       cell
 *       c =  1        header       cell       cell
 *                  n_header_rows = 1
 *
 * Both are numbered from the first that is no header; headers have negative numbers, -1 next to
 * the cells.  A table of zero bytes is an empty one.  Cells come in any order, the ones never set
 * are blank, and nothing is ever cut.
 *
 * Without no_ansi the title is bold yellow, header cols yellow, header rows bold green; each cell
 * ends with the sequence that resets a terminal.
 *
 * Threads: one at a time.  Memory: the current heap; a table that lost cells because memory ended
 * says so in a last line. */
#ifndef included_format_table_h
#define included_format_table_h

#include <vppinfra/format.h>

/** What a cell's text looks like: flags, */
typedef enum {
	TTAF_RESET = 1 << 0,
	TTAF_BOLD = 1 << 1,
	TTAF_DIM = 1 << 2,
	TTAF_UNDERLINE = 1 << 3,
	TTAF_FG_COLOR_SET = 1 << 4,
	TTAF_BG_COLOR_SET = 1 << 5,
	TTAF_FG_COLOR_BRIGHT = 1 << 6,
	TTAF_BG_COLOR_BRIGHT = 1 << 7,
} table_text_attr_flags_t;

/** colours, as terminals number them, */
typedef enum {
	TTAC_BLACK = 0,
	TTAC_RED = 1,
	TTAC_GREEN = 2,
	TTAC_YELLOW = 3,
	TTAC_BLUE = 4,
	TTAC_MAGENTA = 5,
	TTAC_CYAN = 6,
	TTAC_WHITE = 7,
} table_text_attr_color_t;

/** and its place in the column.  Default: left in a header row, centred for the title, else
 *  right. */
typedef enum {
	TTAA_DEFAULT = 0,
	TTAA_LEFT = 1,
	TTAA_RIGHT = 2,
	TTAA_CENTER = 3,
} table_text_attr_align_t;

typedef struct {
	u16 flags;   /* table_text_attr_flags_t */
	u8 fg_color; /* table_text_attr_color_t */
	u8 bg_color;
	u8 align; /* table_text_attr_align_t */
} table_text_attr_t;

typedef struct {
	table_text_attr_t attr;
	u8 *text; /* vector */
} table_cell_t;

typedef struct {
	u8 no_ansi;       /* set: no bold, no colours */
	u8 out_of_memory; /* a cell was lost */
	u8 *title;        /* vector; NULL: none */

	/* By c, headers first, and in it by r, headers first; vectors. */
	table_cell_t **cells;
	int *row_sizes; /* width of each r, as last printed; vector */
	int n_header_cols;
	int n_header_rows;
	int n_footer_cols; /* VPP's; not looked at */
} table_t;

/** Append to the title, which is printed centred above the table. */
CLIB_EXPORT void table_format_title(table_t *t, const char *fmt, ...);

/** Append to the text of a cell.  A negative c or r beyond the headers that there are is
 *  ignored. */
CLIB_EXPORT void table_format_cell(table_t *t, int c, int r, const char *fmt, ...);

/** Where in its column a cell's text stands, and its colours. */
CLIB_EXPORT void table_set_cell_align(table_t *t, int c, int r, table_text_attr_align_t a);
CLIB_EXPORT void table_set_cell_fg_color(table_t *t, int c, int r, table_text_attr_color_t v);
CLIB_EXPORT void table_set_cell_bg_color(table_t *t, int c, int r, table_text_attr_color_t v);

/** Add a header next to the cells, which keep their numbers: n C strings for its cells 0 and on.
 *  n may be 0; its cells are then set one by one.  A col is a line above, a row stands on the
 *  left. */
CLIB_EXPORT void table_add_header_col(table_t *t, int n_strings, ...);
CLIB_EXPORT void table_add_header_row(table_t *t, int n_strings, ...);

/** Free what the table owns; it is empty again. */
CLIB_EXPORT void table_free(table_t *t);

/** (table_t *): no newline after the last line. */
CLIB_EXPORT format_function_t format_table;

#endif
