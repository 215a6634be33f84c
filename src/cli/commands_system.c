/* SPDX-License-Identifier: Apache-2.0 */
/* show version, show hugepages, show physmem: the program, and what the machine gave it. */
#include <cli/commands.h>
#include <cli/memory_map.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>
#include <rte_version.h>
#include <vppinfra/arena.h>
#include <vppinfra/vec.h>
#include "build_info.h"

/* ---- show version ---- */

static void
version_line(cli_output_t *out, const char *label, const char *key, const char *value)
{
	cli_text(out, "%-25s%s", label, value);
	cli_field_string(out, key, "%s", value);
}

static clib_error_t *
show_version_fn(cli_output_t *out, unformat_input_t *input, vmheap_cli_command_t *cmd)
{
	u8 verbose = 0;

	while (unformat_check_input(input) != UNFORMAT_END_OF_INPUT) {
		if (unformat(input, "verbose"))
			verbose = 1;
		else
			return vmheap_config_unknown(input, "verbose");
	}
	if (!verbose) {
		cli_text(out, "vmheap v%s built by %s on %s at %s", VMHEAP_VERSION, BUILD_USER,
			 BUILD_HOST, BUILD_DATE);
		cli_field_string(out, "version", "%s", VMHEAP_VERSION);
		return 0;
	}
	version_line(out, "Version:", "version", VMHEAP_VERSION);
	version_line(out, "Compiled by:", "compiled_by", BUILD_USER);
	version_line(out, "Compile host:", "compile_host", BUILD_HOST);
	version_line(out, "Compile date:", "compile_date", BUILD_DATE);
	version_line(out, "Compile location:", "compile_location", BUILD_LOCATION);
	version_line(out, "Compiler:", "compiler", BUILD_COMPILER);
	version_line(out, "DPDK:", "dpdk", rte_version());
	cli_text(out, "%-25s%d", "Current PID:", getpid());
	cli_field_i64(out, "pid", getpid());
	return 0;
}

VMHEAP_CLI_COMMAND(show_version) = {
	.path = "show version",
	.short_help = "show version [verbose]",
	.long_help = "Which vmheap this is, who built it, and with verbose on what.",
	.words = "verbose",
	.function = show_version_fn,
};

/* ---- show hugepages ---- */

static u64
vm_huge_bytes(const vm_range_info_t *ranges, u8 log2_page_size, int node)
{
	const vm_range_info_t *r;
	u64 n = 0;

	vec_foreach (r, ranges) {
		if (r->is_hugetlb && r->log2_page_size == log2_page_size && r->numa_node == node)
			n += r->committed_bytes;
	}
	return n;
}

static void
hugepages_row(cli_table_t *t, const vm_range_info_t *ranges, int node, u8 log2_page_size)
{
	vm_hugepages_t h;
	int rv = vm_hugepages(node, log2_page_size, &h);
	u64 vm, eal;

	/* A size that this node does not have is no row. */
	if (rv)
		return;
	vm = vm_huge_bytes(ranges, log2_page_size, node);
	eal = memory_eal_huge_bytes(log2_page_size, node);
	cli_row(t);
	if (node == VM_NODE_ANY)
		cli_string(t, "any");
	else
		cli_i64(t, node);
	cli_string(t, "%U", format_log2_page_size, (int)log2_page_size);
	if (node == VM_NODE_ANY) {
		/* The machine's pages were counted node by node. */
		for (u32 i = 0; i < 4; i++)
			cli_none(t);
		eal = 0;
	} else {
		cli_u64(t, h.n_total);
		cli_u64(t, h.n_free);
		cli_u64(t, h.n_reserved);
		cli_u64(t, h.n_surplus);
	}
	cli_u64(t, vm >> log2_page_size);
	cli_u64(t, eal >> log2_page_size);
}

static clib_error_t *
show_hugepages_fn(cli_output_t *out, unformat_input_t *input, vmheap_cli_command_t *cmd)
{
	static const cli_column_t columns[] = {
		{ "node", "Node", 5, CLI_RIGHT },         { "page_size", "Size", 6, CLI_RIGHT },
		{ "total", "Total", 8, CLI_RIGHT },       { "free", "Free", 8, CLI_RIGHT },
		{ "reserved", "Reserved", 8, CLI_RIGHT }, { "surplus", "Surplus", 8, CLI_RIGHT },
		{ "vm_pages", "vm", 8, CLI_RIGHT },       { "eal_pages", "EAL", 8, CLI_RIGHT },
	};
	cli_table_t *t = cli_table(out, "hugepages", columns, ARRAY_LEN(columns));
	vm_range_info_t *ranges = memory_map_ranges();
	u8 sizes[8];
	u32 n_sizes = vm_hugepage_sizes(sizes, ARRAY_LEN(sizes)), n_nodes = vm_n_numa_nodes();

	for (u32 i = 0; t && i < n_sizes; i++) {
		for (u32 node = 0; node < n_nodes; node++) {
			if (vm_numa_node_has_memory(node))
				hugepages_row(t, ranges, node, sizes[i]);
		}
		if (vm_huge_bytes(ranges, sizes[i], VM_NODE_ANY))
			hugepages_row(t, ranges, VM_NODE_ANY, sizes[i]);
	}
	if (!n_sizes)
		cli_text(out, "this kernel offers no huge pages");
	vec_free(ranges);
	return 0;
}

