/* SPDX-License-Identifier: Apache-2.0 */
/* vec: a C array that knows its length and grows.
 *
 *   u32 *v = 0;                 NULL is an empty vector
 *   vec_add1 (v, 42);           v may move: keep an index across a call, not a pointer
 *   vec_foreach (p, v) ...      p walks the elements
 *   vec_free (v);               v is 0 again
 *
 * Memory comes from the current heap of the calling thread (mem.h) when a vector is first made,
 * and from that same heap ever after: the header remembers it.  Growth asks for 3/2 of what was
 * there, first in place, then somewhere else; of what a large vector has then (vec_max_len()) an
 * 8th of its length ahead becomes usable at a time, at most 256 KiB, or all that is asked for.
 * Fresh memory is zero; after vec_reset_length() and the like old contents show again, but what
 * vec_validate() and vec_insert() add is zero always.
 *
 * Each maker and grower comes in five spellings: plain; _aligned (, A) with element 0 on a
 * multiple of A; _ha (, H, A) with H bytes of user header too; _heap (, P) out of heap P; _hap
 * (, H, A, P) with all three.  H, A and P matter when the vector is made (v is NULL); later the
 * vector goes by its own.  P = 0 is the current heap.
 *
 * Every one of them has a value: 0, or -ENOMEM with v as it was.  As a statement the value may be
 * ignored, as VPP's source does.  v is evaluated several times, other arguments once, what is to
 * be stored after v has grown: vec_add1(v, vec_len(v)) stores the new length.
 *
 * Threads: a vector is one thread's at a time.  Owner: whoever holds the pointer. */
#ifndef included_vppinfra_vec_h
#define included_vppinfra_vec_h

#include <stdlib.h>
#include <vppinfra/mem.h>
#include <vppinfra/vec_bootstrap.h>

/* ---- inside ---- */

/**
 * Room for n_more elements past the length, which stays.  v NULL: a new vector.
 * @param hdr_bytes  user header of a new vector, at most 512 KiB
 * @param align  of element 0 of a new vector, a power of two
 * @param heap   of a new vector; NULL: the current one
 * @return v, perhaps moved; NULL with v as it was.
 */
CLIB_EXPORT void *_vec_grow(void *v, uword n_more, uword elt_bytes, uword hdr_bytes, uword align,
			    void *heap);

/** A new vector of n zero elements; NULL when there is no memory. */
CLIB_EXPORT void *_vec_new(uword n, uword elt_bytes, uword hdr_bytes, uword align, void *heap);

/** Lengthen v to n elements, zeroing what is new; NULL with v as it was. */
CLIB_EXPORT void *_vec_validate(void *v, uword n, uword elt_bytes, uword hdr_bytes, uword align,
				void *heap);

/** Open a gap of n elements, contents undefined, at index m <= length; NULL with v as it was. */
CLIB_EXPORT void *_vec_insert(void *v, uword n, uword m, uword elt_bytes, uword hdr_bytes,
			      uword align, void *heap);

/** Copy of the elements; NULL for an empty vector and when there is no memory. */
CLIB_EXPORT void *_vec_dup(const void *v, uword elt_bytes, uword hdr_bytes, uword align,
			   void *heap);

/** Give the memory back.  NULL ignored; what is no vector is reported and left alone. */
CLIB_EXPORT void _vec_free(const void *v);

/** The same, named by the user header. */
CLIB_EXPORT void _vec_free_header(void *header);

/** Pointers that grow and free refused because no vector's header was below them. */
CLIB_EXPORT u64 vec_n_bad_pointers(void);

always_inline int
_vec_fits(const void *v, uword n_more, uword elt_bytes)
{
	uword n;

	return v && !__builtin_add_overflow(_vec_find(v)->len, n_more, &n) &&
	       !__builtin_mul_overflow(n, elt_bytes, &n) && n <= _vec_find(v)->max_bytes;
}

always_inline int
_vec_is_full(const void *v, uword elt_bytes)
{
	return !v || (_vec_find(v)->len + 1) * elt_bytes > _vec_find(v)->max_bytes;
}

