/* SPDX-License-Identifier: Apache-2.0 */
/* hash: from keys to values, both machine words unless said otherwise.
 *
 *   uword *h = hash_create (0, sizeof (uword)), *p;
 *   hash_set (h, key, value);         h may move
 *   p = hash_get (h, key);            pointer to the value, 0 when there is none; good until the
 *                                     next set
 *   hash_unset (h, key);
 *
 * A key is a number (hash_create), or the address of one: of a C string (_string), of key_bytes
 * bytes (_mem), of a vector of key_bytes-sized elements (_vec), of a u64 (_uword) or a u32 (_u32).
 * Such keys go with the _mem calls.  The key's memory stays the caller's and must live as long as
 * the pair; hash_set_mem_alloc() and hash_unset_mem_free() keep a copy instead, and mhash.h has
 * tables that own all of their keys.
 *
 * h is a vector of chain heads, a power of two and at least 64 of them; its user header is hash_t.
 * Pairs lie packed in a second vector and chain by index, with their key's sum beside them, so
 * growing touches no key and a lookup follows a key's pointer only when sums agree:
 *
 *   h:      | hash_t | ... | head 0 | head 1 | ...
 *                              |
 *   pairs:  | next, sum, key, value | next, sum, key, value | ...     (free pairs chain, too)
 *
 * Heads double when 4 (n + 1) > 3 heads and halve when n > 32 and 4 (n + 1) < heads, unless flags
 * forbid.  Doubling may fail for want of memory: the pair is stored all the same, chains are
 * longer, and the next set tries again.  Pairs' room is kept until hash_resize() or hash_free().
 *
 * Invariants, as hash_check() runs them: each pair in use is in the one chain that its sum names;
 * pairs in use and free pairs are all pairs; no two keys are equal.
 *
 * Threads: any number that look, or one that changes. */
#ifndef included_vppinfra_hash_h
#define included_vppinfra_hash_h

/* error.h is above this layer: it is for those who, as with VPP's, include hash.h and report. */
#include <vppinfra/error.h>
#include <vppinfra/format.h>
#include <vppinfra/vec.h>

struct hash_header;

/** The sum of a key, and whether two keys are the same, for keys of the caller's making. */
typedef uword(hash_key_sum_function_t)(struct hash_header *, uword key);
typedef uword(hash_key_equal_function_t)(struct hash_header *, uword key1, uword key2);

/* Kinds of keys the table knows by itself, in place of functions. */
#define KEY_FUNC_NONE (0)          /* the key is the word */
#define KEY_FUNC_POINTER_UWORD (1) /* address of a u64 */
#define KEY_FUNC_POINTER_U32 (2)   /* address of a u32 */
#define KEY_FUNC_STRING (3)        /* address of a C string */
#define KEY_FUNC_MEM (4)           /* address of `user` bytes */
#define KEY_FUNC_VEC (5)           /* a vector with elements of `user` bytes */

typedef struct hash_header {
	/** Pairs in the table. */
	uword elts;

	u32 flags;
/* Do not double when there are too many pairs for the heads, do not halve when too few. */
#define HASH_FLAG_NO_AUTO_GROW (1 << 0)
#define HASH_FLAG_NO_AUTO_SHRINK (1 << 1)
/* Accepted for source compatibility: a walk needs no flag here. */
#define HASH_FLAG_HASH_NEXT_IN_PROGRESS (1 << 2)

	/** Words of a pair, key and value, are 1 << this. */
	u32 log2_pair_size;

	/** A kind above, or a function. */
	hash_key_sum_function_t *key_sum;
	hash_key_equal_function_t *key_equal;
	/** For them: the bytes of a key. */
	any user;

	/** Prints a pair.  Arguments in va: void *format_pair_arg, void *h, hash_pair_t *pair. */
	format_function_t *format_pair;
	void *format_pair_arg;

	/** Bytes of a value that the user asked for, in whole words. */
	u32 value_bytes;

	/** Bytes of a pair with its links. */
	u32 pair_stride;

	/** Free pairs: index + 1 of the first; 0 none. */
	u32 free_pair;

	/** A vector of bytes: the pairs. */
	u8 *pairs;
} hash_t;

/** Key and value as users see them; there is no value when value_bytes is 0. */
typedef struct {
	uword key;
	uword value[0];
} hash_pair_t;

