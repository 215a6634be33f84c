/* SPDX-License-Identifier: Apache-2.0 */
/* The B+-trees of the range trees, one a scale.  They grow and shrink as those of index.c do, full
 * nodes being split on the way down and small ones joined where that leaves room to spare; another
 * layout of nodes, and sets of parts where there are greatest sizes. */
#include "vmem_impl.h"

/* Entries below which a node looks for one to join with. */
#define N_FEW_LEAF (VMEM_RANGE_N_LEAF / 3)
#define N_FEW_INNER 4

typedef vmem_range_node_t node_t;
typedef vmem_range_tree_t tree_t;
typedef vmem_range_key_t entry_t;

/* The way from the root to a leaf and an entry of it. */
typedef struct {
	node_t *node[VMEM_INDEX_MAX_LEVEL];
	u32 at[VMEM_INDEX_MAX_LEVEL];
} path_t;

/* ---- order ---- */

always_inline bool
is_less(const tree_t *tree, entry_t a, entry_t b)
{
	u64 region_a = vmem_range_region(tree, a.start),
	    region_b = vmem_range_region(tree, b.start);

	/* Without branches: which way it goes nobody can foretell. */
	return (region_a < region_b) |
	       ((region_a == region_b) &
		((a.size < b.size) | ((a.size == b.size) & (a.start < b.start))));
}

/* Entries of a leaf that are less than the key, or not greater when or_equal. */
static u32
n_below(const tree_t *tree, const node_t *leaf, entry_t key, bool or_equal)
{
	u32 at = 0, n = leaf->n;

	while (n) {
		u32 half = (n + 1) / 2;
		entry_t entry = leaf->leaf[at + half - 1];

		at = (or_equal ? !is_less(tree, key, entry) : is_less(tree, entry, key)) ? at + half
											 : at;
		n -= half;
	}
	return at;
}

/* The child that the key is or would be in. */
static u32
child_of(const tree_t *tree, const node_t *node, entry_t key)
{
	u32 at = 0, n = node->n - 1u;

	while (n) {
		u32 half = (n + 1) / 2;

		at = is_less(tree, key, node->inner[at + half].key) ? at : at + half;
		n -= half;
	}
	return at;
}

/* ---- nodes ---- */

static node_t *
node_get(vmem_ranges_t *ranges, u32 level)
{
	return (node_t *)vmem_index_node_get(&ranges->stock, level);
}

static void
node_put(vmem_ranges_t *ranges, node_t *node)
{
	vmem_index_node_put(&ranges->stock, (vmem_index_node_t *)node);
}

always_inline u32
n_max(const node_t *node)
{
	return node->level ? VMEM_RANGE_N_INNER : VMEM_RANGE_N_LEAF;
}

always_inline u64
part_bit(const tree_t *tree, u64 start)
{
	return 1ULL << vmem_range_part(tree, start);
}

/* Parts that have a segment in or below a node. */
static u64
parts_of(const tree_t *tree, const node_t *node)
{
	u64 parts = 0;

	for (u32 i = 0; i < node->n; i++)
		parts |= node->level ? node->inner[i].parts : part_bit(tree, node->leaf[i].start);
	return parts;
}

static void
open_gap(node_t *node, u32 at)
{
	u32 i = node->n++;

	if (node->level) {
		for (; i > at; i--)
			node->inner[i] = node->inner[i - 1];
	} else {
		for (; i > at; i--)
			node->leaf[i] = node->leaf[i - 1];
	}
}

static void
close_gap(node_t *node, u32 at)
{
	u32 n = --node->n;

	if (node->level) {
		for (; at < n; at++)
			node->inner[at] = node->inner[at + 1];
	} else {
		for (; at < n; at++)
			node->leaf[at] = node->leaf[at + 1];
	}
}

