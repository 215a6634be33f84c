/* SPDX-License-Identifier: Apache-2.0 */
/* pages_impl: what the files of pages share.
 *
 * Pages of a set are numbered: those of the mapped range first, those of HIGHMEM from n_direct on.
 * A chunk is 2^max_order numbers, starts on a multiple of that, and is one huge page (or 512 pages
 * of 4 KiB); buddies never leave their chunk, so a block's buddy is found by one xor.
 *
 * Locks, outermost first: grow_lock (commits, trims: calls the system), a thread's cache, lock
 * (lists and records, never held over a system call).  window_lock stands beside them. */
#ifndef included_vppinfra_pages_impl_h
#define included_vppinfra_pages_impl_h

#include <pthread.h>
#include <stdatomic.h>
#include <vppinfra/lock.h>
#include <vppinfra/pages.h>
#include <vppinfra/thread_impl.h>
#include <vppinfra/vm_guard.h>

#define PAGES_MAX_SETS 64
#define PAGES_NONE (~(u32)0)
#define PAGES_PA_UNKNOWN (~(u64)0)
#define PAGES_MAX_CACHED 64
/* A thread's cache is filled and emptied by so many pages. */
#define PAGES_CACHE_BATCH 16
#define PAGES_N_TYPES 2 /* pinned, movable */
#define PAGES_MAX_WINDOWS 64
#define PAGES_N_ATOMIC_WINDOWS 4
/* Where the kernel has no membarrier(). */
#define PAGES_LOCKED_ALWAYS 2u

typedef struct {
	u32 head[PAGES_N_TYPES];
	u64 nr_free[PAGES_N_TYPES];
} pages_area_t;

typedef struct {
	pages_area_t area[PAGES_MAX_ORDER + 1];
	/* Bit o: area[o] has a block of that type. */
	u32 non_empty[PAGES_N_TYPES];
	u64 present_pages, free_pages, reserve_pages;
	u64 n_allocs, n_frees, n_fails, n_fallbacks, n_steals;
	u64 pa_low, pa_high;
} pages_zone_t;

typedef struct {
	u64 pa;
	u8 is_present, zone, type;
} pages_chunk_t;

/* Pages that a thread keeps: NORMAL, pinned, order 0.  Whoever fills or empties it holds its lock;
 * the owner takes and adds single pages without, see thread_impl.h. */
typedef struct {
	_Alignas(CLIB_CACHE_LINE_BYTES) _Atomic u32 busy; /* the owner's */
	/* Nobody but the holder of the lock may use it; PAGES_LOCKED_ALWAYS: ever. */
	_Atomic u32 claimed;
	_Atomic u32 lock;
	/* Read by anybody, relaxed. */
	_Atomic u32 n;
	/* Set when it is filled first. */
	u32 n_max;
	_Atomic u64 n_allocs, n_frees;
	u32 pages[PAGES_MAX_CACHED];
} pages_cache_t;

/* Of a counter that only the holder of a lock writes. */
#define pages_get(x) atomic_load_explicit(&(x), memory_order_relaxed)
#define pages_set(x, value) atomic_store_explicit(&(x), (value), memory_order_relaxed)

typedef struct {
	uword address;
	u32 chunk; /* PAGES_NONE: nothing is mapped */
	u32 n_users;
	u64 last_use;
} pages_window_t;

struct pages {
	/* Constant after pages_create(). */
	_Atomic u32 is_live;
	char name[24];
	int numa_node;
	vm_range_t *range;
	/* Of the first chunk, and its distance from the range's start: chunks are aligned to their
	 * size, ranges of small pages to a page. */
	uword base, range_offset;
	int direct_fd, high_fd; /* -1: private, none */
	u8 log2_page_size, max_order, log2_chunk, is_contiguous, is_hugetlb, is_guarded;
	u32 n_direct, n_high; /* pages */
	u32 n_reserve_wanted, n_cached_pages, wait_ms;
	int (*va_to_pa)(const void *va, u64 *pa);
	page_t *records;
	u32 n_pages; /* n_direct + n_high */
	uword records_map_bytes;
	pages_chunk_t *chunks;
	uword chunks_map_bytes;
	/* By thread index; mapped, touched by the threads that come.  None where n_cached_pages is
	 * 0. */
	pages_cache_t *caches;
	u32 n_caches;
	uword caches_map_bytes;

	pthread_mutex_t grow_lock;

	_Alignas(CLIB_CACHE_LINE_BYTES) _Atomic u32 lock;
	pages_zone_t zones[PAGES_N_ZONES];

	/* Sleepers: woken by a free when there are any. */
	_Alignas(CLIB_CACHE_LINE_BYTES) _Atomic u32 n_waiters;
	pthread_mutex_t wait_lock;
	pthread_cond_t freed;

	_Atomic u64 n_grows, n_sleeps, n_attempts, n_bad_frees, n_kmaps, n_vmalloc_bytes;

