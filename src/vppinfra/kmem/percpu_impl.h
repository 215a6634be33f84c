/* SPDX-License-Identifier: Apache-2.0 */
/* percpu_impl: offsets without the header that clib_percpu_free() needs, for kmem. */
#ifndef included_vppinfra_kmem_percpu_impl_h
#define included_vppinfra_kmem_percpu_impl_h

#define CLIB_PERCPU_RUN_TIME_ONLY
#include <vppinfra/percpu.h>

/** Units, arena of offsets and fork handlers.  @return 0 or -ENOMEM, to be tried again. */
int percpu_init(void);

/** Zeroed room in every unit.  @return offset, 0 for none. */
uword percpu_offset_alloc(uword size, uword align, uword phase);
void percpu_offset_free(uword offset, uword size);

#endif
