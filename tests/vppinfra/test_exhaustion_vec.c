/* SPDX-License-Identifier: Apache-2.0 */
/* Every macro of vec, pool, bitmap and fifo that may need memory, in every spelling, while memory
 * is refused: the k-th request once, and every request.  The container is then what it was. */
#include <vppinfra/bitmap.h>
#include <vppinfra/fifo.h>
#include <vppinfra/mem.h>
#include <vppinfra/pool.h>
#include <vppinfra/vec.h>
#include "unit.h"

#define HDR_BYTES 24
#define ALIGN 64

/* A heap laid out so that nothing can grow where it lies:
 *   | hole (in use) | guard | the containers under test | pieces, all that was left |
 * Freeing the hole gives moves a place to go to. */
static struct {
	void *heap, *before, *hole, *guard;
	void *pieces[4000];
	uword n_pieces;
} h;

static void
heap_begin(void)
{
	h.heap = mheap_alloc(0, KiB(256));
	CU_ASSERT_PTR_NOT_NULL_FATAL(h.heap);
	h.before = clib_mem_set_heap(h.heap);
	h.hole = clib_mem_alloc(KiB(64));
	h.guard = clib_mem_alloc(16);
}

/* Nothing is left; with a hole, 64 KiB in one piece. */
static void
heap_fill(int with_hole)
{
	h.n_pieces = 0;
	for (uword size = KiB(64); size >= 16; size /= 2)
		while (h.n_pieces < ARRAY_LEN(h.pieces) &&
		       (h.pieces[h.n_pieces] = clib_mem_heap_alloc_or_null(h.heap, size)))
			h.n_pieces++;
	if (with_hole) {
		clib_mem_heap_free(h.heap, h.hole);
		h.hole = NULL;
	}
}

static void
heap_unfill(void)
{
	while (h.n_pieces > 0)
		clib_mem_heap_free(h.heap, h.pieces[--h.n_pieces]);
}

static void
heap_end(void)
{
	if (h.hole)
		clib_mem_free(h.hole);
	h.hole = NULL;
	clib_mem_free(h.guard);
	CU_ASSERT_EQUAL(mheap_elts(h.heap), 0);
	CU_ASSERT_EQUAL(mheap_check(h.heap, NULL, 0), 0);
	clib_mem_set_heap(h.before);
	mheap_free(h.heap);
}

/* Refusals: FOR_EVER, or the k-th request alone. */
#define FOR_EVER 0
#define MAX_KTH 4

static void
refuse(uword kth)
{
	heap_fill(kth != FOR_EVER);
	if (kth != FOR_EVER)
		mheap_fail_get_after(kth);
}

static void
grant(void)
{
	mheap_fail_get_after(0);
	heap_unfill();
}

/* ---- what a vector was ---- */

typedef struct {
	const void *v;
	uword len, max_bytes, n_bytes;
	u8 *bytes;
} snapshot_t;

static snapshot_t
snapshot(const void *v, uword elt_bytes)
{
	snapshot_t s = { .v = v,
			 .len = vec_len64(v),
			 .max_bytes = vec_max_bytes(v),
			 .n_bytes = vec_len64(v) * elt_bytes };

	s.bytes = malloc(s.n_bytes + 1);
	if (s.n_bytes)
		memcpy(s.bytes, v, s.n_bytes);
	return s;
}

/* Where it was, as long as it was, with the room it had. */
static int
is_as_it_was(const void *v, const snapshot_t *s)
{
	return v == s->v && vec_len64(v) == s->len && vec_max_bytes(v) == s->max_bytes &&
	       (s->n_bytes == 0 || !memcmp(v, s->bytes, s->n_bytes));
}

/* ---- vec ---- */

static const u32 some[100] = { 1, 2, 3 };
static u32 *other, *ptr;

enum { PLAIN, ALIGNED, HA, HEAP, HAP, N_SPELLINGS };

