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
#error "one file sees one vmem face: <vppinfra/vmem.h> (illumos) or bsd/<sys/vmem.h>, not both"
#endif

#include <pthread.h>
#include <sys/types.h>
#include <vppinfra/clib.h>

/* Flags of one request. */
#define VM_SLEEP 0x00000000
#define VM_NOSLEEP 0x00000001
#define VM_PANIC 0x00000002
#define VM_PUSHPAGE 0x00000004
#define VM_KMFLAGS 0x000000ff
#define VM_BESTFIT 0x00000100
#define VM_FIRSTFIT 0x00000200
#define VM_NEXTFIT 0x00000400
#define VM_ABORT 0x00002000
#define VM_ENDALLOC 0x00004000
#define VM_FLAGS 0x0000ffff

/* Flags of an arena. */
#define VMC_POPULATOR 0x00010000
#define VMC_NO_QCACHE 0x00020000
#define VMC_IDENTIFIER 0x00040000
#define VMC_XALLOC 0x00080000
#define VMC_XALIGN 0x00100000

/* Types that vmem_size() and vmem_walk() take. */
#define VMEM_ALLOC 0x01
#define VMEM_FREE 0x02
#define VMEM_SPAN 0x10
#define VMEM_ROTOR 0x20
#define VMEM_WALKER 0x40
#define VMEM_REENTRANT 0x80000000

#define VMEM_NAMELEN 30
#define VMEM_HASH_INITIAL 16
#define VMEM_NQCACHE_MAX 16
#define VMEM_FREELISTS 64
#define VMEM_INITIAL 6
#define VMEM_SEG_INITIAL 100

typedef struct vmem vmem_t;
typedef struct vmem_seg vmem_seg_t;

typedef void *(vmem_alloc_t)(vmem_t *, size_t, int);
typedef void(vmem_free_t)(vmem_t *, void *, size_t);
/** Importer that may enlarge what is asked (VMC_XALLOC). */
typedef void *(vmem_ximport_t)(vmem_t *, size_t *, size_t, int);

/** A tag, by number: 32 bits instead of a pointer halve the cost of a segment. */
typedef u32 vmem_tag_index_t;

typedef struct {
	vmem_tag_index_t vs_knext, vs_kprev;
} vmem_freelist_t;

typedef struct vmem_kstat {
	u64 vk_mem_inuse, vk_mem_import, vk_mem_total;
	u32 vk_source_id;
	u64 vk_alloc, vk_free, vk_wait, vk_fail, vk_lookup, vk_search;
	u64 vk_populate_wait, vk_populate_fail, vk_contains, vk_contains_search;
	/* Ours. */
	u64 vk_bad_free, vk_hash_resizes, vk_hash_moved, vk_import, vk_export;
} vmem_kstat_t;

/** Seed 000's structure: the fields keep their names; links are tag numbers. */
struct vmem {
	char vm_name[VMEM_NAMELEN];
	pthread_cond_t vm_cv;
	pthread_mutex_t vm_lock;
	u32 vm_id;
	/** Every vm_mtbf-th NOSLEEP request fails, counted, so reproducible; 0 never. */
	u32 vm_mtbf;
	int vm_cflags;
	int vm_qshift;
	size_t vm_quantum;
	size_t vm_qcache_max;
	size_t vm_min_import;
	vmem_alloc_t *vm_source_alloc;
	vmem_free_t *vm_source_free;
	vmem_t *vm_source;
	vmem_t *vm_next;
	ssize_t vm_nsegfree;
	vmem_tag_index_t vm_segfree;
	vmem_tag_index_t *vm_hash_table;
	size_t vm_hash_mask;
	size_t vm_hash_shift;
	vmem_tag_index_t vm_hash0[VMEM_HASH_INITIAL];
	/** Old table while entries move over with the work, and the next bucket to move. */
	vmem_tag_index_t *vm_hash_old;
	size_t vm_hash_old_mask, vm_hash_move;
	u64 vm_freemap;
	vmem_tag_index_t vm_seg0;
	vmem_tag_index_t vm_rotor;
	void *vm_qcache[VMEM_NQCACHE_MAX];
	vmem_freelist_t vm_freelist[VMEM_FREELISTS + 1];
	vmem_kstat_t vm_kstat;
	/** How the source is called: VMEM_FACE_*, see vmem/vmem_impl.h. */
	u32 vm_source_face;
	u32 vm_n_waiters;
	u64 vm_mtbf_count;
	u64 vm_n_segs;
	/** Index of free segments by address and size: filled in by vmem/vmem_index.c. */
	void *vm_index;
	void *vm_owner;
};

/**
 * Bootstrap: tags of vmem_seg0, then parent (if named), heap, vmem_internal, vmem_seg, vmem_hash,
 * vmem_vmem; no malloc beneath.  Called by the first vmem_create() with an mmap heap when the
 * program did not.  @return the heap arena, NULL on failure.
 */
