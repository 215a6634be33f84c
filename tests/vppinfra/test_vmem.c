/* SPDX-License-Identifier: Apache-2.0 */
/* vmem through its public face: each call's promise, each kind of misuse, imports and exports. */
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vppinfra/vm.h>
#include <vppinfra/vmem.h>
#include <vppinfra/vmem_core.h>
#include "unit.h"

#define ADDR(x) ((void *)(uword)(x))

/* The last thing reported, and how many were. */
static struct {
	char what[128];
	vmem_t *vmp;
	uword addr, size;
	const void *caller;
	u32 n;
} reported;

static void
note_report(const char *what, vmem_t *vmp, uword addr, uword size, const void *caller)
{
	snprintf(reported.what, sizeof(reported.what), "%s", what);
	reported.vmp = vmp;
	reported.addr = addr;
	reported.size = size;
	reported.caller = caller;
	reported.n++;
}

static void
expect_reports(void)
{
	memset(&reported, 0, sizeof(reported));
	vmem_set_error_handler(note_report);
}

/* Whether just one report came, with these words in it; none is left over for the next. */
static bool
was_reported(const char *words)
{
	bool is_it = reported.n == 1 && strstr(reported.what, words);

	if (!is_it)
		printf("%u reports, the last: %s\n", reported.n, reported.what);
	expect_reports();
	return is_it;
}

static vmem_t *
ids_of(uword first, uword n)
{
	vmem_t *vmp = vmem_create("ids", ADDR(first), n, 1, NULL, NULL, NULL, 0,
				  VM_NOSLEEP | VMC_IDENTIFIER);

	CU_ASSERT_PTR_NOT_NULL_FATAL(vmp);
	return vmp;
}

static void
check(vmem_t *vmp)
{
	char what[128] = "";

	CU_ASSERT_EQUAL(vmem_check(vmp, what, sizeof(what)), 0);
	if (what[0])
		printf("%s: %s\n", vmp->vm_name, what);
}

/* VLAN ids 1..4094: next fit hands out every one once before any comes again. */
static void
vlan_ids_are_a_resource(void)
{
	vmem_t *vlans = ids_of(1, 4094);

	for (uword round = 0; round < 3; round++) {
		for (uword id = 1; id <= 4094; id++) {
			CU_ASSERT_EQUAL(
				pointer_to_uword(vmem_alloc(vlans, 1, VM_NOSLEEP | VM_NEXTFIT)),
				id);
			if (round < 2)
				vmem_free(vlans, ADDR(id), 1);
		}
	}
	CU_ASSERT_PTR_NULL(vmem_alloc(vlans, 1, VM_NOSLEEP | VM_NEXTFIT));
	CU_ASSERT_EQUAL(vlans->vm_kstat.vk_fail, 1);
	vmem_free(vlans, ADDR(77), 1);
	CU_ASSERT_EQUAL(pointer_to_uword(vmem_alloc(vlans, 1, VM_NOSLEEP | VM_NEXTFIT)), 77);
	check(vlans);
	for (uword id = 1; id <= 4094; id++)
		vmem_free(vlans, ADDR(id), 1);
	CU_ASSERT_EQUAL(vmem_size(vlans, VMEM_ALLOC), 0);
	CU_ASSERT_EQUAL(vmem_size(vlans, VMEM_FREE), 4094);
	vmem_destroy(vlans);
}

/* Holes of 8, 4 and 6: each policy takes the one it is named for, either end of it. */
static void
each_policy_takes_its_hole(void)
{
	static const struct {
		int flags;
		uword size, expected;
	} cases[] = {
		{ VM_BESTFIT, 4, 1020 },
		{ VM_BESTFIT, 5, 1040 },
		{ VM_BESTFIT | VM_ENDALLOC, 5, 1041 },
		{ VM_FIRSTFIT, 4, 1000 },
		{ VM_FIRSTFIT | VM_ENDALLOC, 4, 1004 },
		{ VM_NEXTFIT, 4, 1020 },
		{ VM_NEXTFIT, 6, 1040 },
		/* 8 is certain to be found in the list of 8, 5 only in that or a higher one. */
		{ 0, 8, 1000 },
		{ 0, 5, 1000 },
	};

	for (u32 i = 0; i < ARRAY_LEN(cases); i++) {
		vmem_t *vmp = ids_of(1000, 60);

		/* Next fit fills the arena and so leaves the rotor at 1020. */
		CU_ASSERT_PTR_EQUAL(vmem_alloc(vmp, 20, VM_NOSLEEP | VM_NEXTFIT), ADDR(1000));
		CU_ASSERT_PTR_EQUAL(vmem_alloc(vmp, 40, VM_NOSLEEP), ADDR(1020));
		vmem_free(vmp, ADDR(1000), 20);
		vmem_free(vmp, ADDR(1020), 40);
		CU_ASSERT_PTR_EQUAL(vmem_alloc(vmp, 8, VM_NOSLEEP), ADDR(1000));
		CU_ASSERT_PTR_EQUAL(vmem_alloc(vmp, 12, VM_NOSLEEP), ADDR(1008));
		CU_ASSERT_PTR_EQUAL(vmem_alloc(vmp, 4, VM_NOSLEEP), ADDR(1020));
		CU_ASSERT_PTR_EQUAL(vmem_alloc(vmp, 16, VM_NOSLEEP), ADDR(1024));
		CU_ASSERT_PTR_EQUAL(vmem_alloc(vmp, 6, VM_NOSLEEP), ADDR(1040));
		CU_ASSERT_PTR_EQUAL(vmem_alloc(vmp, 14, VM_NOSLEEP), ADDR(1046));
		vmem_free(vmp, ADDR(1000), 8);
		vmem_free(vmp, ADDR(1020), 4);
		vmem_free(vmp, ADDR(1040), 6);
		CU_ASSERT_EQUAL(pointer_to_uword(vmem_alloc(vmp, cases[i].size,
							    VM_NOSLEEP | cases[i].flags)),
				cases[i].expected);
		check(vmp);
		expect_reports();
		vmem_destroy(vmp);
		vmem_set_error_handler(NULL);
	}
}

