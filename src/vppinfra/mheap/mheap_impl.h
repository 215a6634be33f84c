/* SPDX-License-Identifier: Apache-2.0 */
/* mheap_impl: what the files of mheap share.
 *
 * Alignment of elements.  Free elements and the end begin their data on a multiple of 16, and so
 * does every used one except an "odd" object: one asked for with align_offset 8 mod 16.  Its data
 * begins at 8 mod 16, its size is chosen so that it ends on a multiple of 16 again, and its left
 * neighbour ends 8 bytes past one.  When an odd object is put next to a used left neighbour, that
 * neighbour is given the 8 bytes, so that the free element begins on a multiple of 16.  The first
 * element is never odd, so a left neighbour is always there.
 *
 * Whenever a header dies (merged away, or above the end) it keeps a valid tag but says is_free, or
 * still says end: nothing inside a live object can pass for an object. */
#ifndef included_mheap_impl_h
#define included_mheap_impl_h

#include <stdatomic.h>
#include <vppinfra/mheap_front.h>

/* The two words of an element header, as mheap_elt_t's bit-fields lie in them. */
#define HDR_N_MASK ((1ULL << 40) - 1)
#define HDR_FREE (1ULL << 40)        /* word 0: prev_is_free; word 1: is_free */
#define HDR_RECLAIMED (1ULL << 41)   /* word 1 */
#define HDR_SWEPT (1ULL << 42)       /* word 1 */
#define HDR_TAG_MASK (~0ULL << 48)   /* word 0 */
#define HDR_FRONT_MASK (~0ULL << 48) /* word 1: mheap_elt_t.front */
#define HDR_CACHED ((u64)MHEAP_FRONT_CACHED << 48)

/* A free element needs room for a header and the links. */
#define MIN_ELT_BYTES (MHEAP_ELT_OVERHEAD_BYTES + MHEAP_MIN_USER_DATA_BYTES)

/* Elements that one get may look at: at the head of the request's own bin, ... */
#define N_OWN_BIN_LOOKS 3
/* ... and, only when the heap cannot grow, in the bins that may or may not fit.  With the one
 * certain to fit that makes N_OWN_BIN_LOOKS + 1 + N_LAST_RESORT_LOOKS at most. */
#define N_LAST_RESORT_LOOKS 32

/* A free element gives its pages back once this much of it is not given back yet: less would
 * trade a page fault per page for too little. */
#define GIVE_BACK_BYTES MiB(1)
/* At most so much is kept by a heap that wants again what it gave back.  In a heap that falls from
 * more than 32 MiB it goes all the same, by the sweep below. */
#define GIVE_BACK_MOST_BYTES MiB(16)
/* Puts look for pages to give back when less is in use than the most that was, by a quarter and so
 * much: what goes and comes meanwhile is not worth page faults.  As that goes on, by a 16th and so
 * much.  It is over when an eighth and so much has come back. */
#define SWEEP_MIN_BYTES MiB(8)
#define SWEEP_AGAIN_MIN_BYTES KiB(256)
#define SWEEP_OVER_MIN_BYTES MiB(1)
/* Free elements that a put looks at. */
#define N_SWEEP_LOOKS 2
/* Or when so many objects, and a quarter as many as there are, have gone. */
#define N_FALL_OBJECTS 4096
/* Growth commits at least this much at once. */
#define COMMIT_BATCH_BYTES KiB(64)
/* An address space that needs no hint: a default heap for v == NULL, as in VPP. */
#define DEFAULT_HEAP_BYTES MiB(64)

/* Of the calls to a heap that is traced or validated, one in so many is timed: the clock costs as
 * much as a get. */
#define N_CALLS_PER_TIMED 16

/* Header and interval of a reclaimed element: kept when its pages go. */
#define RECLAIMED_KEEP_BYTES (sizeof(mheap_free_elt_t) + sizeof(mheap_reclaimed_t))

/* Pages as offsets from v; empty when lo == hi. */
typedef struct {
	uword lo, hi;
} mheap_pages_t;

