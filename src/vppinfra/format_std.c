/* SPDX-License-Identifier: Apache-2.0 */
/* Format functions that need no layer above the vectors.  None keeps anything between calls. */
#include <vppinfra/format.h>

#include <vppinfra/mem.h>
#include <vppinfra/vm.h>

/* Past this many, format_hex_bytes breaks lines: 64 digits and an offset fit 80 columns. */
#define HEX_BYTES_PER_LINE 32

#define HEXDUMP_BYTES_PER_LINE 16

u8 *
format_white_space(u8 *s, va_list *va)
{
	u32 n = va_arg(*va, u32);
	u8 *p;

	if (n > 0 && !vec_add2(s, p, n))
		memset(p, ' ', n);
	return s;
}

static u8 *
add_hex(u8 *s, const u8 *bytes, uword n)
{
	static const char digit[] = "0123456789abcdef";
	u8 *p;

	if (n == 0 || vec_add2(s, p, 2 * n))
		return s;
	for (uword i = 0; i < n; i++) {
		*p++ = digit[bytes[i] >> 4];
		*p++ = digit[bytes[i] & 15];
	}
	return s;
}

u8 *
format_hex_bytes_no_wrap(u8 *s, va_list *va)
{
	const u8 *bytes = va_arg(*va, const u8 *);
	int n = va_arg(*va, int);

	return add_hex(s, bytes, bytes && n > 0 ? (uword)n : 0);
}

u8 *
format_hex_bytes(u8 *s, va_list *va)
{
	const u8 *bytes = va_arg(*va, const u8 *);
	int n = va_arg(*va, int);
	u32 indent = format_get_indent(s);

	if (!bytes || n <= 0)
		return s;
	if (n <= HEX_BYTES_PER_LINE)
		return add_hex(s, bytes, (uword)n);
	for (int i = 0; i < n; i += HEX_BYTES_PER_LINE) {
		if (i > 0)
			s = format(s, "\n%U", format_white_space, indent);
		s = format(s, "%08x: ", i);
		s = add_hex(s, bytes + i, (uword)clib_min(n - i, HEX_BYTES_PER_LINE));
	}
	return s;
}

u8 *
format_ascii_bytes(u8 *s, va_list *va)
{
	const u8 *bytes = va_arg(*va, const u8 *);
	int n = va_arg(*va, int);

	if (bytes && n > 0)
		vec_add(s, bytes, (uword)n);
	return s;
}

/* The C locale's printing characters, so that a dump is the same everywhere. */
static u8 *
add_printable(u8 *s, const u8 *bytes, uword n)
{
	u8 *p;

	if (vec_add2(s, p, n))
		return s;
	for (uword i = 0; i < n; i++)
		p[i] = bytes[i] >= ' ' && bytes[i] <= '~' ? bytes[i] : '.';
	return s;
}

u8 *
format_hexdump(u8 *s, va_list *va)
{
	const u8 *data = va_arg(*va, const u8 *);
	uword n = va_arg(*va, uword);
	u32 indent = format_get_indent(s);

	for (uword at = 0; data && at < n; at += HEXDUMP_BYTES_PER_LINE) {
		uword n_line = clib_min(n - at, (uword)HEXDUMP_BYTES_PER_LINE);

		if (at > 0)
			s = format(s, "\n%U", format_white_space, indent);
		s = format(s, "%05lx: ", at);
		for (uword i = 0; i < HEXDUMP_BYTES_PER_LINE; i++)
			s = i < n_line ? format(s, "%02x ", data[at + i]) : format(s, "   ");
		s = format(s, "[");
		s = add_printable(s, data + at, n_line);
		s = format(s, "]");
	}
	return s;
}

/* Numbers of elt_bytes each, in lines of 16 bytes, each with its offset. */
static u8 *
add_hexdump_of(u8 *s, const void *data, u32 n_elts, uword elt_bytes)
{
	uword n_in_line = HEXDUMP_BYTES_PER_LINE / elt_bytes;
	u32 indent = format_get_indent(s);

	for (uword i = 0; data && i < n_elts; i++) {
		u64 value = 0;

		memcpy(&value, (const u8 *)data + i * elt_bytes, elt_bytes);
		if (i > 0 && i % n_in_line == 0)
			s = format(s, "\n%U", format_white_space, indent);
		if (i % n_in_line == 0)
			s = format(s, "%05lx: ", i * elt_bytes);
		s = format(s, " %0*lx", (int)(2 * elt_bytes), value);
	}
	return s;
}

u8 *
format_hexdump_u16(u8 *s, va_list *va)
{
	const u16 *data = va_arg(*va, const u16 *);

	return add_hexdump_of(s, data, va_arg(*va, u32), sizeof(*data));
}

u8 *
format_hexdump_u32(u8 *s, va_list *va)
{
	const u32 *data = va_arg(*va, const u32 *);

	return add_hexdump_of(s, data, va_arg(*va, u32), sizeof(*data));
}

u8 *
format_hexdump_u64(u8 *s, va_list *va)
{
	const u64 *data = va_arg(*va, const u64 *);

	return add_hexdump_of(s, data, va_arg(*va, u32), sizeof(*data));
}

