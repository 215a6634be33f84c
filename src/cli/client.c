/* SPDX-License-Identifier: Apache-2.0 */
/* vmheapctl: the connection, one command, a script. */
#include <cli/client.h>

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>

int
client_connect(client_t *c)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int error;

	if (strlen(c->socket_path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	strcpy(address.sun_path, c->socket_path);
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		return -errno;
	if (connect(c->fd, (struct sockaddr *)&address, sizeof(address))) {
		error = -errno;
		client_close(c);
		return error;
	}
	return 0;
}

void
client_close(client_t *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
}

int
client_complain(const client_t *c, int error)
{
	if (error == -ENOENT || error == -ECONNREFUSED)
		fprintf(stderr, "vmheapctl: no daemon listens at %s (-s names another socket)\n",
			c->socket_path);
	else if (error == -ECONNRESET)
		fprintf(stderr, "vmheapctl: the daemon closed the connection\n");
	else if (error == -EPROTO)
		fprintf(stderr, "vmheapctl: %s: not a vmheap daemon, or one of another version\n",
			c->socket_path);
	else
		fprintf(stderr, "vmheapctl: %s: %s\n", c->socket_path, strerror(-error));
	return CLIENT_NO_DAEMON;
}

static int
write_all(int fd, const void *bytes, size_t n)
{
	const char *p = bytes;
	ssize_t rv;

	while (n) {
		rv = write(fd, p, n);
		if (rv < 0 && errno == EINTR)
			continue;
		if (rv < 0)
			return errno == EPIPE ? -ECONNRESET : -errno;
		p += rv;
		n -= rv;
	}
	return 0;
}

static int
read_all(int fd, void *bytes, size_t n)
{
	char *p = bytes;
	ssize_t rv;

	while (n) {
		rv = read(fd, p, n);
		if (rv < 0 && errno == EINTR)
			continue;
		if (rv <= 0)
			return rv == 0 ? -ECONNRESET : -errno;
		p += rv;
		n -= rv;
	}
	return 0;
}

int
client_ask(client_t *c, uint8_t kind, uint8_t format, const char *line, size_t n_line,
	   client_answer_t *answer)
{
	cli_request_header_t request = { .kind = kind,
					 .format = format,
					 .columns = client_columns(),
					 .n_bytes = (uint32_t)n_line };
	cli_response_header_t response;
	uint8_t header[CLI_HEADER_BYTES];
	int rv;

	memset(answer, 0, sizeof(*answer));
	cli_encode_request(header, &request);
	rv = write_all(c->fd, header, sizeof(header));
	if (!rv)
		rv = write_all(c->fd, line, n_line);
	/* A daemon that closed the connection may have said why before. */
	if (!rv || rv == -ECONNRESET)
		rv = read_all(c->fd, header, sizeof(header));
	if (rv)
		return rv;
	if (cli_decode_response(header, &response) || response.n_bytes > CLI_ANSWER_BYTES_MAX)
		return -EPROTO;
	answer->body = malloc(response.n_bytes + 1);
	if (!answer->body)
		return -ENOMEM;
	rv = read_all(c->fd, answer->body, response.n_bytes);
	answer->body[response.n_bytes] = 0;
	answer->n_bytes = response.n_bytes;
	answer->status = response.status;
	answer->flags = response.flags;
	if (rv) {
		free(answer->body);
		answer->body = NULL;
	}
	return rv;
}

uint16_t
client_columns(void)
{
	struct winsize size;

	if (!isatty(STDOUT_FILENO) || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size))
		return 0;
	return size.ws_col;
}

unsigned
client_rows(void)
{
	struct winsize size;

	if (!isatty(STDOUT_FILENO) || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size))
		return 0;
	return size.ws_row;
}

/* ---- one command ---- */

/* Words become one line.  A word with blanks in it was quoted for the shell and is taken apart
 * again by the daemon. */
static char *
join_words(char **words, int n_words)
{
	size_t n = 1;
	char *line, *p;

	for (int i = 0; i < n_words; i++)
		n += strlen(words[i]) + 1;
	p = line = malloc(n);
	for (int i = 0; line && i < n_words; i++)
		p += sprintf(p, "%s%s", i ? " " : "", words[i]);
	return line;
}

