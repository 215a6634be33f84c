/* SPDX-License-Identifier: Apache-2.0 */
/* Spans, and what is done to segments less often than taking the low end and freeing: any other
 * place in a segment, another size in place, taking a range out.  Everything here runs with the
 * arena locked and needs no memory: the tags are there. */
#include "seg.h"

/* ---- free segments ---- */

void
vmem_free_insert(vmem_t *vmp, u32 index, uword start, uword size)
{
	uword n = vmem_freelist_of(size);

	VMEM_COUNT(vmp->vm_n_free, 1);
	vmp->vm_freemap |= freelist_push(vmp, vmem_tag(index), index, n);
	count_free(vmp, n, size, 1);
	if (vmp->vm_index != NULL)
		vmem_index_insert(vmp, start, size, index);
}

void
vmem_free_delete(vmem_t *vmp, u32 index, uword start, uword size)
{
	const vmem_seg_t *t = vmem_tag(index);
	uword n = vmem_freelist_of(size);

	VMEM_COUNT(vmp->vm_n_free, -1);
	vmp->vm_freemap ^= freelist_remove(vmp, t, t->vs_kprev, n);
	count_free(vmp, n, size, -(uword)1);
	if (vmp->vm_index != NULL)
		vmem_index_delete(vmp, start, size);
}

void
vmem_free_change(vmem_t *vmp, u32 index, uword start, uword size, uword new_start, uword new_size)
{
	uword n = vmem_freelist_of(size);
	vmem_seg_t *t = vmem_tag(index);

	if (n == vmem_freelist_of(new_size))
		VMEM_COUNT(vmp->vm_order[n].free_bytes, new_size - size);
	else
		free_relist(vmp, t, index, t->vs_kprev, n, size, new_size);
	if (vmp->vm_index != NULL)
		vmem_index_change(vmp, start, size, new_start, new_size, index);
}

/* ---- spans ---- */

int
vmem_span_create(vmem_t *vmp, uword addr, uword size, bool is_import, u32 *free_tag)
{
	u64 n_steps = 0;
	u32 below = vmem_span_below(vmp, addr, &n_steps);
	u32 above = vmem_span_next(vmp, below), span, end;
	vmem_seg_t *t;

	if (below && addr - vmem_tag(below)->vs_start < vmem_span_bytes(vmem_tag(below)))
		return -EEXIST;
	if (above && vmem_tag(above)->vs_start - addr < size)
		return -EEXIST;

	span = seg_insert_after(vmp, below ? vmem_tag(below)->vs_kprev : vmp->vm_seg0, addr,
				VMEM_TAG_SPAN);
	*free_tag = seg_insert_after(vmp, span, addr, VMEM_TAG_FREE);
	end = seg_insert_after(vmp, *free_tag, addr + size, VMEM_TAG_END);
	t = vmem_tag(span);
	t->vs_kprev = end;
	if (is_import)
		t->vs_knext_type |= VMEM_TAG_FLAG;
	vmem_tag_set_knext(vmem_tag(end), span);
	vmem_span_enter(vmp, span);

	vmem_free_insert(vmp, *free_tag, addr, size);
	VMEM_COUNT(vmp->vm_kstat.vk_mem_total, size);
	if (is_import) {
		VMEM_COUNT(vmp->vm_kstat.vk_mem_import, size);
		VMEM_COUNT(vmp->vm_kstat.vk_import, 1);
	}
	return 0;
}

void
vmem_span_destroy(vmem_t *vmp, u32 free_tag)
{
	vmem_seg_t *t = vmem_tag(free_tag);
	u32 span = t->vs_aprev, end = t->vs_anext;
	uword size = vmem_seg_bytes(t);

	VMEM_COUNT(vmp->vm_kstat.vk_mem_total, -size);
	if (vmem_tag_flag(vmem_tag(span))) {
		VMEM_COUNT(vmp->vm_kstat.vk_mem_import, -size);
		VMEM_COUNT(vmp->vm_kstat.vk_export, 1);
	}
	vmem_span_leave(vmp, span);
	vmem_free_delete(vmp, free_tag, t->vs_start, size);
	seg_unlink(vmp, end);
	seg_unlink(vmp, free_tag);
	seg_unlink(vmp, span);
}

