/* SPDX-License-Identifier: Apache-2.0 */
/* vm: pages from the system.  Reserve address space once, commit inside it, verify, give back.
 *
 * A range is one reservation (PROT_NONE) of one page size on one NUMA node.  Committing maps,
 * binds (mbind), populates (MADV_POPULATE_WRITE) and verifies the node (move_pages) before the
 * memory is handed up: on hugetlbfs a successful mmap proves nothing, and an unpopulated page is
 * a SIGBUS later.  All or nothing: a commit that fails half way gives back what it took.
 *
 *   states of a page:   reserved --vm_commit--> committed (populated, so resident)
 *                          ^---------vm_decommit-----'
 *
 * Backing is shared (a memfd, hugetlb where the page is huge, or a named hugetlbfs file), which
 * another process can attach, or private (anonymous; MADV_DONTFORK when hugetlb), which a forked
 * child cannot write into the parent's heap.  A range has one page size for life; when the wanted
 * one is not to be had the range falls back 1G -> 2M -> THP -> 4K and says so in
 * vm_range_info_t.fallback, unless VM_RANGE_EXACT_PAGE is set.
 *
 * Guard pages keep each range apart from what lies beside it, except where the base was wanted.
 *
 * Threads: any; a lock per range, none held while a callback runs.  All calls are set-up or
 * control work, never for a packet path. */
#ifndef included_vppinfra_vm_h
#define included_vppinfra_vm_h

#include <vppinfra/clib.h>

/** Page size as VPP writes it: the base-2 logarithm, or a wish to be resolved. */
typedef enum {
	CLIB_MEM_PAGE_SZ_UNKNOWN = 0,
	CLIB_MEM_PAGE_SZ_DEFAULT = 1,      /* the system's page */
	CLIB_MEM_PAGE_SZ_DEFAULT_HUGE = 2, /* /proc/meminfo's Hugepagesize */
	CLIB_MEM_PAGE_SZ_4K = 12,
	CLIB_MEM_PAGE_SZ_16K = 14,
	CLIB_MEM_PAGE_SZ_64K = 16,
	CLIB_MEM_PAGE_SZ_1M = 20,
	CLIB_MEM_PAGE_SZ_2M = 21,
	CLIB_MEM_PAGE_SZ_16M = 24,
	CLIB_MEM_PAGE_SZ_32M = 25,
	CLIB_MEM_PAGE_SZ_512M = 29,
	CLIB_MEM_PAGE_SZ_1G = 30,
	CLIB_MEM_PAGE_SZ_16G = 34,
} clib_mem_page_sz_t;

/** No wish for a node: the kernel's policy decides, and nothing is verified. */
#define VM_NODE_ANY (-1)

/** vm_range_params_t.flags */
#define VM_RANGE_SHARED (1 << 0)      /* memfd or file backed; else private anonymous */
#define VM_RANGE_THP (1 << 1)         /* 4K mapping that the kernel is asked to make huge */
#define VM_RANGE_EXACT_PAGE (1 << 2)  /* no fallback to another page size: -ENOMEM instead */
#define VM_RANGE_STRICT_NODE (1 << 3) /* a page on another node fails the commit; else counted */
#define VM_RANGE_WINDOW                                                                            \
	(1 << 4) /* inside the process-wide 256 GiB buffer window, so that                         \
		    any 64-byte unit in it has a 32-bit index */
#define VM_RANGE_IN_RESERVATION                                                                    \
	(1 << 5) /* base lies in address space that the caller holds, PROT_NONE and                \
		    private: it is mapped over, and is PROT_NONE again after vm_release() */

typedef struct {
	/** Shown in `show memory map`; copied, at most 63 bytes.  NULL is "". */
	const char *name;
	/** Address space in bytes, at least 1, rounded up to the page. */
	uword reserve_bytes;
	/** How much the caller is about to commit; decides whether a huge page size is to be had.
	 *  0 asks for one page. */
	uword expect_bytes;
	/** Node that pages are bound to and verified on, or VM_NODE_ANY. */
	int numa_node;
	/** UNKNOWN is the system's page. */
	clib_mem_page_sz_t page_size;
	/** VM_RANGE_* */
	u32 flags;
	/** Wanted base address, a multiple of the page, 0 for any.  Taken or the call fails with
	 *  -EEXIST. */
	uword base;
	/** Path of a hugetlbfs or tmpfs file to create as named backing, or NULL.  Needs SHARED.
	 * Its file system decides the page size.  Unlinked by vm_release() in the creating process.
	 */
	const char *file;
} vm_range_params_t;

typedef struct vm_range vm_range_t;

