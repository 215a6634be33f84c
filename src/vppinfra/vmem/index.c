/* SPDX-License-Identifier: Apache-2.0 */
/* The B+-trees.  An inner node's key i bounds its child i from below and everything in child
 * i - 1 from above; key 0 is never looked at.  Inserting splits full nodes on the way down, so it
 * passes once; deleting joins a node with a neighbour when both fit in one with room to spare.
 * Nodes for all of that are there before an operation begins, or the index is given up. */
#include "vmem_impl.h"

/* Entries below which a node looks for one to join with, and how many the two may have. */
#define N_FEW (VMEM_INDEX_N / 3)
#define N_JOINED (VMEM_INDEX_N - 2)

typedef unsigned __int128 pair_t;
typedef vmem_index_node_t node_t;
typedef vmem_index_tree_t tree_t;
typedef vmem_index_path_t path_t;

/* ---- nodes ---- */

/* Two words at a time: a gap is a few entries wide, less than calls of memmove() cost. */
typedef u64 two_t __attribute__((vector_size(16), aligned(8), may_alias));

always_inline void
move_two(u64 *to, const u64 *from)
{
	*(two_t *)to = *(const two_t *)from;
}

static void
open_gap(node_t *node, u32 at)
{
	u32 i = node->n++;

	for (; i >= at + 2; i -= 2) {
		move_two(&node->key[i - 1], &node->key[i - 2]);
		move_two(&node->aux[i - 1], &node->aux[i - 2]);
		move_two(&node->tag[i - 1], &node->tag[i - 2]);
	}
	if (i > at) {
		node->key[i] = node->key[i - 1];
		node->aux[i] = node->aux[i - 1];
		node->tag[i] = node->tag[i - 1];
	}
}

static void
close_gap(node_t *node, u32 at)
{
	u32 n = --node->n;

	for (; at + 2 <= n; at += 2) {
		move_two(&node->key[at], &node->key[at + 1]);
		move_two(&node->aux[at], &node->aux[at + 1]);
		move_two(&node->tag[at], &node->tag[at + 1]);
	}
	if (at < n) {
		node->key[at] = node->key[at + 1];
		node->aux[at] = node->aux[at + 1];
		node->tag[at] = node->tag[at + 1];
	}
}

static void
move_entries(node_t *to, const node_t *from, u32 at, u32 n)
{
	memcpy(&to->key[to->n], &from->key[at], n * sizeof(u64));
	memcpy(&to->aux[to->n], &from->aux[at], n * sizeof(u64));
	memcpy(&to->tag[to->n], &from->tag[at], n * sizeof(u64));
	to->n += (u16)n;
}

/* Entries from `from` on that are less than (key, aux), or not greater when or_equal.  They are in
 * order: halved without a branch, four times at most. */
always_inline u32
n_below(const node_t *node, vmem_index_order_t order, u32 from, u64 key, u64 aux, bool or_equal)
{
	u32 at = from, n = node->n - from;

	while (n) {
		u32 half = (n + 1) / 2, i = at + half - 1;
		bool is_below;

		if (order == VMEM_INDEX_BY_ADDR) {
			is_below = or_equal ? node->key[i] <= key : node->key[i] < key;
		} else {
			pair_t entry = (pair_t)node->key[i] << 64 | node->aux[i];
			pair_t sought = (pair_t)key << 64 | aux;

			is_below = or_equal ? entry <= sought : entry < sought;
		}
		at = is_below ? at + half : at;
		n -= half;
	}
	return at - from;
}

/* The child that (key, aux) is or would be in. */
static u32
child_of(const node_t *node, vmem_index_order_t order, u64 key, u64 aux)
{
	return n_below(node, order, 1, key, aux, true);
}

/* ---- the way to a leaf ---- */

