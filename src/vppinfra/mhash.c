/* SPDX-License-Identifier: Apache-2.0 */
/* Where a key of variable length lies in the heap of bytes, its record stands before it:
 *
 *   C string:  | handle | "bytes" NUL |
 *   vector:    | handle | pad | vec_header_t | bytes |        the key is a vector like any other
 *
 * A set takes room for the key first and copies it, then adds the pair; if that finds no memory
 * the room is given back.  Unset frees the key after the pair, both without memory of their own. */
#include <vppinfra/mhash.h>

#include "hash_impl.h"

/* Offsets are u32 in the list of free ones and in format_mhash_key. */
#define MAX_KEYS_BYTES ((uword)UINT32_MAX)
#define MAX_KEY_BYTES (MAX_KEYS_BYTES / 2)

/* Of a vector's place, so that its header and its bytes are aligned. */
#define VEC_KEY_ALIGN 16

typedef struct {
	u32 heap_handle;
} c_string_record_t;

typedef struct {
	u32 heap_handle;
	u32 reserved[3];
	vec_header_t vec;
} vec_record_t;

STATIC_ASSERT(sizeof(vec_record_t) % VEC_KEY_ALIGN == 0, "vectors' bytes are aligned");

/* What is looked for. */
typedef struct {
	const mhash_t *h;
	const void *key;
	uword n_bytes;
} lookup_t;

static inline int
has_vec_keys(const mhash_t *h)
{
	return h->n_key_bytes == MHASH_VEC_STRING_KEY;
}

/* Bytes that count of a key; a C string's NUL does not. */
static inline uword
key_bytes(const mhash_t *h, const void *key)
{
	if (h->n_key_bytes > MHASH_C_STRING_KEY)
		return h->n_key_bytes;
	return has_vec_keys(h) ? vec_len64(key) : strlen(key);
}

static inline uword
record_bytes(const mhash_t *h)
{
	return has_vec_keys(h) ? sizeof(vec_record_t) : sizeof(c_string_record_t);
}

static int
is_key(const void *arg, uword offset)
{
	const lookup_t *l = arg;
	const void *stored = mhash_key_to_mem(l->h, offset);

	if (mhash_key_vector_is_heap(l->h) && key_bytes(l->h, stored) != l->n_bytes)
		return 0;
	return l->n_bytes == 0 || !memcmp(stored, l->key, l->n_bytes);
}

/* ---- the hash's own functions: for its checks, and for who looks into h->hash by offset ---- */

static uword
offset_sum(hash_t *hash, uword offset)
{
	const mhash_t *h = uword_to_pointer(hash->user, mhash_t *);
	const void *key = mhash_key_to_mem(h, offset);

	return hash_memory(key, (word)key_bytes(h, key), h->hash_seed);
}

static uword
offsets_equal(hash_t *hash, uword a, uword b)
{
	const mhash_t *h = uword_to_pointer(hash->user, mhash_t *);
	const void *key = mhash_key_to_mem(h, b);
	lookup_t l = { .h = h, .key = key, .n_bytes = key_bytes(h, key) };

	return (uword)is_key(&l, a);
}

/* ---- make and free ---- */

int
mhash_init(mhash_t *h, uword n_value_bytes, uword n_key_bytes)
{
	memset(h, 0, sizeof(*h));
	h->n_key_bytes = (u32)n_key_bytes;
	if (n_key_bytes > MAX_KEY_BYTES)
		return -EINVAL;
	h->hash = hash_create2(0, h, n_value_bytes, offset_sum, offsets_equal, 0, 0);
	return h->hash ? 0 : -ENOMEM;
}

int
mhash_init_c_string(mhash_t *h, uword n_value_bytes)
{
	return mhash_init(h, n_value_bytes, MHASH_C_STRING_KEY);
}

int
mhash_init_vec_string(mhash_t *h, uword n_value_bytes)
{
	return mhash_init(h, n_value_bytes, MHASH_VEC_STRING_KEY);
}

void
mhash_free(mhash_t *h)
{
	if (mhash_key_vector_is_heap(h))
		heap_free(h->key_vector_or_heap);
	else
		vec_free(h->key_vector_or_heap);
	vec_free(h->key_vector_free_indices);
	vec_free(h->key_tmps);
	hash_free(h->hash);
}

/* ---- places of keys ---- */

/* Room for one key of n bytes, and for its offset among the free ones when it goes. */
static uword
take_place(mhash_t *h)
{
	uword n_free = vec_len64(h->key_vector_free_indices);
	uword at = vec_len64(h->key_vector_or_heap), n = h->n_key_bytes;

	if (n_free) {
		_vec_len(h->key_vector_free_indices) = n_free - 1;
		return h->key_vector_free_indices[n_free - 1];
	}
	if (at + n > MAX_KEYS_BYTES || vec_alloc(h->key_vector_free_indices, at / n + 1) ||
	    vec_resize(h->key_vector_or_heap, n))
		return ~0ULL;
	return at;
}

