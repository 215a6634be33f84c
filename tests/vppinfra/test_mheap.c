/* SPDX-License-Identifier: Apache-2.0 */
#include <vppinfra/mem.h>
#include <vppinfra/vec.h>
#include "heap_helpers.h"

/* ---- layout ---- */

/* The source's worked example: its region, its header size, its addresses. */
static void
layout_reproduces_the_worked_example(void)
{
	uword am = 0x7ffff3a0ff54, size = MiB(64);
	mheap_layout_t l = mheap_layout(am, size, 0x7a0, 4096);

	CU_ASSERT_EQUAL(l.header, 0x7ffff3a10860);
	CU_ASSERT_EQUAL(l.vector, 0x7ffff3a11000);
	CU_ASSERT_EQUAL(l.vector - am, 0x10ac);
	CU_ASSERT_EQUAL(l.size, am + size - l.vector);
}

/* A region that is page aligned already loses exactly one page; the header may need more. */
static void
layout_of_other_regions(void)
{
	mheap_layout_t l = mheap_layout(0x10000, MiB(64), 0x7a0, 4096);

	CU_ASSERT_EQUAL(l.vector, 0x11000);
	CU_ASSERT_EQUAL(l.size, 67104768);
	l = mheap_layout(0x10000 - 0x7a0, MiB(1), 0x7a0, 4096);
	CU_ASSERT_EQUAL(l.header, 0x10000 - 0x7a0);
	CU_ASSERT_EQUAL(l.vector, 0x10000);
	l = mheap_layout(0x10000, MiB(1), 4097, 4096);
	CU_ASSERT_EQUAL(l.vector, 0x12000);
	CU_ASSERT_EQUAL(l.header, 0x12000 - 4097);
	CU_ASSERT_EQUAL(mheap_layout(0x10000, 4096, 0x7a0, 4096).size, 0);
	CU_ASSERT_EQUAL(mheap_layout(0x10000, 4097, 0x7a0, 4096).size, 1);
	CU_ASSERT_EQUAL(mheap_layout(0x10001, 100, 0x7a0, 4096).size, 0);
}

/* Core readers and other processes depend on the bits: they are frozen. */
static void
element_header_bits_are_frozen(void)
{
	mheap_elt_t e;
	u64 *words = (u64 *)&e;

	memset(&e, 0, sizeof(e));
	e.prev_n_user_data = 0x123456789a;
	e.prev_is_free = 1;
	e.tag = 0xbeef;
	CU_ASSERT_EQUAL(words[0], 0x123456789aULL | 1ULL << 40 | 0xbeefULL << 48);
	e.n_user_data = MHEAP_N_USER_DATA_INVALID;
	CU_ASSERT_EQUAL(words[1], (1ULL << 40) - 1);
	e.is_free = 1;
	CU_ASSERT_EQUAL(words[1] >> 40, 1);
	e.is_free = 0;
	e.is_reclaimed = 1;
	CU_ASSERT_EQUAL(words[1] >> 40, 2);
	CU_ASSERT_EQUAL(sizeof(mheap_elt_t), 32);
	CU_ASSERT_EQUAL(MHEAP_GROUNDED, ~0ULL);
}

/* A heap is a byte vector: page aligned, and its length is what is in use. */
static void
a_heap_is_a_vector(void)
{
	void *v = heap_of(MiB(1));
	uword offset;

	CU_ASSERT_EQUAL((uword)v % 4096, 0);
	CU_ASSERT_PTR_EQUAL(mheap_vector(mheap_header(v)), v);
	CU_ASSERT_EQUAL(mheap_max_size(v), MiB(1) - 4096);
	CU_ASSERT_EQUAL(mheap_max_size(NULL), ~(uword)0);
	CU_ASSERT_EQUAL(mheap_trim(NULL), 0);
	CU_ASSERT_EQUAL(mheap_check(NULL, NULL, 0), 0);
	mheap_validate(NULL);
	CU_ASSERT_EQUAL(_vec_find(v)->len, MHEAP_ELT_OVERHEAD_BYTES);
	CU_ASSERT_EQUAL(_vec_find(v)->magic, VEC_HEADER_MAGIC);
	offset = get(v, 100);
	CU_ASSERT_EQUAL(offset, 16);
	CU_ASSERT_EQUAL(_vec_find(v)->len, 16 + 112 + 16);
	CU_ASSERT_EQUAL(mheap_bytes(v), MHEAP_HEADER_BYTES + 16 + 112 + 16);
	CU_ASSERT_EQUAL(mheap_data_bytes(v, offset), 112);
	CU_ASSERT_EQUAL(mheap_len(v, (u32 *)((u8 *)v + offset)), 28);
	CU_ASSERT_EQUAL(mheap_elt_uoffset(v, mheap_elt_at_uoffset(v, offset)), offset);
	mheap_free(v);
	CU_ASSERT_PTR_NULL(v);
	mheap_free(v);
}

