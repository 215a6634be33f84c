/* SPDX-License-Identifier: Apache-2.0 */
/* One line a pool.  Lost is what is neither in the depot, nor in magazines, nor in DPDK's caches
 * when the program says that it has done: it may still be in a device's ring, too. */
#include "driver.h"

#include <stdio.h>

void
driver_report_pool(struct rte_mempool *mp)
{
	pktpool_t *pool = pktpool_of_mempool(mp);
	u32 n_in_caches, n_free;
	pktpool_info_t info;

	if (!pool)
		return;
	pktpool_get_info(pool, &info);
	n_in_caches = pktpool_foreign_n_in_caches(mp);
	n_free = clib_min(info.n_depot + info.n_cached + n_in_caches, mp->populated_size);
	fprintf(stderr,
		"vmheap: pool %s: %u buffers, %u lost (%u in the depot, %u in magazines, %u in "
		"DPDK's caches), exchanges %lu, refusals %lu, reclaims %lu, bad puts %lu\n",
		mp->name, mp->populated_size, mp->populated_size - n_free, info.n_depot,
		info.n_cached, n_in_caches, (unsigned long)info.n_misses,
		(unsigned long)info.n_failures, (unsigned long)info.n_reclaims,
		(unsigned long)info.n_bad_puts);
}

static int
report_one(pktpool_t *pool, void *arg)
{
	driver_report_pool(pktpool_mempool(pool));
	return 0;
}

void
driver_report_all(void)
{
	pktpool_foreach(report_one, NULL);
}
