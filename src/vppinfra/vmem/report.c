/* SPDX-License-Identifier: Apache-2.0 */
/* Misuse in words.  Only the way to an error message comes here, so it may walk and print. */
#include "vmem_impl.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

static void
report_to_stderr(const char *what, vmem_t *vmp, uword addr, uword size, const void *caller)
{
	fprintf(stderr, "vmem: arena %s: %s: address 0x%llx size %llu, called from %p\n",
		vmp ? vmp->vm_name : "(none)", what, (unsigned long long)addr,
		(unsigned long long)size, caller);
}

static _Atomic(vmem_error_function_t *) error_handler = report_to_stderr;

void
vmem_set_error_handler(vmem_error_function_t *fn)
{
	atomic_store_explicit(&error_handler, fn ? fn : report_to_stderr, memory_order_relaxed);
}

void
vmem_report(const char *what, vmem_t *vmp, uword addr, uword size, const void *caller)
{
	vmem_error_function_t *fn = atomic_load_explicit(&error_handler, memory_order_relaxed);

	fn(what, vmp, addr, size, caller);
}

void
vmem_panic(const char *what, vmem_t *vmp, uword size, const void *caller)
{
	vmem_report(what, vmp, 0, size, caller);
	abort();
}

void
vmem_report_refusal(vmem_t *vmp, uword size, int error, const void *caller)
{
	const char *what = vmem_refusal_text(error);

	if (what)
		vmem_report(what, vmp, 0, size, caller);
}

const char *
vmem_refusal_text(int error)
{
	return error == -EINVAL    ? "contradictory request"
	       : error == -EDEADLK ? "would sleep for ever: nobody could make room"
				   : NULL;
}

/* What an arena knows about an address. */
typedef struct {
	vmem_tag_type_t type; /* UNUSED: in no span */
	u32 is_x;
	uword start, asked;
} place_t;

static void
look_up(vmem_t *vmp, uword addr, place_t *p)
{
	const vmem_seg_t *t;
	u32 index;

	*p = (place_t){ .type = VMEM_TAG_UNUSED };
	vmem_lock(&vmp->vm_lock);
	index = vmem_locate(vmp, addr);
	if (index) {
		t = vmem_tag(index);
		p->type = vmem_tag_type(t);
		p->start = t->vs_start;
		p->asked = vmem_seg_bytes(t);
		if (p->type == VMEM_TAG_ALLOC) {
			p->asked -= t->vs_slack;
			p->is_x = vmem_tag_flag(t) ? VMEM_REQUEST_X : 0;
		}
	}
	vmem_unlock(&vmp->vm_lock);
}

typedef struct {
	const vmem_t *not_this;
	uword addr, size;
	char owner[VMEM_NAMELEN];
} owner_search_t;

/* The youngest arena that handed out just this: importers come after their sources. */
static int
note_owner(vmem_t *vmp, void *arg)
{
	owner_search_t *search = arg;
	place_t p;

	if (vmp == search->not_this)
		return 0;
	look_up(vmp, search->addr, &p);
	if (p.type == VMEM_TAG_ALLOC && p.start == search->addr && p.asked == search->size)
		snprintf(search->owner, sizeof(search->owner), "%s", vmp->vm_name);
	return 0;
}

void
vmem_report_bad_free(vmem_t *vmp, uword addr, uword size, u32 flags, const void *caller)
{
	owner_search_t search = { .not_this = vmp, .addr = addr, .size = size };
	char what[128];
	place_t p;

	look_up(vmp, addr, &p);
	if (p.type == VMEM_TAG_ALLOC && p.start == addr && p.asked != size) {
		snprintf(what, sizeof(what), "wrong size (expects %llu)",
			 (unsigned long long)p.asked);
	} else if (p.type == VMEM_TAG_ALLOC && p.start == addr && p.is_x != flags) {
		snprintf(what, sizeof(what), "%s",
			 p.is_x ? "vmem_free of what vmem_xalloc gave"
				: "vmem_xfree of what vmem_alloc gave");
	} else if (p.type == VMEM_TAG_ALLOC) {
		snprintf(what, sizeof(what), "bad free: %llu inside the segment at 0x%llx",
			 (unsigned long long)(addr - p.start), (unsigned long long)p.start);
	} else {
		vmem_foreach_arena(note_owner, &search);
		if (search.owner[0])
			snprintf(what, sizeof(what), "wrong arena (belongs to %s)", search.owner);
		else if (p.type == VMEM_TAG_FREE)
			snprintf(what, sizeof(what), "double free: not allocated");
		else
			snprintf(what, sizeof(what), "bad free: in no span of this arena");
	}
	vmem_report(what, vmp, addr, size, caller);
}
