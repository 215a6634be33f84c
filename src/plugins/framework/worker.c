/* SPDX-License-Identifier: Apache-2.0 */
/* A worker walks its graph until told to stop.  It never waits for the main lcore: show commands
 * read its counters while it runs. */
#include <plugins/framework/framework_impl.h>

#include <sched.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <rte_errno.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <vppinfra/vec.h>

#define N_IDLE_BEFORE_YIELD 64      /* about 10 us of empty polls: a burst's tail is not cut off */
#define N_IDLE_BEFORE_SLEEP 4096    /* yielding did not help: nobody else had work for a while */
#define ADAPTIVE_SLEEP_US 50        /* the latency a packet may see after a pause */
#define WITHOUT_GRAPH_SLEEP_US 5000 /* only to notice must_stop */
#define NEVER (~0u)

static framework_worker_t workers[VMHEAP_MAX_WORKERS];
static u32 idle_sleep_us = VMHEAP_IDLE_ADAPTIVE;
static u32 n_running;

static void __attribute__((constructor)) workers_constructor(void)
{
	for (u32 i = 0; i < VMHEAP_MAX_WORKERS; i++) {
		workers[i].graph_id = RTE_GRAPH_ID_INVALID;
		snprintf(workers[i].name, sizeof(workers[i].name), "worker-%u", i);
	}
}

framework_worker_t *
framework_worker(u32 w)
{
	return &workers[w];
}

void
vmheap_set_idle_sleep_us(u32 us)
{
	idle_sleep_us = us;
}

int
vmheap_workers_are_running(void)
{
	return n_running != 0;
}

/* ---- on the worker ---- */

static void
sleep_us(u32 us)
{
	struct timespec t = { .tv_sec = us / 1000000, .tv_nsec = (long)(us % 1000000) * 1000 };

	nanosleep(&t, NULL);
}

static u64
objects_so_far(const framework_worker_t *w)
{
	u64 n = 0;

	for (u32 i = 0; i < vec_len(w->sources); i++)
		n += w->sources[i]->total_objs;
	return n;
}

static void
count_loop(framework_worker_t *w)
{
	/* The only writer: no atomic add needed.  Release: what this walk read, it has read, for
	 * the acquire in vmheap_workers_synchronize(). */
	atomic_store_explicit(&w->n_loops,
			      atomic_load_explicit(&w->n_loops, memory_order_relaxed) + 1,
			      memory_order_release);
}

static int
must_stop(framework_worker_t *w)
{
	/* Relaxed: what main did before is ordered by the launch, what it does after by the wait.
	 */
	return PREDICT_FALSE(atomic_load_explicit(&w->must_stop, memory_order_relaxed) != 0);
}

static void
walk(framework_worker_t *w)
{
	if (PREDICT_FALSE(atomic_load_explicit(&framework_trace_is_on, memory_order_relaxed)))
		framework_traced_walk(w->graph, (u32)(w - workers));
	else
		rte_graph_walk(w->graph);
}

static void
poll_always(framework_worker_t *w)
{
	while (!must_stop(w)) {
		walk(w);
		count_loop(w);
	}
}

static void
poll_with_rests(framework_worker_t *w)
{
	u64 n_objects = objects_so_far(w);
	u32 n_idle = 0;

	while (!must_stop(w)) {
		u64 n;

		walk(w);
		count_loop(w);
		n = objects_so_far(w);
		if (PREDICT_TRUE(n != n_objects)) {
			n_objects = n;
			n_idle = 0;
		} else if (n_idle >= w->n_idle_before_sleep) {
			atomic_fetch_add_explicit(&w->n_sleeps, 1, memory_order_relaxed);
			sleep_us(w->sleep_us);
		} else if (++n_idle >= w->n_idle_before_yield) {
			sched_yield();
		}
	}
}

static void
wait_without_graph(framework_worker_t *w)
{
	while (!must_stop(w)) {
		count_loop(w);
		sleep_us(WITHOUT_GRAPH_SLEEP_US);
	}
}

