/* SPDX-License-Identifier: Apache-2.0 */
/* client: the inside of vmheapctl.  libc and libedit only: it runs where no DPDK is. */
#ifndef included_cli_client_h
#define included_cli_client_h

#include <stdio.h>
#include <cli/protocol.h>

/* Exit codes. */
enum { CLIENT_OK = 0, CLIENT_COMMAND_FAILED = 1, CLIENT_NO_DAEMON = 2 };

typedef struct {
	const char *socket_path;
	int fd;
	uint8_t format; /* CLI_FORMAT_* */
} client_t;

typedef struct {
	uint8_t status, flags;
	char *body; /* NUL-terminated, freed with free() */
	uint32_t n_bytes;
} client_answer_t;

/** @return 0; negative errno of the connection. */
int client_connect(client_t *c);
void client_close(client_t *c);

/** Send a line and wait for the answer.
 *  @return 0; -ECONNRESET the daemon went away; -EPROTO it speaks another protocol; -ENOMEM. */
int client_ask(client_t *c, uint8_t kind, uint8_t format, const char *line, size_t n_line,
	       client_answer_t *answer);

/** Says on stderr why the connection failed.  @return CLIENT_NO_DAEMON */
int client_complain(const client_t *c, int error);

/** Width of the terminal on stdout; 0 when it is none. */
uint16_t client_columns(void);
unsigned client_rows(void);

/** Print an answer: errors to stderr, the rest to stdout, page by page when asked.
 *  @return CLIENT_OK or CLIENT_COMMAND_FAILED */
int client_print(const client_answer_t *answer, int use_pager);

/** Commands from a file, "-" for stdin; stops at the first that fails.  @return exit code */
int client_script(client_t *c, const char *file);

/** A show command, redrawn until a key; words: options and what to show.  @return exit code */
int client_top(client_t *c, const char *words);

/** Line editing, history and completion on a terminal.  @return exit code */
int client_interactive(client_t *c);

#endif
