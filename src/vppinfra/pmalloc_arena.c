/* SPDX-License-Identifier: Apache-2.0 */
/* Arenas.  An arena's pages lie in extents, vm ranges inside pmalloc's reservation; an extent takes
 * the next free addresses and is committed page by page.  It has more addresses than are needed
 * now, as many as the arena has pages, so a handful of ranges does; but at most an eighth of what
 * is left, so that one node does not starve the others of addresses. */
#include "mem_vm_impl.h"
#include "pmalloc_impl.h"

#include <sys/mman.h>

#define DEFAULT_BYTES GiB(16)
#define MIN_DEFAULT_BYTES MiB(256)

/* ---- physical addresses ---- */

/* Virtual minus physical address of the byte at va, 0 when it is not to be had. */
static uword
delta_of(clib_pmalloc_main_t *pm, const void *va)
{
	u64 pa;
	int rv;

	if (pm->flags & CLIB_PMALLOC_F_NO_PAGEMAP)
		return 0;
	rv = vm_va_to_pa(va, &pa);
	if (rv == -EPERM)
		pm->flags |= CLIB_PMALLOC_F_NO_PAGEMAP;
	return rv ? 0 : (uword)va - pa;
}

/* Fill a committed page's entry of the lookup table.  @return 0 or -ENOMEM */
static int
learn_addresses(clib_pmalloc_main_t *pm, u32 page_index, u32 log2_subpage)
{
	u8 *va = pm->base + ((uword)page_index << pm->def_log2_page_sz);
	uword delta = delta_of(pm, va), *table, n;

	pm->lookup_log2_page_sz =
		clib_min(pm->lookup_log2_page_sz, (clib_mem_page_sz_t)log2_subpage);
	if (delta && log2_subpage < (u32)pm->def_log2_page_sz) {
		n = clib_pmalloc_page_bytes(pm) >> pm->sys_log2_page_sz;
		table = clib_mem_heap_alloc_or_null(pm->heap, n * sizeof(table[0]));
		if (!table)
			return -ENOMEM;
		for (uword i = 0; i < n; i++)
			table[i] = delta_of(pm, va + (i << pm->sys_log2_page_sz));
		delta = (uword)table | 1;
	}
	/* Release: the table is seen by the acquire in clib_pmalloc_get_pa(). */
	clib_atomic_store_rel_n(&pm->lookup_table[page_index], delta);
	return 0;
}

static void
forget_addresses(clib_pmalloc_main_t *pm, u32 page_index)
{
	uword delta = pm->lookup_table[page_index];

	clib_atomic_store_relax_n(&pm->lookup_table[page_index], 0);
	if (delta & 1)
		clib_mem_heap_free(pm->heap, (void *)(delta - 1));
}

/* ---- extents ---- */

/* Not pages but memory for the books ran out: other pages would not help. */
#define NO_BOOKS (-ENOBUFS)

static int
start_page(clib_pmalloc_main_t *pm, clib_pmalloc_arena_t *a, u32 page_index, u32 log2_subpage)
{
	int rv = learn_addresses(pm, page_index, log2_subpage);

	if (!rv)
		rv = clib_pmalloc_start_page(pm, a, page_index);
	if (!rv && vec_add1(a->page_indices, page_index)) {
		clib_pmalloc_end_page(pm, a, page_index);
		rv = -ENOMEM;
	}
	if (rv)
		forget_addresses(pm, page_index);
	return rv ? NO_BOOKS : 0;
}

/* Commit the next n pages of an extent, all or none. */
static int
commit_pages(clib_pmalloc_main_t *pm, clib_pmalloc_arena_t *a, clib_pmalloc_extent_t *e, u32 n)
{
	u32 first = e->first_page + e->n_committed, i;
	uword offset = (uword)e->n_committed << pm->def_log2_page_sz;
	int rv = vm_commit(e->range, offset, (uword)n << pm->def_log2_page_sz);

	if (rv)
		return rv;
	for (i = 0; i < n && !rv; i++)
		rv = start_page(pm, a, first + i, (u32)min_log2(vm_range_page_bytes(e->range)));
	if (!rv) {
		e->n_committed += n;
		a->n_pages += n;
		pm->n_committed_pages += n;
		return 0;
	}
	for (i--; i-- > 0;) {
		clib_pmalloc_end_page(pm, a, first + i);
		forget_addresses(pm, first + i);
		vec_pop(a->page_indices);
	}
	vm_decommit(e->range, offset, (uword)n << pm->def_log2_page_sz, NULL);
	return rv;
}

