/* SPDX-License-Identifier: Apache-2.0 */
/* The hash of allocated segments grows and shrinks with the work: an allocation that finds more
 * entries than buckets splits a bucket, a free that finds too few joins two.  So there is no
 * timer, no pause in which all is rehashed, and never an old table beside a new one: each doubling
 * adds a part as large as all before it, and what is there stays where it is.  A bucket is written
 * first when another is split into it, so a new part need not be zeroed. */
#include "vmem_impl.h"

#include <stdatomic.h>

STATIC_ASSERT((VMEM_HASH_INITIAL << (VMEM_HASH_PARTS - 1)) > (1u << VMEM_TAG_BITS),
	      "as many buckets as there can be tags");

void
vmem_hash_init(vmem_t *vmp)
{
	vmp->vm_hash_table[0] = vmp->vm_hash0;
	vmp->vm_hash_mask = VMEM_HASH_INITIAL - 1;
	vmp->vm_hash_shift = min_log2(VMEM_HASH_INITIAL);
}

/* The part that buckets [L, 2 L) lie in, with L = vm_hash_mask + 1. */
static vmem_tag_index_t **
upper_part(vmem_t *vmp)
{
	return &vmp->vm_hash_table[vmp->vm_hash_shift - min_log2(VMEM_HASH_INITIAL) + 1];
}

/* Bucket S is divided between S and L + S. */
static void
split_bucket(vmem_t *vmp)
{
	u32 *from = vmem_hash_bucket_at(vmp, vmp->vm_hash_split), index = *from;

	*from = 0;
	*vmem_hash_bucket_at(vmp, vmp->vm_hash_mask + 1 + vmp->vm_hash_split) = 0;
	vmp->vm_hash_split++;
	while (index) {
		vmem_seg_t *t = vmem_tag(index);
		u32 next = vmem_tag_knext(t), *bucket = vmem_hash_bucket(vmp, t->vs_start);

		vmem_tag_set_knext(t, *bucket);
		*bucket = index;
		index = next;
		VMEM_COUNT(vmp->vm_kstat.vk_hash_moved, 1);
	}
	if (vmp->vm_hash_split > vmp->vm_hash_mask) {
		vmp->vm_hash_mask = 2 * vmp->vm_hash_mask + 1;
		vmp->vm_hash_shift++;
		vmp->vm_hash_split = 0;
	}
}

/* The last bucket is hung before the one that it was split from. */
static void
join_buckets(vmem_t *vmp)
{
	u32 index, *lower;

	if (vmp->vm_hash_split == 0) {
		vmp->vm_hash_mask >>= 1;
		vmp->vm_hash_shift--;
		vmp->vm_hash_split = vmp->vm_hash_mask + 1;
	}
	vmp->vm_hash_split--;
	lower = vmem_hash_bucket_at(vmp, vmp->vm_hash_split);
	index = *vmem_hash_bucket_at(vmp, vmp->vm_hash_mask + 1 + vmp->vm_hash_split);
	while (index) {
		vmem_seg_t *t = vmem_tag(index);
		u32 next = vmem_tag_knext(t);

		vmem_tag_set_knext(t, *lower);
		*lower = index;
		index = next;
		VMEM_COUNT(vmp->vm_kstat.vk_hash_moved, 1);
	}
}

vmem_tag_index_t *
vmem_hash_step(vmem_t *vmp, uword *n_freed, u8 *wants_part)
{
	vmem_tag_index_t *freed = NULL, **upper;

	for (u32 i = 0; i < VMEM_HASH_BUCKETS_PER_OP && vmem_hash_is_out_of_range(vmp); i++) {
		upper = upper_part(vmp);
		if (vmp->vm_n_segs > vmp->vm_hash_mask + 1 + vmp->vm_hash_split) {
			if (*upper == NULL) {
				*wants_part = 1;
				break;
			}
			split_bucket(vmp);
			continue;
		}
		join_buckets(vmp);
		if (vmp->vm_hash_split == 0) {
			upper = upper_part(vmp);
			freed = *upper;
			*n_freed = vmp->vm_hash_mask + 1;
			*upper = NULL;
			VMEM_COUNT(vmp->vm_kstat.vk_hash_resizes, 1);
			break;
		}
	}
	return freed;
}

void
vmem_hash_free_part(vmem_tag_index_t *part, uword n_buckets)
{
	if (part == NULL || vmem_hash_arena == NULL)
		return;
	vmem_n_nested++;
	vmem_core_free(vmem_hash_arena, pointer_to_uword(part), n_buckets * sizeof(part[0]), 0,
		       NULL);
	vmem_n_nested--;
}

void
vmem_hash_free_table(vmem_t *vmp)
{
	for (u32 i = 1; i < VMEM_HASH_PARTS; i++) {
		vmem_hash_free_part(vmp->vm_hash_table[i], (uword)VMEM_HASH_INITIAL << (i - 1));
		vmp->vm_hash_table[i] = NULL;
	}
}

static void
add_part(vmem_t *vmp)
{
	vmem_request_t request = { .max = ~(uword)0, .flags = VMEM_REQUEST_NOSLEEP };
	vmem_tag_index_t *part;
	uword memory = 0, n_buckets;
	bool is_wanted;
	int error;

	if (vmem_hash_arena == NULL)
		return;
	pthread_mutex_lock(&vmp->vm_lock);
	n_buckets = vmp->vm_hash_mask + 1;
	is_wanted = vmp->vm_n_segs > n_buckets && *upper_part(vmp) == NULL;
	pthread_mutex_unlock(&vmp->vm_lock);
	if (!is_wanted)
		return;

	request.size = n_buckets * sizeof(vmem_tag_index_t);
	vmem_n_nested++;
	error = vmem_core_alloc(vmem_hash_arena, &request, &memory);
	vmem_n_nested--;
	if (error)
		return; /* longer chains are only slower */
	part = uword_to_pointer(memory, vmem_tag_index_t *);

	pthread_mutex_lock(&vmp->vm_lock);
	/* Another thread may have been as quick. */
	if (n_buckets == vmp->vm_hash_mask + 1 && *upper_part(vmp) == NULL) {
		*upper_part(vmp) = part;
		vmp->vm_hash_retry = 0;
		VMEM_COUNT(vmp->vm_kstat.vk_hash_resizes, 1);
		part = NULL;
	}
	pthread_mutex_unlock(&vmp->vm_lock);
	vmem_hash_free_part(part, n_buckets);
}

void
vmem_hash_add_part(vmem_t *vmp)
{
	if (vmem_n_nested)
		/* Relaxed: a hint, looked at again after the next operation of anybody. */
		atomic_fetch_or_explicit(&vmem_hints, VMEM_HINT_HASH, memory_order_relaxed);
	else
		add_part(vmp);
}

void
vmem_hash_serve_pending(void)
{
	vmem_t *own[] = { vmem_hash_arena, vmem_seg_arena, vmem_internal_arena, vmem_vmem_arena };

	if (vmem_n_nested ||
	    !(atomic_fetch_and_explicit(&vmem_hints, ~VMEM_HINT_HASH, memory_order_relaxed) &
	      VMEM_HINT_HASH))
		return;
	for (u32 i = 0; i < ARRAY_LEN(own); i++) {
		/* Each with its chain of sources: all of them worked for it. */
		for (vmem_t *vmp = own[i]; vmp; vmp = vmp->vm_source)
			add_part(vmp);
	}
}
