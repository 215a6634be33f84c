/* SPDX-License-Identifier: Apache-2.0 */
/* Segments and spans: the ring of tags, the free lists, and what splitting and merging do to
 * them.  Everything here runs with the arena locked and needs no memory: the tags are there. */
#include "vmem_impl.h"

#include <stdatomic.h>

/* ---- free lists ---- */

void
vmem_freelist_insert(vmem_t *vmp, u32 index, uword size)
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
	if (PREDICT_FALSE(vmp->vm_n_waiters != 0))
		pthread_cond_broadcast(&vmp->vm_cv);
}

void
vmem_freelist_delete(vmem_t *vmp, u32 index, uword size)
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
}

/* The size of a FREE tag changed: it moves only when its power of two did. */
static void
freelist_resize(vmem_t *vmp, u32 index, uword old_size, uword new_size)
{
	if (vmem_freelist_of(old_size) == vmem_freelist_of(new_size)) {
		if (new_size > old_size && PREDICT_FALSE(vmp->vm_n_waiters != 0))
			pthread_cond_broadcast(&vmp->vm_cv);
		return;
	}
	vmem_freelist_delete(vmp, index, old_size);
	vmem_freelist_insert(vmp, index, new_size);
}

/* ---- the ring ---- */

static u32
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

void
vmem_seg_unlink(vmem_t *vmp, u32 index)
{
	vmem_seg_t *t = vmem_tag(index), *rotor = vmem_tag(vmp->vm_rotor);

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

/* ---- spans ---- */

/* The span before a span: its END precedes the SPAN tag in the ring, or else the anchor does. */
static u32
span_prev(const vmem_t *vmp, u32 span)
{
	u32 before = vmem_tag(span)->vs_aprev;

	return before == vmp->vm_seg0 ? 0 : vmem_tag_knext(vmem_tag(before));
}

u32
vmem_span_next(const vmem_t *vmp, u32 span)
{
	return vmem_tag_knext(vmem_tag(span ? span : vmp->vm_seg0));
}

/* The search begins at the span found last: imports and look-ups come in runs. */
u32
vmem_span_below(vmem_t *vmp, uword addr, u64 *n_steps)
{
	vmem_seg_t *anchor = vmem_tag(vmp->vm_seg0);
	u32 span = anchor->vs_kprev, next;

	while (span && vmem_tag(span)->vs_start > addr) {
		span = span_prev(vmp, span);
		(*n_steps)++;
	}
	for (;;) {
		next = vmem_span_next(vmp, span);
		(*n_steps)++;
		if (next == 0 || vmem_tag(next)->vs_start > addr)
			break;
		span = next;
	}
	anchor->vs_kprev = span;
	return span;
}

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
	vmem_tag_set_knext(t, above);
	if (is_import)
		t->vs_knext_type |= VMEM_TAG_FLAG;
	vmem_tag_set_knext(vmem_tag(end), span);
	vmem_tag_set_knext(vmem_tag(below ? below : vmp->vm_seg0), span);
	vmem_tag(vmp->vm_seg0)->vs_kprev = span;

	vmem_freelist_insert(vmp, *free_tag, size);
	vmp->vm_kstat.vk_mem_total += size;
	if (is_import) {
		vmp->vm_kstat.vk_mem_import += size;
		vmp->vm_kstat.vk_import++;
	}
	return 0;
}

void
vmem_span_destroy(vmem_t *vmp, u32 free_tag)
{
	vmem_seg_t *t = vmem_tag(free_tag);
	u32 span = t->vs_aprev, end = t->vs_anext, prev = span_prev(vmp, span);
	uword size = vmem_seg_bytes(t);

	vmp->vm_kstat.vk_mem_total -= size;
	if (vmem_tag_flag(vmem_tag(span))) {
		vmp->vm_kstat.vk_mem_import -= size;
		vmp->vm_kstat.vk_export++;
	}
	vmem_tag_set_knext(vmem_tag(prev ? prev : vmp->vm_seg0), vmem_tag_knext(vmem_tag(span)));
	if (vmem_tag(vmp->vm_seg0)->vs_kprev == span)
		vmem_tag(vmp->vm_seg0)->vs_kprev = prev;
	vmem_freelist_delete(vmp, free_tag, size);
	vmem_seg_unlink(vmp, end);
	vmem_seg_unlink(vmp, free_tag);
	vmem_seg_unlink(vmp, span);
}

/* ---- allocated segments ---- */

static void
hash_insert(vmem_t *vmp, u32 index, const vmem_search_t *s)
{
	vmem_seg_t *t = vmem_tag(index);
	u32 *bucket = vmem_hash_bucket(vmp, t->vs_start);

	t->vs_knext_type = VMEM_TAG_TYPE(VMEM_TAG_ALLOC) | *bucket;
	if (s->flags & VMEM_REQUEST_X)
		t->vs_knext_type |= VMEM_TAG_FLAG;
	t->vs_slack = (u32)(s->size - s->asked);
	*bucket = index;
	vmp->vm_n_segs++;
	vmp->vm_kstat.vk_alloc++;
	vmp->vm_kstat.vk_mem_inuse += s->asked;
}

void
vmem_seg_alloc(vmem_t *vmp, u32 free_tag, uword addr, const vmem_search_t *s)
{
	vmem_seg_t *t = vmem_tag(free_tag), *rotor = vmem_tag(vmp->vm_rotor);
	uword size = vmem_seg_bytes(t), left = addr - t->vs_start, right = size - left - s->size;
	u32 index = free_tag;

	if (left == 0 && right == 0) {
		vmem_freelist_delete(vmp, free_tag, size);
	} else if (left == 0) {
		/* The remainder keeps the tag, and most often the list: only its start moves. */
		index = seg_insert_after(vmp, t->vs_aprev, addr, VMEM_TAG_ALLOC);
		t->vs_start = addr + s->size;
		if (rotor->vs_anext == free_tag)
			rotor->vs_anext = index;
		freelist_resize(vmp, free_tag, size, right);
	} else {
		index = seg_insert_after(vmp, free_tag, addr, VMEM_TAG_ALLOC);
		if (right) {
			u32 rest = seg_insert_after(vmp, index, addr + s->size, VMEM_TAG_FREE);

			vmem_freelist_insert(vmp, rest, right);
		}
		freelist_resize(vmp, free_tag, size, left);
	}
	hash_insert(vmp, index, s);
	if (s->policy == VMEM_POLICY_NEXT) {
		rotor->vs_start = addr + s->size;
		/* The last address wraps to 0, where only the anchor is not behind. */
		rotor->vs_anext = rotor->vs_start ? index : vmp->vm_seg0;
	}
}

u32
vmem_seg_free(vmem_t *vmp, u32 index)
{
	vmem_seg_t *t = vmem_tag(index), *next = vmem_tag(t->vs_anext),
		   *prev = vmem_tag(t->vs_aprev);
	uword size = next->vs_start - t->vs_start;

	if (vmem_tag_type(next) == VMEM_TAG_FREE) {
		uword next_size = vmem_seg_bytes(next);

		vmem_freelist_delete(vmp, t->vs_anext, next_size);
		vmem_seg_unlink(vmp, t->vs_anext);
		size += next_size;
	}
	if (vmem_tag_type(prev) == VMEM_TAG_FREE) {
		uword prev_size = t->vs_start - prev->vs_start;
		u32 merged = t->vs_aprev;

		vmem_seg_unlink(vmp, index);
		freelist_resize(vmp, merged, prev_size, prev_size + size);
		return merged;
	}
	vmem_freelist_insert(vmp, index, size);
	return index;
}
