/* SPDX-License-Identifier: Apache-2.0 */
/* Page sizes, descriptors, NUMA policy, the old generation's thin calls, and the last error.  That
 * one lies in static vectors: it is told when memory has ended, too, and is no leak.  Though what
 * they do is declared in mem.h, the files mem_vm*.c stand above vec and error. */
#include "mem_vm_impl.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/mempolicy.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>
#include <vppinfra/time.h>
#include <vppinfra/vec.h>

#ifndef MADV_POPULATE_WRITE
#	define MADV_POPULATE_WRITE 23 /* Linux 5.14 */
#endif

/* What the kernel numbers; see vm_bind() in vm/numa.c. */
#define N_MASK_NODES 1024

/* ---- the last error ---- */

static struct {
	pthread_mutex_t lock;
	struct {
		vec_header_t header;
		clib_error_t error;
	} vector;
	struct {
		vec_header_t header;
		u8 text[sizeof(((mem_vm_error_t *)0)->text)];
	} what;
} last_error = { .lock = PTHREAD_MUTEX_INITIALIZER };

int
clib_mem_vm_explain(mem_vm_error_t *e, int code, const char *fmt, ...)
{
	va_list va;

	e->code = code;
	va_start(va, fmt);
	vsnprintf(e->text, sizeof(e->text), fmt, va);
	va_end(va);
	return code;
}

void
clib_mem_vm_set_last_error(const char *where, const mem_vm_error_t *e)
{
	uword n = strlen(e->text);

	pthread_mutex_lock(&last_error.lock);
	/* Whole headers each time: who takes the error for his own has freed them. */
	last_error.what.header = (vec_header_t){ .magic = VEC_HEADER_MAGIC,
						 .max_bytes = sizeof(last_error.what.text),
						 .len = n };
	memcpy(last_error.what.text, e->text, n);
	last_error.vector.header = (vec_header_t){ .magic = VEC_HEADER_MAGIC,
						   .max_bytes = sizeof(clib_error_t),
						   .len = 1 };
	last_error.vector.error = (clib_error_t){ .what = last_error.what.text,
						  .where = (const u8 *)where,
						  .code = (any)-e->code };
	clib_mem_main.error = &last_error.vector.error;
	pthread_mutex_unlock(&last_error.lock);
}

clib_error_t *
clib_mem_get_last_error(void)
{
	return clib_mem_main.error;
}

/* ---- page sizes ---- */

const char *
clib_mem_vm_page_size_name(u32 log2_page_size, char name[16])
{
	static const char units[] = "BKMGT";

	snprintf(name, 16, "%lu%c", 1UL << (log2_page_size % 10),
		 units[clib_min(log2_page_size / 10, 4u)]);
	return name;
}

/* When the library is loaded; the kernel's default huge page may not be there. */
__clib_constructor static void
learn_page_sizes(void)
{
	u32 n_nodes = clib_min(vm_n_numa_nodes(), 32u);

	clib_mem_main.log2_page_sz =
		(clib_mem_page_sz_t)vm_log2_page_size(CLIB_MEM_PAGE_SZ_DEFAULT);
	clib_mem_main.log2_sys_default_hugepage_sz = (clib_mem_page_sz_t)vm_default_hugepage_log2();
	clib_mem_main.log2_default_hugepage_sz = clib_mem_main.log2_sys_default_hugepage_sz;
	for (u32 node = 0; node < n_nodes; node++)
		if (vm_numa_node_has_memory((int)node))
			clib_mem_main.numa_node_bitmap |= 1u << node;
}

clib_mem_page_sz_t
clib_mem_get_log2_page_size(void)
{
	return clib_mem_main.log2_page_sz;
}

clib_mem_page_sz_t
clib_mem_get_log2_default_hugepage_size(void)
{
	return clib_mem_main.log2_default_hugepage_sz;
}

void
clib_mem_set_log2_default_hugepage_size(clib_mem_page_sz_t log2_page_size)
{
	clib_mem_main.log2_default_hugepage_sz = log2_page_size;
}