/* Whether (key, aux) is one of a leaf's entries or would stand between two of them. */
always_inline bool
is_within(const node_t *leaf, vmem_index_order_t order, u64 key, u64 aux)
{
	u32 last = leaf->n - 1u;

	if (order == VMEM_INDEX_BY_ADDR)
		return key >= leaf->key[0] && key <= leaf->key[last];
	return !vmem_index_is_less(key, aux, leaf->key[0], leaf->aux[0]) &&
	       !vmem_index_is_less(leaf->key[last], leaf->aux[last], key, aux);
}

always_inline void
go_to(tree_t *tree, vmem_index_order_t order, u64 key, u64 aux)
{
	path_t *path = &tree->path;
	node_t *node = path->node[0];
	u32 at = (u32)path->at[0];

	/* What was searched is what is changed. */
	if (tree->has_path && at < node->n && node->key[at] == key &&
	    (order == VMEM_INDEX_BY_ADDR || node->aux[at] == aux))
		return;
	if (!tree->has_path || !is_within(node, order, key, aux)) {
		node = tree->root;
		for (u32 l = node->level; l > 0; l--) {
			at = child_of(node, order, key, aux);
			path->node[l] = node;
			path->at[l] = (i32)at;
			node = node->child[at];
			vmem_index_node_fetch(node);
		}
		path->node[0] = node;
		tree->has_path = 1;
	}
	path->at[0] = (i32)n_below(node, order, 0, key, aux, false);
}

/* Set the tree's path to the entry, or to where it would be. */
static void
go_to_addr(tree_t *tree, u64 start)
{
	go_to(tree, VMEM_INDEX_BY_ADDR, start, 0);
}

static void
go_to_size(tree_t *tree, u64 size, u64 start)
{
	go_to(tree, VMEM_INDEX_BY_SIZE, size, start);
}

/* An entry at the path's end has this aux, which may be the greatest. */
always_inline void
raise_aux(const tree_t *tree, u64 aux)
{
	const path_t *path = &tree->path;

	for (u32 l = 1; l <= tree->root->level; l++) {
		u64 *greatest = &path->node[l]->aux[path->at[l]];

		if (*greatest >= aux)
			return;
		*greatest = aux;
	}
}

/* ---- insert ---- */

static void
split_child(vmem_index_t *index, tree_t *tree, node_t *parent, u32 at, bool is_append)
{
	node_t *left = parent->child[at], *right = vmem_index_node_get(&index->stock, left->level);
	u32 n_left = is_append ? VMEM_INDEX_N - 1 : VMEM_INDEX_N / 2;

	move_entries(right, left, n_left, left->n - n_left);
	left->n = (u16)n_left;
	open_gap(parent, at + 1);
	parent->child[at + 1] = right;
	parent->key[at + 1] = right->key[0];
	if (tree->order == VMEM_INDEX_BY_ADDR) {
		parent->aux[at] = vmem_index_greatest(left);
		parent->aux[at + 1] = vmem_index_greatest(right);
	} else {
		parent->aux[at + 1] = right->aux[0];
	}
}

always_inline void
leaf_insert(node_t *leaf, u32 at, u64 key, u64 aux, u32 tag)
{
	open_gap(leaf, at);
	leaf->key[at] = key;
	leaf->aux[at] = aux;
	leaf->tag[at] = tag;
}

/* Into a full leaf, or an empty tree. */
static void
insert_and_split(vmem_index_t *index, tree_t *tree, u64 key, u64 aux, u32 tag)
{
	node_t *node = tree->root;
	u32 at;

	tree->has_path = 0;
	if (node == NULL)
		node = tree->root = vmem_index_node_get(&index->stock, 0);
	if (node->n == VMEM_INDEX_N) {
		node_t *root = vmem_index_node_get(&index->stock, node->level + 1u);

		root->n = 1;
		root->key[0] = node->key[0];
		root->aux[0] = node->aux[0];
		root->child[0] = node;
		tree->root = root;
		vmem_index_set_reserve(index);
		split_child(index, tree, root, 0, key > node->key[VMEM_INDEX_N - 1]);
		node = root;
	}
	while (node->level) {
		node_t *child;

		at = child_of(node, tree->order, key, aux);
		child = node->child[at];
		if (child->n == VMEM_INDEX_N) {
			split_child(index, tree, node, at, key > child->key[VMEM_INDEX_N - 1]);
			at = child_of(node, tree->order, key, aux);
			child = node->child[at];
		}
		if (tree->order == VMEM_INDEX_BY_ADDR && node->aux[at] < aux)
			node->aux[at] = aux;
		node = child;
	}
	leaf_insert(node, n_below(node, tree->order, 0, key, aux, false), key, aux, tag);
}

