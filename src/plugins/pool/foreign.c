/* SPDX-License-Identifier: Apache-2.0 */
/* The pool behind a mempool that somebody else made.
 *
 * Its tables lie in DPDK's shared memory at one address for all processes, and hold neither a
 * function's address nor anything of one process but the slots: those belong to the threads of the
 * primary.  A secondary has no slots.  It works on the depot, under the lock that it shares with
 * the primary, and may be killed in the middle of that.  Two things make this harmless:
 *
 *   - the lock's word names the process that holds it; who has waited long looks whether that one
 *     still lives, and inherits the lock if not (share.c keeps the list of processes);
 *   - a secondary edits the depot in steps of at most one magazine, each one preceded by a copy of
 *     what it is going to change.  The heir puts a copy that was not struck off back.
 *
 * What a dead secondary had in its hands is lost, as with every pool; the depot is whole. */
#include <plugins/pool/forensics_impl.h>

#include <stddef.h>
#include <stdio.h>
#include <rte_cycles.h>
#include <rte_malloc.h>

/* All that an edit of the depot changes in the pool itself. */
#define DEPOT_FIRST offsetof(pktpool_t, n_depot)
#define DEPOT_BYTES (offsetof(pktpool_t, n_slots) - DEPOT_FIRST)
/* A step of at most a magazine moves at most two containers; a third has its link rewritten. */
#define N_LINKS 3

typedef struct {
	pktpool_t pool;

	/* Under the lock.  The journal of the one step that a secondary is at. */
	_Atomic u32 is_open;
	u8 depot[DEPOT_BYTES];
	struct {
		pktpool_magazine_t *magazine, *next;
	} links[N_LINKS];
} foreign_t;

/* Whether there may be pools to walk: EAL's list of mempools is mapped, and one of ours was seen.
 */
static _Atomic u32 is_up;

/* ---- the journal ---- */

static void
journal_begin(foreign_t *f)
{
	pktpool_t *pool = &f->pool;
	pktpool_magazine_t *touched[N_LINKS] = { pool->partial, pool->full, pool->empty };

	memcpy(f->depot, (u8 *)pool + DEPOT_FIRST, DEPOT_BYTES);
	for (u32 i = 0; i < N_LINKS; i++) {
		f->links[i].magazine = touched[i];
		f->links[i].next = touched[i] ? touched[i]->next : NULL;
	}
	/* Release: the copy is whole before it counts, and the fence keeps the edits behind it. */
	atomic_store_explicit(&f->is_open, 1, memory_order_release);
	atomic_thread_fence(memory_order_seq_cst);
}

static void
journal_end(foreign_t *f)
{
	/* Release: the edits are done before the copy is struck off. */
	atomic_store_explicit(&f->is_open, 0, memory_order_release);
}

static void
journal_undo(foreign_t *f)
{
	for (u32 i = 0; i < N_LINKS; i++)
		if (f->links[i].magazine)
			f->links[i].magazine->next = f->links[i].next;
	memcpy((u8 *)&f->pool + DEPOT_FIRST, f->depot, DEPOT_BYTES);
	journal_end(f);
}

/* ---- the lock ---- */

int
pktpool_lock_inherit(pktpool_t *pool, u32 holder, u32 taker)
{
	foreign_t *f = (foreign_t *)pool;

	if (!pktpool_share_is_dead(holder))
		return 0;
	/* Acquire: what the dead left, its journal too.  Of several heirs one succeeds. */
	if (!atomic_compare_exchange_strong_explicit(&pool->lock, &holder, taker,
						     memory_order_acquire, memory_order_relaxed))
		return 0;
	if (atomic_load_explicit(&f->is_open, memory_order_acquire))
		journal_undo(f);
	return 1;
}

/* @return whether the lock is ours; not when the primary died with it: its work has no journal. */
static int
secondary_lock(pktpool_t *pool)
{
	u32 holder = 0, n_pauses = 0;

	/* Acquire: as in pktpool_lock(). */
	while (!atomic_compare_exchange_weak_explicit(&pool->lock, &holder, pktpool_lock_word,
						      memory_order_acquire, memory_order_relaxed)) {
		if (holder && ++n_pauses % PKTPOOL_LOCK_PATIENCE == 0) {
			if (holder == PKTPOOL_LOCK_THREAD) {
				if (pktpool_share_is_dead(holder))
					return 0;
			} else if (pktpool_lock_inherit(pool, holder, pktpool_lock_word)) {
				return 1;
			}
		}
		CLIB_PAUSE();
		holder = 0;
	}
	return 1;
}

/* ---- a secondary's get and put ---- */

/* @return 0, -ENOBUFS; -EOWNERDEAD when the primary took the lock with it. */
static int
depot_get(pktpool_t *pool, void **objs, u32 n)
{
	foreign_t *f = (foreign_t *)pool;

	if (!secondary_lock(pool))
		return -EOWNERDEAD;
	if (pktpool_load(&pool->n_depot) < n) {
		pktpool_unlock(pool);
		return -ENOBUFS;
	}
	while (n) {
		u32 k = clib_min(n, pool->magazine_size);

		journal_begin(f);
		pktpool_depot_take(pool, objs, k);
		journal_end(f);
		objs += k;
		n -= k;
	}
	pktpool_unlock(pool);
	return 0;
}

/* Records of watched objects (forensics.h) say that a process held them, and no more: thread
 * indices and addresses of code mean something else there.  Without this the primary would take a
 * free of what a secondary got for the second one. */
