/* SPDX-License-Identifier: Apache-2.0 */
/* kmem_impl: the inside of a cache, for this folder and its tests.
 *
 * Locks, outermost first: list of caches, depot of one cache, slabs of that cache.  None is held
 * across the arena, a constructor, the error hook, or a taking of metadata; what has to be given
 * away is collected under the lock and given away after.
 *
 * Metadata (magazines, descriptors, tables, the caches themselves) comes from caches of our own,
 * in powers of two, that have their bookkeeping in their slabs, no magazines and no table, and so
 * need nothing in turn but the arena "kmem_meta". */
#ifndef included_vppinfra_kmem_impl_h
#define included_vppinfra_kmem_impl_h

#include <vppinfra/kmem.h>
#include <vppinfra/lock.h>
#include <vppinfra/vm_guard.h>
#include <vppinfra/vmem.h>

/* Flags of a cache, above the public ones. */
#define KMEM_INTERNAL (1u << 16) /* one of our own: slab by address alone */
#define KMEM_UMEM (1u << 17)     /* UMEM_NOFAIL has a meaning */
#define KMEM_QUIET (1u << 18)    /* misuse is answered, not reported: quantum caches */
#define KMEM_OFF_SLAB (1u << 19) /* descriptors lie elsewhere */
#define KMEM_HAS_CTOR (1u << 20)
#define KMEM_GUARDED (1u << 21) /* descriptors are written with the guard open only: vm_guard.h */
#define KMEM_PUBLIC_FLAGS 0xffffu

/* ---- slabs ---- */

typedef struct kmem_audit {
	clib_kmem_site_t alloc_site, free_site;
} kmem_audit_t;

/* A slab's descriptor: at the end of the slab, or elsewhere.  Behind it: the bits, and what flags
 * ask for.  Under the lock of the slabs, but for what is set at creation, and the states. */
typedef struct kmem_slab {
	struct kmem_slab *next, *prev; /* in the list of its kind */
	struct kmem_slab *hash_next;
	/** Address divided by the alignment of slabs; constant while the slab lives. */
	CLIB_ATOMIC(uword) key;
	/** Where the slab and its first object begin. */
	uword start, base;
	u32 n_objects, n_inuse;
	/** No word of free_bits below this has a bit set. */
	u32 hint;
	u32 list; /* kmem_list_t */
	/** Bit i: object i was constructed.  NULL without a constructor. */
	u64 *constructed;
	/** CHECKED: 1 with a caller, 0 in a magazine or in the slab.  Else NULL. */
	CLIB_ATOMIC(u8) * states;
	/** AUDIT.  Else NULL. */
	kmem_audit_t *audit;
	/** Bit i: object i is in the slab. */
	u64 free_bits[];
} kmem_slab_t;

typedef enum {
	KMEM_LIST_FULL, /* no object left in it */
	KMEM_LIST_PARTIAL,
	KMEM_LIST_EMPTY, /* all objects in it */
	KMEM_N_LISTS,
} kmem_list_t;

/* ---- magazines ---- */

typedef struct kmem_magazine {
	struct kmem_magazine *next;
	u32 n, class; /* rounds in it while it is not loaded */
	void *rounds[];
} kmem_magazine_t;

#define KMEM_MAGAZINE_CLASSES 6 /* 128 to 4096 bytes */

always_inline u32
kmem_magazine_bytes(u32 class)
{
	return 128u << class;
}

always_inline u32
kmem_magazine_capacity(u32 class)
{
	return (kmem_magazine_bytes(class) - (u32)sizeof(kmem_magazine_t)) / sizeof(void *);
}

/* Objects that move between layers at a time, on the stack. */
#define KMEM_BATCH 64

/* ---- sleepers ---- */

/* On its own stack.  In the queue under the lock of the slabs; then alone in the hands of whoever
 * took it out, until state says KMEM_SERVED. */
typedef struct kmem_sleeper {
	struct kmem_sleeper *next, *prev;
	u8 is_queued;
	CLIB_ATOMIC(u32) state; /* kmem_sleeper_state_t; slept on */
	void *object;           /* out of its slab, maybe not constructed */
} kmem_sleeper_t;

typedef enum {
	KMEM_ASLEEP,
	KMEM_LOOK, /* the first in the queue: see whether the arena has something now */
	KMEM_SERVED,
} kmem_sleeper_state_t;

/* ---- where slabs come from ---- */

typedef struct {
	int (*alloc)(vmem_t *vmp, uword bytes, uword align, int vm_flags, uword *addr);
	void (*free)(vmem_t *vmp, uword addr, uword bytes);
} kmem_source_ops_t;

