/* SPDX-License-Identifier: Apache-2.0 */
/* Tables as today's tree prints them. */
#include <vppinfra/format.h>
#include <vppinfra/format_table.h>

typedef struct {
	char *node;
	u64 calls;
	f64 rate;
} stat_t;

static stat_t stats[] = {
	{ "ethernet-input", 1200, 12.5 },
	{ "ip4-lookup", 7, 0.25 },
};

/* Names on the left, what they are above, a line each. */
static u8 *
format_stats(u8 *s, va_list *args)
{
	int no_ansi = va_arg(*args, int);
	table_t table = {}, *t = &table;

	t->no_ansi = no_ansi;
	table_format_title(t, "%s", "Node statistics");
	table_add_header_col(t, 0);
	table_add_header_row(t, 0);
	table_format_cell(t, -1, 0, "%s", "Calls");
	table_format_cell(t, -1, 1, "%s", "Rate");
	for (int i = 0; i < ARRAY_LEN(stats); i++) {
		table_format_cell(t, i, -1, "%s", stats[i].node);
		table_set_cell_align(t, i, -1, TTAA_RIGHT);
		table_set_cell_fg_color(t, i, -1, TTAC_CYAN);
		table_format_cell(t, i, 0, "%lu", stats[i].calls);
		table_format_cell(t, i, 1, "%.2f", stats[i].rate);
	}
	s = format(s, "%U", format_table, t);
	table_free(t);
	return s;
}

static int
check(u8 *s, char *expected)
{
	int is_equal;

	vec_add1(s, 0);
	is_equal = !strcmp((char *)s, expected);
	if (!is_equal)
		fformat(stderr, "expected\n%s\ngot\n%s\n", expected, s);
	vec_free(s);
	return !is_equal;
}

int
main(int argc, char *argv[])
{
	table_t table = {}, *t = &table;
	int n_failed = 0;

	clib_mem_init(0, 16 << 20);
	n_failed += check(format(0, "  %U", format_stats, 1), "       Node statistics    \n"
							      "                 Calls  Rate\n"
							      "  ethernet-input  1200 12.50\n"
							      "      ip4-lookup     7  0.25");
	n_failed +=
		check(format(0, "%U", format_stats, 0),
		      "\x1b[1;33m     Node statistics    \x1b[0m\n"
		      "\x1b[33m              \x1b[0m \x1b[33mCalls\x1b[0m \x1b[33m Rate\x1b[0m\n"
		      "\x1b[1;36methernet-input\x1b[0m  1200\x1b[0m 12.50\x1b[0m\n"
		      "\x1b[1;36m    ip4-lookup\x1b[0m     7\x1b[0m  0.25\x1b[0m");

	t->no_ansi = 1;
	table_add_header_col(t, 3, "Bytes", "Count", "Traceback");
	table_set_cell_align(t, -1, 2, TTAA_LEFT);
	for (int i = 0; i < 2; i++) {
		table_format_cell(t, i, 0, "%U", format_memory_size, (uword)4096 << i);
		table_format_cell(t, i, 1, "%u", i);
		table_format_cell(t, i, 2, "main + 0x%x", i);
		table_set_cell_align(t, i, 2, TTAA_LEFT);
	}
	n_failed += check(format(0, "%U", format_table, t), "Bytes Count Traceback \n"
							    "   4k     0 main + 0x0\n"
							    "   8k     1 main + 0x1");
	table_free(t);
	fformat(stdout, "%d failed\n", n_failed);
	return n_failed != 0;
}
