/* SPDX-License-Identifier: Apache-2.0 */
/* Extents: the pieces of the arena that a pool lies in, as it grows and shrinks.
 *
 * Growing is what creating does, once more: memory, IOVAs, DPDK's table of regions, a chunk of the
 * mempool.  An extent that shall go cannot go while one of its buffers is out, and in traffic they
 * are never all in at once: so those that are found free are parked, out of everyone's reach, until
 * the last has come. */
#include <plugins/pool/forensics_impl.h>

#include <pthread.h>
#include <stdlib.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_malloc.h>
#include <rte_memory.h>
#include <vppinfra/mem.h>

/* ---- budgets ---- */

/* Element node + 1; 0 bytes of limit: none.  The lock is no other's inner one. */
static struct {
	pthread_mutex_t lock;
	struct {
		uword limit, n_bytes;
	} nodes[RTE_MAX_NUMA_NODES + 1];
} budget = { .lock = PTHREAD_MUTEX_INITIALIZER };

static u32
budget_slot(int numa_node)
{
	return numa_node >= 0 && numa_node < RTE_MAX_NUMA_NODES ? (u32)numa_node + 1 : 0;
}

int
pktpool_budget_charge(int numa_node, uword n_bytes)
{
	u32 i = budget_slot(numa_node);
	int error = 0;

	pthread_mutex_lock(&budget.lock);
	if (budget.nodes[i].limit && budget.nodes[i].n_bytes + n_bytes > budget.nodes[i].limit)
		error = -EDQUOT;
	else
		budget.nodes[i].n_bytes += n_bytes;
	pthread_mutex_unlock(&budget.lock);
	return error;
}

void
pktpool_budget_return(int numa_node, uword n_bytes)
{
	pthread_mutex_lock(&budget.lock);
	budget.nodes[budget_slot(numa_node)].n_bytes -= n_bytes;
	pthread_mutex_unlock(&budget.lock);
}

int
pktpool_set_budget(int numa_node, uword limit_bytes)
{
	if (numa_node != VM_NODE_ANY && !budget_slot(numa_node))
		return -EINVAL;
	pthread_mutex_lock(&budget.lock);
	budget.nodes[budget_slot(numa_node)].limit = limit_bytes;
	pthread_mutex_unlock(&budget.lock);
	return 0;
}

void
pktpool_get_budget(int numa_node, uword *limit_bytes, uword *n_bytes)
{
	pthread_mutex_lock(&budget.lock);
	*limit_bytes = budget.nodes[budget_slot(numa_node)].limit;
	*n_bytes = budget.nodes[budget_slot(numa_node)].n_bytes;
	pthread_mutex_unlock(&budget.lock);
}

/* ---- an extent ---- */

static struct {
	pktpool_extent_fn_t *fn;
	void *arg;
} extent_hook;

void
pktpool_set_extent_hook(pktpool_extent_fn_t *fn, void *arg)
{
	pktpool_table_lock();
	extent_hook.fn = fn;
	extent_hook.arg = arg;
	pktpool_table_unlock();
}

static int
tell(pktpool_t *pool, pktpool_extent_t *e, int is_coming)
{
	int error = extent_hook.fn
			    ? extent_hook.fn(pool, e->start, e->size, is_coming, extent_hook.arg)
			    : 0;

	e->is_told = is_coming && !error;
	return error;
}

int
pktpool_extent(pktpool_t *pool, u32 i, uword *start, uword *n_bytes)
{
	if (i >= pktpool_load(&pool->n_extents))
		return -ENOENT;
	*start = pool->extents[i].start;
	*n_bytes = pool->extents[i].size;
	return 0;
}

static rte_iova_t
page_iova(uword va)
{
	u64 pa;

	if (rte_eal_iova_mode() == RTE_IOVA_VA)
		return va;
	return vm_va_to_pa((void *)va, &pa) ? RTE_BAD_IOVA : pa;
}

/* Announce the piece once, so rte_mem_virt2iova() and drivers find it.  DPDK itself accepts
 * regions that overlap; whoever then looks an address up gets the wrong one. */
