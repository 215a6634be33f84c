/* SPDX-License-Identifier: Apache-2.0 */
/* How vmem comes to life: its static arenas and tags, the two ultimate sources, and no malloc
 * beneath.  It happens once in a process, so each case has a child of its own. */
#include <unistd.h>
#include <vppinfra/vm.h>
#include <vppinfra/vmem.h>
#include "child.h"
#include "unit.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#	define MALLOC_IS_OURS 0 /* the sanitizer has it */
#elif defined(__has_feature)
#	if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#		define MALLOC_IS_OURS 0
#	endif
#endif
#ifndef MALLOC_IS_OURS
#	define MALLOC_IS_OURS 1
#endif

#define ADDR(x) ((void *)(uword)(x))

static int malloc_is_forbidden __clib_unused;

#if MALLOC_IS_OURS
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *p, size_t size);
extern void __libc_free(void *p);

static void
guard(void)
{
	if (malloc_is_forbidden) {
		static const char text[] = "malloc was called\n";

		(void)!write(2, text, sizeof(text) - 1);
		abort();
	}
}

void *
malloc(size_t size)
{
	guard();
	return __libc_malloc(size);
}

void *
calloc(size_t n, size_t size)
{
	guard();
	return __libc_calloc(n, size);
}

void *
realloc(void *p, size_t size)
{
	guard();
	return __libc_realloc(p, size);
}

void
free(void *p)
{
	guard();
	__libc_free(p);
}
#endif

static u32 n_reports;

static void
count_report(const char *what, vmem_t *vmp, uword addr, uword size, const void *caller)
{
	n_reports++;
}

typedef struct {
	const char *const *names;
	u32 n, n_wrong;
} names_t;

static int
compare_name(vmem_t *vmp, void *arg)
{
	names_t *names = arg;

	if (names->n < VMEM_INITIAL &&
	    (strcmp(vmp->vm_name, names->names[names->n]) || vmp->vm_id != names->n + 1))
		names->n_wrong++;
	names->n++;
	return 0;
}

/* The first create makes the six arenas in their order, ids from 1; each one's structure is an
 * allocation of vmem_vmem, whose first span is just those six. */
static int
first_create_boots_on_mmap(void)
{
	static const char *const expected[] = { "mmap_top", "mmap_heap", "vmem_internal",
						"vmem_seg", "vmem_hash", "vmem_vmem" };
	names_t names = { .names = expected };
	vmem_t *vmp;

	CHILD_CHECK(vmem_heap == NULL);
	vmp = vmem_create("first", ADDR(1), 10, 1, NULL, NULL, NULL, 0, VM_NOSLEEP);
	CHILD_CHECK(vmp != NULL);
	vmem_foreach_arena(compare_name, &names);
	CHILD_CHECK(names.n == VMEM_INITIAL + 1);
	CHILD_CHECK(names.n_wrong == 0);
	CHILD_CHECK(vmem_heap == vmem_by_name("mmap_heap"));
	CHILD_CHECK(vmem_heap == vmem_mmap_arena(NULL, NULL));
	CHILD_CHECK(vmem_seg_arena->vm_source == vmem_internal_arena);
	CHILD_CHECK(vmem_hash_arena->vm_quantum == 8);
	CHILD_CHECK(vmem_size(vmem_vmem_arena, VMEM_ALLOC) == 7 * sizeof(vmem_t));
	for (vmem_t *early = vmem_by_name("mmap_top"); early != vmp; early = early->vm_next)
		CHILD_CHECK(vmem_contains(vmem_vmem_arena, early, sizeof(*early)));
	CHILD_CHECK(pointer_to_uword(vmem_by_name("mmap_top") + 5) ==
		    pointer_to_uword(vmem_vmem_arena));
	CHILD_CHECK(vmem_check(vmem_vmem_arena, NULL, 0) == 0);
	/* Once is all. */
	vmem_set_error_handler(count_report);
	CHILD_CHECK(vmem_init(NULL, 0, NULL, NULL, "again", NULL, 0, 4096, vmem_alloc, vmem_free) ==
		    NULL);
	CHILD_CHECK(n_reports == 1);
	return 0;
}

