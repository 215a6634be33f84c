/* SPDX-License-Identifier: Apache-2.0 */
/* The hash of allocated segments grows and shrinks with the work: an allocation that finds more
 * entries than buckets splits a bucket, a free that finds too few joins two.  So there is no
 * timer, no pause in which all is rehashed, and never an old table beside a new one: each doubling
 * adds a part as large as all before it, a block at a time, and what is there stays where it is.
 * A bucket is written first when another is split into it, so a new block need not be zeroed. */
#include "vmem_impl.h"

#include <stdatomic.h>

STATIC_ASSERT(VMEM_HASH_BLOCK_BUCKETS * sizeof(vmem_tag_index_t) == VMEM_BLOCK_BYTES,
	      "a block of buckets is a block");
STATIC_ASSERT((VMEM_HASH_INITIAL << (VMEM_HASH_PARTS - 1)) > (1u << VMEM_TAG_BITS),
	      "as many buckets as there can be tags");

void
vmem_hash_init(vmem_t *vmp)
{
	vmp->vm_hash_table[0] = vmp->vm_hash0;
	vmp->vm_hash_mask = VMEM_HASH_INITIAL - 1;
	vmp->vm_hash_shift = min_log2(VMEM_HASH_INITIAL);
}

/* Where the memory of a bucket hangs: a part's, or a block's in a part's directory.
 * Value: NULL when the directory itself is missing. */
static vmem_tag_index_t **
place_of(vmem_t *vmp, uword bucket)
{
	uword offset, part = vmem_hash_part_of(bucket, &offset);

	if (bucket < VMEM_HASH_BLOCK_BUCKETS)
		return &vmp->vm_hash_table[part];
	return vmp->vm_hash_table[part] ? vmem_hash_block_at(vmp, part, offset) : NULL;
}

/* The bucket that would be split off next. */
static uword
next_bucket(const vmem_t *vmp)
{
	return vmp->vm_hash_mask + 1 + vmp->vm_hash_split;
}

static uword
n_blocks_of_part(uword part)
{
	return VMEM_HASH_INITIAL * (1ULL << (part - 1)) / VMEM_HASH_BLOCK_BUCKETS;
}

