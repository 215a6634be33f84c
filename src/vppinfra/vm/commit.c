/* SPDX-License-Identifier: Apache-2.0 */
/* Commit and decommit.  Fresh pages of a commit form runs between pages that are committed
 * already; each run is made writable, bound, populated and verified, and only when all of them
 * are whole do their bits go on.  A failure drops the runs done so far: they are the clear bits
 * before it, so no list of them is needed. */
#include "vm_impl.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Small commits are not worth reading /proc/meminfo for: 4 MiB takes 2 ms to populate. */
#define MIN_CHECKED_BYTES MiB(4)

/* Commits left until one fails, see vm_fail_commit_after(); 0 for none. */
static _Atomic u64 fail_countdown;
static _Atomic u64 n_committed[64];
static _Atomic u8 populate_is_missing;

void
vm_fail_commit_after(u64 n)
{
	atomic_store_explicit(&fail_countdown, n, memory_order_relaxed);
}

static int
is_chosen_to_fail(void)
{
	u64 n = atomic_load_explicit(&fail_countdown, memory_order_relaxed);

	while (n)
		if (atomic_compare_exchange_weak_explicit(
			    &fail_countdown, &n, n - 1, memory_order_relaxed, memory_order_relaxed))
			return n == 1;
	return 0;
}

void
vm_account(const vm_range_t *r, word n_pages)
{
	atomic_fetch_add_explicit(&n_committed[r->log2_page_size],
				  (u64)n_pages << r->log2_page_size, memory_order_relaxed);
}

uword
vm_committed_bytes(u8 log2_page_size)
{
	uword sum = 0;

	if (log2_page_size)
		return log2_page_size < 64 ? atomic_load_explicit(&n_committed[log2_page_size],
								  memory_order_relaxed)
					   : 0;
	for (u32 i = 0; i < 64; i++)
		sum += atomic_load_explicit(&n_committed[i], memory_order_relaxed);
	return sum;
}

int
vm_populate_is_emulated(void)
{
	return atomic_load_explicit(&populate_is_missing, memory_order_relaxed);
}

/* The first page in [page, end) whose bit is (is_set) or is not set; end if there is none. */
static uword
next_page(const vm_range_t *r, uword page, uword end, int is_set)
{
	while (page < end) {
		u64 word = r->committed_bits[page / 64];

		word = (is_set ? word : ~word) & (~0ULL << (page % 64));
		if (word)
			return clib_min(round_down_pow2(page, 64) + count_trailing_zeros(word),
					end);
		page = round_down_pow2(page, 64) + 64;
	}
	return end;
}

static void
set_pages(vm_range_t *r, uword page, uword end, int is_set)
{
	for (; page < end; page = round_down_pow2(page, 64) + 64) {
		u64 mask = ~0ULL << (page % 64);

		if (end - round_down_pow2(page, 64) < 64)
			mask &= pow2_mask(end % 64);
		if (is_set)
			r->committed_bits[page / 64] |= mask;
		else
			r->committed_bits[page / 64] &= ~mask;
	}
}

static uword
count_pages(const vm_range_t *r, uword page, uword end, int is_set)
{
	uword n = 0, stop;

	for (page = next_page(r, page, end, is_set); page < end;
	     page = next_page(r, stop, end, is_set)) {
		stop = next_page(r, page, end, !is_set);
		n += stop - page;
	}
	return n;
}

/* Whether the system could give that much now.  Asking first spares other users of the pool a
 * moment in which it is empty, and keeps the kernel's memory killer out of a doomed request; the
 * answer may be stale, which populate() finds out. */
static int
check_room(const vm_range_t *r, uword n_pages)
{
	int node = r->flags & VM_RANGE_STRICT_NODE ? r->numa_node : VM_NODE_ANY;
	u64 n_available, total;

	if (r->is_hugetlb)
		return !vm_hugepages_available(node, r->log2_page_size, &n_available) &&
				       n_available < n_pages
			       ? -ENOMEM
			       : 0;
	if (n_pages * r->page_bytes < MIN_CHECKED_BYTES)
		return 0;
	return !vm_node_memory(node, &total, &n_available) && n_available < n_pages * r->page_bytes
		       ? -ENOMEM
		       : 0;
}

