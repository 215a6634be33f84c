/* SPDX-License-Identifier: Apache-2.0 */
/* Looking at a heap: counters in constant time, walks for whoever may take the time.  Nothing here
 * follows a pointer found in the heap, so a heap of another process is read the same way. */
#include "mheap_impl.h"

/* Of a heap of another process only the headers tell. */
static never_inline mheap_cached_t
cached_by_walk(const void *v)
{
	mheap_cached_t cached = { 0 };

	for (uword uo = MHEAP_ELT_OVERHEAD_BYTES; uo < vector_len(v);) {
		u64 word = elt_words(v, uo)[1];

		if (word & HDR_CACHED) {
			cached.n++;
			cached.n_bytes += hdr_bytes(word);
		}
		uo += hdr_bytes(word) + MHEAP_ELT_OVERHEAD_BYTES;
	}
	return cached;
}

/* What is neither a user's nor in the bins; the lock is held where there is one. */
always_inline mheap_cached_t
cached_in(const void *v)
{
	const mheap_t *h = mheap_header(v);
	mheap_cached_t cached = { 0 };

	if (!(heap_flags(h) & FLAGS_CACHING))
		return cached;
	if (PREDICT_FALSE(!mheap_region_of(h)))
		return cached_by_walk(v);
	if (heap_flags(h) & MHEAP_FLAG_FRONTS)
		cached = mheap_fronts_cached(h);
	mheap_checked_cached(h, &cached);
	return cached;
}

uword
mheap_object_bytes(const void *v, uword uo)
{
	const mheap_t *h = mheap_header(v);
	int is_locked = mheap_lock_if_ours(h);
	uword n_bytes = mheap_object_check(h, v, uo) ? 0 : hdr_bytes(elt_words(v, uo)[1]);

	if (PREDICT_FALSE(heap_flags(h) & MHEAP_FLAG_CHECKED) && n_bytes)
		n_bytes = clib_min(n_bytes, mheap_checked_bytes(h, v, uo));
	if (is_locked)
		mheap_unlock_slow((mheap_t *)h);
	return n_bytes;
}

int
mheap_offset_is_valid(const void *v, uword uo)
{
	return mheap_object_bytes(v, uo) != 0;
}

uword
mheap_elts(const void *v)
{
	int is_locked;
	uword n;

	if (!v)
		return 0;
	is_locked = mheap_lock_if_ours(mheap_header(v));
	n = mheap_header(v)->n_elts - cached_in(v).n;
	if (is_locked)
		mheap_unlock_slow(mheap_header(v));
	return n;
}

uword
mheap_max_size(const void *v)
{
	return v ? mheap_header(v)->max_size : ~(uword)0;
}

uword
mheap_bytes(const void *v)
{
	return v ? MHEAP_HEADER_BYTES + vector_len(v) : 0;
}

/* Where the walk goes on behind the element at uo, after f saw it.  *left is an element that is
 * there, left of it, or its own offset at the start.  If f has put the object it may have merged
 * with *left; its own header may be gone then, page and all. */
static uword
step(const void *v, uword *left, uword uo)
{
	u64 word = hdr_load(&elt_words(v, *left)[1]);

	if (!(word & HDR_FREE) || *left + hdr_bytes(word) < uo) {
		*left = uo;
		word = hdr_load(&elt_words(v, uo)[1]);
	}
	return *left + hdr_bytes(word) + MHEAP_ELT_OVERHEAD_BYTES;
}

void
mheap_foreach(void *v, uword (*f)(void *arg, void *v, void *data, uword size), void *arg)
{
	mheap_t *h;
	uword uo = MHEAP_ELT_OVERHEAD_BYTES, left = uo, end;
	int is_locked;

	if (!v)
		return;
	h = mheap_header(v);
	is_locked = mheap_lock_if_ours(h);
	/* What f appends is not met, or a walk might never end. */
	end = vector_len(v);
	while (uo < clib_min(end, vector_len(v))) {
		u64 word = hdr_load(&elt_words(v, uo)[1]);

		if (!(word & (HDR_FREE | HDR_CACHED)) && f(arg, v, (u8 *)v + uo, hdr_bytes(word)))
			break;
		if (uo < vector_len(v))
			uo = step(v, &left, uo);
	}
	if (is_locked)
		mheap_unlock_slow(h);
}

void
mheap_usage(const void *v, clib_mem_usage_t *usage)
{
	mheap_cached_t cached;
	const mheap_t *h;
	int is_locked;

	memset(usage, 0, sizeof(*usage));
	if (!v)
		return;
	h = mheap_header(v);
	is_locked = mheap_lock_if_ours(h);
	cached = cached_in(v);
	usage->object_count = h->n_elts - cached.n;
	usage->bytes_total = MHEAP_HEADER_BYTES + vector_len(v);
	usage->bytes_used = h->n_used_bytes - cached.n_bytes;
	usage->bytes_free = h->n_free_bytes + cached.n_bytes;
	usage->bytes_overhead = usage->bytes_total - h->n_used_bytes - h->n_free_bytes;
	usage->bytes_free_reclaimed = h->n_reclaimed_bytes;
	usage->bytes_max = h->max_size;
	if (is_locked)
		mheap_unlock_slow((mheap_t *)h);
}

void
mheap_bin_counts(const void *v, u64 n_used[MHEAP_N_BINS], u64 n_free[MHEAP_N_BINS])
{
	const mheap_t *h;
	uword uo = MHEAP_ELT_OVERHEAD_BYTES;
	int is_locked;

	memset(n_used, 0, MHEAP_N_BINS * sizeof(n_used[0]));
	memset(n_free, 0, MHEAP_N_BINS * sizeof(n_free[0]));
	if (!v)
		return;
	h = mheap_header(v);
	is_locked = mheap_lock_if_ours(h);
	while (uo < vector_len(v)) {
		u64 word = hdr_load(&elt_words(v, uo)[1]);
		uword n_bytes = hdr_bytes(word);
		uword bin = mheap_bin_of_size(n_bytes);

		if (word & (HDR_FREE | HDR_CACHED))
			n_free[bin]++;
		else
			n_used[bin]++;
		uo += n_bytes + MHEAP_ELT_OVERHEAD_BYTES;
	}
	if (is_locked)
		mheap_unlock_slow((mheap_t *)h);
}
