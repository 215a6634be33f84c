/* SPDX-License-Identifier: Apache-2.0 */
/* Where every committed byte of a process is: the layers' accounts and the kernel's agree. */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <vppinfra/mem_setup.h>
#include <vppinfra/physmem.h>
#include <vppinfra/vec.h>
#include <cli/memory_map.h>
#include "unit.h"

static void
set_up(u32 flags)
{
	clib_mem_setup_t setup = { .main_heap_bytes = MiB(64),
				   .numa_heap_bytes = MiB(64),
				   .flags = flags };
	char what[256] = "";
	int rv = clib_mem_setup(&setup, what, sizeof(what));

	if (rv)
		printf("%s\n", what);
	CU_ASSERT_EQUAL_FATAL(rv, 0);
}

static void
expect_balance(void)
{
	memory_totals_t t;
	memory_account_t *a;

	memory_totals(&t);
	CU_ASSERT_EQUAL(t.smaps_error, 0);
	CU_ASSERT(t.vm_committed_bytes > 0);
	CU_ASSERT_EQUAL(t.arenas_committed_bytes, t.vm_committed_bytes);
	CU_ASSERT_EQUAL(t.unexplained_bytes, 0);
	vec_foreach (a, t.by_size) {
		CU_ASSERT_EQUAL(a->arenas, a->vm);
		CU_ASSERT_EQUAL(a->unexplained, 0);
		if (a->unexplained)
			printf("2^%u: arenas %llu vm %llu eal %llu kernel %llu\n",
			       a->log2_page_size, (unsigned long long)a->arenas,
			       (unsigned long long)a->vm, (unsigned long long)a->eal,
			       (unsigned long long)a->kernel);
	}
	memory_totals_free(&t);
}

/* Heaps grow and shrink, arenas hand out pages and take them back: at each rest the sums agree. */
static void
accounts_balance(u32 flags)
{
	u64 seed = unit_seed(), n = unit_n_ops(400);
	void *objects[64] = {}, *pages[16] = {};
	vmem_t *vmem;
	uword page;

	set_up(flags);
	vmem = clib_arena_vmem(clib_mem_numa_arena(0));
	page = vmem->vm_quantum;
	expect_balance();
	for (u64 k = 0; k < n; k++) {
		u32 i = unit_random_below(&seed, ARRAY_LEN(objects));
		u32 j = unit_random_below(&seed, ARRAY_LEN(pages));

		clib_mem_free(objects[i]);
		objects[i] = clib_mem_alloc(1 + unit_random_below(&seed, KiB(256)));
		if (pages[j]) {
			vmem_free(vmem, pages[j], page);
			pages[j] = NULL;
		} else {
			pages[j] = vmem_alloc(vmem, page, VM_NOSLEEP);
		}
		if (k % 20 == 0)
			expect_balance();
	}
	for (u32 i = 0; i < ARRAY_LEN(objects); i++)
		clib_mem_free(objects[i]);
	for (u32 j = 0; j < ARRAY_LEN(pages); j++) {
		if (pages[j])
			vmem_free(vmem, pages[j], page);
	}
	expect_balance();
	CU_ASSERT_EQUAL(clib_mem_teardown(NULL, 0), 0);
}

static void
accounts_balance_on_small_pages(void)
{
	accounts_balance(CLIB_MEM_SETUP_NO_HUGE);
}

/* The same on whatever this machine has; without huge pages it is the test above once more. */
static void
accounts_balance_on_huge_pages(void)
{
	accounts_balance(0);
}

/* What programs map by themselves is accounted for, page by page, and so is physmem. */
static void
mappings_and_physmem_balance(void)
{
	static const u32 flags[] = { 0, CLIB_MEM_VM_F_LOCKED,
				     CLIB_MEM_VM_F_HUGETLB | CLIB_MEM_VM_F_SHARED };
	clib_mem_vm_alloc_t a[ARRAY_LEN(flags)] = {};
	void *maps[3], *p;
	int fd = -1;

	set_up(0);
	for (u32 i = 0; i < ARRAY_LEN(flags); i++) {
		clib_error_t *error;

		a[i] = (clib_mem_vm_alloc_t){ .name = "ext", .size = MiB(2), .flags = flags[i] };
		error = clib_mem_vm_ext_alloc(&a[i]);
		clib_error_free(error);
		expect_balance();
	}
	maps[0] = clib_mem_vm_map(0, MiB(1), CLIB_MEM_PAGE_SZ_DEFAULT, "small");
	memset(maps[0], 1, KiB(100));
	maps[1] = clib_mem_vm_map(0, MiB(2), CLIB_MEM_PAGE_SZ_DEFAULT_HUGE, "huge");
	maps[2] = CLIB_MEM_VM_MAP_FAILED;
	fd = clib_mem_vm_create_fd(CLIB_MEM_PAGE_SZ_DEFAULT_HUGE, "file");
	if (fd >= 0 && !ftruncate(fd, MiB(4)))
		maps[2] = clib_mem_vm_map_shared(0, MiB(4), fd, 0, "file");
	p = clib_physmem_alloc(MiB(3));
	expect_balance();
	clib_physmem_free(p);
	CU_ASSERT_PTR_NOT_NULL(p);
	for (u32 i = 0; i < ARRAY_LEN(maps); i++)
		if (maps[i] != CLIB_MEM_VM_MAP_FAILED)
			CU_ASSERT_EQUAL(clib_mem_vm_unmap(maps[i]), 0);
	for (u32 i = 0; i < ARRAY_LEN(flags); i++)
		clib_mem_vm_ext_free(&a[i]);
	clib_physmem_exit();
	close(fd);
	expect_balance();
	CU_ASSERT_EQUAL(clib_mem_vm_committed_bytes(0), 0);
	CU_ASSERT_EQUAL(clib_mem_teardown(NULL, 0), 0);
}

