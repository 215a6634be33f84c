/* SPDX-License-Identifier: Apache-2.0 */
/* The socket side is libevent's bufferevents; a client is a small state machine over its input:
 * header, body, or the rest of a line that was too long and is dropped as it arrives. */
#include <cli/server.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/queue.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <vppinfra/kmem.h>

typedef struct cli_client {
	TAILQ_ENTRY(cli_client) link;
	cli_server_t *server;
	struct bufferevent *bev;
	struct event *again; /* more of its requests, after the others' */
	u32 skip_bytes;      /* of an oversized line, still to be dropped */
	u8 is_eof;           /* it sends nothing more; what it sent is still served */
	u8 is_closing;       /* no more requests: the connection ends when the output is sent */
} cli_client_t;

struct cli_server {
	struct event_base *base;
	struct evconnlistener *listener;
	struct event *resume; /* accepts again after descriptors ran out */
	TAILQ_HEAD(, cli_client) clients;
	kmem_cache_t *client_cache;
	cli_server_stats_t stats;
	u32 n_clients_max;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	struct stat identity; /* of our socket file, so that only that one is removed */
};

/* The daemon has one; `show cli` looks at it. */
static cli_server_t *main_server;

static void
client_free(cli_client_t *c)
{
	TAILQ_REMOVE(&c->server->clients, c, link);
	c->server->stats.n_clients--;
	event_free(c->again);
	bufferevent_free(c->bev);
	kmem_cache_free(c->server->client_cache, c);
}

static void
client_send(cli_client_t *c, u8 status, u8 flags, const u8 *body, u32 n_bytes)
{
	struct evbuffer *output = bufferevent_get_output(c->bev);
	u8 header[CLI_HEADER_BYTES];
	cli_response_header_t h = { .status = status, .flags = flags, .n_bytes = n_bytes };

	cli_encode_response(header, &h);
	c->server->stats.n_errors += status != CLI_STATUS_OK;
	/* Half a frame would be read as a whole one: without memory the connection ends. */
	if (evbuffer_expand(output, CLI_HEADER_BYTES + n_bytes) ||
	    evbuffer_add(output, header, CLI_HEADER_BYTES) || evbuffer_add(output, body, n_bytes)) {
		c->is_closing = 1;
		evbuffer_drain(output, evbuffer_get_length(output));
	}
}

static void
client_send_answer(cli_client_t *c, cli_answer_t *a)
{
	static const char too_long[] = "the answer is longer than 16 MiB\n";

	if (vec_len(a->body) > CLI_ANSWER_BYTES_MAX)
		client_send(c, CLI_STATUS_ERROR, 0, (const u8 *)too_long, sizeof(too_long) - 1);
	else
		client_send(c, a->status, a->quit ? CLI_FLAG_QUIT : 0, a->body, vec_len(a->body));
	if (a->quit)
		c->is_closing = 1;
	cli_answer_free(a);
}

static void
client_bad_frame(cli_client_t *c)
{
	static const char text[] = "this is not a request of this protocol\n";

	c->server->stats.n_bad_frames++;
	c->is_closing = 1;
	client_send(c, CLI_STATUS_BAD_REQUEST, CLI_FLAG_QUIT, (const u8 *)text, sizeof(text) - 1);
}

static int
client_skip(cli_client_t *c, struct evbuffer *input)
{
	uword n = clib_min((uword)c->skip_bytes, (uword)evbuffer_get_length(input));

	evbuffer_drain(input, n);
	c->skip_bytes -= n;
	return c->skip_bytes == 0;
}

/* One request, if a whole one is there.  Value: whether another look is worth while. */
static int
client_step(cli_client_t *c)
{
	struct evbuffer *input = bufferevent_get_input(c->bev);
	u8 header[CLI_HEADER_BYTES];
	cli_request_header_t h;
	cli_answer_t answer = {};
	u8 *line;

	if (!client_skip(c, input))
		return 0;
	if (evbuffer_copyout(input, header, sizeof(header)) < (ssize_t)sizeof(header))
		return 0;
	if (cli_decode_request(header, &h)) {
		client_bad_frame(c);
		return 0;
	}
	if (h.n_bytes > CLI_LINE_BYTES_MAX) {
		evbuffer_drain(input, CLI_HEADER_BYTES);
		c->skip_bytes = h.n_bytes;
		c->server->stats.n_requests++;
		cli_refuse_long_line(h.n_bytes, h.format, &answer);
		client_send_answer(c, &answer);
		return !c->is_closing;
	}
	if (evbuffer_get_length(input) < CLI_HEADER_BYTES + h.n_bytes)
		return 0;
	line = evbuffer_pullup(input, CLI_HEADER_BYTES + h.n_bytes);
	if (!line) {
		c->is_closing = 1;
		return 0;
	}
	c->server->stats.n_requests++;
	if (h.kind == CLI_KIND_COMPLETE)
		cli_complete(line + CLI_HEADER_BYTES, h.n_bytes, h.format, &answer);
	else
		cli_run(line + CLI_HEADER_BYTES, h.n_bytes, h.format, h.columns, &answer);
	evbuffer_drain(input, CLI_HEADER_BYTES + h.n_bytes);
	client_send_answer(c, &answer);
	return !c->is_closing;
}

