/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <math.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>
#include <vppinfra/format_table.h>
#include "text_test.h"

/* Each integer conversion prints its base, and the modifiers its size. */
static void
integers_in_each_base_and_size(void)
{
	EXPECT("0 -1 2147483647 -2147483648", "%d %d %d %d", 0, -1, INT32_MAX, INT32_MIN);
	EXPECT("4294967295 ffffffff FFFFFFFF 37777777777", "%u %x %X %o", ~0u, ~0u, ~0u, ~0u);
	EXPECT("-9223372036854775808", "%ld", INT64_MIN);
	EXPECT("-9223372036854775808", "%lld", INT64_MIN);
	EXPECT("-9223372036854775808", "%Ld", INT64_MIN);
	EXPECT("-9223372036854775808", "%wd", INT64_MIN);
	EXPECT("18446744073709551615", "%lu", ~0ul);
	EXPECT("ffffffffffffffff", "%llx", ~0ull);
	EXPECT("1777777777777777777777", "%Lo", ~0ull);
	EXPECT("7 00042 -00042 000", "%.0d %.5d %.5d %.3x", 7, 42, -42, 0);
	EXPECT("0x0 0x7f00dead", "%p %p", NULL, (void *)0x7f00deadul);
}

/* A width places the text; longer text is cut from the right, as VPP has it. */
static void
a_width_is_exact(void)
{
	EXPECT("[   42][42   ][   42][  42 ]", "[%5d][%-5d][%+5d][%=5d]", 42, 42, 42, 42);
	EXPECT("[  ab][ab  ][ ab ][  a ]", "[%4s][%-4s][%=4s][%=4s]", "ab", "ab", "ab", "a");
	EXPECT("[123][abc][0x]", "[%3d][%3s][%2p]", 12345, "abcdef", (void *)16);
	EXPECT("[  %][%  ][  c]", "[%3%][%-3%][%3c]", 'c');
	EXPECT("[   7][7   ][7]", "[%*d][%*d][%*d]", 4, 7, -4, 7, 0, 7);
	EXPECT("[12][   1.5]", "[%2d][%6.1f]", 1234, 1.5);
}

/* Zeros stand between the sign or prefix and the digits, and never to the right of a number. */
static void
zeros_do_not_change_a_number(void)
{
	EXPECT("[00042][-0042][42   ][0x00ff]", "[%05d][%05d][%-05d][%06p]", 42, -42, 42,
	       (void *)255);
	EXPECT("[-003.50][0003.50][    inf]", "[%07.2f][%07.2f][%07f]", -3.5, 3.5, INFINITY);
	EXPECT("[  042]", "[%05.3d]", 42);
	EXPECT("[00000ab]", "[%07s]", "ab");
}

/* Strings, vectors, characters; NULL is an empty vector and a nil string. */
static void
strings_and_vectors(void)
{
	u8 *v = format(NULL, "vector_of_u8");

	EXPECT("(nil)|", "%s|%v", NULL, NULL);
	EXPECT("vector_of_u8|vec|  vec", "%v|%.3v|%5.3v", v, v, v);
	EXPECT("a b c|a_b", "%S|%s", "a_b_c", "a_b");
	EXPECT("abc||abc", "%.3s|%.0s|%.*s", "abcdef", "x", 3, "abcdef");
	EXPECT("abcdef", "%.*s", -1, "abcdef");
	EXPECT("100% x", "100%% %c", 'x');
	EXPECT("", "");
	CU_ASSERT_PTR_NULL(format(NULL, ""));
	expect_bytes(__LINE__, "a\0b", 3, format(NULL, "a%cb", 0));
	vec_free(v);
}

/* %.Ns never reads past N bytes, so a buffer without a NUL can be printed. */
static void
a_precision_bounds_what_is_read(void)
{
	char *bytes = malloc(4);

	memcpy(bytes, "wxyz", 4);
	EXPECT("wxyz", "%.4s", bytes);
	free(bytes);
}