/* A macro that needs variables of its own gets their names from outside, so that it can stand in
 * an argument of itself. */

/* Takes what one of the functions above returned. */
#define _vec_take(v, new_v) _vec_take_as(v, new_v, CLIB_UNIQUE(_vec_taken))
#define _vec_take_as(v, new_v, taken)                                                              \
	({                                                                                         \
		void *taken = (new_v);                                                             \
		if (PREDICT_TRUE(taken != 0))                                                      \
			(v) = (__typeof__(v))taken;                                                \
		taken ? 0 : -ENOMEM;                                                               \
	})

/* n is a plain variable or constant. */
#define _vec_make_room(v, n, H, A, P)                                                              \
	(PREDICT_TRUE(_vec_fits((v), (n), sizeof((v)[0])))                                         \
		 ? 0                                                                               \
		 : _vec_take(v, _vec_grow((v), (n), sizeof((v)[0]), (H), _vec_align(v, A), (P))))

/* ---- make, copy, free ---- */

/** A fresh vector of n zero elements of type T; NULL when there is no memory. */
#define vec_new_generic(T, N, H, A, P)                                                             \
	((T *)_vec_new((N), sizeof(T), (H), _vec_align((T *)0, A), (P)))
#define vec_new(T, N) vec_new_generic(T, N, 0, 0, 0)
#define vec_new_aligned(T, N, A) vec_new_generic(T, N, 0, A, 0)
#define vec_new_ha(T, N, H, A) vec_new_generic(T, N, H, A, 0)
#define vec_new_heap(T, N, P) vec_new_generic(T, N, 0, 0, P)
#define vec_new_hap(T, N, H, A, P) vec_new_generic(T, N, H, A, P)

/** Free and set v to 0.  NULL-safe; a stranger's pointer is reported, not followed. */
#define vec_free(V) ((void)(_vec_free(V), (V) = 0))
#define vec_free_h(V, H) vec_free(V)
#define vec_free_aligned(V, A) vec_free(V)
#define vec_free_ha(V, H, A) vec_free(V)

/** Free a vector by its user header. */
#define vec_free_header(H) _vec_free_header(H)

/** A copy of the elements (of no user header); NULL for an empty vector or without memory. */
#define vec_dup_hap(V, H, A, P)                                                                    \
	((__typeof__((V)[0]) *)_vec_dup((V), sizeof((V)[0]), (H), _vec_align(V, A), (P)))
#define vec_dup(V) vec_dup_hap(V, 0, 0, 0)
#define vec_dup_aligned(V, A) vec_dup_hap(V, 0, A, 0)
#define vec_dup_ha(V, H, A) vec_dup_hap(V, H, A, 0)
#define vec_dup_heap(V, P) vec_dup_hap(V, 0, 0, P)

/** Copy SRC's elements onto DST's, which has the same length. */
#define vec_copy(DST, SRC)                                                                         \
	({                                                                                         \
		ASSERT(vec_len64(DST) == vec_len64(SRC));                                          \
		if (vec_len64(DST))                                                                \
			memcpy((DST), (SRC), vec_bytes(DST));                                      \
		(void)0;                                                                           \
	})

/** NEW becomes a new vector of OLD's length, elements zero; its former value is not freed. */
#define vec_clone_hap(NEW_V, OLD_V, H, A, P) _vec_clone(NEW_V, OLD_V, H, A, P, CLIB_UNIQUE(_vec_n))
#define _vec_clone(NEW_V, OLD_V, H, A, P, n)                                                       \
	({                                                                                         \
		uword n = vec_len64(OLD_V);                                                        \
		(NEW_V) = 0;                                                                       \
		n ? _vec_take(NEW_V,                                                               \
			      _vec_new(n, sizeof((NEW_V)[0]), (H), _vec_align(NEW_V, A), (P)))     \
		  : 0;                                                                             \
	})