static int
register_with_dpdk(pktpool_t *pool, pktpool_extent_t *e, rte_iova_t *iovas, u32 n_pages)
{
	void *start = (void *)e->start, *last = (void *)(e->start + e->size - 1);

	if (rte_mem_virt2memseg_list(start) || rte_mem_virt2memseg_list(last))
		return -EEXIST;
	if (rte_extmem_register(start, e->size, iovas, n_pages, pool->page_bytes))
		return -rte_errno;
	e->is_registered = 1;
	return 0;
}

/* One chunk of the mempool's mem_list for each run of physically contiguous pages. */
static int
populate(pktpool_t *pool, pktpool_extent_t *e, const rte_iova_t *iovas, u32 n_pages)
{
	u32 first = 0;

	pool->placing = e;
	while (first < n_pages && e->n_placed < e->n_buffers) {
		u32 end = first + 1;
		int n;

		while (end < n_pages &&
		       (iovas[first] == RTE_BAD_IOVA
				? iovas[end] == RTE_BAD_IOVA
				: iovas[end] == iovas[first] + (end - first) * pool->page_bytes))
			end++;
		n = rte_mempool_populate_iova(
			pool->head.mempool, (char *)e->start + first * pool->page_bytes,
			iovas[first], (end - first) * pool->page_bytes, NULL, NULL);
		if (n < 0)
			return n;
		first = end;
	}
	return e->n_placed == e->n_buffers ? 0 : -ENOMEM;
}

int
pktpool_mempool_create(pktpool_t *pool)
{
	struct rte_pktmbuf_pool_private priv = {
		.mbuf_data_room_size = (u16)(RTE_PKTMBUF_HEADROOM + pool->data_bytes),
		.mbuf_priv_size = PKTPOOL_PRIV_BYTES,
	};
	struct rte_mempool *mp = NULL;
	/* Without memory of DPDK's own on that node its bookkeeping may lie elsewhere. */
	int sockets[] = { pool->numa_node, SOCKET_ID_ANY };

	for (u32 i = 0; i < ARRAY_LEN(sockets) && !mp; i++)
		mp = rte_mempool_create_empty(pool->name, pool->n_max,
					      pool->buffer_bytes - PKTPOOL_OBJHDR_BYTES, 0,
					      sizeof(priv), sockets[i], RTE_MEMPOOL_F_NO_SPREAD);
	if (!mp)
		return -rte_errno;
	pool->head.mempool = mp;
	/* A DPDK built with mempool debugging has wider headers. */
	if (mp->header_size != PKTPOOL_OBJHDR_BYTES ||
	    mp->header_size + mp->elt_size + mp->trailer_size != pool->buffer_bytes)
		return -ENOTSUP;
	mp->socket_id = pool->numa_node;
	if (rte_mempool_set_ops_byname(mp, PKTPOOL_OPS_NAME, pool))
		return pktpool_ops_error ? pktpool_ops_error : -ENOTSUP;
	rte_pktmbuf_pool_init(mp, &priv);
	return 0;
}

static int
fill(pktpool_t *pool, pktpool_extent_t *e)
{
	u32 n_pages = (u32)(e->size / pool->page_bytes);
	rte_iova_t *iovas = malloc(n_pages * sizeof(*iovas));
	int error;

	if (!iovas)
		return -ENOMEM;
	for (u32 i = 0; i < n_pages; i++)
		iovas[i] = page_iova(e->start + i * pool->page_bytes);
	error = register_with_dpdk(pool, e, iovas, n_pages);
	if (!error)
		error = tell(pool, e, 1);
	if (!error && !pool->head.mempool)
		error = pktpool_mempool_create(pool);
	if (!error)
		error = populate(pool, e, iovas, n_pages);
	free(iovas);
	return error;
}

