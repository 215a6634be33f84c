/* SPDX-License-Identifier: Apache-2.0 */
/* sparse_vec: a vector indexed by 16-bit numbers of which few are in use (ports, protocols).
 *
 *   foo_t *v = 0, *f;
 *   f = sparse_vec_validate (v, 4789);         element 4789 exists now, and v may have moved
 *   i = sparse_vec_index (v, port);            its place in v, 0 when there is no such element
 *   f = sparse_vec_elt_at_index (v, port);     v + i: for a port that nobody has, element 0
 *
 * Members lie packed in the order of their sparse indices, from element 1 on; element 0 belongs to
 * nobody, and a data path may let it do the work of "not found" instead of asking.  A bitmap says
 * who is a member, and the members before each word of it are counted, so a look-up is two loads
 * and a count of bits (Warren, Hacker's Delight, 5-1):
 *
 *   is_member_bitmap:  0100 0000 ... | 0000 0010 ... | ...
 *   member_counts:     0             | 1             | 2 ...
 *   v:                 none | 1st member | 2nd member | ...
 *
 * Threads: any number that look, or one that changes.  A new member moves those above it. */
#ifndef included_vppinfra_sparse_vec_h
#define included_vppinfra_sparse_vec_h

#include <vppinfra/vec.h>

typedef struct {
	/** A bit a sparse index. */
	uword *is_member_bitmap;

	/** Members below each word of the bitmap. */
	u16 *member_counts;

	/** Flags of members, the lowest member's first; NULL: there are none.  The user's to set.
	 * The element of a member that is a range stands for every sparse index from the member
	 * below it, exclusive, up to itself; if the range is not valid none of these has an
	 * element. */
#define SPARSE_VEC_IS_RANGE (1 << 0)
#define SPARSE_VEC_IS_VALID_RANGE (1 << 1)
	u8 *range_flags;
} sparse_vec_header_t;

/** What a sparse index without element gives. */
#define SPARSE_VEC_INVALID_INDEX (0)

/** Sparse indices have at most this many bits: counts are u16. */
#define SPARSE_VEC_MAX_INDEX_BITS 16

/** The header of a sparse vector that is not NULL. */
always_inline sparse_vec_header_t *
sparse_vec_header(const void *v)
{
	return (sparse_vec_header_t *)((u8 *)v - _vec_start_to_v(sizeof(sparse_vec_header_t), 0));
}

/**
 * A sparse vector without members.
 * @param elt_bytes  of an element
 * @param sparse_index_bits  sparse indices are below 1 << this; at most 16
 * @return the vector, with element 0 of zeros; NULL: too many bits, or no memory
 */
CLIB_EXPORT void *sparse_vec_new(uword elt_bytes, uword sparse_index_bits);

/** Free everything and set V to 0.  NULL-safe. */
#define sparse_vec_free(V) ((void)(_sparse_vec_free(V), (V) = 0))
CLIB_EXPORT void _sparse_vec_free(void *v);

/** A copy; NULL for NULL and when there is no memory. */
#define sparse_vec_dup(V) ((__typeof__((V)[0]) *)_sparse_vec_dup((V), sizeof((V)[0])))
CLIB_EXPORT void *_sparse_vec_dup(const void *v, uword elt_bytes);

/* ---- looking ---- */

/**
 * The place of a sparse index.
 * @param maybe_range  whether to look at range_flags
 * @param[out] insert  NULL: just look.  Else the index becomes a member if it is none, 1 is stored
 *              for one that was not, and the caller makes room at the place that is returned: what
 *              sparse_vec_validate() does
 * @return the place; 0 for no member and for an index beyond the greatest
 */
