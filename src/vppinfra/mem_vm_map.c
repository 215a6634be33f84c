/* SPDX-License-Identifier: Apache-2.0 */
/* The mappings on record and the reservations: two arrays of records in address order, under one
 * lock, which stands above vm's.  A record enters its array after its mapping was made and leaves
 * it before that goes; over a reservation both happen under the lock, so that two callers cannot
 * have the same part of it. */
#include "mem_vm_impl.h"

#include <pthread.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MAP_FIXED_NOREPLACE
#	define MAP_FIXED_NOREPLACE 0x100000 /* Linux 4.17 */
#endif

/* Above half the address space: what rounding cannot overflow, and nobody can map. */
#define MAX_MAP_BYTES (1ULL << 47)

typedef struct {
	/* First: a header is its record. */
	clib_mem_vm_map_hdr_t hdr;
	/* Huge pages: vm's. */
	vm_range_t *range;
	uword n_bytes;
	/* On both sides, never accessible; 0 where the address was wanted. */
	uword guard_bytes;
	/* Over a reservation, which stays. */
	u8 is_in_reservation;
} record_t;

typedef struct {
	uword start, n_bytes;
} reservation_t;

static struct {
	pthread_mutex_t lock;
	/* By address. */
	u32 n_maps;
	record_t *by_address[CLIB_MEM_MAX_MAPS];
	/* Records that were given back; below n_used all others are in use. */
	u32 n_used;
	record_t *free_records; /* by hdr.next */
	record_t records[CLIB_MEM_MAX_MAPS];
	u32 n_reservations;
	reservation_t reservations[CLIB_MEM_MAX_RESERVATIONS];
} map_main = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* ---- fork: the child inherits the lock free ---- */

static void
fork_prepare(void)
{
	pthread_mutex_lock(&map_main.lock);
}

static void
fork_done(void)
{
	pthread_mutex_unlock(&map_main.lock);
}

/* At first use, so after vm: what is registered last is prepared first, and vm's locks are taken
 * under this one. */
static void
register_fork_handlers(void)
{
	pthread_atfork(fork_prepare, fork_done, fork_done);
}

static void
lock_maps(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, register_fork_handlers);
	pthread_mutex_lock(&map_main.lock);
}

static void
unlock_maps(void)
{
	pthread_mutex_unlock(&map_main.lock);
}

/* ---- the records; the lock is held ---- */

static record_t *
claim_record(void)
{
	record_t *r = map_main.free_records;

	if (r)
		map_main.free_records = (record_t *)r->hdr.next;
	else if (map_main.n_used < CLIB_MEM_MAX_MAPS)
		r = &map_main.records[map_main.n_used++];
	if (r)
		memset(r, 0, sizeof(*r));
	return r;
}

static void
return_record(record_t *r)
{
	r->hdr.next = (clib_mem_vm_map_hdr_t *)map_main.free_records;
	map_main.free_records = r;
}