/* A range for the next n_pages addresses, of which n_now are committed, or nothing. */
static int
add_extent(clib_pmalloc_main_t *pm, clib_pmalloc_arena_t *a, u32 n_pages, u32 n_now,
	   clib_mem_page_sz_t log2_subpage, mem_vm_error_t *why)
{
	clib_pmalloc_extent_t *e;
	u32 first = vec_len(pm->pages);
	vm_range_params_t p = {
		.name = (char *)a->name, /* ends in a NUL, see name_arena() */
		.reserve_bytes = (uword)n_pages << pm->def_log2_page_sz,
		.expect_bytes = (uword)n_now << pm->def_log2_page_sz,
		.numa_node = (int)a->numa_node,
		.page_size = log2_subpage,
		.flags = VM_RANGE_EXACT_PAGE | VM_RANGE_STRICT_NODE | VM_RANGE_IN_RESERVATION,
		.base = (uword)pm->base + ((uword)first << pm->def_log2_page_sz),
	};
	int rv;

	if (a->flags & CLIB_PMALLOC_ARENA_F_SHARED_MEM)
		p.flags |= VM_RANGE_SHARED;
	if (vec_validate(pm->pages, first + n_pages - 1) || vec_add2(a->extents, e, 1)) {
		if (pm->pages)
			vec_set_len(pm->pages, first);
		return clib_mem_vm_explain(why, NO_BOOKS, "out of memory for the books");
	}
	*e = (clib_pmalloc_extent_t){ .first_page = first, .n_pages = n_pages };
	for (u32 i = first; i < first + n_pages; i++)
		pm->pages[i] = (clib_pmalloc_page_t){ .index = i,
						      .arena_index = a->index,
						      .first_chunk_index = PMALLOC_NONE };
	rv = vm_reserve(&p, &e->range);
	if (!rv) {
		rv = commit_pages(pm, a, e, n_now);
		if (!rv)
			return 0;
		vm_release(e->range);
	}
	/* For words: what was to be had at once. */
	p.reserve_bytes = p.expect_bytes;
	if (rv == NO_BOOKS)
		clib_mem_vm_explain(why, rv, "out of memory for the books");
	else
		clib_mem_vm_explain_range(&p, (u8)log2_subpage, rv, why);
	vec_pop(a->extents);
	vec_set_len(pm->pages, first);
	return rv;
}

static u32
n_unused_pages(const clib_pmalloc_main_t *pm)
{
	return pm->max_pages - vec_len(pm->pages);
}

int
clib_pmalloc_grow(clib_pmalloc_main_t *pm, clib_pmalloc_arena_t *a, u32 n, u32 n_trailing)
{
	clib_pmalloc_extent_t *last = vec_len(a->extents) ? vec_end(a->extents) - 1 : NULL;
	u32 n_new = n - n_trailing, n_tail = last ? last->n_pages - last->n_committed : 0, n_extent;
	mem_vm_error_t why, why_not_huge;
	int rv = 0;

	if (a->flags & CLIB_PMALLOC_ARENA_F_SHARED_MEM)
		return clib_pmalloc_fail(pm, -ENOMEM, "arena '%s' is full", a->name);
	/* The arena's trailing pages, its tail, and addresses that nobody has yet follow each
	 * other where the arena was the last to take some. */
	if (last && (n_new <= n_tail || last->first_page + last->n_pages == vec_len(pm->pages))) {
		n = clib_min(n_new, n_tail);
		rv = n ? commit_pages(pm, a, last, n) : 0;
		if (rv == NO_BOOKS)
			return clib_pmalloc_fail(pm, -ENOMEM, "out of memory for the books");
		n = rv ? n_new + n_trailing : n_new - n;
		if (!n)
			return 0;
	}
	if (n_unused_pages(pm) < n)
		return clib_pmalloc_fail(pm, -ENOMEM, "arena '%s': %u pages wanted, %u of %u left",
					 a->name, n, n_unused_pages(pm), pm->max_pages);
	n_extent = clib_max(n, clib_min(n_unused_pages(pm) / 8, a->n_pages));
	rv = add_extent(pm, a, n_extent, n, pm->def_log2_page_sz, &why);
	if (!rv)
		return 0;
	if (rv != NO_BOOKS) {
		why_not_huge = why;
		rv = add_extent(pm, a, n_extent, n, pm->sys_log2_page_sz, &why);
	}
	if (rv)
		return clib_pmalloc_fail(pm, rv == -ENODEV ? rv : -ENOMEM, "arena '%s': %s",
					 a->name, why.text);
	a->log2_subpage_sz = pm->sys_log2_page_sz;
	if (!a->fallback)
		a->fallback = format(0, "%s%c", why_not_huge.text, 0);
	return 0;
}

