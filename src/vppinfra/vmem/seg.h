/* SPDX-License-Identifier: Apache-2.0 */
/* What is done to the ring of tags, the free lists and the hash, piece by piece, inline: an
 * allocation that takes the low end of a segment and a free are made of nothing else.  Everything
 * here runs with the arena locked and needs no memory: the tags are there. */
#ifndef included_vppinfra_vmem_seg_h
#define included_vppinfra_vmem_seg_h

#include "vmem_impl.h"

/* ---- free segments, in their list and in the indexes ---- */

/** A FREE tag came or went: into or out of its list and the indexes. */
void vmem_free_insert(vmem_t *vmp, u32 index, uword start, uword size);
void vmem_free_delete(vmem_t *vmp, u32 index, uword start, uword size);
/** It begins or ends elsewhere, between the same neighbours: into another list where its power of
 *  two is another, and in the indexes. */
void vmem_free_change(vmem_t *vmp, u32 index, uword start, uword size, uword new_start,
		      uword new_size);

/* The FREE tag t, of number index, is the first of list n.  Value: the bit of vm_freemap that has
 * another value now, or 0; the caller changes it, once where a segment goes from list to list. */
always_inline u64
freelist_push(vmem_t *vmp, vmem_seg_t *t, u32 index, uword n)
{
	vmem_freelist_t *list = &vmp->vm_freelist[n];
	u32 head = list->vs_knext;

	t->vs_kin = vmem_pair(VMEM_TAG_TYPE(VMEM_TAG_FREE) | head, 0);
	list->vs_knext = index;
	if (head) {
		vmem_tag(head)->vs_kprev = index;
		return 0;
	}
	list->vs_kprev = index;
	return 1ULL << n;
}

/* prev: the one before it in list n, 0 where it is the first.  Value: as above. */
always_inline u64
freelist_remove(vmem_t *vmp, const vmem_seg_t *t, u32 prev, uword n)
{
	vmem_freelist_t *list = &vmp->vm_freelist[n];
	u32 next = vmem_tag_knext(t);

	if (next)
		vmem_tag(next)->vs_kprev = prev;
	else
		list->vs_kprev = prev;
	if (prev) {
		vmem_tag_set_knext(vmem_tag(prev), next);
		return 0;
	}
	list->vs_knext = next;
	return next ? 0 : 1ULL << n;
}

/* times is 1, or -1 when it goes. */
always_inline void
count_free(vmem_t *vmp, uword n, uword size, uword times)
{
	VMEM_COUNT(vmp->vm_order[n].n_free, times);
	VMEM_COUNT(vmp->vm_order[n].free_bytes, size * times);
}

/* From list n into that of its new size. */
always_inline void
free_relist(vmem_t *vmp, vmem_seg_t *t, u32 index, u32 before, uword n, uword size, uword new_size)
{
	uword new_n = vmem_freelist_of(new_size);
	u64 bits = freelist_remove(vmp, t, before, n);

	bits ^= freelist_push(vmp, t, index, new_n);
	if (bits)
		vmp->vm_freemap ^= bits;
	count_free(vmp, n, size, -(uword)1);
	count_free(vmp, new_n, new_size, 1);
}

/* ---- the ring ---- */

always_inline u32
seg_insert_after(vmem_t *vmp, u32 after, uword start, vmem_tag_type_t type)
{
	vmem_seg_t *t, *prev = vmem_tag(after);
	u32 index = vmem_tag_take(vmp, &t), next = prev->vs_anext;

	t->vs_start = start;
	t->vs_ring = vmem_pair(next, after);
	t->vs_kin = vmem_pair(VMEM_TAG_TYPE(type), 0);
	prev->vs_anext = index;
	vmem_tag(next)->vs_aprev = index;
	return index;
}

/* Places that were remembered by a tag that goes step back to the one before it. */
always_inline void
seg_step_back(vmem_t *vmp, u32 index, u32 prev)
{
	vmem_seg_t *rotor = vmp->vm_rotor_seg;

	if (PREDICT_FALSE(rotor->vs_anext == index))
		rotor->vs_anext = prev;
	for (vmem_walker_t *w = vmp->vm_walkers; PREDICT_FALSE(w != NULL); w = w->next) {
		if (w->hint == index)
			w->hint = prev;
	}
}

