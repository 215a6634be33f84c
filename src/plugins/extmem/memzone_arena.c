/* SPDX-License-Identifier: Apache-2.0 */
/* A vmem arena whose imports are memzones.  vmem tells an importer its source arena and no more, so
 * each has an empty one of its own as its name. */
#include <plugins/extmem/extmem.h>

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <rte_memzone.h>
#include <vppinfra/mem.h>
#include <vppinfra/vec.h>

typedef struct memzone_arena {
	char name[VMHEAP_EXTMEM_NAME_BYTES + 1];
	int socket;
	u32 memzone_flags;
	u32 n_made; /* memzones so far: their names */
	vmem_t *source, *vmem;
	const struct rte_memzone **zones; /* vector */
	struct memzone_arena *next;
} memzone_arena_t;

/* Held while a memzone is made or freed; vmem calls importers without a lock. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static memzone_arena_t *arenas;

static memzone_arena_t *
of_source(const vmem_t *source)
{
	memzone_arena_t *a = arenas;

	while (a && a->source != source)
		a = a->next;
	return a;
}

static void *
import_memzone(vmem_t *source, size_t n_bytes, int vmflag)
{
	const struct rte_memzone *mz = NULL;
	char name[RTE_MEMZONE_NAMESIZE];
	memzone_arena_t *a;

	pthread_mutex_lock(&lock);
	a = of_source(source);
	if (a) {
		snprintf(name, sizeof(name), "%s.%u", a->name, a->n_made++);
		mz = rte_memzone_reserve_aligned(name, n_bytes, a->socket, a->memzone_flags,
						 CLIB_CACHE_LINE_BYTES);
	}
	if (mz && vec_add1(a->zones, mz)) {
		rte_memzone_free(mz);
		mz = NULL;
	}
	pthread_mutex_unlock(&lock);
	return mz ? mz->addr : NULL;
}

static void
export_memzone(vmem_t *source, void *at, size_t n_bytes)
{
	memzone_arena_t *a;

	pthread_mutex_lock(&lock);
	a = of_source(source);
	for (u32 i = 0; a && i < vec_len(a->zones); i++) {
		if (a->zones[i]->addr != at)
			continue;
		rte_memzone_free(a->zones[i]);
		vec_del1(a->zones, i);
		break;
	}
	pthread_mutex_unlock(&lock);
}

static void
unlink_and_free(memzone_arena_t *a)
{
	memzone_arena_t **link = &arenas;

	pthread_mutex_lock(&lock);
	while (*link && *link != a)
		link = &(*link)->next;
	if (*link)
		*link = a->next;
	pthread_mutex_unlock(&lock);
	if (a->source)
		vmem_destroy(a->source);
	vec_free(a->zones);
	clib_mem_free(a);
}

int
vmheap_memzone_arena_create(const char *name, int socket, uword chunk_bytes, u32 memzone_flags,
			    vmem_t **vmem)
{
	uword n = strlen(name);
	char source_name[VMHEAP_EXTMEM_NAME_BYTES + 8];
	memzone_arena_t *a;

	if (!n || n > VMHEAP_EXTMEM_NAME_BYTES || !chunk_bytes)
		return -EINVAL;
	for (a = arenas; a; a = a->next)
		if (!strcmp(a->name, name))
			return -EEXIST;
	a = clib_mem_alloc_or_null(sizeof(*a));
	if (!a)
		return -ENOMEM;
	*a = (memzone_arena_t){ .socket = socket, .memzone_flags = memzone_flags };
	memcpy(a->name, name, n + 1);
	snprintf(source_name, sizeof(source_name), "%s.dpdk", name);
	a->source = vmem_create(source_name, NULL, 0, CLIB_CACHE_LINE_BYTES, NULL, NULL, NULL, 0,
				VM_NOSLEEP);
	a->vmem = a->source ? vmem_create(name, NULL, 0, CLIB_CACHE_LINE_BYTES, NULL, NULL, NULL, 0,
					  VM_NOSLEEP)
			    : NULL;
	if (!a->vmem || vmem_set_import(a->vmem, import_memzone, export_memzone, a->source,
					round_pow2(chunk_bytes, CLIB_CACHE_LINE_BYTES))) {
		vmem_destroy(a->vmem);
		unlink_and_free(a);
		return -ENOMEM;
	}
	pthread_mutex_lock(&lock);
	a->next = arenas;
	arenas = a;
	pthread_mutex_unlock(&lock);
	*vmem = a->vmem;
	return 0;
}

int
vmheap_memzone_arena_destroy(vmem_t *vmem)
{
	memzone_arena_t *a = arenas;

	while (a && a->vmem != vmem)
		a = a->next;
	if (!a)
		return -EINVAL;
	if (vmem_size(vmem, VMEM_ALLOC))
		return -EBUSY;
	/* Exports what it still has. */
	vmem_destroy(vmem);
	unlink_and_free(a);
	return 0;
}
