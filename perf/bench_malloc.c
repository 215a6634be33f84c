/* SPDX-License-Identifier: Apache-2.0 */
/* Question: what do this project's heaps cost beside the allocators that a program could use
 * instead, in time, in instructions, in memory, and at worst?
 *
 * Method: a process per allocator, driven from here over pipes.  A malloc library in a process of
 * its own is used as programs use it: by LD_PRELOAD, with the thread-local storage it was built
 * for, and alone in the resident set that is measured; opened beside others by dlopen() it would be
 * neither (two of the peers cannot be opened so at all).  The workers stay up while the driver
 * hands out a round to one after the other, so that a noisy minute hits all alike: in each round
 * only one of them runs, pinned; a round lasts milliseconds.  Each workload has fresh processes.
 *
 * What is measured, per operation (medians of the rounds; ns of the thread's own time, so that
 * being preempted does not count, by the clock on the wall for malloc_cross and each call of
 * malloc_latency):
 *   malloc_pair      an object of 64 bytes, got, written, put
 *   malloc_burst     32 objects of 256 bytes, put in the order they were got; per object
 *   malloc_replace   n live objects of 16 to 4096 bytes, log-uniform; a random one is put, another
 *                    size got in its place; choices are drawn beforehand, new ones for each round
 *   malloc_cross     objects of 256 bytes got by one thread, put by another, a ring between
 *   malloc_scale_*   one thread, then two with nothing in common but the allocator
 *   malloc_push      64-bit words pushed onto one vector up to a million, onto a thousand in turn
 *   malloc_fragmentation  resident memory beside live bytes while sizes shift, after nine in ten
 *                    objects went, and after the allocator was asked to give back; one run each,
 *                    as a second would start from the first one's holes
 *   malloc_latency   each allocation of malloc_replace by the clock; all rounds together
 *   malloc_pages     malloc_replace on pages of each size
 *
 * by=touch allocates nothing: what the loop and the first touch cost, and how noisy the machine is.
 * Instructions are counted by the CPU where it can (perf_event); with --instructions by valgrind
 * (callgrind) in a run of its own.  --points FILE keeps curves for the report's plots.
 *
 * usage: bench_malloc [--quick] [--instructions] [--points FILE] [--peers A,B] [--only WORKLOAD]
 *                     [--list] */
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include "bench.h"
#include "bench_malloc.h"

#define N_ROUNDS 15
/* A round of a slow allocator is made shorter, so that all rounds stay a matter of moments. */
#define MAX_ROUND_NS 250e6
/* Of one under valgrind, which is fifty times slower, and more so while it meets code that is new
 * to it: a round of a few operations would count where the stacks happened to be. */
#define MAX_COUNTED_NS 2e9
/* Two threads have to find each other first. */
#define N_CROSS_LEAST 16384

/* ---- who is compared ---- */

typedef struct {
	const char *name, *face;
	/* Libraries to preload, the first that is there; NULL: none. */
	const char *preload[2];
	/* Takes part in these alone; 0: in all. */
	uint32_t kinds;
	/* Where the library comes from. */
	const char *package;
	/* More live objects than this are not tried; 0: any number is. */
	uint64_t max_live;
} peer_t;

