/* SPDX-License-Identifier: Apache-2.0 */
/* output: what a CLI command says, once, for people and for programs.
 *
 * A command fills sections in order.  The text form prints lines and tables; the JSON form keeps
 * fields, objects and tables and drops lines.  A table's cells are typed, so both come from the
 * same rows.  Text is rendered here, JSON in src/cli; commands and tests need only this.
 *
 * Threads: one at a time.  Memory: the current heap; exhaustion sets a mark that the renderer
 * turns into an error, so no call here returns one. */
#ifndef included_framework_output_h
#define included_framework_output_h

#include <stdarg.h>
#include <vppinfra/clib.h>

typedef struct cli_output cli_output_t;
typedef struct cli_table cli_table_t;

typedef enum { CLI_LEFT, CLI_RIGHT, CLI_CENTRE } cli_align_t;

typedef struct {
	const char *key;   /* JSON member name, snake_case */
	const char *title; /* text header */
	u16 width;         /* least text width; a longer cell is never cut */
	u8 align;          /* cli_align_t, of header and cells */
} cli_column_t;

typedef enum {
	CLI_CELL_NONE, /* "" or null */
	CLI_CELL_STRING,
	CLI_CELL_U64,
	CLI_CELL_I64,
	CLI_CELL_F64,   /* two decimals */
	CLI_CELL_BYTES, /* 1.50k, 3m in text; the number in JSON */
	CLI_CELL_HEX,   /* 0x... */
	CLI_CELL_BOOL,  /* yes, no */
} cli_cell_type_t;

typedef struct {
	u8 type;
	union {
		u8 *string; /* NUL-terminated vector */
		u64 u64;
		i64 i64;
		f64 f64;
	};
} cli_cell_t;

struct cli_table {
	char *key;             /* NUL-terminated vector */
	cli_column_t *columns; /* vector */
	cli_cell_t **rows;     /* vector of vectors */
	u8 hide_header;
	u8 indent;        /* blanks before each line of text */
	u8 out_of_memory; /* a row or a cell is missing */
};

typedef enum {
	CLI_SECTION_TEXT,      /* a line, without its newline; text only */
	CLI_SECTION_FIELD,     /* key and cell; JSON only */
	CLI_SECTION_OBJECT,    /* opens an object named key; JSON only */
	CLI_SECTION_LIST_ITEM, /* opens an object appended to the array named key; JSON only */
	CLI_SECTION_END,       /* closes the innermost; JSON only */
	CLI_SECTION_TABLE,     /* both */
} cli_section_type_t;

typedef struct {
	u8 type;
	char *key; /* NUL-terminated vector, NULL for TEXT and END */
	u8 *text;  /* vector, TEXT */
	cli_cell_t cell;
	cli_table_t *table;
} cli_section_t;

struct cli_output {
	cli_section_t *sections; /* vector */
	u8 out_of_memory;
	u8 quit; /* the command asks that this client's connection be closed */
};

/** @return an empty output; NULL when there is no memory.  All calls take NULL and do nothing. */
CLIB_EXPORT cli_output_t *cli_output_create(void);
CLIB_EXPORT void cli_output_free(cli_output_t *out);

/** Whether something was left out, of out itself or of one of its tables; NULL: yes. */
CLIB_EXPORT int cli_output_is_incomplete(const cli_output_t *out);

/** One or more lines of text by format() (newlines inside split lines); not in JSON. */
CLIB_EXPORT void cli_text(cli_output_t *out, const char *fmt, ...);
CLIB_EXPORT void cli_va_text(cli_output_t *out, const char *fmt, va_list *va);

/** Fields of the innermost open object (the answer itself at first); not in text. */
CLIB_EXPORT void cli_field_string(cli_output_t *out, const char *key, const char *fmt, ...);
CLIB_EXPORT void cli_field_u64(cli_output_t *out, const char *key, u64 value);
CLIB_EXPORT void cli_field_i64(cli_output_t *out, const char *key, i64 value);
CLIB_EXPORT void cli_field_f64(cli_output_t *out, const char *key, f64 value);
CLIB_EXPORT void cli_field_bool(cli_output_t *out, const char *key, int value);
CLIB_EXPORT void cli_object_begin(cli_output_t *out, const char *key);
CLIB_EXPORT void cli_list_item_begin(cli_output_t *out, const char *key);
CLIB_EXPORT void cli_end(cli_output_t *out);

/**
 * A table; in JSON an array of objects named key in the innermost open object.
 *
 * @param columns  copied; its strings must outlive the output (literals do)
 * @return the table, the output's; NULL when there is no memory, and cells then go nowhere.
 *
 * In text a column is as wide as its title, its longest cell and `width` ask, and two columns
 * never touch: one blank at least is between them.
 */
CLIB_EXPORT cli_table_t *cli_table(cli_output_t *out, const char *key, const cli_column_t *columns,
				   u32 n_columns);
/** Starts a row; cells follow in column order, missing ones are NONE, surplus ones are ignored. */
CLIB_EXPORT void cli_row(cli_table_t *t);
CLIB_EXPORT void cli_string(cli_table_t *t, const char *fmt, ...);
CLIB_EXPORT void cli_u64(cli_table_t *t, u64 value);
CLIB_EXPORT void cli_i64(cli_table_t *t, i64 value);
CLIB_EXPORT void cli_f64(cli_table_t *t, f64 value);
CLIB_EXPORT void cli_bytes(cli_table_t *t, u64 value);
CLIB_EXPORT void cli_hex(cli_table_t *t, u64 value);
CLIB_EXPORT void cli_bool(cli_table_t *t, int value);
CLIB_EXPORT void cli_none(cli_table_t *t);

/** A cell as text, appended to s: what the table prints and what a field would say. */
CLIB_EXPORT u8 *format_cli_cell(u8 *s, va_list *va); /* const cli_cell_t * */

/** The text form of all sections, appended to s.  An incomplete output ends with a line that
 *  says so.  Argument: const cli_output_t *. */
CLIB_EXPORT u8 *format_cli_output(u8 *s, va_list *va);

#endif
