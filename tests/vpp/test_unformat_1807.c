/* SPDX-License-Identifier: Apache-2.0 */
/* Text in, in the idiom of 18.07: a small configuration file is read through a descriptor, line by
 * line and word by word, and an input is fed by a function of the program's own. */
#include <unistd.h>
#include <vppinfra/error.h>
#include <vppinfra/format.h>
#include <vppinfra/mem.h>

typedef struct {
	u8 *name;
	u32 n_workers;
	uword heap_size;
	u8 **plugins;
	u16 port;
	u8 mac[6];
	u32 flags;
#define FLAG_INTERACTIVE (1 << 0)
#define FLAG_NODAEMON (1 << 1)
} config_t;

static uword
unformat_mac(unformat_input_t *input, va_list *va)
{
	u8 *m = va_arg(*va, u8 *);

	return unformat(input, "%_%X:%X:%X:%X:%X:%X%_", 1, &m[0], 1, &m[1], 1, &m[2], 1, &m[3], 1,
			&m[4], 1, &m[5]);
}

static clib_error_t *
configure_unix(config_t *c, unformat_input_t *input)
{
	while (unformat_check_input(input) != UNFORMAT_END_OF_INPUT) {
		if (unformat(input, "interactive %|", &c->flags, FLAG_INTERACTIVE))
			;
		else if (unformat(input, "nodaemon %|", &c->flags, FLAG_NODAEMON))
			;
		else if (unformat(input, "heap-size %U", unformat_memory_size, &c->heap_size))
			;
		else
			return clib_error_return(0, "unknown input `%U'", format_unformat_error,
						 input);
	}
	return 0;
}

static clib_error_t *
configure(config_t *c, unformat_input_t *input)
{
	unformat_input_t sub;
	clib_error_t *error;
	u8 *s;

	while (unformat_check_input(input) != UNFORMAT_END_OF_INPUT) {
		error = 0;
		if (unformat(input, "unix %U", unformat_input, &sub)) {
			error = configure_unix(c, &sub);
			unformat_free(&sub);
		} else if (unformat(input, "name %s", &c->name))
			;
		else if (unformat(input, "workers %d", &c->n_workers))
			;
		else if (unformat(input, "plugin %s.so", &s))
			vec_add1(c->plugins, s);
		else if (unformat(input, "listen *:%D", sizeof(c->port), &c->port))
			;
		else if (unformat(input, "mac %U", unformat_mac, c->mac))
			;
		else if (unformat(input, "#"))
			unformat_skip_line(input);
		else
			error = unformat_parse_error(input);
		if (error)
			return error;
	}
	return 0;
}

static const char text[] = "# a comment {\n"
			   "name example\n"
			   "workers 4\tplugin one.so plugin two.so\n"
			   "unix {\n"
			   "  interactive\n"
			   "  heap-size 256m\n"
			   "  nodaemon\n"
			   "}\n"
			   "listen *:8080 mac 02:fe:0a:0B:c:1\n";

static int
test_file(void)
{
	u8 mac[] = { 2, 0xfe, 0xa, 0xb, 0xc, 1 };
	unformat_input_t input;
	config_t c;
	clib_error_t *error;
	int fds[2], is_right;

	clib_memset(&c, 0, sizeof(c));
	if (pipe(fds) < 0 || write(fds[1], text, sizeof(text) - 1) < 0)
		return 1;
	close(fds[1]);
	unformat_init_clib_file(&input, fds[0]);
	error = configure(&c, &input);
	unformat_free(&input);
	close(fds[0]);
	if (error) {
		clib_error_report(error);
		return 1;
	}
	is_right = !strcmp((char *)c.name, "example") && c.n_workers == 4 &&
		   vec_len(c.plugins) == 2 && !strcmp((char *)c.plugins[1], "two") &&
		   c.flags == (FLAG_INTERACTIVE | FLAG_NODAEMON) && c.heap_size == 256 << 20 &&
		   c.port == 8080 && !memcmp(c.mac, mac, 6);
	vec_free(c.name);
	vec_free(c.plugins[0]);
	vec_free(c.plugins[1]);
	vec_free(c.plugins);
	return !is_right;
}

static int
test_errors(void)
{
	char *wrong = "workers 4 plugins one.so\n and much more that nobody wants to see";
	unformat_input_t input;
	config_t c = { 0 };
	clib_error_t *error;
	u8 *s;
	int is_right;

	unformat_init_string(&input, wrong, strlen(wrong));
	error = configure(&c, &input);
	s = format(0, "%U%c", format_clib_error, error, 0);
	is_right = strstr((char *)s, "parse error `plugins one.so\\n and much more") != 0 &&
		   strstr((char *)s, "...'") != 0;
	if (!is_right)
		fformat(stderr, "%s\n", s);
	clib_error_free(error);
	vec_free(s);
	s = format(0, "%U%c", format_unformat_input, &input, 0);
	is_right = is_right &&
		   !strcmp((char *)s, "plugins one.so\n and much more that nobody wants to see");
	vec_free(s);
	unformat_free(&input);
	return !is_right;
}

/* A function of the program's own hands out a line at a time. */
static char *lines[] = { "add 1\n", "add 2\nadd", " 3\n", "end\n", 0 };

static uword
fill_line(unformat_input_t *i)
{
	char ***next = i->fill_buffer_arg;
	char *line = **next;

	if (!line)
		return UNFORMAT_END_OF_INPUT;
	vec_add(i->buffer, line, strlen(line));
	*next += 1;
	return i->index;
}

static int
test_fill(void)
{
	char **next = lines;
	unformat_input_t input, line;
	u32 n, sum = 0, n_lines = 0;

	unformat_init(&input, fill_line, &next);
	while (unformat_user(&input, unformat_line_input, &line)) {
		n_lines++;
		if (unformat(&line, "add %d%U", &n, unformat_eof))
			sum += n;
		else if (!unformat(&line, "end"))
			clib_warning("unknown line %U", format_unformat_error, &line);
		unformat_free(&line);
	}
	unformat_free(&input);
	return sum != 6 || n_lines != 4;
}

static int
test_pieces(void)
{
	unformat_input_t input;
	u8 *token = 0, *bytes = 0, *rest = 0;
	uword c;
	int is_right;

	unformat_init_vector(&input, format(0, "abc_9-x 00ffee {a {b c} d} left over"));
	is_right = unformat_user(&input, unformat_token, "a-z0-9_", &token) && vec_len(token) == 5;
	c = unformat_get_input(&input);
	is_right = is_right && c == '-' && unformat_peek_input(&input) == 'x';
	unformat_put_input(&input);
	is_right = is_right && unformat(&input, "-x %U", unformat_hex_string, &bytes) &&
		   vec_len(bytes) == 3 && bytes[2] == 0xee;
	vec_free(token);
	is_right = is_right && unformat(&input, "%v", &token) && vec_len(token) == 9 &&
		   !memcmp(token, "a {b c} d", 9);
	is_right = is_right && input.index < vec_len(input.buffer) &&
		   unformat_user(&input, unformat_line, &rest) && vec_len(rest) == 9;
	is_right = is_right && unformat_is_eof(&input);
	vec_free(token);
	vec_free(bytes);
	vec_free(rest);
	unformat_free(&input);
	return !is_right;
}

#ifdef CLIB_UNIX
int
main(int argc, char *argv[])
{
	int n_failed = test_file() + test_errors() + test_fill() + test_pieces();

	fformat(stdout, "%d failed\n", n_failed);
	return n_failed != 0;
}
#endif
