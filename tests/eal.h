/* SPDX-License-Identifier: Apache-2.0 */
/* eal: DPDK's environment in a test program: no hugepages, no PCI, no files that another program
 * could meet.  Once a process: rte_eal_init() cannot be called again. */
#ifndef included_tests_eal_h
#define included_tests_eal_h

#include <sched.h>
#include <stdio.h>
#include <unistd.h>
#include <vppinfra/clib.h>
#include <rte_eal.h>
#include <rte_errno.h>

/* DPDK's libraries are not built for ThreadSanitizer: what they do themselves is not ours to
 * judge.  (race:librte_eal.so would be too much: it is at the bottom of each worker's stack.)
 * How they hand memory over is hidden from it, too: a test gives each worker its own mempool. */
#if defined(__SANITIZE_THREAD__)
#	define EAL_IS_UNDER_TSAN 1
#elif defined(__has_feature)
#	if __has_feature(thread_sanitizer)
#		define EAL_IS_UNDER_TSAN 1
#	endif
#endif
#ifdef EAL_IS_UNDER_TSAN
const char *__tsan_default_suppressions(void);
const char *
__tsan_default_suppressions(void)
{
	return "called_from_lib:librte_eal.so\n"
	       "called_from_lib:librte_graph.so\n"
	       "called_from_lib:librte_mempool.so\n";
}
#endif

/**
 * Bring EAL up with a main lcore 0 and worker lcores 1 ... n_workers, spread over the CPUs that
 * this process may use (several lcores share one when there are fewer).
 *
 * @param n_workers  at most 8
 * @param megabytes  of EAL's own memory; 0: 64
 * @param extra      one more EAL argument, "--vdev=net_null0"; NULL: none
 * @return 0, or -1 with a line that says why
 */
static inline int
eal_up(u32 n_workers, u32 megabytes, const char *extra)
{
	static char lcores[256], prefix[64], memory[16];
	static char *argv[16];
	int cpus[64], n_cpus = 0, n = 0, argc = 0;
	cpu_set_t set;

	CPU_ZERO(&set);
	sched_getaffinity(0, sizeof(set), &set);
	for (int c = 0; c < CPU_SETSIZE && n_cpus < (int)ARRAY_LEN(cpus); c++)
		if (CPU_ISSET(c, &set))
			cpus[n_cpus++] = c;
	for (u32 l = 0; l <= n_workers && l <= 8; l++)
		n += snprintf(lcores + n, sizeof(lcores) - (size_t)n, "%s%u@%d", l ? "," : "", l,
			      cpus[l % (u32)n_cpus]);
	/* Unique: tests run at the same time as each other and as other DPDK programs. */
	snprintf(prefix, sizeof(prefix), "vmheap-test-%d", (int)getpid());
	snprintf(memory, sizeof(memory), "%u", megabytes ? megabytes : 64);

	argv[argc++] = (char *)"test";
	argv[argc++] = (char *)"--lcores";
	argv[argc++] = lcores;
	argv[argc++] = (char *)"--file-prefix";
	argv[argc++] = prefix;
	argv[argc++] = (char *)"-m";
	argv[argc++] = memory;
	argv[argc++] = (char *)"--no-huge";
	argv[argc++] = (char *)"--no-shconf";
	argv[argc++] = (char *)"--no-pci";
	argv[argc++] = (char *)"--no-telemetry";
	argv[argc++] = (char *)"--log-level=*:error";
	if (extra)
		argv[argc++] = (char *)extra;
	if (rte_eal_init(argc, argv) >= 0)
		return 0;
	fprintf(stderr, "rte_eal_init: %s\n", rte_strerror(rte_errno));
	return -1;
}

static inline void
eal_down(void)
{
	rte_eal_cleanup();
}

#endif
