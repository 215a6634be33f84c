/* SPDX-License-Identifier: Apache-2.0 */
/* Pages come when the vector grows and go from inside large free elements and from above the end.
 *
 * A free element keeps one interval of pages that were given back.  Where two such elements
 * merge, the pages between their intervals (at least the one with the right element's header) are
 * given back too, so one interval is enough and put needs no list. */
#include "mheap_impl.h"

always_inline uword
page_up(const mheap_t *h, const void *v, uword uo)
{
	return round_pow2((uword)v + uo, h->page_bytes) - (uword)v;
}

always_inline uword
page_down(const mheap_t *h, const void *v, uword uo)
{
	return round_down_pow2((uword)v + uo, h->page_bytes) - (uword)v;
}

/* Pages that may go from the free element at uo; its header, links and interval stay. */
static mheap_pages_t
whole_pages(const mheap_t *h, const void *v, uword uo, uword n_bytes)
{
	mheap_pages_t pages;

	pages.lo = page_up(h, v, uo + RECLAIMED_KEEP_BYTES);
	pages.hi = page_down(h, v, uo + n_bytes);
	/* Signed: the end's page may begin below v where pages are larger than the system's. */
	if ((word)pages.hi < (word)pages.lo)
		pages.hi = pages.lo;
	return pages;
}

mheap_pages_t
mheap_elt_reclaimed(const mheap_t *h, const void *v, uword uo, uword n_bytes)
{
	const mheap_reclaimed_t *r = (const mheap_reclaimed_t *)(elt_links(v, uo) + 1);
	mheap_pages_t all, pages = { 0, 0 };

	if (!(elt_words(v, uo)[1] & HDR_RECLAIMED))
		return pages;
	all = whole_pages(h, v, uo, n_bytes);
	pages.lo = r->lo_uoffset;
	pages.hi = r->hi_uoffset;
	/* Written over: committing what is committed already does no harm, so take it all. */
	if (pages.lo < all.lo || pages.hi > all.hi || pages.lo >= pages.hi ||
	    (((uword)v + pages.lo) | ((uword)v + pages.hi)) % h->page_bytes)
		return all;
	return pages;
}

/* Returns bytes released, ~0 when refused. */
static uword
decommit(mheap_t *h, void *v, const mheap_region_t *region, uword lo, uword hi)
{
	uword n_released;

	if (lo >= hi)
		return 0;
	n_released = region->decommit(region->opaque, (u8 *)v + lo, hi - lo);
	if (n_released == ~(uword)0)
		return n_released;
	h->stats.n_reclaims++;
	h->stats.n_reclaimed_bytes += n_released;
	return n_released;
}

/* The same for pages inside a free element, which is remembered.  Returns 0, -EBUSY: refused. */
static int
give_back(mheap_t *h, void *v, const mheap_region_t *region, uword lo, uword hi)
{
	if (lo >= hi)
		return 0;
	if (mheap_holes_mark(h, lo, hi))
		return -EBUSY;
	/* First nobody looks there any more. */
	h->n_reclaimed_bytes += hi - lo;
	set_readable(h, v);
	if (decommit(h, v, region, lo, hi) != ~(uword)0)
		return 0;
	mheap_holes_clear(h, lo, hi);
	h->n_reclaimed_bytes -= hi - lo;
	set_readable(h, v);
	return -EBUSY;
}

/* Pages are wanted, and since the last time some were given back: twice as much is kept from here
 * on, and in one round what was given back at once. */
static void
note_regret(mheap_t *h)
{
	uword n = clib_max(h->give_back_bytes, h->n_given_back_bytes);

	if (PREDICT_TRUE(!h->n_given_back_bytes))
		return;
	h->n_given_back_bytes = 0;
	h->give_back_bytes = n < h->give_back_most_bytes / 2 ? 2 * n : h->give_back_most_bytes;
}

