/* SPDX-License-Identifier: Apache-2.0 */
/* Give back every whole page that no object needs. */
#include "mheap_impl.h"

/* Elements of one bin, from its head.  The links were checked when they were made; a walk that
 * meets a broken one ends. */
static uword
trim_bin(mheap_t *h, void *v, uword bin)
{
	u64 n_before = h->stats.n_reclaimed_bytes;
	mheap_pages_t none = { 0, 0 };
	u64 uo = h->first_free_elt_uoffset_by_bin[bin];

	while (uo != MHEAP_GROUNDED && uoffset_is_inside(v, uo)) {
		u64 *words = elt_words(v, uo);
		uword n_bytes = hdr_bytes(words[1]);

		if (!(words[1] & HDR_FREE))
			break;
		words[1] = hdr_n(n_bytes) | HDR_FREE | HDR_SWEPT |
			   mheap_reclaim_elt(h, v, uo, n_bytes,
					     mheap_elt_reclaimed(h, v, uo, n_bytes), none, 1);
		uo = link_code(h, uo, elt_links(v, uo)->next_uoffset);
	}
	return h->stats.n_reclaimed_bytes - n_before;
}

void
mheap_set_give_back_bytes(void *v, uword n_bytes)
{
	mheap_t *h = mheap_header(v);

	mheap_maybe_lock(h);
	h->give_back_bytes = h->give_back_least_bytes = h->give_back_most_bytes = n_bytes;
	mheap_maybe_unlock(h);
}

uword
mheap_trim(void *v)
{
	mheap_pages_t none = { 0, 0 };
	uword n_released, bin;
	u64 n_corruptions;
	mheap_t *h;

	/* Fronts and pages are its creator's. */
	if (!v || !mheap_region_of(mheap_header(v)))
		return 0;
	h = mheap_header(v);
	mheap_maybe_lock(h);
	n_corruptions = h->stats.n_corruptions;
	if (heap_flags(h) & MHEAP_FLAG_FRONTS)
		mheap_front_claim_all(h, v);
	mheap_checked_let_go(h, v);
	n_released = mheap_reclaim_end(h, v, none, 1);
	bin = bin_first_non_empty(h, bin_floor(h->page_bytes));
	while (bin < MHEAP_N_BINS) {
		n_released += trim_bin(h, v, bin);
		bin = bin_first_non_empty(h, bin + 1);
	}
	/* That it went is no put's doing. */
	h->n_given_back_bytes = 0;
	mheap_unlock_and_report(h, v, n_corruptions);
	return n_released;
}
