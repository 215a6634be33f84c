/* SPDX-License-Identifier: Apache-2.0 */
/* What makes a process a daemon: log, detaching, pid file. */
#include <cli/daemon.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <vppinfra/format.h>
#include <vppinfra/vec.h>

static u8 has_time_stamps;
/* Where people look while we start, when the log goes to a file: -1 none. */
static int terminal_fd = -1;

static void
log_line(const u8 *line, uword n_bytes)
{
	char stamp[32] = "vmheap: ";
	time_t now = time(NULL);
	struct tm tm;

	if (has_time_stamps && localtime_r(&now, &tm))
		strftime(stamp, sizeof(stamp), "%Y-%m-%d %H:%M:%S ", &tm);
	fprintf(stderr, "%s%.*s\n", stamp, (int)n_bytes, (const char *)line);
	if (terminal_fd >= 0)
		dprintf(terminal_fd, "vmheap: %.*s\n", (int)n_bytes, (const char *)line);
}

void
daemon_log(const char *fmt, ...)
{
	u8 *s, *line, *end;
	va_list va;

	va_start(va, fmt);
	s = va_format(0, fmt, &va);
	va_end(va);
	for (line = s; line < vec_end(s); line = end + 1) {
		end = memchr(line, '\n', vec_end(s) - line);
		if (!end)
			end = vec_end(s);
		log_line(line, end - line);
	}
	vec_free(s);
}

void
daemon_log_error(clib_error_t *error)
{
	clib_error_t *e;

	/* The cause; where it passed through is for developers. */
	vec_foreach (e, error) {
		daemon_log("%v", e->what);
		break;
	}
	clib_error_free(error);
}

clib_error_t *
daemon_open_log(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);

	if (fd < 0)
		return clib_error_return(0, "log %s: %s", path, strerror(errno));
	fflush(stdout);
	terminal_fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
	dup2(fd, STDOUT_FILENO);
	dup2(fd, STDERR_FILENO);
	close(fd);
	has_time_stamps = 1;
	return 0;
}

/* ---- detaching ---- */

/* The parent's end: one byte says that the child is up, none that it is gone. */
static void
wait_for_child(int fd, pid_t pid)
{
	char byte;
	ssize_t n;
	int status = 0;

	do
		n = read(fd, &byte, 1);
	while (n < 0 && errno == EINTR);
	if (n == 1)
		_exit(0);
	waitpid(pid, &status, 0);
	_exit(WIFEXITED(status) && WEXITSTATUS(status) ? WEXITSTATUS(status) : 1);
}

clib_error_t *
daemon_detach(int *ready_fd)
{
	int fds[2];
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC))
		return clib_error_return(0, "detaching: %s", strerror(errno));
	fflush(NULL);
	pid = fork();
	if (pid < 0) {
		close(fds[0]);
		close(fds[1]);
		return clib_error_return(0, "detaching: %s", strerror(errno));
	}
	if (pid > 0) {
		close(fds[1]);
		wait_for_child(fds[0], pid);
	}
	close(fds[0]);
	setsid();
	*ready_fd = fds[1];
	return 0;
}

/* Until here errors reach the terminal; from here on nobody reads it. */
static void
leave_terminal(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0)
		return;
	dup2(null, STDIN_FILENO);
	if (!has_time_stamps) {
		dup2(null, STDOUT_FILENO);
		dup2(null, STDERR_FILENO);
	}
	close(null);
}

void
daemon_tell_ready(int *ready_fd)
{
	if (terminal_fd >= 0)
		close(terminal_fd);
	terminal_fd = -1;
	if (*ready_fd < 0)
		return;
	leave_terminal();
	/* A parent that was killed meanwhile need not be told. */
	if (write(*ready_fd, "1", 1) != 1)
		daemon_log("the process that started this daemon is gone");
	close(*ready_fd);
	*ready_fd = -1;
}

/* ---- pid file ---- */

clib_error_t *
daemon_open_pidfile(const char *path, int *fd)
{
	char text[24], holder[24] = "";
	int n;

	*fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (*fd < 0)
		return clib_error_return(0, "pidfile %s: %s", path, strerror(errno));
	/* The lock ends with its process, so what a killed daemon left is no hindrance. */
	if (flock(*fd, LOCK_EX | LOCK_NB)) {
		n = read(*fd, holder, sizeof(holder) - 1);
		holder[strcspn(holder, "\n")] = 0;
		close(*fd);
		*fd = -1;
		return clib_error_return(0, "pidfile %s: a daemon is running already%s%s", path,
					 n > 0 ? ", pid " : "", holder);
	}
	n = snprintf(text, sizeof(text), "%d\n", getpid());
	if (ftruncate(*fd, 0) || write(*fd, text, n) != n) {
		close(*fd);
		*fd = -1;
		return clib_error_return(0, "pidfile %s: %s", path, strerror(errno));
	}
	return 0;
}

void
daemon_close_pidfile(const char *path, int fd)
{
	if (fd < 0)
		return;
	unlink(path);
	close(fd);
}
