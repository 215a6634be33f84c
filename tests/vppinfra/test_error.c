/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vppinfra/error.h>
#include "text_test.h"

/* Collects what would have been printed. */
static u8 *printed;

static void
collect(void *arg, u8 *msg, int n)
{
	CU_ASSERT_PTR_EQUAL(arg, &printed);
	vec_add(printed, msg, (uword)n);
}

/* PRINTS("text", statement) */
#define PRINTS(text, ...)                                                                          \
	do {                                                                                       \
		printed = NULL;                                                                    \
		CU_ASSERT_EQUAL(clib_error_register_handler(collect, &printed), 0);                \
		__VA_ARGS__;                                                                       \
		CU_ASSERT_EQUAL(clib_error_unregister_handler(collect, &printed), 0);              \
		expect_bytes(__LINE__, text, strlen(text), printed);                               \
	} while (0)

static clib_error_t *
open_port(const char *name)
{
	return clib_error_create("no such device: %s", name);
}

static clib_error_t *
start_plugin(void)
{
	clib_error_t *error = open_port("net9");

	return clib_error_return(error, "plugin `%s'", "ethdev");
}

static clib_error_t *
open_file(void)
{
	errno = ENOENT;
	return clib_error_return_unix(0, "open `%s'", "/x");
}

/* An error names the place and the words of its cause and of all it passed through. */
static void
a_chain_tells_the_whole_story(void)
{
	clib_error_t *error = start_plugin(), *null = NULL;

	CU_ASSERT_EQUAL(vec_len(error), 2);
	EXPECT("open_port: no such device: net9\nfrom start_plugin: plugin `ethdev'", "%U",
	       format_clib_error, error);
	clib_error_free(error);
	CU_ASSERT_PTR_NULL(error);
	clib_error_free(null);
	EXPECT("", "%U", format_clib_error, null);
}

/* An errno is the code, and its words are added; errno is read when the error is made. */
static void
an_errno_has_words(void)
{
	clib_error_t *error = open_file();

	EXPECT("open_file: open `/x': No such file or directory", "%U", format_clib_error, error);
	CU_ASSERT_EQUAL(clib_error_get_code(error), ENOENT);
	CU_ASSERT_EQUAL(error->flags, CLIB_ERROR_ERRNO_VALID);
	clib_error_free(error);
	errno = EACCES;
	error = clib_error_return_unix(0, NULL);
	EXPECT("an_errno_has_words: Permission denied", "%U", format_clib_error, error);
	clib_error_free(error);
}

/* A code is the caller's own, and that of the cause is the chain's. */
static void
codes_travel_with_the_cause(void)
{
	clib_error_t *error = clib_error_return_code(0, -7, CLIB_ERROR_NO_RATE_LIMIT, "seven");

	CU_ASSERT_EQUAL((i64)clib_error_get_code(error), -7);
	CU_ASSERT_EQUAL(error->flags, CLIB_ERROR_NO_RATE_LIMIT);
	error = clib_error_return(error, "above");
	CU_ASSERT_EQUAL((i64)clib_error_get_code(error), -7);
	CU_ASSERT_PTR_EQUAL(clib_error_set_code(error, 8), error);
	CU_ASSERT_EQUAL(clib_error_get_code(error), 8);
	CU_ASSERT_EQUAL(clib_error_get_code(NULL), 0);
	CU_ASSERT_PTR_NULL(clib_error_set_code(NULL, 8));
	clib_error_free(error);
}

/* A report prints once, frees, and yields success; without an error it says nothing. */
static void
a_report_prints_and_frees(void)
{
	test_heap_t h = heap_make(MiB(1));
	clib_error_t *error = start_plugin();

	PRINTS("open_port: no such device: net9\nfrom start_plugin: plugin `ethdev'\n",
	       CU_ASSERT_PTR_NULL(clib_error_report(error)));
	CU_ASSERT_PTR_NULL(error);
	PRINTS("", CU_ASSERT_PTR_NULL(clib_error_report(error)));
	heap_done(&h);
}

