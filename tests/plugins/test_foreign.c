/* SPDX-License-Identifier: Apache-2.0 */
/* Mempools that somebody else makes with our ops: any element, any flags, any way to populate them,
 * and the journal that lets a secondary die. */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <plugins/pool/pktpool_impl.h>
#include <plugins/pool/share.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_malloc.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>
#include <rte_memzone.h>
#include "eal.h"
#include "unit.h"

#define MAX_OBJECTS 5000

static struct rte_mempool *
empty_pool(u32 n, u32 element_bytes, u32 cache, u32 flags)
{
	struct rte_mempool *mp = rte_mempool_create_empty("foreign", n, element_bytes, cache, 40,
							  SOCKET_ID_ANY, flags);

	CU_ASSERT_PTR_NOT_NULL_FATAL(mp);
	CU_ASSERT_EQUAL_FATAL(rte_mempool_set_ops_byname(mp, PKTPOOL_OPS_NAME, NULL), 0);
	return mp;
}

static struct rte_mempool *
pool_of(u32 n, u32 element_bytes, u32 cache, u32 flags)
{
	struct rte_mempool *mp = empty_pool(n, element_bytes, cache, flags);

	CU_ASSERT_EQUAL_FATAL(rte_mempool_populate_default(mp), (int)n);
	return mp;
}

static void
set_options(u8 in_arena, u8 is_accounted, int refuse)
{
	pktpool_foreign_options_t o = { in_arena, is_accounted, refuse };

	pktpool_foreign_set_options(&o);
}

static void
check(struct rte_mempool *mp)
{
	char what[160] = "";

	if (pktpool_check(pktpool_of_mempool(mp), what, sizeof(what)))
		printf("%s\n", what);
	CU_ASSERT_STRING_EQUAL(what, "");
}

/* Every object once, each the holder's alone over its whole length; then all are back. */
static void
exercise(struct rte_mempool *mp)
{
	static void *objs[MAX_OBJECTS + 1];
	u32 n = 0, n_wrong = 0;

	CU_ASSERT_EQUAL(rte_mempool_avail_count(mp), mp->size);
	while (n <= mp->size && rte_mempool_get(mp, &objs[n]) == 0) {
		memset(objs[n], (int)(n % 251), mp->elt_size);
		n++;
	}
	CU_ASSERT_EQUAL(n, mp->size);
	CU_ASSERT_EQUAL(rte_mempool_avail_count(mp), 0);
	for (u32 i = 0; i < n; i++)
		for (u32 k = 0; k < mp->elt_size; k++)
			n_wrong += ((u8 *)objs[i])[k] != i % 251;
	CU_ASSERT_EQUAL(n_wrong, 0);
	for (u32 i = 0; i < n; i++)
		rte_mempool_put(mp, objs[i]);
	CU_ASSERT_EQUAL(rte_mempool_avail_count(mp), mp->size);
	rte_mempool_audit(mp);
	/* What DPDK's own cache holds is not the pool's to find. */
	if (!mp->cache_size)
		check(mp);
}

/* Odd sizes, all flags: whoever makes a mempool gets what the flags say. */
static void
any_element_and_flags(void)
{
	static const u32 sizes[] = { 1, 8, 63, 64, 65, 1000, 4096, 9000 };
	static const u32 flags[] = { 0,
				     RTE_MEMPOOL_F_NO_SPREAD,
				     RTE_MEMPOOL_F_NO_CACHE_ALIGN,
				     RTE_MEMPOOL_F_SP_PUT | RTE_MEMPOOL_F_SC_GET,
				     RTE_MEMPOOL_F_NO_IOVA_CONTIG,
				     RTE_MEMPOOL_F_NO_CACHE_ALIGN | RTE_MEMPOOL_F_NO_SPREAD |
					     RTE_MEMPOOL_F_NO_IOVA_CONTIG };

	for (u32 s = 0; s < ARRAY_LEN(sizes); s++)
		for (u32 f = 0; f < ARRAY_LEN(flags); f++) {
			u32 n = s % 2 ? 129 : 1;
			struct rte_mempool *mp =
				pool_of(n, sizes[s], f % 2 && n > 64 ? 32 : 0, flags[f]);

			exercise(mp);
			rte_mempool_free(mp);
		}
}

