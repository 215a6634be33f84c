/* SPDX-License-Identifier: Apache-2.0 */
/* vmem: arenas of any integer resource (Bonwick and Adams, "Magazines and Vmem", 2001), in
 * illumos' names and semantics (seed 000).
 *
 * An arena is a set of integers; spans are the contiguous ranges put in; segments are the
 * allocated or free pieces of a span; two free neighbours in a span are always merged.  Segments
 * are described by tags outside the resource, so an arena can manage what cannot be touched:
 * device memory, identifiers, physical addresses.
 *
 * This header is illumos' face on a neutral core (vmem/vmem_impl.h): addresses are pointers, NULL
 * is failure, so 0 cannot be managed through this face; maxaddr is exclusive; policies are
 * optional.  Where illumos panics for a caller's fault (bad free, wrong size, overlap) this face
 * reports through the error hook, counts it and returns; VM_PANIC still stops the process.
 *
 * Threads: any; a mutex per arena, dropped around imports and callbacks. */
#ifndef included_vppinfra_vmem_h
#define included_vppinfra_vmem_h

#if defined(included_vppinfra_bsd_vmem_h)
#	error "one file sees one vmem face: <vppinfra/vmem.h> (illumos) or bsd/<sys/vmem.h>, not both"
#endif

#include <pthread.h>
#include <sys/types.h>
#include <vppinfra/clib.h>

/* Flags of one request.  Without one of the three policies it is instant fit: the head of the
 * smallest power-of-two list whose members are all certain to fit, in constant time. */
#define VM_SLEEP 0x00000000    /* wait until there is room */
#define VM_NOSLEEP 0x00000001  /* NULL at once when there is none */
#define VM_PANIC 0x00000002    /* stop the process instead of returning NULL */
#define VM_PUSHPAGE 0x00000004 /* passed on to the source */
#define VM_KMFLAGS 0x000000ff  /* the flags a source may see */
#define VM_BESTFIT 0x00000100  /* smallest segment that fits, ties to the lowest address */
#define VM_FIRSTFIT 0x00000200 /* lowest address that fits */
#define VM_NEXTFIT                                                                                 \
	0x00000400             /* lowest that fits at or after the rotor, wrapping: for            \
				  identifiers that should not be used again soon */
#define VM_ABORT 0x00002000    /* fail at once, even where sleeping is allowed */
#define VM_ENDALLOC 0x00004000 /* take the far end of the segment chosen */
#define VM_FLAGS 0x0000ffff

/* Flags of an arena. */
#define VMC_POPULATOR 0x00010000  /* memory for tags comes through it */
#define VMC_NO_QCACHE 0x00020000  /* no quantum caches whatever qcache_max says */
#define VMC_IDENTIFIER 0x00040000 /* holds identifiers, not memory */
#define VMC_XALLOC 0x00080000     /* afunc is a vmem_ximport_t; set by vmem_xcreate() */
#define VMC_XALIGN 0x00100000     /* and gives the alignment it is asked for */

/* Types that vmem_size() and vmem_walk() take.  Rotor and walkers are not segments here: they are
 * places beside the ring of tags, and a walk never shows them. */
#define VMEM_ALLOC 0x01
#define VMEM_FREE 0x02
#define VMEM_SPAN 0x10
#define VMEM_ROTOR 0x20
#define VMEM_WALKER 0x40
#define VMEM_REENTRANT 0x80000000

#define VMEM_NAMELEN 30
#define VMEM_HASH_INITIAL 16
#define VMEM_HASH_PARTS 26 /* 16 buckets, and 25 doublings reach 2^29 */
#define VMEM_NQCACHE_MAX 16
#define VMEM_FREELISTS 64
#define VMEM_INITIAL 6
#define VMEM_SEG_INITIAL 100

typedef struct vmem vmem_t;
typedef struct vmem_seg vmem_seg_t;

