/* SPDX-License-Identifier: Apache-2.0 */
/* Heads hold index + 1 of a chain's first pair.  The order in set: room for the pair first, which
 * may fail, then the links, which cannot, then more heads, which may fail unseen. */
#include "hash_impl.h"
#include "hash_key.h"

#include <vppinfra/mem.h>

/* Pair indices and heads are 31 bits wide, as sums are. */
#define MAX_PAIRS ((1ULL << 31) - 1)
#define MAX_HEADS (1ULL << 31)
/* Values of up to 2 GiB: strides are 32 bits wide. */
#define MAX_LOG2_PAIR_SIZE 28
/* As in hash.h: never halve tables this small. */
#define MIN_ELTS_TO_SHRINK 32
/* How many steps before its use memory is asked for: some 100 ns of work. */
#define N_AHEAD 12

/* ---- links ---- */

static inline u32 *
head_of(const void *v, u32 sum)
{
	return (u32 *)v + (sum & ~_HASH_IN_USE & (vec_len64(v) - 1));
}

static inline _hash_link_t *
link_at(const hash_t *h, u32 index_plus_1)
{
	return (_hash_link_t *)(h->pairs + (uword)(index_plus_1 - 1) * h->pair_stride);
}

static inline uword
n_links(const hash_t *h)
{
	return vec_len64(h->pairs) / h->pair_stride;
}

/* Where the link to a key's pair is: a head or a next; NULL when the key is not there. */
always_inline u32 *
find_link(const void *v, uword equal_kind, uword key, u32 sum)
{
	const hash_t *h = hash_header(v);

	for (u32 *at = head_of(v, sum); *at;) {
		_hash_link_t *l = link_at(h, *at);

		if (l->sum == sum && key_equal(h, equal_kind, l->pair.key, key))
			return at;
		at = &l->next;
	}
	return NULL;
}

/* The same, and the key's sum. */
always_inline u32 *
find_key_of_kind(const void *v, uword sum_kind, uword equal_kind, uword key, u32 *sum)
{
	*sum = key_sum(hash_header(v), sum_kind, key);
	return find_link(v, equal_kind, key, *sum);
}

/* The usual kinds have code of their own, in which nothing is decided twice. */
always_inline u32 *
find_key(const void *v, uword key, u32 *sum)
{
	uword kind = (uword)hash_header(v)->key_sum;
	uword equal_kind = (uword)hash_header(v)->key_equal;

	if (PREDICT_TRUE(kind == equal_kind)) {
		if (kind == KEY_FUNC_NONE)
			return find_key_of_kind(v, KEY_FUNC_NONE, KEY_FUNC_NONE, key, sum);
		if (kind == KEY_FUNC_MEM)
			return find_key_of_kind(v, KEY_FUNC_MEM, KEY_FUNC_MEM, key, sum);
		if (kind == KEY_FUNC_STRING)
			return find_key_of_kind(v, KEY_FUNC_STRING, KEY_FUNC_STRING, key, sum);
	}
	return find_key_of_kind(v, kind, equal_kind, key, sum);
}

/* A pair out of the free ones or at the end; 0 when there is no memory. */
static u32
take_link(hash_t *h, void *heap)
{
	u32 i = h->free_pair;

	if (i) {
		h->free_pair = link_at(h, i)->next;
		return i;
	}
	if (n_links(h) >= MAX_PAIRS || vec_resize_heap(h->pairs, h->pair_stride, heap))
		return 0;
	return (u32)n_links(h);
}

static inline void
push_link(void *v, u32 i, _hash_link_t *l)
{
	u32 *head = head_of(v, l->sum);

	l->next = *head;
	*head = i;
}

/* Chains every pair in use anew, for heads that are all empty: the pairs one after the other, the
 * heads asked for ahead of time. */
static void
relink(void *v)
{
	hash_t *h = hash_header(v);
	uword n = n_links(h);

	for (uword i = 1; i <= n; i++) {
		_hash_link_t *l = link_at(h, (u32)i);

		if (i + N_AHEAD <= n)
			__builtin_prefetch(head_of(v, link_at(h, (u32)(i + N_AHEAD))->sum), 1);
		if (l->sum & _HASH_IN_USE)
			push_link(v, (u32)i, l);
	}
}

/* The same by way of the chains of from's heads: for tables whose pairs are mostly free. */
static void
relink_chains(const u32 *from, void *v)
{
	hash_t *h = hash_header(v);
	uword n = vec_len64(from);

	for (uword k = 0; k < n; k++) {
		if (k + N_AHEAD < n && from[k + N_AHEAD])
			__builtin_prefetch(link_at(h, from[k + N_AHEAD]), 1);
		for (u32 i = from[k], next; i; i = next) {
			_hash_link_t *l = link_at(h, i);

			next = l->next;
			push_link(v, i, l);
		}
	}
}

