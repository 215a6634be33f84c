/* SPDX-License-Identifier: Apache-2.0 */
/* What is done to the ring of tags, the free lists and the hash, piece by piece, inline: an
 * allocation that takes the low end of a segment and a free are made of nothing else.  Everything
 * here runs with the arena locked and needs no memory: the tags are there. */
#ifndef included_vppinfra_vmem_seg_h
#define included_vppinfra_vmem_seg_h

#include "vmem_impl.h"

/* ---- free lists ---- */

always_inline void
freelist_insert(vmem_t *vmp, u32 index, uword size)
{
	u32 n = vmem_freelist_of(size), head = vmp->vm_freelist[n].vs_knext;
	vmem_seg_t *t = vmem_tag(index);

	t->vs_knext_type = VMEM_TAG_TYPE(VMEM_TAG_FREE) | head;
	t->vs_kprev = 0;
	if (head)
		vmem_tag(head)->vs_kprev = index;
	else
		vmp->vm_freelist[n].vs_kprev = index;
	vmp->vm_freelist[n].vs_knext = index;
	vmp->vm_freemap |= 1ULL << n;
	VMEM_COUNT(vmp->vm_order[n].n_free, 1);
	VMEM_COUNT(vmp->vm_order[n].free_bytes, size);
}

always_inline void
freelist_delete(vmem_t *vmp, u32 index, uword size)
{
	u32 n = vmem_freelist_of(size);
	vmem_seg_t *t = vmem_tag(index);
	u32 next = vmem_tag_knext(t), prev = t->vs_kprev;

	if (next)
		vmem_tag(next)->vs_kprev = prev;
	else
		vmp->vm_freelist[n].vs_kprev = prev;
	if (prev)
		vmem_tag_set_knext(vmem_tag(prev), next);
	else
		vmp->vm_freelist[n].vs_knext = next;
	if (next == 0 && prev == 0)
		vmp->vm_freemap &= ~(1ULL << n);
	VMEM_COUNT(vmp->vm_order[n].n_free, -1);
	VMEM_COUNT(vmp->vm_order[n].free_bytes, -size);
}

/* The size of a FREE tag changed: it moves only when its power of two did. */
always_inline void
freelist_resize(vmem_t *vmp, u32 index, uword old_size, uword new_size)
{
	u32 n = vmem_freelist_of(new_size);

	if (PREDICT_TRUE(vmem_freelist_of(old_size) == n)) {
		VMEM_COUNT(vmp->vm_order[n].free_bytes, new_size - old_size);
		return;
	}
	freelist_delete(vmp, index, old_size);
	freelist_insert(vmp, index, new_size);
}

/* ---- free segments, in their list and in the indexes ---- */

always_inline void
free_insert(vmem_t *vmp, u32 index, uword start, uword size)
{
	vmp->vm_n_free++;
	freelist_insert(vmp, index, size);
	if (PREDICT_FALSE(vmp->vm_index != NULL))
		vmem_index_insert(vmp, start, size, index);
}

always_inline void
free_delete(vmem_t *vmp, u32 index, uword start, uword size)
{
	vmp->vm_n_free--;
	freelist_delete(vmp, index, size);
	if (PREDICT_FALSE(vmp->vm_index != NULL))
		vmem_index_delete(vmp, start, size);
}

/* It begins or ends elsewhere, between the same neighbours. */
always_inline void
free_change(vmem_t *vmp, u32 index, uword start, uword size, uword new_start, uword new_size)
{
	freelist_resize(vmp, index, size, new_size);
	if (PREDICT_FALSE(vmp->vm_index != NULL))
		vmem_index_change(vmp, start, size, new_start, new_size, index);
}

/* ---- the ring ---- */

always_inline u32
seg_insert_after(vmem_t *vmp, u32 after, uword start, vmem_tag_type_t type)
{
	u32 index = vmem_tag_get(vmp), next;
	vmem_seg_t *t = vmem_tag(index), *prev = vmem_tag(after);

	next = prev->vs_anext;
	t->vs_start = start;
	t->vs_anext = next;
	t->vs_aprev = after;
	t->vs_knext_type = VMEM_TAG_TYPE(type);
	t->vs_kprev = 0;
	prev->vs_anext = index;
	vmem_tag(next)->vs_aprev = index;
	return index;
}

