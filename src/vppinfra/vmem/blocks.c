/* SPDX-License-Identifier: Apache-2.0 */
/* Blocks of 8 KiB that hashes and indexes are made of, kept when a table shrinks or an index is
 * given up, for the next in whatever arena: having the system commit or take back one is two calls
 * that change its mappings, ten microseconds in the middle of somebody's request.  A few are
 * there from the start, so that the first index of a program finds its memory warm.
 *
 * Linked through their first words, under the lock of the tags' stock; vmem_reap() gives back what
 * is not from the start. */
#include "vmem_impl.h"

#define N_STATIC 8

static u8 static_blocks[N_STATIC][VMEM_BLOCK_BYTES] __attribute__((aligned(CLIB_CACHE_LINE_BYTES)));

/* Under the lock of the tags' stock. */
static struct {
	void *kept[VMEM_N_BLOCK_KINDS], *statics;
	u32 n_static_used; /* of those never used before */
} blocks;

static bool
is_static(const void *block)
{
	return pointer_to_uword(block) - pointer_to_uword(static_blocks) < sizeof(static_blocks);
}

static void
push(void **list, void *block)
{
	*(void **)block = *list;
	*list = block;
}

static void *
pop(void **list)
{
	void *block = *list;

	if (block)
		*list = *(void **)block;
	return block;
}

void *
vmem_block_take(vmem_block_kind_t kind)
{
	void *block;

	vmem_tags_lock();
	block = pop(&blocks.kept[kind]);
	/* A hash that grows would take them all long before. */
	if (block == NULL && kind == VMEM_BLOCK_INDEX) {
		block = pop(&blocks.statics);
		if (block == NULL && blocks.n_static_used < N_STATIC)
			block = static_blocks[blocks.n_static_used++];
	}
	vmem_tags_unlock();
	return block;
}

void
vmem_block_keep(vmem_block_kind_t kind, void *block)
{
	vmem_tags_lock();
	push(is_static(block) ? &blocks.statics : &blocks.kept[kind], block);
	vmem_tags_unlock();
}

bool
vmem_block_keep_static(void *block)
{
	if (!is_static(block))
		return false;
	vmem_block_keep(0, block);
	return true;
}

void *
vmem_block_take_kept(vmem_block_kind_t kind)
{
	void *block;

	vmem_tags_lock();
	block = pop(&blocks.kept[kind]);
	vmem_tags_unlock();
	return block;
}
