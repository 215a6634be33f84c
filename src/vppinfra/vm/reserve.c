/* SPDX-License-Identifier: Apache-2.0 */
/* Reserve and release.  A range first gets its addresses (of the kernel's choice, at a wanted
 * base, or in the window), all PROT_NONE; its backing is then mapped over them in one piece,
 * still PROT_NONE, so that commit needs no more than mprotect().  Candidates for the page size
 * are tried from the wanted one down; a candidate that cannot be mapped is as good as absent. */
#include "vm_impl.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/vfs.h>
#include <unistd.h>

#define KNOWN_FLAGS                                                                                \
	(VM_RANGE_SHARED | VM_RANGE_THP | VM_RANGE_EXACT_PAGE | VM_RANGE_STRICT_NODE |             \
	 VM_RANGE_WINDOW | VM_RANGE_IN_RESERVATION)

/* What page a range may be given. */
typedef struct {
	u8 log2_page_size, is_hugetlb, is_thp;
} page_choice_t;

/* Five huge page sizes are the most an architecture has (arm64 with 64K pages has four). */
#define MAX_CHOICES 8

static int
is_known_page_size(clib_mem_page_sz_t page_size)
{
	switch (page_size) {
	case CLIB_MEM_PAGE_SZ_UNKNOWN:
	case CLIB_MEM_PAGE_SZ_DEFAULT:
	case CLIB_MEM_PAGE_SZ_DEFAULT_HUGE:
	case CLIB_MEM_PAGE_SZ_4K:
	case CLIB_MEM_PAGE_SZ_16K:
	case CLIB_MEM_PAGE_SZ_64K:
	case CLIB_MEM_PAGE_SZ_1M:
	case CLIB_MEM_PAGE_SZ_2M:
	case CLIB_MEM_PAGE_SZ_16M:
	case CLIB_MEM_PAGE_SZ_32M:
	case CLIB_MEM_PAGE_SZ_512M:
	case CLIB_MEM_PAGE_SZ_1G:
	case CLIB_MEM_PAGE_SZ_16G:
		return 1;
	}
	return 0;
}

static int
check_params(const vm_range_params_t *p)
{
	if (!p || !p->reserve_bytes || (p->flags & ~KNOWN_FLAGS) ||
	    !is_known_page_size(p->page_size))
		return -EINVAL;
	if (p->file && (!(p->flags & VM_RANGE_SHARED) || strlen(p->file) >= vm_system_page_bytes()))
		return -EINVAL;
	if (p->base % vm_system_page_bytes())
		return -EINVAL;
	if ((p->flags & VM_RANGE_IN_RESERVATION) && (!p->base || (p->flags & VM_RANGE_WINDOW)))
		return -EINVAL;
	/* Half the address space: what rounding up cannot overflow, and nobody can map. */
	if (p->reserve_bytes >> 63 || p->expect_bytes >> 63)
		return -ENOMEM;
	if (p->numa_node != VM_NODE_ANY &&
	    (p->numa_node >= VM_MAX_NODES || !vm_numa_node_has_memory(p->numa_node)))
		return -ENODEV;
	return 0;
}

/* "4K", "2M", "1G". */
static void
page_size_name(u8 log2_page_size, char name[16])
{
	static const char units[] = "BKMGT";

	snprintf(name, 16, "%lu%c", 1UL << (log2_page_size % 10), units[log2_page_size / 10]);
}

/* Room for expect_bytes in huge pages of one size?  If not, `why` says what would help. */
static int
is_room_in_hugepages(const vm_range_params_t *p, u8 log2, char *why, uword n_why)
{
	uword n_needed = round_pow2(clib_max(p->expect_bytes, (uword)1), 1ULL << log2) >> log2;
	unsigned long n_nodes = 0, n_total;
	vm_hugepages_t pages;
	u64 n_free;
	char size[16], node[24] = "";

	page_size_name(log2, size);
	if (vm_hugepages_available(p->numa_node, log2, &n_free)) {
		snprintf(why, n_why, "wanted %s pages: not offered by this machine", size);
		return 0;
	}
	if (n_free >= n_needed)
		return 1;
	if (p->numa_node != VM_NODE_ANY)
		snprintf(node, sizeof(node), " on node %d", p->numa_node);
	/* The sysctl spreads pages over all nodes. */
	for (u32 i = 0; i < vm_n_numa_nodes(); i++)
		n_nodes += vm_numa_node_has_memory((int)i);
	vm_hugepages(VM_NODE_ANY, log2, &pages);
	n_total = pages.n_total + (n_needed - n_free) * clib_max(n_nodes, 1UL);
	if (log2 == vm_default_hugepage_log2())
		snprintf(why, n_why,
			 "wanted %s pages: %lu of %lu free%s; sysctl vm.nr_hugepages=%lu", size,
			 (unsigned long)n_free, (unsigned long)n_needed, node, n_total);
	else
		snprintf(why, n_why,
			 "wanted %s pages: %lu of %lu free%s; echo %lu >/sys/kernel/mm/hugepages/"
			 "hugepages-%lukB/nr_hugepages",
			 size, (unsigned long)n_free, (unsigned long)n_needed, node, n_total,
			 1UL << (log2 - 10));
	return 0;
}

