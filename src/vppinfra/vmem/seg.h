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
/** A FREE tag has grown, by what was next to it and, unless next_size is 0, by another that went:
 *  into the indexes. */
void vmem_free_grown(vmem_t *vmp, u32 index, uword start, uword size, uword new_start,
		     uword new_size, uword next_start, uword next_size);
/** It begins or ends elsewhere, between the same neighbours: into another list where its power of
 *  two is another, and in the indexes. */
void vmem_free_change(vmem_t *vmp, u32 index, uword start, uword size, uword new_start,
		      uword new_size);

/* The FREE tag t, of number index, is the first of list n. */
always_inline void
freelist_push(vmem_t *vmp, vmem_seg_t *t, u32 index, u32 n)
{
	vmem_freelist_t *list = &vmp->vm_freelist[n];
	u32 head = list->vs_knext;

	t->vs_knext_type = VMEM_TAG_TYPE(VMEM_TAG_FREE) | head;
	t->vs_kprev = 0;
	list->vs_knext = index;
	if (head) {
		vmem_tag(head)->vs_kprev = index;
	} else {
		list->vs_kprev = index;
		vmp->vm_freemap |= 1ULL << n;
	}
}

/* prev: the one before it in list n, 0 where it is the first. */
always_inline void
freelist_remove(vmem_t *vmp, const vmem_seg_t *t, u32 prev, u32 n)
{
	vmem_freelist_t *list = &vmp->vm_freelist[n];
	u32 next = vmem_tag_knext(t);

	if (next)
		vmem_tag(next)->vs_kprev = prev;
	else
		list->vs_kprev = prev;
	if (prev) {
		vmem_tag_set_knext(vmem_tag(prev), next);
	} else {
		list->vs_knext = next;
		if (next == 0)
			vmp->vm_freemap ^= 1ULL << n;
	}
}

/* times is 1, or -1 when it goes. */
always_inline void
count_free(vmem_t *vmp, u32 n, uword size, uword times)
{
	VMEM_COUNT(vmp->vm_order[n].n_free, times);
	VMEM_COUNT(vmp->vm_order[n].free_bytes, size * times);
}

/* ---- the ring ---- */

/* Between next and prev.  Stored one by one: as a pair they would be put together in a vector
 * register, which whoever reads one of them soon would wait for. */
always_inline void
seg_link(vmem_seg_t *t, u32 next, u32 prev)
{
	__atomic_store_n(&t->vs_anext, next, __ATOMIC_RELAXED);
	__atomic_store_n(&t->vs_aprev, prev, __ATOMIC_RELAXED);
}