#define vec_clone(NEW_V, OLD_V) vec_clone_hap(NEW_V, OLD_V, 0, 0, 0)
#define vec_clone_aligned(NEW_V, OLD_V, A) vec_clone_hap(NEW_V, OLD_V, 0, A, 0)
#define vec_clone_ha(NEW_V, OLD_V, H, A) vec_clone_hap(NEW_V, OLD_V, H, A, 0)
#define vec_clone_heap(NEW_V, OLD_V, P) vec_clone_hap(NEW_V, OLD_V, 0, 0, P)

/* ---- length and room ---- */

/** Room for n more; the length stays. */
#define vec_alloc_hap(V, N, H, A, P) _vec_alloc(V, N, H, A, P, CLIB_UNIQUE(_vec_n))
#define _vec_alloc(V, N, H, A, P, n)                                                               \
	({                                                                                         \
		uword n = (N);                                                                     \
		_vec_make_room(V, n, H, A, P);                                                     \
	})
#define vec_alloc(V, N) vec_alloc_hap(V, N, 0, 0, 0)
#define vec_alloc_aligned(V, N, A) vec_alloc_hap(V, N, 0, A, 0)
#define vec_alloc_ha(V, N, H, A) vec_alloc_hap(V, N, H, A, 0)
#define vec_alloc_heap(V, N, P) vec_alloc_hap(V, N, 0, 0, P)

/** The same, under the name that today's tree has for it. */
#define vec_prealloc_hap(V, N, H, A, P) vec_alloc_hap(V, N, H, A, P)
#define vec_prealloc(V, N) vec_alloc_hap(V, N, 0, 0, 0)
#define vec_prealloc_aligned(V, N, A) vec_alloc_hap(V, N, 0, A, 0)
#define vec_prealloc_ha(V, N, H, A) vec_alloc_hap(V, N, H, A, 0)
#define vec_prealloc_heap(V, N, P) vec_alloc_hap(V, N, 0, 0, P)

/** Whether vec_resize(V, N) would have to get memory. */
#define vec_resize_will_expand(V, N) (!_vec_fits((V), (N), sizeof((V)[0])))

/** Add n elements; whatever was in memory there shows: zero unless the vector was once longer. */
#define vec_resize_hap(V, N, H, A, P)                                                              \
	_vec_resize_by(V, N, H, A, P, CLIB_UNIQUE(_vec_n), CLIB_UNIQUE(_vec_error))
#define _vec_resize_by(V, N, H, A, P, n, error)                                                    \
	({                                                                                         \
		uword n = (N);                                                                     \
		int error = _vec_make_room(V, n, H, A, P);                                         \
		if (PREDICT_TRUE(!error))                                                          \
			_vec_find(V)->len += n;                                                    \
		error;                                                                             \
	})
#define vec_resize(V, N) vec_resize_hap(V, N, 0, 0, 0)
#define vec_resize_aligned(V, N, A) vec_resize_hap(V, N, 0, A, 0)
#define vec_resize_ha(V, N, H, A) vec_resize_hap(V, N, H, A, 0)
#define vec_resize_heap(V, N, P) vec_resize_hap(V, N, 0, 0, P)

/** Make index i valid; elements that this adds are zero.  Index -1 asks for nothing: 0. */
#define vec_validate_hap(V, I, H, A, P) _vec_validate_to(V, I, H, A, P, CLIB_UNIQUE(_vec_n))
#define _vec_validate_to(V, I, H, A, P, n)                                                         \
	({                                                                                         \
		uword n = (uword)(I) + 1;                                                          \
		PREDICT_TRUE(n <= vec_len64(V))                                                    \
		? 0                                                                                \
		: _vec_take(V, _vec_validate((V), n, sizeof((V)[0]), (H), _vec_align(V, A), (P))); \
	})
#define vec_validate(V, I) vec_validate_hap(V, I, 0, 0, 0)
#define vec_validate_aligned(V, I, A) vec_validate_hap(V, I, 0, A, 0)
#define vec_validate_ha(V, I, H, A) vec_validate_hap(V, I, H, A, 0)
#define vec_validate_heap(V, I, P) vec_validate_hap(V, I, 0, 0, P)

