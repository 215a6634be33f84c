/* SPDX-License-Identifier: Apache-2.0 */
/* A recursive spin lock in the heap's header.  lcores may share a CPU, so a waiter gives the CPU
 * up after a bounded spin. */
#include <sched.h>
#include <vppinfra/thread.h>
#include "mheap_impl.h"

#define N_SPINS 128 /* about the length of a put that merges both ways */
#define NO_OWNER (~(u32)0)

/* Threads beyond the last dense index still need an id of their own. */
static _Atomic u32 n_threads_without_index;
static __thread u32 spare_id __attribute__((tls_model("initial-exec")));

always_inline u32
own_id(void)
{
	u16 index = clib_thread_index();

	if (PREDICT_TRUE(index != CLIB_THREAD_INDEX_NONE))
		return index;
	if (!spare_id)
		spare_id = CLIB_MAX_THREADS + atomic_fetch_add_explicit(&n_threads_without_index, 1,
									memory_order_relaxed);
	return spare_id;
}

void
mheap_lock_slow(mheap_t *h)
{
	u32 me = own_id(), n_spins = 0;

	/* Relaxed: only this thread ever writes its own id here, so if it reads it, it holds the
	 * lock. */
	if (atomic_load_explicit(&h->owner_cpu, memory_order_relaxed) == me) {
		h->recursion_count++;
		return;
	}
	/* Acquire: the heap as the previous owner left it; pairs with the release in unlock. */
	while (atomic_exchange_explicit(&h->lock, 1, memory_order_acquire)) {
		while (atomic_load_explicit(&h->lock, memory_order_relaxed)) {
			if (++n_spins < N_SPINS)
				CLIB_PAUSE();
			else
				sched_yield();
		}
	}
	atomic_store_explicit(&h->owner_cpu, me, memory_order_relaxed);
	h->recursion_count = 1;
}

void
mheap_unlock_slow(mheap_t *h)
{
	ASSERT(atomic_load_explicit(&h->owner_cpu, memory_order_relaxed) == own_id());
	if (--h->recursion_count > 0)
		return;
	atomic_store_explicit(&h->owner_cpu, NO_OWNER, memory_order_relaxed);
	/* Release: everything written under the lock; pairs with the acquire in lock. */
	atomic_store_explicit(&h->lock, 0, memory_order_release);
}

int
mheap_lock_if_ours(const mheap_t *h)
{
	if (!(h->flags & MHEAP_FLAG_THREAD_SAFE) || !mheap_region_of(h))
		return 0;
	mheap_lock_slow((mheap_t *)h);
	return 1;
}
