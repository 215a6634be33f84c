/* SPDX-License-Identifier: Apache-2.0 */
/* Get: look, place low, split.
 *
 * The search never walks a list.  It looks at a few elements of the request's own bin, whose
 * range holds sizes just below and above the request; then takes the head of the first bin that
 * is certain to fit; then grows the vector.  Only when that fails too does it look at a bounded
 * number of elements in the bins between, which may or may not fit.  So a heap at its limit can
 * refuse a large or aligned request although some element would just have fitted: the price of a
 * constant bound.  Requests of up to 1 KiB without alignment are never refused that way. */
#include <vppinfra/cpu.h>
#include "mheap_impl.h"

typedef struct {
	uword n_bytes;      /* multiple of 8, not yet rounded to where the object ends */
	uword align;        /* power of two, at least 16 */
	uword align_offset; /* multiple of 8, below align */
	/* Added to n_bytes, the size that fits wherever the element starts: up to align - 16 to the
	 * boundary, another 24 where the gap could not hold an element, 8 to end on 16. */
	uword slack;
} request_t;

/* Data offset of the object if its element began with data at uo.  The gap is 0 or an element. */
always_inline uword
place(const void *v, uword uo, const request_t *r)
{
	uword a = (uword)v + uo;
	uword d = round_pow2(a + r->align_offset, r->align) - r->align_offset - (uword)v;

	while (PREDICT_FALSE(d != uo && d - uo < MIN_ELT_BYTES))
		d += r->align;
	return d;
}

/* Size of an object at d, so that what follows begins on a multiple of 16. */
always_inline uword
sized_at(uword d, uword n_bytes)
{
	return round_pow2(d + n_bytes, 16) - d;
}

/* Whether the free element at uo can hold the request; no overflow: n_bytes <= max_size and
 * round_pow2 near the top of the address space gives d < uo. */
always_inline int
fits(const void *v, uword uo, const request_t *r, uword *d, uword *n_bytes)
{
	uword n_elt_bytes = hdr_bytes(elt_words(v, uo)[1]);

	*d = place(v, uo, r);
	*n_bytes = sized_at(*d, r->n_bytes);
	return *d >= uo && *d - uo <= n_elt_bytes && *n_bytes <= n_elt_bytes - (*d - uo);
}

/* Look at up to n_looks elements of a bin.  Returns the first that fits, or MHEAP_GROUNDED. */
static u64
look_through_bin(mheap_t *h, void *v, uword bin, u32 n_looks, const request_t *r, uword *d,
		 uword *n_bytes, u32 *n_looked)
{
	u64 uo = h->first_free_elt_uoffset_by_bin[bin];

	for (; n_looks > 0 && uo != MHEAP_GROUNDED; n_looks--) {
		if (PREDICT_FALSE(!uoffset_is_inside(v, uo))) {
			mheap_bin_abandon(h, bin);
			return MHEAP_GROUNDED;
		}
		(*n_looked)++;
		if (fits(v, uo, r, d, n_bytes))
			return uo;
		uo = link_code(h, uo, elt_links(v, uo)->next_uoffset);
	}
	return MHEAP_GROUNDED;
}

/* Commit the pages that a reclaimed element is about to hand out. */
static never_inline int
take_pages(mheap_t *h, void *v, uword uo, uword n_elt_bytes, uword d, uword n_bytes,
	   mheap_pages_t *left, mheap_pages_t *right)
{
	mheap_pages_t pages = mheap_elt_reclaimed(h, v, uo, n_elt_bytes);
	uword n_left = uo + n_elt_bytes - (d + n_bytes);
	uword to = d + n_bytes;

	if (n_left >= MIN_ELT_BYTES)
		to += MHEAP_ELT_OVERHEAD_BYTES + RECLAIMED_KEEP_BYTES;
	return mheap_take_reclaimed(h, v, pages, d - MHEAP_ELT_OVERHEAD_BYTES,
				    clib_min(to, uo + n_elt_bytes), left, right);
}

