/* SPDX-License-Identifier: Apache-2.0 */
/* The buffer window: one reservation in which every 64-byte unit has a 32-bit number.  Pieces
 * are found first-fit in the gaps between the ranges that lie in it. */
#include "vm_impl.h"

#include <sys/mman.h>
#include <sys/resource.h>

/* 4 GiB: the least window worth having, a few pools on one node. */
#define MIN_WINDOW_BYTES (1ULL << 32)
/* 1 GiB: a page of the greatest common size starts on a multiple of itself. */
#define WINDOW_ALIGN (1ULL << 30)

/* Under the table's lock. */
static uword window_base, window_bytes;

void *
vm_reserve_aligned(uword n_before, uword n_bytes, uword align)
{
	uword n_map = n_before + n_bytes + align - vm_system_page_bytes();
	uword start, base, end;
	void *p;

	if (n_map < n_bytes)
		return NULL;
	p = mmap(NULL, n_map, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		return NULL;
	start = pointer_to_uword(p);
	end = start + n_map;
	base = round_pow2(start + n_before, align);
	if (base - n_before > start)
		munmap(p, base - n_before - start);
	if (base + n_bytes < end)
		munmap((void *)(base + n_bytes), end - base - n_bytes);
	return (void *)base;
}

uword
vm_window_make(uword *n_bytes)
{
	uword size = VM_WINDOW_BYTES;
	struct rlimit limit;

	/* At most half of what the process may have: the rest of it wants to live too. */
	if (!getrlimit(RLIMIT_AS, &limit) && limit.rlim_cur != RLIM_INFINITY)
		while (size > limit.rlim_cur / 2)
			size /= 2;
	for (; !window_base && size >= MIN_WINDOW_BYTES; size /= 2) {
		window_base = pointer_to_uword(vm_reserve_aligned(0, size, WINDOW_ALIGN));
		if (window_base)
			window_bytes = size;
	}
	*n_bytes = window_bytes;
	return window_base;
}

void *
vm_window_base(void)
{
	uword n_bytes, base;

	vm_table_lock();
	base = vm_window_make(&n_bytes);
	vm_table_unlock();
	return (void *)base;
}

uword
vm_window_bytes(void)
{
	uword n_bytes;

	vm_table_lock();
	vm_window_make(&n_bytes);
	vm_table_unlock();
	return n_bytes;
}

int
vm_window_carve(vm_range_t *r, uword wanted_base)
{
	uword n_bytes, start, end, window = vm_window_make(&n_bytes);
	uword n_needed = r->reserve_bytes + r->guard_bytes;
	const vm_range_t *next;

	if (!window)
		return -ENOMEM;
	if (wanted_base && (wanted_base <= window || wanted_base - window >= n_bytes))
		return -EINVAL;
	/* The first unit stays free, so that number 0 is nobody's. */
	start = wanted_base ? wanted_base
			    : round_pow2(window + vm_system_page_bytes(), r->align_bytes);
	end = window + n_bytes;
	for (u32 i = 0; (next = vm_table_at(i)) && next->base < end; i++) {
		uword next_end = next->base + next->reserve_bytes + next->guard_bytes;

		if (next_end <= start)
			continue;
		if (next->base >= start && next->base - start >= n_needed)
			break;
		if (wanted_base)
			return -EEXIST;
		start = round_pow2(next_end, r->align_bytes);
	}
	if (start > end || end - start < n_needed)
		return -ENOMEM;
	r->base = start;
	vm_table_insert(r);
	return 0;
}
