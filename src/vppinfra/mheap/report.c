/* SPDX-License-Identifier: Apache-2.0 */
/* Misuse is told to a handler, and gets can be made to fail on purpose.  Apart from get and put,
 * which are free of stdio. */
#include <stdio.h>
#include <unistd.h>
#include "mheap_impl.h"

/* What a line can carry; the whole stacks are kept for mheap_trace_misuses(). */
#define N_REPORTED_CALLERS 4
#define MAX_REPORT_BYTES 384

/* One line, without buffers of stdio's own: malloc may be what is reported about. */
static void
print_error(const char *what, const void *v, uword offset, const void *caller)
{
	char line[MAX_REPORT_BYTES + 192];
	int n = snprintf(line, sizeof(line),
			 "vmheap: heap %p '%s': %s, offset 0x%llx, called from %p\n", v,
			 v ? mheap_header(v)->name : "", what, (unsigned long long)offset, caller);

	if (n > 0 && write(STDERR_FILENO, line, clib_min((uword)n, sizeof(line) - 1)) < 0)
		return; /* nobody listens */
}

static _Atomic(mheap_error_function_t *) error_handler = print_error;

void
mheap_set_error_handler(mheap_error_function_t *fn)
{
	atomic_store_explicit(&error_handler, fn ? fn : print_error, memory_order_relaxed);
}

/* Addresses only: naming them is not for the thread that made the mistake, which may be a worker.
 */
static int
print_callers(char *text, uword n_text, const char *what, const uword *callers)
{
	uword n = 0;

	if (!callers[0])
		return 0;
	n = (uword)snprintf(text, n_text, "%s", what);
	for (u32 i = 0; i < N_REPORTED_CALLERS && callers[i] && n < n_text; i++)
		n += (uword)snprintf(text + n, n_text - n, "%s0x%llx", i ? " < " : " ",
				     (unsigned long long)callers[i]);
	return (int)clib_min(n, n_text - 1);
}

void
mheap_report(const char *what, const void *v, uword offset, const void *caller)
{
	mheap_error_function_t *handler =
		atomic_load_explicit(&error_handler, memory_order_relaxed);
	mheap_trace_misuse_t misuse;
	char text[MAX_REPORT_BYTES];
	uword n;

	if (!mheap_trace_blame(v, offset, what, __builtin_frame_address(0), &misuse)) {
		handler(what, v, offset, caller);
		return;
	}
	n = (uword)snprintf(text, sizeof(text), "%s", what);
	n = clib_min(n, sizeof(text) - 1);
	n += (uword)print_callers(text + n, sizeof(text) - n, ", got by", misuse.get_callers);
	print_callers(text + n, sizeof(text) - n, ", put first by", misuse.free_callers);
	handler(text, v, offset, caller);
}

void
mheap_unlock_and_report(mheap_t *h, void *v, u64 n_corruptions_before)
{
	u64 n = h->stats.n_corruptions - n_corruptions_before;

	mheap_maybe_unlock(h);
	if (PREDICT_FALSE(n))
		mheap_report("an object was put that was none or was written over", v, 0, NULL);
}

_Atomic u64 mheap_fail_countdown;
static _Atomic int fail_goes_on;

static int
update_fronts(void *v, void *arg)
{
	mheap_t *h = mheap_header(v);

	if (heap_flags(h) & MHEAP_FLAG_FRONTS) {
		mheap_lock_slow(h);
		mheap_fronts_update(h);
		mheap_unlock_slow(h);
	}
	return 0;
}

static void
set_countdown(u64 n, int goes_on)
{
	atomic_store_explicit(&fail_goes_on, goes_on, memory_order_relaxed);
	atomic_store_explicit(&mheap_fail_countdown, n, memory_order_relaxed);
	/* Gets that a front could serve count as well. */
	mheap_foreach_heap(update_fronts, NULL);
}

void
mheap_fail_get_after(u64 n)
{
	set_countdown(n, 0);
}

void
mheap_fail_gets_after(u64 n)
{
	set_countdown(n, 1);
}

/* A countdown that goes on stays at the get that fails. */
int
mheap_fail_is_due(void)
{
	u64 n = atomic_load_explicit(&mheap_fail_countdown, memory_order_relaxed), next;

	do {
		if (n == 0)
			return 0;
		next = n - 1;
		if (n == 1 && atomic_load_explicit(&fail_goes_on, memory_order_relaxed))
			return 1;
	} while (!atomic_compare_exchange_weak_explicit(
		&mheap_fail_countdown, &n, next, memory_order_relaxed, memory_order_relaxed));
	return n == 1;
}
