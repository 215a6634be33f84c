/* SPDX-License-Identifier: Apache-2.0 */
/* The interactive client: libedit's line editor, a history file, and completions that the daemon
 * knows and this program does not. */
#include <cli/client.h>

#include <errno.h>
#include <histedit.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define HISTORY_LINES 1000

typedef struct {
	client_t *client;
	EditLine *edit;
	History *history;
	char history_path[512];
	int lost; /* negative errno: the connection ended inside the editor */
} session_t;

static const char *
prompt(EditLine *edit)
{
	return "vmheap# ";
}

/* ---- completion ---- */

/* Bytes of the longest beginning that all lines of a text share; *n_lines is how many there are. */
static size_t
common_prefix(const char *text, unsigned *n_lines)
{
	size_t n_common = strcspn(text, "\n");
	const char *line = text;

	for (*n_lines = 0; *line; (*n_lines)++) {
		size_t n = strcspn(line, "\n"), same = 0;

		while (same < n && same < n_common && line[same] == text[same])
			same++;
		n_common = same;
		line += n + (line[n] == '\n');
	}
	return n_common;
}

static void
list_candidates(const char *text)
{
	unsigned columns = client_columns(), used = 0;
	size_t widest = 0;

	for (const char *line = text; *line; line += strcspn(line, "\n") + 1)
		if (strcspn(line, "\n") > widest)
			widest = strcspn(line, "\n");
	putchar('\n');
	for (const char *line = text; *line; line += strcspn(line, "\n") + 1) {
		size_t n = strcspn(line, "\n");

		if (used && used + widest + 2 > columns) {
			putchar('\n');
			used = 0;
		}
		fwrite(line, 1, n, stdout);
		printf("%*s", (int)(widest + 2 - n), "");
		used += (unsigned)widest + 2;
	}
	putchar('\n');
}

static unsigned char
complete(EditLine *edit, int key)
{
	session_t *s;
	const LineInfo *info = el_line(edit);
	size_t n_before = info->cursor - info->buffer, n_word = 0, n_common;
	client_answer_t answer;
	unsigned n_lines;
	unsigned char rv = CC_REFRESH;
	char insert[256];

	el_get(edit, EL_CLIENTDATA, &s);
	s->lost = client_ask(s->client, CLI_KIND_COMPLETE, CLI_FORMAT_TEXT, info->buffer, n_before,
			     &answer);
	if (s->lost)
		return CC_EOF;
	while (n_word < n_before && info->cursor[-1 - (long)n_word] != ' ')
		n_word++;
	n_common = common_prefix(answer.body, &n_lines);
	if (n_lines == 0) {
		rv = CC_ERROR;
	} else if (n_common > n_word && n_common - n_word < sizeof(insert) - 1) {
		snprintf(insert, sizeof(insert), "%.*s%s", (int)(n_common - n_word),
			 answer.body + n_word, n_lines == 1 ? " " : "");
		el_insertstr(edit, insert);
	} else if (n_lines == 1) {
		el_insertstr(edit, " ");
	} else {
		list_candidates(answer.body);
		rv = CC_REDISPLAY;
	}
	free(answer.body);
	return rv;
}

/* `?` shows at once what may follow; the line stays as it is. */
static unsigned char
question(EditLine *edit, int key)
{
	session_t *s;
	const LineInfo *info = el_line(edit);
	size_t n = info->cursor - info->buffer;
	client_answer_t answer;
	char *line = malloc(n + 2);

	el_get(edit, EL_CLIENTDATA, &s);
	if (!line)
		return CC_ERROR;
	memcpy(line, info->buffer, n);
	line[n] = '?';
	s->lost = client_ask(s->client, CLI_KIND_RUN, CLI_FORMAT_TEXT, line, n + 1, &answer);
	free(line);
	if (s->lost)
		return CC_EOF;
	printf("?\n");
	client_print(&answer, 1);
	free(answer.body);
	return CC_REDISPLAY;
}

/* ---- history ---- */

