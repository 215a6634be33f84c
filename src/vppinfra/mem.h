/* SPDX-License-Identifier: Apache-2.0 */
/* mem: the current heap of each thread, one main heap, one heap per NUMA node.
 *
 * A heap handle is the mheap's vector v.  Without clib_mem_init() the first allocation makes a
 * default heap by itself.  clib_mem_alloc() of new VPP's semantics stops the process when memory
 * ends; here it calls the handler of clib_mem_set_oom_handler() (none: returns NULL), as the
 * _or_null forms always do.  Exhaustion is counted either way. */
#ifndef included_vppinfra_mem_h
#define included_vppinfra_mem_h

#include <vppinfra/clib.h>
#include <vppinfra/os.h>
#include <vppinfra/thread.h>
#include <vppinfra/vm.h>
#include <vppinfra/mheap.h>

/** A heap handle.  Old VPP says void *, new VPP clib_mem_heap_t *: both are v. */
typedef void clib_mem_heap_t;

/** The heap the calling thread allocates from; NULL: the main heap, made when first
 *  needed.  initial-exec: read without a call on every alloc and free. */
CLIB_EXPORT_EXTERN __thread clib_mem_heap_t *clib_mem_current_heap
	__attribute__((tls_model("initial-exec")));

/** Make the main heap: `size` bytes at `base` (0: a fresh mapping of its own).
 *  @return the heap, also current; NULL with nothing changed. */
CLIB_EXPORT clib_mem_heap_t *clib_mem_init(void *base, uword size);
/** The main heap is `heap` from now on (one made in an arena, say). */
CLIB_EXPORT void clib_mem_set_main_heap(clib_mem_heap_t *heap);
CLIB_EXPORT clib_mem_heap_t *clib_mem_main_heap(void);
/** Forget heaps; objects of the lazily made one become invalid. */
CLIB_EXPORT void clib_mem_exit(void);

CLIB_EXPORT clib_mem_heap_t *clib_mem_get_heap(void);
/** @return the heap that was current. */
CLIB_EXPORT clib_mem_heap_t *clib_mem_set_heap(clib_mem_heap_t *heap);

/** The heap of a NUMA node, NULL if none was made; a new one is announced with set. */
CLIB_EXPORT clib_mem_heap_t *clib_mem_get_numa_heap(u32 node);
CLIB_EXPORT int clib_mem_set_numa_heap(u32 node, clib_mem_heap_t *heap);

/* n bytes from the current heap, 16-byte aligned, contents undefined. */
CLIB_EXPORT void *clib_mem_alloc(uword n_bytes);
CLIB_EXPORT void *clib_mem_alloc_aligned(uword n_bytes, uword align);
CLIB_EXPORT void *clib_mem_alloc_or_null(uword n_bytes);
CLIB_EXPORT void *clib_mem_alloc_aligned_or_null(uword n_bytes, uword align);
/** (address + align_offset) mod align = 0. */
CLIB_EXPORT void *clib_mem_alloc_aligned_at_offset(uword n_bytes, uword align, uword align_offset,
						   int os_out_of_memory_on_failure);
/** Returns p's heap whatever is current; NULL ignored, a stranger's pointer reported. */
CLIB_EXPORT void clib_mem_free(void *p);
/** Usable bytes of an object; 0 for a stranger. */
CLIB_EXPORT uword clib_mem_size(const void *p);
/** Whether p is a live object of the current heap. */
CLIB_EXPORT uword clib_mem_is_heap_object(const void *p);

/**
 * Resize an object of any heap, in place where that goes, else by a copy in the same heap.
 * VPP-new's clib_mem_realloc (p, size) and VPP-old's (p, new_size, old_size) both work; the old
 * size is not needed.
 *
 * @param p  NULL allocates from the current heap
 * @return the object, perhaps elsewhere; NULL with p as it was: no memory (after the oom
 *         handler), or p is a stranger, which is reported
 */
#define clib_mem_realloc(p, ...) _CLIB_MEM_REALLOC(p, __VA_ARGS__, 0, 0)
#define _CLIB_MEM_REALLOC(p, size, ...) clib_mem_realloc_aligned((p), (size), 0)
CLIB_EXPORT void *clib_mem_realloc_aligned(void *p, uword n_bytes, uword align);
/** Free after writing zeros over it.  NULL ignored. */
CLIB_EXPORT void clib_mem_free_s(void *p);