/* ---- arenas ---- */

static clib_pmalloc_arena_t *
make_arena(clib_pmalloc_main_t *pm, u32 numa_node, u32 flags)
{
	clib_pmalloc_arena_t *a;

	if (pool_get_zero(pm->arenas, a)) {
		clib_pmalloc_fail(pm, -ENOMEM, "out of memory for the books");
		return NULL;
	}
	a->index = (u32)(a - pm->arenas);
	a->fd = -1;
	a->flags = flags;
	a->numa_node = numa_node;
	a->log2_subpage_sz = pm->def_log2_page_sz;
	a->first_page_index = PMALLOC_NONE;
	for (u32 bin = 0; bin < PMALLOC_N_BINS; bin++)
		a->bins[bin] = (clib_pmalloc_chunk_ref_t){ PMALLOC_NONE, PMALLOC_NONE };
	return a;
}

void
clib_pmalloc_release_arena(clib_pmalloc_main_t *pm, clib_pmalloc_arena_t *a)
{
	clib_pmalloc_extent_t *e;

	for (u32 i = 0; i < vec_len(a->page_indices); i++) {
		pool_free(pm->pages[a->page_indices[i]].chunks);
		forget_addresses(pm, a->page_indices[i]);
	}
	vec_foreach (e, a->extents)
		vm_release(e->range);
	vec_free(a->name);
	vec_free(a->fallback);
	vec_free(a->page_indices);
	vec_free(a->extents);
	pool_put(pm->arenas, a);
}

/* The node meant, if it can have memory at all; PMALLOC_NONE and an error otherwise. */
static u32
resolve_node(clib_pmalloc_main_t *pm, u32 numa_node)
{
	if (numa_node == CLIB_PMALLOC_NUMA_LOCAL)
		numa_node = (u32)vm_current_numa_node();
	if (numa_node < vm_n_numa_nodes() && vm_numa_node_has_memory((int)numa_node))
		return numa_node;
	clib_pmalloc_fail(pm, -ENODEV, "numa node %u does not exist or has no memory", numa_node);
	return PMALLOC_NONE;
}

clib_pmalloc_arena_t *
clib_pmalloc_private_arena(clib_pmalloc_main_t *pm, u32 numa_node)
{
	clib_pmalloc_arena_t *a;
	u32 node;

	if (!pm->base) {
		clib_pmalloc_fail(pm, -EINVAL, "clib_pmalloc_init() was not called");
		return NULL;
	}
	node = resolve_node(pm, numa_node);
	if (node == PMALLOC_NONE)
		return NULL;
	if (node < vec_len(pm->default_arena_for_numa_node) &&
	    pm->default_arena_for_numa_node[node] != PMALLOC_NONE)
		return pm->arenas + pm->default_arena_for_numa_node[node];
	a = make_arena(pm, node, 0);
	if (!a)
		return NULL;
	a->name = format(0, "default-numa-%u%c", node, 0);
	if (!a->name ||
	    vec_validate_init_empty(pm->default_arena_for_numa_node, node, PMALLOC_NONE)) {
		clib_pmalloc_release_arena(pm, a);
		clib_pmalloc_fail(pm, -ENOMEM, "out of memory for the books");
		return NULL;
	}
	pm->default_arena_for_numa_node[node] = a->index;
	return a;
}

