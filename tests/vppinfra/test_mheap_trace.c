/* SPDX-License-Identifier: Apache-2.0 */
/* Who holds what: counts against a model, sampled ones within what chance allows, leaks found by
 * name, mistakes told with the stacks of those who had the object before. */
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>
#include <vppinfra/backtrace.h>
#include <vppinfra/format.h>
#include <vppinfra/mem.h>
#include "heap_helpers.h"

/* A function of its own for each site, so that callers[1] tells them apart: the call of site_get()
 * from there is a stack of its own. */
static never_inline uword
site_get(void *v, uword n_bytes, uword align_offset)
{
	uword offset;

	mheap_get_aligned(v, n_bytes, align_offset ? 64 : 0, align_offset, &offset);
	CLIB_COMPILER_BARRIER();
	return offset;
}

#define SITE(n)                                                                                    \
	never_inline uword site_##n(void *v, uword n_bytes, uword align_offset)                    \
	{                                                                                          \
		uword offset = site_get(v, n_bytes, align_offset);                                 \
                                                                                                   \
		CLIB_COMPILER_BARRIER();                                                           \
		return offset + n - n;                                                             \
	}
/* Not static: dladdr() knows what is exported. */
uword site_0(void *, uword, uword), site_1(void *, uword, uword), site_2(void *, uword, uword),
	site_3(void *, uword, uword);
SITE(0)
SITE(1)
SITE(2)
SITE(3)

#define N_SITES 4
static uword (*const sites[N_SITES])(void *, uword, uword) = { site_0, site_1, site_2, site_3 };

/* The site that a trace belongs to, N_SITES: another. */
static u32
site_of(const mheap_trace_t *t)
{
	clib_symbol_t symbol;

	clib_symbolize(t->callers[1], &symbol);
	for (u32 i = 0; i < N_SITES; i++) {
		char name[] = "site_0";

		name[5] = (char)('0' + i);
		if (!strcmp(symbol.function, name))
			return i;
	}
	return N_SITES;
}

typedef struct {
	u64 n_allocations, n_bytes, n_samples;
} sums_t;

static void
sums_by_site(void *v, sums_t sums[N_SITES + 1])
{
	mheap_trace_t *traces = mheap_trace_dup(v), *t;

	memset(sums, 0, (N_SITES + 1) * sizeof(sums[0]));
	vec_foreach (t, traces) {
		u32 i = site_of(t);

		sums[i].n_allocations += t->n_allocations;
		sums[i].n_bytes += t->n_bytes;
		sums[i].n_samples += t->n_samples;
	}
	vec_free(traces);
}

static void
enable(void *v, uword sample_bytes, u32 max_sites)
{
	mheap_trace_params_t params = { .sample_bytes = sample_bytes,
					.max_sites = max_sites,
					.seed = 1 };

	CU_ASSERT_EQUAL_FATAL(mheap_trace_enable(v, &params), 0);
}

/* ---- counts ---- */

#define N_LIVE 512

typedef struct {
	uword offset;
	u32 site; /* N_SITES: got before tracing began */
} live_t;

/* Adds up what the model knows and compares. */
static int
agrees(void *v, const live_t *live, u32 n_live)
{
	sums_t expected[N_SITES + 1] = {}, sums[N_SITES + 1];
	mheap_trace_info_t info;
	u64 n = 0, n_bytes = 0;

	for (u32 i = 0; i < n_live; i++) {
		if (!live[i].offset || live[i].site == N_SITES)
			continue;
		expected[live[i].site].n_allocations++;
		expected[live[i].site].n_samples++;
		expected[live[i].site].n_bytes += mheap_data_bytes(v, live[i].offset);
		n++;
		n_bytes += mheap_data_bytes(v, live[i].offset);
	}
	sums_by_site(v, sums);
	mheap_trace_info(v, &info);
	return memcmp(sums, expected, sizeof(sums)) == 0 && info.n_allocations == n &&
	       info.n_bytes == n_bytes && info.n_samples == n && info.n_untraced == 0;
}

