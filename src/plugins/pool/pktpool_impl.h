/* SPDX-License-Identifier: Apache-2.0 */
/* pktpool_impl: the pool's structure, for this folder and its tests.
 *
 *   thread slot:  loaded, previous        two magazines of M pointers, touched by their thread
 *        |  full for empty, empty for full: always one for one
 *   depot:        full ... | empty ... | partial (0..M pointers, for odd amounts)
 *
 * Containers never run out.  A slot brings its two; the depot keeps n_containers = n / M + 3 for
 * ever, because every exchange is one for one.  Whoever hands a full magazine in needs an empty
 * one: as it holds M of the n buffers itself, at most n / M - 1 of the depot's are full then, one
 * is the partial, and three are left.  So a put needs no memory, and cannot fail.
 *
 * The structure may lie in memory that several processes map at one address.  No process calls
 * through it: low_water holds functions of the process that made the pool, and only that one, which
 * alone comes by way of get and put here, looks at them. */
#ifndef included_pool_pktpool_impl_h
#define included_pool_pktpool_impl_h

#include <stdatomic.h>
#include <vppinfra/thread.h>
#include <plugins/pool/forensics.h>
#include <plugins/pool/pktpool.h>

/* Room before the mbuf for DPDK's rte_mempool_objhdr, a line of its own. */
#define PKTPOOL_OBJHDR_BYTES 64

/* 256: the greatest burst of an rx node is one magazine.  Two of them a thread is 512 pointers,
 * 4 KiB of its cache. */
#define PKTPOOL_MAGAZINE_MAX 256u
#define PKTPOOL_MAGAZINE_MIN 8u
/* A magazine is at most 1/32 of the pool, and with many lcores an eighth of an lcore's share: what
 * all of them keep to themselves is then a quarter of the pool at most. */
#define PKTPOOL_MIN_MAGAZINES 32u
#define PKTPOOL_MAGAZINES_PER_LCORE 8u

typedef struct pktpool_magazine {
	struct pktpool_magazine *next; /* in a list of the depot */
	_Alignas(CLIB_CACHE_LINE_BYTES) void *objs[];
} pktpool_magazine_t;

/* Callbacks a pool can have. */
#define PKTPOOL_N_LOW_WATER 8

typedef struct {
	pktpool_low_water_fn_t *fn; /* NULL: free */
	void *arg;
	u32 n_low, n_ok;
	u8 is_armed; /* not called since the depot had n_ok */
} pktpool_low_water_t;

struct pktpool_reservation {
	pktpool_t *pool;
	pktpool_reservation_t *next;
	u32 n_quota, n_stock; /* objs[0 .. n_stock) are here */
	u64 n_taken;
	char name[PKTPOOL_RESERVATION_NAME_BYTES];
	void *objs[];
};

/* Pieces of an arena that a pool can lie in; the first is there from create to destroy. */
#define PKTPOOL_N_EXTENTS 32

typedef struct {
	uword start, size;
	u32 n_buffers, n_placed;
	u8 is_registered; /* with rte_extmem_register() */
	u8 is_told;       /* the hook knows of it */
	/* Shrinking: parked[0 .. n_parked) are free and kept back until all of the extent's are. */
	void **parked; /* NULL: the extent is in use */
	u32 n_parked;
} pktpool_extent_t;

struct pktpool {
	pktpool_head_t head;

	/* Set by create, constant after: any thread, no lock. */
	char name[26];
	u8 index;
	u8 log2_page_size;
	u8 is_in_arena; /* buffers lie in extents; else in chunks DPDK gave */
	u8 may_cross_pages;
	u8 is_asked;   /* foreign: DPDK asked how much memory, what comes next is the answer */
	u8 is_private; /* foreign: objects lie where no other process sees them */
	int numa_node;
	u32 n_max;        /* buffers, for ever */
	u32 buffer_bytes; /* stride */
	u32 data_bytes;
	u32 magazine_size; /* M */
	u32 n_containers;
	u32 n_per_page; /* buffers a page; 0: packed without regard to pages */
	u32 n_colours;  /* page p's first buffer starts p % n_colours lines into it */
	uword page_bytes;
	clib_arena_t *arena;
	void *heap;
	void *containers; /* one heap object */

