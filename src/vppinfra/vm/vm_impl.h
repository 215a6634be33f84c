/* SPDX-License-Identifier: Apache-2.0 */
/* vm_impl: what the files of vm/ share.  vmem bootstraps on vm while malloc is forbidden, so all
 * records are static or mapped here, and /proc and /sys are read with open() and read(). */
#ifndef included_vppinfra_vm_impl_h
#define included_vppinfra_vm_impl_h

#include <pthread.h>
#include <stdatomic.h>
#include <vppinfra/vm.h>

#ifndef MADV_POPULATE_WRITE
#	define MADV_POPULATE_WRITE 23 /* Linux 5.14 */
#endif
#ifndef MADV_COLLAPSE
#	define MADV_COLLAPSE 25 /* Linux 6.1 */
#endif
#ifndef MAP_FIXED_NOREPLACE
#	define MAP_FIXED_NOREPLACE 0x100000 /* Linux 4.17 */
#endif

/* 1024: a node has two or three arenas, a program some tens of heaps; untouched records cost no
 * memory. */
#define VM_MAX_RANGES 1024

/* 1024: what the kernel itself can be configured for (MAX_NUMNODES). */
#define VM_MAX_NODES 1024

typedef enum {
	VM_RANGE_IS_FREE = 0,
	/* Owns its record and, inside the window, its addresses; not to be found yet or any more.
	 */
	VM_RANGE_IS_CLAIMED,
	VM_RANGE_IS_LIVE,
} vm_range_state_t;

struct vm_range {
	/* Set by vm_reserve(), constant until vm_release(). */
	char name[64];
	uword base, reserve_bytes, page_bytes;
	/* What the base is aligned to: above the page for transparent huge pages. */
	uword align_bytes;
	/* On both sides (in the window behind): reserved, never accessible, see place(). */
	uword guard_bytes;
	u8 log2_page_size, is_hugetlb, is_thp, is_in_window;
	int numa_node, fd;
	u32 flags;
	/* Who unlinks the file: a forked child that releases its copy must not. */
	int owner_pid;
	const char *file;
	char fallback[160];
	/* One mapping: a bit per page, then the path of the file. */
	u64 *committed_bits;
	uword bits_map_bytes;

	/* Under the table's lock. */
	vm_range_state_t state;

	/* Under lock: committed_bits' contents and the mapping's protection. */
	_Alignas(CLIB_CACHE_LINE_BYTES) pthread_mutex_t lock;

	/* Written under lock; read by anybody, relaxed: figures for people. */
	_Atomic u64 n_committed_pages, n_commits, n_decommits, n_commit_failures, n_misplaced_pages;
	_Atomic u8 placement_is_unknown;
};

always_inline u8 *
vm_range_page(const vm_range_t *r, uword page)
{
	return (u8 *)(r->base + page * r->page_bytes);
}

/** The live range a handle names, or NULL for a stranger. */
vm_range_t *vm_range_from_handle(const vm_range_t *range);

/** The system's page. */
uword vm_system_page_bytes(void);

/* sysfile.c: small files of /proc and /sys. */

/** Whole of a small file into text, NUL terminated.  @return its length, or -errno. */
word vm_read_file(const char *path, char *text, uword n_text);
/** A file that holds one decimal number.  @return 0 or -errno. */
int vm_read_number(const char *path, u64 *number);
/** Value of the line that has `key`, in bytes when it is followed by "kB".  @return 0, -ENOENT. */
int vm_find_value(const char *text, const char *key, u64 *value);
/** Calls fn with each line of /proc/self/smaps, without its newline, cut at 255 bytes.
 *  @return 0, -ENOENT when the file cannot be read. */
int vm_foreach_smaps_line(void (*fn)(void *arg, const char *line), void *arg);
/** Sum of a field of /proc/self/smaps over the mappings that overlap [start, end).
 *  @return 0, -ENOENT when the file cannot be read. */
int vm_smaps_bytes(uword start, uword end, const char *key, u64 *bytes);
/** Whether n is in a list as the kernel writes it ("0-1,3"); n -1 asks for the greatest in it,
 *  which is -1 for an empty list. */
int vm_list_has(const char *list, int n);

/* hugepages.c */

/** Huge pages that a commit could get now: free, not promised, or surplus that may be made. */
int vm_hugepages_available(int node, u8 log2_page_size, u64 *n_pages);
/** Size of a transparent huge page, 0 when the kernel has none. */
uword vm_thp_bytes(void);
/** Whether a range of this backing would really get transparent huge pages; tried once. */
int vm_thp_works(int is_shared);
/** Ask for huge pages in the whole blocks of [start, end) that are fully committed. */
void vm_thp_collapse(const vm_range_t *r, uword first_page, uword end_page);

/* numa.c */

/** Bind fresh pages to the range's node.  @return 0 or -errno; -EPERM: not permitted here. */
int vm_bind(const vm_range_t *r, void *start, uword n_bytes);
/** Pages of a fresh run that lie on another node.  @return 0; -EPERM: the kernel does not tell. */
int vm_count_misplaced(const vm_range_t *r, void *start, uword n_bytes, u64 *n_misplaced);

/* commit.c */

/** Bytes of all ranges by page size, kept up by commit, decommit and release. */
void vm_account(const vm_range_t *r, word n_pages);

/* paddr.c */

/** Pages [page, end) have come, or are about to go: what vm_virt_to_phys() knows.  The range's lock
 *  is held, or nobody has the range. */
void vm_frames_note(const vm_range_t *r, uword page, uword end);
void vm_frames_forget(const vm_range_t *r, uword page, uword end);

/* window.c */

/** Addresses in the window for a claimed range (sets base); the table's lock is held. */
int vm_window_carve(vm_range_t *r, uword wanted_base);
/** Base and size of the window, made when first asked for; the table's lock is held. */
uword vm_window_make(uword *n_bytes);
/** An aligned piece of reserved address space, and n_before bytes of it below.
 *  @return the aligned address, NULL when there is none. */
void *vm_reserve_aligned(uword n_before, uword n_bytes, uword align);

/* table.c */

void vm_table_lock(void);
void vm_table_unlock(void);
/** A record, state CLAIMED; NULL when all are taken. */
vm_range_t *vm_table_claim(void);
/** Let the record be found, or keep its addresses from being carved again; lock is held. */
void vm_table_insert(vm_range_t *r);
/** Take the record out of the address order, if it is in; lock is held. */
void vm_table_unlist(vm_range_t *r);
/** The i-th record in address order, NULL past the end; lock is held. */
vm_range_t *vm_table_at(u32 i);

#endif