static const peer_t peers[] = {
	{ .name = "touch", .face = "touch" },
	{ .name = "mheap", .face = "mheap" },
	{ .name = "mheap_fronts", .face = "fronts" },
	{ .name = "mheap_inlined",
	  .face = "inlined",
	  .kinds = 1 << BENCH_PAIR | 1 << BENCH_BURSTS | 1 << BENCH_REPLACE | 1 << BENCH_CROSS },
	{ .name = "mheap_later",
	  .face = "later",
	  .kinds = 1 << BENCH_PAIR | 1 << BENCH_BURSTS | 1 << BENCH_REPLACE | 1 << BENCH_CROSS },
	{ .name = "mheap_bulk", .face = "bulk", .kinds = 1 << BENCH_BURSTS },
	{ .name = "vec", .face = "vec", .kinds = 1 << BENCH_PUSH },
	{ .name = "vmheap_malloc",
	  .face = "malloc",
	  .preload = { "libvmheap-malloc.so" },
	  .package = "the build" },
	{ .name = "glibc", .face = "malloc" },
	{ .name = "jemalloc",
	  .face = "malloc",
	  .preload = { "libjemalloc.so.2" },
	  .package = "libjemalloc2" },
	{ .name = "mimalloc",
	  .face = "malloc",
	  .preload = { "libmimalloc.so.2.0", "libmimalloc.so.2" },
	  .package = "libmimalloc2.0" },
	{ .name = "tcmalloc",
	  .face = "malloc",
	  .preload = { "libtcmalloc_minimal.so.4" },
	  .package = "libtcmalloc-minimal4" },
	/* Walks a free list: at a million objects a round would not end. */
	{ .name = "rte_malloc", .face = "rte_malloc", .max_live = 100000 },
};
#define N_PEERS (sizeof(peers) / sizeof(peers[0]))

/* How malloc libraries are asked for pages; one without an entry cannot be. */
static const struct {
	const char *peer;
	bench_page_t page;
	const char *variable, *value;
} page_wishes[] = {
	{ "glibc", BENCH_PAGE_THP, "GLIBC_TUNABLES", "glibc.malloc.hugetlb=1" },
	{ "glibc", BENCH_PAGE_2M, "GLIBC_TUNABLES", "glibc.malloc.hugetlb=2097152" },
	{ "glibc", BENCH_PAGE_1G, "GLIBC_TUNABLES", "glibc.malloc.hugetlb=1073741824" },
	{ "jemalloc", BENCH_PAGE_THP, "MALLOC_CONF", "thp:always" },
	{ "mimalloc", BENCH_PAGE_2M, "MIMALLOC_LARGE_OS_PAGES", "1" },
	{ "mimalloc", BENCH_PAGE_1G, "MIMALLOC_RESERVE_HUGE_OS_PAGES", "1" },
};

/* ---- workloads ---- */

typedef struct {
	const char *name;
	bench_kind_t kind;
	bench_page_t page;
	/* Objects, vectors or bytes; operations of a round; both also for --quick. */
	uint64_t n, n_quick, n_ops, n_ops_quick;
	/* printf format of what tells it from others, with n. */
	const char *params;
} workload_t;

static const workload_t workloads[] = {
	{ "malloc_pair", BENCH_PAIR, 0, 0, 0, 1 << 17, 1024, "size=64" },
	{ "malloc_burst", BENCH_BURSTS, 0, 0, 0, 1 << 17, 1024, "size=256 burst=32" },
	{ "malloc_replace", BENCH_REPLACE, 0, 1000, 100, 1 << 17, 512, "size=16..4096 live=%llu" },
	{ "malloc_replace", BENCH_REPLACE, 0, 100000, 500, 1 << 17, 512,
	  "size=16..4096 live=%llu" },
	{ "malloc_replace", BENCH_REPLACE, 0, 1000000, 1000, 1 << 17, 512,
	  "size=16..4096 live=%llu" },
	{ "malloc_cross", BENCH_CROSS, 0, 0, 0, 1 << 18, 2048, "size=256 ring=1024" },
	{ "malloc_scale_pair", BENCH_SCALE_PAIR, 0, 0, 0, 1 << 19, 1024, "size=64" },
	{ "malloc_scale_replace", BENCH_SCALE_REPLACE, 0, 1000, 100, 1 << 17, 512,
	  "size=16..4096 live=%llu" },
	{ "malloc_push", BENCH_PUSH, 0, 1, 1, 1000000, 10000, "vectors=%llu" },
	{ "malloc_push", BENCH_PUSH, 0, 1000, 10, 1000000, 10000, "vectors=%llu" },
	{ "malloc_fragmentation", BENCH_SHIFT, 0, 64 << 20, 1 << 20, 1, 1, "limit=%llu" },
	{ "malloc_latency", BENCH_LATENCY, 0, 100000, 500, 200000, 512, "size=16..4096 live=%llu" },
	{ "malloc_pages", BENCH_PAGES, BENCH_PAGE_4K, 100000, 500, 1 << 17, 512,
	  "page=4K size=16..4096 live=%llu" },
	{ "malloc_pages", BENCH_PAGES, BENCH_PAGE_THP, 100000, 500, 1 << 17, 512,
	  "page=THP size=16..4096 live=%llu" },
	{ "malloc_pages", BENCH_PAGES, BENCH_PAGE_2M, 100000, 500, 1 << 17, 512,
	  "page=2M size=16..4096 live=%llu" },
	{ "malloc_pages", BENCH_PAGES, BENCH_PAGE_1G, 100000, 500, 1 << 17, 512,
	  "page=1G size=16..4096 live=%llu" },
};
#define N_WORKLOADS (sizeof(workloads) / sizeof(workloads[0]))

