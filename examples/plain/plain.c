/* SPDX-License-Identifier: Apache-2.0 */
/* A vector, a pool and a heap of their own, and what `show memory` says of it: no DPDK. */
#include <stdio.h>
#include <vppinfra/format.h>
#include <vppinfra/mem.h>
#include <vppinfra/mem_setup.h>
#include <vppinfra/mheap.h>
#include <vppinfra/pool.h>

int main(void)
{
	u64 *squares = 0, *session, *sessions = 0; /* NULL is an empty vector and an empty pool */
	void *v = mheap_alloc(0, 64 << 20);
	uword offset;
	u8 *text;

	if (!v || clib_mem_setup(0, 0, 0))
		return 1;
	for (u64 i = 0; i < 1000; i++)
		vec_add1(squares, i * i);
	pool_get(sessions, session); /* its index stays, wherever the pool moves */
	*session = squares[999];
	v = mheap_get_aligned(v, 4096, 64, 0, &offset); /* an object is an offset */
	text = format(0, "%u squares, session %u\n%U\n%U\n", vec_len(squares), session - sessions,
		      format_clib_mem_heap, clib_mem_main_heap(), 1, format_mheap, v, 1);
	fwrite(text, 1, vec_len(text), stdout);
	mheap_put(v, offset);
	mheap_free(v);
	pool_free(sessions);
	vec_free(squares);
	vec_free(text);
	return clib_mem_teardown(0, 0) ? 1 : 0; /* anything leaked? */
}
