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
 * the pair; hash_set_mem_alloc() and hash_unset_mem_free() keep a copy instead.
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

#include <vppinfra/vec.h>

struct hash_header;

/** The sum of a key, and whether two keys are the same, for keys of the caller's making. */
typedef uword(hash_key_sum_function_t)(struct hash_header *, uword key);
typedef uword(hash_key_equal_function_t)(struct hash_header *, uword key1, uword key2);
/** Prints a pair.  Arguments in va: void *arg, void *h, hash_pair_t *pair. */
typedef u8 *(hash_format_pair_function_t)(u8 *s, __builtin_va_list *args);

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

	/** Bytes of a value, whole words, and of a pair with its links. */
	u32 value_bytes, pair_stride;

	/** Free pairs: index + 1 of the first; 0 none. */
	u32 free_pair;

	/** A kind above, or a function. */
	hash_key_sum_function_t *key_sum;
	hash_key_equal_function_t *key_equal;
	/** For them: the bytes of a key. */
	any user;

	hash_format_pair_function_t *format_pair;
	void *format_pair_arg;

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
#define HASH_MIN_CAPACITY 64

/** The header of a table that is not NULL. */
always_inline hash_t *
hash_header(const void *v)
{
	/* Heads are u32, so the distance is a constant. */
	return (hash_t *)((u8 *)v - _vec_start_to_v(sizeof(hash_t), sizeof(u32)));
}

/* ---- make and free ---- */

/**
 * A new table.
 * @param elts   room for so many heads, rounded up to a power of two; at least 64
 * @param user   bytes of a key, where the kind of key needs it
 * @param value_bytes  rounded up to words; 0: a set
 * @param key_sum    a KEY_FUNC_ kind, cast, or a function
 * @param key_equal  NULL with a kind
 * @return the table; NULL when there is no memory
 */
CLIB_EXPORT void *_hash_create(uword elts, uword user, uword value_bytes,
			       hash_key_sum_function_t *key_sum,
			       hash_key_equal_function_t *key_equal,
			       hash_format_pair_function_t *format_pair, void *format_pair_arg);

#define hash_create2(elts, user, value_bytes, key_sum, key_equal, format_pair, format_pair_arg)    \
	_hash_create((elts), (user), (value_bytes), (key_sum), (key_equal), (format_pair),         \
		     (format_pair_arg))
#define _hash_create_kind(elts, user, value_bytes, kind)                                           \
	_hash_create((elts), (user), (value_bytes), (hash_key_sum_function_t *)(uword)(kind), 0,   \
		     0, 0)
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

/** Free the table (keys' memory stays the caller's) and set it to 0.  NULL-safe. */
#define hash_free(h)                                                                               \
	do {                                                                                       \
		_hash_free(h);                                                                     \
		(h) = 0;                                                                           \
	} while (0)
CLIB_EXPORT void _hash_free(void *v);

/** A copy, sharing keys' memory; NULL for NULL and when there is no memory. */
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

/** Pairs; heads, which is what VPP calls capacity; bytes of memory, keys' not counted. */
always_inline uword
hash_elts(const void *v)
{
	return v ? hash_header(v)->elts : 0;
}

always_inline uword
hash_capacity(const void *v)
{
	return vec_len64(v);
}

CLIB_EXPORT uword hash_bytes(const void *v);

/** Bytes of a value and of a pair. */
always_inline uword
hash_value_bytes(const hash_t *h)
{
	return h->value_bytes;
}

always_inline uword
hash_pair_bytes(const hash_t *h)
{
	return h->pair_stride - STRUCT_OFFSET_OF(_hash_link_t, pair);
}

/** Compare everything.  @return 0 or -EUCLEAN.  hash_validate() stops the process instead.
 *  Looks at the keys' memory.  Cost: a walk. */
CLIB_EXPORT int hash_check(const void *v);
CLIB_EXPORT void hash_validate(const void *v);

/** A sum of n bytes, from a state that may be another sum; all bits count.  Not a secret's. */
CLIB_EXPORT uword hash_memory(const void *p, word n_bytes, uword state);

/* ---- changing ---- */

/**
 * Store a value for a key; the first key of an equal pair stays.
 * @param value  hash_value_bytes() of them; NULL: zeros for a new pair, no change for an old one
 * @param[out] old_value  where the value before goes, if there was one; may be NULL
 * @param[out] error  0, or -ENOMEM with the table as it was; may be NULL
 * @return the table, perhaps moved; a new one of one-word values for NULL.
 */
CLIB_EXPORT void *_hash_set(void *v, uword key, const void *value, void *old_value, int *error);

/** The same with a value of one word; a longer one is filled up with zeros. */
CLIB_EXPORT void *_hash_set_word(void *v, uword key, uword value, void *old_value, int *error);

always_inline void *
_hash_set3(void *v, uword key, const void *value, void *old_value)
{
	return _hash_set(v, key, value, old_value, 0);
}

/** Remove a key.  error: 0, or -ENOENT.  Never needs memory. */
CLIB_EXPORT void *_hash_unset(void *v, uword key, void *old_value, int *error);

/** Set; the macro's value is 0 or -ENOMEM.  `value` is a word: longer values are given by pointer
 *  to _hash_set3(), or written through hash_get(). */
