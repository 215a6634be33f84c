/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <sys/mman.h>
#include <vppinfra/arena.h>
#include "unit.h"

#define PAGE KiB(4)

static clib_arena_t *
arena_of(const char *name, uword bytes, clib_mem_page_sz_t page_size, u32 vm_flags)
{
	clib_arena_params_t params = {
		.name = name,
		.reserve_bytes = bytes,
		.expect_bytes = MiB(16),
		.numa_node = 0,
		.page_size = page_size,
		.vm_flags = vm_flags,
	};
	clib_arena_t *a = NULL;

	CU_ASSERT_EQUAL(clib_arena_create(&params, &a), 0);
	return a;
}

static int
add_committed(clib_arena_t *arena, void *arg)
{
	*(uword *)arg += clib_arena_committed_bytes(arena);
	return 0;
}

/* Every committed byte is some arena's or vmem's own, by counts that know nothing of each other. */
static void
check_sums(void)
{
	uword sum = vmem_mmap_committed_bytes();

	clib_arena_foreach(add_committed, &sum);
	CU_ASSERT_EQUAL(sum, vm_committed_bytes(0));
}

static void
check_arena(clib_arena_t *a)
{
	char what[128] = "";

	CU_ASSERT_EQUAL(vmem_check(clib_arena_vmem(a), what, sizeof(what)), 0);
	CU_ASSERT_EQUAL(vmem_check(clib_arena_va_vmem(a), what, sizeof(what)), 0);
	CU_ASSERT_STRING_EQUAL(what, "");
}

/* Address space costs nothing; what is allocated is committed, and goes back when freed. */
static void
memory_is_committed_while_it_is_allocated(void)
{
	clib_mem_page_sz_t page_sizes[] = { CLIB_MEM_PAGE_SZ_4K, CLIB_MEM_PAGE_SZ_DEFAULT_HUGE };
	u32 flags[] = { 0, VM_RANGE_SHARED, VM_RANGE_SHARED | VM_RANGE_WINDOW };

	for (u32 i = 0; i < 6; i++) {
		clib_arena_t *a = arena_of("states", GiB(1), page_sizes[i / 3], flags[i % 3]);
		vmem_t *vmem = clib_arena_vmem(a), *va = clib_arena_va_vmem(a);
		uword page_bytes = vm_range_page_bytes(clib_arena_range(a));
		u8 *p, *q;

		CU_ASSERT_EQUAL(clib_arena_committed_bytes(a), 0);
		CU_ASSERT_EQUAL(vmem_size(va, VMEM_FREE), GiB(1));
		p = vmem_alloc(vmem, 3 * page_bytes, VM_NOSLEEP);
		CU_ASSERT_PTR_NOT_NULL_FATAL(p);
		memset(p, 1, 3 * page_bytes);
		CU_ASSERT(clib_arena_committed_bytes(a) >= 3 * page_bytes);
		CU_ASSERT_PTR_EQUAL(vm_range_of(p), clib_arena_range(a));
		q = vmem_xalloc(vmem, page_bytes, page_bytes, 0, 0, NULL, NULL, VM_NOSLEEP);
		CU_ASSERT_PTR_NOT_NULL(q);
		memset(q, 2, page_bytes);
		check_sums();
		check_arena(a);
		CU_ASSERT_EQUAL(clib_arena_destroy(a), -EBUSY);
		vmem_free(vmem, p, 3 * page_bytes);
		CU_ASSERT_EQUAL(clib_arena_destroy(a), -EBUSY);
		CU_ASSERT_EQUAL(*q, 2);
		vmem_xfree(vmem, q, page_bytes);
		CU_ASSERT_EQUAL(clib_arena_committed_bytes(a), 0);
		CU_ASSERT_EQUAL(vmem_size(va, VMEM_ALLOC), 0);
		check_sums();
		CU_ASSERT_EQUAL(clib_arena_destroy(a), 0);
		CU_ASSERT_EQUAL(clib_arena_destroy(a), -EINVAL);
	}
}