/* Turn the free element at uo, found in `bin`, into the object [d, d + n_bytes) and up to two
 * free remainders.  -ENOMEM: pages did not come, nothing changed.  -EUCLEAN: the bin was given
 * up, so a search that looks again comes to an end. */
always_inline int
take(mheap_t *h, void *v, uword bin, uword uo, uword d, uword n_bytes)
{
	u64 *words = elt_words(v, uo);
	u64 word0 = hdr_load(&words[0]), word1 = words[1];
	uword n_elt_bytes = hdr_bytes(word1), end = uo + n_elt_bytes;
	uword n_left = end - (d + n_bytes);
	mheap_pages_t left = { 0, 0 }, right = { 0, 0 };
	u64 *next_words;

	/* The neighbour holds a second copy of the size: an overrun shows here. */
	if (PREDICT_FALSE(end > vector_len(v) - MHEAP_ELT_OVERHEAD_BYTES ||
			  bin != bin_floor(n_elt_bytes)))
		goto corrupt;
	next_words = elt_words(v, end + MHEAP_ELT_OVERHEAD_BYTES);
	if (PREDICT_FALSE(((hdr_load(&next_words[0]) ^ word1) & (HDR_N_MASK | HDR_FREE)) |
			  ((word0 ^ elt_tag(h, uo)) & HDR_TAG_MASK)))
		goto corrupt;
	if (PREDICT_FALSE(word1 & HDR_RECLAIMED)) {
		if (take_pages(h, v, uo, n_elt_bytes, d, n_bytes, &left, &right))
			return -ENOMEM;
	}
	if (PREDICT_FALSE(bin_unlink(h, v, uo, n_elt_bytes))) {
		if (word1 & HDR_RECLAIMED)
			words[1] &= ~HDR_RECLAIMED;
		return -EUCLEAN;
	}

	if (PREDICT_FALSE(d != uo)) {
		uword n_gap = d - uo - MHEAP_ELT_OVERHEAD_BYTES;

		bin_push(h, v, uo, n_gap, elt_set_reclaimed(v, uo, left));
		word0 = hdr_n(n_gap) | HDR_FREE;
		words = elt_words(v, d);
	}
	if (n_left >= MIN_ELT_BYTES) {
		uword rest = d + n_bytes + MHEAP_ELT_OVERHEAD_BYTES;

		n_left -= MHEAP_ELT_OVERHEAD_BYTES;
		hdr_store(&elt_words(v, rest)[0], hdr_n(n_bytes) | elt_tag(h, rest));
		bin_push(h, v, rest, n_left, elt_set_reclaimed(v, rest, right));
		hdr_store(&next_words[0],
			  (next_words[0] & HDR_TAG_MASK) | hdr_n(n_left) | HDR_FREE);
	} else {
		n_bytes += n_left;
		hdr_store(&next_words[0], (next_words[0] & HDR_TAG_MASK) | hdr_n(n_bytes));
	}
	hdr_store(&words[0], (word0 & ~HDR_TAG_MASK) | elt_tag(h, d));
	hdr_store(&words[1], hdr_n(n_bytes));
	h->n_used_bytes += n_bytes;
	return 0;

corrupt:
	mheap_bin_abandon(h, bin);
	return -EUCLEAN;
}

