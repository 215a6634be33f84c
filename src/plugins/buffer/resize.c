/* SPDX-License-Identifier: Apache-2.0 */
/* Pools that grow and shrink: by command, and by themselves.
 *
 * A worker that meets the low water mark only leaves a note: growing maps memory and takes locks.
 * A timer of the main lcore reads it.  Giving back is slow on purpose: twice what is added at once
 * must have been to spare for as long as the configuration says. */
#include "buffer.h"

#include <plugins/framework/framework.h>

/* 10 ms: a burst of 256 every microsecond takes 2.5 million buffers meanwhile, an average port of
 * a million packets a second 10 thousand.  `below` is chosen with that in mind. */
#define TICK_MS 10
#define TICKS_PER_SECOND (1000 / TICK_MS)

void
buffer_set_budgets(void)
{
	buffer_main_t *bm = &buffer_main;

	for (u32 node = 0; node < BUFFER_MAX_NODES; node++) {
		uword limit =
			bm->budget_on_node[node] ? bm->budget_on_node[node] : bm->budget_bytes;

		if (limit)
			pktpool_set_budget((int)node, limit);
	}
}

static const char *
why_not(int error)
{
	switch (error) {
	case -ENOSPC:
		return "it has as many buffers, or pieces, as it may: buffers { max-per-numa N }";
	case -EDQUOT:
		return "the node's budget is spent: buffers budget";
	case -EINVAL:
		return "the program that made it decides on its size";
	case -ENOENT:
		return "no piece of its own is that small; what it began with stays";
	default:
		return strerror(-error);
	}
}

/* ---- by themselves ---- */

static void
low_water(pktpool_t *pool, u32 n_free, void *arg)
{
	buffer_pool_t *p = arg;

	atomic_store_explicit(&p->is_low, 1, memory_order_relaxed);
}

static void
grow_one(buffer_pool_t *p, const pktpool_info_t *info)
{
	u32 n = clib_min(buffer_main.grow_by, info->n_max - info->n_total + info->n_parked);
	int error;

	p->n_ticks_plenty = 0;
	if (!n)
		error = -ENOSPC;
	else
		error = pktpool_grow(p->pool, n);
	/* Once, until it has worked again: a pool at its end would fill the log. */
	if (!error)
		vmheap_log("pool %s: %u buffers more, fewer than %u were free", info->name, n,
			   buffer_main.grow_below);
	else if (!p->is_refused)
		vmheap_log("pool %s: fewer than %u buffers are free, and it does not grow: %s",
			   info->name, buffer_main.grow_below, why_not(error));
	p->is_refused = error != 0;
}

/* Also called while a piece is on its way out. */
static void
shrink_one(buffer_pool_t *p, const pktpool_info_t *info)
{
	u32 n_out;

	if (pktpool_shrink(p->pool, buffer_main.grow_by, &n_out))
		return;
	vmheap_log("pool %s: a piece of it went back, %u buffers were free", info->name,
		   info->n_depot);
}

static void
tick_one(buffer_pool_t *p)
{
	buffer_main_t *bm = &buffer_main;
	pktpool_info_t info;

	pktpool_get_info(p->pool, &info);
	if (atomic_exchange_explicit(&p->is_low, 0, memory_order_relaxed)) {
		if (info.n_depot < bm->grow_below)
			grow_one(p, &info);
		return;
	}
	if (!bm->shrink_after_s || info.n_extents < 2 ||
	    info.n_depot + info.n_parked < bm->grow_below + 2 * bm->grow_by) {
		p->n_ticks_plenty = 0;
		return;
	}
	if (++p->n_ticks_plenty < bm->shrink_after_s * TICKS_PER_SECOND)
		return;
	/* Again in a second when buffers of the piece are still out. */
	p->n_ticks_plenty -= TICKS_PER_SECOND;
	shrink_one(p, &info);
}

static void
tick(void *arg)
{
	for (u32 node = 0; node < BUFFER_MAX_NODES; node++)
		if (buffer_main.pools[node].pool)
			tick_one(&buffer_main.pools[node]);
}

clib_error_t *
buffer_resize_init(void)
{
	buffer_main_t *bm = &buffer_main;
	int error = 0;

	if (!bm->grow_by)
		return NULL;
	for (u32 node = 0; node < BUFFER_MAX_NODES && !error; node++)
		if (bm->pools[node].pool)
			error = pktpool_low_water_add(bm->pools[node].pool, bm->grow_below,
						      bm->grow_below + bm->grow_by, low_water,
						      &bm->pools[node]);
	if (!error)
		error = vmheap_timer_add(TICK_MS, tick, NULL);
	return error ? clib_error_return_code(0, error, 0, "watching pools: %s", strerror(-error))
		     : NULL;
}

/* ---- by command ---- */

typedef struct {
	const u8 *name;
	pktpool_t *pool;
} find_t;

static int
find_one(pktpool_t *pool, void *arg)
{
	find_t *f = arg;
	pktpool_info_t info;

	pktpool_get_info(pool, &info);
	if (strcmp((const char *)f->name, info.name))
		return 0;
	f->pool = pool;
	return 1;
}

