/* SPDX-License-Identifier: Apache-2.0 */
#include <vppinfra/format.h>
#include <vppinfra/heap.h>
#include "container_test.h"

/* NULL is an empty heap. */
static void
null_is_an_empty_heap(void)
{
	u32 *v = 0, *p;
	uword len, n = 0;

	heap_begin(MiB(1));
	CU_ASSERT_EQUAL(heap_elts(v), 0);
	CU_ASSERT_EQUAL(heap_bytes(v), 0);
	CU_ASSERT_EQUAL(heap_len(v, 0), 0);
	CU_ASSERT_EQUAL(heap_get_max_len(v), 0);
	CU_ASSERT_TRUE(heap_is_free_handle(v, 0));
	CU_ASSERT_EQUAL(heap_dealloc_checked(v, 0), -EINVAL);
	CU_ASSERT_EQUAL(heap_check(v), 0);
	heap_foreach(p, len, v, ({ n += *p + len; }));
	CU_ASSERT_EQUAL(n, 0);
	CU_ASSERT_PTR_NULL(heap_dup(v));
	heap_free(v);
	heap_new(v);
	CU_ASSERT_PTR_NOT_NULL(v);
	CU_ASSERT_EQUAL(heap_elts(v), 0);
	CU_ASSERT_EQUAL(heap_check(v), 0);
	heap_free(v);
	CU_ASSERT_PTR_NULL(v);
	heap_end();
}

/* A range is where the offset says, as long as asked for, and its pointer starts a cache line when
 * it is the first. */
static void
ranges_are_handed_out(void)
{
	u32 *v = 0, h0, h1, h2;

	heap_begin(MiB(1));
	CU_ASSERT_EQUAL(heap_alloc(v, 10, h0), 0);
	CU_ASSERT_EQUAL((uword)v % CLIB_CACHE_LINE_BYTES, 0);
	CU_ASSERT_EQUAL(heap_alloc(v, 5, h1), 10);
	CU_ASSERT_EQUAL(heap_alloc(v, 1, h2), 15);
	CU_ASSERT_EQUAL(vec_len(v), 16);
	CU_ASSERT_EQUAL(heap_len(v, h0), 10);
	CU_ASSERT_EQUAL(heap_len(v, h1), 5);
	CU_ASSERT_EQUAL(heap_elts(v), 3);
	CU_ASSERT_PTR_EQUAL(heap_elt_with_handle(v, h1), v + 10);
	CU_ASSERT_PTR_EQUAL(heap_elt_at_index(v, 15), v + 15);
	CU_ASSERT_FALSE(heap_is_free_handle(v, h1));
	heap_dealloc(v, h1);
	CU_ASSERT_TRUE(heap_is_free_handle(v, h1));
	CU_ASSERT_EQUAL(heap_len(v, h1), 0);
	CU_ASSERT_EQUAL(heap_elts(v), 2);
	CU_ASSERT_EQUAL(heap_check(v), 0);
	heap_validate(v);
	heap_free(v);
	heap_end();
}

/* A freed range is used again, the one that fits best first; neighbours become one. */
static void
free_ranges_are_used_again(void)
{
	u32 *v = 0, h[7], again;

	heap_begin(MiB(1));
	for (u32 i = 0; i < 7; i++)
		heap_alloc(v, 10 + i, h[i]);
	heap_dealloc(v, h[1]);
	heap_dealloc(v, h[3]);
	heap_dealloc(v, h[5]);
	CU_ASSERT_EQUAL(heap_alloc(v, 13, again), 10 + 11 + 12);
	heap_dealloc(v, again);
	CU_ASSERT_EQUAL(heap_alloc(v, 2, again), 10);
	heap_dealloc(v, again);
	/* 1, 2 and 3 together. */
	heap_dealloc(v, h[2]);
	CU_ASSERT_EQUAL(heap_alloc(v, 36, again), 10);
	heap_dealloc(v, again);
	heap_dealloc(v, h[0]);
	heap_dealloc(v, h[4]);
	heap_dealloc(v, h[6]);
	CU_ASSERT_EQUAL(heap_elts(v), 0);
	CU_ASSERT_EQUAL(heap_check(v), 0);
	/* All of it is one range, and the vector grows by what that lacks. */
	CU_ASSERT_EQUAL(heap_alloc(v, 100, again), 0);
	CU_ASSERT_EQUAL(vec_len(v), 100);
	CU_ASSERT_EQUAL(heap_check(v), 0);
	heap_free(v);
	heap_end();
}

