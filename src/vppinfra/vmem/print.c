/* SPDX-License-Identifier: Apache-2.0 */
/* Arenas in words, through a function like printf: what the BSD faces' debugging calls show. */
#include "vmem_impl.h"

static const char *const type_names[] = {
	[VMEM_TAG_UNUSED] = "unused", [VMEM_TAG_ALLOC] = "allocated", [VMEM_TAG_SPAN] = "span",
	[VMEM_TAG_END] = "end",       [VMEM_TAG_FREE] = "free",       [VMEM_TAG_ROTOR] = "rotor",
};

/* A tag in words. */
static void
describe(const vmem_seg_t *t, const char **type, uword *size, const char **note)
{
	*type = type_names[vmem_tag_type(t)];
	*note = "";
	if (vmem_tag_type(t) == VMEM_TAG_SPAN) {
		*size = vmem_span_bytes(t);
		*note = vmem_tag_flag(t) ? " imported" : "";
	} else {
		*size = vmem_seg_bytes(t);
		if (vmem_tag_type(t) == VMEM_TAG_ALLOC && vmem_tag_flag(t))
			*note = " xalloc";
	}
}

static void
print_tags(vmem_t *vmp, vmem_print_function_t *print)
{
	vmem_walker_t walker;
	const vmem_seg_t *t;
	uword size;

	vmem_walk_begin(vmp, &walker);
	while ((t = vmem_walk_next(vmp, &walker, VMEM_ALLOC | VMEM_FREE | VMEM_SPAN, true,
				   &size)) != NULL) {
		uword start = t->vs_start;
		const char *type, *note;

		describe(t, &type, &size, &note);
		vmem_unlock(&vmp->vm_lock);
		print("  %-9s 0x%llx size %llu%s\n", type, (unsigned long long)start,
		      (unsigned long long)size, note);
		vmem_lock(&vmp->vm_lock);
	}
	vmem_walk_end(vmp, &walker);
}

void
vmem_print_arena(vmem_t *vmp, bool with_tags, vmem_print_function_t *print)
{
	u64 total, inuse, n_segs;

	vmem_lock(&vmp->vm_lock);
	total = vmp->vm_kstat.vk_mem_total;
	inuse = vmp->vm_kstat.vk_mem_inuse;
	n_segs = vmp->vm_n_segs;
	vmem_unlock(&vmp->vm_lock);
	print("vmem %s at %p: quantum %llu size %llu inuse %llu free %llu segments %llu\n",
	      vmp->vm_name, (const void *)vmp, (unsigned long long)vmp->vm_quantum,
	      (unsigned long long)total, (unsigned long long)inuse,
	      (unsigned long long)(total - inuse), (unsigned long long)n_segs);
	if (with_tags)
		print_tags(vmp, print);
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

int
vmem_whereis(vmem_t *vmp, uword addr, vmem_where_t *where)
{
	const char *type = NULL, *note;
	u32 index;

	vmem_lock(&vmp->vm_lock);
	index = vmem_locate(vmp, addr);
	if (index) {
		const vmem_seg_t *t = vmem_tag(index);

		where->start = t->vs_start;
		describe(t, &type, &where->size, &note);
		where->is_free = vmem_tag_type(t) == VMEM_TAG_FREE;
	}
	vmem_unlock(&vmp->vm_lock);
	return type ? 0 : -ENOENT;
}

static int
print_if_owner(vmem_t *vmp, void *arg)
{
	const printing_t *p = arg;
	const char *type = NULL, *note;
	uword start = 0, size = 0;
	u32 index;

	vmem_lock(&vmp->vm_lock);
	index = vmem_locate(vmp, p->addr);
	if (index) {
		start = vmem_tag(index)->vs_start;
		describe(vmem_tag(index), &type, &size, &note);
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
