/* SPDX-License-Identifier: Apache-2.0 */
/* Blocks: taken, given back, counted, mended. */
#include "mmz_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MADV_POPULATE_READ
#	define MADV_POPULATE_READ 22 /* Linux 5.14 */
#endif

/* Who reclaims has other work, and comes again. */
#define RECLAIM_WAIT_MS 200

int
mmz_slot_of(const mmz_table_t *t, mmz_id_t id)
{
	for (u32 i = 0; id && i < MMZ_MAX_BLOCKS; i++)
		if (t->blocks[i].id == id)
			return (int)i;
	return -ENOENT;
}

/* Insertion: a table is ordered but for the blocks that came since. */
u32
mmz_order(mmz_t *z)
{
	const mmz_table_t *t = z->table;
	u32 n = 0;

	for (u32 i = 0; i < MMZ_MAX_BLOCKS; i++) {
		u32 at = n;

		if (!t->blocks[i].id)
			continue;
		while (at && t->blocks[z->order[at - 1]].page > t->blocks[i].page) {
			z->order[at] = z->order[at - 1];
			at--;
		}
		z->order[at] = (u16)i;
		n++;
	}
	return n;
}

void
mmz_punch(mmz_t *z, u64 page, u64 n_pages)
{
	u64 page_bytes = ((mmz_table_t *)z->table)->page_bytes;

	vm_file_punch(z->fd, page * page_bytes, n_pages * page_bytes);
}

/* ---- alloc ---- */

/* The lowest place of n_pages; ~0: none. */
static u64
find_place(mmz_t *z, u64 n_pages, u64 align_pages)
{
	const mmz_table_t *t = z->table;
	u32 n = mmz_order(z);
	u64 page = 0;

	for (u32 i = 0; i <= n; i++) {
		u64 end = i < n ? t->blocks[z->order[i]].page : (u64)t->n_pages;
		u64 at = round_pow2(page, align_pages);

		if (at <= end && end - at >= n_pages)
			return at;
		if (i < n)
			page = t->blocks[z->order[i]].page + t->blocks[z->order[i]].n_pages;
	}
	return ~0ull;
}

/* Where it lies, found through a mapping that is gone before anybody else sees the block. */
static void
note_physical(mmz_t *z, mmz_block_t *b)
{
	u64 page_bytes = ((mmz_table_t *)z->table)->page_bytes, n_bytes = b->n_pages * page_bytes,
	    pa;
	u8 *p = mmap(NULL, n_bytes, PROT_READ, MAP_SHARED | MAP_NORESERVE, z->fd,
		     (off_t)(b->page * page_bytes));

	b->pa = MMZ_PA_UNKNOWN;
	b->is_contiguous = 0;
	if (p == MAP_FAILED)
		return;
	if (!madvise(p, n_bytes, MADV_POPULATE_READ) && !vm_va_to_pa(p, &b->pa)) {
		u64 i = 1;

		while (i < b->n_pages && !vm_va_to_pa(p + i * page_bytes, &pa) &&
		       pa == b->pa + i * page_bytes)
			i++;
		b->is_contiguous = i == b->n_pages;
	}
	munmap(p, n_bytes);
}

static mmz_block_t *
free_slot(mmz_table_t *t)
{
	for (u32 i = 0; i < MMZ_MAX_BLOCKS; i++)
		if (!t->blocks[i].id)
			return &t->blocks[i];
	return NULL;
}

static int
alloc_locked(mmz_t *z, const char *name, u64 n_pages, u64 align_pages, mmz_id_t *id)
{
	mmz_table_t *t = z->table;
	mmz_block_t *b = free_slot(t);
	u64 page = b ? find_place(z, n_pages, align_pages) : ~0ull;

	if (t->state == MMZ_REMOVED)
		return -ENOENT;
	if (page == ~0ull ||
	    vm_file_populate(z->fd, page * t->page_bytes, n_pages * t->page_bytes, t->numa_node)) {
		t->n_fails++;
		return -ENOMEM;
	}
	b->page = page;
	b->n_pages = n_pages;
	b->owner = mmz_self();
	snprintf(b->name, sizeof(b->name), "%s", name);
	note_physical(z, b);
	t->n_used_pages += n_pages;
	t->n_allocs++;
	*id = t->next_id++;
	/* Release: whoever sees the id sees the block. */
	atomic_store_explicit(&b->id, *id, memory_order_release);
	return 0;
}

