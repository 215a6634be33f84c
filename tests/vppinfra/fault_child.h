/* SPDX-License-Identifier: Apache-2.0 */
/* A child process that may die of a fault: what it printed, and how it ended. */
#ifndef included_tests_fault_child_h
#define included_tests_fault_child_h

#include <vppinfra/fault.h>
#include "child.h"
#include "unit.h"

/* What the child wrote to stderr, the signal that ended it or 0, and its status or -1. */
static char said[4096];
static int died_of, exited_with;

/* The child's status is fn's value, or whether one of its checks failed. */
static void
run_child(int (*fn)(void))
{
	int fds[2], status = 0;
	uword n_said = 0;
	ssize_t n;
	pid_t pid;

	said[0] = 0;
	fflush(stdout);
	CU_ASSERT_EQUAL_FATAL(pipe(fds), 0);
	pid = fork();
	if (pid == 0) {
		/* The sanitizers' own handlers would print theirs and exit. */
		signal(SIGSEGV, SIG_DFL);
		signal(SIGBUS, SIG_DFL);
		dup2(fds[1], STDERR_FILENO);
		close(fds[0]);
		clib_fault_install();
		n = fn();
		fflush(stdout);
		_exit(n ? (int)n : child_n_failures != 0);
	}
	close(fds[1]);
	while ((n = read(fds[0], said + n_said, sizeof(said) - 1 - n_said)) > 0)
		n_said += (uword)n;
	said[n_said] = 0;
	close(fds[0]);
	waitpid(pid, &status, 0);
	died_of = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
	exited_with = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
	printf("%s", said);
}

/* The sanitizers would look at the address first, and fault where it is not ours to say why. */
static void __attribute__((noinline, no_sanitize("address", "thread", "undefined")))
write_to(void *p)
{
	__asm__ volatile("" : "+r"(p));
	*(volatile u8 *)p = 1;
}

#endif
