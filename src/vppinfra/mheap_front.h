/* SPDX-License-Identifier: Apache-2.0 */
/* mheap_front: what a heap with MHEAP_FLAG_FRONTS keeps ready for each thread.
 *
 *   thread        front: a stack of objects per size class     no lock, no atomic read-modify-write
 *                   | batches                    ^ mail
 *   heap's lock   two-level bins                 | blocks of objects that other threads freed
 *
 * A front belongs to a thread index (thread.h).  Its stacks are arrays of addresses beside the
 * heap, in memory of the creating process; what is cached keeps its header, in which mheap_elt_t's
 * `front` says so and whose it is, so a walk over the heap, or a reader elsewhere, can tell it from
 * an object that a user holds.  There are MHEAP_N_FRONT_CLASSES sizes: 16, 32 ... 128 bytes, then
 * eight an octave up to 32 KiB, so at most an eighth of an object is waste.
 *
 *   - get pops; an empty stack first takes in as much of its mail as it needs, then fills by half
 *     its depth under the lock.  The depth starts at MHEAP_FRONT_FIRST_DEPTH and doubles while a
 * stack runs dry or over, up to 128 objects or 128 KiB;
 *   - put checks the header (tag, owner, size; up to 256 bytes also the right neighbour's copy of
 *     the size, beyond when the object goes to the bins) and pushes; a stack that is full gives its
 *     older half to the bins under the lock;
 *   - an object of another thread's goes into a block for that thread; a full block is handed over
 *     with one compare-and-swap, so each object goes back to where, and to the node on which, it
 *     was got.  Blocks are the sender's and come back when they were read.
 *
 *   - mheap_put_later() lets an object wait, in MHEAP_N_LATER places a front, until its header has
 *     come to the cache: that of an object which nobody touched lately is far away, and a put that
 *     waits for it holds up all that follows.  Until it is looked at it counts as used.
 *
 * Fronts are emptied when their thread ends, by mheap_trim(), and when the heap is at its limit;
 * those of other threads without their help: see mheap/front_claim.c.  Each then keeps at most one
 * object per class until its thread calls in again.  A thread without an index, one whose heap is
 * traced or validated, objects above 32 KiB and those with a wish for alignment go by the lock.
 *
 * Threads: any; the flag implies MHEAP_FLAG_THREAD_SAFE.  Not for signal handlers. */
#ifndef included_mheap_front_h
#define included_mheap_front_h

#include <vppinfra/mheap.h>

/** Classes of sizes; the largest; entries of a stack. */
#define MHEAP_N_FRONT_CLASSES 72
#define MHEAP_FRONT_MAX_BYTES 32768
#define MHEAP_FRONT_MAX_DEPTH 128
/** Depth of a stack that was never used. */
#define MHEAP_FRONT_FIRST_DEPTH 8
/** Up to so many words an object's right neighbour is looked at whenever it is put. */
#define MHEAP_FRONT_NEAR_WORDS 32
/** Puts that may wait for their header, and how many are looked at together, the oldest; powers of
 * two.  The younger half covers as many misses as a processor has in flight; few enough that what
 * waits is no leak. */
#define MHEAP_N_LATER 16
#define MHEAP_N_LATER_BATCH 8
/** Address space of one front. */
#define MHEAP_LOG2_FRONT_BYTES 17

/** mheap_elt_t.front: 0 an element that no front has to do with; else the owner's thread index + 1,
 *  and this bit while it is cached. */
#define MHEAP_FRONT_CACHED 0x8000
/** What no element has. */
#define MHEAP_FRONT_NOBODY 0x7fff
/** No address of an object. */
#define MHEAP_FRONT_NOTHING ((uword)1 << 63)

/* What other threads look at meanwhile is read and written by clib_atomic_*(). */

/* Of the calling thread's own front nearly all is read by it alone, or is one word that another
 * thread may write whole: a plain load will do where the compiler then folds it into what uses it,
 * which it does not with atomic ones.  No such load is repeated, and stores order themselves. */
#if defined(__SANITIZE_THREAD__)
#	define _mheap_front_read(p) clib_atomic_load_relax_n(p)
#else
#	define _mheap_front_read(p) (*(p))
#endif

