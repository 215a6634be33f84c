/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/resource.h>
#include <vppinfra/mem_setup.h>
#include "unit.h"
#include "child.h"

/* What a set-up takes beside its heaps' first pages: tests use at most 20 huge pages. */
static const clib_mem_setup_t small = { .main_heap_bytes = MiB(64),
					.numa_heap_bytes = MiB(32),
					.numa_arena_bytes = GiB(1),
					.numa_expect_bytes = MiB(8) };

static int
count_arena(clib_arena_t *arena, void *arg)
{
	++*(u32 *)arg;
	return 0;
}

static int
count_heap(clib_mem_heap_t *heap, void *arg)
{
	++*(u32 *)arg;
	return 0;
}

/* No heap is announced, no arena is left, and only vmem's own tags are committed. */
static void
check_nothing_is_left(void)
{
	u32 n_arenas = 0, n_heaps = 0;

	clib_arena_foreach(count_arena, &n_arenas);
	clib_mem_foreach_heap(count_heap, &n_heaps);
	CU_ASSERT_EQUAL(n_arenas, 0);
	CU_ASSERT_EQUAL(n_heaps, 0);
	CU_ASSERT_EQUAL(vm_committed_bytes(0), vmem_mmap_committed_bytes());
	CU_ASSERT_PTR_NULL(clib_mem_get_numa_heap(0));
	CU_ASSERT_PTR_NULL(clib_mem_numa_arena(0));
	CU_ASSERT_PTR_NULL(clib_mem_main_arena());
}

/* Some line has the word. */
static int
is_degraded(const char *word)
{
	static const char *lines[128];
	u32 n = clib_mem_degradations(lines, 128);

	for (u32 i = 0; i < n && i < 128; i++)
		if (strstr(lines[i], word))
			return 1;
	return 0;
}

static void
print_degradations(void)
{
	static const char *lines[128];
	u32 n = clib_mem_degradations(lines, 128);

	for (u32 i = 0; i < n && i < 128; i++)
		printf("degraded: %s\n", lines[i]);
}

static vm_range_info_t
info_of(clib_arena_t *arena)
{
	vm_range_info_t info;

	vm_range_get_info(clib_arena_range(arena), &info);
	return info;
}

/* A heap in an arena: an object taken from it lies in the arena's range, and goes back. */
static int
heap_lives_in(clib_mem_heap_t *heap, clib_arena_t *arena)
{
	u8 *p = clib_mem_heap_alloc(heap, KiB(100));
	int is_good;

	if (!p)
		return 0;
	memset(p, 1, KiB(100));
	is_good = vm_range_of(p) == clib_arena_range(arena) && clib_mem_heap_of(p) == heap;
	clib_mem_heap_free(heap, p);
	return is_good;
}