/* Append the object to the vector.  Returns its offset, or ~0 with nothing changed. */
always_inline uword
extend_vector(mheap_t *h, void *v, const request_t *r)
{
	uword len = vector_len(v), d = len, n_bytes, new_len;
	u64 *end_words = elt_words(v, len), *words = end_words, word0;

	if (PREDICT_FALSE(r->slack))
		d = place(v, len, r);
	if (PREDICT_FALSE(d < len || d > h->max_size))
		return ~(uword)0;
	n_bytes = sized_at(d, r->n_bytes);
	new_len = d + n_bytes + MHEAP_ELT_OVERHEAD_BYTES;
	if (PREDICT_FALSE(new_len > h->max_size))
		return ~(uword)0;
	if (PREDICT_FALSE(new_len > h->n_committed_bytes) && mheap_commit_to(h, v, new_len))
		return ~(uword)0;

	/* The old end becomes the object's header, or that of the gap before it.  Its left
	 * neighbour is in use: the last element is never free. */
	word0 = end_words[0];
	if (PREDICT_FALSE(d != len)) {
		uword n_gap = d - len - MHEAP_ELT_OVERHEAD_BYTES;

		bin_push(h, v, len, n_gap, 0);
		word0 = hdr_n(n_gap) | HDR_FREE;
		words = elt_words(v, d);
	}
	hdr_store(&words[0], (word0 & ~HDR_TAG_MASK) | elt_tag(h, d));
	hdr_store(&words[1], hdr_n(n_bytes));
	end_words = elt_words(v, new_len);
	hdr_store(&end_words[0], hdr_n(n_bytes) | elt_tag(h, new_len));
	hdr_store(&end_words[1], MHEAP_N_USER_DATA_INVALID);
	set_vector_len(v, new_len);
	h->n_used_bytes += n_bytes;
	h->stats.n_vector_expands++;
	return d;
}

/* Steps 1 and 2: own bin, then the first bin certain to fit.  0; -ENOENT: nothing certain;
 * -ENOMEM; -EUCLEAN: look again. */
static int
take_from_bins(mheap_t *h, void *v, const request_t *r, uword *offset)
{
	uword n_certain = round_pow2(r->n_bytes, 16) + r->slack;
	uword d, n_bytes, bin = bin_floor(r->n_bytes);
	u32 n_looked = 0;
	u64 uo = MHEAP_GROUNDED;
	int error;

	h->stats.free_list.n_search_attempts++;
	if (r->n_bytes > (1 << MHEAP_LOG2_SMALL_BYTES) || r->slack)
		uo = look_through_bin(h, v, bin, N_OWN_BIN_LOOKS, r, &d, &n_bytes, &n_looked);
	if (uo == MHEAP_GROUNDED) {
		bin = bin_first_non_empty(h, bin_ceil(n_certain));
		if (bin == MHEAP_N_BINS) {
			h->stats.free_list.n_objects_searched += n_looked;
			return -ENOENT;
		}
		n_looked++;
		uo = h->first_free_elt_uoffset_by_bin[bin];
		if (PREDICT_FALSE(!uoffset_is_inside(v, uo) || !fits(v, uo, r, &d, &n_bytes))) {
			mheap_bin_abandon(h, bin);
			return -EUCLEAN;
		}
	}
	h->stats.free_list.n_objects_searched += n_looked;
	error = take(h, v, bin, uo, d, n_bytes);
	if (PREDICT_TRUE(!error)) {
		h->stats.free_list.n_objects_found++;
		*offset = d;
	}
	return error;
}

/* Step 4: the bins that may or may not hold a fit, a bounded number of elements. */
static never_inline int
take_as_last_resort(mheap_t *h, void *v, const request_t *r, uword *offset)
{
	uword n_certain = round_pow2(r->n_bytes, 16) + r->slack;
	uword bin = bin_floor(r->n_bytes), last = bin_ceil(n_certain), d, n_bytes;
	u32 n_looked = 0;
	int error = -ENOENT;

	while (error && (bin = bin_first_non_empty(h, bin)) < last &&
	       n_looked < N_LAST_RESORT_LOOKS) {
		u64 uo = look_through_bin(h, v, bin, N_LAST_RESORT_LOOKS - n_looked, r, &d,
					  &n_bytes, &n_looked);

		if (uo != MHEAP_GROUNDED) {
			error = take(h, v, bin, uo, d, n_bytes);
			if (error == -ENOMEM)
				break;
		}
		bin++;
	}
	h->stats.free_list.n_objects_searched += n_looked;
	if (!error) {
		h->stats.free_list.n_objects_found++;
		*offset = d;
	}
	return error;
}

