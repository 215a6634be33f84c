/* SPDX-License-Identifier: Apache-2.0 */
/* rte_malloc for bench_malloc: a module of its own, loaded by the worker that measures it. */
#include "bench_malloc_clock.h"
#include "bench_malloc.h"

#include <rte_eal.h>
#include <rte_malloc.h>

/* EAL without devices; memory in 4K pages, or in huge ones: those of 1G first, if there are any. */
static int
dpdk_start(bench_page_t page, int n_threads)
{
	static char prefix[32], lcores[16];
	char *argv[16];
	int n = 0;

	(void)n_threads;
	snprintf(prefix, sizeof(prefix), "vmheap-bench-%d", (int)getpid());
	snprintf(lcores, sizeof(lcores), "0@%d", sched_getcpu());
	argv[n++] = (char *)"bench";
	argv[n++] = (char *)"--lcores";
	argv[n++] = lcores;
	argv[n++] = (char *)"--file-prefix";
	argv[n++] = prefix;
	argv[n++] = (char *)"--no-pci";
	argv[n++] = (char *)"--no-telemetry";
	argv[n++] = (char *)"--log-level=*:error";
	if (page == BENCH_PAGE_2M || page == BENCH_PAGE_1G)
		argv[n++] = (char *)"--in-memory";
	else {
		argv[n++] = (char *)"--no-huge";
		argv[n++] = (char *)"--no-shconf";
		argv[n++] = (char *)"-m";
		argv[n++] = (char *)"2048";
	}
	return rte_eal_init(n, argv) < 0 ? -ENOMEM : 0;
}

#define LOOPS(name) dpdk_##name
#define START dpdk_start
#define TRIM NULL
#define ALLOC(n) rte_malloc(NULL, (n), 0)
#define FREE(p) rte_free(p)
#define RESIZE(p, n_old, n) rte_realloc((p), (n), 0)
#include "bench_malloc_loops.h"

const bench_loops_t *bench_rte_malloc_loops(void);

/* What the worker looks for in the module. */
const bench_loops_t *
bench_rte_malloc_loops(void)
{
	return &dpdk_loops;
}
