/* SPDX-License-Identifier: Apache-2.0 */
/* Pages of a file that is not mapped.  fallocate() obeys the memory policy of the calling thread.
 */
#include <vppinfra/vm.h>

#include <fcntl.h>
#include <numaif.h>

#define N_POLICY_WORDS 16 /* 1024 nodes: what a kernel can be configured for */

void
vm_file_punch(int fd, u64 offset, u64 n_bytes)
{
	if (n_bytes)
		fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset,
			  (off_t)n_bytes);
}

int
vm_file_populate(int fd, u64 offset, u64 n_bytes, int node)
{
	unsigned long wanted[N_POLICY_WORDS] = { 0 }, before[N_POLICY_WORDS] = { 0 };
	int policy = MPOL_DEFAULT, has_policy = 0, rv;

	if (node >= 0 && (u32)node < BITS(wanted)) {
		wanted[node / 64] = 1ul << (node % 64);
		has_policy = !get_mempolicy(&policy, before, BITS(before), NULL, 0) &&
			     !set_mempolicy(MPOL_PREFERRED, wanted, BITS(wanted));
	}
	do
		rv = fallocate(fd, FALLOC_FL_KEEP_SIZE, (off_t)offset, (off_t)n_bytes);
	while (rv && errno == EINTR);
	if (has_policy)
		set_mempolicy(policy, policy == MPOL_DEFAULT ? NULL : before,
			      policy == MPOL_DEFAULT ? 0 : BITS(before));
	if (!rv)
		return 0;
	vm_file_punch(fd, offset, n_bytes);
	return -ENOMEM;
}
