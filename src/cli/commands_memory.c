/* SPDX-License-Identifier: Apache-2.0 */
/* show memory: the heaps, and where every huge page of the process went. */
#include <cli/commands.h>
#include <cli/heap_words.h>
#include <cli/memory_map.h>

#include <string.h>
#include <vppinfra/arena.h>
#include <vppinfra/mem.h>
#include <vppinfra/mheap_front.h>
#include <vppinfra/vec.h>

/* ---- heaps ---- */

typedef struct {
	clib_mem_heap_t **heaps; /* vector of those named; none: every heap */
	u8 map;
	u32 verbose;
} show_memory_t;

static void
show_heap_pages(cli_output_t *out, uword base, uword size, const memory_mapping_t *mappings)
{
	vm_range_t *range = vm_range_of((void *)base);
	uword page_bytes = range ? vm_range_page_bytes(range) : KiB(4);
	memory_pages_t pages;
	u64 n_absent;

	memory_map_count_pages(mappings, base, size, page_bytes, &pages);
	n_absent = pages.n_pages - clib_min(pages.n_pages, pages.n_populated + pages.n_unknown);
	if (pages.n_unknown)
		cli_text(out,
			 "  page stats: page-size %U, total %Lu, populated %Lu, not-populated %Lu, "
			 "unknown %Lu",
			 format_log2_page_size, (int)min_log2(page_bytes), pages.n_pages,
			 pages.n_populated, n_absent, pages.n_unknown);
	else
		cli_text(out,
			 "  page stats: page-size %U, total %Lu, populated %Lu, not-populated %Lu",
			 format_log2_page_size, (int)min_log2(page_bytes), pages.n_pages,
			 pages.n_populated, n_absent);
	cli_field_u64(out, "page_bytes", page_bytes);
	cli_field_u64(out, "pages_total", pages.n_pages);
	cli_field_u64(out, "pages_populated", pages.n_populated);
	cli_field_u64(out, "pages_not_populated", n_absent);
	cli_field_u64(out, "pages_unknown", pages.n_unknown);
	for (u32 node = 0; node < MEMORY_MAX_NODES; node++) {
		if (!pages.n_on_node[node])
			continue;
		cli_text(out, "    numa %u: %Lu pages, %U bytes", node, pages.n_on_node[node],
			 format_memory_size, (uword)(pages.n_on_node[node] * page_bytes));
		cli_list_item_begin(out, "numa");
		cli_field_u64(out, "node", node);
		cli_field_u64(out, "pages", pages.n_on_node[node]);
		cli_field_u64(out, "bytes", pages.n_on_node[node] * page_bytes);
		cli_end(out);
	}
}

static void
field_heap_stats(cli_output_t *out, const mheap_t *h)
{
	cli_field_u64(out, "gets", h->stats.n_gets);
	cli_field_u64(out, "puts", h->stats.n_puts);
	cli_field_u64(out, "get_failures", h->stats.n_get_failures);
	cli_field_u64(out, "bad_puts", h->stats.n_bad_puts);
	cli_field_u64(out, "searches", h->stats.free_list.n_search_attempts);
	cli_field_u64(out, "expands", h->stats.n_vector_expands);
	cli_field_u64(out, "committed_bytes", h->n_committed_bytes);
	cli_field_u64(out, "reclaimed_bytes", h->n_reclaimed_bytes);
}

/* What threads keep ready; it counts as free. */
static void
show_fronts(cli_output_t *out, clib_mem_heap_t *heap)
{
	mheap_front_usage_t u;

	mheap_front_usage(heap, &u);
	if (u.n_cached)
		cli_text(out, "  fronts: %u thread%s, %U free in %lu objects ready", u.n_fronts,
			 u.n_fronts == 1 ? "" : "s", format_memory_size, u.n_cached_bytes,
			 u.n_cached);
	cli_field_u64(out, "fronts", u.n_fronts);
	cli_field_u64(out, "cached_objects", u.n_cached);
	cli_field_u64(out, "cached_bytes", u.n_cached_bytes);
	cli_field_u64(out, "front_gets", u.n_gets);
	cli_field_u64(out, "front_puts", u.n_puts);
}

