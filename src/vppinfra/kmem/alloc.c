/* SPDX-License-Identifier: Apache-2.0 */
/* The calls, where the inline path ends: which way an object comes and goes. */
#include "kmem_impl.h"

/* CHECKED, debugging, or through magazines, or for a thread without any. */
static void *
alloc_one(kmem_t *k, int flags, const void *caller)
{
	void *object = NULL;
	clib_kmem_cpu_t *c;
	uword addr;

	if (k->flags & CLIB_KMEM_CHECKED)
		return kmem_checked_alloc(k, flags, &addr, caller) ? NULL : (void *)addr;
	c = kmem_cpu(k);
	if (c && !(k->flags & CLIB_KMEM_DEBUG))
		return kmem_cpu_alloc(k, c, flags, &object, caller) ? NULL : object;
	if (k->flags & CLIB_KMEM_DEBUG)
		object = kmem_slab_alloc_debug(k, flags, caller);
	else if (kmem_slab_alloc(k, &object, 1, flags, caller) == 0)
		object = NULL;
	if (object)
		kmem_count(&k->n_direct_allocs, 1);
	return object;
}

static void *
alloc_or_wait(kmem_t *k, int flags, const void *caller)
{
	void *object;

	if (clib_thread_percpu_base == NULL)
		clib_percpu_attach();
	while ((object = alloc_one(k, flags, caller)) == NULL)
		if (!kmem_may_retry(k, flags))
			return NULL;
	if (flags & CLIB_KMEM_ZERO && !(k->flags & CLIB_KMEM_NO_TOUCH))
		memset(object, 0, k->object_bytes);
	return object;
}

void *
clib_kmem_cache_alloc_slow(clib_kmem_cache_t *cache, int flags)
{
	kmem_t *k = kmem_of(cache);
	uword addr;

	/* CHECKED caches come here every time. */
	if ((k->flags & CLIB_KMEM_CHECKED) && !(flags & CLIB_KMEM_ZERO) &&
	    PREDICT_TRUE(clib_thread_percpu_base != NULL) &&
	    kmem_checked_alloc(k, flags, &addr, __builtin_return_address(0)) == 0)
		return (void *)addr;
	return alloc_or_wait(k, flags, __builtin_return_address(0));
}

static void
free_one(kmem_t *k, void *object, const void *caller)
{
	clib_kmem_cpu_t *c;
	int error;

	if (clib_thread_percpu_base == NULL)
		clib_percpu_attach();
	if (k->flags & CLIB_KMEM_CHECKED) {
		error = kmem_checked_free(k, (uword)object, caller);
		if (error)
			kmem_report_bad_free(k, (uword)object,
					     error == -EALREADY ? CLIB_KMEM_ERROR_DOUBLE_FREE
								: CLIB_KMEM_N_ERRORS,
					     caller);
		return;
	}
	c = kmem_cpu(k);
	if (k->flags & CLIB_KMEM_DEBUG)
		kmem_slab_free_debug(k, object, caller);
	else if (c)
		kmem_cpu_free(k, c, object, caller);
	else
		kmem_slab_free(k, &object, 1, caller);
}

void
clib_kmem_cache_free_slow(clib_kmem_cache_t *cache, void *object)
{
	free_one(kmem_of(cache), object, __builtin_return_address(0));
}

int
clib_kmem_cache_free_checked(clib_kmem_cache_t *cache, void *object)
{
	const void *caller = __builtin_return_address(0);
	kmem_t *k = kmem_of(cache);
	int error;

	if (object == NULL && !(k->flags & CLIB_KMEM_NO_TOUCH))
		return 0;
	if (clib_thread_percpu_base == NULL)
		clib_percpu_attach();
	if (k->flags & CLIB_KMEM_CHECKED)
		error = kmem_checked_free(k, (uword)object, caller);
	else if (k->flags & CLIB_KMEM_DEBUG)
		return kmem_slab_free_debug(k, object, caller);
	else
		error = kmem_slab_free_one(k, (uword)object, caller);
	if (error)
		kmem_count(&k->n_bad_frees, 1);
	return error;
}

/* ---- many ---- */

/* Past the magazines of this thread: what is missing, from the slabs. */
static size_t
alloc_rest(kmem_t *k, int flags, size_t n, void **objects, const void *caller)
{
	size_t got = 0;

	while (got < n) {
		u32 n_now = kmem_slab_alloc(
			k, objects + got, (u32)clib_min(n - got, (size_t)0xffffff), flags, caller);

		if (n_now == 0 && !kmem_may_retry(k, flags))
			break;
		got += n_now;
	}
	kmem_count(&k->n_direct_allocs, got);
	return got;
}

int
clib_kmem_cache_alloc_bulk(clib_kmem_cache_t *cache, int flags, size_t n, void **objects)
{
	const void *caller = __builtin_return_address(0);
	kmem_t *k = kmem_of(cache);
	clib_kmem_cpu_t *c;
	size_t got = 0;

	if (clib_thread_percpu_base == NULL)
		clib_percpu_attach();
	if (k->flags & (CLIB_KMEM_CHECKED | CLIB_KMEM_DEBUG)) {
		while (got < n && (objects[got] = alloc_or_wait(k, flags, caller)) != NULL)
			got++;
	} else {
		c = kmem_cpu(k);
		if (c)
			got = kmem_cpu_alloc_many(k, c, objects, n);
		got += alloc_rest(k, flags, n - got, objects + got, caller);
		for (size_t i = 0; (flags & CLIB_KMEM_ZERO) && i < got; i++)
			memset(objects[i], 0, k->object_bytes);
	}
	if (got == n)
		return (int)n;
	clib_kmem_cache_free_bulk(cache, got, objects);
	return 0;
}

void
clib_kmem_cache_free_bulk(clib_kmem_cache_t *cache, size_t n, void **objects)
{
	const void *caller = __builtin_return_address(0);
	kmem_t *k = kmem_of(cache);
	clib_kmem_cpu_t *c;

	if (clib_thread_percpu_base == NULL)
		clib_percpu_attach();
	c = kmem_cpu(k);
	if (c == NULL || (k->flags & (CLIB_KMEM_CHECKED | CLIB_KMEM_DEBUG)))
		for (size_t i = 0; i < n; i++)
			free_one(k, objects[i], caller);
	else
		kmem_cpu_free_many(k, c, objects, n, caller);
}