/* A pair in its place. */
typedef struct {
	/* Index + 1 of the next pair in the chain or among the free; 0 ends it. */
	u32 next;
	/* The key's sum; bit 31 says that the pair is in use. */
	u32 sum;
	hash_pair_t pair;
} _hash_link_t;

#define _HASH_IN_USE (1u << 31)
/** Heads of the smallest table. */
#define HASH_MIN_CAPACITY 64

/* To g++ -Wshadow VPP's function hides VPP's struct. */
#ifdef __cplusplus
#	pragma GCC diagnostic push
#	pragma GCC diagnostic ignored "-Wshadow"
#endif
/** The header of a table that is not NULL. */
always_inline hash_t *
hash_header(const void *v)
{
	/* Heads are u32, so the distance is a constant. */
	return (hash_t *)((u8 *)v - _vec_start_to_v(sizeof(hash_t), sizeof(u32)));
}
#ifdef __cplusplus
#	pragma GCC diagnostic pop
#endif

/** Bytes of the header. */
always_inline uword
hash_header_bytes(const void *v)
{
	(void)v;
	return sizeof(hash_t);
}

/* ---- make and free ---- */

/**
 * A new table, current heap.
 * @param elts   room for so many heads, rounded up to a power of two; at least 64
 * @param user   bytes of a key, where the kind of key needs it; else the functions' own
 * @param value_bytes  rounded up to words; 0: a set
 * @param key_sum    a KEY_FUNC_ kind, cast, or a function
 * @param key_equal  the same; with a kind of sum NULL stands for that kind
 * @param format_pair  how format_hash prints a pair; NULL: by the kind of key
 * @return the table; NULL when there is no memory
 */
CLIB_EXPORT void *_hash_create2(uword elts, uword user, uword value_bytes,
				hash_key_sum_function_t *key_sum,
				hash_key_equal_function_t *key_equal,
				format_function_t *format_pair, void *format_pair_arg);

/** The same with what it needs in a header: user, value_bytes (or, where that is 0, a
 *  log2_pair_size), key_sum, key_equal, format_pair and its argument.  NULL: numbers to words. */
CLIB_EXPORT void *_hash_create(uword elts, const hash_t *h);

/** The same by VPP's name; functions and kinds may be of any pointer or integer type. */
#define hash_create2(_elts, _user, _value_bytes, _key_sum, _key_equal, _format_pair,               \
		     _format_pair_arg)                                                             \
	_hash_create2((_elts), (uword)(_user), (_value_bytes),                                     \
		      (hash_key_sum_function_t *)(_key_sum),                                       \
		      (hash_key_equal_function_t *)(_key_equal),                                   \
		      (format_function_t *)(_format_pair), (void *)(_format_pair_arg))
#define _hash_create_kind(elts, user, value_bytes, kind)                                           \
	_hash_create2((elts), (user), (value_bytes), (hash_key_sum_function_t *)(uword)(kind), 0,  \
		      0, 0)
/** Keys are numbers; with the others they are addresses of what the name says, and key_bytes the
 *  bytes of what is there or, of a vector, of an element.  In no table's header stands the address
 * of a function, so memory with one may be shared by processes that map it at one address: what
 *  _shmem is about in VPP. */
#define hash_create(elts, value_bytes) _hash_create_kind(elts, 0, value_bytes, KEY_FUNC_NONE)
#define hash_create_uword(elts, value_bytes)                                                       \
	_hash_create_kind(elts, 0, value_bytes, KEY_FUNC_POINTER_UWORD)
#define hash_create_u32(elts, value_bytes)                                                         \
	_hash_create_kind(elts, 0, value_bytes, KEY_FUNC_POINTER_U32)
#define hash_create_string(elts, value_bytes)                                                      \
	_hash_create_kind(elts, 0, value_bytes, KEY_FUNC_STRING)
#define hash_create_mem(elts, key_bytes, value_bytes)                                              \
	_hash_create_kind(elts, key_bytes, value_bytes, KEY_FUNC_MEM)
#define hash_create_shmem(elts, key_bytes, value_bytes)                                            \
	_hash_create_kind(elts, key_bytes, value_bytes, KEY_FUNC_MEM)
#define hash_create_vec(elts, key_bytes, value_bytes)                                              \
	_hash_create_kind(elts, key_bytes, value_bytes, KEY_FUNC_VEC)