/* Random gets (odd offsets too, which move 8 bytes between neighbours), puts and extends: each
 * site's objects and bytes are those of the model at any moment. */
static void
counts_agree_with_a_model(void)
{
	static live_t live[N_LIVE];
	u64 seed = unit_seed(), n_ops = unit_n_ops(300000);
	void *v = heap_of(MiB(64));

	memset(live, 0, sizeof(live));
	for (u32 i = 0; i < N_LIVE / 2; i++)
		live[i] = (live_t){ get(v, 1 + unit_random_below(&seed, 500)), N_SITES };
	enable(v, 0, 0);
	for (u64 i = 0; i < n_ops; i++) {
		u32 k = (u32)unit_random_below(&seed, N_LIVE), site;
		uword n = 1 + unit_random_below(&seed, i % 8 ? 300 : 9000);

		if (!live[k].offset) {
			site = (u32)unit_random_below(&seed, N_SITES);
			live[k].offset = sites[site](v, n, unit_random_below(&seed, 3) ? 0 : 8);
			live[k].site = site;
			CU_ASSERT_NOT_EQUAL_FATAL(live[k].offset, NOTHING);
		} else if (unit_random_below(&seed, 3)) {
			CU_ASSERT_EQUAL(mheap_put_checked(v, live[k].offset), 0);
			live[k].offset = 0;
		} else {
			mheap_extend(v, live[k].offset, n);
		}
		if (i % (n_ops / 64) == 0)
			CU_ASSERT_FATAL(agrees(v, live, N_LIVE));
	}
	CU_ASSERT(agrees(v, live, N_LIVE));
	CU_ASSERT(is_whole(v));
	for (u32 k = 0; k < N_LIVE; k++)
		if (live[k].offset)
			mheap_put(v, live[k].offset);
	CU_ASSERT(agrees(v, live, 0));
	mheap_free(v);
}

static void *shared_heap;
static _Atomic uword shared[64];
static live_t live_of[2][N_LIVE];
static _Atomic u32 n_faults;

/* Each thread has objects of its own, and passes others on: freed by whoever meets them. */
static void *
work_on_a_traced_heap(void *arg)
{
	u64 seed = (uword)arg, n_ops = unit_n_ops(100000);
	live_t *live = live_of[(uword)arg - 1];

	for (u64 i = 0; i < n_ops; i++) {
		u32 k = (u32)unit_random_below(&seed, N_LIVE);
		u32 site = (u32)unit_random_below(&seed, N_SITES);
		uword n = 1 + unit_random_below(&seed, 300), offset;

		if (i % 4 == 0) {
			offset = atomic_exchange(&shared[unit_random_below(&seed, 64)],
						 sites[site](shared_heap, n, 0));
			if (offset && mheap_put_checked(shared_heap, offset))
				atomic_fetch_add(&n_faults, 1);
		} else if (live[k].offset) {
			if (i % 3 == 0)
				mheap_extend(shared_heap, live[k].offset, n);
			else if (!mheap_put_checked(shared_heap, live[k].offset))
				live[k].offset = 0;
			else
				atomic_fetch_add(&n_faults, 1);
		} else {
			live[k] = (live_t){ sites[site](shared_heap, n, 0), site };
		}
	}
	return NULL;
}

