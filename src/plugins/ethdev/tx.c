/* SPDX-License-Identifier: Apache-2.0 */
/* ethdev-tx-P: hands packets to port P on the worker's queue.  What the device does not take at
 * the second try is dropped and counted: waiting would stop every other port of this worker. */
#include "ethdev.h"

#include <stdio.h>
#include <rte_graph_worker.h>
#include <rte_lcore.h>

typedef struct {
	u16 port_id;
} tx_ctx_t;

STATIC_ASSERT(sizeof(tx_ctx_t) <= RTE_NODE_CTX_SZ, "fits the node's context");

enum { TX_QUEUE_FULL };
static const char *const tx_reasons[] = { "tx queue full" };
static vmheap_error_strings_t tx_errors = { .node = ETHDEV_TX_NODE,
					    .reasons = tx_reasons,
					    .n_reasons = ARRAY_LEN(tx_reasons) };

static int
tx_node_init(const struct rte_graph *graph, struct rte_node *node)
{
	unsigned int port_id;

	if (sscanf(node->name, ETHDEV_TX_NODE "-%u", &port_id) != 1)
		return -EINVAL;
	((tx_ctx_t *)node->ctx)->port_id = (u16)port_id;
	return 0;
}

static void
tx_lock(ethdev_tx_lock_t *l)
{
	/* Acquire: the device's queue as the last worker left it, pairs with tx_unlock(). */
	while (atomic_exchange_explicit(&l->lock, 1, memory_order_acquire))
		while (atomic_load_explicit(&l->lock, memory_order_relaxed))
			CLIB_PAUSE();
}

static void
tx_unlock(ethdev_tx_lock_t *l)
{
	/* Release: our writes to the queue are seen by the next worker. */
	atomic_store_explicit(&l->lock, 0, memory_order_release);
}

static never_inline void
drop(u16 port_id, u32 worker, struct rte_mbuf **mbufs, u32 n)
{
	ethdev_tx_counters_t *c =
		&ethdev_main.tx_counters[port_id * (ethdev_main.n_workers + 1) + worker];

	rte_pktmbuf_free_bulk(mbufs, n);
	vmheap_error_count(&tx_errors, TX_QUEUE_FULL, n);
	atomic_store_explicit(&c->n_drops,
			      atomic_load_explicit(&c->n_drops, memory_order_relaxed) + n,
			      memory_order_relaxed);
}

static u16
tx_process(struct rte_graph *graph, struct rte_node *node, void **objs, u16 n)
{
	u16 port_id = ((const tx_ctx_t *)node->ctx)->port_id;
	u32 worker = ethdev_main.worker_of_lcore[rte_lcore_id()];
	u16 queue = (u16)(worker % ethdev_main.n_tx_queues[port_id]);
	ethdev_tx_lock_t *lock = ethdev_main.tx_locks[port_id];
	struct rte_mbuf **mbufs = (struct rte_mbuf **)objs;
	u16 n_sent;

	if (PREDICT_FALSE(lock != NULL))
		tx_lock(lock + queue);
	n_sent = rte_eth_tx_burst(port_id, queue, mbufs, n);
	if (PREDICT_FALSE(n_sent < n))
		n_sent += rte_eth_tx_burst(port_id, queue, mbufs + n_sent, n - n_sent);
	if (PREDICT_FALSE(lock != NULL))
		tx_unlock(lock + queue);
	if (PREDICT_FALSE(n_sent < n))
		drop(port_id, worker, mbufs + n_sent, n - n_sent);
	return n;
}

static struct rte_node_register ethdev_tx = {
	.name = ETHDEV_TX_NODE,
	.process = tx_process,
	.init = tx_node_init,
};
RTE_NODE_REGISTER(ethdev_tx)

clib_error_t *
ethdev_tx_graph_init(void)
{
	ethdev_port_t *p;

	vec_foreach (p, ethdev_main.ports) {
		char suffix[16];

		snprintf(suffix, sizeof(suffix), "%u", p->port_id);
		if (rte_node_clone(ethdev_tx.id, suffix) == RTE_NODE_ID_INVALID)
			return clib_error_return(
				0, "port %u: node " ETHDEV_TX_NODE "-%u cannot be made", p->port_id,
				p->port_id);
	}
	return NULL;
}

int
ethdev_tx_init(void)
{
	ethdev_main_t *em = &ethdev_main;
	ethdev_port_t *p;
	u32 max_id = 0;
	int rc;

	rc = vmheap_errors_register(&tx_errors);
	if (rc)
		return rc;
	vec_foreach (p, em->ports)
		max_id = clib_max(max_id, (u32)p->port_id);
	rc = vec_validate_aligned(em->tx_counters, (max_id + 1) * (em->n_workers + 1) - 1,
				  CLIB_CACHE_LINE_BYTES);
	vec_foreach (p, em->ports)
		if (!rc && p->tx_is_shared)
			rc = vec_validate_aligned(em->tx_locks[p->port_id], p->n_tx_queues - 1,
						  CLIB_CACHE_LINE_BYTES);
	return rc;
}

void
ethdev_tx_exit(void)
{
	vec_free(ethdev_main.tx_counters);
	for (u32 i = 0; i < RTE_MAX_ETHPORTS; i++)
		vec_free(ethdev_main.tx_locks[i]);
}

u64
ethdev_tx_drops(u16 port_id)
{
	u32 n = ethdev_main.n_workers + 1;
	u64 sum = 0;

	for (u32 i = port_id * n; i < (port_id + 1u) * n && i < vec_len(ethdev_main.tx_counters);
	     i++) {
		ethdev_tx_counters_t *c = &ethdev_main.tx_counters[i];

		sum += atomic_load_explicit(&c->n_drops, memory_order_relaxed) - c->n_drops_cleared;
	}
	return sum;
}

void
ethdev_tx_clear(u16 port_id)
{
	u32 n = ethdev_main.n_workers + 1;

	for (u32 i = port_id * n; i < (port_id + 1u) * n && i < vec_len(ethdev_main.tx_counters);
	     i++) {
		ethdev_tx_counters_t *c = &ethdev_main.tx_counters[i];

		c->n_drops_cleared = atomic_load_explicit(&c->n_drops, memory_order_relaxed);
	}
}
