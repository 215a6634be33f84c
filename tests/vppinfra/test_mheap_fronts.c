/* SPDX-License-Identifier: Apache-2.0 */
/* Fronts: what a thread keeps of a heap is counted, checked and comes back. */
#include <pthread.h>
#include <vppinfra/format.h>
#include <vppinfra/mheap_front.h>
#include "heap_helpers.h"

#define N_MANY 2000

static void *
fronted_heap(uword size)
{
	void *v = mheap_alloc_with_flags(NULL, size, MHEAP_FLAG_FRONTS);

	CU_ASSERT_PTR_NOT_NULL_FATAL(v);
	return v;
}

static mheap_front_usage_t
usage_of(const void *v)
{
	mheap_front_usage_t u;

	mheap_front_usage(v, &u);
	return u;
}

/* Every size up to the largest has the smallest class that holds it, also where it is a constant.
 */
static void
each_size_has_its_class(void)
{
	for (uword n = 1; n <= MHEAP_FRONT_MAX_BYTES; n++) {
		uword c = mheap_front_class(n);

		if (mheap_front_class_bytes(c) < n ||
		    (c > 0 && mheap_front_class_bytes(c - 1) >= n))
			CU_FAIL("class");
	}
	for (uword n = 16; n < MHEAP_FRONT_MAX_BYTES + KiB(1); n += 8) {
		uword c = mheap_front_class_of_elt(n);

		if (mheap_front_class_bytes(c) > n ||
		    (c + 1 < MHEAP_N_FRONT_CLASSES && mheap_front_class_bytes(c + 1) <= n))
			CU_FAIL("class of element");
	}
	CU_ASSERT_EQUAL(mheap_front_class(1), 0);
	CU_ASSERT_EQUAL(mheap_front_class(128), 7);
	CU_ASSERT_EQUAL(mheap_front_class(129), 8);
	CU_ASSERT_EQUAL(mheap_front_class(256), 15);
	CU_ASSERT_EQUAL(mheap_front_class(257), 16);
	CU_ASSERT_EQUAL(mheap_front_class(32768), 71);
	CU_ASSERT_EQUAL(mheap_front_class_bytes(71), 32768);
}

/* What was put last is got first, and no object is counted as the user's that a front holds. */
static void
a_put_object_comes_back(void)
{
	void *v = fronted_heap(MiB(16));
	clib_mem_usage_t u;
	uword a, b;

	a = get(v, 100);
	CU_ASSERT_EQUAL(a % 16, 0);
	CU_ASSERT(mheap_data_bytes(v, a) >= 100);
	CU_ASSERT_EQUAL(mheap_elts(v), 1);
	CU_ASSERT(mheap_offset_is_valid(v, a));
	mheap_put(v, a);
	CU_ASSERT_FALSE(mheap_offset_is_valid(v, a));
	CU_ASSERT_EQUAL(mheap_elts(v), 0);
	mheap_usage(v, &u);
	CU_ASSERT_EQUAL(u.object_count, 0);
	CU_ASSERT_EQUAL(u.bytes_used, 0);
	CU_ASSERT_EQUAL(u.bytes_total, u.bytes_used + u.bytes_free + u.bytes_overhead);
	CU_ASSERT(usage_of(v).n_cached > 0);
	b = get(v, 110);
	CU_ASSERT_EQUAL(a, b);
	CU_ASSERT(is_whole(v));
	CU_ASSERT_EQUAL(usage_of(v).n_gets, 2);
	CU_ASSERT_EQUAL(usage_of(v).n_puts, 1);
	mheap_put(v, b);
	mheap_free(v);
}

/* In words, fronts stand where VPP has its small object cache. */
static void
the_text_counts_fronts(void)
{
	void *v = fronted_heap(MiB(16));
	u8 *s;

	for (u32 i = 0; i < 9; i++)
		mheap_put(v, get(v, 64));
	s = format(0, "%U%c", format_mheap, v, 1, 0);
	CU_ASSERT_PTR_NOT_NULL_FATAL(s);
	CU_ASSERT_PTR_NOT_NULL(strstr((char *)s, "0 objects, "));
	CU_ASSERT_PTR_NOT_NULL(strstr((char *)s, "small object cache: 9 hits 10 attempts"));
	CU_ASSERT_PTR_NOT_NULL(strstr((char *)s, "fronts"));
	vec_free(s);
	mheap_free(v);
}

