/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <vppinfra/mem.h>
#include <vppinfra/os.h>
#include <vppinfra/random.h>
#include <vppinfra/time.h>
#include "unit.h"

static f64
monotonic_seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (f64)ts.tv_sec + (f64)ts.tv_nsec * 1e-9;
}

/* Time starts at 0, never runs backwards, not even over a look at the system's clock, and passes
 * as that clock does.  (The bounds are wide: it is the agreement that is tested, not the pace.) */
static void
time_rises_with_the_systems_clock(void)
{
	f64 start = monotonic_seconds(), last = 0, now, real;
	int n_back = 0;
	clib_time_t c;

	clib_time_init(&c);
	/* A look each millisecond or so instead of each 16 seconds. */
	c.verify_interval_clocks = (u64)(c.clocks_per_second * 1e-3);
	do {
		now = clib_time_now(&c);
		n_back += now < last;
		last = now;
		real = monotonic_seconds() - start;
	} while (real < 0.1);
	CU_ASSERT_EQUAL(n_back, 0);
	CU_ASSERT_TRUE(last <= real * 1.01);
	CU_ASSERT_TRUE(last > 0);
	CU_ASSERT_EQUAL(c.total_cpu_time, c.last_cpu_time - c.init_cpu_time);
}

/* A counter value from before the last one, another core's say, does not turn time back. */
static void
an_older_counter_is_not_believed(void)
{
	clib_time_t c;
	f64 now;

	clib_time_init(&c);
	now = clib_time_now_internal(&c, c.init_cpu_time + 1000000);
	CU_ASSERT_EQUAL(clib_time_now_internal(&c, c.init_cpu_time + 10), now);
	CU_ASSERT_EQUAL(clib_time_now_internal(&c, c.init_cpu_time - 10), now);
	CU_ASSERT_TRUE(clib_time_now_internal(&c, c.init_cpu_time + 1000001) > now);
}

/* The system's clock in its three spellings. */
static void
unix_time_is_the_systems(void)
{
	time_t before = time(NULL), after;
	u32 sec, nsec;
	u64 ns;
	f64 s;

	s = unix_time_now();
	ns = unix_time_now_nsec();
	unix_time_now_nsec_fraction(&sec, &nsec);
	after = time(NULL);
	/* time() may lag the fine clock by a tick. */
	CU_ASSERT_TRUE(s >= (f64)before && s <= (f64)after + 2);
	CU_ASSERT_TRUE(ns / 1000000000 >= (u64)before && ns / 1000000000 <= (u64)after + 1);
	CU_ASSERT_TRUE(sec >= (u64)before && sec <= (u64)after + 1);
	CU_ASSERT_TRUE(nsec < 1000000000);
	CU_ASSERT_TRUE(unix_usage_now() >= 0);
	CU_ASSERT_EQUAL(unix_sleep(0), 0);
	CU_ASSERT_EQUAL(unix_sleep(-1), 0);
	CU_ASSERT_EQUAL(unix_sleep(0.001), 0);
}

/* The generator is the published one: a seed's values are the same everywhere. */
static void
random_numbers_follow_from_the_seed(void)
{
	u32 seed = 0, again = 0;
	u64 x;

	CU_ASSERT_EQUAL(random_u32(&seed), 1013904223u);
	CU_ASSERT_EQUAL(random_u32(&seed), 1196435762u);
	CU_ASSERT_EQUAL(seed, 1196435762u);
	x = random_u64(&again);
	CU_ASSERT_EQUAL(x >> 32, 1013904223u);
	CU_ASSERT_EQUAL(x & 0xffffffff, 1196435762u);
	CU_ASSERT_EQUAL(random_u32_max(), 0xffffffffu);
	for (int i = 0; i < 1000; i++) {
		f64 f = random_f64(&seed);

		CU_ASSERT_TRUE(f >= 0 && f <= 1);
	}
}

/* High bits are spread evenly: chi-square of 100 cells, whose mean is 99 and deviation 14. */
static void
random_numbers_are_spread(void)
{
	u64 *counts = vec_new(u64, 100);
	u32 seed = 1;
	f64 chi;

	CU_ASSERT_PTR_NOT_NULL_FATAL(counts);
	CU_ASSERT_TRUE(clib_chisquare(counts) > 1e18);
	for (int i = 0; i < 100000; i++)
		counts[(u32)(random_f64(&seed) * 99.999)]++;
	chi = clib_chisquare(counts);
	CU_ASSERT_TRUE(chi > 99 - 5 * 14 && chi < 99 + 5 * 14);
	vec_zero(counts);
	counts[3] = 1000;
	CU_ASSERT_EQUAL(clib_chisquare(counts), 99000);
	vec_free(counts);
}

static void
random_strings_are_letters(void)
{
	u32 seed = random_default_seed();
	u8 *s = random_string(&seed, 100), *c;

	CU_ASSERT_EQUAL(vec_len(s), 100);
	vec_foreach (c, s)
		CU_ASSERT_TRUE(*c >= 'a' && *c <= 'z');
	vec_free(s);
	mheap_fail_get_after(1);
	CU_ASSERT_PTR_NULL(random_string(&seed, 100));
	mheap_fail_get_after(0);
}

/* What fn writes and how it ends, seen from outside. */
static int
in_a_child(void (*fn)(void), char *text, int n_text)
{
	int fds[2], status, n = 0, n_read;
	pid_t pid;

	CU_ASSERT_EQUAL_FATAL(pipe(fds), 0);
	pid = fork();
	if (pid == 0) {
		dup2(fds[1], STDOUT_FILENO);
		dup2(fds[1], STDERR_FILENO);
		fn();
		_exit(99);
	}
	close(fds[1]);
	while (n < n_text - 1 && (n_read = (int)read(fds[0], text + n, n_text - 1 - n)) > 0)
		n += n_read;
	text[n] = 0;
	close(fds[0]);
	CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
	return status;
}

static void
say_and_exit(void)
{
	os_puts((u8 *)"out ", 4, 0);
	os_puts((u8 *)"err", 3, 1);
	os_exit(3);
}

/* Words reach their stream, a status its parent, and the end of memory is said aloud. */
static void
the_calls_that_end_a_process(void)
{
	char text[100];
	int status;

	status = in_a_child(say_and_exit, text, sizeof(text));
	CU_ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 3);
	CU_ASSERT_STRING_EQUAL(text, "out err");
	status = in_a_child(os_panic, text, sizeof(text));
	CU_ASSERT_FALSE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	status = in_a_child(os_out_of_memory, text, sizeof(text));
	CU_ASSERT_FALSE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "out of memory"));
	CU_ASSERT_TRUE(os_get_nthreads() >= 1);
	CU_ASSERT_TRUE(clib_get_current_cpu_id() != ~0u);
	CU_ASSERT_TRUE(clib_get_current_numa_node() < 1024);
}

static const unit_test_t tests[] = {
	UNIT(time_rises_with_the_systems_clock), UNIT(an_older_counter_is_not_believed),
	UNIT(unix_time_is_the_systems),          UNIT(random_numbers_follow_from_the_seed),
	UNIT(random_numbers_are_spread),         UNIT(random_strings_are_letters),
	UNIT(the_calls_that_end_a_process),
};

int
main(void)
{
	return unit_run("time", tests, ARRAY_LEN(tests));
}
