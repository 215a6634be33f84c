/* SPDX-License-Identifier: Apache-2.0 */
/* A queue under random load, as a program of 18.07 tests one.
 *
 *   test_fifo [iter N] [max N] [seed N] [verbose] */
#include <vppinfra/fifo.h>
#include <vppinfra/random.h>

typedef struct {
	int a, b, c;
} A;

#define CHECK(truth)                                                                               \
	do {                                                                                       \
		if (!(truth)) {                                                                    \
			clib_warning("%s", #truth);                                                \
			goto fail;                                                                 \
		}                                                                                  \
	} while (0)

static int
main_loop(u32 n_iter, u32 max_len, u32 seed, int verbose)
{
	A *fifo = 0, *as = 0, *a, e;
	u32 i, n_added = 0, n_removed = 0, n, j;
	uword index;

	for (i = 0; i < max_len; i++) {
		vec_add2(as, a, 1);
		a->a = i;
		a->b = i * i;
		a->c = ~i;
	}
	clib_fifo_validate(fifo, 1);
	vec_zero(fifo);

	for (i = 0; i < n_iter; i++) {
		if (clib_fifo_elts(fifo) >= max_len)
			j = 1;
		else if (clib_fifo_elts(fifo) == 0)
			j = 0;
		else
			j = (random_u32(&seed) >> 16) % 6;

		switch (j) {
		case 0: /* one, by value */
			clib_fifo_add1(fifo, as[n_added % max_len]);
			n_added++;
			break;
		case 1:
			clib_fifo_sub1(fifo, e);
			CHECK(e.a == n_removed % max_len && e.c == ~e.a);
			n_removed++;
			break;
		case 2: /* in place */
			clib_fifo_add2(fifo, a);
			*a = as[n_added++ % max_len];
			break;
		case 3:
			clib_fifo_sub2(fifo, a);
			CHECK(a->a == n_removed++ % max_len);
			break;
		case 4: /* some at once */
			n = (random_u32(&seed) >> 8) % 9;
			n = clib_min(n, max_len - n_added % max_len);
			clib_fifo_add(fifo, as + n_added % max_len, n);
			n_added += n;
			break;
		case 5: /* by index */
			clib_fifo_validate(fifo, 1);
			index = clib_fifo_advance_tail(fifo, 1);
			fifo[index] = as[n_added++ % max_len];
			n = clib_fifo_elts(fifo) / 2;
			index = clib_fifo_advance_head(fifo, n);
			CHECK(n == 0 || fifo[index].a == n_removed % max_len);
			n_removed += n;
			break;
		}
		CHECK(clib_fifo_elts(fifo) == n_added - n_removed);
		CHECK(clib_fifo_elts(fifo) + clib_fifo_free_elts(fifo) == clib_fifo_len(fifo));
		j = 0;
		/* *INDENT-OFF* */
		clib_fifo_foreach(a, fifo, ({
					  A both[2] = { *a, *a };

					  if (both[1].a != (n_removed + j) % max_len)
						  goto fail;
					  j++;
				  }));
		/* *INDENT-ON* */
		CHECK(j == clib_fifo_elts(fifo));
		if (j) {
			CHECK(clib_fifo_head(fifo)->a == n_removed % max_len);
			CHECK(clib_fifo_elt_at_index(fifo, j - 1)->a == (n_added - 1) % max_len);
		}
		if (verbose)
			fformat(stdout, "%d: %d elements, %d places, head %d, tail %d\n", i, j,
				clib_fifo_len(fifo), clib_fifo_header(fifo)->head_index,
				clib_fifo_header(fifo)->tail_index);
	}
	clib_fifo_reset(fifo);
	CHECK(clib_fifo_elts(fifo) == 0);
	clib_fifo_free(fifo);
	vec_free(as);
	return 0;

fail:
	return 1;
}

#ifdef CLIB_UNIX
int
main(int argc, char *argv[])
{
	unformat_input_t i;
	u32 n_iter = 1000, max_len = 100, seed = 1;
	int verbose = 0;

	unformat_init_command_line(&i, argv);
	while (unformat_check_input(&i) != UNFORMAT_END_OF_INPUT) {
		if (!unformat(&i, "iter %d", &n_iter) && !unformat(&i, "max %d", &max_len) &&
		    !unformat(&i, "seed %d", &seed) && !unformat(&i, "verbose %=", &verbose, 1))
			return 1;
	}
	return main_loop(n_iter, max_len, seed, verbose);
}
#endif