/* Floats print as in C, six digits unless told otherwise. */
static void
floats_as_in_c(void)
{
	EXPECT("1.500000 -0.500000 0.000000", "%f %f %f", 1.5, -0.5, 0.0);
	EXPECT("2 1.50 1.500e+00 1e+20 0.0001", "%.0f %.2f %.3e %g %g", 1.5, 1.5, 1.5, 1e20, 1e-4);
	EXPECT("nan inf -inf", "%f %f %f", (f64)NAN, INFINITY, -INFINITY);
	EXPECT("-0.000000", "%f", -0.0);
}

/* A conversion that does not exist replaces what was there and takes no argument. */
static void
an_unknown_conversion_replaces_the_string(void)
{
	EXPECT("**** CLIB unknown format `%Z' ****", "before %d %Z after %s", 1, 2);
	EXPECT("**** CLIB unknown format `%i' ****", "%5i");
	EXPECT("**** CLIB unknown format `%' ****", "x%");
	EXPECT("**** CLIB unknown format `%' ****", "%-08.3l");
}

static u8 *
format_pair(u8 *s, va_list *va)
{
	int a = va_arg(*va, int);
	const char *b = va_arg(*va, const char *);

	return format(s, "<%d,%s>", a, b);
}

static u8 *
format_eraser(u8 *s, va_list *va)
{
	vec_reset_length(s);
	return s;
}

static u8 *
format_wrapped(u8 *s, va_list *va)
{
	format_function_t *fn = va_arg(*va, format_function_t *);

	return format(s, "(%U)", fn, 9, "z");
}

/* %U hands its function the arguments that follow, and its width is that of all it adds. */
static void
user_functions_take_their_arguments(void)
{
	EXPECT("<1,a> 2", "%U %d", format_pair, 1, "a", 2);
	EXPECT("[   <1,a>][<1,a>   ][<1,]", "[%8U][%-8U][%3U]", format_pair, 1, "a", format_pair, 1,
	       "a", format_pair, 1, "a");
	EXPECT("(<9,z>)!", "%U!", format_wrapped, format_pair);
	EXPECT("    !", "gone%4U!", format_eraser);
}

/* A string may be appended to itself although it moves while it grows. */
static void
a_string_is_appended_to_itself(void)
{
	u8 *s = format(NULL, "ab");

	for (int i = 0; i < 12; i++)
		s = format(s, "%v", s);
	CU_ASSERT_EQUAL(vec_len(s), 2 << 12);
	CU_ASSERT(!memcmp(s + 8190, "ab", 2));
	vec_reset_length(s);
	s = format(s, "abcd");
	s = format(s, "%.2s", s + 1);
	expect_bytes(__LINE__, "abcdbc", 6, s);
}

/* One random conversion, as text for snprintf and for format. */
static void
random_spec(u64 *seed, char conversion, char *ours, char *theirs, int *width)
{
	static const char *const flags[] = { "", "-", "0", "-0" };
	const char *flag = flags[unit_random_below(seed, ARRAY_LEN(flags))];
	const char *modifier = strchr("duxXo", conversion) ? "l" : "";
	/* To C no digit at all is a way to print zero. */
	int precision = (int)unit_random_below(seed, 20) + (*modifier != 0);
	char dot[8] = "";

	if (strchr("sc", conversion) && strchr(flag, '0'))
		flag = "";
	*width = (int)unit_random_below(seed, 3) ? (int)unit_random_below(seed, 30) : 0;
	if (conversion != 'c' && unit_random_below(seed, 2))
		snprintf(dot, sizeof(dot), ".%d", precision);
	if (*width)
		snprintf(ours, 32, "%%%s%d%s%s%c", flag, *width, dot, modifier, conversion);
	else
		snprintf(ours, 32, "%%%s%s%s%c", flag, dot, modifier, conversion);
	strcpy(theirs, ours);
}

