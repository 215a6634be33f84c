/* SPDX-License-Identifier: Apache-2.0 */
/* waitq: a queue of sleepers, first come, first served.  Any record with the fields next, prev and
 * is_queued can stand in one; first and last are lvalues that point to such records, NULL when
 * nobody waits.  Whoever changes a queue holds the lock that it lies under. */
#ifndef included_vppinfra_vmem_waitq_h
#define included_vppinfra_vmem_waitq_h

#include <vppinfra/clib.h>

/** Stand at the end. */
#define WAITQ_ADD(first, last, w)                                                                  \
	do {                                                                                       \
		(w)->is_queued = 1;                                                                \
		(w)->next = NULL;                                                                  \
		(w)->prev = (last);                                                                \
		if ((w)->prev)                                                                     \
			(w)->prev->next = (w);                                                     \
		else                                                                               \
			(first) = (w);                                                             \
		(last) = (w);                                                                      \
	} while (0)

/** Leave, from wherever. */
#define WAITQ_REMOVE(first, last, w)                                                               \
	do {                                                                                       \
		(w)->is_queued = 0;                                                                \
		if ((w)->prev)                                                                     \
			(w)->prev->next = (w)->next;                                               \
		else                                                                               \
			(first) = (w)->next;                                                       \
		if ((w)->next)                                                                     \
			(w)->next->prev = (w)->prev;                                               \
		else                                                                               \
			(last) = (w)->prev;                                                        \
	} while (0)

#endif