/** A snapshot, see vm_range_get_info(). */
typedef struct {
	char name[64];
	uword base, reserve_bytes;
	uword committed_bytes;
	u8 log2_page_size;     /* 12 for THP ranges too */
	u8 is_hugetlb, is_thp; /* is_thp: the kernel was seen to give such pages */
	int numa_node;         /* VM_NODE_ANY or the node asked for */
	int fd;                /* -1 for private backing; the range's, not to be closed */
	u32 flags;             /* as asked for */
	u64 n_commits, n_decommits, n_commit_failures;
	u64 n_misplaced_pages;   /* verified to lie on another node, all commits so far */
	u8 placement_is_unknown; /* move_pages or mbind is not permitted here */
	char fallback[160];      /* why the wanted page size was not used, and the command that
				    helps; "" when it was used */
} vm_range_info_t;

/**
 * Reserve address space; nothing is resident yet.
 *
 * The page size is the wanted one if this machine offers it and enough pages for expect_bytes are
 * free (on the node), else the next smaller huge page, transparent huge pages, the system's page.
 *
 * @param[out] range  untouched on error
 * @return 0; -EINVAL no bytes, bad page size or flags, a base that is not aligned or not in the
 *         window, a file on another file system; -ENODEV no such NUMA node, or it has no memory;
 *         -ENOTSUP page size not offered by this machine (with EXACT_PAGE); -ENOMEM no address
 *         space, all 1024 records taken, or no huge page free (with EXACT_PAGE, or a file on
 *         hugetlbfs); -EEXIST base or file taken; what open() says of the file.
 *
 * Owner: the caller, until vm_release().  Cost: some files of /sys read, a few mappings.
 */
CLIB_EXPORT int vm_reserve(const vm_range_params_t *params, vm_range_t **range);

/** Give everything back: pages, address space, file.  Nobody may be using the range.
 *  @return 0, or -EINVAL for what is no range (any more). */
CLIB_EXPORT int vm_release(vm_range_t *range);

/**
 * Make [offset, offset + n_bytes) usable: resident, on its node, zero where fresh.  Rounded out
 * to pages; pages already committed are left as they are.
 *
 * @return 0, also for no bytes; -ENOMEM with nothing changed (counted in n_commit_failures): no
 *         page free, or the process has as many mappings as it may (vm.max_map_count); -EINVAL
 *         outside the range; -EXDEV STRICT_NODE and the pages lie elsewhere, nothing changed.
 *
 * The system's free memory is looked at before much of it is asked for; a limit that only a
 * cgroup has may still bring its out-of-memory killer, except for huge pages.
 * Threads: any, one at a time in a range.  In a forked child only ranges of its own: shared ones
 * are the parent's memory.  Cost: first touch, 2.5 us a 4K page, 0.2 ms a 2M page.
 */
CLIB_EXPORT int vm_commit(vm_range_t *range, uword offset, uword n_bytes);

/** vm_commit() that says how much of it was fresh, for an owner that keeps its own sum.
 *  @param[out] fresh_bytes  0 on error; may be NULL. */
CLIB_EXPORT int vm_commit_counted(vm_range_t *range, uword offset, uword n_bytes,
				  uword *fresh_bytes);

/** Give whole pages inside [offset, offset + n_bytes) back to the system, rounded in; a later
 *  touch faults.  A run that the system does not take (vm.max_map_count) stays committed.
 *  @param[out] released_bytes  what was truly given back; may be NULL.  @return 0 or -EINVAL. */
CLIB_EXPORT int vm_decommit(vm_range_t *range, uword offset, uword n_bytes, uword *released_bytes);

/* Constant while the range lives: no lock. */

/** A multiple of vm_range_align_bytes(), except where a base was wanted. */
CLIB_EXPORT void *vm_range_base(const vm_range_t *range);
/** What commit and decommit work in. */
CLIB_EXPORT uword vm_range_page_bytes(const vm_range_t *range);
/** The page, or the size of a transparent huge page.  Committing whole aligned blocks of this
 *  size gets huge pages where there are any. */
CLIB_EXPORT uword vm_range_align_bytes(const vm_range_t *range);

/** Figures of a range, each true but not of one moment; all zero for what is no range.  Waits
 *  for no commit. */
CLIB_EXPORT void vm_range_get_info(const vm_range_t *range, vm_range_info_t *info);

/** The range that holds an address, committed or not; NULL for none.  Cost: logarithmic. */
CLIB_EXPORT vm_range_t *vm_range_of(const void *p);

/** vm_range_of() for a signal handler: takes no lock, so the answer may be a moment old.
 *  @param[out] info  figures of the range
 *  @param[out] is_committed  whether the page of p is
 *  @return 0, or -ENOENT for an address in no range. */
CLIB_EXPORT int vm_peek(const void *p, vm_range_info_t *info, int *is_committed);

/** Calls fn for a snapshot of each range in address order until it returns nonzero.  fn may make
 *  and release ranges. */
CLIB_EXPORT void vm_foreach_range(int (*fn)(const vm_range_info_t *info, void *arg), void *arg);

/** Bytes committed through vm in the whole process; by page size when log2_page_size is not 0
 *  (THP ranges count as 12). */
