/* SPDX-License-Identifier: Apache-2.0 */
/* Bitmaps of 18.07: loops with their body as an argument, runs of bits, sets combined, the pieces
 * that a pool or a port allocator is made of.
 *
 *   test_bitmap [iter N] [seed N] */
#include <vppinfra/bitmap.h>
#include <vppinfra/random.h>
#include <vppinfra/mem.h>

#define N_BITS 700

static u8 model[N_BITS + 64];

#define CHECK(truth)                                                                               \
	do {                                                                                       \
		if (!(truth)) {                                                                    \
			clib_warning("%s\n%U", #truth, format_bitmap_list, bm);                    \
			return 1;                                                                  \
		}                                                                                  \
	} while (0)

static int
agrees(uword *bm)
{
	uword i, n = 0, n_set = 0, last = ~0;

	for (i = 0; i < N_BITS; i++) {
		if (clib_bitmap_get(bm, i) != model[i])
			return 0;
		if (model[i]) {
			n_set++;
			last = i;
		}
	}
	/* *INDENT-OFF* */
	clib_bitmap_foreach (i, bm, ({
				     uword pair[2] = { i, 1 };

				     if (!model[pair[0]])
					     return 0;
				     n += pair[1];
			     }))
		;
	/* *INDENT-ON* */
	return n == n_set && n == clib_bitmap_count_set_bits(bm) &&
	       clib_bitmap_last_set(bm) == last && clib_bitmap_is_zero(bm) == (n == 0);
}

static int
test_random(u32 n_iter, u32 seed)
{
	uword *bm = 0, *copy, *other, i, n, k, value;
	u32 iter;

	clib_bitmap_alloc(bm, 100);
	CHECK(vec_len(bm) == 2 && clib_bitmap_is_zero(bm));
	for (iter = 0; iter < n_iter; iter++) {
		i = (random_u32(&seed) >> 8) % N_BITS;
		value = random_u64(&seed);
		switch ((random_u32(&seed) >> 16) % 12) {
		case 0:
		case 1:
			bm = clib_bitmap_set(bm, i, value & 1);
			model[i] = value & 1;
			break;
		case 2:
			clib_bitmap_validate(bm, i + 1);
			CHECK(clib_bitmap_set_no_check(bm, i, value & 1) == model[i]);
			model[i] = value & 1;
			CHECK(clib_bitmap_get_no_check(bm, i) == (value & 1));
			break;
		case 3:
			n = clib_min(value % 65, N_BITS - i);
			value = random_u64(&seed);
			bm = clib_bitmap_set_multiple(bm, i, value, n);
			for (k = 0; k < n; k++)
				model[i + k] = (value >> k) & 1;
			CHECK(clib_bitmap_get_multiple(bm, i, n) == (value & pow2_mask(n)));
			break;
		case 4:
			n = (value >> 32) % (N_BITS - i + 1);
			bm = clib_bitmap_set_region(bm, i, value & 1, n);
			memset(model + i, value & 1, n);
			break;
		case 5:
			bm = clib_bitmap_ori(bm, i);
			model[i] = 1;
			break;
		case 6:
			bm = clib_bitmap_andnoti(bm, i);
			model[i] = 0;
			break;
		case 7:
			bm = clib_bitmap_xori(bm, i);
			model[i] ^= 1;
			break;
		case 8:
			for (k = i; k < N_BITS && !model[k]; k++)
				;
			CHECK(clib_bitmap_next_set(bm, i) == (k < N_BITS ? k : ~0));
			for (k = i; k < N_BITS && model[k]; k++)
				;
			CHECK(clib_bitmap_next_clear(bm, i) == k);
			break;
		case 9:
			for (k = 0; k < N_BITS && !model[k]; k++)
				;
			CHECK(clib_bitmap_first_set(bm) == (k < N_BITS ? k : ~0));
			for (k = 0; k < N_BITS && model[k]; k++)
				;
			CHECK(clib_bitmap_first_clear(bm) == k);
			break;
		case 10: /* a set and what is not in it */
			other = 0;
			other = clib_bitmap_random(other, N_BITS, &seed);
			copy = clib_bitmap_dup_or(bm, other);
			copy = clib_bitmap_andnot(copy, other);
			copy = clib_bitmap_or(copy, clib_bitmap_and(other, bm));
			CHECK(clib_bitmap_is_equal(copy, bm));
			copy = clib_bitmap_xor(copy, bm);
			CHECK(clib_bitmap_is_zero(copy));
			clib_bitmap_free(other);
			clib_bitmap_free(copy);
			break;
		case 11:
			copy = clib_bitmap_dup(bm);
			if (iter % 100 == 0) {
				clib_bitmap_zero(bm);
				memset(model, 0, sizeof(model));
				CHECK(clib_bitmap_is_zero(bm) && vec_len(bm) == vec_len(copy));
			} else
				CHECK(clib_bitmap_is_equal(copy, bm));
			clib_bitmap_free(copy);
			break;
		}
		CHECK(agrees(bm));
	}
	clib_bitmap_free(bm);
	return 0;
}

/* Ports of an address, taken and given back. */
static int
test_ports(u32 seed)
{
	uword *bm = 0;
	u32 *ports = 0, i, port;

	clib_bitmap_validate(bm, 65536);
	for (i = 0; i < 2000; i++) {
		port = 1024 + (random_u32(&seed) >> 8) % (65536 - 1024);
		if (clib_bitmap_get_no_check(bm, port))
			continue;
		clib_bitmap_set_no_check(bm, port, 1);
		vec_add1(ports, port);
	}
	CHECK(clib_bitmap_count_set_bits(bm) == vec_len(ports));
	/* Giving the highest back must not cut the map short. */
	while (vec_len(ports)) {
		port = vec_pop(ports);
		bm = clib_bitmap_set(bm, port, 0);
		CHECK(clib_bitmap_get_no_check(bm, 65535) == 0 && vec_len(bm) == 1024);
	}
	CHECK(clib_bitmap_is_zero(bm));
	clib_bitmap_free(bm);
	vec_free(ports);
	return 0;
}

static int
test_text(void)
{
	unformat_input_t input;
	uword *bm = 0;
	u8 *s;

	unformat_init_string(&input, "1,3-5,66", 8);
	CHECK(unformat(&input, "%U", unformat_bitmap_list, &bm));
	unformat_free(&input);
	s = format(0, "%U%c", format_bitmap_hex, bm, 0);
	CHECK(!strcmp((char *)s, "4000000000000003a"));
	unformat_init_string(&input, (char *)s, strlen((char *)s));
	clib_bitmap_free(bm);
	CHECK(unformat(&input, "%U", unformat_bitmap_mask, &bm));
	unformat_free(&input);
	CHECK(clib_bitmap_count_set_bits(bm) == 5 && clib_bitmap_get(bm, 66));
	vec_free(s);
	clib_bitmap_free(bm);
	return 0;
}

#ifdef CLIB_UNIX
int
main(int argc, char *argv[])
{
	unformat_input_t i;
	u32 n_iter = 3000, seed = 1;

	clib_mem_init(0, 16 << 20);
	unformat_init_command_line(&i, argv);
	while (unformat_check_input(&i) != UNFORMAT_END_OF_INPUT)
		if (!unformat(&i, "iter %d", &n_iter) && !unformat(&i, "seed %d", &seed)) {
			clib_warning("unknown input `%U'", format_unformat_error, &i);
			return 1;
		}
	unformat_free(&i);
	return test_random(n_iter, seed) || test_ports(seed) || test_text();
}
#endif