/* ---- one allocator's process and figures ---- */

typedef struct {
	const peer_t *peer;
	char preload[512];
	pid_t pid;
	int to, from; /* pipes; -1: no process */
	uint64_t n_ops;
	uint32_t n_rounds;
	double ns[BENCH_MAX_ROUNDS], ns_of_two[BENCH_MAX_ROUNDS], ratio[BENCH_MAX_ROUNDS];
	double cycles[BENCH_MAX_ROUNDS], instructions[BENCH_MAX_ROUNDS];
	double counted; /* instructions by valgrind; 0: not */
	/* To its latest request. */
	bench_reply_t reply;
	bench_histogram_t histogram;
	/* Empty while all is well. */
	char why[96];
} runner_t;

static struct {
	int is_quick, counts, lists;
	const char *points, *peers, *only;
	FILE *points_file;
	char exe[512];
} options;

static runner_t runners[N_PEERS];
static uint32_t n_runners;

/* ---- libraries ---- */

/* Where a library of this name lies: the build's own, or libc's folder and the usual ones.
 * @return whether it does */
static int
find_library(const char *name, char *path, size_t n_path)
{
	static const char *const folders[] = { "/usr/local/lib", "/usr/lib64", "/usr/lib" };
	char libc[512] = "";
	Dl_info info;

	snprintf(path, n_path, "%s", options.exe);
	*strrchr(path, '/') = 0;
	strncat(path, "/../src/malloc/", n_path - strlen(path) - 1);
	strncat(path, name, n_path - strlen(path) - 1);
	if (!access(path, R_OK))
		return 1;
	if (dladdr(dlsym(RTLD_DEFAULT, "malloc"), &info) && strchr(info.dli_fname, '/')) {
		snprintf(libc, sizeof(libc), "%s", info.dli_fname);
		*strrchr(libc, '/') = 0;
		snprintf(path, n_path, "%s/%s", libc, name);
		if (!access(path, R_OK))
			return 1;
		snprintf(path, n_path, "/usr%s/%s", libc, name);
		if (!access(path, R_OK))
			return 1;
	}
	for (uint32_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		snprintf(path, n_path, "%s/%s", folders[i], name);
		if (!access(path, R_OK))
			return 1;
	}
	return 0;
}

/* Whether a word is in a list with commas. */
static int
is_listed(const char *list, const char *word)
{
	size_t n = strlen(word);

	for (const char *p = list; p && *p; p = strchr(p, ',') ? strchr(p, ',') + 1 : NULL)
		if (!strncmp(p, word, n) && (p[n] == ',' || !p[n]))
			return 1;
	return 0;
}

