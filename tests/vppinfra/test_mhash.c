/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <vppinfra/format.h>
#include <vppinfra/mhash.h>
#include "container_test.h"

typedef struct {
	u8 bytes[12];
} key12_t;

static key12_t
key_of(u32 i)
{
	key12_t k = { { 0 } };

	memcpy(k.bytes + 4, &i, sizeof(i));
	return k;
}

/* The table keeps its own copy of a key of n bytes; offsets name keys. */
static void
keys_of_n_bytes(void)
{
	mhash_t m;
	key12_t k;
	uword old = 0, offset;

	heap_begin(MiB(1));
	CU_ASSERT_EQUAL(mhash_init(&m, sizeof(uword), sizeof(k)), 0);
	CU_ASSERT_EQUAL(mhash_value_bytes(&m), 8);
	k = key_of(7);
	CU_ASSERT_PTR_NULL(mhash_get(&m, &k));
	offset = mhash_set(&m, &k, 70, &old);
	CU_ASSERT_NOT_EQUAL_FATAL(offset, ~0ULL);
	memset(&k, 0xff, sizeof(k));
	CU_ASSERT_PTR_NULL(mhash_get(&m, &k));
	k = key_of(7);
	CU_ASSERT_EQUAL(*mhash_get(&m, &k), 70);
	CU_ASSERT_EQUAL(memcmp(mhash_key_to_mem(&m, offset), &k, sizeof(k)), 0);
	CU_ASSERT_EQUAL(mhash_get_pair(&m, &k)->key, offset);
	CU_ASSERT_EQUAL(mhash_set(&m, &k, 71, &old), offset);
	CU_ASSERT_EQUAL(old, 70);
	CU_ASSERT_EQUAL(mhash_elts(&m), 1);
	k = key_of(8);
	CU_ASSERT_NOT_EQUAL(mhash_set(&m, &k, 80, 0), offset);
	CU_ASSERT_EQUAL(mhash_unset(&m, &k, &old), 1);
	CU_ASSERT_EQUAL(old, 80);
	CU_ASSERT_EQUAL(mhash_unset(&m, &k, &old), 0);
	CU_ASSERT_EQUAL(mhash_elts(&m), 1);
	/* The place of 8 is used again. */
	k = key_of(9);
	mhash_set(&m, &k, 90, 0);
	CU_ASSERT_EQUAL(vec_len(m.key_vector_or_heap), 2 * sizeof(k));
	CU_ASSERT_EQUAL(mhash_check(&m), 0);
	mhash_free(&m);
	CU_ASSERT_PTR_NULL(m.hash);
	heap_end();
}

/* C strings: any other copy of the letters finds them. */
static void
keys_that_are_strings(void)
{
	char name[16] = "interface";
	mhash_t m;
	uword offset;

	heap_begin(MiB(1));
	CU_ASSERT_EQUAL(mhash_init_c_string(&m, sizeof(uword)), 0);
	offset = mhash_set(&m, name, 1, 0);
	mhash_set(&m, "", 2, 0);
	mhash_set(&m, "inter", 3, 0);
	strcpy(name, "gone");
	CU_ASSERT_PTR_NULL(mhash_get(&m, name));
	CU_ASSERT_EQUAL(*mhash_get(&m, "interface"), 1);
	CU_ASSERT_EQUAL(*mhash_get(&m, ""), 2);
	CU_ASSERT_EQUAL(*mhash_get(&m, "inter"), 3);
	CU_ASSERT_STRING_EQUAL(mhash_key_to_mem(&m, offset), "interface");
	CU_ASSERT_EQUAL(mhash_unset(&m, "inter", 0), 1);
	CU_ASSERT_EQUAL(*mhash_get(&m, "interface"), 1);
	CU_ASSERT_EQUAL(mhash_elts(&m), 2);
	CU_ASSERT_EQUAL(mhash_check(&m), 0);
	mhash_free(&m);
	heap_end();
}

