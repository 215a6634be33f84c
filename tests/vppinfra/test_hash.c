/* SPDX-License-Identifier: Apache-2.0 */
#include <vppinfra/hash.h>
#include "container_test.h"

/* Key i has value 10 * i. */
static uword *
hash_of(uword n)
{
	uword *h = hash_create(0, sizeof(uword));

	for (uword i = 0; i < n; i++)
		CU_ASSERT_EQUAL(hash_set(h, i, 10 * i), 0);
	return h;
}

/* NULL is an empty table: nothing is found, and the first set makes one. */
static void
null_is_an_empty_table(void)
{
	uword *h = 0, k, v, n = 0;
	hash_pair_t *p;

	heap_begin(MiB(1));
	CU_ASSERT_PTR_NULL(hash_get(h, 1));
	CU_ASSERT_PTR_NULL(hash_get_pair(h, 1));
	CU_ASSERT_EQUAL(hash_elts(h), 0);
	CU_ASSERT_EQUAL(hash_capacity(h), 0);
	CU_ASSERT_EQUAL(hash_bytes(h), 0);
	CU_ASSERT_EQUAL(hash_unset(h, 1), -ENOENT);
	CU_ASSERT_PTR_NULL(hash_dup(h));
	CU_ASSERT_EQUAL(hash_check(h), 0);
	hash_foreach_pair (p, h)
		n++;
	hash_foreach(k, v, h, ({ n += k + v; }));
	CU_ASSERT_EQUAL(n, 0);
	hash_free(h);
	CU_ASSERT_EQUAL(hash_set(h, 5, 55), 0);
	CU_ASSERT_EQUAL(*hash_get(h, 5), 55);
	hash_free(h);
	CU_ASSERT_PTR_NULL(h);
	heap_end();
}

/* Set, set again, unset, and the old value on the way out. */
static void
set_get_unset(void)
{
	uword *h, old = 0;

	heap_begin(MiB(1));
	h = hash_of(10);
	CU_ASSERT_EQUAL(hash_elts(h), 10);
	CU_ASSERT_EQUAL(*hash_get(h, 7), 70);
	CU_ASSERT_EQUAL(hash_get_pair(h, 7)->key, 7);
	CU_ASSERT_EQUAL(hash_get_pair(h, 7)->value[0], 70);
	CU_ASSERT_EQUAL(hash_set3(h, 7, 71, &old), 0);
	CU_ASSERT_EQUAL(old, 70);
	CU_ASSERT_EQUAL(hash_elts(h), 10);
	old = 1234;
	CU_ASSERT_EQUAL(hash_set3(h, 100, 1, &old), 0);
	CU_ASSERT_EQUAL(old, 1234);
	CU_ASSERT_EQUAL(hash_unset3(h, 7, &old), 0);
	CU_ASSERT_EQUAL(old, 71);
	CU_ASSERT_EQUAL(hash_unset(h, 7), -ENOENT);
	CU_ASSERT_PTR_NULL(hash_get(h, 7));
	CU_ASSERT_EQUAL(hash_set1(h, 8), 0);
	CU_ASSERT_EQUAL(*hash_get(h, 8), 80);
	CU_ASSERT_EQUAL(hash_set1(h, 9000), 0);
	CU_ASSERT_EQUAL(*hash_get(h, 9000), 0);
	CU_ASSERT_EQUAL(hash_elts(h), 11);
	CU_ASSERT_PTR_NULL(hash_validate(h));
	hash_free(h);
	heap_end();
}

/* Heads double at 48, 96, 192, 384 pairs and halve when a quarter is in use, flags permitting. */
static void
capacity_follows_the_rule(void)
{
	uword *h, capacity = 64;

	heap_begin(MiB(4));
	h = hash_of(0);
	CU_ASSERT_EQUAL(hash_capacity(h), 64);
	for (uword i = 0; i < 1000; i++) {
		if (i + 1 == capacity * 3 / 4)
			capacity *= 2;
		hash_set(h, i, i);
		CU_ASSERT_EQUAL(hash_capacity(h), capacity);
	}
	for (uword n = 1000; n > 1; n--) {
		hash_unset(h, n - 1);
		if (n - 1 > 32 && 4 * n < capacity)
			capacity /= 2;
		CU_ASSERT_EQUAL(hash_capacity(h), capacity);
		CU_ASSERT_EQUAL(hash_check(h), 0);
	}
	CU_ASSERT_EQUAL(capacity, 128);
	hash_free(h);

	h = hash_create(1000, sizeof(uword));
	CU_ASSERT_EQUAL(hash_capacity(h), 1024);
	hash_set_flags(h, HASH_FLAG_NO_AUTO_SHRINK);
	for (uword i = 0; i < 40; i++)
		hash_set(h, i, i);
	hash_unset(h, 1);
	CU_ASSERT_EQUAL(hash_capacity(h), 1024);
	hash_free(h);

	h = hash_create(0, sizeof(uword));
	hash_set_flags(h, HASH_FLAG_NO_AUTO_GROW);
	for (uword i = 0; i < 500; i++)
		CU_ASSERT_EQUAL(hash_set(h, i, i), 0);
	CU_ASSERT_EQUAL(hash_capacity(h), 64);
	CU_ASSERT_EQUAL(hash_elts(h), 500);
	CU_ASSERT_EQUAL(hash_check(h), 0);
	h = hash_resize(h, 600);
	CU_ASSERT_EQUAL(hash_capacity(h), 1024);
	CU_ASSERT_EQUAL(hash_check(h), 0);
	CU_ASSERT_EQUAL(*hash_get(h, 499), 499);
	hash_free(h);
	heap_end();
}

