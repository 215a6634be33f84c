/* SPDX-License-Identifier: Apache-2.0 */
/* Records under a protection key, and what a store that was stopped there would have hit. */
#include "pages_impl.h"

#include <vppinfra/fault.h>

/* Runs in a signal handler. */
static void
describe(clib_fault_t *f)
{
	for (u32 i = 0; i < PAGES_MAX_SETS; i++) {
		const pages_t *p = &pages_sets[i];
		uword record = f->address - pointer_to_uword(p->records);
		uword chunk = f->address - pointer_to_uword(p->chunks);

		if (!p->is_live || !p->is_guarded)
			continue;
		if (record < p->records_map_bytes)
			clib_fault_print(
				f->text, sizeof(f->text),
				"vmheap:   record of page %lu of set '%s', node %d: byte %lu "
				"of it; records are written by calls on pages alone\n",
				record / sizeof(page_t), p->name, p->numa_node,
				record % sizeof(page_t));
		else if (chunk < p->chunks_map_bytes)
			clib_fault_print(f->text, sizeof(f->text),
					 "vmheap:   chunk table of set '%s', node %d: chunk %lu\n",
					 p->name, p->numa_node, chunk / sizeof(pages_chunk_t));
	}
}

int
pages_guard(pages_t *p)
{
	int rv;

	if (!vm_guard_key())
		return 0;
	rv = vm_guard_protect(p->records, p->records_map_bytes);
	if (!rv)
		rv = vm_guard_protect(p->chunks, round_pow2(p->chunks_map_bytes, PAGES_PAGE_BYTES));
	if (rv)
		return rv;
	p->is_guarded = 1;
	/* The short way of taking and giving back a page opens no guard. */
	p->n_cached_pages = 0;
	/* Whoever else describes faults has registered already, or has room left to. */
	clib_fault_add_describer(describe);
	return 0;
}
