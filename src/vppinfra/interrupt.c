/* SPDX-License-Identifier: Apache-2.0 */
#include <vppinfra/interrupt.h>
#include <vppinfra/mem.h>

#define WORDS_PER_LINE (CLIB_CACHE_LINE_BYTES / sizeof(uword))

static uword
n_words_of(u32 n_int)
{
	return round_pow2(((uword)n_int + 63) / 64, WORDS_PER_LINE);
}

int
clib_interrupt_init(void **data, u32 n_int)
{
	uword n_words = n_words_of(n_int);
	uword n_bytes = sizeof(clib_interrupt_header_t) + 2 * n_words * sizeof(uword);
	clib_interrupt_header_t *h = NULL;

	/* Interrupt numbers are ints. */
	if (n_int <= INT32_MAX)
		h = clib_mem_alloc_aligned_or_null(n_bytes, CLIB_CACHE_LINE_BYTES);
	*data = h;
	if (!h)
		return -ENOMEM;
	memset(h, 0, n_bytes);
	h->n_int = (int)n_int;
	h->n_uwords = n_words;
	h->local = (uword *)(h + 1);
	h->remote = h->local + n_words;
	return 0;
}

/* Bits [n_int, ...) go. */
static void
cut(uword *words, uword n_words, u32 n_int)
{
	uword w = n_int / 64;

	if (w >= n_words)
		return;
	words[w] &= pow2_mask(n_int % 64);
	memset(words + w + 1, 0, (n_words - w - 1) * sizeof(uword));
}

int
clib_interrupt_resize(void **data, u32 n_int)
{
	clib_interrupt_header_t *h = *data, *old = h;
	void *fresh;
	uword n;

	if (!old)
		return clib_interrupt_init(data, n_int);
	if (n_int > INT32_MAX || n_words_of(n_int) != old->n_uwords) {
		if (clib_interrupt_init(&fresh, n_int))
			return -ENOMEM;
		h = fresh;
		n = clib_min(h->n_uwords, old->n_uwords) * sizeof(uword);
		memcpy(h->local, old->local, n);
		memcpy(h->remote, old->remote, n);
		clib_mem_free(old);
		*data = h;
	}
	h->n_int = (int)n_int;
	cut(h->local, h->n_uwords, n_int);
	cut(h->remote, h->n_uwords, n_int);
	return 0;
}

void
clib_interrupt_free(void **data)
{
	clib_mem_free(*data);
	*data = NULL;
}