/* Every kind of key, found through another copy of it. */
static void
keys_of_every_kind(void)
{
	static const struct {
		u8 mac[6];
		u16 vlan;
	} mem_keys[2] = { { { 1, 2, 3, 4, 5, 6 }, 7 }, { { 1, 2, 3, 4, 5, 6 }, 8 } };
	u8 mem_copy[8];
	uword *h, word_keys[2] = { 1, 1ULL << 63 }, word_copy = 1ULL << 63;
	u32 half_keys[2] = { 1, 1u << 31 }, half_copy = 1u << 31, *v1 = 0, *v2 = 0, *v3 = 0;
	char string[] = "arena";

	heap_begin(MiB(1));
	h = hash_create_string(0, sizeof(uword));
	hash_set_mem(h, "heap", 1);
	hash_set_mem(h, "arena", 2);
	hash_set_mem(h, "", 3);
	CU_ASSERT_EQUAL(*hash_get_mem(h, string), 2);
	CU_ASSERT_EQUAL(*hash_get_mem(h, string + 5), 3);
	CU_ASSERT_PTR_NULL(hash_get_mem(h, string + 1));
	CU_ASSERT_STRING_EQUAL((char *)hash_get_pair_mem(h, string)->key, "arena");
	CU_ASSERT_EQUAL(hash_unset_mem(h, string), 0);
	CU_ASSERT_EQUAL(hash_elts(h), 2);
	hash_free(h);

	h = hash_create_mem(0, sizeof(mem_keys[0]), sizeof(uword));
	hash_set_mem(h, &mem_keys[0], 1);
	hash_set_mem(h, &mem_keys[1], 2);
	memcpy(mem_copy, &mem_keys[1], 8);
	CU_ASSERT_EQUAL(*hash_get_mem(h, mem_copy), 2);
	hash_free(h);

	h = hash_create_uword(0, sizeof(uword));
	hash_set_mem(h, &word_keys[0], 1);
	hash_set_mem(h, &word_keys[1], 2);
	CU_ASSERT_EQUAL(*hash_get_mem(h, &word_copy), 2);
	hash_free(h);

	h = hash_create_u32(0, sizeof(uword));
	hash_set_mem(h, &half_keys[0], 1);
	hash_set_mem(h, &half_keys[1], 2);
	CU_ASSERT_EQUAL(*hash_get_mem(h, &half_copy), 2);
	hash_free(h);

	vec_validate_init_empty(v1, 2, 5);
	vec_validate_init_empty(v2, 3, 5);
	v3 = vec_dup(v2);
	h = hash_create_vec(0, sizeof(u32), sizeof(uword));
	hash_set_mem(h, v1, 1);
	hash_set_mem(h, v2, 2);
	CU_ASSERT_EQUAL(*hash_get_mem(h, v3), 2);
	vec_set_len(v3, 3);
	CU_ASSERT_EQUAL(*hash_get_mem(h, v3), 1);
	vec_set_len(v3, 1);
	CU_ASSERT_PTR_NULL(hash_get_mem(h, v3));
	hash_free(h);
	vec_free(v1);
	vec_free(v2);
	vec_free(v3);
	heap_end();
}

/* A key by functions of the caller's: case does not matter here. */
static uword
letter_sum(hash_t *h, uword key)
{
	uword sum = 0;

	for (const char *s = (const char *)key; *s; s++)
		sum += *s | 0x20;
	return sum;
}

static uword
letters_equal(hash_t *h, uword a, uword b)
{
	const char *s = (const char *)a, *t = (const char *)b;

	while (*s && (*s | 0x20) == (*t | 0x20))
		s++, t++;
	return *s == *t;
}

