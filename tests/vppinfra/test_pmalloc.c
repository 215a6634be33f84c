/* SPDX-License-Identifier: Apache-2.0 */
/* Memory with physical addresses, and physmem over it.  Private arenas work with whatever pages the
 * machine has; where a test needs huge ones it says when they are missing. */
#include <pthread.h>
#include <sys/mman.h>
#include <vppinfra/physmem.h>
#include "unit.h"
#include "child.h"

#define PAGE MiB(2)

static clib_pmalloc_main_t
pmalloc_of(u32 n_pages)
{
	clib_pmalloc_main_t pm = {};

	CU_ASSERT_EQUAL(clib_pmalloc_init(&pm, 0, n_pages * PAGE), 0);
	CU_ASSERT_EQUAL_FATAL(pm.def_log2_page_sz, CLIB_MEM_PAGE_SZ_2M);
	return pm;
}

static void
expect_whole(clib_pmalloc_main_t *pm)
{
	char what[128] = "";

	CU_ASSERT_EQUAL(clib_pmalloc_check(pm, what, sizeof(what)), 0);
	if (what[0])
		printf("%s\n", what);
}

static int
error_has(clib_error_t *error, const char *words)
{
	u8 *s = format(0, "%U%c", format_clib_error, error, 0);
	int has = strstr((char *)s, words) != NULL;

	if (!has)
		printf("(%s) ", s);
	vec_free(s);
	return has;
}

static uword n_reports;

static void
note_report(const char *what, const void *v, uword offset, const void *caller)
{
	n_reports++;
}

/* ---- chunks ---- */

/* Blocks from the start of a page; given back, a page is one free chunk. */
static void
allocations_are_blocks_in_a_page(void)
{
	clib_pmalloc_main_t pm = pmalloc_of(4);
	uword committed = vm_committed_bytes(0);
	u8 *a = clib_pmalloc_alloc_aligned(&pm, 1, 0), *b = clib_pmalloc_alloc_aligned(&pm, 65, 0),
	   *c = clib_pmalloc_alloc_aligned(&pm, 64, 4096);

	CU_ASSERT_PTR_NOT_NULL_FATAL(a && b && c ? a : NULL);
	CU_ASSERT_EQUAL((uword)pm.base % PAGE, 0);
	CU_ASSERT_PTR_EQUAL(a, pm.base);
	CU_ASSERT_PTR_EQUAL(b, a + 64);
	CU_ASSERT_PTR_EQUAL(c, a + 4096);
	CU_ASSERT_EQUAL(*c, 0);
	CU_ASSERT_EQUAL(pm.n_committed_pages, 1);
	CU_ASSERT_EQUAL(vm_committed_bytes(0), committed + PAGE);
	CU_ASSERT_EQUAL(clib_pmalloc_committed_bytes(&pm, 0), PAGE);
	CU_ASSERT_EQUAL(clib_pmalloc_get_page_index(&pm, c), 0);
	CU_ASSERT_EQUAL(clib_pmalloc_get_arena(&pm, c)->numa_node, (u32)vm_current_numa_node());
	expect_whole(&pm);
	/* A page is one chunk again, whatever the order. */
	clib_pmalloc_free(&pm, b);
	clib_pmalloc_free(&pm, a);
	clib_pmalloc_free(&pm, c);
	CU_ASSERT_EQUAL(pool_elts(pm.pages[0].chunks), 1);
	CU_ASSERT_EQUAL(pm.pages[0].n_free_blocks, PAGE / 64);
	CU_ASSERT_PTR_EQUAL(clib_pmalloc_alloc_aligned(&pm, PAGE, PAGE), pm.base);
	expect_whole(&pm);
	clib_pmalloc_destroy(&pm);
	CU_ASSERT_EQUAL(vm_committed_bytes(0), committed);
	CU_ASSERT_PTR_NULL(pm.base);
}

/* No allocation crosses a page; a larger one starts a page and takes consecutive ones, the tail of
 * the last is there for others. */
