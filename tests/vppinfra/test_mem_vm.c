/* SPDX-License-Identifier: Apache-2.0 */
/* Mappings by VPP's names: what is promised where they succeed, and that nothing is left where
 * they fail. */
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vppinfra/error.h>
#include <vppinfra/mem.h>
#include <vppinfra/vec.h>
#include "unit.h"

#define PAGE KiB(4)
#define HUGE_PAGE MiB(2)

/* Huge pages are other programs' too: whether some are free now, which may change at once. */
static int
has_hugepages(void)
{
	vm_hugepages_t h;

	if (clib_mem_get_default_hugepage_size() == HUGE_PAGE &&
	    !vm_hugepages(VM_NODE_ANY, CLIB_MEM_PAGE_SZ_2M, &h) && h.n_free >= h.n_reserved + 8)
		return 1;
	printf("(fewer than 8 huge pages of 2M are free here) ");
	return 0;
}

/* More than the machine has. */
static uword
too_many_hugepages(void)
{
	vm_hugepages_t h = {};

	vm_hugepages(VM_NODE_ANY, CLIB_MEM_PAGE_SZ_2M, &h);
	return h.n_total + 100000;
}

static uword
n_populated(void *p, clib_mem_page_sz_t log2, uword n_pages)
{
	clib_mem_page_stats_t stats;

	clib_mem_get_page_stats(p, log2, n_pages, &stats);
	return stats.populated + stats.unknown;
}

static u32
n_maps(void)
{
	clib_mem_vm_map_hdr_t *h = NULL;
	u32 n = 0;

	while ((h = clib_mem_vm_get_next_map_hdr(h)))
		n++;
	return n;
}

/* Whether the last error speaks of something. */
static int
last_error_has(const char *words)
{
	u8 *s = format(0, "%U%c", format_clib_error, clib_mem_get_last_error(), 0);
	int has = strstr((char *)s, words) != NULL;

	if (!has)
		printf("(%s) ", s);
	vec_free(s);
	return has;
}

static sigjmp_buf fault_jump;

static void
on_fault(int CLIB_UNUSED(signal))
{
	siglongjmp(fault_jump, 1);
}

/* Whether touching a byte is a fault. */
static int
is_guarded(void *p)
{
	struct sigaction act = { .sa_handler = on_fault }, segv, bus;
	int is_fault = 0;

	sigaction(SIGSEGV, &act, &segv);
	sigaction(SIGBUS, &act, &bus);
	if (sigsetjmp(fault_jump, 1) == 0)
		*(volatile u8 *)p;
	else
		is_fault = 1;
	sigaction(SIGSEGV, &segv, NULL);
	sigaction(SIGBUS, &bus, NULL);
	return is_fault;
}

/* ---- page sizes ---- */

/* Sizes as wishes and as logarithms; what the machine has not is 0. */
static void
page_sizes_are_resolved(void)
{
	clib_mem_page_sz_t huge = clib_mem_get_log2_default_hugepage_size();

	CU_ASSERT_EQUAL(clib_mem_get_page_size(), (uword)sysconf(_SC_PAGESIZE));
	CU_ASSERT_EQUAL(1UL << clib_mem_get_log2_page_size(), clib_mem_get_page_size());
	CU_ASSERT_EQUAL(clib_mem_main.log2_page_sz, clib_mem_get_log2_page_size());
	CU_ASSERT_EQUAL(clib_mem_log2_page_size_validate(CLIB_MEM_PAGE_SZ_UNKNOWN), 0);
	CU_ASSERT_EQUAL(clib_mem_log2_page_size_validate(CLIB_MEM_PAGE_SZ_DEFAULT),
			clib_mem_get_log2_page_size());
	CU_ASSERT_EQUAL(clib_mem_log2_page_size_validate((clib_mem_page_sz_t)13), 0);
	CU_ASSERT_EQUAL(clib_mem_log2_page_size_validate((clib_mem_page_sz_t)200), 0);
	CU_ASSERT_EQUAL(clib_mem_round_to_page_size(1, CLIB_MEM_PAGE_SZ_DEFAULT), PAGE);
	CU_ASSERT_EQUAL(clib_mem_round_to_page_size(PAGE, CLIB_MEM_PAGE_SZ_4K), PAGE);
	CU_ASSERT_EQUAL(clib_mem_round_to_page_size(1, (clib_mem_page_sz_t)13), 0);
	CU_ASSERT_EQUAL(huge, clib_mem_main.log2_sys_default_hugepage_sz);
	CU_ASSERT_EQUAL(huge, vm_default_hugepage_log2());
	clib_mem_set_log2_default_hugepage_size((clib_mem_page_sz_t)13);
	CU_ASSERT_EQUAL(clib_mem_page_bytes(CLIB_MEM_PAGE_SZ_DEFAULT_HUGE), 0);
	clib_mem_set_log2_default_hugepage_size(huge);
	CU_ASSERT_NOT_EQUAL(clib_mem_main.numa_node_bitmap & 1, 0);
}

/* ---- today's mappings ---- */

