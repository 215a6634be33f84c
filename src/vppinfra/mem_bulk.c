/* SPDX-License-Identifier: Apache-2.0 */
/* Chunks that are full are on no list; they are counted, and found by their objects' addresses.
 * For clib_mem_bulk_destroy() all chunks hang on a second list. */
#include "mem_impl.h"

#define CHUNK_MAGIC 0x6b6c7562u /* "bulk" */
/* 32: a header of some hundred bytes is then little beside the objects. */
#define DEFAULT_ELTS_PER_CHUNK 32
#define MAX_CHUNK_BYTES GiB(1)

typedef struct chunk {
	u32 magic, n_free;
	struct bulk *bulk;
	/* Those with room, the next to be used first; NULL when full. */
	struct chunk *prev_avail, *next_avail;
	struct chunk *prev, *next;
	/* No bit set in the words below. */
	u32 first_word;
	u64 free_bits[];
} chunk_t;

typedef struct bulk {
	clib_mem_heap_t *heap;
	chunk_t *chunks, *avail;
	uword chunk_bytes;
	u32 elt_sz, stride, align, first_offset;
	u32 n_per_chunk;
	u32 n_chunks, n_full, n_empty;
	u64 n_elts;
} bulk_t;

/* ---- lists ---- */

static void
push_avail(bulk_t *b, chunk_t *c)
{
	c->prev_avail = NULL;
	c->next_avail = b->avail;
	if (b->avail)
		b->avail->prev_avail = c;
	b->avail = c;
}

static void
unlink_avail(bulk_t *b, chunk_t *c)
{
	*(c->prev_avail ? &c->prev_avail->next_avail : &b->avail) = c->next_avail;
	if (c->next_avail)
		c->next_avail->prev_avail = c->prev_avail;
}

/* ---- chunks ---- */

static uword
header_bytes(uword n_elts)
{
	return sizeof(chunk_t) + (n_elts + 63) / 64 * sizeof(u64);
}

static uword
chunk_end(const bulk_t *b, uword n_elts)
{
	return round_pow2(header_bytes(n_elts), b->align) + n_elts * b->stride;
}

/* As many objects as fit the least power of two that has the wanted number.  0, or -EINVAL. */
static int
lay_out(bulk_t *b, u32 n_wanted)
{
	uword n = n_wanted;

	if (chunk_end(b, n) > MAX_CHUNK_BYTES)
		return -EINVAL;
	b->chunk_bytes = max_pow2(clib_max(chunk_end(b, n), (uword)KiB(4)));
	n += (b->chunk_bytes - chunk_end(b, n)) / b->stride;
	/* More objects take more bits. */
	while (chunk_end(b, n) > b->chunk_bytes)
		n--;
	b->n_per_chunk = (u32)n;
	b->first_offset = (u32)round_pow2(header_bytes(n), b->align);
	return 0;
}

static chunk_t *
add_chunk(bulk_t *b)
{
	chunk_t *c = clib_mem_heap_alloc_aligned(b->heap, b->chunk_bytes, b->chunk_bytes);

	if (!c)
		return NULL;
	memset(c, 0, header_bytes(b->n_per_chunk));
	c->magic = CHUNK_MAGIC;
	c->bulk = b;
	c->n_free = b->n_per_chunk;
	memset(c->free_bits, 0xff, b->n_per_chunk / 64 * sizeof(u64));
	if (b->n_per_chunk % 64)
		c->free_bits[b->n_per_chunk / 64] = pow2_mask(b->n_per_chunk % 64);
	c->next = b->chunks;
	if (b->chunks)
		b->chunks->prev = c;
	b->chunks = c;
	push_avail(b, c);
	b->n_chunks++;
	b->n_empty++;
	return c;
}

static void
remove_chunk(bulk_t *b, chunk_t *c)
{
	unlink_avail(b, c);
	*(c->prev ? &c->prev->next : &b->chunks) = c->next;
	if (c->next)
		c->next->prev = c->prev;
	b->n_chunks--;
	b->n_empty--;
	c->magic = 0;
	clib_mem_heap_free(b->heap, c);
}

/* ---- public ---- */