/** Make index i valid; elements that this adds are INIT (evaluated once an element). */
#define vec_validate_init_empty_hap(V, I, INIT, H, A, P)                                           \
	_vec_validate_init(V, I, INIT, H, A, P, CLIB_UNIQUE(_vec_from), CLIB_UNIQUE(_vec_n),       \
			   CLIB_UNIQUE(_vec_error))
#define _vec_validate_init(V, I, INIT, H, A, P, from, n, error)                                    \
	({                                                                                         \
		uword from = vec_len64(V), n = (uword)(I) + 1;                                     \
		int error = 0;                                                                     \
		if (n > from) {                                                                    \
			error = vec_resize_hap(V, n - from, H, A, P);                              \
			if (PREDICT_TRUE(!error))                                                  \
				for (; from < n; from++)                                           \
					(V)[from] = (INIT);                                        \
		}                                                                                  \
		error;                                                                             \
	})
#define vec_validate_init_empty(V, I, INIT) vec_validate_init_empty_hap(V, I, INIT, 0, 0, 0)
#define vec_validate_init_empty_aligned(V, I, INIT, A)                                             \
	vec_validate_init_empty_hap(V, I, INIT, 0, A, 0)
#define vec_validate_init_empty_ha(V, I, INIT, H, A)                                               \
	vec_validate_init_empty_hap(V, I, INIT, H, A, 0)
#define vec_validate_init_empty_heap(V, I, INIT, P) vec_validate_init_empty_hap(V, I, INIT, 0, 0, P)

/* ---- at the end ---- */

/** Append E, evaluated at most once.  Cost: a compare and two stores; a call only to grow. */
#define vec_add1_hap(V, E, H, A, P)                                                                \
	_vec_add1(V, E, H, A, P, CLIB_UNIQUE(_vec_at), CLIB_UNIQUE(_vec_error))
#define _vec_add1(V, E, H, A, P, at, error)                                                        \
	({                                                                                         \
		int error = 0;                                                                     \
		if (PREDICT_FALSE(_vec_is_full((V), sizeof((V)[0]))))                              \
			error = _vec_take(                                                         \
				V, _vec_grow((V), 1, sizeof((V)[0]), (H), _vec_align(V, A), (P))); \
		if (PREDICT_TRUE(!error)) {                                                        \
			uword at = _vec_find(V)->len++;                                            \
			(V)[at] = (E);                                                             \
		}                                                                                  \
		error;                                                                             \
	})
#define vec_add1(V, E) vec_add1_hap(V, E, 0, 0, 0)
#define vec_add1_aligned(V, E, A) vec_add1_hap(V, E, 0, A, 0)
#define vec_add1_ha(V, E, H, A) vec_add1_hap(V, E, H, A, 0)
#define vec_add1_heap(V, E, P) vec_add1_hap(V, E, 0, 0, P)

/** Append n elements as vec_resize() does and point PTR at the first; at 0 without memory. */
#define vec_add2_hap(V, PTR, N, H, A, P)                                                           \
	_vec_add2(V, PTR, N, H, A, P, CLIB_UNIQUE(_vec_n), CLIB_UNIQUE(_vec_error))
#define _vec_add2(V, PTR, N, H, A, P, n, error)                                                    \
	({                                                                                         \
		uword n = (N);                                                                     \
		int error = _vec_make_room(V, n, H, A, P);                                         \
		if (PREDICT_TRUE(!error)) {                                                        \
			(PTR) = (V) + _vec_find(V)->len;                                           \
			_vec_find(V)->len += n;                                                    \
		} else                                                                             \
			(PTR) = (__typeof__(PTR))_vec_null();                                      \
		error;                                                                             \
	})
#define vec_add2(V, PTR, N) vec_add2_hap(V, PTR, N, 0, 0, 0)
#define vec_add2_aligned(V, PTR, N, A) vec_add2_hap(V, PTR, N, 0, A, 0)
#define vec_add2_ha(V, PTR, N, H, A) vec_add2_hap(V, PTR, N, H, A, 0)
#define vec_add2_heap(V, PTR, N, P) vec_add2_hap(V, PTR, N, 0, 0, P)

