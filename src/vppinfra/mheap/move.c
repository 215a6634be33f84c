/* SPDX-License-Identifier: Apache-2.0 */
/* A large object that has no room where it lies goes where it has, with its pages if they can.
 *
 *   old   | head | page | page | page | tail |        head and tail, less than a page each, are
 *              \      \      \      \                 copied; the pages between change their place
 *   new    | head | page | page | page | tail | room  in the page tables
 *
 * Both lie alike within their first page.  The old place is free afterwards, and empty.
 *
 * Where pages cannot change their place all of it is copied: in memory of the caller's; and in a vm
 * range, which has told others (vm's records, devices) which page is at which address.  What grew
 * once grows on, and it lies where that needs no move. */
#include "mheap_impl.h"

/* A place for n bytes that is like `from` modulo align; ~0. */
static uword
get_place(void *v, uword from, uword n_bytes, uword align)
{
	/* v is on a page boundary. */
	uword align_offset = -from & (align - 1);
	uword to = mheap_get_with_room(v, n_bytes, align, align_offset);

	if (to == ~(uword)0)
		mheap_get_aligned(v, n_bytes, align, align_offset, &to);
	return to;
}

/* Whole pages of [from, from + n), and copies of what lies beside them.  0; or the region cannot
 * after all, and nothing changed. */
static int
move_pages(mheap_t *h, const mheap_region_t *region, u8 *to, u8 *from, uword n)
{
	uword n_head = -(uword)from & (h->page_bytes - 1);
	uword n_pages_bytes = round_down_pow2(n - n_head, h->page_bytes);
	uword n_tail = n - n_head - n_pages_bytes;

	if (region->move(region->opaque, to + n_head, from + n_head, n_pages_bytes))
		return -ENOTSUP;
	memcpy(to, from, n_head);
	memcpy(to + n - n_tail, from + n - n_tail, n_tail);
	__atomic_fetch_add(&h->stats.n_page_moves, 1, __ATOMIC_RELAXED);
	__atomic_fetch_add(&h->stats.n_page_moved_bytes, n_pages_bytes, __ATOMIC_RELAXED);
	return 0;
}

int
mheap_move(void *v, uword *offset, uword n_user_data_bytes, uword n_keep_bytes)
{
	mheap_t *h = mheap_header(v);
	const mheap_region_t *region = mheap_region_of(h);
	uword from = *offset, to, n_now;
	int has_moved = 0;

	if (n_keep_bytes < MHEAP_MOVE_MIN_BYTES || !region || heap_flags(h) & MHEAP_FLAG_CHECKED)
		return -ENOTSUP;
	n_now = mheap_object_bytes(v, from);
	if (n_now < n_keep_bytes || n_user_data_bytes < n_keep_bytes)
		return -EINVAL;
	to = get_place(v, from, n_user_data_bytes,
		       region->move ? h->page_bytes : MHEAP_MOVE_KEPT_ALIGN);
	if (to == ~(uword)0)
		return -ENOMEM;
	if (region->move)
		has_moved = !move_pages(h, region, (u8 *)v + to, (u8 *)v + from, n_keep_bytes);
	if (!has_moved)
		memcpy((u8 *)v + to, (u8 *)v + from, n_keep_bytes);
	mheap_put(v, from);
	*offset = to;
	return 0;
}
