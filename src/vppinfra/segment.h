/* SPDX-License-Identifier: Apache-2.0 */
/* segment: memory named by selector and offset, so that a name holds wherever it is mapped.
 *
 *   handle   63        52 51        40 39                       0
 *            | generation |   index    |        offset          |     0 is no handle
 *            '------- selector --------'
 *
 *   three kinds of address and the ways between them
 *
 *     handle  <--clib_handle_of()--------  pointer  --vm_va_to_pa()-->  physical address
 *             ---clib_handle_pointer()-->
 *
 * A table of this process has base, limit and rights for each index; converting a handle checks
 * all three, and the generation: a handle into a segment that was removed is refused, also when
 * its index was given out again.  Offsets do not change when another process maps the same memory
 * elsewhere: it enters it under the same selector (clib_segment_add_as), and every handle means the
 * same bytes there.
 *
 * Threads: any; converting takes no lock and costs a few loads.  Whoever removes a segment sees to
 * it that nobody still uses a pointer into it. */
#ifndef included_vppinfra_segment_h
#define included_vppinfra_segment_h

#include <vppinfra/atomics.h>
#include <vppinfra/clib.h>

/** Segments of a process at one time; bytes of one. */
#define CLIB_MAX_SEGMENTS 4095
#define CLIB_SEGMENT_MAX_BYTES (1ull << 40)

/** Index and generation; 0: none. */
typedef u32 clib_selector_t;
/** Selector and offset; 0: none. */
typedef u64 clib_handle_t;

/** Rights of a segment, and what a conversion asks for. */
#define CLIB_SEGMENT_READ (1u << 0)
#define CLIB_SEGMENT_WRITE (1u << 1)

typedef struct {
	/** Copied; at most 31 bytes. */
	const char *name;
	void *base;
	/** Bytes: the first offset that is refused. */
	u64 limit;
	u32 rights;
} clib_segment_t;

/** @param[out] selector  untouched on error
 *  @return 0; -EINVAL no base, no or too great a limit, no rights; -ENOMEM the table is full */
CLIB_EXPORT int clib_segment_add(const clib_segment_t *segment, clib_selector_t *selector);
/** Under a selector that another process gave it.  @return 0; -EINVAL; -EEXIST its index is taken
 */
CLIB_EXPORT int clib_segment_add_as(clib_selector_t selector, const clib_segment_t *segment);
/** @return 0, or -ENOENT for a selector that names nothing (any more) */
CLIB_EXPORT int clib_segment_remove(clib_selector_t selector);
/** @param[out] segment  name points into the table: good until the segment is removed */
CLIB_EXPORT int clib_segment_get(clib_selector_t selector, clib_segment_t *segment);
/** Each segment by rising index until fn returns nonzero. */
CLIB_EXPORT void clib_segment_foreach(int (*fn)(clib_selector_t selector,
						const clib_segment_t *segment, void *arg),
				      void *arg);

/** The handle of a place; 0 when the selector names nothing or offset is not below the limit. */
CLIB_EXPORT clib_handle_t clib_handle(clib_selector_t selector, u64 offset);
/** The handle of an address; 0: in no segment.  Cost: a look at each segment. */
CLIB_EXPORT clib_handle_t clib_handle_of(const void *address);
/**
 * The address of n_bytes at a handle.
 * @param rights  what it is wanted for
 * @return NULL: handle 0, a stale or strange selector, any byte at or past the limit, rights that
 *         the segment does not give
 */
CLIB_EXPORT void *clib_handle_pointer(clib_handle_t handle, u64 n_bytes, u32 rights);

/** The selector in a handle. */
always_inline clib_selector_t
clib_handle_selector(clib_handle_t handle)
{
	return (clib_selector_t)(handle >> 40);
}

/** The offset in a handle. */
always_inline u64
clib_handle_offset(clib_handle_t handle)
{
	return handle & pow2_mask(40);
}

/** Conversions that were refused in this process. */
CLIB_EXPORT u64 clib_handle_n_refused(void);

#endif