/* The rotor stands in the middle of one free run: next fit goes on there, then comes round and
 * joins the halves; a full arena ends the search instead of circling. */
static void
next_fit_wraps_and_ends(void)
{
	vmem_t *vmp = ids_of(100, 10);

	CU_ASSERT_PTR_EQUAL(vmem_alloc(vmp, 4, VM_NOSLEEP | VM_NEXTFIT), ADDR(100));
	vmem_free(vmp, ADDR(100), 4);
	CU_ASSERT_PTR_EQUAL(vmem_alloc(vmp, 6, VM_NOSLEEP | VM_NEXTFIT), ADDR(104));
	vmem_free(vmp, ADDR(104), 6);
	CU_ASSERT_PTR_EQUAL(vmem_alloc(vmp, 5, VM_NOSLEEP | VM_NEXTFIT), ADDR(100));
	vmem_free(vmp, ADDR(100), 5);
	CU_ASSERT_PTR_EQUAL(vmem_alloc(vmp, 10, VM_NOSLEEP | VM_NEXTFIT), ADDR(100));
	CU_ASSERT_PTR_NULL(vmem_alloc(vmp, 1, VM_NOSLEEP | VM_NEXTFIT));
	vmem_free(vmp, ADDR(100), 10);
	vmem_destroy(vmp);
}

/* Below 4 GiB, aligned, off by a phase, inside one window: all at once. */
static void
constraints_combine(void)
{
	vmem_t *vmp =
		vmem_create("pa", ADDR(GiB(1)), GiB(8), KiB(4), NULL, NULL, NULL, 0, VM_NOSLEEP);
	void *p = vmem_xalloc(vmp, KiB(24), KiB(64), KiB(8), MiB(1), ADDR(GiB(2) + 1), ADDR(GiB(4)),
			      VM_NOSLEEP | VM_FIRSTFIT);
	void *last =
		vmem_xalloc(vmp, MiB(1), 0, 0, 0, ADDR(GiB(4) - MiB(1)), ADDR(GiB(4)), VM_NOSLEEP);

	CU_ASSERT_PTR_EQUAL(p, ADDR(GiB(2) + KiB(8)));
	/* maxaddr is exclusive: exactly below it still fits, and then nothing more does. */
	CU_ASSERT_PTR_EQUAL(last, ADDR(GiB(4) - MiB(1)));
	CU_ASSERT_PTR_NULL(
		vmem_xalloc(vmp, KiB(4), 0, 0, 0, ADDR(GiB(4) - MiB(1)), ADDR(GiB(4)), VM_NOSLEEP));
	vmem_xfree(vmp, p, KiB(24));
	vmem_xfree(vmp, last, MiB(1));
	check(vmp);
	vmem_destroy(vmp);
}

/* What illumos panics for is reported, refused, and costs nothing. */
static void
contradictory_requests_are_refused(void)
{
	static const struct {
		uword size, align, phase, nocross;
		void *min, *max;
	} cases[] = {
		{ 0, 0, 0, 0, NULL, NULL },
		{ 4096, 12288, 0, 0, NULL, NULL },         /* align is no power of two */
		{ 4096, 1024, 0, 0, NULL, NULL },          /* below the quantum */
		{ 4096, 8192, 8192, 0, NULL, NULL },       /* phase is not below align */
		{ 4096, 8192, 100, 0, NULL, NULL },        /* phase is off the quantum */
		{ 4096, 0, 0, 12288, NULL, NULL },         /* nocross is no power of two */
		{ 4097, 0, 0, 4096, NULL, NULL },          /* larger than what it must not cross */
		{ 4096, 16384, 0, 8192, NULL, NULL },      /* align > nocross */
		{ 8192, 16384, 12288, 16384, NULL, NULL }, /* phase + size > nocross */
		{ 4096, 0, 0, 0, ADDR(8192), ADDR(8192) }, /* an empty range */
	};
	vmem_t *vmp = vmem_create("strict", ADDR(MiB(1)), MiB(1), KiB(4), NULL, NULL, NULL, 0,
				  VM_NOSLEEP);

	expect_reports();
	for (u32 i = 0; i < ARRAY_LEN(cases); i++) {
		CU_ASSERT_PTR_NULL(vmem_xalloc(vmp, cases[i].size, cases[i].align, cases[i].phase,
					       cases[i].nocross, cases[i].min, cases[i].max,
					       VM_NOSLEEP));
		CU_ASSERT(was_reported("contradictory request"));
	}
	/* Too large to be rounded is no contradiction, there is just no room. */
	CU_ASSERT_PTR_NULL(vmem_alloc(vmp, ~(size_t)0, VM_NOSLEEP));
	CU_ASSERT_EQUAL(reported.n, 0);
	CU_ASSERT_EQUAL(vmp->vm_kstat.vk_fail, ARRAY_LEN(cases) + 1);
	CU_ASSERT_EQUAL(vmem_size(vmp, VMEM_ALLOC), 0);
	vmem_set_error_handler(NULL);
	vmem_destroy(vmp);
}