/* ---- bins ---- */

/* Every size falls into a bin that begins at or below it, bins begin where they say. */
static void
bins_cover_every_size(void)
{
	uword last = 0;

	for (uword n = 1; n <= KiB(64); n++) {
		uword bin = mheap_bin_of_size(n);

		if (bin < last || bin > last + 1 || (n >= 16 && mheap_bin_bytes(bin) > n))
			CU_FAIL("bin of a size");
		last = bin;
	}
	for (uword bin = 0; bin < MHEAP_N_BINS; bin++) {
		CU_ASSERT_EQUAL(mheap_bin_of_size(mheap_bin_bytes(bin)), bin);
		if (bin)
			CU_ASSERT_EQUAL(mheap_bin_of_size(mheap_bin_bytes(bin) - 1), bin - 1);
	}
	CU_ASSERT_EQUAL(mheap_bin_of_size(1024), MHEAP_N_SMALL_OBJECT_BINS - 1);
	CU_ASSERT_EQUAL(mheap_bin_bytes(MHEAP_N_BINS - 1), 15 * (GiB(1) << 6));
	CU_ASSERT_EQUAL(mheap_bin_of_size(GiB(1) << 13), MHEAP_N_BINS - 1);
	CU_ASSERT_EQUAL(MHEAP_N_BINS, 304);
}

/* ---- get ---- */

/* What was asked for is there, 16-byte aligned, and never smaller than the links. */
static void
sizes_are_rounded_up_to_16(void)
{
	void *v = heap_of(MiB(8));

	for (uword n = 0; n < 3000; n++) {
		uword offset = get(v, n), want = round_pow2(n ? n : 1, 16);

		if (offset % 16 || mheap_data_bytes(v, offset) != want)
			CU_FAIL("size or alignment");
	}
	CU_ASSERT(is_whole(v));
	CU_ASSERT_EQUAL(mheap_elts(v), 3000);
	mheap_free(v);
}

/* A4: each pair of alignment and offset, from fresh ground and from a list, keeps its promise. */
static void
every_alignment_and_offset_up_to_a_page(void)
{
	static const uword sizes[] = { 1, 24, 200, 1500 };
	void *v = heap_of(MiB(64));
	uword n_wrong = 0, n_pairs = 0, offset, kept[8];

	for (uword align = 1; align <= 4096; align *= 2) {
		for (uword ao = 0; ao < clib_max(align, (uword)8); ao += 8) {
			n_pairs++;
			for (uword i = 0; i < ARRAY_LEN(kept); i++) {
				uword n = sizes[i % ARRAY_LEN(sizes)];

				mheap_get_aligned(v, n, align, ao, &offset);
				kept[i] = offset;
				n_wrong += (offset + ao) % align != 0 || offset % 8 != 0 ||
					   mheap_data_bytes(v, offset) < n;
				if (offset != NOTHING)
					memset((u8 *)v + offset, 0xa5, n);
			}
			/* Every other one stays, so the next pair meets holes. */
			for (uword i = 0; i < ARRAY_LEN(kept); i += 2)
				n_wrong += mheap_put_checked(v, kept[i]) != 0;
			if (n_pairs % 64 == 0 && !is_whole(v))
				n_wrong++;
		}
	}
	CU_ASSERT_EQUAL(n_pairs, 3 + 1023);
	CU_ASSERT_EQUAL(n_wrong, 0);
	CU_ASSERT(is_whole(v));
	mheap_free(v);
}

/* Odd wishes: no power of two counts as the one below, an offset is taken modulo the alignment,
 * one that is not a multiple of 8 is refused. */
