/* SPDX-License-Identifier: Apache-2.0 */
/* Text in, in the idiom of today's tree: commands with a line input of their own. */
#include <vppinfra/bitmap.h>
#include <vppinfra/error.h>
#include <vppinfra/format.h>

typedef struct {
	char name[16];
	u8 *description;
	uword *queues;
	u64 rate;
	u64 limit;
	clib_mem_page_sz_t page_size;
	u16 vlan;
	u8 dscp;
	int verbose;
} args_t;

static clib_error_t *
command(unformat_input_t *input, args_t *a)
{
	unformat_input_t _line_input, *line_input = &_line_input;
	clib_error_t *err = 0;

	*a = (args_t){};
	if (!unformat_user(input, unformat_line_input, line_input))
		return clib_error_return(0, "nothing to do");

	while (unformat_check_input(line_input) != UNFORMAT_END_OF_INPUT) {
		if (unformat(line_input, "name %U", unformat_c_string_array, a->name,
			     sizeof(a->name)))
			;
		else if (unformat(line_input, "description %U", unformat_double_quoted_string,
				  &a->description))
			;
		else if (unformat(line_input, "queues %U", unformat_bitmap_list, &a->queues))
			;
		else if (unformat(line_input, "mask %U", unformat_bitmap_mask, &a->queues))
			;
		else if (unformat(line_input, "rate %U", unformat_base10, &a->rate))
			;
		else if (unformat(line_input, "limit %U", unformat_data_size, &a->limit))
			;
		else if (unformat(line_input, "page-size %U", unformat_log2_page_size,
				  &a->page_size))
			;
		else if (unformat(line_input, "vlan %U", unformat_u16, &a->vlan))
			;
		else if (unformat(line_input, "dscp %U", unformat_u8, &a->dscp))
			;
		else if (unformat(line_input, "verbose %=", &a->verbose, 1))
			;
		else {
			err = clib_error_return(0, "unknown input '%U'", format_unformat_error,
						line_input);
			break;
		}
	}
	unformat_free(line_input);
	return err;
}

static void
args_free(args_t *a)
{
	vec_free(a->description);
	clib_bitmap_free(a->queues);
}

int
main(int argc, char *argv[])
{
	unformat_input_t input;
	clib_error_t *err;
	args_t a;
	int n_failed = 0;
	u8 *s;

	clib_mem_init(0, 16 << 20);
	unformat_init_cstring(
		&input, "name eth0 description \"to the lab\" queues 0-3,7 rate 10G limit 2Mb\n"
			"mask ff page-size 2M vlan 100 dscp 46 verbose 3\n"
			"vlan 70000\n"
			"name a-name-that-is-too-long\n");

	err = command(&input, &a);
	n_failed += err || strcmp(a.name, "eth0") || strcmp((char *)a.description, "to the lab") ||
		    clib_bitmap_count_set_bits(a.queues) != 5 || a.rate != 10000000000ULL ||
		    a.limit != 2 << 20;
	args_free(&a);

	err = command(&input, &a);
	n_failed += err || clib_bitmap_last_set(a.queues) != 7 ||
		    a.page_size != CLIB_MEM_PAGE_SZ_2M || a.vlan != 100 || a.dscp != 46 ||
		    a.verbose != 3;
	args_free(&a);

	err = command(&input, &a);
	s = format(0, "%U%c", format_clib_error, err, 0);
	n_failed += strcmp((char *)s, "command: unknown input 'vlan 70000'") != 0;
	vec_free(s);
	clib_error_free(err);

	err = command(&input, &a);
	n_failed += err == 0 || a.name[0] != 0;
	clib_error_free(err);

	err = command(&input, &a);
	n_failed += err == 0;
	clib_error_free(err);
	unformat_free(&input);
	fformat(stdout, "%d failed\n", n_failed);
	return n_failed != 0;
}
