/* SPDX-License-Identifier: Apache-2.0 */
/* pmalloc: memory whose physical address is known, in blocks of 64 bytes.
 *
 *   clib_pmalloc_main_t pm = {};
 *
 *   clib_pmalloc_init(&pm, 0, 0);
 *   va = clib_pmalloc_alloc_aligned(&pm, 2048, 64);
 *   pa = clib_pmalloc_get_pa(&pm, va);
 *   clib_pmalloc_free(&pm, va);
 *
 * One reservation of address space is divided into pages of one size (2 MiB), so the page of an
 * address is found by a shift.  Pages belong to arenas:
 *
 *   base                                                               base + max_pages pages
 *    | numa-0 | numa-0 | shared 'rx' (fd)  | numa-1 | numa-0 | ...  not used yet  |
 *         |
 *         chunks, in a list by offset:  [used] [free] [used] [free]
 *
 * A NUMA node has a private arena, made with its first allocation and grown page by page; shared
 * arenas are of a fixed size, and another process can map their descriptor.  No chunk crosses a
 * page; what is larger than one takes consecutive pages from a page's start.  Where no huge page is
 * to be had a page is made of subpages of the system's size, and the arena says why: physical
 * addresses are then contiguous within a subpage only, and the kernel may move them.
 *
 * Free chunks hang in lists by size as mheap's do, a bitmap finds one that fits: constant time.
 * Pages are committed and verified on their node by vm.h, and kept until clib_pmalloc_destroy().
 *
 * Threads: one at a time, except clib_pmalloc_get_pa() and clib_pmalloc_get_page_index() of what is
 * allocated: any, without a lock.  Memory for the books: the heap that was current at init. */
#ifndef included_vppinfra_pmalloc_h
#define included_vppinfra_pmalloc_h

#include <vppinfra/error.h>
#include <vppinfra/format.h>
#include <vppinfra/hash.h>
#include <vppinfra/mem.h>
#include <vppinfra/pool.h>

/** What sizes are rounded up to: a cache line, whatever the program's idea of one. */
#define PMALLOC_LOG2_BLOCK_SZ 6
#define PMALLOC_BLOCK_SZ (1 << PMALLOC_LOG2_BLOCK_SZ)

/** For numa_node: the node of the calling thread's CPU. */
#define CLIB_PMALLOC_NUMA_LOCAL ((u32)~0)

/** Lists of free chunks: seven of one size, then four an octave up to a page of 1 GiB. */
#define PMALLOC_N_BINS 96

/** A free chunk's place in its list: page and pool index, ~0 for none. */
typedef struct {
	u32 page, chunk;
} clib_pmalloc_chunk_ref_t;

typedef struct {
	/** In blocks from the page's start; pool indices of the neighbours, ~0 for none. */
	u32 start;
	u32 prev;
	u32 next;
	/** In blocks. */
	u32 size : 31;
	u32 used : 1;
	/** Pages that the allocation takes which starts here; 0 where none does. */
	u32 n_pages;
	clib_pmalloc_chunk_ref_t free_prev, free_next;
} clib_pmalloc_chunk_t;

typedef struct {
	u32 index;
	u32 arena_index;
	/** Pool; NULL until the page is committed. */
	clib_pmalloc_chunk_t *chunks;
	u32 first_chunk_index;
	u32 n_free_chunks;
	u32 n_free_blocks;
} clib_pmalloc_page_t;

/** Consecutive pages in a vm range of their own, committed from the first on. */
typedef struct {
	vm_range_t *range;
	u32 first_page, n_pages, n_committed;
} clib_pmalloc_extent_t;

/** clib_pmalloc_arena_t.flags */
#define CLIB_PMALLOC_ARENA_F_SHARED_MEM (1 << 0)