/* All defaults: a main heap, and for each node with memory an arena and a heap in it. */
static void
defaults_make_heaps_for_every_node(void)
{
	char what[256] = "";
	uword sum;

	CU_ASSERT_EQUAL_FATAL(clib_mem_setup(NULL, what, sizeof(what)), 0);
	CU_ASSERT_STRING_EQUAL(what, "");
	CU_ASSERT_STRING_EQUAL(mheap_header(clib_mem_main_heap())->name, "main heap");
	CU_ASSERT(heap_lives_in(clib_mem_main_heap(), clib_mem_main_arena()));
	CU_ASSERT_EQUAL(info_of(clib_mem_main_arena()).fd, -1);
	sum = clib_arena_committed_bytes(clib_mem_main_arena()) + vmem_mmap_committed_bytes();
	for (u32 i = 0; i < vm_n_numa_nodes(); i++) {
		clib_arena_t *arena = clib_mem_numa_arena(i);
		vm_range_info_t info;
		char name[32];

		if (!vm_numa_node_has_memory((int)i)) {
			CU_ASSERT_PTR_NULL(arena);
			continue;
		}
		CU_ASSERT_PTR_NOT_NULL_FATAL(arena);
		CU_ASSERT(heap_lives_in(clib_mem_get_numa_heap(i), arena));
		snprintf(name, sizeof(name), "numa-%u heap", i);
		CU_ASSERT_STRING_EQUAL(mheap_header(clib_mem_get_numa_heap(i))->name, name);
		info = info_of(arena);
		CU_ASSERT(info.fd >= 0);
		CU_ASSERT_EQUAL(info.numa_node, (int)i);
		CU_ASSERT(info.base - (uword)vm_window_base() < vm_window_bytes());
		CU_ASSERT(info.reserve_bytes >= mheap_max_size(clib_mem_get_numa_heap(i)));
		sum += clib_arena_committed_bytes(arena);
	}
	CU_ASSERT_EQUAL(sum, vm_committed_bytes(0));
	print_degradations();
	CU_ASSERT_EQUAL(clib_mem_setup(NULL, what, sizeof(what)), -EALREADY);
	CU_ASSERT(strlen(what) > 0);
	CU_ASSERT_EQUAL(clib_mem_teardown(what, sizeof(what)), 0);
	CU_ASSERT_STRING_EQUAL(what, "");
	CU_ASSERT_EQUAL(clib_mem_teardown(what, sizeof(what)), -ENOENT);
	check_nothing_is_left();
}

/* Freeing calls no system; the control thread's trim gives the pages back, node by node. */
static void
trim_gives_empty_pages_back(void)
{
	clib_arena_t *arenas[2];
	clib_mem_heap_t *heaps[2];
	uword before[2], grown[2];
	void *p[2];

	CU_ASSERT_EQUAL(clib_mem_trim(), 0);
	CU_ASSERT_EQUAL_FATAL(clib_mem_setup(&small, NULL, 0), 0);
	arenas[0] = clib_mem_main_arena();
	arenas[1] = clib_mem_numa_arena(0);
	heaps[0] = clib_mem_main_heap();
	heaps[1] = clib_mem_get_numa_heap(0);
	for (u32 i = 0; i < 2; i++) {
		before[i] = clib_arena_committed_bytes(arenas[i]);
		p[i] = clib_mem_heap_alloc(heaps[i], MiB(16));
		CU_ASSERT_PTR_NOT_NULL_FATAL(p[i]);
		grown[i] = clib_arena_committed_bytes(arenas[i]);
		CU_ASSERT(grown[i] >= before[i] + MiB(14));
	}
	for (u32 i = 0; i < 2; i++) {
		clib_mem_heap_free(heaps[i], p[i]);
		CU_ASSERT_EQUAL(clib_arena_committed_bytes(arenas[i]), grown[i]);
	}
	CU_ASSERT(clib_mem_trim() >= MiB(28));
	for (u32 i = 0; i < 2; i++)
		CU_ASSERT(clib_arena_committed_bytes(arenas[i]) <= before[i]);
	CU_ASSERT_EQUAL(clib_mem_teardown(NULL, 0), 0);
	check_nothing_is_left();
}

