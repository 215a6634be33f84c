/* SPDX-License-Identifier: Apache-2.0 */
/* Heads hold index + 1 of a chain's first pair.  The order in set: room for the pair first, which
 * may fail, then the links, which cannot, then more heads, which may fail unseen. */
#include <vppinfra/hash.h>

#include <vppinfra/mem.h>

/* Pair indices and heads are 31 bits wide, as sums are. */
#define MAX_PAIRS ((1ULL << 31) - 1)
#define MAX_HEADS (1ULL << 31)
/* As in hash.h: never halve tables this small. */
#define MIN_ELTS_TO_SHRINK 32

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

/* Twice for a number: after one product, keys a stride apart may still gather. */
static inline u64
mix_number(u64 x)
{
	return mix(mix(x, 0), 1);
}

static inline u64
load_64(const u8 *p)
{
	u64 x;

	memcpy(&x, p, sizeof(x));
	return x;
}

/* The last n < 8 bytes as a number. */
static inline u64
load_rest(const u8 *p, uword n)
{
	u64 x = 0;

	memcpy(&x, p, n);
	return x;
}

uword
hash_memory(const void *p, word n_bytes, uword state)
{
	uword left = n_bytes > 0 ? (uword)n_bytes : 0;
	const u8 *b = p;

	state = mix(state, left);
	for (; left >= 16; left -= 16, b += 16)
		state = mix(load_64(b) ^ state, load_64(b + 8));
	if (left >= 8) {
		state = mix(load_64(b) ^ state, MIX_A);
		left -= 8;
		b += 8;
	}
	return left ? mix(load_rest(b, left) ^ state, MIX_B << 1) : state;
}

/* ---- keys ---- */

static inline void *
key_pointer(uword key)
{
	return uword_to_pointer(key, void *);
}

static inline u32
fold_sum(uword sum)
{
	return (u32)(sum ^ sum >> 32) | _HASH_IN_USE;
}

static u32
key_sum(const hash_t *h, uword key)
{
	uword sum;

	switch ((uword)h->key_sum) {
	case KEY_FUNC_NONE:
		sum = mix_number(key);
		break;
	case KEY_FUNC_POINTER_UWORD:
		sum = mix_number(*(uword *)key_pointer(key));
		break;
	case KEY_FUNC_POINTER_U32:
		sum = mix_number(*(u32 *)key_pointer(key));
		break;
	case KEY_FUNC_STRING:
		sum = hash_memory(key_pointer(key), (word)strlen(key_pointer(key)), 0);
		break;
	case KEY_FUNC_MEM:
		sum = hash_memory(key_pointer(key), (word)h->user, 0);
		break;
	case KEY_FUNC_VEC:
		sum = hash_memory(key_pointer(key), (word)(vec_len64(key_pointer(key)) * h->user),
				  0);
		break;
	default:
		/* A stranger's function may leave the low bits alike. */
		sum = mix_number(h->key_sum((hash_t *)h, key));
		break;
	}
	return fold_sum(sum);
}