	/* kmap.c */
	pthread_mutex_t window_lock;
	pthread_cond_t window_free;
	u32 n_windows;
	u64 window_clock;
	uword windows_base, windows_map_bytes;
	pages_window_t windows[PAGES_MAX_WINDOWS];
	uword atomic_base, atomic_map_bytes;
	/* By thread index and depth: the page mapped there, PAGES_NONE none. */
	u32 (*atomic_pages)[PAGES_N_ATOMIC_WINDOWS];
};

extern pages_t pages_sets[PAGES_MAX_SETS] __attribute__((visibility("hidden")));

always_inline void
pages_spin_lock(_Atomic u32 *lock)
{
	u32 n = 0;

	/* Acquire: pairs with the release in pages_spin_unlock(). */
	while (PREDICT_FALSE(atomic_load_explicit(lock, memory_order_relaxed) ||
			     atomic_exchange_explicit(lock, 1, memory_order_acquire)))
		_clib_lock_wait(&n);
}

always_inline void
pages_spin_unlock(_Atomic u32 *lock)
{
	atomic_store_explicit(lock, 0, memory_order_release);
}

always_inline u32
pages_number(const pages_t *p, const page_t *page)
{
	return (u32)(page - p->records);
}

always_inline u32
pages_chunk_of(const pages_t *p, u32 number)
{
	return number >> p->max_order;
}

always_inline uword
pages_chunk_bytes(const pages_t *p)
{
	return PAGES_PAGE_BYTES << p->max_order;
}

always_inline int
pages_is_direct(const pages_t *p, u32 number)
{
	return number < p->n_direct;
}

/* A thread that frees looks at its buddy's flags under the lock while the buddy's owner, without,
 * goes from used to cached and back: neither is PG_FREE, so what is seen does not matter, but it is
 * seen whole. */
always_inline void
pages_set_flags(page_t *page, u32 flags)
{
	__atomic_store_n(&page->flags, flags, __ATOMIC_RELAXED);
}

/** The file behind a page and its offset there; -1: the page is private memory. */
always_inline int
pages_file_of(const pages_t *p, u32 number, u64 *offset)
{
	int is_direct = pages_is_direct(p, number);

	*offset = (u64)(is_direct ? number : number - p->n_direct) << PAGES_LOG2_PAGE;
	if (is_direct)
		*offset += p->range_offset;
	return is_direct ? p->direct_fd : p->high_fd;
}

/* buddy.c: the lock is held. */

/** A block from one zone, or PAGES_NONE.  type: 0 pinned, 1 movable. */
u32 pages_buddy_take(pages_t *p, pages_zone_t *z, u32 order, u32 type, int is_cold);
/** Give a block back, merging; records get PG_FREE. */
void pages_buddy_give(pages_t *p, u32 number, u32 order, int is_cold);
/** Take a free block off its list. */
void pages_buddy_unlink(pages_t *p, u32 number, u32 order);

/* zones.c */

/** Zeroed memory of whole pages; with is_aligned no 2 MiB of addresses hold anything else.
 *  @return NULL when there is none */
void *pages_map_array(uword n_bytes, int is_aligned);

/** Fill a zone's figures and lists from a chunk that has just come.  grow_lock is held. */
int pages_add_chunk(pages_t *p, int is_high);

/* guard.c: records and chunks are written only while the guard is open, see vm_guard.h. */

/** @return 0, also where nothing is to be guarded; -ENOMEM */
int pages_guard(pages_t *p);

/** @return for vm_guard_close() */
always_inline u32
pages_open(const pages_t *p)
{
	return PREDICT_FALSE(p->is_guarded) ? vm_guard_open() : 0;
}

/* cache.c */

void pages_cache_init(pages_t *p);
/** As pages_cache_pop(), but it fills an empty cache, and waits for who holds it. */
u32 pages_cache_get(pages_t *p);
/** As pages_cache_push(), but it makes room.  @return whether the thread keeps the page */
int pages_cache_put(pages_t *p, u32 number);
/** Give all threads' pages to the zones.  @return how many */
u32 pages_cache_drain_all(pages_t *p);
u64 pages_cache_count(const pages_t *p);
void pages_cache_totals(const pages_t *p, u64 *n_allocs, u64 *n_frees);

always_inline int
pages_cache_enter(pages_cache_t *c)
{
	atomic_store_explicit(&c->busy, 1, memory_order_relaxed);
	CLIB_COMPILER_BARRIER();
	/* Acquire: the pages as a claimer left them. */
	return PREDICT_TRUE(!atomic_load_explicit(&c->claimed, memory_order_acquire));
}

always_inline void
pages_cache_leave(pages_cache_t *c)
{
	/* Release: our pages are seen by a claimer that acquires busy == 0. */
	atomic_store_explicit(&c->busy, 0, memory_order_release);
}

/** NULL: the set keeps none, or the thread has no index (yet). */
always_inline pages_cache_t *
pages_own_cache(const pages_t *p)
{
	u32 i = clib_thread_index_plus_1 - 1;

	return PREDICT_TRUE(i < p->n_caches) ? &p->caches[i] : NULL;
}