always_inline u64 *
elt_words(const void *v, uword uo)
{
	return (u64 *)((u8 *)v + uo - MHEAP_ELT_OVERHEAD_BYTES);
}

/* A word of a header.  Fronts look at the headers of what they own, and at the first word of its
 * right neighbour, without the lock; and they write the `front' half-word, which is not touched
 * here while the object is a user's or cached.  So both words are read and written whole. */
always_inline u64
hdr_load(const u64 *word)
{
	return __atomic_load_n(word, __ATOMIC_RELAXED);
}

always_inline void
hdr_store(u64 *word, u64 value)
{
	__atomic_store_n(word, value, __ATOMIC_RELAXED);
}

always_inline mheap_free_elt_t *
elt_links(const void *v, uword uo)
{
	return (mheap_free_elt_t *)((u8 *)v + uo);
}

always_inline uword
hdr_bytes(u64 word)
{
	return (word & HDR_N_MASK) * MHEAP_USER_DATA_WORD_BYTES;
}

always_inline u64
hdr_n(uword n_bytes)
{
	return n_bytes / MHEAP_USER_DATA_WORD_BYTES;
}

/* Multiplicative hash of offset and cookie, in the tag's place of word 0. */
always_inline u64
elt_tag(const mheap_t *h, uword uo)
{
	return ((uo ^ h->cookie) * MHEAP_TAG_FACTOR) & HDR_TAG_MASK;
}

/* A link as it is stored in the element at uo. */
always_inline u64
link_code(const mheap_t *h, uword uo, u64 link)
{
	return link ^ h->cookie ^ (uo << 17);
}

always_inline uword
vector_len(const void *v)
{
	return __atomic_load_n(&_vec_find(v)->len, __ATOMIC_RELAXED);
}

/* Flags change while others look at them (tracing begins, pages are not given back after all), so
 * they are read and written whole.  THREAD_SAFE never changes. */
always_inline u32
heap_flags(const mheap_t *h)
{
	return __atomic_load_n(&h->flags, __ATOMIC_RELAXED);
}

/* Called where either of what it is made from has changed. */
always_inline void
set_readable(mheap_t *h, const void *v)
{
	uword end = vector_len(v), n;

	if (PREDICT_TRUE(!(heap_flags(h) & MHEAP_FLAG_FRONTS)))
		return;
	if (!h->n_reclaimed_bytes)
		h->first_hole_uoffset = ~(u64)0;
	/* An offset below that has its header before the hole. */
	end = clib_min(end, h->first_hole_uoffset);
	n = end > MHEAP_ELT_OVERHEAD_BYTES ? end - MHEAP_ELT_OVERHEAD_BYTES : 0;
	__atomic_store_n(&h->n_readable_bytes, n, __ATOMIC_RELAXED);
}

always_inline void
set_vector_len(void *v, uword len)
{
	__atomic_store_n(&_vec_find(v)->len, len, __ATOMIC_RELAXED);
	set_readable(mheap_header(v), v);
}

/* ---- bins ---- */

/* The bin whose range holds n, at least MHEAP_MIN_USER_DATA_BYTES. */
always_inline uword
bin_floor(uword n)
{
	uword log2, bin;

	if (n < (1 << MHEAP_LOG2_SMALL_BYTES) + 16)
		return n / 16 - 1;
	log2 = min_log2(n);
	bin = MHEAP_N_SMALL_OBJECT_BINS + ((log2 - MHEAP_LOG2_SMALL_BYTES) << MHEAP_LOG2_RANGES) +
	      ((n >> (log2 - MHEAP_LOG2_RANGES)) & ((1 << MHEAP_LOG2_RANGES) - 1));
	return clib_min(bin, (uword)MHEAP_N_BINS - 1);
}

/* The first bin all of whose elements have at least n bytes, n a multiple of 16; may be
 * MHEAP_N_BINS: none. */