/* Vectors of bytes, zeros and no bytes at all among them; what is stored is a vector, too. */
static void
keys_that_are_vectors(void)
{
	u8 *a = 0, *b = 0, *stored;
	mhash_t m;
	uword offset;

	heap_begin(MiB(1));
	CU_ASSERT_EQUAL(mhash_init_vec_string(&m, sizeof(uword)), 0);
	vec_add(a, "ab\0cd", 5);
	vec_add(b, "ab\0ce", 5);
	offset = mhash_set(&m, a, 1, 0);
	mhash_set(&m, b, 2, 0);
	mhash_set(&m, 0, 3, 0);
	CU_ASSERT_EQUAL(*mhash_get(&m, a), 1);
	CU_ASSERT_EQUAL(*mhash_get(&m, b), 2);
	CU_ASSERT_EQUAL(*mhash_get(&m, 0), 3);
	vec_dec_len(b, 1);
	CU_ASSERT_PTR_NULL(mhash_get(&m, b));
	stored = mhash_key_to_mem(&m, offset);
	CU_ASSERT_EQUAL(vec_len(stored), 5);
	CU_ASSERT_TRUE(vec_is_equal(stored, a));
	CU_ASSERT_PTR_NOT_EQUAL(stored, a);
	CU_ASSERT_EQUAL(mhash_unset(&m, a, 0), 1);
	CU_ASSERT_EQUAL(mhash_unset(&m, 0, 0), 1);
	CU_ASSERT_EQUAL(mhash_check(&m), 0);
	vec_free(a);
	vec_free(b);
	mhash_free(&m);
	heap_end();
}

/* Values of several words go by pointer, and a word fills up with zeros; of none: a set. */
static void
values_of_every_size(void)
{
	uword triple[3] = { 1, 2, 3 }, old[3] = { 0 };
	mhash_t m;

	heap_begin(MiB(1));
	mhash_init_c_string(&m, sizeof(triple));
	mhash_set_mem(&m, "x", triple, 0);
	CU_ASSERT_EQUAL(mhash_get(&m, "x")[2], 3);
	mhash_set_mem(&m, "y", 0, 0);
	CU_ASSERT_EQUAL(mhash_get(&m, "y")[2], 0);
	mhash_set_mem(&m, "x", 0, old);
	CU_ASSERT_EQUAL(old[2], 3);
	CU_ASSERT_EQUAL(mhash_get(&m, "x")[2], 3);
	mhash_set(&m, "x", 9, 0);
	CU_ASSERT_EQUAL(mhash_get(&m, "x")[0], 9);
	CU_ASSERT_EQUAL(mhash_get(&m, "x")[2], 3);
	mhash_set(&m, "z", 9, 0);
	CU_ASSERT_EQUAL(mhash_get(&m, "z")[2], 0);
	mhash_free(&m);

	mhash_init_c_string(&m, 0);
	CU_ASSERT_NOT_EQUAL(mhash_set(&m, "x", 1, 0), ~0ULL);
	CU_ASSERT_PTR_NOT_NULL(mhash_get(&m, "x"));
	CU_ASSERT_PTR_NULL(mhash_get(&m, "y"));
	mhash_free(&m);
	heap_end();
}

/* The walk sees each key once; break ends it, continue does not, and keys may be unset. */
static void
foreach_visits_every_key(void)
{
	mhash_t m;
	uword *v, n = 0, sum = 0;
	char *k, name[16];

	heap_begin(MiB(1));
	mhash_init_c_string(&m, sizeof(uword));
	for (u32 i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "key%u", i);
		mhash_set(&m, name, i, 0);
	}
	mhash_foreach(k, v, &m, ({
			      CU_ASSERT_EQUAL(strtoul(k + 3, 0, 10), *v);
			      if (*v % 2)
				      continue;
			      n++, sum += *v;
		      }));
	CU_ASSERT_EQUAL(n, 50);
	CU_ASSERT_EQUAL(sum, 2450);
	mhash_foreach(k, v, &m, {
		if (n-- == 40)
			break;
	});
	CU_ASSERT_EQUAL(n, 39);
	mhash_foreach(k, v, &m, ({
			      if (*v < 90)
				      mhash_unset(&m, k, 0);
		      }));
	CU_ASSERT_EQUAL(mhash_elts(&m), 10);
	CU_ASSERT_EQUAL(mhash_check(&m), 0);
	mhash_free(&m);
	heap_end();
}

