/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include "child.h"
#include "vm_test.h"

static uword
resident_pages(void *base, uword n_pages)
{
	u8 *vec = malloc(n_pages);
	uword n = 0;

	CU_ASSERT_EQUAL(mincore(base, n_pages * PAGE, vec), 0);
	for (uword i = 0; i < n_pages; i++)
		n += vec[i] & 1;
	free(vec);
	return n;
}

/* Reserved, committed and given back: what vm says is what the kernel says, byte for byte. */
static void
a_range_goes_through_its_states(void)
{
	u32 flags[] = { 0, VM_RANGE_SHARED };

	for (u32 i = 0; i < ARRAY_LEN(flags); i++) {
		vm_range_t *r = range_of_4k("states", GiB(1), flags[i]);
		u8 *base = vm_range_base(r);
		uword before = vm_committed_bytes(0), before_4k = vm_committed_bytes(12), released;

		CU_ASSERT_EQUAL(vm_range_page_bytes(r), PAGE);
		/* Private: one mapping with its guard pages. */
		CU_ASSERT_EQUAL(smaps_bytes(base - PAGE, GiB(1) + 2 * PAGE, "Size:"),
				GiB(1) + 2 * PAGE);
		CU_ASSERT_EQUAL(smaps_bytes(base, GiB(1), "Rss:"), 0);

		/* Populated, so resident without a touch. */
		CU_ASSERT_EQUAL(vm_commit(r, MiB(8), MiB(64)), 0);
		CU_ASSERT_EQUAL(committed_bytes(r), MiB(64));
		CU_ASSERT_EQUAL(vm_committed_bytes(0) - before, MiB(64));
		CU_ASSERT_EQUAL(vm_committed_bytes(12) - before_4k, MiB(64));
		CU_ASSERT_EQUAL(vm_committed_bytes(21), 0);
		CU_ASSERT_EQUAL(smaps_bytes(base, GiB(1), "Rss:"), MiB(64));
		CU_ASSERT_EQUAL(resident_pages(base + MiB(8), MiB(64) / PAGE), MiB(64) / PAGE);
		CU_ASSERT_EQUAL(resident_pages(base, MiB(8) / PAGE), 0);
		base[MiB(8)] = 1;
		base[MiB(72) - 1] = 1;

		CU_ASSERT_EQUAL(vm_decommit(r, MiB(8), MiB(32), &released), 0);
		CU_ASSERT_EQUAL(released, MiB(32));
		CU_ASSERT_EQUAL(committed_bytes(r), MiB(32));
		CU_ASSERT_EQUAL(smaps_bytes(base, GiB(1), "Rss:"), MiB(32));
		/* Back again, and fresh. */
		CU_ASSERT_EQUAL(vm_commit(r, MiB(8), PAGE), 0);
		CU_ASSERT_EQUAL(base[MiB(8)], 0);
		CU_ASSERT_EQUAL(base[MiB(72) - 1], 1);

		CU_ASSERT_EQUAL(vm_release(r), 0);
		CU_ASSERT_EQUAL(vm_committed_bytes(0), before);
		CU_ASSERT_EQUAL(vm_release(r), -EINVAL);
		CU_ASSERT_EQUAL(vm_commit(r, 0, PAGE), -EINVAL);
	}
}

/* Committing twice costs and counts once; decommit rounds in, commit rounds out. */
static void
commit_is_idempotent_and_rounds(void)
{
	vm_range_t *r = range_of_4k("rounds", 64 * PAGE, 0);
	uword fresh, released;

	CU_ASSERT_EQUAL(vm_commit_counted(r, 10 * PAGE + 1, 1, &fresh), 0);
	CU_ASSERT_EQUAL(fresh, PAGE);
	CU_ASSERT_EQUAL(vm_commit_counted(r, 8 * PAGE + 5, 4 * PAGE, &fresh), 0);
	CU_ASSERT_EQUAL(fresh, 4 * PAGE);
	CU_ASSERT_EQUAL(vm_commit_counted(r, 8 * PAGE, 5 * PAGE, &fresh), 0);
	CU_ASSERT_EQUAL(fresh, 0);
	CU_ASSERT_EQUAL(committed_bytes(r), 5 * PAGE);
	CU_ASSERT_EQUAL(vm_commit(r, 3, 0), 0);
	CU_ASSERT_EQUAL(vm_decommit(r, 8 * PAGE + 1, 2 * PAGE - 2, &released), 0);
	CU_ASSERT_EQUAL(released, 0);
	CU_ASSERT_EQUAL(vm_decommit(r, 8 * PAGE + 1, 2 * PAGE, &released), 0);
	CU_ASSERT_EQUAL(released, PAGE);
	CU_ASSERT_EQUAL(vm_decommit(r, 0, 64 * PAGE, &released), 0);
	CU_ASSERT_EQUAL(released, 4 * PAGE);
	vm_release(r);
}