clib_mem_page_sz_t
clib_mem_log2_page_size_validate(clib_mem_page_sz_t log2_page_size)
{
	vm_hugepages_t unused;

	if (log2_page_size == CLIB_MEM_PAGE_SZ_DEFAULT)
		return clib_mem_main.log2_page_sz;
	if (log2_page_size == CLIB_MEM_PAGE_SZ_DEFAULT_HUGE)
		log2_page_size = clib_mem_main.log2_default_hugepage_sz;
	if (log2_page_size == clib_mem_main.log2_page_sz)
		return log2_page_size;
	return (u32)log2_page_size < 64 && !vm_hugepages(VM_NODE_ANY, (u8)log2_page_size, &unused)
		       ? log2_page_size
		       : CLIB_MEM_PAGE_SZ_UNKNOWN;
}

uword
clib_mem_page_bytes(clib_mem_page_sz_t log2_page_size)
{
	clib_mem_page_sz_t log2 = clib_mem_log2_page_size_validate(log2_page_size);

	return log2 ? 1ULL << log2 : 0;
}

uword
clib_mem_get_page_size(void)
{
	return clib_mem_page_bytes(CLIB_MEM_PAGE_SZ_DEFAULT);
}

uword
clib_mem_get_default_hugepage_size(void)
{
	return clib_mem_page_bytes(CLIB_MEM_PAGE_SZ_DEFAULT_HUGE);
}

uword
clib_mem_round_to_page_size(uword size, clib_mem_page_sz_t log2_page_size)
{
	uword page_bytes = clib_mem_page_bytes(log2_page_size);

	return page_bytes ? round_pow2(size, page_bytes) : 0;
}

/* ---- descriptors ---- */

uword
clib_mem_get_fd_page_size(int fd)
{
	struct statfs fs;

	if (fstatfs(fd, &fs))
		return 0;
	return fs.f_type == HUGETLBFS_MAGIC ? (uword)fs.f_bsize
					    : 1ULL << clib_mem_main.log2_page_sz;
}

clib_mem_page_sz_t
clib_mem_get_fd_log2_page_size(int fd)
{
	uword n = clib_mem_get_fd_page_size(fd);

	return n ? (clib_mem_page_sz_t)min_log2(n) : CLIB_MEM_PAGE_SZ_UNKNOWN;
}

int
clib_mem_vm_check_fd(int fd, uword offset, uword size, mem_vm_error_t *e)
{
	uword page_bytes = clib_mem_get_fd_page_size(fd), n_file;
	struct stat st;

	if (!page_bytes || fstat(fd, &st))
		return clib_mem_vm_explain(e, -EBADF, "descriptor %d: %s", fd, strerror(errno));
	if (offset % page_bytes)
		return clib_mem_vm_explain(e, -EINVAL, "offset %lu is no multiple of the page, %lu",
					   (unsigned long)offset, (unsigned long)page_bytes);
	n_file = round_pow2((uword)st.st_size, page_bytes);
	if (offset > n_file || size > n_file - offset)
		return clib_mem_vm_explain(e, -EINVAL,
					   "%lu bytes at offset %lu wanted, the file has %lu: "
					   "ftruncate() it first",
					   (unsigned long)size, (unsigned long)offset,
					   (unsigned long)st.st_size);
	return 0;
}

int
clib_mem_vm_allocate_file(int fd, uword offset, void *p, uword n_bytes)
{
	int rv;

	/* Without the pages a touch would be a SIGBUS; fallocate() says so instead. */
	do
		rv = fallocate(fd, FALLOC_FL_KEEP_SIZE, (off_t)offset, (off_t)n_bytes);
	while (rv && errno == EINTR);
	if (rv)
		return -ENOMEM;
	/* Only to spare the first touches their faults: a kernel that cannot does no harm. */
	(void)madvise(p, n_bytes, MADV_POPULATE_WRITE);
	return 0;
}

/* Sealed against shortening where the kernel can: nobody makes a mapped page vanish. */
static int
create_fd(clib_mem_page_sz_t log2_page_size, const char *name, mem_vm_error_t *e)
{
	clib_mem_page_sz_t log2 = clib_mem_log2_page_size_validate(log2_page_size);
	unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
	char size[16];
	int fd;

	if (!log2)
		return clib_mem_vm_explain(
			e, -ENOTSUP, "page size %s is not offered by this machine",
			log2_page_size < 64 ? clib_mem_vm_page_size_name(log2_page_size, size)
					    : "?");
	if (log2 != clib_mem_main.log2_page_sz)
		flags |= MFD_HUGETLB | (unsigned)log2 << MAP_HUGE_SHIFT;
	fd = memfd_create(name, flags);
	if (fd < 0)
		return clib_mem_vm_explain(e, -errno, "memfd_create: %s", strerror(errno));
	(void)fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK);
	return fd;
}

