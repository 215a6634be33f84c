/* SPDX-License-Identifier: Apache-2.0 */
/* fifo: a queue that is a ring in a vector; NULL is the empty queue.
 *
 *   u32 *f = 0, x;
 *   clib_fifo_add1 (f, 42);       at the tail; f may move
 *   clib_fifo_sub1 (f, x);        from the head
 *
 * The vector's length is the ring's size in elements; where the queue starts and ends and how many
 * it holds stand in the user header.  A full ring grows to 3/2, its elements unrolled.
 *
 * Adding has a value, 0 or -ENOMEM with the queue as it was; taking from an empty queue is -ENOENT
 * and yields zero.  f is evaluated several times, other arguments once.  _aligned forms (, A)
 * put the ring's first place on a multiple of A when they make it.
 *
 * Threads: one at a time.  Owner and memory: as a vector's (vec.h). */
#ifndef included_vppinfra_fifo_h
#define included_vppinfra_fifo_h

#include <vppinfra/error.h>
#include <vppinfra/vec.h>

typedef struct {
	/** Index of the first element, and of the place behind the last; below the ring's size. */
	u64 head_index, tail_index;
	/** Elements in the queue: tells a full ring from an empty one. */
	u64 n_elts;
} clib_fifo_header_t;

/** The header of a queue that is not NULL. */
always_inline clib_fifo_header_t *
clib_fifo_header(const void *v)
{
	return _vec_near_header(v, clib_fifo_header_t);
}

/** Room for n_more elements: the ring, perhaps moved; NULL with it as it was. */
CLIB_EXPORT void *_clib_fifo_grow(void *v, uword n_more, uword elt_bytes, uword align);
CLIB_EXPORT void *_clib_fifo_dup(const void *v, uword elt_bytes, uword align);

/** Places in the ring; elements in it; places free. */
#define clib_fifo_len(v) vec_len64(v)

/** Elements in the queue; 0 for NULL. */
always_inline uword
clib_fifo_elts(const void *v)
{
	return v ? clib_fifo_header(v)->n_elts : 0;
}

/** How many fit before it grows. */
always_inline uword
clib_fifo_free_elts(const void *v)
{
	return vec_len64(v) - clib_fifo_elts(v);
}

/** Whether the next would make it grow. */
always_inline int
clib_fifo_is_full(const void *v)
{
	return clib_fifo_free_elts(v) == 0;
}

/* Index in the ring n places after index i, n at most the ring's size. */
always_inline uword
_clib_fifo_step(const void *v, uword i, uword n)
{
	return n < _vec_find(v)->len - i ? i + n : i + n - _vec_find(v)->len;
}

/* Index in the ring of the queue's element i. */
always_inline uword
_clib_fifo_index(const void *v, uword i)
{
	return _clib_fifo_step(v, clib_fifo_header(v)->head_index, i);
}

/* n places at the tail, of those that are free.  @return the index of the first */
always_inline uword
_clib_fifo_push(void *v, uword n)
{
	clib_fifo_header_t *h = clib_fifo_header(v);
	uword at = h->tail_index;

	h->tail_index = _clib_fifo_step(v, at, n);
	h->n_elts += n;
	return at;
}

/* Drop n elements at the head.  @return the index of the first; ~0, with nothing dropped, when
 * there are not so many */
always_inline uword
_clib_fifo_pull(void *v, uword n)
{
	clib_fifo_header_t *h;
	uword at;

	if (PREDICT_FALSE(n > clib_fifo_elts(v) || !v))
		return ~0ULL;
	h = clib_fifo_header(v);
	at = h->head_index;
	h->head_index = _clib_fifo_step(v, at, n);
	h->n_elts -= n;
	return at;
}

/* The elements of array e, which is not inside v, to n free places at the tail. */
always_inline void
_clib_fifo_copy_in(void *v, const void *e, uword n, uword elt_bytes)
{
	uword at = _clib_fifo_push(v, n), n_first = clib_min(n, _vec_find(v)->len - at);

	memcpy((u8 *)v + at * elt_bytes, e, n_first * elt_bytes);
	memcpy(v, (const u8 *)e + n_first * elt_bytes, (n - n_first) * elt_bytes);
}

