/* SPDX-License-Identifier: Apache-2.0 */
/* mem_impl: between mem.c, on the data path, mem_heap.c, which makes heaps, and mem_format.c above
 * format. */
#ifndef included_mem_impl_h
#define included_mem_impl_h

#include <stdarg.h>
#include <vppinfra/mem.h>

/** How names are made from VPP's formats, which mem cannot know: mem_format.c installs it when the
 *  library is loaded. */
typedef void(clib_mem_name_function_t)(char *name, uword n, const char *fmt, va_list *va);
void clib_mem_set_name_function(clib_mem_name_function_t *fn);

/** A heap at `base`, or in a mapping of its own; NULL when it cannot be had. */
clib_mem_heap_t *clib_mem_make_heap(void *base, uword size, u32 flags, const char *name);

/** A heap of `size` bytes in a vm range of its own of exactly this page size.
 *  @param[out] range  to be released after the heap
 *  @return NULL, and clib_mem_get_last_error() */
clib_mem_heap_t *clib_mem_make_heap_of_pages(uword size, clib_mem_page_sz_t log2_page_sz,
					     const char *name, vm_range_t **range);

/** A heap is about to be destroyed: nobody's entry names it any more. */
void clib_mem_forget_heap(clib_mem_heap_t *heap);

/** Count a free that is refused, and tell the handler of mheap_set_error_handler(). */
void clib_mem_report_bad_free(clib_mem_heap_t *heap, const void *p, const char *what,
			      const void *caller);

/** What format_clib_mem_bulk prints. */
typedef struct {
	u32 elt_sz, align, n_per_chunk, n_chunks, n_full;
	uword chunk_bytes;
	u64 n_elts;
} clib_mem_bulk_info_t;
void clib_mem_bulk_get_info(clib_mem_bulk_handle_t h, clib_mem_bulk_info_t *info);

#endif
