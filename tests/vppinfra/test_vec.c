/* SPDX-License-Identifier: Apache-2.0 */
#include <vppinfra/mem.h>
#include <vppinfra/vec.h>
#include "unit.h"

/* A heap of the test's own is current between heap_begin() and heap_end(), which checks that the
 * test gave everything back. */
static void *test_heap, *heap_before;

static void
heap_begin(uword size)
{
	test_heap = mheap_alloc(0, size);
	CU_ASSERT_PTR_NOT_NULL_FATAL(test_heap);
	heap_before = clib_mem_set_heap(test_heap);
}

static void
heap_end(void)
{
	CU_ASSERT_EQUAL(mheap_elts(test_heap), 0);
	CU_ASSERT_EQUAL(mheap_check(test_heap, NULL, 0), 0);
	clib_mem_set_heap(heap_before);
	mheap_free(test_heap);
}

static int
holds(const u32 *v, const u32 *expected, uword n)
{
	return vec_len64(v) == n && (n == 0 || !memcmp(v, expected, n * sizeof(v[0])));
}

#define HOLDS(v, ...)                                                                              \
	CU_ASSERT_TRUE(holds((v), (const u32[]){ __VA_ARGS__ },                                    \
			     ARRAY_LEN(((const u32[]){ __VA_ARGS__ }))))

static u32 *
zero_to(u32 n)
{
	u32 *v = 0;

	for (u32 i = 0; i < n; i++)
		CU_ASSERT_EQUAL(vec_add1(v, i), 0);
	return v;
}

/* NULL is an empty vector everywhere that does not need an element. */
static void
null_is_an_empty_vector(void)
{
	u32 *v = 0, *w = 0, *p, x = 7, n_turns = 0;
	i32 i;

	CU_ASSERT_EQUAL(vec_len(v), 0);
	CU_ASSERT_EQUAL(vec_bytes(v), 0);
	CU_ASSERT_EQUAL(vec_max_len(v), 0);
	CU_ASSERT_EQUAL(vec_mem_size(v), 0);
	CU_ASSERT_PTR_NULL(vec_end(v));
	CU_ASSERT_PTR_NULL(vec_header(v));
	CU_ASSERT_PTR_NULL(vec_dup(v));
	CU_ASSERT_TRUE(vec_is_equal(v, w));
	CU_ASSERT_EQUAL(vec_cmp(v, w), 0);
	CU_ASSERT_EQUAL(vec_search(v, 1), ~0);
	CU_ASSERT_EQUAL(vec_pop2(v, x), 0);
	CU_ASSERT_EQUAL(x, 7);
	vec_reset_length(v);
	vec_zero(v);
	vec_set(v, 1);
	vec_append(v, w);
	vec_prepend(v, w);
	vec_insert(v, 0, 0);
	vec_delete(v, 0, 0);
	vec_foreach (p, v)
		n_turns++;
	vec_foreach_backwards (p, v)
		n_turns++;
	vec_foreach_index (i, v)
		n_turns++;
	vec_foreach_index_backwards(i, v) n_turns++;
	CU_ASSERT_EQUAL(n_turns, 0);
	CU_ASSERT_PTR_NULL(v);
	vec_free(v);
}

/* Appending keeps order, whatever the growth did; pop takes from the same end. */
static void
add_and_pop_are_a_stack(void)
{
	u32 *v, *p, x = 0, more[3] = { 10, 11, 12 };

	heap_begin(MiB(1));
	v = zero_to(5);
	HOLDS(v, 0, 1, 2, 3, 4);
	vec_add2(v, p, 2);
	CU_ASSERT_PTR_EQUAL(p, v + 5);
	p[0] = 5;
	p[1] = 6;
	vec_add(v, more, 3);
	HOLDS(v, 0, 1, 2, 3, 4, 5, 6, 10, 11, 12);
	CU_ASSERT_EQUAL(vec_pop(v), 12);
	CU_ASSERT_EQUAL(vec_pop2(v, x), 1);
	CU_ASSERT_EQUAL(x, 11);
	CU_ASSERT_EQUAL(vec_len(v), 8);
	CU_ASSERT_TRUE(vec_is_member(v, v + 7));
	CU_ASSERT_FALSE(vec_is_member(v, v + 8));
	CU_ASSERT_EQUAL(vec_elt(v, 7), 10);
	vec_elt(v, 7) = 9;
	CU_ASSERT_EQUAL(*vec_elt_at_index(v, 7), 9);
	vec_free(v);
	CU_ASSERT_PTR_NULL(v);
	heap_end();
}

