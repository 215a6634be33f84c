/* SPDX-License-Identifier: Apache-2.0 */
/* kmem: caches of objects of one size, a slab allocator with magazines (Bonwick, "The Slab
 * Allocator", 1994; Bonwick and Adams, "Magazines and Vmem", 2001), under Linux' and illumos'
 * names.
 *
 *   thread:   loaded magazine   previous magazine        no lock, no atomic read-modify-write
 *                   |  full or empty ones, whole
 *   depot:    full magazines    empty magazines          a lock, once a magazine
 *                   |  objects, many at a time
 *   slabs:    full  partial  empty                       a lock, once a batch
 *                   |  slabs
 *   vmem arena                                           memory, or any other resource
 *
 * A slab is a power of two in size and aligned to it (but for objects above 256 KiB, which have
 * one each); what is left over is at most an eighth, and shifts the objects of successive slabs
 * against each other (colour), so that equal fields of them do not all meet in the same lines of
 * the processor's cache.  A slab keeps a bit for each object; nothing is ever written into a free
 * one, so a program that scribbles there breaks no list.
 *
 * An object is constructed when it is first taken out of its slab, stays constructed through all
 * frees and allocations after, and is destructed when its slab goes back to the arena: free it in
 * the state in which the constructor left it.  (With poison it is destructed at each free.)
 *
 * Misuse.  What is freed through the slabs is checked always: strangers, pointers into objects,
 * other caches' objects, double frees.  A magazine takes what it is given, and the slab finds the
 * fault when the magazine comes down; with CLIB_KMEM_CHECKED each free is checked on the spot.
 * CLIB_KMEM_REDZONE, _POISON and _AUDIT add overruns, writes after free, and both call sites.
 * KMEM_DEBUG=NAME[:redzone,poison,audit][;NAME...] in the environment turns them on for caches
 * whose name matches the pattern (fnmatch).  Faults are counted, go to the error hook, and the
 * call returns without having done harm.
 *
 * Threads: any, for every call on a cache but its destruction.  A thread beyond the last index
 * (thread.h) has no magazines.  A forked child may go on using caches: their memory is its own
 * copy.  Not for signal handlers. */
#ifndef included_vppinfra_kmem_h
#define included_vppinfra_kmem_h

#include <stdio.h>
#include <vppinfra/atomics.h>
#include <vppinfra/thread.h>

struct vmem;

/** Bytes of a cache's name, the NUL included. */
#define CLIB_KMEM_NAME_BYTES 64
/** Frames of a call site. */
#define CLIB_KMEM_N_FRAMES 12

/* Flags of one allocation. */
#define CLIB_KMEM_NOSLEEP 0x0001 /* NULL at once, in caches that may sleep */
#define CLIB_KMEM_PANIC 0x0002   /* stop the process instead of returning NULL */
#define CLIB_KMEM_ZERO 0x8000    /* zero the object; not for caches with a constructor */

/* Flags of a cache. */
#define CLIB_KMEM_CHECKED 0x0001      /* every free is checked on the spot; + 5 to 15 ns */
#define CLIB_KMEM_REDZONE 0x0002      /* patterns around objects, checked at free */
#define CLIB_KMEM_POISON 0x0004       /* patterns in free objects, checked at allocation */
#define CLIB_KMEM_AUDIT 0x0008        /* who allocated and who freed each object */
#define CLIB_KMEM_DEBUG 0x000e        /* all three; any of them does without magazines */
#define CLIB_KMEM_NO_TOUCH 0x0010     /* objects are not memory, or not ours to write */
#define CLIB_KMEM_NO_MAGAZINES 0x0020 /* every call takes the lock of the slabs */
#define CLIB_KMEM_NO_DEBUG 0x0040     /* KMEM_DEBUG and clib_kmem_debug() pass it by */
#define CLIB_KMEM_SLEEPS 0x0080       /* without _NOSLEEP, allocation waits for memory */
#define CLIB_KMEM_LINE_ALIGN 0x0100   /* objects begin on cache lines */

typedef struct clib_kmem_cache clib_kmem_cache_t;

