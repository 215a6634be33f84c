/* SPDX-License-Identifier: Apache-2.0 */
/* commands: small helpers that the daemon's own commands share. */
#ifndef included_cli_commands_h
#define included_cli_commands_h

#include <cli/cli.h>
#include <vppinfra/format.h>
#include <vppinfra/mem.h>

/** Bytes as VPP's heap lines have them, "1023.99M": arg u64. */
u8 *format_cli_mib(u8 *s, va_list *va);

/** A line "key: value" in text and a field in JSON. */
void cli_show_u64(cli_output_t *out, const char *key, u64 value);
void cli_show_hex(cli_output_t *out, const char *key, u64 value);
void cli_show_string(cli_output_t *out, const char *key, const char *value);

/** What a traced heap holds by site: the table in text unless it is part of what is printed
 *  anyhow, the 50 largest sites, or with is_verbose all, in JSON.  Nothing for other heaps. */
void cli_show_traces(cli_output_t *out, clib_mem_heap_t *heap, int is_verbose, int with_text);

/** Where save memory-trace writes: the folder of a file, as long as one can be named. */
void cli_set_save_folder(const char *file_in_it);

#endif