typedef struct {
	const char *name;
	int (*fn[N_SPELLINGS])(u32 **v);
} vec_op_t;

/* The five spellings of an operation on a vector, as functions. */
#define VEC_OP(op, ...)                                                                            \
	static int op##_plain(u32 **v)                                                             \
	{                                                                                          \
		return vec_##op(*v, __VA_ARGS__);                                                  \
	}                                                                                          \
	static int op##_aligned(u32 **v)                                                           \
	{                                                                                          \
		return vec_##op##_aligned(*v, __VA_ARGS__, ALIGN);                                 \
	}                                                                                          \
	static int op##_ha(u32 **v)                                                                \
	{                                                                                          \
		return vec_##op##_ha(*v, __VA_ARGS__, HDR_BYTES, ALIGN);                           \
	}                                                                                          \
	static int op##_heap(u32 **v)                                                              \
	{                                                                                          \
		return vec_##op##_heap(*v, __VA_ARGS__, h.heap);                                   \
	}                                                                                          \
	static int op##_hap(u32 **v)                                                               \
	{                                                                                          \
		return vec_##op##_hap(*v, __VA_ARGS__, HDR_BYTES, ALIGN, h.heap);                  \
	}
#define NAME(op)                                                                                   \
	{                                                                                          \
#		op,                                                                               \
		{                                                                                  \
			op##_plain, op##_aligned, op##_ha, op##_heap, op##_hap                     \
		}                                                                                  \
	}

VEC_OP(alloc, 100)
VEC_OP(prealloc, 100)
VEC_OP(resize, 100)
VEC_OP(validate, vec_len(*v) + 99)
VEC_OP(validate_init_empty, vec_len(*v) + 99, 7)
VEC_OP(add1, 7)
VEC_OP(add2, ptr, 100)
VEC_OP(add, some, 100)
VEC_OP(append, other)
VEC_OP(prepend, other)
VEC_OP(insert, 100, vec_len(*v) / 2)
VEC_OP(insert_init_empty, 100, vec_len(*v) / 2, 7)
VEC_OP(insert_elts, some, 100, vec_len(*v) / 2)

static const vec_op_t vec_ops[] = {
	NAME(alloc),
	NAME(prealloc),
	NAME(resize),
	NAME(validate),
	NAME(validate_init_empty),
	NAME(add1),
	NAME(add2),
	NAME(add),
	NAME(append),
	NAME(prepend),
	NAME(insert),
	NAME(insert_init_empty),
	NAME(insert_elts),
};

/* A full vector of n elements, made in a spelling. */
static u32 *
vec_of(uword n, u32 spelling)
{
	u32 *v = 0;

	if (!n)
		return 0;
	switch (spelling) {
	case PLAIN:
		vec_validate(v, n - 1);
		break;
	case ALIGNED:
		vec_validate_aligned(v, n - 1, ALIGN);
		break;
	case HA:
		vec_validate_ha(v, n - 1, HDR_BYTES, ALIGN);
		break;
	case HEAP:
		vec_validate_heap(v, n - 1, h.heap);
		break;
	case HAP:
		vec_validate_hap(v, n - 1, HDR_BYTES, ALIGN, h.heap);
		break;
	}
	vec_resize(v, vec_max_len(v) - vec_len(v));
	for (uword i = 0; i < vec_len(v); i++)
		v[i] = (u32)(i * 17 + n);
	if (spelling == HA || spelling == HAP)
		memset(vec_header(v), 0xab, HDR_BYTES);
	return v;
}

static int
header_is_whole(u32 *v, u32 spelling)
{
	const u8 *p = vec_header(v);

	for (uword i = 0; v && (spelling == HA || spelling == HAP) && i < HDR_BYTES; i++)
		if (p[i] != 0xab)
			return 0;
	return 1;
}

