/* SPDX-License-Identifier: Apache-2.0 */
/* Chunks.  The memory that a call needs for its books is had first; from there on nothing can
 * fail.  Pages and pools move when they grow, so chunks are named by page and pool index. */
#include "pmalloc_impl.h"

#include <stdarg.h>
#include <stdio.h>

/* ---- bins ---- */

u32
clib_pmalloc_bin(u32 size, int is_ceiling)
{
	u32 log2, bin;

	if (size < 8)
		return size;
	log2 = (u32)min_log2(size);
	bin = 8 + (log2 - 3) * 4 + (size >> (log2 - 2) & 3);
	return bin + (is_ceiling && (size & pow2_mask(log2 - 2)));
}

static clib_pmalloc_chunk_t *
chunk_at(clib_pmalloc_main_t *pm, clib_pmalloc_chunk_ref_t ref)
{
	return ref.page == PMALLOC_NONE ? NULL : pm->pages[ref.page].chunks + ref.chunk;
}

static void
list_free(clib_pmalloc_main_t *pm, clib_pmalloc_arena_t *a, clib_pmalloc_chunk_ref_t ref)
{
	clib_pmalloc_chunk_t *c = chunk_at(pm, ref), *next;
	u32 bin = clib_pmalloc_bin(c->size, 0);

	c->free_prev = (clib_pmalloc_chunk_ref_t){ PMALLOC_NONE, PMALLOC_NONE };
	c->free_next = a->bins[bin];
	next = chunk_at(pm, c->free_next);
	if (next)
		next->free_prev = ref;
	a->bins[bin] = ref;
	a->non_empty_bins[bin / 64] |= 1ULL << (bin % 64);
}

static void
unlist_free(clib_pmalloc_main_t *pm, clib_pmalloc_arena_t *a, clib_pmalloc_chunk_ref_t ref)
{
	clib_pmalloc_chunk_t *c = chunk_at(pm, ref), *prev = chunk_at(pm, c->free_prev),
			     *next = chunk_at(pm, c->free_next);
	u32 bin = clib_pmalloc_bin(c->size, 0);

	*(prev ? &prev->free_next : &a->bins[bin]) = c->free_next;
	if (next)
		next->free_prev = c->free_prev;
	if (a->bins[bin].page == PMALLOC_NONE)
		a->non_empty_bins[bin / 64] &= ~(1ULL << (bin % 64));
}

/* The first list from `bin` on that is not empty; PMALLOC_N_BINS when there is none. */
static u32
next_bin(const clib_pmalloc_arena_t *a, u32 bin)
{
	while (bin < PMALLOC_N_BINS) {
		u64 word = a->non_empty_bins[bin / 64] & (~0ULL << (bin % 64));

		if (word)
			return (u32)round_down_pow2(bin, 64) + (u32)count_trailing_zeros(word);
		bin = (u32)round_down_pow2(bin, 64) + 64;
	}
	return PMALLOC_N_BINS;
}

static int
fits(const clib_pmalloc_chunk_t *c, u32 n, u32 align)
{
	return round_pow2(c->start, align) + n <= (uword)c->start + c->size;
}

/* Chunks looked at one by one before another page is taken. */
#define N_LOOKS 32

/* A free chunk with n blocks at a multiple of align, page NONE when there is none.  The first
 * list whose chunks are certain to do; failing that, n_looks of the chunks that might. */
static clib_pmalloc_chunk_ref_t
find_chunk(clib_pmalloc_main_t *pm, const clib_pmalloc_arena_t *a, u32 n, u32 align, u32 n_looks)
{
	clib_pmalloc_chunk_ref_t none = { PMALLOC_NONE, PMALLOC_NONE }, ref;
	u32 certain = n + align - 1, bin;

	if (certain <= clib_pmalloc_page_blocks(pm)) {
		bin = next_bin(a, clib_pmalloc_bin(certain, 1));
		if (bin < PMALLOC_N_BINS)
			return a->bins[bin];
	}
	for (bin = next_bin(a, clib_pmalloc_bin(n, 0)); bin < PMALLOC_N_BINS;
	     bin = next_bin(a, bin + 1)) {
		for (ref = a->bins[bin]; ref.page != PMALLOC_NONE && n_looks;
		     ref = chunk_at(pm, ref)->free_next, n_looks--)
			if (fits(chunk_at(pm, ref), n, align))
				return ref;
	}
	return none;
}

