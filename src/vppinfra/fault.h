/* SPDX-License-Identifier: Apache-2.0 */
/* fault: why an address could not be used, in words.
 *
 * A handler of SIGSEGV and SIGBUS finds out which of the causes it was, names the range, heap and
 * object that the address belongs to, writes that to stderr, and gives the signal back to whoever
 * had it before: the instruction faults once more, so a core file shows the very place.
 *
 *   vmheap: SIGSEGV: write to 0x7efd2e33e000: not committed: address space of range 'numa-0'
 *   that no page was put into yet
 *   vmheap:   heap 'numa-0 heap': past the end of its vector; the last object before is 48 bytes
 *   at offset 0x8010
 *
 * Causes, as operating systems tell page faults apart:
 *
 *   outside         in no mapping of this process
 *   rights          mapped, but not for this kind of access
 *   not committed   inside a vm range, reserved, no page there yet
 *   no page         the mapping promises a page that cannot be had: a huge page pool that is
 *                   empty, a file that is shorter
 *   copy on write   the page is there and a private copy of it cannot be made
 *   not attached    a range that another process grew and this one has not attached yet
 *   key             a protection key forbids it
 *
 * Layers above (named zones, object caches, pools) add what they know by a describer.
 *
 * An address that cannot be one (x86: bits 47 to 63 differ) is not named by the processor: the
 * report has the registers that hold no address instead.  A stack that is used up is reported
 * where the thread has another one for signals (sigaltstack()).
 *
 * A program's handler that was installed before ours gets the signal after the report.  One that is
 * installed later is on top: ours reports when that one calls it, and the signal then goes to
 * whoever had it before both.
 *
 * Threads: a fault is reported by the thread that has it; a second one at the same time only
 * dies, and so does a fault inside the report.  Everything here is safe in a signal handler, except
 * install and uninstall. */
#ifndef included_vppinfra_fault_h
#define included_vppinfra_fault_h

#include <signal.h>
#include <vppinfra/clib.h>

typedef enum {
	CLIB_FAULT_OUTSIDE = 1,
	CLIB_FAULT_RIGHTS,
	CLIB_FAULT_NOT_COMMITTED,
	CLIB_FAULT_NO_PAGE,
	CLIB_FAULT_COPY_ON_WRITE,
	CLIB_FAULT_NOT_ATTACHED,
	CLIB_FAULT_KEY,
} clib_fault_cause_t;

typedef struct {
	clib_fault_cause_t cause;
	int signal, code; /* si_signo and si_code */
	uword address;
	/** 1 a write, 0 a read, -1 the processor does not say. */
	int is_write;
	/** Where the program was; 0 when not known. */
	uword instruction;
	/** Lines for people, each ended by a newline; NUL terminated. */
	char text[1024];
} clib_fault_t;

/** "not committed" ...  Static text. */
CLIB_EXPORT const char *clib_fault_cause_name(clib_fault_cause_t cause);

/**
 * Find the cause and write fault->text.
 * @param info  as a SA_SIGINFO handler got it
 * @param context  its third argument, or NULL
 */
CLIB_EXPORT void clib_fault_inspect(const siginfo_t *info, const void *context,
				    clib_fault_t *fault);

/** Report faults of this process from now on.  @return 0; -EALREADY; -errno of sigaction(). */
CLIB_EXPORT int clib_fault_install(void);
/** Put back the handlers that were there before.
 *  @return 0; -ENOENT it is not installed; -EBUSY somebody put a handler over ours, and may call
 * it: all stays as it is */
CLIB_EXPORT int clib_fault_uninstall(void);

/**
 * What a layer knows of an address: appends to fault->text with clib_fault_print(), and may set a
 * cause that only it can know.  Runs in the signal handler.
 */
typedef void(clib_fault_describer_t)(clib_fault_t *fault);

/** Describers at one time. */
#define CLIB_FAULT_MAX_DESCRIBERS 16
/** @return 0; -EEXIST; -ENOSPC; remove: -ENOENT.  Threads: any. */
CLIB_EXPORT int clib_fault_add_describer(clib_fault_describer_t *fn);
CLIB_EXPORT int clib_fault_remove_describer(clib_fault_describer_t *fn);

/** Ask all describers. */
CLIB_EXPORT void clib_fault_describe(clib_fault_t *fault);

/** Append to a text of n_text bytes as printf would; of conversions only %s, %d and %u (int), %lu
 *  and %lx (uword).  Cut where the text is full.  Safe in a signal handler. */
CLIB_EXPORT void clib_fault_print(char *text, uword n_text, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