/* The same with the heap named; NULL: the current one. */
CLIB_EXPORT void *clib_mem_heap_alloc(clib_mem_heap_t *heap, uword n_bytes);
CLIB_EXPORT void *clib_mem_heap_alloc_aligned(clib_mem_heap_t *heap, uword n_bytes, uword align);
CLIB_EXPORT void *clib_mem_heap_alloc_or_null(clib_mem_heap_t *heap, uword n_bytes);
CLIB_EXPORT void *clib_mem_heap_alloc_aligned_or_null(clib_mem_heap_t *heap, uword n_bytes,
						      uword align);
/** As clib_mem_realloc(); p must be of this heap (a stranger is reported, NULL returned). */
CLIB_EXPORT void *clib_mem_heap_realloc_aligned(clib_mem_heap_t *heap, void *p, uword n_bytes,
						uword align);
#define clib_mem_heap_realloc(heap, p, n_bytes)                                                    \
	clib_mem_heap_realloc_aligned((heap), (p), (n_bytes), 0)
CLIB_EXPORT void clib_mem_heap_free(clib_mem_heap_t *heap, void *p);
CLIB_EXPORT uword clib_mem_heap_is_heap_object(clib_mem_heap_t *heap, const void *p);
CLIB_EXPORT uword clib_mem_heap_size(clib_mem_heap_t *heap, const void *p);
/** Grow in place to n bytes.  @return 0 or -ENOMEM with the object as it was. */
CLIB_EXPORT int clib_mem_heap_extend(clib_mem_heap_t *heap, void *p, uword n_bytes);
/** The heap a live object belongs to, NULL for a stranger (looks through all heaps). */
CLIB_EXPORT clib_mem_heap_t *clib_mem_heap_of(const void *p);
/** Every live heap made in this process: main, NUMA and any other. */
CLIB_EXPORT void clib_mem_foreach_heap(int (*fn)(clib_mem_heap_t *heap, void *arg), void *arg);

/** A heap of its own, of `size` bytes at `base` (0: a fresh mapping), with a lock if is_locked;
 *  the name is made as printf would.  @return NULL when it cannot be had */
CLIB_EXPORT clib_mem_heap_t *clib_mem_create_heap(void *base, uword size, int is_locked,
						  const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/** Not the main heap: that one ends with clib_mem_exit(). */
CLIB_EXPORT void clib_mem_destroy_heap(clib_mem_heap_t *heap);
CLIB_EXPORT void clib_mem_get_heap_usage(clib_mem_heap_t *heap, clib_mem_usage_t *usage);
/** Where its memory starts; NULL for NULL. */
CLIB_EXPORT void *clib_mem_get_heap_base(clib_mem_heap_t *heap);
/** Bytes it may grow to (~0 for NULL); bytes of them that are not in use (free elements and unused
 *  space; 0 for NULL). */
CLIB_EXPORT uword clib_mem_get_heap_size(clib_mem_heap_t *heap);
CLIB_EXPORT uword clib_mem_get_heap_free_space(clib_mem_heap_t *heap);

/* ---- traces: who holds what (mheap.h has the whole of it) ---- */

/** Trace the current heap, every object, or stop and forget.  Several heaps may be traced. */
CLIB_EXPORT void clib_mem_trace(int enable);
/** Whether the current heap is traced. */
CLIB_EXPORT int clib_mem_is_traced(void);
/** The heap that clib_mem_trace() switched on last, NULL when it is off again. */
CLIB_EXPORT clib_mem_heap_t *clib_mem_trace_heap(void);
/** Its sites as a vector, most bytes first, the caller's; NULL: none. */
CLIB_EXPORT mheap_trace_t *clib_mem_trace_dup(clib_mem_heap_t *heap);
/** Whether the calling thread's allocations are traced, in heaps that are.  @return what it was */
CLIB_EXPORT uword clib_mem_trace_enable_disable(uword enable);

CLIB_EXPORT void clib_mem_usage(clib_mem_usage_t *usage);
CLIB_EXPORT void clib_mem_validate(void);

/** Called when the plain alloc forms find no memory: may free and return 1 (try again) or
 *  return 0 (NULL to the caller) or not return.  NULL: none. */
typedef int(clib_mem_oom_function_t)(clib_mem_heap_t *heap, uword n_bytes);
CLIB_EXPORT void clib_mem_set_oom_handler(clib_mem_oom_function_t *fn);
CLIB_EXPORT u64 clib_mem_n_oom(void);
/** Frees that were refused: not an object, or free already. */
CLIB_EXPORT u64 clib_mem_n_bad_frees(void);

#endif
