/* SPDX-License-Identifier: Apache-2.0 */
/* FreeBSD's face of vmem, as a file sees it that was written for FreeBSD. */
#include <sys/param.h>
#include <sys/malloc.h>
#include <sys/vmem.h>
#include <stdarg.h>
#include "unit.h"
#include "vmem_faces.h"

static char printed[4096];

static int
print(const char *format, ...)
{
	size_t n = strlen(printed);
	va_list va;
	int n_printed;

	va_start(va, format);
	n_printed = vsnprintf(printed + n, sizeof(printed) - n, format, va);
	va_end(va);
	return n_printed;
}

static void
be_silent(const char *what, vmem_t *vmp, uword addr, uword size, const void *caller)
{
}

/* Identifiers from 0: 0 comes first, is freed and comes again; addrp may be NULL. */
void
bsd_zero_is_an_address(void)
{
	vmem_t *ids = vmem_create("bsd ids", 0, 8, 1, 0, M_WAITOK);
	vmem_addr_t addr = 99;

	CU_ASSERT_PTR_NOT_NULL_FATAL(ids);
	CU_ASSERT_EQUAL(vmem_alloc(ids, 1, M_BESTFIT | M_NOWAIT, &addr), 0);
	CU_ASSERT_EQUAL(addr, 0);
	CU_ASSERT_EQUAL(vmem_alloc(ids, 3, M_FIRSTFIT | M_NOWAIT, NULL), 0);
	CU_ASSERT_EQUAL(vmem_size(ids, VMEM_ALLOC), 4);
	CU_ASSERT_EQUAL(vmem_size(ids, VMEM_FREE), 4);
	CU_ASSERT_EQUAL(vmem_size(ids, VMEM_ALLOC | VMEM_FREE), 8);
	CU_ASSERT_EQUAL(vmem_size(ids, VMEM_MAXFREE), 4);
	CU_ASSERT_EQUAL(vmem_alloc(ids, 5, M_BESTFIT | M_NOWAIT, &addr), ENOMEM);
	CU_ASSERT_EQUAL(addr, 0);
	vmem_free(ids, 0, 1);
	vmem_free(ids, 1, 3);
	CU_ASSERT_EQUAL(vmem_size(ids, VMEM_MAXFREE), 8);
	/* Next fit goes round, and fails when the arena is full instead of going round for ever. */
	for (vmem_addr_t i = 0; i < 8; i++) {
		CU_ASSERT_EQUAL(vmem_alloc(ids, 1, M_NEXTFIT | M_NOWAIT, &addr), 0);
		CU_ASSERT_EQUAL(addr, i);
	}
	CU_ASSERT_EQUAL(vmem_alloc(ids, 1, M_NEXTFIT | M_NOWAIT, &addr), ENOMEM);
	for (vmem_addr_t i = 0; i < 8; i++)
		vmem_free(ids, i, 1);
	vmem_destroy(ids);
}

