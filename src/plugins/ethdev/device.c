/* SPDX-License-Identifier: Apache-2.0 */
/* Configure, start and stop ports; the plugin's init and exit. */
#include "ethdev.h"

#include <stdio.h>
#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_malloc.h>
#include <rte_memory.h>
#include <plugins/framework/drop.h>
#include <plugins/framework/framework.h>

#define DEFAULT_N_DESC 1024
/* What a ring holds at most by default, in bursts; a device that makes packets never runs dry. */
#define N_DRAIN_BURSTS 1024
#define DRAIN_BURST 64

ethdev_main_t ethdev_main;

VMHEAP_PLUGIN_REGISTER(.name = "ethdev", .version = VMHEAP_VERSION,
		       .description = "DPDK ports as graph nodes", .requires = "buffer");

/* ---- DMA ---- */

/* A device behind an IOMMU reaches only what is mapped for it; DPDK does that for its own memory,
 * not for ours.  Others (every virtual device) say ENOTSUP, or nothing. */
typedef struct {
	struct rte_device *dev;
	int unmap;
	int error;
} dma_t;

/* As the pool announced the page to DPDK: asking the system anew costs 10 us a page and port. */
static rte_iova_t
iova_of(uword at)
{
	const struct rte_memseg *seg = rte_mem_virt2memseg((void *)at, NULL);

	return seg ? seg->iova : RTE_BAD_IOVA;
}

static int
dma_piece(dma_t *d, uword start, uword n_bytes, uword page_bytes)
{
	uword step = rte_eal_iova_mode() == RTE_IOVA_VA ? n_bytes : page_bytes;

	for (uword at = start; at < start + n_bytes; at += step) {
		rte_iova_t iova = iova_of(at);
		int rc = d->unmap ? rte_dev_dma_unmap(d->dev, (void *)at, iova, step)
				  : rte_dev_dma_map(d->dev, (void *)at, iova, step);

		if (rc && !d->unmap && rte_errno != ENOTSUP) {
			d->error = -rte_errno;
			return 1;
		}
		if (rc)
			break;
	}
	return 0;
}

static int
dma_pool(pktpool_t *pool, void *arg)
{
	uword start, n_bytes;
	pktpool_info_t info;

	pktpool_get_info(pool, &info);
	for (u32 i = 0; !pktpool_extent(pool, i, &start, &n_bytes); i++)
		if (dma_piece(arg, start, n_bytes, 1ULL << info.log2_page_size))
			return 1;
	return 0;
}

/* A pool grows or shrinks while ports run. */
static int
dma_extent(pktpool_t *pool, uword start, uword n_bytes, int is_coming, void *arg)
{
	pktpool_info_t pool_info;
	dma_t d = { 0 };
	ethdev_port_t *p;

	pktpool_get_info(pool, &pool_info);
	vec_foreach (p, ethdev_main.ports) {
		struct rte_eth_dev_info info;

		if (!p->is_mapped || rte_eth_dev_info_get(p->port_id, &info) || !info.device)
			continue;
		d.dev = info.device;
		d.unmap = !is_coming;
		if (dma_piece(&d, start, n_bytes, 1ULL << pool_info.log2_page_size))
			break;
	}
	/* What has been mapped before one refused. */
	if (d.error)
		dma_extent(pool, start, n_bytes, 0, arg);
	return d.error;
}

static int
map_pools(u16 port_id, int unmap)
{
	struct rte_eth_dev_info info;
	dma_t d = { .unmap = unmap };

	if (rte_eth_dev_info_get(port_id, &info) || !info.device)
		return 0;
	d.dev = info.device;
	pktpool_foreach(dma_pool, &d);
	return d.error;
}

/* ---- one port ---- */

static u16
choose_count(u16 asked, u32 preferred, u16 max)
{
	return (u16)clib_max(clib_min(asked ? asked : preferred, (u32)max), 1u);
}