static int
try_vec_op(const vec_op_t *op, u32 spelling, uword n, uword kth)
{
	u32 *v = vec_of(n, spelling);
	snapshot_t s = snapshot(v, sizeof(v[0]));
	void *elsewhere = NULL;
	int error;

	ptr = (u32 *)8;
	/* A named heap is asked whatever is current. */
	if (spelling == HEAP || spelling == HAP)
		elsewhere = mheap_alloc(0, KiB(64));
	refuse(kth);
	if (elsewhere)
		clib_mem_set_heap(elsewhere);
	error = op->fn[spelling](&v);
	if (elsewhere) {
		clib_mem_set_heap(h.heap);
		CU_ASSERT_EQUAL(mheap_elts(elsewhere), 0);
		mheap_free(elsewhere);
	}
	grant();

	CU_ASSERT_TRUE(error == 0 || error == -ENOMEM);
	if (error)
		CU_ASSERT_TRUE(is_as_it_was(v, &s));
	if (!error)
		CU_ASSERT_TRUE(vec_max_len(v) >= s.len + 1);
	/* Insertions at 0 and in the middle leave element 0 or move it by 100. */
	if (!error && n)
		CU_ASSERT_TRUE(v[0] == (u32)n || v[vec_len(v) - s.len] == (u32)n);
	CU_ASSERT_TRUE((!error && !n) || header_is_whole(v, spelling));
	if (op->fn[PLAIN] == add2_plain)
		CU_ASSERT_EQUAL(error != 0, ptr == NULL);
	if (kth == FOR_EVER)
		CU_ASSERT_EQUAL(error, -ENOMEM);
	free(s.bytes);
	vec_free(v);
	return error;
}

/* Every grower, in five spellings, on vectors of several lengths. */
static void
vectors_stay_whole(void)
{
	static const uword lengths[] = { 0, 1, 3, 50, 1000 };
	u32 n_refused = 0;

	heap_begin();
	for (u32 o = 0; o < ARRAY_LEN(vec_ops); o++)
		for (u32 spelling = 0; spelling < N_SPELLINGS; spelling++)
			for (u32 l = 0; l < ARRAY_LEN(lengths); l++)
				for (uword kth = FOR_EVER; kth <= MAX_KTH; kth++) {
					int error;

					vec_validate(other, 99);
					error = try_vec_op(&vec_ops[o], spelling, lengths[l], kth);
					n_refused += error != 0;
					vec_free(other);
					/* A hole that was used is made again. */
					if (!h.hole)
						h.hole = clib_mem_alloc(KiB(64));
				}
	/* Each at least for ever, and the first request of a new vector. */
	CU_ASSERT_TRUE(n_refused >= ARRAY_LEN(vec_ops) * N_SPELLINGS * (ARRAY_LEN(lengths) + 1));
	heap_end();
}

