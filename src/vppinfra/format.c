/* SPDX-License-Identifier: Apache-2.0 */
/* What is known to its last byte, a number or a string, is put into the string with its padding at
 * once; what other functions add (%U) is fitted to the width in place, so %U needs no buffer of its
 * own.  Every step that cannot get memory leaves the string as it is, and the first such step ends
 * the call. */
#include <vppinfra/format.h>

#include <locale.h>
#include <math.h>
#include <unistd.h>

/* Longest text of a number that is made here: sign, 20 digits, point, 18 digits; or 64-bit octal.
 */
#define MAX_NUMBER_BYTES 48

/* A string's first room beyond what it needs at once: small lines then grow once or not at all. */
#define FIRST_BYTES 32

/* 10^18 is the greatest power that a product with 63 bits of fraction leaves within 128 bits. */
#define MAX_EXACT_PRECISION 18

typedef struct {
	char justify; /* - + = */
	u8 zero;
	u8 n_bytes;      /* of an integer argument */
	char conversion; /* 0 at the end of the format */
	word width;      /* 0: none */
	word precision;  /* -1: none */
} spec_t;

/* The end of the string with room for n more bytes; NULL without memory.  A first vector gets a
 * little more, in the hope that the line ends before it does. */
static u8 *
room(u8 **s, uword n)
{
	if (PREDICT_TRUE(_vec_fits(*s, n, 1)))
		return *s + _vec_find(*s)->len;
	if ((*s || vec_alloc(*s, n + FIRST_BYTES)) && vec_alloc(*s, n))
		return NULL;
	return *s + _vec_find(*s)->len;
}

/* n bytes at p, which may lie inside the string itself. */
static int
add_bytes(u8 **s, const void *p, uword n)
{
	uword offset = (uword)p - (uword)*s;
	int is_inside;
	u8 *to;

	if (n == 0)
		return 0;
	is_inside = offset < vec_len64(*s);
	to = room(s, n);
	if (PREDICT_FALSE(!to))
		return -ENOMEM;
	memcpy(to, is_inside ? *s + offset : p, n);
	_vec_find(*s)->len += n;
	return 0;
}

static int
add_fill(u8 **s, u8 c, uword n)
{
	u8 *p;

	if (n == 0)
		return 0;
	p = room(s, n);
	if (!p)
		return -ENOMEM;
	memset(p, c, n);
	_vec_find(*s)->len += n;
	return 0;
}

/* n bytes at p, in as many columns as the width says; zeros go behind the first n_prefix. */
static int
add_text(u8 **s, const spec_t *spec, const void *p, uword n, uword n_prefix)
{
	uword width = (uword)spec->width, n_left, n_right, offset = (uword)p - (uword)*s;
	u8 *to;

	if (PREDICT_TRUE(width <= n))
		return add_bytes(s, p, width ? width : n);
	n_right = spec->justify == '-' ? width - n : spec->justify == '=' ? (width - n) / 2 : 0;
	n_left = width - n - n_right;
	if (!(offset < vec_len64(*s)))
		offset = ~0ULL;
	to = room(s, width);
	if (PREDICT_FALSE(!to))
		return -ENOMEM;
	if (offset != ~0ULL)
		p = *s + offset;
	if (!spec->zero)
		n_prefix = 0;
	memcpy(to, p, n_prefix);
	memset(to + n_prefix, spec->zero ? '0' : ' ', n_left);
	memcpy(to + n_prefix + n_left, (const u8 *)p + n_prefix, n - n_prefix);
	memset(to + n_left + n, ' ', n_right);
	_vec_find(*s)->len += width;
	return 0;
}

/* Open n bytes of c at index `at'. */
static int
insert_fill(u8 **s, u8 c, uword n, uword at)
{
	if (n == 0)
		return 0;
	if (vec_insert(*s, n, at))
		return -ENOMEM;
	memset(*s + at, c, n);
	return 0;
}

/* Fit the text from start on to the width; zeros go behind its first n_prefix bytes. */
static int
fit(u8 **s, const spec_t *spec, uword start, uword n_prefix)
{
	uword width = (uword)spec->width, n = vec_len64(*s) - start, n_left, n_right;
	int error;

	if (width == 0 || n == width)
		return 0;
	if (n > width) {
		vec_set_len(*s, start + width);
		return 0;
	}
	n_right = spec->justify == '-' ? width - n : spec->justify == '=' ? (width - n) / 2 : 0;
	n_left = width - n - n_right;
	error = insert_fill(s, spec->zero ? '0' : ' ', n_left, start + (spec->zero ? n_prefix : 0));
	return error ? error : add_fill(s, ' ', n_right);
}

