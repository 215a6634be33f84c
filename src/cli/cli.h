/* SPDX-License-Identifier: Apache-2.0 */
/* cli: from a line of text to an answer.
 *
 * Commands are the framework's list (plugin.h).  The words of a command's path may be shortened
 * to any prefix that is unique at its place; the longest path that matches wins; what follows is
 * the command's own, and a word that the command does not consume is an error.  Errors repeat the
 * line with a caret under the word they speak of:
 *
 *   show memroy verbose
 *        ^
 *   unknown word 'memroy', expected one of: memory
 *
 * `?` at the end of a line, or `help` before it, asks instead of running.
 *
 * Threads: all calls on the main lcore, one at a time.  Memory: the current heap. */
#ifndef included_cli_cli_h
#define included_cli_cli_h

#include <vppinfra/clib.h>
#include <vppinfra/error.h>
#include <plugins/plugin.h>
#include <cli/protocol.h>

typedef struct {
	u8 status; /* CLI_STATUS_OK or _ERROR */
	u8 quit;   /* the command asked that the connection be closed */
	u8 *body; /* vector: text (lines end in newlines) or a JSON document with a final newline */
} cli_answer_t;

/**
 * Run one line.
 *
 * @param line, n_bytes  any bytes; NULs and other control characters are an error that says so,
 *               and so is more than CLI_LINE_BYTES_MAX.  Empty lines and lines that start with #
 *               are answered with an empty body.
 * @param format  CLI_FORMAT_TEXT or CLI_FORMAT_JSON
 * @param columns  width of the reader's terminal, 0 for none
 * @param[out] answer  the body is the caller's, freed with cli_answer_free()
 */
void cli_run(const u8 *line, uword n_bytes, u32 format, u16 columns, cli_answer_t *answer);

/** Candidates for the last word of the line's first n_bytes, one a line of text, sorted. */
void cli_complete(const u8 *line, uword n_bytes, u32 format, cli_answer_t *answer);

void cli_answer_free(cli_answer_t *answer);

/** The refusal of a line that is too long, with its true length. */
void cli_refuse_long_line(u64 n_bytes, u32 format, cli_answer_t *answer);

/**
 * Run the lines of a file, as `exec FILE` and unix { exec FILE } do: text of each answer is
 * appended to *text.  Stops at the first error.
 * @return NULL, or an error that names file and line; what is no plain file (a pipe, a device) is
 *         refused, so that nothing waits.
 */
clib_error_t *cli_exec_file(const char *file, u8 **text);

/** Width of the terminal that asked for the command now running; 0 for none. */
u16 cli_columns(void);

/** All registered commands, sorted by path: a vector, the caller's. */
vmheap_cli_command_t **cli_sorted_commands(void);

/** The JSON form of all sections as one object, appended to s; args: cli_output_t *. */
u8 *format_cli_output_json(u8 *s, va_list *va);

#endif