static void
keys_by_functions(void)
{
	uword *h;

	heap_begin(MiB(1));
	h = hash_create2(0, 0, sizeof(uword), letter_sum, letters_equal, 0, 0);
	hash_set_mem(h, "vmem", 1);
	hash_set_mem(h, "mevm", 2); /* the same sum */
	CU_ASSERT_EQUAL(*hash_get_mem(h, "VMEM"), 1);
	CU_ASSERT_EQUAL(*hash_get_mem(h, "MevM"), 2);
	CU_ASSERT_PTR_NULL(hash_get_mem(h, "vmme"));
	CU_ASSERT_EQUAL(hash_check(h), 0);
	hash_free(h);
	heap_end();
}

/* Values of no bytes make a set; longer ones are passed by pointer and come back whole. */
static void
values_of_every_size(void)
{
	u64 triple[3] = { 7, 8, 9 }, old[3] = { 0 };
	uword *h;
	int error;

	heap_begin(MiB(1));
	h = hash_create(0, 0);
	CU_ASSERT_EQUAL(hash_set1(h, 42), 0);
	CU_ASSERT_EQUAL(hash_set(h, 43, 1), 0);
	CU_ASSERT_EQUAL(*hash_get(h, 42), 42);
	CU_ASSERT_PTR_NULL(hash_get(h, 44));
	CU_ASSERT_EQUAL(hash_value_bytes(hash_header(h)), 0);
	CU_ASSERT_EQUAL(hash_pair_bytes(hash_header(h)), 8);
	hash_free(h);

	h = hash_create(0, sizeof(triple));
	CU_ASSERT_EQUAL(hash_pair_bytes(hash_header(h)), 32);
	h = _hash_set3(h, 1, triple, 0);
	CU_ASSERT_EQUAL(hash_get(h, 1)[2], 9);
	triple[2] = 10;
	h = _hash_set(h, 1, triple, old, &error);
	CU_ASSERT_EQUAL(error, 0);
	CU_ASSERT_EQUAL(old[2], 9);
	CU_ASSERT_EQUAL(hash_get(h, 1)[2], 10);
	hash_set(h, 2, 5);
	CU_ASSERT_EQUAL(hash_get(h, 2)[0], 5);
	CU_ASSERT_EQUAL(hash_get(h, 2)[2], 0);
	hash_free(h);

	h = hash_create(0, sizeof(u32));
	hash_set(h, 1, 0xffffffff);
	CU_ASSERT_EQUAL(*(u32 *)hash_get(h, 1), 0xffffffff);
	hash_free(h);
	heap_end();
}

/* Every loop sees each pair once; a body may unset the key it is at. */
static void
loops_visit_every_pair(void)
{
	uword *h, key, value, n = 0, sum = 0;
	char *string;
	hash_pair_t *p;
	hash_next_t next = { 0 };

	heap_begin(MiB(4));
	h = hash_of(500);
	for (uword i = 0; i < 500; i += 5)
		hash_unset(h, i);
	hash_foreach_pair (p, h) {
		if (p->key % 2)
			continue;
		n++;
	}
	CU_ASSERT_EQUAL(n, 200);
	hash_foreach_pair (p, h, ({ n += p->value[0] == 10 * p->key; }))
		;
	CU_ASSERT_EQUAL(n, 600);
	hash_foreach(key, value, h, ({ sum += value - 9 * key; }));
	CU_ASSERT_EQUAL(sum, 499 * 500 / 2 - 5 * 99 * 100 / 2);
	n = 0;
	while ((p = hash_next(h, &next)))
		n++;
	CU_ASSERT_EQUAL(n, 400);
	CU_ASSERT_EQUAL(next.i, 0);
	hash_foreach_pair (p, h)
		if (p->key % 2)
			hash_unset(h, p->key);
	CU_ASSERT_EQUAL(hash_elts(h), 200);
	CU_ASSERT_EQUAL(hash_check(h), 0);
	hash_free(h);

	h = hash_create_string(0, sizeof(uword));
	hash_set_mem(h, "a", 1);
	hash_set_mem(h, "bc", 2);
	n = 0;
	hash_foreach_mem(string, value, h, ({ n += strlen(string) == value; }));
	CU_ASSERT_EQUAL(n, 2);
	hash_free(h);
	heap_end();
}