/* A mapping is zeroed, on record under its name, guarded on both sides, and gone afterwards. */
static void
a_mapping_is_recorded_and_guarded(void)
{
	u32 n_before = n_maps();
	u8 *name = format(0, "tab"), *p;
	clib_mem_vm_map_hdr_t *h = NULL;

	p = clib_mem_vm_map(0, 3 * PAGE + 1, CLIB_MEM_PAGE_SZ_DEFAULT, "%v of %s %d, %U", name,
			    "worker", 7, format_memory_size, (uword)2048);
	vec_free(name);
	CU_ASSERT_FATAL(p != CLIB_MEM_VM_MAP_FAILED);
	CU_ASSERT_EQUAL((uword)p % PAGE, 0);
	for (uword i = 0; i < 4 * PAGE; i += 512)
		CU_ASSERT_EQUAL(p[i], 0);
	memset(p, 1, 4 * PAGE);
	CU_ASSERT(is_guarded(p - 1));
	CU_ASSERT(is_guarded(p + 4 * PAGE));
	CU_ASSERT_EQUAL(n_maps(), n_before + 1);
	while ((h = clib_mem_vm_get_next_map_hdr(h)) && h->base_addr != (uword)p)
		;
	CU_ASSERT_PTR_NOT_NULL_FATAL(h);
	CU_ASSERT_STRING_EQUAL(h->name, "tab of worker 7, 2k");
	CU_ASSERT_EQUAL(h->num_pages, 4);
	CU_ASSERT_EQUAL(h->log2_page_sz, 12);
	CU_ASSERT_EQUAL(h->fd, -1);
	CU_ASSERT_EQUAL(clib_mem_vm_unmap(p), 0);
	CU_ASSERT_EQUAL(n_maps(), n_before);
	CU_ASSERT(is_guarded(p));
	CU_ASSERT_EQUAL(clib_mem_vm_unmap(p), CLIB_MEM_ERROR);
	CU_ASSERT(last_error_has("no mapping on record"));
}

/* The list is in address order whatever the order of making and ending. */
static void
the_list_is_in_address_order(void)
{
	u64 seed = unit_seed();
	void *maps[32] = {};
	u32 n_live = 0, n_before = n_maps();

	for (u64 k = unit_n_ops(2000); k > 0; k--) {
		u32 i = unit_random_below(&seed, ARRAY_LEN(maps)), n = 0;
		clib_mem_vm_map_hdr_t *h = NULL, *last = NULL;

		if (maps[i]) {
			CU_ASSERT_EQUAL(clib_mem_vm_unmap(maps[i]), 0);
			maps[i] = NULL;
			n_live--;
		} else {
			maps[i] = clib_mem_vm_map(0, PAGE * (1 + i), CLIB_MEM_PAGE_SZ_4K, "m%u", i);
			CU_ASSERT_FATAL(maps[i] != CLIB_MEM_VM_MAP_FAILED);
			n_live++;
		}
		CU_ASSERT_PTR_EQUAL(clib_mem_vm_get_next_map_hdr(NULL), clib_mem_main.first_map);
		while ((h = clib_mem_vm_get_next_map_hdr(h))) {
			n++;
			CU_ASSERT_PTR_EQUAL(h->prev, last);
			CU_ASSERT(!last || last->base_addr < h->base_addr);
			last = h;
		}
		CU_ASSERT_PTR_EQUAL(clib_mem_main.last_map, last);
		CU_ASSERT_EQUAL(n, n_before + n_live);
	}
	for (u32 i = 0; i < ARRAY_LEN(maps); i++)
		if (maps[i])
			clib_mem_vm_unmap(maps[i]);
}

/* What cannot be is refused with a reason, and nothing is on record for it. */
static void
refusals_say_why(void)
{
	u32 n_before = n_maps();
	u8 *p = clib_mem_vm_map(0, PAGE, CLIB_MEM_PAGE_SZ_4K, "here");

	CU_ASSERT_PTR_EQUAL(clib_mem_vm_map(0, 0, CLIB_MEM_PAGE_SZ_4K, "none"),
			    CLIB_MEM_VM_MAP_FAILED);
	CU_ASSERT(last_error_has("no bytes"));
	CU_ASSERT_PTR_EQUAL(clib_mem_vm_map(0, PAGE, (clib_mem_page_sz_t)13, "odd"),
			    CLIB_MEM_VM_MAP_FAILED);
	CU_ASSERT(last_error_has("8K is not offered"));
	CU_ASSERT_PTR_EQUAL(clib_mem_vm_map(0, ~0ULL, CLIB_MEM_PAGE_SZ_4K, "all"),
			    CLIB_MEM_VM_MAP_FAILED);
	CU_ASSERT(last_error_has("address space"));
	CU_ASSERT_PTR_EQUAL(clib_mem_vm_map(p + 1, PAGE, CLIB_MEM_PAGE_SZ_4K, "crooked"),
			    CLIB_MEM_VM_MAP_FAILED);
	CU_ASSERT(last_error_has("no multiple of the page"));
	/* Trap of a fixed address: what is there stays there. */
	*p = 0x5a;
	CU_ASSERT_PTR_EQUAL(clib_mem_vm_map(p, PAGE, CLIB_MEM_PAGE_SZ_4K, "over"),
			    CLIB_MEM_VM_MAP_FAILED);
	CU_ASSERT(last_error_has("something is mapped"));
	CU_ASSERT_EQUAL(*p, 0x5a);
	CU_ASSERT_EQUAL(clib_error_get_code(clib_mem_get_last_error()), EEXIST);
	CU_ASSERT_EQUAL(n_maps(), n_before + 1);
	CU_ASSERT_EQUAL(clib_mem_vm_unmap(p), 0);
	/* Free address space is taken. */
	CU_ASSERT_PTR_EQUAL(clib_mem_vm_map(p, PAGE, CLIB_MEM_PAGE_SZ_4K, "again"), p);
	CU_ASSERT_EQUAL(clib_mem_vm_unmap(p), 0);
	CU_ASSERT_EQUAL(n_maps(), n_before);
}

