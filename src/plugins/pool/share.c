/* SPDX-License-Identifier: Apache-2.0 */
/* The order of mempool ops, and the list of secondaries, in a memzone. */
#include <plugins/pool/pktpool_impl.h>
#include <plugins/pool/share.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_memzone.h>
#include <rte_spinlock.h>

#define RECLAIM_MESSAGE "vmheap_reclaim"
/* A starving lcore waits no longer: the primary answers within a scheduling round or not at all. */
#define RECLAIM_TIMEOUT_NS 20000000

typedef struct {
	/* Claimed by exchange from 0 or from a dead process's pid. */
	_Atomic u32 pid;
	_Atomic u64
		start_time; /* clock ticks since boot: a pid that is used again is not the same */
} secondary_t;

typedef struct {
	_Atomic u32 n_ops;
	char names[RTE_MEMPOOL_MAX_OPS_IDX][RTE_MEMPOOL_OPS_NAMESIZE];
	secondary_t secondaries[PKTPOOL_MAX_SECONDARIES];
} share_t;

typedef struct {
	pktpool_t *pool;
	u32 n;
} reclaim_message_t;

u32 pktpool_lock_word = PKTPOOL_LOCK_THREAD;
static share_t *share;

/* ---- processes ---- */

/* Field 22 of /proc/PID/stat; 0 when there is no such process, or only its corpse. */
static u64
start_time_of(u32 pid)
{
	char path[32], line[512], state = 0, *after;
	unsigned long long ticks = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%u/stat", pid);
	f = fopen(path, "r");
	if (!f)
		return 0;
	/* The name in brackets may hold anything, so look from its end. */
	if (fgets(line, sizeof(line), f) && (after = strrchr(line, ')')) &&
	    sscanf(after + 1,
		   " %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d "
		   "%llu",
		   &state, &ticks) != 2)
		ticks = 0;
	fclose(f);
	return state == 'Z' || state == 'X' ? 0 : ticks;
}

static int
is_alive(secondary_t *s)
{
	u32 pid = pktpool_load(&s->pid);

	/* Acquire: pairs with the release in pktpool_share_join(). */
	return pid &&
	       start_time_of(pid) == atomic_load_explicit(&s->start_time, memory_order_acquire);
}

int
pktpool_share_is_dead(u32 lock_word)
{
	u32 i = lock_word - PKTPOOL_LOCK_FIRST_SECONDARY;

	if (lock_word == PKTPOOL_LOCK_THREAD)
		return rte_eal_process_type() == RTE_PROC_SECONDARY &&
		       !rte_eal_primary_proc_alive(NULL);
	return share && i < PKTPOOL_MAX_SECONDARIES && !is_alive(&share->secondaries[i]);
}

/* A place whose process is gone is free only when no lock bears its word: that one's heir is told
 * by the pid that the holder is dead. */
static int
a_lock_bears(pktpool_t *pool, void *arg)
{
	u32 *word = arg;

	if (pktpool_load(&pool->lock) != *word)
		return 0;
	*word = 0;
	return 1;
}

int
pktpool_share_join(void)
{
	u32 self = (u32)getpid();

	for (u32 i = 0; i < PKTPOOL_MAX_SECONDARIES; i++) {
		secondary_t *s = &share->secondaries[i];
		u32 pid = pktpool_load(&s->pid), word = PKTPOOL_LOCK_FIRST_SECONDARY + i;

		if (is_alive(s))
			continue;
		if (pid) {
			pktpool_foreign_foreach(a_lock_bears, &word);
			if (!word)
				continue;
		}
		if (!atomic_compare_exchange_strong(&s->pid, &pid, self))
			continue;
		/* Release: whoever sees the time sees the pid, pairs with is_alive(). */
		atomic_store_explicit(&s->start_time, start_time_of(self), memory_order_release);
		pktpool_lock_word = PKTPOOL_LOCK_FIRST_SECONDARY + i;
		return 0;
	}
	return -ENOSPC;
}

/* ---- the order of ops ---- */

void
pktpool_share_publish_ops(void)
{
	struct rte_mempool_ops_table *t = &rte_mempool_ops_table;

	if (!share || rte_eal_process_type() == RTE_PROC_SECONDARY ||
	    pktpool_load(&share->n_ops) == t->num_ops)
		return;
	for (u32 i = 0; i < t->num_ops; i++)
		snprintf(share->names[i], sizeof(share->names[i]), "%s", t->ops[i].name);
	/* Release: the names are whole for the acquire in mend_table(). */
	atomic_store_explicit(&share->n_ops, t->num_ops, memory_order_release);
}

static void
swap_ops(struct rte_mempool_ops *a, struct rte_mempool_ops *b)
{
	struct rte_mempool_ops keep = *a;

	*a = *b;
	*b = keep;
}

/* For a name that is not loaded here: nothing to be had, nothing kept, no crash. */
static int
refuse_get(struct rte_mempool *mp, void **objs, unsigned int n)
{
	return -ENOBUFS;
}

static int
refuse_put(struct rte_mempool *mp, void *const *objs, unsigned int n)
{
	return 0;
}

static int
refuse_alloc(struct rte_mempool *mp)
{
	return -ENOTSUP;
}

static unsigned int
refuse_count(const struct rte_mempool *mp)
{
	return 0;
}

static const struct rte_mempool_ops refusing_ops = {
	.alloc = refuse_alloc,
	.enqueue = refuse_put,
	.dequeue = refuse_get,
	.get_count = refuse_count,
};

