/* SPDX-License-Identifier: Apache-2.0 */
/* Importing from a source, and what else may bring room before a request fails. */
#include "vmem_impl.h"

/* Times what is needed, for VM_LARGEIMPORT. */
#define LARGE 16

/* What an import has to be so that it holds the request: how many bytes and, where the source is an
 * arena and is asked under the same constraints, which.  Other sources are asked for enough to
 * align in. */
typedef struct {
	uword bytes; /* 0: beyond the address space */
	u8 is_exact; /* what follows is asked for as well */
	uword align, phase, nocross;
	uword min, max; /* of the import, which is more than the segment */
} wanted_t;

/* Value: 0 when that is beyond the address space. */
static uword
add(uword a, uword b)
{
	return a && b <= ~(uword)0 - a ? a + b : 0;
}

/* Either is a power of two or, where a BSD source says so, a multiple of all there is. */
static uword
round_up(uword size, uword quantum)
{
	uword last = add(size, quantum - 1);

	return is_pow2(quantum) ? last & ~(quantum - 1) : last / quantum * quantum;
}

/* Bounds of an import that reaches so far below and above the segment at most. */
static void
set_bounds(wanted_t *w, const vmem_search_t *s, uword below, uword above)
{
	w->min = s->min > below ? s->min - below : 0;
	w->max = s->max < ~(uword)0 - above ? s->max + above : ~(uword)0;
}

/* The least that holds the segment, in quanta of the source.  Of an alignment of at least those the
 * place in it is known. */
static void
want_exactly(wanted_t *w, const vmem_search_t *s, uword quantum)
{
	uword low = s->phase & (quantum - 1), around;

	w->is_exact = 1;
	w->nocross = s->nocross > quantum ? s->nocross : 0;
	w->bytes = round_up(add(s->size, low), quantum);
	around = w->bytes - s->size;
	if (s->align >= quantum) {
		w->align = s->align;
		w->phase = s->phase - low;
		set_bounds(w, s, low, around - low);
	} else {
		set_bounds(w, s, around, around);
	}
}

static wanted_t
wanted_of(const vmem_t *vmp, const vmem_search_t *s)
{
	uword quantum = vmp->vm_quantum, spare = s->phase;
	wanted_t w = { .bytes = 0 };

	if (vmp->vm_source)
		quantum = clib_max(quantum, vmp->vm_source->vm_quantum);
	if (s->is_constrained && vmem_source_is_arena(vmp)) {
		want_exactly(&w, s, quantum);
		/* Nothing but the request decides how much it is. */
		if (w.bytes == 0 ||
		    (w.bytes >= vmp->vm_min_import &&
		     (vmp->vm_import_quantum <= 1 || w.bytes % vmp->vm_import_quantum == 0)))
			return w;
		w = (wanted_t){ .is_exact = s->has_bounds || s->nocross };
	}
	if (s->align > quantum && !(vmp->vm_cflags & VMC_XALIGN))
		spare = s->align - (s->phase & (quantum - 1) ? vmp->vm_quantum : quantum);
	w.bytes = add(s->size, spare);
	if (s->nocross)
		w.bytes = add(w.bytes, s->size + s->phase);
	if (w.bytes)
		w.bytes = round_up(clib_max(w.bytes, vmp->vm_min_import),
				   clib_max(quantum, vmp->vm_import_quantum));
	if (w.bytes)
		set_bounds(&w, s, w.bytes - s->size, w.bytes - s->size);
	return w;
}

bool
vmem_is_over_limit(const vmem_t *vmp, uword size)
{
	return vmp->vm_limit && (vmp->vm_kstat.vk_mem_total >= vmp->vm_limit ||
				 size > vmp->vm_limit - vmp->vm_kstat.vk_mem_total);
}

/* An arena can be asked under constraints.  Value: as vmem_source_import(). */
static int
import_exactly(vmem_t *vmp, const vmem_search_t *s, const wanted_t *w, uword *addr)
{
	const vmem_request_t request = {
		.size = w->bytes,
		.align = w->align,
		.phase = w->phase,
		.nocross = w->nocross,
		.min = w->min,
		.max = w->max,
		.flags = VMEM_REQUEST_NOSLEEP | (s->flags & VMEM_REQUEST_PUSHPAGE),
	};

	return vmem_core_alloc(vmp->vm_source, &request, addr) ? -ENOMEM : 0;
}

/* *size becomes what came. */
static int
import(vmem_t *vmp, const vmem_search_t *s, const wanted_t *w, uword *size, uword *addr)
{
	/* Where nobody could wake us here we may sleep there; else a free here must be able to. */
	u32 flags = VMEM_READ(vmp->vm_n_segs) || s->has_deadline ? s->flags | VMEM_REQUEST_NOSLEEP
								 : s->flags;
	int error;

	*size = w->bytes;
	if (w->is_exact)
		return import_exactly(vmp, s, w, addr);
	if (vmp->vm_is_large_import && w->bytes <= ~(uword)0 / LARGE && !vmp->vm_limit) {
		*size = w->bytes * LARGE;
		error = vmem_source_import(vmp, size, s->align, flags, addr);
		if (error == 0)
			return 0;
		*size = w->bytes;
	}
	return vmem_source_import(vmp, size, s->align, flags, addr);
}

int
vmem_import_and_fit(vmem_t *vmp, vmem_search_t *s, u32 *tag, uword *addr, vmem_after_t *after)
{
	const wanted_t w = wanted_of(vmp, s);
	uword asked = w.bytes, size, base = 0;
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
	error = import(vmp, s, &w, &size, &base);
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
			fault = w.is_exact || s->has_bounds || s->nocross
					? NULL
					: "import is not aligned as asked";
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

/* The reclaim functions that the calling thread is inside of, the innermost first. */
typedef struct reclaiming {
	const vmem_t *vmp;
	const struct reclaiming *outer;
} reclaiming_t;

static __thread const reclaiming_t *innermost __attribute__((tls_model("initial-exec")));

static bool
is_reclaiming(const vmem_t *vmp)
{
	const reclaiming_t *r = innermost;

	while (r && r->vmp != vmp)
		r = r->outer;
	return r != NULL;
}

bool
vmem_reclaim(vmem_t *vmp, const vmem_search_t *s)
{
	/* One that allocates from its own arena is not called for that again. */
	vmem_reclaim_function_t *fn = is_reclaiming(vmp) ? NULL : vmp->vm_reclaim;
	const reclaiming_t here = { vmp, innermost };
	void *arg = vmp->vm_reclaim_arg;

	if ((fn == NULL && vmp->vm_n_qcaches == 0) || (s->flags & VMEM_REQUEST_NO_RETRY))
		return false;
	VMEM_COUNT(vmp->vm_kstat.vk_reclaim, 1);
	vmem_unlock(&vmp->vm_lock);
	vmem_qcache_reap(vmp);
	if (fn) {
		innermost = &here;
		fn(vmp, vmem_vmflag_of(s->flags), arg);
		innermost = here.outer;
	}
	vmem_lock(&vmp->vm_lock);
	return true;
}
