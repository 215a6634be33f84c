/* SPDX-License-Identifier: Apache-2.0 */
/* Arenas in words, through a function like printf: what the BSD faces' debugging calls show. */
#include "vmem_impl.h"

static const char *const type_names[] = { "unused", "allocated", "free", "span", "end", "rotor" };

/* One tag in one line.  Value: false for a tag that bounds and holds nothing. */
static bool
describe(const vmem_seg_t *t, const char **type, uword *size, const char **note)
{
	*type = type_names[vmem_tag_type(t)];
	*note = "";
	*size = 0;
	switch (vmem_tag_type(t)) {
	case VMEM_TAG_SPAN:
		*size = vmem_span_bytes(t);
		*note = vmem_tag_flag(t) ? " imported" : "";
		return true;
	case VMEM_TAG_ALLOC:
		*note = vmem_tag_flag(t) ? " xalloc" : "";
		*size = vmem_seg_bytes(t);
		return true;
	case VMEM_TAG_FREE:
		*size = vmem_seg_bytes(t);
		return true;
	default:
		return false;
	}
}

void
vmem_print_arena(vmem_t *vmp, bool with_tags, vmem_print_function_t *print)
{
	const vmem_kstat_t *k = &vmp->vm_kstat;

	vmem_lock(&vmp->vm_lock);
	print("vmem %s at %p: quantum %llu size %llu inuse %llu free %llu segments %llu\n",
	      vmp->vm_name, (const void *)vmp, (unsigned long long)vmp->vm_quantum,
	      (unsigned long long)k->vk_mem_total, (unsigned long long)k->vk_mem_inuse,
	      (unsigned long long)(k->vk_mem_total - k->vk_mem_inuse),
	      (unsigned long long)vmp->vm_n_segs);
	for (u32 i = vmem_tag(vmp->vm_seg0)->vs_anext; with_tags && i != vmp->vm_seg0;
	     i = vmem_tag(i)->vs_anext) {
		const vmem_seg_t *t = vmem_tag(i);
		const char *type, *note;
		uword size;

		if (describe(t, &type, &size, &note))
			print("  %-9s 0x%llx size %llu%s\n", type, (unsigned long long)t->vs_start,
			      (unsigned long long)size, note);
	}
	vmem_unlock(&vmp->vm_lock);
}

/* The two kinds of print function differ in what they return, which is not looked at. */
void
vmem_dump(const vmem_t *arena, void (*print)(const char *format, ...))
{
	vmem_print_arena((vmem_t *)(uword)arena, true, (vmem_print_function_t *)(void *)print);
}

typedef struct {
	vmem_print_function_t *print;
	uword addr;
	bool with_tags;
} printing_t;

static int
print_one(vmem_t *vmp, void *arg)
{
	const printing_t *p = arg;

	vmem_print_arena(vmp, p->with_tags, p->print);
	return 0;
}

void
vmem_print_all(bool with_tags, vmem_print_function_t *print)
{
	printing_t p = { .print = print, .with_tags = with_tags };

	vmem_foreach_arena(print_one, &p);
}

static int
print_if_owner(vmem_t *vmp, void *arg)
{
	const printing_t *p = arg;
	const char *type = NULL, *note;
	uword start = 0, size = 0;
	u64 n_steps = 0;
	u32 span, i;

	vmem_lock(&vmp->vm_lock);
	span = vmem_span_below(vmp, p->addr, &n_steps);
	if (span && p->addr - vmem_tag(span)->vs_start < vmem_span_bytes(vmem_tag(span))) {
		i = vmem_tag(span)->vs_anext;
		while (p->addr - vmem_tag(i)->vs_start >= vmem_seg_bytes(vmem_tag(i)))
			i = vmem_tag(i)->vs_anext;
		start = vmem_tag(i)->vs_start;
		describe(vmem_tag(i), &type, &size, &note);
	}
	vmem_unlock(&vmp->vm_lock);
	if (type)
		p->print("0x%llx is 0x%llx + %llu in vmem %s (%s, size %llu)\n",
			 (unsigned long long)p->addr, (unsigned long long)start,
			 (unsigned long long)(p->addr - start), vmp->vm_name, type,
			 (unsigned long long)size);
	return 0;
}

void
vmem_print_owner(uword addr, vmem_print_function_t *print)
{
	printing_t p = { .print = print, .addr = addr };

	vmem_foreach_arena(print_if_owner, &p);
}