static int
configure(u16 port_id, const struct rte_eth_dev_info *info, ethdev_port_t *port)
{
	struct rte_eth_conf conf = { 0 };
	int rc;

	if (port->n_rx_queues > 1 && info->flow_type_rss_offloads) {
		conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
		conf.rx_adv_conf.rss_conf.rss_hf =
			info->flow_type_rss_offloads &
			(RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP);
	}
	conf.txmode.offloads = info->tx_offload_capa & RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
	rc = rte_eth_dev_configure(port_id, port->n_rx_queues, port->n_tx_queues, &conf);
	if (rc && port->n_rx_queues != port->n_tx_queues) {
		/* net_tap wants as many of the one as of the other. */
		port->n_rx_queues = port->n_tx_queues =
			clib_min(port->n_rx_queues, port->n_tx_queues);
		if (port->n_rx_queues == 1)
			conf.rxmode.mq_mode = RTE_ETH_MQ_RX_NONE;
		rc = rte_eth_dev_configure(port_id, port->n_rx_queues, port->n_tx_queues, &conf);
	}
	return rc;
}

static clib_error_t *
setup_queues(u16 port_id, pktpool_t *pool, const struct rte_eth_dev_info *info,
	     const ethdev_port_t *port)
{
	int socket = rte_eth_dev_socket_id(port_id), rc;

	for (u16 q = 0; q < port->n_rx_queues; q++) {
		rc = rte_eth_rx_queue_setup(port_id, q, port->n_rx_desc, (unsigned int)socket,
					    &info->default_rxconf, pktpool_mempool(pool));
		if (rc)
			return clib_error_return_code(0, rc, 0, "rx queue %u of %u descriptors: %s",
						      q, port->n_rx_desc, rte_strerror(-rc));
	}
	for (u16 q = 0; q < port->n_tx_queues; q++) {
		rc = rte_eth_tx_queue_setup(port_id, q, port->n_tx_desc, (unsigned int)socket,
					    &info->default_txconf);
		if (rc)
			return clib_error_return_code(0, rc, 0, "tx queue %u of %u descriptors: %s",
						      q, port->n_tx_desc, rte_strerror(-rc));
	}
	return NULL;
}

static clib_error_t *
start(u16 port_id, const ethdev_params_t *params, ethdev_port_t *port)
{
	ethdev_main_t *em = &ethdev_main;
	struct rte_eth_dev_info info;
	clib_error_t *error;
	pktpool_t *pool;
	int rc = rte_eth_dev_info_get(port_id, &info);

	if (rc)
		return clib_error_return_code(0, rc, 0, "no device info: %s", rte_strerror(-rc));
	pool = pktpool_by_node(clib_max(rte_eth_dev_socket_id(port_id), 0));
	if (!pool)
		return clib_error_return(0, "there is no buffer pool to receive into");
	port->port_id = port_id;
	port->n_rx_queues = choose_count(params->n_rx_queues, em->n_workers, info.max_rx_queues);
	port->n_tx_queues = choose_count(params->n_tx_queues, em->n_workers, info.max_tx_queues);
	port->n_rx_desc = params->n_rx_desc ? params->n_rx_desc : DEFAULT_N_DESC;
	port->n_tx_desc = params->n_tx_desc ? params->n_tx_desc : DEFAULT_N_DESC;
	rc = configure(port_id, &info, port);
	if (rc)
		return clib_error_return_code(0, rc, 0, "%u rx and %u tx queues: %s",
					      port->n_rx_queues, port->n_tx_queues,
					      rte_strerror(-rc));
	rc = rte_eth_dev_adjust_nb_rx_tx_desc(port_id, &port->n_rx_desc, &port->n_tx_desc);
	if (rc)
		return clib_error_return_code(0, rc, 0, "descriptors: %s", rte_strerror(-rc));
	error = setup_queues(port_id, pool, &info, port);
	if (error)
		return error;
	rc = map_pools(port_id, 0);
	if (rc)
		return clib_error_return_code(0, rc, 0, "mapping buffers for its DMA: %s",
					      rte_strerror(-rc));
	port->is_mapped = 1;
	rc = rte_eth_dev_start(port_id);
	if (rc)
		return clib_error_return_code(0, rc, 0, "start: %s", rte_strerror(-rc));
	port->tx_is_shared = port->n_tx_queues < em->n_workers;
	/* Not every device can, and those that cannot see every packet anyway. */
	rte_eth_promiscuous_enable(port_id);
	rte_eth_dev_set_link_up(port_id);
	return NULL;
}

