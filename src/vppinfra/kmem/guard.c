/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptors of slabs under a protection key: an arena of their own, each import of which is
 * guarded before anything is taken from it, and what a store that was stopped there would have
 * hit. */
#include "kmem_impl.h"

#include <pthread.h>
#include <vppinfra/fault.h>

#define IMPORT_BYTES KiB(64)

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static _Atomic(vmem_t *) guarded_arena;
static vmem_alloc_t *heap_alloc;
static vmem_free_t *heap_free;

static void *
import(vmem_t *heap, size_t size, int vm_flags)
{
	void *p = heap_alloc(heap, size, vm_flags);

	if (p && vm_guard_protect(p, size)) {
		heap_free(heap, p, size);
		p = NULL;
	}
	return p;
}

static void export(vmem_t *heap, void *p, size_t size)
{
	vm_guard_unprotect(p, size);
	heap_free(heap, p, size);
}

/* Runs in a signal handler, so it takes no lock: in the worst case it finds nothing. */
static const kmem_t *
owner_of(uword a, const kmem_slab_t **slab)
{
	for (const kmem_t *k = kmem_list; k; k = k->next) {
		if (!(k->flags & KMEM_GUARDED))
			continue;
		for (u32 list = 0; list < KMEM_N_LISTS; list++)
			for (const kmem_slab_t *s = k->lists[list]; s; s = s->next)
				if (a - (uword)s < k->descriptor_bytes) {
					*slab = s;
					return k;
				}
	}
	return NULL;
}

static void
describe(clib_fault_t *f)
{
	const kmem_slab_t *s = NULL;
	const kmem_t *k;

	if (f->cause != CLIB_FAULT_KEY)
		return;
	k = owner_of(f->address, &s);
	if (k)
		clib_fault_print(
			f->text, sizeof(f->text),
			"vmheap:   descriptor of the slab at 0x%lx of cache '%s': byte %lu of "
			"it; it is written by calls on the cache alone\n",
			s->start, k->name, f->address - (uword)s);
}

static vmem_t *
make_arena(void)
{
	vmem_t *heap = vmem_mmap_arena(&heap_alloc, &heap_free), *arena;

	if (heap == NULL)
		return NULL;
	arena = vmem_create("kmem_guarded", NULL, 0, CLIB_CACHE_LINE_BYTES, import, export, heap, 0,
			    VM_NOSLEEP);
	if (arena)
		arena->vm_min_import = IMPORT_BYTES;
	return arena;
}

static vmem_t *
arena(void)
{
	/* Acquire: all of it; partner: the release below. */
	vmem_t *vmp = atomic_load_explicit(&guarded_arena, memory_order_acquire);

	if (vmp)
		return vmp;
	pthread_mutex_lock(&lock);
	vmp = atomic_load_explicit(&guarded_arena, memory_order_relaxed);
	if (vmp == NULL) {
		vmp = make_arena();
		atomic_store_explicit(&guarded_arena, vmp, memory_order_release);
		/* Where there is no room for it, faults are told without the cache's name. */
		if (vmp)
			clib_fault_add_describer(describe);
	}
	pthread_mutex_unlock(&lock);
	return vmp;
}

void *
kmem_guarded_alloc(uword bytes)
{
	vmem_t *vmp = kmem_is_made_to_fail() ? NULL : arena();

	return vmp ? vmem_alloc(vmp, bytes, VM_NOSLEEP) : NULL;
}

void
kmem_guarded_free(void *p, uword bytes)
{
	vmem_free(arena(), p, bytes);
}
