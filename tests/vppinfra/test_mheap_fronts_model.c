/* SPDX-License-Identifier: Apache-2.0 */
/* Threads get, fill, exchange, grow and put objects of a heap with fronts; each object carries its
 * size and a mark from its first to its last byte, so one that is handed out twice, or lies over
 * another, shows.  The model is the threads' own list of what they hold.  N_OPS: operations in all.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>
#include <vppinfra/mheap_front.h>
#include "heap_helpers.h"

#define N_THREADS 2
#define N_SLOTS 512
#define N_HELD 256

typedef struct {
	u32 n_bytes;
	u32 mark;
} object_t;

static void *heap;
static _Atomic(object_t *) slots[N_SLOTS];
static _Atomic u64 n_faults, n_got, n_put, n_refused;
static u64 base_seed;

static void
fault(const char *what, const object_t *o)
{
	if (atomic_fetch_add(&n_faults, 1) < 10)
		printf("%s at offset 0x%lx\n", what, (uword)((u8 *)o - (u8 *)heap));
}

static object_t *
make(u64 *seed, u32 mark)
{
	uword log2 = 4 + unit_random_below(seed, unit_random_below(seed, 64) ? 8 : 13);
	uword n = (1ULL << log2) + unit_random_below(seed, 1ULL << log2), offset, align = 0;
	object_t *o;

	if (unit_random_below(seed, 32) == 0)
		align = 16ULL << unit_random_below(seed, 6);
	mheap_get_aligned(heap, n, align, align > 16 ? 8 : 0, &offset);
	if (offset == NOTHING) {
		atomic_fetch_add_explicit(&n_refused, 1, memory_order_relaxed);
		return NULL;
	}
	o = (object_t *)((u8 *)heap + offset);
	*o = (object_t){ .n_bytes = (u32)n, .mark = mark };
	((u8 *)o)[n - 1] = (u8)mark;
	return o;
}

static void
check_and_put(object_t *o)
{
	if (o->n_bytes < 16 || ((u8 *)o)[o->n_bytes - 1] != (u8)o->mark)
		fault("an object was written over", o);
	o->n_bytes = 0;
	/* Some wait; what is wrong with them is counted. */
	if (o->mark % 4 == 0)
		mheap_put_later(heap, o);
	else if (mheap_put_checked(heap, (uword)o - (uword)heap))
		fault("a live object cannot be put", o);
}

static void *
work(void *arg)
{
	u64 seed = base_seed + (uword)arg, n_ops = unit_n_ops(20000000) / N_THREADS;
	object_t *held[N_HELD] = { 0 };
	u64 n_gets = 0, n_puts = 0;

	for (u64 i = 0; i < n_ops; i++) {
		uword k = unit_random_below(&seed, N_HELD), what = unit_random_below(&seed, 16);

		if (!held[k]) {
			held[k] = make(&seed, (u32)seed);
			n_gets += held[k] != NULL;
		} else if (what < 8) {
			check_and_put(held[k]);
			held[k] = NULL;
			n_puts++;
		} else if (what < 15) {
			held[k] =
				atomic_exchange(&slots[unit_random_below(&seed, N_SLOTS)], held[k]);
		} else if (!mheap_extend(heap, (uword)held[k] - (uword)heap,
					 held[k]->n_bytes + 64)) {
			held[k]->n_bytes += 64;
			((u8 *)held[k])[held[k]->n_bytes - 1] = (u8)held[k]->mark;
		}
	}
	for (u32 k = 0; k < N_HELD; k++) {
		if (held[k]) {
			check_and_put(held[k]);
			n_puts++;
		}
	}
	atomic_fetch_add(&n_got, n_gets);
	atomic_fetch_add(&n_put, n_puts);
	return NULL;
}

static _Atomic int is_over;

