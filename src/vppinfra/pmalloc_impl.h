/* SPDX-License-Identifier: Apache-2.0 */
/* pmalloc_impl: what the files pmalloc*.c share.  Blocks and chunks are pmalloc.c's, arenas and
 * their pages pmalloc_arena.c's. */
#ifndef included_pmalloc_impl_h
#define included_pmalloc_impl_h

#include <vppinfra/pmalloc.h>

#define PMALLOC_NONE (~(u32)0)

/** Replace pm->error; code is a negative errno.  @return code */
int clib_pmalloc_fail(clib_pmalloc_main_t *pm, int code, const char *fmt, ...);

/** Make the heap of the books current, and what was current again. */
always_inline clib_mem_heap_t *
clib_pmalloc_enter(const clib_pmalloc_main_t *pm)
{
	clib_mem_heap_t *old = clib_mem_current_heap;

	clib_mem_current_heap = pm->heap;
	return old;
}

always_inline void
clib_pmalloc_leave(clib_mem_heap_t *old)
{
	clib_mem_current_heap = old;
}

always_inline u32
clib_pmalloc_page_blocks(const clib_pmalloc_main_t *pm)
{
	return 1u << (pm->def_log2_page_sz - PMALLOC_LOG2_BLOCK_SZ);
}

always_inline uword
clib_pmalloc_page_bytes(const clib_pmalloc_main_t *pm)
{
	return 1ULL << pm->def_log2_page_sz;
}

/** A list that every free chunk of `size` blocks or more is in or above (is_ceiling: whose chunks
 *  all have at least `size`). */
u32 clib_pmalloc_bin(u32 size, int is_ceiling);

/** A fresh page in one free chunk, listed in its arena.  @return 0 or -ENOMEM */
int clib_pmalloc_start_page(clib_pmalloc_main_t *pm, clib_pmalloc_arena_t *a, u32 page_index);
/** The opposite: no chunk of the page is used. */
void clib_pmalloc_end_page(clib_pmalloc_main_t *pm, clib_pmalloc_arena_t *a, u32 page_index);

/** The private arena of a node, made when there is none.  @return NULL: see pm->error */
clib_pmalloc_arena_t *clib_pmalloc_private_arena(clib_pmalloc_main_t *pm, u32 numa_node);

/** n consecutive pages more for a private arena, next to its n_trailing last ones where the pages
 *  behind those are its own.  @return 0; -ENOMEM, see pm->error */
int clib_pmalloc_grow(clib_pmalloc_main_t *pm, clib_pmalloc_arena_t *a, u32 n, u32 n_trailing);

/** Free an arena's ranges and books. */
void clib_pmalloc_release_arena(clib_pmalloc_main_t *pm, clib_pmalloc_arena_t *a);

#endif