always_inline uword
bin_ceil(uword n)
{
	uword log2;

	if (n <= (1 << MHEAP_LOG2_SMALL_BYTES))
		return n / 16 - 1;
	log2 = min_log2(n);
	n += (1ULL << (log2 - MHEAP_LOG2_RANGES)) - 1;
	log2 = min_log2(n);
	if (log2 >= MHEAP_LOG2_SMALL_BYTES + MHEAP_N_OCTAVES)
		return MHEAP_N_BINS;
	return MHEAP_N_SMALL_OBJECT_BINS + ((log2 - MHEAP_LOG2_SMALL_BYTES) << MHEAP_LOG2_RANGES) +
	       ((n >> (log2 - MHEAP_LOG2_RANGES)) & ((1 << MHEAP_LOG2_RANGES) - 1));
}

/* The first non-empty bin at or above `bin`; MHEAP_N_BINS: none. */
always_inline uword
bin_first_non_empty(const mheap_t *h, uword bin)
{
	uword i = bin / 64, bits;

	if (PREDICT_FALSE(bin >= MHEAP_N_BINS))
		return MHEAP_N_BINS;
	bits = h->non_empty_free_elt_heads[i] & (~0ULL << (bin % 64));
	while (!bits) {
		if (++i == MHEAP_N_BIN_WORDS)
			return MHEAP_N_BINS;
		bits = h->non_empty_free_elt_heads[i];
	}
	return i * 64 + (uword)__builtin_ctzll(bits);
}

/* The last non-empty bin; MHEAP_N_BINS: none. */
always_inline uword
bin_last_non_empty(const mheap_t *h)
{
	for (uword i = MHEAP_N_BIN_WORDS; i > 0; i--)
		if (h->non_empty_free_elt_heads[i - 1])
			return i * 64 - 1 -
			       (uword)__builtin_clzll(h->non_empty_free_elt_heads[i - 1]);
	return MHEAP_N_BINS;
}

/* Whether an offset may be read as an element of the vector. */
always_inline int
uoffset_is_inside(const void *v, u64 uo)
{
	return (uo & 7) == 0 && uo >= MHEAP_ELT_OVERHEAD_BYTES && uo < vector_len(v);
}

/* A list ends with next == MHEAP_GROUNDED; prev of its head is its tail. */

/* The head of a list, or MHEAP_GROUNDED, and its tail, as far as the links are whole. */
always_inline u64
bin_tail(const mheap_t *h, const void *v, u64 head)
{
	u64 tail = link_code(h, head, elt_links(v, head)->prev_uoffset);

	return PREDICT_TRUE(uoffset_is_inside(v, tail)) ? tail : head;
}

/* Make the element at uo free: word 1, links.  It becomes the head of its list, or with HDR_SWEPT
 * among the flags the tail.  Word 0 is the caller's. */
always_inline void
bin_push(mheap_t *h, void *v, uword uo, uword n_bytes, u64 flags)
{
	uword bin = bin_floor(n_bytes);
	u64 head = h->first_free_elt_uoffset_by_bin[bin], next = head, prev = uo;
	mheap_free_elt_t *links = elt_links(v, uo);

	hdr_store(&elt_words(v, uo)[1], hdr_n(n_bytes) | HDR_FREE | flags);
	h->n_free_bytes += n_bytes;
	if (PREDICT_FALSE(head == MHEAP_GROUNDED)) {
		h->first_free_elt_uoffset_by_bin[bin] = uo;
		h->non_empty_free_elt_heads[bin / 64] |= 1ULL << (bin % 64);
	} else if (PREDICT_FALSE(flags & HDR_SWEPT)) {
		prev = bin_tail(h, v, head);
		next = MHEAP_GROUNDED;
		elt_links(v, prev)->next_uoffset = link_code(h, prev, uo);
		elt_links(v, head)->prev_uoffset = link_code(h, head, uo);
	} else {
		/* The old head's link to the tail, as it stands: who follows it looks at it. */
		prev = link_code(h, head, elt_links(v, head)->prev_uoffset);
		elt_links(v, head)->prev_uoffset = link_code(h, head, uo);
		h->first_free_elt_uoffset_by_bin[bin] = uo;
	}
	links->next_uoffset = link_code(h, uo, next);
	links->prev_uoffset = link_code(h, uo, prev);
}

