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
	u32 data_bytes;      /* room for packet data behind the headroom, at most 65535 - 128 */
	clib_arena_t *arena; /* buffers; made with VM_RANGE_WINDOW, outlives the pool */
	void *heap; /* tables (an mheap v made with MHEAP_FLAG_THREAD_SAFE); outlives it too */
} pktpool_params_t;

/**
 * Create a pool: take memory from the arena, announce it to DPDK, fill the depot.
 *
 * @param[out] pool  unchanged on error
 * @return 0; -EINVAL name, counts, or an arena outside the window; -ENOMEM arena or heap is full;
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

/** n reset mbufs (as rte_pktmbuf_alloc gives), all or none.  @return 0 or -ENOBUFS, counted. */
CLIB_EXPORT int pktpool_alloc(pktpool_t *pool, struct rte_mbuf **mbufs, u32 n);
/** Whole chains, reference counts honoured, each segment to its own pool. */
CLIB_EXPORT void pktpool_free(struct rte_mbuf **mbufs, u32 n);

/**
 * Raw objects (addresses of mbufs): what the mempool ops call.
 *
 * get: all n or none, 0 or -ENOBUFS, counted.  Before it refuses it takes back what other threads
 * cache, as far as those are not in the middle of a call; where the kernel offers no
 * membarrier(2) that step is left out and up to two magazines a thread stay out of reach.
 *
 * put: never fails, needs no memory.  The objects must be this pool's and taken: that is not
 * looked at here (an assertion in builds with checks; pktpool_check() finds strangers and twins).
 * Putting more than were ever taken is noticed when the depot overflows: dropped, n_bad_puts.
 *
 * Threads: any.  Cost: a copy of n pointers; a magazine's worth pays one exchange under the lock.
 */
CLIB_EXPORT int pktpool_get_raw(pktpool_t *pool, void **objs, u32 n);
CLIB_EXPORT void pktpool_put_raw(pktpool_t *pool, void *const *objs, u32 n);

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
	u32 n_depot;     /* in the depot */
	u32 n_cached;    /* in magazines of threads */
	u32 n_used;      /* total - depot - cached */
	u64 n_misses;    /* magazine exchanges with the depot */
	u64 n_failures;  /* requests refused */
	u64 n_reclaims;  /* times other threads' magazines were taken back */
	u64 n_bad_puts;  /* put though not taken: dropped */
	u32 n_low_water; /* least depot + cached seen: at each refusal, each 16th exchange, each new
			    minimum of the depot, and now */
	u32 magazine_size;
	uword start, size; /* 0 for the pool behind somebody else's mempool */
} pktpool_info_t;

/** Live values without a lock: exact when quiesced. */
CLIB_EXPORT void pktpool_get_info(pktpool_t *pool, pktpool_info_t *info);
/** Buffers cached by one thread index. */
CLIB_EXPORT u32 pktpool_thread_cached(pktpool_t *pool, u16 thread_index);

/** Walk depot and magazines (quiesced): every free buffer once, none foreign, counts right.
 *  @return 0; -EUCLEAN with the first fault in what (may be NULL); -ENOMEM. */
CLIB_EXPORT int pktpool_check(pktpool_t *pool, char *what, uword n_what);

#endif