/* Copies are independent; packing keeps every pair. */
static void
dup_and_resize(void)
{
	uword *h, *copy, n_bytes;

	heap_begin(MiB(4));
	h = hash_of(1000);
	for (uword i = 100; i < 1000; i++)
		hash_unset(h, i);
	copy = hash_dup(h);
	hash_unset(h, 5);
	CU_ASSERT_EQUAL(*hash_get(copy, 5), 50);
	CU_ASSERT_EQUAL(hash_elts(copy), 100);
	CU_ASSERT_EQUAL(hash_check(copy), 0);
	n_bytes = hash_bytes(h);
	h = hash_resize(h, 10);
	CU_ASSERT_EQUAL(hash_capacity(h), 64);
	CU_ASSERT_TRUE(hash_bytes(h) < n_bytes);
	CU_ASSERT_EQUAL(hash_elts(h), 99);
	CU_ASSERT_EQUAL(hash_check(h), 0);
	hash_free(h);
	hash_free(copy);
	heap_end();
}

/* Keys that the table owns: copied once, given back with the pair. */
static void
owned_keys_are_copied_and_freed(void)
{
	char name[8] = "first";
	uword *h = 0;
	u32 *v = 0;

	heap_begin(MiB(1));
	CU_ASSERT_EQUAL(hash_set_mem_alloc(&h, name, 1), -EINVAL);
	h = hash_create(0, sizeof(uword));
	CU_ASSERT_EQUAL(hash_set_mem_alloc(&h, name, 1), -EINVAL);
	hash_free(h);
	h = hash_create_string(0, sizeof(uword));
	CU_ASSERT_EQUAL(hash_set_mem_alloc(&h, name, 1), 0);
	CU_ASSERT_EQUAL(hash_set_mem_alloc(&h, name, 2), 0);
	strcpy(name, "second");
	CU_ASSERT_EQUAL(hash_set_mem_alloc(&h, name, 3), 0);
	CU_ASSERT_EQUAL(hash_elts(h), 2);
	CU_ASSERT_EQUAL(*hash_get_mem(h, "first"), 2);
	CU_ASSERT_EQUAL(hash_unset_mem_free(&h, "third"), -ENOENT);
	CU_ASSERT_EQUAL(hash_unset_mem_free(&h, "first"), 0);
	CU_ASSERT_EQUAL(hash_unset_mem_free(&h, "second"), 0);
	hash_free(h);

	h = hash_create_vec(0, sizeof(u32), sizeof(uword));
	vec_add1(v, 7);
	CU_ASSERT_EQUAL(hash_set_mem_alloc(&h, v, 1), 0);
	mheap_fail_get_after(1);
	v[0] = 8;
	CU_ASSERT_EQUAL(hash_set_mem_alloc(&h, v, 2), -ENOMEM);
	mheap_fail_get_after(0);
	v[0] = 7;
	CU_ASSERT_EQUAL(*hash_get_mem(h, v), 1);
	CU_ASSERT_EQUAL(hash_unset_mem_free(&h, v), 0);
	vec_free(v);
	hash_free(h);
	heap_end();
}

/* Our own functions given as such make the same table as the kind of key; a sum alone compares keys
 * as numbers; a kind of sum goes with a function that compares, and the other way round. */
static void
key_functions_by_name(void)
{
	char a[] = "one", b[] = "one";
	u8 *va = 0, *vb = 0;
	uword *h;

	heap_begin(MiB(1));
	h = hash_create2(0, 0, sizeof(uword), string_key_sum, string_key_equal, 0, 0);
	hash_set_mem(h, a, 1);
	CU_ASSERT_EQUAL(*hash_get_mem(h, b), 1);
	CU_ASSERT_EQUAL(hash_set_mem_alloc(&h, "two", 2), 0);
	CU_ASSERT_EQUAL(hash_unset_mem_free(&h, "two"), 0);
	hash_free(h);

	h = hash_create2(0, 4, sizeof(uword), mem_key_sum, mem_key_equal, 0, 0);
	hash_set_mem(h, a, 1);
	CU_ASSERT_EQUAL(*hash_get_mem(h, b), 1);
	b[1] = 'N';
	CU_ASSERT_PTR_NULL(hash_get_mem(h, b));
	b[1] = 'n';
	hash_free(h);

	vec_add(va, a, 3);
	vec_add(vb, b, 3);
	h = hash_create2(0, 1, sizeof(uword), vec_key_sum, vec_key_equal, vec_key_format_pair, 0);
	hash_set_mem(h, va, 1);
	CU_ASSERT_EQUAL(*hash_get_mem(h, vb), 1);
	CU_ASSERT_EQUAL(vec_key_sum(hash_header(h), (uword)va),
			vec_key_sum(hash_header(h), (uword)vb));
	CU_ASSERT_TRUE(vec_key_equal(hash_header(h), (uword)va, (uword)vb));
	hash_free(h);
	vec_free(va);
	vec_free(vb);

	h = hash_create2(0, 0, sizeof(uword), string_key_sum, 0, 0, 0);
	hash_set_mem(h, a, 1);
	CU_ASSERT_PTR_NULL(hash_get_mem(h, b));
	CU_ASSERT_EQUAL(*hash_get_mem(h, a), 1);
	CU_ASSERT_EQUAL(hash_check(h), 0);
	hash_free(h);

	h = hash_create2(0, 0, sizeof(uword), letter_sum, KEY_FUNC_STRING, 0, 0);
	hash_set_mem(h, "a", 1);
	hash_set_mem(h, "A", 2);
	CU_ASSERT_EQUAL(*hash_get_mem(h, "A"), 2);
	CU_ASSERT_EQUAL(hash_check(h), 0);
	hash_free(h);

	h = hash_create2(0, 0, sizeof(uword), KEY_FUNC_STRING, string_key_equal, 0, 0);
	hash_set_mem(h, a, 1);
	CU_ASSERT_EQUAL(*hash_get_mem(h, b), 1);
	hash_free(h);
	heap_end();
}

