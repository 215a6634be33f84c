/* SPDX-License-Identifier: Apache-2.0 */
/* mem_setup: the memory of a dataplane process, made in one call and checked in one.
 *
 *   arena "main"      private (or shared) pages       heap "main heap"     clib_mem_main_heap()
 *   arena "numa-0"    shared huge pages of node 0     heap "numa-0 heap" clib_mem_get_numa_heap(0)
 *   arena "numa-1"    ... one for each node that has memory; they lie in the buffer window
 *
 * Heaps commit as they grow; the rest of a NUMA arena is for buffer pools and whoever else asks
 * clib_mem_numa_arena().  Nothing here needs hugepages, root, pagemap or NUMA system calls: what
 * is missing is done without, and clib_mem_degradations() tells it in one line each, with the
 * command that would help.
 *
 * Threads: the main one, before the others start and after they ended; clib_mem_trim() in
 * between. */
#ifndef included_vppinfra_mem_setup_h
#define included_vppinfra_mem_setup_h

#include <vppinfra/arena.h>
#include <vppinfra/mem.h>

/** clib_mem_setup_t.flags */
#define CLIB_MEM_SETUP_NO_HUGE (1 << 0) /* 4K pages everywhere: a wish, so no degradation */
#define CLIB_MEM_SETUP_SHARED                                                                      \
	(1 << 1) /* the main heap can be attached by another process, and heaps are                \
		    written by forked children: no fronts, which are each process's own */

#define CLIB_MEM_SETUP_NO_FRONTS                                                                   \
	(1 << 2) /* heaps go by their lock alone; otherwise threads have fronts (mheap_front.h)    \
		    as soon as two use a heap */

/** All zero is a sane set-up. */
typedef struct {
	/** Greatest size of the main heap; 0: 1 GiB, or a quarter of a small machine's memory. */
	uword main_heap_bytes;
	/** UNKNOWN: the system's page. */
	clib_mem_page_sz_t main_heap_page_size;
	/** Greatest size of each node's heap; 0: 1 GiB, or a quarter of a small node's memory. */
	uword numa_heap_bytes;
	/** Address space of each node's arena, its heap included; 0: the node's memory, at most
	 *  64 GiB. */
	uword numa_arena_bytes;
	/** What each node's arena is likely to commit soon: fewer free huge pages than that, and
	 * the next smaller page size is taken for the whole arena; 0: 64 MiB. */
	uword numa_expect_bytes;
	/** Page size of the NUMA arenas; UNKNOWN: the machine's default huge page. */
	clib_mem_page_sz_t hugepage_size;
	u32 flags;
} clib_mem_setup_t;

/**
 * Make arenas and heaps and announce the heaps to mem.
 *
 * @param setup  NULL for all defaults
 * @param[out] what  on error a line for people: what was asked and what to do; may be NULL
 * @return 0; -ENOMEM a heap larger than the machine or its node, or no room now; -EINVAL bad page
 *         size or flag; -EALREADY set up before.  On error nothing is left behind.
 */
CLIB_EXPORT int clib_mem_setup(const clib_mem_setup_t *setup, char *what, uword n_what);

/**
 * Check that every heap object and arena span came back, and take everything down either way.
 *
 * @param[out] what  what leaks: heap or arena, count, bytes; may be NULL
 * @return 0; -EBUSY something leaks; -ENOENT not set up.  Afterwards no heap is announced, and
 *         what was in them is gone.
 */
CLIB_EXPORT int clib_mem_teardown(char *what, uword n_what);

/**
 * Give the empty pages of all heaps back to the system.
 *
 * The heaps made here do not do so by themselves (MHEAP_FLAG_DISABLE_VM): the thread that frees
 * may be a worker, which must not call the system.  The control thread calls this, now and then.
 * @return bytes released; 0 when not set up.
 */
CLIB_EXPORT uword clib_mem_trim(void);

/** Arena of a node's memory; NULL when not set up or the node has none. */
CLIB_EXPORT clib_arena_t *clib_mem_numa_arena(u32 node);
/** Arena of the main heap; NULL when not set up. */
CLIB_EXPORT clib_arena_t *clib_mem_main_arena(void);

/**
 * What works less well than it could, found by clib_mem_setup(): one line each, ending in the
 * command that would fix it.
 *
 * @param[out] lines  at most n pointers, valid until the next clib_mem_setup(); NULL with n 0
 * @return how many there are
 */
CLIB_EXPORT u32 clib_mem_degradations(const char **lines, u32 n);

#endif
