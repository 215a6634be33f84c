/* SPDX-License-Identifier: Apache-2.0 */
/* The places that parsing may return to are marks on the C stack, linked from the input: text is
 * dropped from the buffer only before the outermost of them, and matching itself takes no memory.
 */
#include <vppinfra/format.h>

#include <unistd.h>

/* What lies halfway between two doubles has at most 768 significant decimal digits. */
#define MAX_SIGNIFICANT_DIGITS 780

/* Beyond any exponent a double can have, far from overflow. */
#define MAX_EXPONENT 1000000

/* ---- input ---- */

/* Drop text that nobody can come back to, all of it used up. */
static void
drop_used_text(unformat_input_t *i)
{
	const unformat_mark_t *mark = i->buffer_marks;
	uword n = i->index;
	unformat_mark_t *m;

	for (; mark; mark = mark->outer)
		n = clib_min(n, mark->index);
	if (n == 0 || vec_delete(i->buffer, n, 0))
		return;
	i->index -= n;
	for (m = i->buffer_marks; m; m = m->outer)
		m->index -= n;
}

uword
_unformat_fill_input(unformat_input_t *i)
{
	uword n_before, index;

	while (i->index != UNFORMAT_END_OF_INPUT && i->index >= vec_len64(i->buffer)) {
		if (!i->fill_buffer) {
			i->index = UNFORMAT_END_OF_INPUT;
			break;
		}
		drop_used_text(i);
		n_before = vec_len64(i->buffer);
		index = i->fill_buffer(i);
		/* UNFORMAT_MORE_INPUT means that there is more behind what is kept for a mark. */
		i->index = index == UNFORMAT_MORE_INPUT ? n_before : index;
		/* A function that neither adds nor ends would be called for ever. */
		if (vec_len64(i->buffer) <= n_before && i->index >= vec_len64(i->buffer))
			i->index = UNFORMAT_END_OF_INPUT;
	}
	return i->index;
}

void
unformat_init(unformat_input_t *i, uword (*fill_buffer)(unformat_input_t *), void *fill_buffer_arg)
{
	*i = (unformat_input_t){ .fill_buffer = fill_buffer, .fill_buffer_arg = fill_buffer_arg };
}

void
unformat_free(unformat_input_t *i)
{
	vec_free(i->buffer);
	memset(i, 0, sizeof(*i));
}

static int
append_text(unformat_input_t *input, const void *text, uword n)
{
	if (vec_add(input->buffer, text, n)) {
		vec_free(input->buffer);
		input->index = UNFORMAT_END_OF_INPUT;
		input->error = -ENOMEM;
	}
	return input->error;
}

int
unformat_init_string(unformat_input_t *input, const char *string, int n_bytes)
{
	unformat_init(input, NULL, NULL);
	if (!string || n_bytes <= 0) {
		input->index = UNFORMAT_END_OF_INPUT;
		return 0;
	}
	return append_text(input, string, (uword)n_bytes);
}

int
unformat_init_cstring(unformat_input_t *input, const char *cstring)
{
	unformat_init(input, NULL, NULL);
	if (!cstring || !*cstring) {
		input->index = UNFORMAT_END_OF_INPUT;
		return 0;
	}
	return append_text(input, cstring, strlen(cstring));
}

void
unformat_init_vector(unformat_input_t *input, u8 *vector)
{
	unformat_init(input, NULL, NULL);
	input->buffer = vector;
	if (vec_len64(vector) == 0)
		input->index = UNFORMAT_END_OF_INPUT;
}

int
unformat_init_command_line(unformat_input_t *input, char *argv[])
{
	unformat_init(input, NULL, NULL);
	for (uword i = 1; argv[0] && argv[i]; i++)
		if ((i > 1 && append_text(input, " ", 1)) ||
		    append_text(input, argv[i], strlen(argv[i])))
			return input->error;
	if (vec_len64(input->buffer) == 0)
		input->index = UNFORMAT_END_OF_INPUT;
	return 0;
}

uword
unformat_init_unix_env(unformat_input_t *input, const char *variable)
{
	const char *value = getenv(variable);

	unformat_init_cstring(input, value);
	return value != NULL;
}