VMHEAP_CLI_COMMAND(show_hugepages) = {
	.path = "show hugepages",
	.short_help = "show hugepages",
	.long_help = "Huge pages by size and NUMA node: the machine's (total, free, reserved by "
		     "mappings\n"
		     "not yet populated, surplus) and how many of them our arenas and EAL hold.",
	.function = show_hugepages_fn,
};

/* ---- show physmem ---- */

/* Pages listed for each arena. */
#define PHYSMEM_ROWS 4
#define PHYSMEM_ROWS_VERBOSE 64

typedef struct {
	cli_output_t *out;
	cli_table_t *table;
	const memory_mapping_t *mappings;
	u32 n_rows;
	u8 is_unreadable; /* pagemap did not tell a physical address */
} physmem_t;

static void
physmem_page(physmem_t *p, const vm_range_info_t *r, uword va)
{
	u64 pa;
	int rv = vm_va_to_pa((void *)va, &pa);

	if (rv == -ENOENT)
		return;
	cli_row(p->table);
	cli_string(p->table, "%s", r->name);
	if (r->numa_node >= 0)
		cli_i64(p->table, r->numa_node);
	else
		cli_none(p->table);
	cli_hex(p->table, va);
	if (rv) {
		p->is_unreadable = 1;
		cli_string(p->table, "unknown");
	} else {
		cli_hex(p->table, pa);
	}
	cli_string(p->table, "%U", format_log2_page_size, (int)r->log2_page_size);
}

static int
physmem_arena(clib_arena_t *arena, void *arg)
{
	physmem_t *p = arg;
	uword page_bytes = vm_range_page_bytes(clib_arena_range(arena));
	vm_range_info_t r;

	vm_range_get_info(clib_arena_range(arena), &r);
	cli_text(p->out, "arena '%s' pages %Lu page-size %U numa-node %d%s", r.name,
		 (u64)(clib_arena_committed_bytes(arena) / page_bytes), format_log2_page_size,
		 (int)r.log2_page_size, r.numa_node, r.fd >= 0 ? " shared" : "");
	return 0;
}

static int
physmem_pages(clib_arena_t *arena, void *arg)
{
	physmem_t *p = arg;
	uword page_bytes = vm_range_page_bytes(clib_arena_range(arena));
	const memory_mapping_t *m;
	vm_range_info_t r;
	u32 n_left = p->n_rows;

	vm_range_get_info(clib_arena_range(arena), &r);
	vec_foreach (m, p->mappings) {
		uword va = clib_max(m->start, r.base),
		      end = clib_min(m->end, r.base + r.reserve_bytes);

		for (; m->is_accessible && va < end && n_left; va += page_bytes, n_left--)
			physmem_page(p, &r, va);
	}
	return 0;
}

static clib_error_t *
show_physmem_fn(cli_output_t *out, unformat_input_t *input, vmheap_cli_command_t *cmd)
{
	static const cli_column_t columns[] = {
		{ "arena", "Arena", 24, CLI_LEFT },
		{ "numa_node", "NUMA", 4, CLI_RIGHT },
		{ "va", "Virtual address", 18, CLI_RIGHT },
		{ "pa", "Physical address", 18, CLI_RIGHT },
		{ "page_size", "Size", 5, CLI_RIGHT },
	};
	physmem_t p = { .out = out, .n_rows = PHYSMEM_ROWS };
	memory_mapping_t *mappings;

	while (unformat_check_input(input) != UNFORMAT_END_OF_INPUT) {
		if (unformat(input, "verbose"))
			p.n_rows = PHYSMEM_ROWS_VERBOSE;
		else
			return vmheap_config_unknown(input, "verbose");
	}
	if (memory_map_read(&mappings))
		cli_text(out, "/proc/self/smaps cannot be read; no page is listed");
	p.mappings = mappings;
	clib_arena_foreach(physmem_arena, &p);
	p.table = cli_table(out, "pages", columns, ARRAY_LEN(columns));
	if (p.table)
		clib_arena_foreach(physmem_pages, &p);
	if (p.is_unreadable)
		cli_text(out, "physical addresses are hidden from this process; root "
			      "(CAP_SYS_ADMIN) sees them");
	vec_free(mappings);
	return 0;
}

VMHEAP_CLI_COMMAND(show_physmem) = {
	.path = "show physmem",
	.short_help = "show physmem [verbose]",
	.long_help =
		"The arenas of committed memory and the physical addresses of their first pages,\n"
		"4 each, with verbose 64; unknown where the kernel hides them.",
	.words = "verbose",
	.function = show_physmem_fn,
};
