/* SPDX-License-Identifier: Apache-2.0 */
/* Two vmem arenas over a vm range, and the three regions a heap can live in.  Records are a
 * static table, so that an arena can be made before there is a heap to make it in. */
#include <vppinfra/arena.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

typedef enum {
	ARENA_IS_FREE = 0,
	ARENA_IS_CLAIMED,
	ARENA_IS_LIVE,
} arena_state_t;

struct clib_arena {
	/* Set by clib_arena_create(), constant after. */
	char name[CLIB_ARENA_NAME_BYTES + 1];
	vm_range_t *range;
	vmem_t *va, *committed;
	u8 *base;
	int numa_node;
	/* What is worth committing at a time: the page, or a transparent huge one. */
	uword step_bytes;

	/* Atomic: written under the table's lock, read without. */
	_Atomic u8 state;
	/* Atomic: imports and heaps of any thread. */
	_Atomic uword n_committed_bytes;
};

static pthread_mutex_t table_lock = PTHREAD_MUTEX_INITIALIZER;
static clib_arena_t arenas[CLIB_MAX_ARENAS];

/* The i-th record if it is live. */
static clib_arena_t *
arena_at(u32 i)
{
	/* Acquire: the record's fields, written before the release in clib_arena_create(). */
	return atomic_load_explicit(&arenas[i].state, memory_order_acquire) == ARENA_IS_LIVE
		       ? &arenas[i]
		       : NULL;
}

static int
is_live(const clib_arena_t *a)
{
	for (u32 i = 0; i < CLIB_MAX_ARENAS; i++)
		if (a == &arenas[i])
			return arena_at(i) != NULL;
	return 0;
}

/* ---- committing ---- */

static int
arena_commit(void *opaque, void *p, uword n_bytes)
{
	clib_arena_t *a = opaque;
	uword fresh;
	int rv = vm_commit_counted(a->range, (uword)((u8 *)p - a->base), n_bytes, &fresh);

	atomic_fetch_add_explicit(&a->n_committed_bytes, fresh, memory_order_relaxed);
	return rv ? -ENOMEM : 0;
}

static uword
arena_decommit(void *opaque, void *p, uword n_bytes)
{
	clib_arena_t *a = opaque;
	uword released;

	vm_decommit(a->range, (uword)((u8 *)p - a->base), n_bytes, &released);
	atomic_fetch_sub_explicit(&a->n_committed_bytes, released, memory_order_relaxed);
	return released;
}

static void *
arena_import(vmem_t *va, size_t size, int vmflag)
{
	clib_arena_t *a = va->vm_owner;
	void *p = vmem_alloc(va, size, vmflag);

	if (p && arena_commit(a, p, size)) {
		vmem_free(va, p, size);
		return NULL;
	}
	return p;
}

static void
arena_export(vmem_t *va, void *p, size_t size)
{
	arena_decommit(va->vm_owner, p, size);
	vmem_free(va, p, size);
}

/* ---- create and destroy ---- */

/* A record with this name, state CLAIMED. */
static int
claim(const char *name, clib_arena_t **arena)
{
	clib_arena_t *a = NULL;

	for (u32 i = CLIB_MAX_ARENAS; i-- > 0;) {
		if (atomic_load_explicit(&arenas[i].state, memory_order_relaxed) == ARENA_IS_FREE)
			a = &arenas[i];
		else if (!strcmp(arenas[i].name, name))
			return -EEXIST;
	}
	if (!a)
		return -ENOMEM;
	strncpy(a->name, name, CLIB_ARENA_NAME_BYTES);
	atomic_store_explicit(&a->state, ARENA_IS_CLAIMED, memory_order_relaxed);
	*arena = a;
	return 0;
}

/* Undo whatever of set_up() was done, and free the record. */
static void
tear_down(clib_arena_t *a)
{
	atomic_store_explicit(&a->state, ARENA_IS_CLAIMED, memory_order_relaxed);
	if (a->committed)
		vmem_destroy(a->committed);
	if (a->va)
		vmem_destroy(a->va);
	if (a->range)
		vm_release(a->range);
	pthread_mutex_lock(&table_lock);
	memset(a->name, 0, sizeof(a->name));
	a->committed = a->va = NULL;
	a->range = NULL;
	atomic_store_explicit(&a->n_committed_bytes, 0, memory_order_relaxed);
	atomic_store_explicit(&a->state, ARENA_IS_FREE, memory_order_relaxed);
	pthread_mutex_unlock(&table_lock);
}

