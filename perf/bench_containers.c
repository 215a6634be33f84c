/* SPDX-License-Identifier: Apache-2.0 */
/* Question: what do vectors, pools, bitmaps and queues cost beside what a C programmer writes by
 * hand, and beside glib's?
 *
 * Method: every container is warm and in cache; rounds of all cases are interleaved.
 *   vec     push: one element of 4 bytes onto a vector that has room, 1024 of them and then empty
 *           again; grow: the same from nothing, memory and all; bulk: 16 elements a call
 *   pool    pair: an object taken and given back; churn: 256 live, a random one given back, one
 *           taken; loop: a visit of one of 1024 objects, a quarter of the indices free
 *   bitmap  a bit set, then cleared, in a set of 64 to 4096; next: from one set bit to the next
 *   fifo    an element added and one taken, 64 in the queue
 * Peers:
 *   array       pointer, length and capacity of a variable in the loop: the compiler's best case
 *   object      the same three in an object that others see, where a vector's are, too
 *   freelist    objects in an array, the free ones linked by index, no check of any kind
 *   slist, ring, words   <sys/queue.h>; a power-of-two ring; bare words
 *   glib        GArray, GSlice, GQueue
 * Unit: per element, pair, bit or turn. */
#include "bench.h"

#include <sys/queue.h>
#include <vppinfra/bitmap.h>
#include <vppinfra/fifo.h>
#include <vppinfra/mem.h>
#include <vppinfra/pool.h>
#include <vppinfra/vec.h>
#ifdef HAVE_GLIB
#	include <glib.h>
#endif

#define N_PUSH 1024
#define N_BULK 16
#define N_LIVE 256
#define N_QUEUED 64
#define N_ROUNDS 31
#define N_OPS (1 << 18)

/* No case may fail: figures are worth nothing then. */
static u64 n_failures;

/* Indices below N_LIVE, and bits below 4096, in no order. */
static u16 choices[4096];

/* ---- vec ---- */

static u32 *vec;

static __clib_noinline void
vec_push_1024(u32 **vp)
{
	u32 *v = *vp;

	vec_reset_length(v);
	for (u32 i = 0; i < N_PUSH; i++)
		vec_add1(v, i);
	*vp = v;
}

static void
vec_push(void *arg, u64 n)
{
	for (; n > 0; n -= N_PUSH)
		vec_push_1024(&vec);
}

static void
vec_grow(void *arg, u64 n)
{
	for (; n > 0; n -= N_PUSH) {
		u32 *v = 0;

		vec_push_1024(&v);
		vec_free(v);
	}
}

static void
vec_bulk(void *arg, u64 n)
{
	static const u32 some[N_BULK];

	for (; n > 0; n -= N_PUSH) {
		vec_reset_length(vec);
		for (u32 i = 0; i < N_PUSH / N_BULK; i++)
			vec_add(vec, some, N_BULK);
	}
}

typedef struct {
	u32 *elts;
	uword n, capacity;
} array_t;

static __clib_noinline int
array_grow(array_t *a, uword n)
{
	uword capacity = clib_max(a->capacity * 3 / 2, a->n + n);
	u32 *elts = realloc(a->elts, capacity * sizeof(u32));

	if (!elts)
		return -ENOMEM;
	a->elts = elts;
	a->capacity = capacity;
	return 0;
}

always_inline int
array_add1(array_t *a, u32 x)
{
	if (PREDICT_FALSE(a->n == a->capacity) && array_grow(a, 1))
		return -ENOMEM;
	a->elts[a->n++] = x;
	return 0;
}

static array_t array;

static __clib_noinline void
array_push_1024(array_t *to)
{
	array_t a = *to;

	a.n = 0;
	for (u32 i = 0; i < N_PUSH; i++)
		n_failures += array_add1(&a, i) != 0;
	*to = a;
}

static __clib_noinline void
object_push_1024(array_t *a)
{
	a->n = 0;
	for (u32 i = 0; i < N_PUSH; i++) {
		n_failures += array_add1(a, i) != 0;
		/* Others may look. */
		bench_keep(a);
	}
}

static void
array_push(void *arg, u64 n)
{
	for (; n > 0; n -= N_PUSH)
		array_push_1024(&array);
}

