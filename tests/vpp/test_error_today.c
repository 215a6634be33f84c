/* SPDX-License-Identifier: Apache-2.0 */
/* Errors as today's tree makes and reports them; what ends a program is looked at in a child. */
#include <sys/wait.h>
#include <unistd.h>
#include <vppinfra/clib.h>
#include <vppinfra/clib_error.h>
#include <vppinfra/error_bootstrap.h>
#include <vppinfra/error.h>

STATIC_ASSERT_SIZEOF(u64, 8);
STATIC_ASSERT(sizeof(clib_error_t) == 4 * sizeof(uword), "four words");
STATIC_ASSERT_OFFSET_OF(clib_error_t, what, 0);

typedef struct {
	int (*validate)(int);
	char *name;
} thing_t;

static clib_error_t *
thing_init(thing_t *t, int arg)
{
	int rv;

	if (!t->name)
		return clib_error_return(0, "a thing needs a name");
	if ((rv = t->validate(arg)) < 0)
		return clib_error_return_code(0, rv, 0, "%s: %d is not valid", t->name, arg);
	return 0;
}

static int
validate_positive(int n)
{
	return n > 0 ? 0 : -22;
}

static void
fatal(void)
{
	clib_error_t *err = clib_error_return_fatal(0, "no way to go on");

	clib_error_report(err);
}

static void
aborts(void)
{
	clib_panic("%s", "broken");
}

static void
asserts(void)
{
	ALWAYS_ASSERT(1 == 2);
}

/* The wait status of a child that calls f, and what it wrote. */
static int
child(void (*f)(void), char *text, int n)
{
	int fds[2], status = -1, n_read = 0, n_more;
	pid_t pid;

	if (pipe(fds) < 0)
		return -1;
	pid = fork();
	if (pid == 0) {
		dup2(fds[1], STDERR_FILENO);
		f();
		_exit(0);
	}
	close(fds[1]);
	while (n_read < n - 1 && (n_more = read(fds[0], text + n_read, n - 1 - n_read)) > 0)
		n_read += n_more;
	text[n_read] = 0;
	close(fds[0]);
	waitpid(pid, &status, 0);
	return status;
}

int
main(int argc, char *argv[])
{
	thing_t unnamed = { .validate = validate_positive };
	thing_t t = { .validate = validate_positive, .name = "counter" };
	clib_error_t *err;
	int n_failed = 0, status;
	char text[1024];
	u8 *s;

	n_failed += thing_init(&t, 1) != 0;
	err = thing_init(&unnamed, 1);
	s = format(0, "%U%c", format_clib_error, err, 0);
	n_failed += strcmp((char *)s, "thing_init: a thing needs a name") != 0;
	vec_free(s);
	clib_error_free(err);
	err = thing_init(&t, 0);
	n_failed += (word)clib_error_get_code(err) != -22;
	err = clib_error_return(err, 0);
	n_failed += vec_len(err) != 2 || err[1].what != 0;
	clib_error_free(err);
	n_failed += err != 0 || clib_error_get_code(err) != 0;

	status = child(fatal, text, sizeof(text));
	n_failed += !WIFEXITED(status) || WEXITSTATUS(status) != 1 ||
		    !strstr(text, "fatal: no way to go on\n");
	status = child(aborts, text, sizeof(text));
	n_failed += !WIFSIGNALED(status) || !strstr(text, "aborts:") || !strstr(text, ": broken\n");
	status = child(asserts, text, sizeof(text));
	n_failed += !WIFSIGNALED(status) || !strstr(text, "(asserts) assertion `1 == 2' fails");

	fformat(stdout, "%d failed\n", n_failed);
	return n_failed != 0;
}
