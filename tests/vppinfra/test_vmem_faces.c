/* SPDX-License-Identifier: Apache-2.0 */
/* Three faces in one program, one to a file: this one sees illumos', through its <sys/vmem.h>.
 * The others' tests are in their files; here arenas go from one to another. */
#include <sys/vmem.h>
#include "unit.h"
#include "vmem_faces.h"

#define ADDR(x) ((void *)(uword)(x))

/* Each name is a symbol of its own type, so each can be a callback, here all of them at once: an
 * arena of illumos' feeds one of FreeBSD's, that one of NetBSD's, that again one of illumos'. */
static void
a_chain_through_all_faces(void)
{
	vmem_t *root = vmem_create("illumos root", ADDR(MiB(1)), MiB(1), KiB(4), NULL, NULL, NULL,
				   0, VM_NOSLEEP);
	vmem_t *bsd = bsd_make_importer(root), *netbsd = netbsd_make_importer(bsd);
	vmem_t *leaf = vmem_create("illumos leaf", NULL, 0, 16, vmem_alloc, vmem_free, netbsd, 0,
				   VM_NOSLEEP);
	void *p = vmem_alloc(leaf, 100, VM_NOSLEEP);
	uword a = netbsd_take(netbsd, 64), b = bsd_take(bsd, 64);

	CU_ASSERT(pointer_to_uword(p) >= MiB(1));
	CU_ASSERT(a >= MiB(1) && b >= MiB(1));
	CU_ASSERT_EQUAL(vmem_size(root, VMEM_ALLOC), KiB(4));
	/* Whoever wants to may free it through another face: it is the same arena. */
	vmem_free(netbsd, ADDR(a), 64);
	netbsd_give(bsd, b, 64);
	bsd_give(leaf, pointer_to_uword(p), 100);
	CU_ASSERT_EQUAL(vmem_size(root, VMEM_ALLOC), 0);
	vmem_destroy(leaf);
	netbsd_destroy(netbsd);
	bsd_destroy(bsd);
	vmem_destroy(root);
}

/* A constrained request goes down the chain as one, whatever face each arena was made through. */
static void
constraints_go_down_the_chain(void)
{
	vmem_t *root = bsd_make(MiB(1), MiB(1)), *bsd = bsd_make_importer(root);
	vmem_t *leaf = vmem_create("leaf", NULL, 0, 16, vmem_alloc, vmem_free, bsd, 0, VM_NOSLEEP);
	void *p = vmem_xalloc(leaf, 64, 0, 0, 0, ADDR(MiB(1) + KiB(100)),
			      ADDR(MiB(1) + KiB(100) + 64), VM_NOSLEEP);

	CU_ASSERT_PTR_EQUAL(p, ADDR(MiB(1) + KiB(100)));
	vmem_xfree(leaf, p, 64);
	CU_ASSERT_EQUAL(vmem_size(root, VMEM_ALLOC), 0);
	vmem_destroy(leaf);
	bsd_destroy(bsd);
	bsd_destroy(root);
}

/* FreeBSD's face hands out 0, where illumos' has no name for it: it passes over it and loses
 * nothing, as a source, too. */
static void
zero_is_passed_over(void)
{
	vmem_t *bsd = bsd_make(0, KiB(12));
	vmem_t *leaf = vmem_create("leaf", NULL, 0, 1, vmem_alloc, vmem_free, bsd, 0, VM_NOSLEEP);
	void *p = vmem_alloc(bsd, KiB(4), VM_NOSLEEP), *q, *r;

	CU_ASSERT_PTR_EQUAL(p, ADDR(16));
	q = vmem_xalloc(bsd, KiB(4), 0, 0, 0, NULL, NULL, VM_NOSLEEP | VM_FIRSTFIT);
	CU_ASSERT_PTR_EQUAL(q, ADDR(KiB(4) + 16));
	CU_ASSERT_PTR_NULL(vmem_alloc(bsd, KiB(4), VM_NOSLEEP | VM_BESTFIT));
	CU_ASSERT_EQUAL(vmem_size(bsd, VMEM_ALLOC), KiB(8));
	vmem_free(bsd, p, KiB(4));
	r = vmem_alloc(leaf, 1, VM_NOSLEEP);
	CU_ASSERT_PTR_NOT_NULL(r);
	vmem_free(leaf, r, 1);
	vmem_xfree(bsd, q, KiB(4));
	CU_ASSERT_EQUAL(vmem_size(bsd, VMEM_MAXFREE), KiB(12));
	vmem_destroy(leaf);
	bsd_destroy(bsd);
}

/* What each file takes for vmem_alloc is another function. */
static void
names_are_symbols(void)
{
	void *(*alloc)(vmem_t *, size_t, int) = vmem_alloc;
	void (*give)(vmem_t *, void *, size_t) = vmem_free;
	vmem_t *vmp = vmem_create("ids", ADDR(1), 10, 1, NULL, NULL, NULL, 0, VM_NOSLEEP);
	void *p = alloc(vmp, 10, VM_NOSLEEP);

	CU_ASSERT_PTR_EQUAL(p, ADDR(1));
	give(vmp, p, 10);
	vmem_destroy(vmp);
}

static const unit_test_t tests[] = {
	UNIT(bsd_zero_is_an_address),
	UNIT(bsd_bounds_are_inclusive),
	UNIT(bsd_imports_and_limits),
	UNIT(bsd_reclaim_makes_room),
	UNIT(bsd_in_place),
	UNIT(bsd_is_printed),
	UNIT(bsd_policies_are_promised),
	UNIT(netbsd_self_test_ends),
	UNIT(netbsd_imports),
	UNIT(netbsd_claims_and_frees_all),
	UNIT(netbsd_in_place),
	UNIT(netbsd_policies_are_promised),
	UNIT(a_chain_through_all_faces),
	UNIT(constraints_go_down_the_chain),
	UNIT(zero_is_passed_over),
	UNIT(names_are_symbols),
};

int
main(void)
{
	return unit_run("vmem_faces", tests, ARRAY_LEN(tests));
}