CLIB_EXPORT uword vm_committed_bytes(u8 log2_page_size);

/** Pages of [start, start + n_bytes) by NUMA node, from move_pages; any memory of the process.
 *  @param page_bytes  a power of two: what is counted, start is rounded down and the end up to it
 *  @param[out] by_node  n_nodes counts  @param[out] n_absent  not resident
 *  @return 0; -EINVAL; -EPERM when the kernel does not tell. */
CLIB_EXPORT int vm_pages_by_node(const void *start, uword n_bytes, uword page_bytes, u64 *by_node,
				 u32 n_nodes, u64 *n_absent);

/** Physical address of a byte, for as long as its page stays where it is: huge pages of hugetlb
 *  do, others may be moved by the kernel.
 *  @param[out] pa  untouched on error
 *  @return 0; -EPERM pagemap is closed to us ("unknown"); -ENOENT no page there.
 *  Cost: a system call, 1 us. */
CLIB_EXPORT int vm_va_to_pa(const void *va, u64 *pa);

/**
 * Physical address of a byte, without a system call where it lies in a committed huge page (2 MiB
 * or more) of any range: those are looked up once, at commit, and forgotten at decommit.  Elsewhere
 * as vm_va_to_pa().
 * @return ~0: unknown, or no page is there
 * Threads: any.  Cost: two loads; a system call for small pages.
 */
CLIB_EXPORT u64 vm_virt_to_phys(const void *va);

/** Base and size of the buffer window (reserved at first use, for the life of the process); NULL
 *  if it cannot be had. */
#define VM_WINDOW_BYTES (1ULL << 38)
CLIB_EXPORT void *vm_window_base(void);
/** Size of the window: VM_WINDOW_BYTES, or a smaller power of two down to 4 GiB where the address
 *  space is limited (ulimit -v); 0 if it cannot be had.  No range starts at its first byte, so
 *  the unit with number 0 is nobody's. */
CLIB_EXPORT uword vm_window_bytes(void);

/** Allocate the pages of a file (memfd, tmpfs, hugetlbfs) on a node without mapping them, so that
 * no later mapping of them ends in SIGBUS.  Pages that are there stay where they are.
 *  @param node  wished for, not enforced; VM_NODE_ANY
 *  @return 0; -ENOMEM, what came is given back with what was there.  Cost: as vm_commit(). */
CLIB_EXPORT int vm_file_populate(int fd, u64 offset, u64 n_bytes, int node);
/** Give them back to the file system. */
CLIB_EXPORT void vm_file_punch(int fd, u64 offset, u64 n_bytes);

/* What the machine offers. */

/** Greatest number of an online node + 1, at least 1. */
CLIB_EXPORT u32 vm_n_numa_nodes(void);
/** Whether a node is online and has memory. */
CLIB_EXPORT int vm_numa_node_has_memory(int node);
/** Memory of a node, or of the machine for VM_NODE_ANY, and how much of it could be had now
 *  without swapping (free, and file pages that the kernel drops).
 *  @return 0; -ENODEV no such node or it has no memory; -ENOENT /proc tells nothing. */
CLIB_EXPORT int vm_node_memory(int node, u64 *total_bytes, u64 *available_bytes);
/** NUMA node of the calling thread's CPU. */
CLIB_EXPORT int vm_current_numa_node(void);
/** Logarithm of /proc/meminfo's Hugepagesize; 0 when the kernel has no huge pages. */
CLIB_EXPORT u8 vm_default_hugepage_log2(void);
/** A wish as a logarithm; 0 for UNKNOWN, and for DEFAULT_HUGE where there are none. */
CLIB_EXPORT u8 vm_log2_page_size(clib_mem_page_sz_t page_size);

/** Huge pages of one size on one node (node VM_NODE_ANY: the sum).  The kernel counts promised
 *  pages for the machine only: n_reserved is 0 for one node of several. */
typedef struct {
	u64 n_total, n_free, n_reserved, n_surplus;
} vm_hugepages_t;
/** @return 0; -ENOTSUP size not offered; -ENODEV no such node. */
CLIB_EXPORT int vm_hugepages(int node, u8 log2_page_size, vm_hugepages_t *pages);

/** Huge page sizes on offer, as logarithms, ascending.  @return how many (at most n). */
CLIB_EXPORT u32 vm_hugepage_sizes(u8 *log2_sizes, u32 n);

/** Whether a commit met a kernel without MADV_POPULATE_WRITE (before 5.14).  It then allocates
 *  by fallocate() in shared ranges and by mlock() in private hugetlb ones, which needs
 *  RLIMIT_MEMLOCK; neither can end in SIGBUS. */
CLIB_EXPORT int vm_populate_is_emulated(void);

/** Make the n-th commit from now fail with -ENOMEM (1 the next; 0 none): unwinding is tested. */
CLIB_EXPORT void vm_fail_commit_after(u64 n);

#endif
