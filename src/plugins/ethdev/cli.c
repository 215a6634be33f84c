/* SPDX-License-Identifier: Apache-2.0 */
/* show interface, clear interface: the device's counters and ours. */
#include "ethdev.h"

#include <stdio.h>
#include <stdlib.h>

/* What one port's row and details are made of. */
typedef struct {
	struct rte_eth_dev_info info;
	struct rte_eth_link link;
	struct rte_eth_stats stats;
	u16 mtu;
	u64 n_tx_drops;
} port_view_t;

static void
look_at(u16 port_id, port_view_t *v)
{
	memset(v, 0, sizeof(*v));
	/* What a driver does not tell stays 0. */
	(void)!rte_eth_dev_info_get(port_id, &v->info);
	(void)!rte_eth_link_get_nowait(port_id, &v->link);
	(void)!rte_eth_stats_get(port_id, &v->stats);
	(void)!rte_eth_dev_get_mtu(port_id, &v->mtu);
	v->n_tx_drops = ethdev_tx_drops(port_id);
}

static u64
n_drops(const port_view_t *v)
{
	return v->stats.imissed + v->stats.ierrors + v->stats.rx_nombuf + v->stats.oerrors +
	       v->n_tx_drops;
}

static void
add_row(cli_table_t *t, const vmheap_port_t *port, const port_view_t *v)
{
	cli_row(t);
	cli_string(t, "%s", port->name);
	cli_u64(t, port->port_id);
	cli_string(t, "%s", v->info.driver_name ? v->info.driver_name : "?");
	cli_i64(t, port->numa_node);
	cli_string(t, "%s", v->link.link_status ? "up" : "down");
	cli_u64(t, v->mtu);
	cli_u64(t, v->stats.ipackets);
	cli_u64(t, v->stats.ibytes);
	cli_u64(t, v->stats.opackets);
	cli_u64(t, v->stats.obytes);
	cli_u64(t, n_drops(v));
	cli_string(t, "%s", port->rx_next);
}

static void
add_counter(cli_table_t *t, const char *name, u64 value)
{
	if (!value)
		return;
	cli_row(t);
	cli_string(t, "%s", name);
	cli_u64(t, value);
}

static const ethdev_port_t *
running(u16 port_id)
{
	ethdev_port_t *p;

	vec_foreach (p, ethdev_main.ports)
		if (p->port_id == port_id)
			return p;
	return NULL;
}

static void
add_detail(cli_output_t *out, const vmheap_port_t *port, const port_view_t *v)
{
	static const cli_column_t columns[] = { { "name", "Counter", 40, CLI_LEFT },
						{ "count", "Count", 20, CLI_RIGHT } };
	const ethdev_port_t *p = running(port->port_id);
	struct rte_ether_addr mac = { 0 };
	char text[RTE_ETHER_ADDR_FMT_SIZE], device[RTE_ETH_NAME_MAX_LEN] = "?";
	cli_table_t *t;

	(void)!rte_eth_macaddr_get(port->port_id, &mac);
	rte_ether_format_addr(text, sizeof(text), &mac);
	rte_eth_dev_get_name_by_port(port->port_id, device);
	cli_text(out, "\n%s: device %s, driver %s, address %s, link %s %u Mb/s, MTU %u", port->name,
		 device, v->info.driver_name ? v->info.driver_name : "?", text,
		 v->link.link_status ? "up" : "down",
		 v->link.link_speed == RTE_ETH_SPEED_NUM_UNKNOWN ? 0 : v->link.link_speed, v->mtu);
	cli_list_item_begin(out, "details");
	cli_field_string(out, "name", "%s", port->name);
	cli_field_string(out, "device", "%s", device);
	cli_field_string(out, "mac", "%s", text);
	cli_field_string(out, "tx_node", "%s", port->tx_node);
	if (p) {
		cli_text(out, "  rx queues %u of %u descriptors, tx queues %u of %u descriptors%s",
			 p->n_rx_queues, p->n_rx_desc, p->n_tx_queues, p->n_tx_desc,
			 p->tx_is_shared ? ", shared by the workers" : "");
		cli_field_u64(out, "rx_queues", p->n_rx_queues);
		cli_field_u64(out, "rx_descriptors", p->n_rx_desc);
		cli_field_u64(out, "tx_queues", p->n_tx_queues);
		cli_field_u64(out, "tx_descriptors", p->n_tx_desc);
		cli_field_bool(out, "tx_queues_shared", p->tx_is_shared);
	}
	if (port->rx_owner[0])
		cli_text(out, "  received packets go to node %s, as plugin %s asked", port->rx_next,
			 port->rx_owner);
	else
		cli_text(out, "  received packets go to node %s, as no plugin asked for them",
			 port->rx_next);
	t = cli_table(out, "counters", columns, ARRAY_LEN(columns));
	add_counter(t, "rx packets", v->stats.ipackets);
	add_counter(t, "rx bytes", v->stats.ibytes);
	add_counter(t, "rx missed, queue full", v->stats.imissed);
	add_counter(t, "rx errors", v->stats.ierrors);
	add_counter(t, "rx no buffer", v->stats.rx_nombuf);
	add_counter(t, "tx packets", v->stats.opackets);
	add_counter(t, "tx bytes", v->stats.obytes);
	add_counter(t, "tx errors", v->stats.oerrors);
	add_counter(t, "tx drops, queue full", v->n_tx_drops);
	cli_end(out);
}

