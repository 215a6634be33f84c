/* SPDX-License-Identifier: Apache-2.0 */
/* mheap: a heap that is a vector.
 *
 * One mapped region holds everything.  v, the vector's first byte, is on a page boundary; the
 * heap's own header lies just below it and is found by subtraction, so a heap needs no table.
 * Objects are named by their byte offset from v (uoffset); nothing inside the region is an
 * absolute address, so a heap can be read where another process maps it; gets and puts are for the
 * mapping that it was made in.
 *
 *   base        h                        v (page boundary)                    base + size
 *    |  slack   | mheap_t | vec_header_t | elt | user data | elt | user data | elt (end) |
 *
 * Each elt holds its own size and its left neighbour's, so put merges both ways in constant
 * time (boundary tags: Knuth, TAOCP vol. 1, 2.5).  Free elements hang in two-level segregated
 * lists (Masmano and others, TLSF, 2004): exact sizes up to 1 KiB, eight ranges an octave above;
 * a bitmap finds the first list that is certain to fit.  Invariants, as mheap_check() runs them:
 *   - the elements tile [v, v + len): no gap, no overlap;
 *   - no two neighbours are free, and the last element is never free;
 *   - bit b of non_empty_free_elt_heads is set if and only if bin b has an element;
 *   - n_elts and the byte counters equal what a walk finds.
 *
 * Pages.  Growth commits before anything is written.  A put that leaves a free element with 1 MiB
 * or more of whole pages gives them back, all but the one with the links (is_reclaimed); a get from
 * it commits what it hands out.  The same happens above the vector's end.  Where the heap then
 * grows again, it was too soon: the next time twice as much is kept, up to 16 MiB, so a program
 * that does a thing over and over pays for its pages once.  When a quarter of what was in use (and
 * as much as is kept, or 8 MiB) has gone, each put looks at two more free elements, until all have
 * given their pages back, those above the end last; and again as it falls on: so memory goes when
 * objects do.
 *
 * Mistakes.  A put is refused unless the header's tag, its state and the right neighbour's copy of
 * the size agree; links are followed only where they point both ways.  Either failing, the
 * handler of mheap_set_error_handler() is told and the rest of the heap goes on. */
#ifndef included_mheap_h
#define included_mheap_h

#include <vppinfra/atomics.h>
#include <vppinfra/cache.h>
#include <vppinfra/clib.h>
#include <vppinfra/vec_header.h>

/** Ends a list of free elements. */
#define MHEAP_GROUNDED (~(u64)0)

/** Links of a free element, in its user data, encoded against overwriting. */
typedef struct {
	u64 next_uoffset, prev_uoffset;
} mheap_free_elt_t;

/** Frozen layout: 16 bytes before each object.  Sizes count words of 8 bytes in 40 bits, so
 *  objects and heaps up to 8 TiB; user data is 16-byte aligned. */
typedef struct {
	/** Size of the left neighbour; MHEAP_N_USER_DATA_INVALID on the first element. */
	u64 prev_n_user_data : 40;
	/** The left neighbour is on a free list. */
	u64 prev_is_free : 1;
	u64 reserved : 7;
	/** Hash of the heap's cookie and this element's offset: a stranger's pointer fails here. */
	u64 tag : 16;

	/** Own size; MHEAP_N_USER_DATA_INVALID marks the end. */
	u64 n_user_data : 40;
	/** On a free list, so free_elt below is valid. */
	u64 is_free : 1;
	/** Free, and whole pages inside were given back to the system: taking it commits again. */
	u64 is_reclaimed : 1;
	/** Free, and its whole pages were looked at since: it hangs behind those that were not. */
	u64 is_swept : 1;
	u64 reserved2 : 5;
	/** The thread front that the object was got from or is cached in (mheap_front.h); 0: none.
	 * A half-word of its own: its owner writes it while others write the rest under the lock.
	 */
	u64 front : 16;

	union {
		u64 user_data[0];
		mheap_free_elt_t free_elt;
	};
} mheap_elt_t;

/** What a free element with is_reclaimed set keeps behind its links: the pages inside it that
 *  were given back, as offsets from v. */
typedef struct {
	u64 lo_uoffset, hi_uoffset;
} mheap_reclaimed_t;

/** Sizes of an element: words that sizes are counted in, what an object costs beside its bytes, the
 *  smallest object, the alignment that all have; and the size of what has none. */
