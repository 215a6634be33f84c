/* SPDX-License-Identifier: Apache-2.0 */
/* pool: fixed-size objects in a vector, named by index, with a list of the free ones.
 *
 *   foo_t *pool = 0, *f;
 *   pool_get (pool, f);            f - pool names the object; f itself may move at the next get
 *   pool_put (pool, f);            the index freed last is handed out first
 *   pool_foreach (f, pool) ...     the objects in use, by rising index
 *
 * The vector's user header holds a bitmap and a stack of the free indices.  Both are given their
 * room when the pool grows, so putting an object back never needs memory.  Objects are not
 * zeroed (pool_get_zero does).  NULL is the empty pool.
 *
 * Macros that need memory have a value, 0 or -ENOMEM, and leave the pool as it was when there is
 * none; E is then NULL.  P and E are evaluated several times, other arguments once.
 *
 * Invariants, as pool_check() runs them: bit i of the bitmap is set if and only if i is in the
 * stack, and once; no free index is past the vector's length.
 *
 * Threads: one at a time. */
#ifndef included_vppinfra_pool_h
#define included_vppinfra_pool_h

#include <vppinfra/bitmap.h>
#include <vppinfra/vec.h>

typedef struct {
	/** One bit an element, set where it is free; as long as the vector's capacity. */
	uword *free_bitmap;
	/** The free indices, the last one next. */
	u32 *free_indices;
	/** Elements of a fixed pool; 0 for one that grows. */
	u32 max_elts;
	u32 reserved;
	/** The owner's. */
	void *opaque;
} pool_header_t;

/* Indices are 32 bits wide; ~0 is none. */
#define POOL_MAX_ELTS ((uword)UINT32_MAX)

/** The header of a pool that is not NULL. */
always_inline pool_header_t *
pool_header(const void *v)
{
	return _vec_near_header(v, pool_header_t);
}

/** Bytes below element 0 of a pool whose elements ask for no alignment. */
#define pool_aligned_header_bytes vec_aligned_header_bytes(sizeof(pool_header_t), sizeof(void *))

/* ---- inside ---- */

/** Room for n_more elements past the length, and for their free indices and bits.
 *  @return the pool, perhaps moved; NULL with the pool as it was. */
CLIB_EXPORT void *_pool_grow(void *p, uword n_more, uword elt_bytes, uword align, void *heap);
CLIB_EXPORT void *_pool_new_fixed(uword n_elts, uword elt_bytes, uword align, void *heap);
CLIB_EXPORT void *_pool_dup(const void *p, uword elt_bytes, uword align, void *heap);
CLIB_EXPORT void *_pool_validate_index(void *p, uword i, uword elt_bytes, uword align);
CLIB_EXPORT void _pool_free(const void *p);
CLIB_EXPORT uword _pool_header_bytes(const void *p);

/* Whether element `len` can be taken without a call. */
always_inline int
_pool_has_room(const void *p, uword elt_bytes)
{
	return !_vec_is_full(p, elt_bytes) &&
	       _vec_find(p)->len / CLIB_BITMAP_WORD_BITS < vec_len64(pool_header(p)->free_bitmap) &&
	       _vec_find(p)->len < vec_max_len(pool_header(p)->free_indices);
}

/* A free index, or a new one where there is room; ~0: the pool must grow.  A pool that is there
 * has a vector of free indices, so that one is not asked for. */
always_inline uword
_pool_take_index(void *p, uword elt_bytes)
{
	pool_header_t *h;
	u64 n_free;
	u32 i;

	if (PREDICT_FALSE(!p))
		return ~0ULL;
	h = pool_header(p);
	n_free = _vec_find(h->free_indices)->len;
	if (PREDICT_FALSE(!n_free))
		return _pool_has_room(p, elt_bytes) ? _vec_find(p)->len++ : ~0ULL;
	i = h->free_indices[--n_free];
	_vec_find(h->free_indices)->len = n_free;
	h->free_bitmap[i / CLIB_BITMAP_WORD_BITS] &= ~(1ULL << i % CLIB_BITMAP_WORD_BITS);
	return i;
}

always_inline int
_pool_put_index(void *p, uword i)
{
	uword *w, bit = 1ULL << i % CLIB_BITMAP_WORD_BITS;
	pool_header_t *h;

	if (PREDICT_FALSE(i >= vec_len64(p)))
		return -EINVAL;
	h = pool_header(p);
	w = h->free_bitmap + i / CLIB_BITMAP_WORD_BITS;
	if (PREDICT_FALSE(*w & bit))
		return -EALREADY;
	*w |= bit;
	h->free_indices[_vec_find(h->free_indices)->len++] = (u32)i;
	return 0;
}