/* A table made of a header, as what is beneath VPP's macros makes one. */
static void
tables_of_a_header(void)
{
	uword *h, triple[3] = { 1, 2, 3 };
	hash_t like = { .key_sum = (hash_key_sum_function_t *)KEY_FUNC_STRING,
			.key_equal = (hash_key_equal_function_t *)KEY_FUNC_STRING };

	heap_begin(MiB(1));
	h = _hash_create(100, 0);
	CU_ASSERT_EQUAL(hash_capacity(h), 128);
	hash_set(h, 1, 2);
	CU_ASSERT_EQUAL(*hash_get(h, 1), 2);
	h = _hash_free(h);
	CU_ASSERT_PTR_NULL(h);

	hash_set_value_bytes(&like, 2 * sizeof(uword));
	CU_ASSERT_EQUAL(like.log2_pair_size, 2);
	h = _hash_create(0, &like);
	CU_ASSERT_EQUAL(hash_pair_bytes(hash_header(h)), 32);
	CU_ASSERT_EQUAL(hash_pair_log2_bytes(hash_header(h)), 5);
	CU_ASSERT_EQUAL(hash_value_bytes(hash_header(h)), 24);
	/* Two words were asked for: a third is not read. */
	h = _hash_set3(h, (uword) "key", triple, 0);
	CU_ASSERT_EQUAL(hash_get_mem(h, "key")[1], 2);
	CU_ASSERT_EQUAL(hash_get_mem(h, "key")[2], 0);
	h = _hash_unset(h, (uword) "key", triple);
	CU_ASSERT_EQUAL(triple[2], 3);
	CU_ASSERT_EQUAL(hash_elts(h), 0);
	hash_free(h);

	like.value_bytes = 0; /* log2_pair_size says all */
	h = _hash_create(0, &like);
	h = _hash_set3(h, (uword) "key", triple, 0);
	CU_ASSERT_EQUAL(hash_get_mem(h, "key")[2], 3);
	hash_free(h);
	CU_ASSERT_PTR_NULL(hash_create(0, 1ULL << 40));
	CU_ASSERT_PTR_NULL(hash_create(1ULL << 40, 8));
	heap_end();
}

/* The body of hash_foreach_pair is left by break and goes on after continue; the bodies of the
 * others end for one pair, as VPP's do.  Commas and loops in them are no matter. */
static void
bodies_of_loops_break_as_in_vpp(void)
{
	uword *h, key, value, n = 0;
	hash_pair_t *p;

	heap_begin(MiB(1));
	h = hash_of(100);
	hash_foreach_pair (p, h, ({
				   if (++n == 10)
					   break;
			   }))
		;
	CU_ASSERT_EQUAL(n, 10);
	n = 0;
	hash_foreach_pair (p, h, {
		uword both[2] = { p->key, p->value[0] }, i;

		for (i = 0; i < 2; i++)
			if (both[i] == 1000)
				break;
		if (i == 2)
			continue;
		n++;
	})
		;
	CU_ASSERT_EQUAL(n, 0);
	hash_foreach(key, value, h, ({
			     n++;
			     if (key % 2)
				     break;
			     if (value % 20)
				     continue;
			     n += 100, n += 1000;
		     }));
	CU_ASSERT_EQUAL(n, 100 + 50 * 1100);
	hash_free(h);
	heap_end();
}

