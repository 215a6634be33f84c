/* SPDX-License-Identifier: Apache-2.0 */
/* string: copying, filling and comparing, by VPP's names, and C11's bounds-checking calls (annex K)
 * under the names and with the meaning that VPP gives them.
 *
 * The _s calls know how much room there is.  A call that would go beyond it, or is given NULL,
 * reports the violation (clib_c11_violation()), returns EINVAL and writes nothing; EOK is success,
 * EOVERFLOW a copy that was cut to fit.  The clib_ forms take the arguments of the plain calls:
 * the room is then taken to be enough, NULL is still caught.
 *
 * (This is no <string.h> of libc, which it includes.)
 *
 * Threads: any. */
#ifndef included_vppinfra_string_h
#define included_vppinfra_string_h

#include <errno.h>
#include <string.h>
#include <vppinfra/clib.h>

typedef int errno_t;
typedef uword rsize_t;

#ifndef EOK
/** Success, as C11's annex K has it. */
#	define EOK 0
#endif

/** A bound for strings whose room nobody knows; VPP's clib_ forms go no further, ours do. */
#define CLIB_STRING_MACRO_MAX 4096
/** strtok_s() takes no longer set of delimiters. */
#define STRTOK_DELIM_MAX_LEN 16

/** Report what a call was given: `clib_c11_violation: dest NULL', as a warning. */
CLIB_EXPORT void clib_c11_violation(const char *s);

/* ---- memory ---- */

/** memcpy(). */
always_inline void *
clib_memcpy_fast(void *dst, const void *src, size_t n)
{
	return memcpy(dst, src, n);
}

/** memmove(). */
#define clib_memmove(d, s, n) memmove((d), (s), (n))

/** Not for areas that overlap.  n = 0 is always fine. */
always_inline errno_t
memcpy_s(void *dest, rsize_t dmax, const void *src, rsize_t n)
{
	const char *what = 0;
	uword d = (uword)dest, s = (uword)src;

	if (PREDICT_FALSE(n == 0))
		return EOK;
	if (PREDICT_FALSE(!dest))
		what = "dest NULL";
	else if (PREDICT_FALSE(!src))
		what = "src NULL";
	else if (PREDICT_FALSE(n > dmax))
		what = "n > dmax";
	else if (PREDICT_FALSE(d < s ? s - d < n : d - s < n))
		what = "src/dest overlap";
	if (PREDICT_FALSE(what != 0)) {
		clib_c11_violation(what);
		return EINVAL;
	}
	memcpy(dest, src, n);
	return EOK;
}

/** Set n of smax bytes.  @return EOK, or EINVAL with nothing done */
always_inline errno_t
memset_s(void *s, rsize_t smax, int c, rsize_t n)
{
	const char *what = PREDICT_FALSE(!s) ? "s NULL" : PREDICT_FALSE(n > smax) ? "n > smax" : 0;

	if (PREDICT_FALSE(what != 0)) {
		clib_c11_violation(what);
		return EINVAL;
	}
	memset(s, c, n);
	return EOK;
}

/** *diff: as memcmp() of s2max bytes. */
always_inline errno_t
memcmp_s(const void *s1, rsize_t s1max, const void *s2, rsize_t s2max, int *diff)
{
	const char *what = !s1             ? "s1 NULL"
			   : !s2           ? "s2 NULL"
			   : !diff         ? "diff NULL"
			   : s2max > s1max ? "s2max > s1max"
			   : !s2max        ? "s2max 0"
			   : !s1max        ? "s1max 0"
					   : 0;

	if (PREDICT_FALSE(what != 0)) {
		clib_c11_violation(what);
		return EINVAL;
	}
	*diff = s1 == s2 ? 0 : memcmp(s1, s2, s2max);
	return EOK;
}

/** VPP's names of these. */
#define memcpy_s_inline memcpy_s
#define memset_s_inline memset_s
#define memcmp_s_inline memcmp_s

/** memcpy() with annex K's value. */
always_inline errno_t
clib_memcpy(void *dest, const void *src, rsize_t n)
{
	return memcpy_s(dest, n, src, n);
}

/** memset() with annex K's value. */
always_inline errno_t
clib_memset(void *s, int c, rsize_t n)
{
	return memset_s(s, n, c, n);
}

