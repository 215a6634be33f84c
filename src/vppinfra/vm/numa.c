/* SPDX-License-Identifier: Apache-2.0 */
/* NUMA by raw system calls: no library state, and a kernel or container without them is an
 * ordinary case.  A call that is missing (ENOSYS) or refused (EPERM) means "unknown". */
#include "vm_impl.h"

#include <linux/mempolicy.h>
#include <sched.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

/* 256: addresses and answers of one move_pages() call take 3 KiB of stack. */
#define N_PAGES_PER_CALL 256

u32
vm_n_numa_nodes(void)
{
	char text[256];
	int greatest = 0;

	if (vm_read_file("/sys/devices/system/node/online", text, sizeof(text)) > 0)
		greatest = vm_list_has(text, -1);
	return greatest < 0 ? 1 : (u32)greatest + 1;
}

int
vm_numa_node_has_memory(int node)
{
	char text[256];

	if (node < 0)
		return 0;
	if (vm_read_file("/sys/devices/system/node/has_memory", text, sizeof(text)) > 0)
		return vm_list_has(text, node);
	/* Nobody tells: all memory is on the one node there is. */
	return node == 0;
}

int
vm_current_numa_node(void)
{
	unsigned cpu, node;

	return getcpu(&cpu, &node) ? 0 : (int)node;
}

/* Whether all memory is on one node, so that the machine's figures are that node's. */
static int
is_only_node(void)
{
	u32 n_nodes = vm_n_numa_nodes(), n = 0;

	for (u32 i = 0; i < n_nodes && n < 2; i++)
		n += vm_numa_node_has_memory((int)i);
	return n < 2;
}

int
vm_node_memory(int node, u64 *total_bytes, u64 *available_bytes)
{
	char path[64], text[3072];
	u64 active, inactive, reclaimable;

	if (node >= 0 && !vm_numa_node_has_memory(node))
		return -ENODEV;
	/* The machine's figures are the better ones: a node's leave out memory that was plugged in
	 * while running, on some hypervisors. */
	if (node >= 0 && is_only_node())
		node = VM_NODE_ANY;
	snprintf(path, sizeof(path), "/sys/devices/system/node/node%d/meminfo", node);
	if (node < 0 || vm_read_file(path, text, sizeof(text)) <= 0) {
		if (vm_read_file("/proc/meminfo", text, sizeof(text)) <= 0)
			return -ENOENT;
		if (vm_find_value(text, "MemTotal", total_bytes) ||
		    vm_find_value(text, "MemAvailable", available_bytes))
			return -ENOENT;
		return 0;
	}
	if (vm_find_value(text, "MemTotal", total_bytes) ||
	    vm_find_value(text, "MemFree", available_bytes))
		return -ENOENT;
	/* A node has no MemAvailable of its own: free, and what the kernel drops when asked. */
	if (!vm_find_value(text, "Active(file)", &active) &&
	    !vm_find_value(text, "Inactive(file)", &inactive) &&
	    !vm_find_value(text, "SReclaimable", &reclaimable))
		*available_bytes += active + inactive + reclaimable;
	return 0;
}

static int
is_not_permitted(int error)
{
	return error == EPERM || error == ENOSYS || error == EACCES;
}

int
vm_bind(const vm_range_t *r, void *start, uword n_bytes)
{
	u64 mask[VM_MAX_NODES / 64] = { 0 };
	/* A preferred node may overflow to others, which is counted; a strict one may not. */
	int mode = r->flags & VM_RANGE_STRICT_NODE ? MPOL_BIND : MPOL_PREFERRED;

	if (r->numa_node == VM_NODE_ANY)
		return 0;
	mask[r->numa_node / 64] = 1ULL << (r->numa_node % 64);
	/* The kernel reads one bit less than it is told. */
	if (!syscall(SYS_mbind, start, n_bytes, mode, mask, VM_MAX_NODES + 1, 0))
		return 0;
	return is_not_permitted(errno) ? -EPERM : -errno;
}

/* Node of each page, or a negative errno in its place. */
static int
ask_nodes(u8 *start, u32 n_pages, uword page_bytes, int *status)
{
	void *pages[N_PAGES_PER_CALL];

	for (u32 i = 0; i < n_pages; i++) {
		pages[i] = start + i * page_bytes;
		status[i] = -ENOENT;
	}
	if (syscall(SYS_move_pages, 0, (uword)n_pages, pages, NULL, status, 0) < 0)
		return -EPERM;
	return 0;
}

int
vm_count_misplaced(const vm_range_t *r, void *start, uword n_bytes, u64 *n_misplaced)
{
	int status[N_PAGES_PER_CALL];
	uword n_pages = n_bytes / r->page_bytes, n;
	u8 *p = start;

	*n_misplaced = 0;
	if (r->numa_node == VM_NODE_ANY)
		return 0;
	for (; n_pages; n_pages -= n, p += n * r->page_bytes) {
		n = clib_min(n_pages, (uword)N_PAGES_PER_CALL);
		if (ask_nodes(p, (u32)n, r->page_bytes, status))
			return -EPERM;
		for (uword i = 0; i < n; i++)
			*n_misplaced += status[i] >= 0 && status[i] != r->numa_node;
	}
	return 0;
}

int
vm_pages_by_node(const void *start, uword n_bytes, uword page_bytes, u64 *by_node, u32 n_nodes,
		 u64 *n_absent)
{
	int status[N_PAGES_PER_CALL];
	u8 *p;
	uword n_pages, n;

	if (!page_bytes || !is_pow2(page_bytes))
		return -EINVAL;
	p = (u8 *)round_down_pow2(pointer_to_uword(start), page_bytes);
	n_pages = round_pow2(pointer_to_uword(start) + n_bytes - pointer_to_uword(p), page_bytes) /
		  page_bytes;
	memset(by_node, 0, n_nodes * sizeof(by_node[0]));
	*n_absent = 0;
	for (; n_pages; n_pages -= n, p += n * page_bytes) {
		n = clib_min(n_pages, (uword)N_PAGES_PER_CALL);
		if (ask_nodes(p, (u32)n, page_bytes, status))
			return -EPERM;
		for (uword i = 0; i < n; i++) {
			if (status[i] >= 0 && (u32)status[i] < n_nodes)
				by_node[status[i]]++;
			else
				*n_absent += status[i] < 0;
		}
	}
	return 0;
}