/* The calling thread's part of a cache, in a line of its own in the thread's per-CPU unit.  The
 * owner alone writes it, but for floor and ceiling, and except while it is claimed: then another
 * thread, which holds the depot's lock, empties the magazines (kmem/claim.c). */
typedef struct {
	CLIB_CACHE_LINE_ALIGN_MARK(cacheline0);
	/** Low 16 bits: rounds in the loaded magazine.  Above: allocations so far. */
	CLIB_ATOMIC(u64) state;
	/** The loaded magazine's. */
	void **rounds;
	/** Owner is inside; see claim.c. */
	CLIB_ATOMIC(u32) busy;
	/** An allocation needs more rounds than floor, a free fewer than ceiling.  0 and the loaded
	 *  magazine's capacity; ~0 and 0 while claimed. */
	CLIB_ATOMIC(u32) floor, ceiling;
	/** Rounds in the previous magazine. */
	CLIB_ATOMIC(u32) n_previous;
	/** Under the depot's lock. */
	struct kmem_magazine *loaded, *previous;
	/** Rounds that the loaded magazine can hold; under the depot's lock. */
	u32 capacity;
} clib_kmem_cpu_t;

STATIC_ASSERT_SIZEOF(clib_kmem_cpu_t, CLIB_CACHE_LINE_BYTES);

/** What the inline path reads of a cache: set at creation (the offset changes when debugging is
 *  switched).  The rest is kmem_impl.h's. */
struct clib_kmem_cache {
	/** Of clib_kmem_cpu_t in each per-CPU unit; that of one which is always empty, for caches
	 *  without magazines. */
	CLIB_ATOMIC(uword) cpu_offset;
	uword object_bytes;
};

/** Constructor: 0, or nonzero when it cannot, and the allocation fails.  flags are those of the
 *  allocation. */
typedef int(clib_kmem_ctor_t)(void *object, void *arg, int flags);
typedef void(clib_kmem_dtor_t)(void *object, void *arg);
/** Memory is short: give objects of this cache back if you can do without.  The list of caches is
 *  locked: it may free, and create or destroy no cache. */
typedef void(clib_kmem_reclaim_t)(void *arg);
/** Linux' constructor. */
typedef void(clib_kmem_init_t)(void *object);

typedef struct {
	/** Shown in `show kmem`; copied, 1 to 63 bytes; need not be unique. */
	const char *name;
	/** At least 1. */
	uword object_bytes;
	/** Power of two up to 64 KiB; 0: 8, or less for smaller objects. */
	uword align;
	/** CLIB_KMEM_* */
	u32 flags;
	/** Power of two, a multiple of the arena's quantum, with room for an object; 0: chosen so
	 *  that at most an eighth is wasted. */
	uword slab_bytes;
	/** Arena of memory (or of anything, with NO_TOUCH) that slabs come from; it must outlive
	 *  the cache.  NULL: "kmem", pages of the mmap heap by 2 MiB. */
	struct vmem *source;
	/** Rounds of a magazine at first, and up to which contention may take it; 0: by the size
	 *  of the object.  Rounded to the sizes there are: 14, 30, 62, 126, 254, 510. */
	u32 magazine_rounds, magazine_rounds_max;
	/** Full magazines that the depot keeps at most; 0: 32, or a quarter of all objects. */
	u32 depot_magazines;
	/** Either ctor (and dtor), or init; or none. */
	clib_kmem_ctor_t *ctor;
	clib_kmem_dtor_t *dtor;
	clib_kmem_init_t *init;
	clib_kmem_reclaim_t *reclaim;
	/** Passed to ctor, dtor and reclaim. */
	void *arg;
} clib_kmem_params_t;

/**
 * Create a cache.
 *
 * @param[out] cache  untouched on error
 * @return 0; -EINVAL no name or too long, no size, an alignment or slab that is none, ctor with
 *         init, a constructor or debugging with NO_TOUCH; -ENOMEM.
 *
 * Threads: any.  Owner: the caller, until clib_kmem_cache_destroy().  Cost: some system calls the
 * first time, then about a microsecond.
 */
CLIB_EXPORT int clib_kmem_cache_make(const clib_kmem_params_t *params, clib_kmem_cache_t **cache);

