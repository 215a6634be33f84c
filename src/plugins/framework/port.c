/* SPDX-License-Identifier: Apache-2.0 */
/* A table indexed by DPDK's port id, and a list of nodes that ports may be sent to. */
#include <plugins/framework/port.h>

#include <stdio.h>
#include <plugins/framework/drop.h>
#include <vppinfra/vec.h>

static struct {
	vmheap_port_t ports[RTE_MAX_ETHPORTS];
	u8 is_used[RTE_MAX_ETHPORTS];
	/* The choice that is in force is the default's. */
	u8 is_default[RTE_MAX_ETHPORTS];
	char default_next[RTE_MAX_ETHPORTS][RTE_NODE_NAMESIZE];
	char default_owner[RTE_MAX_ETHPORTS][32];
	char offers[VMHEAP_MAX_RX_NODES][RTE_NODE_NAMESIZE];
	u32 n_offers;
	u8 is_frozen; /* a node has its edges: another offer would have none */
} port_main;

_Atomic u16 vmheap_port_rx_edge[RTE_MAX_ETHPORTS];
_Atomic u16 vmheap_port_next_edge[RTE_MAX_ETHPORTS];

const vmheap_port_t *
vmheap_port(u16 port_id)
{
	return port_id < RTE_MAX_ETHPORTS && port_main.is_used[port_id] ? &port_main.ports[port_id]
									: NULL;
}

const vmheap_port_t *
vmheap_port_by_name(const char *name)
{
	for (u16 i = 0; i < RTE_MAX_ETHPORTS; i++)
		if (port_main.is_used[i] && !strcmp(port_main.ports[i].name, name))
			return &port_main.ports[i];
	return NULL;
}

uword
unformat_vmheap_port(unformat_input_t *input, va_list *va)
{
	const vmheap_port_t **port = va_arg(*va, const vmheap_port_t **);
	u8 *name = NULL;
	uword at;

	unformat_skip_white_space(input);
	at = input->index;
	if (!unformat(input, "%U", unformat_token, "a-zA-Z0-9_.:/-", &name))
		return 0;
	vec_add1(name, 0);
	*port = name ? vmheap_port_by_name((char *)name) : NULL;
	vec_free(name);
	if (!*port)
		input->index = at;
	return *port != NULL;
}

int
vmheap_port_add(const vmheap_port_t *port)
{
	u16 id = port->port_id;

	if (id >= RTE_MAX_ETHPORTS || !port->name[0])
		return -EINVAL;
	if (vmheap_port(id) || vmheap_port_by_name(port->name))
		return -EEXIST;
	port_main.ports[id] = *port;
	port_main.is_used[id] = 1;
	port_main.is_default[id] = 1;
	port_main.default_owner[id][0] = 0;
	snprintf(port_main.default_next[id], RTE_NODE_NAMESIZE, VMHEAP_DROP_NODE);
	atomic_store_explicit(&vmheap_port_rx_edge[id], 0, memory_order_relaxed);
	atomic_store_explicit(&vmheap_port_next_edge[id], 0, memory_order_relaxed);
	return 0;
}

int
vmheap_port_remove(u16 port_id)
{
	if (!vmheap_port(port_id))
		return -ENODEV;
	port_main.is_used[port_id] = 0;
	return 0;
}

/* ---- nodes offered ---- */

/* The edge to a node, 0 to drop; -ENOENT when nobody offered it. */
static int
edge_to(const char *node_name)
{
	if (!strcmp(node_name, VMHEAP_DROP_NODE))
		return 0;
	for (u32 i = 0; i < port_main.n_offers; i++)
		if (!strcmp(port_main.offers[i], node_name))
			return (int)i + 1;
	return -ENOENT;
}

int
vmheap_port_offer_rx_node(const char *node_name)
{
	if (!node_name[0] || strlen(node_name) >= RTE_NODE_NAMESIZE)
		return -EINVAL;
	if (edge_to(node_name) >= 0)
		return 0;
	if (port_main.is_frozen)
		return -EBUSY;
	if (port_main.n_offers == VMHEAP_MAX_RX_NODES)
		return -ENOSPC;
	snprintf(port_main.offers[port_main.n_offers++], RTE_NODE_NAMESIZE, "%s", node_name);
	return 0;
}