/* Serve what has arrived, within bounds.  May free the client. */
static void
client_work(cli_client_t *c)
{
	struct evbuffer *output = bufferevent_get_output(c->bev);
	int more = !c->is_closing;

	for (u32 i = 0; more && i < CLI_SERVER_BURST; i++) {
		if (evbuffer_get_length(output) > CLI_SERVER_OUTPUT_HIGH) {
			/* Until it has read, its requests stay where they are. */
			bufferevent_disable(c->bev, EV_READ);
			return;
		}
		more = client_step(c);
	}
	if (!more && c->is_eof)
		c->is_closing = 1;
	if (c->is_closing) {
		bufferevent_disable(c->bev, EV_READ);
		if (evbuffer_get_length(output) == 0)
			client_free(c);
	} else if (more) {
		static const struct timeval now = { 0 };

		/* The others first: in the loop's next round. */
		event_add(c->again, &now);
	}
}

static void
client_again(evutil_socket_t fd, short events, void *arg)
{
	client_work(arg);
}

static void
client_readable(struct bufferevent *bev, void *arg)
{
	client_work(arg);
}

/* Called when all output has been sent. */
static void
client_writable(struct bufferevent *bev, void *arg)
{
	cli_client_t *c = arg;

	if (!c->is_closing && !c->is_eof)
		bufferevent_enable(bev, EV_READ);
	client_work(c);
}

static void
client_event(struct bufferevent *bev, short events, void *arg)
{
	cli_client_t *c = arg;

	if (events & BEV_EVENT_TIMEOUT)
		c->server->stats.n_stalled++;
	/* A client may shut its sending side down and still wait for its answers. */
	if (events & BEV_EVENT_EOF && !(events & (BEV_EVENT_ERROR | BEV_EVENT_TIMEOUT))) {
		c->is_eof = 1;
		client_work(c);
		return;
	}
	client_free(c);
}

/* A part of the descriptors that we may have is for what commands open. */
static u32
max_clients(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return CLI_SERVER_MAX_CLIENTS;
	return (u32)clib_min((u64)CLI_SERVER_MAX_CLIENTS,
			     (u64)limit.rlim_cur - (u64)limit.rlim_cur / 4);
}

/* Told why, before it asks anything, as far as its socket takes that at once. */
static void
refuse_client(cli_server_t *s, evutil_socket_t fd)
{
	u8 answer[CLI_HEADER_BYTES + 128];
	int n = snprintf((char *)answer + CLI_HEADER_BYTES, sizeof(answer) - CLI_HEADER_BYTES,
			 "no more clients: %u are connected\n", s->stats.n_clients);
	cli_response_header_t h = { .status = CLI_STATUS_ERROR,
				    .flags = CLI_FLAG_QUIT,
				    .n_bytes = (u32)n };

	s->stats.n_refused++;
	cli_encode_response(answer, &h);
	if (send(fd, answer, CLI_HEADER_BYTES + (uword)n, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
		/* It is gone already. */
	}
	close(fd);
}

static void
server_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *address,
	      int n_address, void *arg)
{
	static const struct timeval stall = { .tv_sec = CLI_SERVER_STALL_S };
	cli_server_t *s = arg;
	cli_client_t *c = NULL;

	if (s->stats.n_clients < s->n_clients_max)
		c = kmem_cache_zalloc(s->client_cache, KM_NOSLEEP);
	if (c)
		c->again = event_new(s->base, -1, 0, client_again, c);
	if (c && c->again)
		c->bev = bufferevent_socket_new(s->base, fd, BEV_OPT_CLOSE_ON_FREE);
	if (!c || !c->bev) {
		if (c && c->again)
			event_free(c->again);
		kmem_cache_free(s->client_cache, c);
		refuse_client(s, fd);
		return;
	}
	c->server = s;
	TAILQ_INSERT_TAIL(&s->clients, c, link);
	s->stats.n_clients++;
	s->stats.n_accepted++;
	bufferevent_setcb(c->bev, client_readable, client_writable, client_event, c);
	bufferevent_set_timeouts(c->bev, NULL, &stall);
	/* Room for the longest line: more is read when that is gone. */
	bufferevent_setwatermark(c->bev, EV_READ, 0, CLI_HEADER_BYTES + CLI_LINE_BYTES_MAX);
	bufferevent_enable(c->bev, EV_READ | EV_WRITE);
}

/* Out of descriptors: the pending connection would wake us for ever, so look away for a while. */
static void
server_accept_failed(struct evconnlistener *listener, void *arg)
{
	static const struct timeval pause = { .tv_usec = 100000 };
	cli_server_t *s = arg;

	evconnlistener_disable(listener);
	event_add(s->resume, &pause);
}

static void
server_resume(evutil_socket_t fd, short events, void *arg)
{
	evconnlistener_enable(((cli_server_t *)arg)->listener);
}