/** A stack: addresses of objects in [objects, top).  The owner alone writes top. */
typedef struct {
	uword *top;
	/** A get needs top above floor, a put below ceiling: the stack's ends; ~0 and 0 while the
	 *  front is held. */
	uword *floor, *ceiling;
	/** Objects got from it ever. */
	u64 n_gets;
} mheap_front_bin_t;

/** Objects on their way to the front that owns them. */
#define MHEAP_N_BLOCK_OBJECTS 62
typedef struct mheap_block {
	/** Next in a mailbox or an inbox. */
	struct mheap_block *next;
	/** Whose, as mheap_elt_t.front has it; 0: the block is free. */
	u16 owner;
	u16 n;
	u32 n_bytes;
	uword objects[MHEAP_N_BLOCK_OBJECTS];
} mheap_block_t;
#define MHEAP_N_BLOCKS 32

typedef struct {
	/* The owner writes and others read; but floors and ceilings. */
	CLIB_CACHE_LINE_ALIGN_MARK(cacheline0);
	/** Thread index + 1; 0 while no thread has it; MHEAP_FRONT_NOBODY in the closed one. */
	u16 id;
	/** Inside a call that touches more than one entry. */
	u8 is_busy;
	/** A thread has it. */
	u8 is_live;
	/** Where the next put waits, in `later'. */
	uword *next_later;
	/** What was got last: its header is near, so its put waits for nothing. MHEAP_FRONT_NOTHING
	 * when there is none. */
	uword last;
	/** The heap, as far as a put has to know it: its vector and cookie, and bytes of address
	 * space from there on, 0 in the closed one. */
	uword vector;
	u64 cookie;
	uword n_span_bytes;
	/** Other threads' objects put here; their bytes by class. */
	u64 n_remote_puts, n_remote_bytes;
	/** Blocks that are being filled, by hash of the owner. */
	CLIB_CACHE_LINE_ALIGN_MARK(cacheline_outbox);
	mheap_block_t *outbox[4];
	/** Puts of others' objects that will not look for a free block: lately there was none. */
	u32 n_sends_to_skip;
	/** Addresses that were put and not looked at yet: whatever was said to be an object, or 0.
	 * A batch begins where the address is a multiple of its size.  What is left of the batch
	 * that next_later is in has been looked at. */
	CLIB_CACHE_LINE_ALIGN_MARK(cacheline_later);
	uword later[MHEAP_N_LATER];
	/** On a line's start, so that each lies in one. */
	CLIB_CACHE_LINE_ALIGN_MARK(cacheline_bins);
	mheap_front_bin_t bins[MHEAP_N_FRONT_CLASSES];
	/** All zero, so that it has no room: of elements that are too small to be any. */
	mheap_front_bin_t no_bin;

	/* Under the heap's lock. */
	CLIB_CACHE_LINE_ALIGN_MARK(cacheline1);
	/** A claimer came, and the owner has not been here since (also read by the owner). */
	u8 is_held;
	/** Of each stack: its depth; entries taken from the bottom while it is held. */
	u8 depth[MHEAP_N_FRONT_CLASSES], n_claimed[MHEAP_N_FRONT_CLASSES];
	/** Blocks that were taken out of the mail and not emptied yet. */
	mheap_block_t *inbox;

	/* Written by others. */
	CLIB_CACHE_LINE_ALIGN_MARK(cacheline2);
	mheap_block_t *mail;

	CLIB_CACHE_LINE_ALIGN_MARK(cacheline3);
	uword objects[MHEAP_N_FRONT_CLASSES][MHEAP_FRONT_MAX_DEPTH];
	mheap_block_t blocks[MHEAP_N_BLOCKS];
} mheap_front_t;

/** Where the calling thread's front lies in any heap's table; 0: the closed one, which every get
 *  and put finds empty and full. */
CLIB_EXPORT_EXTERN __thread uword mheap_thread_front_offset
	__attribute__((tls_model("initial-exec")));

/** A front that has no thread, up to its stacks, which are empty and have no room. */
CLIB_EXPORT_EXTERN const u8 mheap_closed_front[] __attribute__((aligned(CLIB_CACHE_LINE_BYTES)));

