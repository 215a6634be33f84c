/* SPDX-License-Identifier: Apache-2.0 */
/* Somebody else's mempool on our ops, by way of rte_mempool's calls alone, under threads: those
 * that come and go, one that sits on what it has cached, and a trace that is switched meanwhile. An
 * object is with one owner at a time, none is lost, and ThreadSanitizer has nothing to say. */
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>
#include <plugins/pool/forensics.h>
#include <plugins/pool/share.h>
#include <rte_mempool.h>
#include "eal.h"
#include "unit.h"

#define N_OBJS 450 /* they meet its end now and then */
#define N_THREADS 3
#define MAX_BURST 300 /* more than a magazine */

/* Plain, not atomic: two owners at once are a race, which ThreadSanitizer tells, too. */
typedef struct {
	u64 owner, n_owned;
} object_t;

static struct rte_mempool *mp;
static _Atomic u64 n_moved, n_refused, n_wrong;
static _Atomic int is_over;

static struct rte_mempool *
mempool_of(const char *name, u32 n)
{
	struct rte_mempool *m =
		rte_mempool_create_empty(name, n, sizeof(object_t), 0, 0, SOCKET_ID_ANY, 0);

	CU_ASSERT_PTR_NOT_NULL_FATAL(m);
	CU_ASSERT_EQUAL(rte_mempool_set_ops_byname(m, PKTPOOL_OPS_NAME, NULL), 0);
	CU_ASSERT_EQUAL(rte_mempool_populate_default(m), (int)n);
	return m;
}

static void
own(void *const *objs, u32 n, u64 who)
{
	for (u32 i = 0; i < n; i++) {
		object_t *o = objs[i];

		if (o->owner)
			atomic_fetch_add(&n_wrong, 1);
		o->owner = who;
		o->n_owned++;
	}
}

static void
disown(void *const *objs, u32 n, u64 who)
{
	for (u32 i = 0; i < n; i++) {
		object_t *o = objs[i];

		if (o->owner != who)
			atomic_fetch_add(&n_wrong, 1);
		o->owner = 0;
	}
}

/* Bursts of any size, several of them out at a time, some given back one by one. */
static void
take_and_give(u64 *state, u64 who, u32 n_rounds)
{
	static __thread void *held[4][MAX_BURST];
	u32 n_held[4] = {};

	for (u32 i = 0; i < n_rounds; i++) {
		u32 k = (u32)unit_random_below(state, 4);
		u32 n = 1 + (u32)unit_random_below(state, i % 8 ? 40 : MAX_BURST);

		if (n_held[k]) {
			disown(held[k], n_held[k], who);
			if (n & 1)
				rte_mempool_put_bulk(mp, held[k], n_held[k]);
			else
				for (u32 j = 0; j < n_held[k]; j++)
					rte_mempool_put(mp, held[k][j]);
			atomic_fetch_add(&n_moved, n_held[k]);
			n_held[k] = 0;
		} else if (!rte_mempool_get_bulk(mp, held[k], n)) {
			own(held[k], n, who);
			n_held[k] = n;
		} else {
			atomic_fetch_add(&n_refused, 1);
		}
	}
	for (u32 k = 0; k < 4; k++) {
		disown(held[k], n_held[k], who);
		rte_mempool_put_bulk(mp, held[k], n_held[k]);
	}
}

typedef struct {
	u64 state, who;
} short_life_t;

static void *
short_life(void *arg)
{
	short_life_t *l = arg;

	take_and_give(&l->state, l->who, 200);
	return NULL;
}

/* One thread after the other, each of which leaves its magazines when it exits. */
static void *
lives(void *arg)
{
	short_life_t l = { .state = unit_seed() + (uword)arg, .who = 1 + (uword)arg };

	while (!atomic_load(&is_over)) {
		pthread_t t;

		if (pthread_create(&t, NULL, short_life, &l))
			break;
		pthread_join(t, NULL);
	}
	return NULL;
}

