/* SPDX-License-Identifier: Apache-2.0 */
/* bench: time cases beside each other, the same way in every benchmark.
 *
 *   static void get_put(void *arg, uint64_t n_ops) { ... }
 *   static bench_case_t cases[] = {
 *           { .name = "empty", .fn = nothing, .n_ops = 1 << 20 },
 *           { .name = "mheap_get_put", .params = "size=256 page=4K", .fn = get_put, .arg = v,
 *             .n_ops = 65536 },
 *   };
 *   int main(void) { bench_start("bench_mheap"); return bench_run(cases, N, 31); }
 *
 * The thread is pinned (PERF_CPU, or the last CPU it may use).  A warm-up round is thrown away;
 * then every round runs every case once, one after the other, so that a noisy neighbour or a
 * change of clock meets all of them alike.  A case's figures are the least, the median and the
 * greatest of its rounds, per operation.  PERF_ROUNDS replaces the number of rounds.
 *
 * Where the kernel lets us count (perf_event), user-mode cycles and instructions are given too:
 * on a shared machine instructions per operation repeat when nanoseconds do not.
 *
 *   NAME PARAMS n=65536 rounds=31 ns_min=.. ns_median=.. ns_max=.. cycles_median=.. instr_median=..
 *
 * libc only, so that a benchmark of anything can use it.  Threads: one per process. */
#ifndef included_perf_bench_h
#define included_perf_bench_h

#include <errno.h>
#include <linux/perf_event.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#define BENCH_MAX_ROUNDS 255

typedef struct {
	const char *name;
	/** "key=value ..." that tells this case from its neighbours; may be NULL. */
	const char *params;
	/** Before each round, not timed; may be NULL. */
	void (*prepare)(void *arg);
	/** n_ops operations. */
	void (*fn)(void *arg, uint64_t n_ops);
	/** After each round, not timed; may be NULL. */
	void (*finish)(void *arg);
	void *arg;
	uint64_t n_ops;

	/* bench_run()'s: per operation, by round. */
	double ns[BENCH_MAX_ROUNDS], cycles[BENCH_MAX_ROUNDS], instructions[BENCH_MAX_ROUNDS];
} bench_case_t;

typedef struct {
	uint64_t ns, cycles, instructions;
} bench_sample_t;

/* The counter group's descriptor; -1 when counting is not permitted. */
static int bench_perf_fd = -1;
static int bench_perf_errno;
static int bench_cpu = -1;

/** Keep a value that nothing else uses, so that the compiler keeps its computation. */
#define bench_keep(x) __asm__ volatile("" : : "g"(x) : "memory")

static inline uint64_t
bench_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* splitmix64: Steele, Lea and Flood, 2014.  The same sequence in every benchmark. */
static inline uint64_t
bench_random(uint64_t *state)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15ull);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

static inline uint64_t
bench_random_below(uint64_t *state, uint64_t n)
{
	return (uint64_t)(((__uint128_t)bench_random(state) * n) >> 64);
}

/** Pin the calling thread.  @return the CPU, -1 when it could not be pinned */
static inline int
bench_pin(void)
{
	const char *wish = getenv("PERF_CPU");
	cpu_set_t set;
	int cpu = -1;

	if (sched_getaffinity(0, sizeof(set), &set))
		return -1;
	for (int i = 0; i < CPU_SETSIZE; i++)
		if (CPU_ISSET(i, &set))
			cpu = i;
	if (wish)
		cpu = atoi(wish);
	CPU_ZERO(&set);
	if (cpu >= 0 && cpu < CPU_SETSIZE)
		CPU_SET(cpu, &set);
	return sched_setaffinity(0, sizeof(set), &set) ? -1 : cpu;
}

static inline int
bench_open_counter(uint64_t config, int group)
{
	struct perf_event_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.size = sizeof(attr);
	attr.type = PERF_TYPE_HARDWARE;
	attr.config = config;
	attr.exclude_kernel = 1;
	attr.exclude_hv = 1;
	attr.read_format = PERF_FORMAT_GROUP;
	return (int)syscall(SYS_perf_event_open, &attr, 0, -1, group, 0);
}

static inline void
bench_open_counters(void)
{
	int fd = bench_open_counter(PERF_COUNT_HW_CPU_CYCLES, -1);

	if (fd < 0) {
		bench_perf_errno = errno;
		return;
	}
	if (bench_open_counter(PERF_COUNT_HW_INSTRUCTIONS, fd) < 0)
		close(fd);
	else
		bench_perf_fd = fd;
}

static inline bench_sample_t
bench_sample(void)
{
	bench_sample_t s = { .ns = bench_ns() };
	struct {
		uint64_t n, values[2];
	} group;

	if (bench_perf_fd >= 0 && read(bench_perf_fd, &group, sizeof(group)) == sizeof(group)) {
		s.cycles = group.values[0];
		s.instructions = group.values[1];
	}
	return s;
}

