/* SPDX-License-Identifier: Apache-2.0 */
/* A request goes: the thread's pages, the zones in falling order, other threads' pages, more
 * chunks, waiting; each only as its flags allow. */
#include "pages_impl.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

/* How often a request looks for a chunk of its zone before it gives up: what comes from the kernel
 * may lie anywhere. */
#define N_GROWS 4

static _Atomic(pages_error_function_t *) error_handler;
static _Atomic u64 fail_countdown;

/* ---- reports ---- */

void
pages_set_error_handler(pages_error_function_t *fn)
{
	atomic_store_explicit(&error_handler, fn, memory_order_relaxed);
}

void
pages_report(const char *what, const void *where, const void *caller)
{
	pages_error_function_t *fn = atomic_load_explicit(&error_handler, memory_order_relaxed);
	char text[256];
	int n;

	if (fn) {
		fn(what, where, caller);
		return;
	}
	n = snprintf(text, sizeof(text), "pages: %s: %p (called from %p)\n", what, where, caller);
	if (write(STDERR_FILENO, text, (size_t)clib_min(n, (int)sizeof(text) - 1)) < 0) {
		/* Nobody to tell. */
	}
}

void
pages_fail_alloc_after(u64 n)
{
	atomic_store_explicit(&fail_countdown, n, memory_order_relaxed);
}

static never_inline int
is_chosen_to_fail(void)
{
	u64 n = atomic_load_explicit(&fail_countdown, memory_order_relaxed);

	while (n && !atomic_compare_exchange_weak_explicit(
			    &fail_countdown, &n, n - 1, memory_order_relaxed, memory_order_relaxed))
		;
	return n == 1;
}

/* ---- zones ---- */

/* The highest zone that a request may take from. */
static pages_zone_id_t
first_zone(gfp_t gfp)
{
	if (gfp & __GFP_DMA)
		return ZONE_DMA;
	if (gfp & __GFP_DMA32)
		return ZONE_DMA32;
	return gfp & __GFP_HIGHMEM ? ZONE_HIGHMEM : ZONE_NORMAL;
}

void
pages_mark_used(pages_t *p, u32 number, u32 order, gfp_t gfp)
{
	page_t *page = &p->records[number];

	pages_set_flags(page, (page->flags & PG_ZONE_MASK) | order | PG_USED |
				      (gfp & __GFP_COMP ? PG_COMPOUND : 0));
	page->first_page = number;
	page->private_data = 0;
	atomic_store_explicit(&page->_mapcount, 0, memory_order_relaxed);
	atomic_store_explicit(&page->_count, 1, memory_order_relaxed);
	if (PREDICT_TRUE(!(gfp & __GFP_COMP)))
		return;
	for (u32 i = 1; i < 1u << order; i++)
		p->records[number + i].first_page = number;
}

/* One pass over the zones, highest first. */
static u32
take_from_zones(pages_t *p, gfp_t gfp, u32 order)
{
	u32 number = PAGES_NONE, type = (gfp & __GFP_MOVABLE) != 0;
	int wanted = (int)first_zone(gfp);

	pages_spin_lock(&p->lock);
	for (int i = wanted; i >= 0 && number == PAGES_NONE; i--) {
		pages_zone_t *z = &p->zones[i];
		u64 keep = gfp & __GFP_HIGH ? 0 : z->reserve_pages;

		if (z->free_pages < (1ull << order) + keep)
			continue;
		number = pages_buddy_take(p, z, order, type, (gfp & __GFP_COLD) != 0);
		if (number != PAGES_NONE) {
			z->n_allocs++;
			z->n_fallbacks += i != wanted;
			pages_mark_used(p, number, order, gfp);
		}
	}
	pages_spin_unlock(&p->lock);
	return number;
}

/* ---- more ---- */

static int
grow_for(pages_t *p, gfp_t gfp)
{
	int n = 0;

	pthread_mutex_lock(&p->grow_lock);
	if (gfp & __GFP_HIGHMEM)
		n += !pages_add_chunk(p, 1);
	if (!n)
		n += !pages_add_chunk(p, 0);
	pthread_mutex_unlock(&p->grow_lock);
	return n;
}

void
pages_wake(pages_t *p)
{
	pthread_mutex_lock(&p->wait_lock);
	pthread_cond_broadcast(&p->freed);
	pthread_mutex_unlock(&p->wait_lock);
}

static void
add_ms(struct timespec *t, u64 ms)
{
	t->tv_sec += (time_t)(ms / 1000);
	t->tv_nsec += (long)(ms % 1000) * 1000000;
	if (t->tv_nsec >= 1000000000) {
		t->tv_sec++;
		t->tv_nsec -= 1000000000;
	}
}

