/* SPDX-License-Identifier: Apache-2.0 */
/* mem: the current heap of each thread, one main heap, one heap per NUMA node.
 *
 * A heap handle is the mheap's vector v.  Today's VPP has a struct there, with fields that its own
 * files alone read; the calls below give the same (clib_mem_get_heap_base() and its neighbours).
 * Mappings are mem_vm.h's, chunks of one size mem_bulk.h's; both come with this header.
 *
 * Without clib_mem_init() the first allocation makes a
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
#include <vppinfra/mem_vm.h>

/** A heap handle.  Old VPP says void *, new VPP clib_mem_heap_t *: both are v. */
typedef void clib_mem_heap_t;

/** clib_mem_get_heap_flags() */
typedef enum {
	CLIB_MEM_HEAP_F_LOCKED = (1 << 0),
	CLIB_MEM_HEAP_F_UNMAP_ON_DESTROY = (1 << 1),
	CLIB_MEM_HEAP_F_TRACED = (1 << 2),
} clib_mem_heap_flag_t;

/** Threads with an entry in clib_per_cpu_mheaps, and heaps in clib_mem_main.heaps. */
#define CLIB_MAX_MHEAPS 256
#define CLIB_MEM_MAX_HEAPS 4096

/** What VPP's programs look up.  Read only: the calls below change it. */
typedef struct {
	/** The system's page, the default huge page (0: none) as set and as the system has it. */
	clib_mem_page_sz_t log2_page_sz;
	clib_mem_page_sz_t log2_default_hugepage_sz;
	clib_mem_page_sz_t log2_sys_default_hugepage_sz;
	/** Nodes with memory, the first 32. */
	u32 numa_node_bitmap;
	/** NULL until one is made. */
	CLIB_ATOMIC(clib_mem_heap_t *) main_heap;
	/** A vector: heaps that were made by the calls below, in no order. */
	clib_mem_heap_t **heaps;
	/** Mappings in address order, see clib_mem_vm_get_next_map_hdr(). */
	clib_mem_vm_map_hdr_t *first_map, *last_map;
	/** clib_mem_get_last_error() */
	clib_error_t *error;
} clib_mem_main_t;
CLIB_EXPORT_EXTERN clib_mem_main_t clib_mem_main;

/** Old VPP's array, by os_get_thread_index(): the heap that the thread made current, or the main
 *  heap where its first allocation made one; 0: the main heap.  What is written here for a thread
 *  that never set a heap is current in it. */
CLIB_EXPORT_EXTERN void *clib_per_cpu_mheaps[CLIB_MAX_MHEAPS];

/** The heap the calling thread allocates from; NULL: the main heap, made when first
 *  needed.  initial-exec: read without a call on every alloc and free. */
CLIB_EXPORT_EXTERN __thread clib_mem_heap_t *clib_mem_current_heap
	__attribute__((tls_model("initial-exec")));

/** Make the main heap: `size` bytes at `base` (0: a fresh mapping of its own, which gets fronts
 *  (mheap_front.h) when a second thread uses it).
 *  @return the heap, also current; NULL with nothing changed. */
CLIB_EXPORT clib_mem_heap_t *clib_mem_init(void *base, uword size);
/** The same; every main heap has a lock here. */
CLIB_EXPORT clib_mem_heap_t *clib_mem_init_thread_safe(void *base, uword size);
/** A main heap of its own in pages of exactly this size, committed as it grows: NULL and
 *  clib_mem_get_last_error() when the first of them is not to be had. */
CLIB_EXPORT clib_mem_heap_t *clib_mem_init_with_page_size(uword size,
							  clib_mem_page_sz_t log2_page_sz);

/** All zero: clib_mem_init(0, 0). */
typedef struct {
	void *base;                      /* the caller's memory; NULL: a mapping of its own */
	uword size;                      /* bytes; 0 with base NULL: the default */
	clib_mem_page_sz_t log2_page_sz; /* without base; UNKNOWN: the system's */
	const char *name;                /* NULL: "main heap" */
} clib_mem_init_ex_args_t;
CLIB_EXPORT clib_mem_heap_t *clib_mem_init_ex(const clib_mem_init_ex_args_t *args);