/* The same table under n_heads heads, a power of two; NULL with the table as it was. */
static void *
change_heads(void *v, uword n_heads)
{
	u32 *w;

	if (n_heads > MAX_HEADS)
		return NULL;
	w = vec_new_hap(u32, n_heads, sizeof(hash_t), 0, vec_get_heap(v));
	if (!w)
		return NULL;
	*hash_header(w) = *hash_header(v);
	if (n_heads < vec_len64(v))
		relink_chains(v, w);
	else
		relink(w);
	_vec_free(v);
	return w;
}

/* ---- make and free ---- */

static uword
heads_for(uword elts)
{
	return max_pow2(clib_max(elts, (uword)HASH_MIN_CAPACITY));
}

/* The kind of key that a pair of our own functions stands for; KEY_FUNC_NONE: of no such. */
static uword
kind_of_functions(const hash_t *h)
{
	if (h->key_sum == mem_key_sum && h->key_equal == mem_key_equal)
		return KEY_FUNC_MEM;
	if (h->key_sum == vec_key_sum && h->key_equal == vec_key_equal)
		return KEY_FUNC_VEC;
	if (h->key_sum == string_key_sum && h->key_equal == string_key_equal)
		return KEY_FUNC_STRING;
	return KEY_FUNC_NONE;
}

/* Kinds are faster than functions; where the sum is by kind, no key_equal means that kind. */
static void
settle_kind(hash_t *h)
{
	uword kind = kind_of_functions(h);

	if (kind != KEY_FUNC_NONE)
		h->key_sum = (hash_key_sum_function_t *)kind;
	if (kind != KEY_FUNC_NONE || (!h->key_equal && (uword)h->key_sum <= KEY_FUNC_VEC))
		h->key_equal = (hash_key_equal_function_t *)(uword)h->key_sum;
}

void *
_hash_create(uword elts, const hash_t *like)
{
	static const hash_t words = { .log2_pair_size = 1 };
	hash_t *h;
	u32 *v;

	if (!like)
		like = &words;
	if (elts > MAX_HEADS || like->log2_pair_size > MAX_LOG2_PAIR_SIZE)
		return NULL;
	v = vec_new_ha(u32, heads_for(elts), sizeof(hash_t), 0);
	if (!v)
		return NULL;
	h = hash_header(v);
	h->user = like->user;
	h->key_sum = like->key_sum;
	h->key_equal = like->key_equal;
	settle_kind(h);
	h->format_pair = like->format_pair;
	h->format_pair_arg = like->format_pair_arg;
	h->log2_pair_size = like->log2_pair_size;
	h->value_bytes = like->value_bytes ? like->value_bytes : (u32)hash_value_bytes(like);
	h->pair_stride = (u32)(sizeof(_hash_link_t) + hash_value_bytes(h));
	return v;
}

void *
_hash_create2(uword elts, uword user, uword value_bytes, hash_key_sum_function_t *key_sum_fn,
	      hash_key_equal_function_t *key_equal_fn, format_function_t *format_pair,
	      void *format_pair_arg)
{
	hash_t h = {
		.user = user,
		.key_sum = key_sum_fn,
		.key_equal = key_equal_fn,
		.format_pair = format_pair,
		.format_pair_arg = format_pair_arg,
	};

	if (value_bytes > (sizeof(uword) << MAX_LOG2_PAIR_SIZE))
		return NULL;
	hash_set_value_bytes(&h, value_bytes);
	return _hash_create(elts, &h);
}

void *
_hash_free(void *v)
{
	if (v) {
		vec_free(hash_header(v)->pairs);
		_vec_free(v);
	}
	return NULL;
}

/* Pairs in use of `from`, packed, appended to `to`, which has room for them. */
static void
pack_pairs(const hash_t *from, hash_t *to)
{
	for (u32 i = 1; i <= n_links(from); i++) {
		_hash_link_t *l = link_at(from, i);

		if (l->sum & _HASH_IN_USE) {
			memcpy(to->pairs + vec_len64(to->pairs), l, from->pair_stride);
			_vec_len(to->pairs) += from->pair_stride;
		}
	}
}

/* A copy of the table with n_heads heads; NULL when there is no memory. */
static void *
copy_table(const void *v, uword n_heads)
{
	const hash_t *h = hash_header(v);
	void *heap = vec_get_heap(v);
	u32 *w;

	if (n_heads > MAX_HEADS)
		return NULL;
	w = vec_new_hap(u32, n_heads, sizeof(hash_t), 0, heap);
	if (!w)
		return NULL;
	*hash_header(w) = *h;
	hash_header(w)->pairs = NULL;
	hash_header(w)->free_pair = 0;
	if (h->elts) {
		if (vec_alloc_heap(hash_header(w)->pairs, h->elts * h->pair_stride, heap)) {
			_hash_free(w);
			return NULL;
		}
		pack_pairs(h, hash_header(w));
		relink(w);
	}
	return w;
}