/** [i]: where in a front the stack of 16 * i + 1 ... 16 * (i + 1) bytes lies; its class. */
CLIB_EXPORT_EXTERN const u16 mheap_front_bin_by_16[MHEAP_FRONT_MAX_BYTES / 16 + 64];
CLIB_EXPORT_EXTERN const u8 mheap_front_class_by_16[MHEAP_FRONT_MAX_BYTES / 16 + 64];
/** [i]: where the stack lies that an element of 16 * i ... 16 * i + 15 bytes goes to. */
CLIB_EXPORT_EXTERN const u16 mheap_front_bin_of_elt_by_16[MHEAP_FRONT_MAX_BYTES / 16 + 64];

/** The class whose objects hold n bytes, n in [1, MHEAP_FRONT_MAX_BYTES]. */
always_inline uword
mheap_front_class(uword n_bytes)
{
	uword n = n_bytes - 1;

	if (__builtin_constant_p(n_bytes)) {
		uword log2 = n < 128 ? 7 : min_log2(n);

		return n < 128 ? n / 16 : 8 + (log2 - 7) * 8 + ((n >> (log2 - 3)) & 7);
	}
	return mheap_front_class_by_16[n / 16];
}

/** The class of an element of n bytes, n in [16, 33 KiB): the one at or below it. */
always_inline uword
mheap_front_class_of_elt(uword n)
{
	return (uword)mheap_front_class_by_16[n / 16] - 1;
}

/** Bytes of a class' objects. */
always_inline uword
mheap_front_class_bytes(uword c)
{
	return c < 8 ? (c + 1) * 16 : (9 + (c & 7)) << (4 + ((c - 8) >> 3));
}

/** The calling thread's front of a heap; the closed one where it has none. */
always_inline mheap_front_t *
mheap_front(const mheap_t *h)
{
	return (mheap_front_t *)(_mheap_front_read(&h->front_base) +
				 (mheap_thread_front_offset & _mheap_front_read(&h->front_mask)));
}

/** Whether a thread of this heap uses the front: neither the closed one nor one that its thread has
 * not asked for yet. */
always_inline int
mheap_front_is_open(const mheap_front_t *f)
{
	return (u16)(f->id - 1) < MHEAP_FRONT_NOBODY - 1;
}

/** Whether the heap has fronts that may be used; otherwise the closed one answers. */
always_inline int
mheap_fronts_are_open(const mheap_t *h)
{
	return clib_atomic_load_relax_n(&h->front_mask) != 0;
}

/* The half-word of a header that fronts write, apart from the rest. */
always_inline u16 *
_mheap_front_word(uword p)
{
	return (u16 *)(p - 2);
}

/* Kept in a register, not worked out for each of its words. */
always_inline mheap_front_bin_t *
_mheap_front_bin(mheap_front_t *f, uword c)
{
	mheap_front_bin_t *b = &f->bins[c];

	__asm__("" : "+r"(b));
	return b;
}

/* The stack of objects that hold n bytes; of an element of n bytes, the one at or below. */
always_inline mheap_front_bin_t *
_mheap_front_bin_of_bytes(mheap_front_t *f, uword n_bytes)
{
	mheap_front_bin_t *b;

	if (__builtin_constant_p(n_bytes))
		return &f->bins[mheap_front_class(n_bytes)];
	b = (mheap_front_bin_t *)((u8 *)f + mheap_front_bin_by_16[(n_bytes - 1) / 16]);
	__asm__("" : "+r"(b));
	return b;
}

always_inline mheap_front_bin_t *
_mheap_front_bin_of_elt(mheap_front_t *f, uword n_words)
{
	mheap_front_bin_t *b =
		(mheap_front_bin_t *)((u8 *)f + mheap_front_bin_by_16[n_words / 2]) - 1;

	__asm__("" : "+r"(b));
	return b;
}

/* One more, by the owner; others read the word whole. */
always_inline void
_mheap_front_count(u64 *n)
{
#if defined(__x86_64__) && !defined(__SANITIZE_THREAD__)
	__asm__("incq %0" : "+m"(*n) : : "cc");
#else
	clib_atomic_store_relax_n(n, *n + 1);
#endif
}