static void
tree_insert(vmem_index_t *index, tree_t *tree, u64 key, u64 aux, u32 tag)
{
	tree->n++;
	if (PREDICT_TRUE(tree->root != NULL)) {
		node_t *leaf;

		if (tree->order == VMEM_INDEX_BY_ADDR)
			go_to_addr(tree, key);
		else
			go_to_size(tree, key, aux);
		leaf = tree->path.node[0];
		if (PREDICT_TRUE(leaf->n < VMEM_INDEX_N)) {
			leaf_insert(leaf, (u32)tree->path.at[0], key, aux, tag);
			if (tree->order == VMEM_INDEX_BY_ADDR)
				raise_aux(tree, aux);
			return;
		}
	}
	insert_and_split(index, tree, key, aux, tag);
}

/* ---- delete and change ---- */

/* Hang child at + 1 behind child at. */
static void
join_children(vmem_index_t *index, tree_t *tree, node_t *parent, u32 at)
{
	node_t *left = parent->child[at], *right = parent->child[at + 1];

	/* A first key is not kept right in place; its bound in the parent is. */
	if (right->level) {
		right->key[0] = parent->key[at + 1];
		if (tree->order == VMEM_INDEX_BY_SIZE)
			right->aux[0] = parent->aux[at + 1];
	}
	move_entries(left, right, 0, right->n);
	if (tree->order == VMEM_INDEX_BY_ADDR)
		parent->aux[at] = vmem_index_greatest(left);
	close_gap(parent, at + 1);
	vmem_index_node_put(&index->stock, right);
}

/* After an entry went from the child at `at`.  Value: whether the parent lost an entry. */
static bool
mend_child(vmem_index_t *index, tree_t *tree, node_t *parent, u32 at)
{
	node_t *child = parent->child[at];

	if (child->n == 0) {
		vmem_index_node_put(&index->stock, child);
		close_gap(parent, at);
		return true;
	}
	if (child->n < N_FEW) {
		if (at + 1 < parent->n && child->n + parent->child[at + 1]->n <= N_JOINED) {
			join_children(index, tree, parent, at);
			return true;
		}
		if (at > 0 && child->n + parent->child[at - 1]->n <= N_JOINED) {
			join_children(index, tree, parent, at - 1);
			return true;
		}
	}
	return false;
}

/* The greatest below child `at` of each level is kept while `was` may have been it. */
static void
lower_aux(const path_t *path, u32 level, u32 n_levels, u64 was)
{
	for (; level <= n_levels; level++) {
		node_t *parent = path->node[level];
		u32 at = (u32)path->at[level];
		u64 greatest;

		if (parent->aux[at] != was)
			return;
		greatest = vmem_index_greatest(parent->child[at]);
		if (greatest == was)
			return;
		parent->aux[at] = greatest;
	}
}

/* The entry that the tree's path leads to, whose aux that is. */
static void
tree_delete_at(vmem_index_t *index, tree_t *tree, u64 aux)
{
	const path_t *path = &tree->path;
	u32 level = 1, n_levels = tree->root->level;

	tree->n--;
	close_gap(path->node[0], (u32)path->at[0]);
	while (level <= n_levels &&
	       mend_child(index, tree, path->node[level], (u32)path->at[level]))
		level++;
	/* Where nodes were joined their greatest was counted anew; their ancestors' may be less. */
	if (tree->order == VMEM_INDEX_BY_ADDR)
		lower_aux(path, level, n_levels, aux);
	if (PREDICT_TRUE(level == 1 && tree->root->n))
		return;
	tree->has_path = 0;
	while (tree->root->level && tree->root->n == 1) {
		node_t *root = tree->root;

		tree->root = root->child[0];
		vmem_index_node_put(&index->stock, root);
	}
	if (tree->root->n == 0) {
		vmem_index_node_put(&index->stock, tree->root);
		tree->root = NULL;
	}
}

