/* SPDX-License-Identifier: Apache-2.0 */
/* A library such as there are many: it has a lock, allocates while it holds it, and takes it while
 * the process forks. */
#ifndef included_fork_library_h
#define included_fork_library_h

/** Allocate and free under the lock.  Threads: any. */
void library_with_a_lock(void);
/** How often its handler ran before a fork. */
int n_library_forks(void);

#endif
