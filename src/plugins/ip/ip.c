/* SPDX-License-Identifier: Apache-2.0 */
/* Init and exit, ports and their addresses. */
#include "ip.h"

#include <stdio.h>
#include <rte_cycles.h>

VMHEAP_PLUGIN_REGISTER(.name = IP_PLUGIN, .version = VMHEAP_VERSION,
		       .description =
			       "routes IPv4 and IPv6 between ports, answers ARP, ND and ping",
		       .requires = "ethdev", .load_after = "xconnect");

ip_main_t ip_main = { .field_offset = -1 };

static ip_interface_address_t *addresses; /* vector */

/* ---- addresses ---- */

const ip_interface_address_t *
ip_addresses(void)
{
	return addresses;
}

const ip_interface_address_t *
ip_address_beside(u16 port_id, int is_ip6, const ip_address_t *a)
{
	const ip_interface_address_t *i;

	vec_foreach (i, addresses)
		if (i->port_id == port_id && i->prefix.is_ip6 == is_ip6 &&
		    ip_prefix_contains(&i->prefix, a))
			return i;
	return NULL;
}

static const ip_interface_address_t *
first_of(u16 port_id, int is_ip6)
{
	const ip_interface_address_t *i;

	vec_foreach (i, addresses)
		if (i->port_id == port_id && i->prefix.is_ip6 == is_ip6)
			return i;
	return NULL;
}

/* What the port's own packets come from: its oldest address. */
static void
publish_source(u16 port_id)
{
	const ip_interface_address_t *i4 = first_of(port_id, 0), *i6 = first_of(port_id, 1);
	ip_port_t *p = &ip_main.ports[port_id];

	/* Release: the table, the port's MAC, for a worker that acquires the port's edge. */
	atomic_store_explicit(&p->ip4, i4 ? i4->prefix.address.ip4 : 0, memory_order_release);
	if (i6 && ip_address_is_equal(&p->ip6, &i6->prefix.address) && p->has_ip6)
		return;
	atomic_store_explicit(&p->has_ip6, 0, memory_order_relaxed);
	vmheap_workers_synchronize();
	if (!i6)
		return;
	p->ip6 = i6->prefix.address;
	/* Release: the address, for the acquire of workers. */
	atomic_store_explicit(&p->has_ip6, 1, memory_order_release);
}

typedef struct {
	ip_prefix_t prefix;
	u8 kind;
} interface_route_t;

/* The routes that an address makes: itself, its link, and in IPv4 the two that are nobody's. */
static u32
interface_routes(const ip_prefix_t *p, interface_route_t *v)
{
	u8 host = p->is_ip6 ? 128 : 32;
	ip_prefix_t link = *p;
	u32 n = 0;

	ip_prefix_normalize(&link);
	v[n++] = (interface_route_t){ { p->address, p->is_ip6, host }, IP_DPO_LOCAL };
	if (p->len == host)
		return n;
	v[n++] = (interface_route_t){ link, IP_DPO_GLEAN };
	if (p->is_ip6 || p->len >= 31)
		return n;
	link.len = host;
	v[n++] = (interface_route_t){ link, IP_DPO_DROP };
	link.address.ip4 |= rte_cpu_to_be_32((1u << (32 - p->len)) - 1);
	v[n++] = (interface_route_t){ link, IP_DPO_DROP };
	return n;
}

/* An address that is the link's first or last itself makes no drop of that. */
static int
is_own(const interface_route_t *v, u32 i)
{
	return i > 1 && ip_address_is_equal(&v[i].prefix.address, &v[0].prefix.address);
}

static clib_error_t *
take_port(const vmheap_port_t *port)
{
	if (!vmheap_port_set_rx_next(port->port_id, ETHERNET_INPUT_NODE, IP_PLUGIN))
		return NULL;
	return clib_error_return(0, "what %s receives goes to node %s, as plugin %s asked",
				 port->name, port->rx_next, port->rx_owner);
}

