/* SPDX-License-Identifier: Apache-2.0 */
/* Question: what do vmem_alloc and vmem_free cost, and does it stay so as an arena fills?
 *
 * Method: an arena of addresses that nobody touches, quantum 64, and beside it glibc's malloc,
 * which a user would take instead where the resource is memory.  Neither's memory is written by
 * the benchmark.  All in the same rounds:
 *   - pair: one segment of 256 bytes, taken and freed: the floor under every other figure; in an
 *     empty arena of 64 GiB, where what is left is of another power of two, and beside a live one;
 *   - fill, free: n segments taken one after the other; then all freed in an order unlike that;
 *   - replace: n live segments of 64 to 1024 bytes, log-uniform; an operation frees a random one
 *     and takes another size, by each policy.  The choices are made beforehand, the same for all;
 *   - align: 2 MiB at a phase of 64 KiB, among so many live ones, taken and freed;
 *   - range: 100 000 holes of 64 to 1024 bytes; a request with minaddr and maxaddr that name a
 *     twentieth of them, which has room for it (hit) or not (miss), by each policy; and the worst
 *     of best fit: 20 000 holes that are all larger than what is asked for, half of them in the
 *     range, and outside 20 000 that are all of different sizes and nearer to it;
 *   - pause: fill to a million and free of all, and the first request that names a policy in an
 *     arena of a million segments and those that follow it: unprepared, after vmem_prepare(), and
 *     after vmem_prepare_ranges(); each call timed by itself, beside as many stores, and as many
 *     calls to the system for two pages and three.  What the engine causes it causes in every
 *     round, at the same call; what the machine does, it does anywhere: so a call's time is its
 *     least of all rounds, and what is shown is the greatest of those, and which share of calls is
 *     above what;
 *   - others: how long a second thread's calls of instant fit take while the first request with a
 *     policy builds the index, beside as long without that request; on another CPU where there is
 *     one.  The machine's own pauses are in both, so calls above so many us are counted;
 *   - metadata: bytes for each live segment: tags, hash and indexes, as counted; and of the indexes
 *     for each free segment, without and with the range trees.
 * Unit: nanoseconds (cycles, instructions) per alloc + free; fill and free: per call. */
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <vppinfra/vmem.h>
#include "bench.h"

#define QUANTUM 64
#define N_PAIRS (1 << 17)
#define N_REPLACE (1 << 17)
#define N_HOLES 100000
#define N_RANGES (1 << 12)
#define N_WORST 20000
#define N_PAUSE_ROUNDS 7
#define N_PAGE_CALLS 2000
#define N_ROUNDS 15
#define MAX_LIVE 1000000

/* ---- choices, made once ---- */

static struct {
	u32 random; /* a slot, when scaled */
	u16 n_bytes;
} choices[N_REPLACE];

static u16
log_uniform_size(u64 *seed)
{
	uword log2 = 6 + bench_random_below(seed, 4);

	return (u16)((1u << log2) + bench_random_below(seed, (1u << log2) + 1));
}

static void
make_choices(void)
{
	u64 seed = 1;

	for (u32 i = 0; i < N_REPLACE; i++) {
		choices[i].random = (u32)bench_random(&seed);
		choices[i].n_bytes = log_uniform_size(&seed);
	}
}

/* ---- the work ---- */

typedef struct {
	vmem_t *arena; /* NULL: glibc */
	int vmflag;
	void **addr;
	u16 *n_bytes;
	u32 n_live;
} live_t;

static void
nothing(void *arg, u64 n_ops)
{
	for (u64 i = 0; i < n_ops; i++)
		bench_keep(i);
}

static void
vmem_pairs(void *arg, u64 n_ops)
{
	const live_t *live = arg;

	for (u64 i = 0; i < n_ops; i++)
		vmem_free(live->arena, vmem_alloc(live->arena, 256, live->vmflag), 256);
}

static void
vmem_xpairs(void *arg, u64 n_ops)
{
	const live_t *live = arg;

	for (u64 i = 0; i < n_ops; i++)
		vmem_xfree(live->arena,
			   vmem_xalloc(live->arena, 256, 4096, 64, 0, NULL, NULL, VM_NOSLEEP), 256);
}

