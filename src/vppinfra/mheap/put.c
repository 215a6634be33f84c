/* SPDX-License-Identifier: Apache-2.0 */
/* Put: check, merge both ways, or let the vector shrink. */
#include <vppinfra/cpu.h>
#include "mheap_impl.h"

/* What lies at or past the end was an object once if its dead header is still there. */
static int
check_past_end(const mheap_t *h, const void *v, uword uo)
{
	const u64 *words;

	if (uo % 8 || uo < MHEAP_ELT_OVERHEAD_BYTES || uo > h->n_committed_bytes)
		return -EINVAL;
	words = elt_words(v, uo);
	if ((words[0] ^ elt_tag(h, uo)) & HDR_TAG_MASK)
		return -EINVAL;
	if ((words[1] & HDR_FREE) || (words[1] & HDR_N_MASK) == MHEAP_N_USER_DATA_INVALID)
		return -EALREADY;
	return -EINVAL;
}

/* Whether the left neighbour's size is what our header says; not asked of the first element. */
static int
left_agrees(const void *v, uword uo)
{
	uword n_prev = hdr_bytes(hdr_load(&elt_words(v, uo)[0]));

	return n_prev + 2 * MHEAP_ELT_OVERHEAD_BYTES <= uo &&
	       hdr_bytes(hdr_load(&elt_words(v, uo - MHEAP_ELT_OVERHEAD_BYTES - n_prev)[1])) ==
		       n_prev;
}

always_inline int
object_check(const mheap_t *h, const void *v, uword uo)
{
	uword len = vector_len(v), n_bytes;
	const u64 *words;
	u64 word1;

	if (PREDICT_FALSE(uo % 8 || uo < MHEAP_ELT_OVERHEAD_BYTES || uo >= len))
		return check_past_end(h, v, uo);
	if (PREDICT_FALSE(h->n_reclaimed_bytes && h->pages_may_vanish) && mheap_is_in_hole(h, uo))
		return -EALREADY;
	words = elt_words(v, uo);
	if (PREDICT_FALSE((hdr_load(&words[0]) ^ elt_tag(h, uo)) & HDR_TAG_MASK))
		return -EINVAL;
	word1 = hdr_load(&words[1]);
	if (PREDICT_FALSE(word1 & (HDR_FREE | HDR_CACHED)))
		return -EALREADY;
	n_bytes = hdr_bytes(word1);
	if (PREDICT_FALSE(n_bytes < MHEAP_MIN_USER_DATA_BYTES ||
			  n_bytes > len - uo - MHEAP_ELT_OVERHEAD_BYTES))
		return -EINVAL;
	/* The right neighbour's copy of the size: an object that was written past its end does
	 * not go back on a list. */
	if (PREDICT_FALSE(
		    (hdr_load(&elt_words(v, uo + n_bytes + MHEAP_ELT_OVERHEAD_BYTES)[0]) ^ word1) &
		    (HDR_N_MASK | HDR_FREE)))
		return -EINVAL;
	if (PREDICT_FALSE(uo & 8) && !left_agrees(v, uo))
		return -EINVAL;
	return 0;
}

int
mheap_object_check(const mheap_t *h, const void *v, uword uo)
{
	return object_check(h, v, uo);
}

/* One word more for a used element.  Release: from here on its owner, who asks nobody, may write
 * there; pairs with the acquire in _mheap_front_tag_and_size(). */
always_inline void
grow_by_8(u64 *word1)
{
	u32 low = (u32)hdr_load(word1) + 1;

	__atomic_store_n((u32 *)word1, low, __ATOMIC_RELEASE);
	if (PREDICT_FALSE(low == 0))
		__atomic_fetch_add((u8 *)word1 + 4, 1, __ATOMIC_RELAXED);
}

/* An odd object next to a used left neighbour: that one takes 8 bytes, and the object begins on a
 * multiple of 16.  Returns the new offset. */
