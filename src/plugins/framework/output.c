/* SPDX-License-Identifier: Apache-2.0 */
/* The builder.  Strings are NUL-terminated vectors that the section or cell owns.  When memory
 * ends, what could not be kept is dropped whole and marked. */
#include <plugins/framework/output.h>

#include <vppinfra/format.h>
#include <vppinfra/mem.h>
#include <vppinfra/vec.h>

cli_output_t *
cli_output_create(void)
{
	cli_output_t *out = clib_mem_alloc_or_null(sizeof(*out));

	if (out)
		memset(out, 0, sizeof(*out));
	return out;
}

static void
cell_free(cli_cell_t *c)
{
	if (c->type == CLI_CELL_STRING)
		vec_free(c->string);
}

static void
table_free(cli_table_t *t)
{
	cli_cell_t **row, *c;

	vec_foreach (row, t->rows) {
		vec_foreach (c, *row)
			cell_free(c);
		vec_free(*row);
	}
	vec_free(t->rows);
	vec_free(t->columns);
	vec_free(t->key);
	clib_mem_free(t);
}

static void
section_free(cli_section_t *s)
{
	cell_free(&s->cell);
	vec_free(s->key);
	vec_free(s->text);
	if (s->table)
		table_free(s->table);
}

void
cli_output_free(cli_output_t *out)
{
	cli_section_t *s;

	if (!out)
		return;
	vec_foreach (s, out->sections)
		section_free(s);
	vec_free(out->sections);
	clib_mem_free(out);
}

int
cli_output_is_incomplete(const cli_output_t *out)
{
	cli_section_t *s;

	if (!out || out->out_of_memory)
		return 1;
	vec_foreach (s, out->sections)
		if (s->table && s->table->out_of_memory)
			return 1;
	return 0;
}

/* Takes over what s owns. */
static void
section_add(cli_output_t *out, cli_section_t *s)
{
	if (!vec_add1(out->sections, *s))
		return;
	section_free(s);
	out->out_of_memory = 1;
}

/* A section named key; 0 when there is no memory for the name. */
static int
section_named(cli_output_t *out, cli_section_t *s, u8 type, const char *key)
{
	memset(s, 0, sizeof(*s));
	s->type = type;
	s->key = (char *)format(NULL, "%s%c", key, 0);
	if (!s->key)
		out->out_of_memory = 1;
	return s->key != NULL;
}

/* ---- text ---- */

/* One section a line; text, without a NUL, stays the caller's. */
static void
add_line(cli_output_t *out, const u8 *text, uword n_bytes)
{
	cli_section_t s = { .type = CLI_SECTION_TEXT };

	if (n_bytes && vec_add(s.text, text, n_bytes)) {
		out->out_of_memory = 1;
		return;
	}
	section_add(out, &s);
}

void
cli_va_text(cli_output_t *out, const char *fmt, va_list *va)
{
	uword start = 0;
	u8 *text;

	if (!out)
		return;
	text = va_format(NULL, fmt, va);
	for (uword i = 0; i < vec_len(text); i++) {
		if (text[i] != '\n')
			continue;
		add_line(out, text + start, i - start);
		start = i + 1;
	}
	/* A final newline ends the last line and does not begin another. */
	if (start < vec_len(text) || !vec_len(text))
		add_line(out, text ? text + start : NULL, vec_len(text) - start);
	vec_free(text);
}

void
cli_text(cli_output_t *out, const char *fmt, ...)
{
	va_list va;

	va_start(va, fmt);
	cli_va_text(out, fmt, &va);
	va_end(va);
}

/* ---- fields ---- */

static void
field_add(cli_output_t *out, const char *key, cli_cell_t cell)
{
	cli_section_t s;

	if (!out) {
		cell_free(&cell);
		return;
	}
	if (!section_named(out, &s, CLI_SECTION_FIELD, key)) {
		cell_free(&cell);
		return;
	}
	s.cell = cell;
	section_add(out, &s);
}

void
cli_field_string(cli_output_t *out, const char *key, const char *fmt, ...)
{
	cli_cell_t c = { .type = CLI_CELL_STRING };
	va_list va;

	if (!out)
		return;
	va_start(va, fmt);
	c.string = va_format(NULL, fmt, &va);
	va_end(va);
	c.string = format(c.string, "%c", 0);
	if (c.string)
		field_add(out, key, c);
	else
		out->out_of_memory = 1;
}

void
cli_field_u64(cli_output_t *out, const char *key, u64 value)
{
	field_add(out, key, (cli_cell_t){ .type = CLI_CELL_U64, .u64 = value });
}