static void
glibc_pairs(void *arg, u64 n_ops)
{
	for (u64 i = 0; i < n_ops; i++) {
		void *p = malloc(256);

		bench_keep(p);
		free(p);
	}
}

static void
vmem_replace(void *arg, u64 n_ops)
{
	live_t *live = arg;

	for (u64 i = 0; i < n_ops; i++) {
		u64 slot = ((u64)choices[i].random * live->n_live) >> 32;

		vmem_free(live->arena, live->addr[slot], live->n_bytes[slot]);
		live->n_bytes[slot] = choices[i].n_bytes;
		live->addr[slot] = vmem_alloc(live->arena, choices[i].n_bytes, live->vmflag);
	}
}

static void
glibc_replace(void *arg, u64 n_ops)
{
	live_t *live = arg;

	for (u64 i = 0; i < n_ops; i++) {
		u64 slot = ((u64)choices[i].random * live->n_live) >> 32;

		free(live->addr[slot]);
		live->addr[slot] = malloc(choices[i].n_bytes);
	}
}

static void
fill(void *arg, u64 n_ops)
{
	live_t *live = arg;

	for (u64 i = 0; i < n_ops; i++)
		live->addr[i] =
			live->arena ? vmem_alloc(live->arena, 256, live->vmflag) : malloc(256);
}

/* 611953: a prime, so that stepping by it visits every slot once. */
static void
drain(void *arg, u64 n_ops)
{
	live_t *live = arg;

	for (u64 i = 0; i < n_ops; i++) {
		void *p = live->addr[i * 611953 % n_ops];

		if (live->arena)
			vmem_free(live->arena, p, 256);
		else
			free(p);
	}
}

static void
fill_all(void *arg)
{
	fill(arg, ((live_t *)arg)->n_live);
}

static void
drain_all(void *arg)
{
	drain(arg, ((live_t *)arg)->n_live);
}

/* ---- cases ---- */

static vmem_t *
new_arena(void)
{
	return vmem_create("bench", (void *)(1ull << 40), GiB(64), QUANTUM, NULL, NULL, NULL, 0,
			   VM_NOSLEEP);
}

static live_t instant, beside, best, next, glibc;

static bench_case_t pair_cases[] = {
	{ .name = "empty", .fn = nothing, .n_ops = N_PAIRS },
	{ .name = "vmem_pair",
	  .params = "size=256 policy=instant",
	  .fn = vmem_pairs,
	  .arg = &instant,
	  .n_ops = N_PAIRS },
	{ .name = "vmem_pair",
	  .params = "size=256 policy=instant beside=1",
	  .fn = vmem_pairs,
	  .arg = &beside,
	  .n_ops = N_PAIRS },
	{ .name = "vmem_pair",
	  .params = "size=256 policy=best",
	  .fn = vmem_pairs,
	  .arg = &best,
	  .n_ops = N_PAIRS },
	{ .name = "vmem_pair",
	  .params = "size=256 policy=next",
	  .fn = vmem_pairs,
	  .arg = &next,
	  .n_ops = N_PAIRS },
	{ .name = "vmem_xpair",
	  .params = "size=256 align=4096 phase=64",
	  .fn = vmem_xpairs,
	  .arg = &instant,
	  .n_ops = N_PAIRS },
	{ .name = "glibc_pair", .params = "size=256", .fn = glibc_pairs, .n_ops = N_PAIRS },
};

static void
run_pairs(void)
{
	instant = (live_t){ new_arena(), VM_NOSLEEP };
	beside = (live_t){ new_arena(), VM_NOSLEEP };
	best = (live_t){ new_arena(), VM_NOSLEEP | VM_BESTFIT };
	next = (live_t){ new_arena(), VM_NOSLEEP | VM_NEXTFIT };
	vmem_alloc(beside.arena, 64, VM_NOSLEEP);
	bench_run(pair_cases, ARRAY_LEN(pair_cases), N_ROUNDS);
	vmem_free(beside.arena, (void *)(1ull << 40), 64);
	vmem_destroy(beside.arena);
	vmem_destroy(instant.arena);
	vmem_destroy(best.arena);
	vmem_destroy(next.arena);
}