/* The entries of a node from one on, to the end of another of its level. */
static void
move_entries(node_t *to, const node_t *from, u32 at)
{
	u32 n = from->n - at;

	if (from->level)
		memcpy(&to->inner[to->n], &from->inner[at], n * sizeof(to->inner[0]));
	else
		memcpy(&to->leaf[to->n], &from->leaf[at], n * sizeof(to->leaf[0]));
	to->n += (u16)n;
}

/* ---- insert ---- */

static void
split_child(vmem_ranges_t *ranges, const tree_t *tree, node_t *parent, u32 at, entry_t key)
{
	node_t *left = parent->inner[at].child, *right = node_get(ranges, left->level);
	u32 last = left->n - 1u;
	/* What comes behind all of it is followed by more: a tree is built in order of address. */
	bool is_append = is_less(tree, left->level ? left->inner[last].key : left->leaf[last], key);
	u32 n_left = is_append ? last : n_max(left) / 2;

	move_entries(right, left, n_left);
	left->n = (u16)n_left;
	open_gap(parent, at + 1);
	parent->inner[at + 1].child = right;
	parent->inner[at + 1].key = right->level ? right->inner[0].key : right->leaf[0];
	parent->inner[at + 1].parts = parts_of(tree, right);
	parent->inner[at].parts = parts_of(tree, left);
}

/* A root above the root, or the first. */
static void
raise_root(vmem_ranges_t *ranges, tree_t *tree)
{
	node_t *below = tree->root, *root = node_get(ranges, below ? below->level + 1u : 0);

	tree->root = root;
	if (below) {
		root->n = 1;
		root->inner[0].key = (entry_t){ 0, 0 };
		root->inner[0].parts = parts_of(tree, below);
		root->inner[0].child = below;
	}
	vmem_range_set_reserve(ranges);
}

static void
insert(vmem_ranges_t *ranges, tree_t *tree, entry_t key)
{
	u64 bit = part_bit(tree, key.start);
	node_t *node;
	u32 at;

	tree->n++;
	if (tree->root == NULL || tree->root->n == n_max(tree->root))
		raise_root(ranges, tree);
	node = tree->root;
	while (node->level) {
		node_t *child;

		at = child_of(tree, node, key);
		child = node->inner[at].child;
		vmem_index_node_fetch(child);
		if (child->n == n_max(child)) {
			split_child(ranges, tree, node, at, key);
			at += !is_less(tree, key, node->inner[at + 1].key);
			child = node->inner[at].child;
		}
		node->inner[at].parts |= bit;
		node = child;
	}
	at = n_below(tree, node, key, false);
	open_gap(node, at);
	node->leaf[at] = key;
}

void
vmem_range_insert(vmem_ranges_t *ranges, tree_t *tree, u64 start, u64 size)
{
	insert(ranges, tree, (entry_t){ size, start });
}

/* ---- delete and change ---- */

/* Hang child at + 1 behind child at. */
static void
join_children(vmem_ranges_t *ranges, const tree_t *tree, node_t *parent, u32 at)
{
	node_t *left = parent->inner[at].child, *right = parent->inner[at + 1].child;

	/* A first key is not kept right in place; its bound in the parent is. */
	if (right->level)
		right->inner[0].key = parent->inner[at + 1].key;
	move_entries(left, right, 0);
	parent->inner[at].parts = parts_of(tree, left);
	close_gap(parent, at + 1);
	node_put(ranges, right);
}

static bool
can_join(const node_t *left, const node_t *right)
{
	return left->n + right->n <= n_max(left) - 2;
}

