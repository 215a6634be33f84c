/* SPDX-License-Identifier: Apache-2.0 */
/* Calling a source in the shape it has, whichever face it came through, with that face's flags. */
#include "vmem_impl.h"
#include "faces.h"

/* PANIC is not passed on: whoever asked stops the process, and knows the arena's name. */
int
vmem_vmflag_of(u32 request_flags)
{
	return (request_flags & (VMEM_REQUEST_NOSLEEP | VMEM_REQUEST_NO_RETRY) ? VM_NOSLEEP
									       : VM_SLEEP) |
	       (request_flags & VMEM_REQUEST_PUSHPAGE ? VM_PUSHPAGE : 0);
}

static bool
may_sleep(u32 request_flags)
{
	return !(request_flags & (VMEM_REQUEST_NOSLEEP | VMEM_REQUEST_NO_RETRY));
}

int
vmem_source_import(vmem_t *vmp, uword *size, uword align, u32 request_flags, uword *addr)
{
	void *fn = (void *)vmp->vm_source_alloc, *p;
	int vmflag = vmem_vmflag_of(request_flags);

	switch (vmp->vm_source_face) {
	case VMEM_FACE_BSD:
		return ((vmem_bsd_import_t *)fn)(vmp->vm_source_arg, *size,
						 may_sleep(request_flags) ? VMEM_BSD_M_WAITOK
									  : VMEM_BSD_M_NOWAIT,
						 addr)
			       ? -ENOMEM
			       : 0;
	case VMEM_FACE_NETBSD:
		return ((vmem_netbsd_import_t *)fn)(vmp->vm_source_arg, *size,
						    may_sleep(request_flags)
							    ? VMEM_NETBSD_VM_SLEEP
							    : VMEM_NETBSD_VM_NOSLEEP,
						    addr)
			       ? -ENOMEM
			       : 0;
	case VMEM_FACE_NETBSD_X:
		return ((vmem_netbsd_ximport_t *)fn)(vmp->vm_source_arg, *size, size,
						     may_sleep(request_flags)
							     ? VMEM_NETBSD_VM_SLEEP
							     : VMEM_NETBSD_VM_NOSLEEP,
						     addr)
			       ? -ENOMEM
			       : 0;
	case VMEM_FACE_ILLUMOS_X:
		p = ((vmem_ximport_t *)fn)(vmp->vm_source, size, align, vmflag);
		break;
	default:
		p = ((vmem_alloc_t *)fn)(vmp->vm_source, *size, vmflag);
		break;
	}
	*addr = pointer_to_uword(p);
	return p ? 0 : -ENOMEM;
}

void
vmem_source_export(vmem_t *vmp, uword addr, uword size)
{
	if (vmp->vm_source_face == VMEM_FACE_ILLUMOS || vmp->vm_source_face == VMEM_FACE_ILLUMOS_X)
		vmp->vm_source_free(vmp->vm_source, uword_to_pointer(addr, void *), size);
	else
		((vmem_bsd_release_t *)(void *)vmp->vm_source_free)(vmp->vm_source_arg, addr, size);
}

bool
vmem_source_is_arena(const vmem_t *vmp)
{
	const void *alloc = (const void *)vmp->vm_source_alloc;
	const void *free = (const void *)vmp->vm_source_free;

	if (vmp->vm_source == NULL)
		return false;
	switch (vmp->vm_source_face) {
	case VMEM_FACE_ILLUMOS:
		return alloc == (const void *)vmem_alloc && free == (const void *)vmem_free;
	case VMEM_FACE_BSD:
		return alloc == (const void *)vmem_bsd_alloc && free == (const void *)vmem_bsd_free;
	case VMEM_FACE_NETBSD:
		return alloc == (const void *)vmem_netbsd_alloc &&
		       free == (const void *)vmem_netbsd_free;
	default:
		return false;
	}
}