static uword
count_object(void *arg, void *v, void *data, uword size)
{
	++*(uword *)arg;
	return 0;
}

/* A walk meets the user's objects alone. */
static void
a_walk_passes_cached_objects_by(void)
{
	void *v = fronted_heap(MiB(16));
	uword offsets[10], n = 0;

	for (u32 i = 0; i < 10; i++)
		offsets[i] = get(v, 64);
	for (u32 i = 0; i < 5; i++)
		mheap_put(v, offsets[i]);
	mheap_foreach(v, count_object, &n);
	CU_ASSERT_EQUAL(n, 5);
	CU_ASSERT_EQUAL(mheap_elts(v), 5);
	mheap_free(v);
}

/* What cannot be put is said to be so: twice, inside, beyond, written over. */
static void
wrong_puts_are_told(void)
{
	void *v = fronted_heap(MiB(16));
	uword a = get(v, 64), b = get(v, 64);

	CU_ASSERT_EQUAL(mheap_put_checked(v, a), 0);
	CU_ASSERT_EQUAL(mheap_put_checked(v, a), -EALREADY);
	CU_ASSERT_EQUAL(mheap_put_checked(v, b + 16), -EINVAL);
	CU_ASSERT_EQUAL(mheap_put_checked(v, b + 8), -EINVAL);
	CU_ASSERT_EQUAL(mheap_put_checked(v, b + 1), -EINVAL);
	CU_ASSERT_EQUAL(mheap_put_checked(v, MiB(8)), -EINVAL);
	CU_ASSERT_EQUAL(mheap_put_checked(v, 0), -EINVAL);
	CU_ASSERT_EQUAL(mheap_put_checked(v, ~(uword)15), -EINVAL);
	CU_ASSERT(is_whole(v));
	/* One byte too many, into the neighbour's copy of the size. */
	((u8 *)v)[b + mheap_data_bytes(v, b)] ^= 1;
	CU_ASSERT_EQUAL(mheap_put_checked(v, b), -EINVAL);
	((u8 *)v)[b + mheap_data_bytes(v, b)] ^= 1;
	CU_ASSERT_EQUAL(mheap_put_checked(v, b), 0);
	CU_ASSERT_EQUAL(mheap_header(v)->stats.n_bad_puts, 8);
	CU_ASSERT_EQUAL(mheap_elts(v), 0);
	mheap_free(v);
}

/* Trim empties the caller's front: nothing is left of a heap whose objects were all put. */
static void
trim_empties_fronts(void)
{
	void *v = fronted_heap(MiB(64));
	static uword offsets[N_MANY];

	for (u32 i = 0; i < N_MANY; i++)
		offsets[i] = get(v, 16 + i);
	CU_ASSERT(is_whole(v));
	for (u32 i = 0; i < N_MANY; i++)
		mheap_put(v, offsets[i]);
	CU_ASSERT(is_whole(v));
	CU_ASSERT_EQUAL(mheap_elts(v), 0);
	CU_ASSERT(usage_of(v).n_cached > 0);
	mheap_trim(v);
	CU_ASSERT_EQUAL(usage_of(v).n_cached, 0);
	CU_ASSERT_EQUAL(mheap_bytes(v), MHEAP_HEADER_BYTES + MHEAP_ELT_OVERHEAD_BYTES);
	CU_ASSERT(is_whole(v));
	CU_ASSERT_EQUAL(usage_of(v).n_gets, N_MANY);
	CU_ASSERT_EQUAL(usage_of(v).n_puts, N_MANY);
	mheap_free(v);
}

