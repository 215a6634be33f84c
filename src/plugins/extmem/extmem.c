/* SPDX-License-Identifier: Apache-2.0 */
/* A piece of memory: taken, made known, published, and all of that undone in reverse. */
#include <plugins/extmem/extmem_impl.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <rte_errno.h>
#include <rte_malloc.h>
#include <rte_memory.h>
#include <rte_memzone.h>
#include <vppinfra/mem.h>
#include <vppinfra/vec.h>

#define PUBLISHED_PREFIX "vmheap_ext_"
#define PUBLISHED_MAGIC 0x766d6870 /* "vmhp": version 1 of the struct below */

/* What a secondary finds in the memzone: no pointers but the address that both use. */
typedef struct {
	u32 magic;
	u8 log2_page_size;
	u64 base, n_bytes;
	char file[108];
	char heap_name[32];
} published_t;

static vmheap_extmem_t *pieces; /* list, newest first */

/* ---- what DPDK knows ---- */

typedef struct {
	uword base, n_bytes;
} span_t;

static int
overlaps(const struct rte_memseg_list *msl, void *arg)
{
	const span_t *s = arg;
	uword start = (uword)msl->base_va;

	return msl->base_va && start < s->base + s->n_bytes && s->base < start + msl->len;
}

/* DPDK itself refuses only the very same piece again. */
static int
is_known(uword base, uword n_bytes)
{
	span_t s = { base, n_bytes };

	return rte_memseg_list_walk(overlaps, &s) != 0;
}

/* ---- IOVAs ---- */

static int
find_iovas(vmheap_extmem_map_t *m)
{
	uword page = 1ULL << m->log2_page, n = m->n_bytes >> m->log2_page;
	int error = 0;

	if (vec_validate(m->iovas, n - 1))
		return -ENOMEM;
	for (uword i = 0; i < n && !error; i++) {
		u64 pa = m->base + i * page;

		if (rte_eal_iova_mode() == RTE_IOVA_PA)
			error = vm_va_to_pa((void *)(m->base + i * page), &pa);
		m->iovas[i] = pa;
	}
	if (error)
		vec_free(m->iovas);
	return error ? -EPERM : 0;
}

/* ---- memory ---- */

static int
take_memory(const vmheap_extmem_params_t *p, vmheap_extmem_t *x)
{
	vm_range_params_t range = { .name = p->name,
				    .reserve_bytes = p->n_bytes,
				    .expect_bytes = p->n_bytes,
				    .numa_node = p->numa_node,
				    .page_size = p->page_size,
				    .flags = p->file ? VM_RANGE_SHARED : VM_RANGE_EXACT_PAGE,
				    .base = p->base,
				    .file = p->file };
	uword page;
	int error;

	if (!p->arena) {
		if ((error = vm_reserve(&range, &x->range)))
			return error;
		page = vm_range_page_bytes(x->range);
		x->map.base = (uword)vm_range_base(x->range);
		x->map.n_bytes = round_pow2(p->n_bytes, page);
		if ((error = vm_commit(x->range, 0, x->map.n_bytes)))
			return error;
	} else {
		x->arena = p->arena;
		page = vm_range_page_bytes(clib_arena_range(p->arena));
		x->map.n_bytes = round_pow2(p->n_bytes, page);
		x->map.base = (uword)vmem_xalloc(clib_arena_vmem(p->arena), x->map.n_bytes, page, 0,
						 0, NULL, NULL, VM_NOSLEEP);
		if (!x->map.base)
			return -ENOMEM;
	}
	x->map.log2_page = (u8)min_log2(page);
	return 0;
}

static void
give_memory(vmheap_extmem_t *x)
{
	if (x->range)
		vm_release(x->range);
	else if (x->arena && x->map.base)
		vmem_xfree(clib_arena_vmem(x->arena), (void *)x->map.base, x->map.n_bytes);
	else if (x->is_mapped)
		munmap((void *)x->map.base, x->map.n_bytes);
}

/* ---- DPDK ---- */

static int
add_heap(vmheap_extmem_t *x)
{
	const char *name = x->info.heap_name;
	u32 n = (u32)(x->map.n_bytes >> x->map.log2_page);
	int error;

	if (rte_malloc_heap_create(name))
		return -rte_errno;
	if (rte_malloc_heap_memory_add(name, (void *)x->map.base, x->map.n_bytes, x->map.iovas, n,
				       1ULL << x->map.log2_page)) {
		error = -rte_errno;
		rte_malloc_heap_destroy(name);
		return error;
	}
	x->socket = rte_malloc_heap_get_socket(name);
	return 0;
}

static int
make_known(vmheap_extmem_t *x)
{
	int error = 0;

	if (x->info.heap_name[0])
		error = add_heap(x);
	else if (rte_extmem_register((void *)x->map.base, x->map.n_bytes, x->map.iovas,
				     (u32)(x->map.n_bytes >> x->map.log2_page),
				     1ULL << x->map.log2_page))
		error = -rte_errno;
	x->is_registered = !error;
	return error;
}

