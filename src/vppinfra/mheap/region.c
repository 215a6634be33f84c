/* SPDX-License-Identifier: Apache-2.0 */
/* The heaps made in this process and the calls behind their regions.  Pointers stay here, in
 * private memory: a heap mapped elsewhere finds its index naming another address, or nothing. */
#include <pthread.h>
#include "mheap_impl.h"

#define N_HEAPS 4096 /* a heap per lcore, per node and per table, with room; untouched is free */

typedef struct {
	/* Written under the lock, the pointer last; read by anybody without. */
	_Atomic(mheap_t *) h;
	_Atomic uword vector, vector_end;
	u64 cookie;
	mheap_region_t region;
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

void
mheap_region_unregister(mheap_t *h)
{
	if (!mheap_region_of(h))
		return;
	pthread_mutex_lock(&region_main.lock);
	atomic_store_explicit(&region_main.entries[h->region_index - 1].h, NULL,
			      memory_order_release);
	pthread_mutex_unlock(&region_main.lock);
}

const mheap_region_t *
mheap_region_of(const mheap_t *h)
{
	u32 i = h->region_index - 1;
	heap_entry_t *e;

	if (i >= N_HEAPS)
		return NULL;
	e = &region_main.entries[i];
	/* Acquire: pairs with the release in mheap_region_register(). */
	if (atomic_load_explicit(&e->h, memory_order_acquire) != h || e->cookie != h->cookie)
		return NULL;
	return &e->region;
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
