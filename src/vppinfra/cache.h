/* SPDX-License-Identifier: Apache-2.0 */
/* cache: line size, alignment marks and prefetch. */
#ifndef included_vppinfra_cache_h
#define included_vppinfra_cache_h

#include <vppinfra/types.h>

#ifndef CLIB_LOG2_CACHE_LINE_BYTES
/** What a cache line has: defined by the program, or 64 bytes. */
#	define CLIB_LOG2_CACHE_LINE_BYTES 6
#endif
#define CLIB_CACHE_LINE_BYTES (1 << CLIB_LOG2_CACHE_LINE_BYTES)

/** What one prefetch instruction brings in. */
#define CLIB_LOG2_CACHE_PREFETCH_BYTES CLIB_LOG2_CACHE_LINE_BYTES
#define CLIB_CACHE_PREFETCH_BYTES CLIB_CACHE_LINE_BYTES
/** Round up to whole cache lines. */
#define CLIB_CACHE_LINE_ROUND(x) (((x) + CLIB_CACHE_LINE_BYTES - 1) & ~(CLIB_CACHE_LINE_BYTES - 1))

/** Aligns the struct member that follows, and so the struct, to a cache line. */
#define CLIB_CACHE_LINE_ALIGN_MARK(mark) u8 mark[0] __attribute__((aligned(CLIB_CACHE_LINE_BYTES)))

/** Words for the last argument of CLIB_PREFETCH(). */
#define CLIB_PREFETCH_READ 0
#define CLIB_PREFETCH_LOAD 0
#define CLIB_PREFETCH_WRITE 1
#define CLIB_PREFETCH_STORE 1

#define _CLIB_PREFETCH(n, _addr, size, type)                                                       \
	if ((size) > (n)*CLIB_CACHE_LINE_BYTES)                                                    \
	__builtin_prefetch((_addr) + (n)*CLIB_CACHE_LINE_BYTES, CLIB_PREFETCH_##type, 3)

/** Prefetch up to four cache lines of `size` bytes at `addr`; type is LOAD or STORE. */
#define CLIB_PREFETCH(addr, size, type)                                                            \
	do {                                                                                       \
		const char *_prefetch = (const char *)(addr);                                      \
		_CLIB_PREFETCH(0, _prefetch, size, type);                                          \
		_CLIB_PREFETCH(1, _prefetch, size, type);                                          \
		_CLIB_PREFETCH(2, _prefetch, size, type);                                          \
		_CLIB_PREFETCH(3, _prefetch, size, type);                                          \
	} while (0)

/** Bring a line in to be read. */
static inline void
clib_prefetch_load(const void *p)
{
	__builtin_prefetch(p, 0, 3);
}

/** Bring a line in to be written. */
static inline void
clib_prefetch_store(const void *p)
{
	__builtin_prefetch(p, 1, 3);
}

#endif