/* At the limit cached objects are given up for a request of another size. */
static void
a_full_heap_takes_back_what_fronts_hold(void)
{
	void *v = fronted_heap(MiB(1));
	static uword offsets[8192];
	uword n = 0, big;

	while (n < ARRAY_LEN(offsets) && (offsets[n] = get(v, 1000)) != NOTHING)
		n++;
	CU_ASSERT(n > 900);
	/* All but one that holds the end: so they merge nowhere else. */
	for (u32 i = 0; i + 1 < n; i++)
		mheap_put(v, offsets[i]);
	big = get(v, KiB(900));
	CU_ASSERT_NOT_EQUAL(big, NOTHING);
	CU_ASSERT(mheap_header(v)->stats.n_front_drained > 0);
	CU_ASSERT(is_whole(v));
	mheap_put(v, big);
	mheap_put(v, offsets[n - 1]);
	CU_ASSERT_EQUAL(mheap_elts(v), 0);
	mheap_free(v);
}

/* Objects in bulk are the same objects. */
static void
bulk_gets_and_puts(void)
{
	void *v = fronted_heap(MiB(16)), *objects[300], *mixed[3];
	uword offset;

	for (u32 round = 0; round < 20; round++) {
		CU_ASSERT_EQUAL_FATAL(mheap_get_bulk(v, 256, 300, objects), 300);
		for (u32 i = 0; i < 300; i++)
			memset(objects[i], (int)i, 256);
		for (u32 i = 0; i < 300; i++)
			CU_ASSERT_EQUAL(((u8 *)objects[i])[255], (u8)i);
		CU_ASSERT_EQUAL(mheap_elts(v), 300);
		mheap_put_bulk(v, 300, objects);
		CU_ASSERT_EQUAL(mheap_elts(v), 0);
	}
	mixed[0] = (u8 *)v + get(v, 100);
	mixed[1] = (u8 *)v + get(v, 2000);
	mheap_get_aligned(v, 5000, 4096, 0, &offset);
	mixed[2] = (u8 *)v + offset;
	mheap_put_bulk(v, 3, mixed);
	CU_ASSERT_EQUAL(mheap_elts(v), 0);
	CU_ASSERT_EQUAL(mheap_get_bulk(v, MiB(100), 2, objects), 0);
	CU_ASSERT(is_whole(v));
	mheap_free(v);
}

/* The inline forms do what the calls do. */
static void
inline_gets_and_puts(void)
{
	void *v = fronted_heap(MiB(16)), *p, *q;

	p = mheap_get_inline(v, 64);
	CU_ASSERT_PTR_NOT_NULL_FATAL(p);
	mheap_put_inline(v, p);
	q = mheap_get_inline(v, 64);
	CU_ASSERT_PTR_EQUAL(p, q);
	mheap_put_inline(v, q);
	p = mheap_get_inline(v, MiB(1));
	CU_ASSERT_PTR_NOT_NULL_FATAL(p);
	mheap_put_inline(v, p);
	CU_ASSERT_PTR_NULL(mheap_get_inline(v, MiB(100)));
	CU_ASSERT_EQUAL(mheap_elts(v), 0);
	mheap_free(v);
}

/* An injected failure meets a get that the front could have served. */
static void
injected_failures_meet_cached_gets(void)
{
	void *v = fronted_heap(MiB(16));
	uword a = get(v, 64);

	mheap_put(v, a);
	mheap_fail_get_after(2);
	CU_ASSERT_NOT_EQUAL(a = get(v, 64), NOTHING);
	CU_ASSERT_EQUAL(get(v, 64), NOTHING);
	mheap_put(v, a);
	CU_ASSERT_NOT_EQUAL(a = get(v, 64), NOTHING);
	mheap_put(v, a);
	CU_ASSERT_EQUAL(mheap_elts(v), 0);
	CU_ASSERT(is_whole(v));
	mheap_free(v);
}

