/* SPDX-License-Identifier: Apache-2.0 */
/* Where a call came from, for audits: the caller, which is always known, and as much above it as
 * frame pointers tell. */
#include "kmem_impl.h"

#include <time.h>
#include <vppinfra/backtrace.h>

/* Frames of kmem itself between the walk's start and the caller, at most. */
#define N_OWN_FRAMES 8

void
kmem_site_take(clib_kmem_site_t *site, const void *caller)
{
	uword callers[CLIB_KMEM_N_FRAMES + N_OWN_FRAMES];
	struct timespec now;
	u32 n, i = 0;

	memset(site, 0, sizeof(*site));
	clock_gettime(CLOCK_MONOTONIC, &now);
	site->ns = (u64)now.tv_sec * 1000000000u + (u64)now.tv_nsec;
	site->thread = clib_thread_index();
	site->frames[site->n_frames++] = caller;
	n = clib_backtrace_from(__builtin_frame_address(0), callers, ARRAY_LEN(callers));
	while (i < n && callers[i] != (uword)caller)
		i++;
	while (++i < n && site->n_frames < CLIB_KMEM_N_FRAMES)
		site->frames[site->n_frames++] = (const void *)callers[i];
}