always_inline void
seg_unlink(vmem_t *vmp, u32 index)
{
	vmem_seg_t *t = vmem_tag(index);
	u32 prev = t->vs_aprev, next = t->vs_anext;

	seg_step_back(vmp, index, prev);
	vmem_tag(prev)->vs_anext = next;
	vmem_tag(next)->vs_aprev = prev;
	vmem_tag_put(vmp, t, index);
}

/* ---- allocated segments ---- */

/* A segment of rounded size, whose logarithm is log2, comes: slack of it was not asked for. */
always_inline void
count_alloc(vmem_t *vmp, uword size, uword log2, uword slack)
{
	vmem_order_t *order = &vmp->vm_order[log2];

	VMEM_COUNT(vmp->vm_n_segs, 1);
	VMEM_COUNT(vmp->vm_kstat.vk_mem_inuse, size - slack);
	VMEM_COUNT(order->n_alloc, 1);
	VMEM_COUNT(order->alloc_bytes, size);
}

/* It goes. */
always_inline void
uncount_alloc(vmem_t *vmp, uword size, uword log2, uword slack)
{
	vmem_order_t *order = &vmp->vm_order[log2];

	VMEM_COUNT(vmp->vm_n_segs, -1);
	VMEM_COUNT(vmp->vm_kstat.vk_mem_inuse, slack - size);
	VMEM_COUNT(order->n_alloc, -1);
	VMEM_COUNT(order->alloc_bytes, -size);
}

/* The tag t, of number index, in its bucket. */
always_inline void
hash_insert(vmem_seg_t *t, u32 index, u32 *bucket, uword slack, bool is_x)
{
	t->vs_kin = vmem_pair(VMEM_TAG_TYPE(VMEM_TAG_ALLOC) | *bucket | (is_x ? VMEM_TAG_FLAG : 0),
			      (u32)slack);
	*bucket = index;
}

/* A FREE tag that allocations take the low end of, where `before` is before it in list n. */
typedef struct {
	vmem_seg_t *t;
	u32 tag, before;
	uword n;
} low_end_t;

/* Anywhere in the lists. */
always_inline low_end_t
low_end_of(vmem_seg_t *t, u32 tag)
{
	return (low_end_t){ t, tag, t->vs_kprev, vmem_freelist_of(vmem_seg_bytes(t)) };
}

/* All of it is taken. */
always_inline void
seg_take_all(vmem_t *vmp, low_end_t f, uword start, uword size, uword slack, bool is_x)
{
	vmp->vm_freemap ^= freelist_remove(vmp, f.t, f.before, f.n);
	hash_insert(f.t, f.tag, vmem_hash_bucket(vmp, start), slack, is_x);
	count_free(vmp, f.n, size, -(uword)1);
	VMEM_COUNT(vmp->vm_n_free, -1);
	if (PREDICT_FALSE(vmp->vm_index != NULL))
		vmem_index_delete(vmp, start, size);
}

/* Allocate the first `size`, of which slack was not asked for and which has been counted.  The
 * remainder keeps the tag: only its start moves, and where its power of two is another, its list.
 * Value: the segment's tag. */
always_inline u32
seg_take_low(vmem_t *vmp, low_end_t f, uword start, uword size, uword slack, bool is_x)
{
	uword bytes = vmem_seg_bytes(f.t), rest = bytes - size;
	vmem_seg_t *taken, *rotor;
	u32 index, prev;

	if (PREDICT_FALSE(rest == 0)) {
		seg_take_all(vmp, f, start, size, slack, is_x);
		return f.tag;
	}
	prev = f.t->vs_aprev;
	index = vmem_tag_take(vmp, &taken);
	taken->vs_start = start;
	taken->vs_ring = vmem_pair(f.tag, prev);
	vmem_tag(prev)->vs_anext = index;
	f.t->vs_start = start + size;
	f.t->vs_aprev = index;
	hash_insert(taken, index, vmem_hash_bucket(vmp, start), slack, is_x);
	rotor = vmp->vm_rotor_seg;
	if (PREDICT_FALSE(rotor->vs_anext == f.tag))
		rotor->vs_anext = index;
	if (rest >> f.n)
		VMEM_COUNT(vmp->vm_order[f.n].free_bytes, -size);
	else
		free_relist(vmp, f.t, f.tag, f.before, f.n, bytes, rest);
	if (PREDICT_FALSE(vmp->vm_index != NULL))
		vmem_index_change(vmp, start, bytes, start + size, rest, f.tag);
	return index;
}

