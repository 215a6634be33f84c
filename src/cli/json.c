/* SPDX-License-Identifier: Apache-2.0 */
#include <cli/json.h>

#include <string.h>
#include <vppinfra/format.h>
#include <vppinfra/vec.h>

/* Length of the UTF-8 sequence at p, 0 when it is none (RFC 3629: no overlong forms, no
 * surrogates, nothing above U+10FFFF). */
static u32
utf8_sequence(const u8 *p, uword n)
{
	u32 c, n_tail, least;

	if (p[0] < 0x80)
		return 1;
	if (p[0] >= 0xc2 && p[0] <= 0xdf) {
		n_tail = 1, c = p[0] & 0x1f, least = 0x80;
	} else if ((p[0] & 0xf0) == 0xe0) {
		n_tail = 2, c = p[0] & 0x0f, least = 0x800;
	} else if (p[0] >= 0xf0 && p[0] <= 0xf4) {
		n_tail = 3, c = p[0] & 0x07, least = 0x10000;
	} else {
		return 0;
	}
	if (n <= n_tail)
		return 0;
	for (u32 i = 1; i <= n_tail; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3f);
	}
	return c < least || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff) ? 0 : n_tail + 1;
}

json_t *
cli_json_string(const u8 *p, uword n)
{
	u8 *clean = 0;
	json_t *json;

	for (uword i = 0; i < n;) {
		u32 n_sequence = utf8_sequence(p + i, n - i);

		if (n_sequence)
			vec_add(clean, p + i, n_sequence);
		else
			vec_add1(clean, '?');
		i += clib_max(n_sequence, 1u);
	}
	json = json_stringn(clean ? (char *)clean : "", vec_len(clean));
	vec_free(clean);
	return json;
}

static json_t *
json_of_u64(u64 value)
{
	char digits[24];

	if (value <= INT64_MAX)
		return json_integer((json_int_t)value);
	snprintf(digits, sizeof(digits), "%llu", (unsigned long long)value);
	return json_string(digits);
}

static json_t *
json_of_cell(const cli_cell_t *cell)
{
	char hex[24];
	json_t *json;

	switch (cell->type) {
	case CLI_CELL_STRING:
		return cli_json_string(cell->string,
				       cell->string ? strlen((char *)cell->string) : 0);
	case CLI_CELL_U64:
	case CLI_CELL_BYTES:
		return json_of_u64(cell->u64);
	case CLI_CELL_I64:
		return json_integer(cell->i64);
	case CLI_CELL_F64:
		json = json_real(cell->f64);
		return json ? json : json_null();
	case CLI_CELL_HEX:
		snprintf(hex, sizeof(hex), "0x%llx", (unsigned long long)cell->u64);
		return json_string(hex);
	case CLI_CELL_BOOL:
		return json_boolean(cell->u64);
	default:
		return json_null();
	}
}

static json_t *
json_of_table(const cli_table_t *t)
{
	static const cli_cell_t none = { .type = CLI_CELL_NONE };
	json_t *rows = json_array(), *row;

	for (uword i = 0; i < vec_len(t->rows); i++) {
		row = json_object();
		for (uword j = 0; j < vec_len(t->columns); j++) {
			const cli_cell_t *cell = j < vec_len(t->rows[i]) ? &t->rows[i][j] : &none;

			json_object_set_new(row, t->columns[j].key, json_of_cell(cell));
		}
		json_array_append_new(rows, row);
	}
	return rows;
}

/* Appends to the array that key names in object; makes it when it is not there. */
static void
append_to_list(json_t *object, const char *key, json_t *item)
{
	json_t *list = json_object_get(object, key);

	if (!json_is_array(list)) {
		list = json_array();
		json_object_set_new(object, key, list);
	}
	json_array_append_new(list, item);
}

json_t *
cli_output_json(const cli_output_t *out)
{
	json_t *top = json_object(), **open = 0, *inner;

	vec_add1(open, top);
	for (uword i = 0; top && i < vec_len(out->sections); i++) {
		const cli_section_t *s = &out->sections[i];
		json_t *current = open[vec_len(open) - 1];

		switch (s->type) {
		case CLI_SECTION_FIELD:
			json_object_set_new(current, s->key, json_of_cell(&s->cell));
			break;
		case CLI_SECTION_OBJECT:
			inner = json_object();
			json_object_set_new(current, s->key, inner);
			vec_add1(open, inner);
			break;
		case CLI_SECTION_LIST_ITEM:
			inner = json_object();
			append_to_list(current, s->key, inner);
			vec_add1(open, inner);
			break;
		case CLI_SECTION_END:
			if (vec_len(open) > 1)
				vec_dec_len(open, 1);
			break;
		case CLI_SECTION_TABLE:
			json_object_set_new(current, s->table->key, json_of_table(s->table));
			break;
		default: /* lines of text are for people */
			break;
		}
	}
	vec_free(open);
	return top;
}

static int
append_bytes(const char *bytes, size_t n, void *arg)
{
	u8 **s = arg;

	vec_add(*s, bytes, n);
	return 0;
}

u8 *
cli_json_dump(u8 *s, const json_t *json)
{
	json_dump_callback(json, append_bytes, &s,
			   JSON_INDENT(2) | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(10));
	vec_add1(s, '\n');
	return s;
}

u8 *
format_cli_output_json(u8 *s, va_list *va)
{
	const cli_output_t *out = va_arg(*va, const cli_output_t *);
	json_t *json = cli_output_json(out);

	s = cli_json_dump(s, json);
	json_decref(json);
	return s;
}
