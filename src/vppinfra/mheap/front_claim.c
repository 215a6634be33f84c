/* SPDX-License-Identifier: Apache-2.0 */
/* The fronts of other threads: emptied without their help, and summed up.
 *
 * A get or put of the owner's looks at a floor or ceiling and then touches the top entry of one
 * stack, without a mark that says it is inside.  The claimer, who holds the heap's lock, sets all
 * floors to ~0 and ceilings to 0 and makes every running thread pass a full barrier (membarrier).
 * From then on an owner that begins a call finds its front closed and waits for the lock; and one
 * that had looked before is inside at most that one call.  Whatever moment it is at, the call takes
 * the top entry or adds one above it, so the entries below the top are the claimer's.  It gives
 * them to the bins and notes how many; the owner moves the rest down when it comes (settle_bin()).
 *
 * Calls that touch more than one entry (bulk, mail) say that they are inside by is_busy; a claimer
 * waits for those a little, or leaves that front alone. */
#include <sched.h>
#include <vppinfra/thread_impl.h>
#include "mheap_impl.h"

/* A thread that runs leaves in a microsecond; one that does not gets so many turns of ours. */
#define N_WAIT_PAUSES 1000
#define N_WAIT_YIELDS 64

/* After claims that did not help, at most so many failing gets (log2) go without one. */
#define MAX_LOG2_CLAIMS_TO_SKIP 6u

static void
close_front(mheap_front_t *f)
{
	clib_atomic_store_relax_n(&f->is_held, 1);
	for (uword c = 0; c < MHEAP_N_FRONT_CLASSES; c++) {
		clib_atomic_store_relax_n(&f->bins[c].floor, (uword *)~(uword)0);
		clib_atomic_store_relax_n(&f->bins[c].ceiling, NULL);
	}
}

static int
is_anothers(const mheap_t *h, const mheap_front_t *f)
{
	return clib_atomic_load_relax_n(&f->is_live) && f != own_front(h);
}

int
mheap_fronts_hold(mheap_t *h)
{
	u32 n_held = 0;

	for (u32 id = 1; id <= h->n_fronts; id++) {
		mheap_front_t *f = front_at(h, id);

		if (is_anothers(h, f)) {
			close_front(f);
			n_held++;
		}
	}
	if (n_held == 0 || clib_thread_barrier_all() == 0)
		return 1;
	/* They stay closed until their owners come by: nobody else may open them now. */
	return 0;
}

/* Acquire: what the owner did inside, pairs with its release. */
static int
wait_until_away(const mheap_front_t *f)
{
	for (u32 i = 0; i < N_WAIT_PAUSES + N_WAIT_YIELDS; i++) {
		if (!clib_atomic_load_acq_n(&f->is_busy))
			return 1;
		if (i < N_WAIT_PAUSES)
			CLIB_PAUSE();
		else
			sched_yield();
	}
	return 0;
}

int
mheap_fronts_are_away(const mheap_t *h)
{
	for (u32 id = 1; id <= h->n_fronts; id++) {
		const mheap_front_t *f = front_at(h, id);

		if (is_anothers(h, f) && !wait_until_away(f))
			return 0;
	}
	return 1;
}

static u64
claim_bin(mheap_t *h, void *v, mheap_front_t *f, uword c)
{
	u32 n = front_depth(f, c), k = f->n_claimed[c];

	if (n < k + 2)
		return 0;
	n -= 1 + k;
	mheap_front_give(h, v, f, c, k, n);
	clib_atomic_store_relax_n(&f->n_claimed[c], (u8)(k + n));
	return n;
}

static u64
claim_front(mheap_t *h, void *v, mheap_front_t *f)
{
	u64 n = 0;

	for (uword c = 0; c < MHEAP_N_FRONT_CLASSES; c++)
		n += claim_bin(h, v, f, c);
	return n + mheap_front_give_outbox(h, v, f) + mheap_front_give_mail(h, v, f);
}

u64
mheap_front_claim_own(mheap_t *h, void *v)
{
	mheap_front_t *f = own_front(h);

	return f && f->is_live ? mheap_front_give_all(h, v, f) : 0;
}