int
mmz_alloc(mmz_t *z, const char *name, uword bytes, uword align, mmz_id_t *id)
{
	const mmz_table_t *t = z->table;
	int rv;

	if (!bytes || !name || strnlen(name, MMZ_NAME_BYTES + 1) > MMZ_NAME_BYTES ||
	    !is_pow2(align))
		return -EINVAL;
	mmz_lock(z);
	rv = bytes > t->n_pages * t->page_bytes
		     ? -ENOMEM
		     : alloc_locked(z, name, round_pow2(bytes, t->page_bytes) / t->page_bytes,
				    clib_max(align, (uword)t->page_bytes) / t->page_bytes, id);
	mmz_unlock(z);
	return rv;
}

/* ---- free and reclaim ---- */

static void
free_locked(mmz_t *z, mmz_block_t *b)
{
	mmz_table_t *t = z->table;

	atomic_store_explicit(&b->id, 0, memory_order_release);
	t->n_used_pages -= b->n_pages;
	mmz_punch(z, b->page, b->n_pages);
}

u32
mmz_count_maps(mmz_table_t *t, mmz_id_t id)
{
	u32 n = 0;

	for (u32 i = 0; i < MMZ_MAX_MAPS; i++) {
		mmz_mapping_t *m = &t->mappings[i];

		if (m->id != id)
			continue;
		if (mmz_process_is_alive(&m->process))
			n++;
		else
			m->id = 0;
	}
	return n;
}

int
mmz_free(mmz_t *z, mmz_id_t id)
{
	mmz_table_t *t = z->table;
	int slot, rv = 0;

	mmz_lock(z);
	slot = mmz_slot_of(t, id);
	if (slot < 0)
		rv = slot;
	else if (mmz_count_maps(t, id))
		rv = -EBUSY;
	else {
		free_locked(z, &t->blocks[slot]);
		t->n_frees++;
	}
	mmz_unlock(z);
	return rv;
}

int
mmz_reclaim(mmz_t *z, mmz_reclaimed_t *reclaimed)
{
	mmz_table_t *t = z->table;
	mmz_reclaimed_t r = { 0, 0 };

	if (mmz_lock_for(z, RECLAIM_WAIT_MS))
		return -EBUSY;
	for (u32 i = 0; i < MMZ_MAX_BLOCKS; i++) {
		mmz_block_t *b = &t->blocks[i];

		if (!b->id || mmz_process_is_alive(&b->owner) || mmz_count_maps(t, b->id))
			continue;
		r.n_blocks++;
		r.n_bytes += b->n_pages * t->page_bytes;
		free_locked(z, b);
	}
	t->n_reclaimed += r.n_blocks;
	mmz_unlock(z);
	if (reclaimed)
		*reclaimed = r;
	return 0;
}

int
mmz_find(mmz_t *z, const char *name, mmz_id_t *id)
{
	const mmz_table_t *t = z->table;
	u64 oldest = ~0ull;

	mmz_lock(z);
	for (u32 i = 0; i < MMZ_MAX_BLOCKS; i++)
		if (t->blocks[i].id && t->blocks[i].id < oldest && !strcmp(t->blocks[i].name, name))
			oldest = t->blocks[i].id;
	mmz_unlock(z);
	if (oldest == ~0ull)
		return -ENOENT;
	*id = oldest;
	return 0;
}

int
mmz_grow(mmz_t *z, uword bytes)
{
	mmz_table_t *t = z->table;
	u64 n_pages = round_pow2(bytes, t->page_bytes) / t->page_bytes;
	int rv = 0;

	mmz_lock(z);
	if (t->state == MMZ_REMOVED)
		rv = -ENOENT;
	else if (n_pages < t->n_pages || n_pages > t->n_pages_max)
		rv = -EINVAL;
	else if (ftruncate(z->fd, (off_t)(n_pages * t->page_bytes)))
		rv = -errno;
	else
		t->n_pages = n_pages;
	mmz_unlock(z);
	return rv;
}

/* ---- looking ---- */

