/* SPDX-License-Identifier: Apache-2.0 */
/* NetBSD's signatures over the neutral core.  Like FreeBSD's, but an arena is given its source when
 * it is created, and the flags have other values.  IPL says at what interrupt level an arena may
 * be used: there are none here, so it is taken and has no effect. */
#include "faces.h"
#include "vmem_impl.h"

static u32
request_flags_of(unsigned flags)
{
	return flags & VMEM_NETBSD_VM_SLEEP ? 0 : VMEM_REQUEST_NOSLEEP;
}

static vmem_policy_t
policy_of(unsigned flags)
{
	return flags & VMEM_NETBSD_VM_BESTFIT ? VMEM_POLICY_BEST : VMEM_POLICY_INSTANT;
}

/* An errno and the address as this face hands them out. */
static int
answer(vmem_t *vmp, uword size, int error, uword addr, uword *addrp, const void *caller)
{
	if (PREDICT_FALSE(error != 0)) {
		vmem_report_refusal(vmp, size, error, caller);
		return ENOMEM;
	}
	if (addrp)
		*addrp = addr;
	return 0;
}

static int
allocate(vmem_t *vmp, const vmem_request_t *request, uword *addrp, const void *caller)
{
	uword addr = 0;
	int error = vmem_core_alloc(vmp, request, &addr);

	return answer(vmp, request->size, error, addr, addrp, caller);
}

int
vmem_netbsd_alloc(vmem_t *vmp, size_t size, unsigned flags, uword *addrp)
{
	uword addr = 0;
	int error =
		vmem_core_alloc_plain(vmp, size, policy_of(flags), request_flags_of(flags), &addr);

	return answer(vmp, size, error, addr, addrp, __builtin_return_address(0));
}

int
vmem_netbsd_xalloc(vmem_t *vmp, size_t size, size_t align, size_t phase, size_t nocross,
		   uword minaddr, uword maxaddr, unsigned flags, uword *addrp)
{
	const vmem_request_t request = { .size = size,
					 .align = align,
					 .phase = phase,
					 .nocross = nocross,
					 .min = minaddr,
					 .max = maxaddr,
					 .policy = policy_of(flags),
					 .flags = request_flags_of(flags) | VMEM_REQUEST_X };

	return allocate(vmp, &request, addrp, __builtin_return_address(0));
}

int
vmem_netbsd_xalloc_addr(vmem_t *vmp, uword addr, size_t size, unsigned flags)
{
	vmem_request_t request = { .size = size,
				   .min = addr,
				   .max = addr + vmem_roundup_size(vmp, size) - 1,
				   .policy = policy_of(flags),
				   .flags = request_flags_of(flags) | VMEM_REQUEST_X };

	return allocate(vmp, &request, NULL, __builtin_return_address(0));
}

void
vmem_netbsd_free(vmem_t *vmp, uword addr, size_t size)
{
	vmem_core_free(vmp, addr, size, 0, __builtin_return_address(0));
}

void
vmem_netbsd_xfree(vmem_t *vmp, uword addr, size_t size)
{
	vmem_core_free(vmp, addr, size, VMEM_REQUEST_X, __builtin_return_address(0));
}

void
vmem_netbsd_xfreeall(vmem_t *vmp)
{
	vmem_core_xfreeall(vmp);
}

/* ---- arenas ---- */

static vmem_t *
create(vmem_t *storage, const char *name, uword base, size_t size, size_t quantum, void *import,
       vmem_bsd_release_t *release, vmem_t *source, size_t qcache_max, unsigned flags, u32 face,
       const void *caller)
{
	const vmem_params_t params = { .name = name,
				       .base = base,
				       .size = size,
				       .quantum = quantum,
				       .source_alloc = (vmem_alloc_t *)import,
				       .source_free = (vmem_free_t *)(void *)release,
				       .source = source,
				       .source_arg = source,
				       .source_face = face,
				       .qcache_max = qcache_max,
				       .policy = policy_of(flags),
				       .storage = storage };
	vmem_t *vmp = NULL;
	int error;

	if (!vmem_is_ready())
		vmem_mmap_arena(NULL, NULL);
	error = vmem_core_create(&params, &vmp);
	if (error == -EINVAL)
		vmem_report("vmem_create: bad quantum or span", NULL, base, size, caller);
	if (error)
		return NULL;
	vmp->vm_is_large_import = (flags & VMEM_NETBSD_VM_LARGEIMPORT) != 0;
	return vmp;
}

vmem_t *
vmem_netbsd_create(const char *name, uword base, size_t size, size_t quantum,
		   vmem_netbsd_import_t *import, vmem_bsd_release_t *release, vmem_t *source,
		   size_t qcache_max, unsigned flags, int ipl)
{
	return create(NULL, name, base, size, quantum, (void *)import, release, source, qcache_max,
		      flags, VMEM_FACE_NETBSD, __builtin_return_address(0));
}

vmem_t *
vmem_netbsd_xcreate(const char *name, uword base, size_t size, size_t quantum,
		    vmem_netbsd_ximport_t *import, vmem_bsd_release_t *release, vmem_t *source,
		    size_t qcache_max, unsigned flags, int ipl)
{
	return create(NULL, name, base, size, quantum, (void *)import, release, source, qcache_max,
		      flags, VMEM_FACE_NETBSD_X, __builtin_return_address(0));
}

vmem_t *
vmem_netbsd_init(vmem_t *vmp, const char *name, uword base, size_t size, size_t quantum,
		 vmem_netbsd_import_t *import, vmem_bsd_release_t *release, vmem_t *source,
		 size_t qcache_max, unsigned flags, int ipl)
{
	return create(vmp, name, base, size, quantum, (void *)import, release, source, qcache_max,
		      flags, flags & VMEM_NETBSD_VM_XIMPORT ? VMEM_FACE_NETBSD_X : VMEM_FACE_NETBSD,
		      __builtin_return_address(0));
}

void
vmem_netbsd_destroy(vmem_t *vmp)
{
	vmem_bsd_destroy(vmp);
}

int
vmem_netbsd_add(vmem_t *vmp, uword addr, size_t size, unsigned flags)
{
	int error = vmem_core_add(vmp, addr, size);

	if (error && error != -ENOMEM)
		vmem_report(error == -EEXIST ? "vmem_add: overlaps a span"
					     : "vmem_add: off the quantum or empty",
			    vmp, addr, size, __builtin_return_address(0));
	return error ? ENOMEM : 0;
}

size_t
vmem_netbsd_size(vmem_t *vmp, int typemask)
{
	uword inuse = vmem_rounded_inuse(vmp);

	return (typemask & VMEM_ALLOC ? inuse : 0) +
	       (typemask & VMEM_FREE ? VMEM_READ(vmp->vm_kstat.vk_mem_total) - inuse : 0);
}

/* ---- for a debugger: the print functions differ in what they return, which nobody looks at ----
 */

void
vmem_netbsd_whatis(uword addr, vmem_netbsd_print_t *print)
{
	vmem_print_owner(addr, (vmem_print_function_t *)(void *)print);
}

void
vmem_netbsd_print(uword addr, const char *modifiers, vmem_netbsd_print_t *print)
{
	vmem_print_arena(uword_to_pointer(addr, vmem_t *), modifiers && strchr(modifiers, 'a'),
			 (vmem_print_function_t *)(void *)print);
}

void
vmem_netbsd_printall(const char *modifiers, vmem_netbsd_print_t *print)
{
	vmem_print_all(modifiers && strchr(modifiers, 'a'), (vmem_print_function_t *)(void *)print);
}
