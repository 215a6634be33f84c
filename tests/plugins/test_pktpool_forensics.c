/* SPDX-License-Identifier: Apache-2.0 */
/* Who holds what, and each misuse with both sites. */
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>
#include <plugins/pool/forensics_impl.h>
#include <vppinfra/mheap.h>
#include <rte_graph.h>
#include <rte_graph_worker.h>
#include <rte_mbuf.h>
#include "eal.h"
#include "unit.h"

#define N_BUFFERS 1024

static clib_arena_t *arena;
static void *heap;
static pktpool_t *pool;

static pktpool_t *
pool_of(const char *name, u32 n_buffers)
{
	pktpool_params_t params = { .name = name,
				    .n_buffers = n_buffers,
				    .data_bytes = 256,
				    .arena = arena,
				    .heap = heap };
	pktpool_t *p = NULL;

	CU_ASSERT_EQUAL_FATAL(pktpool_create(&params, &p), 0);
	return p;
}

static void
begin(void)
{
	clib_arena_params_t params = { .name = "test",
				       .reserve_bytes = MiB(64),
				       .numa_node = VM_NODE_ANY,
				       .page_size = CLIB_MEM_PAGE_SZ_4K,
				       .vm_flags = VM_RANGE_WINDOW | VM_RANGE_SHARED };

	CU_ASSERT_EQUAL_FATAL(clib_arena_create(&params, &arena), 0);
	heap = mheap_alloc_with_flags(0, MiB(32), MHEAP_FLAG_THREAD_SAFE);
	pool = pool_of("pool", N_BUFFERS);
}

static void
destroy(pktpool_t *p)
{
	char what[160] = "";
	u32 n = ~0u;

	if (pktpool_check(p, what, sizeof(what)))
		printf("%s\n", what);
	CU_ASSERT_STRING_EQUAL(what, "");
	CU_ASSERT_EQUAL(pktpool_destroy(p, &n), 0);
	CU_ASSERT_EQUAL(n, 0);
}

static void
end(void)
{
	destroy(pool);
	CU_ASSERT_EQUAL(mheap_elts(heap), 0);
	mheap_free(heap);
	CU_ASSERT_EQUAL(clib_arena_destroy(arena), 0);
}

/* ---- what is told ---- */

typedef struct {
	u32 n;
	pktpool_holding_t all[N_BUFFERS];
} told_t;

static int
tell(const pktpool_holding_t *h, void *arg)
{
	told_t *t = arg;

	t->all[t->n++] = *h;
	return 0;
}

static told_t *
told(pktpool_t *p)
{
	static told_t t;

	t.n = 0;
	pktpool_trace_foreach(p, tell, &t);
	return &t;
}

static pktpool_trace_info_t
info_of(pktpool_t *p)
{
	pktpool_trace_info_t info;

	pktpool_trace_get_info(p, &info);
	return info;
}

static u64
n_faults(pktpool_t *p)
{
	pktpool_trace_info_t info = info_of(p);
	u64 n = 0;

	for (u32 k = 0; k < PKTPOOL_N_FAULTS; k++)
		n += info.n_faults[k];
	return n;
}

/* Two takers and two givers, so that sites can be told apart. */
static never_inline void
take_here(struct rte_mbuf **mbufs, u32 n)
{
	CU_ASSERT_EQUAL(pktpool_alloc(pool, mbufs, n), 0);
}

static never_inline void
take_there(struct rte_mbuf **mbufs, u32 n)
{
	CU_ASSERT_EQUAL(rte_pktmbuf_alloc_bulk(pktpool_mempool(pool), mbufs, n), 0);
}

static never_inline void
give_here(struct rte_mbuf **mbufs, u32 n)
{
	pktpool_free(mbufs, n);
	/* Not a tail call: the site must be in here. */
	__asm__ volatile("");
}

static never_inline void
give_there(struct rte_mbuf **mbufs, u32 n)
{
	rte_pktmbuf_free_bulk(mbufs, n);
	__asm__ volatile("");
}

/* Whether a site is in a function: behind its beginning, no other one's between, and not far. */
static int
is_in(const void *site, void *function)
{
	void *all[] = { take_here, take_there, give_here, give_there };

	for (u32 i = 0; i < ARRAY_LEN(all); i++)
		if (all[i] > function && all[i] <= site)
			return 0;
	return (uword)site - (uword)function < KiB(32);
}