/* Objects, spans and heaps that did not come back are named, and taken down all the same. */
static void
leaks_are_described(void)
{
	char what[512] = "";
	clib_mem_heap_t *heap;
	void *v, *p;

	CU_ASSERT_EQUAL_FATAL(clib_mem_setup(&small, what, sizeof(what)), 0);
	p = clib_mem_alloc(1000);
	CU_ASSERT_PTR_NOT_NULL(p);
	CU_ASSERT_EQUAL(clib_mem_teardown(what, sizeof(what)), -EBUSY);
	printf("%s\n", what);
	CU_ASSERT_PTR_NOT_NULL(strstr(what, "main heap: 1 objects"));
	check_nothing_is_left();

	CU_ASSERT_EQUAL_FATAL(clib_mem_setup(&small, what, sizeof(what)), 0);
	heap = clib_mem_get_numa_heap(0);
	CU_ASSERT_PTR_NOT_NULL(clib_mem_heap_alloc(heap, 10));
	CU_ASSERT_PTR_NOT_NULL(clib_mem_heap_alloc(heap, 20));
	p = vmem_alloc(clib_arena_vmem(clib_mem_numa_arena(0)), MiB(1), VM_NOSLEEP);
	CU_ASSERT_PTR_NOT_NULL(p);
	CU_ASSERT_EQUAL(clib_arena_create_heap(clib_mem_main_arena(), "big", GiB(8), 0, &v),
			-ENOMEM);
	CU_ASSERT_EQUAL(clib_arena_create_heap(clib_mem_numa_arena(0), "lost", MiB(4), 0, &v), 0);
	CU_ASSERT_EQUAL(clib_mem_teardown(what, sizeof(what)), -EBUSY);
	printf("%s\n", what);
	CU_ASSERT_PTR_NOT_NULL(strstr(what, "numa-0 heap: 2 objects"));
	CU_ASSERT_PTR_NOT_NULL(strstr(what, "arena numa-0: 1048576 bytes"));
	CU_ASSERT_PTR_NOT_NULL(strstr(what, "heap lost in arena numa-0 was not freed"));
	check_nothing_is_left();

	/* A short buffer is filled, not overrun; none at all is fine. */
	CU_ASSERT_EQUAL_FATAL(clib_mem_setup(&small, NULL, 0), 0);
	clib_mem_alloc(1);
	memset(what, 'x', sizeof(what));
	CU_ASSERT_EQUAL(clib_mem_teardown(what, 8), -EBUSY);
	CU_ASSERT_EQUAL(strlen(what), 7);
	CU_ASSERT_EQUAL(what[8], 'x');
	CU_ASSERT_EQUAL_FATAL(clib_mem_setup(&small, NULL, 0), 0);
	clib_mem_alloc(1);
	CU_ASSERT_EQUAL(clib_mem_teardown(NULL, 0), -EBUSY);
	check_nothing_is_left();
}

/* A heap that no memory could hold is refused with both figures, and nothing is left behind. */
static void
heaps_larger_than_memory_are_refused(void)
{
	clib_mem_setup_t s = small;
	char what[256];

	s.main_heap_bytes = 1ULL << 42;
	CU_ASSERT_EQUAL(clib_mem_setup(&s, what, sizeof(what)), -ENOMEM);
	printf("%s\n", what);
	CU_ASSERT_PTR_NOT_NULL(strstr(what, "main heap of 4t is larger than the machine's"));
	check_nothing_is_left();
	s = small;
	s.numa_heap_bytes = 1ULL << 42;
	CU_ASSERT_EQUAL(clib_mem_setup(&s, what, sizeof(what)), -ENOMEM);
	printf("%s\n", what);
	CU_ASSERT_PTR_NOT_NULL(strstr(what, "heap of 4t is larger than the"));
	CU_ASSERT_PTR_NOT_NULL(strstr(what, "of NUMA node "));
	check_nothing_is_left();
	s = small;
	s.main_heap_page_size = (clib_mem_page_sz_t)13;
	CU_ASSERT_EQUAL(clib_mem_setup(&s, what, sizeof(what)), -EINVAL);
	CU_ASSERT(strlen(what) > 0);
	s = small;
	s.flags = 1u << 30;
	CU_ASSERT_EQUAL(clib_mem_setup(&s, what, sizeof(what)), -EINVAL);
	CU_ASSERT(strlen(what) > 0);
	check_nothing_is_left();
}

/* Each commit of a set-up may fail: it goes on without huge pages, or leaves nothing behind. */
static void
a_set_up_that_runs_out_leaves_nothing(void)
{
	u32 n_failures = 0;

	for (u32 k = 1; k <= 4; k++) {
		char what[256] = "";
		int rv;

		vm_fail_commit_after(k);
		rv = clib_mem_setup(&small, what, sizeof(what));
		vm_fail_commit_after(0);
		CU_ASSERT(rv == 0 || rv == -ENOMEM);
		if (rv) {
			n_failures++;
			CU_ASSERT(strlen(what) > 0);
			printf("%s\n", what);
		} else {
			CU_ASSERT_EQUAL(clib_mem_teardown(what, sizeof(what)), 0);
		}
		check_nothing_is_left();
	}
	CU_ASSERT(n_failures >= 1);
}

