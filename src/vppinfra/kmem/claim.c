/* SPDX-License-Identifier: Apache-2.0 */
/* Emptying the magazines of other threads.
 *
 * What a thread has in its magazines would else be out of reach for as long as it does something
 * else.  Its own path must stay without atomic instructions, so the dear half of the handshake is
 * here (an asymmetric Dekker pair):
 *
 *   owner                              claimer, depot's lock held
 *     busy = 1                           floor = ~0, ceiling = 0
 *     (compiler barrier)                 membarrier: each running thread passes a full barrier
 *     n > floor?  n < ceiling?           busy?  wait a little; else the magazines are ours
 *
 * Either the owner's store of busy was before its barrier, and the claimer sees it, or it comes
 * after, and the owner finds that it may neither take nor add and asks for the depot's lock.
 * An owner that stays inside (its processor was taken away) is let go again. */
#include "kmem_impl.h"
#include "percpu_impl.h"

#include <vppinfra/thread_impl.h>

/* An owner that runs leaves in nanoseconds; one that does not gets so many turns of ours. */
#define N_WAIT_PAUSES 1000
#define N_WAIT_YIELDS 64

#define CLAIMED (~0u)

/* Part i of a cache; NULL when that thread never came. */
static clib_kmem_cpu_t *
part(const kmem_t *k, u32 i)
{
	/* Acquire: the unit's pages, pairs with the release that published it. */
	u8 *base = k->cpu_offset ? atomic_load_explicit(&clib_percpu_bases[i], memory_order_acquire)
				 : NULL;

	return base ? _clib_kmem_cpu(base, k->cpu_offset) : NULL;
}

clib_kmem_cpu_t *
kmem_part(const kmem_t *k, u32 i)
{
	return part(k, i);
}

u64
kmem_n_in_threads(const kmem_t *k)
{
	u32 limit = clib_thread_index_limit();
	u64 n = 0;

	for (u32 i = 0; i < limit; i++) {
		clib_kmem_cpu_t *c = part(k, i);

		if (c)
			n += (kmem_load(&c->state) & 0xffff) + kmem_load(&c->n_previous);
	}
	return n;
}

static void
let_in(clib_kmem_cpu_t *c)
{
	/* Release: the owner's acquire sees the magazines as we leave them. */
	atomic_store_explicit(&c->floor, 0, memory_order_release);
	atomic_store_explicit(&c->ceiling, c->capacity, memory_order_release);
}

bool
kmem_is_claimed(const clib_kmem_cpu_t *c)
{
	return kmem_load(&c->floor) == CLAIMED;
}

/* Acquire: what the owner did before it left, pairs with _clib_kmem_leave(). */
static bool
wait_until_away(clib_kmem_cpu_t *c)
{
	for (u32 i = 0; i < N_WAIT_PAUSES + N_WAIT_YIELDS; i++) {
		if (!atomic_load_explicit(&c->busy, memory_order_acquire))
			return true;
		if (i < N_WAIT_PAUSES)
			CLIB_PAUSE();
		else
			sched_yield();
	}
	return false;
}

int
kmem_claim(kmem_t *k, bool is_at_rest)
{
	u32 limit = clib_thread_index_limit();
	clib_kmem_cpu_t *self = kmem_cpu(k);
	bool is_fenced;
	int error = 0;

	for (u32 i = 0; i < limit; i++) {
		clib_kmem_cpu_t *c = part(k, i);

		if (c) {
			kmem_store(&c->floor, CLAIMED);
			kmem_store(&c->ceiling, 0);
		}
	}
	is_fenced = is_at_rest || clib_thread_barrier_all() == 0;
	for (u32 i = 0; i < limit; i++) {
		clib_kmem_cpu_t *c = part(k, i);

		/* One that appeared since is not held off; it cannot have had anything. */
		if (c == NULL || c == self || !kmem_is_claimed(c))
			continue;
		if (is_fenced && wait_until_away(c))
			continue;
		let_in(c);
		error = -EAGAIN;
	}
	kmem_add(&k->n_claims, 1);
	return error;
}

void
kmem_unclaim(kmem_t *k)
{
	u32 limit = clib_thread_index_limit();

	for (u32 i = 0; i < limit; i++) {
		clib_kmem_cpu_t *c = part(k, i);

		if (c && kmem_is_claimed(c))
			let_in(c);
	}
}

uword
kmem_flush_all(kmem_t *k, bool is_at_rest, int *error)
{
	u32 limit = clib_thread_index_limit();
	kmem_magazine_t *list = NULL;
	int rv = 0;

	kmem_depot_lock(k);
	if (k->cpu_offset) {
		rv = kmem_claim(k, is_at_rest);
		for (u32 i = 0; i < limit; i++) {
			clib_kmem_cpu_t *c = part(k, i);

			if (c && kmem_is_claimed(c))
				kmem_cpu_unload(c, &list);
		}
		kmem_unclaim(k);
	}
	kmem_depot_take(k, ~0u, ~0u, &list);
	kmem_unlock(&k->depot_lock);
	if (error)
		*error = rv;
	return kmem_drain_list(k, list);
}

void
kmem_flush_thread(kmem_t *k, u16 index)
{
	clib_kmem_cpu_t *c = part(k, index);
	kmem_magazine_t *list = NULL;

	if (c == NULL)
		return;
	kmem_depot_lock(k);
	kmem_cpu_unload(c, &list);
	kmem_unlock(&k->depot_lock);
	kmem_drain_list(k, list);
}

void
kmem_claim_fork_child(kmem_t *k)
{
	for (u32 i = 0; i < CLIB_MAX_THREADS; i++) {
		clib_kmem_cpu_t *c = part(k, i);

		if (c)
			kmem_store(&c->busy, 0);
	}
}
