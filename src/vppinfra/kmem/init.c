/* SPDX-License-Identifier: Apache-2.0 */
/* What lies under the first cache: arenas, per-CPU units, our own caches; the list of caches; what
 * the end of a thread and a fork have to do. */
#include "kmem_impl.h"
#include "percpu_impl.h"

#include <pthread.h>

/* What the default arena takes from the system at a time: a huge page's worth. */
#define IMPORT_BYTES MiB(2)

/* Recursive: a walk of the list may walk it again. */
static pthread_mutex_t list_lock = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
/* In order of creation; under list_lock. */
kmem_t *kmem_list;

static pthread_mutex_t init_lock = PTHREAD_MUTEX_INITIALIZER;
static _Atomic u32 is_ready;
static vmem_t *default_arena;
static uword empty_cpu_offset;
static CLIB_ATOMIC(u64) fail_after;

void
kmem_list_lock(void)
{
	pthread_mutex_lock(&list_lock);
}

void
kmem_list_unlock(void)
{
	pthread_mutex_unlock(&list_lock);
}

void
kmem_list_add(kmem_t *k)
{
	kmem_t **p = &kmem_list;

	kmem_list_lock();
	while (*p)
		p = &(*p)->next;
	*p = k;
	kmem_list_unlock();
}

void
kmem_list_remove(kmem_t *k)
{
	kmem_t **p = &kmem_list;

	kmem_list_lock();
	while (*p && *p != k)
		p = &(*p)->next;
	if (*p)
		*p = k->next;
	kmem_list_unlock();
}

void
clib_kmem_foreach_cache(int (*fn)(clib_kmem_cache_t *cache, void *arg), void *arg)
{
	kmem_list_lock();
	for (kmem_t *k = kmem_list; k; k = k->next)
		if (fn(&k->public, arg))
			break;
	kmem_list_unlock();
}

clib_kmem_cache_t *
clib_kmem_cache_by_name(const char *name)
{
	kmem_t *k;

	kmem_list_lock();
	for (k = kmem_list; k && strcmp(k->name, name); k = k->next)
		;
	kmem_list_unlock();
	return k ? &k->public : NULL;
}

/* ---- the end of a thread, and a fork ---- */

static void
thread_exit(void *arg, u16 index)
{
	kmem_list_lock();
	for (kmem_t *k = kmem_list; k; k = k->next)
		kmem_flush_thread(k, index);
	kmem_list_unlock();
}

static void
fork_prepare(void)
{
	kmem_list_lock();
	for (kmem_t *k = kmem_list; k; k = k->next) {
		kmem_lock(&k->depot_lock);
		kmem_lock(&k->slab_lock);
	}
	kmem_meta_lock_all();
}

static void
unlock_caches(bool is_child)
{
	kmem_meta_unlock_all();
	for (kmem_t *k = kmem_list; k; k = k->next) {
		if (is_child) {
			kmem_claim_fork_child(k);
			kmem_sleep_fork_child(k);
		}
		kmem_unlock(&k->slab_lock);
		kmem_unlock(&k->depot_lock);
	}
}

static void
fork_parent(void)
{
	unlock_caches(false);
	kmem_list_unlock();
}

static void
fork_child(void)
{
	unlock_caches(true);
	/* A recursive mutex knows its owner by thread id, and the child's is another: unlocking is
	 * refused, and only tells a thread sanitizer. */
	kmem_list_unlock();
	list_lock = (pthread_mutex_t)PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
}

/* ---- start ---- */

/* Each step is left out when an earlier try got that far. */
static int
init_locked(void)
{
	vmem_alloc_t *afunc;
	vmem_free_t *ffunc;
	vmem_t *heap;

	if (percpu_init())
		return -ENOMEM;
	if (empty_cpu_offset == 0)
		empty_cpu_offset =
			percpu_offset_alloc(sizeof(clib_kmem_cpu_t), CLIB_CACHE_LINE_BYTES, 0);
	heap = vmem_mmap_arena(&afunc, &ffunc);
	if (empty_cpu_offset == 0 || heap == NULL || kmem_meta_init())
		return -ENOMEM;
	if (default_arena == NULL) {
		default_arena = vmem_create("kmem", NULL, 0, heap->vm_quantum, afunc, ffunc, heap,
					    0, VM_NOSLEEP);
		if (default_arena == NULL)
			return -ENOMEM;
		default_arena->vm_min_import = IMPORT_BYTES;
	}
	if (clib_thread_at_exit(thread_exit, NULL))
		return -ENOMEM;
	pthread_atfork(fork_prepare, fork_parent, fork_child);
	/* Release: all of it is seen by the acquire in kmem_init(). */
	atomic_store_explicit(&is_ready, 1, memory_order_release);
	return 0;
}

int
kmem_init(void)
{
	int error = 0;

	if (atomic_load_explicit(&is_ready, memory_order_acquire))
		return 0;
	pthread_mutex_lock(&init_lock);
	if (!atomic_load_explicit(&is_ready, memory_order_relaxed))
		error = init_locked();
	pthread_mutex_unlock(&init_lock);
	return error;
}

vmem_t *
kmem_default_arena(void)
{
	return default_arena;
}

uword
kmem_empty_cpu_offset(void)
{
	return empty_cpu_offset;
}

bool
kmem_is_made_to_fail(void)
{
	u64 n = kmem_load(&fail_after);

	while (PREDICT_FALSE(n != 0))
		if (atomic_compare_exchange_weak_explicit(
			    &fail_after, &n, n - 1, memory_order_relaxed, memory_order_relaxed))
			return n == 1;
	return false;
}

void
clib_kmem_fail_after(u64 n)
{
	kmem_store(&fail_after, n);
}
