/* SPDX-License-Identifier: Apache-2.0 */
/* The server in a child process, raw clients and vmheapctl in this one. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <event2/event.h>
#include <vppinfra/mem.h>
#include <vppinfra/vec.h>
#include <cli/server.h>
#include "unit.h"

static char socket_path[64];
static pid_t server_pid;
/* What a server started next may open; 0: what we may. */
static rlim_t n_descriptors;

/* ---- commands ---- */

static clib_error_t *
echo_fn(cli_output_t *out, unformat_input_t *input, vmheap_cli_command_t *cmd)
{
	u8 *word = 0;

	if (!unformat(input, "%s", &word))
		return vmheap_config_unknown(input, "a word");
	cli_text(out, "%s", word);
	cli_field_string(out, "word", "%s", word);
	vec_free(word);
	return 0;
}

VMHEAP_CLI_COMMAND(echo) = { .path = "echo", .function = echo_fn };

/* About 3 MiB of text: three times what the server buffers. */
#define FLOOD_LINES 40000

static clib_error_t *
flood_fn(cli_output_t *out, unformat_input_t *input, vmheap_cli_command_t *cmd)
{
	u8 *text = 0;

	for (u32 i = 0; i < FLOOD_LINES; i++)
		text = format(
			text,
			"line %u of a long answer that takes its time to be read by slow people\n",
			i);
	vec_dec_len(text, 1);
	cli_text(out, "%v", text);
	vec_free(text);
	return 0;
}

VMHEAP_CLI_COMMAND(flood) = { .path = "flood", .function = flood_fn };

static clib_error_t *
show_server_fn(cli_output_t *out, unformat_input_t *input, vmheap_cli_command_t *cmd)
{
	cli_server_stats_t s;

	cli_server_get_stats(cli_server_main(), &s);
	cli_text(out, "%u %Lu %Lu %Lu", s.n_clients, s.n_bad_frames, s.n_pending_output_bytes,
		 (u64)mheap_elts(clib_mem_get_heap()));
	return 0;
}

VMHEAP_CLI_COMMAND(show_server) = { .path = "show server", .function = show_server_fn };

/* ---- the server's process ---- */

static void
stop_serving(evutil_socket_t fd, short events, void *arg)
{
	event_base_loopbreak(arg);
}

static int
serve(int ready_fd)
{
	struct event_base *base = event_base_new();
	struct event *stop = evsignal_new(base, SIGTERM, stop_serving, base);
	cli_server_t *server;
	clib_error_t *error;

	event_add(stop, NULL);
	error = cli_server_create(base, socket_path, &server);
	if (error) {
		fprintf(stderr, "%.*s\n", (int)vec_len(error->what), error->what);
		return 2;
	}
	if (write(ready_fd, "1", 1) != 1)
		return 3;
	event_base_dispatch(base);
	cli_server_destroy(server);
	event_free(stop);
	event_base_free(base);
	libevent_global_shutdown();
	return access(socket_path, F_OK) == 0 ? 4 : 0;
}

static void
start_server(void)
{
	int fds[2];
	char byte;

	CU_ASSERT_EQUAL_FATAL(pipe(fds), 0);
	fflush(NULL);
	server_pid = fork();
	if (server_pid == 0) {
		struct rlimit limit = { .rlim_cur = n_descriptors, .rlim_max = n_descriptors };

		if (n_descriptors && setrlimit(RLIMIT_NOFILE, &limit))
			exit(5);
		close(fds[0]);
		exit(serve(fds[1]));
	}
	close(fds[1]);
	CU_ASSERT_EQUAL(read(fds[0], &byte, 1), 1);
	close(fds[0]);
}