/** The same from a place that is not the low end. */
u32 vmem_seg_take(vmem_t *vmp, u32 free_tag, uword addr, uword size, uword slack, bool is_x);

/* Next fit goes on at `end`, where the allocated segment `tag` ends. */
always_inline void
vmem_rotor_set(vmem_t *vmp, u32 tag, uword end)
{
	vmem_seg_t *rotor = vmp->vm_rotor_seg;

	rotor->vs_start = end;
	/* The last address wraps to 0, where only the anchor is not behind. */
	rotor->vs_anext = end ? tag : vmp->vm_seg0;
}

/* The tag t, of rounded size, out of the hash, where `before` is its predecessor in the chain or 0,
 * in `bucket`. */
always_inline void
seg_forget(vmem_t *vmp, const vmem_seg_t *t, uword size, uword log2, u32 before, u32 *bucket)
{
	if (PREDICT_FALSE(before != 0))
		vmem_tag_set_knext(vmem_tag(before), vmem_tag_knext(t));
	else
		*bucket = vmem_tag_knext(t);
	VMEM_COUNT(vmp->vm_kstat.vk_free, 1);
	uncount_alloc(vmp, size, log2, t->vs_slack);
}

/* The FREE tag t has grown: into another list where its power of two is another. */
always_inline void
free_grow(vmem_t *vmp, vmem_seg_t *t, u32 index, uword size, uword new_size)
{
	uword n = vmem_freelist_of(size);

	if (new_size >> 1 >> n == 0)
		VMEM_COUNT(vmp->vm_order[n].free_bytes, new_size - size);
	else
		free_relist(vmp, t, index, t->vs_kprev, n, size, new_size);
}

/* So many tags fill a cache of its second level. */
#define VMEM_N_SEGS_FAR (1 << 14)

/** Ask for what merging with prev and next may need: the end of next, and the neighbours in its
 * list of one that may leave it.  Which of it is needed takes sizes and branches to tell, and each
 * would be a way to memory after the other. */
void vmem_seg_prefetch(const vmem_seg_t *prev, const vmem_seg_t *next);

/** The tag t of rounded size, between two free segments, becomes part of the first as does the
 *  second.  Value: their tag. */
u32 vmem_seg_free_between(vmem_t *vmp, vmem_seg_t *t, u32 index, uword size);

/* The tag t at start, of rounded size, whose logarithm is log2, before the tag next: merged with
 * its free neighbours.  Value: the FREE tag, a neighbour's that was free or its own. */
always_inline u32
seg_free(vmem_t *vmp, vmem_seg_t *t, u32 index, uword start, uword size, uword log2,
	 vmem_seg_t *next)
{
	u32 next_index = t->vs_anext, prev_index = t->vs_aprev;
	vmem_seg_t *prev = vmem_tag(prev_index), *grown;
	uword old_size;

	if (PREDICT_FALSE(vmp->vm_n_segs > VMEM_N_SEGS_FAR))
		vmem_seg_prefetch(prev, next);
	if (vmem_tag_is_free(prev)) {
		if (vmem_tag_is_free(next))
			return vmem_seg_free_between(vmp, t, index, size);
		old_size = start - prev->vs_start;
		grown = prev;
	} else if (vmem_tag_is_free(next)) {
		old_size = vmem_seg_bytes(next);
		next->vs_start = start;
		grown = next;
	} else {
		vmp->vm_freemap |= freelist_push(vmp, t, index, log2);
		count_free(vmp, log2, size, 1);
		VMEM_COUNT(vmp->vm_n_free, 1);
		if (PREDICT_FALSE(vmp->vm_index != NULL))
			vmem_index_insert(vmp, start, size, index);
		return index;
	}
	prev->vs_anext = next_index;
	next->vs_aprev = prev_index;
	seg_step_back(vmp, index, prev_index);
	vmem_tag_put(vmp, t, index);
	index = grown == prev ? prev_index : next_index;
	free_grow(vmp, grown, index, old_size, old_size + size);
	if (PREDICT_FALSE(vmp->vm_index != NULL))
		vmem_index_change(vmp, grown == prev ? grown->vs_start : start + size, old_size,
				  grown->vs_start, old_size + size, index);
	return index;
}

#endif