int
vmheap_port_add_rx_edges(rte_node_t id, const char **missing)
{
	const char *names[1 + VMHEAP_MAX_RX_NODES] = { VMHEAP_DROP_NODE };
	rte_edge_t n = 1;

	port_main.is_frozen = 1;
	for (u32 i = 0; i < port_main.n_offers; i++) {
		rte_node_t to = rte_node_from_name(*missing = port_main.offers[i]);

		if (to == RTE_NODE_ID_INVALID)
			return -ENOENT;
		/* rte_graph has no edge from a node to itself. */
		names[n++] = to == id ? VMHEAP_DROP_NODE : *missing;
	}
	return rte_node_edge_update(id, 0, names, n) == n ? 0 : -ENOMEM;
}

/* ---- who has a port ---- */

static void
publish_edges(const vmheap_port_t *port)
{
	u16 next = (u16)edge_to(port->rx_next);
	u16 first = port->rx_via[0] ? (u16)edge_to(port->rx_via) : next;

	/* Release: what the node finds about this port was written before. */
	atomic_store_explicit(&vmheap_port_next_edge[port->port_id], next, memory_order_release);
	atomic_store_explicit(&vmheap_port_rx_edge[port->port_id], first, memory_order_release);
}

static void
choose(vmheap_port_t *port, const char *node_name, const char *owner)
{
	snprintf(port->rx_next, sizeof(port->rx_next), "%s", node_name);
	snprintf(port->rx_owner, sizeof(port->rx_owner), "%s", owner);
	publish_edges(port);
}

static int
check_choice(const vmheap_port_t *port, const char *node_name, const char *owner)
{
	int rc;

	if (!node_name[0] || strlen(node_name) >= sizeof(port->rx_next) || !owner[0] ||
	    strlen(owner) >= sizeof(port->rx_owner))
		return -EINVAL;
	rc = vmheap_port_offer_rx_node(node_name);
	return rc == -EBUSY ? -ENOENT : rc;
}

int
vmheap_port_set_rx_next(u16 port_id, const char *node_name, const char *owner)
{
	vmheap_port_t *port = (vmheap_port_t *)vmheap_port(port_id);
	int rc;

	if (!port)
		return -ENODEV;
	if (!port_main.is_default[port_id] && strcmp(port->rx_owner, owner))
		return -EBUSY;
	if ((rc = check_choice(port, node_name, owner)))
		return rc;
	port_main.is_default[port_id] = 0;
	choose(port, node_name, owner);
	return 0;
}

int
vmheap_port_set_rx_default(u16 port_id, const char *node_name, const char *owner)
{
	vmheap_port_t *port = (vmheap_port_t *)vmheap_port(port_id);
	int rc;

	if (!port)
		return -ENODEV;
	if ((rc = check_choice(port, node_name, owner)))
		return rc;
	snprintf(port_main.default_next[port_id], RTE_NODE_NAMESIZE, "%s", node_name);
	snprintf(port_main.default_owner[port_id], sizeof(port->rx_owner), "%s", owner);
	if (port_main.is_default[port_id])
		choose(port, node_name, owner);
	return 0;
}

int
vmheap_port_clear_rx_next(u16 port_id, const char *owner)
{
	vmheap_port_t *port = (vmheap_port_t *)vmheap_port(port_id);

	if (!port)
		return -ENODEV;
	if (port_main.is_default[port_id] || strcmp(port->rx_owner, owner))
		return -EINVAL;
	port_main.is_default[port_id] = 1;
	choose(port, port_main.default_next[port_id], port_main.default_owner[port_id]);
	return 0;
}

int
vmheap_port_set_rx_via(u16 port_id, const char *node_name)
{
	vmheap_port_t *port = (vmheap_port_t *)vmheap_port(port_id);

	if (!port)
		return -ENODEV;
	if (node_name && edge_to(node_name) <= 0)
		return -ENOENT;
	snprintf(port->rx_via, sizeof(port->rx_via), "%s", node_name ? node_name : "");
	publish_edges(port);
	return 0;
}

void
vmheap_port_foreach(int (*fn)(const vmheap_port_t *port, void *arg), void *arg)
{
	for (u16 i = 0; i < RTE_MAX_ETHPORTS; i++)
		if (port_main.is_used[i] && fn(&port_main.ports[i], arg))
			return;
}