/** Pointer to element i from the head. */
#define clib_fifo_elt_at_index(v, i) _clib_fifo_elt(v, i, CLIB_UNIQUE(_fifo_i))
#define _clib_fifo_elt(v, I, i)                                                                    \
	({                                                                                         \
		uword i = (I);                                                                     \
		ASSERT(i < clib_fifo_elts(v));                                                     \
		(v) + _clib_fifo_index((v), i);                                                    \
	})

/** Pointer to the first element, and to the place where the next one goes (in a ring that is not
 *  full). */
#define clib_fifo_head(v) ((v) + clib_fifo_header(v)->head_index)
#define clib_fifo_tail(v) ((v) + clib_fifo_header(v)->tail_index)

/** Room for n more elements. */
#define clib_fifo_validate(f, n) clib_fifo_validate_aligned(f, n, 0)
#define clib_fifo_validate_aligned(f, n, align)                                                    \
	_clib_fifo_validate(f, n, align, CLIB_UNIQUE(_fifo_n))
#define _clib_fifo_validate(f, N, align, n)                                                        \
	({                                                                                         \
		uword n = (N);                                                                     \
		PREDICT_TRUE(n <= clib_fifo_free_elts(f))                                          \
		? 0 : _vec_take(f, _clib_fifo_grow((f), n, sizeof((f)[0]), _vec_align(f, align))); \
	})

/** Room for n more than there are places now. */
#define clib_fifo_resize(f, n) clib_fifo_resize_aligned(f, n, 0)
#define clib_fifo_resize_aligned(f, n, align)                                                      \
	clib_fifo_validate_aligned(f, clib_fifo_free_elts(f) + (n), align)

/** A new ring of at least n places; f's former value is not freed. */
#define clib_fifo_alloc(f, n) clib_fifo_alloc_aligned(f, n, 0)
#define clib_fifo_alloc_aligned(f, n, align)                                                       \
	({                                                                                         \
		(f) = 0;                                                                           \
		clib_fifo_validate_aligned(f, n, align);                                           \
	})

/** Append e, which may itself change f. */
#define clib_fifo_add1(f, e) clib_fifo_add1_aligned(f, e, 0)
#define clib_fifo_add1_aligned(f, e, align)                                                        \
	_clib_fifo_add1(f, e, align, CLIB_UNIQUE(_fifo_value), CLIB_UNIQUE(_fifo_at),              \
			CLIB_UNIQUE(_fifo_error))
#define _clib_fifo_add1(f, e, align, value, at, error)                                             \
	({                                                                                         \
		__typeof__((f)[0]) value = (e);                                                    \
		int error = clib_fifo_validate_aligned(f, 1, align);                               \
		if (PREDICT_TRUE(!error)) {                                                        \
			uword at = _clib_fifo_push((f), 1);                                        \
			(f)[at] = value;                                                           \
		}                                                                                  \
		error;                                                                             \
	})

/** Append an element, contents undefined, and point p at it; at 0 without memory. */
#define clib_fifo_add2(f, p) clib_fifo_add2_aligned(f, p, 0)
#define clib_fifo_add2_aligned(f, p, align) _clib_fifo_add2(f, p, align, CLIB_UNIQUE(_fifo_error))
#define _clib_fifo_add2(f, p, align, error)                                                        \
	({                                                                                         \
		int error = clib_fifo_validate_aligned(f, 1, align);                               \
		(p) = PREDICT_TRUE(!error) ? (f) + _clib_fifo_push((f), 1) : 0;                    \
		error;                                                                             \
	})

/** Append copies of n elements from array e, which is not inside f. */
#define clib_fifo_add(f, e, n) clib_fifo_add_aligned(f, e, n, 0)
#define clib_fifo_add_aligned(f, e, n, align)                                                      \
	_clib_fifo_add(f, e, n, align, CLIB_UNIQUE(_fifo_n), CLIB_UNIQUE(_fifo_error))