/* All or nothing: a request that cannot be met takes nothing. */
static void
dequeue_is_all_or_nothing(void)
{
	struct rte_mempool *mp = pool_of(1000, 64, 0, 0);
	static void *objs[1001];

	CU_ASSERT_EQUAL(rte_mempool_get_bulk(mp, objs, 1001), -ENOBUFS);
	CU_ASSERT_EQUAL(rte_mempool_avail_count(mp), 1000);
	CU_ASSERT_EQUAL(rte_mempool_get_bulk(mp, objs, 999), 0);
	CU_ASSERT_EQUAL(rte_mempool_get_bulk(mp, objs, 2), -ENOBUFS);
	CU_ASSERT_EQUAL(rte_mempool_avail_count(mp), 1);
	rte_mempool_put_bulk(mp, objs, 999);
	check(mp);
	rte_mempool_free(mp);
}

static void
chunk_freed(struct rte_mempool_memhdr *h, void *opaque)
{
	(*(u32 *)opaque)++;
}

/* Chunk by chunk, in pieces that hold a few objects each, or none. */
static void
many_populate_calls(void)
{
	struct rte_mempool *mp = empty_pool(300, 512, 0, 0);
	u32 n_objects = 0, n_freed = 0, n_chunks = 0;
	char *memory = aligned_alloc(4096, KiB(512));

	for (u32 i = 0; i < 64 && n_objects < 300; i++) {
		/* The first is too short for one object. */
		int n = rte_mempool_populate_iova(mp, memory + i * KiB(8), RTE_BAD_IOVA,
						  i ? KiB(8) : 128, chunk_freed, &n_freed);

		CU_ASSERT(n >= 0);
		n_objects += (u32)n;
		n_chunks += n > 0;
	}
	CU_ASSERT_EQUAL(n_objects, 300);
	CU_ASSERT_EQUAL(mp->nb_mem_chunks, n_chunks);
	exercise(mp);
	rte_mempool_free(mp);
	CU_ASSERT_EQUAL(n_freed, n_chunks);
	free(memory);
}

/* More of them than our own table has places, all alive at once. */
static void
more_than_the_table_holds(void)
{
	static struct rte_mempool *pools[PKTPOOL_MAX_POOLS + 10];
	char name[RTE_MEMPOOL_NAMESIZE];

	for (u32 i = 0; i < ARRAY_LEN(pools); i++) {
		snprintf(name, sizeof(name), "foreign%u", i);
		pools[i] = rte_mempool_create_empty(name, 16, 64, 0, 0, SOCKET_ID_ANY, 0);
		CU_ASSERT_PTR_NOT_NULL_FATAL(pools[i]);
		CU_ASSERT_EQUAL(rte_mempool_set_ops_byname(pools[i], PKTPOOL_OPS_NAME, NULL), 0);
		CU_ASSERT_EQUAL_FATAL(rte_mempool_populate_default(pools[i]), 16);
	}
	for (u32 i = 0; i < ARRAY_LEN(pools); i++) {
		exercise(pools[i]);
		rte_mempool_free(pools[i]);
	}
}

static int
n_named(pktpool_t *pool, void *arg)
{
	*(u32 *)arg += !strcmp(pktpool_mempool(pool)->name, "foreign");
	return 0;
}

/* `show buffers` finds it, for as long as it lives. */
static void
listed_while_it_lives(void)
{
	struct rte_mempool *mp = pool_of(100, 64, 0, 0);
	pktpool_info_t info;
	u32 n = 0;

	pktpool_foreach(n_named, &n);
	CU_ASSERT_EQUAL(n, 1);
	pktpool_get_info(pktpool_of_mempool(mp), &info);
	CU_ASSERT_EQUAL(info.n_total, 100);
	CU_ASSERT_EQUAL(info.n_used, 0);
	CU_ASSERT_EQUAL(pktpool_destroy(pktpool_of_mempool(mp), NULL), -EINVAL);
	rte_mempool_free(mp);
	n = 0;
	pktpool_foreach(n_named, &n);
	CU_ASSERT_EQUAL(n, 0);
}

static void *
get_put_exit(void *arg)
{
	void *objs[8];

	CU_ASSERT_EQUAL(rte_mempool_get_bulk(arg, objs, 8), 0);
	rte_mempool_put_bulk(arg, objs, 8);
	return NULL;
}