/* What makes a vector yields NULL, in each spelling; what copies one leaves it. */
static void
makers_yield_null(void)
{
	vec_attr_t attr = { .heap = NULL, .elt_sz = 4, .hdr_sz = HDR_BYTES, .align = ALIGN };
	u32 *v, *w;
	u8 *text = 0;
	snapshot_t s, t;

	heap_begin();
	v = vec_of(50, HA);
	s = snapshot(v, sizeof(v[0]));
	vec_add(text, "abc", 3);
	vec_resize(text, vec_max_len(text) - vec_len(text));
	memset(text, 'x', vec_len(text));
	t = snapshot(text, 1);
	refuse(FOR_EVER);

	CU_ASSERT_PTR_NULL(vec_new(u32, 10));
	CU_ASSERT_PTR_NULL(vec_new_aligned(u32, 10, ALIGN));
	CU_ASSERT_PTR_NULL(vec_new_ha(u32, 10, HDR_BYTES, ALIGN));
	CU_ASSERT_PTR_NULL(vec_new_heap(u32, 10, h.heap));
	CU_ASSERT_PTR_NULL(vec_new_hap(u32, 10, HDR_BYTES, ALIGN, h.heap));
	CU_ASSERT_PTR_NULL(vec_new_generic(u32, 10, HDR_BYTES, ALIGN, h.heap));
	CU_ASSERT_PTR_NULL(_vec_alloc_internal(10, &attr));
	CU_ASSERT_PTR_NULL(vec_dup(v));
	CU_ASSERT_PTR_NULL(vec_dup_aligned(v, ALIGN));
	CU_ASSERT_PTR_NULL(vec_dup_ha(v, HDR_BYTES, ALIGN));
	CU_ASSERT_PTR_NULL(vec_dup_heap(v, h.heap));
	CU_ASSERT_PTR_NULL(vec_dup_hap(v, HDR_BYTES, ALIGN, h.heap));
	CU_ASSERT_TRUE(vec_clone(w, v) == -ENOMEM && w == 0);
	CU_ASSERT_TRUE(vec_clone_aligned(w, v, ALIGN) == -ENOMEM && w == 0);
	CU_ASSERT_TRUE(vec_clone_ha(w, v, HDR_BYTES, ALIGN) == -ENOMEM && w == 0);
	CU_ASSERT_TRUE(vec_clone_heap(w, v, h.heap) == -ENOMEM && w == 0);
	CU_ASSERT_TRUE(vec_clone_hap(w, v, HDR_BYTES, ALIGN, h.heap) == -ENOMEM && w == 0);
	CU_ASSERT_PTR_NULL(_vec_resize_internal(v, 100000, &attr));
	CU_ASSERT_PTR_NULL(_vec_realloc(v, 100000, sizeof(v[0]), HDR_BYTES, ALIGN, NULL));
	CU_ASSERT_PTR_EQUAL(_vec_resize(v, 100, vec_bytes(v) + 400, HDR_BYTES, ALIGN), v);
	CU_ASSERT_PTR_EQUAL(
		vec_resize_allocate_memory(v, 100, vec_bytes(v) + 400, HDR_BYTES, ALIGN), v);
	CU_ASSERT_TRUE(is_as_it_was(v, &s));
	CU_ASSERT_EQUAL(vec_validate_init_c_string(text, some, 300), -ENOMEM);
	CU_ASSERT_EQUAL(vec_terminate_c_string(text), -ENOMEM);
	CU_ASSERT_TRUE(is_as_it_was(text, &t));

	grant();
	free(s.bytes);
	free(t.bytes);
	vec_free(text);
	vec_free(v);
	heap_end();
}

/* ---- pool ---- */

typedef struct {
	u64 id;
	u8 pad[24];
} thing_t;

typedef struct {
	const char *name;
	int (*fn)(thing_t **pool, thing_t **e);
	/* Asks for a new element even where indices are free. */
	int is_for_more;
} pool_op_t;

#define POOL_OP(op, ...)                                                                           \
	static int pool_op_##op(thing_t **p, thing_t **e)                                          \
	{                                                                                          \
		return pool_##op(*p, __VA_ARGS__);                                                 \
	}
#define POOL_NAME(op, is_for_more)                                                                 \
	{                                                                                          \
#		op, pool_op_##op, is_for_more                                                     \
	}

POOL_OP(get, *e)
POOL_OP(get_zero, *e)
POOL_OP(get_aligned, *e, ALIGN)
POOL_OP(get_aligned_zero, *e, ALIGN)
POOL_OP(get_heap, *e, h.heap)
POOL_OP(get_zero_heap, *e, h.heap)
POOL_OP(get_aligned_heap, *e, ALIGN, h.heap)
POOL_OP(get_aligned_zero_heap, *e, ALIGN, h.heap)
POOL_OP(alloc, 100)
POOL_OP(alloc_aligned, 100, ALIGN)
POOL_OP(alloc_heap, 100, h.heap)
POOL_OP(alloc_aligned_heap, 100, ALIGN, h.heap)
POOL_OP(validate_index, pool_len(*p) + 100)

