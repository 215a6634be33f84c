/* SPDX-License-Identifier: Apache-2.0 */
/* What a machine offers or lacks: page sizes, nodes, physical addresses, address space, calls that
 * are denied. */
#include <fcntl.h>
#include <inttypes.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include "child.h"
#include "vm_test.h"

/* More than the machine has is refused at once, without a visit from the kernel's killer. */
static void
a_commit_beyond_memory_is_refused(void)
{
	vm_range_t *r;
	u64 total, available;

	CU_ASSERT_EQUAL(vm_node_memory(VM_NODE_ANY, &total, &available), 0);
	total = round_pow2(total, PAGE);
	r = range_of_4k("beyond", total, 0);
	CU_ASSERT_EQUAL(vm_commit(r, 0, total), -ENOMEM);
	CU_ASSERT_EQUAL(committed_bytes(r), 0);
	CU_ASSERT_EQUAL(vm_commit(r, 0, PAGE), 0);
	vm_release(r);
}

static int
window_under_a_limit(void)
{
	struct rlimit limit = { GiB(40), GiB(40) };
	vm_range_t *r = NULL;
	vm_range_params_t p = { .name = "limited",
				.reserve_bytes = MiB(1),
				.numa_node = VM_NODE_ANY,
				.page_size = CLIB_MEM_PAGE_SZ_4K,
				.flags = VM_RANGE_WINDOW };

	if (setrlimit(RLIMIT_AS, &limit))
		return CHILD_CANNOT;
	CHILD_CHECK(vm_window_bytes() >= GiB(4) && vm_window_bytes() <= GiB(20));
	CHILD_CHECK(vm_reserve(&p, &r) == 0 && vm_commit(r, 0, MiB(1)) == 0);
	return 0;
}

static int
no_window_at_all(void)
{
	struct rlimit limit = { GiB(3), GiB(3) };
	vm_range_t *r = NULL;
	vm_range_params_t p = { .name = "limited",
				.reserve_bytes = MiB(1),
				.numa_node = VM_NODE_ANY,
				.page_size = CLIB_MEM_PAGE_SZ_4K,
				.flags = VM_RANGE_WINDOW };

	if (setrlimit(RLIMIT_AS, &limit))
		return CHILD_CANNOT;
	CHILD_CHECK(vm_window_base() == NULL && vm_window_bytes() == 0);
	CHILD_CHECK(vm_reserve(&p, &r) == -ENOMEM && r == NULL);
	p.flags = 0;
	CHILD_CHECK(vm_reserve(&p, &r) == 0);
	return 0;
}

/* With little address space the window is smaller, or absent and said to be. */
static void
a_smaller_window_under_ulimit(void)
{
#ifdef ADDRESS_SPACE_IS_SHADOWED
	printf("not shown here: address space limits under a sanitizer\n");
	(void)window_under_a_limit;
	(void)no_window_at_all;
#else
	CHILD_ASSERT(window_under_a_limit);
	CHILD_ASSERT(no_window_at_all);
#endif
}

/* A pagemap reader of our own. */
static u64
pa_from_pagemap(const void *va)
{
	u64 entry = 0;
	int fd = open("/proc/self/pagemap", O_RDONLY);

	if (pread(fd, &entry, 8, (off_t)(pointer_to_uword(va) / PAGE * 8)) != 8)
		entry = 0;
	close(fd);
	return (entry & ((1ULL << 55) - 1)) * PAGE + pointer_to_uword(va) % PAGE;
}

/* Where the kernel tells, each byte's physical address is pagemap's; where not, nobody guesses. */
static void
physical_addresses_are_pagemaps(void)
{
	vm_range_t *r = range_of_4k("paddr", MiB(4), 0);
	u8 *base = vm_range_base(r);
	u64 pa = 0, seed = unit_seed();
	int rv;

	CU_ASSERT_EQUAL(vm_va_to_pa(base, &pa), -ENOENT);
	CU_ASSERT_EQUAL(vm_commit(r, 0, MiB(2)), 0);
	rv = vm_va_to_pa(base, &pa);
	CU_ASSERT(rv == 0 || rv == -EPERM);
	for (u32 i = 0; i < 10000 && !rv; i++) {
		u8 *va = base + unit_random_below(&seed, MiB(2));

		CU_ASSERT_EQUAL(vm_va_to_pa(va, &pa), 0);
		CU_ASSERT_EQUAL(pa, pa_from_pagemap(va));
	}
	CU_ASSERT_EQUAL(vm_va_to_pa(base + MiB(2), &pa), -ENOENT);
	CU_ASSERT_NOT_EQUAL(vm_va_to_pa((void *)~0ULL, &pa), 0);
	vm_release(r);
}

