/* SPDX-License-Identifier: Apache-2.0 */
#include <plugins/framework/output.h>
#include <vppinfra/format.h>
#include <vppinfra/mem.h>
#include <vppinfra/vec.h>
#include "unit.h"

/* The text form, as a C string good until the next call. */
static const char *
text_of(const cli_output_t *out)
{
	static u8 *s;

	vec_reset_length(s);
	s = format(s, "%U%c", format_cli_output, out, 0);
	return (char *)s;
}

static const char *
cell_text(cli_cell_t c)
{
	static u8 *s;

	vec_reset_length(s);
	s = format(s, "%U%c", format_cli_cell, &c, 0);
	return (char *)s;
}

/* Text is lines: newlines inside split, one at the end adds nothing, an empty text is a line. */
static void
text_is_split_into_lines(void)
{
	cli_output_t *out = cli_output_create();

	cli_text(out, "one %u", 1);
	cli_text(out, "two\nthree\n");
	cli_text(out, "");
	cli_text(out, "%s", "");
	cli_text(out, "\n");
	cli_text(out, "end\n\n");
	CU_ASSERT_STRING_EQUAL(text_of(out), "one 1\ntwo\nthree\n\n\n\nend\n\n");
	CU_ASSERT_EQUAL(vec_len(out->sections), 8);
	CU_ASSERT(!cli_output_is_incomplete(out));
	cli_output_free(out);
}

/* Columns have VPP's least widths, each cell and its title aligned alike. */
static void
columns_have_their_widths(void)
{
	static const cli_column_t columns[] = { { "name", "Name", 10, CLI_LEFT },
						{ "state", "State", 9, CLI_CENTRE },
						{ "calls", "Calls", 8, CLI_RIGHT } };
	cli_output_t *out = cli_output_create();
	cli_table_t *t = cli_table(out, "nodes", columns, 3);

	cli_row(t);
	cli_string(t, "drop");
	cli_string(t, "active");
	cli_u64(t, 42);
	CU_ASSERT_STRING_EQUAL(text_of(out), "Name        State     Calls\n"
					     "drop       active        42\n");
	t->indent = 2;
	t->hide_header = 1;
	CU_ASSERT_STRING_EQUAL(text_of(out), "  drop       active        42\n");
	cli_output_free(out);
}

/* A cell longer than its column makes the column wider: nothing is cut, no two cells touch. */
static void
long_cells_widen_the_column(void)
{
	static const cli_column_t columns[] = { { "a", "A", 3, CLI_RIGHT },
						{ "b", "B", 3, CLI_LEFT },
						{ "c", "C", 3, CLI_CENTRE },
						{ "d", "D", 3, CLI_RIGHT } };
	cli_output_t *out = cli_output_create();
	cli_table_t *t = cli_table(out, "t", columns, 4);

	cli_row(t);
	cli_string(t, "aaaaa");
	cli_string(t, "bbbbb");
	cli_string(t, "ccccc");
	cli_string(t, "ddddd");
	cli_row(t);
	cli_u64(t, 1);
	cli_u64(t, 2);
	cli_u64(t, 3);
	cli_u64(t, 4);
	CU_ASSERT_STRING_EQUAL(text_of(out), "    A B        C        D\n"
					     "aaaaa bbbbb  ccccc  ddddd\n"
					     "    1 2        3        4\n");
	cli_output_free(out);
}

/* Every kind of alignment beside every other, cells of every length: words of a line, split at
 * blanks, are the cells again. */
