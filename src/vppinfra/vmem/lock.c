/* SPDX-License-Identifier: Apache-2.0 */
/* What a lock and a condition do when there is somebody to wait for. */
#include "vmem_impl.h"

#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Ten microseconds: twice a slice of vmem_index_build(), so that who meets one need not sleep,
 * which may take many times as long. */
#define N_SPINS 600
/* Long enough for one who spins to see the lock free. */
#define N_GAP 4
/* Turns that whoever was woken has to come and take the lock: a hundred microseconds or more. */
#define N_YIELDS 256

/* NULL: no limit of time. */
static int
futex_wait(u32 *word, u32 value, const struct timespec *until)
{
	/* With this form of waiting the time is a moment and the clock the monotonic one. */
	return syscall(SYS_futex, word, FUTEX_WAIT_BITSET_PRIVATE, value, until, NULL,
		       FUTEX_BITSET_MATCH_ANY)
		       ? -errno
		       : 0;
}

/* Value: how many were asleep. */
static long
futex_wake(u32 *word, int n)
{
	return syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, n, NULL, NULL, 0);
}

void
_vmem_lock_wait(vmem_lock_t *lock)
{
	int error = errno;

	for (u32 i = 0; i < N_SPINS; i++) {
		CLIB_PAUSE();
		/* Relaxed: only whether trying is worth it. */
		if (__atomic_load_n(&lock->word, __ATOMIC_RELAXED) == 0 && vmem_trylock(lock))
			return;
	}
	/* Acquire: pairs with the release of vmem_unlock().  Whoever slept does not know whether
	 * others still do, so it holds the lock as if they did. */
	while (__atomic_exchange_n(&lock->word, 2, __ATOMIC_ACQUIRE))
		futex_wait(&lock->word, 2, NULL);
	errno = error;
}

void
_vmem_lock_wake(vmem_lock_t *lock)
{
	int error = errno;

	futex_wake(&lock->word, 1);
	errno = error;
}

void
vmem_lock_yield(vmem_lock_t *lock)
{
	int error = errno;
	bool has_woken;

	if (__libc_single_threaded)
		return;
	/* Release: as vmem_unlock().  Whoever held it after sleeping left a 2 behind, too. */
	has_woken = __atomic_exchange_n(&lock->word, 0, __ATOMIC_RELEASE) == 2 &&
		    futex_wake(&lock->word, 1) > 0;
	for (u32 i = 0; i < (has_woken ? N_YIELDS : N_GAP); i++) {
		/* Relaxed: only whether somebody has come. */
		if (__atomic_load_n(&lock->word, __ATOMIC_RELAXED))
			break;
		if (has_woken)
			sched_yield();
		else
			CLIB_PAUSE();
	}
	vmem_lock(lock);
	errno = error;
}

int
vmem_condition_wait(vmem_condition_t *condition, vmem_lock_t *lock, u64 until_ns)
{
	const struct timespec until = { .tv_sec = (time_t)(until_ns / 1000000000u),
					.tv_nsec = (long)(until_ns % 1000000000u) };
	/* Relaxed, here and in the broadcast: the lock orders them. */
	u32 sequence = __atomic_load_n(&condition->sequence, __ATOMIC_RELAXED);
	int error, before = errno;

	vmem_unlock(lock);
	error = futex_wait(&condition->sequence, sequence, until_ns == ~(u64)0 ? NULL : &until);
	errno = before;
	vmem_lock(lock);
	return error == -ETIMEDOUT ? error : 0;
}

void
vmem_condition_broadcast(vmem_condition_t *condition)
{
	int error = errno;

	__atomic_fetch_add(&condition->sequence, 1, __ATOMIC_RELAXED);
	futex_wake(&condition->sequence, INT32_MAX);
	errno = error;
}