static const pool_op_t pool_ops[] = {
	POOL_NAME(get, 0),
	POOL_NAME(get_zero, 0),
	POOL_NAME(get_aligned, 0),
	POOL_NAME(get_aligned_zero, 0),
	POOL_NAME(get_heap, 0),
	POOL_NAME(get_zero_heap, 0),
	POOL_NAME(get_aligned_heap, 0),
	POOL_NAME(get_aligned_zero_heap, 0),
	POOL_NAME(alloc, 1),
	POOL_NAME(alloc_aligned, 1),
	POOL_NAME(alloc_heap, 1),
	POOL_NAME(alloc_aligned_heap, 1),
	POOL_NAME(validate_index, 1),
};

/* A pool without room for another element, n_free of those it has being free. */
static thing_t *
full_pool(uword n, uword n_free)
{
	thing_t *pool = 0, *e;

	while (n > 0 && (pool_len(pool) < n || !pool_get_will_expand(pool))) {
		pool_get_aligned(pool, e, ALIGN);
		e->id = (u64)(e - pool) * 3;
	}
	for (uword i = 0; i < n_free; i++)
		pool_put_index(pool, i * 2);
	return pool;
}

static int
try_pool_op(const pool_op_t *op, uword n, uword n_free, uword kth)
{
	thing_t *pool = full_pool(n, n_free), *e = (thing_t *)8;
	uword n_elts = pool_elts(pool), n_known = pool_len(pool);
	snapshot_t s = snapshot(pool, sizeof(pool[0]));
	int error;

	refuse(kth);
	error = op->fn(&pool, &e);
	/* Giving back needs no memory. */
	for (uword i = 0; i < n_known; i++)
		if (!pool_is_free_index(pool, i) && (error || pool + i != e)) {
			CU_ASSERT_EQUAL(pool[i].id, i * 3);
			CU_ASSERT_EQUAL(pool_put_index(pool, i), 0);
			n_elts--;
		}
	CU_ASSERT_EQUAL(n_elts, 0);
	grant();

	CU_ASSERT_TRUE(error == 0 || error == -ENOMEM);
	CU_ASSERT_EQUAL(pool_check(pool), 0);
	if (error) {
		CU_ASSERT_TRUE(is_as_it_was(pool, &s));
		CU_ASSERT_EQUAL(pool_elts(pool), 0);
		CU_ASSERT_TRUE(op->is_for_more || e == NULL);
	}
	if (kth == FOR_EVER)
		CU_ASSERT_EQUAL(error, op->is_for_more || !n_free ? -ENOMEM : 0);
	free(s.bytes);
	pool_free(pool);
	return error;
}

/* Every get and reservation, on pools that are full and that have free elements. */
static void
pools_stay_whole(void)
{
	static const uword lengths[] = { 0, 1, 63, 64, 65, 300 };
	u32 n_refused = 0;

	heap_begin();
	for (u32 o = 0; o < ARRAY_LEN(pool_ops); o++)
		for (u32 l = 0; l < ARRAY_LEN(lengths); l++)
			for (uword n_free = 0; n_free <= lengths[l] / 3; n_free += 20)
				for (uword kth = FOR_EVER; kth <= MAX_KTH; kth++) {
					n_refused += 0 != try_pool_op(&pool_ops[o], lengths[l],
								      n_free, kth);
					if (!h.hole)
						h.hole = clib_mem_alloc(KiB(64));
				}
	CU_ASSERT_TRUE(n_refused >= ARRAY_LEN(pool_ops) * (ARRAY_LEN(lengths) + 1));
	heap_end();
}

