/* SPDX-License-Identifier: Apache-2.0 */
/* An allocation takes at most two records (what is left of a free range before and after the
 * object), so room for two is found first; then elements, if the vector has to grow; after that
 * nothing can fail.  A record that is in nobody's hands and names no range has the free bit, too,
 * so that one test refuses every handle that is not in use. */
#include <vppinfra/heap.h>

#include <stdio.h>
#include <vppinfra/mem.h>

/* Offsets have 31 bits, and all ones stand for none. */
#define MAX_LEN (HEAP_ELT_FREE_BIT - 1)
#define NONE (~0u)
/* A record without a range. */
#define UNUSED_OFFSET (~0u)
/* Free ranges of a list looked at while there is another way: some cache lines' worth. */
#define N_LOOKED_AT 16
#define N_RECORDS_PER_ALLOC 2

/* ---- records ---- */

static inline heap_elt_t *
elt_at(const heap_header_t *h, u32 i)
{
	return h->elts + i;
}

static inline u32
index_of(const heap_header_t *h, const heap_elt_t *e)
{
	return (u32)(e - h->elts);
}

/* Room for n more records, and to list all there are as unused. */
static int
reserve_records(void *v, uword n)
{
	heap_header_t *h = heap_header(v);
	uword n_unused = vec_len64(h->free_elts);

	if (n_unused < n && vec_alloc(h->elts, n - n_unused))
		return -ENOMEM;
	if (vec_max_len(h->free_elts) < vec_max_len(h->elts))
		return vec_alloc(h->free_elts, vec_max_len(h->elts) - n_unused);
	return 0;
}

/* There is room. */
static u32
take_record(heap_header_t *h)
{
	uword n_unused = vec_len64(h->free_elts);

	if (n_unused) {
		_vec_len(h->free_elts) = n_unused - 1;
		return h->free_elts[n_unused - 1];
	}
	return (u32)_vec_len(h->elts)++;
}

static void
drop_record(heap_header_t *h, u32 i)
{
	elt_at(h, i)->offset = UNUSED_OFFSET;
	h->free_elts[_vec_len(h->free_elts)++] = i;
}

/* a and b become neighbours; NONE on one side makes the other an end. */
static void
link_records(heap_header_t *h, u32 a, u32 b)
{
	if (a == NONE)
		h->head = b;
	else
		elt_at(h, a)->next = b == NONE ? 0 : (i32)(b - a);
	if (b == NONE)
		h->tail = a;
	else
		elt_at(h, b)->prev = a == NONE ? 0 : (i32)(a - b);
}

static inline u32
record_after(const heap_header_t *h, u32 i)
{
	return i == h->tail ? NONE : i + (u32)elt_at(h, i)->next;
}

static inline u32
record_before(const heap_header_t *h, u32 i)
{
	return i == h->head ? NONE : i + (u32)elt_at(h, i)->prev;
}

/* ---- lists of free ranges ---- */

static u32
bin_of(uword size)
{
	uword log2 = min_log2(size);

	if (size < HEAP_SMALL_BINS)
		return (u32)size;
	return (u32)(HEAP_SMALL_BINS + ((log2 - HEAP_LOG2_SMALL_BINS) << HEAP_LOG2_BINS_PER_POWER) +
		     ((size >> (log2 - HEAP_LOG2_BINS_PER_POWER)) &
		      pow2_mask(HEAP_LOG2_BINS_PER_POWER)));
}

static void
list_free(void *v, u32 i)
{
	heap_header_t *h = heap_header(v);
	heap_elt_t *e = elt_at(h, i);
	u32 bin = bin_of(heap_elt_size(v, e)), *first = &h->free_lists[bin];

	e->offset |= HEAP_ELT_FREE_BIT;
	e->prev_free = NONE;
	e->next_free = *first;
	if (*first != NONE)
		elt_at(h, *first)->prev_free = i;
	*first = i;
	h->non_empty_free_lists[bin / 64] |= 1ULL << bin % 64;
}

/* Before its size changes. */
static void
unlist_free(void *v, u32 i)
{
	heap_header_t *h = heap_header(v);
	heap_elt_t *e = elt_at(h, i);
	u32 bin = bin_of(heap_elt_size(v, e));

	e->offset &= ~HEAP_ELT_FREE_BIT;
	if (e->next_free != NONE)
		elt_at(h, e->next_free)->prev_free = e->prev_free;
	if (e->prev_free != NONE)
		elt_at(h, e->prev_free)->next_free = e->next_free;
	else if ((h->free_lists[bin] = e->next_free) == NONE)
		h->non_empty_free_lists[bin / 64] &= ~(1ULL << bin % 64);
}

