/* SPDX-License-Identifier: Apache-2.0 */
/* What only real hugetlb pages show.  Uses at most 40 of them (80 MiB), and expects others to
 * take and give back pages meanwhile. */
#include <fcntl.h>
#include <sys/mman.h>
#include <vppinfra/vm.h>
#include "unit.h"
#include "child.h"

#define LOG2_2M 21
#define N_PAGES_USED 40

static vm_range_t *
range_of_2m(const char *name, uword n_pages, u32 flags, int node)
{
	vm_range_params_t params = {
		.name = name,
		.reserve_bytes = n_pages * MiB(2),
		.numa_node = node,
		.page_size = CLIB_MEM_PAGE_SZ_2M,
		.flags = flags | VM_RANGE_EXACT_PAGE,
	};
	vm_range_t *r = NULL;

	CU_ASSERT_EQUAL(vm_reserve(&params, &r), 0);
	return r;
}

static uword
committed_bytes(const vm_range_t *r)
{
	vm_range_info_t info;

	vm_range_get_info(r, &info);
	return info.committed_bytes;
}

/* Bytes of huge pages that are mapped in [base, base + size), by a reader of our own. */
static uword
hugetlb_bytes(const void *base, uword size)
{
	uword sum = 0, start, end, kib;
	FILE *f = fopen("/proc/self/smaps", "r");
	char line[512];
	int is_in = 0;

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			is_in = start >= pointer_to_uword(base) &&
				end <= pointer_to_uword(base) + size;
		else if (is_in && (sscanf(line, "Private_Hugetlb: %lu kB", &kib) == 1 ||
				   sscanf(line, "Shared_Hugetlb: %lu kB", &kib) == 1))
			sum += kib << 10;
	}
	if (f)
		fclose(f);
	return sum;
}

/* Huge pages are there when committed, verified on their node, and gone when given back. */
static void
huge_pages_go_through_their_states(void)
{
	u32 flags[] = { 0, VM_RANGE_SHARED, VM_RANGE_SHARED | VM_RANGE_WINDOW };

	for (u32 i = 0; i < ARRAY_LEN(flags); i++) {
		vm_range_t *r = range_of_2m("huge", 64, flags[i] | VM_RANGE_STRICT_NODE, 0);
		u8 *base = vm_range_base(r);
		uword before = vm_committed_bytes(LOG2_2M), released;
		vm_range_info_t info;
		u64 by_node[8], n_absent;

		CU_ASSERT_EQUAL(pointer_to_uword(base) % MiB(2), 0);
		CU_ASSERT_EQUAL(vm_range_page_bytes(r), MiB(2));
		CU_ASSERT_EQUAL(hugetlb_bytes(base, MiB(128)), 0);
		CU_ASSERT_EQUAL(vm_commit(r, MiB(4), MiB(8)), 0);
		CU_ASSERT_EQUAL(vm_commit(r, MiB(11), MiB(2)), 0);
		CU_ASSERT_EQUAL(committed_bytes(r), MiB(10));
		CU_ASSERT_EQUAL(vm_committed_bytes(LOG2_2M) - before, MiB(10));
		CU_ASSERT_EQUAL(hugetlb_bytes(base, MiB(128)), MiB(10));
		vm_range_get_info(r, &info);
		CU_ASSERT(info.is_hugetlb && !info.is_thp);
		CU_ASSERT_STRING_EQUAL(info.fallback, "");
		CU_ASSERT_EQUAL(info.n_misplaced_pages, 0);
		if (!vm_pages_by_node(base, MiB(128), MiB(2), by_node, 8, &n_absent)) {
			CU_ASSERT_EQUAL(by_node[0], 5);
			CU_ASSERT_EQUAL(n_absent, 59);
		}
		memset(base + MiB(4), 0xff, MiB(10));
		/* Rounded in: half a page is not given back. */
		CU_ASSERT_EQUAL(vm_decommit(r, MiB(5), MiB(4), &released), 0);
		CU_ASSERT_EQUAL(released, MiB(2));
		CU_ASSERT_EQUAL(hugetlb_bytes(base, MiB(128)), MiB(8));
		CU_ASSERT_EQUAL(vm_commit(r, MiB(4), MiB(8)), 0);
		CU_ASSERT_EQUAL(base[MiB(6)], 0);
		CU_ASSERT_EQUAL(base[MiB(6) - 1], 0xff);
		CU_ASSERT_EQUAL(vm_release(r), 0);
		CU_ASSERT_EQUAL(vm_committed_bytes(LOG2_2M), before);
	}
}