/* From nothing through a hundred thousand segments and back, sleeping flags, misuse in silence
 * and both sources, while any malloc would end the child. */
static int
no_malloc_beneath(void)
{
	vmem_alloc_t *afunc;
	vmem_free_t *ffunc;
	vmem_t *heap, *vmp, *pages;
	u8 *p;

	malloc_is_forbidden = 1;
	vmem_set_error_handler(count_report);
	vmp = vmem_create("ids", ADDR(1), 100000, 1, NULL, NULL, NULL, 0, VM_SLEEP);
	for (uword i = 0; i < 100000; i++)
		CHILD_CHECK(vmem_alloc(vmp, 1, VM_SLEEP | VM_NEXTFIT) != NULL);
	vmem_free(vmp, ADDR(5), 2);
	CHILD_CHECK(vmem_check(vmp, NULL, 0) == 0);
	for (uword i = 1; i <= 100000; i++)
		vmem_free(vmp, ADDR(i), 1);
	heap = vmem_mmap_arena(&afunc, &ffunc);
	pages = vmem_create("pages", NULL, 0, 4096, afunc, ffunc, heap, 0, VM_NOSLEEP);
	p = vmem_alloc(pages, MiB(3) + 5, VM_NOSLEEP);
	memset(p, 0xa5, MiB(3) + 5);
	CHILD_CHECK(vmem_mmap_committed_bytes() >= MiB(3));
	vmem_free(pages, p, MiB(3) + 5);
	/* More than any machine has is refused before a page of it is touched. */
	CHILD_CHECK(vmem_alloc(pages, 1ull << 44, VM_NOSLEEP) == NULL);
	vmem_destroy(pages);
	vmem_destroy(vmp);
	vmem_reap();
	heap = vmem_sbrk_arena(&afunc, &ffunc);
	p = afunc(heap, 4096, VM_NOSLEEP);
	memset(p, 0x5a, 4096);
	ffunc(heap, p, 4096);
	malloc_is_forbidden = 0;
	CHILD_CHECK(n_reports == 1);
	return 0;
}

/* The guard itself works: a malloc under it ends the process. */
static int
call_malloc_where_forbidden(void)
{
	/* Volatile, or compilers leave the pair out. */
	void *volatile p;

	malloc_is_forbidden = 1;
	p = malloc((size_t)getpid());
	free(p);
	return 0;
}

/* The program brings the heap: a parent with a span of static memory, and nothing else. */
static u8 static_heap[MiB(1)] __clib_aligned(4096);

static int
init_with_a_static_heap(void)
{
	vmem_t *heap = vmem_init("static_top", 4096, vmem_alloc, vmem_free, "static_heap",
				 static_heap, sizeof(static_heap), 4096, vmem_alloc, vmem_free);
	vmem_t *vmp;
	u32 n = 0;

	CHILD_CHECK(heap != NULL && heap == vmem_heap);
	CHILD_CHECK(vmem_size(vmem_by_name("static_top"), VMEM_FREE) == sizeof(static_heap));
	/* A megabyte is spent on tags; then requests fail, nothing else does. */
	vmp = vmem_create("ids", ADDR(1), MiB(1), 1, NULL, NULL, NULL, 0, VM_NOSLEEP);
	while (vmem_alloc(vmp, 1, VM_NOSLEEP))
		n++;
	CHILD_CHECK(n > 30000 && n < MiB(1) / 24);
	CHILD_CHECK(vmp->vm_kstat.vk_populate_fail > 0);
	CHILD_CHECK(vmem_create("more", NULL, 0, 1, NULL, NULL, NULL, 0, VM_NOSLEEP) == NULL);
	CHILD_CHECK(vmem_check(vmp, NULL, 0) == 0);
	CHILD_CHECK(vmem_mmap_committed_bytes() == 0);
	for (uword i = 1; i <= n; i++)
		vmem_free(vmp, ADDR(i), 1);
	CHILD_CHECK(vmp->vm_kstat.vk_bad_free == 0);
	vmem_destroy(vmp);
	vmem_reap();
	CHILD_CHECK(vmem_size(heap, VMEM_ALLOC) < KiB(200));
	CHILD_CHECK(vmem_check(vmem_seg_arena, NULL, 0) == 0);
	CHILD_CHECK(vmem_check(heap, NULL, 0) == 0);
	vmp = vmem_create("ids", ADDR(1), 10, 1, NULL, NULL, NULL, 0, VM_NOSLEEP);
	CHILD_CHECK(vmem_alloc(vmp, 1, VM_NOSLEEP) != NULL);
	return 0;
}

