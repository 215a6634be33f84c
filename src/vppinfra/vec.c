/* SPDX-License-Identifier: Apache-2.0 */
/* One function makes and grows: it computes the bytes that are needed, asks for 3/2 of what was
 * there (rounded up to what the heap really gives), and settles for the bare need when that is
 * all the heap has.
 *
 *   object   | header | elements ... len | zero, usable | whatever was there |
 *                                               max_bytes ^
 *
 * Room that a vector has is zero.  What a large one has far ahead is left alone until it comes
 * near: zeroing then warms the cache for who pushes, and touches no page that nobody uses. */
#include <vppinfra/vec.h>

#include <stdatomic.h>
#include <stdio.h>
#include <vppinfra/mem.h>

/* u16 hdr_size counts units of 8 bytes. */
#define MAX_HEADER_BYTES ((uword)UINT16_MAX * 8)
#define MAX_LOG2_ALIGN 40
/* Room ahead that is made usable at once: half a first-level cache, or an 8th of what there is. */
#define MIN_AHEAD_BYTES KiB(16)
#define MAX_AHEAD_BYTES KiB(256)

static _Atomic u64 n_bad_pointers;

u64
vec_n_bad_pointers(void)
{
	return atomic_load_explicit(&n_bad_pointers, memory_order_relaxed);
}

static int
vec_is_bad(const void *v, const char *what, const void *caller)
{
	if (PREDICT_TRUE(!((uword)v % VEC_MIN_ALIGN) && _vec_find(v)->magic == VEC_HEADER_MAGIC))
		return 0;
	atomic_fetch_add_explicit(&n_bad_pointers, 1, memory_order_relaxed);
	fprintf(stderr, "vec: %s: %p is not a vector (called from %p)\n", what, v, caller);
	return 1;
}

static void
vec_note_room(vec_header_t *h, uword max_bytes, uword elt_bytes, u64 n_needed)
{
	uword n_spare = elt_bytes ? max_bytes / elt_bytes - n_needed : 0;

	h->max_bytes = max_bytes;
	h->grow_elts = (u8)clib_min(n_spare, (uword)255);
}

/* Bytes that an object of this heap has: read in its header, which has been checked or was just
 * written, but where the heap keeps a redzone behind them. */
static uword
object_bytes(void *heap, const void *start)
{
	u32 flags = __atomic_load_n(&mheap_header(heap)->flags, __ATOMIC_RELAXED);

	return PREDICT_FALSE(flags & MHEAP_FLAG_CHECKED)
		       ? clib_mem_heap_size(heap, start)
		       : mheap_data_bytes(heap, (uword)start - (uword)heap);
}

/* How much of the room in an object is made usable for n_needed bytes of elements. */
static uword
vec_usable_bytes(uword n_needed, uword n_room)
{
	uword n_ahead = clib_clamp(n_needed / 8, (uword)MIN_AHEAD_BYTES, (uword)MAX_AHEAD_BYTES);

	return n_room - n_needed > n_ahead ? n_needed + n_ahead : n_room;
}

/* A vector of length 0 with an object for max_bytes, n_needed of which are usable, and some more.
 * Header and room are zero, but for the first n_dirty bytes of elements, which the caller fills. */
static void *
vec_make(uword max_bytes, uword n_needed, uword n_dirty, uword hdr_bytes, uword align, void *heap,
	 int is_default_heap)
{
	uword to_v = _vec_start_to_v(hdr_bytes, align), n_bytes;
	vec_header_t *h;
	u8 *start;

	if (__builtin_add_overflow(to_v, max_bytes, &n_bytes))
		return NULL;
	start = clib_mem_heap_alloc_aligned(heap, n_bytes, clib_max(align, (uword)_VEC_MEM_ALIGN));
	if (!start)
		return NULL;
	/* The heap may have given more than asked: that is room, too. */
	n_bytes = clib_max(n_bytes, object_bytes(heap, start));
	max_bytes = vec_usable_bytes(n_needed, n_bytes - to_v);
	memset(start, 0, to_v);
	memset(start + to_v + n_dirty, 0, max_bytes - n_dirty);

	h = _vec_find(start + to_v);
	h->heap = heap;
	h->max_bytes = max_bytes;
	h->hdr_size = (u16)(round_pow2(hdr_bytes, 8) / 8);
	h->log2_align = (u8)min_log2(align);
	h->default_heap = (u8)(is_default_heap & 1);
	h->magic = VEC_HEADER_MAGIC;
	return start + to_v;
}

