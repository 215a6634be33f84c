/* SPDX-License-Identifier: Apache-2.0 */
/* kmalloc, and the table of docs/allocators.md: which allocator when, a test a line. */
#include <vppinfra/kmalloc.h>

#include <pthread.h>
#include <vppinfra/kmem.h>
#include <vppinfra/percpu.h>
#include "unit.h"

static pages_t *set;

/* A set of its own for the node of the test: 2 MiB pages where there are any. */
static void
with_set(uword bytes)
{
	pages_params_t params = { .name = "kmalloc-test",
				  .numa_node = VM_NODE_ANY,
				  .page_size = CLIB_MEM_PAGE_SZ_DEFAULT_HUGE,
				  .max_bytes = bytes,
				  .max_highmem_bytes = bytes,
				  .n_cached_pages = 16,
				  .wait_ms = 1 };

	CU_ASSERT_EQUAL_FATAL(pages_create(&params, &set), 0);
	CU_ASSERT_EQUAL(pages_set_node((u32)vm_current_numa_node(), set), 0);
}

static void
without_set(void)
{
	CU_ASSERT_EQUAL(clib_kmalloc_exit(set), 0);
	CU_ASSERT_EQUAL(pages_check(set, NULL, 0), 0);
	CU_ASSERT_EQUAL(pages_destroy(set), 0);
}

static int
is_contiguous(void)
{
	static pages_info_t info;

	pages_get_info(set, &info);
	return info.is_contiguous;
}

/* Whether frames follow one another under n bytes, by pagemap. */
static int
frames_follow(const u8 *p, uword n)
{
	u64 first, pa;

	if (vm_va_to_pa(p, &first)) {
		printf("not shown here: physical addresses are root's to read\n");
		return 1;
	}
	for (uword i = 0; i < n; i += 512)
		if (vm_va_to_pa(p + i, &pa) || pa != first + i || clib_virt_to_phys(p + i) != pa)
			return 0;
	return 1;
}

static u64
free_pages_now(void)
{
	static pages_info_t info;

	clib_kmalloc_trim(set);
	pages_trim(set);
	pages_get_info(set, &info);
	return info.committed_bytes;
}

/* Every size up to the greatest class and some above: usable to the last byte, of its own, and all
 * goes back. */
static void
every_size_is_usable_and_comes_back(void)
{
	static u8 *p[9000];

	with_set(MiB(64));
	for (uword n = 1; n < ARRAY_LEN(p); n += 7) {
		p[n] = kmalloc(n, GFP_KERNEL);
		CU_ASSERT_PTR_NOT_NULL_FATAL(p[n]);
		CU_ASSERT(ksize(p[n]) >= n);
		CU_ASSERT_EQUAL((uword)p[n] % 8, 0);
		memset(p[n], (int)n, n);
	}
	for (uword n = 1; n < ARRAY_LEN(p); n += 7) {
		CU_ASSERT_EQUAL(p[n][0], (u8)n);
		CU_ASSERT_EQUAL(p[n][n - 1], (u8)n);
		CU_ASSERT_EQUAL(kfree(p[n]), 0);
	}
	for (uword n = KiB(16); n <= MiB(2); n *= 2) {
		u8 *q = kmalloc(n, GFP_KERNEL);

		CU_ASSERT_PTR_NOT_NULL_FATAL(q);
		CU_ASSERT_EQUAL(ksize(q), n);
		q[n - 1] = 1;
		CU_ASSERT_EQUAL(kfree(q), 0);
	}
	CU_ASSERT_PTR_NULL(kmalloc(0, GFP_KERNEL));
	CU_ASSERT_PTR_NULL(kmalloc(MiB(4), GFP_KERNEL | __GFP_NOWARN));
	CU_ASSERT_EQUAL(free_pages_now(), 0);
	without_set();
}

