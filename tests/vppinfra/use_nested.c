/* SPDX-License-Identifier: Apache-2.0 */
/* Container macros as statements, as values, and inside one another's arguments; C and C++.  Exit
 * status 0 when all is right. */
#include <stdio.h>
#include <vppinfra/bitmap.h>
#include <vppinfra/fifo.h>
#include <vppinfra/mhash.h>
#include <vppinfra/pool.h>
#include <vppinfra/sparse_vec.h>
#include <vppinfra/vec.h>

static int n_wrong;

#define CHECK(truth)                                                                               \
	do {                                                                                       \
		if (!(truth)) {                                                                    \
			printf("%s:%d: %s\n", __FILE__, __LINE__, #truth);                         \
			n_wrong++;                                                                 \
		}                                                                                  \
	} while (0)

typedef struct {
	u32 *v;
	u64 n;
} item_t;

static u32 n_calls;

static u32
count(u32 x)
{
	n_calls++;
	return x;
}

/* Each argument but the container is evaluated once; what is stored, after the vector has grown. */
static void
arguments_are_evaluated_once(void)
{
	u32 *v = 0, *p, some[4] = { 1, 2, 3, 4 };
	u64 *f = 0;

	n_calls = 0;
	vec_add1(v, count(7));
	vec_add2(v, p, count(2));
	vec_add(v, some, count(3));
	vec_resize(v, count(1));
	vec_alloc(v, count(100));
	vec_validate(v, count(9));
	vec_insert(v, count(2), count(1));
	vec_insert_elts(v, some, count(2), count(1));
	vec_delete(v, count(1), count(0));
	vec_del1(v, count(0));
	vec_set(v, count(5));
	CHECK(vec_search(v, count(5)) == 0);
	clib_fifo_add1(f, count(5));
	clib_fifo_validate(f, count(50));
	clib_fifo_resize(f, count(50));
	clib_fifo_add(f, f, count(0));
	CHECK(n_calls == 19);
	CHECK(p != 0 && vec_len(v) == 12);
	vec_reset_length(v);
	vec_add1(v, vec_len(v));
	vec_add1(v, vec_len(v));
	CHECK(v[0] == 1 && v[1] == 2);
	clib_fifo_free(f);
	vec_free(v);
}

static void
vectors_in_vectors(void)
{
	u32 **vv = 0, *v = 0, *w = 0, i, x = 0;

	for (i = 0; i < 10; i++)
		vec_add1(v, i);
	vec_add1(w, vec_elt(v, 3));
	vec_add1(w, vec_pop(v));
	vec_add1(vv, w);
	vec_add1(vv[vec_len(vv) - 1], 77u);
	vec_add1(vec_elt(vv, 0), 78u);
	/* The inner one lengthens the same vector; the outer one's place was taken before. */
	vec_add1(vv[0], ({
			 vec_add1(vv[0], 80u);
			 79u;
		 }));
	w = vv[0];
	CHECK(vec_len(w) == 6 && w[0] == 3 && w[1] == 9 && w[2] == 77 && w[3] == 78);
	CHECK(w[4] == 79 && w[5] == 80);
	vec_add1(v, (u32)vec_add1(w, (u32)vec_add1(v, 5)));
	CHECK(vec_len(v) == 11 && vec_len(w) == 7);
	vec_validate(w, clib_max((u32)vec_len(v), clib_min(clib_max(x, 3u), clib_min(i, 20u))));
	CHECK(vec_len(w) == 12);
	vec_insert(w, (uword)vec_search(w, 77u), clib_min(vec_len(w), vec_len(v)));
	CHECK(vec_len(w) == 14 && w[11] == 0);
	vec_resize(w, (uword)({
			   vec_resize(v, vec_len(v));
			   vec_len(v);
		   }));
	CHECK(vec_len(w) == 36 && vec_len(v) == 22);
	CHECK(vec_cmp(v, w) == -vec_cmp(w, v) && vec_cmp(w, w) == 0 && !vec_is_equal(v, w));
	CHECK((vec_pop2(v, x) ? (int)vec_pop2(v, x) : 9) == 1);
	(vec_free(v), vec_free(w));
	vec_free(vv);
	CHECK(!v && !w && !vv);
}

/* Macros as the whole of an if and of an else, as operands, and with their value thrown away. */
static void
statements_and_values(void)
{
	u32 *v = 0, *w = 0, x = 0;
	u8 *s = 0;

	if (x)
		vec_add1(v, 1);
	else
		vec_add1(w, 1);
	if (!x)
		vec_reset_length(w);
	else
		vec_free(w);
	if (vec_add1(v, 1) || vec_add1(v, 2) || vec_validate(v, 5) || vec_append(v, w))
		CHECK(0);
	CHECK((vec_len(v) ? vec_delete(v, 1, 0) : 1) == 0);
	x ? vec_zero(v) : vec_set(v, 3);
	CHECK(v[0] == 3 && vec_len(v) == 5);
	vec_validate_init_c_string(s, "abc", 3);
	vec_terminate_c_string(s);
	CHECK(vec_len(s) == 4 && vec_c_string_is_terminated(s));
	vec_clone(w, v);
	vec_copy(w, v);
	CHECK(vec_is_equal(v, w));
	vec_free(s);
	vec_free(v);
	vec_free(w);
}

static void
pools_bitmaps_and_queues(void)
{
	item_t *pool = 0, *a, *b, *c;
	uword *bits = 0, *more = 0, i, k, n = 0;
	u64 *f = 0, *p, x;

	pool_get_zero(pool, a);
	pool_get_aligned_zero(pool, b, 64);
	(void)b;
	vec_add1(pool_elt_at_index(pool, 1)->v, 5);
	vec_add1(pool_elt_at_index(pool, pool_next_index(pool, 0))->v, pool_elts(pool));
	pool_foreach (a, pool) {
		pool_foreach (b, pool) {
			n++;
			if (a == b)
				break;
		}
		pool_foreach (c, pool, ({
				      item_t item = *c, y = { 0, 1 };

				      if (a == c)
					      continue;
				      n += y.n + (item.v == 0);
			      }))
			;
	}
	CHECK(n == (1 + 1) + (2 + 2));
	CHECK(vec_len(pool[1].v) == 2 && pool[1].v[1] == 2);

	bits = clib_bitmap_set(clib_bitmap_set(bits, 3, 1), clib_max(100u, 7u), 1);
	more = clib_bitmap_dup_or(bits, bits);
	n = 0;
	clib_bitmap_foreach (i, bits) {
		clib_bitmap_foreach (k, more)
			n += i == k;
		clib_bitmap_foreach (k, more, ({
					     if (k != i)
						     continue;
					     n++;
				     }))
			;
	}
	CHECK(n == 4);

	clib_fifo_add1(f, (u64)clib_fifo_add1(f, 5));
	clib_fifo_sub1(f, x);
	CHECK(x == 5 && clib_fifo_elts(f) == 1);
	if (clib_fifo_sub2(f, p) || clib_fifo_add2(f, p))
		CHECK(0);
	*p = 9;
	clib_fifo_foreach(p, f, ({ n += *p; }));
	CHECK(n == 13);
	CHECK(clib_fifo_sub1(f, x) == 0 && x == 9 && clib_fifo_sub1(f, x) == -ENOENT && x == 0);

	pool_flush(a, pool, ({ vec_free(a->v); }));
	CHECK(pool_elts(pool) == 0);
	(pool_free(pool), clib_fifo_free(f), clib_bitmap_free(bits));
	clib_bitmap_free(more);
}

static uword
fill_table(uword **h)
{
	for (uword i = 0; i < 1000; i++)
		hash_set(*h, i, i);
	return hash_elts(*h);
}

static void
tables_and_ranges(void)
{
	uword *h = 0, *g = 0, key, value, key2, value2, n = 0, len, len2, *found, *found2;
	u32 *v = 0, *p, *p2, h1, h2, *sparse = 0;
	const char *name, *name2;
	hash_pair_t *pair, *pair2;
	mhash_t m;

	hash_set(h, hash_set(g, 1, 10), hash_set(g, 2, 20));
	CHECK(hash_elts(h) == 1 && hash_elts(g) == 2 && *hash_get(h, 0) == 0);
	/* The table moves while its argument is computed. */
	hash_set(h, 0, fill_table(&h));
	CHECK(hash_elts(h) == 1000 && *hash_get(h, 0) == 1000);
	while (n < 1000)
		hash_unset(h, n++);
	n = 0;
	hash_set(h, 0, 0);
	if (hash_set(h, 3, *hash_get(g, 1)))
		CHECK(0);
	else
		hash_unset(h, 0);
	hash_foreach(
		key, value, g,
		({ hash_foreach(key2, value2, h, ({ n += value2 == value || key == key2; })); }));
	CHECK(n == 1);
	hash_foreach_pair (pair, g)
		hash_foreach_pair (pair2, h)
			n += pair->value[0] == pair2->value[0];
	hash_foreach_pair (pair, g, {
		hash_foreach_pair (pair2, h, ({
					   if (pair->key == 1)
						   break;
					   n += 10;
				   }))
			;
	})
		;
	CHECK(n == 12);
	(hash_unset(g, 1), hash_unset(g, 2), hash_set1(g, 5), n++);
	CHECK(hash_elts(g) == 1 && n == 13);
	(hash_free(h), hash_free(g));

	mhash_init_c_string(&m, sizeof(uword));
	mhash_set(&m, "a", mhash_set(&m, "b", 1, 0), 0);
	n = 0;
	mhash_foreach(name, found, &m, ({
			      mhash_foreach(name2, found2, &m,
					    ({ n += name == name2 && found == found2; }));
		      }));
	CHECK(n == 2);
	mhash_free(&m);

	CHECK(heap_alloc(v, 1 + heap_alloc(v, 3, h1), h2) == 3);
	CHECK(heap_len(v, h1) == 3 && heap_len(v, h2) == 1);
	n = 0;
	heap_foreach(p, len, v,
		     ({ heap_foreach(p2, len2, v, ({ n += len * len2 * (p == p2); })); }));
	CHECK(n == 10);
	(heap_free(v), n++);

	*sparse_vec_validate(sparse, 7) = 8;
	*sparse_vec_validate(sparse, *sparse_vec_validate(sparse, 7)) = 9;
	CHECK(*sparse_vec_elt_at_index(sparse, *sparse_vec_elt_at_index(sparse, 7)) == 9);
	(sparse_vec_free(sparse), n++);
}

int
main(void)
{
	arguments_are_evaluated_once();
	vectors_in_vectors();
	statements_and_values();
	pools_bitmaps_and_queues();
	tables_and_ranges();
	return n_wrong != 0;
}