/* ---- numbers ---- */

/* Digits of value in front of end; yields where they begin. */
static char *
put_decimal(char *end, u64 value)
{
	static const char pairs[201] = "00010203040506070809101112131415161718192021222324"
				       "25262728293031323334353637383940414243444546474849"
				       "50515253545556575859606162636465666768697071727374"
				       "75767778798081828384858687888990919293949596979899";

	for (; value >= 100; value /= 100)
		memcpy(end -= 2, &pairs[value % 100 * 2], 2);
	if (value >= 10)
		return memcpy(end - 2, &pairs[value * 2], 2);
	*--end = (char)('0' + value);
	return end;
}

/* The same with 2^log2_base digits. */
static char *
put_binary(char *end, u64 value, uword log2_base, const char *digits)
{
	do
		*--end = digits[value & pow2_mask(log2_base)];
	while (value >>= log2_base);
	return end;
}

/* The digits in [digits, end), with room for the prefix before them.  More of them where the
 * precision asks for more. */
static int
add_number(u8 **s, spec_t *spec, const char *prefix, char *digits, const char *end)
{
	uword n_prefix = strlen(prefix), n = (uword)(end - digits), start = vec_len64(*s);
	int error;

	if (spec->precision >= 0)
		spec->zero = 0;
	if (PREDICT_TRUE(spec->precision <= (word)n)) {
		memcpy(digits - n_prefix, prefix, n_prefix);
		return add_text(s, spec, digits - n_prefix, n_prefix + n, n_prefix);
	}
	error = add_bytes(s, prefix, n_prefix);
	if (!error)
		error = add_fill(s, '0', (uword)spec->precision - n);
	if (!error)
		error = add_bytes(s, digits, n);
	return error ? error : fit(s, spec, start, n_prefix);
}

static int
add_decimal(u8 **s, spec_t *spec, u64 value, const char *sign)
{
	char text[MAX_NUMBER_BYTES], *end = text + sizeof(text);

	return add_number(s, spec, sign, put_decimal(end, value), end);
}

static int
add_binary(u8 **s, spec_t *spec, u64 value, uword log2_base, const char *prefix)
{
	const char *digits = spec->conversion == 'X' ? "0123456789ABCDEF" : "0123456789abcdef";
	char text[MAX_NUMBER_BYTES], *end = text + sizeof(text);

	return add_number(s, spec, prefix, put_binary(end, value, log2_base, digits), end);
}

static u64
get_unsigned(const spec_t *spec, va_list *va)
{
	return spec->n_bytes == 8 ? va_arg(*va, u64) : va_arg(*va, u32);
}

static int
add_signed(u8 **s, spec_t *spec, va_list *va)
{
	i64 value = spec->n_bytes == 8 ? va_arg(*va, i64) : va_arg(*va, i32);

	return add_decimal(s, spec, value < 0 ? -(u64)value : (u64)value, value < 0 ? "-" : "");
}

/* |value| = *whole + *part / 10^precision, rounded to the nearest, halves to the even one.  Exact:
 * a double is a whole number of 2^-n_bits, and the part times 10^precision fits 128 bits.  Yields 0
 * for what is too large, too small or not finite. */
static int
split_float(f64 value, uword precision, u64 *whole, u64 *part)
{
	static const u64 powers[MAX_EXACT_PRECISION + 1] = { 1ULL,
							     10ULL,
							     100ULL,
							     1000ULL,
							     10000ULL,
							     100000ULL,
							     1000000ULL,
							     10000000ULL,
							     100000000ULL,
							     1000000000ULL,
							     10000000000ULL,
							     100000000000ULL,
							     1000000000000ULL,
							     10000000000000ULL,
							     100000000000000ULL,
							     1000000000000000ULL,
							     10000000000000000ULL,
							     100000000000000000ULL,
							     1000000000000000000ULL };
	u64 bits, mantissa;
	unsigned __int128 product, rest, half;
	uword exponent, n_bits;

	memcpy(&bits, &value, sizeof(bits));
	exponent = bits >> 52 & 0x7ff;
	mantissa = bits & pow2_mask(52);
	if (precision > MAX_EXACT_PRECISION)
		return 0;
	*whole = *part = 0;
	if (exponent == 0)
		return mantissa == 0;
	mantissa |= 1ULL << 52;
	/* The value is mantissa * 2^(exponent - 1075). */
	if (exponent >= 1075) {
		*whole = mantissa << (exponent - 1075) % 64;
		return exponent - 1075 <= 11;
	}
	n_bits = 1075 - exponent;
	if (n_bits > 127)
		return 0;
	*whole = n_bits < 64 ? mantissa >> n_bits : 0;
	product = (unsigned __int128)(n_bits < 64 ? mantissa & pow2_mask(n_bits) : mantissa) *
		  powers[precision];
	*part = (u64)(product >> n_bits);
	half = (unsigned __int128)1 << (n_bits - 1);
	rest = product & (half * 2 - 1);
	if (rest > half || (rest == half && (precision ? *part : *whole) & 1))
		*part += 1;
	if (*part == powers[precision]) {
		*part = 0;
		*whole += 1;
	}
	return 1;
}

