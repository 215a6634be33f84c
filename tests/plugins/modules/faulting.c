/* SPDX-License-Identifier: Apache-2.0 */
/* A plugin whose command writes where it must not. */
#include <plugins/plugin.h>
#include <vppinfra/mem.h>

VMHEAP_PLUGIN_REGISTER(.name = "faulting", .version = "1.0", .description = "writes past a heap");

static clib_error_t *
test_fault_fn(cli_output_t *out, unformat_input_t *input, vmheap_cli_command_t *cmd)
{
	u8 *heap = clib_mem_main_heap();

	/* Far past what a heap that just started has grown to. */
	*(volatile u8 *)(heap + mheap_max_size(heap) - KiB(64)) = 1;
	return NULL;
}
VMHEAP_CLI_COMMAND(test_fault) = {
	.path = "test fault",
	.short_help = "test fault",
	.function = test_fault_fn,
};