/* Arguments of create and add that cannot be. */
static void
bad_arenas_and_spans_are_refused(void)
{
	vmem_t *vmp = vmem_create("spans", ADDR(0x10000), 0x1000, 0x1000, NULL, NULL, NULL, 0,
				  VM_NOSLEEP);

	expect_reports();
	CU_ASSERT_PTR_NULL(vmem_create("q", NULL, 0, 0, NULL, NULL, NULL, 0, VM_NOSLEEP));
	CU_ASSERT(was_reported("bad quantum"));
	CU_ASSERT_PTR_NULL(vmem_create("q", NULL, 0, 24, NULL, NULL, NULL, 0, VM_NOSLEEP));
	CU_ASSERT(was_reported("bad quantum"));
	CU_ASSERT_PTR_NULL(vmem_create("0", NULL, 16, 1, NULL, NULL, NULL, 0, VM_NOSLEEP));
	CU_ASSERT(was_reported("bad quantum or span"));
	CU_ASSERT_PTR_NULL(vmem_create("x", ADDR(8), 16, 16, NULL, NULL, NULL, 0, VM_NOSLEEP));
	CU_ASSERT(was_reported("bad quantum or span"));

	/* To import by vmem_alloc() there must be something to import from. */
	CU_ASSERT_PTR_NULL(
		vmem_create("y", NULL, 0, 16, vmem_alloc, vmem_free, NULL, 0, VM_NOSLEEP));
	CU_ASSERT(was_reported("no source"));
	/* Nothing is no arena that others import from. */
	vmem_destroy(NULL);
	CU_ASSERT_EQUAL(reported.n, 0);

	CU_ASSERT_PTR_NULL(vmem_add(vmp, NULL, 0x1000, VM_NOSLEEP));
	CU_ASSERT(was_reported("no span at 0"));
	CU_ASSERT_PTR_NULL(vmem_add(vmp, ADDR(0x20000), 0, VM_NOSLEEP));
	CU_ASSERT(was_reported("empty"));
	CU_ASSERT_PTR_NULL(vmem_add(vmp, ADDR(0x20800), 0x1000, VM_NOSLEEP));
	CU_ASSERT(was_reported("off the quantum"));
	CU_ASSERT_PTR_NULL(vmem_add(vmp, ADDR(0xf000), 0x2000, VM_NOSLEEP));
	CU_ASSERT(was_reported("overlaps"));
	CU_ASSERT_PTR_EQUAL(vmem_add(vmp, ADDR(0x11000), 0x3000, VM_NOSLEEP), ADDR(0x11000));
	CU_ASSERT_EQUAL(reported.n, 0);

	/* Neighbouring spans stay two: inside one is contained, across is not. */
	CU_ASSERT(vmem_contains(vmp, ADDR(0x11000), 0x3000));
	CU_ASSERT(vmem_contains(vmp, ADDR(0x10800), 0x800));
	CU_ASSERT(!vmem_contains(vmp, ADDR(0x10000), 0x2000));
	CU_ASSERT(!vmem_contains(vmp, ADDR(0x13000), 0x1001));
	CU_ASSERT(!vmem_contains(vmp, ADDR(0xffff), 1));
	CU_ASSERT_EQUAL(vmp->vm_kstat.vk_contains, 5);
	CU_ASSERT_PTR_NULL(vmem_alloc(vmp, 0x4000, VM_NOSLEEP));
	vmem_set_error_handler(NULL);
	check(vmp);
	vmem_destroy(vmp);
}

/* Where this program's code lies, and not the library's. */
extern const char __executable_start[], etext[];

static bool
is_ours(const void *pc)
{
	return (const char *)pc >= __executable_start && (const char *)pc < etext;
}