/** Give a list up: what hangs in it is lost, the rest of the heap goes on. */
void mheap_bin_abandon(mheap_t *h, uword bin);

/* Take the free element at uo off its list.  Returns 0, or -EUCLEAN with the list given up. */
always_inline int
bin_unlink(mheap_t *h, void *v, uword uo, uword n_bytes)
{
	uword bin = bin_floor(n_bytes);
	u64 head = h->first_free_elt_uoffset_by_bin[bin];
	mheap_free_elt_t *links = elt_links(v, uo);
	u64 next = link_code(h, uo, links->next_uoffset);
	u64 prev = link_code(h, uo, links->prev_uoffset);

	if (next != MHEAP_GROUNDED &&
	    PREDICT_FALSE(!uoffset_is_inside(v, next) ||
			  elt_links(v, next)->prev_uoffset != link_code(h, next, uo)))
		goto corrupt;
	if (head == uo) {
		if (next == MHEAP_GROUNDED) {
			if (PREDICT_FALSE(prev != uo))
				goto corrupt;
			h->non_empty_free_elt_heads[bin / 64] &= ~(1ULL << (bin % 64));
		}
		h->first_free_elt_uoffset_by_bin[bin] = next;
	} else {
		if (PREDICT_FALSE(head == MHEAP_GROUNDED || !uoffset_is_inside(v, prev) ||
				  elt_links(v, prev)->next_uoffset != link_code(h, prev, uo)))
			goto corrupt;
		elt_links(v, prev)->next_uoffset = link_code(h, prev, next);
		/* The tail: its left neighbour is that now. */
		if (next == MHEAP_GROUNDED)
			elt_links(v, head)->prev_uoffset = link_code(h, head, prev);
	}
	if (next != MHEAP_GROUNDED)
		elt_links(v, next)->prev_uoffset = link_code(h, next, prev);
	h->n_free_bytes -= n_bytes;
	return 0;

corrupt:
	mheap_bin_abandon(h, bin);
	return -EUCLEAN;
}

/* ---- reclaimed pages (reclaim.c) ---- */

/** Pages given back inside the free element at uo of n_bytes. */
mheap_pages_t mheap_elt_reclaimed(const mheap_t *h, const void *v, uword uo, uword n_bytes);

/** Make [from, to) of a reclaimed element usable again; `pages` is split around it into what
 *  stays given back on the left and on the right.  -ENOMEM: nothing changed. */
int mheap_take_reclaimed(mheap_t *h, void *v, mheap_pages_t pages, uword from, uword to,
			 mheap_pages_t *left, mheap_pages_t *right);

/** Whole pages of a free element that is about to be pushed: `pages` were given back already in
 *  up to two places.  Gives back more where that pays (or all with n_min_bytes 1), writes the
 *  interval behind the links.  Returns HDR_RECLAIMED or 0. */
u64 mheap_reclaim_elt(mheap_t *h, void *v, uword uo, uword n_bytes, mheap_pages_t a,
		      mheap_pages_t b, uword n_min_bytes);

/** The vector shrank: pages above its end, of which `pages` are given back already.  Returns
 *  bytes released. */
uword mheap_reclaim_end(mheap_t *h, void *v, mheap_pages_t pages, uword n_min_bytes);

/** Raise n_committed_bytes to at least n_bytes.  -ENOMEM: nothing changed. */
int mheap_commit_to(mheap_t *h, void *v, uword n_bytes);

/** Let N_SWEEP_LOOKS more free elements give their whole pages back. */
void mheap_sweep(mheap_t *h, void *v);

/** More is in use than since the last time. */
void mheap_note_peak(mheap_t *h);

/* Whether much of what was in use has gone and not all pages with it. */
always_inline int
is_to_be_swept(const mheap_t *h)
{
	return h->n_used_bytes < h->sweep_below_bytes;
}