/* What pagemap says, for each page, in any byte of it. */
static u32
n_wrong_addresses(const u8 *base, u32 n_pages)
{
	u32 n = 0;
	u64 pa;

	for (u32 i = 0; i < 3 * n_pages; i++) {
		const u8 *a = base + i / 3 * MiB(2) + (i % 3) * 700001;

		n += vm_virt_to_phys(a) != (vm_va_to_pa(a, &pa) ? ~(u64)0 : pa);
	}
	return n;
}

/* The physical address of a huge page is known from its commit to its decommit, without a system
 * call; what is not there has none, and small pages are asked for each time. */
static void
physical_addresses_are_kept_while_pages_are_there(void)
{
	u32 flags[] = { 0, VM_RANGE_SHARED };
	uword small[2] = { 1, 1 };
	u64 pa;

	if (vm_va_to_pa(small, &pa)) {
		printf("not shown here: pagemap is closed\n");
		return;
	}
	for (u32 i = 0; i < ARRAY_LEN(flags); i++) {
		vm_range_t *r = range_of_2m("phys", 16, flags[i], VM_NODE_ANY);
		const u8 *base = vm_range_base(r);

		CU_ASSERT_EQUAL(vm_virt_to_phys(base), ~(u64)0);
		CU_ASSERT_EQUAL(vm_commit(r, MiB(4), MiB(8)), 0);
		CU_ASSERT_EQUAL(vm_commit(r, MiB(8), MiB(8)), 0);
		CU_ASSERT_EQUAL(n_wrong_addresses(base, 16), 0);
		CU_ASSERT_NOT_EQUAL(vm_virt_to_phys(base + MiB(6)), ~(u64)0);
		CU_ASSERT_EQUAL(vm_decommit(r, MiB(6), MiB(2), NULL), 0);
		CU_ASSERT_EQUAL(vm_virt_to_phys(base + MiB(6)), ~(u64)0);
		CU_ASSERT_EQUAL(vm_commit(r, MiB(6), MiB(2)), 0);
		CU_ASSERT_EQUAL(n_wrong_addresses(base, 16), 0);
		/* A commit that fails leaves nothing behind. */
		vm_fail_commit_after(1);
		CU_ASSERT_EQUAL(vm_commit(r, MiB(16), MiB(2)), -ENOMEM);
		CU_ASSERT_EQUAL(n_wrong_addresses(base, 16), 0);
		CU_ASSERT_EQUAL(vm_release(r), 0);
		CU_ASSERT_EQUAL(vm_virt_to_phys(base + MiB(8)), ~(u64)0);
	}
	CU_ASSERT_EQUAL(vm_virt_to_phys(small), pa);
	CU_ASSERT_EQUAL(vm_virt_to_phys((void *)~(uword)0), ~(u64)0);
	CU_ASSERT_EQUAL(vm_virt_to_phys(NULL), ~(u64)0);
}

static int
commit_too_much(void)
{
	u32 flags[] = { 0, VM_RANGE_SHARED };
	vm_hugepages_t pages;

	vm_hugepages(VM_NODE_ANY, LOG2_2M, &pages);
	for (u32 i = 0; i < 2; i++) {
		vm_range_t *r = range_of_2m("too much", pages.n_total + 64, flags[i], VM_NODE_ANY);
		vm_range_info_t info;

		CHILD_CHECK(vm_commit(r, 0, MiB(4)) == 0);
		memset(vm_range_base(r), 1, MiB(4));
		CHILD_CHECK(vm_commit(r, 0, (pages.n_total + 64) * MiB(2)) == -ENOMEM);
		vm_range_get_info(r, &info);
		CHILD_CHECK(info.committed_bytes == MiB(4) && info.n_commit_failures == 1);
		CHILD_CHECK(hugetlb_bytes(vm_range_base(r), info.reserve_bytes) == MiB(4));
		CHILD_CHECK(*(u8 *)vm_range_base(r) == 1);
		vm_release(r);
	}
	return 0;
}

/* Mapping more huge pages than there are succeeds; committing them does not, and no signal comes.
 */
static void
more_than_there_are_is_refused(void)
{
	CHILD_ASSERT(commit_too_much);
}

