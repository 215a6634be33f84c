/* SPDX-License-Identifier: Apache-2.0 */
/* fifo: a queue that is a ring in a vector; NULL is the empty queue.
 *
 *   u32 *f = 0, x;
 *   clib_fifo_add1 (f, 42);       at the tail; f may move
 *   clib_fifo_sub1 (f, x);        from the head
 *
 * The vector's length is the ring's size in elements; where the queue's head is and how many it
 * holds stand in the user header.  A full ring grows to 3/2, its elements unrolled.
 *
 * Adding has a value, 0 or -ENOMEM with the queue as it was.  f is evaluated several times, other
 * arguments once.  Threads: one at a time.  Owner and memory: as a vector's (vec.h). */
#ifndef included_vppinfra_fifo_h
#define included_vppinfra_fifo_h

#include <vppinfra/error.h>
#include <vppinfra/vec.h>

typedef struct {
	/** Index of the first element, below the ring's size. */
	u64 head_index;
	/** Elements in the queue. */
	u64 n_elts;
} clib_fifo_header_t;

/** The header of a queue that is not NULL. */
always_inline clib_fifo_header_t *
clib_fifo_header(const void *v)
{
	return (clib_fifo_header_t *)((u8 *)v - _vec_start_to_v(sizeof(clib_fifo_header_t),
								vec_get_align(v)));
}

/** Room for n_more elements: the ring, perhaps moved; NULL with it as it was. */
CLIB_EXPORT void *_clib_fifo_grow(void *v, uword n_more, uword elt_bytes, uword align);
CLIB_EXPORT void *_clib_fifo_dup(const void *v, uword elt_bytes, uword align);

/** Places in the ring; elements in it; places free. */
#define clib_fifo_len(v) vec_len64(v)

always_inline uword
clib_fifo_elts(const void *v)
{
	return v ? clib_fifo_header(v)->n_elts : 0;
}

always_inline uword
clib_fifo_free_elts(const void *v)
{
	return vec_len64(v) - clib_fifo_elts(v);
}

always_inline int
clib_fifo_is_full(const void *v)
{
	return clib_fifo_free_elts(v) == 0;
}

/* Index in the ring of the queue's element i, or of the place after the last. */
always_inline uword
_clib_fifo_index(const void *v, uword i)
{
	uword at = clib_fifo_header(v)->head_index + i;

	return at < vec_len64(v) ? at : at - vec_len64(v);
}

always_inline void
_clib_fifo_drop(void *v, uword n)
{
	ASSERT(n <= clib_fifo_elts(v));
	if (!n)
		return;
	clib_fifo_header(v)->head_index = _clib_fifo_index(v, n);
	clib_fifo_header(v)->n_elts -= n;
}

/** Pointer to element i from the head. */
#define clib_fifo_elt_at_index(v, i)                                                               \
	({                                                                                         \
		uword _fifo_i = (i);                                                               \
		ASSERT(_fifo_i < clib_fifo_elts(v));                                               \
		(v) + _clib_fifo_index((v), _fifo_i);                                              \
	})

/** Pointer to the first element, and to the place where the next one goes (in a ring that is not
 *  full). */
#define clib_fifo_head(v) ((v) + clib_fifo_header(v)->head_index)
#define clib_fifo_tail(v) ((v) + _clib_fifo_index((v), clib_fifo_elts(v)))

/** Room for n more elements. */
#define clib_fifo_validate(f, n) clib_fifo_validate_aligned(f, n, 0)
#define clib_fifo_validate_aligned(f, n, align)                                                    \
	({                                                                                         \
		uword _fifo_more = (n);                                                            \
		PREDICT_TRUE(_fifo_more <= clib_fifo_free_elts(f))                                 \
		? 0                                                                                \
		: _vec_take(f, _clib_fifo_grow((f), _fifo_more, sizeof((f)[0]),                    \
					       _vec_align(f, align)));                             \
	})

/** Room for n more than there are places now. */
#define clib_fifo_resize(f, n) clib_fifo_validate(f, clib_fifo_free_elts(f) + (n))

/** A new ring of at least n places; f's former value is not freed. */
#define clib_fifo_alloc(f, n)                                                                      \
	({                                                                                         \
		(f) = 0;                                                                           \
		clib_fifo_validate(f, n);                                                          \
	})