static bench_case_t fill_cases[] = {
	{ .name = "vmem_fill", .fn = fill, .finish = drain_all, .arg = &instant },
	{ .name = "glibc_fill", .fn = fill, .finish = drain_all, .arg = &glibc },
	{ .name = "vmem_free_after_fill", .prepare = fill_all, .fn = drain, .arg = &instant },
	{ .name = "glibc_free_after_fill", .prepare = fill_all, .fn = drain, .arg = &glibc },
};

static int
run_fill(u32 n)
{
	char params[64];

	snprintf(params, sizeof(params), "size=256 segments=%u policy=instant", n);
	instant = (live_t){ .arena = new_arena(), .vmflag = VM_NOSLEEP, .n_live = n };
	glibc = (live_t){ .n_live = n };
	instant.addr = calloc(n, sizeof(void *));
	glibc.addr = calloc(n, sizeof(void *));
	if (!instant.arena || !instant.addr || !glibc.addr)
		return 1;
	for (u32 i = 0; i < ARRAY_LEN(fill_cases); i++) {
		fill_cases[i].params = params;
		fill_cases[i].n_ops = n;
	}
	bench_run(fill_cases, ARRAY_LEN(fill_cases), n > 100000 ? 5 : N_ROUNDS);
	vmem_destroy(instant.arena);
	free(instant.addr);
	free(glibc.addr);
	return 0;
}

/* ---- replace ---- */

static const struct {
	const char *policy;
	int vmflag;
} replacers[] = {
	{ "instant", 0 }, { "best", VM_BESTFIT }, { "first", VM_FIRSTFIT }, { "next", VM_NEXTFIT },
	{ NULL, 0 }, /* glibc */
};

static int
make_live(live_t *live, u32 n, const char *policy, int vmflag)
{
	u64 seed = n;

	*live = (live_t){ .n_live = n, .vmflag = VM_NOSLEEP | vmflag };
	live->arena = policy ? new_arena() : NULL;
	live->addr = calloc(n, sizeof(live->addr[0]));
	live->n_bytes = calloc(n, sizeof(live->n_bytes[0]));
	if ((policy && !live->arena) || !live->addr || !live->n_bytes)
		return -ENOMEM;
	for (u32 i = 0; i < n; i++) {
		live->n_bytes[i] = log_uniform_size(&seed);
		live->addr[i] = policy ? vmem_alloc(live->arena, live->n_bytes[i], VM_NOSLEEP)
				       : malloc(live->n_bytes[i]);
		if (!live->addr[i])
			return -ENOMEM;
	}
	return 0;
}

static void
free_live(live_t *live)
{
	for (u32 i = 0; i < live->n_live; i++) {
		if (live->arena)
			vmem_free(live->arena, live->addr[i], live->n_bytes[i]);
		else
			free(live->addr[i]);
	}
	if (live->arena)
		vmem_destroy(live->arena);
	free(live->addr);
	free(live->n_bytes);
}

/* Tags as far as segments and free ones have them; a little more is in stock. */
static void
print_metadata(const live_t *live, const char *policy)
{
	u64 index_bytes, hash_bytes = vmem_hash_bytes(live->arena), tag_bytes;
	vmem_stats_t stats;

	vmem_index_state(live->arena, &index_bytes);
	vmem_get_stats(live->arena, &stats);
	tag_bytes = (stats.n_segs + stats.n_free) * 24;
	printf("vmem_metadata live=%llu free=%llu policy=%s tags=%.1f hash=%.1f index=%.1f "
	       "bytes_per_live=%.1f\n",
	       (unsigned long long)stats.n_segs, (unsigned long long)stats.n_free, policy,
	       (double)tag_bytes / stats.n_segs, (double)hash_bytes / stats.n_segs,
	       (double)index_bytes / stats.n_segs,
	       (double)(tag_bytes + hash_bytes + index_bytes) / stats.n_segs);
}