/* After something went from or from below the child at `at`.  Value: whether the parent changed. */
static bool
mend_child(vmem_ranges_t *ranges, const tree_t *tree, node_t *parent, u32 at)
{
	node_t *child = parent->inner[at].child;
	u64 parts;

	if (child->n == 0) {
		node_put(ranges, child);
		close_gap(parent, at);
		return true;
	}
	if (child->n < (child->level ? N_FEW_INNER : N_FEW_LEAF)) {
		if (at + 1 < parent->n && can_join(child, parent->inner[at + 1].child)) {
			join_children(ranges, tree, parent, at);
			return true;
		}
		if (at > 0 && can_join(child, parent->inner[at - 1].child)) {
			join_children(ranges, tree, parent, at - 1);
			return true;
		}
	}
	parts = parts_of(tree, child);
	if (parts == parent->inner[at].parts)
		return false;
	parent->inner[at].parts = parts;
	return true;
}

static void
go_to(const tree_t *tree, entry_t key, path_t *path)
{
	node_t *node = tree->root;

	for (u32 l = node->level; l > 0; l--) {
		path->node[l] = node;
		path->at[l] = child_of(tree, node, key);
		node = node->inner[path->at[l]].child;
		vmem_index_node_fetch(node);
	}
	path->node[0] = node;
	path->at[0] = n_below(tree, node, key, false);
	ASSERT(path->at[0] < node->n && node->leaf[path->at[0]].start == key.start);
}

static void
delete_at(vmem_ranges_t *ranges, tree_t *tree, const path_t *path)
{
	u32 n_levels = tree->root->level;

	tree->n--;
	close_gap(path->node[0], path->at[0]);
	for (u32 l = 1; l <= n_levels; l++) {
		if (!mend_child(ranges, tree, path->node[l], path->at[l]))
			return;
	}
	while (tree->root->level && tree->root->n == 1) {
		node_t *root = tree->root;

		tree->root = root->inner[0].child;
		node_put(ranges, root);
	}
	if (tree->root->n == 0) {
		node_put(ranges, tree->root);
		tree->root = NULL;
	}
}

void
vmem_range_delete(vmem_ranges_t *ranges, tree_t *tree, u64 start, u64 size)
{
	path_t path;

	go_to(tree, (entry_t){ size, start }, &path);
	delete_at(ranges, tree, &path);
}

/* In place where it stays in its part and between its neighbours in the leaf, else out and in
 * again. */
void
vmem_range_change(vmem_ranges_t *ranges, tree_t *tree, u64 start, u64 size, u64 new_start,
		  u64 new_size)
{
	const entry_t old = { size, start }, new = { new_size, new_start };
	path_t path;
	node_t *leaf;
	u32 at;
	bool is_in_place;

	go_to(tree, old, &path);
	leaf = path.node[0];
	at = path.at[0];
	if (is_less(tree, new, old))
		is_in_place = at > 0 && is_less(tree, leaf->leaf[at - 1], new);
	else
		is_in_place = at + 1 < leaf->n && is_less(tree, new, leaf->leaf[at + 1]);
	if (is_in_place && part_bit(tree, start) == part_bit(tree, new_start)) {
		leaf->leaf[at] = new;
		return;
	}
	delete_at(ranges, tree, &path);
	insert(ranges, tree, new);
}

/* ---- search ---- */

/* The first entry from `at` on in any of the parts, or n where there is none; ~0 where the region
 * ends before.  A bound of another region has nothing of this one behind it. */
static u32
find_in_node(const tree_t *tree, const node_t *node, u32 at, u64 region, u64 parts)
{
	if (node->level == 0) {
		for (; at < node->n; at++) {
			u64 start = node->leaf[at].start;

			if (vmem_range_region(tree, start) != region)
				return ~0u;
			if (part_bit(tree, start) & parts)
				break;
		}
		return at;
	}
	for (; at < node->n; at++) {
		if (at && vmem_range_region(tree, node->inner[at].key.start) != region)
			return ~0u;
		if (node->inner[at].parts & parts)
			break;
	}
	return at;
}