	/* Forensics: set before any slot says PKTPOOL_STOP_TRACE; a thread that was on its way
	 * when the last trace ended may still read them, relaxed. */
	_Atomic u32 trace; /* its number << 8 and PKTPOOL_STOP_TRACE*; 0: not watched */
	u32 trace_number;  /* of the latest */
	_Atomic u32 trace_mask, trace_residue; /* of an object's address */
	_Atomic u32 trace_flags, n_watched;
	_Atomic u64 n_faults[PKTPOOL_N_FAULTS];

	/* Growing and shrinking, one at a time (resize.c); the numbers are read by any. */
	_Atomic u32 n_buffers, n_extents;
	_Atomic u32 n_parked;
	pktpool_extent_t extents[PKTPOOL_N_EXTENTS];
	pktpool_extent_t *placing; /* which one the mempool's populate fills */

	/* Teardown: the mempool gets nothing and counts nothing.  Slots that are there are stopped,
	 * so only who is out of line looks here. */
	_Atomic u8 is_closing;

	/* Depot: written under lock; counts are also read without it, relaxed. */
	_Alignas(CLIB_CACHE_LINE_BYTES) _Atomic u32 lock;
	_Atomic u32 n_depot; /* buffers: n_full * M + n_partial */
	u32 n_full, n_empty, n_partial;
	pktpool_magazine_t *full, *empty, *partial;
	_Atomic u32 n_low_water;
	u32 depot_low_water, n_since_sample;
	u32 n_short; /* what reservations lack of their quotas */
	u32 low_mark,
		rearm_mark; /* of n_depot: below, at or above: there is a callback to see to */
	_Atomic u64 n_misses, n_failures, n_reclaims, n_bad_puts;

	/* One above the greatest thread index with a slot; here and not in the process, for others
	 * read it too. */
	_Atomic u32 n_slots;

	/* Of the process that made the pool; under lock. */
	_Atomic u32 n_reserved;
	pktpool_reservation_t *reservations;
	pktpool_low_water_t low_water[PKTPOOL_N_LOW_WATER];
};

/* The lock's word: 0 free, 1 a thread of the process whose threads have slots, else a secondary
 * process (share.c), which may be killed while it holds it. */
#define PKTPOOL_LOCK_THREAD 1u
#define PKTPOOL_LOCK_FIRST_SECONDARY 2u
/* 16384 pauses are about a quarter of a millisecond. */
#define PKTPOOL_LOCK_PATIENCE (1u << 14)

/** foreign.c: holder, a secondary, is gone: undo what it began and hold the lock as taker.
 *  @return whether that was done; the caller goes on waiting otherwise. */
int pktpool_lock_inherit(pktpool_t *pool, u32 holder, u32 taker);

always_inline void
pktpool_lock(pktpool_t *pool)
{
	u32 holder = 0, n_pauses = 0;

	/* Acquire: the depot as the last holder left it, pairs with pktpool_unlock(). */
	while (PREDICT_FALSE(!atomic_compare_exchange_weak_explicit(
		&pool->lock, &holder, PKTPOOL_LOCK_THREAD, memory_order_acquire,
		memory_order_relaxed))) {
		while ((holder = atomic_load_explicit(&pool->lock, memory_order_relaxed))) {
			CLIB_PAUSE();
			if (PREDICT_FALSE(++n_pauses % PKTPOOL_LOCK_PATIENCE == 0) &&
			    holder >= PKTPOOL_LOCK_FIRST_SECONDARY &&
			    pktpool_lock_inherit(pool, holder, PKTPOOL_LOCK_THREAD))
				return;
		}
	}
}

