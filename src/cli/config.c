/* SPDX-License-Identifier: Apache-2.0 */
#include <cli/config.h>

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <vppinfra/format.h>
#include <vppinfra/vec.h>

static int
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}

static int
ends_word(char c)
{
	return is_blank(c) || c == '{' || c == '}';
}

clib_error_t *
config_error(const config_t *c, u32 offset, const char *fmt, ...)
{
	u32 line = 1, column = 1;
	clib_error_t *error;
	va_list va;
	u8 *what;

	for (u32 i = 0; i < offset && i < c->n_bytes; i++) {
		line += c->text[i] == '\n';
		column = c->text[i] == '\n' ? 1 : column + 1;
	}
	va_start(va, fmt);
	what = va_format(0, fmt, &va);
	va_end(va);
	error = clib_error_return(0, "%s:%d:%d: %v", c->file, line, column, what);
	vec_free(what);
	return error;
}

/* ---- tokens ---- */

static config_token_t
token_at(const config_t *c, u32 at, u32 end)
{
	config_token_t t = { .type = CONFIG_END };

	while (at < end && is_blank(c->text[at]))
		at++;
	t.offset = at;
	t.p = c->text + at;
	if (at == end)
		return t;
	if (c->text[at] == '{' || c->text[at] == '}') {
		t.type = c->text[at] == '{' ? CONFIG_OPEN : CONFIG_CLOSE;
		t.n_bytes = 1;
		return t;
	}
	t.type = CONFIG_WORD;
	while (at < end && !ends_word(c->text[at]))
		at++;
	t.n_bytes = at - t.offset;
	return t;
}

config_token_t
config_peek(const config_cursor_t *cursor)
{
	return token_at(cursor->config, cursor->at, cursor->end);
}

config_token_t
config_next(config_cursor_t *cursor)
{
	config_token_t t = config_peek(cursor);

	cursor->at = t.offset + t.n_bytes;
	return t;
}

int
config_token_is(const config_token_t *t, const char *word)
{
	return t->type == CONFIG_WORD && strlen(word) == t->n_bytes &&
	       !memcmp(t->p, word, t->n_bytes);
}

char *
config_token_dup(const config_token_t *t)
{
	return strndup(t->p, t->n_bytes);
}

void
config_cursor_init(config_cursor_t *cursor, const config_t *c, const config_stanza_t *s)
{
	cursor->config = c;
	cursor->stanza = s->name;
	cursor->at = s->body_offset;
	cursor->end = s->body_offset + s->n_body_bytes;
}

/* At most 40 bytes of a token, as errors quote it. */
static u8 *
format_token(u8 *s, va_list *va)
{
	const config_token_t *t = va_arg(*va, const config_token_t *);

	for (u32 i = 0; i < t->n_bytes && i < 40; i++)
		vec_add1(s, isprint((u8)t->p[i]) || (u8)t->p[i] >= 0x80 ? (u8)t->p[i] : '.');
	return t->n_bytes > 40 ? format(s, "...") : s;
}

clib_error_t *
config_unknown(const config_cursor_t *cursor, const config_token_t *t, const char *expected)
{
	return config_error(cursor->config, t->offset,
			    "unknown word '%U' in stanza '%s', expected %s", format_token, t,
			    cursor->stanza, expected);
}

/* ---- the file ---- */

static void
blank_comments(config_t *c)
{
	for (u32 i = 0; i < c->n_bytes; i++) {
		if (c->text[i] != '#' || (i > 0 && !ends_word(c->text[i - 1])))
			continue;
		while (i < c->n_bytes && c->text[i] != '\n')
			c->text[i++] = ' ';
	}
}

static clib_error_t *
check_bytes(const config_t *c)
{
	for (u32 i = 0; i < c->n_bytes; i++) {
		if ((u8)c->text[i] < ' ' && !is_blank(c->text[i]))
			return config_error(c, i, "byte 0x%02x is not text", c->text[i]);
	}
	return 0;
}

/* The stanza whose name is t; *at is behind the name and moves behind the closing brace. */
static clib_error_t *
read_stanza(config_t *c, const config_token_t *name, u32 *at)
{
	config_stanza_t *s, *grown;
	config_token_t open, t;
	u32 depth = 1;

	open = token_at(c, *at, c->n_bytes);
	if (open.type != CONFIG_OPEN)
		return config_error(c, open.offset, "expected '{' after '%U'", format_token, name);
	t = open;
	while (depth > 0) {
		t = token_at(c, t.offset + t.n_bytes, c->n_bytes);
		if (t.type == CONFIG_END)
			return config_error(c, open.offset,
					    "this '{' of stanza '%U' is never closed", format_token,
					    name);
		depth += t.type == CONFIG_OPEN;
		depth -= t.type == CONFIG_CLOSE;
	}
	*at = t.offset + 1;
	grown = realloc(c->stanzas, (c->n_stanzas + 1) * sizeof(*s));
	if (!grown)
		return clib_error_return(0, "%s: no memory", c->file);
	c->stanzas = grown;
	s = &grown[c->n_stanzas];
	s->name = config_token_dup(name);
	if (!s->name)
		return clib_error_return(0, "%s: no memory", c->file);
	s->name_offset = name->offset;
	s->body_offset = open.offset + 1;
	s->n_body_bytes = t.offset - s->body_offset;
	c->n_stanzas++;
	return 0;
}

