/* SPDX-License-Identifier: Apache-2.0 */
/* A pool's layout, bursts, misuse, threads, and its ops behind other programs' mempools. */
#include <pthread.h>
#include <stdatomic.h>
#include <rte_mbuf.h>
#include <rte_memory.h>
#include "pktpool_fixture.h"

/* ---- layout ---- */

/* Any ethdev gets what it expects: an rte_mempool of mbufs with VPP's sizes and no cache of DPDK's.
 */
static void
a_pool_is_a_mempool(void)
{
	struct rte_mempool *mp;
	pktpool_t *pool;
	begin();
	pool = pool_of(1000);
	mp = pktpool_mempool(pool);

	CU_ASSERT_PTR_EQUAL(rte_mempool_lookup("pool"), mp);
	CU_ASSERT_PTR_EQUAL(pktpool_of_mempool(mp), pool);
	CU_ASSERT_EQUAL(mp->size, 1000);
	CU_ASSERT_EQUAL(mp->populated_size, 1000);
	CU_ASSERT_EQUAL(mp->cache_size, 0);
	CU_ASSERT_EQUAL(rte_mempool_avail_count(mp), 1000);
	CU_ASSERT_EQUAL(rte_pktmbuf_data_room_size(mp), 2048 + RTE_PKTMBUF_HEADROOM);
	CU_ASSERT_EQUAL(rte_pktmbuf_priv_size(mp), PKTPOOL_PRIV_BYTES);
	/* 39 lines: the size that VPP users know. */
	CU_ASSERT_EQUAL(info_of(pool).buffer_bytes, 2496);
	CU_ASSERT_EQUAL(info_of(pool).log2_page_size, page_size);
	rte_mempool_audit(mp);
	destroy(pool);
	CU_ASSERT_PTR_NULL(rte_mempool_lookup("pool"));
	end();
}

/* Every buffer, in order of address: apart from its neighbour, inside its page where pages are
 * huge or IOVAs are physical, and its IOVA is the one that DPDK and the kernel know. */
static void
check_placement(pktpool_t *pool, u32 n)
{
	pktpool_info_t info = info_of(pool);
	uword page = 1ULL << info.log2_page_size;
	int may_cross = page < KiB(64) && rte_eal_iova_mode() == RTE_IOVA_VA;
	struct rte_mbuf **mbufs = calloc(n, sizeof(*mbufs));
	u8 *is_taken = calloc(n, 1), *set_is_used = calloc(64, 1);
	u32 n_crossings = 0, n_bad_iovas = 0, n_twice = 0, n_sets = 0;

	CU_ASSERT_EQUAL(pktpool_alloc(pool, mbufs, n), 0);
	for (u32 i = 0; i < n; i++) {
		struct rte_mbuf *m = mbufs[i];
		uword object = (uword)m - PKTPOOL_OBJHDR_BYTES;
		u64 pa = 0;

		if (object / page != (object + info.buffer_bytes - 1) / page)
			n_crossings++;
		if (object < info.start || object + info.buffer_bytes > info.start + info.size)
			n_bad_iovas++;
		if (m->buf_iova != rte_mem_virt2iova(m->buf_addr))
			n_bad_iovas++;
		if (rte_eal_iova_mode() == RTE_IOVA_PA &&
		    (vm_va_to_pa(m->buf_addr, &pa) || pa != m->buf_iova))
			n_bad_iovas++;
		if (rte_mempool_virt2iova(m) + ((uword)m->buf_addr - (uword)m) != m->buf_iova)
			n_bad_iovas++;
		set_is_used[(uword)m / 64 % 64] = 1;
		/* Buffers do not overlap: two mbufs are a stride apart or more. */
		if (i && (uword)m < (uword)mbufs[i - 1] + info.buffer_bytes &&
		    (uword)mbufs[i - 1] < (uword)m + info.buffer_bytes)
			n_twice++;
	}
	for (u32 i = 0; i < 64; i++)
		n_sets += set_is_used[i];
	CU_ASSERT_EQUAL(may_cross ? 0 : n_crossings, 0);
	CU_ASSERT_EQUAL(n_bad_iovas, 0);
	CU_ASSERT_EQUAL(n_twice, 0);
	/* Headers visit the sets of a 64-set cache: all of them, or the 26 colours of a 4 KiB page.
	 */
	CU_ASSERT(n_sets >= 26);
	pktpool_free(mbufs, n);
	free(mbufs);
	free(is_taken);
	free(set_is_used);
}

