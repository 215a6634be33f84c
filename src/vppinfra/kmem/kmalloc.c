/* SPDX-License-Identifier: Apache-2.0 */
/* Classes are object caches, each over an arena of its own that imports blocks of pages.  The
 * record of a block's first page says what it is for, so that free finds class or size from an
 * address. */
#include <vppinfra/kmalloc.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <vppinfra/kmem.h>
#include <vppinfra/vmem.h>

/* Slabs are blocks of this order: a multiple of every class's slab, and aligned to itself. */
#define SLAB_ORDER 4
#define SLAB_BYTES (PAGES_PAGE_BYTES << SLAB_ORDER)
#define MAX_SETS 64

/* page_t.private_data: bytes of a large block, or the class of a slab. */
#define IS_LARGE (1ull << 63)
#define IS_SLAB (1ull << 62)
#define CLASS_MASK 0xffull

static const u16 class_bytes[] = { 8,   16,  32,   64,   96,   128,  192,  256,  384,
				   512, 768, 1024, 1536, 2048, 3072, 4096, 6144, 8192 };
#define N_CLASSES ARRAY_LEN(class_bytes)

typedef struct {
	_Atomic(clib_kmem_cache_t *) cache;
	vmem_t *arena;
} class_t;

/* The caches over one set of pages; found by the set. */
typedef struct {
	_Atomic(pages_t *) pages;
	class_t classes[N_CLASSES];
} kmalloc_set_t;