/* A warning names its place in the source; errno stays what it was. */
static void
warnings_name_their_line(void)
{
	char expected[200];

	snprintf(expected, sizeof(expected), "warnings_name_their_line:%d: %d of %d\n",
		 __LINE__ + 1, 3, 4);
	PRINTS(expected, clib_warning("%d of %d", 3, 4));
	snprintf(expected, sizeof(expected),
		 "warnings_name_their_line:%d: read: Input/output error (errno 5)\n", __LINE__ + 2);
	errno = EIO;
	PRINTS(expected, clib_unix_warning("read"));
	CU_ASSERT_EQUAL(errno, EIO);
	/* A newline of one's own is enough. */
	PRINTS("f: text\n", _clib_error(CLIB_ERROR_WARNING, "f", 0, "text\n"));
	PRINTS("text\n", _clib_error(CLIB_ERROR_WARNING, NULL, 0, "text"));
}

static void
ignore(void *arg, u8 *msg, int n)
{
	if (arg)
		(*(int *)arg)++;
}

static void
report_again(void *arg, u8 *msg, int n)
{
	if ((*(int *)arg)++ < 3)
		clib_warning("from a handler");
}

/* Handlers are told once each, all of them; there is room for a few, and a handler that reports
 * does not call itself. */
static void
handlers_come_and_go(void)
{
	int n_calls[CLIB_ERROR_MAX_HANDLERS + 1] = {}, n_own = 0;

	for (int i = 0; i < CLIB_ERROR_MAX_HANDLERS; i++)
		CU_ASSERT_EQUAL(clib_error_register_handler(ignore, &n_calls[i]), 0);
	CU_ASSERT_EQUAL(clib_error_register_handler(ignore, &n_calls[3]), -EEXIST);
	CU_ASSERT_EQUAL(clib_error_register_handler(ignore, &n_calls[CLIB_ERROR_MAX_HANDLERS]),
			-ENOSPC);
	clib_warning("to all");
	for (int i = 0; i < CLIB_ERROR_MAX_HANDLERS; i++) {
		CU_ASSERT_EQUAL(n_calls[i], 1);
		CU_ASSERT_EQUAL(clib_error_unregister_handler(ignore, &n_calls[i]), 0);
	}
	CU_ASSERT_EQUAL(clib_error_unregister_handler(ignore, &n_calls[0]), -ENOENT);
	clib_error_register_handler(report_again, &n_own);
	clib_warning("once");
	clib_error_unregister_handler(report_again, &n_own);
	CU_ASSERT_EQUAL(n_own, 1);
}

/* Runs fn in a child; yields its wait status and, in text, what it wrote to stderr. */
static int
status_of(void (*fn)(void), char *text, uword n_text)
{
	int fds[2], status = -1;
	uword n = 0;
	ssize_t n_read;
	pid_t pid;

	fflush(stdout);
	if (pipe(fds))
		return -1;
	pid = fork();
	if (pid == 0) {
		dup2(fds[1], 2);
		close(fds[0]);
		fn();
		_exit(99);
	}
	close(fds[1]);
	while (n < n_text - 1 && (n_read = read(fds[0], text + n, n_text - 1 - n)) > 0)
		n += (uword)n_read;
	text[n] = 0;
	close(fds[0]);
	waitpid(pid, &status, 0);
	return status;
}

static void
report_fatal(void)
{
	clib_error_t *error = clib_error_return_fatal(0, "cannot go on");

	clib_error_report(error);
}

static void
report_fatal_unix(void)
{
	clib_error_t *error;

	errno = ENOMEM;
	error = clib_error_return(clib_error_return_unix_fatal(0, "map"), "start");
	clib_error_report(error);
}

static void
report_abort(void)
{
	clib_error_t *error = clib_error_return_code(0, 0, CLIB_ERROR_ABORT, "broken");

	clib_error_report(error);
}

static void
panic(void)
{
	clib_panic("panic %d", 1);
}