/* What can be asked here. */
static void
choose_peers(void)
{
	for (uint32_t i = 0; i < N_PEERS; i++) {
		const peer_t *p = &peers[i];
		runner_t *r = &runners[n_runners];

		if (options.peers && !is_listed(options.peers, p->name))
			continue;
		*r = (runner_t){ .peer = p, .to = -1, .from = -1 };
		if (p->preload[0] && !find_library(p->preload[0], r->preload, sizeof(r->preload)) &&
		    (!p->preload[1] ||
		     !find_library(p->preload[1], r->preload, sizeof(r->preload)))) {
			printf("# malloc: no %s here (%s of %s)\n", p->name, p->preload[0],
			       p->package);
			continue;
		}
		if (!p->preload[0] && !bench_loops(p->face)) {
			printf("# malloc: no %s in this build\n", p->name);
			continue;
		}
		n_runners++;
	}
}

/* ---- processes ---- */

/* In the child: what the worker's process is to be like, then the worker.  No return. */
static void
become_worker(const runner_t *r, bench_page_t page, const char *count_log, int request_fd,
	      int reply_fd)
{
	char requests[16], replies[16], log_option[600];

	for (uint32_t i = 0; i < sizeof(page_wishes) / sizeof(page_wishes[0]); i++)
		if (!strcmp(page_wishes[i].peer, r->peer->name) && page_wishes[i].page == page)
			setenv(page_wishes[i].variable, page_wishes[i].value, 1);
	if (r->preload[0])
		setenv("LD_PRELOAD", r->preload, 1);
	snprintf(requests, sizeof(requests), "%d", request_fd);
	snprintf(replies, sizeof(replies), "%d", reply_fd);
	if (count_log) {
		snprintf(log_option, sizeof(log_option), "--log-file=%s", count_log);
		execlp("valgrind", "valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null",
		       "--toggle-collect=bench_timed*", log_option, options.exe, "--worker",
		       r->peer->face, requests, replies, (char *)NULL);
	} else
		execl(options.exe, options.exe, "--worker", r->peer->face, requests, replies,
		      (char *)NULL);
	_exit(127);
}

static int
start_worker(runner_t *r, bench_page_t page, const char *count_log)
{
	int requests[2], replies[2];

	if (r->to >= 0)
		return 0;
	if (pipe2(requests, O_CLOEXEC) || pipe2(replies, O_CLOEXEC))
		return -errno;
	fflush(stdout);
	r->pid = fork();
	if (r->pid < 0)
		return -errno;
	if (!r->pid) {
		fcntl(requests[0], F_SETFD, 0);
		fcntl(replies[1], F_SETFD, 0);
		become_worker(r, page, count_log, requests[0], replies[1]);
	}
	close(requests[0]);
	close(replies[1]);
	r->to = requests[1];
	r->from = replies[0];
	return 0;
}

static void
stop_worker(runner_t *r)
{
	if (r->to < 0)
		return;
	close(r->to);
	while (waitpid(r->pid, NULL, 0) < 0 && errno == EINTR)
		;
	close(r->from);
	r->to = r->from = -1;
}

/* One request and its answer; on an error the worker is stopped and r->why says what it was. */
static int
ask(runner_t *r, const bench_request_t *request)
{
	r->why[0] = 0;
	if (bench_write(r->to, request, sizeof(*request)) ||
	    bench_read(r->from, &r->reply, sizeof(r->reply))) {
		snprintf(r->why, sizeof(r->why), "its process ended");
		stop_worker(r);
		return -EPIPE;
	}
	if (r->reply.error) {
		snprintf(r->why, sizeof(r->why), "%s",
			 r->reply.why[0] ? r->reply.why : strerror(-r->reply.error));
		stop_worker(r);
	}
	return r->reply.error;
}

/* ---- a workload ---- */

static uint64_t
workload_n(const workload_t *w)
{
	return options.is_quick ? w->n_quick : w->n;
}

static uint64_t
workload_n_ops(const workload_t *w)
{
	return options.is_quick ? w->n_ops_quick : w->n_ops;
}

