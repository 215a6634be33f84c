/* SPDX-License-Identifier: Apache-2.0 */
/* Heaps as VPP-new makes and asks them.  Set-up and control work, apart from alloc and free. */
#include <stdarg.h>
#include <stdio.h>
#include "mem_impl.h"

clib_mem_heap_t *
clib_mem_make_heap(void *base, uword size, u32 flags, const char *name)
{
	mheap_params_t params = { .name = name, .flags = flags, .numa_node = -1 };
	void *v;

	if (base) {
		params.region.base = base;
		params.region.size = size;
	} else if (mheap_region_mmap(size, &params.region)) {
		return NULL;
	}
	if (mheap_create(&params, &v) == 0)
		return v;
	if (!base)
		params.region.release(params.region.opaque, params.region.base, params.region.size);
	return NULL;
}

clib_mem_heap_t *
clib_mem_create_heap(void *base, uword size, int is_locked, const char *fmt, ...)
{
	char name[40] = "";
	va_list va;

	if (fmt) {
		va_start(va, fmt);
		vsnprintf(name, sizeof(name), fmt, va);
		va_end(va);
	}
	return clib_mem_make_heap(base, size, is_locked ? MHEAP_FLAG_THREAD_SAFE : 0, name);
}

void
clib_mem_destroy_heap(clib_mem_heap_t *heap)
{
	mheap_destroy(heap);
}

void
clib_mem_get_heap_usage(clib_mem_heap_t *heap, clib_mem_usage_t *usage)
{
	mheap_usage(heap, usage);
}

void *
clib_mem_get_heap_base(clib_mem_heap_t *heap)
{
	return heap ? (u8 *)mheap_header(heap) - mheap_header(heap)->vm_alloc_offset_from_header
		    : NULL;
}

uword
clib_mem_get_heap_size(clib_mem_heap_t *heap)
{
	return mheap_max_size(heap);
}

uword
clib_mem_get_heap_free_space(clib_mem_heap_t *heap)
{
	clib_mem_usage_t u;

	if (!heap)
		return 0;
	mheap_usage(heap, &u);
	return u.bytes_free + u.bytes_max - (u.bytes_total - MHEAP_HEADER_BYTES);
}