/* Each buffer that is out is told, with its thread, its call site and an age; what came back is
 * not. */
static void
owners_are_told(void)
{
	struct rte_mbuf *a[5], *b[7];
	u32 n_here = 0, n_there = 0;
	told_t *t;
	begin();
	CU_ASSERT_EQUAL(pktpool_trace_on(pool, 1, 0), 0);
	CU_ASSERT_EQUAL(info_of(pool).n_watched, N_BUFFERS);
	take_here(a, 5);
	take_there(b, 7);
	usleep(2000);
	t = told(pool);
	CU_ASSERT_EQUAL(t->n, 12);
	for (u32 i = 0; i < t->n; i++) {
		n_here += is_in(t->all[i].site, take_here);
		CU_ASSERT_EQUAL(t->all[i].thread_index, clib_thread_index());
		CU_ASSERT(t->all[i].age_ns >= 1000000);
		CU_ASSERT(t->all[i].age_ns < 100000000000ull);
		CU_ASSERT_EQUAL(t->all[i].node, 0);
	}
	give_here(a, 5);
	t = told(pool);
	CU_ASSERT_EQUAL(t->n, 7);
	for (u32 i = 0; i < t->n; i++)
		n_there += !is_in(t->all[i].site, take_here);
	CU_ASSERT_EQUAL(n_here, 5);
	CU_ASSERT_EQUAL(n_there, 7);
	give_there(b, 7);
	CU_ASSERT_EQUAL(told(pool)->n, 0);
	CU_ASSERT_EQUAL(n_faults(pool), 0);
	pktpool_trace_off(pool);
	end();
}

/* One in so many is watched: as many as that, and each leak of all buffers finds them all. */
static void
a_sample_is_watched(void)
{
	static struct rte_mbuf *all[N_BUFFERS];

	begin();
	for (u32 every = 1; every <= 64; every *= 2) {
		pktpool_trace_info_t info;

		CU_ASSERT_EQUAL(pktpool_trace_on(pool, every, 0), 0);
		info = info_of(pool);
		CU_ASSERT_EQUAL(info.every, every);
		CU_ASSERT(info.n_watched >= N_BUFFERS / every / 2);
		CU_ASSERT(info.n_watched <= N_BUFFERS / every * 2);
		take_here(all, N_BUFFERS);
		CU_ASSERT_EQUAL(told(pool)->n, info.n_watched);
		give_there(all, N_BUFFERS);
		CU_ASSERT_EQUAL(told(pool)->n, 0);
	}
	CU_ASSERT_EQUAL(pktpool_trace_on(pool, 3, 0), -EINVAL);
	CU_ASSERT_EQUAL(pktpool_trace_on(pool, 8192, 0), -EINVAL);
	CU_ASSERT_EQUAL(pktpool_trace_on(pool, 1, 4), -EINVAL);
	/* A refused request leaves the trace as it is. */
	CU_ASSERT_EQUAL(info_of(pool).every, 64);
	pktpool_trace_off(pool);
	CU_ASSERT_EQUAL(info_of(pool).is_on, 0);
	CU_ASSERT_EQUAL(n_faults(pool), 0);
	end();
}

/* What was out when the trace began comes back without a fuss, and is known from then on. */
static void
a_trace_begins_at_any_time(void)
{
	struct rte_mbuf *a[20];

	begin();
	take_here(a, 20);
	CU_ASSERT_EQUAL(pktpool_trace_on(pool, 1, PKTPOOL_TRACE_POISON), 0);
	CU_ASSERT_EQUAL(told(pool)->n, 0);
	give_here(a, 10);
	take_here(a, 10);
	CU_ASSERT_EQUAL(told(pool)->n, 10);
	/* Anew: all are strangers again. */
	CU_ASSERT_EQUAL(pktpool_trace_on(pool, 1, 0), 0);
	CU_ASSERT_EQUAL(told(pool)->n, 0);
	give_there(a, 20);
	pktpool_trace_off(pool);
	take_here(a, 20);
	CU_ASSERT_EQUAL(told(pool)->n, 0);
	give_here(a, 20);
	CU_ASSERT_EQUAL(n_faults(pool), 0);
	end();
}

