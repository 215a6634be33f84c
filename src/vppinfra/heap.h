/* SPDX-License-Identifier: Apache-2.0 */
/* heap: ranges of indices of a vector, handed out and taken back.
 *
 *   foo_t *v = 0;
 *   u32 handle;
 *   uword i = heap_alloc (v, 12, handle);   v[i] ... v[i + 11] are ours; v may move
 *   heap_len (v, handle);                   12
 *   heap_dealloc (v, handle);
 *
 * For objects of many sizes that are better named by index than by address, as they then may move
 * together: keys, strings, rewrite data, tables of counters.  (Memory for objects that stay where
 * they are is mheap's.)  v is a vector whose user header is heap_header_t.  The ranges, used and
 * free, tile it; each has a record in a vector of its own, and a handle is a record's index:
 *
 *   v:      | used 12 | free 3 | used 1 | free 40 ...
 *   elts:     ^ 0       ^ 2      ^ 1      ^ 3           chained in the order of offsets
 *
 * Free ranges are in lists by size, one a size up to 31 and four a power of two above, with a
 * bitmap of the lists that have any.  A request takes the smallest range among the first few of
 * the first list that has one; only when there is none does the vector grow, by what its free end
 * lacks; and where it may not grow any more every range that could do is looked at before
 * giving up.  Neighbours are merged at once.
 *
 * Invariants, as heap_check() runs them: ranges tile [0, length); no two neighbours are free; each
 * free one is in the list of its size, and in no other.
 *
 * Threads: one at a time.  Contents of a new range are undefined. */
#ifndef included_vppinfra_heap_h
#define included_vppinfra_heap_h

/* hash.h and above are for those who include heap.h alone, as with VPP's. */
#include <vppinfra/bitmap.h>
#include <vppinfra/cache.h>
#include <vppinfra/format.h>
#include <vppinfra/hash.h>
#include <vppinfra/vec.h>

/** A record of a range. */
typedef struct {
	/** First index; the free bit says that nobody has the range (or that there is none). */
	u32 offset;
#define HEAP_ELT_FREE_BIT (1u << 31)

	/** The neighbours' records, relative to this one; 0: there is none. */
	i32 next, prev;

	/** Free ranges of a list: indices of records, ~0 at the ends. */
	u32 next_free, prev_free;
} heap_elt_t;

/** Sizes below this have a list each. */
#define HEAP_LOG2_SMALL_BINS (5)
#define HEAP_SMALL_BINS (1 << HEAP_LOG2_SMALL_BINS)
/** Sizes are below 2^31, so above the small ones there are 26 powers of two with 4 lists each. */
#define HEAP_LOG2_BINS_PER_POWER (2)
#define HEAP_N_BINS (HEAP_SMALL_BINS + ((31 - HEAP_LOG2_SMALL_BINS) << HEAP_LOG2_BINS_PER_POWER))

typedef struct {
	/** Records of ranges. */
	heap_elt_t *elts;

	/** Records that are not in use; there is always room for all of them. */
	u32 *free_elts;

	/** Prints an object in format_heap.  Arguments in va: void *v, void *object. */
	format_function_t *format_elt;

	/** Records of the first and the last range; valid while the vector has elements. */
	u32 head, tail;

	/** Ranges handed out.  Elements the vector may have at most; 0: no limit. */
	u32 used_count, max_len;

	/** Bytes of an element. */
	u32 elt_bytes;

	u32 flags;
/* The vector lies in memory of the user's and cannot grow out of it. */
#define HEAP_IS_STATIC (1)

	/** Handles that heap_dealloc() refused. */
	u32 n_bad_handles;

	/** Heads of the lists of free ranges, ~0 for none, and a bit for each that has one. */
	u32 free_lists[HEAP_N_BINS];
	uword non_empty_free_lists[(HEAP_N_BINS + 63) / 64];
} heap_header_t;

/** Element 0 starts a cache line. */
#define HEAP_DATA_ALIGN (CLIB_CACHE_LINE_BYTES)

