/* SPDX-License-Identifier: Apache-2.0 */
/* rte_mempool ops "vmheap": DPDK's mempool calls, answered by a pool.
 *
 * Two ways in.  pktpool_create() passes its pool as pool_config and places the objects itself, so
 * that no header shares a cache set with all others.  Any other program that names our ops
 * (--mbuf-pool-ops-name=vmheap) gets a pool of its own for the objects, which lie where DPDK puts
 * them or, if the driver's options say so, in our node's arena.
 *
 * Which functions get and put are is a matter of the process: threads of a primary have magazines,
 * a secondary works on the depot.  That is not known yet when a library is loaded, so the table
 * first holds functions that look, once, and leave the right ones there. */
#include <plugins/pool/forensics_impl.h>
#include <plugins/pool/share.h>

#include <stdio.h>
#include <rte_common.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_lcore.h>
#include <rte_mempool.h>

int pktpool_ops_error;
static pktpool_foreign_options_t options;
u32 pktpool_ops_index = ~0u;

void
pktpool_foreign_set_options(const pktpool_foreign_options_t *o)
{
	options = *o;
}

const pktpool_foreign_options_t *
pktpool_foreign_options(void)
{
	return &options;
}

int
pktpool_ops_status(void)
{
	return pktpool_ops_error;
}

void
pktpool_foreign_closing(pktpool_t *pool)
{
	pktpool_close(pool);
}

u32
pktpool_foreign_n_in_caches(const struct rte_mempool *mp)
{
	u32 n = 0;

	if (mp->cache_size)
		for (u32 i = 0; i < RTE_MAX_LCORE; i++)
			n += *(volatile u32 *)&mp->local_cache[i].len;
	return n;
}

/* ---- get and put ----
 *
 * The usual ways have no stack frame and save no registers: each hands over to the next one, which
 * is slower, by a jump.  One object at a time is how many PMDs free. */

/* Watched pools, and all that the loaded magazine does not serve. */
static never_inline int
enqueue_slow(pktpool_t *pool, void *const *objs, u32 n, const void *site)
{
	if (!pktpool_try_put_traced(pool, objs, n))
		pktpool_put_at(pool, objs, n, site);
	return 0;
}

static never_inline int
dequeue_slow(pktpool_t *pool, void **objs, u32 n, const void *site)
{
	/* rte_mempool_free() takes each object out and forgets it, whatever we answer. */
	if (PREDICT_FALSE(atomic_load_explicit(&pool->is_closing, memory_order_relaxed)))
		return -ENOBUFS;
	return pktpool_get_at(pool, objs, n, site);
}

/* Long enough for a call to copy. */
static never_inline int
enqueue_many(pktpool_t *pool, void *const *objs, u32 n, const void *site)
{
	return PREDICT_TRUE(pktpool_try_put(pool, objs, n)) ? 0 : enqueue_slow(pool, objs, n, site);
}

static never_inline int
dequeue_many(pktpool_t *pool, void **objs, u32 n, const void *site)
{
	return PREDICT_TRUE(pktpool_try_get(pool, objs, n)) ? 0 : dequeue_slow(pool, objs, n, site);
}

static never_inline int
enqueue_burst(pktpool_t *pool, void *const *objs, u32 n, const void *site)
{
	if (PREDICT_FALSE(n >= PKTPOOL_COPY_CALL))
		return enqueue_many(pool, objs, n, site);
	return PREDICT_TRUE(pktpool_try_put(pool, objs, n)) ? 0 : enqueue_slow(pool, objs, n, site);
}

static never_inline int
dequeue_burst(pktpool_t *pool, void **objs, u32 n, const void *site)
{
	if (PREDICT_FALSE(n >= PKTPOOL_COPY_CALL))
		return dequeue_many(pool, objs, n, site);
	return PREDICT_TRUE(pktpool_try_get(pool, objs, n)) ? 0 : dequeue_slow(pool, objs, n, site);
}

