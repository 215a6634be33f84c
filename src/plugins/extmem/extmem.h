/* SPDX-License-Identifier: Apache-2.0 */
/* extmem: our memory as DPDK's, and DPDK's as an arena.
 *
 *   vmheap_extmem_create   a piece of memory, of a node's arena or of its own, registered whole
 *     vmheap_extmem_vmem          an arena over it, for whatever the caller wants there
 *     vmheap_extmem_pktmbuf_pool  mbufs and their data in it   (rte_mempool_populate_*)
 *     vmheap_extmem_extbuf_pool   mbufs in DPDK's memory, their data in it
 *     heap_name                   or all of it as an rte_malloc heap of that name
 *     vmheap_extmem_iova          VA to IOVA by a table, one load
 *   vmheap_extmem_attach   the same piece in a DPDK secondary, at the same address
 *   vmheap_memzone_arena_create   the other way: a vmem arena that imports memzones
 *
 * DPDK has room for 128 memory lists in a process and takes one for each registration, so register
 * few great pieces and carve them up here.  What DPDK lets pass is refused: a piece that overlaps
 * memory DPDK knows already, whoever registered it, and giving back memory that a mempool, a
 * memzone or an allocation of ours lies in.
 *
 * Threads: set-up work, one at a time; vmheap_extmem_iova() and the arenas from any.  EAL is up. */
#ifndef included_extmem_extmem_h
#define included_extmem_extmem_h

#include <plugins/framework/dpdk.h>
#include <vppinfra/arena.h>
#include <vppinfra/clib.h>
#include <vppinfra/vmem.h>
#include <rte_eal.h>
#include <rte_mempool.h>

/** Bytes of a name without the NUL. */
#define VMHEAP_EXTMEM_NAME_BYTES 20

typedef struct vmheap_extmem vmheap_extmem_t;

typedef struct {
	const char *name; /* 1 to 20 bytes, nobody else's in this and its secondaries */
	uword n_bytes;    /* rounded up to the page */
	/** Take it from this arena, which outlives it; then the four below are not looked at. */
	clib_arena_t *arena;
	/** Else memory of its own: */
	clib_mem_page_sz_t page_size; /* exactly that; with a file, the file system decides */
	int numa_node;                /* or VM_NODE_ANY */
	const char *file; /* hugetlbfs file to make, so that secondaries can attach; NULL none */
	uword base;       /* wanted address, 0 any: for secondaries one that is free there */
	/** An rte_malloc heap of this name gets all of it; NULL: it is registered, no more. */
	const char *heap_name;
} vmheap_extmem_params_t;

/**
 * Make resident, find out IOVAs, register; publish it for secondaries if it has a file.
 *
 * IOVAs are addresses when EAL's mode is VA, else physical ones, of each page, from pagemap.
 *
 * @param[out] x  untouched on error
 * @return 0; -EINVAL name, size, or a file in an arena; -EEXIST the name, the heap's name, the file
 *         or base is taken, or DPDK knows memory there already; -ENOMEM no room or not enough
 *         pages; -EPERM IOVAs are physical and not to be had; -ENOSPC DPDK has no list or no heap
 *         left; else what vm_reserve() says.  Nothing is kept on error.
 *
 * Owner: the caller, until vmheap_extmem_destroy().  Cost: first touch, 0.2 ms a 2M page.
 */
CLIB_EXPORT int vmheap_extmem_create(const vmheap_extmem_params_t *params, vmheap_extmem_t **x);

/**
 * Unregister and give back; in a secondary: detach.
 * @return 0; -EBUSY something still lives in it, `what` (may be NULL) says what, nothing changed;
 *         -EINVAL no such piece.
 */
CLIB_EXPORT int vmheap_extmem_destroy(vmheap_extmem_t *x, char *what, uword n_what);

/**
 * In a secondary: map what the primary published, at its address, and tell this process's DPDK.
 * @return 0; -ENOENT nothing of that name; -EEXIST something else is at that address here;
 *         -EALREADY attached; -ENOMEM; else minus errno of opening and mapping the file.
 */
CLIB_EXPORT int vmheap_extmem_attach(const char *name, vmheap_extmem_t **x);

/** An arena over it, quantum a cache line; NULL when it is an rte_malloc heap's, or attached: the
 *  primary hands out. */
