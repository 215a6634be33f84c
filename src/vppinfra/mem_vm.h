/* SPDX-License-Identifier: Apache-2.0 */
/* mem_vm: mappings for a program, by VPP's names of both generations.  Part of mem.h.
 *
 *   p = clib_mem_vm_map(0, MiB(64), CLIB_MEM_PAGE_SZ_2M, "table of %s", name);
 *   if (p == CLIB_MEM_VM_MAP_FAILED)
 *           print(clib_mem_get_last_error());
 *   clib_mem_vm_unmap(p);
 *
 * Today's calls keep a record of each mapping (a list in address order, `show memory map`) and
 * have guard pages around it where the address is not the caller's choice.  A mapping of huge
 * pages is populated and its pages are verified before it is handed out, see vm.h: what succeeds
 * never ends in SIGBUS.  Pages of the system's size come when they are touched, as in VPP, on the
 * node of clib_mem_set_numa_affinity().
 *
 * The old generation's calls (vm_alloc, vm_free, map and unmap with two arguments) are thin over
 * mmap() and keep no record; vm_ext_alloc() is described at its struct.
 *
 * Where VPP spells two calls of different arity alike, the number of arguments decides:
 * clib_mem_vm_map() and clib_mem_vm_unmap() are macros over functions of the same names, today's.
 *
 * Failures: a call says so by its value, 0, CLIB_MEM_VM_MAP_FAILED or CLIB_MEM_ERROR, and
 * clib_mem_get_last_error() tells why.  Nothing is changed then.
 *
 * Threads: any.  Names are made as format() makes text (`%U' and `%v' work) and cut to 63 bytes. */
#ifndef included_vppinfra_mem_vm_h
#define included_vppinfra_mem_vm_h

#include <vppinfra/clib.h>
#include <vppinfra/clib_error.h>
#include <vppinfra/vm.h>

/** What a map, and what an int, says that failed. */
#define CLIB_MEM_VM_MAP_FAILED ((void *)~0ULL)
#define CLIB_MEM_ERROR (-1)

/** Nodes that per_numa counts and affinity know; pages of others count as unknown. */
#define CLIB_MAX_NUMAS 16

/** Mappings on record at one time, and reservations. */
#define CLIB_MEM_MAX_MAPS 16384
#define CLIB_MEM_MAX_RESERVATIONS 256

/** Bytes of a mapping's name with its NUL. */
#define CLIB_VM_MAP_HDR_NAME_MAX_LEN 64

/** A mapping's record, in address order; read only. */
typedef struct _clib_mem_vm_map_hdr {
	uword base_addr;
	uword num_pages;
	clib_mem_page_sz_t log2_page_sz;
	/** The caller's descriptor for _map_shared(), else -1. */
	int fd;
	char name[CLIB_VM_MAP_HDR_NAME_MAX_LEN];
	struct _clib_mem_vm_map_hdr *prev, *next;
} clib_mem_vm_map_hdr_t;

/* ---- page sizes ---- */

/** Logarithm of the system's page, of the default huge page (0: the machine has none, as long as
 *  none was set), and of any wish: 0 when it cannot be had. */
CLIB_EXPORT clib_mem_page_sz_t clib_mem_get_log2_page_size(void);
CLIB_EXPORT clib_mem_page_sz_t clib_mem_get_log2_default_hugepage_size(void);
CLIB_EXPORT clib_mem_page_sz_t clib_mem_log2_page_size_validate(clib_mem_page_sz_t log2_page_size);
/** What CLIB_MEM_PAGE_SZ_DEFAULT_HUGE means from now on; a size this machine does not offer is
 *  refused by the calls that use it. */
CLIB_EXPORT void clib_mem_set_log2_default_hugepage_size(clib_mem_page_sz_t log2_page_size);

/** The same in bytes; 0 for what cannot be had. */
CLIB_EXPORT uword clib_mem_get_page_size(void);
CLIB_EXPORT uword clib_mem_get_default_hugepage_size(void);
CLIB_EXPORT uword clib_mem_page_bytes(clib_mem_page_sz_t log2_page_size);
/** Up to whole pages; 0 for a size that cannot be had, and when that is more than a word holds. */
CLIB_EXPORT uword clib_mem_round_to_page_size(uword size, clib_mem_page_sz_t log2_page_size);

/** Page size of what a descriptor maps: of a hugetlb file, else the system's.
 *  @return 0 (UNKNOWN) for what is no descriptor */
CLIB_EXPORT uword clib_mem_get_fd_page_size(int fd);
CLIB_EXPORT clib_mem_page_sz_t clib_mem_get_fd_log2_page_size(int fd);

/* ---- mappings, today's form ---- */

