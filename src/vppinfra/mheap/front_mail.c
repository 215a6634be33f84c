/* SPDX-License-Identifier: Apache-2.0 */
/* Objects that one thread got and another puts.
 *
 * The putting thread lists them in a block of its own for the owner.  Full blocks hang in the
 * owner's mailbox, a list that many push to and whose whole is taken at once, so no push can meet a
 * link that came back (no ABA).  The owner empties blocks in one go when it runs dry; addresses lie
 * side by side, so it waits for no chain of cache misses.  owner == 0 gives a block back to its
 * sender.  While all blocks are on their way, to owners that are idle, the putting thread makes
 * what it puts its own. */
#include <vppinfra/thread.h>
#include "mheap_impl.h"

/* A block is full earlier where its objects are large. */
#define MAX_BLOCK_BYTES KiB(64)

/* The class beside the address, which has 48 bits. */
#define CLASS_SHIFT 56
#define ADDRESS_MASK ((1ULL << CLASS_SHIFT) - 1)

static void
post(mheap_front_t *to, mheap_block_t *b)
{
	mheap_block_t *head = clib_atomic_load_relax_n(&to->mail);

	do {
		b->next = head;
		/* Release: the block and the objects as their users left them; pairs with the
		 * acquire in empty_next(). */
	} while (!__atomic_compare_exchange_n(&to->mail, &head, b, 1, __ATOMIC_RELEASE,
					      __ATOMIC_RELAXED));
}

static mheap_block_t *
free_block(mheap_front_t *f)
{
	if (PREDICT_FALSE(f->n_sends_to_skip)) {
		f->n_sends_to_skip--;
		return NULL;
	}
	for (u32 i = 0; i < MHEAP_N_BLOCKS; i++)
		/* Acquire: the reader is done with it; pairs with the release there. */
		if (!clib_atomic_load_acq_n(&f->blocks[i].owner))
			return &f->blocks[i];
	/* Their owners are idle; not to look at all of them each time. */
	f->n_sends_to_skip = MHEAP_N_BLOCK_OBJECTS;
	return NULL;
}

/* The block that is filled for `owner'; NULL: all are on their way. */
static mheap_block_t *
outbox_for(mheap_t *h, mheap_front_t *f, u16 owner)
{
	mheap_block_t **place = &f->outbox[owner % ARRAY_LEN(f->outbox)], *b = *place;

	if (PREDICT_TRUE(b && clib_atomic_load_relax_n(&b->owner) == owner))
		return b;
	if (b)
		post(front_at(h, b->owner), b);
	b = free_block(f);
	/* Whole: claimers look whether there is any. */
	clib_atomic_store_relax_n(place, b);
	if (b) {
		clib_atomic_store_relax_n(&b->n_bytes, 0);
		clib_atomic_store_relax_n(&b->owner, owner);
	}
	return b;
}

/* The front is busy: nobody else looks at its blocks. */
static int
send_object(mheap_t *h, mheap_front_t *f, u16 owner, uword c, uword p)
{
	mheap_block_t *b = outbox_for(h, f, owner);
	u16 n;

	if (PREDICT_FALSE(!b))
		return 0;
	n = clib_atomic_load_relax_n(&b->n);
	clib_atomic_store_relax_n(_mheap_front_word(p), owner | MHEAP_FRONT_CACHED);
	clib_atomic_store_relax_n(&b->objects[n], p | c << CLASS_SHIFT);
	/* Counted as sent before anybody can count it as taken. */
	clib_atomic_store_relax_n(&f->n_remote_puts, f->n_remote_puts + 1);
	clib_atomic_store_relax_n(&f->n_remote_bytes,
				  f->n_remote_bytes + mheap_front_class_bytes(c));
	clib_atomic_store_relax_n(&b->n_bytes, b->n_bytes + (u32)mheap_front_class_bytes(c));
	clib_atomic_store_rel_n(&b->n, n + 1);
	if (PREDICT_FALSE(n + 1 == MHEAP_N_BLOCK_OBJECTS || b->n_bytes >= MAX_BLOCK_BYTES)) {
		clib_atomic_store_relax_n(&f->outbox[owner % ARRAY_LEN(f->outbox)], NULL);
		post(front_at(h, owner), b);
	}
	return 1;
}

