/* SPDX-License-Identifier: Apache-2.0 */
/* vmem's indexes of free segments: B+-trees beside the power-of-two lists.
 *
 *   by_addr  (start, size)   ordered by start; an inner entry carries the greatest size below it,
 *                            so the first segment at or after an address that is large enough is
 *                            found in one descent and at most one more
 *   by_size  (size, start)   ordered by size and then by start: best fit is a lower bound
 *   ranges                   both at once, for best fit in a range: index_range.h
 *
 * A tree is begun when a request first needs it in an arena with more free segments than a short
 * walk covers: each operation enters a few segments, in address order, so that none waits for a
 * million of them; and it is kept up from then on.  An arena that only ever sees instant fit has
 * none and pays one predictable test for each change of a free segment.  Nodes are side storage,
 * six cache lines with fifteen entries each, so a million free segments are five levels of which
 * the upper three stay cached (Comer, "The Ubiquitous B-Tree", 1979; augmentation: CLRS, 14).
 *
 * Memory: from vmem_internal_arena, never under a lock.  When there is none the trees are given up
 * and requests walk until they can be built again, so freeing never needs memory.
 *
 * Everything here runs with the arena locked unless it says otherwise. */
#ifndef included_vppinfra_vmem_index_h
#define included_vppinfra_vmem_index_h

#include <vppinfra/vmem/index_range.h>

/** A place in the ring that stays while segments come and go: the next segment begins at cursor or
 *  after it and comes after hint.  Linked into vm_walkers. */
typedef struct vmem_walker {
	struct vmem_walker *next;
	u64 cursor;
	u32 hint;
} vmem_walker_t;

typedef enum {
	VMEM_INDEX_BY_ADDR = 0, /* key start, aux size */
	VMEM_INDEX_BY_SIZE = 1, /* key size, aux start */
	VMEM_INDEX_RANGES = 2,  /* no tree of this kind: vmem_ranges_t */
} vmem_index_order_t;

#define VMEM_INDEX_BOTH (1u << VMEM_INDEX_BY_ADDR | 1u << VMEM_INDEX_BY_SIZE)
#define VMEM_INDEX_ALL (VMEM_INDEX_BOTH | 1u << VMEM_INDEX_RANGES)

/** The way from the root to a leaf and an entry of it. */
typedef struct {
	vmem_index_node_t *node[VMEM_INDEX_MAX_LEVEL];
	i32 at[VMEM_INDEX_MAX_LEVEL];
} vmem_index_path_t;

typedef struct {
	vmem_index_node_t *root; /* NULL: empty */
	u64 n;
	u8 is_kept;    /* built, and kept up since */
	u8 is_partial; /* being built: has the segments that begin at or before built_last */
	u8 has_path;   /* path leads to a leaf: until a node comes or goes */
	vmem_index_order_t order;
	/* To where the tree was searched or changed last, which is where it most often is changed
	 * next: the segment that was found is cut, two neighbours become one. */
	vmem_index_path_t path;
} vmem_index_tree_t;

typedef struct vmem_index {
	vmem_index_stock_t stock; /* first: it is what is given back */
	vmem_index_tree_t tree[2];
	vmem_ranges_t *ranges; /* NULL: none */
	/* While a tree is being built: how far. */
	vmem_walker_t place;
	u64 built_last;
	u8 is_building, has_begun;
	u8 has_builder; /* a request enters segments, so that others need not */
	u8 wanted;      /* 1 << order of those that are being built or are to be after that */
	u8 is_used;     /* since vmem_vacate() looked */
} vmem_index_t;

/* Nodes that it takes the place of in its first chunk, and so do the range trees in theirs. */
#define VMEM_INDEX_N_OWN 2

/** A place in a tree. */
typedef struct {
	vmem_index_path_t path;
	u32 level; /* of root */
	u8 is_end;
} vmem_index_cursor_t;

/** Place the cursor before the first entry that is not less than (key, aux). */
void vmem_index_seek(const vmem_index_tree_t *tree, u64 key, u64 aux, vmem_index_cursor_t *c);
/** The same, but one entry earlier, if there is one: before the last that is less. */
void vmem_index_seek_before(const vmem_index_tree_t *tree, u64 key, u64 aux,
			    vmem_index_cursor_t *c);

/** Advance to the next entry whose aux is at least `need`, by address only; 0 takes all.
 *  @return whether there is one. */
bool vmem_index_advance(vmem_index_cursor_t *c, u64 need);

/** The lowest of at least this size, of the tree by address; the smallest and of its size the
 *  lowest, of the tree by size.  @return a FREE tag or 0 */
u32 vmem_index_lowest(vmem_index_tree_t *tree, u64 size);
u32 vmem_index_smallest(vmem_index_tree_t *tree, u64 size);

/** The entry at the cursor is about to be changed. */
always_inline void
vmem_index_remember(vmem_index_tree_t *tree, const vmem_index_cursor_t *c)
{
	for (u32 l = 0; l <= c->level; l++) {
		tree->path.node[l] = c->path.node[l];
		tree->path.at[l] = c->path.at[l];
	}
	tree->has_path = 1;
}

always_inline u64
vmem_index_key(const vmem_index_cursor_t *c)
{
	return c->path.node[0]->key[c->path.at[0]];
}

always_inline u64
vmem_index_aux(const vmem_index_cursor_t *c)
{
	return c->path.node[0]->aux[c->path.at[0]];
}

always_inline u32
vmem_index_tag(const vmem_index_cursor_t *c)
{
	return (u32)c->path.node[0]->tag[c->path.at[0]];
}

/** The order of the tree by size; by address, whose starts are all different, too. */
always_inline bool
vmem_index_is_less(u64 key, u64 aux, u64 key2, u64 aux2)
{
	return key < key2 || (key == key2 && aux < aux2);
}