/* Every wrong free is named, counted, ignored, and the caller's address lies in this program. */
static void
every_wrong_free_is_named(void)
{
	vmem_t *vmp = vmem_create("victim", ADDR(0x10000), 0x10000, 0x1000, NULL, NULL, NULL, 0,
				  VM_NOSLEEP);
	vmem_t *other = vmem_create("other", ADDR(0x40000), 0x10000, 0x1000, NULL, NULL, NULL, 0,
				    VM_NOSLEEP);
	void *p = vmem_alloc(vmp, 5000, VM_NOSLEEP);
	void *q = vmem_alloc(other, 4096, VM_NOSLEEP);
	void *x = vmem_xalloc(vmp, 4096, 0x2000, 0, 0, NULL, NULL, VM_NOSLEEP);
	uword size = vmem_size(vmp, VMEM_ALLOC);

	expect_reports();
	vmem_free(vmp, p, 8192);
	CU_ASSERT_PTR_EQUAL(reported.vmp, vmp);
	CU_ASSERT_PTR_EQUAL((void *)reported.addr, p);
	CU_ASSERT_EQUAL(reported.size, 8192);
	CU_ASSERT_TRUE(is_ours(reported.caller));
	CU_ASSERT(was_reported("wrong size (expects 5000)"));
	vmem_free(vmp, (u8 *)p + 4096, 904);
	CU_ASSERT(was_reported("4096 inside the segment at 0x10000"));
	vmem_free(vmp, q, 4096);
	CU_ASSERT(was_reported("wrong arena (belongs to other)"));
	vmem_free(vmp, ADDR(0x1f000), 4096);
	CU_ASSERT(was_reported("double free"));
	vmem_free(vmp, ADDR(0x99000), 4096);
	CU_ASSERT(was_reported("in no span"));
	vmem_free(vmp, NULL, 4096);
	CU_ASSERT(was_reported("in no span"));
	vmem_free(vmp, x, 4096);
	CU_ASSERT(was_reported("vmem_free of what vmem_xalloc gave"));
	vmem_xfree(vmp, p, 5000);
	CU_ASSERT(was_reported("vmem_xfree of what vmem_alloc gave"));
	CU_ASSERT_EQUAL(vmp->vm_kstat.vk_bad_free, 8);
	CU_ASSERT_EQUAL(vmem_size(vmp, VMEM_ALLOC), size);
	check(vmp);

	vmem_free(vmp, p, 5000);
	CU_ASSERT_EQUAL(reported.n, 0);
	vmem_free(vmp, p, 5000);
	CU_ASSERT(was_reported("double free"));
	vmem_xfree(vmp, x, 4096);
	vmem_free(other, q, 4096);
	CU_ASSERT_EQUAL(reported.n, 0);
	vmem_set_error_handler(NULL);
	vmem_destroy(other);
	vmem_destroy(vmp);
}

/* A leak is told in the arena's own unit, and counted. */
static void
destroy_tells_of_leaks(void)
{
	vmem_t *ids = ids_of(1, 100);
	u64 n_leaked = vmem_n_leaked();

	vmem_alloc(ids, 3, VM_NOSLEEP);
	vmem_alloc(ids, 2, VM_NOSLEEP);
	expect_reports();
	vmem_destroy(ids);
	CU_ASSERT(was_reported("5 identifiers leaked in 2 segments"));
	CU_ASSERT_EQUAL(vmem_n_leaked(), n_leaked + 2);
	vmem_set_error_handler(NULL);
}

/* ---- importing ---- */

static vmem_t *importer;
static u32 n_imports, n_exports;
static void (*during_import)(void);

static void *
counted_import(vmem_t *source, size_t size, int vmflag)
{
	n_imports++;
	if (during_import)
		during_import();
	return vmem_alloc(source, size, vmflag);
}

static void
counted_export(vmem_t *source, void *p, size_t size)
{
	n_exports++;
	vmem_free(source, p, size);
}

static vmem_t *
make_importer(vmem_t **source)
{
	*source = vmem_create("source", ADDR(MiB(1)), MiB(1), KiB(4), NULL, NULL, NULL, 0,
			      VM_NOSLEEP);
	importer = vmem_create("importer", NULL, 0, 16, counted_import, counted_export, *source, 0,
			       VM_NOSLEEP);
	CU_ASSERT_PTR_NOT_NULL_FATAL(importer);
	n_imports = n_exports = 0;
	during_import = NULL;
	return importer;
}

/* An import holds what was asked and vm_min_import; it goes back when the last piece does. */
static void
imports_come_and_go(void)
{
	vmem_t *source, *vmp = make_importer(&source);
	void *p, *q;

	vmp->vm_min_import = KiB(32);
	p = vmem_alloc(vmp, 100, VM_NOSLEEP);
	q = vmem_alloc(vmp, 100, VM_NOSLEEP);
	CU_ASSERT_EQUAL(n_imports, 1);
	CU_ASSERT_EQUAL(vmp->vm_kstat.vk_mem_import, KiB(32));
	CU_ASSERT_EQUAL(vmem_size(source, VMEM_ALLOC), KiB(32));
	CU_ASSERT_EQUAL(vmp->vm_kstat.vk_source_id, source->vm_id);
	vmem_free(vmp, p, 100);
	CU_ASSERT_EQUAL(n_exports, 0);
	vmem_free(vmp, q, 100);
	CU_ASSERT_EQUAL(n_exports, 1);
	CU_ASSERT_EQUAL(vmem_size(source, VMEM_ALLOC), 0);
	CU_ASSERT_EQUAL(vmem_size(vmp, VMEM_ALLOC | VMEM_FREE), 0);
	check(vmp);
	check(source);
	vmem_destroy(vmp);
	vmem_destroy(source);
}

/* Aligned beyond the source's quantum, at a phase: the import has room for it. */
static void
imports_leave_room_to_align(void)
{
	vmem_t *source, *vmp = make_importer(&source);
	void *pad = vmem_alloc(source, KiB(4), VM_NOSLEEP);
	void *p = vmem_xalloc(vmp, KiB(4), KiB(64), KiB(4) + 16, 0, NULL, NULL, VM_NOSLEEP);

	CU_ASSERT_EQUAL(pointer_to_uword(p) % KiB(64), KiB(4) + 16);
	CU_ASSERT_EQUAL(n_imports, 1);
	vmem_xfree(vmp, p, KiB(4));
	vmem_free(source, pad, KiB(4));
	vmem_destroy(vmp);
	vmem_destroy(source);
}

/* A constrained request imports too.  A source that is a function is asked for enough, and what
 * does not meet the bounds goes straight back; a source that is an arena is asked under them. */
