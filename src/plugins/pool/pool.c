/* SPDX-License-Identifier: Apache-2.0 */
/* Pools: creation, layout in the arena's pages, registration with DPDK, lookup.
 *
 * Layout.  Buffers of a page lie one behind the other; the page's first one is moved by a colour,
 * as many lines as the page's remainder allows, so that page starts do not meet in one cache set.
 * Where pages are smaller than 64 KiB and IOVA is VA a buffer needs no physical contiguity, and
 * they are packed across pages instead: one buffer a 4 KiB page would waste 40 % of the memory and
 * set all headers at one page offset.  With physical IOVAs small pages hold whole buffers only. */
#include <plugins/pool/pktpool_impl.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_lcore.h>
#include <rte_memory.h>
#include <rte_malloc.h>
#include <vppinfra/mem.h>

#define SMALL_PAGE_BYTES KiB(64)
/* An index counts lines of the window: so many of the smallest buffers could be named at all. */
#define MAX_BUFFERS (1u << 26)

u8 *pktpool_mem_start;

/* lock guards the table and what creation and destruction do once; it is never taken by a
 * buffer's way. */
static struct {
	pthread_mutex_t lock;
	u8 exit_is_registered;
	_Atomic u32 limit; /* one above the greatest index that was ever taken */
	_Atomic(pktpool_t *) pools[PKTPOOL_MAX_POOLS];
} pktpool_main = { .lock = PTHREAD_MUTEX_INITIALIZER };

pktpool_t *
pktpool_at(u32 i)
{
	/* Acquire: the pool is whole, pairs with table_add(). */
	return atomic_load_explicit(&pktpool_main.pools[i], memory_order_acquire);
}

u32
pktpool_table_limit(void)
{
	return pktpool_load(&pktpool_main.limit);
}

/* ---- layout ---- */

uword
pktpool_layout(pktpool_t *pool, u32 n)
{
	uword page = pool->page_bytes, rest, n_pages;

	pool->n_colours = 1;
	if (pool->may_cross_pages && page < SMALL_PAGE_BYTES) {
		pool->n_per_page = 0;
		return round_pow2((uword)n * pool->buffer_bytes, page);
	}
	pool->n_per_page = (u32)(page / pool->buffer_bytes);
	if (!pool->n_per_page)
		return 0;
	rest = page - (uword)pool->n_per_page * pool->buffer_bytes;
	pool->n_colours = (u32)(rest / CLIB_CACHE_LINE_BYTES) + 1;
	n_pages = ((uword)n + pool->n_per_page - 1) / pool->n_per_page;
	return n_pages * page;
}

uword
pktpool_object_address(const pktpool_t *pool, const pktpool_extent_t *e, u32 i)
{
	uword page;

	if (!pool->n_per_page)
		return e->start + (uword)i * pool->buffer_bytes;
	page = i / pool->n_per_page;
	return e->start + page * pool->page_bytes + page % pool->n_colours * CLIB_CACHE_LINE_BYTES +
	       (uword)(i % pool->n_per_page) * pool->buffer_bytes;
}

u32
pktpool_object_number(const pktpool_t *pool, const pktpool_extent_t *e, uword address)
{
	uword offset = address - e->start, page = 0, i;

	if (offset >= e->size)
		return ~0u;
	if (pool->n_per_page) {
		uword colour;

		page = offset / pool->page_bytes;
		offset %= pool->page_bytes;
		colour = page % pool->n_colours * CLIB_CACHE_LINE_BYTES;
		if (offset < colour)
			return ~0u;
		offset -= colour;
	}
	i = offset / pool->buffer_bytes;
	if (offset % pool->buffer_bytes || (pool->n_per_page && i >= pool->n_per_page))
		return ~0u;
	i += page * pool->n_per_page;
	return i < e->n_buffers ? (u32)i : ~0u;
}

const pktpool_extent_t *
pktpool_extent_of(const pktpool_t *pool, uword address)
{
	u32 n = pktpool_load(&pool->n_extents);

	for (u32 i = 0; i < n; i++)
		if (pktpool_object_number(pool, &pool->extents[i], address) != ~0u)
			return &pool->extents[i];
	return NULL;
}