int
clib_mem_vm_create_fd(clib_mem_page_sz_t log2_page_size, const char *fmt, ...)
{
	char name[CLIB_VM_MAP_HDR_NAME_MAX_LEN];
	mem_vm_error_t e;
	va_list va;
	int fd;

	va_start(va, fmt);
	clib_mem_make_name(name, sizeof(name), fmt, &va);
	va_end(va);
	fd = create_fd(log2_page_size, name, &e);
	if (fd >= 0)
		return fd;
	clib_mem_vm_set_last_error(__func__, &e);
	return CLIB_MEM_ERROR;
}

/* ---- NUMA ---- */

static __thread mem_vm_affinity_t affinity = { .node = VM_NODE_ANY };

mem_vm_affinity_t
clib_mem_vm_get_affinity(void)
{
	return affinity;
}

/* Whether a node's memory is all there is. */
static int
is_only_node(int node)
{
	return vm_numa_node_has_memory(node) &&
	       clib_mem_main.numa_node_bitmap == 1u << clib_min(node, 31);
}

static void
make_policy(mem_vm_affinity_t a, u64 mask[N_MASK_NODES / 64], int *mode)
{
	memset(mask, 0, N_MASK_NODES / 8);
	mask[a.node / 64] = 1ULL << (a.node % 64);
	*mode = a.is_forced ? MPOL_BIND : MPOL_PREFERRED;
}

int
clib_mem_vm_bind(void *start, uword n_bytes, mem_vm_affinity_t a)
{
	u64 mask[N_MASK_NODES / 64];
	int mode;

	if (a.node == VM_NODE_ANY)
		return 0;
	make_policy(a, mask, &mode);
	/* The kernel reads one bit less than it is told. */
	if (!syscall(SYS_mbind, start, n_bytes, mode, mask, N_MASK_NODES + 1, 0) || !a.is_forced ||
	    is_only_node(a.node))
		return 0;
	return -EPERM;
}

int
clib_mem_set_numa_affinity(u8 numa_node, int force)
{
	mem_vm_affinity_t a = { .node = numa_node, .is_forced = !!force };
	u64 mask[N_MASK_NODES / 64];
	mem_vm_error_t e;
	int mode;

	make_policy(a, mask, &mode);
	if (!vm_numa_node_has_memory(numa_node))
		clib_mem_vm_explain(&e, -ENODEV, "numa node %u does not exist or has no memory",
				    numa_node);
	else if (syscall(SYS_set_mempolicy, mode, mask, N_MASK_NODES + 1) &&
		 !is_only_node(numa_node))
		clib_mem_vm_explain(&e, -errno, "set_mempolicy: %s", strerror(errno));
	else {
		affinity = a;
		return 0;
	}
	clib_mem_vm_set_last_error(__func__, &e);
	return CLIB_MEM_ERROR;
}

int
clib_mem_set_default_numa_affinity(void)
{
	mem_vm_error_t e;

	/* Where policies are not permitted none was set. */
	if (syscall(SYS_set_mempolicy, MPOL_DEFAULT, NULL, 0) && errno != EPERM &&
	    errno != ENOSYS) {
		clib_mem_vm_explain(&e, -errno, "set_mempolicy: %s", strerror(errno));
		clib_mem_vm_set_last_error(__func__, &e);
		return CLIB_MEM_ERROR;
	}
	affinity = (mem_vm_affinity_t){ .node = VM_NODE_ANY };
	return 0;
}

/* ---- pages ---- */