/** What _hash_create() is to do about values. */
always_inline void
hash_set_value_bytes(hash_t *h, uword value_bytes)
{
	h->value_bytes = (u32)round_pow2(value_bytes, sizeof(uword));
	h->log2_pair_size = (u32)max_log2(1 + h->value_bytes / sizeof(uword));
}

/** Free the table (keys' memory stays the caller's) and set it to 0.  NULL-safe. */
#define hash_free(h) ((h) = (__typeof__(h))_hash_free(h))
/** @return NULL */
CLIB_EXPORT void *_hash_free(void *v);

/** A copy in the table's heap, sharing keys' memory; NULL for NULL and without memory. */
CLIB_EXPORT void *hash_dup(void *old);

/** A table with room for new_size heads and pairs packed again; `old` as it was when there is no
 *  memory.  old is gone, store what is returned. */
CLIB_EXPORT void *hash_resize(void *old, uword new_size);

/* ---- looking ---- */

CLIB_EXPORT hash_pair_t *_hash_get_pair(const void *v, uword key);
CLIB_EXPORT uword *_hash_get(const void *v, uword key);

/** Pointer to a key's value (to the pair's key when values have no bytes), or 0. */
#define hash_get(h, key) _hash_get((h), (uword)(key))
#define hash_get_mem(h, key) _hash_get((h), pointer_to_uword(key))

/** The pair, or 0. */
#define hash_get_pair(h, key) _hash_get_pair((h), (uword)(key))
#define hash_get_pair_mem(h, key) _hash_get_pair((h), pointer_to_uword(key))

/** Pairs in the table; 0 for NULL. */
always_inline uword
hash_elts(const void *v)
{
	return v ? hash_header(v)->elts : 0;
}

/** Heads, which is what VPP calls capacity; 0 for NULL. */
always_inline uword
hash_capacity(const void *v)
{
	return vec_len64(v);
}

/** Bytes of memory; that of keys is not counted. */
CLIB_EXPORT uword hash_bytes(const void *v);

/** Bytes of a pair, key and value: a power of two, as in VPP; this is its logarithm. */
always_inline uword
hash_pair_log2_bytes(const hash_t *h)
{
	return h->log2_pair_size + 3;
}

/** Bytes of a pair. */
always_inline uword
hash_pair_bytes(const hash_t *h)
{
	return 1ULL << hash_pair_log2_bytes(h);
}

/** Bytes there are for a value in a pair: at least what was asked for, the rest being zero. */
always_inline uword
hash_value_bytes(const hash_t *h)
{
	return hash_pair_bytes(h) - sizeof(uword);
}

/** Compare everything.  Looks at the keys' memory.  @return 0 or -EUCLEAN.  Cost: a walk. */
CLIB_EXPORT int hash_check(const void *v);

/** The same as an error to report; NULL: all is well. */
CLIB_EXPORT clib_error_t *hash_validate(const void *v);

/* ---- sums and comparisons, as key_sum and key_equal of a table of one's own ---- */

/** A sum of n bytes, from a state that may be another sum; all bits count.  The same in every
 *  process on machines of one byte order.  Not a secret's. */
CLIB_EXPORT uword hash_memory(const void *p, word n_bytes, uword state);

/** Of the `user` bytes at key; of a vector with elements of `user` bytes; of a C string. */
CLIB_EXPORT uword mem_key_sum(hash_t *h, uword key);
CLIB_EXPORT uword mem_key_equal(hash_t *h, uword key1, uword key2);
CLIB_EXPORT uword vec_key_sum(hash_t *h, uword key);
CLIB_EXPORT uword vec_key_equal(hash_t *h, uword key1, uword key2);
CLIB_EXPORT uword string_key_sum(hash_t *h, uword key);
CLIB_EXPORT uword string_key_equal(hash_t *h, uword key1, uword key2);

/** How pairs with such keys are printed. */
CLIB_EXPORT format_function_t vec_key_format_pair;
CLIB_EXPORT format_function_t string_key_format_pair;

/* Mixing of three words, in place, and parts of it for those who interleave several.  Bob Jenkins,
 * public domain: hash_mix32 is mix() of lookup2.c (1996), hash_mix64 mix64() of lookup8.c (1997),
 * the v3 ones mix() and final() of lookup3.c (2006).  a, b and c are u32 or u64 lvalues. */
