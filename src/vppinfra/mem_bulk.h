/* SPDX-License-Identifier: Apache-2.0 */
/* mem_bulk: many objects of one size.  Part of mem.h.
 *
 *   clib_mem_bulk_handle_t b = clib_mem_bulk_init(sizeof(session_t), 64, 100);
 *   session_t *s = clib_mem_bulk_alloc(b);
 *   clib_mem_bulk_free(b, s);
 *   clib_mem_bulk_destroy(b);
 *
 * Objects come from chunks of a power of two in bytes, each aligned to its size, so the chunk of
 * an object is found by masking its address:
 *
 *   | header, a bit per object | object 0 | object 1 | ...
 *
 * Chunks with room are on a list, so both calls cost the same however many there are: a bit is
 * found and cleared.  A chunk that is empty again goes back to the heap, but for one.
 *
 * Threads: one at a time for each handle. */
#ifndef included_vppinfra_mem_bulk_h
#define included_vppinfra_mem_bulk_h

#include <vppinfra/clib.h>

typedef void *clib_mem_bulk_handle_t;

/**
 * Start a bulk in the current heap, which its chunks come from for good.
 *
 * @param elt_sz  bytes of an object, at least 1
 * @param align   of each object, the power of two at or above it; 0 means 16
 * @param min_elts_per_chunk  0 picks a number
 * @return a handle; NULL: elt_sz 0, a chunk above 1 GiB, or no memory
 */
CLIB_EXPORT clib_mem_bulk_handle_t clib_mem_bulk_init(u32 elt_sz, u32 align,
						      u32 min_elts_per_chunk);

/** Give all objects back with the handle.  NULL-safe. */
CLIB_EXPORT void clib_mem_bulk_destroy(clib_mem_bulk_handle_t h);

/** An object, contents undefined; NULL when the heap has no room for a chunk (the handler of
 *  clib_mem_set_oom_handler() was asked).  Owner: the caller, until bulk_free or destroy. */
CLIB_EXPORT void *clib_mem_bulk_alloc(clib_mem_bulk_handle_t h);

/** Give an object back.  NULL ignored; what is no object of this bulk, or is free already, is
 *  reported, counted in clib_mem_n_bad_frees(), and ignored. */
CLIB_EXPORT void clib_mem_bulk_free(clib_mem_bulk_handle_t h, void *p);

/** (clib_mem_bulk_handle_t): sizes, and how many chunks and objects there are. */
CLIB_EXPORT u8 *format_clib_mem_bulk(u8 *s, __builtin_va_list *va);

#endif