clib_error_t *
ethdev_port_start(u16 port_id, const ethdev_params_t *params, ethdev_port_t *port)
{
	char device[RTE_ETH_NAME_MAX_LEN] = "?";
	clib_error_t *error;

	memset(port, 0, sizeof(*port));
	rte_eth_dev_get_name_by_port(port_id, device);
	error = start(port_id, params, port);
	if (!error)
		return NULL;
	if (port->is_mapped)
		map_pools(port_id, 1);
	rte_eth_dev_close(port_id);
	return clib_error_return(error, "port %s", device);
}

/* net_ring frees its rings at close, but not what is in them; rings that we send to and do not
 * receive from are reached by asking for more rx queues. */
static u16
open_all_rings(const ethdev_port_t *port)
{
	struct rte_eth_dev_info info;
	struct rte_eth_conf conf = { 0 };
	u16 id = port->port_id;

	if (rte_eth_dev_info_get(id, &info) || strcmp(info.driver_name, RING_DRIVER) ||
	    info.max_rx_queues <= port->n_rx_queues)
		return port->n_rx_queues;
	rte_eth_dev_stop(id);
	if (rte_eth_dev_configure(id, info.max_rx_queues, port->n_tx_queues, &conf))
		return 0;
	for (u16 q = 0; q < info.max_rx_queues; q++)
		rte_eth_rx_queue_setup(id, q, port->n_rx_desc, SOCKET_ID_ANY, NULL,
				       pktpool_mempool(pktpool_by_node(0)));
	for (u16 q = 0; q < port->n_tx_queues; q++)
		rte_eth_tx_queue_setup(id, q, port->n_tx_desc, SOCKET_ID_ANY, NULL);
	return rte_eth_dev_start(id) ? 0 : info.max_rx_queues;
}

void
ethdev_port_drain(const ethdev_port_t *port)
{
	struct rte_mbuf *mbufs[DRAIN_BURST];
	u16 n_rx_queues = open_all_rings(port);

	for (u16 q = 0; q < n_rx_queues; q++) {
		for (u32 i = 0; i < N_DRAIN_BURSTS; i++) {
			u16 n = rte_eth_rx_burst(port->port_id, q, mbufs, DRAIN_BURST);

			if (!n)
				break;
			rte_pktmbuf_free_bulk(mbufs, n);
		}
	}
	for (u16 q = 0; q < port->n_tx_queues; q++)
		rte_eth_tx_done_cleanup(port->port_id, q, 0);
}

void
ethdev_port_stop(const ethdev_port_t *port)
{
	rte_eth_dev_stop(port->port_id);
	map_pools(port->port_id, 1);
	rte_eth_dev_close(port->port_id);
}

/* ---- all ports ---- */

/* What `dev X` says of this port, over what `dev default` says. */
static ethdev_params_t
params_of(const char *device)
{
	ethdev_params_t p = ethdev_main.config.defaults;
	ethdev_dev_t *d;

	vec_foreach (d, ethdev_main.config.devs) {
		if (strcmp(d->device, device))
			continue;
		d->is_found = 1;
		if (d->params.n_rx_queues)
			p.n_rx_queues = d->params.n_rx_queues;
		if (d->params.n_tx_queues)
			p.n_tx_queues = d->params.n_tx_queues;
		if (d->params.n_rx_desc)
			p.n_rx_desc = d->params.n_rx_desc;
		if (d->params.n_tx_desc)
			p.n_tx_desc = d->params.n_tx_desc;
		p.name = d->params.name;
	}
	return p;
}