static u64
random_magnitude(u64 *seed)
{
	return unit_random(seed) >> unit_random_below(seed, 64);
}

/* Reals of all sizes, and those that lie halfway between two texts. */
static f64
random_real(u64 *seed, u64 value)
{
	switch (unit_random_below(seed, 4)) {
	case 0:
		return ldexp((f64)(i64)(value % 100000), -(int)unit_random_below(seed, 12));
	case 1:
		return ldexp((f64)(i64)value, (int)unit_random_below(seed, 20) - 74);
	case 2: {
		/* Any bits: not a number, infinite, denormal. */
		u64 bits = unit_random(seed) << unit_random_below(seed, 2) * 20;
		f64 x;

		memcpy(&x, &bits, sizeof(x));
		return x;
	}
	default:
		return ldexp((f64)(i64)value, (int)unit_random_below(seed, 200) - 100);
	}
}

/* For each conversion that C has too, the C library is the oracle; its text cut to the width. */
static void
conversions_agree_with_c(void)
{
	static const char conversions[] = "duxXofegsc";
	u64 seed = unit_seed(), n = unit_n_ops(300000);
	char ours[32], theirs[32], text[2000];
	u8 *s = NULL;

	for (u64 i = 0; i < n; i++) {
		char c = conversions[unit_random_below(&seed, sizeof(conversions) - 1)];
		u64 value = random_magnitude(&seed);
		f64 real = random_real(&seed, value);
		int width, n_text;

		random_spec(&seed, c, ours, theirs, &width);
		vec_reset_length(s);
		if (strchr("feg", c)) {
			n_text = snprintf(text, sizeof(text), theirs, real);
			s = format(s, ours, real);
		} else if (c == 's') {
			const char *string = &"a string of some length"[value % 23];

			n_text = snprintf(text, sizeof(text), theirs, string);
			s = format(s, ours, string);
		} else if (c == 'c') {
			n_text = snprintf(text, sizeof(text), theirs, (int)('a' + value % 26));
			s = format(s, ours, (int)('a' + value % 26));
		} else {
			n_text = snprintf(text, sizeof(text), theirs, value);
			s = format(s, ours, value);
		}
		if (width && n_text > width)
			n_text = width;
		if (vec_len(s) != (u32)n_text || memcmp(s, text, (uword)n_text)) {
			printf("\n%s of %lx: C has [%.*s], format [%.*s]\n", ours, value, n_text,
			       text, (int)vec_len(s), s);
			CU_FAIL("differs from C");
			break;
		}
	}
	vec_free(s);
	CU_PASS("agreed");
}

/* The column counts from the last newline. */
static void
indent_is_the_column(void)
{
	u8 *s = NULL;

	CU_ASSERT_EQUAL(format_get_indent(s), 0);
	s = format(s, "abc");
	CU_ASSERT_EQUAL(format_get_indent(s), 3);
	s = format(s, "\n");
	CU_ASSERT_EQUAL(format_get_indent(s), 0);
	s = format(s, "%Ux", format_white_space, 4);
	CU_ASSERT_EQUAL(format_get_indent(s), 5);
	vec_free(s);
}

/* Sizes are whole where they can be and have two decimals where they cannot. */
static void
sizes_and_counts(void)
{
	EXPECT("0 1023 1k 1.50k 1023.99k", "%U %U %U %U %U", format_memory_size, 0ul,
	       format_memory_size, 1023ul, format_memory_size, 1024ul, format_memory_size, 1536ul,
	       format_memory_size, 1048565ul);
	EXPECT("3m 2g 1024g 1.10g", "%U %U %U %U", format_memory_size, MiB(3), format_memory_size,
	       GiB(2), format_memory_size, GiB(1024), format_memory_size, 1181116006ul);
	EXPECT("17179869184.00g", "%U", format_memory_size, ~0ul);
	EXPECT("999 1.50K 3.00M 2.00G", "%U %U %U %U", format_base10, 999ul, format_base10, 1500ul,
	       format_base10, 3000000ul, format_base10, 2000000000ul);
	EXPECT("4K 2M 1G 16G unknown default default-hugepage unknown", "%U %U %U %U %U %U %U %U",
	       format_log2_page_size, 12, format_log2_page_size, 21, format_log2_page_size, 30,
	       format_log2_page_size, 34, format_log2_page_size, 0, format_log2_page_size, 1,
	       format_log2_page_size, 2, format_log2_page_size, 99);
}

