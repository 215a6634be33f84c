/* SPDX-License-Identifier: Apache-2.0 */
/* Question: what does an mheap cost beside the allocators that a program would take instead?
 *
 * Method: all do the same work in the same rounds, one after the other.  libvmheap-malloc,
 * jemalloc, mimalloc and tcmalloc are loaded into this process (those that are installed), glibc is
 * there; each is called through a pointer.  The mheap itself is called by its own names as well:
 * with fronts, inline, in bulk, and without fronts or lock.  Each object's first word is written.
 *   - pair: one object of 64 bytes, got and put: the floor under every other figure.  "unchecked"
 *     is the inline pair without what put compares, so the difference is the price of the checks;
 *   - burst: 32 objects of 256 bytes, put in the order they were got;
 *   - replace: n live objects of 16 to 4096 bytes, log-uniform; an operation puts a random one and
 *     gets another size in its place.  The choices are made beforehand, the same for all;
 *   - handover: one thread gets objects of 64 bytes, another puts them, by a ring between them;
 *   - usage: all figures of a heap with fronts, with so many live;
 *   - grow: two vectors of 64-bit words, pushed to in turn up to 32 MiB each, so that each is in
 * the other's way when it has to grow.  "moved" by page tables, "copied" in a heap that cannot.
 * Unit: nanoseconds (cycles, instructions) per get + put; handover: per object.  4 KiB pages. */
#include <dlfcn.h>
#include <pthread.h>
#include <vppinfra/mem.h>
#include <vppinfra/mheap_front.h>
#include <vppinfra/vec.h>
#include "bench.h"

#define N_PAIRS (1 << 17)
#define N_BURST 32
#define N_REPLACE (1 << 17)
#define N_HANDED_OVER (1 << 17)
#define N_USAGES 4096
#define N_GROWN (1 << 23)
#define N_GROW_ROUNDS 5
#define N_ROUNDS 21
#define MAX_ALLOCATORS 8
/* Some allocators keep more thread-local data than a dlopen() finds room for. */
#define TUNABLES "glibc.rtld.optional_static_tls=65536"

typedef struct {
	const char *name;
	void *(*get)(size_t n_bytes);
	void (*put)(void *p);
	/* Live objects of the replace cases. */
	void **objects;
	u32 n_objects;
} allocator_t;

static allocator_t allocators[MAX_ALLOCATORS];
static u32 n_allocators;
static void *heap, *unlocked_heap;

/* ---- allocators ---- */

static void *
heap_get(size_t n_bytes)
{
	uword offset;

	mheap_get_aligned(heap, n_bytes, 0, 0, &offset);
	return offset == ~(uword)0 ? NULL : (u8 *)heap + offset;
}

static void
heap_put(void *p)
{
	mheap_put(heap, (uword)p - (uword)heap);
}

static void *
unlocked_get(size_t n_bytes)
{
	uword offset;

	mheap_get_aligned(unlocked_heap, n_bytes, 0, 0, &offset);
	return offset == ~(uword)0 ? NULL : (u8 *)unlocked_heap + offset;
}

static void
unlocked_put(void *p)
{
	mheap_put(unlocked_heap, (uword)p - (uword)unlocked_heap);
}

static void
add_allocator(const char *name, void *get, void *put)
{
	allocators[n_allocators++] = (allocator_t){ .name = name,
						    .get = (void *(*)(size_t))get,
						    .put = (void (*)(void *))put };
}

static void
load_allocator(const char *name, const char *file)
{
	void *library = dlopen(file, RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND);

	if (!library) {
		printf("# %s: %s\n", name, dlerror());
		return;
	}
	add_allocator(name, dlsym(library, "malloc"), dlsym(library, "free"));
}

static void
make_allocators(void)
{
	add_allocator("mheap_fronts", heap_get, heap_put);
	add_allocator("mheap_unlocked", unlocked_get, unlocked_put);
	load_allocator("vmheap_malloc", VMHEAP_MALLOC);
	add_allocator("glibc", malloc, free);
	load_allocator("jemalloc", "libjemalloc.so.2");
	load_allocator("mimalloc", "libmimalloc.so.2");
	load_allocator("tcmalloc", "libtcmalloc_minimal.so.4");
}

/* ---- choices, made once ---- */

static struct {
	u32 random; /* a slot, when scaled */
	u16 n_bytes;
} choices[N_REPLACE];

static u16
log_uniform_size(u64 *seed)
{
	uword log2 = 4 + bench_random_below(seed, 8);

	return (u16)((1u << log2) + bench_random_below(seed, (1u << log2) + 1));
}

static void
make_choices(void)
{
	u64 seed = 1;

	for (u32 i = 0; i < N_REPLACE; i++) {
		choices[i].random = (u32)bench_random(&seed);
		choices[i].n_bytes = log_uniform_size(&seed);
	}
}

/* ---- the work ---- */