/* Whether a peer has no part in it; those that would not have the pages say so. */
static int
is_left_out(runner_t *r, const workload_t *w)
{
	if (r->peer->kinds && !(r->peer->kinds & 1u << w->kind))
		return 1;
	if ((w->kind == BENCH_PAGES || w->kind == BENCH_SHIFT) && !strcmp(r->peer->name, "touch"))
		return 1;
	if (r->peer->max_live && !options.is_quick &&
	    ((w->kind == BENCH_REPLACE && w->n > r->peer->max_live) || w->kind == BENCH_SHIFT)) {
		snprintf(r->why, sizeof(r->why), "takes minutes for so many");
		return 1;
	}
	if (w->kind != BENCH_PAGES || w->page == BENCH_PAGE_4K)
		return 0;
	if (strcmp(r->peer->face, "malloc") &&
	    (strcmp(r->peer->name, "rte_malloc") || w->page != BENCH_PAGE_THP))
		return 0;
	for (uint32_t i = 0; i < sizeof(page_wishes) / sizeof(page_wishes[0]); i++)
		if (!strcmp(page_wishes[i].peer, r->peer->name) && page_wishes[i].page == w->page)
			return 0;
	snprintf(r->why, sizeof(r->why), "cannot be asked for such pages");
	return 1;
}

/* Fewer operations, when a round of so many would take longer than is right by the latest one. */
static void
limit_ops(runner_t *r, double longest_ns, uint64_t n_least)
{
	double ns = r->reply.ns + r->reply.ns_of_two;
	uint64_t n = r->n_ops;

	if (ns * (double)n > longest_ns)
		n = (uint64_t)(longest_ns / ns) / BENCH_BURST * BENCH_BURST + BENCH_BURST;
	if (n < n_least)
		n = n_least;
	if (n < r->n_ops)
		r->n_ops = n;
}

/* Prepared, and warm; rounds as long as is right for it. */
static int
prepare(runner_t *r, const workload_t *w, const char *count_log)
{
	bench_request_t request = {
		.what = BENCH_PREPARE,
		.kind = w->kind,
		.page = w->page,
		.n_threads = options.is_quick || w->kind == BENCH_CROSS ||
					     w->kind == BENCH_SCALE_PAIR ||
					     w->kind == BENCH_SCALE_REPLACE
				     ? 2
				     : 1,
		.n = workload_n(w),
		.n_ops = workload_n_ops(w),
	};
	int error = start_worker(r, w->page, count_log);

	r->n_rounds = 0;
	r->n_ops = request.n_ops;
	memset(&r->histogram, 0, sizeof(r->histogram));
	if (error) {
		snprintf(r->why, sizeof(r->why), "no process: %s", strerror(-error));
		return error;
	}
	error = ask(r, &request);
	/* Memory is not got twice from the same state: no warm-up. */
	if (error || w->kind == BENCH_SHIFT)
		return error;
	request.what = BENCH_ROUND;
	request.is_warm_up = 1;
	/* A vector's pushes are not cut short: its length is what is measured. */
	if (w->kind == BENCH_PUSH)
		return ask(r, &request);
	/* Warm up by ever longer rounds: some get slower the longer they run. */
	for (request.n_ops = options.is_quick ? r->n_ops : BENCH_BURST;; request.n_ops *= 4) {
		if (request.n_ops > r->n_ops)
			request.n_ops = r->n_ops;
		error = ask(r, &request);
		if (error)
			return error;
		limit_ops(r, count_log ? MAX_COUNTED_NS : MAX_ROUND_NS,
			  w->kind == BENCH_CROSS ? N_CROSS_LEAST : 0);
		if (request.n_ops >= r->n_ops)
			return 0;
	}
}

static void
keep_round(runner_t *r)
{
	const bench_reply_t *reply = &r->reply;
	uint32_t k = r->n_rounds++;

	r->ns[k] = reply->ns;
	r->ns_of_two[k] = reply->ns_of_two;
	r->ratio[k] = reply->ns > 0 ? reply->ns_of_two / reply->ns : 0;
	r->cycles[k] = reply->cycles;
	r->instructions[k] = reply->instructions;
	for (uint32_t i = 0; i < BENCH_HISTOGRAM_BINS; i++)
		r->histogram.n[i] += reply->histogram.n[i];
	if (reply->histogram.greatest > r->histogram.greatest)
		r->histogram.greatest = reply->histogram.greatest;
}

