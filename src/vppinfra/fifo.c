/* SPDX-License-Identifier: Apache-2.0 */
#include <vppinfra/fifo.h>

/* The queue's elements in order into an empty ring that has the places. */
static void
unroll(const void *v, void *to, uword elt_bytes)
{
	const clib_fifo_header_t *h = clib_fifo_header(v);
	uword n_first = clib_min(h->n_elts, vec_len64(v) - h->head_index);

	memcpy(to, (const u8 *)v + h->head_index * elt_bytes, n_first * elt_bytes);
	memcpy((u8 *)to + n_first * elt_bytes, v, (h->n_elts - n_first) * elt_bytes);
	_clib_fifo_push(to, h->n_elts);
}

/* A ring of n places, all free. */
static void *
new_ring(uword n, uword elt_bytes, uword align, void *heap)
{
	void *v = _vec_new(n, elt_bytes, sizeof(clib_fifo_header_t), align, heap);

	/* What the heap gives beyond is places, too. */
	if (v && elt_bytes)
		_vec_len(v) = vec_max_bytes(v) / elt_bytes;
	return v;
}

void *
_clib_fifo_grow(void *v, uword n_more, uword elt_bytes, uword align)
{
	uword n_elts = clib_fifo_elts(v), n_needed, n_wanted;
	void *heap = v ? vec_get_heap(v) : NULL, *w;

	if (__builtin_add_overflow(n_elts, n_more, &n_needed))
		return NULL;
	if (v)
		align = vec_get_align(v);
	n_wanted = clib_max(n_needed, vec_len64(v) + vec_len64(v) / 2);
	w = new_ring(n_wanted, elt_bytes, align, heap);
	if (!w && n_wanted > n_needed)
		w = new_ring(n_needed, elt_bytes, align, heap);
	if (!w || !v)
		return w;
	unroll(v, w, elt_bytes);
	_vec_free(v);
	return w;
}

void *
_clib_fifo_dup(const void *v, uword elt_bytes, uword align)
{
	void *w = clib_fifo_elts(v) ? new_ring(clib_fifo_elts(v), elt_bytes, align, NULL) : NULL;

	if (w)
		unroll(v, w, elt_bytes);
	return w;
}