/* The whole search, for requests that the fast path of get does not serve. */
static never_inline int
get_any(mheap_t *h, void *v, const request_t *r, uword *offset)
{
	int error;

	do
		error = take_from_bins(h, v, r, offset);
	while (PREDICT_FALSE(error == -EUCLEAN));
	if (error != -ENOENT)
		return error;
	*offset = extend_vector(h, v, r);
	if (PREDICT_TRUE(*offset != ~(uword)0))
		return 0;
	return take_as_last_resort(h, v, r, offset);
}

/* Small and unaligned: one bit scan, the head fits. */
always_inline int
get_small(mheap_t *h, void *v, uword n_bytes, uword *offset)
{
	request_t r = { .n_bytes = n_bytes, .align = MHEAP_MIN_ALIGN };
	uword bin = bin_first_non_empty(h, n_bytes / 16 - 1), uo;

	h->stats.free_list.n_search_attempts++;
	if (PREDICT_TRUE(bin < MHEAP_N_BINS)) {
		uo = h->first_free_elt_uoffset_by_bin[bin];
		if (PREDICT_FALSE(!uoffset_is_inside(v, uo) ||
				  hdr_bytes(elt_words(v, uo)[1]) < n_bytes))
			return get_any(h, v, &r, offset);
		h->stats.free_list.n_objects_searched++;
		if (PREDICT_FALSE(take(h, v, bin, uo, uo, n_bytes)))
			return get_any(h, v, &r, offset);
		h->stats.free_list.n_objects_found++;
		*offset = uo;
		return 0;
	}
	*offset = extend_vector(h, v, &r);
	return PREDICT_TRUE(*offset != ~(uword)0) ? 0 : -ENOMEM;
}

/* Bring alignment into the form of request_t.  Returns -EINVAL for a bad offset. */
static int
make_request(uword n_bytes, uword align, uword align_offset, request_t *r)
{
	align = align == 0 ? MHEAP_MIN_ALIGN : clib_max(align, (uword)MHEAP_USER_DATA_WORD_BYTES);
	align = min_pow2(align);
	align_offset &= align - 1;
	if (align_offset % MHEAP_USER_DATA_WORD_BYTES)
		return -EINVAL;
	r->align = clib_max(align, (uword)MHEAP_MIN_ALIGN);
	r->align_offset = align_offset;
	r->slack = 0;
	if (align_offset % 16)
		n_bytes = clib_max(n_bytes,
				   (uword)24); /* an element of 16 is left after a shift by 8 */
	if (r->align > MHEAP_MIN_ALIGN || align_offset)
		r->slack = r->align + 32;
	r->n_bytes = round_pow2(n_bytes, MHEAP_USER_DATA_WORD_BYTES);
	return 0;
}

static never_inline void
get_failed(mheap_t *h, uword *offset)
{
	*offset = ~(uword)0;
	h->stats.n_get_failures++;
}

/* The lock is held. */
always_inline void
get_locked(mheap_t *h, void *v, uword n_bytes, uword align, uword align_offset, uword *offset)
{
	request_t r;
	int error;

	h->stats.n_gets++;
	n_bytes = clib_max(n_bytes, (uword)MHEAP_MIN_USER_DATA_BYTES);
	if (PREDICT_FALSE(n_bytes > h->max_size))
		return get_failed(h, offset);
	if (PREDICT_FALSE(atomic_load_explicit(&mheap_fail_countdown, memory_order_relaxed)) &&
	    mheap_fail_is_due())
		return get_failed(h, offset);

	if (PREDICT_TRUE(align <= MHEAP_MIN_ALIGN && align_offset % 16 == 0 &&
			 n_bytes <= (1 << MHEAP_LOG2_SMALL_BYTES))) {
		error = get_small(h, v, round_pow2(n_bytes, 16), offset);
	} else {
		error = make_request(n_bytes, align, align_offset, &r);
		if (!error)
			error = get_any(h, v, &r, offset);
	}
	if (PREDICT_FALSE(error))
		return get_failed(h, offset);
	h->n_elts++;
}

