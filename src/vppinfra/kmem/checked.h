/* SPDX-License-Identifier: Apache-2.0 */
/* The short way through CHECKED caches, for checked.c and for quantum caches: the thread's magazine
 * has a round or room, and the slab is one that was looked for lately.  Whatever is not so is done
 * out of line. */
#ifndef included_vppinfra_kmem_checked_h
#define included_vppinfra_kmem_checked_h

#include "kmem_impl.h"

/* The slab that an address lies in, if it was looked for lately; else NULL. */
always_inline kmem_slab_t *
kmem_recent_slab(kmem_t *k, uword addr)
{
	uword key = addr >> k->log2_slab_align;
	kmem_slab_t *s =
		atomic_load_explicit(&k->recent[key % KMEM_N_RECENT], memory_order_acquire);

	/* Acquire: what was written when the descriptor got this key. */
	return PREDICT_TRUE(s != NULL && atomic_load_explicit(&s->key, memory_order_acquire) == key)
		       ? s
		       : NULL;
}

/* The byte of an address that came out of its slab; NULL: not found this way. */
always_inline
	CLIB_ATOMIC(u8) *
	kmem_recent_state(kmem_t *k, uword addr)
{
	kmem_slab_t *s = kmem_recent_slab(k, addr);

	/* The address is right: its number needs no second look.  Without an inverse objects are
	 * beyond this way. */
	if (PREDICT_FALSE(s == NULL || k->chunk_inverse == 0))
		return NULL;
	return &s->states[(addr - s->base - k->front_bytes) * k->chunk_inverse >> 32];
}

/** @return whether it was done: *addr is the caller's */
always_inline bool
kmem_checked_alloc_fast(kmem_t *k, uword *addr)
{
	u8 *base = clib_thread_percpu_base;
	CLIB_ATOMIC(u8) * state;
	clib_kmem_cpu_t *c;
	void *object;

	if (PREDICT_FALSE(base == NULL || k->cpu_offset == 0))
		return false;
	c = _clib_kmem_cpu(base, k->cpu_offset);
	if (PREDICT_FALSE(!_clib_kmem_pop(c, &object)))
		return false;
	*addr = (uword)object;
	state = kmem_recent_state(k, *addr);
	if (PREDICT_TRUE(state != NULL))
		/* Relaxed: whoever frees has the address from us, by a way that orders. */
		kmem_store(state, 1);
	else
		kmem_checked_mark(k, *addr);
	return true;
}

/** @return whether it was done; else nothing was */
always_inline bool
kmem_checked_free_fast(kmem_t *k, uword addr)
{
	u8 *base = clib_thread_percpu_base;
	kmem_slab_t *s;
	u32 i;

	if (PREDICT_FALSE(base == NULL || k->cpu_offset == 0))
		return false;
	s = kmem_recent_slab(k, addr);
	if (PREDICT_FALSE(s == NULL || kmem_slab_index(k, s, addr, &i) != CLIB_KMEM_N_ERRORS))
		return false;
	if (PREDICT_FALSE(atomic_exchange_explicit(&s->states[i], 0, memory_order_relaxed) != 1))
		return false; /* it was free: still so */
	if (PREDICT_FALSE(!_clib_kmem_push(_clib_kmem_cpu(base, k->cpu_offset), (void *)addr)))
		kmem_cpu_free(k, kmem_cpu(k), (void *)addr, NULL);
	return true;
}

#endif
