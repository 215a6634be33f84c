/* SPDX-License-Identifier: Apache-2.0 */
/* random_isaac: Jenkins's ISAAC-64, 256 words at a call.
 *
 *   uword seed[ISAAC_SIZE] = { ... }, results[ISAAC_SIZE];
 *   isaac_t ctx;
 *   isaac_init (&ctx, seed);
 *   isaac (&ctx, results);
 *
 * Period at least 2^72, no known short cycles in any bit.  The whole seed counts: a word in
 * seed[0] and zeros after it is enough to get another sequence.
 *
 * Threads: a context is one thread's.  Source: R. J. Jenkins, "ISAAC", Fast Software Encryption
 * 1996, and his 64-bit variant.  A published check: the words of a zero seed, each 256 of them read
 * backwards, are the 781 keys of the PolyGlot chess book format. */
#ifndef included_vppinfra_random_isaac_h
#define included_vppinfra_random_isaac_h

#include <vppinfra/clib.h>
#include <vppinfra/format.h>

/** Words of a state. */
#define ISAAC_LOG2_SIZE 8
#define ISAAC_SIZE (1 << ISAAC_LOG2_SIZE)

typedef struct {
	uword memory[ISAAC_SIZE];
	uword a, b, c;
} isaac_t;

/** Start from ISAAC_SIZE words of seed; they may be the array that results will go to. */
CLIB_EXPORT void isaac_init(isaac_t *ctx, uword *seed);

/** The next ISAAC_SIZE words.  Cost: some 17 instructions a word. */
CLIB_EXPORT void isaac(isaac_t *ctx, uword *results);

/** ctx[0] into results[0 .. ISAAC_SIZE), ctx[1] into the ISAAC_SIZE words after them, as two
 *  calls would; the two run interleaved, as their chains of dependences are independent. */
CLIB_EXPORT void isaac2(isaac_t *ctx, uword *results);

#endif