static int
run_line(client_t *c, const char *line, size_t n_line, int use_pager, int *quit)
{
	client_answer_t answer;
	int rv = client_ask(c, CLI_KIND_RUN, c->format, line, n_line, &answer);

	if (rv)
		return client_complain(c, rv);
	*quit = answer.flags & CLI_FLAG_QUIT;
	rv = client_print(&answer, use_pager);
	free(answer.body);
	return rv;
}

static int
one_command(client_t *c, char **words, int n_words)
{
	char *line = join_words(words, n_words);
	int quit, rv;

	if (!line)
		return client_complain(c, -ENOMEM);
	if (!strcmp(words[0], "top"))
		rv = client_top(c, line + strlen("top"));
	else
		rv = run_line(c, line, strlen(line), 0, &quit);
	free(line);
	return rv;
}

/* ---- a script ---- */

int
client_script(client_t *c, const char *file)
{
	FILE *f = strcmp(file, "-") ? fopen(file, "re") : stdin;
	char *line = NULL;
	size_t n_line = 0;
	unsigned line_number = 0;
	int rv = CLIENT_OK, quit = 0;
	ssize_t n;

	if (!f) {
		fprintf(stderr, "vmheapctl: %s: %s\n", file, strerror(errno));
		return CLIENT_NO_DAEMON;
	}
	while (rv == CLIENT_OK && !quit && (n = getline(&line, &n_line, f)) >= 0) {
		line_number++;
		while (n && (line[n - 1] == '\n' || line[n - 1] == '\r'))
			n--;
		rv = run_line(c, line, n, 0, &quit);
	}
	if (rv == CLIENT_COMMAND_FAILED)
		fprintf(stderr, "vmheapctl: %s:%u: stopped here\n", f == stdin ? "stdin" : file,
			line_number);
	free(line);
	if (f != stdin)
		fclose(f);
	return rv;
}

/* ---- the program ---- */

static const char usage[] =
	"usage: vmheapctl [-s SOCKET] [-j] [-f FILE | COMMAND...]\n"
	"  -s, --socket SOCKET  where the daemon listens\n"
	"  -j, --json           answers as JSON\n"
	"  -f, --file FILE      commands from a file, one a line; - is stdin\n"
	"  -h, --help           this text\n"
	"  -V, --version        version of this client\n"
	"The command top [-n COUNT] [-d SECONDS] [WORDS] shows the answer of show WORDS, redrawn.\n"
	"Without a command: interactive on a terminal, else commands from stdin.\n"
	"Exit status: 0 done, 1 a command failed, 2 no daemon or wrong usage.\n";

static int
work(client_t *c, const char *file, char **words, int n_words)
{
	int rv = client_connect(c);

	if (rv)
		return client_complain(c, rv);
	if (file)
		rv = client_script(c, file);
	else if (n_words)
		rv = one_command(c, words, n_words);
	else if (isatty(STDIN_FILENO))
		rv = client_interactive(c);
	else
		rv = client_script(c, "-");
	client_close(c);
	return rv;
}

int
main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "socket", required_argument, NULL, 's' }, { "json", no_argument, NULL, 'j' },
		{ "file", required_argument, NULL, 'f' },   { "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },      { NULL, 0, NULL, 0 },
	};
	client_t c = { .socket_path = cli_default_socket_path(), .fd = -1 };
	const char *file = NULL;
	int option;

	signal(SIGPIPE, SIG_IGN);
	/* +: options behind the first command word are the command's. */
	while ((option = getopt_long(argc, argv, "+s:jf:hV", options, NULL)) != -1) {
		switch (option) {
		case 's':
			c.socket_path = optarg;
			break;
		case 'j':
			c.format = CLI_FORMAT_JSON;
			break;
		case 'f':
			file = optarg;
			break;
		case 'h':
			fputs(usage, stdout);
			return CLIENT_OK;
		case 'V':
			puts("vmheapctl " VMHEAP_VERSION);
			return CLIENT_OK;
		default:
			fputs(usage, stderr);
			return CLIENT_NO_DAEMON;
		}
	}
	if (file && optind < argc) {
		fprintf(stderr, "vmheapctl: a file and a command exclude each other\n");
		return CLIENT_NO_DAEMON;
	}
	return work(&c, file, argv + optind, argc - optind);
}