/** kmem_cache_create() of Linux: SLAB_* flags; NULL on error, or, with SLAB_PANIC, no return. */
CLIB_EXPORT clib_kmem_cache_t *clib_kmem_cache_create_linux(const char *name, size_t size,
							    size_t align, unsigned long flags,
							    clib_kmem_init_t *ctor);

/** kmem_cache_create() of illumos: KMC_* flags; allocation sleeps unless KM_NOSLEEP. */
CLIB_EXPORT clib_kmem_cache_t *
clib_kmem_cache_create_illumos(const char *name, size_t size, size_t align, clib_kmem_ctor_t *ctor,
			       clib_kmem_dtor_t *dtor, clib_kmem_reclaim_t *reclaim, void *arg,
			       struct vmem *source, int cflags);

/** umem_cache_create(): UMC_* flags; allocation returns NULL unless UMEM_NOFAIL. */
CLIB_EXPORT clib_kmem_cache_t *clib_umem_cache_create(const char *name, size_t size, size_t align,
						      clib_kmem_ctor_t *ctor,
						      clib_kmem_dtor_t *dtor,
						      clib_kmem_reclaim_t *reclaim, void *arg,
						      struct vmem *source, int cflags);

/**
 * Destroy a cache: all objects in magazines are destructed, all slabs go back.
 * @return 0; -EBUSY while objects are live: they are reported through the error hook (the first
 *         sixteen, and how many), and the cache stays as good as it was.  NULL is 0.
 * Threads: nobody may be inside a call on this cache.
 */
CLIB_EXPORT int clib_kmem_cache_destroy(clib_kmem_cache_t *cache);

/* The rest of clib_kmem_cache_alloc() and _free(). */
CLIB_EXPORT void *clib_kmem_cache_alloc_slow(clib_kmem_cache_t *cache, int flags);
CLIB_EXPORT void clib_kmem_cache_free_slow(clib_kmem_cache_t *cache, void *object);

/* Owner's side of claim.c: whoever sets floor and ceiling and finds busy clear after a
 * membarrier() has the magazines to itself. */
always_inline void
_clib_kmem_enter(clib_kmem_cpu_t *c)
{
	atomic_store_explicit(&c->busy, 1u, memory_order_relaxed);
	CLIB_COMPILER_BARRIER();
}

always_inline void
_clib_kmem_leave(clib_kmem_cpu_t *c)
{
	/* Release: our rounds are seen by a claimer that acquires busy == 0. */
	atomic_store_explicit(&c->busy, 0u, memory_order_release);
}

always_inline clib_kmem_cpu_t *
_clib_kmem_cpu(u8 *base, uword offset)
{
	return (clib_kmem_cpu_t *)(base + offset);
}

/* Take the last round.  Value: whether there was one.  Inlined everywhere. */
always_inline bool
_clib_kmem_pop(clib_kmem_cpu_t *c, void **object)
{
	bool is_there;
	u64 state, n;

	_clib_kmem_enter(c);
	state = atomic_load_explicit(&c->state, memory_order_relaxed);
	n = state & 0xffff;
	/* Acquire: the magazine as a claimer left it, pairs with its release. */
	is_there = n > atomic_load_explicit(&c->floor, memory_order_acquire);
	if (PREDICT_TRUE(is_there)) {
		*object = c->rounds[n - 1];
		/* One round less, one allocation more. */
		atomic_store_explicit(&c->state, state + 0xffff, memory_order_relaxed);
	}
	_clib_kmem_leave(c);
	return is_there;
}

/* Add a round.  Value: whether there was room. */
always_inline bool
_clib_kmem_push(clib_kmem_cpu_t *c, void *object)
{
	bool is_room;
	u64 state, n;

	_clib_kmem_enter(c);
	state = atomic_load_explicit(&c->state, memory_order_relaxed);
	n = state & 0xffff;
	/* Acquire: as in _clib_kmem_pop(). */
	is_room = n < atomic_load_explicit(&c->ceiling, memory_order_acquire);
	if (PREDICT_TRUE(is_room)) {
		c->rounds[n] = object;
		atomic_store_explicit(&c->state, state + 1, memory_order_relaxed);
	}
	_clib_kmem_leave(c);
	return is_room;
}

