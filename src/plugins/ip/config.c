/* SPDX-License-Identifier: Apache-2.0 */
/* The words of routes, neighbors and addresses, for commands and for
 *
 *   ip { max-routes N
 *        address PORT A/L
 *        route P/L via A PORT | via PORT | drop
 *        neighbor PORT A MAC [static] [no-fib-entry] }
 *
 * A stanza is read before there are ports, so its lines are kept and said again when there are. */
#include "ip.h"

#define IP_WORDS                                                                                   \
	"max-routes N, address PORT A/L, route P/L via A PORT, neighbor PORT A MAC [static]"
#define ROUTE_WORDS "via A [PORT], via PORT or drop"

typedef struct {
	clib_error_t *(*say)(unformat_input_t *input);
	u8 *words; /* vector */
} line_t;

static line_t *lines; /* vector */

static clib_error_t *
nothing_more(unformat_input_t *input)
{
	return unformat_check_input(input) == UNFORMAT_END_OF_INPUT
		       ? NULL
		       : vmheap_config_unknown(input, "no more words");
}

/* ---- routes ---- */

/* The port by which a next hop is reached: named, or that of the link it is on. */
static clib_error_t *
parse_path(unformat_input_t *input, const ip_prefix_t *p, ip_path_t *path)
{
	const vmheap_port_t *port = NULL;
	const ip_route_t *link;
	int is_ip6;

	*path = (ip_path_t){ .kind = IP_DPO_DROP };
	if (unformat(input, "drop") || unformat(input, "via drop"))
		return nothing_more(input);
	if (!unformat(input, "via"))
		return vmheap_config_unknown(input, ROUTE_WORDS);
	if (unformat(input, "%U", unformat_vmheap_port, &port)) {
		*path = (ip_path_t){ .kind = IP_DPO_GLEAN, .port_id = port->port_id };
		return nothing_more(input);
	}
	if (!unformat(input, "%U", unformat_ip, &is_ip6, &path->next_hop))
		return vmheap_config_unknown(input, "a next hop or the name of a port");
	if (is_ip6 != p->is_ip6)
		return clib_error_return(0, "next hop %U is not of the family of %U",
					 format_ip_address, is_ip6, &path->next_hop,
					 format_ip_prefix, p);
	path->kind = IP_DPO_RESOLVE;
	if (unformat(input, "%U", unformat_vmheap_port, &port)) {
		path->port_id = port->port_id;
		return nothing_more(input);
	}
	if (unformat_check_input(input) != UNFORMAT_END_OF_INPUT)
		return vmheap_config_unknown(input, "the name of a port");
	link = ip_route_lookup(is_ip6, &path->next_hop);
	if (!link || (link->path.kind != IP_DPO_GLEAN && link->source != IP_FROM_NEIGHBOR))
		return clib_error_return(0, "next hop %U is on no port's link: name the port",
					 format_ip_address, is_ip6, &path->next_hop);
	path->port_id = link->path.port_id;
	return NULL;
}

static const char *
route_trouble(int rc)
{
	switch (rc) {
	case -EEXIST:
		return "it has a route already, ip route del it first";
	case -ENOENT:
		return "there is no such route of yours";
	case -ENOSPC:
		return "the table is full, see ip { max-routes }";
	default:
		return strerror(-rc);
	}
}

clib_error_t *
ip_route_words(unformat_input_t *input, int is_add)
{
	clib_error_t *error;
	ip_prefix_t p, given;
	ip_path_t path;
	int rc;

	if (!unformat(input, "%U", unformat_ip_pfx, &p))
		return vmheap_config_unknown(input, "a prefix, 10.0.0.0/8 or 2001:db8::/32");
	given = p;
	ip_prefix_normalize(&p);
	if (!ip_address_is_equal(&given.address, &p.address))
		return clib_error_return(0, "%U has bits beyond its length: %U", format_ip_prefix,
					 &given, format_ip_prefix, &p);
	if (is_add || unformat_check_input(input) != UNFORMAT_END_OF_INPUT)
		if ((error = parse_path(input, &p, &path)))
			return error;
	if (is_add && (error = ip_enable_family(p.is_ip6)))
		return error;
	rc = is_add ? ip_route_add(&p, &path, IP_FROM_USER) : ip_route_del(&p, IP_FROM_USER);
	return rc ? clib_error_return_code(0, rc, 0, "%U: %s", format_ip_prefix, &p,
					   route_trouble(rc))
		  : NULL;
}

static clib_error_t *
say_route(unformat_input_t *input)
{
	return ip_route_words(input, 1);
}

/* ---- neighbors, addresses ---- */

