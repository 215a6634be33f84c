/* SPDX-License-Identifier: Apache-2.0 */
/* One grammar for the vdev's arguments and the environment. */
#include "driver.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define KEYS "arena=on|off, accounting=on|off, cli=PATH, report=on|off or telemetry=on|off"

static const struct {
	const char *key;
	u32 offset;
} switches[] = {
	{ "arena", offsetof(driver_options_t, in_arena) },
	{ "accounting", offsetof(driver_options_t, is_accounted) },
	{ "report", offsetof(driver_options_t, reports) },
	{ "telemetry", offsetof(driver_options_t, has_telemetry) },
};

static int
is_word(const char *text, u32 n, const char *word)
{
	return strlen(word) == n && !memcmp(text, word, n);
}

static int
parse_switch(const char *key, const char *value, u32 n_value, u8 *result, char *what, uword n_what)
{
	if (is_word(value, n_value, "on"))
		*result = 1;
	else if (is_word(value, n_value, "off"))
		*result = 0;
	else {
		snprintf(what, n_what, "%s=%.*s: expected on or off", key, (int)n_value, value);
		return -EINVAL;
	}
	return 0;
}

static int
parse_one(const char *text, u32 n, driver_options_t *o, char *what, uword n_what)
{
	const char *equals = memchr(text, '=', n), *value = equals ? equals + 1 : text + n;
	u32 n_key = equals ? (u32)(equals - text) : n, n_value = n - (u32)(value - text);

	for (u32 i = 0; i < ARRAY_LEN(switches); i++)
		if (is_word(text, n_key, switches[i].key))
			return parse_switch(switches[i].key, value, n_value,
					    (u8 *)o + switches[i].offset, what, n_what);
	if (!is_word(text, n_key, "cli")) {
		snprintf(what, n_what, "unknown option '%.*s', expected " KEYS, (int)n_key, text);
		return -EINVAL;
	}
	if (!n_value || n_value >= sizeof(o->cli) || value[0] != '/') {
		snprintf(what, n_what,
			 "cli=%.*s: expected an absolute path of at most %u bytes for the socket",
			 (int)n_value, value, (u32)sizeof(o->cli) - 1);
		return -EINVAL;
	}
	memcpy(o->cli, value, n_value);
	o->cli[n_value] = 0;
	return 0;
}

int
driver_options_parse(const char *text, driver_options_t *options, char *what, uword n_what)
{
	int error = 0;

	while (text && *text && !error) {
		u32 n = (u32)strcspn(text, ",");

		/* An empty one between two commas is nobody's wish. */
		error = parse_one(text, n, options, what, n_what);
		text += n;
		if (*text == ',' && !*++text && !error) {
			snprintf(what, n_what, "nothing after the last comma, expected " KEYS);
			error = -EINVAL;
		}
	}
	return error;
}