/* Off means off: the thread's next burst is served inline. */
static void
off_leaves_nothing_behind(void)
{
	struct rte_mbuf *a[8];
	void *objs[8];

	begin();
	take_here(a, 8);
	give_here(a, 8);
	CU_ASSERT(pktpool_try_get(pool, objs, 8));
	pktpool_put_raw(pool, objs, 8);
	CU_ASSERT_EQUAL(pktpool_trace_on(pool, 0, 0), 0);
	CU_ASSERT_EQUAL(info_of(pool).every, PKTPOOL_TRACE_DEFAULT_EVERY);
	CU_ASSERT(!pktpool_try_get(pool, objs, 8));
	CU_ASSERT_EQUAL(pktpool_get_raw(pool, objs, 8), 0);
	/* Gives go on inline, unless they are checked or asserted. */
	CU_ASSERT_EQUAL(pktpool_try_put(pool, objs, 8), CLIB_DEBUG == 0);
	if (CLIB_DEBUG)
		pktpool_put_raw(pool, objs, 8);
	CU_ASSERT_EQUAL(pktpool_trace_on(pool, 0, PKTPOOL_TRACE_CHECK), 0);
	CU_ASSERT_EQUAL(pktpool_get_raw(pool, objs, 8), 0);
	CU_ASSERT(!pktpool_try_put(pool, objs, 8));
	pktpool_put_raw(pool, objs, 8);
	pktpool_trace_off(pool);
	CU_ASSERT(pktpool_try_get(pool, objs, 8));
	pktpool_put_raw(pool, objs, 8);
	end();
}

/* A mempool of somebody else's program is watched the same way; headers without room are refused.
 */
static void
foreign_mempools_are_watched(void)
{
	struct rte_mempool *mp = rte_pktmbuf_pool_create_by_ops("theirs", 511, 0, 0, 2176,
								SOCKET_ID_ANY, PKTPOOL_OPS_NAME);
	struct rte_mbuf *a[9];
	pktpool_fault_t f;
	pktpool_t *p;

	CU_ASSERT_PTR_NOT_NULL_FATAL(mp);
	p = pktpool_of_mempool(mp);
	CU_ASSERT_EQUAL(pktpool_trace_on(p, 1, PKTPOOL_TRACE_CHECK), 0);
	CU_ASSERT_EQUAL(rte_pktmbuf_alloc_bulk(mp, a, 9), 0);
	CU_ASSERT_EQUAL(told(p)->n, 9);
	CU_ASSERT_PTR_NOT_NULL(told(p)->all[0].site);
	rte_pktmbuf_free_bulk(a, 9);
	rte_pktmbuf_free(a[3]);
	CU_ASSERT_EQUAL(pktpool_faults(&f, 1), 1);
	CU_ASSERT_EQUAL(f.kind, PKTPOOL_FAULT_DOUBLE_FREE);
	CU_ASSERT_STRING_EQUAL(f.pool, "theirs");
	CU_ASSERT_EQUAL(rte_mempool_avail_count(mp), 511);
	/* With its trace on: that ends, too, and the ops are the plain ones again. */
	rte_mempool_free(mp);
	CU_ASSERT_EQUAL(pktpool_load(&pktpool_n_fully_traced), 0);

	mp = rte_mempool_create_empty("narrow", 100, 40, 0, 0, SOCKET_ID_ANY,
				      RTE_MEMPOOL_F_NO_CACHE_ALIGN);
	CU_ASSERT_PTR_NOT_NULL_FATAL(mp);
	CU_ASSERT_EQUAL(rte_mempool_set_ops_byname(mp, PKTPOOL_OPS_NAME, NULL), 0);
	CU_ASSERT_EQUAL(rte_mempool_populate_default(mp), 100);
	CU_ASSERT_EQUAL(pktpool_trace_on(pktpool_of_mempool(mp), 1, 0), -ENOTSUP);
	rte_mempool_free(mp);
}

/* ---- what is free is found ---- */

static _Atomic u32 step;

static void
wait_for_step(u32 n)
{
	while (atomic_load(&step) != n)
		usleep(100);
}