/* A heap that is validated or traced goes by the lock, and back. */
static void
watched_heaps_go_by_the_lock(void)
{
	void *v = fronted_heap(MiB(16));
	uword a = get(v, 64), b;
	u64 n_gets = usage_of(v).n_gets;

	mheap_set_flags(v, MHEAP_FLAG_VALIDATE, 0);
	b = get(v, 64);
	mheap_put(v, a);
	mheap_put(v, b);
	CU_ASSERT_EQUAL(usage_of(v).n_gets, n_gets);
	CU_ASSERT(mheap_header(v)->validate_serial > 0);
	mheap_set_flags(v, 0, MHEAP_FLAG_VALIDATE);
	CU_ASSERT_EQUAL(mheap_trace_enable(v, NULL), 0);
	mheap_put(v, get(v, 64));
	CU_ASSERT_EQUAL(usage_of(v).n_gets, n_gets);
	CU_ASSERT_EQUAL(mheap_trace_disable(v), 0);
	mheap_put(v, get(v, 64));
	CU_ASSERT_EQUAL(usage_of(v).n_gets, n_gets + 1);
	CU_ASSERT_EQUAL(mheap_elts(v), 0);
	CU_ASSERT(is_whole(v));
	mheap_free(v);
}

/* An object that grew where it lies goes to the front of its new size, or to none. */
static void
extended_objects_change_class(void)
{
	void *v = fronted_heap(MiB(64));
	uword a = get(v, 64), b;

	mheap_trim(v);
	/* a is the last now. */
	CU_ASSERT_EQUAL(mheap_extend(v, a, 1024), 0);
	mheap_put(v, a);
	b = get(v, 1000);
	CU_ASSERT_EQUAL(a, b);
	CU_ASSERT(mheap_data_bytes(v, b) >= 1000);
	mheap_trim(v);
	CU_ASSERT_EQUAL(mheap_extend(v, b, MiB(2)), 0);
	mheap_put(v, b);
	CU_ASSERT_EQUAL(mheap_elts(v), 0);
	CU_ASSERT(is_whole(v));
	mheap_free(v);
}

static void *
use_and_leave(void *arg)
{
	void *v = arg;
	uword offsets[100];

	for (u32 i = 0; i < 100; i++)
		offsets[i] = get(v, 16 * (i + 1));
	for (u32 i = 0; i < 100; i++)
		mheap_put(v, offsets[i]);
	return NULL;
}

/* A thread that ends leaves nothing behind in its front. */
static void
a_thread_that_ends_gives_back(void)
{
	void *v = fronted_heap(MiB(16));
	pthread_t thread;

	for (u32 i = 0; i < 3; i++) {
		pthread_create(&thread, NULL, use_and_leave, v);
		pthread_join(thread, NULL);
		CU_ASSERT_EQUAL(usage_of(v).n_cached, 0);
		CU_ASSERT_EQUAL(usage_of(v).n_fronts, 0);
		CU_ASSERT_EQUAL(mheap_elts(v), 0);
		CU_ASSERT(is_whole(v));
	}
	CU_ASSERT_EQUAL(mheap_bytes(v), MHEAP_HEADER_BYTES + MHEAP_ELT_OVERHEAD_BYTES);
	mheap_free(v);
}

/* ---- another thread that idles ---- */

static struct {
	pthread_barrier_t step;
	void *v;
	uword offsets[1000];
} idle;

static void
meet(void)
{
	pthread_barrier_wait(&idle.step);
}

static void *
fill_and_idle(void *arg)
{
	for (u32 i = 0; i < 1000; i++)
		idle.offsets[i] = get(idle.v, 512);
	meet(); /* 1: it has objects */
	meet(); /* 2: those of even number were put by the other */
	for (u32 i = 1; i < 1000; i += 2)
		mheap_put(idle.v, idle.offsets[i]);
	meet(); /* 3: idle, with a full front */
	meet(); /* 4: trimmed by the other */
	idle.offsets[0] = get(idle.v, 512);
	meet(); /* 5: it goes on */
	meet(); /* 6: counted by the other */
	mheap_put(idle.v, idle.offsets[0]);
	return NULL;
}

/* Objects that another thread puts go home by mail; an idle thread's are taken without its help,
 * and it goes on afterwards. */