static kmalloc_set_t sets[MAX_SETS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* Stands behind all classes: an arena hands its importer the source, not itself. */
static vmem_t *source;

/* What the allocation under way in this thread is, for the import beneath it. */
static __thread struct {
	pages_t *pages;
	u32 class_index;
	gfp_t gfp;
} now __attribute__((tls_model("initial-exec")));

/* ---- slabs from pages ---- */

static void *
take_slab(vmem_t *CLIB_UNUSED(vmp), size_t bytes, int CLIB_UNUSED(vm_flags))
{
	page_t *page;

	if (bytes != SLAB_BYTES || !now.pages)
		return NULL;
	page = pages_alloc(now.pages, now.gfp, SLAB_ORDER);
	if (!page)
		return NULL;
	page->private_data = IS_SLAB | now.class_index;
	return clib_page_address(page);
}

static void
give_slab(vmem_t *CLIB_UNUSED(vmp), void *p, size_t CLIB_UNUSED(bytes))
{
	pages_free(clib_virt_to_page(p), SLAB_ORDER);
}

/* ---- classes ---- */

static u32
class_of(uword bytes)
{
	u32 lo = 0, hi = N_CLASSES - 1;

	while (lo < hi) {
		u32 mid = (lo + hi) / 2;

		if (class_bytes[mid] < bytes)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* lock is held. */
static kmalloc_set_t *
find_set(pages_t *pages, int may_make)
{
	for (u32 i = 0; i < MAX_SETS; i++)
		if (sets[i].pages == pages)
			return &sets[i];
	for (u32 i = 0; may_make && i < MAX_SETS; i++) {
		pages_t *none = NULL;

		if (atomic_compare_exchange_strong_explicit(&sets[i].pages, &none, pages,
							    memory_order_relaxed,
							    memory_order_relaxed))
			return &sets[i];
	}
	return NULL;
}

static clib_kmem_cache_t *
make_class(pages_t *pages, u32 c)
{
	clib_kmem_params_t params = { .object_bytes = class_bytes[c],
				      .align = first_set(class_bytes[c]),
				      .slab_bytes = SLAB_BYTES };
	clib_kmem_cache_t *cache = NULL;
	kmalloc_set_t *set;
	char name[32];

	pthread_mutex_lock(&lock);
	set = find_set(pages, 1);
	if (set)
		cache = set->classes[c].cache;
	if (set && !cache) {
		snprintf(name, sizeof(name), "kmalloc-%u", class_bytes[c]);
		params.name = name;
		if (!source)
			source = vmem_create("kmalloc", NULL, 0, SLAB_BYTES, NULL, NULL, NULL, 0,
					     VM_NOSLEEP);
		if (source && !set->classes[c].arena)
			set->classes[c].arena = vmem_create(name, NULL, 0, SLAB_BYTES, take_slab,
							    give_slab, source, 0, VM_NOSLEEP);
		params.source = set->classes[c].arena;
		if (params.source && clib_kmem_cache_make(&params, &cache))
			cache = NULL;
		/* Release: the cache is seen by whoever acquires the pointer. */
		atomic_store_explicit(&set->classes[c].cache, cache, memory_order_release);
	}
	pthread_mutex_unlock(&lock);
	return cache;
}

always_inline clib_kmem_cache_t *
cache_of(pages_t *pages, u32 c)
{
	for (u32 i = 0; i < MAX_SETS; i++) {
		pages_t *owner = atomic_load_explicit(&sets[i].pages, memory_order_relaxed);
		clib_kmem_cache_t *cache;

		if (owner != pages)
			continue;
		/* Acquire: pairs with the release in make_class(). */
		cache = atomic_load_explicit(&sets[i].classes[c].cache, memory_order_acquire);
		return PREDICT_TRUE(cache != NULL) ? cache : make_class(pages, c);
	}
	return make_class(pages, c);
}

/* ---- allocation ---- */

static void *
alloc_large(pages_t *pages, uword bytes, gfp_t gfp)
{
	u32 order = (u32)max_log2((bytes + PAGES_PAGE_BYTES - 1) >> PAGES_LOG2_PAGE);
	page_t *page = pages_alloc(pages, gfp & ~(gfp_t)(__GFP_HIGHMEM | __GFP_MOVABLE), order);

	if (!page)
		return NULL;
	page->private_data = IS_LARGE | bytes;
	return clib_page_address(page);
}

void *
clib_kmalloc(uword bytes, gfp_t gfp)
{
	pages_t *pages = pages_of_node((u32)vm_current_numa_node());
	clib_kmem_cache_t *cache;
	void *p;
	u32 c;

	if (PREDICT_FALSE(!pages || !bytes || bytes > PAGES_PAGE_BYTES << PAGES_MAX_ORDER))
		return NULL;
	if (bytes > CLIB_KMALLOC_MAX_CACHED || (gfp & (__GFP_DMA | __GFP_DMA32)))
		return alloc_large(pages, bytes, gfp);
	c = class_of(bytes);
	cache = cache_of(pages, c);
	if (PREDICT_FALSE(!cache))
		return NULL;
	now.pages = pages;
	now.class_index = c;
	now.gfp = gfp & ~(gfp_t)(__GFP_HIGHMEM | __GFP_MOVABLE | __GFP_ZERO);
	p = clib_kmem_cache_alloc(cache, CLIB_KMEM_NOSLEEP);
	if (p && gfp & __GFP_ZERO)
		memset(p, 0, bytes);
	return p;
}

void *
clib_kcalloc(uword n, uword bytes, gfp_t gfp)
{
	uword n_bytes;

	return __builtin_mul_overflow(n, bytes, &n_bytes) ? NULL
							  : clib_kmalloc(n_bytes, gfp | __GFP_ZERO);
}

/* The first page of the block that holds p, and what it is for; NULL for a stranger. */
static page_t *
block_of(const void *p, u64 *what)
{
	page_t *page = clib_virt_to_page(p);

	if (!page)
		return NULL;
	/* Slabs are aligned to their size; a large block is named by its start alone. */
	if (!(page->flags & PG_USED))
		page = clib_virt_to_page(
			uword_to_pointer(round_down_pow2(pointer_to_uword(p), SLAB_BYTES), void *));
	if (!page || !(page->flags & PG_USED))
		return NULL;
	*what = page->private_data;
	return *what & (IS_LARGE | IS_SLAB) ? page : NULL;
}

static int
bad_free(const void *p, const char *what, int rv, const void *caller)
{
	char text[192];

	snprintf(text, sizeof(text), "kfree of %s: %p (called from %p)\n", what, p, caller);
	fputs(text, stderr);
	return rv;
}

int
clib_kfree(const void *p)
{
	u64 what = 0;
	page_t *page;
	int rv;

	if (!p)
		return 0;
	page = block_of(p, &what);
	if (page && what & IS_LARGE && clib_page_address(page) == p) {
		page->private_data = 0;
		return pages_free(page, page->flags & PG_ORDER_MASK);
	}
	if (!page || !(what & IS_SLAB))
		return bad_free(p, "what kmalloc did not give, or is free already", -EINVAL,
				__builtin_return_address(0));
	rv = clib_kmem_cache_free_checked(cache_of(pages_of_page(page), what & CLASS_MASK),
					  (void *)p);
	return rv ? bad_free(p,
			     rv == -EALREADY ? "what is free already" : "a place inside an object",
			     rv, __builtin_return_address(0))
		  : 0;
}

uword
clib_ksize(const void *p)
{
	u64 what = 0;
	page_t *page = p ? block_of(p, &what) : NULL;

	if (!page)
		return 0;
	if (what & IS_LARGE)
		return clib_page_address(page) == p
			       ? PAGES_PAGE_BYTES << (page->flags & PG_ORDER_MASK)
			       : 0;
	return class_bytes[what & CLASS_MASK];
}

void *
clib_krealloc(void *p, uword bytes, gfp_t gfp)
{
	uword n_now = clib_ksize(p);
	void *q;

	if (p && !bytes) {
		clib_kfree(p);
		return NULL;
	}
	if (p && !n_now) {
		bad_free(p, "what kmalloc did not give (krealloc)", -EINVAL,
			 __builtin_return_address(0));
		return NULL;
	}
	if (p && bytes <= n_now)
		return p;
	q = clib_kmalloc(bytes, gfp);
	if (q && p) {
		clib_memcpy(q, p, n_now);
		clib_kfree(p);
	}
	return q;
}

/* ---- upkeep ---- */

uword
clib_kmalloc_trim(pages_t *pages)
{
	uword n = 0;
	kmalloc_set_t *set;

	pthread_mutex_lock(&lock);
	set = find_set(pages, 0);
	for (u32 c = 0; set && c < N_CLASSES; c++)
		if (set->classes[c].cache)
			n += clib_kmem_cache_shrink(set->classes[c].cache);
	pthread_mutex_unlock(&lock);
	return n;
}

int
clib_kmalloc_exit(pages_t *pages)
{
	kmalloc_set_t *set;
	int rv = 0;

	pthread_mutex_lock(&lock);
	set = find_set(pages, 0);
	for (u32 c = 0; set && c < N_CLASSES && !rv; c++) {
		class_t *class = &set->classes[c];

		if (class->cache)
			rv = clib_kmem_cache_destroy(class->cache);
		if (rv)
			break;
		class->cache = NULL;
		if (class->arena)
			vmem_destroy(class->arena);
		class->arena = NULL;
	}
	if (set && !rv)
		set->pages = NULL;
	pthread_mutex_unlock(&lock);
	return rv;
}
