/* SPDX-License-Identifier: Apache-2.0 */
/* Arenas for the tests of vmem's indexes. */
#ifndef included_tests_vmem_fixture_h
#define included_tests_vmem_fixture_h

#include <vppinfra/vmem/vmem_impl.h>
#include "unit.h"

static inline vmem_t *
new_arena(const char *name, uword quantum)
{
	const vmem_params_t params = { .name = name, .quantum = quantum };
	vmem_t *vmp;

	CU_ASSERT_EQUAL_FATAL(vmem_core_create(&params, &vmp), 0);
	return vmp;
}

/* Forget all that is held. */
static inline void
destroy(vmem_t *vmp)
{
	vmem_core_xfreeall(vmp);
	CU_ASSERT_EQUAL(vmem_size(vmp, VMEM_ALLOC), 0);
	CU_ASSERT_EQUAL(vmem_check(vmp, NULL, 0), 0);
	vmem_core_destroy(vmp, NULL);
}

#endif
