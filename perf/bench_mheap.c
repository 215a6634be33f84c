/* SPDX-License-Identifier: Apache-2.0 */
/* Question: what do a get and a put of an mheap cost beside glibc's malloc and free?
 *
 * Method: three allocators do the same work in the same rounds: an mheap without its lock, the
 * locked main heap through clib_mem_alloc(), and glibc.  Each object's first word is written.
 *   - pair: one object of 64 bytes, got and put: the floor under every other figure;
 *   - burst: 32 objects of 256 bytes, put in the order they were got;
 *   - replace: n live objects of 16 to 4096 bytes, log-uniform; an operation puts a random one and
 *     gets another size in its place.  The choices are made beforehand, the same for all three.
 * Unit: nanoseconds (cycles, instructions) per get + put.  4 KiB pages for all. */
#include <malloc.h>
#include <vppinfra/mem.h>
#include "bench.h"

#define N_PAIRS (1 << 17)
#define N_BURST 32
#define N_REPLACE (1 << 17)
#define N_ROUNDS 21

typedef struct {
	void *(*get)(uword n_bytes);
	void (*put)(void *p);
	/* Live objects of the replace cases. */
	void **objects;
	u32 n_objects;
} allocator_t;

static void *heap; /* without a lock */

static inline void *
mheap_alloc_object(uword n_bytes)
{
	uword offset;

	mheap_get_aligned(heap, n_bytes, 0, 0, &offset);
	return offset == ~(uword)0 ? NULL : (u8 *)heap + offset;
}