clib_mem_bulk_handle_t
clib_mem_bulk_init(u32 elt_sz, u32 align, u32 min_elts_per_chunk)
{
	bulk_t layout = { .heap = clib_mem_get_heap(), .elt_sz = elt_sz }, *b;

	if (!elt_sz || align > MAX_CHUNK_BYTES)
		return NULL;
	layout.align = (u32)max_pow2(align ? align : MHEAP_MIN_ALIGN);
	layout.stride = (u32)round_pow2(elt_sz, layout.align);
	if (layout.stride < elt_sz ||
	    lay_out(&layout, min_elts_per_chunk ? min_elts_per_chunk : DEFAULT_ELTS_PER_CHUNK))
		return NULL;
	b = clib_mem_heap_alloc(layout.heap, sizeof(*b));
	if (b)
		*b = layout;
	return b;
}

void
clib_mem_bulk_destroy(clib_mem_bulk_handle_t h)
{
	bulk_t *b = h;
	chunk_t *c, *next;

	if (!b)
		return;
	for (c = b->chunks; c; c = next) {
		next = c->next;
		c->magic = 0;
		clib_mem_heap_free(b->heap, c);
	}
	clib_mem_heap_free(b->heap, b);
}

void *
clib_mem_bulk_alloc(clib_mem_bulk_handle_t h)
{
	bulk_t *b = h;
	chunk_t *c = b->avail ? b->avail : add_chunk(b);
	uword i;

	if (!c)
		return NULL;
	while (!c->free_bits[c->first_word])
		c->first_word++;
	i = c->first_word * 64 + count_trailing_zeros(c->free_bits[c->first_word]);
	c->free_bits[c->first_word] &= c->free_bits[c->first_word] - 1;
	if (c->n_free == b->n_per_chunk)
		b->n_empty--;
	if (--c->n_free == 0) {
		unlink_avail(b, c);
		b->n_full++;
	}
	b->n_elts++;
	return (u8 *)c + b->first_offset + i * b->stride;
}

/* The chunk of a live or free object, its number in *i; NULL: p is no object of this bulk.  The
 * heap is asked before anything is read at the masked address. */
static chunk_t *
find_object(bulk_t *b, void *p, uword *i)
{
	chunk_t *c = (chunk_t *)round_down_pow2((uword)p, b->chunk_bytes);
	uword offset = (uword)p - (uword)c;

	if (!clib_mem_heap_is_heap_object(b->heap, c) || c->magic != CHUNK_MAGIC || c->bulk != b ||
	    offset < b->first_offset || (offset - b->first_offset) % b->stride)
		return NULL;
	*i = (offset - b->first_offset) / b->stride;
	return *i < b->n_per_chunk ? c : NULL;
}

void
clib_mem_bulk_free(clib_mem_bulk_handle_t h, void *p)
{
	bulk_t *b = h;
	chunk_t *c;
	uword i;

	if (!p)
		return;
	c = find_object(b, p, &i);
	if (!c || (c->free_bits[i / 64] >> (i % 64) & 1)) {
		clib_mem_report_bad_free(b->heap, p,
					 c ? "free of a bulk's object that is free already"
					   : "free of what is no object of this bulk",
					 __builtin_return_address(0));
		return;
	}
	c->free_bits[i / 64] |= 1ULL << (i % 64);
	c->first_word = clib_min(c->first_word, (u32)(i / 64));
	b->n_elts--;
	if (c->n_free++ == 0) {
		push_avail(b, c);
		b->n_full--;
	}
	if (c->n_free == b->n_per_chunk && ++b->n_empty > 1)
		remove_chunk(b, c);
}

void
clib_mem_bulk_get_info(clib_mem_bulk_handle_t h, clib_mem_bulk_info_t *info)
{
	const bulk_t *b = h;

	*info = (clib_mem_bulk_info_t){
		.elt_sz = b->elt_sz,
		.align = b->align,
		.n_per_chunk = b->n_per_chunk,
		.chunk_bytes = b->chunk_bytes,
		.n_chunks = b->n_chunks,
		.n_full = b->n_full,
		.n_elts = b->n_elts,
	};
}
