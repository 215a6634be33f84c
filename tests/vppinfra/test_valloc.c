/* SPDX-License-Identifier: Apache-2.0 */
/* Address ranges by first fit: what VPP's programs expect, and a model that walks a list. */
#include <pthread.h>
#include <vppinfra/mem.h>
#include <vppinfra/valloc.h>
#include "unit.h"

static clib_valloc_main_t
ranges_of(uword baseva, uword size)
{
	clib_valloc_chunk_t template = { .baseva = baseva, .size = size };
	clib_valloc_main_t vam = {};

	CU_ASSERT_EQUAL(clib_valloc_init(&vam, &template, 0), 0);
	return vam;
}

static void
expect_whole(clib_valloc_main_t *vam)
{
	char what[128] = "";

	CU_ASSERT_EQUAL(clib_valloc_check(vam, what, sizeof(what)), 0);
	if (what[0])
		printf("%s\n", what);
}

static int
add(clib_valloc_main_t *vam, uword baseva, uword size)
{
	clib_valloc_chunk_t template = { .baseva = baseva, .size = size };

	return clib_valloc_add_chunk(vam, &template);
}

static uword n_reports;

static void
note_report(const char *what, const void *v, uword offset, const void *caller)
{
	n_reports++;
}

/* The lowest address with room; neighbours that touch become one again. */
static void
first_fit_splits_and_merges(void)
{
	clib_valloc_main_t vam = ranges_of(0x20000000, 1024);
	uword a = clib_valloc_alloc(&vam, 256, 0), b = clib_valloc_alloc(&vam, 256, 0),
	      c = clib_valloc_alloc(&vam, 512, 0);

	CU_ASSERT_EQUAL(a, 0x20000000);
	CU_ASSERT_EQUAL(b, 0x20000100);
	CU_ASSERT_EQUAL(c, 0x20000200);
	CU_ASSERT_EQUAL(clib_valloc_alloc(&vam, 1, 0), 0);
	CU_ASSERT_EQUAL(vam.n_failures, 1);
	expect_whole(&vam);
	CU_ASSERT_EQUAL(clib_valloc_free(&vam, a), 256);
	CU_ASSERT_EQUAL(clib_valloc_free(&vam, c), 512);
	CU_ASSERT_EQUAL(pool_elts(vam.chunks), 3);
	/* The first that fits, not the best. */
	CU_ASSERT_EQUAL(clib_valloc_alloc(&vam, 100, 0), a);
	CU_ASSERT_EQUAL(clib_valloc_alloc(&vam, 200, 0), c);
	CU_ASSERT_EQUAL(clib_valloc_free(&vam, a), 100);
	CU_ASSERT_EQUAL(clib_valloc_free(&vam, b), 256);
	CU_ASSERT_EQUAL(clib_valloc_free(&vam, c), 200);
	CU_ASSERT_EQUAL(pool_elts(vam.chunks), 1);
	CU_ASSERT_EQUAL(vam.chunks[vam.first_index].size, 1024);
	expect_whole(&vam);
	clib_valloc_destroy(&vam);
}

/* Chunks may be added in any order; where they touch an allocation spans them, a gap never. */
static void
added_chunks_join_where_they_touch(void)
{
	clib_valloc_main_t vam = ranges_of(0x2000, 0x1000);

	CU_ASSERT_EQUAL(add(&vam, 0x8000, 0x1000), 0);
	CU_ASSERT_EQUAL(add(&vam, 0x1000, 0x1000), 0);
	CU_ASSERT_EQUAL(add(&vam, 0x3000, 0x1000), 0);
	CU_ASSERT_EQUAL(pool_elts(vam.chunks), 2);
	CU_ASSERT_EQUAL(clib_valloc_alloc(&vam, 0x3001, 0), 0);
	CU_ASSERT_EQUAL(clib_valloc_alloc(&vam, 0x3000, 0), 0x1000);
	CU_ASSERT_EQUAL(clib_valloc_alloc(&vam, 0x1000, 0), 0x8000);
	/* Beside a busy one. */
	CU_ASSERT_EQUAL(add(&vam, 0x4000, 0x1000), 0);
	CU_ASSERT_EQUAL(clib_valloc_alloc(&vam, 0x1000, 0), 0x4000);
	expect_whole(&vam);
	clib_valloc_destroy(&vam);
}

