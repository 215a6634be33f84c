/* SPDX-License-Identifier: Apache-2.0 */
/* Sets: made, grown chunk by chunk, trimmed, described. */
#include "pages_impl.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>
#include <vppinfra/vmem.h>

#ifndef MFD_HUGETLB
#	define MFD_HUGETLB 4u
#endif
#define MFD_HUGE_SHIFT_ 26

#define DMA_LIMIT (16ull << 20)
#define DMA32_LIMIT (4ull << 30)
#define LOG2_SMALL_CHUNK 21
#define MAX_DEFAULT_BYTES GiB(16)
/* Numbers are 32 bits, ~0 is none. */
#define MAX_PAGES (1ull << 31)

pages_t pages_sets[PAGES_MAX_SETS];
static pthread_mutex_t sets_lock = PTHREAD_MUTEX_INITIALIZER;
/* Under sets_lock. */
static int drains_at_exit;
static _Atomic(pages_t *) node_sets[64];

void pages_frames_add(pages_t *p, u32 chunk);

const char *
pages_zone_name(pages_zone_id_t zone)
{
	static const char *names[] = { "DMA", "DMA32", "Normal", "HighMem" };

	return (u32)zone < ARRAY_LEN(names) ? names[zone] : "unknown";
}

void *
pages_map_array(uword n_bytes, int is_aligned)
{
	uword frame = is_aligned ? 1ul << PAGES_LOG2_FRAME : 0, start, base;
	void *p = mmap(NULL, n_bytes + frame, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	if (!is_aligned)
		return p;
	start = pointer_to_uword(p);
	base = round_pow2(start, frame);
	if (base > start)
		munmap(p, base - start);
	if (base < start + frame)
		munmap(uword_to_pointer(base + n_bytes, void *), start + frame - base);
	return uword_to_pointer(base, void *);
}

/* ---- chunks ---- */

static pages_zone_id_t
zone_of(const pages_t *p, u64 pa, int is_high)
{
	u64 end = pa + pages_chunk_bytes(p);

	if (is_high)
		return ZONE_HIGHMEM;
	/* What may move, or lies nobody knows where, promises nothing. */
	if (!p->is_contiguous || pa == PAGES_PA_UNKNOWN)
		return ZONE_NORMAL;
	return end <= DMA_LIMIT ? ZONE_DMA : end <= DMA32_LIMIT ? ZONE_DMA32 : ZONE_NORMAL;
}

/* Physical address of an unmapped chunk, through a mapping that is gone after. */
static u64
high_chunk_pa(const pages_t *p, u64 offset)
{
	uword n = pages_chunk_bytes(p);
	u64 pa = PAGES_PA_UNKNOWN;
	u8 *a;

	if (!p->is_contiguous)
		return pa;
	a = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, p->high_fd,
		 (off_t)offset);
	if (a == MAP_FAILED)
		return pa;
	/* The page is there; a read puts it into the table that is asked. */
	(void)*(volatile u8 *)a;
	if (p->va_to_pa(a, &pa))
		pa = PAGES_PA_UNKNOWN;
	munmap(a, n);
	return pa;
}

static void
enlist(pages_t *p, u32 chunk, u64 pa, pages_zone_id_t zone)
{
	u32 first = chunk << p->max_order, n = 1u << p->max_order;
	pages_zone_t *z = &p->zones[zone];

	for (u32 i = 0; i < n; i++)
		p->records[first + i] =
			(page_t){ .flags = (u32)zone << PG_ZONE_SHIFT, .first_page = first + i };
	p->chunks[chunk] = (pages_chunk_t){ .pa = pa, .is_present = 1, .zone = (u8)zone };
	pages_spin_lock(&p->lock);
	z->present_pages += n;
	z->reserve_pages = p->n_reserve_wanted == ~0u ? z->present_pages / 64 : p->n_reserve_wanted;
	if (pa != PAGES_PA_UNKNOWN) {
		z->pa_low = clib_min(z->pa_low, pa);
		z->pa_high = z->pa_high == PAGES_PA_UNKNOWN
				     ? pa + pages_chunk_bytes(p)
				     : clib_max(z->pa_high, pa + pages_chunk_bytes(p));
	}
	pages_buddy_give(p, first, p->max_order, 0);
	pages_spin_unlock(&p->lock);
}