int
pktpool_is_object(const pktpool_t *pool, const void *obj)
{
	struct rte_mempool *mp = pool->head.mempool;
	struct rte_mempool_memhdr *chunk;

	if (pool->is_in_arena)
		return pktpool_extent_of(pool, (uword)obj - PKTPOOL_OBJHDR_BYTES) != NULL;
	STAILQ_FOREACH(chunk, &mp->mem_list, next)
	if ((uword)obj - (uword)chunk->addr < chunk->len &&
	    (uword)obj - (uword)chunk->addr >= mp->header_size)
		return rte_mempool_from_obj((void *)obj) == mp;
	return 0;
}

/* ---- table ---- */

static int
table_add(pktpool_t *pool)
{
	for (u32 i = 0; i < PKTPOOL_MAX_POOLS; i++) {
		if (pktpool_at(i))
			continue;
		pool->index = (u8)i;
		pktpool_store(&pktpool_main.limit,
			      clib_max(pktpool_load(&pktpool_main.limit), i + 1));
		/* Release: the pool is whole for readers without the lock, pairs with pktpool_at().
		 */
		atomic_store_explicit(&pktpool_main.pools[i], pool, memory_order_release);
		return 0;
	}
	return -ENOSPC;
}

void
pktpool_table_lock(void)
{
	pthread_mutex_lock(&pktpool_main.lock);
}

void
pktpool_table_unlock(void)
{
	pthread_mutex_unlock(&pktpool_main.lock);
}

static void
table_remove(pktpool_t *pool)
{
	atomic_store_explicit(&pktpool_main.pools[pool->index], NULL, memory_order_release);
}

void *
pktpool_table_alloc(pktpool_t *pool, uword n_bytes)
{
	if (!pool->heap)
		return rte_malloc_socket("vmheap-pool", n_bytes, CLIB_CACHE_LINE_BYTES,
					 pool->numa_node);
	return clib_mem_heap_alloc_aligned(pool->heap, n_bytes, CLIB_CACHE_LINE_BYTES);
}

void
pktpool_table_free(pktpool_t *pool, void *p)
{
	if (!pool->heap)
		rte_free(p);
	else
		clib_mem_heap_free(pool->heap, p);
}

/* The lock of the table is held, so no pool goes away under us. */
static void
flush_thread_index(u16 index)
{
	for (u32 i = 0; i < PKTPOOL_MAX_POOLS; i++) {
		pktpool_t *pool = pktpool_at(i);
		pktpool_thread_t *t = pool ? pktpool_thread(pool, index) : NULL;

		if (!t)
			continue;
		pktpool_lock(pool);
		pktpool_thread_drain(pool, t);
		pktpool_depot_filled(pool);
		pktpool_unlock(pool);
	}
}

static void
flush_everywhere(u16 index)
{
	pthread_mutex_lock(&pktpool_main.lock);
	flush_thread_index(index);
	pthread_mutex_unlock(&pktpool_main.lock);
	pktpool_foreign_flush(index);
}

static void
thread_exits(void *arg, u16 index)
{
	pktpool_thread_leaves();
	flush_everywhere(index);
}

/* The lock of the table is held. */
static int
watch_threads(void)
{
	int error = 0;

	if (!pktpool_main.exit_is_registered)
		error = clib_thread_at_exit(thread_exits, NULL);
	if (!error)
		pktpool_main.exit_is_registered = 1;
	return error;
}

int
pktpool_watch_threads(void)
{
	int error;

	pthread_mutex_lock(&pktpool_main.lock);
	error = watch_threads();
	pthread_mutex_unlock(&pktpool_main.lock);
	return error;
}

void
pktpool_flush_thread(void)
{
	u16 index = clib_thread_index();

	if (index != CLIB_THREAD_INDEX_NONE)
		flush_everywhere(index);
}

