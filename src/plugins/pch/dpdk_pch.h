/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What most files of the dataplane include, parsed once for a target: more than half of the time
 * that a small one of them takes to compile goes into DPDK's headers and the intrinsics below
 * them.  Files include what they need all the same: clang's build has no precompiled headers.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_lcore.h>
#include <rte_malloc.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>