static void
buffers_lie_as_promised(void)
{
	pktpool_t *pool;
	begin();
	pool = pool_of(2000);
	check_placement(pool, 2000);
	destroy(pool);
	end();
}

/* Small pages under physical IOVAs hold whole buffers, moved by colours; a buffer larger than a
 * page cannot be had there, and nothing is kept. */
static void
small_pages_with_physical_iovas(void)
{
	clib_mem_page_sz_t before = page_size;
	pktpool_t *pool = NULL;

	if (rte_eal_iova_mode() != RTE_IOVA_PA)
		return;
	page_size = CLIB_MEM_PAGE_SZ_4K;
	begin();
	pool = pool_of(500);
	check_placement(pool, 500);
	destroy(pool);
	CU_ASSERT_EQUAL(try_pool("large", 10, 9000, &pool), -ENOTSUP);
	end();
	page_size = before;
}

/* An index names exactly the start of an mbuf, and 0 never does. */
static void
indices_and_pointers_are_one(void)
{
	struct rte_mbuf *mbufs[300];
	pktpool_t *pool;
	u32 n_wrong = 0;
	begin();
	pool = pool_of(300);

	CU_ASSERT_EQUAL(pktpool_alloc(pool, mbufs, 300), 0);
	for (u32 i = 0; i < 300; i++) {
		u32 index = pktpool_index(mbufs[i]);

		if (!index || pktpool_mbuf(index) != mbufs[i] || !pktpool_index_is_valid(index))
			n_wrong++;
		for (u32 k = 1; k < 39; k++)
			n_wrong += pktpool_index_is_valid(index + k) != 0;
	}
	CU_ASSERT_EQUAL(n_wrong, 0);
	CU_ASSERT_EQUAL(pktpool_index_is_valid(0), 0);
	CU_ASSERT_EQUAL(pktpool_index_is_valid(~0u), 0);
	pktpool_free(mbufs, 300);
	CU_ASSERT(pktpool_index_is_valid(pktpool_index(mbufs[0])));
	destroy(pool);
	CU_ASSERT_EQUAL(pktpool_index_is_valid(pktpool_index(mbufs[0])), 0);
	end();
}

/* Data sizes from tiny to the largest that an mbuf can say. */
static void
data_sizes_from_least_to_greatest(void)
{
	static const u32 sizes[] = { 1, 64, 1500, 2049, 9000, 65535 - RTE_PKTMBUF_HEADROOM };

	begin();
	for (u32 i = 0; i < ARRAY_LEN(sizes); i++) {
		struct rte_mbuf *m = NULL;
		pktpool_t *pool = NULL;

		CU_ASSERT_EQUAL_FATAL(try_pool("sizes", 70, sizes[i], &pool), 0);
		CU_ASSERT_EQUAL(info_of(pool).buffer_bytes / 64 % 2, 1);
		CU_ASSERT_EQUAL(pktpool_alloc(pool, &m, 1), 0);
		CU_ASSERT_EQUAL(rte_pktmbuf_tailroom(m), sizes[i]);
		CU_ASSERT_EQUAL(rte_pktmbuf_headroom(m), RTE_PKTMBUF_HEADROOM);
		memset(rte_pktmbuf_mtod(m, void *), 0xa5, sizes[i]);
		pktpool_free(&m, 1);
		destroy(pool);
	}
	end();
}

/* ---- taking and giving ---- */