static void
more_than_a_page_is_consecutive_pages(void)
{
	clib_pmalloc_main_t pm = pmalloc_of(8);
	u8 *small = clib_pmalloc_alloc_aligned(&pm, 64, 64), *big, *tail, *rest, *all;

	/* Three quarters of a page twice: not in one. */
	big = clib_pmalloc_alloc_aligned(&pm, PAGE * 3 / 4, 64);
	tail = clib_pmalloc_alloc_aligned(&pm, PAGE * 3 / 4, 64);
	CU_ASSERT_NOT_EQUAL(clib_pmalloc_get_page_index(&pm, big),
			    clib_pmalloc_get_page_index(&pm, tail));
	CU_ASSERT_EQUAL(clib_pmalloc_get_page_index(&pm, big + PAGE * 3 / 4 - 1),
			clib_pmalloc_get_page_index(&pm, big));
	clib_pmalloc_free(&pm, big);
	clib_pmalloc_free(&pm, tail);

	big = clib_pmalloc_alloc_aligned(&pm, 2 * PAGE + 100, 0);
	CU_ASSERT_PTR_NOT_NULL_FATAL(big);
	CU_ASSERT_EQUAL((uword)big % PAGE, 0);
	memset(big, 0xab, 2 * PAGE + 100);
	CU_ASSERT_EQUAL(*small, 0);
	rest = clib_pmalloc_alloc_aligned(&pm, PAGE - 64, 64);
	CU_ASSERT_PTR_EQUAL(rest, small + 64);
	tail = clib_pmalloc_alloc_aligned(&pm, PAGE - 128, 64);
	CU_ASSERT_PTR_EQUAL(tail, big + 2 * PAGE + 128);
	expect_whole(&pm);
	clib_pmalloc_free(&pm, rest);
	clib_pmalloc_free(&pm, small);
	clib_pmalloc_free(&pm, big);
	expect_whole(&pm);
	clib_pmalloc_free(&pm, tail);
	/* Committed pages are used together with new ones. */
	all = clib_pmalloc_alloc_aligned(&pm, 8 * PAGE, 64);
	CU_ASSERT_PTR_EQUAL(all, pm.base);
	CU_ASSERT_EQUAL(pm.n_committed_pages, 8);
	expect_whole(&pm);
	clib_pmalloc_free(&pm, all);
	CU_ASSERT_EQUAL(hash_elts(pm.chunk_index_by_va), 0);
	expect_whole(&pm);
	clib_pmalloc_destroy(&pm);
}

/* Wrong sizes, wrong nodes and the end of the address space: NULL, a reason, nothing changed. */
static void
refusals_say_why(void)
{
	clib_pmalloc_main_t pm = {}, full = pmalloc_of(2);
	u32 i;

	CU_ASSERT_PTR_NULL(clib_pmalloc_alloc_aligned(&pm, 64, 64));
	CU_ASSERT(error_has(pm.error, "clib_pmalloc_init() was not called"));
	CU_ASSERT_EQUAL(clib_pmalloc_get_pa(&pm, &pm), 0);
	CU_ASSERT_EQUAL(clib_pmalloc_init(&pm, 4096, PAGE), -1);
	CU_ASSERT_EQUAL(clib_error_get_code(pm.error), EINVAL);
	CU_ASSERT_PTR_NULL(pm.base);
	CU_ASSERT_EQUAL(clib_pmalloc_init(&pm, (uword)full.base, PAGE), -1);
	CU_ASSERT(error_has(pm.error, "something is mapped there"));
	CU_ASSERT_EQUAL(clib_pmalloc_init(&pm, 0, 1ULL << 60), -1);
	CU_ASSERT_EQUAL(clib_pmalloc_init(&pm, 0, 1), 0);
	CU_ASSERT_PTR_NULL(pm.error);
	CU_ASSERT_EQUAL(pm.max_pages, 1);
	CU_ASSERT_EQUAL(clib_pmalloc_init(&pm, 0, PAGE), -1);
	CU_ASSERT_EQUAL(clib_error_get_code(pm.error), EALREADY);
	clib_pmalloc_destroy(&pm);

	CU_ASSERT_PTR_NULL(clib_pmalloc_alloc_aligned(&full, 0, 64));
	CU_ASSERT_PTR_NULL(clib_pmalloc_alloc_aligned(&full, 64, 2 * PAGE));
	CU_ASSERT_PTR_NULL(clib_pmalloc_alloc_aligned(&full, 64, 65));
	CU_ASSERT(error_has(clib_pmalloc_last_error(&full), "64 bytes aligned to 65"));
	CU_ASSERT_PTR_NULL(clib_pmalloc_alloc_aligned(&full, ~0ULL, 64));
	CU_ASSERT_PTR_NULL(clib_pmalloc_alloc_aligned(&full, 3 * PAGE, 64));
	CU_ASSERT_PTR_NULL(clib_pmalloc_alloc_aligned_on_numa(&full, 64, 64, 1000));
	CU_ASSERT(error_has(clib_pmalloc_last_error(&full), "numa node 1000"));
	CU_ASSERT_PTR_NULL(clib_pmalloc_alloc_from_arena(&full, full.base, 64, 64));
	CU_ASSERT(error_has(clib_pmalloc_last_error(&full), "no shared arena"));
	CU_ASSERT_EQUAL(full.n_committed_pages, 0);
	for (i = 0; clib_pmalloc_alloc_aligned(&full, KiB(64), 64); i++)
		;
	CU_ASSERT_EQUAL(i, 2 * PAGE / KiB(64));
	CU_ASSERT(error_has(clib_pmalloc_last_error(&full), "1 pages wanted, 0 of 2 left"));
	CU_ASSERT_EQUAL(full.n_failures, 8);
	/* A later success forgets it. */
	clib_pmalloc_free(&full, full.base);
	CU_ASSERT_PTR_EQUAL(clib_pmalloc_alloc_aligned(&full, KiB(64), 64), full.base);
	CU_ASSERT_PTR_NULL(clib_pmalloc_last_error(&full));
	expect_whole(&full);
	clib_pmalloc_destroy(&full);
}

