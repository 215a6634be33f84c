/* SPDX-License-Identifier: Apache-2.0 */
/* illumos' signatures over the neutral core: addresses are pointers and NULL is failure, so
 * address 0 is refused at the door; maxaddr is exclusive; VM_PANIC is carried out here. */
#include "fast.h"
#include "qfast.h"

static vmem_policy_t
policy_of(int vmflag)
{
	if (vmflag & VM_BESTFIT)
		return VMEM_POLICY_BEST;
	if (vmflag & VM_FIRSTFIT)
		return VMEM_POLICY_FIRST;
	return vmflag & VM_NEXTFIT ? VMEM_POLICY_NEXT : VMEM_POLICY_INSTANT;
}

STATIC_ASSERT(VM_NOSLEEP == VMEM_REQUEST_NOSLEEP && VM_PANIC == VMEM_REQUEST_PANIC &&
		      VM_PUSHPAGE == VMEM_REQUEST_PUSHPAGE,
	      "these need no translation");

static u32
request_flags_of(int vmflag)
{
	return (vmflag & (VM_NOSLEEP | VM_PANIC | VM_PUSHPAGE)) |
	       (vmflag & VM_ABORT ? VMEM_REQUEST_NO_RETRY : 0) |
	       (vmflag & VM_ENDALLOC ? VMEM_REQUEST_HIGH_END : 0);
}

/* What a failure is called.  Plain exhaustion is no fault and is not reported. */
static void *
refused(vmem_t *vmp, uword size, int vmflag, int error, const void *caller)
{
	const char *what = vmem_refusal_text(error);

	if (vmflag & VM_PANIC)
		vmem_panic(what ? what : "VM_PANIC request failed", vmp, size, caller);
	if (what)
		vmem_report(what, vmp, 0, size, caller);
	return NULL;
}

static vmem_t *
create(const char *name, void *base, size_t size, size_t quantum, vmem_alloc_t *afunc,
       vmem_free_t *ffunc, vmem_t *source, size_t qcache_max, int vmflag, u32 face,
       const void *caller)
{
	const vmem_params_t params = {
		.name = name,
		.base = pointer_to_uword(base),
		.size = size,
		.quantum = quantum,
		.source_alloc = afunc,
		.source_free = ffunc,
		.source = source,
		.source_face = face,
		.qcache_max = qcache_max,
		.cflags = vmflag & ~VM_FLAGS,
		.policy = policy_of(vmflag),
	};
	vmem_t *vmp = NULL;
	int error;

	if (!vmem_is_ready())
		vmem_mmap_arena(NULL, NULL);
	error = (base == NULL && size) || (afunc == vmem_alloc && !source)
			? -EINVAL
			: vmem_core_create(&params, &vmp);
	if (error == -EINVAL)
		vmem_report("vmem_create: bad quantum or span, or no source", NULL,
			    pointer_to_uword(base), size, caller);
	if (error && (vmflag & VM_PANIC))
		vmem_panic("vmem_create failed", NULL, size, caller);
	return error ? NULL : vmp;
}

vmem_t *
vmem_create(const char *name, void *base, size_t size, size_t quantum, vmem_alloc_t *afunc,
	    vmem_free_t *ffunc, vmem_t *source, size_t qcache_max, int vmflag)
{
	return create(name, base, size, quantum, afunc, ffunc, source, qcache_max,
		      vmflag & ~(VMC_XALLOC | VMC_XALIGN), VMEM_FACE_ILLUMOS,
		      __builtin_return_address(0));
}

vmem_t *
vmem_xcreate(const char *name, void *base, size_t size, size_t quantum, vmem_ximport_t *afunc,
	     vmem_free_t *ffunc, vmem_t *source, size_t qcache_max, int vmflag)
{
	return create(name, base, size, quantum, (vmem_alloc_t *)(void *)afunc, ffunc, source,
		      qcache_max, vmflag | VMC_XALLOC, VMEM_FACE_ILLUMOS_X,
		      __builtin_return_address(0));
}

