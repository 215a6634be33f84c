/* SPDX-License-Identifier: Apache-2.0 */
/* trace_impl: the tables of a traced heap, for the trace_*.c files. */
#ifndef included_mheap_trace_impl_h
#define included_mheap_trace_impl_h

#include <sched.h>
#include <vppinfra/backtrace.h>
#include "mheap_impl.h"

#define N_CALLERS MHEAP_TRACE_MAX_CALLERS
#define NO_INDEX (~(u32)0)
/* Wrong puts are rare: the latest tell the story. */
#define N_MISUSES 16
/* Puts that can be named when they come twice: a megabyte. */
#define TRACE_N_PUTS 4096

/* n_objects is a fixed-point number, as a sampled object stands for a fraction more than a whole
 * number of objects. */
#define LOG2_COUNT_ONE 16
#define COUNT_ONE (1ull << LOG2_COUNT_ONE)

typedef struct {
	uword callers[N_CALLERS]; /* 0 after the last */
	u64 hash;
	u64 n_samples; /* 0: the site is free */
	u64 n_objects; /* times COUNT_ONE */
	u64 n_bytes;
	uword sample_uoffset; /* ~0: none known */
	u32 next;             /* in its bucket, or in the list of free sites */
} trace_site_t;

/* A put, remembered for the one that comes twice. */
typedef struct {
	uword uoffset;
	uword get_callers[N_CALLERS], put_callers[N_CALLERS];
} trace_put_t;

/* What is known of an object, by its place: elements are at least 32 bytes long, so no two share
 * a slot.  0: nothing.  Otherwise
 *   bits 60..61  its offset / 8, modulo 4
 *   bits 40..59  index of its site (63 is set), or of the record of its put (62 is set)
 *   bits  0..39  words it had when it was got, which its weight depends on */
#define LOG2_SLOT_SPAN 5
#define SLOT_LIVE (1ull << 63)
#define SLOT_PUT (1ull << 62)
#define SLOT_PLACE_SHIFT 60
#define SLOT_INDEX_SHIFT 40
#define SLOT_WORDS_MASK ((1ull << SLOT_INDEX_SHIFT) - 1)
#define MAX_SITES ((1u << 20) - 1)

_Static_assert(MIN_ELT_BYTES >= 1 << LOG2_SLOT_SPAN, "a slot holds one object");

/* A mapping of its own, made when tracing begins, gone when it ends. */
typedef struct {
	uword n_mapped_bytes;
	u32 max_sites, n_sites_ever, free_sites, n_sites;
	u32 log2_buckets;
	u32 next_put;
	u64 n_slots, n_untraced;
	trace_site_t *sites;
	u32 *buckets; /* index of a site, plus one */
	trace_put_t *puts;
	u64 *slots;
} trace_tables_t;

/* h->trace_main: lives until the heap is destroyed, so that a thread that saw the flag just before
 * tracing was switched off finds a lock and no tables. */
typedef struct {
	_Atomic u32 lock;
	u32 n_misuses;
	/* Under the lock; NULL: off. */
	trace_tables_t *tables;
	/* Read by gets without it. */
	_Atomic uword sample_bytes;
	/* The sampler: written by whoever holds the heap. */
	_Atomic i64 bytes_to_sample;
	_Atomic u64 random;
	mheap_trace_misuse_t misuses[N_MISUSES];
} trace_main_t;

/* NULL: never traced, or another process's heap. */
always_inline trace_main_t *
trace_of(const mheap_t *h)
{
	/* Acquire: the tables' head as mheap_trace_enable() made it. */
	return mheap_region_of(h) ? __atomic_load_n((void *const *)&h->trace_main, __ATOMIC_ACQUIRE)
				  : NULL;
}

always_inline void
trace_lock(trace_main_t *tm)
{
	/* Acquire: the tables as the last owner left them; pairs with the release below. */
	while (atomic_exchange_explicit(&tm->lock, 1, memory_order_acquire))
		sched_yield();
}

always_inline void
trace_unlock(trace_main_t *tm)
{
	/* Release: see trace_lock(). */
	atomic_store_explicit(&tm->lock, 0, memory_order_release);
}

always_inline u64 *
slot_of(trace_tables_t *t, uword uo)
{
	uword i = uo >> LOG2_SLOT_SPAN;

	return i < t->n_slots ? &t->slots[i] : NULL;
}

always_inline u64
slot_make(u64 state, uword uo, u32 index)
{
	return state | ((uo >> 3) & 3) << SLOT_PLACE_SHIFT | (u64)index << SLOT_INDEX_SHIFT;
}

/* Offset of what slot i speaks of. */
always_inline uword
slot_uoffset(u64 i, u64 slot)
{
	return i << LOG2_SLOT_SPAN | ((slot >> SLOT_PLACE_SHIFT) & 3) << 3;
}

/* Whether the slot at uo's place speaks of uo, in that state. */
always_inline int
slot_is(u64 slot, u64 state, uword uo)
{
	return (slot & (SLOT_LIVE | SLOT_PUT)) == state &&
	       ((slot >> SLOT_PLACE_SHIFT) & 3) == ((uo >> 3) & 3);
}

always_inline u32
slot_index(u64 slot)
{
	return (slot >> SLOT_INDEX_SHIFT) & MAX_SITES;
}

always_inline void
trace_walk(const void *frame, uword *callers)
{
	u32 n = clib_backtrace_from(frame, callers, N_CALLERS);

	memset(callers + n, 0, (N_CALLERS - n) * sizeof(callers[0]));
}

/** The tables' lock is held. */
void mheap_trace_start_sampler(trace_main_t *tm, uword sample_bytes, u64 seed);

#endif
