/* SPDX-License-Identifier: Apache-2.0 */
/* pktpool: packet buffers for one NUMA node, each both an rte_mbuf and a 32-bit index.
 *
 * The buffers lie in one contiguous piece of the node's arena; the pool's own tables lie in the
 * node's heap.  A buffer is
 *
 *   | objhdr 64 | rte_mbuf 128 | private 128 | headroom 128 | data ... | pad to an odd line count |
 *
 * (the odd count of lines spreads headers over cache sets).  None crosses a page, except that
 * pages below 64 KiB are packed across their borders where IOVA is VA and nobody needs a buffer
 * to be physically contiguous; with physical IOVAs such a page holds whole buffers only, each
 * page's first one moved by a colour.
 *
 * The pool is a real rte_mempool with our ops and without DPDK's own cache: free buffers are in
 * per-thread magazines (loaded and previous, Bonwick and Adams 2001), whole magazines pass between
 * threads through a depot under a lock that a burst rarely takes.  A thread that finds the depot
 * dry takes back what other threads have cached, so nothing is stranded.
 *
 *   index = (address of mbuf - pktpool_mem_start) >> 6; 0 is never valid
 *
 * Threads: alloc and free from any; one magazine pair per thread index.  A thread without an
 * index goes to the depot directly.  Magazines go home when their thread exits.  Create, destroy,
 * flush and check are control work; create, destroy and thread exit are serialised by a lock. */
#ifndef included_pool_pktpool_h
#define included_pool_pktpool_h

#include <plugins/framework/dpdk.h>
#include <vppinfra/clib.h>
#include <vppinfra/arena.h>
#include <vppinfra/thread.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>

#define PKTPOOL_DEFAULT_DATA_BYTES 2048
#define PKTPOOL_DEFAULT_BUFFERS 16384
#define PKTPOOL_DEFAULT_BUFFERS_4K 8192
#define PKTPOOL_MAX_POOLS 255
#define PKTPOOL_PRIV_BYTES 128
/** Our mempool ops, as --mbuf-pool-ops-name spells them. */
#define PKTPOOL_OPS_NAME "vmheap"

typedef struct pktpool pktpool_t;

typedef struct {
	const char *name; /* "default-numa-0", 1 to 25 bytes; also the mempool's name */
	int numa_node;
	u32 n_buffers;       /* at least 1, exactly so many are made */
	u32 n_max;           /* to which pktpool_grow() may go; 0: n_buffers */
	u32 data_bytes;      /* room for packet data behind the headroom, at most 65535 - 128 */
	clib_arena_t *arena; /* buffers; made with VM_RANGE_WINDOW, outlives the pool */
	void *heap; /* tables (an mheap v made with MHEAP_FLAG_THREAD_SAFE); outlives it too */
} pktpool_params_t;

/**
 * Create a pool: take memory from the arena, announce it to DPDK, fill the depot.
 *
 * @param[out] pool  unchanged on error
 * @return 0; -EINVAL name, counts, or an arena outside the window; -ENOMEM arena or heap is full;
 *         -EDQUOT the node's budget;
 *         -ENOTSUP a buffer does not fit a page and IOVAs are physical, or this DPDK has other
 *         object headers; -EEXIST a mempool of that name; -ENOSPC 255 pools, or no place for our
 *         mempool ops or for another memory region in DPDK.  Nothing is kept on error.
 *
 * Owner: the caller, until pktpool_destroy().  Cost: one walk over all buffers.  EAL is up.
 */
CLIB_EXPORT int pktpool_create(const pktpool_params_t *params, pktpool_t **pool);

/**
 * Give everything back.  Threads: nobody uses the pool any more; their magazines may be full.
 *
 * @param[out] n_in_flight  buffers that somebody still holds; may be NULL
 * @return 0; -EBUSY while buffers are in flight, the pool is then as it was; -EINVAL for the pool
 *         behind a mempool that somebody else created, rte_mempool_free() ends that one.
 */
