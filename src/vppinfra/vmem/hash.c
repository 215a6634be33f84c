/* SPDX-License-Identifier: Apache-2.0 */
/* The hash of allocated segments and its rescaling, which is spread over the operations that make
 * it necessary: each alloc or free that finds an old table moves a few buckets out of it.  An old
 * bucket goes to two neighbours of a larger table, or to one bucket of a smaller, and only then
 * are those written for the first time, so a new table need not be zeroed. */
#include "vmem_impl.h"

#include <stdatomic.h>

_Atomic u32 vmem_hash_pending;

void
vmem_hash_init(vmem_t *vmp)
{
	vmp->vm_hash_table = vmp->vm_hash0;
	vmp->vm_hash_mask = VMEM_HASH_INITIAL - 1;
	vmp->vm_hash_shift = min_log2(VMEM_HASH_INITIAL);
}

/* Moves the bucket vm_hash_move, after which it belongs to the new table.  Value: entries. */
static u32
move_bucket(vmem_t *vmp)
{
	u64 from = vmp->vm_hash_move++;
	u32 index = vmp->vm_hash_old[from], n_moved = 0;

	if (vmp->vm_hash_old_mask < vmp->vm_hash_mask)
		vmp->vm_hash_table[2 * from] = vmp->vm_hash_table[2 * from + 1] = 0;
	else if (from % 2 == 0)
		vmp->vm_hash_table[from / 2] = 0;

	while (index) {
		vmem_seg_t *t = vmem_tag(index);
		u32 next = vmem_tag_knext(t), *bucket = vmem_hash_bucket(vmp, t->vs_start);

		vmem_tag_set_knext(t, *bucket);
		*bucket = index;
		index = next;
		n_moved++;
	}
	return n_moved;
}

vmem_tag_index_t *
vmem_hash_step(vmem_t *vmp, uword *n_buckets)
{
	vmem_tag_index_t *old = vmp->vm_hash_old;
	u32 n_moved = 0;

	for (u32 i = 0; i < VMEM_HASH_BUCKETS_PER_OP && n_moved < VMEM_HASH_MOVES_PER_OP &&
			vmp->vm_hash_move <= vmp->vm_hash_old_mask;
	     i++)
		n_moved += move_bucket(vmp);
	vmp->vm_kstat.vk_hash_moved += n_moved;
	if (vmp->vm_hash_move <= vmp->vm_hash_old_mask)
		return NULL;

	*n_buckets = vmp->vm_hash_old_mask + 1;
	vmp->vm_hash_old = NULL;
	vmp->vm_hash_old_mask = vmp->vm_hash_move = 0;
	return old;
}

/* Buckets that the load calls for: one step up or down from what there is. */
static uword
wanted_buckets(const vmem_t *vmp)
{
	uword n = vmp->vm_hash_mask + 1;

	if (!vmem_hash_is_out_of_range(vmp))
		return n;
	return vmp->vm_n_segs > n ? 2 * n : n / 2;
}

void
vmem_hash_free_table(vmem_t *vmp, vmem_tag_index_t *table, uword n_buckets)
{
	if (table == NULL || table == vmp->vm_hash0 || vmem_hash_arena == NULL)
		return;
	vmem_n_nested++;
	vmem_core_free(vmem_hash_arena, pointer_to_uword(table), n_buckets * sizeof(table[0]), 0,
		       NULL);
	vmem_n_nested--;
}

/* Returns NULL when memory is short: the old table stays, longer chains are only slower. */
static vmem_tag_index_t *
new_table(vmem_t *vmp, uword n_buckets)
{
	vmem_request_t request = { .size = n_buckets * sizeof(vmem_tag_index_t),
				   .max = ~(uword)0,
				   .flags = VMEM_REQUEST_NOSLEEP };
	uword memory = 0;
	int error;

	if (n_buckets <= VMEM_HASH_INITIAL)
		return vmp->vm_hash0;
	if (vmem_hash_arena == NULL)
		return NULL;
	vmem_n_nested++;
	error = vmem_core_alloc(vmem_hash_arena, &request, &memory);
	vmem_n_nested--;
	return error ? NULL : uword_to_pointer(memory, vmem_tag_index_t *);
}

static void
rescale_one(vmem_t *vmp)
{
	vmem_tag_index_t *table;
	uword n, n_now;

	pthread_mutex_lock(&vmp->vm_lock);
	n = wanted_buckets(vmp);
	n_now = vmp->vm_hash_mask + 1;
	pthread_mutex_unlock(&vmp->vm_lock);
	if (n == n_now)
		return;
	table = new_table(vmp, n);
	if (table == NULL)
		return;

	pthread_mutex_lock(&vmp->vm_lock);
	/* Another thread may have been as quick. */
	if (n == wanted_buckets(vmp) && n != vmp->vm_hash_mask + 1) {
		vmp->vm_hash_old = vmp->vm_hash_table;
		vmp->vm_hash_old_mask = vmp->vm_hash_mask;
		vmp->vm_hash_move = 0;
		vmp->vm_hash_table = table;
		vmp->vm_hash_mask = n - 1;
		vmp->vm_hash_shift = min_log2(n);
		vmp->vm_hash_retry = 0;
		vmp->vm_kstat.vk_hash_resizes++;
		table = NULL;
	}
	pthread_mutex_unlock(&vmp->vm_lock);
	vmem_hash_free_table(vmp, table, n);
}

void
vmem_hash_rescale(vmem_t *vmp)
{
	if (vmem_n_nested)
		/* Relaxed: a hint, looked at again after the next operation of anybody. */
		atomic_store_explicit(&vmem_hash_pending, 1, memory_order_relaxed);
	else
		rescale_one(vmp);
}

void
vmem_hash_serve_pending(void)
{
	vmem_t *own[] = { vmem_hash_arena, vmem_seg_arena, vmem_internal_arena, vmem_vmem_arena };

	if (vmem_n_nested || !atomic_exchange_explicit(&vmem_hash_pending, 0, memory_order_relaxed))
		return;
	for (u32 i = 0; i < ARRAY_LEN(own); i++) {
		/* Each with its chain of sources: all of them worked for it. */
		for (vmem_t *vmp = own[i]; vmp; vmp = vmp->vm_source)
			rescale_one(vmp);
	}
}