static int
show_one(const vmheap_port_t *port, void *arg)
{
	port_view_t v;

	look_at(port->port_id, &v);
	add_row(arg, port, &v);
	return 0;
}

static int
show_detail(const vmheap_port_t *port, void *arg)
{
	port_view_t v;

	look_at(port->port_id, &v);
	add_detail(arg, port, &v);
	return 0;
}

static clib_error_t *
show_interface(cli_output_t *out, unformat_input_t *input, vmheap_cli_command_t *cmd)
{
	static const cli_column_t columns[] = {
		{ "name", "Name", 20, CLI_LEFT },
		{ "port_id", "Id", 3, CLI_RIGHT },
		{ "driver", "Driver", 14, CLI_LEFT },
		{ "numa", "NUMA", 4, CLI_RIGHT },
		{ "link", "Link", 4, CLI_LEFT },
		{ "mtu", "MTU", 6, CLI_RIGHT },
		{ "rx_packets", "Rx packets", 14, CLI_RIGHT },
		{ "rx_bytes", "Rx bytes", 16, CLI_RIGHT },
		{ "tx_packets", "Tx packets", 14, CLI_RIGHT },
		{ "tx_bytes", "Tx bytes", 16, CLI_RIGHT },
		{ "drops", "Drops", 10, CLI_RIGHT },
		{ "rx_next", "Next", 10, CLI_LEFT },
	};
	const vmheap_port_t *only = NULL;
	int detail = 0;
	cli_table_t *t;

	while (unformat_skip_white_space(input), !unformat_is_eof(input)) {
		if (unformat(input, "detail"))
			detail = 1;
		else if (only || !unformat(input, "%U", unformat_vmheap_port, &only))
			return vmheap_config_unknown(input, "the name of a port or detail");
	}
	t = cli_table(out, "interfaces", columns, ARRAY_LEN(columns));
	if (only)
		show_one(only, t);
	else
		vmheap_port_foreach(show_one, t);
	if (!detail)
		return NULL;
	if (only)
		show_detail(only, out);
	else
		vmheap_port_foreach(show_detail, out);
	return NULL;
}
VMHEAP_CLI_COMMAND(show_interface) = {
	.path = "show interface",
	.short_help = "show interface [NAME] [detail]",
	.long_help =
		"Ports with the counters of their devices; drops are what either the device or "
		"a worker threw away.  detail adds queues, addresses and every reason.",
	.words = "detail",
	.function = show_interface,
};

static int
clear_one(const vmheap_port_t *port, void *arg)
{
	rte_eth_stats_reset(port->port_id);
	rte_eth_xstats_reset(port->port_id);
	ethdev_tx_clear(port->port_id);
	return 0;
}

static clib_error_t *
clear_interface(cli_output_t *out, unformat_input_t *input, vmheap_cli_command_t *cmd)
{
	const vmheap_port_t *only;

	unformat_skip_white_space(input);
	if (unformat_is_eof(input)) {
		vmheap_port_foreach(clear_one, NULL);
		return NULL;
	}
	if (!unformat(input, "%U", unformat_vmheap_port, &only))
		return vmheap_config_unknown(input, "the name of a port");
	clear_one(only, NULL);
	return NULL;
}
VMHEAP_CLI_COMMAND(clear_interface) = {
	.path = "clear interface",
	.short_help = "clear interface [NAME]",
	.long_help = "Start the counters of one port, or of all, again from 0.",
	.function = clear_interface,
};
