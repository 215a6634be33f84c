/* SPDX-License-Identifier: Apache-2.0 */
/* vec_header: what stands below the first element of every vector, and of every mheap.
 *
 *   memory                                                    v
 *     | user header (hdr_size * 8 bytes) | pad | vec_header_t | elt 0 | elt 1 | ...
 *
 * The user header starts the memory, so it is aligned as the elements are, and the memory can be
 * freed by its address.
 *
 * Frozen layout (32 bytes, so that elements keep the 16-byte alignment of the memory):
 *   - the length is 64 bits wide in memory, so a vector of more than 4 G elements never wraps;
 *     vec_len() yields u32 because that is what VPP's source expects, vec_len64() all of it;
 *   - max_bytes lets a push test its room without a call;
 *   - the heap that the memory came from is remembered, so growth and free go back to it
 *     whatever heap is current by then. */
#ifndef included_vppinfra_vec_header_h
#define included_vppinfra_vec_header_h

#include <vppinfra/clib.h>

typedef struct {
	/** Heap (an mheap vector) the memory came from; NULL when the vector lies in memory that
	 *  is not a heap object (an mheap itself, a fixed pool's mapping). */
	void *heap;

	/** Bytes of elements that fit without growing. */
	uword max_bytes;

	/** User header, in units of 8 bytes. */
	u16 hdr_size;

	/** Alignment of element 0, base-2 logarithm; 0 means VEC_MIN_ALIGN. */
	u8 log2_align : 7;

	/** The current heap was used, not one named by the caller. */
	u8 default_heap : 1;

	/** Capacity beyond the length right after the last growth, in elements, at most 255. */
	u8 grow_elts;

	/** VEC_HEADER_MAGIC while the vector lives: free and grow refuse a stranger's pointer. */
	u32 magic;

	/** Elements in the vector. */
	u64 len;

	u8 vector_data[0];
} vec_header_t;

/** What says that there is a vector; the least alignment of elements. */
#define VEC_HEADER_MAGIC 0x76656321u
#define VEC_MIN_ALIGN 8

STATIC_ASSERT_SIZEOF(vec_header_t, 32);
STATIC_ASSERT_OFFSET_OF(vec_header_t, len, 24);

/** The header of a vector that is not NULL. */
#define _vec_find(v) ((vec_header_t *)(v)-1)

#endif
