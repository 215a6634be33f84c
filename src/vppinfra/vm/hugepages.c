/* SPDX-License-Identifier: Apache-2.0 */
/* What the machine offers in huge pages: sysfs for hugetlb, a trial for transparent ones. */
#include "vm_impl.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

/* Every size that some Linux architecture has lies between 64K and 16G. */
#define LOG2_MIN_HUGEPAGE 16
#define LOG2_MAX_HUGEPAGE 34

#define N_PATH 96

u8
vm_log2_page_size(clib_mem_page_sz_t page_size)
{
	if (page_size == CLIB_MEM_PAGE_SZ_UNKNOWN)
		return 0;
	if (page_size == CLIB_MEM_PAGE_SZ_DEFAULT)
		return (u8)min_log2(vm_system_page_bytes());
	if (page_size == CLIB_MEM_PAGE_SZ_DEFAULT_HUGE)
		return vm_default_hugepage_log2();
	return (u8)page_size;
}

u8
vm_default_hugepage_log2(void)
{
	char text[3072];
	u64 bytes;

	if (vm_read_file("/proc/meminfo", text, sizeof(text)) <= 0 ||
	    vm_find_value(text, "Hugepagesize", &bytes) || !bytes)
		return 0;
	return (u8)min_log2(bytes);
}

/* Counters of one node, or of the whole machine when the node is VM_NODE_ANY. */
static int
read_counter(int node, u8 log2_page_size, const char *name, u64 *n)
{
	unsigned long kib = 1UL << (log2_page_size - 10);
	char path[N_PATH];

	if (node == VM_NODE_ANY)
		snprintf(path, sizeof(path), "/sys/kernel/mm/hugepages/hugepages-%lukB/%s", kib,
			 name);
	else
		snprintf(path, sizeof(path),
			 "/sys/devices/system/node/node%d/hugepages/hugepages-%lukB/%s", node, kib,
			 name);
	return vm_read_number(path, n);
}

static int
is_offered(u8 log2_page_size)
{
	u64 n;

	return log2_page_size >= LOG2_MIN_HUGEPAGE && log2_page_size <= LOG2_MAX_HUGEPAGE &&
	       !read_counter(VM_NODE_ANY, log2_page_size, "nr_hugepages", &n);
}

int
vm_hugepages(int node, u8 log2_page_size, vm_hugepages_t *pages)
{
	memset(pages, 0, sizeof(*pages));
	if (node != VM_NODE_ANY && (node < 0 || (u32)node >= vm_n_numa_nodes()))
		return -ENODEV;
	if (!is_offered(log2_page_size))
		return -ENOTSUP;
	/* Promises are counted for the machine, not by node: they belong to a node only where it
	 * is the only one. */
	if (node == VM_NODE_ANY || vm_n_numa_nodes() == 1)
		read_counter(VM_NODE_ANY, log2_page_size, "resv_hugepages", &pages->n_reserved);
	/* A kernel without NUMA has no folder of nodes. */
	if (read_counter(node, log2_page_size, "nr_hugepages", &pages->n_total))
		node = VM_NODE_ANY;
	if (read_counter(node, log2_page_size, "nr_hugepages", &pages->n_total) ||
	    read_counter(node, log2_page_size, "free_hugepages", &pages->n_free) ||
	    read_counter(node, log2_page_size, "surplus_hugepages", &pages->n_surplus))
		return -ENOTSUP;
	return 0;
}

int
vm_hugepages_available(int node, u8 log2_page_size, u64 *n_pages)
{
	vm_hugepages_t all, here;
	u64 n_overcommit = 0;
	int rv = vm_hugepages(VM_NODE_ANY, log2_page_size, &all);

	if (!rv)
		rv = vm_hugepages(node, log2_page_size, &here);
	if (rv)
		return rv;
	/* Promised pages may be any node's, so each node is taken to owe them. */
	*n_pages = here.n_free - clib_min(all.n_reserved, here.n_free);
	if (!read_counter(VM_NODE_ANY, log2_page_size, "nr_overcommit_hugepages", &n_overcommit))
		*n_pages += n_overcommit - clib_min(all.n_surplus, n_overcommit);
	return 0;
}

u32
vm_hugepage_sizes(u8 *log2_sizes, u32 n)
{
	u32 n_sizes = 0;

	for (u8 i = LOG2_MIN_HUGEPAGE; i <= LOG2_MAX_HUGEPAGE && n_sizes < n; i++)
		if (is_offered(i))
			log2_sizes[n_sizes++] = i;
	return n_sizes;
}

uword
vm_thp_bytes(void)
{
	u64 bytes;

	if (vm_read_number("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size", &bytes))
		return 0;
	return is_pow2(bytes) ? bytes : 0;
}

void
vm_thp_collapse(const vm_range_t *r, uword first_page, uword end_page)
{
	uword n_block = r->align_bytes / r->page_bytes;
	uword block = round_down_pow2(first_page, n_block);

	for (; block < end_page && block * r->page_bytes < r->reserve_bytes; block += n_block) {
		uword n_words = n_block / 64;
		const u64 *bits = r->committed_bits + block / 64;

		/* The kernel refuses a block that has a hole in its protection; saves the call. */
		while (n_words && bits[n_words - 1] == ~0ULL)
			n_words--;
		if (!n_words)
			/* A block that stays small works as well, only slower. */
			(void)madvise(vm_range_page(r, block), r->align_bytes, MADV_COLLAPSE);
	}
}

/* Populate one block as a commit would, and look in smaps whether it came out huge. */
static int
try_thp(int is_shared, uword bytes)
{
	const char *key = is_shared ? "ShmemPmdMapped" : "AnonHugePages";
	u64 huge_bytes = 0;
	int fd = -1;
	u8 *p = vm_reserve_aligned(0, bytes, bytes);

	if (!p)
		return 0;
	if (is_shared) {
		fd = memfd_create("vm-trial", MFD_CLOEXEC);
		if (fd < 0 || ftruncate(fd, (off_t)bytes) ||
		    mmap(p, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED | MAP_NORESERVE,
			 fd, 0) == MAP_FAILED)
			goto done;
	} else {
		if (mprotect(p, bytes, PROT_READ | PROT_WRITE) || madvise(p, bytes, MADV_HUGEPAGE))
			goto done;
	}
	for (uword i = 0; i < bytes; i += vm_system_page_bytes())
		((volatile u8 *)p)[i] = 1;
	(void)madvise(p, bytes, MADV_COLLAPSE);
	if (vm_smaps_bytes(pointer_to_uword(p), pointer_to_uword(p) + bytes, key, &huge_bytes))
		huge_bytes = 0;
done:
	munmap(p, bytes);
	if (fd >= 0)
		close(fd);
	return huge_bytes == bytes;
}

int
vm_thp_works(int is_shared)
{
	/* 0 not tried, 1 works, 2 does not.  Two threads may both try: they find the same. */
	static _Atomic u8 verdict[2];
	u8 known = atomic_load_explicit(&verdict[is_shared], memory_order_relaxed);
	uword bytes;

	if (!known) {
		bytes = vm_thp_bytes();
		/* A block's pages fill whole words of the bitmap. */
		known = bytes >= 64 * vm_system_page_bytes() && try_thp(is_shared, bytes) ? 1 : 2;
		atomic_store_explicit(&verdict[is_shared], known, memory_order_relaxed);
	}
	return known == 1;
}