static void
imports_meet_constraints(void)
{
	vmem_t *source, *vmp = make_importer(&source), *direct;
	void *pad = vmem_alloc(source, KiB(12), VM_NOSLEEP), *p;

	p = vmem_xalloc(vmp, KiB(24), KiB(16), KiB(4), KiB(32), NULL, NULL, VM_NOSLEEP);
	CU_ASSERT_PTR_NOT_NULL(p);
	CU_ASSERT_EQUAL(pointer_to_uword(p) % KiB(16), KiB(4));
	CU_ASSERT_EQUAL(pointer_to_uword(p) / KiB(32),
			(pointer_to_uword(p) + KiB(24) - 1) / KiB(32));
	CU_ASSERT_EQUAL(n_imports, 1);
	vmem_xfree(vmp, p, KiB(24));
	CU_ASSERT_EQUAL(n_exports, 1);
	/* The function gives its lowest, which is not in this range. */
	CU_ASSERT_PTR_NULL(
		vmem_xalloc(vmp, KiB(4), 0, 0, 0, ADDR(MiB(1) + KiB(512)), NULL, VM_NOSLEEP));
	CU_ASSERT_EQUAL(n_imports, 2);
	CU_ASSERT_EQUAL(n_exports, 2);
	CU_ASSERT_EQUAL(vmem_size(source, VMEM_ALLOC), KiB(12));

	direct = vmem_create("direct", NULL, 0, 16, vmem_alloc, vmem_free, source, 0, VM_NOSLEEP);
	p = vmem_xalloc(direct, KiB(4), 0, 0, 0, ADDR(MiB(1) + KiB(512)), ADDR(MiB(1) + KiB(516)),
			VM_NOSLEEP);
	CU_ASSERT_PTR_EQUAL(p, ADDR(MiB(1) + KiB(512)));
	CU_ASSERT_EQUAL(vmem_size(source, VMEM_ALLOC), KiB(16));
	CU_ASSERT_PTR_NULL(vmem_xalloc(direct, KiB(4), 0, 0, 0, ADDR(MiB(1) + KiB(512)),
				       ADDR(MiB(1) + KiB(516)), VM_NOSLEEP));
	vmem_xfree(direct, p, KiB(4));
	CU_ASSERT_EQUAL(vmem_size(source, VMEM_ALLOC), KiB(12));
	vmem_free(source, pad, KiB(12));
	check(direct);
	check(source);
	vmem_destroy(direct);
	vmem_destroy(vmp);
	vmem_destroy(source);
}

/* A source that has one place left gives that, if it is asked for it: aligned, at a phase that is
 * none of its quanta, and past its quantum caches. */
static void
the_only_place_is_imported(void)
{
	vmem_t *source = vmem_create("source", ADDR(MiB(1)), MiB(1), KiB(4), NULL, NULL, NULL, 0,
				     VM_NOSLEEP);
	vmem_t *vmp =
		vmem_create("importer", NULL, 0, 64, vmem_alloc, vmem_free, source, 0, VM_NOSLEEP);
	void *p;

	/* All but [MiB(1) + KiB(320), MiB(1) + KiB(324)). */
	CU_ASSERT_EQUAL(vmem_claim(source, MiB(1), KiB(320)), 0);
	CU_ASSERT_EQUAL(vmem_claim(source, MiB(1) + KiB(324), KiB(700)), 0);
	p = vmem_xalloc(vmp, KiB(4), KiB(64), 0, 0, NULL, NULL, VM_NOSLEEP);
	CU_ASSERT_PTR_EQUAL(p, ADDR(MiB(1) + KiB(320)));
	vmem_xfree(vmp, p, KiB(4));
	p = vmem_xalloc(vmp, 64, KiB(64), 128, 0, NULL, ADDR(MiB(1) + KiB(320) + 192), VM_NOSLEEP);
	CU_ASSERT_PTR_EQUAL(p, ADDR(MiB(1) + KiB(320) + 128));
	vmem_xfree(vmp, p, 64);
	p = vmem_xalloc(vmp, 128, 128, 64, KiB(2), ADDR(MiB(1) + KiB(321)), NULL, VM_NOSLEEP);
	CU_ASSERT_PTR_EQUAL(p, ADDR(MiB(1) + KiB(321) + 64));
	vmem_xfree(vmp, p, 128);
	CU_ASSERT_PTR_NULL(vmem_xalloc(vmp, KiB(4), KiB(128), 0, 0, NULL, NULL, VM_NOSLEEP));
	CU_ASSERT_PTR_NULL(
		vmem_xalloc(vmp, KiB(4), 0, 0, 0, ADDR(MiB(1) + KiB(321)), NULL, VM_NOSLEEP));
	CU_ASSERT_EQUAL(vmem_size(vmp, VMEM_ALLOC | VMEM_FREE), 0);
	CU_ASSERT_EQUAL(vmem_size(source, VMEM_FREE), KiB(4));
	check(source);
	vmem_destroy(vmp);
	vmem_xfree(source, ADDR(MiB(1)), KiB(320));
	vmem_xfree(source, ADDR(MiB(1) + KiB(324)), KiB(700));
	vmem_destroy(source);
}

static void *hoard;

static void
free_the_hoard(void)
{
	during_import = NULL;
	vmem_free(importer, hoard, KiB(4));
}

