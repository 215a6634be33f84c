/* SPDX-License-Identifier: Apache-2.0 */
#include <plugins/framework/framework_impl.h>

#include <ctype.h>
#include <vppinfra/vec.h>

clib_error_t *
vmheap_config_unknown(unformat_input_t *input, const char *expected)
{
	clib_error_t *error;
	u8 *word = NULL;
	uword c, offset;

	unformat_skip_white_space(input);
	offset = input->index;
	while ((c = unformat_get_input(input)) != UNFORMAT_END_OF_INPUT && !isspace((int)c))
		vec_add1(word, (u8)c);
	/* Where it was, so that the caller can read on from the word if it likes. */
	input->index = offset;
	if (vec_len(word))
		error = clib_error_return_code(0, (any)offset, VMHEAP_ERROR_AT_WORD,
					       "unknown input '%v', expected %s", word, expected);
	else
		error = clib_error_return_code(0, (any)offset, VMHEAP_ERROR_AT_WORD,
					       "input ends, expected %s", expected);
	vec_free(word);
	return error;
}