/** Append copies of n elements from array E, which is looked at after v has grown. */
#define vec_add_hap(V, E, N, H, A, P)                                                              \
	_vec_add(V, E, N, H, A, P, CLIB_UNIQUE(_vec_n), CLIB_UNIQUE(_vec_error))
#define _vec_add(V, E, N, H, A, P, n, error)                                                       \
	({                                                                                         \
		uword n = (N);                                                                     \
		int error = 0;                                                                     \
		if (n) {                                                                           \
			error = _vec_make_room(V, n, H, A, P);                                     \
			if (PREDICT_TRUE(!error)) {                                                \
				memcpy((V) + _vec_find(V)->len, (E), n * sizeof((V)[0]));          \
				_vec_find(V)->len += n;                                            \
			}                                                                          \
		}                                                                                  \
		error;                                                                             \
	})
#define vec_add(V, E, N) vec_add_hap(V, E, N, 0, 0, 0)
#define vec_add_aligned(V, E, N, A) vec_add_hap(V, E, N, 0, A, 0)
#define vec_add_ha(V, E, N, H, A) vec_add_hap(V, E, N, H, A, 0)
#define vec_add_heap(V, E, N, P) vec_add_hap(V, E, N, 0, 0, P)

/** Remove and yield the last element; there must be one. */
#define vec_pop(V)                                                                                 \
	({                                                                                         \
		ASSERT(vec_len64(V) > 0);                                                          \
		(V)[--_vec_find(V)->len];                                                          \
	})

/** Remove the last element into E.  Value: 1, or 0 when there was none. */
#define vec_pop2(V, E) ({ vec_len64(V) > 0 ? ((E) = vec_pop(V), 1) : 0; })

/** Append copies of V2's elements to V1.  V2 may be V1. */
#define vec_append_hap(V1, V2, H, A, P) vec_add_hap(V1, V2, vec_len64(V2), H, A, P)
#define vec_append(V1, V2) vec_append_hap(V1, V2, 0, 0, 0)
#define vec_append_aligned(V1, V2, A) vec_append_hap(V1, V2, 0, A, 0)
#define vec_append_ha(V1, V2, H, A) vec_append_hap(V1, V2, H, A, 0)
#define vec_append_heap(V1, V2, P) vec_append_hap(V1, V2, 0, 0, P)

/* ---- in the middle ---- */

/* Opens the gap; the value is an errno, -EINVAL when m is past the end. */
/* clang-format off */
#define _vec_open(V, n, m, H, A, P)                                                                \
	((m) > vec_len64(V) ? -EINVAL                                                              \
	 : (n) ? _vec_take(V, _vec_insert((V), (n), (m), sizeof((V)[0]), (H), _vec_align(V, A),    \
					  (P)))                                                    \
	       : 0)
/* clang-format on */

/** Open n zero elements at index m.  -EINVAL: m is greater than the length. */
#define vec_insert_hap(V, N, M, H, A, P)                                                           \
	_vec_insert_zero(V, N, M, H, A, P, CLIB_UNIQUE(_vec_n), CLIB_UNIQUE(_vec_m),               \
			 CLIB_UNIQUE(_vec_error))
#define _vec_insert_zero(V, N, M, H, A, P, n, m, error)                                            \
	({                                                                                         \
		uword n = (N), m = (M);                                                            \
		int error = _vec_open(V, n, m, H, A, P);                                           \
		if (!error && n)                                                                   \
			memset((V) + m, 0, n * sizeof((V)[0]));                                    \
		error;                                                                             \
	})
#define vec_insert(V, N, M) vec_insert_hap(V, N, M, 0, 0, 0)
#define vec_insert_aligned(V, N, M, A) vec_insert_hap(V, N, M, 0, A, 0)
#define vec_insert_ha(V, N, M, H, A) vec_insert_hap(V, N, M, H, A, 0)
#define vec_insert_heap(V, N, M, P) vec_insert_hap(V, N, M, 0, 0, P)