static u64
claim_others(mheap_t *h, void *v)
{
	mheap_front_t *self = own_front(h);
	int are_held = mheap_fronts_hold(h);
	u64 n = 0;

	h->stats.n_front_claims++;
	for (u32 id = 1; id <= h->n_fronts; id++) {
		mheap_front_t *f = front_at(h, id);

		if (f == self && f->is_live)
			continue;
		if (!is_anothers(h, f))
			/* its thread is no more */
			n += mheap_front_give_later(h, v, f) + claim_front(h, v, f);
		else if (are_held && wait_until_away(f))
			n += claim_front(h, v, f);
	}
	return n;
}

u64
mheap_front_claim_all(mheap_t *h, void *v)
{
	return mheap_front_claim_own(h, v) + claim_others(h, v);
}

/* Whether a claimer would find anything in this front. */
static int
is_worth_claiming(const mheap_front_t *f)
{
	for (uword c = 0; c < MHEAP_N_FRONT_CLASSES; c++)
		if (front_depth(f, c) > f->n_claimed[c] + 1u)
			return 1;
	for (u32 i = 0; i < ARRAY_LEN(f->outbox); i++)
		if (clib_atomic_load_relax_n(&f->outbox[i]))
			return 1;
	for (u32 i = 0; i < MHEAP_N_LATER && !clib_atomic_load_relax_n(&f->is_live); i++)
		if (mheap_front_waiting(f, i))
			return 1;
	return f->inbox || clib_atomic_load_relax_n(&f->mail);
}

/* A heap at its limit fails one get after the other, perhaps for good: each may look, but not make
 * all threads pass a barrier and lose what they keep. */
u64
mheap_front_claim_others(mheap_t *h, void *v)
{
	const mheap_front_t *self = own_front(h);
	int is_worth_it = 0;

	for (u32 id = 1; id <= h->n_fronts && !is_worth_it; id++)
		is_worth_it = front_at(h, id) != self && is_worth_claiming(front_at(h, id));
	if (!is_worth_it)
		return 0;
	if (h->n_claims_to_skip) {
		h->n_claims_to_skip--;
		return 0;
	}
	return claim_others(h, v);
}

void
mheap_front_note_claim(mheap_t *h, int has_helped)
{
	if (has_helped) {
		h->log2_claims_to_skip = 0;
		return;
	}
	h->n_claims_to_skip = (u16)(1u << h->log2_claims_to_skip);
	h->log2_claims_to_skip =
		(u16)clib_min(h->log2_claims_to_skip + 1u, MAX_LOG2_CLAIMS_TO_SKIP);
}

/* Over all classes: how many, their numbers, their objects' bytes in units of 16, and the products
 * of the latter two. */
#define N_CLASSES 72UL
#define SUM_OF_CLASSES (N_CLASSES * (N_CLASSES - 1) / 2)
#define SUM_OF_16THS 25536UL
#define SUM_OF_PRODUCTS 1534528UL
_Static_assert(N_CLASSES == MHEAP_N_FRONT_CLASSES, "the sums are of these classes");

/* Eight classes from c on, of k, k + 1 ... times m 16ths. */
#define ADD(c, n_16ths_each)                                                                       \
	do {                                                                                       \
		u64 top = (uword)clib_atomic_load_relax_n(&f->bins[c].top);                        \
                                                                                                   \
		n += top;                                                                          \
		n_16ths += top * (n_16ths_each);                                                   \
		/* One after the other: all tops at once are more than there are registers. */     \
		__asm__("" : "+r"(n), "+r"(n_16ths));                                              \
	} while (0)
#define ADD_OCTAVE(c, k, m)                                                                        \
	do {                                                                                       \
		ADD(c, (k) * (m));                                                                 \
		ADD(c + 1, (k + 1) * (m));                                                         \
		ADD(c + 2, (k + 2) * (m));                                                         \
		ADD(c + 3, (k + 3) * (m));                                                         \
		ADD(c + 4, (k + 4) * (m));                                                         \
		ADD(c + 5, (k + 5) * (m));                                                         \
		ADD(c + 6, (k + 6) * (m));                                                         \
		ADD(c + 7, (k + 7) * (m));                                                         \
	} while (0)

