/* SPDX-License-Identifier: Apache-2.0 */
/* show physmem: memory whose physical addresses somebody may want.  First physmem's own arenas, as
 * VPP shows them, then the arenas of the process, whose pages devices read as well. */
#include <cli/commands.h>
#include <cli/memory_map.h>

#include <errno.h>
#include <vppinfra/arena.h>
#include <vppinfra/physmem.h>
#include <vppinfra/vec.h>

/* Physically contiguous pieces listed for each arena of 4K pages and the like; verbose: all. */
#define N_PIECES 16

typedef struct {
	cli_output_t *out;
	u32 verbose; /* 1: pages, 2: chunks */
	u8 is_map;
	cli_table_t *table;
	const memory_mapping_t *mappings;
	u8 is_unreadable; /* pagemap did not tell a physical address */
	/* Of the arena being listed: pieces so far, and what a cut list leaves out. */
	u32 n_pieces;
	uword n_bytes_left_out;
} show_physmem_t;

/* ---- physmem's arenas ---- */

static void
field_chunks(cli_output_t *out, const clib_pmalloc_page_t *p)
{
	for (u32 i = p->first_chunk_index; i != ~(u32)0; i = p->chunks[i].next) {
		const clib_pmalloc_chunk_t *c = p->chunks + i;

		cli_list_item_begin(out, "chunks");
		cli_field_u64(out, "offset", (u64)c->start << PMALLOC_LOG2_BLOCK_SZ);
		cli_field_u64(out, "bytes", (u64)c->size << PMALLOC_LOG2_BLOCK_SZ);
		cli_field_bool(out, "used", c->used);
		cli_field_u64(out, "index", i);
		cli_end(out);
	}
}

static void
field_pages(cli_output_t *out, const clib_pmalloc_main_t *pm, const clib_pmalloc_arena_t *a,
	    u32 verbose)
{
	for (u32 i = 0; i < vec_len(a->page_indices); i++) {
		const clib_pmalloc_page_t *p = pm->pages + a->page_indices[i];

		cli_list_item_begin(out, "page_list");
		cli_field_u64(out, "index", p->index);
		cli_field_u64(out, "free_bytes", (u64)p->n_free_blocks << PMALLOC_LOG2_BLOCK_SZ);
		cli_field_u64(out, "n_chunks", pool_elts(p->chunks));
		cli_field_u64(out, "n_free_chunks", p->n_free_chunks);
		if (verbose > 1)
			field_chunks(out, p);
		cli_end(out);
	}
}

static void
field_arena(cli_output_t *out, const clib_pmalloc_main_t *pm, const clib_pmalloc_arena_t *a,
	    u32 verbose)
{
	cli_list_item_begin(out, "arenas");
	cli_field_string(out, "name", "%s", a->name);
	cli_field_string(out, "owner", "physmem");
	cli_field_u64(out, "pages", a->n_pages);
	cli_field_u64(out, "subpage_bytes", 1ull << a->log2_subpage_sz);
	cli_field_i64(out, "numa_node", a->numa_node);
	cli_field_bool(out, "shared", a->fd >= 0);
	cli_field_i64(out, "fd", a->fd);
	if (a->fallback)
		cli_field_string(out, "fallback", "%s", a->fallback);
	if (verbose)
		field_pages(out, pm, a, verbose);
	cli_end(out);
}

static int
piece_row(const clib_pmalloc_piece_t *piece, void *arg)
{
	show_physmem_t *show = arg;

	cli_row(show->table);
	cli_string(show->table, "%s", piece->arena->name);
	cli_i64(show->table, piece->arena->numa_node);
	cli_hex(show->table, (uword)piece->va);
	if (piece->pa)
		cli_hex(show->table, piece->pa);
	else
		cli_string(show->table, "unknown");
	cli_bytes(show->table, piece->n_bytes);
	show->is_unreadable |= !piece->pa;
	return 0;
}

