/* SPDX-License-Identifier: Apache-2.0 */
/* Pools that grow and shrink, inside a budget; reservations and low water, so that nobody starves.
 */
#include <rte_mbuf.h>
#include <rte_memory.h>
#include "pktpool_fixture.h"

/* ---- growing and shrinking ---- */

static pktpool_t *
growing_pool(u32 n_buffers, u32 n_max)
{
	pktpool_params_t params = { .name = "growing",
				    .numa_node = 0,
				    .n_buffers = n_buffers,
				    .n_max = n_max,
				    .data_bytes = 2048,
				    .arena = arena,
				    .heap = heap };
	pktpool_t *pool = NULL;

	CU_ASSERT_EQUAL_FATAL(pktpool_create(&params, &pool), 0);
	return pool;
}

/* All there are can be had, each is an mbuf of the pool with the right address, and no more. */
static void
check_all_of(pktpool_t *pool, u32 n)
{
	struct rte_mbuf **all = calloc(n + 1, sizeof(*all));
	u32 n_wrong = 0;

	CU_ASSERT_EQUAL(info_of(pool).n_total, n);
	CU_ASSERT_EQUAL(pktpool_mempool(pool)->size, n);
	CU_ASSERT_EQUAL(pktpool_alloc(pool, all, n), 0);
	CU_ASSERT_EQUAL(pktpool_alloc(pool, all + n, 1), -ENOBUFS);
	for (u32 i = 0; i < n; i++)
		n_wrong += rte_mbuf_check(all[i], 1, NULL) ||
			   all[i]->pool != pktpool_mempool(pool) ||
			   all[i]->buf_iova != rte_mem_virt2iova(all[i]->buf_addr) ||
			   !pktpool_index_is_valid(pktpool_index(all[i]));
	CU_ASSERT_EQUAL(n_wrong, 0);
	CU_ASSERT_EQUAL(rte_mempool_in_use_count(pktpool_mempool(pool)), n);
	pktpool_free(all, n);
	CU_ASSERT(rte_mempool_full(pktpool_mempool(pool)));
	rte_mempool_audit(pktpool_mempool(pool));
	check(pool);
	free(all);
}

/* To the limit in pieces and back: memory of each piece goes back to the arena. */
static void
a_pool_grows_and_shrinks(void)
{
	uword before, limit, n_bytes;
	u32 n_out = ~0u;
	pktpool_t *pool;
	begin();
	pool = growing_pool(500, 2000);
	before = vmem_size(clib_arena_vmem(arena), VMEM_ALLOC);
	check_all_of(pool, 500);
	CU_ASSERT_EQUAL(pktpool_grow(pool, 0), -EINVAL);
	CU_ASSERT_EQUAL(pktpool_grow(pool, 1501), -ENOSPC);
	CU_ASSERT_EQUAL(pktpool_grow(pool, 300), 0);
	check_all_of(pool, 800);
	CU_ASSERT_EQUAL(pktpool_grow(pool, 1200), 0);
	CU_ASSERT_EQUAL(pktpool_grow(pool, 1), -ENOSPC);
	check_all_of(pool, 2000);
	CU_ASSERT_EQUAL(info_of(pool).n_extents, 3);
	pktpool_get_budget(0, &limit, &n_bytes);
	CU_ASSERT_EQUAL(limit, 0);
	CU_ASSERT_EQUAL(n_bytes, vmem_size(clib_arena_vmem(arena), VMEM_ALLOC));

	CU_ASSERT_EQUAL(pktpool_shrink(pool, 0, NULL), -EINVAL);
	/* Less than the latest piece: nothing goes. */
	CU_ASSERT_EQUAL(pktpool_shrink(pool, 1199, NULL), -ENOENT);
	CU_ASSERT_EQUAL(pktpool_shrink(pool, 1300, &n_out), 0);
	CU_ASSERT_EQUAL(n_out, 0);
	check_all_of(pool, 800);
	CU_ASSERT_EQUAL(pktpool_shrink(pool, 5000, NULL), 0);
	check_all_of(pool, 500);
	CU_ASSERT_EQUAL(pktpool_shrink(pool, 5000, NULL), -ENOENT);
	CU_ASSERT_EQUAL(vmem_size(clib_arena_vmem(arena), VMEM_ALLOC), before);
	destroy(pool);
	pktpool_get_budget(0, &limit, &n_bytes);
	CU_ASSERT_EQUAL(n_bytes, 0);
	end();
}

