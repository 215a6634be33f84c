/* SPDX-License-Identifier: Apache-2.0 */
/* From record to address, frame and set, and back. */
#include "pages_impl.h"

_Atomic(pages_leaf_t *) pages_leaves[ARRAY_LEN(pages_leaves)];

/* Under the lock of sets. */
static int
set_frames(uword start, uword n_bytes, u8 what)
{
	uword end = start + n_bytes;

	/* A set that lies higher than any user's address is found by no table. */
	if (end >> PAGES_LOG2_ADDRESSES)
		return -ENOMEM;
	for (uword a = start; a < end; a += 1ul << PAGES_LOG2_FRAME) {
		_Atomic(pages_leaf_t *) *at =
			&pages_leaves[a >> (PAGES_LOG2_FRAME + PAGES_LOG2_LEAF)];
		pages_leaf_t *leaf = atomic_load_explicit(at, memory_order_relaxed);

		if (!leaf) {
			leaf = pages_map_array(sizeof(*leaf), 1);
			if (!leaf)
				return -ENOMEM;
			/* Release: its zeros are there; partner: the acquire in pages_what_is_at().
			 */
			atomic_store_explicit(at, leaf, memory_order_release);
		}
		/* Release: the set's fields. */
		atomic_store_explicit(
			&leaf->what[a >> PAGES_LOG2_FRAME & pow2_mask(PAGES_LOG2_LEAF)], what,
			memory_order_release);
	}
	return 0;
}

static int
set_all_frames(pages_t *p, u8 of_pages, u8 of_records)
{
	int rv = set_frames(p->base, (uword)p->n_direct << PAGES_LOG2_PAGE, of_pages);

	return rv ? rv : set_frames(pointer_to_uword(p->records), p->records_map_bytes, of_records);
}

int
pages_frames_enter(pages_t *p)
{
	u8 what = (u8)(p - pages_sets + 1);
	int rv = set_all_frames(p, what, what | PAGES_FRAME_IS_RECORDS);

	if (rv)
		pages_frames_leave(p);
	return rv;
}

void
pages_frames_leave(pages_t *p)
{
	set_all_frames(p, 0, 0);
}

pages_t *
pages_of_page(const page_t *page)
{
	return pages_of_record(page);
}

page_t *
clib_virt_to_page(const void *address)
{
	uword a = pointer_to_uword(address);
	pages_t *p = pages_of_address(a);
	u32 number;

	if (!p)
		return NULL;
	number = (u32)((a - p->base) >> PAGES_LOG2_PAGE);
	return p->chunks[pages_chunk_of(p, number)].is_present ? &p->records[number] : NULL;
}

void *
clib_page_address(const page_t *page)
{
	pages_t *p = pages_of_record(page);
	u32 number;

	if (!p)
		return NULL;
	number = pages_number(p, page);
	if (pages_is_direct(p, number))
		return uword_to_pointer(p->base + ((uword)number << PAGES_LOG2_PAGE), void *);
	return pages_kmapped_address(p, number);
}

static u64
physical_address(const pages_t *p, u32 number)
{
	const pages_chunk_t *c = &p->chunks[pages_chunk_of(p, number)];
	u64 pa;

	if (p->is_contiguous)
		return c->pa == PAGES_PA_UNKNOWN ? PAGES_PA_UNKNOWN
						 : c->pa + ((u64)(number & pow2_mask(p->max_order))
							    << PAGES_LOG2_PAGE);
	/* The kernel may move it: asked anew each time. */
	if (!pages_is_direct(p, number) ||
	    p->va_to_pa(uword_to_pointer(p->base + ((uword)number << PAGES_LOG2_PAGE), void *),
			&pa))
		return PAGES_PA_UNKNOWN;
	return pa;
}

u64
clib_page_to_pfn(const page_t *page)
{
	pages_t *p = pages_of_record(page);
	u64 pa = p ? physical_address(p, pages_number(p, page)) : PAGES_PA_UNKNOWN;

	return pa == PAGES_PA_UNKNOWN ? pa : pa >> PAGES_LOG2_PAGE;
}

/* The kernel has to be asked. */
static never_inline u64
ask_physical_address(const pages_t *p, uword a)
{
	u64 pa = physical_address(p, (u32)((a - p->base) >> PAGES_LOG2_PAGE));

	return pa == PAGES_PA_UNKNOWN ? pa : pa + a % PAGES_PAGE_BYTES;
}

