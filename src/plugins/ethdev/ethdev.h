/* SPDX-License-Identifier: Apache-2.0 */
/* ethdev: every port of DPDK, as graph nodes.  Shared by this folder's files.
 *
 *   config.c   dpdk { dev ... }            device.c  configure, start, stop, close
 *   rx.c       ethdev-rx-P-Q, sources      tx.c      ethdev-tx-P
 *   cli.c      show interface, clear interface
 *
 * Queues.  A port gets as many rx queues as the device has, but no more than there are workers;
 * queue q of port p is polled by worker (p + q) mod workers.  It gets one tx queue a worker; where
 * the device has fewer, workers share a queue under a spinlock. */
#ifndef included_ethdev_h
#define included_ethdev_h

#include <stdatomic.h>
#include <plugins/framework/port.h>
#include <plugins/pool/pktpool.h>
#include <vppinfra/vec.h>

#define ETHDEV_RX_NODE "ethdev-rx"
#define ETHDEV_TX_NODE "ethdev-tx"

/** The one driver that needs to be known: it passes buffers on as they are, and keeps them. */
#define RING_DRIVER "net_ring"

/** Numbers of `dev X { ... }`; 0 is "not given". */
typedef struct {
	u16 n_rx_queues, n_tx_queues;
	u16 n_rx_desc, n_tx_desc;
	char *name; /* NUL-terminated vector, how people call the port; NULL: as the device */
} ethdev_params_t;

typedef struct {
	char *device; /* NUL-terminated vector: "net_null0", "0000:02:00.0" */
	ethdev_params_t params;
	u8 is_found;
} ethdev_dev_t;

typedef struct {
	ethdev_params_t defaults;
	ethdev_dev_t *devs; /* vector */
} ethdev_config_t;

/** A port that runs. */
typedef struct {
	u16 port_id;
	u16 n_rx_queues, n_tx_queues, n_rx_desc, n_tx_desc;
	u8 tx_is_shared; /* fewer tx queues than workers */
	u8 is_mapped;    /* pools are mapped for the device's DMA */
} ethdev_port_t;

/** What a worker counts of its own at a port's tx node: one writer, a line. */
typedef struct {
	_Alignas(CLIB_CACHE_LINE_BYTES) _Atomic u64 n_drops;
	u64 n_drops_cleared; /* main lcore: value at the last clear */
} ethdev_tx_counters_t;

typedef struct {
	_Alignas(CLIB_CACHE_LINE_BYTES) _Atomic u32 lock;
} ethdev_tx_lock_t;

typedef struct {
	ethdev_config_t config;
	ethdev_port_t *ports; /* vector, ids ascending */
	u32 n_workers;

	/* By lcore; a lcore that is no worker counts as the last one + 1. */
	u16 worker_of_lcore[RTE_MAX_LCORE];
	u16 n_tx_queues[RTE_MAX_ETHPORTS];
	/* Vectors by port id * (n_workers + 1) + worker, and by port id * n_workers + queue (only
	 * where a port shares queues; NULL otherwise). */
	ethdev_tx_counters_t *tx_counters;
	ethdev_tx_lock_t *tx_locks[RTE_MAX_ETHPORTS];
} ethdev_main_t;

extern ethdev_main_t ethdev_main;

/* device.c */

/** Start one port.  @return NULL, or what failed; the port is closed then. */
clib_error_t *ethdev_port_start(u16 port_id, const ethdev_params_t *params, ethdev_port_t *port);
/** Take out what the device still holds for us (rings, capture files).  Workers have stopped. */
void ethdev_port_drain(const ethdev_port_t *port);
void ethdev_port_stop(const ethdev_port_t *port);

/* rx.c, tx.c */
clib_error_t *ethdev_rx_graph_init(void);
clib_error_t *ethdev_tx_graph_init(void);
int ethdev_tx_init(void);
void ethdev_tx_exit(void);
/** Packets dropped because a port's queue was full, since the last clear. */
u64 ethdev_tx_drops(u16 port_id);
void ethdev_tx_clear(u16 port_id);

#endif