/* A piece with buffers out waits for them, its free ones out of reach; growing takes it back. */
static void
shrinking_waits_for_the_last(void)
{
	static struct rte_mbuf *all[1000];
	pktpool_t *pool;
	u32 n_out = 0, n_of_it = 0;
	uword start, n_bytes;
	begin();
	pool = growing_pool(500, 1000);
	CU_ASSERT_EQUAL(pktpool_grow(pool, 500), 0);
	CU_ASSERT_EQUAL(pktpool_extent(pool, 1, &start, &n_bytes), 0);
	CU_ASSERT_EQUAL(pktpool_extent(pool, 2, &start, &n_bytes), -ENOENT);
	CU_ASSERT_EQUAL(pktpool_alloc(pool, all, 1000), 0);
	for (u32 i = 0; i < 1000; i++)
		if ((uword)all[i] - start < n_bytes) {
			/* Those of the piece first. */
			struct rte_mbuf *m = all[n_of_it];

			all[n_of_it++] = all[i];
			all[i] = m;
		}
	CU_ASSERT_EQUAL(n_of_it, 500);
	pktpool_free(all + 100, 900);
	CU_ASSERT_EQUAL(pktpool_shrink(pool, 500, &n_out), -EAGAIN);
	CU_ASSERT_EQUAL(n_out, 100);
	CU_ASSERT_EQUAL(info_of(pool).n_parked, 400);
	CU_ASSERT_EQUAL(info_of(pool).n_used, 100);
	check(pool);
	CU_ASSERT_EQUAL(pktpool_alloc(pool, all + 100, 501), -ENOBUFS);
	CU_ASSERT_EQUAL(pktpool_grow(pool, 1), 0);
	CU_ASSERT_EQUAL(info_of(pool).n_parked, 0);
	CU_ASSERT_EQUAL(pktpool_alloc(pool, all + 100, 900), 0);
	pktpool_free(all + 100, 900);
	CU_ASSERT_EQUAL(pktpool_shrink(pool, 500, &n_out), -EAGAIN);
	pktpool_free(all, 99);
	CU_ASSERT_EQUAL(pktpool_shrink(pool, 500, &n_out), -EAGAIN);
	CU_ASSERT_EQUAL(n_out, 1);
	pktpool_free(all + 99, 1);
	CU_ASSERT_EQUAL(pktpool_shrink(pool, 500, &n_out), 0);
	check_all_of(pool, 500);

	/* Parked when the pool goes. */
	CU_ASSERT_EQUAL(pktpool_grow(pool, 500), 0);
	CU_ASSERT_EQUAL(pktpool_alloc(pool, all, 1000), 0);
	pktpool_free(all + 1, 999);
	(void)pktpool_shrink(pool, 500, NULL);
	CU_ASSERT_EQUAL(pktpool_destroy(pool, &n_out), -EBUSY);
	CU_ASSERT_EQUAL(n_out, 1);
	pktpool_free(all, 1);
	destroy(pool);
	end();
}

typedef struct {
	uword n_bytes;
	u32 n_coming, n_going, n_told_late;
	int error;
} told_t;

static int
note_piece(pktpool_t *pool, uword start, uword n_bytes, int is_coming, void *arg)
{
	told_t *t = arg;

	if (is_coming && t->error)
		return t->error;
	t->n_coming += is_coming != 0;
	t->n_going += !is_coming;
	t->n_bytes += is_coming ? n_bytes : -n_bytes;
	/* The pool says how many there will be, and has none of them yet. */
	if (is_coming && pool->extents[pool->n_extents - 1].n_placed)
		t->n_told_late++;
	return 0;
}

/* Whoever maps memory for devices hears of each piece before its buffers can be had, and may refuse
 * it: the pool is then as it was. */
static void
pieces_are_told(void)
{
	told_t t = { 0 };
	pktpool_t *pool;
	begin();
	pktpool_set_extent_hook(note_piece, &t);
	pool = growing_pool(500, 2000);
	CU_ASSERT_EQUAL(t.n_coming, 1);
	CU_ASSERT_EQUAL(pktpool_grow(pool, 500), 0);
	CU_ASSERT_EQUAL(t.n_coming, 2);
	CU_ASSERT_EQUAL(t.n_told_late, 0);
	CU_ASSERT_EQUAL(t.n_bytes, vmem_size(clib_arena_vmem(arena), VMEM_ALLOC));
	t.error = -EIO;
	CU_ASSERT_EQUAL(pktpool_grow(pool, 500), -EIO);
	check_all_of(pool, 1000);
	CU_ASSERT_EQUAL(pktpool_shrink(pool, 500, NULL), 0);
	CU_ASSERT_EQUAL(t.n_going, 1);
	destroy(pool);
	CU_ASSERT_EQUAL(t.n_going, 2);
	CU_ASSERT_EQUAL(t.n_bytes, 0);
	pktpool_set_extent_hook(NULL, NULL);
	end();
}

