/* SPDX-License-Identifier: Apache-2.0 */
/* top: a show command again and again, a screen at a time.
 *
 *   top [-n COUNT] [-d SECONDS] [WORDS]        the answer of `show WORDS`; without words: kmem
 *
 * On a terminal the screen is redrawn in place until a key: q, Escape or Ctrl-C ends it, any other
 * draws at once.  Elsewhere the answers follow each other, COUNT of them, one if nothing is said.
 */
#include <cli/client.h>

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

typedef struct {
	unsigned long n_frames; /* 0: until a key */
	unsigned long delay_ms;
	const char *words; /* after "show " */
} top_options_t;

static const char top_usage[] = "usage: top [-n COUNT] [-d SECONDS] [WORDS]\n"
				"the answer of show WORDS (kmem if none), redrawn; q ends it\n";

/* ---- words ---- */

static const char *
skip_blanks(const char *p)
{
	return p + strspn(p, " \t");
}

/* "-x VALUE" at *p.  Value: 0 with both eaten, -1 for none or a wrong value. */
static int
parse_option(const char **p, char letter, unsigned long scale, unsigned long *value)
{
	const char *s = *p;
	char *end;
	double number;

	if (s[0] != '-' || s[1] != letter)
		return -1;
	s = skip_blanks(s + 2);
	number = strtod(s, &end);
	/* An hour, and a million screens, are as good as for ever. */
	if (end == s || (*end && *end != ' ' && *end != '\t') || !(number > 0) || number > 1e6)
		return -1;
	*value = (unsigned long)(number * (double)scale);
	*p = skip_blanks(end);
	return *value ? 0 : -1;
}

static int
parse(const char *line, top_options_t *o)
{
	const char *p = skip_blanks(line);

	while (*p == '-')
		if (parse_option(&p, 'n', 1, &o->n_frames) &&
		    parse_option(&p, 'd', 1000, &o->delay_ms))
			return -1;
	o->words = *p ? p : "kmem";
	return 0;
}

/* ---- the screen ---- */

typedef struct {
	int is_terminal;
	struct termios saved;
} screen_t;

/* The alternate screen keeps what was there before; keys come one by one, without echo. */
static void
screen_open(screen_t *s)
{
	struct termios raw;

	s->is_terminal = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) &&
			 tcgetattr(STDIN_FILENO, &s->saved) == 0;
	if (!s->is_terminal)
		return;
	raw = s->saved;
	/* Ctrl-C is a key too, so that the terminal is always put right. */
	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO | ISIG);
	raw.c_cc[VMIN] = 1;
	raw.c_cc[VTIME] = 0;
	tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
	fputs("\033[?1049h\033[?25l", stdout);
}

static void
screen_close(screen_t *s)
{
	if (!s->is_terminal)
		return;
	fputs("\033[?25h\033[?1049l", stdout);
	fflush(stdout);
	tcsetattr(STDIN_FILENO, TCSADRAIN, &s->saved);
}

/* As many lines as fit, each cut at the right edge and wiped behind; then the rest of the screen.
 */
static void
draw(const char *text, unsigned rows, unsigned columns)
{
	fputs("\033[H", stdout);
	for (unsigned row = 0; *text && (rows == 0 || row + 1 < rows); row++) {
		size_t n = strcspn(text, "\n"), n_shown = n;

		if (columns && n_shown > columns)
			n_shown = columns;
		fwrite(text, 1, n_shown, stdout);
		fputs("\033[K\n", stdout);
		text += n + (text[n] == '\n');
	}
	fputs("\033[J", stdout);
	fflush(stdout);
}

/* Value: 1 when a key ended it. */
static int
wait_for_key(unsigned long delay_ms)
{
	struct pollfd in = { .fd = STDIN_FILENO, .events = POLLIN };
	char key = 0;
	int rv = poll(&in, 1, (int)delay_ms);

	/* A resized terminal interrupts: it is drawn anew. */
	if (rv <= 0)
		return rv < 0 && errno != EINTR;
	if (read(STDIN_FILENO, &key, 1) != 1)
		return 1;
	return key == 'q' || key == 'Q' || key == 3 || key == 4 || key == 27;
}

/* ---- the loop ---- */

/* Ask once and show what is no error.  Value: 0, a negative errno of the connection, or 1 when it
 * could not be written; the answer is the caller's. */
static int
frame(client_t *c, const screen_t *s, const char *line, client_answer_t *answer)
{
	int rv = client_ask(c, CLI_KIND_RUN, s->is_terminal ? CLI_FORMAT_TEXT : c->format, line,
			    strlen(line), answer);

	if (rv || answer->status != CLI_STATUS_OK)
		return rv;
	if (s->is_terminal)
		draw(answer->body, client_rows(), client_columns());
	else if (client_print(answer, 0) != CLIENT_OK)
		return 1;
	return 0;
}

/* Until a key, a count, or something that is wrong.  The last answer is the caller's. */
static int
loop(client_t *c, const screen_t *s, const top_options_t *o, const char *line,
     client_answer_t *answer)
{
	unsigned long n_frames = o->n_frames || s->is_terminal ? o->n_frames : 1, n = 0;
	int rv;

	for (;;) {
		rv = frame(c, s, line, answer);
		if (rv || answer->status != CLI_STATUS_OK || ++n == n_frames)
			return rv;
		if (s->is_terminal && wait_for_key(o->delay_ms))
			return 0;
		if (!s->is_terminal)
			(void)poll(NULL, 0, (int)o->delay_ms);
		free(answer->body);
		answer->body = NULL;
	}
}

int
client_top(client_t *c, const char *words)
{
	top_options_t o = { .delay_ms = 1000 };
	client_answer_t answer = { .body = NULL };
	screen_t s;
	char *line;
	int rv;

	if (parse(words, &o)) {
		fputs(top_usage, stderr);
		return CLIENT_COMMAND_FAILED;
	}
	line = malloc(strlen(o.words) + sizeof("show "));
	if (!line)
		return client_complain(c, -ENOMEM);
	strcpy(line, "show ");
	strcat(line, o.words);
	screen_open(&s);
	rv = loop(c, &s, &o, line, &answer);
	screen_close(&s);
	free(line);
	if (rv < 0)
		rv = client_complain(c, rv);
	else if (rv)
		rv = CLIENT_COMMAND_FAILED;
	else if (answer.status != CLI_STATUS_OK)
		rv = client_print(&answer, 0); /* on the ordinary screen, where it stays */
	free(answer.body);
	return rv;
}