/* A locked heap under two threads, while a third reads the traces; then the sums are exact. */
static void
counts_agree_under_threads(void)
{
	pthread_t threads[2];
	mheap_trace_info_t info;
	u64 n = 0, n_bytes = 0;
	u8 *s;

	shared_heap = mheap_alloc_with_flags(NULL, MiB(64), MHEAP_FLAG_THREAD_SAFE);
	memset(live_of, 0, sizeof(live_of));
	atomic_store(&n_faults, 0);
	enable(shared_heap, 0, 0);
	for (uword i = 0; i < 2; i++)
		pthread_create(&threads[i], NULL, work_on_a_traced_heap, (void *)(i + 1));
	for (int i = 0; i < 10; i++) {
		s = format(NULL, "%U", format_mheap, shared_heap, 1);
		CU_ASSERT_PTR_NOT_NULL(s);
		vec_free(s);
	}
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	for (u32 i = 0; i < 64; i++) {
		uword offset = atomic_exchange(&shared[i], 0);

		if (offset)
			mheap_put(shared_heap, offset);
	}
	for (u32 i = 0; i < 2 * N_LIVE; i++) {
		const live_t *l = &live_of[i / N_LIVE][i % N_LIVE];

		n += l->offset != 0;
		n_bytes += l->offset ? mheap_data_bytes(shared_heap, l->offset) : 0;
	}
	mheap_trace_info(shared_heap, &info);
	CU_ASSERT_EQUAL(atomic_load(&n_faults), 0);
	CU_ASSERT_EQUAL(info.n_allocations, n);
	CU_ASSERT_EQUAL(info.n_bytes, n_bytes);
	CU_ASSERT_EQUAL(info.n_bytes, mheap_header(shared_heap)->n_used_bytes);
	CU_ASSERT(is_whole(shared_heap));
	mheap_free(shared_heap);
}

static _Atomic u32 may_end;

static void *
use_a_heap_without_lock(void *arg)
{
	uword kept[32] = {};
	u64 seed = 3;

	while (!atomic_load(&may_end)) {
		u32 k = (u32)unit_random_below(&seed, 32);

		if (kept[k])
			mheap_put(arg, kept[k]);
		kept[k] = site_0(arg, 1 + unit_random_below(&seed, 100), 0);
	}
	for (u32 k = 0; k < 32; k++)
		if (kept[k])
			mheap_put(arg, kept[k]);
	return NULL;
}

/* The control thread switches tracing of another thread's heap, which has no lock, while that
 * thread uses it, and reads: nothing is read that is gone. */
static void
tracing_switches_while_the_heap_is_used(void)
{
	void *v = heap_of(MiB(4));
	mheap_trace_params_t sampled = { .sample_bytes = 500 };
	mheap_trace_t *traces;
	pthread_t thread;

	atomic_store(&may_end, 0);
	pthread_create(&thread, NULL, use_a_heap_without_lock, v);
	for (int i = 0; i < 50; i++) {
		CU_ASSERT_EQUAL(mheap_trace_enable(v, i % 2 ? &sampled : NULL), 0);
		traces = mheap_trace_dup(v);
		vec_free(traces);
		CU_ASSERT_EQUAL(mheap_trace_disable(v), 0);
	}
	atomic_store(&may_end, 1);
	pthread_join(thread, NULL);
	CU_ASSERT_EQUAL(mheap_header(v)->n_elts, 0);
	CU_ASSERT(is_whole(v));
	mheap_free(v);
}

/* ---- sampling ---- */

#define N_SAMPLED 60000

static f64
relative_error(u64 estimate, u64 truth)
{
	return ((f64)estimate - (f64)truth) / (f64)truth;
}

/* One in 16 KiB: sites of small, of middling and of large objects, each estimated within what
 * chance allows (5 standard deviations of a Poisson count), for objects and for bytes, also after
 * half of them went and others grew.  Nothing is left when all went. */
