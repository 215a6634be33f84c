/* SPDX-License-Identifier: Apache-2.0 */
/* show ip fib, show ip6 fib, show ip neighbors, show interface address: VPP's layout. */
#include "ip.h"

static const char *
port_name(u16 port_id)
{
	const vmheap_port_t *port = vmheap_port(port_id);

	return port ? port->name : "?";
}

static clib_error_t *
nothing_more(unformat_input_t *input)
{
	return unformat_check_input(input) == UNFORMAT_END_OF_INPUT
		       ? NULL
		       : vmheap_config_unknown(input, "no more words");
}

/* ---- show ip fib ---- */

static const char *const kinds[IP_N_DPOS] = { "drop", "receive", "glean", "resolve", "forward" };
static const char *const sources[] = { "interface", "CLI", "adjacency" };

static u8 *
format_dpo(u8 *s, va_list *va)
{
	const ip_dpo_t *d = va_arg(*va, const ip_dpo_t *);
	const char *family = d->is_ip6 ? "ipv6" : "ipv4";

	switch (d->kind) {
	case IP_DPO_LOCAL:
		return format(s, "dpo-receive: %U on %s", format_ip_address, (int)d->is_ip6,
			      &d->source, port_name(d->port_id));
	case IP_DPO_GLEAN:
		return format(s, "%s-glean: [src:%U] %s: mtu:%u", family, format_ip_address,
			      (int)d->is_ip6, &d->source, port_name(d->port_id), d->mtu);
	case IP_DPO_RESOLVE:
		return format(s, "arp-%s: via %U %s", family, format_ip_address, (int)d->is_ip6,
			      &d->next_hop, port_name(d->port_id));
	case IP_DPO_REWRITE:
		s = format(s, "%s via %U %s: mtu:%u ", family, format_ip_address, (int)d->is_ip6,
			   &d->next_hop, port_name(d->port_id), d->mtu);
		for (u32 i = 0; i < RTE_ETHER_HDR_LEN; i++)
			s = format(s, "%02x", d->rewrite[i]);
		return s;
	default:
		return format(s, "dpo-drop %s", d->is_ip6 ? "ip6" : "ip4");
	}
}

static void
show_route(cli_output_t *out, const ip_route_t *r)
{
	const ip_dpo_t *d = &ip_main.dpos[r->dpo];
	u64 n_packets, n_bytes;

	ip_route_counts(r, &n_packets, &n_bytes);
	cli_text(out, "%U", format_ip_prefix, &r->prefix);
	cli_text(out, "  unicast-%s-chain", r->prefix.is_ip6 ? "ip6" : "ip4");
	cli_text(out, "  [@0]: dpo-load-balance: [proto:%s index:%u buckets:1 to:[%lu:%lu]]",
		 r->prefix.is_ip6 ? "ip6" : "ip4", r->dpo, n_packets, n_bytes);
	cli_text(out, "    [0] [@%u]: %U", d->kind, format_dpo, d);
	cli_list_item_begin(out, "routes");
	cli_field_string(out, "prefix", "%U", format_ip_prefix, &r->prefix);
	cli_field_string(out, "source", "%s", sources[r->source]);
	cli_field_string(out, "kind", "%s", kinds[d->kind]);
	if (d->kind != IP_DPO_DROP)
		cli_field_string(out, "port", "%s", port_name(d->port_id));
	if (d->kind == IP_DPO_RESOLVE || d->kind == IP_DPO_REWRITE)
		cli_field_string(out, "via", "%U", format_ip_address, (int)d->is_ip6, &d->next_hop);
	cli_field_u64(out, "index", r->dpo);
	cli_field_u64(out, "packets", n_packets);
	cli_field_u64(out, "bytes", n_bytes);
	cli_end(out);
}

static void
show_summary(cli_output_t *out, const ip_route_t *routes)
{
	static const cli_column_t columns[] = { { "length", "Prefix length", 14, CLI_RIGHT },
						{ "count", "Count", 10, CLI_RIGHT } };
	cli_table_t *t = cli_table(out, "lengths", columns, ARRAY_LEN(columns));
	u32 n_of[129] = {};
	const ip_route_t *r;

	vec_foreach (r, routes)
		n_of[r->prefix.len]++;
	for (u32 i = 0; i <= 128; i++) {
		if (!n_of[i])
			continue;
		cli_row(t);
		cli_u64(t, i);
		cli_u64(t, n_of[i]);
	}
}