/* The last error is told when no memory is left to tell it in, and freeing it does no harm. */
static void
the_last_error_needs_no_memory(void)
{
	clib_error_t *error;

	mheap_fail_get_after(1);
	CU_ASSERT_PTR_EQUAL(clib_mem_vm_map(0, 0, CLIB_MEM_PAGE_SZ_4K, "x"),
			    CLIB_MEM_VM_MAP_FAILED);
	mheap_fail_get_after(0);
	error = clib_mem_get_last_error();
	CU_ASSERT(last_error_has("clib_mem_vm_map: no bytes"));
	clib_error_free(error);
	CU_ASSERT_EQUAL(clib_mem_vm_create_fd((clib_mem_page_sz_t)13, "x"), CLIB_MEM_ERROR);
	CU_ASSERT(last_error_has("clib_mem_vm_create_fd: page size 8K"));
}

/* Huge pages: there when the call returns, to the page; too many are refused without a trace. */
static void
huge_pages_are_populated_or_refused(void)
{
	u32 n_before = n_maps();
	u8 *p;

	if (!has_hugepages())
		return;
	p = clib_mem_vm_map(0, HUGE_PAGE + 1, CLIB_MEM_PAGE_SZ_2M, "huge");
	CU_ASSERT_FATAL(p != CLIB_MEM_VM_MAP_FAILED);
	CU_ASSERT_EQUAL((uword)p % HUGE_PAGE, 0);
	CU_ASSERT_EQUAL(n_populated(p, CLIB_MEM_PAGE_SZ_2M, 2), 2);
	CU_ASSERT_EQUAL(vm_committed_bytes(21), 2 * HUGE_PAGE);
	CU_ASSERT_EQUAL(clib_mem_vm_get_next_map_hdr(NULL)->num_pages, 2);
	memset(p, 1, 2 * HUGE_PAGE);
	CU_ASSERT_EQUAL(clib_mem_vm_unmap(p), 0);
	CU_ASSERT_EQUAL(vm_committed_bytes(21), 0);
	p = clib_mem_vm_map(0, too_many_hugepages() * HUGE_PAGE, CLIB_MEM_PAGE_SZ_DEFAULT_HUGE,
			    "too many");
	CU_ASSERT_PTR_EQUAL(p, CLIB_MEM_VM_MAP_FAILED);
	CU_ASSERT(last_error_has("pages of 2M wanted"));
	CU_ASSERT_EQUAL(vm_committed_bytes(21), 0);
	CU_ASSERT_EQUAL(n_maps(), n_before);
	/* A populating that fails half way gives all of it back. */
	vm_fail_commit_after(1);
	CU_ASSERT_PTR_EQUAL(clib_mem_vm_map(0, HUGE_PAGE, CLIB_MEM_PAGE_SZ_2M, "unlucky"),
			    CLIB_MEM_VM_MAP_FAILED);
	vm_fail_commit_after(0);
	CU_ASSERT_EQUAL(vm_committed_bytes(21), 0);
	CU_ASSERT_EQUAL(n_maps(), n_before);
}

/* A stack that runs over its end meets the guard. */
static void
a_stack_has_a_guard(void)
{
	u8 *p = clib_mem_vm_map_stack(16 * PAGE, CLIB_MEM_PAGE_SZ_DEFAULT, "stack of %s", "w");

	CU_ASSERT_FATAL(p != CLIB_MEM_VM_MAP_FAILED);
	memset(p, 1, 16 * PAGE);
	CU_ASSERT(is_guarded(p - 1));
	CU_ASSERT_EQUAL(clib_mem_vm_unmap(p), 0);
}

/* ---- descriptors ---- */

