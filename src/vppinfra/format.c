/* SPDX-License-Identifier: Apache-2.0 */
/* A conversion first adds its whole text to the string, then the text is fitted to the width in
 * place: so %U needs no buffer of its own.  Every step that cannot get memory leaves the string as
 * it is, and the first such step ends the call. */
#include <vppinfra/format.h>

#include <locale.h>
#include <math.h>
#include <unistd.h>

typedef struct {
	char justify; /* - + = */
	u8 zero;
	u8 n_bytes;      /* of an integer argument */
	char conversion; /* 0 at the end of the format */
	word width;      /* 0: none */
	word precision;  /* -1: none */
} spec_t;

/* n bytes at p, which may lie inside the string itself. */
static int
add_bytes(u8 **s, const void *p, uword n)
{
	uword offset = (uword)p - (uword)*s;

	if (n == 0)
		return 0;
	if (*s && offset < vec_len64(*s)) {
		if (vec_alloc(*s, n))
			return -ENOMEM;
		p = *s + offset;
	}
	return vec_add(*s, p, n);
}

static int
add_fill(u8 **s, u8 c, uword n)
{
	u8 *p;

	if (n == 0)
		return 0;
	if (vec_add2(*s, p, n))
		return -ENOMEM;
	memset(p, c, n);
	return 0;
}

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

static int
add_integer(u8 **s, spec_t *spec, u64 value, const char *prefix, uword base, int upper)
{
	const char *digit = upper ? "0123456789ABCDEF" : "0123456789abcdef";
	char text[64];
	uword at = sizeof(text), start = vec_len64(*s), n_digits, n_prefix = strlen(prefix);
	int error;

	do
		text[--at] = digit[value % base];
	while (value /= base);
	n_digits = sizeof(text) - at;
	error = add_bytes(s, prefix, n_prefix);
	if (!error && spec->precision > (word)n_digits)
		error = add_fill(s, '0', (uword)spec->precision - n_digits);
	if (!error)
		error = add_bytes(s, text + at, n_digits);
	if (spec->precision >= 0)
		spec->zero = 0;
	return error ? error : fit(s, spec, start, n_prefix);
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

	return add_integer(s, spec, value < 0 ? -(u64)value : (u64)value, value < 0 ? "-" : "", 10,
			   0);
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

/* The digits of a double are the C library's business. */
static int
add_float(u8 **s, spec_t *spec, f64 value)
{
	char c_format[] = { '%', '.', '*', spec->conversion, 0 };
	int precision = spec->precision < 0 ? 6 : (int)spec->precision, n;
	uword start = vec_len64(*s);
	u8 *text;

	n = snprintf(NULL, 0, c_format, precision, value);
	if (n < 0)
		return -ENOMEM;
	/* snprintf ends with a NUL, which is taken off again. */
	if (vec_add2(*s, text, (uword)n + 1))
		return -ENOMEM;
	snprintf((char *)text, (uword)n + 1, c_format, precision, value);
	vec_set_len(*s, start + restore_point(text, (uword)n));
	if (!isfinite(value))
		spec->zero = 0;
	return fit(s, spec, start, signbit(value) ? 1 : 0);
}

static int
add_c_string(u8 **s, const spec_t *spec, const char *string)
{
	uword start = vec_len64(*s), max = spec->precision < 0 ? ~0ULL : (uword)spec->precision;

	if (!string)
		string = "(nil)";
	if (add_bytes(s, string, strnlen(string, max)))
		return -ENOMEM;
	if (spec->conversion == 'S')
		for (uword i = start; i < vec_len64(*s); i++)
			if ((*s)[i] == '_')
				(*s)[i] = ' ';
	return fit(s, spec, start, 0);
}

static int
add_vector(u8 **s, const spec_t *spec, const u8 *v)
{
	uword start = vec_len64(*s), n = vec_len64(v);

	if (spec->precision >= 0 && n > (uword)spec->precision)
		n = (uword)spec->precision;
	return add_bytes(s, v, n) ? -ENOMEM : fit(s, spec, start, 0);
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

static int
add_byte(u8 **s, const spec_t *spec, u8 c)
{
	uword start = vec_len64(*s);

	return add_bytes(s, &c, 1) ? -ENOMEM : fit(s, spec, start, 0);
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
		return add_integer(s, spec, get_unsigned(spec, va), "", 10, 0);
	case 'x':
	case 'X':
		return add_integer(s, spec, get_unsigned(spec, va), "", 16,
				   spec->conversion == 'X');
	case 'o':
		return add_integer(s, spec, get_unsigned(spec, va), "", 8, 0);
	case 'p':
		return add_integer(s, spec, (uword)va_arg(*va, void *), "0x", 16, 0);
	case 'f':
	case 'e':
	case 'g':
		return add_float(s, spec, va_arg(*va, f64));
	case 'c':
		return add_byte(s, spec, (u8)va_arg(*va, int));
	case 's':
	case 'S':
		return add_c_string(s, spec, va_arg(*va, const char *));
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
	f = read_number(read_justification(f, spec), &spec->width, va);
	if (spec->width < 0) {
		/* As in C: a negative argument for * is a width and the minus sign. */
		spec->width = -spec->width;
		spec->justify = '-';
	}
	if (*f == '.')
		f = read_number(f + 1, &spec->precision, va);
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