/** Compare n bytes: less than, equal to or greater than 0. */
#define clib_memcmp(m1, m2, n)                                                                     \
	({                                                                                         \
		rsize_t _clib_memcmp_n = (n);                                                      \
		int _clib_memcmp_diff = 0;                                                         \
		memcmp_s((m1), _clib_memcmp_n, (m2), _clib_memcmp_n, &_clib_memcmp_diff);          \
		_clib_memcmp_diff;                                                                 \
	})

/** Fill with count times a value of 8, 4, 2, 1 bytes; p need not be aligned. */
always_inline void
clib_memset_u64(void *p, u64 val, uword count)
{
	for (uword i = 0; i < count; i++)
		memcpy((u8 *)p + 8 * i, &val, 8);
}

/** Set count numbers. */
always_inline void
clib_memset_u32(void *p, u32 val, uword count)
{
	for (uword i = 0; i < count; i++)
		memcpy((u8 *)p + 4 * i, &val, 4);
}

/** Set count numbers. */
always_inline void
clib_memset_u16(void *p, u16 val, uword count)
{
	for (uword i = 0; i < count; i++)
		memcpy((u8 *)p + 2 * i, &val, 2);
}

/** Set count bytes. */
always_inline void
clib_memset_u8(void *p, u8 val, uword count)
{
	memset(p, val, count);
}

/** Copy n_left numbers. */
always_inline void
clib_memcpy_u32(u32 *dst, const u32 *src, u32 n_left)
{
	memcpy(dst, src, (uword)n_left * 4);
}

/** The same 64 bytes to four places. */
always_inline void
clib_memcpy64_x4(void *d0, void *d1, void *d2, void *d3, const void *s)
{
	memcpy(d0, s, 64);
	memcpy(d1, s, 64);
	memcpy(d2, s, 64);
	memcpy(d3, s, 64);
}

/** len bytes, at most 64 or 32. */
always_inline void
clib_memcpy_le(u8 *dst, const u8 *src, u8 len, u8 max_len)
{
	ASSERT(len <= max_len);
	memcpy(dst, src, clib_min(len, max_len));
}

/** Copy at most 64 bytes. */
always_inline void
clib_memcpy_le64(u8 *dst, const u8 *src, u8 len)
{
	clib_memcpy_le(dst, src, len, 64);
}

/** Copy at most 32 bytes. */
always_inline void
clib_memcpy_le32(u8 *dst, const u8 *src, u8 len)
{
	clib_memcpy_le(dst, src, len, 32);
}

/* How many elements from the first on, of max_count, are equal to the first. */
#define _CLIB_COUNT_EQUAL(n_bits)                                                                  \
	always_inline uword clib_count_equal_u##n_bits(const u##n_bits *data, uword max_count)     \
	{                                                                                          \
		uword count = 0;                                                                   \
                                                                                                   \
		while (count < max_count && data[count] == data[0])                                \
			count++;                                                                   \
		return count;                                                                      \
	}
_CLIB_COUNT_EQUAL(64)
_CLIB_COUNT_EQUAL(32)
_CLIB_COUNT_EQUAL(16)
_CLIB_COUNT_EQUAL(8)
#undef _CLIB_COUNT_EQUAL

/* ---- strings ---- */

/** Length, at most maxsize; 0 for NULL. */
always_inline rsize_t
strnlen_s(const char *s, rsize_t maxsize)
{
	const char *end;

	if (PREDICT_FALSE(!s || !maxsize)) {
		clib_c11_violation(s ? "maxsize 0" : "s NULL");
		return 0;
	}
	end = (const char *)memchr(s, 0, maxsize);
	return end ? (rsize_t)(end - s) : maxsize;
}

/* The same without a report. */
always_inline rsize_t
_clib_length(const char *s, rsize_t max)
{
	const char *end = max ? (const char *)memchr(s, 0, max) : 0;

	return end ? (rsize_t)(end - s) : max;
}

/** *indicator: as strcmp(). */
CLIB_EXPORT errno_t clib_strcmp_s(const char *s1, rsize_t s1max, const char *s2, int *indicator);
/** *indicator: as strncmp(). */
CLIB_EXPORT errno_t clib_strncmp_s(const char *s1, rsize_t s1max, const char *s2, rsize_t n,
				   int *indicator);
