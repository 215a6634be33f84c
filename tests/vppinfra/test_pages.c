/* SPDX-License-Identifier: Apache-2.0 */
#include <vppinfra/pages.h>

#include <pthread.h>
#include <time.h>
#include <unistd.h>
#include "unit.h"

/* Where the sets of these tests lie: chunk by chunk as the array says, in MiB; the rest at 8 GiB.
 */
static u32 fake_mib[64];
static uword fake_base;

static int
fake_pa(const void *va, u64 *pa)
{
	uword at = pointer_to_uword(va);

	/* Windows of unmapped chunks are elsewhere. */
	if (at - fake_base >= MiB(128)) {
		*pa = GiB(64);
		return 0;
	}
	*pa = (u64)MiB(1) * (fake_mib[(at - fake_base) / MiB(2)]
				     ? fake_mib[(at - fake_base) / MiB(2)]
				     : 8192 + 2 * (at - fake_base) / MiB(2)) +
	      at % MiB(2);
	return 0;
}

static pages_params_t
small_params(void)
{
	return (pages_params_t){ .name = "test", .numa_node = VM_NODE_ANY, .max_bytes = MiB(8) };
}

static pages_t *
set_of(const pages_params_t *params)
{
	pages_t *p = NULL;

	CU_ASSERT_EQUAL_FATAL(pages_create(params, &p), 0);
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

/* Good until the next call: two kilobytes are too much for a frame. */
static const pages_info_t *
info_of(pages_t *p)
{
	static pages_info_t info;

	pages_get_info(p, &info);
	return &info;
}

/* What was reported last. */
static struct {
	u32 n;
	char what[256];
} report;

static void
note_report(const char *what, const void *CLIB_UNUSED(where), const void *CLIB_UNUSED(caller))
{
	report.n++;
	snprintf(report.what, sizeof(report.what), "%s", what);
}

/* ---- blocks ---- */

static void
a_set_that_cannot_be_is_refused(void)
{
	pages_params_t params = { .name = "x", .numa_node = VM_NODE_ANY };
	pages_t *p = (pages_t *)1;

	CU_ASSERT_EQUAL(pages_destroy(NULL), 0);
	CU_ASSERT_EQUAL(pages_create(&params, &p), -EINVAL);
	params.max_bytes = MiB(2);
	params.n_cached_pages = 65;
	CU_ASSERT_EQUAL(pages_create(&params, &p), -EINVAL);
	params.n_cached_pages = 0;
	params.initial_bytes = MiB(4);
	CU_ASSERT_EQUAL(pages_create(&params, &p), -EINVAL);
	params.initial_bytes = 0;
	params.numa_node = 63;
	CU_ASSERT_EQUAL(pages_create(&params, &p), -ENODEV);
	CU_ASSERT_PTR_EQUAL(p, (pages_t *)1);
}

/* Each order comes aligned to its own size, can be written from end to end, and goes back. */
static void
blocks_are_aligned_to_their_size(void)
{
	pages_params_t params = small_params();
	pages_t *p = set_of(&params);

	for (u32 order = 0; order <= 9; order++) {
		page_t *page = pages_alloc(p, GFP_KERNEL, order);
		u8 *a = clib_page_address(page);

		CU_ASSERT_PTR_NOT_NULL_FATAL(page);
		CU_ASSERT_EQUAL((pointer_to_uword(a) % (PAGES_PAGE_BYTES << order)), 0);
		memset(a, 0x77, PAGES_PAGE_BYTES << order);
		CU_ASSERT_PTR_EQUAL(clib_virt_to_page(a), page);
		CU_ASSERT_PTR_EQUAL(clib_virt_to_page(a + (PAGES_PAGE_BYTES << order) - 1),
				    page + (1 << order) - 1);
		CU_ASSERT_EQUAL(page->_count, 1);
		CU_ASSERT(is_whole(p));
		CU_ASSERT_EQUAL(pages_free(page, order), 0);
		CU_ASSERT(is_whole(p));
	}
	CU_ASSERT_PTR_NULL(pages_alloc(p, GFP_KERNEL | __GFP_NOWARN, 10));
	CU_ASSERT_EQUAL(pages_destroy(p), 0);
}

/* Every page of the set, the even ones back, then the odd ones: one block of the highest order. */
static void
pages_freed_even_then_odd_make_one_block_again(void)
{
	pages_params_t params = small_params();
	static page_t *pages[512];
	const pages_info_t *info;
	pages_t *p;

	params.max_bytes = MiB(2);
	p = set_of(&params);
	for (u32 i = 0; i < 512; i++)
		CU_ASSERT_PTR_NOT_NULL_FATAL(pages[i] = pages_alloc(p, GFP_KERNEL, 0));
	CU_ASSERT_PTR_NULL(pages_alloc(p, GFP_ATOMIC | __GFP_NOWARN, 0));
	for (u32 i = 0; i < 512; i += 2)
		pages_free(clib_virt_to_page(clib_page_address(pages[i])), 0);
	info = info_of(p);
	CU_ASSERT_EQUAL(info->zones[ZONE_NORMAL].nr_free[0][0], 256);
	for (u32 i = 1; i < 512; i += 2)
		pages_free(pages[i], 0);
	info = info_of(p);
	CU_ASSERT_EQUAL(info->zones[ZONE_NORMAL].nr_free[9][0], 1);
	CU_ASSERT_EQUAL(info->zones[ZONE_NORMAL].nr_free[0][0], 0);
	CU_ASSERT(is_whole(p));
	CU_ASSERT_EQUAL(pages_destroy(p), 0);
}

static void
zeroed_pages_are_zero_after_use(void)
{
	pages_params_t params = small_params();
	pages_t *p;
	page_t *page;
	u8 *a, sum = 0;

	params.max_bytes = MiB(2);
	params.max_highmem_bytes = MiB(2);
	p = set_of(&params);
	page = pages_alloc(p, GFP_KERNEL, 3);
	memset(clib_page_address(page), 0xff, PAGES_PAGE_BYTES << 3);
	pages_free(page, 3);
	page = pages_alloc(p, GFP_KERNEL | __GFP_ZERO, 3);
	a = clib_page_address(page);
	for (u32 i = 0; i < PAGES_PAGE_BYTES << 3; i++)
		sum |= a[i];
	CU_ASSERT_EQUAL(sum, 0);
	pages_free(page, 3);
	CU_ASSERT_EQUAL(pages_destroy(p), 0);
}

/* ---- misuse ---- */

static void
wrong_frees_are_named_and_ignored(void)
{
	pages_params_t params = small_params();
	pages_t *p;
	page_t *page, *other;
	int on_stack;

	params.n_cached_pages = 16;
	p = set_of(&params);
	pages_set_error_handler(note_report);
	page = pages_alloc(p, GFP_KERNEL, 2);
	CU_ASSERT_EQUAL(pages_free(NULL, 0), 0);
	CU_ASSERT_EQUAL(pages_free(page, 3), -EINVAL);
	CU_ASSERT_STRING_EQUAL(report.what, "free with another order than it was allocated with");
	CU_ASSERT_EQUAL(pages_free(page + 1, 0), -EINVAL);
	CU_ASSERT_STRING_EQUAL(report.what, "free of a page inside a block");
	CU_ASSERT_EQUAL(pages_free((page_t *)(void *)&on_stack, 0), -EINVAL);
	CU_ASSERT_STRING_EQUAL(report.what, "free of what is no page");
	CU_ASSERT_EQUAL(pages_free(page, 2), 0);
	CU_ASSERT(pages_free(page, 2) < 0);
	/* Also where the page is kept by the thread. */
	other = pages_alloc(p, GFP_KERNEL, 0);
	CU_ASSERT_EQUAL(pages_free(other, 0), 0);
	CU_ASSERT_EQUAL(pages_free(other, 0), -EALREADY);
	CU_ASSERT_STRING_EQUAL(report.what, "free of a block that is free already");
	report.n = 0;
	clib_free_pages_at(GiB(3), 0);
	CU_ASSERT_EQUAL(report.n, 1);
	CU_ASSERT_EQUAL(info_of(p)->n_bad_frees, 4);
	CU_ASSERT(is_whole(p));
	pages_set_error_handler(NULL);
	CU_ASSERT_EQUAL(pages_destroy(p), 0);
}

/* A block lives until its last user put it; any page of a compound block stands for it. */
static void
the_last_put_frees(void)
{
	pages_params_t params = small_params();
	pages_t *p = set_of(&params);
	page_t *page = pages_alloc(p, GFP_KERNEL | __GFP_COMP, 4);

	clib_get_page(page);
	clib_get_page(page);
	CU_ASSERT_EQUAL(page->_count, 3);
	clib_put_page(page);
	clib_put_page(page + 7);
	CU_ASSERT_EQUAL(page->_count, 1);
	clib_get_page(page + 5);
	CU_ASSERT_EQUAL(page->_count, 2);
	CU_ASSERT_EQUAL((page + 5)->_count, 0);
	clib_put_page(page + 5);
	CU_ASSERT_EQUAL(page->_count, 1);
	CU_ASSERT_EQUAL(pages_destroy(p), -EBUSY);
	CU_ASSERT_EQUAL((page + 9)->first_page, page->first_page);
	CU_ASSERT_EQUAL(pages_free(page, 4), 0);
	CU_ASSERT_EQUAL(page->_count, 0);
	/* Nobody uses a free page. */
	report.n = 0;
	pages_set_error_handler(note_report);
	clib_get_page(page);
	CU_ASSERT_EQUAL(report.n, 1);
	CU_ASSERT_EQUAL(page->_count, 0);
	pages_set_error_handler(NULL);
	CU_ASSERT(is_whole(p));
	CU_ASSERT_EQUAL(pages_destroy(p), 0);
}

/* ---- zones ---- */

/* A set of 2 MiB pages whose physical addresses are told by fake_pa(); huge pages are needed, since
 * pages that the kernel may move promise nothing. */
static pages_t *
set_with_zones(void)
{
	pages_params_t params = small_params();
	vm_hugepages_t h;
	pages_t *p = NULL;
	const pages_info_t *info;

	if (vm_hugepages(VM_NODE_ANY, 21, &h) || h.n_free < 16) {
		printf("not shown here: needs 16 free 2M pages: sysctl vm.nr_hugepages=512\n");
		return NULL;
	}
	params.page_size = CLIB_MEM_PAGE_SZ_2M;
	params.max_bytes = MiB(16);
	params.va_to_pa = fake_pa;
	/* The base is known only once it exists: nothing is committed before. */
	if (pages_create(&params, &p))
		return NULL;
	info = info_of(p);
	if (!info->is_contiguous) {
		pages_destroy(p);
		return NULL;
	}
	return p;
}

static uword
base_of(pages_t *p)
{
	page_t *page = pages_alloc(p, GFP_KERNEL, 9);
	uword a = pointer_to_uword(clib_page_address(page));

	pages_free(page, 9);
	pages_trim(p);
	return a;
}

/* A request below a limit gets what is below it or nothing; one without a limit falls back down. */
static void
dma_never_falls_upward_and_normal_falls_down(void)
{
	pages_t *p = set_with_zones();
	page_t *low[3], *dma, *normal[2], *page;
	const pages_info_t *info;

	if (!p)
		return;
	memset(fake_mib, 0, sizeof(fake_mib));
	fake_base = base_of(p);
	fake_mib[0] = 8;     /* DMA */
	fake_mib[1] = 100;   /* DMA32 */
	fake_mib[2] = 4094;  /* DMA32, ends at the limit */
	fake_mib[3] = 4096;  /* NORMAL, begins at it */
	fake_mib[4] = 70000; /* NORMAL */
	CU_ASSERT_EQUAL(pages_grow(p, MiB(10)), MiB(10));
	info = info_of(p);
	CU_ASSERT_EQUAL(info->zones[ZONE_DMA].present_pages, 512);
	CU_ASSERT_EQUAL(info->zones[ZONE_DMA32].present_pages, 1024);
	CU_ASSERT_EQUAL(info->zones[ZONE_NORMAL].present_pages, 1024);

	/* DMA32: its two, then the one below, then nothing though NORMAL has room. */
	for (u32 i = 0; i < 3; i++) {
		low[i] = pages_alloc(p, GFP_ATOMIC | __GFP_DMA32, 9);
		CU_ASSERT_PTR_NOT_NULL_FATAL(low[i]);
		CU_ASSERT(clib_virt_to_phys(clib_page_address(low[i])) + MiB(2) <= GiB(4));
	}
	pages_set_error_handler(note_report);
	report.n = 0;
	CU_ASSERT_PTR_NULL(pages_alloc(p, GFP_ATOMIC | __GFP_DMA32, 0));
	CU_ASSERT_EQUAL(report.n, 1);
	CU_ASSERT_PTR_NOT_NULL(strstr(report.what, "zone DMA32 of 'test'"));
	CU_ASSERT_PTR_NULL(pages_alloc(p, GFP_ATOMIC | __GFP_DMA | __GFP_NOWARN, 0));
	CU_ASSERT_EQUAL(report.n, 1);
	pages_set_error_handler(NULL);
	page = pages_alloc(p, GFP_ATOMIC, 0);
	CU_ASSERT_PTR_NOT_NULL(page);
	pages_free(page, 0);

	/* NORMAL is used up: the next comes from below. */
	for (u32 i = 0; i < 3; i++)
		pages_free(low[i], 9);
	normal[0] = pages_alloc(p, GFP_ATOMIC, 9);
	normal[1] = pages_alloc(p, GFP_ATOMIC, 9);
	page = pages_alloc(p, GFP_ATOMIC, 9);
	CU_ASSERT(clib_page_to_pfn(page) < (4ull << 30 >> 12));
	dma = pages_alloc(p, GFP_ATOMIC | __GFP_DMA, 0);
	CU_ASSERT_EQUAL(clib_page_to_pfn(dma), MiB(8) >> 12);
	CU_ASSERT_PTR_EQUAL(clib_pfn_to_page(clib_page_to_pfn(page) + 5), page + 5);
	CU_ASSERT_PTR_NULL(clib_pfn_to_page(12345678));
	pages_free(dma, 0);
	pages_free(page, 9);
	pages_free(normal[0], 9);
	pages_free(normal[1], 9);
	CU_ASSERT_EQUAL(info_of(p)->zones[ZONE_NORMAL].n_fallbacks +
				info_of(p)->zones[ZONE_DMA32].n_fallbacks +
				info_of(p)->zones[ZONE_DMA].n_fallbacks,
			2);
	CU_ASSERT(is_whole(p));
	CU_ASSERT_EQUAL(pages_destroy(p), 0);
}

/* Real huge pages: the frames of a block follow one another, and pagemap says the same. */
static void
blocks_of_huge_pages_are_physically_contiguous(void)
{
	pages_params_t params = small_params();
	vm_hugepages_t h;
	pages_t *p;
	page_t *page;
	u64 pa, first;
	u8 *a;

	if (vm_hugepages(VM_NODE_ANY, 21, &h) || h.n_free < 4) {
		printf("not shown here: needs 4 free 2M pages\n");
		return;
	}
	params.page_size = CLIB_MEM_PAGE_SZ_2M;
	p = set_of(&params);
	page = pages_alloc(p, GFP_KERNEL, 8);
	CU_ASSERT_PTR_NOT_NULL_FATAL(page);
	a = clib_page_address(page);
	first = clib_virt_to_phys(a);
	if (first == ~(u64)0)
		printf("not shown here: physical addresses are root's to read\n");
	else
		for (u32 i = 0; i < 256; i++) {
			CU_ASSERT_EQUAL(clib_virt_to_phys(a + i * 4096 + 7), first + i * 4096 + 7);
			CU_ASSERT_EQUAL(vm_va_to_pa(a + i * 4096 + 7, &pa), 0);
			CU_ASSERT_EQUAL(pa, first + i * 4096 + 7);
			CU_ASSERT_PTR_EQUAL(clib_pfn_to_page(clib_page_to_pfn(page + i)), page + i);
		}
	pages_free(page, 8);
	CU_ASSERT_EQUAL(pages_destroy(p), 0);
}

/* ---- flags ---- */

/* Every combination of may-sleep, reserve, no-grow and one-attempt, on a set at its limit: who gets
 * the reserve, who sleeps, who tries once. */
static void
each_flag_does_what_it_says_and_nothing_else(void)
{
	pages_params_t params = small_params();
	static page_t *held[512];
	pages_t *p;

	params.max_bytes = MiB(2);
	params.n_reserve_pages = 32;
	params.wait_ms = 2;
	p = set_of(&params);
	for (u32 combination = 0; combination < 16; combination++) {
		gfp_t gfp = (combination & 1 ? __GFP_WAIT : 0) |
			    (combination & 2 ? __GFP_HIGH : 0) |
			    (combination & 4 ? __GFP_NO_GROW : 0) |
			    (combination & 8 ? __GFP_NORETRY : 0) | __GFP_NOWARN;
		int may_grow = (gfp & __GFP_WAIT) && !(gfp & (__GFP_NO_GROW | __GFP_NORETRY));
		u64 n_sleeps, n_attempts;
		u32 n = 0;

		/* Nothing is there: only who may grow gets any. */
		CU_ASSERT_EQUAL(info_of(p)->committed_bytes, 0);
		held[0] = pages_alloc(p, gfp, 0);
		CU_ASSERT_EQUAL(held[0] != NULL, may_grow);
		if (held[0])
			pages_free(held[0], 0);
		pages_grow(p, MiB(2));
		n_sleeps = info_of(p)->n_sleeps;
		n_attempts = info_of(p)->n_attempts;
		while (n < 512 && (held[n] = pages_alloc(p, gfp, 0)))
			n++;
		CU_ASSERT_EQUAL(n, gfp & __GFP_HIGH ? 512 : 512 - 32);
		if (n == 512)
			CU_ASSERT_PTR_NULL(pages_alloc(p, gfp, 0));
		CU_ASSERT_EQUAL(info_of(p)->n_sleeps > n_sleeps,
				(gfp & __GFP_WAIT) && !(gfp & __GFP_NORETRY));
		if (gfp & __GFP_NORETRY)
			CU_ASSERT_EQUAL(info_of(p)->n_attempts, n_attempts);
		while (n)
			pages_free(held[--n], 0);
		CU_ASSERT_EQUAL(pages_trim(p), MiB(2));
	}
	CU_ASSERT_EQUAL(pages_destroy(p), 0);
}

static void
nowarn_is_silent(void)
{
	pages_params_t params = small_params();
	pages_t *p = set_of(&params);

	pages_set_error_handler(note_report);
	report.n = 0;
	CU_ASSERT_PTR_NULL(pages_alloc(p, GFP_ATOMIC | __GFP_NOWARN, 0));
	CU_ASSERT_EQUAL(report.n, 0);
	CU_ASSERT_PTR_NULL(pages_alloc(p, GFP_ATOMIC, 0));
	CU_ASSERT_EQUAL(report.n, 1);
	pages_set_error_handler(NULL);
	CU_ASSERT_EQUAL(pages_destroy(p), 0);
}

static pages_t *sleepers_set;

static void *
free_one_later(void *page)
{
	usleep(20000);
	pages_free(page, 9);
	return NULL;
}

static u64
now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (u64)t.tv_sec * 1000000 + (u64)t.tv_nsec / 1000;
}