/* Frees of what is no allocation change nothing. */
static void
wrong_frees_are_reported(void)
{
	clib_pmalloc_main_t pm = pmalloc_of(4);
	u8 *p = clib_pmalloc_alloc_aligned(&pm, 200, 64), on_stack;

	mheap_set_error_handler(note_report);
	n_reports = 0;
	clib_pmalloc_free(&pm, NULL);
	CU_ASSERT_EQUAL(n_reports, 0);
	clib_pmalloc_free(&pm, &on_stack);
	clib_pmalloc_free(&pm, p + 64);
	clib_pmalloc_free(&pm, p + 256);
	clib_pmalloc_free(&pm, pm.base + 2 * PAGE);
	CU_ASSERT_EQUAL(n_reports, 4);
	clib_pmalloc_free(&pm, p);
	clib_pmalloc_free(&pm, p);
	CU_ASSERT_EQUAL(n_reports, 5);
	mheap_set_error_handler(NULL);
	expect_whole(&pm);
	clib_pmalloc_destroy(&pm);
}

/* ---- shared arenas ---- */

/* A shared arena is of one size, and another mapping of its descriptor is the same memory. */
static void
a_shared_arena_is_shared_and_fixed(void)
{
	clib_pmalloc_main_t pm = pmalloc_of(8);
	u8 *va = clib_pmalloc_create_shared_arena(&pm, "rx", PAGE + 1, 12, 0), *p, *view;
	clib_pmalloc_arena_t *a;
	u32 n = 0;

	CU_ASSERT_PTR_NOT_NULL_FATAL(va);
	a = clib_pmalloc_get_arena(&pm, va);
	CU_ASSERT_EQUAL(a->n_pages, 2);
	CU_ASSERT_EQUAL(a->log2_subpage_sz, 12);
	CU_ASSERT_EQUAL(a->flags, CLIB_PMALLOC_ARENA_F_SHARED_MEM);
	CU_ASSERT_STRING_EQUAL(a->name, "rx");
	CU_ASSERT_EQUAL(a->first_page_index, clib_pmalloc_get_page_index(&pm, va));
	p = clib_pmalloc_alloc_from_arena(&pm, va, 1000, 256);
	CU_ASSERT_PTR_NOT_NULL_FATAL(p);
	*p = 0x42;
	view = mmap(NULL, 2 * PAGE, PROT_READ, MAP_SHARED, a->fd, 0);
	CU_ASSERT_EQUAL(view[p - va], 0x42);
	munmap(view, 2 * PAGE);
	/* Others stay out of it, and it never grows. */
	CU_ASSERT_NOT_EQUAL(clib_pmalloc_get_arena(&pm, clib_pmalloc_alloc_aligned(&pm, 64, 64)),
			    a);
	while (clib_pmalloc_alloc_from_arena(&pm, va, KiB(100), 64))
		n++;
	CU_ASSERT_EQUAL(n, 40);
	CU_ASSERT(error_has(clib_pmalloc_last_error(&pm), "arena 'rx' is full"));
	/* Any address in it names it. */
	CU_ASSERT_PTR_NOT_NULL(clib_pmalloc_alloc_from_arena(&pm, va + PAGE, 64, 64));
	CU_ASSERT_EQUAL(clib_pmalloc_release_shared_arena(&pm, va), -EBUSY);
	CU_ASSERT_EQUAL(clib_pmalloc_release_shared_arena(&pm, va + PAGE), -EINVAL);
	expect_whole(&pm);

	CU_ASSERT_PTR_NULL(clib_pmalloc_create_shared_arena(&pm, "huge", PAGE, 30, 0));
	CU_ASSERT_PTR_NULL(clib_pmalloc_create_shared_arena(&pm, "odd", PAGE, 13, 0));
	CU_ASSERT(error_has(clib_pmalloc_last_error(&pm), "pages of 2^13 bytes"));
	CU_ASSERT_PTR_NULL(clib_pmalloc_create_shared_arena(&pm, "none", 0, 12, 0));
	CU_ASSERT_PTR_NULL(clib_pmalloc_create_shared_arena(&pm, "all", 8 * PAGE, 12, 0));
	CU_ASSERT(error_has(clib_pmalloc_last_error(&pm), "5 pages of address space left"));
	CU_ASSERT_PTR_NULL(clib_pmalloc_create_shared_arena(&pm, "far", PAGE, 12, 1000));
	expect_whole(&pm);
	clib_pmalloc_destroy(&pm);
}

