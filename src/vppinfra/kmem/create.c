/* SPDX-License-Identifier: Apache-2.0 */
/* Caches as objects: how slabs are laid out, making and destroying. */
#include "kmem_impl.h"
#include "percpu_impl.h"

/* A magazine moves objects for a lock; fewer than this in a slab, and slabs cost more than that. */
#define N_OBJECTS_WANTED 32
/* But a slab with that many large objects would be slow to come by. */
#define SLAB_BYTES_WANTED KiB(32)
/* Objects above this have a slab each. */
#define SINGLE_BYTES KiB(256)
#define ALIGN_MAX KiB(64)
/* Rounds by size: what a thread holds back at first and at most, in two magazines. */
#define MAGAZINE_BYTES KiB(16)
#define MAGAZINE_BYTES_MAX KiB(256)
#define CLASS_FIRST_MIN 0 /* 14 rounds for large objects: a batch must not be one object */
#define CLASS_FIRST_MAX 2 /* 62 */

static int
memory_alloc(vmem_t *vmp, uword bytes, uword align, int vm_flags, uword *addr)
{
	*addr = (uword)vmem_xalloc(vmp, bytes, align, 0, 0, NULL, NULL, vm_flags);
	return *addr ? 0 : -ENOMEM;
}

static void
memory_free(vmem_t *vmp, uword addr, uword bytes)
{
	vmem_xfree(vmp, (void *)addr, bytes);
}

const kmem_source_ops_t kmem_memory_source = { memory_alloc, memory_free };

/* ---- layout ---- */

static u32
descriptor_bytes(const kmem_t *k, uword n_objects)
{
	uword n_words = (n_objects + 63) / 64, n_bitmaps = 1;
	uword bytes = sizeof(kmem_slab_t);

	if ((k->flags & KMEM_HAS_CTOR) && !(k->flags & CLIB_KMEM_POISON))
		n_bitmaps++;
	bytes += n_bitmaps * n_words * sizeof(u64);
	if (k->flags & CLIB_KMEM_AUDIT)
		bytes += n_objects * sizeof(kmem_audit_t);
	if (k->flags & CLIB_KMEM_CHECKED)
		bytes += round_pow2(n_objects, sizeof(u64));
	return (u32)bytes;
}

/* How many objects a slab of that size has; the descriptor too when it is on the slab. */
static uword
n_objects_of(const kmem_t *k, uword slab_bytes, bool is_off_slab)
{
	uword n = slab_bytes / k->chunk_bytes;

	while (!is_off_slab && n && n * k->chunk_bytes + descriptor_bytes(k, n) > slab_bytes)
		n--;
	return n;
}

/* Descriptors stay off slabs of large objects, which fill a power of two; where a stray write
 * should not meet one; and where they are read without a lock, maybe after the slab has gone. */
static bool
wants_off_slab(const kmem_t *k, uword slab_bytes)
{
	if (k->flags & KMEM_INTERNAL)
		return false;
	/* Guards work by the page. */
	if (vm_guard_key())
		return true;
	return k->chunk_bytes >= slab_bytes / 8 ||
	       (k->flags & (CLIB_KMEM_NO_TOUCH | CLIB_KMEM_DEBUG | CLIB_KMEM_CHECKED)) != 0;
}

static uword
waste_of(const kmem_t *k, uword slab_bytes, bool is_off_slab)
{
	uword n = n_objects_of(k, slab_bytes, is_off_slab);

	return slab_bytes - n * k->chunk_bytes - (is_off_slab ? 0 : descriptor_bytes(k, n));
}

/* The least power of two of which at most an eighth is wasted: 16 objects at the latest. */
static uword
choose_slab_bytes(const kmem_t *k, uword quantum)
{
	uword bytes = clib_max(quantum, clib_min(max_pow2(k->chunk_bytes), (uword)KiB(4)));

	for (;; bytes *= 2) {
		bool is_off_slab = wants_off_slab(k, bytes);
		uword n = n_objects_of(k, bytes, is_off_slab);

		if (n == 0 || waste_of(k, bytes, is_off_slab) > bytes / 8)
			continue;
		if (n >= N_OBJECTS_WANTED || bytes >= SLAB_BYTES_WANTED)
			return bytes;
	}
}

static void
layout_object(kmem_t *k)
{
	uword align = k->align;

	if (align == 0)
		align = clib_min(min_pow2(k->object_bytes), sizeof(u64));
	/* A line, or the part of one that a small object fills: they share lines evenly. */
	if (k->flags & CLIB_KMEM_LINE_ALIGN)
		align = clib_max(align,
				 clib_min(max_pow2(k->object_bytes), (uword)CLIB_CACHE_LINE_BYTES));
	k->align = align;
	k->front_bytes = 0;
	k->chunk_bytes = round_pow2(k->object_bytes, align);
	if (k->flags & CLIB_KMEM_REDZONE) {
		k->front_bytes = (u32)clib_max(align, sizeof(u64));
		k->chunk_bytes = round_pow2(k->front_bytes + k->object_bytes + sizeof(u64), align);
	}
}

