/* SPDX-License-Identifier: Apache-2.0 */
/* Caches of which every free is checked on the spot: a byte an object says whether it is with a
 * caller.  Only the caller that holds an object sets its byte, and a free exchanges it, so of two
 * frees of one object, from whatever threads, one finds that it came too late. */
#include "checked.h"

/* Where an address lies.  The slab of an object that is not in it cannot go away; for any other
 * address the answer may be of a moment ago, and then the state says that it is not live. */
static int
locate_slow(kmem_t *k, uword addr, kmem_slab_t **slab, u32 *index)
{
	uword key = addr >> k->log2_slab_align;
	kmem_slab_t *s = kmem_hash_peek(k, key);
	clib_kmem_error_kind_t kind;

	if (s) {
		/* Release: the descriptor's fields, pairs with the acquire in locate(). */
		atomic_store_explicit(&k->recent[key % KMEM_N_RECENT], s, memory_order_release);
		*slab = s;
		return kmem_slab_index(k, s, addr, index) == CLIB_KMEM_N_ERRORS ? 0 : -EINVAL;
	}
	/* Not there, or it moved while we looked. */
	kmem_slab_lock(k);
	kind = kmem_slab_find(k, addr, slab, index);
	kmem_slab_unlock(k);
	return kind == CLIB_KMEM_N_ERRORS ? 0 : -EINVAL;
}

always_inline int
locate(kmem_t *k, uword addr, kmem_slab_t **slab, u32 *index)
{
	kmem_slab_t *s = kmem_recent_slab(k, addr);

	if (PREDICT_FALSE(s == NULL))
		return locate_slow(k, addr, slab, index);
	*slab = s;
	return kmem_slab_index(k, s, addr, index) == CLIB_KMEM_N_ERRORS ? 0 : -EINVAL;
}

void
kmem_checked_mark(kmem_t *k, uword addr)
{
	kmem_slab_t *s;
	u32 i;

	if (locate(k, addr, &s, &i) == 0)
		/* Relaxed: whoever frees has the address from us, by a way that orders. */
		kmem_store(&s->states[i], 1);
}

int
kmem_checked_alloc(kmem_t *k, int flags, uword *addr, const void *caller)
{
	clib_kmem_cpu_t *c = kmem_cpu(k);
	void *object;

	if (kmem_checked_alloc_fast(k, addr))
		return 0;
	if (c) {
		if (kmem_cpu_alloc(k, c, flags, &object, caller))
			return -ENOMEM;
	} else {
		if (kmem_slab_alloc(k, &object, 1, flags, caller) == 0)
			return -ENOMEM;
		kmem_count(&k->n_direct_allocs, 1);
	}
	*addr = (uword)object;
	kmem_checked_mark(k, *addr);
	return 0;
}

int
kmem_checked_free(kmem_t *k, uword addr, const void *caller)
{
	clib_kmem_cpu_t *c = kmem_cpu(k);
	void *object = (void *)addr;
	kmem_slab_t *s;
	u32 i;

	if (locate(k, addr, &s, &i))
		return -EINVAL;
	if (atomic_exchange_explicit(&s->states[i], 0, memory_order_relaxed) != 1)
		return -EALREADY;
	if (c == NULL)
		kmem_slab_free(k, &object, 1, caller);
	else if (!_clib_kmem_push(c, object))
		kmem_cpu_free(k, c, object, caller);
	return 0;
}