/* A request that may sleep is there when another thread frees; NOFAIL waits without an end. */
static void
a_sleeper_wakes_when_another_thread_frees(void)
{
	pages_params_t params = small_params();
	pthread_t thread;
	page_t *page;
	u64 start;

	params.max_bytes = MiB(2);
	params.wait_ms = 20000;
	sleepers_set = set_of(&params);
	for (u32 i = 0; i < 2; i++) {
		page = pages_alloc(sleepers_set, GFP_KERNEL, 9);
		CU_ASSERT_PTR_NOT_NULL_FATAL(page);
		start = now_us();
		pthread_create(&thread, NULL, free_one_later, page);
		page = pages_alloc(sleepers_set, GFP_KERNEL | (i ? __GFP_NOFAIL : 0), 9);
		printf("woke %lu us after the call, 20 ms of them the other's sleep\n",
		       (unsigned long)(now_us() - start));
		CU_ASSERT_PTR_NOT_NULL(page);
		pthread_join(thread, NULL);
		pages_free(page, 9);
	}
	CU_ASSERT_EQUAL(info_of(sleepers_set)->n_sleeps, 2);
	CU_ASSERT_EQUAL(pages_destroy(sleepers_set), 0);
}

/* Movable and pinned blocks keep to their own chunks while there are some. */
static void
movable_blocks_stay_apart_from_pinned_ones(void)
{
	pages_params_t params = small_params();
	pages_t *p;
	page_t *pinned, *movable[300];
	const pages_info_t *info;

	params.max_bytes = MiB(4);
	params.initial_bytes = MiB(4);
	p = set_of(&params);
	pinned = pages_alloc(p, GFP_KERNEL, 0);
	for (u32 i = 0; i < 300; i++)
		movable[i] = pages_alloc(p, GFP_KERNEL | __GFP_MOVABLE, 0);
	for (u32 i = 0; i < 300; i++)
		CU_ASSERT_NOT_EQUAL(pointer_to_uword(clib_page_address(movable[i])) / MiB(2),
				    pointer_to_uword(clib_page_address(pinned)) / MiB(2));
	info = info_of(p);
	CU_ASSERT(info->zones[ZONE_NORMAL].nr_free[2][1] > 0);
	CU_ASSERT_EQUAL(info->zones[ZONE_NORMAL].n_steals, 1);
	for (u32 i = 0; i < 300; i++)
		pages_free(movable[i], 0);
	pages_free(pinned, 0);
	CU_ASSERT(is_whole(p));
	CU_ASSERT_EQUAL(pages_destroy(p), 0);
}

