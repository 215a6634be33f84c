/* SPDX-License-Identifier: Apache-2.0 */
/* show buffers: VPP's table, and below it what only our pools know. */
#include "buffer.h"

#include <vppinfra/thread.h>
#include <vppinfra/vec.h>

/* Devices keep buffers in their rings for as long as no packet comes; what passes through is out
 * for milliseconds. */
#define LEAK_SECONDS 10

static int
add_row(pktpool_t *pool, void *arg)
{
	cli_table_t *t = arg;
	pktpool_info_t info;

	pktpool_get_info(pool, &info);
	cli_row(t);
	cli_string(t, "%s", info.name);
	cli_u64(t, info.index);
	cli_i64(t, info.numa_node);
	cli_u64(t, info.buffer_bytes);
	cli_u64(t, info.data_bytes);
	cli_u64(t, info.n_total);
	cli_u64(t, info.n_depot);
	cli_u64(t, info.n_cached);
	cli_u64(t, info.n_used);
	cli_u64(t, info.n_reserved);
	return 0;
}

static void
add_threads(cli_output_t *out, pktpool_t *pool)
{
	static const cli_column_t columns[] = { { "thread", "", 0, CLI_LEFT },
						{ "name", "", 0, CLI_LEFT },
						{ "cached", "", 0, CLI_LEFT } };
	u32 limit = clib_thread_index_limit();
	cli_table_t *t;

	/* As lines for people; as rows, which have no text of their own, for programs. */
	t = cli_table(out, "threads", columns, ARRAY_LEN(columns));
	t->hide_header = 1;
	t->indent = 2;
	for (u32 i = 0; i < limit; i++) {
		u32 n = pktpool_thread_cached(pool, (u16)i);

		if (!n)
			continue;
		cli_row(t);
		cli_u64(t, i);
		cli_string(t, "%s", clib_thread_name((u16)i));
		cli_u64(t, n);
	}
}

static u8 *
format_budget(u8 *s, va_list *args)
{
	uword limit = va_arg(*args, uword);

	return limit ? format(s, "%U", format_memory_size, limit) : format(s, "no budget");
}

static void
add_reservations(cli_output_t *out, pktpool_t *pool)
{
	pktpool_reservation_info_t all[16];
	u32 n = pktpool_reservations(pool, all, ARRAY_LEN(all));

	for (u32 i = 0; i < n; i++) {
		const char *name = all[i].name[0] ? all[i].name : "-";

		cli_text(out, "  reservation %s: %u of %u set aside, %lu were taken out of it",
			 name, all[i].n_stock, all[i].n_quota, all[i].n_taken);
		cli_list_item_begin(out, "reservations");
		cli_field_string(out, "name", "%s", name);
		cli_field_u64(out, "quota", all[i].n_quota);
		cli_field_u64(out, "stock", all[i].n_stock);
		cli_field_u64(out, "taken", all[i].n_taken);
		cli_end(out);
	}
}

