/* SPDX-License-Identifier: Apache-2.0 */
/* error_bootstrap: what the macros of headers below format need of errors: the flags, and a
 * message that needs no vector of the caller's.  error.h has all of it. */
#ifndef included_error_bootstrap_h
#define included_error_bootstrap_h

#include <vppinfra/clib.h>

/** What is to be done with an error, and what its fields hold. */
enum {
	CLIB_ERROR_FATAL = 1 << 0, /* clib_error_report() exits with status 1 */
	CLIB_ERROR_ABORT = 1 << 1, /* clib_error_report() aborts */
	CLIB_ERROR_WARNING = 1 << 2,
	CLIB_ERROR_ERRNO_VALID = 1 << 16,   /* code is an errno, and what ends with its words */
	CLIB_ERROR_NO_RATE_LIMIT = 1 << 17, /* kept for its readers: every message is printed */
};

/** The name that messages and errors give for where they were made. */
#define clib_error_function ((char *)__func__)

/** Whether ASSERT() and ERROR_ASSERT() look at what they are given. */
#ifndef CLIB_ASSERT_ENABLE
#	define CLIB_ASSERT_ENABLE (CLIB_DEBUG > 0)
#endif

/** Print `function:line: text' and, with CLIB_ERROR_ERRNO_VALID, the words of errno; then abort or
 *  exit as how_to_die says.  function may be NULL and line 0.  errno is left as it was.
 *  Threads: any. */
CLIB_EXPORT void _clib_error(int how_to_die, const char *function, uword line, const char *fmt,
			     ...);

#endif
