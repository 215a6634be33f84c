/* SPDX-License-Identifier: Apache-2.0 */
/* A bounded walk of the stack by frame pointers, for audits.  Code that was built without them
 * ends the walk early; the caller itself is always known. */
#include "kmem_impl.h"

#include <pthread.h>
#include <time.h>

/* Bounds of the calling thread's stack, asked for once; 0 and 0 when they cannot be had. */
static __thread uword stack_low __attribute__((tls_model("initial-exec")));
static __thread uword stack_high __attribute__((tls_model("initial-exec")));
static __thread u8 is_asked __attribute__((tls_model("initial-exec")));

static void
find_stack(void)
{
	pthread_attr_t attr;
	size_t size;
	void *low;

	is_asked = 1;
	if (pthread_getattr_np(pthread_self(), &attr))
		return;
	if (pthread_attr_getstack(&attr, &low, &size) == 0) {
		stack_low = (uword)low;
		stack_high = (uword)low + size;
	}
	pthread_attr_destroy(&attr);
}

/* A frame is two words: the caller's frame, and where it goes on.  Frames lie above each other,
 * all in the stack, or the walk ends. */
static __attribute__((no_sanitize_address)) u32
walk(const uword *frame, const void *caller, const void **frames, u32 n)
{
	bool is_seen = false;
	u32 i = 0;

	frames[i++] = caller;
	while (i < n && (uword)frame >= stack_low && (uword)frame + 16 <= stack_high &&
	       (uword)frame % sizeof(uword) == 0) {
		const uword *up = (const uword *)frame[0];

		/* Frames of kmem itself, below the caller's, are left out. */
		if (is_seen && frame[1])
			frames[i++] = (const void *)frame[1];
		if (frame[1] == (uword)caller)
			is_seen = true;
		if (up <= frame)
			break;
		frame = up;
	}
	return i;
}

void
kmem_site_take(clib_kmem_site_t *site, const void *caller)
{
	struct timespec now;

	memset(site, 0, sizeof(*site));
	if (!is_asked)
		find_stack();
	clock_gettime(CLOCK_MONOTONIC, &now);
	site->ns = (u64)now.tv_sec * 1000000000u + (u64)now.tv_nsec;
	site->thread = clib_thread_index();
	site->n_frames = walk(__builtin_frame_address(0), caller, site->frames, CLIB_KMEM_N_FRAMES);
}