/* Bursts of every size up to three magazines: each buffer is there once, all come back. */
static void
bursts_of_every_size(void)
{
	static struct rte_mbuf *mbufs[1024];
	u32 n_wrong = 0;
	pktpool_t *pool;
	begin();
	pool = pool_of(1024);

	for (u32 n = 1; n <= 1024; n++) {
		CU_ASSERT_EQUAL(pktpool_alloc(pool, mbufs, n), 0);
		for (u32 i = 0; i < n; i++) {
			u32 *stamp = rte_pktmbuf_mtod(mbufs[i], u32 *);

			n_wrong += rte_mbuf_refcnt_read(mbufs[i]) != 1 || mbufs[i]->next ||
				   mbufs[i]->nb_segs != 1 ||
				   mbufs[i]->pool != pktpool_mempool(pool);
			stamp[0] = n;
			stamp[1] = i;
		}
		for (u32 i = 0; i < n; i++) {
			u32 *stamp = rte_pktmbuf_mtod(mbufs[i], u32 *);

			n_wrong += stamp[0] != n || stamp[1] != i;
		}
		pktpool_free(mbufs, n);
	}
	CU_ASSERT_EQUAL(n_wrong, 0);
	CU_ASSERT_EQUAL(info_of(pool).n_used, 0);
	destroy(pool);
	end();
}

/* A request that cannot be met takes nothing and is counted; one that can still is. */
static void
exhaustion_is_all_or_none(void)
{
	struct rte_mbuf *mbufs[201], *more[2];
	pktpool_info_t info;
	pktpool_t *pool;
	begin();
	pool = pool_of(200);

	CU_ASSERT_EQUAL(pktpool_alloc(pool, mbufs, 201), -ENOBUFS);
	CU_ASSERT_EQUAL(pktpool_alloc(pool, mbufs, 199), 0);
	CU_ASSERT_EQUAL(pktpool_alloc(pool, more, 2), -ENOBUFS);
	CU_ASSERT_EQUAL(pktpool_alloc(pool, more, 1), 0);
	CU_ASSERT_EQUAL(pktpool_alloc(pool, more + 1, 1), -ENOBUFS);
	CU_ASSERT_EQUAL(pktpool_alloc(pool, more, 0), 0);
	info = info_of(pool);
	CU_ASSERT_EQUAL(info.n_failures, 3);
	CU_ASSERT_EQUAL(info.n_used, 200);
	CU_ASSERT_EQUAL(info.n_low_water, 0);
	pktpool_free(mbufs, 199);
	pktpool_free(more, 1);
	CU_ASSERT_EQUAL(pktpool_alloc(pool, mbufs, 200), 0);
	pktpool_free(mbufs, 200);
	info = info_of(pool);
	CU_ASSERT_EQUAL(info.n_total, info.n_depot + info.n_cached);
	destroy(pool);
	end();
}

/* The pools of one and of a few buffers, where magazines are larger than the pool. */
static void
the_smallest_pools(void)
{
	begin();
	for (u32 n = 1; n <= 40; n++) {
		struct rte_mbuf *mbufs[64];
		pktpool_t *pool = pool_of(n);

		for (u32 k = 1; k <= n; k++) {
			CU_ASSERT_EQUAL(pktpool_alloc(pool, mbufs, k), 0);
			pktpool_free(mbufs, k);
		}
		CU_ASSERT_EQUAL(pktpool_alloc(pool, mbufs, n), 0);
		CU_ASSERT_EQUAL(pktpool_alloc(pool, mbufs, 1), -ENOBUFS);
		pktpool_free(mbufs, n);
		destroy(pool);
	}
	end();
}

