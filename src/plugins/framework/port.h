/* SPDX-License-Identifier: Apache-2.0 */
/* port: where plugins that move packets meet plugins that say where to.
 *
 * The ethdev plugin registers each port that it started.  A feature plugin offers, in its INIT
 * function (after "ethdev_init"), a node of its own to all ports; from then on a port's packets can
 * be sent there and elsewhere again while workers run, since every rx node has an edge to each
 * node offered.  In its GRAPH_INIT function (after "ethdev_graph_init") it leads edges to the
 * ports' tx nodes.
 *
 *   ethdev-rx-P-Q  ->  [via]  ->  rx_next, "xconnect" say  ->  ethdev-tx-P
 *
 * One plugin at a time has a port: who asks with vmheap_port_set_rx_next() gets it unless another
 * has it.  A port that nobody has sends to its default, and without one to "drop".  `via` is a node
 * in between that brings the packets to another worker and sends them on as the rx node would.
 *
 * Threads: the main lcore.  Workers read the edges only. */
#ifndef included_framework_port_h
#define included_framework_port_h

#include <stdatomic.h>
#include <plugins/plugin.h>
#include <rte_ethdev.h>
#include <rte_graph.h>

/** Nodes that may be offered.  Edge 0 is drop, edge i + 1 the i-th node offered. */
#define VMHEAP_MAX_RX_NODES 15

typedef struct {
	char name[RTE_ETH_NAME_MAX_LEN]; /* as people and configurations say it */
	u16 port_id;                     /* DPDK's; also mbuf->port of what it receives */
	u16 n_rx_queues, n_tx_queues;
	int numa_node;
	char tx_node[RTE_NODE_NAMESIZE]; /* packets that arrive at it leave by this port */
	char rx_next[RTE_NODE_NAMESIZE]; /* node that gets what the port receives */
	char rx_owner[32];               /* who chose it; "" nobody did */
	char rx_via[RTE_NODE_NAMESIZE];  /* node in between, "" none */
} vmheap_port_t;

/** Register a port; the struct is copied.  @return 0; -EINVAL no name, or an id out of range;
 *  -EEXIST id or name is taken. */
CLIB_EXPORT int vmheap_port_add(const vmheap_port_t *port);
/** @return 0 or -ENODEV. */
CLIB_EXPORT int vmheap_port_remove(u16 port_id);

/** NULL when there is no such port. */
CLIB_EXPORT const vmheap_port_t *vmheap_port(u16 port_id);
CLIB_EXPORT const vmheap_port_t *vmheap_port_by_name(const char *name);

/** The next word of an input, a port's name, as a const vmheap_port_t **.  0 when it is none, the
 *  input is then before the word. */
CLIB_EXPORT unformat_function_t unformat_vmheap_port;

/** Offer a node to all ports; once or often.  @return 0; -EINVAL name; -EBUSY rx nodes have their
 *  edges already; -ENOSPC VMHEAP_MAX_RX_NODES are offered. */
CLIB_EXPORT int vmheap_port_offer_rx_node(const char *node_name);

/**
 * Send what a port receives to a node, which is offered thereby.  Takes effect at once.
 * @return 0; -ENODEV no such port; -EINVAL a name that is empty or too long; -EBUSY another owner
 *         has it, vmheap_port(port_id)->rx_owner says who; -ENOENT workers run and the node was
 *         never offered; -ENOSPC.
 */
CLIB_EXPORT int vmheap_port_set_rx_next(u16 port_id, const char *node_name, const char *owner);
/** Where its packets go while nobody has the port.  Errors as above; not -EBUSY. */
CLIB_EXPORT int vmheap_port_set_rx_default(u16 port_id, const char *node_name, const char *owner);
/** The owner leaves the port to its default.  @return 0; -ENODEV; -EINVAL it has not got it. */
CLIB_EXPORT int vmheap_port_clear_rx_next(u16 port_id, const char *owner);

/** Put a node between, NULL: none.  @return 0; -ENODEV; -ENOENT it was never offered. */
CLIB_EXPORT int vmheap_port_set_rx_via(u16 port_id, const char *node_name);

/**
 * Lead edges from a node to drop and to all nodes offered, in the order of the edge numbers.  For
 * nodes that pass on what ports received, in GRAPH_INIT.
 * @return 0; -ENOENT, a node offered does not exist, *missing is its name; -ENOMEM.
 */
CLIB_EXPORT int vmheap_port_add_rx_edges(rte_node_t id, const char **missing);

/** Edge to take, by port: first for rx nodes, then for a node in between. */
CLIB_EXPORT_EXTERN _Atomic u16 vmheap_port_rx_edge[RTE_MAX_ETHPORTS];
CLIB_EXPORT_EXTERN _Atomic u16 vmheap_port_next_edge[RTE_MAX_ETHPORTS];

/** Calls fn for each port, ids ascending, until it returns nonzero. */
CLIB_EXPORT void vmheap_port_foreach(int (*fn)(const vmheap_port_t *port, void *arg), void *arg);

#endif