/**
 * Map zeroed private memory.
 *
 * @param start  a multiple of the page where it shall be: free address space, or inside what
 *               clib_mem_vm_reserve() gave; NULL anywhere
 * @param size   bytes, rounded up to the page
 * @param log2_page_size  a logarithm, DEFAULT or DEFAULT_HUGE; taken or refused, never replaced
 * @param fmt    the name, as format() makes it; NULL is ""
 * @return the address; CLIB_MEM_VM_MAP_FAILED: size 0, page size not offered, too few huge pages
 *         free, start taken or not aligned, no address space
 *
 * Owner: the caller, until clib_mem_vm_unmap().  Cost: a few system calls; huge pages are zeroed
 * here, 0.2 ms for 2 MiB.
 */
CLIB_EXPORT void *clib_mem_vm_map(void *start, uword size, clib_mem_page_sz_t log2_page_size,
				  const char *fmt, ...);

/** The same for a stack: what runs over its low end meets a guard page.  @return its low end */
CLIB_EXPORT void *clib_mem_vm_map_stack(uword size, clib_mem_page_sz_t log2_page_size,
					const char *fmt, ...);

/** Map a file or memfd from `offset`, a multiple of its page.  It must be as long as that now: a
 *  page past its end would be a SIGBUS.  Pages of a hugetlb file are allocated here.  fd stays the
 *  caller's and may be closed.  @return as clib_mem_vm_map() */
CLIB_EXPORT void *clib_mem_vm_map_shared(void *start, uword size, int fd, uword offset,
					 const char *fmt, ...);

/** What the three above call; fd -1 for private memory, name copied. */
CLIB_EXPORT void *clib_mem_vm_map_internal(void *start, clib_mem_page_sz_t log2_page_size,
					   uword size, int fd, uword offset, const char *name);

/** Give a mapping back.  @return 0; CLIB_MEM_ERROR: base is the start of no mapping of ours */
CLIB_EXPORT int clib_mem_vm_unmap(void *base);

/** Reserve address space, nothing accessible: `size` bytes at `start` (0: anywhere), aligned to
 *  the page, or to any power of two above it.  @return its address; ~0 when it cannot be had */
CLIB_EXPORT uword clib_mem_vm_reserve(uword start, uword size, clib_mem_page_sz_t log2_page_sz);
/** Give it back.  @return 0; CLIB_MEM_ERROR: no reservation starts there, or a mapping is in it */
CLIB_EXPORT int clib_mem_vm_unreserve(uword start);

/** A memfd of length 0 that cannot be shortened: ftruncate() it, map it, pass it on.
 *  @return the caller's descriptor; CLIB_MEM_ERROR */
CLIB_EXPORT int clib_mem_vm_create_fd(clib_mem_page_sz_t log2_page_size, const char *fmt, ...);

/** The record after hdr, the first for NULL; NULL at the end.  Nobody may unmap hdr meanwhile. */
CLIB_EXPORT clib_mem_vm_map_hdr_t *clib_mem_vm_get_next_map_hdr(clib_mem_vm_map_hdr_t *hdr);

/* ---- pages ---- */

/** Where pages lie; both spellings of VPP's releases. */
typedef struct {
	clib_mem_page_sz_t log2_page_sz;
	uword total;
	union {
		uword mapped, populated;
	};
	union {
		uword not_mapped, not_populated;
	};
	uword per_numa[CLIB_MAX_NUMAS];
	/** The kernel does not tell, or the node is beyond CLIB_MAX_NUMAS. */
	uword unknown;
} clib_mem_page_stats_t;

/** Look at n_pages pages from start. */
CLIB_EXPORT void clib_mem_get_page_stats(void *start, clib_mem_page_sz_t log2_page_size,
					 uword n_pages, clib_mem_page_stats_t *stats);

/** Physical addresses of n_pages pages from mem.
 *  @return a vector, the caller's; NULL when one of them is not to be had: pagemap is closed to
 *  this process (it shows addresses to root), the page is not there, or memory ended */
CLIB_EXPORT u64 *clib_mem_vm_get_paddr(void *mem, clib_mem_page_sz_t log2_page_size, int n_pages);

/** Move a wanted address up by a random number of MiB: at most 15 where pages are of 4K, 3 up to
 *  64K, 0 above, so that it stays a multiple of the page. */
CLIB_EXPORT void clib_mem_vm_randomize_va(uword *requested_va, clib_mem_page_sz_t log2_page_size);

/** The calling thread's memory comes from a node from now on: its first touches, and what it maps
 *  here.  With force from no other: such a mapping fails when the node has no room.
 *  @return 0; CLIB_MEM_ERROR no such node, or not permitted on a machine with several.  Where all
 *  memory is on one node that one is right without a system call. */
CLIB_EXPORT int clib_mem_set_numa_affinity(u8 numa_node, int force);
CLIB_EXPORT int clib_mem_set_default_numa_affinity(void);

/** Why the last call failed, in any thread; NULL before the first failure.  It stays ours, and is
 *  overwritten by the next. */
CLIB_EXPORT clib_error_t *clib_mem_get_last_error(void);

/** Bytes that the calls of this header hold in vm ranges of a page size (of all for 0): huge pages
 *  of clib_mem_vm_map(), and what clib_mem_vm_ext_alloc() populated. */
