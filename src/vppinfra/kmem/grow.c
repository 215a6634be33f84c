/* SPDX-License-Identifier: Apache-2.0 */
/* Slabs come from the arena and go back to it. */
#include "kmem_impl.h"

/* ---- lists; lock held ---- */

void
kmem_list_insert(kmem_t *k, kmem_slab_t *s, kmem_list_t list)
{
	s->list = list;
	s->prev = NULL;
	s->next = k->lists[list];
	if (s->next)
		s->next->prev = s;
	k->lists[list] = s;
	kmem_add(&k->n_slabs[list], 1);
}

void
kmem_list_delete(kmem_t *k, kmem_slab_t *s)
{
	if (s->prev)
		s->prev->next = s->next;
	else
		k->lists[s->list] = s->next;
	if (s->next)
		s->next->prev = s->prev;
	kmem_add(&k->n_slabs[s->list], (u64)-1);
}

/* ---- descriptors ---- */

/* A CHECKED cache reads descriptors without a lock, so they are used again by the same cache only.
 */
static kmem_slab_t *
take_spare(kmem_t *k)
{
	kmem_slab_t *s;

	kmem_slab_lock(k);
	s = k->spare;
	if (s) {
		k->spare = s->next;
		kmem_add(&k->n_spare, (u64)-1);
	}
	kmem_slab_unlock(k);
	return s;
}

static kmem_slab_t *
descriptor_of(kmem_t *k, uword start)
{
	kmem_slab_t *s;

	if (!(k->flags & KMEM_OFF_SLAB))
		return (kmem_slab_t *)(start + k->slab_bytes - k->descriptor_bytes);
	s = k->flags & CLIB_KMEM_CHECKED ? take_spare(k) : NULL;
	if (s)
		return s;
	return k->flags & KMEM_GUARDED ? kmem_guarded_alloc(k->descriptor_bytes)
				       : kmem_meta_alloc(k->descriptor_bytes, false);
}

/* What follows free_bits, in the order in which descriptor_bytes() of create.c counts it. */
static void
point_into(const kmem_t *k, kmem_slab_t *s)
{
	u8 *p = (u8 *)(s->free_bits + k->n_words);

	s->constructed = NULL;
	s->states = NULL;
	s->audit = NULL;
	if ((k->flags & KMEM_HAS_CTOR) && !(k->flags & CLIB_KMEM_POISON)) {
		s->constructed = (u64 *)p;
		memset(p, 0, k->n_words * sizeof(u64));
		p += k->n_words * sizeof(u64);
	}
	if (k->flags & CLIB_KMEM_AUDIT) {
		s->audit = (kmem_audit_t *)p;
		memset(p, 0, k->n_per_slab * sizeof(kmem_audit_t));
		p += k->n_per_slab * sizeof(kmem_audit_t);
	}
	if (k->flags & CLIB_KMEM_CHECKED) {
		s->states = (CLIB_ATOMIC(u8) *)p;
		for (u32 i = 0; i < k->n_per_slab; i++)
			kmem_store(&s->states[i], 0);
	}
}

static void
init_slab(kmem_t *k, kmem_slab_t *s, uword start)
{
	u32 guard = vm_guard_open();

	s->start = start;
	s->base = start;
	s->n_objects = k->n_per_slab;
	s->n_inuse = 0;
	s->hint = 0;
	for (u32 w = 0; w < k->n_words; w++)
		s->free_bits[w] = ~0ull;
	if (k->n_per_slab % 64)
		s->free_bits[k->n_words - 1] = pow2_mask(k->n_per_slab % 64);
	point_into(k, s);
	vm_guard_close(guard);
}

/* Release: whoever finds the key finds the rest as it is; pairs with the acquires in checked.c and
 * table.c. */
static void
publish(kmem_t *k, kmem_slab_t *s)
{
	atomic_store_explicit(&s->key, s->start >> k->log2_slab_align, memory_order_release);
}

