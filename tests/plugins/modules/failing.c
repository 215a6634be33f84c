/* SPDX-License-Identifier: Apache-2.0 */
/* A plugin whose init says no: everything it registered must be withdrawn. */
#include <stdlib.h>
#include <plugins/framework/framework.h>

VMHEAP_PLUGIN_REGISTER(.name = "failing", .version = "1.0", .description = "its init says no");

static void
must_not_tick(void *arg)
{
	abort();
}

static clib_error_t *
failing_enter(void)
{
	vmheap_timer_add(1, must_not_tick, NULL);
	vmheap_worker_add_source(0, "failing-source-that-nobody-has");
	vmheap_graph_add_nodes("*");
	return clib_error_return(0, "device %u is on fire", 7);
}
VMHEAP_MAIN_LOOP_ENTER_FUNCTION(failing_enter);

static clib_error_t *
failing_enter_later(void)
{
	abort();
}
VMHEAP_MAIN_LOOP_ENTER_FUNCTION(failing_enter_later, .runs_after = "failing_enter");

static clib_error_t *
failing_exit(void)
{
	vmheap_log("failing was asked to clean up");
	return clib_error_return(0, "3 things did not come back");
}
VMHEAP_EXIT_FUNCTION(failing_exit);

static clib_error_t *
failing_config(unformat_input_t *input)
{
	return clib_error_return(0, "failing has no options");
}
VMHEAP_CONFIG_FUNCTION(failing_config, "failing");

static clib_error_t *
test_failing_fn(cli_output_t *out, unformat_input_t *input, vmheap_cli_command_t *cmd)
{
	return NULL;
}
VMHEAP_CLI_COMMAND(test_failing) = {
	.path = "test failing",
	.short_help = "test failing",
	.function = test_failing_fn,
};
