/* SPDX-License-Identifier: Apache-2.0 */
#include <vppinfra/lock.h>
#include <vppinfra/mem.h>

/* A zeroed cache line: a free lock of either kind. */
static void *
lock_alloc(uword n_bytes)
{
	void *p = clib_mem_alloc_aligned_or_null(n_bytes, CLIB_CACHE_LINE_BYTES);

	if (p)
		memset(p, 0, n_bytes);
	return p;
}

int
clib_spinlock_init(clib_spinlock_t *p)
{
	*p = lock_alloc(sizeof(struct clib_spinlock));
	return *p ? 0 : -ENOMEM;
}

int
clib_rwlock_init(clib_rwlock_t *p)
{
	*p = lock_alloc(sizeof(struct clib_rw_lock_));
	return *p ? 0 : -ENOMEM;
}

void
clib_spinlock_free(clib_spinlock_t *p)
{
	clib_mem_free(*p);
	*p = NULL;
}

void
clib_rwlock_free(clib_rwlock_t *p)
{
	clib_mem_free(*p);
	*p = NULL;
}
