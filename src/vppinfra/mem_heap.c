/* SPDX-License-Identifier: Apache-2.0 */
/* Heaps as VPP-new makes and asks them.  Set-up and control work, apart from alloc and free. */
#include <pthread.h>
#include <stdarg.h>
#include "mem_impl.h"
#include "mem_vm_impl.h"

/* ---- clib_mem_main.heaps: a vector in static memory, so that it needs no heap itself ---- */

static struct {
	pthread_mutex_t lock;
	struct {
		vec_header_t header;
		clib_mem_heap_t *heaps[CLIB_MEM_MAX_HEAPS];
	} vector;
} list = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.vector.header = { .magic = VEC_HEADER_MAGIC,
			   .max_bytes = CLIB_MEM_MAX_HEAPS * sizeof(void *) },
};

/* Add a heap (NULL: none), and drop `gone` and those that ended by mheap_free(). */
static void
update_list(clib_mem_heap_t *heap, clib_mem_heap_t *gone)
{
	u64 n = 0;

	pthread_mutex_lock(&list.lock);
	for (u64 i = 0; i < list.vector.header.len; i++) {
		clib_mem_heap_t *h = list.vector.heaps[i];

		if (h != gone && h != heap && mheap_of_address(h) == h)
			list.vector.heaps[n++] = h;
	}
	if (heap && n < CLIB_MEM_MAX_HEAPS)
		list.vector.heaps[n++] = heap;
	list.vector.header.len = n;
	clib_mem_main.heaps = list.vector.heaps;
	pthread_mutex_unlock(&list.lock);
}

/* ---- making and ending ---- */

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
	if (mheap_create(&params, &v) == 0) {
		update_list(v, NULL);
		return v;
	}
	if (!base)
		params.region.release(params.region.opaque, params.region.base, params.region.size);
	return NULL;
}

/* The calls of a region that is a vm range. */
static int
range_commit(void *opaque, void *p, uword n_bytes)
{
	return vm_commit(opaque, (uword)((u8 *)p - (u8 *)vm_range_base(opaque)), n_bytes) ? -ENOMEM
											  : 0;
}

static uword
range_decommit(void *opaque, void *p, uword n_bytes)
{
	uword released;

	vm_decommit(opaque, (uword)((u8 *)p - (u8 *)vm_range_base(opaque)), n_bytes, &released);
	return released;
}

clib_mem_heap_t *
clib_mem_make_heap_of_pages(uword size, clib_mem_page_sz_t log2_page_sz, const char *name,
			    vm_range_t **range)
{
	mheap_params_t params = { .name = name, .flags = MHEAP_FLAG_THREAD_SAFE };
	vm_range_params_t range_params = {
		.name = name,
		.reserve_bytes = size,
		.numa_node = VM_NODE_ANY,
		.page_size = clib_mem_log2_page_size_validate(log2_page_sz),
		.flags = VM_RANGE_EXACT_PAGE,
	};
	mem_vm_error_t e;
	char page[16];
	vm_range_t *r;
	void *v;
	int rv = range_params.page_size ? vm_reserve(&range_params, &r) : -ENOTSUP;

	if (rv == 0) {
		params.numa_node = VM_NODE_ANY;
		params.region = (mheap_region_t){
			.base = vm_range_base(r),
			.size = round_pow2(size, vm_range_page_bytes(r)),
			.page_bytes = vm_range_page_bytes(r),
			.commit = range_commit,
			.decommit = range_decommit,
			.opaque = r,
		};
		rv = mheap_create(&params, &v);
		if (rv)
			vm_release(r);
	}
	if (rv == 0) {
		update_list(v, NULL);
		*range = r;
		return v;
	}
	clib_mem_vm_explain(
		&e, rv, "a heap of %lu bytes in pages of %s: %s", (unsigned long)size,
		clib_mem_vm_page_size_name(
			range_params.page_size ? range_params.page_size : log2_page_sz, page),
		rv == -ENOTSUP  ? "not offered by this machine"
		: rv == -ENOMEM ? "none free"
				: strerror(-rv));
	clib_mem_vm_set_last_error("clib_mem_init", &e);
	return NULL;
}

clib_mem_heap_t *
clib_mem_create_heap(void *base, uword size, int is_locked, const char *fmt, ...)
{
	char name[40];
	va_list va;

	va_start(va, fmt);
	clib_mem_make_name(name, sizeof(name), fmt, &va);
	va_end(va);
	return clib_mem_make_heap(base, size, is_locked ? MHEAP_FLAG_THREAD_SAFE : 0, name);
}

void
clib_mem_destroy_heap(clib_mem_heap_t *heap)
{
	if (!heap)
		return;
	clib_mem_forget_heap(heap);
	update_list(NULL, heap);
	mheap_destroy(heap);
}

/* ---- names ---- */

static clib_mem_name_function_t *name_function;

void
clib_mem_set_name_function(clib_mem_name_function_t *fn)
{
	name_function = fn;
}

void
clib_mem_make_name(char *name, uword n, const char *fmt, va_list *va)
{
	const char *text = fmt ? fmt : "";

	/* What has no conversion is the name; so is anything in a program without format. */
	if (name_function && strchr(text, '%')) {
		name_function(name, n, fmt, va);
		return;
	}
	if (n) {
		strncpy(name, text, n - 1);
		name[n - 1] = 0;
	}
}

/* ---- asking ---- */

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

u32
clib_mem_get_heap_flags(clib_mem_heap_t *heap)
{
	const mheap_t *h = heap ? mheap_header(heap) : NULL;
	u32 flags = 0, heap_flags;

	if (!h)
		return 0;
	heap_flags = clib_atomic_load_relax_n(&h->flags);
	if (heap_flags & MHEAP_FLAG_THREAD_SAFE)
		flags |= CLIB_MEM_HEAP_F_LOCKED;
	if (heap_flags & MHEAP_FLAG_TRACE)
		flags |= CLIB_MEM_HEAP_F_TRACED;
	if (mheap_owns_region(heap))
		flags |= CLIB_MEM_HEAP_F_UNMAP_ON_DESTROY;
	return flags;
}

clib_mem_page_sz_t
clib_mem_get_heap_log2_page_size(clib_mem_heap_t *heap)
{
	const vm_range_t *r = heap ? vm_range_of(heap) : NULL;

	if (!heap)
		return CLIB_MEM_PAGE_SZ_UNKNOWN;
	return r ? (clib_mem_page_sz_t)min_log2(vm_range_page_bytes(r))
		 : clib_mem_main.log2_page_sz;
}

const char *
clib_mem_get_heap_name(clib_mem_heap_t *heap)
{
	return heap ? mheap_header(heap)->name : "";
}