/* What cannot be added changes nothing: overlaps on each side, nothing, 0 as an address. */
static void
wrong_chunks_are_refused(void)
{
	clib_valloc_main_t vam = ranges_of(0x2000, 0x1000);
	clib_valloc_chunk_t template = { .baseva = 0x9000, .size = 1 };

	CU_ASSERT_EQUAL(add(&vam, 0x1fff, 2), -EEXIST);
	CU_ASSERT_EQUAL(add(&vam, 0x2000, 0x1000), -EEXIST);
	CU_ASSERT_EQUAL(add(&vam, 0x2fff, 1), -EEXIST);
	CU_ASSERT_EQUAL(add(&vam, 0x1000, 0x10000), -EEXIST);
	CU_ASSERT_EQUAL(add(&vam, 0x5000, 0), -EINVAL);
	CU_ASSERT_EQUAL(add(&vam, 0, 0x1000), -EINVAL);
	CU_ASSERT_EQUAL(add(&vam, ~(uword)0, 2), -EINVAL);
	CU_ASSERT_EQUAL(pool_elts(vam.chunks), 1);
	CU_ASSERT_EQUAL(vam.bytes_total, 0x1000);
	CU_ASSERT_EQUAL(clib_valloc_init(&vam, &template, 0), -EALREADY);
	expect_whole(&vam);
	clib_valloc_destroy(&vam);
	CU_ASSERT_EQUAL(vam.flags, 0);
	CU_ASSERT_EQUAL(clib_valloc_init(&vam, NULL, 1), 0);
	CU_ASSERT_EQUAL(clib_valloc_alloc(&vam, 1, 0), 0);
	expect_whole(&vam);
	clib_valloc_destroy(&vam);
}

/* A free of what is not busy is reported and changes nothing. */
static void
wrong_frees_are_reported(void)
{
	clib_valloc_main_t vam = ranges_of(0x2000, 0x1000);
	uword a = clib_valloc_alloc(&vam, 0x100, 0);

	mheap_set_error_handler(note_report);
	n_reports = 0;
	CU_ASSERT_EQUAL(clib_valloc_free(&vam, a + 1), 0);
	CU_ASSERT_EQUAL(clib_valloc_free(&vam, 0), 0);
	CU_ASSERT_EQUAL(clib_valloc_free(&vam, 0x2100), 0);
	CU_ASSERT_EQUAL(n_reports, 3);
	CU_ASSERT_EQUAL(clib_valloc_free(&vam, a), 0x100);
	CU_ASSERT_EQUAL(clib_valloc_free(&vam, a), 0);
	CU_ASSERT_EQUAL(n_reports, 4);
	mheap_set_error_handler(NULL);
	CU_ASSERT_EQUAL(vam.bytes_busy, 0);
	expect_whole(&vam);
	clib_valloc_destroy(&vam);
}

/* ---- a model ---- */

#define N_UNITS 2048 /* of a byte each: the model is a byte map */