/* ---- exhaustion ---- */

static void
failures_on_demand_leave_the_set_as_it_was(void)
{
	pages_params_t params = small_params();
	pages_t *p;
	page_t *page;

	params.max_bytes = MiB(2);
	params.max_highmem_bytes = MiB(2);
	p = set_of(&params);
	for (u32 order = 0; order < 10; order++) {
		pages_fail_alloc_after(1);
		CU_ASSERT_PTR_NULL(pages_alloc(p, GFP_KERNEL | __GFP_NOWARN, order));
		CU_ASSERT(is_whole(p));
	}
	for (u32 k = 1; k < 4; k++) {
		void *v;

		pages_fail_alloc_after(k);
		v = pages_vmalloc(p, 3 * PAGES_PAGE_BYTES, GFP_KERNEL | __GFP_NOWARN);
		CU_ASSERT_PTR_NULL(v);
		CU_ASSERT(is_whole(p));
	}
	pages_fail_alloc_after(0);
	vm_fail_commit_after(1);
	page = pages_alloc(p, GFP_KERNEL | __GFP_NOWARN, 9);
	CU_ASSERT_PTR_NULL(page);
	vm_fail_commit_after(0);
	page = pages_alloc(p, GFP_KERNEL, 9);
	CU_ASSERT_PTR_NOT_NULL(page);
	pages_free(page, 9);
	CU_ASSERT_EQUAL(pages_destroy(p), 0);
}

