/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of the command engine: words, matching, errors.  For src/cli and its tests. */
#ifndef included_cli_command_impl_h
#define included_cli_command_impl_h

#include <errno.h>
#include <stdio.h>
#include <cli/cli.h>

/** A word of a line; p is not terminated. */
typedef struct {
	const u8 *p;
	uword n, offset;
} cli_word_t;

/** The word at or behind *at; *at moves behind it.  @return 0 when there is none. */
int cli_next_word(const u8 *line, uword n_bytes, uword *at, cli_word_t *word);

/** The k-th word of a command's path and its length; length 0 behind the last. */
const char *cli_path_word(const char *path, u32 k, uword *n);

/** The commands whose first `depth` words are those of the line. */
typedef struct {
	vmheap_cli_command_t **set; /* vector, sorted by path */
	u32 depth;
} cli_match_t;

void cli_match_init(cli_match_t *m);
void cli_match_free(cli_match_t *m);
/** Follow one word.  @return 1; 0 no such word; -1 ambiguous.  The match moves only for 1. */
int cli_match_word(cli_match_t *m, const cli_word_t *word);
/** The command that ends here, or NULL. */
vmheap_cli_command_t *cli_match_command(const cli_match_t *m);
/** Distinct next words that begin with prefix (NULL: all): vector of C-string vectors. */
char **cli_match_next_words(const cli_match_t *m, const cli_word_t *prefix);
void cli_words_free(char **words);

#define CLI_NO_OFFSET (~(uword)0)

/** Why a line failed; message NULL: it did not. */
typedef struct {
	u8 *message;     /* vector */
	char **expected; /* words that could stand there: vector of C-string vectors */
	uword offset;    /* byte of the line it speaks of, or CLI_NO_OFFSET */
	u8 is_ambiguous; /* expected are candidates */
	u8 is_leftover;  /* the command ran, but not on what was asked: its answer is dropped */
} cli_error_t;

void cli_error_free(cli_error_t *e);

/** Whether a handler's or config function's error carries the offset of a word as its code. */
int cli_error_has_offset(const clib_error_t *error);

vmheap_cli_command_t *cli_find_command(const u8 *line, uword n_bytes, uword *at, cli_error_t *e);

/** Run a command on the line's rest, which starts at `at`. */
void cli_run_command(vmheap_cli_command_t *c, const u8 *line, uword n_bytes, uword at,
		     cli_output_t *out, cli_error_t *e);

/** What may follow the line's words, as sections; with last_is_prefix the line's last word, if
 *  no blank follows it, is the beginning of one. */
void cli_help(const u8 *line, uword n_bytes, int last_is_prefix, cli_output_t *out, cli_error_t *e);

/* answer.c */
void cli_answer_render(const u8 *line, uword n_bytes, u32 format, u16 columns,
		       const cli_output_t *out, const cli_error_t *e, cli_answer_t *answer);
void cli_answer_no_memory(u32 format, cli_answer_t *answer);

/** At most 40 bytes of text, the rest as "...": args const u8 *p, uword n. */
u8 *format_cli_excerpt(u8 *s, va_list *va);

/** A line and a caret below one of its bytes, a long line cut to a window: args const u8 *line,
 *  uword n_bytes, uword offset, u32 width. */
u8 *format_cli_caret(u8 *s, va_list *va);

#endif