static int
nobody_learns_physical_addresses(void)
{
	vm_range_t *r = range_of_4k("nobody", MiB(1), 0);
	u64 pa = 42;

	if (drop_root())
		return CHILD_CANNOT;
	CHILD_CHECK(vm_commit(r, 0, MiB(1)) == 0);
	CHILD_CHECK(vm_va_to_pa(vm_range_base(r), &pa) == -EPERM);
	CHILD_CHECK(pa == 42);
	return 0;
}

static int
a_child_reads_its_own_pagemap(void)
{
	static u8 *p;
	u64 pa;

	p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	*p = 1;
	CHILD_CHECK(vm_va_to_pa(p, &pa) == 0 && pa == pa_from_pagemap(p));
	return 0;
}

/* Without the right to know, the answer is "unknown"; after fork() it is the child's own. */
static void
physical_addresses_in_children(void)
{
	int x = 0;
	u64 pa;

	CHILD_ASSERT(nobody_learns_physical_addresses);
	if (!vm_va_to_pa(&x, &pa))
		CHILD_ASSERT(a_child_reads_its_own_pagemap);
}

/* A page size that is not to be had is replaced, with a reason, unless it was to be exact. */
static void
a_missing_page_size_falls_back_and_says_so(void)
{
	vm_range_params_t p = { .name = "fallback",
				.reserve_bytes = GiB(2),
				.expect_bytes = 1ULL << 41,
				.numa_node = VM_NODE_ANY,
				.page_size = CLIB_MEM_PAGE_SZ_2M };
	vm_range_t *r = NULL;
	vm_range_info_t info;

	/* No machine has a million free huge pages. */
	CU_ASSERT_EQUAL(vm_reserve(&p, &r), 0);
	vm_range_get_info(r, &info);
	CU_ASSERT_EQUAL(info.log2_page_size, 12);
	CU_ASSERT_EQUAL(info.is_hugetlb, 0);
	CU_ASSERT(strlen(info.fallback) > 0);
	printf("%s\n", info.fallback);
	CU_ASSERT_EQUAL(vm_commit(r, GiB(1), PAGE), 0);
	vm_release(r);
	p.numa_node = 0;
	p.flags = VM_RANGE_EXACT_PAGE;
	r = NULL;
	CU_ASSERT(vm_reserve(&p, &r) < 0);
	/* A size that x86 does not have. */
	p.page_size = CLIB_MEM_PAGE_SZ_16M;
	p.reserve_bytes = p.expect_bytes = MiB(16);
	CU_ASSERT_EQUAL(vm_reserve(&p, &r), -ENOTSUP);
	CU_ASSERT_PTR_NULL(r);
	p.flags = 0;
	CU_ASSERT_EQUAL(vm_reserve(&p, &r), 0);
	vm_range_get_info(r, &info);
	CU_ASSERT(strlen(info.fallback) > 0);
	printf("%s\n", info.fallback);
	vm_release(r);
}