static void
zeroed_counted_and_resized(void)
{
	u8 *p;

	with_set(MiB(8));
	p = kmalloc(1000, GFP_KERNEL);
	memset(p, 0xff, 1000);
	kfree(p);
	p = kzalloc(1000, GFP_KERNEL);
	for (u32 i = 0; i < 1000; i++)
		CU_ASSERT_EQUAL(p[i], 0);
	p[999] = 9;
	p = krealloc(p, 20000, GFP_KERNEL);
	CU_ASSERT_EQUAL(p[999], 9);
	CU_ASSERT_PTR_NULL(krealloc(p, 0, GFP_KERNEL));
	CU_ASSERT_PTR_NULL(kcalloc(~0ul / 2, 4, GFP_KERNEL));
	p = kcalloc(10, 10, GFP_KERNEL);
	CU_ASSERT_EQUAL(p[99], 0);
	kfree(p);
	without_set();
}

/* Wrong frees are told apart and change nothing. */
static void
wrong_frees_are_refused(void)
{
	u8 *small, *large;
	int on_stack;

	with_set(MiB(8));
	small = kmalloc(64, GFP_KERNEL);
	large = kmalloc(KiB(64), GFP_KERNEL);
	CU_ASSERT_EQUAL(kfree(NULL), 0);
	CU_ASSERT_EQUAL(kfree(&on_stack), -EINVAL);
	CU_ASSERT_EQUAL(kfree(small + 8), -EINVAL);
	CU_ASSERT_EQUAL(kfree(large + 4096), -EINVAL);
	CU_ASSERT_EQUAL(kfree(small), 0);
	CU_ASSERT_EQUAL(kfree(small), -EALREADY);
	CU_ASSERT_EQUAL(kfree(large), 0);
	CU_ASSERT(kfree(large) < 0);
	CU_ASSERT_EQUAL(ksize(large), 0);
	without_set();
}

static void
exhaustion_is_null_and_leaves_all_in_place(void)
{
	void *first = NULL, *p;
	u32 n = 0;

	with_set(MiB(2));
	while ((p = kmalloc(4096, GFP_ATOMIC | __GFP_NOWARN)) || (n == 0 && pages_grow(set, 1))) {
		if (!p)
			continue;
		*(void **)p = first;
		first = p;
		n++;
	}
	CU_ASSERT(n >= 400);
	while (first) {
		p = *(void **)first;
		CU_ASSERT_EQUAL(kfree(first), 0);
		first = p;
	}
	CU_ASSERT_EQUAL(free_pages_now(), 0);
	without_set();
}

/* ---- which allocator when ---- */

/* Physically contiguous, by the byte: kmalloc(); whole blocks: alloc_pages(). */
static void
contiguous_memory_is_kmalloc_or_alloc_pages(void)
{
	page_t *page;
	u8 *p;

	with_set(MiB(8));
	p = kmalloc(MiB(1), GFP_KERNEL);
	CU_ASSERT_PTR_NOT_NULL_FATAL(p);
	page = alloc_pages(GFP_KERNEL, 3);
	if (is_contiguous()) {
		CU_ASSERT(frames_follow(p, MiB(1)));
		CU_ASSERT(frames_follow(page_address(page), KiB(32)));
	} else {
		printf("not shown here: no free huge page\n");
	}
	__free_pages(page, 3);
	kfree(p);
	without_set();
}

/* May sleep: GFP_KERNEL makes the set grow.  May not: GFP_ATOMIC takes what is there. */
static void
gfp_kernel_may_wait_and_gfp_atomic_may_not(void)
{
	static pages_info_t info;
	void *p;

	with_set(MiB(4));
	CU_ASSERT_PTR_NULL(kmalloc(100, GFP_ATOMIC | __GFP_NOWARN));
	p = kmalloc(100, GFP_KERNEL);
	CU_ASSERT_PTR_NOT_NULL(p);
	kfree(p);
	p = kmalloc(100, GFP_ATOMIC);
	CU_ASSERT_PTR_NOT_NULL(p);
	kfree(p);
	pages_get_info(set, &info);
	CU_ASSERT_EQUAL(info.n_sleeps, 0);
	without_set();
}

