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
 * The sum of committed bytes over all root arenas equals vm_committed_bytes(0), because every
 * vm range belongs to exactly one of them. */
#ifndef included_vppinfra_arena_h
#define included_vppinfra_arena_h

#include <vppinfra/vm.h>
#include <vppinfra/vmem.h>
#include <vppinfra/mheap.h>

typedef struct clib_arena clib_arena_t;

typedef struct {
	const char *name;    /* at most 24 bytes */
	uword reserve_bytes; /* address space */
	uword expect_bytes;  /* see vm_range_params_t */
	int numa_node;
	clib_mem_page_sz_t page_size;
	u32 vm_flags; /* VM_RANGE_* */
} clib_arena_params_t;

/** @return 0 or what vm_reserve() and vmem_create() say. */
CLIB_EXPORT int clib_arena_create(const clib_arena_params_t *params, clib_arena_t **arena);

/** @return 0; -EBUSY while anything is allocated from it (nothing changed). */
CLIB_EXPORT int clib_arena_destroy(clib_arena_t *arena);

/** The arena of committed memory, for vmem_alloc(); quantum = the page size. */
CLIB_EXPORT vmem_t *clib_arena_vmem(clib_arena_t *arena);
/** The root arena of addresses. */
CLIB_EXPORT vmem_t *clib_arena_va_vmem(clib_arena_t *arena);
CLIB_EXPORT vm_range_t *clib_arena_range(clib_arena_t *arena);
/** Bytes this arena committed, by its own count. */
CLIB_EXPORT uword clib_arena_committed_bytes(const clib_arena_t *arena);
CLIB_EXPORT void clib_arena_foreach(int (*fn)(clib_arena_t *arena, void *arg), void *arg);
CLIB_EXPORT clib_arena_t *clib_arena_by_name(const char *name);

/**
 * A heap whose region is max_bytes of the arena's addresses, committed as it grows and given
 * back as it shrinks.  Destroyed by mheap_free().
 * @return 0, -ENOMEM, -EINVAL.
 */
CLIB_EXPORT int clib_arena_create_heap(clib_arena_t *arena, const char *name, uword max_bytes,
				       u32 mheap_flags, void **v);

/** A heap in a fixed piece of any vmem arena of memory (taken with vmem_alloc, freed with the
 *  heap): no growth beyond `bytes`. */
CLIB_EXPORT int mheap_create_in_vmem(vmem_t *vmem, const char *name, uword bytes, u32 mheap_flags,
				     void **v);

/** A heap that is alone in a vm range of its own, committed as it grows. */
CLIB_EXPORT int mheap_create_in_range(vm_range_t *range, const char *name, u32 mheap_flags,
				      void **v);

#endif