static void
nothing(void *arg, u64 n_ops)
{
	for (u64 i = 0; i < n_ops; i++)
		bench_keep(i);
}

static void
pairs(void *arg, u64 n_ops)
{
	allocator_t *a = arg;

	for (u64 i = 0; i < n_ops; i++) {
		u64 *p = a->get(64);

		*p = i;
		bench_keep(p);
		a->put(p);
	}
}

static void
inline_pairs(void *v, u64 n_ops)
{
	for (u64 i = 0; i < n_ops; i++) {
		u64 *p = mheap_get_inline(v, 64);

		*p = i;
		bench_keep(p);
		mheap_put_inline(v, p);
	}
}

static void
unchecked_pairs(void *v, u64 n_ops)
{
	for (u64 i = 0; i < n_ops; i++) {
		u64 *p = mheap_get_inline(v, 64);

		*p = i;
		bench_keep(p);
		mheap_front_push(mheap_front(mheap_header(v)), mheap_front_class(64), (uword)p);
	}
}

static void
bursts(void *arg, u64 n_ops)
{
	allocator_t *a = arg;
	u64 *p[N_BURST];

	for (u64 i = 0; i < n_ops; i += N_BURST) {
		for (u32 j = 0; j < N_BURST; j++) {
			p[j] = a->get(256);
			*p[j] = i;
			bench_keep(p[j]);
		}
		for (u32 j = 0; j < N_BURST; j++)
			a->put(p[j]);
	}
}

static void
bulk_bursts(void *v, u64 n_ops)
{
	void *p[N_BURST];

	for (u64 i = 0; i < n_ops; i += N_BURST) {
		mheap_get_bulk(v, 256, N_BURST, p);
		for (u32 j = 0; j < N_BURST; j++)
			*(u64 *)p[j] = i;
		mheap_put_bulk(v, N_BURST, p);
	}
}

static void
replace(void *arg, u64 n_ops)
{
	allocator_t *a = arg;

	for (u64 i = 0; i < n_ops; i++) {
		u64 slot = ((u64)choices[i].random * a->n_objects) >> 32;
		u64 *p;

		a->put(a->objects[slot]);
		p = a->get(choices[i].n_bytes);
		*p = i;
		a->objects[slot] = p;
	}
}

static void
usages(void *v, u64 n_ops)
{
	clib_mem_usage_t u;

	for (u64 i = 0; i < n_ops; i++) {
		mheap_usage(v, &u);
		bench_keep(u.object_count);
	}
}

static void
grow_two(void *v, u64 n_ops)
{
	void *old = clib_mem_set_heap(v);
	u64 *a = NULL, *b = NULL;

	for (u64 i = 0; i < n_ops; i += 2) {
		vec_add1(a, i);
		vec_add1(b, i);
	}
	vec_free(a);
	vec_free(b);
	clib_mem_set_heap(old);
}

/* A private heap; pages move in it or not. */
static void *
heap_to_grow_in(int pages_move)
{
	mheap_params_t params = { .numa_node = -1 };
	void *v;

	if (mheap_region_mmap(GiB(1), &params.region))
		return NULL;
	if (!pages_move)
		params.region.move = NULL;
	return mheap_create(&params, &v) ? NULL : v;
}

/* ---- from thread to thread ---- */

#define RING_SIZE 1024
static struct {
	CLIB_CACHE_LINE_ALIGN_MARK(cacheline0);
	u64 head;
	CLIB_CACHE_LINE_ALIGN_MARK(cacheline1);
	u64 tail;
	CLIB_CACHE_LINE_ALIGN_MARK(cacheline2);
	void *p[RING_SIZE];
} ring;
static u64 n_to_put;

/* The other may not be running at all. */
static void
wait_a_little(u32 *n_waits)
{
	if (++*n_waits % 256)
		CLIB_PAUSE();
	else
		sched_yield();
}

static void *
put_what_comes(void *arg)
{
	allocator_t *a = arg;
	u32 n_waits = 0;

	for (u64 i = 0; i < n_to_put; i++) {
		while (clib_atomic_load_acq_n(&ring.head) == i)
			wait_a_little(&n_waits);
		a->put(ring.p[i % RING_SIZE]);
		clib_atomic_store_rel_n(&ring.tail, i + 1);
	}
	return NULL;
}

/* The thread's start and end are in it: some 50 us for 131072 objects. */
static void
handovers(void *arg, u64 n_ops)
{
	allocator_t *a = arg;
	pthread_t thread;
	cpu_set_t all;
	u32 n_waits = 0;

	ring.head = ring.tail = 0;
	n_to_put = n_ops;
	memset(&all, 0xff, sizeof(all));
	pthread_create(&thread, NULL, put_what_comes, a);
	pthread_setaffinity_np(thread, sizeof(all), &all);
	for (u64 i = 0; i < n_ops; i++) {
		u64 *p = a->get(64);

		*p = i;
		while (i - clib_atomic_load_acq_n(&ring.tail) >= RING_SIZE)
			wait_a_little(&n_waits);
		ring.p[i % RING_SIZE] = p;
		clib_atomic_store_rel_n(&ring.head, i + 1);
	}
	pthread_join(thread, NULL);
}

