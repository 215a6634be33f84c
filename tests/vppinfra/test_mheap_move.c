/* SPDX-License-Identifier: Apache-2.0 */
/* Large objects that move with their pages. */
#include <sys/mman.h>
#include <vppinfra/arena.h>
#include <vppinfra/mem.h>
#include <vppinfra/vec.h>
#include "heap_helpers.h"
#include "strict_region.h"

static void *v;

static u8 *
at(uword offset)
{
	return (u8 *)v + offset;
}

static u64
n_moves(void)
{
	return mheap_header(v)->stats.n_page_moves;
}

/* A byte that depends on its place. */
static u8
byte_of(uword i)
{
	return (u8)(i * 7 + i / 4096);
}

static void
fill(uword offset, uword n)
{
	for (uword i = 0; i < n; i++)
		at(offset)[i] = byte_of(i);
}

static int
is_filled(uword offset, uword n)
{
	for (uword i = 0; i < n; i++)
		if (at(offset)[i] != byte_of(i))
			return 0;
	return 1;
}

/* Whether memory that was never touched has no pages: where the system makes huge ones of its own
 * accord it may have some, and then is copied to. */
static int
is_new_memory_empty(void)
{
	FILE *f = fopen("/sys/kernel/mm/transparent_hugepage/enabled", "r");
	char text[64] = "";
	int is_read = f && fgets(text, sizeof(text), f);

	if (f)
		fclose(f);
	return !is_read || !strstr(text, "[always]");
}

/* Whatever its place in its first page, an object arrives whole, the heap is whole, and what is not
 * wanted of it does not come along. */
static void
an_object_arrives_whole(void)
{
	u64 seed = unit_seed();

	for (u32 round = 0; round < 40; round++) {
		uword n = MiB(1) + unit_random_below(&seed, MiB(2));
		uword n_keep = n - unit_random_below(&seed, 10000), offset, was;

		v = heap_of(MiB(64));
		get(v, 16 + unit_random_below(&seed, 8000));
		offset = was = get(v, n);
		get(v, 16); /* in its way */
		fill(offset, n);
		if (n_keep < MHEAP_MOVE_MIN_BYTES)
			n_keep = n;
		CU_ASSERT_EQUAL_FATAL(mheap_move(v, &offset, 2 * n, n_keep), 0);
		CU_ASSERT_NOT_EQUAL(offset, was);
		CU_ASSERT_EQUAL(offset % MHEAP_MOVE_KEPT_ALIGN, was % MHEAP_MOVE_KEPT_ALIGN);
		CU_ASSERT(mheap_data_bytes(v, offset) >= 2 * n);
		CU_ASSERT(is_filled(offset, n_keep));
		CU_ASSERT_FALSE(mheap_offset_is_valid(v, was));
		CU_ASSERT(n_moves() == 1 || !is_new_memory_empty());
		CU_ASSERT_EQUAL(mheap_elts(v), 3);
		CU_ASSERT(is_whole(v));
		/* The old place is used again. */
		was = get(v, n / 2);
		fill(was, n / 2);
		CU_ASSERT(is_filled(offset, n_keep));
		CU_ASSERT(is_whole(v));
		mheap_free(v);
	}
}

static uword
n_resident_pages(uword offset, uword n_pages)
{
	u8 is_resident[4096] = { 0 };
	uword n = 0;

	mincore(at(round_down_pow2(offset, 4096)), n_pages * 4096, is_resident);
	for (uword i = 0; i < n_pages; i++)
		n += is_resident[i] & 1;
	return n;
}

/* Where the new place has pages already the object is copied into them: none of them goes, nor any
 * of the old place, so what takes turns in the two has no page to wait for. */