/* The four loops, and a body that continues. */
static void
loops_visit_every_element(void)
{
	u32 *v, *p, sum = 0, expected = 9, **pointers = 0;
	i32 i;

	heap_begin(MiB(1));
	v = zero_to(10);
	vec_foreach (p, v) {
		if (*p % 2)
			continue;
		sum += *p;
	}
	CU_ASSERT_EQUAL(sum, 20);
	vec_foreach_backwards (p, v)
		CU_ASSERT_EQUAL(*p, expected--);
	vec_foreach_index (i, v)
		CU_ASSERT_EQUAL(v[i], (u32)i);
	expected = 9;
	vec_foreach_index_backwards(i, v) CU_ASSERT_EQUAL(v[i], expected--);
	vec_foreach (p, v)
		vec_add1(pointers, p);
	sum = 0;
	vec_foreach_pointer(e, pointers) sum += *e;
	CU_ASSERT_EQUAL(sum, 45);
	vec_free(pointers);
	vec_free(v);
	heap_end();
}

/* Opening, filling and closing gaps: order is kept, new elements are as promised. */
static void
insert_and_delete_in_the_middle(void)
{
	u32 *v, *w = 0, pair[2] = { 70, 71 };

	heap_begin(MiB(1));
	v = zero_to(4);
	CU_ASSERT_EQUAL(vec_insert(v, 2, 1), 0);
	HOLDS(v, 0, 0, 0, 1, 2, 3);
	CU_ASSERT_EQUAL(vec_insert_init_empty(v, 1, 6, 9), 0);
	HOLDS(v, 0, 0, 0, 1, 2, 3, 9);
	CU_ASSERT_EQUAL(vec_insert_elts(v, pair, 2, 3), 0);
	HOLDS(v, 0, 0, 0, 70, 71, 1, 2, 3, 9);
	CU_ASSERT_EQUAL(vec_delete(v, 3, 0), 0);
	HOLDS(v, 70, 71, 1, 2, 3, 9);
	vec_del1(v, 1);
	HOLDS(v, 70, 9, 1, 2, 3);
	vec_del1(v, 4);
	HOLDS(v, 70, 9, 1, 2);
	vec_add1(w, 5);
	vec_append(w, v);
	HOLDS(w, 5, 70, 9, 1, 2);
	vec_prepend(w, v);
	HOLDS(w, 70, 9, 1, 2, 5, 70, 9, 1, 2);
	vec_append(v, v);
	HOLDS(v, 70, 9, 1, 2, 70, 9, 1, 2);

	CU_ASSERT_EQUAL(vec_insert(v, 1, 9), -EINVAL);
	CU_ASSERT_EQUAL(vec_delete(v, 1, 8), -EINVAL);
	CU_ASSERT_EQUAL(vec_delete(v, ~0ULL, 1), -EINVAL);
	HOLDS(v, 70, 9, 1, 2, 70, 9, 1, 2);
	vec_free(v);
	vec_free(w);
	heap_end();
}

/* vec_resize adds; what it shows is zero when fresh and old after a reset, while validate and
 * insert zero what they add always. */
static void
fresh_memory_is_zero(void)
{
	u32 *v = 0;

	heap_begin(MiB(1));
	/* Leave something behind in the heap that a new vector might show. */
	vec_validate_init_empty(v, 999, 0xdeadbeef);
	vec_free(v);

	vec_resize(v, 4);
	HOLDS(v, 0, 0, 0, 0);
	vec_set(v, 5);
	vec_resize(v, 1);
	HOLDS(v, 5, 5, 5, 5, 0);
	vec_resize(v, 200);
	for (u32 i = 4; i < vec_len(v); i++)
		CU_ASSERT_EQUAL(v[i], 0);
	vec_set(v, 6);
	vec_reset_length(v);
	vec_resize(v, 2);
	HOLDS(v, 6, 6);
	vec_validate(v, 3);
	HOLDS(v, 6, 6, 0, 0);
	vec_validate(v, 1);
	CU_ASSERT_EQUAL(vec_len(v), 4);
	vec_insert(v, 1, 4);
	HOLDS(v, 6, 6, 0, 0, 0);
	vec_validate_init_empty(v, 6, 8);
	HOLDS(v, 6, 6, 0, 0, 0, 8, 8);
	vec_delete(v, 2, 5);
	vec_inc_len(v, 2);
	HOLDS(v, 6, 6, 0, 0, 0, 0, 0);
	vec_dec_len(v, 5);
	HOLDS(v, 6, 6);
	_vec_len(v) = 1;
	HOLDS(v, 6);
	vec_set_len(v, 2);
	vec_zero(v);
	HOLDS(v, 0, 0);
	vec_free(v);
	heap_end();
}