void *
hash_dup(void *old)
{
	return old ? copy_table(old, vec_len64(old)) : NULL;
}

void *
hash_resize(void *old, uword new_size)
{
	void *v;

	if (!old)
		return hash_create(new_size, sizeof(uword));
	v = new_size <= MAX_HEADS ? copy_table(old, heads_for(new_size)) : NULL;
	if (!v)
		return old;
	_hash_free(old);
	return v;
}

/* ---- looking ---- */

/* Out of line, so that a look-up of a number saves no registers. */
static never_inline hash_pair_t *
get_keyed_pair(const void *v, uword key)
{
	u32 sum, *at = find_key(v, key, &sum);

	return at ? &link_at(hash_header(v), *at)->pair : NULL;
}

/* A key that is a number: nothing to call, nothing to follow. */
always_inline hash_pair_t *
get_pair(const void *v, uword key)
{
	const hash_t *h;

	if (PREDICT_FALSE(!v))
		return NULL;
	h = hash_header(v);
	if ((uword)h->key_sum != KEY_FUNC_NONE)
		return get_keyed_pair(v, key);
	for (u32 i = *head_of(v, fold_number(key)); i;) {
		_hash_link_t *l = link_at(h, i);

		if (l->pair.key == key)
			return &l->pair;
		i = l->next;
	}
	return NULL;
}

hash_pair_t *
_hash_get_pair(const void *v, uword key)
{
	return get_pair(v, key);
}

uword *
_hash_get(const void *v, uword key)
{
	hash_pair_t *p = get_pair(v, key);

	if (!p)
		return NULL;
	return hash_header(v)->value_bytes ? p->value : &p->key;
}

hash_pair_t *
hash_find_sum(const void *v, uword sum, hash_match_function_t *match, const void *arg)
{
	u32 folded = fold_stranger(sum);

	if (!v)
		return NULL;
	for (u32 i = *head_of(v, folded); i;) {
		_hash_link_t *l = link_at(hash_header(v), i);

		if (l->sum == folded && match(arg, l->pair.key))
			return &l->pair;
		i = l->next;
	}
	return NULL;
}

uword
hash_bytes(const void *v)
{
	return v ? vec_mem_size(v) + vec_mem_size(hash_header(v)->pairs) : 0;
}

/* Whether the chain of one head is sound; adds its length to n. */
static int
check_chain(const void *v, u32 *head, uword *n)
{
	const hash_t *h = hash_header(v);

	for (u32 i = *head; i; i = link_at(h, i)->next) {
		_hash_link_t *l;

		if (i > n_links(h) || ++*n > h->elts)
			return -EUCLEAN;
		l = link_at(h, i);
		if (!(l->sum & _HASH_IN_USE) || head_of(v, l->sum) != head ||
		    l->sum != key_sum(h, (uword)h->key_sum, l->pair.key))
			return -EUCLEAN;
		/* The first pair with this key must be this one. */
		if (link_at(h, *find_link(v, (uword)h->key_equal, l->pair.key, l->sum)) != l)
			return -EUCLEAN;
	}
	return 0;
}

int
hash_check(const void *v)
{
	uword n_used = 0, n_free = 0, n_marked = 0;
	const hash_t *h;

	if (!v)
		return 0;
	h = hash_header(v);
	if (vec_len64(v) < HASH_MIN_CAPACITY || !is_pow2(vec_len64(v)))
		return -EUCLEAN;
	for (uword i = 0; i < vec_len64(v); i++)
		if (check_chain(v, (u32 *)v + i, &n_used))
			return -EUCLEAN;
	for (u32 i = h->free_pair; i; i = link_at(h, i)->next)
		if (i > n_links(h) || ++n_free > n_links(h) || (link_at(h, i)->sum & _HASH_IN_USE))
			return -EUCLEAN;
	for (u32 i = 1; i <= n_links(h); i++)
		n_marked += (link_at(h, i)->sum & _HASH_IN_USE) != 0;
	return n_used == h->elts && n_marked == h->elts && n_used + n_free == n_links(h) ? 0
											 : -EUCLEAN;
}

hash_pair_t *
hash_next(const void *v, hash_next_t *hn)
{
	const hash_t *h;

	if (v) {
		h = hash_header(v);
		while (hn->i < n_links(h)) {
			_hash_link_t *l = link_at(h, (u32)++hn->i);

			if (l->sum & _HASH_IN_USE)
				return &l->pair;
		}
	}
	memset(hn, 0, sizeof(*hn));
	return NULL;
}

