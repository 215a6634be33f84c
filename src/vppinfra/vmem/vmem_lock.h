/* SPDX-License-Identifier: Apache-2.0 */
/* vmem_lock: an arena's mutex and condition, a word each.
 *
 * An arena is locked for some fifty nanoseconds at a time, so what an uncontended pair costs is a
 * third of the whole: one compare-and-swap in and one exchange out, inline, and while the process
 * has a single thread two plain stores.  Who finds it taken spins for ten microseconds, since a
 * slice of long work may be under way, and then sleeps in the kernel (Drepper, "Futexes are
 * tricky", 2011).  Not recursive, not fair: fairness among those who wait for room is the sleepers'
 * queue's business.
 *
 * Words: 0 free, 1 held, 2 held and somebody may be asleep. */
#ifndef included_vppinfra_vmem_lock_h
#define included_vppinfra_vmem_lock_h

#include <sys/single_threaded.h>
#include <vppinfra/vmem_core.h>

/** The ways that are not the usual one. */
CLIB_EXPORT void _vmem_lock_wait(vmem_lock_t *lock);
CLIB_EXPORT void _vmem_lock_wake(vmem_lock_t *lock);

/** @return whether it was free. */
always_inline bool
vmem_trylock(vmem_lock_t *lock)
{
	u32 is_free = 0;

	if (__libc_single_threaded) {
		/* Relaxed: no other thread; making one orders what was before it. */
		if (__atomic_load_n(&lock->word, __ATOMIC_RELAXED))
			return false;
		__atomic_store_n(&lock->word, 1, __ATOMIC_RELAXED);
		return true;
	}
	/* Acquire: the arena as the previous owner left it; pairs with the release below. */
	return __atomic_compare_exchange_n(&lock->word, &is_free, 1, false, __ATOMIC_ACQUIRE,
					   __ATOMIC_RELAXED);
}

always_inline void
vmem_lock(vmem_lock_t *lock)
{
	if (PREDICT_FALSE(!vmem_trylock(lock)))
		_vmem_lock_wait(lock);
}

always_inline void
vmem_unlock(vmem_lock_t *lock)
{
	if (__libc_single_threaded) {
		/* Relaxed: as above. */
		__atomic_store_n(&lock->word, 0, __ATOMIC_RELAXED);
		return;
	}
	/* Release: everything written under the lock. */
	if (PREDICT_FALSE(__atomic_exchange_n(&lock->word, 0, __ATOMIC_RELEASE) == 2))
		_vmem_lock_wake(lock);
}

/** Drop the lock for as long as somebody who waits for it takes to get it, and take it again.  For
 *  long work in slices: dropping and taking alone would leave a sleeper no chance. */
void vmem_lock_yield(vmem_lock_t *lock);

/** Sleep until vmem_condition_broadcast() or a moment of CLOCK_MONOTONIC; ~0: no such moment.
 *  The lock is held, and dropped meanwhile.  May return early: look again.
 *  @return 0 or -ETIMEDOUT */
int vmem_condition_wait(vmem_condition_t *condition, vmem_lock_t *lock, u64 until_ns);
/** Wake all.  The lock is held. */
void vmem_condition_broadcast(vmem_condition_t *condition);

#endif