/* While the import was under way another made room: the import goes straight back. */
static void
an_import_that_came_too_late_goes_back(void)
{
	vmem_t *source, *vmp = make_importer(&source);
	void *rest;

	vmem_add(vmp, ADDR(GiB(1)), KiB(8), VM_NOSLEEP);
	hoard = vmem_alloc(vmp, KiB(4), VM_NOSLEEP);
	rest = vmem_alloc(vmp, KiB(4), VM_NOSLEEP);
	during_import = free_the_hoard;
	CU_ASSERT_PTR_EQUAL(vmem_alloc(vmp, KiB(4), VM_NOSLEEP), hoard);
	CU_ASSERT_EQUAL(n_imports, 1);
	CU_ASSERT_EQUAL(n_exports, 1);
	CU_ASSERT_EQUAL(vmp->vm_kstat.vk_import, 0);
	CU_ASSERT_EQUAL(vmem_size(source, VMEM_ALLOC), 0);
	vmem_free(vmp, hoard, KiB(4));
	vmem_free(vmp, rest, KiB(4));
	/* Added spans are never exported. */
	CU_ASSERT_EQUAL(n_exports, 1);
	check(vmp);
	vmem_destroy(vmp);
	vmem_destroy(source);
}

static void *
crooked_import(vmem_t *source, size_t size, int vmflag)
{
	return (u8 *)vmem_alloc(source, size, vmflag) + 8;
}

static void
crooked_export(vmem_t *source, void *p, size_t size)
{
	vmem_free(source, (u8 *)p - 8, size);
}

/* An importer that breaks its promise is reported and gets its range back. */
static void
a_crooked_import_is_refused(void)
{
	vmem_t *source = vmem_create("source", ADDR(MiB(1)), MiB(1), KiB(4), NULL, NULL, NULL, 0,
				     VM_NOSLEEP);
	vmem_t *vmp = vmem_create("crooked", NULL, 0, 16, crooked_import, crooked_export, source, 0,
				  VM_NOSLEEP);

	expect_reports();
	CU_ASSERT_PTR_NULL(vmem_alloc(vmp, 64, VM_SLEEP));
	CU_ASSERT(was_reported("not on the quantum"));
	CU_ASSERT_EQUAL(vmem_size(source, VMEM_ALLOC), 0);
	/* Nor is a source destroyed under its importer. */
	vmem_destroy(source);
	CU_ASSERT(was_reported("another arena imports from it"));
	vmem_set_error_handler(NULL);
	check(vmp);
	vmem_destroy(vmp);
	vmem_destroy(source);
}

static void *
generous_import(vmem_t *source, size_t *size, size_t align, int vmflag)
{
	*size = round_pow2(*size, KiB(64));
	return vmem_xalloc(source, *size, align, 0, 0, NULL, NULL, vmflag);
}

/* An importer may give more, and the alignment asked for: then none is added to the size. */
static void
an_importer_may_enlarge_and_align(void)
{
	vmem_t *source = vmem_create("source", ADDR(MiB(1) + KiB(4)), MiB(2), KiB(4), NULL, NULL,
				     NULL, 0, VM_NOSLEEP);
	vmem_t *vmp = vmem_xcreate("generous", NULL, 0, KiB(4), generous_import, vmem_xfree, source,
				   0, VM_NOSLEEP | VMC_XALIGN);
	void *p = vmem_xalloc(vmp, KiB(64), KiB(256), 0, 0, NULL, NULL, VM_NOSLEEP);

	CU_ASSERT_EQUAL(pointer_to_uword(p) % KiB(256), 0);
	CU_ASSERT_EQUAL(vmp->vm_kstat.vk_mem_import, KiB(64));
	CU_ASSERT(vmp->vm_cflags & VMC_XALLOC);
	vmem_xfree(vmp, p, KiB(64));
	CU_ASSERT_EQUAL(vmem_size(source, VMEM_ALLOC), 0);
	vmem_destroy(vmp);
	vmem_destroy(source);
}

/* ---- failures on purpose ---- */

static u64
failures_of(vmem_t *vmp, u32 n_requests)
{
	u64 mask = 0;

	for (u32 i = 0; i < n_requests; i++) {
		void *p = vmem_alloc(vmp, 1, VM_NOSLEEP);

		if (p)
			vmem_free(vmp, p, 1);
		else
			mask |= 1ULL << i;
	}
	return mask;
}

/* Every third request fails, by count: the same ones in every run.  Those that may not fail are
 * spared and not counted. */
static void
induced_failures_are_reproducible(void)
{
	vmem_t *vmp = ids_of(1, 100);

	CU_ASSERT_EQUAL(failures_of(vmp, 12), 0);
	vmp->vm_mtbf = 3;
	CU_ASSERT_EQUAL(failures_of(vmp, 12), 0x924);
	for (u32 i = 0; i < 7; i++) {
		void *p = vmem_alloc(vmp, 1, VM_SLEEP), *q;

		CU_ASSERT_PTR_NOT_NULL(p);
		q = vmem_alloc(vmp, 1, VM_NOSLEEP | VM_PANIC);
		CU_ASSERT_PTR_NOT_NULL(q);
		vmem_free(vmp, p, 1);
		vmem_free(vmp, q, 1);
	}
	CU_ASSERT_EQUAL(failures_of(vmp, 12), 0x924);
	vmp->vm_mtbf = 0;
	vmem_mtbf = 2;
	vmp->vm_mtbf_count = 0;
	CU_ASSERT_EQUAL(failures_of(vmp, 8), 0xaa);
	vmem_mtbf = 0;
	CU_ASSERT_EQUAL(vmp->vm_kstat.vk_fail, 4 + 4 + 4);
	vmem_destroy(vmp);
}

