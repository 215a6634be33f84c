/* SPDX-License-Identifier: Apache-2.0 */
/* The family.  Each call's first lines are the way without a lock; the rest is apart, so that it
 * costs no registers there. */
#include <stdint.h>
#include <sys/resource.h>
#include <unistd.h>
#include "malloc_impl.h"

/* Smaller objects are copied sooner than the lock is taken to see whether they can grow. */
#define MIN_EXTEND_BYTES 1024
/* An object is moved to a smaller one when it leaves more than half unused, and this much. */
#define MIN_SHRINK_BYTES KiB(4)

static void *
no_memory(void)
{
	errno = ENOMEM;
	return NULL;
}

always_inline int
is_in_heap(const void *p)
{
	const void *v = malloc_main.v;

	return v && (uword)p - (uword)v < mheap_header(v)->max_size;
}

/* Where there is no wish for alignment, align is MALLOC_ALIGN. */
static void *
alloc_in_heap(void *v, uword n_bytes, uword align)
{
	uword offset;

	mheap_get_aligned(v, n_bytes, align, 0, &offset);
	malloc_find_front();
	return offset == ~(uword)0 ? NULL : (u8 *)v + offset;
}

/* Then addresses that the heap had before are room, though no more may be mapped.  (Without a limit
 * the system's word is final: it does not give the heap what it would not give by itself.) */
static int
is_address_space_limited(void)
{
	struct rlimit limit;

	return !getrlimit(RLIMIT_AS, &limit) && limit.rlim_cur != RLIM_INFINITY;
}

static never_inline void *
alloc_slow(uword n_bytes, uword align)
{
	int saved_errno = errno, is_small;
	void *v = malloc_main.v, *p = NULL;

	if (n_bytes == 0)
		n_bytes = 1;
	if (n_bytes > PTRDIFF_MAX || align > PTRDIFF_MAX / 2)
		return no_memory();
	if (!v)
		v = malloc_start();
	/* Who asks for much has perhaps just let go of as much. */
	if (v && n_bytes > MHEAP_FRONT_MAX_BYTES)
		mheap_put_flush(v);
	is_small = n_bytes < malloc_main.mmap_threshold;
	if (v && is_small)
		p = alloc_in_heap(v, n_bytes, align);
	if (!p)
		p = large_alloc(n_bytes, align);
	if (!p && v && !is_small && is_address_space_limited())
		p = alloc_in_heap(v, n_bytes, align);
	if (!p)
		return no_memory();
	errno = saved_errno;
	return p;
}

static never_inline void
free_slow(void *p)
{
	int saved_errno = errno;

	if (!p)
		return;
	if (is_in_heap(p)) {
		mheap_put(malloc_main.v, (uword)p - (uword)malloc_main.v);
		malloc_find_front();
	} else if (large_free(p))
		malloc_misuse("free of what is no object", p);
	errno = saved_errno;
}

MALLOC_EXPORT void *
malloc(size_t n_bytes)
{
	mheap_front_t *f = malloc_front;
	uword p;

	if (PREDICT_TRUE(n_bytes - 1 < MHEAP_FRONT_MAX_BYTES)) {
		p = _mheap_front_pop(f, _mheap_front_bin_of_bytes(f, n_bytes));
		if (PREDICT_TRUE(p != 0))
			return (void *)p;
	}
	return alloc_slow(n_bytes, MALLOC_ALIGN);
}

/* What is freed has often not been touched for long: its header is looked at some frees later.
 * What is no heap's object, and all where there is no front, at once. */
MALLOC_EXPORT void
free(void *p)
{
	if (PREDICT_FALSE(!mheap_front_put_later(malloc_front, p)))
		free_slow(p);
}

MALLOC_EXPORT void
cfree(void *p)
{
	free(p);
}

MALLOC_EXPORT void *
calloc(size_t n, size_t n_bytes)
{
	uword n_all;
	void *p;

	if (PREDICT_FALSE(__builtin_mul_overflow(n, n_bytes, &n_all)))
		return no_memory();
	p = malloc(n_all);
	/* A mapping is zero from the start. */
	if (PREDICT_TRUE(p && is_in_heap(p)))
		memset(p, 0, n_all);
	return p;
}

MALLOC_EXPORT size_t
malloc_usable_size(void *p)
{
	if (!p)
		return 0;
	return is_in_heap(p) ? mheap_object_bytes(malloc_main.v, (uword)p - (uword)malloc_main.v)
			     : large_usable(p);
}

