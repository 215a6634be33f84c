/* SPDX-License-Identifier: Apache-2.0 */
/* A plugin whose functions each want to run after the other. */
#include <stdlib.h>
#include <plugins/plugin.h>

VMHEAP_PLUGIN_REGISTER(.name = "circular", .version = "1.0", .description = "waits for itself");

static clib_error_t *
circular_hen(void)
{
	abort();
}
VMHEAP_MAIN_LOOP_ENTER_FUNCTION(circular_hen, .runs_after = "circular_egg");

static clib_error_t *
circular_egg(void)
{
	abort();
}
VMHEAP_MAIN_LOOP_ENTER_FUNCTION(circular_egg, .runs_after = "circular_hen");

static clib_error_t *
test_circular_fn(cli_output_t *out, unformat_input_t *input, vmheap_cli_command_t *cmd)
{
	return NULL;
}
VMHEAP_CLI_COMMAND(test_circular) = {
	.path = "test circular",
	.short_help = "test circular",
	.function = test_circular_fn,
};
