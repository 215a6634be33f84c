/* SPDX-License-Identifier: Apache-2.0 */
/* framework_impl: what the framework's own files, and their tests, share. */
#ifndef included_framework_impl_h
#define included_framework_impl_h

#include <stdatomic.h>
#include <vppinfra/thread.h>
#include <plugins/framework/framework.h>
#include <rte_graph_worker.h>

/* Counters of other threads are read while they are written: each is one aligned word with one
 * writer, so the value read is one that was there.  ThreadSanitizer cannot know that the writer,
 * DPDK's graph walk among them, means it so. */
#if defined(__SANITIZE_THREAD__)
#	define FRAMEWORK_LIVE_READ __attribute__((no_sanitize("thread")))
#elif defined(__has_feature)
#	if __has_feature(thread_sanitizer)
#		define FRAMEWORK_LIVE_READ __attribute__((no_sanitize("thread")))
#	endif
#endif
#ifndef FRAMEWORK_LIVE_READ
#	define FRAMEWORK_LIVE_READ
#endif

/* ---- order.c ---- */

typedef struct {
	const char *name;
	const char *before; /* comma separated names, NULL: none */
	const char *after;
} framework_order_item_t;

/**
 * Order n items so that each stands before the names in its `before` and after those in its
 * `after`; names of nobody are ignored.  Of the orders possible, the one that takes the first
 * item that may go next.
 *
 * @param[out] order  n item indices
 * @param[out] cycle  on -ELOOP a vector of item indices, each of which must stand before the
 *                    next, and the last before the first; the caller frees it
 * @return 0, -ELOOP, -ENOMEM.  Cost: quadratic.
 */
int framework_order(const framework_order_item_t *items, u32 n, u32 *order, u32 **cycle);

/** "a -> b -> a", NUL-terminated vector. */
u8 *framework_cycle_text(const framework_order_item_t *items, const u32 *cycle);

/** The next name of a comma separated list, blanks and a "_plugin.so" suffix taken off; 0 at
 *  the end.  list moves on. */
int framework_next_name(const char **list, const char **name, u32 *n_bytes);
/** Whether a list has a name. */
int framework_list_has(const char *list, const char *name);

/* ---- init.c ---- */

/** The plugin whose constructors or functions run now; NULL: none. */
extern const char *framework_current_plugin;

/** Withdraw a plugin's commands. */
void framework_withdraw_commands(const char *plugin);

/* ---- plugin.c ---- */

/** Whether functions of a plugin may run; NULL (built in) always. */
int framework_plugin_is_usable(const char *name);

/**
 * A loaded plugin turned out unusable: it and those that require it fail, and everything they
 * registered is withdrawn.
 * @return NULL, or the error for the daemon when one of them is required.
 */
clib_error_t *framework_plugin_fail(const char *name, const char *reason);

/* ---- timer.c, graph.c ---- */

void framework_withdraw_timers(const char *plugin);
void framework_withdraw_nodes(const char *plugin);

/* ---- errors.c ---- */

/* 2048: a page of 16 KiB a thread, none of it resident before it is counted in. */
#define FRAMEWORK_MAX_ERROR_COUNTERS 2048

/** Registered sets, in order. */
vmheap_error_strings_t **framework_error_sets(void);
/** A counter of one thread index since the last clear; CLIB_MAX_THREADS: threads without one. */
u64 framework_error_of_thread(u32 counter, u32 thread);
/** The sum over all threads since the last clear. */
u64 framework_error_sum(u32 counter);
/** @return 0, -ENOMEM with nothing cleared. */
int framework_errors_clear(void);
/** Count for an absolute counter index. */
void framework_error_count_index(u32 counter, u64 n);

/* ---- worker.c ---- */

typedef struct framework_worker {
	/* Set before launch, constant while the worker runs. */
	u32 lcore;
	int socket;
	char name[16];
	rte_graph_t graph_id; /* RTE_GRAPH_ID_INVALID: no source, no graph */
	struct rte_graph *graph;
	struct rte_node **sources; /* vector */
	u32 n_idle_before_yield;   /* ~0: never */
	u32 n_idle_before_sleep;
	u32 sleep_us;

	/* Written by main, read by the worker each loop.  Released when the worker is launched,
	 * acquired when it begins: what is set before launch is seen. */
	_Alignas(CLIB_CACHE_LINE_BYTES) _Atomic u32 must_stop;

	/* Written by the worker, read by show. */
	_Alignas(CLIB_CACHE_LINE_BYTES) _Atomic u64 n_loops;
	_Atomic u64 n_sleeps;
	_Atomic u32 tid;
	/* Released when the worker returns, acquired by stop: its graph may then be taken apart. */
	_Atomic u32 n_runs;
} framework_worker_t;

/** Worker w, w < VMHEAP_MAX_WORKERS. */
framework_worker_t *framework_worker(u32 w);

/* ---- trace.c ---- */

/** Whether workers walk their graphs by framework_traced_walk(). */
extern _Atomic u32 framework_trace_is_on;
void framework_traced_walk(struct rte_graph *graph, u32 worker);
u8 *format_trace_default(u8 *s, va_list *va); /* const vmheap_trace_record_t * */

/* ---- runtime.c ---- */

typedef struct {
	const char *name; /* lives as long as the node */
	u8 is_source;
	u8 is_output; /* has no edges but to drop */
	u8 is_drop;
	u64 n_calls, n_objs, n_cycles; /* since the last clear */
} framework_node_stats_t;

/** Vector of a worker's nodes in graph order, NULL without a graph.  Does not stop the worker. */
framework_node_stats_t *framework_node_stats(u32 w);
/** Seconds and loops of a worker since the last clear. */
f64 framework_runtime_seconds(void);
u64 framework_runtime_loops(u32 w);
/** Graphs have been made: everything counts from here. */
void framework_runtime_start(void);
void framework_runtime_clear(void);

/* ---- parts of vmheap_framework_free() ---- */

void framework_errors_free(void);
void framework_graph_requests_free(void);
void framework_runtime_free(void);
void framework_timers_free(void);

#endif