static void
object_push(void *arg, u64 n)
{
	for (; n > 0; n -= N_PUSH)
		object_push_1024(&array);
}

static void
array_push_from_nothing(void *arg, u64 n)
{
	for (; n > 0; n -= N_PUSH) {
		array_t a = { 0 };

		array_push_1024(&a);
		free(a.elts);
	}
}

static void
array_bulk(void *arg, u64 n)
{
	static const u32 some[N_BULK];

	for (; n > 0; n -= N_PUSH) {
		array.n = 0;
		for (u32 i = 0; i < N_PUSH / N_BULK; i++) {
			if (array.n + N_BULK > array.capacity)
				n_failures += array_grow(&array, N_BULK) != 0;
			memcpy(array.elts + array.n, some, sizeof(some));
			array.n += N_BULK;
			bench_keep(&array);
		}
	}
}

/* ---- pool ---- */

typedef struct {
	u64 a, b;
	u32 next, pad;
	u64 c;
} object_t;

static object_t *pool;
static u32 live[N_LIVE];

static void
pool_pair(void *arg, u64 n)
{
	object_t *o;

	for (u64 i = 0; i < n; i++) {
		pool_get(pool, o);
		bench_keep(o);
		pool_put(pool, o);
	}
}

static void
pool_churn(void *arg, u64 n)
{
	object_t *o;

	for (u64 i = 0; i < n; i++) {
		u32 *slot = &live[choices[i % ARRAY_LEN(choices)] % N_LIVE];

		pool_put_index(pool, *slot);
		pool_get(pool, o);
		*slot = (u32)(o - pool);
	}
}

static object_t *walked;

static void
pool_loop(void *arg, u64 n)
{
	object_t *o;
	u64 sum = 0;

	for (u64 n_done = 0; n_done < n;)
		pool_foreach (o, walked) {
			sum += o->a;
			n_done++;
		}
	bench_keep(sum);
}

static struct {
	object_t *objects;
	u32 first_free;
} freelist;

static void
freelist_fill(u32 n)
{
	freelist.objects = calloc(n + 1, sizeof(object_t));
	if (!freelist.objects)
		exit(1);
	for (u32 i = 0; i < n; i++)
		freelist.objects[i].next = i + 1;
	freelist.objects[n].next = ~0u;
}

always_inline u32
freelist_get(void)
{
	u32 i = freelist.first_free;

	if (PREDICT_FALSE(i == ~0u)) {
		n_failures++;
		return 0;
	}
	freelist.first_free = freelist.objects[i].next;
	return i;
}

always_inline void
freelist_put(u32 i)
{
	freelist.objects[i].next = freelist.first_free;
	freelist.first_free = i;
}

static void
freelist_pair(void *arg, u64 n)
{
	for (u64 i = 0; i < n; i++) {
		u32 o = freelist_get();

		bench_keep(freelist.objects + o);
		freelist_put(o);
	}
}

static u32 freelist_live[N_LIVE];

static void
freelist_churn(void *arg, u64 n)
{
	for (u64 i = 0; i < n; i++) {
		u32 *slot = &freelist_live[choices[i % ARRAY_LEN(choices)] % N_LIVE];

		freelist_put(*slot);
		*slot = freelist_get();
		bench_keep(slot);
	}
}

typedef struct slist_object {
	SLIST_ENTRY(slist_object) link;
	u64 a, b, c;
} slist_object_t;

static SLIST_HEAD(, slist_object) slist;

static void
slist_pair(void *arg, u64 n)
{
	for (u64 i = 0; i < n; i++) {
		slist_object_t *o = SLIST_FIRST(&slist);

		SLIST_REMOVE_HEAD(&slist, link);
		bench_keep(o);
		SLIST_INSERT_HEAD(&slist, o, link);
	}
}

static void
malloc_pair(void *arg, u64 n)
{
	for (u64 i = 0; i < n; i++) {
		void *p = malloc(sizeof(object_t));

		bench_keep(p);
		free(p);
	}
}

/* ---- bitmap ---- */

static uword *bitmap, words[4096 / 64];

static void
bitmap_set(void *arg, u64 n)
{
	for (u64 i = 0; i < n; i++) {
		u32 bit = choices[i % ARRAY_LEN(choices)];

		bitmap = clib_bitmap_set(bitmap, bit, 1);
		bitmap = clib_bitmap_set(bitmap, bit, 0);
	}
}

