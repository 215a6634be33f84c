/* SPDX-License-Identifier: Apache-2.0 */
#include <vppinfra/string.h>

#include <vppinfra/error.h>

void
clib_c11_violation(const char *s)
{
	_clib_error(CLIB_ERROR_WARNING, "clib_c11_violation", 0, "%s", s);
}

static errno_t
violation(const char *what)
{
	clib_c11_violation(what);
	return EINVAL;
}

/* Length of a string that has max bytes; max when it does not end within them.  Where nobody knows
 * the room that is strlen(). */
static rsize_t
length(const char *s, rsize_t max)
{
	return max > _CLIB_STRING_ANY / 2 ? strlen(s) : _clib_length(s, max);
}

static int
overlaps(const char *a, rsize_t n_a, const char *b, rsize_t n_b)
{
	return a < b + n_b && b < a + n_a;
}

errno_t
clib_strcmp_s(const char *s1, rsize_t s1max, const char *s2, int *indicator)
{
	if (!indicator)
		return violation("indicator NULL");
	if (!s1)
		return violation("s1 NULL");
	if (!s2)
		return violation("s2 NULL");
	if (length(s1, s1max) >= s1max)
		return violation("s1 unterminated");
	*indicator = strcmp(s1, s2);
	return EOK;
}

errno_t
clib_strncmp_s(const char *s1, rsize_t s1max, const char *s2, rsize_t n, int *indicator)
{
	if (!indicator)
		return violation("indicator NULL");
	if (n == 0 || (s1 && s1 == s2)) {
		*indicator = 0;
		return EOK;
	}
	if (!s1)
		return violation("s1 NULL");
	if (!s2)
		return violation("s2 NULL");
	if (n > s1max && length(s1, s1max) >= s1max)
		return violation("s1 unterminated");
	*indicator = strncmp(s1, s2, n);
	return EOK;
}

errno_t
clib_strcpy_s(char *dest, rsize_t dmax, const char *src)
{
	rsize_t n;

	if (!dest)
		return violation("dest NULL");
	if (!dmax)
		return violation("dmax 0");
	if (!src)
		return violation("src NULL");
	if (dest == src)
		return EOK;
	n = length(src, dmax);
	if (n >= dmax)
		return violation("not enough space for dest");
	if (overlaps(dest, n + 1, src, n + 1))
		return violation("src/dest overlap");
	memcpy(dest, src, n + 1);
	return EOK;
}

/* n bytes of src at dest + at, cut to fit dmax, and a NUL. */
static errno_t
copy_and_end(char *dest, rsize_t at, rsize_t dmax, const char *src, rsize_t n)
{
	rsize_t n_room = dmax - at - 1, n_src = length(src, n);
	rsize_t n_copy = clib_min(n_src, n_room);

	if (overlaps(dest, at + n_copy + 1, src, n_copy))
		return violation("src/dest overlap");
	memcpy(dest + at, src, n_copy);
	dest[at + n_copy] = 0;
	if (n_copy == n_src)
		return EOK;
	clib_c11_violation("not enough space for dest, truncated");
	return EOVERFLOW;
}

errno_t
clib_strncpy_s(char *dest, rsize_t dmax, const char *src, rsize_t n)
{
	if (n == 0)
		return EOK;
	if (!dest)
		return violation("dest NULL");
	if (!dmax)
		return violation("dmax 0");
	if (!src)
		return violation("src NULL");
	return copy_and_end(dest, 0, dmax, src, n);
}

errno_t
clib_strcat_s(char *dest, rsize_t dmax, const char *src)
{
	rsize_t at, n;

	if (!dest)
		return violation("dest NULL");
	if (!dmax)
		return violation("dmax 0");
	if (!src)
		return violation("src NULL");
	at = length(dest, dmax);
	if (at >= dmax)
		return violation("dest unterminated");
	n = length(src, dmax - at);
	if (n >= dmax - at)
		return violation("not enough space for dest");
	if (overlaps(dest, at + n + 1, src, n + 1))
		return violation("src/dest overlap");
	memcpy(dest + at, src, n + 1);
	return EOK;
}

errno_t
clib_strncat_s(char *dest, rsize_t dmax, const char *src, rsize_t n)
{
	rsize_t at;

	if (n == 0)
		return EOK;
	if (!dest)
		return violation("dest NULL");
	if (!dmax)
		return violation("dmax 0");
	if (!src)
		return violation("src NULL");
	at = length(dest, dmax);
	if (at >= dmax)
		return violation("dest unterminated");
	return copy_and_end(dest, at, dmax, src, n);
}

char *
clib_strtok_s(char *s1, rsize_t *s1max, const char *s2, char **ptr)
{
	char *p, *token;
	rsize_t n, n_left;

	if (!s1max || !s2 || !ptr || (!s1 && !*ptr)) {
		clib_c11_violation(!s1max ? "s1max NULL"
				   : !s2  ? "s2 NULL"
				   : !ptr ? "ptr NULL"
					  : "s1 and ptr NULL");
		return 0;
	}
	p = s1 ? s1 : *ptr;
	n_left = *s1max;
	*ptr = 0;
	if (_clib_length(s2, STRTOK_DELIM_MAX_LEN) >= STRTOK_DELIM_MAX_LEN) {
		clib_c11_violation("s2 unterminated");
		return 0;
	}
	if (length(p, n_left) >= n_left) {
		clib_c11_violation("s1 unterminated");
		return 0;
	}
	n = strspn(p, s2);
	token = p + n;
	n_left -= n;
	n = strcspn(token, s2);
	*ptr = token + n;
	if (token[n]) {
		token[n++] = 0;
		(*ptr)++;
	}
	*s1max = n_left - n;
	return *token ? token : 0;
}

errno_t
clib_strstr_s(char *s1, rsize_t s1max, const char *s2, rsize_t s2max, char **substring)
{
	if (!s1)
		return violation("s1 NULL");
	if (!s2)
		return violation("s2 NULL");
	if (!substring)
		return violation("substring NULL");
	if (!s1max)
		return violation("s1max 0");
	if (!s2max)
		return violation("s2max 0");
	if (length(s1, s1max) >= s1max)
		return violation("s1 unterminated");
	if (length(s2, s2max) >= s2max)
		return violation("s2 unterminated");
	*substring = strstr(s1, s2);
	return *substring ? EOK : ESRCH;
}
