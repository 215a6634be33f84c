/* SPDX-License-Identifier: Apache-2.0 */
/* Records under a protection key: a child process for each stray store, and for each way in which
 * the key might be in the way of honest work. */
#include <vppinfra/vm_guard.h>

#include <pthread.h>
#include <stdatomic.h>
#include <vppinfra/fault.h>
#include <vppinfra/kmem.h>
#include <vppinfra/pages.h>
#include "fault_child.h"
#include "unit.h"

static pages_t *
small_set(void)
{
	const pages_params_t params = { .name = "precious",
					.numa_node = VM_NODE_ANY,
					.max_bytes = MiB(8),
					.max_highmem_bytes = MiB(4),
					.initial_bytes = MiB(2),
					.n_cached_pages = 16 };
	pages_t *p = NULL;

	CHILD_CHECK(pages_create(&params, &p) == 0);
	return p;
}

static int
is_guarded(pages_t *p)
{
	static pages_info_t info;

	pages_get_info(p, &info);
	return info.is_guarded;
}

/* ---- stray stores ---- */

static int
write_into_a_record(void)
{
	pages_t *p;

	CHILD_CHECK(vm_guard_enable(NULL) == 0);
	p = small_set();
	CHILD_CHECK(is_guarded(p));
	write_to((u8 *)(pages_alloc(p, GFP_KERNEL, 0)) + 5);
	return 0;
}

/* Set, page and byte are named, and the process dies where the store was. */
static void
a_store_into_a_record_is_a_fault(void)
{
	run_child(write_into_a_record);
	CU_ASSERT_EQUAL(died_of, SIGSEGV);
	CU_ASSERT_PTR_NOT_NULL(strstr(said, "SIGSEGV: write to 0x"));
	CU_ASSERT_PTR_NOT_NULL(strstr(said, ": key: protection key "));
	CU_ASSERT_PTR_NOT_NULL(strstr(said, "record of page "));
	CU_ASSERT_PTR_NOT_NULL(strstr(said, " of set 'precious', node -1: byte 5 of it"));
}

/* Start of the first mapping that has the key. */
static void *
first_guarded_page(void)
{
	FILE *f = fopen("/proc/self/smaps", "r");
	uword start = 0, end, found = 0;
	char line[512];
	int key;

	while (f && !found && fgets(line, sizeof(line), f)) {
		uword at;

		if (sscanf(line, "%lx-%lx ", &at, &end) == 2)
			start = at;
		else if (sscanf(line, "ProtectionKey: %d", &key) == 1 && key == vm_guard_key())
			found = start;
	}
	if (f)
		fclose(f);
	return (void *)found;
}

static int
write_into_a_descriptor(void)
{
	clib_kmem_params_t params = { .name = "treasure", .object_bytes = 100 };
	clib_kmem_cache_t *c;

	CHILD_CHECK(vm_guard_enable(NULL) == 0);
	CHILD_CHECK(clib_kmem_cache_make(&params, &c) == 0);
	CHILD_CHECK(kmem_cache_alloc(c, 0) != NULL);
	CHILD_CHECK(first_guarded_page() != NULL);
	write_to(first_guarded_page());
	return 0;
}

/* Small objects too have their descriptors elsewhere then, and a stray store there names the
 * cache. */
static void
a_store_into_a_descriptor_is_a_fault(void)
{
	run_child(write_into_a_descriptor);
	CU_ASSERT_EQUAL(died_of, SIGSEGV);
	CU_ASSERT_PTR_NOT_NULL(strstr(said, ": key: protection key "));
	CU_ASSERT_PTR_NOT_NULL(strstr(said, "descriptor of the slab at 0x"));
	CU_ASSERT_PTR_NOT_NULL(strstr(said, " of cache 'treasure': byte 0 of it"));
}

static int
write_after_a_call(void)
{
	pages_t *p;
	page_t *page;

	CHILD_CHECK(vm_guard_enable(NULL) == 0);
	p = small_set();
	page = pages_alloc(p, GFP_KERNEL, 3);
	clib_get_page(page);
	clib_put_page(page);
	set_page_private(page, 17);
	CHILD_CHECK(page_private(page) == 17 && page_count(page) == 1);
	write_to(&page->private_data);
	return 0;
}

/* Every call closes what it opened. */
static void
a_call_leaves_no_door_open(void)
{
	run_child(write_after_a_call);
	CU_ASSERT_EQUAL(died_of, SIGSEGV);
	CU_ASSERT_PTR_NOT_NULL(strstr(said, ": key: protection key "));
}

/* ---- honest work ---- */

static int
work_on_pages(pages_t *p)
{
	page_t *held[64] = { 0 };
	u64 seed = 7, n_ops = unit_n_ops(100000);
	char what[160] = "";

	for (u64 i = 0; i < n_ops; i++) {
		u32 k = (u32)unit_random_below(&seed, 64), order = k & 3;

		if (held[k]) {
			if (pages_free(held[k], order))
				return -1;
			held[k] = NULL;
		} else {
			held[k] = pages_alloc(p, k & 4 ? GFP_KERNEL : GFP_ATOMIC | __GFP_NOWARN,
					      order);
		}
	}
	for (u32 k = 0; k < 64; k++)
		pages_free(held[k], k & 3);
	CHILD_CHECK(pages_check(p, what, sizeof(what)) == 0);
	return 0;
}