/* 4K pages by wish are no degradation; too few huge pages are one, with the command. */
static void
page_sizes_are_wished_for_or_done_without(void)
{
	clib_mem_setup_t s = small;
	vm_range_info_t info;

	s.flags = CLIB_MEM_SETUP_NO_HUGE | CLIB_MEM_SETUP_SHARED;
	s.main_heap_page_size = CLIB_MEM_PAGE_SZ_DEFAULT_HUGE;
	CU_ASSERT_EQUAL_FATAL(clib_mem_setup(&s, NULL, 0), 0);
	info = info_of(clib_mem_main_arena());
	CU_ASSERT(!info.is_hugetlb && info.fd >= 0);
	CU_ASSERT_EQUAL(info_of(clib_mem_numa_arena(0)).is_hugetlb, 0);
	CU_ASSERT_EQUAL(is_degraded("numa-0: "),
			info_of(clib_mem_numa_arena(0)).placement_is_unknown);
	CU_ASSERT_EQUAL(clib_mem_teardown(NULL, 0), 0);

	s = small;
	s.numa_arena_bytes = GiB(16);
	s.numa_expect_bytes = 1ULL << 42;
	s.hugepage_size = CLIB_MEM_PAGE_SZ_1G;
	CU_ASSERT_EQUAL_FATAL(clib_mem_setup(&s, NULL, 0), 0);
	info = info_of(clib_mem_numa_arena(0));
	if (!info.is_hugetlb) {
		CU_ASSERT(is_degraded("wanted 1G pages"));
		CU_ASSERT(is_degraded(info.fallback));
	}
	CU_ASSERT(heap_lives_in(clib_mem_get_numa_heap(0), clib_mem_numa_arena(0)));
	print_degradations();
	CU_ASSERT_EQUAL(clib_mem_teardown(NULL, 0), 0);
	check_nothing_is_left();
}

/* Set up, use and take down in a poorer process. */
static int
set_up_works(const clib_mem_setup_t *setup)
{
	char what[256] = "";
	int rv = clib_mem_setup(setup, what, sizeof(what));

	CHILD_CHECK(rv == 0);
	if (rv) {
		printf("%s\n", what);
		return 1;
	}
	print_degradations();
	CHILD_CHECK(heap_lives_in(clib_mem_main_heap(), clib_mem_main_arena()));
	CHILD_CHECK(heap_lives_in(clib_mem_get_numa_heap(0), clib_mem_numa_arena(0)));
	CHILD_CHECK(clib_mem_teardown(what, sizeof(what)) == 0);
	return 0;
}

static int
nobody_sets_up(void)
{
	if (drop_root())
		return CHILD_CANNOT;
	set_up_works(&small);
	CHILD_CHECK(is_degraded("physical addresses are unknown"));
	return 0;
}

static int
a_container_sets_up(void)
{
	if (deny_numa_calls(EPERM))
		return CHILD_CANNOT;
	set_up_works(&small);
	CHILD_CHECK(is_degraded("CAP_SYS_NICE"));
	return 0;
}

static int
an_old_kernel_sets_up(void)
{
	clib_mem_setup_t s = small;

	/* 23: MADV_POPULATE_WRITE. */
	if (deny_syscall(SYS_madvise, EINVAL, 23))
		return CHILD_CANNOT;
	s.flags = CLIB_MEM_SETUP_NO_HUGE;
	set_up_works(&s);
	CHILD_CHECK(is_degraded("5.14"));
	return 0;
}

