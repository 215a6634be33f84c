/* SPDX-License-Identifier: Apache-2.0 */
/* vmem_core: what every face of vmem shares, and the neutral calls beneath them.
 *
 * A face is a set of names that some system publishes: illumos' in <vppinfra/vmem.h>, FreeBSD's in
 * bsd/<sys/vmem.h>, NetBSD's in netbsd/<sys/vmem.h>.  They differ in how a result comes back, in
 * whether a bound is part of its range, and in the values of flags; they share arenas, so one
 * that was made through one face may be used, imported from and destroyed through another.  A
 * file sees one face; this header goes with each.
 *
 * The neutral calls take a vmem_request_t and answer with 0 or a negative errno and the address
 * apart, so 0 is an address like any other; bounds are inclusive, so the last address is, too.
 *
 * Threads: any; a mutex per arena, dropped around imports and callbacks. */
#ifndef included_vppinfra_vmem_core_h
#define included_vppinfra_vmem_core_h

#include <sys/types.h>
#include <vppinfra/clib.h>

/** Sizes inside an arena, as illumos has them. */
#define VMEM_NAMELEN 30
#define VMEM_HASH_INITIAL 16
#define VMEM_HASH_PARTS 26 /* 16 buckets, and 25 doublings reach 2^29 */
#define VMEM_NQCACHE_MAX 16
#define VMEM_FREELISTS 64
#define VMEM_INITIAL 6
#define VMEM_SEG_INITIAL 100

/** A mutex and a condition, a word each: see vmem/vmem_lock.h. */
typedef struct {
	u32 word;
} vmem_lock_t;
typedef struct {
	u32 sequence;
} vmem_condition_t;

typedef struct vmem vmem_t;
typedef struct vmem_seg vmem_seg_t;

/** Importer: source, size, VM_KMFLAGS.  Called with no arena locked.  NULL is failure. */
typedef void *(vmem_alloc_t)(vmem_t *, size_t, int);
/** Takes back a whole import. */
typedef void(vmem_free_t)(vmem_t *, void *, size_t);
/** A tag, by number: 32 bits instead of a pointer halve the cost of a segment. */
typedef u32 vmem_tag_index_t;

/** Head and tail of the free segments of one power of two; 0 is nobody. */
typedef struct {
	vmem_tag_index_t vs_knext, vs_kprev;
} vmem_freelist_t;

/** Counters of one arena, written under its lock and read without.  The first fourteen are
 *  illumos'. */
typedef struct vmem_kstat {
	u64 vk_mem_inuse;       /* sum of the sizes asked for and not freed */
	u64 vk_mem_import;      /* of vk_mem_total, what came from the source */
	u64 vk_mem_total;       /* sum of the spans */
	u32 vk_source_id;       /* vm_id of the source, 0 for none */
	u64 vk_alloc, vk_free;  /* successful ones */
	u64 vk_wait;            /* times a request went to sleep */
	u64 vk_fail;            /* requests refused, for whatever reason */
	u64 vk_lookup;          /* hash look-ups, */
	u64 vk_search;          /* and entries passed over in them */
	u64 vk_populate_wait;   /* times another thread was fetching tags already */
	u64 vk_populate_fail;   /* times no tags were to be had */
	u64 vk_contains;        /* vmem_contains() calls, */
	u64 vk_contains_search; /* and spans looked at in them */
	/* Ours. */
	u64 vk_bad_free;     /* frees refused: stranger, double, wrong size, wrong pair */
	u64 vk_hash_resizes; /* parts of the hash that came or went */
	u64 vk_hash_moved;   /* entries that were moved to another bucket or looked at for it */
	u64 vk_import, vk_export; /* spans that came and went */
	u64 vk_fit_tried;    /* segments that were large enough and had no place for a request */
	u64 vk_range_steps;  /* entries and nodes looked at by best fit in a range */
	u64 vk_index_builds; /* times an index of free segments was built, */
	u64 vk_index_lost;   /* and given up for want of memory; */
	u64 vk_index_slices; /* times the arena was left to others while a request built one */
	u64 vk_served;       /* sleepers that a free gave their segment to */
	u64 vk_timeout;      /* sleepers whose time ran out */
	u64 vk_reclaim;      /* times caches were reaped and the reclaim callback called */
	u64 vk_limit;        /* imports not asked for because of the limit */
	u64 vk_resize;       /* segments resized in place */
	u64 vk_induced;      /* of vk_fail, those that were induced */
	u64 vk_wait_ns_max;  /* longest that a sleeper waited */
} vmem_kstat_t;

