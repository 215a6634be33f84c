/* SPDX-License-Identifier: Apache-2.0 */
/* port: where plugins that move packets meet plugins that say where to.
 *
 * The ethdev plugin registers each port that it started.  A feature plugin asks, in its INIT
 * function (after "ethdev_init"), that what a port receives goes to one of its nodes; in its
 * GRAPH_INIT function (after "ethdev_graph_init") it leads edges to the ports' tx nodes.  A port
 * that nobody asked for sends what it receives to "drop".
 *
 *   ethdev-rx-P-Q  ->  rx_next, "xconnect" say  ->  ethdev-tx-P
 *
 * Threads: the main lcore.  A port's struct is constant while workers run. */
#ifndef included_framework_port_h
#define included_framework_port_h

#include <plugins/plugin.h>
#include <rte_ethdev.h>
#include <rte_graph.h>

typedef struct {
	char name[RTE_ETH_NAME_MAX_LEN]; /* as people and configurations say it */
	u16 port_id;                     /* DPDK's; also mbuf->port of what it receives */
	u16 n_rx_queues, n_tx_queues;
	int numa_node;
	char tx_node[RTE_NODE_NAMESIZE]; /* packets that arrive at it leave by this port */
	char rx_next[RTE_NODE_NAMESIZE]; /* node that gets what the port receives */
	char rx_owner[32];               /* who chose it; "" nobody did */
} vmheap_port_t;

/** Register a port; the struct is copied.  @return 0; -EINVAL no name, or an id out of range;
 *  -EEXIST id or name is taken. */
CLIB_EXPORT int vmheap_port_add(const vmheap_port_t *port);
/** @return 0 or -ENODEV. */
CLIB_EXPORT int vmheap_port_remove(u16 port_id);

/** NULL when there is no such port. */
CLIB_EXPORT const vmheap_port_t *vmheap_port(u16 port_id);
CLIB_EXPORT const vmheap_port_t *vmheap_port_by_name(const char *name);

/**
 * Send what a port receives to a node.  Only before graphs are made: later it is ignored.
 * @return 0; -ENODEV no such port; -EINVAL a name that is empty or too long; -EBUSY another owner
 *         has it, vmheap_port(port_id)->rx_owner says who.
 */
CLIB_EXPORT int vmheap_port_set_rx_next(u16 port_id, const char *node_name, const char *owner);

/** Calls fn for each port, ids ascending, until it returns nonzero. */
CLIB_EXPORT void vmheap_port_foreach(int (*fn)(const vmheap_port_t *port, void *arg), void *arg);

#endif