static clib_error_t *
show_fib(cli_output_t *out, unformat_input_t *input, vmheap_cli_command_t *cmd)
{
	int is_ip6 = cmd->function_arg != 0, is_address_ip6, is_summary = 0, has_address = 0;
	ip_prefix_t only = {};
	const ip_route_t *r, *best;
	ip_route_t *routes;
	ip_address_t a;

	while (unformat_check_input(input) != UNFORMAT_END_OF_INPUT) {
		if (unformat(input, "summary"))
			is_summary = 1;
		else if (unformat(input, "%U", unformat_ip_pfx, &only))
			has_address = 1;
		else if (unformat(input, "%U", unformat_ip, &is_address_ip6, &a)) {
			if (!(best = ip_route_lookup(is_ip6, &a)) || is_address_ip6 != is_ip6)
				return clib_error_return(0, "%U: no route", format_ip_address,
							 is_address_ip6, &a);
			only = best->prefix;
			has_address = 1;
		} else
			return vmheap_config_unknown(input, "summary, a prefix or an address");
	}
	routes = ip_routes_sorted(is_ip6);
	if (is_summary)
		show_summary(out, routes);
	else
		cli_text(out, "ipv%u-VRF:0, fib_index:0, %u routes", is_ip6 ? 6 : 4,
			 vec_len(routes));
	vec_foreach (r, routes)
		if (!is_summary &&
		    (!has_address || (r->prefix.len == only.len &&
				      ip_address_is_equal(&r->prefix.address, &only.address))))
			show_route(out, r);
	vec_free(routes);
	return NULL;
}
VMHEAP_CLI_COMMAND(show_ip_fib) = {
	.path = "show ip fib",
	.short_help = "show ip fib [summary|P/L|A]",
	.long_help = "IPv4 routes, or the one of a prefix or by which an address goes: what each "
		     "leads to,\n"
		     "and packets and bytes that went there.  summary: how many of each length.",
	.words = "summary",
	.function = show_fib,
};
VMHEAP_CLI_COMMAND(show_ip6_fib) = {
	.path = "show ip6 fib",
	.short_help = "show ip6 fib [summary|P/L|A]",
	.long_help = "IPv6 routes, as show ip fib.",
	.words = "summary",
	.function = show_fib,
	.function_arg = 1,
};

/* ---- show ip neighbors ---- */

static void
show_neighbors(cli_output_t *out, int is_ip6)
{
	static const cli_column_t columns[] = {
		{ "age", "Age", 12, CLI_RIGHT },           { "ip", "IP", 40, CLI_CENTRE },
		{ "flags", "Flags", 5, CLI_CENTRE },       { "mac", "Ethernet", 20, CLI_CENTRE },
		{ "interface", "Interface", 0, CLI_LEFT },
	};
	cli_table_t *t = cli_table(out, "neighbors", columns, ARRAY_LEN(columns));
	f64 now = ip_seconds();
	const ip_neighbor_t *n;

	vec_foreach (n, ip_neighbors()) {
		if (is_ip6 >= 0 && n->is_ip6 != is_ip6)
			continue;
		cli_row(t);
		cli_f64(t, now - n->heard);
		cli_string(t, "%U", format_ip_address, (int)n->is_ip6, &n->address);
		cli_string(t, "%s%s", n->is_static ? "S" : "D", n->has_no_route ? "N" : "");
		cli_string(t, "%U", format_mac_address, &n->mac);
		cli_string(t, "%s", port_name(n->port_id));
	}
}

static clib_error_t *
show_neighbors_fn(cli_output_t *out, unformat_input_t *input, vmheap_cli_command_t *cmd)
{
	clib_error_t *error = nothing_more(input);

	if (!error)
		show_neighbors(out, (int)cmd->function_arg);
	return error;
}
VMHEAP_CLI_COMMAND(show_ip_neighbors) = {
	.path = "show ip neighbors",
	.short_help = "show ip neighbors",
	.long_help = "Neighbors of both families, who is where: S static, D learned, N without a "
		     "route of\n"
		     "its own; age in seconds since it was last heard or set.",
	.function = show_neighbors_fn,
	.function_arg = (uword)-1,
};
VMHEAP_CLI_COMMAND(show_ip4_neighbors) = {
	.path = "show ip4 neighbors",
	.short_help = "show ip4 neighbors",
	.long_help = "IPv4 neighbors, as show ip neighbors.",
	.function = show_neighbors_fn,
};
VMHEAP_CLI_COMMAND(show_ip6_neighbors) = {
	.path = "show ip6 neighbors",
	.short_help = "show ip6 neighbors",
	.long_help = "IPv6 neighbors, as show ip neighbors.",
	.function = show_neighbors_fn,
	.function_arg = 1,
};

/* ---- show interface address ---- */

static int
show_port(const vmheap_port_t *port, void *arg)
{
	const ip_interface_address_t *i;
	struct rte_eth_link link = {};
	cli_output_t *out = arg;

	(void)!rte_eth_link_get_nowait(port->port_id, &link);
	cli_text(out, "%s (%s):", port->name, link.link_status ? "up" : "dn");
	cli_list_item_begin(out, "interfaces");
	cli_field_string(out, "name", "%s", port->name);
	vec_foreach (i, ip_addresses()) {
		if (i->port_id != port->port_id)
			continue;
		cli_text(out, "  L3 %U", format_ip_prefix, &i->prefix);
		cli_list_item_begin(out, "addresses");
		cli_field_string(out, "address", "%U", format_ip_prefix, &i->prefix);
		cli_end(out);
	}
	cli_end(out);
	return 0;
}

static clib_error_t *
show_address_fn(cli_output_t *out, unformat_input_t *input, vmheap_cli_command_t *cmd)
{
	clib_error_t *error = nothing_more(input);

	if (!error)
		vmheap_port_foreach(show_port, out);
	return error;
}
VMHEAP_CLI_COMMAND(show_address) = {
	.path = "show interface address",
	.short_help = "show interface address",
	.long_help = "Ports and their addresses.",
	.function = show_address_fn,
};