#define _hash_mix_step(a, b, c, s0, s1, s2)                                                        \
	do {                                                                                       \
		(a) -= (b) + (c);                                                                  \
		(a) ^= (c) >> (s0);                                                                \
		(b) -= (c) + (a);                                                                  \
		(b) ^= (a) << (s1);                                                                \
		(c) -= (a) + (b);                                                                  \
		(c) ^= (b) >> (s2);                                                                \
	} while (0)

/** lookup2's mixing of three u32, in three steps or at once. */
#define hash_mix32_step_1(a, b, c) _hash_mix_step(a, b, c, 13, 8, 13)
#define hash_mix32_step_2(a, b, c) _hash_mix_step(a, b, c, 12, 16, 5)
#define hash_mix32_step_3(a, b, c) _hash_mix_step(a, b, c, 3, 10, 15)
#define hash_mix32(a, b, c)                                                                        \
	do {                                                                                       \
		hash_mix32_step_1(a, b, c);                                                        \
		hash_mix32_step_2(a, b, c);                                                        \
		hash_mix32_step_3(a, b, c);                                                        \
	} while (0)

/** lookup8's mixing of three u64, in four steps or at once. */
#define hash_mix64_step_1(a, b, c) _hash_mix_step(a, b, c, 43, 9, 8)
#define hash_mix64_step_2(a, b, c) _hash_mix_step(a, b, c, 38, 23, 5)
#define hash_mix64_step_3(a, b, c) _hash_mix_step(a, b, c, 35, 49, 11)
#define hash_mix64_step_4(a, b, c) _hash_mix_step(a, b, c, 12, 18, 22)
#define hash_mix64(a, b, c)                                                                        \
	do {                                                                                       \
		hash_mix64_step_1(a, b, c);                                                        \
		hash_mix64_step_2(a, b, c);                                                        \
		hash_mix64_step_3(a, b, c);                                                        \
		hash_mix64_step_4(a, b, c);                                                        \
	} while (0)

/** x rotated left by i bits, 0 < i < 32. */
always_inline u32
hash32_rotate_left(u32 x, u32 i)
{
	return x << i | x >> (32 - i);
}

#define _hash_v3_mix(a, b, c, s)                                                                   \
	do {                                                                                       \
		(a) -= (c);                                                                        \
		(a) ^= hash32_rotate_left((c), (s));                                               \
		(c) += (b);                                                                        \
	} while (0)
/** lookup3's mixing of three u32, in three steps or at once. */
#define hash_v3_mix32_step_1(a, b, c)                                                              \
	do {                                                                                       \
		_hash_v3_mix(a, b, c, 4);                                                          \
		_hash_v3_mix(b, c, a, 6);                                                          \
	} while (0)
#define hash_v3_mix32_step_2(a, b, c)                                                              \
	do {                                                                                       \
		_hash_v3_mix(c, a, b, 8);                                                          \
		_hash_v3_mix(a, b, c, 16);                                                         \
	} while (0)
#define hash_v3_mix32_step_3(a, b, c)                                                              \
	do {                                                                                       \
		_hash_v3_mix(b, c, a, 19);                                                         \
		_hash_v3_mix(c, a, b, 4);                                                          \
	} while (0)
#define hash_v3_mix32(a, b, c)                                                                     \
	do {                                                                                       \
		hash_v3_mix32_step_1(a, b, c);                                                     \
		hash_v3_mix32_step_2(a, b, c);                                                     \
		hash_v3_mix32_step_3(a, b, c);                                                     \
	} while (0)

#define _hash_v3_finalize(c, b, s)                                                                 \
	do {                                                                                       \
		(c) ^= (b);                                                                        \
		(c) -= hash32_rotate_left((b), (s));                                               \
	} while (0)
/** lookup3's last mixing of three u32, after which c is the sum, in three steps or at once. */
#define hash_v3_finalize32_step_1(a, b, c)                                                         \
	do {                                                                                       \
		_hash_v3_finalize(c, b, 14);                                                       \
		_hash_v3_finalize(a, c, 11);                                                       \
	} while (0)