static never_inline uword
give_8_to_left(mheap_t *h, void *v, uword uo)
{
	u64 *words = elt_words(v, uo);
	uword n_bytes = hdr_bytes(words[1]) - 8;
	uword n_prev = hdr_bytes(words[0]);
	uword prev = uo - MHEAP_ELT_OVERHEAD_BYTES - n_prev;
	u64 *next_words = elt_words(v, uo + 8 + n_bytes + MHEAP_ELT_OVERHEAD_BYTES);

	/* The old header's first word is the neighbour's data now; without its tag nobody takes it
	 * for a header. */
	hdr_store(&words[0], ~words[0]);
	uo += 8;
	words = elt_words(v, uo);
	hdr_store(&words[0], hdr_n(n_prev + 8) | elt_tag(h, uo));
	hdr_store(&words[1], hdr_n(n_bytes));
	hdr_store(&next_words[0], next_words[0] - 1);
	h->n_used_bytes += 8;
	/* Last, and not the whole word: a front may be writing its part. */
	grow_by_8(&elt_words(v, prev)[1]);
	if (heap_flags(h) & MHEAP_FLAG_TRACE)
		mheap_trace_resize(h, v, prev, n_prev);
	if (heap_flags(h) & MHEAP_FLAG_CHECKED)
		mheap_checked_grew(h, v, prev, n_prev);
	return uo;
}

/* Whether the free element at uo, whose neighbour says n_bytes, is whole. */
always_inline int
free_elt_is_sane(const mheap_t *h, const void *v, uword uo, uword n_bytes)
{
	const u64 *words = elt_words(v, uo);

	return ((words[1] ^ (hdr_n(n_bytes) | HDR_FREE)) & (HDR_N_MASK | HDR_FREE)) == 0 &&
	       ((words[0] ^ elt_tag(h, uo)) & HDR_TAG_MASK) == 0;
}

/* Take a free neighbour off its list, to merge with it.  Returns whether it was whole. */
always_inline int
absorb(mheap_t *h, void *v, uword uo, uword n_bytes, mheap_pages_t *pages)
{
	if (PREDICT_FALSE(!free_elt_is_sane(h, v, uo, n_bytes))) {
		h->stats.n_corruptions++;
		return 0;
	}
	if (PREDICT_FALSE(elt_words(v, uo)[1] & HDR_RECLAIMED))
		*pages = mheap_elt_reclaimed(h, v, uo, n_bytes);
	if (PREDICT_TRUE(!bin_unlink(h, v, uo, n_bytes)))
		return 1;
	pages->lo = pages->hi = 0;
	return 0;
}

always_inline int
absorb_left(mheap_t *h, void *v, uword uo, uword n_prev, mheap_pages_t *pages)
{
	if (PREDICT_FALSE(n_prev + 2 * MHEAP_ELT_OVERHEAD_BYTES > uo)) {
		h->stats.n_corruptions++;
		return 0;
	}
	return absorb(h, v, uo - MHEAP_ELT_OVERHEAD_BYTES - n_prev, n_prev, pages);
}

/* The size is taken from the copy in the header after it, which put has to write anyway. */
always_inline int
absorb_right(mheap_t *h, void *v, uword uo, uword n_bytes, mheap_pages_t *pages)
{
	if (PREDICT_FALSE(n_bytes > vector_len(v) - uo - MHEAP_ELT_OVERHEAD_BYTES)) {
		h->stats.n_corruptions++;
		return 0;
	}
	return absorb(h, v, uo, hdr_bytes(elt_words(v, uo + n_bytes + MHEAP_ELT_OVERHEAD_BYTES)[0]),
		      pages);
}

always_inline uword
give_back_threshold(const mheap_t *h)
{
	if (heap_flags(h) & MHEAP_FLAG_DISABLE_VM)
		return ~(uword)0;
	return clib_max(h->page_bytes, h->give_back_bytes);
}

/* The element at uo is the last and no longer used: the end moves down to its header. */
static void
shrink(mheap_t *h, void *v, uword uo)
{
	u64 *words = elt_words(v, uo);
	mheap_pages_t pages = { 0, 0 };
	uword n_prev = hdr_bytes(words[0]), n_min;

	if ((words[0] & HDR_FREE) && absorb_left(h, v, uo, n_prev, &pages)) {
		hdr_store(&words[1], (words[1] & ~HDR_FRONT_MASK) | HDR_FREE);
		uo -= MHEAP_ELT_OVERHEAD_BYTES + n_prev;
		words = elt_words(v, uo);
	}
	hdr_store(&words[1], MHEAP_N_USER_DATA_INVALID);
	set_vector_len(v, uo);
	n_min = give_back_threshold(h);
	if (PREDICT_FALSE(pages.lo < pages.hi || h->n_committed_bytes - uo >= n_min))
		mheap_reclaim_end(h, v, pages, n_min);
}

