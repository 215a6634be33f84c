/* SPDX-License-Identifier: Apache-2.0 */
/* Windows on unmapped pages, and contiguous addresses over scattered ones. */
#include <vppinfra/pages.h>

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>
#include "child.h"
#include "unit.h"

#define N_WINDOWS 8

static pages_t *
set_of(uword direct, uword high)
{
	pages_params_t params = { .name = "windows",
				  .numa_node = VM_NODE_ANY,
				  .max_bytes = direct,
				  .max_highmem_bytes = high,
				  .n_windows = N_WINDOWS,
				  .wait_ms = 1 };
	pages_t *p = NULL;

	CU_ASSERT_EQUAL_FATAL(pages_create(&params, &p), 0);
	return p;
}

static int
is_whole(pages_t *p)
{
	char what[160] = "";
	int rv = pages_check(p, what, sizeof(what));

	if (rv)
		printf("pages_check: %s\n", what);
	return !rv;
}

static u32 n_reports;

static void
count_report(const char *CLIB_UNUSED(what), const void *CLIB_UNUSED(where),
	     const void *CLIB_UNUSED(caller))
{
	n_reports++;
}

/* 1000 pages without an address of their own pass through 8 windows, and each says what was written
 * into it. */
static void
a_thousand_pages_through_eight_windows(void)
{
	pages_t *p = set_of(0, MiB(32));
	static page_t *pages[1000];

	for (u32 i = 0; i < 1000; i++) {
		/* Spread over the chunks. */
		pages[i] = pages_alloc(p, GFP_HIGHUSER, i % 3);
		CU_ASSERT_PTR_NOT_NULL_FATAL(pages[i]);
		CU_ASSERT_PTR_NULL(clib_page_address(pages[i]));
		*(u64 *)clib_kmap(pages[i], 0) = i * 77ull;
		CU_ASSERT_PTR_NOT_NULL(clib_page_address(pages[i]));
		clib_kunmap(pages[i]);
	}
	for (u32 i = 0; i < 1000; i++) {
		u32 k = (i * 617) % 1000;

		CU_ASSERT_EQUAL(*(u64 *)clib_kmap(pages[k], 0), k * 77ull);
		clib_kunmap(pages[k]);
	}
	for (u32 i = 0; i < 1000; i++)
		CU_ASSERT_EQUAL(pages_free(pages[i], i % 3), 0);
	CU_ASSERT(is_whole(p));
	CU_ASSERT_EQUAL(pages_destroy(p), 0);
}

static page_t *ninth;
static _Atomic int has_ninth;

static void *
kmap_the_ninth(void *CLIB_UNUSED(arg))
{
	void *a = clib_kmap(ninth, 0);

	atomic_store(&has_ninth, a != NULL);
	clib_kunmap(ninth);
	return NULL;
}

/* The ninth at a time is refused, or sleeps until a window is free; users are counted. */
static void
the_ninth_window_waits_for_one_of_eight(void)
{
	pages_t *p = set_of(0, MiB(32));
	page_t *pages[N_WINDOWS + 1];
	pthread_t thread;

	for (u32 i = 0; i <= N_WINDOWS; i++)
		CU_ASSERT_PTR_NOT_NULL_FATAL(pages[i] = pages_alloc(p, GFP_HIGHUSER, 9));
	for (u32 i = 0; i < N_WINDOWS; i++)
		CU_ASSERT_PTR_NOT_NULL(clib_kmap(pages[i], 0));
	CU_ASSERT_PTR_EQUAL(clib_kmap(pages[3] + 1, 0),
			    (u8 *)clib_page_address(pages[3]) + PAGES_PAGE_BYTES);
	ninth = pages[N_WINDOWS];
	CU_ASSERT_PTR_NULL(clib_kmap(ninth, KMAP_NOWAIT));
	pthread_create(&thread, NULL, kmap_the_ninth, NULL);
	usleep(20000);
	clib_kunmap(pages[3]);
	usleep(20000);
	CU_ASSERT_EQUAL(atomic_load(&has_ninth), 0);
	clib_kunmap(pages[3] + 1);
	pthread_join(thread, NULL);
	CU_ASSERT_EQUAL(atomic_load(&has_ninth), 1);
	CU_ASSERT_EQUAL(pages_destroy(p), -EBUSY);
	CU_ASSERT_PTR_NOT_NULL(clib_kmap(pages[3], 0));
#ifndef __SANITIZE_THREAD__
	/* Nobody is left to wait for.  (gcc's thread sanitizer keeps a thread of its own.) */
	n_reports = 0;
	pages_set_error_handler(count_report);
	CU_ASSERT_PTR_NULL(clib_kmap(ninth, 0));
	CU_ASSERT_EQUAL(n_reports, 1);
	pages_set_error_handler(NULL);
#endif
	for (u32 i = 0; i < N_WINDOWS; i++)
		clib_kunmap(pages[i]);
	for (u32 i = 0; i <= N_WINDOWS; i++)
		pages_free(pages[i], 9);
	CU_ASSERT_EQUAL(pages_destroy(p), 0);
}