static void
say_nothing(const char *what, vmem_t *vmp, uword addr, uword size, const void *caller)
{
}

static int
run_replace(u32 n_live)
{
	static live_t lives[ARRAY_LEN(replacers)];
	static bench_case_t cases[ARRAY_LEN(replacers)];
	static char params[ARRAY_LEN(replacers)][64];
	u32 n = 0;

	for (u32 i = 0; i < ARRAY_LEN(replacers); i++) {
		const char *policy = replacers[i].policy;

		if (make_live(&lives[n], n_live, policy, replacers[i].vmflag)) {
			printf("# not enough memory for %u live segments\n", n_live);
			return 1;
		}
		snprintf(params[n], sizeof(params[n]), "live=%u size=64..1024%s%s", n_live,
			 policy ? " policy=" : "", policy ? policy : "");
		cases[n] = (bench_case_t){
			.name = policy ? "vmem_replace" : "glibc_replace",
			.params = params[n],
			.fn = policy ? vmem_replace : glibc_replace,
			.arg = &lives[n],
			.n_ops = N_REPLACE,
		};
		n++;
	}
	bench_run(cases, n, N_ROUNDS);
	for (u32 i = 0; i < n; i++) {
		if (lives[i].arena)
			print_metadata(&lives[i], replacers[i].policy);
		free_live(&lives[i]);
	}
	vmem_reap();
	return 0;
}

/* ---- align ---- */

static void
vmem_aligned(void *arg, u64 n_ops)
{
	const live_t *live = arg;

	for (u64 i = 0; i < n_ops; i++)
		vmem_xfree(live->arena,
			   vmem_xalloc(live->arena, MiB(2), MiB(2), KiB(64), 0, NULL, NULL,
				       live->vmflag),
			   MiB(2));
}

static int
run_aligned(u32 n_live)
{
	static live_t lives[4];
	static bench_case_t cases[4];
	static char params[4][64];

	for (u32 i = 0; i < 4; i++) {
		if (make_live(&lives[i], n_live, replacers[i].policy, replacers[i].vmflag))
			return 1;
		snprintf(params[i], sizeof(params[i]), "live=%u align=2M phase=64K policy=%s",
			 n_live, replacers[i].policy);
		cases[i] = (bench_case_t){ .name = "vmem_align",
					   .params = params[i],
					   .fn = vmem_aligned,
					   .arg = &lives[i],
					   .n_ops = N_PAIRS / 4 };
	}
	bench_run(cases, 4, N_ROUNDS);
	for (u32 i = 0; i < 4; i++)
		free_live(&lives[i]);
	return 0;
}

/* ---- range ---- */

typedef struct {
	vmem_t *arena;
	int vmflag;
	uword size, begin, end,
		part; /* addresses from begin to end; ranges are one of so many parts */
	u64 n_hits;
} range_t;

#define HOLES_BASE (1ull << 40)

/* Holes of 64 to 1024 bytes with a segment between each two.  Value: where they end. */
static uword
make_holes(vmem_t *arena)
{
	uword addr = HOLES_BASE;
	u64 seed = 7;

	for (u32 i = 0; i < N_HOLES; i++) {
		addr += QUANTUM + bench_random_below(&seed, 16) * QUANTUM;
		vmem_claim(arena, addr, QUANTUM);
		addr += QUANTUM;
	}
	/* And nothing behind them. */
	vmem_claim(arena, addr, HOLES_BASE + GiB(64) - addr);
	return addr;
}

static void
vmem_ranges(void *arg, u64 n_ops)
{
	range_t *r = arg;
	uword all = r->end - r->begin, part = all / r->part;

	for (u64 i = 0; i < n_ops; i++) {
		uword low = r->begin + (((uword)choices[i].random * (all - part)) >> 32);
		void *p = vmem_xalloc(r->arena, r->size, 0, 0, 0, (void *)low, (void *)(low + part),
				      r->vmflag);

		if (p) {
			vmem_xfree(r->arena, p, r->size);
			r->n_hits++;
		}
	}
}