/* The first list from this one on that has a range; HEAP_N_BINS: there is none. */
static u32
next_bin(const heap_header_t *h, u32 bin)
{
	for (u32 w = bin / 64; w < ARRAY_LEN(h->non_empty_free_lists); w++) {
		uword bits = h->non_empty_free_lists[w];

		if (w == bin / 64)
			bits &= ~pow2_mask(bin % 64);
		if (bits)
			return w * 64 + (u32)log2_first_set(bits);
	}
	return HEAP_N_BINS;
}

/* The smallest range that will do, of the first n of a list. */
static u32
find_in_bin(const void *v, u32 bin, uword size, uword align, uword n)
{
	const heap_header_t *h = heap_header(v);
	uword best_size = ~0ULL;
	u32 best = NONE;

	for (u32 i = h->free_lists[bin]; i != NONE && n-- > 0; i = elt_at(h, i)->next_free) {
		heap_elt_t *e = elt_at(h, i);
		uword start = heap_offset(e), e_size = heap_elt_size(v, e);

		if (round_pow2(start, align) + size > start + e_size || e_size >= best_size)
			continue;
		best = i;
		best_size = e_size;
		if (e_size == size)
			break;
	}
	return best;
}

static u32
find_free(const void *v, uword size, uword align, uword n_looked_at)
{
	const heap_header_t *h = heap_header(v);
	u32 i = NONE;

	for (u32 bin = next_bin(h, bin_of(size)); i == NONE && bin < HEAP_N_BINS;
	     bin = next_bin(h, bin + 1))
		i = find_in_bin(v, bin, size, align, n_looked_at);
	return i;
}

/* ---- make, copy, free ---- */

static void
init_header(heap_header_t *h, uword elt_bytes)
{
	h->elt_bytes = (u32)elt_bytes;
	memset(h->free_lists, 0xff, sizeof(h->free_lists));
}

void *
_heap_new(u32 len, u32 elt_bytes)
{
	void *v = _vec_grow(NULL, len, elt_bytes, sizeof(heap_header_t), HEAP_DATA_ALIGN, NULL);

	if (v)
		init_header(heap_header(v), elt_bytes);
	return v;
}

void *
heap_create_from_memory(void *memory, uword max_len, uword elt_bytes)
{
	vec_header_t *vh;
	void *v;

	if (!memory || (uword)memory % 16 || !max_len || !elt_bytes || max_len > MAX_LEN ||
	    elt_bytes > UINT32_MAX)
		return NULL;
	memset(memory, 0, heap_header_bytes());
	v = (u8 *)memory + heap_header_bytes();
	vh = _vec_find(v);
	vh->max_bytes = max_len * elt_bytes;
	vh->hdr_size = (u16)(round_pow2(sizeof(heap_header_t), 8) / 8);
	vh->log2_align = (u8)(min_log2(HEAP_DATA_ALIGN) & 0x7f);
	vh->magic = VEC_HEADER_MAGIC;
	init_header(heap_header(v), elt_bytes);
	heap_header(v)->max_len = (u32)max_len;
	heap_header(v)->flags = HEAP_IS_STATIC;
	return v;
}

void *
_heap_free(void *v)
{
	heap_header_t *h;

	if (!v)
		return NULL;
	h = heap_header(v);
	vec_free(h->elts);
	vec_free(h->free_elts);
	_vec_free(v);
	return NULL;
}

/* Records of `from` and room to list them all as unused, in `to`, whose header is a copy. */
static int
copy_records(heap_header_t *to, const heap_header_t *from)
{
	to->elts = vec_dup(from->elts);
	to->free_elts = 0;
	if (vec_len64(from->elts) && !to->elts)
		return -ENOMEM;
	if (to->elts && vec_alloc(to->free_elts, vec_max_len(to->elts)))
		return -ENOMEM;
	if (to->free_elts)
		_vec_len(to->free_elts) = vec_len64(from->free_elts);
	vec_copy(to->free_elts, from->free_elts);
	return 0;
}

void *
_heap_dup(const void *v, uword v_bytes)
{
	heap_header_t *h;
	uword n = vec_len64(v);
	void *w;

	if (!v)
		return NULL;
	w = _heap_new((u32)n, heap_header(v)->elt_bytes);
	if (!w)
		return NULL;
	h = heap_header(w);
	*h = *heap_header(v);
	h->flags &= ~(u32)HEAP_IS_STATIC;
	if (copy_records(h, heap_header(v)))
		return _heap_free(w);
	memcpy(w, v, v_bytes);
	_vec_len(w) = n;
	return w;
}