/* ---- allocated segments ---- */

u32
vmem_seg_take(vmem_t *vmp, u32 free_tag, uword addr, uword size, uword slack, bool is_x)
{
	uword start = vmem_tag(free_tag)->vs_start, bytes = vmem_seg_bytes(vmem_tag(free_tag));
	uword left = addr - start, right = bytes - left - size;
	u32 index = seg_insert_after(vmp, free_tag, addr, VMEM_TAG_ALLOC);

	vmem_free_change(vmp, free_tag, start, bytes, start, left);
	if (right) {
		u32 rest = seg_insert_after(vmp, index, addr + size, VMEM_TAG_FREE);

		vmem_free_insert(vmp, rest, addr + size, right);
	}
	hash_insert(vmem_tag(index), index, vmem_hash_bucket(vmp, addr), slack, is_x);
	return index;
}

void
vmem_seg_alloc(vmem_t *vmp, u32 free_tag, uword addr, const vmem_search_t *s)
{
	vmem_seg_t *t = vmem_tag(free_tag);
	bool is_x = s->flags & VMEM_REQUEST_X;
	uword slack = s->size - s->asked;
	u32 index;

	VMEM_COUNT(vmp->vm_kstat.vk_alloc, 1);
	count_alloc(vmp, s->size, vmem_freelist_of(s->size), slack);
	if (addr == t->vs_start)
		index = seg_take_low(vmp, low_end_of(t, free_tag), addr, s->size, slack, is_x);
	else
		index = vmem_seg_take(vmp, free_tag, addr, s->size, slack, is_x);
	if (s->policy == VMEM_POLICY_NEXT)
		vmem_rotor_set(vmp, index, addr + s->size);
}

void
vmem_seg_prefetch(const vmem_seg_t *prev, const vmem_seg_t *next)
{
	const vmem_seg_t *grown = vmem_tag_is_free(next) ? next : prev;
	u32 mask = vmem_tag_is_free(grown) ? ~0u : 0;

	__builtin_prefetch(vmem_tag(next->vs_anext), 1);
	__builtin_prefetch(vmem_tag(vmem_tag_knext(grown) & mask), 1);
	__builtin_prefetch(vmem_tag(grown->vs_kprev & mask), 1);
}

u32
vmem_seg_free_between(vmem_t *vmp, vmem_seg_t *t, u32 index, uword size)
{
	u32 next_index = t->vs_anext, prev_index = t->vs_aprev, behind_index;
	vmem_seg_t *next = vmem_tag(next_index), *prev = vmem_tag(prev_index), *behind;
	uword start = prev->vs_start, old_size = t->vs_start - start, next_start = next->vs_start;
	uword next_size, new_size, n;

	behind_index = next->vs_anext;
	behind = vmem_tag(behind_index);
	next_size = behind->vs_start - next_start;
	new_size = old_size + size + next_size;
	prev->vs_anext = behind_index;
	behind->vs_aprev = prev_index;

	n = vmem_freelist_of(next_size);
	vmp->vm_freemap ^= freelist_remove(vmp, next, next->vs_kprev, n);
	count_free(vmp, n, next_size, -(uword)1);
	VMEM_COUNT(vmp->vm_n_free, -1);
	seg_step_back(vmp, next_index, prev_index);
	vmem_tag_put(vmp, next, next_index);
	seg_step_back(vmp, index, prev_index);
	vmem_tag_put(vmp, t, index);

	free_grow(vmp, prev, prev_index, old_size, new_size);
	if (PREDICT_FALSE(vmp->vm_index != NULL))
		vmem_index_merge(vmp, start, old_size, new_size, next_start, next_size, prev_index);
	return prev_index;
}

