/* SPDX-License-Identifier: Apache-2.0 */
/* Keys' sums and comparisons under names of their own, and keys that a table owns. */
#include "hash_key.h"

#include <vppinfra/mem.h>

uword
hash_memory(const void *p, word n_bytes, uword state)
{
	return sum_bytes(p, n_bytes > 0 ? (uword)n_bytes : 0, state);
}

uword
mem_key_sum(hash_t *h, uword key)
{
	return mem_sum(h, key);
}

uword
mem_key_equal(hash_t *h, uword key1, uword key2)
{
	return (uword)bytes_equal(key_pointer(key1), key_pointer(key2), h->user);
}

uword
vec_key_sum(hash_t *h, uword key)
{
	return vec_sum(h, key);
}

uword
vec_key_equal(hash_t *h, uword key1, uword key2)
{
	return (uword)vecs_equal(h, key1, key2);
}

uword
string_key_sum(hash_t *h, uword key)
{
	return string_sum(key);
}

uword
string_key_equal(hash_t *h, uword key1, uword key2)
{
	return !strcmp(key_pointer(key1), key_pointer(key2));
}

/* ---- keys that the table owns ---- */

/* Bytes behind a key that is an address; 0 for one that is not. */
static uword
key_bytes(const hash_t *h, const void *key)
{
	switch ((uword)h->key_sum) {
	case KEY_FUNC_NONE:
		return 0;
	case KEY_FUNC_POINTER_UWORD:
		return sizeof(uword);
	case KEY_FUNC_POINTER_U32:
		return sizeof(u32);
	case KEY_FUNC_STRING:
		return strlen(key) + 1;
	case KEY_FUNC_VEC:
		return vec_len64(key) * h->user;
	default:
		return h->user;
	}
}

static void *
copy_key(const hash_t *h, const void *key)
{
	uword n = key_bytes(h, key);
	void *copy;

	if ((uword)h->key_sum == KEY_FUNC_VEC)
		return _vec_dup(key, h->user, 0, 0, NULL);
	copy = n ? clib_mem_alloc_or_null(n) : NULL;
	if (copy)
		memcpy(copy, key, n);
	return copy;
}

static void
free_key(const hash_t *h, void *key)
{
	if ((uword)h->key_sum == KEY_FUNC_VEC)
		_vec_free(key);
	else
		clib_mem_free(key);
}

int
hash_set_mem_alloc(uword **h, const void *key, uword v)
{
	hash_pair_t *p;
	void *copy;
	int error;

	if (!*h || key_bytes(hash_header(*h), key) == 0)
		return -EINVAL;
	p = hash_get_pair_mem(*h, key);
	if (p)
		return hash_set(*h, p->key, v);
	copy = copy_key(hash_header(*h), key);
	if (!copy)
		return -ENOMEM;
	error = hash_set_mem(*h, copy, v);
	if (error)
		free_key(hash_header(*h), copy);
	return error;
}

int
hash_unset_mem_free(uword **h, const void *key)
{
	hash_pair_t *p = hash_get_pair_mem(*h, key);
	void *copy;

	if (!p)
		return -ENOENT;
	copy = key_pointer(p->key);
	hash_unset_mem(*h, copy);
	free_key(hash_header(*h), copy);
	return 0;
}