int
mheap_front_send(mheap_t *h, void *v, mheap_front_t *f, uword uo, int looks_right)
{
	uword p = (uword)v + uo, n_words, c;
	int is_sent = 0;
	u16 owner;

	if (PREDICT_FALSE(!_mheap_front_may_look(h, uo)))
		return 0;
	owner = clib_atomic_load_relax_n(_mheap_front_word(p));
	/* Cached already, or none: what it is the lock will tell. */
	if (PREDICT_FALSE(owner == 0 || owner > mheap_n_fronts_each || owner == f->id))
		return 0;
	n_words = looks_right ? _mheap_front_own_words(owner, (uword)v, h->cookie, p)
			      : _mheap_front_near_words(owner, (uword)v, h->cookie, p);
	if (PREDICT_FALSE(!n_words || !clib_atomic_load_relax_n(&front_at(h, owner)->is_live)))
		return 0;
	c = mheap_front_class_of_elt(n_words * MHEAP_USER_DATA_WORD_BYTES);
	clib_atomic_store_relax_n(&f->is_busy, 1);
	atomic_signal_fence(memory_order_seq_cst);
	if (PREDICT_TRUE(!clib_atomic_load_relax_n(&f->is_held))) {
		is_sent = send_object(h, f, owner, c, p);
		/* Its owner empties no mail: the object is ours from here on. */
		if (PREDICT_FALSE(!is_sent))
			clib_atomic_store_relax_n(_mheap_front_word(p), f->id);
	}
	/* Release: pairs with the claimer's acquire. */
	clib_atomic_store_rel_n(&f->is_busy, 0);
	return is_sent;
}

/* Push without counting it as a put, which was counted where it was sent.  A stack that runs over
 * grows as one that runs dry. */
static int
take_in(mheap_t *h, mheap_front_t *f, uword c, uword p)
{
	u32 n = front_depth(f, c);

	if (PREDICT_FALSE(n >= f->depth[c]) &&
	    (is_falling(h) || !mheap_front_set_depth(f, c, 2u * f->depth[c])))
		return 0;
	clib_atomic_store_relax_n(&f->objects[c][n], p);
	clib_atomic_store_rel_n(&f->bins[c].top, f->objects[c] + n + 1);
	h->stats.n_front_mailed++;
	return 1;
}

static void
empty_block(mheap_t *h, void *v, mheap_front_t *f, mheap_block_t *b, int all_to_bins)
{
	u16 n = clib_atomic_load_acq_n(&b->n);

	for (u32 i = 0; i < n; i++) {
		uword word = clib_atomic_load_relax_n(&b->objects[i]), p = word & ADDRESS_MASK;

		if (all_to_bins || !take_in(h, f, word >> CLASS_SHIFT, p))
			mheap_front_free(h, v, p);
	}
	h->n_mail_taken += n;
	h->n_mail_taken_bytes += clib_atomic_load_relax_n(&b->n_bytes);
	clib_atomic_store_relax_n(&b->n, 0);
	/* Release: the sender may fill it again. */
	clib_atomic_store_rel_n(&b->owner, 0);
}

/* One block of the mail.  @return objects, 0: there is none. */
static u64
empty_next(mheap_t *h, void *v, mheap_front_t *f, int all_to_bins)
{
	mheap_block_t *b = f->inbox;
	u64 n;

	if (!b) {
		if (!clib_atomic_load_relax_n(&f->mail))
			return 0;
		/* Acquire: pairs with the release in post(). */
		b = __atomic_exchange_n(&f->mail, NULL, __ATOMIC_ACQUIRE);
	}
	f->inbox = b->next;
	n = clib_atomic_load_relax_n(&b->n);
	empty_block(h, v, f, b, all_to_bins);
	return n;
}

u64
mheap_front_collect(mheap_t *h, void *v, mheap_front_t *f, uword c)
{
	u64 n, n_all = 0;

	while (!front_depth(f, c) && (n = empty_next(h, v, f, 0)))
		n_all += n;
	return n_all;
}

u64
mheap_front_give_mail(mheap_t *h, void *v, mheap_front_t *f)
{
	u64 n, n_all = 0;

	while ((n = empty_next(h, v, f, 1)))
		n_all += n;
	return n_all;
}

u64
mheap_front_give_outbox(mheap_t *h, void *v, mheap_front_t *f)
{
	u64 n = 0;

	for (u32 i = 0; i < ARRAY_LEN(f->outbox); i++) {
		mheap_block_t *b = f->outbox[i];

		if (!b)
			continue;
		clib_atomic_store_relax_n(&f->outbox[i], NULL);
		n += clib_atomic_load_relax_n(&b->n);
		empty_block(h, v, f, b, 1);
	}
	return n;
}
