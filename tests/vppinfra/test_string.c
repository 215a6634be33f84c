/* SPDX-License-Identifier: Apache-2.0 */
#include <vppinfra/error.h>
#include <vppinfra/string.h>
#include "unit.h"

/* Violations go to a handler here, the last one kept. */
static char last[200];
static int n_violations;

static void
note(void *arg, u8 *msg, int n)
{
	n_violations++;
	snprintf(last, sizeof(last), "%.*s", n, (char *)msg);
}

/* The expression is EINVAL and says why. */
#define REFUSED(expression, why)                                                                   \
	do {                                                                                       \
		int _before = n_violations;                                                        \
		CU_ASSERT_EQUAL((expression), EINVAL);                                             \
		CU_ASSERT_EQUAL(n_violations, _before + 1);                                        \
		CU_ASSERT_PTR_NOT_NULL(strstr(last, "clib_c11_violation"));                        \
		CU_ASSERT_PTR_NOT_NULL(strstr(last, why));                                         \
	} while (0)

/* Memory goes where there is room, not over itself, and nothing is nothing. */
static void
memory_with_bounds(void)
{
	char a[16] = "0123456789abcde", b[16] = "xxxxxxxxxxxxxxx";
	int diff = 7;

	CU_ASSERT_EQUAL(memcpy_s(b, sizeof(b), a, 5), EOK);
	CU_ASSERT_STRING_EQUAL(b, "01234xxxxxxxxxx");
	CU_ASSERT_EQUAL(memcpy_s(0, 0, 0, 0), EOK);
	REFUSED(memcpy_s(0, 5, a, 5), "dest NULL");
	REFUSED(memcpy_s(b, 5, 0, 5), "src NULL");
	REFUSED(memcpy_s(b, 4, a, 5), "n > dmax");
	REFUSED(memcpy_s(a + 2, 10, a, 3), "overlap");
	REFUSED(memcpy_s(a, 10, a + 2, 3), "overlap");
	REFUSED(clib_memcpy(a, a, 3), "overlap");
	CU_ASSERT_EQUAL(memcpy_s(a + 3, 10, a, 3), EOK);
	CU_ASSERT_STRING_EQUAL(a, "0120126789abcde");
	CU_ASSERT_EQUAL(clib_memcpy(b, "abc", 4), EOK);
	CU_ASSERT_STRING_EQUAL(b, "abc");
	CU_ASSERT_PTR_EQUAL(clib_memcpy_fast(b, "def", 4), b);
	CU_ASSERT_PTR_EQUAL(clib_memmove(a, a + 1, 3), a);

	CU_ASSERT_EQUAL(memset_s(b, sizeof(b), 'z', 3), EOK);
	REFUSED(memset_s(0, 3, 0, 3), "s NULL");
	REFUSED(memset_s(b, 3, 0, 4), "n > smax");
	CU_ASSERT_EQUAL(clib_memset(b, 0, sizeof(b)), EOK);

	CU_ASSERT_EQUAL(memcmp_s("abc", 3, "abd", 3, &diff), EOK);
	CU_ASSERT_TRUE(diff < 0);
	REFUSED(memcmp_s(0, 3, "abd", 3, &diff), "s1 NULL");
	REFUSED(memcmp_s("abd", 3, 0, 3, &diff), "s2 NULL");
	REFUSED(memcmp_s("abd", 3, "abd", 3, 0), "diff NULL");
	REFUSED(memcmp_s("abc", 3, "abcd", 4, &diff), "s2max > s1max");
	REFUSED(memcmp_s("abc", 3, "abcd", 0, &diff), "s2max 0");
	CU_ASSERT_TRUE(clib_memcmp("b", "a", 1) > 0);
	CU_ASSERT_EQUAL(clib_memcmp("a", "a", 1), 0);
}

