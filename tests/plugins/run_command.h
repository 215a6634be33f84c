/* SPDX-License-Identifier: Apache-2.0 */
/* run_command: a CLI command as the tests of plugins call it, without parser or server. */
#ifndef included_tests_run_command_h
#define included_tests_run_command_h

#include <string.h>
#include <vppinfra/vec.h>
#include <plugins/plugin.h>
#include "unit.h"

/* The text of a command's answer or of its error, good until the next call. */
static inline const char *
run_command(const char *path, const char *words)
{
	static u8 *s;
	vmheap_cli_command_t *c = vmheap_cli_commands();
	cli_output_t *out = cli_output_create();
	unformat_input_t input;
	clib_error_t *error;

	while (c && strcmp(c->path, path))
		c = c->next;
	CU_ASSERT_PTR_NOT_NULL_FATAL(c);
	unformat_init_cstring(&input, words);
	error = c->function(out, &input, c);
	vec_reset_length(s);
	s = error ? format(s, "error: %v%c", error->what, 0)
		  : format(s, "%U%c", format_cli_output, out, 0);
	clib_error_free(error);
	unformat_free(&input);
	cli_output_free(out);
	return (char *)s;
}

#endif
