/* SPDX-License-Identifier: Apache-2.0 */
/* The daemon's own command line, for `unix { interactive }`: lines from stdin, no editing, for
 * trying things out and for debuggers.  vmheapctl is the comfortable one. */
#include <cli/daemon.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <event2/event.h>
#include <vppinfra/format.h>
#include <vppinfra/vec.h>

struct console {
	struct event_base *base;
	struct event *readable;
	char line[CLI_LINE_BYTES_MAX];
	u32 n_line;
	u8 is_too_long; /* the rest of the line is dropped */
};

static void
show_prompt(void)
{
	fputs("vmheap# ", stdout);
	fflush(stdout);
}

static void
run_line(console_t *c)
{
	cli_answer_t a;

	if (c->is_too_long)
		cli_refuse_long_line(c->n_line, CLI_FORMAT_TEXT, &a);
	else
		cli_run((u8 *)c->line, c->n_line, CLI_FORMAT_TEXT, 0, &a);
	fwrite(a.body, 1, vec_len(a.body), stdout);
	if (a.quit)
		event_base_loopbreak(c->base);
	cli_answer_free(&a);
	c->n_line = c->is_too_long = 0;
}

static void
take_byte(console_t *c, char byte)
{
	if (byte == '\n') {
		run_line(c);
		show_prompt();
	} else if (c->n_line < sizeof(c->line) && !c->is_too_long) {
		c->line[c->n_line++] = byte;
	} else {
		c->is_too_long = 1;
		c->n_line++;
	}
}

static void
console_readable(evutil_socket_t fd, short events, void *arg)
{
	console_t *c = arg;
	char bytes[512];
	ssize_t n = read(fd, bytes, sizeof(bytes));

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0) {
		event_base_loopbreak(c->base);
		return;
	}
	for (ssize_t i = 0; i < n; i++)
		take_byte(c, bytes[i]);
}

clib_error_t *
console_create(struct event_base *base, console_t **console)
{
	console_t *c = calloc(1, sizeof(*c));

	if (!c)
		return clib_error_return(0, "console: no memory");
	c->base = base;
	c->readable = event_new(base, STDIN_FILENO, EV_READ | EV_PERSIST, console_readable, c);
	if (!c->readable || event_add(c->readable, NULL)) {
		console_destroy(c);
		/* epoll takes terminals, pipes and sockets, but no plain files. */
		return clib_error_return(
			0, "console: stdin cannot be waited for; run a file with exec instead");
	}
	show_prompt();
	*console = c;
	return 0;
}

void
console_destroy(console_t *c)
{
	if (!c)
		return;
	if (c->readable)
		event_free(c->readable);
	free(c);
}