/* The first chunk from `from` that is not there, below `end`; `end`: all are. */
static u32
absent_chunk(const pages_t *p, u32 from, u32 end)
{
	while (from < end && p->chunks[from].is_present)
		from++;
	return from;
}

int
pages_add_chunk(pages_t *p, int is_high)
{
	u32 n_direct = p->n_direct >> p->max_order, n_high = p->n_high >> p->max_order, chunk;
	uword n_bytes = pages_chunk_bytes(p);
	u64 pa = PAGES_PA_UNKNOWN;

	chunk = is_high ? absent_chunk(p, n_direct, n_direct + n_high)
			: absent_chunk(p, 0, n_direct);
	if (chunk == (is_high ? n_direct + n_high : n_direct))
		return -ENOMEM;
	if (is_high) {
		u64 offset = (u64)(chunk - n_direct) * n_bytes;

		if (vm_file_populate(p->high_fd, offset, n_bytes, p->numa_node))
			return -ENOMEM;
		pa = high_chunk_pa(p, offset);
	} else {
		uword offset = (uword)chunk * n_bytes;

		if (vm_commit(p->range, p->range_offset + offset, n_bytes))
			return -ENOMEM;
		if (p->is_contiguous &&
		    p->va_to_pa(uword_to_pointer(p->base + offset, void *), &pa))
			pa = PAGES_PA_UNKNOWN;
	}
	enlist(p, chunk, pa, zone_of(p, pa, is_high));
	if (pa != PAGES_PA_UNKNOWN)
		pages_frames_add(p, chunk);
	atomic_fetch_add_explicit(&p->n_grows, 1, memory_order_relaxed);
	return 0;
}

uword
pages_grow(pages_t *p, uword bytes)
{
	u32 guard = pages_open(p);
	uword n = 0;

	pthread_mutex_lock(&p->grow_lock);
	while (n < bytes && (p->n_direct ? !pages_add_chunk(p, 0) : !pages_add_chunk(p, 1)))
		n += pages_chunk_bytes(p);
	pthread_mutex_unlock(&p->grow_lock);
	vm_guard_close(guard);
	if (n)
		pages_wake(p);
	return n;
}

/* Take a chunk that is wholly free out of its zone.  @return whether it was */
static int
delist(pages_t *p, u32 chunk)
{
	u32 first = chunk << p->max_order;
	pages_zone_t *z = &p->zones[p->chunks[chunk].zone];
	int is_free;

	pages_spin_lock(&p->lock);
	/* Whole, while its owner may change it from used to cached: see pages_set_flags(). */
	is_free = (__atomic_load_n(&p->records[first].flags, __ATOMIC_RELAXED) &
		   (PG_FREE | PG_ORDER_MASK)) == (PG_FREE | p->max_order);
	if (is_free) {
		pages_buddy_unlink(p, first, p->max_order);
		z->free_pages -= 1ull << p->max_order;
		z->present_pages -= 1ull << p->max_order;
		if (p->n_reserve_wanted == ~0u)
			z->reserve_pages = z->present_pages / 64;
		p->chunks[chunk].is_present = 0;
	}
	pages_spin_unlock(&p->lock);
	return is_free;
}

static uword
give_chunk_back(pages_t *p, u32 chunk)
{
	u32 n_direct = p->n_direct >> p->max_order;
	uword n_bytes = pages_chunk_bytes(p), released = n_bytes;

	if (chunk >= n_direct)
		vm_file_punch(p->high_fd, (u64)(chunk - n_direct) * n_bytes, n_bytes);
	else
		vm_decommit(p->range, p->range_offset + (uword)chunk * n_bytes, n_bytes, &released);
	return released;
}

uword
pages_trim(pages_t *p)
{
	u32 n_chunks = (p->n_direct + p->n_high) >> p->max_order;
	u32 guard = pages_open(p);
	uword released = 0;

	pthread_mutex_lock(&p->grow_lock);
	pages_cache_drain_all(p);
	for (u32 i = 0; i < n_chunks; i++)
		if (p->chunks[i].is_present && !pages_kmapped_address(p, i << p->max_order) &&
		    delist(p, i))
			released += give_chunk_back(p, i);
	pthread_mutex_unlock(&p->grow_lock);
	vm_guard_close(guard);
	return released;
}

