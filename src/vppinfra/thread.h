/* SPDX-License-Identifier: Apache-2.0 */
/* thread: a dense index for every thread that calls in, whoever started it.
 *
 * Magazines, counters and fronts are arrays indexed by it, one writer each.  An index is handed
 * out at a thread's first call and taken back after its exit callbacks ran; the lowest free one
 * is handed out next, so arrays stay short.  The (CLIB_MAX_THREADS + 1)-th live thread gets
 * CLIB_THREAD_INDEX_NONE: it works without caches, slower, never wrong. */
#ifndef included_vppinfra_thread_h
#define included_vppinfra_thread_h

#include <vppinfra/clib.h>

/** Threads that have an index at one time; what all others have. */
#define CLIB_MAX_THREADS 1024
#define CLIB_THREAD_INDEX_NONE ((u16)~0)

/* Set for the calling thread at its first clib_thread_index(); 0 before, index + 1 after.
 * initial-exec: read without a call; a few bytes of the room that the loader keeps for such. */
CLIB_EXPORT_EXTERN __thread u32 clib_thread_index_plus_1 __attribute__((tls_model("initial-exec")));

/* Where the calling thread's per-CPU unit lies (percpu.h); NULL before its first use and, for good,
 * from when the thread's index is given back. */
CLIB_EXPORT_EXTERN __thread u8 *clib_thread_percpu_base __attribute__((tls_model("initial-exec")));

/** Slow path of clib_thread_index(): registers the calling thread. */
CLIB_EXPORT u16 clib_thread_register(void);

/**
 * Index of the calling thread: [0, CLIB_MAX_THREADS), or CLIB_THREAD_INDEX_NONE when all are
 * taken.  Threads: any.  Cost: one thread-local load and a predicted branch.
 */
always_inline u16
clib_thread_index(void)
{
	u32 i = clib_thread_index_plus_1;
	return PREDICT_TRUE(i != 0) ? (u16)(i - 1) : clib_thread_register();
}

/** VPP's name for it.  Beyond the last index it is ~0. */
always_inline uword
os_get_thread_index(void)
{
	u16 i = clib_thread_index();
	return i == CLIB_THREAD_INDEX_NONE ? ~(uword)0 : i;
}

/** One above the greatest index handed out so far: the bound of a loop over per-thread arrays. */
CLIB_EXPORT u32 clib_thread_index_limit(void);

/** Number of threads that hold an index now. */
CLIB_EXPORT u32 clib_n_threads(void);

/** Called in an exiting thread, in reverse order of registration, before its index is reused. */
typedef void(clib_thread_exit_function_t)(void *arg, u16 thread_index);

/**
 * Register or remove an exit callback: caches of a thread go back from here.
 * @return 0; -ENOMEM when all 64 places are taken; remove: -ENOENT.  Threads: any.
 */
CLIB_EXPORT int clib_thread_at_exit(clib_thread_exit_function_t *fn, void *arg);
CLIB_EXPORT int clib_thread_at_exit_remove(clib_thread_exit_function_t *fn, void *arg);

/** For fork handlers (pthread_atfork): hold indices and callbacks still while the process is
 * copied, in the parent and in the child let go.  Threads that the child does not have keep theirs
 * there. */
CLIB_EXPORT void clib_thread_before_fork(void);
CLIB_EXPORT void clib_thread_after_fork(void);

/** A name for the calling thread, as `show lcores` and error reports print it (31 bytes). */
CLIB_EXPORT void clib_thread_set_name(const char *name);
CLIB_EXPORT const char *clib_thread_name(u16 thread_index);

#endif
