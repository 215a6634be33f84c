/* SPDX-License-Identifier: Apache-2.0 */
/* vdev: what a driver of DPDK's vdev bus declares.
 *
 * DPDK installs that header only where it was configured with enable_driver_sdk, which Debian's was
 * not; the layout below has been the same from 21.11 on.  The symbol is in librte_bus_vdev. */
#ifndef included_driver_vdev_h
#define included_driver_vdev_h

#include <sys/queue.h>
#include <rte_bus_vdev.h>
#include <rte_dev.h>
#include <rte_devargs.h>
#include <rte_os.h>

#if __has_include(<bus_vdev_driver.h>)
#	include <bus_vdev_driver.h>
#else
struct rte_driver {
	RTE_TAILQ_ENTRY(rte_driver) next;
	const char *name, *alias;
};

struct rte_vdev_device;

struct rte_vdev_driver {
	RTE_TAILQ_ENTRY(rte_vdev_driver) next;
	struct rte_driver driver;
	int (*probe)(struct rte_vdev_device *dev);
	int (*remove)(struct rte_vdev_device *dev);
	int (*dma_map)(struct rte_vdev_device *dev, void *addr, uint64_t iova, size_t len);
	int (*dma_unmap)(struct rte_vdev_device *dev, void *addr, uint64_t iova, size_t len);
	uint32_t drv_flags;
};

void rte_vdev_register(struct rte_vdev_driver *driver);
#endif

/* A vdev is a list entry and the device. */
static inline const struct rte_device *
vdev_device(const struct rte_vdev_device *dev)
{
	return (const struct rte_device *)((const char *)dev + 2 * sizeof(void *));
}

#endif
