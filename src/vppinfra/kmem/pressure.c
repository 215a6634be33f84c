/* SPDX-License-Identifier: Apache-2.0 */
/* When memory is short, and before: taking back what lies idle, and giving back what was not needed
 * for a while. */
#include "kmem_impl.h"

/* A reclaim callback that allocates must not bring itself about. */
static __thread u8 is_relieving __attribute__((tls_model("initial-exec")));

/* ---- taking back ---- */

static u64
n_cached(const kmem_t *k)
{
	return kmem_n_in_threads(k) + kmem_load(&k->n_depot_objects);
}

const vmem_t *
kmem_root_of(const vmem_t *vmp)
{
	while (vmp->vm_source)
		vmp = vmp->vm_source;
	return vmp;
}

bool
kmem_is_relieving(void)
{
	return is_relieving;
}

/* All caches whose arenas draw, in the end, on the same resource. */
static uword
relieve_others(kmem_t *k)
{
	const vmem_t *root = kmem_root_of(k->source);
	uword n_bytes = 0;

	is_relieving = 1;
	kmem_list_lock();
	for (kmem_t *other = kmem_list; other; other = other->next) {
		if (kmem_root_of(other->source) != root)
			continue;
		if (other->reclaim)
			other->reclaim(other->arg);
		if (n_cached(other))
			n_bytes += kmem_flush_all(other, false, NULL);
		n_bytes += kmem_slab_trim(other, ~0ull);
	}
	kmem_list_unlock();
	is_relieving = 0;
	return n_bytes + kmem_meta_reap();
}

bool
kmem_relieve(kmem_t *k, u32 n_before)
{
	/* Our own caches ask for memory while others are being relieved. */
	if ((k->flags & KMEM_INTERNAL) || is_relieving)
		return false;
	if (n_before == 0) {
		if (n_cached(k))
			kmem_flush_all(k, false, NULL);
		return true;
	}
	return n_before == 1 && relieve_others(k);
}

/* ---- giving back ---- */

uword
clib_kmem_cache_shrink(clib_kmem_cache_t *cache)
{
	kmem_t *k = kmem_of(cache);
	uword n_bytes = kmem_flush_all(k, false, NULL);

	return n_bytes + kmem_slab_trim(k, ~0ull);
}

uword
clib_kmem_cache_reap(clib_kmem_cache_t *cache)
{
	kmem_t *k = kmem_of(cache);
	kmem_magazine_t *list = NULL;
	uword n_bytes;
	u32 n_slabs;

	kmem_depot_lock(k);
	kmem_depot_take(k, k->n_full_min, k->n_empty_min, &list);
	kmem_unlock(&k->depot_lock);

	kmem_slab_lock(k);
	n_slabs = k->n_empty_slabs_min;
	kmem_slab_unlock(k);
	/* First the slabs that lay empty: those that the magazines' objects come home to are not
	 * among them. */
	n_bytes = kmem_slab_trim(k, n_slabs);
	return n_bytes + kmem_drain_list(k, list);
}

uword
clib_kmem_reap(void)
{
	uword n_bytes = 0;

	kmem_list_lock();
	for (kmem_t *k = kmem_list; k; k = k->next)
		n_bytes += clib_kmem_cache_reap(&k->public);
	kmem_list_unlock();
	return n_bytes + kmem_meta_reap();
}