static void
cells_never_touch(void)
{
	u64 seed = unit_seed(), n_rounds = unit_n_ops(2000);

	for (u64 round = 0; round < n_rounds; round++) {
		u32 n_columns = 1 + (u32)unit_random_below(&seed, 6), n_cells = 0;
		cli_column_t columns[6];
		cli_output_t *out = cli_output_create();
		static char expected[1024], got[1024], copy[4096];
		char *save, *word;
		cli_table_t *t;

		expected[0] = got[0] = 0;
		for (u32 c = 0; c < n_columns; c++)
			columns[c] = (cli_column_t){ "k", "T", (u16)unit_random_below(&seed, 12),
						     (u8)unit_random_below(&seed, 3) };
		t = cli_table(out, "t", columns, n_columns);
		t->hide_header = 1;
		for (u32 row = 0; row < 3; row++) {
			cli_row(t);
			for (u32 c = 0; c < n_columns; c++) {
				u32 n = 1 + (u32)unit_random_below(&seed, 14);

				cli_string(t, "%.*s", n, "abcdefghijklmnop");
				snprintf(expected + strlen(expected),
					 sizeof(expected) - strlen(expected), "%.*s|", (int)n,
					 "abcdefghijklmnop");
				n_cells++;
			}
		}
		snprintf(copy, sizeof(copy), "%s", text_of(out));
		for (word = strtok_r(copy, " \n", &save); word; word = strtok_r(NULL, " \n", &save))
			snprintf(got + strlen(got), sizeof(got) - strlen(got), "%s|", word);
		CU_ASSERT_STRING_EQUAL_FATAL(got, expected);
		cli_output_free(out);
	}
}

/* What each kind of cell says. */
static void
cells_say_what_they_hold(void)
{
	CU_ASSERT_STRING_EQUAL(cell_text((cli_cell_t){ .type = CLI_CELL_NONE }), "");
	CU_ASSERT_STRING_EQUAL(cell_text((cli_cell_t){ .type = CLI_CELL_U64, .u64 = ~0ull }),
			       "18446744073709551615");
	CU_ASSERT_STRING_EQUAL(cell_text((cli_cell_t){ .type = CLI_CELL_I64, .i64 = -5 }), "-5");
	CU_ASSERT_STRING_EQUAL(cell_text((cli_cell_t){ .type = CLI_CELL_F64, .f64 = 1.5 }), "1.50");
	CU_ASSERT_STRING_EQUAL(cell_text((cli_cell_t){ .type = CLI_CELL_BYTES, .u64 = 1536 }),
			       "1.50k");
	CU_ASSERT_STRING_EQUAL(cell_text((cli_cell_t){ .type = CLI_CELL_BYTES, .u64 = 3 << 20 }),
			       "3m");
	CU_ASSERT_STRING_EQUAL(cell_text((cli_cell_t){ .type = CLI_CELL_HEX, .u64 = 0xbeef }),
			       "0xbeef");
	CU_ASSERT_STRING_EQUAL(cell_text((cli_cell_t){ .type = CLI_CELL_BOOL, .u64 = 1 }), "yes");
	CU_ASSERT_STRING_EQUAL(cell_text((cli_cell_t){ .type = CLI_CELL_BOOL, .u64 = 0 }), "no");
}

/* Missing cells are blank, surplus ones are ignored, cells before the first row go nowhere. */
static void
ragged_rows_are_harmless(void)
{
	static const cli_column_t columns[] = { { "a", "A", 4, CLI_LEFT },
						{ "b", "B", 4, CLI_LEFT } };
	cli_output_t *out = cli_output_create();
	cli_table_t *t = cli_table(out, "t", columns, 2);

	cli_u64(t, 9);
	cli_string(t, "nowhere");
	cli_row(t);
	cli_row(t);
	cli_none(t);
	cli_hex(t, 255);
	cli_string(t, "surplus");
	cli_bool(t, 1);
	CU_ASSERT_STRING_EQUAL(text_of(out), "A   B\n\n    0xff\n");
	CU_ASSERT(!cli_output_is_incomplete(out));
	cli_output_free(out);
}

/* Fields, objects and lists are for programs: they leave no trace in the text. */
static void
fields_are_not_in_the_text(void)
{
	cli_output_t *out = cli_output_create();

	cli_object_begin(out, "heap");
	cli_field_string(out, "name", "main %u", 7);
	cli_field_u64(out, "bytes", 1);
	cli_field_i64(out, "delta", -1);
	cli_field_f64(out, "rate", 0.5);
	cli_field_bool(out, "locked", 2);
	cli_end(out);
	cli_list_item_begin(out, "threads");
	cli_end(out);
	CU_ASSERT_STRING_EQUAL(text_of(out), "");
	CU_ASSERT_EQUAL_FATAL(vec_len(out->sections), 9);
	CU_ASSERT_STRING_EQUAL(out->sections[0].key, "heap");
	CU_ASSERT_STRING_EQUAL(out->sections[1].key, "name");
	CU_ASSERT_STRING_EQUAL((char *)out->sections[1].cell.string, "main 7");
	CU_ASSERT_EQUAL(out->sections[3].cell.i64, -1);
	CU_ASSERT_EQUAL(out->sections[5].cell.u64, 1);
	CU_ASSERT_EQUAL(out->sections[6].type, CLI_SECTION_END);
	CU_ASSERT_EQUAL(out->sections[7].type, CLI_SECTION_LIST_ITEM);
	cli_output_free(out);
}

