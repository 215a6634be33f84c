/* SPDX-License-Identifier: Apache-2.0 */
/* Sizes to bins and back.  The small bins hold one multiple of 16 each (and the 8 bytes above it,
 * see mheap_impl.h); above, an octave has eight ranges of equal width. */
#include "mheap_impl.h"

_Static_assert(MHEAP_N_BINS == 304 && MHEAP_N_BIN_WORDS == 5, "bins as the header says");

uword
mheap_bin_of_size(uword n_user_data_bytes)
{
	return bin_floor(clib_max(n_user_data_bytes, (uword)MHEAP_MIN_USER_DATA_BYTES));
}

uword
mheap_bin_bytes(uword bin)
{
	uword octave, range;

	if (bin < MHEAP_N_SMALL_OBJECT_BINS)
		return (bin + 1) * 16;
	/* The first range shares its start with the last exact size. */
	if (bin == MHEAP_N_SMALL_OBJECT_BINS)
		return (1 << MHEAP_LOG2_SMALL_BYTES) + 16;
	octave = (bin - MHEAP_N_SMALL_OBJECT_BINS) >> MHEAP_LOG2_RANGES;
	range = (bin - MHEAP_N_SMALL_OBJECT_BINS) & ((1 << MHEAP_LOG2_RANGES) - 1);
	return (1ULL << (octave + MHEAP_LOG2_SMALL_BYTES)) +
	       (range << (octave + MHEAP_LOG2_SMALL_BYTES - MHEAP_LOG2_RANGES));
}

void
mheap_bin_abandon(mheap_t *h, uword bin)
{
	h->first_free_elt_uoffset_by_bin[bin] = MHEAP_GROUNDED;
	h->non_empty_free_elt_heads[bin / 64] &= ~(1ULL << (bin % 64));
	h->stats.n_corruptions++;
}