static void
layout_colours(kmem_t *k)
{
	uword waste = waste_of(k, k->slab_bytes, k->flags & KMEM_OFF_SLAB);
	uword step = clib_max(k->align, (uword)CLIB_CACHE_LINE_BYTES);

	if (step > waste)
		step = k->align;
	k->colour = 0;
	k->colour_bytes = (u32)step;
	k->n_colours = k->flags & CLIB_KMEM_NO_TOUCH ? 1 : (u32)(waste / step + 1);
}

int
kmem_layout(kmem_t *k)
{
	uword quantum = k->source->vm_quantum, n;
	bool is_off_slab;

	k->flags = k->asked_flags;
	if (!(k->flags & CLIB_KMEM_NO_DEBUG))
		k->flags |= kmem_rules_flags(k->name);
	/* Debugging looks at each call; audits know the callers only of calls they see. */
	if (k->flags & CLIB_KMEM_DEBUG)
		k->flags &= ~(u32)CLIB_KMEM_CHECKED;
	layout_object(k);
	if (k->asked_slab_bytes_log2)
		k->slab_bytes = 1ull << k->asked_slab_bytes_log2;
	else if (k->chunk_bytes > SINGLE_BYTES)
		k->slab_bytes = round_pow2(k->chunk_bytes, quantum);
	else
		k->slab_bytes = choose_slab_bytes(k, quantum);
	is_off_slab = wants_off_slab(k, k->slab_bytes);
	n = n_objects_of(k, k->slab_bytes, is_off_slab);
	if (n == 0 || n > ~0u || k->slab_bytes % quantum)
		return -EINVAL;
	if (is_off_slab)
		k->flags |= KMEM_OFF_SLAB;
	/* Those of a CHECKED cache are written at each call, without the lock. */
	if (vm_guard_key() && is_off_slab && !(k->flags & CLIB_KMEM_CHECKED))
		k->flags |= KMEM_GUARDED;
	k->n_per_slab = (u32)n;
	k->n_words = (k->n_per_slab + 63) / 64;
	k->descriptor_bytes = descriptor_bytes(k, n);
	k->slab_align = max_pow2(k->slab_bytes);
	k->log2_slab_align = (u32)min_log2(k->slab_align);
	k->chunk_inverse = k->slab_bytes >> 32 == 0
				   ? (u32)(((1ull << 32) + k->chunk_bytes - 1) / k->chunk_bytes)
				   : 0;
	layout_colours(k);
	/* Calls that the inline path must not answer come out of line. */
	kmem_store(&k->public.cpu_offset,
		   k->cpu_offset && !(k->flags & (CLIB_KMEM_CHECKED | CLIB_KMEM_DEBUG))
			   ? k->cpu_offset
			   : kmem_empty_cpu_offset());
	return 0;
}

/* ---- making ---- */

static u32
class_of_rounds(uword rounds)
{
	u32 class = 0;

	while (class < KMEM_MAGAZINE_CLASSES - 1 && kmem_magazine_capacity(class) < rounds)
		class ++;
	return class;
}

static void
choose_magazines(kmem_t *k, const clib_kmem_params_t *p)
{
	u32 class =
		clib_min(class_of_rounds(MAGAZINE_BYTES / k->object_bytes), (u32)CLASS_FIRST_MAX);

	if (p->magazine_rounds)
		class = class_of_rounds(p->magazine_rounds);
	k->class_max = class_of_rounds(MAGAZINE_BYTES_MAX / k->object_bytes);
	if (p->magazine_rounds_max)
		k->class_max = class_of_rounds(p->magazine_rounds_max);
	k->class_max = clib_max(k->class_max, class);
	kmem_store(&k->class, class);
	k->depot_magazines = p->depot_magazines;
}

static bool
params_are_wrong(const clib_kmem_params_t *p)
{
	uword n_name = p->name ? strnlen(p->name, CLIB_KMEM_NAME_BYTES) : 0;
	bool has_ctor = p->ctor || p->dtor || p->init;

	if (n_name == 0 || n_name == CLIB_KMEM_NAME_BYTES || p->object_bytes == 0)
		return true;
	/* 1 << 40: so that no sum of sizes overflows. */
	if (p->object_bytes > 1ull << 40 || !is_pow2(p->align) || p->align > ALIGN_MAX)
		return true;
	if (!is_pow2(p->slab_bytes) || p->slab_bytes > GiB(2))
		return true;
	if (p->init && (p->ctor || p->dtor))
		return true;
	return (p->flags & CLIB_KMEM_NO_TOUCH) &&
	       (has_ctor || (p->flags & (CLIB_KMEM_REDZONE | CLIB_KMEM_POISON)));
}