clib_error_t *
ip_neighbor_words(unformat_input_t *input)
{
	const vmheap_port_t *port;
	ip_neighbor_t n = {};
	int is_del = 0, is_ip6, rc;
	clib_error_t *error;

	is_del = unformat(input, "del") != 0;
	if (!unformat(input, "%U", unformat_vmheap_port, &port))
		return vmheap_config_unknown(input, "the name of a port");
	if (!unformat(input, "%U", unformat_ip, &is_ip6, &n.address))
		return vmheap_config_unknown(input, "an address");
	if (!unformat(input, "%U", unformat_mac, &n.mac) && !is_del)
		return vmheap_config_unknown(input, "a MAC address, 02:fe:00:00:00:01");
	n.port_id = port->port_id;
	n.is_ip6 = (u8)is_ip6;
	while (unformat_check_input(input) != UNFORMAT_END_OF_INPUT) {
		if (unformat(input, "static"))
			n.is_static = 1;
		else if (unformat(input, "no-fib-entry"))
			n.has_no_route = 1;
		else
			return vmheap_config_unknown(input, "static or no-fib-entry");
	}
	if (!is_del && (rte_is_multicast_ether_addr(&n.mac) || rte_is_zero_ether_addr(&n.mac)))
		return clib_error_return(0, "%U: no neighbor has this MAC address",
					 format_mac_address, &n.mac);
	if (!is_del && (error = ip_enable_family(is_ip6)))
		return error;
	/* What a person says overrides what a person said. */
	if (!is_del && !n.is_static)
		ip_neighbor_del(n.port_id, is_ip6, &n.address);
	rc = is_del ? ip_neighbor_del(n.port_id, is_ip6, &n.address) : ip_neighbor_set(&n);
	return rc ? clib_error_return_code(0, rc, 0, "neighbor %U on %s: %s", format_ip_address,
					   is_ip6, &n.address, port->name,
					   rc == -ENOENT ? "there is none" : strerror(-rc))
		  : NULL;
}

clib_error_t *
ip_address_words(unformat_input_t *input)
{
	const vmheap_port_t *port;
	clib_error_t *error;
	ip_prefix_t p;
	int is_del = unformat(input, "del") != 0;

	if (!unformat(input, "%U", unformat_vmheap_port, &port))
		return vmheap_config_unknown(input, "the name of a port");
	if (!unformat(input, "%U", unformat_ip_pfx, &p))
		return vmheap_config_unknown(input, "an address with its length, 10.0.0.1/24");
	if ((error = nothing_more(input)))
		return error;
	return is_del ? ip_address_del(port, &p) : ip_address_add(port, &p);
}

/* ---- the stanza ---- */

static const struct {
	const char *word;
	clib_error_t *(*say)(unformat_input_t *input);
} statements[] = {
	/* Addresses make the links that routes and neighbors refer to. */
	{ "address", ip_address_words },
	{ "neighbor", ip_neighbor_words },
	{ "route", say_route },
};

static int
is_statement(const u8 *word)
{
	for (u32 i = 0; i < ARRAY_LEN(statements); i++)
		if (!strcmp((const char *)word, statements[i].word))
			return 1;
	return !strcmp((const char *)word, "max-routes");
}

/* All words up to the next statement. */
static clib_error_t *
keep_line(unformat_input_t *input, clib_error_t *(*say)(unformat_input_t *input))
{
	line_t l = { .say = say };

	while (unformat_check_input(input) != UNFORMAT_END_OF_INPUT) {
		uword at = input->index;
		u8 *word = NULL;

		if (!unformat(input, "%U", unformat_token, "a-zA-Z0-9_.:/-", &word)) {
			vec_free(l.words);
			return vmheap_config_unknown(input, IP_WORDS);
		}
		vec_add1(word, 0);
		if (l.words && is_statement(word)) {
			input->index = at;
			vec_free(word);
			break;
		}
		l.words = format(l.words, "%s ", word);
		vec_free(word);
	}
	if (!l.words)
		return vmheap_config_unknown(input, IP_WORDS);
	if (!vec_add1(lines, l))
		return NULL;
	vec_free(l.words);
	return clib_error_return(0, "no memory");
}

static clib_error_t *
ip_config(unformat_input_t *input)
{
	while (unformat_check_input(input) != UNFORMAT_END_OF_INPUT) {
		clib_error_t *error = NULL;
		u32 n, i;

		if (unformat(input, "max-routes %u", &n)) {
			if (n < 1 || n > IP_MAX_ROUTES)
				return clib_error_return(0, "max-routes %u: at least 1, at most %u",
							 n, IP_MAX_ROUTES);
			ip_main.max_routes = n;
			continue;
		}
		for (i = 0; i < ARRAY_LEN(statements); i++)
			if (unformat(input, statements[i].word))
				break;
		error = i < ARRAY_LEN(statements) ? keep_line(input, statements[i].say)
						  : vmheap_config_unknown(input, IP_WORDS);
		if (error)
			return error;
	}
	return NULL;
}
VMHEAP_CONFIG_FUNCTION(ip_config, "ip");

static clib_error_t *
say_line(const line_t *l, const char *word)
{
	unformat_input_t input;
	clib_error_t *error;

	unformat_init_string(&input, (char *)l->words, (int)vec_len(l->words));
	error = l->say(&input);
	unformat_free(&input);
	return error ? clib_error_return(error, "ip { %s %v}", word, l->words) : NULL;
}

clib_error_t *
ip_config_apply(void)
{
	for (u32 i = 0; i < ARRAY_LEN(statements); i++) {
		line_t *l;

		vec_foreach (l, lines) {
			clib_error_t *error = l->say == statements[i].say
						      ? say_line(l, statements[i].word)
						      : NULL;

			if (error)
				return error;
		}
	}
	return NULL;
}

void
ip_config_free(void)
{
	line_t *l;

	vec_foreach (l, lines)
		vec_free(l->words);
	vec_free(lines);
}
