/* SPDX-License-Identifier: Apache-2.0 */
/* daemon: vmheap from its first line to its last.
 *
 * Starting is a list of stages; stopping is the same list backwards, from wherever starting got
 * to, so that a start that fails undoes what it did:
 *
 *   pidfile -> control loop -> cli socket -> memory -> event log -> plugins and their stanzas ->
 * EAL
 *     -> ports -> INIT / EXIT -> graphs -> workers -> console
 *
 * The socket comes early: a second daemon at the same place ends before it takes any memory. */
#ifndef included_cli_daemon_h
#define included_cli_daemon_h

#include <cli/daemon_config.h>
#include <cli/eal_args.h>
#include <cli/server.h>

struct event;
struct event_base;
typedef struct console console_t;

#define DAEMON_N_SIGNALS 3

typedef struct {
	config_t config;
	daemon_config_t d;
	char **user_args; /* EAL's, from the command line */
	u32 n_user_args;

	cpu_plan_t plan;
	eal_args_t eal_args;
	char **eal_argv; /* EAL's own copy of the pointers: it moves them about */
	struct event_base *base;
	struct event *signals[DAEMON_N_SIGNALS], *timer;
	cli_server_t *server;
	console_t *console;
	int pidfile_fd;     /* -1: none; holds the lock */
	int ready_fd;       /* -1, or where the waiting parent hears that we are up */
	u8 has_initialised; /* plugins' init functions were called, so that exit functions are */
	u8 has_leaked;
} daemon_t;

/** Values that only the machine can judge: sizes, page sizes, CPUs.  Nothing is taken yet. */
clib_error_t *daemon_check(daemon_t *m);

/** Start, run until a signal or the console ends it, stop.
 *  @return exit status: 0; 1 when a stage failed or something leaked at the end */
int daemon_run(daemon_t *m);

/** One line to the log, by format(); NUL-terminated vectors and C strings alike. */
void daemon_log(const char *fmt, ...);
/** The error's words as log lines; frees it. */
void daemon_log_error(clib_error_t *error);

/** Detach: the parent waits until the child says on *ready_fd that it is up, and exits 0, or
 *  exits 1 with it.  Returns in the child alone. */
clib_error_t *daemon_detach(int *ready_fd);
/** We are up: tell the parent, if one waits, and leave the terminal.  Closes the descriptor. */
void daemon_tell_ready(int *ready_fd);
/** stdout and stderr go to a file from here on, with the time before each line of ours; until
 *  daemon_tell_ready() these lines appear on the old stderr too. */
clib_error_t *daemon_open_log(const char *path);
/** Write our pid to a file that we keep locked while we live.
 *  @return NULL, or an error when another daemon holds it */
clib_error_t *daemon_open_pidfile(const char *path, int *fd);
void daemon_close_pidfile(const char *path, int fd);

/** A command line on stdin and stdout, for unix { interactive }; its end stops the loop. */
clib_error_t *console_create(struct event_base *base, console_t **console);
void console_destroy(console_t *console);

#endif
