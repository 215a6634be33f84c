/* SPDX-License-Identifier: Apache-2.0 */
/* Pools at start, and the account at the end. */
#include "buffer.h"

#include <stdio.h>
#include <plugins/framework/framework.h>
#include <vppinfra/mem.h>
#include <vppinfra/mem_setup.h>

/* Room in an arena of our own beyond what the buffers fill: page rounding and colours. */
#define ARENA_SLACK_PAGES 2

VMHEAP_PLUGIN_REGISTER(.name = "buffer", .version = VMHEAP_VERSION,
		       .description = "packet buffer pools, one a NUMA node");

buffer_main_t buffer_main;

static u32
n_wanted(u32 node, u32 n_default)
{
	buffer_main_t *bm = &buffer_main;

	if (bm->n_on_node[node])
		return bm->n_on_node[node];
	return bm->n_per_numa ? bm->n_per_numa : n_default;
}

/* What the pool may grow to; no less than what it begins with. */
static u32
n_at_most(u32 node, u32 n_buffers)
{
	buffer_main_t *bm = &buffer_main;
	u32 n = bm->max_on_node[node] ? bm->max_on_node[node] : bm->max_per_numa;

	return clib_max(n, n_buffers);
}

static int
is_small_page(uword page_bytes)
{
	return page_bytes < MiB(1);
}

/* An arena for one pool, of the page size asked for and no other. */
static int
create_arena(u32 node, u32 n_buffers, clib_mem_page_sz_t page_size, clib_arena_t **arena)
{
	char name[25];
	/* One buffer a page is the worst that the layout does. */
	uword page = 1ULL << vm_log2_page_size(page_size);
	uword stride = buffer_main.data_bytes + 1024, per_page = clib_max(page / stride, 1ULL);
	clib_arena_params_t params = {
		.name = name,
		.numa_node = (int)node,
		.page_size = page_size,
		.vm_flags = VM_RANGE_WINDOW | VM_RANGE_SHARED | VM_RANGE_EXACT_PAGE,
	};

	snprintf(name, sizeof(name), "buffers-numa-%u", node);
	params.reserve_bytes = (n_at_most(node, n_buffers) / per_page + ARENA_SLACK_PAGES) *
			       clib_max(page, round_pow2(stride, page));
	params.expect_bytes = (n_buffers / per_page + ARENA_SLACK_PAGES) *
			      clib_max(page, round_pow2(stride, page));
	return clib_arena_create(&params, arena);
}

static int
create_pool(u32 node, u32 n_buffers, clib_arena_t *arena, pktpool_t **pool)
{
	void *heap = clib_mem_get_numa_heap(node);
	char name[26];
	pktpool_params_t params = {
		.name = name,
		.numa_node = (int)node,
		.n_buffers = n_buffers,
		.n_max = n_at_most(node, n_buffers),
		.data_bytes = buffer_main.data_bytes,
		.arena = arena,
		.heap = heap ? heap : clib_mem_main_heap(),
	};

	snprintf(name, sizeof(name), "default-numa-%u", node);
	return pktpool_create(&params, pool);
}

static int
create_in_own_arena(u32 node, u32 n_buffers, clib_mem_page_sz_t page_size, buffer_pool_t *p)
{
	int error = create_arena(node, n_buffers, page_size, &p->own_arena);

	if (error) {
		p->own_arena = NULL;
		return error;
	}
	error = create_pool(node, n_buffers, p->own_arena, &p->pool);
	if (error) {
		clib_arena_destroy(p->own_arena);
		p->own_arena = NULL;
	}
	return error;
}

/* Fewer on small pages unless a number was asked for: each costs the TLB an entry. */
static int
create_on_small_pages(u32 node, const char *why, buffer_pool_t *p)
{
	u32 n = n_wanted(node, PKTPOOL_DEFAULT_BUFFERS_4K);

	vmheap_log("buffers: node %u: %s, so %u buffers lie on 4K pages, slower; for huge pages: "
		   "sysctl vm.nr_hugepages=512",
		   node, why, n);
	return create_in_own_arena(node, n, CLIB_MEM_PAGE_SZ_4K, p);
}