/* The value after "key" and a colon in a file of such lines, blanks skipped. */
static inline void
bench_file_value(const char *path, const char *key, char *value, size_t n_value)
{
	char line[256], *p;
	FILE *f = fopen(path, "r");

	snprintf(value, n_value, "unknown");
	while (f && fgets(line, sizeof(line), f)) {
		if (strncmp(line, key, strlen(key)))
			continue;
		p = key[0] ? strchr(line, ':') : line - 1;
		if (!p)
			continue;
		p += 1 + strspn(p + 1, " \t");
		p[strcspn(p, "\n")] = 0;
		snprintf(value, n_value, "%s", p);
		break;
	}
	if (f)
		fclose(f);
}

/** Print where the figures come from: lines that begin with `#`. */
static inline void
bench_print_environment(const char *title)
{
	char model[128], thp[128], load[128], free_2m[128];
	struct utsname u;

	bench_file_value("/proc/cpuinfo", "model name", model, sizeof(model));
	bench_file_value("/sys/kernel/mm/transparent_hugepage/enabled", "", thp, sizeof(thp));
	bench_file_value("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "", free_2m,
			 sizeof(free_2m));
	bench_file_value("/proc/loadavg", "", load, sizeof(load));
	if (uname(&u))
		memset(&u, 0, sizeof(u));
	printf("# %s: %s, %ld CPUs, kernel %s\n", title, model, sysconf(_SC_NPROCESSORS_ONLN),
	       u.release);
	printf("# compiler %s; pinned to CPU %d; THP %s; free 2M pages %s; load %s\n", __VERSION__,
	       bench_cpu, thp, free_2m, load);
	printf("# cycles and instructions: %s\n",
	       bench_perf_fd >= 0
		       ? "user mode, counted by the CPU"
		       : "not to be had here (no such counters, or kernel.perf_event_paranoid)");
}

/** Pin, open the counters, say where we are. */
static inline void
bench_start(const char *title)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	bench_cpu = bench_pin();
	bench_open_counters();
	bench_print_environment(title);
}

static inline uint32_t
bench_rounds(uint32_t n_default)
{
	const char *s = getenv("PERF_ROUNDS");
	uint32_t n = s ? (uint32_t)strtoul(s, NULL, 0) : n_default;

	return n < 1 ? 1 : n > BENCH_MAX_ROUNDS ? BENCH_MAX_ROUNDS : n;
}

static inline int
bench_compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static inline void
bench_run_case(bench_case_t *c, uint32_t round, int is_warm_up)
{
	bench_sample_t before, after;

	if (c->prepare)
		c->prepare(c->arg);
	before = bench_sample();
	c->fn(c->arg, c->n_ops);
	after = bench_sample();
	if (c->finish)
		c->finish(c->arg);
	if (is_warm_up)
		return;
	c->ns[round] = (double)(after.ns - before.ns) / (double)c->n_ops;
	c->cycles[round] = (double)(after.cycles - before.cycles) / (double)c->n_ops;
	c->instructions[round] =
		(double)(after.instructions - before.instructions) / (double)c->n_ops;
}

static inline void
bench_print_case(bench_case_t *c, uint32_t n_rounds)
{
	qsort(c->ns, n_rounds, sizeof(c->ns[0]), bench_compare);
	qsort(c->cycles, n_rounds, sizeof(c->cycles[0]), bench_compare);
	qsort(c->instructions, n_rounds, sizeof(c->instructions[0]), bench_compare);
	printf("%s%s%s n=%llu rounds=%u ns_min=%.2f ns_median=%.2f ns_max=%.2f", c->name,
	       c->params ? " " : "", c->params ? c->params : "", (unsigned long long)c->n_ops,
	       n_rounds, c->ns[0], c->ns[n_rounds / 2], c->ns[n_rounds - 1]);
	if (bench_perf_fd >= 0)
		printf(" cycles_median=%.1f instr_median=%.1f", c->cycles[n_rounds / 2],
		       c->instructions[n_rounds / 2]);
	printf("\n");
}

/** Run all cases, interleaved, and print a line each.  @return 0, main()'s value */
static inline int
bench_run(bench_case_t *cases, uint32_t n_cases, uint32_t n_default_rounds)
{
	uint32_t n_rounds = bench_rounds(n_default_rounds);
	int is_terminal = isatty(STDERR_FILENO);

	for (uint32_t round = 0; round <= n_rounds; round++) {
		for (uint32_t i = 0; i < n_cases; i++) {
			if (is_terminal)
				fprintf(stderr, "\r\033[K%s %u/%u  %s %s",
					round ? "round" : "warm-up", round, n_rounds, cases[i].name,
					cases[i].params ? cases[i].params : "");
			bench_run_case(&cases[i], round - 1, round == 0);
		}
	}
	if (is_terminal)
		fprintf(stderr, "\r\033[K");
	for (uint32_t i = 0; i < n_cases; i++)
		bench_print_case(&cases[i], n_rounds);
	return 0;
}

#endif