/* Bytes of an object about to be resized; 0: it is none. */
static uword
bytes_now(void *p)
{
	void *v = malloc_main.v;
	uword offset = (uword)p - (uword)v, c;

	if (!is_in_heap(p))
		return large_usable(p);
	/* The calling thread's own, mostly. */
	if (mheap_front_owns(mheap_header(v), v, mheap_front(mheap_header(v))->id, offset, &c))
		return mheap_data_bytes(v, offset);
	return mheap_object_bytes(v, offset);
}

/* p is in the heap or in a mapping of its own. */
static void *
move(void *p, uword n_now, uword n_bytes)
{
	uword offset = (uword)p - (uword)malloc_main.v;
	void *q;

	if (n_now >= MHEAP_MOVE_MIN_BYTES && n_bytes >= n_now &&
	    n_bytes < malloc_main.mmap_threshold && is_in_heap(p) &&
	    !mheap_move(malloc_main.v, &offset, n_bytes, n_now))
		return (u8 *)malloc_main.v + offset;
	q = malloc(n_bytes);

	if (!q)
		return NULL;
	memcpy(q, p, clib_min(n_now, n_bytes));
	free(p);
	return q;
}

MALLOC_EXPORT void *
realloc(void *p, size_t n_bytes)
{
	void *v = malloc_main.v;
	int saved_errno = errno;
	uword n_now;

	if (!p)
		return malloc(n_bytes);
	if (n_bytes == 0) {
		free(p);
		return NULL;
	}
	if (n_bytes > PTRDIFF_MAX)
		return no_memory();
	n_now = bytes_now(p);
	if (PREDICT_FALSE(!n_now)) {
		malloc_misuse("realloc of what is no object", p);
		return no_memory();
	}
	if (!is_in_heap(p)) {
		if (n_bytes < malloc_main.mmap_threshold / 2)
			return move(p, n_now, n_bytes);
		p = large_resize(p, n_bytes);
		return p ? p : no_memory();
	}
	if (n_bytes <= n_now) {
		if (n_now - n_bytes < MIN_SHRINK_BYTES || n_bytes >= n_now / 2)
			return p;
		v = move(p, n_now, n_bytes);
		return v ? v : p;
	}
	if (n_now >= MIN_EXTEND_BYTES && n_bytes < malloc_main.mmap_threshold) {
		mheap_put_flush(v);
		if (!mheap_extend(v, (uword)p - (uword)v, n_bytes)) {
			errno = saved_errno;
			return p;
		}
	}
	return move(p, n_now, n_bytes);
}

MALLOC_EXPORT void *
reallocarray(void *p, size_t n, size_t n_bytes)
{
	uword n_all;

	if (__builtin_mul_overflow(n, n_bytes, &n_all))
		return no_memory();
	return realloc(p, n_all);
}

always_inline void *
alloc_aligned(uword align, uword n_bytes)
{
	return align <= MALLOC_ALIGN ? malloc(n_bytes) : alloc_slow(n_bytes, align);
}

/* An alignment that is no power of two is rounded up, as in glibc. */
MALLOC_EXPORT void *
memalign(size_t align, size_t n_bytes)
{
	if (align > PTRDIFF_MAX / 2) {
		errno = EINVAL;
		return NULL;
	}
	return alloc_aligned(align > 1 ? max_pow2(align) : 1, n_bytes);
}

MALLOC_EXPORT void *
aligned_alloc(size_t align, size_t n_bytes)
{
	if (align == 0 || !is_pow2(align)) {
		errno = EINVAL;
		return NULL;
	}
	return alloc_aligned(align, n_bytes);
}

MALLOC_EXPORT int
posix_memalign(void **p, size_t align, size_t n_bytes)
{
	int saved_errno = errno;
	void *q;

	if (align == 0 || align % sizeof(void *) || !is_pow2(align))
		return EINVAL;
	q = alloc_aligned(align, n_bytes);
	errno = saved_errno;
	if (!q)
		return ENOMEM;
	*p = q;
	return 0;
}

MALLOC_EXPORT void *
valloc(size_t n_bytes)
{
	return alloc_aligned((uword)sysconf(_SC_PAGESIZE), n_bytes);
}

MALLOC_EXPORT void *
pvalloc(size_t n_bytes)
{
	uword page_bytes = (uword)sysconf(_SC_PAGESIZE);

	if (n_bytes > PTRDIFF_MAX)
		return no_memory();
	return alloc_aligned(page_bytes, clib_max(round_pow2(n_bytes, page_bytes), page_bytes));
}