/** Open n elements of value INIT (evaluated once an element) at index m. */
#define vec_insert_init_empty_hap(V, N, M, INIT, H, A, P)                                          \
	_vec_insert_init(V, N, M, INIT, H, A, P, CLIB_UNIQUE(_vec_n), CLIB_UNIQUE(_vec_m),         \
			 CLIB_UNIQUE(_vec_error))
#define _vec_insert_init(V, N, M, INIT, H, A, P, n, m, error)                                      \
	({                                                                                         \
		uword n = (N), m = (M);                                                            \
		int error = _vec_open(V, n, m, H, A, P);                                           \
		if (!error)                                                                        \
			for (; n > 0; n--)                                                         \
				(V)[m++] = (INIT);                                                 \
		error;                                                                             \
	})
#define vec_insert_init_empty(V, N, M, INIT) vec_insert_init_empty_hap(V, N, M, INIT, 0, 0, 0)
#define vec_insert_init_empty_aligned(V, N, M, INIT, A)                                            \
	vec_insert_init_empty_hap(V, N, M, INIT, 0, A, 0)
#define vec_insert_init_empty_ha(V, N, M, INIT, H, A)                                              \
	vec_insert_init_empty_hap(V, N, M, INIT, H, A, 0)
#define vec_insert_init_empty_heap(V, N, M, INIT, P)                                               \
	vec_insert_init_empty_hap(V, N, M, INIT, 0, 0, P)

/** Insert copies of n elements from array E, which is not inside v, at index m. */
#define vec_insert_elts_hap(V, E, N, M, H, A, P)                                                   \
	_vec_insert_elts(V, E, N, M, H, A, P, CLIB_UNIQUE(_vec_n), CLIB_UNIQUE(_vec_m),            \
			 CLIB_UNIQUE(_vec_error))
#define _vec_insert_elts(V, E, N, M, H, A, P, n, m, error)                                         \
	({                                                                                         \
		uword n = (N), m = (M);                                                            \
		int error = _vec_open(V, n, m, H, A, P);                                           \
		if (!error && n)                                                                   \
			memcpy((V) + m, (E), n * sizeof((V)[0]));                                  \
		error;                                                                             \
	})
#define vec_insert_elts(V, E, N, M) vec_insert_elts_hap(V, E, N, M, 0, 0, 0)
#define vec_insert_elts_aligned(V, E, N, M, A) vec_insert_elts_hap(V, E, N, M, 0, A, 0)
#define vec_insert_elts_ha(V, E, N, M, H, A) vec_insert_elts_hap(V, E, N, M, H, A, 0)
#define vec_insert_elts_heap(V, E, N, M, P) vec_insert_elts_hap(V, E, N, M, 0, 0, P)

/** Insert copies of V2's elements, another vector, before V1's. */
#define vec_prepend_hap(V1, V2, H, A, P) vec_insert_elts_hap(V1, V2, vec_len64(V2), 0, H, A, P)
#define vec_prepend(V1, V2) vec_prepend_hap(V1, V2, 0, 0, 0)
#define vec_prepend_aligned(V1, V2, A) vec_prepend_hap(V1, V2, 0, A, 0)
#define vec_prepend_ha(V1, V2, H, A) vec_prepend_hap(V1, V2, H, A, 0)
#define vec_prepend_heap(V1, V2, P) vec_prepend_hap(V1, V2, 0, 0, P)

/* Remove n elements from m; those behind them move up. */
always_inline int
_vec_delete(void *v, uword n, uword m, uword elt_bytes)
{
	uword len = vec_len64(v);

	if (m > len || n > len - m)
		return -EINVAL;
	if (!n)
		return 0;
	memmove((u8 *)v + m * elt_bytes, (u8 *)v + (m + n) * elt_bytes, (len - m - n) * elt_bytes);
	memset((u8 *)v + (len - n) * elt_bytes, 0, n * elt_bytes);
	_vec_find(v)->len = len - n;
	return 0;
}

