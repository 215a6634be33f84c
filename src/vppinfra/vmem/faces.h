/* SPDX-License-Identifier: Apache-2.0 */
/* faces: the real names of what bsd/<sys/vmem.h> and netbsd/<sys/vmem.h> declare.
 *
 * Those headers give the published names by assembler labels, so that `vmem_alloc` in a file that
 * includes one is this library's vmem_bsd_alloc, with that type, and can be taken as a callback,
 * while another file of the same program sees illumos'.  A C file of ours cannot include two of
 * them, so the prototypes are here once more, and the tests that call each by its published name
 * would not run if they differed. */
#ifndef included_vppinfra_vmem_faces_h
#define included_vppinfra_vmem_faces_h

#include <vppinfra/vmem.h>

/* The values that bsd/<sys/malloc.h> and netbsd/<sys/vmem.h> publish. */
#define VMEM_BSD_M_NOWAIT 0x0001
#define VMEM_BSD_M_WAITOK 0x0002
#define VMEM_BSD_M_FIRSTFIT 0x1000
#define VMEM_BSD_M_BESTFIT 0x2000
#define VMEM_BSD_M_NEXTFIT 0x8000

#define VMEM_NETBSD_VM_SLEEP 0x00000001
#define VMEM_NETBSD_VM_NOSLEEP 0x00000002
#define VMEM_NETBSD_VM_INSTANTFIT 0x00001000
#define VMEM_NETBSD_VM_BESTFIT 0x00002000
#define VMEM_NETBSD_VM_LARGEIMPORT 0x00080000
#define VMEM_NETBSD_VM_XIMPORT 0x00100000

typedef int(vmem_bsd_import_t)(void *, size_t, int, uword *);
typedef void(vmem_bsd_release_t)(void *, uword, size_t);
typedef void(vmem_bsd_reclaim_t)(vmem_t *, int);
typedef int(vmem_netbsd_import_t)(void *, size_t, unsigned, uword *);
typedef int(vmem_netbsd_ximport_t)(void *, size_t, size_t *, unsigned, uword *);
typedef int(vmem_bsd_print_t)(const char *, ...);
typedef void(vmem_netbsd_print_t)(const char *, ...);

/* ---- FreeBSD's (face_bsd.c) ---- */

CLIB_EXPORT vmem_t *vmem_bsd_create(const char *name, uword base, size_t size, size_t quantum,
				    size_t qcache_max, int flags);
CLIB_EXPORT vmem_t *vmem_bsd_init(vmem_t *vmp, const char *name, uword base, size_t size,
				  size_t quantum, size_t qcache_max, int flags);
CLIB_EXPORT void vmem_bsd_destroy(vmem_t *vmp);
CLIB_EXPORT void vmem_bsd_set_import(vmem_t *vmp, vmem_bsd_import_t *import,
				     vmem_bsd_release_t *release, void *arg, size_t import_quantum);
CLIB_EXPORT void vmem_bsd_set_reclaim(vmem_t *vmp, vmem_bsd_reclaim_t *fn);
CLIB_EXPORT int vmem_bsd_alloc(vmem_t *vmp, size_t size, int flags, uword *addrp);
CLIB_EXPORT void vmem_bsd_free(vmem_t *vmp, uword addr, size_t size);
CLIB_EXPORT int vmem_bsd_xalloc(vmem_t *vmp, size_t size, size_t align, size_t phase,
				size_t nocross, uword minaddr, uword maxaddr, int flags,
				uword *addrp);
CLIB_EXPORT void vmem_bsd_xfree(vmem_t *vmp, uword addr, size_t size);
CLIB_EXPORT int vmem_bsd_add(vmem_t *vmp, uword addr, size_t size, int flags);
CLIB_EXPORT size_t vmem_bsd_size(vmem_t *vmp, int typemask);
CLIB_EXPORT void vmem_bsd_whatis(uword addr, vmem_bsd_print_t *print);
CLIB_EXPORT void vmem_bsd_print(uword addr, const char *modifiers, vmem_bsd_print_t *print);
CLIB_EXPORT void vmem_bsd_printall(const char *modifiers, vmem_bsd_print_t *print);
CLIB_EXPORT void vmem_bsd_startup(void);

/* ---- NetBSD's (face_netbsd.c) ---- */

CLIB_EXPORT vmem_t *vmem_netbsd_create(const char *name, uword base, size_t size, size_t quantum,
				       vmem_netbsd_import_t *import, vmem_bsd_release_t *release,
				       vmem_t *source, size_t qcache_max, unsigned flags, int ipl);
CLIB_EXPORT vmem_t *vmem_netbsd_xcreate(const char *name, uword base, size_t size, size_t quantum,
					vmem_netbsd_ximport_t *import, vmem_bsd_release_t *release,
					vmem_t *source, size_t qcache_max, unsigned flags, int ipl);
CLIB_EXPORT vmem_t *vmem_netbsd_init(vmem_t *vmp, const char *name, uword base, size_t size,
				     size_t quantum, vmem_netbsd_import_t *import,
				     vmem_bsd_release_t *release, vmem_t *source, size_t qcache_max,
				     unsigned flags, int ipl);
CLIB_EXPORT void vmem_netbsd_destroy(vmem_t *vmp);
CLIB_EXPORT int vmem_netbsd_alloc(vmem_t *vmp, size_t size, unsigned flags, uword *addrp);
CLIB_EXPORT void vmem_netbsd_free(vmem_t *vmp, uword addr, size_t size);
CLIB_EXPORT int vmem_netbsd_xalloc(vmem_t *vmp, size_t size, size_t align, size_t phase,
				   size_t nocross, uword minaddr, uword maxaddr, unsigned flags,
				   uword *addrp);
CLIB_EXPORT int vmem_netbsd_xalloc_addr(vmem_t *vmp, uword addr, size_t size, unsigned flags);
CLIB_EXPORT void vmem_netbsd_xfree(vmem_t *vmp, uword addr, size_t size);
CLIB_EXPORT void vmem_netbsd_xfreeall(vmem_t *vmp);
CLIB_EXPORT int vmem_netbsd_add(vmem_t *vmp, uword addr, size_t size, unsigned flags);
CLIB_EXPORT size_t vmem_netbsd_size(vmem_t *vmp, int typemask);
CLIB_EXPORT void vmem_netbsd_whatis(uword addr, vmem_netbsd_print_t *print);
CLIB_EXPORT void vmem_netbsd_print(uword addr, const char *modifiers, vmem_netbsd_print_t *print);
CLIB_EXPORT void vmem_netbsd_printall(const char *modifiers, vmem_netbsd_print_t *print);

#endif
