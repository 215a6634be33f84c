/* SPDX-License-Identifier: Apache-2.0 */
#include <vppinfra/segment.h>

#include <sys/mman.h>
#include <unistd.h>
#include <vppinfra/mheap.h>
#include "child.h"
#include "unit.h"

#define BYTES KiB(64)
#define BOTH (CLIB_SEGMENT_READ | CLIB_SEGMENT_WRITE)

static u8 memory[BYTES];

static clib_selector_t
add(void *base, u64 limit, u32 rights)
{
	clib_segment_t s = { .name = "test", .base = base, .limit = limit, .rights = rights };
	clib_selector_t selector = 0;

	CU_ASSERT_EQUAL_FATAL(clib_segment_add(&s, &selector), 0);
	return selector;
}

/* The last byte below the limit resolves, the limit itself does not; nor does a run across it. */
static void
the_limit_is_the_first_offset_refused(void)
{
	clib_selector_t s = add(memory, BYTES, BOTH);
	clib_handle_t last = clib_handle(s, BYTES - 1);
	u64 n_refused = clib_handle_n_refused();

	CU_ASSERT_PTR_EQUAL(clib_handle_pointer(last, 1, BOTH), memory + BYTES - 1);
	CU_ASSERT_EQUAL(clib_handle(s, BYTES), 0);
	CU_ASSERT_PTR_NULL(clib_handle_pointer(last, 2, CLIB_SEGMENT_READ));
	CU_ASSERT_PTR_NULL(clib_handle_pointer(last + 1, 1, CLIB_SEGMENT_READ));
	CU_ASSERT_PTR_NULL(clib_handle_pointer(last, ~(u64)0, CLIB_SEGMENT_READ));
	CU_ASSERT_PTR_NULL(clib_handle_pointer(0, 1, CLIB_SEGMENT_READ));
	CU_ASSERT_EQUAL(clib_handle_n_refused(), n_refused + 4);
	CU_ASSERT_EQUAL(clib_segment_remove(s), 0);
}

/* A handle into a segment that is gone is refused, also where the index has a new owner. */
static void
a_stale_handle_is_refused_after_its_index_is_reused(void)
{
	clib_selector_t old = add(memory, BYTES, BOTH), young;
	clib_handle_t h = clib_handle(old, 100);

	CU_ASSERT_EQUAL(clib_segment_remove(old), 0);
	CU_ASSERT_EQUAL(clib_segment_remove(old), -ENOENT);
	CU_ASSERT_PTR_NULL(clib_handle_pointer(h, 1, CLIB_SEGMENT_READ));
	young = add(memory, BYTES, BOTH);
	CU_ASSERT_EQUAL(young & 0xfff, old & 0xfff);
	CU_ASSERT_NOT_EQUAL(young, old);
	CU_ASSERT_PTR_NULL(clib_handle_pointer(h, 1, CLIB_SEGMENT_READ));
	CU_ASSERT_EQUAL(clib_segment_remove(young), 0);
}

static void
rights_that_are_not_given_are_refused(void)
{
	clib_selector_t s = add(memory, BYTES, CLIB_SEGMENT_READ);
	clib_handle_t h = clib_handle(s, 8);
	clib_segment_t bad = { .base = memory, .limit = 0, .rights = BOTH };
	clib_segment_t seen;

	CU_ASSERT_PTR_NOT_NULL(clib_handle_pointer(h, 8, CLIB_SEGMENT_READ));
	CU_ASSERT_PTR_NULL(clib_handle_pointer(h, 8, CLIB_SEGMENT_WRITE));
	CU_ASSERT_EQUAL(clib_handle_of(memory + 8), h);
	CU_ASSERT_EQUAL(clib_handle_of(memory + BYTES), 0);
	CU_ASSERT_EQUAL(clib_segment_get(s, &seen), 0);
	CU_ASSERT_STRING_EQUAL(seen.name, "test");
	CU_ASSERT_EQUAL(clib_segment_add(&bad, &s), -EINVAL);
	bad.limit = BYTES;
	bad.rights = 8;
	CU_ASSERT_EQUAL(clib_segment_add(&bad, &s), -EINVAL);
	bad.rights = BOTH;
	bad.base = NULL;
	CU_ASSERT_EQUAL(clib_segment_add(&bad, &s), -EINVAL);
	CU_ASSERT_EQUAL(clib_segment_remove(s), 0);
}