/* A node's budget bounds its pools together; each failure of growing leaves the pool as it was. */
static void
budgets_bound_growth(void)
{
	uword limit, n_bytes;
	u32 n_failed = 0;
	pktpool_t *pool, *other = NULL;
	begin();
	pool = growing_pool(500, 5000);
	pktpool_get_budget(0, &limit, &n_bytes);
	CU_ASSERT_EQUAL(pktpool_set_budget(12345, 1), -EINVAL);
	CU_ASSERT_EQUAL(pktpool_set_budget(0, n_bytes + MiB(2)), 0);
	CU_ASSERT_EQUAL(pktpool_grow(pool, 2000), -EDQUOT);
	CU_ASSERT_EQUAL(try_pool("other", 2000, 2048, &other), -EDQUOT);
	CU_ASSERT_PTR_NULL(other);
	check_all_of(pool, 500);
	CU_ASSERT_EQUAL(pktpool_grow(pool, 500), 0);
	CU_ASSERT_EQUAL(pktpool_grow(pool, 500), -EDQUOT);
	CU_ASSERT_EQUAL(pktpool_set_budget(0, 0), 0);
	CU_ASSERT_EQUAL(pktpool_grow(pool, 500), 0);
	check_all_of(pool, 1500);

	vm_fail_commit_after(1);
	CU_ASSERT_EQUAL(pktpool_grow(pool, 500), -ENOMEM);
	vm_fail_commit_after(0);
	CU_ASSERT_EQUAL(pktpool_grow(pool, 3500), 0);
	for (u64 k = 1; k < 20; k++) {
		int error;

		mheap_fail_get_after(k);
		error = pktpool_shrink(pool, 3500, NULL);
		mheap_fail_get_after(0);
		if (!error)
			break;
		n_failed++;
		CU_ASSERT_EQUAL(error, -ENOMEM);
	}
	CU_ASSERT(n_failed > 0);
	check_all_of(pool, 1500);
	destroy(pool);
	end();
}

/* ---- nobody starves ---- */

/* What is set aside is out of reach for others, serves its owner in need, and is made up first. */
static void
reservations_are_kept(void)
{
	static void *objs[1000], *mine[64];
	pktpool_reservation_t *r = NULL, *other = NULL;
	pktpool_t *pool;
	begin();
	pool = pool_of(1000);
	CU_ASSERT_EQUAL(pktpool_reserve(pool, 0, &r), -EINVAL);
	CU_ASSERT_EQUAL(pktpool_reserve(pool, 1001, &r), -EINVAL);
	CU_ASSERT_PTR_NULL(r);
	CU_ASSERT_EQUAL(pktpool_reserve(pool, 64, &r), 0);
	CU_ASSERT_EQUAL(info_of(pool).n_reserved, 64);
	CU_ASSERT_EQUAL(info_of(pool).n_used, 0);
	check(pool);

	/* As long as the pool has some, they come from there. */
	CU_ASSERT_EQUAL(pktpool_get_reserved(r, mine, 10), 0);
	CU_ASSERT_EQUAL(pktpool_reserved(r), 64);
	pktpool_put_raw(pool, mine, 10);

	CU_ASSERT_EQUAL(pktpool_get_raw(pool, objs, 937), -ENOBUFS);
	CU_ASSERT_EQUAL(pktpool_get_raw(pool, objs, 936), 0);
	CU_ASSERT_EQUAL(pktpool_get_raw(pool, objs + 936, 1), -ENOBUFS);
	CU_ASSERT_EQUAL(pktpool_reserve(pool, 1, &other), -ENOBUFS);
	CU_ASSERT_EQUAL(pktpool_get_reserved(r, mine, 40), 0);
	CU_ASSERT_EQUAL(pktpool_reserved(r), 24);
	CU_ASSERT_EQUAL(pktpool_get_reserved(r, mine + 40, 25), -ENOBUFS);
	CU_ASSERT_EQUAL(pktpool_get_reserved(r, mine + 40, 24), 0);
	CU_ASSERT_EQUAL(info_of(pool).n_used, 1000);
	CU_ASSERT_EQUAL(pktpool_destroy(pool, NULL), -EBUSY);

	/* Of what comes back the reservation's share goes there first. */
	pktpool_put_raw(pool, objs, 936);
	pktpool_flush_thread();
	CU_ASSERT_EQUAL(pktpool_reserved(r), 64);
	pktpool_put_raw(pool, mine, 64);
	check(pool);
	CU_ASSERT_EQUAL(pktpool_destroy(pool, NULL), -EBUSY);
	pktpool_unreserve(r);
	CU_ASSERT_EQUAL(info_of(pool).n_reserved, 0);
	CU_ASSERT_EQUAL(pktpool_get_raw(pool, objs, 1000), 0);
	pktpool_put_raw(pool, objs, 1000);
	destroy(pool);
	end();
}