/* Nobody could ever wake these sleepers, so they are told. */
static void
a_hopeless_sleeper_is_refused(void)
{
	vmem_t *vmp = ids_of(1, 100),
	       *empty = vmem_create("empty", NULL, 0, 1, NULL, NULL, NULL, 0, VM_NOSLEEP);
	void *all;

	expect_reports();
	CU_ASSERT_PTR_NULL(vmem_alloc(vmp, 101, VM_SLEEP));
	CU_ASSERT(was_reported("would sleep for ever"));
	CU_ASSERT_PTR_NULL(vmem_alloc(empty, 1, VM_SLEEP));
	CU_ASSERT(was_reported("would sleep for ever"));
	/* The only thread. */
	all = vmem_alloc(vmp, 100, VM_SLEEP);
	CU_ASSERT_PTR_NOT_NULL(all);
	CU_ASSERT_PTR_NULL(vmem_alloc(vmp, 1, VM_SLEEP));
	CU_ASSERT(was_reported("would sleep for ever"));
	/* Fails at once and is no fault. */
	CU_ASSERT_PTR_NULL(vmem_alloc(vmp, 1, VM_SLEEP | VM_ABORT));
	CU_ASSERT_EQUAL(reported.n, 0);
	CU_ASSERT_EQUAL(vmp->vm_kstat.vk_wait, 0);
	vmem_set_error_handler(NULL);
	vmem_free(vmp, all, 100);
	vmem_destroy(vmp);
	vmem_destroy(empty);
}

/* VM_PANIC stops the process: seen from outside. */
static void
panic_stops_the_process(void)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		expect_reports();
		vmem_alloc(ids_of(1, 10), 11, VM_NOSLEEP | VM_PANIC);
		_exit(0);
	}
	CU_ASSERT_FATAL(pid > 0);
	waitpid(pid, &status, 0);
	CU_ASSERT(WIFSIGNALED(status));
	CU_ASSERT_EQUAL(WTERMSIG(status), SIGABRT);
}

/* ---- looking ---- */

typedef struct {
	vmem_t *vmp;
	uword starts[8], sizes[8];
	u32 n;
} seen_t;

static void
note_segment(void *arg, void *p, size_t size)
{
	seen_t *seen = arg;

	if (seen->n < ARRAY_LEN(seen->starts)) {
		seen->starts[seen->n] = pointer_to_uword(p);
		seen->sizes[seen->n] = size;
	}
	seen->n++;
}

/* Frees what it is shown, and takes more behind the walk's back. */
static void
free_segment(void *arg, void *p, size_t size)
{
	seen_t *seen = arg;

	note_segment(arg, p, size);
	vmem_free(seen->vmp, p, size);
	if (pointer_to_uword(p) > 0x3000)
		vmem_alloc(seen->vmp, 1, VM_NOSLEEP | VM_FIRSTFIT);
}

/* A walk shows asked sizes in address order; a reentrant one survives its callback's changes. */
static void
walks_show_the_segments(void)
{
	vmem_t *vmp =
		vmem_create("walk", ADDR(0x1000), 0x6000, 0x1000, NULL, NULL, NULL, 0, VM_NOSLEEP);
	seen_t seen = { .vmp = vmp };
	u64 n_segs[VMEM_FREELISTS], n_bytes[VMEM_FREELISTS];

	for (u32 i = 0; i < 4; i++)
		vmem_alloc(vmp, 0x800 + i, VM_NOSLEEP | VM_FIRSTFIT);
	vmem_walk(vmp, VMEM_ALLOC | VMEM_FREE, note_segment, &seen);
	CU_ASSERT_EQUAL(seen.n, 5);
	CU_ASSERT_EQUAL(seen.starts[2], 0x3000);
	CU_ASSERT_EQUAL(seen.sizes[2], 0x802);
	CU_ASSERT_EQUAL(seen.sizes[4], 0x2000);
	seen.n = 0;
	vmem_walk(vmp, VMEM_SPAN, note_segment, &seen);
	CU_ASSERT_EQUAL(seen.n, 1);
	CU_ASSERT_EQUAL(seen.sizes[0], 0x6000);
	vmem_freelist_counts(vmp, n_segs, n_bytes);
	CU_ASSERT_EQUAL(n_segs[13], 1);
	CU_ASSERT_EQUAL(n_bytes[13], 0x2000);

	seen.n = 0;
	vmem_walk(vmp, VMEM_ALLOC | (int)VMEM_REENTRANT, free_segment, &seen);
	CU_ASSERT_EQUAL(seen.n, 4);
	CU_ASSERT_EQUAL(seen.starts[3], 0x4000);
	/* Only the one that was taken behind the walk is left. */
	CU_ASSERT_EQUAL(vmem_size(vmp, VMEM_ALLOC), 1);
	CU_ASSERT_PTR_NULL(vmp->vm_walkers);
	check(vmp);
	vmem_free(vmp, ADDR(0x1000), 1);
	vmem_destroy(vmp);
}

static int
count_ours(vmem_t *vmp, void *arg)
{
	u32 *n = arg;

	if (strncmp(vmp->vm_name, "listed", 6) == 0)
		++*n;
	return *n == 2;
}

