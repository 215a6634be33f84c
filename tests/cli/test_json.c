/* SPDX-License-Identifier: Apache-2.0 */
/* The JSON form of an answer: every cell type, nesting, and bytes that are no text. */
#include <math.h>
#include <string.h>
#include <vppinfra/mem.h>
#include <vppinfra/vec.h>
#include <cli/json.h>
#include "unit.h"

static json_t *
parse(const cli_output_t *out)
{
	u8 *s = format(0, "%U", format_cli_output_json, out);
	json_error_t error;
	json_t *json = json_loadb((char *)s, vec_len(s), 0, &error);

	if (!json)
		printf("%s\n%.*s\n", error.text, (int)vec_len(s), s);
	CU_ASSERT_PTR_NOT_NULL_FATAL(json);
	CU_ASSERT_EQUAL(s[vec_len(s) - 1], '\n');
	vec_free(s);
	return json;
}

/* Lines of text are for people: an answer of text alone is an empty object. */
static void
text_is_not_in_json(void)
{
	cli_output_t *out = cli_output_create();
	json_t *json;

	cli_text(out, "hello %d", 1);
	json = parse(out);
	CU_ASSERT_EQUAL(json_object_size(json), 0);
	json_decref(json);
	cli_output_free(out);
}

/* Fields keep their types; objects and list items nest, and an end too many is no harm. */
static void
fields_and_objects_nest(void)
{
	cli_output_t *out = cli_output_create();
	json_t *json, *list;

	cli_field_u64(out, "n", 7);
	cli_field_i64(out, "i", -7);
	cli_field_bool(out, "b", 1);
	cli_field_f64(out, "f", 1.5);
	cli_field_string(out, "s", "a%s", "b");
	for (u64 i = 0; i < 3; i++) {
		cli_list_item_begin(out, "list");
		cli_field_u64(out, "i", i);
		cli_object_begin(out, "inner");
		cli_field_u64(out, "deep", i * 2);
		cli_end(out);
		cli_end(out);
	}
	cli_end(out);
	cli_field_u64(out, "last", 1);
	json = parse(out);
	CU_ASSERT_EQUAL(json_integer_value(json_object_get(json, "n")), 7);
	CU_ASSERT_EQUAL(json_integer_value(json_object_get(json, "i")), -7);
	CU_ASSERT(json_is_true(json_object_get(json, "b")));
	CU_ASSERT_EQUAL(json_real_value(json_object_get(json, "f")), 1.5);
	CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(json, "s")), "ab");
	list = json_object_get(json, "list");
	CU_ASSERT_EQUAL(json_array_size(list), 3);
	CU_ASSERT_EQUAL(json_integer_value(json_object_get(
				json_object_get(json_array_get(list, 2), "inner"), "deep")),
			4);
	CU_ASSERT_EQUAL(json_integer_value(json_object_get(json, "last")), 1);
	json_decref(json);
	cli_output_free(out);
}

/* A table is an array of objects; cells that are missing are null. */
static void
tables_are_arrays_of_objects(void)
{
	static const cli_column_t columns[] = {
		{ "name", "Name", 8 }, { "bytes", "Bytes", 8 }, { "at", "At", 8 },
		{ "up", "Up", 4 },     { "none", "None", 4 },   { "missing", "Missing", 4 },
	};
	cli_output_t *out = cli_output_create();
	cli_table_t *t = cli_table(out, "rows", columns, ARRAY_LEN(columns));
	json_t *json, *row;

	cli_row(t);
	cli_string(t, "eth%d", 0);
	cli_bytes(t, 1536);
	cli_hex(t, 0xfedcba9876543210ull);
	cli_bool(t, 0);
	cli_none(t);
	json = parse(out);
	row = json_array_get(json_object_get(json, "rows"), 0);
	CU_ASSERT_EQUAL(json_object_size(row), ARRAY_LEN(columns));
	CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(row, "name")), "eth0");
	CU_ASSERT_EQUAL(json_integer_value(json_object_get(row, "bytes")), 1536);
	CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(row, "at")), "0xfedcba9876543210");
	CU_ASSERT(json_is_false(json_object_get(row, "up")));
	CU_ASSERT(json_is_null(json_object_get(row, "none")));
	CU_ASSERT(json_is_null(json_object_get(row, "missing")));
	json_decref(json);
	cli_output_free(out);
}

/* Values that JSON's numbers and strings do not hold are still in the answer. */
static void
awkward_values_survive(void)
{
	cli_output_t *out = cli_output_create();
	json_t *json;

	cli_field_u64(out, "big", ~0ull);
	cli_field_f64(out, "nan", NAN);
	cli_field_f64(out, "inf", INFINITY);
	cli_field_string(out, "bytes",
			 "a\xff\xc3\xbc\xed\xa0\x80"
			 "b\"\\\n");
	json = parse(out);
	CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(json, "big")),
			       "18446744073709551615");
	CU_ASSERT(json_is_null(json_object_get(json, "nan")));
	CU_ASSERT(json_is_null(json_object_get(json, "inf")));
	CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(json, "bytes")),
			       "a?\xc3\xbc???b\"\\\n");
	json_decref(json);
	cli_output_free(out);
}

/* Random sections in random order always make one well-formed document. */
static void
any_sections_make_a_document(void)
{
	static const char *const keys[] = { "a", "b", "list", "" };
	static const cli_column_t columns[] = { { "x", "X", 1 }, { "y", "Y", 1 } };
	u64 seed = unit_seed(), n = unit_n_ops(5000);

	for (u64 k = 0; k < n; k++) {
		cli_output_t *out = cli_output_create();
		cli_table_t *t;

		for (u32 i = unit_random_below(&seed, 30); i; i--) {
			const char *key = keys[unit_random_below(&seed, ARRAY_LEN(keys))];

			switch (unit_random_below(&seed, 6)) {
			case 0:
				cli_text(out, "text");
				break;
			case 1:
				cli_field_u64(out, key, unit_random(&seed));
				break;
			case 2:
				cli_object_begin(out, key);
				break;
			case 3:
				cli_list_item_begin(out, key);
				break;
			case 4:
				cli_end(out);
				break;
			default:
				t = cli_table(out, key, columns, ARRAY_LEN(columns));
				cli_row(t);
				cli_string(t, "%c", (int)(1 + unit_random_below(&seed, 255)));
				break;
			}
		}
		json_decref(parse(out));
		cli_output_free(out);
	}
}

static const unit_test_t tests[] = {
	UNIT(text_is_not_in_json),          UNIT(fields_and_objects_nest),
	UNIT(tables_are_arrays_of_objects), UNIT(awkward_values_survive),
	UNIT(any_sections_make_a_document),
};

int
main(void)
{
	clib_mem_init(0, MiB(64));
	return unit_run("json", tests, ARRAY_LEN(tests));
}
