/* SPDX-License-Identifier: Apache-2.0 */
/* Tags on an arena's own NUMA node. */
#include "vmem_impl.h"

#include <numaif.h>
#include <unistd.h>
#include <vppinfra/vm.h>

int
vmem_set_node(vmem_t *vmp, int node)
{
	if (node < -1 || node >= VMEM_N_NODES || (node >= 0 && !vm_numa_node_has_memory(node)))
		return -ENODEV;
	/* With one node all memory is there. */
	if (vm_n_numa_nodes() < 2)
		node = -1;
	vmem_lock(&vmp->vm_lock);
	if (vmp->vm_node != node && !(vmp->vm_cflags & VMC_POPULATOR)) {
		vmp->vm_node = node;
		/* The next ones come from there. */
		vmem_tags_give(vmp, 0);
	}
	vmem_unlock(&vmp->vm_lock);
	return 0;
}

/* A preference: where the node is full, tags elsewhere are better than none. */
void
vmem_bind(uword addr, uword n_bytes, int node)
{
	unsigned long mask = 1ul << node;
	uword page = (uword)sysconf(_SC_PAGESIZE), end = round_down_pow2(addr + n_bytes, page);

	addr = round_pow2(addr, page);
	if (addr < end)
		mbind(uword_to_pointer(addr, void *), end - addr, MPOL_PREFERRED, &mask,
		      8 * sizeof(mask), MPOL_MF_MOVE);
}
