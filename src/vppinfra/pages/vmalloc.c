/* SPDX-License-Identifier: Apache-2.0 */
/* Contiguous addresses over whatever zone pages there are, each mapped once more from its file.
 * One stretch of address space for the process, under a vmem arena; an array beside it says for
 * each 4 KiB whose page is there. */
#include "pages_impl.h"

#include <sys/mman.h>
#include <vppinfra/vmem.h>

#define VMALLOC_BYTES GiB(64)
#define N_SLOTS (VMALLOC_BYTES >> PAGES_LOG2_PAGE)

typedef struct {
	/* Set << 32 | number of the page, + 1; 0: nothing here. */
	u64 page_plus_1;
	/* In the first slot of an area: bytes.  0 elsewhere. */
	u64 n_bytes;
} slot_t;

static struct {
	pthread_mutex_t lock;
	uword base;
	slot_t *slots;
	vmem_t *addresses;
} vmalloc_main = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* Made at the first use.  Locked. */
static int
make_main(void)
{
	void *base, *slots;

	if (vmalloc_main.addresses)
		return 0;
	base = mmap(NULL, VMALLOC_BYTES + MiB(2), PROT_NONE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	slots = mmap(NULL, N_SLOTS * sizeof(slot_t), PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (base != MAP_FAILED && slots != MAP_FAILED) {
		vmalloc_main.base = round_pow2(pointer_to_uword(base), MiB(2));
		vmalloc_main.slots = slots;
		vmalloc_main.addresses = vmem_create(
			"vmalloc", uword_to_pointer(vmalloc_main.base, void *), VMALLOC_BYTES,
			PAGES_PAGE_BYTES, NULL, NULL, NULL, 0, VM_NOSLEEP);
	}
	if (vmalloc_main.addresses)
		return 0;
	if (base != MAP_FAILED)
		munmap(base, VMALLOC_BYTES + MiB(2));
	if (slots != MAP_FAILED)
		munmap(slots, N_SLOTS * sizeof(slot_t));
	return -ENOMEM;
}

static slot_t *
slot_of(uword a)
{
	uword at = a - vmalloc_main.base;

	return vmalloc_main.slots && at < VMALLOC_BYTES ? &vmalloc_main.slots[at >> PAGES_LOG2_PAGE]
							: NULL;
}

static page_t *
page_of_slot(const slot_t *s)
{
	u64 n = s->page_plus_1 - 1;

	return s->page_plus_1 ? &pages_sets[n >> 32].records[(u32)n] : NULL;
}

static void
set_slots(const pages_t *p, uword a, u32 number, u32 order)
{
	slot_t *s = slot_of(a);

	for (u32 i = 0; i < 1u << order; i++)
		s[i].page_plus_1 = ((u64)(p - pages_sets) << 32 | (number + i)) + 1;
}

/* Unmap and free the units of [a, a + n_bytes), which are all there. */
static void
free_units(uword a, uword n_bytes)
{
	mmap(uword_to_pointer(a, void *), n_bytes, PROT_NONE,
	     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
	/* By the unit: once it is free others take its pages, and their records say nothing of us.
	 */
	for (uword at = 0; at < n_bytes;) {
		slot_t *s = slot_of(a + at);
		page_t *page = page_of_slot(s);
		u32 order = page->flags & PG_ORDER_MASK;

		memset(s, 0, sizeof(*s) << order);
		pages_count_mapping(page, -1);
		pages_free(page, order);
		at += PAGES_PAGE_BYTES << order;
	}
}

static int
map_unit(const pages_t *p, uword a, u32 number, uword unit_bytes)
{
	u64 offset;
	int fd = pages_file_of(p, number, &offset);

	return fd < 0 ||
	       mmap(uword_to_pointer(a, void *), unit_bytes, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_FIXED | MAP_NORESERVE, fd, (off_t)offset) == MAP_FAILED;
}

/* The units of an area, one by one; what came so far is given back on failure. */
static int
fill_area(pages_t *p, uword a, uword n_bytes, gfp_t gfp)
{
	u32 order = p->log2_page_size - PAGES_LOG2_PAGE;
	uword unit_bytes = 1ul << p->log2_page_size, at;
	gfp_t quiet = (gfp & ~(gfp_t)__GFP_ZERO) | __GFP_NOWARN;

	for (at = 0; at < n_bytes; at += unit_bytes) {
		page_t *page = pages_alloc(p, quiet | __GFP_HIGHMEM, order);

		if (!page)
			break;
		if (map_unit(p, a + at, pages_number(p, page), unit_bytes)) {
			pages_free(page, order);
			break;
		}
		pages_count_mapping(page, 1);
		set_slots(p, a + at, pages_number(p, page), order);
	}
	if (at >= n_bytes)
		return 0;
	free_units(a, at);
	return -ENOMEM;
}

void *
pages_vmalloc(pages_t *p, uword bytes, gfp_t gfp)
{
	uword n_bytes, a = 0;

	if (!p || !bytes || bytes > VMALLOC_BYTES / 2)
		return NULL;
	n_bytes = round_pow2(bytes, 1ul << p->log2_page_size);
	pthread_mutex_lock(&vmalloc_main.lock);
	if (!make_main())
		a = pointer_to_uword(vmem_xalloc(vmalloc_main.addresses, n_bytes,
						 1ul << p->log2_page_size, 0, 0, NULL, NULL,
						 VM_NOSLEEP));
	pthread_mutex_unlock(&vmalloc_main.lock);
	if (!a)
		return NULL;
	if (fill_area(p, a, n_bytes, gfp)) {
		vmem_xfree(vmalloc_main.addresses, uword_to_pointer(a, void *), n_bytes);
		if (!(gfp & __GFP_NOWARN))
			pages_report("vmalloc: no pages", NULL, __builtin_return_address(0));
		return NULL;
	}
	slot_of(a)->n_bytes = n_bytes;
	atomic_fetch_add_explicit(&p->n_vmalloc_bytes, n_bytes, memory_order_relaxed);
	if (gfp & __GFP_ZERO)
		memset(uword_to_pointer(a, void *), 0, n_bytes);
	return uword_to_pointer(a, void *);
}

void *
clib_vmalloc(uword bytes)
{
	return pages_vmalloc(pages_of_node((u32)vm_current_numa_node()), bytes, GFP_KERNEL);
}

int
clib_vfree(const void *address)
{
	uword a = pointer_to_uword(address), n_bytes = 0;
	slot_t *s;
	page_t *page;

	if (!address)
		return 0;
	pthread_mutex_lock(&vmalloc_main.lock);
	s = slot_of(a);
	if (s && a % PAGES_PAGE_BYTES == 0) {
		/* Taken under the lock, so that of two frees one finds nothing. */
		n_bytes = s->n_bytes;
		s->n_bytes = 0;
	}
	pthread_mutex_unlock(&vmalloc_main.lock);
	if (!n_bytes) {
		pages_report("vfree of what vmalloc did not give, or of what is free already",
			     address, __builtin_return_address(0));
		return -EINVAL;
	}
	page = page_of_slot(s);
	atomic_fetch_sub_explicit(&pages_of_page(page)->n_vmalloc_bytes, n_bytes,
				  memory_order_relaxed);
	free_units(a, n_bytes);
	vmem_xfree(vmalloc_main.addresses, uword_to_pointer(a, void *), n_bytes);
	return 0;
}

int
clib_is_vmalloc_addr(const void *address)
{
	const slot_t *s = slot_of(pointer_to_uword(address));

	return s && s->page_plus_1;
}

page_t *
clib_vmalloc_to_page(const void *address)
{
	const slot_t *s = slot_of(pointer_to_uword(address));

	return s ? page_of_slot(s) : NULL;
}
