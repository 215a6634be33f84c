/* SPDX-License-Identifier: Apache-2.0 */
/* Worker w is the w-th EAL worker lcore; EAL keeps the table, it is asked each time. */
#include <plugins/framework/framework_impl.h>

#include <rte_lcore.h>

u32
vmheap_n_workers(void)
{
	u32 lcore, n = 0;

	RTE_LCORE_FOREACH_WORKER (lcore)
		n++;
	return clib_min(n, (u32)VMHEAP_MAX_WORKERS);
}

u32
vmheap_worker_lcore(u32 worker)
{
	u32 lcore, n = 0;

	RTE_LCORE_FOREACH_WORKER (lcore) {
		if (n++ == worker)
			return worker < VMHEAP_MAX_WORKERS ? lcore : ~0u;
	}
	return ~0u;
}

u32
vmheap_worker_of_lcore(u32 wanted)
{
	u32 lcore, n = 0;

	RTE_LCORE_FOREACH_WORKER (lcore) {
		if (lcore == wanted)
			return n < VMHEAP_MAX_WORKERS ? n : ~0u;
		n++;
	}
	return ~0u;
}