#define MHEAP_USER_DATA_WORD_BYTES 8
#define MHEAP_ELT_OVERHEAD_BYTES 16
#define MHEAP_MIN_USER_DATA_BYTES 16
#define MHEAP_MIN_ALIGN 16
#define MHEAP_N_USER_DATA_INVALID ((1ULL << 40) - 1)

STATIC_ASSERT_SIZEOF(mheap_elt_t, 32);
STATIC_ASSERT_OFFSET_OF(mheap_elt_t, user_data, MHEAP_ELT_OVERHEAD_BYTES);

/* Bins: 64 exact sizes (16, 32, ... 1024 bytes), then 8 ranges an octave from 1 KiB to 1 TiB. */
#define MHEAP_LOG2_SMALL_BYTES 10
#define MHEAP_LOG2_N_SMALL_OBJECT_BINS 6
#define MHEAP_N_SMALL_OBJECT_BINS (1 << MHEAP_LOG2_N_SMALL_OBJECT_BINS)
#define MHEAP_LOG2_RANGES 3
#define MHEAP_N_OCTAVES 30
#define MHEAP_N_BINS (MHEAP_N_SMALL_OBJECT_BINS + (MHEAP_N_OCTAVES << MHEAP_LOG2_RANGES))
#define MHEAP_N_BIN_WORDS ((MHEAP_N_BINS + 63) / 64)

typedef struct {
	struct {
		u64 n_search_attempts, n_objects_searched, n_objects_found;
	} free_list;
	u64 n_vector_expands;
	/** 0 here, for those who print VPP's fields: format_mheap() has the fronts' there. */
	u64 n_small_object_cache_hits, n_small_object_cache_attempts;
	u64 n_gets, n_puts;
	/** Clocks of the calls that were timed, and how many were: one in 16 of those made while
	 * the heap was traced or validated; the clock is not read for others. */
	u64 n_clocks_get, n_clocks_put, n_timed_gets, n_timed_puts;
	/** Requests refused, wrong puts reported and ignored. */
	u64 n_get_failures, n_bad_puts;
	/** Calls to the region, and what the system truly got back. */
	u64 n_commits, n_reclaims, n_reclaimed_bytes;
	/** Free lists given up because their links were overwritten. */
	u64 n_corruptions;
	/** Fronts: times that one was filled from the bins and gave to them, and objects; those of
	 * a front's mailbox that it took in; times that all were emptied. */
	u64 n_front_fills, n_front_filled, n_front_drains, n_front_drained;
	u64 n_front_mailed, n_front_claims;
	/** Objects whose pages were moved, and the bytes of those. */
	u64 n_page_moves, n_page_moved_bytes;
} mheap_stats_t;

/** How a heap gets and gives back pages: plain mmap, a vm range or a vmem arena behind it. */
typedef struct {
	/** The address space; size bytes.  With commit or decommit both are multiples of
	 *  page_bytes. */
	void *base;
	uword size;
	/** What commit and decommit work in; a power of two, at least the system's page. */
	uword page_bytes;
	/** Make [p, p + n) usable: 0 or -ENOMEM.  NULL: it already is. */
	int (*commit)(void *opaque, void *p, uword n);
	/** Give whole pages back; returns bytes truly released (fewer than n, even 0, when not all
	 *  were resident), or ~0: refused, the pages stay usable.  NULL: never. */
	uword (*decommit)(void *opaque, void *p, uword n);
	/** What was given back can be read all the same (and is zero), and written after commit, or
	 *  at once where there is none.  Without this nobody may look there. */
	u8 stays_readable;
	/** Move whole pages: what lay at `from` is at `to` afterwards, and both stay usable, `from`
	 *  with whatever is in it then.  They do not overlap.  0, or a negative errno: nothing
	 *  changed.  NULL: never. */
	int (*move)(void *opaque, void *to, void *from, uword n);
	/** Called by mheap_free() after the last use.  NULL: the memory stays the caller's. */
	void (*release)(void *opaque, void *base, uword size);
	void *opaque;
	/* commit and decommit (not move) run while the heap's lock is held: they must not call into
	 * it. */
} mheap_region_t;