/* Whether objects are going for good, so that none need be kept. */
always_inline int
is_falling(const mheap_t *h)
{
	return is_to_be_swept(h) || h->stats.n_puts + h->stats.n_front_drained < h->fall_ends_at;
}

/* Remember an interval behind the links.  Returns the flag for word 1. */
always_inline u64
elt_set_reclaimed(void *v, uword uo, mheap_pages_t pages)
{
	mheap_reclaimed_t *r;

	if (PREDICT_TRUE(pages.lo >= pages.hi))
		return 0;
	r = (mheap_reclaimed_t *)(elt_links(v, uo) + 1);
	r->lo_uoffset = pages.lo;
	r->hi_uoffset = pages.hi;
	return HDR_RECLAIMED;
}

/* ---- process-local table of heaps (region.c) ---- */

/** @return 0 with region_index set, -ENOMEM when the table is full. */
int mheap_region_register(mheap_t *h, const mheap_region_t *region);
void mheap_region_unregister(mheap_t *h);
/** The calls behind a heap; NULL when h was not made at this address in this process. */
const mheap_region_t *mheap_region_of(const mheap_t *h);

/** Which pages inside the vector were given back and may not be touched: a wrong put may point
 *  into one.  Kept beside the table, and only where h->pages_may_vanish; the heap's lock is held.
 *  Marking returns -ENOMEM when there is no memory for the bits. */
int mheap_holes_mark(mheap_t *h, uword lo, uword hi);
void mheap_holes_clear(mheap_t *h, uword lo, uword hi);
int mheap_is_in_hole(const mheap_t *h, uword uo);

/* ---- lock (lock.c) ---- */

void mheap_lock_slow(mheap_t *h);
void mheap_unlock_slow(mheap_t *h);

always_inline void
heap_change_flags(mheap_t *h, u32 set, u32 clear)
{
	__atomic_fetch_and(&h->flags, ~clear, __ATOMIC_RELAXED);
	__atomic_fetch_or(&h->flags, set, __ATOMIC_RELAXED);
}

always_inline void
mheap_maybe_lock(mheap_t *h)
{
	if (PREDICT_FALSE(heap_flags(h) & MHEAP_FLAG_THREAD_SAFE))
		mheap_lock_slow(h);
}

always_inline void
mheap_maybe_unlock(mheap_t *h)
{
	if (PREDICT_FALSE(heap_flags(h) & MHEAP_FLAG_THREAD_SAFE))
		mheap_unlock_slow(h);
}

/** Unlock, and tell the handler where what was found broken since is more than it was.  There is no
 *  caller to name: what was wrong was done earlier. */
void mheap_unlock_and_report(mheap_t *h, void *v, u64 n_corruptions_before);

/** For readers, which may meet a heap of another process, perhaps mapped read-only: lock only
 *  where the heap is ours.  @return whether it was locked. */
int mheap_lock_if_ours(const mheap_t *h);

/* ---- traces (trace.c); called only where MHEAP_FLAG_TRACE is set, the heap's lock held ---- */

/** The object at uo was got; frame is that of the function its caller called. */
void mheap_trace_get(mheap_t *h, void *v, uword uo, const void *frame);
/** The object at uo is about to be put; it has been checked. */
void mheap_trace_put(mheap_t *h, void *v, uword uo, const void *frame);
/** It has other bytes than it had. */
void mheap_trace_resize(mheap_t *h, void *v, uword uo, uword n_bytes_before);
/** The heap ends: release the tables. */
void mheap_trace_destroy(mheap_t *h);
/** What is known of the object at uo, for a report; remembers it.  @return 0: nothing, or the
 *  heap is not traced. */
int mheap_trace_blame(const void *v, uword uo, const char *what, const void *frame,
		      mheap_trace_misuse_t *misuse);
/** Find a live object for each site that has lost the one it showed. */
void mheap_trace_find_samples(const void *v);

/* ---- get and put for those that hold the lock ---- */

/** Up to n_max used elements of n_bytes (a class' size), neighbours, the first at *first; they
 *  count as got.  The last may be larger.  @return how many; 0: none are to be had. */