static int
hide_huge_pages(void)
{
	return vm_default_hugepage_log2() != 21 ||
	       fake_file("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "0\n") ||
	       fake_file("/sys/devices/system/node/node0/hugepages/hugepages-2048kB/free_hugepages",
			 "0\n");
}

static int
a_machine_without_huge_pages_sets_up(void)
{
	if (hide_huge_pages())
		return CHILD_CANNOT;
	set_up_works(&small);
	CHILD_CHECK(is_degraded("wanted 2M pages: 0 of 4 free on node 0; sysctl vm.nr_hugepages="));
	return 0;
}

/* Two nodes, of which the second is only a line in /sys. */
static int
two_nodes_set_up(void)
{
	clib_mem_setup_t s = small;
	char what[256];

	if (vm_n_numa_nodes() > 1 || fake_file("/sys/devices/system/node/has_memory", "0-1\n") ||
	    fake_file("/sys/devices/system/node/online", "0-1\n") || deny_numa_calls(EPERM))
		return CHILD_CANNOT;
	s.flags = CLIB_MEM_SETUP_NO_HUGE;
	CHILD_CHECK(clib_mem_setup(&s, what, sizeof(what)) == 0);
	for (u32 i = 0; i < 2; i++)
		CHILD_CHECK(heap_lives_in(clib_mem_get_numa_heap(i), clib_mem_numa_arena(i)));
	CHILD_CHECK(clib_mem_get_numa_heap(2) == NULL);
	CHILD_CHECK(is_degraded("numa-1: NUMA calls are refused"));
	CHILD_CHECK(clib_mem_teardown(what, sizeof(what)) == 0);
	return 0;
}

/* Everything at once: no root, no huge pages, no NUMA calls, an old kernel. */
static int
the_poorest_machine_sets_up(void)
{
	if (hide_huge_pages() || deny_numa_calls(ENOSYS) || deny_syscall(SYS_madvise, EINVAL, 23) ||
	    drop_root())
		return CHILD_CANNOT;
	set_up_works(&small);
	CHILD_CHECK(is_degraded("wanted 2M pages") && is_degraded("CAP_SYS_NICE") &&
		    is_degraded("physical addresses") && is_degraded("5.14"));
	return 0;
}

/* Whatever a machine lacks, memory is set up, and each lack is one line with its remedy. */
static void
poorer_machines_work_and_say_so(void)
{
	CHILD_ASSERT(nobody_sets_up);
	CHILD_ASSERT(a_container_sets_up);
	CHILD_ASSERT(an_old_kernel_sets_up);
	CHILD_ASSERT(a_machine_without_huge_pages_sets_up);
	CHILD_ASSERT(two_nodes_set_up);
	CHILD_ASSERT(the_poorest_machine_sets_up);
}

static int
set_up_in(uword address_space)
{
	struct rlimit limit = { address_space, address_space };

	if (setrlimit(RLIMIT_AS, &limit))
		return CHILD_CANNOT;
	set_up_works(&small);
	CHILD_CHECK(is_degraded("ulimit -v"));
	return 0;
}

static int
set_up_in_20g(void)
{
	return set_up_in(GiB(20));
}

static int
set_up_in_2g(void)
{
	return set_up_in(GiB(2));
}

/* With little address space the window shrinks, then goes. */
static void
little_address_space_is_enough(void)
{
#ifdef ADDRESS_SPACE_IS_SHADOWED
	printf("not shown here: address space limits under a sanitizer\n");
	(void)set_up_in_20g;
	(void)set_up_in_2g;
#else
	CHILD_ASSERT(set_up_in_20g);
	CHILD_ASSERT(set_up_in_2g);
#endif
}

static const unit_test_t tests[] = {
	/* First: these want a process whose window is not made yet. */
	UNIT(little_address_space_is_enough),
	UNIT(poorer_machines_work_and_say_so),
	UNIT(defaults_make_heaps_for_every_node),
	UNIT(trim_gives_empty_pages_back),
	UNIT(leaks_are_described),
	UNIT(heaps_larger_than_memory_are_refused),
	UNIT(a_set_up_that_runs_out_leaves_nothing),
	UNIT(page_sizes_are_wished_for_or_done_without),
};

int
main(void)
{
	return unit_run("mem_setup", tests, ARRAY_LEN(tests));
}
