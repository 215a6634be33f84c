/* SPDX-License-Identifier: Apache-2.0 */
/* bench_malloc: what its driver, its workers and the allocators' loops share.
 *
 *   bench_malloc.c         driver: starts a process per allocator, gives out rounds, prints
 *     |  request, reply on two pipes
 *   bench_malloc_worker.c  worker: one allocator, does what it is told and measures it
 *     |  bench_loops_t
 *   bench_malloc_loops.h   the timed loops, compiled once for each allocator so that each is called
 *                          as its users call it: bench_malloc_faces.c, bench_malloc_rte.c
 *
 * libc only, for the module with rte_malloc is built without vppinfra. */
#ifndef included_perf_bench_malloc_h
#define included_perf_bench_malloc_h

#include <stdint.h>
#include <stddef.h>

/* ---- what a loop works on ---- */

#define BENCH_BURST 32
#define BENCH_PAIR_BYTES 64
#define BENCH_BURST_BYTES 256

/** One step of the replace loops, chosen beforehand. */
typedef struct {
	uint32_t slot, n_bytes;
} bench_choice_t;

/** A vector as anybody writes one: half as large again when it is full. */
typedef struct {
	uint64_t *data;
	uint32_t len, capacity;
} bench_vector_t;

/** Single producer, single consumer; each index on a line of its own. */
#define BENCH_RING_SLOTS 1024
typedef struct {
	_Alignas(64) _Atomic uint32_t head; /* the producer's */
	_Alignas(64) _Atomic uint32_t tail; /* the consumer's */
	_Alignas(64) void *slots[BENCH_RING_SLOTS];
} bench_ring_t;

/** Log-linear: 32 ranges an octave, so a value is known to 3 %. */
#define BENCH_HISTOGRAM_LOG2_RANGES 5
#define BENCH_HISTOGRAM_BINS (60 << BENCH_HISTOGRAM_LOG2_RANGES)
typedef struct {
	uint64_t n[BENCH_HISTOGRAM_BINS];
	uint64_t greatest;
} bench_histogram_t;

typedef struct {
	void **objects;
	uint32_t n_objects;
	bench_choice_t *choices;
	uint64_t n_choices;
	bench_vector_t *vectors;
	uint32_t n_vectors;
	bench_ring_t *ring;
	bench_histogram_t *histogram;
	/* Allocations that came back NULL: a worker with any has no result. */
	uint64_t n_refused;
} bench_work_t;

/** Pages that an allocator is asked to live on. */
typedef enum {
	BENCH_PAGE_ANY,
	BENCH_PAGE_4K,
	BENCH_PAGE_THP,
	BENCH_PAGE_2M,
	BENCH_PAGE_1G
} bench_page_t;

typedef struct {
	/** Ready the allocator: 0 or a negative errno. */
	int (*start)(bench_page_t page, int n_threads);
	/** Give back what is free, if there is a way to ask for that; may be NULL. */
	void (*trim)(void);

	/* Not timed. */
	void *(*alloc)(size_t n_bytes);
	void (*free)(void *p);

	/* Timed: n operations. */
	void (*pair)(bench_work_t *w, uint64_t n);
	void (*burst)(bench_work_t *w, uint64_t n);
	void (*replace)(bench_work_t *w, uint64_t n);
	/* Each allocation by the clock, into the histogram. */
	void (*latency)(bench_work_t *w, uint64_t n);
	void (*produce)(bench_work_t *w, uint64_t n);
	void (*consume)(bench_work_t *w, uint64_t n);
	/* n pushes, over all vectors in turn. */
	void (*push)(bench_work_t *w, uint64_t n);
} bench_loops_t;

static inline uint32_t
bench_histogram_bin(uint64_t x)
{
	uint32_t log2;

	if (x < 1u << BENCH_HISTOGRAM_LOG2_RANGES)
		return (uint32_t)x;
	log2 = 63 - (uint32_t)__builtin_clzll(x);
	return ((log2 - BENCH_HISTOGRAM_LOG2_RANGES + 1) << BENCH_HISTOGRAM_LOG2_RANGES) +
	       (uint32_t)((x >> (log2 - BENCH_HISTOGRAM_LOG2_RANGES)) &
			  ((1u << BENCH_HISTOGRAM_LOG2_RANGES) - 1));
}

/** The greatest value of a bin. */
static inline uint64_t
bench_histogram_top(uint32_t bin)
{
	uint32_t shift = bin >> BENCH_HISTOGRAM_LOG2_RANGES;
	uint64_t low = bin & ((1u << BENCH_HISTOGRAM_LOG2_RANGES) - 1);

	if (!shift)
		return bin;
	low |= 1u << BENCH_HISTOGRAM_LOG2_RANGES;
	return ((low + 1) << (shift - 1)) - 1;
}

/** The loops by an allocator's name; NULL when this build or machine has none of it. */
const bench_loops_t *bench_loops(const char *face);

/* ---- driver and worker ---- */

typedef enum {
	BENCH_PAIR,
	BENCH_BURSTS,
	BENCH_REPLACE,
	BENCH_CROSS,
	BENCH_SCALE_PAIR,
	BENCH_SCALE_REPLACE,
	BENCH_PUSH,
	BENCH_SHIFT,
	BENCH_LATENCY,
	BENCH_PAGES,
} bench_kind_t;

/** What is to be done; the worker keeps the latest, prepared. */
typedef struct {
	enum { BENCH_PREPARE, BENCH_ROUND, BENCH_FINISH } what;
	bench_kind_t kind;
	bench_page_t page;
	/* That will ever use the allocator. */
	int n_threads;
	/* Objects or vectors; bytes for BENCH_SHIFT. */
	uint64_t n;
	uint64_t n_ops;
	/* The round is not measured: caches, predictors and the heap get warm. */
	int is_warm_up;
} bench_request_t;

#define BENCH_CURVE_POINTS 64
typedef struct {
	/* Negative errno: no result, `why` says more. */
	int error;
	char why[96];
	/* Nanoseconds per operation; of one thread and of two for the scale kinds. */
	double ns, ns_of_two;
	double cycles, instructions; /* 0: not counted */
	/* BENCH_SHIFT: resident bytes above those of the empty worker. */
	uint64_t peak_live, peak_rss, live_freed, rss_freed, rss_trimmed;
	uint32_t n_curve;
	struct {
		uint64_t allocated, live, rss;
	} curve[BENCH_CURVE_POINTS];
	/* BENCH_LATENCY: clocks, and how long one is. */
	double ns_per_clock;
	bench_histogram_t histogram;
} bench_reply_t;

/** Serve requests from one descriptor, answer on the other, until the first is closed.
 *  @return main()'s value */
int bench_worker(const char *face, int request_fd, int reply_fd);

/** Exactly n bytes: 0, or -1 at the end or on an error. */
int bench_read(int fd, void *p, size_t n);
int bench_write(int fd, const void *p, size_t n);

#endif
