/* SPDX-License-Identifier: Apache-2.0 */
/* <sys/vmem.h> for source written for illumos: an include folder of its own,
 * -I.../vppinfra/illumos before the system's.  All of it is in <vppinfra/vmem.h>. */
#ifndef included_vppinfra_illumos_vmem_h
#define included_vppinfra_illumos_vmem_h

#include <vppinfra/vmem.h>

#endif