/** Importer: source, size, VM_KMFLAGS.  Called with no arena locked.  NULL is failure. */
typedef void *(vmem_alloc_t)(vmem_t *, size_t, int);
/** Takes back a whole import. */
typedef void(vmem_free_t)(vmem_t *, void *, size_t);
/** Importer that may enlarge what is asked (VMC_XALLOC): source, size in and out, alignment that
 *  the result should have (VMC_XALIGN), VM_KMFLAGS. */
typedef void *(vmem_ximport_t)(vmem_t *, size_t *, size_t, int);

/** A tag, by number: 32 bits instead of a pointer halve the cost of a segment. */
typedef u32 vmem_tag_index_t;

/** Head and tail of the free segments of one power of two; 0 is nobody. */
typedef struct {
	vmem_tag_index_t vs_knext, vs_kprev;
} vmem_freelist_t;

/** Counters of one arena, under its lock.  The first fourteen are illumos'. */
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
} vmem_kstat_t;

/** Seed 000's structure: the fields keep their names; links are tag numbers.  All of it is under
 *  vm_lock but for what vmem_create() sets, which is constant after. */
struct vmem {
	char vm_name[VMEM_NAMELEN];
	pthread_cond_t vm_cv;
	pthread_mutex_t vm_lock;
	/** Counts from 1 in order of creation. */
	u32 vm_id;
	/** Every vm_mtbf-th NOSLEEP request fails, counted, so reproducible; 0: see vmem_mtbf. */
	u32 vm_mtbf;
	int vm_cflags;
	int vm_qshift;
	size_t vm_quantum;
	size_t vm_qcache_max;
	/** Least size of an import; the creator may set it before the first allocation. */
	size_t vm_min_import;
	vmem_alloc_t *vm_source_alloc;
	vmem_free_t *vm_source_free;
	vmem_t *vm_source;
	vmem_t *vm_next;
	/** Tags in stock: free never needs one, an allocation at most five. */
	ssize_t vm_nsegfree;
	vmem_tag_index_t vm_segfree;
	/** Hash of allocated segments by address: vm_hash_mask + 1 + vm_hash_split buckets, in
	 * parts of which each is as large as all before it; the first is vm_hash0.  At most one
	 * entry more than buckets, but while memory for the next part is short. */
	vmem_tag_index_t *vm_hash_table[VMEM_HASH_PARTS];
	size_t vm_hash_mask;
	size_t vm_hash_shift;
	/** Buckets below this have been split in two already. */
	size_t vm_hash_split;
	vmem_tag_index_t vm_hash0[VMEM_HASH_INITIAL];
	/** Not before this many operations is another table asked for, after a failure. */
	u64 vm_hash_retry;
	/** Bit n is set if and only if vm_freelist[n] has a segment: sizes [2^n, 2^(n + 1)). */
	u64 vm_freemap;
	/** The anchor of the ring of tags. */
	vmem_tag_index_t vm_seg0;
	/** Its start is the address where next fit goes on. */
	vmem_tag_index_t vm_rotor;
	/** Reentrant walks under way. */
	struct vmem_walker *vm_walkers;
	void *vm_qcache[VMEM_NQCACHE_MAX];
	vmem_freelist_t vm_freelist[VMEM_FREELISTS + 1];
	vmem_kstat_t vm_kstat;
	/** How the source is called: VMEM_FACE_*, see vmem/vmem_impl.h. */
	u32 vm_source_face;
	u32 vm_n_waiters;
	u64 vm_mtbf_count;
	/** Allocated segments. */
	u64 vm_n_segs;
	/** Index of free segments by address and size: filled in by vmem/index.c. */
	void *vm_index;
	/** For whoever created the arena; vmem does not look at it. */
	void *vm_owner;
} __attribute__((aligned(CLIB_CACHE_LINE_BYTES)));

