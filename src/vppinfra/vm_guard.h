/* SPDX-License-Identifier: Apache-2.0 */
/* vm_guard: a protection key on the records that memory is kept by, so that a stray store does not
 * quietly ruin them but is a fault at the very instruction (SEGV_PKUERR, which fault.h explains).
 *
 * Off until vm_guard_enable().  From then on the records of new sets of pages (pages.h), and the
 * descriptors of slabs that lie apart from their slabs (kmem.h), can be read by everybody and be
 * written only inside our calls: a call that writes them opens the key for its own thread, which
 * costs no system call but some 140 cycles, and closes it when it returns.  Such a set of pages
 * keeps no pages by thread, so that each of its calls pays that; nothing is paid while it is off.
 *
 * Threads: enable from the main one, before the others start: a thread inherits the right to read
 * from who starts it, and one that is older gets it in its first call that writes.  A signal
 * handler starts without; clib_fault_install()'s has it. */
#ifndef included_vppinfra_vm_guard_h
#define included_vppinfra_vm_guard_h

#include <vppinfra/clib.h>

/**
 * Guard what is made from now on; for the rest of the process.
 * @param[out] why  on error a line for people; may be NULL
 * @return 0, also when it is on; -ENOTSUP the processor or the kernel has no protection keys;
 *         -ENOSPC the process has none left of its 15.
 */
CLIB_EXPORT int vm_guard_enable(const char **why);
/** The protection key, or 0: off. */
CLIB_EXPORT int vm_guard_key(void);

/** For layers that have something to guard: let this thread write what is guarded; nests.
 *  @return what vm_guard_close() has to be given.  Nothing happens while it is off. */
CLIB_EXPORT u32 vm_guard_open(void);
CLIB_EXPORT void vm_guard_close(u32 before);
/** Guard whole pages of this process; they stay readable.  @return 0, also while it is off; -ENOMEM
 *  the process has too many mappings. */
CLIB_EXPORT int vm_guard_protect(void *start, uword n_bytes);
/** Before they go back to whoever does not know of guards. */
CLIB_EXPORT void vm_guard_unprotect(void *start, uword n_bytes);

#endif