/** The page that the thread freed last.  @return PAGES_NONE: none is to be had at once */
always_inline u32
pages_cache_pop(pages_cache_t *c)
{
	u32 n, number = PAGES_NONE;

	if (PREDICT_TRUE(pages_cache_enter(c) && (n = pages_get(c->n)) != 0)) {
		number = c->pages[n - 1];
		pages_set(c->n, n - 1);
		pages_set(c->n_allocs, pages_get(c->n_allocs) + 1);
	}
	pages_cache_leave(c);
	return number;
}

/** @return whether there was room.  The record's flags say PG_CACHED already. */
always_inline int
pages_cache_push(pages_cache_t *c, u32 number)
{
	int is_room = 0;
	u32 n;

	if (PREDICT_TRUE(pages_cache_enter(c) && (n = pages_get(c->n)) < c->n_max)) {
		c->pages[n] = number;
		pages_set(c->n, n + 1);
		pages_set(c->n_frees, pages_get(c->n_frees) + 1);
		is_room = 1;
	}
	pages_cache_leave(c);
	return is_room;
}

/* records.c */

/* What lies in 2 MiB of address space: a set's number + 1, and whether it is its records (above
 * 0x80) or its pages; 0 neither.  Sets see to it that no two share such a frame. */
#define PAGES_LOG2_FRAME 21
#define PAGES_LOG2_LEAF 13
#define PAGES_LOG2_ADDRESSES 48
#define PAGES_FRAME_IS_RECORDS 0x80u

typedef struct {
	_Atomic u8 what[1 << PAGES_LOG2_LEAF];
} pages_leaf_t;

extern _Atomic(pages_leaf_t *)
	pages_leaves[1 << (PAGES_LOG2_ADDRESSES - PAGES_LOG2_FRAME - PAGES_LOG2_LEAF)]
	__attribute__((visibility("hidden")));

always_inline u32
pages_what_is_at(uword a)
{
	const pages_leaf_t *leaf;

	if (PREDICT_FALSE(a >> PAGES_LOG2_ADDRESSES))
		return 0;
	/* Acquire, twice: the leaf, and the set's fields; partners: the releases in records.c. */
	leaf = atomic_load_explicit(&pages_leaves[a >> (PAGES_LOG2_FRAME + PAGES_LOG2_LEAF)],
				    memory_order_acquire);
	if (PREDICT_FALSE(!leaf))
		return 0;
	return atomic_load_explicit(&leaf->what[a >> PAGES_LOG2_FRAME & pow2_mask(PAGES_LOG2_LEAF)],
				    memory_order_acquire);
}

/** The set that a record belongs to, NULL for none. */
always_inline pages_t *
pages_of_record(const page_t *page)
{
	u32 what = pages_what_is_at(pointer_to_uword(page));
	uword offset;
	pages_t *p;

	if (PREDICT_FALSE(what <= PAGES_FRAME_IS_RECORDS))
		return NULL;
	p = &pages_sets[(what & ~PAGES_FRAME_IS_RECORDS) - 1];
	offset = pointer_to_uword(page) - pointer_to_uword(p->records);
	return PREDICT_TRUE(offset % sizeof(page_t) == 0 && offset / sizeof(page_t) < p->n_pages)
		       ? p
		       : NULL;
}

/** The set whose mapped range holds an address, NULL for none. */
always_inline pages_t *
pages_of_address(uword a)
{
	u32 what = pages_what_is_at(a);

	return PREDICT_TRUE(what && what < PAGES_FRAME_IS_RECORDS) ? &pages_sets[what - 1] : NULL;
}

/** Let addresses and records of a set be found.  @return 0 or -ENOMEM, nothing is found then */
int pages_frames_enter(pages_t *p);
/** Nobody finds them any more. */
void pages_frames_leave(pages_t *p);

/* alloc.c */

/* What a request of order 0 may ask for and still take a page that the thread keeps, as it is. */
#define PAGES_GFP_PLAIN                                                                            \
	(__GFP_WAIT | __GFP_HIGH | __GFP_IO | __GFP_FS | __GFP_NOWARN | __GFP_REPEAT |             \
	 __GFP_NOFAIL | __GFP_NORETRY | __GFP_NO_GROW)

void pages_report(const char *what, const void *where, const void *caller);
/** Mark a block that is in no list as allocated. */
void pages_mark_used(pages_t *p, u32 number, u32 order, gfp_t gfp);
void pages_wake(pages_t *p);
/** n mappings more of a page (or fewer). */
void pages_count_mapping(page_t *page, int n);

/* kmap.c */

int pages_kmap_init(pages_t *p);
void pages_kmap_exit(pages_t *p);
/** Address in a window of the calling thread or any, NULL where the chunk is not mapped. */
void *pages_kmapped_address(const pages_t *p, u32 number);
int pages_kmap_is_busy(pages_t *p);

#endif
