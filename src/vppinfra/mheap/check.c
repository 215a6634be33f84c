/* SPDX-License-Identifier: Apache-2.0 */
/* Compare everything with everything: the walk from left to right, the lists, the bitmap, the
 * counters.  Reads only, and trusts nothing it has not checked. */
#include <stdarg.h>
#include <stdio.h>
#include "mheap_impl.h"

typedef struct {
	const mheap_t *h;
	const void *v;
	char *what;
	uword n_what;
	uword n_used, n_used_bytes, n_free_bytes, n_reclaimed_bytes, n_cached;
	/* Threads that may be in the middle of a get or put. */
	uword n_inside;
	/* Free elements by bin that the walk met and no list yet. */
	u64 n_free[MHEAP_N_BINS];
} walk_t;

static int fault(const walk_t *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static int
fault(const walk_t *w, const char *fmt, ...)
{
	va_list va;

	if (w->what && w->n_what) {
		va_start(va, fmt);
		vsnprintf(w->what, w->n_what, fmt, va);
		va_end(va);
	}
	return -EUCLEAN;
}

static int
check_free_elt(walk_t *w, uword uo, uword n_bytes, const u64 *words)
{
	const mheap_reclaimed_t *r = (const mheap_reclaimed_t *)(elt_links(w->v, uo) + 1);

	if (uo % 16)
		return fault(w, "free element at 0x%lx does not begin on 16", uo);
	w->n_free[bin_floor(n_bytes)]++;
	w->n_free_bytes += n_bytes;
	if (words[1] & HDR_RECLAIMED) {
		if (r->lo_uoffset < uo + RECLAIMED_KEEP_BYTES || r->lo_uoffset >= r->hi_uoffset ||
		    r->hi_uoffset > uo + n_bytes)
			return fault(w, "free element at 0x%lx: given-back pages [0x%lx, 0x%lx)",
				     uo, r->lo_uoffset, r->hi_uoffset);
		w->n_reclaimed_bytes += r->hi_uoffset - r->lo_uoffset;
	}
	return 0;
}

/* Of a checked heap: what lies behind a live object, and in one that was put. */
static int
check_bytes(const walk_t *w, uword uo, u64 word1)
{
	if (!(heap_flags(w->h) & MHEAP_FLAG_CHECKED) || !mheap_region_of(w->h))
		return 0;
	if ((word1 & HDR_FRONT_MASK) == HDR_CACHED && !mheap_checked_is_put(w->h, w->v, uo))
		return fault(w, "object at 0x%lx was written after it was put", uo);
	if (!(word1 & HDR_CACHED) && !mheap_checked_is_whole(w->h, w->v, uo))
		return fault(w, "object at 0x%lx was written past its end", uo);
	return 0;
}

static int
check_tiling(walk_t *w)
{
	uword len = vector_len(w->v), uo = MHEAP_ELT_OVERHEAD_BYTES;
	u64 prev = MHEAP_N_USER_DATA_INVALID; /* size and free bit of the left neighbour */

	while (1) {
		const u64 *at = elt_words(w->v, uo);
		const u64 words[2] = { hdr_load(&at[0]), hdr_load(&at[1]) };
		uword n_bytes = hdr_bytes(words[1]);
		int error;

		if ((words[0] ^ elt_tag(w->h, uo)) & HDR_TAG_MASK)
			return fault(w, "element at 0x%lx: bad tag", uo);
		if ((words[0] & ~HDR_TAG_MASK) != prev)
			return fault(w, "element at 0x%lx: its idea of the left neighbour is wrong",
				     uo);
		if ((words[1] & HDR_N_MASK) == MHEAP_N_USER_DATA_INVALID)
			break;
		if (words[1] &
		    ~(HDR_N_MASK | HDR_FREE | HDR_RECLAIMED | HDR_SWEPT | HDR_FRONT_MASK))
			return fault(w, "element at 0x%lx: reserved bits are set", uo);
		if (n_bytes < MHEAP_MIN_USER_DATA_BYTES ||
		    n_bytes > len - uo - MHEAP_ELT_OVERHEAD_BYTES)
			return fault(w, "element at 0x%lx: size 0x%lx", uo, n_bytes);
		if (words[1] & HDR_FREE) {
			if (words[1] & HDR_FRONT_MASK)
				return fault(w, "element at 0x%lx: free and in a front", uo);
			if (prev & HDR_FREE)
				return fault(w, "element at 0x%lx: two free neighbours", uo);
			error = check_free_elt(w, uo, n_bytes, words);
			if (error)
				return error;
		} else {
			if (words[1] & (HDR_RECLAIMED | HDR_SWEPT))
				return fault(w, "element at 0x%lx: used and given back", uo);
			if (uo % 8)
				return fault(w, "element at 0x%lx: not aligned", uo);
			w->n_used++;
			w->n_cached += (words[1] & HDR_CACHED) != 0;
			error = check_bytes(w, uo, words[1]);
			if (error)
				return error;
			w->n_used_bytes += n_bytes;
		}
		prev = words[1] & (HDR_N_MASK | HDR_FREE);
		uo += n_bytes + MHEAP_ELT_OVERHEAD_BYTES;
		if (uo > len)
			return fault(w, "elements run past the end at 0x%lx", uo);
	}
	if (uo != len)
		return fault(w, "the end is at 0x%lx, the vector's length 0x%lx", uo, len);
	if (prev != MHEAP_N_USER_DATA_INVALID && (prev & HDR_FREE))
		return fault(w, "the last element is free");
	return 0;
}

static int
check_list(walk_t *w, uword bin)
{
	const mheap_t *h = w->h;
	u64 head = h->first_free_elt_uoffset_by_bin[bin], uo = head, prev = MHEAP_GROUNDED;
	int has_bit = (h->non_empty_free_elt_heads[bin / 64] >> (bin % 64)) & 1;

	if (has_bit != (uo != MHEAP_GROUNDED))
		return fault(w, "bin %lu: bitmap says %d", bin, has_bit);
	while (uo != MHEAP_GROUNDED) {
		u64 word;

		if (!uoffset_is_inside(w->v, uo))
			return fault(w, "bin %lu: link 0x%lx outside the heap", bin, uo);
		word = elt_words(w->v, uo)[1];
		if (!(word & HDR_FREE) || mheap_bin_of_size(hdr_bytes(word)) != bin)
			return fault(w, "bin %lu: element at 0x%lx does not belong there", bin, uo);
		if (uo != head && link_code(h, uo, elt_links(w->v, uo)->prev_uoffset) != prev)
			return fault(w, "bin %lu: element at 0x%lx, backward link", bin, uo);
		/* The count also ends a circle. */
		if (w->n_free[bin]-- == 0)
			return fault(w, "bin %lu: more elements listed than exist", bin);
		prev = uo;
		uo = link_code(h, uo, elt_links(w->v, uo)->next_uoffset);
	}
	/* The tail is found by way of the head. */
	if (head != MHEAP_GROUNDED &&
	    link_code(h, head, elt_links(w->v, head)->prev_uoffset) != prev)
		return fault(w, "bin %lu: element at 0x%lx, backward link", bin, head);
	if (w->n_free[bin])
		return fault(w, "bin %lu: %lu free elements are on no list", bin, w->n_free[bin]);
	return 0;
}

static int
check_counters(const walk_t *w)
{
	const mheap_t *h = w->h;

	if (h->n_elts != w->n_used)
		return fault(w, "n_elts is %lu, the walk found %lu", h->n_elts, w->n_used);
	if (h->n_used_bytes != w->n_used_bytes)
		return fault(w, "n_used_bytes is %lu, the walk found %lu", h->n_used_bytes,
			     w->n_used_bytes);
	if (h->n_free_bytes != w->n_free_bytes)
		return fault(w, "n_free_bytes is %lu, the walk found %lu", h->n_free_bytes,
			     w->n_free_bytes);
	if (h->n_reclaimed_bytes != w->n_reclaimed_bytes)
		return fault(w, "n_reclaimed_bytes is %lu, the walk found %lu",
			     h->n_reclaimed_bytes, w->n_reclaimed_bytes);
	return 0;
}

/* The headers say what the fronts say. */
static int
check_fronts(const walk_t *w)
{
	mheap_front_usage_t fronts;

	if (!(heap_flags(w->h) & FLAGS_CACHING) || !mheap_region_of(w->h))
		return 0;
	mheap_front_usage(w->v, &fronts);
	if (fronts.n_cached + w->n_inside < w->n_cached ||
	    w->n_cached + w->n_inside < fronts.n_cached)
		return fault(w, "fronts hold %lu objects, the walk found %lu", fronts.n_cached,
			     w->n_cached);
	return 0;
}

/* Threads whose fronts are held while we look. */
static uword
hold_fronts(mheap_t *h)
{
	uword n_others = 0;

	if (!(heap_flags(h) & MHEAP_FLAG_FRONTS))
		return 0;
	for (u32 id = 1; id <= h->n_fronts; id++)
		n_others += front_at(h, id)->is_live &&
			    id != mheap_thread_front_offset >> MHEAP_LOG2_FRONT_BYTES;
	/* Not to be had: they come and go while we count; or one sleeps amid a bulk call. */
	return mheap_fronts_hold(h) && mheap_fronts_are_away(h) ? n_others : ~(uword)0 >> 1;
}

static int
check_locked(walk_t *w)
{
	const mheap_t *h = w->h;
	const vec_header_t *vh = _vec_find(w->v);
	int error;

	if (h->magic != MHEAP_MAGIC)
		return fault(w, "not a heap: magic 0x%lx", h->magic);
	if (vh->magic != VEC_HEADER_MAGIC || vh->len < MHEAP_ELT_OVERHEAD_BYTES ||
	    vh->len > h->n_committed_bytes || h->n_committed_bytes > h->max_size || vh->len % 16)
		return fault(w, "vector length 0x%lx, committed 0x%lx, at most 0x%lx", vh->len,
			     h->n_committed_bytes, h->max_size);
	error = check_tiling(w);
	for (uword bin = 0; bin < MHEAP_N_BINS && !error; bin++)
		error = check_list(w, bin);
	if (!error)
		error = check_counters(w);
	return error ? error : check_fronts(w);
}

uword
mheap_first_corrupt(const void *v)
{
	const mheap_t *h = mheap_header(v);
	uword len = vector_len(v), uo = MHEAP_ELT_OVERHEAD_BYTES, n_bytes;
	u64 prev = MHEAP_N_USER_DATA_INVALID;

	if (len > h->n_committed_bytes)
		return uo;
	while (1) {
		const u64 *words = elt_words(v, uo);

		if ((words[0] ^ elt_tag(h, uo)) & HDR_TAG_MASK ||
		    (words[0] & ~HDR_TAG_MASK) != prev)
			return uo;
		if ((words[1] & HDR_N_MASK) == MHEAP_N_USER_DATA_INVALID)
			return uo == len ? ~(uword)0 : uo;
		n_bytes = hdr_bytes(words[1]);
		if (n_bytes < MHEAP_MIN_USER_DATA_BYTES ||
		    n_bytes > len - uo - MHEAP_ELT_OVERHEAD_BYTES)
			return uo;
		prev = words[1] & (HDR_N_MASK | HDR_FREE);
		uo += n_bytes + MHEAP_ELT_OVERHEAD_BYTES;
	}
}

int
mheap_check(const void *v, char *what, uword n_what)
{
	walk_t w = { .v = v, .what = what, .n_what = n_what };
	int is_locked, error;

	if (what && n_what)
		what[0] = 0;
	if (!v)
		return 0;
	w.h = mheap_header(v);
	is_locked = mheap_lock_if_ours(w.h);
	if (is_locked)
		w.n_inside = hold_fronts((mheap_t *)w.h);
	error = check_locked(&w);
	if (is_locked)
		mheap_unlock_slow((mheap_t *)w.h);
	return error;
}

void
mheap_validate(void *v)
{
	char what[128];

	if (mheap_check(v, what, sizeof(what)))
		clib_assert_failed(__FILE__, __LINE__, __func__, what);
	if (v)
		mheap_header(v)->validate_serial++;
}