/**
 * Take an object: constructed, or with undefined contents.
 *
 * @param flags  0, or CLIB_KMEM_*, KM_*, UMEM_*; Linux' gfp flags that say how to wait are
 *               accepted, and the call does not wait (but in caches made by illumos' call)
 * @return NULL when the arena has nothing left, also after what other threads and caches of the
 *         arena keep was taken back; counted
 *
 * Threads: any.  Cost: some fifteen instructions; every 14 to 510 calls a lock.
 * Owner: the caller, until clib_kmem_cache_free() in whichever thread.
 */
always_inline void *
clib_kmem_cache_alloc(clib_kmem_cache_t *cache, int flags)
{
	u8 *base = clib_thread_percpu_base;
	void *object;

	if (PREDICT_FALSE(base == 0) ||
	    PREDICT_FALSE(!_clib_kmem_pop(
		    _clib_kmem_cpu(base,
				   atomic_load_explicit(&cache->cpu_offset, memory_order_relaxed)),
		    &object)))
		return clib_kmem_cache_alloc_slow(cache, flags);
	if (flags & CLIB_KMEM_ZERO)
		memset(object, 0, cache->object_bytes);
	return object;
}

/** Give an object back.  NULL is ignored; misuse is counted, reported and ignored (when: see
 *  above). */
always_inline void
clib_kmem_cache_free(clib_kmem_cache_t *cache, void *object)
{
	u8 *base = clib_thread_percpu_base;

	if (PREDICT_FALSE(object == 0))
		return;
	if (PREDICT_FALSE(base == 0) ||
	    PREDICT_FALSE(!_clib_kmem_push(
		    _clib_kmem_cpu(base,
				   atomic_load_explicit(&cache->cpu_offset, memory_order_relaxed)),
		    object)))
		clib_kmem_cache_free_slow(cache, object);
}

/**
 * Take an object, and wait for it at most so long; of any cache, whatever its kind.
 *
 * Sleepers of a cache are served in the order in which they came: an object that is freed, and
 * whatever a new slab brings, is theirs before anybody else can take it.  Memory that comes free in
 * the arena by other ways is found within 5 ms.
 *
 * @param timeout_ns  nanoseconds; 0: for ever
 * @param[out] object  untouched on error
 * @return 0; -ETIMEDOUT; -ENOMEM with CLIB_KMEM_NOSLEEP, or the constructor refused; -EDEADLK:
 *         nobody could ever wake the caller, since it is the only thread, or since nothing of the
 *         cache is out and its arena can never give a slab, or since memory is being taken back
 *         from a reclaim callback.
 */
CLIB_EXPORT int clib_kmem_cache_alloc_timed(clib_kmem_cache_t *cache, int flags, u64 timeout_ns,
					    void **object);

/** kmem_cache_zalloc(). */
always_inline void *
clib_kmem_cache_zalloc(clib_kmem_cache_t *cache, int flags)
{
	return clib_kmem_cache_alloc(cache, flags | CLIB_KMEM_ZERO);
}

/** Free, checked on the spot whatever the cache's flags: 0; -EINVAL a stranger, a pointer into an
 *  object, another cache's; -EALREADY it is in its slab already (with CHECKED, or debugging: or
 *  in any magazine).  Refusals are counted, not reported.  Cost: the lock of the slabs. */
CLIB_EXPORT int clib_kmem_cache_free_checked(clib_kmem_cache_t *cache, void *object);

/** n objects, or none.  @return n, or 0 with nothing taken.  Cost: a copy out of magazines. */
CLIB_EXPORT int clib_kmem_cache_alloc_bulk(clib_kmem_cache_t *cache, int flags, size_t n,
					   void **objects);
/** None of them NULL. */
CLIB_EXPORT void clib_kmem_cache_free_bulk(clib_kmem_cache_t *cache, size_t n, void **objects);

/** Give everything back that is not live, magazines of other threads included (of those that
 *  stand still, where the system has no membarrier()).  @return bytes given to the arena. */
CLIB_EXPORT uword clib_kmem_cache_shrink(clib_kmem_cache_t *cache);

/** Give back what was not needed since the last call: as many magazines and slabs as lay unused
 *  all the time.  To be called now and then.  @return bytes given to the arena. */