static void
field_sums(cli_output_t *out, clib_pmalloc_main_t *pm)
{
	cli_field_u64(out, "used_pages", pm ? pm->n_committed_pages : 0);
	cli_field_u64(out, "reserved_pages", pm ? pm->max_pages : 0);
	if (!pm)
		return;
	cli_field_u64(out, "default_page_bytes", 1ull << pm->def_log2_page_sz);
	cli_field_u64(out, "lookup_page_bytes", 1ull << pm->lookup_log2_page_sz);
	cli_field_bool(out, "no_pagemap", pm->flags & CLIB_PMALLOC_F_NO_PAGEMAP);
	cli_field_u64(out, "linear_pa", clib_pmalloc_n_linear_pages(pm));
	cli_field_u64(out, "refused", pm->n_failures);
	if (pm->error)
		cli_field_string(out, "last_error", "%U", format_clib_error, pm->error);
}

static void
show_pmalloc(clib_pmalloc_main_t *pm, void *arg)
{
	show_physmem_t *show = arg;
	clib_pmalloc_arena_t *a;

	field_sums(show->out, pm);
	if (!pm) {
		cli_text(show->out, "used-pages 0 reserved-pages 0");
		return;
	}
	cli_text(show->out, "%U", format_pmalloc, pm, (int)show->verbose);
	pool_foreach (a, pm->arenas)
		field_arena(show->out, pm, a, show->verbose);
}

static void
map_pmalloc(clib_pmalloc_main_t *pm, void *arg)
{
	if (pm)
		clib_pmalloc_foreach_piece(pm, piece_row, arg);
}

/* ---- the process's arenas ---- */

static int
show_arena(clib_arena_t *arena, void *arg)
{
	show_physmem_t *show = arg;
	vm_range_t *range = clib_arena_range(arena);
	u64 n_pages = clib_arena_committed_bytes(arena) / vm_range_page_bytes(range);
	cli_output_t *out = show->out;
	vm_range_info_t r;

	vm_range_get_info(range, &r);
	if (r.fd >= 0)
		cli_text(out, "  arena '%s' pages %Lu subpage-size %U numa-node %d shared fd %d",
			 r.name, n_pages, format_log2_page_size, (int)r.log2_page_size, r.numa_node,
			 r.fd);
	else
		cli_text(out, "  arena '%s' pages %Lu subpage-size %U numa-node %d", r.name,
			 n_pages, format_log2_page_size, (int)r.log2_page_size, r.numa_node);
	cli_list_item_begin(out, "arenas");
	cli_field_string(out, "name", "%s", r.name);
	cli_field_string(out, "owner", "process");
	cli_field_u64(out, "pages", n_pages);
	cli_field_u64(out, "subpage_bytes", 1ull << r.log2_page_size);
	cli_field_i64(out, "numa_node", r.numa_node);
	cli_field_bool(out, "shared", r.fd >= 0);
	cli_field_i64(out, "fd", r.fd);
	cli_end(out);
	return 0;
}

/* A run of pages with one physical address to add to. */
typedef struct {
	uword va, n_bytes;
	u64 pa; /* 0: unknown */
} run_t;

static void
run_row(show_physmem_t *show, const vm_range_info_t *r, const run_t *run)
{
	if (!run->n_bytes)
		return;
	if (show->n_pieces++ >= N_PIECES && !show->verbose) {
		show->n_bytes_left_out += run->n_bytes;
		return;
	}
	cli_row(show->table);
	cli_string(show->table, "%s", r->name);
	if (r->numa_node >= 0)
		cli_i64(show->table, r->numa_node);
	else
		cli_none(show->table);
	cli_hex(show->table, run->va);
	if (run->pa)
		cli_hex(show->table, run->pa);
	else
		cli_string(show->table, "unknown");
	cli_bytes(show->table, run->n_bytes);
}