void
clib_mem_get_page_stats(void *start, clib_mem_page_sz_t log2_page_size, uword n_pages,
			clib_mem_page_stats_t *stats)
{
	clib_mem_page_sz_t log2 = clib_mem_log2_page_size_validate(log2_page_size);
	u64 by_node[CLIB_MAX_NUMAS], n_absent;

	memset(stats, 0, sizeof(*stats));
	stats->log2_page_sz = log2;
	stats->total = n_pages;
	stats->unknown = n_pages;
	if (!log2 || vm_pages_by_node(start, n_pages << log2, 1ULL << log2, by_node, CLIB_MAX_NUMAS,
				      &n_absent))
		return;
	for (u32 i = 0; i < CLIB_MAX_NUMAS; i++) {
		stats->per_numa[i] = by_node[i];
		stats->mapped += by_node[i];
	}
	stats->not_mapped = n_absent;
	stats->unknown = n_pages - stats->mapped - n_absent;
}

u64 *
clib_mem_vm_get_paddr(void *mem, clib_mem_page_sz_t log2_page_size, int n_pages)
{
	uword page_bytes = clib_mem_page_bytes(log2_page_size);
	u64 *v = 0, pa;

	for (int i = 0; page_bytes && i < n_pages; i++) {
		if (vm_va_to_pa((u8 *)mem + (uword)i * page_bytes, &pa) || vec_add1(v, pa)) {
			vec_free(v);
			return 0;
		}
	}
	return v;
}

void
clib_mem_vm_randomize_va(uword *requested_va, clib_mem_page_sz_t log2_page_size)
{
	uword mask = log2_page_size <= CLIB_MEM_PAGE_SZ_4K    ? 15
		     : log2_page_size <= CLIB_MEM_PAGE_SZ_64K ? 3
							      : 0;

	/* Low bits of a clock: enough to tell two starts of a program apart. */
	*requested_va += MiB(clib_cpu_time_now() >> 4 & mask);
}

/* ---- the old generation ---- */

void *
clib_mem_vm_alloc(uword size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

void
clib_mem_vm_free(void *addr, uword size)
{
	uword start = (uword)addr, page_bytes = 1ULL << clib_mem_main.log2_page_sz;
	mem_vm_error_t e;

	if (!addr || !size)
		return;
	/* What has a record goes with it, whole. */
	if (clib_mem_vm_is_recorded(start, 1)) {
		(clib_mem_vm_unmap)(addr);
		return;
	}
	if (start % page_bytes || vm_range_of(addr) || munmap(addr, size)) {
		clib_mem_vm_explain(&e, -EINVAL, "%p was not got from clib_mem_vm_alloc()", addr);
		clib_mem_vm_set_last_error(__func__, &e);
	}
}

typedef struct {
	uword start, end;
	int is_met;
} overlap_t;

static int
note_overlap(const vm_range_info_t *info, void *arg)
{
	overlap_t *o = arg;

	o->is_met = info->base < o->end && info->base + info->reserve_bytes > o->start;
	return o->is_met;
}

/* Whether [start, start + size) is made of whole pages that nobody of ours keeps accounts of. */
static int
is_remappable(uword start, uword size)
{
	overlap_t o = { .start = start, .end = start + size };

	if (start % (1ULL << clib_mem_main.log2_page_sz) || o.end <= start)
		return 0;
	vm_foreach_range(note_overlap, &o);
	return !o.is_met && !clib_mem_vm_is_recorded(start, size);
}

static void *
remap(void *addr, uword size, int protection, const char *where)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | (addr ? MAP_FIXED : 0) |
		    (protection == PROT_NONE ? MAP_NORESERVE : 0);
	void *p = MAP_FAILED;
	mem_vm_error_t e;

	errno = EINVAL;
	if (is_remappable((uword)addr, size))
		p = mmap(addr, size, protection, flags, -1, 0);
	if (p != MAP_FAILED)
		return p;
	clib_mem_vm_explain(&e, -errno, "%lu bytes at %p: %s", (unsigned long)size, addr,
			    strerror(errno));
	clib_mem_vm_set_last_error(where, &e);
	return NULL;
}

void *
_clib_mem_vm_map_old(void *addr, uword size)
{
	return remap(addr, size, PROT_READ | PROT_WRITE, "clib_mem_vm_map");
}

void *
_clib_mem_vm_unmap_old(void *addr, uword size)
{
	return addr ? remap(addr, size, PROT_NONE, "clib_mem_vm_unmap") : NULL;
}