typedef struct {
	/* Set at creation (fronts open and close); a put reads it, so it has a line of its own. */
	CLIB_CACHE_LINE_ALIGN_MARK(cacheline0);
	/** MHEAP_MAGIC: this is a heap. */
	u64 magic;
	/** Keys the element tags and encodes the links. */
	u64 cookie;
	/** Where the threads' fronts lie in the creating process, and what selects one: 0 while all
	 * are closed. */
	uword front_base, front_mask;
	/** Bytes from the first object's offset on in which every header can be read without
	 * asking: up to the vector's end, or to the lowest page that is out of reach. */
	uword n_readable_bytes;
	/** Pages given back may not be touched (mheap_region_t.stays_readable). */
	u32 pages_may_vanish;
	/** Index + 1 of the region's calls in a table of the creating process; never 0 there.  No
	 *  process follows it unless its own table names this very address. */
	u32 region_index;
	/** What the region commits and gives back in. */
	uword page_bytes;
	/** NUMA node the region was bound to, -1 unknown. */
	int numa_node;

	CLIB_CACHE_LINE_ALIGN_MARK(cacheline1);
	/** Heads of the lists, by bin; MHEAP_GROUNDED when empty. */
	u64 first_free_elt_uoffset_by_bin[MHEAP_N_BINS];
	/** One bit per non-empty bin. */
	uword non_empty_free_elt_heads[MHEAP_N_BIN_WORDS];

	u32 flags;
	/** Recursive lock: taken by owner_cpu (a thread index, or beyond those a number of the
	 *  thread's own; ~0 none) recursion_count times. */
	CLIB_ATOMIC(u32) lock;
	CLIB_ATOMIC(u32) owner_cpu;
	int recursion_count;
	/** It was waited for so long, once, that a thread slept. */
	CLIB_ATOMIC(u32) lock_was_awaited;
	u32 reserved;

	/** Objects outside the bins: the user holds them, or a front does (mheap_elts() tells). */
	u64 n_elts;
	/** Bytes this heap may grow to, from v. */
	u64 max_size;
	/** Data bytes of used and of free elements. */
	u64 n_used_bytes, n_free_bytes;
	/** Bytes from v up to which memory is committed: growth beyond calls the region.  Lowered
	 *  when pages above the vector's end are given back. */
	u64 n_committed_bytes;
	/** Bytes below that were given back inside free elements and not taken again, so that
	 *  n_committed_bytes - n_reclaimed_bytes is what the heap holds from v on. */
	u64 n_reclaimed_bytes;

	/** Where pages may vanish: no page below was given back.  ~0: none at all. */
	u64 first_hole_uoffset;

	/** Where the original region starts, and its size: base = header - offset. */
	uword vm_alloc_offset_from_header, vm_alloc_size;

	/** Free memory in one place from which on put gives pages back: now, at first, at most; and
	 * the most that went at once since pages were last taken again; 0: none did. */
	uword give_back_bytes, give_back_least_bytes, give_back_most_bytes, n_given_back_bytes;
	/** Most that was in use since puts last looked through the free elements for pages to give
	 * back; in use below which they do so again; the bin where they go on.  What was in use
	 * when they were through, and the objects that may go from there on before nothing is
	 * falling any more; 0 where nothing is. */
	u64 n_used_peak_bytes, sweep_below_bytes;
	uword sweep_bin;
	u64 fall_floor_bytes, fall_ends_at;
	/** MHEAP_FLAG_CHECKED: objects that were put and are not used again yet, memory of the
	 * creating process; and those that were written meanwhile, never used again. */
	void *checked_queue;
	u64 n_checked_lost;
	/** Fronts that were ever used: [1, n_fronts]. */
	u32 n_fronts;
	/** MHEAP_FLAG_FRONTS_WHEN_SHARED: who came first (as in owner_cpu, + 1), and whether others
	 * have come. */
	u32 first_user;
	u32 is_shared;
	/** Failing gets that are yet to do without what other threads' fronts hold, and how many
	 * that will be (log2) after the next time that it did not help. */
	u16 n_claims_to_skip, log2_claims_to_skip;
	/** Objects that were taken out of mail, and their bytes by class. */
	u64 n_mail_taken, n_mail_taken_bytes;
	u64 validate_serial;
	/** Tables of the traces, memory of the creating process alone; NULL: never traced there. */
	void *trace_main;
	mheap_stats_t stats;
	char name[40];
} mheap_t;

/** What an element's tag is made with. */
#define MHEAP_TAG_FACTOR 0x9e3779b97f4a7c15ull

/** First word of a heap's header. */
#define MHEAP_MAGIC 0x3170616568766d21ull