/* DPDK's own calls on our buffers: chains, clones, attached buffers, copies, single frees. */
static void
dpdk_calls_work(void)
{
	struct rte_mbuf *head, *clone, *attached, *copy, *bulk[64];
	struct rte_mempool *mp;
	pktpool_t *pool;
	begin();
	pool = pool_of(256);
	mp = pktpool_mempool(pool);

	head = rte_pktmbuf_alloc(mp);
	CU_ASSERT_PTR_NOT_NULL_FATAL(head);
	memset(rte_pktmbuf_append(head, 1000), 1, 1000);
	for (u32 i = 0; i < 5; i++) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(mp);

		memset(rte_pktmbuf_append(m, 1000), (int)i + 2, 1000);
		CU_ASSERT_EQUAL(rte_pktmbuf_chain(head, m), 0);
	}
	CU_ASSERT_EQUAL(rte_pktmbuf_pkt_len(head), 6000);
	CU_ASSERT_EQUAL(rte_mempool_in_use_count(mp), 6);

	clone = rte_pktmbuf_clone(head, mp);
	CU_ASSERT_PTR_NOT_NULL_FATAL(clone);
	CU_ASSERT_EQUAL(rte_mempool_in_use_count(mp), 12);
	attached = rte_pktmbuf_alloc(mp);
	rte_pktmbuf_attach(attached, head);
	CU_ASSERT_EQUAL(rte_mbuf_refcnt_read(head), 3);
	copy = rte_pktmbuf_copy(head, mp, 0, UINT32_MAX);
	CU_ASSERT_PTR_NOT_NULL_FATAL(copy);
	CU_ASSERT_EQUAL(rte_pktmbuf_pkt_len(copy), 6000);

	/* The data stays while anybody refers to it. */
	pktpool_free(&head, 1);
	CU_ASSERT_EQUAL(*rte_pktmbuf_mtod_offset(clone->next, u8 *, 999), 2);
	pktpool_free(&clone, 1);
	CU_ASSERT_EQUAL(*rte_pktmbuf_mtod(attached, u8 *), 1);
	rte_pktmbuf_free(attached);
	rte_pktmbuf_free(copy);
	CU_ASSERT_EQUAL(rte_mempool_in_use_count(mp), 0);

	CU_ASSERT_EQUAL(rte_pktmbuf_alloc_bulk(mp, bulk, 64), 0);
	CU_ASSERT_EQUAL(rte_mempool_avail_count(mp), 256 - 64);
	for (u32 i = 0; i < 64; i++) {
		CU_ASSERT_EQUAL(rte_mbuf_check(bulk[i], 1, NULL), 0);
		rte_pktmbuf_free(bulk[i]);
	}
	rte_mempool_audit(mp);
	CU_ASSERT(rte_mempool_full(mp));
	destroy(pool);
	end();
}

/* A chain over two pools is freed in one call, each segment to its own. */
static void
chains_over_two_pools(void)
{
	struct rte_mbuf *chains[20];
	pktpool_t *a, *b = NULL;
	begin();
	a = pool_of(64);
	CU_ASSERT_EQUAL_FATAL(try_pool("pool b", 64, 512, &b), 0);

	for (u32 i = 0; i < 20; i++) {
		struct rte_mbuf *tail;

		CU_ASSERT_EQUAL(pktpool_alloc(a, &chains[i], 1), 0);
		CU_ASSERT_EQUAL(pktpool_alloc(b, &tail, 1), 0);
		rte_pktmbuf_chain(chains[i], tail);
	}
	CU_ASSERT_EQUAL(info_of(a).n_used, 20);
	CU_ASSERT_EQUAL(info_of(b).n_used, 20);
	pktpool_free(chains, 20);
	CU_ASSERT_EQUAL(info_of(a).n_used, 0);
	CU_ASSERT_EQUAL(info_of(b).n_used, 0);
	CU_ASSERT_NOT_EQUAL(info_of(a).index, info_of(b).index);
	CU_ASSERT(pktpool_by_node(0) == a || pktpool_by_node(0) == b);
	destroy(b);
	destroy(a);
	CU_ASSERT_PTR_NULL(pktpool_by_node(0));
	end();
}

/* ---- creating and destroying ---- */

/* With buffers in flight nothing is torn down, and the number is told. */
static void
destroy_counts_what_is_in_flight(void)
{
	struct rte_mbuf *mbufs[7];
	u32 n = 0;
	pktpool_t *pool;
	begin();
	pool = pool_of(100);
	CU_ASSERT_EQUAL(pktpool_alloc(pool, mbufs, 7), 0);
	CU_ASSERT_EQUAL(pktpool_destroy(pool, &n), -EBUSY);
	CU_ASSERT_EQUAL(n, 7);
	CU_ASSERT_EQUAL(pktpool_destroy(pool, NULL), -EBUSY);
	pktpool_free(mbufs, 7);
	destroy(pool);
	end();
}

