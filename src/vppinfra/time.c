/* SPDX-License-Identifier: Apache-2.0 */
#include <vppinfra/time.h>

#include <pthread.h>
#include <sys/resource.h>
#include <time.h>

#define VERIFY_INTERVAL_SECONDS 16
/* A clock is steered by at most a thousandth of its rate. */
#define MAX_STEER 1e-3
/* Reading a clock takes some 50 ns, so 5 ms give the rate to about 20 parts in a million; the
 * first look at the system's clock then corrects the rest. */
#define MEASURE_NS 5000000ull

static f64 clock_frequency;
static pthread_once_t clock_once = PTHREAD_ONCE_INIT;

static u64
clock_ns(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (u64)ts.tv_sec * 1000000000ull + (u64)ts.tv_nsec;
}

/* Counter and monotonic clock at the same moment: of a few tries, the one that was interrupted
 * least. */
static u64
read_both(u64 *ns)
{
	u64 best = ~0ull, at = clib_cpu_time_now();

	*ns = clock_ns(CLOCK_MONOTONIC);
	for (int i = 0; i < 4; i++) {
		u64 before = clib_cpu_time_now(), t = clock_ns(CLOCK_MONOTONIC);
		u64 took = clib_cpu_time_now() - before;

		if (took < best) {
			best = took;
			at = before + took / 2;
			*ns = t;
		}
	}
	return at;
}

static void
measure_frequency(void)
{
	u64 ns0, ns1, t0 = read_both(&ns0), t1;

	do
		t1 = read_both(&ns1);
	while (ns1 - ns0 < MEASURE_NS);
	clock_frequency = (f64)(t1 - t0) * 1e9 / (f64)(ns1 - ns0);
}

f64
os_cpu_clock_frequency(void)
{
	pthread_once(&clock_once, measure_frequency);
	return clock_frequency;
}

void
clib_time_init(clib_time_t *c)
{
	u64 ns;

	memset(c, 0, sizeof(*c));
	c->clocks_per_second = os_cpu_clock_frequency();
	c->seconds_per_clock = 1 / c->clocks_per_second;
	c->verify_interval_clocks = (u64)(VERIFY_INTERVAL_SECONDS * c->clocks_per_second);
	c->init_cpu_time = c->last_cpu_time = c->last_verify_cpu_time = read_both(&ns);
	c->init_reference_time = (f64)ns * 1e-9;
	c->log2_clocks_per_second = (u32)min_log2((uword)c->clocks_per_second);
	c->log2_clocks_per_frequency_verify = (u32)min_log2(c->verify_interval_clocks);
}

void
clib_time_verify_frequency(clib_time_t *c)
{
	u64 ns, n = read_both(&ns);
	f64 reference = (f64)ns * 1e-9 - c->init_reference_time;
	f64 dt = reference - c->last_verify_reference_time, now, steer;

	/* Too short an interval, or a counter that stood still, measures nothing. */
	if (dt < 1e-3 || n <= c->last_verify_cpu_time || n < c->last_cpu_time)
		return;
	now = c->last_verify_time + (f64)(n - c->last_verify_cpu_time) * c->seconds_per_clock;
	steer = clib_clamp((reference - now) / VERIFY_INTERVAL_SECONDS, -MAX_STEER, MAX_STEER);

	c->clocks_per_second = (f64)(n - c->last_verify_cpu_time) / dt / (1 + steer);
	c->seconds_per_clock = 1 / c->clocks_per_second;
	c->last_cpu_time = c->last_verify_cpu_time = n;
	c->last_verify_time = now;
	c->last_verify_reference_time = reference;
	c->total_cpu_time = n - c->init_cpu_time;
}

f64
unix_time_now(void)
{
	return (f64)clock_ns(CLOCK_REALTIME) * 1e-9;
}

u64
unix_time_now_nsec(void)
{
	return clock_ns(CLOCK_REALTIME);
}

void
unix_time_now_nsec_fraction(u32 *sec, u32 *nsec)
{
	u64 ns = clock_ns(CLOCK_REALTIME);

	*sec = (u32)(ns / 1000000000ull);
	*nsec = (u32)(ns % 1000000000ull);
}

f64
unix_usage_now(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (f64)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	       (f64)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1e-6;
}

f64
unix_sleep(f64 dt)
{
	struct timespec ts, left = { 0, 0 };

	if (!(dt > 0))
		return 0;
	ts.tv_sec = (time_t)dt;
	ts.tv_nsec = (long)((dt - (f64)ts.tv_sec) * 1e9);
	return nanosleep(&ts, &left) ? (f64)left.tv_sec + (f64)left.tv_nsec * 1e-9 : 0;
}

u8 *
format_clib_time(u8 *s, va_list *args)
{
	clib_time_t *c = va_arg(*args, clib_time_t *);
	int verbose = va_arg(*args, int);
	f64 now = clib_time_now(c), reference;

	if (!verbose)
		return format(s, "Time now %.6f", now);
	reference = (f64)clock_ns(CLOCK_MONOTONIC) * 1e-9 - c->init_reference_time;
	return format(s, "Time now %.6f, reftime %.6f, error %.6f, clocks/sec %.6f", now, reference,
		      reference - now, c->clocks_per_second);
}
