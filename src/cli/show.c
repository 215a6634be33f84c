/* SPDX-License-Identifier: Apache-2.0 */
/* What the daemon's commands print alike: in cli_lib, so that a command can be tested with its own
 * file alone. */
#include <cli/commands.h>

u8 *
format_cli_mib(u8 *s, va_list *va)
{
	u64 n = va_arg(*va, u64);

	if (n >= GiB(1) && n % GiB(1) == 0)
		return format(s, "%.2fG", (f64)n / GiB(1));
	if (n >= MiB(1))
		return format(s, "%.2fM", (f64)n / MiB(1));
	if (n >= KiB(1))
		return format(s, "%.2fK", (f64)n / KiB(1));
	return format(s, "%Lu", n);
}

void
cli_show_u64(cli_output_t *out, const char *key, u64 value)
{
	cli_text(out, "  %-24s %Lu", key, value);
	cli_field_u64(out, key, value);
}

void
cli_show_hex(cli_output_t *out, const char *key, u64 value)
{
	cli_text(out, "  %-24s 0x%Lx", key, value);
	cli_field_string(out, key, "0x%Lx", value);
}

void
cli_show_string(cli_output_t *out, const char *key, const char *value)
{
	cli_text(out, "  %-24s %s", key, value);
	cli_field_string(out, key, "%s", value);
}
