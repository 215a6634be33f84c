/* SPDX-License-Identifier: Apache-2.0 */
/* Importing from a source, and what else may bring room before a request fails. */
#include "vmem_impl.h"

/* Times what is needed, for VM_LARGEIMPORT. */
#define LARGE 16

/* What to ask the source for, so that a place is certain to be inside.
 * Value: 0 when that is beyond the address space. */
static uword
import_bytes(const vmem_t *vmp, const vmem_search_t *s)
{
	uword quantum = vmp->vm_quantum, spare = s->phase, wanted;

	if (vmp->vm_source)
		quantum = clib_max(quantum, vmp->vm_source->vm_quantum);
	if (s->align > quantum && !(vmp->vm_cflags & VMC_XALIGN))
		spare = s->align - (s->phase & (quantum - 1) ? vmp->vm_quantum : quantum);
	wanted = s->size + spare;
	if (s->nocross)
		wanted += s->size + s->phase;
	if (wanted < s->size || (s->nocross && wanted < spare))
		return 0;
	wanted = clib_max(wanted, vmp->vm_min_import);
	quantum = clib_max(quantum, vmp->vm_import_quantum);
	/* Either is a power of two or, where a BSD source says so, a multiple of all there is. */
	return is_pow2(quantum) ? (wanted + quantum - 1) & ~(quantum - 1)
				: (wanted + quantum - 1) / quantum * quantum;
}

bool
vmem_is_over_limit(const vmem_t *vmp, uword size)
{
	return vmp->vm_limit && (vmp->vm_kstat.vk_mem_total >= vmp->vm_limit ||
				 size > vmp->vm_limit - vmp->vm_kstat.vk_mem_total);
}

/* An arena can be asked under the very constraints.  Value: as vmem_source_import(). */
static int
import_constrained(vmem_t *vmp, const vmem_search_t *s, uword *size, uword *addr)
{
	vmem_request_t request = {
		.size = *size, .min = s->min, .max = s->max, .flags = VMEM_REQUEST_NOSLEEP
	};

	/* The bounds are the segment's: what is around it in the import may reach beyond. */
	if (s->size == *size) {
		request.align = clib_max(s->align, vmp->vm_source->vm_quantum);
		request.phase = s->phase & ~(vmp->vm_source->vm_quantum - 1);
		request.nocross = s->nocross;
	} else {
		uword around = *size - s->size;

		request.min = s->min > around ? s->min - around : 0;
		request.max = s->max < ~(uword)0 - around ? s->max + around : ~(uword)0;
	}
	return vmem_core_alloc(vmp->vm_source, &request, addr) ? -ENOMEM : 0;
}

static int
import(vmem_t *vmp, const vmem_search_t *s, uword *size, uword *addr)
{
	/* Where nobody could wake us here we may sleep there; else a free here must be able to. */
	u32 flags = VMEM_READ(vmp->vm_n_segs) || s->has_deadline ? s->flags | VMEM_REQUEST_NOSLEEP
								 : s->flags;

	if ((s->has_bounds || s->nocross) && vmem_source_is_arena(vmp))
		return import_constrained(vmp, s, size, addr);
	return vmem_source_import(vmp, size, s->align, flags, addr);
}

int
vmem_import_and_fit(vmem_t *vmp, vmem_search_t *s, u32 *tag, uword *addr, vmem_after_t *after)
{
	uword asked = import_bytes(vmp, s), size = asked, base = 0;
	bool is_exact = s->has_bounds || s->nocross;
	u32 held[VMEM_TAGS_PER_OP];
	const char *fault = NULL;
	int error;

	if (asked == 0)
		return -ENOMEM;
	if (vmem_is_over_limit(vmp, asked)) {
		VMEM_COUNT(vmp->vm_kstat.vk_limit, 1);
		return -ENOMEM;
	}
	if (vmp->vm_nsegfree < VMEM_TAGS_PER_OP)
		return -ENOMEM;
	/* Others may come in meanwhile and use tags up: ours are set aside. */
	for (u32 i = 0; i < VMEM_TAGS_PER_OP; i++)
		held[i] = vmem_tag_get(vmp);
	vmem_unlock(&vmp->vm_lock);
	if (vmp->vm_is_large_import && asked <= ~(uword)0 / LARGE && !vmp->vm_limit)
		size = asked * LARGE;
	error = import(vmp, s, &size, &base);
	if (error && size > asked) {
		size = asked;
		error = import(vmp, s, &size, &base);
	}
	vmem_lock(&vmp->vm_lock);
	for (u32 i = 0; i < VMEM_TAGS_PER_OP; i++)
		vmem_tag_put(vmp, vmem_tag(held[i]), held[i]);

	/* Somebody may have made room meanwhile: then the import goes straight back.  Where it
	 * would take an index to know, there was none when we looked. */
	*tag = vmem_fit(vmp, s, addr);
	if (*tag == VMEM_FIT_WANTS_INDEX)
		*tag = 0;
	if (error)
		return *tag ? 0 : -ENOMEM;
	if (*tag == 0) {
		error = -ENOMEM;
		if (size < asked || ((base | size) & (vmp->vm_quantum - 1)) ||
		    base + size - 1 < base)
			fault = "import is short or not on the quantum";
		else if (vmem_is_over_limit(vmp, size))
			VMEM_COUNT(vmp->vm_kstat.vk_limit, 1);
		else if (!vmem_place(s, base, base + size - 1, addr))
			fault = is_exact ? NULL : "import is not aligned as asked";
		else if (vmem_span_create(vmp, base, size, true, tag))
			fault = "import overlaps a span";
		else
			return 0;
	}
	if (vmp->vm_source_free) {
		after->addr = base;
		after->size = size;
	}
	if (fault) {
		vmem_unlock(&vmp->vm_lock);
		vmem_report(fault, vmp, base, size, NULL);
		vmem_lock(&vmp->vm_lock);
		return -EIO;
	}
	if (error && after->size) {
		/* We may try again: this one must not be forgotten. */
		vmem_unlock(&vmp->vm_lock);
		vmem_source_export(vmp, after->addr, after->size);
		vmem_lock(&vmp->vm_lock);
		after->size = 0;
	}
	return error;
}

bool
vmem_reclaim(vmem_t *vmp, const vmem_search_t *s)
{
	vmem_reclaim_function_t *fn = vmp->vm_reclaim;
	void *arg = vmp->vm_reclaim_arg;

	if ((fn == NULL && vmp->vm_n_qcaches == 0) || (s->flags & VMEM_REQUEST_NO_RETRY))
		return false;
	VMEM_COUNT(vmp->vm_kstat.vk_reclaim, 1);
	vmem_unlock(&vmp->vm_lock);
	vmem_qcache_reap(vmp);
	if (fn)
		fn(vmp, vmem_vmflag_of(s->flags), arg);
	vmem_lock(&vmp->vm_lock);
	return true;
}