/* ---- create and destroy ---- */

static void
take_down(pages_t *p)
{
	pages_kmap_exit(p);
	if (p->range)
		vm_release(p->range);
	if (p->high_fd >= 0)
		close(p->high_fd);
	if (p->records)
		munmap(p->records, p->records_map_bytes);
	if (p->chunks)
		munmap(p->chunks, p->chunks_map_bytes);
	if (p->caches)
		munmap(p->caches, p->caches_map_bytes);
	pthread_mutex_destroy(&p->grow_lock);
	pthread_mutex_destroy(&p->wait_lock);
	pthread_mutex_destroy(&p->window_lock);
	pthread_cond_destroy(&p->freed);
	pthread_cond_destroy(&p->window_free);
}

static int
reserve_direct(pages_t *p, const pages_params_t *params)
{
	uword small = 1ul << LOG2_SMALL_CHUNK;
	vm_range_params_t range = {
		.name = p->name,
		/* One chunk more, for the start to be aligned. */
		.reserve_bytes = round_pow2(params->max_bytes, small) + small,
		.expect_bytes = clib_max(params->initial_bytes, small),
		.numa_node = params->numa_node,
		.page_size = params->page_size,
		.flags = VM_RANGE_SHARED,
	};
	vm_range_info_t info;
	int rv = vm_reserve(&range, &p->range);

	if (rv)
		return rv;
	vm_range_get_info(p->range, &info);
	p->direct_fd = info.fd;
	p->is_hugetlb = info.is_hugetlb;
	p->is_contiguous = info.is_hugetlb;
	p->log2_page_size = info.log2_page_size;
	p->max_order = clib_max(info.log2_page_size, (u8)LOG2_SMALL_CHUNK) - PAGES_LOG2_PAGE;
	p->log2_chunk = p->max_order + PAGES_LOG2_PAGE;
	p->base = round_pow2(info.base, pages_chunk_bytes(p));
	p->range_offset = p->base - info.base;
	p->n_direct = params->max_bytes
			      ? (u32)(round_pow2(params->max_bytes, pages_chunk_bytes(p)) >>
				      PAGES_LOG2_PAGE)
			      : 0;
	return 0;
}

/* Pages of the same size in a file that nobody maps. */
static int
make_high(pages_t *p, const pages_params_t *params)
{
	uword n_bytes = round_pow2(params->max_highmem_bytes, pages_chunk_bytes(p));
	u32 flags = MFD_CLOEXEC;

	if (!n_bytes)
		return 0;
	if (p->is_hugetlb)
		flags |= MFD_HUGETLB | (u32)p->log2_page_size << MFD_HUGE_SHIFT_;
	p->high_fd = memfd_create(p->name, flags);
	if (p->high_fd < 0 || ftruncate(p->high_fd, (off_t)n_bytes))
		return -ENOMEM;
	p->n_high = (u32)(n_bytes >> PAGES_LOG2_PAGE);
	return 0;
}

static int
make_arrays(pages_t *p)
{
	uword n = (uword)p->n_direct + p->n_high;

	p->n_pages = (u32)n;
	p->records_map_bytes = round_pow2(n * sizeof(page_t), 1ul << PAGES_LOG2_FRAME);
	p->chunks_map_bytes = ((n >> p->max_order) + 1) * sizeof(pages_chunk_t);
	p->caches_map_bytes = CLIB_MAX_THREADS * sizeof(pages_cache_t);
	p->records = pages_map_array(p->records_map_bytes, 1);
	p->chunks = pages_map_array(p->chunks_map_bytes, 0);
	p->caches = pages_map_array(p->caches_map_bytes, 0);
	if (!p->records || !p->chunks || !p->caches)
		return -ENOMEM;
	if (pages_guard(p))
		return -ENOMEM;
	pages_cache_init(p);
	return 0;
}

static void
init_locks_and_lists(pages_t *p)
{
	pthread_condattr_t attr;

	pthread_mutex_init(&p->grow_lock, NULL);
	pthread_mutex_init(&p->wait_lock, NULL);
	pthread_mutex_init(&p->window_lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&p->freed, &attr);
	pthread_cond_init(&p->window_free, &attr);
	pthread_condattr_destroy(&attr);
	for (u32 z = 0; z < PAGES_N_ZONES; z++) {
		p->zones[z].pa_low = p->zones[z].pa_high = PAGES_PA_UNKNOWN;
		for (u32 o = 0; o <= PAGES_MAX_ORDER; o++)
			for (u32 t = 0; t < PAGES_N_TYPES; t++)
				p->zones[z].area[o].head[t] = PAGES_NONE;
	}
}