u64
clib_virt_to_phys(const void *address)
{
	uword a = pointer_to_uword(address);
	pages_t *p = pages_of_address(a);
	const pages_chunk_t *c;

	if (PREDICT_FALSE(!p))
		return PAGES_PA_UNKNOWN;
	c = &p->chunks[(a - p->base) >> p->log2_chunk];
	if (PREDICT_FALSE(!c->is_present))
		return PAGES_PA_UNKNOWN;
	/* Known of huge pages only. */
	if (PREDICT_FALSE(c->pa == PAGES_PA_UNKNOWN))
		return ask_physical_address(p, a);
	return c->pa + (a & ((1ul << p->log2_chunk) - 1));
}

/* ---- frames to records: chunks by the number of their huge frame, linear probing ---- */

/* 64 Ki chunks: 128 GiB in 2 MiB pages; beyond that a frame is looked for chunk by chunk. */
#define LOG2_FRAME_SLOTS 17

typedef struct {
	/* Frame of the chunk's first page + 1; 0: never used. */
	_Atomic u64 frame_plus_1;
	_Atomic u32 set, chunk;
} frame_slot_t;

static frame_slot_t frame_slots[1 << LOG2_FRAME_SLOTS];
static pthread_mutex_t frame_lock = PTHREAD_MUTEX_INITIALIZER;

static u32
frame_hash(u64 frame)
{
	return (u32)((frame * 0x9e3779b97f4a7c15ull) >> (64 - LOG2_FRAME_SLOTS));
}

void
pages_frames_add(pages_t *p, u32 chunk)
{
	u64 frame = p->chunks[chunk].pa >> PAGES_LOG2_PAGE;

	pthread_mutex_lock(&frame_lock);
	for (u32 i = 0, at = frame_hash(frame); i < 1 << LOG2_FRAME_SLOTS; i++) {
		frame_slot_t *s = &frame_slots[(at + i) & pow2_mask(LOG2_FRAME_SLOTS)];

		/* A frame that the kernel gave, took and gave again keeps its slot. */
		if (s->frame_plus_1 && s->frame_plus_1 != frame + 1)
			continue;
		s->set = (u32)(p - pages_sets);
		s->chunk = chunk;
		/* Release: whoever finds the frame sees the chunk. */
		atomic_store_explicit(&s->frame_plus_1, frame + 1, memory_order_release);
		break;
	}
	pthread_mutex_unlock(&frame_lock);
}

static page_t *
page_of_frame(u64 frame, u8 order)
{
	u64 first = frame & ~pow2_mask(order);

	for (u32 i = 0, at = frame_hash(first); i < 1 << LOG2_FRAME_SLOTS; i++) {
		frame_slot_t *s = &frame_slots[(at + i) & pow2_mask(LOG2_FRAME_SLOTS)];
		/* Acquire: pairs with the release in pages_frames_add(). */
		u64 found = atomic_load_explicit(&s->frame_plus_1, memory_order_acquire);
		const pages_chunk_t *c;
		pages_t *p;

		if (!found)
			return NULL;
		if (found != first + 1)
			continue;
		p = &pages_sets[s->set];
		if (!p->is_live || p->max_order != order)
			return NULL;
		c = &p->chunks[s->chunk];
		/* The chunk may have gone since; its slot stays for the next with that frame. */
		return c->is_present && c->pa == first << PAGES_LOG2_PAGE
			       ? &p->records[(s->chunk << order) + (frame - first)]
			       : NULL;
	}
	return NULL;
}

page_t *
clib_pfn_to_page(u64 pfn)
{
	u32 tried = 0;

	if (pfn >= PAGES_PA_UNKNOWN >> PAGES_LOG2_PAGE)
		return NULL;
	for (u32 i = 0; i < PAGES_MAX_SETS; i++) {
		const pages_t *p = &pages_sets[i];
		page_t *page;

		/* One look for each chunk size in use. */
		if (!p->is_live || !p->is_contiguous || (tried & 1u << p->max_order))
			continue;
		tried |= 1u << p->max_order;
		page = page_of_frame(pfn, p->max_order);
		if (page)
			return page;
	}
	return NULL;
}