static void
an_idle_thread_is_no_leak(void)
{
	pthread_t thread;
	mheap_front_usage_t u;

	idle.v = fronted_heap(MiB(16));
	pthread_barrier_init(&idle.step, NULL, 2);
	pthread_create(&thread, NULL, fill_and_idle, NULL);
	meet(); /* 1 */
	mheap_put(idle.v, get(idle.v, 16));
	for (u32 i = 0; i < 1000; i += 2)
		mheap_put(idle.v, idle.offsets[i]);
	u = usage_of(idle.v);
	CU_ASSERT_EQUAL(u.n_remote_puts, 500);
	CU_ASSERT_EQUAL(u.n_fronts, 2);
	CU_ASSERT_EQUAL(mheap_elts(idle.v), 500);
	CU_ASSERT(is_whole(idle.v));
	CU_ASSERT_EQUAL(mheap_put_checked(idle.v, idle.offsets[0]), -EALREADY);
	meet(); /* 2 */
	meet(); /* 3 */
	CU_ASSERT_EQUAL(mheap_elts(idle.v), 0);
	CU_ASSERT(usage_of(idle.v).n_cached > 200);
	CU_ASSERT(is_whole(idle.v));
	mheap_trim(idle.v);
	/* The last one of its stack is not to be had. */
	CU_ASSERT(usage_of(idle.v).n_cached <= 1);
	CU_ASSERT(is_whole(idle.v));
	mheap_trim(idle.v);
	CU_ASSERT(usage_of(idle.v).n_cached <= 1);
	meet(); /* 4 */
	meet(); /* 5 */
	CU_ASSERT_EQUAL(mheap_elts(idle.v), 1);
	CU_ASSERT(is_whole(idle.v));
	meet(); /* 6 */
	pthread_join(thread, NULL);
	mheap_trim(idle.v);
	CU_ASSERT_EQUAL(mheap_elts(idle.v), 0);
	CU_ASSERT_EQUAL(usage_of(idle.v).n_cached, 0);
	CU_ASSERT_EQUAL(mheap_bytes(idle.v), MHEAP_HEADER_BYTES + MHEAP_ELT_OVERHEAD_BYTES);
	u = usage_of(idle.v);
	CU_ASSERT_EQUAL(u.n_gets, u.n_puts);
	pthread_barrier_destroy(&idle.step);
	mheap_free(idle.v);
}

static struct {
	u32 n;
	uword offset;
} told;

static void
tell(const char *what, const void *v, uword offset, const void *caller)
{
	told.n++;
	told.offset = offset;
}

/* What is put later counts as used until MHEAP_N_LATER more have come, or until it is asked for;
 * then it is cached like all others. */
static void
late_puts_wait_their_turn(void)
{
	void *v = fronted_heap(MiB(16));
	void *objects[MHEAP_N_LATER + 1];

	for (u32 i = 0; i <= MHEAP_N_LATER; i++)
		objects[i] = mheap_get_inline(v, 40 + 300 * i);
	for (u32 i = 0; i < MHEAP_N_LATER - 1; i++)
		mheap_put_later(v, objects[i]);
	CU_ASSERT(mheap_elts(v) >= MHEAP_N_LATER_BATCH + 1);
	CU_ASSERT(mheap_elts(v) <= MHEAP_N_LATER + 1);
	CU_ASSERT(is_whole(v));
	mheap_put_later(v, objects[MHEAP_N_LATER - 1]);
	mheap_put_later(v, objects[MHEAP_N_LATER]);
	CU_ASSERT(mheap_elts(v) > 0);
	CU_ASSERT(mheap_elts(v) <= MHEAP_N_LATER);
	mheap_put_flush(v);
	CU_ASSERT_EQUAL(mheap_elts(v), 0);
	CU_ASSERT_EQUAL(usage_of(v).n_gets, usage_of(v).n_puts);
	CU_ASSERT(is_whole(v));

	/* Into the bins without a stop at the stacks. */
	for (u32 i = 0; i < 6; i++)
		objects[i] = mheap_get_inline(v, 5000);
	for (u32 i = 0; i < 5; i++)
		mheap_put_later(v, objects[i]);
	CU_ASSERT_EQUAL(mheap_elts(v), 6);
	/* What was got last is near: it does not wait. */
	mheap_put_later(v, objects[5]);
	CU_ASSERT_EQUAL(mheap_elts(v), 5);
	mheap_trim(v);
	CU_ASSERT_EQUAL(mheap_elts(v), 0);
	CU_ASSERT_EQUAL(usage_of(v).n_cached, 0);
	CU_ASSERT_EQUAL(mheap_bytes(v), MHEAP_HEADER_BYTES + MHEAP_ELT_OVERHEAD_BYTES);
	mheap_free(v);
}

