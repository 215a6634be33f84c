/* SPDX-License-Identifier: Apache-2.0 */
/* vmem_qcache: how an arena is fronted by object caches that live in a layer above it.
 *
 * vmem knows no cache: it calls this table, which kmem fills in from a constructor, so that the
 * arrow between the layers points one way.  Without a table qcache_max is accepted and there are
 * no caches.
 *
 * A cache hands out addresses of one size, multiples of the arena's quantum, out of slabs that it
 * takes from the arena by _vmem_qcache_slab_alloc().  It must not touch what it hands out: that
 * may be identifiers or device memory, and 0 is an address like any other, which is why every
 * call answers with an errno and the address apart.
 *
 * No arena's lock is held when a function of the table is called. */
#ifndef included_vppinfra_vmem_qcache_h
#define included_vppinfra_vmem_qcache_h

#include <vppinfra/vmem.h>

typedef struct {
	uword size;
	u64 n_alloc;                    /* live: handed out and not given back */
	u64 n_cached;                   /* in slabs that exist, not handed out */
	u64 n_slabs;                    /* slabs held, _vmem_qcache_slab_alloc()s */
	u64 n_allocs, n_frees, n_fails; /* since the cache was made */
} vmem_qcache_stats_t;

typedef struct {
	/** Make a cache.  @param name NAME_SIZE  @param size multiple of quantum
	 *  @param slab_bytes power of two, what to take from the arena at a time
	 *  @return NULL when memory is short: then the arena does without */
	void *(*create)(vmem_t *vmp, const char *name, uword size, uword slab_bytes, uword quantum);
	/** Give all slabs back, those with live objects too: the arena is about to go, and says
	 *  itself what was leaked. */
	void (*destroy)(void *cache);
	/** @param vm_flags VM_SLEEP, VM_NOSLEEP and what else a source may see (VM_KMFLAGS)
	 *  @return 0 with *addr, or -ENOMEM */
	int (*alloc)(void *cache, int vm_flags, uword *addr);
	/** @return 0; -EALREADY it is free already; -EINVAL it is not the cache's.  Nothing is
	 *  changed by a refusal, nor reported: vmem does that. */
	int (*free)(void *cache, uword addr);
	/** Give slabs without a live object back.  @return bytes given back */
	uword (*reap)(void *cache);
	/** Approximate while others work. */
	void (*stats)(void *cache, vmem_qcache_stats_t *stats);
} vmem_qcache_ops_t;

/** Register the table; arenas created from now on have caches.  Constant after: once, from a
 *  constructor or before the first arena with a qcache_max. */
CLIB_EXPORT void vmem_set_qcache_ops(const vmem_qcache_ops_t *ops);

/** The figures of an arena's caches, smallest first.  @return how many it has */
CLIB_EXPORT u32 vmem_qcache_stats(vmem_t *vmp, vmem_qcache_stats_t stats[VMEM_NQCACHE_MAX]);

/** A slab: bytes (a multiple of the quantum) aligned to align, past the caches.  May import and,
 *  without VM_NOSLEEP, sleep.  @return 0, -ENOMEM or -EDEADLK as vmem_alloc() means it */
CLIB_EXPORT int _vmem_qcache_slab_alloc(vmem_t *vmp, uword bytes, uword align, int vm_flags,
					uword *addr);
/** Give a slab back.  @return 0, or -EINVAL, reported */
CLIB_EXPORT int _vmem_qcache_slab_free(vmem_t *vmp, uword addr, uword bytes);

#endif
