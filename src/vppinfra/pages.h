/* SPDX-License-Identifier: Apache-2.0 */
/* pages: blocks of 2^order pages of 4 KiB, physically contiguous inside a huge page.
 *
 *   node 0, pages of 2 MiB
 *     chunk | chunk | chunk | ...        each one huge page: committed, populated, its physical
 *     DMA32   NORMAL  NORMAL              address read once; that says which zone it is in
 *       |
 *       binary buddy: free blocks by order, 0 (4 KiB) to 9 (2 MiB) or, of 1 GiB pages, 18
 *
 * A set of zones (pages_t) stands for one node and one page size.  Its zones are told apart by
 * physical address, as a kernel does: DMA ends at 16 MiB, DMA32 at 4 GiB, NORMAL has the rest, and
 * HIGHMEM has pages that are not mapped at all until somebody kmap()s them.  A request falls back
 * from NORMAL to DMA32 to DMA, never upward: what must lie below 4 GiB does, or there is none.
 *
 * Where there are no huge pages a set of 4 KiB pages works the same, except that only one page is
 * physically contiguous (pages_info_t.is_contiguous says so) and everything is NORMAL, since the
 * kernel may move such pages.
 *
 * Every page has a record (struct page, 32 bytes for 4 KiB: 0.8 %) in an array beside, found from
 * an address or a frame number in constant time.  Free lists live in the records, so a free page
 * is never touched.
 *
 * Flags are a kernel's: GFP_ATOMIC never sleeps, never calls the system and may take the reserve;
 * GFP_KERNEL leaves the reserve alone, makes the set grow, and waits for others to free.
 * __GFP_IO, __GFP_FS and __GFP_NO_GROW's slab meaning have nothing to stand for in a process; they
 * are accepted.  Workers on lcores use GFP_ATOMIC.
 *
 * The bare names (alloc_pages, kmap, ...) are macros over symbols with our prefix, so that only
 * source that includes this header sees them.
 *
 * After fork() parent and child share the pages, contents and all, and each would hand them out: a
 * child uses what was allocated, and neither allocates nor frees.
 *
 * After vm_guard_enable() (vm_guard.h) records can be written by no store but those of these calls;
 * no page is then kept by a thread.
 *
 * Threads: any.  A thread keeps up to 64 free pages of its own; they count as cached, go back when
 * it exits, and are taken from it when a zone runs dry.
 *
 * Sources: Knuth, TAOCP vol. 1, 2.5 (buddy system); Linux, mm/page_alloc.c, for names and
 * meanings. */
#ifndef included_vppinfra_pages_h
#define included_vppinfra_pages_h

#include <vppinfra/atomics.h>
#include <vppinfra/clib.h>
#include <vppinfra/vm.h>

/** What a block of order 0 has. */
#define PAGES_LOG2_PAGE 12
#define PAGES_PAGE_BYTES (1ul << PAGES_LOG2_PAGE)
/** The order of a 1 GiB page. */
#define PAGES_MAX_ORDER 18

/* ---- flags ---- */

typedef u32 gfp_t;

/** The zone; none of them: NORMAL. */
#define __GFP_DMA (1u << 0)
#define __GFP_HIGHMEM (1u << 1)
#define __GFP_DMA32 (1u << 2)
/** The caller can move its data: such blocks are kept together, apart from pinned ones. */
#define __GFP_MOVABLE (1u << 3)
/** May sleep, and make the set grow by system calls. */
#define __GFP_WAIT (1u << 4)
/** May take the reserve. */
#define __GFP_HIGH (1u << 5)
/** Without a meaning here. */
#define __GFP_IO (1u << 6)
#define __GFP_FS (1u << 7)
/** Take pages that were freed longest ago: somebody else will touch them. */
#define __GFP_COLD (1u << 8)
/** No line to the error hook on failure. */
#define __GFP_NOWARN (1u << 9)
/** Wait ten times as long for others to free. */
#define __GFP_REPEAT (1u << 10)
/** Wait for ever; needs __GFP_WAIT. */
#define __GFP_NOFAIL (1u << 11)
/** One attempt: neither grow nor wait. */
#define __GFP_NORETRY (1u << 12)
/** Take what the zones have; the set does not grow. */
#define __GFP_NO_GROW (1u << 13)
/** Each page's record names the first page of the block. */
#define __GFP_COMP (1u << 14)
/** Contents are zero. */
#define __GFP_ZERO (1u << 15)