/** Bytes in front of element 0. */
always_inline uword
heap_header_bytes(void)
{
	return _vec_start_to_v(sizeof(heap_header_t), HEAP_DATA_ALIGN);
}

/** The header of a heap that is not NULL. */
always_inline heap_header_t *
heap_header(const void *v)
{
	return (heap_header_t *)((u8 *)v - heap_header_bytes());
}

/* ---- records ---- */

/** Whether nobody has the range. */
always_inline uword
heap_is_free(const heap_elt_t *e)
{
	return (e->offset & HEAP_ELT_FREE_BIT) != 0;
}

/** The range's first index. */
always_inline uword
heap_offset(const heap_elt_t *e)
{
	return e->offset & ~HEAP_ELT_FREE_BIT;
}

/** The record of the range after this one; e itself at the end. */
always_inline heap_elt_t *
heap_next(heap_elt_t *e)
{
	return e + e->next;
}

/** The record of the range before it; e itself at the beginning. */
always_inline heap_elt_t *
heap_prev(heap_elt_t *e)
{
	return e + e->prev;
}

/** Elements in a range. */
always_inline uword
heap_elt_size(const void *v, heap_elt_t *e)
{
	heap_elt_t *next = heap_next(e);

	return (next != e ? heap_offset(next) : vec_len64(v)) - heap_offset(e);
}

/** The record of a handle; ASSERTs that it is in use. */
always_inline heap_elt_t *
heap_get_elt(const void *v, uword handle)
{
	heap_elt_t *e = vec_elt_at_index(heap_header(v)->elts, handle);

	ASSERT(!heap_is_free(e));
	return e;
}

/* ---- make, copy, free ---- */

/** A heap of no elements, current heap's memory; NULL when there is none. */
CLIB_EXPORT void *_heap_new(u32 len, u32 elt_bytes);
#define heap_new(v) ((v) = (__typeof__(v))_heap_new(0, sizeof((v)[0])))

/**
 * A heap in memory of the caller's, that never moves and never has more than max_len elements.
 * Its records still come from the current heap.
 * @param memory  heap_header_bytes() + max_len * elt_bytes bytes, the caller's until heap_free()
 *                and after; a multiple of 16
 * @return the heap; NULL when memory is not aligned, or max_len or elt_bytes is 0
 */
CLIB_EXPORT void *heap_create_from_memory(void *memory, uword max_len, uword elt_bytes);

/** A copy with the same handles; NULL for NULL and when there is no memory. */
CLIB_EXPORT void *_heap_dup(const void *v, uword v_bytes);
#define heap_dup(v) ((__typeof__(v))_heap_dup((v), vec_bytes(v)))

/** Free the heap, objects and all, and set v to 0.  NULL-safe. */
CLIB_EXPORT void *_heap_free(void *v);
#define heap_free(v) ((v) = (__typeof__(v))_heap_free(v))

/** The most elements the vector may have, 0: no limit; objects beyond stay.  Makes a heap of NULL.
 *  Value: 0 or -ENOMEM.  Of a heap in memory of the user's it can only be lowered. */
#define heap_set_max_len(v, n)                                                                     \
	({                                                                                         \
		if (!(v))                                                                          \
			heap_new(v);                                                               \
		_heap_set_max_len((v), (n));                                                       \
	})
CLIB_EXPORT int _heap_set_max_len(void *v, uword max_len);

/** That limit; 0: none. */
always_inline uword
heap_get_max_len(const void *v)
{
	return v ? heap_header(v)->max_len : 0;
}

/** What format_heap prints an object with; v is not NULL. */
#define heap_set_format(v, f) (heap_header(v)->format_elt = (f))

/* ---- take and give back ---- */

/**
 * Take a range.
 * @param size    elements, at least 1
 * @param align   the offset is a multiple of it; rounded up to a power of two
 * @param elt_bytes  of an element; what made the heap counts
 * @param[out] offset  first index, or ~0: no memory, max_len reached, size 0 or beyond 2^31
 * @param[out] handle  names the range until heap_dealloc(); ~0 with ~0
 * @return the heap, perhaps moved; as it was on failure
 *
 * Cost: a scan of a bitmap and some records, constant; linear in the free ranges that are large
 * enough before it fails.
 */