/* ---- looking ---- */

/** Elements that were ever handed out, free ones included: one above the greatest index. */
#define pool_len(p) vec_len(p)

/** Elements in use. */
always_inline uword
pool_elts(const void *p)
{
	return p ? vec_len64(p) - vec_len64(pool_header(p)->free_indices) : 0;
}

/** Elements that a get can have without growing, and those the pool holds by then. */
#define pool_free_elts(P)                                                                          \
	((P) ? vec_len64(pool_header(P)->free_indices) + vec_max_len(P) - vec_len64(P) : 0)
#define pool_max_len(P) vec_max_len(P)

/** Bytes in use by elements, headers, bitmap and indices. */
#define pool_bytes(P) (vec_bytes(P) + _pool_header_bytes(P))

/** Whether index i (element E) is free or not there at all. */
always_inline int
pool_is_free_index(const void *p, uword i)
{
	return i >= vec_len64(p) || clib_bitmap_get(pool_header(p)->free_bitmap, i);
}
#define pool_is_free(P, E) pool_is_free_index((P), (uword)((E) - (P)))

/** Pointer to element i; ASSERTs that it is in use. */
#define pool_elt_at_index(P, i)                                                                    \
	({                                                                                         \
		ASSERT(!pool_is_free_index((P), (i)));                                             \
		(P) + (i);                                                                         \
	})

/** Lowest index in use, and the one after `last`; not less than pool_len() when there is none. */
always_inline uword
pool_get_first_index(const void *p)
{
	return p ? clib_bitmap_first_clear(pool_header(p)->free_bitmap) : 0;
}

/** The lowest index above `last' that is not free; past the pool's end when none is in use. */
always_inline uword
pool_get_next_index(const void *p, uword last)
{
	return p ? clib_bitmap_next_clear(pool_header(p)->free_bitmap, last + 1) : last + 1;
}

/* The lowest index in use from i on; ~0 for none. */
always_inline uword
_pool_index_from(const void *p, uword i)
{
	uword next = p ? clib_bitmap_next_clear(pool_header(p)->free_bitmap, i) : i;

	return next < vec_len64(p) ? next : ~0ULL;
}

/** Index in use after I, ~0 at the end.  I = ~0, of any integer type, asks for the first. */
#define pool_next_index(P, I) _pool_index_from((P), (__typeof__(I))((I) + 1))

/** Whether a get would have to find memory.  Old VPP passes a variable for the answer. */
#define pool_get_will_expand(P, ...)                                                               \
	_pool_get_will_expand##__VA_OPT__(_to)(P __VA_OPT__(, ) __VA_ARGS__)
#define _pool_get_will_expand(P)                                                                   \
	(!(P) ||                                                                                   \
	 (vec_len64(pool_header(P)->free_indices) == 0 && !_pool_has_room((P), sizeof((P)[0]))))
#define _pool_get_will_expand_to(P, YESNO) ((YESNO) = _pool_get_will_expand(P))
/** (P, A) has a value, old VPP's (P, YESNO, A) stores it. */
#define pool_get_aligned_will_expand(P, ...)                                                       \
	_VEC_BY_COUNT(P, __VA_ARGS__, _pool_get_aligned_will_expand_3,                             \
		      _pool_get_aligned_will_expand_2, _)                                          \
	(P, __VA_ARGS__)
#define _pool_get_aligned_will_expand_2(P, A) _pool_get_will_expand(P)
#define _pool_get_aligned_will_expand_3(P, YESNO, A) _pool_get_will_expand_to(P, YESNO)

/** Never: room for the free indices comes with the elements.  (P, E) has a value, old VPP's
 *  (P, E, YESNO) stores it. */
#define pool_put_will_expand(P, ...)                                                               \
	_VEC_BY_COUNT(P, __VA_ARGS__, _pool_put_will_expand_3, _pool_put_will_expand_2, _)         \
	(P, __VA_ARGS__)
#define _pool_put_will_expand_2(P, E) ((void)(P), (void)(E), 0)
#define _pool_put_will_expand_3(P, E, YESNO) ((void)(P), (void)(E), (YESNO) = 0)

/* ---- take and give back ---- */

/** Point E at an object, contents undefined, element 0 of a new pool on a multiple of A. */
#define _pool_get(P, E, A, HEAP) _pool_get_at(P, E, A, HEAP, CLIB_UNIQUE(_pool_i))
#define _pool_get_at(P, E, A, HEAP, i)                                                             \
	({                                                                                         \
		uword i = _pool_take_index((P), sizeof((P)[0]));                                   \
		if (PREDICT_FALSE(i == ~0ULL) &&                                                   \
		    !_vec_take(P, _pool_grow((P), 1, sizeof((P)[0]), _vec_align(P, A), (HEAP))))   \
			i = _vec_find(P)->len++;                                                   \
		(E) = PREDICT_TRUE(i != ~0ULL) ? (P) + i : (__typeof__((P) + 0))_vec_null();       \
		i == ~0ULL ? -ENOMEM : 0;                                                          \
	})