CLIB_EXPORT int pktpool_destroy(pktpool_t *pool, u32 *n_in_flight);

CLIB_EXPORT struct rte_mempool *pktpool_mempool(pktpool_t *pool);
/** The pool behind a mempool, NULL when its ops are not ours. */
CLIB_EXPORT pktpool_t *pktpool_of_mempool(const struct rte_mempool *mp);
/** The pool of a node, or the nearest that exists; NULL if there is none. */
CLIB_EXPORT pktpool_t *pktpool_by_node(int numa_node);
/** Calls fn for each pool until it returns nonzero: ours in order of index, fn may destroy its
 *  pool; then those behind other people's mempools, where fn may not make or free mempools. */
CLIB_EXPORT void pktpool_foreach(int (*fn)(pktpool_t *pool, void *arg), void *arg);

/** Process-wide base of indices: vm_window_base(), set when the first pool is made. */
CLIB_EXPORT_EXTERN u8 *pktpool_mem_start;

always_inline u32
pktpool_index(const struct rte_mbuf *m)
{
	return (u32)(((uword)m - (uword)pktpool_mem_start) >> CLIB_LOG2_CACHE_LINE_BYTES);
}

always_inline struct rte_mbuf *
pktpool_mbuf(u32 index)
{
	return (struct rte_mbuf *)(pktpool_mem_start +
				   ((uword)index << CLIB_LOG2_CACHE_LINE_BYTES));
}

/* ---- the way of each buffer: inline as long as the thread's loaded magazine serves ---- */

/* A thread's magazines, one line.  Its thread alone works on them between enter and leave; whoever
 * holds the depot's lock and saw it outside may take them away (reclaim.c).  Only the inline calls
 * below and the pool itself look in here. */
typedef struct {
	/* 1 while the thread is at its magazines without the lock. */
	u32 busy __attribute__((aligned(CLIB_CACHE_LINE_BYTES)));
	/* PKTPOOL_STOP_*: not 0 sends the thread out of line.  Written under the depot's lock. */
	u32 stop;
	/* Read by anyone, relaxed.  Not in busy's eight bytes: a load that finds a younger store of
	 * its neighbour there waits until both have left the store queue. */
	u32 n_loaded, n_previous;
	/* stop once more, so that one comparison answers both questions: what must be left of the
	 * loaded magazine, 0 or, stopped, more than there can be; and what it may grow to,
	 * magazine_size or less than nothing. */
	i64 floor, ceiling;
	void **loaded, **previous;
	u32 magazine_size; /* of each of both, constant */
} pktpool_thread_t;

/* A reclaimer is at work: the thread must come by way of the depot's lock. */
#define PKTPOOL_STOP_RECLAIM 1u
/* Buffers are watched (forensics.h): each get must look at what it moves; a put, which goes on
 * inline otherwise, does so where PKTPOOL_STOP_TRACE_PUTS stands beside it. */
#define PKTPOOL_STOP_TRACE 2u
/* The mempool is being taken apart. */
#define PKTPOOL_STOP_CLOSING 4u
#define PKTPOOL_STOP_TRACE_PUTS 8u

typedef u64 pktpool_u64x2_t __attribute__((vector_size(16), aligned(8), may_alias));

/* How each pool begins: what the inline calls need.  Constant but for the slots, which are
 * written once each. */
typedef struct {
	/* Bytes [16, 64) of a fresh mbuf: everything in its first line but the two addresses. */
	pktpool_u64x2_t fresh[3];
	struct rte_mempool *mempool;
	u32 has_fresh; /* 0 for the pool behind somebody else's mempool */
	/* The slot of those who have none: always stopped, never anyone's. */
	pktpool_thread_t nobody;
	/* Element i + 1 is thread index i's; element 0 is for threads without one, or that have not
	 * come yet.  &nobody until there is one. */
	pktpool_thread_t *threads[CLIB_MAX_THREADS + 1]
		__attribute__((aligned(CLIB_CACHE_LINE_BYTES)));
} pktpool_head_t;