static bool
has_blocks(uword part)
{
	return part && VMEM_HASH_INITIAL * (1ULL << (part - 1)) >= VMEM_HASH_BLOCK_BUCKETS;
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

/* The bucket that was joined last was the first of its block: take that out.  A directory stays, as
 * do the parts that are smaller than a block: together they are small, and will be wanted again. */
static vmem_tag_index_t *
take_unused(vmem_t *vmp, uword bucket)
{
	vmem_tag_index_t *freed, **place;

	if (bucket & (VMEM_HASH_BLOCK_BUCKETS - 1) || bucket == 0)
		return NULL;
	place = place_of(vmp, bucket);
	freed = *place;
	*place = NULL;
	VMEM_COUNT(vmp->vm_kstat.vk_hash_resizes, 1);
	return freed;
}

vmem_tag_index_t *
vmem_hash_step(vmem_t *vmp, u8 *wants_part)
{
	vmem_tag_index_t *freed = NULL, **place;

	for (u32 i = 0; i < VMEM_HASH_BUCKETS_PER_OP && vmem_hash_is_out_of_range(vmp); i++) {
		if (vmp->vm_n_segs > next_bucket(vmp)) {
			place = place_of(vmp, next_bucket(vmp));
			if (place == NULL || *place == NULL) {
				*wants_part = 1;
				break;
			}
			split_bucket(vmp);
			continue;
		}
		join_buckets(vmp);
		freed = take_unused(vmp, next_bucket(vmp));
		if (freed)
			break;
	}
	return freed;
}

uword
vmem_hash_trim(void)
{
	vmem_tag_index_t *block;
	uword n_bytes = 0;

	while ((block = vmem_block_take_kept(VMEM_BLOCK_HASH)) != NULL) {
		vmem_hash_free_part(block, VMEM_HASH_BLOCK_BUCKETS);
		n_bytes += VMEM_HASH_BLOCK_BUCKETS * sizeof(block[0]);
	}
	return n_bytes;
}

void
vmem_hash_free_part(vmem_tag_index_t *part, uword n_buckets)
{
	if (part == NULL || vmem_hash_arena == NULL || vmem_block_keep_static(part))
		return;
	vmem_n_nested++;
	vmem_core_free(vmem_hash_arena, pointer_to_uword(part), n_buckets * sizeof(part[0]), 0,
		       NULL);
	vmem_n_nested--;
}

/* Of a part that has blocks. */
static void
free_directory(vmem_t *vmp, uword part)
{
	for (uword i = 0; i < n_blocks_of_part(part); i++)
		vmem_hash_free_part(*vmem_hash_block_at(vmp, part, i << VMEM_HASH_LOG2_BUCKETS),
				    VMEM_HASH_BLOCK_BUCKETS);
	vmem_hash_free_part(vmp->vm_hash_table[part],
			    n_blocks_of_part(part) * sizeof(void *) / sizeof(vmem_tag_index_t));
}

void
vmem_hash_free_unused(vmem_t *vmp)
{
	vmem_tag_index_t *unused[VMEM_HASH_PARTS] = { NULL };
	uword part;

	vmem_lock(&vmp->vm_lock);
	for (part = 1; !has_blocks(part); part++) {
		if ((uword)VMEM_HASH_INITIAL << (part - 1) >= vmem_hash_n_buckets(vmp)) {
			unused[part] = vmp->vm_hash_table[part];
			vmp->vm_hash_table[part] = NULL;
		}
	}
	vmem_unlock(&vmp->vm_lock);
	while (--part > 0)
		vmem_hash_free_part(unused[part], (uword)VMEM_HASH_INITIAL << (part - 1));
}

void
vmem_hash_free_table(vmem_t *vmp)
{
	for (uword part = 1; part < VMEM_HASH_PARTS; part++) {
		if (vmp->vm_hash_table[part] && has_blocks(part))
			free_directory(vmp, part);
		else
			vmem_hash_free_part(vmp->vm_hash_table[part],
					    (uword)VMEM_HASH_INITIAL << (part - 1));
		vmp->vm_hash_table[part] = NULL;
	}
}

u64
vmem_hash_table_bytes(const vmem_t *vmp)
{
	u64 n_bytes = 0;

	for (uword part = 1; part < VMEM_HASH_PARTS; part++) {
		if (vmp->vm_hash_table[part] == NULL)
			continue;
		if (!has_blocks(part)) {
			n_bytes +=
				((u64)VMEM_HASH_INITIAL << (part - 1)) * sizeof(vmem_tag_index_t);
			continue;
		}
		n_bytes += n_blocks_of_part(part) * sizeof(void *);
		for (uword i = 0; i < n_blocks_of_part(part); i++) {
			if (*vmem_hash_block_at(vmp, part, i << VMEM_HASH_LOG2_BUCKETS))
				n_bytes += VMEM_HASH_BLOCK_BUCKETS * sizeof(vmem_tag_index_t);
		}
	}
	return n_bytes;
}

/* Memory for the next bucket is missing: how much, and whether it is a directory.  Arena locked.
 * Value: 0 when nothing is. */
static uword
missing_bytes(vmem_t *vmp, bool *is_directory)
{
	uword bucket = next_bucket(vmp), offset, part = vmem_hash_part_of(bucket, &offset);
	vmem_tag_index_t **place = place_of(vmp, bucket);

	*is_directory = place == NULL;
	if (vmp->vm_n_segs <= bucket)
		return 0;
	if (place == NULL)
		return n_blocks_of_part(part) * sizeof(void *);
	if (*place)
		return 0;
	return (has_blocks(part) ? VMEM_HASH_BLOCK_BUCKETS : bucket) * sizeof(vmem_tag_index_t);
}

/* Value: whether something was put in place, so that something may still be missing. */
static bool
add_once(vmem_t *vmp)
{
	vmem_request_t request = { .max = ~(uword)0, .flags = VMEM_REQUEST_NOSLEEP };
	uword memory = 0, offset;
	bool is_directory, is_added = false;
	int error = 0;

	vmem_lock(&vmp->vm_lock);
	request.size = missing_bytes(vmp, &is_directory);
	vmem_unlock(&vmp->vm_lock);
	if (request.size == 0)
		return false;
	if (request.size == VMEM_BLOCK_BYTES)
		memory = pointer_to_uword(vmem_block_take(VMEM_BLOCK_HASH));
	if (memory == 0) {
		vmem_n_nested++;
		error = vmem_core_alloc(vmem_hash_arena, &request, &memory);
		vmem_n_nested--;
	}
	if (error)
		return false; /* longer chains are only slower */
	if (is_directory)
		memset(uword_to_pointer(memory, void *), 0, request.size);

	vmem_lock(&vmp->vm_lock);
	/* Another thread may have been as quick. */
	if (missing_bytes(vmp, &is_directory) == request.size) {
		uword bucket = next_bucket(vmp);
		vmem_tag_index_t **place =
			is_directory ? &vmp->vm_hash_table[vmem_hash_part_of(bucket, &offset)]
				     : place_of(vmp, bucket);

		*place = uword_to_pointer(memory, vmem_tag_index_t *);
		vmp->vm_hash_retry = 0;
		VMEM_COUNT(vmp->vm_kstat.vk_hash_resizes, !is_directory);
		is_added = true;
	}
	vmem_unlock(&vmp->vm_lock);
	if (!is_added)
		vmem_hash_free_part(uword_to_pointer(memory, vmem_tag_index_t *),
				    request.size / sizeof(vmem_tag_index_t));
	return is_added;
}

/* A directory first where there is none, and a block.  Value: whether anything was added. */
static bool
add_part(vmem_t *vmp)
{
	if (vmem_hash_arena == NULL || !add_once(vmp))
		return false;
	add_once(vmp);
	return true;
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
		/* Each with its chain of sources: all of them worked for it, and have grown
		 * together. The next operation sees to the next. */
		for (vmem_t *vmp = own[i]; vmp; vmp = vmp->vm_source) {
			if (add_part(vmp)) {
				atomic_fetch_or_explicit(&vmem_hints, VMEM_HINT_HASH,
							 memory_order_relaxed);
				return;
			}
		}
	}
}