/* The same with holes of 1, 2, ... quanta and behind them as many that are all larger. */
static void
make_worst_holes(range_t *r)
{
	uword addr = HOLES_BASE;

	for (uword i = 1; i <= N_WORST; i++) {
		addr += i * QUANTUM;
		vmem_claim(r->arena, addr, QUANTUM);
		addr += QUANTUM;
	}
	r->begin = addr;
	for (uword i = 0; i < N_WORST; i++) {
		addr += (N_WORST + 1 + i * 7919 % N_WORST) * QUANTUM;
		vmem_claim(r->arena, addr, QUANTUM);
		addr += QUANTUM;
	}
	vmem_claim(r->arena, addr, HOLES_BASE + GiB(64) - addr);
	r->end = addr;
}

/* Bytes of the indexes for each free segment. */
static void
print_index(const range_t *r, const char *params)
{
	vmem_stats_t stats;
	u64 n_bytes;
	u32 state = vmem_index_state(r->arena, &n_bytes);

	vmem_get_stats(r->arena, &stats);
	printf("vmem_metadata %s ranges=%u free=%llu bytes_per_free=%.1f\n", params, state >> 2,
	       (unsigned long long)stats.n_free, (double)n_bytes / stats.n_free);
}

/* The ordinary, hit and miss by each policy; and the worst by best fit. */
static int
run_ranges(void)
{
	static range_t ranges[10];
	static bench_case_t cases[10];
	static char params[10][64];

	for (u32 i = 0; i < 10; i++) {
		range_t *r = &ranges[i];
		bool is_worst = i >= 8, is_miss = i % 2;
		u32 policy = is_worst ? 1 : i / 2;

		*r = (range_t){ .arena = new_arena(),
				.vmflag = VM_NOSLEEP | replacers[policy].vmflag,
				.size = is_miss ? 1088 : 512,
				.begin = HOLES_BASE,
				.part = is_worst ? 2 : 20 };
		if (!r->arena)
			return 1;
		if (is_worst)
			make_worst_holes(r);
		else
			r->end = make_holes(r->arena);
		if (is_worst)
			r->size = is_miss ? (2 * N_WORST + 1) * QUANTUM : QUANTUM;
		snprintf(params[i], sizeof(params[i]), "holes=%u%s policy=%s %s",
			 is_worst ? 2 * N_WORST : N_HOLES, is_worst ? " worst" : "",
			 replacers[policy].policy, is_miss ? "miss" : "hit");
		cases[i] = (bench_case_t){ .name = "vmem_range",
					   .params = params[i],
					   .fn = vmem_ranges,
					   .arg = r,
					   .n_ops = is_worst ? N_RANGES / 8 : N_RANGES };
	}
	bench_run(cases, 10, N_ROUNDS);
	for (u32 i = 0; i < 10; i++) {
		if ((ranges[i].n_hits != 0) != (i % 2 == 0))
			printf("# %s: %llu hits\n", params[i],
			       (unsigned long long)ranges[i].n_hits);
		if (i == 2 || i == 8)
			print_index(&ranges[i], params[i]);
		vmem_set_error_handler(say_nothing);
		vmem_destroy(ranges[i].arena);
		vmem_set_error_handler(NULL);
	}
	return 0;
}

/* ---- pause ---- */

static u32 *least_ns[2];

static void
note_least(u32 *least, u64 began, u64 ended)
{
	u64 ns = ended - began;

	if (ns < *least)
		*least = (u32)ns;
}

static int
compare_u32(const void *a, const void *b)
{
	return *(const u32 *)a < *(const u32 *)b ? -1 : *(const u32 *)a > *(const u32 *)b;
}

static void
print_pauses(const char *what, u32 *least, u32 n)
{
	qsort(least, n, sizeof(least[0]), compare_u32);
	printf("vmem_pause %s n=%u rounds=%u ns_median=%u ns_p99=%u ns_p999=%u ns_max=%u\n", what,
	       n, N_PAUSE_ROUNDS, least[n / 2], least[n - n / 100], least[n - n / 1000],
	       least[n - 1]);
}