static void
pages_that_are_there_are_used(void)
{
	uword offset, old, place;

	v = heap_of(MiB(64));
	mheap_set_give_back_bytes(v, MiB(32));
	offset = old = get(v, MiB(4));
	get(v, 16);
	place = get(v, MiB(8));
	get(v, 16);
	fill(offset, MiB(4));
	fill(place, MiB(8));
	mheap_put(v, place);
	CU_ASSERT_EQUAL(n_resident_pages(place, 2048), 2048);
	CU_ASSERT_EQUAL_FATAL(mheap_move(v, &offset, MiB(5), MiB(4)), 0);
	CU_ASSERT(offset >= place && offset < place + 4096);
	CU_ASSERT(is_filled(offset, MiB(4)));
	CU_ASSERT_EQUAL(n_moves(), 0);
	CU_ASSERT_EQUAL(n_resident_pages(place, 2048), 2048);
	CU_ASSERT_EQUAL(n_resident_pages(old, 1024), 1024);
	CU_ASSERT(is_whole(v));
	mheap_free(v);
}

/* Nothing moves, and the object stays as it was: too small, no such object, no room, a heap that is
 * checked. */
static void
what_cannot_move_stays(void)
{
	uword a, b, was;

	v = heap_of(MiB(8));
	a = was = get(v, KiB(64));
	CU_ASSERT_EQUAL(mheap_move(v, &a, MiB(2), KiB(64)), -ENOTSUP);
	b = get(v, MiB(3));
	fill(b, MiB(3));
	get(v, 16);
	a = b + 16;
	CU_ASSERT_EQUAL(mheap_move(v, &a, MiB(4), MiB(2)), -EINVAL);
	a = b;
	CU_ASSERT_EQUAL(mheap_move(v, &a, MiB(2), MiB(3)), -EINVAL);
	CU_ASSERT_EQUAL(mheap_move(v, &a, MiB(6), MiB(3)), -ENOMEM);
	CU_ASSERT_EQUAL(a, b);
	CU_ASSERT(is_filled(b, MiB(3)));
	CU_ASSERT_EQUAL(n_moves(), 0);
	CU_ASSERT_EQUAL(mheap_elts(v), 3);
	CU_ASSERT(mheap_offset_is_valid(v, was));
	CU_ASSERT(is_whole(v));
	mheap_free(v);

	v = mheap_alloc_with_flags(NULL, MiB(16), MHEAP_FLAG_CHECKED);
	a = get(v, KiB(1100));
	CU_ASSERT_EQUAL(mheap_move(v, &a, MiB(2), KiB(1100)), -ENOTSUP);
	mheap_free(v);
}

/* A get that fails on demand does so here as well. */
static void
a_move_fails_on_demand(void)
{
	uword a, was;

	v = heap_of(MiB(16));
	a = was = get(v, MiB(2));
	get(v, 16);
	fill(a, MiB(2));
	mheap_fail_get_after(1);
	CU_ASSERT_EQUAL(mheap_move(v, &a, MiB(3), MiB(2)), -ENOMEM);
	CU_ASSERT_EQUAL(a, was);
	CU_ASSERT(is_filled(a, MiB(2)));
	CU_ASSERT_EQUAL(mheap_move(v, &a, MiB(3), MiB(2)), 0);
	CU_ASSERT(is_filled(a, MiB(2)));
	CU_ASSERT(is_whole(v));
	mheap_free(v);
}

/* Free places, each just enough for one step of what grows. */
static void
leave_holes(void)
{
	uword holes[16], n = MiB(1), n_holes = 0;

	for (; n < MiB(10); n += n / 6) {
		holes[n_holes++] = get(v, n + n / 7);
		get(v, 16);
	}
	while (n_holes > 0)
		mheap_put(v, holes[--n_holes]);
}

/* How often an object of 1 MiB is moved on its way to 24 in steps of an 8th, while small objects
 * come between each two steps and half of them go. */
