/* SPDX-License-Identifier: Apache-2.0 */
/* Magazines and depot (Bonwick and Adams, "Magazines and Vmem", 2001).
 *
 * A burst that the thread's two magazines can serve takes no lock and no atomic instruction: a
 * flag store, a flag load, the copy, a flag store.  The flags let a starving thread take what
 * another one sits on (reclaim.c).  Everything else goes through the depot's spinlock, entered
 * with the flag down, so whoever holds the lock may wait for a flag without a deadlock.  Pointers
 * of an exchanged magazine are copied after the lock is dropped, with the flag up again. */
#include <plugins/pool/forensics_impl.h>

#include <vppinfra/mem.h>

/* A refused request and each 16th exchange look at all slots for the low-water mark: their lines
 * belong to other cores. */
#define N_EXCHANGES_PER_SAMPLE 16

/* The container whose pointers begin at objs. */
always_inline pktpool_magazine_t *
magazine_of(void **objs)
{
	return (pktpool_magazine_t *)((u8 *)objs - offsetof(pktpool_magazine_t, objs));
}

/* ---- a thread's slot ---- */

/* @return whether the thread may go on without the lock. */
always_inline int
thread_enter(pktpool_thread_t *t)
{
	pktpool_enter(t);
	/* Acquire: the magazines as a reclaimer left them, pairs with slot_set_stop(). */
	if (PREDICT_TRUE(!(__atomic_load_n(&t->stop, __ATOMIC_ACQUIRE) & PKTPOOL_STOP_RECLAIM)))
		return 1;
	pktpool_leave(t);
	return 0;
}

/* Enter with the lock held: no reclaimer is at work, and none starts before we unlock. */
always_inline void
thread_enter_and_unlock(pktpool_t *pool, pktpool_thread_t *t)
{
	slot_store(&t->busy, 1);
	pktpool_unlock(pool);
}

static uword
magazine_bytes(const pktpool_t *pool)
{
	/* An odd number of lines, so that magazines do not alias each other in the cache. */
	return round_pow2(sizeof(pktpool_magazine_t) + pool->magazine_size * sizeof(void *),
			  CLIB_CACHE_LINE_BYTES) |
	       CLIB_CACHE_LINE_BYTES;
}

void
pktpool_slots_init(pktpool_t *pool)
{
	slot_set_stop(&pool->head.nobody, PKTPOOL_STOP_RECLAIM);
	for (u32 i = 0; i < ARRAY_LEN(pool->head.threads); i++)
		pool->head.threads[i] = &pool->head.nobody;
}

void
pktpool_stop_all(pktpool_t *pool, u32 bits, int is_on)
{
	u32 limit = clib_thread_index_limit();

	for (u32 i = 0; i < limit; i++) {
		pktpool_thread_t *t = pktpool_thread(pool, (u16)i);

		if (t)
			slot_set_stop(t, is_on ? slot_load(&t->stop) | bits
					       : slot_load(&t->stop) & ~bits);
	}
}

static int
is_closing(pktpool_t *pool)
{
	return atomic_load_explicit(&pool->is_closing, memory_order_relaxed);
}

void
pktpool_close(pktpool_t *pool)
{
	pktpool_lock(pool);
	atomic_store_explicit(&pool->is_closing, 1, memory_order_relaxed);
	pktpool_stop_all(pool, PKTPOOL_STOP_CLOSING, 1);
	pktpool_unlock(pool);
}

