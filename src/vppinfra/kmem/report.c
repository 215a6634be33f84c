/* SPDX-License-Identifier: Apache-2.0 */
/* Faults in words.  Only the way to an error message comes here, so it may walk and print. */
#include "kmem_impl.h"

static const char *const names[CLIB_KMEM_N_ERRORS] = {
	[CLIB_KMEM_ERROR_STRANGER] = "free of a pointer that is no cache's",
	[CLIB_KMEM_ERROR_INTERIOR] = "free of a pointer that is not the start of an object",
	[CLIB_KMEM_ERROR_WRONG_CACHE] = "free to the wrong cache",
	[CLIB_KMEM_ERROR_DOUBLE_FREE] = "double free",
	[CLIB_KMEM_ERROR_LEFT_OVERRUN] = "written below the object",
	[CLIB_KMEM_ERROR_RIGHT_OVERRUN] = "written beyond the object",
	[CLIB_KMEM_ERROR_USE_AFTER_FREE] = "written after free",
	[CLIB_KMEM_ERROR_LIVE] = "live at destruction",
	[CLIB_KMEM_ERROR_NO_SLEEP] = "would have to sleep, and there is no other thread",
	[CLIB_KMEM_ERROR_ARGUMENT] = "wrong argument for a cache",
};

const char *
clib_kmem_error_name(clib_kmem_error_kind_t kind)
{
	return (u32)kind < CLIB_KMEM_N_ERRORS ? names[kind] : "unknown";
}

static void
print_site(FILE *f, const char *what, const clib_kmem_site_t *site)
{
	if (site->ns == 0)
		return;
	fprintf(f, "  %s by thread %u at %llu.%06llu s:", what, site->thread,
		(unsigned long long)(site->ns / 1000000000u),
		(unsigned long long)(site->ns / 1000u % 1000000u));
	for (u32 i = 0; i < site->n_frames; i++)
		fprintf(f, " %p", site->frames[i]);
	fputc('\n', f);
}

void
clib_kmem_print_error(FILE *f, const clib_kmem_error_t *e)
{
	fprintf(f, "kmem: cache %s: %s", e->cache, clib_kmem_error_name(e->kind));
	if (e->object)
		fprintf(f, ": object %p", e->object);
	else if (e->kind == CLIB_KMEM_ERROR_LIVE)
		fprintf(f, ": %llu objects", (unsigned long long)e->count);
	switch (e->kind) {
	case CLIB_KMEM_ERROR_LEFT_OVERRUN:
	case CLIB_KMEM_ERROR_RIGHT_OVERRUN:
	case CLIB_KMEM_ERROR_USE_AFTER_FREE:
		fprintf(f, ", byte %lld is 0x%02x", (long long)e->offset, e->found);
		break;
	default:
		break;
	}
	if (e->owner)
		fprintf(f, ", which belongs to %s", e->owner);
	if (e->caller)
		fprintf(f, ", called from %p", e->caller);
	fputc('\n', f);
	print_site(f, "allocated", &e->alloc_site);
	print_site(f, "freed", &e->free_site);
}

static void
report_to_stderr(const clib_kmem_error_t *error)
{
	clib_kmem_print_error(stderr, error);
}

static _Atomic(clib_kmem_error_function_t *) error_handler = report_to_stderr;

void
clib_kmem_set_error_handler(clib_kmem_error_function_t *fn)
{
	atomic_store_explicit(&error_handler, fn ? fn : report_to_stderr, memory_order_relaxed);
}

void
kmem_report(const clib_kmem_error_t *error)
{
	atomic_load_explicit(&error_handler, memory_order_relaxed)(error);
}

/* ---- bad frees ---- */

static clib_kmem_error_kind_t
find(kmem_t *k, uword addr)
{
	clib_kmem_error_kind_t kind;
	kmem_slab_t *s;
	u32 i;

	kmem_slab_lock(k);
	kind = kmem_slab_find(k, addr, &s, &i);
	kmem_slab_unlock(k);
	return kind;
}

/* Only caches of memory: in others numbers say nothing about who they belong to. */
static kmem_t *
owner_of(const kmem_t *not_this, uword addr)
{
	kmem_t *owner = NULL;

	kmem_list_lock();
	for (kmem_t *k = kmem_list; k && owner == NULL; k = k->next)
		if (k != not_this && !(k->flags & CLIB_KMEM_NO_TOUCH) &&
		    find(k, addr) != CLIB_KMEM_ERROR_STRANGER)
			owner = k;
	kmem_list_unlock();
	return owner;
}

void
kmem_report_bad_free(kmem_t *k, uword addr, clib_kmem_error_kind_t kind, const void *caller)
{
	clib_kmem_error_t e = { .cache = k->name, .object = (void *)addr, .caller = caller };
	kmem_t *owner = NULL;

	kmem_count(&k->n_bad_frees, 1);
	if (kind == CLIB_KMEM_N_ERRORS)
		kind = find(k, addr);
	if (kind == CLIB_KMEM_ERROR_STRANGER && !(k->flags & CLIB_KMEM_NO_TOUCH))
		owner = owner_of(k, addr);
	if (owner) {
		kind = CLIB_KMEM_ERROR_WRONG_CACHE;
		e.owner = owner->name;
	}
	e.kind = kind;
	clib_kmem_cache_audit(owner ? &owner->public : &k->public, e.object, &e.alloc_site,
			      &e.free_site);
	kmem_report(&e);
}

int
clib_kmem_cache_audit(clib_kmem_cache_t *cache, const void *object, clib_kmem_site_t *alloc_site,
		      clib_kmem_site_t *free_site)
{
	kmem_t *k = kmem_of(cache);
	kmem_slab_t *s;
	int error = -ENOENT;
	u32 i;

	if (!(k->flags & CLIB_KMEM_AUDIT))
		return -ENOENT;
	kmem_slab_lock(k);
	if (kmem_slab_find(k, (uword)object, &s, &i) == CLIB_KMEM_N_ERRORS) {
		*alloc_site = s->audit[i].alloc_site;
		*free_site = s->audit[i].free_site;
		error = 0;
	}
	kmem_slab_unlock(k);
	return error;
}