/* Where in a pool's head the calling thread's element of threads is: one load, and one more for
 * the slot.  Element 0's place until the thread came out of line once. */
CLIB_EXPORT_EXTERN __thread uword pktpool_slot_place __attribute__((tls_model("initial-exec")));

/** Index of our mempool ops in this process; ~0 when they could not be registered. */
CLIB_EXPORT_EXTERN u32 pktpool_ops_index;

/* Out of line: other magazines, the depot, other threads, forensics. */
CLIB_EXPORT int pktpool_get_slow(pktpool_t *pool, void **objs, u32 n);
CLIB_EXPORT void pktpool_put_slow(pktpool_t *pool, void *const *objs, u32 n);
CLIB_EXPORT int pktpool_alloc_slow(pktpool_t *pool, struct rte_mbuf **mbufs, u32 n);
CLIB_EXPORT void pktpool_copy_many(void **to, void *const *from, u32 n);
CLIB_EXPORT void pktpool_free_slow(struct rte_mbuf **mbufs, u32 n);

/* From so many on a call pays for copying; not memcpy() before. */
#define PKTPOOL_COPY_CALL 64u

always_inline void
pktpool_copy(void **to, void *const *from, u32 n)
{
	if (n >= PKTPOOL_COPY_CALL) {
		pktpool_copy_many(to, from, n);
		return;
	}
	for (; n >= 8; n -= 8, to += 8, from += 8) {
		pktpool_u64x2_t a = *(const pktpool_u64x2_t *)(from + 0);
		pktpool_u64x2_t b = *(const pktpool_u64x2_t *)(from + 2);
		pktpool_u64x2_t c = *(const pktpool_u64x2_t *)(from + 4);
		pktpool_u64x2_t d = *(const pktpool_u64x2_t *)(from + 6);

		*(pktpool_u64x2_t *)(to + 0) = a;
		*(pktpool_u64x2_t *)(to + 2) = b;
		*(pktpool_u64x2_t *)(to + 4) = c;
		*(pktpool_u64x2_t *)(to + 6) = d;
	}
	if (n & 4) {
		pktpool_u64x2_t a = *(const pktpool_u64x2_t *)(from + 0);
		pktpool_u64x2_t b = *(const pktpool_u64x2_t *)(from + 2);

		*(pktpool_u64x2_t *)(to + 0) = a;
		*(pktpool_u64x2_t *)(to + 2) = b;
		to += 4;
		from += 4;
	}
	if (n & 2) {
		*(pktpool_u64x2_t *)to = *(const pktpool_u64x2_t *)from;
		to += 2;
		from += 2;
	}
	if (n & 1)
		*to = *from;
}

/* The calling thread's slot; &nobody before its first call that needed one. */
always_inline pktpool_thread_t *
pktpool_slot(const pktpool_t *pool)
{
	pktpool_thread_t *const *place =
		(pktpool_thread_t *const *)((const u8 *)pool + pktpool_slot_place);

	return __atomic_load_n(place, __ATOMIC_RELAXED);
}

always_inline void
pktpool_leave(pktpool_thread_t *t)
{
	/* Release: the magazines are whole for the reclaimer that sees 0, see reclaim_one(). */
	__atomic_store_n(&t->busy, 0, __ATOMIC_RELEASE);
}

/* Enter the slot.  What says whether one may be here is read after this. */
always_inline void
pktpool_enter(pktpool_thread_t *t)
{
	__atomic_store_n(&t->busy, 1, __ATOMIC_RELAXED);
	/* The store comes before the load: for the compiler here, for the CPU by the membarrier
	 * that a reclaimer issues between its store of stop and its load of busy. */
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
}