CLIB_EXPORT uword clib_mem_vm_committed_bytes(u8 log2_page_size);

/* ---- the old generation ---- */

/** Private memory of whole pages; 0 when there is none. */
CLIB_EXPORT void *clib_mem_vm_alloc(uword size);
/** Unmap [addr, addr + size), rounded up. */
CLIB_EXPORT void clib_mem_vm_free(void *addr, uword size);
/** clib_mem_vm_map(addr, size): pages in place of whatever is there, zeroed (addr 0: anywhere);
 *  clib_mem_vm_unmap(addr, size): the pages go, the address space stays reserved.
 *  @return addr; 0: not aligned, memory that vm.h or a mapping above holds, or refused */
CLIB_EXPORT void *_clib_mem_vm_map_old(void *addr, uword size);
CLIB_EXPORT void *_clib_mem_vm_unmap_old(void *addr, uword size);

#define _CLIB_MEM_3RD(a, b, c, ...) c
#define _CLIB_MEM_VM_MAP_2(start, ...) _clib_mem_vm_map_old((start), __VA_ARGS__)
#define _CLIB_MEM_VM_MAP_N(start, ...) (clib_mem_vm_map)((start), __VA_ARGS__)
/* Picks by the number of arguments after the first: one, or up to fourteen. */
#define _CLIB_MEM_15TH(a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14, a15, ...) a15
#define _CLIB_MEM_1_OR_N(one, n, ...)                                                              \
	_CLIB_MEM_15TH(__VA_ARGS__, n, n, n, n, n, n, n, n, n, n, n, n, n, one, unused)
#define clib_mem_vm_map(start, ...)                                                                \
	_CLIB_MEM_1_OR_N(_CLIB_MEM_VM_MAP_2, _CLIB_MEM_VM_MAP_N, __VA_ARGS__)(start, __VA_ARGS__)
#define clib_mem_vm_unmap(...)                                                                     \
	_CLIB_MEM_3RD(__VA_ARGS__, _clib_mem_vm_unmap_old, (clib_mem_vm_unmap), unused)            \
	(__VA_ARGS__)

/** clib_mem_vm_alloc_t.flags */
#define CLIB_MEM_VM_F_SHARED (1 << 0)           /* a memfd; fd is set */
#define CLIB_MEM_VM_F_HUGETLB (1 << 1)          /* default huge pages, populated */
#define CLIB_MEM_VM_F_NUMA_PREFER (1 << 2)      /* numa_node first, others when it is full */
#define CLIB_MEM_VM_F_NUMA_FORCE (1 << 3)       /* numa_node or fail; verified page by page */
#define CLIB_MEM_VM_F_HUGETLB_PREALLOC (1 << 4) /* let the system make the huge pages it lacks */
#define CLIB_MEM_VM_F_LOCKED (1 << 5)           /* populated, and never swapped */

typedef struct {
	/* Set by the caller. */
	u32 flags;          /* CLIB_MEM_VM_F_* */
	char *name;         /* NULL is "" */
	uword size;         /* bytes, rounded up to the page */
	int numa_node;      /* with NUMA_PREFER or NUMA_FORCE */
	uword requested_va; /* a multiple of the page where it shall be; 0: anywhere */

	/* Set on success. */
	void *addr;
	int fd; /* with SHARED; -1 otherwise */
	int log2_page_size;
	int n_pages;
} clib_mem_vm_alloc_t;

/** Memory by flags.  HUGETLB, NUMA_* and LOCKED mean populated and verified; without them pages
 *  come when touched.
 *  @return NULL, or an error (the caller's) with `a` as it was and nothing mapped */
CLIB_EXPORT clib_error_t *clib_mem_vm_ext_alloc(clib_mem_vm_alloc_t *a);
/** Unmap, close fd, zero the struct.  What was not allocated is left alone. */
CLIB_EXPORT void clib_mem_vm_ext_free(clib_mem_vm_alloc_t *a);

typedef struct {
	/* Set by the caller. */
	uword size; /* bytes, rounded up to the file's page */
	int fd;
	uword requested_va; /* 0: anywhere */

	void *addr;   /* set on success */
	u8 numa_node; /* set on success: of its first page; 0 when that is not known */
} clib_mem_vm_map_t;

/** Map a descriptor from its start, as clib_mem_vm_map_shared(); given back with
 *  clib_mem_vm_unmap(addr) or clib_mem_vm_free(addr, size).  @return NULL, or an error */
CLIB_EXPORT clib_error_t *clib_mem_vm_ext_map(clib_mem_vm_map_t *a);

/** A memfd of the system's pages, of default huge pages.  @return NULL, or an error */
CLIB_EXPORT clib_error_t *clib_mem_create_fd(char *name, int *fdp);
CLIB_EXPORT clib_error_t *clib_mem_create_hugetlb_fd(char *name, int *fdp);

#endif