static void
samples_estimate_the_whole(void)
{
	static const uword sizes[N_SITES] = { 16, 400, 4096, 50000 };
	static const u64 numbers[N_SITES] = { 60000, 40000, 20000, 2000 };
	static uword offsets[N_SITES][N_SAMPLED];
	void *v = heap_of(MiB(512));
	u64 seed = 5, n_bytes[N_SITES] = {}, n[N_SITES] = {};
	sums_t sums[N_SITES + 1];
	mheap_trace_info_t info;

	enable(v, KiB(16), 0);
	for (u32 site = 0; site < N_SITES; site++)
		for (u64 i = 0; i < numbers[site]; i++)
			offsets[site][i] =
				sites[site](v, 1 + unit_random_below(&seed, 2 * sizes[site]), 0);
	for (u32 site = 0; site < N_SITES; site++) {
		for (u64 i = 0; i < numbers[site]; i++) {
			if (i % 2 == 0)
				mheap_put(v, offsets[site][i]);
			else if (i % 4 == 1)
				mheap_extend(v, offsets[site][i],
					     mheap_data_bytes(v, offsets[site][i]) + 16);
			if (i % 2) {
				n[site]++;
				n_bytes[site] += mheap_data_bytes(v, offsets[site][i]);
			}
		}
	}
	sums_by_site(v, sums);
	mheap_trace_info(v, &info);
	CU_ASSERT_EQUAL(info.sample_bytes, KiB(16));
	for (u32 site = 0; site < N_SITES; site++) {
		f64 bound = 25. / (f64)sums[site].n_samples; /* of the error's square */
		f64 e = relative_error(sums[site].n_allocations, n[site]);
		f64 e_bytes = relative_error(sums[site].n_bytes, n_bytes[site]);

		printf("site %u: %.0f of %.0f objects, %+.3f; bytes %+.3f; %.0f samples\n", site,
		       (f64)sums[site].n_allocations, (f64)n[site], e, e_bytes,
		       (f64)sums[site].n_samples);
		CU_ASSERT(sums[site].n_samples > 20);
		CU_ASSERT(sums[site].n_samples <= n[site]);
		/* Objects of unlike sizes weigh differently: twice the bound for their count. */
		CU_ASSERT(e * e < 4 * bound);
		CU_ASSERT(e_bytes * e_bytes < bound);
	}
	/* Few of the small ones are looked at at all: that is the point. */
	CU_ASSERT(sums[0].n_samples < n[0] / 100);
	for (u32 site = 0; site < N_SITES; site++)
		for (u64 i = 1; i < numbers[site]; i += 2)
			mheap_put(v, offsets[site][i]);
	mheap_trace_info(v, &info);
	CU_ASSERT_EQUAL(info.n_sites, 0);
	CU_ASSERT_EQUAL(info.n_allocations, 0);
	CU_ASSERT_EQUAL(info.n_bytes, 0);
	mheap_free(v);
}

/* ---- leaks ---- */

void leak_of_header(void *v, u32 n), leak_of_name(void *v, u32 n), leak_of_table(void *v, u32 n);

/* Half of what it gets it forgets. */
static void
leak(void *v, u32 n, uword n_bytes)
{
	for (u32 i = 0; i < 2 * n; i++) {
		uword offset = get(v, n_bytes);

		if (i % 2 == 0)
			mheap_put(v, offset);
	}
}

#define LEAK(name, n_bytes)                                                                        \
	never_inline void leak_of_##name(void *v, u32 n)                                           \
	{                                                                                          \
		leak(v, n, n_bytes);                                                               \
		CLIB_COMPILER_BARRIER();                                                           \
	}
LEAK(header, 128)
LEAK(name, 48)
LEAK(table, 20000)

/* Volatile: called as they are, not by a copy that the compiler made for this n. */
static void (*volatile leaks_of[])(void *, u32) = { leak_of_name, leak_of_header, leak_of_table };

static const mheap_trace_t *
trace_with(const mheap_trace_t *traces, const char *function)
{
	const mheap_trace_t *t;
	clib_symbol_t symbol;

	vec_foreach (t, traces) {
		for (u32 i = 0; i < mheap_trace_n_callers(t->callers); i++) {
			clib_symbolize(t->callers[i], &symbol);
			if (!strcmp(symbol.function, function))
				return t;
		}
	}
	return NULL;
}

/* Three leaks among honest use: each is found with its count, its bytes, a live object of its and
 * the name of the function; the list has the largest first. */
