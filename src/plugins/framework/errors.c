/* SPDX-License-Identifier: Apache-2.0 */
/* A fixed square of counters in zero pages: a row a thread index, and one for all threads without
 * an index.  A row is written by its thread alone and a page is resident once something in it
 * was counted.  Clearing remembers values on the side, so a row has one writer always. */
#include <plugins/framework/framework_impl.h>

#include <vppinfra/vec.h>

/* 64: counts of sets that are not registered land here and are shown nowhere. */
#define N_UNREGISTERED 64
#define OVERFLOW_ROW CLIB_MAX_THREADS

static u64 counters[CLIB_MAX_THREADS + 1][FRAMEWORK_MAX_ERROR_COUNTERS]
	__attribute__((aligned(CLIB_CACHE_LINE_BYTES)));
u64 *vmheap_error_counters[CLIB_MAX_THREADS];

static vmheap_error_strings_t **sets; /* vector */
static u32 n_counters = N_UNREGISTERED;
/* Vector of rows' values at the last clear; rows and columns beyond it were zero then. */
static u64 *baseline;
static u32 n_baseline_rows, n_baseline_counters;

static void __attribute__((constructor)) errors_constructor(void)
{
	for (u32 t = 0; t < CLIB_MAX_THREADS; t++)
		vmheap_error_counters[t] = counters[t];
}

int
vmheap_errors_register(vmheap_error_strings_t *e)
{
	vmheap_error_strings_t **s;
	int error;

	e->first_index = 0;
	if (!e->node || !e->reasons || !e->n_reasons)
		return -EINVAL;
	vec_foreach (s, sets)
		if (!strcmp((*s)->node, e->node))
			return -EEXIST;
	if (e->n_reasons > FRAMEWORK_MAX_ERROR_COUNTERS - n_counters)
		return -ENOMEM;
	if ((error = vec_add1(sets, e)))
		return error;
	e->first_index = n_counters;
	n_counters += e->n_reasons;
	return 0;
}

void
vmheap_error_count_slow(u32 counter, u64 n)
{
	__atomic_fetch_add(&counters[OVERFLOW_ROW][counter], n, __ATOMIC_RELAXED);
}

void
framework_error_count_index(u32 counter, u64 n)
{
	u16 t = clib_thread_index();

	if (PREDICT_TRUE(t != CLIB_THREAD_INDEX_NONE))
		counters[t][counter] += n;
	else
		vmheap_error_count_slow(counter, n);
}

vmheap_error_strings_t **
framework_error_sets(void)
{
	return sets;
}

/* One aligned word with one writer: the volatile read is some value it had. */
FRAMEWORK_LIVE_READ static u64
live_value(u32 row, u32 counter)
{
	return *(volatile u64 *)&counters[row][counter];
}

/* Row r of the baseline: threads by index, the overflow row last. */
static u64
baseline_value(u32 row, u32 counter)
{
	u32 r = row == OVERFLOW_ROW ? n_baseline_rows - 1 : row;

	if (!n_baseline_rows || counter >= n_baseline_counters)
		return 0;
	if (row != OVERFLOW_ROW && row >= n_baseline_rows - 1)
		return 0;
	return baseline[(uword)r * n_baseline_counters + counter];
}

u64
framework_error_of_thread(u32 counter, u32 thread)
{
	return live_value(thread, counter) - baseline_value(thread, counter);
}

u64
framework_error_sum(u32 counter)
{
	u32 n_threads = clib_thread_index_limit();
	u64 sum = framework_error_of_thread(counter, OVERFLOW_ROW);

	for (u32 t = 0; t < n_threads; t++)
		sum += framework_error_of_thread(counter, t);
	return sum;
}

u64
vmheap_error_total(const vmheap_error_strings_t *e, u32 reason)
{
	return reason < e->n_reasons && e->first_index
		       ? framework_error_sum(e->first_index + reason)
		       : 0;
}

int
framework_errors_clear(void)
{
	u32 n_rows = clib_thread_index_limit() + 1;
	u64 *values = NULL;

	vec_validate(values, (uword)n_rows * n_counters - 1);
	if (!values)
		return -ENOMEM;
	for (u32 r = 0; r < n_rows; r++)
		for (u32 c = 0; c < n_counters; c++)
			values[(uword)r * n_counters + c] =
				live_value(r == n_rows - 1 ? OVERFLOW_ROW : r, c);
	vec_free(baseline);
	baseline = values;
	n_baseline_rows = n_rows;
	n_baseline_counters = n_counters;
	return 0;
}

void
framework_errors_free(void)
{
	vec_free(sets);
	vec_free(baseline);
	n_baseline_rows = n_baseline_counters = 0;
}
