/* SPDX-License-Identifier: Apache-2.0 */
/* VPP's names for the traces of the current heap. */
#include <stdatomic.h>
#include <vppinfra/mem.h>

static _Atomic(clib_mem_heap_t *) traced_heap;

void
clib_mem_trace(int enable)
{
	clib_mem_heap_t *heap = clib_mem_get_heap();
	clib_mem_heap_t *expected = heap;

	mheap_trace(heap, enable);
	if (enable)
		atomic_store_explicit(&traced_heap, heap, memory_order_relaxed);
	else
		atomic_compare_exchange_strong_explicit(&traced_heap, &expected, NULL,
							memory_order_relaxed, memory_order_relaxed);
}

int
clib_mem_is_traced(void)
{
	clib_mem_heap_t *heap = clib_mem_get_heap();
	mheap_trace_info_t info;

	mheap_trace_info(heap, &info);
	return info.is_on;
}

clib_mem_heap_t *
clib_mem_trace_heap(void)
{
	return atomic_load_explicit(&traced_heap, memory_order_relaxed);
}

mheap_trace_t *
clib_mem_trace_dup(clib_mem_heap_t *heap)
{
	return mheap_trace_dup(heap ? heap : clib_mem_get_heap());
}

uword
clib_mem_trace_enable_disable(uword enable)
{
	return (uword)mheap_trace_thread_enable(enable != 0);
}
