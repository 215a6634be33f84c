/* SPDX-License-Identifier: Apache-2.0 */
/* Next nodes by UDP port, as a program of 18.07 keeps them, and what its fast path does with two
 * packets at a time.
 *
 *   test_sparse_vec [ports N] [seed N] */
#include <vppinfra/mem.h>
#include <vppinfra/vec.h>
#include <vppinfra/sparse_vec.h>
#include <vppinfra/bitmap.h>
#include <vppinfra/format.h>
#include <vppinfra/error.h>
#include <vppinfra/random.h>

#define NEXT_PUNT 0xffff

int
test_sparse_vec_main(unformat_input_t *input)
{
	u16 *next_by_dst_port = 0, *n;
	u32 n_ports = 500, seed = 3, i, i0, i1, n_wrong = 0;
	uword *is_set = 0;
	u16 *nexts = 0;

	while (unformat_check_input(input) != UNFORMAT_END_OF_INPUT) {
		if (0 == unformat(input, "ports %d", &n_ports) &&
		    0 == unformat(input, "seed %d", &seed)) {
			clib_warning("unknown input `%U'", format_unformat_error, input);
			return 1;
		}
	}

	next_by_dst_port = sparse_vec_new(/* elt bytes */ sizeof(next_by_dst_port[0]),
					  /* bits in index */ BITS(u16));
	next_by_dst_port[SPARSE_VEC_INVALID_INDEX] = NEXT_PUNT;
	vec_validate_init_empty(nexts, 65535, NEXT_PUNT);

	for (i = 0; i < n_ports; i++) {
		u16 port = random_u32(&seed) >> 16;

		n = sparse_vec_validate(next_by_dst_port, port);
		n[0] = nexts[port] = i & 0x7fff;
		is_set = clib_bitmap_ori(is_set, port);
	}

	for (i = 0; i < 65536; i += 2) {
		sparse_vec_index2(next_by_dst_port, i, i + 1, &i0, &i1);
		n_wrong += (i0 == SPARSE_VEC_INVALID_INDEX) == clib_bitmap_get(is_set, i);
		n_wrong += vec_elt(next_by_dst_port, i0) != nexts[i];
		n_wrong += vec_elt(next_by_dst_port, i1) != nexts[i + 1];
		n_wrong += i0 != sparse_vec_index(next_by_dst_port, i);
		n_wrong += sparse_vec_elt_at_index(next_by_dst_port, i)[0] != nexts[i];
	}
	n_wrong += vec_len(next_by_dst_port) != 1 + clib_bitmap_count_set_bits(is_set);
	{
		sparse_vec_header_t *h = vec_header(next_by_dst_port, sizeof(h[0]));

		n_wrong += h != sparse_vec_header(next_by_dst_port);
		n_wrong += !clib_bitmap_is_equal(h->is_member_bitmap, is_set);
		n_wrong += vec_len(h->member_counts) != 65536 / BITS(uword);
	}
	fformat(stdout, "%d ports, %d wrong\n", vec_len(next_by_dst_port) - 1, n_wrong);

	sparse_vec_free(next_by_dst_port);
	vec_free(nexts);
	clib_bitmap_free(is_set);
	return n_wrong != 0;
}

#ifdef CLIB_UNIX
int
main(int argc, char *argv[])
{
	unformat_input_t i;
	int ret;

	clib_mem_init(0, 3ULL << 30);
	unformat_init_command_line(&i, argv);
	ret = test_sparse_vec_main(&i);
	unformat_free(&i);
	return ret;
}
#endif /* CLIB_UNIX */