static void
alignment_is_made_sense_of(void)
{
	void *v = heap_of(MiB(1));
	uword offset;

	get(v, 1);
	mheap_get_aligned(v, 10, 100, 0, &offset);
	CU_ASSERT_EQUAL(offset % 64, 0);
	mheap_get_aligned(v, 10, 64, 64 + 16, &offset);
	CU_ASSERT_EQUAL((offset + 16) % 64, 0);
	mheap_get_aligned(v, 10, 8, 24, &offset);
	CU_ASSERT_EQUAL(offset % 16, 0);
	mheap_get_aligned(v, 10, 16, 2, &offset);
	CU_ASSERT_EQUAL(offset, NOTHING);
	mheap_get_aligned(v, 10, 1, 2, &offset);
	CU_ASSERT_EQUAL(offset, NOTHING);
	CU_ASSERT_EQUAL(mheap_header(v)->stats.n_get_failures, 2);
	CU_ASSERT(is_whole(v));
	mheap_free(v);
}

/* An object 8 bytes off the usual alignment leaves its neighbours on 16, before and after. */
static void
objects_off_by_8_do_not_spread(void)
{
	void *v = heap_of(MiB(1));
	uword left = get(v, 32), odd[4], right, used;

	for (int i = 0; i < 4; i++) {
		mheap_get_aligned(v, 40, 64, 8, &odd[i]);
		CU_ASSERT_EQUAL((odd[i] + 8) % 64, 0);
	}
	right = get(v, 32);
	CU_ASSERT_EQUAL(right % 16, 0);
	/* Fill the gaps, so that an odd object has a used left neighbour when it is put. */
	while (n_free_elts(v))
		CU_ASSERT_EQUAL_FATAL(get(v, 16) % 16, 0);
	CU_ASSERT(is_whole(v));
	used = mheap_header(v)->n_used_bytes;
	CU_ASSERT_EQUAL(mheap_put_checked(v, odd[1]), 0);
	CU_ASSERT(is_whole(v));
	CU_ASSERT(mheap_header(v)->n_used_bytes < used);
	CU_ASSERT_NOT_EQUAL(mheap_put_checked(v, odd[1]), 0);
	CU_ASSERT_EQUAL(get(v, 32) % 16, 0);
	CU_ASSERT_EQUAL(mheap_put_checked(v, odd[2]), 0);
	CU_ASSERT_EQUAL(mheap_put_checked(v, left), 0);
	CU_ASSERT_EQUAL(mheap_put_checked(v, right), 0);
	CU_ASSERT(is_whole(v));
	mheap_free(v);
}

/* VPP's promise ends at the page because v is only page aligned.  Here the address keeps it. */
static void
alignment_above_the_page_is_the_address(void)
{
	static u8 memory[MiB(1)];
	void *v = heap_of(GiB(1)), *w = mheap_alloc(memory, sizeof(memory));
	uword offset;

	for (uword align = 8192; align <= MiB(128); align *= 2) {
		get(v, 5000);
		mheap_get_aligned(v, 100, align, 0, &offset);
		CU_ASSERT_EQUAL(((uword)v + offset) % align, 0);
		mheap_get_aligned(v, 100, align, 4096 + 8, &offset);
		CU_ASSERT_EQUAL(((uword)v + offset + 4096 + 8) % align, 0);
		/* In a mapping of the heap's own v is aligned too, so it holds for the offset. */
		if (align <= MiB(2))
			CU_ASSERT_EQUAL((offset + 4096 + 8) % align, 0);
	}
	CU_ASSERT(is_whole(v));
	mheap_get_aligned(w, 100, 65536, 0, &offset);
	CU_ASSERT_EQUAL(((uword)w + offset) % 65536, 0);
	mheap_get_aligned(v, 100, 1ULL << 63, 0, &offset);
	CU_ASSERT_EQUAL(offset, NOTHING);
	mheap_free(w);
	mheap_free(v);
}

