/* SPDX-License-Identifier: Apache-2.0 */
/* Growth is in the order that lets it stop anywhere: indices and bitmap first, which nobody sees
 * grow, then the elements.  A pool whose heap gives it slack at once gets bits and indices for
 * all of that, so they are looked at only when the vector itself is full. */
#include <vppinfra/pool.h>

/* Room for free indices and zero bits of n elements in all; of one at least, so that a pool
 * always has both vectors. */
static int
pool_room_for_free(void *p, uword n)
{
	pool_header_t *h = pool_header(p);
	uword n_have = vec_len64(h->free_indices);
	void *heap = vec_get_heap(p);

	n = clib_max(n, (uword)1);
	if (vec_max_len(h->free_indices) < n && vec_alloc_heap(h->free_indices, n - n_have, heap))
		return -ENOMEM;
	return vec_validate_heap(h->free_bitmap, _clib_bitmap_n_words(n) - 1, heap);
}

static uword
pool_capacity(const void *p, uword elt_bytes)
{
	return elt_bytes ? vec_max_bytes(p) / elt_bytes : 0;
}

void *
_pool_grow(void *p, uword n_more, uword elt_bytes, uword align, void *heap)
{
	int is_new = p == NULL;
	uword n;
	void *q;

	if (__builtin_add_overflow(vec_len64(p), n_more, &n) || n > POOL_MAX_ELTS)
		return NULL;
	if (!is_new && pool_header(p)->max_elts)
		return n_more <= vec_len64(pool_header(p)->free_indices) ? p : NULL;
	if (is_new) {
		p = _vec_grow(NULL, n_more, elt_bytes, sizeof(pool_header_t), align, heap);
		if (!p)
			return NULL;
		n = clib_min(clib_max(n, pool_capacity(p, elt_bytes)), POOL_MAX_ELTS);
		if (pool_room_for_free(p, n)) {
			_pool_free(p);
			return NULL;
		}
		return p;
	}

	if (pool_room_for_free(p, n))
		return NULL;
	q = _vec_grow(p, n_more, elt_bytes, sizeof(pool_header_t), align, heap);
	if (!q)
		return NULL;
	/* The elements have grown by more than was asked: follow if there is memory, else the next
	 * get does. */
	pool_room_for_free(q, clib_min(pool_capacity(q, elt_bytes), POOL_MAX_ELTS));
	return q;
}

/* What the heap gave beyond max_elts stays unused, so that a get finds the vector full. */
static void
pool_fix(void *p, u32 max_elts, uword elt_bytes)
{
	pool_header(p)->max_elts = max_elts;
	_vec_find(p)->max_bytes = max_elts * elt_bytes;
}

void *
_pool_new_fixed(uword n_elts, uword elt_bytes, uword align, void *heap)
{
	pool_header_t *h;
	void *p;

	if (n_elts == 0 || n_elts > POOL_MAX_ELTS)
		return NULL;
	p = _vec_new(n_elts, elt_bytes, sizeof(pool_header_t), align, heap);
	if (!p)
		return NULL;
	if (pool_room_for_free(p, n_elts)) {
		_pool_free(p);
		return NULL;
	}
	pool_fix(p, (u32)n_elts, elt_bytes);
	h = pool_header(p);
	/* Index 0 is handed out first. */
	_vec_len(h->free_indices) = n_elts;
	for (uword i = 0; i < n_elts; i++) {
		h->free_indices[i] = (u32)(n_elts - 1 - i);
		clib_bitmap_set_no_check(h->free_bitmap, i, 1);
	}
	return p;
}

void *
_pool_validate_index(void *p, uword i, uword elt_bytes, uword align)
{
	uword len = vec_len64(p);

	if (i < len)
		return p;
	if (i >= POOL_MAX_ELTS)
		return NULL;
	p = _pool_grow(p, i + 1 - len, elt_bytes, align, NULL);
	if (!p)
		return NULL;
	memset((u8 *)p + len * elt_bytes, 0, (i + 1 - len) * elt_bytes);
	_vec_len(p) = i + 1;
	return p;
}

void *
_pool_dup(const void *p, uword elt_bytes, uword align, void *heap)
{
	pool_header_t *from, *to;
	void *q;

	if (!p)
		return NULL;
	from = pool_header(p);
	q = _pool_grow(NULL, vec_len64(p), elt_bytes, align, heap);
	if (!q)
		return NULL;
	to = pool_header(q);
	memcpy(q, p, vec_len64(p) * elt_bytes);
	_vec_len(q) = vec_len64(p);
	if (vec_len64(p)) {
		memcpy(to->free_bitmap, from->free_bitmap,
		       _clib_bitmap_n_words(vec_len64(p)) * sizeof(uword));
		_vec_len(to->free_indices) = vec_len64(from->free_indices);
		vec_copy(to->free_indices, from->free_indices);
	}
	if (from->max_elts)
		pool_fix(q, from->max_elts, elt_bytes);
	to->opaque = from->opaque;
	return q;
}

void
_pool_free(const void *p)
{
	pool_header_t *h;

	if (!p)
		return;
	h = pool_header(p);
	vec_free(h->free_bitmap);
	vec_free(h->free_indices);
	_vec_free(p);
}

uword
_pool_header_bytes(const void *p)
{
	pool_header_t *h;

	if (!p)
		return 0;
	h = pool_header(p);
	return vec_get_header_size(p) + vec_bytes(h->free_bitmap) + vec_bytes(h->free_indices);
}

int
pool_check(const void *p)
{
	uword *left, i;
	pool_header_t *h;
	u32 *index;
	int error = 0;

	if (!p)
		return 0;
	h = pool_header(p);
	if (vec_len64(p) > vec_len64(h->free_bitmap) * CLIB_BITMAP_WORD_BITS)
		return -EUCLEAN;
	clib_bitmap_foreach (i, h->free_bitmap) {
		if (i >= vec_len64(p))
			return -EUCLEAN;
	}
	/* Each index takes its bit away: it must have one, and none may be left. */
	left = clib_bitmap_dup(h->free_bitmap);
	if (!left && vec_len64(h->free_bitmap))
		return -ENOMEM;
	vec_foreach (index, h->free_indices) {
		if (*index >= vec_len64(p) || !clib_bitmap_set_no_check(left, *index, 0))
			error = -EUCLEAN;
	}
	if (!clib_bitmap_is_zero(left))
		error = -EUCLEAN;
	vec_free(left);
	return error;
}

void
pool_validate(const void *p)
{
	if (pool_check(p) == -EUCLEAN)
		clib_assert_failed(__FILE__, __LINE__, __func__,
				   "free bitmap and free indices agree");
}
