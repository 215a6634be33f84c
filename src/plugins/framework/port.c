/* SPDX-License-Identifier: Apache-2.0 */
/* A table indexed by DPDK's port id. */
#include <plugins/framework/port.h>

#include <stdio.h>

static struct {
	vmheap_port_t ports[RTE_MAX_ETHPORTS];
	u8 is_used[RTE_MAX_ETHPORTS];
} port_main;

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

int
vmheap_port_add(const vmheap_port_t *port)
{
	if (port->port_id >= RTE_MAX_ETHPORTS || !port->name[0])
		return -EINVAL;
	if (vmheap_port(port->port_id) || vmheap_port_by_name(port->name))
		return -EEXIST;
	port_main.ports[port->port_id] = *port;
	port_main.is_used[port->port_id] = 1;
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

int
vmheap_port_set_rx_next(u16 port_id, const char *node_name, const char *owner)
{
	vmheap_port_t *port = (vmheap_port_t *)vmheap_port(port_id);

	if (!port)
		return -ENODEV;
	if (!node_name[0] || strlen(node_name) >= sizeof(port->rx_next) || !owner[0] ||
	    strlen(owner) >= sizeof(port->rx_owner))
		return -EINVAL;
	if (port->rx_owner[0] && strcmp(port->rx_owner, owner))
		return -EBUSY;
	snprintf(port->rx_next, sizeof(port->rx_next), "%s", node_name);
	snprintf(port->rx_owner, sizeof(port->rx_owner), "%s", owner);
	return 0;
}

void
vmheap_port_foreach(int (*fn)(const vmheap_port_t *port, void *arg), void *arg)
{
	for (u16 i = 0; i < RTE_MAX_ETHPORTS; i++)
		if (port_main.is_used[i] && fn(&port_main.ports[i], arg))
			return;
}
