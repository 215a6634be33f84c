/* SPDX-License-Identifier: Apache-2.0 */
/* The mmap heap: "mmap_top" has spans of reserved addresses, each a vm range of its own, and
 * reserves another when it runs out; "mmap_heap" imports from it; allocating commits the pages,
 * freeing gives them back. */
#include "vmem_impl.h"

#include <stdatomic.h>
#include <sys/sysinfo.h>
#include <unistd.h>
#include <vppinfra/vm.h>

/* Address space costs a bit per page in vm, untouched until it is used; 64 GiB hold 2^31 tags. */
#define RESERVE_BYTES GiB(64)
#define RESERVE_BYTES_MIN MiB(16)
/* mmap_heap takes addresses in pieces of this, so that the top's tags stay few. */
#define TOP_QUANTUM KiB(64)
/* From here on a look at what the machine has left costs nothing beside the pages themselves. */
#define LARGE_BYTES MiB(64)

static pthread_mutex_t mmap_lock = PTHREAD_MUTEX_INITIALIZER;
static vmem_t *mmap_heap;
static _Atomic uword n_committed_bytes;

/* Reserve address space, at least *size; half of the usual piece each time the system refuses.
 * Value: NULL when there is none. */
static vm_range_t *
reserve(uword *size)
{
	/* One quantum more than asked for, since the base may have to be rounded up. */
	uword least = round_pow2(clib_max(*size, RESERVE_BYTES_MIN), TOP_QUANTUM) + TOP_QUANTUM;
	vm_range_params_t params = { .name = "vmem heap",
				     .reserve_bytes = clib_max(least, RESERVE_BYTES),
				     .numa_node = VM_NODE_ANY,
				     .page_size = CLIB_MEM_PAGE_SZ_DEFAULT };
	vm_range_t *range;

	while (vm_reserve(&params, &range)) {
		if (params.reserve_bytes == least)
			return NULL;
		params.reserve_bytes = clib_max(least, params.reserve_bytes / 2);
	}
	*size = params.reserve_bytes;
	return range;
}

static void *
mmap_top_alloc(vmem_t *top, size_t size, int vmflag)
{
	for (;;) {
		void *p = vmem_alloc(top, size, vmflag | VM_NOSLEEP), *base;
		uword n_bytes = size, skipped;
		vm_range_t *range;

		if (p)
			return p;
		range = reserve(&n_bytes);
		if (range == NULL)
			return NULL;
		/* The range begins on a page; the arena begins on its quantum. */
		base = vm_range_base(range);
		skipped = -pointer_to_uword(base) & (TOP_QUANTUM - 1);
		n_bytes = round_down_pow2(n_bytes - skipped, TOP_QUANTUM);
		if (n_bytes < size ||
		    vmem_add(top, (u8 *)base + skipped, n_bytes, VM_NOSLEEP) == NULL) {
			vm_release(range);
			return NULL;
		}
	}
}

/* Committed pages are populated.  What the machine does not have would not come back as an error
 * then: the kernel would end a process. */
static bool
exceeds_machine(size_t size)
{
	u64 total, available;
	struct sysinfo info;

	if (size < LARGE_BYTES || vm_node_memory(VM_NODE_ANY, &total, &available))
		return false;
	if (sysinfo(&info) == 0)
		available += (u64)info.freeswap * info.mem_unit;
	return size > available;
}

static void *
mmap_heap_alloc(vmem_t *heap, size_t size, int vmflag)
{
	u8 *p = exceeds_machine(size) ? NULL : vmem_alloc(heap, size, vmflag);
	vm_range_t *range;

	if (p == NULL)
		return NULL;
	range = vm_range_of(p);
	if (vm_commit(range, (uword)(p - (u8 *)vm_range_base(range)), size)) {
		vmem_free(heap, p, size);
		return NULL;
	}
	atomic_fetch_add_explicit(&n_committed_bytes, size, memory_order_relaxed);
	return p;
}

static void
mmap_heap_free(vmem_t *heap, void *p, size_t size)
{
	vm_range_t *range = vm_range_of(p);

	vm_decommit(range, (uword)((u8 *)p - (u8 *)vm_range_base(range)), size, NULL);
	atomic_fetch_sub_explicit(&n_committed_bytes, size, memory_order_relaxed);
	vmem_free(heap, p, size);
}

vmem_t *
vmem_mmap_arena(vmem_alloc_t **afunc, vmem_free_t **ffunc)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	pthread_mutex_lock(&mmap_lock);
	if (mmap_heap == NULL)
		mmap_heap =
			vmem_init_once("mmap_top", TOP_QUANTUM, mmap_top_alloc, vmem_free,
				       "mmap_heap", NULL, 0, page, mmap_heap_alloc, mmap_heap_free);
	if (mmap_heap == NULL) {
		vmem_t *top = vmem_create("mmap_top", NULL, 0, TOP_QUANTUM, NULL, NULL, NULL, 0,
					  VM_NOSLEEP);

		if (top)
			mmap_heap = vmem_create("mmap_heap", NULL, 0, page, mmap_top_alloc,
						vmem_free, top, 0, VM_NOSLEEP);
		if (top && mmap_heap == NULL)
			vmem_destroy(top);
	}
	pthread_mutex_unlock(&mmap_lock);
	if (afunc)
		*afunc = mmap_heap_alloc;
	if (ffunc)
		*ffunc = mmap_heap_free;
	return mmap_heap;
}

uword
vmem_mmap_committed_bytes(void)
{
	return atomic_load_explicit(&n_committed_bytes, memory_order_relaxed);
}
