/* SPDX-License-Identifier: Apache-2.0 */
/* A worker of bench_malloc: one allocator.  What the harness itself needs comes from mmap, so the
 * allocator's memory holds the workload and nothing else. */
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include "bench_malloc.h"
#include "bench_malloc_clock.h"

/* The smallest size of BENCH_SHIFT. */
#define SHIFT_MIN_BYTES 16
/* Between looks at the resident set: /proc is read, so not too often. */
#define SHIFT_LOOK_BYTES (1 << 20)

typedef struct {
	const bench_loops_t *loops;
	bench_request_t request;
	/* Of the main thread and of the helper. */
	bench_work_t work[2];
	uint64_t seed;
	uint64_t rss_empty;
	int cpu[2];

	/* The helper waits at the barrier for the next round. */
	pthread_t helper;
	pthread_barrier_t barrier;
	int has_helper, helper_ends;
	void (*helper_fn)(bench_work_t *w, uint64_t n);
	uint64_t helper_n, helper_from, helper_to, helper_ns;
	_Atomic uint32_t n_ready;
} worker_t;

static worker_t worker;

int
bench_read(int fd, void *p, size_t n)
{
	for (size_t done = 0; done < n;) {
		ssize_t k = read(fd, (char *)p + done, n - done);

		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0)
			return -1;
		done += (size_t)k;
	}
	return 0;
}

int
bench_write(int fd, const void *p, size_t n)
{
	for (size_t done = 0; done < n;) {
		ssize_t k = write(fd, (const char *)p + done, n - done);

		if (k < 0 && errno == EINTR)
			continue;
		if (k <= 0)
			return -1;
		done += (size_t)k;
	}
	return 0;
}

/* ---- the harness' own memory ---- */

static void *
map(size_t n)
{
	void *p = mmap(NULL, n ? n : 1, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (p == MAP_FAILED) {
		fprintf(stderr, "bench_malloc: no memory for the harness\n");
		_exit(1);
	}
	return p;
}

static void
unmap(void *p, size_t n)
{
	if (p)
		munmap(p, n ? n : 1);
}

/* Not by stdio: its buffers would be the allocator's. */
static uint64_t
rss_bytes(void)
{
	char text[128];
	unsigned long total, resident = 0;
	int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (n > 0) {
		text[n] = 0;
		if (sscanf(text, "%lu %lu", &total, &resident) != 2)
			resident = 0;
	}
	if (fd >= 0)
		close(fd);
	return (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* Resident bytes on pages of one kind, by /proc/self/smaps: of hugetlb mappings each says its page
 * size, of others how much of it is in transparent huge pages. */
static uint64_t
bytes_on_pages(bench_page_t page)
{
	uint64_t wanted = page == BENCH_PAGE_1G ? 1 << 20 : 1 << 11, page_kb = 0, sum_kb = 0;
	FILE *f = fopen("/proc/self/smaps", "r");
	unsigned long kb;
	char line[512];

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "KernelPageSize: %lu kB", &kb) == 1)
			page_kb = kb;
		else if (page == BENCH_PAGE_THP && sscanf(line, "AnonHugePages: %lu kB", &kb) == 1)
			sum_kb += kb;
		else if (page != BENCH_PAGE_THP && page_kb == wanted &&
			 (sscanf(line, "Private_Hugetlb: %lu kB", &kb) == 1 ||
			  sscanf(line, "Shared_Hugetlb: %lu kB", &kb) == 1))
			sum_kb += kb;
	}
	if (f)
		fclose(f);
	return sum_kb << 10;
}

/* ---- sizes ---- */

/* Log-uniform over [lo, hi], powers of two. */
static uint32_t
log_uniform(uint64_t *seed, uint32_t log2_lo, uint32_t log2_hi)
{
	uint32_t log2 = log2_lo + (uint32_t)bench_random_below(seed, log2_hi - log2_lo);

	return (1u << log2) + (uint32_t)bench_random_below(seed, (1u << log2) + 1);
}