static void
three_planted_leaks_are_found(void)
{
	static const struct {
		const char *function;
		u64 n, n_bytes;
	} leaks[] = {
		{ "leak_of_table", 7, 20000 },
		{ "leak_of_header", 100, 128 },
		{ "leak_of_name", 1000, 48 },
	};
	void *v = heap_of(MiB(16));
	mheap_trace_t *traces;
	u8 *s;

	enable(v, 0, 0);
	for (int i = 0; i < 1000; i++)
		mheap_put(v, site_1(v, 100, 0));
	leaks_of[0](v, 1000);
	leaks_of[1](v, 100);
	leaks_of[2](v, 7);
	traces = mheap_trace_dup(v);
	CU_ASSERT_EQUAL_FATAL(vec_len(traces), 3);
	for (u32 i = 0; i < 3; i++) {
		const mheap_trace_t *t = trace_with(traces, leaks[i].function);

		CU_ASSERT_PTR_NOT_NULL_FATAL(t);
		CU_ASSERT_EQUAL(t->n_allocations, leaks[i].n);
		CU_ASSERT_EQUAL(t->n_bytes, leaks[i].n * leaks[i].n_bytes);
		/* The very first one was put again: another is shown, and it lives. */
		CU_ASSERT(mheap_offset_is_valid(v, t->offset));
		CU_ASSERT_EQUAL(mheap_data_bytes(v, t->offset), leaks[i].n_bytes);
	}
	CU_ASSERT_PTR_EQUAL(trace_with(traces, "leak_of_table"), traces);
	CU_ASSERT_PTR_EQUAL(trace_with(traces, "leak_of_name"), traces + 1);
	vec_free(traces);

	s = format(NULL, "%U%c", format_mheap, v, 1, 0);
	CU_ASSERT_PTR_NOT_NULL(
		strstr((char *)s, "\n\n    Bytes    Count       Sample     Traceback"));
	CU_ASSERT_PTR_NOT_NULL(strstr((char *)s, "\n     140000        7 0x"));
	CU_ASSERT_PTR_NOT_NULL(strstr((char *)s, " leak_of_header + 0x"));
	CU_ASSERT_PTR_NOT_NULL(strstr((char *)s, "\n  1107 total traced objects"));
	vec_free(s);
	mheap_free(v);
}

/* Sites below a kibibyte are for those who ask, and say that they are there. */
static void
small_sites_are_listed_when_verbose(void)
{
	void *v = heap_of(MiB(1));
	u8 *s;

	enable(v, 0, 0);
	site_2(v, 500, 0);
	s = format(NULL, "%U%c", format_mheap_trace, v, 0, 0);
	CU_ASSERT_PTR_NULL(strstr((char *)s, "site_2"));
	CU_ASSERT_PTR_NOT_NULL(strstr((char *)s, "\n1 smaller sites\n1 total traced objects"));
	vec_free(s);
	s = format(NULL, "%U%c", format_mheap_trace, v, 1, 0);
	CU_ASSERT_PTR_NOT_NULL(strstr((char *)s, "site_2"));
	CU_ASSERT_PTR_NULL(strstr((char *)s, "smaller"));
	vec_free(s);
	mheap_trace(v, 0);
	enable(v, MiB(1), 0);
	s = format(NULL, "%U%c", format_mheap_trace, v, 1, 0);
	CU_ASSERT_PTR_NOT_NULL(strstr((char *)s, "sampled, one in 1048576 bytes"));
	vec_free(s);
	mheap_free(v);
}

/* ---- mistakes ---- */

void the_first_to_put(void *v, uword offset), the_second_to_put(void *v, uword offset);

never_inline void
the_first_to_put(void *v, uword offset)
{
	mheap_put(v, offset);
	CLIB_COMPILER_BARRIER();
}

never_inline void
the_second_to_put(void *v, uword offset)
{
	mheap_put(v, offset);
	CLIB_COMPILER_BARRIER();
}