u32 mheap_take_run(mheap_t *h, void *v, uword n_bytes, u32 n_max, uword *first);

/** An object that is expected to grow: where half as much again is free behind it, or at the
 *  vector's end.  Takes the lock.  @return its offset; ~0: no such place, or the heap is watched,
 *  so ask mheap_get_aligned(). */
uword mheap_get_with_room(void *v, uword n_bytes, uword align, uword align_offset);

/** The object at uo, which has been checked and belongs to no front, goes to the bins. */
void mheap_put_object(mheap_t *h, void *v, uword uo);

/* ---- fronts (front*.c); all but send under the heap's lock ---- */

/* Objects that are neither a user's nor in the bins, and their bytes: of what lies in fronts by
 * class. */
typedef struct {
	u64 n, n_bytes;
} mheap_cached_t;

/** What all fronts hold, mail included.  Exact while no thread gets or puts. */
mheap_cached_t mheap_fronts_cached(const mheap_t *h);

/** The table of fronts.  @return 0; -ENOMEM no address space, or no place for the exit callback. */
int mheap_fronts_create(mheap_t *h);
void mheap_fronts_destroy(mheap_t *h);
/** Flags or the countdown changed: gets and puts go by the lock while they ask for it. */
void mheap_fronts_update(mheap_t *h);
/** Before the slow path of a heap with fronts: the calling thread's is ready for use.
 *  @return 0: it has none. */
int mheap_fronts_reopen(mheap_t *h);
/** Fill the stack for n bytes and pop.  @return the address, 0: no memory. */
uword mheap_front_refill(mheap_t *h, void *v, uword n_bytes);
/** Push the object at uo, after making room.  @return 0: it is for the bins. */
int mheap_front_take_back(mheap_t *h, void *v, uword uo);

/** Give the n oldest objects of a stack, above those that a claimer took, to the bins. */
void mheap_front_give(mheap_t *h, void *v, mheap_front_t *f, uword c, u32 first, u32 n);
/** Give all of the calling thread's front, or of one whose thread is about to end.
 *  @return objects. */
u64 mheap_front_give_all(mheap_t *h, void *v, mheap_front_t *f);
/** A stack holds as many from here on, up to what its class may.  @return whether it grew. */
int mheap_front_set_depth(mheap_front_t *f, uword c, u32 depth);
/** What waits in f->later[i]; 0: nothing.  Its thread is the caller or is no more. */
uword mheap_front_waiting(const mheap_front_t *f, u32 i);
/** What waits in f->later goes to the bins; its thread is the caller or is no more.
 *  @return objects. */
u64 mheap_front_give_later(mheap_t *h, void *v, mheap_front_t *f);
/** A cached object goes to the bins; one whose header is broken stays where it is, lost. */
void mheap_front_free(mheap_t *h, void *v, uword p);

/** Without the lock: put the object at uo, which another front owns, on its way there.  With or
 *  without a look at the right neighbour.
 *  @return 0: it is not such an object, or there is no way now and it may have become this front's
 *  own. */
int mheap_front_send(mheap_t *h, void *v, mheap_front_t *f, uword uo, int looks_right);
/** Take in what other threads sent, block by block until class c has an object; to the bins what
 *  has no room.  @return objects. */
u64 mheap_front_collect(mheap_t *h, void *v, mheap_front_t *f, uword c);
/** All of it to the bins.  @return objects. */
u64 mheap_front_give_mail(mheap_t *h, void *v, mheap_front_t *f);
/** What this front has for others that is not on its way yet goes to the bins. */
u64 mheap_front_give_outbox(mheap_t *h, void *v, mheap_front_t *f);

/** Keep other threads from getting and putting without the lock, until they ask for it.  Each may
 *  still be at the end of one such call.  @return 0: not to be had on this system. */