/** Pop: the address, 0 when the stack is empty or held. */
always_inline uword
_mheap_front_pop(mheap_front_t *f, mheap_front_bin_t *b)
{
	uword *top = _mheap_front_read(&b->top), p;

	if (PREDICT_FALSE(top <= _mheap_front_read(&b->floor)))
		return 0;
	p = _mheap_front_read(top - 1);
	/* Release: what lies below, as it was when it was pushed. */
	clib_atomic_store_rel_n(&b->top, top - 1);
	_mheap_front_count(&b->n_gets);
	f->last = p;
	clib_atomic_store_relax_n(_mheap_front_word(p), f->id);
	/* The next call looks at floor again, see front_claim.c. */
	__asm__ volatile("" : : : "memory");
	if (p == 0)
		__builtin_unreachable();
	return p;
}

/** The same by class. */
always_inline uword
mheap_front_pop(mheap_front_t *f, uword c)
{
	return _mheap_front_pop(f, _mheap_front_bin(f, c));
}

always_inline int
_mheap_front_push_as(mheap_front_bin_t *b, u16 id, uword p)
{
	uword *top = _mheap_front_read(&b->top);

	if (PREDICT_FALSE(top >= _mheap_front_read(&b->ceiling)))
		return 0;
	clib_atomic_store_relax_n(_mheap_front_word(p), (u16)(id | MHEAP_FRONT_CACHED));
	clib_atomic_store_relax_n(top, p);
	/* Release: the object as its user left it, for the thread that claims the stack. */
	clib_atomic_store_rel_n(&b->top, top + 1);
	__asm__ volatile("" : : : "memory");
	return 1;
}

always_inline int
_mheap_front_push(mheap_front_t *f, mheap_front_bin_t *b, uword p)
{
	return _mheap_front_push_as(b, f->id, p);
}

/** Push the object at address p, whose header has been checked.  @return whether there was room. */
always_inline int
mheap_front_push(mheap_front_t *f, uword c, uword p)
{
	return _mheap_front_push(f, _mheap_front_bin(f, c), p);
}

/* The tag (low 16 bits) and the size with its flags (above) of the object at p, beside the
 * half-word that fronts write: what was just stored there would not be forwarded to a load of all
 * of it.  Acquire: the size may have grown, by the old header of a right neighbour that was put
 * (mheap/put.c). */
always_inline u64
_mheap_front_tag_and_size(uword p)
{
#if defined(__x86_64__) && !defined(__SANITIZE_THREAD__)
	typedef u64 __attribute__((aligned(2), may_alias)) half_aligned_u64;

	/* Within 16 aligned bytes, so it is read at once. */
	return *(const volatile half_aligned_u64 *)(p - 10);
#else
	return clib_atomic_load_relax_n((u64 *)(p - 16)) >> 48 |
	       clib_atomic_load_acq_n((u64 *)(p - 8)) << 16;
#endif
}

/* Words of the object at p, whose header can be read, if it is the front's of that id and its user
 * holds it; else 0.  By its own header alone. */
always_inline uword
_mheap_front_near_words(u16 id, uword vector, u64 cookie, uword p)
{
	u64 tag_and_size;
	uword n_words;

	if (PREDICT_FALSE(_mheap_front_read(_mheap_front_word(p)) != id))
		return 0;
	tag_and_size = _mheap_front_tag_and_size(p);
	n_words = tag_and_size >> 16;
	if (PREDICT_FALSE((u16)tag_and_size != (((p - vector) ^ cookie) * MHEAP_TAG_FACTOR) >> 48 ||
			  n_words - 2 >= MHEAP_FRONT_MAX_BYTES / MHEAP_USER_DATA_WORD_BYTES + 64))
		return 0;
	if (n_words == 0)
		__builtin_unreachable();
	return n_words;
}

/* The same with a look at the right neighbour. */
always_inline uword
_mheap_front_own_words(u16 id, uword vector, u64 cookie, uword p)
{
	uword n_words = _mheap_front_near_words(id, vector, cookie, p), next;

	if (PREDICT_FALSE(!n_words))
		return 0;
	/* Of a larger object the neighbour's line would be one more to wait for: there the own word
	 * is compared with itself, without a branch, and the neighbour's when it goes to the bins.
	 */
	next = n_words <= MHEAP_FRONT_NEAR_WORDS ? p + n_words * MHEAP_USER_DATA_WORD_BYTES : p - 8;
	/* Size and state as the right neighbour has them. */
	if (PREDICT_FALSE((clib_atomic_load_relax_n((u64 *)next) ^ n_words) << 23))
		return 0;
	if (n_words == 0)
		__builtin_unreachable();
	return n_words;
}