static clib_error_t *
add_interface_routes(const vmheap_port_t *port, const ip_prefix_t *p)
{
	interface_route_t v[4];
	u32 n = interface_routes(p, v), i;
	int rc = 0;

	for (i = 0; i < n && !rc; i++) {
		ip_path_t path = { .kind = v[i].kind, .port_id = port->port_id };

		if (!is_own(v, i))
			rc = ip_route_add(&v[i].prefix, &path, IP_FROM_INTERFACE);
	}
	if (!rc)
		return NULL;
	for (u32 k = 0; k + 1 < i; k++)
		if (!is_own(v, k))
			(void)ip_route_del(&v[k].prefix, IP_FROM_INTERFACE);
	return clib_error_return_code(0, rc, 0, "%U on %s: %s", format_ip_prefix, p, port->name,
				      rc == -EEXIST ? "another port has this address or link"
						    : strerror(-rc));
}

clib_error_t *
ip_address_add(const vmheap_port_t *port, const ip_prefix_t *p)
{
	ip_interface_address_t a = { .prefix = *p, .port_id = port->port_id }, *i;
	ip_prefix_t *q;
	clib_error_t *error;

	if (p->is_ip6 ? p->address.b[0] == 0xff || (!p->address.u64[0] && !p->address.u64[1])
		      : p->address.b[0] >= 224 || p->address.b[0] == 127 || !p->address.ip4)
		return clib_error_return(0, "%U: no address for a port", format_ip_address,
					 (int)p->is_ip6, &p->address);
	vec_foreach (i, addresses) {
		q = &i->prefix;
		/* Two ports on one link, or one link twice: which is meant would be chance. */
		if (q->is_ip6 == p->is_ip6 &&
		    ip_prefix_contains(q->len < p->len ? q : p,
				       q->len < p->len ? &p->address : &q->address))
			return clib_error_return_code(
				0, -EEXIST, 0, "%U on %s: %U is on %s already", format_ip_prefix, p,
				port->name, format_ip_prefix, q, vmheap_port(i->port_id)->name);
	}
	if ((error = ip_enable_family(p->is_ip6)))
		return error;
	if (vec_add1(addresses, a))
		return clib_error_return(0, "another address: no memory");
	error = add_interface_routes(port, p);
	if (!error)
		publish_source(port->port_id);
	if (!error && (error = take_port(port))) {
		clib_error_t *gone = ip_address_del(port, p);

		clib_error_free(gone);
		return error;
	}
	if (error)
		_vec_len(addresses)--;
	return error;
}

clib_error_t *
ip_address_del(const vmheap_port_t *port, const ip_prefix_t *p)
{
	interface_route_t v[4];
	u32 n, k;

	for (k = 0; k < vec_len(addresses); k++)
		if (addresses[k].port_id == port->port_id &&
		    addresses[k].prefix.is_ip6 == p->is_ip6 && addresses[k].prefix.len == p->len &&
		    ip_address_is_equal(&addresses[k].prefix.address, &p->address))
			break;
	if (k == vec_len(addresses))
		return clib_error_return_code(0, -ENOENT, 0, "%s does not have %U", port->name,
					      format_ip_prefix, p);
	vec_delete(addresses, 1, k);
	/* Neighbors of a link that is gone are gone. */
	for (u32 i = vec_len(ip_neighbors()); i--;) {
		ip_neighbor_t nb = ip_neighbors()[i];

		if (nb.port_id == port->port_id && nb.is_ip6 == p->is_ip6 &&
		    ip_prefix_contains(p, &nb.address))
			ip_neighbor_del(nb.port_id, nb.is_ip6, &nb.address);
	}
	n = interface_routes(p, v);
	for (u32 i = 0; i < n; i++)
		if (!is_own(v, i))
			(void)ip_route_del(&v[i].prefix, IP_FROM_INTERFACE);
	publish_source(port->port_id);
	if (!first_of(port->port_id, 0) && !first_of(port->port_id, 1))
		vmheap_port_clear_rx_next(port->port_id, IP_PLUGIN);
	return NULL;
}

/* ---- init ---- */