static void
drain_exiting_thread(void *CLIB_UNUSED(arg), u16 CLIB_UNUSED(thread_index))
{
	for (u32 i = 0; i < PAGES_MAX_SETS; i++)
		if (pages_sets[i].is_live)
			pages_cache_drain_all(&pages_sets[i]);
}

static int
init_set(pages_t *p, const pages_params_t *params)
{
	int rv;

	memset(p, 0, sizeof(*p));
	p->high_fd = p->direct_fd = -1;
	snprintf(p->name, sizeof(p->name), "%s", params->name ? params->name : "pages");
	p->numa_node = params->numa_node;
	p->n_reserve_wanted = params->n_reserve_pages;
	p->n_cached_pages = params->n_cached_pages;
	p->wait_ms = params->wait_ms ? params->wait_ms : 100;
	p->va_to_pa = params->va_to_pa ? params->va_to_pa : vm_va_to_pa;
	p->n_windows = params->n_windows ? params->n_windows : 8;
	init_locks_and_lists(p);
	rv = reserve_direct(p, params);
	if (!rv)
		rv = make_high(p, params);
	if (!rv)
		rv = make_arrays(p);
	if (!rv)
		rv = pages_kmap_init(p);
	if (!rv && pages_grow(p, params->initial_bytes) < params->initial_bytes)
		rv = -ENOMEM;
	if (!rv)
		rv = pages_frames_enter(p);
	if (rv)
		take_down(p);
	return rv;
}

int
pages_create(const pages_params_t *params, pages_t **pages)
{
	pages_t *p = NULL;
	int rv;

	if (!params || (!params->max_bytes && !params->max_highmem_bytes) ||
	    params->max_bytes + params->max_highmem_bytes > MAX_PAGES << PAGES_LOG2_PAGE ||
	    params->n_cached_pages > PAGES_MAX_CACHED || params->n_windows > PAGES_MAX_WINDOWS ||
	    params->initial_bytes > clib_max(params->max_bytes, params->max_highmem_bytes))
		return -EINVAL;
	pthread_mutex_lock(&sets_lock);
	if (!drains_at_exit)
		drains_at_exit = !clib_thread_at_exit(drain_exiting_thread, NULL);
	for (u32 i = 0; i < PAGES_MAX_SETS && !p; i++)
		if (!pages_sets[i].is_live)
			p = &pages_sets[i];
	rv = p ? init_set(p, params) : -ENOMEM;
	if (!rv)
		/* Release: whoever sees the set live sees its fields. */
		atomic_store_explicit(&p->is_live, 1, memory_order_release);
	pthread_mutex_unlock(&sets_lock);
	if (!rv)
		*pages = p;
	return rv;
}

int
pages_destroy(pages_t *p)
{
	int rv = 0;

	if (!p)
		return 0;
	pthread_mutex_lock(&sets_lock);
	pages_cache_drain_all(p);
	for (u32 z = 0; z < PAGES_N_ZONES; z++)
		if (p->zones[z].free_pages != p->zones[z].present_pages)
			rv = -EBUSY;
	if (pages_kmap_is_busy(p))
		rv = -EBUSY;
	if (!rv) {
		for (u32 i = 0; i < ARRAY_LEN(node_sets); i++)
			if (node_sets[i] == p)
				node_sets[i] = NULL;
		atomic_store_explicit(&p->is_live, 0, memory_order_release);
		pages_frames_leave(p);
		take_down(p);
	}
	pthread_mutex_unlock(&sets_lock);
	return rv;
}

/* ---- a set for each node ---- */

int
pages_set_node(u32 node, pages_t *pages)
{
	if (node >= ARRAY_LEN(node_sets))
		return -EINVAL;
	/* Release: the set is seen by whoever acquires the pointer. */
	atomic_store_explicit(&node_sets[node], pages, memory_order_release);
	return 0;
}