static clib_error_t *
add_port(u16 port_id)
{
	ethdev_main_t *em = &ethdev_main;
	vmheap_port_t p = { .port_id = port_id, .rx_next = VMHEAP_DROP_NODE };
	ethdev_params_t params;
	clib_error_t *error;
	ethdev_port_t port;
	int rc;

	rte_eth_dev_get_name_by_port(port_id, p.name);
	params = params_of(p.name);
	error = ethdev_port_start(port_id, &params, &port);
	if (error)
		return error;
	if (params.name)
		snprintf(p.name, sizeof(p.name), "%s", params.name);
	p.n_rx_queues = port.n_rx_queues;
	p.n_tx_queues = port.n_tx_queues;
	p.numa_node = rte_eth_dev_socket_id(port_id);
	snprintf(p.tx_node, sizeof(p.tx_node), ETHDEV_TX_NODE "-%u", port_id);
	rc = vmheap_port_add(&p);
	if (!rc && vec_add1(em->ports, port)) {
		vmheap_port_remove(port_id);
		rc = -ENOMEM;
	}
	if (rc) {
		ethdev_port_stop(&port);
		return clib_error_return_code(0, rc, 0, "port %s: %s", p.name,
					      rc == -EEXIST ? "another port has this name"
							    : strerror(-rc));
	}
	em->n_tx_queues[port_id] = port.n_tx_queues;
	return NULL;
}

static clib_error_t *
ethdev_init(void)
{
	ethdev_main_t *em = &ethdev_main;
	ethdev_dev_t *d;
	u32 n_failed = 0;
	u16 port_id;

	em->n_workers = vmheap_n_workers();
	for (u32 i = 0; i < RTE_MAX_LCORE; i++)
		em->worker_of_lcore[i] = (u16)clib_min(vmheap_worker_of_lcore(i), em->n_workers);
	RTE_ETH_FOREACH_DEV(port_id)
	{
		clib_error_t *error = add_port(port_id);

		if (error) {
			n_failed++;
			vmheap_log("%U", format_clib_error, error);
			clib_error_free(error);
		}
	}
	vec_foreach (d, em->config.devs)
		if (!d->is_found)
			vmheap_log("dpdk { dev %s }: there is no such port", d->device);
	pktpool_set_extent_hook(dma_extent, NULL);
	if (n_failed && !vec_len(em->ports))
		return clib_error_return(0, "none of %u ports could be started", n_failed);
	if (ethdev_tx_init())
		return clib_error_return(0, "counters of %u ports: no memory", vec_len(em->ports));
	return NULL;
}
VMHEAP_INIT_FUNCTION(ethdev_init, .runs_after = "buffer_init");

static clib_error_t *
ethdev_graph_init(void)
{
	clib_error_t *error = ethdev_tx_graph_init();

	return error ? error : ethdev_rx_graph_init();
}
VMHEAP_GRAPH_INIT_FUNCTION(ethdev_graph_init);

static clib_error_t *
ethdev_exit(void)
{
	ethdev_main_t *em = &ethdev_main;
	ethdev_port_t *p;
	ethdev_dev_t *d;

	pktpool_set_extent_hook(NULL, NULL);
	/* All are drained before any is closed: one port's tx ring may be another's rx ring. */
	vec_foreach (p, em->ports)
		ethdev_port_drain(p);
	vec_foreach (p, em->ports) {
		ethdev_port_stop(p);
		vmheap_port_remove(p->port_id);
	}
	vec_free(em->ports);
	vec_foreach (d, em->config.devs) {
		vec_free(d->device);
		vec_free(d->params.name);
	}
	vec_free(em->config.devs);
	ethdev_tx_exit();
	return NULL;
}
VMHEAP_EXIT_FUNCTION(ethdev_exit, .runs_before = "buffer_exit");