/* A body may unset any key and set new ones: every pair that stays is seen once. */
static void
bodies_may_change_the_table(void)
{
	uword *h, key, value, n = 0;
	hash_next_t next = { 0 };
	hash_pair_t *p;

	heap_begin(MiB(4));
	h = hash_of(1000);
	hash_foreach(key, value, h, ({
			     if (key < 1000) {
				     n++;
				     hash_set(h, key + 1000, value);
				     hash_unset(h, key);
			     }
		     }));
	CU_ASSERT_EQUAL(n, 1000);
	CU_ASSERT_EQUAL(hash_elts(h), 1000);
	CU_ASSERT_EQUAL(hash_check(h), 0);
	while ((p = hash_next(h, &next)))
		hash_unset(h, p->key);
	CU_ASSERT_EQUAL(hash_elts(h), 0);
	CU_ASSERT_EQUAL(hash_check(h), 0);
	/* Only heads shrink, and not below what 33 pairs want. */
	CU_ASSERT_EQUAL(hash_capacity(h), 128);
	hash_free(h);
	heap_end();
}

/* hash_next sees the pairs in the order of the loops. */
static void
next_goes_the_way_of_the_loops(void)
{
	uword *h;
	hash_next_t next = { 0 };
	hash_pair_t *p;

	heap_begin(MiB(1));
	h = hash_of(300);
	for (uword i = 0; i < 300; i += 3)
		hash_unset(h, i);
	hash_foreach_pair (p, h)
		CU_ASSERT_PTR_EQUAL(p, hash_next(h, &next));
	CU_ASSERT_PTR_NULL(hash_next(h, &next));
	CU_ASSERT_EQUAL(next.i + next.j + next.f0, 0);
	hash_free(h);
	heap_end();
}

/* What does not agree is an error to report, not the end of the process. */
static void
validate_returns_an_error(void)
{
	uword *h;
	clib_error_t *error;

	heap_begin(MiB(1));
	h = hash_of(10);
	CU_ASSERT_PTR_NULL(hash_validate(h));
	hash_header(h)->elts++;
	error = hash_validate(h);
	CU_ASSERT_PTR_NOT_NULL_FATAL(error);
	CU_ASSERT_EQUAL(clib_error_get_code(error), (any)-EUCLEAN);
	clib_error_free(error);
	hash_header(h)->elts--;
	hash_free(h);
	heap_end();
}

/* Bob Jenkins' hash of a string, lookup3's hashlittle(), built of the macros. */
static u32
lookup3(const char *s, u32 n, u32 initial)
{
	u32 a, b, c, k[3];

	a = b = c = 0xdeadbeef + n + initial;
	for (; n > 12; n -= 12, s += 12) {
		memcpy(k, s, 12);
		a += k[0], b += k[1], c += k[2];
		hash_v3_mix32(a, b, c);
	}
	if (!n)
		return c;
	memset(k, 0, sizeof(k));
	memcpy(k, s, n);
	a += k[0], b += k[1], c += k[2];
	hash_v3_finalize32(a, b, c);
	return c;
}

/* The published figures of lookup3; lookup2's and lookup8's mixing as its author writes them out.
 */
static void
mixing_is_jenkins(void)
{
	const char *text = "Four score and seven years ago";
	u32 a = 1, b = 2, c = 3, x = 1, y = 2, z = 3;
	u64 a64 = 1, b64 = 2, c64 = 3, x64 = 1, y64 = 2, z64 = 3;

	CU_ASSERT_EQUAL(lookup3("", 0, 0), 0xdeadbeef);
	CU_ASSERT_EQUAL(lookup3("", 0, 0xdeadbeef), 0xbd5b7dde);
	CU_ASSERT_EQUAL(lookup3(text, 30, 0), 0x17770551);
	CU_ASSERT_EQUAL(lookup3(text, 30, 1), 0xcd628161);

#define LINE(x, y, z, shifted) x -= y, x -= z, x ^= (shifted)
	hash_mix32(a, b, c);
	LINE(x, y, z, z >> 13), LINE(y, z, x, x << 8), LINE(z, x, y, y >> 13);
	LINE(x, y, z, z >> 12), LINE(y, z, x, x << 16), LINE(z, x, y, y >> 5);
	LINE(x, y, z, z >> 3), LINE(y, z, x, x << 10), LINE(z, x, y, y >> 15);
	CU_ASSERT_TRUE(a == x && b == y && c == z);

	hash_mix64(a64, b64, c64);
	LINE(x64, y64, z64, z64 >> 43), LINE(y64, z64, x64, x64 << 9);
	LINE(z64, x64, y64, y64 >> 8), LINE(x64, y64, z64, z64 >> 38);
	LINE(y64, z64, x64, x64 << 23), LINE(z64, x64, y64, y64 >> 5);
	LINE(x64, y64, z64, z64 >> 35), LINE(y64, z64, x64, x64 << 49);
	LINE(z64, x64, y64, y64 >> 11), LINE(x64, y64, z64, z64 >> 12);
	LINE(y64, z64, x64, x64 << 18), LINE(z64, x64, y64, y64 >> 22);
	CU_ASSERT_TRUE(a64 == x64 && b64 == y64 && c64 == z64);
}