static void
note_records(pktpool_t *pool, void *const *objs, u32 n, u32 kind)
{
	u32 trace = pktpool_trace_is_on(pool);
	pktpool_watch_t w = pktpool_watch(pool);

	if (PREDICT_TRUE(!trace))
		return;
	for (u32 i = 0; i < n; i++) {
		pktpool_record_t *r = pktpool_record(objs[i]);

		if (!pktpool_is_watched(w, objs[i]))
			continue;
		r->tsc = rte_rdtsc();
		if (kind == PKTPOOL_RECORD_HELD) {
			r->taken_by = CLIB_THREAD_INDEX_NONE;
			r->taken_at = NULL;
			r->node = r->seen_node = 0;
		} else {
			r->freed_by = CLIB_THREAD_INDEX_NONE;
			r->freed_at = NULL;
		}
		__atomic_store_n(&r->state, record_state(kind, trace), __ATOMIC_RELEASE);
	}
}

int
pktpool_secondary_get(pktpool_t *pool, void **objs, u32 n)
{
	int error;

	/* The objects are at addresses that mean something else here. */
	if (PREDICT_FALSE(pool->is_private))
		return -ENOBUFS;
	error = depot_get(pool, objs, n);
	/* What the primary's threads have cached only the primary can fetch. */
	if (error == -ENOBUFS && pktpool_load(&pool->n_depot) + pktpool_n_cached(pool) >= n &&
	    !pktpool_share_ask_reclaim(pool, n))
		error = depot_get(pool, objs, n);
	if (PREDICT_FALSE(error)) {
		atomic_fetch_add_explicit(&pool->n_failures, 1, memory_order_relaxed);
		return -ENOBUFS;
	}
	note_records(pool, objs, n, PKTPOOL_RECORD_HELD);
	return 0;
}

void
pktpool_secondary_put(pktpool_t *pool, void *const *objs, u32 n)
{
	foreign_t *f = (foreign_t *)pool;

	note_records(pool, objs, n, PKTPOOL_RECORD_FREE);
	/* Without a primary nobody takes them again. */
	if (!secondary_lock(pool))
		return;
	while (n) {
		u32 k = clib_min(n, pool->magazine_size);

		journal_begin(f);
		pktpool_depot_put(pool, objs, k);
		journal_end(f);
		objs += k;
		n -= k;
	}
	pktpool_unlock(pool);
}

/* ---- create, free ---- */

static void
foreign_free(pktpool_t *pool)
{
	pktpool_depot_free(pool);
	rte_free(pool);
}

int
pktpool_create_for_mempool(struct rte_mempool *mp, pktpool_t **result)
{
	foreign_t *f =
		rte_zmalloc_socket("vmheap-pool", sizeof(*f), CLIB_CACHE_LINE_BYTES, mp->socket_id);
	pktpool_t *pool;
	int error;

	if (!f)
		return -ENOMEM;
	pool = &f->pool;
	snprintf(pool->name, sizeof(pool->name), "%s", mp->name);
	pool->numa_node = mp->socket_id;
	pool->n_buffers = pool->n_max = mp->size;
	pool->magazine_size = pktpool_magazine_size(mp->size);
	pktpool_slots_init(pool);
	pool->buffer_bytes = mp->header_size + mp->elt_size + mp->trailer_size;
	pool->data_bytes = mp->elt_size;
	pool->head.mempool = mp;
	pktpool_store(&pool->n_low_water, pool->n_buffers);
	pool->depot_low_water = pool->n_buffers;
	error = pktpool_depot_init(pool);
	if (!error)
		error = pktpool_watch_threads();
	if (error) {
		foreign_free(pool);
		return error;
	}
	atomic_store_explicit(&is_up, 1, memory_order_relaxed);
	*result = pool;
	return 0;
}

void
pktpool_free_for_mempool(pktpool_t *pool)
{
	pktpool_trace_off(pool);
	foreign_free(pool);
}

/* ---- all of them ---- */

void
pktpool_foreign_set_up(int up)
{
	atomic_store_explicit(&is_up, (u32)up, memory_order_relaxed);
}

typedef struct {
	int (*fn)(pktpool_t *pool, void *arg);
	void *arg;
	int is_done;
} walk_t;

static void
walk_mempool(struct rte_mempool *mp, void *arg)
{
	walk_t *w = arg;
	pktpool_t *pool = pktpool_of_mempool(mp);

	if (!w->is_done && pool && !pool->is_in_arena)
		w->is_done = w->fn(pool, w->arg);
}

void
pktpool_foreign_foreach(int (*fn)(pktpool_t *pool, void *arg), void *arg)
{
	walk_t w = { .fn = fn, .arg = arg };

	/* DPDK's own list: a pool that is being freed has left it, one that is made is not on it
	 * before it has its data. */
	if (atomic_load_explicit(&is_up, memory_order_relaxed))
		rte_mempool_walk(walk_mempool, &w);
}

static int
flush_pool(pktpool_t *pool, void *arg)
{
	pktpool_thread_t *t = pktpool_thread(pool, *(u16 *)arg);

	if (t) {
		pktpool_lock(pool);
		pktpool_thread_drain(pool, t);
		pktpool_unlock(pool);
	}
	return 0;
}

void
pktpool_foreign_flush(u16 index)
{
	/* A secondary's threads have no slots; an index of theirs is some other thread's here. */
	if (pktpool_lock_word == PKTPOOL_LOCK_THREAD)
		pktpool_foreign_foreach(flush_pool, &index);
}
