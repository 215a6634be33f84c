/* SPDX-License-Identifier: Apache-2.0 */
/* config: startup.conf as stanzas of words, each with its line and column.
 *
 *   # comment to the end of the line, at the start of a word
 *   unix { cli-listen /run/vmheap/cli.sock }
 *   dpdk {
 *     dev 0000:02:00.0 { num-rx-queues 2 }
 *   }
 *
 * A word is any run of bytes between blanks and braces.  The text is kept as it was read, with
 * comments blanked out, so a byte's offset in it is its place in the file and an error found by
 * anybody, plugin or daemon, can say FILE:LINE:COLUMN.
 *
 * Read before any heap exists: memory is malloc's. */
#ifndef included_cli_config_h
#define included_cli_config_h

#include <vppinfra/clib.h>
#include <vppinfra/error.h>

/* 1 MiB: a startup.conf larger than that is something else. */
#define CONFIG_BYTES_MAX (1u << 20)

typedef struct {
	char *name;
	u32 name_offset;
	u32 body_offset, n_body_bytes; /* between the braces */
} config_stanza_t;

typedef struct {
	char *file; /* as errors name it */
	char *text; /* NUL-terminated, comments blanked */
	u32 n_bytes;
	config_stanza_t *stanzas;
	u32 n_stanzas;
} config_t;

/** @return NULL, or `FILE: why` or `FILE:LINE:COLUMN: why` with *c empty. */
clib_error_t *config_read_file(const char *file, config_t *c);
/** The same from memory; text is copied. */
clib_error_t *config_read_text(const char *file, const char *text, uword n_bytes, config_t *c);
void config_free(config_t *c);

/** An error at a byte of the text: "FILE:LINE:COLUMN: ..." */
clib_error_t *config_error(const config_t *c, u32 offset, const char *fmt, ...);

/* ---- words of a stanza ---- */

typedef enum { CONFIG_END, CONFIG_WORD, CONFIG_OPEN, CONFIG_CLOSE } config_token_type_t;

typedef struct {
	config_token_type_t type;
	u32 offset, n_bytes;
	const char *p; /* not terminated */
} config_token_t;

typedef struct {
	const config_t *config;
	const char *stanza; /* name, for errors */
	u32 at, end;
} config_cursor_t;

void config_cursor_init(config_cursor_t *cursor, const config_t *c, const config_stanza_t *s);
/** The next token; the cursor moves behind it. */
config_token_t config_next(config_cursor_t *cursor);
/** The same without moving. */
config_token_t config_peek(const config_cursor_t *cursor);
int config_token_is(const config_token_t *t, const char *word);
/** A C string from malloc. */
char *config_token_dup(const config_token_t *t);

/** "unknown word 'x' in stanza 'memory', expected one of: ..." at a token. */
clib_error_t *config_unknown(const config_cursor_t *cursor, const config_token_t *t,
			     const char *expected);

/* Values: the token at the cursor is taken; on error it names what was wanted.  `key` is the word
 * it belongs to, for the message. */
clib_error_t *config_take_word(config_cursor_t *cursor, const char *key, char **word);
clib_error_t *config_take_u32(config_cursor_t *cursor, const char *key, u32 least, u32 most,
			      u32 *value);
/** Bytes, with k, m, g or t. */
clib_error_t *config_take_size(config_cursor_t *cursor, const char *key, uword *value);
/** Skips { ... } at the cursor, when there is one. */
void config_skip_block(config_cursor_t *cursor);

#endif