/* Keys of 1 to 40 bytes that differ in one bit are told apart, and no byte beside them is read: the
 * keys end where the memory does. */
static void
keys_of_every_length(void)
{
	heap_begin(MiB(1));
	for (uword n = 1; n <= 40; n++) {
		u8 *key = malloc(n), *other = malloc(n);
		uword *h = hash_create_mem(0, n, sizeof(uword));

		memset(key, 0x5a, n);
		hash_set_mem(h, key, n);
		memcpy(other, key, n);
		CU_ASSERT_EQUAL(*hash_get_mem(h, other), n);
		for (uword bit = 0; bit < 8 * n; bit++) {
			other[bit / 8] ^= 1 << bit % 8;
			CU_ASSERT_PTR_NULL(hash_get_mem(h, other));
			CU_ASSERT_FALSE(mem_key_equal(hash_header(h), (uword)key, (uword)other));
			other[bit / 8] ^= 1 << bit % 8;
		}
		hash_free(h);
		free(key);
		free(other);
	}
	heap_end();
}

/* hash_memory: every bit of the bytes, their number and the state change the sum. */
static void
sums_depend_on_every_bit(void)
{
	u8 bytes[40] = { 0 };
	uword n_same = 0;

	for (uword n = 0; n <= sizeof(bytes); n++) {
		uword sum = hash_memory(bytes, (word)n, 0);

		n_same += n < sizeof(bytes) && sum == hash_memory(bytes, (word)n + 1, 0);
		n_same += sum == hash_memory(bytes, (word)n, 1);
		for (uword bit = 0; bit < 8 * n; bit++) {
			bytes[bit / 8] ^= 1 << bit % 8;
			n_same += sum == hash_memory(bytes, (word)n, 0);
			bytes[bit / 8] ^= 1 << bit % 8;
		}
	}
	CU_ASSERT_EQUAL(n_same, 0);
}

/* Keys that differ only in high bits, or by a stride, still spread: no chain is long. */
static void
regular_keys_spread(void)
{
	static const uword strides[] = { 1, 64, 4096, 1ULL << 32, 1ULL << 48, 0x10001 };

	heap_begin(MiB(16));
	for (uword s = 0; s < ARRAY_LEN(strides); s++) {
		uword *h = 0, longest = 0;
		u32 *chain_length = 0;

		for (uword i = 0; i < 10000; i++)
			hash_set(h, i * strides[s], i);
		vec_validate(chain_length, hash_capacity(h) - 1);
		/* The chain of a pair is known by the low bits of its sum, as hash.h says. */
		for (uword i = 0; i < 10000; i++) {
			_hash_link_t *l = (_hash_link_t *)((u8 *)hash_get_pair(h, i * strides[s]) -
							   STRUCT_OFFSET_OF(_hash_link_t, pair));
			u32 *n = chain_length + (l->sum & (hash_capacity(h) - 1));

			longest = clib_max(longest, ++*n);
		}
		CU_ASSERT_TRUE(longest <= 10);
		vec_free(chain_length);
		hash_free(h);
	}
	heap_end();
}

/* Each allocation of a set failing in turn: the pair is in or it is not, as the value says, and
 * all others are there; unset never needs memory. */