/* A thread that is no lcore leaves nothing behind when it exits. */
static void
a_thread_exits(void)
{
	struct rte_mempool *mp = pool_of(2000, 64, 0, 0);
	pktpool_info_t info;
	pthread_t thread;

	pktpool_flush_thread();
	CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, get_put_exit, mp), 0);
	pthread_join(thread, NULL);
	pktpool_get_info(pktpool_of_mempool(mp), &info);
	CU_ASSERT_EQUAL(info.n_cached, 0);
	CU_ASSERT_EQUAL(info.n_depot, 2000);
	rte_mempool_free(mp);
}

/* Accounting: DPDK's caches stay empty whatever is put, and the private area stays where it is. */
static void
accounting_closes_the_caches(void)
{
	struct rte_mempool *mp;
	void *objs[16];

	set_options(0, 1, 0);
	mp = pool_of(500, 64, 64, 0);
	CU_ASSERT_EQUAL(mp->cache_size, 64);
	for (u32 i = 0; i < 100; i++) {
		CU_ASSERT_EQUAL(rte_mempool_get_bulk(mp, objs, 16), 0);
		CU_ASSERT_EQUAL(rte_mempool_avail_count(mp), 484);
		rte_mempool_put_bulk(mp, objs, 16);
	}
	CU_ASSERT_EQUAL(pktpool_foreign_n_in_caches(mp), 0);
	exercise(mp);
	rte_mempool_free(mp);
	set_options(0, 0, 0);
}

typedef struct {
	uword start, end;
	u32 n_chunks;
} chunks_t;

static void
note_chunk(struct rte_mempool *mp, void *opaque, struct rte_mempool_memhdr *h, unsigned i)
{
	chunks_t *c = opaque;

	if (!i)
		c->start = (uword)h->addr;
	if (!i)
		c->end = c->start + h->len;
	c->n_chunks++;
}

static void
count_outside(struct rte_mempool *mp, void *opaque, void *obj, unsigned i)
{
	chunks_t *c = opaque;

	c->n_chunks += (uword)obj < c->start || (uword)obj + mp->elt_size > c->end;
}

/* In the arena the memory list is honest: the first chunk holds the objects, DPDK knows it as
 * external memory, and all of it goes when the mempool goes. */
static void
in_the_arena(void)
{
	struct rte_mempool *mp;
	chunks_t c = { 0 };

	set_options(1, 0, 0);
	mp = pool_of(3000, 2304, 0, 0);
	rte_mempool_mem_iter(mp, note_chunk, &c);
	CU_ASSERT_EQUAL(c.n_chunks, mp->nb_mem_chunks);
	CU_ASSERT_PTR_NOT_NULL(rte_mem_virt2memseg_list((void *)c.start));
	c.n_chunks = 0;
	rte_mempool_obj_iter(mp, count_outside, &c);
	CU_ASSERT_EQUAL(c.n_chunks, 0);
	exercise(mp);
	rte_mempool_free(mp);
	CU_ASSERT_PTR_NULL(rte_mem_virt2memseg_list((void *)c.start));
	set_options(0, 0, 0);
}

/* Memory that the caller brings is used as it is, whatever the option says. */
static void
the_callers_own_memory_in_arena_mode(void)
{
	char *memory =
		mmap(NULL, MiB(4), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct rte_mempool *mp;
	chunks_t c = { 0 };
	u32 n_freed = 0;

	set_options(1, 0, 0);
	mp = empty_pool(1000, 2048, 0, 0);
	CU_ASSERT_EQUAL(
		rte_mempool_populate_iova(mp, memory, RTE_BAD_IOVA, MiB(4), chunk_freed, &n_freed),
		1000);
	rte_mempool_mem_iter(mp, note_chunk, &c);
	CU_ASSERT_EQUAL(c.start, (uword)memory);
	exercise(mp);
	rte_mempool_free(mp);
	CU_ASSERT_EQUAL(n_freed, 1);
	set_options(0, 0, 0);
	munmap(memory, MiB(4));
}

/* Options that could not be read make no pool: the program hears it where it asks for one. */
static void
refused_when_options_are_wrong(void)
{
	struct rte_mempool *mp;

	set_options(0, 0, -EINVAL);
	mp = empty_pool(10, 64, 0, 0);
	CU_ASSERT_EQUAL(rte_mempool_populate_default(mp), -EINVAL);
	rte_mempool_free(mp);
	set_options(0, 0, 0);
}

/* The least that a secondary does: enough of it that every step of the depot is met. */
static void
secondary_get_put(pktpool_t *pool, u32 n_rounds)
{
	static void *objs[MAX_OBJECTS];
	u64 random = 7;

	for (u32 i = 0; i < n_rounds; i++) {
		u32 n = 1 + (u32)unit_random_below(&random, 700);

		if (!pktpool_secondary_get(pool, objs, n))
			pktpool_secondary_put(pool, objs, n);
	}
}

/* A secondary's way to the depot, without anybody dying. */
static void
a_secondary_works_on_the_depot(void)
{
	struct rte_mempool *mp = pool_of(4000, 64, 0, 0);
	pktpool_t *pool = pktpool_of_mempool(mp);

	pktpool_flush_thread();
	pktpool_lock_word = PKTPOOL_LOCK_FIRST_SECONDARY;
	secondary_get_put(pool, 2000);
	pktpool_lock_word = PKTPOOL_LOCK_THREAD;
	CU_ASSERT_EQUAL(rte_mempool_avail_count(mp), 4000);
	check(mp);
	exercise(mp);
	rte_mempool_free(mp);
}

/* A child of ours stands in for a secondary: EAL's memory is shared with it. */
static pid_t
start_secondary(pktpool_t *pool)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	if (pktpool_share_join())
		_exit(1);
	for (;;)
		secondary_get_put(pool, 1000);
}

