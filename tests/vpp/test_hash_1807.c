/* SPDX-License-Identifier: Apache-2.0 */
/* Keys of every kind are set and unset at random, as a program of 18.07 does it; a bitmap says which
 * are in, and now and then every key is asked for and the table is walked.
 *
 *   test_hash [iter N] [elts N] [size N] [seed N] [print N] [valid N] [verbose] */
#include <vppinfra/time.h>
#include <vppinfra/cache.h>
#include <vppinfra/error.h>
#include <vppinfra/mem.h>
#include <vppinfra/hash.h>
#include <vppinfra/bitmap.h>
#include <vppinfra/format.h>
#include <vppinfra/random.h>

static int verbose;
#define if_verbose(format, args...)                                                                \
	if (verbose) {                                                                             \
		clib_warning(format, ##args);                                                      \
	}

typedef struct {
	int n_iterations;
	int n_iterations_per_print;
	int n_iterations_per_validate;
	int n_pairs;
	int fixed_hash_size;
	u32 seed;
	int verbose;
} hash_test_t;

/* One kind of key: what a table is made with, and a key for a number. */
typedef struct {
	char *name;
	uword *(*create)(hash_test_t *ht);
	uword (*key)(hash_test_t *ht, u32 i);
	void (*free_key)(uword key);
	/* Keys are words, not pointers. */
	int is_word;
} kind_t;

static u8 *
format_test_pair(u8 *s, va_list *args)
{
	void *CLIB_UNUSED(user_arg) = va_arg(*args, void *);
	void *v = va_arg(*args, void *);
	hash_pair_t *p = va_arg(*args, hash_pair_t *);
	hash_t *h = hash_header(v);

	return format(s, "0x%8U -> 0x%8U", format_hex_bytes, &p->key, sizeof(p->key),
		      format_hex_bytes, &p->value[0], hash_value_bytes(h));
}

/* ---- kinds of keys ---- */

static uword *
create_word(hash_test_t *ht)
{
	return hash_create(ht->fixed_hash_size, sizeof(uword));
}

static uword
key_word(hash_test_t *ht, u32 i)
{
	return (uword)(random_u32(&ht->seed) & ~0xffff) << 16 | i;
}

static void
free_nothing(uword key)
{
}

static uword *
create_uword(hash_test_t *ht)
{
	return hash_create_uword(ht->fixed_hash_size, sizeof(uword));
}

static uword *
create_u32(hash_test_t *ht)
{
	return hash_create_u32(ht->fixed_hash_size, sizeof(uword));
}

static uword
key_of_memory(hash_test_t *ht, u32 i)
{
	u64 *k = clib_mem_alloc(2 * sizeof(k[0]));

	k[0] = i;
	k[1] = (u64)i << 40;
	return pointer_to_uword(k);
}

static void
free_memory(uword key)
{
	clib_mem_free(uword_to_pointer(key, void *));
}

static uword *
create_mem(hash_test_t *ht)
{
	return hash_create_mem(ht->fixed_hash_size, 2 * sizeof(u64), sizeof(uword));
}

static uword *
create_string(hash_test_t *ht)
{
	return hash_create_string(ht->fixed_hash_size, sizeof(uword));
}

static uword
key_string(hash_test_t *ht, u32 i)
{
	u8 *s = random_string(&ht->seed, 5 + (random_u32(&ht->seed) & 0xf));

	s = format(s, "%x", i);
	vec_terminate_c_string(s);
	return pointer_to_uword(s);
}

static uword *
create_vec(hash_test_t *ht)
{
	return hash_create_vec(ht->fixed_hash_size, sizeof(u8), sizeof(uword));
}

static uword
key_vec(hash_test_t *ht, u32 i)
{
	u8 *s = random_string(&ht->seed, 5 + (random_u32(&ht->seed) & 0xf));

	return pointer_to_uword(format(s, "%x", i));
}

static void
free_vector(uword key)
{
	u8 *s = uword_to_pointer(key, u8 *);

	vec_free(s);
}

/* By functions of the program's: the sum is poor on purpose. */
static uword
own_key_sum(hash_t *h, uword key)
{
	u64 *k = uword_to_pointer(key, u64 *);

	return k[0] % h->user;
}

static uword
own_key_equal(struct hash_header *h, uword key1, uword key2)
{
	u64 *k1 = uword_to_pointer(key1, u64 *), *k2 = uword_to_pointer(key2, u64 *);

	return k1[0] == k2[0] && k1[1] == k2[1];
}

static uword *
create_own(hash_test_t *ht)
{
	return hash_create2(ht->fixed_hash_size, /* user */ 101, sizeof(uword), own_key_sum,
			    own_key_equal, format_test_pair, 0);
}

static kind_t kinds[] = {
	{ "word", create_word, key_word, free_nothing, 1 },
	{ "uword", create_uword, key_of_memory, free_memory },
	{ "u32", create_u32, key_of_memory, free_memory },
	{ "mem", create_mem, key_of_memory, free_memory },
	{ "string", create_string, key_string, free_vector },
	{ "vec", create_vec, key_vec, free_vector },
	{ "own functions", create_own, key_of_memory, free_memory },
};

/* ---- the test ---- */

static clib_error_t *
hash_next_test(uword *h)
{
	hash_next_t hn = { 0 };
	hash_pair_t *p0, *p1;
	clib_error_t *error = 0;

	hash_foreach_pair(p0, h, {
		p1 = hash_next(h, &hn);
		error = CLIB_ERROR_ASSERT(p0 == p1);
		if (error)
			break;
	});

	if (!error)
		error = CLIB_ERROR_ASSERT(!hash_next(h, &hn));
	return error;
}

static clib_error_t *
validate_all(uword *h, uword *keys, uword *vals, uword *is_inserted)
{
	clib_error_t *error;
	hash_pair_t *p;
	uword i, *v, n = 0, key, value;

	clib_mem_validate();
	if ((error = hash_validate(h)))
		return error;

	for (i = 0; i < vec_len(keys); i++) {
		v = hash_get(h, keys[i]);
		if ((error = CLIB_ERROR_ASSERT(clib_bitmap_get(is_inserted, i) == (v != 0))))
			return error;
		if (v && (error = CLIB_ERROR_ASSERT(v[0] == vals[i])))
			return error;
		p = hash_get_pair(h, keys[i]);
		if ((error = CLIB_ERROR_ASSERT((p != 0) == (v != 0))))
			return error;
		if (p && (error = CLIB_ERROR_ASSERT(p->key == keys[i])))
			return error;
		n += v != 0;
	}
	if ((error = CLIB_ERROR_ASSERT(hash_elts(h) == n)))
		return error;

	/* *INDENT-OFF* */
	hash_foreach (key, value, h, ({
		i = value >> 32;
		ASSERT (keys[i] == key);
		n--;
	}));
	/* *INDENT-ON* */
	return CLIB_ERROR_ASSERT(n == 0);
}

static clib_error_t *
test_kind(hash_test_t *ht, kind_t *kind)
{
	uword *h = 0, *copy, *keys = 0, *vals = 0, *is_inserted = 0, old, i;
	clib_error_t *error = 0;

	vec_resize(keys, ht->n_pairs);
	vec_resize(vals, vec_len(keys));
	for (i = 0; i < vec_len(keys); i++) {
		keys[i] = kind->key(ht, i);
		vals[i] = i << 32 | random_u32(&ht->seed);
	}

	h = kind->create(ht);
	hash_set_pair_format(h, format_test_pair, 0);
	if (ht->fixed_hash_size)
		hash_set_flags(h, HASH_FLAG_NO_AUTO_GROW | HASH_FLAG_NO_AUTO_SHRINK);

	for (i = 0; i < ht->n_iterations; i++) {
		u32 vi = random_u32(&ht->seed) % vec_len(keys);

		if (clib_bitmap_get(is_inserted, vi)) {
			old = 0;
			if (random_u32(&ht->seed) & 1)
				hash_unset3(h, keys[vi], &old);
			else if (kind->is_word)
				old = hash_get(h, keys[vi])[0], hash_unset(h, keys[vi]);
			else {
				old = hash_get_mem(h, uword_to_pointer(keys[vi], void *))[0];
				hash_unset_mem(h, uword_to_pointer(keys[vi], void *));
			}
			if ((error = CLIB_ERROR_ASSERT(old == vals[vi])))
				goto done;
		} else {
			if (kind->is_word)
				hash_set(h, keys[vi], vals[vi]);
			else
				hash_set_mem(h, uword_to_pointer(keys[vi], void *), vals[vi]);
		}

		is_inserted = clib_bitmap_xori(is_inserted, vi);

		if (ht->n_iterations_per_print > 0 && ((i + 1) % ht->n_iterations_per_print) == 0)
			if_verbose("%s, iteration %wd\n  %U", kind->name, i + 1, format_hash, h,
				   ht->verbose);

		if (ht->n_iterations_per_validate == 0 || (i + 1) % ht->n_iterations_per_validate)
			continue;
		if ((error = validate_all(h, keys, vals, is_inserted)))
			goto done;
	}

	if ((error = hash_next_test(h)) || (error = validate_all(h, keys, vals, is_inserted)))
		goto done;

	/* A copy and a table of another size hold the same. */
	copy = hash_dup(h);
	h = hash_resize(h, 4 * hash_capacity(h));
	if ((error = validate_all(h, keys, vals, is_inserted)) ||
	    (error = validate_all(copy, keys, vals, is_inserted)))
		goto done;
	hash_free(copy);

	if_verbose("%U", format_hash, h, ht->verbose);

	for (i = 0; i < vec_len(keys); i++) {
		if (!clib_bitmap_get(is_inserted, i))
			continue;
		hash_unset(h, keys[i]);
		is_inserted = clib_bitmap_xori(is_inserted, i);
	}
	error = validate_all(h, keys, vals, is_inserted);

done:
	hash_free(h);
	for (i = 0; i < vec_len(keys); i++)
		kind->free_key(keys[i]);
	vec_free(keys);
	vec_free(vals);
	clib_bitmap_free(is_inserted);

	return error;
}

int
test_hash_main(unformat_input_t *input)
{
	hash_test_t _ht = { 0 }, *ht = &_ht;
	clib_error_t *error;
	int i, n_failed = 0;

	ht->n_iterations = 100;
	ht->n_pairs = 1000;

	while (unformat_check_input(input) != UNFORMAT_END_OF_INPUT) {
		if (0 == unformat(input, "iter %d", &ht->n_iterations) &&
		    0 == unformat(input, "print %d", &ht->n_iterations_per_print) &&
		    0 == unformat(input, "elts %d", &ht->n_pairs) &&
		    0 == unformat(input, "size %d", &ht->fixed_hash_size) &&
		    0 == unformat(input, "seed %d", &ht->seed) &&
		    0 == unformat(input, "verbose %=", &ht->verbose, 1) &&
		    0 == unformat(input, "valid %d", &ht->n_iterations_per_validate)) {
			clib_warning("unknown input `%U'", format_unformat_error, input);
			return 1;
		}
	}

	if (!ht->seed)
		ht->seed = random_default_seed();
	if_verbose("testing %d iterations, seed %d", ht->n_iterations, ht->seed);

	for (i = 0; i < ARRAY_LEN(kinds); i++) {
		error = test_kind(ht, &kinds[i]);
		if (error) {
			n_failed++;
			clib_warning("%s keys:", kinds[i].name);
			error->flags &= ~CLIB_ERROR_FATAL;
			clib_error_report(error);
		}
	}
	fformat(stdout, "%d kinds of keys, %d iterations each, %d failed\n", (int)ARRAY_LEN(kinds),
		ht->n_iterations, n_failed);
	return n_failed;
}

#ifdef CLIB_UNIX
int
main(int argc, char *argv[])
{
	unformat_input_t i;
	int ret;

	clib_mem_init(0, 3ULL << 30);

	verbose = (argc > 15);
	unformat_init_command_line(&i, argv);
	ret = test_hash_main(&i);
	unformat_free(&i);

	return ret;
}
#endif /* CLIB_UNIX */