#define hash_v3_finalize32_step_2(a, b, c)                                                         \
	do {                                                                                       \
		_hash_v3_finalize(b, a, 25);                                                       \
		_hash_v3_finalize(c, b, 16);                                                       \
	} while (0)
#define hash_v3_finalize32_step_3(a, b, c)                                                         \
	do {                                                                                       \
		_hash_v3_finalize(a, c, 4);                                                        \
		_hash_v3_finalize(b, a, 14);                                                       \
		_hash_v3_finalize(c, b, 24);                                                       \
	} while (0)
#define hash_v3_finalize32(a, b, c)                                                                \
	do {                                                                                       \
		hash_v3_finalize32_step_1(a, b, c);                                                \
		hash_v3_finalize32_step_2(a, b, c);                                                \
		hash_v3_finalize32_step_3(a, b, c);                                                \
	} while (0)

/* ---- changing ---- */

/**
 * Store a value for a key; the first key of an equal pair stays.
 * @param value  the bytes of one as asked for at creation, in whole words; NULL: zeros for a new
 *               pair, no change for an old one
 * @param[out] old_value  where as many bytes of the value before go, if there was one; may be NULL
 * @param[out] error  0, or -ENOMEM with the table as it was; may be NULL
 * @return the table, perhaps moved; a new one of one-word values for NULL.
 */
CLIB_EXPORT void *_hash_set(void *v, uword key, const void *value, void *old_value, int *error);

/** The same with a value of one word; a longer one is filled up with zeros. */
CLIB_EXPORT void *_hash_set_word(void *v, uword key, uword value, void *old_value, int *error);

/** Remove a key.  error: 0, or -ENOENT.  Never needs memory. */
CLIB_EXPORT void *_hash_remove(void *v, uword key, void *old_value, int *error);

/* VPP's names for what is under its macros. */
always_inline void *
_hash_set3(void *v, uword key, const void *value, void *old_value)
{
	return _hash_set(v, key, value, old_value, 0);
}

always_inline void *
_hash_unset(void *v, uword key, void *old_value)
{
	return _hash_remove(v, key, old_value, 0);
}

/* A macro that needs variables of its own gets their names from outside, so that it can stand in an
 * argument, or in the body, of itself.  Keys and values are there before h is looked at: they may
 * be what a call returns that changes the table.  The macro's value is a call's, which clang lets
 * pass unused wherever it stands. */
always_inline int
_hash_value(int error)
{
	return error;
}

/** Set; the macro's value is 0 or -ENOMEM.  `value` is a word: longer values are given by pointer
 *  to _hash_set3(), or written through hash_get(). */
#define hash_set3(h, key, value, old_value)                                                        \
	_hash_set3_as(h, key, value, old_value, CLIB_UNIQUE(_hash_k), CLIB_UNIQUE(_hash_v),        \
		      CLIB_UNIQUE(_hash_error))
#define _hash_set3_as(h, key, value, old_value, k, v, error)                                       \
	({                                                                                         \
		uword k = (uword)(key), v = (uword)(value);                                        \
		int error;                                                                         \
		(h) = (__typeof__(h))_hash_set_word((h), k, v, (void *)(old_value), &error);       \
		_hash_value(error);                                                                \
	})
#define hash_set(h, key, value) hash_set3(h, key, value, 0)
#define hash_set_mem(h, key, value) hash_set3(h, pointer_to_uword(key), (value), 0)

/** Put a key in, its value zero when new, and as it was otherwise. */
#define hash_set1(h, key) _hash_set1_as(h, key, CLIB_UNIQUE(_hash_k), CLIB_UNIQUE(_hash_error))
#define _hash_set1_as(h, key, k, error)                                                            \
	({                                                                                         \
		uword k = (uword)(key);                                                            \
		int error;                                                                         \
		(h) = (__typeof__(h))_hash_set((h), k, 0, 0, &error);                              \
		_hash_value(error);                                                                \
	})
#define hash_set1_mem(h, key) hash_set1(h, pointer_to_uword(key))

/** Remove; value 0, or -ENOENT when the key was not there. */
#define hash_unset3(h, key, old_value)                                                             \
	_hash_unset3_as(h, key, old_value, CLIB_UNIQUE(_hash_k), CLIB_UNIQUE(_hash_error))
