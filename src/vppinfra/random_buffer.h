/* SPDX-License-Identifier: Apache-2.0 */
/* random_buffer: random bytes out of a buffer that ISAAC fills, two contexts at a time.
 *
 *   clib_random_buffer_t b;
 *   clib_random_buffer_init (&b, seed);
 *   u32 *x = clib_random_buffer_get_data (&b, sizeof (x[0]));
 *
 * No byte is handed out twice.  Threads: a buffer is one thread's.  Memory: the current heap's at
 * the first fill. */
#ifndef included_vppinfra_random_buffer_h
#define included_vppinfra_random_buffer_h

#include <vppinfra/clib.h>
#include <vppinfra/random_isaac.h>
#include <vppinfra/vec.h>

typedef struct {
	isaac_t ctx[2];

	/** Words not yet handed out; they go from the end. */
	uword *buffer;

	/** What is left of a word of which fewer than 8 bytes were asked: its last
	 *  n_cached_bytes. */
	uword n_cached_bytes;
	union {
		u8 cached_bytes[sizeof(uword)];
		uword cached_word;
	};
} clib_random_buffer_t;

/** An empty buffer; the same seed gives the same bytes for the same calls. */
CLIB_EXPORT void clib_random_buffer_init(clib_random_buffer_t *b, uword seed);

/** Add at least n_words words (in multiples of 512).  @return 0; -ENOMEM with b as it was */
CLIB_EXPORT int clib_random_buffer_fill(clib_random_buffer_t *b, uword n_words);

/** Free what it holds. */
always_inline void
clib_random_buffer_free(clib_random_buffer_t *b)
{
	vec_free(b->buffer);
	b->n_cached_bytes = 0;
}

/**
 * n_bytes random bytes, filling the buffer as needed; aligned to 8 when n_bytes is at least 8.
 * They are the caller's until the next call.
 * @return NULL when there is no memory, b is then as it was
 */
always_inline void *
clib_random_buffer_get_data(clib_random_buffer_t *b, uword n_bytes)
{
	uword n_words = n_bytes / sizeof(uword) + (n_bytes % sizeof(uword) != 0);
	uword n_left = b->n_cached_bytes;

	if (n_bytes <= n_left) {
		b->n_cached_bytes = n_left - n_bytes;
		return b->cached_bytes + sizeof(uword) - n_left;
	}
	if (PREDICT_FALSE(n_words > vec_len64(b->buffer)) && clib_random_buffer_fill(b, n_words))
		return 0;
	vec_dec_len(b->buffer, n_words);
	if (n_bytes >= sizeof(uword))
		return vec_end(b->buffer);
	b->cached_word = *vec_end(b->buffer);
	b->n_cached_bytes = sizeof(uword) - n_bytes;
	return b->cached_bytes;
}

#endif