/* What an arena gives back at the end is used again. */
static void
a_shared_arena_is_released(void)
{
	clib_pmalloc_main_t pm = pmalloc_of(4);
	uword committed = vm_committed_bytes(0);

	for (u32 i = 0; i < 10; i++) {
		u8 *va = clib_pmalloc_create_shared_arena(&pm, "x", 4 * PAGE, 12,
							  CLIB_PMALLOC_NUMA_LOCAL);
		u8 *p = clib_pmalloc_alloc_from_arena(&pm, va, 3 * PAGE, 0);

		CU_ASSERT_PTR_NOT_NULL(p);
		clib_pmalloc_free(&pm, p);
		CU_ASSERT_EQUAL(clib_pmalloc_release_shared_arena(&pm, va), 0);
		CU_ASSERT_EQUAL(clib_pmalloc_release_shared_arena(&pm, va), -EINVAL);
		CU_ASSERT_EQUAL(clib_pmalloc_get_pa(&pm, va), 0);
		expect_whole(&pm);
	}
	CU_ASSERT_EQUAL(vm_committed_bytes(0), committed);
	clib_pmalloc_destroy(&pm);
}

/* ---- physical addresses ---- */

/* Each byte's physical address is pagemap's, in huge pages and in subpages; outside it is 0. */
static void
physical_addresses_are_pagemaps(void)
{
	clib_pmalloc_main_t pm = pmalloc_of(8);
	u8 *va[2] = { clib_pmalloc_alloc_aligned(&pm, PAGE, 64),
		      clib_pmalloc_create_shared_arena(&pm, "small", PAGE, 12, 0) };
	u64 seed = unit_seed(), pa, n_wrong = 0;

	CU_ASSERT_PTR_NOT_NULL_FATAL(va[0] && va[1] ? va[0] : NULL);
	CU_ASSERT_EQUAL(pm.lookup_log2_page_sz, 12);
	for (u32 i = 0; i < 2000; i++) {
		u8 *p = va[i % 2] + unit_random_below(&seed, PAGE);

		/* Pages of 4K may move at any time, but hardly between two lines. */
		if (vm_va_to_pa(p, &pa))
			n_wrong += clib_pmalloc_get_pa(&pm, p) != 0;
		else if (clib_pmalloc_get_pa(&pm, p) != pa)
			n_wrong += i % 2 == 0 || vm_va_to_pa(p, &pa) ||
				   clib_pmalloc_get_pa(&pm, p) != pa;
	}
	CU_ASSERT_EQUAL(n_wrong, 0);
	CU_ASSERT_EQUAL(clib_pmalloc_get_pa(&pm, pm.base - 1), 0);
	CU_ASSERT_EQUAL(clib_pmalloc_get_pa(&pm, pm.base + 8 * PAGE), 0);
	CU_ASSERT_EQUAL(clib_pmalloc_get_pa(&pm, pm.base + 7 * PAGE), 0);
	clib_pmalloc_destroy(&pm);
}

/* ---- poorer machines ---- */