static double
median(double *x, uint32_t n)
{
	qsort(x, n, sizeof(x[0]), bench_compare);
	return x[n / 2];
}

/* Instructions per operation, by callgrind: one round in a process of its own. */
static void
count_instructions(runner_t *r, const workload_t *w)
{
	char log[] = "/tmp/bench_malloc.XXXXXX", line[256];
	unsigned long long n = 0;
	bench_request_t round = { .what = BENCH_ROUND };
	static runner_t counted;
	workload_t shorter = *w;
	int fd = mkstemp(log);
	FILE *f;

	counted = (runner_t){ .peer = r->peer, .to = -1, .from = -1 };
	if (fd < 0)
		return;
	close(fd);
	snprintf(counted.preload, sizeof(counted.preload), "%s", r->preload);
	shorter.n_ops = w->kind == BENCH_PUSH ? w->n_ops : 1 << 14;
	if (!prepare(&counted, &shorter, log)) {
		round.n_ops = counted.n_ops;
		ask(&counted, &round);
	}
	stop_worker(&counted);
	f = fopen(log, "r");
	while (f && fgets(line, sizeof(line), f)) {
		char *p = strstr(line, "Collected : ");

		if (p)
			n = strtoull(p + strlen("Collected : "), NULL, 10);
	}
	if (f)
		fclose(f);
	unlink(log);
	if (!counted.why[0])
		r->counted = (double)n / (double)counted.n_ops;
}

/* ---- lines ---- */

/* "NAME by=PEER PARAMS" */
static void
print_head(const runner_t *r, const workload_t *w, const char *suffix, FILE *f)
{
	fprintf(f, "%s%s by=%s ", w->name, suffix, r->peer->name);
	if (strstr(w->params, "%llu")) {
		const char *p = strstr(w->params, "%llu");

		fprintf(f, "%.*s%llu", (int)(p - w->params), w->params,
			(unsigned long long)workload_n(w));
	} else
		fprintf(f, "%s", w->params);
}

static void
print_time(runner_t *r)
{
	double middle = median(r->ns, r->n_rounds);

	printf(" n=%llu rounds=%u ns_min=%.2f ns_median=%.2f ns_max=%.2f",
	       (unsigned long long)r->n_ops, r->n_rounds, r->ns[0], middle, r->ns[r->n_rounds - 1]);
	if (bench_perf_fd >= 0 && median(r->instructions, r->n_rounds) > 0)
		printf(" cycles_median=%.1f instr_median=%.1f", median(r->cycles, r->n_rounds),
		       median(r->instructions, r->n_rounds));
	else if (r->counted > 0)
		printf(" instr=%.1f", r->counted);
	printf("\n");
}

static void
print_scale(runner_t *r)
{
	double one = median(r->ns, r->n_rounds), two = median(r->ns_of_two, r->n_rounds);

	printf(" n=%llu rounds=%u ns_median=%.2f ns_of_two_median=%.2f ratio_median=%.2f\n",
	       (unsigned long long)r->n_ops, r->n_rounds, one, two, median(r->ratio, r->n_rounds));
}

static double
over(uint64_t a, uint64_t b)
{
	return b ? (double)a / (double)b : 0;
}

