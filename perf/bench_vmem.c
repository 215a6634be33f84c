/* SPDX-License-Identifier: Apache-2.0 */
/* Question: what do vmem_alloc and vmem_free cost, and does it stay so as an arena fills?
 *
 * Method: an arena of addresses that nobody touches, quantum 64, and beside it glibc's malloc,
 * which a user would take instead where the resource is memory.  Neither's memory is written by
 * the benchmark.  All in the same rounds:
 *   - pair: one segment of 256 bytes, taken and freed: the floor under every other figure;
 *   - fill, free: n segments taken one after the other; then all freed in an order unlike that;
 *   - replace: n live segments of 64 to 1024 bytes, log-uniform; an operation frees a random one
 *     and takes another size.  The choices are made beforehand, the same for both.
 * Best and first fit look at all free segments that may fit, so they are shown where that is few.
 * Unit: nanoseconds (cycles, instructions) per alloc + free; fill and free: per call. */
#include <vppinfra/vmem.h>
#include "bench.h"

#define QUANTUM 64
#define N_PAIRS (1 << 17)
#define N_REPLACE (1 << 17)
#define N_REPLACE_SLOW (1 << 12) /* best and first at 100k live */
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

static live_t instant, best, next, glibc;

static bench_case_t pair_cases[] = {
	{ .name = "empty", .fn = nothing, .n_ops = N_PAIRS },
	{ .name = "vmem_pair",
	  .params = "size=256 policy=instant",
	  .fn = vmem_pairs,
	  .arg = &instant,
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
	best = (live_t){ new_arena(), VM_NOSLEEP | VM_BESTFIT };
	next = (live_t){ new_arena(), VM_NOSLEEP | VM_NEXTFIT };
	bench_run(pair_cases, ARRAY_LEN(pair_cases), N_ROUNDS);
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
	u32 max_live; /* where it is shown, */
	u32 max_fast; /* and where with all operations */
} replacers[] = {
	{ "instant", 0, MAX_LIVE, MAX_LIVE }, { "next", VM_NEXTFIT, MAX_LIVE, MAX_LIVE },
	{ "best", VM_BESTFIT, 100000, 1000 }, { "first", VM_FIRSTFIT, 100000, 1000 },
	{ NULL, 0, MAX_LIVE, MAX_LIVE }, /* glibc */
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

static int
run_replace(u32 n_live)
{
	static live_t lives[ARRAY_LEN(replacers)];
	static bench_case_t cases[ARRAY_LEN(replacers)];
	static char params[ARRAY_LEN(replacers)][64];
	u32 n = 0;

	for (u32 i = 0; i < ARRAY_LEN(replacers); i++) {
		const char *policy = replacers[i].policy;

		if (n_live > replacers[i].max_live)
			continue;
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
			.n_ops = n_live > replacers[i].max_fast ? N_REPLACE_SLOW : N_REPLACE,
		};
		n++;
	}
	bench_run(cases, n, N_ROUNDS);
	for (u32 i = 0; i < n; i++)
		free_live(&lives[i]);
	vmem_reap();
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
	return n_errors != 0;
}
