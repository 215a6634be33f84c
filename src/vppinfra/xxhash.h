/* SPDX-License-Identifier: Apache-2.0 */
/* xxhash: XXH64 of one word, with the golden ratio as its seed: what VPP hashes u64 keys with.
 * Source: Y. Collet, the xxHash specification, version 0.1. */
#ifndef included_vppinfra_xxhash_h
#define included_vppinfra_xxhash_h

#include <vppinfra/bitops.h>
#include <vppinfra/clib.h>

#define _CLIB_XXH64_PRIME_1 11400714785074694791ULL
#define _CLIB_XXH64_PRIME_2 14029467366897019727ULL
#define _CLIB_XXH64_PRIME_3 1609587929392839161ULL
#define _CLIB_XXH64_PRIME_4 9650029242287828579ULL
#define _CLIB_XXH64_PRIME_5 2870177450012600261ULL

/** A number spread over 64 bits (Collet, xxHash). */
always_inline u64
clib_xxhash(u64 key)
{
	u64 h = 0x9e3779b97f4a7c13ull + _CLIB_XXH64_PRIME_5 + sizeof(key);

	h ^= rotate_left(key * _CLIB_XXH64_PRIME_2, 31) * _CLIB_XXH64_PRIME_1;
	h = rotate_left(h, 27) * _CLIB_XXH64_PRIME_1 + _CLIB_XXH64_PRIME_4;
	h = (h ^ h >> 33) * _CLIB_XXH64_PRIME_2;
	h = (h ^ h >> 29) * _CLIB_XXH64_PRIME_3;
	return h ^ h >> 32;
}

#endif