static never_inline pktpool_thread_t *
thread_create(pktpool_t *pool, u16 index)
{
	uword n_magazine = magazine_bytes(pool);
	u32 n_slots = pktpool_load(&pool->n_slots);
	pktpool_thread_t *t;

	STATIC_ASSERT_SIZEOF(pktpool_thread_t, CLIB_CACHE_LINE_BYTES);
	t = pktpool_table_alloc(pool, sizeof(*t) + 2 * n_magazine);
	if (!t)
		return NULL;
	memset(t, 0, sizeof(*t));
	t->loaded = ((pktpool_magazine_t *)(t + 1))->objs;
	t->previous = (void **)((u8 *)t->loaded + n_magazine);
	t->magazine_size = pool->magazine_size;
	slot_set_stop(t, PKTPOOL_STOP_RECLAIM);
	/* Release: the slot is whole, pairs with pktpool_thread(). */
	__atomic_store_n(&pool->head.threads[index + 1], t, __ATOMIC_RELEASE);
	while (n_slots <= index &&
	       !atomic_compare_exchange_weak_explicit(&pool->n_slots, &n_slots, index + 1u,
						      memory_order_relaxed, memory_order_relaxed))
		;
	/* Whoever switches a trace on after this sees the slot, and before it is seen here.  Until
	 * then it is stopped. */
	pktpool_lock(pool);
	slot_set_stop(t, (pktpool_trace_is_on(pool) & 0xff) |
				 (is_closing(pool) ? PKTPOOL_STOP_CLOSING : 0));
	pktpool_unlock(pool);
	return t;
}

#define PLACE_OF(i) (offsetof(pktpool_head_t, threads) + (i) * sizeof(pktpool_thread_t *))

__thread uword pktpool_slot_place = PLACE_OF(0);
/* The thread's magazines have gone home for good. */
static __thread u8 is_leaving __attribute__((tls_model("initial-exec")));

void
pktpool_thread_leaves(void)
{
	is_leaving = 1;
	pktpool_slot_place = PLACE_OF(0);
}

static never_inline pktpool_thread_t *
thread_arrive(pktpool_t *pool)
{
	u16 index = clib_thread_index();
	pktpool_thread_t *t;

	if (index == CLIB_THREAD_INDEX_NONE || is_leaving)
		return NULL;
	pktpool_slot_place = PLACE_OF(index + 1);
	t = pktpool_slot(pool);
	return t != &pool->head.nobody ? t : thread_create(pool, index);
}

/* NULL: no index, or no memory for a slot, or the thread exits; the depot serves such a thread
 * directly. */
always_inline pktpool_thread_t *
thread_self(pktpool_t *pool)
{
	pktpool_thread_t *t = pktpool_slot(pool);

	return PREDICT_TRUE(t != &pool->head.nobody) ? t : thread_arrive(pool);
}

u32
pktpool_n_cached(pktpool_t *pool)
{
	u32 n = 0, limit = pktpool_load(&pool->n_slots);

	for (u32 i = 0; i < limit; i++) {
		pktpool_thread_t *t = pktpool_thread(pool, (u16)i);

		if (t)
			n += slot_n_cached(t);
	}
	return n;
}

/* ---- depot, lock held ---- */

always_inline void
depot_add(pktpool_t *pool, i64 n)
{
	pktpool_store(&pool->n_depot, pktpool_load(&pool->n_depot) + (u32)n);
}

always_inline void
push_full(pktpool_t *pool, pktpool_magazine_t *m)
{
	m->next = pool->full;
	pool->full = m;
	pool->n_full++;
}

always_inline pktpool_magazine_t *
pop_full(pktpool_t *pool)
{
	pktpool_magazine_t *m = pool->full;

	if (m) {
		pool->full = m->next;
		pool->n_full--;
	}
	return m;
}

always_inline void
push_empty(pktpool_t *pool, pktpool_magazine_t *m)
{
	m->next = pool->empty;
	pool->empty = m;
	pool->n_empty++;
}

always_inline pktpool_magazine_t *
pop_empty(pktpool_t *pool)
{
	pktpool_magazine_t *m = pool->empty;

	if (m) {
		pool->empty = m->next;
		pool->n_empty--;
	}
	return m;
}

static void
sample_low_water(pktpool_t *pool)
{
	u32 n_free = pktpool_load(&pool->n_depot) + pktpool_n_cached(pool);

	pool->n_since_sample = 0;
	pool->depot_low_water = clib_min(pool->depot_low_water, pktpool_load(&pool->n_depot));
	if (n_free < pktpool_load(&pool->n_low_water))
		pktpool_store(&pool->n_low_water, n_free);
}