/** All of src, or nothing. */
CLIB_EXPORT errno_t clib_strcpy_s(char *dest, rsize_t dmax, const char *src);
/** At most n bytes of src and a NUL; what does not fit is cut, EOVERFLOW. */
CLIB_EXPORT errno_t clib_strncpy_s(char *dest, rsize_t dmax, const char *src, rsize_t n);
CLIB_EXPORT errno_t clib_strcat_s(char *dest, rsize_t dmax, const char *src);
CLIB_EXPORT errno_t clib_strncat_s(char *dest, rsize_t dmax, const char *src, rsize_t n);
/** The next token of s1 (at first) or from *ptr on (s1 NULL), delimited by bytes of s2; *s1max is
 *  what is left.  NULL at the end. */
CLIB_EXPORT char *clib_strtok_s(char *s1, rsize_t *s1max, const char *s2, char **ptr);
/** *substring: where s2 first is in s1; ESRCH and NULL when it is not. */
CLIB_EXPORT errno_t clib_strstr_s(char *s1, rsize_t s1max, const char *s2, rsize_t s2max,
				  char **substring);

/* The library shares no plain names with whoever embeds it; VPP's source finds them all the same.
 */
#define strcmp_s(s1, s1max, s2, indicator) clib_strcmp_s((s1), (s1max), (s2), (indicator))
#define strncmp_s(s1, s1max, s2, n, indicator) clib_strncmp_s((s1), (s1max), (s2), (n), (indicator))
#define strcpy_s(dest, dmax, src) clib_strcpy_s((dest), (dmax), (src))
#define strncpy_s(dest, dmax, src, n) clib_strncpy_s((dest), (dmax), (src), (n))
#define strcat_s(dest, dmax, src) clib_strcat_s((dest), (dmax), (src))
#define strncat_s(dest, dmax, src, n) clib_strncat_s((dest), (dmax), (src), (n))
#define strtok_s(s1, s1max, s2, ptr) clib_strtok_s((s1), (s1max), (s2), (ptr))
#define strstr_s(s1, s1max, s2, s2max, substring)                                                  \
	clib_strstr_s((s1), (s1max), (s2), (s2max), (substring))
#define strnlen_s_inline strnlen_s
#define strcmp_s_inline strcmp_s
#define strncmp_s_inline strncmp_s
#define strcpy_s_inline strcpy_s
#define strncpy_s_inline strncpy_s
#define strcat_s_inline strcat_s
#define strncat_s_inline strncat_s
#define strtok_s_inline strtok_s
#define strstr_s_inline strstr_s

/* Room enough for any string, and an object may be as large. */
#define _CLIB_STRING_ANY (~(rsize_t)0 >> 1)

/** Length of a string, at most m. */
#define clib_strnlen(s, m) strnlen_s((s), (m))
/** Values of strcmp() and strncmp(); 0 when one is NULL, as in VPP, and reported. */
#define clib_strcmp(s1, s2)                                                                        \
	({                                                                                         \
		int _clib_strcmp_value = 0;                                                        \
		clib_strcmp_s((s1), _CLIB_STRING_ANY, (s2), &_clib_strcmp_value);                  \
		_clib_strcmp_value;                                                                \
	})
#define clib_strncmp(s1, s2, n)                                                                    \
	({                                                                                         \
		int _clib_strncmp_value = 0;                                                       \
		clib_strncmp_s((s1), _CLIB_STRING_ANY, (s2), (n), &_clib_strncmp_value);           \
		_clib_strncmp_value;                                                               \
	})
#define clib_strcpy(d, s) clib_strcpy_s((d), _CLIB_STRING_ANY, (s))
#define clib_strncpy(d, s, n) clib_strncpy_s((d), _CLIB_STRING_ANY, (s), (n))
#define clib_strcat(d, s) clib_strcat_s((d), _CLIB_STRING_ANY, (s))
#define clib_strncat(d, s, n) clib_strncat_s((d), _CLIB_STRING_ANY, (s), (n))
#define clib_strtok(s1, s2, p)                                                                     \
	({                                                                                         \
		rsize_t _clib_strtok_max = _CLIB_STRING_ANY;                                       \
		clib_strtok_s((s1), &_clib_strtok_max, (s2), (p));                                 \
	})
#define clib_strstr(s1, s2)                                                                        \
	({                                                                                         \
		char *_clib_strstr_at = 0;                                                         \
		clib_strstr_s((s1), _CLIB_STRING_ANY, (s2), _CLIB_STRING_ANY, &_clib_strstr_at);   \
		_clib_strstr_at;                                                                   \
	})

#endif