CLIB_EXPORT uword clib_kmem_cache_reap(clib_kmem_cache_t *cache);
/** The same for all caches: a timer's work. */
CLIB_EXPORT uword clib_kmem_reap(void);

/** The name it was made with. */
CLIB_EXPORT const char *clib_kmem_cache_name(const clib_kmem_cache_t *cache);
/** Bytes of an object, as asked for. */
CLIB_EXPORT unsigned int clib_kmem_cache_size(const clib_kmem_cache_t *cache);

/** Calls fn for each cache in order of creation until it returns nonzero.  The list is locked: fn
 *  may use caches, not create or destroy any. */
CLIB_EXPORT void clib_kmem_foreach_cache(int (*fn)(clib_kmem_cache_t *cache, void *arg), void *arg);
/** The oldest of that name, or NULL. */
CLIB_EXPORT clib_kmem_cache_t *clib_kmem_cache_by_name(const char *name);

/* ---- figures ---- */

typedef struct {
	char name[CLIB_KMEM_NAME_BYTES];
	const char *source; /* name of the arena */
	u32 flags;
	u8 is_off_slab;
	uword object_bytes, chunk_bytes; /* asked for; with alignment and red zones */
	uword align, slab_bytes, n_objects_per_slab;
	uword waste_bytes;                     /* of a slab: neither objects nor bookkeeping */
	uword colour_bytes, n_colours, colour; /* step, how many, the next slab's */
	u64 n_live;                            /* with callers */
	u64 n_cached;                          /* in magazines */
	u64 n_slabs, n_full, n_partial, n_empty;
	u64 memory_bytes, metadata_bytes; /* slabs; descriptors and magazines beside them */
	u64 n_allocs, n_frees, n_fails;
	u64 n_slabs_created, n_slabs_destroyed;
	u32 magazine_rounds;              /* of magazines made now */
	u64 n_depot_full, n_depot_empty;  /* magazines */
	u64 n_depot_gets, n_depot_misses; /* full ones asked for, and not there */
	u64 n_contended;                  /* times the depot's lock was not to be had at once */
	u64 n_magazine_resizes, n_claims;
	u64 n_bad_frees, n_errors; /* strangers and doubles; all other faults */
	u64 n_sleepers;            /* now */
	u64 n_sleeps, n_timeouts;  /* allocations that slept; in vain */
	u64 sleep_ns_max;          /* the longest; a timed one counts from its call */
} clib_kmem_stats_t;

/** Figures without a lock: each true, approximate together while others work. */
CLIB_EXPORT void clib_kmem_cache_get_stats(clib_kmem_cache_t *cache, clib_kmem_stats_t *stats);

/** Walk all of a cache and compare lists, bits, counts, the table of slabs and every magazine,
 *  with other threads held off.  @return 0, or -EUCLEAN with the first fault in what (may be
 *  NULL), or -EAGAIN: a thread stayed inside for long.  Cost: linear. */
CLIB_EXPORT int clib_kmem_cache_check(clib_kmem_cache_t *cache, char *what, size_t n_what);

typedef struct {
	const void *object; /* the one that the address lies in, or in the rest behind */
	u8 is_live;
} clib_kmem_where_t;

/** The object of a cache of memory that an address belongs to; the cache's magazines are emptied
 *  first, so that a free one is told from a live one.  @return 0; -ENOENT: no slab of it has the
 *  address, or it lies before or behind a slab's objects */
CLIB_EXPORT int clib_kmem_cache_whereis(clib_kmem_cache_t *cache, const void *address,
					clib_kmem_where_t *where);

/** Calls fn for each live object until it returns nonzero, once all magazines were emptied into
 *  the slabs.  The slabs stay locked: fn may not use the cache.  @return how many were shown */
CLIB_EXPORT u64 clib_kmem_cache_foreach_live(clib_kmem_cache_t *cache,
					     int (*fn)(const void *object, void *arg), void *arg);

/* ---- debugging ---- */

/** Where something happened. */
typedef struct {
	u64 ns; /* CLOCK_MONOTONIC; 0: nothing is known */
	u32 thread;
	u32 n_frames;
	const void *frames[CLIB_KMEM_N_FRAMES]; /* innermost, the caller of kmem, first */
} clib_kmem_site_t;