/* The page sizes to try, best first.  `why` tells why the wanted one is not among them. */
static u32
list_choices(const vm_range_params_t *p, page_choice_t *choices, char *why, uword n_why)
{
	u8 log2_system = (u8)min_log2(vm_system_page_bytes());
	u8 log2 = vm_log2_page_size(p->page_size), sizes[MAX_CHOICES];
	int is_huge_wanted = log2 > log2_system || p->page_size == CLIB_MEM_PAGE_SZ_DEFAULT_HUGE;
	u32 n_sizes = vm_hugepage_sizes(sizes, MAX_CHOICES), n = 0;
	char unused[160];

	why[0] = 0;
	if (log2 && log2 < log2_system)
		snprintf(why, n_why, "wanted pages smaller than the system's %lu bytes",
			 (unsigned long)vm_system_page_bytes());
	if (is_huge_wanted && !is_room_in_hugepages(p, log2, why, n_why) && !log2)
		snprintf(why, n_why, "wanted huge pages: this kernel offers none");
	if (is_huge_wanted && !why[0])
		choices[n++] = (page_choice_t){ log2, 1, 0 };
	/* Only the first reason is told: what would help there helps here. */
	while (is_huge_wanted && n_sizes-- && n < MAX_CHOICES - 2)
		if (sizes[n_sizes] < log2 &&
		    is_room_in_hugepages(p, sizes[n_sizes], unused, sizeof(unused)))
			choices[n++] = (page_choice_t){ sizes[n_sizes], 1, 0 };
	if (is_huge_wanted || (p->flags & VM_RANGE_THP)) {
		if (vm_thp_works(!!(p->flags & VM_RANGE_SHARED)))
			choices[n++] = (page_choice_t){ log2_system, 0, 1 };
		else if (!why[0] && !is_huge_wanted)
			snprintf(why, n_why,
				 "wanted transparent huge pages: none given; echo "
				 "madvise >/sys/kernel/mm/transparent_hugepage/enabled");
	}
	choices[n++] = (page_choice_t){ log2_system, 0, 0 };
	return n;
}

/* A file decides for itself: its file system has one page size. */
static int
choose_for_file(const vm_range_params_t *p, int fd, page_choice_t *choice, char *why, uword n_why)
{
	u8 log2 = vm_log2_page_size(p->page_size), log2_file;
	char wanted[16], given[16];
	struct statfs fs;

	if (fstatfs(fd, &fs))
		return -errno;
	if (fs.f_type != HUGETLBFS_MAGIC && fs.f_type != TMPFS_MAGIC)
		return -EINVAL;
	log2_file = (u8)min_log2(fs.f_type == HUGETLBFS_MAGIC ? (uword)fs.f_bsize
							      : vm_system_page_bytes());
	*choice = (page_choice_t){ log2_file, fs.f_type == HUGETLBFS_MAGIC,
				   fs.f_type == TMPFS_MAGIC && (p->flags & VM_RANGE_THP) &&
					   vm_thp_works(1) };
	if (choice->is_hugetlb && !is_room_in_hugepages(p, log2_file, why, n_why))
		return -ENOMEM;
	why[0] = 0;
	if (!log2 || log2 == log2_file)
		return 0;
	page_size_name(log2, wanted);
	page_size_name(log2_file, given);
	snprintf(why, n_why, "wanted %s pages: the file's file system has %s", wanted, given);
	return p->flags & VM_RANGE_EXACT_PAGE ? -ENOTSUP : 0;
}

static int
open_memfd(const vm_range_t *r)
{
	unsigned flags = MFD_CLOEXEC;
	int fd;

	if (r->is_hugetlb)
		flags |= MFD_HUGETLB | ((unsigned)r->log2_page_size << MAP_HUGE_SHIFT);
	fd = memfd_create(r->name, flags);
	return fd < 0 ? -errno : fd;
}

static int
set_file_size(int fd, uword n_bytes)
{
	struct rlimit limit;

	/* Beyond the limit the kernel sends SIGXFSZ rather than an error. */
	if (!getrlimit(RLIMIT_FSIZE, &limit) && limit.rlim_cur != RLIM_INFINITY &&
	    limit.rlim_cur < n_bytes)
		return -ENOMEM;
	return ftruncate(fd, (off_t)n_bytes) ? -ENOMEM : 0;
}

