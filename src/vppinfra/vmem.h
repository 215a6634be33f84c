/* SPDX-License-Identifier: Apache-2.0 */
/* vmem: arenas of any integer resource (Bonwick and Adams, "Magazines and Vmem", 2001), in
 * illumos' names and semantics (seed 000).
 *
 * An arena is a set of integers; spans are the contiguous ranges put in; segments are the
 * allocated or free pieces of a span; two free neighbours in a span are always merged.  Segments
 * are described by tags outside the resource, so an arena can manage what cannot be touched:
 * device memory, identifiers, physical addresses.
 *
 * This header is illumos' face on a neutral core (vmem_core.h): addresses are pointers, NULL
 * is failure, so 0 cannot be managed through this face, and is passed over in an arena that has it
 * by another; maxaddr is exclusive; policies are optional.  Where illumos panics for a caller's
 * fault (bad free, wrong size, overlap) this face reports through the error hook, counts it and
 * returns; VM_PANIC still stops the process.
 *
 * Threads: any; a mutex per arena, dropped around imports and callbacks. */
#ifndef included_vppinfra_vmem_h
#define included_vppinfra_vmem_h

#if defined(included_vppinfra_bsd_vmem_h) || defined(included_vppinfra_netbsd_vmem_h)
#	error "one file sees one vmem face: illumos' <vppinfra/vmem.h>, FreeBSD's or NetBSD's <sys/vmem.h>"
#endif

#include <vppinfra/vmem_core.h>

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
#define VMEM_MAXFREE 0x80
#define VMEM_ROTOR 0x20
#define VMEM_WALKER 0x40
#define VMEM_REENTRANT 0x80000000

/** Importer that may enlarge what is asked (VMC_XALLOC): source, size in and out, alignment that
 *  the result should have (VMC_XALIGN), VM_KMFLAGS. */
typedef void *(vmem_ximport_t)(vmem_t *, size_t *, size_t, int);

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
 * @return the heap arena, NULL when address space or memory is short.  afunc of the mmap heap gives
 *         pages that are there, and NULL for more than the machine has left
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
 * @param vmflag      VM_SLEEP/NOSLEEP/PANIC and VMC_*; and VM_BESTFIT, VM_FIRSTFIT or VM_NEXTFIT
 *                    if requests will have such a policy: the indexes that it takes are then kept
 *                    from the first free segment on, see vmem_prepare()
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
 * Threads: any.  Cost: instant fit is constant, best, first and next are logarithmic in the
 * free segments; nothing depends on the number of allocated ones.  The first request with a policy
 * waits for an index where there are many free segments by then, others do not: vmem_prepare().
 * Owner: the caller, until vmem_free().  Source: Bonwick and Adams, 4.4.
 */
CLIB_EXPORT void *vmem_alloc(vmem_t *vmp, size_t size, int vmflag);

/** Give back what vmem_alloc() gave.  size must be what was asked for.  A stranger, a double
 *  free, a wrong size, or what vmem_xalloc() gave is counted, reported and ignored.  Needs no
 *  memory, so it never fails.  An import that is free again goes back to the source. */
CLIB_EXPORT void vmem_free(vmem_t *vmp, void *vaddr, size_t size);

/**
 * Take a constrained segment.  Where the source is an arena, an import is asked for under the same
 * constraints; any other source is asked for enough to meet align, phase and nocross for certain,
 * and what it gives goes straight back when it does not meet the bounds.
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
 *  rounding costs counts as free.  VMEM_MAXFREE alone: the largest free segment. */
CLIB_EXPORT size_t vmem_size(vmem_t *vmp, int typemask);

/** Give memory that vmem itself does not need back: surplus tags of every arena, blocks that
 *  shrinking hashes left, then every chunk of tags that is wholly free, to vmem_hash_arena and
 *  vmem_seg_arena and so to the system. */
CLIB_EXPORT void vmem_reap(void);

/* ---- ours; what takes and gives no address or flag is in vmem_core.h ---- */

/** Like vmem_alloc() with VM_SLEEP, for so long at most.
 *  @return 0 with *addr; -ETIMEDOUT, -ENOMEM, -EINVAL or -EDEADLK as vmem_core_alloc() says */
CLIB_EXPORT int vmem_alloc_timed(vmem_t *vmp, size_t size, int vmflag, u64 timeout_ns, void **addr);

/** Set the source of an arena that has no span yet.  Imports are multiples of import_quantum,
 *  0 for the arena's own.  @return 0 or -EBUSY */
CLIB_EXPORT int vmem_set_import(vmem_t *vmp, vmem_alloc_t *afunc, vmem_free_t *ffunc,
				vmem_t *source, size_t import_quantum);
/** What the spans may come to by imports; 0 for no limit.  A higher one wakes sleepers. */
CLIB_EXPORT void vmem_set_limit(vmem_t *vmp, size_t limit);
/** Call fn before a request fails or sleeps, after quantum caches have been reaped, with no lock
 *  held: it may free to the arena, and then the request is tried once more.  It may allocate, too,
 *  and is not called again for what it asks of the same arena.  NULL for none. */
CLIB_EXPORT void vmem_set_reclaim(vmem_t *vmp, vmem_reclaim_function_t *fn, void *arg);

#endif
