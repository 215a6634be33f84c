/* SPDX-License-Identifier: Apache-2.0 */
/* First, so that DPDK's headers and vppinfra's agree. */
#include <plugins/framework/dpdk.h>
#include <cli/memory_map.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <rte_memory.h>
#include <vppinfra/arena.h>
#include <vppinfra/pages.h>
#define CLIB_PERCPU_RUN_TIME_ONLY
#include <vppinfra/percpu.h>
#include <vppinfra/physmem.h>
#include <vppinfra/vec.h>

/* ---- /proc/self/smaps ---- */

/* "Shared_Hugetlb:      12 kB" adds to the mapping before it. */
static void
parse_attribute(memory_mapping_t *m, const char *line)
{
	unsigned long long kib;
	char name[32];

	if (sscanf(line, "%31[^:]: %llu kB", name, &kib) != 2)
		return;
	if (!strcmp(name, "KernelPageSize"))
		m->kernel_page_kib = kib;
	else if (!strcmp(name, "Shared_Hugetlb") || !strcmp(name, "Private_Hugetlb"))
		m->hugetlb_bytes += KiB(kib);
}

int
memory_map_read(memory_mapping_t **mappings)
{
	FILE *f = fopen("/proc/self/smaps", "re");
	unsigned long long start, end;
	char *line = NULL, rights[8];
	memory_mapping_t *v = 0;
	size_t n_line = 0;

	*mappings = 0;
	if (!f)
		return -errno;
	while (getline(&line, &n_line, f) >= 0) {
		if (sscanf(line, "%llx-%llx %7s", &start, &end, rights) == 3) {
			memory_mapping_t m = { .start = start,
					       .end = end,
					       .is_accessible = rights[0] == 'r' };

			vec_add1(v, m);
		} else if (vec_len(v)) {
			parse_attribute(&v[vec_len(v) - 1], line);
		}
	}
	free(line);
	fclose(f);
	*mappings = v;
	return v ? 0 : -ENOMEM;
}

static int
add_range(const vm_range_info_t *info, void *arg)
{
	vm_range_info_t **v = arg;

	vec_add1(*v, *info);
	return 0;
}

vm_range_info_t *
memory_map_ranges(void)
{
	vm_range_info_t *v = 0;

	vm_foreach_range(add_range, &v);
	return v;
}

/* ---- rows of the map ---- */

static int
add_range_row(const vm_range_info_t *info, void *arg)
{
	memory_map_row_t **v = arg, row = { .start = info->base,
					    .n_bytes = info->reserve_bytes,
					    .fd = info->fd,
					    .log2_page_size = info->log2_page_size,
					    .is_thp = info->is_thp };

	memcpy(row.name, info->name, sizeof(row.name));
	vec_add1(*v, row);
	return 0;
}

static int
compare_rows(void *a, void *b)
{
	uword x = ((memory_map_row_t *)a)->start, y = ((memory_map_row_t *)b)->start;

	return (x > y) - (x < y);
}

memory_map_row_t *
memory_map_rows(void)
{
	clib_mem_vm_map_hdr_t *h = NULL;
	memory_map_row_t *v = 0;

	vm_foreach_range(add_range_row, &v);
	while ((h = clib_mem_vm_get_next_map_hdr(h))) {
		memory_map_row_t row = { .start = h->base_addr,
					 .n_bytes = h->num_pages << h->log2_page_sz,
					 .fd = h->fd,
					 .log2_page_size = (u8)h->log2_page_sz };

		/* Huge pages are vm's, and listed. */
		if (vm_range_of((void *)h->base_addr))
			continue;
		memcpy(row.name, h->name, sizeof(row.name));
		vec_add1(v, row);
	}
	vec_sort_with_function(v, compare_rows);
	return v;
}

/* ---- pages ---- */

static void
count_mapping(uword start, uword end, uword page_bytes, memory_pages_t *pages)
{
	u64 by_node[MEMORY_MAX_NODES] = {}, n_absent = 0, n = (end - start) / page_bytes;

	if (vm_pages_by_node((void *)start, end - start, page_bytes, by_node, MEMORY_MAX_NODES,
			     &n_absent)) {
		pages->n_unknown += n;
		return;
	}
	for (u32 i = 0; i < MEMORY_MAX_NODES; i++) {
		pages->n_on_node[i] += by_node[i];
		pages->n_populated += by_node[i];
	}
}