/* Buffers left the depot. */
always_inline void
note_miss(pktpool_t *pool)
{
	pktpool_count(&pool->n_misses, 1);
	if (pktpool_load(&pool->n_depot) < pool->depot_low_water ||
	    ++pool->n_since_sample >= N_EXCHANGES_PER_SAMPLE)
		sample_low_water(pool);
}

void
pktpool_depot_take(pktpool_t *pool, void **objs, u32 n)
{
	ASSERT(n <= pktpool_load(&pool->n_depot));
	depot_add(pool, -(i64)n);
	while (n) {
		u32 k;

		if (!pool->n_partial) {
			push_empty(pool, pool->partial);
			pool->partial = pop_full(pool);
			pool->n_partial = pool->magazine_size;
		}
		k = clib_min(n, pool->n_partial);
		pool->n_partial -= k;
		pktpool_copy(objs, pool->partial->objs + pool->n_partial, k);
		objs += k;
		n -= k;
	}
}

void
pktpool_depot_put(pktpool_t *pool, void *const *objs, u32 n)
{
	while (n) {
		u32 k = pool->magazine_size - pool->n_partial;

		if (!k) {
			pktpool_magazine_t *m = pop_empty(pool);

			if (PREDICT_FALSE(!m)) {
				pktpool_count(&pool->n_bad_puts, n);
				return;
			}
			push_full(pool, pool->partial);
			pool->partial = m;
			pool->n_partial = 0;
			continue;
		}
		k = clib_min(k, n);
		pktpool_copy(pool->partial->objs + pool->n_partial, objs, k);
		pool->n_partial += k;
		depot_add(pool, k);
		objs += k;
		n -= k;
	}
}

/* One magazine home: as a whole when it is full, loose otherwise. */
static void **
drain_magazine(pktpool_t *pool, void **objs, u32 n)
{
	pktpool_magazine_t *e;

	if (n == pool->magazine_size && (e = pop_empty(pool))) {
		push_full(pool, magazine_of(objs));
		depot_add(pool, n);
		return e->objs;
	}
	pktpool_depot_put(pool, objs, n);
	return objs;
}

void
pktpool_thread_drain(pktpool_t *pool, pktpool_thread_t *t)
{
	t->loaded = drain_magazine(pool, t->loaded, slot_load(&t->n_loaded));
	slot_store(&t->n_loaded, 0);
	t->previous = drain_magazine(pool, t->previous, slot_load(&t->n_previous));
	slot_store(&t->n_previous, 0);
}

int
pktpool_depot_init(pktpool_t *pool)
{
	uword n_bytes;
	u8 *p;

	pool->n_containers = pool->n_max / pool->magazine_size + 3;
	n_bytes = magazine_bytes(pool);
	p = pktpool_table_alloc(pool, pool->n_containers * n_bytes);
	if (!p)
		return -ENOMEM;
	pool->containers = p;
	for (u32 i = 0; i < pool->n_containers; i++)
		push_empty(pool, (pktpool_magazine_t *)(p + i * n_bytes));
	pool->partial = pop_empty(pool);
	return 0;
}

void
pktpool_depot_free(pktpool_t *pool)
{
	for (u32 i = 0; i < CLIB_MAX_THREADS; i++) {
		pktpool_thread_t *t = pktpool_thread(pool, (u16)i);

		if (t)
			pktpool_table_free(pool, t);
	}
	if (pool->containers)
		pktpool_table_free(pool, pool->containers);
}

/* memcpy() by another name, since compilers warn of what it would do where n is a variable and
 * the array is known to be short. */
void
pktpool_copy_many(void **to, void *const *from, u32 n)
{
	memcpy(to, from, n * sizeof(*to));
}

/* ---- get ---- */

/* n is at most what both magazines hold; inside. */
always_inline void
take_local(pktpool_thread_t *t, void **objs, u32 n)
{
	u32 n_loaded = slot_load(&t->n_loaded);

	if (PREDICT_FALSE(n > n_loaded)) {
		void **emptied = t->loaded;
		u32 n_previous = slot_load(&t->n_previous);

		pktpool_copy(objs, emptied, n_loaded);
		objs += n_loaded;
		n -= n_loaded;
		t->loaded = t->previous;
		t->previous = emptied;
		slot_store(&t->n_previous, 0);
		n_loaded = n_previous;
	}
	pktpool_copy(objs, t->loaded + n_loaded - n, n);
	slot_store(&t->n_loaded, n_loaded - n);
}