/* A block that is kmapped does not go away under its user. */
static void
a_kmapped_block_is_not_freed(void)
{
	pages_t *p = set_of(0, MiB(2));
	page_t *page = pages_alloc(p, GFP_HIGHUSER, 0);

	pages_set_error_handler(count_report);
	n_reports = 0;
	clib_kmap(page, 0);
	CU_ASSERT_EQUAL(pages_free(page, 0), -EINVAL);
	clib_kunmap(page);
	CU_ASSERT_EQUAL(n_reports, 1);
	clib_kunmap(page);
	CU_ASSERT_EQUAL(n_reports, 2);
	CU_ASSERT_EQUAL(pages_free(page, 0), 0);
	pages_set_error_handler(NULL);
	CU_ASSERT_EQUAL(pages_destroy(p), 0);
}

/* A thread's own windows nest four deep; the wrong order is refused. */
static void
atomic_windows_nest_and_unnest(void)
{
	pages_t *p = set_of(0, MiB(6));
	page_t *page[5];
	u8 *a[5];

	pages_set_error_handler(count_report);
	n_reports = 0;
	for (u32 i = 0; i < 5; i++)
		page[i] = pages_alloc(p, GFP_HIGHUSER, 8);
	for (u32 i = 0; i < 4; i++) {
		CU_ASSERT_PTR_NOT_NULL_FATAL(a[i] = clib_kmap_atomic(page[i % 3]));
		a[i][i] = (u8)i + 1;
	}
	CU_ASSERT_PTR_NULL(clib_kmap_atomic(page[4]));
	CU_ASSERT_EQUAL(clib_kunmap_atomic(a[2]), -EINVAL);
	CU_ASSERT_EQUAL(n_reports, 1);
	/* The fourth window is the first's page again. */
	CU_ASSERT_EQUAL(a[3][0], 1);
	for (u32 i = 4; i-- > 0;)
		CU_ASSERT_EQUAL(clib_kunmap_atomic(a[i]), 0);
	CU_ASSERT_EQUAL(clib_kunmap_atomic(a[0]), -EINVAL);
	for (u32 i = 0; i < 5; i++)
		if (page[i])
			CU_ASSERT_EQUAL(pages_free(page[i], 8), 0);
	pages_set_error_handler(NULL);
	CU_ASSERT_EQUAL(pages_destroy(p), 0);
}

/* Every second page is taken: no two neighbours are left, so a block of 256 pages cannot be had; as
 * contiguous addresses they can. */
