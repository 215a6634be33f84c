/* SPDX-License-Identifier: Apache-2.0 */
/* show buddyinfo, show zones: free blocks by order, and what each zone has. */
#include <cli/commands.h>

#include <stdio.h>
#include <vppinfra/pages.h>

static int
count_set(pages_t *CLIB_UNUSED(pages), void *arg)
{
	(*(u32 *)arg)++;
	return 0;
}

/* What a person who finds nothing wants to know. */
static void
say_if_none(cli_output_t *out)
{
	u32 n = 0;

	pages_foreach(count_set, &n);
	if (!n)
		cli_text(out, "no set of pages: nothing asked for any, and startup.conf has no "
			      "zones { pages { size S } }");
}

/* ---- show buddyinfo ---- */

static int
buddyinfo_rows(pages_t *pages, void *arg)
{
	/* Two kilobytes, and the control thread is one. */
	static pages_info_t info;
	cli_table_t *t = arg;

	pages_get_info(pages, &info);
	for (u32 z = 0; z < PAGES_N_ZONES; z++) {
		if (!info.zones[z].present_pages)
			continue;
		cli_row(t);
		cli_i64(t, info.numa_node);
		cli_string(t, "%s", pages_zone_name(z));
		cli_string(t, "%s", info.name);
		for (u32 o = 0; o <= clib_min((u32)info.max_order, (u32)PAGES_MAX_ORDER); o++)
			cli_u64(t, info.zones[z].nr_free[o][0] + info.zones[z].nr_free[o][1]);
	}
	return 0;
}

static clib_error_t *
show_buddyinfo_fn(cli_output_t *out, unformat_input_t *input, vmheap_cli_command_t *cmd)
{
	static char titles[PAGES_MAX_ORDER + 1][2][12];
	cli_column_t columns[PAGES_MAX_ORDER + 4] = { { "node", "Node", 4, CLI_RIGHT },
						      { "zone", "Zone", 8, CLI_RIGHT },
						      { "set", "Set", 12, CLI_LEFT } };

	if (unformat_check_input(input) != UNFORMAT_END_OF_INPUT)
		return vmheap_config_unknown(input, "nothing more");
	for (u32 o = 0; o <= PAGES_MAX_ORDER; o++) {
		snprintf(titles[o][0], sizeof(titles[o][0]), "order_%u", o);
		snprintf(titles[o][1], sizeof(titles[o][1]), "%u", o);
		columns[3 + o] = (cli_column_t){ titles[o][0], titles[o][1], 6, CLI_RIGHT };
	}
	pages_foreach(buddyinfo_rows, cli_table(out, "buddyinfo", columns, PAGES_MAX_ORDER + 4));
	say_if_none(out);
	return 0;
}

VMHEAP_CLI_COMMAND(show_buddyinfo) = {
	.path = "show buddyinfo",
	.short_help = "show buddyinfo",
	.long_help = "Free blocks of 2^order pages of 4 KiB, by node, zone and order; pinned and\n"
		     "movable together.",
	.function = show_buddyinfo_fn,
};

/* ---- show zones ---- */

static void
show_zone(cli_output_t *out, const pages_info_t *info, u32 id)
{
	const pages_zone_info_t *z = &info->zones[id];
	u64 movable = 0;

	for (u32 o = 0; o <= clib_min((u32)info->max_order, (u32)PAGES_MAX_ORDER); o++)
		movable += z->nr_free[o][1] << o;
	cli_text(out,
		 "Node %d, zone %8s: present %Lu, free %Lu (%Lu movable), cached %Lu, reserve %Lu",
		 info->numa_node, pages_zone_name(id), z->present_pages, z->free_pages, movable,
		 z->cached_pages, z->reserve_pages);
	if (z->pa_low != ~(u64)0)
		cli_text(out, "    physical 0x%Lx - 0x%Lx", z->pa_low, z->pa_high);
	cli_text(out, "    allocs %Lu, frees %Lu, fails %Lu, fallbacks to it %Lu, steals %Lu",
		 z->n_allocs, z->n_frees, z->n_fails, z->n_fallbacks, z->n_steals);
	cli_list_item_begin(out, "zones");
	cli_field_string(out, "zone", "%s", pages_zone_name(id));
	cli_field_u64(out, "present_pages", z->present_pages);
	cli_field_u64(out, "free_pages", z->free_pages);
	cli_field_u64(out, "free_movable_pages", movable);
	cli_field_u64(out, "cached_pages", z->cached_pages);
	cli_field_u64(out, "reserve_pages", z->reserve_pages);
	if (z->pa_low != ~(u64)0) {
		cli_field_string(out, "physical_low", "0x%Lx", z->pa_low);
		cli_field_string(out, "physical_high", "0x%Lx", z->pa_high);
	}
	cli_field_u64(out, "allocs", z->n_allocs);
	cli_field_u64(out, "frees", z->n_frees);
	cli_field_u64(out, "fails", z->n_fails);
	cli_field_u64(out, "fallbacks", z->n_fallbacks);
	cli_field_u64(out, "steals", z->n_steals);
	cli_end(out);
}