/* Reservations with names are found and told, names are had once, and a ready mbuf comes out of one
 * when the pool is used up, of ours alone. */
static void
reservations_have_names(void)
{
	static void *objs[1000];
	pktpool_reservation_t *control = NULL, *tx = NULL, *other = NULL;
	pktpool_reservation_info_t infos[4];
	struct rte_mempool *theirs, *mp;
	struct rte_mbuf *m[3];
	pktpool_t *pool;

	begin();
	pool = pool_of(1000);
	mp = pktpool_mempool(pool);
	CU_ASSERT_EQUAL(pktpool_reserve_as(pool, "", 10, &control), -EINVAL);
	CU_ASSERT_EQUAL(pktpool_reserve_as(pool, "sixteen-bytes-xx", 10, &control), -EINVAL);
	CU_ASSERT_EQUAL(pktpool_reserve_as(pool, "control", 2, &control), 0);
	CU_ASSERT_EQUAL(pktpool_reserve_as(pool, "tx", 100, &tx), 0);
	CU_ASSERT_EQUAL(pktpool_reserve_as(pool, "control", 10, &other), -EEXIST);
	CU_ASSERT_EQUAL(info_of(pool).n_reserved, 102);
	CU_ASSERT_EQUAL(info_of(pool).n_used, 0);
	CU_ASSERT_PTR_EQUAL(pktpool_reservation_by_name(pool, "control"), control);
	CU_ASSERT_PTR_NULL(pktpool_reservation_by_name(pool, "contro"));

	CU_ASSERT_EQUAL(pktpool_get_raw(pool, objs, 898), 0);
	CU_ASSERT_PTR_NULL(pktpool_alloc_by_name(mp, "nobody"));
	for (u32 i = 0; i < 3; i++)
		m[i] = pktpool_alloc_by_name(mp, "control");
	CU_ASSERT_PTR_NULL(m[2]);
	CU_ASSERT_PTR_NOT_NULL_FATAL(m[0]);
	CU_ASSERT_PTR_NOT_NULL_FATAL(m[1]);
	CU_ASSERT_EQUAL(rte_mbuf_check(m[1], 1, NULL), 0);
	CU_ASSERT_EQUAL(pktpool_reservations(pool, infos, 1), 1);
	CU_ASSERT_EQUAL(pktpool_reservations(pool, infos, 4), 2);
	CU_ASSERT_STRING_EQUAL(infos[0].name, "tx");
	CU_ASSERT_STRING_EQUAL(infos[1].name, "control");
	CU_ASSERT_EQUAL(infos[1].n_quota, 2);
	CU_ASSERT_EQUAL(infos[1].n_stock, 0);
	CU_ASSERT_EQUAL(infos[1].n_taken, 2);
	CU_ASSERT_EQUAL(infos[0].n_stock, 100);
	rte_pktmbuf_free(m[0]);
	rte_pktmbuf_free(m[1]);
	pktpool_put_raw(pool, objs, 898);
	check(pool);

	/* Somebody else's mempool, ours by ops or not, has none to fall back on. */
	theirs =
		rte_pktmbuf_pool_create_by_ops("theirs", 7, 0, 0, 256, SOCKET_ID_ANY, "ring_mp_mc");
	CU_ASSERT_PTR_NOT_NULL_FATAL(theirs);
	CU_ASSERT_EQUAL(rte_mempool_get_bulk(theirs, objs, 7), 0);
	CU_ASSERT_PTR_NULL(pktpool_alloc_by_name(theirs, "control"));
	rte_mempool_put_bulk(theirs, objs, 7);
	rte_mempool_free(theirs);
	pktpool_unreserve(tx);
	pktpool_unreserve(control);
	destroy(pool);
	end();
}