/* Pages and subpages of a new shared arena: 0, or an error. */
static int
check_shared(clib_pmalloc_main_t *pm, uword size, clib_mem_page_sz_t *log2_subpage)
{
	clib_mem_page_sz_t log2 = *log2_subpage ? clib_mem_log2_page_size_validate(*log2_subpage)
						: pm->def_log2_page_sz;

	if (!pm->base)
		return clib_pmalloc_fail(pm, -EINVAL, "clib_pmalloc_init() was not called");
	if (!log2 || log2 > pm->def_log2_page_sz)
		return clib_pmalloc_fail(
			pm, -ENOTSUP, "pages of 2^%u bytes: not offered, or above the page, %U",
			(u32)*log2_subpage, format_log2_page_size, (int)pm->def_log2_page_sz);
	if (!size || size > (uword)n_unused_pages(pm) << pm->def_log2_page_sz)
		return clib_pmalloc_fail(pm, size ? -ENOMEM : -EINVAL,
					 "%Lu bytes wanted, %u pages of address space left", size,
					 n_unused_pages(pm));
	*log2_subpage = log2;
	return 0;
}

static void *
create_shared_arena(clib_pmalloc_main_t *pm, const char *name, uword size, u32 log2_page_sz,
		    u32 numa_node)
{
	clib_mem_page_sz_t log2_subpage = (clib_mem_page_sz_t)log2_page_sz;
	clib_pmalloc_arena_t *a;
	vm_range_info_t info;
	mem_vm_error_t why;
	u32 node, n;
	int rv;

	node = resolve_node(pm, numa_node);
	if (node == PMALLOC_NONE || check_shared(pm, size, &log2_subpage) ||
	    !(a = make_arena(pm, node, CLIB_PMALLOC_ARENA_F_SHARED_MEM)))
		return NULL;
	n = (u32)(round_pow2(size, clib_pmalloc_page_bytes(pm)) >> pm->def_log2_page_sz);
	a->name = format(0, "%s%c", name ? name : "", 0);
	a->first_page_index = vec_len(pm->pages);
	a->log2_subpage_sz = log2_subpage;
	rv = a->name ? add_extent(pm, a, n, n, log2_subpage, &why)
		     : clib_mem_vm_explain(&why, -ENOMEM, "out of memory for the books");
	if (rv) {
		clib_pmalloc_fail(pm, rv == NO_BOOKS ? -ENOMEM : rv, "arena '%s': %s",
				  name ? name : "", why.text);
		clib_pmalloc_release_arena(pm, a);
		return NULL;
	}
	vm_range_get_info(a->extents[0].range, &info);
	a->fd = info.fd;
	return (void *)info.base;
}

void *
clib_pmalloc_create_shared_arena(clib_pmalloc_main_t *pm, char *name, uword size, u32 log2_page_sz,
				 u32 numa_node)
{
	clib_mem_heap_t *old = clib_pmalloc_enter(pm);
	void *va = create_shared_arena(pm, name, size, log2_page_sz, numa_node);

	clib_pmalloc_leave(old);
	return va;
}

int
clib_pmalloc_release_shared_arena(clib_pmalloc_main_t *pm, void *arena_va)
{
	uword page = ((uword)arena_va - (uword)pm->base) >> pm->def_log2_page_sz;
	clib_pmalloc_arena_t *a;
	clib_pmalloc_extent_t e;

	if (!pm->base || page >= vec_len64(pm->pages) || !pm->pages[page].chunks)
		return -EINVAL;
	a = pm->arenas + pm->pages[page].arena_index;
	if (!(a->flags & CLIB_PMALLOC_ARENA_F_SHARED_MEM) || a->first_page_index != page)
		return -EINVAL;
	for (u32 i = 0; i < a->n_pages; i++)
		if (pm->pages[page + i].n_free_blocks != clib_pmalloc_page_blocks(pm))
			return -EBUSY;
	e = a->extents[0];
	pm->n_committed_pages -= e.n_committed;
	clib_pmalloc_release_arena(pm, a);
	for (u32 i = 0; i < e.n_pages; i++)
		pm->pages[e.first_page + i] = (clib_pmalloc_page_t){ .index = e.first_page + i };
	if (e.first_page + e.n_pages == vec_len(pm->pages))
		vec_set_len(pm->pages, e.first_page);
	return 0;
}