/* Of one front's stacks: what lies there, the claimed entries included, and its bytes by class. The
 * tops are summed up as they stand, and what they were if all were empty is taken off at once. */
static void
add_stacks(const mheap_front_t *f, mheap_cached_t *cached)
{
	uword first = (uword)f->objects, stride = sizeof(f->objects[0]);
	u64 n = 0, n_16ths = 0;

	ADD_OCTAVE(0, 1, 1);
	ADD_OCTAVE(8, 9, 1);
	ADD_OCTAVE(16, 9, 2);
	ADD_OCTAVE(24, 9, 4);
	ADD_OCTAVE(32, 9, 8);
	ADD_OCTAVE(40, 9, 16);
	ADD_OCTAVE(48, 9, 32);
	ADD_OCTAVE(56, 9, 64);
	ADD_OCTAVE(64, 9, 128);
	n -= first * N_CLASSES + stride * SUM_OF_CLASSES;
	n_16ths -= first * SUM_OF_16THS + stride * SUM_OF_PRODUCTS;
	cached->n += n / sizeof(uword);
	cached->n_bytes += n_16ths / sizeof(uword) * 16;
}

/* Entries that a claimer took and the owner has not moved over yet. */
static void
subtract_claimed(const mheap_front_t *f, mheap_cached_t *cached)
{
	if (PREDICT_TRUE(!clib_atomic_load_relax_n(&f->is_held)))
		return;
	for (uword c = 0; c < MHEAP_N_FRONT_CLASSES; c++) {
		u64 n = clib_atomic_load_relax_n(&f->n_claimed[c]);

		cached->n -= n;
		cached->n_bytes -= n * mheap_front_class_bytes(c);
	}
}

mheap_cached_t
mheap_fronts_cached(const mheap_t *h)
{
	mheap_cached_t cached = { 0 };
	u32 n_fronts = clib_atomic_load_relax_n(&h->n_fronts);

	for (u32 id = 1; id <= n_fronts; id++) {
		const mheap_front_t *f = front_at(h, id);

		if (!clib_atomic_load_relax_n(&f->bins[0].top))
			continue; /* never opened */
		add_stacks(f, &cached);
		subtract_claimed(f, &cached);
		/* What was sent is on its way until it is taken out of its block. */
		cached.n += clib_atomic_load_relax_n(&f->n_remote_puts);
		cached.n_bytes += clib_atomic_load_relax_n(&f->n_remote_bytes);
	}
	cached.n -= h->n_mail_taken;
	cached.n_bytes -= h->n_mail_taken_bytes;
	return cached;
}

void
mheap_front_usage(const void *v, mheap_front_usage_t *u)
{
	const mheap_t *h = v ? mheap_header(v) : NULL;
	mheap_cached_t cached;
	u64 n_got = 0, n_in_stacks;
	int is_locked;

	memset(u, 0, sizeof(*u));
	if (!h || !(heap_flags(h) & FLAGS_CACHING) || !mheap_region_of(h))
		return;
	is_locked = mheap_lock_if_ours(h);
	cached = mheap_fronts_cached(h);
	for (u32 id = 1; id <= clib_atomic_load_relax_n(&h->n_fronts); id++) {
		const mheap_front_t *f = front_at(h, id);

		for (uword c = 0; c < MHEAP_N_FRONT_CLASSES; c++)
			n_got += clib_atomic_load_relax_n(&f->bins[c].n_gets);
		u->n_remote_puts += clib_atomic_load_relax_n(&f->n_remote_puts);
		u->n_fronts += clib_atomic_load_relax_n(&f->is_live);
	}
	n_in_stacks = cached.n - (u->n_remote_puts - h->n_mail_taken);
	u->n_gets = n_got;
	/* What went in one way or another must have come out, or is there. */
	u->n_puts = n_in_stacks + n_got + h->stats.n_front_drained + u->n_remote_puts -
		    h->stats.n_front_filled - h->stats.n_front_mailed;
	mheap_checked_cached(h, &cached);
	u->n_cached = cached.n;
	u->n_cached_bytes = cached.n_bytes;
	if (is_locked)
		mheap_unlock_slow((mheap_t *)h);
}
