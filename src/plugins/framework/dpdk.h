/* SPDX-License-Identifier: Apache-2.0 */
/* dpdk: makes DPDK's headers and vppinfra's live in one file, in any order after this one.
 *
 * VPP's macro always_inline is also the word in DPDK's __attribute__((always_inline)).  DPDK has
 * it in one place, __rte_always_inline of rte_common.h; here it gets the reserved spelling. */
#ifndef included_framework_dpdk_h
#define included_framework_dpdk_h

#include <rte_common.h>

#undef __rte_always_inline
#define __rte_always_inline inline __attribute__((__always_inline__))

#endif
