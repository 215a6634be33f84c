/* SPDX-License-Identifier: Apache-2.0 */
/* Questions: what does an object cost from a cache, does it stay so with two threads at it, and
 * what does it cost to free an object on another core than it was allocated on?  And what does it
 * cost to count in a per-CPU variable?
 *
 * Method: glibc's malloc of the same size beside each case, in the same rounds.
 *   - pair: one object taken and freed, untouched: the floor under every other figure;
 *   - bulk: 32 taken and freed at once (malloc: one after the other);
 *   - replace: n live objects; an operation frees a random one and takes another;
 *   - threads=2: both CPUs do pairs, each pinned; ns of one pair of either thread.  caches=2: each
 *     in a cache of its own, and "empty" with none: what two busy CPUs cost each other anyway;
 *   - cross: one thread allocates and writes, the other reads and frees, through a ring of
 *     pointers that both pass in batches of 64; ns an object, both threads busy.  The ring alone,
 *     with no allocator in it, is "cross_ring";
 *   - percpu_inc: this_cpu_inc() of a static and of a run-time variable, beside ++ of a
 *     volatile thread-local, which is the least that counting in memory can cost.
 * Unit: nanoseconds (cycles, instructions of the first thread) per pair, object or increment. */
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <vppinfra/kmem.h>
#include <vppinfra/percpu.h>
#include <vppinfra/vmem.h>
#include "bench.h"

#define OBJECT_BYTES 256
/* Rounds of well under a millisecond: some escape the scheduler on a busy machine. */
#define N_PAIRS (1 << 14)
/* What two threads do is longer, so that starting and ending together is no part of it. */
#define N_THREADED (1 << 16)
#define N_BULK 32
#define N_LIVE 10000
#define N_REPLACE (1 << 14)
#define N_CROSS (1 << 14)
#define N_ROUNDS 61

static clib_kmem_cache_t *cache, *second_cache, *checked;
static u32 choices[N_REPLACE];
static void *live[N_LIVE];

/* ---- one thread ---- */

static void
nothing(void *arg, u64 n_ops)
{
	for (u64 i = 0; i < n_ops; i++)
		bench_keep(i);
}

static void
kmem_pairs(void *arg, u64 n_ops)
{
	for (u64 i = 0; i < n_ops; i++) {
		void *p = kmem_cache_alloc(arg, 0);

		bench_keep(p);
		kmem_cache_free(arg, p);
	}
}

static void
glibc_pairs(void *arg, u64 n_ops)
{
	for (u64 i = 0; i < n_ops; i++) {
		void *p = malloc(OBJECT_BYTES);

		bench_keep(p);
		free(p);
	}
}

static void
kmem_bulk(void *arg, u64 n_ops)
{
	void *objects[N_BULK];

	for (u64 i = 0; i < n_ops; i += N_BULK) {
		kmem_cache_alloc_bulk(cache, 0, N_BULK, objects);
		bench_keep(objects[0]);
		kmem_cache_free_bulk(cache, N_BULK, objects);
	}
}

static void
glibc_bulk(void *arg, u64 n_ops)
{
	void *objects[N_BULK];

	for (u64 i = 0; i < n_ops; i += N_BULK) {
		for (u32 k = 0; k < N_BULK; k++)
			objects[k] = malloc(OBJECT_BYTES);
		bench_keep(objects[0]);
		for (u32 k = 0; k < N_BULK; k++)
			free(objects[k]);
	}
}

static void
fill_from_cache(void *arg)
{
	for (u32 i = 0; i < N_LIVE; i++)
		live[i] = kmem_cache_alloc(cache, 0);
}

static void
drain_to_cache(void *arg)
{
	for (u32 i = 0; i < N_LIVE; i++)
		kmem_cache_free(cache, live[i]);
}

static void
fill_from_glibc(void *arg)
{
	for (u32 i = 0; i < N_LIVE; i++)
		live[i] = malloc(OBJECT_BYTES);
}

static void
drain_to_glibc(void *arg)
{
	for (u32 i = 0; i < N_LIVE; i++)
		free(live[i]);
}