always_inline void
pktpool_unlock(pktpool_t *pool)
{
	/* Release: what was done to the depot is seen by the next holder. */
	atomic_store_explicit(&pool->lock, 0, memory_order_release);
}

always_inline u32
pktpool_load(const _Atomic u32 *p)
{
	return atomic_load_explicit(p, memory_order_relaxed);
}

always_inline void
pktpool_store(_Atomic u32 *p, u32 x)
{
	atomic_store_explicit(p, x, memory_order_relaxed);
}

/* A field of a thread's slot, which a header for C++ cannot call _Atomic. */
always_inline u32
slot_load(const u32 *p)
{
	return __atomic_load_n(p, __ATOMIC_RELAXED);
}

always_inline void
slot_store(u32 *p, u32 x)
{
	__atomic_store_n(p, x, __ATOMIC_RELAXED);
}

always_inline u32
slot_n_cached(const pktpool_thread_t *t)
{
	return slot_load(&t->n_loaded) + slot_load(&t->n_previous);
}

always_inline void
pktpool_count(_Atomic u64 *p, u64 n)
{
	atomic_store_explicit(p, atomic_load_explicit(p, memory_order_relaxed) + n,
			      memory_order_relaxed);
}

/** The slot of a thread index, NULL when that thread never came. */
always_inline pktpool_thread_t *
pktpool_thread(pktpool_t *pool, u16 thread_index)
{
	/* Acquire: the slot's contents, pairs with the release in thread_create(). */
	pktpool_thread_t *t =
		__atomic_load_n(&pool->head.threads[thread_index + 1], __ATOMIC_ACQUIRE);

	return t == &pool->head.nobody ? NULL : t;
}

/** stop, and floor and ceiling as it wants them; the depot's lock is held. */
always_inline void
slot_set_stop(pktpool_thread_t *t, u32 stop)
{
	/* Release: who finds the slot open sees the magazines as we left them, pairs with
	 * pktpool_try_get() and thread_enter(). */
	__atomic_store_n(&t->stop, stop, __ATOMIC_RELEASE);
	__atomic_store_n(&t->floor, stop ? INT64_MAX : 0, __ATOMIC_RELEASE);
	__atomic_store_n(&t->ceiling, stop & ~PKTPOOL_STOP_TRACE ? -1 : (i64)t->magazine_size,
			 __ATOMIC_RELEASE);
}

/* ---- magazine.c ---- */

/** The calling thread exits: from now on it goes to depots directly. */
void pktpool_thread_leaves(void);
/** No thread has a slot yet. */
void pktpool_slots_init(pktpool_t *pool);
/** Set or clear PKTPOOL_STOP_* in all slots that there are; the depot's lock is held. */
void pktpool_stop_all(pktpool_t *pool, u32 bits, int is_on);
/** Make the depot's containers for n_buffers of magazine_size.  @return 0 or -ENOMEM with nothing
 * kept. */
int pktpool_depot_init(pktpool_t *pool);
void pktpool_depot_free(pktpool_t *pool);
/** Loose buffers in and out of the depot; the lock is held (or nobody else knows the pool).
 *  take: n must be there.  put: n_bad_puts counts what cannot have been this pool's. */
void pktpool_depot_put(pktpool_t *pool, void *const *objs, u32 n);
void pktpool_depot_take(pktpool_t *pool, void **objs, u32 n);
/** Both magazines of a slot to the depot; the lock is held and the slot's thread outside. */
void pktpool_thread_drain(pktpool_t *pool, pktpool_thread_t *t);
/** What the inline calls do when the loaded magazine does not serve; site: the caller's address. */
int pktpool_get_at(pktpool_t *pool, void **objs, u32 n, const void *site);
void pktpool_put_at(pktpool_t *pool, void *const *objs, u32 n, const void *site);
/** get and put, whether watched or not. */
int pktpool_get_plain(pktpool_t *pool, void **objs, u32 n);
void pktpool_put_plain(pktpool_t *pool, void *const *objs, u32 n);
/** From now on the mempool gives nothing. */
void pktpool_close(pktpool_t *pool);
/** Sum over all slots, relaxed. */
u32 pktpool_n_cached(pktpool_t *pool);