uword
clib_pmalloc_committed_bytes(clib_pmalloc_main_t *pm, u8 log2_page_size)
{
	clib_pmalloc_arena_t *a;
	clib_pmalloc_extent_t *e;
	uword n = 0;

	pool_foreach (a, pm->arenas) {
		vec_foreach (e, a->extents) {
			if (!log2_page_size ||
			    vm_range_page_bytes(e->range) == 1ULL << log2_page_size)
				n += (uword)e->n_committed << pm->def_log2_page_sz;
		}
	}
	return n;
}

/* ---- init and destroy ---- */

/* 2M where there are such pages, else the default huge page; 2M of subpages where there is none. */
static clib_mem_page_sz_t
choose_page_size(void)
{
	clib_mem_page_sz_t log2 = clib_mem_main.log2_sys_default_hugepage_sz;
	vm_hugepages_t unused;

	return log2 && log2 <= CLIB_MEM_PAGE_SZ_1G &&
			       vm_hugepages(VM_NODE_ANY, CLIB_MEM_PAGE_SZ_2M, &unused)
		       ? log2
		       : CLIB_MEM_PAGE_SZ_2M;
}

static int
reserve(clib_pmalloc_main_t *pm, uword base_addr, uword size)
{
	uword wanted = size ? round_pow2(size, clib_pmalloc_page_bytes(pm)) : DEFAULT_BYTES, base;

	for (;; wanted /= 2) {
		base = clib_mem_vm_reserve(base_addr, wanted, pm->def_log2_page_sz);
		if (base != ~0ULL || size || wanted <= MIN_DEFAULT_BYTES)
			break;
	}
	if (base == ~0ULL)
		return clib_pmalloc_fail(pm, -(int)clib_error_get_code(clib_mem_get_last_error()),
					 "%v", clib_mem_get_last_error()->what);
	pm->max_pages = (u32)(wanted >> pm->def_log2_page_sz);
	pm->base = (u8 *)base;
	return 0;
}

/* Zero, and taken where it is written.  @return 0 or -ENOMEM */
static int
make_books(clib_pmalloc_main_t *pm)
{
	void *table = mmap(NULL, pm->max_pages * sizeof(uword), PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (table == MAP_FAILED)
		return -ENOMEM;
	pm->lookup_table = table;
	pm->chunk_index_by_va = hash_create(0, sizeof(uword));
	if (pm->chunk_index_by_va && pool_alloc(pm->arenas, 1) == 0)
		return 0;
	munmap(table, pm->max_pages * sizeof(uword));
	pm->lookup_table = NULL;
	hash_free(pm->chunk_index_by_va);
	return -ENOMEM;
}

int
clib_pmalloc_init(clib_pmalloc_main_t *pm, uword base_addr, uword size)
{
	clib_error_t *error = pm->error;

	if (pm->base) {
		clib_pmalloc_fail(pm, -EALREADY, "clib_pmalloc_init() was called before");
		return -1;
	}
	memset(pm, 0, sizeof(*pm));
	pm->error = error;
	pm->heap = clib_mem_get_heap();
	pm->def_log2_page_sz = choose_page_size();
	pm->lookup_log2_page_sz = pm->def_log2_page_sz;
	pm->sys_log2_page_sz = clib_mem_main.log2_page_sz;
	if (reserve(pm, base_addr, size))
		return -1;
	if (make_books(pm)) {
		clib_mem_vm_unreserve((uword)pm->base);
		pm->base = NULL;
		clib_pmalloc_fail(pm, -ENOMEM, "out of memory for the books");
		return -1;
	}
	clib_error_free(pm->error);
	return 0;
}

void
clib_pmalloc_destroy(clib_pmalloc_main_t *pm)
{
	clib_pmalloc_arena_t *a;

	pool_foreach (a, pm->arenas)
		clib_pmalloc_release_arena(pm, a);
	pool_free(pm->arenas);
	vec_free(pm->pages);
	vec_free(pm->default_arena_for_numa_node);
	hash_free(pm->chunk_index_by_va);
	clib_error_free(pm->error);
	if (pm->base) {
		munmap(pm->lookup_table, pm->max_pages * sizeof(uword));
		clib_mem_vm_unreserve((uword)pm->base);
	}
	memset(pm, 0, sizeof(*pm));
}