/** Segments whose rounded size is in [2^n, 2^(n + 1)). */
typedef struct {
	u64 n_alloc, alloc_bytes, n_free, free_bytes;
} vmem_order_t;

/** Told when an arena is about to fail or to sleep, with the flags a source would see. */
typedef void(vmem_reclaim_function_t)(vmem_t *vmp, int flags, void *arg);

/** Seed 000's structure: the fields keep their names; links are tag numbers.  All of it is under
 *  vm_lock but for what vmem_create() sets, which is constant after.  What an allocation and a free
 *  look at lies together, in the order in which they do. */
struct vmem {
	/* Read by everybody, also where a quantum cache does without the lock; seldom written. */
	/** Every vm_mtbf-th NOSLEEP request fails, counted, so reproducible; 0: see vmem_mtbf. */
	u32 vm_mtbf;
	/** Quantum caches made: vm_qcache[0] to [vm_n_qcaches - 1]. */
	u32 vm_n_qcaches;
	int vm_qshift;
	/** Node that its tags lie on, where the system has more than one; -1 for any. */
	int vm_node;
	size_t vm_quantum;
	/** Fails the request that brings it from 1 to 0; 0: see vmem_fail_at(). */
	u64 vm_fail_at;
	/** Sleepers, the one that came first in front. */
	struct vmem_waiter *vm_waiters;
	vmem_free_t *vm_source_free;
	/** Indexes of free segments (vmem/index.h), and the memory of such as were given up; NULL
	 *  for none. */
	struct vmem_index *vm_index;
	struct vmem_index_stock *vm_index_dead;

	/* A line, written by each allocation and free. */
	vmem_lock_t vm_lock;
	/** Tags in stock: free never needs one, an allocation at most five. */
	vmem_tag_index_t vm_segfree;
	ssize_t vm_nsegfree;
	/** Bit n is set if and only if vm_freelist[n] has a segment: sizes [2^n, 2^(n + 1)). */
	u64 vm_freemap;
	/** Allocated segments. */
	u64 vm_n_segs;
	/** Hash of allocated segments by address: vm_hash_n_buckets buckets, which is vm_hash_mask
	 * + 1 + vm_hash_split, in parts of which each is as large as all before it; the first is
	 * vm_hash0, one of 2048 or more is a directory of blocks, or of directories.  At most one
	 * entry more than buckets, but while memory for the next block is short. */
	size_t vm_hash_mask;
	size_t vm_hash_n_buckets;
	vmem_seg_t *vm_rotor_seg;
	/** Reentrant walks under way. */
	struct vmem_walker *vm_walkers;