static never_inline int
get_depot(pktpool_t *pool, pktpool_thread_t *t, void **objs, u32 n)
{
	u32 n_local, n_whole;
	int is_low;

	pktpool_lock(pool);
	n_local = t ? slot_n_cached(t) : 0;
	if (t && n_local >= n) {
		/* Only after a reclaimer turned us away and then left our magazines alone. */
		take_local(t, objs, n);
		pktpool_unlock(pool);
		return 0;
	}
	if (pktpool_load(&pool->n_depot) < n - n_local)
		pktpool_reclaim(pool, t, n - n_local);
	if (pktpool_load(&pool->n_depot) < n - n_local) {
		sample_low_water(pool);
		pktpool_unlock(pool);
		return -ENOBUFS;
	}

	/* The thread's own remainder first: hot lines, less than a burst. */
	if (n_local)
		take_local(t, objs, n_local);
	objs += n_local;
	n -= n_local;

	/* Then whole magazines' worth, so that at most one magazine's worth is left ... */
	n_whole = n > pool->magazine_size ? n - ((n - 1) % pool->magazine_size + 1) : 0;
	pktpool_depot_take(pool, objs, n_whole);
	objs += n_whole;
	n -= n_whole;

	/* ... which comes out of a full magazine that stays with the thread. */
	if (t && pool->full) {
		pktpool_magazine_t *spare = magazine_of(t->previous);

		t->previous = t->loaded;
		t->loaded = pop_full(pool)->objs;
		push_empty(pool, spare);
		depot_add(pool, -(i64)pool->magazine_size);
		slot_store(&t->n_loaded, pool->magazine_size);
		note_miss(pool);
		is_low = pktpool_load(&pool->n_depot) < pool->low_mark;
		thread_enter_and_unlock(pool, t);
		take_local(t, objs, n);
		pktpool_leave(t);
	} else {
		pktpool_depot_take(pool, objs, n);
		note_miss(pool);
		is_low = pktpool_load(&pool->n_depot) < pool->low_mark;
		pktpool_unlock(pool);
	}
	if (PREDICT_FALSE(is_low))
		pktpool_low_water_call(pool, 0);
	return 0;
}

static int
get_once(pktpool_t *pool, void **objs, u32 n)
{
	pktpool_thread_t *t = thread_self(pool);

	if (PREDICT_TRUE(t && thread_enter(t))) {
		if (n <= slot_n_cached(t)) {
			take_local(t, objs, n);
			pktpool_leave(t);
			return 0;
		}
		pktpool_leave(t);
	}
	return get_depot(pool, t, objs, n);
}

int
pktpool_get_plain(pktpool_t *pool, void **objs, u32 n)
{
	int error = get_once(pool, objs, n);

	/* Somebody may know where there are more. */
	if (PREDICT_FALSE(error) && pktpool_low_water_call(pool, 1))
		error = get_once(pool, objs, n);
	if (PREDICT_FALSE(error)) {
		pktpool_lock(pool);
		pktpool_count(&pool->n_failures, 1);
		pktpool_unlock(pool);
	}
	return error;
}

int
pktpool_get_at(pktpool_t *pool, void **objs, u32 n, const void *site)
{
	int error = PREDICT_TRUE(pktpool_try_get_traced(pool, objs, n))
			    ? 0
			    : pktpool_get_plain(pool, objs, n);
	u32 trace = pktpool_trace_is_on(pool);

	if (!error && trace)
		pktpool_trace_take(pool, trace, objs, n, site);
	return error;
}

int
pktpool_get_slow(pktpool_t *pool, void **objs, u32 n)
{
	return pktpool_get_at(pool, objs, n, __builtin_return_address(0));
}

/* ---- put ---- */