int
pktpool_extent_fill(pktpool_t *pool, pktpool_extent_t *e)
{
	uword size = pktpool_layout(pool, e->n_buffers);
	struct rte_mempool *mp;
	int error = pktpool_budget_charge(pool->numa_node, size);

	if (error)
		return error;
	e->start = (uword)vmem_alloc(clib_arena_vmem(pool->arena), size, VM_NOSLEEP);
	if (!e->start) {
		pktpool_budget_return(pool->numa_node, size);
		return -ENOMEM;
	}
	e->size = size;
	mp = pool->head.mempool;
	/* DPDK takes size for the most that there may be, and for what there is. */
	if (mp)
		mp->size = pool->n_max;
	error = fill(pool, e);
	if (pool->head.mempool)
		pool->head.mempool->size = pool->head.mempool->populated_size;
	return error;
}

/* The mempool's chunks and objects of an extent; all its buffers are here. */
static void
unpopulate(pktpool_t *pool, const pktpool_extent_t *e)
{
	struct rte_mempool *mp = pool->head.mempool;
	struct rte_mempool_memhdr_list chunks = STAILQ_HEAD_INITIALIZER(chunks);
	struct rte_mempool_objhdr_list objs = STAILQ_HEAD_INITIALIZER(objs);
	struct rte_mempool_memhdr *c;
	struct rte_mempool_objhdr *o;

	while ((o = STAILQ_FIRST(&mp->elt_list))) {
		STAILQ_REMOVE_HEAD(&mp->elt_list, next);
		if ((uword)o - e->start >= e->size)
			STAILQ_INSERT_TAIL(&objs, o, next);
		else
			mp->populated_size--;
	}
	STAILQ_CONCAT(&mp->elt_list, &objs);
	while ((c = STAILQ_FIRST(&mp->mem_list))) {
		STAILQ_REMOVE_HEAD(&mp->mem_list, next);
		if ((uword)c->addr - e->start >= e->size) {
			STAILQ_INSERT_TAIL(&chunks, c, next);
			continue;
		}
		mp->nb_mem_chunks--;
		rte_free(c);
	}
	STAILQ_CONCAT(&mp->mem_list, &chunks);
	mp->size = mp->populated_size;
}

void
pktpool_extent_free(pktpool_t *pool, pktpool_extent_t *e)
{
	if (e->is_told)
		tell(pool, e, 0);
	if (e->is_registered)
		rte_extmem_unregister((void *)e->start, e->size);
	if (e->start) {
		vmem_free(clib_arena_vmem(pool->arena), (void *)e->start, e->size);
		pktpool_budget_return(pool->numa_node, e->size);
	}
	if (e->parked)
		clib_mem_heap_free(pool->heap, e->parked);
	memset(e, 0, sizeof(*e));
}

/* ---- grow ---- */

/* An extent on its way out stays; its parked buffers are had at once. */
static u32
unpark(pktpool_t *pool, u32 n_wanted)
{
	u32 n = 0;

	for (u32 i = 1; i < pool->n_extents && n < n_wanted; i++) {
		pktpool_extent_t *e = &pool->extents[i];

		if (!e->parked)
			continue;
		n += e->n_buffers;
		pktpool_lock(pool);
		pktpool_depot_put(pool, e->parked, e->n_parked);
		pktpool_store(&pool->n_parked, pktpool_load(&pool->n_parked) - e->n_parked);
		e->n_parked = 0;
		pktpool_depot_filled(pool);
		pktpool_unlock(pool);
		clib_mem_heap_free(pool->heap, e->parked);
		e->parked = NULL;
	}
	return n;
}

/* The table's lock is held. */
static int
grow(pktpool_t *pool, u32 n)
{
	u32 k = pool->n_extents, n_before = pool->n_buffers;
	pktpool_extent_t *e = &pool->extents[k];
	int error;

	if (k == PKTPOOL_N_EXTENTS || n > pool->n_max - n_before)
		return -ENOSPC;
	memset(e, 0, sizeof(*e));
	e->n_buffers = n;
	/* Before a buffer is out: whoever counts what is free finds no more than there are. */
	pktpool_store(&pool->n_buffers, n_before + n);
	/* Release: the extent's start and size, for those who look an address up. */
	atomic_store_explicit(&pool->n_extents, k + 1, memory_order_release);
	error = pktpool_extent_fill(pool, e);
	if (error) {
		/* Nothing has been placed unless DPDK ran out of memory in the middle: those
		 * buffers stay. */
		u32 n_out = e->n_placed;

		pktpool_store(&pool->n_buffers, n_before + n_out);
		if (!n_out) {
			pktpool_store(&pool->n_extents, k);
			pktpool_extent_free(pool, e);
		} else {
			e->n_buffers = n_out;
		}
	}
	return error;
}