void
vmem_destroy(vmem_t *vmp)
{
	const void *caller = __builtin_return_address(0);

	if (vmp && vmem_core_destroy(vmp, caller) == -EBUSY)
		vmem_report("not destroyed: another arena imports from it", vmp, 0, 0, caller);
}

/* An arena of another face has handed out its address 0, which would be taken for a failure: it
 * goes back, and the request is made again without it. */
static never_inline void *
alloc_above_zero(vmem_t *vmp, vmem_request_t request, int vmflag, const void *caller)
{
	uword addr;
	int error;

	vmem_core_free(vmp, 0, request.size, request.flags, caller);
	request.min = 1;
	error = vmem_core_alloc(vmp, &request, &addr);
	return error ? refused(vmp, request.size, vmflag, error, caller)
		     : uword_to_pointer(addr, void *);
}

static never_inline void *
alloc_another(vmem_t *vmp, size_t size, int vmflag, const void *caller)
{
	const vmem_request_t request = { .size = size,
					 .max = ~(uword)0,
					 .policy = policy_of(vmflag),
					 .flags = request_flags_of(vmflag) };

	return alloc_above_zero(vmp, request, vmflag, caller);
}

static never_inline void *
alloc_slow(vmem_t *vmp, size_t size, int vmflag, const void *caller)
{
	uword addr;
	int error = vmem_core_alloc_plain(vmp, size, policy_of(vmflag), request_flags_of(vmflag),
					  &addr);

	if (PREDICT_FALSE(error != 0))
		return refused(vmp, size, vmflag, error, caller);
	if (PREDICT_FALSE(addr == 0))
		return alloc_another(vmp, size, vmflag, caller);
	return uword_to_pointer(addr, void *);
}

#define VM_POLICIES (VM_BESTFIT | VM_FIRSTFIT | VM_NEXTFIT | VM_ENDALLOC)

/* Ways that a call ends in are functions of their own, left to by a jump: so they save the
 * registers that they need, the call none, and who called it is who they return to.  Where the
 * compiler makes no such jumps they are parts of the call. */
#ifdef CLIB_NO_SIBLING_CALLS
#	define ENDS_HERE always_inline
#else
#	define ENDS_HERE static never_inline
#endif

ENDS_HERE void *
alloc_cached(vmem_t *vmp, size_t size, int vmflag)
{
	uword addr;

	if (PREDICT_TRUE(!(vmflag & VM_POLICIES) &&
			 vmem_qcache_alloc_fast(vmp, size, vmflag, &addr))) {
		if (PREDICT_FALSE(addr == 0))
			return alloc_another(vmp, size, vmflag, __builtin_return_address(0));
		return uword_to_pointer(addr, void *);
	}
	return alloc_slow(vmp, size, vmflag, __builtin_return_address(0));
}

ENDS_HERE void *
alloc_plain(vmem_t *vmp, size_t size, int vmflag)
{
	uword addr;

	if (PREDICT_TRUE(vmem_alloc_fast(vmp, size, false, &addr))) {
		if (PREDICT_FALSE(addr == 0))
			return alloc_another(vmp, size, vmflag, __builtin_return_address(0));
		return uword_to_pointer(addr, void *);
	}
	return alloc_slow(vmp, size, vmflag, __builtin_return_address(0));
}

ENDS_HERE void *
alloc_by_policy(vmem_t *vmp, size_t size, int vmflag)
{
	return alloc_slow(vmp, size, vmflag, __builtin_return_address(0));
}

void *
vmem_alloc(vmem_t *vmp, size_t size, int vmflag)
{
	if (vmp->vm_n_qcaches)
		return alloc_cached(vmp, size, vmflag);
	if (vmflag & VM_POLICIES)
		return alloc_by_policy(vmp, size, vmflag);
	return alloc_plain(vmp, size, vmflag);
}