/* The main lcore's part: looks, checks and trims while the others work. */
static void *
look_on(void *arg)
{
	u32 n = 0;

	while (!atomic_load(&is_over)) {
		clib_mem_usage_t u;

		mheap_usage(heap, &u);
		if (u.bytes_total != u.bytes_used + u.bytes_free + u.bytes_overhead)
			fault("sums do not agree", heap);
		if (n % 4 == 0 && !is_whole(heap))
			fault("the heap is not whole", heap);
		if (n % 16 == 8)
			mheap_trim(heap);
		n++;
		usleep(2000);
	}
	return NULL;
}

static void
run(uword size, int with_onlooker)
{
	pthread_t threads[N_THREADS], onlooker;
	mheap_front_usage_t u;

	heap = mheap_alloc_with_flags(NULL, size, MHEAP_FLAG_FRONTS);
	CU_ASSERT_PTR_NOT_NULL_FATAL(heap);
	atomic_store(&n_got, 0);
	atomic_store(&n_put, 0);
	atomic_store(&is_over, 0);
	if (with_onlooker)
		pthread_create(&onlooker, NULL, look_on, NULL);
	for (uword i = 0; i < N_THREADS; i++)
		pthread_create(&threads[i], NULL, work, (void *)(i + 1));
	for (u32 i = 0; i < N_THREADS; i++)
		pthread_join(threads[i], NULL);
	atomic_store(&is_over, 1);
	if (with_onlooker)
		pthread_join(onlooker, NULL);
	for (u32 i = 0; i < N_SLOTS; i++) {
		object_t *o = atomic_exchange(&slots[i], NULL);

		if (o) {
			check_and_put(o);
			atomic_fetch_add(&n_put, 1);
		}
	}
	CU_ASSERT_EQUAL(atomic_load(&n_faults), 0);
	CU_ASSERT_EQUAL(atomic_load(&n_got), atomic_load(&n_put));
	mheap_put_flush(heap);
	CU_ASSERT_EQUAL(mheap_elts(heap), 0);
	CU_ASSERT_EQUAL(mheap_header(heap)->stats.n_bad_puts, 0);
	CU_ASSERT_EQUAL(mheap_header(heap)->stats.n_corruptions, 0);
	CU_ASSERT_EQUAL(mheap_header(heap)->stats.n_bad_puts, 0);
	CU_ASSERT_EQUAL(mheap_header(heap)->stats.n_corruptions, 0);
	CU_ASSERT(is_whole(heap));
	mheap_front_usage(heap, &u);
	CU_ASSERT_EQUAL(u.n_gets + mheap_header(heap)->stats.n_gets -
				mheap_header(heap)->stats.n_get_failures,
			atomic_load(&n_got));
	CU_ASSERT_EQUAL(u.n_puts + mheap_header(heap)->stats.n_puts, atomic_load(&n_put));
	CU_ASSERT(u.n_remote_puts > 0);
	mheap_trim(heap);
	mheap_front_usage(heap, &u);
	CU_ASSERT_EQUAL(u.n_cached, 0);
	CU_ASSERT_EQUAL(mheap_bytes(heap), MHEAP_HEADER_BYTES + MHEAP_ELT_OVERHEAD_BYTES);
	CU_ASSERT(is_whole(heap));
	mheap_free(heap);
}

/* Two threads that free each other's objects. */
static void
two_threads_exchange_objects(void)
{
	run(GiB(1), 0);
}

/* The same while a third trims, checks and sums up. */
static void
two_threads_exchange_while_a_third_trims(void)
{
	run(GiB(1), 1);
}

/* The same in a heap that is too small for what they want. */
static void
two_threads_at_the_limit(void)
{
	atomic_store(&n_refused, 0);
	run(MiB(1), 0);
	CU_ASSERT(atomic_load(&n_refused) > 0);
}

static const unit_test_t tests[] = {
	UNIT(two_threads_exchange_objects),
	UNIT(two_threads_exchange_while_a_third_trims),
	UNIT(two_threads_at_the_limit),
};

int
main(void)
{
	base_seed = unit_seed();
	return unit_run("mheap_fronts_model", tests, ARRAY_LEN(tests));
}
