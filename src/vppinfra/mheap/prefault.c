/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that is there before it is needed. */
#include <sys/mman.h>
#include <unistd.h>
#include "mheap_impl.h"

#ifndef MADV_POPULATE_WRITE
#	define MADV_POPULATE_WRITE 23
#endif

/* An atomic no-op: threads may be using what is already handed out of these pages. */
static void
touch_pages(u8 *p, const u8 *end, uword page_bytes)
{
	for (; p < end; p += page_bytes)
		__atomic_fetch_or(p, 0, __ATOMIC_RELAXED);
}

int
mheap_prefault(void *v, uword n_bytes)
{
	uword page_bytes = (uword)sysconf(_SC_PAGESIZE), len, to;
	mheap_t *h = mheap_header(v);
	u8 *p, *end;
	int error = 0;

	if (!mheap_region_of(h))
		return -EINVAL;
	mheap_maybe_lock(h);
	len = vector_len(v);
	to = len + clib_min(n_bytes, h->max_size - len);
	if (to > h->n_committed_bytes)
		error = mheap_commit_to(h, v, to);
	if (!error)
		h->give_back_bytes = h->give_back_least_bytes = h->give_back_most_bytes = ~(uword)0;
	mheap_maybe_unlock(h);
	if (error)
		return error;
	p = (u8 *)v + round_down_pow2(len, page_bytes);
	end = (u8 *)v + to;
	if (!madvise(p, round_pow2((uword)(end - p), page_bytes), MADV_POPULATE_WRITE))
		return 0;
	if (errno == ENOMEM || errno == EFAULT || errno == EHWPOISON)
		return -ENOMEM;
	/* Before Linux 5.14, or the caller's memory ends within the page. */
	touch_pages(p, end, page_bytes);
	return 0;
}
