/* SPDX-License-Identifier: Apache-2.0 */
/* The straight line: instant fit for a size alone, and a free that nobody waits for, inline in the
 * faces.  All that may stand in the way is asked once; where anything does, nothing has been done
 * and the general way (alloc.c) answers. */
#ifndef included_vppinfra_vmem_fast_h
#define included_vppinfra_vmem_fast_h

#include "seg.h"

#include <stdatomic.h>

/* Relaxed: see vmem_hints. */
always_inline u32
vmem_hints_now(void)
{
	return atomic_load_explicit(&vmem_hints, memory_order_relaxed);
}

/** The end of an operation that leaves something to do.  Arena locked; not on return. */
void vmem_settle(vmem_t *vmp, u8 has_room);

/* Whether the operation that ends leaves nothing to do but what it alone makes necessary. */
always_inline bool
vmem_is_settled(const vmem_t *vmp)
{
	return (((uword)vmp->vm_index | (uword)vmp->vm_index_dead) == 0 ||
		(vmp->vm_index_dead == NULL && !vmem_index_is_short(vmp) &&
		 !vmem_index_is_building(vmp))) &&
	       vmem_hints_now() == 0;
}

/* The end of an allocation.  Arena locked; not on return. */
always_inline void
vmem_settle_alloc(vmem_t *vmp)
{
	if (PREDICT_TRUE(vmp->vm_n_segs <= vmem_hash_n_buckets(vmp) && vmem_is_settled(vmp)))
		vmem_unlock(&vmp->vm_lock);
	else
		vmem_settle(vmp, 0);
}

/* What few arenas have and most requests of those that do must ask for. */
always_inline bool
vmem_has_rare(const vmem_t *vmp)
{
	return (vmp->vm_n_qcaches | vmp->vm_mtbf | vmem_mtbf) != 0;
}

/** @return whether it was done. */
always_inline bool
vmem_alloc_fast(vmem_t *vmp, uword size, bool is_x, uword *addr)
{
	uword rounded = (size + vmp->vm_quantum - 1) & -vmp->vm_quantum;
	low_end_t f = { .before = 0 };
	uword log2;
	u64 lists;

	/* 0, or more than half of all addresses, which no list is certain to have. */
	if (PREDICT_FALSE((word)(rounded - 1) < 0 || vmem_has_rare(vmp)))
		return false;
	vmem_lock(&vmp->vm_lock);
	log2 = vmem_freelist_of(rounded);
	lists = vmp->vm_freemap & (~0ULL << (log2 + !is_pow2(rounded)));
	if (PREDICT_FALSE(lists == 0 || vmp->vm_nsegfree < VMEM_TAGS_PER_OP || vmp->vm_fail_at)) {
		vmem_unlock(&vmp->vm_lock);
		return false;
	}
	VMEM_COUNT(vmp->vm_kstat.vk_alloc, 1);
	count_alloc(vmp, rounded, log2, rounded - size);
	f.n = count_trailing_zeros(lists);
	f.tag = vmp->vm_freelist[f.n].vs_knext;
	f.t = vmem_tag(f.tag);
	*addr = f.t->vs_start;
	seg_take_low(vmp, f, *addr, rounded, rounded - size, is_x);
	vmem_settle_alloc(vmp);
	return true;
}

/* An allocated segment and where it hangs in the hash: its neighbour in the chain, 0 for none. next
 * is its neighbour in the ring. */
typedef struct {
	vmem_seg_t *t, *next;
	u32 tag, before, *bucket;
	uword size; /* rounded */
} found_t;

/* The allocated segment that starts at addr. */
always_inline u32
hash_lookup(vmem_t *vmp, uword addr, u32 *bucket, u32 *before)
{
	u32 index = *bucket;

	*before = 0;
	VMEM_COUNT(vmp->vm_kstat.vk_lookup, 1);
	while (index) {
		vmem_seg_t *t = vmem_tag(index);

		if (PREDICT_TRUE(t->vs_start == addr))
			return index;
		VMEM_COUNT(vmp->vm_kstat.vk_search, 1);
		*before = index;
		index = vmem_tag_knext(t);
	}
	return 0;
}

/* Find a segment by what its owner says of it.  Value: 0, -ERANGE or -EINVAL. */
always_inline int
find_owned(vmem_t *vmp, uword addr, uword size, bool is_x, found_t *found)
{
	found->bucket = vmem_hash_bucket(vmp, addr);
	found->tag = hash_lookup(vmp, addr, found->bucket, &found->before);
	if (PREDICT_FALSE(found->tag == 0))
		return -EINVAL;
	found->t = vmem_tag(found->tag);
	found->next = vmem_tag(found->t->vs_anext);
	found->size = found->next->vs_start - found->t->vs_start;
	if (PREDICT_FALSE(found->size - found->t->vs_slack != size))
		return -ERANGE;
	return PREDICT_TRUE(is_x == vmem_tag_flag(found->t)) ? 0 : -EINVAL;
}

/** @return whether it was done. */
always_inline bool
vmem_free_fast(vmem_t *vmp, uword addr, uword size, bool is_x)
{
	found_t found;
	uword log2;

	if (PREDICT_FALSE(vmp->vm_n_qcaches != 0 && !is_x))
		return false;
	vmem_lock(&vmp->vm_lock);
	if (PREDICT_FALSE(((uword)vmp->vm_waiters | (uword)vmp->vm_source_free) != 0 ||
			  find_owned(vmp, addr, size, is_x, &found))) {
		vmem_unlock(&vmp->vm_lock);
		return false;
	}
	log2 = vmem_freelist_of(found.size);
	seg_forget(vmp, found.t, found.size, log2, found.before, found.bucket);
	seg_free(vmp, found.t, found.tag, addr, found.size, log2, found.next);
	if (PREDICT_TRUE(!vmem_hash_is_too_large(vmp) && vmp->vm_nsegfree <= VMEM_TAGS_MAX &&
			 vmem_is_settled(vmp)))
		vmem_unlock(&vmp->vm_lock);
	else
		vmem_settle(vmp, 1);
	return true;
}

#endif
