/* SPDX-License-Identifier: Apache-2.0 */
/* A large object goes elsewhere with its pages.
 *
 *   old   | head | page | page | page | tail |        head and tail, less than a page each, are
 *              \      \      \      \                 copied; the pages between change their place
 *   new    | head | page | page | page | tail | room  in the page tables
 *
 * Both lie alike within their first page.  The old place is free afterwards, and empty. */
#include "mheap_impl.h"

/* What a region may say when it cannot after all. */
static int
move_pages(mheap_t *h, const mheap_region_t *region, u8 *to, u8 *from, uword n)
{
	int error = region->move(region->opaque, to, from, n);

	if (error)
		return error;
	__atomic_fetch_add(&h->stats.n_page_moves, 1, __ATOMIC_RELAXED);
	__atomic_fetch_add(&h->stats.n_page_moved_bytes, n, __ATOMIC_RELAXED);
	return 0;
}

int
mheap_move(void *v, uword *offset, uword n_user_data_bytes, uword n_keep_bytes)
{
	mheap_t *h = mheap_header(v);
	const mheap_region_t *region = mheap_region_of(h);
	uword from = *offset, to, lo, hi, page_bytes, n_now;

	if (n_keep_bytes < MHEAP_MOVE_MIN_BYTES || !region || !region->move ||
	    heap_flags(h) & MHEAP_FLAG_CHECKED)
		return -ENOTSUP;
	n_now = mheap_object_bytes(v, from);
	if (n_now < n_keep_bytes || n_user_data_bytes < n_keep_bytes)
		return -EINVAL;
	page_bytes = h->page_bytes;
	/* v is on a page boundary. */
	mheap_get_aligned(v, n_user_data_bytes, page_bytes, -from & (page_bytes - 1), &to);
	if (to == ~(uword)0)
		return -ENOMEM;
	lo = round_pow2(from, page_bytes);
	hi = round_down_pow2(from + n_keep_bytes, page_bytes);
	if (move_pages(h, region, (u8 *)v + to + (lo - from), (u8 *)v + lo, hi - lo)) {
		mheap_put(v, to);
		return -ENOTSUP;
	}
	memcpy((u8 *)v + to, (u8 *)v + from, lo - from);
	memcpy((u8 *)v + to + (hi - from), (u8 *)v + hi, from + n_keep_bytes - hi);
	mheap_put(v, from);
	*offset = to;
	return 0;
}
