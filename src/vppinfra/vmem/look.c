/* SPDX-License-Identifier: Apache-2.0 */
/* Looking at an arena: sizes and counters; and giving back what is kept for speed. */
#include "vmem_impl.h"

/* ---- sizes and counters ---- */

/* Of the list of the largest power of two, which has the largest. */
static uword
largest_of_list(const vmem_t *vmp)
{
	uword size = 0;
	u32 n;

	if (vmp->vm_freemap == 0)
		return 0;
	n = (u32)min_log2(vmp->vm_freemap);
	for (u32 i = vmp->vm_freelist[n].vs_knext; i; i = vmem_tag_knext(vmem_tag(i)))
		size = clib_max(size, vmem_seg_bytes(vmem_tag(i)));
	return size;
}

uword
vmem_max_free(vmem_t *vmp)
{
	const vmem_index_tree_t *tree;
	uword size = 0;
	bool has_tree;

	vmem_lock(&vmp->vm_lock);
	has_tree = vmem_index_tree(vmp, VMEM_INDEX_BY_ADDR) != NULL;
	/* A long list under the lock would keep others out: then by an index, if there can be.
	 * Those that memory for an index comes through have few free segments. */
	if (!has_tree && vmp->vm_freemap && !(vmp->vm_cflags & VMC_POPULATOR) &&
	    vmp->vm_order[min_log2(vmp->vm_freemap)].n_free > VMEM_WALK_LONG)
		has_tree = vmem_index_build(vmp, 1u << VMEM_INDEX_BY_ADDR) == 0;
	if (has_tree) {
		tree = vmem_index_tree(vmp, VMEM_INDEX_BY_ADDR);
		for (u32 i = 0; tree->root && i < tree->root->n; i++)
			size = clib_max(size, tree->root->aux[i]);
	} else {
		size = largest_of_list(vmp);
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

static u64
stock_bytes(const vmem_index_stock_t *stock)
{
	return (stock->n_nodes + VMEM_INDEX_N_OWN) * sizeof(vmem_index_node_t);
}

u32
vmem_index_state(vmem_t *vmp, u64 *n_bytes)
{
	u32 state = 0;

	*n_bytes = 0;
	vmem_lock(&vmp->vm_lock);
	for (u32 order = 0; order < 2; order++)
		state |= (u32)(vmem_index_tree(vmp, (vmem_index_order_t)order) != NULL) << order;
	state |= (u32)(vmem_index_ranges(vmp) != NULL) << VMEM_INDEX_RANGES;
	if (vmp->vm_index)
		*n_bytes = stock_bytes(&vmp->vm_index->stock);
	if (vmp->vm_index && vmp->vm_index->ranges)
		*n_bytes += stock_bytes(&vmp->vm_index->ranges->stock);
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

/* ---- giving back ---- */

/* Value: bytes of quantum caches.  An index that nobody used since the last time, or its range
 * trees alone, is put before those in *idle, to be given back when no lock is held. */
static uword
vacate(vmem_t *vmp, vmem_index_stock_t **idle)
{
	uword n_bytes = vmem_qcache_reap(vmp);

	vmem_lock(&vmp->vm_lock);
	if (vmp->vm_index && !vmp->vm_index->is_used)
		vmem_index_detach(vmp, idle);
	else if (vmp->vm_index && vmp->vm_index->ranges && !vmp->vm_index->ranges->is_used)
		vmem_index_detach_ranges(vmp, idle);
	if (vmp->vm_index)
		vmp->vm_index->is_used = 0;
	if (vmp->vm_index && vmp->vm_index->ranges)
		vmp->vm_index->ranges->is_used = 0;
	vmem_tags_give(vmp, VMEM_TAGS_PER_OP);
	vmem_unlock(&vmp->vm_lock);
	vmem_hash_free_unused(vmp);
	return n_bytes;
}

uword
vmem_vacate(vmem_t *vmp)
{
	vmem_index_stock_t *idle = NULL;
	uword n_bytes = vacate(vmp, &idle);

	vmem_index_free(idle);
	return n_bytes;
}

static int
vacate_one(vmem_t *vmp, void *idle)
{
	vacate(vmp, idle);
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
	vmem_index_stock_t *idle = NULL;

	if (!vmem_is_ready())
		return;
	vmem_foreach_arena(vacate_one, &idle);
	vmem_index_free(idle);
	vmem_hash_trim();
	vmem_index_trim();
	/* Giving anything back leaves the arenas it came through with tags: those go next. */
	do
		vmem_foreach_arena(give_surplus, NULL);
	while (vmem_tags_trim());
}