/* A copy of the struct elsewhere works on: nothing remembers where it was. */
static void
the_struct_may_move(void)
{
	mhash_t m, moved;

	heap_begin(MiB(1));
	mhash_init_c_string(&m, sizeof(uword));
	mhash_set(&m, "a", 1, 0);
	moved = m;
	memset(&m, 0xff, sizeof(m));
	CU_ASSERT_EQUAL(*mhash_get(&moved, "a"), 1);
	for (u32 i = 0; i < 200; i++) {
		char name[16];

		snprintf(name, sizeof(name), "%u", i);
		mhash_set(&moved, name, i, 0);
	}
	CU_ASSERT_EQUAL(*mhash_get(&moved, "a"), 1);
	CU_ASSERT_EQUAL(*mhash_get(&moved, "199"), 199);
	CU_ASSERT_EQUAL(mhash_check(&moved), 0);
	mhash_free(&moved);
	heap_end();
}

/* The seed changes every sum, not what is found. */
static void
the_seed_is_used(void)
{
	mhash_t m;

	heap_begin(MiB(1));
	mhash_init_c_string(&m, sizeof(uword));
	m.hash_seed = 0xdeadbeef;
	for (u32 i = 0; i < 100; i++) {
		char name[16];

		snprintf(name, sizeof(name), "%u", i);
		mhash_set(&m, name, i, 0);
	}
	CU_ASSERT_EQUAL(*mhash_get(&m, "77"), 77);
	CU_ASSERT_EQUAL(mhash_check(&m), 0);
	m.hash_seed = 0;
	CU_ASSERT_EQUAL(mhash_check(&m), -EUCLEAN);
	m.hash_seed = 0xdeadbeef;
	mhash_free(&m);
	heap_end();
}

static u8 *
format_key12(u8 *s, va_list *args)
{
	key12_t *k = va_arg(*args, key12_t *);

	return format(s, "key %u", k->bytes[4]);
}

/* Keys as text. */
static void
keys_are_printed(void)
{
	key12_t k = key_of(42);
	u8 *s = 0, *v = 0;
	mhash_t m;
	uword offset;

	heap_begin(MiB(1));
	mhash_init(&m, sizeof(uword), sizeof(k));
	offset = mhash_set(&m, &k, 1, 0);
	s = format(s, "%U%c", format_mhash_key, &m, (u32)offset, 0);
	CU_ASSERT_STRING_EQUAL(s, "000000002a00000000000000");
	m.format_key = format_key12;
	vec_reset_length(s);
	s = format(s, "%U%c", format_mhash_key, &m, (u32)offset, 0);
	CU_ASSERT_STRING_EQUAL(s, "key 42");
	mhash_free(&m);

	mhash_init_c_string(&m, sizeof(uword));
	offset = mhash_set(&m, "string", 1, 0);
	vec_reset_length(s);
	s = format(s, "%U%c", format_mhash_key, &m, (u32)offset, 0);
	CU_ASSERT_STRING_EQUAL(s, "string");
	mhash_free(&m);

	mhash_init_vec_string(&m, sizeof(uword));
	v = format(v, "vector");
	offset = mhash_set(&m, v, 1, 0);
	vec_reset_length(s);
	s = format(s, "%U%c", format_mhash_key, &m, (u32)offset, 0);
	CU_ASSERT_STRING_EQUAL(s, "vector");
	vec_free(v);
	vec_free(s);
	mhash_free(&m);
	heap_end();
}

/* Threads that are started after the table was made look up at once, each its own keys. */
#define N_READERS 4

static void *
read_strings(void *arg)
{
	mhash_t *m = arg;
	uword n_wrong = 0;
	char name[16];

	for (u32 round = 0; round < 200; round++)
		for (u32 i = 0; i < 100; i++) {
			uword *v;

			snprintf(name, sizeof(name), "%u", i);
			v = mhash_get(m, name);
			n_wrong += !v || *v != i;
			name[0] = 'x';
			n_wrong += mhash_get(m, name) != NULL;
		}
	return (void *)n_wrong;
}

static void
many_threads_look_at_once(void)
{
	pthread_t threads[N_READERS];
	mhash_t m;

	heap_begin(MiB(1));
	mhash_init_c_string(&m, sizeof(uword));
	for (u32 i = 0; i < 100; i++) {
		char name[16];

		snprintf(name, sizeof(name), "%u", i);
		mhash_set(&m, name, i, 0);
	}
	for (u32 i = 0; i < N_READERS; i++)
		CU_ASSERT_EQUAL(pthread_create(&threads[i], NULL, read_strings, &m), 0);
	for (u32 i = 0; i < N_READERS; i++) {
		void *n_wrong;

		pthread_join(threads[i], &n_wrong);
		CU_ASSERT_PTR_NULL(n_wrong);
	}
	mhash_free(&m);
	heap_end();
}