/** Remove n elements from index m and keep the order; the room that opens at the end is zero.
 *  -EINVAL: they are not all there, nothing is removed. */
#define vec_delete(V, N, M) _vec_delete((V), (N), (M), sizeof((V)[0]))

/** Remove element i, which there must be, by moving the last one into its place. */
#define vec_del1(V, I) _vec_del1(V, I, CLIB_UNIQUE(_vec_i), CLIB_UNIQUE(_vec_last))
#define _vec_del1(V, I, i, last)                                                                   \
	({                                                                                         \
		uword i = (I), last = vec_len64(V) - 1;                                            \
		ASSERT(i < vec_len64(V));                                                          \
		if (i < last)                                                                      \
			(V)[i] = (V)[last];                                                        \
		_vec_find(V)->len = last;                                                          \
		(void)0;                                                                           \
	})

/* ---- fill, compare, search, sort ---- */

/** Zero every element; zero `count` elements from `first`. */
#define vec_zero(V) ((V) ? (void)memset((V), 0, vec_bytes(V)) : (void)0)
#define vec_zero_elts(V, first, count)                                                             \
	((V) ? (void)memset((V) + (first), 0, (count) * sizeof((V)[0])) : (void)0)

/** Set every element to VAL, evaluated once. */
#define vec_set(V, VAL) _vec_set(V, VAL, CLIB_UNIQUE(_vec_value), CLIB_UNIQUE(_vec_i))
#define _vec_set(V, VAL, value, i)                                                                 \
	({                                                                                         \
		__typeof__((V)[0]) value = (VAL);                                                  \
		for (uword i = 0; i < vec_len64(V); i++)                                           \
			(V)[i] = value;                                                            \
	})

/** Same length and same bytes. */
#define vec_is_equal(V1, V2)                                                                       \
	(vec_len64(V1) == vec_len64(V2) &&                                                         \
	 (vec_len64(V1) == 0 || !memcmp((V1), (V2), vec_bytes(V1))))

/** -1, 0 or 1: by the first element that differs, then by length. */
#define vec_cmp(V1, V2)                                                                            \
	_vec_cmp(V1, V2, CLIB_UNIQUE(_vec_i), CLIB_UNIQUE(_vec_l1), CLIB_UNIQUE(_vec_l2),          \
		 CLIB_UNIQUE(_vec_order))
#define _vec_cmp(V1, V2, i, l1, l2, order)                                                         \
	({                                                                                         \
		uword i = 0, l1 = vec_len64(V1), l2 = vec_len64(V2);                               \
		word order = 0;                                                                    \
		for (; !order && i < l1 && i < l2; i++)                                            \
			order = ((V1)[i] > (V2)[i]) - ((V1)[i] < (V2)[i]);                         \
		order ? order : (word)(l1 > l2) - (word)(l1 < l2);                                 \
	})

/** Index of the first element equal to E, or ~0. */
#define vec_search(V, E)                                                                           \
	_vec_search(V, E, CLIB_UNIQUE(_vec_e), CLIB_UNIQUE(_vec_i), CLIB_UNIQUE(_vec_found))
#define _vec_search(V, E, e, i, found)                                                             \
	({                                                                                         \
		__typeof__((V)[0]) e = (E);                                                        \
		word found = -1;                                                                   \
		for (uword i = 0; i < vec_len64(V); i++)                                           \
			if ((V)[i] == e) {                                                         \
				found = (word)i;                                                   \
				break;                                                             \
			}                                                                          \
		found;                                                                             \
	})

/** Index of the first element for which fn(&element, E) is not 0, or ~0. */
#define vec_search_with_function(V, E, fn)                                                         \
	_vec_search_with(V, E, fn, CLIB_UNIQUE(_vec_i), CLIB_UNIQUE(_vec_found))