static int
worker_main(void *arg)
{
	framework_worker_t *w = arg;

	/* Acquire: what start set, graph and policy, with its release of must_stop. */
	(void)atomic_load_explicit(&w->must_stop, memory_order_acquire);
	clib_thread_set_name(w->name);
	atomic_store_explicit(&w->tid, (u32)syscall(SYS_gettid), memory_order_relaxed);
	if (!w->graph)
		wait_without_graph(w);
	else if (w->n_idle_before_yield == NEVER && w->n_idle_before_sleep == NEVER)
		poll_always(w);
	else
		poll_with_rests(w);
	/* Release: the graph's state, for the acquire in vmheap_workers_stop(). */
	atomic_fetch_add_explicit(&w->n_runs, 1, memory_order_release);
	return 0;
}

/* ---- on the main lcore ---- */

/* Whether a worker must share: another lcore sits on exactly its CPU, or there are more lcores
 * than CPUs for them. */
static int
cpu_is_shared(u32 lcore)
{
	rte_cpuset_t own = rte_lcore_cpuset(lcore), all;
	u32 other, n_lcores = 0;

	CPU_ZERO(&all);
	RTE_LCORE_FOREACH (other) {
		rte_cpuset_t set = rte_lcore_cpuset(other);

		CPU_OR(&all, &all, &set);
		n_lcores++;
		if (other != lcore && CPU_COUNT(&own) == 1 && CPU_EQUAL(&own, &set))
			return 1;
	}
	return n_lcores > (u32)CPU_COUNT(&all);
}

static void
set_idle_policy(framework_worker_t *w)
{
	w->n_idle_before_yield = NEVER;
	w->n_idle_before_sleep = NEVER;
	w->sleep_us = idle_sleep_us;
	if (idle_sleep_us == VMHEAP_IDLE_ADAPTIVE && cpu_is_shared(w->lcore)) {
		w->n_idle_before_yield = N_IDLE_BEFORE_YIELD;
		w->n_idle_before_sleep = N_IDLE_BEFORE_SLEEP;
		w->sleep_us = ADAPTIVE_SLEEP_US;
	} else if (idle_sleep_us && idle_sleep_us != VMHEAP_IDLE_ADAPTIVE) {
		w->n_idle_before_sleep = N_IDLE_BEFORE_YIELD;
	}
}

clib_error_t *
vmheap_workers_start(void)
{
	u32 n_workers = vmheap_n_workers();

	if (n_running)
		return clib_error_return_code(0, -EBUSY, 0, "workers are running already");
	for (u32 i = 0; i < n_workers; i++) {
		framework_worker_t *w = framework_worker(i);
		int rv;

		w->lcore = vmheap_worker_lcore(i);
		set_idle_policy(w);
		atomic_store_explicit(&w->must_stop, 0, memory_order_release);
		rv = rte_eal_remote_launch(worker_main, w, w->lcore);
		if (rv) {
			vmheap_workers_stop();
			return clib_error_return_code(0, rv, 0,
						      "starting worker %u on lcore %u: %s", i,
						      w->lcore, strerror(-rv));
		}
		n_running = i + 1;
	}
	return NULL;
}

void
vmheap_workers_synchronize(void)
{
	u64 before[VMHEAP_MAX_WORKERS];

	/* What the caller wrote is out before the counts are read. */
	atomic_thread_fence(memory_order_seq_cst);
	for (u32 i = 0; i < n_running; i++)
		before[i] = atomic_load_explicit(&workers[i].n_loops, memory_order_relaxed);
	for (u32 i = 0; i < n_running; i++) {
		/* 2: the first end of a walk that is seen may be older than what the next walk has
		 * read already. */
		while (workers[i].graph &&
		       atomic_load_explicit(&workers[i].n_loops, memory_order_acquire) <
			       before[i] + 2)
			sleep_us(10);
	}
}

void
vmheap_workers_stop(void)
{
	for (u32 i = 0; i < n_running; i++)
		atomic_store_explicit(&workers[i].must_stop, 1, memory_order_relaxed);
	for (u32 i = 0; i < n_running; i++) {
		rte_eal_wait_lcore(workers[i].lcore);
		/* Acquire: what the worker wrote, with its release at the end. */
		(void)atomic_load_explicit(&workers[i].n_runs, memory_order_acquire);
	}
	n_running = 0;
}