/* After a failure that does not count, since there is more now. */
static void
get_again(mheap_t *h, void *v, uword n_bytes, uword align, uword align_offset, uword *offset)
{
	h->stats.n_get_failures--;
	h->stats.n_gets--;
	get_locked(h, v, n_bytes, align, align_offset, offset);
}

static void
get_checked(mheap_t *h, void *v, uword n_bytes, uword align, uword align_offset, uword *offset)
{
	uword n_room = mheap_checked_room(clib_min(n_bytes, h->max_size));
	int may_let_go = !atomic_load_explicit(&mheap_fail_countdown, memory_order_relaxed);

	get_locked(h, v, n_room, align, align_offset, offset);
	if (*offset == ~(uword)0 && may_let_go && mheap_checked_let_go(h, v))
		get_again(h, v, n_room, align, align_offset, offset);
	if (*offset != ~(uword)0)
		mheap_checked_arm(h, v, *offset, n_bytes);
}

/* A heap that is checked, validated or traced: off the way of all others. */
static never_inline void
get_watched(mheap_t *h, void *v, uword n_bytes, uword align, uword align_offset, uword *offset,
	    const void *frame)
{
	u32 flags = heap_flags(h), is_timed = h->stats.n_gets % N_CALLS_PER_TIMED == 0;
	u64 before;

	if (flags & MHEAP_FLAG_VALIDATE)
		mheap_validate(v);
	before = is_timed ? clib_cpu_time_now() : 0;
	if (flags & MHEAP_FLAG_CHECKED)
		get_checked(h, v, n_bytes, align, align_offset, offset);
	else
		get_locked(h, v, n_bytes, align, align_offset, offset);
	if (is_timed) {
		h->stats.n_clocks_get += clib_cpu_time_now() - before;
		h->stats.n_timed_gets++;
	}
	if (flags & MHEAP_FLAG_TRACE && *offset != ~(uword)0)
		mheap_trace_get(h, v, *offset, frame);
	if (flags & MHEAP_FLAG_VALIDATE)
		mheap_validate(v);
}

/* By the front if it fills, else by the bins; where those have nothing left, after all fronts have
 * given what they hold. */
static never_inline void
get_with_fronts(mheap_t *h, void *v, uword n_bytes, uword align, uword align_offset, uword *offset)
{
	int is_plain = align <= MHEAP_MIN_ALIGN && align_offset % 16 == 0;
	/* A failure that was asked for stays one. */
	int may_claim = !atomic_load_explicit(&mheap_fail_countdown, memory_order_relaxed);

	if (mheap_fronts_reopen(h) && is_plain && n_bytes - 1 < MHEAP_FRONT_MAX_BYTES) {
		uword p = mheap_front_refill(h, v, n_bytes);

		if (p) {
			*offset = p - (uword)v;
			return;
		}
	}
	get_locked(h, v, n_bytes, align, align_offset, offset);
	if (PREDICT_TRUE(*offset != ~(uword)0) || !may_claim || n_bytes > h->max_size)
		return;
	if (mheap_front_claim_own(h, v))
		get_again(h, v, n_bytes, align, align_offset, offset);
	if (*offset == ~(uword)0 && mheap_front_claim_others(h, v)) {
		get_again(h, v, n_bytes, align, align_offset, offset);
		mheap_front_note_claim(h, *offset != ~(uword)0);
	}
}

/* Frames are those of the frame pointer: the caller's, then the address to return to. */
static const void *
caller_of(const void *frame)
{
	return ((const void *const *)frame)[1];
}