static clib_error_t *
read_stanzas(config_t *c)
{
	clib_error_t *error = check_bytes(c);
	config_token_t t;
	u32 at = 0;

	blank_comments(c);
	while (!error) {
		t = token_at(c, at, c->n_bytes);
		if (t.type == CONFIG_END)
			break;
		if (t.type != CONFIG_WORD)
			return config_error(c, t.offset, "expected the name of a stanza, not '%U'",
					    format_token, &t);
		at = t.offset + t.n_bytes;
		error = read_stanza(c, &t, &at);
	}
	return error;
}

clib_error_t *
config_read_text(const char *file, const char *text, uword n_bytes, config_t *c)
{
	clib_error_t *error;

	memset(c, 0, sizeof(*c));
	if (n_bytes > CONFIG_BYTES_MAX)
		return clib_error_return(0, "%s: longer than %d bytes", file, CONFIG_BYTES_MAX);
	c->file = strdup(file);
	c->text = malloc(n_bytes + 1);
	if (!c->file || !c->text) {
		config_free(c);
		return clib_error_return(0, "%s: no memory", file);
	}
	memcpy(c->text, text, n_bytes);
	c->text[n_bytes] = 0;
	/* The mark that some editors put before UTF-8. */
	if (n_bytes >= 3 && !memcmp(c->text, "\xef\xbb\xbf", 3))
		memset(c->text, ' ', 3);
	c->n_bytes = n_bytes;
	error = read_stanzas(c);
	if (error)
		config_free(c);
	return error;
}

clib_error_t *
config_read_file(const char *file, config_t *c)
{
	clib_error_t *error = 0;
	FILE *f = fopen(file, "re");
	char *text = malloc(CONFIG_BYTES_MAX + 1);
	size_t n;

	memset(c, 0, sizeof(*c));
	if (!f || !text) {
		error = clib_error_return(0, "%s: %s", file, f ? "no memory" : strerror(errno));
	} else {
		n = fread(text, 1, CONFIG_BYTES_MAX + 1, f);
		if (ferror(f))
			error = clib_error_return(0, "%s: %s", file, strerror(errno));
		else
			error = config_read_text(file, text, n, c);
	}
	if (f)
		fclose(f);
	free(text);
	return error;
}

void
config_free(config_t *c)
{
	for (u32 i = 0; i < c->n_stanzas; i++)
		free(c->stanzas[i].name);
	free(c->stanzas);
	free(c->text);
	free(c->file);
	memset(c, 0, sizeof(*c));
}

/* ---- values ---- */

/* The value of a key: a word at the cursor. */
static clib_error_t *
take_value(config_cursor_t *cursor, const char *key, const char *wanted, config_token_t *t)
{
	*t = config_peek(cursor);
	if (t->type == CONFIG_WORD) {
		config_next(cursor);
		return 0;
	}
	return config_error(cursor->config, t->offset, "expected %s after '%s' in stanza '%s'",
			    wanted, key, cursor->stanza);
}

clib_error_t *
config_take_word(config_cursor_t *cursor, const char *key, char **word)
{
	config_token_t t;
	clib_error_t *error = take_value(cursor, key, "a word", &t);

	if (error)
		return error;
	free(*word);
	*word = config_token_dup(&t);
	return *word ? 0 : config_error(cursor->config, t.offset, "no memory");
}

static int
parse_u64(const char *p, u32 n, u64 *value)
{
	u64 x = 0;

	if (n == 0 || n > 18)
		return -EINVAL;
	for (u32 i = 0; i < n; i++) {
		if (p[i] < '0' || p[i] > '9')
			return -EINVAL;
		x = 10 * x + (p[i] - '0');
	}
	*value = x;
	return 0;
}

clib_error_t *
config_take_u32(config_cursor_t *cursor, const char *key, u32 least, u32 most, u32 *value)
{
	config_token_t t;
	clib_error_t *error = take_value(cursor, key, "a number", &t);
	u64 x;

	if (error)
		return error;
	if (parse_u64(t.p, t.n_bytes, &x) || x < least || x > most)
		return config_error(cursor->config, t.offset,
				    "'%U' after '%s': expected a number from %u to %u",
				    format_token, &t, key, least, most);
	*value = x;
	return 0;
}

clib_error_t *
config_take_size(config_cursor_t *cursor, const char *key, uword *value)
{
	static const char units[] = "kmgt";
	config_token_t t;
	clib_error_t *error = take_value(cursor, key, "a size", &t);
	u32 n, shift = 0;
	const char *unit;
	u64 x;

	if (error)
		return error;
	n = t.n_bytes;
	unit = strchr(units, tolower((u8)t.p[n - 1]));
	if (unit && *unit) {
		shift = 10 * (unit - units + 1);
		n--;
	}
	if (parse_u64(t.p, n, &x) || x == 0 || x > (~0ull >> shift >> 1))
		return config_error(cursor->config, t.offset,
				    "'%U' after '%s': expected a size such as 64k, 512M or 1G",
				    format_token, &t, key);
	*value = x << shift;
	return 0;
}

void
config_skip_block(config_cursor_t *cursor)
{
	config_token_t t = config_peek(cursor);
	u32 depth = 0;

	if (t.type != CONFIG_OPEN)
		return;
	do {
		t = config_next(cursor);
		depth += t.type == CONFIG_OPEN;
		depth -= t.type == CONFIG_CLOSE;
	} while (depth > 0 && t.type != CONFIG_END);
}