/** The greatest aux of a node's entries, 0 for none. */
always_inline u64
vmem_index_greatest(const vmem_index_node_t *node)
{
	u64 greatest = 0;

	for (u32 i = 0; i < node->n; i++)
		greatest = clib_max(greatest, node->aux[i]);
	return greatest;
}

/** Whether a tree has, or is to have, the segment that begins at start. */
always_inline bool
vmem_index_has(const vmem_index_t *index, bool is_kept, bool is_partial, u64 start)
{
	return is_kept || (is_partial && index->has_begun && start <= index->built_last);
}

/** Enter a segment into a tree that has, or is to have, what begins there. */
void vmem_index_enter(vmem_index_t *index, vmem_index_tree_t *tree, u64 start, u64 size, u32 tag);

/** A free segment came, went, or changed in place among its neighbours. */
void vmem_index_insert(vmem_t *vmp, u64 start, u64 size, u32 tag);
void vmem_index_delete(vmem_t *vmp, u64 start, u64 size);
void vmem_index_change(vmem_t *vmp, u64 start, u64 size, u64 new_start, u64 new_size, u32 tag);

/** Two free segments with nothing free between them became one, which keeps the first's tag. */
void vmem_index_merge(vmem_t *vmp, u64 start, u64 size, u64 new_size, u64 next_start, u64 next_size,
		      u32 tag);

always_inline vmem_index_tree_t *
vmem_index_tree(const vmem_t *vmp, vmem_index_order_t order)
{
	return vmp->vm_index && vmp->vm_index->tree[order].is_kept ? &vmp->vm_index->tree[order]
								   : NULL;
}

/** The range trees, where all that are needed are there. */
always_inline vmem_ranges_t *
vmem_index_ranges(const vmem_t *vmp)
{
	vmem_ranges_t *ranges = vmp->vm_index ? vmp->vm_index->ranges : NULL;

	return ranges && ranges->is_kept ? ranges : NULL;
}

/* Segments that an operation enters into two trees that are being built, fewer where they are more;
 * and tags it looks at. */
#define VMEM_INDEX_N_ABSORB 16
#define VMEM_INDEX_N_ABSORB_STEPS 64

/** See that the trees of a mask of 1 << order are there or coming: each operation enters a few
 *  segments.  The lock is dropped and taken again.
 *  @return 0 they are there; -EAGAIN they are coming; -ENOMEM */
int vmem_index_begin(vmem_t *vmp, u32 orders);
/** Have them come bit by bit, as far as there is something that they can be made of. */
void vmem_index_start_building(vmem_t *vmp, u32 orders);
/** Enter up to n segments, as far as there are nodes. */
void vmem_index_absorb(vmem_t *vmp, u32 n, u32 n_steps);
/** The same to the end, in slices between which others have the arena.  @return 0 or -ENOMEM */
int vmem_index_build(vmem_t *vmp, u32 orders);

/** Count n_insert anew: a tree came, or became a level higher. */
void vmem_index_set_reserve(vmem_index_t *index);

/** Nodes for two insertions, which an operation may be, and for a third that enters a segment into
 *  a tree that is being built. */
always_inline bool
vmem_index_stock_may_absorb(const vmem_index_stock_t *stock)
{
	return stock->n_free_nodes >= 3 * stock->n_insert;
}

always_inline bool
vmem_index_stock_is_short(const vmem_index_stock_t *stock)
{
	return stock->n_free_nodes < 2 * stock->n_insert;
}

always_inline bool
vmem_index_may_absorb(const vmem_index_t *index)
{
	return vmem_index_stock_may_absorb(&index->stock) &&
	       (index->ranges == NULL || vmem_index_stock_may_absorb(&index->ranges->stock));
}

/** Nodes are fewer than the next operation may take: restock once unlocked.  Who builds a tree
 *  fetches what that takes. */
always_inline bool
vmem_index_is_short(const vmem_t *vmp)
{
	const vmem_index_t *index = vmp->vm_index;

	if (index == NULL)
		return false;
	return vmem_index_stock_is_short(&index->stock) ||
	       (index->ranges && vmem_index_stock_is_short(&index->ranges->stock)) ||
	       (index->is_building && !index->has_builder && !vmem_index_may_absorb(index));
}

/** Whether a tree is being built and nobody does it but whoever comes by. */
always_inline bool
vmem_index_is_building(const vmem_t *vmp)
{
	return vmp->vm_index && vmp->vm_index->is_building && !vmp->vm_index->has_builder;
}

/** Fetch a chunk of nodes.  No lock held. */
void vmem_index_restock(vmem_t *vmp);

/** Give the memory of what was detached back.  No lock held. */
void vmem_index_free(vmem_index_stock_t *dead);
/** Give chunks that were kept back to vmem_internal_arena.  @return bytes.  No lock held. */
uword vmem_index_trim(void);
/** One chunk of those that were given up, to be kept or freed once unlocked: all at once would be
 *  a pause.  NULL: there is none. */
void *vmem_index_dead_chunk(vmem_t *vmp);
void vmem_index_free_chunk(void *chunk);
/** Detach the range trees, if there are any, and put their memory before what is in *dead. */
void vmem_index_detach_ranges(vmem_t *vmp, vmem_index_stock_t **dead);
/** Detach all trees, if there are any, and put their memory before what is in *dead, for
 *  vmem_index_free(). */
void vmem_index_detach(vmem_t *vmp, vmem_index_stock_t **dead);

/** Compare with the free lists and within.  @return NULL or what is wrong. */
const char *vmem_index_check(vmem_t *vmp, u64 n_free);

#endif