/** The main heap is the calling thread's current one from now on (threads that never call this
 *  use it too, and follow clib_mem_set_main_heap()). */
CLIB_EXPORT void clib_mem_thread_init(void);
/** The main heap is `heap` from now on (one made in an arena, say). */
CLIB_EXPORT void clib_mem_set_main_heap(clib_mem_heap_t *heap);
CLIB_EXPORT clib_mem_heap_t *clib_mem_main_heap(void);
/** Forget heaps; objects of the lazily made one become invalid. */
CLIB_EXPORT void clib_mem_exit(void);
#define clib_mem_destroy() clib_mem_exit()

/** The heap that the calling thread allocates from, the main heap where it set none. */
CLIB_EXPORT clib_mem_heap_t *clib_mem_get_heap(void);
/** @return the heap that was current. */
CLIB_EXPORT clib_mem_heap_t *clib_mem_set_heap(clib_mem_heap_t *heap);

/** The heap of a NUMA node, NULL if none was made; a new one is announced with set. */
CLIB_EXPORT clib_mem_heap_t *clib_mem_get_numa_heap(u32 node);
CLIB_EXPORT int clib_mem_set_numa_heap(u32 node, clib_mem_heap_t *heap);

/** Old VPP's names for clib_mem_get_heap() and clib_mem_set_heap(). */
always_inline void *
clib_mem_get_per_cpu_heap(void)
{
	return clib_mem_get_heap();
}

/** Old VPP's clib_mem_set_heap(). */
always_inline void *
clib_mem_set_per_cpu_heap(void *heap)
{
	return clib_mem_set_heap(heap);
}

/** Today's clib_mem_get_numa_heap(). */
always_inline void *
clib_mem_get_per_numa_heap(u32 node)
{
	return clib_mem_get_numa_heap(node);
}

/** For the node that the thread runs on.  @return the heap that was announced for it */
CLIB_EXPORT void *clib_mem_set_per_numa_heap(void *heap);

/* n bytes from the current heap, 16-byte aligned, contents undefined. */
CLIB_EXPORT void *clib_mem_alloc(uword n_bytes);
CLIB_EXPORT void *clib_mem_alloc_aligned(uword n_bytes, uword align);
CLIB_EXPORT void *clib_mem_alloc_or_null(uword n_bytes);
CLIB_EXPORT void *clib_mem_alloc_aligned_or_null(uword n_bytes, uword align);
/** (address + align_offset) mod align = 0. */
CLIB_EXPORT void *clib_mem_alloc_aligned_at_offset(uword n_bytes, uword align, uword align_offset,
						   int os_out_of_memory_on_failure);

/** For callers that cannot do without: as above, and when there is no memory os_out_of_memory(),
 *  which says so and stops unless the program has its own. */
always_inline void *
_clib_mem_no_fail(void *p)
{
	if (PREDICT_FALSE(!p))
		os_out_of_memory();
	return p;
}
#define clib_mem_alloc_no_fail(n_bytes) _clib_mem_no_fail(clib_mem_alloc(n_bytes))
#define clib_mem_alloc_aligned_no_fail(n_bytes, align)                                             \
	_clib_mem_no_fail(clib_mem_alloc_aligned((n_bytes), (align)))

/** Bytes of the calling function's stack frame. */
#define clib_mem_alloc_stack(n_bytes) __builtin_alloca(n_bytes)

/** Frees p to its heap whatever is current; NULL ignored, a stranger's pointer reported. */
CLIB_EXPORT void clib_mem_free(void *p);
/** Usable bytes of an object; 0 for a stranger. */
CLIB_EXPORT uword clib_mem_size(const void *p);
#define clib_mem_size_nocheck(p) clib_mem_size(p)
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
/** mheap_move(): a large object elsewhere, with its pages.  *p keeps its place in its page. @return
 * 0 with *p new, or a negative errno with everything as it was: copy it. */
CLIB_EXPORT int clib_mem_heap_move(clib_mem_heap_t *heap, void **p, uword n_bytes,
				   uword n_keep_bytes);