static void
trim_gives_free_chunks_back(void)
{
	pages_params_t params = small_params();
	pages_t *p = set_of(&params);
	page_t *page = NULL;
	uword before = vm_committed_bytes(0);

	CU_ASSERT_EQUAL(pages_grow(p, MiB(8)), MiB(8));
	CU_ASSERT_EQUAL(vm_committed_bytes(0), before + MiB(8));
	page = pages_alloc(p, GFP_KERNEL, 0);
	CU_ASSERT_EQUAL(pages_trim(p), MiB(6));
	CU_ASSERT_EQUAL(vm_committed_bytes(0), before + MiB(2));
	pages_free(page, 0);
	CU_ASSERT_EQUAL(pages_trim(p), MiB(2));
	CU_ASSERT_EQUAL(pages_destroy(p), 0);
}

/* ---- the bare names ---- */

static void
the_kernels_names_work_on_the_threads_node(void)
{
	struct page *page = alloc_pages(GFP_KERNEL, 1);
	uword a = __get_free_pages(GFP_KERNEL, 2), z = get_zeroed_page(GFP_KERNEL);
	void *v = vmalloc(MiB(1));

	CU_ASSERT_PTR_NOT_NULL_FATAL(page);
	CU_ASSERT_NOT_EQUAL(a, 0);
	CU_ASSERT_EQUAL(*(u64 *)z, 0);
	CU_ASSERT_PTR_EQUAL(page_address(virt_to_page(a)), (void *)a);
	CU_ASSERT_EQUAL(page_count(page), 1);
	get_page(page);
	put_page(page);
	CU_ASSERT_PTR_EQUAL(kmap(page), page_address(page));
	kunmap(page);
	CU_ASSERT_PTR_EQUAL(kmap_atomic(page, 0), page_address(page));
	kunmap_atomic(page_address(page), 0);
	__free_pages(page, 1);
	free_pages(a, 2);
	free_page(z);
	CU_ASSERT(is_vmalloc_addr((u8 *)v + MiB(1) - 1));
	CU_ASSERT(!is_vmalloc_addr(&v));
	memset(v, 1, MiB(1));
	vfree(v);
	CU_ASSERT(is_whole(pages_of_node((u32)vm_current_numa_node())));
	CU_ASSERT_EQUAL(pages_destroy(pages_of_node((u32)vm_current_numa_node())), 0);
}

