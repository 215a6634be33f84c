/* SPDX-License-Identifier: Apache-2.0 */
/* NetBSD's face of vmem, as a file sees it that was written for NetBSD. */
#include <sys/vmem.h>
#include <stdarg.h>
#include "unit.h"
#include "vmem_faces.h"

static u64 n_lines;

static void
count_lines(const char *format, ...)
{
	n_lines++;
}

static void
be_silent(const char *what, vmem_t *vmp, uword addr, uword size, const void *caller)
{
}

typedef struct {
	vmem_addr_t addr;
	vmem_size_t size;
	bool is_x;
} region_t;

static u64 seed;

static u64
below(u64 n)
{
	return unit_random_below(&seed, n);
}

/* A random constrained request like the ones NetBSD's own test makes. */
static int
random_xalloc(vmem_t *vm, vmem_size_t size, vmem_addr_t *addr)
{
	vmem_size_t align = (vmem_size_t)1 << below(15), nocross = (vmem_size_t)1 << below(15);
	vmem_addr_t phase = below(65536), min = below(50000), max = min + below(70000);
	int error;

	if (align <= phase)
		phase = 0;
	if (VMEM_CROSS_P(phase, phase + size - 1, nocross))
		nocross = 0;
	error = vmem_xalloc(vm, size, align, phase, nocross, min, max, VM_INSTANTFIT | VM_SLEEP,
			    addr);
	if (!error) {
		CU_ASSERT_EQUAL(*addr % align, phase);
		CU_ASSERT(*addr >= min && *addr + size - 1 <= max);
		CU_ASSERT(!VMEM_CROSS_P(*addr, *addr + size - 1, nocross));
	}
	return error;
}

/* Scattered spans, one from 0 and one at the end of 32 bits; exact claims by inclusive bounds; and
 * then, with VM_SLEEP and nobody else to free, allocations until one is refused, which ends it. */
void
netbsd_self_test_ends(void)
{
	static const struct {
		vmem_addr_t addr;
		vmem_size_t size;
	} spans[] = { { 0, 50 },        { 100, 200 },  { 2000, 1 },          { 40000, 65536 },
		      { 10000, 10000 }, { 500, 1000 }, { 0xffffff00, 0x100 } };
	static region_t regions[4096];
	vmem_t *vm = vmem_create("test", 0, 0, 1, NULL, NULL, NULL, 0, VM_SLEEP, IPL_NONE);
	vmem_size_t total = 0;
	vmem_addr_t p;
	u32 n = 0;

	CU_ASSERT_PTR_NOT_NULL_FATAL(vm);
	seed = unit_seed();
	vmem_set_error_handler(be_silent);
	vmem_dump(vm, count_lines);
	for (u32 i = 0; i < ARRAY_LEN(spans); i++)
		CU_ASSERT_EQUAL(vmem_add(vm, spans[i].addr, spans[i].size, VM_SLEEP), 0);
	CU_ASSERT_NOT_EQUAL(
		vmem_xalloc(vm, 0x101, 0, 0, 0, 0xffffff00, 0xffffffff, VM_BESTFIT | VM_SLEEP, &p),
		0);
	CU_ASSERT_NOT_EQUAL(
		vmem_xalloc(vm, 0x100, 0, 0, 0, 0xffffff01, 0xffffffff, VM_BESTFIT | VM_SLEEP, &p),
		0);
	CU_ASSERT_NOT_EQUAL(
		vmem_xalloc(vm, 0x100, 0, 0, 0, 0xffffff00, 0xfffffffe, VM_BESTFIT | VM_SLEEP, &p),
		0);
	CU_ASSERT_EQUAL(
		vmem_xalloc(vm, 0x100, 0, 0, 0, 0xffffff00, 0xffffffff, VM_BESTFIT | VM_SLEEP, &p),
		0);
	CU_ASSERT_EQUAL(p, 0xffffff00);
	for (;;) {
		u64 dice = below(100);

		if (dice <= 25 && n) {
			region_t *r = &regions[below(n)];

			if (r->is_x)
				vmem_xfree(vm, r->addr, r->size);
			else
				vmem_free(vm, r->addr, r->size);
			total -= r->size;
			*r = regions[--n];
		} else if (dice > 25) {
			vmem_size_t size = below(500) + 1;
			bool is_x = dice > 60;
			int error = is_x ? random_xalloc(vm, size, &p)
					 : vmem_alloc(vm, size, VM_INSTANTFIT | VM_SLEEP, &p);

			if (error && is_x)
				continue;
			if (error || n == ARRAY_LEN(regions))
				break;
			regions[n++] = (region_t){ p, size, is_x };
			total += size;
		}
		CU_ASSERT_EQUAL(vmem_size(vm, VMEM_ALLOC), total + 0x100);
	}
	CU_ASSERT(n < ARRAY_LEN(regions));
	CU_ASSERT_EQUAL(vmem_check(vm, NULL, 0), 0);
	vmem_dump(vm, count_lines);
	CU_ASSERT(n_lines > 3 * ARRAY_LEN(spans));
	vmem_xfreeall(vm);
	while (n--)
		if (!regions[n].is_x)
			vmem_free(vm, regions[n].addr, regions[n].size);
	CU_ASSERT_EQUAL(vmem_size(vm, VMEM_ALLOC), 0);
	vmem_set_error_handler(NULL);
	vmem_destroy(vm);
}

/* ---- imports ---- */

static vmem_size_t given;

static int
enlarging_import(void *arg, vmem_size_t size, vmem_size_t *got, vm_flag_t flags, vmem_addr_t *addr)
{
	*got = given = size + 0x3000;
	return vmem_alloc(arg, *got, flags | VM_BESTFIT, addr);
}

