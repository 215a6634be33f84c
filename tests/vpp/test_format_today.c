/* SPDX-License-Identifier: Apache-2.0 */
/* Text out, in the idiom of today's tree: a table of formats and what they print, then dumps,
 * bitmaps, times and descriptors. */
#include <vppinfra/format.h>
#include <vppinfra/bitmap.h>
#include <unistd.h>

static int
check(int line, u8 *got, const char *expected)
{
	int is_equal;

	vec_add1(got, 0);
	is_equal = !strcmp((char *)got, expected);
	if (!is_equal)
		fformat(stderr, "line %d: expected\n%s\ngot\n%s\n", line, expected, got);
	vec_free(got);
	return !is_equal;
}

#define CHECK(e, ...) n_failed += check(__LINE__, format(0, __VA_ARGS__), e)

static int
integers(void)
{
	int n_failed = 0;
	static const struct {
		u64 value;
		const char *fmt;
		const char *text;
	} tests[] = {
		{ 0, "%lu", "0" },
		{ 8, "%lo", "10" },
		{ ~0ULL, "%lx", "ffffffffffffffff" },
		{ ~0ULL, "%ld", "-1" },
		{ 1ULL << 40, "%-16llu|", "1099511627776   |" },
		{ 255, "0x%04lx", "0x00ff" },
		{ 255, "%=7lX|", "   FF  |" },
	};

	for (int i = 0; i < ARRAY_LEN(tests); i++)
		n_failed += check(__LINE__, format(0, tests[i].fmt, tests[i].value), tests[i].text);
	return n_failed;
}

static int
dumps(void)
{
	u16 shorts[] = { 1, 0x8000 };
	u32 ints[] = { 1, 2, 3, 4, 5 };
	u64 longs[] = { 1ULL << 63 };
	u8 *text = (u8 *)"The quick brown fox\n";
	int n_failed = 0;

	CHECK("x: 00000: 54 68 65 20 71 75 69 63 6b 20 62 72 6f 77 6e 20 [The quick brown ]\n"
	      "   00010: 66 6f 78 0a                                     [fox.]",
	      "x: %U", format_hexdump, text, (uword)20);
	CHECK("00000:  0001 8000", "%U", format_hexdump_u16, shorts, 2);
	CHECK("00000:  00000001 00000002 00000003 00000004\n00010:  00000005", "%U",
	      format_hexdump_u32, ints, 5);
	CHECK("00000:  8000000000000000", "%U", format_hexdump_u64, longs, 1);
	CHECK("54686520", "%U", format_hex_bytes_no_wrap, text, 4);
	return n_failed;
}

static int
sizes_and_times(void)
{
	int n_failed = 0;

	CHECK("4K 2M 1G default", "%U %U %U %U", format_log2_page_size, CLIB_MEM_PAGE_SZ_4K,
	      format_log2_page_size, CLIB_MEM_PAGE_SZ_2M, format_log2_page_size,
	      CLIB_MEM_PAGE_SZ_1G, format_log2_page_size, CLIB_MEM_PAGE_SZ_DEFAULT);
	CHECK("12 1.20K 1.23M", "%U %U %U", format_base10, (u64)12, format_base10, (u64)1200,
	      format_base10, (u64)1234567);
	CHECK("1:02:03", "%U", format_time_interval, "d:h:m", 86400. + 2 * 3600 + 3 * 60 + 59);
	CHECK("500", "%U", format_time_float, "F", 1e9 + .5);
	CHECK("1.500000 0.000001 1e+06", "%f %f %g", 1.5, 1e-6, 1e6);
	return n_failed;
}

static int
bitmaps(void)
{
	uword *b = 0;
	int n_failed = 0;

	b = clib_bitmap_set(b, 3, 1);
	b = clib_bitmap_set(b, 4, 1);
	b = clib_bitmap_set(b, 70, 1);
	CHECK("400000000000000018", "%U", format_bitmap_hex, b);
	CHECK("3-4, 70", "%U", format_bitmap_list, b);
	clib_bitmap_free(b);
	return n_failed;
}

static int
descriptors(void)
{
	char text[32] = "";
	int fds[2];

	if (pipe(fds) < 0)
		return 1;
	if (fdformat(fds[1], "%d and %s", 1, "more") != 10)
		return 1;
	return read(fds[0], text, sizeof(text)) != 10 || strcmp(text, "1 and more");
}

int
main(int argc, char *argv[])
{
	int n_failed;

	clib_mem_init(0, 32 << 20);
	n_failed = integers() + dumps() + sizes_and_times() + bitmaps() + descriptors();
	fformat(stdout, "%d failed\n", n_failed);
	return n_failed != 0;
}
