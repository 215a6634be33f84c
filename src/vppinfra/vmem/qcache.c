/* SPDX-License-Identifier: Apache-2.0 */
/* Quantum caches, seen from below: which request is whose, and slabs for them.  The caches are
 * kmem's, behind the table of vmem_qcache.h. */
#include "qfast.h"

#include <stdio.h>

_Atomic(const vmem_qcache_ops_t *) vmem_qcache_ops;

void
vmem_set_qcache_ops(const vmem_qcache_ops_t *ops)
{
	/* Release: the table's entries are seen by whoever loads it below. */
	atomic_store_explicit(&vmem_qcache_ops, ops, memory_order_release);
}

/* The slab that holds a little over three of the largest: one slab size for all keeps the arena
 * from fragmenting (Bonwick and Adams, 4.4.4). */
uword
vmem_qcache_slab_bytes(const vmem_t *vmp)
{
	return 2ull << min_log2(3 * vmp->vm_qcache_max);
}

int
vmem_qcache_create(vmem_t *vmp)
{
	const vmem_qcache_ops_t *ops = vmem_qcache_ops_now();
	uword n = clib_min(vmp->vm_qcache_max >> vmp->vm_qshift, (uword)VMEM_NQCACHE_MAX);
	char name[VMEM_NAMELEN + 24];

	if (vmp->vm_cflags & (VMC_NO_QCACHE | VMC_POPULATOR))
		n = 0;
	vmp->vm_qcache_max = n << vmp->vm_qshift;
	if (ops == NULL)
		return 0;
	for (uword i = 0; i < n; i++) {
		uword size = (i + 1) << vmp->vm_qshift;

		snprintf(name, sizeof(name), "%s_%llu", vmp->vm_name, (unsigned long long)size);
		vmp->vm_qcache[i] =
			ops->create(vmp, name, size, vmem_qcache_slab_bytes(vmp), vmp->vm_quantum);
		if (vmp->vm_qcache[i] == NULL)
			break;
		vmp->vm_n_qcaches++;
	}
	return 0;
}

void
vmem_qcache_destroy(vmem_t *vmp)
{
	while (vmp->vm_n_qcaches) {
		void **cache = &vmp->vm_qcache[--vmp->vm_n_qcaches];

		vmem_qcache_ops_now()->destroy(*cache);
		*cache = NULL;
	}
}

/* The cache does not sleep: when it gets no slab, a quantum of the arena will do as well. */
int
vmem_qcache_alloc(vmem_t *vmp, const vmem_request_t *request, uword *addr)
{
	void *cache = vmp->vm_qcache[(request->size - 1) >> vmp->vm_qshift];

	return vmem_qcache_ops_now()->alloc(cache, vmem_vmflag_of(request->flags) | VM_NOSLEEP,
					    addr);
}

void
vmem_qcache_serve(vmem_t *vmp)
{
	vmem_qcache_reap(vmp);
	vmem_lock(&vmp->vm_lock);
	vmem_wake_all(vmp);
	vmem_unlock(&vmp->vm_lock);
}

bool
vmem_qcache_free(vmem_t *vmp, uword addr, uword size, const void *caller, int *error)
{
	uword i = (size - 1) >> vmp->vm_qshift;

	if (size == 0 || i >= vmp->vm_n_qcaches)
		return false;
	*error = vmem_qcache_ops_now()->free(vmp->vm_qcache[i], addr);
	if (*error == -EINVAL)
		return false;
	if (*error) {
		vmem_lock(&vmp->vm_lock);
		VMEM_COUNT(vmp->vm_kstat.vk_bad_free, 1);
		vmem_unlock(&vmp->vm_lock);
		vmem_report("double free: free in its quantum cache", vmp, addr, size, caller);
		return true;
	}
	if (PREDICT_FALSE(VMEM_READ(vmp->vm_n_waiters) != 0))
		vmem_qcache_serve(vmp);
	return true;
}

uword
vmem_qcache_reap(vmem_t *vmp)
{
	uword n_bytes = 0;

	for (u32 i = 0; i < vmp->vm_n_qcaches; i++)
		n_bytes += vmem_qcache_ops_now()->reap(vmp->vm_qcache[i]);
	return n_bytes;
}

u32
vmem_qcache_stats(vmem_t *vmp, vmem_qcache_stats_t stats[VMEM_NQCACHE_MAX])
{
	for (u32 i = 0; i < vmp->vm_n_qcaches; i++)
		vmem_qcache_ops_now()->stats(vmp->vm_qcache[i], &stats[i]);
	return vmp->vm_n_qcaches;
}

int
_vmem_qcache_slab_alloc(vmem_t *vmp, uword bytes, uword align, int vm_flags, uword *addr)
{
	const vmem_request_t request = {
		.size = bytes,
		.align = align,
		.max = ~(uword)0,
		.flags = VMEM_REQUEST_X | (vm_flags & VM_NOSLEEP ? VMEM_REQUEST_NOSLEEP : 0) |
			 (vm_flags & VM_PUSHPAGE ? VMEM_REQUEST_PUSHPAGE : 0),
	};

	return vmem_core_alloc(vmp, &request, addr);
}

int
_vmem_qcache_slab_free(vmem_t *vmp, uword addr, uword bytes)
{
	return vmem_core_free(vmp, addr, bytes, VMEM_REQUEST_X, __builtin_return_address(0))
		       ? -EINVAL
		       : 0;
}