CLIB_EXPORT vmem_t *vmem_init(const char *parent_name, size_t parent_quantum,
			      vmem_alloc_t *parent_alloc, vmem_free_t *parent_free,
			      const char *heap_name, void *heap_start, size_t heap_size,
			      size_t heap_quantum, vmem_alloc_t *heap_alloc,
			      vmem_free_t *heap_free);

/** The arenas that vmem_init() made; NULL before. */
CLIB_EXPORT extern vmem_t *vmem_heap, *vmem_internal_arena, *vmem_seg_arena, *vmem_hash_arena,
	*vmem_vmem_arena;

/** The ultimate sources: memory from sbrk, and from mmap (PROT_NONE again when freed). */
CLIB_EXPORT vmem_t *vmem_sbrk_arena(vmem_alloc_t **afunc, vmem_free_t **ffunc);
CLIB_EXPORT vmem_t *vmem_mmap_arena(vmem_alloc_t **afunc, vmem_free_t **ffunc);

/**
 * Create an arena.
 * @param base, size  initial span, or NULL and 0
 * @param quantum     power of two: every address and rounded size is its multiple
 * @param afunc, ffunc, source  where to import from and export to; NULL for none
 * @param qcache_max  sizes up to this are fronted by object caches; 0 for none
 * @param vmflag      VM_SLEEP/NOSLEEP/PANIC and VMC_*
 * @return NULL when memory is short (NOSLEEP) or an argument is wrong
 */
CLIB_EXPORT vmem_t *vmem_create(const char *name, void *base, size_t size, size_t quantum,
				vmem_alloc_t *afunc, vmem_free_t *ffunc, vmem_t *source,
				size_t qcache_max, int vmflag);
CLIB_EXPORT vmem_t *vmem_xcreate(const char *name, void *base, size_t size, size_t quantum,
				 vmem_ximport_t *afunc, vmem_free_t *ffunc, vmem_t *source,
				 size_t qcache_max, int vmflag);

/** Destroy an arena; what is still allocated is reported through the error hook and counted. */
CLIB_EXPORT void vmem_destroy(vmem_t *vmp);

CLIB_EXPORT void *vmem_alloc(vmem_t *vmp, size_t size, int vmflag);
/** size must be the size that was asked for; else reported and ignored. */
CLIB_EXPORT void vmem_free(vmem_t *vmp, void *vaddr, size_t size);

/** @param align power of two, 0 = quantum  @param phase below align  @param nocross power of two
 *  that the result does not cross, 0 = none  @param minaddr, maxaddr half open, NULL = none */
CLIB_EXPORT void *vmem_xalloc(vmem_t *vmp, size_t size, size_t align, size_t phase, size_t nocross,
			      void *minaddr, void *maxaddr, int vmflag);
CLIB_EXPORT void vmem_xfree(vmem_t *vmp, void *vaddr, size_t size);

/** Add a span.  @return vaddr; NULL on overlap with what is there, 0 address, or no tag. */
CLIB_EXPORT void *vmem_add(vmem_t *vmp, void *vaddr, size_t size, int vmflag);

/** Whether [vaddr, vaddr + size) lies in one span. */
CLIB_EXPORT int vmem_contains(vmem_t *vmp, void *vaddr, size_t size);

/** Calls func for each segment of the types in typemask, in address order; with VMEM_REENTRANT
 *  the lock is dropped around each call. */
CLIB_EXPORT void vmem_walk(vmem_t *vmp, int typemask, void (*func)(void *, void *, size_t),
			   void *arg);

/** Bytes (or identifiers) of VMEM_ALLOC, VMEM_FREE or both. */
CLIB_EXPORT size_t vmem_size(vmem_t *vmp, int typemask);

/** Ask caches above every arena to give back what nobody uses. */
CLIB_EXPORT void vmem_reap(void);

/* ---- ours ---- */

/** Calls fn for each arena in order of creation until it returns nonzero. */
CLIB_EXPORT void vmem_foreach_arena(int (*fn)(vmem_t *vmp, void *arg), void *arg);
CLIB_EXPORT vmem_t *vmem_by_name(const char *name);

/** Walk and compare tags, lists, bitmap, hash and counters.  @return 0, or -EUCLEAN with the
 *  first fault in what (may be NULL). */
CLIB_EXPORT int vmem_check(vmem_t *vmp, char *what, size_t n_what);

/** Free segments and their bytes per power-of-two list. */
CLIB_EXPORT void vmem_freelist_counts(vmem_t *vmp, u64 n_segs[VMEM_FREELISTS],
				      u64 n_bytes[VMEM_FREELISTS]);

/** Called for misuse: what, arena, address, size, caller.  Default: one line to stderr. */
typedef void(vmem_error_function_t)(const char *what, vmem_t *vmp, uword addr, uword size,
				    const void *caller);
CLIB_EXPORT void vmem_set_error_handler(vmem_error_function_t *fn);

#endif