extern const kmem_source_ops_t kmem_memory_source __attribute__((visibility("hidden")));

/* ---- a cache ---- */

/* A power of two: so many neighbouring slabs are found with one look. */
#define KMEM_N_RECENT 64
/* The key of a slab that has gone: no address has it, since slabs are greater than a byte. */
#define KMEM_KEY_NONE (~(uword)0)

/* The table of slabs by address: linear hashing (Litwin, 1980) in parts, the first inline and
 * each of the others as large as all before it, as in vmem/vmem_impl.h.  A slab that is added
 * splits one bucket at most, so there is no pause for a greater table. */
#define KMEM_HASH_INITIAL 8
#define KMEM_HASH_PARTS 27

typedef struct {
	kmem_slab_t *first[KMEM_HASH_INITIAL];
	/** Parts are readable as long as the cache lives. */
	kmem_slab_t **parts[KMEM_HASH_PARTS];
	CLIB_ATOMIC(uword) mask, split;
} kmem_hash_t;

typedef struct kmem {
	/* Set at creation, or with no slab in existence under both locks: any thread. */
	clib_kmem_cache_t public;
	char name[CLIB_KMEM_NAME_BYTES];
	u32 flags;
	u32 front_bytes; /* red zone below an object */
	uword align, chunk_bytes, object_bytes;
	uword slab_bytes, slab_align;
	u32 log2_slab_align, n_per_slab;
	/** Ceiling of 2^32 / chunk_bytes, where slabs are below 4 GiB; else 0. */
	u32 chunk_inverse;
	u32 descriptor_bytes, n_words;
	u32 colour_bytes, n_colours;
	vmem_t *source;
	const kmem_source_ops_t *source_ops;
	clib_kmem_ctor_t *ctor;
	clib_kmem_dtor_t *dtor;
	clib_kmem_init_t *init;
	clib_kmem_reclaim_t *reclaim;
	void *arg;
	u32 asked_flags, asked_slab_bytes_log2; /* as at creation: debugging may change the rest */
	u32 class_max;
	u32 depot_magazines;
	/** Of clib_kmem_cpu_t; public.cpu_offset is another for caches whose every call comes out
	 *  of line.  0: none. */
	uword cpu_offset;
	struct kmem *next; /* under the lock of the list */

	/* The depot, under its lock. */
	_Alignas(CLIB_CACHE_LINE_BYTES) struct clib_spinlock depot_lock;
	kmem_magazine_t *full, *empty;
	u32 n_full_min, n_empty_min; /* since the last reap */
	u32 n_window, n_window_contended;

	/* Written under the depot's lock, read by anybody. */
	CLIB_ATOMIC(u32) n_full, n_empty;
	CLIB_ATOMIC(u64) n_depot_objects;
	CLIB_ATOMIC(u32) class;
	CLIB_ATOMIC(u64) n_gets, n_misses, n_resizes, n_claims;
	CLIB_ATOMIC(u64) n_contended; /* any thread */

	/* Slabs, under their lock. */
	_Alignas(CLIB_CACHE_LINE_BYTES) struct clib_spinlock slab_lock;
	kmem_slab_t *lists[KMEM_N_LISTS];
	/* While somebody sleeps no object is in a slab, no magazine is loaded, and none gets
	 * loaded. */
	kmem_sleeper_t *sleepers, *last_sleeper;
	kmem_slab_t *spare; /* descriptors of a CHECKED cache, kept as long as it lives */
	u32 colour, n_growing, n_empty_slabs_min;
	u32 guard; /* what the holder of the lock has to close with */

	/* Written under the lock of the slabs, read by anybody. */
	CLIB_ATOMIC(u64) n_slabs[KMEM_N_LISTS];
	CLIB_ATOMIC(u64) n_taken; /* objects that are not in their slab */
	CLIB_ATOMIC(u64) n_created, n_destroyed;
	CLIB_ATOMIC(u64) n_spare;
	CLIB_ATOMIC(u64) hash_bytes; /* parts of the table beyond the first */
	CLIB_ATOMIC(u32) n_sleepers;
	kmem_hash_t hash;

	/* Any thread, relaxed. */
	_Alignas(CLIB_CACHE_LINE_BYTES) CLIB_ATOMIC(u64) n_direct_allocs; /* past the magazines */
	CLIB_ATOMIC(u64) n_fails, n_bad_frees, n_errors;
	CLIB_ATOMIC(u64) n_sleeps, n_timeouts, sleep_ns_max;

	/* CHECKED: slabs that were looked for last, by the low bits of their key.  Any thread. */
	_Alignas(CLIB_CACHE_LINE_BYTES) CLIB_ATOMIC(kmem_slab_t *) recent[KMEM_N_RECENT];
} kmem_t;