static int
run_pauses(u32 n, const char *policy, int vmflag)
{
	void **addr = calloc(n, sizeof(*addr));
	char what[64];

	for (u32 i = 0; i < 2; i++) {
		least_ns[i] = malloc(n * sizeof(u32));
		if (!addr || !least_ns[i])
			return 1;
		memset(least_ns[i], 0xff, n * sizeof(u32));
	}
	for (u32 round = 0; round < N_PAUSE_ROUNDS; round++) {
		vmem_t *arena = new_arena();
		u64 before = bench_ns(), after;

		for (u32 i = 0; i < n; i++, before = after) {
			addr[i] = vmem_alloc(arena, 256, VM_NOSLEEP | vmflag);
			after = bench_ns();
			note_least(&least_ns[0][i], before, after);
		}
		before = bench_ns();
		for (u32 i = 0; i < n; i++, before = after) {
			vmem_free(arena, addr[(u64)i * 611953 % n], 256);
			after = bench_ns();
			note_least(&least_ns[1][i], before, after);
		}
		vmem_destroy(arena);
		vmem_reap();
	}
	snprintf(what, sizeof(what), "fill policy=%s", policy);
	print_pauses(what, least_ns[0], n);
	snprintf(what, sizeof(what), "free policy=%s", policy);
	print_pauses(what, least_ns[1], n);
	free(addr);
	free(least_ns[0]);
	free(least_ns[1]);
	return 0;
}

/* ---- first use of a policy ---- */

#define N_FIRST_CALLS (1 << 17)

/* prepared= */
enum { UNPREPARED, PREPARED, PREPARED_RANGES };

static int
prepare(vmem_t *arena, int prepared)
{
	if (prepared == PREPARED_RANGES)
		return vmem_prepare_ranges(arena);
	return prepared == PREPARED ? vmem_prepare(arena) : 0;
}

/* A million segments, each second one freed, and instant fit until then: the first request that
 * names a policy and those after it, unprepared; and pairs of instant fit after vmem_prepare() or
 * vmem_prepare_ranges(), while the indexes come. */
static int
run_first_use(u32 n, const char *policy, int vmflag, int prepared)
{
	void **addr = calloc(n, sizeof(*addr));
	char what[64];

	least_ns[0] = malloc(N_FIRST_CALLS * sizeof(u32));
	if (!addr || !least_ns[0])
		return 1;
	memset(least_ns[0], 0xff, N_FIRST_CALLS * sizeof(u32));
	for (u32 round = 0; round < N_PAUSE_ROUNDS; round++) {
		vmem_t *arena = new_arena();
		u64 before, after;

		for (u32 i = 0; i < n; i++)
			addr[i] = vmem_alloc(arena, 256, VM_NOSLEEP);
		for (u32 i = 0; i < n; i += 2)
			vmem_free(arena, addr[i], 256);
		if (prepare(arena, prepared))
			return 1;
		before = bench_ns();
		for (u32 i = 0; i < N_FIRST_CALLS; i += 2) {
			void *p = vmem_alloc(arena, 256, VM_NOSLEEP | vmflag);

			after = bench_ns();
			note_least(&least_ns[0][i], before, after);
			vmem_free(arena, p, 256);
			before = bench_ns();
			note_least(&least_ns[0][i + 1], after, before);
		}
		if (arena->vm_kstat.vk_index_builds != 1)
			printf("# policy=%s: the index is not there yet\n", policy);
		for (u32 i = 1; i < n; i += 2)
			vmem_free(arena, addr[i], 256);
		vmem_destroy(arena);
		vmem_reap();
	}
	printf("vmem_pause first_request policy=%s prepared=%d segments=%u ns=%u\n", policy,
	       prepared, n, least_ns[0][0]);
	snprintf(what, sizeof(what), "after_first policy=%s prepared=%d", policy, prepared);
	print_pauses(what, least_ns[0] + 1, N_FIRST_CALLS - 1);
	free(addr);
	free(least_ns[0]);
	return 0;
}

/* ---- what others wait for ---- */

