/* SPDX-License-Identifier: Apache-2.0 */
/* What the loops of bench_malloc_loops.h need of the CPU: a clock for one call, a way to wait. */
#ifndef included_perf_bench_malloc_clock_h
#define included_perf_bench_malloc_clock_h

#include <sched.h>
#include <stdatomic.h>
#include "bench.h"

#if defined(__x86_64__)
#	include <x86intrin.h>

/* Nothing of the call before the one read, nor after the other (Paoloni, 2010). */
static inline uint64_t
bench_clock_start(void)
{
	uint64_t t;

	_mm_lfence();
	t = __rdtsc();
	_mm_lfence();
	return t;
}

static inline uint64_t
bench_clock_stop(void)
{
	unsigned cpu;
	uint64_t t = __rdtscp(&cpu);

	_mm_lfence();
	return t;
}

static inline void
bench_pause(void)
{
	_mm_pause();
}
#else
static inline uint64_t
bench_clock_start(void)
{
	return bench_ns();
}

static inline uint64_t
bench_clock_stop(void)
{
	return bench_ns();
}

static inline void
bench_pause(void)
{
}
#endif

/** Spin; where both threads share a CPU, let the other run. */
#define bench_wait_while(condition)                                                                \
	do {                                                                                       \
		for (uint32_t _n = 1; (condition); _n++) {                                         \
			bench_pause();                                                             \
			if (_n % 4096 == 0)                                                        \
				sched_yield();                                                     \
		}                                                                                  \
	} while (0)

#endif
