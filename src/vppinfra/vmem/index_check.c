/* SPDX-License-Identifier: Apache-2.0 */
/* Whether the trees have what the free lists have, in order, and whether what inner entries and
 * remembered ways say of what is below them is so. */
#include "vmem_impl.h"

typedef vmem_index_node_t node_t;
typedef vmem_index_tree_t tree_t;
typedef vmem_index_path_t path_t;

/* An inner entry against the child that it stands for. */
static const char *
check_child(const tree_t *tree, const node_t *parent, u32 at)
{
	const node_t *child = parent->child[at];

	if (child->n == 0 || child->n > VMEM_INDEX_N || child->level + 1u != parent->level)
		return "has a node of no or another level's entries";
	if (tree->order == VMEM_INDEX_BY_ADDR && parent->aux[at] != vmem_index_greatest(child))
		return "has another greatest size below a node";
	return NULL;
}

/* The bound nearest to the left of a leaf's first entry, against it and the entry before. */
static const char *
check_bound(const tree_t *tree, const vmem_index_cursor_t *c, u64 key_before, u64 aux_before)
{
	const node_t *node;
	u64 key, aux;
	u32 l = 1;

	while (l <= c->level && c->path.at[l] == 0)
		l++;
	if (l > c->level || c->path.at[0] != 0)
		return NULL;
	node = c->path.node[l];
	key = node->key[c->path.at[l]];
	aux = tree->order == VMEM_INDEX_BY_ADDR ? 0 : node->aux[c->path.at[l]];
	if (vmem_index_is_less(vmem_index_key(c), vmem_index_aux(c), key, aux))
		return "has a bound above what it bounds";
	if (tree->order == VMEM_INDEX_BY_ADDR
		    ? key_before >= key
		    : !vmem_index_is_less(key_before, aux_before, key, aux))
		return "has a bound below what is left of it";
	return NULL;
}

/* Free segments that a tree has which is being built. */
static u64
n_begun(vmem_t *vmp)
{
	const vmem_index_t *index = vmp->vm_index;
	u64 n = 0;

	for (u32 i = vmem_tag(vmp->vm_seg0)->vs_anext; i != vmp->vm_seg0;
	     i = vmem_tag(i)->vs_anext) {
		const vmem_seg_t *t = vmem_tag(i);

		n += vmem_tag_type(t) == VMEM_TAG_FREE && index->has_begun &&
		     t->vs_start <= index->built_last;
	}
	return n;
}

/* Where the tree was searched last is still there. */
static const char *
check_path(const tree_t *tree)
{
	const path_t *path = &tree->path;
	u32 level;

	if (!tree->has_path)
		return NULL;
	if (tree->root == NULL)
		return "remembers a way in an empty tree";
	level = tree->root->level;
	if (path->node[level] != tree->root)
		return "remembers a way from another root";
	for (; level > 0; level--) {
		if (path->at[level] >= path->node[level]->n ||
		    path->node[level]->child[path->at[level]] != path->node[level - 1])
			return "remembers a way that is none";
	}
	return NULL;
}

static const char *
check_tree(vmem_t *vmp, const tree_t *tree, u64 n_free)
{
	vmem_index_cursor_t c;
	u64 n = 0, key = 0, aux = 0;
	const char *what;

	if (!tree->is_kept)
		n_free = n_begun(vmp);
	if (tree->n != n_free)
		return "has another number of segments than the lists";
	vmem_index_seek(tree, 0, 0, &c);
	while (vmem_index_advance(&c, 0)) {
		u64 new_key = vmem_index_key(&c), new_aux = vmem_index_aux(&c);
		const vmem_seg_t *t = vmem_tag(vmem_index_tag(&c));
		u64 start = tree->order == VMEM_INDEX_BY_ADDR ? new_key : new_aux;
		u64 size = tree->order == VMEM_INDEX_BY_ADDR ? new_aux : new_key;

		if (n++ && !vmem_index_is_less(key, aux, new_key, new_aux))
			return "is out of order";
		if (n > n_free || vmem_tag_type(t) != VMEM_TAG_FREE || t->vs_start != start ||
		    vmem_seg_bytes(t) != size)
			return "names what is no such free segment";
		for (u32 l = 1; l <= c.level && c.path.at[l - 1] == 0; l++) {
			what = check_child(tree, c.path.node[l], (u32)c.path.at[l]);
			if (what)
				return what;
		}
		what = check_bound(tree, &c, key, aux);
		if (what)
			return what;
		key = new_key;
		aux = new_aux;
	}
	return n == n_free ? check_path(tree) : "lacks a free segment";
}

/* ---- the range trees ---- */

typedef vmem_range_node_t range_node_t;
typedef vmem_range_tree_t range_tree_t;

static bool
is_before(const range_tree_t *tree, vmem_range_key_t a, vmem_range_key_t b)
{
	u64 region_a = vmem_range_region(tree, a.start),
	    region_b = vmem_range_region(tree, b.start);

	return region_a < region_b ||
	       (region_a == region_b && vmem_index_is_less(a.size, a.start, b.size, b.start));
}

static u64
parts_of(const range_tree_t *tree, const range_node_t *node)
{
	u64 parts = 0;

	for (u32 i = 0; i < node->n; i++)
		parts |= node->level ? node->inner[i].parts
				     : 1ULL << vmem_range_part(tree, node->leaf[i].start);
	return parts;
}

