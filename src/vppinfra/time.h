/* SPDX-License-Identifier: Apache-2.0 */
/* time: seconds from the cycle counter, and the system's clocks.
 *
 * clib_time_now() multiplies cycles; every 16 seconds or so it looks at the system's monotonic
 * clock, measures the counter's rate again and steers towards that clock by changing the rate a
 * little, so time never jumps and never runs backwards. */
#ifndef included_vppinfra_time_h
#define included_vppinfra_time_h

#include <vppinfra/clib.h>
#include <vppinfra/cpu.h>
#include <vppinfra/format.h>

/** A clock of one thread. */
typedef struct {
	/** Counter and time, in seconds since init, at the last look at the system's clock. */
	u64 last_verify_cpu_time;
	f64 last_verify_time;
	/** Counter at init, and at the last clib_time_now(). */
	u64 init_cpu_time, last_cpu_time;
	/** Cycles since init. */
	u64 total_cpu_time;
	/** The rate in use, and its reciprocal. */
	f64 clocks_per_second, seconds_per_clock;
	/** Cycles between two looks. */
	u64 verify_interval_clocks;
	/** The system's monotonic clock at init, and its distance from init at the last look. */
	f64 init_reference_time, last_verify_reference_time;
	/** Floors of the logarithms of the rate and of the cycles between two looks, as of init. */
	u32 log2_clocks_per_second, log2_clocks_per_frequency_verify;
} clib_time_t;

/** Start a clock at 0 seconds.  Cost: the first call in a process measures for 5 ms. */
CLIB_EXPORT void clib_time_init(clib_time_t *c);

/** Look at the system's clock now and steer. */
CLIB_EXPORT void clib_time_verify_frequency(clib_time_t *c);

/** Cycles of clib_cpu_time_now() in a second, as measured once in this process. */
CLIB_EXPORT f64 os_cpu_clock_frequency(void);

/** Seconds since clib_time_init(), for a counter value n read by the caller. */
always_inline f64
clib_time_now_internal(clib_time_t *c, u64 n)
{
	/* Cores' counters may differ by a hair: never go back. */
	if (PREDICT_TRUE((i64)(n - c->last_cpu_time) > 0))
		c->last_cpu_time = n;
	c->total_cpu_time = c->last_cpu_time - c->init_cpu_time;
	if (PREDICT_FALSE(c->last_cpu_time - c->last_verify_cpu_time > c->verify_interval_clocks))
		clib_time_verify_frequency(c);
	return c->last_verify_time +
	       (f64)(c->last_cpu_time - c->last_verify_cpu_time) * c->seconds_per_clock;
}

/** Seconds since clib_time_init(). */
always_inline f64
clib_time_now(clib_time_t *c)
{
	return clib_time_now_internal(c, clib_cpu_time_now());
}

/** Later than any clib_time_now(). */
#define CLIB_TIME_MAX (1.7976931348623157e+308)

/** Spin for n cycles, and for dt seconds. */
always_inline void
clib_cpu_time_wait(u64 n)
{
	u64 start = clib_cpu_time_now();

	while (clib_cpu_time_now() - start < n)
		CLIB_PAUSE();
}

/** Spin for dt seconds. */
always_inline void
clib_local_pause(f64 dt)
{
	if (dt > 0)
		clib_cpu_time_wait((u64)(dt * os_cpu_clock_frequency()));
}

/** (clib_time_t *c, int verbose): seconds now; verbose adds the system's clock, the difference
 *  and the rate.  Verbose does not steer. */
CLIB_EXPORT format_function_t format_clib_time;

/** Seconds and nanoseconds since 1970; they jump when the system's clock is set. */
CLIB_EXPORT f64 unix_time_now(void);
CLIB_EXPORT u64 unix_time_now_nsec(void);
CLIB_EXPORT void unix_time_now_nsec_fraction(u32 *sec, u32 *nsec);

/** Processor seconds, user and system, that this process has used. */
CLIB_EXPORT f64 unix_usage_now(void);

/** Sleep for dt seconds, or until a signal; returns the seconds that were left. */
CLIB_EXPORT f64 unix_sleep(f64 dt);

#endif