void
memory_map_count_pages(const memory_mapping_t *mappings, uword start, uword n_bytes,
		       uword page_bytes, memory_pages_t *pages)
{
	const memory_mapping_t *m;
	uword end = start + n_bytes;

	memset(pages, 0, sizeof(*pages));
	pages->n_pages = n_bytes / page_bytes;
	vec_foreach (m, mappings) {
		uword from = clib_max(m->start, round_down_pow2(start, page_bytes));
		uword to = clib_min(m->end, round_pow2(end, page_bytes));

		if (m->is_accessible && from < to)
			count_mapping(from, to, page_bytes, pages);
	}
}

/* ---- accounts ---- */

typedef struct {
	u64 bytes;
	u8 log2_page_size;
	int node;
} eal_walk_t;

static int
add_memseg(const struct rte_memseg_list *list, const struct rte_memseg *segment, void *arg)
{
	eal_walk_t *w = arg;

	/* External segments are arenas that were given to EAL: vm counts those. */
	if (list->external || segment->hugepage_sz <= KiB(64))
		return 0;
	if (w->log2_page_size && segment->hugepage_sz != 1ull << w->log2_page_size)
		return 0;
	if (w->node >= 0 && segment->socket_id != w->node)
		return 0;
	w->bytes += segment->len;
	return 0;
}

u64
memory_eal_huge_bytes(u8 log2_page_size, int node)
{
	eal_walk_t w = { .log2_page_size = log2_page_size, .node = node };

	/* Before EAL is up its tables are empty, and so is the walk. */
	rte_memseg_walk(add_memseg, &w);
	return w.bytes;
}

static memory_account_t *
account_of(memory_totals_t *t, u8 log2_page_size)
{
	memory_account_t *a;

	vec_foreach (a, t->by_size) {
		if (a->log2_page_size == log2_page_size)
			return a;
	}
	return 0;
}

static void
make_accounts(memory_totals_t *t)
{
	u8 sizes[8];
	u32 n = vm_hugepage_sizes(sizes, ARRAY_LEN(sizes));
	memory_account_t a = { .log2_page_size = 12 };

	vec_add1(t->by_size, a);
	a.is_huge = 1;
	for (u32 i = 0; i < n; i++) {
		a.log2_page_size = sizes[i];
		vec_add1(t->by_size, a);
	}
}

static int
add_arena(clib_arena_t *arena, void *arg)
{
	memory_totals_t *t = arg;
	vm_range_info_t info;
	memory_account_t *a;

	vm_range_get_info(clib_arena_range(arena), &info);
	a = account_of(t, info.log2_page_size);
	if (a)
		a->arenas += clib_arena_committed_bytes(arena);
	t->arenas_committed_bytes += clib_arena_committed_bytes(arena);
	return 0;
}

static int
add_page_set(pages_t *pages, void *arg)
{
	memory_totals_t *t = arg;
	memory_account_t *a;
	pages_info_t info;

	pages_get_info(pages, &info);
	a = account_of(t, info.log2_page_size);
	if (a)
		a->arenas += info.committed_bytes;
	t->arenas_committed_bytes += info.committed_bytes;
	return 0;
}

/* What is committed for nobody's arena: vmem's own heap, sets of pages, physmem, mappings. */
static void
add_other_roots(memory_totals_t *t)
{
	clib_percpu_info_t percpu;
	memory_account_t *a;

	clib_percpu_get_info(&percpu);
	account_of(t, 12)->arenas += vmem_mmap_committed_bytes() + percpu.committed_bytes;
	t->arenas_committed_bytes += vmem_mmap_committed_bytes() + percpu.committed_bytes;
	pages_foreach(add_page_set, t);
	vec_foreach (a, t->by_size) {
		u64 n = clib_physmem_committed_bytes(a->log2_page_size) +
			clib_mem_vm_committed_bytes(a->log2_page_size);

		a->arenas += n;
		t->arenas_committed_bytes += n;
	}
}

