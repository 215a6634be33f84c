/* SPDX-License-Identifier: Apache-2.0 */
/* A recursive lock in the heap's header.  A waiter spins for as long as calls take, then gives the
 * CPU up, for lcores may share it, then sleeps: where there are more threads than CPUs whoever has
 * the lock needs one of them. */
#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <vppinfra/thread.h>
#include "mheap_impl.h"

#define N_SPINS 128 /* about the length of a put that merges both ways */
#define N_YIELDS 4
#define NO_OWNER (~(u32)0)
#define MAX_SLEEP_NS 10000000

/* The lock's word; the last one: locked, and perhaps some thread sleeps. */
enum { OPEN, LOCKED, LOCKED_AND_AWAITED };

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

/* For a while only, or until woken. */
static void
sleep_on(_Atomic u32 *lock, int is_for_a_while)
{
	static const struct timespec a_while = { .tv_nsec = MAX_SLEEP_NS };

	syscall(SYS_futex, lock, FUTEX_WAIT, LOCKED_AND_AWAITED, is_for_a_while ? &a_while : NULL,
		NULL, 0);
}

static int
is_taken(_Atomic u32 *lock)
{
	u32 open = OPEN;

	/* Acquire: the heap as the previous owner left it; pairs with the release in unlock. */
	return atomic_compare_exchange_strong_explicit(lock, &open, LOCKED, memory_order_acquire,
						       memory_order_relaxed);
}

/* Who has slept does not know whether others do: it leaves the word as if. */
static never_inline void
wait_and_take(mheap_t *h)
{
	_Atomic u32 *lock = &h->lock;
	int is_first;

	for (u32 i = 0; i < N_SPINS + N_YIELDS; i++) {
		if (i < N_SPINS)
			CLIB_PAUSE();
		else
			sched_yield();
		if (atomic_load_explicit(lock, memory_order_relaxed) == OPEN && is_taken(lock))
			return;
	}
	/* From now on to let go is one atomic step that sees whether any thread sleeps.  Who lets
	 * go just now may not know yet and wake nobody: the first to wait looks after that, and
	 * when it has had the lock all who follow know.  The others sleep until woken, or thousands
	 * that wait would do nothing but look. */
	is_first = !atomic_exchange_explicit(&h->lock_was_awaited, 1, memory_order_relaxed);
	while (atomic_exchange_explicit(lock, LOCKED_AND_AWAITED, memory_order_acquire) != OPEN)
		sleep_on(lock, is_first);
}

void
mheap_lock_slow(mheap_t *h)
{
	u32 me = own_id();

	/* Relaxed: only this thread ever writes its own id here, so if it reads it, it holds the
	 * lock. */
	if (atomic_load_explicit(&h->owner_cpu, memory_order_relaxed) == me) {
		h->recursion_count++;
		return;
	}
	if (PREDICT_FALSE(!is_taken(&h->lock)))
		wait_and_take(h);
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
	if (PREDICT_TRUE(!atomic_load_explicit(&h->lock_was_awaited, memory_order_relaxed)))
		atomic_store_explicit(&h->lock, OPEN, memory_order_release);
	else if (atomic_exchange_explicit(&h->lock, OPEN, memory_order_release) ==
		 LOCKED_AND_AWAITED)
		syscall(SYS_futex, &h->lock, FUTEX_WAKE, 1, NULL, NULL, 0);
}

int
mheap_lock_if_ours(const mheap_t *h)
{
	if (!(heap_flags(h) & MHEAP_FLAG_THREAD_SAFE) || !mheap_region_of(h))
		return 0;
	mheap_lock_slow((mheap_t *)h);
	return 1;
}