/** mheap_t.flags */
#define MHEAP_FLAG_TRACE (1 << 0)
#define MHEAP_FLAG_DISABLE_VM (1 << 1) /* get and put never give pages back; mheap_trim() does */
#define MHEAP_FLAG_THREAD_SAFE (1 << 2)
#define MHEAP_FLAG_SMALL_OBJECT_CACHE (1 << 3) /* accepted for source compatibility */
#define MHEAP_FLAG_VALIDATE (1 << 4)           /* mheap_validate() around each get and put */
#define MHEAP_FLAG_FRONTS (1 << 5)             /* caches per thread: mheap_front.h */
#define MHEAP_FLAG_CHECKED (1 << 6)            /* redzones, poison, delayed reuse; at creation */
/* With MHEAP_FLAG_FRONTS: they open when a second thread comes; until then the heap is as one with
 * a lock, every object that is not used in the bins.  (None where the process may not have address
 * space as it likes, RLIMIT_AS: the table of fronts is 128 MiB of it.) */
#define MHEAP_FLAG_FRONTS_WHEN_SHARED (1 << 7)

/* ---- address arithmetic (seed 001, section 1.1.3) ---- */

typedef struct {
	uword header; /* address of mheap_t */
	uword vector; /* v: header + header_bytes, on a page boundary */
	uword size;   /* bytes from v to the region's end; 0: the region is too small */
} mheap_layout_t;

/**
 * Where header and vector lie in a region: align base up to a page, step header_bytes back, and
 * a page forward while that is below the base.  Pure.  page_bytes is a power of two.
 */
CLIB_EXPORT mheap_layout_t mheap_layout(uword base, uword size, uword header_bytes,
					uword page_bytes);

/** Bytes from the header to v. */
#define MHEAP_HEADER_BYTES ((sizeof(mheap_t) + sizeof(vec_header_t) + 63) & ~(uword)63)

/** The header of heap v, below it. */
always_inline mheap_t *
mheap_header(const void *v)
{
	return (mheap_t *)((u8 *)v - MHEAP_HEADER_BYTES);
}

/** The heap whose header this is. */
always_inline u8 *
mheap_vector(const mheap_t *h)
{
	return (u8 *)h + MHEAP_HEADER_BYTES;
}

/* ---- create and destroy ---- */

/** A heap in `memory` (the caller's, never unmapped) or, with memory 0, in a fresh private
 *  mapping of `size` bytes.  @return v, or NULL when v would lie past the region or no address
 *  space is left. */
CLIB_EXPORT void *mheap_alloc(void *memory, uword size);
CLIB_EXPORT void *mheap_alloc_with_flags(void *memory, uword size, uword flags);

typedef struct {
	const char *name; /* copied, 39 bytes */
	u32 flags;
	int numa_node;
	mheap_region_t region;
} mheap_params_t;

/** A heap in a region that says itself how its pages come and go (vm range, vmem arena).
 *  @return 0; -EINVAL; -ENOMEM, the region is then still the caller's. */
CLIB_EXPORT int mheap_create(const mheap_params_t *params, void **v);

/** Region of a private anonymous reservation of `size` bytes, grown and trimmed by madvise. */
CLIB_EXPORT int mheap_region_mmap(uword size, mheap_region_t *region);
/** The same without rights until the heap grows there, 2 MiB at a time: for sizes that a program's
 *  mlockall() must not bring in whole.  Without a heap it is released by
 *  region->release(region->opaque, region->base, region->size). */
CLIB_EXPORT int mheap_region_reserve(uword size, mheap_region_t *region);
/** The same without a reservation: pages are mapped when the heap grows there, 2 MiB at a time, at
 *  addresses where the kernel places nothing, so that the process has no more address space than it
 *  has memory (RLIMIT_AS).  A mapping that somebody put there all the same is left alone: the heap
 *  is then full.  @return 0; -EINVAL; -ENOMEM no such addresses, or a system without
 *  MAP_FIXED_NOREPLACE. */
CLIB_EXPORT int mheap_region_place(uword size, mheap_region_t *region);

/** Release the region if the heap owns it, set v to NULL.  NULL-safe. */
#define mheap_free(v) (mheap_destroy(v), (v) = 0)
CLIB_EXPORT void mheap_destroy(void *v);
/** Whether that gives memory back: not where it is the caller's, nor for a stranger. */
CLIB_EXPORT int mheap_owns_region(const void *v);

/* ---- get and put ---- */