/* Dumps keep the column they began in, and none reads a byte too many. */
static void
bytes_in_hex_and_text(void)
{
	u8 bytes[40];

	for (uword i = 0; i < sizeof(bytes); i++)
		bytes[i] = (u8)(i * 7);
	EXPECT("||", "%U|%U|%U", format_hex_bytes, bytes, 0, format_hexdump, NULL, 5ul,
	       format_ascii_bytes, bytes, -1);
	EXPECT("00070e", "%U", format_hex_bytes, bytes, 3);
	EXPECT("  00000000: 00070e151c232a31383f464d545b626970777e858c939aa1a8afb6bdc4cbd2d9\n"
	       "  00000020: e0e7eef5fc030a11",
	       "  %U", format_hex_bytes, bytes, 40);
	EXPECT("00070e151c232a31383f464d545b626970777e858c939aa1a8afb6bdc4cbd2d9e0", "%U",
	       format_hex_bytes_no_wrap, bytes, 33);
	EXPECT("plain\ttext", "%U", format_ascii_bytes, "plain\ttext and more", 10);
	EXPECT("x 00000: 00 07 0e 15 1c 23 2a 31 38 3f 46 4d 54 5b 62 69 [.....#*18?FMT[bi]\n"
	       "  00010: 70 77                                           [pw]",
	       "x %U", format_hexdump, bytes, 18ul);
	EXPECT("x 00000:  0700 150e 231c 312a 3f38 4d46 5b54 6962\n"
	       "  00010:  7770",
	       "x %U", format_hexdump_u16, bytes, 9);
	EXPECT("00000:  150e0700 312a231c 4d463f38 69625b54\n"
	       "00010:  857e7770",
	       "%U", format_hexdump_u32, bytes, 5);
	EXPECT("00000:  312a231c150e0700 69625b544d463f38|", "%U|%U", format_hexdump_u64, bytes, 2,
	       format_hexdump_u64, bytes, 0);
}

/* Bits stand under their numbers, the last word first. */
static void
words_as_bits(void)
{
	uword words[2] = { 1ul << 63 | 5, 0 };
	u8 *s = format(NULL, "%U%c", format_uword_bitmap, words, 2, 0), *line;

	CU_ASSERT(!strncmp((char *)s, "         63   59   55", 21));
	line = (u8 *)strchr((char *)s, '\n');
	CU_ASSERT(!strncmp((char *)line, "\n   1:  .... .... ", 18));
	line = (u8 *)strchr((char *)line + 1, '\n');
	CU_ASSERT(!strncmp((char *)line, "\n   0:  1... .... ", 18));
	CU_ASSERT_STRING_EQUAL(line + strlen((char *)line) - 10, " .... .1.1");
	vec_free(s);
}

