/* SPDX-License-Identifier: Apache-2.0 */
/* lock: spinlocks and reader-writer locks, VPP's way: a handle to a cache line of its own.
 *
 * A lock that was never initialised is a NULL handle; the _if_init forms then do nothing, so a
 * program with one thread pays a test.  A waiter spins a little, then yields its processor: two
 * lcores may share one, and the owner must get to run.
 *
 * Threads: any, for lock and unlock; one for init and free. */
#ifndef included_vppinfra_lock_h
#define included_vppinfra_lock_h

#include <sched.h>
#include <unistd.h>
#include <vppinfra/atomics.h>
#include <vppinfra/clib.h>
#include <vppinfra/thread.h>

/* 256 pauses are a few microseconds: longer than any section that a spinlock should guard. */
#define CLIB_LOCK_N_SPINS 256

/* Who holds a lock, and from where: written only in programs built with CLIB_DEBUG > 1, there for
 * all, so that debug and other builds agree on the layout. */
#define _CLIB_LOCK_OWNER                                                                           \
	pid_t pid;                                                                                 \
	uword thread_index;                                                                        \
	void *frame_address;

/** Note the caller as the owner of the lock at p, and that there is none; by the owner. */
#if CLIB_DEBUG > 1
#	define CLIB_LOCK_DBG(p)                                                                   \
		do {                                                                               \
			(*(p))->frame_address = __builtin_frame_address(0);                        \
			(*(p))->pid = getpid();                                                    \
			(*(p))->thread_index = os_get_thread_index();                              \
		} while (0)
#	define CLIB_LOCK_DBG_CLEAR(p)                                                             \
		do {                                                                               \
			(*(p))->frame_address = 0;                                                 \
			(*(p))->pid = 0;                                                           \
			(*(p))->thread_index = 0;                                                  \
		} while (0)
#else
#	define CLIB_LOCK_DBG(p)
#	define CLIB_LOCK_DBG_CLEAR(p)
#endif

struct clib_spinlock {
	CLIB_CACHE_LINE_ALIGN_MARK(cacheline0);
	CLIB_ATOMIC(u32) lock;
	_CLIB_LOCK_OWNER
};
typedef struct clib_spinlock *clib_spinlock_t;

struct clib_rw_lock_ {
	CLIB_CACHE_LINE_ALIGN_MARK(cacheline0);
	/* -1: a writer; 0: free; n: so many readers. */
	CLIB_ATOMIC(i32) rw_cnt;
	/* The writer. */
	_CLIB_LOCK_OWNER
};
typedef struct clib_rw_lock_ *clib_rwlock_t;

/** Take a cache line from the current heap.  @return 0; -ENOMEM with the handle NULL. */
CLIB_EXPORT int clib_spinlock_init(clib_spinlock_t *p);
CLIB_EXPORT int clib_rwlock_init(clib_rwlock_t *p);

/** Give it back and set the handle to NULL.  NULL-safe; nobody may hold the lock. */
CLIB_EXPORT void clib_spinlock_free(clib_spinlock_t *p);
CLIB_EXPORT void clib_rwlock_free(clib_rwlock_t *p);

/* One turn of waiting; n counts the turns. */
always_inline void
_clib_lock_wait(u32 *n)
{
	if (++*n % CLIB_LOCK_N_SPINS)
		CLIB_PAUSE();
	else
		sched_yield();
}

/** Whether the lock was free and is now the caller's. */
always_inline int
clib_spinlock_trylock(clib_spinlock_t *p)
{
	/* Acquire: what the last owner wrote is seen; partner: the release in unlock. */
	if (atomic_load_explicit(&(*p)->lock, memory_order_relaxed) ||
	    atomic_exchange_explicit(&(*p)->lock, 1, memory_order_acquire))
		return 0;
	CLIB_LOCK_DBG(p);
	return 1;
}