/* Wait for others to free, as long as the flags say. */
static u32
wait_and_take(pages_t *p, gfp_t gfp, u32 order)
{
	u64 ms = gfp & __GFP_REPEAT ? 10ull * p->wait_ms : p->wait_ms;
	struct timespec end;
	u32 number;
	int rv = 0;

	clock_gettime(CLOCK_MONOTONIC, &end);
	add_ms(&end, ms);
	atomic_fetch_add_explicit(&p->n_sleeps, 1, memory_order_relaxed);
	/* Sequential: the count is seen by a free before we look at what is free. */
	atomic_fetch_add_explicit(&p->n_waiters, 1, memory_order_seq_cst);
	pthread_mutex_lock(&p->wait_lock);
	while ((number = take_from_zones(p, gfp, order)) == PAGES_NONE) {
		atomic_fetch_add_explicit(&p->n_attempts, 1, memory_order_relaxed);
		if (gfp & __GFP_NOFAIL)
			pthread_cond_wait(&p->freed, &p->wait_lock);
		else if (rv == ETIMEDOUT)
			break;
		else
			rv = pthread_cond_timedwait(&p->freed, &p->wait_lock, &end);
	}
	pthread_mutex_unlock(&p->wait_lock);
	atomic_fetch_sub_explicit(&p->n_waiters, 1, memory_order_relaxed);
	return number;
}

static never_inline u32
take_slowly(pages_t *p, gfp_t gfp, u32 order)
{
	u32 number = PAGES_NONE;

	if (pages_cache_drain_all(p))
		number = take_from_zones(p, gfp, order);
	if (number != PAGES_NONE || !(gfp & __GFP_WAIT) || (gfp & __GFP_NORETRY))
		return number;
	for (u32 i = 0; i < N_GROWS && number == PAGES_NONE && !(gfp & __GFP_NO_GROW); i++) {
		if (!grow_for(p, gfp))
			break;
		atomic_fetch_add_explicit(&p->n_attempts, 1, memory_order_relaxed);
		number = take_from_zones(p, gfp, order);
	}
	return number != PAGES_NONE ? number : wait_and_take(p, gfp, order);
}

static never_inline void
alloc_failed(pages_t *p, gfp_t gfp, u32 order, const void *caller)
{
	pages_zone_id_t zone = first_zone(gfp);
	char text[160];

	pages_spin_lock(&p->lock);
	p->zones[zone].n_fails++;
	pages_spin_unlock(&p->lock);
	if (gfp & __GFP_NOWARN)
		return;
	snprintf(text, sizeof(text),
		 "no block of order %u in zone %s of '%s', node %d: %llu pages free, %llu kept in "
		 "reserve",
		 order, pages_zone_name(zone), p->name, p->numa_node,
		 (unsigned long long)p->zones[zone].free_pages,
		 (unsigned long long)p->zones[zone].reserve_pages);
	pages_report(text, NULL, caller);
}

/* ---- alloc ---- */

static never_inline int
zero_block(page_t *page, u32 order, gfp_t gfp)
{
	for (u32 i = 0; i < 1u << order; i++) {
		void *a = clib_kmap(page + i, gfp & __GFP_WAIT ? 0 : KMAP_NOWAIT);

		if (!a)
			return -ENOMEM;
		memset(a, 0, PAGES_PAGE_BYTES);
		clib_kunmap(page + i);
	}
	return 0;
}

static page_t *
alloc_any(pages_t *p, gfp_t gfp, u32 order, const void *caller)
{
	u32 number = PAGES_NONE;

	if (order > p->max_order ||
	    (atomic_load_explicit(&fail_countdown, memory_order_relaxed) && is_chosen_to_fail())) {
		alloc_failed(p, gfp, order, caller);
		return NULL;
	}
	if (order == 0 &&
	    !(gfp & (__GFP_DMA | __GFP_DMA32 | __GFP_HIGHMEM | __GFP_MOVABLE | __GFP_COLD))) {
		number = pages_cache_get(p);
		if (number != PAGES_NONE)
			pages_mark_used(p, number, 0, gfp);
	}
	if (number == PAGES_NONE)
		number = take_from_zones(p, gfp, order);
	if (number == PAGES_NONE)
		number = take_slowly(p, gfp, order);
	if (number == PAGES_NONE) {
		alloc_failed(p, gfp, order, caller);
		return NULL;
	}
	if ((gfp & __GFP_ZERO) && zero_block(&p->records[number], order, gfp)) {
		pages_free(&p->records[number], order);
		return NULL;
	}
	return &p->records[number];
}