/**
 * Bootstrap: tags of vmem_seg0, then parent (if named), heap, vmem_internal, vmem_seg, vmem_hash,
 * vmem_vmem; no malloc beneath.  Called by the first vmem_create() with an mmap heap when the
 * program did not.
 *
 * @param parent_name  NULL for none; else an arena that gets the span, from which heap imports
 * @param heap_start, heap_size  initial span of parent or heap; NULL and 0 for none
 * @param heap_alloc, heap_free  how vmem's own arenas take memory from the heap: memory that
 *                     can be written
 * @return the heap arena; NULL, reported, when it has run already or an argument is wrong
 *
 * Threads: any, once.  Source: seed 000.
 */
CLIB_EXPORT vmem_t *vmem_init(const char *parent_name, size_t parent_quantum,
			      vmem_alloc_t *parent_alloc, vmem_free_t *parent_free,
			      const char *heap_name, void *heap_start, size_t heap_size,
			      size_t heap_quantum, vmem_alloc_t *heap_alloc,
			      vmem_free_t *heap_free);

/** The arenas that vmem_init() made; NULL before, or once destroyed. */
CLIB_EXPORT_EXTERN vmem_t *vmem_heap, *vmem_internal_arena, *vmem_seg_arena, *vmem_hash_arena,
	*vmem_vmem_arena;

/** For arenas whose vm_mtbf is 0: every vmem_mtbf-th NOSLEEP request of each fails; 0 never. */
CLIB_EXPORT_EXTERN u32 vmem_mtbf;

/**
 * The ultimate sources: memory from sbrk (the break is never lowered), and from mmap (reserved
 * only again when freed).  Both can be had in one process; the first that is asked for becomes
 * vmem_heap, unless vmem_init() has run.
 *
 * @param[out] afunc, ffunc  how to import from the arena; may be NULL
 * @return the heap arena, NULL when address space or memory is short
 */
CLIB_EXPORT vmem_t *vmem_sbrk_arena(vmem_alloc_t **afunc, vmem_free_t **ffunc);
CLIB_EXPORT vmem_t *vmem_mmap_arena(vmem_alloc_t **afunc, vmem_free_t **ffunc);

/** Bytes that the mmap heap has committed now, by its own count. */
CLIB_EXPORT uword vmem_mmap_committed_bytes(void);

/**
 * Create an arena.
 *
 * @param name        for reports; copied, at most 29 bytes
 * @param base, size  initial span, multiples of quantum; NULL and 0 for none
 * @param quantum     power of two up to 4 GiB: every address and rounded size is its multiple
 * @param afunc, ffunc, source  where to import from and export to; NULL for none.  The source
 *                    must outlive the arena; imports are on this quantum, else refused
 * @param qcache_max  sizes up to this are fronted by object caches; 0 for none
 * @param vmflag      VM_SLEEP/NOSLEEP/PANIC and VMC_*
 * @return NULL when memory is short, or, reported, when an argument is wrong
 *
 * Threads: any.  Owner: the caller, until vmem_destroy().  Source: seed 000.
 */
CLIB_EXPORT vmem_t *vmem_create(const char *name, void *base, size_t size, size_t quantum,
				vmem_alloc_t *afunc, vmem_free_t *ffunc, vmem_t *source,
				size_t qcache_max, int vmflag);
CLIB_EXPORT vmem_t *vmem_xcreate(const char *name, void *base, size_t size, size_t quantum,
				 vmem_ximport_t *afunc, vmem_free_t *ffunc, vmem_t *source,
				 size_t qcache_max, int vmflag);

/** Destroy an arena.  What is still allocated is reported through the error hook and counted in
 *  vmem_n_leaked(); imports that hold it stay with the source's books.  An arena from which
 *  another imports is not destroyed: reported.  NULL ignored.  Threads: nobody may use the arena
 * meanwhile. */
CLIB_EXPORT void vmem_destroy(vmem_t *vmp);