typedef struct {
	u64 a, b;
} user_header_t;

/* Alignment and user header are the vector's own from its first element on, and move with it. */
static void
header_and_alignment_survive_growth(void)
{
	static const uword aligns[] = { 8, 16, 64, 128, 4096, MiB(2) };

	heap_begin(MiB(64));
	for (uword a = 0; a < ARRAY_LEN(aligns); a++) {
		uword align = aligns[a];
		user_header_t *h;
		u32 *v = 0;

		vec_validate_ha(v, 0, sizeof(user_header_t), align);
		h = vec_header(v);
		CU_ASSERT_EQUAL(h->a, 0);
		h->a = 0x1111;
		h->b = 0x2222;
		v[0] = 42;
		for (u32 i = 0; i < 5000; i++)
			CU_ASSERT_EQUAL(vec_add1_ha(v, i, sizeof(user_header_t), align), 0);
		h = vec_header(v);
		CU_ASSERT_EQUAL((uword)v % align, 0);
		CU_ASSERT_EQUAL((uword)h % clib_min(align, (uword)16), 0);
		CU_ASSERT_EQUAL(h->a, 0x1111);
		CU_ASSERT_EQUAL(h->b, 0x2222);
		CU_ASSERT_EQUAL(v[0], 42);
		CU_ASSERT_EQUAL(v[5000], 4999);
		/* Old and new spelling name the same place, and lead back. */
		CU_ASSERT_PTR_EQUAL(vec_aligned_header(v, sizeof(user_header_t), align), h);
		CU_ASSERT_PTR_EQUAL(vec_aligned_header_end(h, sizeof(user_header_t), align), v);
		CU_ASSERT_EQUAL(vec_mem_size(v),
				vec_max_bytes(v) + ((u8 *)v - (u8 *)vec_header(v)));
		if (a % 2)
			vec_free_header(h);
		else
			vec_free(v);
	}
	heap_end();
}

/* The functions under the macros, as VPP's own containers call them. */
static void
the_functions_beneath(void)
{
	vec_attr_t attr = { .elt_sz = 4, .hdr_sz = sizeof(user_header_t), .align = 64 };
	user_header_t *h;
	u32 *v;

	heap_begin(MiB(1));
	attr.heap = test_heap;
	v = _vec_alloc_internal(10, &attr);
	CU_ASSERT_TRUE(vec_len(v) == 10 && (uword)v % 64 == 0 && v[9] == 0);
	h = vec_header(v);
	CU_ASSERT_EQUAL((uword)v - (uword)h, vec_aligned_header_bytes(sizeof(*h), 64));
	h->b = 7;
	for (u32 i = 0; i < 10; i++)
		v[i] = i;
	v = _vec_resize_internal(v, 5, &attr);
	CU_ASSERT_EQUAL(vec_len(v), 5);
	v = _vec_realloc(v, 1000, 4, sizeof(*h), 64, NULL);
	h = vec_header(v);
	CU_ASSERT_TRUE(vec_len(v) == 1000 && h->b == 7 && v[4] == 4);
	v = _vec_resize(v, 3000, 4 * 4000, sizeof(*h), 64);
	CU_ASSERT_TRUE(vec_len(v) == 4000 && v[4] == 4 && vec_max_len(v) >= 4000);
	vec_free(v);
	v = _vec_resize(v, 3, 3 * 4, 0, 0);
	CU_ASSERT_TRUE(vec_len(v) == 3 && v[2] == 0);
	v = vec_resize_allocate_memory(v, 2, 5 * 4, 0, 0, ~0);
	CU_ASSERT_EQUAL(vec_len(v), 5);
	CU_ASSERT_EQUAL((uword)v - (uword)vec_header(v, 0), vec_header_bytes(0));
	vec_free(v);
	heap_end();
}

/* The heap is remembered: growth and free go to it, whatever is current by then. */
static void
a_vector_stays_in_its_heap(void)
{
	void *other = mheap_alloc(0, MiB(1));
	u32 *v = 0;

	heap_begin(MiB(1));
	vec_add1_heap(v, 1, other);
	CU_ASSERT_PTR_EQUAL(vec_get_heap(v), other);
	for (u32 i = 0; i < 1000; i++)
		vec_add1(v, i);
	CU_ASSERT_TRUE(clib_mem_heap_is_heap_object(other, vec_header(v)));
	CU_ASSERT_EQUAL(mheap_elts(test_heap), 0);
	vec_free(v);
	v = vec_new_heap(u32, 10, other);
	CU_ASSERT_EQUAL(mheap_elts(other), 1);
	vec_free(v);
	CU_ASSERT_EQUAL(mheap_elts(other), 0);
	heap_end();
	mheap_free(other);
}