typedef enum {
	CLIB_KMEM_ERROR_STRANGER,     /* freed, and no cache has it */
	CLIB_KMEM_ERROR_INTERIOR,     /* freed, and points into an object, or between two */
	CLIB_KMEM_ERROR_WRONG_CACHE,  /* freed, and belongs to `owner` */
	CLIB_KMEM_ERROR_DOUBLE_FREE,  /* freed, and is free */
	CLIB_KMEM_ERROR_LEFT_OVERRUN, /* written below: `offset` is negative */
	CLIB_KMEM_ERROR_RIGHT_OVERRUN,
	CLIB_KMEM_ERROR_USE_AFTER_FREE, /* written while free */
	CLIB_KMEM_ERROR_LIVE,           /* at destruction; object NULL: `count` of them in all */
	CLIB_KMEM_ERROR_NO_SLEEP,       /* an allocation would have slept for ever */
	CLIB_KMEM_ERROR_ARGUMENT,       /* a cache that cannot be */
	CLIB_KMEM_N_ERRORS,
} clib_kmem_error_kind_t;

typedef struct {
	clib_kmem_error_kind_t kind;
	const char *cache, *owner; /* names; owner: the cache it belongs to, or NULL */
	const void *object;
	word offset; /* of the first wrong byte from the object, and what it is */
	u8 found;
	u64 count;
	const void *caller;                     /* of the call that found it */
	clib_kmem_site_t alloc_site, free_site; /* with AUDIT */
} clib_kmem_error_t;

/** The hook that all faults go to, with no lock held; NULL: a paragraph on stderr. */
typedef void(clib_kmem_error_function_t)(const clib_kmem_error_t *error);
CLIB_EXPORT void clib_kmem_set_error_handler(clib_kmem_error_function_t *fn);
/** A few words for a kind: "double free". */
CLIB_EXPORT const char *clib_kmem_error_name(clib_kmem_error_kind_t kind);
/** All of an error, in lines, as the default hook prints it. */
CLIB_EXPORT void clib_kmem_print_error(FILE *f, const clib_kmem_error_t *error);

/** Who allocated (and freed before) an object of a cache with AUDIT.
 *  @return 0; -ENOENT no audit, or no such object.  Threads: any, a lock. */
CLIB_EXPORT int clib_kmem_cache_audit(clib_kmem_cache_t *cache, const void *object,
				      clib_kmem_site_t *alloc_site, clib_kmem_site_t *free_site);

/**
 * Debug caches by name: those to be created from now on, and those that exist and are empty.
 *
 * @param pattern  of fnmatch()
 * @param flags    CLIB_KMEM_REDZONE, _POISON, _AUDIT; 0 turns debugging off
 * @param[out] n_changed, n_busy  caches that changed, and that match but have live objects; may
 *                 be NULL
 * @return 0; -EINVAL; -ENOMEM there are 32 patterns
 */
CLIB_EXPORT int clib_kmem_debug(const char *pattern, u32 flags, u32 *n_changed, u32 *n_busy);
/** Patterns in the form of KMEM_DEBUG.  @return 0, or -EINVAL with those before it in force. */
CLIB_EXPORT int clib_kmem_debug_parse(const char *text);

/** Make the n-th taking of memory from now fail, in all caches: slabs, descriptors, magazines (1
 *  the next; 0 none). */
CLIB_EXPORT void clib_kmem_fail_after(u64 n);

/* ---- names of the kernels ---- */

/** The names that kernels have, and libumem's. */
#define kmem_cache clib_kmem_cache
#define kmem_cache_t clib_kmem_cache_t
#define umem_cache_t clib_kmem_cache_t

#define _CLIB_KMEM_CREATE_5 clib_kmem_cache_create_linux
#define _CLIB_KMEM_CREATE_9 clib_kmem_cache_create_illumos
#define _CLIB_KMEM_CREATE(_1, _2, _3, _4, _5, _6, _7, _8, _9, n, ...) _CLIB_KMEM_CREATE_##n
/** Five arguments are Linux': name, size, align, flags, ctor.  Nine are illumos': name, bufsize,
 *  align, ctor, dtor, reclaim, private, vmp, cflags. */