static never_inline page_t *
alloc_slow(pages_t *p, gfp_t gfp, u32 order, const void *caller)
{
	page_t *page = NULL;
	u32 guard;

	if (p) {
		guard = pages_open(p);
		page = alloc_any(p, gfp, order, caller);
		vm_guard_close(guard);
	}
	return page;
}

/* One plain page that the thread keeps; all else is the long way's. */
always_inline page_t *
alloc_inline(pages_t *p, gfp_t gfp, u32 order, const void *caller)
{
	pages_cache_t *c;
	page_t *page;
	u32 number;

	if (PREDICT_FALSE(!p || (order | (gfp & ~(gfp_t)PAGES_GFP_PLAIN)) ||
			  atomic_load_explicit(&fail_countdown, memory_order_relaxed)))
		return alloc_slow(p, gfp, order, caller);
	c = pages_own_cache(p);
	if (PREDICT_FALSE(!c || (number = pages_cache_pop(c)) == PAGES_NONE))
		return alloc_slow(p, gfp, order, caller);
	page = &p->records[number];
	pages_set_flags(page, ZONE_NORMAL << PG_ZONE_SHIFT | PG_USED);
	page->first_page = number;
	page->private_data = 0;
	/* _mapcount is 0: a mapped page cannot be freed. */
	atomic_store_explicit(&page->_count, 1, memory_order_relaxed);
	return page;
}

page_t *
pages_alloc(pages_t *p, gfp_t gfp, u32 order)
{
	return alloc_inline(p, gfp, order, __builtin_return_address(0));
}

page_t *
clib_alloc_pages(gfp_t gfp, u32 order)
{
	return alloc_inline(pages_of_node((u32)vm_current_numa_node()), gfp, order,
			    __builtin_return_address(0));
}

uword
clib_get_free_pages(gfp_t gfp, u32 order)
{
	/* An address is asked for: pages without one are no answer. */
	page_t *page =
		alloc_inline(pages_of_node((u32)vm_current_numa_node()),
			     gfp & ~(gfp_t)__GFP_HIGHMEM, order, __builtin_return_address(0));

	return page ? pointer_to_uword(clib_page_address(page)) : 0;
}

/* ---- free ---- */

static never_inline int
refuse_free(pages_t *p, const page_t *page, u32 order, const void *caller)
{
	const char *what = "free of a page inside a block";
	int rv = -EINVAL;

	if (!p) {
		pages_report("free of what is no page", page, caller);
		return -EINVAL;
	}
	atomic_fetch_add_explicit(&p->n_bad_frees, 1, memory_order_relaxed);
	if (page->flags & (PG_FREE | PG_CACHED)) {
		what = "free of a block that is free already";
		rv = -EALREADY;
	} else if (page->flags & PG_USED) {
		what = (page->flags & PG_ORDER_MASK) == order
			       ? "free of a block that kmap() or vmalloc() maps still"
			       : "free with another order than it was allocated with";
	}
	pages_report(what, page, caller);
	return rv;
}

/* Of the zone from which threads keep pages, in a chunk of pinned pages, and nobody waits for it.
 */
always_inline int
may_keep(pages_t *p, u32 number)
{
	return PREDICT_TRUE(!p->chunks[pages_chunk_of(p, number)].type &&
			    !atomic_load_explicit(&p->n_waiters, memory_order_relaxed));
}

/* The block has no user any more. */
static void
release(pages_t *p, page_t *page, u32 order)
{
	u32 number = pages_number(p, page);

	if (order == 0 && (page->flags & PG_ZONE_MASK) == ZONE_NORMAL << PG_ZONE_SHIFT &&
	    may_keep(p, number) && pages_cache_put(p, number))
		return;
	pages_spin_lock(&p->lock);
	page->flags &= PG_ZONE_MASK;
	p->zones[page->flags >> PG_ZONE_SHIFT].n_frees++;
	pages_buddy_give(p, number, order, 0);
	pages_spin_unlock(&p->lock);
	/* Sequential: pairs with the count in wait_and_take(). */
	if (PREDICT_FALSE(atomic_load_explicit(&p->n_waiters, memory_order_seq_cst)))
		pages_wake(p);
}