static void
tree_delete(vmem_index_t *index, tree_t *tree, u64 key, u64 aux)
{
	if (tree->order == VMEM_INDEX_BY_ADDR)
		go_to_addr(tree, key);
	else
		go_to_size(tree, key, aux);
	tree_delete_at(index, tree, aux);
}

/* The first entry of the leaf begins elsewhere: no bound to its left may be above it. */
static void
lower_bounds(const tree_t *tree, u64 start)
{
	const path_t *path = &tree->path;

	for (u32 l = 1; l <= tree->root->level && path->at[l - 1] == 0; l++) {
		u64 *bound = &path->node[l]->key[path->at[l]];

		*bound = clib_min(*bound, start);
	}
}

/* The last entry of the leaf begins elsewhere: the bound nearest to its right is above it.  Bounds
 * may lie anywhere between what they part, so also inside a segment. */
static void
raise_bound(const tree_t *tree, u64 start)
{
	const path_t *path = &tree->path;

	for (u32 l = 1; l <= tree->root->level; l++) {
		u64 *bound = &path->node[l]->key[path->at[l] + 1];

		if (path->at[l] + 1 < path->node[l]->n) {
			*bound = clib_max(*bound, start + 1);
			return;
		}
	}
}

/* The order of the entries stays, so only bounds and greatests on its way may have to follow. */
static void
change_by_addr(tree_t *tree, u64 start, u64 size, u64 new_start, u64 new_size, u32 tag)
{
	node_t *leaf;
	u32 at;

	go_to_addr(tree, start);
	leaf = tree->path.node[0];
	at = (u32)tree->path.at[0];
	ASSERT(at < leaf->n && leaf->key[at] == start);
	leaf->key[at] = new_start;
	leaf->aux[at] = new_size;
	leaf->tag[at] = tag;
	if (PREDICT_FALSE(at == 0 && new_start < start))
		lower_bounds(tree, new_start);
	if (PREDICT_FALSE(at + 1u == leaf->n && new_start > start))
		raise_bound(tree, new_start);
	if (new_size < size)
		lower_aux(&tree->path, 1, tree->root->level, size);
	else
		raise_aux(tree, new_size);
}

/* In place where it stays between its neighbours in the leaf, else out and in again. */
static void
change_by_size(vmem_index_t *index, tree_t *tree, u64 size, u64 start, u64 new_size, u64 new_start,
	       u32 tag)
{
	node_t *leaf;
	u32 at;
	bool is_in_place;

	go_to_size(tree, size, start);
	leaf = tree->path.node[0];
	at = (u32)tree->path.at[0];
	ASSERT(at < leaf->n && leaf->key[at] == size && leaf->aux[at] == start);
	if (vmem_index_is_less(new_size, new_start, size, start))
		is_in_place = at > 0 && vmem_index_is_less(leaf->key[at - 1], leaf->aux[at - 1],
							   new_size, new_start);
	else
		is_in_place = at + 1u < leaf->n &&
			      vmem_index_is_less(new_size, new_start, leaf->key[at + 1],
						 leaf->aux[at + 1]);
	if (is_in_place) {
		leaf->key[at] = new_size;
		leaf->aux[at] = new_start;
		leaf->tag[at] = tag;
		return;
	}
	tree_delete_at(index, tree, start);
	tree_insert(index, tree, new_size, new_start, tag);
}

/* ---- cursors ---- */

static void
seek(const tree_t *tree, u64 key, u64 aux, vmem_index_cursor_t *c)
{
	node_t *node = tree->root;

	c->is_end = node == NULL;
	if (node == NULL)
		return;
	c->level = node->level;
	for (u32 l = c->level; l > 0; l--) {
		c->path.node[l] = node;
		c->path.at[l] = (i32)child_of(node, tree->order, key, aux);
		node = node->child[c->path.at[l]];
		vmem_index_node_fetch(node);
	}
	c->path.node[0] = node;
	c->path.at[0] = (i32)n_below(node, tree->order, 0, key, aux, false) - 1;
}