/* New pools and copies: none, and nothing is lost on the way. */
static void
pools_that_cannot_be_made_are_null(void)
{
	heap_begin();
	for (uword kth = FOR_EVER; kth <= 3; kth++) {
		thing_t *from = full_pool(100, 10), *pool;
		snapshot_t s = snapshot(from, sizeof(from[0]));

		refuse(kth);
		pool = (thing_t *)8;
		CU_ASSERT_TRUE(pool_init_fixed(pool, 100) == -ENOMEM && pool == NULL);
		if (kth)
			mheap_fail_get_after(kth);
		pool = (thing_t *)8;
		CU_ASSERT_TRUE(pool_init_fixed_aligned(pool, 100, ALIGN) == -ENOMEM && !pool);
		if (kth)
			mheap_fail_get_after(kth);
		CU_ASSERT_PTR_NULL(pool_dup(from));
		if (kth)
			mheap_fail_get_after(kth);
		CU_ASSERT_PTR_NULL(pool_dup_aligned(from, ALIGN));
		grant();
		CU_ASSERT_TRUE(is_as_it_was(from, &s));
		CU_ASSERT_EQUAL(pool_check(from), 0);
		free(s.bytes);
		pool_free(from);
		if (!h.hole)
			h.hole = clib_mem_alloc(KiB(64));
	}
	heap_end();
}

/* A fixed pool that is used up says so and goes on: no memory is involved, none is asked for. */
static void
fixed_pools_end_politely(void)
{
	thing_t *pool = 0, *e, *last = NULL;
	snapshot_t s;

	heap_begin();
	CU_ASSERT_EQUAL(pool_init_fixed(pool, 70), 0);
	for (u32 i = 0; i < 70; i++) {
		CU_ASSERT_EQUAL(pool_get_zero(pool, last), 0);
		CU_ASSERT_EQUAL(last - pool, i);
	}
	s = snapshot(pool, sizeof(pool[0]));
	for (u32 turn = 0; turn < 3; turn++) {
		u64 n_gets = mheap_header(h.heap)->stats.n_gets;

		e = (thing_t *)8;
		CU_ASSERT_TRUE(pool_get(pool, e) == -ENOMEM && e == NULL);
		CU_ASSERT_TRUE(pool_get_aligned_zero(pool, e, ALIGN) == -ENOMEM && e == NULL);
		CU_ASSERT_EQUAL(pool_alloc(pool, 1), -ENOMEM);
		CU_ASSERT_EQUAL(pool_validate_index(pool, 70), -ENOMEM);
		CU_ASSERT_EQUAL(mheap_header(h.heap)->stats.n_gets, n_gets);
		CU_ASSERT_TRUE(is_as_it_was(pool, &s));
		CU_ASSERT_EQUAL(pool_put(pool, last), 0);
		CU_ASSERT_TRUE(pool_get(pool, e) == 0 && e == last);
	}
	free(s.bytes);
	pool_free(pool);
	heap_end();
}

/* ---- bitmap ---- */

typedef uword *(bitmap_op_t)(uword *);

static uword *wide;

#define BITMAP_OP(name, ...)                                                                       \
	static uword *name(uword *b)                                                               \
	{                                                                                          \
		return __VA_ARGS__;                                                                \
	}

BITMAP_OP(bit_set, clib_bitmap_set(b, 100000, 1))
BITMAP_OP(bit_set_region, clib_bitmap_set_region(b, 50, 1, 100000))
BITMAP_OP(bit_set_multiple, clib_bitmap_set_multiple(b, 100000, 5, 64))
BITMAP_OP(bit_ori, clib_bitmap_ori(b, 100000))
BITMAP_OP(bit_ori_notrim, clib_bitmap_ori_notrim(b, 100000))
BITMAP_OP(bit_xori, clib_bitmap_xori(b, 100000))
BITMAP_OP(bit_xori_notrim, clib_bitmap_xori_notrim(b, 100000))
BITMAP_OP(bit_or, clib_bitmap_or(b, wide))
BITMAP_OP(bit_xor, clib_bitmap_xor(b, wide))
BITMAP_OP(bit_random, clib_bitmap_random(b, 100000, &(u32){ 7 }))
BITMAP_OP(bit_validate, clib_bitmap_validate(b, 100000) == -ENOMEM ? b : (uword *)8)
BITMAP_OP(bit_vec_validate, clib_bitmap_vec_validate(b, 100) == -ENOMEM ? b : (uword *)8)