/**
 * Take an object from a heap.
 *
 * @param v       heap vector from mheap_alloc(); NULL creates one of 64 MiB
 * @param n_user_data_bytes  at least 1; the object may be larger, see mheap_data_bytes()
 * @param align   bytes; 0 means MHEAP_MIN_ALIGN, otherwise the power of two at or below it
 * @param align_offset  (offset + align_offset) is the multiple of align; masked to align - 1;
 *                must be a multiple of 8 (else ~0)
 * @param[out] offset_return  the object's byte offset from v, contents undefined; ~0 when
 *                nothing fits and the heap is at max_size, the heap is then as it was
 * @return v, to be stored back
 *
 * Above the page size it is the address that is a multiple of align (plus offset) in the creating
 * mapping; the offset as well where v is so aligned (2 MiB in a mapping of the heap's own).
 * Threads: one at a time, or any with MHEAP_FLAG_THREAD_SAFE.  Cost: constant: a bitmap scan and
 * at most 4 elements looked at, 36 where the heap is at max_size; a system call only where it
 * grows or reuses given-back pages.  At max_size a request above 1 KiB, or an aligned one, may be
 * refused though one of the elements not looked at would just have fitted.
 * Owner: the caller, until mheap_put() or mheap_free().  Source: seed 001, section 1.1.4.
 */
CLIB_EXPORT void *mheap_get_aligned(void *v, uword n_user_data_bytes, uword align,
				    uword align_offset, uword *offset_return);

/** mheap_get_aligned() without wishes. */
always_inline void *
mheap_get(void *v, uword size, uword *offset_return)
{
	return mheap_get_aligned(v, size, 0, 0, offset_return);
}

/** Give an object back.  A wrong offset (stranger, already free, inside an object) is counted,
 *  reported through the error hook and ignored.  Threads: as get, and not necessarily the one
 *  that got it.  Cost: constant; system calls where pages can be given back. */
CLIB_EXPORT void mheap_put(void *v, uword offset);

/** The same for callers that want to know.  @return 0; -EINVAL not an object of this heap, or its
 *  header or its neighbour's was written over; -EALREADY free already; -EUCLEAN, in a checked heap,
 *  it was written past its end.  The heap is then as it was. */
CLIB_EXPORT int mheap_put_checked(void *v, uword offset);

/** Grow the object at `offset` to n bytes where it lies, taking from a free right neighbour or
 *  the end.  @return 0; -ENOMEM with the object as it was; -EINVAL. */
CLIB_EXPORT int mheap_extend(void *v, uword offset, uword n_user_data_bytes);

/** From so many bytes on mheap_move() moves objects; alignments up to this are kept. */
#define MHEAP_MOVE_MIN_BYTES MiB(1)
#define MHEAP_MOVE_KEPT_ALIGN 4096

/**
 * Make the object at *offset one of n bytes elsewhere: a large one that mheap_extend() could not
 * grow where it lies, and that will grow again.  So the place is one with half as much again free
 * behind it, or the vector's end, where there is such; otherwise that of a get.  Where the region
 * can move pages (mheap_region_t.move) whole ones are taken along in the page tables and only what
 * lies beside them is copied; elsewhere, and where the new place has pages already, all of it is.
 *
 * @param[in,out] offset  equal modulo 4096 before and after
 * @param n_keep_bytes  how many bytes of it are wanted; undefined beyond
 * @return 0; -ENOTSUP get, copy and put it: fewer than MHEAP_MOVE_MIN_BYTES, or the heap is checked
 *         or another process's; -ENOMEM; -EINVAL no such object.  On error the object is as it was.
 *
 * Threads: as put.  Cost: a get, a put and a system call that works on page tables, 8 bytes a page;
 * or the copy.
 */
CLIB_EXPORT int mheap_move(void *v, uword *offset, uword n_user_data_bytes, uword n_keep_bytes);

/** A put gives pages back where a free element, or the room above the end, has at least so much
 * that is not given back yet; from here on it is this much, where a heap that was not told begins
 * with 1 MiB and keeps more as it finds that it wants it again.  ~0: never.  Beside that, whatever
 * this is but ~0, puts give all free pages back when much of what was in use has gone (at the top
 * of this file).  Threads: as put. */
CLIB_EXPORT void mheap_set_give_back_bytes(void *v, uword n_bytes);

/** Make the next n bytes of growth (or up to max_size) resident now, and keep from here on what is
 *  freed until mheap_trim(): get and put then make no system call and meet no page fault while the
 *  heap stays below that.  @return 0; -ENOMEM pages did not come; -EINVAL no heap of this process.
 *  Threads: as put. */
CLIB_EXPORT int mheap_prefault(void *v, uword n_bytes);