#define N_MODEL_PAGES 300

/* Every page's state and content equals the model's. */
static void
check_model(vm_range_t *r, const u8 *is_committed, const u32 *content)
{
	u8 vec[N_MODEL_PAGES], *base = vm_range_base(r);
	uword n = 0, n_wrong = 0;

	CU_ASSERT_EQUAL(mincore(base, N_MODEL_PAGES * PAGE, vec), 0);
	for (u32 i = 0; i < N_MODEL_PAGES; i++) {
		n += is_committed[i];
		n_wrong += (vec[i] & 1) != is_committed[i];
		n_wrong += is_committed[i] && *(u32 *)(base + i * PAGE) != content[i];
	}
	CU_ASSERT_EQUAL(n_wrong, 0);
	CU_ASSERT_EQUAL(committed_bytes(r), n * PAGE);
	CU_ASSERT_EQUAL(smaps_bytes(base, N_MODEL_PAGES * PAGE, "Rss:"), n * PAGE);
}

/* Random commits (some made to fail) and decommits against an array of page states. */
static void
random_operations_match_a_model(void)
{
	u64 seed = unit_seed(), n_ops = unit_n_ops(20000);

	for (u32 is_shared = 0; is_shared < 2; is_shared++) {
		vm_range_t *r =
			range_of_4k("model", N_MODEL_PAGES * PAGE, is_shared ? VM_RANGE_SHARED : 0);
		u8 is_committed[N_MODEL_PAGES] = { 0 }, *base = vm_range_base(r);
		u32 content[N_MODEL_PAGES] = { 0 };

		for (u64 op = 0; op < n_ops; op++) {
			uword first = unit_random_below(&seed, N_MODEL_PAGES);
			uword n =
				1 + unit_random_below(&seed, clib_min(40UL, N_MODEL_PAGES - first));
			uword n_fresh = 0, bytes;
			int is_decommit = unit_random_below(&seed, 2);
			int is_to_fail = !is_decommit && unit_random_below(&seed, 16) == 0;

			for (uword i = first; i < first + n; i++)
				n_fresh += is_committed[i] == is_decommit;
			if (is_to_fail) {
				vm_fail_commit_after(1);
				CU_ASSERT_EQUAL(vm_commit(r, first * PAGE, n * PAGE), -ENOMEM);
			} else if (is_decommit) {
				CU_ASSERT_EQUAL(vm_decommit(r, first * PAGE, n * PAGE, &bytes), 0);
				CU_ASSERT_EQUAL(bytes, n_fresh * PAGE);
			} else {
				CU_ASSERT_EQUAL(
					vm_commit_counted(r, first * PAGE, n * PAGE, &bytes), 0);
				CU_ASSERT_EQUAL(bytes, n_fresh * PAGE);
			}
			for (uword i = first; i < first + n && !is_to_fail; i++) {
				if (is_decommit || !is_committed[i])
					content[i] = 0;
				is_committed[i] = !is_decommit;
			}
			/* Fresh pages are zero, so a mark set once must survive until given back.
			 */
			if (is_committed[first]) {
				content[first] += 1 + (u32)op;
				*(u32 *)(base + first * PAGE) += 1 + (u32)op;
			}
			if (op % 1000 == 999)
				check_model(r, is_committed, content);
		}
		check_model(r, is_committed, content);
		CU_ASSERT_EQUAL(vm_release(r), 0);
	}
}