/* However many puts came since, a flush finds those that wait: none is lost, none put twice. */
static void
a_flush_finds_those_that_wait(void)
{
	void *v = fronted_heap(MiB(16)), *objects[3 * MHEAP_N_LATER];
	u64 n_puts = 0;

	mheap_set_error_handler(tell);
	told.n = 0;
	for (u32 n = 0; n < ARRAY_LEN(objects); n++) {
		for (u32 i = 0; i <= n; i++)
			objects[i] = mheap_get_inline(v, 16 + 200 * (i % 7));
		/* But the one got last, which would not wait. */
		for (u32 i = 0; i < n; i++)
			mheap_put_later(v, objects[i]);
		CU_ASSERT(mheap_elts(v) <= MHEAP_N_LATER + 1);
		mheap_put_flush(v);
		CU_ASSERT_EQUAL(mheap_elts(v), 1);
		mheap_put_later(v, objects[n]);
		mheap_put_flush(v);
		n_puts += n + 1;
		CU_ASSERT_EQUAL(mheap_elts(v), 0);
		CU_ASSERT_EQUAL(usage_of(v).n_puts, n_puts);
	}
	CU_ASSERT_EQUAL(told.n, 0);
	CU_ASSERT(is_whole(v));
	mheap_set_error_handler(NULL);
	mheap_free(v);
}

/* A mistake is told when its turn comes: twice the same, a stranger, an object that is written
 * past its end; the others are put all the same. */
static void
late_mistakes_are_told(void)
{
	void *v = fronted_heap(MiB(16));
	u8 *a, *b, *c;
	void *volatile strange = &told, *objects[MHEAP_N_LATER + 1];

	mheap_set_error_handler(tell);
	told.n = 0;
	a = mheap_get_inline(v, 64);
	b = mheap_get_inline(v, 64);
	mheap_put_later(v, a);
	mheap_put_later(v, a);
	CU_ASSERT_EQUAL(told.n, 0);
	mheap_put_flush(v);
	CU_ASSERT_EQUAL(told.n, 1);
	CU_ASSERT_EQUAL(told.offset, (uword)a - (uword)v);
	/* The one got last does not wait, and neither does its second put. */
	mheap_put_later(v, b);
	CU_ASSERT_EQUAL(told.n, 1);
	mheap_put_later(v, b);
	CU_ASSERT_EQUAL(told.n, 2);
	told.n = 1;

	/* By its turn, not by a flush. */
	a = mheap_get_inline(v, 64);
	mheap_put_later(v, a);
	mheap_put_later(v, a + 16);
	for (u32 i = 0; i <= MHEAP_N_LATER; i++)
		objects[i] = mheap_get_inline(v, 1000);
	for (u32 i = 0; i < MHEAP_N_LATER; i++)
		mheap_put_later(v, objects[i]);
	CU_ASSERT_EQUAL(told.n, 2);
	CU_ASSERT_EQUAL(told.offset, (uword)a + 16 - (uword)v);
	/* Where it cannot be an object, at once. */
	mheap_put_later(v, strange);
	CU_ASSERT_EQUAL(told.n, 3);
	mheap_put_flush(v);

	/* The neighbour's copy of the size is compared when it goes to the bins. */
	a = mheap_get_inline(v, 64);
	b = mheap_get_inline(v, 64);
	c = mheap_get_inline(v, 64);
	CU_ASSERT_PTR_NOT_NULL(c);
	b = a < b ? a : b;
	b[mheap_object_bytes(v, (uword)b - (uword)v)] ^= 0x55;
	mheap_put_later(v, b);
	CU_ASSERT_EQUAL(told.n, 3);
	mheap_trim(v);
	CU_ASSERT_EQUAL(told.n, 4);
	mheap_set_error_handler(NULL);
	mheap_free(v);
}