#define hash_set3(h, key, value, old_value)                                                        \
	({                                                                                         \
		int _hash_error;                                                                   \
		(h) = (__typeof__(h))_hash_set_word((h), (uword)(key), (uword)(value),             \
						    (old_value), &_hash_error);                    \
		_hash_error;                                                                       \
	})
#define hash_set(h, key, value) hash_set3(h, key, value, 0)
#define hash_set_mem(h, key, value) hash_set3(h, pointer_to_uword(key), (value), 0)

/** Put a key in, its value zero when new, and as it was otherwise. */
#define hash_set1(h, key)                                                                          \
	({                                                                                         \
		int _hash_error;                                                                   \
		(h) = (__typeof__(h))_hash_set((h), (uword)(key), 0, 0, &_hash_error);             \
		_hash_error;                                                                       \
	})
#define hash_set1_mem(h, key) hash_set1(h, pointer_to_uword(key))

/** Remove; value 0, or -ENOENT when the key was not there. */
#define hash_unset3(h, key, old_value)                                                             \
	({                                                                                         \
		int _hash_error;                                                                   \
		(h) = (__typeof__(h))_hash_unset((h), (uword)(key), (void *)(old_value),           \
						 &_hash_error);                                    \
		_hash_error;                                                                       \
	})
#define hash_unset(h, key) hash_unset3(h, key, 0)
#define hash_unset_mem(h, key) hash_unset3(h, pointer_to_uword(key), 0)

/** Set with a copy of the key that the table owns; no copy is made when the key is there.
 *  @return 0; -ENOMEM with the table as it was; -EINVAL: no table, or keys are no addresses. */
CLIB_EXPORT int hash_set_mem_alloc(uword **h, const void *key, uword v);

/** Remove a key so set and free the copy.  @return 0; -ENOENT. */
CLIB_EXPORT int hash_unset_mem_free(uword **h, const void *key);

#define hash_set_flags(h, flags_) (hash_header(h)->flags |= (flags_))

/** How format_hash prints a pair. */
#define hash_set_pair_format(h, f, arg)                                                            \
	do {                                                                                       \
		hash_t *_hash_h = hash_header(h);                                                  \
		_hash_h->format_pair = (f);                                                        \
		_hash_h->format_pair_arg = (arg);                                                  \
	} while (0)

/* ---- loops: pairs in no promised order.  The body may unset the key it is at, and may set values
 * through the pair; setting new keys may move the pairs under it ---- */

typedef struct {
	/* Where the walk is; all zero at the start and at the end. */
	uword i, j, f0;
} hash_next_t;

/** The next pair of a walk that began with a zeroed hn; 0 at the end, hn is then zero again. */
CLIB_EXPORT hash_pair_t *hash_next(const void *v, hash_next_t *hn);

/** hash_foreach_pair(p, h, ({ body })) is VPP's statement, in which break ends one turn only;
 *  hash_foreach_pair(p, h) { body } is a loop. */
#define hash_foreach_pair(p, h, ...)                                                               \
	_hash_foreach_pair##__VA_OPT__(_body)(p, h __VA_OPT__(, ) __VA_ARGS__)
#define _hash_foreach_pair(p, h)                                                                   \
	for (hash_next_t _hash_walk = { 0, 0, 0 }; ((p) = hash_next((h), &_hash_walk)) != 0;)
#define _hash_foreach_pair_body(p, h, ...)                                                         \
	do {                                                                                       \
		_hash_foreach_pair(p, h)                                                           \
		{                                                                                  \
			do {                                                                       \
				__VA_ARGS__;                                                       \
			} while (0);                                                               \
		}                                                                                  \
	} while (0)

/** Each key and its value's first word (0 where values have none). */
#define hash_foreach(key_var, value_var, h, ...)                                                   \
	do {                                                                                       \
		hash_pair_t *_hash_pair;                                                           \
		_hash_foreach_pair(_hash_pair, h)                                                  \
		{                                                                                  \
			(key_var) = (__typeof__(key_var))_hash_pair->key;                          \
			(value_var) = (__typeof__(value_var))(hash_header(h)->value_bytes          \
								      ? _hash_pair->value[0]       \
								      : 0);                        \
			do {                                                                       \
				__VA_ARGS__;                                                       \
			} while (0);                                                               \
		}                                                                                  \
	} while (0)

/** The same for keys that are addresses. */
#define hash_foreach_mem(key_var, value_var, h, ...)                                               \
	do {                                                                                       \
		hash_pair_t *_hash_pair;                                                           \
		_hash_foreach_pair(_hash_pair, h)                                                  \
		{                                                                                  \
			(key_var) =                                                                \
				(__typeof__(key_var))uword_to_pointer(_hash_pair->key, void *);    \
			(value_var) = (__typeof__(value_var))(hash_header(h)->value_bytes          \
								      ? _hash_pair->value[0]       \
								      : 0);                        \
			do {                                                                       \
				__VA_ARGS__;                                                       \
			} while (0);                                                               \
		}                                                                                  \
	} while (0)

/** format function, arguments void *h, int verbose: pairs, heads and bytes on a line; verbose: how
 *  long chains are, and each pair on a line of its own, by the table's pair format. */
CLIB_EXPORT u8 *format_hash(u8 *s, __builtin_va_list *args);

#endif
