/* SPDX-License-Identifier: Apache-2.0 */
/* Misuse is told to a handler, and gets can be made to fail on purpose.  Apart from get and put,
 * which are free of stdio. */
#include <stdio.h>
#include <unistd.h>
#include "mheap_impl.h"

/* One line, without buffers of stdio's own: malloc may be what is reported about. */
static void
print_error(const char *what, const void *v, uword offset, const void *caller)
{
	char line[256];
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

void
mheap_report(const char *what, const void *v, uword offset, const void *caller)
{
	atomic_load_explicit(&error_handler, memory_order_relaxed)(what, v, offset, caller);
}

_Atomic u64 mheap_fail_countdown;

void
mheap_fail_get_after(u64 n)
{
	atomic_store_explicit(&mheap_fail_countdown, n, memory_order_relaxed);
}

int
mheap_fail_is_due(void)
{
	u64 n = atomic_load_explicit(&mheap_fail_countdown, memory_order_relaxed);

	while (n &&
	       !atomic_compare_exchange_weak_explicit(&mheap_fail_countdown, &n, n - 1,
						      memory_order_relaxed, memory_order_relaxed))
		;
	return n == 1;
}