#define kmem_cache_create(...)                                                                     \
	_CLIB_KMEM_CREATE(__VA_ARGS__, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0)(__VA_ARGS__)
#define umem_cache_create clib_umem_cache_create

/** Linux: a cache of a struct by its name. */
#define KMEM_CACHE(type, flags)                                                                    \
	clib_kmem_cache_create_linux(#type, sizeof(struct type), __alignof__(struct type),         \
				     (flags), NULL)

/** The same for calls. */
#define kmem_cache_alloc clib_kmem_cache_alloc
#define kmem_cache_zalloc clib_kmem_cache_zalloc
#define kmem_cache_free clib_kmem_cache_free
#define kmem_cache_alloc_bulk clib_kmem_cache_alloc_bulk
#define kmem_cache_free_bulk clib_kmem_cache_free_bulk
#define kmem_cache_destroy clib_kmem_cache_destroy
#define kmem_cache_shrink clib_kmem_cache_shrink
#define kmem_cache_reap clib_kmem_cache_reap
#define kmem_cache_reap_now clib_kmem_cache_shrink
#define kmem_cache_size clib_kmem_cache_size
#define kmem_cache_name clib_kmem_cache_name
#define kmem_reap clib_kmem_reap
#define umem_cache_alloc clib_kmem_cache_alloc
#define umem_cache_free clib_kmem_cache_free
#define umem_cache_destroy clib_kmem_cache_destroy
#define umem_reap clib_kmem_reap

/* Linux' flags, with the kernel's values.  Those that only account or place are accepted. */
#ifndef SLAB_HWCACHE_ALIGN
#	define SLAB_CONSISTENCY_CHECKS 0x00000100UL /* CHECKED */
#	define SLAB_RED_ZONE 0x00000400UL
#	define SLAB_POISON 0x00000800UL
#	define SLAB_HWCACHE_ALIGN 0x00002000UL
#	define SLAB_STORE_USER 0x00010000UL /* AUDIT */
#	define SLAB_RECLAIM_ACCOUNT 0x00020000UL
#	define SLAB_PANIC 0x00040000UL /* stop when the cache cannot be created */
#	define SLAB_MEM_SPREAD 0x00100000UL
#	define SLAB_ACCOUNT 0x04000000UL
#endif

/* illumos' flags, with its values. */
#ifndef KM_SLEEP
#	define KM_SLEEP 0x0000
#	define KM_NOSLEEP 0x0001
#	define KM_PANIC 0x0002
#	define KM_PUSHPAGE 0x0004 /* as KM_SLEEP: nothing is kept for it */
#endif
#define KMC_NOTOUCH 0x00010000
#define KMC_NODEBUG 0x00020000
#define KMC_NOMAGAZINE 0x00040000
#define KMC_NOHASH                                                                                 \
	0x00080000            /* accepted: where a slab's bookkeeping lies follows from its size   \
			       */
#define KMC_QCACHE 0x00100000 /* as NOTOUCH and NODEBUG, every free checked */

/** libumem's flags. */
#define UMEM_DEFAULT 0x0000
#define UMEM_NOFAIL 0x0100 /* calls the callback; retries, or ends the process, as it says */
#define UMC_NOTOUCH KMC_NOTOUCH
#define UMC_NODEBUG KMC_NODEBUG
#define UMC_NOMAGAZINE KMC_NOMAGAZINE
#define UMC_NOHASH KMC_NOHASH
#define UMC_QCACHE KMC_QCACHE

/** What a UMEM_NOFAIL allocation does when there is no memory: UMEM_CALLBACK_RETRY, or
 *  UMEM_CALLBACK_EXIT(status).  Without a callback it is the exit with status 255. */
typedef int(umem_nofail_callback_t)(void);
#define UMEM_CALLBACK_RETRY 0
#define UMEM_CALLBACK_EXIT(status) (0x100 | ((status)&0xff))
CLIB_EXPORT void clib_umem_nofail_callback(umem_nofail_callback_t *callback);
#define umem_nofail_callback clib_umem_nofail_callback

#endif