/* Takes and gives in turn as the test says, and keeps what it gave in its magazines. */
static void *
caches_some(void *arg)
{
	struct rte_mbuf *m[40];

	CU_ASSERT_EQUAL(pktpool_alloc(pool, m, 40), 0);
	atomic_store(&step, 1);
	wait_for_step(2);
	pktpool_free(m, 40);
	atomic_store(&step, 3);
	wait_for_step(4);
	return NULL;
}

/* Gives are not looked at, and yet nothing that is free is told: not in another thread's magazines,
 * not in the depot, a reservation, or a piece on its way out. */
static void
what_is_free_is_not_told(void)
{
	pktpool_reservation_t *r;
	static struct rte_mbuf *all[N_BUFFERS];
	struct rte_mbuf *m[16];
	u16 self;
	pthread_t t;
	told_t *told_now;

	begin();
	CU_ASSERT_EQUAL(pktpool_trace_on(pool, 1, 0), 0);
	/* Each has been out once: each record says so. */
	take_here(all, N_BUFFERS);
	give_here(all, N_BUFFERS);
	self = clib_thread_index();
	CU_ASSERT_EQUAL(told(pool)->n, 0);
	step = 0;
	pthread_create(&t, NULL, caches_some, NULL);
	wait_for_step(1);
	told_now = told(pool);
	CU_ASSERT_EQUAL(told_now->n, 40);
	CU_ASSERT_NOT_EQUAL(told_now->all[0].thread_index, self);
	atomic_store(&step, 2);
	wait_for_step(3);
	CU_ASSERT_EQUAL(told(pool)->n, 0);
	CU_ASSERT_EQUAL(pktpool_reserve(pool, 100, &r), 0);
	CU_ASSERT_EQUAL(told(pool)->n, 0);
	take_here(m, 16);
	told_now = told(pool);
	CU_ASSERT_EQUAL(told_now->n, 16);
	CU_ASSERT_EQUAL(told_now->all[0].thread_index, self);
	CU_ASSERT(is_in(told_now->all[0].site, take_here));
	give_there(m, 16);
	atomic_store(&step, 4);
	pthread_join(t, NULL);
	pktpool_unreserve(r);
	CU_ASSERT_EQUAL(told(pool)->n, 0);
	/* And the other way: a level with checks begins anew, with no record. */
	CU_ASSERT_EQUAL(pktpool_trace_on(pool, 1, PKTPOOL_TRACE_CHECK), 0);
	take_here(m, 16);
	CU_ASSERT_EQUAL(told(pool)->n, 16);
	give_here(m, 16);
	CU_ASSERT_EQUAL(told(pool)->n, 0);
	CU_ASSERT_EQUAL(n_faults(pool), 0);
	pktpool_trace_off(pool);
	end();
}

/* A buffer that was taken and given by others before is told as its last taker's. */
static void
the_last_taker_is_told(void)
{
	struct rte_mbuf *m[8];
	told_t *t;

	begin();
	CU_ASSERT_EQUAL(pktpool_trace_on(pool, 1, 0), 0);
	for (u32 i = 0; i < 3; i++) {
		take_there(m, 8);
		give_here(m, 8);
		take_here(m, 8);
		t = told(pool);
		CU_ASSERT_EQUAL(t->n, 8);
		for (u32 k = 0; k < t->n; k++)
			CU_ASSERT(is_in(t->all[k].site, take_here));
		give_there(m, 8);
	}
	pktpool_trace_off(pool);
	end();
}

/* ---- misuse ---- */

static pktpool_fault_t
only_fault(pktpool_fault_kind_t kind)
{
	pktpool_fault_t f = { 0 };

	CU_ASSERT_EQUAL(n_faults(pool), 1);
	CU_ASSERT_EQUAL(info_of(pool).n_faults[kind], 1);
	CU_ASSERT_EQUAL(pktpool_faults(&f, 1), 1);
	CU_ASSERT_EQUAL(f.kind, kind);
	CU_ASSERT_STRING_EQUAL(f.pool, "pool");
	return f;
}