/* A first vector: bytes for its n elements, no more than the heap rounds up to. */
static void *
vec_make_first(uword n, uword elt_bytes, uword hdr_bytes, uword align, void *heap)
{
	int is_default_heap = heap == NULL;
	uword n_bytes;
	void *v;

	if (align < VEC_MIN_ALIGN)
		align = VEC_MIN_ALIGN;
	if (__builtin_mul_overflow(n, elt_bytes, &n_bytes) || hdr_bytes > MAX_HEADER_BYTES ||
	    !is_pow2(align) || align > (1ULL << MAX_LOG2_ALIGN))
		return NULL;
	if (is_default_heap)
		heap = clib_mem_get_heap();
	v = heap ? vec_make(n_bytes, n_bytes, 0, hdr_bytes, align, heap, is_default_heap) : NULL;
	if (v)
		vec_note_room(_vec_find(v), _vec_find(v)->max_bytes, elt_bytes, n);
	return v;
}

/* More of the object becomes usable. */
static void
vec_use_room(void *v, uword n_needed, uword n_room)
{
	vec_header_t *h = _vec_find(v);
	uword max_bytes = vec_usable_bytes(n_needed, n_room);

	memset((u8 *)v + h->max_bytes, 0, max_bytes - h->max_bytes);
	h->max_bytes = max_bytes;
}

/* Bytes for elements in its object, which has been checked. */
static uword
vec_room(const void *v)
{
	uword to_v = vec_get_header_size(v);

	return object_bytes(_vec_find(v)->heap, (const u8 *)v - to_v) - to_v;
}

/* The same before that is known; what is usable at least, whatever the heap says. */
static uword
vec_checked_room(const void *v)
{
	uword to_v = vec_get_header_size(v);
	uword n_bytes = clib_mem_heap_size(_vec_find(v)->heap, (const u8 *)v - to_v);

	return clib_max(_vec_find(v)->max_bytes, n_bytes > to_v ? n_bytes - to_v : 0);
}

static int
vec_extend_in_place(void *v, uword max_bytes, uword n_needed)
{
	vec_header_t *h = _vec_find(v);
	uword to_v = vec_get_header_size(v), n_bytes;
	u8 *start = (u8 *)v - to_v;

	if (__builtin_add_overflow(to_v, max_bytes, &n_bytes))
		return -ENOMEM;
	if (clib_mem_heap_extend(h->heap, start, n_bytes))
		return -ENOMEM;
	vec_use_room(v, n_needed, clib_max(max_bytes, vec_room(v)));
	return 0;
}

/* Another place: the user header, wherever its owner has it between start and vector header, and
 * the elements move; what is past them is zero. */
static void *
vec_move(void *v, uword max_bytes, uword n_needed, uword elt_bytes)
{
	vec_header_t *h = _vec_find(v);
	uword hdr_bytes = (uword)h->hdr_size * 8, n_bytes = h->len * elt_bytes;
	void *w = vec_make(max_bytes, n_needed, n_bytes, hdr_bytes, vec_get_align(v), h->heap,
			   h->default_heap);

	if (!w)
		return NULL;
	memcpy(_vec_user_header(w), _vec_user_header(v), hdr_bytes);
	memcpy((u8 *)_vec_find(w) - hdr_bytes, (u8 *)_vec_find(v) - hdr_bytes, hdr_bytes);
	memcpy(w, v, n_bytes);
	_vec_find(w)->len = h->len;
	_vec_free(v);
	return w;
}

/* The same for a large vector by way of the page tables.  NULL: it does not go here. */
static void *
vec_move_pages(void *v, uword max_bytes, uword n_needed, uword elt_bytes)
{
	uword to_v = vec_get_header_size(v), n_bytes = _vec_find(v)->len * elt_bytes;
	void *start = (u8 *)v - to_v;
	uword n_all;

	/* At another place in its page it would be where its alignment is not. */
	if (to_v + n_bytes < MHEAP_MOVE_MIN_BYTES || vec_get_align(v) > MHEAP_MOVE_KEPT_ALIGN ||
	    __builtin_add_overflow(to_v, max_bytes, &n_all) ||
	    clib_mem_heap_move(_vec_find(v)->heap, &start, n_all, to_v + n_bytes))
		return NULL;
	v = (u8 *)start + to_v;
	_vec_find(v)->max_bytes = n_bytes;
	vec_use_room(v, n_needed, clib_max(max_bytes, vec_room(v)));
	return v;
}