static int
key_equal(const hash_t *h, uword a, uword b)
{
	if (a == b)
		return 1;
	switch ((uword)h->key_sum) {
	case KEY_FUNC_NONE:
		return 0;
	case KEY_FUNC_POINTER_UWORD:
		return *(uword *)key_pointer(a) == *(uword *)key_pointer(b);
	case KEY_FUNC_POINTER_U32:
		return *(u32 *)key_pointer(a) == *(u32 *)key_pointer(b);
	case KEY_FUNC_STRING:
		return !strcmp(key_pointer(a), key_pointer(b));
	case KEY_FUNC_MEM:
		return !memcmp(key_pointer(a), key_pointer(b), h->user);
	case KEY_FUNC_VEC: {
		uword n = vec_len64(key_pointer(a));

		return n == vec_len64(key_pointer(b)) &&
		       (n == 0 || !memcmp(key_pointer(a), key_pointer(b), n * h->user));
	}
	default:
		return h->key_equal((hash_t *)h, a, b) != 0;
	}
}

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
static inline u32 *
find_link(const void *v, uword key, u32 sum)
{
	const hash_t *h = hash_header(v);

	for (u32 *at = head_of(v, sum); *at;) {
		_hash_link_t *l = link_at(h, *at);

		if (l->sum == sum && key_equal(h, l->pair.key, key))
			return at;
		at = &l->next;
	}
	return NULL;
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

/* Chains every pair in use anew, for heads that are all empty. */
static void
relink(void *v)
{
	hash_t *h = hash_header(v);

	for (u32 i = 1; i <= n_links(h); i++) {
		_hash_link_t *l = link_at(h, i);

		if (l->sum & _HASH_IN_USE) {
			u32 *head = head_of(v, l->sum);

			l->next = *head;
			*head = i;
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
	_vec_free(v);
	relink(w);
	return w;
}

/* ---- make and free ---- */

static uword
heads_for(uword elts)
{
	return max_pow2(clib_max(elts, (uword)HASH_MIN_CAPACITY));
}

void *
_hash_create(uword elts, uword user, uword value_bytes, hash_key_sum_function_t *key_sum_fn,
	     hash_key_equal_function_t *key_equal_fn, hash_format_pair_function_t *format_pair,
	     void *format_pair_arg)
{
	hash_t *h;
	u32 *v;

	if (elts > MAX_HEADS || value_bytes > UINT32_MAX / 2)
		return NULL;
	v = vec_new_ha(u32, heads_for(elts), sizeof(hash_t), 0);
	if (!v)
		return NULL;
	h = hash_header(v);
	h->key_sum = key_sum_fn;
	h->key_equal = key_equal_fn;
	h->user = user;
	h->format_pair = format_pair;
	h->format_pair_arg = format_pair_arg;
	h->value_bytes = (u32)round_pow2(value_bytes, sizeof(uword));
	h->pair_stride = (u32)sizeof(_hash_link_t) + h->value_bytes;
	return v;
}

void
_hash_free(void *v)
{
	if (!v)
		return;
	vec_free(hash_header(v)->pairs);
	_vec_free(v);
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

/* The pair of a key that is a number: nothing to call, nothing to follow. */
static inline hash_pair_t *
get_number_pair(const void *v, const hash_t *h, uword key)
{
	for (u32 i = *head_of(v, fold_sum(mix_number(key))); i;) {
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
	const u32 *at;

	if (!v)
		return NULL;
	if ((uword)hash_header(v)->key_sum == KEY_FUNC_NONE)
		return get_number_pair(v, hash_header(v), key);
	at = find_link(v, key, key_sum(hash_header(v), key));
	return at ? &link_at(hash_header(v), *at)->pair : NULL;
}

uword *
_hash_get(const void *v, uword key)
{
	hash_pair_t *p = _hash_get_pair(v, key);

	if (!p)
		return NULL;
	return hash_header(v)->value_bytes ? p->value : &p->key;
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
		    l->sum != key_sum(h, l->pair.key))
			return -EUCLEAN;
		/* The first pair with this key must be this one. */
		if (link_at(h, *find_link(v, l->pair.key, l->sum)) != l)
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

void
hash_validate(const void *v)
{
	if (hash_check(v))
		clib_assert_failed(__FILE__, __LINE__, __func__, "chains and pairs agree");
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

/* The pair of a key, made with zeros if there is none; NULL with the table as it was.  The table
 * may have moved when it returns. */
static hash_pair_t *
find_or_add(void **v, uword key, int *is_new)
{
	hash_t *h = hash_header(*v);
	u32 sum = key_sum(h, key), *at = find_link(*v, key, sum), i;
	_hash_link_t *l;

	*is_new = !at;
	if (at)
		return &link_at(h, *at)->pair;
	i = take_link(h, vec_get_heap(*v));
	if (!i)
		return NULL;
	l = link_at(h, i);
	l->sum = sum;
	l->pair.key = key;
	memset(l->pair.value, 0, h->value_bytes);
	at = head_of(*v, sum);
	l->next = *at;
	*at = i;
	h->elts++;
	*v = maybe_grow(*v);
	return &l->pair;
}

static void *
set(void *v, uword key, const void *value, uword n_bytes, void *old_value, int *error)
{
	int is_first = v == NULL, is_new;
	hash_pair_t *p;

	if (is_first)
		v = hash_create(0, sizeof(uword));
	p = v ? find_or_add(&v, key, &is_new) : NULL;
	if (error)
		*error = p ? 0 : -ENOMEM;
	if (!p) {
		if (is_first) {
			_hash_free(v);
			v = NULL;
		}
		return v;
	}
	if (old_value && !is_new)
		memcpy(old_value, p->value, hash_header(v)->value_bytes);
	if (value)
		memcpy(p->value, value, clib_min(n_bytes, (uword)hash_header(v)->value_bytes));
	return v;
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

void *
_hash_unset(void *v, uword key, void *old_value, int *error)
{
	u32 *at = v ? find_link(v, key, key_sum(hash_header(v), key)) : NULL, i;
	_hash_link_t *l;
	hash_t *h;

	if (error)
		*error = at ? 0 : -ENOENT;
	if (!at)
		return v;
	h = hash_header(v);
	i = *at;
	l = link_at(h, i);
	if (old_value)
		memcpy(old_value, l->pair.value, h->value_bytes);
	*at = l->next;
	l->sum = 0;
	l->next = h->free_pair;
	h->free_pair = i;
	h->elts--;
	return maybe_shrink(v);
}

/* ---- keys that the table owns ---- */

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
