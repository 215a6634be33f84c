/* SPDX-License-Identifier: Apache-2.0 */
/* <sys/vmem.h> as NetBSD's vmem(9) has it: an include folder of its own, -I.../vppinfra/netbsd
 * before the system's.  The names are real C symbols, each declared with an assembler label, so
 * it has this type and its address may be a callback; other files of the same program may see
 * another face of the same arenas.
 *
 * As in vmem(9): 0 or ENOMEM is returned and the address apart, which may be 0; bounds are
 * inclusive; an arena is given its source when it is created.  Besides: without VM_SLEEP a
 * request does not sleep, and with it it fails, reported, where nobody could ever wake it; without
 * a policy it is VM_INSTANTFIT; VM_BESTFIT finds the smallest. */
#ifndef included_vppinfra_netbsd_vmem_h
#define included_vppinfra_netbsd_vmem_h

#if defined(included_vppinfra_vmem_h) || defined(included_vppinfra_bsd_vmem_h)
#	error "one file sees one vmem face: illumos' <vppinfra/vmem.h>, FreeBSD's or NetBSD's <sys/vmem.h>"
#endif

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <vppinfra/vmem_core.h>

typedef unsigned int vm_flag_t;
typedef uword vmem_addr_t;
typedef size_t vmem_size_t;

/** Bounds of an address that leave it free. */
#define VMEM_ADDR_MIN 0
#define VMEM_ADDR_MAX (~(vmem_addr_t)0)

/* vm_flag_t */
#define VM_SLEEP 0x00000001
#define VM_NOSLEEP 0x00000002
#define VM_INSTANTFIT 0x00001000
#define VM_BESTFIT 0x00002000
#define VM_BOOTSTRAP 0x00010000   /* taken: tags are always there */
#define VM_POPULATING 0x00040000  /* taken: the engine knows when it does */
#define VM_LARGEIMPORT 0x00080000 /* import sixteen times what is needed, if the source has it */
#define VM_XIMPORT 0x00100000     /* the import is a vmem_ximport_t: for vmem_init() */
#define VM_PRIVTAGS 0x00200000    /* taken: tags are shared as the engine sees fit */

/* vmem_size(), as rounded to the quantum; may be or-ed. */
#define VMEM_ALLOC 0x01
#define VMEM_FREE 0x02

/* Interrupt levels: there are none here. */
#ifndef IPL_NONE
#	define IPL_NONE 0
#	define IPL_SOFTCLOCK 1
#	define IPL_SOFTBIO 2
#	define IPL_SOFTNET 3
#	define IPL_SOFTSERIAL 4
#	define IPL_VM 5
#	define IPL_SCHED 6
#	define IPL_HIGH 7
#endif

/** The source, size, VM_SLEEP or VM_NOSLEEP; 0 and the address, or an errno.  Called with no arena
 *  locked. */
typedef int(vmem_import_t)(void *, vmem_size_t, vm_flag_t, vmem_addr_t *);
/** The same, and it may give more: the size that it gave. */
typedef int(vmem_ximport_t)(void *, vmem_size_t, vmem_size_t *, vm_flag_t, vmem_addr_t *);
typedef void(vmem_release_t)(void *, vmem_addr_t, vmem_size_t);

/** A label for a declaration: the library's name of it. */
#define _VMEM_NETBSD(name) __asm__("vmem_netbsd_" #name)

/** @param size 0 if no initial span is required  @param importfn, releasefn, source NULL for none
 *  @param flags VM_SLEEP or VM_NOSLEEP, VM_LARGEIMPORT; VM_BESTFIT if requests will have it: what
 *  that takes is then kept from the first free segment on, see vmem_prepare()
 *  @return NULL when memory is short or, reported, when an argument is wrong */
CLIB_EXPORT vmem_t *vmem_create(const char *name, vmem_addr_t base, vmem_size_t size,
				vmem_size_t quantum, vmem_import_t *importfn,
				vmem_release_t *releasefn, vmem_t *source, vmem_size_t qcache_max,
				vm_flag_t flags, int ipl) _VMEM_NETBSD(create);
CLIB_EXPORT vmem_t *vmem_xcreate(const char *name, vmem_addr_t base, vmem_size_t size,
				 vmem_size_t quantum, vmem_ximport_t *importfn,
				 vmem_release_t *releasefn, vmem_t *source, vmem_size_t qcache_max,
				 vm_flag_t flags, int ipl) _VMEM_NETBSD(xcreate);
/** The same in the caller's storage, which stays the caller's.  @return vm or NULL */
CLIB_EXPORT vmem_t *vmem_init(vmem_t *vm, const char *name, vmem_addr_t base, vmem_size_t size,
			      vmem_size_t quantum, vmem_import_t *importfn,
			      vmem_release_t *releasefn, vmem_t *source, vmem_size_t qcache_max,
			      vm_flag_t flags, int ipl) _VMEM_NETBSD(init);
CLIB_EXPORT void vmem_destroy(vmem_t *vm) _VMEM_NETBSD(destroy);

/** vmem(9): 0 or ENOMEM, the address through addrp; xalloc's bounds are inclusive.  What alloc gave
 *  goes to free, what xalloc gave to xfree, with the size it was asked for. */
CLIB_EXPORT int vmem_alloc(vmem_t *vm, vmem_size_t size, vm_flag_t flags, vmem_addr_t *addrp)
	_VMEM_NETBSD(alloc);
CLIB_EXPORT void vmem_free(vmem_t *vm, vmem_addr_t addr, vmem_size_t size) _VMEM_NETBSD(free);
CLIB_EXPORT int vmem_xalloc(vmem_t *vm, vmem_size_t size, vmem_size_t align, vmem_size_t phase,
			    vmem_size_t nocross, vmem_addr_t minaddr, vmem_addr_t maxaddr,
			    vm_flag_t flags, vmem_addr_t *addrp) _VMEM_NETBSD(xalloc);
/** Exactly this address. */
CLIB_EXPORT int vmem_xalloc_addr(vmem_t *vm, vmem_addr_t addr, vmem_size_t size, vm_flag_t flags)
	_VMEM_NETBSD(xalloc_addr);
CLIB_EXPORT void vmem_xfree(vmem_t *vm, vmem_addr_t addr, vmem_size_t size) _VMEM_NETBSD(xfree);
/** Whatever vmem_xalloc() gave. */
CLIB_EXPORT void vmem_xfreeall(vmem_t *vm) _VMEM_NETBSD(xfreeall);
/** @return 0; ENOMEM, with a report when it overlaps a span or is off the quantum */
CLIB_EXPORT int vmem_add(vmem_t *vm, vmem_addr_t addr, vmem_size_t size, vm_flag_t flags)
	_VMEM_NETBSD(add);

/** Bytes of the arena that are allocated, free, or both: VMEM_ALLOC, VMEM_FREE. */
CLIB_EXPORT vmem_size_t vmem_size(vmem_t *vm, int typemask) _VMEM_NETBSD(size);

/** Who has an address; one arena, whose address it is, with its segments for the modifier 'a';
 *  all of them.  pr is like printf. */
CLIB_EXPORT void vmem_whatis(vmem_addr_t addr, void (*pr)(const char *, ...)) _VMEM_NETBSD(whatis);
CLIB_EXPORT void vmem_print(vmem_addr_t addr, const char *modifiers, void (*pr)(const char *, ...))
	_VMEM_NETBSD(print);
CLIB_EXPORT void vmem_printall(const char *modifiers, void (*pr)(const char *, ...))
	_VMEM_NETBSD(printall);

#endif
