/* SPDX-License-Identifier: Apache-2.0 */
/* Text in and out, in the idiom of 18.07: without arguments each format is compared with what that
 * tree prints; with arguments they are parsed as a command line is. */
#include <vppinfra/clib.h>
#include <vppinfra/format.h>
#include <vppinfra/mem.h>

static int n_failed;

static void
expect(int line, const char *expected, const char *fmt, ...)
{
	va_list va;
	u8 *s;

	va_start(va, fmt);
	s = va_format(0, fmt, &va);
	va_end(va);
	vec_add1(s, 0);
	if (strcmp((char *)s, expected)) {
		fformat(stdout, "line %d: `%s' expected `%s', got `%s'\n", line, fmt, expected, s);
		n_failed++;
	}
	vec_free(s);
}

#define EXPECT(e, args...) expect(__LINE__, e, args)

typedef struct {
	u32 low, high;
} interval_t;

static u8 *
format_interval(u8 *s, va_list *va)
{
	interval_t *i = va_arg(*va, interval_t *);
	u32 indent = format_get_indent(s);

	if (i->low == i->high)
		return format(s, "{%d}", i->low);
	s = format(s, "{%d\n", i->low);
	return format(s, "%U..%d}", format_white_space, indent, i->high);
}

static uword
unformat_interval(unformat_input_t *input, va_list *va)
{
	interval_t *i = va_arg(*va, interval_t *);

	if (unformat(input, "{%D..%D}", sizeof(i->low), &i->low, sizeof(i->high), &i->high))
		return 1;
	if (!unformat(input, "{%D}", sizeof(i->low), &i->low))
		return 0;
	i->high = i->low;
	return 1;
}

static int
test_format_main(void)
{
	u8 *v = format(0, "%c%s", 'v', "ector");
	u32 *v32 = 0;
	uword *vw = 0;
	interval_t one = { 4, 4 }, two = { 5, 17 };
	u8 bytes[] = { 0, 1, 0xfe, 0xff };

	EXPECT("plain", "plain");
	EXPECT("-17 17 4294967279", "%d %d %u", -17, 17, -17);
	EXPECT("-9000000000 9000000000", "%wd %Lu", (word)-9000000000LL, 9000000000ULL);
	EXPECT("deadbeef DEADBEEF", "%x %X", 0xdeadbeef, 0xdeadbeef);
	EXPECT("0123456789abcdef", "%016Lx", 0x123456789abcdefULL);
	EXPECT("0123456789abcdef", "%016llx", 0x123456789abcdefULL);
	EXPECT("000002a", "%07x", 42);
	EXPECT("50% a", "%d%% %c", 50, 'a');
	EXPECT("0x1000", "%p", (void *)0x1000);
	EXPECT("[        42][42        ][    42    ]", "[%10d][%-10d][%=10d]", 42, 42, 42);
	EXPECT("[    odd   ]", "[%=10s]", "odd");
	EXPECT("[name      ][      name]", "[%-10s][%10s]", "name", "name");
	EXPECT("[123]", "[%3d]", 12345);
	EXPECT("[   7]", "[%*d]", 4, 7);
	EXPECT("vec", "%.3v", v);
	EXPECT("vector vec", "%v %.*s", v, 3, "vector");
	EXPECT("(nil)", "%s", (char *)0);
	EXPECT("", "%v", (u8 *)0);
	EXPECT("a name", "%S", "a_name");
	EXPECT("a name", "%U", format_c_identifier, "a_name");
	EXPECT("1.50 1.25e+02", "%.2f %.2e", 1.5, 125.);
	EXPECT("{4}|  {5\n      ..17}", "%U|  %U", format_interval, &one, format_interval, &two);
	EXPECT("[       {4}]", "[%10U]", format_interval, &one);
	EXPECT("0001feff", "%U", format_hex_bytes, bytes, (int)sizeof(bytes));
	EXPECT("abc", "%U", format_ascii_bytes, "abcdef", 3);
	EXPECT("99 64k 1.50m 4g", "%U %U %U %U", format_memory_size, (uword)99, format_memory_size,
	       (uword)64 << 10, format_memory_size, (uword)3 << 19, format_memory_size,
	       (uword)4 << 30);
	EXPECT("01:02:03", "%U", format_time_interval, "h:m:s", 3723.4);
	EXPECT("**** CLIB unknown format `%Q' ****", "some %s %Q", "text");

	vec_add1(v32, 1);
	vec_add1(v32, 2);
	vec_add1(vw, ~0);
	EXPECT("1, 2", "%U", format_vec32, v32, "%d");
	EXPECT("ffffffffffffffff", "%U", format_vec_uword, vw, "%wx");
	vec_free(v32);
	vec_free(vw);

	/* A string may grow over many calls; its length is its own. */
	vec_reset_length(v);
	{
		int i;
		for (i = 0; i < 1000; i++)
			v = format(v, "%4d", i);
	}
	if (vec_len(v) != 4000 || memcmp(v + 3996, " 999", 4))
		n_failed++;
	vec_free(v);

	fformat(stdout, n_failed ? "FAIL\n" : "PASS\n");
	return n_failed != 0;
}

static int
test_unformat_main(unformat_input_t *input)
{
	u32 a[4], verbose = 0, flags = 0, n_seen = 0;
	interval_t i;
	u8 *s = 0;
	f64 f;
	uword size;

	while (unformat_check_input(input) != UNFORMAT_END_OF_INPUT) {
		n_seen++;
		if (unformat(input, "pair %d %d", &a[0], &a[1]))
			fformat(stdout, "pair %d %d\n", a[0], a[1]);
		else if (unformat(input, "hex 0x%x", &a[0]))
			fformat(stdout, "hex %x\n", a[0]);
		else if (unformat(input, "name %s", &s)) {
			fformat(stdout, "name `%s'\n", s);
			vec_free(s);
		} else if (unformat(input, "float %f", &f))
			fformat(stdout, "float `%.4f'\n", f);
		else if (unformat(input, "interval %U", unformat_interval, &i))
			fformat(stdout, "interval %U\n", format_interval, &i);
		else if (unformat(input, "size %U", unformat_memory_size, &size))
			fformat(stdout, "size %U\n", format_memory_size, size);
		else if (unformat(input, "verbose %=", &verbose, 1))
			;
		else if (unformat(input, "flag-a %|", &flags, 1))
			;
		else if (unformat(input, "flag-b %|", &flags, 4))
			;
		else if (unformat(input, "%_%d.%d.%d.%d%_", &a[0], &a[1], &a[2], &a[3]))
			fformat(stdout, "address %d.%d.%d.%d\n", a[0], a[1], a[2], a[3]);
		else if (unformat(input, "if%d/%d@-", &a[0], &a[1]))
			fformat(stdout, "port %d of %d\n", a[1], a[0]);
		else {
			clib_warning("unknown input `%U'", format_unformat_error, input);
			return 1;
		}
	}
	fformat(stdout, "%d things, verbose %d, flags %d\n", n_seen, verbose, flags);
	/* What meson.build's arguments come to. */
	return !(n_seen == 11 && verbose == 1 && flags == 5 && a[0] == 10 && a[3] == 1 &&
		 size == 64 << 10 && f == -1.25 && i.low == 3 && i.high == 9);
}

#ifdef CLIB_UNIX
int
main(int argc, char *argv[])
{
	unformat_input_t i;
	int ret;

	clib_mem_init(0, 64ULL << 20);
	ret = test_format_main();
	if (argc > 1) {
		unformat_init_command_line(&i, argv);
		ret |= test_unformat_main(&i);
		unformat_free(&i);
	}
	return ret;
}
#endif