static void *
put_some_later(void *v)
{
	/* Into the second batch for the second time. */
	void *objects[3 * MHEAP_N_LATER_BATCH + 3];

	for (u32 i = 0; i < ARRAY_LEN(objects); i++)
		objects[i] = mheap_get_inline(v, 100 * (i + 1));
	for (u32 i = 0; i < ARRAY_LEN(objects); i++)
		mheap_put_later(v, objects[i]);
	return NULL;
}

/* What waits is given back by a thread that ends, and taken where the heap is full; a thread that
 * has no front waits for nothing. */
static void
waiting_objects_are_not_lost(void)
{
	void *v = fronted_heap(MiB(1)), *w = mheap_alloc_with_flags(NULL, MiB(1), 0), *p;
	pthread_t thread;

	/* The second has the first's front, in which nothing waits any more. */
	for (u32 i = 0; i < 2; i++) {
		pthread_create(&thread, NULL, put_some_later, v);
		pthread_join(thread, NULL);
		CU_ASSERT_EQUAL(mheap_elts(v), 0);
		CU_ASSERT_EQUAL(usage_of(v).n_cached, 0);
		CU_ASSERT_EQUAL(mheap_header(v)->stats.n_bad_puts, 0);
	}

	p = mheap_get_inline(v, KiB(600));
	CU_ASSERT_PTR_NOT_NULL_FATAL(p);
	mheap_put_later(v, p);
	CU_ASSERT_EQUAL(mheap_elts(v), 1);
	/* Only where it lies is there room for as much. */
	CU_ASSERT_PTR_NOT_NULL(mheap_get_inline(v, KiB(600)));
	CU_ASSERT_EQUAL(mheap_elts(v), 1);

	p = mheap_get_inline(w, 100);
	mheap_put_later(w, p);
	mheap_put_flush(w);
	CU_ASSERT_EQUAL(mheap_elts(w), 0);
	mheap_free(w);
	mheap_free(v);
}

static struct {
	void *v, **objects;
	u32 n;
	/* Puts that took the lock. */
	u64 n_locked_puts;
	mheap_front_usage_t usage;
} sent;

static void *
put_anothers(void *CLIB_UNUSED(arg))
{
	u64 n_puts;

	/* It has a front. */
	mheap_put(sent.v, get(sent.v, 16));
	n_puts = mheap_header(sent.v)->stats.n_puts;
	for (u32 i = 0; i < sent.n; i++)
		mheap_put_later(sent.v, sent.objects[i]);
	mheap_put_flush(sent.v);
	sent.n_locked_puts = mheap_header(sent.v)->stats.n_puts - n_puts;
	sent.usage = usage_of(sent.v);
	return NULL;
}

static void
put_by_another(void *v, void **objects, u32 n)
{
	pthread_t thread;

	sent.v = v;
	sent.objects = objects;
	sent.n = n;
	pthread_create(&thread, NULL, put_anothers, NULL);
	pthread_join(thread, NULL);
}

/* What comes by mail stays there until it is needed: it does not go to the bins for want of room,
 * so as many gets take nothing from there. */