/* A page touched is on a node, one never touched is not there. */
static void
pages_of_a_mapping(void)
{
	uword page = (uword)sysconf(_SC_PAGESIZE);
	u8 *p = mmap(NULL, 8 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char expected[200];
	u8 *s;

	for (int i = 0; i < 3; i++)
		p[(uword)i * page] = 1;
	s = format(NULL, "%U%c", format_page_map, (uword)p, 8 * page, 0);
	snprintf(expected, sizeof(expected),
		 "virtual memory start %p, size %luk, 8 pages, page size %luk\n", (void *)p,
		 8 * page >> 10, page >> 10);
	CU_ASSERT(!strncmp((char *)s, expected, strlen(expected)));
	/* Where the kernel does not tell, it says so. */
	snprintf(expected, sizeof(expected), ": 3 pages, %luk\n  not mapped: 5 pages, %luk",
		 3 * page >> 10, 5 * page >> 10);
	CU_ASSERT(strstr((char *)s, expected) || strstr((char *)s, "unknown: 8 pages"));
	vec_free(s);
	s = format(NULL, "%U%c", format_page_map, 0ul, 0ul, 0);
	CU_ASSERT_PTR_NOT_NULL(strstr((char *)s, " 0 pages"));
	vec_free(s);
	munmap(p, 8 * page);
}

static void
vectors_of_numbers(void)
{
	u32 *v32 = NULL;
	uword *v = NULL;

	EXPECT("||", "|%U|", format_vec32, v32, "%d");
	vec_add1(v32, 1);
	vec_add1(v32, 255);
	vec_add1(v, 1ul << 40);
	vec_add1(v, 2);
	EXPECT("1, ff", "%U", format_vec32, v32, "%x");
	EXPECT("10000000000, 2", "%U", format_vec_uword, v, "%lx");
	vec_free(v32);
	vec_free(v);
}

/* Whether s, which is freed, is the time of day in UTC. */
static void
expect_now(int line, u8 *s)
{
	struct tm tm = {};
	time_t t;

	CU_ASSERT_PTR_NOT_NULL(strptime((char *)s, "%Y/%m/%d %H:%M:%S:", &tm));
	t = timegm(&tm);
	if (t < time(NULL) - 5 || t > time(NULL) + 1) {
		printf("\nline %d: [%s] is not now\n", line, s);
		CU_FAIL("not now");
	}
	vec_free(s);
}

/* Each letter of an interval is what is left below the unit above, days all there are; what has no
 * finite binary fraction is not one microsecond short. */
static void
times_and_intervals(void)
{
	struct timeval tv = { .tv_sec = 1000000000, .tv_usec = 12345 };
	struct timeval late = { .tv_sec = 1000000000, .tv_usec = 999500 };

	EXPECT("01:01:01:500:500000", "%U", format_time_interval, "h:m:s:f:u", 3661.5);
	EXPECT("01 01", "%U", format_time_interval, "m s", 3661.9);
	EXPECT("10:03", "%U", format_time_interval, "d:h", 10.0 * 86400 + 3 * 3600);
	EXPECT("-02.000", "%U", format_time_interval, "s.f", -2.0);
	EXPECT("00", "%U", format_time_interval, "s", (f64)NAN);
	EXPECT("59.999999 00.000003 01.300000", "%U %U %U", format_time_interval, "s.u", 59.9999999,
	       format_time_interval, "s.u", 0.000003, format_time_interval, "s.u", 1.3);
	EXPECT("213503982", "%U", format_time_interval, "d", 1e300);
	setenv("TZ", "UTC", 1);
	tzset();
	EXPECT("2001/09/09 01:46:40:012", "%U", format_timeval, NULL, &tv);
	EXPECT("2001/09/09 01:46:41:000", "%U", format_timeval, NULL, &late);
	CU_ASSERT_EQUAL(late.tv_usec, 999500);
	EXPECT("01h f", "%U", format_timeval, "Hh f", &tv);
	EXPECT("2001/09/09 01:46:40:250", "%U", format_time_float, NULL, 1e9 + .25);
	expect_now(__LINE__, format(NULL, "%U%c", format_timeval, NULL, NULL, 0));
	expect_now(__LINE__, format(NULL, "%U%c", format_time_float, NULL, 0.0, 0));
}

static void
names_and_addresses(void)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(80) };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(443) };
	struct sockaddr_un un = { .sun_family = AF_UNIX, .sun_path = "/run/x.sock" };
	struct sockaddr other = { .sa_family = 77 };
	ucontext_t context;
	uword callers[2] = { (uword)&format_white_space + 4, 8 };
	u8 *s;

	inet_pton(AF_INET, "10.1.2.3", &in.sin_addr);
	inet_pton(AF_INET6, "fe80::1", &in6.sin6_addr);
	EXPECT("a name 9", "%U", format_c_identifier, "a_name_9");
	EXPECT("", "%U", format_c_identifier, NULL);
	/* A vector needs no NUL. */
	s = format(NULL, "a_vector");
	EXPECT("a vector", "%U", format_c_identifier, s);
	vec_free(s);
	EXPECT("10.1.2.3 fe80::1 02:fe:00:00:00:01", "%U %U %U", format_network_address, AF_INET,
	       &in.sin_addr, format_network_address, AF_INET6, &in6.sin6_addr,
	       format_network_address, AF_UNSPEC, "\x02\xfe\0\0\0\x01");
	EXPECT("INET UNKNOWN SIGSEGV unknown 999", "%U %U %U %U", format_address_family, AF_INET,
	       format_address_family, 4711, format_signal, SIGSEGV, format_signal, 999);
	getcontext(&context);
	s = format(NULL, "%U%c", format_ucontext_pc, &context, 0);
	CU_ASSERT(!strncmp((char *)s, "0x", 2) && strtoul((char *)s, NULL, 0) > 0);
	vec_free(s);
	EXPECT("10.1.2.3:80 [fe80::1]:443", "%U %U", format_sockaddr, &in, format_sockaddr, &in6);
	EXPECT("/run/x.sock (nil) address family 77", "%U %U %U", format_sockaddr, &un,
	       format_sockaddr, NULL, format_sockaddr, &other);
	un.sun_path[0] = 0;
	EXPECT("@run/x.sock", "%U", format_sockaddr, &un);
	s = format(NULL, "%U%c", format_backtrace, callers, 2, 0);
	CU_ASSERT_PTR_NOT_NULL(strstr((char *)s, "format_white_space + 0x4"));
	CU_ASSERT_PTR_NOT_NULL(strstr((char *)s, "\n0x000000000008"));
	vec_free(s);
}