static never_inline pages_t *
make_node_set(u32 node)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	u64 total = GiB(1), available;
	char name[24];
	pages_params_t params = {
		.name = name,
		.numa_node = vm_numa_node_has_memory((int)node) ? (int)node : VM_NODE_ANY,
		.page_size = CLIB_MEM_PAGE_SZ_DEFAULT_HUGE,
		.n_reserve_pages = ~0u,
		.n_cached_pages = PAGES_MAX_CACHED,
	};
	pages_t *p;

	pthread_mutex_lock(&lock);
	p = node_sets[node];
	if (!p) {
		snprintf(name, sizeof(name), "pages-%u", node);
		vm_node_memory(params.numa_node, &total, &available);
		params.max_bytes =
			clib_min(round_pow2(total / 4, GiB(1)), (uword)MAX_DEFAULT_BYTES);
		params.max_highmem_bytes = params.max_bytes;
		if (pages_create(&params, &p))
			p = NULL;
		pages_set_node(node, p);
	}
	pthread_mutex_unlock(&lock);
	return p;
}

pages_t *
pages_of_node(u32 node)
{
	pages_t *p;

	if (node >= ARRAY_LEN(node_sets))
		node = 0;
	/* Acquire: pairs with the release in pages_set_node(). */
	p = atomic_load_explicit(&node_sets[node], memory_order_acquire);
	return PREDICT_TRUE(p != NULL) ? p : make_node_set(node);
}

/* ---- looking ---- */

static void
zone_info(const pages_t *p, u32 id, pages_zone_info_t *info)
{
	const pages_zone_t *z = &p->zones[id];

	for (u32 o = 0; o <= PAGES_MAX_ORDER; o++)
		for (u32 t = 0; t < PAGES_N_TYPES; t++)
			info->nr_free[o][t] = z->area[o].nr_free[t];
	info->present_pages = z->present_pages;
	info->free_pages = z->free_pages;
	info->reserve_pages = z->reserve_pages;
	info->n_allocs = z->n_allocs;
	info->n_frees = z->n_frees;
	info->n_fails = z->n_fails;
	info->n_fallbacks = z->n_fallbacks;
	info->n_steals = z->n_steals;
	info->pa_low = z->pa_low;
	info->pa_high = z->pa_high;
}

void
pages_get_info(pages_t *p, pages_info_t *info)
{
	pages_zone_info_t *normal = &info->zones[ZONE_NORMAL];

	memset(info, 0, sizeof(*info));
	memcpy(info->name, p->name, sizeof(info->name));
	info->numa_node = p->numa_node;
	info->log2_page_size = p->log2_page_size;
	info->max_order = p->max_order;
	info->is_contiguous = p->is_contiguous;
	info->is_guarded = p->is_guarded;
	info->max_bytes = (uword)p->n_direct << PAGES_LOG2_PAGE;
	info->max_highmem_bytes = (uword)p->n_high << PAGES_LOG2_PAGE;
	info->n_windows = p->n_windows;
	pages_spin_lock(&p->lock);
	for (u32 z = 0; z < PAGES_N_ZONES; z++)
		zone_info(p, z, &info->zones[z]);
	pages_spin_unlock(&p->lock);
	normal->cached_pages = pages_cache_count(p);
	pages_cache_totals(p, &normal->n_allocs, &normal->n_frees);
	for (u32 z = 0; z < PAGES_N_ZONES; z++)
		*(z == ZONE_HIGHMEM ? &info->highmem_bytes : &info->committed_bytes) +=
			info->zones[z].present_pages << PAGES_LOG2_PAGE;
	info->record_bytes =
		(info->committed_bytes + info->highmem_bytes) / PAGES_PAGE_BYTES * sizeof(page_t);
	for (u32 i = 0; i < p->n_windows; i++)
		info->n_windows_used += p->windows[i].n_users != 0;
	info->n_grows = p->n_grows;
	info->n_sleeps = p->n_sleeps;
	info->n_attempts = p->n_attempts;
	info->n_bad_frees = p->n_bad_frees;
	info->n_kmaps = p->n_kmaps;
	info->n_vmalloc_bytes = p->n_vmalloc_bytes;
}

void
pages_foreach(int (*fn)(pages_t *pages, void *arg), void *arg)
{
	for (u32 i = 0; i < PAGES_MAX_SETS; i++)
		if (pages_sets[i].is_live && fn(&pages_sets[i], arg))
			return;
}