/**
 * Take size, rounded up to the quantum, from an arena.
 *
 * @param size    at least 1; name the same at vmem_free()
 * @param vmflag  VM_SLEEP or VM_NOSLEEP, a policy or none, VM_PANIC, VM_ENDALLOC
 * @return the address; NULL when there is no room and the source has none either (NOSLEEP), when
 *         memory for tags is short, or, reported, when a sleeper could never be woken: no span
 *         could hold it, nothing is allocated that could be freed, or there is no other thread
 *
 * Threads: any.  Cost: instant fit is constant; best, first and next may look at every free
 * segment at least as large; nothing depends on the number of allocated ones.  Owner: the caller,
 * until vmem_free().  Source: Bonwick and Adams, 4.4.
 */
CLIB_EXPORT void *vmem_alloc(vmem_t *vmp, size_t size, int vmflag);

/** Give back what vmem_alloc() gave.  size must be what was asked for.  A stranger, a double
 *  free, a wrong size, or what vmem_xalloc() gave is counted, reported and ignored.  Needs no
 *  memory, so it never fails.  An import that is free again goes back to the source. */
CLIB_EXPORT void vmem_free(vmem_t *vmp, void *vaddr, size_t size);

/**
 * Take a constrained segment.  Imports only when there is no nocross, minaddr or maxaddr.
 *
 * @param align   power of two, at least the quantum; 0 = quantum
 * @param phase   below align: address mod align
 * @param nocross power of two that the segment does not cross a multiple of, 0 = none; not below
 *                align, nor below phase + size
 * @param minaddr, maxaddr  half open, NULL = none
 * @return as vmem_alloc(); contradictory constraints are reported and NULL
 */
CLIB_EXPORT void *vmem_xalloc(vmem_t *vmp, size_t size, size_t align, size_t phase, size_t nocross,
			      void *minaddr, void *maxaddr, int vmflag);
CLIB_EXPORT void vmem_xfree(vmem_t *vmp, void *vaddr, size_t size);

/** Add a span, both bounds on the quantum.  @return vaddr; NULL when memory for tags is short,
 *  or, reported, on overlap with what is there or at address 0.  It stays until vmem_destroy(). */
CLIB_EXPORT void *vmem_add(vmem_t *vmp, void *vaddr, size_t size, int vmflag);

/** Whether [vaddr, vaddr + size) lies in one span, allocated or not. */
CLIB_EXPORT int vmem_contains(vmem_t *vmp, void *vaddr, size_t size);

/** Calls func(arg, start, size) for each segment of the types in typemask, in address order;
 *  allocated ones with the size asked for.  Without VMEM_REENTRANT the arena stays locked: a
 *  consistent picture, and func may not call vmem for it.  With it the lock is dropped around
 *  each call, func may do anything but destroy the arena, and segments that begin behind the
 *  walk meanwhile are not seen. */
CLIB_EXPORT void vmem_walk(vmem_t *vmp, int typemask, void (*func)(void *, void *, size_t),
			   void *arg);

/** Bytes (or identifiers) of VMEM_ALLOC, VMEM_FREE or both; allocated counts as asked for, what
 *  rounding costs counts as free. */
CLIB_EXPORT size_t vmem_size(vmem_t *vmp, int typemask);

/** Give memory that vmem itself does not need back: surplus tags of every arena, then every
 *  chunk of tags that is wholly free, to vmem_seg_arena and so to the system. */
CLIB_EXPORT void vmem_reap(void);

/* ---- ours ---- */

/** Calls fn for each arena in order of creation until it returns nonzero.  The list is locked:
 *  fn may use arenas, not create or destroy them. */
CLIB_EXPORT void vmem_foreach_arena(int (*fn)(vmem_t *vmp, void *arg), void *arg);
/** The oldest arena of that name, or NULL. */
CLIB_EXPORT vmem_t *vmem_by_name(const char *name);

/** Walk and compare tags, lists, bitmap, hash and counters.  @return 0, or -EUCLEAN with the
 *  first fault in what (may be NULL).  Cost: linear in the segments, the arena locked. */
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

#endif
