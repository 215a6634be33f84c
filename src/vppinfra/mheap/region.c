/* SPDX-License-Identifier: Apache-2.0 */
/* The heaps made in this process and the calls behind their regions.  Pointers stay here, in
 * private memory: a heap mapped elsewhere finds its index naming another address, or nothing. */
#include <pthread.h>
#include <sys/mman.h>
#include "mheap_impl.h"

#define N_HEAPS 4096 /* a heap per lcore, per node and per table, with room; untouched is free */

typedef struct {
	/* Written under the lock, the pointer last; read by anybody without. */
	_Atomic(mheap_t *) h;
	_Atomic uword vector, vector_end;
	u64 cookie;
	mheap_region_t region;
	/* Under the heap's lock: a bit per page of the vector; NULL until one is given back. */
	u64 *holes;
} heap_entry_t;

static struct {
	pthread_mutex_t lock;
	_Atomic u32 limit;
	heap_entry_t entries[N_HEAPS];
} region_main = { .lock = PTHREAD_MUTEX_INITIALIZER };

int
mheap_region_register(mheap_t *h, const mheap_region_t *region)
{
	heap_entry_t *e = NULL;
	u32 i;

	pthread_mutex_lock(&region_main.lock);
	for (i = 0; i < N_HEAPS; i++) {
		e = &region_main.entries[i];
		if (!atomic_load_explicit(&e->h, memory_order_relaxed))
			break;
	}
	if (i == N_HEAPS) {
		pthread_mutex_unlock(&region_main.lock);
		return -ENOMEM;
	}
	e->region = *region;
	e->holes = NULL;
	e->cookie = h->cookie;
	atomic_store_explicit(&e->vector, (uword)mheap_vector(h), memory_order_relaxed);
	atomic_store_explicit(&e->vector_end, (uword)mheap_vector(h) + h->max_size,
			      memory_order_relaxed);
	h->region_index = i + 1;
	/* Release: the entry above is seen by whoever acquires the pointer. */
	atomic_store_explicit(&e->h, h, memory_order_release);
	if (i >= atomic_load_explicit(&region_main.limit, memory_order_relaxed))
		atomic_store_explicit(&region_main.limit, i + 1, memory_order_release);
	pthread_mutex_unlock(&region_main.lock);
	return 0;
}

static heap_entry_t *
entry_of(const mheap_t *h)
{
	u32 i = h->region_index - 1;
	heap_entry_t *e;

	if (i >= N_HEAPS)
		return NULL;
	e = &region_main.entries[i];
	/* Acquire: pairs with the release in mheap_region_register(). */
	if (atomic_load_explicit(&e->h, memory_order_acquire) != h || e->cookie != h->cookie)
		return NULL;
	return e;
}

/* Pages that the vector can reach into, and the number of the one with an offset in it. */
static uword
page_of(const mheap_t *h, uword uo)
{
	uword v = (uword)mheap_vector(h);

	return (v + uo) / h->page_bytes - v / h->page_bytes;
}

static uword
holes_bytes(const mheap_t *h)
{
	return (page_of(h, h->max_size) / 64 + 1) * sizeof(u64);
}

void
mheap_region_unregister(mheap_t *h)
{
	heap_entry_t *e = entry_of(h);

	if (!e)
		return;
	pthread_mutex_lock(&region_main.lock);
	if (e->holes)
		munmap(e->holes, holes_bytes(h));
	atomic_store_explicit(&e->h, NULL, memory_order_release);
	pthread_mutex_unlock(&region_main.lock);
}

const mheap_region_t *
mheap_region_of(const mheap_t *h)
{
	heap_entry_t *e = entry_of(h);

	return e ? &e->region : NULL;
}

int
mheap_owns_region(const void *v)
{
	const mheap_region_t *region = v ? mheap_region_of(mheap_header(v)) : NULL;

	return region && region->release;
}

/* Word by word, so that a gigabyte of 4 KiB pages costs 4096 steps. */
static void
set_holes(const mheap_t *h, u64 *holes, uword lo, uword hi, int is_hole)
{
	uword page = page_of(h, lo), end = page_of(h, hi);

	while (page < end) {
		uword n = clib_min(64 - page % 64, end - page);
		u64 mask = pow2_mask(n) << (page % 64);

		if (is_hole)
			holes[page / 64] |= mask;
		else
			holes[page / 64] &= ~mask;
		page += n;
	}
}

int
mheap_holes_mark(mheap_t *h, uword lo, uword hi)
{
	heap_entry_t *e = entry_of(h);
	void *p;

	if (!h->pages_may_vanish)
		return 0;
	if (!e)
		return -ENOMEM;
	if (!e->holes) {
		p = mmap(NULL, holes_bytes(h), PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (p == MAP_FAILED)
			return -ENOMEM;
		e->holes = p;
	}
	h->first_hole_uoffset = clib_min(h->first_hole_uoffset, lo);
	set_holes(h, e->holes, lo, hi, 1);
	return 0;
}

void
mheap_holes_clear(mheap_t *h, uword lo, uword hi)
{
	heap_entry_t *e = entry_of(h);

	if (e && e->holes)
		set_holes(h, e->holes, lo, hi, 0);
}

int
mheap_is_in_hole(const mheap_t *h, uword uo)
{
	const heap_entry_t *e = entry_of(h);
	uword first, last;

	if (!e)
		return 1; /* another process's heap: what may be touched is not known here */
	if (!e->holes)
		return 0;
	/* The header may lie across a page boundary. */
	first = page_of(h, uo - MHEAP_ELT_OVERHEAD_BYTES);
	last = page_of(h, uo - 1);
	return ((e->holes[first / 64] >> (first % 64)) | (e->holes[last / 64] >> (last % 64))) & 1;
}

void *
mheap_of_address(const void *p)
{
	/* Acquire: every entry below the limit was written before it was raised. */
	u32 limit = atomic_load_explicit(&region_main.limit, memory_order_acquire);

	for (u32 i = 0; i < limit; i++) {
		heap_entry_t *e = &region_main.entries[i];
		/* Acquire: pairs with the release in mheap_region_register(). */
		mheap_t *h = atomic_load_explicit(&e->h, memory_order_acquire);

		if (h && (uword)p >= atomic_load_explicit(&e->vector, memory_order_relaxed) &&
		    (uword)p < atomic_load_explicit(&e->vector_end, memory_order_relaxed))
			return mheap_vector(h);
	}
	return NULL;
}

void
mheap_foreach_heap(int (*fn)(void *v, void *arg), void *arg)
{
	u32 limit = atomic_load_explicit(&region_main.limit, memory_order_acquire);

	for (u32 i = 0; i < limit; i++) {
		/* Acquire: pairs with the release in mheap_region_register(). */
		mheap_t *h = atomic_load_explicit(&region_main.entries[i].h, memory_order_acquire);

		if (h && fn(mheap_vector(h), arg))
			return;
	}
}