/* A commit that fails leaves what was committed alone, whichever of the calls it is. */
static void
every_commit_can_fail_and_changes_nothing(void)
{
	/* Each of these has fresh runs between older pages. */
	static const struct {
		u16 first, n;
	} commits[] = { { 5, 2 }, { 9, 1 }, { 0, 16 }, { 30, 40 }, { 20, 100 } };
	u32 flags[] = { 0, VM_RANGE_SHARED };

	for (u32 f = 0; f < 2; f++) {
		for (u32 k = 1; k <= ARRAY_LEN(commits); k++) {
			vm_range_t *r = range_of_4k("fails", 128 * PAGE, flags[f]);
			u8 *base = vm_range_base(r);
			uword all = vm_committed_bytes(0);
			vm_range_info_t info;

			vm_fail_commit_after(k);
			for (u32 i = 0; i < ARRAY_LEN(commits); i++) {
				uword before = committed_bytes(r);
				int rv = vm_commit(r, commits[i].first * PAGE, commits[i].n * PAGE);

				CU_ASSERT_EQUAL(rv, i + 1 == k ? -ENOMEM : 0);
				if (rv) {
					CU_ASSERT_EQUAL(committed_bytes(r), before);
					CU_ASSERT_EQUAL(vm_committed_bytes(0), all + before);
					CU_ASSERT_EQUAL(smaps_bytes(base, 128 * PAGE, "Rss:"),
							before);
					rv = vm_commit(r, commits[i].first * PAGE,
						       commits[i].n * PAGE);
					CU_ASSERT_EQUAL(rv, 0);
				}
				memset(base + commits[i].first * PAGE, 7, commits[i].n * PAGE);
			}
			vm_range_get_info(r, &info);
			CU_ASSERT_EQUAL(info.n_commit_failures, 1);
			CU_ASSERT_EQUAL(info.n_commits, ARRAY_LEN(commits));
			vm_release(r);
		}
	}
	vm_fail_commit_after(0);
}

/* Wrong arguments are told apart, and none of them leaves anything behind. */
static void
bad_parameters_are_refused(void)
{
	const vm_range_params_t good = { .name = "bad",
					 .reserve_bytes = MiB(1),
					 .numa_node = VM_NODE_ANY,
					 .page_size = CLIB_MEM_PAGE_SZ_4K };
	vm_range_params_t p;
	vm_range_t *r = NULL;

#define REFUSED(field, value, error)                                                               \
	p = good;                                                                                  \
	p.field = value;                                                                           \
	CU_ASSERT_EQUAL(vm_reserve(&p, &r), error);                                                \
	CU_ASSERT_PTR_NULL(r)
	CU_ASSERT_EQUAL(vm_reserve(NULL, &r), -EINVAL);
	REFUSED(reserve_bytes, 0, -EINVAL);
	REFUSED(reserve_bytes, ~0ULL, -ENOMEM);
	REFUSED(reserve_bytes, 1ULL << 62, -ENOMEM);
	REFUSED(page_size, (clib_mem_page_sz_t)13, -EINVAL);
	REFUSED(page_size, (clib_mem_page_sz_t)99, -EINVAL);
	REFUSED(flags, 1u << 31, -EINVAL);
	REFUSED(base, 4097, -EINVAL);
	REFUSED(file, "/dev/shm/vmheap-not-shared", -EINVAL);
	REFUSED(numa_node, 999, -ENODEV);
	REFUSED(numa_node, 1 << 20, -ENODEV);
	REFUSED(numa_node, -7, -ENODEV);
	r = range_of_4k("bounds", MiB(1), 0);
	CU_ASSERT_EQUAL(vm_commit(r, MiB(1), 1), -EINVAL);
	CU_ASSERT_EQUAL(vm_commit(r, 1, MiB(1)), -EINVAL);
	CU_ASSERT_EQUAL(vm_commit(r, PAGE, ~0ULL), -EINVAL);
	CU_ASSERT_EQUAL(vm_decommit(r, PAGE, ~0ULL, NULL), -EINVAL);
	CU_ASSERT_EQUAL(vm_commit((vm_range_t *)&good, 0, PAGE), -EINVAL);
	CU_ASSERT_EQUAL(vm_commit((vm_range_t *)((u8 *)r + 8), 0, PAGE), -EINVAL);
	CU_ASSERT_EQUAL(vm_commit(NULL, 0, PAGE), -EINVAL);
	vm_release(r);
}

