/* SPDX-License-Identifier: Apache-2.0 */
/* vm_test: what the tests of vm share: small ranges, and a reader of smaps that is not vm's. */
#ifndef included_tests_vppinfra_vm_test_h
#define included_tests_vppinfra_vm_test_h

#include <vppinfra/vm.h>
#include "unit.h"

#define PAGE KiB(4)

__attribute__((unused)) static vm_range_t *
range_of_4k(const char *name, uword bytes, u32 flags)
{
	vm_range_params_t params = {
		.name = name,
		.reserve_bytes = bytes,
		.numa_node = VM_NODE_ANY,
		.page_size = CLIB_MEM_PAGE_SZ_4K,
		.flags = flags,
	};
	vm_range_t *r = NULL;

	CU_ASSERT_EQUAL(vm_reserve(&params, &r), 0);
	return r;
}

__attribute__((unused)) static uword
committed_bytes(const vm_range_t *r)
{
	vm_range_info_t info;

	vm_range_get_info(r, &info);
	return info.committed_bytes;
}

/* An smaps reader of our own: the sum of a field over the mappings inside [base, base + size). */
__attribute__((unused)) static uword
smaps_bytes(const void *base, uword size, const char *key)
{
	uword sum = 0, start, end, kib, n_key = strlen(key);
	FILE *f = fopen("/proc/self/smaps", "r");
	char line[512];
	int is_in = 0;

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			is_in = start >= pointer_to_uword(base) &&
				end <= pointer_to_uword(base) + size;
		else if (is_in && !strncmp(line, key, n_key) &&
			 sscanf(line + n_key, " %lu kB", &kib) == 1)
			sum += kib << 10;
	}
	if (f)
		fclose(f);
	return sum;
}

#endif
