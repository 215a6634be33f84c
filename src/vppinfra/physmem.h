/* SPDX-License-Identifier: Apache-2.0 */
/* physmem: the process's one pmalloc, for descriptors, rings and whatever else a device reads.
 *
 *   ring = clib_physmem_alloc_aligned_on_numa(4096, 64, node);
 *   if (!ring)
 *           return clib_error_return(0, "%U", format_clib_error, clib_physmem_last_error());
 *   device->ring = clib_physmem_get_pa(ring);
 *
 * The calls are those of VPP's vlib_physmem_*, without its vlib_main_t.  Shared maps are shared
 * arenas of pmalloc by number.  The first call that allocates makes it all, in the main heap and
 * with the default address space; clib_physmem_init() does so by other sizes.
 *
 * Threads: any, a lock around pmalloc; clib_physmem_get_pa() without it. */
#ifndef included_vppinfra_physmem_h
#define included_vppinfra_physmem_h

#include <vppinfra/pmalloc.h>

/** A shared map.  The struct stays where it is until clib_physmem_exit(). */
typedef struct {
	u32 index;
	void *base;
	/** Pages of log2_page_size, and the physical address of each (0: unknown); a vector. */
	uword n_pages;
	uword *page_table;
	clib_mem_page_sz_t log2_page_size;
	/** physmem's: to be passed on, not closed. */
	int fd;
	u32 numa_node;
} clib_physmem_map_t;

/** Shared maps at one time. */
#define CLIB_PHYSMEM_MAX_MAPS 256

/** Start before the first allocation, as clib_pmalloc_init().  @return NULL, or an error (the
 *  caller's): it is started already, or what clib_physmem_last_error() shows, too */
CLIB_EXPORT clib_error_t *clib_physmem_init(uword base_addr, uword size);

/** Give everything back, whatever is still allocated.  Nobody may be using physmem. */
CLIB_EXPORT void clib_physmem_exit(void);

/** Bytes on the calling thread's node, or on one named; NULL and clib_physmem_last_error().  See
 *  clib_pmalloc_alloc_aligned_on_numa(). */
CLIB_EXPORT void *clib_physmem_alloc(uword n_bytes);
CLIB_EXPORT void *clib_physmem_alloc_aligned(uword n_bytes, uword alignment);
CLIB_EXPORT void *clib_physmem_alloc_aligned_on_numa(uword n_bytes, uword alignment, u32 numa_node);

/** From a shared map. */
CLIB_EXPORT void *clib_physmem_alloc_from_map(u32 map_index, uword n_bytes, uword alignment);

/** NULL is ignored; a stranger is reported and ignored. */
CLIB_EXPORT void clib_physmem_free(void *p);

/** Physical address of a byte that is allocated; 0: unknown. */
CLIB_EXPORT u64 clib_physmem_get_pa(void *p);

/**
 * Make a shared map.
 *
 * @param log2_page_sz    see clib_pmalloc_create_shared_arena()
 * @param[out] map_index  untouched on error
 * @return NULL, or an error (the caller's)
 */
CLIB_EXPORT clib_error_t *clib_physmem_shared_map_create(char *name, uword size, u32 log2_page_sz,
							 u32 numa_node, u32 *map_index);
/** NULL when there is no such map. */
CLIB_EXPORT clib_physmem_map_t *clib_physmem_get_map(u32 map_index);

/** Why the last call failed, in any thread; physmem's, until the next. */
CLIB_EXPORT clib_error_t *clib_physmem_last_error(void);

/** Allocations that were not freed. */
CLIB_EXPORT u64 clib_physmem_n_allocations(void);

/** Bytes committed in pages of a size; of all sizes for 0. */
CLIB_EXPORT uword clib_physmem_committed_bytes(u8 log2_page_size);

/** Calls fn with the pmalloc under the lock, NULL when nothing was allocated yet: for show. */
CLIB_EXPORT void clib_physmem_look(void (*fn)(clib_pmalloc_main_t *pm, void *arg), void *arg);

#endif