/* Value: the exit status, or -1 when it died otherwise. */
static int
stop_server(int signal_number)
{
	int status;

	kill(server_pid, signal_number);
	waitpid(server_pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* ---- a raw client ---- */

static int
connect_client(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	strcpy(address.sun_path, socket_path);
	CU_ASSERT_EQUAL_FATAL(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static void
send_bytes(int fd, const void *bytes, uword n)
{
	const u8 *p = bytes;

	while (n) {
		ssize_t rv = send(fd, p, n, MSG_NOSIGNAL);

		CU_ASSERT_FATAL(rv > 0);
		p += rv;
		n -= rv;
	}
}

static uword
make_request(u8 *request, u8 kind, u8 format_, const void *line, u32 n_line)
{
	cli_request_header_t h = { .kind = kind, .format = format_, .n_bytes = n_line };

	cli_encode_request(request, &h);
	memcpy(request + CLI_HEADER_BYTES, line, n_line);
	return CLI_HEADER_BYTES + n_line;
}

static void
ask(int fd, const char *line)
{
	u8 request[512];

	send_bytes(fd, request,
		   make_request(request, CLI_KIND_RUN, CLI_FORMAT_TEXT, line, strlen(line)));
}

/* Value: 0 when all n bytes came, -1 when the connection ended before. */
static int
receive(int fd, void *bytes, uword n)
{
	u8 *p = bytes;

	while (n) {
		ssize_t rv = recv(fd, p, n, 0);

		if (rv <= 0)
			return -1;
		p += rv;
		n -= rv;
	}
	return 0;
}

/* The next answer as a C string from malloc; its status. */
static int
answer(int fd, char **body)
{
	u8 header[CLI_HEADER_BYTES];
	cli_response_header_t h;

	*body = NULL;
	if (receive(fd, header, sizeof(header)))
		return -1;
	CU_ASSERT_EQUAL_FATAL(cli_decode_response(header, &h), 0);
	*body = malloc(h.n_bytes + 1);
	(*body)[h.n_bytes] = 0;
	CU_ASSERT_EQUAL(receive(fd, *body, h.n_bytes), 0);
	return h.status;
}

static void
expect_answer(int fd, int status, const char *text)
{
	char *body;

	CU_ASSERT_EQUAL(answer(fd, &body), status);
	CU_ASSERT_PTR_NOT_NULL_FATAL(body);
	CU_ASSERT_STRING_EQUAL(body, text);
	free(body);
}

static int
is_closed(int fd)
{
	char byte;

	return recv(fd, &byte, 1, 0) <= 0;
}

/* Clients, bad frames, pending bytes and heap objects of the server. */
static void
server_state(u32 *n_clients, u64 *n_bad, u64 *n_pending, u64 *n_objects)
{
	int fd = connect_client();
	unsigned long long bad, pending, objects;
	char *body;

	ask(fd, "show server");
	CU_ASSERT_EQUAL(answer(fd, &body), CLI_STATUS_OK);
	CU_ASSERT_EQUAL(sscanf(body, "%u %llu %llu %llu", n_clients, &bad, &pending, &objects), 4);
	*n_bad = bad;
	*n_pending = pending;
	*n_objects = objects;
	free(body);
	close(fd);
}

/* ---- tests ---- */

/* Requests and answers pair up in order, also when they are sent all at once. */
static void
requests_are_answered_in_order(void)
{
	int fd = connect_client();
	char line[32], expected[32];

	ask(fd, "echo hello");
	expect_answer(fd, CLI_STATUS_OK, "hello\n");
	for (u32 i = 0; i < 200; i++) {
		snprintf(line, sizeof(line), "echo n%u", i);
		ask(fd, line);
	}
	for (u32 i = 0; i < 200; i++) {
		snprintf(expected, sizeof(expected), "n%u\n", i);
		expect_answer(fd, CLI_STATUS_OK, expected);
	}
	ask(fd, "ecko");
	expect_answer(fd, CLI_STATUS_ERROR,
		      "ecko\n^\nunknown word 'ecko', expected one of: clear, echo, exec, flood, "
		      "help, quit, show, trace\n");
	close(fd);
}

/* A request may arrive byte by byte. */
static void
requests_may_come_in_pieces(void)
{
	int fd = connect_client();
	u8 request[64];
	uword n = make_request(request, CLI_KIND_RUN, CLI_FORMAT_TEXT, "echo slowly", 11);

	for (uword i = 0; i < n; i++) {
		send_bytes(fd, request + i, 1);
		if (i % 5 == 0)
			usleep(1000);
	}
	expect_answer(fd, CLI_STATUS_OK, "slowly\n");
	close(fd);
}

/* JSON and completion are asked for in the frame. */
static void
frames_choose_the_form(void)
{
	int fd = connect_client();
	u8 request[64];

	send_bytes(fd, request, make_request(request, CLI_KIND_RUN, CLI_FORMAT_JSON, "echo x", 6));
	expect_answer(fd, CLI_STATUS_OK, "{\n  \"word\": \"x\"\n}\n");
	send_bytes(fd, request, make_request(request, CLI_KIND_COMPLETE, CLI_FORMAT_TEXT, "e", 1));
	expect_answer(fd, CLI_STATUS_OK, "echo\nexec\n");
	close(fd);
}

/* NULs in a line are an error like another; a line of a megabyte is dropped while it arrives; the
 * connection is good for more each time. */
static void
bad_lines_leave_the_connection_usable(void)
{
	int fd = connect_client();
	u8 request[64], *long_line = malloc(MiB(1));
	cli_request_header_t h = { .kind = CLI_KIND_RUN, .n_bytes = MiB(1) };

	send_bytes(fd, request, make_request(request, CLI_KIND_RUN, CLI_FORMAT_TEXT, "ec\0ho", 5));
	expect_answer(fd, CLI_STATUS_ERROR, "ec.ho\n  ^\nbyte 0x00 in column 3 is not text\n");
	memset(long_line, 'x', MiB(1));
	cli_encode_request(request, &h);
	send_bytes(fd, request, CLI_HEADER_BYTES);
	send_bytes(fd, long_line, MiB(1));
	expect_answer(fd, CLI_STATUS_ERROR, "a line of 1048576 bytes, the limit is 65536\n");
	ask(fd, "echo still here");
	free(long_line);
	expect_answer(fd, CLI_STATUS_ERROR,
		      "echo still here\n           ^\nunknown word 'here', the syntax is: echo\n");
	ask(fd, "echo here");
	expect_answer(fd, CLI_STATUS_OK, "here\n");
	close(fd);
}

/* Bytes that are no frame are answered once, and the connection ends. */
static void
strangers_are_sent_away(void)
{
	int fd = connect_client();
	char *body;

	send_bytes(fd, "GET / HTTP/1.0\r\n\r\n", 18);
	CU_ASSERT_EQUAL(answer(fd, &body), CLI_STATUS_BAD_REQUEST);
	free(body);
	CU_ASSERT(is_closed(fd));
	close(fd);
}

/* quit is answered, then the connection ends. */
static void
quit_closes_the_connection(void)
{
	int fd = connect_client();

	ask(fd, "quit");
	expect_answer(fd, CLI_STATUS_OK, "");
	CU_ASSERT(is_closed(fd));
	close(fd);
}

/* A client that has said all it wants may close its side and still read its answers. */
static void
half_closed_clients_get_their_answers(void)
{
	int fd = connect_client();

	for (u32 i = 0; i < 100; i++)
		ask(fd, "echo x");
	shutdown(fd, SHUT_WR);
	for (u32 i = 0; i < 100; i++)
		expect_answer(fd, CLI_STATUS_OK, "x\n");
	CU_ASSERT(is_closed(fd));
	close(fd);
}

/* Clients that leave in the middle of a long answer, or of a request, are forgotten whole. */
static void
clients_may_leave_at_any_moment(void)
{
	u32 n_clients;
	u64 n_bad, n_pending, n_objects, n_objects_later;
	char bytes[1000];

	server_state(&n_clients, &n_bad, &n_pending, &n_objects);
	for (u32 i = 0; i < 20; i++) {
		int fd = connect_client();

		ask(fd, "flood");
		CU_ASSERT_EQUAL(receive(fd, bytes, sizeof(bytes)), 0);
		close(fd);
		fd = connect_client();
		send_bytes(fd, "vmh1", 1 + i % 4);
		close(fd);
	}
	for (u32 i = 0; i < 500; i++) {
		server_state(&n_clients, &n_bad, &n_pending, &n_objects_later);
		if (n_clients == 1)
			break;
		usleep(10000);
	}
	CU_ASSERT_EQUAL(n_clients, 1);
	CU_ASSERT_EQUAL(n_pending, 0);
	CU_ASSERT_EQUAL(n_objects_later, n_objects);
}

/* One that asks and asks and never reads costs the server a bounded amount, and nobody else
 * anything; when it reads at last, all its answers are there. */
static void
slow_readers_are_bounded(void)
{
	int fd = connect_client();
	u32 n_clients, n_asked = 0;
	u64 n_bad, n_pending, n_objects;
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	u8 request[64];
	uword n = make_request(request, CLI_KIND_RUN, CLI_FORMAT_TEXT, "flood", 5);

	fcntl(fd, F_SETFL, O_NONBLOCK);
	while (n_asked < 50 && poll(&p, 1, 0) == 1 &&
	       send(fd, request, n, MSG_NOSIGNAL) == (ssize_t)n)
		n_asked++;
	CU_ASSERT(n_asked >= 10);
	fcntl(fd, F_SETFL, 0);
	for (u32 i = 0; i < 5; i++) {
		server_state(&n_clients, &n_bad, &n_pending, &n_objects);
		/* What was below the mark when the last request was run, and that one's answer. */
		CU_ASSERT(n_pending < CLI_SERVER_OUTPUT_HIGH + MiB(4));
	}
	for (u32 i = 0; i < n_asked; i++) {
		char *body;

		CU_ASSERT_EQUAL(answer(fd, &body), CLI_STATUS_OK);
		CU_ASSERT_PTR_NOT_NULL_FATAL(body);
		CU_ASSERT(strlen(body) > MiB(2));
		free(body);
	}
	close(fd);
}

/* Ten at once, each with its own conversation. */
static void
ten_clients_at_once(void)
{
	int fds[10];
	char line[32], expected[32];

	for (u32 i = 0; i < 10; i++)
		fds[i] = connect_client();
	for (u32 round = 0; round < 50; round++) {
		for (u32 i = 0; i < 10; i++) {
			snprintf(line, sizeof(line), "echo c%u-%u", i, round);
			ask(fds[i], line);
		}
		for (u32 i = 10; i-- > 0;) {
			snprintf(expected, sizeof(expected), "c%u-%u\n", i, round);
			expect_answer(fds[i], CLI_STATUS_OK, expected);
		}
	}
	for (u32 i = 0; i < 10; i++)
		close(fds[i]);
}

/* A thousand open connections, and each of them is served. */
static void
a_thousand_clients(void)
{
	static int fds[1000];
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_cur < ARRAY_LEN(fds) / 3 * 4 + 64) {
		printf("(only %lu descriptors here, not a thousand clients) ",
		       (unsigned long)limit.rlim_cur);
		return;
	}
	for (u32 i = 0; i < ARRAY_LEN(fds); i++)
		fds[i] = connect_client();
	for (u32 i = 0; i < ARRAY_LEN(fds); i++)
		ask(fds[i], "echo me");
	for (u32 i = 0; i < ARRAY_LEN(fds); i++)
		expect_answer(fds[i], CLI_STATUS_OK, "me\n");
	for (u32 i = 0; i < ARRAY_LEN(fds); i++)
		close(fds[i]);
}

/* Random frames and pieces of frames from many clients: the server answers a good one after. */
static void
any_bytes_are_survived(void)
{
	u64 seed = unit_seed(), n = unit_n_ops(2000);

	for (u64 k = 0; k < n; k++) {
		int fd = connect_client();
		u8 bytes[300];
		uword n_bytes = unit_random_below(&seed, sizeof(bytes));

		for (uword i = 0; i < n_bytes; i++)
			bytes[i] = unit_random(&seed);
		if (unit_random_below(&seed, 2) && n_bytes > CLI_HEADER_BYTES) {
			cli_request_header_t h = { .kind = 1 + (k & 1),
						   .format = k >> 1 & 1,
						   .n_bytes =
							   unit_random_below(&seed, 2 * n_bytes) };

			cli_encode_request(bytes, &h);
		}
		if (send(fd, bytes, n_bytes, MSG_NOSIGNAL) < 0)
			CU_ASSERT_EQUAL(errno, EPIPE);
		close(fd);
	}
	requests_are_answered_in_order();
}

/* ---- life of the socket ---- */

static void
expect_create_error(const char *path, const char *part)
{
	struct event_base *base = event_base_new();
	cli_server_t *server = NULL;
	clib_error_t *error = cli_server_create(base, path, &server);

	CU_ASSERT_PTR_NOT_NULL(error);
	CU_ASSERT_PTR_NULL(server);
	if (error) {
		vec_add1(error->what, 0);
		if (!strstr((char *)error->what, part))
			printf("\n%s\n", error->what);
		CU_ASSERT_PTR_NOT_NULL(strstr((char *)error->what, part));
		clib_error_free(error);
	}
	event_base_free(base);
}

/* A second server at the same path, a plain file there, or a path that cannot be, are refused;
 * the first goes on. */
static void
taken_paths_are_refused(void)
{
	char path[128];

	expect_create_error(socket_path, "another daemon listens there");
	requests_may_come_in_pieces();
	snprintf(path, sizeof(path), "%s.file", socket_path);
	close(open(path, O_CREAT | O_WRONLY, 0600));
	expect_create_error(path, "exists and is not a socket");
	CU_ASSERT_EQUAL(unlink(path), 0);
	expect_create_error("/proc/none/x.sock", "/proc/none");
	memset(path, 'x', sizeof(path) - 1);
	path[sizeof(path) - 1] = 0;
	expect_create_error(path, "longer than 107 bytes");
}

/* A killed server leaves its socket behind; the next one takes its place. */
static void
stale_sockets_are_replaced(void)
{
	CU_ASSERT_EQUAL(stop_server(SIGKILL), -1);
	CU_ASSERT_EQUAL(access(socket_path, F_OK), 0);
	start_server();
	requests_may_come_in_pieces();
}

/* ---- vmheapctl ---- */

/* Its exit status; stdout in *out, at most 4095 bytes. */
static int
run_client(const char *arguments, const char *input, char out[4096])
{
	char command[1024];
	size_t n;
	FILE *f;
	int status;

	snprintf(command, sizeof(command), "printf '%s' | %s %s 2>&1", input, VMHEAPCTL, arguments);
	f = popen(command, "r");
	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	n = fread(out, 1, 4095, f);
	out[n] = 0;
	status = pclose(f);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void
expect_client(const char *arguments, const char *input, int status, const char *text)
{
	static char out[4096];
	char with_socket[512];

	snprintf(with_socket, sizeof(with_socket), "-s %s %s", socket_path, arguments);
	CU_ASSERT_EQUAL(run_client(with_socket, input, out), status);
	if (strcmp(out, text))
		printf("\nvmheapctl %s said\n%s", arguments, out);
	CU_ASSERT_STRING_EQUAL(out, text);
}

/* One command, a script, JSON; 0, 1 and 2 for done, failed and no daemon. */
static void
the_client_has_exit_codes(void)
{
	static char out[4096];

	expect_client("echo hello", "", 0, "hello\n");
	expect_client("e hello", "", 1, "e hello\n^\nambiguous word 'e', could be: echo, exec\n");
	expect_client("-j echo hello", "", 0, "{\n  \"word\": \"hello\"\n}\n");
	expect_client("", "echo one\\n# two\\n\\necho three\\n", 0, "one\nthree\n");
	expect_client("-f -", "echo one\\nquit\\necho three\\n", 0, "one\n");
	CU_ASSERT_EQUAL(run_client("-s /nonexistent/x.sock echo x", "", out), 2);
	CU_ASSERT_PTR_NOT_NULL(strstr(out, "no daemon listens at /nonexistent/x.sock"));
	CU_ASSERT_EQUAL(run_client("--nonsense", "", out), 2);
	CU_ASSERT_EQUAL(run_client("-f x echo y", "", out), 2);
	CU_ASSERT_EQUAL(run_client("--help", "", out), 0);
	/* Answers that cannot be written, on a full disk for one; top does not go on then. */
	expect_client("echo hello 2>&1 >/dev/full #", "", 1,
		      "vmheapctl: writing the answer: No space left on device\n");
	expect_client("top -n 1000 -d 1 server 2>&1 >/dev/full #", "", 1,
		      "vmheapctl: writing the answer: No space left on device\n");
	expect_client("-f /nonexistent", "", 2,
		      "vmheapctl: /nonexistent: No such file or directory\n");
	expect_client("", "echo one\\nnonsense\\necho three\\n", 1,
		      "one\nnonsense\n^\nunknown word 'nonsense', expected one of: clear, echo, "
		      "exec, flood, help, quit, show, trace\n"
		      "vmheapctl: stdin:2: stopped here\n");
}

/* What a client wrote to its terminal, and how far the test has looked at it. */
static struct {
	int fd;
	uword n, at;
	char bytes[1 << 20];
} terminal;

/* Look on until a text appears; what stands before it is passed over.  Gives up after 5 s. */
static void
expect_on_terminal(const char *text)
{
	struct pollfd p = { .fd = terminal.fd, .events = POLLIN };
	char *found;

	while (!(found = strstr(terminal.bytes + terminal.at, text))) {
		uword room = sizeof(terminal.bytes) - 1 - terminal.n;
		ssize_t rv = poll(&p, 1, 5000) == 1
				     ? read(terminal.fd, terminal.bytes + terminal.n, room)
				     : 0;

		if (rv <= 0) {
			printf("\nno `%s' in:\n%s\n", text, terminal.bytes + terminal.at);
			CU_FAIL("not on the terminal");
			return;
		}
		terminal.n += rv;
		terminal.bytes[terminal.n] = 0;
	}
	terminal.at = found - terminal.bytes + strlen(text);
}

static void
type(const char *keys)
{
	CU_ASSERT_EQUAL(write(terminal.fd, keys, strlen(keys)), (ssize_t)strlen(keys));
}

/* On a terminal: tab completes, ? helps at once, long answers come page by page, the history is
 * kept in a file. */
static void
the_client_edits_lines(void)
{
	struct winsize size = { .ws_row = 24, .ws_col = 80 };
	char home[64], path[128];
	int status;
	uword before;
	pid_t pid;

	snprintf(home, sizeof(home), "/tmp/vmheap-test-%d.home", getpid());
	CU_ASSERT_EQUAL_FATAL(mkdir(home, 0700), 0);
	fflush(NULL);
	pid = forkpty(&terminal.fd, NULL, NULL, &size);
	if (pid == 0) {
		setenv("TERM", "dumb", 1);
		setenv("XDG_STATE_HOME", home, 1);
		execl(VMHEAPCTL, "vmheapctl", "-s", socket_path, (char *)NULL);
		_exit(127);
	}
	expect_on_terminal("vmheap# ");
	type("ec\tcompleted\r");
	expect_on_terminal("\ncompleted");
	expect_on_terminal("vmheap# ");
	type("e\t");
	expect_on_terminal("echo  exec");
	type("ch?");
	expect_on_terminal("Help");
	type("o helped\r");
	expect_on_terminal("\nhelped");
	before = terminal.at;
	type("flood\r");
	expect_on_terminal("line 22 ");
	expect_on_terminal("-- more -- 0 %");
	CU_ASSERT_PTR_NULL(strstr(terminal.bytes + before, "line 23 "));
	type(" ");
	expect_on_terminal("line 45 ");
	expect_on_terminal("-- more -- ");
	type("q");
	expect_on_terminal("vmheap# ");
	type("history\r");
	expect_on_terminal("echo helped");
	type("nonsense\r");
	expect_on_terminal("unknown word 'nonsense'");
	type("quit\r");
	CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
	CU_ASSERT(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	close(terminal.fd);
	snprintf(path, sizeof(path), "%s/vmheap_history", home);
	CU_ASSERT_EQUAL(unlink(path), 0);
	CU_ASSERT_EQUAL(rmdir(home), 0);
}

/* Three quarters of the server's descriptors are for clients: one too many is told so, and has its
 * place when another has left. */
static void
one_client_too_many_is_told_so(void)
{
	static char out[4096];
	char arguments[512];
	int fds[48], status = 1;

	snprintf(arguments, sizeof(arguments), "-s %s echo in", socket_path);
	CU_ASSERT_EQUAL(stop_server(SIGTERM), 0);
	n_descriptors = 64;
	start_server();
	n_descriptors = 0;
	for (u32 i = 0; i < ARRAY_LEN(fds); i++) {
		fds[i] = connect_client();
		ask(fds[i], "echo in");
		expect_answer(fds[i], CLI_STATUS_OK, "in\n");
	}
	CU_ASSERT_EQUAL(run_client(arguments, "", out), 1);
	CU_ASSERT_STRING_EQUAL(out, "no more clients: 48 are connected\n");
	close(fds[0]);
	/* The server hears of that in its own time. */
	for (u32 i = 0; i < 1000 && status; i++)
		status = run_client(arguments, "", out);
	CU_ASSERT_EQUAL(status, 0);
	for (u32 i = 1; i < ARRAY_LEN(fds); i++)
		close(fds[i]);
	CU_ASSERT_EQUAL(stop_server(SIGTERM), 0);
	start_server();
}

/* SIGTERM in the middle of requests that wait for their turn: the leak checker of a sanitizer build
 * finds nothing that a client had. */
static void
a_busy_server_leaves_nothing(void)
{
	u8 *requests = malloc(1 << 16);

	for (u32 round = 0; round < 10; round++) {
		int fd = connect_client();
		uword n = 0;

		while (n + 64 < 1 << 16)
			n += make_request(requests + n, CLI_KIND_RUN, CLI_FORMAT_TEXT,
					  "show server", strlen("show server"));
		send_bytes(fd, requests, n);
		CU_ASSERT_EQUAL(stop_server(SIGTERM), 0);
		close(fd);
		start_server();
	}
	free(requests);
}

/* SIGTERM ends the server with its socket removed. */
static void
the_socket_goes_with_its_server(void)
{
	int fd = connect_client();

	CU_ASSERT_EQUAL(stop_server(SIGTERM), 0);
	CU_ASSERT(is_closed(fd));
	close(fd);
	CU_ASSERT_NOT_EQUAL(access(socket_path, F_OK), 0);
}

static const unit_test_t tests[] = {
	UNIT(start_server),
	UNIT(requests_are_answered_in_order),
	UNIT(requests_may_come_in_pieces),
	UNIT(frames_choose_the_form),
	UNIT(bad_lines_leave_the_connection_usable),
	UNIT(strangers_are_sent_away),
	UNIT(quit_closes_the_connection),
	UNIT(half_closed_clients_get_their_answers),
	UNIT(clients_may_leave_at_any_moment),
	UNIT(slow_readers_are_bounded),
	UNIT(ten_clients_at_once),
	UNIT(a_thousand_clients),
	UNIT(any_bytes_are_survived),
	UNIT(taken_paths_are_refused),
	UNIT(stale_sockets_are_replaced),
	UNIT(the_client_has_exit_codes),
	UNIT(the_client_edits_lines),
	UNIT(one_client_too_many_is_told_so),
	UNIT(a_busy_server_leaves_nothing),
	UNIT(the_socket_goes_with_its_server),
};

int
main(void)
{
	struct rlimit limit;

	/* Descriptors for a thousand clients, as far as we are allowed. */
	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = clib_min((u64)limit.rlim_max, 4096ull);
	setrlimit(RLIMIT_NOFILE, &limit);
	clib_mem_init(0, MiB(64));
	snprintf(socket_path, sizeof(socket_path), "/tmp/vmheap-test-%d.sock", getpid());
	return unit_run("server", tests, ARRAY_LEN(tests));
}