/* What alloc stores into each mbuf: an mbuf as DPDK's own reset leaves it, taken from the first. */
static void
template_init(pktpool_t *pool)
{
	struct rte_mbuf *first =
		(struct rte_mbuf *)(pktpool_object_address(pool, pool->extents, 0) +
				    PKTPOOL_OBJHDR_BYTES);

	_Static_assert(offsetof(struct rte_mbuf, rearm_data) == 16 &&
			       offsetof(struct rte_mbuf, ol_flags) == 24 &&
			       offsetof(struct rte_mbuf, pool) == 56 &&
			       offsetof(struct rte_mbuf, next) == 64 &&
			       offsetof(struct rte_mbuf, tx_offload) == 72,
		       "pktpool_freshen() and pktpool_not_plain() know the layout of an mbuf");
	rte_pktmbuf_reset(first);
	memcpy(pool->head.fresh, (u8 *)first + 16, sizeof(pool->head.fresh));
	pool->head.has_fresh = 1;
}

/* ---- create, destroy ---- */

static void
release(pktpool_t *pool)
{
	void *heap = pool->heap;

	pktpool_trace_off(pool);
	pktpool_close(pool);
	rte_mempool_free(pool->head.mempool);
	for (u32 i = 0; i < pool->n_extents; i++)
		pktpool_extent_free(pool, &pool->extents[i]);
	pktpool_depot_free(pool);
	clib_mem_heap_free(heap, pool);
}

u32
pktpool_magazine_size(u32 n_buffers)
{
	u32 n_magazines =
		clib_max(PKTPOOL_MIN_MAGAZINES, PKTPOOL_MAGAZINES_PER_LCORE * rte_lcore_count());
	u32 m_size = (u32)max_pow2(n_buffers / n_magazines + 1) / 2;

	return clib_clamp(m_size, PKTPOOL_MAGAZINE_MIN, PKTPOOL_MAGAZINE_MAX);
}

static int
struct_alloc(void *heap, const char *name, u32 n_buffers, u32 n_max, pktpool_t **result)
{
	pktpool_t *pool = clib_mem_heap_alloc_aligned(heap, sizeof(*pool), CLIB_CACHE_LINE_BYTES);

	if (!pool)
		return -ENOMEM;
	memset(pool, 0, sizeof(*pool));
	pool->heap = heap;
	pool->n_buffers = n_buffers;
	pool->n_max = n_max;
	pool->magazine_size = pktpool_magazine_size(n_buffers);
	pktpool_slots_init(pool);
	snprintf(pool->name, sizeof(pool->name), "%s", name);
	*result = pool;
	return 0;
}

static int
publish(pktpool_t *pool)
{
	int error;

	pktpool_store(&pool->n_low_water, pool->n_buffers);
	pool->depot_low_water = pool->n_buffers;
	pool->rearm_mark = ~0u;
	pthread_mutex_lock(&pktpool_main.lock);
	error = watch_threads();
	if (!error)
		error = table_add(pool);
	pthread_mutex_unlock(&pktpool_main.lock);
	return error;
}