/* Arguments that cannot be are refused before anything is begun. */
static int
bad_init_arguments(void)
{
	vmem_set_error_handler(count_report);
	CHILD_CHECK(vmem_init(NULL, 0, NULL, NULL, "h", NULL, 0, 3000, vmem_alloc, vmem_free) ==
		    NULL);
	CHILD_CHECK(vmem_init(NULL, 0, NULL, NULL, "h", NULL, 4096, 4096, vmem_alloc, vmem_free) ==
		    NULL);
	CHILD_CHECK(vmem_init("p", 0, NULL, NULL, "h", NULL, 0, 4096, vmem_alloc, vmem_free) ==
		    NULL);
	CHILD_CHECK(vmem_init(NULL, 0, vmem_alloc, NULL, "h", NULL, 0, 4096, vmem_alloc,
			      vmem_free) == NULL);
	CHILD_CHECK(vmem_init(NULL, 0, NULL, NULL, "h", NULL, 0, 4096, NULL, NULL) == NULL);
	CHILD_CHECK(n_reports == 5);
	CHILD_CHECK(vmem_heap == NULL);
	CHILD_CHECK(vmem_mmap_arena(NULL, NULL) != NULL);
	return 0;
}

/* An early arena is destroyed like any other: its place in vmem0 is the next arena's. */
static int
an_early_arena_is_destroyed(void)
{
	vmem_t *early, *vmp;
	uword size;

	vmem_mmap_arena(NULL, NULL);
	vmem_set_error_handler(count_report);
	early = vmem_hash_arena;
	size = vmem_size(vmem_vmem_arena, VMEM_ALLOC);
	vmem_destroy(early);
	CHILD_CHECK(n_reports == 0);
	CHILD_CHECK(vmem_hash_arena == NULL);
	CHILD_CHECK(vmem_size(vmem_vmem_arena, VMEM_ALLOC) == size - sizeof(vmem_t));
	CHILD_CHECK(vmem_check(vmem_vmem_arena, NULL, 0) == 0);
	vmp = vmem_create("heir", ADDR(1), 100000, 1, NULL, NULL, NULL, 0, VM_NOSLEEP);
	CHILD_CHECK(vmp == early);
	/* Without it there is no memory for hashes, and life goes on. */
	for (u32 i = 0; i < 1000; i++)
		CHILD_CHECK(vmem_alloc(vmp, 1, VM_NOSLEEP) != NULL);
	CHILD_CHECK(vmem_check(vmp, NULL, 0) == 0);
	return 0;
}

