/* SPDX-License-Identifier: Apache-2.0 */
/* What an mheap does about mistakes: wrong puts, overruns, use after free, memory that is not its
 * own, headers that were changed. */
#include <sys/mman.h>
#include <unistd.h>
#include "heap_helpers.h"

/* ---- wrong puts ---- */

/* Each wrong offset is refused with its own error, counted, and harmless. */
static void
wrong_puts_are_refused(void)
{
	void *v = heap_of(MiB(1));
	uword a = get(v, 64), b = get(v, 64), c = get(v, 1000), d = get(v, 64), e = get(v, 64);

	memset((u8 *)v + c, 0xff, 1000);
	CU_ASSERT_EQUAL(mheap_put_checked(v, b), 0);
	CU_ASSERT_EQUAL(mheap_put_checked(v, b), -EALREADY);
	/* Free and merged away. */
	CU_ASSERT_EQUAL(mheap_put_checked(v, a), 0);
	CU_ASSERT_EQUAL(mheap_put_checked(v, a), -EALREADY);
	CU_ASSERT_EQUAL(mheap_put_checked(v, b), -EALREADY);
	/* The last element: the vector ends below it now. */
	CU_ASSERT_EQUAL(mheap_put_checked(v, e), 0);
	CU_ASSERT_EQUAL(mheap_put_checked(v, e), -EALREADY);
	CU_ASSERT_EQUAL(mheap_put_checked(v, c + 16), -EINVAL);
	CU_ASSERT_EQUAL(mheap_put_checked(v, c + 8), -EINVAL);
	CU_ASSERT_EQUAL(mheap_put_checked(v, c + 1), -EINVAL);
	CU_ASSERT_EQUAL(mheap_put_checked(v, 0), -EINVAL);
	CU_ASSERT_EQUAL(mheap_put_checked(v, 8), -EINVAL);
	CU_ASSERT_EQUAL(mheap_put_checked(v, MiB(512)), -EINVAL);
	CU_ASSERT_EQUAL(mheap_put_checked(v, ~(uword)0), -EINVAL);
	CU_ASSERT_EQUAL(mheap_put_checked(v, ~(uword)7), -EINVAL);
	CU_ASSERT_EQUAL(mheap_header(v)->stats.n_bad_puts, 12);
	CU_ASSERT_EQUAL(mheap_elts(v), 2);
	CU_ASSERT_EQUAL(mheap_offset_is_valid(v, c), 1);
	CU_ASSERT_EQUAL(mheap_offset_is_valid(v, a), 0);
	CU_ASSERT_EQUAL(mheap_offset_is_valid(v, c + 16), 0);
	CU_ASSERT_EQUAL(mheap_object_bytes(v, d), 64);
	CU_ASSERT(is_whole(v));
	mheap_free(v);
}

/* No offset at all but those of live objects passes for one, whatever lay there before. */
static void
only_live_objects_are_objects(void)
{
	enum { N = 500 };
	static uword offsets[N];
	static u8 is_live[MiB(1)];
	void *v = heap_of(MiB(1));
	u64 seed = unit_seed();
	uword n_wrong = 0;

	for (int round = 0; round < 8; round++) {
		for (uword i = 0; i < N; i++) {
			offsets[i] = get(v, 1 + unit_random_below(&seed, 900));
			is_live[offsets[i]] = 1;
		}
		for (uword i = 0; i < N; i++) {
			if (unit_random_below(&seed, 8)) {
				is_live[offsets[i]] = 0;
				mheap_put(v, offsets[i]);
			}
		}
		for (uword uo = 0; uo < sizeof(is_live); uo++)
			n_wrong += mheap_offset_is_valid(v, uo) != is_live[uo];
	}
	CU_ASSERT_EQUAL(n_wrong, 0);
	CU_ASSERT(is_whole(v));
	mheap_free(v);
}

/* VPP's cache of small objects took the same one twice, and two later gets returned the same
 * memory.  Here the second put is refused, for every size that cache held. */