/* Transparent huge pages: claimed only where smaps shows them, else 4K with a reason. */
static void
transparent_huge_pages_are_verified(void)
{
	for (u32 is_shared = 0; is_shared < 2; is_shared++) {
		vm_range_t *r = range_of_4k("thp", MiB(64),
					    VM_RANGE_THP | (is_shared ? VM_RANGE_SHARED : 0));
		const char *key = is_shared ? "ShmemPmdMapped:" : "AnonHugePages:";
		vm_range_info_t info;

		vm_range_get_info(r, &info);
		CU_ASSERT_EQUAL(info.log2_page_size, 12);
		CU_ASSERT_EQUAL(vm_commit(r, 0, MiB(8)), 0);
		if (info.is_thp) {
			CU_ASSERT_STRING_EQUAL(info.fallback, "");
			/* Memory may be fragmented: some of it, at least, is huge. */
			CU_ASSERT(smaps_bytes(info.base ? (void *)info.base : NULL, MiB(64), key) >
				  0);
		} else {
			printf("%s\n", info.fallback);
			CU_ASSERT(strlen(info.fallback) > 0);
		}
		CU_ASSERT_EQUAL(smaps_bytes(vm_range_base(r), MiB(64), "Rss:"), MiB(8));
		CU_ASSERT_EQUAL(vm_decommit(r, 0, MiB(4) + PAGE, NULL), 0);
		CU_ASSERT_EQUAL(committed_bytes(r), MiB(4) - PAGE);
		CU_ASSERT_EQUAL(vm_commit(r, 0, MiB(64)), 0);
		vm_release(r);
	}
}

/* What the machine offers is consistent with itself. */
static void
the_machine_is_described(void)
{
	u8 sizes[16], least[1];
	u32 n = vm_hugepage_sizes(sizes, 16);
	vm_hugepages_t all, node;
	u64 total, available;

	CU_ASSERT(vm_n_numa_nodes() >= 1);
	CU_ASSERT_EQUAL(vm_numa_node_has_memory(-1), 0);
	CU_ASSERT_EQUAL(vm_numa_node_has_memory((int)vm_n_numa_nodes()), 0);
	CU_ASSERT(vm_current_numa_node() < (int)vm_n_numa_nodes());
	CU_ASSERT_EQUAL(vm_log2_page_size(CLIB_MEM_PAGE_SZ_DEFAULT), 12);
	CU_ASSERT_EQUAL(vm_log2_page_size(CLIB_MEM_PAGE_SZ_1G), 30);
	CU_ASSERT_EQUAL(vm_log2_page_size(CLIB_MEM_PAGE_SZ_UNKNOWN), 0);
	CU_ASSERT_EQUAL(vm_log2_page_size(CLIB_MEM_PAGE_SZ_DEFAULT_HUGE),
			vm_default_hugepage_log2());
	for (u32 i = 0; i < n; i++) {
		u64 n_total = 0;

		CU_ASSERT(i == 0 || sizes[i] > sizes[i - 1]);
		CU_ASSERT_EQUAL(vm_hugepages(VM_NODE_ANY, sizes[i], &all), 0);
		for (u32 j = 0; j < vm_n_numa_nodes(); j++)
			if (!vm_hugepages((int)j, sizes[i], &node))
				n_total += node.n_total;
		CU_ASSERT_EQUAL(n_total, all.n_total);
		CU_ASSERT(all.n_free <= all.n_total);
	}
	CU_ASSERT_EQUAL(vm_hugepage_sizes(least, 1), n ? 1 : 0);
	CU_ASSERT_EQUAL(vm_hugepages(VM_NODE_ANY, 13, &all), -ENOTSUP);
	CU_ASSERT_EQUAL(vm_hugepages(VM_NODE_ANY, 255, &all), -ENOTSUP);
	CU_ASSERT_EQUAL(vm_hugepages(4711, 21, &all), -ENODEV);
	CU_ASSERT_EQUAL(vm_node_memory(VM_NODE_ANY, &total, &available), 0);
	CU_ASSERT(total > available && available > 0);
	CU_ASSERT_EQUAL(vm_node_memory(0, &total, &available), 0);
	CU_ASSERT(total > available && available > 0);
	CU_ASSERT_EQUAL(vm_node_memory(4711, &total, &available), -ENODEV);
}