/* Value: whether the loaded magazine served; else nothing has happened. */
always_inline int
pktpool_try_get(pktpool_t *pool, void **objs, u32 n)
{
	pktpool_thread_t *t = pktpool_slot(pool);
	i64 floor, n_left;

	pktpool_enter(t);
	/* Acquire: the magazines as a reclaimer left them, pairs with slot_set_stop(). */
	floor = __atomic_load_n(&t->floor, __ATOMIC_ACQUIRE);
	n_left = (i64)__atomic_load_n(&t->n_loaded, __ATOMIC_RELAXED) - (i64)n;
	if (PREDICT_FALSE(n_left < floor)) {
		pktpool_leave(t);
		return 0;
	}
	__atomic_store_n(&t->n_loaded, (u32)n_left, __ATOMIC_RELAXED);
	pktpool_copy(objs, t->loaded + n_left, n);
	pktpool_leave(t);
	return 1;
}

always_inline int
pktpool_try_put(pktpool_t *pool, void *const *objs, u32 n)
{
	pktpool_thread_t *t = pktpool_slot(pool);
	i64 ceiling, n_loaded;

	/* Builds with checks look at each pointer, out of line. */
	if (CLIB_DEBUG > 0)
		return 0;
	pktpool_enter(t);
	/* Acquire: as above. */
	ceiling = __atomic_load_n(&t->ceiling, __ATOMIC_ACQUIRE);
	n_loaded = (i64)__atomic_load_n(&t->n_loaded, __ATOMIC_RELAXED);
	if (PREDICT_FALSE(n_loaded + (i64)n > ceiling)) {
		pktpool_leave(t);
		return 0;
	}
	__atomic_store_n(&t->n_loaded, (u32)(n_loaded + (i64)n), __ATOMIC_RELAXED);
	pktpool_copy(t->loaded + n_loaded, objs, n);
	pktpool_leave(t);
	return 1;
}

/**
 * Raw objects (addresses of mbufs), as the mempool ops give and take them.
 *
 * get: all n or none, 0 or -ENOBUFS, counted.  Before it refuses it takes back what other threads
 * cache, as far as those are not in the middle of a call; where the kernel offers no
 * membarrier(2) that step is left out and up to two magazines a thread stay out of reach.
 *
 * put: never fails, needs no memory.  The objects must be this pool's and taken: that is not
 * looked at here, unless forensics.h is switched on (an assertion in builds with checks;
 * pktpool_check() finds strangers and twins).  Putting more than were ever taken is noticed when
 * the depot overflows: dropped, n_bad_puts.
 *
 * Threads: any.  Cost: a copy of n pointers without a lock, an atomic instruction or a call (but
 * for copying from 64 on), as long as the loaded magazine has n, or room for n; a magazine's worth
 * pays one exchange under the lock.  A constant n is unrolled.
 */
always_inline int
pktpool_get_raw(pktpool_t *pool, void **objs, u32 n)
{
	return PREDICT_TRUE(pktpool_try_get(pool, objs, n)) ? 0 : pktpool_get_slow(pool, objs, n);
}

always_inline void
pktpool_put_raw(pktpool_t *pool, void *const *objs, u32 n)
{
	if (PREDICT_FALSE(!pktpool_try_put(pool, objs, n)))
		pktpool_put_slow(pool, objs, n);
}

/* Make an mbuf as fresh as rte_pktmbuf_reset() does: three stores into its first line, which
 * whoever fills the packet in writes anyway.  The second one (next, tx_offload) is clean already as
 * a rule, and left alone then: in a pipeline each store into it would take it away from the core
 * that reads it next, and back. */
always_inline void
pktpool_freshen(const pktpool_u64x2_t *fresh, struct rte_mbuf *m)
{
	pktpool_u64x2_t *line = (pktpool_u64x2_t *)m, zero = { 0, 0 };

	line[1] = fresh[0];
	line[2] = fresh[1];
	line[3] = fresh[2];
	if (PREDICT_FALSE(line[4][0] | line[4][1]))
		line[4] = zero;
}