static void
show_heap(cli_output_t *out, clib_mem_heap_t *heap, const show_memory_t *show,
	  const memory_mapping_t *mappings)
{
	const mheap_t *h = mheap_header(heap);
	uword base = (uword)h - h->vm_alloc_offset_from_header;
	u32 flags = clib_atomic_load_relax_n(&h->flags);
	clib_mem_usage_t u;
	u64 used;

	mheap_usage(heap, &u);
	used = clib_min(u.bytes_max, u.bytes_used + u.bytes_overhead);
	cli_list_item_begin(out, "heaps");
	cli_text(out, "base 0x%lx, size %U%s%s%s, name '%s'", base, format_memory_size,
		 h->vm_alloc_size, flags & MHEAP_FLAG_THREAD_SAFE ? ", locked" : "",
		 flags & MHEAP_FLAG_TRACE ? ", traced" : "",
		 mheap_owns_region(heap) ? ", unmap-on-destroy" : "", h->name);
	cli_field_string(out, "name", "%s", h->name);
	cli_field_string(out, "base", "0x%lx", base);
	cli_field_u64(out, "size_bytes", h->vm_alloc_size);
	cli_field_bool(out, "locked", flags & MHEAP_FLAG_THREAD_SAFE);
	cli_field_bool(out, "unmap_on_destroy", mheap_owns_region(heap));
	cli_field_bool(out, "traced", flags & MHEAP_FLAG_TRACE);
	cli_field_i64(out, "numa_node", h->numa_node);
	show_heap_pages(out, base, h->vm_alloc_size, mappings);
	cli_text(out, "  total: %U, used: %U, free: %U", format_cli_mib, (u64)u.bytes_max,
		 format_cli_mib, used, format_cli_mib, (u64)u.bytes_max - used);
	cli_field_u64(out, "total_bytes", u.bytes_max);
	cli_field_u64(out, "used_bytes", used);
	cli_field_u64(out, "free_bytes", u.bytes_max - used);
	cli_field_u64(out, "objects", u.object_count);
	show_fronts(out, heap);
	field_heap_stats(out, h);
	if (show->verbose)
		cli_text(out, "  %U", format_mheap, heap, (int)show->verbose);
	/* Which has the table of a traced heap in it. */
	cli_show_traces(out, heap, show->verbose != 0, !show->verbose);
	cli_text(out, "");
	cli_end(out);
}

static void
show_heaps(cli_output_t *out, const show_memory_t *show)
{
	clib_mem_heap_t **heaps = show->heaps ? show->heaps : cli_all_heaps();
	memory_mapping_t *mappings;
	int rv = memory_map_read(&mappings);

	if (rv)
		cli_text(out, "/proc/self/smaps: %s; what is populated is not known",
			 strerror(-rv));
	for (uword i = 0; i < vec_len(heaps); i++)
		show_heap(out, heaps[i], show, mappings);
	if (heaps != show->heaps)
		vec_free(heaps);
	vec_free(mappings);
}

/* ---- totals ---- */

static const cli_column_t account_columns[] = {
	{ "page_size", "Pages", 6, CLI_RIGHT },
	{ "arenas_bytes", "Root arenas", 12, CLI_RIGHT },
	{ "vm_bytes", "vm", 12, CLI_RIGHT },
	{ "eal_bytes", "EAL", 12, CLI_RIGHT },
	{ "file_bytes", "Files", 12, CLI_RIGHT },
	{ "kernel_bytes", "Kernel", 12, CLI_RIGHT },
	{ "unexplained_bytes", "Unexplained", 12, CLI_RIGHT },
};

/* A figure that only huge pages have. */
static void
huge_bytes(cli_table_t *table, const memory_account_t *a, u64 n_bytes)
{
	if (a->is_huge)
		cli_bytes(table, n_bytes);
	else
		cli_none(table);
}

