/* SPDX-License-Identifier: Apache-2.0 */
#include <vppinfra/hash.h>
#include <vppinfra/mem.h>
#include "unit.h"

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
	hash_foreach_pair(p, h, ({ n += p->value[0] == 10 * p->key; }));
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

/* ---- random operations beside an array of values by key ---- */

#define N_KEYS 4096

static u64 model[N_KEYS]; /* 0: not there */
static u64 model_n;

/* Keys of both kinds: numbers far apart, and the bytes of such numbers. */
static u64 key_bytes[N_KEYS];

static void
compare_with_model(uword *h, int is_mem)
{
	uword key, value, n = 0;

	CU_ASSERT_EQUAL_FATAL(hash_check(h), 0);
	CU_ASSERT_EQUAL_FATAL(hash_elts(h), model_n);
	for (uword i = 0; i < N_KEYS; i++) {
		uword *v = is_mem ? hash_get_mem(h, &key_bytes[i]) : hash_get(h, key_bytes[i]);

		CU_ASSERT_EQUAL_FATAL(v ? *v : 0, model[i]);
	}
	hash_foreach(key, value, h, ({
			     CU_ASSERT_TRUE(key != 0 || value != 0);
			     n++;
		     }));
	CU_ASSERT_EQUAL_FATAL(n, model_n);
}

static void
random_operations(int is_mem, u64 n_ops, u64 *seed)
{
	uword *h = 0;
	u64 favour = 8, n_refused = 0, range = N_KEYS;

	heap_begin(MiB(16));
	memset(model, 0, sizeof(model));
	model_n = 0;
	for (u64 i = 0; i < N_KEYS; i++)
		key_bytes[i] = i * 0x100000001ull << (i % 3 ? 0 : 20);
	h = is_mem ? hash_create_mem(0, sizeof(u64), sizeof(uword)) : NULL;
	for (u64 op = 0; op < n_ops; op++) {
		u64 i = unit_random_below(seed, range), key = key_bytes[i], old = 0;
		/* Another copy of the bytes than the one the table points at. */
		uword *found;
		int error;

		if (op % 5000 == 0) {
			favour = 2 + unit_random_below(seed, 12);
			range = 16 + unit_random_below(seed, N_KEYS - 16);
		}
		if (unit_random_below(seed, 16) < favour) {
			if (unit_random_below(seed, 8) == 0)
				mheap_fail_get_after(1 + unit_random_below(seed, 2));
			error = is_mem ? hash_set3(h, (uword)&key_bytes[i], op + 1, &old)
				       : hash_set3(h, key, op + 1, &old);
			mheap_fail_get_after(0);
			CU_ASSERT_TRUE(error == 0 || (error == -ENOMEM && model[i] == 0));
			n_refused += error != 0;
			if (!error) {
				CU_ASSERT_EQUAL(old, model[i]);
				model_n += model[i] == 0;
				model[i] = op + 1;
			}
		} else {
			error = is_mem ? hash_unset3(h, (uword)&key, &old)
				       : hash_unset3(h, key, &old);
			CU_ASSERT_EQUAL(error, model[i] ? 0 : -ENOENT);
			CU_ASSERT_EQUAL(old, model[i]);
			model_n -= model[i] != 0;
			model[i] = 0;
		}
		i = unit_random_below(seed, range);
		key = key_bytes[i];
		found = is_mem ? hash_get_mem(h, &key) : hash_get(h, key);
		CU_ASSERT_EQUAL_FATAL(found ? *found : 0, model[i]);
		if (op % 1000 == 0)
			compare_with_model(h, is_mem);
		if (unit_random_below(seed, 8000) == 0) {
			hash_free(h);
			memset(model, 0, sizeof(model));
			model_n = 0;
			h = is_mem ? hash_create_mem(0, sizeof(u64), sizeof(uword)) : NULL;
		}
	}
	CU_ASSERT_TRUE(n_refused > 0);
	compare_with_model(h, is_mem);
	hash_free(h);
	heap_end();
}

static void
random_operations_match_an_array(void)
{
	u64 seed = unit_seed();

	random_operations(0, unit_n_ops(1500000), &seed);
	random_operations(1, unit_n_ops(1500000), &seed);
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
	UNIT(sums_depend_on_every_bit),
	UNIT(regular_keys_spread),
	UNIT(every_failed_allocation_leaves_the_table_whole),
	UNIT(the_check_sees_what_is_broken),
	UNIT(exhaustion_is_told),
	UNIT(random_operations_match_an_array),
};

int
main(void)
{
	return unit_run("hash", tests, ARRAY_LEN(tests));
}