static int
use_everything(void)
{
	const struct {
		uword bytes;
		u32 flags;
	} kinds[] = { { 64, 0 },
		      { 5000, 0 },
		      { 100, CLIB_KMEM_CHECKED },
		      { 100, CLIB_KMEM_DEBUG },
		      { 200, CLIB_KMEM_NO_MAGAZINES } };
	page_t *page;
	pages_t *p;
	u8 *a;

	CHILD_CHECK(vm_guard_enable(NULL) == 0);
	CHILD_CHECK(vm_guard_enable(NULL) == 0);
	p = small_set();
	CHILD_CHECK(work_on_pages(p) == 0);
	page = pages_alloc(p, GFP_KERNEL | __GFP_HIGHMEM, 0);
	a = kmap(page);
	CHILD_CHECK(a != NULL);
	memset(a, 1, PAGES_PAGE_BYTES);
	kunmap(page);
	pages_free(page, 0);
	a = pages_vmalloc(p, MiB(1), GFP_KERNEL | __GFP_ZERO);
	CHILD_CHECK(a != NULL && a[MiB(1) - 1] == 0);
	vfree(a);
	CHILD_CHECK(pages_trim(p) > 0);
	CHILD_CHECK(pages_destroy(p) == 0);
	for (u32 i = 0; i < ARRAY_LEN(kinds); i++) {
		clib_kmem_params_t params = { .name = "worker",
					      .object_bytes = kinds[i].bytes,
					      .flags = kinds[i].flags };
		clib_kmem_cache_t *c;
		void *objects[200];

		CHILD_CHECK(clib_kmem_cache_make(&params, &c) == 0);
		for (u32 round = 0; round < 10; round++) {
			for (u32 k = 0; k < ARRAY_LEN(objects); k++)
				objects[k] = kmem_cache_alloc(c, 0);
			for (u32 k = 0; k < ARRAY_LEN(objects); k++)
				kmem_cache_free(c, objects[k]);
			kmem_cache_shrink(c);
		}
		CHILD_CHECK(clib_kmem_cache_check(c, NULL, 0) == 0);
		CHILD_CHECK(kmem_cache_destroy(c) == 0);
	}
	return 0;
}

/* All calls of pages and kmem work on what is guarded. */
static void
honest_calls_are_let_in(void)
{
	run_child(use_everything);
	CU_ASSERT_EQUAL(died_of, 0);
	CU_ASSERT_EQUAL(exited_with, 0);
}

static pages_t *shared;
static pthread_barrier_t is_on;

static void *
work_as_an_old_thread(void *arg)
{
	page_t *page;

	pthread_barrier_wait(&is_on);
	page = pages_alloc(shared, GFP_KERNEL, 0);
	/* From its first call on it may read. */
	return (void *)(uword)(page && page_count(page) == 1 && !pages_free(page, 0) &&
			       !work_on_pages(shared));
}

static int
start_a_thread_first(void)
{
	pthread_t thread;
	void *rv;

	pthread_barrier_init(&is_on, NULL, 2);
	pthread_create(&thread, NULL, work_as_an_old_thread, NULL);
	CHILD_CHECK(vm_guard_enable(NULL) == 0);
	shared = small_set();
	CHILD_CHECK(work_on_pages(shared) == 0);
	pthread_barrier_wait(&is_on);
	pthread_join(thread, &rv);
	CHILD_CHECK(rv != NULL);
	CHILD_CHECK(pages_destroy(shared) == 0);
	return 0;
}

/* A thread that is older than the guard gets its rights in its first call. */
static void
an_older_thread_is_let_in(void)
{
	run_child(start_a_thread_first);
	CU_ASSERT_EQUAL(died_of, 0);
	CU_ASSERT_EQUAL(exited_with, 0);
}

/* ---- without ---- */

static int
do_without_keys(void)
{
	const char *why = "";
	pages_t *p;

	if (deny_syscall(SYS_pkey_alloc, ENOSYS, -1))
		return CHILD_CANNOT;
	CHILD_CHECK(vm_guard_enable(&why) == -ENOTSUP);
	CHILD_CHECK(strstr(why, "no protection keys") != NULL);
	CHILD_CHECK(vm_guard_key() == 0);
	p = small_set();
	CHILD_CHECK(!is_guarded(p));
	CHILD_CHECK(work_on_pages(p) == 0);
	CHILD_CHECK(pages_destroy(p) == 0);
	return 0;
}

/* A kernel without keys: it is said in words, and everything works unguarded. */
static void
without_keys_it_says_so(void)
{
	CHILD_ASSERT(do_without_keys);
}

/* Nobody asked: nothing is guarded, and records can be written. */
static void
it_is_off_unless_asked_for(void)
{
	pages_t *p = small_set();
	page_t *page = pages_alloc(p, GFP_KERNEL, 0);

	CU_ASSERT_EQUAL(vm_guard_key(), 0);
	CU_ASSERT(!is_guarded(p));
	page->private_data = 5;
	CU_ASSERT_EQUAL(pages_free(page, 0), 0);
	CU_ASSERT_EQUAL(pages_destroy(p), 0);
}

static const unit_test_t tests[] = {
	UNIT(it_is_off_unless_asked_for),       UNIT(without_keys_it_says_so),
	UNIT(a_store_into_a_record_is_a_fault), UNIT(a_store_into_a_descriptor_is_a_fault),
	UNIT(a_call_leaves_no_door_open),       UNIT(honest_calls_are_let_in),
	UNIT(an_older_thread_is_let_in),
};

static int
try_to_enable(void)
{
	const char *why = "";

	if (!vm_guard_enable(&why))
		return 0;
	printf("%s\n", why);
	return CHILD_CANNOT;
}

int
main(void)
{
	int has_keys = in_child(try_to_enable) == 0;

	if (!has_keys)
		printf("not shown here, for want of protection keys: all but the first two\n");
	return unit_run("guard", tests, has_keys ? ARRAY_LEN(tests) : 2);
}