static int
fill_in(kmem_t *k, const clib_kmem_params_t *p, u32 flags, const kmem_source_ops_t *ops)
{
	snprintf(k->name, sizeof(k->name), "%s", p->name);
	k->object_bytes = k->public.object_bytes = p->object_bytes;
	k->align = p->align;
	k->asked_flags = flags;
	k->asked_slab_bytes_log2 = p->slab_bytes ? (u32)min_log2(p->slab_bytes) : 0;
	k->source = p->source ? p->source : kmem_default_arena();
	k->source_ops = ops;
	k->ctor = p->ctor;
	k->dtor = p->dtor;
	k->init = p->init;
	k->reclaim = p->reclaim;
	k->arg = p->arg;
	if (p->ctor || p->dtor || p->init)
		k->asked_flags |= KMEM_HAS_CTOR;
	if (!(flags & CLIB_KMEM_NO_MAGAZINES)) {
		if (!kmem_is_made_to_fail())
			k->cpu_offset = percpu_offset_alloc(sizeof(clib_kmem_cpu_t),
							    CLIB_CACHE_LINE_BYTES, 0);
		if (k->cpu_offset == 0)
			return -ENOMEM;
	}
	choose_magazines(k, p);
	return kmem_layout(k);
}

int
kmem_make(const clib_kmem_params_t *params, u32 internal_flags, const kmem_source_ops_t *ops,
	  kmem_t **cache)
{
	kmem_t *k;
	int error;

	if (params_are_wrong(params))
		return -EINVAL;
	if (kmem_init())
		return -ENOMEM;
	k = kmem_meta_alloc(sizeof(*k), true);
	if (k == NULL)
		return -ENOMEM;
	error = fill_in(k, params, (params->flags & KMEM_PUBLIC_FLAGS) | internal_flags, ops);
	if (error) {
		if (k->cpu_offset)
			percpu_offset_free(k->cpu_offset, sizeof(clib_kmem_cpu_t));
		kmem_meta_free(k, sizeof(*k));
		return error;
	}
	kmem_list_add(k);
	*cache = k;
	return 0;
}

/* ---- destroying ---- */

/* How many objects are not in their slabs, once the magazines are empty; reported one by one. */
#define N_LIVE_REPORTS 16

typedef struct {
	u32 n;
	const void *objects[N_LIVE_REPORTS];
} live_objects_t;

static int
note_live(const void *object, void *arg)
{
	live_objects_t *live = arg;

	live->objects[live->n++] = object;
	return live->n == N_LIVE_REPORTS;
}

static void
report_live(kmem_t *k, u64 n_live, const void *caller)
{
	clib_kmem_error_t e = { .kind = CLIB_KMEM_ERROR_LIVE, .cache = k->name, .caller = caller };
	live_objects_t live = {};

	clib_kmem_cache_foreach_live(&k->public, note_live, &live);
	for (u32 i = 0; i < live.n; i++) {
		e.object = live.objects[i];
		clib_kmem_cache_audit(&k->public, e.object, &e.alloc_site, &e.free_site);
		kmem_report(&e);
	}
	e = (clib_kmem_error_t){
		.kind = CLIB_KMEM_ERROR_LIVE, .cache = k->name, .count = n_live, .caller = caller
	};
	kmem_report(&e);
}

int
kmem_destroy(kmem_t *k, bool is_forced, const void *caller)
{
	u64 n_live;

	kmem_flush_all(k, true, NULL);
	n_live = kmem_load(&k->n_taken);
	if (n_live && !is_forced) {
		report_live(k, n_live, caller);
		return -EBUSY;
	}
	kmem_list_remove(k);
	kmem_slab_destroy_all(k);
	kmem_hash_free(k);
	if (k->cpu_offset)
		percpu_offset_free(k->cpu_offset, sizeof(clib_kmem_cpu_t));
	kmem_meta_free(k, sizeof(*k));
	return 0;
}

int
clib_kmem_cache_destroy(clib_kmem_cache_t *cache)
{
	return cache ? kmem_destroy(kmem_of(cache), false, __builtin_return_address(0)) : 0;
}

const char *
clib_kmem_cache_name(const clib_kmem_cache_t *cache)
{
	return ((const kmem_t *)cache)->name;
}

unsigned int
clib_kmem_cache_size(const clib_kmem_cache_t *cache)
{
	return (unsigned int)cache->object_bytes;
}
