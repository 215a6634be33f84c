/* SPDX-License-Identifier: Apache-2.0 */
/* What the heap has, and how it can be told what to do: glibc's calls. */
#include <limits.h>
#include <malloc.h>
#include <stdio.h>
#include <unistd.h>
#include "malloc_impl.h"

typedef struct {
	clib_mem_usage_t heap;
	mheap_front_usage_t fronts;
	large_usage_t large;
	u64 n_gets, n_puts;
} usage_t;

static void
take_usage(usage_t *u)
{
	void *v = malloc_main.v;

	memset(u, 0, sizeof(*u));
	large_usage(&u->large);
	if (!v)
		return;
	mheap_put_flush(v);
	mheap_usage(v, &u->heap);
	mheap_front_usage(v, &u->fronts);
	u->n_gets = u->fronts.n_gets + mheap_header(v)->stats.n_gets -
		    mheap_header(v)->stats.n_get_failures;
	u->n_puts = u->fronts.n_puts + mheap_header(v)->stats.n_puts;
}

void
malloc_print_line(int fd)
{
	char line[512];
	usage_t u;
	int n;

	take_usage(&u);
	n = snprintf(
		line, sizeof(line),
		"vmheap-malloc: pid %d: %llu allocations, %llu frees, %llu of another thread's, "
		"%llu live in %llu bytes, %llu cached, %llu bytes of heap, %llu mappings, "
		"%llu misuses\n",
		(int)getpid(), (unsigned long long)(u.n_gets + u.large.n_allocs),
		(unsigned long long)(u.n_puts + u.large.n_frees),
		(unsigned long long)u.fronts.n_remote_puts,
		(unsigned long long)(u.heap.object_count + u.large.n_live),
		(unsigned long long)(u.heap.bytes_used + u.large.n_live_bytes),
		(unsigned long long)u.fronts.n_cached, (unsigned long long)u.heap.bytes_total,
		(unsigned long long)u.large.n_allocs,
		(unsigned long long)__atomic_load_n(&malloc_main.n_misuses, __ATOMIC_RELAXED));
	if (n > 0 && write(fd, line, clib_min((uword)n, sizeof(line) - 1)) < 0)
		return; /* nobody listens */
}

MALLOC_EXPORT struct mallinfo2
mallinfo2(void)
{
	struct mallinfo2 m = { 0 };
	usage_t u;

	take_usage(&u);
	m.arena = u.heap.bytes_total;
	m.hblks = u.large.n_live;
	m.hblkhd = u.large.n_live_bytes;
	m.smblks = u.fronts.n_cached;
	m.fsmblks = u.fronts.n_cached_bytes;
	m.uordblks = u.heap.bytes_used + u.heap.bytes_overhead;
	m.fordblks = u.heap.bytes_free;
	return m;
}

static int
as_int(size_t n)
{
	return n > INT_MAX ? INT_MAX : (int)n;
}

MALLOC_EXPORT struct mallinfo
mallinfo(void)
{
	struct mallinfo2 m = mallinfo2();

	return (struct mallinfo){
		.arena = as_int(m.arena),
		.hblks = as_int(m.hblks),
		.hblkhd = as_int(m.hblkhd),
		.smblks = as_int(m.smblks),
		.fsmblks = as_int(m.fsmblks),
		.uordblks = as_int(m.uordblks),
		.fordblks = as_int(m.fordblks),
	};
}

MALLOC_EXPORT void
malloc_stats(void)
{
	malloc_print_line(STDERR_FILENO);
}

MALLOC_EXPORT int
malloc_info(int options, FILE *f)
{
	usage_t u;

	if (options) {
		errno = EINVAL;
		return -1;
	}
	take_usage(&u);
	return fprintf(f,
		       "<malloc version=\"vmheap-1\">\n"
		       "<heap nr=\"0\">\n"
		       "<total type=\"used\" count=\"%llu\" size=\"%llu\"/>\n"
		       "<total type=\"fast\" count=\"%llu\" size=\"%llu\"/>\n"
		       "<total type=\"rest\" size=\"%llu\"/>\n"
		       "<system type=\"current\" size=\"%llu\"/>\n"
		       "</heap>\n"
		       "<total type=\"mmap\" count=\"%llu\" size=\"%llu\"/>\n"
		       "</malloc>\n",
		       (unsigned long long)u.heap.object_count,
		       (unsigned long long)u.heap.bytes_used, (unsigned long long)u.fronts.n_cached,
		       (unsigned long long)u.fronts.n_cached_bytes,
		       (unsigned long long)(u.heap.bytes_free - u.fronts.n_cached_bytes),
		       (unsigned long long)u.heap.bytes_total, (unsigned long long)u.large.n_live,
		       (unsigned long long)u.large.n_live_bytes) < 0
		       ? -1
		       : 0;
}

/* One parameter is ours as well; others say how glibc's own structures are kept, and are refused.
 */
MALLOC_EXPORT int
mallopt(int parameter, int value)
{
	switch (parameter) {
	case M_MMAP_THRESHOLD:
		if (value < 0)
			return 0;
		malloc_main.thresholds_are_set = 1;
		malloc_main.mmap_threshold = (uword)value;
		return 1;
	case M_TRIM_THRESHOLD:
		if (!malloc_main.v && !malloc_start())
			return 0;
		malloc_main.thresholds_are_set = 1;
		/* -1: never. */
		mheap_set_give_back_bytes(malloc_main.v, value < 0 ? ~(uword)0 : (uword)value);
		return 1;
	default:
		return 0;
	}
}

MALLOC_EXPORT int
malloc_trim(size_t CLIB_UNUSED(n_keep_bytes))
{
	return malloc_main.v && mheap_trim(malloc_main.v) > 0;
}