/* A refused request leaves the heap as it was: nothing taken, every list still whole. */
static void
get_refuses_what_cannot_fit(void)
{
	static const uword sizes[] = { MiB(1),         MiB(2),     ~(uword)0,
				       ~(uword)0 - 15, 1ULL << 63, MiB(1) - 4096 };
	void *v = heap_of(MiB(1));
	uword offset = get(v, 100), bytes;

	get(v, 100);
	mheap_put(v, offset);
	bytes = mheap_bytes(v);
	for (uword i = 0; i < ARRAY_LEN(sizes); i++) {
		mheap_get_aligned(v, sizes[i], 64, 0, &offset);
		CU_ASSERT_EQUAL(offset, NOTHING);
		CU_ASSERT_EQUAL(get(v, sizes[i]), NOTHING);
	}
	CU_ASSERT_EQUAL(mheap_elts(v), 1);
	CU_ASSERT_EQUAL(mheap_bytes(v), bytes);
	CU_ASSERT_EQUAL(n_free_elts(v), 1);
	CU_ASSERT_EQUAL(mheap_header(v)->stats.n_get_failures, 2 * ARRAY_LEN(sizes));
	CU_ASSERT(is_whole(v));
	/* The largest that does fit, to the byte. */
	offset = get(v, mheap_max_size(v) - _vec_find(v)->len - 16);
	CU_ASSERT_NOT_EQUAL(offset, NOTHING);
	CU_ASSERT_EQUAL(_vec_find(v)->len, mheap_max_size(v));
	CU_ASSERT(is_whole(v));
	mheap_free(v);
}

/* The figure VPP has for its own: 1023 objects of 64 KiB in 64 MiB.  Then puts make room again. */
static void
a_full_heap_takes_back(void)
{
	static uword offsets[1100];
	void *v = heap_of(MiB(64));
	uword n = 0;

	while (n < ARRAY_LEN(offsets) && (offsets[n] = get(v, KiB(64))) != NOTHING)
		n++;
	CU_ASSERT_EQUAL(n, 1023);
	mheap_put(v, offsets[500]);
	CU_ASSERT_EQUAL(get(v, KiB(64)), offsets[500]);
	CU_ASSERT_EQUAL(get(v, KiB(64)), NOTHING);
	CU_ASSERT(is_whole(v));
	mheap_free(v);
}

/* A heap at its limit still finds what lies in the request's own range of sizes. */
static void
a_full_heap_looks_closer(void)
{
	void *v = heap_of(MiB(1));
	uword fits = get(v, 5000), small[5];

	get(v, 16);
	for (int i = 0; i < 5; i++) {
		small[i] = get(v, 4700);
		get(v, 16);
	}
	CU_ASSERT_EQUAL(mheap_bin_of_size(5000), mheap_bin_of_size(4700));
	CU_ASSERT_NOT_EQUAL(get(v, mheap_max_size(v) - _vec_find(v)->len - 16), NOTHING);
	/* The five lie before it in the list. */
	mheap_put(v, fits);
	for (int i = 0; i < 5; i++)
		mheap_put(v, small[i]);
	CU_ASSERT_EQUAL(get(v, 5000), fits);
	CU_ASSERT_EQUAL(get(v, 5000), NOTHING);
	CU_ASSERT(is_whole(v));
	mheap_free(v);
}

/* The one that came back last goes out first, and a larger one is split low, the rest free. */
static void
reuse_is_last_in_first_out_and_low(void)
{
	void *v = heap_of(MiB(1));
	uword a = get(v, 64), b, c;

	get(v, 16);
	b = get(v, 64);
	get(v, 16);
	c = get(v, 640);
	get(v, 16);
	mheap_put(v, a);
	mheap_put(v, b);
	CU_ASSERT_EQUAL(get(v, 64), b);
	CU_ASSERT_EQUAL(get(v, 64), a);
	mheap_put(v, c);
	CU_ASSERT_EQUAL(get(v, 64), c);
	CU_ASSERT_EQUAL(get(v, 64), c + 80);
	/* A rest too small for an element goes with the object. */
	mheap_put(v, a);
	a = get(v, 48);
	CU_ASSERT_EQUAL(mheap_data_bytes(v, a), 64);
	CU_ASSERT(is_whole(v));
	mheap_free(v);
}