/* Pages that cannot be committed are no allocation, and their addresses are free again. */
static void
a_failed_commit_is_a_failed_allocation(void)
{
	clib_arena_t *a = arena_of("fails", MiB(64), CLIB_MEM_PAGE_SZ_4K, 0);
	vmem_t *vmem = clib_arena_vmem(a);
	void *p, *heap = NULL;

	vm_fail_commit_after(1);
	CU_ASSERT_PTR_NULL(vmem_alloc(vmem, MiB(1), VM_NOSLEEP));
	CU_ASSERT_EQUAL(clib_arena_committed_bytes(a), 0);
	CU_ASSERT_EQUAL(vmem_size(clib_arena_va_vmem(a), VMEM_ALLOC), 0);
	vm_fail_commit_after(1);
	CU_ASSERT_EQUAL(clib_arena_create_heap(a, "fails", MiB(1), 0, &heap), -ENOMEM);
	CU_ASSERT_PTR_NULL(heap);
	CU_ASSERT_EQUAL(clib_arena_committed_bytes(a), 0);
	CU_ASSERT_EQUAL(vmem_size(clib_arena_va_vmem(a), VMEM_ALLOC), 0);
	vm_fail_commit_after(0);
	/* More than there is. */
	CU_ASSERT_PTR_NULL(vmem_alloc(vmem, MiB(65), VM_NOSLEEP));
	CU_ASSERT_EQUAL(clib_arena_create_heap(a, "long", MiB(65), 0, &heap), -ENOMEM);
	CU_ASSERT_EQUAL(clib_arena_create_heap(a, "long", ~0ULL, 0, &heap), -ENOMEM);
	CU_ASSERT_EQUAL(clib_arena_create_heap(a, "none", 0, 0, &heap), -EINVAL);
	p = vmem_alloc(vmem, MiB(64), VM_NOSLEEP);
	CU_ASSERT_PTR_NOT_NULL(p);
	vmem_free(vmem, p, MiB(64));
	check_arena(a);
	CU_ASSERT_EQUAL(clib_arena_destroy(a), 0);
}

/* A heap takes pages from its arena as it grows, gives them back, and returns its addresses. */
static void
a_heap_grows_and_shrinks_in_its_arena(void)
{
	clib_arena_t *a = arena_of("heaps", MiB(256), CLIB_MEM_PAGE_SZ_4K, VM_RANGE_SHARED);
	uword offsets[64], grown, first;
	void *v = NULL;

	CU_ASSERT_EQUAL_FATAL(clib_arena_create_heap(a, "grows", MiB(64), 0, &v), 0);
	CU_ASSERT_EQUAL(mheap_header(v)->numa_node, 0);
	first = clib_arena_committed_bytes(a);
	CU_ASSERT(first > 0 && first <= MiB(2));
	for (u32 i = 0; i < 64; i++) {
		v = mheap_get_aligned(v, KiB(512), 64, 0, &offsets[i]);
		CU_ASSERT_NOT_EQUAL_FATAL(offsets[i], ~(uword)0);
		memset((u8 *)v + offsets[i], (int)i, KiB(512));
	}
	grown = clib_arena_committed_bytes(a);
	CU_ASSERT(grown >= MiB(32) && grown <= MiB(36));
	check_sums();
	CU_ASSERT_EQUAL(clib_arena_destroy(a), -EBUSY);
	CU_ASSERT_EQUAL(mheap_check(v, NULL, 0), 0);
	for (u32 i = 0; i < 64; i++) {
		CU_ASSERT_EQUAL(*((u8 *)v + offsets[i] + KiB(256)), i);
		mheap_put(v, offsets[i]);
	}
	mheap_trim(v);
	CU_ASSERT(clib_arena_committed_bytes(a) <= MiB(2));
	check_sums();
	/* And again, over pages that had been given back. */
	v = mheap_get_aligned(v, MiB(48), 64, 0, &offsets[0]);
	CU_ASSERT_NOT_EQUAL_FATAL(offsets[0], ~(uword)0);
	memset((u8 *)v + offsets[0], 9, MiB(48));
	CU_ASSERT(clib_arena_committed_bytes(a) >= MiB(48));
	/* Not beyond its region, though the arena has room. */
	v = mheap_get_aligned(v, MiB(32), 64, 0, &offsets[1]);
	CU_ASSERT_EQUAL(offsets[1], ~(uword)0);
	mheap_free(v);
	CU_ASSERT_EQUAL(clib_arena_committed_bytes(a), 0);
	CU_ASSERT_EQUAL(vmem_size(clib_arena_va_vmem(a), VMEM_ALLOC), 0);
	CU_ASSERT_EQUAL(clib_arena_destroy(a), 0);
}