static u32
n_moves_of_a_growing_object(void)
{
	uword offset = get(v, MiB(1)), n = MiB(1), small = NOTHING, was;
	u64 seed = 1;
	u32 n_times = 0;

	fill(offset, n);
	get(v, 16);
	while (n < MiB(24)) {
		uword more = n + n / 8;

		was = offset;
		if (mheap_extend(v, offset, more)) {
			CU_ASSERT_EQUAL_FATAL(mheap_move(v, &offset, more, n), 0);
			CU_ASSERT_EQUAL(offset % MHEAP_MOVE_KEPT_ALIGN,
					was % MHEAP_MOVE_KEPT_ALIGN);
			CU_ASSERT_NOT_EQUAL(offset, was);
			n_times++;
		}
		CU_ASSERT(is_filled(offset, n));
		n = more;
		fill(offset, n);
		for (u32 i = 0; i < 20; i++) {
			uword o = get(v, 16 + unit_random_below(&seed, 4000));

			if (i % 2)
				mheap_put(v, small);
			small = o;
		}
	}
	CU_ASSERT(is_whole(v));
	return n_times;
}

/* An object that grew goes where it can grow on, though others come meanwhile: one of 25 steps
 * moves it, or few; in a heap whose pages cannot move as well. */
static void
what_grows_lies_where_it_can(void)
{
	static strict_region_t region;
	uword large, n_bytes;
	u32 n;

	v = strict_heap(&region, MiB(128), 4096, 0);
	CU_ASSERT_PTR_NOT_NULL_FATAL(v);
	leave_holes();
	n = n_moves_of_a_growing_object();
	printf("[%u moves] ", n);
	CU_ASSERT_EQUAL(n_moves(), 0);
	CU_ASSERT(n >= 1 && n <= 3);
	CU_ASSERT(strict_accounts_agree(&region, v));
	mheap_free(v);

	/* Where the largest free place has room, the vector need not grow. */
	v = heap_of(MiB(256));
	leave_holes();
	large = get(v, MiB(64));
	get(v, 16);
	n_bytes = mheap_bytes(v);
	mheap_put(v, large);
	n = n_moves_of_a_growing_object();
	printf("[%u moves] ", n);
	CU_ASSERT(n <= 2);
	CU_ASSERT(mheap_bytes(v) <= n_bytes);
	mheap_free(v);
}

/* The same of heaps on vm ranges, whose pages stay where they are: a vector extends in place at the
 * end and into what is free behind it, also into given-back pages, and keeps what it has. */
static void
vectors_on_a_range_grow_in_place(void)
{
	clib_arena_params_t params = { .name = "range",
				       .reserve_bytes = MiB(256),
				       .numa_node = 0,
				       .page_size = CLIB_MEM_PAGE_SZ_4K };
	u64 *vector = 0, n_wrong = 0;
	clib_arena_t *arena;
	uword behind;
	void *heap, *was;
	u32 n_times = 0;

	CU_ASSERT_EQUAL_FATAL(clib_arena_create(&params, &arena), 0);
	CU_ASSERT_EQUAL_FATAL(clib_arena_create_heap(arena, "heap", MiB(192), 0, &heap), 0);
	v = heap;
	/* Free places that just fit, and a large one. */
	leave_holes();
	behind = get(v, MiB(48));
	get(v, 16);
	mheap_put(v, behind);
	for (u64 i = 0; i < MiB(2); i++) {
		was = vector;
		vec_add1_heap(vector, i, heap);
		n_times += was != vector && vec_bytes(vector) > MiB(1);
	}
	CU_ASSERT(n_times <= 2);
	CU_ASSERT_EQUAL(n_moves(), 0);
	for (u64 i = 0; i < vec_len(vector); i++)
		n_wrong += vector[i] != i;
	CU_ASSERT_EQUAL(n_wrong, 0);
	CU_ASSERT(is_whole(heap));
	vec_free(vector);
	CU_ASSERT(is_whole(heap));
	mheap_free(heap);
	CU_ASSERT_EQUAL(clib_arena_destroy(arena), 0);
}

/* Vectors that are in each other's way move rather than copy, and are as vectors are: elements
 * kept, the room behind them zero, user header and alignment as they were. */