/* Aligned ranges start on a multiple; what is skipped is free for others. */
static void
ranges_are_aligned(void)
{
	u8 *v = 0;
	uword handle, small;

	heap_begin(MiB(1));
	for (uword align = 1; align <= 4096; align *= 2) {
		uword offset;

		CU_ASSERT_NOT_EQUAL(heap_alloc(v, 1, small), ~0ULL);
		offset = heap_alloc_aligned(v, 3, align, handle);
		CU_ASSERT_EQUAL(offset % align, 0);
		CU_ASSERT_EQUAL(heap_check(v), 0);
	}
	/* 3 is rounded up to 4. */
	CU_ASSERT_EQUAL(heap_alloc_aligned(v, 1, 3, handle) % 4, 0);
	CU_ASSERT_TRUE(vec_len(v) < 8200);
	heap_free(v);
	heap_end();
}

/* max_len is never passed, everything below it can be had, and a refusal changes nothing. */
static void
max_len_is_kept(void)
{
	u64 *v = 0;
	u32 handles[100], handle;

	heap_begin(MiB(1));
	CU_ASSERT_EQUAL(heap_set_max_len(v, 100), 0);
	CU_ASSERT_EQUAL(heap_get_max_len(v), 100);
	CU_ASSERT_EQUAL(heap_alloc(v, 101, handle), ~0ULL);
	CU_ASSERT_EQUAL(handle, ~0u);
	for (u32 i = 0; i < 100; i++)
		CU_ASSERT_EQUAL(heap_alloc(v, 1, handles[i]), i);
	CU_ASSERT_EQUAL(heap_alloc(v, 1, handle), ~0ULL);
	CU_ASSERT_EQUAL(heap_elts(v), 100);
	for (u32 i = 0; i < 100; i += 2)
		heap_dealloc(v, handles[i]);
	CU_ASSERT_EQUAL(heap_alloc(v, 2, handle), ~0ULL);
	heap_dealloc(v, handles[51]);
	CU_ASSERT_EQUAL(heap_alloc(v, 3, handle), 50);
	CU_ASSERT_EQUAL(heap_alloc(v, 0, handle), ~0ULL);
	CU_ASSERT_EQUAL(heap_alloc(v, 1ULL << 40, handle), ~0ULL);
	CU_ASSERT_EQUAL(heap_alloc_aligned(v, 1, 1ULL << 40, handle), ~0ULL);
	CU_ASSERT_EQUAL(heap_check(v), 0);
	CU_ASSERT_EQUAL(heap_set_max_len(v, 0), 0);
	CU_ASSERT_EQUAL(heap_alloc(v, 2, handle), 100);
	heap_free(v);
	heap_end();
}

/* Before a request is refused every free range is looked at, be it the last in a long list. */
static void
a_range_deep_in_its_list_is_found(void)
{
	u8 *v = 0;
	u32 handles[200], handle;

	heap_begin(MiB(1));
	/* Ranges of 100, which stay, between ranges of 112 and one of 127.  Those are in one list,
	 * the one of 127 last, as it is freed first. */
	for (u32 i = 0; i < 200; i++)
		heap_alloc(v, i % 2 ? 100 : i == 0 ? 127 : 112, handles[i]);
	heap_set_max_len(v, vec_len(v));
	for (u32 i = 0; i < 200; i += 2)
		heap_dealloc(v, handles[i]);
	CU_ASSERT_EQUAL(heap_alloc(v, 120, handle), 0);
	CU_ASSERT_EQUAL(heap_alloc(v, 120, handle), ~0ULL);
	CU_ASSERT_EQUAL(heap_check(v), 0);
	heap_free(v);
	heap_end();
}