/** Give the whole pages of all free elements, and those past the end, back to the system.
 *  Control threads only: walks the bins of large elements.  @return bytes released; 0 for NULL and
 *  where another process (or mapping) made the heap. */
CLIB_EXPORT uword mheap_trim(void *v);

/* ---- looking ---- */

/** For fork handlers (pthread_atfork): hold a heap with a lock still while the process is copied;
 *  in the parent and in the child let go.  What the fronts of threads hold that the child does not
 *  have is taken there when the heap is trimmed, or full. */
CLIB_EXPORT void mheap_before_fork(void *v);
CLIB_EXPORT void mheap_after_fork(void *v, int is_child);

/** The element of the object at an offset. */
always_inline mheap_elt_t *
mheap_elt_at_uoffset(const void *v, uword uo)
{
	return (mheap_elt_t *)((u8 *)v + uo - MHEAP_ELT_OVERHEAD_BYTES);
}

/** The offset of an element's object. */
always_inline uword
mheap_elt_uoffset(const void *v, const mheap_elt_t *e)
{
	return (uword)e->user_data - (uword)v;
}

/** The element of the object at an address. */
always_inline mheap_elt_t *
mheap_user_pointer_to_elt(const void *p)
{
	return (mheap_elt_t *)((u8 *)p - MHEAP_ELT_OVERHEAD_BYTES);
}

/** The object of an element. */
always_inline void *
mheap_elt_data(const void *CLIB_UNUSED(v), const mheap_elt_t *e)
{
	return (void *)e->user_data;
}

/** Usable bytes of an element's object. */
always_inline uword
mheap_elt_data_bytes(const mheap_elt_t *e)
{
	return e->n_user_data * MHEAP_USER_DATA_WORD_BYTES;
}

/** Usable bytes of the object at an offset. */
always_inline uword
mheap_data_bytes(const void *v, uword uo)
{
	return mheap_elt_data_bytes(mheap_elt_at_uoffset(v, uo));
}

/** How many of type *d fit in the object at d. */
#define mheap_len(v, d) (mheap_data_bytes((v), (void *)(d) - (void *)(v)) / sizeof((d)[0]))

/** The right neighbour; that of the last is the end, which has no object. */
always_inline mheap_elt_t *
mheap_next_elt(const mheap_elt_t *e)
{
	return (mheap_elt_t *)((u8 *)e + MHEAP_ELT_OVERHEAD_BYTES + mheap_elt_data_bytes(e));
}

/** The left neighbour; the first element, whose prev_n_user_data is MHEAP_N_USER_DATA_INVALID, has
 *  none. */
always_inline mheap_elt_t *
mheap_prev_elt(const mheap_elt_t *e)
{
	return (mheap_elt_t *)((u8 *)e - e->prev_n_user_data * MHEAP_USER_DATA_WORD_BYTES -
			       MHEAP_ELT_OVERHEAD_BYTES);
}

/** Whether an offset names a live object: range, alignment, tag and neighbour's size agree. */
CLIB_EXPORT int mheap_offset_is_valid(const void *v, uword uo);
/** Bytes of the live object at uo that may be used (of a checked heap: that were asked for), read
 *  under the heap's lock; 0 when it names none. */
CLIB_EXPORT uword mheap_object_bytes(const void *v, uword uo);

/** Objects; capacity (~0 for NULL); header plus vector length. */
CLIB_EXPORT uword mheap_elts(const void *v);
CLIB_EXPORT uword mheap_max_size(const void *v);
CLIB_EXPORT uword mheap_bytes(const void *v);

/** Calls f for each used object in address order until it returns nonzero.  The lock is held: f
 *  must not wait for a thread that uses this heap.  It may get objects, which are met or not, and
 *  put the one it was called for. */
CLIB_EXPORT void mheap_foreach(void *v, uword (*f)(void *arg, void *v, void *data, uword size),
			       void *arg);

typedef struct {
	uword object_count, bytes_total, bytes_used, bytes_free, bytes_overhead;
	uword bytes_free_reclaimed, bytes_used_sbrk, bytes_used_mmap, bytes_max;
} clib_mem_usage_t;

/** From counters, no walk: constant time, and of a heap with fronts 72 words for each thread that
 * ever had one.  What fronts hold counts as free.  (Of a heap of another process with fronts, whose
 * counters are there, a walk.) */
CLIB_EXPORT void mheap_usage(const void *v, clib_mem_usage_t *usage);

/** Walk and compare everything; of a checked heap also what lies behind each object and in those
 *  that were put.  @return 0, or -EUCLEAN with the first fault described in
 *  what (NUL terminated, may be NULL).  NULL is a heap without faults. */
