/* SPDX-License-Identifier: Apache-2.0 */
/* memory_map: what the kernel says is mapped, and what each layer says it holds, side by side.
 *
 * The identity that `show memory` prints, for each huge page size and for their sum:
 *
 *   committed by root arenas = committed by vm
 *   committed by vm + mapped by EAL itself + mapped files
 *                          = hugetlb in /proc/self/smaps + unexplained
 *
 * and unexplained is 0.  Root arenas are the clib arenas, the heap that vmem keeps its own tags
 * in, physmem, and what clib_mem_vm_map() populated.  Mapped files are the huge pages of others'
 * descriptors (clib_mem_vm_map_shared()).  For 4K pages (THP ranges among them) the kernel's side
 * is what mincore(2) finds resident in vm's ranges: a process has code, stacks and a malloc heap
 * besides.
 *
 * Threads: main lcore.  Cost: one read of /proc/self/smaps, some 10 us a mapping. */
#ifndef included_cli_memory_map_h
#define included_cli_memory_map_h

#include <vppinfra/vm.h>

/** A line of /proc/self/smaps and what belongs to it. */
typedef struct {
	uword start, end;
	u8 is_accessible; /* readable: not a mere reservation */
	u32 kernel_page_kib;
	uword hugetlb_bytes;
} memory_mapping_t;

/** All mappings in address order: a vector, the caller's.
 *  @return 0; -errno of the file; -ENOMEM. */
int memory_map_read(memory_mapping_t **mappings);

/** Snapshots of all vm ranges in address order: a vector, the caller's. */
vm_range_info_t *memory_map_ranges(void);

/** A row of `show memory map`: a vm range, or a mapping of clib_mem_vm_map() that lies in none. */
typedef struct {
	uword start, n_bytes;
	int fd; /* -1: private */
	u8 log2_page_size, is_thp;
	char name[64];
} memory_map_row_t;

/** All of them in address order: a vector, the caller's. */
memory_map_row_t *memory_map_rows(void);

#define MEMORY_MAX_NODES 8

/** Where the pages of [start, start + n_bytes) lie. */
typedef struct {
	u64 n_pages, n_populated;
	u64 n_on_node[MEMORY_MAX_NODES];
	u64 n_unknown; /* the kernel does not tell */
} memory_pages_t;

/** Counts the pages of the accessible mappings in a range; what is only reserved is not
 *  populated. */
void memory_map_count_pages(const memory_mapping_t *mappings, uword start, uword n_bytes,
			    uword page_bytes, memory_pages_t *pages);

/** One page size's accounts, bytes. */
typedef struct {
	u8 log2_page_size;
	u8 is_huge;
	u64 arenas, vm, eal, files, kernel;
	i64 unexplained; /* kernel - vm - eal - files */
} memory_account_t;

typedef struct {
	memory_account_t *by_size; /* vector, ascending page size; 4K first */
	/* Sums over all sizes, and over huge ones alone. */
	u64 arenas_committed_bytes, vm_committed_bytes, eal_hugepage_bytes, file_hugepage_bytes;
	u64 vm_hugetlb_bytes, smaps_hugetlb_bytes;
	i64 unexplained_bytes;
	int smaps_error; /* negative errno when the kernel's side is missing */
} memory_totals_t;

void memory_totals(memory_totals_t *totals);
void memory_totals_free(memory_totals_t *totals);

/** Bytes of EAL's own huge pages by page size and node (node -1: all; size 0: all). */
u64 memory_eal_huge_bytes(u8 log2_page_size, int node);

#endif