/* A heap in memory of the user's stays there, and what lies behind it is not touched. */
static void
memory_of_the_users_is_not_left(void)
{
	static _Alignas(16) u8 memory[65536];
	uword n_bytes = heap_header_bytes() + 50 * sizeof(u32);
	u32 *v, *copy, handle, n = 0;

	heap_begin(MiB(1));
	memset(memory, 0xee, sizeof(memory));
	CU_ASSERT_PTR_NULL(heap_create_from_memory(memory + 8, 50, sizeof(u32)));
	CU_ASSERT_PTR_NULL(heap_create_from_memory(memory, 0, sizeof(u32)));
	v = heap_create_from_memory(memory, 50, sizeof(u32));
	CU_ASSERT_PTR_EQUAL_FATAL(v, memory + heap_header_bytes());
	while (heap_alloc(v, 7, handle) != ~0ULL) {
		memset(heap_elt_with_handle(v, handle), 0x11, 7 * sizeof(u32));
		n++;
	}
	CU_ASSERT_EQUAL(n, 7);
	CU_ASSERT_PTR_EQUAL(v, memory + heap_header_bytes());
	CU_ASSERT_EQUAL(memory[n_bytes], 0xee);
	CU_ASSERT_EQUAL(heap_set_max_len(v, 51), -EINVAL);
	CU_ASSERT_EQUAL(heap_check(v), 0);
	/* A copy is an ordinary heap under the same limit. */
	copy = heap_dup(v);
	CU_ASSERT_PTR_NOT_NULL_FATAL(copy);
	CU_ASSERT_EQUAL(heap_elts(copy), 7);
	CU_ASSERT_EQUAL(heap_alloc(copy, 2, handle), ~0ULL);
	CU_ASSERT_EQUAL(heap_set_max_len(copy, 60), 0);
	CU_ASSERT_EQUAL(heap_alloc(copy, 2, handle), 49);
	CU_ASSERT_EQUAL(heap_check(copy), 0);
	heap_free(copy);
	heap_free(v);
	CU_ASSERT_PTR_NULL(v);
	heap_end();
}

/* The walk sees what is handed out, in order, and nothing else. */
static void
foreach_walks_in_order(void)
{
	u16 *v = 0, *p, *last = 0;
	u32 handles[50];
	uword len, n = 0, sum = 0;

	heap_begin(MiB(1));
	for (u32 i = 0; i < 50; i++) {
		uword offset = heap_alloc(v, 1 + i % 7, handles[i]);

		for (u32 k = 0; k < 1 + i % 7; k++)
			v[offset + k] = (u16)i;
	}
	for (u32 i = 0; i < 50; i += 3)
		heap_dealloc(v, handles[i]);
	heap_foreach(p, len, v, ({
			     CU_ASSERT_TRUE(p > last);
			     CU_ASSERT_EQUAL(len, 1u + p[0] % 7);
			     CU_ASSERT_NOT_EQUAL(p[0] % 3, 0);
			     if (len == 1)
				     continue;
			     n++, sum += len;
			     last = p;
		     }));
	CU_ASSERT_EQUAL(n, 28);
	CU_ASSERT_TRUE(sum > n);
	heap_free(v);
	heap_end();
}

/* A handle freed twice or never given is counted, said, and harms nothing. */
static void
bad_handles_are_refused(void)
{
	u32 *v = 0, h0, h1, h2;

	heap_begin(MiB(1));
	heap_alloc(v, 10, h0);
	heap_alloc(v, 10, h1);
	heap_alloc(v, 10, h2);
	heap_dealloc(v, h1);
	CU_ASSERT_EQUAL(heap_dealloc_checked(v, h1), -EALREADY);
	CU_ASSERT_EQUAL(heap_dealloc_checked(v, 1000), -EINVAL);
	CU_ASSERT_EQUAL(heap_dealloc_checked(v, ~0ULL), -EINVAL);
	heap_dealloc(v, h1);
	heap_dealloc(v, 77);
	CU_ASSERT_EQUAL(heap_header(v)->n_bad_handles, 2);
	/* Merged into its neighbours, h1's record is unused. */
	heap_dealloc(v, h0);
	CU_ASSERT_EQUAL(heap_dealloc_checked(v, h1), -EALREADY);
	CU_ASSERT_EQUAL(heap_elts(v), 1);
	CU_ASSERT_EQUAL(heap_check(v), 0);
	heap_free(v);
	heap_end();
}