static const char *
check_range_child(const range_tree_t *tree, const range_node_t *parent, u32 at)
{
	const range_node_t *child = parent->inner[at].child;

	if (child->n == 0 || child->n > (child->level ? VMEM_RANGE_N_INNER : VMEM_RANGE_N_LEAF) ||
	    child->level + 1u != parent->level)
		return "of ranges has a node of no or another level's entries";
	if (parent->inner[at].parts != parts_of(tree, child))
		return "of ranges has other parts below a node";
	return NULL;
}

/* A leaf's entries, between two bounds and after those before, against the tree by address. */
static const char *
check_range_leaf(vmem_t *vmp, const range_tree_t *tree, const range_node_t *leaf,
		 vmem_range_key_t *last, u64 n_before)
{
	const vmem_index_tree_t *by_addr = &vmp->vm_index->tree[VMEM_INDEX_BY_ADDR];
	vmem_index_cursor_t c;

	for (u32 i = 0; i < leaf->n; i++) {
		if ((n_before || i) && !is_before(tree, *last, leaf->leaf[i]))
			return "of ranges is out of order";
		*last = leaf->leaf[i];
		vmem_index_seek(by_addr, last->start, 0, &c);
		if (!vmem_index_advance(&c, 0) || vmem_index_key(&c) != last->start ||
		    vmem_index_aux(&c) != last->size)
			return "of ranges names what is no such free segment";
	}
	return NULL;
}

static const char *
check_range_tree(vmem_t *vmp, const range_tree_t *tree, u64 n_expected)
{
	const range_node_t *node[VMEM_INDEX_MAX_LEVEL], *root = tree->root;
	u32 at[VMEM_INDEX_MAX_LEVEL], l;
	vmem_range_key_t last = { 0, 0 };
	const char *what = NULL;
	u64 n = 0;

	if (tree->n != n_expected)
		return "of ranges has another number of segments than the lists";
	if (root == NULL)
		return n_expected ? "of ranges lacks a free segment" : NULL;
	l = root->level;
	node[l] = root;
	at[l] = 0;
	for (;;) {
		/* Down to the leaf, over what has not been looked at. */
		while (l) {
			what = check_range_child(tree, node[l], at[l]);
			if (what)
				return what;
			node[l - 1] = node[l]->inner[at[l]].child;
			at[--l] = 0;
		}
		/* The bound nearest to the left is above all before and at most what follows. */
		while (l < root->level && at[l] == 0)
			l++;
		if (at[l] && (is_before(tree, node[0]->leaf[0], node[l]->inner[at[l]].key) ||
			      !is_before(tree, last, node[l]->inner[at[l]].key)))
			return "of ranges has a bound that parts other than what it is between";
		what = check_range_leaf(vmp, tree, node[0], &last, n);
		n += node[0]->n;
		if (what || n > n_expected)
			return what ? what : "of ranges has too many segments";
		for (l = 1; l <= root->level && at[l] + 1 == node[l]->n; l++)
			;
		if (l > root->level)
			return n == n_expected ? NULL : "of ranges lacks a free segment";
		at[l]++;
	}
}

static const char *
check_ranges(vmem_t *vmp, u64 n_free)
{
	const vmem_ranges_t *ranges = vmp->vm_index->ranges;
	const char *what = NULL;
	bool is_kept = true;

	for (u32 i = 0; i < ranges->n_scales && !what; i++) {
		const range_tree_t *tree = &ranges->tree[i];

		if (tree->is_kept || tree->is_partial)
			what = check_range_tree(vmp, tree, tree->is_kept ? n_free : n_begun(vmp));
		is_kept &= tree->is_kept | !tree->is_needed;
	}
	if (what == NULL && is_kept != ranges->is_kept)
		what = "of ranges is not as whole as it says";
	return what;
}

/* Every start is told apart by the trees that are said to be needed. */
static const char *
check_varying(vmem_t *vmp)
{
	const vmem_ranges_t *ranges = vmp->vm_index->ranges;

	for (u32 i = vmem_tag(vmp->vm_seg0)->vs_anext; i != vmp->vm_seg0;
	     i = vmem_tag(i)->vs_anext) {
		const vmem_seg_t *t = vmem_tag(i);

		if ((vmem_tag_type(t) == VMEM_TAG_FREE || vmem_tag_type(t) == VMEM_TAG_ALLOC) &&
		    ((t->vs_start ^ ranges->first) & ~ranges->varying))
			return "of ranges does not know how far its segments lie apart";
	}
	return NULL;
}

const char *
vmem_index_check(vmem_t *vmp, u64 n_free)
{
	const char *what = NULL;

	for (u32 order = 0; order < 2 && !what; order++) {
		const tree_t *tree = vmp->vm_index ? &vmp->vm_index->tree[order] : NULL;

		if (tree && (tree->is_kept || tree->is_partial))
			what = check_tree(vmp, tree, n_free);
	}
	if (what == NULL && vmp->vm_index && vmp->vm_index->ranges)
		what = check_ranges(vmp, n_free);
	if (what == NULL && vmp->vm_index && vmp->vm_index->ranges)
		what = check_varying(vmp);
	return what;
}