/* Huge pages of descriptors that somebody else holds. */
static void
add_mapped_files(memory_totals_t *t)
{
	clib_mem_vm_map_hdr_t *h = NULL;
	memory_account_t *a;

	while ((h = clib_mem_vm_get_next_map_hdr(h))) {
		a = account_of(t, (u8)h->log2_page_sz);
		if (h->fd >= 0 && a && a->is_huge)
			a->files += h->num_pages << h->log2_page_sz;
	}
}

/* Resident bytes of [start, end), which is mapped. */
static u64
resident_bytes(uword start, uword end)
{
	u64 n_pages = 0;
	u8 is_resident[512];

	while (start < end) {
		uword n = clib_min((end - start) / KiB(4), (uword)sizeof(is_resident));

		if (mincore((void *)start, n * KiB(4), is_resident))
			return n_pages * KiB(4);
		for (uword i = 0; i < n; i++)
			n_pages += is_resident[i] & 1;
		start += n * KiB(4);
	}
	return n_pages * KiB(4);
}

/* Resident 4K pages inside vm's ranges; huge pages anywhere. */
static void
add_kernel(memory_totals_t *t, const memory_mapping_t *mappings, const vm_range_info_t *ranges)
{
	const memory_mapping_t *m;
	const vm_range_info_t *r;
	memory_account_t *a;

	vec_foreach (m, mappings) {
		if (m->hugetlb_bytes) {
			a = account_of(t, min_log2(KiB(m->kernel_page_kib)));
			if (a)
				a->kernel += m->hugetlb_bytes;
			t->smaps_hugetlb_bytes += m->hugetlb_bytes;
			continue;
		}
		/* The kernel joins neighbours into one mapping: what lies in a range is cut out. */
		vec_foreach (r, ranges) {
			uword from = clib_max(m->start, r->base),
			      to = clib_min(m->end, r->base + r->reserve_bytes);

			if (m->is_accessible && !r->is_hugetlb && from < to)
				account_of(t, 12)->kernel += resident_bytes(from, to);
		}
	}
}

static void
take_totals(memory_totals_t *t)
{
	memory_mapping_t *mappings;
	vm_range_info_t *ranges;
	memory_account_t *a;

	memset(t, 0, sizeof(*t));
	make_accounts(t);
	ranges = memory_map_ranges();
	t->smaps_error = memory_map_read(&mappings);
	clib_arena_foreach(add_arena, t);
	add_other_roots(t);
	add_mapped_files(t);
	add_kernel(t, mappings, ranges);
	vec_foreach (a, t->by_size) {
		a->vm = vm_committed_bytes(a->log2_page_size);
		t->vm_committed_bytes += a->vm;
		if (a->is_huge) {
			a->eal = memory_eal_huge_bytes(a->log2_page_size, -1);
			t->eal_hugepage_bytes += a->eal;
			t->vm_hugetlb_bytes += a->vm;
		}
		t->file_hugepage_bytes += a->files;
		a->unexplained = (i64)a->kernel - (i64)a->vm - (i64)a->eal - (i64)a->files;
	}
	t->unexplained_bytes = (i64)t->smaps_hugetlb_bytes - (i64)t->vm_hugetlb_bytes -
			       (i64)t->eal_hugepage_bytes - (i64)t->file_hugepage_bytes;
	vec_free(ranges);
	vec_free(mappings);
}

/* Enough for our own allocations to settle; a program that never rests gets what was last seen. */
#define N_TRIES 4

void
memory_totals(memory_totals_t *t)
{
	uword n_before;

	/* The lists lie on a heap, so taking them may commit pages that they do not show yet. */
	for (u32 i = 0; i < N_TRIES; i++) {
		n_before = vm_committed_bytes(0);
		take_totals(t);
		if (vm_committed_bytes(0) == n_before)
			return;
		if (i + 1 < N_TRIES)
			memory_totals_free(t);
	}
}

void
memory_totals_free(memory_totals_t *t)
{
	vec_free(t->by_size);
}
