/* SPDX-License-Identifier: Apache-2.0 */
/* libvmheap-malloc: malloc and its family on an mheap, for LD_PRELOAD and for linking.
 *
 *   malloc, free ...        fronts of one heap (mheap_front.h): no lock
 *     | above 32 KiB, alignment, an empty or full stack
 *   the heap                a private reservation that grows, of as much address space as the
 *     |                     process may have, up to 1 TiB
 *     | at or above the mmap threshold, and when the heap is full
 *   mappings of their own   realloc moves pages (mremap), calloc need not clear
 *
 * The heap is made by the first call, whoever makes it: the loader, a constructor, a thread.
 * Nothing here waits for a constructor and nothing asks dlsym().
 *
 * Misuse (double frees, strangers, objects that were written over) is said on stderr and ignored;
 * the object is not reused then.  It is seen up to MHEAP_N_LATER frees after it was made.  With
 * VMHEAP_MALLOC_ABORT=1 the process stops, where the mistake is made.
 *
 *   VMHEAP_MALLOC_STATS=1      a line on stderr when the process exits; or the path of a file that
 *                              the line is appended to
 *   VMHEAP_MALLOC_ABORT=1      abort() on misuse
 *   VMHEAP_MALLOC_CHECK=1      MHEAP_FLAG_CHECKED: redzones, poison, delayed reuse
 *   MALLOC_MMAP_THRESHOLD_=n   as mallopt(M_MMAP_THRESHOLD, n)
 *   MALLOC_TRIM_THRESHOLD_=n   as mallopt(M_TRIM_THRESHOLD, n)
 *
 * fork: the child has the forking thread's fronts and the heap; what other threads' fronts held is
 * taken when memory is short. */
#ifndef included_malloc_impl_h
#define included_malloc_impl_h

#include <vppinfra/mheap_front.h>

#define MALLOC_EXPORT __attribute__((visibility("default")))

/** What malloc's objects are aligned to. */
#define MALLOC_ALIGN MHEAP_MIN_ALIGN

typedef struct {
	/** The heap; NULL before the first call, and when there is no address space at all. */
	void *v;
	/** Requests from here on have mappings of their own. */
	CLIB_ATOMIC(uword) mmap_threshold;
	/** It, or what is kept of free memory, is the program's choice: neither adapts. */
	CLIB_ATOMIC(u8) thresholds_are_set;
	/** Abort on misuse. */
	u8 aborts;
	/** Threads may keep their front in malloc_front. */
	u8 has_fronts;
	u64 n_misuses;
} malloc_main_t;
extern malloc_main_t malloc_main;

/** Free memory in one place keeps its pages up to this: a program that frees megabytes wants them
 *  again. */
#define MALLOC_GIVE_BACK_BYTES MiB(16)

/** The calling thread's front, the closed one until it has one and after its end.  So malloc and
 * free need not look whether there is a heap.  With VMHEAP_MALLOC_ABORT it stays closed: a free
 * then is looked at when it is made. */
extern __thread mheap_front_t *malloc_front __attribute__((tls_model("initial-exec")));
/** After a call that went another way: the front, if there is one now. */
void malloc_find_front(void);

/** Make the heap.  @return it; NULL: no address space.  Threads: any. */
void *malloc_start(void);

/** The caller's mistake with p. */
void malloc_misuse(const char *what, const void *p);

/* ---- mappings of their own (large.c) ----
 *
 * A program that frees an object with a mapping will want another: from then on those of that size
 * are the heap's, if most of it was used and up to 32 MiB, and the heap keeps twice as much when it
 * is free.  So what comes and goes pays for its pages once.  (What glibc does, and says in
 * mallopt(3).) */

/** n bytes, all zero; align is a power of two.  @return NULL: no memory. */
void *large_alloc(uword n_bytes, uword align);
/** @return 0; -EINVAL no such object. */
int large_free(void *p);
/** Bytes that p's mapping holds from p on; 0: no such object. */
uword large_usable(const void *p);
/** Grow or shrink, perhaps elsewhere.  @return NULL: no memory, p as it was. */
void *large_resize(void *p, uword n_bytes);
void large_lock(void);
void large_unlock(void);

typedef struct {
	u64 n_allocs, n_frees, n_live, n_live_bytes;
} large_usage_t;
void large_usage(large_usage_t *usage);

/** The line that VMHEAP_MALLOC_STATS asks for. */
void malloc_print_line(int fd);

#endif
