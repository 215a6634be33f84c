/* SPDX-License-Identifier: Apache-2.0 */
/* hash_key: sums and comparisons of keys, inlined into the loops of hash.c.
 *
 * A sum is a product of the key's words by odd constants, its halves folded (as in Wang Yi's
 * wyhash, 2019); what a table keeps of it are 31 bits.  The words of short keys are read whole and
 * may overlap: no byte is looked at one by one, and none beyond the key. */
#ifndef included_vppinfra_hash_key_h
#define included_vppinfra_hash_key_h

#include <vppinfra/hash.h>

/* ---- sums ---- */

/* Odd constants with well mixed bits: the fractional parts of the square roots of 2 and 3. */
#define MIX_A 0x6a09e667f3bcc909ull
#define MIX_B 0xbb67ae8584caa73bull

/* All bits of both words reach all bits of the result: the halves of the 128-bit product. */
static inline u64
mix(u64 a, u64 b)
{
	__uint128_t m = (__uint128_t)(a ^ MIX_A) * (b ^ MIX_B);

	return (u64)m ^ (u64)(m >> 64);
}

/* For a number: two products, as keys a stride apart still gather after one.  The sum is in the
 * high half. */
static inline u64
mix_number(u64 x)
{
	x = (x ^ x >> 32) * MIX_B;
	return (x ^ x >> 29) * MIX_A;
}

static inline u64
load_64(const u8 *p)
{
	u64 x;

	memcpy(&x, p, sizeof(x));
	return x;
}

static inline u32
load_32(const u8 *p)
{
	u32 x;

	memcpy(&x, p, sizeof(x));
	return x;
}

/* The 1 to 7 bytes at p as a number, some of them twice. */
static inline u64
load_few(const u8 *p, uword n)
{
	if (n >= 4)
		return (u64)load_32(p) << 32 | load_32(p + n - 4);
	return (u64)p[0] << 16 | (u64)p[n / 2] << 8 | p[n - 1];
}

always_inline u64
sum_bytes(const u8 *b, uword left, u64 state)
{
	state = mix(state, left);
	for (; left >= 16; left -= 16, b += 16)
		state = mix(load_64(b) ^ state, load_64(b + 8));
	if (left >= 8)
		/* The second word ends at the last byte and may overlap the first. */
		return mix(load_64(b) ^ state, load_64(b + left - 8));
	return left ? mix(load_few(b, left) ^ state, MIX_A) : state;
}

/* memcmp() costs more than these for the keys that tables have. */
always_inline int
bytes_equal(const u8 *a, const u8 *b, uword n)
{
	if (n - 1 < 7)
		return load_few(a, n) == load_few(b, n);
	if (n - 8 <= 8)
		return load_64(a) == load_64(b) && load_64(a + n - 8) == load_64(b + n - 8);
	return !memcmp(a, b, n);
}

/* ---- keys ---- */

static inline void *
key_pointer(uword key)
{
	return uword_to_pointer(key, void *);
}

always_inline uword
mem_sum(const hash_t *h, uword key)
{
	return sum_bytes(key_pointer(key), h->user, 0);
}

always_inline uword
vec_sum(const hash_t *h, uword key)
{
	return sum_bytes(key_pointer(key), vec_len64(key_pointer(key)) * h->user, 0);
}

always_inline uword
string_sum(uword key)
{
	return sum_bytes(key_pointer(key), strlen(key_pointer(key)), 0);
}

always_inline int
vecs_equal(const hash_t *h, uword a, uword b)
{
	uword n = vec_len64(key_pointer(a));

	return n == vec_len64(key_pointer(b)) &&
	       (n == 0 || bytes_equal(key_pointer(a), key_pointer(b), n * h->user));
}

/* Both halves of a sum count, and the pair that has it is in use. */
static inline u32
fold_sum(u64 sum)
{
	return (u32)(sum ^ sum >> 32) | _HASH_IN_USE;
}

static inline u32
fold_number(u64 x)
{
	return (u32)(mix_number(x) >> 32) | _HASH_IN_USE;
}

/* A stranger's function may leave the low bits alike. */
static inline u32
fold_stranger(uword sum)
{
	return fold_number(sum);
}

/* kind is h->key_sum: where it is a constant nothing is left to decide. */
always_inline u32
key_sum(const hash_t *h, uword kind, uword key)
{
	switch (kind) {
	case KEY_FUNC_NONE:
		return fold_number(key);
	case KEY_FUNC_POINTER_UWORD:
		return fold_number(*(uword *)key_pointer(key));
	case KEY_FUNC_POINTER_U32:
		return fold_number(*(u32 *)key_pointer(key));
	case KEY_FUNC_STRING:
		return fold_sum(string_sum(key));
	case KEY_FUNC_MEM:
		return fold_sum(mem_sum(h, key));
	case KEY_FUNC_VEC:
		return fold_sum(vec_sum(h, key));
	default:
		return fold_stranger(h->key_sum((hash_t *)h, key));
	}
}

/* The same; kind is h->key_equal. */
always_inline int
key_equal(const hash_t *h, uword kind, uword a, uword b)
{
	if (a == b)
		return 1;
	switch (kind) {
	case KEY_FUNC_NONE:
		return 0;
	case KEY_FUNC_POINTER_UWORD:
		return *(uword *)key_pointer(a) == *(uword *)key_pointer(b);
	case KEY_FUNC_POINTER_U32:
		return *(u32 *)key_pointer(a) == *(u32 *)key_pointer(b);
	case KEY_FUNC_STRING:
		return !strcmp(key_pointer(a), key_pointer(b));
	case KEY_FUNC_MEM:
		return bytes_equal(key_pointer(a), key_pointer(b), h->user);
	case KEY_FUNC_VEC:
		return vecs_equal(h, a, b);
	default:
		return h->key_equal((hash_t *)h, a, b) != 0;
	}
}

#endif