/* A wanted base is taken exactly or not at all. */
static void
a_wanted_base_is_taken_or_refused(void)
{
	vm_range_t *first = range_of_4k("first", MiB(4), 0), *second = NULL;
	vm_range_params_t p = { .name = "second",
				.reserve_bytes = MiB(1),
				.numa_node = VM_NODE_ANY,
				.page_size = CLIB_MEM_PAGE_SZ_4K,
				.base = pointer_to_uword(vm_range_base(first)) + MiB(1) };

	CU_ASSERT_EQUAL(vm_reserve(&p, &second), -EEXIST);
	CU_ASSERT_PTR_NULL(second);
	/* The range that was in the way is untouched. */
	CU_ASSERT_EQUAL(vm_commit(first, MiB(1), PAGE), 0);
	vm_release(first);
	CU_ASSERT_EQUAL(vm_reserve(&p, &second), 0);
	CU_ASSERT_EQUAL(pointer_to_uword(vm_range_base(second)), p.base);
	CU_ASSERT_EQUAL(vm_commit(second, 0, MiB(1)), 0);
	vm_release(second);
}

/* Neighbours do not touch: what runs over a range's end is not the next one's, nor its smaps. */
static void
ranges_have_guard_pages(void)
{
	vm_range_t *r[16];

	for (u32 i = 0; i < 16; i++) {
		r[i] = range_of_4k("guarded", 4 * PAGE, i % 2 ? VM_RANGE_WINDOW : 0);
		CU_ASSERT_EQUAL(vm_commit(r[i], 0, 4 * PAGE), 0);
	}
	for (u32 i = 0; i < 16; i++) {
		u8 *base = vm_range_base(r[i]);

		CU_ASSERT_EQUAL(smaps_bytes(base, 4 * PAGE, "Rss:"), 4 * PAGE);
		CU_ASSERT_PTR_NULL(vm_range_of(base + 4 * PAGE));
	}
	for (u32 i = 0; i < 16; i++)
		vm_release(r[i]);
}

/* The window hands out pieces first-fit, keeps number 0 for nobody, and stays reserved. */
static void
ranges_in_the_window(void)
{
	u8 *window = vm_window_base();
	vm_range_t *r[4], *again;
	vm_range_params_t p = { .name = "outside",
				.reserve_bytes = MiB(1),
				.numa_node = VM_NODE_ANY,
				.page_size = CLIB_MEM_PAGE_SZ_4K,
				.flags = VM_RANGE_WINDOW };
	void *was;

	CU_ASSERT_PTR_NOT_NULL_FATAL(window);
	CU_ASSERT_PTR_EQUAL(window, vm_window_base());
	CU_ASSERT(is_pow2(vm_window_bytes()) && vm_window_bytes() <= VM_WINDOW_BYTES);
	for (u32 i = 0; i < 4; i++) {
		u8 *base;

		r[i] = range_of_4k("in the window", MiB(2),
				   VM_RANGE_WINDOW | (i & 1 ? VM_RANGE_SHARED : 0));
		base = vm_range_base(r[i]);
		CU_ASSERT(base > window && base + MiB(2) <= window + vm_window_bytes());
		for (u32 j = 0; j < i; j++)
			CU_ASSERT(llabs(base - (u8 *)vm_range_base(r[j])) >= (long long)MiB(2));
		CU_ASSERT_EQUAL(vm_commit(r[i], 0, MiB(2)), 0);
		memset(base, (int)i + 1, MiB(2));
	}
	was = vm_range_base(r[1]);
	vm_release(r[1]);
	CU_ASSERT_EQUAL(smaps_bytes(window, vm_window_bytes(), "Rss:"), 3 * MiB(2));
	/* Still ours: nobody else can have been given these addresses. */
	CU_ASSERT_PTR_EQUAL(mmap(was, PAGE, PROT_NONE,
				 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0),
			    MAP_FAILED);
	again = range_of_4k("again", MiB(1), VM_RANGE_WINDOW);
	CU_ASSERT_PTR_EQUAL(vm_range_base(again), was);
	CU_ASSERT_EQUAL(vm_commit(again, 0, MiB(1)), 0);
	CU_ASSERT_EQUAL(*(u8 *)was, 0);
	vm_release(again);
	/* By address, inside only. */
	again = NULL;
	p.base = pointer_to_uword(window);
	CU_ASSERT_EQUAL(vm_reserve(&p, &again), -EINVAL);
	p.base = pointer_to_uword(window) + vm_window_bytes();
	CU_ASSERT_EQUAL(vm_reserve(&p, &again), -EINVAL);
	p.base = pointer_to_uword(vm_range_base(r[2])) + MiB(1);
	CU_ASSERT_EQUAL(vm_reserve(&p, &again), -EEXIST);
	p.base = pointer_to_uword(was);
	CU_ASSERT_EQUAL(vm_reserve(&p, &again), 0);
	vm_release(again);
	p.base = 0;
	p.reserve_bytes = vm_window_bytes();
	CU_ASSERT_EQUAL(vm_reserve(&p, &again), -ENOMEM);
	vm_release(r[0]);
	vm_release(r[2]);
	vm_release(r[3]);
}