/* Pages asked for on a node are found there by the kernel's own word. */
static void
pages_lie_where_they_were_asked_for(void)
{
	vm_range_params_t p = { .name = "placed",
				.reserve_bytes = MiB(4),
				.numa_node = 0,
				.page_size = CLIB_MEM_PAGE_SZ_4K,
				.flags = VM_RANGE_STRICT_NODE };
	vm_range_info_t info;
	vm_range_t *r;
	u64 by_node[64], n_absent;
	int rv;

	CU_ASSERT_EQUAL_FATAL(vm_reserve(&p, &r), 0);
	CU_ASSERT_EQUAL(vm_commit(r, 0, MiB(3)), 0);
	vm_range_get_info(r, &info);
	CU_ASSERT_EQUAL(info.n_misplaced_pages, 0);
	CU_ASSERT_EQUAL(info.numa_node, 0);
	rv = vm_pages_by_node(vm_range_base(r), MiB(4), PAGE, by_node, 64, &n_absent);
	CU_ASSERT(rv == 0 || (rv == -EPERM && info.placement_is_unknown));
	if (!rv) {
		CU_ASSERT_EQUAL(by_node[0], MiB(3) / PAGE);
		CU_ASSERT_EQUAL(n_absent, MiB(1) / PAGE);
		CU_ASSERT_EQUAL(info.placement_is_unknown, 0);
	}
	vm_release(r);
}

static int
commit_on_node_0(u32 error)
{
	vm_range_params_t p = { .name = "container",
				.reserve_bytes = MiB(1),
				.numa_node = 0,
				.page_size = CLIB_MEM_PAGE_SZ_4K,
				.flags = VM_RANGE_STRICT_NODE };
	vm_range_info_t info;
	vm_range_t *r = NULL;
	u64 by_node[1], n_absent;

	if (deny_numa_calls(error))
		return CHILD_CANNOT;
	CHILD_CHECK(vm_reserve(&p, &r) == 0);
	CHILD_CHECK(vm_commit(r, 0, MiB(1)) == 0);
	vm_range_get_info(r, &info);
	CHILD_CHECK(info.placement_is_unknown == 1);
	CHILD_CHECK(info.committed_bytes == MiB(1));
	CHILD_CHECK(vm_pages_by_node(vm_range_base(r), PAGE, PAGE, by_node, 1, &n_absent) ==
		    -EPERM);
	return 0;
}

static int
commit_in_a_container(void)
{
	return commit_on_node_0(EPERM);
}

static int
commit_on_a_kernel_without_numa(void)
{
	return commit_on_node_0(ENOSYS);
}

/* Where NUMA calls are refused or missing, memory is given and its placement is unknown. */
static void
numa_calls_may_be_denied(void)
{
	CHILD_ASSERT(commit_in_a_container);
	CHILD_ASSERT(commit_on_a_kernel_without_numa);
}

/* A second node that only /sys knows of: whatever is bound to it lands on the first. */
static int
pages_land_on_another_node(void)
{
	vm_range_params_t p = { .name = "elsewhere",
				.reserve_bytes = MiB(1),
				.numa_node = 1,
				.page_size = CLIB_MEM_PAGE_SZ_4K,
				.flags = VM_RANGE_STRICT_NODE };
	vm_range_info_t info;
	vm_range_t *r = NULL;

	if (vm_n_numa_nodes() > 1 || fake_file("/sys/devices/system/node/has_memory", "0-1\n") ||
	    fake_file("/sys/devices/system/node/online", "0-1\n") ||
	    deny_syscall(SYS_mbind, EPERM, -1))
		return CHILD_CANNOT;
	CHILD_CHECK(vm_n_numa_nodes() == 2);
	CHILD_CHECK(vm_reserve(&p, &r) == 0);
	CHILD_CHECK(vm_commit(r, 0, MiB(1)) == -EXDEV);
	vm_range_get_info(r, &info);
	CHILD_CHECK(info.committed_bytes == 0 && info.n_commit_failures == 1);
	CHILD_CHECK(smaps_bytes(vm_range_base(r), MiB(1), "Rss:") == 0);
	vm_release(r);
	p.flags = 0;
	CHILD_CHECK(vm_reserve(&p, &r) == 0);
	CHILD_CHECK(vm_commit(r, 0, MiB(1)) == 0);
	vm_range_get_info(r, &info);
	CHILD_CHECK(info.n_misplaced_pages == MiB(1) / PAGE);
	return 0;
}

/* Pages on the wrong node fail a strict commit, which then changes nothing, or are counted. */
static void
misplaced_pages_are_refused_or_counted(void)
{
	CHILD_ASSERT(pages_land_on_another_node);
}

