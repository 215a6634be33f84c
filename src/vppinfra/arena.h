/* SPDX-License-Identifier: Apache-2.0 */
/* arena: a vm range with vmem arenas over it, one per NUMA node and purpose.
 *
 *        vm range  (reserved address space of one node and page size)
 *           |  one span
 *        root arena  "NAME.va"   allocates addresses; nothing resident
 *           |  import: address + vm_commit       |  heap regions: address, committed piecewise
 *        arena  "NAME"                         mheap
 *           |  vmem_alloc: committed memory
 *        buffer pools, heaps, whoever
 *
 * Every committed byte has one root: vm_committed_bytes(0) is the sum of
 * clib_arena_committed_bytes() over all arenas, of vmem_mmap_committed_bytes() (the heap that
 * vmem keeps its own tags in), and of ranges that somebody reserved without an arena.  What a
 * root arena has allocated but nobody committed yet is address space only.
 *
 * Threads: any, except that nobody may use an arena while it is destroyed. */
#ifndef included_vppinfra_arena_h
#define included_vppinfra_arena_h

#include <vppinfra/vm.h>
#include <vppinfra/vmem.h>
#include <vppinfra/mheap.h>

/** Arenas at one time: a handful per node, on the greatest machines. */
#define CLIB_MAX_ARENAS 256
/** Bytes of an arena's name, without the NUL: "NAME.va" must fit a vmem name. */
#define CLIB_ARENA_NAME_BYTES 24

typedef struct clib_arena clib_arena_t;

typedef struct {
	/** Shown in `show vmem` and `show memory map`; copied, 1 to 24 bytes, nobody else's. */
	const char *name;
	/** Address space in bytes, rounded up to the page. */
	uword reserve_bytes;
	/** Decides whether a huge page size is to be had, see vm_range_params_t. */
	uword expect_bytes;
	/** The node whose memory it is, or VM_NODE_ANY. */
	int numa_node;
	clib_mem_page_sz_t page_size;
	u32 vm_flags; /* VM_RANGE_* */
} clib_arena_params_t;

/**
 * Reserve a range and put its two arenas over it; nothing is committed.
 *
 * @param[out] arena  untouched on error
 * @return 0; -EINVAL no name or one that is too long; -EEXIST an arena has that name; -ENOMEM no
 *         record, no tag, or no address space; else what vm_reserve() says.
 *
 * Owner: the caller, until clib_arena_destroy().
 */
CLIB_EXPORT int clib_arena_create(const clib_arena_params_t *params, clib_arena_t **arena);

/** Give arenas, address space and pages back.
 *  @return 0; -EBUSY while anything is allocated from it (nothing changed); -EINVAL a stranger. */
CLIB_EXPORT int clib_arena_destroy(clib_arena_t *arena);

/** The same at the end of a program, whatever is still allocated: that memory is gone after it,
 *  and vmem reports each arena's leak.  Heaps in the arena must have been freed. */
CLIB_EXPORT void clib_arena_abandon(clib_arena_t *arena);

/** The name it was made with. */
CLIB_EXPORT const char *clib_arena_name(const clib_arena_t *arena);

/** The arena of committed memory, for vmem_alloc(); quantum = the page size.  It imports what it
 *  needs and exports whole imports as soon as they are free; with transparent huge pages it
 *  imports at least one of them at a time. */
CLIB_EXPORT vmem_t *clib_arena_vmem(clib_arena_t *arena);
/** The root arena of addresses. */
CLIB_EXPORT vmem_t *clib_arena_va_vmem(clib_arena_t *arena);
CLIB_EXPORT vm_range_t *clib_arena_range(clib_arena_t *arena);

/** Bytes this arena committed, by its own count: imports and heaps. */
CLIB_EXPORT uword clib_arena_committed_bytes(const clib_arena_t *arena);

/** Calls fn for each arena, in order of creation as long as none was destroyed, until it returns
 *  nonzero.  No lock is held. */
CLIB_EXPORT void clib_arena_foreach(int (*fn)(clib_arena_t *arena, void *arg), void *arg);
/** NULL when there is none of that name. */
CLIB_EXPORT clib_arena_t *clib_arena_by_name(const char *name);

/**
 * A heap whose region is max_bytes of the arena's addresses, committed as it grows and given
 * back as it shrinks.  Destroyed by mheap_free(), which returns the addresses.
 *
 * @param name         copied, at most 39 bytes
 * @param max_bytes    header and vector together, rounded up to the page
 * @param mheap_flags  MHEAP_FLAG_*
 * @param[out] v       the heap's vector; untouched on error
 * @return 0; -ENOMEM no addresses that long, or the first page cannot be committed; -EINVAL.
 */
CLIB_EXPORT int clib_arena_create_heap(clib_arena_t *arena, const char *name, uword max_bytes,
				       u32 mheap_flags, void **v);

/** A heap in a fixed piece of any vmem arena of memory (taken with vmem_alloc, freed with the
 *  heap): no growth beyond `bytes`.  @return 0; -ENOMEM; -EINVAL.  v untouched on error. */
CLIB_EXPORT int mheap_create_in_vmem(vmem_t *vmem, const char *name, uword bytes, u32 mheap_flags,
				     void **v);

/** A heap that is alone in a vm range of its own, committed as it grows.  mheap_free() gives all
 *  pages back; the range stays the caller's, to be used again or released.
 *  @return 0; -ENOMEM; -EBUSY pages of the range are committed already; -EINVAL. */
CLIB_EXPORT int mheap_create_in_range(vm_range_t *range, const char *name, u32 mheap_flags,
				      void **v);

#endif