/* The check sees each of its invariants broken. */
static void
the_check_sees_what_is_broken(void)
{
	heap_header_t *h;
	u32 *v = 0, handles[6], kept;

	heap_begin(MiB(1));
	for (u32 i = 0; i < 6; i++)
		heap_alloc(v, 10, handles[i]);
	heap_dealloc(v, handles[1]);
	heap_dealloc(v, handles[3]);
	h = heap_header(v);
	CU_ASSERT_EQUAL(heap_check(v), 0);
	h->elts[handles[2]].offset++; /* a gap and an overlap */
	CU_ASSERT_EQUAL(heap_check(v), -EUCLEAN);
	h->elts[handles[2]].offset--;
	h->used_count++;
	CU_ASSERT_EQUAL(heap_check(v), -EUCLEAN);
	h->used_count--;
	h->elts[handles[2]].offset |= HEAP_ELT_FREE_BIT; /* free neighbours, and not listed */
	CU_ASSERT_EQUAL(heap_check(v), -EUCLEAN);
	h->elts[handles[2]].offset &= ~HEAP_ELT_FREE_BIT;
	kept = h->free_lists[10];
	h->free_lists[10] = ~0u;
	CU_ASSERT_EQUAL(heap_check(v), -EUCLEAN);
	h->free_lists[10] = kept;
	h->non_empty_free_lists[0] ^= 1 << 10;
	CU_ASSERT_EQUAL(heap_check(v), -EUCLEAN);
	h->non_empty_free_lists[0] ^= 1 << 10;
	h->elts[handles[0]].next = 500; /* out of the records */
	CU_ASSERT_EQUAL(heap_check(v), -EUCLEAN);
	h->elts[handles[0]].next = 1;
	CU_ASSERT_EQUAL(heap_check(v), 0);
	heap_free(v);
	heap_end();
}

static u8 *
format_number(u8 *s, va_list *args)
{
	u32 *CLIB_UNUSED(v) = va_arg(*args, u32 *);
	u32 *object = va_arg(*args, u32 *);

	return format(s, "number %u", *object);
}

/* Text: a line for the heap; verbose: one a range, objects by the user's function. */
static void
ranges_are_printed(void)
{
	u32 *v = 0, h0, h1, h2;
	u8 *s;

	heap_begin(MiB(1));
	s = format(0, "%U%c", format_heap, v, 1, 0);
	CU_ASSERT_PTR_NOT_NULL(strstr((char *)s, "0 objects, size 0.0k + overhead 0.0k"));
	vec_free(s);
	v[heap_alloc(v, 256, h0)] = 3;
	v[heap_alloc(v, 5, h1)] = 4;
	v[heap_alloc(v, 1019, h2)] = 5;
	heap_dealloc(v, h1);
	heap_set_format(v, format_number);
	s = format(0, "%U%c", format_heap, v, 1, 0);
	CU_ASSERT_PTR_NOT_NULL(strstr((char *)s, " 2 objects, size 5.0k + overhead"));
	CU_ASSERT_PTR_NOT_NULL(
		strstr((char *)s, "\n       0: offset      0, size    256, number 3"));
	CU_ASSERT_PTR_NOT_NULL(strstr((char *)s, "\n       1: offset    256, size      5, free"));
	CU_ASSERT_PTR_NOT_NULL(strstr((char *)s, "offset    261, size   1019, number 5"));
	vec_free(s);
	s = format(0, "%U%c", format_heap, v, 0, 0);
	CU_ASSERT_PTR_NULL(strchr((char *)s, '\n'));
	vec_free(s);
	heap_free(v);
	heap_end();
}

/* ---- random operations beside a map of who owns each index ---- */

#define MODEL_LEN 4096
#define N_OBJECTS 300

typedef struct {
	uword offset, size;
	u32 handle;
} model_object_t;

/* 0: nobody; else the object's number + 1. */
static u16 owners[MODEL_LEN];
static model_object_t objects[N_OBJECTS];

/* Whether size free indices in a row start at a multiple of align. */
static int
would_fit(uword size, uword align)
{
	for (uword at = 0; at + size <= MODEL_LEN; at += align) {
		uword k = 0;

		while (k < size && !owners[at + k])
			k++;
		if (k == size)
			return 1;
	}
	return 0;
}