/* Two mappings of a memfd are one memory; one past its end is refused, not a later SIGBUS. */
static void
a_descriptor_is_mapped_within_its_length(void)
{
	int fd = clib_mem_vm_create_fd(CLIB_MEM_PAGE_SZ_DEFAULT, "shared of %d", 1);
	u8 *a, *b;

	CU_ASSERT_FATAL(fd >= 0);
	CU_ASSERT_EQUAL(clib_mem_get_fd_page_size(fd), PAGE);
	CU_ASSERT_EQUAL(clib_mem_get_fd_log2_page_size(fd), 12);
	CU_ASSERT_PTR_EQUAL(clib_mem_vm_map_shared(0, PAGE, fd, 0, "empty"),
			    CLIB_MEM_VM_MAP_FAILED);
	CU_ASSERT(last_error_has("ftruncate"));
	CU_ASSERT_EQUAL(ftruncate(fd, 4 * PAGE), 0);
	a = clib_mem_vm_map_shared(0, 4 * PAGE, fd, 0, "a");
	b = clib_mem_vm_map_shared(0, 2 * PAGE, fd, 2 * PAGE, "b");
	CU_ASSERT_FATAL(a != CLIB_MEM_VM_MAP_FAILED && b != CLIB_MEM_VM_MAP_FAILED);
	a[2 * PAGE + 5] = 0x77;
	CU_ASSERT_EQUAL(b[5], 0x77);
	CU_ASSERT_PTR_EQUAL(clib_mem_vm_map_shared(0, 2 * PAGE, fd, 3 * PAGE, "c"),
			    CLIB_MEM_VM_MAP_FAILED);
	CU_ASSERT_PTR_EQUAL(clib_mem_vm_map_shared(0, PAGE, fd, 100, "c"), CLIB_MEM_VM_MAP_FAILED);
	CU_ASSERT(last_error_has("offset 100"));
	CU_ASSERT_PTR_EQUAL(clib_mem_vm_map_shared(0, PAGE, 9999, 0, "c"), CLIB_MEM_VM_MAP_FAILED);
	CU_ASSERT_PTR_EQUAL(clib_mem_vm_map_shared(0, PAGE, -1, 0, "c"), CLIB_MEM_VM_MAP_FAILED);
	CU_ASSERT(last_error_has("descriptor"));
	/* The seal: no page under a mapping can be taken away. */
	CU_ASSERT_NOT_EQUAL(ftruncate(fd, 0), 0);
	close(fd);
	a[0] = 1;
	CU_ASSERT_EQUAL(clib_mem_vm_unmap(a), 0);
	CU_ASSERT_EQUAL(clib_mem_vm_unmap(b), 0);
	CU_ASSERT_EQUAL(clib_mem_get_fd_page_size(9999), 0);
	CU_ASSERT_EQUAL(clib_mem_get_fd_log2_page_size(9999), CLIB_MEM_PAGE_SZ_UNKNOWN);
}

/* The same in huge pages: allocated by the call, or refused. */
static void
a_hugetlb_descriptor_is_populated(void)
{
	uword n_bytes = too_many_hugepages() * HUGE_PAGE;
	u8 *p;
	int fd;

	if (!has_hugepages())
		return;
	fd = clib_mem_vm_create_fd(CLIB_MEM_PAGE_SZ_2M, "huge");
	CU_ASSERT_FATAL(fd >= 0);
	CU_ASSERT_EQUAL(clib_mem_get_fd_page_size(fd), HUGE_PAGE);
	CU_ASSERT_EQUAL(ftruncate(fd, (off_t)n_bytes), 0);
	p = clib_mem_vm_map_shared(0, HUGE_PAGE, fd, HUGE_PAGE, "second");
	CU_ASSERT_FATAL(p != CLIB_MEM_VM_MAP_FAILED);
	CU_ASSERT_EQUAL(n_populated(p, CLIB_MEM_PAGE_SZ_2M, 1), 1);
	p[0] = 1;
	CU_ASSERT_PTR_EQUAL(clib_mem_vm_map_shared(0, n_bytes, fd, 0, "all"),
			    CLIB_MEM_VM_MAP_FAILED);
	CU_ASSERT_EQUAL(clib_mem_vm_unmap(p), 0);
	close(fd);
}

/* ---- reservations ---- */

/* Inside a reservation mappings go where they are wanted, one beside the other, and the address
 * space is still reserved when they go. */