static void
release(void *arg, vmem_addr_t addr, vmem_size_t size)
{
	CU_ASSERT_EQUAL(size, given);
	vmem_free(arg, addr, size);
}

/* The source is named at creation; an importer may enlarge; VM_LARGEIMPORT asks for more. */
void
netbsd_imports(void)
{
	vmem_t *parent = vmem_create("netbsd parent", 0x1000, 0x100000, 0x1000, NULL, NULL, NULL, 0,
				     VM_SLEEP, IPL_NONE);
	vmem_t *x = vmem_xcreate("netbsd x", 0, 0, 16, enlarging_import, release, parent, 0,
				 VM_SLEEP, IPL_NONE);
	vmem_t *large =
		vmem_create("netbsd large", 0, 0, 0x1000, (vmem_import_t *)(void *)vmem_alloc,
			    (vmem_release_t *)(void *)vmem_free, parent, 0,
			    VM_SLEEP | VM_LARGEIMPORT, IPL_NONE);
	vmem_addr_t addr;

	CU_ASSERT_EQUAL(vmem_alloc(x, 16, VM_INSTANTFIT | VM_NOSLEEP, &addr), 0);
	CU_ASSERT_EQUAL(vmem_size(x, VMEM_ALLOC | VMEM_FREE), given);
	vmem_free(x, addr, 16);
	CU_ASSERT_EQUAL(vmem_size(parent, VMEM_ALLOC), 0);
	CU_ASSERT_EQUAL(vmem_alloc(large, 0x1000, VM_INSTANTFIT | VM_NOSLEEP, &addr), 0);
	CU_ASSERT_EQUAL(vmem_size(large, VMEM_ALLOC | VMEM_FREE), 0x10000);
	vmem_free(large, addr, 0x1000);
	/* Sixteen times as much there is not; what is needed there is. */
	CU_ASSERT_EQUAL(vmem_alloc(large, 0x80000, VM_INSTANTFIT | VM_NOSLEEP, &addr), 0);
	CU_ASSERT_EQUAL(vmem_size(parent, VMEM_ALLOC), 0x80000);
	vmem_free(large, addr, 0x80000);
	vmem_destroy(large);
	vmem_destroy(x);
	vmem_destroy(parent);
}

void
netbsd_claims_and_frees_all(void)
{
	vmem_t *ids = vmem_create("netbsd ids", 0, 100, 1, NULL, NULL, NULL, 0, VM_SLEEP, IPL_VM);
	vmem_addr_t addr;

	CU_ASSERT_EQUAL(vmem_xalloc_addr(ids, 42, 3, VM_NOSLEEP), 0);
	CU_ASSERT_EQUAL(vmem_xalloc_addr(ids, 44, 1, VM_NOSLEEP), ENOMEM);
	CU_ASSERT_EQUAL(vmem_xalloc_addr(ids, 0, 1, VM_NOSLEEP), 0);
	CU_ASSERT_EQUAL(vmem_alloc(ids, 7, VM_BESTFIT | VM_NOSLEEP, &addr), 0);
	CU_ASSERT_EQUAL(addr, 1);
	vmem_xfreeall(ids);
	CU_ASSERT_EQUAL(vmem_size(ids, VMEM_ALLOC), 7);
	vmem_free(ids, addr, 7);
	vmem_destroy(ids);
}

void
netbsd_in_place(void)
{
	static struct vmem storage;

	CU_ASSERT_PTR_EQUAL(vmem_init(&storage, "netbsd static", 0, 10, 1, NULL, NULL, NULL, 0,
				      VM_SLEEP, IPL_NONE),
			    &storage);
	CU_ASSERT_EQUAL(vmem_size(&storage, VMEM_FREE), 10);
	vmem_destroy(&storage);
}

/* ---- for the other files ---- */

vmem_t *
netbsd_make_importer(vmem_t *source)
{
	return vmem_create("netbsd importer", 0, 0, 16, (vmem_import_t *)(void *)vmem_alloc,
			   (vmem_release_t *)(void *)vmem_free, source, 0, VM_SLEEP, IPL_NONE);
}

uword
netbsd_take(vmem_t *vmp, uword size)
{
	vmem_addr_t addr;

	return vmem_alloc(vmp, size, VM_INSTANTFIT | VM_NOSLEEP, &addr) ? 0 : addr;
}

void
netbsd_give(vmem_t *vmp, uword addr, uword size)
{
	vmem_free(vmp, addr, size);
}

void
netbsd_destroy(vmem_t *vmp)
{
	vmem_destroy(vmp);
}

/* A policy named when an arena is created is taken as a promise: the indexes are there before the
 * first span is.  Instant fit, which is no policy, needs none. */
void
netbsd_policies_are_promised(void)
{
	static const int flags[] = { VM_BESTFIT | VM_SLEEP, VM_INSTANTFIT | VM_SLEEP };

	for (u32 i = 0; i < 2; i++) {
		vmem_t *vm = vmem_create("promise", 0, 0, 1, NULL, NULL, NULL, 0, flags[i], 0);
		u64 n_bytes;

		CU_ASSERT_PTR_NOT_NULL_FATAL(vm);
		CU_ASSERT_EQUAL(vmem_index_state(vm, &n_bytes), i ? 0 : 3);
		CU_ASSERT_EQUAL(vmem_add(vm, 1000, 1000, flags[i]), 0);
		CU_ASSERT_EQUAL(vmem_index_state(vm, &n_bytes), i ? 0 : 3);
		CU_ASSERT_EQUAL(vmem_check(vm, NULL, 0), 0);
		vmem_destroy(vm);
	}
}