static int
append_base(const vm_range_info_t *info, void *arg)
{
	uword *last = arg;

	CU_ASSERT(info->base > last[0]);
	last[0] = info->base;
	last[1]++;
	last[2] += info->committed_bytes;
	/* No lock is held: calling back in is allowed. */
	CU_ASSERT_PTR_NOT_NULL(vm_range_of((void *)info->base));
	return last[1] == last[3];
}

/* Ranges are listed in address order, found by any of their bytes, and sum up. */
static void
ranges_are_found_by_address(void)
{
	vm_range_t *r[20];
	uword last[4] = { 0 };

	for (u32 i = 0; i < 20; i++) {
		r[i] = range_of_4k("listed", (i + 1) * PAGE, i % 3 ? 0 : VM_RANGE_WINDOW);
		CU_ASSERT_EQUAL(vm_commit(r[i], 0, PAGE), 0);
	}
	for (u32 i = 0; i < 20; i++) {
		u8 *base = vm_range_base(r[i]);

		CU_ASSERT_PTR_EQUAL(vm_range_of(base), r[i]);
		CU_ASSERT_PTR_EQUAL(vm_range_of(base + (i + 1) * PAGE - 1), r[i]);
		CU_ASSERT_PTR_NOT_EQUAL(vm_range_of(base + (i + 1) * PAGE), r[i]);
		CU_ASSERT_PTR_NOT_EQUAL(vm_range_of(base - 1), r[i]);
	}
	CU_ASSERT_PTR_NULL(vm_range_of(NULL));
	CU_ASSERT_PTR_NULL(vm_range_of((void *)~0ULL));
	vm_foreach_range(append_base, last);
	CU_ASSERT(last[1] >= 20);
	CU_ASSERT_EQUAL(last[2], vm_committed_bytes(0));
	/* A nonzero return stops it. */
	memset(last, 0, sizeof(last));
	last[3] = 5;
	vm_foreach_range(append_base, last);
	CU_ASSERT_EQUAL(last[1], 5);
	for (u32 i = 0; i < 20; i++)
		CU_ASSERT_EQUAL(vm_release(r[(i * 7) % 20]), 0);
	CU_ASSERT_PTR_NULL(vm_range_of(vm_window_base() + PAGE));
}

