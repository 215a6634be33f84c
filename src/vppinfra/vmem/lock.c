/* SPDX-License-Identifier: Apache-2.0 */
/* What a lock and a condition do when there is somebody to wait for. */
#include "vmem_impl.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* About two operations long. */
#define N_SPINS 40

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

static void
futex_wake(u32 *word, int n)
{
	syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, n, NULL, NULL, 0);
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