static bitmap_op_t *const bitmap_ops[] = {
	bit_set,        bit_set_region, bit_set_multiple, bit_ori,
	bit_ori_notrim, bit_xori,       bit_xori_notrim,  bit_or,
	bit_xor,        bit_random,     bit_validate,     bit_vec_validate,
};

BITMAP_OP(dup, clib_bitmap_dup(b))
BITMAP_OP(dup_and, clib_bitmap_dup_and(b, wide))
BITMAP_OP(dup_andnot, clib_bitmap_dup_andnot(b, wide))
BITMAP_OP(dup_or, clib_bitmap_dup_or(b, wide))
BITMAP_OP(dup_xor, clib_bitmap_dup_xor(b, wide))
BITMAP_OP(dup_andi, clib_bitmap_dup_andi(b, 5))
BITMAP_OP(dup_andnoti, clib_bitmap_dup_andnoti(b, 5))
BITMAP_OP(dup_ori, clib_bitmap_dup_ori(b, 5))
BITMAP_OP(dup_xori, clib_bitmap_dup_xori(b, 5))

static bitmap_op_t *const bitmap_dups[] = {
	dup, dup_and, dup_andnot, dup_or, dup_xor, dup_andi, dup_andnoti, dup_ori, dup_xori,
};

/* What would set bits sets none of them; a copy that cannot be is NULL. */
static void
bitmaps_stay_whole(void)
{
	static const uword lengths[] = { 0, 1, 64, 1000 };

	heap_begin();
	wide = clib_bitmap_set(wide, 50000, 1);
	for (u32 l = 0; l < ARRAY_LEN(lengths); l++) {
		uword *b = 0;
		snapshot_t s;

		for (uword i = 0; i < lengths[l]; i += 3)
			b = clib_bitmap_set(b, i, 1);
		s = snapshot(b, sizeof(b[0]));
		refuse(FOR_EVER);
		for (u32 o = 0; o < ARRAY_LEN(bitmap_ops); o++) {
			uword *result = bitmap_ops[o](b);

			CU_ASSERT_PTR_EQUAL(result, b);
			CU_ASSERT_TRUE(is_as_it_was(b, &s));
		}
		for (u32 o = 0; b && o < ARRAY_LEN(bitmap_dups); o++) {
			CU_ASSERT_PTR_NULL(bitmap_dups[o](b));
			CU_ASSERT_TRUE(is_as_it_was(b, &s));
		}
		grant();
		free(s.bytes);
		clib_bitmap_free(b);
	}
	refuse(FOR_EVER);
	{
		uword *b = (uword *)8;

		CU_ASSERT_TRUE(clib_bitmap_alloc(b, 1000) == -ENOMEM && b == NULL);
	}
	grant();
	clib_bitmap_free(wide);
	heap_end();
}

/* ---- fifo ---- */

typedef int(fifo_op_t)(u64 **f);

static u64 *place;
static const u64 many[300] = { 1 };

#define FIFO_OP(name, ...)                                                                         \
	static int fifo_##name(u64 **f)                                                            \
	{                                                                                          \
		return clib_fifo_##name(*f __VA_OPT__(, ) __VA_ARGS__);                            \
	}

FIFO_OP(add1, 7)
FIFO_OP(add1_aligned, 7, ALIGN)
FIFO_OP(add2, place)
FIFO_OP(add2_aligned, place, ALIGN)
FIFO_OP(add, many, 300)
FIFO_OP(add_aligned, many, 300, ALIGN)
FIFO_OP(validate, 300)
FIFO_OP(validate_aligned, 300, ALIGN)
FIFO_OP(resize, 300)
FIFO_OP(resize_aligned, 300, ALIGN)

static int
fifo_advance_tail(u64 **f)
{
	return clib_fifo_advance_tail(*f, 300) == ~0ULL ? -ENOMEM : 0;
}

