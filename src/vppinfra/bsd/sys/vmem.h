/* SPDX-License-Identifier: Apache-2.0 */
/* <sys/vmem.h> as FreeBSD's vmem(9) has it: an include folder of its own, -I.../vppinfra/bsd before
 * the system's.  The names are real C symbols: each is declared with an assembler label, so it
 * has this type, its address may be a callback, and other files of the same program may see
 * another face of the same arenas.  <vppinfra/vmem_core.h>, which comes with it, has what FreeBSD
 * has not.
 *
 * As in vmem(9): 0 or ENOMEM is returned and the address apart, which may be 0, and addrp may be
 * NULL; minaddr and maxaddr are inclusive; a segment is given back by the pair it was taken with.
 * Besides: with neither M_WAITOK nor M_NOWAIT a request does not sleep; M_WAITOK fails, reported,
 * where nobody could ever wake it; M_FIRSTFIT, which is also what no policy means, is the
 * constant-time instant fit; M_BESTFIT finds the smallest, and M_NEXTFIT takes bounds. */
#ifndef included_vppinfra_bsd_vmem_h
#define included_vppinfra_bsd_vmem_h

#if defined(included_vppinfra_vmem_h) || defined(included_vppinfra_netbsd_vmem_h)
#	error "one file sees one vmem face: illumos' <vppinfra/vmem.h>, FreeBSD's or NetBSD's <sys/vmem.h>"
#endif

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/malloc.h>
#include <vppinfra/vmem_core.h>

typedef uword vmem_addr_t;
typedef size_t vmem_size_t;

/** Bounds of an address that leave it free; an arena with quantum caches cannot hand out 0. */
#define VMEM_ADDR_MIN 0
#define VMEM_ADDR_QCACHE_MIN 1
#define VMEM_ADDR_MAX (~(vmem_addr_t)0)

/* vmem_size(): what is allocated and free, as rounded to the quantum, may be or-ed; and the
 * largest free segment. */
#define VMEM_ALLOC 0x01
#define VMEM_FREE 0x02
#define VMEM_MAXFREE 0x10

/** arg of vmem_set_import(), size, M_WAITOK or M_NOWAIT; 0 and the address, or an errno.  Called
 *  with no arena locked. */
typedef int(vmem_import_t)(void *, vmem_size_t, int, vmem_addr_t *);
typedef void(vmem_release_t)(void *, vmem_addr_t, vmem_size_t);
/** Called before a request fails or sleeps: it may free to the arena; where it allocates from it,
 * it is not called for that. */
typedef void(vmem_reclaim_t)(vmem_t *, int);

/** A label for a declaration: the library's name of it. */
#define _VMEM_BSD(name) __asm__("vmem_bsd_" #name)

/** @param size 0 if no initial span is required  @param flags M_WAITOK or M_NOWAIT; M_BESTFIT or
 *  M_NEXTFIT if requests will have such a policy: what it takes is then kept from the first free
 *  segment on, see vmem_prepare()  @return NULL when memory is short or, reported,
 *  when an argument is wrong */
CLIB_EXPORT vmem_t *vmem_create(const char *name, vmem_addr_t base, vmem_size_t size,
				vmem_size_t quantum, vmem_size_t qcache_max, int flags)
	_VMEM_BSD(create);
/** The same in the caller's storage, which stays the caller's.  @return vm or NULL */
CLIB_EXPORT vmem_t *vmem_init(vmem_t *vm, const char *name, vmem_addr_t base, vmem_size_t size,
			      vmem_size_t quantum, vmem_size_t qcache_max, int flags)
	_VMEM_BSD(init);
CLIB_EXPORT void vmem_destroy(vmem_t *vm) _VMEM_BSD(destroy);
/** While there is no span: where to import from, in multiples of import_quantum. */
CLIB_EXPORT void vmem_set_import(vmem_t *vm, vmem_import_t *importfn, vmem_release_t *releasefn,
				 void *arg, vmem_size_t import_quantum) _VMEM_BSD(set_import);
/** What the spans may come to by imports, 0 for no limit. */
CLIB_EXPORT void vmem_set_limit(vmem_t *vm, vmem_size_t limit);
CLIB_EXPORT void vmem_set_reclaim(vmem_t *vm, vmem_reclaim_t *reclaimfn) _VMEM_BSD(set_reclaim);

/** vmem(9): 0 or ENOMEM, the address through addrp; xalloc's bounds are inclusive.  What alloc gave
 *  goes to free, what xalloc gave to xfree, with the size it was asked for. */
CLIB_EXPORT int vmem_alloc(vmem_t *vm, vmem_size_t size, int flags, vmem_addr_t *addrp)
	_VMEM_BSD(alloc);
CLIB_EXPORT void vmem_free(vmem_t *vm, vmem_addr_t addr, vmem_size_t size) _VMEM_BSD(free);
CLIB_EXPORT int vmem_xalloc(vmem_t *vm, vmem_size_t size, vmem_size_t align, vmem_size_t phase,
			    vmem_size_t nocross, vmem_addr_t minaddr, vmem_addr_t maxaddr,
			    int flags, vmem_addr_t *addrp) _VMEM_BSD(xalloc);
CLIB_EXPORT void vmem_xfree(vmem_t *vm, vmem_addr_t addr, vmem_size_t size) _VMEM_BSD(xfree);
/** @return 0; ENOMEM, with a report when it overlaps a span or is off the quantum */
CLIB_EXPORT int vmem_add(vmem_t *vm, vmem_addr_t addr, vmem_size_t size, int flags) _VMEM_BSD(add);

/** Bytes of the arena that are allocated, free, or both: VMEM_ALLOC, VMEM_FREE. */
CLIB_EXPORT vmem_size_t vmem_size(vmem_t *vm, int typemask) _VMEM_BSD(size);

/** Who has an address; one arena, whose address it is, with its segments for the modifier 'a';
 *  all of them.  fn is like printf. */
CLIB_EXPORT void vmem_whatis(vmem_addr_t addr, int (*fn)(const char *, ...)) _VMEM_BSD(whatis);
CLIB_EXPORT void vmem_print(vmem_addr_t addr, const char *modifiers, int (*fn)(const char *, ...))
	_VMEM_BSD(print);
CLIB_EXPORT void vmem_printall(const char *modifiers, int (*fn)(const char *, ...))
	_VMEM_BSD(printall);
/** The first vmem_create() does it as well. */
CLIB_EXPORT void vmem_startup(void) _VMEM_BSD(startup);

#endif