/* ---- cases ---- */

static bench_case_t cases[4 * MAX_ALLOCATORS];
static char names[ARRAY_LEN(cases)][48];
static u32 n_cases;

static void
add_case(const char *who, const char *what, const char *params, void (*fn)(void *, u64), void *arg,
	 u64 n_ops)
{
	snprintf(names[n_cases], sizeof(names[0]), "%s_%s", who, what);
	cases[n_cases] = (bench_case_t){
		.name = names[n_cases], .params = params, .fn = fn, .arg = arg, .n_ops = n_ops
	};
	n_cases++;
}

static void
add_for_each(const char *what, const char *params, void (*fn)(void *, u64), u64 n_ops)
{
	for (u32 i = 0; i < n_allocators; i++)
		add_case(allocators[i].name, what, params, fn, &allocators[i], n_ops);
}

static void
run(u32 n_rounds)
{
	bench_run(cases, n_cases, n_rounds);
	n_cases = 0;
}

static int
make_live(allocator_t *a, u32 n)
{
	u64 seed = n;

	a->n_objects = n;
	a->objects = malloc(n * sizeof(a->objects[0]));
	if (!a->objects)
		return -ENOMEM;
	for (u32 i = 0; i < n; i++) {
		uword n_bytes = log_uniform_size(&seed);

		a->objects[i] = a->get(n_bytes);
		if (!a->objects[i])
			return -ENOMEM;
		memset(a->objects[i], 1, n_bytes);
	}
	return 0;
}

static int
run_replace(u32 n_live)
{
	char params[64];

	snprintf(params, sizeof(params), "live=%u size=16..4096 page=4K", n_live);
	for (u32 i = 0; i < n_allocators; i++) {
		if (make_live(&allocators[i], n_live)) {
			printf("# not enough memory for %u live objects\n", n_live);
			return 1;
		}
	}
	add_for_each("replace", params, replace, N_REPLACE);
	add_case("mheap", "usage", params, usages, heap, N_USAGES);
	run(N_ROUNDS);
	for (u32 i = 0; i < n_allocators; i++) {
		for (u32 k = 0; k < n_live; k++)
			allocators[i].put(allocators[i].objects[k]);
		free(allocators[i].objects);
	}
	return 0;
}

int
main(int argc, char **argv)
{
	void *moving_heap, *copying_heap;
	int n_errors = 0;

	if (!getenv("GLIBC_TUNABLES")) {
		setenv("GLIBC_TUNABLES", TUNABLES, 1);
		execv("/proc/self/exe", argv);
	}
	bench_start("bench_mheap");
	make_choices();
	heap = mheap_alloc_with_flags(NULL, GiB(8), MHEAP_FLAG_FRONTS);
	unlocked_heap = mheap_alloc(NULL, GiB(8));
	if (!heap || !unlocked_heap) {
		printf("# no address space for the heaps\n");
		return 1;
	}
	moving_heap = heap_to_grow_in(1);
	copying_heap = heap_to_grow_in(0);
	if (!moving_heap || !copying_heap) {
		printf("# no address space for the heaps\n");
		return 1;
	}
	make_allocators();
	add_case("empty", "loop", NULL, nothing, NULL, N_PAIRS);
	add_for_each("pair", "size=64", pairs, N_PAIRS);
	add_case("mheap", "inline_pair", "size=64", inline_pairs, heap, N_PAIRS);
	add_case("mheap", "unchecked_pair", "size=64", unchecked_pairs, heap, N_PAIRS);
	add_for_each("burst", "size=256 burst=32", bursts, N_PAIRS);
	add_case("mheap", "bulk_burst", "size=256 burst=32", bulk_bursts, heap, N_PAIRS);
	add_case("mheap", "usage", "live=0", usages, heap, N_USAGES);
	run(N_ROUNDS);
	add_case("vec", "grow_moved", "vectors=2 to=32M", grow_two, moving_heap, N_GROWN);
	add_case("vec", "grow_copied", "vectors=2 to=32M", grow_two, copying_heap, N_GROWN);
	run(N_GROW_ROUNDS);
	for (u32 i = 0; i < n_allocators; i++)
		if (allocators[i].get != unlocked_get)
			add_case(allocators[i].name, "handover", "size=64 ring=1024", handovers,
				 &allocators[i], N_HANDED_OVER);
	run(N_ROUNDS);
	n_errors += run_replace(1000);
	n_errors += run_replace(100000);
	n_errors += run_replace(1000000);
	mheap_free(heap);
	mheap_free(unlocked_heap);
	mheap_free(moving_heap);
	mheap_free(copying_heap);
	return n_errors != 0;
}
