/* SPDX-License-Identifier: Apache-2.0 */
/* vmem's range trees: the smallest free segment of at least a size that begins in a range.
 *
 * The addresses are cut into blocks of 64 quanta; 64 blocks are a region of the first scale, 64 of
 * those a region of the second, and so on: at each scale a region has 64 parts, which are the
 * regions of the scale below.  Whatever a range is, two blocks at its ends and at most two sets of
 * parts a scale, each inside one region, make it up (range trees: Bentley, "Decomposable Searching
 * Problems", 1979; of a fixed fan-out over the bits of an address nothing needs balancing).
 *
 * A scale has one B+-tree with all free segments, in order of (region, size, start).  An inner
 * entry bears the set of the parts that have a segment below it, 64 bits, so the smallest of at
 * least a size in any set of parts of a region is one descent and at most one more.
 *
 * Scales at which all segments lie in one part are left out: those are what no range can tell
 * apart.  What is left is about log64 of what the spans cover in blocks.
 *
 * Memory: 16 bytes a segment and scale, 23 to 40 with the room in nodes.  It is a stock of its own,
 * which comes when a search first needs it, and goes by itself.
 *
 * Everything here runs with the arena locked. */
#ifndef included_vppinfra_vmem_index_range_h
#define included_vppinfra_vmem_index_range_h

#include <vppinfra/vmem/index_stock.h>

#define VMEM_RANGE_LOG2_PARTS 6
#define VMEM_RANGE_N_SCALES 10 /* bits 6 to 63 of a start by sixes, at a quantum of 1 */
#define VMEM_RANGE_N_LEAF 23   /* entries: 8 + 23 * 16 bytes are six lines at most, */
#define VMEM_RANGE_N_INNER 11  /* and so are 8 + 11 * 32 */

typedef struct {
	u64 size, start;
} vmem_range_key_t;

typedef struct vmem_range_node {
	u16 n, level; /* level 0: leaf */
	u32 unused;
	union {
		vmem_range_key_t leaf[VMEM_RANGE_N_LEAF];
		struct {
			vmem_range_key_t
				key; /* at most what is below; of the first never looked at */
			u64 parts;
			struct vmem_range_node *child;
		} inner[VMEM_RANGE_N_INNER];
	};
} __attribute__((aligned(CLIB_CACHE_LINE_BYTES))) vmem_range_node_t;

/* Nodes of both kinds come from one stock. */
STATIC_ASSERT_SIZEOF(vmem_range_node_t, sizeof(vmem_index_node_t));

typedef struct {
	vmem_range_node_t *root; /* NULL: empty */
	u64 n;
	u8 shift; /* start >> shift & 63 is the part, what is above those bits the region */
	u8 is_needed;
	u8 is_kept;    /* built, and kept up since */
	u8 is_partial; /* being built: has the segments that begin at or before built_last */
} vmem_range_tree_t;

typedef struct vmem_ranges {
	vmem_index_stock_t stock; /* first: it is what is given back */
	vmem_range_tree_t tree[VMEM_RANGE_N_SCALES];
	/* Any start there ever was, and the bits in which others may differ from it. */
	u64 first, varying;
	u32 n_scales;
	u8 log2_block;
	u8 has_first;
	u8 is_kept; /* all the trees that are needed are */
	u8 is_used; /* since vmem_vacate() looked */
} vmem_ranges_t;

always_inline u64
vmem_range_region(const vmem_range_tree_t *tree, u64 start)
{
	/* In two steps: both may come to 64. */
	return start >> tree->shift >> VMEM_RANGE_LOG2_PARTS;
}

always_inline u32
vmem_range_part(const vmem_range_tree_t *tree, u64 start)
{
	return start >> tree->shift & pow2_mask(VMEM_RANGE_LOG2_PARTS);
}

/** Empty trees, none of them needed. */
void vmem_range_init(vmem_ranges_t *ranges, u32 log2_quantum);

/** Segments may begin anywhere in [start, last] from now on.
 *  @return whether that makes a tree needed that is neither there nor being built */
bool vmem_range_widen(vmem_ranges_t *ranges, u64 start, u64 last);

/** Begin with the trees that are needed and not there; and they are there. */
void vmem_range_start_building(vmem_ranges_t *ranges);
void vmem_range_finish_building(vmem_ranges_t *ranges);
/** Trees that are being built. */
u32 vmem_range_n_partial(const vmem_ranges_t *ranges);

/** Nodes that one insertion takes at most, with or without the trees that are being built; and put
 *  that, with them, into stock.n_insert. */
u32 vmem_range_n_insert(const vmem_ranges_t *ranges, bool with_partial);
void vmem_range_set_reserve(vmem_ranges_t *ranges);

/** Into, out of and within a tree, which has the nodes for it. */
void vmem_range_insert(vmem_ranges_t *ranges, vmem_range_tree_t *tree, u64 start, u64 size);
void vmem_range_delete(vmem_ranges_t *ranges, vmem_range_tree_t *tree, u64 start, u64 size);
void vmem_range_change(vmem_ranges_t *ranges, vmem_range_tree_t *tree, u64 start, u64 size,
		       u64 new_start, u64 new_size);

/** The first entry of a region in any of a set of parts, not less than the key, or if is_after
 *  greater.
 *
 * @param[in,out] key  its start is in the region; the entry, as it was if there is none
 * @param[in,out] n_steps  nodes looked at are added
 * @return whether there is one
 */
bool vmem_range_first(const vmem_range_tree_t *tree, vmem_range_key_t *key, u64 parts,
		      bool is_after, u64 *n_steps);

#endif
