/* SPDX-License-Identifier: Apache-2.0 */
/* Grow an object where it lies. */
#include "mheap_impl.h"

/* Whose front it goes to stays as it was. */
static void
set_size(void *v, uword uo, uword n_bytes)
{
	u64 *words = elt_words(v, uo);

	hdr_store(&words[1], (words[1] & HDR_FRONT_MASK) | hdr_n(n_bytes));
}

/* The object is the last: the end moves up. */
static int
extend_at_end(mheap_t *h, void *v, uword uo, uword n_bytes)
{
	uword new_len = uo + n_bytes + MHEAP_ELT_OVERHEAD_BYTES;
	u64 *end_words;

	if (new_len > h->max_size)
		return -ENOMEM;
	if (new_len > h->n_committed_bytes && mheap_commit_to(h, v, new_len))
		return -ENOMEM;
	end_words = elt_words(v, new_len);
	hdr_store(&end_words[0], hdr_n(n_bytes) | elt_tag(h, new_len));
	hdr_store(&end_words[1], MHEAP_N_USER_DATA_INVALID);
	set_vector_len(v, new_len);
	h->n_used_bytes += n_bytes - hdr_bytes(elt_words(v, uo)[1]);
	set_size(v, uo, n_bytes);
	h->stats.n_vector_expands++;
	return 0;
}

/* The right neighbour `next` is free and large enough with ours. */
static int
extend_into(mheap_t *h, void *v, uword uo, uword n_bytes, uword next)
{
	u64 *words = elt_words(v, uo);
	uword n_next = hdr_bytes(elt_words(v, next)[1]), end = next + n_next;
	uword rest = uo + n_bytes + MHEAP_ELT_OVERHEAD_BYTES;
	uword n_rest = end - (uo + n_bytes);
	mheap_pages_t pages = mheap_elt_reclaimed(h, v, next, n_next), left, right = { 0, 0 };
	u64 *end_words = elt_words(v, end + MHEAP_ELT_OVERHEAD_BYTES);

	if (hdr_bytes(end_words[0]) != n_next) {
		h->stats.n_corruptions++;
		return -ENOMEM;
	}
	if (pages.lo < pages.hi &&
	    mheap_take_reclaimed(
		    h, v, pages, next,
		    n_rest < MIN_ELT_BYTES ? end : clib_min(rest + RECLAIMED_KEEP_BYTES, end),
		    &left, &right))
		return -ENOMEM;
	if (bin_unlink(h, v, next, n_next))
		return -ENOMEM;
	if (n_rest >= MIN_ELT_BYTES) {
		n_rest -= MHEAP_ELT_OVERHEAD_BYTES;
		hdr_store(&elt_words(v, rest)[0], hdr_n(n_bytes) | elt_tag(h, rest));
		bin_push(h, v, rest, n_rest, elt_set_reclaimed(v, rest, right));
		hdr_store(&end_words[0], (end_words[0] & HDR_TAG_MASK) | hdr_n(n_rest) | HDR_FREE);
	} else {
		n_bytes += n_rest;
		hdr_store(&end_words[0], (end_words[0] & HDR_TAG_MASK) | hdr_n(n_bytes));
	}
	h->n_used_bytes += n_bytes - hdr_bytes(words[1]);
	set_size(v, uo, n_bytes);
	return 0;
}

static int
extend_locked(mheap_t *h, void *v, uword uo, uword n_bytes)
{
	uword n_now, next, n_next;
	u64 next_word;
	int error;

	n_now = hdr_bytes(elt_words(v, uo)[1]);
	if (n_bytes <= n_now)
		return 0;
	if (n_bytes > h->max_size)
		return -ENOMEM;
	n_bytes = round_pow2(uo + n_bytes, 16) - uo;
	next = uo + n_now + MHEAP_ELT_OVERHEAD_BYTES;
	next_word = hdr_load(&elt_words(v, next)[1]);
	n_next = hdr_bytes(next_word);
	if ((next_word & HDR_N_MASK) == MHEAP_N_USER_DATA_INVALID)
		error = extend_at_end(h, v, uo, n_bytes);
	else if (!(next_word & HDR_FREE) ||
		 n_next > vector_len(v) - next - MHEAP_ELT_OVERHEAD_BYTES ||
		 n_now + MHEAP_ELT_OVERHEAD_BYTES + n_next < n_bytes)
		error = -ENOMEM;
	else
		error = extend_into(h, v, uo, n_bytes, next);
	if (PREDICT_FALSE(heap_flags(h) & MHEAP_FLAG_TRACE) && !error)
		mheap_trace_resize(h, v, uo, n_now);
	return error;
}

/* The redzone moves up.  One that was written over stays as it is, for put to find. */
static int
extend_checked(mheap_t *h, void *v, uword uo, uword n_bytes)
{
	int error = 0;

	if (!mheap_checked_is_whole(h, v, uo))
		return -EINVAL;
	if (n_bytes <= mheap_checked_bytes(h, v, uo))
		return 0;
	if (n_bytes > h->max_size)
		return -ENOMEM;
	error = extend_locked(h, v, uo, mheap_checked_room(n_bytes));
	if (!error)
		mheap_checked_arm(h, v, uo, n_bytes);
	return error;
}

int
mheap_extend(void *v, uword offset, uword n_user_data_bytes)
{
	mheap_t *h = mheap_header(v);
	int error;

	mheap_maybe_lock(h);
	if (mheap_object_check(h, v, offset))
		error = -EINVAL;
	else if (PREDICT_FALSE(heap_flags(h) & MHEAP_FLAG_CHECKED))
		error = extend_checked(h, v, offset, n_user_data_bytes);
	else
		error = extend_locked(h, v, offset, n_user_data_bytes);
	mheap_maybe_unlock(h);
	return error;
}
