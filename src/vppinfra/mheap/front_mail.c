/* SPDX-License-Identifier: Apache-2.0 */
/* Objects that one thread got and another puts.
 *
 * The putting thread lists them in a block of its own for the owner.  Full blocks hang in the
 * owner's mailbox, a list that many push to and whose whole is taken at once, so no push can meet a
 * link that came back (no ABA).  The owner empties blocks in one go when it runs dry; addresses lie
 * side by side, so it waits for no chain of cache misses.  owner == 0 gives a block back to its
 * sender. */
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
		 * acquire in mheap_front_collect(). */
	} while (!__atomic_compare_exchange_n(&to->mail, &head, b, 1, __ATOMIC_RELEASE,
					      __ATOMIC_RELAXED));
}

static mheap_block_t *
free_block(mheap_front_t *f)
{
	for (u32 i = 0; i < MHEAP_N_BLOCKS; i++)
		/* Acquire: the reader is done with it; pairs with the release there. */
		if (!clib_atomic_load_acq_n(&f->blocks[i].owner))
			return &f->blocks[i];
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
mheap_front_send(mheap_t *h, void *v, mheap_front_t *f, uword uo)
{
	uword p = (uword)v + uo, c;
	int is_sent = 0;
	u16 owner;

	if ((uo & 15) || uo < MHEAP_ELT_OVERHEAD_BYTES ||
	    uo - MHEAP_ELT_OVERHEAD_BYTES >= clib_atomic_load_relax_n(&h->n_readable_bytes))
		return 0;
	owner = clib_atomic_load_relax_n(_mheap_front_word(p));
	/* Cached already, or none: what it is the lock will tell. */
	if (owner == 0 || owner > CLIB_MAX_THREADS || owner == f->id ||
	    !mheap_front_owns(h, v, owner, uo, &c) ||
	    !clib_atomic_load_relax_n(&front_at(h, owner)->is_live))
		return 0;
	clib_atomic_store_relax_n(&f->is_busy, 1);
	atomic_signal_fence(memory_order_seq_cst);
	if (PREDICT_TRUE(!clib_atomic_load_relax_n(&f->is_held)))
		is_sent = send_object(h, f, owner, c, p);
	/* Release: pairs with the claimer's acquire. */
	clib_atomic_store_rel_n(&f->is_busy, 0);
	return is_sent;
}

/* Push without counting it as a put, which was counted where it was sent. */
static int
take_in(mheap_t *h, mheap_front_t *f, uword c, uword p)
{
	u32 n = front_depth(f, c);

	if (n >= f->depth[c])
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

u64
mheap_front_collect(mheap_t *h, void *v, mheap_front_t *f, int all_to_bins)
{
	mheap_block_t *b, *next;
	u64 n = 0;

	if (!clib_atomic_load_relax_n(&f->mail))
		return 0;
	for (b = __atomic_exchange_n(&f->mail, NULL, __ATOMIC_ACQUIRE); b; b = next) {
		next = b->next;
		n += clib_atomic_load_relax_n(&b->n);
		empty_block(h, v, f, b, all_to_bins);
	}
	return n;
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