static int
nobody_allocates(void)
{
	clib_pmalloc_main_t pm = {};
	u8 *p, *s;

	/* To the books this is a process that pagemap tells nothing. */
	if (drop_root())
		return CHILD_CANNOT;
	CHILD_CHECK(clib_pmalloc_init(&pm, 0, 4 * PAGE) == 0);
	p = clib_pmalloc_alloc_aligned(&pm, 1000, 64);
	CHILD_CHECK(p != NULL);
	memset(p, 1, 1000);
	CHILD_CHECK(clib_pmalloc_get_pa(&pm, p) == 0);
	CHILD_CHECK(pm.flags & CLIB_PMALLOC_F_NO_PAGEMAP);
	s = format(0, "%U\n%U%c", format_pmalloc, &pm, 0, format_pmalloc_map, &pm, 0);
	CHILD_CHECK(strstr((char *)s, " no-pagemap linear-pa 0\n") != NULL);
	CHILD_CHECK(strstr((char *)s, " unknown ") != NULL);
	vec_free(s);
	clib_pmalloc_destroy(&pm);
	return 0;
}

static int
no_numa_calls(void)
{
	clib_pmalloc_main_t pm = {};
	u8 *p;

	if (deny_numa_calls(ENOSYS) || deny_syscall(SYS_getcpu, ENOSYS, -1))
		return CHILD_CANNOT;
	CHILD_CHECK(clib_pmalloc_init(&pm, 0, 4 * PAGE) == 0);
	p = clib_pmalloc_alloc_aligned(&pm, 1000, 64);
	CHILD_CHECK(p != NULL && clib_pmalloc_get_arena(&pm, p)->numa_node == 0);
	clib_pmalloc_destroy(&pm);
	return 0;
}

