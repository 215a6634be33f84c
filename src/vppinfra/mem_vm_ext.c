/* SPDX-License-Identifier: Apache-2.0 */
/* The old generation's memory by flags.  What is to be populated is a vm range of its own; the
 * rest is mapped plainly.  Errors are the caller's, so this file stands above error. */
#include "mem_vm_impl.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>
#include <vppinfra/error.h>

#define KNOWN_FLAGS                                                                                \
	(CLIB_MEM_VM_F_SHARED | CLIB_MEM_VM_F_HUGETLB | CLIB_MEM_VM_F_NUMA_PREFER |                \
	 CLIB_MEM_VM_F_NUMA_FORCE | CLIB_MEM_VM_F_HUGETLB_PREALLOC | CLIB_MEM_VM_F_LOCKED)
#define NUMA_FLAGS (CLIB_MEM_VM_F_NUMA_PREFER | CLIB_MEM_VM_F_NUMA_FORCE)
#define POPULATED_FLAGS (CLIB_MEM_VM_F_HUGETLB | CLIB_MEM_VM_F_LOCKED | NUMA_FLAGS)

/* Have the kernel make the huge pages that are missing: raise nr_hugepages by so many. */
static void
preallocate(int node, u8 log2, uword n_pages)
{
	char path[128], text[32];
	vm_hugepages_t h;
	int fd, n;

	if (vm_hugepages(node, log2, &h) || h.n_free >= h.n_reserved + n_pages)
		return;
	if (node == VM_NODE_ANY)
		snprintf(path, sizeof(path),
			 "/sys/kernel/mm/hugepages/hugepages-%lukB/nr_hugepages",
			 1UL << (log2 - 10));
	else
		snprintf(path, sizeof(path),
			 "/sys/devices/system/node/node%d/hugepages/hugepages-%lukB/nr_hugepages",
			 node, 1UL << (log2 - 10));
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	/* What the kernel made of it the mapping finds out. */
	n = snprintf(text, sizeof(text), "%lu",
		     (unsigned long)(h.n_total - h.n_surplus + n_pages + h.n_reserved - h.n_free));
	(void)!write(fd, text, (size_t)n);
	close(fd);
}

/* A vm range, with a descriptor of the caller's own where it is shared. */
static int
alloc_populated(clib_mem_vm_alloc_t *a, mem_vm_error_t *e)
{
	int is_huge = !!(a->flags & CLIB_MEM_VM_F_HUGETLB), fd = -1, rv;
	vm_range_params_t p = {
		.name = a->name,
		.reserve_bytes = a->size,
		.numa_node = a->flags & NUMA_FLAGS ? a->numa_node : VM_NODE_ANY,
		.page_size = is_huge ? clib_mem_main.log2_default_hugepage_sz
				     : clib_mem_main.log2_page_sz,
		.base = a->requested_va,
	};
	vm_range_t *range;
	vm_range_info_t info;

	if (is_huge && !p.page_size)
		return clib_mem_vm_explain(e, -ENOTSUP, "this kernel offers no huge pages");
	if (a->flags & CLIB_MEM_VM_F_SHARED)
		p.flags |= VM_RANGE_SHARED;
	if (a->flags & CLIB_MEM_VM_F_NUMA_FORCE)
		p.flags |= VM_RANGE_STRICT_NODE;
	if (is_huge && (a->flags & CLIB_MEM_VM_F_HUGETLB_PREALLOC))
		preallocate(p.numa_node, (u8)p.page_size,
			    round_pow2(a->size, 1ULL << p.page_size) >> p.page_size);
	rv = clib_mem_vm_map_populated(&p, &range, e);
	if (rv)
		return rv;
	vm_range_get_info(range, &info);
	if ((a->flags & CLIB_MEM_VM_F_LOCKED) && mlock((void *)info.base, info.reserve_bytes))
		rv = clib_mem_vm_explain(e, -errno, "mlock of %lu bytes: %s; see ulimit -l",
					 (unsigned long)info.reserve_bytes, strerror(errno));
	else if (info.fd >= 0 && (fd = fcntl(info.fd, F_DUPFD_CLOEXEC, 0)) < 0)
		rv = clib_mem_vm_explain(e, -errno, "no descriptor: %s", strerror(errno));
	if (rv) {
		clib_mem_vm_release_populated(range);
		return rv;
	}
	a->addr = (void *)info.base;
	a->fd = fd;
	a->log2_page_size = info.log2_page_size;
	a->n_pages = (int)(info.reserve_bytes >> info.log2_page_size);
	return 0;
}