/**
 * n reset mbufs, each as rte_pktmbuf_alloc() gives it (and hash 0), all or none.
 * @return 0 or -ENOBUFS, counted.  Threads: any.  Cost: pktpool_get_raw(), three stores and a load
 *  each.
 */
always_inline int
pktpool_alloc(pktpool_t *pool, struct rte_mbuf **mbufs, u32 n)
{
	const pktpool_head_t *head = (const pktpool_head_t *)pool;
	pktpool_u64x2_t fresh[3] = { head->fresh[0], head->fresh[1], head->fresh[2] };

	if (PREDICT_FALSE(!head->has_fresh))
		return pktpool_alloc_slow(pool, mbufs, n);
	if (PREDICT_FALSE(pktpool_get_raw(pool, (void **)mbufs, n)))
		return -ENOBUFS;
	for (u32 i = 0; i < n; i++)
		pktpool_freshen(fresh, mbufs[i]);
	return 0;
}

/* What keeps an mbuf from going straight back, or'ed over a burst: a reference count or a number
 * of segments other than 1, an attached or external buffer, a next segment. */
always_inline u64
pktpool_not_plain(const struct rte_mbuf *m)
{
	const u64 *w = (const u64 *)m;

	/* Words 2, 3 and 8: data_off, refcnt, nb_segs, port; ol_flags; next. */
	return ((w[2] ^ 0x0000000100010000ull) & 0x0000ffffffff0000ull) |
	       (w[3] & (RTE_MBUF_F_EXTERNAL | RTE_MBUF_F_INDIRECT)) | w[8];
}

/**
 * Whole chains, reference counts honoured, each segment to its own pool.  None may be NULL.
 * Threads: any.  Cost: a burst of single plain buffers of one pool is one pktpool_put_raw(); any
 * other goes out of line.
 */
always_inline void
pktpool_free(struct rte_mbuf **mbufs, u32 n)
{
	struct rte_mempool *mp;
	u64 odd = 0;

	if (PREDICT_FALSE(!n))
		return;
	mp = mbufs[0]->pool;
	for (u32 i = 0; i < n; i++)
		odd |= pktpool_not_plain(mbufs[i]) | ((uword)mbufs[i]->pool ^ (uword)mp);
	if (PREDICT_FALSE(odd) || PREDICT_FALSE((u32)mp->ops_index != pktpool_ops_index))
		pktpool_free_slow(mbufs, n);
	else
		pktpool_put_raw((pktpool_t *)mp->pool_data, (void *const *)mbufs, n);
}

/* ---- nobody starves ---- */

typedef struct pktpool_reservation pktpool_reservation_t;

/**
 * Set n buffers aside: only pktpool_get_reserved() reaches them, when the pool refuses.  What it
 * takes of them is made up from what comes back to the depot, before anybody else gets it.
 *
 * So rx refill that eats the pool leaves tx, control traffic or clones what they were promised.
 *
 * @return 0; -EINVAL n; -ENOBUFS there are no n now, counted; -ENOMEM.  Owner: the caller, until
 *         pktpool_unreserve(); pktpool_destroy() is refused before.  Threads: any.
 */
CLIB_EXPORT int pktpool_reserve(pktpool_t *pool, u32 n, pktpool_reservation_t **reservation);
CLIB_EXPORT void pktpool_unreserve(pktpool_reservation_t *reservation);

/** pktpool_get_raw(), and out of the reservation when that refuses; all or none.
 *  @return 0 or -ENOBUFS.  Threads: any.  Cost: pktpool_get_raw() and a call; a lock when it
 *          refuses.  Give back by pktpool_put_raw() or as an mbuf. */