/** A kernel's usual sets of flags. */
#define GFP_NOWAIT 0u
#define GFP_ATOMIC __GFP_HIGH
#define GFP_NOIO __GFP_WAIT
#define GFP_NOFS (__GFP_WAIT | __GFP_IO)
#define GFP_KERNEL (__GFP_WAIT | __GFP_IO | __GFP_FS)
#define GFP_USER (__GFP_WAIT | __GFP_IO | __GFP_FS)
#define GFP_HIGHUSER (GFP_USER | __GFP_HIGHMEM)
#define GFP_HIGHUSER_MOVABLE (GFP_HIGHUSER | __GFP_MOVABLE)
#define GFP_DMA __GFP_DMA
#define GFP_DMA32 __GFP_DMA32

typedef enum {
	ZONE_DMA = 0, /* ends at 16 MiB */
	ZONE_DMA32,   /* ends at 4 GiB */
	ZONE_NORMAL,
	ZONE_HIGHMEM, /* not mapped */
	PAGES_N_ZONES,
} pages_zone_id_t;

/* ---- records ---- */

/** One page of 4 KiB.  Frozen: 32 bytes. */
typedef struct page {
	/** PG_ bits below. */
	u32 flags;
	/** Users: 1 after alloc, more by get_page(); the last put frees. */
	CLIB_ATOMIC(u32) _count;
	/** Mappings of this page made by kmap() and vmalloc(). */
	CLIB_ATOMIC(u32) _mapcount;
	/** Number of the block's first page; set in every page with __GFP_COMP. */
	u32 first_page;
	/** Neighbours in a free list, by number; ~0 ends it. */
	u32 next, prev;
	/** The owner's while it is allocated; see clib_set_page_private(). */
	u64 private_data;
} page_t;
STATIC_ASSERT_SIZEOF(page_t, 32);

/** Fields and bits of a page's flags. */
#define PG_ORDER_MASK 0x1fu
#define PG_ZONE_SHIFT 5
#define PG_ZONE_MASK (7u << PG_ZONE_SHIFT)
#define PG_FREE (1u << 8)    /* first page of a block in a free list */
#define PG_USED (1u << 9)    /* first page of an allocated block */
#define PG_CACHED (1u << 10) /* free, kept by a thread */
#define PG_COMPOUND (1u << 11)
#define PG_MOVABLE (1u << 12)

/* ---- sets ---- */

typedef struct pages pages_t;

typedef struct {
	/** Shown in `show zones`; copied, at most 23 bytes. */
	const char *name;
	int numa_node;
	/** 2M, 1G; what is not to be had falls back as vm_reserve() says.  UNKNOWN is 4K. */
	clib_mem_page_sz_t page_size;
	/** What the mapped zones, and HIGHMEM, may grow to; rounded up to chunks.  Not both 0. */
	uword max_bytes, max_highmem_bytes;
	/** Committed at once. */
	uword initial_bytes;
	/** Pages of each zone that only __GFP_HIGH gets; ~0: a 64th of what is there. */
	u32 n_reserve_pages;
	/** Pages that a thread keeps; 0 none, at most 64. */
	u32 n_cached_pages;
	/** Windows of kmap(), of a chunk each; 0: 8. */
	u32 n_windows;
	/** Milliseconds that __GFP_WAIT waits for others to free; 0: 100. */
	u32 wait_ms;
	/** Physical address of a committed page; NULL: vm_va_to_pa().  For tests. */
	int (*va_to_pa)(const void *va, u64 *pa);
} pages_params_t;

/** @param[out] pages  untouched on error
 *  @return 0; -EINVAL; -ENOMEM no address space or initial_bytes cannot be had; what vm_reserve()
 *          says. */
CLIB_EXPORT int pages_create(const pages_params_t *params, pages_t **pages);

/** Give everything back.  NULL ignored.  @return 0; -EBUSY blocks are allocated, nothing changed.
 */
CLIB_EXPORT int pages_destroy(pages_t *pages);

/** The set that the bare names use for threads on a node: announced, or made when first needed
 *  (2 MiB pages where there are any, a quarter of the node's memory at most).
 *  @return NULL: it cannot be had. */
CLIB_EXPORT pages_t *pages_of_node(u32 node);
CLIB_EXPORT int pages_set_node(u32 node, pages_t *pages);

