/* SPDX-License-Identifier: Apache-2.0 */
/* The records of all ranges, and their order by address.  Static: vm is used before there is a
 * heap.  The lock covers state and order only; nothing is mapped or called under it except by
 * the window, whose free addresses are the gaps in this order. */
#include "vm_impl.h"

#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static vm_range_t ranges[VM_MAX_RANGES];
static u16 order[VM_MAX_RANGES];
static u32 n_ordered;

uword
vm_system_page_bytes(void)
{
	static _Atomic uword page_bytes;
	uword n = atomic_load_explicit(&page_bytes, memory_order_relaxed);

	if (PREDICT_FALSE(!n)) {
		n = (uword)sysconf(_SC_PAGESIZE);
		atomic_store_explicit(&page_bytes, n, memory_order_relaxed);
	}
	return n;
}

void
vm_table_lock(void)
{
	pthread_mutex_lock(&lock);
}

void
vm_table_unlock(void)
{
	pthread_mutex_unlock(&lock);
}

/* ---- fork: the child inherits the locks free ---- */

static void
fork_prepare(void)
{
	vm_table_lock();
	for (u32 i = 0; i < VM_MAX_RANGES; i++)
		if (ranges[i].state == VM_RANGE_IS_LIVE)
			pthread_mutex_lock(&ranges[i].lock);
}

static void
fork_done(void)
{
	for (u32 i = 0; i < VM_MAX_RANGES; i++)
		if (ranges[i].state == VM_RANGE_IS_LIVE)
			pthread_mutex_unlock(&ranges[i].lock);
	vm_table_unlock();
}

/* When the library is loaded, so before vmem registers its own: what is registered first is
 * prepared last, and vmem may commit while it holds locks. */
__clib_constructor static void
register_fork_handlers(void)
{
	pthread_atfork(fork_prepare, fork_done, fork_done);
}

vm_range_t *
vm_table_claim(void)
{
	vm_range_t *r = NULL;

	vm_table_lock();
	for (u32 i = 0; i < VM_MAX_RANGES && !r; i++)
		if (ranges[i].state == VM_RANGE_IS_FREE)
			r = &ranges[i];
	if (r) {
		memset(r, 0, sizeof(*r));
		r->state = VM_RANGE_IS_CLAIMED;
	}
	vm_table_unlock();
	return r;
}

/* Position of the first record whose base is at least `base`. */
static u32
position_of(uword base)
{
	u32 lo = 0, hi = n_ordered;

	while (lo < hi) {
		u32 mid = (lo + hi) / 2;

		if (ranges[order[mid]].base < base)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

void
vm_table_insert(vm_range_t *r)
{
	u32 at = position_of(r->base);

	memmove(order + at + 1, order + at, (n_ordered - at) * sizeof(order[0]));
	order[at] = (u16)(r - ranges);
	n_ordered++;
}

void
vm_table_unlist(vm_range_t *r)
{
	u32 at = position_of(r->base);

	if (at < n_ordered && order[at] == r - ranges) {
		n_ordered--;
		memmove(order + at, order + at + 1, (n_ordered - at) * sizeof(order[0]));
	}
}

vm_range_t *
vm_table_at(u32 i)
{
	return i < n_ordered ? &ranges[order[i]] : NULL;
}

vm_range_t *
vm_range_from_handle(const vm_range_t *range)
{
	uword offset = pointer_to_uword(range) - pointer_to_uword(ranges);
	int is_live;

	if (offset >= sizeof(ranges) || offset % sizeof(ranges[0]))
		return NULL;
	vm_table_lock();
	is_live = ranges[offset / sizeof(ranges[0])].state == VM_RANGE_IS_LIVE;
	vm_table_unlock();
	return is_live ? &ranges[offset / sizeof(ranges[0])] : NULL;
}

vm_range_t *
vm_range_of(const void *p)
{
	uword a = pointer_to_uword(p);
	vm_range_t *r = NULL;
	u32 at;

	vm_table_lock();
	at = position_of(a + 1);
	if (at)
		r = &ranges[order[at - 1]];
	if (r && (r->state != VM_RANGE_IS_LIVE || a - r->base >= r->reserve_bytes))
		r = NULL;
	vm_table_unlock();
	return r;
}

static void
snapshot(const vm_range_t *r, vm_range_info_t *info)
{
	memset(info, 0, sizeof(*info));
	memcpy(info->name, r->name, sizeof(info->name));
	memcpy(info->fallback, r->fallback, sizeof(info->fallback));
	info->base = r->base;
	info->reserve_bytes = r->reserve_bytes;
	info->log2_page_size = r->log2_page_size;
	info->is_hugetlb = r->is_hugetlb;
	info->is_thp = r->is_thp;
	info->numa_node = r->numa_node;
	info->fd = r->fd;
	info->flags = r->flags;
	info->committed_bytes =
		atomic_load_explicit(&r->n_committed_pages, memory_order_relaxed) * r->page_bytes;
	info->n_commits = atomic_load_explicit(&r->n_commits, memory_order_relaxed);
	info->n_decommits = atomic_load_explicit(&r->n_decommits, memory_order_relaxed);
	info->n_commit_failures = atomic_load_explicit(&r->n_commit_failures, memory_order_relaxed);
	info->n_misplaced_pages = atomic_load_explicit(&r->n_misplaced_pages, memory_order_relaxed);
	info->placement_is_unknown =
		atomic_load_explicit(&r->placement_is_unknown, memory_order_relaxed);
}

void
vm_range_get_info(const vm_range_t *range, vm_range_info_t *info)
{
	const vm_range_t *r = vm_range_from_handle(range);

	if (r)
		snapshot(r, info);
	else
		memset(info, 0, sizeof(*info));
}

int
vm_peek(const void *p, vm_range_info_t *info, int *is_committed)
{
	uword a = pointer_to_uword(p);

	/* By record, not by order: that array may be in the middle of a move. */
	for (u32 i = 0; i < VM_MAX_RANGES; i++) {
		const vm_range_t *r = &ranges[i];
		uword page;

		if (__atomic_load_n(&r->state, __ATOMIC_ACQUIRE) != VM_RANGE_IS_LIVE ||
		    a - r->base >= r->reserve_bytes)
			continue;
		snapshot(r, info);
		page = (a - r->base) / r->page_bytes;
		*is_committed = r->committed_bits[page / 64] >> (page % 64) & 1;
		return 0;
	}
	return -ENOENT;
}

/* The next live range above `base`, or the first when is_first. */
static int
next_above(uword base, int is_first, vm_range_info_t *info)
{
	const vm_range_t *r;
	int is_found = 0;

	vm_table_lock();
	for (u32 at = is_first ? 0 : position_of(base + 1); (r = vm_table_at(at)); at++) {
		if (r->state == VM_RANGE_IS_LIVE) {
			snapshot(r, info);
			is_found = 1;
			break;
		}
	}
	vm_table_unlock();
	return is_found;
}

void
vm_foreach_range(int (*fn)(const vm_range_info_t *info, void *arg), void *arg)
{
	vm_range_info_t info = { 0 };
	int is_first = 1;

	/* By address, so that ranges made and released by fn are neither missed nor seen twice. */
	while (next_above(info.base, is_first, &info)) {
		is_first = 0;
		if (fn(&info, arg))
			break;
	}
}
