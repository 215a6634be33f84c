/* SPDX-License-Identifier: Apache-2.0 */
/* A plugin with nothing wrong with it.  test_note makes bad ones from copies of its file.  Its
 * constructor leaves a file behind, so the test can tell whether code of a copy ran. */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <plugins/plugin.h>

VMHEAP_PLUGIN_REGISTER(.name = "good", .version = "1.0", .description = "nothing wrong with it");

static void __attribute__((constructor)) leave_a_witness(void)
{
	const char *dir = getenv("VMHEAP_TEST_WITNESS");
	char path[512];
	Dl_info info;
	int fd;

	if (!dir || !dladdr(&vmheap_plugin_note, &info))
		return;
	snprintf(path, sizeof(path), "%s/%s", dir, strrchr(info.dli_fname, '/') + 1);
	fd = open(path, O_CREAT | O_WRONLY, 0600);
	if (fd >= 0)
		close(fd);
}

static clib_error_t *
good_config(unformat_input_t *input)
{
	u32 n;

	while (unformat_check_input(input) != UNFORMAT_END_OF_INPUT)
		if (!unformat(input, "number %u", &n))
			return vmheap_config_unknown(input, "number N");
	return NULL;
}
VMHEAP_CONFIG_FUNCTION(good_config, "good");

static clib_error_t *
test_good_fn(cli_output_t *out, unformat_input_t *input, vmheap_cli_command_t *cmd)
{
	cli_text(out, "good");
	return NULL;
}
VMHEAP_CLI_COMMAND(test_good) = {
	.path = "test good",
	.short_help = "test good",
	.function = test_good_fn,
};