#define _pool_get_zero(P, E, A, HEAP)                                                              \
	({ _pool_get(P, E, A, HEAP) ? -ENOMEM : (memset((E), 0, sizeof((E)[0])), 0); })
#define pool_get(P, E) _pool_get(P, E, 0, 0)
#define pool_get_aligned(P, E, A) _pool_get(P, E, A, 0)
#define pool_get_zero(P, E) _pool_get_zero(P, E, 0, 0)
#define pool_get_aligned_zero(P, E, A) _pool_get_zero(P, E, A, 0)
#define pool_get_heap(P, E, HEAP) _pool_get(P, E, 0, HEAP)
#define pool_get_zero_heap(P, E, HEAP) _pool_get_zero(P, E, 0, HEAP)
#define pool_get_aligned_heap(P, E, A, HEAP) _pool_get(P, E, A, HEAP)
#define pool_get_aligned_zero_heap(P, E, A, HEAP) _pool_get_zero(P, E, A, HEAP)

/** Give an object back.  Value: 0; -EALREADY it was free; -EINVAL no such index; the pool is then
 *  as it was. */
#define pool_put_index(P, I) _pool_put_index((P), (I))
#define pool_put(P, E) _pool_put_index((P), (uword)((E) - (P)))

/** Reserve: n gets more without growing. */
#define pool_alloc_aligned_heap(P, N, A, HEAP)                                                     \
	_vec_take(P, _pool_grow((P), (N), sizeof((P)[0]), _vec_align(P, A), (HEAP)))
#define pool_alloc(P, N) pool_alloc_aligned_heap(P, N, 0, 0)
#define pool_alloc_aligned(P, N, A) pool_alloc_aligned_heap(P, N, A, 0)
#define pool_alloc_heap(P, N, HEAP) pool_alloc_aligned_heap(P, N, 0, HEAP)

/** A pool of n elements that never grows and never moves: the (n + 1)-th get has none.
 *  Value: 0; -EINVAL for n of 0; -ENOMEM; P is then NULL. */
#define pool_init_fixed(P, N) _pool_init_fixed(P, N, 0)
#define pool_init_fixed_aligned(P, N, A) _pool_init_fixed(P, N, A)
#define _pool_init_fixed(P, N, A) _pool_init_fixed_n(P, N, A, CLIB_UNIQUE(_pool_n))
#define _pool_init_fixed_n(P, N, A, n)                                                             \
	({                                                                                         \
		uword n = (N);                                                                     \
		(P) = (__typeof__(P))_pool_new_fixed(n, sizeof((P)[0]), _vec_align(P, A), 0);      \
		(P) ? 0 : n ? -ENOMEM : -EINVAL;                                                   \
	})

/** Make index i exist; elements that this adds are zero and in use. */
#define pool_validate_index(P, I)                                                                  \
	_vec_take(P, _pool_validate_index((P), (I), sizeof((P)[0]), _vec_align(P, 0)))

/** A copy, with the same indices free; NULL for NULL and when there is no memory. */
#define pool_dup(P) pool_dup_aligned(P, 0)
#define pool_dup_aligned(P, A)                                                                     \
	((__typeof__((P)[0]) *)_pool_dup((P), sizeof((P)[0]), _vec_align(P, A), 0))

/** Free the pool, objects in use and all, and set P to 0.  NULL-safe. */
#define pool_free(P) ((void)(_pool_free(P), (P) = 0))

/** Compare bitmap and indices.  @return 0; -EUCLEAN; -ENOMEM: no memory to look.  Cost: a walk. */
CLIB_EXPORT int pool_check(const void *p);

/** The same; stops the process when they differ. */
CLIB_EXPORT void pool_validate(const void *p);

/* ---- loops ---- */

/* The object in use after e, which has index i, or a place past the end.  Most often it is the
 * next in memory: that address is known before the bitmap is. */
always_inline void *
_pool_next_elt(const void *p, const void *e, uword i, uword elt_bytes)
{
	const uword *bitmap;

	if (PREDICT_FALSE(!p))
		return (u8 *)e + elt_bytes;
	bitmap = pool_header(p)->free_bitmap;
	i++;
	if (PREDICT_TRUE(!clib_bitmap_get(bitmap, i)))
		return (u8 *)e + elt_bytes;
	return (u8 *)p + clib_bitmap_next_clear(bitmap, i) * elt_bytes;
}