static void
a_double_put_hands_nothing_out_twice(void)
{
	static const uword flags[] = { 0, MHEAP_FLAG_SMALL_OBJECT_CACHE };

	for (uword f = 0; f < ARRAY_LEN(flags); f++) {
		void *v = mheap_alloc_with_flags(NULL, MiB(4), flags[f]);

		CU_ASSERT_PTR_NOT_NULL_FATAL(v);
		for (uword n = 8; n <= 1028; n += 4) {
			uword offset = get(v, n), a, b;

			get(v, 16);
			CU_ASSERT_EQUAL(mheap_put_checked(v, offset), 0);
			CU_ASSERT_EQUAL(mheap_put_checked(v, offset), -EALREADY);
			a = get(v, n);
			b = get(v, n);
			CU_ASSERT(b >= a + n || b + n <= a);
		}
		CU_ASSERT(is_whole(v));
		mheap_free(v);
	}
}

/* VPP's mheap_put returns nothing: the handler hears of it, with the place it was called from. */
static void
a_wrong_put_is_reported(void)
{
	void *v = heap_of(MiB(1));
	uword a = get(v, 64);

	get(v, 64);
	mheap_set_error_handler(note_report);
	report.n = 0;
	mheap_put(v, a);
	CU_ASSERT_EQUAL(report.n, 0);
	mheap_put(v, a);
	CU_ASSERT_EQUAL(report.n, 1);
	CU_ASSERT_PTR_EQUAL(report.v, v);
	CU_ASSERT_EQUAL(report.offset, a);
	CU_ASSERT((uword)report.caller - (uword)a_wrong_put_is_reported < KiB(16));
	CU_ASSERT_PTR_NOT_NULL(strstr(report.what, "free already"));
	mheap_put(v, 12345);
	CU_ASSERT_EQUAL(report.n, 2);
	CU_ASSERT_PTR_NOT_NULL(strstr(report.what, "no object"));
	CU_ASSERT_EQUAL(mheap_header(v)->stats.n_bad_puts, 2);
	mheap_set_error_handler(NULL);
	CU_ASSERT(is_whole(v));
	mheap_free(v);
}

/* An object written past its end has broken its neighbour's header: it does not go back. */
static void
an_overrun_is_noticed_at_put(void)
{
	void *v = heap_of(MiB(1));
	uword a = get(v, 64), b = get(v, 64);

	get(v, 64);
	memset((u8 *)v + a, 'x', 64 + 8);
	CU_ASSERT_EQUAL(mheap_put_checked(v, a), -EINVAL);
	CU_ASSERT_EQUAL(mheap_put_checked(v, b), -EINVAL);
	CU_ASSERT_EQUAL(mheap_check(v, NULL, 0), -EUCLEAN);
	mheap_free(v);
}

/* A free neighbour whose header was written over is not merged with; the put itself succeeds. */
static void
a_broken_neighbour_is_not_merged_with(void)
{
	void *v = heap_of(MiB(1));
	uword a = get(v, 64), b = get(v, 64), c = get(v, 64);

	get(v, 64);
	mheap_put(v, b);
	mheap_set_error_handler(note_report);
	report.n = 0;
	memset((u8 *)v + a, 'x', 64 + 16);
	CU_ASSERT_EQUAL(mheap_put_checked(v, c), 0);
	CU_ASSERT_EQUAL(report.n, 1);
	CU_ASSERT_EQUAL(mheap_header(v)->stats.n_corruptions, 1);
	CU_ASSERT_EQUAL(mheap_data_bytes(v, c), 64);
	CU_ASSERT_EQUAL(get(v, 64), c);
	mheap_set_error_handler(NULL);
	mheap_free(v);
}

/* Links of a free element written over: nothing is followed, the list is given up, the heap and
 * its other lists go on. */