/* A6: freed in any order, all that remains is one free element, or an empty vector. */
static void
neighbours_merge_both_ways(void)
{
	enum { N = 2000 };
	static uword offsets[N];
	void *v = heap_of(MiB(4));
	u64 seed = unit_seed();
	uword last;

	for (uword i = 0; i < N; i++)
		offsets[i] = get(v, 1 + unit_random_below(&seed, 1000));
	last = get(v, 16);
	for (uword n = N; n > 0; n--) {
		uword i = unit_random_below(&seed, n);

		mheap_put(v, offsets[i]);
		offsets[i] = offsets[n - 1];
	}
	CU_ASSERT_EQUAL(n_free_elts(v), 1);
	CU_ASSERT_EQUAL(mheap_elts(v), 1);
	CU_ASSERT(is_whole(v));
	mheap_put(v, last);
	CU_ASSERT_EQUAL(n_free_elts(v), 0);
	CU_ASSERT_EQUAL(_vec_find(v)->len, MHEAP_ELT_OVERHEAD_BYTES);
	CU_ASSERT(is_whole(v));
	mheap_free(v);
}

/* ---- extend ---- */

/* A vector that grows stays where it is as long as what lies right of it is free, and moves when it
 * is not. */
static void
a_growing_vector_stays_in_place(void)
{
	void *v = heap_of(MiB(4)), *old_heap = clib_mem_set_heap(v);
	u32 *numbers = NULL, *first;
	void *right;

	vec_validate(numbers, 9);
	right = clib_mem_alloc(KiB(512));
	clib_mem_alloc(16);
	clib_mem_free(right);
	first = numbers;
	for (u32 n = 10; n < KiB(60); n++)
		vec_add1(numbers, n);
	CU_ASSERT_PTR_EQUAL(numbers, first);
	for (u32 i = 10; i < vec_len(numbers); i++)
		CU_ASSERT_FATAL(numbers[i] == i);
	for (u32 n = KiB(60); n < KiB(140); n++)
		vec_add1(numbers, n);
	CU_ASSERT_PTR_NOT_EQUAL(numbers, first);
	CU_ASSERT_EQUAL(numbers[KiB(140) - 1], KiB(140) - 1);
	vec_free(numbers);
	CU_ASSERT(is_whole(v));
	CU_ASSERT_EQUAL(mheap_elts(v), 1);
	clib_mem_set_heap(old_heap);
	mheap_free(v);
}

/* An object grows where it lies: into the end, into a free neighbour, and otherwise not. */
static void
extend_grows_in_place(void)
{
	void *v = heap_of(MiB(1));
	uword a = get(v, 64), b = get(v, 1000), c = get(v, 64);

	memset((u8 *)v + a, 0x11, 64);
	CU_ASSERT_EQUAL(mheap_extend(v, a, 64), 0);
	CU_ASSERT_EQUAL(mheap_extend(v, a, 65), -ENOMEM);
	CU_ASSERT_EQUAL(mheap_data_bytes(v, a), 64);
	CU_ASSERT_EQUAL(mheap_extend(v, c, 5000), 0);
	CU_ASSERT_EQUAL(mheap_data_bytes(v, c), 5008);
	CU_ASSERT(is_whole(v));
	mheap_put(v, b);
	CU_ASSERT_EQUAL(mheap_extend(v, a, 300), 0);
	CU_ASSERT_EQUAL(mheap_data_bytes(v, a), 304);
	CU_ASSERT(is_whole(v));
	CU_ASSERT_EQUAL(mheap_extend(v, a, 64 + 16 + 1008 + 1), -ENOMEM);
	CU_ASSERT_EQUAL(mheap_extend(v, a, 64 + 16 + 1008), 0);
	CU_ASSERT_EQUAL(n_free_elts(v), 0);
	CU_ASSERT_EQUAL(((u8 *)v)[a + 63], 0x11);
	CU_ASSERT_EQUAL(mheap_extend(v, a + 16, 100), -EINVAL);
	CU_ASSERT_EQUAL(mheap_extend(v, b, 100), -EINVAL);
	CU_ASSERT_EQUAL(mheap_extend(v, c, MiB(2)), -ENOMEM);
	CU_ASSERT_EQUAL(mheap_extend(v, c, ~(uword)0), -ENOMEM);
	CU_ASSERT_EQUAL(mheap_elts(v), 2);
	CU_ASSERT(is_whole(v));
	mheap_free(v);
}

/* ---- looking ---- */

typedef struct {
	uword n, last, n_bytes, stop_after;
} visit_t;

