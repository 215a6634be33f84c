/* SPDX-License-Identifier: Apache-2.0 */
/* Somebody else's mempool with its objects in our node's arena.
 *
 * DPDK's list of memory chunks stays honest: each run of contiguous pages is an entry of it that we
 * make and DPDK frees, so whoever reads the list (af_xdp's umem, a NIC's memory regions) finds the
 * objects there, and the first chunk holds the first object.  The chunk that DPDK reserved itself,
 * one line long, follows and holds none.  The span is announced to DPDK as external memory. */
#include <plugins/pool/pktpool_impl.h>

#include <stdlib.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_malloc.h>
#include <vppinfra/mem.h>
#include <vppinfra/mem_setup.h>

typedef struct {
	pktpool_t *pool;
	uword start, size;
	u32 n_pages;
	uword page_bytes;
	rte_iova_t *iovas;
	u32 n_chunks; /* linked into the mempool so far; the last one frees the span */
} span_t;

/* The memory of the first node that has any, if this one has none. */
static clib_arena_t *
node_arena(int node)
{
	clib_arena_t *arena = NULL;

	/* -EALREADY: the program, or a pool before this one, did it. */
	clib_mem_setup(NULL, NULL, 0);
	if (node >= 0)
		arena = clib_mem_numa_arena((u32)node);
	for (u32 i = 0; i < vm_n_numa_nodes() && !arena; i++)
		arena = clib_mem_numa_arena(i);
	return arena;
}

/* All of it is one extent; DPDK counts and frees the objects. */
static void
span_release(pktpool_t *pool)
{
	pktpool_extent_t *e = &pool->extents[0];

	if (e->is_registered)
		rte_extmem_unregister((void *)e->start, e->size);
	e->is_registered = 0;
	if (e->start)
		vmem_free(clib_arena_vmem(pool->arena), (void *)e->start, e->size);
	e->start = e->size = 0;
}

/* DPDK frees the chunks one by one, when all objects are gone: the first of ours takes the span. */
static void
chunk_freed(struct rte_mempool_memhdr *memhdr, void *opaque)
{
	span_release(opaque);
}

static int
take_span(struct rte_mempool *mp, u32 n, span_t *s)
{
	pktpool_t *pool = s->pool;
	size_t min_chunk, align, page = 0;
	ssize_t n_bytes;

	if (pool->extents[0].start)
		return -ENOMEM;
	pool->arena = node_arena(mp->socket_id);
	if (!pool->arena)
		return -ENOMEM;
	s->page_bytes = vm_range_page_bytes(clib_arena_range(pool->arena));
	/* Whole objects in a page, whether or not pages turn out contiguous; DPDK places them and
	 * thinks of its own page size. */
	rte_mempool_get_page_size(mp, &page);
	page = page ? clib_min(page, s->page_bytes) : s->page_bytes;
	n_bytes = rte_mempool_op_calc_mem_size_default(mp, n, min_log2(page), &min_chunk, &align);
	if (n_bytes < 0)
		return (int)n_bytes;
	s->size = round_pow2((uword)n_bytes, s->page_bytes);
	s->start = (uword)vmem_alloc(clib_arena_vmem(pool->arena), s->size, VM_NOSLEEP);
	if (!s->start)
		return -ENOMEM;
	pool->extents[0].start = s->start;
	pool->extents[0].size = s->size;
	pool->page_bytes = s->page_bytes;
	pool->log2_page_size = (u8)min_log2(s->page_bytes);
	s->n_pages = (u32)(s->size / s->page_bytes);
	return 0;
}

static int
announce(span_t *s)
{
	int is_va = rte_eal_iova_mode() == RTE_IOVA_VA;
	u64 pa;

	s->iovas = malloc(s->n_pages * sizeof(*s->iovas));
	if (!s->iovas)
		return -ENOMEM;
	for (u32 i = 0; i < s->n_pages; i++) {
		uword va = s->start + i * s->page_bytes;

		s->iovas[i] = is_va ? va : vm_va_to_pa((void *)va, &pa) ? RTE_BAD_IOVA : pa;
	}
	if (rte_mem_virt2memseg_list((void *)s->start) ||
	    rte_mem_virt2memseg_list((void *)(s->start + s->size - 1)))
		return -EEXIST;
	if (rte_extmem_register((void *)s->start, s->size, s->iovas, s->n_pages, s->page_bytes))
		return -rte_errno;
	s->pool->extents[0].is_registered = 1;
	return 0;
}

/* One entry of the list, then its objects. */
static int
add_chunk(struct rte_mempool *mp, span_t *s, u32 first, u32 end, u32 max_objs,
	  rte_mempool_populate_obj_cb_t *obj_cb, void *obj_cb_arg)
{
	struct rte_mempool_memhdr *h = rte_zmalloc("MEMPOOL_MEMHDR", sizeof(*h), 0);
	char *at = (char *)s->start + first * s->page_bytes;
	int n;

	if (!h)
		return -ENOMEM;
	h->mp = mp;
	h->addr = at;
	h->iova = s->iovas[first];
	h->len = (end - first) * s->page_bytes;
	h->opaque = s->pool;
	n = rte_mempool_op_populate_default(mp, max_objs, at, h->iova, h->len, obj_cb, obj_cb_arg);
	if (n <= 0) {
		rte_free(h);
		return n;
	}
	if (!s->n_chunks++)
		h->free_cb = chunk_freed;
	STAILQ_INSERT_TAIL(&mp->mem_list, h, next);
	mp->nb_mem_chunks++;
	return n;
}

static u32
run_end(const span_t *s, u32 first)
{
	u32 end = first + 1;

	while (end < s->n_pages &&
	       (s->iovas[first] == RTE_BAD_IOVA
			? s->iovas[end] == RTE_BAD_IOVA
			: s->iovas[end] == s->iovas[first] + (end - first) * s->page_bytes))
		end++;
	return end;
}

int
pktpool_foreign_populate(struct rte_mempool *mp, u32 max_objs,
			 rte_mempool_populate_obj_cb_t *obj_cb, void *obj_cb_arg)
{
	span_t s = { .pool = mp->pool_data };
	int error = take_span(mp, max_objs, &s);
	u32 n_done = 0;

	if (!error)
		error = announce(&s);
	for (u32 first = 0; !error && first < s.n_pages && n_done < max_objs;) {
		u32 end = run_end(&s, first);
		int n = add_chunk(mp, &s, first, end, max_objs - n_done, obj_cb, obj_cb_arg);

		if (n < 0)
			error = n;
		else
			n_done += (u32)n;
		first = end;
	}
	free(s.iovas);
	/* With a chunk in its list DPDK unwinds through chunk_freed(). */
	if (error && !s.n_chunks)
		span_release(s.pool);
	if (error)
		return error;
	s.pool->is_private = 1;
	return (int)n_done;
}
