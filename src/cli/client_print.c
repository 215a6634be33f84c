/* SPDX-License-Identifier: Apache-2.0 */
/* Answers on a terminal, a page at a time. */
#include <cli/client.h>

#include <errno.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

typedef enum { MORE_PAGE, MORE_LINE, MORE_ALL, MORE_QUIT } more_t;

/* Waits for a key without its echo. */
static more_t
ask_for_more(unsigned percent)
{
	struct termios saved, raw;
	char key = 'q';

	if (tcgetattr(STDIN_FILENO, &saved))
		return MORE_ALL;
	raw = saved;
	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO | ISIG);
	raw.c_cc[VMIN] = 1;
	raw.c_cc[VTIME] = 0;
	printf("-- more -- %u %% (space: page, enter: line, a: all, q: quit)", percent);
	fflush(stdout);
	tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
	if (read(STDIN_FILENO, &key, 1) != 1)
		key = 'q';
	tcsetattr(STDIN_FILENO, TCSADRAIN, &saved);
	/* Back to the line's start, and wipe it. */
	printf("\r\033[K");
	if (key == 'a' || key == 'A')
		return MORE_ALL;
	if (key == 'q' || key == 'Q' || key == 3 || key == 4)
		return MORE_QUIT;
	return key == '\n' || key == '\r' ? MORE_LINE : MORE_PAGE;
}

/* Rows of the terminal that a line takes. */
static unsigned
rows_of(size_t n_bytes, unsigned columns)
{
	return columns && n_bytes > columns ? (unsigned)((n_bytes + columns - 1) / columns) : 1;
}

static void
print_pages(const char *text, size_t n_bytes)
{
	unsigned rows = client_rows(), columns = client_columns(), room = rows - 1;
	const char *p = text, *end = text + n_bytes;

	while (p < end) {
		const char *newline = memchr(p, '\n', end - p);
		size_t n = newline ? (size_t)(newline - p) + 1 : (size_t)(end - p);
		unsigned needed = rows_of(n, columns);

		if (needed > room && room < rows - 1) {
			more_t more = ask_for_more((unsigned)(100 * (p - text) / n_bytes));

			if (more == MORE_QUIT)
				return;
			if (more == MORE_ALL) {
				fwrite(p, 1, end - p, stdout);
				return;
			}
			room = more == MORE_LINE ? needed : rows - 1;
		}
		fwrite(p, 1, n, stdout);
		room = room > needed ? room - needed : 0;
		p += n;
	}
}

int
client_print(const client_answer_t *answer, int use_pager)
{
	FILE *f = answer->status == CLI_STATUS_OK ? stdout : stderr;

	if (use_pager && f == stdout && client_rows() > 2)
		print_pages(answer->body, answer->n_bytes);
	else
		fwrite(answer->body, 1, answer->n_bytes, f);
	/* An answer that did not arrive is a failure; a reader that has enough of it is told
	 * nothing. */
	if (fflush(f) || ferror(f)) {
		if (errno != EPIPE)
			fprintf(stderr, "vmheapctl: writing the answer: %s\n", strerror(errno));
		return CLIENT_COMMAND_FAILED;
	}
	return answer->status == CLI_STATUS_OK ? CLIENT_OK : CLIENT_COMMAND_FAILED;
}
