/* SPDX-License-Identifier: Apache-2.0 */
/* clib_error: one link of an error.  error.h makes, prints and frees them. */
#ifndef included_clib_error_h
#define included_clib_error_h

#include <vppinfra/types.h>

/** A vector of these is an error, the cause first; NULL is success. */
typedef struct {
	u8 *what;        /* message, vector, owned */
	const u8 *where; /* function name, static */
	uword flags;     /* CLIB_ERROR_* */
	any code;        /* errno or the caller's own; 0: none */
} clib_error_t;

#endif