int mheap_fronts_hold(mheap_t *h);
/** Whether, after that, none is inside a call that touches more than one object. */
int mheap_fronts_are_away(const mheap_t *h);
/** Empty all fronts; the calling thread's.  @return objects that went to the bins. */
u64 mheap_front_claim_all(mheap_t *h, void *v);
u64 mheap_front_claim_own(mheap_t *h, void *v);
/** For a get that failed: empty those of other threads if they hold anything that is to be had,
 *  and not each time where that did not help.  @return objects. */
u64 mheap_front_claim_others(mheap_t *h, void *v);
/** Whether it helped. */
void mheap_front_note_claim(mheap_t *h, int has_helped);

/** Threads that have fronts, in every heap: set once, before the first table. */
extern uword mheap_n_fronts_each;

always_inline mheap_front_t *
front_at(const mheap_t *h, u32 id)
{
	return (mheap_front_t *)(h->front_base + ((uword)id << MHEAP_LOG2_FRONT_BYTES));
}

/* The calling thread's, whether open or not; NULL: it has none in any heap. */
always_inline mheap_front_t *
own_front(const mheap_t *h)
{
	uword offset = mheap_thread_front_offset;

	return offset ? (mheap_front_t *)(h->front_base + offset) : NULL;
}

/* Objects in a stack, those claimed included. */
always_inline u32
front_depth(const mheap_front_t *f, uword c)
{
	/* Acquire: the objects as their users left them, pairs with the push's release. */
	const uword *top = clib_atomic_load_acq_n(&f->bins[c].top);

	return top ? (u32)(top - f->objects[c]) : 0; /* never opened */
}

/* ---- heaps that look harder (checked.c); under the lock ---- */

int mheap_checked_create(mheap_t *h);
void mheap_checked_destroy(mheap_t *h);
/** What an element needs for n bytes and what follows them. */
uword mheap_checked_room(uword n_bytes);
/** The object at uo was got for n bytes, or has grown to as many. */
void mheap_checked_arm(const mheap_t *h, void *v, uword uo, uword n_bytes);
/** The element at uo had n_before bytes, and has more since its right neighbour was put. */
void mheap_checked_grew(mheap_t *h, void *v, uword uo, uword n_before);
/** Bytes it was asked for, as far as that was not written over. */
uword mheap_checked_bytes(const mheap_t *h, const void *v, uword uo);
/** Whether nothing was written behind the live object at uo; into the one that was put. */
int mheap_checked_is_whole(const mheap_t *h, const void *v, uword uo);
int mheap_checked_is_put(const mheap_t *h, const void *v, uword uo);
/** Put the object at uo, which is whole, after a while. */
void mheap_checked_put(mheap_t *h, void *v, uword uo);
/** All that wait go to the bins.  @return how many. */
u64 mheap_checked_let_go(mheap_t *h, void *v);
void mheap_checked_cached(const mheap_t *h, mheap_cached_t *cached);

/* What is said of an element whose header or links are not as they were left. */
#define BROKEN_ELT "a free element, or an object after it was put, was written over"

/* Gets and puts take the long way; there may be objects that are neither a user's nor free. */
#define FLAGS_WATCHED (MHEAP_FLAG_TRACE | MHEAP_FLAG_VALIDATE | MHEAP_FLAG_CHECKED)
/* None of these: one thread's heap, which a get or put enters by the shortest way. */
#define FLAGS_NOT_PLAIN (FLAGS_WATCHED | MHEAP_FLAG_FRONTS | MHEAP_FLAG_THREAD_SAFE)
#define FLAGS_CACHING (MHEAP_FLAG_FRONTS | MHEAP_FLAG_CHECKED)

/* ---- checks and faults ---- */

/** 0 when uo names a live object; -EINVAL; -EALREADY.  The lock is held. */
int mheap_object_check(const mheap_t *h, const void *v, uword uo);

/** Offset of the first element whose header, or whose size as its right neighbour has it, is
 *  wrong; ~0: none.  The lock is held. */
uword mheap_first_corrupt(const void *v);

/* n-th get from now fails; 0 none. */
extern _Atomic u64 mheap_fail_countdown;
int mheap_fail_is_due(void);

#endif
