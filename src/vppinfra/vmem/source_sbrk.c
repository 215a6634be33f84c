/* SPDX-License-Identifier: Apache-2.0 */
/* The sbrk heap: "sbrk_top" has a span for each piece of the break that was taken, "sbrk_heap"
 * imports from it.  The break is never lowered: malloc may have raised it since. */
#include "vmem_impl.h"

#include <unistd.h>

/* Raise the break by at least this, so that spans stay few. */
#define SBRK_BYTES_MIN KiB(256)

/* The break belongs to the process, so sbrk() is not for two threads at once. */
static pthread_mutex_t sbrk_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t arena_lock = PTHREAD_MUTEX_INITIALIZER;
static vmem_t *sbrk_heap;

static void
lock_break(void)
{
	pthread_mutex_lock(&sbrk_lock);
}

static void
unlock_break(void)
{
	pthread_mutex_unlock(&sbrk_lock);
}

/* Takes [*p, *p + n_bytes) above the break, on a page boundary. */
static int
raise_break(uword n_bytes, uword page, void **p)
{
	uword now, pad;
	void *got;

	if (n_bytes > (uword)INTPTR_MAX - page)
		return -ENOMEM;
	lock_break();
	now = pointer_to_uword(sbrk(0));
	pad = round_pow2(now, page) - now;
	got = sbrk((intptr_t)(pad + n_bytes));
	unlock_break();
	if (got == (void *)-1)
		return -ENOMEM;
	/* Somebody else's sbrk() may have come between: align what we truly got. */
	if ((pointer_to_uword(got) + pad) & (page - 1))
		return -ENOMEM;
	*p = (u8 *)got + pad;
	return 0;
}

static void *
sbrk_top_alloc(vmem_t *top, size_t size, int vmflag)
{
	for (;;) {
		void *p = vmem_alloc(top, size, vmflag | VM_NOSLEEP);
		uword n_bytes = clib_max(size, SBRK_BYTES_MIN);

		if (p)
			return p;
		if (raise_break(n_bytes, top->vm_quantum, &p) ||
		    vmem_add(top, p, n_bytes, VM_NOSLEEP) == NULL)
			return NULL;
	}
}

vmem_t *
vmem_sbrk_arena(vmem_alloc_t **afunc, vmem_free_t **ffunc)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	bool is_new;

	pthread_mutex_lock(&arena_lock);
	is_new = sbrk_heap == NULL;
	if (sbrk_heap == NULL)
		sbrk_heap = vmem_init_once("sbrk_top", page, sbrk_top_alloc, vmem_free, "sbrk_heap",
					   NULL, 0, page, vmem_alloc, vmem_free);
	if (sbrk_heap == NULL) {
		vmem_t *top =
			vmem_create("sbrk_top", NULL, 0, page, NULL, NULL, NULL, 0, VM_NOSLEEP);

		if (top)
			sbrk_heap = vmem_create("sbrk_heap", NULL, 0, page, sbrk_top_alloc,
						vmem_free, top, 0, VM_NOSLEEP);
		if (top && sbrk_heap == NULL)
			vmem_destroy(top);
	}
	if (is_new && sbrk_heap)
		pthread_atfork(lock_break, unlock_break, unlock_break);
	pthread_mutex_unlock(&arena_lock);
	if (afunc)
		*afunc = vmem_alloc;
	if (ffunc)
		*ffunc = vmem_free;
	return sbrk_heap;
}
