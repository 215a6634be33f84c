/* SPDX-License-Identifier: Apache-2.0 */
/* A plugin that calls what nobody has: its note is fine, the loader refuses it. */
#include <plugins/plugin.h>

VMHEAP_PLUGIN_REGISTER(.name = "unresolved", .version = "1.0", .description = "calls nobody");

clib_error_t *nobody_has_this_function(void);

static clib_error_t *
unresolved_init(void)
{
	return nobody_has_this_function();
}
VMHEAP_INIT_FUNCTION(unresolved_init);