/* The object at uo has been checked. */
always_inline void
put_object(mheap_t *h, void *v, uword uo)
{
	u64 *words = elt_words(v, uo), *next_words;
	uword n_bytes, next, n_neighbour;
	mheap_pages_t left = { 0, 0 }, right = { 0, 0 };
	u64 is_reclaimed = 0, next_word1;

	h->n_elts--;
	if (PREDICT_FALSE(h->n_used_bytes > h->n_used_peak_bytes))
		mheap_note_peak(h);
	h->n_used_bytes -= hdr_bytes(words[1]);
	if (PREDICT_FALSE(uo & 8) && !(words[0] & HDR_FREE)) {
		uo = give_8_to_left(h, v, uo);
		words = elt_words(v, uo);
	}
	n_bytes = hdr_bytes(words[1]);
	next = uo + n_bytes + MHEAP_ELT_OVERHEAD_BYTES;
	next_words = elt_words(v, next);
	next_word1 = hdr_load(&next_words[1]);
	if ((next_word1 & HDR_N_MASK) == MHEAP_N_USER_DATA_INVALID) {
		shrink(h, v, uo);
		if (PREDICT_FALSE(is_to_be_swept(h)))
			mheap_sweep(h, v);
		return;
	}

	if (next_word1 & HDR_FREE) {
		n_neighbour = hdr_bytes(next_word1);
		if (PREDICT_TRUE(absorb_right(h, v, next, n_neighbour, &right))) {
			n_bytes += MHEAP_ELT_OVERHEAD_BYTES + n_neighbour;
			next_words = elt_words(v, next + n_neighbour + MHEAP_ELT_OVERHEAD_BYTES);
		}
	}
	if (words[0] & HDR_FREE) {
		n_neighbour = hdr_bytes(words[0]);
		if (PREDICT_TRUE(absorb_left(h, v, uo, n_neighbour, &left))) {
			hdr_store(&words[1], (words[1] & ~HDR_FRONT_MASK) | HDR_FREE);
			n_bytes += MHEAP_ELT_OVERHEAD_BYTES + n_neighbour;
			uo -= MHEAP_ELT_OVERHEAD_BYTES + n_neighbour;
		}
	}
	if (PREDICT_FALSE(n_bytes >= h->page_bytes || left.lo < left.hi || right.lo < right.hi)) {
		uword n_min = give_back_threshold(h);

		if (n_bytes >= n_min || left.lo < left.hi || right.lo < right.hi)
			is_reclaimed = mheap_reclaim_elt(h, v, uo, n_bytes, left, right, n_min);
	}
	bin_push(h, v, uo, n_bytes, is_reclaimed);
	hdr_store(&next_words[0], (next_words[0] & HDR_TAG_MASK) | hdr_n(n_bytes) | HDR_FREE);
	if (PREDICT_FALSE(is_to_be_swept(h)))
		mheap_sweep(h, v);
}

void
mheap_put_object(mheap_t *h, void *v, uword uo)
{
	put_object(h, v, uo);
}

/* A heap that is checked, validated or traced: off the way of all others. */
static never_inline int
put_watched(mheap_t *h, void *v, uword offset, const void *frame)
{
	u32 flags = heap_flags(h), is_timed = h->stats.n_puts % N_CALLS_PER_TIMED == 0;
	u64 before;
	int error;

	if (flags & MHEAP_FLAG_VALIDATE)
		mheap_validate(v);
	error = object_check(h, v, offset);
	if (!error && flags & MHEAP_FLAG_CHECKED && !mheap_checked_is_whole(h, v, offset))
		error = -EUCLEAN;
	if (error)
		return error;
	if (flags & MHEAP_FLAG_TRACE)
		mheap_trace_put(h, v, offset, frame);
	before = is_timed ? clib_cpu_time_now() : 0;
	h->stats.n_puts++;
	if (flags & MHEAP_FLAG_CHECKED)
		mheap_checked_put(h, v, offset);
	else
		put_object(h, v, offset);
	if (is_timed) {
		h->stats.n_clocks_put += clib_cpu_time_now() - before;
		h->stats.n_timed_puts++;
	}
	if (flags & MHEAP_FLAG_VALIDATE)
		mheap_validate(v);
	return 0;
}

