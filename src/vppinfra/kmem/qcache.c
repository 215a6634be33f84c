/* SPDX-License-Identifier: Apache-2.0 */
/* vmem's quantum caches: caches of addresses that are only numbers. */
#include "checked.h"

#include <vppinfra/vmem/vmem_qcache.h>

static int
slab_alloc(vmem_t *vmp, uword bytes, uword align, int vm_flags, uword *addr)
{
	return _vmem_qcache_slab_alloc(vmp, bytes, align, vm_flags, addr);
}

static void
slab_free(vmem_t *vmp, uword addr, uword bytes)
{
	_vmem_qcache_slab_free(vmp, addr, bytes);
}

static const kmem_source_ops_t qcache_source = { slab_alloc, slab_free };

static void *
qcache_create(vmem_t *vmp, const char *name, uword size, uword slab_bytes, uword quantum)
{
	const clib_kmem_params_t params = {
		.name = name,
		.object_bytes = size,
		/* Addresses are multiples of the quantum since sizes and slabs are. */
		.align = 1,
		.flags = CLIB_KMEM_NO_TOUCH | CLIB_KMEM_CHECKED | CLIB_KMEM_NO_DEBUG,
		.slab_bytes = slab_bytes,
		.source = vmp,
	};
	kmem_t *k;

	return kmem_make(&params, KMEM_QUIET, &qcache_source, &k) ? NULL : k;
}

static void
qcache_destroy(void *cache)
{
	kmem_destroy(cache, true, NULL);
}

static never_inline int
qcache_alloc_slow(kmem_t *k, int vm_flags, uword *addr)
{
	int error;

	if (clib_thread_percpu_base == NULL)
		clib_percpu_attach();
	error = kmem_checked_alloc(k, vm_flags, addr, NULL);
	if (error)
		kmem_count(&k->n_fails, 1);
	return error;
}

static int
qcache_alloc(void *cache, int vm_flags, uword *addr)
{
	if (PREDICT_TRUE(kmem_checked_alloc_fast(cache, addr)))
		return 0;
	return qcache_alloc_slow(cache, vm_flags, addr);
}

static never_inline int
qcache_free_slow(kmem_t *k, uword addr)
{
	if (clib_thread_percpu_base == NULL)
		clib_percpu_attach();
	return kmem_checked_free(k, addr, NULL);
}

static int
qcache_free(void *cache, uword addr)
{
	if (PREDICT_TRUE(kmem_checked_free_fast(cache, addr)))
		return 0;
	return qcache_free_slow(cache, addr);
}

static uword
qcache_reap(void *cache)
{
	return clib_kmem_cache_shrink(cache);
}

static void
qcache_stats(void *cache, vmem_qcache_stats_t *stats)
{
	clib_kmem_stats_t s;

	clib_kmem_cache_get_stats(cache, &s);
	*stats = (vmem_qcache_stats_t){
		.size = s.object_bytes,
		.n_alloc = s.n_live,
		.n_cached = s.n_slabs * s.n_objects_per_slab - s.n_live,
		.n_slabs = s.n_slabs,
		.n_allocs = s.n_allocs,
		.n_frees = s.n_frees,
		.n_fails = s.n_fails,
	};
}

static void __attribute__((constructor)) register_qcaches(void)
{
	static const vmem_qcache_ops_t ops = {
		.create = qcache_create,
		.destroy = qcache_destroy,
		.alloc = qcache_alloc,
		.free = qcache_free,
		.reap = qcache_reap,
		.stats = qcache_stats,
	};

	vmem_set_qcache_ops(&ops);
}