static void
words_set(void *arg, u64 n)
{
	for (u64 i = 0; i < n; i++) {
		u32 bit = choices[i % ARRAY_LEN(choices)];

		words[bit / 64] |= 1ull << bit % 64;
		bench_keep(words);
		words[bit / 64] &= ~(1ull << bit % 64);
		bench_keep(words);
	}
}

/* One bit in eight. */
static uword *sparse_bits;

static void
bitmap_next(void *arg, u64 n)
{
	uword i, sum = 0;

	for (u64 n_done = 0; n_done < n;)
		clib_bitmap_foreach (i, sparse_bits) {
			sum += i;
			n_done++;
		}
	bench_keep(sum);
}

static void
words_next(void *arg, u64 n)
{
	uword sum = 0, n_words = vec_len(sparse_bits);

	for (u64 n_done = 0; n_done < n;)
		for (uword w = 0; w < n_words; w++)
			for (uword bits = sparse_bits[w]; bits; bits &= bits - 1) {
				sum += w * 64 + (uword)__builtin_ctzll(bits);
				n_done++;
			}
	bench_keep(sum);
}

/* ---- fifo ---- */

static u64 *fifo, ring[128];
static u32 ring_head, ring_tail;

static void
fifo_pair(void *arg, u64 n)
{
	u64 x = 0, sum = 0;

	for (u64 i = 0; i < n; i++) {
		clib_fifo_add1(fifo, i);
		clib_fifo_sub1(fifo, x);
		sum += x;
	}
	bench_keep(sum);
}

static void
ring_pair(void *arg, u64 n)
{
	u64 sum = 0;

	for (u64 i = 0; i < n; i++) {
		if (ring_tail - ring_head == ARRAY_LEN(ring)) {
			n_failures++;
			return;
		}
		ring[ring_tail++ % ARRAY_LEN(ring)] = i;
		bench_keep(ring);
		sum += ring[ring_head++ % ARRAY_LEN(ring)];
		bench_keep(ring);
	}
	bench_keep(sum);
}

/* ---- glib ---- */

#ifdef HAVE_GLIB
static GArray *garray;
static GQueue gqueue = G_QUEUE_INIT;

static void
garray_push(void *arg, u64 n)
{
	for (; n > 0; n -= N_PUSH) {
		g_array_set_size(garray, 0);
		for (u32 i = 0; i < N_PUSH; i++)
			g_array_append_val(garray, i);
	}
}

static void
garray_bulk(void *arg, u64 n)
{
	static const u32 some[N_BULK];

	for (; n > 0; n -= N_PUSH) {
		g_array_set_size(garray, 0);
		for (u32 i = 0; i < N_PUSH / N_BULK; i++)
			g_array_append_vals(garray, some, N_BULK);
	}
}

static void
gslice_pair(void *arg, u64 n)
{
	for (u64 i = 0; i < n; i++) {
		object_t *o = g_slice_new(object_t);

		bench_keep(o);
		g_slice_free(object_t, o);
	}
}

static void
gqueue_pair(void *arg, u64 n)
{
	for (u64 i = 0; i < n; i++) {
		g_queue_push_tail(&gqueue, &gqueue);
		g_queue_pop_head(&gqueue);
	}
}
#endif