int
pktpool_create(const pktpool_params_t *params, pktpool_t **result)
{
	vm_range_t *range;
	uword base = (uword)vm_window_base();
	u32 n_max = clib_max(params->n_max, params->n_buffers);
	pktpool_t *pool;
	int error;

	if (!params->name || !params->name[0] || strlen(params->name) >= sizeof(pool->name) ||
	    !params->n_buffers || !params->arena || !params->heap || n_max > MAX_BUFFERS ||
	    params->data_bytes > UINT16_MAX - RTE_PKTMBUF_HEADROOM)
		return -EINVAL;
	if (pktpool_ops_error)
		return pktpool_ops_error;
	range = clib_arena_range(params->arena);
	if (!base || (uword)vm_range_base(range) - base >= VM_WINDOW_BYTES)
		return -EINVAL;
	error = struct_alloc(params->heap, params->name, params->n_buffers, n_max, &pool);
	if (error)
		return error;
	pool->is_in_arena = 1;
	pool->arena = params->arena;
	pool->numa_node = params->numa_node;
	pool->data_bytes = params->data_bytes;
	/* Odd in lines, so successive headers visit every cache set. */
	pool->buffer_bytes = (u32)round_pow2(PKTPOOL_OBJHDR_BYTES + sizeof(struct rte_mbuf) +
						     PKTPOOL_PRIV_BYTES + RTE_PKTMBUF_HEADROOM +
						     params->data_bytes,
					     CLIB_CACHE_LINE_BYTES) |
			     CLIB_CACHE_LINE_BYTES;
	pool->page_bytes = vm_range_page_bytes(range);
	pool->log2_page_size = (u8)min_log2(pool->page_bytes);
	pool->may_cross_pages = rte_eal_iova_mode() == RTE_IOVA_VA;
	error = pktpool_layout(pool, 1) ? pktpool_depot_init(pool) : -ENOTSUP;
	if (!error) {
		pool->n_extents = 1;
		pool->extents[0].n_buffers = params->n_buffers;
		error = pktpool_extent_fill(pool, pool->extents);
	}
	if (!error) {
		pktpool_mem_start = (u8 *)base;
		template_init(pool);
		error = publish(pool);
	}
	if (error) {
		release(pool);
		return error;
	}
	*result = pool;
	return 0;
}

int
pktpool_destroy(pktpool_t *pool, u32 *n_in_flight)
{
	u32 n_free, n_used;

	if (!pool->is_in_arena)
		return -EINVAL;
	pthread_mutex_lock(&pktpool_main.lock);
	n_free = pktpool_load(&pool->n_depot) + pktpool_n_cached(pool) +
		 pktpool_load(&pool->n_parked);
	n_used = pool->n_buffers - clib_min(n_free, pktpool_load(&pool->n_buffers));
	if (!n_used)
		table_remove(pool);
	pthread_mutex_unlock(&pktpool_main.lock);
	if (n_in_flight)
		*n_in_flight = n_used;
	if (n_used)
		return -EBUSY;
	release(pool);
	return 0;
}

/* ---- looking ---- */

struct rte_mempool *
pktpool_mempool(pktpool_t *pool)
{
	return pool->head.mempool;
}

pktpool_t *
pktpool_of_mempool(const struct rte_mempool *mp)
{
	const struct rte_mempool_ops *o = mp ? rte_mempool_get_ops(mp->ops_index) : NULL;

	/* Acquire: the pool is whole, pairs with ops_alloc(). */
	return o && !strcmp(o->name, PKTPOOL_OPS_NAME)
		       ? __atomic_load_n(&mp->pool_data, __ATOMIC_ACQUIRE)
		       : NULL;
}

/* The kernel's distance between two nodes, 10 for a node to itself; a great one when unknown. */
static u32
node_distance(int from, int to)
{
	char path[64];
	u32 d, distance = 1000;
	FILE *f;

	if (from == to)
		return 10;
	snprintf(path, sizeof(path), "/sys/devices/system/node/node%d/distance", from);
	f = fopen(path, "r");
	if (!f)
		return distance;
	for (int i = 0; i <= to && fscanf(f, "%u", &d) == 1; i++)
		if (i == to)
			distance = d;
	fclose(f);
	return distance;
}

pktpool_t *
pktpool_by_node(int numa_node)
{
	u32 best_distance = ~0u;
	pktpool_t *best = NULL;

	for (u32 i = 0; i < PKTPOOL_MAX_POOLS; i++) {
		pktpool_t *pool = pktpool_at(i);
		u32 d;

		if (!pool || !pool->is_in_arena)
			continue;
		d = node_distance(numa_node, pool->numa_node);
		if (d < best_distance) {
			best_distance = d;
			best = pool;
		}
	}
	return best;
}

void
pktpool_foreach(int (*fn)(pktpool_t *pool, void *arg), void *arg)
{
	for (u32 i = 0; i < PKTPOOL_MAX_POOLS; i++) {
		pktpool_t *pool = pktpool_at(i);

		if (pool && fn(pool, arg))
			return;
	}
	pktpool_foreign_foreach(fn, arg);
}