/** The heap a live object belongs to, NULL for a stranger (looks through all heaps). */
CLIB_EXPORT clib_mem_heap_t *clib_mem_heap_of(const void *p);
/** Every live heap made in this process: main, NUMA and any other. */
CLIB_EXPORT void clib_mem_foreach_heap(int (*fn)(clib_mem_heap_t *heap, void *arg), void *arg);

/** A heap of its own, of `size` bytes at `base` (0: a fresh mapping), with a lock if is_locked;
 *  the name is made as format() would, so `%U' and `%v' work.  @return NULL when it cannot be had
 */
CLIB_EXPORT clib_mem_heap_t *clib_mem_create_heap(void *base, uword size, int is_locked,
						  const char *fmt, ...);
/** Not the main heap: that one ends with clib_mem_exit(). */
CLIB_EXPORT void clib_mem_destroy_heap(clib_mem_heap_t *heap);
CLIB_EXPORT void clib_mem_get_heap_usage(clib_mem_heap_t *heap, clib_mem_usage_t *usage);
/** Where its memory starts; NULL for NULL. */
CLIB_EXPORT void *clib_mem_get_heap_base(clib_mem_heap_t *heap);
/** Bytes it may grow to (~0 for NULL); bytes of them that are not in use (free elements and unused
 *  space; 0 for NULL). */
CLIB_EXPORT uword clib_mem_get_heap_size(clib_mem_heap_t *heap);
CLIB_EXPORT uword clib_mem_get_heap_free_space(clib_mem_heap_t *heap);

/** CLIB_MEM_HEAP_F_*, page size and name of a heap; 0, UNKNOWN and "" for NULL. */
CLIB_EXPORT u32 clib_mem_get_heap_flags(clib_mem_heap_t *heap);
CLIB_EXPORT clib_mem_page_sz_t clib_mem_get_heap_log2_page_size(clib_mem_heap_t *heap);
CLIB_EXPORT const char *clib_mem_get_heap_name(clib_mem_heap_t *heap);

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

/** Figures of the current heap; mheap_validate() of it, which stops at a fault. */
CLIB_EXPORT void clib_mem_usage(clib_mem_usage_t *usage);
CLIB_EXPORT void clib_mem_validate(void);

/** Called when the plain alloc forms find no memory: may free and return 1 (try again) or
 *  return 0 (NULL to the caller) or not return.  NULL: none. */
typedef int(clib_mem_oom_function_t)(clib_mem_heap_t *heap, uword n_bytes);
CLIB_EXPORT void clib_mem_set_oom_handler(clib_mem_oom_function_t *fn);
CLIB_EXPORT u64 clib_mem_n_oom(void);
/** For allocators above that ran out themselves: counts, and asks the handler.  heap may be NULL.
 *  @return 1: there may be room now, try again */
CLIB_EXPORT int clib_mem_out_of_memory(clib_mem_heap_t *heap, uword n_bytes);
/** Frees that were refused: not an object, or free already. */
CLIB_EXPORT u64 clib_mem_n_bad_frees(void);

/* ---- text; these live above format, in mem_format.c ---- */

/** Make a name as format() would, cut to n bytes with the NUL; fmt NULL is "".  Before there is a
 *  heap it makes none; when memory ends the name is fmt as it stands. */
CLIB_EXPORT void clib_mem_make_name(char *name, uword n, const char *fmt, __builtin_va_list *va);

/** (int verbose): the current heap, as format_mheap. */
CLIB_EXPORT u8 *format_clib_mem_usage(u8 *s, __builtin_va_list *va);
/** (clib_mem_heap_t *, int verbose), NULL the current one: its address, size, flags and name, its
 *  pages by node, and what is used and free; verbose: format_mheap as well. */
CLIB_EXPORT u8 *format_clib_mem_heap(u8 *s, __builtin_va_list *va);
/** (clib_mem_page_stats_t *): a line, and one for each node. */
CLIB_EXPORT u8 *format_clib_mem_page_stats(u8 *s, __builtin_va_list *va);

#include <vppinfra/mem_bulk.h>

#endif
