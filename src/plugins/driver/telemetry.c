/* SPDX-License-Identifier: Apache-2.0 */
/* /vmheap/pools, /vmheap/pool,NAME, /vmheap/threads,NAME and /vmheap/memory for dpdk-telemetry.py.
 *
 * Callbacks run in a thread of DPDK's telemetry library; an answer has at most 256 members. */
#include "driver.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <rte_telemetry.h>
#include <rte_version.h>
#include <vppinfra/thread.h>
#include <vppinfra/vm.h>

#define MAX_MEMBERS 255

static void
add_u64(struct rte_tel_data *d, const char *name, u64 value)
{
#if RTE_VERSION < RTE_VERSION_NUM(23, 3, 0, 0)
	rte_tel_data_add_dict_u64(d, name, value);
#else
	rte_tel_data_add_dict_uint(d, name, value);
#endif
}

static int
add_name(pktpool_t *pool, void *arg)
{
	return rte_tel_data_add_array_string(arg, pktpool_mempool(pool)->name);
}

static int
list_pools(const char *cmd, const char *params, struct rte_tel_data *d)
{
	rte_tel_data_start_array(d, RTE_TEL_STRING_VAL);
	pktpool_foreach(add_name, d);
	return 0;
}

typedef struct {
	const char *name;
	struct rte_tel_data *d;
	int is_found;
} ask_t;

static int
describe(pktpool_t *pool, void *arg)
{
	struct rte_mempool *mp = pktpool_mempool(pool);
	pktpool_info_t info;
	u32 n_in_caches;
	ask_t *a = arg;

	if (strcmp(mp->name, a->name))
		return 0;
	a->is_found = 1;
	pktpool_get_info(pool, &info);
	n_in_caches = pktpool_foreign_n_in_caches(mp);
	rte_tel_data_add_dict_string(a->d, "name", mp->name);
	rte_tel_data_add_dict_int(a->d, "numa", info.numa_node);
	add_u64(a->d, "total", info.n_total);
	add_u64(a->d, "populated", mp->populated_size);
	add_u64(a->d, "depot", info.n_depot);
	add_u64(a->d, "cached", info.n_cached);
	add_u64(a->d, "dpdk_cached", n_in_caches);
	add_u64(a->d, "used", info.n_used - clib_min(n_in_caches, info.n_used));
	add_u64(a->d, "low_water", info.n_low_water);
	add_u64(a->d, "object_bytes", info.buffer_bytes);
	add_u64(a->d, "magazine_size", info.magazine_size);
	add_u64(a->d, "misses", info.n_misses);
	add_u64(a->d, "failures", info.n_failures);
	add_u64(a->d, "reclaims", info.n_reclaims);
	add_u64(a->d, "bad_puts", info.n_bad_puts);
	return 1;
}

static int
list_threads(pktpool_t *pool, void *arg)
{
	u32 limit = clib_thread_index_limit(), n_members = 0;
	ask_t *a = arg;

	if (strcmp(pktpool_mempool(pool)->name, a->name))
		return 0;
	a->is_found = 1;
	for (u32 i = 0; i < limit && n_members < MAX_MEMBERS; i++) {
		u32 n = pktpool_thread_cached(pool, (u16)i);
		char key[64];

		if (!n)
			continue;
		snprintf(key, sizeof(key), "%u %s", i, clib_thread_name((u16)i));
		for (char *c = key; *c; c++)
			if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				    "_/",
				    *c))
				*c = '_';
		add_u64(a->d, key, n);
		n_members++;
	}
	return 1;
}

static int
answer_for_pool(int (*fn)(pktpool_t *, void *), const char *params, struct rte_tel_data *d)
{
	ask_t a = { .name = params, .d = d };

	if (!params || !params[0])
		return -EINVAL;
	rte_tel_data_start_dict(d);
	pktpool_foreach(fn, &a);
	return a.is_found ? 0 : -ENOENT;
}

static int
show_pool(const char *cmd, const char *params, struct rte_tel_data *d)
{
	return answer_for_pool(describe, params, d);
}

static int
show_threads(const char *cmd, const char *params, struct rte_tel_data *d)
{
	return answer_for_pool(list_threads, params, d);
}

static int
show_memory(const char *cmd, const char *params, struct rte_tel_data *d)
{
	rte_tel_data_start_dict(d);
	add_u64(d, "committed_bytes", vm_committed_bytes(0));
	add_u64(d, "threads", clib_n_threads());
	return 0;
}

int
driver_telemetry_register(void)
{
	static const struct {
		const char *path, *help;
		telemetry_cb fn;
	} commands[] = {
		{ "/vmheap/memory", "Memory of the allocator. Takes no parameters", show_memory },
		{ "/vmheap/pool", "Occupancy of one pool. Parameters: pool name", show_pool },
		{ "/vmheap/pools", "Names of the pools. Takes no parameters", list_pools },
		{ "/vmheap/threads", "What threads have cached. Parameters: pool name",
		  show_threads },
	};

	for (u32 i = 0; i < ARRAY_LEN(commands); i++) {
		int error = rte_telemetry_register_cmd(commands[i].path, commands[i].fn,
						       commands[i].help);

		if (error)
			return error;
	}
	return 0;
}