/* Linux before 5.14: reach the same state by calls that fail where a touch would be a SIGBUS. */
static int
populate_by_hand(const vm_range_t *r, u8 *p, uword n_bytes)
{
	atomic_store_explicit(&populate_is_missing, 1, memory_order_relaxed);
	if (r->fd >= 0) {
		/* Allocates the file's pages, on the node its policy names. */
		if (fallocate(r->fd, FALLOC_FL_KEEP_SIZE, (off_t)(p - (u8 *)r->base),
			      (off_t)n_bytes))
			return -ENOMEM;
	} else if (r->is_hugetlb) {
		/* Needs RLIMIT_MEMLOCK; without it the pages cannot be had.  By system call: the
		 * sanitizers replace mlock() by nothing. */
		if (syscall(SYS_mlock, p, n_bytes))
			return -ENOMEM;
		syscall(SYS_munlock, p, n_bytes);
	}
	for (uword i = 0; i < n_bytes; i += r->page_bytes) {
		u8 expected = 0;

		/* A write that changes nothing, whatever an attached process puts there: compilers
		 * turn or-ing 0 into a read, which would leave the shared page of zeros. */
		__atomic_compare_exchange_n(p + i, &expected, 0, 0, __ATOMIC_RELAXED,
					    __ATOMIC_RELAXED);
	}
	return 0;
}

static int
populate(const vm_range_t *r, u8 *p, uword n_bytes)
{
	int rv;

	do
		rv = madvise(p, n_bytes, MADV_POPULATE_WRITE);
	while (rv && errno == EINTR);
	if (!rv)
		return 0;
	return errno == EINVAL ? populate_by_hand(r, p, n_bytes) : -ENOMEM;
}

/* Take the pages themselves away; the run is PROT_NONE already. */
static int
drop_pages(const vm_range_t *r, uword page, u8 *p, uword n_bytes)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED;

	if (r->fd >= 0)
		return fallocate(r->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				 (off_t)(page * r->page_bytes), (off_t)n_bytes);
	if (!madvise(p, n_bytes, MADV_DONTNEED))
		return 0;
	/* Locked pages, and huge ones before Linux 5.18, go only with their mapping. */
	if (r->is_hugetlb)
		flags |= MAP_HUGETLB | (r->log2_page_size << MAP_HUGE_SHIFT);
	if (mmap(p, n_bytes, PROT_NONE, flags, -1, 0) == MAP_FAILED)
		return -1;
	if (r->is_hugetlb)
		madvise(p, n_bytes, MADV_DONTFORK);
	else if (r->is_thp)
		madvise(p, n_bytes, MADV_HUGEPAGE);
	return 0;
}

/* Back to PROT_NONE with nothing behind it.  Returns -1 with the run as it was: its protection
 * cannot be changed (the kernel's limit on mappings), or the file system cannot punch holes. */
static int
drop_run(const vm_range_t *r, uword page, uword end)
{
	u8 *p = vm_range_page(r, page);
	uword n_bytes = (end - page) * r->page_bytes;

	if (mprotect(p, n_bytes, PROT_NONE))
		return -1;
	if (!drop_pages(r, page, p, n_bytes))
		return 0;
	mprotect(p, n_bytes, PROT_READ | PROT_WRITE);
	return -1;
}

/* Drop the fresh runs of a commit that failed: its clear pages before `end`. */
static void
undo(const vm_range_t *r, uword page, uword end)
{
	uword stop;

	for (page = next_page(r, page, end, 0); page < end; page = next_page(r, stop, end, 0)) {
		stop = next_page(r, page, end, 1);
		drop_run(r, page, stop);
	}
}

static int
commit_run(vm_range_t *r, uword page, uword end, u64 *n_misplaced)
{
	u8 *p = vm_range_page(r, page);
	uword n_bytes = (end - page) * r->page_bytes;
	u64 n_elsewhere;
	int rv;

	if (mprotect(p, n_bytes, PROT_READ | PROT_WRITE))
		return -ENOMEM;
	rv = vm_bind(r, p, n_bytes);
	if (rv == -EPERM)
		atomic_store_explicit(&r->placement_is_unknown, 1, memory_order_relaxed);
	else if (rv)
		return -ENOMEM;
	rv = populate(r, p, n_bytes);
	if (rv)
		return rv;
	rv = vm_count_misplaced(r, p, n_bytes, &n_elsewhere);
	if (rv == -EPERM)
		atomic_store_explicit(&r->placement_is_unknown, 1, memory_order_relaxed);
	else if (n_elsewhere && (r->flags & VM_RANGE_STRICT_NODE))
		return -EXDEV;
	*n_misplaced += n_elsewhere;
	return 0;
}