/* ---- reclaim.c ---- */

/** Ask the kernel for expedited barriers; without them nothing is ever reclaimed. */
void pktpool_reclaim_init(void);
/** Whether the kernel has them. */
int pktpool_reclaim_is_offered(void);
/** The depot cannot give n: bring other threads' magazines home, if together they can.  The lock
 *  is held throughout. */
void pktpool_reclaim(pktpool_t *pool, const pktpool_thread_t *self, u32 n);

/** Calls fn with all that is free, piece by piece, while nobody takes or gives anything: the lock
 * is held, and threads are kept out of their slots.  What a thread has that is found switched out
 *  inside is left out.  @return 0, or -ENOTSUP where threads cannot be kept out. */
int pktpool_foreach_free(pktpool_t *pool, void (*fn)(pktpool_t *pool, void *const *objs, u32 n));

/** Until each thread was seen outside its slot once, or is found switched out inside for longer
 *  than a call takes.  No lock is held. */
void pktpool_wait_until_outside(pktpool_t *pool);

/* ---- reserve.c ---- */

/** The lock is held: make up for what reservations lack; arm callbacks again. */
void pktpool_reservations_fill(pktpool_t *pool);
void pktpool_low_water_rearm(pktpool_t *pool);
/** No lock is held: call those whose mark was passed, or all when a request was refused.
 *  @return how many were called. */
int pktpool_low_water_call(pktpool_t *pool, int is_refused);

/* Buffers came to the depot; the lock is held. */
always_inline void
pktpool_depot_filled(pktpool_t *pool)
{
	if (PREDICT_FALSE(pool->n_short))
		pktpool_reservations_fill(pool);
	if (PREDICT_FALSE(pktpool_load(&pool->n_depot) >= pool->rearm_mark))
		pktpool_low_water_rearm(pool);
}

/* ---- forensics.c ---- */

always_inline u32
pktpool_trace_is_on(pktpool_t *pool)
{
	/* Acquire: mask and residue, pairs with set_trace(). */
	return atomic_load_explicit(&pool->trace, memory_order_acquire);
}

/** These have been taken: mostly a look at each pointer.  trace: as pktpool_trace_is_on() said. */
void pktpool_trace_take(pktpool_t *pool, u32 trace, void *const *objs, u32 n, const void *site);
/** Look at these, and put what may be put.  Only where puts are watched. */
void pktpool_trace_give(pktpool_t *pool, u32 trace, void *const *objs, u32 n, const void *site);
/** Report m if it is of a watched pool and has no reference.  @return whether it has none. */
int pktpool_trace_free_of_zero(struct rte_mbuf *m, const void *site);

/* ---- pool.c ---- */

/** Memory for the pool's tables, aligned to a line: of its heap, or of DPDK's where the pool is
 *  somebody else's mempool's.  NULL when there is none. */
void *pktpool_table_alloc(pktpool_t *pool, uword n_bytes);
void pktpool_table_free(pktpool_t *pool, void *p);
/** M for a pool of so many. */
u32 pktpool_magazine_size(u32 n_buffers);
/** Magazines go home when their thread exits, from now on.  @return 0 or -ENOMEM. */
int pktpool_watch_threads(void);
/** Pools by index: NULL where there is none; all indices are below the limit. */
pktpool_t *pktpool_at(u32 i);
u32 pktpool_table_limit(void);
/** Whether obj is the address of a buffer of this pool; obj may be anything. */
int pktpool_is_object(const pktpool_t *pool, const void *obj);