static int
add_detail(pktpool_t *pool, void *arg)
{
	cli_output_t *out = arg;
	uword limit, n_bytes;
	pktpool_info_t info;

	pktpool_get_info(pool, &info);
	cli_text(out,
		 "\n%s: mempool %s, ops " PKTPOOL_OPS_NAME ", pages of %U, start 0x%lx, size %U",
		 info.name, pktpool_mempool(pool)->name, format_log2_page_size,
		 (int)info.log2_page_size, info.start, format_memory_size, info.size);
	cli_text(out,
		 "  %u in the depot, magazines of %u, least free %u, exchanges %lu, refusals %lu, "
		 "reclaims %lu, bad puts %lu",
		 info.n_depot, info.magazine_size, info.n_low_water, info.n_misses, info.n_failures,
		 info.n_reclaims, info.n_bad_puts);
	pktpool_get_budget(info.numa_node, &limit, &n_bytes);
	cli_text(out, "  pieces %u, at most %u buffers, parked %u; node %d: %U of %U",
		 info.n_extents, info.n_max, info.n_parked, info.numa_node, format_memory_size,
		 n_bytes, format_budget, limit);
	cli_list_item_begin(out, "details");
	cli_field_string(out, "name", "%s", info.name);
	cli_field_string(out, "mempool", "%s", pktpool_mempool(pool)->name);
	cli_field_u64(out, "page_bytes", 1ULL << info.log2_page_size);
	cli_field_u64(out, "start", info.start);
	cli_field_u64(out, "size_bytes", info.size);
	cli_field_u64(out, "magazine_size", info.magazine_size);
	cli_field_u64(out, "low_water", info.n_low_water);
	cli_field_u64(out, "misses", info.n_misses);
	cli_field_u64(out, "failures", info.n_failures);
	cli_field_u64(out, "reclaims", info.n_reclaims);
	cli_field_u64(out, "bad_puts", info.n_bad_puts);
	cli_field_u64(out, "reserved", info.n_reserved);
	cli_field_u64(out, "extents", info.n_extents);
	cli_field_u64(out, "max", info.n_max);
	cli_field_u64(out, "parked", info.n_parked);
	cli_field_u64(out, "budget_bytes", limit);
	cli_field_u64(out, "taken_bytes", n_bytes);
	add_reservations(out, pool);
	add_threads(out, pool);
	cli_end(out);
	return 0;
}

static clib_error_t *
show_buffers(cli_output_t *out, unformat_input_t *input, vmheap_cli_command_t *cmd)
{
	static const cli_column_t columns[] = {
		{ "name", "Pool Name", 20, CLI_LEFT },
		{ "index", "Index", 6, CLI_CENTRE },
		{ "numa", "NUMA", 6, CLI_CENTRE },
		{ "size", "Size", 6, CLI_CENTRE },
		{ "data_size", "Data Size", 11, CLI_CENTRE },
		{ "total", "Total", 6, CLI_CENTRE },
		{ "avail", "Avail", 8, CLI_CENTRE },
		{ "cached", "Cached", 8, CLI_CENTRE },
		{ "used", "Used", 8, CLI_CENTRE },
		{ "reserved", "Reserved", 8, CLI_CENTRE },
	};
	int detail = 0, leaks = 0;
	f64 min_age = LEAK_SECONDS;

	unformat_skip_white_space(input);
	if (unformat(input, "owners") && (unformat_skip_white_space(input), unformat_is_eof(input)))
		return buffer_show_owners(out, 0), NULL;
	if (unformat(input, "faults") && (unformat_skip_white_space(input), unformat_is_eof(input)))
		return buffer_show_faults(out), NULL;
	leaks = unformat(input, "leaks");
	if (leaks && unformat(input, "older-than %f", &min_age) && min_age < 0)
		return clib_error_return(0, "leaks older-than %.0f: seconds, from 0", min_age);
	while (unformat_skip_white_space(input), !unformat_is_eof(input)) {
		if (leaks || !unformat(input, "detail"))
			return vmheap_config_unknown(input,
						     leaks ? "older-than SECONDS"
							   : "detail, owners, leaks or faults");
		detail = 1;
	}
	if (leaks)
		return buffer_show_owners(out, min_age), NULL;
	pktpool_foreach(add_row, cli_table(out, "pools", columns, ARRAY_LEN(columns)));
	if (detail)
		pktpool_foreach(add_detail, out);
	return NULL;
}
VMHEAP_CLI_COMMAND(show_buffers) = {
	.path = "show buffers",
	.short_help = "show buffers [detail | owners | leaks [older-than SECONDS] | faults]",
	.long_help =
		"Buffer pools.  Avail are in the depot, cached in magazines of threads, reserved "
		"are set aside, used is what is left: in flight, or held by a device.\n"
		"owners: who took the watched ones of those (buffer-trace), at which node and\n"
		"site, and where they were seen last.  leaks: those that are out for SECONDS (10)\n"
		"or more.  faults: what was freed twice, or otherwise wrong.",
	.words = "detail owners leaks older-than faults",
	.function = show_buffers,
};