CLIB_EXPORT int pktpool_get_reserved(pktpool_reservation_t *reservation, void **objs, u32 n);
/** Buffers that are set aside now, at most what was asked for. */
CLIB_EXPORT u32 pktpool_reserved(pktpool_reservation_t *reservation);

/* By name, for those who configure a reservation and those who live on it: buffers { reserve NAME N
 * } makes one in each pool. */
#define PKTPOOL_RESERVATION_NAME_BYTES 16
/** What plugins that answer or ask for themselves (ARP, neighbor discovery) live on. */
#define PKTPOOL_RESERVATION_CONTROL "control"

/** pktpool_reserve() with a name of 1 to 15 bytes, which the pool has once.
 *  @return as that; -EINVAL the name, too; -EEXIST. */
CLIB_EXPORT int pktpool_reserve_as(pktpool_t *pool, const char *name, u32 n,
				   pktpool_reservation_t **reservation);
/** NULL: no such name.  Threads: any, as long as nobody takes it apart. */
CLIB_EXPORT pktpool_reservation_t *pktpool_reservation_by_name(pktpool_t *pool, const char *name);

/** A ready mbuf of any mempool; where that refuses and is a pool of ours with a reservation of
 *  that name, out of it.  @return NULL: neither had one.  Threads: any.  Cost: rte_pktmbuf_alloc(),
 *  a lock and a look at the pool's reservations when that refuses. */
CLIB_EXPORT struct rte_mbuf *pktpool_alloc_by_name(struct rte_mempool *mp, const char *name);

typedef struct {
	char name[PKTPOOL_RESERVATION_NAME_BYTES]; /* "" : it has none */
	u32 n_quota, n_stock;                      /* promised, and set aside now */
	u64 n_taken;                               /* out of it, when the pool refused */
} pktpool_reservation_info_t;

/** The pool's reservations, latest first.  @return how many were written, at most n */
CLIB_EXPORT u32 pktpool_reservations(pktpool_t *pool, pktpool_reservation_info_t *infos, u32 n);

/** n_free: in the depot. */
typedef void(pktpool_low_water_fn_t)(pktpool_t *pool, u32 n_free, void *arg);

/**
 * Call fn when the depot falls below n_low, once until it has n_ok again; and when a request is
 * about to be refused, which is then tried once more.  fn is where a driver's sent buffers are
 * taken back (rte_eth_tx_done_cleanup()), where a receiver is told to slow down, or a pool to grow.
 *
 * fn runs in the thread whose request met the mark, no lock held; it may take and give buffers of
 * the pool.  Two threads may be in it at once.
 *
 * @return 0; -EINVAL fn, n_low 0, or n_ok below n_low; -ENOSPC eight there are.
 */
CLIB_EXPORT int pktpool_low_water_add(pktpool_t *pool, u32 n_low, u32 n_ok,
				      pktpool_low_water_fn_t *fn, void *arg);
/** @return 0; -ENOENT.  A thread that is in fn stays there: wait for it before arg goes away. */
CLIB_EXPORT int pktpool_low_water_remove(pktpool_t *pool, pktpool_low_water_fn_t *fn, void *arg);

/* ---- growing and shrinking ---- */

/**
 * Make n more buffers, of the same arena, while the pool is used.
 *
 * @return 0; -EINVAL n, or a mempool that somebody else created; -ENOSPC beyond n_max, or 32 pieces
 *         there are, or no place in DPDK's table of memory regions; -EDQUOT the node's budget;
 *         -ENOMEM.  On error the pool is as it was, except that after -ENOMEM of DPDK in the
 *         middle what was made stays.
 *
 * Threads: control, one at a time; others use the pool meanwhile.  Cost: as pktpool_create().
 */
CLIB_EXPORT int pktpool_grow(pktpool_t *pool, u32 n);

