/* SPDX-License-Identifier: Apache-2.0 */
/* Tables that own their keys, as a program of 18.07 uses them: neighbours by an address struct,
 * classes by name, contexts by a vector of bytes.
 *
 *   test_mhash [iter N] [keys N] [seed N] [verbose] */
#include <vppinfra/mem.h>
#include <vppinfra/vec.h>
#include <vppinfra/mhash.h>
#include <vppinfra/bitmap.h>
#include <vppinfra/format.h>
#include <vppinfra/error.h>
#include <vppinfra/random.h>

typedef struct {
	u32 sw_if_index;
	u32 pad;
	u8 address[16];
} neighbor_key_t;

typedef struct {
	u32 n_iterations, n_keys, seed;
	int verbose;
	neighbor_key_t *neighbors;
	u8 **strings;
	u8 **vectors;
} mhash_test_t;

static u8 *
format_neighbor_key(u8 *s, va_list *va)
{
	neighbor_key_t *k = va_arg(*va, neighbor_key_t *);

	return format(s, "if %d %U", k->sw_if_index, format_hex_bytes, k->address,
		      sizeof(k->address));
}

static void *
key_at(mhash_test_t *mt, mhash_t *mh, u32 i)
{
	if (mh->n_key_bytes == MHASH_C_STRING_KEY)
		return mt->strings[i];
	if (mh->n_key_bytes == MHASH_VEC_STRING_KEY)
		return mt->vectors[i];
	return &mt->neighbors[i];
}

static uword
is_same_key(mhash_test_t *mt, mhash_t *mh, u32 i, void *stored)
{
	if (mh->n_key_bytes == MHASH_C_STRING_KEY)
		return !strcmp((char *)mt->strings[i], stored);
	if (mh->n_key_bytes == MHASH_VEC_STRING_KEY)
		return vec_is_equal(mt->vectors[i], (u8 *)stored);
	return !memcmp(&mt->neighbors[i], stored, sizeof(neighbor_key_t));
}

static clib_error_t *
check_all(mhash_test_t *mt, mhash_t *mh, uword *is_set)
{
	clib_error_t *error;
	uword *p, *v, n = 0;
	void *k;
	u32 i;

	for (i = 0; i < mt->n_keys; i++) {
		p = mhash_get(mh, key_at(mt, mh, i));
		if ((error = CLIB_ERROR_ASSERT((p != 0) == clib_bitmap_get(is_set, i))))
			return error;
		if (p && (error = CLIB_ERROR_ASSERT(p[0] == i)))
			return error;
		n += p != 0;
	}
	if ((error = CLIB_ERROR_ASSERT(mhash_elts(mh) == n)))
		return error;
	/* *INDENT-OFF* */
	mhash_foreach (k, v, mh, ({
		if (! is_same_key (mt, mh, v[0], k))
			return clib_error_return (0, "key of %d", v[0]);
		n--;
	}));
	/* *INDENT-ON* */
	return CLIB_ERROR_ASSERT(n == 0);
}

static clib_error_t *
test_table(mhash_test_t *mt, mhash_t *mh, char *name)
{
	clib_error_t *error = 0;
	uword *is_set = 0, old, key;
	u32 i, j;
	u8 *s;

	for (i = 0; i < mt->n_iterations; i++) {
		j = random_u32(&mt->seed) % mt->n_keys;
		old = ~0;
		if (clib_bitmap_get(is_set, j)) {
			key = mhash_get_pair(mh, key_at(mt, mh, j))->key;
			/* Setting it again finds the same key. */
			if ((error = CLIB_ERROR_ASSERT(mhash_set(mh, key_at(mt, mh, j), j, &old) == key)) ||
			    (error = CLIB_ERROR_ASSERT(old == j)))
				return error;
			if ((error = CLIB_ERROR_ASSERT(mhash_unset(mh, key_at(mt, mh, j), &old) == 1)))
				return error;
			if ((error = CLIB_ERROR_ASSERT(old == j)))
				return error;
		} else {
			uword value = j;

			key = mhash_set_mem(mh, key_at(mt, mh, j), &value, &old);
			if ((error = CLIB_ERROR_ASSERT(
				     is_same_key(mt, mh, j, mhash_key_to_mem(mh, key)))))
				return error;
			if ((error = CLIB_ERROR_ASSERT(old == ~0)))
				return error;
		}
		is_set = clib_bitmap_xori(is_set, j);
		if (i % 500 == 0 && (error = check_all(mt, mh, is_set)))
			return error;
	}
	if ((error = check_all(mt, mh, is_set)))
		return error;

	s = 0;
	for (j = 0; j < mt->n_keys && !s; j++)
		if (clib_bitmap_get(is_set, j))
			s = format(s, "%U", format_mhash_key, mh,
				   mhash_get_pair(mh, key_at(mt, mh, j))->key);
	fformat(stdout, "%s: %d keys, one is %v\n", name, (u32)mhash_elts(mh), s);
	vec_free(s);
	clib_bitmap_free(is_set);
	mhash_free(mh);
	return 0;
}

int
test_mhash_main(unformat_input_t *input)
{
	mhash_test_t _mt = { 0 }, *mt = &_mt;
	mhash_t by_neighbor, by_string, by_vector;
	neighbor_key_t *k;
	clib_error_t *error;
	u32 i;

	mt->n_iterations = 20000;
	mt->n_keys = 1000;
	mt->seed = 11;
	while (unformat_check_input(input) != UNFORMAT_END_OF_INPUT) {
		if (0 == unformat(input, "iter %d", &mt->n_iterations) &&
		    0 == unformat(input, "keys %d", &mt->n_keys) &&
		    0 == unformat(input, "seed %d", &mt->seed) &&
		    0 == unformat(input, "verbose %=", &mt->verbose, 1)) {
			clib_warning("unknown input `%U'", format_unformat_error, input);
			return 1;
		}
	}

	for (i = 0; i < mt->n_keys; i++) {
		vec_add2(mt->neighbors, k, 1);
		memset(k, 0, sizeof(k[0]));
		k->sw_if_index = i % 7;
		memcpy(k->address + 8, &i, sizeof(i));
		vec_add1(mt->strings, format(0, "class-%d-%U%c", i, format_white_space, i % 30, 0));
		vec_add1(mt->vectors, format(random_string(&mt->seed, i % 20), "%c%d", 0, i));
	}

	mhash_init(&by_neighbor, sizeof(uword), sizeof(neighbor_key_t));
	by_neighbor.format_key = format_neighbor_key;
	mhash_init_c_string(&by_string, sizeof(uword));
	mhash_init_vec_string(&by_vector, sizeof(uword));
	if ((error = test_table(mt, &by_neighbor, "neighbors")) ||
	    (error = test_table(mt, &by_string, "strings")) ||
	    (error = test_table(mt, &by_vector, "vectors"))) {
		error->flags &= ~CLIB_ERROR_FATAL;
		clib_error_report(error);
		return 1;
	}
	for (i = 0; i < mt->n_keys; i++) {
		vec_free(mt->strings[i]);
		vec_free(mt->vectors[i]);
	}
	vec_free(mt->neighbors);
	vec_free(mt->strings);
	vec_free(mt->vectors);
	return 0;
}

#ifdef CLIB_UNIX
int
main(int argc, char *argv[])
{
	unformat_input_t i;
	int ret;

	clib_mem_init(0, 3ULL << 30);
	unformat_init_command_line(&i, argv);
	ret = test_mhash_main(&i);
	unformat_free(&i);
	return ret;
}
#endif /* CLIB_UNIX */