always_inline uword
sparse_vec_index_internal(const void *v, uword sparse_index, uword maybe_range, u32 *insert)
{
	const sparse_vec_header_t *h = sparse_vec_header(v);
	uword i = sparse_index / BITS(uword), bit = 1ULL << sparse_index % BITS(uword), w, n;
	uword is_member;

	if (insert)
		*insert = 0;
	if (PREDICT_FALSE(i >= vec_len64(h->is_member_bitmap)))
		return SPARSE_VEC_INVALID_INDEX;
	w = h->is_member_bitmap[i];
	is_member = (w & bit) != 0;
	/* Members below this one. */
	n = h->member_counts[i] + count_set_bits(w & (bit - 1));
	if (insert) {
		*insert = !is_member;
		if (!is_member) {
			h->is_member_bitmap[i] = w | bit;
			for (uword j = i + 1; j < vec_len64(h->member_counts); j++)
				h->member_counts[j]++;
		}
		return n + 1;
	}
	if (maybe_range && n < vec_len64(h->range_flags) && h->range_flags[n] & SPARSE_VEC_IS_RANGE)
		is_member = (h->range_flags[n] & SPARSE_VEC_IS_VALID_RANGE) != 0;
	return is_member ? n + 1 : SPARSE_VEC_INVALID_INDEX;
}

/** The place of a sparse index in V, 0: there is none. */
always_inline uword
sparse_vec_index(const void *v, uword sparse_index)
{
	return sparse_vec_index_internal(v, sparse_index, 0, 0);
}

/** Two at a time; both below the number of sparse indices. */
always_inline void
sparse_vec_index2(const void *v, u32 si0, u32 si1, u32 *i0_return, u32 *i1_return)
{
	const sparse_vec_header_t *h = sparse_vec_header(v);
	uword bit0 = 1ULL << si0 % BITS(uword), bit1 = 1ULL << si1 % BITS(uword), w0, w1, n0, n1;

	ASSERT(si0 / BITS(uword) < vec_len64(h->is_member_bitmap));
	ASSERT(si1 / BITS(uword) < vec_len64(h->is_member_bitmap));
	w0 = h->is_member_bitmap[si0 / BITS(uword)];
	w1 = h->is_member_bitmap[si1 / BITS(uword)];
	n0 = 1 + h->member_counts[si0 / BITS(uword)] + count_set_bits(w0 & (bit0 - 1));
	n1 = 1 + h->member_counts[si1 / BITS(uword)] + count_set_bits(w1 & (bit1 - 1));
	*i0_return = w0 & bit0 ? (u32)n0 : SPARSE_VEC_INVALID_INDEX;
	*i1_return = w1 & bit1 ? (u32)n1 : SPARSE_VEC_INVALID_INDEX;
}

/** Pointer to a sparse index's element; to element 0 when it has none. */
#define sparse_vec_elt_at_index(v, i) vec_elt_at_index((v), sparse_vec_index((v), (i)))

/* ---- changing ---- */

/** Make sparse index i a member, its element zero when new; NULL becomes a sparse vector of 16-bit
 *  indices.  Value: pointer to the element; NULL without memory or for an index that cannot be,
 *  with v as it was. */
#define sparse_vec_validate(v, i)                                                                  \
	_sparse_vec_validate_as(v, i, CLIB_UNIQUE(_sparse_vec_si), CLIB_UNIQUE(_sparse_vec_elt))
#define _sparse_vec_validate_as(v, i, si, elt)                                                     \
	({                                                                                         \
		uword si = (i);                                                                    \
		void *elt;                                                                         \
		(v) = (__typeof__(v))_sparse_vec_validate((v), si, sizeof((v)[0]), &elt);          \
		(__typeof__((v) + 0))elt;                                                          \
	})
/** @param[out] elt  the element, or NULL  @return the vector */
CLIB_EXPORT void *_sparse_vec_validate(void *v, uword sparse_index, uword elt_bytes, void **elt);

/** Compare counts and bits.  @return 0 or -EUCLEAN.  Cost: a walk. */
CLIB_EXPORT int sparse_vec_check(const void *v);

#endif