static void
find_history_path(session_t *s)
{
	const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");

	if (state && *state)
		snprintf(s->history_path, sizeof(s->history_path), "%s/vmheap_history", state);
	else if (home && *home)
		snprintf(s->history_path, sizeof(s->history_path), "%s/.vmheap_history", home);
}

static void
show_history(session_t *s)
{
	HistEvent event;

	for (int rv = history(s->history, &event, H_LAST); rv >= 0;
	     rv = history(s->history, &event, H_PREV))
		printf("%5d  %s\n", event.num, event.str);
}

static void
remember(session_t *s, const char *line)
{
	HistEvent event;

	if (history(s->history, &event, H_FIRST) >= 0 && !strcmp(event.str, line))
		return;
	history(s->history, &event, H_ENTER, line);
}

static int
open_session(session_t *s)
{
	HistEvent event;

	s->edit = el_init("vmheapctl", stdin, stdout, stderr);
	s->history = history_init();
	if (!s->edit || !s->history)
		return -ENOMEM;
	find_history_path(s);
	history(s->history, &event, H_SETSIZE, HISTORY_LINES);
	if (s->history_path[0])
		history(s->history, &event, H_LOAD, s->history_path);
	el_set(s->edit, EL_CLIENTDATA, s);
	el_set(s->edit, EL_PROMPT, prompt);
	el_set(s->edit, EL_EDITOR, "emacs");
	el_set(s->edit, EL_SIGNAL, 1);
	el_set(s->edit, EL_HIST, history, s->history);
	el_set(s->edit, EL_ADDFN, "vmheap-complete", "ask the daemon what may follow", complete);
	el_set(s->edit, EL_ADDFN, "vmheap-help", "ask the daemon for help", question);
	el_set(s->edit, EL_BIND, "^I", "vmheap-complete", NULL);
	el_set(s->edit, EL_BIND, "?", "vmheap-help", NULL);
	el_set(s->edit, EL_BIND, "^R", "em-inc-search-prev", NULL);
	el_source(s->edit, NULL);
	return 0;
}

static void
close_session(session_t *s)
{
	HistEvent event;

	if (s->history && s->history_path[0]) {
		mode_t old = umask(077);

		history(s->history, &event, H_SAVE, s->history_path);
		umask(old);
	}
	if (s->history)
		history_end(s->history);
	if (s->edit)
		el_end(s->edit);
}

static int
run(session_t *s, const char *line, int *quit)
{
	client_answer_t answer;
	int rv;

	if (!strcmp(line, "history")) {
		show_history(s);
		return CLIENT_OK;
	}
	if (!strncmp(line, "top", 3) && (line[3] == 0 || line[3] == ' ')) {
		rv = client_top(s->client, line + 3);
		*quit = rv == CLIENT_NO_DAEMON;
		return rv;
	}
	rv = client_ask(s->client, CLI_KIND_RUN, s->client->format, line, strlen(line), &answer);
	if (rv) {
		*quit = 1;
		return client_complain(s->client, rv);
	}
	*quit = answer.flags & CLI_FLAG_QUIT;
	client_print(&answer, 1);
	free(answer.body);
	return CLIENT_OK;
}

int
client_interactive(client_t *c)
{
	session_t s = { .client = c };
	int rv = open_session(&s) ? client_complain(c, -ENOMEM) : CLIENT_OK, quit = rv, n;
	const char *got;
	char *line;

	while (!quit) {
		got = el_gets(s.edit, &n);
		if (s.lost) {
			rv = client_complain(c, s.lost);
			break;
		}
		if (!got || n <= 0) {
			putchar('\n');
			break;
		}
		line = strndup(got, strcspn(got, "\n"));
		if (!line) {
			rv = client_complain(c, -ENOMEM);
			break;
		}
		if (line[strspn(line, " \t")]) {
			remember(&s, line);
			rv = run(&s, line + strspn(line, " \t"), &quit);
		}
		free(line);
	}
	close_session(&s);
	return rv;
}
