/* SPDX-License-Identifier: Apache-2.0 */
#include <vppinfra/clib.h>

#include <stdio.h>
#include <stdlib.h>
#include <vppinfra/os.h>

void
clib_assert_failed(const char *file, int line, const char *function, const char *what)
{
	fprintf(stderr, "%s:%d (%s) assertion `%s' fails\n", file, line, function, what);
	/* A program's own os_panic() may leave by longjmp(); it may not come back. */
	os_panic();
	abort();
}