/* The second free is named with the first; the pool has the buffer once. */
static void
double_frees_name_both_sites(void)
{
	struct rte_mbuf *a[8], *again[4];
	pktpool_fault_t f;

	begin();
	CU_ASSERT_EQUAL(pktpool_trace_on(pool, 1, PKTPOOL_TRACE_CHECK), 0);
	take_here(a, 8);
	give_here(a, 8);
	give_there(&a[2], 1);
	f = only_fault(PKTPOOL_FAULT_DOUBLE_FREE);
	CU_ASSERT_PTR_EQUAL(f.object, a[2]);
	CU_ASSERT(is_in(f.taken_at, take_here));
	CU_ASSERT(is_in(f.freed_at, give_here));
	CU_ASSERT(f.site && !is_in(f.site, give_here));
	CU_ASSERT_EQUAL(f.thread_index, clib_thread_index());
	CU_ASSERT_EQUAL(f.freed_by, clib_thread_index());

	/* In the middle of a burst: the others go in. */
	take_here(again, 4);
	take_here(a, 8);
	give_here(&a[5], 1);
	give_here(a, 8);
	give_here(again, 4);
	CU_ASSERT_EQUAL(n_faults(pool), 2);
	CU_ASSERT_EQUAL(info_of(pool).n_faults[PKTPOOL_FAULT_DOUBLE_FREE], 2);
	pktpool_trace_off(pool);
	end();
}

/* Another pool's buffer, the inside of a buffer, and what is nobody's stay out. */
static void
foreign_frees_stay_out(void)
{
	void *strangers[3], *mine;
	pktpool_t *other;
	pktpool_fault_t f;

	begin();
	other = pool_of("other", 64);
	CU_ASSERT_EQUAL(pktpool_trace_on(pool, 1, PKTPOOL_TRACE_CHECK), 0);
	CU_ASSERT_EQUAL(pktpool_get_raw(other, strangers, 1), 0);
	CU_ASSERT_EQUAL(pktpool_get_raw(pool, &mine, 1), 0);
	strangers[1] = (u8 *)mine + 64;
	strangers[2] = &arena;
	for (u32 i = 0; i < 3; i++) {
		pktpool_put_raw(pool, &strangers[i], 1);
		CU_ASSERT_EQUAL(info_of(pool).n_faults[PKTPOOL_FAULT_FOREIGN_FREE], i + 1);
		CU_ASSERT_EQUAL(pktpool_faults(&f, 1), 1);
		CU_ASSERT_PTR_EQUAL(f.object, strangers[i]);
		CU_ASSERT(is_in(f.site, foreign_frees_stay_out));
		CU_ASSERT_PTR_NULL(f.taken_at);
	}
	pktpool_put_raw(pool, &mine, 1);
	pktpool_put_raw(other, strangers, 1);
	CU_ASSERT_EQUAL(n_faults(pool), 3);
	pktpool_trace_off(pool);
	destroy(other);
	end();
}

/* A byte written after the free is found at the next take, with its place and who freed it. */
static void
writes_after_free_are_found(void)
{
	struct rte_mbuf *a[16];
	pktpool_fault_t f;
	u8 *data;

	begin();
	CU_ASSERT_EQUAL(pktpool_trace_on(pool, 1, PKTPOOL_TRACE_POISON), 0);
	take_here(a, 16);
	data = a[7]->buf_addr;
	memset(data, 0, 100);
	give_here(a, 16);
	CU_ASSERT_EQUAL(data[0], PKTPOOL_POISON_BYTE);
	CU_ASSERT_EQUAL(data[RTE_PKTMBUF_HEADROOM + 255], PKTPOOL_POISON_BYTE);
	data[200] = 1;
	take_there(a, 16);
	f = only_fault(PKTPOOL_FAULT_WRITE_AFTER_FREE);
	CU_ASSERT_PTR_EQUAL(f.object, (u8 *)data - sizeof(struct rte_mbuf) - PKTPOOL_PRIV_BYTES);
	CU_ASSERT_EQUAL(f.offset, 200);
	CU_ASSERT(is_in(f.freed_at, give_here));
	CU_ASSERT(is_in(f.taken_at, take_here));
	give_here(a, 16);
	CU_ASSERT_EQUAL(n_faults(pool), 1);
	pktpool_trace_off(pool);
	end();
}