static clib_error_t *
make_parent_directory(const char *path)
{
	const char *slash = strrchr(path, '/');
	char dir[108];

	if (!slash || slash == path)
		return 0;
	memcpy(dir, path, slash - path);
	dir[slash - path] = 0;
	if (mkdir(dir, 0755) && errno != EEXIST)
		return clib_error_return(0, "cli-listen %s: making %s: %s", path, dir,
					 strerror(errno));
	return 0;
}

/* A socket file outlives a killed daemon: if nobody answers it is removed.  Value: 0 when the
 * path is free now. */
static clib_error_t *
remove_stale_socket(const struct sockaddr_un *address)
{
	struct stat st;
	int fd, rv, error;

	if (lstat(address->sun_path, &st))
		return errno == ENOENT ? 0
				       : clib_error_return(0, "cli-listen %s: %s",
							   address->sun_path, strerror(errno));
	if (!S_ISSOCK(st.st_mode))
		return clib_error_return(0, "cli-listen %s: exists and is not a socket",
					 address->sun_path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return clib_error_return(0, "cli-listen %s: %s", address->sun_path,
					 strerror(errno));
	rv = connect(fd, (const struct sockaddr *)address, sizeof(*address));
	error = errno;
	close(fd);
	if (rv == 0 || error == EAGAIN)
		return clib_error_return(0, "cli-listen %s: another daemon listens there",
					 address->sun_path);
	if (error != ECONNREFUSED)
		return clib_error_return(0, "cli-listen %s: %s", address->sun_path,
					 strerror(error));
	if (unlink(address->sun_path) && errno != ENOENT)
		return clib_error_return(0, "cli-listen %s: removing the stale socket: %s",
					 address->sun_path, strerror(errno));
	return 0;
}

static clib_error_t *
server_listen(const char *path, int *fd)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	clib_error_t *error;

	if (strlen(path) >= sizeof(address.sun_path))
		return clib_error_return(0, "cli-listen %s: longer than %d bytes", path,
					 (int)sizeof(address.sun_path) - 1);
	strcpy(address.sun_path, path);
	error = make_parent_directory(path);
	if (!error)
		error = remove_stale_socket(&address);
	if (error)
		return error;
	*fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (*fd < 0)
		return clib_error_return(0, "cli-listen %s: %s", path, strerror(errno));
	if (bind(*fd, (struct sockaddr *)&address, sizeof(address))) {
		error = clib_error_return(0, "cli-listen %s: %s", path, strerror(errno));
		close(*fd);
		return error;
	}
	/* Commands change a running dataplane: owner and group only. */
	if (chmod(path, 0660) || listen(*fd, SOMAXCONN)) {
		error = clib_error_return(0, "cli-listen %s: %s", path, strerror(errno));
		close(*fd);
		unlink(path);
	}
	return error;
}

clib_error_t *
cli_server_create(struct event_base *base, const char *path, cli_server_t **server)
{
	cli_server_t *s;
	clib_error_t *error;
	int fd = -1;

	error = server_listen(path, &fd);
	if (error)
		return error;
	/* A client that leaves while it is written to is an error of that write alone. */
	signal(SIGPIPE, SIG_IGN);
	s = calloc(1, sizeof(*s));
	if (s) {
		s->base = base;
		s->n_clients_max = max_clients();
		TAILQ_INIT(&s->clients);
		strcpy(s->path, path);
		s->client_cache = KMEM_CACHE(cli_client, 0);
		s->resume = event_new(base, -1, 0, server_resume, s);
		s->listener =
			evconnlistener_new(base, server_accept, s,
					   LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, fd);
	}
	if (!s || !s->client_cache || !s->listener || !s->resume || lstat(path, &s->identity)) {
		if (s && s->listener)
			evconnlistener_free(s->listener);
		else
			close(fd);
		if (s && s->resume)
			event_free(s->resume);
		if (s)
			kmem_cache_destroy(s->client_cache);
		free(s);
		unlink(path);
		return clib_error_return(0, "cli-listen %s: no memory", path);
	}
	evconnlistener_set_error_cb(s->listener, server_accept_failed);
	main_server = s;
	*server = s;
	return 0;
}

void
cli_server_destroy(cli_server_t *s)
{
	cli_client_t *c;
	struct stat st;

	if (!s)
		return;
	while ((c = TAILQ_FIRST(&s->clients)))
		client_free(c);
	evconnlistener_free(s->listener);
	event_free(s->resume);
	/* A later daemon may have put its own socket there. */
	if (!lstat(s->path, &st) && st.st_ino == s->identity.st_ino &&
	    st.st_dev == s->identity.st_dev)
		unlink(s->path);
	if (main_server == s)
		main_server = NULL;
	kmem_cache_destroy(s->client_cache);
	free(s);
}

void
cli_server_get_stats(const cli_server_t *s, cli_server_stats_t *stats)
{
	cli_client_t *c;

	*stats = s->stats;
	TAILQ_FOREACH(c, &s->clients, link)
	stats->n_pending_output_bytes += evbuffer_get_length(bufferevent_get_output(c->bev));
}

cli_server_t *
cli_server_main(void)
{
	return main_server;
}