/* Arenas are listed in order of creation, found by name, and gone when destroyed. */
static void
arenas_are_listed(void)
{
	vmem_t *a = vmem_create("listed a", NULL, 0, 1, NULL, NULL, NULL, 0, VM_NOSLEEP);
	vmem_t *b = vmem_create("listed b", NULL, 0, 1, NULL, NULL, NULL, 0, VM_NOSLEEP);
	u32 n = 0;

	CU_ASSERT(b->vm_id > a->vm_id);
	vmem_foreach_arena(count_ours, &n);
	CU_ASSERT_EQUAL(n, 2);
	CU_ASSERT_PTR_EQUAL(vmem_by_name("listed b"), b);
	vmem_destroy(b);
	CU_ASSERT_PTR_NULL(vmem_by_name("listed b"));
	vmem_destroy(a);
}

/* Memory for tags goes back to the system when the segments have gone. */
static void
reap_gives_tags_back(void)
{
	vmem_t *vmp = ids_of(1, 200000);
	uword before, at_peak;

	vmem_reap();
	before = vmem_mmap_committed_bytes();
	for (uword i = 1; i <= 200000; i++)
		vmem_alloc(vmp, 1, VM_NOSLEEP);
	at_peak = vmem_mmap_committed_bytes();
	CU_ASSERT(at_peak - before >= 200000 * 24);
	for (uword i = 1; i <= 200000; i++)
		vmem_free(vmp, ADDR(i), 1);
	vmem_reap();
	/* Of five megabytes, the few chunks that hold tags of the arenas they came through. */
	CU_ASSERT(vmem_mmap_committed_bytes() <= before + KiB(512));
	CU_ASSERT_EQUAL(vmem_mmap_committed_bytes(), vm_committed_bytes(0));
	check(vmp);
	check(vmem_seg_arena);
	check(vmem_hash_arena);
	vmem_destroy(vmp);
}

/* A forked child has working arenas, whatever the parent's threads held. */
static void
a_forked_child_goes_on(void)
{
	vmem_t *vmp = ids_of(1, 1000);
	int status = -1;
	pid_t pid;

	vmem_alloc(vmp, 10, VM_NOSLEEP);
	pid = fork();
	if (pid == 0) {
		vmem_t *own = ids_of(1, 10);

		vmem_alloc(vmp, 5, VM_NOSLEEP);
		vmem_free(own, vmem_alloc(own, 1, VM_NOSLEEP), 1);
		vmem_destroy(own);
		_exit(vmem_check(vmp, NULL, 0) != 0 || vmem_size(vmp, VMEM_ALLOC) != 15);
	}
	waitpid(pid, &status, 0);
	CU_ASSERT_EQUAL(status, 0);
	CU_ASSERT_EQUAL(vmem_size(vmp, VMEM_ALLOC), 10);
	vmem_free(vmp, ADDR(1), 10);
	vmem_destroy(vmp);
}

/* The segment that has an address, in use or free; none outside of all spans. */
static void
addresses_find_their_segment(void)
{
	vmem_t *vmp = vmem_create("whereis", (void *)1000, 100, 1, NULL, NULL, NULL, 0, VM_NOSLEEP);
	vmem_where_t where = { 0 };
	uword p = pointer_to_uword(vmem_alloc(vmp, 10, VM_NOSLEEP));

	CU_ASSERT_EQUAL(vmem_whereis(vmp, p, &where), 0);
	CU_ASSERT(where.start == p && where.size == 10 && !where.is_free);
	CU_ASSERT_EQUAL(vmem_whereis(vmp, p + 9, &where), 0);
	CU_ASSERT(where.start == p && !where.is_free);
	CU_ASSERT_EQUAL(vmem_whereis(vmp, 1099, &where), 0);
	CU_ASSERT(where.is_free && where.start + where.size == 1100);
	CU_ASSERT_EQUAL(vmem_whereis(vmp, 999, &where), -ENOENT);
	CU_ASSERT_EQUAL(vmem_whereis(vmp, 1100, &where), -ENOENT);
	CU_ASSERT_EQUAL(vmem_whereis(vmp, 0, &where), -ENOENT);
	CU_ASSERT_EQUAL(vmem_whereis(vmp, ~0ul, &where), -ENOENT);
	vmem_free(vmp, (void *)p, 10);
	vmem_destroy(vmp);
}

static const unit_test_t tests[] = {
	UNIT(addresses_find_their_segment),
	UNIT(vlan_ids_are_a_resource),
	UNIT(each_policy_takes_its_hole),
	UNIT(next_fit_wraps_and_ends),
	UNIT(constraints_combine),
	UNIT(contradictory_requests_are_refused),
	UNIT(bad_arenas_and_spans_are_refused),
	UNIT(every_wrong_free_is_named),
	UNIT(destroy_tells_of_leaks),
	UNIT(imports_come_and_go),
	UNIT(imports_leave_room_to_align),
	UNIT(imports_meet_constraints),
	UNIT(the_only_place_is_imported),
	UNIT(an_import_that_came_too_late_goes_back),
	UNIT(a_crooked_import_is_refused),
	UNIT(an_importer_may_enlarge_and_align),
	UNIT(induced_failures_are_reproducible),
	UNIT(a_hopeless_sleeper_is_refused),
	UNIT(panic_stops_the_process),
	UNIT(walks_show_the_segments),
	UNIT(arenas_are_listed),
	UNIT(reap_gives_tags_back),
	UNIT(a_forked_child_goes_on),
};

int
main(void)
{
	return unit_run("vmem", tests, ARRAY_LEN(tests));
}
