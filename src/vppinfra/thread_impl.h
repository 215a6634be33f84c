/* SPDX-License-Identifier: Apache-2.0 */
/* thread_impl: for layers that let a thread work on its own data without atomic instructions, and
 * now and then have to hold it off.
 *
 *   owner                            claimer
 *     busy = 1                         claimed = 1
 *     (compiler barrier)               clib_thread_barrier_all()
 *     claimed?  then leave             busy?  wait a little
 *
 * Either the owner's store was before its barrier, and the claimer sees it, or the owner's look
 * comes after it, and finds that it may not. */
#ifndef included_vppinfra_thread_impl_h
#define included_vppinfra_thread_impl_h

#include <vppinfra/thread.h>

/** Each running thread of the process passes a full memory barrier.  Before the first pair of busy
 *  and claimed is used, it says whether there is such a thing here.
 *  @return 0; -ENOSYS the system has no membarrier(), or forbids it.  Cost: some microseconds. */
int clib_thread_barrier_all(void);

#endif