static clib_error_t *
parse_pool_and_count(unformat_input_t *input, pktpool_t **pool, u32 *n)
{
	find_t f = { 0 };
	u8 *name;
	clib_error_t *error = NULL;

	if (!unformat(input, "%s", &name))
		return vmheap_config_unknown(input, "a pool's name and a number of buffers");
	vec_add1(name, 0);
	f.name = name;
	pktpool_foreach(find_one, &f);
	if (!f.pool)
		error = clib_error_return(0, "there is no pool '%s': show buffers", name);
	vec_free(name);
	if (error)
		return error;
	*pool = f.pool;
	if (!unformat(input, "%u", n) || !*n)
		return vmheap_config_unknown(input, "a number of buffers");
	unformat_skip_white_space(input);
	return unformat_is_eof(input) ? NULL : vmheap_config_unknown(input, "nothing more");
}

static void
tell_size(cli_output_t *out, pktpool_t *pool, u32 n_out)
{
	pktpool_info_t info;

	pktpool_get_info(pool, &info);
	cli_text(out, "%s: %u buffers in %u pieces, at most %u", info.name, info.n_total,
		 info.n_extents, info.n_max);
	if (n_out)
		cli_text(out,
			 "%u buffers of what goes are still out: their piece stays until they are "
			 "in, then shrink again",
			 n_out);
	cli_field_string(out, "name", "%s", info.name);
	cli_field_u64(out, "total", info.n_total);
	cli_field_u64(out, "extents", info.n_extents);
	cli_field_u64(out, "max", info.n_max);
	cli_field_u64(out, "out", n_out);
}

static clib_error_t *
buffers_grow(cli_output_t *out, unformat_input_t *input, vmheap_cli_command_t *cmd)
{
	pktpool_t *pool = NULL;
	u32 n = 0;
	clib_error_t *error = parse_pool_and_count(input, &pool, &n);
	int rc;

	if (error)
		return error;
	rc = pktpool_grow(pool, n);
	if (rc)
		return clib_error_return_code(0, rc, 0, "%u buffers more: %s", n, why_not(rc));
	tell_size(out, pool, 0);
	return NULL;
}
VMHEAP_CLI_COMMAND(buffers_grow) = {
	.path = "buffers grow",
	.short_help = "buffers grow POOL N",
	.long_help = "N buffers more, up to buffers { max-per-numa } and inside the node's budget; "
		     "what is on its way out comes back first.",
	.function = buffers_grow,
};

static clib_error_t *
buffers_shrink(cli_output_t *out, unformat_input_t *input, vmheap_cli_command_t *cmd)
{
	pktpool_t *pool = NULL;
	u32 n = 0, n_out = 0;
	clib_error_t *error = parse_pool_and_count(input, &pool, &n);
	int rc;

	if (error)
		return error;
	rc = pktpool_shrink(pool, n, &n_out);
	if (rc && rc != -EAGAIN)
		return clib_error_return_code(0, rc, 0, "%u buffers less: %s", n, why_not(rc));
	tell_size(out, pool, n_out);
	return NULL;
}
VMHEAP_CLI_COMMAND(buffers_shrink) = {
	.path = "buffers shrink",
	.short_help = "buffers shrink POOL N",
	.long_help =
		"Give back the latest pieces that buffers grow added, as many whole ones as N "
		"covers.  Their free buffers are out of reach at once; the memory goes when the "
		"last is in.",
	.function = buffers_shrink,
};

static clib_error_t *
buffers_budget(cli_output_t *out, unformat_input_t *input, vmheap_cli_command_t *cmd)
{
	uword limit = 0, n_bytes;
	u32 node;

	if (!unformat(input, "%u", &node))
		return vmheap_config_unknown(input, "a node and a size, or a node and none");
	if (!unformat(input, "none") && !unformat(input, "%U", unformat_memory_size, &limit))
		return vmheap_config_unknown(input, "a size or none");
	unformat_skip_white_space(input);
	if (!unformat_is_eof(input))
		return vmheap_config_unknown(input, "nothing more");
	if (!vm_numa_node_has_memory((int)node))
		return clib_error_return(0, "node %u: there is no memory of such a node", node);
	if (node >= BUFFER_MAX_NODES || pktpool_set_budget((int)node, limit))
		return clib_error_return(0, "node %u: this DPDK knows %u nodes", node,
					 BUFFER_MAX_NODES);
	pktpool_get_budget((int)node, &limit, &n_bytes);
	if (limit)
		cli_text(out, "node %u: %U of %U are taken", node, format_memory_size, n_bytes,
			 format_memory_size, limit);
	else
		cli_text(out, "node %u: %U are taken, no limit", node, format_memory_size, n_bytes);
	cli_field_u64(out, "node", node);
	cli_field_u64(out, "budget_bytes", limit);
	cli_field_u64(out, "taken_bytes", n_bytes);
	return NULL;
}
VMHEAP_CLI_COMMAND(buffers_budget) = {
	.path = "buffers budget",
	.short_help = "buffers budget NODE SIZE|none",
	.long_help = "What pools of a node may take of its memory in all.  Pools keep what they "
		     "have; none lifts the limit.",
	.words = "none",
	.function = buffers_budget,
};