/* Whether an object may begin there, with a header that can be read. */
always_inline int
_mheap_front_may_look(const mheap_t *h, uword offset)
{
	return !(offset & 15) &&
	       offset - MHEAP_ELT_OVERHEAD_BYTES < _mheap_front_read(&h->n_readable_bytes);
}

/** Whether `offset` names an object of the front `id` that its user holds; its class in *c.  When
 *  not, the heap's lock has to be taken to say what it is. */
always_inline int
mheap_front_owns(const mheap_t *h, const void *v, u16 id, uword offset, uword *c)
{
	uword n_words;

	if (PREDICT_FALSE(!_mheap_front_may_look(h, offset)))
		return 0;
	n_words = _mheap_front_own_words(id, (uword)v, h->cookie, (uword)v + offset);
	if (PREDICT_FALSE(!n_words))
		return 0;
	*c = mheap_front_class_of_elt(n_words * MHEAP_USER_DATA_WORD_BYTES);
	return 1;
}

/* Check and push the object at p, whose header can be read. */
always_inline int
_mheap_front_check_and_push(mheap_front_t *f, uword p)
{
	uword n_words = _mheap_front_own_words(f->id, f->vector, f->cookie, p);

	return PREDICT_TRUE(n_words) &&
	       _mheap_front_push(f, _mheap_front_bin_of_elt(f, n_words), p);
}

/* The same without a look at the right neighbour.  What is the front's is given, for who puts
 * many. */
always_inline int
_mheap_front_check_near_and_push(mheap_front_t *f, u16 id, uword vector, u64 cookie, uword p)
{
	mheap_front_bin_t *b;
	u64 tag_and_size, n_16;

	if (PREDICT_FALSE(_mheap_front_read(_mheap_front_word(p)) != id))
		return 0;
	tag_and_size = _mheap_front_tag_and_size(p);
	n_16 = tag_and_size >> 16 >> 1;
	if (PREDICT_FALSE((u16)tag_and_size != (((p - vector) ^ cookie) * MHEAP_TAG_FACTOR) >> 48 ||
			  n_16 >= ARRAY_LEN(mheap_front_bin_of_elt_by_16)))
		return 0;
	b = (mheap_front_bin_t *)((u8 *)f + mheap_front_bin_of_elt_by_16[n_16]);
	__asm__("" : "+r"(b));
	return _mheap_front_push_as(b, id, p);
}

/**
 * mheap_get() of n bytes without a call where the front has an object; best with a constant n, up
 * to MHEAP_FRONT_MAX_BYTES.
 *
 * @param v  heap vector, not NULL
 * @return the object, NULL when there is no memory
 */
always_inline void *
mheap_get_inline(void *v, uword n_bytes)
{
	uword p, offset;

	if (PREDICT_TRUE(n_bytes - 1 < MHEAP_FRONT_MAX_BYTES)) {
		mheap_front_t *f = mheap_front(mheap_header(v));

		p = _mheap_front_pop(f, _mheap_front_bin_of_bytes(f, n_bytes));
		if (PREDICT_TRUE(p != 0))
			return (void *)p;
	}
	mheap_get_aligned(v, n_bytes, 0, 0, &offset);
	return offset == ~(uword)0 ? NULL : (u8 *)v + offset;
}

/** Check the object at `offset` and put it, if it is the calling thread's front's own and there is
 *  room.  @return whether it was put; else mheap_put() has to see what it is. */
always_inline int
mheap_front_put(void *v, uword offset)
{
	const mheap_t *h = mheap_header(v);

	return PREDICT_TRUE(_mheap_front_may_look(h, offset)) &&
	       _mheap_front_check_and_push(mheap_front(h), (uword)v + offset);
}

/** mheap_put() without a call where the front takes it; every check is made. */
always_inline void
mheap_put_inline(void *v, void *p)
{
	if (PREDICT_FALSE(!mheap_front_put(v, (uword)p - (uword)v)))
		mheap_put(v, (uword)p - (uword)v);
}

