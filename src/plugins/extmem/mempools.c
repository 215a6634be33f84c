/* SPDX-License-Identifier: Apache-2.0 */
/* Pools of packet buffers in a piece.  Where IOVAs are addresses a pool is one chunk; where they
 * are physical each page is a chunk, and no object crosses from one to the next. */
#include <plugins/extmem/extmem_impl.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <rte_errno.h>
#include <rte_mbuf.h>
#include <rte_mbuf_pool_ops.h>
#include <vppinfra/mem.h>
#include <vppinfra/vec.h>

/* The memory of one pool; the last of its chunks gives it back. */
typedef struct {
	vmheap_extmem_t *x;
	void *start;
	uword n_bytes;
	u32 n_chunks;
} lease_t;

/* ---- who lies where ---- */

typedef struct {
	uword base, n_bytes;
	u32 n;
	const char *name;
} tenants_t;

static void
count_tenant(struct rte_mempool *mp, void *arg)
{
	struct rte_mempool_memhdr *h;
	tenants_t *t = arg;

	STAILQ_FOREACH(h, &mp->mem_list, next)
	{
		if ((uword)h->addr - t->base >= t->n_bytes)
			continue;
		t->n++;
		t->name = mp->name;
		return;
	}
}

u32
extmem_n_pools_in(uword base, uword n_bytes, const char **name)
{
	tenants_t t = { base, n_bytes, 0, "" };

	rte_mempool_walk(count_tenant, &t);
	*name = t.name;
	return t.n;
}

/* ---- mbufs and data ---- */

static int
is_physical(void)
{
	return rte_eal_iova_mode() == RTE_IOVA_PA;
}

/* Bytes for n things of so many bytes, and how much of it is one chunk; 0 they cannot be had. */
static uword
bytes_for(const vmheap_extmem_t *x, u32 n, uword each, uword *chunk)
{
	uword page = 1ULL << x->map.log2_page, per_page = page / each;

	/* A cache line more: DPDK aligns the first object. */
	*chunk = n * each + CLIB_CACHE_LINE_BYTES;
	if (!is_physical() || *chunk <= page)
		return is_physical() ? page : *chunk;
	*chunk = page;
	return per_page ? (n + per_page - 1) / per_page * page : 0;
}

static void
give_chunk(struct rte_mempool_memhdr *h, void *arg)
{
	lease_t *l = arg;

	if (--l->n_chunks)
		return;
	vmem_xfree(l->x->vmem, l->start, l->n_bytes);
	clib_mem_free(l);
}

static void *
take(vmheap_extmem_t *x, uword n_bytes)
{
	uword align = is_physical() ? 1ULL << x->map.log2_page : CLIB_CACHE_LINE_BYTES;

	return x->vmem && n_bytes
		       ? vmem_xalloc(x->vmem, n_bytes, align, 0, 0, NULL, NULL, VM_NOSLEEP)
		       : NULL;
}

static int
populate(vmheap_extmem_t *x, struct rte_mempool *mp)
{
	uword each = mp->header_size + mp->elt_size + mp->trailer_size, chunk;
	lease_t *l = clib_mem_alloc_or_null(sizeof(*l));
	uword n_bytes = bytes_for(x, mp->size, each, &chunk);
	void *start = l ? take(x, n_bytes) : NULL;

	if (!start) {
		clib_mem_free(l);
		return -ENOMEM;
	}
	/* One for ourselves, so that a pool that fails half way does not give it back twice. */
	*l = (lease_t){ .x = x, .start = start, .n_bytes = n_bytes, .n_chunks = 1 };
	for (uword at = 0; at < n_bytes && mp->populated_size < mp->size; at += chunk) {
		uword len = clib_min(chunk, n_bytes - at);
		char *va = (char *)start + at;
		int rc = rte_mempool_populate_iova(mp, va, vmheap_extmem_iova(&x->map, va), len,
						   give_chunk, l);

		if (rc < 0) {
			give_chunk(NULL, l);
			return rc;
		}
		l->n_chunks++;
	}
	give_chunk(NULL, l);
	return mp->populated_size == mp->size ? 0 : -ENOMEM;
}