/* Fill both magazines as far as they go; inside.  @return how many were taken. */
static u32
put_local(pktpool_t *pool, pktpool_thread_t *t, void *const *objs, u32 n)
{
	u32 n_done = 0;

	for (int i = 0; i < 2; i++) {
		u32 n_loaded = slot_load(&t->n_loaded);
		u32 k = clib_min(n - n_done, pool->magazine_size - n_loaded);
		void **full;

		pktpool_copy(t->loaded + n_loaded, objs + n_done, k);
		slot_store(&t->n_loaded, n_loaded + k);
		n_done += k;
		if (n_done == n || slot_load(&t->n_previous) == pool->magazine_size)
			break;
		full = t->loaded;
		t->loaded = t->previous;
		t->previous = full;
		slot_store(&t->n_loaded, slot_load(&t->n_previous));
		slot_store(&t->n_previous, pool->magazine_size);
	}
	return n_done;
}

/* Both magazines are full: the older one for an empty one.  @return -ENOSPC when there is none:
 *  more was put than was ever taken. */
static int
exchange_full(pktpool_t *pool, pktpool_thread_t *t)
{
	u32 m_size = pool->magazine_size;
	int error = 0;

	pktpool_lock(pool);
	/* A reclaimer may have emptied them while we waited. */
	if (slot_load(&t->n_loaded) == m_size && slot_load(&t->n_previous) == m_size) {
		pktpool_magazine_t *e = pop_empty(pool);

		if (PREDICT_TRUE(e != NULL)) {
			push_full(pool, magazine_of(t->previous));
			depot_add(pool, m_size);
			t->previous = t->loaded;
			t->loaded = e->objs;
			slot_store(&t->n_loaded, 0);
			pktpool_depot_filled(pool);
			pktpool_count(&pool->n_misses, 1);
		} else {
			error = -ENOSPC;
		}
	}
	pktpool_unlock(pool);
	return error;
}

static void
put_depot(pktpool_t *pool, void *const *objs, u32 n)
{
	pktpool_lock(pool);
	pktpool_depot_put(pool, objs, n);
	pktpool_depot_filled(pool);
	pktpool_count(&pool->n_misses, 1);
	pktpool_unlock(pool);
}

static void
assert_ours(const pktpool_t *pool, void *const *objs, u32 n)
{
	for (u32 i = 0; i < n; i++)
		ASSERT(rte_mempool_from_obj(objs[i]) == pool->head.mempool);
}

static void
put_many(pktpool_t *pool, pktpool_thread_t *t, void *const *objs, u32 n)
{
	while (n) {
		if (thread_enter(t)) {
			u32 k = put_local(pool, t, objs, n);

			pktpool_leave(t);
			objs += k;
			n -= k;
			if (!n)
				break;
		}
		if (exchange_full(pool, t)) {
			pktpool_lock(pool);
			pktpool_count(&pool->n_bad_puts, n);
			pktpool_unlock(pool);
			break;
		}
	}
}

void
pktpool_put_plain(pktpool_t *pool, void *const *objs, u32 n)
{
	pktpool_thread_t *t = thread_self(pool);

	if (CLIB_DEBUG > 0)
		assert_ours(pool, objs, n);
	if (PREDICT_FALSE(!t)) {
		put_depot(pool, objs, n);
		return;
	}
	put_many(pool, t, objs, n);
}

void
pktpool_put_at(pktpool_t *pool, void *const *objs, u32 n, const void *site)
{
	u32 trace = pktpool_trace_is_on(pool);

	if ((trace & PKTPOOL_STOP_TRACE_PUTS) &&
	    PREDICT_FALSE(pktpool_watch_any(pktpool_watch(pool), objs, n)))
		pktpool_trace_give(pool, trace, objs, n, site);
	else
		pktpool_put_plain(pool, objs, n);
}

void
pktpool_put_slow(pktpool_t *pool, void *const *objs, u32 n)
{
	if (PREDICT_FALSE(!pktpool_try_put_traced(pool, objs, n)))
		pktpool_put_at(pool, objs, n, __builtin_return_address(0));
}