static void
print_fragmentation(runner_t *r, const workload_t *w)
{
	const bench_reply_t *p = &r->reply;

	printf(" rounds=1 peak_live=%llu peak_rss=%llu peak_ratio=%.2f live_freed=%llu "
	       "rss_freed=%llu freed_ratio=%.2f rss_trimmed=%llu trimmed_ratio=%.2f\n",
	       (unsigned long long)p->peak_live, (unsigned long long)p->peak_rss,
	       over(p->peak_rss, p->peak_live), (unsigned long long)p->live_freed,
	       (unsigned long long)p->rss_freed, over(p->rss_freed, p->live_freed),
	       (unsigned long long)p->rss_trimmed, over(p->rss_trimmed, p->live_freed));
	for (uint32_t i = 0; options.points_file && i < p->n_curve; i++) {
		print_head(r, w, "_point", options.points_file);
		fprintf(options.points_file, " allocated=%llu live=%llu rss=%llu\n",
			(unsigned long long)p->curve[i].allocated,
			(unsigned long long)p->curve[i].live, (unsigned long long)p->curve[i].rss);
	}
}

/* The least clock count that all but a share of allocations stay within, in ns. */
static double
percentile(const runner_t *r, uint64_t n, double share)
{
	uint64_t n_above = (uint64_t)(share * (double)n), sum = 0;
	uint32_t i = BENCH_HISTOGRAM_BINS;
	uint64_t top;

	while (i > 0 && sum + r->histogram.n[i - 1] <= n_above)
		sum += r->histogram.n[--i];
	top = i ? bench_histogram_top(i - 1) : 0;
	if (top > r->histogram.greatest)
		top = r->histogram.greatest;
	return (double)top * r->reply.ns_per_clock;
}

static void
print_latency(const runner_t *r, const workload_t *w)
{
	uint64_t n = 0, n_above;

	for (uint32_t i = 0; i < BENCH_HISTOGRAM_BINS; i++)
		n += r->histogram.n[i];
	printf(" n=%llu rounds=%u ns_p50=%.0f ns_p90=%.0f ns_p99=%.0f ns_p999=%.0f ns_p9999=%.0f "
	       "ns_p99999=%.0f ns_max=%.0f\n",
	       (unsigned long long)n, r->n_rounds, percentile(r, n, .5), percentile(r, n, .1),
	       percentile(r, n, .01), percentile(r, n, .001), percentile(r, n, .0001),
	       percentile(r, n, .00001), (double)r->histogram.greatest * r->reply.ns_per_clock);
	n_above = n;
	for (uint32_t i = 0; options.points_file && i < BENCH_HISTOGRAM_BINS; i++) {
		uint64_t top = bench_histogram_top(i);

		if (!r->histogram.n[i])
			continue;
		n_above -= r->histogram.n[i];
		if (top > r->histogram.greatest)
			top = r->histogram.greatest;
		print_head(r, w, "_point", options.points_file);
		fprintf(options.points_file, " ns=%.1f above=%.9f\n",
			(double)top * r->reply.ns_per_clock, over(n_above, n));
	}
}

static void
print_result(runner_t *r, const workload_t *w)
{
	if (r->n_rounds == 0 && !r->why[0])
		return; /* has no part in it */
	print_head(r, w, "", stdout);
	if (r->why[0])
		printf(" none=\"%s\"\n", r->why);
	else if (w->kind == BENCH_SHIFT)
		print_fragmentation(r, w);
	else if (w->kind == BENCH_LATENCY)
		print_latency(r, w);
	else if (w->kind == BENCH_SCALE_PAIR || w->kind == BENCH_SCALE_REPLACE)
		print_scale(r);
	else
		print_time(r);
}

static int
counts(const workload_t *w)
{
	return options.counts && bench_perf_fd < 0 &&
	       (w->kind == BENCH_PAIR || w->kind == BENCH_BURSTS || w->kind == BENCH_REPLACE ||
		w->kind == BENCH_PUSH);
}

static void
progress(const workload_t *w, const char *what, uint32_t i, uint32_t n, const runner_t *r)
{
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "\r\033[K%s %u/%u  %s n=%llu %s", what, i, n, w->name,
			(unsigned long long)workload_n(w), r->peer->name);
}