/**
 * Give memory back: the latest pieces that pktpool_grow() made, as many whole ones as n covers.
 * Their free buffers go out of circulation at once; the memory goes when the last is in.
 *
 * @param[out] n_out  buffers of them that are still out; may be NULL
 * @return 0; -EAGAIN some are out: call again (pktpool_grow() takes it back); -ENOENT no such
 *         piece, what pktpool_create() made stays; -EINVAL; -ENOMEM.
 *
 * Threads: control; the depot is locked for a pass over all free buffers, some 5 ns each.
 */
CLIB_EXPORT int pktpool_shrink(pktpool_t *pool, u32 n, u32 *n_out);

/** Piece i's memory, for a device that must be told of it (VFIO's DMA maps): 0 is what
 *  pktpool_create() made.  @return 0; -ENOENT there are not so many.  Threads: control. */
CLIB_EXPORT int pktpool_extent(pktpool_t *pool, u32 i, uword *start, uword *n_bytes);

/**
 * Called with each piece of each pool: before the first of its buffers can be had, and after the
 * last is gone.  For what has to know memory before a device may write to it.
 *
 * @return of a piece that comes: 0, or a negative errno, which the caller of pktpool_create() or
 *         pktpool_grow() gets.  Threads: the one that creates, destroys, grows or shrinks.
 */
typedef int(pktpool_extent_fn_t)(pktpool_t *pool, uword start, uword n_bytes, int is_coming,
				 void *arg);
/** One hook a process; NULL: none.  Pieces that are there are not told: pktpool_extent().
 *  Threads: control. */
CLIB_EXPORT void pktpool_set_extent_hook(pktpool_extent_fn_t *fn, void *arg);

/**
 * What pools of a node may take of its arenas in all, to create and to grow; 0 bytes: no limit.
 * Pools that are there keep what they have.  @return 0; -EINVAL no such node (VM_NODE_ANY is one).
 */
CLIB_EXPORT int pktpool_set_budget(int numa_node, uword limit_bytes);
CLIB_EXPORT void pktpool_get_budget(int numa_node, uword *limit_bytes, uword *n_bytes);

/** Whether an index names a buffer of some pool (live or free). */
CLIB_EXPORT int pktpool_index_is_valid(u32 index);

/** Give the calling thread's magazines back to the depots of all pools. */
CLIB_EXPORT void pktpool_flush_thread(void);

typedef struct {
	char name[26];
	u8 index;
	int numa_node;
	u32 buffer_bytes; /* stride */
	u32 data_bytes;
	u8 log2_page_size;
	u32 n_total;
	u32 n_depot;    /* in the depot */
	u32 n_cached;   /* in magazines of threads */
	u32 n_reserved; /* set aside, pktpool_reserve() */
	u32 n_parked;   /* free, of pieces that are on their way out */
	u32 n_used;     /* total - depot - cached - reserved - parked */
	u32 n_max, n_extents;
	u64 n_misses;    /* magazine exchanges with the depot */
	u64 n_failures;  /* requests refused */
	u64 n_reclaims;  /* times other threads' magazines were taken back */
	u64 n_bad_puts;  /* put though not taken: dropped */
	u32 n_low_water; /* least depot + cached seen: at each refusal, each 16th exchange, each new
			    minimum of the depot, and now */
	u32 magazine_size;
	uword start, size; /* what create made; 0 for the pool behind somebody else's
			      mempool */
} pktpool_info_t;

/** Live values without a lock: exact when quiesced. */
CLIB_EXPORT void pktpool_get_info(pktpool_t *pool, pktpool_info_t *info);
/** Buffers cached by one thread index. */
CLIB_EXPORT u32 pktpool_thread_cached(pktpool_t *pool, u16 thread_index);

/** Walk depot and magazines (quiesced): every free buffer once, none foreign, counts right.
 *  @return 0; -EUCLEAN with the first fault in what (may be NULL); -ENOMEM. */
CLIB_EXPORT int pktpool_check(pktpool_t *pool, char *what, uword n_what);

#endif
