/* SPDX-License-Identifier: Apache-2.0 */
/* vm_address: what the kernel has at an address: mapping, page tables, page frame, node.
 *
 *   a virtual address of x86-64 with four levels of tables
 *
 *     47      39 38      30 29      21 20      12 11          0
 *    |   PGD    |   PUD    |   PMD    |   PTE    |   offset    |     4 KiB page
 *    |   PGD    |   PUD    |   PMD    |        offset          |     2 MiB page
 *    |   PGD    |   PUD    |             offset                |     1 GiB page
 *
 * Everything is read from /proc: smaps for the mapping and its page size, pagemap for the frame,
 * kpageflags and kpagecount for what the kernel keeps about that frame, move_pages for its node.
 * What is closed to the caller is unknown, never 0.  Control work: nothing here is for a packet
 * path.  Threads: any; a mapping that changes meanwhile is seen before or after. */
#ifndef included_vppinfra_vm_address_h
#define included_vppinfra_vm_address_h

#include <vppinfra/vm.h>

typedef enum {
	VM_ADDRESS_UNMAPPED = 0, /* in no mapping */
	VM_ADDRESS_RESERVED,     /* mapped without any right: address space only */
	VM_ADDRESS_ABSENT,       /* a mapping that no page was put into here yet */
	VM_ADDRESS_SWAPPED,      /* its page is on a swap device */
	VM_ADDRESS_RESIDENT,     /* a page frame is there */
} vm_address_state_t;

/** A value that the kernel did not tell. */
#define VM_ADDRESS_UNKNOWN (~(u64)0)

typedef struct {
	/** Asked for; everything below is the answer. */
	uword va;

	vm_address_state_t state;
	/** Page of the mapping, base-2 logarithm; 0 when unmapped. */
	u8 log2_page_size;
	/** The frame is part of a transparent huge page (false where kpageflags is closed). */
	u8 is_thp;
	/** Indices into the four tables, as far as the page size uses them. */
	u16 pgd, pud, pmd, pte;
	/** Bytes from the start of the page. */
	uword page_offset;

	/** The mapping that holds it. */
	uword map_start, map_end;
	char rights[5]; /* "rw-s" */
	char path[64];  /* file, "/memfd:name (deleted)", "[stack]"; "" anonymous; cut to fit */

	/** Number of the system page frame, and the physical address of the very byte;
	 *  VM_ADDRESS_UNKNOWN when not resident or not told. */
	u64 pfn, pa;
	/** KPF_ bits of the frame, and how often it is mapped. */
	u64 page_flags, map_count;
	/** NUMA node of the page; -1 not resident or not told. */
	int node;
} vm_address_t;

/**
 * Fill in n answers; va of each is set by the caller.
 * @return 0; -ENOENT: /proc/self/smaps cannot be read, the answers are then all UNMAPPED.
 * Cost: one pass over smaps (a millisecond or so), then some microseconds each.
 */
CLIB_EXPORT int vm_inspect(vm_address_t *addresses, u32 n);

/** "reserved", "resident" ...  Static text. */
CLIB_EXPORT const char *vm_address_state_name(vm_address_state_t state);

/**
 * Name of bit i of vm_address_t.page_flags as the kernel's documentation has it, in small
 * letters ("huge", "thp", "anon"); NULL for a bit without a name.
 */
CLIB_EXPORT const char *vm_page_flag_name(u32 i);

#endif
