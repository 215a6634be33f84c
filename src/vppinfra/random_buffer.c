/* SPDX-License-Identifier: Apache-2.0 */
#include <vppinfra/random_buffer.h>

/* What one isaac2() makes. */
#define WORDS_PER_RUN (2 * ISAAC_SIZE)

int
clib_random_buffer_fill(clib_random_buffer_t *b, uword n_words)
{
	uword n = round_pow2(clib_max(n_words, (uword)1), WORDS_PER_RUN), *w;

	if (n < n_words || vec_add2(b->buffer, w, n))
		return -ENOMEM;
	for (uword i = 0; i < n; i += WORDS_PER_RUN)
		isaac2(b->ctx, w + i);
	return 0;
}

void
clib_random_buffer_init(clib_random_buffer_t *b, uword seed)
{
	uword words[ISAAC_SIZE];

	memset(b, 0, sizeof(*b));
	/* Neighbouring seeds share no word between the contexts: odd ones are the second's. */
	for (uword c = 0; c < ARRAY_LEN(b->ctx); c++) {
		for (uword i = 0; i < ISAAC_SIZE; i++)
			words[i] = ARRAY_LEN(b->ctx) * (seed + i) + c;
		isaac_init(&b->ctx[c], words);
	}
}
