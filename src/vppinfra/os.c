/* SPDX-License-Identifier: Apache-2.0 */
#include <vppinfra/os.h>

#include <stdlib.h>
#include <unistd.h>

__clib_weak void
os_panic(void)
{
	abort();
}

__clib_weak void
os_exit(int code)
{
	exit(code);
}

__clib_weak void
os_puts(u8 *string, uword n_bytes, uword is_error)
{
	while (n_bytes > 0) {
		ssize_t n = write(is_error ? STDERR_FILENO : STDOUT_FILENO, string, n_bytes);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return;
		string += n;
		n_bytes -= (uword)n;
	}
}

__clib_weak void
os_out_of_memory(void)
{
	static const char text[] = "vmheap: out of memory\n";

	os_puts((u8 *)text, sizeof(text) - 1, 1);
	os_panic();
}

__clib_weak uword
os_get_nthreads(void)
{
	u32 limit = clib_thread_index_limit();

	return limit ? limit : 1;
}