/* The object at uo has been checked: it goes to the bins, or home. */
static never_inline void
put_with_fronts(mheap_t *h, void *v, uword uo)
{
	if (!mheap_fronts_reopen(h) || !mheap_front_take_back(h, v, uo))
		put_object(h, v, uo);
}

/* Under the lock: check, put, and tell the handler of a heap that was written over. */
always_inline int
put_by_lock(mheap_t *h, void *v, uword offset, const void *caller, const void *frame)
{
	u64 n_corruptions;
	int error;

	mheap_maybe_lock(h);
	n_corruptions = h->stats.n_corruptions;
	if (PREDICT_FALSE(heap_flags(h) & FLAGS_WATCHED)) {
		error = put_watched(h, v, offset, frame);
	} else {
		error = object_check(h, v, offset);
		if (PREDICT_TRUE(!error)) {
			h->stats.n_puts++;
			if (heap_flags(h) & MHEAP_FLAG_FRONTS)
				put_with_fronts(h, v, offset);
			else
				put_object(h, v, offset);
		}
	}
	if (PREDICT_FALSE(error))
		h->stats.n_bad_puts++;
	n_corruptions = h->stats.n_corruptions - n_corruptions;
	mheap_maybe_unlock(h);
	if (PREDICT_FALSE(n_corruptions))
		mheap_report(BROKEN_ELT, v, offset, caller);
	return error;
}

/* What the calling thread's front did not take: perhaps another's is to have it. */
always_inline int
send_or_put(void *v, uword offset, const void *caller, const void *frame)
{
	mheap_t *h = mheap_header(v);

	if (mheap_fronts_are_open(h) && mheap_front_is_open(mheap_front(h)) &&
	    mheap_front_send(h, v, mheap_front(h), offset, 1))
		return 0;
	return put_by_lock(h, v, offset, caller, frame);
}

static never_inline int
put_checked_slow(void *v, uword offset, const void *caller, const void *frame)
{
	return send_or_put(v, offset, caller, frame);
}

static never_inline void
report_put(int error, void *v, uword offset, const void *caller)
{
	mheap_report(error == -EALREADY  ? "put of an object that is free already"
		     : error == -EUCLEAN ? "put of an object that was written past its end"
					 : "put of what is no object of this heap",
		     v, offset, caller);
}

static never_inline void
put_slow(void *v, uword offset, const void *caller, const void *frame)
{
	int error = send_or_put(v, offset, caller, frame);

	if (PREDICT_FALSE(error))
		report_put(error, v, offset, caller);
}

/* A heap of one thread. */
static never_inline void
put_plain(void *v, uword offset, const void *caller)
{
	mheap_t *h = mheap_header(v);
	u64 n_corruptions = h->stats.n_corruptions;
	int error = object_check(h, v, offset);

	if (PREDICT_FALSE(error)) {
		h->stats.n_bad_puts++;
		report_put(error, v, offset, caller);
		return;
	}
	h->stats.n_puts++;
	put_object(h, v, offset);
	if (PREDICT_FALSE(n_corruptions != h->stats.n_corruptions))
		mheap_report(BROKEN_ELT, v, offset, caller);
}

int
mheap_put_checked(void *v, uword offset)
{
	if (PREDICT_TRUE(mheap_fronts_are_open(mheap_header(v)) && mheap_front_put(v, offset)))
		return 0;
	return put_checked_slow(v, offset, __builtin_return_address(0), __builtin_frame_address(0));
}

void
mheap_put(void *v, uword offset)
{
	u32 flags = heap_flags(mheap_header(v));

	if (PREDICT_TRUE(flags & MHEAP_FLAG_FRONTS && mheap_front_put(v, offset)))
		return;
	if (!(flags & FLAGS_NOT_PLAIN))
		put_plain(v, offset, __builtin_return_address(0));
	else
		put_slow(v, offset, __builtin_return_address(0), __builtin_frame_address(0));
}
