/* SPDX-License-Identifier: Apache-2.0 */
/* Nodes of vmem's trees, and the stock that they come from: nodes for all that an operation may
 * insert are there before it begins (index.h). */
#ifndef included_vppinfra_vmem_index_stock_h
#define included_vppinfra_vmem_index_stock_h

#include <vppinfra/vmem.h>

#define VMEM_INDEX_N 15         /* entries a node: 8 + 15 * 24 bytes are six lines at most */
#define VMEM_INDEX_MAX_LEVEL 16 /* five entries a node at least: 5^16 is far above 2^28 tags */

typedef struct vmem_index_node {
	u16 n, level; /* level 0: leaf */
	u32 unused;
	u64 key[VMEM_INDEX_N], aux[VMEM_INDEX_N];
	union {
		u64 tag[VMEM_INDEX_N];
		struct vmem_index_node *child[VMEM_INDEX_N];
	};
} __attribute__((aligned(CLIB_CACHE_LINE_BYTES))) vmem_index_node_t;

STATIC_ASSERT_SIZEOF(vmem_index_node_t, 384);

/** Memory that trees are made of.  It lies in the first of its chunks, before the nodes. */
typedef struct vmem_index_stock {
	vmem_index_node_t *free_nodes; /* through child[0] */
	u64 n_free_nodes, n_nodes;
	void *chunks; /* the first word of a chunk links the next */
	struct vmem_index_stock *next_dead;
	/* Nodes that one insertion into each tree takes at most: one for a split at each level, and
	 * two where the root is split. */
	u32 n_insert;
} vmem_index_stock_t;

always_inline vmem_index_node_t *
vmem_index_node_get(vmem_index_stock_t *stock, u32 level)
{
	vmem_index_node_t *node = stock->free_nodes;

	stock->free_nodes = node->child[0];
	stock->n_free_nodes--;
	node->n = 0;
	node->level = (u16)level;
	return node;
}

always_inline void
vmem_index_node_put(vmem_index_stock_t *stock, vmem_index_node_t *node)
{
	node->child[0] = stock->free_nodes;
	stock->free_nodes = node;
	stock->n_free_nodes++;
}

/* A node is six lines, and which of them a search needs it learns from the first: all are on their
 * way while that is looked at. */
always_inline void
vmem_index_node_fetch(const void *node)
{
	for (u32 i = 0; i < sizeof(vmem_index_node_t); i += CLIB_CACHE_LINE_BYTES)
		__builtin_prefetch((const u8 *)node + i);
}

#endif
