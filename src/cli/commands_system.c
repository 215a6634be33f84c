/* SPDX-License-Identifier: Apache-2.0 */
/* show version, show hugepages: the program, and what the machine gave it. */
#include <cli/commands.h>
#include <cli/memory_map.h>

#include <string.h>
#include <unistd.h>
#include <rte_version.h>
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