void
mmz_get_info(mmz_t *z, mmz_info_t *info)
{
	const mmz_table_t *t = z->table;

	memset(info, 0, sizeof(*info));
	mmz_lock(z);
	memcpy(info->name, t->name, sizeof(info->name));
	memcpy(info->path, t->path, sizeof(info->path));
	info->bytes = t->n_pages * t->page_bytes;
	info->max_bytes = t->n_pages_max * t->page_bytes;
	info->page_bytes = t->page_bytes;
	info->used_bytes = t->n_used_pages * t->page_bytes;
	info->numa_node = t->numa_node;
	for (u32 i = 0; i < MMZ_MAX_BLOCKS; i++) {
		info->n_blocks += t->blocks[i].id != 0;
		info->n_orphans += t->blocks[i].id && !mmz_process_is_alive(&t->blocks[i].owner);
	}
	info->n_allocs = t->n_allocs;
	info->n_frees = t->n_frees;
	info->n_fails = t->n_fails;
	info->n_reclaimed = t->n_reclaimed;
	info->n_lock_recoveries = t->n_lock_recoveries;
	info->view = uword_to_pointer(z->view, void *);
	info->view_bytes = z->view_bytes;
	mmz_unlock(z);
}

/* The block with the lowest page at or above `page`.  @return whether there is one */
static int
next_block(mmz_t *z, u64 page, mmz_block_info_t *info, u64 *next_page)
{
	mmz_table_t *t = z->table;
	u32 slot = MMZ_MAX_BLOCKS;
	const mmz_block_t *b;

	mmz_lock(z);
	for (u32 i = 0; i < MMZ_MAX_BLOCKS; i++)
		if (t->blocks[i].id && t->blocks[i].page >= page &&
		    (slot == MMZ_MAX_BLOCKS || t->blocks[i].page < t->blocks[slot].page))
			slot = i;
	if (slot == MMZ_MAX_BLOCKS) {
		mmz_unlock(z);
		return 0;
	}
	b = &t->blocks[slot];
	memset(info, 0, sizeof(*info));
	info->id = b->id;
	memcpy(info->name, b->name, sizeof(info->name));
	info->offset = b->page * t->page_bytes;
	info->bytes = b->n_pages * t->page_bytes;
	info->pa = b->pa;
	info->is_contiguous = b->is_contiguous;
	info->owner_pid = b->owner.pid;
	info->is_orphan = !mmz_process_is_alive(&b->owner);
	info->n_maps = mmz_count_maps(t, b->id);
	if (z->local[slot].id == b->id)
		info->address = z->local[slot].address;
	*next_page = b->page + 1;
	mmz_unlock(z);
	return 1;
}

void
mmz_foreach_block(mmz_t *z, int (*fn)(const mmz_block_info_t *block, void *arg), void *arg)
{
	mmz_block_info_t info;
	u64 page = 0;

	while (next_block(z, page, &info, &page))
		if (fn(&info, arg))
			break;
}

static int
check_locked(mmz_t *z, char *what, uword n_what)
{
	const mmz_table_t *t = z->table;
	u64 page = 0, n_used = 0;
	u32 n = mmz_order(z);

	for (u32 i = 0; i < n; i++) {
		const mmz_block_t *b = &t->blocks[z->order[i]];

		if (b->page < page || !b->n_pages || b->page + b->n_pages > t->n_pages) {
			snprintf(what, n_what, "block %lu '%s' overlaps or is outside",
				 (unsigned long)b->id, b->name);
			return -EUCLEAN;
		}
		if (b->id >= t->next_id) {
			snprintf(what, n_what, "block %lu was never allocated",
				 (unsigned long)b->id);
			return -EUCLEAN;
		}
		page = b->page + b->n_pages;
		n_used += b->n_pages;
	}
	if (n_used == t->n_used_pages)
		return 0;
	snprintf(what, n_what, "blocks hold %lu pages, counted are %lu", (unsigned long)n_used,
		 (unsigned long)t->n_used_pages);
	return -EUCLEAN;
}

int
mmz_check(mmz_t *z, char *what, uword n_what)
{
	char nowhere[1];
	int rv;

	mmz_lock(z);
	rv = check_locked(z, what ? what : nowhere, what ? n_what : sizeof(nowhere));
	mmz_unlock(z);
	return rv;
}