/* order PAGES_NONE: whatever it was. */
static int
free_any(pages_t *p, page_t *page, u32 order, const void *caller)
{
	u32 flags = page->flags;

	if (order == PAGES_NONE)
		order = flags & PG_ORDER_MASK;
	if ((flags & (PG_USED | PG_ORDER_MASK)) != (PG_USED | order))
		return refuse_free(p, page, order, caller);
	/* One user, nobody else to race with: no atomic read-modify-write. */
	if (atomic_load_explicit(&page->_count, memory_order_acquire) != 1 &&
	    /* Acquire and release: what other users wrote is over before the block is reused. */
	    atomic_fetch_sub_explicit(&page->_count, 1, memory_order_acq_rel) != 1)
		return 0;
	if (atomic_load_explicit(&page->_mapcount, memory_order_relaxed)) {
		atomic_store_explicit(&page->_count, 1, memory_order_relaxed);
		return refuse_free(p, page, order, caller);
	}
	atomic_store_explicit(&page->_count, 0, memory_order_relaxed);
	release(p, page, order);
	return 0;
}

static never_inline int
free_slow(page_t *page, u32 order, const void *caller)
{
	pages_t *p = pages_of_record(page);
	u32 guard;
	int rv;

	if (!page)
		return 0;
	if (!p)
		return refuse_free(NULL, page, order, caller);
	guard = pages_open(p);
	rv = free_any(p, page, order, caller);
	vm_guard_close(guard);
	return rv;
}

/* One page with one user and no mapping, into the thread's own; all else is the long way's. */
always_inline int
free_inline(page_t *page, u32 order, const void *caller)
{
	pages_t *p = pages_of_record(page);
	pages_cache_t *c;
	u32 number, flags;

	if (PREDICT_FALSE(!p || (order && order != PAGES_NONE)))
		return free_slow(page, order, caller);
	number = pages_number(p, page);
	flags = page->flags;
	c = pages_own_cache(p);
	if (PREDICT_FALSE(flags != (ZONE_NORMAL << PG_ZONE_SHIFT | PG_USED) || !c ||
			  atomic_load_explicit(&page->_count, memory_order_acquire) != 1 ||
			  atomic_load_explicit(&page->_mapcount, memory_order_relaxed) ||
			  !may_keep(p, number)))
		return free_slow(page, order, caller);
	atomic_store_explicit(&page->_count, 0, memory_order_relaxed);
	pages_set_flags(page, ZONE_NORMAL << PG_ZONE_SHIFT | PG_CACHED);
	if (PREDICT_FALSE(!pages_cache_push(c, number)))
		pages_cache_put(p, number);
	return 0;
}

int
pages_free(page_t *page, u32 order)
{
	return free_inline(page, order, __builtin_return_address(0));
}

void
clib_free_pages_of(page_t *page, u32 order)
{
	free_inline(page, order, __builtin_return_address(0));
}

void
clib_free_pages_at(uword address, u32 order)
{
	page_t *page = clib_virt_to_page(uword_to_pointer(address, void *));

	if (page)
		free_inline(page, order, __builtin_return_address(0));
	else if (address)
		pages_report("free of an address that is in no set of pages",
			     uword_to_pointer(address, void *), __builtin_return_address(0));
}

/* Records of no set are not ours to guard. */
static u32
open_of(const page_t *page)
{
	const pages_t *p = vm_guard_key() ? pages_of_record(page) : NULL;

	return p ? pages_open(p) : 0;
}

/* Any page of a compound block stands for the block: the page that has its users. */
static page_t *
users_page_of(pages_t *p, page_t *page)
{
	page_t *first;

	if (!p || (page->flags & (PG_USED | PG_FREE | PG_CACHED)))
		return page;
	/* Of a block that was once here, maybe. */
	first = &p->records[page->first_page];
	return first->flags & PG_COMPOUND &&
			       (uword)(page - first) < 1ul << (first->flags & PG_ORDER_MASK)
		       ? first
		       : page;
}

void
clib_get_page(page_t *page)
{
	pages_t *p = pages_of_record(page);
	u32 guard;

	page = users_page_of(p, page);
	if (!p || !(page->flags & PG_USED)) {
		pages_report("use of a page that is not allocated", page,
			     __builtin_return_address(0));
		return;
	}
	guard = pages_open(p);
	atomic_fetch_add_explicit(&page->_count, 1, memory_order_relaxed);
	vm_guard_close(guard);
}

void
clib_set_page_private(page_t *page, u64 value)
{
	u32 guard = open_of(page);

	page->private_data = value;
	vm_guard_close(guard);
}

void
pages_count_mapping(page_t *page, int n)
{
	u32 guard = open_of(page);

	atomic_fetch_add_explicit(&page->_mapcount, (u32)n, memory_order_relaxed);
	vm_guard_close(guard);
}

void
clib_put_page(page_t *page)
{
	page = users_page_of(pages_of_record(page), page);
	free_inline(page, PAGES_NONE, __builtin_return_address(0));
}