typedef struct {
	u32 index;
	u32 flags;
	/** Of a shared arena, pmalloc's; -1 for a private one. */
	int fd;
	u32 numa_node;
	/** Of a shared arena; its first page for a private one. */
	u32 first_page_index;
	u32 n_pages; /* committed */
	u8 *name;    /* vector */
	/** Vector, ascending: the committed pages. */
	u32 *page_indices;
	/** What pages are made of, the smallest where that differs. */
	clib_mem_page_sz_t log2_subpage_sz;
	/** Why that is not the page size; NULL where it is.  Vector. */
	u8 *fallback;

	clib_pmalloc_extent_t *extents;
	uword non_empty_bins[(PMALLOC_N_BINS + 63) / 64];
	clib_pmalloc_chunk_ref_t bins[PMALLOC_N_BINS];
} clib_pmalloc_arena_t;

/** clib_pmalloc_main_t.flags */
#define CLIB_PMALLOC_F_NO_PAGEMAP (1 << 0) /* the kernel hides physical addresses from us */

/** All zero before clib_pmalloc_init(). */
typedef struct {
	u8 *base;
	u32 flags;
	u32 max_pages;
	/** By page, up to the last that an arena has. */
	clib_pmalloc_page_t *pages;
	uword *chunk_index_by_va;     /* hash: addresses that alloc returned */
	clib_pmalloc_arena_t *arenas; /* pool */
	/** ~0 for a node without one yet. */
	u32 *default_arena_for_numa_node;
	clib_mem_page_sz_t def_log2_page_sz;
	clib_mem_page_sz_t sys_log2_page_sz;
	/** Smallest piece that has a physical address of its own. */
	clib_mem_page_sz_t lookup_log2_page_sz;
	/** By page: virtual minus physical address; 0: unknown; with bit 0 set a pointer to the
	 *  same for each subpage.  max_pages long and never moved. */
	uword *lookup_table;
	/** Why the last call failed; NULL: none did. */
	clib_error_t *error;

	clib_mem_heap_t *heap;
	u32 n_committed_pages;
	/** Allocations refused. */
	u64 n_failures;
} clib_pmalloc_main_t;

/**
 * Reserve address space; nothing is committed.
 *
 * @param base_addr  a multiple of the page where it shall be, 0 anywhere
 * @param size       bytes, rounded up to the page; 0: 16 GiB, or what is to be had
 * @return 0; -1 and pm->error, whose code is EALREADY, EINVAL, EEXIST (something is there) or
 *         ENOMEM.  Else nothing is changed.
 */
CLIB_EXPORT int clib_pmalloc_init(clib_pmalloc_main_t *pm, uword base_addr, uword size);

/** Give everything back, whatever is still allocated.  pm is all zero then. */
CLIB_EXPORT void clib_pmalloc_destroy(clib_pmalloc_main_t *pm);

/**
 * Allocate from a node's private arena.
 *
 * @param size   bytes, at least 1, rounded up to blocks
 * @param align  bytes, a power of two up to the page (0: a block), of both addresses as far as
 *               subpages go
 * @return contents zero where the page is fresh; NULL, and clib_pmalloc_last_error(): no page of
 *         that node, no address space left, no memory, wrong size or align.  Nothing is changed.
 *
 * Owner: the caller, until clib_pmalloc_free().  Cost: constant; a page is committed where none has
 * room, 0.2 ms.
 */
CLIB_EXPORT void *clib_pmalloc_alloc_aligned_on_numa(clib_pmalloc_main_t *pm, uword size,
						     uword align, u32 numa_node);
/** On the calling thread's node. */
CLIB_EXPORT void *clib_pmalloc_alloc_aligned(clib_pmalloc_main_t *pm, uword size, uword align);

/** Allocate from the shared arena that arena_va is in, which never grows. */
CLIB_EXPORT void *clib_pmalloc_alloc_from_arena(clib_pmalloc_main_t *pm, void *arena_va, uword size,
						uword align);

/** Give an allocation back.  NULL is ignored; what alloc did not return, or is free already, is
 *  reported to the handler of mheap_set_error_handler() and ignored. */
CLIB_EXPORT void clib_pmalloc_free(clib_pmalloc_main_t *pm, void *va);