static void
overwritten_links_are_not_followed(void)
{
	void *v = heap_of(MiB(1));
	uword a[4], other = get(v, 200);

	get(v, 16);
	for (int i = 0; i < 4; i++) {
		a[i] = get(v, 64);
		get(v, 16);
	}
	for (int i = 0; i < 4; i++)
		mheap_put(v, a[i]);
	mheap_put(v, other);
	mheap_set_error_handler(note_report);
	report.n = 0;
	/* What use after free does. */
	memset((u8 *)v + a[3], 'x', 16);
	a[3] = get(v, 64);
	CU_ASSERT_EQUAL(a[3], other);
	CU_ASSERT_EQUAL(report.n, 1);
	CU_ASSERT_EQUAL(mheap_header(v)->stats.n_corruptions, 1);
	for (int i = 0; i < 100; i++)
		CU_ASSERT_NOT_EQUAL(get(v, 64), NOTHING);
	/* A neighbour that cannot be merged with is left alone. */
	CU_ASSERT_EQUAL(mheap_put_checked(v, a[2] + 80), 0);
	CU_ASSERT_EQUAL(report.n, 2);
	mheap_set_error_handler(NULL);
	mheap_free(v);
}

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

/* ---- memory of the caller's ---- */

/* A region too small is refused and left alone, and free never unmaps what is not ours: VPP
 * unmaps both. */
