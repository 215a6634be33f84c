/* SPDX-License-Identifier: Apache-2.0 */
/* Looking at an arena: sizes, counters, walks; and giving back what is kept for speed. */
#include "vmem_impl.h"

/* ---- sizes and counters ---- */

uword
vmem_max_free(vmem_t *vmp)
{
	const vmem_index_tree_t *tree;
	uword size = 0;

	vmem_lock(&vmp->vm_lock);
	tree = vmem_index_tree(vmp, VMEM_INDEX_BY_ADDR);
	if (tree && tree->root) {
		for (u32 i = 0; i < tree->root->n; i++)
			size = clib_max(size, tree->root->aux[i]);
	} else if (vmp->vm_freemap) {
		u32 n = (u32)min_log2(vmp->vm_freemap);

		for (u32 i = vmp->vm_freelist[n].vs_knext; i; i = vmem_tag_knext(vmem_tag(i)))
			size = clib_max(size, vmem_seg_bytes(vmem_tag(i)));
	}
	vmem_unlock(&vmp->vm_lock);
	return size;
}

size_t
vmem_size(vmem_t *vmp, int typemask)
{
	uword size = 0, n_inuse = VMEM_READ(vmp->vm_kstat.vk_mem_inuse);

	if (typemask & VMEM_MAXFREE)
		return vmem_max_free(vmp);
	/* The two counters are of one moment. */
	vmem_lock(&vmp->vm_lock);
	n_inuse = vmp->vm_kstat.vk_mem_inuse;
	if (typemask & VMEM_ALLOC)
		size += n_inuse;
	if (typemask & VMEM_FREE)
		size += vmp->vm_kstat.vk_mem_total - n_inuse;
	vmem_unlock(&vmp->vm_lock);
	return size;
}

size_t
vmem_roundup_size(vmem_t *vmp, size_t size)
{
	return (size + vmp->vm_quantum - 1) & ~(vmp->vm_quantum - 1);
}

uword
vmem_rounded_inuse(vmem_t *vmp)
{
	uword size;

	vmem_lock(&vmp->vm_lock);
	size = vmp->vm_kstat.vk_mem_total;
	for (u32 n = 0; n < VMEM_FREELISTS; n++)
		size -= vmp->vm_order[n].free_bytes;
	vmem_unlock(&vmp->vm_lock);
	return size;
}

/* All of them are 64 bits wide, but for one pair of holes that nobody reads. */
static void
copy_counters(void *to, const void *from, uword n_bytes)
{
	u64 *t = to;
	const u64 *f = from;

	for (uword i = 0; i < n_bytes / sizeof(u64); i++)
		t[i] = VMEM_READ(f[i]);
}

STATIC_ASSERT(sizeof(vmem_kstat_t) % sizeof(u64) == 0, "copied by words");

void
vmem_get_stats(vmem_t *vmp, vmem_stats_t *stats)
{
	copy_counters(&stats->kstat, &vmp->vm_kstat, sizeof(stats->kstat));
	copy_counters(stats->order, vmp->vm_order, sizeof(stats->order));
	stats->n_segs = VMEM_READ(vmp->vm_n_segs);
	stats->n_free = VMEM_READ(vmp->vm_n_free);
	stats->n_waiters = VMEM_READ(vmp->vm_n_waiters);
}

void
vmem_freelist_counts(vmem_t *vmp, u64 n_segs[VMEM_FREELISTS], u64 n_bytes[VMEM_FREELISTS])
{
	for (u32 n = 0; n < VMEM_FREELISTS; n++) {
		n_segs[n] = VMEM_READ(vmp->vm_order[n].n_free);
		n_bytes[n] = VMEM_READ(vmp->vm_order[n].free_bytes);
	}
}

u32
vmem_index_state(vmem_t *vmp, u64 *n_bytes)
{
	u32 state = 0;

	*n_bytes = 0;
	vmem_lock(&vmp->vm_lock);
	for (u32 order = 0; order < 2; order++)
		state |= (u32)(vmem_index_tree(vmp, (vmem_index_order_t)order) != NULL) << order;
	if (vmp->vm_index)
		*n_bytes = (vmp->vm_index->n_nodes + VMEM_INDEX_N_OWN) * sizeof(vmem_index_node_t);
	vmem_unlock(&vmp->vm_lock);
	return state;
}

u64
vmem_tag_bytes(void)
{
	u64 n_free, n_chunks;

	vmem_tags_counts(&n_free, &n_chunks);
	return n_chunks * VMEM_CHUNK_BYTES;
}

u64
vmem_hash_bytes(vmem_t *vmp)
{
	return VMEM_READ(vmp->vm_hash_bytes);
}

/* ---- settings ---- */

