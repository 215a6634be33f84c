/* SPDX-License-Identifier: Apache-2.0 */
/* Format functions that need no layer above the vectors.  None keeps anything between calls. */
#include <vppinfra/format.h>

#include <arpa/inet.h>
#include <ctype.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <vppinfra/vm.h>

/* Past this many, format_hex_bytes breaks lines: 64 digits and an offset fit 80 columns. */
#define HEX_BYTES_PER_LINE 32

#define HEXDUMP_BYTES_PER_LINE 16

u8 *
format_white_space(u8 *s, va_list *va)
{
	return format(s, "%*s", (int)va_arg(*va, u32), "");
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

/* The C locale's printing characters, so that a dump is the same everywhere. */
static u8
printable(u8 c)
{
	return c >= ' ' && c <= '~' ? c : '.';
}

u8 *
format_ascii_bytes(u8 *s, va_list *va)
{
	const u8 *bytes = va_arg(*va, const u8 *);
	int n = va_arg(*va, int);
	u8 *p;

	if (!bytes || n <= 0 || vec_add2(s, p, (uword)n))
		return s;
	for (int i = 0; i < n; i++)
		p[i] = printable(bytes[i]);
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
		s = format(s, "[%U]", format_ascii_bytes, data + at, (int)n_line);
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

/* Microseconds in what a letter of an interval's format stands for; 0 for other characters. */
static u64
interval_unit(char letter, int *n_digits)
{
	static const struct {
		char letter;
		u8 n_digits; /* when it is not the first of the interval */
		u64 us;
	} units[] = {
		{ 'w', 2, 604800000000ULL },
		{ 'd', 1, 86400000000ULL },
		{ 'h', 2, 3600000000ULL },
		{ 'm', 2, 60000000ULL },
		{ 's', 2, 1000000ULL },
		{ 'f', 3, 1000ULL },
		{ 'u', 6, 1ULL },
	};

	for (uword i = 0; i < ARRAY_LEN(units); i++)
		if (units[i].letter == letter) {
			*n_digits = units[i].n_digits;
			return units[i].us;
		}
	return 0;
}

u8 *
format_time_interval(u8 *s, va_list *va)
{
	const char *fmt = va_arg(*va, const char *);
	f64 seconds = va_arg(*va, f64);
	int n_digits = 0, is_first = 1;
	u64 left, unit;

	if (seconds < 0) {
		s = format(s, "-");
		seconds = -seconds;
	}
	/* An interval that 64 bits of microseconds cannot hold is printed as the longest, 584,542
	 * years; what is no number as none. */
	left = seconds >= 1.8e13 ? ~0ULL : seconds > 0 ? (u64)(seconds * 1e6 + 0.5) : 0;
	for (; fmt && *fmt; fmt++) {
		unit = interval_unit(*fmt, &n_digits);
		if (unit == 0) {
			s = format(s, "%c", *fmt);
			continue;
		}
		s = format(s, "%0*lu", is_first ? 0 : n_digits, left / unit);
		left %= unit;
		is_first = 0;
	}
	return s;
}

static u8 *
add_time_field(u8 *s, char letter, const struct tm *tm, const struct timeval *tv)
{
	switch (letter) {
	case 'y':
		return format(s, "%04d", 1900 + tm->tm_year);
	case 'm':
		return format(s, "%02d", 1 + tm->tm_mon);
	case 'd':
		return format(s, "%02d", tm->tm_mday);
	case 'H':
		return format(s, "%02d", tm->tm_hour);
	case 'M':
		return format(s, "%02d", tm->tm_min);
	case 'S':
		return format(s, "%02d", tm->tm_sec);
	case 'F':
		return format(s, "%03d", (int)(tv->tv_usec / 1000));
	case 'f':
		return format(s, "%06d", (int)tv->tv_usec);
	default:
		return format(s, "%c", letter);
	}
}

u8 *
format_timeval(u8 *s, va_list *va)
{
	const char *fmt = va_arg(*va, const char *);
	const struct timeval *tv = va_arg(*va, const struct timeval *);
	struct timeval now;
	struct tm tm;

	if (!fmt)
		fmt = "y/m/d H:M:S:F";
	if (!tv) {
		gettimeofday(&now, NULL);
		tv = &now;
	}
	if (!localtime_r(&tv->tv_sec, &tm))
		return format(s, "%ld.%06d", (i64)tv->tv_sec, (int)tv->tv_usec);
	for (; *fmt; fmt++)
		s = add_time_field(s, *fmt, &tm, tv);
	return s;
}

u8 *
format_c_identifier(u8 *s, va_list *va)
{
	const u8 *id = va_arg(*va, const u8 *);

	for (; id && *id; id++)
		if (vec_add1(s, *id < 128 && isalnum(*id) ? *id : '_'))
			break;
	return s;
}

static u8 *
add_unix_path(u8 *s, const struct sockaddr_un *un)
{
	/* A name in the abstract space starts with a NUL, printed as `@' as is usual. */
	if (un->sun_path[0] == 0)
		return format(s, "@%.*s", (int)sizeof(un->sun_path) - 1, un->sun_path + 1);
	return format(s, "%.*s", (int)sizeof(un->sun_path), un->sun_path);
}

u8 *
format_sockaddr(u8 *s, va_list *va)
{
	const struct sockaddr *sa = va_arg(*va, const struct sockaddr *);
	const struct sockaddr_in *in = (const void *)sa;
	const struct sockaddr_in6 *in6 = (const void *)sa;
	char text[INET6_ADDRSTRLEN];

	if (!sa)
		return format(s, "(nil)");
	switch (sa->sa_family) {
	case AF_INET:
		inet_ntop(AF_INET, &in->sin_addr, text, sizeof(text));
		return format(s, "%s:%u", text, ntohs(in->sin_port));
	case AF_INET6:
		inet_ntop(AF_INET6, &in6->sin6_addr, text, sizeof(text));
		return format(s, "[%s]:%u", text, ntohs(in6->sin6_port));
	case AF_UNIX:
		return add_unix_path(s, (const void *)sa);
	default:
		return format(s, "address family %u", sa->sa_family);
	}
}
