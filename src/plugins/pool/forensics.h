/* SPDX-License-Identifier: Apache-2.0 */
/* forensics: who holds which buffer and since when, and misuse caught in the act.  Switched on and
 * off at run time, a pool at a time.
 *
 * A fixed part of a pool's buffers is watched, one in `every`, chosen by address: give and take
 * see from the pointer alone whether there is something to do.  A watched buffer's record lies in
 * the unused part of its mempool object header, so nothing is allocated:
 *
 *   | record 40 | rte_mempool_objhdr 24 | rte_mbuf ...
 *
 * While it is off nothing is looked at: the flag that sends a thread out of line to a reclaimer
 * sends it here too.  While it is on each take looks at its pointers, and gives are as ever: what
 * is free is found when somebody asks who holds what.  A leak takes buffers out of circulation one
 * after the other, watched or not, so the watched ones among them are a fair sample; with `every` 1
 * each buffer is told.
 *
 * Which graph node a buffer came from, and which one had it last, is known while
 * pktpool_trace_nodes() is on: every graph's nodes are then entered by way of a function, which in
 * one walk of sixteen looks at what they are given, in each walk where `every` is 1.
 *
 * With PKTPOOL_TRACE_CHECK gives are looked at, too.  Misuse of a watched buffer is then reported
 * with both sites and not followed: what is given back twice, or is another pool's, stays out of
 * the pool; a header that was written after the free is mended.
 *
 * Sites are return addresses of calls to the pool, or to its mempool ops (then a place in the
 * driver or library that called rte_mempool): clib_symbolize() names them. */
#ifndef included_pool_forensics_h
#define included_pool_forensics_h

#include <plugins/pool/pktpool.h>

/** One buffer in 256; what that costs is in docs/pool.md. */
#define PKTPOOL_TRACE_DEFAULT_EVERY 256

/** Free buffers are filled with a pattern, and looked at when they are taken again.  With CHECK. */
#define PKTPOOL_TRACE_POISON 1u
/** Gives are looked at: double and foreign frees, reference counts at a raw give. */
#define PKTPOOL_TRACE_CHECK 2u
#define PKTPOOL_POISON_BYTE 0xfb

/**
 * Watch a pool; when it is watched already, begin anew with these parameters.
 *
 * @param every  a power of two, at most 4096; 1: all, 0: PKTPOOL_TRACE_DEFAULT_EVERY
 * @param flags  PKTPOOL_TRACE_*; POISON is left out for a mempool that is not a pktpool of ours,
 *               where nobody knows what its objects hold; CHECK is always on where the kernel has
 *               no membarrier(2)
 * @return 0; -EINVAL every or flags; -ENOMEM; -ENOTSUP the mempool's object headers have no room
 *         for a record (RTE_MEMPOOL_F_NO_CACHE_ALIGN).
 *
 * Buffers that are out now have no record until they come back: pktpool_info_t's n_used minus what
 * is told below is their number.  Threads: any; walks all buffers and waits until no thread is in
 * the middle of a call.
 */
CLIB_EXPORT int pktpool_trace_on(pktpool_t *pool, u32 every, u32 flags);
CLIB_EXPORT void pktpool_trace_off(pktpool_t *pool);

typedef enum {
	PKTPOOL_FAULT_DOUBLE_FREE,  /* CHECK: given back, but it was free already */
	PKTPOOL_FAULT_FOREIGN_FREE, /* CHECK: given to a pool that it is not from, or no buffer */
	PKTPOOL_FAULT_WRITE_AFTER_FREE, /* POISON: a free buffer's data were written */
	PKTPOOL_FAULT_REFCOUNT, /* free buffer found with a reference count or number of segments
				   other than 1 or a next segment; CHECK: given raw like that; or a
				   free of a reference count of 0 */
	PKTPOOL_N_FAULTS
} pktpool_fault_kind_t;

typedef struct {
	u8 is_on;
	u32 every, flags;
	u32 n_watched; /* buffers */
	u64 n_faults[PKTPOOL_N_FAULTS];
} pktpool_trace_info_t;

CLIB_EXPORT void pktpool_trace_get_info(pktpool_t *pool, pktpool_trace_info_t *info);

/** A watched buffer that somebody holds. */
typedef struct {
	void *object;
	u16 thread_index;    /* who took it; CLIB_THREAD_INDEX_NONE: one without an index */
	u16 node, seen_node; /* rte_node id + 1 that took it, and that was seen with it last; 0:
				none, or the walk was not followed */
	const void *site;    /* where */
	u64 age_ns;          /* since it was taken */
} pktpool_holding_t;

/**
 * Calls fn for each, in order of address, until it returns nonzero.  Threads: any, also while
 * buffers move: each is told as it was when looked at.  Cost: one line a watched buffer; without
 * CHECK all free buffers' addresses are read before, about 1 ns each, and whoever needs the pool
 * meanwhile waits.  What a thread has cached that lost its CPU in the middle of a call is then told
 * as held.  In a secondary process nothing is told without CHECK.
 */
CLIB_EXPORT void pktpool_trace_foreach(pktpool_t *pool,
				       int (*fn)(const pktpool_holding_t *h, void *arg), void *arg);

/** One misuse. */
typedef struct {
	pktpool_fault_kind_t kind;
	char pool[26];
	u64 number; /* counts all faults of the process from 1 */
	void *object;
	const void *site; /* where it was noticed */
	u16 thread_index; /* by whom */
	/* What had happened to the buffer before: the last take, and the last give.  NULL: not
	 * since the trace began, or nothing is known of a stranger. */
	const void *taken_at, *freed_at;
	u16 taken_by, freed_by;
	u64 age_ns;   /* since the last of these */
	u32 offset;   /* WRITE_AFTER_FREE: first byte that changed, from buf_addr */
	u16 refcount; /* REFCOUNT: as found */
	u16 n_segs;
} pktpool_fault_t;

/** The latest faults of all pools, newest first.  @return how many were written, at most n */
CLIB_EXPORT u32 pktpool_faults(pktpool_fault_t *faults, u32 n);

/** Called with each fault in the thread that meets it, no lock held; NULL: nobody. */
typedef void(pktpool_fault_hook_t)(const pktpool_fault_t *fault, void *arg);
CLIB_EXPORT void pktpool_set_fault_hook(pktpool_fault_hook_t *fn, void *arg);
CLIB_EXPORT const char *pktpool_fault_name(pktpool_fault_kind_t kind);

/**
 * Graph nodes are known to the records while this is on.
 * @return 0; -ENOMEM.  Threads: control; graphs may run, none may be created or destroyed
 *         meanwhile.  Graphs made later need another call.  Cost while on: some 20 instructions a
 *         node call, and in a walk that is followed two for each buffer.
 */
CLIB_EXPORT int pktpool_trace_nodes(int is_on);

#endif