enum { QUIET, BUILDING, OVER, N_PHASES };

#define N_BUCKETS 40

/* By quarters of a power of two: how many calls took so long. */
typedef struct {
	u64 n[4 * N_BUCKETS], n_calls, n_above[3];
} calls_t;

static const u32 above_us[3] = { 20, 50, 100 };

typedef struct {
	vmem_t *arena;
	_Atomic u32 phase;
	/* Written by the other thread, read when it has ended. */
	calls_t *calls;
} others_t;

static void
note_call(calls_t *c, u64 ns)
{
	uword log2 = min_log2(ns | 4);

	c->n_calls++;
	c->n[4 * log2 + ((ns >> (log2 - 2)) & 3)]++;
	for (u32 i = 0; i < ARRAY_LEN(above_us); i++)
		c->n_above[i] += ns > 1000 * above_us[i];
}

/* What all but one of so many calls took less than. */
static u64
quantile_ns(const calls_t *c, u64 one_of)
{
	u64 n = 0;
	i32 i = ARRAY_LEN(c->n);

	while (i > 0 && n < (c->n_calls + one_of - 1) / one_of)
		n += c->n[--i];
	return (u64)(4 + i % 4 + 1) << i / 4 >> 2;
}

/* Any CPU but the one that the benchmark is pinned to. */
static void
move_away(void)
{
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		cpu_set_t set;

		CPU_ZERO(&set);
		CPU_SET(cpu, &set);
		if (cpu != bench_cpu && sched_setaffinity(0, sizeof(set), &set) == 0)
			return;
	}
}

static void *
call_meanwhile(void *arg)
{
	others_t *o = arg;
	u64 before, after;
	u32 phase;

	move_away();
	before = bench_ns();
	while ((phase = atomic_load_explicit(&o->phase, memory_order_relaxed)) != OVER) {
		void *p = vmem_alloc(o->arena, 256, VM_NOSLEEP);

		after = bench_ns();
		note_call(&o->calls[phase], after - before);
		vmem_free(o->arena, p, 256);
		before = bench_ns();
		note_call(&o->calls[phase], before - after);
	}
	return NULL;
}

static void
print_others(const char *what, const calls_t *c)
{
	printf("vmem_pause others %s calls=%llu ns_p99=%llu ns_p999=%llu ns_p9999=%llu", what,
	       (unsigned long long)c->n_calls, (unsigned long long)quantile_ns(c, 100),
	       (unsigned long long)quantile_ns(c, 1000), (unsigned long long)quantile_ns(c, 10000));
	for (u32 i = 0; i < ARRAY_LEN(above_us); i++)
		printf(" above_%uus=%llu", above_us[i], (unsigned long long)c->n_above[i]);
	printf("\n");
}

static int
run_others(u32 n)
{
	void **addr = calloc(n, sizeof(*addr));
	static calls_t calls[N_PHASES];
	u32 ns_request[N_PAUSE_ROUNDS];
	u64 n_slices = 0;

	if (!addr)
		return 1;
	for (u32 round = 0; round < N_PAUSE_ROUNDS; round++) {
		others_t o = { .arena = new_arena(), .phase = QUIET, .calls = calls };
		pthread_t thread;
		u64 before;

		for (u32 i = 0; i < n; i++)
			addr[i] = vmem_alloc(o.arena, 256, VM_NOSLEEP);
		for (u32 i = 0; i < n; i += 2)
			vmem_free(o.arena, addr[i], 256);
		if (pthread_create(&thread, NULL, call_meanwhile, &o))
			return 1;
		/* As long as a request among half a million takes. */
		for (before = bench_ns(); bench_ns() - before < 100 * 1000 * 1000;)
			;
		atomic_store_explicit(&o.phase, BUILDING, memory_order_relaxed);
		before = bench_ns();
		addr[0] = vmem_alloc(o.arena, 256, VM_NOSLEEP | VM_BESTFIT);
		ns_request[round] = (u32)(bench_ns() - before);
		atomic_store_explicit(&o.phase, OVER, memory_order_relaxed);
		pthread_join(thread, NULL);
		n_slices = o.arena->vm_kstat.vk_index_slices;
		vmem_free(o.arena, addr[0], 256);
		for (u32 i = 1; i < n; i += 2)
			vmem_free(o.arena, addr[i], 256);
		vmem_destroy(o.arena);
		vmem_reap();
	}
	print_others("building=0", &calls[QUIET]);
	print_others("building=1", &calls[BUILDING]);
	qsort(ns_request, N_PAUSE_ROUNDS, sizeof(ns_request[0]), compare_u32);
	printf("vmem_pause requester free=%u slices=%llu ns_median=%u\n", n / 2,
	       (unsigned long long)n_slices, ns_request[N_PAUSE_ROUNDS / 2]);
	free(addr);
	return 0;
}