/* kill -9 at a random instant, many times: the heir finds a whole depot, and no more is gone than
 * the dead one could hold. */
static void
killed_at_any_instant(void)
{
	u32 n_rounds = (u32)unit_n_ops(200), n_inherited = 0, n_damaged = 0, n_short = 0;
	u64 random = unit_seed();

	for (u32 i = 0; i < n_rounds; i++) {
		struct rte_mempool *mp = pool_of(4000, 64, 0, 0);
		pktpool_t *pool = pktpool_of_mempool(mp);
		static void *objs[MAX_OBJECTS];
		pid_t pid;
		u32 n = 0;

		pktpool_flush_thread();
		pid = start_secondary(pool);
		CU_ASSERT_FATAL(pid > 0);
		usleep(500 + (useconds_t)unit_random_below(&random, 2000));
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		n_inherited += pktpool_load(&pool->lock) != 0;

		while (n < 4000 && rte_mempool_get(mp, &objs[n]) == 0)
			n++;
		n_short += n < 4000 - 700;
		rte_mempool_put_bulk(mp, objs, n);
		n_damaged += pktpool_check(pool, NULL, 0) != 0;
		rte_mempool_free(mp);
	}
	CU_ASSERT_EQUAL(n_damaged, 0);
	CU_ASSERT_EQUAL(n_short, 0);
	/* Else nothing was tried. */
	CU_ASSERT(n_inherited > 0);
	printf("%u of %u died with the lock ", n_inherited, n_rounds);
}

/* The ops of this process in the order in which they were loaded, for secondaries. */
static void
the_order_is_published(void)
{
	const struct rte_memzone *mz = rte_memzone_lookup(PKTPOOL_SHARE_MEMZONE);

	CU_ASSERT_PTR_NOT_NULL_FATAL(mz);
	/* Names follow a count of 32 bits. */
	for (u32 i = 0; i < rte_mempool_ops_table.num_ops; i++)
		CU_ASSERT_STRING_EQUAL((char *)mz->addr + 4 + i * RTE_MEMPOOL_OPS_NAMESIZE,
				       rte_mempool_ops_table.ops[i].name);
}

static const unit_test_t tests[] = {
	UNIT(any_element_and_flags),
	UNIT(dequeue_is_all_or_nothing),
	UNIT(many_populate_calls),
	UNIT(more_than_the_table_holds),
	UNIT(listed_while_it_lives),
	UNIT(a_thread_exits),
	UNIT(accounting_closes_the_caches),
	UNIT(in_the_arena),
	UNIT(the_callers_own_memory_in_arena_mode),
	UNIT(refused_when_options_are_wrong),
	UNIT(a_secondary_works_on_the_depot),
	UNIT(killed_at_any_instant),
	UNIT(the_order_is_published),
};

int
main(void)
{
	char missing[RTE_MEMPOOL_OPS_NAMESIZE];
	int failed;

	if (eal_up(0, 128, NULL) || pktpool_share_init(missing))
		return 1;
	failed = unit_run("foreign", tests, ARRAY_LEN(tests));
	pktpool_share_exit();
	eal_down();
	return failed;
}
