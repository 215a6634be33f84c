/* SPDX-License-Identifier: Apache-2.0 */
/* Making and unmaking a heap: header, empty vector, entry in the table of this process. */
#include <sys/random.h>
#include <time.h>
#include <unistd.h>
#include "mheap_impl.h"

_Static_assert(MHEAP_HEADER_BYTES <= 4096, "the header takes one page of an aligned region");

#define MIN_VECTOR_BYTES 64 /* an object of 16 bytes and both headers */
/* Sizes are 40 bits of words, all ones is taken. */
#define MAX_VECTOR_BYTES (((1ULL << 40) - 2) * MHEAP_USER_DATA_WORD_BYTES)

static u64
make_cookie(const void *h)
{
	u64 cookie = 0;
	struct timespec now;

	if (getrandom(&cookie, sizeof(cookie), GRND_NONBLOCK) == sizeof(cookie) && cookie)
		return cookie;
	/* Too early after boot, or not permitted: unlike the last run's is enough. */
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (((u64)now.tv_sec << 30) ^ (u64)now.tv_nsec ^ (uword)h) * 0xbf58476d1ce4e5b9ull;
}

/* The empty vector is one header that says end. */
static void
init_vector(mheap_t *h, u8 *v)
{
	vec_header_t *vh = _vec_find(v);
	u64 *end = elt_words(v, MHEAP_ELT_OVERHEAD_BYTES);

	memset(vh, 0, sizeof(*vh));
	vh->magic = VEC_HEADER_MAGIC;
	vh->max_bytes = h->max_size;
	vh->len = MHEAP_ELT_OVERHEAD_BYTES;
	end[0] = MHEAP_N_USER_DATA_INVALID | elt_tag(h, MHEAP_ELT_OVERHEAD_BYTES);
	end[1] = MHEAP_N_USER_DATA_INVALID;
}

static int
region_is_sane(const mheap_region_t *r)
{
	uword page_bytes = (uword)sysconf(_SC_PAGESIZE);

	if (!r->base || (uword)r->base + r->size < (uword)r->base)
		return 0;
	if (!r->commit && !r->decommit)
		return 1;
	return is_pow2(r->page_bytes) && r->page_bytes >= page_bytes &&
	       ((uword)r->base | r->size) % r->page_bytes == 0;
}

int
mheap_create(const mheap_params_t *params, void **v_return)
{
	const mheap_region_t *region = &params->region;
	uword system_page_bytes = (uword)sysconf(_SC_PAGESIZE), n_first;
	mheap_layout_t layout;
	mheap_t *h;
	u8 *v;

	if (!region_is_sane(region))
		return -EINVAL;
	layout = mheap_layout((uword)region->base, region->size, MHEAP_HEADER_BYTES,
			      system_page_bytes);
	if (layout.size < MIN_VECTOR_BYTES)
		return -ENOMEM;

	/* Header and the vector's first page. */
	n_first = layout.vector + 1 - (uword)region->base;
	n_first = round_pow2(n_first, clib_max(region->page_bytes, system_page_bytes));
	if (region->commit && region->commit(region->opaque, region->base, n_first))
		return -ENOMEM;

	h = (mheap_t *)layout.header;
	v = (u8 *)layout.vector;
	memset(h, 0, sizeof(*h));
	memset(h->first_free_elt_uoffset_by_bin, 0xff, sizeof(h->first_free_elt_uoffset_by_bin));
	h->cookie = make_cookie(h);
	h->flags = params->flags & ~(u32)MHEAP_FLAG_TRACE;
	if (h->flags & MHEAP_FLAG_FRONTS)
		h->flags |= MHEAP_FLAG_THREAD_SAFE;
	else
		h->flags &= ~(u32)MHEAP_FLAG_FRONTS_WHEN_SHARED;
	h->owner_cpu = ~(u32)0;
	h->give_back_bytes = h->give_back_least_bytes = GIVE_BACK_BYTES;
	h->give_back_most_bytes = GIVE_BACK_MOST_BYTES;
	h->max_size = clib_min(layout.size, (uword)MAX_VECTOR_BYTES);
	h->page_bytes = region->page_bytes ? region->page_bytes : system_page_bytes;
	h->numa_node = params->numa_node;
	h->vm_alloc_offset_from_header = layout.header - (uword)region->base;
	h->vm_alloc_size = region->size;
	h->pages_may_vanish = region->commit && !region->stays_readable;
	h->first_hole_uoffset = ~(u64)0;
	h->stats.n_commits = region->commit != NULL;
	/* Memory that comes without calls is all there; the rest is counted as it grows. */
	if (region->commit || region->decommit)
		h->n_committed_bytes = (uword)region->base + n_first - layout.vector;
	else
		h->n_committed_bytes = h->max_size;
	if (!region->decommit)
		h->flags |= MHEAP_FLAG_DISABLE_VM;
	if (params->name)
		strncpy(h->name, params->name, sizeof(h->name) - 1);
	init_vector(h, v);

	if (mheap_region_register(h, region)) {
		if (region->decommit)
			region->decommit(region->opaque, region->base, n_first);
		return -ENOMEM;
	}
	/* No room for the table: the heap does without. */
	if (mheap_fronts_create(h))
		h->flags &= ~(u32)MHEAP_FLAG_FRONTS;
	mheap_fronts_update(h);
	set_readable(h, v);
	if (mheap_checked_create(h))
		h->flags &= ~(u32)MHEAP_FLAG_CHECKED;
	h->magic = MHEAP_MAGIC;
	*v_return = v;
	return 0;
}

void *
mheap_alloc_with_flags(void *memory, uword size, uword flags)
{
	mheap_params_t params = { .flags = (u32)flags, .numa_node = -1 };
	void *v;

	if (memory) {
		params.region.base = memory;
		params.region.size = size;
	} else if (mheap_region_mmap(size, &params.region)) {
		return NULL;
	}
	if (mheap_create(&params, &v) == 0)
		return v;
	if (!memory)
		params.region.release(NULL, params.region.base, params.region.size);
	return NULL;
}

void *
mheap_alloc(void *memory, uword size)
{
	return mheap_alloc_with_flags(memory, size, memory ? MHEAP_FLAG_DISABLE_VM : 0);
}

void
mheap_destroy(void *v)
{
	const mheap_region_t *ours;
	mheap_region_t region = { 0 };
	mheap_t *h;

	if (!v)
		return;
	h = mheap_header(v);
	ours = mheap_region_of(h);
	if (!ours) {
		mheap_report("free of what is no heap of this process", v, 0,
			     __builtin_return_address(0));
		return;
	}
	/* The header goes with the region. */
	region = *ours;
	mheap_trace_destroy(h);
	mheap_fronts_destroy(h);
	mheap_checked_destroy(h);
	mheap_region_unregister(h);
	h->magic = 0;
	if (region.release)
		region.release(region.opaque, region.base, region.size);
}