/* What is written is what format() makes, and a failed write says why. */
static void
streams_and_descriptors(void)
{
	char text[100] = "", *big = malloc(MiB(1));
	FILE *f = fmemopen(text, sizeof(text), "w");
	int fds[2];

	CU_ASSERT_EQUAL(fformat(f, "%d %s", 42, "words"), 8);
	CU_ASSERT_EQUAL(fformat(f, ""), 0);
	fclose(f);
	CU_ASSERT_STRING_EQUAL(text, "42 words");
	CU_ASSERT_EQUAL(pipe(fds), 0);
	CU_ASSERT_EQUAL(fdformat(fds[1], "%04d", 7), 4);
	CU_ASSERT_EQUAL(read(fds[0], text, sizeof(text)), 4);
	CU_ASSERT(!memcmp(text, "0007", 4));
	close(fds[0]);
	close(fds[1]);
	CU_ASSERT_EQUAL(fdformat(fds[1], "x"), -EBADF);
	f = fopen("/dev/full", "w");
	memset(big, 'x', MiB(1) - 1);
	big[MiB(1) - 1] = 0;
	CU_ASSERT_EQUAL(fformat(f, "%s", big), -ENOSPC);
	fclose(f);
	free(big);
}

/* A megabyte is only more of the same. */
static void
a_megabyte_is_formatted(void)
{
	u8 *v = NULL, *s;

	vec_validate_init_empty(v, MiB(1) - 1, 'm');
	s = format(NULL, "%v%s%1048576d", v, "!", 5);
	CU_ASSERT_EQUAL(vec_len(s), MiB(2) + 1);
	CU_ASSERT_EQUAL(s[MiB(1)], '!');
	CU_ASSERT_EQUAL(s[MiB(2)], '5');
	CU_ASSERT_EQUAL(s[MiB(2) - 1], ' ');
	vec_free(s);
	vec_free(v);
}

