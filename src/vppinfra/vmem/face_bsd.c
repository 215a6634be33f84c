/* SPDX-License-Identifier: Apache-2.0 */
/* FreeBSD's signatures over the neutral core: an errno and the address apart, so 0 is one; maxaddr
 * inclusive; M_FIRSTFIT is instant fit.  The page promises ENOMEM for whatever goes wrong; what
 * is a fault and not exhaustion is reported besides. */
#include "faces.h"
#include "vmem_impl.h"

static vmem_policy_t
policy_of(int flags)
{
	if (flags & VMEM_BSD_M_BESTFIT)
		return VMEM_POLICY_BEST;
	return flags & VMEM_BSD_M_NEXTFIT ? VMEM_POLICY_NEXT : VMEM_POLICY_INSTANT;
}

/* Only who says so sleeps. */
static u32
request_flags_of(int flags)
{
	return flags & VMEM_BSD_M_WAITOK ? 0 : VMEM_REQUEST_NOSLEEP;
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
vmem_bsd_alloc(vmem_t *vmp, size_t size, int flags, uword *addrp)
{
	uword addr = 0;
	int error =
		vmem_core_alloc_plain(vmp, size, policy_of(flags), request_flags_of(flags), &addr);

	return answer(vmp, size, error, addr, addrp, __builtin_return_address(0));
}

int
vmem_bsd_xalloc(vmem_t *vmp, size_t size, size_t align, size_t phase, size_t nocross, uword minaddr,
		uword maxaddr, int flags, uword *addrp)
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

void
vmem_bsd_free(vmem_t *vmp, uword addr, size_t size)
{
	vmem_core_free(vmp, addr, size, 0, __builtin_return_address(0));
}

void
vmem_bsd_xfree(vmem_t *vmp, uword addr, size_t size)
{
	vmem_core_free(vmp, addr, size, VMEM_REQUEST_X, __builtin_return_address(0));
}

/* ---- arenas ---- */

static vmem_t *
create(vmem_t *storage, const char *name, uword base, size_t size, size_t quantum,
       size_t qcache_max, int flags, const void *caller)
{
	const vmem_params_t params = { .name = name,
				       .base = base,
				       .size = size,
				       .quantum = quantum,
				       .qcache_max = qcache_max,
				       .source_face = VMEM_FACE_BSD,
				       .policy = policy_of(flags),
				       .storage = storage };
	vmem_t *vmp = NULL;
	int error;

	if (!vmem_is_ready())
		vmem_mmap_arena(NULL, NULL);
	error = vmem_core_create(&params, &vmp);
	if (error == -EINVAL)
		vmem_report("vmem_create: bad quantum or span", NULL, base, size, caller);
	return error ? NULL : vmp;
}

vmem_t *
vmem_bsd_create(const char *name, uword base, size_t size, size_t quantum, size_t qcache_max,
		int flags)
{
	return create(NULL, name, base, size, quantum, qcache_max, flags,
		      __builtin_return_address(0));
}

vmem_t *
vmem_bsd_init(vmem_t *vmp, const char *name, uword base, size_t size, size_t quantum,
	      size_t qcache_max, int flags)
{
	return create(vmp, name, base, size, quantum, qcache_max, flags,
		      __builtin_return_address(0));
}

void
vmem_bsd_destroy(vmem_t *vmp)
{
	const void *caller = __builtin_return_address(0);

	if (vmp && vmem_core_destroy(vmp, caller) == -EBUSY)
		vmem_report("not destroyed: another arena imports from it", vmp, 0, 0, caller);
}

void
vmem_bsd_startup(void)
{
	if (!vmem_is_ready())
		vmem_mmap_arena(NULL, NULL);
}

/* When the import is this face's own vmem_alloc, arg is an arena, and we know what to do with it.
 */
void
vmem_bsd_set_import(vmem_t *vmp, vmem_bsd_import_t *import, vmem_bsd_release_t *release, void *arg,
		    size_t import_quantum)
{
	const vmem_params_t params = {
		.source_alloc = (vmem_alloc_t *)(void *)import,
		.source_free = (vmem_free_t *)(void *)release,
		.source = (void *)import == (void *)vmem_bsd_alloc ? arg : NULL,
		.source_arg = arg,
		.source_face = VMEM_FACE_BSD,
	};

	if (vmem_core_set_import(vmp, &params, import_quantum))
		vmem_report("vmem_set_import: the arena has a span already", vmp, 0, 0,
			    __builtin_return_address(0));
}

static void
reclaim(vmem_t *vmp, int vmflag, void *arg)
{
	((vmem_bsd_reclaim_t *)arg)(vmp,
				    vmflag & VM_NOSLEEP ? VMEM_BSD_M_NOWAIT : VMEM_BSD_M_WAITOK);
}

void
vmem_bsd_set_reclaim(vmem_t *vmp, vmem_bsd_reclaim_t *fn)
{
	vmem_set_reclaim(vmp, fn ? reclaim : NULL, (void *)fn);
}

int
vmem_bsd_add(vmem_t *vmp, uword addr, size_t size, int flags)
{
	int error = vmem_core_add(vmp, addr, size);

	if (error && error != -ENOMEM)
		vmem_report(error == -EEXIST ? "vmem_add: overlaps a span"
					     : "vmem_add: off the quantum or empty",
			    vmp, addr, size, __builtin_return_address(0));
	return error ? ENOMEM : 0;
}

size_t
vmem_bsd_size(vmem_t *vmp, int typemask)
{
	uword inuse;

	if (typemask == 0x10) /* VMEM_MAXFREE */
		return vmem_max_free(vmp);
	inuse = vmem_rounded_inuse(vmp);
	return (typemask & VMEM_ALLOC ? inuse : 0) +
	       (typemask & VMEM_FREE ? VMEM_READ(vmp->vm_kstat.vk_mem_total) - inuse : 0);
}

/* ---- for a debugger ---- */

void
vmem_bsd_whatis(uword addr, vmem_bsd_print_t *print)
{
	vmem_print_owner(addr, print);
}

void
vmem_bsd_print(uword addr, const char *modifiers, vmem_bsd_print_t *print)
{
	vmem_print_arena(uword_to_pointer(addr, vmem_t *), modifiers && strchr(modifiers, 'a'),
			 print);
}

void
vmem_bsd_printall(const char *modifiers, vmem_bsd_print_t *print)
{
	vmem_print_all(modifiers && strchr(modifiers, 'a'), print);
}