CLIB_EXPORT int mheap_check(const void *v, char *what, uword n_what);

/** VPP's form: counts validate_serial, stops the process through clib_assert_failed. */
CLIB_EXPORT void mheap_validate(void *v);

/** Set or clear MHEAP_FLAG_VALIDATE and other flags under the heap's lock, while threads use it.
 *  MHEAP_FLAG_TRACE, _THREAD_SAFE, _FRONTS (_WHEN_SHARED) and _CHECKED are not changed.  Threads:
 * any for heaps with a lock.
 */
CLIB_EXPORT void mheap_set_flags(void *v, u32 set, u32 clear);

/* ---- traces: who holds what ----
 *
 * While a heap is traced each get is remembered by its stack: the return addresses above
 * mheap_get_aligned() by frame pointers.  A site is a distinct stack; it counts the objects that
 * were got there since and live, and their bytes.  Put and extend find an object's site by its
 * offset and adjust it; objects got before tracing began belong to no site.  A site whose last
 * object goes is recycled.
 *
 * With sample_bytes only some gets are remembered: a Poisson process walks over the bytes handed
 * out and hits one in sample_bytes of them, so an object of s bytes is remembered with
 * probability p = 1 - exp(-s / sample_bytes); it then counts for 1/p objects and s/p bytes, which
 * makes both sums unbiased estimates.  A put of an object that was not hit costs a look.
 *
 * The tables lie in private mappings of their own: 8 bytes of address space for each 32 of the
 * heap, touched where traced objects are, and 256 a site.  Nothing here calls malloc.  A heap that
 * is not traced pays one predictable branch a call, the one that MHEAP_FLAG_VALIDATE has. */

/** Return addresses that are kept of a site. */
#define MHEAP_TRACE_MAX_CALLERS 16

/** A site. */
typedef struct {
	/** Return addresses, innermost first; 0 after the last. */
	uword callers[MHEAP_TRACE_MAX_CALLERS];
	/** Objects that live and their bytes; estimates where the heap is sampled. */
	u64 n_allocations, n_bytes;
	/** Offset of one of them; ~0 when none is left. */
	uword offset;
	/** Objects remembered: n_allocations, when all are. */
	u64 n_samples;
} mheap_trace_t;

/** All zero: every object, room for 65536 sites. */
typedef struct {
	/** Mean bytes from one remembered byte to the next; 0: every object. */
	uword sample_bytes;
	/** Sites that fit, at most 1048575: gets of others are counted as untraced. */
	u32 max_sites;
	/** Of the sampler; 0: another for each call. */
	u64 seed;
} mheap_trace_params_t;

typedef struct {
	u8 is_on;
	/** As they were given. */
	uword sample_bytes;
	/** Sites that hold something, objects remembered in them, sums over all of them. */
	u64 n_sites, n_samples, n_allocations, n_bytes;
	/** Gets since tracing began that found no room for their site. */
	u64 n_untraced;
} mheap_trace_info_t;

/** A wrong put, seen while the heap was traced: where from, and what is known of the object.
 *  Callers end with 0; the first is 0 when nothing is known. */
typedef struct {
	char what[64];
	uword offset;
	uword put_callers[MHEAP_TRACE_MAX_CALLERS];
	/** Who got the object; who put it first, when it is free already. */
	uword get_callers[MHEAP_TRACE_MAX_CALLERS];
	uword free_callers[MHEAP_TRACE_MAX_CALLERS];
} mheap_trace_misuse_t;

/** Begin to trace.  @param params NULL: all zero.  @return 0; -EALREADY; -EINVAL no heap of this
 *  process, or params; -ENOMEM no address space for the tables.  Threads: any; for a heap without
 *  a lock, also while its one thread uses it. */
CLIB_EXPORT int mheap_trace_enable(void *v, const mheap_trace_params_t *params);
/** Stop, and forget everything.  @return 0; -EALREADY was off; -EINVAL. */
CLIB_EXPORT int mheap_trace_disable(void *v);
/** VPP's form: on and off, every object; what does not work is reported (mheap_report()). */
CLIB_EXPORT void mheap_trace(void *v, int enable);

/** Whether the calling thread's gets are traced, where heaps are; true at first.  What a thread
 *  allocates to print the traces need not be in them.  @return what it was. */
CLIB_EXPORT int mheap_trace_thread_enable(int enable);