static int
set_up(clib_arena_t *a, const clib_arena_params_t *params)
{
	vm_range_params_t range_params = {
		.name = params->name,
		.reserve_bytes = params->reserve_bytes,
		.expect_bytes = params->expect_bytes,
		.numa_node = params->numa_node,
		.page_size = params->page_size,
		.flags = params->vm_flags,
	};
	char name[VMEM_NAMELEN];
	vm_range_info_t info;
	uword page_bytes;
	int rv = vm_reserve(&range_params, &a->range);

	if (rv)
		return rv;
	vm_range_get_info(a->range, &info);
	page_bytes = vm_range_page_bytes(a->range);
	a->base = vm_range_base(a->range);
	a->numa_node = params->numa_node;
	a->step_bytes = info.is_thp ? vm_range_align_bytes(a->range) : page_bytes;
	snprintf(name, sizeof(name), "%s.va", a->name);
	a->va = vmem_create(name, a->base, info.reserve_bytes, page_bytes, NULL, NULL, NULL, 0,
			    VM_NOSLEEP);
	if (!a->va)
		return -ENOMEM;
	a->va->vm_owner = a;
	a->committed = vmem_create(a->name, NULL, 0, page_bytes, arena_import, arena_export, a->va,
				   0, VM_NOSLEEP);
	if (!a->committed)
		return -ENOMEM;
	if (a->step_bytes > page_bytes)
		a->committed->vm_min_import = a->step_bytes;
	return 0;
}

int
clib_arena_create(const clib_arena_params_t *params, clib_arena_t **arena)
{
	clib_arena_t *a;
	int rv;

	if (!params || !params->name || !params->name[0] ||
	    strlen(params->name) > CLIB_ARENA_NAME_BYTES)
		return -EINVAL;
	pthread_mutex_lock(&table_lock);
	rv = claim(params->name, &a);
	pthread_mutex_unlock(&table_lock);
	if (rv)
		return rv;
	rv = set_up(a, params);
	if (rv) {
		tear_down(a);
		return rv;
	}
	/* Release: whoever finds the record sees what set_up() wrote. */
	atomic_store_explicit(&a->state, ARENA_IS_LIVE, memory_order_release);
	*arena = a;
	return 0;
}

int
clib_arena_destroy(clib_arena_t *arena)
{
	if (!is_live(arena))
		return -EINVAL;
	/* Whole imports go back when they are free, so what the root has allocated is in use. */
	if (vmem_size(arena->committed, VMEM_ALLOC) || vmem_size(arena->va, VMEM_ALLOC))
		return -EBUSY;
	tear_down(arena);
	return 0;
}

void
clib_arena_abandon(clib_arena_t *arena)
{
	if (is_live(arena))
		tear_down(arena);
}

const char *
clib_arena_name(const clib_arena_t *arena)
{
	return arena->name;
}

vmem_t *
clib_arena_vmem(clib_arena_t *arena)
{
	return arena->committed;
}

vmem_t *
clib_arena_va_vmem(clib_arena_t *arena)
{
	return arena->va;
}

vm_range_t *
clib_arena_range(clib_arena_t *arena)
{
	return arena->range;
}

uword
clib_arena_committed_bytes(const clib_arena_t *arena)
{
	return atomic_load_explicit(&arena->n_committed_bytes, memory_order_relaxed);
}

void
clib_arena_foreach(int (*fn)(clib_arena_t *arena, void *arg), void *arg)
{
	for (u32 i = 0; i < CLIB_MAX_ARENAS; i++) {
		clib_arena_t *a = arena_at(i);

		if (a && fn(a, arg))
			return;
	}
}

clib_arena_t *
clib_arena_by_name(const char *name)
{
	clib_arena_t *a = NULL;

	/* Names change under the lock. */
	pthread_mutex_lock(&table_lock);
	for (u32 i = 0; i < CLIB_MAX_ARENAS && !a; i++)
		if (arena_at(i) && !strcmp(arenas[i].name, name))
			a = &arenas[i];
	pthread_mutex_unlock(&table_lock);
	return a;
}