/* One call with every kind of conversion, on an empty string. */
static u8 *
format_everything(void)
{
	return format(NULL, "%200d|%-200s|%=200x|%.300d|%U|%.100f|%0200u|%U|%v|%150c", 1, "two", 3,
		      4, format_pair, 5, "five", 6.0, 7, format_hexdump, format_everything, 64ul,
		      NULL, '8');
}

/* Whichever allocation fails, alone or with all after it, the string is a vector still, the heap is
 * whole, and nothing is lost. */
static void
memory_ends_at_each_allocation(void)
{
	static void (*const fail[])(u64) = { mheap_fail_get_after, mheap_fail_gets_after };
	test_heap_t h = heap_make(MiB(1));
	u8 *whole = format_everything(), *s;
	uword n = vec_len(whole), k, n_cut = 0, is_whole;

	for (int goes_on = 0; goes_on < 2; goes_on++) {
		is_whole = 0;
		for (k = 1; k < 100 && !(is_whole && goes_on); k++) {
			fail[goes_on](k);
			s = format_everything();
			fail[goes_on](0);
			CU_ASSERT(vec_len(s) <= n);
			is_whole = vec_is_equal(s, whole);
			n_cut += !is_whole;
			vec_free(s);
		}
		CU_ASSERT(is_whole);
	}
	CU_ASSERT(n_cut > 0);
	vec_free(whole);
	heap_done(&h);
}

/* A heap that is really full: the string stays, and there is room again after a free. */
static void
a_full_heap_stops_a_string(void)
{
	test_heap_t h = heap_make(KiB(128));
	u8 *s = NULL, *more;
	uword n = 0;

	while ((s = format(s, "%0100d", 1)) && vec_len(s) > n)
		n = vec_len(s);
	CU_ASSERT(n > KiB(16));
	s = format(s, "%200000d", 7);
	CU_ASSERT_EQUAL(vec_len(s) - n <= 1, 1);
	vec_free(s);
	more = format(NULL, "%30000d", 7);
	CU_ASSERT_EQUAL(vec_len(more), 30000);
	vec_free(more);
	heap_done(&h);
}

/* Columns are as wide as their widest cell; headers keep their place as cells are added.  As in
 * VPP the first number of a cell is its line. */
static void
a_table_lines_up(void)
{
	table_t table = {}, *t = &table;

	EXPECT("", "%U", format_table, t);
	t->no_ansi = 1;
	table_add_header_col(t, 2, "Name", "Size");
	table_format_cell(t, 0, 0, "%s", "first");
	table_format_cell(t, 0, 1, "%d", 1);
	table_format_cell(t, 2, 1, "%d", 12345);
	EXPECT(" Name  Size\n"
	       "first     1\n"
	       "           \n"
	       "      12345",
	       "%U", format_table, t);
	table_add_header_row(t, 2, "x", "line1");
	table_set_cell_align(t, -1, 0, TTAA_LEFT);
	table_set_cell_align(t, 0, 1, TTAA_LEFT);
	table_set_cell_align(t, -1, 1, TTAA_CENTER);
	table_format_title(t, "T%d", 1);
	EXPECT(">       T1      \n"
	       "       Name   Size\n"
	       " x     first 1    \n"
	       " line1            \n"
	       "             12345",
	       ">%U", format_table, t);
	table_add_header_col(t, 1, "under");
	table_format_cell(t, -3, 0, "no such header");
	table_format_cell(t, 0, -2, "no such header");
	/* Text is appended, as in VPP. */
	table_format_cell(t, 0, 1, "st");
	table_format_title(t, ", wider than the table");
	EXPECT("T1, wider than the table\n"
	       "      Name   Size\n"
	       "      under      \n"
	       "x     first 1st  \n"
	       "line1            \n"
	       "            12345",
	       "%U", format_table, t);
	table_free(t);
	CU_ASSERT_PTR_NULL(t->cells);
}

