/* SPDX-License-Identifier: Apache-2.0 */
#ifndef included_extmem_impl_h
#define included_extmem_impl_h

#include <plugins/extmem/extmem.h>

/** Buffers of a pool whose mbufs lie elsewhere: nobody tells us when it goes. */
typedef struct {
	struct rte_mempool *mp;
	char name[RTE_MEMPOOL_NAMESIZE];
	void *start;
	uword n_bytes;
} extmem_extbufs_t;

struct vmheap_extmem {
	vmheap_extmem_info_t info;
	vmheap_extmem_map_t map;
	/* Where it is from: one of the three. */
	clib_arena_t *arena;
	vm_range_t *range;
	int is_mapped; /* attached */

	int is_registered;
	int socket;
	const struct rte_memzone *published;
	vmem_t *vmem;              /* NULL for a heap's, and attached */
	extmem_extbufs_t *extbufs; /* vector */
	vmheap_extmem_t *next;
};

/** Mempools with a chunk in [base, base + n_bytes); *name is one of them. */
u32 extmem_n_pools_in(uword base, uword n_bytes, const char **name);

#endif