#define N_QUOTA_PAGES 6

static int
commit_beyond_a_quota(void)
{
	vm_range_params_t p = { .name = "quota",
				.reserve_bytes = 16 * MiB(2),
				.numa_node = 0,
				.page_size = CLIB_MEM_PAGE_SZ_2M,
				.flags = VM_RANGE_SHARED | VM_RANGE_EXACT_PAGE,
				.file = "/mnt/vmheap-test" };
	vm_range_t *r = NULL, *second = NULL;
	vm_range_info_t info;
	u8 *base;

	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("none", "/mnt", "hugetlbfs", 0, "pagesize=2M,size=12M"))
		return CHILD_CANNOT;
	CHILD_CHECK(vm_reserve(&p, &r) == 0);
	if (!r)
		return 1;
	base = vm_range_base(r);
	CHILD_CHECK(vm_reserve(&p, &second) == -EEXIST);
	CHILD_CHECK(vm_commit(r, MiB(4), MiB(4)) == 0);
	memset(base + MiB(4), 1, MiB(4));
	/* The kernel has pages, the file system has not: only populating finds that out, after it
	 * has taken four pages, on both sides of the two that were there. */
	CHILD_CHECK(vm_commit(r, 0, 8 * MiB(2)) == -ENOMEM);
	vm_range_get_info(r, &info);
	CHILD_CHECK(info.committed_bytes == MiB(4) && info.n_commit_failures == 1);
	CHILD_CHECK(hugetlb_bytes(base, 16 * MiB(2)) == MiB(4));
	CHILD_CHECK(base[MiB(4)] == 1 && base[MiB(8) - 1] == 1);
	CHILD_CHECK(vm_commit(r, 0, N_QUOTA_PAGES * MiB(2)) == 0);
	CHILD_CHECK(vm_commit(r, 0, (N_QUOTA_PAGES + 1) * MiB(2)) == -ENOMEM);
	CHILD_CHECK(access(p.file, F_OK) == 0);
	CHILD_CHECK(vm_release(r) == 0);
	CHILD_CHECK(access(p.file, F_OK) != 0);
	return 0;
}

/* The pool may run dry in the middle of a commit: what it took goes back, without a SIGBUS. */
static void
running_dry_half_way_changes_nothing(void)
{
	CHILD_ASSERT(commit_beyond_a_quota);
}

static int
commit_beyond_a_quota_on_an_old_kernel(void)
{
	/* 23: MADV_POPULATE_WRITE. */
	if (deny_syscall(SYS_madvise, EINVAL, 23))
		return CHILD_CANNOT;
	return commit_beyond_a_quota();
}

static int
commit_private_on_an_old_kernel(void)
{
	vm_range_t *r = range_of_2m("old", 4, 0, 0);

	if (deny_syscall(SYS_madvise, EINVAL, 23))
		return CHILD_CANNOT;
	CHILD_CHECK(vm_commit(r, 0, MiB(4)) == 0);
	CHILD_CHECK(hugetlb_bytes(vm_range_base(r), 4 * MiB(2)) == MiB(4));
	/* mlock() refused: an error, not a signal. */
	if (deny_syscall(SYS_mlock, ENOMEM, -1))
		return CHILD_CANNOT;
	CHILD_CHECK(vm_commit(r, MiB(4), MiB(4)) == -ENOMEM);
	CHILD_CHECK(committed_bytes(r) == MiB(4));
	return 0;
}

/* Before Linux 5.14 too, a commit ends in pages or in an error. */
static void
old_kernels_do_not_get_a_sigbus(void)
{
	CHILD_ASSERT(commit_beyond_a_quota_on_an_old_kernel);
	CHILD_ASSERT(commit_private_on_an_old_kernel);
}