void
vmem_index_seek(const tree_t *tree, u64 key, u64 aux, vmem_index_cursor_t *c)
{
	seek(tree, key, aux, c);
}

/* At the front of a leaf the one before is the last of the leaf before. */
void
vmem_index_seek_before(const tree_t *tree, u64 key, u64 aux, vmem_index_cursor_t *c)
{
	node_t *node;
	u32 l;

	seek(tree, key, aux, c);
	if (c->is_end)
		return;
	if (c->path.at[0] >= 0) {
		c->path.at[0]--;
		return;
	}
	for (l = 1; l <= c->level && c->path.at[l] == 0; l++)
		;
	if (l > c->level)
		return;
	c->path.at[l]--;
	for (; l > 0; l--) {
		node = c->path.node[l]->child[c->path.at[l]];
		c->path.node[l - 1] = node;
		c->path.at[l - 1] = node->n - 1;
	}
	c->path.at[0]--;
}

bool
vmem_index_advance(vmem_index_cursor_t *c, u64 need)
{
	u32 l = 0;

	while (!c->is_end) {
		node_t *node = c->path.node[l];
		i32 at = c->path.at[l] + 1;

		while (at < node->n && node->aux[at] < need)
			at++;
		c->path.at[l] = at;
		if (at == node->n) {
			c->is_end = l++ == c->level;
		} else if (l == 0) {
			return true;
		} else {
			c->path.node[l - 1] = node->child[at];
			vmem_index_node_fetch(node->child[at]);
			c->path.at[--l] = -1;
		}
	}
	return false;
}

u32
vmem_index_lowest(tree_t *tree, u64 size)
{
	path_t *path = &tree->path;
	node_t *node = tree->root;
	u32 at, level;

	if (node == NULL)
		return 0;
	/* Whoever bears the greatest leads to it: no step has to be taken back. */
	for (level = node->level;; level--) {
		for (at = 0; at < node->n && node->aux[at] < size; at++)
			;
		if (at == node->n)
			return 0; /* in the root only */
		path->node[level] = node;
		path->at[level] = (i32)at;
		if (level == 0)
			break;
		node = node->child[at];
	}
	tree->has_path = 1;
	return (u32)node->tag[at];
}

/* The leaf right of the path's.  Value: whether there is one. */
static bool
step_right(tree_t *tree)
{
	path_t *path = &tree->path;
	u32 l = 1;

	while (l <= tree->root->level && path->at[l] + 1 == path->node[l]->n)
		l++;
	if (l > tree->root->level)
		return false;
	path->at[l]++;
	for (; l > 0; l--) {
		path->node[l - 1] = path->node[l]->child[path->at[l]];
		path->at[l - 1] = 0;
	}
	return true;
}

u32
vmem_index_smallest(tree_t *tree, u64 size)
{
	if (tree->root == NULL)
		return 0;
	go_to_size(tree, size, 0);
	if (tree->path.at[0] == tree->path.node[0]->n && !step_right(tree))
		return 0;
	return (u32)tree->path.node[0]->tag[tree->path.at[0]];
}

/* ---- what happens to free segments ---- */

always_inline bool
has_start(const vmem_index_t *index, const tree_t *tree, u64 start)
{
	return vmem_index_has(index, tree->is_kept, tree->is_partial, start);
}

static void
give_up(vmem_t *vmp)
{
	vmem_index_detach(vmp, &vmp->vm_index_dead);
	VMEM_COUNT(vmp->vm_kstat.vk_index_lost, 1);
}

void
vmem_index_set_reserve(vmem_index_t *index)
{
	u32 n = 0;

	for (u32 i = 0; i < 2; i++) {
		if (index->tree[i].is_kept || index->tree[i].is_partial)
			n += index->tree[i].root ? index->tree[i].root->level + 3u : 2;
	}
	index->stock.n_insert = n;
}