/* Lock held. */
static void
add_slab(kmem_t *k, kmem_slab_t *s)
{
	publish(k, s);
	if (!(k->flags & KMEM_INTERNAL))
		kmem_hash_insert(k, s);
	kmem_list_insert(k, s, KMEM_LIST_EMPTY);
	kmem_add(&k->n_created, 1);
}

static u32
next_colour(kmem_t *k)
{
	u32 colour = k->colour;

	/* Whoever reads figures has no lock. */
	__atomic_store_n(&k->colour, colour + 1 < k->n_colours ? colour + 1 : 0, __ATOMIC_RELAXED);
	return colour;
}

int
kmem_grow(kmem_t *k)
{
	kmem_sleeper_t *served = NULL;
	kmem_slab_t *s = NULL;
	uword start;

	kmem_slab_lock(k);
	k->n_growing++; /* so that the layout stays as it is */
	kmem_slab_unlock(k);

	if (!kmem_is_made_to_fail() && k->source_ops->alloc(k->source, k->slab_bytes, k->slab_align,
							    VM_NOSLEEP, &start) == 0) {
		s = descriptor_of(k, start);
		if (s == NULL)
			k->source_ops->free(k->source, start, k->slab_bytes);
	}
	if (s) {
		init_slab(k, s, start);
		if (!(k->flags & KMEM_INTERNAL))
			kmem_hash_prepare(k);
	}
	/* Patterns are written where the colour puts the objects, and before anybody sees them. */
	kmem_slab_lock(k);
	if (s)
		s->base += next_colour(k) * k->colour_bytes;
	kmem_slab_unlock(k);
	if (s && (k->flags & CLIB_KMEM_DEBUG))
		kmem_debug_fresh_slab(k, s);

	kmem_slab_lock(k);
	if (s) {
		add_slab(k, s);
		kmem_slab_serve(k, &served);
	}
	k->n_growing--;
	kmem_slab_unlock(k);
	kmem_wake_served(served);
	return s ? 0 : -ENOMEM;
}

/* ---- giving back ---- */

static void
destruct_all(kmem_t *k, kmem_slab_t *s)
{
	for (u32 w = 0; s->constructed && w < k->n_words; w++) {
		u64 bits = s->constructed[w];

		for (; bits; bits &= bits - 1)
			k->dtor((void *)kmem_object_at(k, s,
						       w * 64 + (u32)count_trailing_zeros(bits)),
				k->arg);
	}
}

/* What was written into free objects since. */
static void
check_all_poison(kmem_t *k, kmem_slab_t *s)
{
	for (u32 i = 0; i < s->n_objects; i++) {
		const u8 *object = (const u8 *)kmem_object_at(k, s, i);
		word offset = kmem_debug_check_poison(k, object);
		clib_kmem_error_t e = { .kind = CLIB_KMEM_ERROR_USE_AFTER_FREE,
					.cache = k->name,
					.object = object,
					.offset = offset };

		if (offset == KMEM_NO_FAULT || !(s->free_bits[i / 64] >> (i % 64) & 1))
			continue;
		e.found = object[offset];
		if (s->audit) {
			e.alloc_site = s->audit[i].alloc_site;
			e.free_site = s->audit[i].free_site;
		}
		kmem_count(&k->n_errors, 1);
		kmem_report(&e);
	}
}

uword
kmem_slab_release(kmem_t *k, kmem_slab_t *s)
{
	uword start = s->start;

	if (k->dtor)
		destruct_all(k, s);
	if (k->flags & CLIB_KMEM_POISON)
		check_all_poison(k, s);
	if (k->flags & KMEM_OFF_SLAB) {
		if (k->flags & CLIB_KMEM_CHECKED) {
			kmem_slab_lock(k);
			s->next = k->spare;
			k->spare = s;
			kmem_add(&k->n_spare, 1);
			kmem_slab_unlock(k);
		} else if (k->flags & KMEM_GUARDED) {
			kmem_guarded_free(s, k->descriptor_bytes);
		} else {
			kmem_meta_free(s, k->descriptor_bytes);
		}
	}
	k->source_ops->free(k->source, start, k->slab_bytes);
	return k->slab_bytes;
}