static void
run_workload(const workload_t *w)
{
	uint32_t n_rounds =
		w->kind == BENCH_SHIFT ? 1 : bench_rounds(options.is_quick ? 2 : N_ROUNDS);
	bench_request_t round = { .what = BENCH_ROUND }, end = { .what = BENCH_FINISH };
	int takes_part[N_PEERS];

	for (uint32_t i = 0; i < n_runners; i++) {
		runner_t *r = &runners[i];

		r->why[0] = 0;
		r->n_rounds = 0;
		r->counted = 0;
		progress(w, "prepare", i + 1, n_runners, r);
		takes_part[i] = !is_left_out(r, w) && !prepare(r, w, NULL);
	}
	for (uint32_t k = 0; k < n_rounds; k++)
		for (uint32_t i = 0; i < n_runners; i++) {
			runner_t *r = &runners[i];

			round.n_ops = r->n_ops;
			progress(w, "round", k + 1, n_rounds, r);
			takes_part[i] = takes_part[i] && !ask(r, &round);
			if (!takes_part[i])
				continue;
			keep_round(r);
			if (w->kind != BENCH_PUSH && w->kind != BENCH_SHIFT)
				limit_ops(r, MAX_ROUND_NS,
					  w->kind == BENCH_CROSS ? N_CROSS_LEAST : 0);
		}
	for (uint32_t i = 0; i < n_runners; i++) {
		if (takes_part[i] && counts(w)) {
			progress(w, "count", i + 1, n_runners, &runners[i]);
			count_instructions(&runners[i], w);
		}
	}
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "\r\033[K");
	for (uint32_t i = 0; i < n_runners; i++)
		print_result(&runners[i], w);
	/* Pages are an allocator's for good, so those workers end. */
	for (uint32_t i = 0; i < n_runners; i++)
		if (takes_part[i] &&
		    (!options.is_quick || w->kind == BENCH_PAGES || ask(&runners[i], &end)))
			stop_worker(&runners[i]);
}

static int
parse(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		const char **value = !strcmp(argv[i], "--points")  ? &options.points
				     : !strcmp(argv[i], "--peers") ? &options.peers
				     : !strcmp(argv[i], "--only")  ? &options.only
								   : NULL;

		if (!strcmp(argv[i], "--quick"))
			options.is_quick = 1;
		else if (!strcmp(argv[i], "--instructions"))
			options.counts = 1;
		else if (!strcmp(argv[i], "--list"))
			options.lists = 1;
		else if (value && i + 1 < argc)
			*value = argv[++i];
		else {
			fprintf(stderr, "usage: bench_malloc [--quick] [--instructions] "
					"[--points FILE] [--peers A,B] [--only WORKLOAD] "
					"[--list]\n");
			return -EINVAL;
		}
	}
	return 0;
}

int
main(int argc, char **argv)
{
	ssize_t n = readlink("/proc/self/exe", options.exe, sizeof(options.exe) - 1);

	if (argc == 5 && !strcmp(argv[1], "--worker"))
		return bench_worker(argv[2], atoi(argv[3]), atoi(argv[4]));
	if (n < 0 || parse(argc, argv))
		return 2;
	signal(SIGPIPE, SIG_IGN);
	if (options.points && !(options.points_file = fopen(options.points, "w"))) {
		fprintf(stderr, "bench_malloc: %s: %s\n", options.points, strerror(errno));
		return 2;
	}
	bench_start("bench_malloc");
	choose_peers();
	for (uint32_t i = 0; options.lists && i < n_runners; i++)
		printf("%s%s%s\n", runners[i].peer->name, runners[i].preload[0] ? " " : "",
		       runners[i].preload);
	for (uint32_t i = 0; !options.lists && i < N_WORKLOADS; i++)
		if (!options.only || is_listed(options.only, workloads[i].name))
			run_workload(&workloads[i]);
	for (uint32_t i = 0; i < n_runners; i++)
		stop_worker(&runners[i]);
	if (options.points_file && fclose(options.points_file)) {
		fprintf(stderr, "bench_malloc: %s: %s\n", options.points, strerror(errno));
		return 1;
	}
	return 0;
}