/* An output of every kind of section, with long cells. */
static void
fill(cli_output_t *out)
{
	static const cli_column_t columns[] = { { "a", "A", 4, CLI_LEFT },
						{ "b", "B", 4, CLI_RIGHT } };
	cli_table_t *t;

	cli_text(out, "line\nline");
	cli_object_begin(out, "object");
	cli_field_string(out, "s", "%s", "value");
	cli_field_u64(out, "u", 1);
	cli_list_item_begin(out, "list");
	cli_end(out);
	cli_end(out);
	t = cli_table(out, "table", columns, 2);
	for (u32 i = 0; i < 20; i++) {
		cli_row(t);
		cli_string(t, "row %u of a table that is longer than its column", i);
		cli_bytes(t, i << 20);
	}
}

/* Memory ends at every possible place: the output is marked, prints, and frees all it took. */
static void
exhaustion_is_marked_and_nothing_leaks(void)
{
	static u8 text[KiB(16)];
	static u8 memory[KiB(64)] __attribute__((aligned(4096)));
	u32 n_incomplete = 0, n_complete = 0;

	/* Each heap leaves a little more room than the one before. */
	for (uword room = 0; room < KiB(12); room += 64) {
		void *heap = mheap_alloc(memory, sizeof(memory)), *outer;
		void *block;
		uword n_elts, max = sizeof(memory);
		cli_output_t *out;
		u8 *s;

		CU_ASSERT_PTR_NOT_NULL_FATAL(heap);
		while (!(block = clib_mem_heap_alloc(heap, max)))
			max -= 64;
		clib_mem_heap_free(heap, block);
		if (room >= max)
			break;
		block = clib_mem_heap_alloc(heap, max - room);
		CU_ASSERT_PTR_NOT_NULL(block);
		n_elts = mheap_elts(heap);

		outer = clib_mem_set_heap(heap);
		out = cli_output_create();
		fill(out);
		clib_mem_set_heap(outer);
		s = format(NULL, "%U", format_cli_output, out);
		memcpy(text, s, clib_min(vec_len(s), sizeof(text)));
		if (cli_output_is_incomplete(out)) {
			n_incomplete++;
			CU_ASSERT_PTR_NOT_NULL(
				memmem(text, vec_len(s), "out of memory: this output", 26));
		} else {
			n_complete++;
		}
		vec_free(s);
		clib_mem_set_heap(heap);
		cli_output_free(out);
		clib_mem_set_heap(outer);
		CU_ASSERT_EQUAL(mheap_elts(heap), n_elts);
		CU_ASSERT_EQUAL(mheap_check(heap, NULL, 0), 0);
		mheap_free(heap);
	}
	CU_ASSERT(n_incomplete > 0);
	CU_ASSERT(n_complete > 0);
}

/* NULL is an output without memory: every call takes it. */
static void
null_output_is_taken_by_all_calls(void)
{
	fill(NULL);
	cli_row(NULL);
	cli_none(NULL);
	cli_f64(NULL, 1);
	cli_i64(NULL, 1);
	cli_field_bool(NULL, "k", 1);
	CU_ASSERT(cli_output_is_incomplete(NULL));
	CU_ASSERT_STRING_EQUAL(text_of(NULL), "out of memory: this output is incomplete\n");
	cli_output_free(NULL);
}

static const unit_test_t tests[] = {
	UNIT(text_is_split_into_lines),          UNIT(columns_have_their_widths),
	UNIT(long_cells_widen_the_column),       UNIT(cells_never_touch),
	UNIT(cells_say_what_they_hold),          UNIT(ragged_rows_are_harmless),
	UNIT(fields_are_not_in_the_text),        UNIT(exhaustion_is_marked_and_nothing_leaks),
	UNIT(null_output_is_taken_by_all_calls),
};

int
main(void)
{
	return unit_run("output", tests, ARRAY_LEN(tests));
}