/* What the machine itself does to anybody: as many calls that store 64 bytes, timed alike. */
static int
run_machine_pauses(u32 n)
{
	static u64 words[8];

	least_ns[0] = malloc(n * sizeof(u32));
	if (!least_ns[0])
		return 1;
	memset(least_ns[0], 0xff, n * sizeof(u32));
	for (u32 round = 0; round < N_PAUSE_ROUNDS; round++) {
		u64 before = bench_ns(), after;

		for (u32 i = 0; i < n; i++, before = after) {
			for (u32 k = 0; k < ARRAY_LEN(words); k++)
				words[k] += i;
			bench_keep(words[i % ARRAY_LEN(words)]);
			after = bench_ns();
			note_least(&least_ns[0][i], before, after);
		}
	}
	print_pauses("peer=stores", least_ns[0], n);
	free(least_ns[0]);
	return 0;
}

/* What the system takes for the pages that vmem has of it: made writable and populated, one call
 * each, at addresses that follow each other. */
static int
run_page_pauses(u32 n_pages, u32 n)
{
	uword bytes = n_pages * KiB(4);
	char what[64];

	least_ns[0] = malloc(n * sizeof(u32));
	if (!least_ns[0])
		return 1;
	memset(least_ns[0], 0xff, n * sizeof(u32));
	for (u32 round = 0; round < N_PAUSE_ROUNDS; round++) {
		u8 *p = mmap(NULL, n * bytes, PROT_NONE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		u64 before = bench_ns(), after;

		if (p == MAP_FAILED)
			return 1;
		for (u32 i = 0; i < n; i++, before = after) {
			if (mprotect(p + i * bytes, bytes, PROT_READ | PROT_WRITE) ||
			    madvise(p + i * bytes, bytes, MADV_POPULATE_WRITE))
				return 1;
			after = bench_ns();
			note_least(&least_ns[0][i], before, after);
		}
		munmap(p, n * bytes);
	}
	snprintf(what, sizeof(what), "peer=pages pages=%u", n_pages);
	print_pauses(what, least_ns[0], n);
	free(least_ns[0]);
	return 0;
}

int
main(void)
{
	int n_errors = 0;

	bench_start("bench_vmem");
	make_choices();
	run_pairs();
	n_errors += run_replace(1000);
	n_errors += run_replace(100000);
	n_errors += run_replace(MAX_LIVE);
	n_errors += run_fill(100000);
	n_errors += run_fill(MAX_LIVE);
	n_errors += run_aligned(1000);
	n_errors += run_aligned(100000);
	n_errors += run_ranges();
	n_errors += run_machine_pauses(MAX_LIVE);
	n_errors += run_page_pauses(2, N_PAGE_CALLS);
	n_errors += run_page_pauses(3, N_PAGE_CALLS);
	n_errors += run_first_use(MAX_LIVE, "best", VM_BESTFIT, UNPREPARED);
	n_errors += run_first_use(MAX_LIVE, "instant", 0, PREPARED);
	n_errors += run_first_use(MAX_LIVE, "instant", 0, PREPARED_RANGES);
	n_errors += run_others(MAX_LIVE);
	n_errors += run_pauses(MAX_LIVE, "instant", 0);
	n_errors += run_pauses(MAX_LIVE, "best", VM_BESTFIT);
	return n_errors != 0;
}