static never_inline void *
get_slow(void *v, uword n_bytes, uword align, uword align_offset, uword *offset_return,
	 const void *frame)
{
	mheap_t *h;
	u64 n_corruptions;

	if (PREDICT_FALSE(!v)) {
		v = mheap_alloc(NULL, DEFAULT_HEAP_BYTES);
		if (!v) {
			*offset_return = ~(uword)0;
			return NULL;
		}
	}
	h = mheap_header(v);
	mheap_maybe_lock(h);
	n_corruptions = h->stats.n_corruptions;
	if (PREDICT_FALSE(heap_flags(h) & FLAGS_WATCHED))
		get_watched(h, v, n_bytes, align, align_offset, offset_return, frame);
	else if (heap_flags(h) & MHEAP_FLAG_FRONTS)
		get_with_fronts(h, v, n_bytes, align, align_offset, offset_return);
	else
		get_locked(h, v, n_bytes, align, align_offset, offset_return);
	n_corruptions = h->stats.n_corruptions - n_corruptions;
	mheap_maybe_unlock(h);
	if (PREDICT_FALSE(n_corruptions))
		mheap_report(BROKEN_ELT, v, *offset_return, caller_of(frame));
	return v;
}

/* A heap of one thread.  Called last of all by its caller, so that it returns to the user's code.
 */
static never_inline void *
get_plain(void *v, uword n_bytes, uword align, uword align_offset, uword *offset_return)
{
	mheap_t *h = mheap_header(v);
	u64 n_corruptions = h->stats.n_corruptions;

	get_locked(h, v, n_bytes, align, align_offset, offset_return);
	if (PREDICT_FALSE(n_corruptions != h->stats.n_corruptions))
		mheap_report(BROKEN_ELT, v, *offset_return, __builtin_return_address(0));
	return v;
}

void *
mheap_get_aligned(void *v, uword n_user_data_bytes, uword align, uword align_offset,
		  uword *offset_return)
{
	uword p;
	u32 flags;

	if (PREDICT_FALSE(!v))
		return get_slow(v, n_user_data_bytes, align, align_offset, offset_return,
				__builtin_frame_address(0));
	flags = heap_flags(mheap_header(v));
	if (flags & MHEAP_FLAG_FRONTS) {
		if (PREDICT_TRUE(align <= MHEAP_MIN_ALIGN && align_offset % 16 == 0 &&
				 n_user_data_bytes - 1 < MHEAP_FRONT_MAX_BYTES)) {
			mheap_front_t *f = mheap_front(mheap_header(v));

			p = _mheap_front_pop(f, _mheap_front_bin_of_bytes(f, n_user_data_bytes));
			if (PREDICT_TRUE(p != 0)) {
				*offset_return = p - (uword)v;
				return v;
			}
		}
	} else if (!(flags & FLAGS_NOT_PLAIN)) {
		return get_plain(v, n_user_data_bytes, align, align_offset, offset_return);
	}
	return get_slow(v, n_user_data_bytes, align, align_offset, offset_return,
			__builtin_frame_address(0));
}

/* In the largest free element, as far as the bins know it, or at the vector's end. */
static int
take_with_room(mheap_t *h, void *v, const request_t *r, uword *offset)
{
	uword bin = bin_last_non_empty(h), uo, d, n_bytes, n_elt_bytes;

	if (bin < MHEAP_N_BINS) {
		uo = h->first_free_elt_uoffset_by_bin[bin];
		n_elt_bytes = uoffset_is_inside(v, uo) ? hdr_bytes(elt_words(v, uo)[1]) : 0;
		if (n_elt_bytes / 3 * 2 >= r->n_bytes + r->slack && fits(v, uo, r, &d, &n_bytes) &&
		    !take(h, v, bin, uo, d, n_bytes)) {
			*offset = d;
			return 0;
		}
	}
	*offset = extend_vector(h, v, r);
	return *offset == ~(uword)0 ? -ENOMEM : 0;
}

