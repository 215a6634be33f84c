/* SPDX-License-Identifier: Apache-2.0 */
/* Figures of a cache, and what is live in it. */
#include "kmem_impl.h"

/* Allocations through magazines: of every thread there ever was. */
static u64
n_allocs_in_threads(const kmem_t *k)
{
	u32 limit = clib_thread_index_limit();
	u64 n = 0;

	for (u32 i = 0; i < limit; i++) {
		clib_kmem_cpu_t *c = kmem_part(k, i);

		if (c)
			n += kmem_load(&c->state) >> 16;
	}
	return n;
}

static uword
metadata_bytes(const kmem_t *k, u64 n_slabs)
{
	uword n = sizeof(*k) + kmem_load(&k->hash_bytes);
	u64 n_magazines = kmem_load(&k->n_full) + kmem_load(&k->n_empty);

	if (k->flags & KMEM_OFF_SLAB)
		n += (n_slabs + kmem_load(&k->n_spare)) * k->descriptor_bytes;
	return n + n_magazines * kmem_magazine_bytes(kmem_load(&k->class));
}

void
clib_kmem_cache_get_stats(clib_kmem_cache_t *cache, clib_kmem_stats_t *stats)
{
	kmem_t *k = kmem_of(cache);
	u64 n_taken = kmem_load(&k->n_taken), n_cached;

	n_cached = kmem_n_in_threads(k) + kmem_load(&k->n_depot_objects);
	*stats = (clib_kmem_stats_t){
		.source = k->source->vm_name,
		.flags = k->flags & KMEM_PUBLIC_FLAGS,
		.is_off_slab = (k->flags & KMEM_OFF_SLAB) != 0,
		.object_bytes = k->object_bytes,
		.chunk_bytes = k->chunk_bytes,
		.align = k->align,
		.slab_bytes = k->slab_bytes,
		.n_objects_per_slab = k->n_per_slab,
		.waste_bytes = k->slab_bytes - k->n_per_slab * k->chunk_bytes -
			       (k->flags & KMEM_OFF_SLAB ? 0 : k->descriptor_bytes),
		.colour_bytes = k->colour_bytes,
		.n_colours = k->n_colours,
		.colour = __atomic_load_n(&k->colour, __ATOMIC_RELAXED) * k->colour_bytes,
		/* What is under way between the layers counts as live, for a moment. */
		.n_live = n_taken > n_cached ? n_taken - n_cached : 0,
		.n_cached = n_cached,
		.n_full = kmem_load(&k->n_slabs[KMEM_LIST_FULL]),
		.n_partial = kmem_load(&k->n_slabs[KMEM_LIST_PARTIAL]),
		.n_empty = kmem_load(&k->n_slabs[KMEM_LIST_EMPTY]),
		.n_allocs = n_allocs_in_threads(k) + kmem_load(&k->n_direct_allocs),
		.n_fails = kmem_load(&k->n_fails),
		.n_slabs_created = kmem_load(&k->n_created),
		.n_slabs_destroyed = kmem_load(&k->n_destroyed),
		.magazine_rounds = kmem_magazine_capacity(kmem_load(&k->class)),
		.n_depot_full = kmem_load(&k->n_full),
		.n_depot_empty = kmem_load(&k->n_empty),
		.n_depot_gets = kmem_load(&k->n_gets),
		.n_depot_misses = kmem_load(&k->n_misses),
		.n_contended = kmem_load(&k->n_contended),
		.n_magazine_resizes = kmem_load(&k->n_resizes),
		.n_claims = kmem_load(&k->n_claims),
		.n_bad_frees = kmem_load(&k->n_bad_frees),
		.n_errors = kmem_load(&k->n_errors),
		.n_sleepers = kmem_load(&k->n_sleepers),
		.n_sleeps = kmem_load(&k->n_sleeps),
		.n_timeouts = kmem_load(&k->n_timeouts),
		.sleep_ns_max = kmem_load(&k->sleep_ns_max),
	};
	memcpy(stats->name, k->name, sizeof(stats->name));
	/* Without magazines there is no size of them either. */
	if (atomic_load_explicit(&k->public.cpu_offset, memory_order_relaxed) ==
		    kmem_empty_cpu_offset() &&
	    !(k->flags & CLIB_KMEM_CHECKED))
		stats->magazine_rounds = 0;
	stats->n_slabs = stats->n_full + stats->n_partial + stats->n_empty;
	stats->memory_bytes = stats->n_slabs * k->slab_bytes;
	stats->metadata_bytes = metadata_bytes(k, stats->n_slabs);
	stats->n_frees = stats->n_allocs > stats->n_live ? stats->n_allocs - stats->n_live : 0;
}

/* Lock held.  Value: whether fn wants no more. */
static bool
show_live(kmem_t *k, const kmem_slab_t *s, int (*fn)(const void *object, void *arg), void *arg,
	  u64 *n_shown)
{
	for (u32 i = 0; i < s->n_objects; i++) {
		if (s->free_bits[i / 64] >> (i % 64) & 1)
			continue;
		++*n_shown;
		if (fn((const void *)kmem_object_at(k, s, i), arg))
			return true;
	}
	return false;
}

u64
clib_kmem_cache_foreach_live(clib_kmem_cache_t *cache, int (*fn)(const void *object, void *arg),
			     void *arg)
{
	kmem_t *k = kmem_of(cache);
	bool is_done = false;
	u64 n_shown = 0;

	kmem_flush_all(k, false, NULL);
	kmem_slab_lock(k);
	for (u32 list = 0; list < KMEM_N_LISTS && !is_done; list++)
		for (kmem_slab_t *s = k->lists[list]; s && !is_done; s = s->next)
			is_done = list != KMEM_LIST_EMPTY && show_live(k, s, fn, arg, &n_shown);
	kmem_slab_unlock(k);
	return n_shown;
}

int
clib_kmem_cache_whereis(clib_kmem_cache_t *cache, const void *address, clib_kmem_where_t *where)
{
	kmem_t *k = kmem_of(cache);
	uword addr = (uword)address;
	int rv = -ENOENT;
	kmem_slab_t *s;
	u32 i;

	/* Where objects are no memory, an address says nothing. */
	if (k->flags & CLIB_KMEM_NO_TOUCH)
		return -ENOENT;
	kmem_slab_lock(k);
	if (kmem_slab_find(k, addr, &s, &i) != CLIB_KMEM_ERROR_STRANGER)
		rv = 0;
	kmem_slab_unlock(k);
	if (rv)
		return rv;
	kmem_flush_all(k, false, NULL);
	kmem_slab_lock(k);
	rv = -ENOENT;
	/* It may have been given back meanwhile. */
	if (kmem_slab_find(k, addr, &s, &i) != CLIB_KMEM_ERROR_STRANGER && addr >= s->base) {
		i = (u32)((addr - s->base) / k->chunk_bytes);
		if (i < s->n_objects) {
			where->object = (const void *)kmem_object_at(k, s, i);
			where->is_live = !(s->free_bits[i / 64] >> (i % 64) & 1);
			rv = 0;
		}
	}
	kmem_slab_unlock(k);
	return rv;
}