CLIB_EXPORT void *_heap_alloc(void *v, uword size, uword align, uword elt_bytes, uword *offset,
			      uword *handle);

/** Value: the offset, ~0 on failure; the handle goes to the variable `handle`. */
#define heap_alloc_aligned(v, size, align, handle)                                                 \
	_heap_alloc_as(v, size, align, handle, CLIB_UNIQUE(_heap_s), CLIB_UNIQUE(_heap_a),         \
		       CLIB_UNIQUE(_heap_o), CLIB_UNIQUE(_heap_h))
#define _heap_alloc_as(v, size, align, handle, s, a, o, h)                                         \
	({                                                                                         \
		uword s = (size), a = (align), o, h;                                               \
		(v) = (__typeof__(v))_heap_alloc((v), s, a, sizeof((v)[0]), &o, &h);               \
		(handle) = (__typeof__(handle))h;                                                  \
		o;                                                                                 \
	})
#define heap_alloc(v, size, handle) heap_alloc_aligned(v, size, 0, handle)

/** Give a range back; never needs memory.  A handle that names none is counted, reported on stderr
 *  and ignored.  Cost: constant. */
CLIB_EXPORT void heap_dealloc(void *v, uword handle);

/** The same, silent.  @return 0; -EINVAL no such handle; -EALREADY nobody has it. */
CLIB_EXPORT int heap_dealloc_checked(void *v, uword handle);

/* ---- looking ---- */

/** Elements in the range of a handle; 0 for one that names none. */
CLIB_EXPORT uword heap_len(const void *v, word handle);

/** Pointer to a range, and an element by its index. */
#define heap_elt_with_handle(v, handle) ((v) + heap_offset(heap_get_elt((v), (handle))))
#define heap_elt_at_index(v, index) vec_elt_at_index(v, index)

/** Whether a handle names no range. */
always_inline uword
heap_is_free_handle(const void *v, uword handle)
{
	return !v || handle >= vec_len64(heap_header(v)->elts) ||
	       heap_is_free(heap_header(v)->elts + handle);
}

/** Ranges handed out. */
always_inline uword
heap_elts(const void *v)
{
	return v ? heap_header(v)->used_count : 0;
}
/** Bytes of memory, elements and records and all. */
CLIB_EXPORT uword heap_bytes(const void *v);

/** The body for each range handed out, in the order of indices: var points at it, len is its
 *  length.  As in VPP break ends the body for one range only.  It may not change the heap. */
#define heap_foreach(var, len, heap, ...)                                                          \
	_heap_foreach(var, len, heap, CLIB_UNIQUE(_heap_e), __VA_ARGS__)
#define _heap_foreach(var, len, heap, e, ...)                                                      \
	do {                                                                                       \
		heap_elt_t *e = vec_len64(heap) ? _heap_first(heap) : 0;                           \
		for (; e; e = e->next ? heap_next(e) : 0) {                                        \
			if (heap_is_free(e))                                                       \
				continue;                                                          \
			(var) = (heap) + heap_offset(e);                                           \
			(len) = (__typeof__(len))heap_elt_size((heap), e);                         \
			do {                                                                       \
				__VA_ARGS__;                                                       \
			} while (0);                                                               \
		}                                                                                  \
	} while (0)
always_inline heap_elt_t *
_heap_first(const void *v)
{
	return heap_header(v)->elts + heap_header(v)->head;
}

/** Compare everything.  @return 0 or -EUCLEAN.  heap_validate() stops the process instead.
 *  Cost: a walk. */
CLIB_EXPORT int heap_check(const void *v);
CLIB_EXPORT void heap_validate(const void *v);

/** Format function, arguments void *v, int verbose: objects and bytes on a line; verbose: each
 *  range, used and free, on a line of its own. */
CLIB_EXPORT format_function_t format_heap;

#endif