/**
 * Make a shared arena, committed as a whole.
 *
 * @param log2_page_sz  what its pages are made of, at most pmalloc's page; UNKNOWN: that page.
 *                      Taken or refused, never replaced.
 * @return its first address; NULL, and clib_pmalloc_last_error()
 */
CLIB_EXPORT void *clib_pmalloc_create_shared_arena(clib_pmalloc_main_t *pm, char *name, uword size,
						   u32 log2_page_sz, u32 numa_node);

/** Give a shared arena's pages back.  Its addresses are used again only where they were the last.
 *  @return 0; -EINVAL no shared arena starts there; -EBUSY something is allocated from it */
CLIB_EXPORT int clib_pmalloc_release_shared_arena(clib_pmalloc_main_t *pm, void *arena_va);

/** Bytes committed in pages (subpages, where it is made of them) of a size; of all for 0. */
CLIB_EXPORT uword clib_pmalloc_committed_bytes(clib_pmalloc_main_t *pm, u8 log2_page_size);

/** Why the last call failed; NULL: none did.  pmalloc's, until the next call. */
always_inline clib_error_t *
clib_pmalloc_last_error(clib_pmalloc_main_t *pm)
{
	return pm->error;
}

/** Number of the page of an address in the reservation. */
always_inline u32
clib_pmalloc_get_page_index(clib_pmalloc_main_t *pm, void *va)
{
	return (u32)(((uword)va - (uword)pm->base) >> pm->def_log2_page_sz);
}

/** Of an address in a page that an arena has. */
always_inline clib_pmalloc_arena_t *
clib_pmalloc_get_arena(clib_pmalloc_main_t *pm, void *va)
{
	return pm->arenas + pm->pages[clib_pmalloc_get_page_index(pm, va)].arena_index;
}

/** Physical address of a byte; 0: unknown, because the kernel hides it (CLIB_PMALLOC_F_NO_PAGEMAP)
 *  or no page is there.  Cost: one load, two with subpages. */
always_inline uword
clib_pmalloc_get_pa(clib_pmalloc_main_t *pm, void *va)
{
	uword offset = (uword)va - (uword)pm->base, i = offset >> pm->def_log2_page_sz, delta;

	if (PREDICT_FALSE(i >= pm->max_pages))
		return 0;
	/* Acquire: a table of subpages is filled before its pointer is stored. */
	delta = clib_atomic_load_acq_n(&pm->lookup_table[i]);
	if (PREDICT_FALSE(delta & 1))
		delta = ((const uword *)(delta - 1))[(offset & pow2_mask(pm->def_log2_page_sz)) >>
						     pm->sys_log2_page_sz];
	return PREDICT_TRUE(delta != 0) ? (uword)va - delta : 0;
}

/** Walk and compare everything.  @return 0, or -EUCLEAN with the first fault in what (NUL
 *  terminated, may be NULL). */
CLIB_EXPORT int clib_pmalloc_check(clib_pmalloc_main_t *pm, char *what, uword n_what);

/** (clib_pmalloc_main_t *, int verbose): a line, and one for each arena; 1: pages, 2: chunks. */
CLIB_EXPORT format_function_t format_pmalloc;
/** (clib_pmalloc_main_t *): a table of what is physically contiguous in a page. */
CLIB_EXPORT format_function_t format_pmalloc_map;

/** A physically contiguous piece of a page. */
typedef struct {
	const clib_pmalloc_arena_t *arena;
	void *va;
	uword pa; /* 0: unknown */
	uword n_bytes;
} clib_pmalloc_piece_t;
/** Calls fn for each in address order, until it returns nonzero. */
CLIB_EXPORT void clib_pmalloc_foreach_piece(clib_pmalloc_main_t *pm,
					    int (*fn)(const clib_pmalloc_piece_t *piece, void *arg),
					    void *arg);

/** Pages whose physical address follows that of the page before. */
CLIB_EXPORT u32 clib_pmalloc_n_linear_pages(clib_pmalloc_main_t *pm);

#endif
