/* SPDX-License-Identifier: Apache-2.0 */
/* mem_impl: between mem.c, on the data path, and mem_heap.c, which may print. */
#ifndef included_mem_impl_h
#define included_mem_impl_h

#include <vppinfra/mem.h>

/** A heap at `base`, or in a mapping of its own; NULL when it cannot be had. */
clib_mem_heap_t *clib_mem_make_heap(void *base, uword size, u32 flags, const char *name);

#endif