static void
bad_parameters_are_refused(void)
{
	pktpool_t *pool = NULL, *other;
	begin();
	CU_ASSERT_EQUAL(try_pool("", 10, 2048, &pool), -EINVAL);
	CU_ASSERT_EQUAL(try_pool("a name of 26 characters...", 10, 2048, &pool), -EINVAL);
	CU_ASSERT_EQUAL(try_pool("none", 0, 2048, &pool), -EINVAL);
	CU_ASSERT_EQUAL(try_pool("many", ~0u, 2048, &pool), -EINVAL);
	CU_ASSERT_EQUAL(try_pool("wide", 10, 65536, &pool), -EINVAL);
	CU_ASSERT_EQUAL(try_pool("too many", 1 << 20, 2048, &pool), -ENOMEM);
	CU_ASSERT_PTR_NULL(pool);
	other = pool_of(10);
	CU_ASSERT_EQUAL(try_pool("pool", 10, 2048, &pool), -EEXIST);
	CU_ASSERT_PTR_NULL(pool);
	destroy(other);
	end();
}

/* Each allocation of a creation fails in turn: nothing is kept, and the next try succeeds. */
static void
each_failure_is_unwound(void)
{
	pktpool_t *pool = NULL;
	u32 n_failed = 0;
	begin();
	for (u64 k = 1; k < 20; k++) {
		int error;

		mheap_fail_get_after(k);
		error = try_pool("pool", 500, 2048, &pool);
		mheap_fail_get_after(0);
		if (!error)
			break;
		n_failed++;
		CU_ASSERT_EQUAL(error, -ENOMEM);
		CU_ASSERT_PTR_NULL(pool);
		CU_ASSERT_EQUAL(mheap_elts(heap), 0);
		CU_ASSERT_EQUAL(vmem_size(clib_arena_vmem(arena), VMEM_ALLOC), 0);
	}
	CU_ASSERT(n_failed >= 2);
	CU_ASSERT_PTR_NOT_NULL_FATAL(pool);
	destroy(pool);

	pool = NULL;
	vm_fail_commit_after(1);
	CU_ASSERT_EQUAL(try_pool("pool", 500, 2048, &pool), -ENOMEM);
	vm_fail_commit_after(0);
	CU_ASSERT_PTR_NULL(pool);
	end();
}

/* A thread for whose magazines there is no memory is served by the depot. */
static void
a_thread_without_memory_for_magazines(void)
{
	void *objs[100];
	pktpool_t *pool;
	begin();
	pool = pool_of(100);
	for (u32 n = 0; n <= 100; n++) {
		mheap_fail_get_after(1);
		CU_ASSERT_EQUAL(pktpool_get_raw(pool, objs, n), 0);
		mheap_fail_get_after(1);
		pktpool_put_raw(pool, objs, n);
	}
	mheap_fail_get_after(0);
	CU_ASSERT_EQUAL(pktpool_thread_cached(pool, clib_thread_index()), 0);
	CU_ASSERT_EQUAL(info_of(pool).n_depot, 100);
	destroy(pool);
	end();
}

/* ---- misuse ---- */

/* A buffer given back twice is found by the check, and one too many is dropped and counted. */
static void
double_frees_are_found(void)
{
	static void *objs[64], *twice[1024];
	char what[160];
	u32 n;
	pktpool_t *pool;
	begin();
	pool = pool_of(64);
	CU_ASSERT_EQUAL(pktpool_get_raw(pool, objs, 64), 0);
	pktpool_put_raw(pool, objs, 1);
	pktpool_put_raw(pool, objs, 1);
	CU_ASSERT_EQUAL(pktpool_check(pool, what, sizeof(what)), -EUCLEAN);
	CU_ASSERT_PTR_NOT_NULL(strstr(what, "free twice"));
	CU_ASSERT_EQUAL(pktpool_check(pool, NULL, 0), -EUCLEAN);

	/* Far more than the pool ever had: containers end, the process does not. */
	for (u32 i = 0; i < ARRAY_LEN(twice); i++)
		twice[i] = objs[i % 64];
	pktpool_put_raw(pool, twice, ARRAY_LEN(twice));
	CU_ASSERT(info_of(pool).n_bad_puts > 0);
	CU_ASSERT_EQUAL(pktpool_destroy(pool, &n), 0);
	end();
}