static uword
fill_from_file(unformat_input_t *i)
{
	enum { N_BYTES = 4096 };
	uword n = vec_len64(i->buffer);
	ssize_t n_read;

	if (vec_alloc(i->buffer, N_BYTES)) {
		i->error = -ENOMEM;
		return UNFORMAT_END_OF_INPUT;
	}
	do
		n_read = read((int)pointer_to_uword(i->fill_buffer_arg), i->buffer + n, N_BYTES);
	while (n_read < 0 && errno == EINTR);
	if (n_read < 0)
		i->error = -errno;
	if (n_read <= 0)
		return UNFORMAT_END_OF_INPUT;
	vec_set_len(i->buffer, n + (uword)n_read);
	return i->index;
}

void
unformat_init_clib_file(unformat_input_t *input, int fd)
{
	unformat_init(input, fill_from_file, uword_to_pointer(fd, void *));
}

uword
unformat_skip_white_space(unformat_input_t *input)
{
	uword n = 0;

	while (is_white_space(unformat_peek_input(input))) {
		input->index++;
		n++;
	}
	return n;
}

void
unformat_skip_line(unformat_input_t *input)
{
	uword c;

	do
		c = unformat_get_input(input);
	while (c != UNFORMAT_END_OF_INPUT && c != '\n');
}

/* ---- conversions: each yields whether it matched; the caller puts the input back ---- */

static void
push_mark(unformat_input_t *input, unformat_mark_t *mark)
{
	mark->outer = input->buffer_marks;
	mark->index = input->index;
	input->buffer_marks = mark;
}

static void
pop_mark(unformat_input_t *input, unformat_mark_t *mark, uword matched)
{
	input->buffer_marks = mark->outer;
	if (!matched)
		input->index = mark->index;
}

/* 36 and above for what is no digit in any base. */
static uword
digit_value(uword c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'Z')
		return c - 'A' + 10;
	return 36;
}

/* All digits that follow, at least one.  Not matched: none, or more than 64 bits hold. */
static uword
match_digits(unformat_input_t *input, uword base, u64 *value)
{
	uword n_digits = 0, digit, overflow = 0;

	for (*value = 0; (digit = digit_value(unformat_peek_input(input))) < base; n_digits++) {
		overflow |= __builtin_mul_overflow(*value, base, value);
		overflow |= __builtin_add_overflow(*value, digit, value);
		input->index++;
	}
	return n_digits > 0 && !overflow;
}

static uword
store_integer(void *result, uword n_bytes, u64 value)
{
	switch (n_bytes) {
	case 1:
		*(u8 *)result = (u8)value;
		return 1;
	case 2:
		*(u16 *)result = (u16)value;
		return 1;
	case 4:
		*(u32 *)result = (u32)value;
		return 1;
	case 8:
		*(u64 *)result = value;
		return 1;
	default:
		return 0;
	}
}

static uword
match_integer(unformat_input_t *input, uword base, int is_signed, uword n_bytes, void *result)
{
	u64 value, limit = n_bytes <= 8 ? pow2_mask(8 * n_bytes) : 0;
	uword c = unformat_peek_input(input);
	int is_negative = is_signed && c == '-';

	if (is_signed && (c == '-' || c == '+'))
		input->index++;
	if (is_negative)
		limit = limit / 2 + 1;
	if (!match_digits(input, base, &value) || value > limit)
		return 0;
	return store_integer(result, n_bytes, is_negative ? -value : value);
}

/* The text of a number as strtod reads it in any locale: digits, then an exponent. */
typedef struct {
	char text[MAX_SIGNIFICANT_DIGITS + 32];
	uword n_text;
	uword n_digits;
	word exponent;
} decimal_t;

static void
read_decimal_digits(unformat_input_t *input, decimal_t *d, int after_point)
{
	uword c;

	while (digit_value(c = unformat_peek_input(input)) < 10) {
		input->index++;
		d->n_digits++;
		if (d->n_text < MAX_SIGNIFICANT_DIGITS && (d->n_text > 0 || c != '0'))
			d->text[d->n_text++] = (char)c;
		else if (d->n_text > 0) {
			/* Only its place counts, and whether the rest is above zero. */
			if (c != '0')
				d->text[MAX_SIGNIFICANT_DIGITS - 1] |= 1;
			d->exponent += !after_point;
			continue;
		}
		d->exponent -= after_point;
	}
}

