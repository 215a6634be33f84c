/* SPDX-License-Identifier: Apache-2.0 */
/* A few free pages for each thread, so that order 0 neither merges nor splits and threads do not
 * meet.  The owner takes and adds pages in lines of its own, without atomic instructions
 * (pages_impl.h); here is what takes the cache's lock: filling it, emptying it, and holding its
 * owner off when a zone runs dry. */
#include "pages_impl.h"

void
pages_cache_init(pages_t *p)
{
	p->n_caches = p->n_cached_pages ? CLIB_MAX_THREADS : 0;
	if (!p->n_cached_pages || clib_thread_barrier_all() == 0)
		return;
	for (u32 i = 0; i < CLIB_MAX_THREADS; i++)
		p->caches[i].claimed = PAGES_LOCKED_ALWAYS;
}

/* The cache is empty: take a batch above the reserve. */
static never_inline void
fill(pages_t *p, pages_cache_t *c)
{
	pages_zone_t *z = &p->zones[ZONE_NORMAL];
	u32 n = clib_min((u32)PAGES_CACHE_BATCH, p->n_cached_pages), n_now = 0;

	pages_spin_lock(&p->lock);
	while (n_now < n && z->free_pages > z->reserve_pages) {
		u32 number = pages_buddy_take(p, z, 0, 0, 0);

		if (number == PAGES_NONE)
			break;
		pages_set_flags(&p->records[number], p->records[number].flags | PG_CACHED);
		c->pages[n_now++] = number;
	}
	pages_spin_unlock(&p->lock);
	pages_set(c->n, n_now);
}

/* Of a thread that may have no index yet. */
static pages_cache_t *
own_cache(pages_t *p)
{
	clib_thread_index();
	return pages_own_cache(p);
}

u32
pages_cache_get(pages_t *p)
{
	pages_cache_t *c = own_cache(p);
	u32 number = PAGES_NONE, n;

	if (!c)
		return PAGES_NONE;
	pages_spin_lock(&c->lock);
	c->n_max = p->n_cached_pages;
	if (!pages_get(c->n))
		fill(p, c);
	n = pages_get(c->n);
	if (n) {
		number = c->pages[n - 1];
		pages_set(c->n, n - 1);
		pages_set(c->n_allocs, pages_get(c->n_allocs) + 1);
	}
	pages_spin_unlock(&c->lock);
	return number;
}

/* The oldest go; the lists are the set's, so its lock too is held. */
static void
give_oldest(pages_t *p, pages_cache_t *c, u32 n)
{
	pages_spin_lock(&p->lock);
	for (u32 i = 0; i < n; i++) {
		pages_set_flags(&p->records[c->pages[i]],
				p->records[c->pages[i]].flags & PG_ZONE_MASK);
		pages_buddy_give(p, c->pages[i], 0, 0);
	}
	pages_spin_unlock(&p->lock);
	pages_set(c->n, pages_get(c->n) - n);
	memmove(c->pages, c->pages + n, pages_get(c->n) * sizeof(c->pages[0]));
}

int
pages_cache_put(pages_t *p, u32 number)
{
	pages_cache_t *c = own_cache(p);
	u32 n;

	if (!c)
		return 0;
	pages_set_flags(&p->records[number], ZONE_NORMAL << PG_ZONE_SHIFT | PG_CACHED);
	pages_spin_lock(&c->lock);
	c->n_max = p->n_cached_pages;
	n = pages_get(c->n);
	if (n >= p->n_cached_pages) {
		give_oldest(p, c, clib_min((u32)PAGES_CACHE_BATCH, n));
		n = pages_get(c->n);
	}
	c->pages[n] = number;
	pages_set(c->n, n + 1);
	pages_set(c->n_frees, pages_get(c->n_frees) + 1);
	pages_spin_unlock(&c->lock);
	return 1;
}

/* Hold the owner off; the lock is held.  @return whether it is */
static int
claim(pages_cache_t *c)
{
	u32 n = 0;

	if (pages_get(c->claimed) == PAGES_LOCKED_ALWAYS)
		return 1;
	pages_set(c->claimed, 1);
	if (clib_thread_barrier_all()) {
		pages_set(c->claimed, 0);
		return 0;
	}
	/* Acquire: what the owner did; partner: the release in pages_cache_leave(). */
	while (atomic_load_explicit(&c->busy, memory_order_acquire))
		_clib_lock_wait(&n);
	return 1;
}

static void
unclaim(pages_cache_t *c)
{
	/* Release: the owner finds the pages as we leave them. */
	if (pages_get(c->claimed) != PAGES_LOCKED_ALWAYS)
		atomic_store_explicit(&c->claimed, 0, memory_order_release);
}

u32
pages_cache_drain_all(pages_t *p)
{
	u32 limit = p->n_cached_pages ? clib_thread_index_limit() : 0, n = 0;

	for (u32 i = 0; i < limit; i++) {
		pages_cache_t *c = &p->caches[i];

		if (!pages_get(c->n))
			continue;
		pages_spin_lock(&c->lock);
		if (claim(c)) {
			n += pages_get(c->n);
			give_oldest(p, c, pages_get(c->n));
			unclaim(c);
		}
		pages_spin_unlock(&c->lock);
	}
	return n;
}

u64
pages_cache_count(const pages_t *p)
{
	u32 limit = p->n_cached_pages ? clib_thread_index_limit() : 0;
	u64 n = 0;

	for (u32 i = 0; i < limit; i++)
		n += pages_get(p->caches[i].n);
	return n;
}

void
pages_cache_totals(const pages_t *p, u64 *n_allocs, u64 *n_frees)
{
	u32 limit = p->n_cached_pages ? clib_thread_index_limit() : 0;

	for (u32 i = 0; i < limit; i++) {
		*n_allocs += pages_get(p->caches[i].n_allocs);
		*n_frees += pages_get(p->caches[i].n_frees);
	}
}
