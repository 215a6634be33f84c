/* SPDX-License-Identifier: Apache-2.0 */
/* Vectors as today's programs use them: heaps and headers by argument, loops that declare what they
 * need, lengths set and not assigned, each case by itself and named on the command line.
 *
 *   test_vec [CASE]... [seed N] [ops N] */
#include <vppinfra/clib.h>
#include <vppinfra/mem.h>
#include <vppinfra/vec.h>
#include <vppinfra/format.h>
#include <vppinfra/error.h>
#include <vppinfra/random.h>

typedef struct {
	u8 mac[6];
	u16 vlan;
	u32 port;
} __clib_packed entry_t;

typedef struct {
	u32 n_hits, n_misses;
	u64 serial;
} table_hdr_t;

static u32 seed = 1, n_ops = 20000;

#define TEST(truth)                                                                                \
	do {                                                                                       \
		if (!(truth))                                                                      \
			return clib_error_return(0, "line %u: %s", __LINE__, #truth);              \
	} while (0)

static clib_error_t *
test_prealloc(void)
{
	u32 *v = 0, *before;

	vec_prealloc(v, 100);
	TEST(vec_len(v) == 0 && vec_max_len(v) >= 100);
	before = v;
	TEST(!vec_resize_will_expand(v, 100));
	for (u32 i = 0; i < 100; i++)
		vec_add1(v, i);
	TEST(v == before);
	TEST(vec_resize_will_expand(v, vec_max_len(v) - vec_len(v) + 1));
	TEST(vec_max_bytes(v) >= vec_bytes(v) && vec_mem_size(v) > vec_max_bytes(v));
	vec_set_len(v, 10);
	TEST(vec_len(v) == 10);
	vec_inc_len(v, 5);
	TEST(vec_len(v) == 15 && v[14] == 14);
	vec_dec_len(v, 14);
	TEST(vec_len(v) == 1);
	vec_resize(v, 2);
	TEST(vec_len(v) == 3 && v[2] == 2);
	vec_validate(v, 9);
	TEST(v[3] == 0 && v[9] == 0);
	vec_zero_elts(v, 0, 3);
	TEST(v[0] == 0 && v[2] == 0);
	vec_free(v);
	return 0;
}

/* A vector lives and grows in the heap that it was made in. */
static clib_error_t *
test_heap(void)
{
	clib_mem_heap_t *heap = clib_mem_create_heap(0, 4 << 20, 0, "test heap"), *old;
	entry_t *v = 0, *w, e = { .mac = { 2, 1 }, .vlan = 7, .port = 1 };
	uword *x;

	TEST(heap != 0);
	vec_add1_heap(v, e, heap);
	TEST(vec_get_heap(v) == heap);
	for (u32 i = 0; i < 1000; i++) {
		e.port = i;
		vec_add1(v, e);
	}
	TEST(vec_get_heap(v) == heap && v[1000].port == 999 && v[0].vlan == 7);
	w = vec_dup(v);
	TEST(vec_get_heap(w) == clib_mem_get_heap());
	TEST(vec_is_equal(v, w));

	old = clib_mem_set_heap(heap);
	x = vec_new(uword, 17);
	clib_mem_set_heap(old);
	TEST(vec_get_heap(x) == heap && vec_len(x) == 17 && x[16] == 0);
	vec_validate(x, 4000);
	TEST(vec_get_heap(x) == heap && clib_mem_heap_is_heap_object(heap, vec_header(x)));
	vec_free(w);
	vec_free(v);
	vec_free(x);
	x = vec_new_generic(uword, 5, sizeof(table_hdr_t), 128, heap);
	TEST((uword)x % 128 == 0 && vec_get_heap(x) == heap && vec_get_align(x) == 128);
	vec_free(x);
	x = vec_new_heap(uword, 3, heap);
	TEST(vec_len(x) == 3);
	vec_free(x);
	clib_mem_destroy_heap(heap);
	return 0;
}

static clib_error_t *
test_header(void)
{
	entry_t *v = 0, *p;
	table_hdr_t *h;

	vec_validate_ha(v, 3, sizeof(*h), CLIB_CACHE_LINE_BYTES);
	h = vec_header(v);
	h->serial = 0xfeed;
	h->n_hits = 3;
	TEST((uword)v % CLIB_CACHE_LINE_BYTES == 0);
	TEST((void *)h == (void *)((u8 *)v - vec_get_header_size(v)));
	TEST(vec_header_end(v) == (void *)(h + 1));
	for (u32 i = 0; i < 500; i++) {
		vec_add2(v, p, 3);
		clib_memset(p, i, 3 * sizeof(*p));
	}
	h = vec_header(v);
	TEST(h->serial == 0xfeed && h->n_hits == 3 && h->n_misses == 0);
	TEST((uword)v % CLIB_CACHE_LINE_BYTES == 0 && vec_len(v) == 4 + 1500);
	vec_free(v);
	return 0;
}

static clib_error_t *
test_foreach(void)
{
	u32 *v = 0, *p, i, sum = 0, n = 0;
	char **names = 0;
	word k;

	vec_foreach (p, v)
		n++;
	vec_foreach_backwards (p, v)
		n++;
	vec_foreach_index (i, v)
		n++;
	vec_foreach_index_backwards(k, v) n++;
	vec_foreach_pointer(e, names) n += e[0];
	TEST(n == 0);

	for (i = 0; i < 10; i++)
		vec_add1(v, i);
	vec_foreach (p, v) {
		if (p[0] % 2)
			continue;
		if (p[0] == 8)
			break;
		sum += p[0];
	}
	TEST(sum == 0 + 2 + 4 + 6);
	sum = 0;
	vec_foreach_backwards (p, v)
		sum = sum * 3 + p[0];
	TEST(sum ==
	     (((((((((9 * 3 + 8) * 3 + 7) * 3 + 6) * 3 + 5) * 3 + 4) * 3 + 3) * 3 + 2) * 3 + 1) *
	      3));
	sum = 0;
	vec_foreach_index (i, v) {
		if (i == 3)
			vec_add1(v, 100);
		sum += v[i];
	}
	TEST(sum == 145);
	vec_foreach_index_backwards(k, v) sum -= v[k];
	TEST(sum == 0);

	vec_add1(names, "ip4-input");
	vec_add1(names, "ip6-input");
	vec_add1(names, 0);
	vec_add1(names, "drop");
	vec_foreach_pointer(name, names) n += name ? strlen(name) : 1;
	TEST(n == 9 + 9 + 1 + 4);
	vec_free(names);
	vec_free(v);
	return 0;
}

static int
entry_cmp(void *a1, void *a2)
{
	entry_t *a = a1, *b = a2;

	return a->port < b->port ? -1 : a->port > b->port;
}

static uword
entry_eq(entry_t *e, u32 port)
{
	return e->port == port;
}

static clib_error_t *
test_sort_and_search(void)
{
	entry_t *v = 0, e = {};
	u8 *a = 0, *b = 0;

	for (u32 i = 0; i < 500; i++) {
		e.port = random_u32(&seed) >> 20;
		vec_add1(v, e);
	}
	vec_sort_with_function(v, entry_cmp);
	for (u32 i = 1; i < vec_len(v); i++)
		TEST(v[i - 1].port <= v[i].port);
	TEST(vec_search_with_function(v, v[400].port, entry_eq) <= 400);
	TEST(vec_search_with_function(v, 0xffffff, entry_eq) == ~0);
	vec_free(v);

	vec_add(a, "abcd", 4);
	vec_add(b, "abce", 4);
	TEST(vec_cmp(a, b) < 0 && vec_cmp(b, a) > 0 && vec_cmp(a, a) == 0);
	vec_dec_len(a, 1);
	TEST(vec_cmp(a, b) < 0 && vec_cmp(b, a) > 0);
	TEST(vec_search(a, 'c') == 2 && vec_search(a, 'd') == ~0);
	vec_dec_len(b, 1);
	TEST(vec_cmp(a, b) == 0 && vec_is_equal(a, b));
	vec_free(a);
	TEST(vec_cmp(a, b) < 0);
	vec_free(b);
	TEST(vec_cmp(a, b) == 0 && vec_is_equal(a, b));
	return 0;
}

static clib_error_t *
test_c_string(void)
{
	u8 *s = 0;

	vec_validate_init_c_string(s, "hello", 5);
	TEST(vec_len(s) == 6 && !strcmp((char *)s, "hello") && vec_c_string_is_terminated(s));
	vec_terminate_c_string(s);
	TEST(vec_len(s) == 6);
	vec_validate_init_c_string(s, "hi", 2);
	TEST(vec_len(s) == 3 && !strcmp((char *)s, "hi"));
	(void)vec_pop(s);
	TEST(!vec_c_string_is_terminated(s));
	vec_terminate_c_string(s);
	TEST(vec_len(s) == 3);
	vec_reset_length(s);
	s = format(s, "%s-%u", "GigabitEthernet", 3);
	vec_terminate_c_string(s);
	TEST(!strcmp((char *)s, "GigabitEthernet-3"));
	vec_free(s);
	return 0;
}

/* Vectors of vectors of vectors. */
static clib_error_t *
test_nested(void)
{
	u32 ***rows = 0, **row, **cell, sum = 0;

	for (u32 i = 0; i < 20; i++) {
		vec_validate(rows, i);
		for (u32 k = 0; k <= i; k++) {
			vec_validate(rows[i], k);
			for (u32 n = 0; n < k; n++)
				vec_add1(rows[i][k], n);
			if (k)
				vec_add1(rows[i][k - 1], vec_len(rows[i][k]));
		}
	}
	vec_foreach_pointer(r, rows) vec_foreach (cell, r) sum += vec_len(*cell);
	/* 0 + 1 + ... in each row, and one more in all cells but the last. */
	TEST(sum == 20 * 19 * 21 / 6 + 190);
	TEST(vec_elt(vec_elt(rows, 5)[3], 3) == 4);
	vec_foreach_pointer(r, rows)
	{
		row = r;
		vec_foreach (cell, row)
			vec_free(*cell);
		vec_free(row);
	}
	vec_free(rows);
	return 0;
}

/* Random operations beside an array, the vector having the size of element of each case. */
#define RANDOM_CASE(name, T, MAKE)                                                                 \
	static clib_error_t *test_random_##name(void)                                              \
	{                                                                                          \
		static T model[1000];                                                              \
		T *v = 0, *p, x, y;                                                                \
		u32 n = 0, at, k;                                                                  \
                                                                                                   \
		clib_memset(&x, 0, sizeof(x));                                                     \
		for (u32 i = 0; i < n_ops; i++) {                                                  \
			u32 r = random_u32(&seed) >> 8;                                            \
                                                                                                   \
			MAKE(x, r);                                                                \
			at = n ? r % n : 0;                                                        \
			k = clib_min(r % 7, n - at);                                               \
			switch (n + 8 < ARRAY_LEN(model) ? r % 11 : 10) {                          \
			case 0:                                                                    \
			case 1:                                                                    \
			case 2:                                                                    \
				vec_add1(v, x);                                                    \
				model[n++] = x;                                                    \
				break;                                                             \
			case 3:                                                                    \
				vec_insert_elts(v, &x, 1, at);                                     \
				memmove(model + at + 1, model + at, (n - at) * sizeof(T));         \
				model[at] = x;                                                     \
				n++;                                                               \
				break;                                                             \
			case 4:                                                                    \
				vec_insert(v, 2, at);                                              \
				memmove(model + at + 2, model + at, (n - at) * sizeof(T));         \
				clib_memset(model + at, 0, 2 * sizeof(T));                         \
				n += 2;                                                            \
				break;                                                             \
			case 5:                                                                    \
				vec_validate_init_empty(v, n + 3, x);                              \
				for (k = 0; k < 4; k++)                                            \
					model[n++] = x;                                            \
				break;                                                             \
			case 6:                                                                    \
				if (n) {                                                           \
					vec_del1(v, at);                                           \
					model[at] = model[--n];                                    \
				}                                                                  \
				break;                                                             \
			case 7:                                                                    \
				vec_delete(v, k, at);                                              \
				memmove(model + at, model + at + k, (n - at - k) * sizeof(T));     \
				n -= k;                                                            \
				break;                                                             \
			case 8:                                                                    \
				if (n) {                                                           \
					y = vec_pop(v);                                            \
					n--;                                                       \
					TEST(!memcmp(&y, model + n, sizeof(T)));                   \
				}                                                                  \
				break;                                                             \
			case 9:                                                                    \
				vec_add2(v, p, 2);                                                 \
				p[0] = p[1] = x;                                                   \
				model[n++] = x;                                                    \
				model[n++] = x;                                                    \
				break;                                                             \
			case 10:                                                                   \
				vec_delete(v, n, 0);                                               \
				n = 0;                                                             \
				break;                                                             \
			}                                                                          \
			TEST(vec_len(v) == n);                                                     \
			TEST(n == 0 || !memcmp(v, model, n * sizeof(T)));                          \
		}                                                                                  \
		vec_free(v);                                                                       \
		return 0;                                                                          \
	}

#define MAKE_NUMBER(x, r) x = r
#define MAKE_ENTRY(x, r) (x.port = r, x.vlan = r >> 3)
/* clang-format off */
RANDOM_CASE(u8, u8, MAKE_NUMBER)
RANDOM_CASE(u64, u64, MAKE_NUMBER)
RANDOM_CASE(entry, entry_t, MAKE_ENTRY)
/* clang-format on */

#define foreach_case                                                                               \
	_(prealloc)                                                                                \
	_(heap)                                                                                    \
	_(header)                                                                                  \
	_(foreach)                                                                                 \
	_(sort_and_search)                                                                         \
	_(c_string)                                                                                \
	_(nested)                                                                                  \
	_(random_u8)                                                                               \
	_(random_u64)                                                                              \
	_(random_entry)

typedef struct {
	char *name;
	clib_error_t *(*fn)(void);
	int is_wanted;
} case_t;

static case_t cases[] = {
#define _(c) { .name = #c, .fn = test_##c },
	foreach_case
#undef _
};

int
main(int argc, char *argv[])
{
	unformat_input_t input;
	u32 n_wanted = 0, n_failed = 0, i;

	clib_mem_init(0, 64 << 20);
	unformat_init_command_line(&input, argv);
	while (unformat_check_input(&input) != UNFORMAT_END_OF_INPUT) {
		u8 *name = 0;

		if (unformat(&input, "seed %u", &seed) || unformat(&input, "ops %u", &n_ops))
			continue;
		if (!unformat(&input, "%s", &name))
			break;
		for (i = 0; i < ARRAY_LEN(cases); i++)
			if (!strcmp(cases[i].name, (char *)name)) {
				cases[i].is_wanted = 1;
				n_wanted++;
			}
		vec_free(name);
	}
	unformat_free(&input);

	for (i = 0; i < ARRAY_LEN(cases); i++) {
		clib_error_t *error;

		if (n_wanted && !cases[i].is_wanted)
			continue;
		error = cases[i].fn();
		fformat(stdout, "%-20s %s\n", cases[i].name, error ? "FAILED" : "ok");
		if (error) {
			clib_error_report(error);
			n_failed++;
		}
	}
	clib_mem_validate();
	return n_failed != 0;
}