always_inline kmem_t *
kmem_of(clib_kmem_cache_t *cache)
{
	return (kmem_t *)cache;
}

always_inline void
kmem_count(CLIB_ATOMIC(u64) * counter, u64 n)
{
	atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

/* A counter with one writer at a time. */
#define kmem_load(p) atomic_load_explicit((p), memory_order_relaxed)
#define kmem_store(p, n) atomic_store_explicit((p), (n), memory_order_relaxed)
#define kmem_add(p, n) kmem_store((p), kmem_load(p) + (n))

always_inline void
kmem_lock(struct clib_spinlock *lock)
{
	clib_spinlock_t handle = lock;

	clib_spinlock_lock(&handle);
}

always_inline int
kmem_trylock(struct clib_spinlock *lock)
{
	clib_spinlock_t handle = lock;

	return clib_spinlock_trylock(&handle);
}

always_inline void
kmem_unlock(struct clib_spinlock *lock)
{
	clib_spinlock_t handle = lock;

	clib_spinlock_unlock(&handle);
}

/* Slabs and their descriptors may be written while their lock is held. */
always_inline void
kmem_slab_lock(kmem_t *k)
{
	kmem_lock(&k->slab_lock);
	if (PREDICT_FALSE(k->flags & KMEM_GUARDED))
		k->guard = vm_guard_open();
}

always_inline void
kmem_slab_unlock(kmem_t *k)
{
	u32 guard = k->guard;

	if (PREDICT_FALSE(guard != 0))
		k->guard = 0;
	kmem_unlock(&k->slab_lock);
	if (PREDICT_FALSE(guard != 0))
		vm_guard_close(guard);
}

/* The calling thread's part of a cache; NULL when it has none. */
always_inline clib_kmem_cpu_t *
kmem_cpu(const kmem_t *k)
{
	u8 *base = clib_thread_percpu_base;

	return PREDICT_TRUE(base != NULL) && k->cpu_offset ? _clib_kmem_cpu(base, k->cpu_offset)
							   : NULL;
}

/* percpu.h, which kmem.h does without. */
CLIB_EXPORT u8 *clib_percpu_attach(void);

/* ---- init.c ---- */

/** Everything that lies under the first cache.  @return 0 or -ENOMEM */
int kmem_init(void);
void kmem_list_lock(void);
void kmem_list_unlock(void);
extern kmem_t *kmem_list __attribute__((visibility("hidden")));
/** Enter at the end, or leave. */
void kmem_list_add(kmem_t *k);
void kmem_list_remove(kmem_t *k);
vmem_t *kmem_default_arena(void);
/** Offset of a clib_kmem_cpu_t that is empty for ever. */
uword kmem_empty_cpu_offset(void);
/** Whether this taking of memory is made to fail. */
bool kmem_is_made_to_fail(void);

/* ---- meta.c ---- */

int kmem_meta_init(void);
/** Zeroed when fresh: is_zeroed says that it must be.  @return NULL when memory is short */
void *kmem_meta_alloc(uword bytes, bool is_zeroed);
void kmem_meta_free(void *p, uword bytes);
/** Bytes that all of it takes from the system. */
uword kmem_meta_bytes(void);
uword kmem_meta_reap(void);
void kmem_meta_lock_all(void);
void kmem_meta_unlock_all(void);

/* ---- guard.c ---- */

/** Memory for descriptors that only an open guard lets be written.  @return NULL: short of it */
void *kmem_guarded_alloc(uword bytes);
void kmem_guarded_free(void *p, uword bytes);
/* ---- create.c ---- */

/** Layout of slabs by object, alignment and flags.  @return 0, -EINVAL */
int kmem_layout(kmem_t *k);
int kmem_make(const clib_kmem_params_t *params, u32 internal_flags, const kmem_source_ops_t *ops,
	      kmem_t **cache);
/** With is_forced also while objects are live, without a word about them. */
int kmem_destroy(kmem_t *k, bool is_forced, const void *caller);

/* ---- slab.c ---- */

/** The slab that holds an address, and the object's number in it.  Lock held.
 *  @return CLIB_KMEM_N_ERRORS, or how the address is wrong */
clib_kmem_error_kind_t kmem_slab_find(kmem_t *k, uword addr, kmem_slab_t **slab, u32 *index);

/* The number of the object that begins at addr.  Value: CLIB_KMEM_N_ERRORS, or what is wrong. */
always_inline clib_kmem_error_kind_t
kmem_slab_index(const kmem_t *k, const kmem_slab_t *s, uword addr, u32 *index)
{
	uword offset = addr - s->base - k->front_bytes, i;

	if (PREDICT_FALSE(addr - s->start >= k->slab_bytes))
		return CLIB_KMEM_ERROR_STRANGER;
	/* For i * chunk the product is i * 2^32 and less than 2^32 more: i is right, and for any
	 * other offset the product below shows that it is none. */
	i = PREDICT_TRUE(k->chunk_inverse != 0) ? offset * k->chunk_inverse >> 32
						: offset / k->chunk_bytes;
	*index = (u32)i;
	return PREDICT_TRUE(i < s->n_objects && i * k->chunk_bytes == offset)
		       ? CLIB_KMEM_N_ERRORS
		       : CLIB_KMEM_ERROR_INTERIOR;
}

always_inline uword
kmem_object_at(const kmem_t *k, const kmem_slab_t *s, u32 index)
{
	return s->base + index * k->chunk_bytes + k->front_bytes;
}

/** Take up to n objects, constructed; grows, and takes back from elsewhere.
 *  @return how many, 0 when nothing can be had */
u32 kmem_slab_alloc(kmem_t *k, void **objects, u32 n, int flags, const void *caller);
/** Take what is there, fresh objects marked.  Lock held. */
u32 kmem_slab_take(kmem_t *k, void **objects, u32 n);
/** Give the sleepers what is there, in their order; those that got something move to *served.
 *  Lock held. */
void kmem_slab_serve(kmem_t *k, kmem_sleeper_t **served);
/** Put n objects back, destructing nothing.  Wrong ones are counted and reported.
 *  @return bytes of slabs given to the arena */
uword kmem_slab_free(kmem_t *k, void *const *objects, u32 n, const void *caller);
/** One, checked.  @return 0, -EINVAL, -EALREADY */
int kmem_slab_free_one(kmem_t *k, uword addr, const void *caller);
/** Destroy up to n_max empty slabs.  @return bytes */
uword kmem_slab_trim(kmem_t *k, u64 n_max);
/** All slabs, whatever is live. */
void kmem_slab_destroy_all(kmem_t *k);
/** Debugging: one object, with patterns and sites. */
void *kmem_slab_alloc_debug(kmem_t *k, int flags, const void *caller);
/** @return 0, -EINVAL, -EALREADY; refusals are counted, and reported unless the cache is quiet. */
int kmem_slab_free_debug(kmem_t *k, void *object, const void *caller);

/* ---- grow.c ---- */

/** One more slab.  No lock held.  @return 0 or -ENOMEM */
int kmem_grow(kmem_t *k);
/** Give a slab that is in no list and no table any more to the arena; destructs what it holds. */
uword kmem_slab_release(kmem_t *k, kmem_slab_t *s);
void kmem_list_insert(kmem_t *k, kmem_slab_t *s, kmem_list_t list);
void kmem_list_delete(kmem_t *k, kmem_slab_t *s);

/* ---- table.c ---- */

kmem_slab_t *kmem_hash_lookup(const kmem_t *k, uword key);
/** Without the lock.  NULL: not found, which is certain only under the lock. */
kmem_slab_t *kmem_hash_peek(kmem_t *k, uword key);
/** Room for one more; no lock held.  Without memory chains get longer, that is all. */
void kmem_hash_prepare(kmem_t *k);
void kmem_hash_insert(kmem_t *k, kmem_slab_t *s);
void kmem_hash_delete(kmem_t *k, kmem_slab_t *s);
void kmem_hash_free(kmem_t *k);

/* ---- magazine.c ---- */

void kmem_magazine_free(kmem_magazine_t *m);
/** Through the magazines of the calling thread's part.  @return 0, or -ENOMEM: none anywhere */
int kmem_cpu_alloc(kmem_t *k, clib_kmem_cpu_t *c, int flags, void **object, const void *caller);
void kmem_cpu_free(kmem_t *k, clib_kmem_cpu_t *c, void *object, const void *caller);
/** As many as magazines and depot have.  @return how many */
size_t kmem_cpu_alloc_many(kmem_t *k, clib_kmem_cpu_t *c, void **objects, size_t n);
void kmem_cpu_free_many(kmem_t *k, clib_kmem_cpu_t *c, void *const *objects, size_t n,
			const void *caller);
/** Counted when it was not free at once. */
void kmem_depot_lock(kmem_t *k);
/** Take both magazines off a part.  Depot locked, owner away. */
void kmem_cpu_unload(clib_kmem_cpu_t *c, kmem_magazine_t **list);
/** So many magazines out of the depot; what is left counts as needed from now.  Depot locked. */
void kmem_depot_take(kmem_t *k, u32 n_full, u32 n_empty, kmem_magazine_t **list);
/** Rounds to the slabs, magazines to the metadata.  @return bytes given to the arena */
uword kmem_drain_list(kmem_t *k, kmem_magazine_t *list);

/* ---- claim.c ---- */

/** Hold other threads off their magazines.  Depot locked.  is_at_rest: nobody can be inside.
 *  @return 0; -EAGAIN some are not held off: kmem_is_claimed() tells */
int kmem_claim(kmem_t *k, bool is_at_rest);
bool kmem_is_claimed(const clib_kmem_cpu_t *c);
/** Let them in again. */
void kmem_unclaim(kmem_t *k);
/** Part of thread i, NULL when it has none. */
clib_kmem_cpu_t *kmem_part(const kmem_t *k, u32 i);
/** Objects in magazines of threads. */
u64 kmem_n_in_threads(const kmem_t *k);
/** All magazines of a cache into its slabs.  @return bytes given to the arena */
uword kmem_flush_all(kmem_t *k, bool is_at_rest, int *error);
void kmem_flush_thread(kmem_t *k, u16 index);
/** After a fork: other threads are gone, wherever they were. */
void kmem_claim_fork_child(kmem_t *k);

/* ---- pressure.c ---- */

/** The arena has nothing left: take back what lies idle, here (n_before 0), then in all caches
 *  that draw on the same memory (1).  @return whether it is worth another try */
bool kmem_relieve(kmem_t *k, u32 n_before);
/** This thread is taking memory back from caches, or in a callback of one that does. */
bool kmem_is_relieving(void);

/* ---- sleep.c ---- */

/** Nothing can be had: wait, where the cache's kind and the flags say so.
 *  @return 1: an object, as kmem_slab_take() gives it; or 0 */
u32 kmem_sleep(kmem_t *k, void **object, int flags, const void *caller);
/** The allocation has failed: ask a program that has a say.
 *  @return whether to try again; the failure has been counted if not */
bool kmem_may_retry(kmem_t *k, int flags);
/** Wake those that were served; no lock held. */
void kmem_wake_served(kmem_sleeper_t *served);
/** A slab went back to its arena: others may wait for its memory.  No lock held. */
void kmem_wake_rivals(const kmem_t *k);
/** After a fork nobody sleeps any more. */
void kmem_sleep_fork_child(kmem_t *k);
/** The resource that an arena draws on in the end. */
const vmem_t *kmem_root_of(const vmem_t *vmp);

/* ---- checked.c ---- */

/** An object of a CHECKED cache is with a caller from now on. */
void kmem_checked_mark(kmem_t *k, uword addr);
/** CHECKED caches.  @return 0 or -ENOMEM */
int kmem_checked_alloc(kmem_t *k, int flags, uword *addr, const void *caller);
/** @return 0, -EINVAL, -EALREADY */
int kmem_checked_free(kmem_t *k, uword addr, const void *caller);

/* ---- debug.c: patterns ---- */

void kmem_debug_fresh_slab(kmem_t *k, kmem_slab_t *s);
/** An object leaves its slab.  @return offset of the first byte written since it was freed, or
 *  CLIB_KMEM_NO_FAULT */
#define KMEM_NO_FAULT ((word)1 << 62)
word kmem_debug_check_poison(const kmem_t *k, const u8 *object);
void kmem_debug_repair_redzones(const kmem_t *k, u8 *object);
void kmem_debug_on_alloc(const kmem_t *k, u8 *object);
void kmem_debug_on_free(const kmem_t *k, u8 *object);
word kmem_debug_check_left(const kmem_t *k, const u8 *object);
word kmem_debug_check_right(const kmem_t *k, const u8 *object);

/* ---- rules.c ---- */

/** Flags that KMEM_DEBUG and clib_kmem_debug() give a name. */
u32 kmem_rules_flags(const char *name);

/* ---- site.c ---- */

void kmem_site_take(clib_kmem_site_t *site, const void *caller);

/* ---- report.c ---- */

void kmem_report(const clib_kmem_error_t *error);
/** Name the owner of a wrongly freed object, count and report it. */
void kmem_report_bad_free(kmem_t *k, uword addr, clib_kmem_error_kind_t kind, const void *caller);

#endif