/* ---- heap regions ---- */

static void
release_to_arena(void *opaque, void *base, uword n_bytes)
{
	clib_arena_t *a = opaque;

	arena_decommit(a, base, n_bytes);
	vmem_xfree(a->va, base, n_bytes);
}

int
clib_arena_create_heap(clib_arena_t *arena, const char *name, uword max_bytes, u32 mheap_flags,
		       void **v)
{
	mheap_params_t params = { .name = name, .flags = mheap_flags };
	uword n_bytes;
	int rv;

	if (!is_live(arena) || !max_bytes)
		return -EINVAL;
	n_bytes = round_pow2(max_bytes, arena->step_bytes);
	if (n_bytes < max_bytes)
		return -ENOMEM;
	params.numa_node = arena->numa_node;
	params.region.base =
		vmem_xalloc(arena->va, n_bytes, arena->step_bytes, 0, 0, NULL, NULL, VM_NOSLEEP);
	if (!params.region.base)
		return -ENOMEM;
	params.region.size = n_bytes;
	params.region.page_bytes = arena->step_bytes;
	params.region.commit = arena_commit;
	params.region.decommit = arena_decommit;
	params.region.release = release_to_arena;
	params.region.opaque = arena;
	rv = mheap_create(&params, v);
	if (rv)
		release_to_arena(arena, params.region.base, n_bytes);
	return rv;
}

static void
release_to_vmem(void *opaque, void *base, uword n_bytes)
{
	vmem_free(opaque, base, n_bytes);
}

int
mheap_create_in_vmem(vmem_t *vmem, const char *name, uword bytes, u32 mheap_flags, void **v)
{
	mheap_params_t params = { .name = name, .flags = mheap_flags, .numa_node = VM_NODE_ANY };
	const vm_range_t *range;
	vm_range_info_t info;
	int rv;

	if (!vmem || !bytes)
		return -EINVAL;
	params.region.base = vmem_alloc(vmem, bytes, VM_NOSLEEP);
	if (!params.region.base)
		return -ENOMEM;
	range = vm_range_of(params.region.base);
	if (range) {
		vm_range_get_info(range, &info);
		params.numa_node = info.numa_node;
	}
	params.region.size = bytes;
	params.region.page_bytes = (uword)sysconf(_SC_PAGESIZE);
	params.region.release = release_to_vmem;
	params.region.opaque = vmem;
	rv = mheap_create(&params, v);
	if (rv)
		vmem_free(vmem, params.region.base, bytes);
	return rv;
}

static int
range_commit(void *opaque, void *p, uword n_bytes)
{
	return vm_commit(opaque, (uword)((u8 *)p - (u8 *)vm_range_base(opaque)), n_bytes) ? -ENOMEM
											  : 0;
}

static uword
range_decommit(void *opaque, void *p, uword n_bytes)
{
	uword released;

	vm_decommit(opaque, (uword)((u8 *)p - (u8 *)vm_range_base(opaque)), n_bytes, &released);
	return released;
}

static void
release_to_range(void *opaque, void *base, uword n_bytes)
{
	range_decommit(opaque, base, n_bytes);
}

int
mheap_create_in_range(vm_range_t *range, const char *name, u32 mheap_flags, void **v)
{
	mheap_params_t params = { .name = name, .flags = mheap_flags };
	vm_range_info_t info;
	uword step_bytes;
	int rv;

	vm_range_get_info(range, &info);
	if (!info.reserve_bytes)
		return -EINVAL;
	if (info.committed_bytes)
		return -EBUSY;
	step_bytes = vm_range_page_bytes(range);
	/* A short tail behind the last whole transparent huge page would be refused as a region. */
	if (info.is_thp && info.reserve_bytes % vm_range_align_bytes(range) == 0)
		step_bytes = vm_range_align_bytes(range);
	params.numa_node = info.numa_node;
	params.region.base = vm_range_base(range);
	params.region.size = info.reserve_bytes;
	params.region.page_bytes = step_bytes;
	params.region.commit = range_commit;
	params.region.decommit = range_decommit;
	params.region.release = release_to_range;
	params.region.opaque = range;
	rv = mheap_create(&params, v);
	if (rv)
		release_to_range(range, params.region.base, params.region.size);
	return rv;
}
