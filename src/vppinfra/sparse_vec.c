/* SPDX-License-Identifier: Apache-2.0 */
/* A new member takes room for its element first, which may fail, and becomes a member then. */
#include <vppinfra/sparse_vec.h>

#include <vppinfra/bitmap.h>

#define HEADER_BYTES sizeof(sparse_vec_header_t)
/* Elements that a new vector has room for: a handful of ports. */
#define N_ELTS_AT_FIRST 8

void *
sparse_vec_new(uword elt_bytes, uword sparse_index_bits)
{
	sparse_vec_header_t *h;
	uword n_words;
	void *v;

	if (sparse_index_bits > SPARSE_VEC_MAX_INDEX_BITS)
		return NULL;
	n_words = ((1ULL << sparse_index_bits) + BITS(uword) - 1) / BITS(uword);
	v = _vec_new(N_ELTS_AT_FIRST, elt_bytes, HEADER_BYTES, 0, NULL);
	if (!v)
		return NULL;
	_vec_len(v) = 1;
	h = sparse_vec_header(v);
	if (vec_validate(h->is_member_bitmap, n_words - 1) ||
	    vec_validate(h->member_counts, n_words - 1)) {
		_sparse_vec_free(v);
		return NULL;
	}
	return v;
}

void
_sparse_vec_free(void *v)
{
	sparse_vec_header_t *h;

	if (!v)
		return;
	h = sparse_vec_header(v);
	vec_free(h->is_member_bitmap);
	vec_free(h->member_counts);
	vec_free(h->range_flags);
	_vec_free(v);
}

void *
_sparse_vec_dup(const void *v, uword elt_bytes)
{
	sparse_vec_header_t *from, *to;
	void *w;

	if (!v)
		return NULL;
	w = _vec_dup(v, elt_bytes, HEADER_BYTES, 0, NULL);
	if (!w)
		return NULL;
	from = sparse_vec_header(v);
	to = sparse_vec_header(w);
	to->is_member_bitmap = vec_dup(from->is_member_bitmap);
	to->member_counts = vec_dup(from->member_counts);
	to->range_flags = vec_dup(from->range_flags);
	if (!to->is_member_bitmap || !to->member_counts ||
	    (from->range_flags && !to->range_flags)) {
		_sparse_vec_free(w);
		return NULL;
	}
	return w;
}

/* An element of zeros at place `at`, and a flag where members have flags; NULL with v as it was. */
static void *
make_room(void *v, uword at, uword elt_bytes)
{
	u8 **flags = &sparse_vec_header(v)->range_flags;
	uword has_flag = at - 1 < vec_len64(*flags);

	if (has_flag && vec_alloc(*flags, 1))
		return NULL;
	v = _vec_insert(v, 1, at, elt_bytes, HEADER_BYTES, 0, NULL);
	if (!v)
		return NULL;
	memset((u8 *)v + at * elt_bytes, 0, elt_bytes);
	if (has_flag)
		vec_insert(sparse_vec_header(v)->range_flags, 1, at - 1);
	return v;
}

/* Where the element of a sparse index that there can be is, or would be. */
static uword
place_of(const sparse_vec_header_t *h, uword sparse_index)
{
	uword i = sparse_index / BITS(uword), bit = 1ULL << sparse_index % BITS(uword);

	return 1 + h->member_counts[i] + count_set_bits(h->is_member_bitmap[i] & (bit - 1));
}

void *
_sparse_vec_validate(void *v, uword sparse_index, uword elt_bytes, void **elt)
{
	int is_first = !v;
	u32 is_new;
	void *w;

	*elt = NULL;
	if (is_first)
		v = sparse_vec_new(elt_bytes, SPARSE_VEC_MAX_INDEX_BITS);
	if (!v)
		return NULL;
	if (sparse_index / BITS(uword) >= vec_len64(sparse_vec_header(v)->is_member_bitmap))
		goto refused;
	w = v;
	if (!clib_bitmap_get(sparse_vec_header(v)->is_member_bitmap, sparse_index))
		w = make_room(v, place_of(sparse_vec_header(v), sparse_index), elt_bytes);
	if (!w)
		goto refused;
	*elt = (u8 *)w + sparse_vec_index_internal(w, sparse_index, 0, &is_new) * elt_bytes;
	return w;

refused:
	if (is_first) {
		_sparse_vec_free(v);
		v = NULL;
	}
	return v;
}

int
sparse_vec_check(const void *v)
{
	const sparse_vec_header_t *h;
	uword n = 0;

	if (!v)
		return 0;
	h = sparse_vec_header(v);
	if (vec_len64(h->is_member_bitmap) != vec_len64(h->member_counts))
		return -EUCLEAN;
	for (uword i = 0; i < vec_len64(h->is_member_bitmap); i++) {
		if (h->member_counts[i] != n)
			return -EUCLEAN;
		n += count_set_bits(h->is_member_bitmap[i]);
	}
	return vec_len64(v) == 1 + n ? 0 : -EUCLEAN;
}