/* maxaddr is the last address a segment may have; min = max + 1 - size names one place. */
void
bsd_bounds_are_inclusive(void)
{
	vmem_t *pages = vmem_create("bsd pages", 0x100000, 0x100000, 0x1000, 0, M_NOWAIT);
	vmem_addr_t addr;

	CU_ASSERT_EQUAL(vmem_xalloc(pages, 0x1000, 0, 0, 0, 0x180000, 0x180fff,
				    M_BESTFIT | M_NOWAIT, &addr),
			0);
	CU_ASSERT_EQUAL(addr, 0x180000);
	CU_ASSERT_EQUAL(vmem_xalloc(pages, 0x1000, 0, 0, 0, 0x181000, 0x181ffe,
				    M_BESTFIT | M_NOWAIT, &addr),
			ENOMEM);
	CU_ASSERT_EQUAL(vmem_xalloc(pages, 0x2000, 0x4000, 0x1000, 0, VMEM_ADDR_MIN, VMEM_ADDR_MAX,
				    M_FIRSTFIT | M_NOWAIT, &addr),
			0);
	CU_ASSERT_EQUAL(addr % 0x4000, 0x1000);
	vmem_xfree(pages, addr, 0x2000);
	vmem_xfree(pages, 0x180000, 0x1000);
	/* A size off the quantum is rounded, and counts as rounded. */
	CU_ASSERT_EQUAL(vmem_roundup_size(pages, 0x1001), 0x2000);
	CU_ASSERT_EQUAL(vmem_alloc(pages, 0x1001, M_BESTFIT | M_NOWAIT, &addr), 0);
	CU_ASSERT_EQUAL(vmem_size(pages, VMEM_ALLOC), 0x2000);
	vmem_free(pages, addr, 0x1001);
	/* The last address there is. */
	CU_ASSERT_EQUAL(vmem_add(pages, (vmem_addr_t)-0x1000, 0x1000, M_NOWAIT), 0);
	CU_ASSERT_EQUAL(vmem_xalloc(pages, 0x1000, 0, 0, 0, (vmem_addr_t)-0x1000, VMEM_ADDR_MAX,
				    M_BESTFIT | M_NOWAIT, &addr),
			0);
	CU_ASSERT_EQUAL(addr, (vmem_addr_t)-0x1000);
	vmem_xfree(pages, addr, 0x1000);
	vmem_set_error_handler(be_silent);
	CU_ASSERT_EQUAL(vmem_add(pages, 0x100000, 0x1000, M_NOWAIT), ENOMEM);
	/* The only thread asks for what there will never be. */
	CU_ASSERT_EQUAL(vmem_alloc(pages, 0x200000, M_BESTFIT | M_WAITOK, &addr), ENOMEM);
	vmem_set_error_handler(NULL);
	vmem_destroy(pages);
}

/* vmem_alloc itself is the import, through a cast as FreeBSD's own users have it. */
void
bsd_imports_and_limits(void)
{
	vmem_t *parent = vmem_create("bsd parent", 0x1000000, 0x1000000, 0x1000, 0, M_WAITOK);
	vmem_t *child = vmem_create("bsd child", 0, 0, 0x100, 0, M_WAITOK);
	vmem_addr_t a, b;

	vmem_set_import(child, (vmem_import_t *)(void *)vmem_alloc,
			(vmem_release_t *)(void *)vmem_free, parent, 0x4000);
	vmem_set_limit(child, 0x8000);
	CU_ASSERT_EQUAL(vmem_alloc(child, 0x100, M_BESTFIT | M_NOWAIT, &a), 0);
	CU_ASSERT_EQUAL(vmem_size(parent, VMEM_ALLOC), 0x4000);
	CU_ASSERT_EQUAL(vmem_alloc(child, 0x4000, M_BESTFIT | M_NOWAIT, &b), 0);
	CU_ASSERT_EQUAL(vmem_size(child, VMEM_ALLOC | VMEM_FREE), 0x8000);
	CU_ASSERT_EQUAL(vmem_alloc(child, 0x4000, M_BESTFIT | M_NOWAIT, NULL), ENOMEM);
	vmem_free(child, b, 0x4000);
	CU_ASSERT_EQUAL(vmem_size(parent, VMEM_ALLOC), 0x4000);
	vmem_free(child, a, 0x100);
	CU_ASSERT_EQUAL(vmem_size(parent, VMEM_ALLOC), 0);
	vmem_destroy(child);
	vmem_destroy(parent);
}

static vmem_addr_t hoarded;
static u32 n_reclaims;

static void
give_up_hoard(vmem_t *vmp, int flags)
{
	n_reclaims++;
	CU_ASSERT_EQUAL(flags, M_NOWAIT);
	if (hoarded)
		vmem_free(vmp, hoarded, 64);
	hoarded = 0;
}

/* The reclaim callback is asked before a request fails, and once. */
void
bsd_reclaim_makes_room(void)
{
	vmem_t *ids = vmem_create("bsd hoard", 1, 100, 1, 0, M_WAITOK);
	vmem_addr_t addr;

	n_reclaims = 0;
	CU_ASSERT_EQUAL(vmem_alloc(ids, 64, M_BESTFIT | M_NOWAIT, &hoarded), 0);
	vmem_set_reclaim(ids, give_up_hoard);
	CU_ASSERT_EQUAL(vmem_alloc(ids, 50, M_BESTFIT | M_NOWAIT, &addr), 0);
	CU_ASSERT_EQUAL(n_reclaims, 1);
	CU_ASSERT_EQUAL(vmem_alloc(ids, 51, M_BESTFIT | M_NOWAIT, NULL), ENOMEM);
	CU_ASSERT_EQUAL(n_reclaims, 2);
	vmem_free(ids, addr, 50);
	vmem_destroy(ids);
}