static int
no_huge_pages(void)
{
	clib_pmalloc_main_t pm = {};
	clib_pmalloc_arena_t *a;
	u8 *p, *q, *s;

	if (fake_file("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "0\n") ||
	    fake_file("/sys/devices/system/node/node0/hugepages/hugepages-2048kB/free_hugepages",
		      "0\n"))
		return CHILD_CANNOT;
	CHILD_CHECK(clib_pmalloc_init(&pm, 0, 4 * PAGE) == 0);
	p = clib_pmalloc_alloc_aligned_on_numa(&pm, 3 * PAGE, 64, 0);
	CHILD_CHECK(p != NULL);
	a = clib_pmalloc_get_arena(&pm, p);
	CHILD_CHECK(a->log2_subpage_sz == 12 && a->fallback);
	CHILD_CHECK(strstr((char *)a->fallback, "3 pages of 2M wanted, 0 free on node 0") != NULL);
	memset(p, 1, 3 * PAGE);
	s = format(0, "%U%c", format_pmalloc, &pm, 0, 0);
	CHILD_CHECK(strstr((char *)s, "arena 'default-numa-0' pages 3 subpage-size 4K numa-node 0\n"
				      "    fallback: 3 pages of 2M") != NULL);
	CHILD_CHECK(strstr((char *)s, "lookup-page-size 4K") != NULL);
	vec_free(s);
	/* A shared arena is never made of other pages than were asked for. */
	q = clib_pmalloc_create_shared_arena(&pm, "x", PAGE, 21, 0);
	CHILD_CHECK(q == NULL && error_has(pm.error, "1 pages of 2M wanted"));
	CHILD_CHECK(clib_pmalloc_check(&pm, NULL, 0) == 0);
	clib_pmalloc_destroy(&pm);
	return 0;
}

/* Whatever is missing, memory is had, and what is worse is said. */
static void
poorer_machines_work_and_say_so(void)
{
	CHILD_ASSERT(nobody_allocates);
	CHILD_ASSERT(no_numa_calls);
	CHILD_ASSERT(no_huge_pages);
}

/* ---- a model ---- */

#define N_OBJECTS 400

typedef struct {
	u8 *p;
	uword size;
	u8 tag;
} object_t;

/* Sizes from a block to three pages, mostly small. */
static uword
random_size(u64 *seed)
{
	u64 kind = unit_random_below(seed, 100);

	if (kind < 80)
		return 1 + unit_random_below(seed, 4096);
	if (kind < 98)
		return 1 + unit_random_below(seed, KiB(256));
	return 1 + unit_random_below(seed, 3 * PAGE);
}

/* First and last bytes are the tag's: nobody else was given them. */
static int
is_intact(const object_t *o)
{
	return o->p[0] == o->tag && o->p[o->size - 1] == o->tag && o->p[o->size / 2] == o->tag;
}

/* Random allocations from a private and a shared arena keep their bytes, their alignment and their
 * page; in the end all of it is one free chunk a page. */
static void
random_operations_keep_what_was_given(void)
{
	static object_t objects[N_OBJECTS];
	clib_pmalloc_main_t pm = pmalloc_of(48);
	u8 *arena = clib_pmalloc_create_shared_arena(&pm, "shared", 4 * PAGE, 12, 0);
	u64 seed = unit_seed(), n_wrong = 0, n_refused = 0, n_ops = unit_n_ops(40000);

	memset(objects, 0, sizeof(objects));
	for (u64 k = 0; k < n_ops; k++) {
		object_t *o = &objects[unit_random_below(&seed, N_OBJECTS)];
		uword align = 1ULL << unit_random_below(&seed, 14);

		if (o->p) {
			n_wrong += !is_intact(o);
			clib_pmalloc_free(&pm, o->p);
			o->p = NULL;
			continue;
		}
		o->size = random_size(&seed);
		o->tag = (u8)unit_random(&seed);
		o->p = k % 3 ? clib_pmalloc_alloc_aligned(&pm, o->size, align)
			     : clib_pmalloc_alloc_from_arena(&pm, arena, o->size, align);
		if (!o->p) {
			n_refused++;
			continue;
		}
		n_wrong += (uword)o->p % clib_max(align, (uword)64) != 0;
		n_wrong +=
			o->size <= PAGE && (uword)o->p / PAGE != ((uword)o->p + o->size - 1) / PAGE;
		o->p[0] = o->p[o->size / 2] = o->p[o->size - 1] = o->tag;
		if (k % 256 == 0)
			expect_whole(&pm);
	}
	CU_ASSERT_EQUAL(n_wrong, 0);
	CU_ASSERT(n_refused < n_ops / 2);
	for (u32 i = 0; i < N_OBJECTS; i++)
		clib_pmalloc_free(&pm, objects[i].p);
	for (u32 i = 0; i < vec_len(pm.pages); i++)
		CU_ASSERT(!pm.pages[i].chunks || pool_elts(pm.pages[i].chunks) == 1);
	CU_ASSERT_EQUAL(hash_elts(pm.chunk_index_by_va), 0);
	expect_whole(&pm);
	clib_pmalloc_destroy(&pm);
}

/* ---- exhaustion ---- */

/* The k-th allocation for the books fails, for each k, once or with all after it: nothing is taken,
 * nothing is lost. */
static void
no_memory_for_the_books(void (*fail_after)(u64 k))
{
	clib_mem_heap_t *heap = clib_mem_init(NULL, MiB(4));
	uword committed = vm_committed_bytes(0), n_refused = 0;

	for (u64 k = 1; k < 60; k++) {
		clib_pmalloc_main_t pm = {};
		void *a = NULL, *b = NULL, *c = NULL;
		int rv;

		fail_after(k);
		rv = clib_pmalloc_init(&pm, 0, 8 * PAGE);
		if (!rv) {
			a = clib_pmalloc_alloc_aligned(&pm, 100, 0);
			b = clib_pmalloc_alloc_aligned(&pm, 2 * PAGE + 100, 0);
			c = clib_pmalloc_create_shared_arena(&pm, "c", PAGE, 12, 0);
		}
		mheap_fail_get_after(0);
		CU_ASSERT(rv == 0 || clib_error_get_code(pm.error) == ENOMEM);
		expect_whole(&pm);
		if (!rv) {
			/* Each one that failed goes through now. */
			CU_ASSERT_PTR_NOT_NULL(a ?: clib_pmalloc_alloc_aligned(&pm, 100, 0));
			CU_ASSERT_PTR_NOT_NULL(
				b ?: clib_pmalloc_alloc_aligned(&pm, 2 * PAGE + 100, 0));
			CU_ASSERT_PTR_NOT_NULL(
				c ?: clib_pmalloc_create_shared_arena(&pm, "c", PAGE, 12, 0));
			expect_whole(&pm);
		}
		clib_pmalloc_destroy(&pm);
		CU_ASSERT_EQUAL(mheap_elts(heap), 0);
		CU_ASSERT_EQUAL(vm_committed_bytes(0), committed);
		n_refused += !(a && b && c);
	}
	/* Some are done without, such as more heads for a hash. */
	CU_ASSERT(n_refused > 10);
	CU_ASSERT(n_refused < 50);
	clib_mem_exit();
}

static void
no_memory_for_the_books_changes_nothing(void)
{
	no_memory_for_the_books(mheap_fail_get_after);
	no_memory_for_the_books(mheap_fail_gets_after);
}

/* A page that cannot be committed is NULL with a reason, once and for as long as it lasts. */
static void
no_pages_is_null(void)
{
	clib_pmalloc_main_t pm = pmalloc_of(16);
	uword committed = vm_committed_bytes(0);

	for (u64 k = 1; k < 4; k++) {
		vm_fail_commit_after(1);
		CU_ASSERT_PTR_NULL(clib_pmalloc_create_shared_arena(&pm, "x", 2 * PAGE, 12, 0));
		CU_ASSERT_EQUAL(vm_committed_bytes(0), committed);
		CU_ASSERT_EQUAL(vec_len(pm.pages), 0);
		expect_whole(&pm);
	}
	vm_fail_commit_after(0);
	/* A private arena tries the system's pages when huge ones fail. */
	vm_fail_commit_after(1);
	CU_ASSERT_PTR_NOT_NULL(clib_pmalloc_alloc_aligned(&pm, 64, 64));
	vm_fail_commit_after(0);
	expect_whole(&pm);
	clib_pmalloc_destroy(&pm);
}

/* ---- text ---- */

/* VPP's lines: the whole, arenas, pages, chunks, and the map. */
static void
pmalloc_in_words(void)
{
	clib_pmalloc_main_t pm = pmalloc_of(4);
	u8 *va = clib_pmalloc_create_shared_arena(&pm, "rings", PAGE, 12, 0), *s;
	char line[512];

	clib_pmalloc_alloc_from_arena(&pm, va, 128, 64);
	s = format(0, "%U%c", format_pmalloc, &pm, 2, 0);
	CU_ASSERT_PTR_NOT_NULL(strstr((char *)s, "used-pages 1 reserved-pages 4 default-page-size "
						 "2M lookup-page-size 4K"));
	snprintf(line, sizeof(line), " linear-pa 0 va-start %p\n", (void *)pm.base);
	CU_ASSERT_PTR_NOT_NULL(strstr((char *)s, line));
	snprintf(line, sizeof(line),
		 "\n  arena 'rings' pages 1 subpage-size 4K numa-node 0 shared fd %d\n"
		 "    free 2097024 chunks 2 free-chunks 1\n"
		 "      chunk offset        size    used   index    prev    next\n"
		 "                 0         128     yes       0      -1       1\n"
		 "               128     2097024      no       1       0      -1",
		 clib_pmalloc_get_arena(&pm, va)->fd);
	CU_ASSERT_PTR_NOT_NULL(strstr((char *)s, line));
	vec_free(s);
	clib_pmalloc_alloc_from_arena(&pm, &pm, 1, 1);
	s = format(0, "%U%c", format_pmalloc, &pm, 0, 0);
	CU_ASSERT_PTR_NOT_NULL(strstr((char *)s, "\n  last-error: "));
	CU_ASSERT_PTR_NULL(strstr((char *)s, "free-chunks"));
	vec_free(s);
	s = format(0, "%U%c", format_pmalloc_map, &pm, 0);
	CU_ASSERT_PTR_NOT_NULL(strstr((char *)s, "Arena                   NUMA   Virtual address  "
						 "Physical address     Size\nrings   "));
	vec_free(s);
	clib_pmalloc_destroy(&pm);
}

/* ---- physmem ---- */

static void *
use_physmem(void *arg)
{
	u64 seed = (uword)&seed;
	u8 *p[16] = {};

	for (u64 k = unit_n_ops(5000); k > 0; k--) {
		u32 i = (u32)unit_random_below(&seed, ARRAY_LEN(p));

		clib_physmem_free(p[i]);
		p[i] = clib_physmem_alloc_aligned(1 + unit_random_below(&seed, 5000), 64);
		if (p[i])
			clib_physmem_get_pa(p[i]);
		else
			*(int *)arg = 1;
	}
	for (u32 i = 0; i < ARRAY_LEN(p); i++)
		clib_physmem_free(p[i]);
	return NULL;
}

/* VPP's operations, from any thread, without a call to start them. */
static void
physmem_is_thin_over_pmalloc(void)
{
	uword committed;
	clib_physmem_map_t *m;
	pthread_t threads[3];
	int has_failed = 0;
	clib_error_t *error;
	u32 map = 77;
	u8 *p;

	clib_mem_init(NULL, MiB(16));
	committed = vm_committed_bytes(0);
	p = clib_physmem_alloc(100);
	CU_ASSERT_PTR_NOT_NULL_FATAL(p);
	CU_ASSERT_EQUAL((uword)p % 64, 0);
	CU_ASSERT_EQUAL(clib_physmem_committed_bytes(0), vm_committed_bytes(0) - committed);
	CU_ASSERT_PTR_NOT_NULL(clib_physmem_alloc_aligned_on_numa(100, 4096, 0));
	CU_ASSERT_PTR_NULL(clib_physmem_alloc_aligned_on_numa(100, 64, 999));
	CU_ASSERT(error_has(clib_physmem_last_error(), "numa node 999"));
	error = clib_physmem_init(0, 0);
	CU_ASSERT_EQUAL(clib_error_get_code(error), EALREADY);
	clib_error_free(error);

	error = clib_physmem_shared_map_create("map", PAGE, 13, 0, &map);
	CU_ASSERT(error_has(error, "pages of 2^13"));
	CU_ASSERT_EQUAL(map, 77);
	clib_error_free(error);
	CU_ASSERT_PTR_NULL(clib_physmem_shared_map_create("map", PAGE, 12, 0, &map));
	CU_ASSERT_EQUAL(map, 0);
	m = clib_physmem_get_map(map);
	CU_ASSERT_PTR_NOT_NULL_FATAL(m);
	CU_ASSERT_EQUAL(m->n_pages, PAGE / 4096);
	CU_ASSERT_EQUAL(m->log2_page_size, 12);
	CU_ASSERT(m->fd >= 0);
	CU_ASSERT_EQUAL(vec_len(m->page_table), m->n_pages);
	CU_ASSERT_EQUAL(m->page_table[5], clib_physmem_get_pa((u8 *)m->base + 5 * 4096));
	CU_ASSERT_PTR_NULL(clib_physmem_get_map(1));
	CU_ASSERT_PTR_EQUAL(clib_physmem_alloc_from_map(map, 64, 64), m->base);
	CU_ASSERT_PTR_NULL(clib_physmem_alloc_from_map(1, 64, 64));
	CU_ASSERT(error_has(clib_physmem_last_error(), "no shared arena"));
	CU_ASSERT_EQUAL(clib_physmem_committed_bytes(12) + clib_physmem_committed_bytes(21),
			clib_physmem_committed_bytes(0));

	for (u32 i = 0; i < ARRAY_LEN(threads); i++)
		pthread_create(&threads[i], NULL, use_physmem, &has_failed);
	for (u32 i = 0; i < ARRAY_LEN(threads); i++)
		pthread_join(threads[i], NULL);
	CU_ASSERT_EQUAL(has_failed, 0);
	CU_ASSERT_EQUAL(clib_physmem_n_allocations(), 3);
	clib_physmem_exit();
	CU_ASSERT_EQUAL(clib_physmem_n_allocations(), 0);
	CU_ASSERT_EQUAL(vm_committed_bytes(0), committed);
	CU_ASSERT_EQUAL(mheap_elts(clib_mem_main_heap()), 0);
	CU_ASSERT_PTR_NULL(clib_physmem_init(0, 4 * PAGE));
	CU_ASSERT_PTR_NULL(clib_physmem_alloc(5 * PAGE));
	clib_physmem_exit();
	clib_mem_exit();
}

static const unit_test_t tests[] = {
	UNIT(allocations_are_blocks_in_a_page),
	UNIT(more_than_a_page_is_consecutive_pages),
	UNIT(refusals_say_why),
	UNIT(wrong_frees_are_reported),
	UNIT(a_shared_arena_is_shared_and_fixed),
	UNIT(a_shared_arena_is_released),
	UNIT(physical_addresses_are_pagemaps),
	UNIT(poorer_machines_work_and_say_so),
	UNIT(random_operations_keep_what_was_given),
	UNIT(no_memory_for_the_books_changes_nothing),
	UNIT(no_pages_is_null),
	UNIT(pmalloc_in_words),
	UNIT(physmem_is_thin_over_pmalloc),
};

int
main(void)
{
	return unit_run("pmalloc", tests, ARRAY_LEN(tests));
}
