/* SPDX-License-Identifier: Apache-2.0 */
/* Errors as 18.07 makes, passes on and reports them. */
#include <fcntl.h>
#include <unistd.h>
#include <vppinfra/clib.h>
#include <vppinfra/error.h>
#include <vppinfra/format.h>

static u8 *heard;
static u32 n_heard;

static void
hear(void *arg, u8 *msg, int msg_len)
{
	u8 **v = arg;

	vec_reset_length(*v);
	vec_add(*v, msg, msg_len);
	n_heard++;
}

static clib_error_t *
open_config(char *path)
{
	int fd = open(path, O_RDONLY);

	if (fd < 0)
		return clib_error_return_unix(0, "open `%s'", path);
	close(fd);
	return 0;
}

static clib_error_t *
start(char *path)
{
	clib_error_t *error = open_config(path);

	if (error)
		return clib_error_return(error, "cannot start");
	return 0;
}

static clib_error_t *
check_half(int n)
{
	clib_error_t *error;

	if ((error = CLIB_ERROR_ASSERT(n % 2 == 0)))
		return error;
	return ERROR_ASSERT(n >= 0);
}

static int
says(u8 *v, char *text)
{
	return vec_len(v) >= strlen(text) && !memcmp(v, text, strlen(text));
}

int
test_error_main(void)
{
	clib_error_t *error;
	int n_failed = 0;
	u8 *s;

	clib_error_register_handler(hear, &heard);

	if (start("/dev/null"))
		n_failed++;

	error = start("/no/such/file");
	s = format(0, "%U", format_clib_error, error);
	if (!says(s, "open_config: open `/no/such/file': No such file or directory\n"
		     "from start: cannot start"))
		n_failed++;
	vec_free(s);
	if (clib_error_get_code(error) != ENOENT || vec_len(error) != 2 ||
	    !(error[0].flags & CLIB_ERROR_ERRNO_VALID))
		n_failed++;
	clib_error_set_code(error, -7);
	if ((word)clib_error_get_code(error) != -7)
		n_failed++;
	/* Reported once; a second report has nothing to say. */
	clib_error_report(error);
	clib_error_report(error);
	if (error || n_heard != 1 || !says(heard, "open_config: open `/no/such/file'"))
		n_failed++;

	error = clib_error_create("%d of %d", 3, 4);
	error = clib_error_return_code(error, 42, CLIB_ERROR_NO_RATE_LIMIT, "again");
	if (clib_error_get_code(error) != 0 || error[1].code != 42)
		n_failed++;
	clib_error_free(error);
	if (error)
		n_failed++;

	clib_warning("%U is %s", format_memory_size, (uword)4096, "a page");
	if (!says(heard, "test_error_main:") || heard[vec_len(heard) - 1] != '\n')
		n_failed++;
	errno = EAGAIN;
	clib_unix_warning("read");
	s = format(0, "read: %s (errno %d)\n", strerror(EAGAIN), EAGAIN);
	if (vec_len(heard) < vec_len(s) || memcmp(vec_end(heard) - vec_len(s), s, vec_len(s)))
		n_failed++;
	vec_free(s);

	if (check_half(2))
		n_failed++;
	error = check_half(3);
	if (!error || !(error->flags & CLIB_ERROR_FATAL))
		n_failed++;
	clib_error_free(error);
	vec_free(heard);
	return n_failed;
}

#ifdef CLIB_UNIX
int
main(int argc, char *argv[])
{
	int n_failed = test_error_main();

	ASSERT(n_failed == 0);
	fformat(stdout, "%d failed\n", n_failed);
	return n_failed != 0;
}
#endif