/* An e that no number follows is not part of this one. */
static void
read_exponent(unformat_input_t *input, decimal_t *d)
{
	unformat_mark_t mark;
	u64 value = 0;
	uword c, is_negative, n_digits = 0;

	push_mark(input, &mark);
	c = unformat_get_input(input);
	if (c != 'e' && c != 'E') {
		pop_mark(input, &mark, 0);
		return;
	}
	c = unformat_peek_input(input);
	is_negative = c == '-';
	if (c == '-' || c == '+')
		input->index++;
	while (digit_value(c = unformat_peek_input(input)) < 10) {
		input->index++;
		n_digits++;
		value = clib_min(value * 10 + digit_value(c), (u64)MAX_EXPONENT);
	}
	pop_mark(input, &mark, n_digits);
	d->exponent += is_negative ? -(word)value : (word)value;
}

static uword
match_float(unformat_input_t *input, f64 *result)
{
	decimal_t d;
	uword c = unformat_peek_input(input), is_negative = c == '-';
	f64 value;

	d.n_text = d.n_digits = 0;
	d.exponent = 0;
	if (c == '-' || c == '+')
		input->index++;
	read_decimal_digits(input, &d, 0);
	if (unformat_peek_input(input) == '.') {
		input->index++;
		read_decimal_digits(input, &d, 1);
	}
	if (d.n_digits == 0)
		return 0;
	read_exponent(input, &d);
	if (d.n_text == 0)
		d.text[d.n_text++] = '0';
	d.exponent = clib_clamp(d.exponent, -(word)MAX_EXPONENT, (word)MAX_EXPONENT);
	snprintf(d.text + d.n_text, sizeof(d.text) - d.n_text, "e%ld", (long)d.exponent);
	value = strtod(d.text, NULL);
	*result = is_negative ? -value : value;
	return 1;
}

/* A word, or what stands in braces; skipped when it is not wanted (result NULL).  delimiter ends a
 * word as a blank does. */
static uword
match_string(unformat_input_t *input, uword delimiter, int add_nul, u8 **result)
{
	u8 *s = NULL;
	uword c, depth = 0, in_braces = 0, n = 0;
	int error = 0;

	for (; (c = unformat_get_input(input)) != UNFORMAT_END_OF_INPUT; n++) {
		if (c == '\\') {
			if ((c = unformat_get_input(input)) == UNFORMAT_END_OF_INPUT)
				break;
		} else if (c == '{') {
			if (depth++ == 0 && n == 0) {
				in_braces = 1;
				continue;
			}
		} else if (c == '}' && depth > 0) {
			if (--depth == 0 && in_braces)
				break;
		} else if (!in_braces && (is_white_space(c) || c == delimiter)) {
			unformat_put_input(input);
			break;
		}
		if (result)
			error |= vec_add1(s, (u8)c);
	}
	if (!result)
		return c != UNFORMAT_END_OF_INPUT || n > 0;
	/* A brace that nothing follows is itself. */
	if (c == UNFORMAT_END_OF_INPUT && in_braces && n == 1)
		error |= vec_add1(s, '{');
	if (add_nul)
		error |= vec_add1(s, 0);
	if (error)
		input->error = -ENOMEM;
	/* At the end of the text there is no string at all. */
	if (error || (c == UNFORMAT_END_OF_INPUT && n == 0)) {
		vec_free(s);
		return 0;
	}
	*result = s;
	return 1;
}

/* What ends a string besides blanks: the next character of the format, if it is a literal. */
static uword
delimiter_of(char next)
{
	return next == '%' || next == 0 ? UNFORMAT_END_OF_INPUT : (u8)next;
}

/* The number that may follow a word whose %= ends the format; it ends at a blank or the end. */
static void
take_number_that_follows(unformat_input_t *input, int *result)
{
	unformat_mark_t mark;
	uword matched, c;
	int value;

	push_mark(input, &mark);
	unformat_skip_white_space(input);
	matched = match_integer(input, 10, 1, sizeof(value), &value);
	c = unformat_peek_input(input);
	matched = matched && (c == UNFORMAT_END_OF_INPUT || is_white_space(c));
	pop_mark(input, &mark, matched);
	if (matched)
		*result = value;
}

static int
is_end_of_format(const char *f)
{
	while (is_white_space((u8)*f))
		f++;
	return *f == 0;
}

static uword
match_constant(unformat_input_t *input, const char *f, va_list *va, char conversion)
{
	int *result = va_arg(*va, int *);
	int value = va_arg(*va, int);

	if (conversion == '|')
		*result |= value;
	else {
		*result = value;
		if (is_end_of_format(f))
			take_number_that_follows(input, result);
	}
	return 1;
}

