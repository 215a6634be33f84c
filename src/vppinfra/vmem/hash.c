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
	vmp->vm_hash_n_buckets = VMEM_HASH_INITIAL;
	vmp->vm_hash_shift = min_log2(VMEM_HASH_INITIAL);
}

static uword
n_buckets_of_part(uword part)
{
	return part ? (uword)VMEM_HASH_INITIAL << (part - 1) : VMEM_HASH_INITIAL;
}

static bool
has_blocks(uword part)
{
	return part && n_buckets_of_part(part) >= VMEM_HASH_BLOCK_BUCKETS;
}

static uword
n_blocks_of_part(uword part)
{
	return n_buckets_of_part(part) / VMEM_HASH_BLOCK_BUCKETS;
}

static bool
has_directories(uword part)
{
	return part && n_buckets_of_part(part) > VMEM_HASH_DIRECTORY_BUCKETS;
}

static uword
n_directories_of_part(uword part)
{
	return n_buckets_of_part(part) / VMEM_HASH_DIRECTORY_BUCKETS;
}

static uword
n_blocks_of_directory(uword part)
{
	return clib_min(n_blocks_of_part(part),
			(uword)VMEM_HASH_DIRECTORY_BUCKETS / VMEM_HASH_BLOCK_BUCKETS);
}

/* A pointer in vm_hash_table[] or in a directory, and what it points to or is to. */
typedef struct {
	vmem_tag_index_t **slot;
	uword n_bytes;
	bool is_directory;
} place_t;

/* Where the memory of a bucket hangs; or the directory that it is to hang in, where that is
 * missing.
 */
static place_t
place_of(vmem_t *vmp, uword bucket)
{
	uword offset, part = vmem_hash_part_of(bucket, &offset);
	place_t p = { .slot = &vmp->vm_hash_table[part] };

	if (!has_blocks(part)) {
		p.n_bytes = n_buckets_of_part(part) * sizeof(vmem_tag_index_t);
		return p;
	}
	p.is_directory = true;
	if (has_directories(part)) {
		p.n_bytes = n_directories_of_part(part) * sizeof(void *);
		if (*p.slot == NULL)
			return p;
		p.slot = (vmem_tag_index_t **)*p.slot + (offset >> VMEM_HASH_LOG2_DIRECTORY);
		offset &= VMEM_HASH_DIRECTORY_BUCKETS - 1;
	}
	p.n_bytes = n_blocks_of_directory(part) * sizeof(void *);
	if (*p.slot == NULL)
		return p;
	p.slot = (vmem_tag_index_t **)*p.slot + (offset >> VMEM_HASH_LOG2_BUCKETS);
	p.n_bytes = VMEM_BLOCK_BYTES;
	p.is_directory = false;
	return p;
}

bool
vmem_hash_has_bucket(vmem_t *vmp, uword bucket)
{
	place_t p = place_of(vmp, bucket);

	return !p.is_directory && *p.slot;
}

/* The bucket that would be split off next. */
static uword
next_bucket(const vmem_t *vmp)
{
	return vmp->vm_hash_n_buckets;
}

/* Bucket S is divided between S and L + S. */
static void
split_bucket(vmem_t *vmp)
{
	u32 *from = vmem_hash_bucket_at(vmp, vmp->vm_hash_split), index = *from;

	*from = 0;
	*vmem_hash_bucket_at(vmp, vmp->vm_hash_n_buckets) = 0;
	vmp->vm_hash_split++;
	vmp->vm_hash_n_buckets++;
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
	vmp->vm_hash_n_buckets--;
	lower = vmem_hash_bucket_at(vmp, vmp->vm_hash_split);
	index = *vmem_hash_bucket_at(vmp, vmp->vm_hash_n_buckets);
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
	vmem_tag_index_t *freed;
	place_t p;

	if (bucket & (VMEM_HASH_BLOCK_BUCKETS - 1) || bucket == 0)
		return NULL;
	p = place_of(vmp, bucket);
	freed = *p.slot;
	*p.slot = NULL;
	VMEM_COUNT(vmp->vm_kstat.vk_hash_resizes, 1);
	VMEM_COUNT(vmp->vm_hash_bytes, -(uword)VMEM_BLOCK_BYTES);
	return freed;
}