void
vmem_fail_at(vmem_t *vmp, u64 k)
{
	vmem_lock(&vmp->vm_lock);
	vmp->vm_fail_at = k;
	vmem_unlock(&vmp->vm_lock);
}

void
vmem_set_limit(vmem_t *vmp, size_t limit)
{
	vmem_lock(&vmp->vm_lock);
	vmp->vm_limit = limit;
	vmem_wake_all(vmp);
	vmem_unlock(&vmp->vm_lock);
}

void
vmem_set_reclaim(vmem_t *vmp, vmem_reclaim_function_t *fn, void *arg)
{
	vmem_lock(&vmp->vm_lock);
	vmp->vm_reclaim = fn;
	vmp->vm_reclaim_arg = arg;
	vmem_unlock(&vmp->vm_lock);
}

/* ---- walks ---- */

/* What a walk shows of a tag.  Value: whether typemask wants it. */
static bool
walk_wants(const vmem_seg_t *t, int typemask, uword *size)
{
	switch (vmem_tag_type(t)) {
	case VMEM_TAG_ALLOC:
		*size = vmem_seg_bytes(t) - t->vs_slack;
		return typemask & VMEM_ALLOC;
	case VMEM_TAG_FREE:
		*size = vmem_seg_bytes(t);
		return typemask & VMEM_FREE;
	case VMEM_TAG_SPAN:
		*size = vmem_span_bytes(t);
		return typemask & VMEM_SPAN;
	default:
		return false;
	}
}

void
vmem_walk(vmem_t *vmp, int typemask, void (*func)(void *, void *, size_t), void *arg)
{
	vmem_walker_t walker = { .hint = vmp->vm_seg0 }, **link;
	uword size = 0;

	vmem_lock(&vmp->vm_lock);
	walker.next = vmp->vm_walkers;
	vmp->vm_walkers = &walker;
	for (;;) {
		u32 index = vmem_tag(walker.hint)->vs_anext;
		vmem_seg_t *t = vmem_tag(index);
		uword start = t->vs_start;

		if (index == vmp->vm_seg0)
			break;
		walker.hint = index;
		/* Below the cursor: born behind our back, when the tag we stood on was merged. */
		if (start < walker.cursor || !walk_wants(t, typemask, &size))
			continue;
		walker.cursor = start + (vmem_tag_type(t) == VMEM_TAG_SPAN ? 0 : size);
		if (typemask & VMEM_REENTRANT)
			vmem_unlock(&vmp->vm_lock);
		func(arg, uword_to_pointer(start, void *), size);
		if (typemask & VMEM_REENTRANT)
			vmem_lock(&vmp->vm_lock);
	}
	for (link = &vmp->vm_walkers; *link != &walker; link = &(*link)->next)
		;
	*link = walker.next;
	vmem_unlock(&vmp->vm_lock);
}

/* The reentrant walk goes on whatever is freed. */
static void
xfree(void *arg, void *p, size_t size)
{
	vmem_t *vmp = arg;

	vmem_core_xfree_if(vmp, pointer_to_uword(p), size);
}

void
vmem_core_xfreeall(vmem_t *vmp)
{
	vmem_walk(vmp, VMEM_ALLOC | (int)VMEM_REENTRANT, xfree, vmp);
}

/* ---- giving back ---- */

uword
vmem_vacate(vmem_t *vmp)
{
	uword n_bytes = vmem_qcache_reap(vmp);
	vmem_index_t *idle = NULL;

	vmem_lock(&vmp->vm_lock);
	if (vmp->vm_index && !vmp->vm_index->is_used)
		idle = vmem_index_detach(vmp);
	else if (vmp->vm_index)
		vmp->vm_index->is_used = 0;
	vmem_tags_give(vmp, VMEM_TAGS_PER_OP);
	vmem_unlock(&vmp->vm_lock);
	vmem_index_free(idle);
	vmem_hash_free_unused(vmp);
	return n_bytes;
}

static int
vacate(vmem_t *vmp, void *arg)
{
	vmem_vacate(vmp);
	return 0;
}

static int
give_surplus(vmem_t *vmp, void *arg)
{
	vmem_hash_free_unused(vmp);
	vmem_lock(&vmp->vm_lock);
	vmem_tags_give(vmp, 0);
	vmem_unlock(&vmp->vm_lock);
	return 0;
}

void
vmem_reap(void)
{
	if (!vmem_is_ready())
		return;
	vmem_foreach_arena(vacate, NULL);
	vmem_hash_trim();
	vmem_index_trim();
	/* Giving anything back leaves the arenas it came through with tags: those go next. */
	do
		vmem_foreach_arena(give_surplus, NULL);
	while (vmem_tags_trim());
}