/* ---- random operations beside an array of values by key ---- */

#define N_KEYS 700

static u8 *keys[N_KEYS]; /* vectors that end in a NUL which does not count */
static uword model[N_KEYS];

/* Keys of 2 to 41 letters, each with its number in front; all of one length when asked. */
static void
make_keys(u64 *seed, u32 n_fixed)
{
	for (u32 i = 0; i < N_KEYS; i++) {
		u32 n = n_fixed ? n_fixed : 2 + (u32)unit_random_below(seed, 40);

		keys[i] = 0;
		vec_validate(keys[i], clib_max(n, 4u));
		snprintf((char *)keys[i], 5, "%04u", i);
		for (u32 k = 4; k < n; k++)
			keys[i][k] = (u8)('a' + unit_random_below(seed, 26));
		vec_set_len(keys[i], clib_max(n, 4u));
	}
}

static void
compare_with_model(mhash_t *m)
{
	uword n = 0, *v;
	u8 *k;

	CU_ASSERT_EQUAL_FATAL(mhash_check(m), 0);
	for (u32 i = 0; i < N_KEYS; i++) {
		v = mhash_get(m, keys[i]);
		CU_ASSERT_EQUAL_FATAL(v ? *v : 0, model[i]);
		n += model[i] != 0;
	}
	CU_ASSERT_EQUAL_FATAL(mhash_elts(m), n);
	mhash_foreach(k, v, m, ({
			      u32 i = (u32)(k[0] - '0') * 1000 + (u32)(k[1] - '0') * 100 +
				      (u32)(k[2] - '0') * 10 + (u32)(k[3] - '0');

			      CU_ASSERT_EQUAL_FATAL(*v, model[i]);
			      n--;
		      }));
	CU_ASSERT_EQUAL_FATAL(n, 0);
}

static void
random_operations(uword n_key_bytes, u64 *seed)
{
	u64 n_ops = unit_n_ops(300000), range = N_KEYS;
	mhash_t m;

	heap_begin(MiB(4));
	make_keys(seed, n_key_bytes > 1 ? (u32)n_key_bytes : 0);
	memset(model, 0, sizeof(model));
	CU_ASSERT_EQUAL_FATAL(mhash_init(&m, sizeof(uword), n_key_bytes), 0);
	for (u64 op = 1; op <= n_ops; op++) {
		u32 i = (u32)unit_random_below(seed, range);
		uword old = 0;

		if (unit_random_below(seed, 2)) {
			CU_ASSERT_NOT_EQUAL_FATAL(mhash_set(&m, keys[i], op, &old), ~0ULL);
			CU_ASSERT_EQUAL_FATAL(old, model[i]);
			model[i] = op;
		} else {
			CU_ASSERT_EQUAL_FATAL(mhash_unset(&m, keys[i], &old), model[i] != 0);
			CU_ASSERT_EQUAL_FATAL(old, model[i]);
			model[i] = 0;
		}
		if (op % 2000 == 0) {
			compare_with_model(&m);
			range = 10 + unit_random_below(seed, N_KEYS - 10);
		}
	}
	compare_with_model(&m);
	mhash_free(&m);
	for (u32 i = 0; i < N_KEYS; i++)
		vec_free(keys[i]);
	heap_end();
}

static void
random_operations_match_an_array(void)
{
	u64 seed = unit_seed();

	random_operations(MHASH_VEC_STRING_KEY, &seed);
	random_operations(MHASH_C_STRING_KEY, &seed);
	random_operations(5, &seed);
	random_operations(16, &seed);
	random_operations(100, &seed);
}

static const unit_test_t tests[] = {
	UNIT(keys_of_n_bytes),           UNIT(keys_that_are_strings),
	UNIT(keys_that_are_vectors),     UNIT(values_of_every_size),
	UNIT(foreach_visits_every_key),  UNIT(the_struct_may_move),
	UNIT(the_seed_is_used),          UNIT(keys_are_printed),
	UNIT(many_threads_look_at_once), UNIT(random_operations_match_an_array),
};

int
main(void)
{
	return unit_run("mhash", tests, ARRAY_LEN(tests));
}