	vmem_kstat_t vm_kstat;
	/** Buckets below this have been split in two already. */
	size_t vm_hash_split;
	size_t vm_hash_shift;
	vmem_tag_index_t vm_hash0[VMEM_HASH_INITIAL];
	vmem_tag_index_t *vm_hash_table[VMEM_HASH_PARTS];
	vmem_freelist_t vm_freelist[VMEM_FREELISTS + 1];
	/** Allocated and free segments by power of two. */
	vmem_order_t vm_order[VMEM_FREELISTS] __attribute__((aligned(32)));
	/** Free segments. */
	u64 vm_n_free;
	char vm_name[VMEM_NAMELEN];
	vmem_condition_t vm_cv;
	/** Counts from 1 in order of creation. */
	u32 vm_id;
	int vm_cflags;
	size_t vm_qcache_max;
	/** Least size of an import; the creator may set it before the first allocation. */
	size_t vm_min_import;
	vmem_alloc_t *vm_source_alloc;
	vmem_t *vm_source;
	vmem_t *vm_next;
	/** Not before this many operations is another table asked for, after a failure. */
	u64 vm_hash_retry;
	/** Of all parts but the first, directories included. */
	size_t vm_hash_bytes;
	/** The anchor of the ring of tags. */
	vmem_tag_index_t vm_seg0;
	/** Its start is the address where next fit goes on. */
	vmem_tag_index_t vm_rotor;
	/** How the source is called: VMEM_FACE_*, see vmem/vmem_impl.h. */
	u32 vm_source_face;
	void *vm_qcache[VMEM_NQCACHE_MAX];
	struct vmem_waiter *vm_waiters_tail;
	u32 vm_n_waiters;
	u64 vm_mtbf_count;
	/** What the spans may come to by imports, 0 for no limit. */
	size_t vm_limit;
	/** Imports are multiples of this, where it is not 0. */
	size_t vm_import_quantum;
	/** First argument of a BSD source's callbacks. */
	void *vm_source_arg;
	vmem_reclaim_function_t *vm_reclaim;
	void *vm_reclaim_arg;
	/** Imports are sixteen times what is needed, if the source has that. */
	u8 vm_is_large_import;
	/** Storage is the creator's: vmem_destroy() leaves it alone. */
	u8 vm_is_in_place;
	/** For whoever created the arena; vmem does not look at it. */
	void *vm_owner;
} __attribute__((aligned(CLIB_CACHE_LINE_BYTES)));

/* ---- neutral calls ---- */

typedef enum {
	VMEM_POLICY_INSTANT = 0, /* the smallest power-of-two list certain to fit */
	VMEM_POLICY_BEST,        /* the smallest segment that fits, ties to the lowest address */
	VMEM_POLICY_FIRST,       /* the lowest */
	VMEM_POLICY_NEXT,        /* the first at or after the rotor, wrapping */
} vmem_policy_t;

/* vmem_request_t.flags */
#define VMEM_REQUEST_NOSLEEP (1 << 0)
#define VMEM_REQUEST_PANIC (1 << 1)    /* the face stops the process on failure: mtbf spares it */
#define VMEM_REQUEST_PUSHPAGE (1 << 2) /* passed on to the source */
#define VMEM_REQUEST_NO_RETRY (1 << 3) /* fail at once, even where sleeping is allowed */
#define VMEM_REQUEST_HIGH_END (1 << 4) /* take the far end of the segment chosen */
#define VMEM_REQUEST_X (1 << 5)        /* past the quantum caches, to be freed as such */

typedef struct {
	uword size;
	uword align;    /* power of two, 0 = quantum */
	uword phase;    /* below align */
	uword nocross;  /* power of two, 0 = none */
	uword min, max; /* first and last address allowed, both inclusive */
	vmem_policy_t policy;
	u32 flags;
	u64 timeout_ns; /* longest sleep, 0 = none */
} vmem_request_t;

/**
 * Allocate.
 *
 * @return 0; -EINVAL the request is contradictory; -ENOMEM no room, or no memory for tags;
 *         -ETIMEDOUT it slept for so long; -EDEADLK it would have to sleep and nobody could ever
 *         wake it: no span, limit or source could hold it, nothing is allocated that could be
 *         freed, or there is no other thread; -EIO the source gave something unusable, which was
 *         reported and handed back.  On error the arena holds what it held.
 *
 * Threads: any.  Sleepers are served first come, first served: a free gives its segment to the
 * first whom it satisfies.  Cost: instant fit is constant; every other policy and every range is
 * logarithmic in the free segments, with one more descent for each of those in
 * [size, size + align) that has no place (vk_fit_tried).  The first request with a policy or a
 * range in an arena that has more than 256 free segments by then builds an index of them, once, in
 * slices of a few microseconds between which others have the arena: only that request waits, a
 * fifth of a microsecond for each of them, also with VMEM_REQUEST_NOSLEEP.  So does the first best
 * fit in a range that this does not decide soon.  vmem_prepare() and vmem_prepare_ranges() avoid
 * that.  Owner: the caller, until vmem_core_free().
 */
CLIB_EXPORT int vmem_core_alloc(vmem_t *vmp, const vmem_request_t *request, uword *addr);

/** Free.  @param flags VMEM_REQUEST_X if it was asked for with that  @param caller for the report
 *  @return 0; or the fault after it has been counted and reported: -EINVAL not an allocated
 *  segment's start, or taken by the other pair of calls; -EALREADY it is free in a quantum cache;
 *  -ERANGE wrong size. */