/* Records and addresses of several sets lead each to their own, neighbours and strangers to none;
 * of a set that has gone nothing is found. */
static void
every_address_has_one_set(void)
{
	enum { N = 20 };
	pages_params_t params = small_params();
	pages_t *sets[N];
	page_t *first[N];
	u8 *base[N];

	for (u32 i = 0; i < N; i++) {
		params.max_bytes = MiB(2) * (i + 1);
		sets[i] = set_of(&params);
		CU_ASSERT_EQUAL(pages_grow(sets[i], params.max_bytes), params.max_bytes);
		first[i] = pages_alloc(sets[i], GFP_NOWAIT, 9);
		base[i] = clib_page_address(first[i]);
	}
	for (u32 i = 0; i < N; i++) {
		CU_ASSERT_PTR_EQUAL(pages_of_page(first[i]), sets[i]);
		CU_ASSERT_PTR_EQUAL(pages_of_page(first[i] + 511), sets[i]);
		CU_ASSERT_PTR_NULL(pages_of_page((const page_t *)((const u8 *)first[i] + 8)));
		CU_ASSERT_PTR_EQUAL(clib_virt_to_page(base[i] + MiB(2) - 1), first[i] + 511);
		/* Addresses of pages are no records, and records are no pages. */
		CU_ASSERT_PTR_NULL(pages_of_page((const page_t *)base[i]));
		CU_ASSERT_PTR_NULL(clib_virt_to_page(first[i]));
		CU_ASSERT_EQUAL(pages_free(first[i], 9), 0);
	}
	/* Behind the last record of the smallest set. */
	CU_ASSERT_PTR_NULL(pages_of_page(first[0] + 512));
	CU_ASSERT_PTR_NULL(pages_of_page((const page_t *)sets));
	CU_ASSERT_PTR_NULL(clib_virt_to_page((const void *)~(uword)0));
	for (u32 i = 0; i < N; i++) {
		CU_ASSERT_EQUAL(pages_destroy(sets[i]), 0);
		CU_ASSERT_PTR_NULL(pages_of_page(first[i]));
		CU_ASSERT_PTR_NULL(clib_virt_to_page(base[i]));
	}
}

static const unit_test_t tests[] = {
	UNIT(a_set_that_cannot_be_is_refused),
	UNIT(blocks_are_aligned_to_their_size),
	UNIT(pages_freed_even_then_odd_make_one_block_again),
	UNIT(zeroed_pages_are_zero_after_use),
	UNIT(wrong_frees_are_named_and_ignored),
	UNIT(the_last_put_frees),
	UNIT(dma_never_falls_upward_and_normal_falls_down),
	UNIT(blocks_of_huge_pages_are_physically_contiguous),
	UNIT(each_flag_does_what_it_says_and_nothing_else),
	UNIT(nowarn_is_silent),
	UNIT(a_sleeper_wakes_when_another_thread_frees),
	UNIT(movable_blocks_stay_apart_from_pinned_ones),
	UNIT(failures_on_demand_leave_the_set_as_it_was),
	UNIT(trim_gives_free_chunks_back),
	UNIT(every_address_has_one_set),
	UNIT(the_kernels_names_work_on_the_threads_node),
};

int
main(void)
{
	return unit_run("pages", tests, ARRAY_LEN(tests));
}