/* Elsewhere, in one way or the other. */
static void *
vec_go(void *v, uword max_bytes, uword n_needed, uword elt_bytes)
{
	void *w = vec_move_pages(v, max_bytes, n_needed, elt_bytes);

	return w ? w : vec_move(v, max_bytes, n_needed, elt_bytes);
}

void *
_vec_grow(void *v, uword n_more, uword elt_bytes, uword hdr_bytes, uword align, void *heap)
{
	uword n, needed, wanted, room;
	vec_header_t *h;
	void *w;

	if (!v)
		return vec_make_first(n_more, elt_bytes, hdr_bytes, align, heap);
	if (PREDICT_FALSE(vec_is_bad(v, "grow", __builtin_return_address(0))))
		return NULL;

	h = _vec_find(v);
	if (__builtin_add_overflow(h->len, n_more, &n) ||
	    __builtin_mul_overflow(n, elt_bytes, &needed))
		return NULL;
	if (needed <= h->max_bytes)
		return v;
	if (!h->heap)
		return NULL;
	/* All of it is usable where that is little. */
	room = h->max_bytes < MIN_AHEAD_BYTES ? h->max_bytes : vec_checked_room(v);
	wanted = clib_max(needed, room + room / 2);

	w = v;
	if (needed <= room)
		vec_use_room(v, needed, room);
	else if (vec_extend_in_place(v, wanted, needed) &&
		 !(w = vec_go(v, wanted, needed, elt_bytes))) {
		if (wanted == needed)
			return NULL;
		w = vec_extend_in_place(v, needed, needed) ? vec_go(v, needed, needed, elt_bytes)
							   : v;
	}
	if (w)
		vec_note_room(_vec_find(w), _vec_find(w)->max_bytes, elt_bytes, n);
	return w;
}

void *
_vec_new(uword n, uword elt_bytes, uword hdr_bytes, uword align, void *heap)
{
	void *v = vec_make_first(n, elt_bytes, hdr_bytes, align, heap);

	if (v)
		_vec_find(v)->len = n;
	return v;
}

void *
_vec_validate(void *v, uword n, uword elt_bytes, uword hdr_bytes, uword align, void *heap)
{
	uword len = vec_len64(v);

	if (n <= len)
		return v;
	if (!_vec_fits(v, n - len, elt_bytes)) {
		v = _vec_grow(v, n - len, elt_bytes, hdr_bytes, align, heap);
		if (!v)
			return NULL;
	}
	memset((u8 *)v + len * elt_bytes, 0, (n - len) * elt_bytes);
	_vec_find(v)->len = n;
	return v;
}

void *
_vec_insert(void *v, uword n, uword m, uword elt_bytes, uword hdr_bytes, uword align, void *heap)
{
	uword len = vec_len64(v);

	if (!_vec_fits(v, n, elt_bytes)) {
		v = _vec_grow(v, n, elt_bytes, hdr_bytes, align, heap);
		if (!v)
			return NULL;
	}
	memmove((u8 *)v + (m + n) * elt_bytes, (u8 *)v + m * elt_bytes, (len - m) * elt_bytes);
	_vec_find(v)->len = len + n;
	return v;
}

void *
_vec_dup(const void *v, uword elt_bytes, uword hdr_bytes, uword align, void *heap)
{
	uword len = vec_len64(v);
	void *w = len ? _vec_new(len, elt_bytes, hdr_bytes, align, heap) : NULL;

	if (w)
		memcpy(w, v, len * elt_bytes);
	return w;
}

void
_vec_free(const void *v)
{
	vec_header_t *h;
	void *heap;

	if (!v || vec_is_bad(v, "free", __builtin_return_address(0)))
		return;
	h = _vec_find(v);
	heap = h->heap;
	/* A second free of the same pointer finds no magic. */
	h->magic = 0;
	if (heap)
		clib_mem_heap_free(heap, _vec_user_header(v));
}

void
_vec_free_header(void *header)
{
	clib_mem_free(header);
}
