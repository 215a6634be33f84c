/* SPDX-License-Identifier: Apache-2.0 */
/* Mappings: of a block, counted in the table; of a whole zone, this process's business. */
#include "mmz_impl.h"

#include <sys/mman.h>
#include <vppinfra/fault.h>

#ifndef MADV_POPULATE_READ
#	define MADV_POPULATE_READ 22 /* Linux 5.14 */
#endif

/* ---- blocks ---- */

static int
note_mapping(mmz_table_t *t, mmz_id_t id)
{
	for (u32 pass = 0; pass < 2; pass++) {
		for (u32 i = 0; i < MMZ_MAX_MAPS; i++) {
			mmz_mapping_t *m = &t->mappings[i];

			/* Full: the places of the dead. */
			if (pass && m->id && !mmz_process_is_alive(&m->process))
				m->id = 0;
			if (m->id)
				continue;
			m->process = mmz_self();
			/* Release: whoever sees the id sees the process. */
			atomic_store_explicit(&m->id, id, memory_order_release);
			return 0;
		}
	}
	return -ENOMEM;
}

static void
forget_mapping(mmz_table_t *t, mmz_id_t id)
{
	mmz_process_t self = mmz_self();

	for (u32 i = 0; i < MMZ_MAX_MAPS; i++) {
		mmz_mapping_t *m = &t->mappings[i];

		if (m->id == id && m->process.pid == self.pid && m->process.start == self.start) {
			m->id = 0;
			return;
		}
	}
}

static int
map_locked(mmz_t *z, u32 slot, u32 flags)
{
	mmz_table_t *t = z->table;
	const mmz_block_t *b = &t->blocks[slot];
	mmz_local_t *l = &z->local[slot];
	uword n_bytes = b->n_pages * t->page_bytes;
	void *p;

	if (l->id == b->id) {
		if (l->flags != flags)
			return -EACCES;
		l->n_refs++;
		return 0;
	}
	if (note_mapping(t, b->id))
		return -ENOMEM;
	p = mmap(NULL, n_bytes, PROT_READ | (flags & MMZ_MAP_READ_ONLY ? 0 : PROT_WRITE),
		 MAP_SHARED | MAP_NORESERVE, z->fd, (off_t)(b->page * t->page_bytes));
	if (p == MAP_FAILED) {
		forget_mapping(t, b->id);
		return -ENOMEM;
	}
	/* The pages exist; without their entries here the first touch would be slow, no more. */
	madvise(p, n_bytes, MADV_POPULATE_READ);
	*l = (mmz_local_t){
		.id = b->id, .address = p, .n_bytes = n_bytes, .n_refs = 1, .flags = flags
	};
	return 0;
}

int
mmz_map(mmz_t *z, mmz_id_t id, u32 flags, void **address)
{
	int slot, rv;

	if (flags & MMZ_MAP_UNCACHED)
		return -ENOTSUP;
	mmz_lock(z);
	slot = mmz_slot_of(z->table, id);
	rv = slot < 0 ? slot : map_locked(z, (u32)slot, flags & MMZ_MAP_READ_ONLY);
	if (!rv)
		*address = z->local[slot].address;
	mmz_unlock(z);
	return rv;
}

int
mmz_unmap(mmz_t *z, mmz_id_t id)
{
	int slot, rv = -ENOENT;

	mmz_lock(z);
	slot = mmz_slot_of(z->table, id);
	if (slot >= 0 && z->local[slot].id == id) {
		mmz_local_t *l = &z->local[slot];

		rv = 0;
		if (--l->n_refs == 0) {
			munmap(l->address, l->n_bytes);
			forget_mapping(z->table, id);
			memset(l, 0, sizeof(*l));
		}
	}
	mmz_unlock(z);
	return rv;
}

void
mmz_unmap_all(mmz_t *z)
{
	const mmz_table_t *t = z->table;
	uword view;

	mmz_lock(z);
	for (u32 i = 0; i < MMZ_MAX_BLOCKS; i++) {
		mmz_local_t *l = &z->local[i];

		if (!l->id)
			continue;
		munmap(l->address, l->n_bytes);
		forget_mapping(z->table, l->id);
		memset(l, 0, sizeof(*l));
	}
	view = z->view;
	z->view = z->view_bytes = 0;
	if (view)
		munmap(uword_to_pointer(view, void *), t->n_pages_max * t->page_bytes);
	mmz_unlock(z);
}

/* ---- the whole zone ---- */

/* What a fault in a view means; in a signal handler, so without the lock. */
static void
describe(clib_fault_t *fault)
{
	for (u32 i = 0; i < MMZ_MAX_OPEN; i++) {
		const mmz_t *z = &mmz_open_zones[i];
		const mmz_table_t *t = z->table;
		uword offset = fault->address - z->view;

		if (!t || !z->view || offset >= t->n_pages_max * t->page_bytes)
			continue;
		if (offset >= z->view_bytes && offset < t->n_pages * t->page_bytes)
			fault->cause = CLIB_FAULT_NOT_ATTACHED;
		clib_fault_print(fault->text, sizeof(fault->text),
				 "vmheap:   zone '%s', offset 0x%lx: it has 0x%lx bytes, this "
				 "process attached 0x%lx\n",
				 t->name, offset, t->n_pages * t->page_bytes, z->view_bytes);
	}
}

/* Map [view_bytes, bytes) of the file into the address space kept for it.  Locked. */
static int
extend_view(mmz_t *z)
{
	const mmz_table_t *t = z->table;
	uword bytes = t->n_pages * t->page_bytes, from = z->view_bytes;

	if (bytes > from &&
	    mmap(uword_to_pointer(z->view + from, void *), bytes - from, PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_FIXED | MAP_NORESERVE, z->fd, (off_t)from) == MAP_FAILED)
		return -ENOMEM;
	z->view_bytes = bytes;
	return 0;
}

/* Address space aligned to the zone's pages.  Locked. */
static int
reserve_view(mmz_t *z)
{
	const mmz_table_t *t = z->table;
	uword n = t->n_pages_max * t->page_bytes, align = t->page_bytes, at;
	u8 *p = mmap(NULL, n + align, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
		     0);

	if (p == MAP_FAILED)
		return -ENOMEM;
	at = round_pow2(pointer_to_uword(p), align);
	if (at > pointer_to_uword(p))
		munmap(p, at - pointer_to_uword(p));
	munmap(uword_to_pointer(at + n, void *), pointer_to_uword(p) + align - at);
	z->view_bytes = 0;
	z->view = at;
	return 0;
}

void *
mmz_view(mmz_t *z)
{
	const mmz_table_t *t = z->table;

	clib_fault_add_describer(describe);
	mmz_lock(z);
	if (!z->view && !reserve_view(z) && extend_view(z)) {
		munmap(uword_to_pointer(z->view, void *), t->n_pages_max * t->page_bytes);
		z->view = 0;
	}
	mmz_unlock(z);
	return uword_to_pointer(z->view, void *);
}

int
mmz_refresh(mmz_t *z)
{
	int rv;

	mmz_lock(z);
	rv = z->view ? extend_view(z) : -ENOENT;
	mmz_unlock(z);
	return rv;
}
