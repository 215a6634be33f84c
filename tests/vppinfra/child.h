/* SPDX-License-Identifier: Apache-2.0 */
/* child: run a part of a test in a forked process on a poorer machine: without a system call,
 * without root, with little address space, or with another /sys.  The child cannot lose the
 * parent anything, and a signal that kills it is a failure of the test, not of the program. */
#ifndef included_tests_vppinfra_child_h
#define included_tests_vppinfra_child_h

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vppinfra/clib.h>

/* A sanitizer's shadow is beyond every limit on address space that is worth testing. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#	define ADDRESS_SPACE_IS_SHADOWED 1
#elif defined(__has_feature)
#	if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#		define ADDRESS_SPACE_IS_SHADOWED 1
#	endif
#endif

/* In a child: counts what does not hold and says where. */
static int child_n_failures __attribute__((unused));
#define CHILD_CHECK(truth)                                                                         \
	do {                                                                                       \
		if (!(truth)) {                                                                    \
			printf("%s:%d: child: %s\n", __FILE__, __LINE__, #truth);                  \
			child_n_failures++;                                                        \
		}                                                                                  \
	} while (0)

/* Returned by a child that cannot be made that poor here. */
#define CHILD_CANNOT 77

/* Runs fn in a child.  @return 0 all checks held, CHILD_CANNOT, 1 a check failed, 128 + signal. */
__attribute__((unused)) static int
in_child(int (*fn)(void))
{
	int status = 0;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid < 0)
		return 1;
	if (pid == 0) {
		int rv = fn();

		fflush(stdout);
		_exit(rv ? rv : child_n_failures != 0);
	}
	waitpid(pid, &status, 0);
	if (WIFSIGNALED(status))
		return 128 + WTERMSIG(status);
	return WEXITSTATUS(status);
}

/* From now on system call `number` fails with `error` here; when only_arg2 is not -1, only with
 * that third argument. */
__attribute__((unused)) static int
deny_syscall(u32 number, u32 error, long only_arg2)
{
	struct sock_filter any[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_filter one[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (u32)only_arg2, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { .len = ARRAY_LEN(any), .filter = any };

	if (only_arg2 != -1)
		program = (struct sock_fprog){ .len = ARRAY_LEN(one), .filter = one };
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -errno;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) ? -errno : 0;
}

/* What a container does to NUMA calls. */
__attribute__((unused)) static int
deny_numa_calls(u32 error)
{
	if (deny_syscall(SYS_mbind, error, -1) || deny_syscall(SYS_move_pages, error, -1) ||
	    deny_syscall(SYS_get_mempolicy, error, -1))
		return CHILD_CANNOT;
	return 0;
}

/* From now on the file at `path` reads as `text` here. */
__attribute__((unused)) static int
fake_file(const char *path, const char *text)
{
	char name[] = "/tmp/vmheap-fake-XXXXXX";
	ssize_t n = (ssize_t)strlen(text);
	int fd, rv;

	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return CHILD_CANNOT;
	fd = mkstemp(name);
	if (fd < 0)
		return CHILD_CANNOT;
	/* Also for a nobody to read. */
	rv = write(fd, text, (size_t)n) != n || fchmod(fd, 0644) ||
	     mount(name, path, NULL, MS_BIND, NULL);
	close(fd);
	unlink(name);
	return rv ? CHILD_CANNOT : 0;
}

/* Root becomes nobody; others are nobody enough. */
__attribute__((unused)) static int
drop_root(void)
{
	if (getuid() != 0)
		return 0;
	/* 65534: nobody. */
	return setgid(65534) || setuid(65534) ? CHILD_CANNOT : 0;
}

/* A case that cannot be shown here is said, not passed over. */
#define CHILD_ASSERT(fn)                                                                           \
	do {                                                                                       \
		int _rv = in_child(fn);                                                            \
		if (_rv == CHILD_CANNOT)                                                           \
			printf("not shown here (needs root or seccomp): %s\n", #fn);               \
		else                                                                               \
			CU_ASSERT_EQUAL(_rv, 0);                                                   \
	} while (0)

#endif