/* An arena in the caller's storage. */
void
bsd_in_place(void)
{
	static struct vmem storage;
	vmem_addr_t addr;

	for (u32 i = 0; i < 2; i++) {
		CU_ASSERT_PTR_EQUAL(vmem_init(&storage, "bsd static", 0, 100, 1, 0, M_WAITOK),
				    &storage);
		CU_ASSERT_EQUAL(vmem_alloc(&storage, 100, M_BESTFIT | M_NOWAIT, &addr), 0);
		vmem_free(&storage, addr, 100);
		vmem_destroy(&storage);
	}
}

void
bsd_is_printed(void)
{
	vmem_t *ids = vmem_create("bsd shown", 0x5000, 0x100, 0x10, 0, M_WAITOK);
	vmem_addr_t addr;

	vmem_alloc(ids, 0x20, M_BESTFIT | M_NOWAIT, &addr);
	printed[0] = 0;
	vmem_whatis(0x5013, print);
	CU_ASSERT_PTR_NOT_NULL(strstr(printed, "0x5013 is 0x5000 + 19 in vmem bsd shown"));
	vmem_print((vmem_addr_t)(uintptr_t)ids, "a", print);
	CU_ASSERT_PTR_NOT_NULL(strstr(printed, "allocated 0x5000 size 32"));
	CU_ASSERT_PTR_NOT_NULL(strstr(printed, "free      0x5020 size 224"));
	printed[0] = 0;
	vmem_printall("", print);
	CU_ASSERT_PTR_NOT_NULL(strstr(printed, "vmem bsd shown at "));
	vmem_free(ids, addr, 0x20);
	vmem_destroy(ids);
}

/* ---- for the other files ---- */

vmem_t *
bsd_make(uword base, uword size)
{
	return vmem_create("made by bsd", base, size, 16, 0, M_WAITOK);
}

vmem_t *
bsd_make_importer(vmem_t *source)
{
	vmem_t *vmp = vmem_create("bsd importer", 0, 0, 16, 0, M_WAITOK);

	vmem_set_import(vmp, (vmem_import_t *)(void *)vmem_alloc,
			(vmem_release_t *)(void *)vmem_free, source, 0);
	return vmp;
}

uword
bsd_take(vmem_t *vmp, uword size)
{
	vmem_addr_t addr;

	return vmem_alloc(vmp, size, M_BESTFIT | M_NOWAIT, &addr) ? 0 : addr;
}

void
bsd_give(vmem_t *vmp, uword addr, uword size)
{
	vmem_free(vmp, addr, size);
}

void
bsd_destroy(vmem_t *vmp)
{
	vmem_destroy(vmp);
}

/* A policy named when an arena is created is taken as a promise: the indexes are there before the
 * first span is.  Instant fit, which is no policy, needs none. */
void
bsd_policies_are_promised(void)
{
	static const int flags[] = { M_BESTFIT | M_WAITOK, M_FIRSTFIT | M_WAITOK };

	for (u32 i = 0; i < 2; i++) {
		vmem_t *vm = vmem_create("promise", 0, 0, 1, 0, flags[i]);
		u64 n_bytes;

		CU_ASSERT_PTR_NOT_NULL_FATAL(vm);
		CU_ASSERT_EQUAL(vmem_index_state(vm, &n_bytes), i ? 0 : 3);
		CU_ASSERT_EQUAL(vmem_add(vm, 1000, 1000, flags[i]), 0);
		CU_ASSERT_EQUAL(vmem_index_state(vm, &n_bytes), i ? 0 : 3);
		CU_ASSERT_EQUAL(vmem_check(vm, NULL, 0), 0);
		vmem_destroy(vm);
	}
}