int
_heap_set_max_len(void *v, uword max_len)
{
	heap_header_t *h;

	if (!v)
		return -ENOMEM;
	h = heap_header(v);
	if (h->flags & HEAP_IS_STATIC && (!max_len || max_len > h->max_len))
		return -EINVAL;
	h->max_len = (u32)clib_min(max_len, (uword)MAX_LEN);
	return 0;
}

/* ---- take and give back ---- */

/* Cuts [start, start + size) out of free range i, which is in no list; what is left before and
 * after becomes free.  Value: the record of the range, which is i. */
static u32
cut(void *v, u32 i, uword start, uword size)
{
	heap_header_t *h = heap_header(v);
	uword first = heap_offset(elt_at(h, i)), past = first + heap_elt_size(v, elt_at(h, i));
	u32 left;

	if (start > first) {
		left = take_record(h);
		elt_at(h, left)->offset = (u32)first;
		link_records(h, record_before(h, i), left);
		link_records(h, left, i);
		elt_at(h, i)->offset = (u32)start;
		list_free(v, left);
	}
	if (start + size < past) {
		left = take_record(h);
		elt_at(h, left)->offset = (u32)(start + size);
		link_records(h, left, record_after(h, i));
		link_records(h, i, left);
		list_free(v, left);
	}
	return i;
}

/* A free range, in no list, at the end of the vector, that has a multiple of align and room for
 * size elements from there on.  NONE: the vector may not grow so far, or there is no memory. */
static u32
grow(void **v, uword size, uword align)
{
	heap_header_t *h = heap_header(*v);
	uword len = vec_len64(*v), is_free_end = len && heap_is_free(elt_at(h, h->tail));
	uword from = is_free_end ? heap_offset(elt_at(h, h->tail)) : len;
	uword new_len = round_pow2(from, align) + size;
	void *w;
	u32 i;

	if (new_len > (h->max_len ? h->max_len : MAX_LEN))
		return NONE;
	w = _vec_grow(*v, new_len - len, h->elt_bytes, sizeof(heap_header_t), HEAP_DATA_ALIGN,
		      NULL);
	if (!w)
		return NONE;
	*v = w;
	h = heap_header(w);
	if (is_free_end) {
		i = h->tail;
		unlist_free(w, i);
	} else {
		i = take_record(h);
		elt_at(h, i)->offset = (u32)from;
		link_records(h, len ? h->tail : NONE, i);
		link_records(h, i, NONE);
	}
	_vec_len(w) = new_len;
	return i;
}

void *
_heap_alloc(void *v, uword size, uword align, uword elt_bytes, uword *offset, uword *handle)
{
	int is_first = !v;
	uword start;
	u32 i;

	*offset = *handle = ~0ULL;
	if (size == 0 || size > MAX_LEN || align > MAX_LEN)
		return v;
	align = max_pow2(align);
	if (is_first)
		v = _heap_new(0, (u32)elt_bytes);
	if (!v)
		return NULL;
	if (reserve_records(v, N_RECORDS_PER_ALLOC))
		goto no_memory;

	i = find_free(v, size, align, N_LOOKED_AT);
	if (i == NONE) {
		i = grow(&v, size, align);
		if (i == NONE && (i = find_free(v, size, align, ~0ULL)) == NONE)
			goto no_memory;
	}
	if (heap_is_free(elt_at(heap_header(v), i)))
		unlist_free(v, i);
	start = round_pow2(heap_offset(elt_at(heap_header(v), i)), align);
	*handle = cut(v, i, start, size);
	*offset = start;
	heap_header(v)->used_count++;
	return v;

no_memory:
	return is_first ? _heap_free(v) : v;
}

/* Range b, in no list, becomes a part of its left neighbour a. */
static void
merge(heap_header_t *h, u32 a, u32 b)
{
	link_records(h, a, record_after(h, b));
	drop_record(h, b);
}

int
heap_dealloc_checked(void *v, uword handle)
{
	heap_header_t *h;
	u32 i = (u32)handle, left, right;

	if (!v || handle >= vec_len64(heap_header(v)->elts))
		return -EINVAL;
	h = heap_header(v);
	if (heap_is_free(elt_at(h, i)))
		return -EALREADY;
	left = record_before(h, i);
	right = record_after(h, i);
	if (right != NONE && heap_is_free(elt_at(h, right))) {
		unlist_free(v, right);
		merge(h, i, right);
	}
	if (left != NONE && heap_is_free(elt_at(h, left))) {
		unlist_free(v, left);
		merge(h, left, i);
		i = left;
	}
	list_free(v, i);
	h->used_count--;
	return 0;
}