static void
large_vectors_move(void)
{
	clib_mem_heap_t *heap = clib_mem_create_heap(NULL, GiB(1), 0, "vectors");
	u64 *vectors[3] = { 0 };
	u64 n_before;

	v = heap;
	CU_ASSERT_PTR_NOT_NULL_FATAL(heap);
	n_before = n_moves();
	clib_mem_set_heap(heap);
	for (u32 k = 0; k < 3; k++) {
		vectors[k] = vec_new_ha(u64, 1, 24, 64);
		memset(vec_header(vectors[k]), (int)k + 1, 24);
		vec_set_len(vectors[k], 0);
	}
	for (u64 i = 0; i < 400000; i++)
		for (u32 k = 0; k < 3; k++)
			vec_add1_ha(vectors[k], i * 3 + k, 24, 64);
	CU_ASSERT(n_moves() > n_before);
	for (u32 k = 0; k < 3; k++) {
		u64 n_wrong = 0;
		u8 *end = (u8 *)vec_end(vectors[k]);

		CU_ASSERT_EQUAL(vec_len(vectors[k]), 400000);
		CU_ASSERT_EQUAL((uword)vectors[k] % 64, 0);
		for (u64 i = 0; i < 400000; i++)
			n_wrong += vectors[k][i] != i * 3 + k;
		for (uword i = 0; i < vec_max_bytes(vectors[k]) - vec_bytes(vectors[k]); i++)
			n_wrong += end[i] != 0;
		for (u32 i = 0; i < 24; i++)
			n_wrong += ((u8 *)vec_header(vectors[k]))[i] != k + 1;
		CU_ASSERT_EQUAL(n_wrong, 0);
	}
	CU_ASSERT(is_whole(heap));
	for (u32 k = 0; k < 3; k++)
		vec_free_ha(vectors[k], 24, 64);
	CU_ASSERT_EQUAL(mheap_elts(heap), 0);
	clib_mem_set_heap(NULL);
	clib_mem_destroy_heap(heap);
}

/* So does what clib_mem_realloc() cannot grow where it lies; an alignment beyond the page is kept
 * by a copy. */
static void
large_objects_of_mem_move(void)
{
	clib_mem_heap_t *heap = clib_mem_create_heap(NULL, GiB(1), 0, "objects");
	u8 *p, *q;

	v = heap;
	CU_ASSERT_PTR_NOT_NULL_FATAL(heap);
	p = clib_mem_heap_alloc_aligned(heap, MiB(3), 256);
	CU_ASSERT_PTR_NOT_NULL_FATAL(p);
	fill((uword)(p - (u8 *)v), MiB(3));
	get(v, KiB(64));
	q = clib_mem_heap_realloc_aligned(heap, p, MiB(5), 256);
	CU_ASSERT_PTR_NOT_NULL_FATAL(q);
	CU_ASSERT_EQUAL((uword)q % 256, 0);
	CU_ASSERT(is_filled((uword)(q - (u8 *)v), MiB(3)));
	CU_ASSERT(n_moves() == 1 || !is_new_memory_empty());
	get(v, KiB(64));
	clib_mem_heap_free(heap, q);
	p = clib_mem_heap_alloc_aligned(heap, MiB(3), MiB(2));
	fill((uword)(p - (u8 *)v), MiB(3));
	get(v, KiB(64));
	q = clib_mem_heap_realloc_aligned(heap, p, MiB(20), MiB(2));
	CU_ASSERT_EQUAL((uword)q % MiB(2), 0);
	CU_ASSERT(is_filled((uword)(q - (u8 *)v), MiB(3)));
	CU_ASSERT(n_moves() <= 1);
	CU_ASSERT(is_whole(heap));
	clib_mem_destroy_heap(heap);
}

static const unit_test_t tests[] = {
	UNIT(an_object_arrives_whole),      UNIT(pages_that_are_there_are_used),
	UNIT(what_cannot_move_stays),       UNIT(a_move_fails_on_demand),
	UNIT(what_grows_lies_where_it_can), UNIT(vectors_on_a_range_grow_in_place),
	UNIT(large_vectors_move),           UNIT(large_objects_of_mem_move),
};

int
main(void)
{
	return unit_run("mheap_move", tests, ARRAY_LEN(tests));
}