/* Comparing.  A string of more than VPP's 4096 bytes is compared to its end. */
static void
strings_compare(void)
{
	static char long1[10000], long2[10000];
	char open[4] = { 'a', 'b', 'c', 'd' };
	int i = 9;

	CU_ASSERT_EQUAL(strcmp_s("abc", 4, "abd", &i), EOK);
	CU_ASSERT_TRUE(i < 0);
	REFUSED(strcmp_s(0, 4, "abd", &i), "s1 NULL");
	REFUSED(strcmp_s("abd", 4, 0, &i), "s2 NULL");
	REFUSED(strcmp_s("abd", 4, "abd", 0), "indicator NULL");
	REFUSED(strcmp_s(open, 4, "abcd", &i), "s1 unterminated");
	CU_ASSERT_EQUAL(strncmp_s(open, 4, "abcx", 3, &i), EOK);
	CU_ASSERT_EQUAL(i, 0);
	REFUSED(strncmp_s(open, 4, "abcdefg", 5, &i), "s1 unterminated");
	CU_ASSERT_EQUAL(strncmp_s(0, 0, 0, 0, &i), EOK);
	CU_ASSERT_EQUAL(i, 0);
	CU_ASSERT_EQUAL(clib_strcmp("x", "x"), 0);
	CU_ASSERT_TRUE(clib_strcmp("y", "x") > 0);
	CU_ASSERT_TRUE(clib_strncmp("xa", "xb", 1) == 0 && clib_strncmp("xa", "xb", 2) < 0);
	CU_ASSERT_EQUAL(clib_strcmp((char *)0, "x"), 0);
	memset(long1, 'a', sizeof(long1) - 1);
	memset(long2, 'a', sizeof(long2) - 1);
	long2[9000] = 'b';
	CU_ASSERT_TRUE(clib_strcmp(long1, long2) < 0);
	CU_ASSERT_EQUAL(strnlen_s("abc", 10), 3);
	CU_ASSERT_EQUAL(strnlen_s(open, 4), 4);
	CU_ASSERT_EQUAL(strnlen_s(0, 4), 0);
	CU_ASSERT_EQUAL(clib_strnlen("abc", 2), 2);
}

/* Copying and appending: all that fits, or nothing, or what is cut says so. */
static void
strings_copy(void)
{
	char d[8] = "start", full[4] = { 'f', 'u', 'l', 'l' };

	CU_ASSERT_EQUAL(strcpy_s(d, sizeof(d), "1234567"), EOK);
	CU_ASSERT_STRING_EQUAL(d, "1234567");
	REFUSED(strcpy_s(d, sizeof(d), "12345678"), "not enough space");
	REFUSED(strcpy_s(0, sizeof(d), "1"), "dest NULL");
	REFUSED(strcpy_s(d, 0, "1"), "dmax 0");
	REFUSED(strcpy_s(d, sizeof(d), 0), "src NULL");
	REFUSED(strcpy_s(d, sizeof(d), d + 3), "overlap");
	CU_ASSERT_EQUAL(strcpy_s(d, sizeof(d), d), EOK);
	CU_ASSERT_STRING_EQUAL(d, "1234567");

	CU_ASSERT_EQUAL(strncpy_s(d, sizeof(d), "abcdef", 3), EOK);
	CU_ASSERT_STRING_EQUAL(d, "abc");
	CU_ASSERT_EQUAL(strncpy_s(d, sizeof(d), "xyz", 100), EOK);
	CU_ASSERT_STRING_EQUAL(d, "xyz");
	CU_ASSERT_EQUAL(strncpy_s(d, sizeof(d), "123456789", 9), EOVERFLOW);
	CU_ASSERT_STRING_EQUAL(d, "1234567");
	CU_ASSERT_EQUAL(strncpy_s(0, 0, 0, 0), EOK);
	REFUSED(strncpy_s(d, sizeof(d), d + 1, 3), "overlap");

	CU_ASSERT_EQUAL(strcpy_s(d, sizeof(d), "abc"), EOK);
	CU_ASSERT_EQUAL(strcat_s(d, sizeof(d), "defg"), EOK);
	CU_ASSERT_STRING_EQUAL(d, "abcdefg");
	REFUSED(strcat_s(d, sizeof(d), "h"), "not enough space");
	REFUSED(strcat_s(full, sizeof(full), "h"), "dest unterminated");
	REFUSED(strncat_s(full, sizeof(full), "h", 1), "dest unterminated");
	d[3] = 0;
	CU_ASSERT_EQUAL(strncat_s(d, sizeof(d), "12345", 2), EOK);
	CU_ASSERT_STRING_EQUAL(d, "abc12");
	CU_ASSERT_EQUAL(strncat_s(d, sizeof(d), "67890", 5), EOVERFLOW);
	CU_ASSERT_STRING_EQUAL(d, "abc1267");
	CU_ASSERT_EQUAL(clib_strcpy(d, "a"), EOK);
	CU_ASSERT_EQUAL(clib_strcat(d, "b"), EOK);
	CU_ASSERT_EQUAL(clib_strncat(d, "cdef", 1), EOK);
	CU_ASSERT_STRING_EQUAL(d, "abc");
	CU_ASSERT_EQUAL(clib_strncpy(d, "xyz", 2), EOK);
	CU_ASSERT_STRING_EQUAL(d, "xy");
}