/* A second mapping of the same memory file has the same bytes and the same physical pages. */
static void
a_shared_range_is_attached_by_its_fd(void)
{
	vm_range_t *r = range_of_2m("attach", 4, VM_RANGE_SHARED, 0);
	vm_range_info_t info;
	u8 *base = vm_range_base(r), *other;
	char path[64];
	u64 pa = 0, other_pa = 1;
	int fd;

	CU_ASSERT_EQUAL(vm_commit(r, MiB(2), MiB(2)), 0);
	vm_range_get_info(r, &info);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", info.fd);
	fd = open(path, O_RDWR);
	other = mmap(NULL, 4 * MiB(2), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CU_ASSERT_PTR_NOT_EQUAL_FATAL(other, MAP_FAILED);
	memset(base + MiB(2), 0x77, MiB(2));
	CU_ASSERT_EQUAL(memcmp(other + MiB(2), base + MiB(2), MiB(2)), 0);
	if (!vm_va_to_pa(base + MiB(2) + 5, &pa)) {
		CU_ASSERT_EQUAL(vm_va_to_pa(other + MiB(2) + 5, &other_pa), 0);
		CU_ASSERT_EQUAL(pa, other_pa);
		/* One page: physical addresses run along. */
		CU_ASSERT_EQUAL(vm_va_to_pa(base + MiB(4) - 1, &other_pa), 0);
		CU_ASSERT_EQUAL(other_pa - pa, MiB(2) - 6);
	}
	munmap(other, 4 * MiB(2));
	close(fd);
	vm_release(r);
}

static vm_range_t *parents_range;

static int
touch_the_parents_pages(void)
{
	*(volatile u8 *)vm_range_base(parents_range) = 2;
	return 0;
}

static int
live_beside_the_parents_pages(void)
{
	CHILD_CHECK(hugetlb_bytes(vm_range_base(parents_range), MiB(4)) == 0);
	/* The rest of the child is not concerned. */
	vm_range_t *r = range_of_2m("child's own", 1, 0, 0);

	CHILD_CHECK(vm_commit(r, 0, MiB(2)) == 0);
	*(u8 *)vm_range_base(r) = 3;
	return 0;
}

/* A forked child has no part in private huge pages: it cannot write the parent's, and the parent
 * never copies one, so neither can die of a pool that is short. */
static void
private_huge_pages_do_not_fork(void)
{
	vm_hugepages_t before, after;
	int rv;

	parents_range = range_of_2m("private", 2, 0, 0);
	CU_ASSERT_EQUAL(vm_commit(parents_range, 0, MiB(4)), 0);
	*(u8 *)vm_range_base(parents_range) = 1;
	vm_hugepages(0, LOG2_2M, &before);
	rv = in_child(touch_the_parents_pages);
	/* Most often SIGSEGV, unless a library of the child mapped something into the hole. */
	CU_ASSERT_NOT_EQUAL(rv, 128 + SIGBUS);
	CU_ASSERT_EQUAL(*(u8 *)vm_range_base(parents_range), 1);
	CHILD_ASSERT(live_beside_the_parents_pages);
	vm_hugepages(0, LOG2_2M, &after);
	printf("%llu pages free before the children, %llu after\n",
	       (unsigned long long)before.n_free, (unsigned long long)after.n_free);
	CU_ASSERT_EQUAL(hugetlb_bytes(vm_range_base(parents_range), MiB(4)), MiB(4));
	vm_release(parents_range);
}

/* Each commit can be made to fail after it took its pages; they go back. */
static void
every_commit_can_fail_and_changes_nothing(void)
{
	u32 flags[] = { 0, VM_RANGE_SHARED };

	for (u32 i = 0; i < 2; i++) {
		for (u32 k = 1; k <= 3; k++) {
			vm_range_t *r = range_of_2m("fails", 8, flags[i], VM_NODE_ANY);

			vm_fail_commit_after(k);
			for (u32 c = 1; c <= 3; c++) {
				uword before = committed_bytes(r);
				int rv = vm_commit(r, (3 - c) * MiB(2), (2 * c - 1) * MiB(2));

				CU_ASSERT_EQUAL(rv, c == k ? -ENOMEM : 0);
				if (rv) {
					CU_ASSERT_EQUAL(committed_bytes(r), before);
					CU_ASSERT_EQUAL(hugetlb_bytes(vm_range_base(r), 8 * MiB(2)),
							before);
				}
			}
			vm_release(r);
		}
	}
	vm_fail_commit_after(0);
}

/* The wanted size when there is enough of it for what is expected, and a reason when not. */
static void
the_page_size_depends_on_what_is_free(void)
{
	vm_range_params_t p = { .name = "choice",
				.reserve_bytes = MiB(64),
				.expect_bytes = MiB(16),
				.numa_node = 0,
				.page_size = CLIB_MEM_PAGE_SZ_DEFAULT_HUGE };
	vm_range_info_t info;
	vm_range_t *r = NULL;

	CU_ASSERT_EQUAL(vm_reserve(&p, &r), 0);
	vm_range_get_info(r, &info);
	CU_ASSERT_EQUAL(info.log2_page_size, vm_default_hugepage_log2());
	CU_ASSERT(info.is_hugetlb);
	vm_release(r);
	p.expect_bytes = 1ULL << 42;
	CU_ASSERT_EQUAL(vm_reserve(&p, &r), 0);
	vm_range_get_info(r, &info);
	CU_ASSERT_EQUAL(info.is_hugetlb, 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(info.fallback, "on node 0"));
	CU_ASSERT_PTR_NOT_NULL(strstr(info.fallback, "sysctl vm.nr_hugepages="));
	vm_release(r);
	p.flags = VM_RANGE_EXACT_PAGE;
	r = NULL;
	CU_ASSERT_EQUAL(vm_reserve(&p, &r), -ENOMEM);
	CU_ASSERT_PTR_NULL(r);
}

static int
nobody_uses_huge_pages(void)
{
	vm_range_t *r;
	u64 pa;

	if (drop_root())
		return CHILD_CANNOT;
	for (u32 i = 0; i < 2; i++) {
		r = range_of_2m("nobody's", 2, i ? VM_RANGE_SHARED : 0, 0);
		CHILD_CHECK(r && vm_commit(r, 0, MiB(4)) == 0);
		CHILD_CHECK(vm_va_to_pa(vm_range_base(r), &pa) == -EPERM);
	}
	return 0;
}

/* Huge pages need no privilege; physical addresses do. */
static void
huge_pages_without_root(void)
{
	CHILD_ASSERT(nobody_uses_huge_pages);
}

/* 1G: used where one is free; where none is, a 2M range says why. */
static void
pages_of_1g(void)
{
	vm_range_params_t p = { .name = "1g",
				.reserve_bytes = GiB(2),
				.numa_node = 0,
				.page_size = CLIB_MEM_PAGE_SZ_1G };
	vm_hugepages_t pages;
	vm_range_info_t info;
	vm_range_t *r = NULL;
	u64 pa, end_pa;

	CU_ASSERT_EQUAL(vm_reserve(&p, &r), 0);
	vm_range_get_info(r, &info);
	if (vm_hugepages(0, 30, &pages) || !pages.n_free) {
		printf("not shown here: no 1G page is free on node 0 (%s)\n", info.fallback);
		CU_ASSERT_EQUAL(info.log2_page_size, LOG2_2M);
		CU_ASSERT(strlen(info.fallback) > 0);
		CU_ASSERT_EQUAL(vm_commit(r, 0, MiB(2)), 0);
	} else {
		CU_ASSERT_EQUAL(info.log2_page_size, 30);
		CU_ASSERT_EQUAL(vm_commit(r, GiB(1) + 5, 1), 0);
		CU_ASSERT_EQUAL(committed_bytes(r), GiB(1));
		if (!vm_va_to_pa(vm_range_base(r) + GiB(1), &pa)) {
			CU_ASSERT_EQUAL(vm_va_to_pa(vm_range_base(r) + GiB(2) - 1, &end_pa), 0);
			CU_ASSERT_EQUAL(end_pa - pa, GiB(1) - 1);
		}
	}
	vm_release(r);
}

static const unit_test_t tests[] = {
	UNIT(huge_pages_go_through_their_states),
	UNIT(physical_addresses_are_kept_while_pages_are_there),
	UNIT(more_than_there_are_is_refused),
	UNIT(running_dry_half_way_changes_nothing),
	UNIT(old_kernels_do_not_get_a_sigbus),
	UNIT(a_shared_range_is_attached_by_its_fd),
	UNIT(private_huge_pages_do_not_fork),
	UNIT(every_commit_can_fail_and_changes_nothing),
	UNIT(the_page_size_depends_on_what_is_free),
	UNIT(huge_pages_without_root),
	UNIT(pages_of_1g),
};

int
main(void)
{
	vm_hugepages_t pages;

	if (vm_hugepages(0, LOG2_2M, &pages) || pages.n_free < N_PAGES_USED)
		unit_skip("fewer than 40 free 2M pages on node 0; sysctl vm.nr_hugepages=64");
	return unit_run("vm_huge", tests, ARRAY_LEN(tests));
}