void
cli_field_i64(cli_output_t *out, const char *key, i64 value)
{
	field_add(out, key, (cli_cell_t){ .type = CLI_CELL_I64, .i64 = value });
}

void
cli_field_f64(cli_output_t *out, const char *key, f64 value)
{
	field_add(out, key, (cli_cell_t){ .type = CLI_CELL_F64, .f64 = value });
}

void
cli_field_bool(cli_output_t *out, const char *key, int value)
{
	field_add(out, key, (cli_cell_t){ .type = CLI_CELL_BOOL, .u64 = value != 0 });
}

static void
open_section(cli_output_t *out, u8 type, const char *key)
{
	cli_section_t s;

	if (out && section_named(out, &s, type, key))
		section_add(out, &s);
}

void
cli_object_begin(cli_output_t *out, const char *key)
{
	open_section(out, CLI_SECTION_OBJECT, key);
}

void
cli_list_item_begin(cli_output_t *out, const char *key)
{
	open_section(out, CLI_SECTION_LIST_ITEM, key);
}

void
cli_end(cli_output_t *out)
{
	cli_section_t s = { .type = CLI_SECTION_END };

	if (out)
		section_add(out, &s);
}

/* ---- tables ---- */

cli_table_t *
cli_table(cli_output_t *out, const char *key, const cli_column_t *columns, u32 n_columns)
{
	cli_section_t s;

	if (!out || !section_named(out, &s, CLI_SECTION_TABLE, key))
		return NULL;
	s.table = clib_mem_alloc_or_null(sizeof(*s.table));
	if (!s.table) {
		section_free(&s);
		out->out_of_memory = 1;
		return NULL;
	}
	memset(s.table, 0, sizeof(*s.table));
	s.table->key = s.key;
	s.key = (char *)format(NULL, "%s%c", key, 0);
	if (!s.key || vec_add(s.table->columns, columns, n_columns) || vec_add1(out->sections, s)) {
		section_free(&s);
		out->out_of_memory = 1;
		return NULL;
	}
	return s.table;
}

void
cli_row(cli_table_t *t)
{
	cli_cell_t *row = NULL;

	if (!t)
		return;
	if (vec_alloc(row, vec_len(t->columns)) || vec_add1(t->rows, row)) {
		vec_free(row);
		t->out_of_memory = 1;
	}
}

/* Takes over what c owns. */
static void
cell_add(cli_table_t *t, cli_cell_t c)
{
	cli_cell_t **row = t && vec_len(t->rows) ? vec_end(t->rows) - 1 : NULL;

	if (row && vec_len(*row) < vec_len(t->columns) && !vec_add1(*row, c))
		return;
	if (row && vec_len(*row) < vec_len(t->columns))
		t->out_of_memory = 1;
	cell_free(&c);
}

void
cli_string(cli_table_t *t, const char *fmt, ...)
{
	cli_cell_t c = { .type = CLI_CELL_STRING };
	va_list va;

	if (!t)
		return;
	va_start(va, fmt);
	c.string = va_format(NULL, fmt, &va);
	va_end(va);
	c.string = format(c.string, "%c", 0);
	if (!c.string) {
		t->out_of_memory = 1;
		c.type = CLI_CELL_NONE;
	}
	cell_add(t, c);
}

void
cli_u64(cli_table_t *t, u64 value)
{
	cell_add(t, (cli_cell_t){ .type = CLI_CELL_U64, .u64 = value });
}

void
cli_i64(cli_table_t *t, i64 value)
{
	cell_add(t, (cli_cell_t){ .type = CLI_CELL_I64, .i64 = value });
}

void
cli_f64(cli_table_t *t, f64 value)
{
	cell_add(t, (cli_cell_t){ .type = CLI_CELL_F64, .f64 = value });
}

void
cli_bytes(cli_table_t *t, u64 value)
{
	cell_add(t, (cli_cell_t){ .type = CLI_CELL_BYTES, .u64 = value });
}

void
cli_hex(cli_table_t *t, u64 value)
{
	cell_add(t, (cli_cell_t){ .type = CLI_CELL_HEX, .u64 = value });
}

void
cli_bool(cli_table_t *t, int value)
{
	cell_add(t, (cli_cell_t){ .type = CLI_CELL_BOOL, .u64 = value != 0 });
}

void
cli_none(cli_table_t *t)
{
	cell_add(t, (cli_cell_t){ .type = CLI_CELL_NONE });
}
