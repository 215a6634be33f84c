/* SPDX-License-Identifier: Apache-2.0 */
/* Commands that change something; VPP's words. */
#include "ip.h"

static clib_error_t *
set_address_fn(cli_output_t *out, unformat_input_t *input, vmheap_cli_command_t *cmd)
{
	return ip_address_words(input);
}
VMHEAP_CLI_COMMAND(set_address) = {
	.path = "set interface ip address",
	.short_help = "set interface ip address [del] PORT A/L",
	.long_help =
		"Give a port an IPv4 or IPv6 address: it answers ARP or ND and ping for it, and\n"
		"routes what it receives.  del: take the address away, with its link's neighbors.",
	.words = "del",
	.function = set_address_fn,
};

static clib_error_t *
route_add_fn(cli_output_t *out, unformat_input_t *input, vmheap_cli_command_t *cmd)
{
	return ip_route_words(input, 1);
}
VMHEAP_CLI_COMMAND(route_add) = {
	.path = "ip route add",
	.short_help = "ip route add P/L via A [PORT]|via PORT|drop",
	.long_help = "Route a prefix by a next hop (PORT may be left out when A is on a port's "
		     "link), to\n"
		     "whoever answers for it on a port's link, or to nowhere.",
	.words = "via drop",
	.function = route_add_fn,
};

static clib_error_t *
route_del_fn(cli_output_t *out, unformat_input_t *input, vmheap_cli_command_t *cmd)
{
	return ip_route_words(input, 0);
}
VMHEAP_CLI_COMMAND(route_del) = {
	.path = "ip route del",
	.short_help = "ip route del P/L [via ...]",
	.long_help = "Take a route away that ip route add made.",
	.words = "via drop",
	.function = route_del_fn,
};

static clib_error_t *
set_neighbor_fn(cli_output_t *out, unformat_input_t *input, vmheap_cli_command_t *cmd)
{
	return ip_neighbor_words(input);
}
VMHEAP_CLI_COMMAND(set_neighbor) = {
	.path = "set ip neighbor",
	.short_help = "set ip neighbor [del] PORT A MAC [static] [no-fib-entry]",
	.long_help = "Say who has an address.  static: what is heard does not change it.  "
		     "no-fib-entry:\n"
		     "for routes by way of it, without a route to itself.",
	.words = "del static no-fib-entry",
	.function = set_neighbor_fn,
};