/* One call in its five spellings: each makes a vector with what the spelling asks for. */
#define EXPECT_MADE(call, n_header_bytes, align, expected_heap)                                    \
	do {                                                                                       \
		v = 0;                                                                             \
		CU_ASSERT_EQUAL(call, 0);                                                          \
		CU_ASSERT_PTR_NOT_NULL_FATAL(v);                                                   \
		CU_ASSERT_EQUAL((uword)v % (align), 0);                                            \
		CU_ASSERT_TRUE(vec_get_header_size(v) >= sizeof(vec_header_t) + (n_header_bytes)); \
		CU_ASSERT_PTR_EQUAL(vec_get_heap(v), (expected_heap));                             \
		vec_free(v);                                                                       \
	} while (0)

#define EACH_SUFFIX(name, ...)                                                                     \
	do {                                                                                       \
		EXPECT_MADE(name(v, __VA_ARGS__), 0, 16, test_heap);                               \
		EXPECT_MADE(name##_aligned(v, __VA_ARGS__, 256), 0, 256, test_heap);               \
		EXPECT_MADE(name##_ha(v, __VA_ARGS__, 24, 128), 24, 128, test_heap);               \
		EXPECT_MADE(name##_heap(v, __VA_ARGS__, other), 0, 16, other);                     \
		EXPECT_MADE(name##_hap(v, __VA_ARGS__, 40, 64, other), 40, 64, other);             \
	} while (0)

static void
every_suffix_makes_what_it_says(void)
{
	u32 *v, *w, *p, three[3] = { 1, 2, 3 };
	void *other = mheap_alloc(0, MiB(1));

	heap_begin(MiB(1));
	w = zero_to(3);
	EACH_SUFFIX(vec_resize, 3);
	EACH_SUFFIX(vec_alloc, 3);
	EACH_SUFFIX(vec_prealloc, 3);
	EACH_SUFFIX(vec_validate, 2);
	EACH_SUFFIX(vec_validate_init_empty, 2, 7);
	EACH_SUFFIX(vec_add1, 7);
	EACH_SUFFIX(vec_add2, p, 3);
	EACH_SUFFIX(vec_add, three, 3);
	EACH_SUFFIX(vec_insert, 3, 0);
	EACH_SUFFIX(vec_insert_init_empty, 3, 0, 7);
	EACH_SUFFIX(vec_insert_elts, three, 3, 0);
	EACH_SUFFIX(vec_append, w);
	EACH_SUFFIX(vec_prepend, w);
	CU_ASSERT_PTR_NOT_NULL(p);
	EXPECT_MADE((v = vec_dup_hap(w, 24, 128, other), 0), 24, 128, other);
	EXPECT_MADE((v = vec_dup_ha(w, 24, 128), 0), 24, 128, test_heap);
	EXPECT_MADE((v = vec_dup_heap(w, other), 0), 0, 16, other);
	EXPECT_MADE((v = vec_new_hap(u32, 3, 24, 128, other), 0), 24, 128, other);
	EXPECT_MADE((v = vec_new_ha(u32, 3, 24, 128), 0), 24, 128, test_heap);
	EXPECT_MADE((v = vec_new_generic(u32, 3, 24, 128, 0), 0), 24, 128, test_heap);
	EXPECT_MADE((v = vec_new_aligned(u32, 0, 64), 0), 0, 64, test_heap);
	EXPECT_MADE(vec_clone_aligned(v, w, 256), 0, 256, test_heap);
	CU_ASSERT_EQUAL(mheap_elts(other), 0);
	vec_free(w);
	heap_end();
	mheap_free(other);
}

static uword
n_object_bytes(const void *v)
{
	return clib_mem_size((u8 *)v - vec_get_header_size(v));
}

/* Growth is geometric: a million appends move the vector a few dozen times at most, each time to
 * half as much again; and of a large object more becomes usable in steps that are not small. */
static void
growth_is_geometric(void)
{
	u32 *v = 0, n_grown = 0, n_raised = 0;
	uword capacity = 0, n_bytes = 0;

	heap_begin(MiB(64));
	for (u32 i = 0; i < 1000000; i++) {
		vec_add1(v, i);
		if (n_object_bytes(v) != n_bytes) {
			CU_ASSERT_TRUE(n_object_bytes(v) + 32 >= n_bytes + n_bytes / 2);
			n_bytes = n_object_bytes(v);
			n_grown++;
		}
		if (vec_max_len(v) != capacity) {
			CU_ASSERT_TRUE(vec_max_bytes(v) >= KiB(16) + capacity * sizeof(v[0]) ||
				       vec_max_bytes(v) + vec_get_header_size(v) == n_bytes);
			capacity = vec_max_len(v);
			n_raised++;
		}
	}
	CU_ASSERT_TRUE(n_grown < 50);
	CU_ASSERT_TRUE(n_raised < 100);
	CU_ASSERT_TRUE(vec_resize_will_expand(v, capacity - 1000000 + 1));
	CU_ASSERT_FALSE(vec_resize_will_expand(v, capacity - 1000000));
	vec_free(v);
	heap_end();
}

/* Room is zero when it becomes usable, whatever was in that memory, and what was reserved is usable
 * at once. */
static void
room_is_zero_as_it_comes(void)
{
	u8 *v = 0, *dirty;
	uword n_usable = 0, n_wrong = 0;

	heap_begin(MiB(16));
	dirty = clib_mem_alloc(MiB(8));
	memset(dirty, 0x5a, MiB(8));
	clib_mem_free(dirty);
	while (vec_len(v) < MiB(2)) {
		if (vec_max_len(v) != n_usable) {
			for (uword i = vec_len(v); i < vec_max_len(v); i++)
				n_wrong += v[i] != 0;
			n_usable = vec_max_len(v);
		}
		vec_add1(v, 0xa5);
	}
	for (uword i = 0; i < vec_len(v); i++)
		n_wrong += v[i] != 0xa5;
	CU_ASSERT_EQUAL(n_wrong, 0);
	/* Not all of it was touched. */
	CU_ASSERT_TRUE(vec_max_bytes(v) < n_object_bytes(v) - vec_get_header_size(v));
	vec_free(v);
	vec_alloc(v, MiB(1));
	CU_ASSERT_TRUE(vec_max_len(v) >= MiB(1));
	CU_ASSERT_EQUAL(vec_len(v), 0);
	for (uword i = 0; i < vec_max_len(v); i++)
		n_wrong += v[i] != 0;
	CU_ASSERT_EQUAL(n_wrong, 0);
	vec_free(v);
	heap_end();
}

/* Copies: dup has the elements, clone the length, copy the bytes. */
static void
dup_clone_and_copy(void)
{
	u32 *v, *w, *c;

	heap_begin(MiB(1));
	v = zero_to(6);
	w = vec_dup(v);
	CU_ASSERT_TRUE(vec_is_equal(v, w));
	CU_ASSERT_PTR_NOT_EQUAL(v, w);
	vec_clone(c, v);
	HOLDS(c, 0, 0, 0, 0, 0, 0);
	vec_copy(c, v);
	CU_ASSERT_TRUE(vec_is_equal(v, c));
	w[5] = 9;
	CU_ASSERT_EQUAL(vec_cmp(v, w), -1);
	CU_ASSERT_EQUAL(vec_cmp(w, v), 1);
	CU_ASSERT_FALSE(vec_is_equal(v, w));
	vec_set_len(w, 5);
	CU_ASSERT_EQUAL(vec_cmp(v, w), 1);
	vec_zero_elts(v, 1, 2);
	HOLDS(v, 0, 0, 0, 3, 4, 5);
	vec_free(v);
	vec_free(w);
	vec_free(c);
	v = vec_dup_aligned(w, 64);
	CU_ASSERT_PTR_NULL(v);
	heap_end();
}

static int
by_value_descending(const void *a, const void *b)
{
	u32 x = *(const u32 *)a, y = *(const u32 *)b;

	return x < y ? 1 : x > y ? -1 : 0;
}

static uword
is_multiple(u32 *e, u32 n)
{
	return *e && *e % n == 0;
}

static void
search_and_sort(void)
{
	u32 *v;

	heap_begin(MiB(1));
	v = zero_to(6);
	CU_ASSERT_EQUAL(vec_search(v, 4), 4);
	CU_ASSERT_EQUAL(vec_search(v, 6), ~0);
	CU_ASSERT_EQUAL((u32)vec_search(v, 6), ~0u);
	CU_ASSERT_EQUAL(vec_search_with_function(v, 3, is_multiple), 3);
	CU_ASSERT_EQUAL(vec_search_with_function(v, 7, is_multiple), ~0);
	vec_sort_with_function(v, by_value_descending);
	HOLDS(v, 5, 4, 3, 2, 1, 0);
	vec_free(v);
	heap_end();
}

/* A C string in a vector: the NUL counts, and is there once. */
static void
c_strings_end_with_nul(void)
{
	u8 *s = 0;

	heap_begin(MiB(1));
	CU_ASSERT_FALSE(vec_c_string_is_terminated(s));
	CU_ASSERT_EQUAL(vec_validate_init_c_string(s, "arena", 5), 0);
	CU_ASSERT_EQUAL(vec_len(s), 6);
	CU_ASSERT_STRING_EQUAL(s, "arena");
	vec_terminate_c_string(s);
	CU_ASSERT_EQUAL(vec_len(s), 6);
	vec_dec_len(s, 1);
	CU_ASSERT_FALSE(vec_c_string_is_terminated(s));
	vec_terminate_c_string(s);
	CU_ASSERT_EQUAL(vec_len(s), 6);
	vec_validate_init_c_string(s, "ab", 2);
	CU_ASSERT_EQUAL(vec_len(s), 3);
	CU_ASSERT_STRING_EQUAL(s, "ab");
	vec_free(s);
	heap_end();
}

/* A pointer that is no vector is reported and left alone, and so is a vector freed twice. */
static void
strangers_are_refused(void)
{
	static struct {
		vec_header_t header;
		u32 elts[8];
	} stranger;
	u64 n_bad = vec_n_bad_pointers();
	u32 *v = stranger.elts, *again;

	heap_begin(MiB(1));
	vec_free(v);
	CU_ASSERT_PTR_NULL(v);
	CU_ASSERT_EQUAL(vec_n_bad_pointers(), n_bad + 1);
	v = stranger.elts;
	CU_ASSERT_EQUAL(vec_add1(v, 1), -ENOMEM);
	CU_ASSERT_PTR_EQUAL(v, stranger.elts);
	CU_ASSERT_EQUAL(vec_n_bad_pointers(), n_bad + 2);
	v = 0;
	vec_add1(v, 1);
	again = v;
	vec_free(v);
	vec_free(again);
	CU_ASSERT_EQUAL(vec_n_bad_pointers(), n_bad + 3);
	v = (u32 *)((u8 *)stranger.elts + 1);
	vec_free(v);
	CU_ASSERT_EQUAL(vec_n_bad_pointers(), n_bad + 4);
	heap_end();
}

/* Sizes that overflow are refused as exhaustion is: nothing taken, the vector whole. */
static void
absurd_sizes_are_refused(void)
{
	/* Volatile: the compiler would see through the sizes and warn. */
	volatile u64 huge = 1ULL << 61;
	u32 *v, *p = (u32 *)8;

	heap_begin(MiB(1));
	v = zero_to(3);
	CU_ASSERT_EQUAL(vec_resize(v, ~0ULL), -ENOMEM);
	CU_ASSERT_EQUAL(vec_resize(v, 2 * huge), -ENOMEM);
	CU_ASSERT_EQUAL(vec_alloc(v, ~0ULL - 2), -ENOMEM);
	CU_ASSERT_EQUAL(vec_validate(v, huge), -ENOMEM);
	CU_ASSERT_EQUAL(vec_insert(v, huge, 1), -ENOMEM);
	CU_ASSERT_EQUAL(vec_add2(v, p, 1ULL << 40), -ENOMEM);
	CU_ASSERT_PTR_NULL(p);
	HOLDS(v, 0, 1, 2);
	CU_ASSERT_PTR_NULL(vec_new(u32, 2 * huge));
	CU_ASSERT_PTR_NULL(vec_new_ha(u32, 1, MiB(1), 0));
	vec_free(v);
	heap_end();
}

/* Append until the heap is full: the value says so, the vector is whole, and everything that the
 * heap could give was used before giving up. */
static void
exhaustion_leaves_the_vector_whole(void)
{
	u32 *v = 0, n = 0;

	heap_begin(KiB(256));
	while (vec_add1(v, n) == 0)
		n++;
	CU_ASSERT_EQUAL(vec_len(v), n);
	for (u32 i = 0; i < n; i++)
		CU_ASSERT_EQUAL_FATAL(v[i], i);
	/* It lies alone in the heap, so it can have grown to nearly all of it. */
	CU_ASSERT_TRUE(vec_bytes(v) > mheap_max_size(test_heap) / 2);
	CU_ASSERT_EQUAL(vec_insert(v, 1, 0), -ENOMEM);
	CU_ASSERT_EQUAL(vec_add1(v, 0), -ENOMEM);
	CU_ASSERT_EQUAL(v[n - 1], n - 1);
	vec_free(v);
	heap_end();
}

/* Takes all that the heap has left, in pieces; returns how many. */
static uword
take_the_rest(void **pieces, uword n_max)
{
	uword n = 0;

	for (uword size = KiB(64); size >= 16; size /= 2)
		while (n < n_max && (pieces[n] = clib_mem_alloc_or_null(size)))
			n++;
	return n;
}

/* Each operation, its allocation failing: -ENOMEM, and the vector equals its copy from before;
 * or it needed none, and succeeds. */
static void
every_operation_survives_a_failing_heap(void)
{
	static const u32 three[3] = { 1, 2, 3 };
	static void *pieces[1000];
	int n_failed = 0;

	heap_begin(KiB(128));
	for (u32 op = 0; op < 14; op++) {
		for (u32 n = 0; n < 40; n++) {
			u32 *v = zero_to(n), *copy = vec_dup(v), *p;
			uword n_pieces, room = vec_max_len(v) - vec_len(v);
			int error = 0;

			/* Full, and nowhere to grow in place. */
			vec_resize(v, room);
			vec_resize(copy, room);
			n_pieces = take_the_rest(pieces, ARRAY_LEN(pieces));
			/* clang-format off */
			switch (op) {
			case 0: error = vec_add1(v, 1); break;
			case 1: error = vec_add2(v, p, 3); CU_ASSERT_EQUAL(error != 0, p == NULL); break;
			case 2: error = vec_add(v, three, 3); break;
			case 3: error = vec_resize(v, 100); break;
			case 4: error = vec_validate(v, vec_len(v) + 50); break;
			case 5: error = vec_validate_init_empty(v, vec_len(v) + 50, 7); break;
			case 6: error = vec_insert(v, 30, n / 2); break;
			case 7: error = vec_insert_init_empty(v, 30, n / 2, 9); break;
			case 8: error = vec_insert_elts(v, three, 3, n / 2); break;
			case 9: error = vec_append(v, copy); break;
			case 10: error = vec_prepend(v, copy); break;
			case 11: error = vec_alloc(v, 100); break;
			case 12: error = vec_append_aligned(v, copy, 64); break;
			case 13: error = vec_resize_ha(v, 60, 8, 64); break;
			}
			/* clang-format on */
			CU_ASSERT_TRUE(error == 0 || error == -ENOMEM);
			if (error) {
				n_failed++;
				CU_ASSERT_TRUE(vec_is_equal(v, copy));
			} else {
				CU_ASSERT_TRUE(op == 11 || n == 0 || vec_len(v) > vec_len(copy));
			}
			vec_free(v);
			vec_free(copy);
			while (n_pieces > 0)
				clib_mem_free(pieces[--n_pieces]);
		}
	}
	/* The heap did refuse, all but where nothing was asked: appending an empty vector. */
	CU_ASSERT_EQUAL(n_failed, 14 * 40 - 3);
	heap_end();
}

/* Appending one's own elements works although they move on the way. */
static void
elements_of_the_vector_itself_can_be_added(void)
{
	u32 *v;

	heap_begin(MiB(1));
	v = zero_to(3);
	for (int i = 0; i < 8; i++)
		vec_add(v, v, vec_len(v));
	CU_ASSERT_EQUAL(vec_len(v), 3 << 8);
	for (u32 i = 0; i < vec_len(v); i++)
		CU_ASSERT_EQUAL(v[i], i % 3);
	vec_free(v);
	heap_end();
}

/* ---- random operations beside a plain array ---- */

#define MODEL_MAX 600

typedef struct {
	u64 key;
	u32 tail;
} __clib_packed odd_t; /* 12 bytes: a size that is no power of two */

/* The model's own insert and delete. */
static void
model_open(odd_t *m, u64 *n, u64 at, u64 n_new, const odd_t *from)
{
	memmove(m + at + n_new, m + at, (*n - at) * sizeof(*m));
	for (u64 i = 0; i < n_new; i++)
		m[at + i] = from ? from[i] : (odd_t){ 0 };
	*n += n_new;
}

static void
model_close(odd_t *m, u64 *n, u64 at, u64 n_old)
{
	memmove(m + at, m + at + n_old, (*n - at - n_old) * sizeof(*m));
	*n -= n_old;
}

static void
random_operations_match_an_array(void)
{
	static odd_t model[2 * MODEL_MAX + 64], some[64];
	u64 seed = unit_seed(), n_ops = unit_n_ops(3000000), n = 0, n_refused = 0;
	odd_t *v = 0;

	heap_begin(MiB(16));
	for (u64 op = 0; op < n_ops; op++) {
		u64 k = unit_random_below(&seed, 16), r = unit_random_below(&seed, 12);
		u64 at = unit_random_below(&seed, n + 1);
		odd_t x = { .key = unit_random(&seed), .tail = (u32)op }, *p;
		int error = 0;

		for (u64 i = 0; i < r; i++)
			some[i] = (odd_t){ .key = x.key + i, .tail = ~x.tail };
		/* Now and then the heap has nothing: the operation must then not have happened. */
		if (unit_random_below(&seed, 50) == 0)
			mheap_fail_get_after(1);
		if (n > MODEL_MAX)
			k = 12;
		switch (k) {
		case 0:
		case 1:
		case 2:
		case 3:
			error = vec_add1_aligned(v, x, 64);
			if (!error)
				model[n++] = x;
			break;
		case 4:
			error = vec_add2_aligned(v, p, r, 64);
			if (!error) {
				for (u64 i = 0; i < r; i++)
					model[n++] = p[i] = some[i];
			}
			break;
		case 5:
			error = vec_add_aligned(v, some, r, 64);
			if (!error)
				model_open(model, &n, n, r, some);
			break;
		case 6:
			error = vec_insert_aligned(v, r, at, 64);
			if (!error)
				model_open(model, &n, at, r, NULL);
			break;
		case 7:
			error = vec_insert_elts_aligned(v, some, r, at, 64);
			if (!error)
				model_open(model, &n, at, r, some);
			break;
		case 8:
			error = vec_validate_aligned(v, n + r, 64);
			if (!error)
				model_open(model, &n, n, r + 1, NULL);
			break;
		case 9:
		case 10:
			if (n) {
				x = vec_pop(v);
				CU_ASSERT_FALSE(memcmp(&x, &model[--n], sizeof(x)));
			}
			break;
		case 11:
			if (at < n) {
				vec_del1(v, at);
				model[at] = model[--n];
			}
			break;
		case 12:
			r = clib_min(n > MODEL_MAX ? n / 2 : r, n - at);
			CU_ASSERT_EQUAL(vec_delete(v, r, at), 0);
			model_close(model, &n, at, r);
			break;
		case 13:
			error = vec_validate_init_empty_aligned(v, n + 1, x, 64);
			if (!error)
				model[n] = model[n + 1] = x, n += 2;
			break;
		case 14:
			p = vec_dup_aligned(v, 64);
			if (p || n == 0) {
				vec_free(v);
				v = p;
			}
			break;
		default:
			if (at < n) {
				v[at] = x;
				model[at] = x;
			}
			if (unit_random_below(&seed, 2000) == 0) {
				vec_free(v);
				n = 0;
			}
			break;
		}
		mheap_fail_get_after(0);
		CU_ASSERT_TRUE(error == 0 || error == -ENOMEM);
		n_refused += error != 0;
		CU_ASSERT_EQUAL_FATAL(vec_len64(v), n);
		CU_ASSERT_EQUAL((uword)v % 64, 0);
		if (op % 1000 == 0 && n) {
			CU_ASSERT_FALSE_FATAL(memcmp(v, model, n * sizeof(*v)));
			CU_ASSERT_EQUAL_FATAL(mheap_check(test_heap, NULL, 0), 0);
		}
	}
	CU_ASSERT_TRUE(n_refused > 0);
	vec_free(v);
	heap_end();
}

static const unit_test_t tests[] = {
	UNIT(null_is_an_empty_vector),
	UNIT(add_and_pop_are_a_stack),
	UNIT(loops_visit_every_element),
	UNIT(insert_and_delete_in_the_middle),
	UNIT(fresh_memory_is_zero),
	UNIT(header_and_alignment_survive_growth),
	UNIT(the_functions_beneath),
	UNIT(a_vector_stays_in_its_heap),
	UNIT(every_suffix_makes_what_it_says),
	UNIT(growth_is_geometric),
	UNIT(room_is_zero_as_it_comes),
	UNIT(dup_clone_and_copy),
	UNIT(search_and_sort),
	UNIT(c_strings_end_with_nul),
	UNIT(strangers_are_refused),
	UNIT(absurd_sizes_are_refused),
	UNIT(exhaustion_leaves_the_vector_whole),
	UNIT(every_operation_survives_a_failing_heap),
	UNIT(elements_of_the_vector_itself_can_be_added),
	UNIT(random_operations_match_an_array),
};

int
main(void)
{
	return unit_run("vec", tests, ARRAY_LEN(tests));
}