static void
compare_with_model(u16 *v)
{
	uword n = 0, len;
	u16 *p;

	CU_ASSERT_EQUAL_FATAL(heap_check(v), 0);
	for (u32 i = 0; i < N_OBJECTS; i++) {
		if (!objects[i].size)
			continue;
		n++;
		CU_ASSERT_EQUAL_FATAL(heap_len(v, objects[i].handle), objects[i].size);
		p = heap_elt_with_handle(v, objects[i].handle);
		CU_ASSERT_EQUAL_FATAL((uword)(p - v), objects[i].offset);
		for (uword k = 0; k < objects[i].size; k++)
			CU_ASSERT_EQUAL_FATAL(p[k], i + 1);
	}
	CU_ASSERT_EQUAL_FATAL(heap_elts(v), n);
	heap_foreach(p, len, v, ({ n -= objects[*p - 1].size == len; }));
	CU_ASSERT_EQUAL_FATAL(n, 0);
}

static u16 *
random_alloc(u16 *v, u32 i, u64 *seed, u64 *n_refused)
{
	uword size = 1 + unit_random_below(seed, unit_random_below(seed, 10) ? 20 : 400);
	uword align = unit_random_below(seed, 4) ? 0 : 1ULL << unit_random_below(seed, 6);
	model_object_t o = { .size = size };

	o.offset = heap_alloc_aligned(v, size, align, o.handle);
	if (o.offset == ~0ULL) {
		CU_ASSERT_FALSE_FATAL(would_fit(size, clib_max(align, 1ULL)));
		++*n_refused;
		return v;
	}
	CU_ASSERT_TRUE_FATAL(o.offset + size <= MODEL_LEN);
	CU_ASSERT_TRUE_FATAL(!align || o.offset % align == 0);
	for (uword k = o.offset; k < o.offset + size; k++) {
		CU_ASSERT_EQUAL_FATAL(owners[k], 0);
		owners[k] = v[k] = (u16)(i + 1);
	}
	objects[i] = o;
	return v;
}

static void
random_dealloc(u16 *v, u32 i)
{
	model_object_t *o = &objects[i];

	heap_dealloc(v, o->handle);
	memset(owners + o->offset, 0, o->size * sizeof(owners[0]));
	o->size = 0;
}

static void
random_operations_match_a_map(void)
{
	u64 seed = unit_seed(), n_ops = unit_n_ops(400000), n_refused = 0;
	u32 range = N_OBJECTS;
	u16 *v = 0, *copy;

	heap_begin(MiB(4));
	heap_set_max_len(v, MODEL_LEN);
	for (u64 op = 0; op < n_ops; op++) {
		u32 i = (u32)unit_random_below(&seed, range);

		if (objects[i].size)
			random_dealloc(v, i);
		else
			v = random_alloc(v, i, &seed, &n_refused);
		if (op % 500 == 0)
			compare_with_model(v);
		if (op % 3000 == 0) {
			copy = heap_dup(v);
			heap_free(v);
			v = copy;
			range = 20 + (u32)unit_random_below(&seed, N_OBJECTS - 20);
		}
	}
	CU_ASSERT_TRUE(n_refused > 0);
	for (u32 i = 0; i < N_OBJECTS; i++)
		if (objects[i].size)
			random_dealloc(v, i);
	compare_with_model(v);
	/* One range again. */
	CU_ASSERT_EQUAL(heap_next(_heap_first(v)), _heap_first(v));
	heap_free(v);
	heap_end();
}

static const unit_test_t tests[] = {
	UNIT(null_is_an_empty_heap),
	UNIT(ranges_are_handed_out),
	UNIT(free_ranges_are_used_again),
	UNIT(ranges_are_aligned),
	UNIT(max_len_is_kept),
	UNIT(a_range_deep_in_its_list_is_found),
	UNIT(memory_of_the_users_is_not_left),
	UNIT(foreach_walks_in_order),
	UNIT(bad_handles_are_refused),
	UNIT(the_check_sees_what_is_broken),
	UNIT(ranges_are_printed),
	UNIT(random_operations_match_a_map),
};

int
main(void)
{
	return unit_run("heap", tests, ARRAY_LEN(tests));
}
