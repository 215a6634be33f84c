/* SPDX-License-Identifier: Apache-2.0 */
/* From a face straight to the quantum cache of a size. */
#ifndef included_vppinfra_vmem_qfast_h
#define included_vppinfra_vmem_qfast_h

#include "vmem_impl.h"
#include "vmem_qcache.h"

#include <stdatomic.h>

/* NULL until kmem has registered. */
extern _Atomic(const vmem_qcache_ops_t *) vmem_qcache_ops __attribute__((visibility("hidden")));

always_inline const vmem_qcache_ops_t *
vmem_qcache_ops_now(void)
{
	/* Acquire: the table's entries; partner: the release in vmem_set_qcache_ops(). */
	return atomic_load_explicit(&vmem_qcache_ops, memory_order_acquire);
}

/** Somebody may sleep for what a cache has now, or for the slab it has emptied. */
void vmem_qcache_serve(vmem_t *vmp);

/** A plain request of a size that has a cache.  The cache does not sleep: when it gets no slab, a
 *  quantum of the arena will do as well.  @return whether it was done */
always_inline bool
vmem_qcache_alloc_fast(vmem_t *vmp, uword size, int vmflag, uword *addr)
{
	uword i = (size - 1) >> vmp->vm_qshift;

	return size != 0 && i < vmp->vm_n_qcaches &&
	       vmem_qcache_ops_now()->alloc(vmp->vm_qcache[i], (vmflag & VM_KMFLAGS) | VM_NOSLEEP,
					    addr) == 0;
}

/** @return whether it was done; else nothing was, and the general way says why */
always_inline bool
vmem_qcache_free_fast(vmem_t *vmp, uword addr, uword size)
{
	uword i = (size - 1) >> vmp->vm_qshift;

	if (size == 0 || i >= vmp->vm_n_qcaches ||
	    PREDICT_FALSE(vmem_qcache_ops_now()->free(vmp->vm_qcache[i], addr) != 0))
		return false;
	if (PREDICT_FALSE(VMEM_READ(vmp->vm_n_waiters) != 0))
		vmem_qcache_serve(vmp);
	return true;
}

#endif
