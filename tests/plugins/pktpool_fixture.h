/* SPDX-License-Identifier: Apache-2.0 */
/* pktpool_fixture: a pool's arena and heap, and programs that run on 4 KiB pages, where IOVA is VA,
 * or with the word huge on 2 MiB pages, where IOVAs are physical if the system allows it. */
#ifndef included_tests_pktpool_fixture_h
#define included_tests_pktpool_fixture_h

#include <string.h>
#include <unistd.h>
#include <plugins/pool/pktpool_impl.h>
#include <vppinfra/mheap.h>
#include <rte_eal.h>
#include "eal.h"
#include "unit.h"

static clib_mem_page_sz_t page_size = CLIB_MEM_PAGE_SZ_4K;
static clib_arena_t *arena;
static void *heap;

/* Everything a test takes it gives back: the arena and the heap are compared at its end. */
static inline void
begin(void)
{
	clib_arena_params_t params = { .name = "test",
				       .reserve_bytes = MiB(512),
				       .numa_node = VM_NODE_ANY,
				       .page_size = page_size,
				       .vm_flags = VM_RANGE_WINDOW | VM_RANGE_SHARED |
						   VM_RANGE_EXACT_PAGE };

	CU_ASSERT_EQUAL_FATAL(clib_arena_create(&params, &arena), 0);
	heap = mheap_alloc_with_flags(0, MiB(32), MHEAP_FLAG_THREAD_SAFE);
	CU_ASSERT_PTR_NOT_NULL_FATAL(heap);
}

static inline void
end(void)
{
	char what[128];

	CU_ASSERT_EQUAL(mheap_elts(heap), 0);
	CU_ASSERT_EQUAL(mheap_check(heap, what, sizeof(what)), 0);
	CU_ASSERT_EQUAL(vmem_size(clib_arena_vmem(arena), VMEM_ALLOC), 0);
	mheap_free(heap);
	CU_ASSERT_EQUAL(clib_arena_destroy(arena), 0);
	arena = NULL;
}

static inline int
try_pool(const char *name, u32 n_buffers, u32 data_bytes, pktpool_t **pool)
{
	pktpool_params_t params = { .name = name,
				    .numa_node = 0,
				    .n_buffers = n_buffers,
				    .data_bytes = data_bytes,
				    .arena = arena,
				    .heap = heap };

	return pktpool_create(&params, pool);
}

static inline pktpool_t *
pool_of(u32 n_buffers)
{
	pktpool_t *pool = NULL;

	CU_ASSERT_EQUAL_FATAL(try_pool("pool", n_buffers, 2048, &pool), 0);
	return pool;
}

static inline void
check(pktpool_t *pool)
{
	char what[160] = "";

	if (pktpool_check(pool, what, sizeof(what)))
		printf("%s\n", what);
	CU_ASSERT_STRING_EQUAL(what, "");
}

static inline void
destroy(pktpool_t *pool)
{
	u32 n_in_flight = ~0u;

	check(pool);
	CU_ASSERT_EQUAL(pktpool_destroy(pool, &n_in_flight), 0);
	CU_ASSERT_EQUAL(n_in_flight, 0);
}

static inline pktpool_info_t
info_of(pktpool_t *pool)
{
	pktpool_info_t info;

	pktpool_get_info(pool, &info);
	return info;
}

static inline int
huge_eal_up(void)
{
	static char prefix[64];
	char *argv[] = { (char *)"test",
			 (char *)"-l",
			 (char *)"0",
			 (char *)"--in-memory",
			 (char *)"--no-pci",
			 (char *)"--no-telemetry",
			 (char *)"--log-level=*:error",
			 (char *)"--file-prefix",
			 prefix };
	vm_hugepages_t pages;

	/* 24: at most 9 for buffers (the jumbo pool), the rest is EAL's own. */
	if (vm_hugepages(VM_NODE_ANY, 21, &pages) || pages.n_free < 24)
		unit_skip("needs 24 free 2 MiB pages: sysctl vm.nr_hugepages=512");
	snprintf(prefix, sizeof(prefix), "vmheap-test-%d", (int)getpid());
	page_size = CLIB_MEM_PAGE_SZ_2M;
	return rte_eal_init(ARRAY_LEN(argv), argv) < 0 ? -1 : 0;
}

static inline int
run_on_pages(int argc, char **argv, const char *suite, const unit_test_t *tests, u32 n_tests)
{
	int is_huge = argc > 1 && !strcmp(argv[1], "huge"), status;

	if (is_huge ? huge_eal_up() : eal_up(0, 64, NULL)) {
		fprintf(stderr, "EAL does not start\n");
		return 1;
	}
	status = unit_run(suite, tests, n_tests);
	rte_eal_cleanup();
	return status;
}

#endif