static void
vmalloc_succeeds_where_a_block_cannot(void)
{
	pages_t *p = set_of(MiB(4), 0);
	static page_t *pages[1024];
	static pages_info_t before, info;
	u8 *v;

	for (u32 i = 0; i < 1024; i++)
		CU_ASSERT_PTR_NOT_NULL_FATAL(pages[i] = pages_alloc(p, GFP_KERNEL, 0));
	for (u32 i = 0; i < 1024; i++)
		if (pointer_to_uword(clib_page_address(pages[i])) / PAGES_PAGE_BYTES % 2) {
			pages_free(pages[i], 0);
			pages[i] = NULL;
		}
	pages_get_info(p, &before);
	CU_ASSERT_PTR_NULL(pages_alloc(p, GFP_KERNEL | __GFP_NOWARN, 8));
	v = pages_vmalloc(p, MiB(1), GFP_KERNEL | __GFP_ZERO);
	CU_ASSERT_PTR_NOT_NULL_FATAL(v);
	for (uword i = 0; i < MiB(1); i += PAGES_PAGE_BYTES) {
		CU_ASSERT_EQUAL(v[i], 0);
		v[i] = (u8)(i >> 12);
	}
	/* The same pages at their own addresses. */
	for (uword i = 0; i < MiB(1); i += PAGES_PAGE_BYTES) {
		page_t *page = clib_vmalloc_to_page(v + i);

		CU_ASSERT_PTR_NOT_NULL_FATAL(page);
		CU_ASSERT_EQUAL(*(u8 *)clib_page_address(page), (u8)(i >> 12));
		CU_ASSERT_EQUAL(page->_mapcount, 1);
	}
	pages_set_error_handler(count_report);
	n_reports = 0;
	CU_ASSERT_EQUAL(clib_vfree(v + PAGES_PAGE_BYTES), -EINVAL);
	CU_ASSERT_EQUAL(clib_vfree(v), 0);
	CU_ASSERT_EQUAL(clib_vfree(v), -EINVAL);
	CU_ASSERT_EQUAL(clib_vfree(NULL), 0);
	CU_ASSERT_EQUAL(n_reports, 2);
	CU_ASSERT_PTR_NULL(pages_vmalloc(p, MiB(3), GFP_KERNEL | __GFP_NOWARN));
	pages_set_error_handler(NULL);
	pages_get_info(p, &info);
	CU_ASSERT_EQUAL(info.zones[ZONE_NORMAL].free_pages, before.zones[ZONE_NORMAL].free_pages);
	CU_ASSERT_EQUAL(info.n_vmalloc_bytes, 0);
	for (u32 i = 0; i < 1024; i++)
		if (pages[i])
			pages_free(pages[i], 0);
	CU_ASSERT(is_whole(p));
	CU_ASSERT_EQUAL(pages_destroy(p), 0);
}

/* ---- pages that threads keep ---- */

#define N_WORKERS 3
#define N_HELD 96 /* more than a thread keeps, so that batches come and go */

typedef struct {
	pages_t *set;
	u64 seed, n_ops, n_errors;
	pthread_t thread;
} worker_t;

/* A page says whose it is as long as it is held. */
static void *
alloc_and_free(void *arg)
{
	worker_t *w = arg;
	page_t *held[N_HELD] = { 0 };

	for (u64 i = 0; i < w->n_ops; i++) {
		page_t **at = &held[unit_random_below(&w->seed, N_HELD)];

		if (*at) {
			w->n_errors += (*at)->private_data != pointer_to_uword(at);
			w->n_errors += pages_free(*at, 0) != 0;
			*at = NULL;
		} else {
			*at = pages_alloc(w->set, GFP_ATOMIC | __GFP_NOWARN, 0);
			if (*at)
				(*at)->private_data = pointer_to_uword(at);
		}
	}
	for (u32 i = 0; i < N_HELD; i++)
		w->n_errors += pages_free(held[i], 0) != 0;
	return NULL;
}

/* Threads take and give back pages of their own without a lock while another takes those pages from
 * them, again and again: no page is lost, none is had twice. */