static void
every_failed_allocation_leaves_the_table_whole(void)
{
	uword n_failed = 0;

	heap_begin(MiB(4));
	for (uword k = 1; k <= 3; k++) {
		uword *h = 0;

		mheap_fail_get_after(k);
		CU_ASSERT_EQUAL(hash_set(h, 1, 1) != 0, h == NULL);
		mheap_fail_get_after(0);
		hash_free(h);
	}
	for (uword n = 0; n < 200; n++) {
		for (uword k = 1; k <= 2; k++) {
			uword *h = hash_of(n), *copy;
			int error;

			mheap_fail_get_after(k);
			error = hash_set(h, n, 10 * n);
			mheap_fail_get_after(0);
			CU_ASSERT_TRUE(error == 0 || error == -ENOMEM);
			n_failed += error != 0;
			CU_ASSERT_EQUAL(hash_elts(h), n + !error);
			CU_ASSERT_EQUAL(hash_get(h, n) != NULL, !error);
			CU_ASSERT_EQUAL(hash_check(h), 0);
			for (uword i = 0; i < n; i++)
				CU_ASSERT_EQUAL(*hash_get(h, i), 10 * i);

			mheap_fail_get_after(k);
			copy = hash_dup(h);
			CU_ASSERT_TRUE(copy == NULL || hash_elts(copy) == hash_elts(h));
			hash_free(copy);
			mheap_fail_get_after(k);
			h = hash_resize(h, 1000);
			CU_ASSERT_EQUAL(hash_elts(h), n + !error);
			CU_ASSERT_EQUAL(hash_check(h), 0);
			mheap_fail_get_after(1);
			for (uword i = 0; i < n; i++)
				CU_ASSERT_EQUAL(hash_unset(h, i), 0);
			mheap_fail_get_after(0);
			CU_ASSERT_EQUAL(hash_check(h), 0);
			hash_free(h);
		}
	}
	CU_ASSERT_TRUE(n_failed > 0);
	heap_end();
}

/* The check sees each of its invariants broken. */
static void
the_check_sees_what_is_broken(void)
{
	_hash_link_t *l;
	uword *h;
	u32 next;

	heap_begin(MiB(1));
	h = hash_of(20);
	hash_unset(h, 3);
	CU_ASSERT_EQUAL(hash_check(h), 0);
	l = (_hash_link_t *)((u8 *)hash_get_pair(h, 5) - STRUCT_OFFSET_OF(_hash_link_t, pair));

	l->pair.key = 3000; /* another key than the sum's */
	CU_ASSERT_EQUAL(hash_check(h), -EUCLEAN);
	l->pair.key = 5;
	l->sum ^= 1; /* in the wrong chain */
	CU_ASSERT_EQUAL(hash_check(h), -EUCLEAN);
	l->sum ^= 1;
	next = l->next;
	l->next = 1000; /* out of the table */
	CU_ASSERT_EQUAL(hash_check(h), -EUCLEAN);
	l->next = next;
	hash_header(h)->elts++;
	CU_ASSERT_EQUAL(hash_check(h), -EUCLEAN);
	hash_header(h)->elts--;
	next = hash_header(h)->free_pair;
	hash_header(h)->free_pair = 0; /* a free pair is lost */
	CU_ASSERT_EQUAL(hash_check(h), -EUCLEAN);
	hash_header(h)->free_pair = next;
	CU_ASSERT_EQUAL(hash_check(h), 0);
	hash_free(h);
	heap_end();
}

/* Set until the heap is full: everything set is there. */
static void
exhaustion_is_told(void)
{
	uword *h = 0, n = 0;

	heap_begin(KiB(512));
	while (hash_set(h, n * 3, n) == 0)
		n++;
	CU_ASSERT_EQUAL(hash_elts(h), n);
	CU_ASSERT_PTR_NULL(hash_get(h, n * 3));
	for (uword i = 0; i < n; i++)
		CU_ASSERT_EQUAL_FATAL(*hash_get(h, i * 3), i);
	CU_ASSERT_EQUAL(hash_check(h), 0);
	CU_ASSERT_EQUAL(hash_unset(h, 0), 0);
	CU_ASSERT_EQUAL(hash_set(h, n * 3, n), 0);
	hash_free(h);
	heap_end();
}

static const unit_test_t tests[] = {
	UNIT(null_is_an_empty_table),
	UNIT(set_get_unset),
	UNIT(capacity_follows_the_rule),
	UNIT(keys_of_every_kind),
	UNIT(keys_by_functions),
	UNIT(values_of_every_size),
	UNIT(loops_visit_every_pair),
	UNIT(dup_and_resize),
	UNIT(owned_keys_are_copied_and_freed),
	UNIT(key_functions_by_name),
	UNIT(tables_of_a_header),
	UNIT(bodies_of_loops_break_as_in_vpp),
	UNIT(bodies_may_change_the_table),
	UNIT(next_goes_the_way_of_the_loops),
	UNIT(validate_returns_an_error),
	UNIT(mixing_is_jenkins),
	UNIT(keys_of_every_length),
	UNIT(sums_depend_on_every_bit),
	UNIT(regular_keys_spread),
	UNIT(every_failed_allocation_leaves_the_table_whole),
	UNIT(the_check_sees_what_is_broken),
	UNIT(exhaustion_is_told),
};

int
main(void)
{
	return unit_run("hash", tests, ARRAY_LEN(tests));
}