/* Tokens, and where a string is in another. */
static void
strings_are_searched(void)
{
	char text[] = ",one,,two three", open[4] = { 'o', 'p', 'e', 'n' }, *at, *rest = 0;
	rsize_t n = sizeof(text);

	CU_ASSERT_STRING_EQUAL(strtok_s(text, &n, ", ", &rest), "one");
	CU_ASSERT_EQUAL(n, strlen(",two three") + 1);
	CU_ASSERT_STRING_EQUAL(strtok_s(0, &n, ", ", &rest), "two");
	CU_ASSERT_STRING_EQUAL(strtok_s(0, &n, ", ", &rest), "three");
	CU_ASSERT_PTR_NULL(strtok_s(0, &n, ", ", &rest));
	CU_ASSERT_PTR_NULL(strtok_s(0, &n, ", ", &rest));
	n = sizeof(open);
	CU_ASSERT_PTR_NULL(strtok_s(open, &n, ",", &rest));
	CU_ASSERT_PTR_NULL(strtok_s(text, &n, "0123456789abcdefg", &rest));
	CU_ASSERT_PTR_NULL(strtok_s(0, &n, ",", &rest));
	memcpy(text, "a b", 4);
	CU_ASSERT_STRING_EQUAL(clib_strtok(text, " ", &rest), "a");
	CU_ASSERT_STRING_EQUAL(clib_strtok((char *)0, " ", &rest), "b");

	memcpy(text, "abcabd", 7);
	CU_ASSERT_EQUAL(strstr_s(text, sizeof(text), "abd", 4, &at), EOK);
	CU_ASSERT_PTR_EQUAL(at, text + 3);
	CU_ASSERT_EQUAL(strstr_s(text, sizeof(text), "x", 2, &at), ESRCH);
	CU_ASSERT_PTR_NULL(at);
	REFUSED(strstr_s(open, sizeof(open), "x", 2, &at), "s1 unterminated");
	REFUSED(strstr_s(text, sizeof(text), open, sizeof(open), &at), "s2 unterminated");
	REFUSED(strstr_s(text, sizeof(text), "x", 0, &at), "s2max 0");
	CU_ASSERT_PTR_EQUAL(clib_strstr(text, "cab"), text + 2);
}

/* Filling and counting by elements, at any address. */
static void
elements_are_filled_and_counted(void)
{
	u8 room[100], *p = room + 1;
	u64 x8[5] = { 3, 3, 3, 4, 3 };
	u32 x4[3] = { 1, 1, 1 };
	u16 x2[2] = { 1, 2 };

	memset(room, 0, sizeof(room));
	clib_memset_u16(p, 0x1234, 3);
	CU_ASSERT_TRUE(!memcmp(p, "\x34\x12\x34\x12\x34\x12", 7));
	clib_memset_u32(p, 0x01020304, 2);
	CU_ASSERT_TRUE(!memcmp(p, "\4\3\2\1\4\3\2\1", 9));
	clib_memset_u64(p, 0x0102030405060708ull, 2);
	CU_ASSERT_TRUE(!memcmp(p, "\x8\7\6\5\4\3\2\1\x8\7\6\5\4\3\2\1", 17));
	clib_memset_u8(p, 9, 3);
	CU_ASSERT_TRUE(p[2] == 9 && p[3] == 5);
	clib_memcpy_le64(p, (u8 *)"abc", 3);
	CU_ASSERT_TRUE(!memcmp(p, "abc\5", 4));
	CU_ASSERT_EQUAL(clib_count_equal_u64(x8, 5), 3);
	CU_ASSERT_EQUAL(clib_count_equal_u64(x8, 2), 2);
	CU_ASSERT_EQUAL(clib_count_equal_u64(x8, 0), 0);
	CU_ASSERT_EQUAL(clib_count_equal_u32(x4, 3), 3);
	CU_ASSERT_EQUAL(clib_count_equal_u16(x2, 2), 1);
	CU_ASSERT_EQUAL(clib_count_equal_u8((u8 *)"aab", 3), 2);
}

static const unit_test_t tests[] = {
	UNIT(memory_with_bounds),
	UNIT(strings_compare),
	UNIT(strings_copy),
	UNIT(strings_are_searched),
	UNIT(elements_are_filled_and_counted),
};

int
main(void)
{
	clib_error_register_handler(note, 0);
	return unit_run("string", tests, ARRAY_LEN(tests));
}