static uword
visit(void *arg, void *v, void *data, uword size)
{
	visit_t *a = arg;

	CU_ASSERT((uword)data > a->last);
	a->last = (uword)data;
	a->n_bytes += size;
	return ++a->n == a->stop_after;
}

/* foreach meets used objects only, in address order, and stops when told. */
static void
foreach_meets_live_objects_in_order(void)
{
	void *v = heap_of(MiB(1));
	uword a[10];
	visit_t all = { 0 }, some = { .stop_after = 3 };

	for (int i = 0; i < 10; i++)
		a[i] = get(v, 64);
	mheap_put(v, a[2]);
	mheap_put(v, a[5]);
	mheap_foreach(v, visit, &all);
	CU_ASSERT_EQUAL(all.n, 8);
	CU_ASSERT_EQUAL(all.n_bytes, 8 * 64);
	mheap_foreach(v, visit, &some);
	CU_ASSERT_EQUAL(some.n, 3);
	mheap_foreach(NULL, visit, &some);
	CU_ASSERT_EQUAL(some.n, 3);
	mheap_free(v);
}

static uword
put_it(void *arg, void *v, void *data, uword size)
{
	*(uword *)arg += 1;
	mheap_put(v, (uword)data - (uword)v);
	return 0;
}

static uword
put_two_of_three(void *arg, void *v, void *data, uword size)
{
	return *(uword *)arg % 3 ? put_it(arg, v, data, size) : !++*(uword *)arg;
}

static uword
get_one_more(void *arg, void *v, void *data, uword size)
{
	*(uword *)arg += 1;
	get(v, 100);
	return 0;
}

/* What is met may be put, small and large, next to free ones or not; what is got on the way may
 * be met, but the walk ends. */
static void
foreach_may_put_and_get(void)
{
	void *v = heap_of(MiB(64));
	uword offsets[100], n;

	for (int part = 0; part < 2; part++) {
		for (int i = 0; i < 100; i++)
			offsets[i] = get(v, i % 7 ? 64 : KiB(300));
		for (int i = 0; i < 100; i += 4)
			mheap_put(v, offsets[i]);
		n = 0;
		mheap_foreach(v, part ? put_two_of_three : put_it, &n);
		CU_ASSERT_EQUAL(n, 75);
		CU_ASSERT_EQUAL(mheap_elts(v), part ? 25 : 0);
		CU_ASSERT(is_whole(v));
	}
	n = 0;
	mheap_foreach(v, get_one_more, &n);
	CU_ASSERT(n >= 25);
	CU_ASSERT_EQUAL(mheap_elts(v), 25 + n);
	CU_ASSERT(is_whole(v));
	mheap_free(v);
}

/* Usage adds up: used, free and overhead are all there is. */
static void
usage_adds_up(void)
{
	void *v = heap_of(MiB(1));
	clib_mem_usage_t u;
	uword a = get(v, 500);

	get(v, 100);
	mheap_put(v, a);
	mheap_usage(v, &u);
	CU_ASSERT_EQUAL(u.object_count, 1);
	CU_ASSERT_EQUAL(u.bytes_used, 112);
	CU_ASSERT_EQUAL(u.bytes_free, 512);
	CU_ASSERT_EQUAL(u.bytes_overhead, MHEAP_HEADER_BYTES + 3 * MHEAP_ELT_OVERHEAD_BYTES);
	CU_ASSERT_EQUAL(u.bytes_total, u.bytes_used + u.bytes_free + u.bytes_overhead);
	CU_ASSERT_EQUAL(u.bytes_max, mheap_max_size(v));
	CU_ASSERT_EQUAL(u.bytes_free_reclaimed, 0);
	mheap_usage(NULL, &u);
	CU_ASSERT_EQUAL(u.bytes_total, 0);
	mheap_free(v);
}

