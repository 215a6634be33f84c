/* SPDX-License-Identifier: Apache-2.0 */
/* ethdev-rx-P-Q: a source that polls queue Q of port P.  What arrives goes on as it is, the whole
 * stream moved to the one next node that somebody chose for the port at that moment. */
#include "ethdev.h"

#include <stdio.h>
#include <rte_graph_worker.h>
#include <plugins/framework/drop.h>

#define RX_BURST RTE_GRAPH_BURST_SIZE

typedef struct {
	u16 port_id, queue;
	u8 sets_port; /* the driver leaves mbuf->port as it was */
} rx_ctx_t;

STATIC_ASSERT(sizeof(rx_ctx_t) <= RTE_NODE_CTX_SZ, "fits the node's context");

static int
rx_node_init(const struct rte_graph *graph, struct rte_node *node)
{
	rx_ctx_t *ctx = (rx_ctx_t *)node->ctx;
	struct rte_eth_dev_info info;
	unsigned int port_id, queue;

	if (sscanf(node->name, ETHDEV_RX_NODE "-%u-%u", &port_id, &queue) != 2)
		return -EINVAL;
	ctx->port_id = (u16)port_id;
	ctx->queue = (u16)queue;
	/* A ring hands over what somebody else wrote. */
	ctx->sets_port = !rte_eth_dev_info_get(ctx->port_id, &info) && info.driver_name &&
			 !strcmp(info.driver_name, RING_DRIVER);
	return 0;
}

static u16
rx_process(struct rte_graph *graph, struct rte_node *node, void **objs, u16 n_objs)
{
	const rx_ctx_t *ctx = (const rx_ctx_t *)node->ctx;
	u16 n = rte_eth_rx_burst(ctx->port_id, ctx->queue, (struct rte_mbuf **)node->objs,
				 clib_min(node->size, (u16)RX_BURST));

	if (!n)
		return 0;
	if (PREDICT_FALSE(ctx->sets_port))
		for (u32 i = 0; i < n; i++)
			((struct rte_mbuf *)node->objs[i])->port = ctx->port_id;
	node->idx = n;
	/* Acquire: what the next node finds about this port, with the release of who chose it. */
	rte_node_next_stream_move(
		graph, node,
		atomic_load_explicit(&vmheap_port_rx_edge[ctx->port_id], memory_order_acquire));
	return n;
}

static struct rte_node_register ethdev_rx = {
	.name = ETHDEV_RX_NODE,
	.flags = RTE_NODE_SOURCE_F,
	.process = rx_process,
	.init = rx_node_init,
	.nb_edges = 1,
	.next_nodes = { VMHEAP_DROP_NODE },
};
RTE_NODE_REGISTER(ethdev_rx)

static clib_error_t *
add_queue(const vmheap_port_t *port, u16 queue)
{
	const char *missing = "";
	char suffix[RTE_NODE_NAMESIZE], name[RTE_NODE_NAMESIZE];
	u32 worker = (port->port_id + queue) % ethdev_main.n_workers;
	rte_node_t id;
	int rc;

	snprintf(suffix, sizeof(suffix), "%u-%u", port->port_id, queue);
	snprintf(name, sizeof(name), ETHDEV_RX_NODE "-%u-%u", port->port_id, queue);
	id = rte_node_clone(ethdev_rx.id, suffix);
	if (id == RTE_NODE_ID_INVALID)
		return clib_error_return(0, "port %s: node %s cannot be made", port->name, name);
	rc = vmheap_port_add_rx_edges(id, &missing);
	if (rc)
		return clib_error_return_code(0, rc, 0, "port %s: edges of %s: %s%s", port->name,
					      name,
					      rc == -ENOENT ? "there is no node " : "no memory",
					      rc == -ENOENT ? missing : "");
	rc = vmheap_worker_add_source(worker, name);
	if (rc)
		return clib_error_return_code(0, rc, 0, "port %s: worker %u does not take %s: %s",
					      port->name, worker, name, strerror(-rc));
	return NULL;
}

clib_error_t *
ethdev_rx_graph_init(void)
{
	ethdev_port_t *p;

	if (!ethdev_main.n_workers && vec_len(ethdev_main.ports))
		return clib_error_return(0, "ports need a worker: cpu { workers 1 }");
	vec_foreach (p, ethdev_main.ports) {
		for (u16 q = 0; q < p->n_rx_queues; q++) {
			clib_error_t *error = add_queue(vmheap_port(p->port_id), q);

			if (error)
				return error;
		}
	}
	return NULL;
}