/* Counts that are wrong at a raw give, after a free, and at a free: each named, none followed. */
static void
wrong_reference_counts_are_named(void)
{
	struct rte_mbuf *a[4];
	pktpool_fault_t f;
	u32 n = 0;

	begin();
	CU_ASSERT_EQUAL(pktpool_trace_on(pool, 1, PKTPOOL_TRACE_CHECK), 0);

	/* A driver that takes a buffer for its own while somebody else refers to it. */
	take_here(a, 1);
	rte_mbuf_refcnt_set(a[0], 2);
	rte_mempool_put_bulk(pktpool_mempool(pool), (void **)a, 1);
	f = only_fault(PKTPOOL_FAULT_REFCOUNT);
	CU_ASSERT_EQUAL(f.refcount, 2);
	CU_ASSERT_EQUAL(f.n_segs, 1);
	CU_ASSERT(is_in(f.taken_at, take_here));
	CU_ASSERT(is_in(f.site, wrong_reference_counts_are_named));

	/* A header that was written after the free: mended. */
	take_here(a, 4);
	give_here(a, 4);
	a[1]->next = a[0];
	a[1]->nb_segs = 2;
	take_there(a, 4);
	CU_ASSERT_EQUAL(info_of(pool).n_faults[PKTPOOL_FAULT_REFCOUNT], 2);
	CU_ASSERT_EQUAL(pktpool_faults(&f, 1), 1);
	CU_ASSERT_EQUAL(f.n_segs, 2);
	CU_ASSERT(is_in(f.freed_at, give_here));
	for (u32 i = 0; i < 4; i++)
		n += !rte_mbuf_check(a[i], 1, NULL);
	CU_ASSERT_EQUAL(n, 4);

	/* A free of what nobody refers to. */
	rte_mbuf_refcnt_set(a[3], 0);
	give_here(&a[3], 1);
	CU_ASSERT_EQUAL(info_of(pool).n_faults[PKTPOOL_FAULT_REFCOUNT], 3);
	CU_ASSERT_EQUAL(pktpool_faults(&f, 1), 1);
	CU_ASSERT_PTR_EQUAL(f.object, a[3]);
	CU_ASSERT_EQUAL(f.refcount, 0);
	CU_ASSERT(is_in(f.site, give_here));
	rte_mbuf_refcnt_set(a[3], 1);
	give_here(a, 4);
	pktpool_trace_off(pool);
	end();
}

/* Chains, clones and attached buffers are no faults. */
static void
ordinary_sharing_is_no_fault(void)
{
	struct rte_mempool *mp;
	begin();
	mp = pktpool_mempool(pool);
	CU_ASSERT_EQUAL(pktpool_trace_on(pool, 1, PKTPOOL_TRACE_POISON), 0);
	for (u32 round = 0; round < 200; round++) {
		struct rte_mbuf *head = rte_pktmbuf_alloc(mp), *m[3], *clone, *copy;

		rte_pktmbuf_append(head, 100);
		CU_ASSERT_EQUAL(pktpool_alloc(pool, m, 3), 0);
		for (u32 i = 0; i < 3; i++) {
			rte_pktmbuf_append(m[i], 200);
			CU_ASSERT_EQUAL(rte_pktmbuf_chain(head, m[i]), 0);
		}
		clone = rte_pktmbuf_clone(head, mp);
		copy = rte_pktmbuf_copy(head, mp, 0, UINT32_MAX);
		if (round & 1)
			pktpool_free(&head, 1);
		else
			rte_pktmbuf_free(head);
		pktpool_free(&clone, 1);
		rte_pktmbuf_free(copy);
		CU_ASSERT_EQUAL(told(pool)->n, 0);
	}
	CU_ASSERT_EQUAL(n_faults(pool), 0);
	pktpool_trace_off(pool);
	end();
}

static u32 n_hooked;

static void
count_fault(const pktpool_fault_t *f, void *arg)
{
	CU_ASSERT_PTR_EQUAL(arg, &n_hooked);
	CU_ASSERT_STRING_EQUAL(pktpool_fault_name(f->kind), "double free");
	n_hooked++;
}