/* Records are a table with an end: the next one is refused, and one released is enough. */
static void
the_table_of_ranges_has_an_end(void)
{
	static vm_range_t *r[4096];
	vm_range_params_t p = { .name = "many",
				.reserve_bytes = PAGE,
				.numa_node = VM_NODE_ANY,
				.page_size = CLIB_MEM_PAGE_SZ_4K };
	u32 n = 0;
	int rv;

	while (!(rv = vm_reserve(&p, &r[n])) && n < ARRAY_LEN(r) - 1)
		n++;
	CU_ASSERT_EQUAL(rv, -ENOMEM);
	CU_ASSERT(n >= 1000);
	CU_ASSERT_EQUAL(vm_release(r[--n]), 0);
	CU_ASSERT_EQUAL(vm_reserve(&p, &r[n]), 0);
	for (u32 i = 0; i <= n; i++)
		CU_ASSERT_EQUAL(vm_release(r[i]), 0);
}

static vm_range_t *file_range;

static int
a_child_releases_the_file(void)
{
	CHILD_CHECK(vm_release(file_range) == 0);
	return 0;
}

/* A named file is made, shown by its name to others, kept from a second owner, and removed. */
static void
a_file_backs_a_range(void)
{
	char path[64];
	vm_range_params_t p = { .name = "file",
				.reserve_bytes = MiB(1),
				.numa_node = VM_NODE_ANY,
				.flags = VM_RANGE_SHARED,
				.file = path };
	vm_range_t *second = NULL;
	u8 byte = 0;
	int fd;

	snprintf(path, sizeof(path), "/dev/shm/vmheap-test-vm-%d", getpid());
	CU_ASSERT_EQUAL_FATAL(vm_reserve(&p, &file_range), 0);
	CU_ASSERT_EQUAL(vm_commit(file_range, PAGE, PAGE), 0);
	((u8 *)vm_range_base(file_range))[PAGE] = 0x5a;
	fd = open(path, O_RDONLY);
	CU_ASSERT_EQUAL(pread(fd, &byte, 1, PAGE), 1);
	CU_ASSERT_EQUAL(byte, 0x5a);
	close(fd);
	CU_ASSERT_EQUAL(vm_reserve(&p, &second), -EEXIST);
	/* A child's release is its own affair. */
	CHILD_ASSERT(a_child_releases_the_file);
	CU_ASSERT_EQUAL(access(path, F_OK), 0);
	CU_ASSERT_EQUAL(((u8 *)vm_range_base(file_range))[PAGE], 0x5a);
	CU_ASSERT_EQUAL(vm_release(file_range), 0);
	CU_ASSERT_NOT_EQUAL(access(path, F_OK), 0);
	/* Neither hugetlbfs nor tmpfs. */
	snprintf(path, sizeof(path), "/proc/vmheap-test-vm");
	CU_ASSERT(vm_reserve(&p, &second) < 0);
	p.page_size = CLIB_MEM_PAGE_SZ_2M;
	p.flags |= VM_RANGE_EXACT_PAGE;
	snprintf(path, sizeof(path), "/dev/shm/vmheap-test-vm-%d", getpid());
	CU_ASSERT_EQUAL(vm_reserve(&p, &second), -ENOTSUP);
	CU_ASSERT_NOT_EQUAL(access(path, F_OK), 0);
}