/* ---- changing ---- */

static void *
maybe_grow(void *v)
{
	const hash_t *h = hash_header(v);
	void *w = NULL;

	if (PREDICT_FALSE(4 * (h->elts + 1) > 3 * vec_len64(v)) &&
	    !(h->flags & HASH_FLAG_NO_AUTO_GROW))
		w = change_heads(v, 2 * vec_len64(v));
	return w ? w : v;
}

static void *
maybe_shrink(void *v)
{
	const hash_t *h = hash_header(v);
	void *w = NULL;

	if (PREDICT_FALSE(h->elts > MIN_ELTS_TO_SHRINK && 4 * (h->elts + 1) < vec_len64(v)) &&
	    !(h->flags & HASH_FLAG_NO_AUTO_SHRINK))
		w = change_heads(v, vec_len64(v) / 2);
	return w ? w : v;
}

always_inline void
zero_value(const hash_t *h, hash_pair_t *p)
{
	p->value[0] = 0;
	if (PREDICT_FALSE(h->log2_pair_size > 1))
		memset(p->value, 0, hash_value_bytes(h));
}

/* Adds a pair for a key that has none; NULL with the table as it was.  The table may have moved
 * when it returns. */
static inline hash_pair_t *
add_pair(void **v, uword key, u32 sum)
{
	hash_t *h = hash_header(*v);
	u32 i = take_link(h, vec_get_heap(*v));
	_hash_link_t *l;

	if (PREDICT_FALSE(!i))
		return NULL;
	l = link_at(h, i);
	l->sum = sum;
	l->pair.key = key;
	if (PREDICT_TRUE(h->log2_pair_size > 0))
		zero_value(h, &l->pair);
	push_link(*v, i, l);
	h->elts++;
	*v = maybe_grow(*v);
	return &l->pair;
}

hash_pair_t *
hash_add_sum(void **v, uword sum, uword key)
{
	return add_pair(v, key, fold_stranger(sum));
}

/* Between numbers of words nothing is left of this but a copy of a word. */
always_inline void
copy_words(void *to, const void *from, uword n_bytes)
{
	if (PREDICT_TRUE(n_bytes == sizeof(uword)))
		*(uword *)to = *(const uword *)from;
	else
		memcpy(to, from, n_bytes);
}

always_inline void *
set(void *v, uword key, const void *value, uword n_bytes, void *old_value, int *error)
{
	hash_pair_t *p = NULL;
	int is_first = !v;
	const hash_t *h;
	u32 sum, *at;

	if (PREDICT_FALSE(is_first))
		v = hash_create(0, sizeof(uword));
	if (PREDICT_TRUE(v != NULL)) {
		h = hash_header(v);
		at = find_key(v, key, &sum);
		p = at ? &link_at(h, *at)->pair : add_pair(&v, key, sum);
		if (at && old_value)
			copy_words(old_value, p->value, h->value_bytes);
	}
	if (error)
		*error = p ? 0 : -ENOMEM;
	if (PREDICT_TRUE(p && value))
		copy_words(p->value, value, clib_min(n_bytes, (uword)hash_header(v)->value_bytes));
	return PREDICT_TRUE(p || !is_first) ? v : _hash_free(v);
}

void *
_hash_set(void *v, uword key, const void *value, void *old_value, int *error)
{
	return set(v, key, value, ~0ULL, old_value, error);
}

void *
_hash_set_word(void *v, uword key, uword value, void *old_value, int *error)
{
	return set(v, key, &value, sizeof(value), old_value, error);
}

/* The pair that a head or a next names becomes a free one. */
static inline void *
drop_link(void *v, u32 *at)
{
	hash_t *h = hash_header(v);
	u32 i = *at;
	_hash_link_t *l = link_at(h, i);

	*at = l->next;
	l->sum = 0;
	l->next = h->free_pair;
	h->free_pair = i;
	h->elts--;
	return maybe_shrink(v);
}

void *
_hash_remove(void *v, uword key, void *old_value, int *error)
{
	u32 sum, *at = v ? find_key(v, key, &sum) : NULL;

	if (error)
		*error = at ? 0 : -ENOENT;
	if (!at)
		return v;
	if (old_value)
		copy_words(old_value, link_at(hash_header(v), *at)->pair.value,
			   hash_header(v)->value_bytes);
	return drop_link(v, at);
}

void *
hash_remove_pair(void *v, hash_pair_t *p)
{
	_hash_link_t *l = (_hash_link_t *)((u8 *)p - STRUCT_OFFSET_OF(_hash_link_t, pair));
	const hash_t *h = hash_header(v);
	u32 *at = head_of(v, l->sum);

	while (link_at(h, *at) != l)
		at = &link_at(h, *at)->next;
	return drop_link(v, at);
}