u8 *
format_uword_bitmap(u8 *s, va_list *va)
{
	const uword *bitmap = va_arg(*va, const uword *);
	int n_words = va_arg(*va, int);
	u32 indent = format_get_indent(s);

	s = format(s, "%6s", "");
	for (int bit = uword_bits - 1; bit >= 0; bit -= 4)
		s = format(s, "%5d", bit);
	for (int i = n_words - 1; bitmap && i >= 0; i--) {
		s = format(s, "\n%U%4d: ", format_white_space, indent, i);
		for (int bit = uword_bits - 1; bit >= 0; bit--)
			s = format(s, bit % 4 == 3 ? " %c" : "%c",
				   bitmap[i] >> bit & 1 ? '1' : '.');
	}
	return s;
}

u8 *
format_vec32(u8 *s, va_list *va)
{
	const u32 *v = va_arg(*va, const u32 *);
	const char *fmt = va_arg(*va, const char *);
	uword i;

	vec_foreach_index (i, v) {
		if (i > 0)
			s = format(s, ", ");
		s = format(s, fmt, v[i]);
	}
	return s;
}

u8 *
format_vec_uword(u8 *s, va_list *va)
{
	const uword *v = va_arg(*va, const uword *);
	const char *fmt = va_arg(*va, const char *);
	uword i;

	vec_foreach_index (i, v) {
		if (i > 0)
			s = format(s, ", ");
		s = format(s, fmt, v[i]);
	}
	return s;
}

u8 *
format_memory_size(u8 *s, va_list *va)
{
	static const char unit[] = "kmg";
	uword n = va_arg(*va, uword), log2_unit;
	uword i;

	if (n < 1024)
		return format(s, "%lu", n);
	i = clib_min((min_log2(n) - 10) / 10, (uword)2);
	log2_unit = 10 * (i + 1);
	if (n & pow2_mask(log2_unit))
		return format(s, "%.2f%c", (f64)n / (f64)(1ULL << log2_unit), unit[i]);
	return format(s, "%lu%c", n >> log2_unit, unit[i]);
}

u8 *
format_base10(u8 *s, va_list *va)
{
	u64 n = va_arg(*va, u64);

	if (n < 1000)
		return format(s, "%lu", n);
	if (n < 1000000)
		return format(s, "%.2fK", (f64)n / 1e3);
	if (n < 1000000000)
		return format(s, "%.2fM", (f64)n / 1e6);
	return format(s, "%.2fG", (f64)n / 1e9);
}

u8 *
format_log2_page_size(u8 *s, va_list *va)
{
	int log2_bytes = va_arg(*va, int);

	if (log2_bytes == CLIB_MEM_PAGE_SZ_UNKNOWN || log2_bytes < 0 || log2_bytes > 63)
		return format(s, "unknown");
	if (log2_bytes == CLIB_MEM_PAGE_SZ_DEFAULT)
		return format(s, "default");
	if (log2_bytes == CLIB_MEM_PAGE_SZ_DEFAULT_HUGE)
		return format(s, "default-hugepage");
	if (log2_bytes >= 30)
		return format(s, "%luG", 1UL << (log2_bytes - 30));
	if (log2_bytes >= 20)
		return format(s, "%luM", 1UL << (log2_bytes - 20));
	if (log2_bytes >= 10)
		return format(s, "%luK", 1UL << (log2_bytes - 10));
	return format(s, "%lu", 1UL << log2_bytes);
}

u8 *
format_time_interval(u8 *s, va_list *va)
{
	const char *fmt = va_arg(*va, const char *);
	f64 seconds = va_arg(*va, f64);
	u64 us, n_seconds;

	if (seconds < 0) {
		s = format(s, "-");
		seconds = -seconds;
	}
	/* The thousandth makes up for what is just below a whole microsecond only because it has
	 * no finite binary fraction.  64 bits of microseconds are 584,542 years: what is longer is
	 * printed as that, and what is no number as none. */
	us = seconds >= 1.8e13 ? ~0ULL : seconds > 0 ? (u64)(seconds * 1e6 + 1e-3) : 0;
	n_seconds = us / 1000000;
	us %= 1000000;
	for (; fmt && *fmt; fmt++)
		switch (*fmt) {
		case 'd':
			s = format(s, "%lu", n_seconds / 86400);
			break;
		case 'h':
			s = format(s, "%02lu", n_seconds / 3600 % 24);
			break;
		case 'm':
			s = format(s, "%02lu", n_seconds / 60 % 60);
			break;
		case 's':
			s = format(s, "%02lu", n_seconds % 60);
			break;
		case 'f':
			s = format(s, "%03lu", us / 1000);
			break;
		case 'u':
			s = format(s, "%06lu", us);
			break;
		default:
			s = format(s, "%c", *fmt);
			break;
		}
	return s;
}

/* Whether p is a vector's first element: the only memory looked at is an object of a heap. */
static int
is_vector(const void *p)
{
	const vec_header_t *h = _vec_find(p);

	return (uword)p % VEC_MIN_ALIGN == 0 && clib_mem_heap_of(h) && h->magic == VEC_HEADER_MAGIC;
}

u8 *
format_c_identifier(u8 *s, va_list *va)
{
	const u8 *id = va_arg(*va, const u8 *);
	uword n = id && is_vector(id) ? vec_len64(id) : ~0ULL;

	for (uword i = 0; id && i < n && id[i]; i++)
		if (vec_add1(s, id[i] == '_' ? ' ' : id[i]))
			break;
	return s;
}