int
pktpool_index_is_valid(u32 index)
{
	uword address = (uword)pktpool_mbuf(index) - PKTPOOL_OBJHDR_BYTES;

	if (!index || !pktpool_mem_start)
		return 0;
	for (u32 i = 0; i < PKTPOOL_MAX_POOLS; i++) {
		pktpool_t *pool = pktpool_at(i);

		if (pool && pool->is_in_arena && pktpool_extent_of(pool, address))
			return 1;
	}
	return 0;
}

int
pktpool_alloc_slow(pktpool_t *pool, struct rte_mbuf **mbufs, u32 n)
{
	int error = pktpool_get_at(pool, (void **)mbufs, n, __builtin_return_address(0));

	if (PREDICT_FALSE(error))
		return error;
	for (u32 i = 0; i < n; i++)
		rte_pktmbuf_reset(mbufs[i]);
	return 0;
}

/* Segments of one pool wait here for their turn together. */
typedef struct {
	struct rte_mempool *mp;
	const void *site;
	u32 n;
	void *objs[64];
} pending_t;

static void
pending_flush(pending_t *p)
{
	if (!p->n)
		return;
	if ((u32)p->mp->ops_index == pktpool_ops_index)
		pktpool_put_at(p->mp->pool_data, p->objs, p->n, p->site);
	else
		rte_mempool_put_bulk(p->mp, p->objs, p->n);
	p->n = 0;
}

void
pktpool_free_slow(struct rte_mbuf **mbufs, u32 n)
{
	pending_t p = { .site = __builtin_return_address(0) };

	for (u32 i = 0; i < n; i++) {
		struct rte_mbuf *m = mbufs[i], *next;

		for (; m; m = next) {
			next = m->next;
			if (PREDICT_FALSE(!rte_mbuf_refcnt_read(m)) &&
			    pktpool_trace_free_of_zero(m, p.site))
				continue;
			m = rte_pktmbuf_prefree_seg(m);
			if (!m)
				continue;
			if (m->pool != p.mp || p.n == ARRAY_LEN(p.objs))
				pending_flush(&p);
			p.mp = m->pool;
			p.objs[p.n++] = m;
		}
	}
	pending_flush(&p);
}

u32
pktpool_thread_cached(pktpool_t *pool, u16 thread_index)
{
	pktpool_thread_t *t =
		thread_index < CLIB_MAX_THREADS ? pktpool_thread(pool, thread_index) : NULL;

	return t ? slot_n_cached(t) : 0;
}

void
pktpool_get_info(pktpool_t *pool, pktpool_info_t *info)
{
	u32 n_free;

	memset(info, 0, sizeof(*info));
	memcpy(info->name, pool->name, sizeof(info->name));
	info->index = pool->index;
	info->numa_node = pool->numa_node;
	info->buffer_bytes = pool->buffer_bytes;
	info->data_bytes = pool->data_bytes;
	info->log2_page_size = pool->log2_page_size;
	info->magazine_size = pool->magazine_size;
	info->n_total = pool->n_buffers;
	info->n_depot = pktpool_load(&pool->n_depot);
	info->n_cached = pktpool_n_cached(pool);
	info->n_reserved = pktpool_load(&pool->n_reserved);
	n_free = clib_min(info->n_depot + info->n_cached, info->n_total);
	info->n_parked = pktpool_load(&pool->n_parked);
	info->n_used =
		info->n_total - clib_min(n_free + info->n_reserved + info->n_parked, info->n_total);
	info->n_max = pool->n_max;
	info->n_extents = pktpool_load(&pool->n_extents);
	info->n_misses = atomic_load_explicit(&pool->n_misses, memory_order_relaxed);
	info->n_failures = atomic_load_explicit(&pool->n_failures, memory_order_relaxed);
	info->n_reclaims = atomic_load_explicit(&pool->n_reclaims, memory_order_relaxed);
	info->n_bad_puts = atomic_load_explicit(&pool->n_bad_puts, memory_order_relaxed);
	info->n_low_water = clib_min(pktpool_load(&pool->n_low_water), n_free);
	info->start = pool->extents[0].start;
	info->size = pool->extents[0].size;
}