/* Fills its magazines and goes to sleep: what it has the others can only get by taking it. */
static void *
sits_on_some(void *arg)
{
	void *objs[128];

	while (!atomic_load(&is_over)) {
		if (!rte_mempool_get_bulk(mp, objs, 128)) {
			own(objs, 128, 1000);
			disown(objs, 128, 1000);
			rte_mempool_put_bulk(mp, objs, 128);
		}
		usleep(300);
	}
	return NULL;
}

static int
count_one(const pktpool_holding_t *h, void *arg)
{
	++*(u32 *)arg;
	return 0;
}

/* A mempool that comes and goes beside.  That no thread looks at it while it is freed is the doing
 * of a lock in librte_mempool, which ThreadSanitizer does not see. */
static void
traced_to_its_end(void)
{
#ifndef EAL_IS_UNDER_TSAN
	struct rte_mempool *other = mempool_of("beside", 255);

	CU_ASSERT_EQUAL(pktpool_trace_on(pktpool_of_mempool(other), 1, 0), 0);
	rte_mempool_free(other);
#endif
}

static void
threads_come_and_go(void)
{
	static const u32 levels[] = { 0, PKTPOOL_TRACE_CHECK };
	u64 n_wanted = unit_n_ops(20000000);
	pthread_t t[N_THREADS + 1];
	pktpool_trace_info_t trace;
	pktpool_info_t info;
	pktpool_t *pool;
	u32 n_told;

	mp = mempool_of("threads", N_OBJS);
	pool = pktpool_of_mempool(mp);
	for (uword i = 0; i < N_THREADS; i++)
		CU_ASSERT_EQUAL_FATAL(pthread_create(&t[i], NULL, lives, (void *)i), 0);
	CU_ASSERT_EQUAL_FATAL(pthread_create(&t[N_THREADS], NULL, sits_on_some, NULL), 0);
	for (u32 i = 0; atomic_load(&n_moved) < n_wanted; i++) {
		CU_ASSERT_EQUAL(pktpool_trace_on(pool, 1u << (i % 5), levels[i % 2]), 0);
		usleep(1000);
		n_told = 0;
		pktpool_trace_foreach(pool, count_one, &n_told);
		CU_ASSERT(n_told <= N_OBJS);
		CU_ASSERT(rte_mempool_avail_count(mp) <= N_OBJS);
		if (i % 3)
			pktpool_trace_off(pool);
		traced_to_its_end();
	}
	atomic_store(&is_over, 1);
	for (u32 i = 0; i <= N_THREADS; i++)
		pthread_join(t[i], NULL);

	CU_ASSERT_EQUAL(atomic_load(&n_wrong), 0);
	CU_ASSERT_EQUAL(rte_mempool_avail_count(mp), N_OBJS);
	/* All others are gone, and so are their magazines. */
	pktpool_flush_thread();
	pktpool_get_info(pool, &info);
	CU_ASSERT_EQUAL(info.n_depot, N_OBJS);
	CU_ASSERT_EQUAL(info.n_bad_puts, 0);
	CU_ASSERT_EQUAL(pktpool_check(pool, NULL, 0), 0);
	CU_ASSERT_EQUAL(pktpool_trace_on(pool, 1, 0), 0);
	n_told = 0;
	pktpool_trace_foreach(pool, count_one, &n_told);
	CU_ASSERT_EQUAL(n_told, 0);
	pktpool_trace_get_info(pool, &trace);
	for (u32 k = 0; k < PKTPOOL_N_FAULTS; k++)
		CU_ASSERT_EQUAL(trace.n_faults[k], 0);
	printf("%llu objects moved, %llu requests refused, %llu reclaims\n",
	       (unsigned long long)n_moved, (unsigned long long)n_refused,
	       (unsigned long long)info.n_reclaims);
	CU_ASSERT(info.n_reclaims > 0);
	rte_mempool_free(mp);
}

static const unit_test_t tests[] = {
	UNIT(threads_come_and_go),
};

int
main(void)
{
	int status;

	if (eal_up(0, 0, NULL))
		return 1;
	status = unit_run("foreign_threads", tests, ARRAY_LEN(tests));
	eal_down();
	return status;
}
