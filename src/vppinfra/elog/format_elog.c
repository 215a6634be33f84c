/* SPDX-License-Identifier: Apache-2.0 */
/* Events as text.  An event may come from a file that anybody wrote, and its format from a program
 * that got it wrong: nothing here trusts that conversions, items and the 20 bytes agree. */
#include "elog_impl.h"

/* A conversion, as far as format() may see it: flags, width and precision, no length. */
typedef struct {
	char spec[24];
	char letter; /* 0: the format has ended */
} conversion_t;

/* Append literal text up to the next conversion.  Value: what follows it. */
static const char *
next_conversion(u8 **s, const char *f, conversion_t *c)
{
	uword n = 0;

	for (;;) {
		const char *start = f;

		while (*f && *f != '%')
			f++;
		vec_add(*s, start, f - start);
		if (f[0] != '%' || f[1] != '%')
			break;
		vec_add1(*s, '%');
		f += 2;
	}
	c->letter = 0;
	if (!*f)
		return f;
	c->spec[n++] = *f++;
	for (; *f && strchr("-+=0123456789.*", *f); f++) {
		/* A width that is an argument has none here. */
		if (*f != '*' && n < sizeof(c->spec) - 3)
			c->spec[n++] = *f;
	}
	f += strspn(f, "lLw");
	c->spec[n] = 0;
	c->letter = *f;
	return *f ? f + 1 : f;
}

/* Print by the spec with another letter. */
static u8 *
format_as(u8 *s, const conversion_t *c, const char *letter, u64 x)
{
	char spec[32];

	snprintf(spec, sizeof(spec), "%s%s", c->spec, letter);
	return format(s, spec, x);
}

static u8 *
format_integer(u8 *s, const conversion_t *c, u64 x, uword n_bytes)
{
	char letter[3] = { 'l', c->letter, 0 };

	switch (c->letter) {
	case 'c':
		return format_as(s, c, "c", x);
	case 'p':
		return format_as(s, c, "p", x);
	case 'd':
		/* Smaller ones are unsigned, as VPP has them. */
		if (n_bytes == 4)
			x = (u64)(i64)(i32)x;
		return format_as(s, c, "ld", x);
	case 'u':
	case 'x':
	case 'X':
	case 'o':
		return format_as(s, c, letter, x);
	default:
		return format_as(s, c, "lu", x);
	}
}

static u8 *
format_float(u8 *s, const conversion_t *c, const u8 *data, uword n_bytes)
{
	char spec[32], letter = c->letter == 'e' || c->letter == 'g' ? c->letter : 'f';
	f64 x;
	f32 x4;

	if (n_bytes == 4) {
		memcpy(&x4, data, 4);
		x = (f64)x4;
	} else {
		memcpy(&x, data, 8);
	}
	snprintf(spec, sizeof(spec), "%s%c", c->spec, letter);
	return format(s, spec, x);
}

static u8 *
format_text(u8 *s, const conversion_t *c, const char *text)
{
	return format_as(s, c, "s", (u64)(uword)text);
}

static u8 *
format_enum(u8 *s, const conversion_t *c, const elog_event_type_t *t, u64 i)
{
	char unknown[40];

	if (i < vec_len64(t->enum_strings_vector))
		return format_text(s, c, t->enum_strings_vector[i]);
	snprintf(unknown, sizeof(unknown), "(no string %llu)", (unsigned long long)i);
	return format_text(s, c, unknown);
}

static u8 *
format_table_string(u8 *s, const conversion_t *c, const elog_main_t *em, u64 offset)
{
	/* The last byte of the table is a NUL. */
	if (offset < vec_len64(em->string_table))
		return format_text(s, c, em->string_table + offset);
	return format_text(s, c, "(no string)");
}

static u8 *
format_item(u8 *s, const conversion_t *c, const elog_main_t *em, const elog_event_type_t *t,
	    elog_arg_t arg, const u8 *data, uword n_bytes)
{
	char text[sizeof(((elog_event_t *)0)->data) + 1];

	switch (arg.kind) {
	case 's':
		memcpy(text, data, n_bytes);
		text[n_bytes] = 0;
		return format_text(s, c, text);
	case 'f':
		return format_float(s, c, data, n_bytes);
	case 't':
		return format_enum(s, c, t, elog_load_integer(data, n_bytes));
	case 'T':
		return format_table_string(s, c, em, elog_load_integer(data, n_bytes));
	default:
		return format_integer(s, c, elog_load_integer(data, n_bytes), n_bytes);
	}
}

static u8 *
format_event(u8 *s, elog_main_t *em, const elog_event_t *e)
{
	const elog_event_type_t *t = &em->event_types[e->type];
	const char *f = t->format, *args = t->format_args;
	uword at = 0, n_bytes;
	conversion_t c;
	elog_arg_t arg;

	for (;;) {
		f = next_conversion(&s, f, &c);
		if (!c.letter)
			return s;
		args = elog_next_arg(args, &arg);
		n_bytes = elog_arg_bytes(arg, e->data + at, sizeof(e->data) - at);
		if (!arg.kind || !n_bytes || n_bytes > sizeof(e->data) - at) {
			s = format_text(s, &c, "?");
			continue;
		}
		s = format_item(s, &c, em, t, arg, e->data + at, n_bytes);
		at += n_bytes;
	}
}

u8 *
format_elog_event(u8 *s, va_list *va)
{
	elog_main_t *em = va_arg(*va, elog_main_t *);
	elog_event_t *e = va_arg(*va, elog_event_t *);

	/* Another thread's first event may move the types. */
	if (elog_lock(em))
		return format(s, "(busy)");
	if (e->type < vec_len64(em->event_types))
		s = format_event(s, em, e);
	else
		s = format(s, "(no type %d)", e->type);
	elog_unlock(em);
	return s;
}

static u8 *
format_track_name(u8 *s, elog_main_t *em, const elog_event_t *e)
{
	if (elog_lock(em))
		return format(s, "(busy)");
	if (e->track < vec_len64(em->tracks))
		s = format(s, "%s", em->tracks[e->track].name);
	else
		s = format(s, "(no track %d)", e->track);
	elog_unlock(em);
	return s;
}

u8 *
format_elog_track_name(u8 *s, va_list *va)
{
	elog_main_t *em = va_arg(*va, elog_main_t *);
	elog_event_t *e = va_arg(*va, elog_event_t *);

	return format_track_name(s, em, e);
}

/* On the machines we run on integers and floating point numbers travel apart, so the second integer
 * is the track's index or the event's address, whichever form the caller wrote; and no event lies
 * in the first 64 KiB. */
u8 *
format_elog_track(u8 *s, va_list *va)
{
	elog_main_t *em = va_arg(*va, elog_main_t *);
	uword which = va_arg(*va, uword);
	elog_event_t *events, *e;
	uword n_lines = 0;
	u32 indent;
	f64 dt;

	if (which >= ELOG_MAX_INDEXES)
		return format_track_name(s, em, (elog_event_t *)which);
	dt = va_arg(*va, f64);
	indent = format_get_indent(s);
	events = elog_peek_events(em);
	vec_foreach (e, events) {
		if (e->track != which)
			continue;
		s = format(s, "%s%U%18.9f: %U", n_lines ? "\n" : "", format_white_space,
			   n_lines ? indent : 0, e->time + dt, format_elog_event, em, e);
		n_lines++;
	}
	vec_free(events);
	return s;
}