static void
mail_is_taken_as_it_is_needed(void)
{
	static void *objects[10 * MHEAP_N_BLOCK_OBJECTS];
	void *v = fronted_heap(MiB(16));
	const mheap_stats_t *stats = &mheap_header(v)->stats;
	u64 n_filled, n_mailed = stats->n_front_mailed, n_drained;
	u32 n_cached = 0;

	for (u32 i = 0; i < ARRAY_LEN(objects); i++)
		objects[i] = mheap_get_inline(v, 256);
	n_cached = (u32)usage_of(v).n_cached;
	put_by_another(v, objects, ARRAY_LEN(objects));
	CU_ASSERT_EQUAL(sent.usage.n_remote_puts, ARRAY_LEN(objects));
	CU_ASSERT_EQUAL(usage_of(v).n_cached, n_cached + ARRAY_LEN(objects));
	n_filled = stats->n_front_filled;
	n_drained = stats->n_front_drained;
	for (u32 i = 0; i < ARRAY_LEN(objects) + n_cached; i++) {
		void *p = mheap_get_inline(v, 256);

		CU_ASSERT_PTR_NOT_NULL_FATAL(p);
		if (i < ARRAY_LEN(objects))
			objects[i] = p;
		CU_ASSERT(i % 50 || is_whole(v));
	}
	CU_ASSERT_EQUAL(stats->n_front_mailed - n_mailed, ARRAY_LEN(objects));
	CU_ASSERT_EQUAL(stats->n_front_filled, n_filled);
	CU_ASSERT_EQUAL(stats->n_front_drained, n_drained);
	CU_ASSERT_EQUAL(usage_of(v).n_cached, 0);

	/* What was not needed yet goes with the front. */
	put_by_another(v, objects, ARRAY_LEN(objects));
	CU_ASSERT_PTR_NOT_NULL(mheap_get_inline(v, 256));
	CU_ASSERT(usage_of(v).n_cached > 8 * MHEAP_N_BLOCK_OBJECTS);
	mheap_front_drain(v);
	CU_ASSERT_EQUAL(usage_of(v).n_cached, 0);
	CU_ASSERT(is_whole(v));
	mheap_free(v);
}

/* When all blocks are on their way to a thread that does not come for them, the others' puts do not
 * each take the lock. */
static void
what_an_idle_thread_has_no_room_for_is_the_putters(void)
{
	static void *objects[2 * MHEAP_N_BLOCKS * MHEAP_N_BLOCK_OBJECTS];
	void *v = fronted_heap(MiB(16));

	for (u32 i = 0; i < ARRAY_LEN(objects); i++)
		objects[i] = mheap_get_inline(v, 64);
	put_by_another(v, objects, ARRAY_LEN(objects));
	CU_ASSERT_EQUAL(sent.usage.n_remote_puts, ARRAY_LEN(objects) / 2);
	CU_ASSERT(sent.n_locked_puts < 10);
	CU_ASSERT_EQUAL(usage_of(v).n_puts + mheap_header(v)->stats.n_puts, ARRAY_LEN(objects) + 1);
	CU_ASSERT_EQUAL(mheap_elts(v), 0);
	CU_ASSERT(is_whole(v));
	mheap_trim(v);
	CU_ASSERT_EQUAL(usage_of(v).n_cached, 0);
	CU_ASSERT_EQUAL(mheap_bytes(v), MHEAP_HEADER_BYTES + MHEAP_ELT_OVERHEAD_BYTES);
	mheap_free(v);
}

static const unit_test_t tests[] = {
	UNIT(each_size_has_its_class),
	UNIT(a_put_object_comes_back),
	UNIT(the_text_counts_fronts),
	UNIT(a_walk_passes_cached_objects_by),
	UNIT(wrong_puts_are_told),
	UNIT(trim_empties_fronts),
	UNIT(a_full_heap_takes_back_what_fronts_hold),
	UNIT(bulk_gets_and_puts),
	UNIT(inline_gets_and_puts),
	UNIT(injected_failures_meet_cached_gets),
	UNIT(watched_heaps_go_by_the_lock),
	UNIT(extended_objects_change_class),
	UNIT(a_thread_that_ends_gives_back),
	UNIT(an_idle_thread_is_no_leak),
	UNIT(late_puts_wait_their_turn),
	UNIT(a_flush_finds_those_that_wait),
	UNIT(late_mistakes_are_told),
	UNIT(waiting_objects_are_not_lost),
	UNIT(mail_is_taken_as_it_is_needed),
	UNIT(what_an_idle_thread_has_no_room_for_is_the_putters),
};

int
main(void)
{
	return unit_run("mheap_fronts", tests, ARRAY_LEN(tests));
}