static void
choose(bench_work_t *w, uint64_t n, uint64_t *seed)
{
	for (uint64_t i = 0; i < n; i++)
		w->choices[i] = (bench_choice_t){
			.slot = (uint32_t)bench_random_below(seed, w->n_objects),
			.n_bytes = log_uniform(seed, 4, 12),
		};
}

/* ---- two threads ---- */

/* Time of the calling thread alone: on a busy machine rounds of all lengths compare. */
static uint64_t
thread_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void
pin_to(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((size_t)cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

/* Both are awake and running before either's clock starts. */
static void
meet(void)
{
	worker.n_ready++;
	bench_wait_while(worker.n_ready < 2);
}

static void *
help(void *arg)
{
	worker_t *w = arg;

	pin_to(w->cpu[1]);
	for (;;) {
		pthread_barrier_wait(&w->barrier);
		if (w->helper_ends)
			return NULL;
		meet();
		w->helper_from = bench_ns();
		w->helper_ns = thread_ns();
		w->helper_fn(&w->work[1], w->helper_n);
		w->helper_ns = thread_ns() - w->helper_ns;
		w->helper_to = bench_ns();
		pthread_barrier_wait(&w->barrier);
	}
}

static int
start_helper(void)
{
	worker_t *w = &worker;

	if (w->has_helper)
		return 0;
	w->helper_ends = 0;
	if (pthread_barrier_init(&w->barrier, NULL, 2))
		return -ENOMEM;
	if (pthread_create(&w->helper, NULL, help, w))
		return -EAGAIN;
	w->has_helper = 1;
	return 0;
}

static void
stop_helper(void)
{
	if (!worker.has_helper)
		return;
	worker.helper_ends = 1;
	pthread_barrier_wait(&worker.barrier);
	pthread_join(worker.helper, NULL);
	pthread_barrier_destroy(&worker.barrier);
	worker.has_helper = 0;
}

/* Both functions at once.  @param[out] ns  of the main thread and of the helper, their own, and
 * from the first start to the last end by the clock on the wall */
static void
run_both(void (*fn)(bench_work_t *, uint64_t), void (*helper_fn)(bench_work_t *, uint64_t),
	 uint64_t n, uint64_t ns[3])
{
	worker_t *w = &worker;
	uint64_t from, to, own;

	w->helper_fn = helper_fn;
	w->helper_n = n;
	w->n_ready = 0;
	pthread_barrier_wait(&w->barrier);
	meet();
	from = bench_ns();
	own = thread_ns();
	fn(&w->work[0], n);
	own = thread_ns() - own;
	to = bench_ns();
	pthread_barrier_wait(&w->barrier);
	ns[0] = own;
	ns[1] = w->helper_ns;
	ns[2] = (to > w->helper_to ? to : w->helper_to) -
		(from < w->helper_from ? from : w->helper_from);
}

/* ---- one round of each kind ---- */

/* Its name is what a counting simulator is told to look at; warm-ups do not come by here. */
__attribute__((noinline)) static void
bench_timed(void (*fn)(bench_work_t *, uint64_t), bench_work_t *w, uint64_t n)
{
	fn(w, n);
	__asm__ volatile("" : : : "memory");
}

static void
timed(void (*fn)(bench_work_t *, uint64_t), bench_reply_t *reply)
{
	bench_request_t *r = &worker.request;
	bench_sample_t before, after;
	double n = (double)r->n_ops;
	uint64_t from;

	before = bench_sample();
	from = thread_ns();
	if (r->is_warm_up)
		fn(&worker.work[0], r->n_ops);
	else
		bench_timed(fn, &worker.work[0], r->n_ops);
	reply->ns = (double)(thread_ns() - from) / n;
	after = bench_sample();
	reply->cycles = (double)(after.cycles - before.cycles) / n;
	reply->instructions = (double)(after.instructions - before.instructions) / n;
}

static void
round_replace(bench_reply_t *reply)
{
	choose(&worker.work[0], worker.request.n_ops, &worker.seed);
	timed(worker.loops->replace, reply);
}

static void
round_cross(bench_reply_t *reply)
{
	uint64_t ns[3];

	run_both(worker.loops->produce, worker.loops->consume, worker.request.n_ops, ns);
	reply->ns = (double)ns[2] / (double)worker.request.n_ops;
}

/* One thread, then two that share nothing but the allocator; the mean of the two. */
static void
round_scale(void (*fn)(bench_work_t *, uint64_t), bench_reply_t *reply)
{
	uint64_t n = worker.request.n_ops, from, ns[3];

	if (worker.request.kind == BENCH_SCALE_REPLACE)
		for (int i = 0; i < 2; i++)
			choose(&worker.work[i], n, &worker.seed);
	from = thread_ns();
	fn(&worker.work[0], n);
	reply->ns = (double)(thread_ns() - from) / (double)n;
	run_both(fn, fn, n, ns);
	reply->ns_of_two = (double)(ns[0] + ns[1]) / 2 / (double)n;
}

static void
round_push(bench_reply_t *reply)
{
	bench_work_t *w = &worker.work[0];

	timed(worker.loops->push, reply);
	for (uint32_t k = 0; k < w->n_vectors; k++) {
		if (w->vectors[k].data)
			worker.loops->free(w->vectors[k].data);
		w->vectors[k] = (bench_vector_t){ 0 };
	}
}

/* How long a clock of bench_clock_start() is. */
static double
calibrate(void)
{
	uint64_t ns = bench_ns(), clocks = bench_clock_start(), d;

	while ((d = bench_ns() - ns) < 5000000)
		;
	return (double)d / (double)(bench_clock_stop() - clocks);
}

static void
round_latency(bench_reply_t *reply)
{
	bench_work_t *w = &worker.work[0];
	uint64_t from;

	reply->ns_per_clock = calibrate();
	w->histogram = &reply->histogram;
	choose(w, worker.request.n_ops, &worker.seed);
	from = thread_ns();
	worker.loops->latency(w, worker.request.n_ops);
	reply->ns = (double)(thread_ns() - from) / (double)worker.request.n_ops;
	if (worker.request.is_warm_up)
		memset(&reply->histogram, 0, sizeof(reply->histogram));
	w->histogram = NULL;
}

/* ---- sizes that shift ----
 *
 * Four phases, each with sizes of its own.  A phase allocates twice the live bytes; whenever the
 * live bytes would pass their limit a random object goes.  So a phase meets the holes of the last,
 * and an eighth of its objects.  Then nine in ten objects go, at random. */

typedef struct {
	void *p;
	uint32_t n_bytes;
} shift_object_t;

typedef struct {
	shift_object_t *objects;
	uint64_t n, n_max;
	uint64_t live, limit, allocated;
	uint64_t seed;
} shift_t;

static void
shift_free_one(shift_t *s)
{
	uint64_t k = bench_random_below(&s->seed, s->n);

	worker.loops->free(s->objects[k].p);
	s->live -= s->objects[k].n_bytes;
	s->objects[k] = s->objects[--s->n];
}

static void
shift_look(shift_t *s, bench_reply_t *reply)
{
	uint64_t rss = rss_bytes(), every = 8 * s->limit / BENCH_CURVE_POINTS;

	rss = rss > worker.rss_empty ? rss - worker.rss_empty : 0;
	if (rss > reply->peak_rss)
		reply->peak_rss = rss;
	if (s->live > reply->peak_live)
		reply->peak_live = s->live;
	if (reply->n_curve < BENCH_CURVE_POINTS && s->allocated >= reply->n_curve * every) {
		reply->curve[reply->n_curve].allocated = s->allocated;
		reply->curve[reply->n_curve].live = s->live;
		reply->curve[reply->n_curve].rss = rss;
		reply->n_curve++;
	}
}

static int
shift_phase(shift_t *s, uint32_t log2_lo, uint32_t log2_hi, bench_reply_t *reply)
{
	uint64_t end = s->allocated + 2 * s->limit;

	while (s->allocated < end) {
		uint32_t n = log_uniform(&s->seed, log2_lo, log2_hi);
		void *p;

		while (s->live + n > s->limit)
			shift_free_one(s);
		p = worker.loops->alloc(n);
		if (!p)
			return -ENOMEM;
		memset(p, 1, n);
		s->objects[s->n++] = (shift_object_t){ .p = p, .n_bytes = n };
		s->live += n;
		if ((s->allocated / SHIFT_LOOK_BYTES) != (s->allocated + n) / SHIFT_LOOK_BYTES)
			shift_look(s, reply);
		s->allocated += n;
	}
	return 0;
}

static void
round_shift(bench_reply_t *reply)
{
	static const uint8_t phases[][2] = { { 4, 7 }, { 7, 10 }, { 10, 13 }, { 4, 12 } };
	shift_t s = { .limit = worker.request.n, .seed = 7 };
	uint64_t n_left, rss;

	s.n_max = s.limit / SHIFT_MIN_BYTES;
	s.objects = map(s.n_max * sizeof(s.objects[0]));
	worker.rss_empty = rss_bytes();
	for (uint32_t i = 0; i < sizeof(phases) / sizeof(phases[0]) && !reply->error; i++)
		reply->error = shift_phase(&s, phases[i][0], phases[i][1], reply);
	for (n_left = s.n / 10; s.n > n_left;)
		shift_free_one(&s);
	reply->live_freed = s.live;
	rss = rss_bytes();
	reply->rss_freed = rss > worker.rss_empty ? rss - worker.rss_empty : 0;
	if (worker.loops->trim)
		worker.loops->trim();
	rss = rss_bytes();
	reply->rss_trimmed = rss > worker.rss_empty ? rss - worker.rss_empty : 0;
	while (s.n)
		shift_free_one(&s);
	unmap(s.objects, s.n_max * sizeof(s.objects[0]));
}

/* ---- prepare and finish ---- */

static int
fill(bench_work_t *w, uint32_t n, uint64_t n_ops)
{
	uint64_t seed = n;

	w->n_objects = n;
	w->objects = map(n * sizeof(w->objects[0]));
	w->n_choices = n_ops;
	w->choices = map(n_ops * sizeof(w->choices[0]));
	for (uint32_t i = 0; i < n; i++) {
		uint32_t n_bytes = log_uniform(&seed, 4, 12);

		w->objects[i] = worker.loops->alloc(n_bytes);
		if (!w->objects[i])
			return -ENOMEM;
		memset(w->objects[i], 1, n_bytes);
	}
	return 0;
}

static void
drain(bench_work_t *w)
{
	for (uint32_t i = 0; i < w->n_objects; i++)
		if (w->objects[i])
			worker.loops->free(w->objects[i]);
	unmap(w->objects, w->n_objects * sizeof(w->objects[0]));
	unmap(w->choices, w->n_choices * sizeof(w->choices[0]));
}

/* Whether the wish for pages was heard: what was wanted may be refused without a word. */
static int
check_pages(bench_page_t page, bench_reply_t *reply)
{
	uint64_t large;
	/* The mean size, less what may lie on the border. */
	uint64_t least = worker.request.n * 700;

	if (page <= BENCH_PAGE_4K)
		return 0;
	large = bytes_on_pages(page);
	if (large >= least)
		return 0;
	snprintf(reply->why, sizeof(reply->why), "%llu KB on such pages where %llu are wanted",
		 (unsigned long long)(large >> 10), (unsigned long long)(least >> 10));
	return -ENOTSUP;
}

static int
needs_two(bench_kind_t kind)
{
	return kind == BENCH_CROSS || kind == BENCH_SCALE_PAIR || kind == BENCH_SCALE_REPLACE;
}

static int
start_allocator(const bench_request_t *r)
{
	static int is_started;
	int error;

	/* EAL starts once in a process, and one heap does. */
	if (is_started)
		return 0;
	error = worker.loops->start(r->page, r->n_threads);
	is_started = !error;
	return error;
}

static int
prepare(const bench_request_t *r, bench_reply_t *reply)
{
	worker_t *w = &worker;
	int error = 0;

	w->request = *r;
	w->seed = r->kind + 1;
	memset(w->work, 0, sizeof(w->work));
	error = start_allocator(r);
	if (error)
		return error;
	if (needs_two(r->kind))
		error = start_helper();
	switch (r->kind) {
	case BENCH_REPLACE:
	case BENCH_LATENCY:
	case BENCH_PAGES:
		error = fill(&w->work[0], (uint32_t)r->n, r->n_ops);
		break;
	case BENCH_SCALE_REPLACE:
		for (int i = 0; i < 2 && !error; i++)
			error = fill(&w->work[i], (uint32_t)r->n, r->n_ops);
		break;
	case BENCH_CROSS:
		w->work[0].ring = w->work[1].ring = map(sizeof(bench_ring_t));
		break;
	case BENCH_PUSH:
		w->work[0].n_vectors = (uint32_t)r->n;
		w->work[0].vectors = map(r->n * sizeof(bench_vector_t));
		break;
	default:
		break;
	}
	if (!error && r->kind == BENCH_PAGES)
		error = check_pages(r->page, reply);
	return error;
}

static void
finish(void)
{
	bench_work_t *w = worker.work;

	stop_helper();
	for (int i = 0; i < 2; i++)
		if (w[i].objects)
			drain(&w[i]);
	unmap(w[0].ring, sizeof(bench_ring_t));
	unmap(w[0].vectors, w[0].n_vectors * sizeof(bench_vector_t));
	memset(w, 0, sizeof(worker.work));
}

static void
do_round(bench_reply_t *reply)
{
	const bench_loops_t *loops = worker.loops;

	switch (worker.request.kind) {
	case BENCH_PAIR:
		timed(loops->pair, reply);
		break;
	case BENCH_BURSTS:
		timed(loops->burst, reply);
		break;
	case BENCH_REPLACE:
	case BENCH_PAGES:
		round_replace(reply);
		break;
	case BENCH_CROSS:
		round_cross(reply);
		break;
	case BENCH_SCALE_PAIR:
		round_scale(loops->pair, reply);
		break;
	case BENCH_SCALE_REPLACE:
		round_scale(loops->replace, reply);
		break;
	case BENCH_PUSH:
		round_push(reply);
		break;
	case BENCH_SHIFT:
		round_shift(reply);
		break;
	case BENCH_LATENCY:
		round_latency(reply);
		break;
	}
	if (worker.work[0].n_refused || worker.work[1].n_refused) {
		reply->error = -ENOMEM;
		snprintf(reply->why, sizeof(reply->why), "%llu allocations were refused",
			 (unsigned long long)(worker.work[0].n_refused + worker.work[1].n_refused));
	}
}

/* The CPU for everything, and another for the helper where there is one. */
static void
choose_cpus(void)
{
	cpu_set_t set;

	sched_getaffinity(0, sizeof(set), &set);
	worker.cpu[0] = bench_pin();
	if (worker.cpu[0] < 0)
		worker.cpu[0] = 0;
	worker.cpu[1] = worker.cpu[0];
	for (int i = 0; i < CPU_SETSIZE; i++)
		if (CPU_ISSET((size_t)i, &set) && i != worker.cpu[0])
			worker.cpu[1] = i;
}

int
bench_worker(const char *face, int request_fd, int reply_fd)
{
	static bench_reply_t reply;
	bench_request_t request;

	choose_cpus();
	bench_open_counters();
	worker.loops = bench_loops(face);
	while (!bench_read(request_fd, &request, sizeof(request))) {
		memset(&reply, 0, sizeof(reply));
		if (!worker.loops) {
			reply.error = -ENOENT;
			snprintf(reply.why, sizeof(reply.why), "not in this build");
		} else if (request.what == BENCH_PREPARE)
			reply.error = prepare(&request, &reply);
		else if (request.what == BENCH_FINISH)
			finish();
		else if (worker.work[0].n_choices && request.n_ops > worker.work[0].n_choices) {
			reply.error = -EINVAL;
			snprintf(reply.why, sizeof(reply.why), "more steps than were prepared");
		} else {
			worker.request.is_warm_up = request.is_warm_up;
			worker.request.n_ops = request.n_ops;
			do_round(&reply);
		}
		if (bench_write(reply_fd, &reply, sizeof(reply)))
			break;
	}
	return 0;
}