static bench_case_t cases[] = {
	{ .name = "vec_push", .params = "by=vec", .fn = vec_push, .n_ops = N_OPS },
	{ .name = "vec_push", .params = "by=array", .fn = array_push, .n_ops = N_OPS },
	{ .name = "vec_push", .params = "by=object", .fn = object_push, .n_ops = N_OPS },
#ifdef HAVE_GLIB
	{ .name = "vec_push", .params = "by=glib", .fn = garray_push, .n_ops = N_OPS },
#endif
	{ .name = "vec_grow", .params = "by=vec", .fn = vec_grow, .n_ops = N_OPS },
	{ .name = "vec_grow", .params = "by=array", .fn = array_push_from_nothing, .n_ops = N_OPS },
	{ .name = "vec_bulk", .params = "by=vec", .fn = vec_bulk, .n_ops = N_OPS },
	{ .name = "vec_bulk", .params = "by=object", .fn = array_bulk, .n_ops = N_OPS },
#ifdef HAVE_GLIB
	{ .name = "vec_bulk", .params = "by=glib", .fn = garray_bulk, .n_ops = N_OPS },
#endif
	{ .name = "pool_pair", .params = "by=pool", .fn = pool_pair, .n_ops = N_OPS },
	{ .name = "pool_pair", .params = "by=freelist", .fn = freelist_pair, .n_ops = N_OPS },
	{ .name = "pool_pair", .params = "by=slist", .fn = slist_pair, .n_ops = N_OPS },
	{ .name = "pool_pair", .params = "by=malloc", .fn = malloc_pair, .n_ops = N_OPS },
#ifdef HAVE_GLIB
	{ .name = "pool_pair", .params = "by=glib", .fn = gslice_pair, .n_ops = N_OPS },
#endif
	{ .name = "pool_churn", .params = "by=pool", .fn = pool_churn, .n_ops = N_OPS },
	{ .name = "pool_churn", .params = "by=freelist", .fn = freelist_churn, .n_ops = N_OPS },
	{ .name = "pool_loop", .params = "by=pool", .fn = pool_loop, .n_ops = N_OPS },
	{ .name = "bitmap_set", .params = "by=bitmap", .fn = bitmap_set, .n_ops = N_OPS },
	{ .name = "bitmap_set", .params = "by=words", .fn = words_set, .n_ops = N_OPS },
	{ .name = "bitmap_next", .params = "by=bitmap", .fn = bitmap_next, .n_ops = N_OPS },
	{ .name = "bitmap_next", .params = "by=words", .fn = words_next, .n_ops = N_OPS },
	{ .name = "fifo_pair", .params = "by=fifo", .fn = fifo_pair, .n_ops = N_OPS },
	{ .name = "fifo_pair", .params = "by=ring", .fn = ring_pair, .n_ops = N_OPS },
#ifdef HAVE_GLIB
	{ .name = "fifo_pair", .params = "by=glib", .fn = gqueue_pair, .n_ops = N_OPS },
#endif
};

/* What the cases find when they start; 0 when there was memory for it. */
static int
set_up(void)
{
	u64 seed = 1;
	object_t *o;
	int error = 0;

	for (u32 i = 0; i < ARRAY_LEN(choices); i++)
		choices[i] = (u16)(64 + bench_random_below(&seed, 4096 - 64));
	error |= vec_validate(vec, N_PUSH);
	error |= array_grow(&array, N_PUSH);
	for (u32 i = 0; i < N_LIVE; i++) {
		error |= pool_get_zero(pool, o);
		live[i] = i;
	}
	for (u32 i = 0; i < 1024; i++)
		error |= pool_get_zero(walked, o);
	for (u32 i = 0; i < 1024; i += 4)
		pool_put_index(walked, i);
	freelist_fill(N_LIVE + 1);
	for (u32 i = 0; i < N_LIVE; i++) {
		static slist_object_t objects[N_LIVE];

		freelist_live[i] = freelist_get();
		SLIST_INSERT_HEAD(&slist, &objects[i], link);
	}
	/* Bit 0 stays, so that the set is never empty. */
	bitmap = clib_bitmap_set(bitmap, 0, 1);
	for (u32 i = 0; i < 4096; i += 8)
		sparse_bits = clib_bitmap_set(sparse_bits, i + bench_random_below(&seed, 8), 1);
	for (u32 i = 0; i < N_QUEUED; i++) {
		error |= clib_fifo_add1(fifo, i);
		ring_tail++;
	}
#ifdef HAVE_GLIB
	garray = g_array_sized_new(FALSE, FALSE, sizeof(u32), N_PUSH);
	for (u32 i = 0; i < N_QUEUED; i++)
		g_queue_push_tail(&gqueue, &gqueue);
#endif
	return error;
}

int
main(void)
{
	bench_start("bench_containers");
	if (set_up()) {
		printf("# no memory\n");
		return 1;
	}
	bench_run(cases, ARRAY_LEN(cases), N_ROUNDS);
	if (n_failures)
		printf("# %llu operations failed: the figures above are worth nothing\n",
		       (unsigned long long)n_failures);
	return n_failures != 0;
}