int
pktpool_grow(pktpool_t *pool, u32 n)
{
	int error = 0;
	u32 n_back;

	if (!pool->is_in_arena || !n)
		return -EINVAL;
	pktpool_table_lock();
	n_back = unpark(pool, n);
	if (n > n_back)
		error = grow(pool, n - n_back);
	pktpool_table_unlock();
	return error;
}

/* ---- shrink ---- */

/* Bring home what can be, and park what belongs to extents that shall go.  The depot's lock is
 * held for one pass over all that is free. */
static void
park(pktpool_t *pool, void **scratch)
{
	u32 n, n_kept = 0;

	pktpool_lock(pool);
	pktpool_reclaim(pool, NULL, pktpool_load(&pool->n_depot) + 1);
	n = pktpool_load(&pool->n_depot);
	pktpool_depot_take(pool, scratch, n);
	for (u32 i = 0; i < n; i++) {
		pktpool_extent_t *e = (pktpool_extent_t *)pktpool_extent_of(
			pool, (uword)scratch[i] - PKTPOOL_OBJHDR_BYTES);

		if (e && e->parked && e->n_parked < e->n_buffers) {
			e->parked[e->n_parked++] = scratch[i];
			pktpool_store(&pool->n_parked, pktpool_load(&pool->n_parked) + 1);
		} else {
			scratch[n_kept++] = scratch[i];
		}
	}
	pktpool_depot_put(pool, scratch, n_kept);
	pktpool_unlock(pool);
}

/* Mark the latest extents until n buffers are on their way out. */
static int
choose(pktpool_t *pool, u32 n)
{
	u32 n_chosen = 0;

	for (u32 i = pool->n_extents; --i > 0 && n_chosen < n;) {
		pktpool_extent_t *e = &pool->extents[i];

		if (n_chosen + e->n_buffers > n)
			break;
		n_chosen += e->n_buffers;
		if (e->parked)
			continue;
		e->parked = clib_mem_heap_alloc(pool->heap, e->n_buffers * sizeof(void *));
		if (!e->parked)
			return -ENOMEM;
	}
	return n_chosen ? 0 : -ENOENT;
}

/* @return buffers of extents that are still out. */
static u32
release_extents(pktpool_t *pool)
{
	u32 n_out = 0;

	for (u32 i = pool->n_extents; --i > 0;) {
		pktpool_extent_t *e = &pool->extents[i], *last;

		if (!e->parked)
			continue;
		if (e->n_parked < e->n_buffers) {
			n_out += e->n_buffers - e->n_parked;
			continue;
		}
		pktpool_store(&pool->n_parked, pktpool_load(&pool->n_parked) - e->n_buffers);
		pktpool_store(&pool->n_buffers, pool->n_buffers - e->n_buffers);
		unpopulate(pool, e);
		pktpool_extent_free(pool, e);
		last = &pool->extents[pool->n_extents - 1];
		if (e != last) {
			*e = *last;
			memset(last, 0, sizeof(*last));
		}
		pktpool_store(&pool->n_extents, pool->n_extents - 1);
	}
	return n_out;
}

int
pktpool_shrink(pktpool_t *pool, u32 n, u32 *n_out)
{
	void **scratch;
	u32 n_still = 0;
	int error;

	if (!pool->is_in_arena || !n)
		return -EINVAL;
	pktpool_table_lock();
	error = choose(pool, n);
	scratch = error ? NULL : malloc(pool->n_buffers * sizeof(*scratch));
	if (!error && !scratch)
		error = -ENOMEM;
	if (!error) {
		park(pool, scratch);
		n_still = release_extents(pool);
		error = n_still ? -EAGAIN : 0;
	}
	free(scratch);
	pktpool_table_unlock();
	if (n_out)
		*n_out = n_still;
	return error;
}