CLIB_EXPORT int vmem_core_free(vmem_t *vmp, uword addr, uword size, u32 flags, const void *caller);

/** Take exactly [addr, addr + size), rounded up to the quantum; freed with VMEM_REQUEST_X.
 *  @return 0; -ENOMEM not all of it is free; -EINVAL addr is not on the quantum.
 *  Cost: logarithmic in the free segments. */
CLIB_EXPORT int vmem_claim(vmem_t *vmp, uword addr, uword size);

/**
 * Change the size of an allocated segment in place; its address stays.
 *
 * @param size  what was asked for  @param new_size  at least 1
 * @return 0; -ENOMEM what follows is not free or too small; -EINVAL no such segment, or one of a
 *         quantum cache; -ERANGE wrong size, reported.  On error it is as it was.
 * Threads: any.  Cost: constant, or an index's descent.
 */
CLIB_EXPORT int vmem_resize(vmem_t *vmp, uword addr, uword size, uword new_size);

/** Take a free range out of the arena again, the whole of a span or any part of one.  Imports are
 *  not to be taken out.  @return 0; -EBUSY not all of it is free, or it was imported; -ENOENT it
 *  is in no span; -EINVAL off the quantum or empty; -ENOMEM no tags. */
CLIB_EXPORT int vmem_remove(vmem_t *vmp, uword addr, uword size);

/** Take or give back many of one size under one lock.
 *  @param flags of the request  @return how many were taken: fewer than n when room ran out.
 *  It does not sleep. */
CLIB_EXPORT u32 vmem_alloc_burst(vmem_t *vmp, uword size, vmem_policy_t policy, u32 flags,
				 uword *addrs, u32 n);
CLIB_EXPORT void vmem_free_burst(vmem_t *vmp, const uword *addrs, u32 n, uword size, u32 flags);

/** Give back what is kept for speed: slabs of the quantum caches without a live object, and
 *  indexes that no request used since the last time.  @return bytes of the arena given back */
CLIB_EXPORT uword vmem_vacate(vmem_t *vmp);

/** The k-th request from now on fails with -ENOMEM, whatever its flags; and once: reproducible
 *  where vm_mtbf fails every so many.  0 takes it back. */
CLIB_EXPORT void vmem_fail_at(vmem_t *vmp, u64 k);

/** Tags of this arena should lie on a NUMA node; -1 for any.  From now on, and as far as the
 *  system has memory there.  @return 0 or -ENODEV */
CLIB_EXPORT int vmem_set_node(vmem_t *vmp, int node);

/** A copy of the counters, of vm_n_segs, vm_n_free and vm_order, taken without the lock: each
 *  is right, of one moment or another while others work. */
typedef struct {
	vmem_kstat_t kstat;
	u64 n_segs, n_free, n_waiters;
	vmem_order_t order[VMEM_FREELISTS];
} vmem_stats_t;
CLIB_EXPORT void vmem_get_stats(vmem_t *vmp, vmem_stats_t *stats);

/** Who sleeps for room in an arena, the one that came first in front.
 *  @return how many there are; the first n are described */
typedef struct {
	uword size;      /* as asked */
	u64 since_ns;    /* how long */
	u64 deadline_ns; /* how long it will still wait, 0 for ever */
} vmem_sleeper_t;
CLIB_EXPORT u32 vmem_sleepers(vmem_t *vmp, vmem_sleeper_t *sleepers, u32 n);

/** For layers above that have sleepers of their own: whether waiting for size bytes, so aligned,
 *  could never end, since this is the only thread, or since no span is large enough and no source
 *  could give one.  size 0 asks for the thread alone.  @return 1, or 0 */
CLIB_EXPORT int vmem_wait_is_futile(vmem_t *vmp, uword size, uword align);

/**
 * Have what best, first and next fit and every range need come bit by bit: each operation from now
 * on enters 16 free segments, so that none has to enter all.  For arenas that grow large under
 * instant fit alone before they see a policy; others have it from when they were small, and where
 * a policy was among the flags that an arena was created with this was called then.
 *
 * @return 0; -ENOMEM there is no memory for it now.  vmem_vacate() and vmem_reap() drop it when it
 *         was not used between two of them.  Threads: any.
 */