static int
keepers_and_a_drainer(void)
{
	pages_params_t params = { .name = "kept",
				  .numa_node = VM_NODE_ANY,
				  .max_bytes = MiB(4),
				  .initial_bytes = MiB(2),
				  .n_cached_pages = 64 };
	worker_t w[N_WORKERS];
	u64 seed = unit_seed();
	u32 n_trims = 0;
	pages_t *p;

	CHILD_CHECK(pages_create(&params, &p) == 0);
	for (u32 i = 0; i < N_WORKERS; i++) {
		w[i] = (worker_t){ .set = p, .seed = seed + i, .n_ops = unit_n_ops(400000) };
		pthread_create(&w[i].thread, NULL, alloc_and_free, &w[i]);
	}
	for (; n_trims < 2000; n_trims++)
		pages_trim(p);
	for (u32 i = 0; i < N_WORKERS; i++) {
		pthread_join(w[i].thread, NULL);
		CHILD_CHECK(w[i].n_errors == 0);
	}
	CHILD_CHECK(is_whole(p));
	CHILD_CHECK(pages_destroy(p) == 0);
	return 0;
}

static void
what_threads_keep_can_be_taken_from_them(void)
{
	CU_ASSERT_EQUAL(keepers_and_a_drainer(), 0);
	CU_ASSERT_EQUAL(child_n_failures, 0);
}

static int
keep_without_membarrier(void)
{
	if (deny_syscall(SYS_membarrier, ENOSYS, -1))
		return CHILD_CANNOT;
	return keepers_and_a_drainer();
}

/* Where the kernel cannot hold threads off, they lock. */
static void
the_same_without_membarrier(void)
{
	CHILD_ASSERT(keep_without_membarrier);
}

static _Atomic int is_over;

/* Takes halves of the set's one chunk as soon as they are free.  Value: how many were not its own.
 */
static void *
take_halves(void *arg)
{
	pages_t *p = arg;
	pages_info_t info;
	uword n_bad = 0;
	u32 order;

	pages_get_info(p, &info);
	order = info.max_order - 1;

	while (!atomic_load_explicit(&is_over, memory_order_relaxed)) {
		page_t *half[2];
		u32 n = 0;

		while (n < 2 && (half[n] = pages_alloc(p, GFP_ATOMIC | __GFP_NOWARN, order)))
			n++;
		for (u32 i = 0; i < n; i++)
			n_bad += half[i]->_count != 1 || half[i]->_mapcount != 0;
		while (n)
			n_bad += pages_free(half[--n], order) != 0;
	}
	return uword_to_pointer(n_bad, void *);
}

/* While vfree() gives a huge page back another thread takes parts of it: they stay that thread's.
 */
static void
what_vfree_gave_back_is_others(void)
{
	pages_params_t params = { .name = "one",
				  .numa_node = VM_NODE_ANY,
				  .page_size = CLIB_MEM_PAGE_SZ_2M,
				  .max_bytes = MiB(2),
				  .initial_bytes = MiB(2) };
	pages_t *p = NULL;
	pthread_t thread;
	void *n_bad;

	CU_ASSERT_EQUAL_FATAL(pages_create(&params, &p), 0);
	n_reports = 0;
	pages_set_error_handler(count_report);
	atomic_store(&is_over, 0);
	pthread_create(&thread, NULL, take_halves, p);
	for (u32 n = 0; n < 300;) {
		void *v = pages_vmalloc(p, MiB(2), GFP_ATOMIC | __GFP_NOWARN);

		n += v != NULL;
		CU_ASSERT_EQUAL(clib_vfree(v), 0);
	}
	atomic_store(&is_over, 1);
	pthread_join(thread, &n_bad);
	CU_ASSERT_PTR_NULL(n_bad);
	CU_ASSERT_EQUAL(n_reports, 0);
	pages_set_error_handler(NULL);
	CU_ASSERT(is_whole(p));
	CU_ASSERT_EQUAL(pages_destroy(p), 0);
}

static const unit_test_t tests[] = {
	UNIT(a_thousand_pages_through_eight_windows),
	UNIT(the_ninth_window_waits_for_one_of_eight),
	UNIT(a_kmapped_block_is_not_freed),
	UNIT(atomic_windows_nest_and_unnest),
	UNIT(vmalloc_succeeds_where_a_block_cannot),
	UNIT(what_vfree_gave_back_is_others),
	UNIT(what_threads_keep_can_be_taken_from_them),
	UNIT(the_same_without_membarrier),
};

int
main(void)
{
	return unit_run("pages_map", tests, ARRAY_LEN(tests));
}