static int
has_function(const uword *callers, const char *function)
{
	clib_symbol_t symbol;

	for (u32 i = 0; i < mheap_trace_n_callers(callers); i++) {
		clib_symbolize(callers[i], &symbol);
		if (!strcmp(symbol.function, function))
			return 1;
	}
	return 0;
}

/* A put that comes twice is told with who got the object, who put it first, and who again, even
 * after the object was merged with its neighbours. */
static void
a_double_put_names_all_three(void)
{
	void *v = heap_of(MiB(1));
	uword left = get(v, 64), right, offset;
	mheap_trace_misuse_t m[2];
	char address[32];

	mheap_set_error_handler(note_report);
	enable(v, 0, 0);
	offset = site_3(v, 200, 0);
	right = get(v, 64);
	get(v, 64);
	the_first_to_put(v, offset);
	mheap_put(v, left);
	mheap_put(v, right);
	report.n = 0;
	the_second_to_put(v, offset);
	CU_ASSERT_EQUAL(report.n, 1);
	CU_ASSERT_EQUAL(report.offset, offset);
	CU_ASSERT_PTR_NOT_NULL(
		strstr(report.what, "put of an object that is free already, got by"));
	CU_ASSERT_PTR_NOT_NULL(strstr(report.what, ", put first by 0x"));
	CU_ASSERT_EQUAL_FATAL(mheap_trace_misuses(v, m, 2), 1);
	CU_ASSERT_EQUAL(m[0].offset, offset);
	CU_ASSERT(has_function(m[0].get_callers, "site_3"));
	CU_ASSERT(has_function(m[0].free_callers, "the_first_to_put"));
	CU_ASSERT(has_function(m[0].put_callers, "the_second_to_put"));
	CU_ASSERT_FALSE(has_function(m[0].put_callers, "the_first_to_put"));
	snprintf(address, sizeof(address), "got by 0x%llx",
		 (unsigned long long)m[0].get_callers[0]);
	CU_ASSERT_PTR_NOT_NULL(strstr(report.what, address));
	mheap_set_error_handler(NULL);
	mheap_free(v);
}

/* An object written past its end is told with who got it.  What the trace does not know, it does
 * not say. */
static void
other_wrong_puts_say_what_is_known(void)
{
	void *v = heap_of(MiB(1));
	uword before = get(v, 64), offset;
	mheap_trace_misuse_t m[2];

	mheap_set_error_handler(note_report);
	enable(v, 0, 0);
	offset = site_2(v, 64, 0);
	get(v, 64);
	memset((u8 *)v + offset + 64, 0, 8);
	the_second_to_put(v, offset);
	CU_ASSERT_PTR_NOT_NULL(strstr(report.what, "no object of this heap, got by 0x"));
	CU_ASSERT_PTR_NULL(strstr(report.what, "put first"));
	mheap_put(v, before + 8);
	CU_ASSERT_STRING_EQUAL(report.what, "put of what is no object of this heap");
	CU_ASSERT_EQUAL(mheap_trace_misuses(v, m, 2), 2);
	CU_ASSERT_EQUAL(m[0].offset, before + 8);
	CU_ASSERT_EQUAL(m[0].get_callers[0], 0);
	CU_ASSERT(has_function(m[1].get_callers, "site_2"));
	mheap_trace(v, 0);
	CU_ASSERT_EQUAL(mheap_trace_misuses(v, m, 2), 2);
	mheap_set_error_handler(NULL);
	mheap_free(v);
}

/* ---- on and off ---- */

