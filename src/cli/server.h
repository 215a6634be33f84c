/* SPDX-License-Identifier: Apache-2.0 */
/* server: clients on a unix stream socket, served from the control loop.
 *
 * One event loop, no threads: reading, running and writing are interleaved, at most
 * CLI_SERVER_BURST requests of one client before the others get their turn.  What a client does
 * not read is bounded: above CLI_SERVER_OUTPUT_HIGH bytes of unsent answers its requests are left
 * in the socket until it has read; one that reads nothing for CLI_SERVER_STALL_S seconds is
 * disconnected.  Clients are as many as three quarters of the descriptors that the process may
 * have; one too many is told so.  Whatever a client sends or fails to send, the others and the loop
 * go on. */
#ifndef included_cli_server_h
#define included_cli_server_h

#include <cli/cli.h>

struct event_base;
typedef struct cli_server cli_server_t;

/* 1 MiB: some ten screens of the longest tables. */
#define CLI_SERVER_OUTPUT_HIGH (1u << 20)
#define CLI_SERVER_BURST 16
#define CLI_SERVER_STALL_S 60
#define CLI_SERVER_MAX_CLIENTS 4096

/**
 * Listen at a path; its last directory is made if missing.  A socket there that nobody answers is
 * stale and replaced.  SIGPIPE is ignored from here on.
 * @return NULL, or an error: somebody listens there, it is no socket, the path is too long (107
 *         bytes), no permission; nothing is left behind then.
 */
clib_error_t *cli_server_create(struct event_base *base, const char *path, cli_server_t **server);

/** Close all connections and remove the socket.  NULL is ignored. */
void cli_server_destroy(cli_server_t *server);

typedef struct {
	u32 n_clients;
	u64 n_accepted, n_refused, n_requests, n_errors, n_bad_frames, n_stalled;
	u64 n_pending_output_bytes;
} cli_server_stats_t;

void cli_server_get_stats(const cli_server_t *server, cli_server_stats_t *stats);
/** The server that the commands of this process are served by, NULL for none. */
cli_server_t *cli_server_main(void);

#endif