static void
strangers_are_found(void)
{
	void *obj, *inside;
	char what[160];
	pktpool_t *pool;
	begin();
	pool = pool_of(64);
	CU_ASSERT_EQUAL(pktpool_get_raw(pool, &obj, 1), 0);
	inside = (u8 *)obj + 64;
	if (CLIB_DEBUG == 0) {
		pktpool_put_raw(pool, &inside, 1);
		CU_ASSERT_EQUAL(pktpool_check(pool, what, sizeof(what)), -EUCLEAN);
		CU_ASSERT_PTR_NOT_NULL(strstr(what, "no buffer of this pool"));
		CU_ASSERT_EQUAL(pktpool_get_raw(pool, &inside, 1), 0);
	}
	pktpool_put_raw(pool, &obj, 1);
	destroy(pool);
	end();
}

/* ---- threads ---- */

static void *
take_and_give(void *arg)
{
	struct rte_mbuf *mbufs[100];

	CU_ASSERT_EQUAL(pktpool_alloc(arg, mbufs, 100), 0);
	pktpool_free(mbufs, 100);
	CU_ASSERT(pktpool_thread_cached(arg, clib_thread_index()) > 0);
	return (void *)(uword)clib_thread_index();
}

/* What a thread cached goes home when it exits: no registration, no stranding. */
static void
magazines_go_home_with_their_thread(void)
{
	pthread_t t;
	void *index;
	pktpool_t *pool;
	begin();
	pool = pool_of(1000);
	for (u32 i = 0; i < 5; i++) {
		pthread_create(&t, NULL, take_and_give, pool);
		pthread_join(t, &index);
		CU_ASSERT_EQUAL(pktpool_thread_cached(pool, (u16)(uword)index), 0);
		CU_ASSERT_EQUAL(info_of(pool).n_depot, 1000);
	}
	destroy(pool);
	end();
}

static void
a_flush_brings_magazines_home(void)
{
	struct rte_mbuf *mbufs[10];
	pktpool_t *pool;
	begin();
	pool = pool_of(1000);
	CU_ASSERT_EQUAL(pktpool_alloc(pool, mbufs, 10), 0);
	pktpool_free(mbufs, 10);
	CU_ASSERT(info_of(pool).n_cached > 0);
	pktpool_flush_thread();
	CU_ASSERT_EQUAL(info_of(pool).n_cached, 0);
	destroy(pool);
	end();
}

static void *
without_an_index(void *arg)
{
	struct rte_mbuf *mbufs[300];

	/* As the 1025th thread has it. */
	clib_thread_index_plus_1 = (u32)CLIB_THREAD_INDEX_NONE + 1;
	for (u32 n = 0; n <= 300; n++) {
		CU_ASSERT_EQUAL(pktpool_alloc(arg, mbufs, n), 0);
		pktpool_free(mbufs, n);
	}
	pktpool_flush_thread();
	return NULL;
}

static void
threads_without_an_index_are_served(void)
{
	pthread_t t;
	pktpool_t *pool;
	begin();
	pool = pool_of(300);
	pthread_create(&t, NULL, without_an_index, pool);
	pthread_join(t, NULL);
	CU_ASSERT_EQUAL(info_of(pool).n_depot, 300);
	CU_ASSERT_EQUAL(info_of(pool).n_cached, 0);
	destroy(pool);
	end();
}

static _Atomic int hoarder_is_done, hoarder_may_go;

static void *
hoard(void *arg)
{
	struct rte_mbuf *mbufs[16];

	/* 16 = two magazines of this pool: all of them stay in the thread's cache. */
	CU_ASSERT_EQUAL(pktpool_alloc(arg, mbufs, 16), 0);
	pktpool_free(mbufs, 16);
	atomic_store(&hoarder_is_done, 1);
	while (!atomic_load(&hoarder_may_go))
		usleep(1000);
	return NULL;
}

/* Buffers cached by a thread that sits elsewhere are not lost to the others. */
static void
nothing_is_stranded_in_an_idle_thread(void)
{
	struct rte_mbuf *mbufs[100];
	pthread_t t;
	pktpool_t *pool;
	begin();
	pool = pool_of(100);
	hoarder_is_done = hoarder_may_go = 0;
	pthread_create(&t, NULL, hoard, pool);
	while (!atomic_load(&hoarder_is_done))
		usleep(1000);
	CU_ASSERT(info_of(pool).n_cached > 0);
	CU_ASSERT_EQUAL(pktpool_alloc(pool, mbufs, 100), 0);
	CU_ASSERT(info_of(pool).n_reclaims > 0);
	CU_ASSERT_EQUAL(info_of(pool).n_cached, 0);
	pktpool_free(mbufs, 100);
	atomic_store(&hoarder_may_go, 1);
	pthread_join(t, NULL);
	destroy(pool);
	end();
}