always_inline bool
lacks_nodes(const vmem_index_t *index)
{
	return index->stock.n_free_nodes < index->stock.n_insert;
}

void
vmem_index_enter(vmem_index_t *index, tree_t *tree, u64 start, u64 size, u32 tag)
{
	if (!has_start(index, tree, start))
		return;
	if (tree->order == VMEM_INDEX_BY_ADDR)
		tree_insert(index, tree, start, size, tag);
	else
		tree_insert(index, tree, size, start, tag);
}

static void
delete_from(vmem_index_t *index, tree_t *tree, u64 start, u64 size)
{
	if (!has_start(index, tree, start))
		return;
	if (tree->order == VMEM_INDEX_BY_ADDR)
		tree_delete(index, tree, start, size);
	else
		tree_delete(index, tree, size, start);
}

/* ---- and in the range trees ---- */

static void
give_up_ranges(vmem_t *vmp)
{
	vmem_index_detach_ranges(vmp, &vmp->vm_index_dead);
	VMEM_COUNT(vmp->vm_kstat.vk_index_lost, 1);
}

always_inline bool
has_in_range(const vmem_index_t *index, const vmem_range_tree_t *tree, u64 start)
{
	return vmem_index_has(index, tree->is_kept, tree->is_partial, start);
}

/* A building that has been asked for and not begun takes no nodes yet. */
static bool
lacks_range_nodes(const vmem_index_t *index)
{
	const vmem_index_stock_t *stock = &index->ranges->stock;

	return stock->n_free_nodes < stock->n_insert &&
	       (index->has_begun ||
		stock->n_free_nodes < vmem_range_n_insert(index->ranges, false));
}

static never_inline void
insert_into_ranges(vmem_t *vmp, u64 start, u64 size)
{
	vmem_index_t *index = vmp->vm_index;
	vmem_ranges_t *ranges = index->ranges;

	/* A new span may lie where it takes another scale to tell it from the others. */
	if (vmem_range_widen(ranges, start, start + size - 1))
		vmem_index_start_building(vmp, 1u << VMEM_INDEX_RANGES);
	if (PREDICT_FALSE(lacks_range_nodes(index))) {
		give_up_ranges(vmp);
		return;
	}
	for (u32 i = 0; i < ranges->n_scales; i++) {
		if (has_in_range(index, &ranges->tree[i], start))
			vmem_range_insert(ranges, &ranges->tree[i], start, size);
	}
}

static never_inline void
delete_from_ranges(vmem_index_t *index, u64 start, u64 size)
{
	vmem_ranges_t *ranges = index->ranges;

	for (u32 i = 0; i < ranges->n_scales; i++) {
		if (has_in_range(index, &ranges->tree[i], start))
			vmem_range_delete(ranges, &ranges->tree[i], start, size);
	}
}

static never_inline void
change_in_ranges(vmem_t *vmp, u64 start, u64 size, u64 new_start, u64 new_size)
{
	vmem_index_t *index = vmp->vm_index;
	vmem_ranges_t *ranges = index->ranges;

	if (PREDICT_FALSE(lacks_range_nodes(index))) {
		give_up_ranges(vmp);
		return;
	}
	for (u32 i = 0; i < ranges->n_scales; i++) {
		vmem_range_tree_t *tree = &ranges->tree[i];
		bool had = has_in_range(index, tree, start);
		bool has = has_in_range(index, tree, new_start);

		if (had && has)
			vmem_range_change(ranges, tree, start, size, new_start, new_size);
		else if (had)
			vmem_range_delete(ranges, tree, start, size);
		else if (has)
			vmem_range_insert(ranges, tree, new_start, new_size);
	}
}

/* ---- in all of them ---- */