static void
a_reservation_takes_mappings(void)
{
	uword base = clib_mem_vm_reserve(0, 8 * HUGE_PAGE, CLIB_MEM_PAGE_SZ_DEFAULT);
	uword huge = round_pow2(base, HUGE_PAGE);
	u8 *p, *q;

	CU_ASSERT_FATAL(base != ~0ULL);
	CU_ASSERT(is_guarded((void *)base));
	p = clib_mem_vm_map((void *)(base + PAGE), PAGE, CLIB_MEM_PAGE_SZ_4K, "p");
	CU_ASSERT_EQUAL((uword)p, base + PAGE);
	*p = 9;
	CU_ASSERT_PTR_EQUAL(clib_mem_vm_map((void *)base, 2 * PAGE, CLIB_MEM_PAGE_SZ_4K, "q"),
			    CLIB_MEM_VM_MAP_FAILED);
	q = clib_mem_vm_map((void *)base, PAGE, CLIB_MEM_PAGE_SZ_4K, "q");
	CU_ASSERT_EQUAL((uword)q, base);
	CU_ASSERT_EQUAL(*p, 9);
	CU_ASSERT_EQUAL(clib_mem_vm_unreserve(base), CLIB_MEM_ERROR);
	CU_ASSERT(last_error_has("still in it"));
	CU_ASSERT_EQUAL(clib_mem_vm_unmap(p), 0);
	CU_ASSERT(is_guarded(p));
	/* Nobody else got the addresses. */
	CU_ASSERT_EQUAL(clib_mem_vm_reserve(base + PAGE, PAGE, CLIB_MEM_PAGE_SZ_4K), ~0ULL);
	CU_ASSERT_EQUAL(clib_mem_vm_unmap(q), 0);
	if (has_hugepages()) {
		p = clib_mem_vm_map((void *)(huge + HUGE_PAGE), HUGE_PAGE, CLIB_MEM_PAGE_SZ_2M,
				    "p");
		CU_ASSERT_EQUAL_FATAL((uword)p, huge + HUGE_PAGE);
		memset(p, 1, HUGE_PAGE);
		CU_ASSERT_EQUAL(clib_mem_vm_unmap(p), 0);
		CU_ASSERT(is_guarded(p));
		CU_ASSERT_EQUAL(clib_mem_vm_reserve((uword)p, HUGE_PAGE, CLIB_MEM_PAGE_SZ_4K),
				~0ULL);
	}
	CU_ASSERT_EQUAL(clib_mem_vm_unreserve(base + PAGE), CLIB_MEM_ERROR);
	CU_ASSERT_EQUAL(clib_mem_vm_unreserve(base), 0);
	CU_ASSERT_EQUAL(clib_mem_vm_unreserve(base), CLIB_MEM_ERROR);
	CU_ASSERT_EQUAL(clib_mem_vm_reserve(base, PAGE, CLIB_MEM_PAGE_SZ_4K), base);
	CU_ASSERT_EQUAL(clib_mem_vm_unreserve(base), 0);
	CU_ASSERT_EQUAL(clib_mem_vm_reserve(1, PAGE, CLIB_MEM_PAGE_SZ_4K), ~0ULL);
	CU_ASSERT_EQUAL(clib_mem_vm_reserve(0, 0, CLIB_MEM_PAGE_SZ_4K), ~0ULL);
}

/* ---- pages ---- */

/* Touched pages count, others do not. */
static void
page_stats_count_what_is_there(void)
{
	u8 *p = clib_mem_vm_map(0, 10 * PAGE, CLIB_MEM_PAGE_SZ_4K, "counted"), *s;
	clib_mem_page_stats_t stats;

	for (u32 i = 0; i < 3; i++)
		p[2 * i * PAGE] = 1;
	clib_mem_get_page_stats(p, CLIB_MEM_PAGE_SZ_4K, 10, &stats);
	CU_ASSERT_EQUAL(stats.total, 10);
	s = format(0, "%U%c", format_clib_mem_page_stats, &stats, 0);
	if (stats.unknown) {
		CU_ASSERT_EQUAL(stats.unknown, 10);
		CU_ASSERT_PTR_NOT_NULL(strstr((char *)s, "unknown 10"));
	} else {
		CU_ASSERT_EQUAL(stats.mapped, 3);
		CU_ASSERT_EQUAL(stats.not_populated, 7);
		CU_ASSERT_PTR_NOT_NULL(strstr((char *)s, "page stats: page-size 4K, total 10, "
							 "populated 3, not-populated 7\n"));
		CU_ASSERT_PTR_NOT_NULL(strstr((char *)s, " pages, "));
	}
	vec_free(s);
	clib_mem_get_page_stats(p, (clib_mem_page_sz_t)13, 10, &stats);
	CU_ASSERT_EQUAL(stats.unknown, 10);
	clib_mem_vm_unmap(p);
}

/* Physical addresses, or none at all: never some. */
static void
paddr_is_all_or_nothing(void)
{
	u8 *p = clib_mem_vm_map(0, 4 * PAGE, CLIB_MEM_PAGE_SZ_4K, "pa");
	u64 *v, pa;

	memset(p, 1, 3 * PAGE);
	v = clib_mem_vm_get_paddr(p, CLIB_MEM_PAGE_SZ_DEFAULT, 3);
	if (vm_va_to_pa(p, &pa)) {
		CU_ASSERT_PTR_NULL(v);
	} else {
		CU_ASSERT_EQUAL_FATAL(vec_len(v), 3);
		for (u32 i = 0; i < 3; i++) {
			CU_ASSERT_EQUAL(vm_va_to_pa(p + i * PAGE, &pa), 0);
			CU_ASSERT_EQUAL(v[i], pa);
		}
	}
	vec_free(v);
	CU_ASSERT_PTR_NULL(clib_mem_vm_get_paddr(p, CLIB_MEM_PAGE_SZ_4K, 4));
	CU_ASSERT_PTR_NULL(clib_mem_vm_get_paddr(p, (clib_mem_page_sz_t)13, 1));
	clib_mem_vm_unmap(p);
}