/* A2: the fields VPP shows are there, and the bitmap says what the lists say. */
static void
bitmap_and_lists_agree(void)
{
	void *v = heap_of(MiB(1));
	mheap_t *h = mheap_header(v);
	uword a = get(v, 48), bin = mheap_bin_of_size(48);

	get(v, 16);
	CU_ASSERT_EQUAL(h->first_free_elt_uoffset_by_bin[bin], MHEAP_GROUNDED);
	CU_ASSERT_EQUAL(h->non_empty_free_elt_heads[bin / 64] & (1ULL << bin % 64), 0);
	mheap_put(v, a);
	CU_ASSERT_EQUAL(h->first_free_elt_uoffset_by_bin[bin], a);
	CU_ASSERT_NOT_EQUAL(h->non_empty_free_elt_heads[bin / 64] & (1ULL << bin % 64), 0);
	CU_ASSERT_EQUAL(h->n_elts, 1);
	CU_ASSERT_EQUAL(h->stats.n_gets, 2);
	CU_ASSERT_EQUAL(h->stats.n_puts, 1);
	CU_ASSERT_EQUAL(h->stats.n_vector_expands, 2);
	CU_ASSERT_EQUAL(h->stats.free_list.n_search_attempts, 2);
	CU_ASSERT_EQUAL(h->stats.free_list.n_objects_found, 0);
	CU_ASSERT_EQUAL(get(v, 48), a);
	CU_ASSERT_EQUAL(h->stats.free_list.n_objects_found, 1);
	mheap_free(v);
}

/* ---- flags and failures ---- */

/* With VALIDATE each get and put is followed by a full check, and counted. */
static void
the_validate_flag_validates(void)
{
	void *v = mheap_alloc_with_flags(NULL, MiB(1), MHEAP_FLAG_VALIDATE);
	uword a = get(v, 10);

	CU_ASSERT_EQUAL(mheap_header(v)->validate_serial, 2);
	mheap_put(v, a);
	CU_ASSERT_EQUAL(mheap_header(v)->validate_serial, 4);
	mheap_validate(v);
	CU_ASSERT_EQUAL(mheap_header(v)->validate_serial, 5);
	mheap_free(v);
}

/* VPP: TRACE at creation means nothing; memory of the caller's means no give-back. */
static void
flags_at_creation(void)
{
	static u8 memory[KiB(64)];
	void *v = mheap_alloc_with_flags(NULL, MiB(1), MHEAP_FLAG_TRACE | MHEAP_FLAG_THREAD_SAFE);
	void *w = mheap_alloc(memory, sizeof(memory));

	CU_ASSERT_EQUAL(mheap_header(v)->flags, MHEAP_FLAG_THREAD_SAFE);
	CU_ASSERT_EQUAL(mheap_header(w)->flags, MHEAP_FLAG_DISABLE_VM);
	mheap_free(v);
	v = heap_of(MiB(1));
	CU_ASSERT_EQUAL(mheap_header(v)->flags, 0);
	mheap_free(v);
	mheap_free(w);
}

/* The n-th get fails on demand, once or with all that follow, and nothing changes. */
static void
gets_fail_on_demand(void)
{
	void *v = heap_of(MiB(1));

	mheap_fail_get_after(3);
	CU_ASSERT_NOT_EQUAL(get(v, 16), NOTHING);
	CU_ASSERT_NOT_EQUAL(get(v, 16), NOTHING);
	CU_ASSERT_EQUAL(get(v, 16), NOTHING);
	CU_ASSERT_NOT_EQUAL(get(v, 16), NOTHING);
	mheap_fail_get_after(1);
	mheap_fail_get_after(0);
	CU_ASSERT_NOT_EQUAL(get(v, 16), NOTHING);
	mheap_fail_gets_after(2);
	CU_ASSERT_NOT_EQUAL(get(v, 16), NOTHING);
	CU_ASSERT_EQUAL(get(v, 16), NOTHING);
	CU_ASSERT_EQUAL(get(v, 16), NOTHING);
	mheap_fail_gets_after(0);
	CU_ASSERT_NOT_EQUAL(get(v, 16), NOTHING);
	CU_ASSERT_EQUAL(mheap_elts(v), 6);
	CU_ASSERT(is_whole(v));
	mheap_free(v);
}

/* As in VPP, a get from no heap makes one of 64 MiB. */
static void
get_from_null_makes_a_heap(void)
{
	uword offset;
	void *v = mheap_get(NULL, 100, &offset);

	CU_ASSERT_PTR_NOT_NULL_FATAL(v);
	CU_ASSERT_EQUAL(mheap_max_size(v), MiB(64) - 4096);
	CU_ASSERT_EQUAL(mheap_elts(v), 1);
	mheap_free(v);
}

/* ---- constant time ---- */