static int
show_set(pages_t *pages, void *arg)
{
	static pages_info_t info;
	cli_output_t *out = arg;

	pages_get_info(pages, &info);
	cli_text(
		out,
		"set '%s': node %d, pages of %U, chunks of order %u%s; %U of %U committed, HighMem "
		"%U of %U, records %U%s",
		info.name, info.numa_node, format_log2_page_size, (int)info.log2_page_size,
		info.max_order, info.is_contiguous ? "" : " (not physically contiguous)",
		format_memory_size, info.committed_bytes, format_memory_size, info.max_bytes,
		format_memory_size, info.highmem_bytes, format_memory_size, info.max_highmem_bytes,
		format_memory_size, info.record_bytes, info.is_guarded ? " (guarded)" : "");
	cli_text(out,
		 "  windows %u of %u in use, kmaps %Lu, vmalloc %U, grown %Lu times, sleeps %Lu, "
		 "bad frees %Lu",
		 info.n_windows_used, info.n_windows, info.n_kmaps, format_memory_size,
		 (uword)info.n_vmalloc_bytes, info.n_grows, info.n_sleeps, info.n_bad_frees);
	cli_list_item_begin(out, "sets");
	cli_field_string(out, "name", "%s", info.name);
	cli_field_i64(out, "numa_node", info.numa_node);
	cli_field_u64(out, "page_bytes", 1ull << info.log2_page_size);
	cli_field_u64(out, "max_order", info.max_order);
	cli_field_bool(out, "contiguous", info.is_contiguous);
	cli_field_u64(out, "committed_bytes", info.committed_bytes);
	cli_field_u64(out, "max_bytes", info.max_bytes);
	cli_field_u64(out, "highmem_bytes", info.highmem_bytes);
	cli_field_u64(out, "max_highmem_bytes", info.max_highmem_bytes);
	cli_field_u64(out, "record_bytes", info.record_bytes);
	cli_field_bool(out, "guarded", info.is_guarded);
	cli_field_u64(out, "windows", info.n_windows);
	cli_field_u64(out, "windows_used", info.n_windows_used);
	cli_field_u64(out, "kmaps", info.n_kmaps);
	cli_field_u64(out, "vmalloc_bytes", info.n_vmalloc_bytes);
	cli_field_u64(out, "grows", info.n_grows);
	cli_field_u64(out, "sleeps", info.n_sleeps);
	cli_field_u64(out, "bad_frees", info.n_bad_frees);
	for (u32 z = 0; z < PAGES_N_ZONES; z++)
		if (info.zones[z].present_pages)
			show_zone(out, &info, z);
	cli_end(out);
	return 0;
}

static clib_error_t *
show_zones_fn(cli_output_t *out, unformat_input_t *input, vmheap_cli_command_t *cmd)
{
	if (unformat_check_input(input) != UNFORMAT_END_OF_INPUT)
		return vmheap_config_unknown(
			input, "nothing more, or named where the plugin zones is in use");
	pages_foreach(show_set, out);
	say_if_none(out);
	return 0;
}

VMHEAP_CLI_COMMAND(show_zones) = {
	.path = "show zones",
	.short_help = "show zones",
	.long_help =
		"Sets of pages by node and page size, and in each the zones by physical address:\n"
		"pages present, free, kept by threads, kept in reserve for GFP_ATOMIC.",
	.function = show_zones_fn,
};
