/* SPDX-License-Identifier: Apache-2.0 */
#include "thread_impl.h"

#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

static int
barrier(void)
{
	return syscall(__NR_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) ? -ENOSYS : 0;
}

int
clib_thread_barrier_all(void)
{
	if (!barrier())
		return 0;
	/* The first time, and maybe in a forked child, the process has to register. */
	if (syscall(__NR_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0))
		return -ENOSYS;
	return barrier();
}