/* Objects from before are no error, off forgets, on twice says so; only the flag tells get. */
static void
on_and_off(void)
{
	void *v = heap_of(MiB(1));
	uword before = get(v, 64), during;
	mheap_trace_info_t info;

	CU_ASSERT_EQUAL(mheap_trace_disable(v), -EALREADY);
	mheap_trace(v, 1);
	CU_ASSERT(mheap_header(v)->flags & MHEAP_FLAG_TRACE);
	CU_ASSERT_EQUAL(mheap_trace_enable(v, NULL), -EALREADY);
	mheap_trace(v, 1);
	during = get(v, 64);
	mheap_put(v, before);
	mheap_trace_info(v, &info);
	CU_ASSERT_EQUAL(info.is_on, 1);
	CU_ASSERT_EQUAL(info.n_allocations, 1);
	mheap_trace(v, 0);
	CU_ASSERT_FALSE(mheap_header(v)->flags & MHEAP_FLAG_TRACE);
	mheap_trace_info(v, &info);
	CU_ASSERT_EQUAL(info.is_on, 0);
	CU_ASSERT_EQUAL(info.n_allocations, 0);
	CU_ASSERT_PTR_NULL(mheap_trace_dup(v));
	mheap_put(v, during);
	CU_ASSERT_EQUAL(mheap_header(v)->stats.n_bad_puts, 0);

	mheap_set_error_handler(note_report);
	report.n = 0;
	CU_ASSERT_EQUAL(mheap_trace_enable(NULL, NULL), -EINVAL);
	CU_ASSERT_EQUAL(mheap_trace_enable(v, &(mheap_trace_params_t){ .max_sites = ~0u }),
			-EINVAL);
	mheap_trace(NULL, 1);
	CU_ASSERT_EQUAL(report.n, 1);
	mheap_set_error_handler(NULL);
	mheap_free(v);
}

/* A thread that prints traces need not be in them; what it frees is taken off all the same. */
static void
a_thread_can_stay_out(void)
{
	void *v = heap_of(MiB(1));
	mheap_trace_info_t info;
	uword a, b;

	enable(v, 0, 0);
	a = get(v, 64);
	CU_ASSERT_EQUAL(mheap_trace_thread_enable(0), 1);
	b = get(v, 64);
	mheap_put(v, a);
	CU_ASSERT_EQUAL(mheap_trace_thread_enable(1), 0);
	mheap_trace_info(v, &info);
	CU_ASSERT_EQUAL(info.n_allocations, 0);
	mheap_put(v, b);
	mheap_free(v);
}

/* The traced heap itself does not notice: the same calls leave the same heap. */
static void
the_tables_are_not_in_the_heap(void)
{
	void *plain = heap_of(MiB(8)), *traced = heap_of(MiB(8));
	clib_mem_usage_t u[2];
	u64 seed = 11;

	enable(traced, 0, 0);
	for (int i = 0; i < 10000; i++) {
		uword n = 1 + unit_random_below(&seed, 500), offset = site_0(plain, n, 0);

		CU_ASSERT_EQUAL(site_0(traced, n, 0), offset);
		if (i % 3) {
			mheap_put(plain, offset);
			mheap_put(traced, offset);
		}
	}
	mheap_usage(plain, &u[0]);
	mheap_usage(traced, &u[1]);
	CU_ASSERT_EQUAL(memcmp(&u[0], &u[1], sizeof(u[0])), 0);
	mheap_free(plain);
	mheap_free(traced);
}

/* More sites than fit: those objects are counted as untraced, got and put like any other.  A site
 * whose objects went makes room. */
static void
no_room_for_sites_is_counted(void)
{
	void *v = heap_of(MiB(1));
	mheap_trace_info_t info;
	uword offsets[N_SITES];
	u8 *s;

	enable(v, 0, 2);
	for (u32 i = 0; i < N_SITES; i++) {
		offsets[i] = sites[i](v, 100, 0);
		CU_ASSERT_NOT_EQUAL(offsets[i], NOTHING);
	}
	mheap_trace_info(v, &info);
	CU_ASSERT_EQUAL(info.n_sites, 2);
	CU_ASSERT_EQUAL(info.n_allocations, 2);
	CU_ASSERT_EQUAL(info.n_untraced, 2);
	s = format(NULL, "%U%c", format_mheap_trace, v, 0, 0);
	CU_ASSERT_PTR_NOT_NULL(strstr((char *)s, "\n2 objects untraced"));
	vec_free(s);
	for (u32 i = 0; i < N_SITES; i++)
		CU_ASSERT_EQUAL(mheap_put_checked(v, offsets[i]), 0);
	sites[3](v, 100, 0);
	mheap_trace_info(v, &info);
	CU_ASSERT_EQUAL(info.n_sites, 1);
	CU_ASSERT_EQUAL(info.n_untraced, 2);
	mheap_free(v);
}