always_inline u32
seg_insert_after(vmem_t *vmp, u32 after, uword start, vmem_tag_type_t type)
{
	vmem_seg_t *t, *prev = vmem_tag(after);
	u32 index = vmem_tag_take(vmp, &t), next = prev->vs_anext;

	t->vs_start = start;
	seg_link(t, next, after);
	t->vs_knext_type = VMEM_TAG_TYPE(type);
	t->vs_kprev = 0;
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

/* What an allocated segment of rounded size counts for, log2 its logarithm; n 1 when it comes, -1
 * when it goes. */
always_inline void
count_segment(vmem_t *vmp, uword size, u32 log2, uword asked, uword n)
{
	vmem_order_t *order = &vmp->vm_order[log2];

	VMEM_COUNT(vmp->vm_n_segs, n);
	VMEM_COUNT(vmp->vm_kstat.vk_mem_inuse, n * asked);
	VMEM_COUNT(order->n_alloc, n);
	VMEM_COUNT(order->alloc_bytes, n * size);
}

/* The tag t, of number index, in its bucket. */
always_inline void
hash_insert(vmem_seg_t *t, u32 index, u32 *bucket, uword slack, bool is_x)
{
	t->vs_knext_type = VMEM_TAG_TYPE(VMEM_TAG_ALLOC) | *bucket | (is_x ? VMEM_TAG_FLAG : 0);
	t->vs_slack = (u32)slack;
	*bucket = index;
}

/* A FREE tag that allocations take the low end of, where `before` is before it in list n. */
typedef struct {
	vmem_seg_t *t;
	u32 tag, n, before;
} low_end_t;

/* Allocate the first `size`, whose logarithm is log2.  The remainder keeps the tag: only its start
 * moves, and where its power of two is another, its list.  Value: the segment's tag. */
always_inline u32
seg_take_low(vmem_t *vmp, low_end_t f, uword size, u32 log2, uword asked, bool is_x)
{
	uword start = f.t->vs_start, bytes = vmem_seg_bytes(f.t), rest = bytes - size;
	u32 *bucket = vmem_hash_bucket(vmp, start), index = f.tag;

	if (PREDICT_TRUE(rest != 0)) {
		vmem_seg_t *taken, *rotor = vmp->vm_rotor_seg;
		u32 prev = f.t->vs_aprev;

		index = vmem_tag_take(vmp, &taken);
		taken->vs_start = start;
		seg_link(taken, f.tag, prev);
		hash_insert(taken, index, bucket, size - asked, is_x);
		vmem_tag(prev)->vs_anext = index;
		f.t->vs_aprev = index;
		f.t->vs_start = start + size;
		if (PREDICT_FALSE(rotor->vs_anext == f.tag))
			rotor->vs_anext = index;
		if (rest >> f.n) {
			VMEM_COUNT(vmp->vm_order[f.n].free_bytes, -size);
		} else {
			u32 n = vmem_freelist_of(rest);

			freelist_remove(vmp, f.t, f.before, f.n);
			freelist_push(vmp, f.t, f.tag, n);
			count_free(vmp, f.n, bytes, -(uword)1);
			count_free(vmp, n, rest, 1);
		}
	} else {
		freelist_remove(vmp, f.t, f.before, f.n);
		hash_insert(f.t, index, bucket, size - asked, is_x);
		count_free(vmp, f.n, bytes, -(uword)1);
		VMEM_COUNT(vmp->vm_n_free, -1);
	}
	VMEM_COUNT(vmp->vm_kstat.vk_alloc, 1);
	count_segment(vmp, size, log2, asked, 1);
	if (PREDICT_FALSE(vmp->vm_index != NULL)) {
		if (rest)
			vmem_index_change(vmp, start, bytes, start + size, rest, f.tag);
		else
			vmem_index_delete(vmp, start, bytes);
	}
	return index;
}

/* Anywhere in the lists. */
always_inline low_end_t
low_end_of(vmem_seg_t *t, u32 tag)
{
	return (low_end_t){ t, tag, vmem_freelist_of(vmem_seg_bytes(t)), t->vs_kprev };
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
seg_forget(vmem_t *vmp, const vmem_seg_t *t, uword size, u32 log2, u32 before, u32 *bucket)
{
	if (PREDICT_FALSE(before != 0))
		vmem_tag_set_knext(vmem_tag(before), vmem_tag_knext(t));
	else
		*bucket = vmem_tag_knext(t);
	VMEM_COUNT(vmp->vm_kstat.vk_free, 1);
	count_segment(vmp, size, log2, size - t->vs_slack, -(uword)1);
}

/* What becomes of a segment that is freed between two others: the indexes' part.  size 0: there was
 * no free neighbour; next_size 0: no second. */
void vmem_free_enter(vmem_t *vmp, u32 index, uword start, uword size, uword new_start,
		     uword new_size, uword next_start, uword next_size);

/* Both neighbours of the tag t are free: prev takes what was next's, too, whose tag goes.
 * Value: next's size. */
always_inline uword
seg_absorb(vmem_t *vmp, vmem_seg_t *prev, u32 prev_index, vmem_seg_t *next, u32 next_index)
{
	u32 behind_index = next->vs_anext, n;
	vmem_seg_t *behind = vmem_tag(behind_index);
	uword size = behind->vs_start - next->vs_start;

	n = vmem_freelist_of(size);
	prev->vs_anext = behind_index;
	behind->vs_aprev = prev_index;
	freelist_remove(vmp, next, next->vs_kprev, n);
	count_free(vmp, n, size, -(uword)1);
	VMEM_COUNT(vmp->vm_n_free, -1);
	seg_step_back(vmp, next_index, prev_index);
	vmem_tag_put(vmp, next, next_index);
	return size;
}

/* The tag t at start, of rounded size, whose logarithm is log2, before the tag next: merged with
 * its free neighbours.  Value: the FREE tag, a neighbour's that was free or its own. */
always_inline u32
seg_free(vmem_t *vmp, vmem_seg_t *t, u32 index, uword start, uword size, u32 log2, vmem_seg_t *next)
{
	u32 next_index = t->vs_anext, prev_index = t->vs_aprev, n;
	vmem_seg_t *prev = vmem_tag(prev_index);
	/* Of the neighbour that grows, and of the one that goes besides. */
	uword old_start, old_size, next_start = 0, next_size = 0, new_start = start, new_size;

	if (vmem_tag_is_free(prev)) {
		old_start = new_start = prev->vs_start;
		old_size = start - old_start;
		if (vmem_tag_is_free(next)) {
			next_start = next->vs_start;
			next_size = seg_absorb(vmp, prev, prev_index, next, next_index);
		} else {
			prev->vs_anext = next_index;
			next->vs_aprev = prev_index;
		}
		seg_step_back(vmp, index, prev_index);
		vmem_tag_put(vmp, t, index);
		t = prev;
		index = prev_index;
	} else if (vmem_tag_is_free(next)) {
		old_start = start + size;
		old_size = vmem_seg_bytes(next);
		next->vs_start = start;
		prev->vs_anext = next_index;
		next->vs_aprev = prev_index;
		seg_step_back(vmp, index, prev_index);
		vmem_tag_put(vmp, t, index);
		t = next;
		index = next_index;
	} else {
		VMEM_COUNT(vmp->vm_n_free, 1);
		freelist_push(vmp, t, index, log2);
		count_free(vmp, log2, size, 1);
		if (PREDICT_FALSE(vmp->vm_index != NULL))
			vmem_index_insert(vmp, start, size, index);
		return index;
	}
	new_size = old_size + size + next_size;
	n = vmem_freelist_of(old_size);
	/* It most often stays in its list. */
	if ((new_size >> 1) >> n == 0) {
		VMEM_COUNT(vmp->vm_order[n].free_bytes, new_size - old_size);
	} else {
		freelist_remove(vmp, t, t->vs_kprev, n);
		count_free(vmp, n, old_size, -(uword)1);
		n = vmem_freelist_of(new_size);
		freelist_push(vmp, t, index, n);
		count_free(vmp, n, new_size, 1);
	}
	if (PREDICT_FALSE(vmp->vm_index != NULL))
		vmem_free_grown(vmp, index, old_start, old_size, new_start, new_size, next_start,
				next_size);
	return index;
}

#endif
