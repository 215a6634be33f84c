/* SPDX-License-Identifier: Apache-2.0 */
/* share: mempools with our ops, seen from several processes.
 *
 * DPDK binds a mempool to its ops by a number, which is the order in which this process happened
 * to load its drivers; a secondary that loaded them in another order calls somebody else's
 * functions, or none.  The primary therefore publishes its table's names in a memzone, and a
 * secondary puts its own table into that order:
 *
 *   memzone "vmheap_share":  names[16]  |  secondaries[64]: pid and start time, one lock word each
 *
 * Calls that need DPDK's memory come from a vdev's probe (src/plugins/driver), the first hook of
 * rte_eal_init() that runs when memory is attached. */
#ifndef included_pool_share_h
#define included_pool_share_h

#include <vppinfra/clib.h>
#include <plugins/pool/pktpool.h>

#define PKTPOOL_SHARE_MEMZONE "vmheap_share"
#define PKTPOOL_MAX_SECONDARIES 64

/**
 * Join: a primary makes the memzone and publishes its table, a secondary takes its place in it and
 * mends its table.  Once a process, EAL's memory is attached, no mempool was used yet.
 *
 * @return 0; -ENOENT a secondary whose primary does not have this library (its table is as it
 *         was); -ENOSPC 64 secondaries live; -ENOMEM; -ESRCH an ops name of the primary that is
 *         not loaded here (the table is mended as far as it goes, *missing names the first;
 *         mempools with those ops must not be used here).
 * @param[out] missing  a name of at most 31 bytes, "" otherwise
 */
CLIB_EXPORT int pktpool_share_init(char missing[RTE_MEMPOOL_OPS_NAMESIZE]);
/** Leave, before EAL unmaps its memory: from here on nothing looks at the pools. */
CLIB_EXPORT void pktpool_share_exit(void);

/** Options for mempools made after this call; the driver's. */
typedef struct {
	u8 in_arena;     /* objects in our node's arena */
	u8 is_accounted; /* DPDK's own caches off: every get and put reaches us */
	int refuse;      /* a negative errno: no pool is made */
} pktpool_foreign_options_t;

CLIB_EXPORT void pktpool_foreign_set_options(const pktpool_foreign_options_t *options);
CLIB_EXPORT const pktpool_foreign_options_t *pktpool_foreign_options(void);
/** Objects in DPDK's caches over this mempool, relaxed. */
CLIB_EXPORT u32 pktpool_foreign_n_in_caches(const struct rte_mempool *mp);
/** The mempool is going to be freed: what DPDK takes out from now on is not counted. */
CLIB_EXPORT void pktpool_foreign_closing(pktpool_t *pool);
/** 0, or why our ops could not be registered: -ENOSPC, -EEXIST. */
CLIB_EXPORT int pktpool_ops_status(void);

#endif