/* Map lazily: at requested_va if nobody is there, else anywhere. */
static int
map_at(uword wanted, uword n_bytes, int fd, void **addr, mem_vm_error_t *e)
{
	int flags = fd >= 0 ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS;
	void *p = mmap((void *)wanted, n_bytes, PROT_READ | PROT_WRITE, flags, fd, 0);

	if (p == MAP_FAILED)
		return clib_mem_vm_explain(e, -errno, "%lu bytes: %s", (unsigned long)n_bytes,
					   strerror(errno));
	/* The address was a hint: nothing was replaced. */
	if (wanted && (uword)p != wanted) {
		munmap(p, n_bytes);
		return clib_mem_vm_explain(e, -EEXIST, "0x%lx is taken or no multiple of the page",
					   (unsigned long)wanted);
	}
	*addr = p;
	return 0;
}

static int
alloc_lazily(clib_mem_vm_alloc_t *a, mem_vm_error_t *e)
{
	uword page_bytes = clib_mem_get_page_size(), n_bytes = round_pow2(a->size, page_bytes);
	int fd = -1, rv;

	if (a->flags & CLIB_MEM_VM_F_SHARED) {
		fd = memfd_create(a->name ? a->name : "", MFD_CLOEXEC);
		if (fd < 0 || ftruncate(fd, (off_t)n_bytes)) {
			rv = clib_mem_vm_explain(e, -errno, "memfd of %lu bytes: %s",
						 (unsigned long)n_bytes, strerror(errno));
			if (fd >= 0)
				close(fd);
			return rv;
		}
	}
	rv = map_at(a->requested_va, n_bytes, fd, &a->addr, e);
	if (rv) {
		if (fd >= 0)
			close(fd);
		return rv;
	}
	a->fd = fd;
	a->log2_page_size = (int)min_log2(page_bytes);
	a->n_pages = (int)(n_bytes / page_bytes);
	return 0;
}

clib_error_t *
clib_mem_vm_ext_alloc(clib_mem_vm_alloc_t *a)
{
	mem_vm_error_t e;
	int rv;

	if (a->flags & ~(u32)KNOWN_FLAGS)
		rv = clib_mem_vm_explain(&e, -EINVAL, "unknown flags 0x%x",
					 a->flags & ~KNOWN_FLAGS);
	else if (!a->size || a->size >> 47)
		rv = clib_mem_vm_explain(&e, -EINVAL, "%lu bytes wanted", (unsigned long)a->size);
	else
		rv = a->flags & POPULATED_FLAGS ? alloc_populated(a, &e) : alloc_lazily(a, &e);
	return rv ? clib_error_return_code(0, -rv, 0, "%s", e.text) : 0;
}

void
clib_mem_vm_ext_free(clib_mem_vm_alloc_t *a)
{
	vm_range_t *range = a->addr ? vm_range_of(a->addr) : NULL;

	if (!a->addr)
		return;
	if (range)
		clib_mem_vm_release_populated(range);
	else
		munmap(a->addr, (uword)a->n_pages << a->log2_page_size);
	if (a->fd >= 0)
		close(a->fd);
	memset(a, 0, sizeof(*a));
}

clib_error_t *
clib_mem_vm_ext_map(clib_mem_vm_map_t *a)
{
	uword page_bytes = clib_mem_get_fd_page_size(a->fd), n_bytes;
	clib_mem_page_stats_t stats;
	mem_vm_error_t e;
	int rv;

	n_bytes = page_bytes ? round_pow2(a->size, page_bytes) : 0;
	rv = clib_mem_vm_check_fd(a->fd, 0, n_bytes, &e);
	if (!rv)
		rv = map_at(a->requested_va, n_bytes, a->fd, &a->addr, &e);
	if (!rv && page_bytes > clib_mem_get_page_size() &&
	    clib_mem_vm_allocate_file(a->fd, 0, a->addr, n_bytes)) {
		munmap(a->addr, n_bytes);
		a->addr = NULL;
		rv = clib_mem_vm_explain(&e, -ENOMEM, "too few huge pages are free for %lu bytes",
					 (unsigned long)n_bytes);
	}
	if (rv)
		return clib_error_return_code(0, -rv, 0, "%s", e.text);
	a->numa_node = 0;
	clib_mem_get_page_stats(a->addr, (clib_mem_page_sz_t)min_log2(page_bytes), 1, &stats);
	for (u32 i = 0; i < CLIB_MAX_NUMAS; i++)
		if (stats.per_numa[i])
			a->numa_node = (u8)i;
	return 0;
}

static clib_error_t *
create_fd(clib_mem_page_sz_t log2_page_size, const char *name, int *fdp)
{
	int fd = clib_mem_vm_create_fd(log2_page_size, "%s", name ? name : "");

	if (fd < 0)
		return clib_error_return(0, "%U", format_clib_error, clib_mem_get_last_error());
	*fdp = fd;
	return 0;
}

clib_error_t *
clib_mem_create_fd(char *name, int *fdp)
{
	return create_fd(CLIB_MEM_PAGE_SZ_DEFAULT, name, fdp);
}

clib_error_t *
clib_mem_create_hugetlb_fd(char *name, int *fdp)
{
	return create_fd(CLIB_MEM_PAGE_SZ_DEFAULT_HUGE, name, fdp);
}