CLIB_EXPORT int vmem_prepare(vmem_t *vmp);

/**
 * The same, and besides what best fit in a range needs where the two indexes by address and by size
 * do not decide it soon: many free segments in the range that are much larger than what is asked
 * for, and many sizes that are nearer to it outside.  Each operation enters fewer segments, as
 * there are more trees to enter them into.
 *
 * Cost: 23 to 40 bytes a free segment for each factor of 64 between 64 quanta and what the spans
 * cover (64 GiB in quanta of 64 bytes: four), and one or two descents more for each of these where
 * a free segment comes, goes or changes.
 * @return and the rest as vmem_prepare()
 */
CLIB_EXPORT int vmem_prepare_ranges(vmem_t *vmp);

/** The largest free segment: a request of that size succeeds.  Cost: constant with an index by
 *  address; else the segments of the highest power of two, and where they are more than 256 an
 *  index is built, as a request would. */
CLIB_EXPORT uword vmem_max_free(vmem_t *vmp);

/** Indexes of free segments in use: bit 0 by address, bit 1 by size, bit 2 for best fit in ranges;
 *  and the bytes they take. */
CLIB_EXPORT u32 vmem_index_state(vmem_t *vmp, u64 *n_bytes);

/** Memory of tags in use and in stock, in the process, and of the hash of one arena. */
CLIB_EXPORT u64 vmem_tag_bytes(void);
CLIB_EXPORT u64 vmem_hash_bytes(vmem_t *vmp);

/* ---- looking ---- */

/** Calls fn for each arena in order of creation until it returns nonzero.  The list is locked:
 *  fn may use arenas, not create or destroy them. */
CLIB_EXPORT void vmem_foreach_arena(int (*fn)(vmem_t *vmp, void *arg), void *arg);
/** The oldest arena of that name, or NULL. */
CLIB_EXPORT vmem_t *vmem_by_name(const char *name);

typedef struct {
	uword start, size;
	u8 is_free;
} vmem_where_t;

/** The segment of an arena that has an address.  @return 0 or -ENOENT.  Cost: one look for the
 *  first address of an allocated one, a walk of its span otherwise. */
CLIB_EXPORT int vmem_whereis(vmem_t *vmp, uword addr, vmem_where_t *where);

/** Walk and compare tags, lists, bitmap, hash and counters.  @return 0, or -EUCLEAN with the
 *  first fault in what (may be NULL).  Cost: linear in the segments, and others wait for the arena
 *  until it is done: what is compared has to be of one moment. */
CLIB_EXPORT int vmem_check(vmem_t *vmp, char *what, size_t n_what);

/** Free segments and their bytes per power-of-two list. */
CLIB_EXPORT void vmem_freelist_counts(vmem_t *vmp, u64 n_segs[VMEM_FREELISTS],
				      u64 n_bytes[VMEM_FREELISTS]);

/** Segments still allocated in arenas when they were destroyed, in the whole process. */
CLIB_EXPORT u64 vmem_n_leaked(void);

/** Called for misuse: what, arena (may be NULL), address, size, caller.  No lock is held but,
 *  inside vmem_foreach_arena(), the list's.  Default, and for NULL: one line to stderr. */
typedef void(vmem_error_function_t)(const char *what, vmem_t *vmp, uword addr, uword size,
				    const void *caller);
CLIB_EXPORT void vmem_set_error_handler(vmem_error_function_t *fn);

/** Every tag of an arena with its type, a line each.  The arena is not locked while a line is
 *  printed: what comes and goes meanwhile is shown or not. */
CLIB_EXPORT void vmem_dump(const vmem_t *vmp, void (*print)(const char *format, ...));

/** A size as this arena would round it: up to its quantum. */
CLIB_EXPORT size_t vmem_roundup_size(vmem_t *vmp, size_t size);

/** Whether two addresses lie on different sides of a multiple of a power of two; never for 0. */
#define VMEM_CROSS_P(addr1, addr2, boundary) ((((addr1) ^ (addr2)) & -(boundary)) != 0)

#endif
