/* SPDX-License-Identifier: Apache-2.0 */
/* Memory for kmem's own needs: a cache for each power of two, without magazines and without a
 * table of slabs, so that getting some never needs some. */
#include "kmem_impl.h"

#define LOG2_MIN 6  /* a line: descriptors and small magazines */
#define LOG2_MAX 13 /* 8 KiB: seven in the greatest slab */
#define N_META (LOG2_MAX - LOG2_MIN + 1)
#define IMPORT_BYTES KiB(256)

static kmem_t meta[N_META];
static vmem_t *meta_arena;

int
kmem_meta_init(void)
{
	vmem_alloc_t *afunc;
	vmem_free_t *ffunc;
	vmem_t *heap;

	if (meta_arena)
		return 0;
	heap = vmem_mmap_arena(&afunc, &ffunc);
	if (heap == NULL)
		return -ENOMEM;
	for (u32 i = 0; i < N_META; i++) {
		kmem_t *k = &meta[i];

		snprintf(k->name, sizeof(k->name), "kmem_meta_%u", 1u << (i + LOG2_MIN));
		k->object_bytes = 1ul << (i + LOG2_MIN);
		k->align = CLIB_CACHE_LINE_BYTES;
		k->asked_flags = KMEM_INTERNAL | CLIB_KMEM_NO_MAGAZINES | CLIB_KMEM_NO_DEBUG;
		k->asked_slab_bytes_log2 = i + LOG2_MIN < 11 ? 14 : 16;
		k->source_ops = &kmem_memory_source;
	}
	meta_arena = vmem_create("kmem_meta", NULL, 0, heap->vm_quantum, afunc, ffunc, heap, 0,
				 VM_NOSLEEP);
	if (meta_arena == NULL)
		return -ENOMEM;
	meta_arena->vm_min_import = IMPORT_BYTES;
	for (u32 i = 0; i < N_META; i++) {
		meta[i].source = meta_arena;
		ALWAYS_ASSERT(kmem_layout(&meta[i]) == 0);
	}
	return 0;
}

static kmem_t *
meta_of(uword bytes)
{
	uword log2 = max_log2(bytes);

	return log2 > LOG2_MAX ? NULL : &meta[log2 < LOG2_MIN ? 0 : log2 - LOG2_MIN];
}

void *
kmem_meta_alloc(uword bytes, bool is_zeroed)
{
	kmem_t *k = meta_of(bytes);
	void *p = NULL;

	if (kmem_is_made_to_fail())
		return NULL;
	if (k == NULL)
		p = vmem_alloc(meta_arena, bytes, VM_NOSLEEP);
	else if (kmem_slab_alloc(k, &p, 1, 0, NULL) == 0)
		p = NULL;
	if (p && is_zeroed)
		memset(p, 0, bytes);
	return p;
}

void
kmem_meta_free(void *p, uword bytes)
{
	kmem_t *k = meta_of(bytes);

	if (k == NULL)
		vmem_free(meta_arena, p, bytes);
	else
		kmem_slab_free(k, &p, 1, NULL);
}

uword
kmem_meta_bytes(void)
{
	return meta_arena ? meta_arena->vm_kstat.vk_mem_inuse : 0;
}

uword
kmem_meta_reap(void)
{
	uword n = 0;

	for (u32 i = 0; meta_arena && i < N_META; i++)
		n += kmem_slab_trim(&meta[i], ~0ull);
	return n;
}

void
kmem_meta_lock_all(void)
{
	for (u32 i = 0; i < N_META; i++)
		kmem_lock(&meta[i].slab_lock);
}

void
kmem_meta_unlock_all(void)
{
	for (u32 i = 0; i < N_META; i++)
		kmem_unlock(&meta[i].slab_lock);
}