static void
memory_of_the_caller_stays_his(void)
{
	u8 *memory = mmap(NULL, MiB(1), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	void *v;

	CU_ASSERT_FATAL(memory != MAP_FAILED);
	memset(memory, 0x77, MiB(1));
	CU_ASSERT_PTR_NULL(mheap_alloc(memory, 4096));
	CU_ASSERT_PTR_NULL(mheap_alloc(memory + 100, 3996));
	CU_ASSERT_PTR_NULL(mheap_alloc(memory, 1));
	for (uword i = 0; i < MiB(1); i++)
		if (memory[i] != 0x77)
			CU_FAIL_FATAL("refused memory was written to");
	/* Any base will do, as in the source's example. */
	v = mheap_alloc(memory + 0xf54, MiB(1) - 0xf54);
	CU_ASSERT_PTR_EQUAL(v, memory + 4096 + (MHEAP_HEADER_BYTES > 4096 - 0xf54 ? 4096 : 0));
	CU_ASSERT_EQUAL(mheap_header(v)->vm_alloc_size, MiB(1) - 0xf54);
	CU_ASSERT_PTR_EQUAL((u8 *)mheap_header(v) - mheap_header(v)->vm_alloc_offset_from_header,
			    memory + 0xf54);
	CU_ASSERT_EQUAL((u8 *)v + mheap_max_size(v), memory + MiB(1));
	CU_ASSERT_NOT_EQUAL(get(v, 1000), NOTHING);
	mheap_free(v);
	memory[MiB(1) - 1] = 1;
	CU_ASSERT_EQUAL(memory[0], 0x77);
	munmap(memory, MiB(1));
}

/* Freeing what is no heap is told, not done. */
static void
free_of_a_stranger_is_reported(void)
{
	static u8 memory[KiB(16)];
	void *v = (void *)round_pow2((uword)memory + 4096, 4096);

	mheap_set_error_handler(note_report);
	report.n = 0;
	mheap_free(v);
	CU_ASSERT_EQUAL(report.n, 1);
	mheap_set_error_handler(NULL);
}

static uword n_region_calls;

static int
count_commit(void *opaque, void *p, uword n)
{
	n_region_calls++;
	return 0;
}

static uword
count_decommit(void *opaque, void *p, uword n)
{
	n_region_calls++;
	return 0;
}

/* A3: nothing in a heap is an address.  Mapped elsewhere, even read-only, it can be checked,
 * walked and measured, and none of its creator's functions are called. */
static void
a_heap_is_readable_where_it_is_mapped(void)
{
	int fd = memfd_create("heap", 0);
	mheap_params_t params = { .name = "shared",
				  .flags = MHEAP_FLAG_THREAD_SAFE,
				  .region = { .size = MiB(8),
					      .page_bytes = 4096,
					      .commit = count_commit,
					      .decommit = count_decommit } };
	u8 *here, *there;
	void *v, *w;
	visit_t a = { 0 };
	clib_mem_usage_t u;
	uword offsets[100], n_calls;

	CU_ASSERT_EQUAL_FATAL(ftruncate(fd, MiB(8)), 0);
	here = mmap(NULL, MiB(8), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	there = mmap(NULL, MiB(8), PROT_READ, MAP_SHARED, fd, 0);
	CU_ASSERT_FATAL(here != MAP_FAILED && there != MAP_FAILED);
	params.region.base = here;
	CU_ASSERT_EQUAL_FATAL(mheap_create(&params, &v), 0);
	for (uword i = 0; i < 100; i++)
		offsets[i] = get(v, 100 * (i + 1));
	for (uword i = 0; i < 100; i += 3)
		mheap_put(v, offsets[i]);
	n_calls = n_region_calls;

	w = there + ((u8 *)v - here);
	CU_ASSERT(is_whole(w));
	mheap_foreach(w, visit, &a);
	CU_ASSERT_EQUAL(a.n, 66);
	mheap_usage(w, &u);
	CU_ASSERT_EQUAL(u.object_count, 66);
	CU_ASSERT_EQUAL(n_free_elts(w), n_free_elts(v));
	CU_ASSERT_EQUAL(mheap_offset_is_valid(w, offsets[1]), 1);
	CU_ASSERT_EQUAL(mheap_offset_is_valid(w, offsets[0]), 0);
	CU_ASSERT_STRING_EQUAL(mheap_header(w)->name, "shared");
	CU_ASSERT_EQUAL(mheap_trim(w), 0);
	CU_ASSERT_EQUAL(n_region_calls, n_calls);
	CU_ASSERT_PTR_EQUAL(mheap_of_address((u8 *)v + 5), v);
	CU_ASSERT_PTR_NULL(mheap_of_address((u8 *)w + 5));
	mheap_free(v);
	munmap(here, MiB(8));
	munmap(there, MiB(8));
	close(fd);
}

/* A region that makes no sense is refused before anything is touched. */
static void
create_refuses_a_senseless_region(void)
{
	mheap_params_t params = {
		.region = { .size = MiB(8), .page_bytes = 4096, .commit = count_commit }
	};
	void *v = &params;

	CU_ASSERT_EQUAL(mheap_create(&params, &v), -EINVAL);
	params.region.base = (void *)0x100000100;
	CU_ASSERT_EQUAL(mheap_create(&params, &v), -EINVAL);
	params.region.base = (void *)0x100000000;
	params.region.page_bytes = 12288;
	CU_ASSERT_EQUAL(mheap_create(&params, &v), -EINVAL);
	params.region.page_bytes = 64;
	CU_ASSERT_EQUAL(mheap_create(&params, &v), -EINVAL);
	params.region.page_bytes = 4096;
	params.region.size = MiB(8) + 1;
	CU_ASSERT_EQUAL(mheap_create(&params, &v), -EINVAL);
	params.region.size = ~(uword)4095;
	params.region.base = (void *)0x7ffff0000000;
	CU_ASSERT_EQUAL(mheap_create(&params, &v), -EINVAL);
	params.region.size = 4096;
	CU_ASSERT_EQUAL(mheap_create(&params, &v), -ENOMEM);
	CU_ASSERT_PTR_EQUAL(v, &params);
}

/* ---- check ---- */

/* A heap with a free element of 512 bytes between two used ones, to be broken, and its parts. */
static struct {
	void *v;
	mheap_t *h;
	uword f, u;
	mheap_elt_t *fe, *ue;
} broken;

static void
heap_to_break(void)
{
	broken.v = heap_of(MiB(1));
	broken.h = mheap_header(broken.v);
	get(broken.v, 64);
	broken.f = get(broken.v, 512);
	broken.u = get(broken.v, 64);
	get(broken.v, 64);
	mheap_put(broken.v, broken.f);
	broken.fe = mheap_elt_at_uoffset(broken.v, broken.f);
	broken.ue = mheap_elt_at_uoffset(broken.v, broken.u);
	CU_ASSERT(is_whole(broken.v));
}

static void
expect_a_fault(int line)
{
	char what[100] = "";

	if (mheap_check(broken.v, what, sizeof(what)) != -EUCLEAN || what[0] == 0) {
		printf("line %d: not found\n", line);
		CU_FAIL("a fault was not found");
	}
	CU_ASSERT_EQUAL(mheap_check(broken.v, NULL, 0), -EUCLEAN);
	mheap_free(broken.v);
}

#define BREAKS(statement)                                                                          \
	do {                                                                                       \
		heap_to_break();                                                                   \
		statement;                                                                         \
		expect_a_fault(__LINE__);                                                          \
	} while (0)

/* Each thing that can be wrong is found, and said. */
static void
check_finds_each_fault(void)
{
	BREAKS(broken.fe->n_user_data--);
	BREAKS(broken.ue->n_user_data = 3);
	BREAKS(broken.ue->n_user_data = MHEAP_N_USER_DATA_INVALID - 1);
	BREAKS(broken.ue->n_user_data = MHEAP_N_USER_DATA_INVALID);
	BREAKS(broken.ue->prev_n_user_data++);
	BREAKS(broken.ue->prev_is_free = 0);
	BREAKS(broken.ue->is_free = 1);
	BREAKS(broken.ue->is_reclaimed = 1);
	BREAKS(broken.fe->is_free = 0);
	BREAKS(broken.fe->is_reclaimed = 1);
	BREAKS(broken.ue->tag++);
	BREAKS(broken.fe->reserved = 1);
	BREAKS(broken.ue->reserved2 = 1);
	BREAKS(broken.fe->free_elt.next_uoffset++);
	BREAKS(broken.fe->free_elt.prev_uoffset++);
	BREAKS(broken.h->first_free_elt_uoffset_by_bin[31] = MHEAP_GROUNDED);
	BREAKS(broken.h->first_free_elt_uoffset_by_bin[30] = broken.f);
	BREAKS(broken.h->first_free_elt_uoffset_by_bin[31] = broken.u);
	BREAKS(broken.h->first_free_elt_uoffset_by_bin[31] = MiB(64));
	BREAKS(broken.h->non_empty_free_elt_heads[0] = 0);
	BREAKS(broken.h->non_empty_free_elt_heads[4] = 1);
	BREAKS(broken.h->n_elts++);
	BREAKS(broken.h->n_used_bytes += 8);
	BREAKS(broken.h->n_free_bytes -= 8);
	BREAKS(broken.h->n_reclaimed_bytes += 4096);
	BREAKS(_vec_find(broken.v)->len += 16);
	BREAKS(_vec_find(broken.v)->len = GiB(1));
	BREAKS(_vec_find(broken.v)->len = 0);
	BREAKS(broken.h->n_committed_bytes = MiB(2));
	BREAKS(broken.h->magic++);
}

static const unit_test_t tests[] = {
	UNIT(wrong_puts_are_refused),
	UNIT(only_live_objects_are_objects),
	UNIT(a_double_put_hands_nothing_out_twice),
	UNIT(a_wrong_put_is_reported),
	UNIT(an_overrun_is_noticed_at_put),
	UNIT(a_broken_neighbour_is_not_merged_with),
	UNIT(overwritten_links_are_not_followed),
	UNIT(memory_of_the_caller_stays_his),
	UNIT(free_of_a_stranger_is_reported),
	UNIT(a_heap_is_readable_where_it_is_mapped),
	UNIT(create_refuses_a_senseless_region),
	UNIT(check_finds_each_fault),
};

int
main(void)
{
	return unit_run("mheap_faults", tests, ARRAY_LEN(tests));
}
