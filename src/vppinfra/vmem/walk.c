/* SPDX-License-Identifier: Apache-2.0 */
/* Walks along the ring of tags, and what is found by one.  Others have the arena between its
 * slices; the place reached is linked into vm_walkers, so it stays one whatever comes and goes. */
#include "fast.h"

/* Tags between two chances for others to take the lock. */
#define N_SLICE 64

static void
begin(vmem_t *vmp, vmem_walker_t *w, u32 hint)
{
	*w = (vmem_walker_t){ .next = vmp->vm_walkers, .hint = hint };
	vmp->vm_walkers = w;
}

static void
end(vmem_t *vmp, const vmem_walker_t *w)
{
	vmem_walker_t **link = &vmp->vm_walkers;

	while (*link != w)
		link = &(*link)->next;
	*link = w->next;
}

void
vmem_walk_begin(vmem_t *vmp, vmem_walker_t *w)
{
	vmem_lock(&vmp->vm_lock);
	begin(vmp, w, vmp->vm_seg0);
}

void
vmem_walk_end(vmem_t *vmp, const vmem_walker_t *w)
{
	end(vmp, w);
	vmem_unlock(&vmp->vm_lock);
}

const vmem_seg_t *
vmem_walk_next(vmem_t *vmp, vmem_walker_t *w, int typemask, bool may_yield, uword *size)
{
	for (u32 n_steps = 1;; n_steps++) {
		u32 index = vmem_tag(w->hint)->vs_anext;
		const vmem_seg_t *t = vmem_tag(index);
		bool is_wanted;

		if (index == vmp->vm_seg0)
			return NULL;
		w->hint = index;
		switch (vmem_tag_type(t)) {
		case VMEM_TAG_ALLOC:
			is_wanted = typemask & VMEM_ALLOC;
			*size = vmem_seg_bytes(t) - t->vs_slack;
			break;
		case VMEM_TAG_FREE:
			is_wanted = typemask & VMEM_FREE;
			*size = vmem_seg_bytes(t);
			break;
		case VMEM_TAG_SPAN:
			is_wanted = typemask & VMEM_SPAN;
			*size = vmem_span_bytes(t);
			break;
		default:
			is_wanted = false;
			break;
		}
		/* Below the cursor: born behind our back, when the tag we stood on was merged. */
		if (is_wanted && t->vs_start >= w->cursor) {
			w->cursor = t->vs_start + (vmem_tag_type(t) == VMEM_TAG_SPAN ? 0 : *size);
			return t;
		}
		if (may_yield && n_steps % N_SLICE == 0)
			vmem_lock_yield(&vmp->vm_lock);
	}
}

void
vmem_walk(vmem_t *vmp, int typemask, void (*func)(void *, void *, size_t), void *arg)
{
	bool is_reentrant = typemask & (int)VMEM_REENTRANT;
	vmem_walker_t walker;
	const vmem_seg_t *t;
	uword size = 0;

	vmem_walk_begin(vmp, &walker);
	while ((t = vmem_walk_next(vmp, &walker, typemask, is_reentrant, &size)) != NULL) {
		uword start = t->vs_start;

		if (is_reentrant)
			vmem_unlock(&vmp->vm_lock);
		func(arg, uword_to_pointer(start, void *), size);
		if (is_reentrant)
			vmem_lock(&vmp->vm_lock);
	}
	vmem_walk_end(vmp, &walker);
}

/* The reentrant walk goes on whatever is freed. */
static void
xfree(void *arg, void *p, size_t size)
{
	vmem_t *vmp = arg;

	vmem_core_xfree_if(vmp, pointer_to_uword(p), size);
}

void
vmem_core_xfreeall(vmem_t *vmp)
{
	vmem_walk(vmp, VMEM_ALLOC | (int)VMEM_REENTRANT, xfree, vmp);
}

u32
vmem_locate(vmem_t *vmp, uword addr)
{
	u64 n_steps = 0;
	u32 before, found = hash_lookup(vmp, addr, vmem_hash_bucket(vmp, addr), &before);
	u32 span = found ? 0 : vmem_span_below(vmp, addr, &n_steps);
	vmem_walker_t walker;

	if (span == 0 || addr - vmem_tag(span)->vs_start >= vmem_span_bytes(vmem_tag(span)))
		return found;
	begin(vmp, &walker, span);
	for (n_steps = 1;; n_steps++) {
		u32 index = vmem_tag(walker.hint)->vs_anext;
		const vmem_seg_t *t = vmem_tag(index);
		vmem_tag_type_t type = vmem_tag_type(t);

		if (index == vmp->vm_seg0 || t->vs_start > addr)
			break;
		if ((type == VMEM_TAG_ALLOC || type == VMEM_TAG_FREE) &&
		    addr - t->vs_start < vmem_seg_bytes(t)) {
			found = index;
			break;
		}
		walker.hint = index;
		if (n_steps % N_SLICE == 0)
			vmem_lock_yield(&vmp->vm_lock);
	}
	end(vmp, &walker);
	return found;
}