/* More faults than are kept: the latest are, and the hook met each. */
static void
the_latest_faults_are_kept(void)
{
	static pktpool_fault_t f[200];
	struct rte_mbuf *m;
	u64 before = 0;
	u32 n;
	begin();
	n_hooked = 0;
	pktpool_set_fault_hook(count_fault, &n_hooked);
	CU_ASSERT_EQUAL(pktpool_trace_on(pool, 1, PKTPOOL_TRACE_CHECK), 0);
	if (pktpool_faults(f, 1))
		before = f[0].number;
	take_here(&m, 1);
	for (u32 i = 0; i <= 150; i++)
		give_here(&m, 1);
	n = pktpool_faults(f, 200);
	CU_ASSERT_EQUAL(n, 64);
	for (u32 i = 0; i < n; i++)
		CU_ASSERT_EQUAL(f[i].number, before + 150 - i);
	CU_ASSERT_EQUAL(n_hooked, 150);
	pktpool_set_fault_hook(NULL, NULL);
	pktpool_trace_off(pool);
	end();
}

/* ---- nodes ---- */

static struct rte_mbuf *kept[8];
static u32 n_kept;

static u16
source_process(struct rte_graph *graph, struct rte_node *node, void **objs, u16 n)
{
	struct rte_mbuf *m[4];

	if (n_kept || pktpool_alloc(pool, m, 4))
		return 0;
	rte_node_enqueue(graph, node, 0, (void **)m, 4);
	return 4;
}

static u16
keep_process(struct rte_graph *graph, struct rte_node *node, void **objs, u16 n)
{
	for (u16 i = 0; i < n && n_kept < ARRAY_LEN(kept); i++)
		kept[n_kept++] = objs[i];
	return n;
}

static struct rte_node_register source_node = { .name = "trace-source",
						.flags = RTE_NODE_SOURCE_F,
						.process = source_process,
						.nb_edges = 1,
						.next_nodes = { "trace-keep" } };
static struct rte_node_register keep_node = { .name = "trace-keep", .process = keep_process };
RTE_NODE_REGISTER(source_node)
RTE_NODE_REGISTER(keep_node)

/* The node that took a buffer and the one that had it last, and nothing of it when it is off. */
static void
graph_nodes_are_told(void)
{
	static const char *patterns[] = { "trace-source", "trace-keep" };
	struct rte_graph_param param = { .socket_id = SOCKET_ID_ANY,
					 .nb_node_patterns = 2,
					 .node_patterns = patterns };
	struct rte_graph *graph;
	rte_graph_t id;
	told_t *t;
	begin();
	id = rte_graph_create("trace", &param);
	CU_ASSERT_FATAL(id != RTE_GRAPH_ID_INVALID);
	graph = rte_graph_lookup("trace");
	CU_ASSERT_EQUAL(pktpool_trace_on(pool, 1, 0), 0);
	for (u32 round = 0; round < 4; round++) {
		int is_on = round & 1;

		CU_ASSERT_EQUAL(pktpool_trace_nodes(is_on), 0);
		/* Twice changes nothing. */
		CU_ASSERT_EQUAL(pktpool_trace_nodes(is_on), 0);
		n_kept = 0;
		rte_graph_walk(graph);
		CU_ASSERT_EQUAL(n_kept, 4);
		t = told(pool);
		CU_ASSERT_EQUAL(t->n, 4);
		for (u32 i = 0; i < t->n; i++) {
			CU_ASSERT_EQUAL(t->all[i].node, is_on ? source_node.id + 1 : 0);
			CU_ASSERT_EQUAL(t->all[i].seen_node, is_on ? keep_node.id + 1 : 0);
			CU_ASSERT(is_in(t->all[i].site, source_process));
		}
		pktpool_free(kept, n_kept);
	}
	CU_ASSERT_EQUAL(pktpool_trace_nodes(0), 0);
	CU_ASSERT_EQUAL(rte_graph_destroy(id), 0);
	pktpool_trace_off(pool);
	end();
}

/* Where a part is watched, one walk in sixteen is followed: of each watched buffer the node that
 * took it is told, and of those that went in such a walk the node that has it. */