/* The map has a row for each range and each mapping, once, in address order. */
static void
rows_are_ranges_and_mappings(void)
{
	memory_map_row_t *rows, *r;
	u32 n_main = 0, n_mine = 0;
	uword last = 0;
	void *p;
	int fd;

	set_up(CLIB_MEM_SETUP_NO_HUGE);
	fd = clib_mem_vm_create_fd(CLIB_MEM_PAGE_SZ_DEFAULT, "file");
	CU_ASSERT_EQUAL(ftruncate(fd, KiB(12)), 0);
	p = clib_mem_vm_map_shared(0, KiB(12), fd, 0, "mine %d", 7);
	rows = memory_map_rows();
	vec_foreach (r, rows) {
		CU_ASSERT(r->start > last);
		last = r->start;
		n_main += !strcmp(r->name, "main");
		if (strcmp(r->name, "mine 7"))
			continue;
		n_mine++;
		CU_ASSERT_EQUAL(r->start, (uword)p);
		CU_ASSERT_EQUAL(r->n_bytes, KiB(12));
		CU_ASSERT_EQUAL(r->fd, fd);
		CU_ASSERT_EQUAL(r->log2_page_size, 12);
	}
	CU_ASSERT_EQUAL(n_main, 1);
	CU_ASSERT_EQUAL(n_mine, 1);
	vec_free(rows);
	CU_ASSERT_EQUAL(clib_mem_vm_unmap(p), 0);
	close(fd);
	CU_ASSERT_EQUAL(clib_mem_teardown(NULL, 0), 0);
}

/* A huge page that nobody accounts for is found: the sum shows it, to the byte. */
static void
strangers_are_unexplained(void)
{
	memory_totals_t t;
	void *p;

	p = mmap(NULL, MiB(2), PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | 21 << MAP_HUGE_SHIFT, -1, 0);
	if (p == MAP_FAILED) {
		printf("(no huge page of 2M is free here) ");
		return;
	}
	*(volatile char *)p = 1;
	set_up(CLIB_MEM_SETUP_NO_HUGE);
	memory_totals(&t);
	CU_ASSERT_EQUAL(t.unexplained_bytes, (i64)MiB(2));
	CU_ASSERT_EQUAL(t.smaps_hugetlb_bytes, MiB(2));
	memory_totals_free(&t);
	CU_ASSERT_EQUAL(clib_mem_teardown(NULL, 0), 0);
	munmap(p, MiB(2));
}

/* Pages of a mapping are counted where they lie; what is only reserved is not populated. */
static void
pages_are_counted(void)
{
	memory_mapping_t *mappings;
	memory_pages_t pages;
	u8 *p = mmap(NULL, 64 * KiB(4), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	u64 n_on_nodes = 0;

	set_up(CLIB_MEM_SETUP_NO_HUGE);
	CU_ASSERT_EQUAL(mprotect(p, 16 * KiB(4), PROT_READ | PROT_WRITE), 0);
	for (u32 i = 0; i < 5; i++)
		p[i * KiB(4)] = 1;
	CU_ASSERT_EQUAL(memory_map_read(&mappings), 0);
	memory_map_count_pages(mappings, (uword)p, 64 * KiB(4), KiB(4), &pages);
	CU_ASSERT_EQUAL(pages.n_pages, 64);
	if (pages.n_unknown) {
		CU_ASSERT_EQUAL(pages.n_unknown, 16);
	} else {
		for (u32 i = 0; i < MEMORY_MAX_NODES; i++)
			n_on_nodes += pages.n_on_node[i];
		CU_ASSERT_EQUAL(pages.n_populated, 5);
		CU_ASSERT_EQUAL(n_on_nodes, 5);
	}
	vec_free(mappings);
	CU_ASSERT_EQUAL(clib_mem_teardown(NULL, 0), 0);
	munmap(p, 64 * KiB(4));
}

static const unit_test_t tests[] = {
	UNIT(accounts_balance_on_small_pages), UNIT(accounts_balance_on_huge_pages),
	UNIT(mappings_and_physmem_balance),    UNIT(rows_are_ranges_and_mappings),
	UNIT(strangers_are_unexplained),       UNIT(pages_are_counted),
};

int
main(void)
{
	return unit_run("memory_map", tests, ARRAY_LEN(tests));
}