/* The other direction; for an attached piece this process alone forgets it. */
static int
make_unknown(vmheap_extmem_t *x)
{
	void *at = (void *)x->map.base;
	uword n = x->map.n_bytes;
	const char *heap = x->info.heap_name;
	int rc;

	if (!x->is_registered)
		return 0;
	if (x->info.is_attached)
		rc = *heap ? rte_malloc_heap_memory_detach(heap, at, n) : rte_extmem_detach(at, n);
	else
		rc = *heap ? rte_malloc_heap_memory_remove(heap, at, n)
			   : rte_extmem_unregister(at, n);
	if (rc)
		return -rte_errno;
	if (*heap && !x->info.is_attached)
		rte_malloc_heap_destroy(heap);
	x->is_registered = 0;
	return 0;
}

static int
publish(vmheap_extmem_t *x)
{
	char name[RTE_MEMZONE_NAMESIZE];
	published_t *p;

	snprintf(name, sizeof(name), PUBLISHED_PREFIX "%s", x->info.name);
	x->published = rte_memzone_reserve(name, sizeof(*p), SOCKET_ID_ANY, 0);
	if (!x->published)
		return rte_errno == EEXIST ? -EEXIST : -ENOMEM;
	p = x->published->addr;
	*p = (published_t){ .magic = PUBLISHED_MAGIC,
			    .log2_page_size = x->map.log2_page,
			    .base = x->map.base,
			    .n_bytes = x->map.n_bytes };
	snprintf(p->file, sizeof(p->file), "%s", x->info.file);
	snprintf(p->heap_name, sizeof(p->heap_name), "%s", x->info.heap_name);
	return 0;
}

/* ---- life ---- */

static void
destroy_parts(vmheap_extmem_t *x)
{
	rte_memzone_free(x->published);
	if (x->vmem)
		vmem_destroy(x->vmem);
	(void)make_unknown(x);
	give_memory(x);
	vec_free(x->map.iovas);
	vec_free(x->extbufs);
	clib_mem_free(x);
}

static vmheap_extmem_t *
make_record(const char *name)
{
	vmheap_extmem_t *x = clib_mem_alloc_or_null(sizeof(*x));

	if (!x)
		return NULL;
	memset(x, 0, sizeof(*x));
	x->socket = SOCKET_ID_ANY;
	snprintf(x->info.name, sizeof(x->info.name), "%s", name);
	return x;
}

static int
check_params(const vmheap_extmem_params_t *p)
{
	uword n = p->name ? strlen(p->name) : 0;

	if (!n || n > VMHEAP_EXTMEM_NAME_BYTES || !p->n_bytes || (p->arena && p->file))
		return -EINVAL;
	if (p->file && strlen(p->file) >= sizeof(((published_t *)0)->file))
		return -EINVAL;
	if (p->heap_name && (!*p->heap_name || strlen(p->heap_name) >= 32))
		return -EINVAL;
	return vmheap_extmem_by_name(p->name) ? -EEXIST : 0;
}

static int
create_parts(const vmheap_extmem_params_t *p, vmheap_extmem_t *x)
{
	int error;

	snprintf(x->info.heap_name, sizeof(x->info.heap_name), "%s",
		 p->heap_name ? p->heap_name : "");
	snprintf(x->info.file, sizeof(x->info.file), "%s", p->file ? p->file : "");
	if ((error = take_memory(p, x)))
		return error;
	if (is_known(x->map.base, x->map.n_bytes))
		return -EEXIST;
	if ((error = find_iovas(&x->map)) || (error = make_known(x)))
		return error;
	if (!p->heap_name) {
		x->vmem = vmem_create(p->name, (void *)x->map.base, x->map.n_bytes,
				      CLIB_CACHE_LINE_BYTES, NULL, NULL, NULL, 0, VM_NOSLEEP);
		if (!x->vmem)
			return -ENOMEM;
	}
	return p->file ? publish(x) : 0;
}

int
vmheap_extmem_create(const vmheap_extmem_params_t *params, vmheap_extmem_t **result)
{
	int error = check_params(params);
	vmheap_extmem_t *x;

	if (error)
		return error;
	x = make_record(params->name);
	if (!x)
		return -ENOMEM;
	error = create_parts(params, x);
	if (error) {
		destroy_parts(x);
		return error;
	}
	x->next = pieces;
	pieces = x;
	*result = x;
	return 0;
}