CLIB_EXPORT vmem_t *vmheap_extmem_vmem(vmheap_extmem_t *x);
/** rte_malloc's socket id of its heap; SOCKET_ID_ANY without one. */
CLIB_EXPORT int vmheap_extmem_socket(const vmheap_extmem_t *x);

/**
 * A pool of mbufs that lie in it with their data, as rte_pktmbuf_pool_create_by_ops() makes.
 *
 * @param ops  mempool ops; NULL: the process's best
 * @return the pool, to be freed by rte_mempool_free(); its memory comes back with that.  NULL with
 *         rte_errno: ENOMEM no room for n, EINVAL, EEXIST, ...
 */
CLIB_EXPORT struct rte_mempool *vmheap_extmem_pktmbuf_pool(vmheap_extmem_t *x, const char *name,
							   u32 n, u32 cache_size, u16 priv_size,
							   u16 data_room_size, const char *ops);

/** A pool whose mbufs lie in DPDK's memory and have pinned buffers in it
 *  (rte_pktmbuf_pool_create_extbuf).  Owner and errors as above, but: the buffers come back at the
 *  vmheap_extmem_reclaim() after rte_mempool_free(), or when x is destroyed. */
CLIB_EXPORT struct rte_mempool *vmheap_extmem_extbuf_pool(vmheap_extmem_t *x, const char *name,
							  u32 n, u32 cache_size, u16 priv_size,
							  u16 data_room_size);

/** Take back the buffers of extbuf pools that are no more.  @return bytes. */
CLIB_EXPORT uword vmheap_extmem_reclaim(vmheap_extmem_t *x);

/** What vmheap_extmem_iova() reads.  Constant while x lives. */
typedef struct {
	uword base, n_bytes;
	u8 log2_page;
	rte_iova_t *iovas; /* by page */
} vmheap_extmem_map_t;
CLIB_EXPORT const vmheap_extmem_map_t *vmheap_extmem_map(const vmheap_extmem_t *x);

/** IOVA of a byte, RTE_BAD_IOVA outside.  Cost: one load.  Threads: any. */
always_inline rte_iova_t
vmheap_extmem_iova(const vmheap_extmem_map_t *m, const void *va)
{
	uword at = (uword)va - m->base;

	if (PREDICT_FALSE(at >= m->n_bytes))
		return RTE_BAD_IOVA;
	return m->iovas[at >> m->log2_page] + (at & ((1ULL << m->log2_page) - 1));
}

typedef struct {
	char name[VMHEAP_EXTMEM_NAME_BYTES + 1];
	char heap_name[32]; /* "" none */
	char file[108];     /* "" none */
	uword base, n_bytes, n_used_bytes;
	u8 log2_page_size;
	u8 is_attached; /* of another process */
	u32 n_pools;    /* mempools that have memory in it */
} vmheap_extmem_info_t;

CLIB_EXPORT void vmheap_extmem_get_info(vmheap_extmem_t *x, vmheap_extmem_info_t *info);
/** Calls fn for each piece until it returns nonzero. */
CLIB_EXPORT void vmheap_extmem_foreach(int (*fn)(vmheap_extmem_t *x, void *arg), void *arg);
CLIB_EXPORT vmheap_extmem_t *vmheap_extmem_by_name(const char *name);

/* ---- the other way ---- */

/**
 * A vmem arena that imports its memory from DPDK: memzones, at least so many bytes each.
 *
 * @param name    1 to 20 bytes; memzones are "NAME.N"
 * @param socket  of the memzones, or SOCKET_ID_ANY
 * @param chunk_bytes  an import is a multiple of it: a memzone costs 100 us and there are 2560
 * @param memzone_flags  RTE_MEMZONE_*, IOVA_CONTIG for devices that want it
 * @param[out] vmem  untouched on error
 * @return 0; -EINVAL; -EEXIST; -ENOMEM.  Quantum: a cache line.  Memzones whose memory is free
 * again go back to DPDK.
 */
CLIB_EXPORT int vmheap_memzone_arena_create(const char *name, int socket, uword chunk_bytes,
					    u32 memzone_flags, vmem_t **vmem);
/** @return 0; -EBUSY while anything is allocated from it; -EINVAL another arena. */
CLIB_EXPORT int vmheap_memzone_arena_destroy(vmem_t *vmem);

#endif
