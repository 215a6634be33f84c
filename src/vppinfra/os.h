/* SPDX-License-Identifier: Apache-2.0 */
/* os: the few calls by which vppinfra ends a process or speaks to its terminal.  All are weak: a
 * program that defines one of the same name is called instead. */
#ifndef included_vppinfra_os_h
#define included_vppinfra_os_h

#include <vppinfra/clib.h>
#include <vppinfra/thread.h>

/** Stop at once, with a core file: a bug of our own was found.  Does not return. */
CLIB_EXPORT void os_panic(void);

/** Leave with a status. */
CLIB_EXPORT void os_exit(int code);

/** Write n bytes to stderr (is_error) or stdout; what cannot be written is dropped. */
CLIB_EXPORT void os_puts(u8 *string, uword n_bytes, uword is_error);

/** Memory has ended and the caller cannot go on: says so and stops as os_panic() does. */
CLIB_EXPORT void os_out_of_memory(void);

/** One above the greatest thread index in use so far, at least 1: the size of per-thread arrays. */
CLIB_EXPORT uword os_get_nthreads(void);

#endif
