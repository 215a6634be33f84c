/* SPDX-License-Identifier: Apache-2.0 */
/* Tracing on and off: the tables of a heap come and go.  Nothing here is on a packet's way. */
#include <sys/mman.h>
#include <sys/random.h>
#include <vppinfra/cpu.h>
#include "trace_impl.h"

#define DEFAULT_MAX_SITES 65536

static trace_main_t *
map_main(void)
{
	void *p = mmap(NULL, sizeof(trace_main_t), PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

static void *
carve(u8 **at, uword n_bytes)
{
	void *p = *at;

	*at += round_pow2(n_bytes, CLIB_CACHE_LINE_BYTES);
	return p;
}

/* Address space for everything at once; pages come as they are touched. */
static trace_tables_t *
map_tables(const mheap_t *h, u32 max_sites)
{
	u32 log2_buckets = (u32)max_log2(max_sites) + 1;
	u64 n_slots = (h->max_size >> LOG2_SLOT_SPAN) + 1;
	uword n = sizeof(trace_tables_t) + max_sites * sizeof(trace_site_t) +
		  (sizeof(u32) << log2_buckets) + TRACE_N_PUTS * sizeof(trace_put_t) +
		  n_slots * sizeof(u64) + 8 * CLIB_CACHE_LINE_BYTES;
	void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
		       -1, 0);
	trace_tables_t *t = p;
	u8 *at = p;

	if (p == MAP_FAILED)
		return NULL;
	carve(&at, sizeof(*t));
	t->n_mapped_bytes = n;
	t->max_sites = max_sites;
	t->log2_buckets = log2_buckets;
	t->n_slots = n_slots;
	t->sites = carve(&at, max_sites * sizeof(trace_site_t));
	t->buckets = carve(&at, sizeof(u32) << log2_buckets);
	t->puts = carve(&at, TRACE_N_PUTS * sizeof(trace_put_t));
	t->slots = carve(&at, n_slots * sizeof(u64));
	return t;
}

static u64
make_seed(const void *p)
{
	u64 seed;

	if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) == sizeof(seed))
		return seed;
	return clib_cpu_time_now() ^ (uword)p;
}

/* The head that h->trace_main names, made by the first who needs it. */
static trace_main_t *
find_or_make_main(mheap_t *h)
{
	trace_main_t *tm = trace_of(h);
	void *none = NULL;

	if (tm)
		return tm;
	tm = map_main();
	/* Release: its zeros are seen by whoever acquires the pointer in trace_of(). */
	if (!tm || __atomic_compare_exchange_n(&h->trace_main, &none, tm, 0, __ATOMIC_ACQ_REL,
					       __ATOMIC_ACQUIRE))
		return tm;
	munmap(tm, sizeof(*tm));
	return none;
}

int
mheap_trace_enable(void *v, const mheap_trace_params_t *params)
{
	static const mheap_trace_params_t all_defaults;
	mheap_t *h = v ? mheap_header(v) : NULL;
	trace_tables_t *t;
	trace_main_t *tm;
	int is_locked;

	params = params ? params : &all_defaults;
	if (!h || !mheap_region_of(h) || params->max_sites > MAX_SITES)
		return -EINVAL;
	tm = find_or_make_main(h);
	t = tm ? map_tables(h, params->max_sites ? params->max_sites : DEFAULT_MAX_SITES) : NULL;
	if (!t)
		return -ENOMEM;

	is_locked = mheap_lock_if_ours(h);
	trace_lock(tm);
	if (!tm->tables) {
		mheap_trace_start_sampler(tm, params->sample_bytes,
					  params->seed ? params->seed : make_seed(t));
		tm->n_misuses = 0;
		tm->tables = t;
		t = NULL;
		heap_change_flags(h, MHEAP_FLAG_TRACE, 0);
		mheap_fronts_update(h);
	}
	trace_unlock(tm);
	if (is_locked)
		mheap_unlock_slow(h);
	if (t)
		munmap(t, t->n_mapped_bytes);
	return t ? -EALREADY : 0;
}

int
mheap_trace_disable(void *v)
{
	mheap_t *h = v ? mheap_header(v) : NULL;
	trace_tables_t *t;
	trace_main_t *tm;
	int is_locked;

	if (!h || !mheap_region_of(h))
		return -EINVAL;
	tm = trace_of(h);
	if (!tm)
		return -EALREADY;
	is_locked = mheap_lock_if_ours(h);
	trace_lock(tm);
	t = tm->tables;
	tm->tables = NULL;
	heap_change_flags(h, 0, MHEAP_FLAG_TRACE);
	mheap_fronts_update(h);
	trace_unlock(tm);
	if (is_locked)
		mheap_unlock_slow(h);
	if (t)
		munmap(t, t->n_mapped_bytes);
	return t ? 0 : -EALREADY;
}

void
mheap_trace(void *v, int enable)
{
	int error = enable ? mheap_trace_enable(v, NULL) : mheap_trace_disable(v);

	if (error && error != -EALREADY)
		mheap_report(error == -ENOMEM ? "no address space to trace it"
					      : "trace of what is no heap of this process",
			     error == -ENOMEM ? v : NULL, 0, __builtin_return_address(0));
}

void
mheap_trace_destroy(mheap_t *h)
{
	trace_main_t *tm = trace_of(h);

	if (!tm)
		return;
	if (tm->tables)
		munmap(tm->tables, tm->tables->n_mapped_bytes);
	munmap(tm, sizeof(*tm));
	h->trace_main = NULL;
}

void
mheap_set_flags(void *v, u32 set, u32 clear)
{
	const u32 fixed = MHEAP_FLAG_TRACE | MHEAP_FLAG_THREAD_SAFE | MHEAP_FLAG_FRONTS |
			  MHEAP_FLAG_FRONTS_WHEN_SHARED | MHEAP_FLAG_CHECKED;
	mheap_t *h = mheap_header(v);

	mheap_maybe_lock(h);
	heap_change_flags(h, set & ~fixed, clear & ~fixed);
	mheap_fronts_update(h);
	mheap_maybe_unlock(h);
}
