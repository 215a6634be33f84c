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

const char *
vmem_index_check(vmem_t *vmp, u64 n_free)
{
	const char *what = NULL;

	for (u32 order = 0; order < 2 && !what; order++) {
		const tree_t *tree = vmp->vm_index ? &vmp->vm_index->tree[order] : NULL;

		if (tree && (tree->is_kept || tree->is_partial))
			what = check_tree(vmp, tree, n_free);
	}
	return what;
}
