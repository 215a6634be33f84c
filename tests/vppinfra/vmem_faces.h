/* SPDX-License-Identifier: Apache-2.0 */
/* What the three files of test_vmem_faces call of each other: each sees one face. */
#ifndef included_tests_vmem_faces_h
#define included_tests_vmem_faces_h

#include <vppinfra/vmem_core.h>

/* vmem_faces_bsd.c */
void bsd_zero_is_an_address(void);
void bsd_bounds_are_inclusive(void);
void bsd_imports_and_limits(void);
void bsd_reclaim_makes_room(void);
void bsd_in_place(void);
void bsd_is_printed(void);
void bsd_policies_are_promised(void);
vmem_t *bsd_make_importer(vmem_t *source);
vmem_t *bsd_make(uword base, uword size);
uword bsd_take(vmem_t *vmp, uword size);
void bsd_give(vmem_t *vmp, uword addr, uword size);
void bsd_destroy(vmem_t *vmp);

/* vmem_faces_netbsd.c */
void netbsd_self_test_ends(void);
void netbsd_imports(void);
void netbsd_claims_and_frees_all(void);
void netbsd_in_place(void);
void netbsd_policies_are_promised(void);
vmem_t *netbsd_make_importer(vmem_t *source);
uword netbsd_take(vmem_t *vmp, uword size);
void netbsd_give(vmem_t *vmp, uword addr, uword size);
void netbsd_destroy(vmem_t *vmp);

#endif