/* Every answer is the lowest run of free units in a plain map. */
static void
random_operations_match_a_map(void)
{
	static u8 is_busy[N_UNITS];
	static uword addresses[256], sizes[256];
	u64 seed = unit_seed(), n_wrong = 0;
	clib_valloc_main_t vam = {};
	uword base = 0x7000;

	memset(is_busy, 0, sizeof(is_busy));
	memset(addresses, 0, sizeof(addresses));
	CU_ASSERT_EQUAL(clib_valloc_init(&vam, NULL, 1), 0);
	/* A gap of one unit in the middle. */
	CU_ASSERT_EQUAL(add(&vam, base, N_UNITS / 2), 0);
	CU_ASSERT_EQUAL(add(&vam, base + N_UNITS / 2 + 1, N_UNITS / 2 - 1), 0);
	is_busy[N_UNITS / 2] = 1;
	for (u64 k = unit_n_ops(60000); k > 0; k--) {
		u32 i = (u32)unit_random_below(&seed, ARRAY_LEN(addresses));

		if (addresses[i]) {
			n_wrong += clib_valloc_free(&vam, addresses[i]) != sizes[i];
			memset(is_busy + (addresses[i] - base), 0, sizes[i]);
			addresses[i] = 0;
		} else {
			uword n_run = 0, at = 0;

			sizes[i] = 1 + unit_random_below(&seed, k % 7 ? 12 : 200);
			while (at < N_UNITS && n_run < sizes[i])
				n_run = is_busy[at++] ? 0 : n_run + 1;
			addresses[i] = clib_valloc_alloc(&vam, sizes[i], 0);
			n_wrong += addresses[i] != (n_run == sizes[i] ? base + at - sizes[i] : 0);
			if (addresses[i])
				memset(is_busy + (addresses[i] - base), 1, sizes[i]);
		}
		if (k % 64 == 0)
			expect_whole(&vam);
	}
	CU_ASSERT_EQUAL(n_wrong, 0);
	for (u32 i = 0; i < ARRAY_LEN(addresses); i++)
		if (addresses[i])
			clib_valloc_free(&vam, addresses[i]);
	CU_ASSERT_EQUAL(pool_elts(vam.chunks), 2);
	expect_whole(&vam);
	clib_valloc_destroy(&vam);
}

/* ---- exhaustion ---- */

/* The k-th allocation fails, for each k, once or with all after it: init leaves nothing, add and
 * alloc leave all as it was. */
static void
no_memory_changes(void (*fail_after)(u64 k))
{
	clib_valloc_chunk_t template = { .baseva = 0x1000, .size = 1 << 20 };
	clib_mem_heap_t *heap = clib_mem_init(NULL, MiB(4));
	clib_valloc_main_t vam = {};
	uword a = 0, n_busy = 0, n_refused = 0;
	u64 k;

	for (k = 1; k < 20; k++) {
		int rv;

		fail_after(k);
		rv = clib_valloc_init(&vam, &template, 1);
		mheap_fail_get_after(0);
		if (rv == 0)
			break;
		CU_ASSERT_EQUAL(rv, -ENOMEM);
		CU_ASSERT_EQUAL(mheap_elts(heap), 0);
		CU_ASSERT_EQUAL(vam.flags, 0);
	}
	CU_ASSERT(k > 3 && k < 20);
	/* Each split that needs memory is made to fail once. */
	for (u32 i = 0; i < 3000; i++) {
		fail_after(1);
		a = clib_valloc_alloc(&vam, 16, 0);
		mheap_fail_get_after(0);
		if (!a) {
			n_refused++;
			expect_whole(&vam);
			CU_ASSERT_EQUAL(vam.bytes_busy, n_busy);
			a = clib_valloc_alloc(&vam, 16, 0);
		}
		CU_ASSERT_EQUAL(a, 0x1000 + n_busy);
		n_busy += 16;
	}
	CU_ASSERT(n_refused > 0);
	CU_ASSERT_EQUAL(vam.n_failures, n_refused);
	/* Room for one more in the pool is not certain; a refused add leaves the sums. */
	for (u32 i = 0; i < 1000; i++) {
		fail_after(1);
		if (add(&vam, GiB(1) + i * KiB(4), KiB(1)) == -ENOMEM)
			expect_whole(&vam);
		mheap_fail_get_after(0);
	}
	/* Giving back needs no memory. */
	fail_after(1);
	for (a = 0x1000; n_busy; a += 16, n_busy -= 16)
		CU_ASSERT_EQUAL(clib_valloc_free(&vam, a), 16);
	mheap_fail_get_after(0);
	expect_whole(&vam);
	clib_valloc_destroy(&vam);
	CU_ASSERT_EQUAL(mheap_elts(heap), 0);
	clib_mem_exit();
}

static void
no_memory_changes_nothing(void)
{
	no_memory_changes(mheap_fail_get_after);
	no_memory_changes(mheap_fail_gets_after);
}

static clib_valloc_main_t *grown;

