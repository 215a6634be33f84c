/* SPDX-License-Identifier: Apache-2.0 */
/* Spans, as callers know them: added, asked about, taken out again. */
#include "vmem_impl.h"

int
vmem_core_add(vmem_t *vmp, uword addr, uword size)
{
	vmem_after_t after = { .has_room = 1 };
	u32 tag;
	int error;

	if (size == 0 || ((addr | size) & (vmp->vm_quantum - 1)) || addr + size - 1 < addr)
		return -EINVAL;
	vmem_lock(&vmp->vm_lock);
	error = vmem_populate(vmp);
	if (!error)
		error = vmem_span_create(vmp, addr, size, false, &tag);
	if (!error && vmp->vm_waiters)
		vmem_serve_waiters(vmp, tag);
	vmem_after_unlock(vmp, &after);
	vmem_after_run(vmp, &after);
	return error;
}

bool
vmem_core_contains(vmem_t *vmp, uword addr, uword size)
{
	bool is_inside = false;
	u64 n_steps = 0;
	u32 span;

	vmem_lock(&vmp->vm_lock);
	span = vmem_span_below(vmp, addr, &n_steps);
	VMEM_COUNT(vmp->vm_kstat.vk_contains, 1);
	VMEM_COUNT(vmp->vm_kstat.vk_contains_search, n_steps);
	if (span) {
		const vmem_seg_t *t = vmem_tag(span);
		uword offset = addr - t->vs_start, span_size = vmem_span_bytes(t);

		is_inside = offset < span_size && size <= span_size - offset;
	}
	vmem_unlock(&vmp->vm_lock);
	return is_inside;
}

/* The FREE tag that has all of [addr, addr + size), and tags to take it out with.  Arena locked,
 * the lock may be dropped and taken again before it is looked for. */
static int
find_removable(vmem_t *vmp, uword addr, uword size, u32 *tag)
{
	vmem_search_t s = { .size = size,
			    .asked = size,
			    .certain = size,
			    .align = vmp->vm_quantum,
			    .phase = 0,
			    .min = addr,
			    .max = addr + size - 1,
			    .policy = VMEM_POLICY_FIRST,
			    .has_bounds = 1,
			    .is_constrained = 1 };
	u64 n_steps = 0;
	uword offset;
	u32 span;

	for (;;) {
		if (vmem_populate(vmp))
			return -ENOMEM;
		*tag = vmem_fit(vmp, &s, &offset);
		if (*tag != VMEM_FIT_WANTS_INDEX)
			break;
		s.may_walk = vmem_index_build(vmp, s.wants) != 0;
	}
	span = vmem_span_below(vmp, addr, &n_steps);
	offset = span ? addr - vmem_tag(span)->vs_start : 0;
	if (span == 0 || offset >= vmem_span_bytes(vmem_tag(span)) ||
	    size > vmem_span_bytes(vmem_tag(span)) - offset)
		return -ENOENT;
	return *tag == 0 || vmem_tag_flag(vmem_tag(span)) ? -EBUSY : 0;
}

int
vmem_remove(vmem_t *vmp, uword addr, uword size)
{
	vmem_after_t after = { 0 };
	u32 tag = 0;
	int error;

	if (size == 0 || ((addr | size) & (vmp->vm_quantum - 1)) || addr + size - 1 < addr)
		return -EINVAL;
	vmem_lock(&vmp->vm_lock);
	error = find_removable(vmp, addr, size, &tag);
	if (!error)
		vmem_seg_remove(vmp, tag, addr, size);
	vmem_after_unlock(vmp, &after);
	vmem_after_run(vmp, &after);
	return error;
}
