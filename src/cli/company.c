/* SPDX-License-Identifier: Apache-2.0 */
/* company: the command line inside a program that knows nothing of us.
 *
 * vmheap_company.so, which librte_mempool_vmheap.so loads when it is asked for a socket.  One
 * thread, no lcore, runs the server's loop; it alone runs commands.  Signals are the program's:
 * they are blocked in our thread. */
#include <cli/server.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <event2/event.h>
#include <event2/thread.h>
#include <vppinfra/mem.h>
#include <vppinfra/mem_setup.h>
#include <vppinfra/thread.h>
#include <vppinfra/vec.h>
#include <cli/commands.h>

static struct {
	struct event_base *base;
	struct event *stop;
	cli_server_t *server;
	pthread_t thread;
} company;

static void
stop_loop(evutil_socket_t fd, short events, void *arg)
{
	event_base_loopbreak(company.base);
}

static void *
serve(void *arg)
{
	clib_thread_set_name("vmheap-cli");
	event_base_loop(company.base, EVLOOP_NO_EXIT_ON_EMPTY);
	return NULL;
}

/* The program's signals are not for our thread. */
static int
start_thread(void)
{
	sigset_t all, before;
	int error;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(&company.thread, NULL, serve, NULL);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return error;
}

static void
take_down(void)
{
	cli_server_destroy(company.server);
	company.server = NULL;
	if (company.stop)
		event_free(company.stop);
	company.stop = NULL;
	if (company.base)
		event_base_free(company.base);
	company.base = NULL;
}

CLIB_EXPORT int vmheap_company_start(const char *path, char *what, uword n_what);
CLIB_EXPORT void vmheap_company_stop(void);

/* 0, or a negative errno with the reason in what and nothing left behind. */
int
vmheap_company_start(const char *path, char *what, uword n_what)
{
	struct sigaction sigpipe;
	clib_error_t *error;
	int rv = clib_mem_setup(NULL, what, n_what);

	/* -EALREADY: the program embeds us, too. */
	if (rv && rv != -EALREADY)
		return rv;
	if (evthread_use_pthreads() || !(company.base = event_base_new()) ||
	    !(company.stop = event_new(company.base, -1, EV_PERSIST, stop_loop, NULL))) {
		take_down();
		snprintf(what, n_what, "no memory for an event loop");
		return -ENOMEM;
	}
	cli_set_save_folder(path);
	/* The server ignores SIGPIPE; in our thread it is blocked, which does as well, and the
	 * program's own choice stays. */
	sigaction(SIGPIPE, NULL, &sigpipe);
	error = cli_server_create(company.base, path, &company.server);
	sigaction(SIGPIPE, &sigpipe, NULL);
	if (error) {
		snprintf(what, n_what, "%.*s", (int)vec_len(error->what), error->what);
		clib_error_free(error);
		take_down();
		return -EADDRINUSE;
	}
	rv = start_thread();
	if (rv) {
		snprintf(what, n_what, "a thread for the command line: %s", strerror(rv));
		take_down();
	}
	return -rv;
}

void
vmheap_company_stop(void)
{
	if (!company.base)
		return;
	event_active(company.stop, EV_TIMEOUT, 0);
	pthread_join(company.thread, NULL);
	take_down();
}
