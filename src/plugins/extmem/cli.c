/* SPDX-License-Identifier: Apache-2.0 */
/* show dpdk memory: what DPDK has, and what of it is ours. */
#include <plugins/extmem/extmem.h>
#include <plugins/plugin.h>

#include <rte_lcore.h>
#include <rte_malloc.h>
#include <rte_memory.h>

static int
add_list(const struct rte_memseg_list *msl, void *arg)
{
	cli_table_t *t = arg;

	if (!msl->base_va)
		return 0;
	cli_row(t);
	cli_hex(t, (u64)(uword)msl->base_va);
	cli_bytes(t, msl->len);
	cli_bytes(t, msl->page_sz);
	cli_i64(t, msl->socket_id);
	cli_bool(t, (int)msl->external);
	cli_bytes(t, (u64)msl->memseg_arr.count * msl->page_sz);
	return 0;
}

static void
show_lists(cli_output_t *out)
{
	static const cli_column_t columns[] = {
		{ "base", "Memory list", 18, CLI_LEFT },
		{ "bytes", "Reserved", 10, CLI_RIGHT },
		{ "page_bytes", "Page", 6, CLI_RIGHT },
		{ "socket", "Socket", 6, CLI_RIGHT },
		{ "external", "External", 8, CLI_LEFT },
		{ "present_bytes", "Present", 10, CLI_RIGHT },
	};

	rte_memseg_list_walk(add_list, cli_table(out, "lists", columns, ARRAY_LEN(columns)));
}

static void
show_heaps(cli_output_t *out)
{
	static const cli_column_t columns[] = {
		{ "socket", "Heap of socket", 14, CLI_RIGHT },
		{ "bytes", "Total", 10, CLI_RIGHT },
		{ "used_bytes", "Used", 10, CLI_RIGHT },
		{ "free_bytes", "Free", 10, CLI_RIGHT },
		{ "greatest_free_bytes", "Greatest", 10, CLI_RIGHT },
		{ "n_allocated", "Objects", 10, CLI_RIGHT },
		{ "n_free", "Free elements", 14, CLI_RIGHT },
	};
	cli_table_t *t = cli_table(out, "heaps", columns, ARRAY_LEN(columns));

	/* External heaps have ids from RTE_MAX_NUMA_NODES's end on, never used again. */
	for (int socket = 0; socket < 256 + RTE_MAX_HEAPS; socket++) {
		struct rte_malloc_socket_stats s;

		if (rte_malloc_get_socket_stats(socket, &s) || !s.heap_totalsz_bytes)
			continue;
		cli_row(t);
		cli_u64(t, (u64)socket);
		cli_bytes(t, s.heap_totalsz_bytes);
		cli_bytes(t, s.heap_allocsz_bytes);
		cli_bytes(t, s.heap_freesz_bytes);
		cli_bytes(t, s.greatest_free_size);
		cli_u64(t, s.alloc_count);
		cli_u64(t, s.free_count);
	}
}

static int
add_piece(vmheap_extmem_t *x, void *arg)
{
	cli_table_t *t = arg;
	vmheap_extmem_info_t info;

	vmheap_extmem_get_info(x, &info);
	cli_row(t);
	cli_string(t, "%s", info.name);
	cli_hex(t, info.base);
	cli_bytes(t, info.n_bytes);
	cli_bytes(t, info.n_used_bytes);
	cli_bytes(t, 1ULL << info.log2_page_size);
	cli_u64(t, info.n_pools);
	cli_string(t, "%s", info.heap_name[0] ? info.heap_name : "-");
	cli_string(t, "%s", info.file[0] ? info.file : "-");
	return 0;
}

static clib_error_t *
show_dpdk_memory_fn(cli_output_t *out, unformat_input_t *input, vmheap_cli_command_t *cmd)
{
	static const cli_column_t columns[] = {
		{ "name", "Ours", 20, CLI_LEFT },
		{ "base", "Base", 18, CLI_LEFT },
		{ "bytes", "Size", 10, CLI_RIGHT },
		{ "used_bytes", "Used", 10, CLI_RIGHT },
		{ "page_bytes", "Page", 6, CLI_RIGHT },
		{ "pools", "Pools", 5, CLI_RIGHT },
		{ "heap", "rte_malloc heap", 16, CLI_LEFT },
		{ "file", "File", 0, CLI_LEFT },
	};

	if (unformat_check_input(input) != UNFORMAT_END_OF_INPUT)
		return vmheap_config_unknown(input, "no more words");
	show_heaps(out);
	cli_text(out, "");
	show_lists(out);
	cli_text(out, "");
	vmheap_extmem_foreach(add_piece, cli_table(out, "ours", columns, ARRAY_LEN(columns)));
	return NULL;
}

VMHEAP_CLI_COMMAND(show_dpdk_memory) = {
	.path = "show dpdk memory",
	.short_help = "show dpdk memory",
	.long_help = "DPDK's malloc heaps by socket (256 and more: external ones), its memory "
		     "lists, of\n"
		     "which it has 128, and the pieces of our memory that are registered with it.",
	.function = show_dpdk_memory_fn,
};
