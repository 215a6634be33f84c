/* SPDX-License-Identifier: Apache-2.0 */
/* mhash: a hash table that owns its keys: of n bytes, C strings, or vectors of bytes.
 *
 *   mhash_t m;
 *   mhash_init (&m, sizeof (uword), sizeof (ip6_address_t));
 *   mhash_set (&m, &address, 42, 0);        address may go away now
 *   p = mhash_get (&m, &address);           pointer to the value, 0 when there is none
 *   mhash_unset (&m, &address, 0);
 *   mhash_free (&m);
 *
 * Keys lie in a vector of bytes (keys of one length) or in a heap of bytes (strings and vectors,
 * see heap.h), and the hash maps a key's byte offset there to the value.  An offset names its key
 * until that is unset; a pointer from mhash_key_to_mem() is good until the next set.
 *
 * A look-up carries the key it looks for along, where VPP puts it into key_tmps for the hash's
 * functions to find.  So any number of threads may look at once, whenever they were started, and
 * an mhash_t may be copied to another place and be used there.
 *
 * Memory: the heap current when each part is first made.  A set that finds none leaves everything
 * as it was; unset never needs any.
 *
 * Threads: any number that look, or one that changes. */
#ifndef included_vppinfra_mhash_h
#define included_vppinfra_mhash_h

#include <vppinfra/format.h>
#include <vppinfra/hash.h>
#include <vppinfra/heap.h>

typedef struct {
	/** The keys; NULL while there are none. */
	u8 *key_vector_or_heap;

	/** Offsets of keys unset, where all have one length; there is always room for all. */
	u32 *key_vector_free_indices;

	/** VPP's keys being looked for, one a thread; not used here. */
	u8 **key_tmps;

	/** Bytes of a key, or one of these. */
#define MHASH_VEC_STRING_KEY 0
#define MHASH_C_STRING_KEY 1
	u32 n_key_bytes;

	/** From what state sums start: may be set while there are no keys. */
	u32 hash_seed;

	/** From offsets of keys to values. */
	uword *hash;

	/** Prints a key of n bytes in format_mhash_key; argument in va: void *key. */
	format_function_t *format_key;
} mhash_t;

/**
 * A table with no keys.  What h held before is not freed.
 * @param n_value_bytes  of a value, rounded up to words
 * @param n_key_bytes    of a key, at least 2; or MHASH_C_STRING_KEY, MHASH_VEC_STRING_KEY
 * @return 0; -ENOMEM, or -EINVAL for keys of 2 GiB and more: h->hash is NULL then, and set will
 *         refuse
 */
CLIB_EXPORT int mhash_init(mhash_t *h, uword n_value_bytes, uword n_key_bytes);

/** Keys are C strings; keys are vectors of u8. */
CLIB_EXPORT int mhash_init_c_string(mhash_t *h, uword n_value_bytes);
CLIB_EXPORT int mhash_init_vec_string(mhash_t *h, uword n_value_bytes);

/** Free everything; h must be initialised before it is used again.  NULL fields are no matter. */
CLIB_EXPORT void mhash_free(mhash_t *h);

/** The pair of a key (given by address; a vector itself), whose own key is the stored key's offset;
 *  NULL when there is none. */
CLIB_EXPORT hash_pair_t *mhash_get_pair(mhash_t *h, const void *key);

/** Pointer to a key's value, or 0; good until the next set. */
always_inline uword *
mhash_get(mhash_t *h, const void *key)
{
	hash_pair_t *p = mhash_get_pair(h, key);

	return p ? &p->value[0] : 0;
}

/**
 * Store a value for a key, and a copy of the key unless it is there.
 * @param new_value  of mhash_value_bytes(); NULL: zeros for a new key, no change for an old one
 * @param[out] old_value  where the value before goes if there was one; may be NULL
 * @return the stored key's offset; ~0 without memory (or for a table without hash), with
 *         everything as it was
 */
CLIB_EXPORT uword mhash_set_mem(mhash_t *h, const void *key, const uword *new_value,
				uword *old_value);

/** The same with a value of one word; a longer one is filled up with zeros. */
CLIB_EXPORT uword mhash_set(mhash_t *h, const void *key, uword new_value, uword *old_value);

/** Remove a key; old_value as above.  @return 1; 0 when it was not there */
CLIB_EXPORT uword mhash_unset(mhash_t *h, const void *key, uword *old_value);

/** Keys in the table. */
always_inline uword
mhash_elts(const mhash_t *m)
{
	return hash_elts(m->hash);
}

/** Bytes there are for a value: hash_value_bytes(); 0 without a hash. */
always_inline uword
mhash_value_bytes(const mhash_t *m)
{
	return m->hash ? hash_value_bytes(hash_header(m->hash)) : 0;
}

/** Whether keys have lengths of their own, and so lie in a heap. */
always_inline uword
mhash_key_vector_is_heap(const mhash_t *h)
{
	return h->n_key_bytes <= MHASH_C_STRING_KEY;
}

/** The stored key at an offset: its bytes, the C string, the vector.  NULL for ~0, which in VPP is
 *  the key that the thread looks for. */
always_inline void *
mhash_key_to_mem(const mhash_t *h, uword key)
{
	return key == ~0ULL ? 0 : h->key_vector_or_heap + key;
}

/** The body for each key: k points at the stored key, v at its value.  break and continue as in
 *  hash_foreach_pair; the body may unset any key. */
#define mhash_foreach(k, v, mh, ...) _mhash_foreach(k, v, mh, CLIB_UNIQUE(_mhash_pair), __VA_ARGS__)
#define _mhash_foreach(k, v, mh, pair, ...)                                                        \
	do {                                                                                       \
		hash_pair_t *pair;                                                                 \
		hash_foreach_pair (pair, (mh)->hash) {                                             \
			(k) = (__typeof__(k))mhash_key_to_mem((mh), pair->key);                    \
			(v) = (__typeof__(v))&pair->value[0];                                      \
			__VA_ARGS__;                                                               \
		}                                                                                  \
	} while (0)

/** Compare keys, their places and the hash.  @return 0 or -EUCLEAN.  Cost: a walk. */
CLIB_EXPORT int mhash_check(mhash_t *h);

/** Format function, arguments mhash_t *h, u32 key's offset: a string as it is, n bytes by
 * format_key or in hexadecimal. */
CLIB_EXPORT format_function_t format_mhash_key;

#endif
