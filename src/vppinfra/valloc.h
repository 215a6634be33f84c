/* SPDX-License-Identifier: Apache-2.0 */
/* valloc: ranges of addresses, or of any other numbers, by first fit.
 *
 *   clib_valloc_main_t vam = {};
 *   clib_valloc_chunk_t template = { .baseva = 0x20000000, .size = 1 << 20 };
 *
 *   clib_valloc_init(&vam, &template, 1);
 *   va = clib_valloc_alloc(&vam, 4096, 0);
 *   clib_valloc_free(&vam, va);
 *
 * Nothing is read or written at the addresses; 0 is none.  Chunks tile what was added, busy and
 * free ones, in a list by address; of two free neighbours that touch there is one:
 *
 *   first_index -> [busy 0x20000000 4096] <-> [free 0x20001000 ...] <-> [free 0x30000000 ...]
 *
 * A hash finds the chunk of an address.  First fit, the lowest address that has room, is found in
 * a treap over the list, each node with the greatest free size below it (Aragon and Seidel,
 * Randomized Search Trees, 1989; Stephenson, Fast Fits, 1983): logarithmic in the chunks, where
 * VPP walks the list.
 *
 * Threads: any with need_lock, else one at a time. */
#ifndef included_vppinfra_valloc_h
#define included_vppinfra_valloc_h

#include <vppinfra/format.h>
#include <vppinfra/hash.h>
#include <vppinfra/lock.h>
#include <vppinfra/pool.h>

/** clib_valloc_chunk_t.flags */
#define CLIB_VALLOC_BUSY (1 << 0)

typedef struct {
	/** Pool indices of the neighbours by address, ~0 at the ends. */
	u32 next, prev;
	/** What a template says: first address, bytes. */
	uword baseva;
	uword size;
	u16 flags;

	/* The treap: indices, ~0 for none. */
	u32 left, right, parent;
	u32 priority;
	/* Greatest size of a free chunk in this subtree, 0 for none. */
	uword max_free;
} clib_valloc_chunk_t;

/** clib_valloc_main_t.flags */
#define CLIB_VALLOC_INITIALIZED (1 << 0)

/** All zero before clib_valloc_init(). */
typedef struct {
	clib_valloc_chunk_t *chunks;  /* pool */
	uword *chunk_index_by_baseva; /* hash */
	clib_spinlock_t lock;
	uword flags;
	/** Lowest chunk; ~0 when there is none. */
	u32 first_index;
	u32 root;
	/** Bytes in all chunks, in busy ones; requests refused. */
	uword bytes_total, bytes_busy;
	u64 n_failures;
	u64 random_state;
} clib_valloc_main_t;

/**
 * Start an allocator.
 *
 * @param template   the first chunk's baseva and size; NULL for none yet
 * @param need_lock  nonzero: any thread may call
 * @return 0; what clib_valloc_add_chunk() says; -EALREADY it is started.  On error vam is all zero
 *
 * Owner: the caller, until clib_valloc_destroy().  Memory: the current heap, for good.
 */
CLIB_EXPORT int clib_valloc_init(clib_valloc_main_t *vam, clib_valloc_chunk_t *template_chunk,
				 int need_lock);

/** Give the bookkeeping back, whatever is still busy.  vam is all zero then. */
CLIB_EXPORT void clib_valloc_destroy(clib_valloc_main_t *vam);

/** Add [baseva, baseva + size).  @return 0; -EINVAL it is empty, starts at 0 (which means none) or
 *  wraps; -EEXIST it overlaps what is there; -ENOMEM.  Nothing is changed on error. */
CLIB_EXPORT int clib_valloc_add_chunk(clib_valloc_main_t *vam, clib_valloc_chunk_t *template_chunk);

/**
 * Take `size` of what is free at the lowest address.
 *
 * @param os_out_of_memory_on_failure  nonzero: ask the handler of clib_mem_set_oom_handler() first
 * @return the first address; 0: size 0, no free chunk that large, or no memory for bookkeeping
 */
CLIB_EXPORT uword clib_valloc_alloc(clib_valloc_main_t *vam, uword size,
				    int os_out_of_memory_on_failure);

/** Give back what alloc returned.  @return its size; 0: baseva starts no busy chunk, which is
 *  reported to the handler of mheap_set_error_handler() */
CLIB_EXPORT uword clib_valloc_free(clib_valloc_main_t *vam, uword baseva);

/** Walk and compare everything.  @return 0, or -EUCLEAN with the first fault in what (NUL
 *  terminated, may be NULL). */
CLIB_EXPORT int clib_valloc_check(clib_valloc_main_t *vam, char *what, uword n_what);

/** (clib_valloc_main_t *, int verbose): a line, and when verbose one a chunk. */
CLIB_EXPORT format_function_t format_valloc;

#endif