/* Not contiguous in physical memory: vmalloc(). */
static void
scattered_memory_is_vmalloc(void)
{
	static page_t *half[2048];
	uword unit;
	u32 n = 0;
	u8 *p;

	with_set(MiB(4));
	pages_grow(set, MiB(4));
	/* No two free neighbours are left in the mapped zone. */
	while (n < ARRAY_LEN(half) && (half[n] = pages_alloc(set, GFP_ATOMIC | __GFP_NOWARN, 0)))
		n++;
	for (u32 i = 0; i < n; i++)
		if (pages_of_page(half[i]) && (half[i]->first_page & 1)) {
			pages_free(half[i], 0);
			half[i] = NULL;
		}
	CU_ASSERT_PTR_NULL(kmalloc(MiB(1), GFP_ATOMIC | __GFP_NOWARN));
	p = vmalloc(MiB(1));
	CU_ASSERT_PTR_NOT_NULL_FATAL(p);
	unit = MiB(1);
	memset(p, 5, unit);
	CU_ASSERT_EQUAL(p[unit - 1], 5);
	vfree(p);
	for (u32 i = 0; i < n; i++)
		if (half[i])
			pages_free(half[i], 0);
	without_set();
}

/* Unmapped memory: alloc_pages(__GFP_HIGHMEM) and kmap(). */
static void
high_memory_is_alloc_pages_and_kmap(void)
{
	page_t *page;
	u64 *p;

	with_set(MiB(4));
	page = alloc_pages(GFP_HIGHUSER, 0);
	CU_ASSERT_PTR_NOT_NULL_FATAL(page);
	CU_ASSERT_PTR_NULL(page_address(page));
	p = kmap(page);
	CU_ASSERT_PTR_NOT_NULL_FATAL(p);
	p[0] = 77;
	kunmap(page);
	p = kmap_atomic(page);
	CU_ASSERT_EQUAL(p[0], 77);
	kunmap_atomic(p);
	__free_pages(page, 0);
	without_set();
}

/* Many objects of one kind, made and destroyed all the time: an object cache. */
static void
many_objects_of_one_kind_are_an_object_cache(void)
{
	kmem_cache_t *cache = kmem_cache_create("which-allocator", 200, 0, 0, NULL);
	void *p, *q;

	CU_ASSERT_PTR_NOT_NULL_FATAL(cache);
	p = kmem_cache_alloc(cache, 0);
	kmem_cache_free(cache, p);
	q = kmem_cache_alloc(cache, 0);
	/* The one freed last, still warm. */
	CU_ASSERT_PTR_EQUAL(p, q);
	kmem_cache_free(cache, q);
	kmem_cache_destroy(cache);
}

static DEFINE_PER_CPU(u64, counted);

static void *
count_a_million(void *CLIB_UNUSED(arg))
{
	for (u32 i = 0; i < 1000000; i++)
		this_cpu_inc(counted);
	return NULL;
}

/* A counter for each thread, without a lock: percpu. */
static void
data_of_each_processor_is_percpu(void)
{
	pthread_t other;
	u64 sum = 0;

	pthread_create(&other, NULL, count_a_million, NULL);
	count_a_million(NULL);
	pthread_join(other, NULL);
	for (u32 i = 0; i < clib_thread_index_limit(); i++)
		sum += *per_cpu_ptr(&counted, i);
	CU_ASSERT_EQUAL(sum, 2000000);
}

static const unit_test_t tests[] = {
	UNIT(every_size_is_usable_and_comes_back),
	UNIT(zeroed_counted_and_resized),
	UNIT(wrong_frees_are_refused),
	UNIT(exhaustion_is_null_and_leaves_all_in_place),
	UNIT(contiguous_memory_is_kmalloc_or_alloc_pages),
	UNIT(gfp_kernel_may_wait_and_gfp_atomic_may_not),
	UNIT(scattered_memory_is_vmalloc),
	UNIT(high_memory_is_alloc_pages_and_kmap),
	UNIT(many_objects_of_one_kind_are_an_object_cache),
	UNIT(data_of_each_processor_is_percpu),
};

int
main(void)
{
	return unit_run("kmalloc", tests, ARRAY_LEN(tests));
}