void *
vmem_xalloc(vmem_t *vmp, size_t size, size_t align, size_t phase, size_t nocross, void *minaddr,
	    void *maxaddr, int vmflag)
{
	const vmem_request_t request = {
		.size = size,
		.align = align,
		.phase = phase,
		.nocross = nocross,
		.min = pointer_to_uword(minaddr),
		.max = maxaddr ? pointer_to_uword(maxaddr) - 1 : ~(uword)0,
		.policy = policy_of(vmflag),
		.flags = request_flags_of(vmflag) | VMEM_REQUEST_X | VMEM_REQUEST_STRICT,
	};
	uword addr;
	int error = vmem_core_alloc(vmp, &request, &addr);

	if (PREDICT_FALSE(error != 0))
		return refused(vmp, size, vmflag, error, __builtin_return_address(0));
	if (PREDICT_FALSE(addr == 0))
		return alloc_above_zero(vmp, request, vmflag, __builtin_return_address(0));
	return uword_to_pointer(addr, void *);
}

int
vmem_alloc_timed(vmem_t *vmp, size_t size, int vmflag, u64 timeout_ns, void **addr)
{
	const vmem_request_t request = { .size = size,
					 .max = ~(uword)0,
					 .policy = policy_of(vmflag),
					 .flags = request_flags_of(vmflag),
					 .timeout_ns = timeout_ns };
	uword got;
	int error = vmem_core_alloc(vmp, &request, &got);

	if (PREDICT_TRUE(error == 0))
		*addr = uword_to_pointer(got, void *);
	else
		refused(vmp, size, vmflag, error, __builtin_return_address(0));
	return error;
}

ENDS_HERE void
free_cached(vmem_t *vmp, uword addr, uword size)
{
	if (PREDICT_FALSE(!vmem_qcache_free_fast(vmp, addr, size)))
		vmem_core_free(vmp, addr, size, 0, __builtin_return_address(0));
}

ENDS_HERE void
free_plain(vmem_t *vmp, uword addr, uword size)
{
	if (PREDICT_FALSE(!vmem_free_fast(vmp, addr, size, false)))
		vmem_core_free(vmp, addr, size, 0, __builtin_return_address(0));
}

void
vmem_free(vmem_t *vmp, void *vaddr, size_t size)
{
	if (vmp->vm_n_qcaches)
		free_cached(vmp, pointer_to_uword(vaddr), size);
	else
		free_plain(vmp, pointer_to_uword(vaddr), size);
}

void
vmem_xfree(vmem_t *vmp, void *vaddr, size_t size)
{
	vmem_core_free(vmp, pointer_to_uword(vaddr), size, VMEM_REQUEST_X,
		       __builtin_return_address(0));
}

void *
vmem_add(vmem_t *vmp, void *vaddr, size_t size, int vmflag)
{
	const void *caller = __builtin_return_address(0);
	int error = vaddr ? vmem_core_add(vmp, pointer_to_uword(vaddr), size) : -EINVAL;

	if (error == 0)
		return vaddr;
	if (vmflag & VM_PANIC)
		vmem_panic("vmem_add failed", vmp, size, caller);
	if (error != -ENOMEM)
		vmem_report(error == -EEXIST ? "vmem_add: overlaps a span"
					     : "vmem_add: no span at 0, off the quantum or empty",
			    vmp, pointer_to_uword(vaddr), size, caller);
	return NULL;
}

int
vmem_contains(vmem_t *vmp, void *vaddr, size_t size)
{
	return vmem_core_contains(vmp, pointer_to_uword(vaddr), size);
}

int
vmem_set_import(vmem_t *vmp, vmem_alloc_t *afunc, vmem_free_t *ffunc, vmem_t *source,
		size_t import_quantum)
{
	const vmem_params_t params = { .source_alloc = afunc,
				       .source_free = ffunc,
				       .source = source,
				       .source_face = VMEM_FACE_ILLUMOS };

	return vmem_core_set_import(vmp, &params, import_quantum);
}