static void
unix_error(void)
{
	errno = EPERM;
	clib_unix_error("unix");
}

static void
plain_error(void)
{
	clib_error("plain");
}

static void
only_warn(void)
{
	clib_warning("a warning");
}

/* Fatal errors exit, abort ones abort, after the words have gone to stderr; the rest go on. */
static void
endings(void)
{
	char text[400];
	int status;

	status = status_of(report_fatal, text, sizeof(text));
	CU_ASSERT(WIFEXITED(status) && WEXITSTATUS(status) == 1);
	CU_ASSERT_STRING_EQUAL(text, "report_fatal: cannot go on\n");
	status = status_of(report_fatal_unix, text, sizeof(text));
	CU_ASSERT(WIFEXITED(status) && WEXITSTATUS(status) == 1);
	CU_ASSERT_STRING_EQUAL(text, "report_fatal_unix: map: Cannot allocate memory\n"
				     "from report_fatal_unix: start\n");
	status = status_of(report_abort, text, sizeof(text));
	CU_ASSERT(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	CU_ASSERT_STRING_EQUAL(text, "report_abort: broken\n");
	status = status_of(panic, text, sizeof(text));
	CU_ASSERT(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	CU_ASSERT_PTR_NOT_NULL(strstr(text, ": panic 1\n"));
	status = status_of(unix_error, text, sizeof(text));
	CU_ASSERT(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	CU_ASSERT_PTR_NOT_NULL(strstr(text, ": unix: Operation not permitted (errno 1)\n"));
	status = status_of(plain_error, text, sizeof(text));
	CU_ASSERT(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	status = status_of(only_warn, text, sizeof(text));
	CU_ASSERT(WIFEXITED(status) && WEXITSTATUS(status) == 99);
	CU_ASSERT_PTR_NOT_NULL(strstr(text, ": a warning\n"));
}

static clib_error_t *
checked_half(int n)
{
	return CLIB_ERROR_ASSERT(n % 2 == 0);
}

/* A broken promise is a fatal error that names it; ERROR_ASSERT only where assertions are on. */
static void
assertions_become_errors(void)
{
	clib_error_t *error = checked_half(3);

	CU_ASSERT_PTR_NULL(checked_half(2));
	CU_ASSERT_EQUAL(error->flags, CLIB_ERROR_FATAL);
	CU_ASSERT_PTR_NOT_NULL(memmem(error->what, vec_len(error->what), "`n % 2 == 0' fails", 18));
	clib_error_free(error);
	error = ERROR_ASSERT(1 == 2);
	CU_ASSERT_EQUAL(error != NULL, CLIB_DEBUG > 0);
	clib_error_free(error);
	CU_ASSERT_PTR_NULL(ERROR_ASSERT(1 == 1));
}

/* Whichever allocation fails, a failure never reads as success, and what there is can be printed,
 * passed on, given a code, and freed. */
static void
memory_ends_at_each_allocation(void)
{
	test_heap_t h = heap_make(MiB(1));
	int is_whole = 0;
	uword k;

	for (k = 1; k < 100 && !is_whole; k++) {
		clib_error_t *error;
		u8 *s;

		mheap_fail_gets_after(k);
		error = start_plugin();
		mheap_fail_gets_after(0);
		CU_ASSERT_PTR_NOT_NULL(error);
		clib_error_set_code(error, 5);
		s = format(NULL, "%U", format_clib_error, error);
		CU_ASSERT(vec_len(s) > 0);
		is_whole = vec_len(s) == strlen("open_port: no such device: net9\nfrom "
						"start_plugin: plugin `ethdev'");
		vec_free(s);
		clib_error_free(error);
		CU_ASSERT_PTR_NULL(error);
	}
	CU_ASSERT(is_whole && k > 3);
	heap_done(&h);
}

/* With nothing to be had at all, the error says just that, and stays what it is. */
static void
an_error_without_memory_is_an_error(void)
{
	test_heap_t h = heap_make(KiB(64));
	void *all = NULL, *p;
	clib_error_t *error;

	while ((p = clib_mem_alloc_or_null(16))) {
		*(void **)p = all;
		all = p;
	}
	error = start_plugin();
	CU_ASSERT_EQUAL(clib_error_get_code(error), ENOMEM);
	CU_ASSERT_PTR_EQUAL(clib_error_return(error, "again"), error);
	CU_ASSERT_EQUAL(clib_error_get_code(clib_error_set_code(error, 5)), ENOMEM);
	for (; all; all = p) {
		p = *(void **)all;
		clib_mem_free(all);
	}
	EXPECT("out of memory", "%U", format_clib_error, error);
	clib_error_free(error);
	CU_ASSERT_PTR_NULL(error);
	heap_done(&h);
}

static u8 last_words[100];

static void
remember(void *arg, u8 *msg, int n)
{
	memcpy(last_words, msg, (uword)clib_min(n, 99));
}

/* Even a message that no memory is left for says that much. */
static void
a_message_without_memory(void)
{
	test_heap_t h = heap_make(MiB(1));

	clib_error_register_handler(remember, NULL);
	mheap_fail_gets_after(1);
	_clib_error(CLIB_ERROR_WARNING, NULL, 0, "%s", "words");
	mheap_fail_gets_after(0);
	CU_ASSERT_STRING_EQUAL((char *)last_words, "out of memory for an error message\n");
	clib_error_unregister_handler(remember, NULL);
	heap_done(&h);
}

static void
count(void *arg, u8 *msg, int n)
{
	__atomic_fetch_add((u64 *)arg, 1, __ATOMIC_RELAXED);
}

static void *
come_and_go(void *arg)
{
	for (int i = 0; i < 20000; i++) {
		clib_error_register_handler(ignore, NULL);
		clib_error_unregister_handler(ignore, NULL);
	}
	return NULL;
}

static void *
warn_often(void *arg)
{
	void *heap = mheap_alloc(NULL, KiB(256)), *former = clib_mem_set_heap(heap);

	for (int i = 0; i < 20000; i++)
		clib_warning("message %d", i);
	clib_mem_set_heap(former);
	mheap_free(heap);
	return NULL;
}

/* Threads may report while others register; a handler that stays hears everything. */
static void
reports_and_registrations_meet(void)
{
	pthread_t t[3];
	u64 n_heard = 0;

	CU_ASSERT_EQUAL(clib_error_register_handler(count, &n_heard), 0);
	pthread_create(&t[0], NULL, warn_often, NULL);
	pthread_create(&t[1], NULL, warn_often, NULL);
	pthread_create(&t[2], NULL, come_and_go, NULL);
	for (int i = 0; i < 3; i++)
		pthread_join(t[i], NULL);
	CU_ASSERT_EQUAL(n_heard, 40000);
	CU_ASSERT_EQUAL(clib_error_unregister_handler(count, &n_heard), 0);
}

/* Used as a statement, its value dropped, it compiles without a warning. */
static void
error_assert_is_a_statement(void)
{
	int n = 1;

	ERROR_ASSERT(n == 1);
	CU_ASSERT_PTR_NULL(ERROR_ASSERT(n == 1));
}

static const unit_test_t tests[] = {
	UNIT(a_chain_tells_the_whole_story),
	UNIT(an_errno_has_words),
	UNIT(codes_travel_with_the_cause),
	UNIT(a_report_prints_and_frees),
	UNIT(warnings_name_their_line),
	UNIT(handlers_come_and_go),
	UNIT(endings),
	UNIT(assertions_become_errors),
	UNIT(memory_ends_at_each_allocation),
	UNIT(an_error_without_memory_is_an_error),
	UNIT(a_message_without_memory),
	UNIT(reports_and_registrations_meet),
	UNIT(error_assert_is_a_statement),
};

int
main(void)
{
	return unit_run("error", tests, ARRAY_LEN(tests));
}