struct rte_mempool *
vmheap_extmem_pktmbuf_pool(vmheap_extmem_t *x, const char *name, u32 n, u32 cache_size,
			   u16 priv_size, u16 data_room_size, const char *ops)
{
	struct rte_pktmbuf_pool_private priv = { .mbuf_data_room_size = data_room_size,
						 .mbuf_priv_size = priv_size };
	struct rte_mempool *mp;
	int rc;

	if (RTE_ALIGN(priv_size, RTE_MBUF_PRIV_ALIGN) != priv_size) {
		rte_errno = EINVAL;
		return NULL;
	}
	mp = rte_mempool_create_empty(name, n,
				      (u32)sizeof(struct rte_mbuf) + priv_size + data_room_size,
				      cache_size, sizeof(priv), SOCKET_ID_ANY,
				      /* Where IOVAs are addresses a page's end is no border. */
				      is_physical() ? 0 : RTE_MEMPOOL_F_NO_IOVA_CONTIG);
	if (!mp)
		return NULL;
	rc = rte_mempool_set_ops_byname(mp, ops ? ops : rte_mbuf_best_mempool_ops(), NULL);
	if (!rc) {
		rte_pktmbuf_pool_init(mp, &priv);
		rc = populate(x, mp);
	}
	if (rc) {
		rte_mempool_free(mp);
		rte_errno = -rc;
		return NULL;
	}
	rte_mempool_obj_iter(mp, rte_pktmbuf_init, NULL);
	return mp;
}

/* ---- data alone ---- */

/* What rte_pktmbuf_pool_create_extbuf() wants to know: one entry a chunk. */
static struct rte_pktmbuf_extmem *
describe(const vmheap_extmem_t *x, char *start, uword n_bytes, uword chunk, u16 each)
{
	struct rte_pktmbuf_extmem *v = NULL;

	for (uword at = 0; at < n_bytes; at += chunk) {
		struct rte_pktmbuf_extmem e = { .buf_ptr = start + at,
						.buf_iova = vmheap_extmem_iova(&x->map, start + at),
						.buf_len = clib_min(chunk, n_bytes - at),
						.elt_size = each };

		if (vec_add1(v, e)) {
			vec_free(v);
			return NULL;
		}
	}
	return v;
}

struct rte_mempool *
vmheap_extmem_extbuf_pool(vmheap_extmem_t *x, const char *name, u32 n, u32 cache_size,
			  u16 priv_size, u16 data_room_size)
{
	u16 each = (u16)round_pow2(data_room_size, CLIB_CACHE_LINE_BYTES);
	struct rte_pktmbuf_extmem *v = NULL;
	extmem_extbufs_t e = {};
	uword chunk;

	if (each < data_room_size) {
		rte_errno = EINVAL;
		return NULL;
	}
	vmheap_extmem_reclaim(x);
	e.n_bytes = bytes_for(x, n, each, &chunk);
	e.start = take(x, e.n_bytes);
	v = e.start ? describe(x, e.start, e.n_bytes, chunk, each) : NULL;
	/* The room first: what is made must be remembered. */
	if (!v || vec_add1(x->extbufs, e)) {
		rte_errno = ENOMEM;
		goto failed;
	}
	e.mp = rte_pktmbuf_pool_create_extbuf(name, n, cache_size, priv_size, each, SOCKET_ID_ANY,
					      v, vec_len(v));
	if (!e.mp) {
		_vec_len(x->extbufs)--;
		goto failed;
	}
	snprintf(e.name, sizeof(e.name), "%s", name);
	vec_end(x->extbufs)[-1] = e;
	vec_free(v);
	return e.mp;
failed:
	vec_free(v);
	if (e.start)
		vmem_xfree(x->vmem, e.start, e.n_bytes);
	return NULL;
}

uword
vmheap_extmem_reclaim(vmheap_extmem_t *x)
{
	uword n_bytes = 0;

	for (u32 i = vec_len(x->extbufs); i--;) {
		extmem_extbufs_t *e = &x->extbufs[i];

		if (rte_mempool_lookup(e->name) == e->mp)
			continue;
		vmem_xfree(x->vmem, e->start, e->n_bytes);
		n_bytes += e->n_bytes;
		vec_del1(x->extbufs, i);
	}
	return n_bytes;
}