/** Address of object i of an extent: its rte_mempool_objhdr. */
uword pktpool_object_address(const pktpool_t *pool, const pktpool_extent_t *e, u32 i);
/** The inverse; ~0 when the address is no object's of that extent. */
u32 pktpool_object_number(const pktpool_t *pool, const pktpool_extent_t *e, uword address);
/** The extent that has an object at the address, NULL when none has. */
const pktpool_extent_t *pktpool_extent_of(const pktpool_t *pool, uword address);
/** Bytes of n buffers, whole pages; 0: one does not fit a page.  Sets the pool's layout. */
uword pktpool_layout(pktpool_t *pool, u32 n);

/* ---- resize.c ---- */

/** Take memory for e->n_buffers from the arena, announce it, and fill it with buffers that go to
 *  the depot; the mempool is made when the pool has none.  e is one of the pool's.  On error
 *  whatever was taken is in e, for pktpool_extent_free(). */
int pktpool_extent_fill(pktpool_t *pool, pktpool_extent_t *e);
void pktpool_extent_free(pktpool_t *pool, pktpool_extent_t *e);
/** Charge a node's budget.  @return 0 or -EDQUOT */
int pktpool_budget_charge(int numa_node, uword n_bytes);
void pktpool_budget_return(int numa_node, uword n_bytes);
/** The mempool of an arena's pool, empty.  @return as pktpool_create() */
int pktpool_mempool_create(pktpool_t *pool);
/** Held by whoever creates, destroys, grows or shrinks pools. */
void pktpool_table_lock(void);
void pktpool_table_unlock(void);

/* ---- foreign.c ---- */

/** A pool for a mempool that somebody else made; its tables lie in DPDK's shared memory. */
int pktpool_create_for_mempool(struct rte_mempool *mp, pktpool_t **pool);
void pktpool_free_for_mempool(pktpool_t *pool);
/** The magazines of one thread index, in all pools of this kind. */
void pktpool_foreign_flush(u16 index);
/** Whether DPDK's list of mempools may be looked at. */
void pktpool_foreign_set_up(int up);
/** fn may not make or free mempools: DPDK's list is locked. */
void pktpool_foreign_foreach(int (*fn)(pktpool_t *pool, void *arg), void *arg);
/** get and put of a process that has no slots: always the depot.  Exported for tests, as below. */
CLIB_EXPORT int pktpool_secondary_get(pktpool_t *pool, void **objs, u32 n);
CLIB_EXPORT void pktpool_secondary_put(pktpool_t *pool, void *const *objs, u32 n);

/* ---- foreign_arena.c ---- */

/** Place all objects of a mempool in its node's arena, as chunks of its memory list.
 *  @return how many, or a negative errno with nothing kept. */
int pktpool_foreign_populate(struct rte_mempool *mp, u32 max_objs,
			     rte_mempool_populate_obj_cb_t *obj_cb, void *obj_cb_arg);

/* ---- share.c ---- */

/** This process's word in a lock. */
CLIB_EXPORT_EXTERN u32 pktpool_lock_word;
/** Take a place among the secondaries, and its word.  @return 0 or -ENOSPC. */
CLIB_EXPORT int pktpool_share_join(void);
/** Whether the process behind a lock's word is gone. */
int pktpool_share_is_dead(u32 lock_word);
/** A secondary asks the primary to bring its threads' magazines home.  @return 0 when it did. */
int pktpool_share_ask_reclaim(pktpool_t *pool, u32 n);
/** The names in our table, for secondaries; cheap when nothing has changed. */
void pktpool_share_publish_ops(void);

/* ---- mempool_ops.c ---- */

/** The functions of our ops that fit this process: with slots, or without. */
void pktpool_ops_bind(void);

/** 0, or why the constructor could not register our ops: -ENOSPC, -EEXIST. */
extern int pktpool_ops_error;

#endif
