/* SPDX-License-Identifier: Apache-2.0 */
/* random: a small fast generator whose whole state is a u32 seed of the caller's.
 *
 * Linear congruential, with the constants of Press and others, Numerical Recipes (2nd edition,
 * 7.1): period 2^32, the low bits have short periods of their own.  For tests and for spreading
 * load; not for secrets.  Threads: a seed is one thread's. */
#ifndef included_vppinfra_random_h
#define included_vppinfra_random_h

#include <vppinfra/clib.h>
#include <vppinfra/format.h>
#include <vppinfra/vec.h>

/** Advance the seed and return it. */
always_inline u32
random_u32(u32 *seed)
{
	*seed = 1664525u * *seed + 1013904223u;
	return *seed;
}

/** The greatest value of random_u32(). */
always_inline u32
random_u32_max(void)
{
	return 0xffffffffu;
}

/** Two steps of the seed, the first in the high half. */
always_inline u64
random_u64(u32 *seed)
{
	u64 high = random_u32(seed);

	return high << 32 | random_u32(seed);
}

/** 64 random bits. */
always_inline uword
random_uword(u32 *seed)
{
	return random_u64(seed);
}

/** In [0, 1], 32 bits of it. */
always_inline f64
random_f64(u32 *seed)
{
	return (f64)random_u32(seed) / (f64)random_u32_max();
}

/** A seed that differs from run to run. */
CLIB_EXPORT u32 random_default_seed(void);

/** A vector of len lower-case letters, not NUL terminated; NULL when there is no memory. */
CLIB_EXPORT u8 *random_string(u32 *seed, uword len);

/** Pearson's chi-square of counts (a vector) against all being equal; ~0 for no counts. */
CLIB_EXPORT f64 clib_chisquare(u64 *values);

#endif