int
vmheap_extmem_attach(const char *name, vmheap_extmem_t **result)
{
	char zone[RTE_MEMZONE_NAMESIZE];
	const struct rte_memzone *mz;
	const published_t *p;
	vmheap_extmem_t *x;
	void *at;
	int fd;

	if (vmheap_extmem_by_name(name))
		return -EALREADY;
	snprintf(zone, sizeof(zone), PUBLISHED_PREFIX "%s", name);
	mz = rte_memzone_lookup(zone);
	p = mz ? mz->addr : NULL;
	if (!p || p->magic != PUBLISHED_MAGIC)
		return -ENOENT;
	x = make_record(name);
	if (!x)
		return -ENOMEM;
	fd = open(p->file, O_RDWR | O_CLOEXEC);
	at = fd < 0 ? MAP_FAILED
		    : mmap((void *)p->base, p->n_bytes, PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_FIXED_NOREPLACE, fd, 0);
	if (at == MAP_FAILED) {
		int error = -errno;

		if (fd >= 0)
			close(fd);
		clib_mem_free(x);
		return error;
	}
	close(fd);
	x->is_mapped = 1;
	x->info.is_attached = 1;
	snprintf(x->info.file, sizeof(x->info.file), "%s", p->file);
	snprintf(x->info.heap_name, sizeof(x->info.heap_name), "%s", p->heap_name);
	x->map = (vmheap_extmem_map_t){ .base = p->base,
					.n_bytes = p->n_bytes,
					.log2_page = p->log2_page_size };
	if (*p->heap_name ? rte_malloc_heap_memory_attach(p->heap_name, at, p->n_bytes)
			  : rte_extmem_attach(at, p->n_bytes)) {
		int error = -rte_errno;

		destroy_parts(x);
		return error;
	}
	x->is_registered = 1;
	x->socket = *p->heap_name ? rte_malloc_heap_get_socket(p->heap_name) : SOCKET_ID_ANY;
	/* The primary's list says where the pages are. */
	if (vec_validate(x->map.iovas, (p->n_bytes >> p->log2_page_size) - 1)) {
		destroy_parts(x);
		return -ENOMEM;
	}
	for (uword i = 0; i < vec_len(x->map.iovas); i++) {
		const struct rte_memseg *seg =
			rte_mem_virt2memseg((u8 *)at + (i << p->log2_page_size), NULL);

		x->map.iovas[i] = seg ? seg->iova : RTE_BAD_IOVA;
	}
	x->next = pieces;
	pieces = x;
	*result = x;
	return 0;
}

/* What keeps it from going; "" nothing. */
static void
find_tenants(vmheap_extmem_t *x, char *what, uword n_what)
{
	const char *pool = "";
	u32 n = extmem_n_pools_in(x->map.base, x->map.n_bytes, &pool);

	*what = 0;
	/* The primary's pools are the primary's. */
	if (x->info.is_attached)
		return;
	vmheap_extmem_reclaim(x);
	if (n)
		snprintf(what, n_what, "%u mempools lie in it, one is %s", n, pool);
	else if (vec_len(x->extbufs))
		snprintf(what, n_what, "mempool %s has its buffers in it", x->extbufs[0].name);
	else if (x->vmem && vmem_size(x->vmem, VMEM_ALLOC))
		snprintf(what, n_what, "%lu bytes of it are allocated",
			 (unsigned long)vmem_size(x->vmem, VMEM_ALLOC));
}

int
vmheap_extmem_destroy(vmheap_extmem_t *x, char *what, uword n_what)
{
	char own[128];
	vmheap_extmem_t **link = &pieces;
	int error;

	if (!what) {
		what = own;
		n_what = sizeof(own);
	}
	while (*link && *link != x)
		link = &(*link)->next;
	if (!*link)
		return -EINVAL;
	find_tenants(x, what, n_what);
	if (*what)
		return -EBUSY;
	/* A heap knows itself whether anything lives in it. */
	error = make_unknown(x);
	if (error) {
		snprintf(what, n_what, "rte_malloc heap %s: %s", x->info.heap_name,
			 error == -EBUSY ? "something lives in it" : strerror(-error));
		return error;
	}
	*link = x->next;
	destroy_parts(x);
	return 0;
}

/* ---- looking ---- */

vmem_t *
vmheap_extmem_vmem(vmheap_extmem_t *x)
{
	return x->vmem;
}

int
vmheap_extmem_socket(const vmheap_extmem_t *x)
{
	return x->socket;
}

const vmheap_extmem_map_t *
vmheap_extmem_map(const vmheap_extmem_t *x)
{
	return &x->map;
}

void
vmheap_extmem_get_info(vmheap_extmem_t *x, vmheap_extmem_info_t *info)
{
	struct rte_malloc_socket_stats stats;
	const char *pool;

	*info = x->info;
	info->base = x->map.base;
	info->n_bytes = x->map.n_bytes;
	info->log2_page_size = x->map.log2_page;
	info->n_pools = extmem_n_pools_in(x->map.base, x->map.n_bytes, &pool);
	if (x->vmem)
		info->n_used_bytes = vmem_size(x->vmem, VMEM_ALLOC);
	else if (x->socket != SOCKET_ID_ANY && !rte_malloc_get_socket_stats(x->socket, &stats))
		info->n_used_bytes = stats.heap_allocsz_bytes;
}

void
vmheap_extmem_foreach(int (*fn)(vmheap_extmem_t *x, void *arg), void *arg)
{
	for (vmheap_extmem_t *x = pieces, *next; x; x = next) {
		next = x->next;
		if (fn(x, arg))
			return;
	}
}

vmheap_extmem_t *
vmheap_extmem_by_name(const char *name)
{
	vmheap_extmem_t *x = pieces;

	while (x && strcmp(x->info.name, name))
		x = x->next;
	return x;
}
