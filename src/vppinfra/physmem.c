/* SPDX-License-Identifier: Apache-2.0 */
/* Thin over pmalloc: a lock, a start at first use, and numbers for shared arenas. */
#include <vppinfra/physmem.h>

#include <pthread.h>

static struct {
	pthread_mutex_t lock;
	clib_pmalloc_main_t pm;
	u32 n_maps;
	clib_physmem_map_t maps[CLIB_PHYSMEM_MAX_MAPS];
} physmem = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* Start with the main heap current, whoever calls; the lock is held.  @return 0 or -1 */
static int
start(uword base_addr, uword size)
{
	clib_mem_heap_t *old = clib_mem_current_heap;
	int rv;

	clib_mem_current_heap = clib_mem_main_heap();
	rv = clib_pmalloc_init(&physmem.pm, base_addr, size);
	clib_mem_current_heap = old;
	return rv;
}

/* A copy for a caller who will free it. */
static clib_error_t *
last_error_copy(void)
{
	clib_error_t *e = physmem.pm.error;

	return clib_error_return_code(0, clib_error_get_code(e), 0, "%v", e->what);
}

clib_error_t *
clib_physmem_init(uword base_addr, uword size)
{
	clib_error_t *error = NULL;

	pthread_mutex_lock(&physmem.lock);
	if (start(base_addr, size))
		error = last_error_copy();
	pthread_mutex_unlock(&physmem.lock);
	return error;
}

void
clib_physmem_exit(void)
{
	pthread_mutex_lock(&physmem.lock);
	for (u32 i = 0; i < physmem.n_maps; i++)
		vec_free(physmem.maps[i].page_table);
	physmem.n_maps = 0;
	clib_pmalloc_destroy(&physmem.pm);
	pthread_mutex_unlock(&physmem.lock);
}

void *
clib_physmem_alloc_aligned_on_numa(uword n_bytes, uword alignment, u32 numa_node)
{
	void *p = NULL;

	pthread_mutex_lock(&physmem.lock);
	if (physmem.pm.base || start(0, 0) == 0)
		p = clib_pmalloc_alloc_aligned_on_numa(&physmem.pm, n_bytes, alignment, numa_node);
	pthread_mutex_unlock(&physmem.lock);
	return p;
}

void *
clib_physmem_alloc_aligned(uword n_bytes, uword alignment)
{
	return clib_physmem_alloc_aligned_on_numa(n_bytes, alignment, CLIB_PMALLOC_NUMA_LOCAL);
}

void *
clib_physmem_alloc(uword n_bytes)
{
	return clib_physmem_alloc_aligned(n_bytes, 0);
}

void *
clib_physmem_alloc_from_map(u32 map_index, uword n_bytes, uword alignment)
{
	void *p;

	pthread_mutex_lock(&physmem.lock);
	/* An address in no arena is refused with words. */
	p = clib_pmalloc_alloc_from_arena(
		&physmem.pm, map_index < physmem.n_maps ? physmem.maps[map_index].base : NULL,
		n_bytes, alignment);
	pthread_mutex_unlock(&physmem.lock);
	return p;
}

void
clib_physmem_free(void *p)
{
	pthread_mutex_lock(&physmem.lock);
	clib_pmalloc_free(&physmem.pm, p);
	pthread_mutex_unlock(&physmem.lock);
}

u64
clib_physmem_get_pa(void *p)
{
	return clib_pmalloc_get_pa(&physmem.pm, p);
}

/* The physical address of each page of a map; the lock is held. */
static uword *
make_page_table(const clib_physmem_map_t *m)
{
	clib_mem_heap_t *old = clib_mem_current_heap;
	uword *v = NULL;

	clib_mem_current_heap = physmem.pm.heap;
	if (m->n_pages && vec_validate(v, m->n_pages - 1) == 0)
		for (uword i = 0; i < m->n_pages; i++)
			v[i] = clib_pmalloc_get_pa(&physmem.pm,
						   (u8 *)m->base + (i << m->log2_page_size));
	clib_mem_current_heap = old;
	return v;
}

/* The lock is held. */
static clib_error_t *
create_map(char *name, uword size, u32 log2_page_sz, u32 numa_node, u32 *map_index)
{
	clib_physmem_map_t m = { .index = physmem.n_maps };
	clib_pmalloc_arena_t *a;

	if (!physmem.pm.base && start(0, 0))
		return last_error_copy();
	if (physmem.n_maps == CLIB_PHYSMEM_MAX_MAPS)
		return clib_error_return_code(0, ENOSPC, 0, "%u shared maps are there already",
					      physmem.n_maps);
	m.base = clib_pmalloc_create_shared_arena(&physmem.pm, name, size, log2_page_sz, numa_node);
	if (!m.base)
		return last_error_copy();
	a = clib_pmalloc_get_arena(&physmem.pm, m.base);
	m.log2_page_size = a->log2_subpage_sz;
	m.n_pages = ((uword)a->n_pages << physmem.pm.def_log2_page_sz) >> m.log2_page_size;
	m.fd = a->fd;
	m.numa_node = a->numa_node;
	m.page_table = make_page_table(&m);
	if (!m.page_table) {
		clib_pmalloc_release_shared_arena(&physmem.pm, m.base);
		return clib_error_return_code(0, ENOMEM, 0, "out of memory for a page table");
	}
	*map_index = m.index;
	physmem.maps[physmem.n_maps++] = m;
	return NULL;
}

clib_error_t *
clib_physmem_shared_map_create(char *name, uword size, u32 log2_page_sz, u32 numa_node,
			       u32 *map_index)
{
	clib_error_t *error;

	pthread_mutex_lock(&physmem.lock);
	error = create_map(name, size, log2_page_sz, numa_node, map_index);
	pthread_mutex_unlock(&physmem.lock);
	return error;
}

clib_physmem_map_t *
clib_physmem_get_map(u32 map_index)
{
	clib_physmem_map_t *m = NULL;

	pthread_mutex_lock(&physmem.lock);
	if (map_index < physmem.n_maps)
		m = &physmem.maps[map_index];
	pthread_mutex_unlock(&physmem.lock);
	return m;
}

clib_error_t *
clib_physmem_last_error(void)
{
	return clib_pmalloc_last_error(&physmem.pm);
}

u64
clib_physmem_n_allocations(void)
{
	u64 n;

	pthread_mutex_lock(&physmem.lock);
	n = hash_elts(physmem.pm.chunk_index_by_va);
	pthread_mutex_unlock(&physmem.lock);
	return n;
}

uword
clib_physmem_committed_bytes(u8 log2_page_size)
{
	uword n;

	pthread_mutex_lock(&physmem.lock);
	n = clib_pmalloc_committed_bytes(&physmem.pm, log2_page_size);
	pthread_mutex_unlock(&physmem.lock);
	return n;
}

void
clib_physmem_look(void (*fn)(clib_pmalloc_main_t *pm, void *arg), void *arg)
{
	pthread_mutex_lock(&physmem.lock);
	fn(physmem.pm.base ? &physmem.pm : NULL, arg);
	pthread_mutex_unlock(&physmem.lock);
}