/* ---- pages and their chunks ---- */

static u8 *
page_va(const clib_pmalloc_main_t *pm, u32 page_index)
{
	return pm->base + ((uword)page_index << pm->def_log2_page_sz);
}

static u8 *
chunk_va(clib_pmalloc_main_t *pm, clib_pmalloc_chunk_ref_t ref)
{
	return page_va(pm, ref.page) + ((uword)chunk_at(pm, ref)->start << PMALLOC_LOG2_BLOCK_SZ);
}

int
clib_pmalloc_start_page(clib_pmalloc_main_t *pm, clib_pmalloc_arena_t *a, u32 page_index)
{
	clib_pmalloc_page_t *p = pm->pages + page_index;
	clib_pmalloc_chunk_t *c;

	if (pool_get_zero(p->chunks, c))
		return -ENOMEM;
	c->prev = c->next = PMALLOC_NONE;
	c->size = clib_pmalloc_page_blocks(pm) & 0x7fffffff;
	p->first_chunk_index = (u32)(c - p->chunks);
	p->n_free_chunks = 1;
	p->n_free_blocks = c->size;
	list_free(pm, a, (clib_pmalloc_chunk_ref_t){ page_index, p->first_chunk_index });
	return 0;
}

void
clib_pmalloc_end_page(clib_pmalloc_main_t *pm, clib_pmalloc_arena_t *a, u32 page_index)
{
	clib_pmalloc_page_t *p = pm->pages + page_index;

	unlist_free(pm, a, (clib_pmalloc_chunk_ref_t){ page_index, p->first_chunk_index });
	pool_free(p->chunks);
	p->n_free_chunks = p->n_free_blocks = 0;
}

/* A free chunk of [start, start + size) between two neighbours; the pool has room. */
static u32
insert_free(clib_pmalloc_main_t *pm, clib_pmalloc_arena_t *a, u32 page_index, u32 start, u32 size,
	    u32 prev, u32 next)
{
	clib_pmalloc_page_t *p = pm->pages + page_index;
	clib_pmalloc_chunk_t *c;
	u32 i;

	pool_get_zero(p->chunks, c);
	i = (u32)(c - p->chunks);
	c->start = start;
	c->size = size & 0x7fffffff;
	c->prev = prev;
	c->next = next;
	*(prev == PMALLOC_NONE ? &p->first_chunk_index : &p->chunks[prev].next) = i;
	if (next != PMALLOC_NONE)
		p->chunks[next].prev = i;
	p->n_free_chunks++;
	list_free(pm, a, (clib_pmalloc_chunk_ref_t){ page_index, i });
	return i;
}

/* Use n blocks of a free chunk from `start` on; what is left on both sides stays free.  The
 * page's pool has room for two. */
static void
use_chunk(clib_pmalloc_main_t *pm, clib_pmalloc_arena_t *a, clib_pmalloc_chunk_ref_t ref, u32 start,
	  u32 n)
{
	clib_pmalloc_page_t *p = pm->pages + ref.page;
	clib_pmalloc_chunk_t *c = chunk_at(pm, ref);
	u32 before = start - c->start, behind = c->size - before - n;

	unlist_free(pm, a, ref);
	p->n_free_chunks--;
	p->n_free_blocks -= n;
	c->used = 1;
	if (before) {
		insert_free(pm, a, ref.page, c->start, before, c->prev, ref.chunk);
		c = chunk_at(pm, ref);
		c->start = start;
	}
	c->size = n & 0x7fffffff;
	if (behind)
		insert_free(pm, a, ref.page, start + n, behind, ref.chunk, c->next);
}

/* Merge the chunk behind into chunk i of a page; both are free, neither is listed. */
static void
absorb_next(clib_pmalloc_page_t *p, u32 i)
{
	u32 next = p->chunks[i].next, next_next = p->chunks[next].next;

	p->chunks[i].size += p->chunks[next].size;
	p->chunks[i].next = next_next;
	if (next_next != PMALLOC_NONE)
		p->chunks[next_next].prev = i;
	pool_put_index(p->chunks, next);
	p->n_free_chunks--;
}