static uword
take_place_in_heap(mhash_t *h, uword n_bytes)
{
	uword n_record = record_bytes(h), n_nul = !has_vec_keys(h), offset;
	u8 *key;
	u32 handle;

	offset = heap_alloc_aligned(h->key_vector_or_heap, n_record + n_bytes + n_nul,
				    has_vec_keys(h) ? VEC_KEY_ALIGN : sizeof(c_string_record_t),
				    handle);
	if (offset == ~0ULL)
		return ~0ULL;
	offset += n_record;
	key = h->key_vector_or_heap + offset;
	if (has_vec_keys(h)) {
		vec_record_t *r = (vec_record_t *)key - 1;

		memset(r, 0, sizeof(*r));
		r->heap_handle = handle;
		/* No heap: nobody can make it grow. */
		r->vec.max_bytes = n_bytes;
		r->vec.len = n_bytes;
		r->vec.magic = VEC_HEADER_MAGIC;
	} else {
		((c_string_record_t *)key - 1)->heap_handle = handle;
		key[n_bytes] = 0;
	}
	return offset;
}

static void
give_place(mhash_t *h, uword offset)
{
	u8 *key = h->key_vector_or_heap + offset;

	if (has_vec_keys(h))
		heap_dealloc(h->key_vector_or_heap, ((vec_record_t *)key - 1)->heap_handle);
	else if (mhash_key_vector_is_heap(h))
		heap_dealloc(h->key_vector_or_heap, ((c_string_record_t *)key - 1)->heap_handle);
	else
		h->key_vector_free_indices[_vec_len(h->key_vector_free_indices)++] = (u32)offset;
}

/* ---- looking and changing ---- */

static inline hash_pair_t *
find(const mhash_t *h, const void *key, uword n_bytes, uword sum)
{
	lookup_t l = { .h = h, .key = key, .n_bytes = n_bytes };

	return hash_find_sum(h->hash, sum, is_key, &l);
}

hash_pair_t *
mhash_get_pair(mhash_t *h, const void *key)
{
	uword n = key_bytes(h, key);

	return find(h, key, n, hash_memory(key, (word)n, h->hash_seed));
}

/* The pair of a key that has none yet, value zero; NULL with everything as it was. */
static hash_pair_t *
add_key(mhash_t *h, const void *key, uword n_bytes, uword sum)
{
	uword offset = mhash_key_vector_is_heap(h) ? take_place_in_heap(h, n_bytes) : take_place(h);
	void *hash = h->hash;
	hash_pair_t *p;

	if (offset == ~0ULL)
		return NULL;
	if (n_bytes)
		memcpy(h->key_vector_or_heap + offset, key, n_bytes);
	p = hash_add_sum(&hash, sum, offset);
	h->hash = hash;
	if (!p)
		give_place(h, offset);
	return p;
}

static uword
set(mhash_t *h, const void *key, const uword *new_value, uword n_value_bytes, uword *old_value)
{
	uword n = key_bytes(h, key), sum = hash_memory(key, (word)n, h->hash_seed);
	hash_pair_t *p;

	if (!h->hash)
		return ~0ULL;
	/* h may have been copied since. */
	hash_header(h->hash)->user = pointer_to_uword(h);
	n_value_bytes = clib_min(n_value_bytes, (uword)hash_header(h->hash)->value_bytes);
	p = find(h, key, n, sum);
	if (p && old_value)
		memcpy(old_value, p->value, hash_header(h->hash)->value_bytes);
	if (!p)
		p = add_key(h, key, n, sum);
	if (!p)
		return ~0ULL;
	if (new_value)
		memcpy(p->value, new_value, n_value_bytes);
	return p->key;
}

uword
mhash_set_mem(mhash_t *h, const void *key, const uword *new_value, uword *old_value)
{
	return set(h, key, new_value, ~0ULL, old_value);
}

uword
mhash_set(mhash_t *h, const void *key, uword new_value, uword *old_value)
{
	return set(h, key, &new_value, sizeof(new_value), old_value);
}

uword
mhash_unset(mhash_t *h, const void *key, uword *old_value)
{
	hash_pair_t *p = mhash_get_pair(h, key);
	uword offset;

	if (!p)
		return 0;
	offset = p->key;
	if (old_value)
		memcpy(old_value, p->value, hash_header(h->hash)->value_bytes);
	h->hash = hash_remove_pair(h->hash, p);
	give_place(h, offset);
	return 1;
}

/* ---- looking at everything ---- */

int
mhash_check(mhash_t *h)
{
	uword n_places;

	if (!h->hash)
		return 0;
	hash_header(h->hash)->user = pointer_to_uword(h);
	if (hash_check(h->hash))
		return -EUCLEAN;
	if (mhash_key_vector_is_heap(h))
		return heap_check(h->key_vector_or_heap) ||
				       heap_elts(h->key_vector_or_heap) != mhash_elts(h)
			       ? -EUCLEAN
			       : 0;
	n_places = vec_len64(h->key_vector_or_heap) / h->n_key_bytes;
	return mhash_elts(h) + vec_len64(h->key_vector_free_indices) == n_places ? 0 : -EUCLEAN;
}