vmem_tag_index_t *
vmem_hash_step(vmem_t *vmp, u8 *wants_part)
{
	vmem_tag_index_t *freed = NULL;

	for (u32 i = 0; i < VMEM_HASH_BUCKETS_PER_OP && vmem_hash_is_out_of_range(vmp); i++) {
		if (vmp->vm_n_segs > next_bucket(vmp)) {
			if (!vmem_hash_has_bucket(vmp, next_bucket(vmp))) {
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

/* A directory and the blocks in it. */
static void
free_directory(vmem_tag_index_t *directory, uword n_blocks)
{
	vmem_tag_index_t **block = (vmem_tag_index_t **)directory;

	if (directory == NULL)
		return;
	for (uword i = 0; i < n_blocks; i++)
		vmem_hash_free_part(block[i], VMEM_HASH_BLOCK_BUCKETS);
	vmem_hash_free_part(directory, n_blocks * sizeof(void *) / sizeof(vmem_tag_index_t));
}

static void
free_part(vmem_t *vmp, uword part)
{
	vmem_tag_index_t *memory = vmp->vm_hash_table[part], **directory = (void *)memory;
	uword n = n_directories_of_part(part);

	vmp->vm_hash_table[part] = NULL;
	if (memory == NULL)
		return;
	if (!has_blocks(part)) {
		vmem_hash_free_part(memory, n_buckets_of_part(part));
	} else if (!has_directories(part)) {
		free_directory(memory, n_blocks_of_part(part));
	} else {
		for (uword i = 0; i < n; i++)
			free_directory(directory[i], n_blocks_of_directory(part));
		vmem_hash_free_part(memory, n * sizeof(void *) / sizeof(vmem_tag_index_t));
	}
}

void
vmem_hash_free_unused(vmem_t *vmp)
{
	vmem_tag_index_t *unused[VMEM_HASH_PARTS] = { NULL };
	uword part;

	vmem_lock(&vmp->vm_lock);
	for (part = 1; !has_blocks(part); part++) {
		if (n_buckets_of_part(part) >= vmem_hash_n_buckets(vmp) &&
		    vmp->vm_hash_table[part]) {
			unused[part] = vmp->vm_hash_table[part];
			vmp->vm_hash_table[part] = NULL;
			VMEM_COUNT(vmp->vm_hash_bytes,
				   -n_buckets_of_part(part) * sizeof(vmem_tag_index_t));
		}
	}
	vmem_unlock(&vmp->vm_lock);
	while (--part > 0)
		vmem_hash_free_part(unused[part], n_buckets_of_part(part));
}

void
vmem_hash_free_table(vmem_t *vmp)
{
	for (uword part = 1; part < VMEM_HASH_PARTS; part++)
		free_part(vmp, part);
}

/* The memory that the next bucket waits for; slot NULL: for none.  Arena locked. */
static place_t
missing_place(vmem_t *vmp)
{
	uword bucket = next_bucket(vmp);
	place_t p = place_of(vmp, bucket);

	if (vmp->vm_n_segs <= bucket || *p.slot)
		p.slot = NULL;
	return p;
}

/* One piece, be it a directory: the next operation finds wanting what is still missing.
 * Value: whether it was added. */
static bool
add_part(vmem_t *vmp)
{
	vmem_request_t request = { .max = ~(uword)0, .flags = VMEM_REQUEST_NOSLEEP };
	uword memory = 0;
	bool is_added = false, is_directory;
	int error = 0;
	place_t p;

	if (vmem_hash_arena == NULL)
		return false;
	vmem_lock(&vmp->vm_lock);
	p = missing_place(vmp);
	vmem_unlock(&vmp->vm_lock);
	if (p.slot == NULL)
		return false;
	request.size = p.n_bytes;
	is_directory = p.is_directory;
	if (p.n_bytes == VMEM_BLOCK_BYTES)
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
	p = missing_place(vmp);
	if (p.slot && p.n_bytes == request.size && p.is_directory == is_directory) {
		*p.slot = uword_to_pointer(memory, vmem_tag_index_t *);
		vmp->vm_hash_retry = 0;
		VMEM_COUNT(vmp->vm_kstat.vk_hash_resizes, !is_directory);
		VMEM_COUNT(vmp->vm_hash_bytes, request.size);
		is_added = true;
	}
	vmem_unlock(&vmp->vm_lock);
	if (!is_added && request.size == VMEM_BLOCK_BYTES)
		vmem_block_keep(VMEM_BLOCK_HASH, uword_to_pointer(memory, void *));
	else if (!is_added)
		vmem_hash_free_part(uword_to_pointer(memory, vmem_tag_index_t *),
				    request.size / sizeof(vmem_tag_index_t));
	return is_added;
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