bool
vmem_range_first(const tree_t *tree, entry_t *key, u64 parts, bool is_after, u64 *n_steps)
{
	u64 region = vmem_range_region(tree, key->start);
	node_t *node = tree->root;
	path_t path;
	u32 l, at;

	if (node == NULL)
		return false;
	for (l = node->level; l > 0; l--) {
		path.node[l] = node;
		path.at[l] = child_of(tree, node, *key);
		node = node->inner[path.at[l]].child;
		vmem_index_node_fetch(node);
		++*n_steps;
	}
	at = n_below(tree, node, *key, is_after);
	for (;;) {
		++*n_steps;
		at = find_in_node(tree, node, at, region, parts);
		if (at == ~0u || (at == node->n && l == tree->root->level))
			return false;
		if (at == node->n) {
			node = path.node[++l];
			at = path.at[l] + 1;
		} else if (l == 0) {
			*key = node->leaf[at];
			return true;
		} else {
			path.node[l] = node;
			path.at[l--] = at;
			node = node->inner[at].child;
			vmem_index_node_fetch(node);
			at = 0;
		}
	}
}

/* ---- which trees there are ---- */

void
vmem_range_init(vmem_ranges_t *ranges, u32 log2_quantum)
{
	u32 shift = log2_quantum + VMEM_RANGE_LOG2_PARTS;

	memset(ranges->tree, 0, sizeof(ranges->tree));
	ranges->log2_block = (u8)shift;
	for (ranges->n_scales = 0; shift < 64; shift += VMEM_RANGE_LOG2_PARTS)
		ranges->tree[ranges->n_scales++].shift = (u8)shift;
	ranges->first = ranges->varying = 0;
	ranges->has_first = ranges->is_used = 0;
	ranges->is_kept = 1;
}

bool
vmem_range_widen(vmem_ranges_t *ranges, u64 start, u64 last)
{
	u64 varying = start == last ? 0 : pow2_mask(min_log2(start ^ last) + 1);
	bool is_more = false;

	if (!ranges->has_first) {
		ranges->first = start;
		ranges->has_first = 1;
	}
	varying |= start ^ ranges->first;
	if (PREDICT_TRUE((varying & ~ranges->varying) == 0))
		return false;
	ranges->varying |= varying;
	for (u32 i = 0; i < ranges->n_scales; i++) {
		tree_t *tree = &ranges->tree[i];

		if (tree->is_needed || vmem_range_part(tree, ranges->varying) == 0)
			continue;
		tree->is_needed = is_more = true;
		ranges->is_kept = 0;
	}
	return is_more;
}

void
vmem_range_start_building(vmem_ranges_t *ranges)
{
	for (u32 i = 0; i < ranges->n_scales; i++) {
		tree_t *tree = &ranges->tree[i];

		tree->is_partial = tree->is_needed && !tree->is_kept;
	}
	vmem_range_set_reserve(ranges);
}

void
vmem_range_finish_building(vmem_ranges_t *ranges)
{
	ranges->is_kept = 1;
	for (u32 i = 0; i < ranges->n_scales; i++) {
		tree_t *tree = &ranges->tree[i];

		tree->is_kept |= tree->is_partial;
		tree->is_partial = 0;
		/* A scale that became needed meanwhile. */
		ranges->is_kept &= tree->is_kept | !tree->is_needed;
	}
}

u32
vmem_range_n_partial(const vmem_ranges_t *ranges)
{
	u32 n = 0;

	for (u32 i = 0; i < ranges->n_scales; i++)
		n += ranges->tree[i].is_partial;
	return n;
}

u32
vmem_range_n_insert(const vmem_ranges_t *ranges, bool with_partial)
{
	u32 n = 0;

	for (u32 i = 0; i < ranges->n_scales; i++) {
		const tree_t *tree = &ranges->tree[i];

		if (tree->is_kept || (tree->is_partial && with_partial))
			n += tree->root ? tree->root->level + 3u : 2;
	}
	return n;
}

void
vmem_range_set_reserve(vmem_ranges_t *ranges)
{
	ranges->stock.n_insert = vmem_range_n_insert(ranges, true);
}