/* A random address stays a multiple of its page and near. */
static void
randomized_addresses_keep_their_page(void)
{
	u32 n_moved = 0;

	for (u32 i = 0; i < 1000; i++) {
		uword va = GiB(1);

		clib_mem_vm_randomize_va(&va, CLIB_MEM_PAGE_SZ_4K);
		CU_ASSERT(va >= GiB(1) && va <= GiB(1) + MiB(15) && va % MiB(1) == 0);
		n_moved += va != GiB(1);
		va = GiB(1);
		clib_mem_vm_randomize_va(&va, CLIB_MEM_PAGE_SZ_64K);
		CU_ASSERT(va <= GiB(1) + MiB(3));
		va = GiB(1);
		clib_mem_vm_randomize_va(&va, CLIB_MEM_PAGE_SZ_2M);
		CU_ASSERT_EQUAL(va, GiB(1));
	}
	CU_ASSERT(n_moved > 0);
}

/* A node that is there can be preferred and forced, one that is not is refused. */
static void
numa_affinity_is_checked(void)
{
	clib_mem_page_stats_t stats;
	u8 *p;

	CU_ASSERT_EQUAL(clib_mem_set_numa_affinity(200, 0), CLIB_MEM_ERROR);
	CU_ASSERT(last_error_has("numa node 200"));
	for (int force = 0; force < 2; force++) {
		CU_ASSERT_EQUAL(clib_mem_set_numa_affinity(0, force), 0);
		p = clib_mem_vm_map(0, 4 * PAGE, CLIB_MEM_PAGE_SZ_4K, "near");
		CU_ASSERT_FATAL(p != CLIB_MEM_VM_MAP_FAILED);
		/* The mapping keeps the node, whoever touches it first. */
		CU_ASSERT_EQUAL(clib_mem_set_default_numa_affinity(), 0);
		memset(p, 1, 4 * PAGE);
		clib_mem_get_page_stats(p, CLIB_MEM_PAGE_SZ_4K, 4, &stats);
		CU_ASSERT_EQUAL(stats.per_numa[0] + stats.unknown, 4);
		clib_mem_vm_unmap(p);
	}
}

/* ---- the old generation ---- */

/* Two arguments are the old calls: pages in place, and address space that outlives them.  (Where
 * VPP forgot MAP_ANONYMOUS nothing was mapped or given back.) */
static void
old_map_and_unmap_work_in_place(void)
{
	u8 *p = clib_mem_vm_alloc(4 * PAGE), *recorded;
	clib_mem_page_stats_t stats;

	CU_ASSERT_PTR_NOT_NULL_FATAL(p);
	memset(p, 7, 4 * PAGE);
	CU_ASSERT_PTR_EQUAL(clib_mem_vm_unmap(p + PAGE, 2 * PAGE), p + PAGE);
	CU_ASSERT(is_guarded(p + PAGE));
	clib_mem_get_page_stats(p, CLIB_MEM_PAGE_SZ_4K, 4, &stats);
	CU_ASSERT_EQUAL(stats.mapped + stats.unknown / 2, 2);
	CU_ASSERT_EQUAL(p[0], 7);
	CU_ASSERT_PTR_EQUAL(clib_mem_vm_map(p + PAGE, 2 * PAGE), p + PAGE);
	CU_ASSERT_EQUAL(p[PAGE], 0);
	p[PAGE] = 1;
	CU_ASSERT_PTR_NULL(clib_mem_vm_map(p + 1, PAGE));
	CU_ASSERT_PTR_NULL(clib_mem_vm_unmap((void *)0, PAGE));
	clib_mem_vm_free(p, 4 * PAGE);
	CU_ASSERT(is_guarded(p));
	/* What somebody keeps accounts of is not mapped over. */
	recorded = clib_mem_vm_map(0, 4 * PAGE, CLIB_MEM_PAGE_SZ_4K, "mine");
	*recorded = 5;
	CU_ASSERT_PTR_NULL(clib_mem_vm_map(recorded, PAGE));
	CU_ASSERT_PTR_NULL(clib_mem_vm_unmap(recorded, PAGE));
	CU_ASSERT_EQUAL(*recorded, 5);
	clib_mem_vm_free(recorded, 4 * PAGE);
	CU_ASSERT_EQUAL(clib_mem_vm_unmap(recorded), CLIB_MEM_ERROR);
	CU_ASSERT_PTR_NULL(clib_mem_vm_alloc(~0ULL));
}

