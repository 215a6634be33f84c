/* SPDX-License-Identifier: Apache-2.0 */
/* forensics_impl: records and the test by address, for this folder and its tests. */
#ifndef included_pool_forensics_impl_h
#define included_pool_forensics_impl_h

#include <plugins/pool/forensics.h>
#include <plugins/pool/pktpool_impl.h>

enum {
	PKTPOOL_RECORD_UNKNOWN, /* out when the trace began, or free since before */
	PKTPOOL_RECORD_FREE,
	PKTPOOL_RECORD_POISONED, /* free, and its data are the pattern */
	PKTPOOL_RECORD_HELD,
};

/* Who holds the buffer writes; others read, and a trace that begins clears: all relaxed, see
 * record_get() and record_set().
 *
 * 40 bytes: what rte_mempool_objhdr leaves of the line before an object. */
typedef struct {
	u64 tsc; /* of the last take or give */
	const void *taken_at, *freed_at;
	u16 taken_by, freed_by; /* thread indices */
	u16 node, seen_node;    /* rte_node id + 1 */
	u32 state;              /* the trace's number << 8, and PKTPOOL_RECORD_*, atomic */
	u32 free_in;            /* number of the look that found it free, see trace_foreach() */
} pktpool_record_t;

_Static_assert(sizeof(pktpool_record_t) + sizeof(struct rte_mempool_objhdr) <= PKTPOOL_OBJHDR_BYTES,
	       "a record and DPDK's header share a line");

always_inline pktpool_record_t *
pktpool_record(void *obj)
{
	return (pktpool_record_t *)((u8 *)obj - PKTPOOL_OBJHDR_BYTES);
}

/* What a state says in a trace.  One that a former trace's latecomer wrote says nothing: a thread
 * may be between its look at the trace and its record for any time. */
always_inline u32
record_kind(u32 state, u32 trace)
{
	return (state ^ trace) >> 8 ? PKTPOOL_RECORD_UNKNOWN : state & 0xff;
}

always_inline u32
record_state(u32 kind, u32 trace)
{
	return (trace & ~0xffu) | kind;
}

#define record_get(r, field) __atomic_load_n(&(r)->field, __ATOMIC_RELAXED)
#define record_set(r, field, x) __atomic_store_n(&(r)->field, (x), __ATOMIC_RELAXED)

typedef struct {
	u32 mask, residue;
} pktpool_watch_t;

always_inline pktpool_watch_t
pktpool_watch(const pktpool_t *pool)
{
	return (pktpool_watch_t){ pktpool_load(&pool->trace_mask),
				  pktpool_load(&pool->trace_residue) };
}

always_inline int
pktpool_is_watched(pktpool_watch_t w, const void *obj)
{
	return ((u32)(uword)obj & w.mask) == w.residue;
}

/* Whether one of n is watched: five instructions for four pointers. */
always_inline int
pktpool_watch_any(pktpool_watch_t w, void *const *objs, u32 n)
{
	typedef u32 u32x4_t __attribute__((vector_size(16)));
	typedef u32 u32x4u_t __attribute__((vector_size(16), aligned(8), may_alias));
	typedef u64 u64x2_t __attribute__((vector_size(16)));
	const u32x4u_t *p = (const u32x4u_t *)objs;
	u32x4_t residue = { w.residue, w.residue, w.residue, w.residue };
	u32x4_t mask = { w.mask, w.mask, w.mask, w.mask }, any = { 0, 0, 0, 0 };
	u32 i = 0, is_last = 0;
	u64x2_t halves;

	if (n == 1)
		return pktpool_is_watched(w, objs[0]);
#pragma GCC unroll 16
	for (; i + 4 <= n; i += 4, p += 2) {
		/* The low half of each pointer. */
		u32x4_t x = __builtin_shufflevector((u32x4_t)p[0], (u32x4_t)p[1], 0, 2, 4, 6);

		any |= (u32x4_t)((x & mask) == residue);
	}
	for (; i < n; i++)
		is_last |= (u32)pktpool_is_watched(w, objs[i]);
	halves = (u64x2_t)any;
	return ((halves[0] | halves[1]) | is_last) != 0;
}

/* The first watched one at or after i; n when there is none.  By eights: few are watched. */
always_inline u32
pktpool_next_watched(pktpool_watch_t w, void *const *objs, u32 i, u32 n)
{
	while (i + 8 <= n && !pktpool_watch_any(w, objs + i, 8))
		i += 8;
	while (i < n && !pktpool_is_watched(w, objs[i]))
		i++;
	return i;
}

/* pktpool_try_get() and pktpool_try_put() for those who are out of line already: a trace does not
 * stop them.  Of the get the caller looks at what came; the put is refused where puts are watched
 * and one of the buffers is. */
always_inline int
pktpool_try_get_traced(pktpool_t *pool, void **objs, u32 n)
{
	pktpool_thread_t *t = pktpool_slot(pool);
	u32 stop, n_loaded;

	pktpool_enter(t);
	/* Acquire: as in pktpool_try_get(). */
	stop = __atomic_load_n(&t->stop, __ATOMIC_ACQUIRE);
	n_loaded = slot_load(&t->n_loaded);
	if (PREDICT_FALSE(stop & PKTPOOL_STOP_RECLAIM) || PREDICT_FALSE(n > n_loaded)) {
		pktpool_leave(t);
		return 0;
	}
	n_loaded -= n;
	slot_store(&t->n_loaded, n_loaded);
	pktpool_copy(objs, t->loaded + n_loaded, n);
	pktpool_leave(t);
	return 1;
}

always_inline int
pktpool_try_put_traced(pktpool_t *pool, void *const *objs, u32 n)
{
	pktpool_thread_t *t = pktpool_slot(pool);
	u32 stop, n_loaded;

	if (CLIB_DEBUG > 0)
		return 0;
	pktpool_enter(t);
	stop = __atomic_load_n(&t->stop, __ATOMIC_ACQUIRE);
	n_loaded = slot_load(&t->n_loaded);
	if (PREDICT_FALSE(stop & PKTPOOL_STOP_RECLAIM) ||
	    PREDICT_FALSE(n > t->magazine_size - n_loaded) ||
	    ((stop & PKTPOOL_STOP_TRACE_PUTS) && pktpool_watch_any(pktpool_watch(pool), objs, n))) {
		pktpool_leave(t);
		return 0;
	}
	slot_store(&t->n_loaded, n_loaded + n);
	pktpool_copy(t->loaded + n_loaded, objs, n);
	pktpool_leave(t);
	return 1;
}

/** Where a thread is in its graph, while nodes are known. */
typedef struct {
	u16 node;           /* the one it is in, id + 1; 0 outside */
	u8 is_past_sources; /* this walk has left its sources behind */
	u8 is_followed;     /* nodes look at what they are given in this walk */
	u32 n;              /* walks begun */
} pktpool_trace_walk_t;
extern __thread pktpool_trace_walk_t pktpool_trace_walk __attribute__((tls_model("initial-exec")));
/** Pools of which every buffer is watched: followed in each walk.  Exported for tests. */
CLIB_EXPORT_EXTERN _Atomic u32 pktpool_n_fully_traced;

/** A node was given these. */
void pktpool_trace_seen(pktpool_t *pool, void *const *objs, u32 n, u16 node);

#endif
