/* SPDX-License-Identifier: Apache-2.0 */
/* Each step of the generator depends on the one before, which leaves a processor half idle; so
 * isaac2() takes a step of either context in turn. */
#include <vppinfra/random_isaac.h>

#define MASK (ISAAC_SIZE - 1)

/* One of Jenkins's four mixes of the accumulator, by place. */
always_inline u64
mix_accumulator(u64 a, u32 i)
{
	switch (i & 3) {
	case 0:
		return ~(a ^ a << 21);
	case 1:
		return a ^ a >> 5;
	case 2:
		return a ^ a << 12;
	default:
		return a ^ a >> 33;
	}
}

typedef struct {
	u64 *memory, *results;
	u64 a, b;
} isaac_run_t;

always_inline isaac_run_t
run_start(isaac_t *ctx, uword *results)
{
	isaac_run_t r = { .memory = ctx->memory, .results = results, .a = ctx->a };

	r.b = ctx->b + ++ctx->c;
	return r;
}

/* A word of memory is looked up by bits 3..10 of a value, as the address of a u64 would be. */
always_inline void
run_step(isaac_run_t *r, u32 i)
{
	u64 x = r->memory[i], y;

	r->a = mix_accumulator(r->a, i) + r->memory[(i + ISAAC_SIZE / 2) & MASK];
	r->memory[i] = y = r->memory[x >> 3 & MASK] + r->a + r->b;
	r->results[i] = r->b = r->memory[y >> (3 + ISAAC_LOG2_SIZE) & MASK] + x;
}

always_inline void
run_end(isaac_t *ctx, const isaac_run_t *r)
{
	ctx->a = r->a;
	ctx->b = r->b;
}

void
isaac(isaac_t *ctx, uword *results)
{
	isaac_run_t r = run_start(ctx, results);

	for (u32 i = 0; i < ISAAC_SIZE; i += 4) {
		run_step(&r, i);
		run_step(&r, i + 1);
		run_step(&r, i + 2);
		run_step(&r, i + 3);
	}
	run_end(ctx, &r);
}

void
isaac2(isaac_t *ctx, uword *results)
{
	isaac_run_t r0 = run_start(&ctx[0], results);
	isaac_run_t r1 = run_start(&ctx[1], results + ISAAC_SIZE);

	for (u32 i = 0; i < ISAAC_SIZE; i += 4) {
		run_step(&r0, i);
		run_step(&r1, i);
		run_step(&r0, i + 1);
		run_step(&r1, i + 1);
		run_step(&r0, i + 2);
		run_step(&r1, i + 2);
		run_step(&r0, i + 3);
		run_step(&r1, i + 3);
	}
	run_end(&ctx[0], &r0);
	run_end(&ctx[1], &r1);
}

/* Jenkins's mix of eight words, one word of them a turn; right and left shifts alternate. */
static void
mix_eight(u64 v[8])
{
	static const u8 shifts[8] = { 9, 9, 23, 15, 14, 20, 17, 14 };

	for (u32 i = 0; i < 8; i++) {
		u64 above = v[(i + 7) & 7];

		v[i] -= v[(i + 4) & 7];
		v[(i + 5) & 7] ^= i & 1 ? above << shifts[i] : above >> shifts[i];
		v[(i + 7) & 7] += v[i];
	}
}

/* Memory becomes the running mix of what source holds, eight words at a time. */
static void
mix_in(u64 v[8], u64 *memory, const u64 *source)
{
	for (u32 i = 0; i < ISAAC_SIZE; i += 8) {
		for (u32 j = 0; j < 8; j++)
			v[j] += source[i + j];
		mix_eight(v);
		for (u32 j = 0; j < 8; j++)
			memory[i + j] = v[j];
	}
}

void
isaac_init(isaac_t *ctx, uword *seed)
{
	u64 v[8];

	ctx->a = ctx->b = ctx->c = 0;
	for (u32 j = 0; j < 8; j++)
		v[j] = 0x9e3779b97f4a7c13ull; /* the golden ratio */
	for (u32 i = 0; i < 4; i++)
		mix_eight(v);
	mix_in(v, ctx->memory, seed);
	/* Once more, so that the last words of the seed reach the first of memory. */
	mix_in(v, ctx->memory, ctx->memory);
}