static clib_error_t *
create_on_node(u32 node)
{
	buffer_main_t *bm = &buffer_main;
	buffer_pool_t *p = &bm->pools[node];
	clib_arena_t *arena = clib_mem_numa_arena(node);
	u32 n = n_wanted(node, PKTPOOL_DEFAULT_BUFFERS);
	uword page_bytes = arena ? vm_range_page_bytes(clib_arena_range(arena)) : 0;
	u8 log2_asked = bm->log2_page_size ? vm_log2_page_size(bm->log2_page_size) : 0;
	int error;

	if (log2_asked && page_bytes != 1ULL << log2_asked)
		error = create_in_own_arena(node, n, bm->log2_page_size, p);
	else if (!arena)
		error = create_on_small_pages(node, "it has no arena", p);
	else if (is_small_page(page_bytes)) {
		n = n_wanted(node, PKTPOOL_DEFAULT_BUFFERS_4K);
		if (!log2_asked)
			vmheap_log("buffers: node %u: its arena has no huge pages, so %u buffers "
				   "lie on "
				   "4K pages, slower; for huge pages: sysctl vm.nr_hugepages=512",
				   node, n);
		error = create_pool(node, n, arena, &p->pool);
	} else {
		error = create_pool(node, n, arena, &p->pool);
		if (error == -ENOMEM && !log2_asked)
			error = create_on_small_pages(node, "huge pages do not suffice", p);
	}
	if (!error)
		return NULL;
	if (error == -ENOMEM && log2_asked)
		return clib_error_return_code(
			0, error, 0,
			"%u buffers of %u bytes on node %u: not enough free pages of "
			"%U, see /proc/meminfo",
			n, bm->data_bytes, node, format_log2_page_size, (int)log2_asked);
	return clib_error_return_code(
		0, error, 0, "%u buffers of %u bytes on node %u: %s", n, bm->data_bytes, node,
		error == -ENOTSUP  ? "a buffer must fit a page when IOVAs are physical"
		: error == -EDQUOT ? "more than buffers { budget } allows the node"
				   : strerror(-error));
}

/* What the configuration sets aside in a node's pool. */
static clib_error_t *
reserve_on_node(u32 node)
{
	buffer_main_t *bm = &buffer_main;
	buffer_pool_t *p = &bm->pools[node];
	pktpool_info_t info;

	for (u32 i = 0; i < bm->n_reserves; i++) {
		const buffer_reserve_t *r = &bm->reserves[i];
		u32 n = r->n_on_node[node] ? r->n_on_node[node] : r->n;
		int error;

		if (!n)
			continue;
		error = pktpool_reserve_as(p->pool, r->name, n, &p->reservations[i]);
		if (!error)
			continue;
		pktpool_get_info(p->pool, &info);
		return clib_error_return_code(
			0, error, 0, "reserve %s %u: pool %s %s", r->name, n, info.name,
			error == -ENOMEM ? "has no memory for its table"
					 : "has not so many buffers that nobody else set aside");
	}
	return NULL;
}

static void
unreserve_on_node(u32 node)
{
	buffer_pool_t *p = &buffer_main.pools[node];

	for (u32 i = 0; i < BUFFER_MAX_RESERVATIONS; i++) {
		if (p->reservations[i])
			pktpool_unreserve(p->reservations[i]);
		p->reservations[i] = NULL;
	}
}

static clib_error_t *
buffer_exit(void)
{
	buffer_main_t *bm = &buffer_main;
	u32 n_leaked = 0;

	for (u32 node = 0; node < BUFFER_MAX_NODES; node++) {
		buffer_pool_t *p = &bm->pools[node];
		pktpool_info_t info;
		char what[160];
		u32 n = 0;

		if (!p->pool)
			continue;
		unreserve_on_node(node);
		pktpool_get_info(p->pool, &info);
		if (pktpool_check(p->pool, what, sizeof(what)) == -EUCLEAN)
			vmheap_log("pool %s is damaged: %s", info.name, what);
		pktpool_destroy(p->pool, &n);
		vmheap_log("pool %s: %u buffers leaked", info.name, n);
		n_leaked += n;
		p->pool = NULL;
		if (p->own_arena)
			clib_arena_destroy(p->own_arena);
		p->own_arena = NULL;
	}
	return n_leaked ? clib_error_return(0, "%u buffers leaked", n_leaked) : NULL;
}
VMHEAP_EXIT_FUNCTION(buffer_exit);

static int
has_memory(u32 node)
{
	return node < vm_n_numa_nodes() && vm_numa_node_has_memory((int)node);
}

static clib_error_t *
buffer_init(void)
{
	buffer_main_t *bm = &buffer_main;

	if (!bm->data_bytes)
		bm->data_bytes = PKTPOOL_DEFAULT_DATA_BYTES;
	/* Before anything is made: an error here leaves nothing behind. */
	for (u32 node = 0; node < BUFFER_MAX_NODES; node++)
		if (bm->n_on_node[node] && !has_memory(node))
			return clib_error_return(
				0, "buffers { numa %u }: this machine has no memory there", node);
	buffer_set_budgets();
	for (u32 node = 0; node < BUFFER_MAX_NODES; node++) {
		clib_error_t *error = has_memory(node) ? create_on_node(node) : NULL;

		if (!error && buffer_main.pools[node].pool)
			error = reserve_on_node(node);
		if (error) {
			/* The nodes before this one give theirs back. */
			clib_error_t *leaked = buffer_exit();

			clib_error_free(leaked);
			return error;
		}
	}
	return buffer_resize_init();
}
VMHEAP_INIT_FUNCTION(buffer_init);
