/* SPDX-License-Identifier: Apache-2.0 */
/* cpu: the cycle counter, and where the caller runs. */
#ifndef included_vppinfra_cpu_h
#define included_vppinfra_cpu_h

#include <sched.h>
#include <time.h>
#include <vppinfra/clib.h>
#include <vppinfra/march.h>

/** The processor's time stamp: rises steadily at the rate of os_cpu_clock_frequency().  Not
 *  ordered against the instructions around it. */
always_inline u64
clib_cpu_time_now(void)
{
#if defined(__x86_64__)
	return __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
	u64 t;

	__asm__ volatile("mrs %0, cntvct_el0" : "=r"(t));
	return t;
#else
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (u64)ts.tv_sec * 1000000000ull + (u64)ts.tv_nsec;
#endif
}

/** Processor and NUMA node of the caller at this moment; ~0 when the system does not say. */
static inline u32
clib_get_current_cpu_id(void)
{
	unsigned cpu, node;

	return getcpu(&cpu, &node) ? ~0u : cpu;
}

static inline u32
clib_get_current_numa_node(void)
{
	unsigned cpu, node;

	return getcpu(&cpu, &node) ? ~0u : node;
}

#endif