static uword
match_user(unformat_input_t *input, va_list *va)
{
	unformat_function_t *fn = va_arg(*va, unformat_function_t *);

	return fn(input, va) != 0;
}

/* f stands behind the percent sign; moved behind the conversion. */
static uword
match_conversion(unformat_input_t *input, const char **f, va_list *va)
{
	uword n_bytes = sizeof(int);
	char conversion;

	for (; **f == 'l' || **f == 'L' || **f == 'w'; (*f)++)
		n_bytes = sizeof(u64);
	conversion = **f;
	if (conversion)
		(*f)++;
	switch (conversion) {
	case 'D':
	case 'X':
		n_bytes = (uword)va_arg(*va, int);
		break;
	default:
		break;
	}
	switch (conversion) {
	case 'd':
	case 'D':
		return match_integer(input, 10, 1, n_bytes, va_arg(*va, void *));
	case 'u':
		return match_integer(input, 10, 0, n_bytes, va_arg(*va, void *));
	case 'x':
	case 'X':
		return match_integer(input, 16, 0, n_bytes, va_arg(*va, void *));
	case 'o':
		return match_integer(input, 8, 0, n_bytes, va_arg(*va, void *));
	case 'b':
		return match_integer(input, 2, 0, n_bytes, va_arg(*va, void *));
	case 'f':
		return match_float(input, va_arg(*va, f64 *));
	case 's':
	case 'v':
		return match_string(input, delimiter_of(**f), conversion == 's',
				    va_arg(*va, u8 **));
	case 'U':
		return match_user(input, va);
	case '=':
	case '|':
		return match_constant(input, *f, va, conversion);
	default:
		return 0;
	}
}

/* Literal text up to a blank, a conversion or the end of the format. */
static uword
match_literal(unformat_input_t *input, const char **f)
{
	const char *p = *f;

	for (; *p && !is_white_space((u8)*p); p++) {
		if (*p == '%' && *++p != '%') {
			p--;
			break;
		}
		if (unformat_get_input(input) != (u8)*p)
			return 0;
	}
	*f = p;
	return 1;
}

/* ---- formats ---- */

static uword
match_format(unformat_input_t *input, const char *fmt, va_list *va)
{
	const char *f = fmt;
	int skips = 1, ends_in_word = 0, is_blank;
	uword n_skipped;

	for (;;) {
		if (f[0] == '%' && f[1] == '_') {
			/* Between a part that skips and one that does not, blanks are skipped. */
			if (skips && f > fmt && f[2])
				unformat_skip_white_space(input);
			skips = !skips;
			f += 2;
			continue;
		}
		is_blank = is_white_space((u8)*f);
		while (is_white_space((u8)*f))
			f++;
		n_skipped = skips || is_blank ? unformat_skip_white_space(input) : 0;
		if (is_blank && !skips && n_skipped == 0)
			return 0;
		if (*f == 0)
			return !(skips && ends_in_word && n_skipped == 0 &&
				 unformat_check_input(input) != UNFORMAT_END_OF_INPUT);
		if (f[0] == '%' && f[1] == '_')
			continue;
		ends_in_word = f[0] != '%' || f[1] == '%';
		if (ends_in_word) {
			if (!match_literal(input, &f))
				return 0;
		} else {
			f++;
			if (!match_conversion(input, &f, va))
				return 0;
		}
	}
}

uword
va_unformat(unformat_input_t *input, const char *fmt, va_list *va)
{
	unformat_mark_t mark;
	uword matched;

	push_mark(input, &mark);
	matched = match_format(input, fmt, va);
	pop_mark(input, &mark, matched);
	return matched;
}

uword
unformat(unformat_input_t *input, const char *fmt, ...)
{
	va_list va;
	uword matched;

	va_start(va, fmt);
	matched = va_unformat(input, fmt, &va);
	va_end(va);
	return matched;
}

uword
unformat_user(unformat_input_t *input, unformat_function_t *func, ...)
{
	unformat_mark_t mark;
	va_list va;
	uword matched;

	va_start(va, func);
	push_mark(input, &mark);
	matched = func(input, &va) != 0;
	pop_mark(input, &mark, matched);
	va_end(va);
	return matched;
}
