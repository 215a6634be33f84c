/* SPDX-License-Identifier: Apache-2.0 */
/* kmalloc: memory by the byte that is physically contiguous, under a kernel's names.
 *
 *   up to 8 KiB   object caches kmalloc-8 ... kmalloc-8192 (kmem.h), slabs of 64 KiB out of pages.h
 *   above         a block of 2^order pages
 *
 * Both lie in the mapped zones of the calling thread's node, inside one huge page, so an address
 * and its physical address differ by a constant within an object (clib_virt_to_phys()).  Where the
 * set has no huge pages only one page is contiguous.  vmalloc() (pages.h) is for what need not be.
 *
 * Threads: any.  Flags: pages.h; small objects with __GFP_DMA or __GFP_DMA32 take whole pages. */
#ifndef included_vppinfra_kmalloc_h
#define included_vppinfra_kmalloc_h

#include <vppinfra/pages.h>

/** Greatest request that an object cache serves; a larger one gets pages of its own. */
#define CLIB_KMALLOC_MAX_CACHED 8192

/**
 * @return bytes, aligned to the largest power of two that divides their class, at least 8; NULL: no
 *         memory (counted in the zone), or bytes is 0 or more than a chunk
 * Cost: an object cache's pair, or a block of pages.  Owner: the caller, until clib_kfree().
 */
CLIB_EXPORT void *clib_kmalloc(uword bytes, gfp_t gfp);
/** n * bytes, zeroed; NULL also where that overflows. */
CLIB_EXPORT void *clib_kcalloc(uword n, uword bytes, gfp_t gfp);
/** Another size, contents kept as far as both reach; NULL leaves p as it was.  p NULL allocates,
 *  bytes 0 frees. */
CLIB_EXPORT void *clib_krealloc(void *p, uword bytes, gfp_t gfp);
/** NULL ignored.  What kmalloc did not give, or what is free already, is reported, counted and
 *  ignored.  @return 0; -EINVAL; -EALREADY. */
CLIB_EXPORT int clib_kfree(const void *p);
/** Usable bytes; 0 for what kmalloc did not give. */
CLIB_EXPORT uword clib_ksize(const void *p);

/** Give slabs that hold no object back to the zones of a node.  @return bytes */
CLIB_EXPORT uword clib_kmalloc_trim(pages_t *pages);
/** Destroy the caches over a set, before pages_destroy().  @return 0; -EBUSY objects live. */
CLIB_EXPORT int clib_kmalloc_exit(pages_t *pages);

#ifndef PAGES_NO_BARE_NAMES
/** A kernel's names. */
#	define kmalloc(bytes, gfp) clib_kmalloc((bytes), (gfp))
#	define kzalloc(bytes, gfp) clib_kmalloc((bytes), (gfp) | __GFP_ZERO)
#	define kcalloc(n, bytes, gfp) clib_kcalloc((n), (bytes), (gfp))
#	define krealloc(p, bytes, gfp) clib_krealloc((p), (bytes), (gfp))
#	define kfree(p) clib_kfree(p)
#	define ksize(p) clib_ksize(p)
#endif

#endif
