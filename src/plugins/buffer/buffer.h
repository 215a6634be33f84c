/* SPDX-License-Identifier: Apache-2.0 */
/* buffer: one buffer pool a NUMA node.  Shared by this folder's files.
 *
 *   config.c  buffers { ... }     buffer.c  init and exit     cli.c  show buffers
 *   trace.c   buffer-trace, owners, leaks, faults
 *   resize.c  buffers grow, shrink, budget; growing and shrinking by themselves */
#ifndef included_buffer_h
#define included_buffer_h

#include <stdatomic.h>
#include <plugins/plugin.h>
#include <plugins/pool/pktpool.h>

/* Nodes that a configuration may name. */
#define BUFFER_MAX_NODES RTE_MAX_NUMA_NODES
/* Reservations that a configuration may name. */
#define BUFFER_MAX_RESERVATIONS 8

typedef struct {
	pktpool_t *pool;
	clib_arena_t *own_arena; /* made for this pool, NULL when it lies in the node's */
	_Atomic u32 is_low;      /* a worker met the mark: grow */
	u32 n_ticks_plenty;      /* for how long there was more than enough */
	u8 is_refused;           /* the last try to grow failed, and was told */
	pktpool_reservation_t *reservations[BUFFER_MAX_RESERVATIONS]; /* as configured, or NULL */
} buffer_pool_t;

/* Of each pool, unless its node has a number of its own. */
typedef struct {
	char name[PKTPOOL_RESERVATION_NAME_BYTES];
	u32 n; /* 0: only the nodes that say so */
	u32 n_on_node[BUFFER_MAX_NODES];
} buffer_reserve_t;

typedef struct {
	/* Configuration; 0: not given. */
	u32 n_per_numa;
	u32 n_on_node[BUFFER_MAX_NODES];
	u32 max_per_numa;
	u32 max_on_node[BUFFER_MAX_NODES];
	uword budget_bytes; /* of each node */
	uword budget_on_node[BUFFER_MAX_NODES];
	u32 grow_by, grow_below, shrink_after_s;
	u32 data_bytes;
	buffer_reserve_t reserves[BUFFER_MAX_RESERVATIONS];
	u32 n_reserves;
	int log2_page_size; /* clib_mem_page_sz_t */

	buffer_pool_t pools[BUFFER_MAX_NODES]; /* by node */
} buffer_main_t;

extern buffer_main_t buffer_main;

/* ---- resize.c ---- */

/** Budgets of all nodes, before a pool is made. */
void buffer_set_budgets(void);
/** Pools watch their low water from now on, if the configuration says so. */
clib_error_t *buffer_resize_init(void);

/* ---- trace.c ---- */

/** Who holds watched buffers of traced pools, those that are out for min_age seconds at least. */
void buffer_show_owners(cli_output_t *out, f64 min_age);
void buffer_show_faults(cli_output_t *out);

#endif