static void
show_totals(cli_output_t *out)
{
	memory_totals_t t;
	memory_account_t *a;
	cli_table_t *table;

	memory_totals(&t);
	cli_text(out, "committed memory (exact when nothing is allocating):");
	cli_object_begin(out, "totals");
	table = cli_table(out, "by_page_size", account_columns, ARRAY_LEN(account_columns));
	vec_foreach (a, t.by_size) {
		if (!table ||
		    (a->is_huge && !a->arenas && !a->vm && !a->eal && !a->files && !a->kernel))
			continue;
		cli_row(table);
		cli_string(table, "%U", format_log2_page_size, (int)a->log2_page_size);
		cli_bytes(table, a->arenas);
		cli_bytes(table, a->vm);
		huge_bytes(table, a, a->eal);
		huge_bytes(table, a, a->files);
		cli_bytes(table, a->kernel);
		cli_i64(table, a->unexplained);
	}
	cli_field_u64(out, "arenas_committed_bytes", t.arenas_committed_bytes);
	cli_field_u64(out, "vm_committed_bytes", t.vm_committed_bytes);
	cli_field_u64(out, "vm_hugetlb_bytes", t.vm_hugetlb_bytes);
	cli_field_u64(out, "eal_hugepage_bytes", t.eal_hugepage_bytes);
	cli_field_u64(out, "file_hugepage_bytes", t.file_hugepage_bytes);
	cli_field_u64(out, "smaps_hugetlb_bytes", t.smaps_hugetlb_bytes);
	cli_field_i64(out, "unexplained_bytes", t.unexplained_bytes);
	cli_end(out);
	cli_text(out, "root arenas %U = vm %U%s", format_memory_size,
		 (uword)t.arenas_committed_bytes, format_memory_size, (uword)t.vm_committed_bytes,
		 t.arenas_committed_bytes == t.vm_committed_bytes
			 ? ""
			 : " (they differ: something is allocating)");
	if (t.smaps_error)
		cli_text(out, "/proc/self/smaps: %s", strerror(-t.smaps_error));
	else
		cli_text(out,
			 "huge pages: vm %U + EAL %U + files %U = smaps %U + %Ld bytes unexplained",
			 format_memory_size, (uword)t.vm_hugetlb_bytes, format_memory_size,
			 (uword)t.eal_hugepage_bytes, format_memory_size,
			 (uword)t.file_hugepage_bytes, format_memory_size,
			 (uword)t.smaps_hugetlb_bytes, t.unexplained_bytes);
	memory_totals_free(&t);
}

/* ---- map ---- */

#define N_FIXED_COLUMNS 5

/* VPP's columns; the NUMA ones are as many as the machine has nodes. */
static u32
map_columns(cli_column_t *columns, char titles[MEMORY_MAX_NODES][2][16], u32 n_nodes)
{
	static const cli_column_t fixed[N_FIXED_COLUMNS] = {
		{ "start", "StartAddr", 16, CLI_LEFT }, { "size_bytes", "size", 7, CLI_RIGHT },
		{ "fd", "FD", 5, CLI_RIGHT },           { "page_size", "PageSz", 7, CLI_RIGHT },
		{ "pages", "Pages", 7, CLI_RIGHT },
	};
	u32 n = N_FIXED_COLUMNS;

	memcpy(columns, fixed, sizeof(fixed));
	for (u32 node = 0; node < n_nodes; node++) {
		snprintf(titles[node][0], sizeof(titles[node][0]), "numa%u_pages", node);
		snprintf(titles[node][1], sizeof(titles[node][1]), "Numa%u", node);
		columns[n++] = (cli_column_t){ titles[node][0], titles[node][1], 6, CLI_RIGHT };
	}
	columns[n++] = (cli_column_t){ "not_populated", "NotPop", 7, CLI_RIGHT };
	columns[n++] = (cli_column_t){ "name", "Name", 0, CLI_LEFT };
	return n;
}

static void
map_row(cli_table_t *t, const memory_map_row_t *r, const memory_mapping_t *mappings, u32 n_nodes)
{
	memory_pages_t pages;

	memory_map_count_pages(mappings, r->start, r->n_bytes, 1ull << r->log2_page_size, &pages);
	cli_row(t);
	cli_string(t, "%016lx", r->start);
	cli_bytes(t, r->n_bytes);
	if (r->fd >= 0)
		cli_i64(t, r->fd);
	else
		cli_none(t);
	cli_string(t, "%s%U", r->is_thp ? "THP/" : "", format_log2_page_size,
		   (int)r->log2_page_size);
	cli_u64(t, pages.n_pages);
	for (u32 node = 0; node < n_nodes; node++)
		cli_u64(t, pages.n_on_node[node]);
	cli_u64(t, pages.n_pages - clib_min(pages.n_pages, pages.n_populated + pages.n_unknown));
	cli_string(t, "%s", r->name);
}