#define _vec_search_with(V, E, fn, i, found)                                                       \
	({                                                                                         \
		word found = -1;                                                                   \
		for (uword i = 0; i < vec_len64(V); i++)                                           \
			if (0 != (fn)(&(V)[i], (E))) {                                             \
				found = (word)i;                                                   \
				break;                                                             \
			}                                                                          \
		found;                                                                             \
	})

/** Sort; f takes pointers to two elements and returns as qsort's comparison does. */
#define vec_sort_with_function(V, f)                                                               \
	(vec_len64(V) > 1 ? qsort((V), vec_len64(V), sizeof((V)[0]),                               \
				  (int (*)(const void *, const void *))(void *)(f))                \
			  : (void)0)

/* ---- NUL-terminated strings in u8 vectors; the NUL counts in the length ---- */

/** V becomes the L bytes at S and a NUL. */
#define vec_validate_init_c_string(V, S, L)                                                        \
	_vec_c_string(V, S, L, CLIB_UNIQUE(_vec_s), CLIB_UNIQUE(_vec_l), CLIB_UNIQUE(_vec_error))
#define _vec_c_string(V, S, L, s, l, error)                                                        \
	({                                                                                         \
		const void *s = (S);                                                               \
		uword l = (L);                                                                     \
		int error = vec_validate(V, l);                                                    \
		if (!error) {                                                                      \
			_vec_find(V)->len = l + 1;                                                 \
			if (s && l)                                                                \
				memcpy((V), s, l);                                                 \
			(V)[l] = 0;                                                                \
		}                                                                                  \
		error;                                                                             \
	})

/** Whether there is a NUL at the end. */
#define vec_c_string_is_terminated(V) (vec_len64(V) != 0 && (V)[vec_len64(V) - 1] == 0)

/** Append a NUL unless the vector ends with one. */
#define vec_terminate_c_string(V) ({ vec_c_string_is_terminated(V) ? 0 : vec_add1(V, 0); })

/* ---- the functions beneath, by the names that both VPP generations give them ---- */

/** What new VPP's internal functions are told of a vector. */
typedef struct {
	void *heap;
	u32 elt_sz;
	u16 hdr_sz;
	u16 align;
} vec_attr_t;

/** A new vector of n elements; NULL when there is no memory. */
always_inline void *
_vec_alloc_internal(uword n_elts, const vec_attr_t *const attr)
{
	return _vec_new(n_elts, attr->elt_sz, attr->hdr_sz, attr->align, attr->heap);
}

/** Set the length to n elements, getting memory if that is more than fits.
 *  @return v, perhaps moved; NULL with v as it was */
always_inline void *
_vec_realloc(void *v, uword n_elts, uword elt_bytes, uword hdr_bytes, uword align, void *heap)
{
	uword len = vec_len64(v);
	void *w = v;

	if (!v || (n_elts > len && !_vec_fits(v, n_elts - len, elt_bytes)))
		w = _vec_grow(v, n_elts - len, elt_bytes, hdr_bytes, align, heap);
	if (w)
		_vec_find(w)->len = n_elts;
	return w;
}

always_inline void *
_vec_resize_internal(void *v, uword n_elts, const vec_attr_t *const attr)
{
	return _vec_realloc(v, n_elts, attr->elt_sz, attr->hdr_sz, attr->align, attr->heap);
}

/** Old VPP: lengthen v by n elements, to data_bytes bytes of elements in all.
 *  @return v, perhaps moved; v as it was when there is no memory, as nobody asks */
always_inline void *
_vec_resize(void *v, word length_increment, uword data_bytes, uword header_bytes, uword data_align)
{
	uword n = vec_len64(v) + (uword)length_increment;
	void *w = _vec_realloc(v, n, n ? data_bytes / n : 1, header_bytes, data_align, NULL);

	return w ? w : v;
}

/* The sixth argument was a NUMA node for a time; a vector stays in its heap. */
#define vec_resize_allocate_memory(v, n, data_bytes, header_bytes, data_align, ...)                \
	_vec_resize((v), (n), (data_bytes), (header_bytes), (data_align))

#endif