/* The point is a point in every locale.  Returns the length of the text after. */
static uword
restore_point(u8 *text, uword n)
{
	const char *point = localeconv()->decimal_point;
	uword n_point = strlen(point);
	u8 *p;

	if (n_point == 0 || !strcmp(point, ".") || !(p = memmem(text, n, point, n_point)))
		return n;
	*p = '.';
	memmove(p + 1, p + n_point, n - (uword)(p - text) - n_point);
	return n - (n_point - 1);
}

/* The digits of this double are the C library's business. */
static int
add_float_by_libc(u8 **s, spec_t *spec, f64 value, int precision)
{
	char c_format[] = { '%', '.', '*', spec->conversion, 0 };
	uword start = vec_len64(*s), n_room = 64;
	u8 *text;
	int n;

	for (;;) {
		text = room(s, n_room);
		if (!text)
			return -ENOMEM;
		n = snprintf((char *)text, n_room, c_format, precision, value);
		if (n < 0)
			return -ENOMEM;
		if ((uword)n < n_room)
			break;
		n_room = (uword)n + 1;
	}
	_vec_find(*s)->len += restore_point(text, (uword)n);
	if (!isfinite(value))
		spec->zero = 0;
	return fit(s, spec, start, signbit(value) ? 1 : 0);
}

static int
add_float(u8 **s, spec_t *spec, f64 value)
{
	int precision = spec->precision < 0 ? 6 : (int)spec->precision;
	char text[MAX_NUMBER_BYTES], *end = text + sizeof(text), *p = end;
	u64 whole, part;

	if (spec->conversion != 'f' || !split_float(value, (uword)precision, &whole, &part))
		return add_float_by_libc(s, spec, value, precision);
	if (precision > 0) {
		p = put_decimal(end, part);
		while (p > end - precision)
			*--p = '0';
		*--p = '.';
	}
	p = put_decimal(p, whole);
	if (signbit(value))
		*--p = '-';
	return add_text(s, spec, p, (uword)(end - p), signbit(value) ? 1 : 0);
}

/* ---- strings ---- */

static int
add_c_string(u8 **s, const spec_t *spec, const char *string)
{
	if (!string)
		string = "(nil)";
	return add_text(
		s, spec, string,
		spec->precision < 0 ? strlen(string) : strnlen(string, (uword)spec->precision), 0);
}

static int
add_c_string_with_blanks(u8 **s, const spec_t *spec, const char *string)
{
	uword start = vec_len64(*s);
	int error = add_c_string(s, spec, string);

	for (uword i = start; i < vec_len64(*s); i++)
		if ((*s)[i] == '_')
			(*s)[i] = ' ';
	return error;
}

static int
add_vector(u8 **s, const spec_t *spec, const u8 *v)
{
	uword n = vec_len64(v);

	if (spec->precision >= 0 && n > (uword)spec->precision)
		n = (uword)spec->precision;
	return add_text(s, spec, n ? v : (const u8 *)"", n, 0);
}

static int
add_byte(u8 **s, const spec_t *spec, u8 c)
{
	return add_text(s, spec, &c, 1, 0);
}

static int
add_user(u8 **s, const spec_t *spec, va_list *va)
{
	format_function_t *fn = va_arg(*va, format_function_t *);
	uword start = vec_len64(*s);

	*s = fn(*s, va);
	/* A function may shorten the string: the width is then that of nothing. */
	return fit(s, spec, clib_min(start, vec_len64(*s)), 0);
}

/* The arguments that follow are of unknown type, so nothing more can be formatted. */
static int
replace_by_complaint(u8 **s, char conversion)
{
	vec_reset_length(*s);
	if (!add_bytes(s, "**** CLIB unknown format `%", 27) &&
	    !(conversion && add_bytes(s, &conversion, 1)))
		add_bytes(s, "' ****", 6);
	return -EINVAL;
}

