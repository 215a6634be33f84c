/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <stdlib.h>
#include "fork_library.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int n_forks;

/* From the heap, and a mapping of its own. */
static void
allocate(void)
{
	free(malloc(100));
	free(malloc(50000));
	free(malloc(64 << 20));
}

void
library_with_a_lock(void)
{
	pthread_mutex_lock(&lock);
	allocate();
	pthread_mutex_unlock(&lock);
}

int
n_library_forks(void)
{
	return n_forks;
}

static void
before_fork(void)
{
	pthread_mutex_lock(&lock);
	n_forks++;
	allocate();
}

static void
after_fork(void)
{
	allocate();
	pthread_mutex_unlock(&lock);
}

static void __attribute__((constructor)) register_early(void)
{
	pthread_atfork(before_fork, after_fork, after_fork);
}