int
mheap_take_reclaimed(mheap_t *h, void *v, mheap_pages_t pages, uword from, uword to,
		     mheap_pages_t *left, mheap_pages_t *right)
{
	const mheap_region_t *region = mheap_region_of(h);
	uword lo = page_down(h, v, from), hi = page_up(h, v, to);

	/* An offset below v's own page, for pages larger than the system's, is below the interval.
	 */
	lo = (word)lo < (word)pages.lo ? pages.lo : clib_min(lo, pages.hi);
	hi = clib_clamp(hi, pages.lo, pages.hi);
	if (lo < hi) {
		if (!region)
			return -ENOMEM;
		if (region->commit && h->pages_may_vanish) {
			hi = clib_max(hi,
				      clib_min(page_up(h, v, lo + COMMIT_BATCH_BYTES), pages.hi));
			if (region->commit(region->opaque, (u8 *)v + lo, hi - lo))
				return -ENOMEM;
			h->stats.n_commits++;
			mheap_holes_clear(h, lo, hi);
		}
		h->n_reclaimed_bytes -= hi - lo;
		set_readable(h, v);
		note_regret(h);
	}
	*left = (mheap_pages_t){ pages.lo, lo };
	*right = (mheap_pages_t){ hi, pages.hi };
	return 0;
}

u64
mheap_reclaim_elt(mheap_t *h, void *v, uword uo, uword n_bytes, mheap_pages_t a, mheap_pages_t b,
		  uword n_min_bytes)
{
	const mheap_region_t *region = mheap_region_of(h);
	mheap_pages_t all = whole_pages(h, v, uo, n_bytes), pages = a.lo < a.hi ? a : b;
	uword n_more;

	if (!region || !region->decommit)
		return elt_set_reclaimed(v, uo, pages);
	if (a.lo < a.hi && b.lo < b.hi) {
		/* Refused: counted as given back all the same, and committed again before use,
		 * which does no harm to pages that are still there. */
		if (give_back(h, v, region, a.hi, b.lo))
			h->n_reclaimed_bytes += b.lo - a.hi;
		pages.hi = b.hi;
	}
	if (pages.lo >= pages.hi)
		pages.lo = pages.hi = all.lo;
	n_more = (pages.lo - all.lo) + (all.hi - pages.hi);
	if (n_more > 0 && n_more >= n_min_bytes) {
		int error = give_back(h, v, region, all.lo, pages.lo);

		if (!error) {
			pages.lo = all.lo;
			error = give_back(h, v, region, pages.hi, all.hi);
		}
		if (!error) {
			pages.hi = all.hi;
			h->n_given_back_bytes = clib_max(h->n_given_back_bytes, n_more);
		} else /* locked memory, say: it would be refused every time */
			heap_change_flags(h, MHEAP_FLAG_DISABLE_VM, 0);
	}
	return elt_set_reclaimed(v, uo, pages);
}

/* From here on a drop is measured. */
static void
set_peak(mheap_t *h, u64 n_bytes)
{
	/* Who keeps more before it is given back wants it again sooner. */
	u64 n_min = clib_max(SWEEP_MIN_BYTES, h->give_back_bytes);
	u64 drop = h->fall_floor_bytes ? n_bytes / 16 + SWEEP_AGAIN_MIN_BYTES
				       : n_bytes / 4 + clib_min(n_min, ~0ULL / 2);

	h->n_used_peak_bytes = n_bytes;
	h->sweep_below_bytes = n_bytes > drop ? n_bytes - drop : 0;
}

void
mheap_note_peak(mheap_t *h)
{
	u64 floor = h->fall_floor_bytes;

	if (floor && h->n_used_bytes > floor + floor / 8 + SWEEP_OVER_MIN_BYTES)
		h->fall_floor_bytes = h->fall_ends_at = 0;
	set_peak(h, h->n_used_bytes);
}

/* All free elements were met: what is above the end goes too.  Until more goes. */
static void
end_sweep(mheap_t *h, void *v)
{
	mheap_pages_t none = { 0, 0 };

	mheap_reclaim_end(h, v, none, h->page_bytes);
	h->sweep_bin = 0;
	h->give_back_bytes = h->give_back_least_bytes;
	h->fall_floor_bytes = clib_max(h->n_used_bytes, 1UL);
	h->fall_ends_at =
		h->stats.n_puts + h->stats.n_front_drained + h->n_elts / 4 + N_FALL_OBJECTS;
	set_peak(h, h->n_used_bytes);
}