static fifo_op_t *const fifo_ops[] = {
	fifo_add1,   fifo_add1_aligned,   fifo_add2,         fifo_add2_aligned,
	fifo_add,    fifo_add_aligned,    fifo_validate,     fifo_validate_aligned,
	fifo_resize, fifo_resize_aligned, fifo_advance_tail,
};

/* A full queue of at least n elements whose head is somewhere in its ring. */
static u64 *
full_fifo(uword n)
{
	u64 *f = 0;

	for (uword i = 0; i < n; i++)
		clib_fifo_add1(f, i);
	clib_fifo_advance_head(f, n / 2);
	for (uword i = n; n > 0 && !clib_fifo_is_full(f); i++)
		clib_fifo_add1(f, i);
	return f;
}

static int
try_fifo_op(fifo_op_t *op, uword n, uword kth)
{
	u64 *f = full_fifo(n), x, i = n / 2;
	uword n_elts = clib_fifo_elts(f);
	snapshot_t s = snapshot(f, sizeof(f[0]));
	clib_fifo_header_t header = f ? *clib_fifo_header(f) : (clib_fifo_header_t){ 0 };
	int error;

	place = (u64 *)8;
	refuse(kth);
	error = op(&f);
	grant();
	CU_ASSERT_TRUE(error == 0 || error == -ENOMEM);
	if (kth == FOR_EVER)
		CU_ASSERT_EQUAL(error, -ENOMEM);
	if (error) {
		CU_ASSERT_TRUE(is_as_it_was(f, &s));
		CU_ASSERT_TRUE(!f || !memcmp(&header, clib_fifo_header(f), sizeof(header)));
		CU_ASSERT_TRUE(place == (u64 *)8 || place == NULL);
	}
	for (; n_elts > 0; n_elts--, i++) {
		CU_ASSERT_EQUAL(clib_fifo_sub1(f, x), 0);
		CU_ASSERT_EQUAL(x, i);
	}
	free(s.bytes);
	clib_fifo_free(f);
	return error;
}

static void
queues_stay_whole(void)
{
	static const uword lengths[] = { 0, 1, 10, 500 };
	u64 *f;
	u32 n_refused = 0;

	heap_begin();
	for (u32 o = 0; o < ARRAY_LEN(fifo_ops); o++)
		for (u32 l = 0; l < ARRAY_LEN(lengths); l++)
			for (uword kth = FOR_EVER; kth <= 2; kth++) {
				n_refused += 0 != try_fifo_op(fifo_ops[o], lengths[l], kth);
				if (!h.hole)
					h.hole = clib_mem_alloc(KiB(64));
			}
	CU_ASSERT_TRUE(n_refused >= ARRAY_LEN(fifo_ops) * (ARRAY_LEN(lengths) + 1));

	f = full_fifo(10);
	refuse(FOR_EVER);
	CU_ASSERT_PTR_NULL(clib_fifo_dup(f));
	CU_ASSERT_PTR_NULL(clib_fifo_dup_aligned(f, ALIGN));
	grant();
	clib_fifo_free(f);
	refuse(FOR_EVER);
	f = (u64 *)8;
	CU_ASSERT_TRUE(clib_fifo_alloc(f, 10) == -ENOMEM && f == NULL);
	CU_ASSERT_TRUE(clib_fifo_alloc_aligned(f, 10, ALIGN) == -ENOMEM && f == NULL);
	grant();
	heap_end();
}

static const unit_test_t tests[] = {
	UNIT(vectors_stay_whole),       UNIT(makers_yield_null),
	UNIT(pools_stay_whole),         UNIT(pools_that_cannot_be_made_are_null),
	UNIT(fixed_pools_end_politely), UNIT(bitmaps_stay_whole),
	UNIT(queues_stay_whole),
};

int
main(void)
{
	return unit_run("exhaustion_vec", tests, ARRAY_LEN(tests));
}