static int
commit_on_an_old_kernel(void)
{
	vm_range_t *r[2];

	/* 23: MADV_POPULATE_WRITE. */
	if (deny_syscall(SYS_madvise, EINVAL, 23))
		return CHILD_CANNOT;
	for (u32 i = 0; i < 2; i++) {
		r[i] = range_of_4k("old", MiB(1), i ? VM_RANGE_SHARED : 0);
		CHILD_CHECK(vm_populate_is_emulated() == (int)i);
		CHILD_CHECK(vm_commit(r[i], PAGE, MiB(1) - PAGE) == 0);
		CHILD_CHECK(vm_populate_is_emulated() == 1);
		CHILD_CHECK(smaps_bytes(vm_range_base(r[i]), MiB(1), "Rss:") == MiB(1) - PAGE);
	}
	return 0;
}

/* Before Linux 5.14 a commit populates by other means, to the same effect. */
static void
kernels_without_populate_work(void)
{
	CHILD_ASSERT(commit_on_an_old_kernel);
}

/* Every other page committed is a mapping each, until the process may have no more: then commits
 * fail cleanly, what would split a mapping is not given back, and all of it goes in the end. */
static void
the_kernels_limit_on_mappings_is_an_error(void)
{
	vm_range_t *r;
	u64 limit = 0, n = 0;
	uword released, before;
	FILE *f = fopen("/proc/sys/vm/max_map_count", "r");

	if (!f || fscanf(f, "%" SCNu64, (uint64_t *)&limit) != 1 || limit > 100000) {
		printf("not shown here: vm.max_map_count is beyond reach\n");
		if (f)
			fclose(f);
		return;
	}
	fclose(f);
	r = range_of_4k("mappings", 2 * limit * PAGE, 0);
	/* A block in one piece, to be split when the limit is reached. */
	CU_ASSERT_EQUAL(vm_commit(r, 0, 16 * PAGE), 0);
	for (n = 0; n < limit; n++)
		if (vm_commit(r, (17 + 2 * n) * PAGE, PAGE))
			break;
	CU_ASSERT(n < limit);
	before = committed_bytes(r);
	CU_ASSERT_EQUAL(before, (16 + n) * PAGE);
	CU_ASSERT_EQUAL(vm_commit(r, (17 + 2 * n) * PAGE, PAGE), -ENOMEM);
	CU_ASSERT_EQUAL(vm_commit(r, (17 + 2 * n + 100) * PAGE, 3 * PAGE), -ENOMEM);
	CU_ASSERT_EQUAL(vm_decommit(r, 5 * PAGE, PAGE, &released), 0);
	CU_ASSERT_EQUAL(committed_bytes(r), before - released);
	if (!released)
		/* Still usable, as the count says. */
		memset((u8 *)vm_range_base(r) + 5 * PAGE, 1, PAGE);
	CU_ASSERT_EQUAL(vm_decommit(r, 0, 2 * limit * PAGE, &released), 0);
	CU_ASSERT_EQUAL(committed_bytes(r), 0);
	CU_ASSERT_EQUAL(smaps_bytes(vm_range_base(r), 2 * limit * PAGE, "Rss:"), 0);
	CU_ASSERT_EQUAL(vm_commit(r, 0, PAGE), 0);
	vm_release(r);
}

static const unit_test_t tests[] = {
	/* First: these want a process whose window is not made yet. */
	UNIT(a_smaller_window_under_ulimit),
	UNIT(a_commit_beyond_memory_is_refused),
	UNIT(physical_addresses_are_pagemaps),
	UNIT(physical_addresses_in_children),
	UNIT(a_missing_page_size_falls_back_and_says_so),
	UNIT(transparent_huge_pages_are_verified),
	UNIT(the_machine_is_described),
	UNIT(pages_lie_where_they_were_asked_for),
	UNIT(numa_calls_may_be_denied),
	UNIT(misplaced_pages_are_refused_or_counted),
	UNIT(kernels_without_populate_work),
	UNIT(the_kernels_limit_on_mappings_is_an_error),
};

int
main(void)
{
	return unit_run("vm_machine", tests, ARRAY_LEN(tests));
}