/** Wait for the lock and take it.  Not recursive. */
always_inline void
clib_spinlock_lock(clib_spinlock_t *p)
{
	u32 n = 0;

	while (PREDICT_FALSE(!clib_spinlock_trylock(p)))
		_clib_lock_wait(&n);
}

/** Give it back: what was written before is seen by the next owner. */
always_inline void
clib_spinlock_unlock(clib_spinlock_t *p)
{
	CLIB_LOCK_DBG_CLEAR(p);
	/* Release: what we wrote is seen by the acquire of the next owner. */
	atomic_store_explicit(&(*p)->lock, 0, memory_order_release);
}

/** Whether somebody holds it. */
always_inline int
clib_spinlock_is_locked(clib_spinlock_t *p)
{
	return atomic_load_explicit(&(*p)->lock, memory_order_relaxed) != 0;
}

/** VPP's names for that, and for an assertion of it. */
#define CLIB_SPINLOCK_IS_LOCKED(p) clib_spinlock_is_locked(p)
#define CLIB_SPINLOCK_ASSERT_LOCKED(p) ASSERT(clib_spinlock_is_locked(p))

/** The same on a lock that may not be initialised: then trylock succeeds, the rest is nothing. */
always_inline int
clib_spinlock_trylock_if_init(clib_spinlock_t *p)
{
	return PREDICT_FALSE(*p != 0) ? clib_spinlock_trylock(p) : 1;
}

/** The same where the lock was initialised; else nothing. */
always_inline void
clib_spinlock_lock_if_init(clib_spinlock_t *p)
{
	if (PREDICT_FALSE(*p != 0))
		clib_spinlock_lock(p);
}

/** The same where the lock was initialised; else nothing. */
always_inline void
clib_spinlock_unlock_if_init(clib_spinlock_t *p)
{
	if (PREDICT_FALSE(*p != 0))
		clib_spinlock_unlock(p);
}

/** Any number of readers, or one writer.  Readers go first: one may lock again while a writer
 *  waits, and a steady stream of them keeps writers out. */
always_inline void
clib_rwlock_reader_lock(clib_rwlock_t *p)
{
	i32 count = atomic_load_explicit(&(*p)->rw_cnt, memory_order_relaxed);
	u32 n = 0;

	/* Acquire: what the last writer wrote is seen; partner: the release in writer_unlock. */
	while (count < 0 ||
	       !atomic_compare_exchange_weak_explicit(&(*p)->rw_cnt, &count, count + 1,
						      memory_order_acquire, memory_order_relaxed)) {
		_clib_lock_wait(&n);
		count = atomic_load_explicit(&(*p)->rw_cnt, memory_order_relaxed);
	}
}

/** One reader less. */
always_inline void
clib_rwlock_reader_unlock(clib_rwlock_t *p)
{
	ASSERT(atomic_load_explicit(&(*p)->rw_cnt, memory_order_relaxed) > 0);
	/* Release: our reads are over before the writer's acquire lets it write. */
	atomic_fetch_sub_explicit(&(*p)->rw_cnt, 1, memory_order_release);
}

/** Wait until nobody reads or writes, and take the lock. */
always_inline void
clib_rwlock_writer_lock(clib_rwlock_t *p)
{
	i32 nobody = 0;
	u32 n = 0;

	/* Acquire: pairs with the releases of both unlocks. */
	while (!atomic_compare_exchange_weak_explicit(&(*p)->rw_cnt, &nobody, -1,
						      memory_order_acquire, memory_order_relaxed)) {
		_clib_lock_wait(&n);
		nobody = 0;
	}
	CLIB_LOCK_DBG(p);
}

/** Give it back. */
always_inline void
clib_rwlock_writer_unlock(clib_rwlock_t *p)
{
	ASSERT(atomic_load_explicit(&(*p)->rw_cnt, memory_order_relaxed) == -1);
	CLIB_LOCK_DBG_CLEAR(p);
	/* Release: what we wrote is seen by the acquires of readers and writers. */
	atomic_store_explicit(&(*p)->rw_cnt, 0, memory_order_release);
}

#endif