static void
some_walks_are_followed(void)
{
	static const char *patterns[] = { "trace-source", "trace-keep" };
	struct rte_graph_param param = { .socket_id = SOCKET_ID_ANY,
					 .nb_node_patterns = 2,
					 .node_patterns = patterns };
	u32 n_told = 0, n_seen = 0;
	struct rte_graph *graph;
	rte_graph_t id;

	begin();
	id = rte_graph_create("trace", &param);
	CU_ASSERT_FATAL(id != RTE_GRAPH_ID_INVALID);
	graph = rte_graph_lookup("trace");
	CU_ASSERT_EQUAL(pktpool_trace_on(pool, 2, 0), 0);
	CU_ASSERT_EQUAL(pktpool_trace_nodes(1), 0);
	for (u32 round = 0; round < 160; round++) {
		told_t *t;

		n_kept = 0;
		rte_graph_walk(graph);
		t = told(pool);
		n_told += t->n;
		for (u32 i = 0; i < t->n; i++) {
			CU_ASSERT_EQUAL(t->all[i].node, source_node.id + 1);
			CU_ASSERT(!t->all[i].seen_node || t->all[i].seen_node == keep_node.id + 1);
			n_seen += t->all[i].seen_node != 0;
		}
		pktpool_free(kept, n_kept);
	}
	CU_ASSERT(n_told >= 160);
	CU_ASSERT(n_seen >= n_told / 32 && n_seen <= n_told / 8);
	CU_ASSERT_EQUAL(pktpool_trace_nodes(0), 0);
	CU_ASSERT_EQUAL(rte_graph_destroy(id), 0);
	pktpool_trace_off(pool);
	end();
}

/* ---- threads ---- */

static _Atomic int is_over;

static void *
take_and_give(void *arg)
{
	u64 seed = (uword)arg;

	while (!atomic_load(&is_over)) {
		struct rte_mbuf *m[64];
		u32 n = 1 + (u32)unit_random_below(&seed, 64);

		if (!pktpool_alloc(pool, m, n))
			pktpool_free(m, n);
	}
	return NULL;
}

/* Switching on, off and over while threads are at it: no false alarm, nothing lost. */
static void
a_trace_while_threads_work(void)
{
	static const u32 levels[] = { 0, PKTPOOL_TRACE_CHECK, PKTPOOL_TRACE_POISON };
	u64 n = 1 + unit_n_ops(16000000) / 40000;
	pthread_t t[3];

	begin();
	is_over = 0;
	for (uword i = 0; i < 3; i++)
		pthread_create(&t[i], NULL, take_and_give, (void *)(i + 1));
	for (u64 i = 0; i < n; i++) {
		CU_ASSERT_EQUAL(
			pktpool_trace_on(pool, 1u << (i % 4), levels[i % ARRAY_LEN(levels)]), 0);
		usleep(500);
		(void)told(pool);
		if (i % 4)
			pktpool_trace_off(pool);
	}
	is_over = 1;
	for (u32 i = 0; i < 3; i++)
		pthread_join(t[i], NULL);
	CU_ASSERT_EQUAL(pktpool_trace_on(pool, 1, 0), 0);
	CU_ASSERT_EQUAL(told(pool)->n, 0);
	CU_ASSERT_EQUAL(n_faults(pool), 0);
	pktpool_trace_off(pool);
	end();
}

static const unit_test_t tests[] = {
	UNIT(owners_are_told),
	UNIT(a_sample_is_watched),
	UNIT(a_trace_begins_at_any_time),
	UNIT(off_leaves_nothing_behind),
	UNIT(foreign_mempools_are_watched),
	UNIT(what_is_free_is_not_told),
	UNIT(the_last_taker_is_told),
	UNIT(double_frees_name_both_sites),
	UNIT(foreign_frees_stay_out),
	UNIT(writes_after_free_are_found),
	UNIT(wrong_reference_counts_are_named),
	UNIT(ordinary_sharing_is_no_fault),
	UNIT(the_latest_faults_are_kept),
	UNIT(graph_nodes_are_told),
	UNIT(some_walks_are_followed),
	UNIT(a_trace_while_threads_work),
};

int
main(void)
{
	int status;

	if (eal_up(0, 64, NULL))
		return 1;
	status = unit_run("pktpool_forensics", tests, ARRAY_LEN(tests));
	eal_down();
	return status;
}