#define _clib_fifo_add(f, e, N, align, n, error)                                                   \
	({                                                                                         \
		uword n = (N);                                                                     \
		int error = clib_fifo_validate_aligned(f, n, align);                               \
		if (PREDICT_TRUE(!error && n))                                                     \
			_clib_fifo_copy_in((f), (e), n, sizeof((f)[0]));                           \
		error;                                                                             \
	})

/** Take the first element into e.  Value: 0; -ENOENT when there is none, e is then zero. */
#define clib_fifo_sub1(f, e) _clib_fifo_sub1(f, e, CLIB_UNIQUE(_fifo_at), CLIB_UNIQUE(_fifo_zero))
#define _clib_fifo_sub1(f, e, at, zero)                                                            \
	({                                                                                         \
		uword at = _clib_fifo_pull((f), 1);                                                \
		if (PREDICT_TRUE(at != ~0ULL))                                                     \
			(e) = (f)[at];                                                             \
		else {                                                                             \
			__typeof__((f)[0]) zero;                                                   \
			memset((void *)&zero, 0, sizeof(zero));                                    \
			(e) = zero;                                                                \
		}                                                                                  \
		at != ~0ULL ? 0 : -ENOENT;                                                         \
	})

/** Take the first element and point p at it: good until the next add.  Value: 0; -ENOENT, p is
 *  then 0. */
#define clib_fifo_sub2(f, p) _clib_fifo_sub2(f, p, CLIB_UNIQUE(_fifo_at))
#define _clib_fifo_sub2(f, p, at)                                                                  \
	({                                                                                         \
		uword at = _clib_fifo_pull((f), 1);                                                \
		(p) = PREDICT_TRUE(at != ~0ULL) ? (f) + at : 0;                                    \
		(p) ? 0 : -ENOENT;                                                                 \
	})

/** Drop n elements from the head; take n places at the tail, contents undefined, which a full ring
 *  grows for.  Value: the index in the ring, f[index], of the first of them, others following
 *  round the ring's end; ~0 with the queue as it was: not so many there, or no memory. */
#define clib_fifo_advance_head(f, n) _clib_fifo_pull((f), (n))
#define clib_fifo_advance_tail(f, n) _clib_fifo_advance_tail(f, n, CLIB_UNIQUE(_fifo_n))
#define _clib_fifo_advance_tail(f, N, n)                                                           \
	({                                                                                         \
		uword n = (N);                                                                     \
		PREDICT_TRUE(!clib_fifo_validate(f, n) && (f)) ? _clib_fifo_push((f), n) : ~0ULL;  \
	})

/** Empty the queue; the ring stays. */
always_inline void
clib_fifo_reset(void *v)
{
	if (v)
		*clib_fifo_header(v) = (clib_fifo_header_t){ 0, 0, 0 };
}

/** Free and set f to 0. */
#define clib_fifo_free(f) vec_free(f)

/** A copy; NULL for an empty queue and when there is no memory. */
#define clib_fifo_dup(f) clib_fifo_dup_aligned(f, 0)
#define clib_fifo_dup_aligned(f, align)                                                            \
	((__typeof__((f)[0]) *)_clib_fifo_dup((f), sizeof((f)[0]), _vec_align(f, align)))

/** Each element, head to tail: v points at it; break ends one turn only. */
#define clib_fifo_foreach(v, f, ...) _clib_fifo_foreach(v, f, CLIB_UNIQUE(_fifo_i), __VA_ARGS__)
#define _clib_fifo_foreach(v, f, i, ...)                                                           \
	do {                                                                                       \
		for (uword i = 0; i < clib_fifo_elts(f); i++) {                                    \
			(v) = (f) + _clib_fifo_index((f), i);                                      \
			do {                                                                       \
				__VA_ARGS__;                                                       \
			} while (0);                                                               \
		}                                                                                  \
	} while (0)

#endif