/* The first object in use, or a place past the end. */
#define _pool_first(P) ((P) ? (P) + pool_get_first_index(P) : (P))

/** The objects in use.  pool_foreach(e, p) { body } is a loop; old VPP's
 *  pool_foreach(e, p, ({ body })) is a statement in which break ends one turn only.  The body may
 *  put the object it is at; after a get that moved the pool, e points at old memory. */
#define pool_foreach(VAR, POOL, ...)                                                               \
	_pool_foreach##__VA_OPT__(_body)(VAR, POOL __VA_OPT__(, ) __VA_ARGS__)
#define _pool_foreach(VAR, POOL)                                                                   \
	for ((VAR) = _pool_first(POOL); (VAR) < vec_end(POOL);                                     \
	     (VAR) = (__typeof__(VAR))_pool_next_elt((POOL), (VAR), (uword)((VAR) - (POOL)),       \
						     sizeof((POOL)[0])))
#define _pool_foreach_body(VAR, POOL, ...)                                                         \
	do {                                                                                       \
		_pool_foreach(VAR, POOL)                                                           \
		{                                                                                  \
			do {                                                                       \
				__VA_ARGS__;                                                       \
			} while (0);                                                               \
		}                                                                                  \
	} while (0)

/** The name of the statement in the VPP releases that had both. */
#define pool_foreach_old(VAR, POOL, ...) _pool_foreach_body(VAR, POOL, __VA_ARGS__)

/** The same over indices; the body may get. */
#define pool_foreach_index(i, v, ...)                                                              \
	_pool_foreach_index##__VA_OPT__(_body)(i, v __VA_OPT__(, ) __VA_ARGS__)
#define _pool_foreach_index(i, v)                                                                  \
	for ((i) = pool_get_first_index(v); (uword)(i) < vec_len64(v);                             \
	     (i) = pool_get_next_index((v), (i)))
#define _pool_foreach_index_body(i, v, ...)                                                        \
	do {                                                                                       \
		_pool_foreach_index(i, v)                                                          \
		{                                                                                  \
			do {                                                                       \
				__VA_ARGS__;                                                       \
			} while (0);                                                               \
		}                                                                                  \
	} while (0)

/** The indices in use in [s, e). */
#define pool_foreach_stepping_index(i, s, e, v)                                                    \
	for ((i) = pool_is_free_index((v), (s)) ? pool_get_next_index((v), (s)) : (s);             \
	     (i) < (e) && (uword)(i) < vec_len64(v); (i) = pool_get_next_index((v), (i)))

/** A pool of pointers: declares e, and yields each pointer in use. */
#define pool_foreach_pointer(e, p)                                                                 \
	for (__typeof__((p)[0]) *_pfp_##e = _pool_first(p), *_pfp_end_##e = vec_end(p),            \
				e = _pfp_##e < _pfp_end_##e ? *_pfp_##e : 0;                       \
	     _pfp_##e < _pfp_end_##e;                                                              \
	     _pfp_##e = (p) + pool_get_next_index((p), (uword)(_pfp_##e - (p))),                   \
				e = _pfp_##e < _pfp_end_##e ? *_pfp_##e : 0)

/** The longest runs [LO, HI) of indices in use, as they are when the loop gets there. */
#define pool_foreach_region(LO, HI, POOL, ...)                                                     \
	do {                                                                                       \
		for ((LO) = pool_get_first_index(POOL); (LO) < vec_len64(POOL);                    \
		     (LO) = pool_get_next_index((POOL), (HI))) {                                   \
			(HI) = _pool_region_end((POOL), (LO));                                     \
			do {                                                                       \
				__VA_ARGS__;                                                       \
			} while (0);                                                               \
		}                                                                                  \
	} while (0)

/* The first index above i that is not in use. */
always_inline uword
_pool_region_end(const void *p, uword i)
{
	uword end = clib_bitmap_next_set(pool_header(p)->free_bitmap, i);

	return clib_min(end, vec_len64(p));
}

/** Run the body for each object in use, then put it back. */
#define pool_flush(VAR, POOL, ...) _pool_flush(VAR, POOL, CLIB_UNIQUE(_pool_i), __VA_ARGS__)
#define _pool_flush(VAR, POOL, i, ...)                                                             \
	do {                                                                                       \
		uword i;                                                                           \
		_pool_foreach_index(i, POOL)                                                       \
		{                                                                                  \
			(VAR) = (POOL) + i;                                                        \
			do {                                                                       \
				__VA_ARGS__;                                                       \
			} while (0);                                                               \
			pool_put_index((POOL), i);                                                 \
		}                                                                                  \
	} while (0)

#endif