/* Addresses for the range, all PROT_NONE.  Except where the base is wanted, guard pages keep it
 * apart: running over the end is a fault instead of a neighbour's damage, and the kernel does not
 * merge its mapping with others, whose figures in smaps would then be one. */
static int
place(vm_range_t *r, uword wanted_base)
{
	int rv;
	void *p;

	r->guard_bytes = wanted_base ? 0 : vm_system_page_bytes();

	if (r->flags & VM_RANGE_WINDOW) {
		vm_table_lock();
		rv = vm_window_carve(r, wanted_base);
		vm_table_unlock();
		r->is_in_window = !rv;
		return rv;
	}
	if (r->flags & VM_RANGE_IN_RESERVATION) {
		p = (void *)wanted_base;
	} else if (wanted_base) {
		p = mmap((void *)wanted_base, r->reserve_bytes, PROT_NONE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
		if (p == MAP_FAILED)
			return errno == EEXIST ? -EEXIST : -ENOMEM;
		/* A kernel that does not know the flag takes the address as a hint. */
		if (pointer_to_uword(p) != wanted_base) {
			munmap(p, r->reserve_bytes);
			return -EEXIST;
		}
	} else {
		p = vm_reserve_aligned(r->guard_bytes, r->reserve_bytes + r->guard_bytes,
				       r->align_bytes);
		if (!p)
			return -ENOMEM;
	}
	r->base = pointer_to_uword(p);
	vm_table_lock();
	vm_table_insert(r);
	vm_table_unlock();
	return 0;
}

/* Give addresses back: to the kernel, or to the window or the caller's reservation, which stay. */
static void
unplace(const vm_range_t *r)
{
	if (r->is_in_window || (r->base && (r->flags & VM_RANGE_IN_RESERVATION)))
		(void)!mmap((void *)r->base, r->reserve_bytes, PROT_NONE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
	else if (r->base)
		munmap((void *)(r->base - r->guard_bytes), r->reserve_bytes + 2 * r->guard_bytes);
}

/* Map the backing over the placed addresses. */
static int
map_backing(vm_range_t *r)
{
	int flags = MAP_FIXED | MAP_NORESERVE;
	void *p = (void *)r->base;

	if (r->fd >= 0)
		flags |= MAP_SHARED;
	else if (r->is_hugetlb)
		flags |= MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB |
			 (r->log2_page_size << MAP_HUGE_SHIFT);
	else
		flags |= MAP_PRIVATE | MAP_ANONYMOUS;
	if (mmap(p, r->reserve_bytes, PROT_NONE, flags, r->fd, 0) == MAP_FAILED)
		return -ENOMEM;
	/* A child that wrote its copy of a huge page would die when the pool has no other. */
	if (r->fd < 0 && r->is_hugetlb && madvise(p, r->reserve_bytes, MADV_DONTFORK))
		return -ENOMEM;
	if (r->fd < 0 && r->is_thp)
		(void)madvise(p, r->reserve_bytes, MADV_HUGEPAGE);
	return 0;
}

/* One bit per page, and a copy of the file's path behind them. */
static int
map_bits(vm_range_t *r, const char *file)
{
	uword n_bits = round_pow2(r->reserve_bytes / r->page_bytes, 64);
	uword n_path = file ? strlen(file) + 1 : 0;
	u8 *p;

	r->bits_map_bytes = round_pow2(n_bits / 8 + n_path, vm_system_page_bytes());
	p = mmap(NULL, r->bits_map_bytes, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED) {
		r->bits_map_bytes = 0;
		return -ENOMEM;
	}
	r->committed_bits = (u64 *)p;
	if (file) {
		r->file = (char *)p + n_bits / 8;
		memcpy(p + n_bits / 8, file, n_path);
	}
	return 0;
}

/* Undo place(), map_backing() and map_bits().  The kernel may hand out addresses again as soon
 * as they are unmapped, so the record leaves the order before; the window may only afterwards. */
static void
unmap_all(vm_range_t *r)
{
	vm_table_lock();
	if (!r->is_in_window)
		vm_table_unlist(r);
	vm_table_unlock();
	unplace(r);
	vm_table_lock();
	vm_table_unlist(r);
	vm_table_unlock();
	if (r->bits_map_bytes)
		munmap(r->committed_bits, r->bits_map_bytes);
	r->bits_map_bytes = 0;
	r->committed_bits = NULL;
	r->file = NULL;
}

/* Set the range up with one page size.  file_fd is -1 where there is no file. */
static int
try_choice(vm_range_t *r, const vm_range_params_t *p, page_choice_t choice, int file_fd)
{
	int rv;

	r->log2_page_size = choice.log2_page_size;
	r->is_hugetlb = choice.is_hugetlb;
	r->is_thp = choice.is_thp;
	r->page_bytes = 1ULL << choice.log2_page_size;
	r->align_bytes = choice.is_thp ? vm_thp_bytes() : r->page_bytes;
	r->reserve_bytes = round_pow2(p->reserve_bytes, r->page_bytes);
	r->base = 0;
	r->is_in_window = 0;
	r->fd = -1;
	if (p->base % r->align_bytes)
		return -EINVAL;
	if ((r->flags & VM_RANGE_SHARED) && file_fd < 0) {
		r->fd = open_memfd(r);
		if (r->fd < 0) {
			rv = r->fd == -ENODEV || r->fd == -EINVAL ? -ENOTSUP : -ENOMEM;
			r->fd = -1;
			return rv;
		}
	} else if (r->flags & VM_RANGE_SHARED) {
		r->fd = file_fd;
	}
	rv = r->fd >= 0 ? set_file_size(r->fd, r->reserve_bytes) : 0;
	if (!rv)
		rv = map_bits(r, p->file);
	if (!rv)
		rv = place(r, p->base);
	if (!rv)
		rv = map_backing(r);
	if (!rv)
		return 0;
	unmap_all(r);
	if (r->fd >= 0 && file_fd < 0)
		close(r->fd);
	return rv;
}

/* Page sizes from the wanted one down, until one can be mapped. */
static int
reserve_anonymous(vm_range_t *r, const vm_range_params_t *p)
{
	page_choice_t choices[MAX_CHOICES];
	u32 n = list_choices(p, choices, r->fallback, sizeof(r->fallback));
	int rv = -ENOMEM;

	if (p->flags & VM_RANGE_EXACT_PAGE) {
		vm_hugepages_t pages;

		if (r->fallback[0])
			return vm_hugepages(VM_NODE_ANY, vm_log2_page_size(p->page_size), &pages)
				       ? -ENOTSUP
				       : -ENOMEM;
		n = 1;
	}
	for (u32 i = 0; i < n; i++) {
		rv = try_choice(r, p, choices[i], -1);
		if (!rv || rv == -EEXIST)
			break;
		if (!r->fallback[0])
			snprintf(r->fallback, sizeof(r->fallback),
				 "wanted %luK pages: mapping them failed (%s)",
				 (unsigned long)(r->page_bytes >> 10),
				 rv == -EINVAL ? "the base is not aligned"
					       : "see dmesg and ulimit");
	}
	return rv;
}

static int
reserve_file(vm_range_t *r, const vm_range_params_t *p)
{
	page_choice_t choice;
	int rv, fd = open(p->file, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0)
		return -errno;
	rv = choose_for_file(p, fd, &choice, r->fallback, sizeof(r->fallback));
	if (!rv)
		rv = try_choice(r, p, choice, fd);
	if (rv) {
		close(fd);
		unlink(p->file);
	}
	return rv;
}

int
vm_reserve(const vm_range_params_t *params, vm_range_t **range)
{
	int rv = check_params(params);
	vm_range_t *r;

	if (rv)
		return rv;
	r = vm_table_claim();
	if (!r)
		return -ENOMEM;
	strncpy(r->name, params->name ? params->name : "", sizeof(r->name) - 1);
	r->numa_node = params->numa_node;
	r->flags = params->flags;
	r->owner_pid = getpid();
	pthread_mutex_init(&r->lock, NULL);
	rv = params->file ? reserve_file(r, params) : reserve_anonymous(r, params);
	vm_table_lock();
	r->state = rv ? VM_RANGE_IS_FREE : VM_RANGE_IS_LIVE;
	vm_table_unlock();
	if (!rv)
		*range = r;
	return rv;
}

int
vm_release(vm_range_t *range)
{
	vm_range_t *r = vm_range_from_handle(range);
	int is_live;

	if (!r)
		return -EINVAL;
	vm_table_lock();
	is_live = r->state == VM_RANGE_IS_LIVE;
	r->state = is_live ? VM_RANGE_IS_CLAIMED : r->state;
	vm_table_unlock();
	/* Another thread released it meanwhile. */
	if (!is_live)
		return -EINVAL;
	vm_frames_forget(r, 0, r->reserve_bytes / r->page_bytes);
	vm_account(r, -(word)atomic_load_explicit(&r->n_committed_pages, memory_order_relaxed));
	if (r->file && r->owner_pid == getpid())
		unlink(r->file);
	unmap_all(r);
	if (r->fd >= 0)
		close(r->fd);
	vm_table_lock();
	r->state = VM_RANGE_IS_FREE;
	vm_table_unlock();
	return 0;
}

void *
vm_range_base(const vm_range_t *range)
{
	return (void *)range->base;
}

uword
vm_range_page_bytes(const vm_range_t *range)
{
	return range->page_bytes;
}

uword
vm_range_align_bytes(const vm_range_t *range)
{
	return range->align_bytes;
}