/* The heap lives in whole blocks where the kernel can make them huge. */
static void
a_heap_in_an_arena_of_transparent_huge_pages(void)
{
	clib_arena_t *a = arena_of("thp", MiB(64), CLIB_MEM_PAGE_SZ_4K, VM_RANGE_THP);
	uword step = vm_range_align_bytes(clib_arena_range(a)), offset;
	void *v = NULL, *p;

	CU_ASSERT_EQUAL_FATAL(clib_arena_create_heap(a, "thp", MiB(16), 0, &v), 0);
	v = mheap_get_aligned(v, MiB(5), 0, 0, &offset);
	CU_ASSERT_NOT_EQUAL(offset, ~(uword)0);
	CU_ASSERT_EQUAL(clib_arena_committed_bytes(a) % step, 0);
	p = vmem_alloc(clib_arena_vmem(a), PAGE, VM_NOSLEEP);
	CU_ASSERT_PTR_NOT_NULL(p);
	CU_ASSERT_EQUAL(clib_arena_committed_bytes(a) % step, 0);
	vmem_free(clib_arena_vmem(a), p, PAGE);
	mheap_free(v);
	check_sums();
	CU_ASSERT_EQUAL(clib_arena_destroy(a), 0);
}

/* A fixed piece of somebody's memory: taken, filled to the brim, and returned with the heap. */
static void
a_heap_in_a_piece_of_an_arena(void)
{
	clib_arena_t *a = arena_of("piece", MiB(16), CLIB_MEM_PAGE_SZ_4K, 0);
	vmem_t *vmem = clib_arena_vmem(a);
	uword offset, n = 0;
	void *v = NULL;

	CU_ASSERT_EQUAL_FATAL(mheap_create_in_vmem(vmem, "piece", MiB(1), 0, &v), 0);
	CU_ASSERT_EQUAL(vmem_size(vmem, VMEM_ALLOC), MiB(1));
	CU_ASSERT_EQUAL(mheap_header(v)->numa_node, 0);
	for (;; n++) {
		v = mheap_get_aligned(v, KiB(16), 0, 0, &offset);
		if (offset == ~(uword)0)
			break;
		memset((u8 *)v + offset, 1, KiB(16));
	}
	CU_ASSERT(n >= 60 && n < 64);
	CU_ASSERT_EQUAL(clib_arena_committed_bytes(a), MiB(1));
	CU_ASSERT_EQUAL(clib_arena_destroy(a), -EBUSY);
	mheap_free(v);
	CU_ASSERT_EQUAL(vmem_size(vmem, VMEM_ALLOC), 0);
	CU_ASSERT_EQUAL(mheap_create_in_vmem(vmem, "more", MiB(32), 0, &v), -ENOMEM);
	/* Too small for a header: the piece goes back. */
	CU_ASSERT_NOT_EQUAL(mheap_create_in_vmem(vmem, "less", PAGE, 0, &v), 0);
	CU_ASSERT_EQUAL(mheap_create_in_vmem(NULL, "none", PAGE, 0, &v), -EINVAL);
	CU_ASSERT_EQUAL(vmem_size(vmem, VMEM_ALLOC), 0);
	CU_ASSERT_EQUAL(clib_arena_destroy(a), 0);
}

/* A range of its own: nobody else's pages in it, and the range outlives the heap. */
static void
a_heap_alone_in_a_range(void)
{
	vm_range_params_t params = { .name = "alone",
				     .reserve_bytes = MiB(32),
				     .numa_node = VM_NODE_ANY,
				     .page_size = CLIB_MEM_PAGE_SZ_4K };
	vm_range_info_t info;
	vm_range_t *r = NULL;
	uword offset;
	void *v = NULL;

	CU_ASSERT_EQUAL_FATAL(vm_reserve(&params, &r), 0);
	for (u32 i = 0; i < 2; i++) {
		CU_ASSERT_EQUAL_FATAL(mheap_create_in_range(r, "alone", 0, &v), 0);
		CU_ASSERT_EQUAL(mheap_create_in_range(r, "second", 0, &v), -EBUSY);
		v = mheap_get_aligned(v, MiB(16), 0, 0, &offset);
		CU_ASSERT_NOT_EQUAL(offset, ~(uword)0);
		memset((u8 *)v + offset, 1, MiB(16));
		vm_range_get_info(r, &info);
		CU_ASSERT(info.committed_bytes >= MiB(16));
		mheap_free(v);
		vm_range_get_info(r, &info);
		CU_ASSERT_EQUAL(info.committed_bytes, 0);
	}
	vm_fail_commit_after(1);
	CU_ASSERT_EQUAL(mheap_create_in_range(r, "fails", 0, &v), -ENOMEM);
	vm_range_get_info(r, &info);
	CU_ASSERT_EQUAL(info.committed_bytes, 0);
	vm_release(r);
	CU_ASSERT_EQUAL(mheap_create_in_range(r, "gone", 0, &v), -EINVAL);
}

