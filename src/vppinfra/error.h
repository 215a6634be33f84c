/* SPDX-License-Identifier: Apache-2.0 */
/* error: what went wrong, in words, with the places it passed through.
 *
 * NULL is success.  An error is a vector of clib_error_t, the cause first; whoever passes it on
 * appends what it was doing:
 *
 *   if ((error = port_open(name)))
 *           return clib_error_return(error, "plugin `%s'", plugin);
 *
 * Printed by format_clib_error: `port_open: no such device: net9', then a line
 * `from plugin_start: plugin `ethdev'', and no newline after the last (18.07 has one there;
 * today's callers add their own).  When memory ends the error is still an error: a shared
 * one that says "out of memory", or the chain as it was.
 *
 * Threads: an error belongs to one thread at a time. */
#ifndef included_error_h
#define included_error_h

#include <vppinfra/clib_error.h>
#include <vppinfra/error_bootstrap.h>
#include <vppinfra/format.h>

/* ---- errors that are returned ---- */

/** Append to a chain (NULL starts one).  fmt may be NULL where a code says all.
 *  @return never NULL */
CLIB_EXPORT clib_error_t *_clib_error_return(clib_error_t *errors, any code, uword flags,
					     const char *where, const char *fmt, ...);

/** Append to error e, which may be NULL, what the caller was doing, made as format() does; the
 * value is the error, never NULL.  create starts one; _code gives it a code and flags; _fatal ends
 * the program when it is reported. */
#define clib_error_return(e, ...) _clib_error_return((e), 0, 0, clib_error_function, __VA_ARGS__)
#define clib_error_create(...) clib_error_return((clib_error_t *)0, __VA_ARGS__)
#define clib_error_return_code(e, code, flags, ...)                                                \
	_clib_error_return((e), (any)(code), (flags), clib_error_function, __VA_ARGS__)
#define clib_error_return_fatal(e, ...)                                                            \
	_clib_error_return((e), 0, CLIB_ERROR_FATAL, clib_error_function, __VA_ARGS__)
/** The code is errno, and its words are added: `open `x': No such file or directory'. */
#define clib_error_return_unix(e, ...)                                                             \
	_clib_error_return((e), (any)errno, CLIB_ERROR_ERRNO_VALID, clib_error_function,           \
			   __VA_ARGS__)
#define clib_error_return_unix_fatal(e, ...)                                                       \
	_clib_error_return((e), (any)errno, CLIB_ERROR_ERRNO_VALID | CLIB_ERROR_FATAL,             \
			   clib_error_function, __VA_ARGS__)

/** @return NULL */
CLIB_EXPORT clib_error_t *clib_error_free_vector(clib_error_t *errors);
/** Free, and set e to NULL. */
#define clib_error_free(e) ((e) = clib_error_free_vector(e))

/** Print through the handlers and free; abort or exit when a flag in the chain says so; NULL says
 *  nothing.  @return NULL */
CLIB_EXPORT clib_error_t *_clib_error_report(clib_error_t *errors);
/** The same, and set e, a variable, to NULL. */
#define clib_error_report(e) ((e) = _clib_error_report(e))

/** Code of the cause; 0 for NULL. */
CLIB_EXPORT any clib_error_get_code(clib_error_t *errors);
/** Set it.  @return errors */
CLIB_EXPORT clib_error_t *clib_error_set_code(clib_error_t *errors, any code);

/** (clib_error_t *): a line a link, no newline after the last. */
CLIB_EXPORT format_function_t format_clib_error;

/* ---- messages that are not returned ---- */

/** Print `function:line: text' and a newline; _unix adds `: words (errno N)'.  error and panic
 *  abort, warning goes on.  errno is left as it was. */
#define clib_error(...) _clib_error(CLIB_ERROR_ABORT, clib_error_function, __LINE__, __VA_ARGS__)
#define clib_unix_error(...)                                                                       \
	_clib_error(CLIB_ERROR_ABORT | CLIB_ERROR_ERRNO_VALID, clib_error_function, __LINE__,      \
		    __VA_ARGS__)
#define clib_panic(...) _clib_error(CLIB_ERROR_ABORT, clib_error_function, __LINE__, __VA_ARGS__)
#define clib_warning(...)                                                                          \
	_clib_error(CLIB_ERROR_WARNING, clib_error_function, __LINE__, __VA_ARGS__)
#define clib_unix_warning(...)                                                                     \
	_clib_error(CLIB_ERROR_WARNING | CLIB_ERROR_ERRNO_VALID, clib_error_function, __LINE__,    \
		    __VA_ARGS__)

/** Receives what would be printed: msg is not NUL-terminated, ends in a newline, and is gone
 *  after the call.  Runs in the thread that reports. */
typedef void(clib_error_handler_func_t)(void *arg, u8 *msg, int msg_len);

/** At most this many handlers at a time. */
#define CLIB_ERROR_MAX_HANDLERS 8
/** Add a handler; from the first one on nothing goes to stderr.
 *  @return 0, -EEXIST, -ENOSPC.  Threads: any */
CLIB_EXPORT int clib_error_register_handler(clib_error_handler_func_t *func, void *arg);
/** @return 0, -ENOENT.  A call already under way in another thread may still end after this. */
CLIB_EXPORT int clib_error_unregister_handler(clib_error_handler_func_t *func, void *arg);

/** A fatal error that names the place unless truth holds, else NULL; ERROR_ASSERT only in builds
 *  with CLIB_ASSERT_ENABLE, CLIB_ERROR_ASSERT in all. */
#define CLIB_ERROR_ASSERT(truth)                                                                   \
	((truth) ? (clib_error_t *)0                                                               \
		 : clib_error_return_fatal((clib_error_t *)0, "%s:%d (%s) assertion `%s' fails",   \
					   __FILE__, __LINE__, clib_error_function, #truth))
#define ERROR_ASSERT(truth) ({ CLIB_ASSERT_ENABLE ? CLIB_ERROR_ASSERT(truth) : (clib_error_t *)0; })

#endif