static void
free_chunk(clib_pmalloc_main_t *pm, clib_pmalloc_arena_t *a, clib_pmalloc_chunk_ref_t ref)
{
	clib_pmalloc_page_t *p = pm->pages + ref.page;
	clib_pmalloc_chunk_t *c = chunk_at(pm, ref);
	u32 prev = c->prev, next = c->next;

	c->used = 0;
	c->n_pages = 0;
	p->n_free_chunks++;
	p->n_free_blocks += c->size;
	if (next != PMALLOC_NONE && !p->chunks[next].used) {
		unlist_free(pm, a, (clib_pmalloc_chunk_ref_t){ ref.page, next });
		absorb_next(p, ref.chunk);
	}
	if (prev != PMALLOC_NONE && !p->chunks[prev].used) {
		ref.chunk = prev;
		unlist_free(pm, a, ref);
		absorb_next(p, prev);
	}
	list_free(pm, a, ref);
}

/* ---- allocating ---- */

int
clib_pmalloc_fail(clib_pmalloc_main_t *pm, int code, const char *fmt, ...)
{
	va_list va;
	u8 *s;

	va_start(va, fmt);
	s = va_format(0, fmt, &va);
	va_end(va);
	clib_error_free(pm->error);
	pm->error = clib_error_return_code(0, -code, 0, "%v", s);
	vec_free(s);
	return code;
}

static int
no_memory(clib_pmalloc_main_t *pm)
{
	return clib_pmalloc_fail(pm, -ENOMEM, "out of memory for the books");
}

/* Up to a page. */
static u8 *
alloc_in_page(clib_pmalloc_main_t *pm, clib_pmalloc_arena_t *a, u32 n, u32 align)
{
	clib_pmalloc_chunk_ref_t ref = find_chunk(pm, a, n, align, N_LOOKS);
	clib_pmalloc_chunk_t *c;
	u32 start;
	u8 *va;

	/* Where there is no other page, every chunk is looked at. */
	if (ref.page == PMALLOC_NONE)
		ref = find_chunk(pm, a, n, align,
				 clib_pmalloc_grow(pm, a, 1, 0) ? ~(u32)0 : N_LOOKS);
	if (ref.page == PMALLOC_NONE)
		return NULL;
	c = chunk_at(pm, ref);
	start = (u32)round_pow2(c->start, align);
	va = page_va(pm, ref.page) + ((uword)start << PMALLOC_LOG2_BLOCK_SZ);
	if (pool_alloc(pm->pages[ref.page].chunks, 2) ||
	    hash_set(pm->chunk_index_by_va, (uword)va, ref.chunk)) {
		no_memory(pm);
		return NULL;
	}
	use_chunk(pm, a, ref, start, n);
	chunk_at(pm, ref)->n_pages = 1;
	return va;
}

static int
is_wholly_free(const clib_pmalloc_main_t *pm, u32 page_index)
{
	return pm->pages[page_index].n_free_blocks == clib_pmalloc_page_blocks(pm);
}

/* The first of n consecutive pages that are wholly free, NONE when there are none.
 * @param[out] n_trailing  such pages at the arena's end */
static u32
find_run(const clib_pmalloc_main_t *pm, const clib_pmalloc_arena_t *a, u32 n, u32 *n_trailing)
{
	u32 n_run = 0;

	for (u32 i = 0; i < vec_len(a->page_indices); i++) {
		u32 page = a->page_indices[i];

		if (!is_wholly_free(pm, page))
			n_run = 0;
		else if (n_run && a->page_indices[i - 1] + 1 == page)
			n_run++;
		else
			n_run = 1;
		if (n_run == n)
			return page - n + 1;
	}
	*n_trailing = n_run;
	return PMALLOC_NONE;
}

/* More than a page: whole pages, and what is needed of the last. */
static u8 *
alloc_pages(clib_pmalloc_main_t *pm, clib_pmalloc_arena_t *a, uword n_blocks)
{
	u32 page_blocks = clib_pmalloc_page_blocks(pm), n_trailing = 0, first, last_blocks;
	u32 n = (u32)((n_blocks + page_blocks - 1) / page_blocks);
	u8 *va;

	first = find_run(pm, a, n, &n_trailing);
	if (first == PMALLOC_NONE) {
		if (clib_pmalloc_grow(pm, a, n, n_trailing))
			return NULL;
		first = find_run(pm, a, n, &n_trailing);
	}
	va = page_va(pm, first);
	if (pool_alloc(pm->pages[first + n - 1].chunks, 2) ||
	    hash_set(pm->chunk_index_by_va, (uword)va, pm->pages[first].first_chunk_index)) {
		no_memory(pm);
		return NULL;
	}
	last_blocks = (u32)(n_blocks - (uword)(n - 1) * page_blocks);
	for (u32 i = 0; i < n; i++) {
		u32 page = first + i;
		clib_pmalloc_chunk_ref_t ref = { page, pm->pages[page].first_chunk_index };

		use_chunk(pm, a, ref, 0, i == n - 1 ? last_blocks : page_blocks);
		chunk_at(pm, ref)->n_pages = i == 0 ? n : 0;
	}
	return va;
}

