/* SPDX-License-Identifier: Apache-2.0 */
/* Indices walked one by one over a pool with holes, with nothing but the pool's header included. */
#include <vppinfra/mem.h>
#include <vppinfra/pool.h>

#ifdef CLIB_UNIX
int
main(int argc, char *argv[])
{
	int i, n = 0;
	uword next;
	u32 *tp = 0;
	u32 *junk;

	clib_mem_init(0, 3ULL << 30);
	for (i = 0; i < 70; i++)
		pool_get(tp, junk);
	(void)junk;
	pool_put_index(tp, 1);
	pool_put_index(tp, 65);

	next = ~0;
	do {
		next = pool_next_index(tp, next);
		fformat(stdout, "%d\n", next);
		n++;
		if (next == 1 || next == 65)
			os_panic();
	} while (next != ~0);
	if (n != 69)
		clib_warning("%d turns, not 69", n);
	return n != 69;
}
#endif