static int
ops_enqueue(struct rte_mempool *mp, void *const *objs, unsigned int n)
{
	pktpool_t *pool = mp->pool_data;

	if (PREDICT_TRUE(n == 1))
		return PREDICT_TRUE(pktpool_try_put(pool, objs, 1))
			       ? 0
			       : enqueue_slow(pool, objs, 1, __builtin_return_address(0));
	return enqueue_burst(pool, objs, n, __builtin_return_address(0));
}

static int
ops_dequeue(struct rte_mempool *mp, void **objs, unsigned int n)
{
	pktpool_t *pool = mp->pool_data;

	if (n == 1 && PREDICT_TRUE(pktpool_try_get(pool, objs, 1)))
		return 0;
	return dequeue_burst(pool, objs, n, __builtin_return_address(0));
}

static int
secondary_enqueue(struct rte_mempool *mp, void *const *objs, unsigned int n)
{
	pktpool_secondary_put(mp->pool_data, objs, n);
	return 0;
}

static int
secondary_dequeue(struct rte_mempool *mp, void **objs, unsigned int n)
{
	pktpool_t *pool = mp->pool_data;

	if (atomic_load_explicit(&pool->is_closing, memory_order_relaxed))
		return -ENOBUFS;
	return pktpool_secondary_get(pool, objs, n);
}

void
pktpool_ops_bind(void)
{
	int is_secondary = rte_eal_process_type() == RTE_PROC_SECONDARY;
	rte_mempool_enqueue_t enqueue = is_secondary ? secondary_enqueue : ops_enqueue;
	rte_mempool_dequeue_t dequeue = is_secondary ? secondary_dequeue : ops_dequeue;

	/* By name: a secondary's table is put into another order. */
	for (u32 i = 0; i < RTE_MEMPOOL_MAX_OPS_IDX; i++) {
		struct rte_mempool_ops *o = &rte_mempool_ops_table.ops[i];

		if (strcmp(o->name, PKTPOOL_OPS_NAME))
			continue;
		/* A secondary's threads have no slots: its native frees go through these, too. */
		if (pktpool_ops_index != (is_secondary ? ~0u : i))
			pktpool_ops_index = is_secondary ? ~0u : i;
		/* Others call them meanwhile: either is right. */
		__atomic_store_n(&o->enqueue, enqueue, __ATOMIC_RELAXED);
		__atomic_store_n(&o->dequeue, dequeue, __ATOMIC_RELAXED);
	}
}

static int
first_enqueue(struct rte_mempool *mp, void *const *objs, unsigned int n)
{
	pktpool_ops_bind();
	return rte_eal_process_type() == RTE_PROC_SECONDARY ? secondary_enqueue(mp, objs, n)
							    : ops_enqueue(mp, objs, n);
}

static int
first_dequeue(struct rte_mempool *mp, void **objs, unsigned int n)
{
	pktpool_ops_bind();
	return rte_eal_process_type() == RTE_PROC_SECONDARY ? secondary_dequeue(mp, objs, n)
							    : ops_dequeue(mp, objs, n);
}

static unsigned int
ops_get_count(const struct rte_mempool *mp)
{
	pktpool_t *pool = mp->pool_data;

	/* Objects on their way between the two sums may be seen twice. */
	return clib_min(pktpool_load(&pool->n_depot) + pktpool_n_cached(pool), pool->n_buffers);
}

/* ---- life ---- */

/* Every get and put is ours to see: DPDK's caches hold nothing.  Not by cache_size, which says
 * where the mempool's private area lies. */
static void
close_caches(struct rte_mempool *mp)
{
	if (!mp->cache_size)
		return;
	for (u32 i = 0; i < RTE_MAX_LCORE; i++) {
		mp->local_cache[i].size = 0;
		mp->local_cache[i].flushthresh = 0;
	}
}