typedef struct {
	pktpool_t *pool;
	void *objs[100];
	u32 n, n_calls, n_free;
} sent_t;

/* As a driver's tx queue: it has sent them all and gives them back when somebody asks. */
static void
reclaim_sent(pktpool_t *pool, u32 n_free, void *arg)
{
	sent_t *s = arg;

	s->n_calls++;
	s->n_free = n_free;
	pktpool_put_raw(pool, s->objs, s->n);
	s->n = 0;
}

/* The callback comes once below the mark and again only after the depot was well; a request about
 * to be refused calls it, and is served by what it gave back. */
static void
low_water_calls_back(void)
{
	static void *objs[1000];
	static sent_t s;
	pktpool_t *pool;
	begin();
	pool = pool_of(1000);
	memset(&s, 0, sizeof(s));
	CU_ASSERT_EQUAL(pktpool_low_water_add(pool, 0, 10, reclaim_sent, &s), -EINVAL);
	CU_ASSERT_EQUAL(pktpool_low_water_add(pool, 10, 9, reclaim_sent, &s), -EINVAL);
	CU_ASSERT_EQUAL(pktpool_low_water_add(pool, 10, 10, NULL, &s), -EINVAL);
	CU_ASSERT_EQUAL(pktpool_low_water_add(pool, 500, 900, reclaim_sent, &s), 0);
	for (u32 round = 1; round <= 3; round++) {
		CU_ASSERT_EQUAL(pktpool_get_raw(pool, objs, 450), 0);
		CU_ASSERT_EQUAL(s.n_calls, round - 1);
		CU_ASSERT_EQUAL(pktpool_get_raw(pool, objs + 450, 150), 0);
		CU_ASSERT_EQUAL(s.n_calls, round);
		CU_ASSERT(s.n_free < 500);
		CU_ASSERT_EQUAL(pktpool_get_raw(pool, objs + 600, 100), 0);
		CU_ASSERT_EQUAL(s.n_calls, round);
		pktpool_put_raw(pool, objs, 700);
		pktpool_flush_thread();
	}

	CU_ASSERT_EQUAL(pktpool_get_raw(pool, s.objs, 100), 0);
	s.n = 100;
	CU_ASSERT_EQUAL(pktpool_get_raw(pool, objs, 900), 0);
	s.n_calls = 0;
	if (!s.n) {
		/* The mark was passed on the way, and the driver gave its own back. */
		CU_ASSERT_EQUAL(pktpool_get_raw(pool, s.objs, 100), 0);
		s.n = 100;
	}
	CU_ASSERT_EQUAL(pktpool_get_raw(pool, objs + 900, 60), 0);
	CU_ASSERT_EQUAL(s.n_calls, 1);
	CU_ASSERT_EQUAL(info_of(pool).n_failures, 0);
	/* Nobody has more: refused once, asked once. */
	CU_ASSERT_EQUAL(pktpool_get_raw(pool, objs + 960, 41), -ENOBUFS);
	CU_ASSERT_EQUAL(s.n_calls, 2);
	CU_ASSERT_EQUAL(info_of(pool).n_failures, 1);
	CU_ASSERT_EQUAL(pktpool_low_water_remove(pool, reclaim_sent, &s), 0);
	CU_ASSERT_EQUAL(pktpool_low_water_remove(pool, reclaim_sent, &s), -ENOENT);
	CU_ASSERT_EQUAL(pktpool_get_raw(pool, objs + 960, 41), -ENOBUFS);
	CU_ASSERT_EQUAL(s.n_calls, 2);
	pktpool_put_raw(pool, objs, 960);
	for (u32 i = 0; i < 8; i++)
		CU_ASSERT_EQUAL(pktpool_low_water_add(pool, 1, 1, reclaim_sent, (void *)(uword)i),
				0);
	CU_ASSERT_EQUAL(pktpool_low_water_add(pool, 1, 1, reclaim_sent, &s), -ENOSPC);
	destroy(pool);
	end();
}

static const unit_test_t tests[] = {
	UNIT(a_pool_grows_and_shrinks), UNIT(shrinking_waits_for_the_last),
	UNIT(pieces_are_told),          UNIT(budgets_bound_growth),
	UNIT(reservations_are_kept),    UNIT(reservations_have_names),
	UNIT(low_water_calls_back),
};

int
main(int argc, char **argv)
{
	return run_on_pages(argc, argv, "pktpool_resize", tests, ARRAY_LEN(tests));
}