/* Number of the first record that ends above `address`. */
static u32
first_above(uword address)
{
	u32 lo = 0, hi = map_main.n_maps;

	while (lo < hi) {
		u32 mid = (lo + hi) / 2;
		const record_t *r = map_main.by_address[mid];

		if (r->hdr.base_addr + r->n_bytes <= address)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static int
is_recorded(uword start, uword n_bytes)
{
	u32 i = first_above(start);

	return i < map_main.n_maps && map_main.by_address[i]->hdr.base_addr < start + n_bytes;
}

static void
insert(record_t *r)
{
	u32 at = first_above(r->hdr.base_addr);
	record_t **v = map_main.by_address;

	memmove(v + at + 1, v + at, (map_main.n_maps - at) * sizeof(v[0]));
	v[at] = r;
	map_main.n_maps++;
	r->hdr.prev = at ? &v[at - 1]->hdr : NULL;
	r->hdr.next = at + 1 < map_main.n_maps ? &v[at + 1]->hdr : NULL;
	*(at ? &r->hdr.prev->next : &clib_mem_main.first_map) = &r->hdr;
	*(r->hdr.next ? &r->hdr.next->prev : &clib_mem_main.last_map) = &r->hdr;
}

static void
take_out(u32 at)
{
	record_t **v = map_main.by_address, *r = v[at];

	*(r->hdr.prev ? &r->hdr.prev->next : &clib_mem_main.first_map) = r->hdr.next;
	*(r->hdr.next ? &r->hdr.next->prev : &clib_mem_main.last_map) = r->hdr.prev;
	map_main.n_maps--;
	memmove(v + at, v + at + 1, (map_main.n_maps - at) * sizeof(v[0]));
}

int
clib_mem_vm_is_recorded(uword start, uword n_bytes)
{
	int rv;

	lock_maps();
	rv = is_recorded(start, n_bytes);
	unlock_maps();
	return rv;
}

clib_mem_vm_map_hdr_t *
clib_mem_vm_get_next_map_hdr(clib_mem_vm_map_hdr_t *hdr)
{
	lock_maps();
	hdr = hdr ? hdr->next : clib_mem_main.first_map;
	unlock_maps();
	return hdr;
}

/* ---- reservations ---- */

/* Number of the reservation that has all of [start, start + n_bytes); n_reservations: none.  The
 * lock is held. */
static u32
find_reservation(uword start, uword n_bytes)
{
	u32 i;

	for (i = 0; i < map_main.n_reservations; i++) {
		const reservation_t *r = &map_main.reservations[i];

		if (start >= r->start && n_bytes <= r->n_bytes &&
		    start - r->start <= r->n_bytes - n_bytes)
			break;
	}
	return i;
}

/* Addresses that nobody has, aligned, with guards on both sides.  @return 0: there are none */
static uword
reserve_anywhere(uword n_bytes, uword align, uword guard)
{
	uword page_bytes = clib_mem_get_page_size(), n_map = n_bytes + 2 * guard + align, start,
	      base;
	void *p = mmap(NULL, n_map, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		return 0;
	start = (uword)p;
	base = round_pow2(start + guard, align);
	if (base - guard > start)
		munmap(p, base - guard - start);
	n_bytes = round_pow2(n_bytes, page_bytes);
	if (base + n_bytes + guard < start + n_map)
		munmap((void *)(base + n_bytes + guard), start + n_map - base - n_bytes - guard);
	return base;
}

/* Those very addresses, if nobody has them: 0 or -EEXIST, -ENOMEM. */
static int
reserve_at(uword start, uword n_bytes)
{
	void *p = mmap((void *)start, n_bytes, PROT_NONE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);

	if (p == MAP_FAILED)
		return errno == EEXIST ? -EEXIST : -ENOMEM;
	if ((uword)p == start)
		return 0;
	/* A kernel that does not know the flag takes the address as a hint. */
	munmap(p, n_bytes);
	return -EEXIST;
}

/* Alignment of a reservation: a page that exists, or any other logarithm at least as great. */
static uword
alignment(clib_mem_page_sz_t log2)
{
	uword page_bytes = clib_mem_page_bytes(log2);

	if (!page_bytes && log2 > clib_mem_main.log2_page_sz && (u32)log2 < 47)
		page_bytes = 1ULL << log2;
	return page_bytes;
}

uword
clib_mem_vm_reserve(uword start, uword size, clib_mem_page_sz_t log2_page_sz)
{
	uword page_bytes = alignment(log2_page_sz), base = start;
	mem_vm_error_t e;
	int rv = 0;

	if (!page_bytes || !size || size > MAX_MAP_BYTES || start % page_bytes) {
		clib_mem_vm_explain(&e, -EINVAL, "%lu bytes at 0x%lx in pages of 2^%d",
				    (unsigned long)size, (unsigned long)start, (int)log2_page_sz);
		clib_mem_vm_set_last_error(__func__, &e);
		return ~0ULL;
	}
	size = round_pow2(size, page_bytes);
	if (start)
		rv = reserve_at(start, size);
	else if (!(base = reserve_anywhere(size, page_bytes, 0)))
		rv = -ENOMEM;
	if (rv == 0) {
		lock_maps();
		if (map_main.n_reservations < CLIB_MEM_MAX_RESERVATIONS)
			map_main.reservations[map_main.n_reservations++] =
				(reservation_t){ base, size };
		else
			rv = -ENOSPC;
		unlock_maps();
		if (rv == 0)
			return base;
		munmap((void *)base, size);
	}
	clib_mem_vm_explain(&e, rv, "%lu bytes of address space at 0x%lx: %s", (unsigned long)size,
			    (unsigned long)start,
			    rv == -EEXIST   ? "something is mapped there"
			    : rv == -ENOSPC ? "too many reservations"
					    : "none left, see ulimit -v");
	clib_mem_vm_set_last_error(__func__, &e);
	return ~0ULL;
}

int
clib_mem_vm_unreserve(uword start)
{
	mem_vm_error_t e;
	uword n_bytes;
	u32 i;

	lock_maps();
	i = find_reservation(start, 1);
	if (i == map_main.n_reservations || map_main.reservations[i].start != start)
		clib_mem_vm_explain(&e, -EINVAL, "no reservation starts at 0x%lx",
				    (unsigned long)start);
	else if (is_recorded(start, map_main.reservations[i].n_bytes))
		clib_mem_vm_explain(&e, -EBUSY, "a mapping is still in it");
	else {
		n_bytes = map_main.reservations[i].n_bytes;
		map_main.reservations[i] = map_main.reservations[--map_main.n_reservations];
		unlock_maps();
		munmap((void *)start, n_bytes);
		return 0;
	}
	unlock_maps();
	clib_mem_vm_set_last_error(__func__, &e);
	return CLIB_MEM_ERROR;
}

/* ---- making a mapping ---- */

/* Words for what vm_reserve() or vm_commit() of huge pages said. */
int
clib_mem_vm_explain_range(const vm_range_params_t *p, u8 log2, int rv, mem_vm_error_t *e)
{
	uword n_pages = round_pow2(p->reserve_bytes, 1ULL << log2) >> log2;
	char size[16], node[24] = "";
	vm_hugepages_t h;

	clib_mem_vm_page_size_name(log2, size);
	if (p->numa_node != VM_NODE_ANY)
		snprintf(node, sizeof(node), " on node %d", p->numa_node);
	if (rv == -EEXIST)
		return clib_mem_vm_explain(e, rv, "something is mapped at 0x%lx",
					   (unsigned long)p->base);
	if (rv == -ENODEV)
		return clib_mem_vm_explain(e, rv, "numa node %d does not exist or has no memory",
					   p->numa_node);
	if (rv == -EXDEV)
		return clib_mem_vm_explain(e, rv, "the kernel gave pages that are not%s", node);
	if (rv == -ENOMEM && log2 > clib_mem_main.log2_page_sz &&
	    !vm_hugepages(p->numa_node, log2, &h))
		return clib_mem_vm_explain(e, rv,
					   "%lu pages of %s wanted, %lu free%s; see "
					   "/sys/kernel/mm/hugepages/hugepages-%lukB/nr_hugepages",
					   (unsigned long)n_pages, size, (unsigned long)h.n_free,
					   node, 1UL << (log2 - 10));
	return clib_mem_vm_explain(e, rv, "%lu pages of %s%s: %s", (unsigned long)n_pages, size,
				   node, strerror(-rv));
}

/* Bytes by page size, counted here and not by vm: `show memory` compares the two. */
static _Atomic uword n_populated[64];

uword
clib_mem_vm_committed_bytes(u8 log2_page_size)
{
	uword n = 0;

	for (u32 i = 0; i < ARRAY_LEN(n_populated); i++)
		if (!log2_page_size || i == log2_page_size)
			n += atomic_load_explicit(&n_populated[i], memory_order_relaxed);
	return n;
}

static void
count_populated(const vm_range_t *range, int is_released)
{
	vm_range_info_t info;
	uword n;

	vm_range_get_info(range, &info);
	n = is_released ? -info.reserve_bytes : info.reserve_bytes;
	atomic_fetch_add_explicit(&n_populated[info.log2_page_size], n, memory_order_relaxed);
}

void
clib_mem_vm_release_populated(vm_range_t *range)
{
	count_populated(range, 1);
	vm_release(range);
}

int
clib_mem_vm_map_populated(const vm_range_params_t *params, vm_range_t **range, mem_vm_error_t *e)
{
	vm_range_params_t p = *params;
	u8 log2 = vm_log2_page_size(p.page_size);
	vm_range_t *r;
	int rv;

	p.flags |= VM_RANGE_EXACT_PAGE;
	p.expect_bytes = p.reserve_bytes;
	rv = vm_reserve(&p, &r);
	if (rv)
		return clib_mem_vm_explain_range(&p, log2, rv, e);
	rv = vm_commit(r, 0, p.reserve_bytes);
	if (rv) {
		vm_release(r);
		return clib_mem_vm_explain_range(&p, log2, rv, e);
	}
	count_populated(r, 0);
	*range = r;
	return 0;
}

static int
map_huge(record_t *r, uword wanted, mem_vm_error_t *e)
{
	mem_vm_affinity_t a = clib_mem_vm_get_affinity();
	vm_range_params_t p = {
		.name = r->hdr.name,
		.reserve_bytes = r->n_bytes,
		.numa_node = a.node,
		.page_size = r->hdr.log2_page_sz,
		.flags = a.is_forced ? VM_RANGE_STRICT_NODE : 0,
		.base = wanted,
	};
	int rv;

	if (r->is_in_reservation)
		p.flags |= VM_RANGE_IN_RESERVATION;
	rv = clib_mem_vm_map_populated(&p, &r->range, e);
	if (rv == 0)
		r->hdr.base_addr = (uword)vm_range_base(r->range);
	return rv;
}

/* Take the pages of a mapping that is not vm's away again, and its addresses. */
static void
unmap_plain(const record_t *r)
{
	u8 *p = (u8 *)r->hdr.base_addr;

	if (r->is_in_reservation)
		(void)!mmap(p, r->n_bytes, PROT_NONE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
	else
		munmap(p - r->guard_bytes, r->n_bytes + 2 * r->guard_bytes);
}

static int
place_plain(record_t *r, uword wanted, mem_vm_error_t *e)
{
	uword page_bytes = 1ULL << r->hdr.log2_page_sz;
	int rv;

	r->hdr.base_addr = wanted;
	if (r->is_in_reservation)
		return 0;
	if (wanted) {
		rv = reserve_at(wanted, r->n_bytes);
		if (rv == -EEXIST)
			return clib_mem_vm_explain(e, rv, "something is mapped at 0x%lx",
						   (unsigned long)wanted);
	} else {
		r->guard_bytes = clib_mem_get_page_size();
		r->hdr.base_addr = reserve_anywhere(r->n_bytes, page_bytes, r->guard_bytes);
		rv = r->hdr.base_addr ? 0 : -ENOMEM;
	}
	return rv ? clib_mem_vm_explain(e, rv,
					"%lu bytes of address space: none left, see ulimit -v",
					(unsigned long)r->n_bytes)
		  : 0;
}

/* Private pages of the system's size, or a file of any. */
static int
map_plain(record_t *r, uword wanted, uword offset, mem_vm_error_t *e)
{
	int flags = MAP_FIXED | (r->hdr.fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED);
	int rv = place_plain(r, wanted, e);
	void *p = (void *)r->hdr.base_addr;

	if (rv)
		return rv;
	if (mmap(p, r->n_bytes, PROT_READ | PROT_WRITE, flags, r->hdr.fd, (off_t)offset) ==
	    MAP_FAILED)
		rv = clib_mem_vm_explain(e, -errno, "%lu bytes: %s", (unsigned long)r->n_bytes,
					 strerror(errno));
	else if (clib_mem_vm_bind(p, r->n_bytes, clib_mem_vm_get_affinity()))
		rv = clib_mem_vm_explain(e, -EPERM, "mbind: not permitted here");
	else if (r->hdr.fd >= 0 && r->hdr.log2_page_sz > clib_mem_main.log2_page_sz &&
		 clib_mem_vm_allocate_file(r->hdr.fd, offset, p, r->n_bytes))
		rv = clib_mem_vm_explain(e, -ENOMEM, "too few huge pages are free for %lu bytes",
					 (unsigned long)r->n_bytes);
	if (rv)
		unmap_plain(r);
	return rv;
}

/* Page size, size and descriptor of a request, into the record. */
static int
check_request(record_t *r, uword wanted, clib_mem_page_sz_t log2_page_size, uword size, int fd,
	      uword offset, mem_vm_error_t *e)
{
	char name[16];

	r->hdr.fd = fd;
	r->hdr.log2_page_sz = fd < 0 ? clib_mem_log2_page_size_validate(log2_page_size)
				     : clib_mem_get_fd_log2_page_size(fd);
	if (fd < 0 && !r->hdr.log2_page_sz)
		return clib_mem_vm_explain(
			e, -ENOTSUP, "page size %s is not offered by this machine",
			(u32)log2_page_size < 48 ? clib_mem_vm_page_size_name(log2_page_size, name)
						 : "?");
	if (!size)
		return clib_mem_vm_explain(e, -EINVAL, "no bytes wanted");
	if (size > MAX_MAP_BYTES)
		return clib_mem_vm_explain(e, -ENOMEM, "more than an address space: %lu bytes",
					   (unsigned long)size);
	/* For what is no descriptor the page is 1 byte, and check_fd says so. */
	r->n_bytes = round_pow2(size, 1ULL << r->hdr.log2_page_sz);
	r->hdr.num_pages = r->n_bytes >> r->hdr.log2_page_sz;
	if (wanted % (1ULL << r->hdr.log2_page_sz))
		return clib_mem_vm_explain(e, -EINVAL, "0x%lx is no multiple of the page",
					   (unsigned long)wanted);
	return fd < 0 ? 0 : clib_mem_vm_check_fd(fd, offset, r->n_bytes, e);
}

/* Map what the record says.  Over a reservation the lock is held throughout, so that two callers
 * cannot map the same part. */
static int
make_map(record_t *r, uword wanted, uword offset, mem_vm_error_t *e)
{
	int is_huge = r->hdr.fd < 0 && r->hdr.log2_page_sz > clib_mem_main.log2_page_sz, rv;

	lock_maps();
	r->is_in_reservation =
		wanted && find_reservation(wanted, r->n_bytes) < map_main.n_reservations;
	if (r->is_in_reservation && is_recorded(wanted, r->n_bytes)) {
		unlock_maps();
		return clib_mem_vm_explain(e, -EEXIST, "something is mapped at 0x%lx",
					   (unsigned long)wanted);
	}
	if (!r->is_in_reservation)
		unlock_maps();
	rv = is_huge ? map_huge(r, wanted, e) : map_plain(r, wanted, offset, e);
	if (!r->is_in_reservation)
		lock_maps();
	if (rv == 0)
		insert(r);
	unlock_maps();
	return rv;
}

void *
clib_mem_vm_map_internal(void *start, clib_mem_page_sz_t log2_page_size, uword size, int fd,
			 uword offset, const char *name)
{
	uword wanted = (uword)start;
	mem_vm_error_t e;
	record_t *r;
	int rv;

	lock_maps();
	r = claim_record();
	unlock_maps();
	if (!r) {
		rv = clib_mem_vm_explain(&e, -ENOSPC, "%d mappings are on record already",
					 CLIB_MEM_MAX_MAPS);
	} else {
		snprintf(r->hdr.name, sizeof(r->hdr.name), "%s", name ? name : "");
		rv = check_request(r, wanted, log2_page_size, size, fd, offset, &e);
		if (rv == 0)
			rv = make_map(r, wanted, offset, &e);
	}
	if (rv == 0)
		return (void *)r->hdr.base_addr;
	if (r) {
		lock_maps();
		return_record(r);
		unlock_maps();
	}
	clib_mem_vm_set_last_error(fd < 0 ? "clib_mem_vm_map" : "clib_mem_vm_map_shared", &e);
	return CLIB_MEM_VM_MAP_FAILED;
}

/* In parentheses: not the macro that picks by the number of arguments. */
void *(clib_mem_vm_map)(void *start, uword size, clib_mem_page_sz_t log2_page_size, const char *fmt,
			...)
{
	char name[CLIB_VM_MAP_HDR_NAME_MAX_LEN];
	va_list va;

	va_start(va, fmt);
	clib_mem_make_name(name, sizeof(name), fmt, &va);
	va_end(va);
	return clib_mem_vm_map_internal(start, log2_page_size, size, -1, 0, name);
}

void *
clib_mem_vm_map_stack(uword size, clib_mem_page_sz_t log2_page_size, const char *fmt, ...)
{
	char name[CLIB_VM_MAP_HDR_NAME_MAX_LEN];
	va_list va;

	va_start(va, fmt);
	clib_mem_make_name(name, sizeof(name), fmt, &va);
	va_end(va);
	return clib_mem_vm_map_internal(NULL, log2_page_size, size, -1, 0, name);
}

void *
clib_mem_vm_map_shared(void *start, uword size, int fd, uword offset, const char *fmt, ...)
{
	char name[CLIB_VM_MAP_HDR_NAME_MAX_LEN];
	va_list va;

	va_start(va, fmt);
	clib_mem_make_name(name, sizeof(name), fmt, &va);
	va_end(va);
	/* -1 would ask for private memory. */
	return clib_mem_vm_map_internal(start, CLIB_MEM_PAGE_SZ_UNKNOWN, size,
					fd < 0 ? INT32_MAX : fd, offset, name);
}

int(clib_mem_vm_unmap)(void *base)
{
	mem_vm_error_t e;
	record_t *r = NULL;
	u32 i;

	lock_maps();
	i = first_above((uword)base);
	if (i < map_main.n_maps && map_main.by_address[i]->hdr.base_addr == (uword)base) {
		r = map_main.by_address[i];
		take_out(i);
		/* Under the lock: in a reservation the next may be mapped there at once. */
		if (r->range)
			clib_mem_vm_release_populated(r->range);
		else
			unmap_plain(r);
		return_record(r);
	}
	unlock_maps();
	if (r)
		return 0;
	clib_mem_vm_explain(&e, -EINVAL, "no mapping on record starts at %p", base);
	clib_mem_vm_set_last_error("clib_mem_vm_unmap", &e);
	return CLIB_MEM_ERROR;
}
