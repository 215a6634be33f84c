/* SPDX-License-Identifier: Apache-2.0 */
/* The kernels' ways to create a cache, in terms of ours. */
#include "kmem_impl.h"

#include <stdlib.h>

int
clib_kmem_cache_make(const clib_kmem_params_t *params, clib_kmem_cache_t **cache)
{
	kmem_t *k;
	int error = kmem_make(params, 0, &kmem_memory_source, &k);

	if (error == 0)
		*cache = &k->public;
	return error;
}

/* The faces have no errno to return: a wrong argument is reported. */
static clib_kmem_cache_t *
make_or_report(const clib_kmem_params_t *params, u32 internal_flags, const void *caller)
{
	clib_kmem_error_t e = { .kind = CLIB_KMEM_ERROR_ARGUMENT,
				.cache = params->name ? params->name : "",
				.caller = caller };
	kmem_t *k = NULL;
	int error = kmem_make(params, internal_flags, &kmem_memory_source, &k);

	if (error == -EINVAL)
		kmem_report(&e);
	return error ? NULL : &k->public;
}

clib_kmem_cache_t *
clib_kmem_cache_create_linux(const char *name, size_t size, size_t align, unsigned long flags,
			     clib_kmem_init_t *ctor)
{
	static const struct {
		unsigned long slab;
		u32 own;
	} table[] = {
		{ SLAB_CONSISTENCY_CHECKS, CLIB_KMEM_CHECKED },
		{ SLAB_RED_ZONE, CLIB_KMEM_REDZONE },
		{ SLAB_POISON, CLIB_KMEM_POISON },
		{ SLAB_STORE_USER, CLIB_KMEM_AUDIT },
		{ SLAB_HWCACHE_ALIGN, CLIB_KMEM_LINE_ALIGN },
	};
	clib_kmem_params_t p = { .name = name, .object_bytes = size, .align = align, .init = ctor };
	clib_kmem_cache_t *cache;

	for (u32 i = 0; i < ARRAY_LEN(table); i++)
		if (flags & table[i].slab)
			p.flags |= table[i].own;
	cache = make_or_report(&p, 0, __builtin_return_address(0));
	if (cache == NULL && (flags & SLAB_PANIC)) {
		fprintf(stderr, "kmem: cannot create cache %s (SLAB_PANIC)\n", name ? name : "");
		abort();
	}
	return cache;
}

static u32
flags_of_kmc(int cflags)
{
	u32 flags = 0;

	if (cflags & KMC_NOTOUCH)
		flags |= CLIB_KMEM_NO_TOUCH | CLIB_KMEM_NO_DEBUG;
	if (cflags & KMC_NODEBUG)
		flags |= CLIB_KMEM_NO_DEBUG;
	if (cflags & KMC_NOMAGAZINE)
		flags |= CLIB_KMEM_NO_MAGAZINES;
	if (cflags & KMC_QCACHE)
		flags |= CLIB_KMEM_NO_TOUCH | CLIB_KMEM_NO_DEBUG | CLIB_KMEM_CHECKED;
	return flags;
}

clib_kmem_cache_t *
clib_kmem_cache_create_illumos(const char *name, size_t size, size_t align, clib_kmem_ctor_t *ctor,
			       clib_kmem_dtor_t *dtor, clib_kmem_reclaim_t *reclaim, void *arg,
			       vmem_t *source, int cflags)
{
	clib_kmem_params_t p = {
		.name = name,
		.object_bytes = size,
		.align = align,
		.flags = flags_of_kmc(cflags) | CLIB_KMEM_SLEEPS,
		.source = source,
		.ctor = ctor,
		.dtor = dtor,
		.reclaim = reclaim,
		.arg = arg,
	};

	return make_or_report(&p, 0, __builtin_return_address(0));
}

clib_kmem_cache_t *
clib_umem_cache_create(const char *name, size_t size, size_t align, clib_kmem_ctor_t *ctor,
		       clib_kmem_dtor_t *dtor, clib_kmem_reclaim_t *reclaim, void *arg,
		       vmem_t *source, int cflags)
{
	clib_kmem_params_t p = {
		.name = name,
		.object_bytes = size,
		.align = align,
		.flags = flags_of_kmc(cflags),
		.source = source,
		.ctor = ctor,
		.dtor = dtor,
		.reclaim = reclaim,
		.arg = arg,
	};

	return make_or_report(&p, KMEM_UMEM, __builtin_return_address(0));
}