static void
kmem_replace(void *arg, u64 n_ops)
{
	for (u64 i = 0; i < n_ops; i++) {
		void **p = &live[choices[i]];

		kmem_cache_free(cache, *p);
		*p = kmem_cache_alloc(cache, 0);
	}
}

static void
glibc_replace(void *arg, u64 n_ops)
{
	for (u64 i = 0; i < n_ops; i++) {
		void **p = &live[choices[i]];

		free(*p);
		*p = malloc(OBJECT_BYTES);
	}
}

static void
vmem_qcache_pairs(void *arg, u64 n_ops)
{
	for (u64 i = 0; i < n_ops; i++)
		vmem_free(arg, vmem_alloc(arg, 64, VM_NOSLEEP), 64);
}

/* ---- two threads ---- */

/* The second thread sleeps on the other CPU until a case for two is prepared, then spins until the
 * clock has been read: waking it is not timed. */
static struct {
	pthread_barrier_t wake;
	_Atomic u32 is_ready, go, is_done;
	void (*fn)(void *arg, u64 n_ops);
	void *arg;
	u64 n_ops;
} second;

static void
pin_to_other_cpu(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	for (int cpu = 0; cpu < (int)sysconf(_SC_NPROCESSORS_ONLN); cpu++)
		if (cpu != bench_cpu)
			CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static void
spin_until(_Atomic u32 *flag)
{
	while (!atomic_load_explicit(flag, memory_order_acquire))
		CLIB_PAUSE();
	atomic_store_explicit(flag, 0, memory_order_relaxed);
}

static void
set_flag(_Atomic u32 *flag)
{
	atomic_store_explicit(flag, 1, memory_order_release);
}

static void *
second_thread(void *arg)
{
	pin_to_other_cpu();
	for (;;) {
		pthread_barrier_wait(&second.wake);
		set_flag(&second.is_ready);
		spin_until(&second.go);
		second.fn(second.arg, second.n_ops);
		set_flag(&second.is_done);
	}
	return NULL;
}

static void
wake_second(void *arg)
{
	pthread_barrier_wait(&second.wake);
	spin_until(&second.is_ready);
}

static void
with_second(void (*first_fn)(void *, u64), void (*second_fn)(void *, u64), void *arg, u64 n_ops)
{
	second.fn = second_fn;
	second.arg = arg;
	second.n_ops = n_ops;
	set_flag(&second.go);
	first_fn(arg, n_ops);
	spin_until(&second.is_done);
}

static void
kmem_pairs_2(void *arg, u64 n_ops)
{
	with_second(kmem_pairs, kmem_pairs, arg, n_ops);
}

/* Nothing shared but what is only read: what two threads cost here is the machine's own. */
static void
kmem_pairs_own(void *arg, u64 n_ops)
{
	kmem_pairs(bench_cpu == sched_getcpu() ? cache : second_cache, n_ops);
}

static void
kmem_pairs_own_2(void *arg, u64 n_ops)
{
	with_second(kmem_pairs_own, kmem_pairs_own, arg, n_ops);
}

static void
nothing_2(void *arg, u64 n_ops)
{
	with_second(nothing, nothing, arg, n_ops);
}

static void
glibc_pairs_2(void *arg, u64 n_ops)
{
	with_second(glibc_pairs, glibc_pairs, arg, n_ops);
}

/* ---- across ---- */

#define RING 1024
#define BATCH 64

static struct {
	_Atomic u64 head;
	u8 pad1[56];
	_Atomic u64 tail;
	u8 pad2[56];
	u64 *ring[RING];
} pipe_;

typedef struct {
	void *(*take)(void);
	void (*give)(void *p);
} allocator_t;

static void *
take_kmem(void)
{
	return kmem_cache_alloc(cache, 0);
}

static void
give_kmem(void *p)
{
	kmem_cache_free(cache, p);
}

static void *
take_glibc(void)
{
	return malloc(OBJECT_BYTES);
}

static void
give_glibc(void *p)
{
	free(p);
}

/* No allocator: the same objects over and over, so only the ring and their lines move. */
static u64 ring_objects[RING * 2][OBJECT_BYTES / sizeof(u64)];
static u64 n_ring_taken;

static void *
take_ring(void)
{
	return ring_objects[n_ring_taken++ % (RING * 2)];
}

static void
give_ring(void *p)
{
}

static void
produce(void *arg, u64 n_ops)
{
	const allocator_t *a = arg;
	u64 head = atomic_load_explicit(&pipe_.head, memory_order_relaxed);

	for (u64 i = 0; i < n_ops; i += BATCH, head += BATCH) {
		while (head + BATCH - atomic_load_explicit(&pipe_.tail, memory_order_acquire) >
		       RING)
			CLIB_PAUSE();
		for (u32 k = 0; k < BATCH; k++) {
			u64 *p = a->take();

			*p = head + k;
			pipe_.ring[(head + k) % RING] = p;
		}
		atomic_store_explicit(&pipe_.head, head + BATCH, memory_order_release);
	}
}

static void
consume(void *arg, u64 n_ops)
{
	const allocator_t *a = arg;
	u64 tail = atomic_load_explicit(&pipe_.tail, memory_order_relaxed), sum = 0;

	for (u64 i = 0; i < n_ops; i += BATCH, tail += BATCH) {
		while (atomic_load_explicit(&pipe_.head, memory_order_acquire) < tail + BATCH)
			CLIB_PAUSE();
		for (u32 k = 0; k < BATCH; k++) {
			u64 *p = pipe_.ring[(tail + k) % RING];

			sum += *p;
			a->give(p);
		}
		atomic_store_explicit(&pipe_.tail, tail + BATCH, memory_order_release);
	}
	bench_keep(sum);
}

static void
cross(void *arg, u64 n_ops)
{
	with_second(produce, consume, arg, n_ops);
}

/* ---- counting ---- */

static DEFINE_PER_CPU(u64, static_counter);
static u64 __percpu *run_time_counter;
static __thread volatile u64 thread_local_counter;

static void
count_static(void *arg, u64 n_ops)
{
	for (u64 i = 0; i < n_ops; i++)
		this_cpu_inc(static_counter);
}

static void
count_run_time(void *arg, u64 n_ops)
{
	u64 __percpu *p = run_time_counter;

	for (u64 i = 0; i < n_ops; i++) {
		bench_keep(p);
		this_cpu_inc(*p);
	}
}

static void
count_thread_local(void *arg, u64 n_ops)
{
	for (u64 i = 0; i < n_ops; i++)
		thread_local_counter++;
}

/* Four counters in turn: what one costs when the next does not wait for it. */
static DEFINE_PER_CPU(u64, other_counters[4]);

static void
count_four(void *arg, u64 n_ops)
{
	for (u64 i = 0; i < n_ops; i += 4) {
		this_cpu_inc(other_counters[0]);
		this_cpu_inc(other_counters[1]);
		this_cpu_inc(other_counters[2]);
		this_cpu_inc(other_counters[3]);
	}
}

static void
count_static_2(void *arg, u64 n_ops)
{
	with_second(count_static, count_static, arg, n_ops);
}

int
main(void)
{
	static const allocator_t kmem = { take_kmem, give_kmem },
				 glibc = { take_glibc, give_glibc },
				 ring = { take_ring, give_ring };
	static bench_case_t cases[] = {
		{ .name = "empty", .params = "threads=1", .fn = nothing, .n_ops = N_THREADED },
		{ .name = "empty", .params = "threads=2", .fn = nothing_2, .n_ops = N_THREADED },
		{ .name = "kmem_pair",
		  .params = "size=256 threads=1",
		  .fn = kmem_pairs,
		  .n_ops = N_THREADED },
		{ .name = "kmem_pair",
		  .params = "size=256 threads=2",
		  .fn = kmem_pairs_2,
		  .n_ops = N_THREADED },
		{ .name = "kmem_pair",
		  .params = "size=256 threads=2 caches=2",
		  .fn = kmem_pairs_own_2,
		  .n_ops = N_THREADED },
		{ .name = "glibc_pair",
		  .params = "size=256 threads=1",
		  .fn = glibc_pairs,
		  .n_ops = N_THREADED },
		{ .name = "glibc_pair",
		  .params = "size=256 threads=2",
		  .fn = glibc_pairs_2,
		  .n_ops = N_THREADED },
		{ .name = "kmem_pair", .params = "size=256 checked", .fn = kmem_pairs },
		{ .name = "vmem_qcache_pair", .params = "size=64", .fn = vmem_qcache_pairs },
		{ .name = "kmem_bulk", .params = "size=256 batch=32", .fn = kmem_bulk },
		{ .name = "glibc_bulk", .params = "size=256 batch=32", .fn = glibc_bulk },
		{ .name = "kmem_replace",
		  .params = "size=256 live=10000",
		  .prepare = fill_from_cache,
		  .fn = kmem_replace,
		  .finish = drain_to_cache,
		  .n_ops = N_REPLACE },
		{ .name = "glibc_replace",
		  .params = "size=256 live=10000",
		  .prepare = fill_from_glibc,
		  .fn = glibc_replace,
		  .finish = drain_to_glibc,
		  .n_ops = N_REPLACE },
		{ .name = "kmem_cross",
		  .params = "size=256",
		  .fn = cross,
		  .arg = (void *)&kmem,
		  .n_ops = N_CROSS },
		{ .name = "glibc_cross",
		  .params = "size=256",
		  .fn = cross,
		  .arg = (void *)&glibc,
		  .n_ops = N_CROSS },
		{ .name = "cross_ring",
		  .params = "size=256",
		  .fn = cross,
		  .arg = (void *)&ring,
		  .n_ops = N_CROSS },
		{ .name = "percpu_inc", .params = "static", .fn = count_static },
		{ .name = "percpu_inc", .params = "static threads=2", .fn = count_static_2 },
		{ .name = "percpu_inc", .params = "run-time", .fn = count_run_time },
		{ .name = "percpu_inc", .params = "static four in turn", .fn = count_four },
		{ .name = "thread_local_inc", .fn = count_thread_local },
	};
	clib_kmem_params_t p = { .name = "bench", .object_bytes = OBJECT_BYTES };
	vmem_t *arena;
	pthread_t thread;
	u64 seed = 1;

	bench_start("bench_kmem");
	/* Or glibc gives the top of its heap back and asks for it again all the time. */
	mallopt(M_TRIM_THRESHOLD, 1 << 30);
	for (u32 i = 0; i < N_REPLACE; i++)
		choices[i] = (u32)bench_random_below(&seed, N_LIVE);
	arena = vmem_create("bench", (void *)MiB(1), GiB(1), 64, NULL, NULL, NULL, 1024,
			    VM_NOSLEEP);
	run_time_counter = alloc_percpu(u64);
	if (clib_kmem_cache_make(&p, &cache) || !arena || !run_time_counter)
		return 1;
	p.name = "bench_checked";
	p.flags = CLIB_KMEM_CHECKED;
	if (clib_kmem_cache_make(&p, &checked))
		return 1;
	p.name = "bench_second";
	p.flags = 0;
	if (clib_kmem_cache_make(&p, &second_cache))
		return 1;
	for (u32 i = 0; i < ARRAY_LEN(cases); i++) {
		if (!cases[i].n_ops)
			cases[i].n_ops = N_PAIRS;
		if (cases[i].fn == cross || cases[i].fn == kmem_pairs_2 ||
		    cases[i].fn == kmem_pairs_own_2 || cases[i].fn == nothing_2 ||
		    cases[i].fn == glibc_pairs_2 || cases[i].fn == count_static_2)
			cases[i].prepare = wake_second;
		if (cases[i].fn == kmem_pairs || cases[i].fn == kmem_pairs_2)
			cases[i].arg = strstr(cases[i].params, "checked") ? checked : cache;
		if (cases[i].fn == vmem_qcache_pairs)
			cases[i].arg = arena;
	}
	pthread_barrier_init(&second.wake, NULL, 2);
	if (pthread_create(&thread, NULL, second_thread, NULL))
		return 1;
	return bench_run(cases, ARRAY_LEN(cases), N_ROUNDS);
}
