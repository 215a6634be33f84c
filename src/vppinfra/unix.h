/* SPDX-License-Identifier: Apache-2.0 */
/* unix: whole files into memory, and what the system says of itself.
 *
 * Threads: any.  Memory: the current heap.  An error names the file and what the system said. */
#ifndef included_vppinfra_unix_h
#define included_vppinfra_unix_h

#include <vppinfra/bitmap.h>
#include <vppinfra/error.h>

/** Size of a file, as its directory has it (0 for those of /proc). */
CLIB_EXPORT clib_error_t *clib_file_n_bytes(char *file, uword *result);

/** The first n_bytes of a file; a shorter file is an error. */
CLIB_EXPORT clib_error_t *clib_file_read_contents(char *file, u8 *result, uword n_bytes);

/** All of a file, read to its end, as a new vector (NULL when it is empty): the caller's.
 *  @return an error leaves *result as it was */
CLIB_EXPORT clib_error_t *clib_file_contents(char *file, u8 **result);

/* The same: files of /proc, too, are read to their end. */
#define unix_proc_file_contents(file, result) clib_file_contents((file), (result))

/* Their older names. */
#define unix_file_n_bytes(file, result) clib_file_n_bytes((file), (result))
#define unix_file_read_contents(file, result, n_bytes)                                             \
	clib_file_read_contents((file), (result), (n_bytes))
#define unix_file_contents(file, result) clib_file_contents((file), (result))

/** Processors and NUMA nodes that are online, and processors that a thread (0: the calling one) may
 *  run on: bitmaps, the caller's; NULL when the system does not say. */
CLIB_EXPORT clib_bitmap_t *os_get_online_cpu_core_bitmap(void);
CLIB_EXPORT clib_bitmap_t *os_get_online_cpu_node_bitmap(void);
CLIB_EXPORT clib_bitmap_t *os_get_cpu_affinity_bitmap(int pid);

/** Path of the running program: a vector with no NUL, the caller's; NULL when unknown. */
CLIB_EXPORT u8 *os_get_exec_path(void);

#endif