/* ---- in place ---- */

void
vmem_seg_resize(vmem_t *vmp, u32 index, uword size, uword asked)
{
	vmem_seg_t *t = vmem_tag(index), *next = vmem_tag(t->vs_anext);
	uword old_size = vmem_seg_bytes(t), end = t->vs_start + size;
	bool is_next_free = vmem_tag_type(next) == VMEM_TAG_FREE;

	uncount_alloc(vmp, old_size, vmem_freelist_of(old_size), t->vs_slack);
	count_alloc(vmp, size, vmem_freelist_of(size), size - asked);
	t->vs_slack = (u32)(size - asked);
	if (size == old_size)
		return;
	if (is_next_free) {
		uword start = next->vs_start, free_size = vmem_seg_bytes(next);
		u32 next_index = t->vs_anext;

		if (size - old_size == free_size) {
			vmem_free_delete(vmp, next_index, start, free_size);
			seg_unlink(vmp, next_index);
		} else {
			next->vs_start = end;
			if (vmp->vm_rotor_seg->vs_anext == next_index)
				vmp->vm_rotor_seg->vs_anext = index;
			vmem_free_change(vmp, next_index, start, free_size, end,
					 free_size + old_size - size);
		}
	} else {
		u32 rest = seg_insert_after(vmp, index, end, VMEM_TAG_FREE);

		vmem_free_insert(vmp, rest, end, old_size - size);
	}
}

/* Cut a FREE tag in two at `at`, strictly inside, both FREE for the moment.  Value: the right. */
static u32
split_free(vmem_t *vmp, u32 index, uword at)
{
	vmem_seg_t *t = vmem_tag(index);
	uword start = t->vs_start, size = vmem_seg_bytes(t);
	u32 right = seg_insert_after(vmp, index, at, VMEM_TAG_FREE);

	vmem_free_change(vmp, index, start, size, start, at - start);
	vmem_free_insert(vmp, right, at, start + size - at);
	return right;
}

void
vmem_seg_remove(vmem_t *vmp, u32 index, uword addr, uword size)
{
	uword end = addr + size;
	u64 n_steps = 0;
	u32 span = vmem_span_below(vmp, addr, &n_steps), left, right;

	if (vmem_tag(index)->vs_start != addr)
		index = split_free(vmp, index, addr);
	if (vmem_tag(vmem_tag(index)->vs_anext)->vs_start != end)
		split_free(vmp, index, end);
	left = vmem_tag(index)->vs_aprev;
	right = vmem_tag(index)->vs_anext;
	vmp->vm_rotor_seg->vs_anext = vmp->vm_seg0;
	if (left == span && vmem_tag_type(vmem_tag(right)) == VMEM_TAG_END) {
		vmem_span_destroy(vmp, index);
		return;
	}

	VMEM_COUNT(vmp->vm_kstat.vk_mem_total, -size);
	vmem_free_delete(vmp, index, addr, size);
	seg_unlink(vmp, index);
	if (left == span) {
		vmem_tag(span)->vs_start = end;
	} else if (vmem_tag_type(vmem_tag(right)) == VMEM_TAG_END) {
		vmem_tag(right)->vs_start = addr;
	} else {
		/* One span becomes two: left of the hole, with a new end, and right of it. */
		u32 old_end = vmem_tag(span)->vs_kprev;
		u32 new_end = seg_insert_after(vmp, left, addr, VMEM_TAG_END);
		u32 new_span = seg_insert_after(vmp, new_end, end, VMEM_TAG_SPAN);

		vmem_tag(new_span)->vs_kprev = old_end;
		vmem_tag_set_knext(vmem_tag(old_end), new_span);
		vmem_tag(span)->vs_kprev = new_end;
		vmem_tag_set_knext(vmem_tag(new_end), span);
		/* The right child is the left span's. */
		vmem_tag(new_end)->vs_kprev = vmem_tag(old_end)->vs_kprev;
		vmem_span_enter(vmp, new_span);
	}
}