static int
count_named(clib_arena_t *arena, void *arg)
{
	u32 *n = arg;

	*n += !strncmp(clib_arena_name(arena), "named-", 6);
	return 0;
}

/* Arenas have names of their own, and there is an end to how many. */
static void
arenas_are_found_by_name(void)
{
	static clib_arena_t *arenas[CLIB_MAX_ARENAS + 1];
	clib_arena_params_t params = { .reserve_bytes = PAGE,
				       .numa_node = VM_NODE_ANY,
				       .page_size = CLIB_MEM_PAGE_SZ_4K };
	clib_arena_t *refused = NULL;
	u32 n = 0, n_named = 0;
	char name[32];
	int rv;

	params.name = name;
	for (;; n++) {
		snprintf(name, sizeof(name), "named-%u", n);
		rv = clib_arena_create(&params, &arenas[n]);
		if (rv)
			break;
		CU_ASSERT_PTR_EQUAL(clib_arena_by_name(name), arenas[n]);
	}
	CU_ASSERT_EQUAL(rv, -ENOMEM);
	CU_ASSERT_EQUAL(n, CLIB_MAX_ARENAS);
	clib_arena_foreach(count_named, &n_named);
	CU_ASSERT_EQUAL(n_named, n);
	CU_ASSERT_EQUAL(clib_arena_destroy(arenas[--n]), 0);
	snprintf(name, sizeof(name), "named-0");
	CU_ASSERT_EQUAL(clib_arena_create(&params, &refused), -EEXIST);
	params.name = "abcdefghijklmnopqrstuvwxy";
	CU_ASSERT_EQUAL(clib_arena_create(&params, &refused), -EINVAL);
	params.name = "";
	CU_ASSERT_EQUAL(clib_arena_create(&params, &refused), -EINVAL);
	/* What vm refuses is passed on, and the record is free again. */
	params.name = "abcdefghijklmnopqrstuvwx";
	params.numa_node = 999;
	CU_ASSERT_EQUAL(clib_arena_create(&params, &refused), -ENODEV);
	params.numa_node = VM_NODE_ANY;
	CU_ASSERT_EQUAL(clib_arena_create(&params, &refused), 0);
	CU_ASSERT_PTR_EQUAL(clib_arena_by_name(params.name), refused);
	CU_ASSERT_EQUAL(clib_arena_destroy(refused), 0);
	CU_ASSERT_PTR_NULL(clib_arena_by_name(params.name));
	while (n)
		CU_ASSERT_EQUAL(clib_arena_destroy(arenas[--n]), 0);
	CU_ASSERT_EQUAL(clib_arena_destroy(NULL), -EINVAL);
}

#define N_LIVE 64