/* Where sbrk is asked for first it carries vmem itself; mmap can be had beside it. */
static int
both_ultimate_sources(void)
{
	vmem_alloc_t *sbrk_alloc, *mmap_alloc;
	vmem_free_t *sbrk_free, *mmap_free;
	vmem_t *sbrk_heap = vmem_sbrk_arena(&sbrk_alloc, &sbrk_free), *mmap_heap, *vmp;
	u8 *low, *high;

	CHILD_CHECK(sbrk_heap && vmem_heap == sbrk_heap);
	vmp = vmem_create("on sbrk", NULL, 0, 64, sbrk_alloc, sbrk_free, sbrk_heap, 0, VM_NOSLEEP);
	low = vmem_alloc(vmp, 100000, VM_NOSLEEP);
	CHILD_CHECK(low != NULL && low + 100000 <= (u8 *)sbrk(0));
	memset(low, 1, 100000);
	CHILD_CHECK(vmem_mmap_committed_bytes() == 0);

	mmap_heap = vmem_mmap_arena(&mmap_alloc, &mmap_free);
	CHILD_CHECK(mmap_heap && mmap_heap != sbrk_heap);
	high = mmap_alloc(mmap_heap, 8192, VM_NOSLEEP);
	CHILD_CHECK(high > (u8 *)sbrk(0));
	memset(high, 1, 8192);
	CHILD_CHECK(vmem_mmap_committed_bytes() == 8192);
	CHILD_CHECK(vm_committed_bytes(0) == 8192);
	mmap_free(mmap_heap, high, 8192);
	CHILD_CHECK(vm_committed_bytes(0) == 0);
	vmem_free(vmp, low, 100000);
	vmem_destroy(vmp);
	CHILD_CHECK(vmem_check(sbrk_heap, NULL, 0) == 0);
	CHILD_CHECK(vmem_check(mmap_heap, NULL, 0) == 0);
	return 0;
}

/* When the system gives no memory an import fails and takes nothing with it. */
static int
a_commit_fails(void)
{
	vmem_alloc_t *afunc;
	vmem_free_t *ffunc;
	vmem_t *heap = vmem_mmap_arena(&afunc, &ffunc);
	vmem_t *vmp = vmem_create("pages", NULL, 0, 4096, afunc, ffunc, heap, 0, VM_NOSLEEP);
	uword committed, size = vmem_size(heap, VMEM_ALLOC);
	void *p;

	committed = vmem_mmap_committed_bytes();
	vm_fail_commit_after(1);
	CHILD_CHECK(vmem_alloc(vmp, MiB(1), VM_NOSLEEP) == NULL);
	vm_fail_commit_after(0);
	CHILD_CHECK(vmem_mmap_committed_bytes() == committed);
	CHILD_CHECK(vmem_size(heap, VMEM_ALLOC) == size);
	CHILD_CHECK(vmem_check(heap, NULL, 0) == 0);
	p = vmem_alloc(vmp, MiB(1), VM_NOSLEEP);
	CHILD_CHECK(p != NULL);
	vmem_free(vmp, p, MiB(1));
	return 0;
}

static void
boot_on_mmap(void)
{
	CHILD_ASSERT(first_create_boots_on_mmap);
}

static void
malloc_is_never_called(void)
{
	if (!MALLOC_IS_OURS) {
		printf("not shown here (the sanitizer has malloc): ");
		return;
	}
	CU_ASSERT_EQUAL(in_child(call_malloc_where_forbidden), 128 + SIGABRT);
	CHILD_ASSERT(no_malloc_beneath);
}

static void
static_heaps_are_enough(void)
{
	CHILD_ASSERT(init_with_a_static_heap);
}

static void
bad_arguments_begin_nothing(void)
{
	CHILD_ASSERT(bad_init_arguments);
}

static void
early_arenas_are_destroyed(void)
{
	CHILD_ASSERT(an_early_arena_is_destroyed);
}

static void
sbrk_and_mmap_live_together(void)
{
	CHILD_ASSERT(both_ultimate_sources);
}

static void
failed_commits_cost_nothing(void)
{
	CHILD_ASSERT(a_commit_fails);
}

static const unit_test_t tests[] = {
	UNIT(boot_on_mmap),
	UNIT(malloc_is_never_called),
	UNIT(static_heaps_are_enough),
	UNIT(bad_arguments_begin_nothing),
	UNIT(early_arenas_are_destroyed),
	UNIT(sbrk_and_mmap_live_together),
	UNIT(failed_commits_cost_nothing),
};

int
main(void)
{
	return unit_run("vmem_bootstrap", tests, ARRAY_LEN(tests));
}