void
vmem_index_insert(vmem_t *vmp, u64 start, u64 size, u32 tag)
{
	vmem_index_t *index = vmp->vm_index;

	if (PREDICT_FALSE(lacks_nodes(index))) {
		give_up(vmp);
		return;
	}
	vmem_index_enter(index, &index->tree[VMEM_INDEX_BY_ADDR], start, size, tag);
	vmem_index_enter(index, &index->tree[VMEM_INDEX_BY_SIZE], start, size, tag);
	if (PREDICT_FALSE(index->ranges != NULL))
		insert_into_ranges(vmp, start, size);
}

void
vmem_index_delete(vmem_t *vmp, u64 start, u64 size)
{
	vmem_index_t *index = vmp->vm_index;

	delete_from(index, &index->tree[VMEM_INDEX_BY_ADDR], start, size);
	delete_from(index, &index->tree[VMEM_INDEX_BY_SIZE], start, size);
	if (PREDICT_FALSE(index->ranges != NULL))
		delete_from_ranges(index, start, size);
}

/* In a tree that is being built it may come into or out of the part that is there. */
static void
change_in(vmem_index_t *index, tree_t *tree, u64 start, u64 size, u64 new_start, u64 new_size,
	  u32 tag)
{
	if (!(has_start(index, tree, start) && has_start(index, tree, new_start))) {
		delete_from(index, tree, start, size);
		vmem_index_enter(index, tree, new_start, new_size, tag);
	} else if (tree->order == VMEM_INDEX_BY_ADDR) {
		change_by_addr(tree, start, size, new_start, new_size, tag);
	} else {
		change_by_size(index, tree, size, start, new_size, new_start, tag);
	}
}

/* What is cut where the building rests stays in the part that is there: its tag is at the place, so
 * nobody would come by it again. */
static void
keep_at_place(vmem_index_t *index, u64 start, u64 new_start)
{
	if (index->is_building && index->has_begun && start <= index->built_last)
		index->built_last = clib_max(index->built_last, new_start);
}

void
vmem_index_change(vmem_t *vmp, u64 start, u64 size, u64 new_start, u64 new_size, u32 tag)
{
	vmem_index_t *index = vmp->vm_index;
	tree_t *by_addr, *by_size;

	if (PREDICT_FALSE(lacks_nodes(index))) {
		give_up(vmp);
		return;
	}
	keep_at_place(index, start, new_start);
	by_addr = &index->tree[VMEM_INDEX_BY_ADDR];
	by_size = &index->tree[VMEM_INDEX_BY_SIZE];
	if (by_addr->is_kept)
		change_by_addr(by_addr, start, size, new_start, new_size, tag);
	else if (by_addr->is_partial)
		change_in(index, by_addr, start, size, new_start, new_size, tag);
	if (by_size->is_kept)
		change_by_size(index, by_size, size, start, new_size, new_start, tag);
	else if (by_size->is_partial)
		change_in(index, by_size, start, size, new_start, new_size, tag);
	if (PREDICT_FALSE(index->ranges != NULL))
		change_in_ranges(vmp, start, size, new_start, new_size);
}

void
vmem_index_merge(vmem_t *vmp, u64 start, u64 size, u64 new_size, u64 next_start, u64 next_size,
		 u32 tag)
{
	vmem_index_t *index = vmp->vm_index;

	if (PREDICT_FALSE(lacks_nodes(index))) {
		give_up(vmp);
		return;
	}
	for (u32 order = 0; order < 2; order++) {
		tree_t *tree = &index->tree[order];

		/* By address they are neighbours; and once the first is the greater, no greatest
		 * above them depends on the other. */
		if (tree->is_kept && order == VMEM_INDEX_BY_ADDR) {
			change_by_addr(tree, start, size, start, new_size, tag);
			tree_delete(index, tree, next_start, next_size);
		} else if (tree->is_kept || tree->is_partial) {
			delete_from(index, tree, next_start, next_size);
			change_in(index, tree, start, size, start, new_size, tag);
		}
	}
	if (PREDICT_FALSE(index->ranges != NULL)) {
		delete_from_ranges(index, next_start, next_size);
		change_in_ranges(vmp, start, size, start, new_size);
	}
}