/* Shared backing is one memory under two mappings, and giving back takes it from both. */
static void
shared_backing_can_be_attached(void)
{
	vm_range_t *r = range_of_4k("attached", MiB(1), VM_RANGE_SHARED);
	vm_range_info_t info;
	u8 *base = vm_range_base(r), *other;
	char path[64];
	int fd;

	vm_range_get_info(r, &info);
	CU_ASSERT(info.fd >= 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", info.fd);
	fd = open(path, O_RDWR);
	other = mmap(NULL, MiB(1), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CU_ASSERT_PTR_NOT_EQUAL_FATAL(other, MAP_FAILED);
	CU_ASSERT_EQUAL(vm_commit(r, 3 * PAGE, PAGE), 0);
	base[3 * PAGE] = 1;
	CU_ASSERT_EQUAL(other[3 * PAGE], 1);
	vm_decommit(r, 0, MiB(1), NULL);
	CU_ASSERT_EQUAL(other[3 * PAGE], 0);
	munmap(other, MiB(1));
	close(fd);
	vm_release(r);
}

static u8 *fork_private, *fork_shared;

static int
a_child_writes_both(void)
{
	*fork_private = 2;
	*fork_shared = 2;
	CHILD_CHECK(*fork_private == 2 && *fork_shared == 2);
	return 0;
}

/* A forked child writes its own copy of private memory and the one copy of shared memory. */
static void
private_and_shared_under_fork(void)
{
	vm_range_t *p = range_of_4k("private", PAGE, 0);
	vm_range_t *s = range_of_4k("shared", PAGE, VM_RANGE_SHARED);

	CU_ASSERT_EQUAL(vm_commit(p, 0, PAGE), 0);
	CU_ASSERT_EQUAL(vm_commit(s, 0, PAGE), 0);
	fork_private = vm_range_base(p);
	fork_shared = vm_range_base(s);
	*fork_private = *fork_shared = 1;
	CHILD_ASSERT(a_child_writes_both);
	CU_ASSERT_EQUAL(*fork_private, 1);
	CU_ASSERT_EQUAL(*fork_shared, 2);
	vm_release(p);
	vm_release(s);
}

static int
is_sane(const vm_range_info_t *info, void *arg)
{
	*(int *)arg |= info->committed_bytes > info->reserve_bytes;
	return 0;
}

static vm_range_t *crowd_range;

/* Each thread has every fourth 16-page stripe of one range, and a range of its own now and then. */
static void *
commit_in_a_crowd(void *arg)
{
	uword me = (uword)arg;
	u64 state = me + 1;
	u8 *base = vm_range_base(crowd_range);
	u64 n_ops = unit_n_ops(2000);
	int is_wrong = 0;

	for (u64 i = 0; i < n_ops; i++) {
		uword offset = (unit_random_below(&state, 16) * 4 + me) * 16 * PAGE, fresh, n;
		vm_range_t *r;

		if (vm_commit_counted(crowd_range, offset, 16 * PAGE, &fresh) ||
		    fresh != 16 * PAGE || base[offset + PAGE])
			return (void *)1;
		base[offset + PAGE] = 1;
		if (vm_range_of(base + offset) != crowd_range)
			return (void *)2;
		if (vm_decommit(crowd_range, offset, 16 * PAGE, &n) || n != 16 * PAGE)
			return (void *)3;
		if (i % 16)
			continue;
		vm_foreach_range(is_sane, &is_wrong);
		if (is_wrong)
			return (void *)5;
		r = range_of_4k("own", MiB(1), i % 32 ? VM_RANGE_WINDOW : 0);
		if (vm_commit(r, 0, 4 * PAGE) || vm_release(r))
			return (void *)4;
	}
	return NULL;
}

/* Threads commit and give back parts of one range and make ranges of their own: sums hold. */
static void
threads_share_a_range(void)
{
	pthread_t threads[4];
	uword before = vm_committed_bytes(0);
	void *rv;

	crowd_range = range_of_4k("crowd", MiB(4), 0);
	for (uword i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, commit_in_a_crowd, (void *)i);
	for (uword i = 0; i < 4; i++) {
		pthread_join(threads[i], &rv);
		CU_ASSERT_PTR_NULL(rv);
	}
	CU_ASSERT_EQUAL(vm_committed_bytes(0), before);
	vm_release(crowd_range);
}

static const unit_test_t tests[] = {
	UNIT(a_range_goes_through_its_states),
	UNIT(commit_is_idempotent_and_rounds),
	UNIT(random_operations_match_a_model),
	UNIT(every_commit_can_fail_and_changes_nothing),
	UNIT(bad_parameters_are_refused),
	UNIT(a_wanted_base_is_taken_or_refused),
	UNIT(ranges_have_guard_pages),
	UNIT(ranges_in_the_window),
	UNIT(ranges_are_found_by_address),
	UNIT(the_table_of_ranges_has_an_end),
	UNIT(a_file_backs_a_range),
	UNIT(shared_backing_can_be_attached),
	UNIT(private_and_shared_under_fork),
	UNIT(threads_share_a_range),
};

int
main(void)
{
	return unit_run("vm", tests, ARRAY_LEN(tests));
}