void
mheap_sweep(mheap_t *h, void *v)
{
	mheap_pages_t none = { 0, 0 };

	if (heap_flags(h) & MHEAP_FLAG_DISABLE_VM || h->give_back_bytes == ~(uword)0) {
		h->fall_floor_bytes = 0;
		set_peak(h, h->n_used_bytes);
		return;
	}
	for (u32 i = 0; i < N_SWEEP_LOOKS; i++) {
		uword from = clib_max(h->sweep_bin, bin_floor(h->page_bytes)), n_bytes, uo;
		uword bin = bin_first_non_empty(h, from);
		u64 flags;

		h->sweep_bin = bin;
		if (bin == MHEAP_N_BINS) {
			end_sweep(h, v);
			return;
		}
		uo = h->first_free_elt_uoffset_by_bin[bin];
		if (PREDICT_FALSE(!uoffset_is_inside(v, uo)) || elt_words(v, uo)[1] & HDR_SWEPT) {
			h->sweep_bin++;
			continue;
		}
		n_bytes = hdr_bytes(elt_words(v, uo)[1]);
		if (PREDICT_FALSE(bin_floor(n_bytes) != bin || bin_unlink(h, v, uo, n_bytes))) {
			h->sweep_bin++;
			continue;
		}
		flags = mheap_reclaim_elt(h, v, uo, n_bytes, mheap_elt_reclaimed(h, v, uo, n_bytes),
					  none, h->page_bytes);
		bin_push(h, v, uo, n_bytes, flags | HDR_SWEPT);
	}
}

uword
mheap_reclaim_end(mheap_t *h, void *v, mheap_pages_t pages, uword n_min_bytes)
{
	const mheap_region_t *region = mheap_region_of(h);
	uword lo = page_up(h, v, vector_len(v)), n_released = 0, n;

	if (pages.lo < pages.hi) {
		/* What a swallowed element had given back is above the end now, and so is the rest
		 * of it: the committed part must end where the hole began. */
		if (region && region->decommit) {
			n = decommit(h, v, region, pages.hi, h->n_committed_bytes);
			n_released += n == ~(uword)0 ? 0 : n;
		}
		mheap_holes_clear(h, pages.lo, pages.hi);
		h->n_reclaimed_bytes -= pages.hi - pages.lo;
		set_readable(h, v);
		h->n_committed_bytes = pages.lo;
	}
	if (region && region->decommit && lo < h->n_committed_bytes &&
	    h->n_committed_bytes - lo >= n_min_bytes) {
		n = decommit(h, v, region, lo, h->n_committed_bytes);
		if (n == ~(uword)0) {
			heap_change_flags(h, MHEAP_FLAG_DISABLE_VM, 0);
			return n_released;
		}
		n_released += n;
		h->n_given_back_bytes = clib_max(h->n_given_back_bytes, h->n_committed_bytes - lo);
		h->n_committed_bytes = lo;
	}
	return n_released;
}

int
mheap_commit_to(mheap_t *h, void *v, uword n_bytes)
{
	const mheap_region_t *region = mheap_region_of(h);
	uword from = h->n_committed_bytes, to, batch_to;

	if (!region)
		return -ENOMEM;
	to = clib_min(page_up(h, v, n_bytes), h->max_size);
	if (region->commit) {
		batch_to = clib_min(page_up(h, v, from + COMMIT_BATCH_BYTES), h->max_size);
		batch_to = clib_max(batch_to, to);
		if (region->commit(region->opaque, (u8 *)v + from, batch_to - from)) {
			/* Not the whole batch: what is needed, then. */
			if (batch_to == to ||
			    region->commit(region->opaque, (u8 *)v + from, to - from))
				return -ENOMEM;
		} else {
			to = batch_to;
		}
		h->stats.n_commits++;
	}
	h->n_committed_bytes = to;
	note_regret(h);
	return 0;
}