/* Memory by flags: each combination is what it says, and is given back whole. */
static void
ext_alloc_by_flags(void)
{
	static const u32 flags[] = {
		0,
		CLIB_MEM_VM_F_SHARED,
		CLIB_MEM_VM_F_NUMA_PREFER,
		CLIB_MEM_VM_F_NUMA_FORCE,
		CLIB_MEM_VM_F_LOCKED,
		CLIB_MEM_VM_F_SHARED | CLIB_MEM_VM_F_NUMA_FORCE | CLIB_MEM_VM_F_LOCKED,
		CLIB_MEM_VM_F_HUGETLB,
		CLIB_MEM_VM_F_HUGETLB | CLIB_MEM_VM_F_SHARED | CLIB_MEM_VM_F_NUMA_FORCE |
			CLIB_MEM_VM_F_HUGETLB_PREALLOC,
	};

	for (u32 i = 0; i < ARRAY_LEN(flags); i++) {
		int is_huge = !!(flags[i] & CLIB_MEM_VM_F_HUGETLB);
		uword page = is_huge ? HUGE_PAGE : PAGE, committed = vm_committed_bytes(0);
		clib_mem_vm_alloc_t a = { .name = "ext", .size = page + 1, .flags = flags[i] };
		clib_error_t *error;

		if (is_huge && !has_hugepages())
			continue;
		error = clib_mem_vm_ext_alloc(&a);
		CU_ASSERT_PTR_NULL(error);
		if (error) {
			clib_error_report(error);
			continue;
		}
		CU_ASSERT_EQUAL(1UL << a.log2_page_size, page);
		CU_ASSERT_EQUAL(a.n_pages, 2);
		CU_ASSERT_EQUAL(a.fd >= 0, !!(flags[i] & CLIB_MEM_VM_F_SHARED));
		CU_ASSERT(!is_huge || vm_committed_bytes(21) == 2 * HUGE_PAGE);
		memset(a.addr, 3, 2 * page);
		if (a.fd >= 0) {
			clib_mem_vm_map_t m = { .size = page, .fd = a.fd };

			CU_ASSERT_PTR_NULL(clib_mem_vm_ext_map(&m));
			CU_ASSERT_EQUAL(*(u8 *)m.addr, 3);
			CU_ASSERT_EQUAL(m.numa_node, 0);
			clib_mem_vm_free(m.addr, page);
		}
		clib_mem_vm_ext_free(&a);
		CU_ASSERT_PTR_NULL(a.addr);
		CU_ASSERT_EQUAL(vm_committed_bytes(0), committed);
		clib_mem_vm_ext_free(&a);
	}
}

/* Each refusal is an error of the caller's, with the struct as it was. */
static void
ext_alloc_refuses(void)
{
	clib_mem_vm_alloc_t a = { .size = PAGE, .flags = 1u << 20 };
	clib_mem_vm_map_t m = { .size = PAGE, .fd = 9999 };
	clib_error_t *error = clib_mem_vm_ext_alloc(&a);
	u8 *here = clib_mem_vm_alloc(PAGE);
	uword committed = vm_committed_bytes(0);
	int fd = -1;

	CU_ASSERT_EQUAL(clib_error_get_code(error), EINVAL);
	clib_error_free(error);
	a = (clib_mem_vm_alloc_t){ .size = 0 };
	error = clib_mem_vm_ext_alloc(&a);
	CU_ASSERT_EQUAL(clib_error_get_code(error), EINVAL);
	clib_error_free(error);
	a = (clib_mem_vm_alloc_t){ .size = PAGE,
				   .flags = CLIB_MEM_VM_F_NUMA_FORCE,
				   .numa_node = 900 };
	error = clib_mem_vm_ext_alloc(&a);
	CU_ASSERT_EQUAL(clib_error_get_code(error), ENODEV);
	clib_error_free(error);
	for (u32 flags = 0; flags < 2; flags++) {
		a = (clib_mem_vm_alloc_t){ .size = PAGE,
					   .flags = flags ? CLIB_MEM_VM_F_LOCKED : 0,
					   .requested_va = (uword)here };
		error = clib_mem_vm_ext_alloc(&a);
		CU_ASSERT_EQUAL(clib_error_get_code(error), EEXIST);
		CU_ASSERT_PTR_NULL(a.addr);
		clib_error_free(error);
	}
	vm_fail_commit_after(1);
	a = (clib_mem_vm_alloc_t){ .size = PAGE, .flags = CLIB_MEM_VM_F_LOCKED };
	error = clib_mem_vm_ext_alloc(&a);
	vm_fail_commit_after(0);
	CU_ASSERT_EQUAL(clib_error_get_code(error), ENOMEM);
	clib_error_free(error);
	error = clib_mem_vm_ext_map(&m);
	CU_ASSERT_EQUAL(clib_error_get_code(error), EBADF);
	clib_error_free(error);
	CU_ASSERT_EQUAL(vm_committed_bytes(0), committed);
	CU_ASSERT_PTR_NULL(clib_mem_create_fd("old", &fd));
	CU_ASSERT(fd >= 0);
	close(fd);
	clib_mem_vm_free(here, PAGE);
}

/* ---- heaps of a page size ---- */