/* Pages [page, end), all or nothing; the lock is held. */
static int
commit_pages(vm_range_t *r, uword page, uword end, uword *n_fresh)
{
	int is_to_fail = is_chosen_to_fail(), rv;
	uword start, stop;
	u64 n_misplaced = 0;

	*n_fresh = count_pages(r, page, end, 0);
	rv = *n_fresh ? check_room(r, *n_fresh) : (is_to_fail ? -ENOMEM : 0);
	for (start = next_page(r, page, end, 0); !rv && start < end;
	     start = next_page(r, stop, end, 0)) {
		stop = next_page(r, start, end, 1);
		rv = commit_run(r, start, stop, &n_misplaced);
		/* After the last run, so that there is everything to undo. */
		if (!rv && is_to_fail && next_page(r, stop, end, 0) == end)
			rv = -ENOMEM;
		if (rv)
			undo(r, page, stop);
	}
	if (rv) {
		atomic_fetch_add_explicit(&r->n_commit_failures, 1, memory_order_relaxed);
		*n_fresh = 0;
		return rv;
	}
	/* Before the bits say which of them are fresh no longer. */
	for (start = next_page(r, page, end, 0); start < end; start = next_page(r, stop, end, 0)) {
		stop = next_page(r, start, end, 1);
		vm_frames_note(r, start, stop);
	}
	set_pages(r, page, end, 1);
	if (r->is_thp)
		vm_thp_collapse(r, page, end);
	atomic_fetch_add_explicit(&r->n_commits, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&r->n_committed_pages, *n_fresh, memory_order_relaxed);
	atomic_fetch_add_explicit(&r->n_misplaced_pages, n_misplaced, memory_order_relaxed);
	vm_account(r, (word)*n_fresh);
	return 0;
}

int
vm_commit_counted(vm_range_t *range, uword offset, uword n_bytes, uword *fresh_bytes)
{
	vm_range_t *r = vm_range_from_handle(range);
	uword n_fresh = 0;
	int rv;

	if (fresh_bytes)
		*fresh_bytes = 0;
	if (!r || offset > r->reserve_bytes || n_bytes > r->reserve_bytes - offset)
		return -EINVAL;
	if (!n_bytes)
		return 0;
	pthread_mutex_lock(&r->lock);
	rv = commit_pages(r, offset / r->page_bytes,
			  round_pow2(offset + n_bytes, r->page_bytes) / r->page_bytes, &n_fresh);
	pthread_mutex_unlock(&r->lock);
	if (fresh_bytes)
		*fresh_bytes = n_fresh * r->page_bytes;
	return rv;
}

int
vm_commit(vm_range_t *range, uword offset, uword n_bytes)
{
	return vm_commit_counted(range, offset, n_bytes, NULL);
}

int
vm_decommit(vm_range_t *range, uword offset, uword n_bytes, uword *released_bytes)
{
	vm_range_t *r = vm_range_from_handle(range);
	uword page, end, start, stop, n = 0;

	if (released_bytes)
		*released_bytes = 0;
	if (!r || offset > r->reserve_bytes || n_bytes > r->reserve_bytes - offset)
		return -EINVAL;
	page = round_pow2(offset, r->page_bytes) / r->page_bytes;
	end = (offset + n_bytes) / r->page_bytes;
	pthread_mutex_lock(&r->lock);
	for (start = next_page(r, page, end, 1); start < end; start = next_page(r, stop, end, 1)) {
		stop = next_page(r, start, end, 0);
		vm_frames_forget(r, start, stop);
		/* What the system does not take back stays committed, and is not reported. */
		if (drop_run(r, start, stop)) {
			vm_frames_note(r, start, stop);
			continue;
		}
		set_pages(r, start, stop, 0);
		n += stop - start;
	}
	if (n) {
		atomic_fetch_add_explicit(&r->n_decommits, 1, memory_order_relaxed);
		atomic_fetch_sub_explicit(&r->n_committed_pages, n, memory_order_relaxed);
		vm_account(r, -(word)n);
	}
	pthread_mutex_unlock(&r->lock);
	if (released_bytes)
		*released_bytes = n * r->page_bytes;
	return 0;
}