/* No address space for the tables: tracing does not begin, the heap is as it was. */
static void
no_address_space_leaves_it_off(void)
{
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
	struct rlimit limit, tight;
	void *v = heap_of(GiB(4));
	uword offset;

	getrlimit(RLIMIT_AS, &limit);
	tight = limit;
	tight.rlim_cur = GiB(4) + MiB(256); /* the tables want another gigabyte */
	setrlimit(RLIMIT_AS, &tight);
	CU_ASSERT_EQUAL(mheap_trace_enable(v, NULL), -ENOMEM);
	setrlimit(RLIMIT_AS, &limit);
	CU_ASSERT_FALSE(mheap_header(v)->flags & MHEAP_FLAG_TRACE);
	offset = get(v, 64);
	CU_ASSERT_EQUAL(mheap_put_checked(v, offset), 0);
	mheap_free(v);
#endif
}

/* Mapped elsewhere a traced heap is read without its tables, which are the creator's. */
static void
tables_of_another_mapping_are_not_followed(void)
{
	int fd = memfd_create("heap", 0);
	mheap_trace_info_t info;
	void *memory, *other, *v, *v2;
	u8 *s;

	CU_ASSERT_FATAL(fd >= 0 && ftruncate(fd, MiB(1)) == 0);
	memory = mmap(NULL, MiB(1), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	other = mmap(NULL, MiB(1), PROT_READ, MAP_SHARED, fd, 0);
	v = mheap_alloc(memory, MiB(1));
	CU_ASSERT_PTR_NOT_NULL_FATAL(v);
	enable(v, 0, 0);
	site_0(v, 2000, 0);
	v2 = (u8 *)other + ((u8 *)v - (u8 *)memory);
	CU_ASSERT_PTR_NOT_NULL(mheap_header(v2)->trace_main);
	mheap_trace_info(v2, &info);
	CU_ASSERT_EQUAL(info.is_on, 0);
	CU_ASSERT_EQUAL(mheap_trace_enable(v2, NULL), -EINVAL);
	s = format(NULL, "%U%c", format_mheap, v2, 1, 0);
	CU_ASSERT_PTR_NOT_NULL(strstr((char *)s, "flags: trace"));
	CU_ASSERT_PTR_NULL(strstr((char *)s, "Traceback"));
	vec_free(s);
	mheap_free(v);
	munmap(memory, MiB(1));
	munmap(other, MiB(1));
	close(fd);
}

static const unit_test_t tests[] = {
	UNIT(counts_agree_with_a_model),
	UNIT(counts_agree_under_threads),
	UNIT(tracing_switches_while_the_heap_is_used),
	UNIT(samples_estimate_the_whole),
	UNIT(three_planted_leaks_are_found),
	UNIT(small_sites_are_listed_when_verbose),
	UNIT(a_double_put_names_all_three),
	UNIT(other_wrong_puts_say_what_is_known),
	UNIT(on_and_off),
	UNIT(a_thread_can_stay_out),
	UNIT(the_tables_are_not_in_the_heap),
	UNIT(no_room_for_sites_is_counted),
	UNIT(no_address_space_leaves_it_off),
	UNIT(tables_of_another_mapping_are_not_followed),
};

int
main(void)
{
	return unit_run("mheap_trace", tests, ARRAY_LEN(tests));
}