always_inline void
seg_unlink(vmem_t *vmp, u32 index)
{
	vmem_seg_t *t = vmem_tag(index), *rotor = vmp->vm_rotor_seg;

	/* Places that were remembered by this tag step back to the one before it. */
	if (rotor->vs_anext == index)
		rotor->vs_anext = t->vs_aprev;
	for (vmem_walker_t *w = vmp->vm_walkers; w; w = w->next) {
		if (w->hint == index)
			w->hint = t->vs_aprev;
	}
	vmem_tag(t->vs_aprev)->vs_anext = t->vs_anext;
	vmem_tag(t->vs_anext)->vs_aprev = t->vs_aprev;
	vmem_tag_put(vmp, index);
}

/* ---- allocated segments ---- */

/* What an allocated segment of rounded size counts for; n 1 when it comes, -1 when it goes. */
always_inline void
count_segment(vmem_t *vmp, uword size, uword asked, uword n)
{
	vmem_order_t *order = &vmp->vm_order[vmem_freelist_of(size)];

	VMEM_COUNT(vmp->vm_n_segs, n);
	VMEM_COUNT(vmp->vm_kstat.vk_mem_inuse, n * asked);
	VMEM_COUNT(order->n_alloc, n);
	VMEM_COUNT(order->alloc_bytes, n * size);
}

always_inline void
hash_insert(vmem_t *vmp, u32 index, uword addr, uword size, uword asked, bool is_x)
{
	vmem_seg_t *t = vmem_tag(index);
	u32 *bucket = vmem_hash_bucket(vmp, addr);

	t->vs_knext_type = VMEM_TAG_TYPE(VMEM_TAG_ALLOC) | *bucket | (is_x ? VMEM_TAG_FLAG : 0);
	t->vs_slack = (u32)(size - asked);
	*bucket = index;
	VMEM_COUNT(vmp->vm_kstat.vk_alloc, 1);
	count_segment(vmp, size, asked, 1);
}

/* Allocate the first `size` of a FREE tag.  The remainder keeps the tag, and most often the list:
 * only its start moves. */
always_inline void
seg_take_low(vmem_t *vmp, u32 free_tag, uword size, uword asked, bool is_x)
{
	vmem_seg_t *t = vmem_tag(free_tag), *rotor = vmp->vm_rotor_seg;
	uword start = t->vs_start, free_size = vmem_seg_bytes(t);
	u32 index = free_tag;

	if (free_size == size) {
		free_delete(vmp, free_tag, start, free_size);
	} else {
		index = seg_insert_after(vmp, t->vs_aprev, start, VMEM_TAG_ALLOC);
		t->vs_start = start + size;
		if (rotor->vs_anext == free_tag)
			rotor->vs_anext = index;
		free_change(vmp, free_tag, start, free_size, start + size, free_size - size);
	}
	hash_insert(vmp, index, start, size, asked, is_x);
}

/* Out of the hash, where `before` is its predecessor in the chain or 0, in `bucket`. */
always_inline void
seg_forget(vmem_t *vmp, u32 index, u32 before, u32 *bucket)
{
	vmem_seg_t *t = vmem_tag(index);
	uword size = vmem_seg_bytes(t);

	if (before)
		vmem_tag_set_knext(vmem_tag(before), vmem_tag_knext(t));
	else
		*bucket = vmem_tag_knext(t);
	VMEM_COUNT(vmp->vm_kstat.vk_free, 1);
	count_segment(vmp, size, size - t->vs_slack, -(uword)1);
}

/* Merged with its free neighbours; the FREE tag is returned.  Both are looked at before either is
 * decided upon, so that the two cache misses are one after the other in name only. */
always_inline u32
seg_free(vmem_t *vmp, u32 index)
{
	vmem_seg_t *t = vmem_tag(index), *next = vmem_tag(t->vs_anext),
		   *prev = vmem_tag(t->vs_aprev);
	u32 next_index = t->vs_anext, prev_index = t->vs_aprev;
	bool is_next_free = vmem_tag_type(next) == VMEM_TAG_FREE;
	bool is_prev_free = vmem_tag_type(prev) == VMEM_TAG_FREE;
	uword start = t->vs_start, size = next->vs_start - start, other;

	if (is_prev_free) {
		other = start - prev->vs_start;
		if (is_next_free) {
			uword next_size = vmem_seg_bytes(next);

			free_delete(vmp, next_index, next->vs_start, next_size);
			seg_unlink(vmp, next_index);
			size += next_size;
		}
		seg_unlink(vmp, index);
		free_change(vmp, prev_index, prev->vs_start, other, prev->vs_start, other + size);
		return prev_index;
	}
	if (is_next_free) {
		/* The free neighbour keeps its tag, and most often its list. */
		other = vmem_seg_bytes(next);
		next->vs_start = start;
		seg_unlink(vmp, index);
		free_change(vmp, next_index, start + size, other, start, size + other);
		return next_index;
	}
	free_insert(vmp, index, start, size);
	return index;
}

#endif