/** Commit more chunks.  @return bytes that came; control threads. */
CLIB_EXPORT uword pages_grow(pages_t *pages, uword bytes);
/** Give free chunks back to the system, and threads' pages to the zones.  @return bytes. */
CLIB_EXPORT uword pages_trim(pages_t *pages);

/* ---- blocks ---- */

/**
 * 2^order pages, aligned to their size, physically contiguous where the set is.
 * @return the first page's record; NULL: none (counted; a line to the error hook unless
 *         __GFP_NOWARN), or order is greater than a chunk.
 * Cost: a thread's own lock and an array for order 0; else the set's lock and at most one split an
 *       order.  System calls only with __GFP_WAIT.
 */
CLIB_EXPORT page_t *pages_alloc(pages_t *pages, gfp_t gfp, u32 order);

/** Drop one use; the last frees.  A double free, a wrong order and a page inside a block are
 *  reported, counted and ignored.  NULL ignored.  @return 0; -EINVAL; -EALREADY. */
CLIB_EXPORT int pages_free(page_t *page, u32 order);

/** As kernels have them: for the calling thread's node.  By address: 0 is failure. */
CLIB_EXPORT page_t *clib_alloc_pages(gfp_t gfp, u32 order);
CLIB_EXPORT uword clib_get_free_pages(gfp_t gfp, u32 order);
CLIB_EXPORT void clib_free_pages_of(page_t *page, u32 order);
CLIB_EXPORT void clib_free_pages_at(uword address, u32 order);

/** One more use; drop one (the last frees the block, whatever its order).  Any page of a compound
 *  block stands for the block.  Of what is not allocated it is reported and ignored. */
CLIB_EXPORT void clib_get_page(page_t *page);
CLIB_EXPORT void clib_put_page(page_t *page);
/** Set the owner's value: the way that also works where records are guarded. */
CLIB_EXPORT void clib_set_page_private(page_t *page, u64 value);

/** Address of a page: NULL for HIGHMEM that is not kmapped. */
CLIB_EXPORT void *clib_page_address(const page_t *page);
/** Record of an address in a mapped zone; NULL for a stranger. */
CLIB_EXPORT page_t *clib_virt_to_page(const void *address);
/** Frame number; ~0 where the kernel does not tell.  Back: constant time, for huge pages; NULL for
 *  a frame of no set. */
CLIB_EXPORT u64 clib_page_to_pfn(const page_t *page);
CLIB_EXPORT page_t *clib_pfn_to_page(u64 pfn);
/** Physical address of a byte in a mapped zone, from the record: no system call for huge pages.
 *  ~0: unknown. */
CLIB_EXPORT u64 clib_virt_to_phys(const void *address);
/** The set a record belongs to; NULL for what is no record. */
CLIB_EXPORT pages_t *pages_of_page(const page_t *page);

/* ---- windows on unmapped pages ---- */

/** What kmap() does when all windows are in use. */
#define KMAP_NOWAIT (1u << 0)

/** Map the page's chunk into a window, or count one more user of it; a mapped page is just its
 *  address.  Sleeps while all windows are in use.  @return NULL: none is free, and KMAP_NOWAIT or,
 *  reported, no other thread that could leave one; or it cannot be mapped. */
CLIB_EXPORT void *clib_kmap(page_t *page, u32 flags);
CLIB_EXPORT void clib_kunmap(page_t *page);

/** Windows of the calling thread alone, 4 deep; never sleeps.  Unmapped in reverse order: the
 *  wrong one is reported and ignored.  NULL: all 4 are in use. */
CLIB_EXPORT void *clib_kmap_atomic(page_t *page);
CLIB_EXPORT int clib_kunmap_atomic(const void *address);

/* ---- contiguous addresses over scattered pages ---- */

/** bytes, rounded up to zone pages, at contiguous addresses; HIGHMEM is used first.
 *  @return NULL: no pages or no address space.  Control work: a mapping for every run of pages. */
CLIB_EXPORT void *pages_vmalloc(pages_t *pages, uword bytes, gfp_t gfp);
CLIB_EXPORT void *clib_vmalloc(uword bytes);
/** NULL ignored; a stranger is reported.  @return 0 or -EINVAL. */
CLIB_EXPORT int clib_vfree(const void *address);
CLIB_EXPORT int clib_is_vmalloc_addr(const void *address);
/** Page of an address given out by vmalloc; NULL for a stranger. */
CLIB_EXPORT page_t *clib_vmalloc_to_page(const void *address);

