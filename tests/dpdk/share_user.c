/* SPDX-License-Identifier: Apache-2.0 */
/* A DPDK program that knows nothing of us: one mempool, words on stdin, one answer a line.
 *
 *   share_user EAL-ARGUMENTS -- OPS
 *
 * The primary creates the mempool "shared", a secondary looks it up.
 *   count     objects that the mempool says it has
 *   get N     take N at once: "got N" or "none"; they are kept, and put back by `put`
 *   put       all that are kept
 *   all       take one by one until there are none, put back: "all N distinct D"
 *   churn MS  bursts of random size, filled and looked at: "churned N wrong W"; 0 never ends */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_mempool.h>

#define N_OBJECTS 8000
#define ELEMENT_BYTES 168
#define MAX_BURST 700

static void *kept[N_OBJECTS];
static unsigned n_kept;

static int
compare(const void *a, const void *b)
{
	uintptr_t x = *(const uintptr_t *)a, y = *(const uintptr_t *)b;

	return x < y ? -1 : x > y;
}

static void
take_all(struct rte_mempool *mp)
{
	static void *objs[N_OBJECTS + 1];
	unsigned n = 0, n_distinct = 0;

	while (n <= N_OBJECTS && rte_mempool_get(mp, &objs[n]) == 0)
		n++;
	qsort(objs, n, sizeof(*objs), compare);
	for (unsigned i = 0; i < n; i++)
		n_distinct += !i || objs[i] != objs[i - 1];
	for (unsigned i = 0; i < n; i++)
		rte_mempool_put(mp, objs[i]);
	printf("all %u distinct %u\n", n, n_distinct);
}

/* Each object bears its holder's mark while it is held: nobody else may have changed it. */
static void
churn(struct rte_mempool *mp, unsigned ms)
{
	uint64_t end = rte_get_timer_cycles() + ms * rte_get_timer_hz() / 1000, n = 0, wrong = 0;
	uint64_t random = (uint64_t)getpid() * 0x9e3779b97f4a7c15ull;
	static void *objs[MAX_BURST];

	while (!ms || rte_get_timer_cycles() < end) {
		unsigned k;

		random = random * 6364136223846793005ull + 1442695040888963407ull;
		k = 1 + (unsigned)(random >> 33) % MAX_BURST;
		if (rte_mempool_get_bulk(mp, objs, k))
			continue;
		for (unsigned i = 0; i < k; i++)
			*(volatile uint64_t *)objs[i] = random + i;
		for (unsigned i = 0; i < k; i++)
			wrong += *(volatile uint64_t *)objs[i] != random + i;
		rte_mempool_put_bulk(mp, objs, k);
		n += k;
	}
	printf("churned %lu wrong %lu\n", (unsigned long)n, (unsigned long)wrong);
}

static struct rte_mempool *
open_pool(const char *ops)
{
	struct rte_mempool *mp;

	if (rte_eal_process_type() == RTE_PROC_SECONDARY)
		return rte_mempool_lookup("shared");
	mp = rte_mempool_create_empty("shared", N_OBJECTS, ELEMENT_BYTES, 0, 0, SOCKET_ID_ANY, 0);
	if (mp &&
	    (rte_mempool_set_ops_byname(mp, ops, NULL) || rte_mempool_populate_default(mp) < 0))
		return NULL;
	return mp;
}

int
main(int argc, char **argv)
{
	int n = rte_eal_init(argc, argv);
	struct rte_mempool *mp;
	char line[64];
	unsigned k;

	setvbuf(stdout, NULL, _IOLBF, 0);
	mp = n < 0 || n + 1 >= argc ? NULL : open_pool(argv[n + 1]);
	if (!mp) {
		printf("no pool: %s\n", rte_strerror(rte_errno));
		return 1;
	}
	puts("ready");
	while (fgets(line, sizeof(line), stdin)) {
		if (!strcmp(line, "count\n"))
			printf("count %u\n", rte_mempool_avail_count(mp));
		else if (sscanf(line, "get %u", &k) == 1 && k <= N_OBJECTS - n_kept) {
			int got = !rte_mempool_get_bulk(mp, kept + n_kept, k);

			n_kept += got ? k : 0;
			printf(got ? "got %u\n" : "none\n", k);
		} else if (!strcmp(line, "put\n")) {
			if (n_kept)
				rte_mempool_put_bulk(mp, kept, n_kept);
			printf("put %u\n", n_kept);
			n_kept = 0;
		} else if (!strcmp(line, "all\n"))
			take_all(mp);
		else if (sscanf(line, "churn %u", &k) == 1)
			churn(mp, k);
		else
			puts("what?");
	}
	if (rte_eal_process_type() != RTE_PROC_SECONDARY)
		rte_mempool_free(mp);
	rte_eal_cleanup();
	return 0;
}