uword
mheap_get_with_room(void *v, uword n_bytes, uword align, uword align_offset)
{
	mheap_t *h = mheap_header(v);
	uword offset = ~(uword)0;
	request_t r;

	mheap_maybe_lock(h);
	/* A failure that was asked for is mheap_get_aligned()'s. */
	if (!(heap_flags(h) & FLAGS_WATCHED) && n_bytes <= h->max_size &&
	    !atomic_load_explicit(&mheap_fail_countdown, memory_order_relaxed) &&
	    !make_request(n_bytes, align, align_offset, &r) && !take_with_room(h, v, &r, &offset)) {
		h->stats.n_gets++;
		h->n_elts++;
	}
	mheap_maybe_unlock(h);
	return offset;
}

/* One element of at least k * (n_bytes + header) - header bytes becomes k objects. */
static void
split_run(mheap_t *h, void *v, uword uo, uword n_bytes, u32 k)
{
	uword n_all = hdr_bytes(elt_words(v, uo)[1]), stride = n_bytes + MHEAP_ELT_OVERHEAD_BYTES;
	uword n_last = n_all - (k - 1) * stride;
	u64 *next_words = elt_words(v, uo + n_all + MHEAP_ELT_OVERHEAD_BYTES);

	hdr_store(&elt_words(v, uo)[1], hdr_n(k == 1 ? n_last : n_bytes));
	for (u32 i = 1; i < k; i++) {
		u64 *words = elt_words(v, uo + i * stride);

		hdr_store(&words[0], hdr_n(n_bytes) | elt_tag(h, uo + i * stride));
		hdr_store(&words[1], hdr_n(i == k - 1 ? n_last : n_bytes));
	}
	hdr_store(&next_words[0], (next_words[0] & HDR_TAG_MASK) | hdr_n(n_last));
	h->n_used_bytes -= (k - 1) * (uword)MHEAP_ELT_OVERHEAD_BYTES;
	h->n_elts += k;
}

u32
mheap_take_run(mheap_t *h, void *v, uword n_bytes, u32 n_max, uword *first)
{
	uword stride = n_bytes + MHEAP_ELT_OVERHEAD_BYTES, bin, uo, n_elt_bytes;
	request_t r = { .align = MHEAP_MIN_ALIGN };
	u32 k = n_max;
	int error;

	/* The smallest free element that fits one: it gives as many as it holds. */
	while ((bin = bin_first_non_empty(h, bin_ceil(n_bytes))) < MHEAP_N_BINS) {
		uo = h->first_free_elt_uoffset_by_bin[bin];
		n_elt_bytes = uoffset_is_inside(v, uo) ? hdr_bytes(elt_words(v, uo)[1]) : 0;
		if (PREDICT_FALSE(n_elt_bytes < n_bytes)) {
			mheap_bin_abandon(h, bin);
			continue;
		}
		k = (u32)clib_min((n_elt_bytes + MHEAP_ELT_OVERHEAD_BYTES) / stride, (uword)n_max);
		h->stats.free_list.n_search_attempts++;
		h->stats.free_list.n_objects_searched++;
		error = take(h, v, bin, uo, uo, k * stride - MHEAP_ELT_OVERHEAD_BYTES);
		if (error == -EUCLEAN)
			continue;
		if (error)
			return 0;
		h->stats.free_list.n_objects_found++;
		split_run(h, v, uo, n_bytes, k);
		*first = uo;
		return k;
	}
	for (k = n_max; k > 0; k /= 2) {
		r.n_bytes = k * stride - MHEAP_ELT_OVERHEAD_BYTES;
		uo = extend_vector(h, v, &r);
		if (PREDICT_TRUE(uo != ~(uword)0)) {
			split_run(h, v, uo, n_bytes, k);
			*first = uo;
			return k;
		}
	}
	return 0;
}
