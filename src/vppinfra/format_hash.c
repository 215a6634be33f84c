/* SPDX-License-Identifier: Apache-2.0 */
/* hash, mhash and heap as text, and hash's check as an error: they stand below format and error, so
 * this stands above. */
#include <vppinfra/hash.h>
#include <vppinfra/heap.h>
#include <vppinfra/mhash.h>

clib_error_t *
hash_validate(const void *v)
{
	if (!hash_check(v))
		return NULL;
	return clib_error_return_code(0, -EUCLEAN, 0, "hash %p: chains and pairs do not agree", v);
}

static u8 *
format_value(u8 *s, hash_t *h, hash_pair_t *p)
{
	return h->value_bytes ? format(s, " -> 0x%wx", p->value[0]) : s;
}

u8 *
string_key_format_pair(u8 *s, va_list *args)
{
	void *CLIB_UNUSED(arg) = va_arg(*args, void *);
	void *v = va_arg(*args, void *);
	hash_pair_t *p = va_arg(*args, hash_pair_t *);

	return format_value(format(s, "%s", (char *)p->key), hash_header(v), p);
}

/* Bytes as text, other elements as hexadecimal numbers; what is no number as bytes. */
u8 *
vec_key_format_pair(u8 *s, va_list *args)
{
	void *CLIB_UNUSED(arg) = va_arg(*args, void *);
	void *v = va_arg(*args, void *);
	hash_pair_t *p = va_arg(*args, hash_pair_t *);
	hash_t *h = hash_header(v);
	u8 *key = (u8 *)p->key;
	uword n = vec_len64(key), number = 0;

	if (h->user == 1)
		s = format(s, "%v", key);
	else if (h->user > sizeof(number))
		s = format(s, "0x%U", format_hex_bytes_no_wrap, key, (int)(n * h->user));
	else
		for (uword i = 0; i < n; i++) {
			memcpy(&number, key + i * h->user, h->user);
			s = format(s, "%s0x%wx", i ? ", " : "", number);
		}
	return format_value(s, h, p);
}

static u8 *
format_hash_pair(u8 *s, void *v, hash_pair_t *p)
{
	hash_t *h = hash_header(v);
	format_function_t *fn = h->format_pair;

	if (!fn && (uword)h->key_sum == KEY_FUNC_STRING)
		fn = string_key_format_pair;
	if (!fn && (uword)h->key_sum == KEY_FUNC_VEC)
		fn = vec_key_format_pair;
	if (fn)
		return format(s, "%U", fn, h->format_pair_arg, v, p);
	if ((uword)h->key_sum == KEY_FUNC_MEM)
		s = format(s, "%U", format_hex_bytes_no_wrap, (u8 *)p->key, (int)h->user);
	else
		s = format(s, "0x%wx", p->key);
	return format_value(s, h, p);
}

/* Number of pairs in chains of each length: 12 x 1, 3 x 2. */
static u8 *
format_chain_lengths(u8 *s, void *v)
{
	u32 *n_chains = 0, *heads = v, i, length;

	for (i = 0; i < vec_len(heads); i++) {
		length = 0;
		for (u32 at = heads[i]; at; length++)
			at = ((_hash_link_t *)(hash_header(v)->pairs +
					       (uword)(at - 1) * hash_header(v)->pair_stride))
				     ->next;
		if (vec_validate(n_chains, length))
			break;
		n_chains[length]++;
	}
	s = format(s, "chains by length:");
	vec_foreach_index (i, n_chains)
		if (n_chains[i])
			s = format(s, " %u x %u", n_chains[i], i);
	vec_free(n_chains);
	return s;
}

u8 *
format_hash(u8 *s, va_list *args)
{
	void *v = va_arg(*args, void *);
	int verbose = va_arg(*args, int);
	u32 indent = format_get_indent(s);
	hash_pair_t *p;

	s = format(s, "hash %p: %wu elts, capacity %wu, %wu bytes", v, hash_elts(v),
		   hash_capacity(v), hash_bytes(v));
	if (!verbose || !v)
		return s;
	s = format(s, "\n%U", format_white_space, indent + 2);
	s = format_chain_lengths(s, v);
	hash_foreach_pair (p, v) {
		s = format(s, "\n%U", format_white_space, indent + 2);
		s = format_hash_pair(s, v, p);
	}
	return s;
}

u8 *
format_mhash_key(u8 *s, va_list *args)
{
	mhash_t *h = va_arg(*args, mhash_t *);
	u32 offset = va_arg(*args, u32);
	u8 *key = mhash_key_to_mem(h, offset);

	if (h->n_key_bytes == MHASH_C_STRING_KEY)
		return format(s, "%s", key);
	if (h->n_key_bytes == MHASH_VEC_STRING_KEY)
		return format(s, "%v", key);
	if (h->format_key)
		return format(s, "%U", h->format_key, key);
	return format(s, "%U", format_hex_bytes_no_wrap, key, (int)h->n_key_bytes);
}

static u8 *
format_range(u8 *s, const void *v, heap_elt_t *e)
{
	heap_header_t *h = heap_header(v);

	s = format(s, "%8d: offset %6wd, size %6wd", (int)(e - h->elts), heap_offset(e),
		   heap_elt_size(v, e));
	if (heap_is_free(e))
		return format(s, ", free");
	if (h->format_elt)
		s = format(s, ", %U", h->format_elt, v, (u8 *)v + heap_offset(e) * h->elt_bytes);
	return s;
}

u8 *
format_heap(u8 *s, va_list *args)
{
	void *v = va_arg(*args, void *);
	int verbose = va_arg(*args, int);
	uword n_data_bytes = v ? vec_len64(v) * heap_header(v)->elt_bytes : 0;
	u32 indent = format_get_indent(s);
	heap_elt_t *e;

	s = format(s, "heap %p, %6wd objects, size %.1fk + overhead %.1fk", v, heap_elts(v),
		   (f64)n_data_bytes / 1024, (f64)(heap_bytes(v) - n_data_bytes) / 1024);
	if (!verbose || !vec_len64(v))
		return s;
	for (e = _heap_first(v);; e = heap_next(e)) {
		s = format(s, "\n%U", format_white_space, indent);
		s = format_range(s, v, e);
		if (!e->next)
			return s;
	}
}