/* The main heap in pages of a size: exactly that size, or NULL and a reason. */
static void
a_main_heap_of_a_page_size(void)
{
	uword committed = vm_committed_bytes(0);
	clib_mem_heap_t *heap;

	CU_ASSERT_PTR_NULL(clib_mem_init_with_page_size(MiB(4), (clib_mem_page_sz_t)13));
	CU_ASSERT(last_error_has("pages of 8K: not offered"));
	heap = clib_mem_init_with_page_size(MiB(4), CLIB_MEM_PAGE_SZ_DEFAULT);
	CU_ASSERT_PTR_NOT_NULL_FATAL(heap);
	CU_ASSERT_EQUAL(clib_mem_get_heap_log2_page_size(heap), 12);
	CU_ASSERT_PTR_NOT_NULL(clib_mem_alloc(MiB(2)));
	CU_ASSERT_PTR_NULL(clib_mem_alloc(MiB(3)));
	clib_mem_exit();
	CU_ASSERT_EQUAL(vm_committed_bytes(0), committed);
	if (!has_hugepages())
		return;
	heap = clib_mem_init_with_page_size(MiB(4), CLIB_MEM_PAGE_SZ_2M);
	CU_ASSERT_PTR_NOT_NULL_FATAL(heap);
	CU_ASSERT_EQUAL(clib_mem_get_heap_log2_page_size(heap), 21);
	CU_ASSERT_EQUAL(vm_committed_bytes(21), HUGE_PAGE);
	CU_ASSERT_PTR_NOT_NULL(clib_mem_alloc(MiB(1)));
	clib_mem_exit();
	CU_ASSERT_EQUAL(vm_committed_bytes(0), committed);
}

/* A child that was forked while another thread maps can map itself. */
static void
a_forked_child_maps(void)
{
	void *p = clib_mem_vm_map(0, PAGE, CLIB_MEM_PAGE_SZ_4K, "parent");
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		void *q = clib_mem_vm_map(0, PAGE, CLIB_MEM_PAGE_SZ_4K, "child");

		_exit(q == CLIB_MEM_VM_MAP_FAILED || clib_mem_vm_unmap(p));
	}
	CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
	CU_ASSERT_EQUAL(status, 0);
	CU_ASSERT_EQUAL(clib_mem_vm_unmap(p), 0);
}

static uword shared_reservation;

static void *
map_and_unmap(void *arg)
{
	u64 seed = (uword)&seed;
	u8 *p[8] = {};

	for (u64 k = unit_n_ops(2000); k > 0; k--) {
		u32 i = (u32)unit_random_below(&seed, ARRAY_LEN(p));
		void *wanted =
			k % 3 ? NULL
			      : (void *)(shared_reservation + unit_random_below(&seed, 64) * PAGE);

		if (p[i] && clib_mem_vm_unmap(p[i]))
			*(int *)arg = 1;
		p[i] = clib_mem_vm_map(wanted, PAGE, CLIB_MEM_PAGE_SZ_4K, "t%u", i);
		/* In the reservation another thread may have been there first. */
		if (p[i] == CLIB_MEM_VM_MAP_FAILED)
			p[i] = NULL;
		else
			p[i][7] = 1;
	}
	for (u32 i = 0; i < ARRAY_LEN(p); i++)
		if (p[i] && clib_mem_vm_unmap(p[i]))
			*(int *)arg = 1;
	return NULL;
}

/* Threads map anywhere and in one reservation; nobody gets what another has. */
static void
threads_map_and_unmap(void)
{
	u32 n_before = n_maps();
	pthread_t threads[3];
	int has_failed = 0;

	shared_reservation = clib_mem_vm_reserve(0, 64 * PAGE, CLIB_MEM_PAGE_SZ_4K);
	for (u32 i = 0; i < ARRAY_LEN(threads); i++)
		pthread_create(&threads[i], NULL, map_and_unmap, &has_failed);
	for (u32 i = 0; i < ARRAY_LEN(threads); i++)
		pthread_join(threads[i], NULL);
	CU_ASSERT_EQUAL(has_failed, 0);
	CU_ASSERT_EQUAL(n_maps(), n_before);
	CU_ASSERT_EQUAL(clib_mem_vm_unreserve(shared_reservation), 0);
}

static const unit_test_t tests[] = {
	UNIT(page_sizes_are_resolved),
	UNIT(a_mapping_is_recorded_and_guarded),
	UNIT(the_list_is_in_address_order),
	UNIT(refusals_say_why),
	UNIT(the_last_error_needs_no_memory),
	UNIT(huge_pages_are_populated_or_refused),
	UNIT(a_stack_has_a_guard),
	UNIT(a_descriptor_is_mapped_within_its_length),
	UNIT(a_hugetlb_descriptor_is_populated),
	UNIT(a_reservation_takes_mappings),
	UNIT(page_stats_count_what_is_there),
	UNIT(paddr_is_all_or_nothing),
	UNIT(randomized_addresses_keep_their_page),
	UNIT(numa_affinity_is_checked),
	UNIT(old_map_and_unmap_work_in_place),
	UNIT(ext_alloc_by_flags),
	UNIT(ext_alloc_refuses),
	UNIT(a_main_heap_of_a_page_size),
	UNIT(a_forked_child_maps),
	UNIT(threads_map_and_unmap),
};

int
main(void)
{
	return unit_run("mem_vm", tests, ARRAY_LEN(tests));
}
