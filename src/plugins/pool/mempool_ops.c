/* SPDX-License-Identifier: Apache-2.0 */
/* rte_mempool ops "vmheap": DPDK's mempool calls, answered by a pool.
 *
 * Two ways in.  pktpool_create() passes its pool as pool_config and places the objects itself, so
 * that no header shares a cache set with all others.  Any other program that names our ops
 * (--mbuf-pool-ops-name=vmheap) gets a pool of its own for the objects that DPDK places. */
#include <plugins/pool/pktpool_impl.h>

#include <stdio.h>
#include <rte_common.h>
#include <rte_errno.h>

int pktpool_ops_error;

static int
ops_alloc(struct rte_mempool *mp)
{
	pktpool_t *pool = mp->pool_config;

	if (!pool) {
		int error = pktpool_create_for_mempool(mp, &pool);

		if (error)
			return error;
	}
	mp->pool_data = pool;
	return 0;
}

static void
ops_free(struct rte_mempool *mp)
{
	pktpool_t *pool = mp->pool_data;

	if (pool && !pool->is_in_arena)
		pktpool_free_for_mempool(pool);
}

static int
ops_enqueue(struct rte_mempool *mp, void *const *objs, unsigned int n)
{
	pktpool_put_raw(mp->pool_data, objs, n);
	return 0;
}

static int
ops_dequeue(struct rte_mempool *mp, void **objs, unsigned int n)
{
	pktpool_t *pool = mp->pool_data;

	/* rte_mempool_free() takes each object out and forgets it, whatever we answer. */
	if (PREDICT_FALSE(atomic_load_explicit(&pool->is_closing, memory_order_relaxed)))
		return -ENOBUFS;
	return pktpool_get_raw(pool, objs, n);
}

static unsigned int
ops_get_count(const struct rte_mempool *mp)
{
	pktpool_t *pool = mp->pool_data;

	return pktpool_load(&pool->n_depot) + pktpool_n_cached(pool);
}

/* Objects of an arena's pool that lie in this chunk, straight into the depot. */
static int
ops_populate(struct rte_mempool *mp, unsigned int max_objs, void *vaddr, rte_iova_t iova,
	     size_t len, rte_mempool_populate_obj_cb_t *obj_cb, void *obj_cb_arg)
{
	pktpool_t *pool = mp->pool_data;
	uword chunk = (uword)vaddr;
	u32 n = 0;

	if (!pool->is_in_arena)
		return rte_mempool_op_populate_default(mp, max_objs, vaddr, iova, len, obj_cb,
						       obj_cb_arg);
	for (; n < max_objs && pool->n_placed < pool->n_buffers; n++) {
		uword at = pktpool_object_address(pool, pool->n_placed);
		void *obj = (void *)(at + mp->header_size);

		if (at + pool->buffer_bytes > chunk + len)
			break;
		obj_cb(mp, obj_cb_arg, obj,
		       iova == RTE_BAD_IOVA ? RTE_BAD_IOVA : iova + (at - chunk) + mp->header_size);
		pktpool_depot_put(pool, &obj, 1);
		pool->n_placed++;
	}
	return (int)n;
}

static const struct rte_mempool_ops ops = {
	.name = PKTPOOL_OPS_NAME,
	.alloc = ops_alloc,
	.free = ops_free,
	.enqueue = ops_enqueue,
	.dequeue = ops_dequeue,
	.get_count = ops_get_count,
	.populate = ops_populate,
};

/* DPDK has 16 places, and all but two are taken once Debian's drivers are loaded. */
RTE_INIT(pktpool_ops_register)
{
	int i;

	pktpool_reclaim_init();
	for (u32 k = 0; k < rte_mempool_ops_table.num_ops; k++)
		if (!strcmp(rte_mempool_ops_table.ops[k].name, PKTPOOL_OPS_NAME))
			pktpool_ops_error = -EEXIST;
	if (!pktpool_ops_error && (i = rte_mempool_register_ops(&ops)) < 0)
		pktpool_ops_error = i;
	if (pktpool_ops_error == -EEXIST)
		fputs("vmheap: mempool ops \"" PKTPOOL_OPS_NAME
		      "\" are registered already: this library "
		      "was loaded twice, the second copy makes no pools\n",
		      stderr);
	else if (pktpool_ops_error)
		fprintf(stderr,
			"vmheap: cannot register mempool ops \"" PKTPOOL_OPS_NAME
			"\": all %u places are taken; load fewer mempool drivers\n",
			RTE_MEMPOOL_MAX_OPS_IDX);
}