/* Objects of mixed sizes with every other one freed: n_free holes in the lists. */
static void *
heap_with_holes(uword n_free, u64 *seed)
{
	void *v = heap_of(GiB(4));
	uword *offsets = malloc(n_free * sizeof(offsets[0]));

	CU_ASSERT_PTR_NOT_NULL_FATAL(offsets);
	for (uword i = 0; i < n_free; i++) {
		/* One in eight is large, to fill the bins that are ranges. */
		offsets[i] = get(v, 16 + unit_random_below(seed, i % 8 ? 300 : 2000));
		get(v, 16);
	}
	for (uword i = 0; i < n_free; i++)
		mheap_put(v, offsets[i]);
	free(offsets);
	return v;
}

/* A5: whatever hangs in the lists, one get looks at no more elements than the constant says.
 * Sizes above all of them, within them, aligned or not: the worst single get is recorded. */
static uword
worst_get(uword n_free)
{
	u64 seed = 42, before;
	void *v = heap_with_holes(n_free, &seed);
	mheap_t *h = mheap_header(v);
	uword worst = 0, offset;

	for (uword i = 0; i < 3000; i++) {
		uword align = 1ULL << unit_random_below(&seed, 13);
		uword n = unit_random_below(&seed, 3) ? 900 + unit_random_below(&seed, 1400)
						      : 1 + unit_random_below(&seed, 4000);

		before = h->stats.free_list.n_objects_searched;
		mheap_get_aligned(v, n, i % 2 ? align : 0, 0, &offset);
		CU_ASSERT_NOT_EQUAL(offset, NOTHING);
		worst = clib_max(worst, h->stats.free_list.n_objects_searched - before);
	}
	/* And when the heap may not grow. */
	h->max_size = _vec_find(v)->len;
	for (uword i = 0; i < 3000; i++) {
		before = h->stats.free_list.n_objects_searched;
		mheap_get_aligned(v, 1700 + unit_random_below(&seed, 400), 256, 0, &offset);
		worst = clib_max(worst, h->stats.free_list.n_objects_searched - before);
	}
	CU_ASSERT_EQUAL(h->stats.free_list.n_search_attempts, h->stats.n_gets);
	mheap_free(v);
	return worst;
}

static void
the_worst_get_does_not_grow_with_the_heap(void)
{
	static const uword n_free[] = { 1000, 30000, 1000000 };

	for (uword i = 0; i < ARRAY_LEN(n_free); i++) {
		uword worst = worst_get(n_free[i]);

		printf("%lu free elements: at most %lu looked at in one get\n", n_free[i], worst);
		/* 3 of the own bin, 1 certain to fit, 32 as the last resort of a full heap. */
		CU_ASSERT(worst <= 3 + 1 + 32);
		CU_ASSERT(worst > 0);
	}
}

static const unit_test_t tests[] = {
	UNIT(layout_reproduces_the_worked_example),
	UNIT(layout_of_other_regions),
	UNIT(element_header_bits_are_frozen),
	UNIT(a_heap_is_a_vector),
	UNIT(bins_cover_every_size),
	UNIT(sizes_are_rounded_up_to_16),
	UNIT(every_alignment_and_offset_up_to_a_page),
	UNIT(alignment_is_made_sense_of),
	UNIT(objects_off_by_8_do_not_spread),
	UNIT(alignment_above_the_page_is_the_address),
	UNIT(get_refuses_what_cannot_fit),
	UNIT(a_full_heap_takes_back),
	UNIT(a_full_heap_looks_closer),
	UNIT(reuse_is_last_in_first_out_and_low),
	UNIT(neighbours_merge_both_ways),
	UNIT(extend_grows_in_place),
	UNIT(a_growing_vector_stays_in_place),
	UNIT(foreach_meets_live_objects_in_order),
	UNIT(foreach_may_put_and_get),
	UNIT(usage_adds_up),
	UNIT(bitmap_and_lists_agree),
	UNIT(the_validate_flag_validates),
	UNIT(flags_at_creation),
	UNIT(gets_fail_on_demand),
	UNIT(get_from_null_makes_a_heap),
	UNIT(the_worst_get_does_not_grow_with_the_heap),
};

int
main(void)
{
	return unit_run("mheap", tests, ARRAY_LEN(tests));
}