#define _hash_unset3_as(h, key, old_value, k, error)                                               \
	({                                                                                         \
		uword k = (uword)(key);                                                            \
		int error;                                                                         \
		(h) = (__typeof__(h))_hash_remove((h), k, (void *)(old_value), &error);            \
		_hash_value(error);                                                                \
	})
#define hash_unset(h, key) hash_unset3(h, key, 0)
#define hash_unset_mem(h, key) hash_unset3(h, pointer_to_uword(key), 0)

/** Set with a copy of the key that the table owns; no copy is made when the key is there.
 *  @return 0; -ENOMEM with the table as it was; -EINVAL: no table, or keys are no addresses. */
CLIB_EXPORT int hash_set_mem_alloc(uword **h, const void *key, uword v);

/** Remove a key so set and free the copy.  @return 0; -ENOENT. */
CLIB_EXPORT int hash_unset_mem_free(uword **h, const void *key);

/** Add HASH_FLAG_s. */
always_inline void
hash_set_flags(void *v, uword flags)
{
	hash_header(v)->flags |= (u32)flags;
}

/** How format_hash prints a pair. */
always_inline void
hash_set_pair_format(void *v, format_function_t *format_pair, void *format_pair_arg)
{
	hash_header(v)->format_pair = format_pair;
	hash_header(v)->format_pair_arg = format_pair_arg;
}

/* ---- loops: pairs in no promised order, each once.  The body may unset any key and set values
 * through the pair; it may also set new keys, which the walk may or may not come to, but then the
 * pair it is at may have moved ---- */

typedef struct {
	/* Where the walk is; all zero at the start and at the end. */
	uword i, j, f0;
} hash_next_t;

/** The next pair of a walk that began with a zeroed hn; 0 at the end, hn is then zero again. */
CLIB_EXPORT hash_pair_t *hash_next(const void *v, hash_next_t *hn);

/** hash_foreach_pair (p, h, ({ body })) is VPP's statement, hash_foreach_pair (p, h) { body } a
 *  loop.  In both break ends the loop and continue goes to the next pair. */
#define hash_foreach_pair(p, h, ...)                                                               \
	_hash_foreach_pair##__VA_OPT__(_body)(p, h,                                                \
					      CLIB_UNIQUE(_hash_walk) __VA_OPT__(, ) __VA_ARGS__)
#define _hash_foreach_pair(p, h, walk)                                                             \
	for (hash_next_t walk = { 0, 0, 0 }; ((p) = hash_next((h), &walk)) != 0;)
#define _hash_foreach_pair_body(p, h, walk, ...)                                                   \
	do {                                                                                       \
		_hash_foreach_pair(p, h, walk)                                                     \
		{                                                                                  \
			__VA_ARGS__;                                                               \
		}                                                                                  \
	} while (0)

#define _hash_foreach(key_var, value_var, h, to_key, pair, ...)                                    \
	do {                                                                                       \
		hash_pair_t *pair;                                                                 \
		hash_foreach_pair (pair, h) {                                                      \
			(key_var) = (__typeof__(key_var))to_key(pair->key);                        \
			(value_var) = (__typeof__(value_var))(hash_header(h)->value_bytes          \
								      ? pair->value[0]             \
								      : 0);                        \
			do {                                                                       \
				__VA_ARGS__;                                                       \
			} while (0);                                                               \
		}                                                                                  \
	} while (0)

/** The body for each key and its value's first word (0 where values have none).  As in VPP break
 *  ends the body for one pair only, as continue does: hash_foreach_pair can be left early. */
#define hash_foreach(key_var, value_var, h, ...)                                                   \
	_hash_foreach(key_var, value_var, h, _hash_key_as_is, CLIB_UNIQUE(_hash_pair), __VA_ARGS__)
#define _hash_key_as_is(key) (key)

/** The same for keys that are addresses. */
#define hash_foreach_mem(key_var, value_var, h, ...)                                               \
	_hash_foreach(key_var, value_var, h, _hash_key_as_pointer, CLIB_UNIQUE(_hash_pair),        \
		      __VA_ARGS__)
#define _hash_key_as_pointer(key) uword_to_pointer(key, void *)

/** format function, arguments void *h, int verbose: pairs, heads and bytes on a line; verbose: how
 *  long chains are, and each pair on a line of its own, by the table's pair format. */
CLIB_EXPORT u8 *format_hash(u8 *s, __builtin_va_list *args);

#endif