/* The accessible part [va, end) of a range, in physically contiguous runs. */
static void
map_part(show_physmem_t *show, const vm_range_info_t *r, uword va, uword end)
{
	uword page_bytes = 1ull << r->log2_page_size;
	run_t run = {};
	u64 pa;
	int rv;

	for (; va < end; va += page_bytes) {
		rv = vm_va_to_pa((void *)va, &pa);
		if (rv == -ENOENT) {
			run_row(show, r, &run);
			run.n_bytes = 0;
			continue;
		}
		show->is_unreadable |= rv != 0;
		pa = rv ? 0 : pa;
		if (run.n_bytes && pa == (run.pa ? run.pa + run.n_bytes : 0)) {
			run.n_bytes += page_bytes;
			continue;
		}
		run_row(show, r, &run);
		run = (run_t){ .va = va, .n_bytes = page_bytes, .pa = pa };
	}
	run_row(show, r, &run);
}

static int
map_arena(clib_arena_t *arena, void *arg)
{
	show_physmem_t *show = arg;
	const memory_mapping_t *m;
	vm_range_info_t r;

	vm_range_get_info(clib_arena_range(arena), &r);
	show->n_pieces = 0;
	show->n_bytes_left_out = 0;
	vec_foreach (m, show->mappings) {
		uword va = clib_max(m->start, r.base),
		      end = clib_min(m->end, r.base + r.reserve_bytes);

		if (m->is_accessible && va < end)
			map_part(show, &r, va, end);
	}
	if (show->n_bytes_left_out)
		cli_text(show->out, "arena '%s': %U more in %u pieces; with verbose all are listed",
			 r.name, format_memory_size, show->n_bytes_left_out,
			 show->n_pieces - N_PIECES);
	return 0;
}

static void
show_map(show_physmem_t *show)
{
	static const cli_column_t columns[] = {
		{ "arena", "Arena", 24, CLI_LEFT },
		{ "numa_node", "NUMA", 4, CLI_RIGHT },
		{ "va", "Virtual address", 18, CLI_RIGHT },
		{ "pa", "Physical address", 18, CLI_RIGHT },
		{ "bytes", "Size", 8, CLI_RIGHT },
	};
	memory_mapping_t *mappings;

	show->table = cli_table(show->out, "map", columns, ARRAY_LEN(columns));
	if (!show->table)
		return;
	clib_physmem_look(map_pmalloc, show);
	if (memory_map_read(&mappings))
		cli_text(show->out, "/proc/self/smaps cannot be read; no arena of the process is "
				    "listed");
	show->mappings = mappings;
	clib_arena_foreach(map_arena, show);
	vec_free(mappings);
	if (show->is_unreadable)
		cli_text(show->out, "physical addresses are hidden from this process; root "
				    "(CAP_SYS_ADMIN) sees them");
}

static clib_error_t *
show_physmem_fn(cli_output_t *out, unformat_input_t *input, vmheap_cli_command_t *cmd)
{
	show_physmem_t show = { .out = out };

	while (unformat_check_input(input) != UNFORMAT_END_OF_INPUT) {
		if (unformat(input, "verbose") || unformat(input, "v"))
			show.verbose = clib_max(show.verbose, 1u);
		else if (unformat(input, "detail") || unformat(input, "d"))
			show.verbose = 2;
		else if (unformat(input, "map"))
			show.is_map = 1;
		else
			return vmheap_config_unknown(input, "one of: verbose, detail, map");
	}
	clib_physmem_look(show_pmalloc, &show);
	clib_arena_foreach(show_arena, &show);
	if (show.is_map)
		show_map(&show);
	return 0;
}

VMHEAP_CLI_COMMAND(show_physmem) = {
	.path = "show physmem",
	.short_help = "show physmem [verbose|v] [detail|d] [map]",
	.long_help =
		"Memory whose physical addresses are known: physmem's pages, in use and reserved,\n"
		"and how many follow their predecessor physically (linear-pa); its arenas and the\n"
		"process's own.  verbose: free bytes and chunks of each page of physmem.  detail:\n"
		"each chunk.  map: virtual and physical address of what is physically contiguous;\n"
		"unknown where the kernel hides it.",
	.words = "verbose detail map",
	.function = show_physmem_fn,
};