/* ---- other programs' mempools ---- */

/* Whoever names our ops gets our magazines over buffers that DPDK placed, cached or not. */
static void
the_ops_serve_any_mempool(void)
{
	static const u32 cache_sizes[] = { 0, 64 };
	static struct rte_mbuf *mbufs[511];

	for (u32 i = 0; i < ARRAY_LEN(cache_sizes); i++) {
		struct rte_mempool *mp;
		pktpool_t *pool;

		mp = rte_pktmbuf_pool_create_by_ops("theirs", 511, cache_sizes[i], 0, 2176,
						    SOCKET_ID_ANY, PKTPOOL_OPS_NAME);
		CU_ASSERT_PTR_NOT_NULL_FATAL(mp);
		pool = pktpool_of_mempool(mp);
		CU_ASSERT_PTR_NOT_NULL_FATAL(pool);
		CU_ASSERT_EQUAL(rte_mempool_avail_count(mp), 511);
		CU_ASSERT_EQUAL(rte_pktmbuf_alloc_bulk(mp, mbufs, 511), 0);
		CU_ASSERT_NOT_EQUAL(rte_pktmbuf_alloc_bulk(mp, mbufs, 1), 0);
		CU_ASSERT_EQUAL(rte_mempool_in_use_count(mp), 511);
		CU_ASSERT_EQUAL(pktpool_destroy(pool, NULL), -EINVAL);
		rte_pktmbuf_free_bulk(mbufs, 511);
		CU_ASSERT_EQUAL(rte_mempool_avail_count(mp), 511);
		check(pool);
		rte_mempool_free(mp);
	}
	CU_ASSERT_PTR_NULL(pktpool_by_node(0));
}

/* The table of pools has an end, and says so. */
static void
the_table_has_an_end(void)
{
	static pktpool_t *pools[PKTPOOL_MAX_POOLS];
	pktpool_t *one_more = NULL;
	u32 n = 0;

	if (page_size != CLIB_MEM_PAGE_SZ_4K)
		return;
	begin();
	for (; n < PKTPOOL_MAX_POOLS; n++) {
		char name[26];
		int error;

		snprintf(name, sizeof(name), "p%u", n);
		error = try_pool(name, 1, 64, &pools[n]);
		if (error) {
			/* DPDK knows 128 regions of memory in all. */
			CU_ASSERT_EQUAL(error, -ENOSPC);
			break;
		}
	}
	CU_ASSERT(n > 64);
	CU_ASSERT_EQUAL(try_pool("more", 1, 64, &one_more), -ENOSPC);
	CU_ASSERT_PTR_NULL(one_more);
	while (n--)
		destroy(pools[n]);
	end();
}

static const unit_test_t tests[] = {
	UNIT(a_pool_is_a_mempool),
	UNIT(buffers_lie_as_promised),
	UNIT(small_pages_with_physical_iovas),
	UNIT(indices_and_pointers_are_one),
	UNIT(data_sizes_from_least_to_greatest),
	UNIT(bursts_of_every_size),
	UNIT(exhaustion_is_all_or_none),
	UNIT(the_smallest_pools),
	UNIT(dpdk_calls_work),
	UNIT(chains_over_two_pools),
	UNIT(destroy_counts_what_is_in_flight),
	UNIT(bad_parameters_are_refused),
	UNIT(each_failure_is_unwound),
	UNIT(a_thread_without_memory_for_magazines),
	UNIT(double_frees_are_found),
	UNIT(strangers_are_found),
	UNIT(magazines_go_home_with_their_thread),
	UNIT(a_flush_brings_magazines_home),
	UNIT(threads_without_an_index_are_served),
	UNIT(nothing_is_stranded_in_an_idle_thread),
	UNIT(the_ops_serve_any_mempool),
	UNIT(the_table_has_an_end),
};

int
main(int argc, char **argv)
{
	return run_on_pages(argc, argv, "pktpool", tests, ARRAY_LEN(tests));
}