static int
ops_alloc(struct rte_mempool *mp)
{
	pktpool_t *pool = mp->pool_config;

	if (!pool) {
		int error = options.refuse ? options.refuse : pktpool_create_for_mempool(mp, &pool);

		if (error)
			return error;
		pktpool_share_publish_ops();
		if (options.is_accounted)
			close_caches(mp);
	}
	/* Release: a thread that exits meanwhile walks over all mempools, pairs with
	 * pktpool_of_mempool(). */
	__atomic_store_n(&mp->pool_data, pool, __ATOMIC_RELEASE);
	return 0;
}

static void
ops_free(struct rte_mempool *mp)
{
	pktpool_t *pool = mp->pool_data;

	if (pool && !pool->is_in_arena)
		pktpool_free_for_mempool(pool);
}

static ssize_t
ops_calc_mem_size(const struct rte_mempool *mp, u32 n, u32 pg_shift, size_t *min_chunk_size,
		  size_t *align)
{
	pktpool_t *pool = mp->pool_data;

	if (pool->is_in_arena || !options.in_arena)
		return rte_mempool_op_calc_mem_size_default(mp, n, pg_shift, min_chunk_size, align);
	/* A token: the memory is ours.  What populate gets next is the answer to this. */
	pool->is_asked = 1;
	*min_chunk_size = *align = RTE_MEMPOOL_ALIGN;
	return RTE_MEMPOOL_ALIGN;
}

/* Objects of an arena's pool that lie in this chunk: made mbufs, and straight into the depot, which
 * others use meanwhile when the pool grows. */
static int
ops_populate(struct rte_mempool *mp, unsigned int max_objs, void *vaddr, rte_iova_t iova,
	     size_t len, rte_mempool_populate_obj_cb_t *obj_cb, void *obj_cb_arg)
{
	pktpool_t *pool = mp->pool_data;
	pktpool_extent_t *e = pool->placing;
	uword chunk = (uword)vaddr;
	u32 n = 0;

	if (pool->is_asked) {
		pool->is_asked = 0;
		return pktpool_foreign_populate(mp, max_objs, obj_cb, obj_cb_arg);
	}
	if (!pool->is_in_arena)
		return rte_mempool_op_populate_default(mp, max_objs, vaddr, iova, len, obj_cb,
						       obj_cb_arg);
	for (; n < max_objs && e->n_placed < e->n_buffers; n++) {
		uword at = pktpool_object_address(pool, e, e->n_placed);
		void *obj = (void *)(at + mp->header_size);

		if (at + pool->buffer_bytes > chunk + len)
			break;
		memset((void *)at, 0, mp->header_size);
		obj_cb(mp, obj_cb_arg, obj,
		       iova == RTE_BAD_IOVA ? RTE_BAD_IOVA : iova + (at - chunk) + mp->header_size);
		rte_pktmbuf_init(mp, NULL, obj, mp->populated_size);
		pktpool_lock(pool);
		pktpool_depot_put(pool, &obj, 1);
		pktpool_unlock(pool);
		e->n_placed++;
	}
	return (int)n;
}

static const struct rte_mempool_ops ops = {
	.name = PKTPOOL_OPS_NAME,
	.alloc = ops_alloc,
	.free = ops_free,
	.enqueue = first_enqueue,
	.dequeue = first_dequeue,
	.get_count = ops_get_count,
	.calc_mem_size = ops_calc_mem_size,
	.populate = ops_populate,
};

/* DPDK has 16 places, and all but two are taken once Debian's drivers are loaded. */
RTE_INIT(pktpool_ops_register)
{
	int i = -1;

	pktpool_reclaim_init();
	for (u32 k = 0; k < rte_mempool_ops_table.num_ops; k++)
		if (!strcmp(rte_mempool_ops_table.ops[k].name, PKTPOOL_OPS_NAME))
			pktpool_ops_error = -EEXIST;
	if (!pktpool_ops_error && (i = rte_mempool_register_ops(&ops)) < 0)
		pktpool_ops_error = i;
	if (!pktpool_ops_error)
		pktpool_ops_index = (u32)i;
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