/** Append e. */
#define clib_fifo_add1(f, e) clib_fifo_add1_aligned(f, e, 0)
#define clib_fifo_add1_aligned(f, e, align)                                                        \
	({                                                                                         \
		int _fifo_error = clib_fifo_validate_aligned(f, 1, align);                         \
		if (PREDICT_TRUE(!_fifo_error)) {                                                  \
			*clib_fifo_tail(f) = (e);                                                  \
			clib_fifo_header(f)->n_elts++;                                             \
		}                                                                                  \
		_fifo_error;                                                                       \
	})

/** Append an element, contents undefined, and point p at it; at 0 without memory. */
#define clib_fifo_add2(f, p)                                                                       \
	({                                                                                         \
		int _fifo_error = clib_fifo_validate(f, 1);                                        \
		(p) = 0;                                                                           \
		if (PREDICT_TRUE(!_fifo_error)) {                                                  \
			(p) = clib_fifo_tail(f);                                                   \
			clib_fifo_header(f)->n_elts++;                                             \
		}                                                                                  \
		_fifo_error;                                                                       \
	})

/** Append copies of n elements from array e, which is not inside f. */
#define clib_fifo_add(f, e, n)                                                                     \
	({                                                                                         \
		uword _fifo_n = (n);                                                               \
		const __typeof__((f)[0]) *_fifo_from = (e);                                        \
		int _fifo_error = clib_fifo_validate(f, _fifo_n);                                  \
		if (PREDICT_TRUE(!_fifo_error))                                                    \
			for (; _fifo_n > 0; _fifo_n--) {                                           \
				*clib_fifo_tail(f) = *_fifo_from++;                                \
				clib_fifo_header(f)->n_elts++;                                     \
			}                                                                          \
		_fifo_error;                                                                       \
	})

/** Take the first element into e; there must be one. */
#define clib_fifo_sub1(f, e)                                                                       \
	do {                                                                                       \
		(e) = *clib_fifo_head(f);                                                          \
		_clib_fifo_drop((f), 1);                                                           \
	} while (0)

/** Take the first element and point p at it: good until the next add. */
#define clib_fifo_sub2(f, p)                                                                       \
	do {                                                                                       \
		(p) = clib_fifo_head(f);                                                           \
		_clib_fifo_drop((f), 1);                                                           \
	} while (0)

/** Drop n elements from the head; take n places at the tail, contents undefined, that are free. */
#define clib_fifo_advance_head(f, n) _clib_fifo_drop((f), (n))
#define clib_fifo_advance_tail(f, n)                                                               \
	({                                                                                         \
		uword _fifo_n = (n);                                                               \
		int _fifo_error = clib_fifo_validate(f, _fifo_n);                                  \
		if (PREDICT_TRUE(!_fifo_error && _fifo_n))                                         \
			clib_fifo_header(f)->n_elts += _fifo_n;                                    \
		_fifo_error;                                                                       \
	})

/** Empty the queue; the ring stays. */
#define clib_fifo_reset(f)                                                                         \
	do {                                                                                       \
		if (f)                                                                             \
			*clib_fifo_header(f) = (clib_fifo_header_t){ 0, 0 };                       \
	} while (0)

#define clib_fifo_free(f) vec_free(f)

/** A copy; NULL for an empty queue and when there is no memory. */
#define clib_fifo_dup(f) clib_fifo_dup_aligned(f, 0)
#define clib_fifo_dup_aligned(f, align)                                                            \
	((__typeof__((f)[0]) *)_clib_fifo_dup((f), sizeof((f)[0]), _vec_align(f, align)))

/** Each element, head to tail: v points at it; break ends one turn only. */
#define clib_fifo_foreach(v, f, ...)                                                               \
	do {                                                                                       \
		for (uword _fifo_turn = 0; _fifo_turn < clib_fifo_elts(f); _fifo_turn++) {         \
			(v) = (f) + _clib_fifo_index((f), _fifo_turn);                             \
			do {                                                                       \
				__VA_ARGS__;                                                       \
			} while (0);                                                               \
		}                                                                                  \
	} while (0)

#endif