/* The primary's name i at our place i, for all i.  What only we have moves behind. */
static int
mend_table(char *missing)
{
	struct rte_mempool_ops_table *t = &rte_mempool_ops_table;
	/* Acquire: pairs with pktpool_share_publish_ops(). */
	u32 n = atomic_load_explicit(&share->n_ops, memory_order_acquire);
	int error = 0;

	n = clib_min(n, (u32)RTE_MEMPOOL_MAX_OPS_IDX);
	rte_spinlock_lock(&t->sl);
	for (u32 i = 0; i < n; i++) {
		u32 k = i;

		while (k < RTE_MEMPOOL_MAX_OPS_IDX && strcmp(t->ops[k].name, share->names[i]))
			k++;
		if (k < RTE_MEMPOOL_MAX_OPS_IDX) {
			if (k != i)
				swap_ops(&t->ops[i], &t->ops[k]);
		} else {
			/* Ours moves out of the way, and what is called there refuses. */
			u32 empty = i;

			while (empty < RTE_MEMPOOL_MAX_OPS_IDX && t->ops[empty].name[0])
				empty++;
			if (empty < RTE_MEMPOOL_MAX_OPS_IDX && empty != i)
				t->ops[empty] = t->ops[i];
			t->ops[i] = refusing_ops;
			memcpy(t->ops[i].name, share->names[i], sizeof(t->ops[i].name));
			if (!error)
				snprintf(missing, RTE_MEMPOOL_OPS_NAMESIZE, "%s", share->names[i]);
			error = -ESRCH;
		}
	}
	for (u32 i = 0; i < RTE_MEMPOOL_MAX_OPS_IDX; i++)
		if (t->ops[i].name[0])
			t->num_ops = clib_max(t->num_ops, i + 1);
	rte_spinlock_unlock(&t->sl);
	return error;
}

/* ---- reclaim on behalf of a secondary ---- */

typedef struct {
	pktpool_t *pool;
	u32 n;
	int is_known;
} reclaim_t;

static int
reclaim_if_ours(pktpool_t *pool, void *arg)
{
	reclaim_t *r = arg;

	/* A message is only bytes: the pool must be one that we know. */
	if (pool != r->pool)
		return 0;
	r->is_known = 1;
	pktpool_lock(pool);
	if (pktpool_load(&pool->n_depot) < r->n)
		pktpool_reclaim(pool, NULL, r->n);
	pktpool_unlock(pool);
	return 1;
}

static int
answer_reclaim(const struct rte_mp_msg *msg, const void *peer)
{
	struct rte_mp_msg reply = { .len_param = sizeof(int) };
	reclaim_message_t request;
	reclaim_t r = { 0 };

	if (msg->len_param == sizeof(request)) {
		memcpy(&request, msg->param, sizeof(request));
		r.pool = request.pool;
		r.n = request.n;
		pktpool_foreign_foreach(reclaim_if_ours, &r);
	}
	snprintf(reply.name, sizeof(reply.name), "%s", RECLAIM_MESSAGE);
	memcpy(reply.param, &r.is_known, sizeof(r.is_known));
	return rte_mp_reply(&reply, peer);
}

int
pktpool_share_ask_reclaim(pktpool_t *pool, u32 n)
{
	struct timespec timeout = { .tv_nsec = RECLAIM_TIMEOUT_NS };
	reclaim_message_t request = { .pool = pool, .n = n };
	struct rte_mp_msg msg = { .len_param = sizeof(request) };
	struct rte_mp_reply reply = { 0 };
	int is_known = 0;

	snprintf(msg.name, sizeof(msg.name), "%s", RECLAIM_MESSAGE);
	memcpy(msg.param, &request, sizeof(request));
	if (rte_mp_request_sync(&msg, &reply, &timeout))
		return -ENOTSUP;
	if (reply.nb_received && reply.msgs[0].len_param == sizeof(is_known))
		memcpy(&is_known, reply.msgs[0].param, sizeof(is_known));
	free(reply.msgs);
	return is_known ? 0 : -ENOENT;
}

/* ---- join, leave ---- */

static int
init_primary(void)
{
	const struct rte_memzone *mz =
		rte_memzone_reserve(PKTPOOL_SHARE_MEMZONE, sizeof(*share), SOCKET_ID_ANY, 0);

	if (!mz)
		return -rte_errno;
	share = mz->addr;
	memset(share, 0, sizeof(*share));
	pktpool_share_publish_ops();
	/* Refused where there is no channel to other processes (--in-memory, --no-shconf): then
	 * nobody is going to ask. */
	rte_mp_action_register(RECLAIM_MESSAGE, answer_reclaim);
	return 0;
}

static int
init_secondary(char *missing)
{
	const struct rte_memzone *mz = rte_memzone_lookup(PKTPOOL_SHARE_MEMZONE);
	int error, is_incomplete;

	if (!mz)
		return -ENOENT;
	share = mz->addr;
	is_incomplete = mend_table(missing);
	pktpool_ops_bind();
	pktpool_foreign_set_up(1);
	error = pktpool_share_join();
	return error ? error : is_incomplete;
}

int
pktpool_share_init(char missing[RTE_MEMPOOL_OPS_NAMESIZE])
{
	missing[0] = 0;
	return rte_eal_process_type() == RTE_PROC_SECONDARY ? init_secondary(missing)
							    : init_primary();
}

void
pktpool_share_exit(void)
{
	u32 i = pktpool_lock_word - PKTPOOL_LOCK_FIRST_SECONDARY;

	pktpool_foreign_set_up(0);
	if (!share)
		return;
	if (rte_eal_process_type() != RTE_PROC_SECONDARY)
		rte_mp_action_unregister(RECLAIM_MESSAGE);
	else if (i < PKTPOOL_MAX_SECONDARIES)
		pktpool_store(&share->secondaries[i].pid, 0);
	share = NULL;
}
