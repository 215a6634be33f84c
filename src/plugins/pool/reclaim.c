/* SPDX-License-Identifier: Apache-2.0 */
/* Taking what other threads have cached, when the depot is dry.
 *
 * Without it up to two magazines a thread are out of everyone else's reach for as long as that
 * thread is busy elsewhere.  The owner's side must stay free of atomic instructions, so the
 * expensive half of the handshake is here (an asymmetric Dekker pair):
 *
 *   owner                         reclaimer, depot lock held
 *     busy = 1                      stop = 1
 *     (compiler barrier)            membarrier: each running thread passes a full barrier
 *     stopped? take the lock        if (busy) wait a little, else the magazines are ours
 *
 * Either the owner's store of busy was before its barrier, and the reclaimer sees it, or it comes
 * after, and the owner sees stop.  An owner that stays inside (its CPU was taken away) is passed
 * over.  The whole of a slot comes home, so a thread that starves pays this once in hundreds of
 * buffers. */
#include <plugins/pool/pktpool_impl.h>

#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

/* 2000 pauses are some 20 to 80 us: a thread inside leaves within a microsecond if it runs. */
#define N_WAIT_PAUSES 2000

static u8 is_offered;

void
pktpool_reclaim_init(void)
{
	is_offered = !syscall(__NR_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0);
}

int
pktpool_reclaim_is_offered(void)
{
	return is_offered;
}

/* @return whether the thread was seen outside its slot. */
static int
wait_until_outside(const pktpool_thread_t *t)
{
	/* Acquire: the magazines as their thread left them, pairs with pktpool_leave(). */
	for (u32 i = 0; i < N_WAIT_PAUSES; i++) {
		if (!__atomic_load_n(&t->busy, __ATOMIC_ACQUIRE))
			return 1;
		CLIB_PAUSE();
	}
	return 0;
}

/* Keep all threads but self out of their slots, or let them in again; the lock is held. */
static void
stop_others(pktpool_t *pool, u32 limit, const pktpool_thread_t *self, int is_on)
{
	for (u32 i = 0; i < limit; i++) {
		pktpool_thread_t *t = pktpool_thread(pool, (u16)i);

		if (t && t != self)
			slot_set_stop(t, is_on ? slot_load(&t->stop) | PKTPOOL_STOP_RECLAIM
					       : slot_load(&t->stop) & ~PKTPOOL_STOP_RECLAIM);
	}
}

static int
barrier(void)
{
	return syscall(__NR_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
}

void
pktpool_reclaim(pktpool_t *pool, const pktpool_thread_t *self, u32 n)
{
	u32 limit = pktpool_load(&pool->n_slots), n_elsewhere = 0;

	if (!is_offered)
		return;
	for (u32 i = 0; i < limit; i++) {
		pktpool_thread_t *t = pktpool_thread(pool, (u16)i);

		if (t && t != self)
			n_elsewhere += slot_n_cached(t);
	}
	/* True exhaustion must stay cheap: it is met burst after burst. */
	if (pktpool_load(&pool->n_depot) + n_elsewhere < n)
		return;

	stop_others(pool, limit, self, 1);
	if (barrier() == 0) {
		for (u32 i = 0; i < limit; i++) {
			pktpool_thread_t *t = pktpool_thread(pool, (u16)i);

			/* One that appeared since has no stop set; it holds nothing yet either. */
			if (t && t != self && (slot_load(&t->stop) & PKTPOOL_STOP_RECLAIM) &&
			    slot_n_cached(t) && wait_until_outside(t))
				pktpool_thread_drain(pool, t);
		}
		pktpool_count(&pool->n_reclaims, 1);
	}
	stop_others(pool, limit, self, 0);
}

/* What is free outside of threads; the lock is held. */
static void
foreach_free_at_home(pktpool_t *pool, void (*fn)(pktpool_t *pool, void *const *objs, u32 n))
{
	for (pktpool_magazine_t *m = pool->full; m; m = m->next)
		fn(pool, m->objs, pool->magazine_size);
	fn(pool, pool->partial->objs, pool->n_partial);
	for (pktpool_reservation_t *r = pool->reservations; r; r = r->next)
		fn(pool, r->objs, r->n_stock);
	for (u32 k = 0; k < pktpool_load(&pool->n_extents); k++)
		fn(pool, pool->extents[k].parked, pool->extents[k].n_parked);
}

int
pktpool_foreach_free(pktpool_t *pool, void (*fn)(pktpool_t *pool, void *const *objs, u32 n))
{
	u32 limit = pktpool_load(&pool->n_slots);
	int error;

	/* A secondary's barrier does not reach the primary's threads. */
	if (!is_offered || pktpool_lock_word != PKTPOOL_LOCK_THREAD)
		return -ENOTSUP;
	pktpool_lock(pool);
	stop_others(pool, limit, NULL, 1);
	error = barrier() ? -ENOTSUP : 0;
	for (u32 i = 0; i < limit && !error; i++) {
		pktpool_thread_t *t = pktpool_thread(pool, (u16)i);

		if (!t || !(slot_load(&t->stop) & PKTPOOL_STOP_RECLAIM) || !wait_until_outside(t))
			continue;
		fn(pool, t->loaded, slot_load(&t->n_loaded));
		fn(pool, t->previous, slot_load(&t->n_previous));
	}
	if (!error)
		foreach_free_at_home(pool, fn);
	stop_others(pool, limit, NULL, 0);
	pktpool_unlock(pool);
	return error;
}

void
pktpool_wait_until_outside(pktpool_t *pool)
{
	u32 limit = clib_thread_index_limit();

	/* Each thread passes a barrier: it has seen what its slot says now, or is seen inside. */
	if (is_offered)
		(void)barrier();
	for (u32 i = 0; i < limit; i++) {
		pktpool_thread_t *t = pktpool_thread(pool, (u16)i);

		if (t)
			(void)wait_until_outside(t);
	}
}