static void *
alloc(clib_pmalloc_main_t *pm, clib_pmalloc_arena_t *a, uword size, uword align)
{
	uword n_blocks = round_pow2(size, PMALLOC_BLOCK_SZ) >> PMALLOC_LOG2_BLOCK_SZ;
	void *va = NULL;

	align = clib_max(align, (uword)PMALLOC_BLOCK_SZ);
	if (!size || size > (uword)pm->max_pages << pm->def_log2_page_sz || !is_pow2(align) ||
	    align > clib_pmalloc_page_bytes(pm))
		clib_pmalloc_fail(pm, -EINVAL,
				  "%Lu bytes aligned to %Lu: at most a page's alignment", size,
				  align);
	else if (n_blocks <= clib_pmalloc_page_blocks(pm))
		va = alloc_in_page(pm, a, (u32)n_blocks, (u32)(align >> PMALLOC_LOG2_BLOCK_SZ));
	else
		va = alloc_pages(pm, a, n_blocks);
	pm->n_failures += !va;
	/* One more page was not to be had, but there was room after all. */
	if (va)
		clib_error_free(pm->error);
	return va;
}

void *
clib_pmalloc_alloc_aligned_on_numa(clib_pmalloc_main_t *pm, uword size, uword align, u32 numa_node)
{
	clib_mem_heap_t *old = clib_pmalloc_enter(pm);
	clib_pmalloc_arena_t *a = clib_pmalloc_private_arena(pm, numa_node);
	void *va = NULL;

	if (a)
		va = alloc(pm, a, size, align);
	else
		pm->n_failures++;
	clib_pmalloc_leave(old);
	return va;
}

void *
clib_pmalloc_alloc_aligned(clib_pmalloc_main_t *pm, uword size, uword align)
{
	return clib_pmalloc_alloc_aligned_on_numa(pm, size, align, CLIB_PMALLOC_NUMA_LOCAL);
}

/* The page that an address is in, NONE when no arena has it. */
static u32
page_of(const clib_pmalloc_main_t *pm, const void *va)
{
	uword offset = (uword)va - (uword)pm->base;
	uword i = pm->base ? offset >> pm->def_log2_page_sz : ~0ULL;

	return i < vec_len64(pm->pages) && pm->pages[i].chunks ? (u32)i : PMALLOC_NONE;
}

void *
clib_pmalloc_alloc_from_arena(clib_pmalloc_main_t *pm, void *arena_va, uword size, uword align)
{
	clib_mem_heap_t *old = clib_pmalloc_enter(pm);
	u32 page = page_of(pm, arena_va);
	clib_pmalloc_arena_t *a =
		page == PMALLOC_NONE ? NULL : clib_pmalloc_get_arena(pm, arena_va);
	void *va = NULL;

	if (a && (a->flags & CLIB_PMALLOC_ARENA_F_SHARED_MEM)) {
		va = alloc(pm, a, size, align);
	} else {
		clib_pmalloc_fail(pm, -EINVAL, "no shared arena is at %p", arena_va);
		pm->n_failures++;
	}
	clib_pmalloc_leave(old);
	return va;
}

void
clib_pmalloc_free(clib_pmalloc_main_t *pm, void *va)
{
	u32 page = page_of(pm, va), n;
	uword *p = page == PMALLOC_NONE ? NULL : hash_get(pm->chunk_index_by_va, (uword)va);
	clib_pmalloc_arena_t *a;

	if (!va)
		return;
	if (!p) {
		mheap_report("pmalloc: free of what was not allocated", NULL, (uword)va,
			     __builtin_return_address(0));
		return;
	}
	a = pm->arenas + pm->pages[page].arena_index;
	n = pm->pages[page].chunks[*p].n_pages;
	free_chunk(pm, a, (clib_pmalloc_chunk_ref_t){ page, (u32)*p });
	for (u32 i = 1; i < n; i++)
		free_chunk(pm, a,
			   (clib_pmalloc_chunk_ref_t){ page + i,
						       pm->pages[page + i].first_chunk_index });
	hash_unset(pm->chunk_index_by_va, (uword)va);
}