/* Random pieces and heaps over three arenas; the two counts of committed bytes always agree. */
static void
sums_hold_under_random_use(void)
{
	u64 seed = unit_seed(), n_ops = unit_n_ops(20000);
	clib_arena_t *arenas[3] = {
		arena_of("sum-0", MiB(32), CLIB_MEM_PAGE_SZ_4K, 0),
		arena_of("sum-1", MiB(32), CLIB_MEM_PAGE_SZ_4K, VM_RANGE_SHARED),
		arena_of("sum-2", MiB(64), CLIB_MEM_PAGE_SZ_DEFAULT_HUGE, VM_RANGE_SHARED),
	};
	struct {
		clib_arena_t *arena;
		void *p;
		uword n_bytes; /* 0: p is a heap */
	} live[N_LIVE] = { 0 };

	for (u64 op = 0; op < n_ops; op++) {
		u64 i = unit_random_below(&seed, N_LIVE);
		uword offset;

		if (live[i].p && live[i].n_bytes) {
			u8 *p = live[i].p;

			CU_ASSERT(p[0] == (u8)i && p[live[i].n_bytes - 1] == (u8)i);
			vmem_free(clib_arena_vmem(live[i].arena), p, live[i].n_bytes);
			live[i].p = NULL;
		} else if (live[i].p) {
			mheap_get_aligned(live[i].p, 1 + unit_random_below(&seed, KiB(200)), 0, 0,
					  &offset);
			if (offset == ~(uword)0 || unit_random_below(&seed, 8) == 0)
				mheap_free(live[i].p);
		} else {
			live[i].arena = arenas[unit_random_below(&seed, 3)];
			live[i].n_bytes = 1 + unit_random_below(&seed, KiB(100));
			if (unit_random_below(&seed, 8) == 0)
				live[i].n_bytes = 0;
			if (unit_random_below(&seed, 50) == 0)
				vm_fail_commit_after(1);
			if (live[i].n_bytes) {
				live[i].p = vmem_alloc(clib_arena_vmem(live[i].arena),
						       live[i].n_bytes, VM_NOSLEEP);
				if (live[i].p)
					memset(live[i].p, (int)i, live[i].n_bytes);
			} else if (clib_arena_create_heap(live[i].arena, "random", MiB(1), 0,
							  &live[i].p)) {
				live[i].p = NULL;
			}
		}
		if (op % 100 == 99)
			check_sums();
		if (op % 1000 == 999)
			for (u32 k = 0; k < 3; k++)
				check_arena(arenas[k]);
	}
	vm_fail_commit_after(0);
	for (u32 i = 0; i < N_LIVE; i++) {
		if (live[i].p && live[i].n_bytes)
			vmem_free(clib_arena_vmem(live[i].arena), live[i].p, live[i].n_bytes);
		else if (live[i].p)
			mheap_free(live[i].p);
	}
	for (u32 k = 0; k < 3; k++) {
		CU_ASSERT_EQUAL(clib_arena_committed_bytes(arenas[k]), 0);
		CU_ASSERT_EQUAL(clib_arena_destroy(arenas[k]), 0);
	}
	check_sums();
}

static clib_arena_t *crowd_arena;

static void *
use_the_crowds_arena(void *arg)
{
	u64 state = (uword)arg, n_ops = unit_n_ops(3000);
	vmem_t *vmem = clib_arena_vmem(crowd_arena);

	for (u64 i = 0; i < n_ops; i++) {
		uword n = 1 + unit_random_below(&state, KiB(64)), offset;
		u8 *p = vmem_alloc(vmem, n, VM_NOSLEEP);
		void *v;

		if (!p)
			return (void *)1;
		memset(p, (int)(uword)arg, n);
		if (i % 16 == 0) {
			if (clib_arena_create_heap(crowd_arena, "crowd", MiB(1), 0, &v))
				return (void *)2;
			mheap_get_aligned(v, KiB(300), 0, 0, &offset);
			if (offset == ~(uword)0)
				return (void *)3;
			mheap_free(v);
		}
		if (p[0] != (u8)(uword)arg || p[n - 1] != (u8)(uword)arg)
			return (void *)4;
		vmem_free(vmem, p, n);
	}
	return NULL;
}

/* Threads take and return pieces and heaps of one arena; in the end nothing is committed. */
static void
threads_share_an_arena(void)
{
	pthread_t threads[4];
	void *rv;

	crowd_arena = arena_of("crowd", MiB(64), CLIB_MEM_PAGE_SZ_4K, 0);
	for (uword i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, use_the_crowds_arena, (void *)(i + 1));
	for (uword i = 0; i < 4; i++) {
		pthread_join(threads[i], &rv);
		CU_ASSERT_PTR_NULL(rv);
	}
	check_arena(crowd_arena);
	check_sums();
	CU_ASSERT_EQUAL(clib_arena_committed_bytes(crowd_arena), 0);
	CU_ASSERT_EQUAL(clib_arena_destroy(crowd_arena), 0);
}

static const unit_test_t tests[] = {
	UNIT(memory_is_committed_while_it_is_allocated),
	UNIT(a_failed_commit_is_a_failed_allocation),
	UNIT(a_heap_grows_and_shrinks_in_its_arena),
	UNIT(a_heap_in_an_arena_of_transparent_huge_pages),
	UNIT(a_heap_in_a_piece_of_an_arena),
	UNIT(a_heap_alone_in_a_range),
	UNIT(arenas_are_found_by_name),
	UNIT(sums_hold_under_random_use),
	UNIT(threads_share_an_arena),
};

int
main(void)
{
	return unit_run("arena", tests, ARRAY_LEN(tests));
}