/* To be read and written. */
always_inline void
_mheap_front_prefetch(const void *p)
{
#if defined(__x86_64__)
	/* Where there is no such instruction it does nothing; compilers do not count on that. */
	__asm__ volatile("prefetchw %0" : : "m"(*(const u8 *)p));
#else
	__builtin_prefetch(p, 1);
#endif
}

/** Whether `offset' may be an object's, by itself; not what lies past the end. */
always_inline int
mheap_offset_may_be_object(const mheap_t *h, uword offset)
{
	return offset - MHEAP_ELT_OVERHEAD_BYTES < _mheap_front_read(&h->n_readable_bytes);
}

/** Look at the MHEAP_N_LATER_BATCH puts that have waited longest: their places are the next. */
CLIB_EXPORT void mheap_front_put_batch(mheap_front_t *f);

/**
 * Ask for the header of what is put; every so many times put what was put long ago.  The object
 * that was got last is put at once.
 *
 * @param f  the calling thread's front, perhaps a closed one
 * @return 0: p has to go by mheap_put(), as there is no front, no room, or p is none of the heap's
 */
always_inline int
mheap_front_put_later(mheap_front_t *f, void *p)
{
	uword *at;

	/* What a front gave out is an address in the heap. */
	if ((uword)p == _mheap_front_read(&f->last))
		return _mheap_front_check_near_and_push(f, f->id, f->vector, f->cookie, (uword)p);
	if (PREDICT_FALSE((uword)p - f->vector >= f->n_span_bytes))
		return 0;
	_mheap_front_prefetch((u8 *)p - 1);
	at = f->next_later;
	*at++ = (uword)p;
	f->next_later = at;
	if (PREDICT_FALSE((uword)at % (MHEAP_N_LATER_BATCH * sizeof(f->later[0])) == 0))
		mheap_front_put_batch(f);
	return 1;
}

/**
 * mheap_put_inline() for an object that was not touched lately: its header is looked at some puts
 * later.  A mistake is told as much later, and without the address of who made it; a write past the
 * end when the object goes to the bins.  What waits is
 * looked at by mheap_put_flush(), mheap_front_drain(), mheap_trim(), when the heap is full and when
 * the thread ends.  Where there is no front, as mheap_put_inline().
 */
always_inline void
mheap_put_later(void *v, void *p)
{
	if (PREDICT_FALSE(!mheap_offset_may_be_object(mheap_header(v), (uword)p - (uword)v) ||
			  !mheap_front_put_later(mheap_front(mheap_header(v)), p)))
		mheap_put(v, (uword)p - (uword)v);
}

/** Look at what the calling thread put later. */
CLIB_EXPORT void mheap_put_flush(void *v);

/**
 * Get n objects of one size.
 *
 * @param v  heap vector, not NULL
 * @param n_bytes  of each
 * @param[out] objects  the first of them are set
 * @return how many were to be had
 */
CLIB_EXPORT u32 mheap_get_bulk(void *v, uword n_bytes, u32 n, void **objects);

/** Put n objects, of any sizes; as mheap_put() for each. */
CLIB_EXPORT void mheap_put_bulk(void *v, u32 n, void *const *objects);

/** What lies in the fronts of a heap. */
typedef struct {
	/** Objects and bytes that are cached, mail included.  Bytes by class: an object may have 16
	 *  more.  Exact while no thread gets or puts. */
	u64 n_cached, n_cached_bytes;
	/** Gets and puts that found the front ready. */
	u64 n_gets, n_puts;
	/** Puts of other threads' objects that went home by mail, among n_puts. */
	u64 n_remote_puts;
	/** Threads that have a front. */
	u32 n_fronts;
} mheap_front_usage_t;

/** Sums over the threads that ever used the heap and their classes: no walk over objects.  Zeros
 * for a heap without fronts and for one of another process. */
CLIB_EXPORT void mheap_front_usage(const void *v, mheap_front_usage_t *usage);

/** Give what the calling thread's front of this heap holds to the bins.  @return objects. */
CLIB_EXPORT u64 mheap_front_drain(void *v);

#endif