void
heap_dealloc(void *v, uword handle)
{
	int error = heap_dealloc_checked(v, handle);

	if (PREDICT_TRUE(!error))
		return;
	if (v)
		heap_header(v)->n_bad_handles++;
	fprintf(stderr, "heap: dealloc: handle %llu of %p %s (called from %p)\n",
		(unsigned long long)handle, v,
		error == -EALREADY ? "is free already" : "names nothing",
		__builtin_return_address(0));
}

/* ---- looking ---- */

uword
heap_len(const void *v, word handle)
{
	if (heap_is_free_handle(v, (uword)handle))
		return 0;
	return heap_elt_size(v, heap_header(v)->elts + handle);
}

uword
heap_bytes(const void *v)
{
	if (!v)
		return 0;
	return vec_mem_size(v) + vec_mem_size(heap_header(v)->elts) +
	       vec_mem_size(heap_header(v)->free_elts);
}

/* Whether a free range is where its size says: it is first in the list, or its neighbours know
 * it. */
static int
is_listed(const void *v, u32 i)
{
	const heap_header_t *h = heap_header(v);
	heap_elt_t *e = elt_at(h, i);
	u32 bin = bin_of(heap_elt_size(v, e));

	if (e->next_free != NONE &&
	    (e->next_free >= vec_len64(h->elts) || elt_at(h, e->next_free)->prev_free != i))
		return 0;
	if (!(h->non_empty_free_lists[bin / 64] & 1ULL << bin % 64))
		return 0;
	if (e->prev_free == NONE)
		return h->free_lists[bin] == i;
	return e->prev_free < vec_len64(h->elts) && elt_at(h, e->prev_free)->next_free == i;
}

/* Walks the ranges; counts the records it sees, and the used and the free among them. */
static int
check_ranges(const void *v, uword *n_used, uword *n_free)
{
	const heap_header_t *h = heap_header(v);
	uword at = 0, n_records = vec_len64(h->elts);
	u32 before = NONE;

	for (u32 i = h->head; i != NONE; before = i, i = record_after(h, i)) {
		heap_elt_t *e;

		if (i >= n_records || *n_used + *n_free >= n_records)
			return -EUCLEAN;
		e = elt_at(h, i);
		if (e->offset == UNUSED_OFFSET || heap_offset(e) != at ||
		    record_before(h, i) != before || index_of(h, heap_next(e)) >= n_records)
			return -EUCLEAN;
		if (heap_elt_size(v, e) - 1 >= vec_len64(v) - at)
			return -EUCLEAN;
		if (heap_is_free(e) &&
		    ((before != NONE && heap_is_free(elt_at(h, before))) || !is_listed(v, i)))
			return -EUCLEAN;
		at += heap_elt_size(v, e);
		*n_used += !heap_is_free(e);
		*n_free += heap_is_free(e);
	}
	return at == vec_len64(v) && before == h->tail ? 0 : -EUCLEAN;
}

/* Lists hold free ranges only, as many as there are, and the bitmap knows each. */
static int
check_lists(const void *v, uword n_free)
{
	const heap_header_t *h = heap_header(v);
	uword n = 0;

	for (u32 bin = 0; bin < HEAP_N_BINS; bin++) {
		int bit = (h->non_empty_free_lists[bin / 64] >> bin % 64) & 1;

		if (bit != (h->free_lists[bin] != NONE))
			return -EUCLEAN;
		for (u32 i = h->free_lists[bin]; i != NONE; i = elt_at(h, i)->next_free)
			if (++n > n_free || i >= vec_len64(h->elts) ||
			    bin_of(heap_elt_size(v, elt_at(h, i))) != bin)
				return -EUCLEAN;
	}
	return n == n_free ? 0 : -EUCLEAN;
}

int
heap_check(const void *v)
{
	uword n_used = 0, n_free = 0;
	const heap_header_t *h;

	if (!v)
		return 0;
	h = heap_header(v);
	if (vec_len64(v) && check_ranges(v, &n_used, &n_free))
		return -EUCLEAN;
	if (check_lists(v, n_free) || n_used != h->used_count ||
	    n_used + n_free + vec_len64(h->free_elts) != vec_len64(h->elts))
		return -EUCLEAN;
	for (uword k = 0; k < vec_len64(h->free_elts); k++)
		if (h->free_elts[k] >= vec_len64(h->elts) ||
		    elt_at(h, h->free_elts[k])->offset != UNUSED_OFFSET)
			return -EUCLEAN;
	return 0;
}

void
heap_validate(const void *v)
{
	if (heap_check(v))
		clib_assert_failed(__FILE__, __LINE__, __func__, "ranges, records and lists agree");
}