static int
add_conversion(u8 **s, spec_t *spec, va_list *va)
{
	switch (spec->conversion) {
	case 'd':
		return add_signed(s, spec, va);
	case 'u':
		return add_decimal(s, spec, get_unsigned(spec, va), "");
	case 'x':
	case 'X':
		return add_binary(s, spec, get_unsigned(spec, va), 4, "");
	case 'o':
		return add_binary(s, spec, get_unsigned(spec, va), 3, "");
	case 'p':
		return add_binary(s, spec, (uword)va_arg(*va, void *), 4, "0x");
	case 'f':
	case 'e':
	case 'g':
		return add_float(s, spec, va_arg(*va, f64));
	case 'c':
		return add_byte(s, spec, (u8)va_arg(*va, int));
	case 's':
		return add_c_string(s, spec, va_arg(*va, const char *));
	case 'S':
		return add_c_string_with_blanks(s, spec, va_arg(*va, const char *));
	case 'v':
		return add_vector(s, spec, va_arg(*va, const u8 *));
	case 'U':
		return add_user(s, spec, va);
	case '%':
		return add_byte(s, spec, '%');
	default:
		return replace_by_complaint(s, spec->conversion);
	}
}

/* A number of digits or, for *, an argument. */
static const char *
read_number(const char *f, word *n, va_list *va)
{
	if (*f == '*') {
		*n = va_arg(*va, int);
		return f + 1;
	}
	for (*n = 0; *f >= '0' && *f <= '9'; f++)
		*n = clib_min(*n * 10 + (*f - '0'), (word)INT32_MAX);
	return f;
}

static const char *
read_justification(const char *f, spec_t *spec)
{
	for (; *f == '-' || *f == '+' || *f == '='; f++)
		spec->justify = *f;
	if (*f == '0') {
		spec->zero = 1;
		f++;
	}
	return f;
}

/* f stands behind the percent sign.  Returns what follows the conversion. */
static const char *
read_spec(const char *f, spec_t *spec, va_list *va)
{
	*spec = (spec_t){ .justify = '+', .n_bytes = sizeof(int), .precision = -1 };
	/* Most have neither width nor precision: then a letter comes first. */
	if (*f <= '=') {
		f = read_number(read_justification(f, spec), &spec->width, va);
		if (spec->width < 0) {
			/* As in C: a negative argument for * is a width and the minus sign. */
			spec->width = -spec->width;
			spec->justify = '-';
		}
		if (*f == '.')
			f = read_number(f + 1, &spec->precision, va);
	}
	for (; *f == 'l' || *f == 'L' || *f == 'w'; f++)
		spec->n_bytes = sizeof(u64);
	spec->conversion = *f;
	return *f ? f + 1 : f;
}

u8 *
va_format(u8 *s, const char *fmt, va_list *va)
{
	const char *f = fmt ? fmt : "", *text;
	spec_t spec;

	while (*f) {
		for (text = f; *f && *f != '%';)
			f++;
		if (add_bytes(&s, text, (uword)(f - text)))
			break;
		if (*f == '%') {
			f = read_spec(f + 1, &spec, va);
			if (add_conversion(&s, &spec, va))
				break;
		}
	}
	return s;
}

u8 *
format(u8 *s, const char *fmt, ...)
{
	va_list va;

	va_start(va, fmt);
	s = va_format(s, fmt, &va);
	va_end(va);
	return s;
}

word
va_fformat(FILE *f, const char *fmt, va_list *va)
{
	u8 *s = va_format(NULL, fmt, va);
	uword n = vec_len64(s);
	word result = (word)n;

	if (n && fwrite(s, 1, n, f) != n)
		result = errno ? -errno : -EIO;
	vec_free(s);
	return result;
}

word
fformat(FILE *f, const char *fmt, ...)
{
	va_list va;
	word n;

	va_start(va, fmt);
	n = va_fformat(f, fmt, &va);
	va_end(va);
	return n;
}

static word
write_all(int fd, const u8 *p, uword n)
{
	for (uword at = 0; at < n;) {
		ssize_t n_written = write(fd, p + at, n - at);

		if (n_written >= 0)
			at += (uword)n_written;
		else if (errno != EINTR)
			return -errno;
	}
	return (word)n;
}

word
fdformat(int fd, const char *fmt, ...)
{
	va_list va;
	u8 *s;
	word n;

	va_start(va, fmt);
	s = va_format(NULL, fmt, &va);
	va_end(va);
	n = write_all(fd, s, vec_len64(s));
	vec_free(s);
	return n;
}

u32
format_get_indent(u8 *s)
{
	uword n = vec_len64(s);
	const u8 *newline = n ? memrchr(s, '\n', n) : NULL;

	return (u32)(newline ? n - (uword)(newline - s) - 1 : n);
}