static inline void
mheap_free_object(void *p)
{
	mheap_put(heap, (uword)p - (uword)heap);
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

/* ---- the work; inlined into each allocator's own functions ---- */

always_inline void
pairs(void *(*get)(uword), void (*put)(void *), u64 n_ops)
{
	for (u64 i = 0; i < n_ops; i++) {
		u64 *p = get(64);

		*p = i;
		bench_keep(p);
		put(p);
	}
}

always_inline void
bursts(void *(*get)(uword), void (*put)(void *), u64 n_ops)
{
	u64 *p[N_BURST];

	for (u64 i = 0; i < n_ops; i += N_BURST) {
		for (u32 j = 0; j < N_BURST; j++) {
			p[j] = get(256);
			*p[j] = i;
			bench_keep(p[j]);
		}
		for (u32 j = 0; j < N_BURST; j++)
			put(p[j]);
	}
}

always_inline void
replace(void *(*get)(uword), void (*put)(void *), allocator_t *a, u64 n_ops)
{
	for (u64 i = 0; i < n_ops; i++) {
		u64 slot = ((u64)choices[i].random * a->n_objects) >> 32;
		u64 *p;

		put(a->objects[slot]);
		p = get(choices[i].n_bytes);
		*p = i;
		a->objects[slot] = p;
	}
}

static void
nothing(void *arg, u64 n_ops)
{
	for (u64 i = 0; i < n_ops; i++)
		bench_keep(i);
}

#define CASES_OF(name, get, put)                                                                   \
	static void name##_pairs(void *arg, u64 n_ops)                                             \
	{                                                                                          \
		pairs(get, put, n_ops);                                                            \
	}                                                                                          \
	static void name##_bursts(void *arg, u64 n_ops)                                            \
	{                                                                                          \
		bursts(get, put, n_ops);                                                           \
	}                                                                                          \
	static void name##_replace(void *arg, u64 n_ops)                                           \
	{                                                                                          \
		replace(get, put, arg, n_ops);                                                     \
	}

CASES_OF(mheap, mheap_alloc_object, mheap_free_object)
CASES_OF(clib_mem, clib_mem_alloc, clib_mem_free)
CASES_OF(glibc, malloc, free)

/* ---- live objects ---- */

static int
make_live(allocator_t *a, void *(*get)(uword), void (*put)(void *), u32 n)
{
	u64 seed = n;

	*a = (allocator_t){ .get = get, .put = put, .n_objects = n };
	a->objects = malloc(n * sizeof(a->objects[0]));
	if (!a->objects)
		return -ENOMEM;
	for (u32 i = 0; i < n; i++) {
		uword n_bytes = log_uniform_size(&seed);

		a->objects[i] = get(n_bytes);
		if (!a->objects[i])
			return -ENOMEM;
		memset(a->objects[i], 1, n_bytes);
	}
	return 0;
}

static void
free_live(allocator_t *a)
{
	for (u32 i = 0; i < a->n_objects; i++)
		a->put(a->objects[i]);
	free(a->objects);
}

static bench_case_t small_cases[] = {
	{ .name = "empty", .fn = nothing, .n_ops = N_PAIRS },
	{ .name = "mheap_pair", .params = "size=64 lock=no", .fn = mheap_pairs, .n_ops = N_PAIRS },
	{ .name = "clib_mem_pair",
	  .params = "size=64 lock=yes",
	  .fn = clib_mem_pairs,
	  .n_ops = N_PAIRS },
	{ .name = "glibc_pair", .params = "size=64", .fn = glibc_pairs, .n_ops = N_PAIRS },
	{ .name = "mheap_burst",
	  .params = "size=256 burst=32 lock=no",
	  .fn = mheap_bursts,
	  .n_ops = N_PAIRS },
	{ .name = "clib_mem_burst",
	  .params = "size=256 burst=32 lock=yes",
	  .fn = clib_mem_bursts,
	  .n_ops = N_PAIRS },
	{ .name = "glibc_burst",
	  .params = "size=256 burst=32",
	  .fn = glibc_bursts,
	  .n_ops = N_PAIRS },
};

static bench_case_t replace_cases[] = {
	{ .name = "mheap_replace", .fn = mheap_replace, .n_ops = N_REPLACE },
	{ .name = "clib_mem_replace", .fn = clib_mem_replace, .n_ops = N_REPLACE },
	{ .name = "glibc_replace", .fn = glibc_replace, .n_ops = N_REPLACE },
};

/* What an allocator needs for what it was asked for, after all that replacing. */
static void
print_footprint(u32 n_live)
{
	struct mallinfo2 m = mallinfo2();
	clib_mem_usage_t u;

	mheap_usage(heap, &u);
	printf("mheap_footprint live=%u bytes_used=%llu bytes_total=%llu\n", n_live,
	       (unsigned long long)u.bytes_used, (unsigned long long)u.bytes_total);
	printf("glibc_footprint live=%u bytes_used=%zu bytes_total=%zu\n", n_live, m.uordblks,
	       m.arena + m.hblkhd);
}

static int
run_replace(u32 n_live)
{
	static allocator_t allocators[3];
	char params[64];
	int error;

	snprintf(params, sizeof(params), "live=%u size=16..4096 page=4K", n_live);
	for (u32 i = 0; i < ARRAY_LEN(replace_cases); i++) {
		replace_cases[i].params = params;
		replace_cases[i].arg = &allocators[i];
	}
	error = make_live(&allocators[0], mheap_alloc_object, mheap_free_object, n_live);
	if (!error)
		error = make_live(&allocators[1], clib_mem_alloc, clib_mem_free, n_live);
	if (!error)
		error = make_live(&allocators[2], malloc, free, n_live);
	if (error) {
		printf("# not enough memory for %u live objects\n", n_live);
		return 1;
	}
	bench_run(replace_cases, ARRAY_LEN(replace_cases), N_ROUNDS);
	print_footprint(n_live);
	for (u32 i = 0; i < ARRAY_LEN(allocators); i++)
		free_live(&allocators[i]);
	return 0;
}

int
main(void)
{
	int n_errors = 0;

	bench_start("bench_mheap");
	make_choices();
	heap = mheap_alloc(NULL, GiB(8));
	if (!heap || !clib_mem_init(NULL, GiB(8))) {
		printf("# no address space for the heaps\n");
		return 1;
	}
	bench_run(small_cases, ARRAY_LEN(small_cases), N_ROUNDS);
	n_errors += run_replace(1000);
	n_errors += run_replace(100000);
	n_errors += run_replace(1000000);
	mheap_free(heap);
	clib_mem_exit();
	return n_errors != 0;
}