static void
a_full_table_is_no_memory(void)
{
	static clib_selector_t s[CLIB_MAX_SEGMENTS];
	clib_segment_t one = { .name = "x", .base = memory, .limit = 1, .rights = BOTH };
	clib_selector_t more;

	for (u32 i = 0; i < CLIB_MAX_SEGMENTS; i++)
		CU_ASSERT_EQUAL_FATAL(clib_segment_add(&one, &s[i]), 0);
	CU_ASSERT_EQUAL(clib_segment_add(&one, &more), -ENOMEM);
	for (u32 i = 0; i < CLIB_MAX_SEGMENTS; i++)
		CU_ASSERT_EQUAL(clib_segment_remove(s[i]), 0);
}

/* ---- a heap, here and in another process at another place ---- */

#define N_OBJECTS 200

static int fd;
static clib_selector_t heap_selector;
static clib_handle_t handles[N_OBJECTS];
static void *base_here;

static int
every_handle_means_the_same_bytes(void)
{
	clib_segment_t s = { .name = "heap", .limit = MiB(1), .rights = CLIB_SEGMENT_READ };

	munmap(base_here, MiB(1));
	/* The old place is taken, so that the new one is another. */
	mmap(base_here, MiB(1), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1,
	     0);
	s.base = mmap(NULL, MiB(1) + KiB(4), PROT_READ, MAP_SHARED, fd, 0);
	CHILD_CHECK(s.base != MAP_FAILED && s.base != base_here);
	CHILD_CHECK(clib_segment_add_as(heap_selector, &s) == -EEXIST);
	CHILD_CHECK(clib_segment_remove(heap_selector) == 0);
	CHILD_CHECK(clib_segment_add_as(heap_selector, &s) == 0);
	for (u32 i = 0; i < N_OBJECTS; i++) {
		const u64 *p = clib_handle_pointer(handles[i], 16, CLIB_SEGMENT_READ);

		CHILD_CHECK(p && p[0] == i && p[1] == i * 3ull);
	}
	return 0;
}

static void
handles_hold_where_the_heap_is_mapped_elsewhere(void)
{
	uword offset;
	void *v;

	fd = memfd_create("heap", 0);
	CU_ASSERT_EQUAL(ftruncate(fd, (off_t)MiB(1)), 0);
	base_here = mmap(NULL, MiB(1), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CU_ASSERT_PTR_NOT_EQUAL_FATAL(base_here, MAP_FAILED);
	v = mheap_alloc(base_here, MiB(1));
	heap_selector = add(base_here, MiB(1), BOTH);
	for (u32 i = 0; i < N_OBJECTS; i++) {
		u64 *p;

		mheap_get(v, 16 + i * 8, &offset);
		p = (u64 *)((u8 *)v + offset);
		p[0] = i;
		p[1] = i * 3ull;
		handles[i] = clib_handle_of(p);
		CU_ASSERT_NOT_EQUAL(handles[i], 0);
	}
	CU_ASSERT_EQUAL(in_child(every_handle_means_the_same_bytes), 0);
	CU_ASSERT_EQUAL(clib_segment_remove(heap_selector), 0);
	mheap_free(v);
	munmap(base_here, MiB(1));
	close(fd);
}

static const unit_test_t tests[] = {
	UNIT(the_limit_is_the_first_offset_refused),
	UNIT(a_stale_handle_is_refused_after_its_index_is_reused),
	UNIT(rights_that_are_not_given_are_refused),
	UNIT(a_full_table_is_no_memory),
	UNIT(handles_hold_where_the_heap_is_mapped_elsewhere),
};

int
main(void)
{
	return unit_run("segment", tests, ARRAY_LEN(tests));
}