/* Colours are escape sequences around a cell, and no_ansi leaves them all out. */
static void
a_table_has_colours(void)
{
	table_t table = {}, *t = &table;

	table_format_cell(t, 0, 0, "r");
	table_set_cell_fg_color(t, 0, 0, TTAC_RED);
	table_format_cell(t, 0, 1, "b");
	table_set_cell_bg_color(t, 0, 1, TTAC_BLUE);
	table_format_cell(t, 1, 1, "wide");
	EXPECT("\x1b[31mr\x1b[0m \x1b[44m   b\x1b[0m\n \x1b[0m wide\x1b[0m", "%U", format_table, t);
	table_add_header_col(t, 1, "h");
	table_add_header_row(t, 0);
	table_format_cell(t, 1, -1, "row");
	table_format_title(t, "t");
	EXPECT("\x1b[1;33m    t   \x1b[0m\n"
	       "\x1b[33m   \x1b[0m \x1b[33mh\x1b[0m \x1b[33m    \x1b[0m\n"
	       "\x1b[1;32m   \x1b[0m \x1b[31mr\x1b[0m \x1b[44m   b\x1b[0m\n"
	       "\x1b[1;32mrow\x1b[0m  \x1b[0m wide\x1b[0m",
	       "%U", format_table, t);
	t->no_ansi = 1;
	EXPECT("    t   \n"
	       "    h     \n"
	       "    r    b\n"
	       "row   wide",
	       "%U", format_table, t);
	table_free(t);
}

static u8 *
build_and_print_a_table(void)
{
	table_t table = {}, *t = &table;
	u8 *s;

	t->no_ansi = 1;
	for (int c = 0; c < 20; c++)
		table_format_cell(t, c, c % 3, "cell number %d", c);
	table_add_header_row(t, 2, "one", "two");
	table_add_header_col(t, 2, "one", "two");
	s = format(NULL, "%U", format_table, t);
	table_free(t);
	return s;
}

/* A table that could not keep a cell says so; it frees whatever it has. */
static void
a_table_survives_the_end_of_memory(void)
{
	test_heap_t h = heap_make(MiB(1));
	u8 *whole = build_and_print_a_table(), *s;
	uword k, n_told = 0;
	int is_whole = 0;

	for (k = 1; k < 500 && !is_whole; k++) {
		mheap_fail_get_after(k);
		s = build_and_print_a_table();
		mheap_fail_get_after(0);
		is_whole = vec_is_equal(s, whole);
		n_told += s && memmem(s, vec_len(s), "out of memory", 13);
		vec_free(s);
	}
	CU_ASSERT(is_whole && k > 2);
	CU_ASSERT(n_told > 0);
	vec_free(whole);
	heap_done(&h);
}

static const unit_test_t tests[] = {
	UNIT(integers_in_each_base_and_size),
	UNIT(a_width_is_exact),
	UNIT(zeros_do_not_change_a_number),
	UNIT(strings_and_vectors),
	UNIT(a_precision_bounds_what_is_read),
	UNIT(floats_as_in_c),
	UNIT(an_unknown_conversion_replaces_the_string),
	UNIT(user_functions_take_their_arguments),
	UNIT(a_string_is_appended_to_itself),
	UNIT(conversions_agree_with_c),
	UNIT(indent_is_the_column),
	UNIT(sizes_and_counts),
	UNIT(bytes_in_hex_and_text),
	UNIT(words_as_bits),
	UNIT(pages_of_a_mapping),
	UNIT(vectors_of_numbers),
	UNIT(times_and_intervals),
	UNIT(names_and_addresses),
	UNIT(streams_and_descriptors),
	UNIT(a_megabyte_is_formatted),
	UNIT(memory_ends_at_each_allocation),
	UNIT(a_full_heap_stops_a_string),
	UNIT(a_table_lines_up),
	UNIT(a_table_has_colours),
	UNIT(a_table_survives_the_end_of_memory),
};

int
main(void)
{
	return unit_run("format", tests, ARRAY_LEN(tests));
}