/** Figures, also of a heap that is not traced.  A walk over the sites, under the tables' lock. */
CLIB_EXPORT void mheap_trace_info(const void *v, mheap_trace_info_t *info);
/**
 * Copy sites that hold something, in no order.
 *
 * @param[in,out] cursor  0 at first; where to go on
 * @return how many were copied, at most n; 0: that was all.  The tables' lock is held for 64
 *         sites at a time, so threads that use the heap hardly wait; sites come and go meanwhile.
 */
CLIB_EXPORT u32 mheap_trace_read(const void *v, u32 *cursor, mheap_trace_t *traces, u32 n);
/** All of them as a vector in the current heap, most bytes first, then most objects; the caller's.
 *  NULL when there are none, or no memory for it. */
CLIB_EXPORT mheap_trace_t *mheap_trace_dup(const void *v);
/** The latest wrong puts, at most n (and 16), latest first.  @return how many. */
CLIB_EXPORT u32 mheap_trace_misuses(const void *v, mheap_trace_misuse_t *misuses, u32 n);
/** Callers in an array that ends with 0. */
CLIB_EXPORT u32 mheap_trace_n_callers(const uword callers[MHEAP_TRACE_MAX_CALLERS]);

/** format function: args void *v, int verbose.  The table, most bytes first: up to 50 sites of at
 *  least 1024 bytes, all with verbose, and the total. */
CLIB_EXPORT u8 *format_mheap_trace(u8 *s, __builtin_va_list *va);

/** Counts of free elements and used ones by bin, for histograms (walks the heap). */
CLIB_EXPORT void mheap_bin_counts(const void *v, u64 n_used[MHEAP_N_BINS],
				  u64 n_free[MHEAP_N_BINS]);
CLIB_EXPORT uword mheap_bin_of_size(uword n_user_data_bytes);
/** Smallest size that bin b holds, bytes. */
CLIB_EXPORT uword mheap_bin_bytes(uword bin);

/** format function: args void *v, int verbose.  Lives above format, in mheap/format_mheap.c. */
CLIB_EXPORT u8 *format_mheap(u8 *s, __builtin_va_list *va);

/** The heap at verbosity 1 on stderr.  A debugger knows it as dmh, and VPP's programs do. */
CLIB_EXPORT void mheap_dump(void *v);
#define dmh(v) mheap_dump(v)

/** Called for misuse: what happened (valid during the call; in a traced heap with the addresses
 *  that got the object and freed it), the heap and the address.  Default: one line to stderr. */
typedef void(mheap_error_function_t)(const char *what, const void *v, uword offset,
				     const void *caller);
/** NULL restores the default.  The heap's lock is not held by the call unless the caller of get
 *  or put already had it. */
CLIB_EXPORT void mheap_set_error_handler(mheap_error_function_t *fn);
/** Hand a misuse to the handler: for layers above that find one themselves. */
CLIB_EXPORT void mheap_report(const char *what, const void *v, uword offset, const void *caller);

/** The heap made in this process whose vector space holds p, NULL: none.  A look through the
 *  table of live heaps, so not for a hot path.  Threads: any. */
CLIB_EXPORT void *mheap_of_address(const void *p);

/** What holds, or lies nearest below, a place in a heap. */
typedef struct {
	uword uoffset, n_bytes; /* of the element's data */
	u8 is_free;
	/** The vector ends below the place: the element is the last. */
	u8 is_past_end;
} mheap_nearest_t;

/**
 * The element whose header or data holds offset uo, or the last one when uo is past the end.
 * Memory is read by the kernel on our behalf, so a heap that is overwritten or half unmapped
 * costs an answer, not a fault; no lock is taken.  For a signal handler, and for people.
 * @return 0; -ENOENT the heap is empty; -EUCLEAN headers before the place make no sense; -EPERM
 *         the kernel does not let us read that way.  Cost: a walk from v.
 */
CLIB_EXPORT int mheap_nearest(const void *v, uword uo, mheap_nearest_t *nearest);

/** Calls fn for every live heap made in this process until it returns nonzero.  Heaps must not
 *  be destroyed meanwhile. */
CLIB_EXPORT void mheap_foreach_heap(int (*fn)(void *v, void *arg), void *arg);

/** Make the n-th get from now, in any heap, fail (1 the next; 0 none). */
CLIB_EXPORT void mheap_fail_get_after(u64 n);
/** Make that one and all after it fail, until this or the other is called again. */
CLIB_EXPORT void mheap_fail_gets_after(u64 n);

#endif