/* ---- looking ---- */

typedef struct {
	/** Free blocks by order, pinned and movable. */
	u64 nr_free[PAGES_MAX_ORDER + 1][2];
	u64 present_pages, free_pages, cached_pages, reserve_pages;
	u64 n_allocs, n_frees, n_fails, n_fallbacks, n_steals;
	/** Lowest and highest physical address of its chunks; ~0 unknown. */
	u64 pa_low, pa_high;
} pages_zone_info_t;

typedef struct {
	char name[24];
	int numa_node;
	u8 log2_page_size, max_order, is_contiguous;
	u8 is_guarded; /* by vm_guard_key() */
	uword max_bytes, max_highmem_bytes, committed_bytes, highmem_bytes;
	uword record_bytes;
	u32 n_windows, n_windows_used;
	u64 n_grows, n_sleeps, n_attempts, n_bad_frees, n_kmaps, n_vmalloc_bytes;
	pages_zone_info_t zones[PAGES_N_ZONES];
} pages_info_t;

/** Figures, each true but not of one moment. */
CLIB_EXPORT void pages_get_info(pages_t *pages, pages_info_t *info);
/** "DMA", "DMA32", "Normal", "HighMem". */
CLIB_EXPORT const char *pages_zone_name(pages_zone_id_t zone);
/** Every set, until fn returns nonzero. */
CLIB_EXPORT void pages_foreach(int (*fn)(pages_t *pages, void *arg), void *arg);
/** Compare lists, records and counters; nobody may be using the set.  @return 0 or -EUCLEAN with a
 *  description in what. */
CLIB_EXPORT int pages_check(pages_t *pages, char *what, uword n_what);

/** Called for misuse and failed requests.  NULL: a line to stderr. */
typedef void(pages_error_function_t)(const char *what, const void *page_or_address,
				     const void *caller);
CLIB_EXPORT void pages_set_error_handler(pages_error_function_t *fn);
/** The n-th pages_alloc() from now fails (1 the next; 0 none). */
CLIB_EXPORT void pages_fail_alloc_after(u64 n);

/* ---- a kernel's spellings ---- */

#ifndef PAGES_NO_BARE_NAMES
/** A kernel's names. */
#	define alloc_pages(gfp, order) clib_alloc_pages((gfp), (order))
#	define alloc_page(gfp) clib_alloc_pages((gfp), 0)
#	define __get_free_pages(gfp, order) clib_get_free_pages((gfp), (order))
#	define __get_free_page(gfp) clib_get_free_pages((gfp), 0)
#	define get_zeroed_page(gfp) clib_get_free_pages((gfp) | __GFP_ZERO, 0)
#	define __free_pages(page, order) clib_free_pages_of((page), (order))
#	define __free_page(page) clib_free_pages_of((page), 0)
#	define free_pages(address, order) clib_free_pages_at((address), (order))
#	define free_page(address) clib_free_pages_at((address), 0)
#	define get_page(page) clib_get_page(page)
#	define put_page(page) clib_put_page(page)
#	define set_page_private(page, value) clib_set_page_private((page), (value))
#	define page_private(page) ((page)->private_data)
#	define page_count(page) ((page)->_count)
#	define page_mapcount(page) ((page)->_mapcount)
#	define page_address(page) clib_page_address(page)
#	define virt_to_page(address) clib_virt_to_page((const void *)(address))
#	define page_to_pfn(page) clib_page_to_pfn(page)
#	define pfn_to_page(pfn) clib_pfn_to_page(pfn)
#	define virt_to_phys(address) clib_virt_to_phys(address)
#	define kmap(page) clib_kmap((page), 0)
#	define kunmap(page) clib_kunmap(page)
/** With and without the slot type that old kernels take. */
#	define kmap_atomic(page, ...) clib_kmap_atomic(page)
#	define kunmap_atomic(address, ...) clib_kunmap_atomic(address)
#	define vmalloc(bytes) clib_vmalloc(bytes)
#	define vfree(address) clib_vfree(address)
#	define is_vmalloc_addr(address) clib_is_vmalloc_addr(address)
#	define vmalloc_to_page(address) clib_vmalloc_to_page(address)
#endif

#endif