static int
grow_once(clib_mem_heap_t *heap, uword n_bytes)
{
	return add(grown, 0x100000, n_bytes) == 0;
}

/* With the flag the handler is asked, and may make room; no lock is held then. */
static void
the_handler_may_make_room(void)
{
	clib_valloc_main_t vam = {};
	u64 n_before = clib_mem_n_oom();

	clib_valloc_init(&vam, NULL, 1);
	grown = &vam;
	clib_mem_set_oom_handler(grow_once);
	CU_ASSERT_EQUAL(clib_valloc_alloc(&vam, 0x1000, 0), 0);
	CU_ASSERT_EQUAL(clib_mem_n_oom(), n_before);
	CU_ASSERT_EQUAL(clib_valloc_alloc(&vam, 0x1000, 1), 0x100000);
	CU_ASSERT_EQUAL(clib_valloc_alloc(&vam, 0x1000, 1), 0);
	CU_ASSERT_EQUAL(clib_valloc_alloc(&vam, 0, 1), 0);
	CU_ASSERT_EQUAL(clib_mem_n_oom(), n_before + 2);
	clib_mem_set_oom_handler(NULL);
	clib_valloc_destroy(&vam);
}

/* ---- text, threads ---- */

static void
chunks_in_words(void)
{
	clib_valloc_main_t vam = ranges_of(0x2000, 0x1000);
	u8 *s;

	clib_valloc_alloc(&vam, 0x100, 0);
	s = format(0, "%U%c", format_valloc, &vam, 0, 0);
	CU_ASSERT_STRING_EQUAL(s, "2 chunks, first index 0, 256 of 4096 busy\n");
	vec_free(s);
	s = format(0, "%U%c", format_valloc, &vam, 1, 0);
	CU_ASSERT_PTR_NOT_NULL(strstr((char *)s, "\n[0] base 2000 size 100 (256) prev -1 busy\n"
						 "[1] base 2100 size f00 (3840) prev 0 free\n"));
	vec_free(s);
	clib_valloc_destroy(&vam);
}

static void *
alloc_and_free(void *arg)
{
	clib_valloc_main_t *vam = arg;
	u64 seed = (uword)&seed;
	uword a[16] = {};

	for (u64 k = unit_n_ops(20000); k > 0; k--) {
		u32 i = (u32)unit_random_below(&seed, ARRAY_LEN(a));

		if (a[i])
			clib_valloc_free(vam, a[i]);
		a[i] = clib_valloc_alloc(vam, 1 + unit_random_below(&seed, 100), 0);
	}
	for (u32 i = 0; i < ARRAY_LEN(a); i++)
		if (a[i])
			clib_valloc_free(vam, a[i]);
	return NULL;
}

/* With a lock any thread may call. */
static void
threads_meet(void)
{
	clib_valloc_chunk_t template = { .baseva = 0x10000, .size = 0x10000 };
	clib_valloc_main_t vam = {};
	pthread_t threads[3];

	clib_valloc_init(&vam, &template, 1);
	for (u32 i = 0; i < ARRAY_LEN(threads); i++)
		pthread_create(&threads[i], NULL, alloc_and_free, &vam);
	for (u32 i = 0; i < ARRAY_LEN(threads); i++)
		pthread_join(threads[i], NULL);
	CU_ASSERT_EQUAL(vam.bytes_busy, 0);
	CU_ASSERT_EQUAL(pool_elts(vam.chunks), 1);
	expect_whole(&vam);
	clib_valloc_destroy(&vam);
}

static const unit_test_t tests[] = {
	UNIT(first_fit_splits_and_merges),
	UNIT(added_chunks_join_where_they_touch),
	UNIT(wrong_chunks_are_refused),
	UNIT(wrong_frees_are_reported),
	UNIT(random_operations_match_a_map),
	UNIT(no_memory_changes_nothing),
	UNIT(the_handler_may_make_room),
	UNIT(chunks_in_words),
	UNIT(threads_meet),
};

int
main(void)
{
	return unit_run("valloc", tests, ARRAY_LEN(tests));
}
