/* SPDX-License-Identifier: Apache-2.0 */
#include <vppinfra/bitmap.h>
#include <vppinfra/format.h>
#include <vppinfra/hash.h>
#include <vppinfra/mem.h>
#include "unit.h"

/* s becomes a C string, is compared and freed. */
static void
expect_text(u8 *s, const char *expected)
{
	vec_terminate_c_string(s);
	CU_ASSERT_STRING_EQUAL((char *)s, expected);
	vec_free(s);
}

static uword *
list(const char *text, int *matched)
{
	unformat_input_t input;
	uword *b = 0;

	unformat_init_cstring(&input, text);
	*matched = unformat(&input, "%U", unformat_bitmap_list, &b) && unformat_is_eof(&input);
	unformat_free(&input);
	return b;
}

static uword *
mask(const char *text, int *matched)
{
	unformat_input_t input;
	uword *b = 0;

	unformat_init_cstring(&input, text);
	*matched = unformat(&input, "%U", unformat_bitmap_mask, &b) && unformat_is_eof(&input);
	unformat_free(&input);
	return b;
}

/* Sets print as lists of ranges and as numbers of any length. */
static void
bitmaps_print(void)
{
	uword *b = 0;

	expect_text(format(0, "[%U]", format_bitmap_list, b), "[]");
	expect_text(format(0, "%U", format_bitmap_hex, b), "0");
	b = clib_bitmap_set_region(b, 0, 1, 4);
	b = clib_bitmap_set(b, 62, 1);
	b = clib_bitmap_set_region(b, 127, 1, 2);
	expect_text(format(0, "%U", format_bitmap_list, b), "0-3, 62, 127-128");
	expect_text(format(0, "%U", format_bitmap_hex, b), "18000000000000000400000000000000f");
	clib_bitmap_free(b);
}

/* What prints is read back; what is no set is refused, and nothing is left behind. */
static void
bitmaps_are_read(void)
{
	static const char *const good[][2] = {
		{ "7", "7" },         { "1-3,5", "1-3, 5" }, { "5, 1-3", "1-3, 5" },
		{ "0-200", "0-200" }, { "3,3,3", "3" },
	};
	static const char *const bad[] = {
		"", "x", "3-1", "1-", "1,", "-4", "1-3-5", "99999999999"
	};
	static const char *const masks[][2] = {
		{ "0xf0", "4-7" },
		{ "F0", "4-7" },
		{ "0", "" },
		{ "00000000000000000001", "0" },
		{ "10000000000000000", "64" },
	};
	static const char *const bad_masks[] = { "", "0x", "g", "0xg", "-1" };
	int matched;
	uword *b;

	for (uword i = 0; i < ARRAY_LEN(good); i++) {
		b = list(good[i][0], &matched);
		CU_ASSERT_TRUE(matched);
		expect_text(format(0, "%U", format_bitmap_list, b), good[i][1]);
		clib_bitmap_free(b);
	}
	for (uword i = 0; i < ARRAY_LEN(bad); i++) {
		b = list(bad[i], &matched);
		CU_ASSERT_FALSE(matched);
		clib_bitmap_free(b);
	}
	for (uword i = 0; i < ARRAY_LEN(masks); i++) {
		b = mask(masks[i][0], &matched);
		CU_ASSERT_TRUE(matched);
		expect_text(format(0, "%U", format_bitmap_list, b), masks[i][1]);
		clib_bitmap_free(b);
	}
	for (uword i = 0; i < ARRAY_LEN(bad_masks); i++) {
		b = mask(bad_masks[i], &matched);
		CU_ASSERT_FALSE(matched);
		clib_bitmap_free(b);
	}
}

static u8 *
format_as_age(u8 *s, va_list *args)
{
	char *unit = va_arg(*args, char *);
	void *h = va_arg(*args, void *);
	hash_pair_t *p = va_arg(*args, hash_pair_t *);

	CU_ASSERT_PTR_NOT_NULL(h);
	return format(s, "%s is %wu %s", (char *)p->key, p->value[0], unit);
}

/* One line, or a line a pair, by the table's own pair format if it has one. */
static void
hash_tables_print(void)
{
	uword *h = hash_create_string(0, sizeof(uword));
	u8 *s, *expected;

	hash_set_mem(h, "heap", 16);
	s = format(0, "%U", format_hash, h, 0);
	expected = format(0, "hash %p: 1 elts, capacity 64, %wu bytes%c", h, hash_bytes(h), 0);
	expect_text(s, (char *)expected);
	s = format(0, "%U", format_hash, h, 1);
	vec_dec_len(expected, 1);
	expected = format(expected, "\n  chains by length: 63 x 0 1 x 1\n  heap -> 0x10%c", 0);
	expect_text(s, (char *)expected);
	vec_free(expected);

	hash_set_pair_format(h, format_as_age, "years");
	s = format(0, "%U%c", format_hash, h, 1, 0);
	CU_ASSERT_PTR_NOT_NULL(strstr((char *)s, "\n  heap is 16 years"));
	vec_free(s);
	hash_free(h);
	h = 0;
	expect_text(format(0, "%U", format_hash, h, 1), "hash 0x0: 0 elts, capacity 0, 0 bytes");
}

/* Nothing printed or read here stays in the heap. */
static void
nothing_is_left_behind(void)
{
	clib_mem_usage_t before, after;

	clib_mem_usage(&before);
	bitmaps_print();
	bitmaps_are_read();
	hash_tables_print();
	clib_mem_usage(&after);
	CU_ASSERT_EQUAL(before.object_count, after.object_count);
}

static const unit_test_t tests[] = {
	UNIT(bitmaps_print),
	UNIT(bitmaps_are_read),
	UNIT(hash_tables_print),
	UNIT(nothing_is_left_behind),
};

int
main(void)
{
	return unit_run("format_containers", tests, ARRAY_LEN(tests));
}