static int
describe_port(const vmheap_port_t *port, void *arg)
{
	ip_port_t *p = &ip_main.ports[port->port_id];
	u32 *n = arg;
	u8 *b = p->link_local.b;

	(void)!rte_eth_macaddr_get(port->port_id, &p->mac);
	if (rte_eth_dev_get_mtu(port->port_id, &p->mtu))
		p->mtu = RTE_ETHER_MTU;
	p->ordinal = (u16)(*n)++;
	b[0] = 0xfe;
	b[1] = 0x80;
	memcpy(b + 8, p->mac.addr_bytes, 3);
	b[8] ^= 2; /* universal or local, as an interface identifier has it */
	b[11] = 0xff;
	b[12] = 0xfe;
	memcpy(b + 13, p->mac.addr_bytes + 3, 3);
	return 0;
}

static int
register_errors(void)
{
	vmheap_error_strings_t *const sets[] = {
		&ethernet_input_errors, &arp_input_errors,      &ip4_input_errors,
		&ip4_lookup_errors,     &ip4_rewrite_errors,    &ip4_arp_errors,
		&ip4_local_errors,      &ip4_icmp_error_errors, &ip6_input_errors,
		&ip6_lookup_errors,     &ip6_rewrite_errors,    &ip6_nd_errors,
		&ip6_local_errors,      &ip6_icmp_error_errors,
	};
	int rc = 0;

	for (u32 i = 0; i < ARRAY_LEN(sets) && !rc; i++)
		rc = vmheap_errors_register(sets[i]);
	return rc;
}

static int
make_workers(void)
{
	ip_main_t *im = &ip_main;
	ip_worker_t *w;

	im->n_workers = vmheap_n_workers();
	for (u32 i = 0; i < RTE_MAX_LCORE; i++)
		im->worker_of_lcore[i] = (u16)clib_min(vmheap_worker_of_lcore(i), im->n_workers);
	if (vec_validate_aligned(im->workers, im->n_workers, CLIB_CACHE_LINE_BYTES))
		return -ENOMEM;
	vec_foreach (w, im->workers) {
		/* A line more than is used: the next object is another worker's. */
		if (vec_validate_aligned(w->counts, im->max_routes + 4, CLIB_CACHE_LINE_BYTES))
			return -ENOMEM;
	}
	return 0;
}

static clib_error_t *
ip_init(void)
{
	static const struct rte_mbuf_dynfield field = { .name = "vmheap_dynfield_ip",
							.size = sizeof(u32),
							.align = sizeof(u32) };
	ip_main_t *im = &ip_main;
	u32 n_ports = 0;
	int rc;

	if (!im->max_routes)
		im->max_routes = IP_DEFAULT_ROUTES;
	im->hz = rte_get_tsc_hz();
	im->field_offset = rte_mbuf_dynfield_register(&field);
	if (im->field_offset < 0)
		return clib_error_return(0, "the mbuf has no room for a routing result");
	vmheap_port_foreach(describe_port, &n_ports);
	rc = register_errors();
	rc = rc ? rc : make_workers();
	rc = rc ? rc : ip_routes_init();
	rc = rc ? rc : ip_neighbors_init();
	rc = rc ? rc : vmheap_port_offer_rx_node(ETHERNET_INPUT_NODE);
	return rc ? clib_error_return_code(0, rc, 0, "tables of %u routes: %s", im->max_routes,
					   strerror(-rc))
		  : NULL;
}
VMHEAP_INIT_FUNCTION(ip_init, .runs_after = "ethdev_init");

static int
add_edges(const vmheap_port_t *port, void *arg)
{
	const char **failed = arg;

	*failed = ip_add_port_edges(port);
	return *failed != NULL;
}

static clib_error_t *
ip_graph_init(void)
{
	const char *failed = NULL;

	vmheap_port_foreach(add_edges, &failed);
	if (failed)
		return clib_error_return(0, "no edges from %s to the ports", failed);
	return ip_config_apply();
}
VMHEAP_GRAPH_INIT_FUNCTION(ip_graph_init, .runs_after = "ethdev_graph_init,xconnect_graph_init");

static clib_error_t *
ip_exit(void)
{
	ip_worker_t *w;

	ip_config_free();
	ip_neighbors_exit();
	ip_routes_exit();
	vec_foreach (w, ip_main.workers)
		vec_free(w->counts);
	vec_free(ip_main.workers);
	vec_free(addresses);
	return NULL;
}
VMHEAP_EXIT_FUNCTION(ip_exit);