/* ---- checking ---- */

/* NULL, or what is wrong with a page; its chunks are counted. */
static const char *
fault_of_page(clib_pmalloc_main_t *pm, u32 page_index, u32 *n_allocated, u32 *n_listed)
{
	const clib_pmalloc_page_t *p = pm->pages + page_index;
	const clib_pmalloc_chunk_t *c;
	u32 start = 0, n = 0, n_free = 0, n_free_blocks = 0, prev = PMALLOC_NONE, i;

	for (i = p->first_chunk_index; i != PMALLOC_NONE; prev = i, i = c->next, n++) {
		clib_pmalloc_chunk_ref_t ref = { page_index, i };
		uword *value;

		if (pool_is_free_index(p->chunks, i))
			return "a chunk in the list is free in the pool";
		c = p->chunks + i;
		if (c->start != start || c->prev != prev || !c->size)
			return "chunks do not tile the page";
		if (!c->used && prev != PMALLOC_NONE && !p->chunks[prev].used)
			return "two free neighbours";
		value = hash_get(pm->chunk_index_by_va, (uword)chunk_va(pm, ref));
		if ((value != NULL) != (c->n_pages > 0) || (value && *value != i))
			return "the hash is wrong";
		start += c->size;
		n_free += !c->used;
		n_free_blocks += c->used ? 0 : c->size;
		*n_allocated += c->n_pages > 0;
	}
	*n_listed += n_free;
	if (start != clib_pmalloc_page_blocks(pm) || n != pool_elts(p->chunks))
		return "chunks are missing";
	return n_free != p->n_free_chunks || n_free_blocks != p->n_free_blocks
		       ? "the page's sums are wrong"
		       : NULL;
}

/* NULL, or what is wrong with an arena's lists; their chunks are counted. */
static const char *
fault_of_bins(clib_pmalloc_main_t *pm, const clib_pmalloc_arena_t *a, u32 *n_listed)
{
	for (u32 bin = 0; bin < PMALLOC_N_BINS; bin++) {
		clib_pmalloc_chunk_ref_t ref = a->bins[bin];

		if ((ref.page != PMALLOC_NONE) != (a->non_empty_bins[bin / 64] >> (bin % 64) & 1))
			return "a bit differs from its list";
		for (; ref.page != PMALLOC_NONE; ref = chunk_at(pm, ref)->free_next, ++*n_listed)
			if (chunk_at(pm, ref)->used ||
			    clib_pmalloc_bin(chunk_at(pm, ref)->size, 0) != bin)
				return "a chunk is in the wrong list";
	}
	return NULL;
}

int
clib_pmalloc_check(clib_pmalloc_main_t *pm, char *what, uword n_what)
{
	u32 n_allocated = 0, n_free = 0, n_listed = 0, n_pages = 0;
	const char *fault = NULL;
	clib_pmalloc_arena_t *a;

	pool_foreach (a, pm->arenas) {
		if (!fault)
			fault = fault_of_bins(pm, a, &n_listed);
		if (!fault && a->n_pages != vec_len(a->page_indices))
			fault = "an arena's number of pages is wrong";
		for (u32 i = 0; !fault && i < vec_len(a->page_indices); i++)
			fault = pm->pages[a->page_indices[i]].arena_index != a->index
					? "a page is another arena's"
					: fault_of_page(pm, a->page_indices[i], &n_allocated,
							&n_free);
		n_pages += a->n_pages;
	}
	if (!fault && n_free != n_listed)
		fault = "free chunks are in no list";
	if (!fault && n_allocated != hash_elts(pm->chunk_index_by_va))
		fault = "allocations are missing";
	if (!fault && n_pages != pm->n_committed_pages)
		fault = "the number of pages is wrong";
	if (fault && what)
		snprintf(what, n_what, "%s", fault);
	return fault ? -EUCLEAN : 0;
}