/* What is worse than it could be, under the table. */
static int
map_remarks(const vm_range_info_t *r, void *arg)
{
	cli_output_t *out = arg;

	if (r->fallback[0])
		cli_text(out, "%s: %s", r->name, r->fallback);
	if (r->n_misplaced_pages)
		cli_text(out, "%s: %Lu pages lie on another node", r->name, r->n_misplaced_pages);
	return 0;
}

static void
show_map(cli_output_t *out)
{
	cli_column_t columns[N_FIXED_COLUMNS + MEMORY_MAX_NODES + 2];
	u32 n_nodes = clib_min(vm_n_numa_nodes(), (u32)MEMORY_MAX_NODES), n_columns;
	/* Static: the table's columns point here until the answer is rendered. */
	static char titles[MEMORY_MAX_NODES][2][16];
	memory_map_row_t *rows = memory_map_rows(), *r;
	memory_mapping_t *mappings;
	cli_table_t *t;
	int rv;

	n_columns = map_columns(columns, titles, n_nodes);
	t = cli_table(out, "map", columns, n_columns);
	rv = memory_map_read(&mappings);
	vec_foreach (r, rows) {
		if (t)
			map_row(t, r, mappings, n_nodes);
	}
	if (rv)
		cli_text(out, "/proc/self/smaps: %s; what is populated is not known",
			 strerror(-rv));
	vm_foreach_range(map_remarks, out);
	vec_free(mappings);
	vec_free(rows);
}

static clib_error_t *
unknown_word(unformat_input_t *input)
{
	u8 *expected =
		format(0, "one of: %U, numa-heaps, map, verbose%c", format_cli_heap_words, 0);
	clib_error_t *error = vmheap_config_unknown(input, (char *)expected);

	vec_free(expected);
	return error;
}

static clib_error_t *
show_memory_fn(cli_output_t *out, unformat_input_t *input, vmheap_cli_command_t *cmd)
{
	/* What this command allocates is not what it was asked about. */
	uword was_traced = clib_mem_trace_enable_disable(0);
	show_memory_t show = {};
	clib_error_t *error = 0;

	while (!error && unformat_check_input(input) != UNFORMAT_END_OF_INPUT) {
		if (unformat(input, "map"))
			show.map = 1;
		else if (unformat(input, "verbose %u", &show.verbose))
			;
		else if (unformat(input, "verbose"))
			show.verbose = 1;
		else if (!unformat(input, "%U", unformat_cli_heaps, &show.heaps))
			error = unknown_word(input);
	}
	if (!error) {
		if (show.heaps || !show.map)
			show_heaps(out, &show);
		if (show.map)
			show_map(out);
		if (!show.heaps && !show.map)
			show_totals(out);
	}
	vec_free(show.heaps);
	clib_mem_trace_enable_disable(was_traced);
	return error;
}

VMHEAP_CLI_COMMAND(show_memory) = {
	.path = "show memory",
	.short_help =
		"show memory [main-heap] [numa-heaps] [numa-heap N] [NAME] [map] [verbose [N]]",
	.long_help =
		"The heaps with their pages by NUMA node, and the committed memory of each page\n"
		"size: what root arenas hold, what vm committed for them, what EAL mapped itself,\n"
		"huge pages of mapped files, and what the kernel says.  Of heaps that are traced\n"
		"(memory-trace) the sites that hold most.  A heap is named main-heap, numa-heap "
		"N,\n"
		"base ADDRESS, or by its NAME (with hyphens for blanks).  map: one row for each\n"
		"reserved range and each mapping.  verbose: each heap's own figures; verbose 2\n"
		"adds a histogram of sizes and where the objects are.",
	.words = CLI_HEAP_WORDS " map verbose",
	.function = show_memory_fn,
};
