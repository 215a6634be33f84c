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
/** It begins or ends elsewhere between the same neighbours, and belongs into another list or
 *  stands in an index. */
void vmem_free_move(vmem_t *vmp, u32 index, uword start, uword size, uword new_start,
		    uword new_size);

/** What is between two FREE tags is free, too: the first grows, the other one goes. */
void vmem_free_merge(vmem_t *vmp, u32 index, uword start, uword size, uword new_size, u32 next,
		     uword next_start, uword next_size);

/* It begins or ends elsewhere, between the same neighbours: it moves only when its power of two
 * did. */
always_inline void
free_change(vmem_t *vmp, u32 index, uword start, uword size, uword new_start, uword new_size)
{
	u32 n = vmem_freelist_of(new_size);

	if (PREDICT_TRUE(size >> n == 1 && vmp->vm_index == NULL))
		VMEM_COUNT(vmp->vm_order[n].free_bytes, new_size - size);
	else
		vmem_free_move(vmp, index, start, size, new_start, new_size);
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

/* The tag t, of number index, between the tags prev and next. */
always_inline void
seg_unlink_between(vmem_t *vmp, vmem_seg_t *t, u32 index, vmem_seg_t *prev, vmem_seg_t *next)
{
	vmem_seg_t *rotor = vmp->vm_rotor_seg;
	u32 prev_index = t->vs_aprev;

	/* Places that were remembered by this tag step back to the one before it. */
	if (rotor->vs_anext == index)
		rotor->vs_anext = prev_index;
	for (vmem_walker_t *w = vmp->vm_walkers; PREDICT_FALSE(w != NULL); w = w->next) {
		if (w->hint == index)
			w->hint = prev_index;
	}
	prev->vs_anext = t->vs_anext;
	next->vs_aprev = prev_index;
	vmem_tag_put(vmp, t, index);
}

always_inline void
seg_unlink(vmem_t *vmp, u32 index)
{
	vmem_seg_t *t = vmem_tag(index);

	seg_unlink_between(vmp, t, index, vmem_tag(t->vs_aprev), vmem_tag(t->vs_anext));
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

/* The tag t, of number index, in its bucket. */
always_inline void
hash_insert(vmem_t *vmp, vmem_seg_t *t, u32 index, uword addr, uword size, uword asked, bool is_x)
{
	u32 *bucket = vmem_hash_bucket(vmp, addr), first = *bucket;

	*bucket = index;
	t->vs_knext_type = VMEM_TAG_TYPE(VMEM_TAG_ALLOC) | first | (is_x ? VMEM_TAG_FLAG : 0);
	t->vs_slack = (u32)(size - asked);
	VMEM_COUNT(vmp->vm_kstat.vk_alloc, 1);
	count_segment(vmp, size, asked, 1);
}

/* Allocate the first `size` of a FREE tag t.  The remainder keeps the tag, and most often the
 * list: only its start moves.  Value: the segment's tag. */
always_inline u32
seg_take_low(vmem_t *vmp, vmem_seg_t *t, u32 free_tag, uword size, uword asked, bool is_x)
{
	uword start = t->vs_start, free_size = vmem_seg_bytes(t);
	u32 index = free_tag;

	if (free_size == size) {
		vmem_free_delete(vmp, free_tag, start, free_size);
	} else {
		vmem_seg_t *rest = t, *rotor = vmp->vm_rotor_seg;
		u32 prev = rest->vs_aprev;

		index = vmem_tag_get(vmp);
		t = vmem_tag(index);
		t->vs_start = start;
		t->vs_anext = free_tag;
		t->vs_aprev = prev;
		vmem_tag(prev)->vs_anext = index;
		rest->vs_aprev = index;
		rest->vs_start = start + size;
		if (PREDICT_FALSE(rotor->vs_anext == free_tag))
			rotor->vs_anext = index;
		free_change(vmp, free_tag, start, free_size, start + size, free_size - size);
	}
	hash_insert(vmp, t, index, start, size, asked, is_x);
	return index;
}

/** The same from a place that is not the low end. */
u32 vmem_seg_take(vmem_t *vmp, u32 free_tag, uword addr, uword size, uword asked, bool is_x);

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
seg_forget(vmem_t *vmp, const vmem_seg_t *t, uword size, u32 before, u32 *bucket)
{
	if (PREDICT_FALSE(before != 0))
		vmem_tag_set_knext(vmem_tag(before), vmem_tag_knext(t));
	else
		*bucket = vmem_tag_knext(t);
	VMEM_COUNT(vmp->vm_kstat.vk_free, 1);
	count_segment(vmp, size, size - t->vs_slack, -(uword)1);
}

/* The tag t of rounded size, before the tag next, merged with its free neighbours; the FREE tag is
 * returned.  Both are looked at before either is decided upon, so that the two cache misses are one
 * after the other in name only. */
always_inline u32
seg_free(vmem_t *vmp, vmem_seg_t *t, u32 index, uword size, vmem_seg_t *next)
{
	u32 next_index = t->vs_anext, prev_index = t->vs_aprev;
	vmem_seg_t *prev = vmem_tag(prev_index);
	bool is_next_free = vmem_tag_type(next) == VMEM_TAG_FREE;
	uword start = t->vs_start, other;

	if (vmem_tag_type(prev) == VMEM_TAG_FREE) {
		other = start - prev->vs_start;
		if (is_next_free) {
			vmem_seg_t *behind = vmem_tag(next->vs_anext);
			uword next_size = behind->vs_start - next->vs_start;

			vmem_free_merge(vmp, prev_index, prev->vs_start, other,
					other + size + next_size, next_index, next->vs_start,
					next_size);
			seg_unlink_between(vmp, next, next_index, t, behind);
			seg_unlink_between(vmp, t, index, prev, behind);
			return prev_index;
		}
		seg_unlink_between(vmp, t, index, prev, next);
		free_change(vmp, prev_index, prev->vs_start, other, prev->vs_start, other + size);
		return prev_index;
	}
	if (is_next_free) {
		/* The free neighbour keeps its tag, and most often its list. */
		other = vmem_seg_bytes(next);
		next->vs_start = start;
		seg_unlink_between(vmp, t, index, prev, next);
		free_change(vmp, next_index, start + size, other, start, size + other);
		return next_index;
	}
	vmem_free_insert(vmp, index, start, size);
	return index;
}

#endif
