/* SPDX-License-Identifier: Apache-2.0 */
/* backtrace: the stack of the calling thread, and what its addresses are called.
 *
 * Walking needs code built with frame pointers (this library is) and stops at code that is not;
 * it never faults, whatever that code left in the register.  Naming is another matter: it reads
 * files and takes locks, so it is for the control thread, and whoever can do better than dladdr()
 * (file and line, static functions) installs a symbolizer. */
#ifndef included_vppinfra_backtrace_h
#define included_vppinfra_backtrace_h

#include <vppinfra/clib.h>

/** Frames that clib_backtrace() looks at, skipped ones included. */
#define CLIB_BACKTRACE_MAX_CALLERS 64

/**
 * Return addresses from a frame on, innermost first.
 *
 * @param frame  __builtin_frame_address(0) of a function that has not returned: callers[0] is the
 *               address that function returns to
 * @return how many were found, at most max_callers
 *
 * Threads: any, on any stack.  Cost: two loads a frame; system calls where a thread's stack is
 * first seen, and for each page of a stack that is not the thread's own.  No malloc, no lock.
 */
CLIB_EXPORT u32 clib_backtrace_from(const void *frame, uword *callers, u32 max_callers);

/** What an address is called.  The symbolizer fills in what it knows. */
typedef struct {
	/** Object file; "" when nothing is known.  All are NUL terminated, cut where longer. */
	char object[96];
	/** Function, "" when unknown; bytes from its start, or else from the object file's. */
	char function[96];
	uword offset;
	/** Source file, "" when unknown, and line. */
	char file[128];
	u32 line;
} clib_symbol_t;

/** Fills in *symbol, which is zero, for a code address. */
typedef void(clib_symbolizer_t)(uword address, clib_symbol_t *symbol);

/** NULL restores the default, dladdr(): functions that an object exports, no lines.  Threads:
 *  control. */
CLIB_EXPORT void clib_set_symbolizer(clib_symbolizer_t *fn);

/**
 * Ask the symbolizer.
 *
 * @param address  a return address: the byte before it, which belongs to the call, is looked up;
 *                 offset is that of the address itself
 */
CLIB_EXPORT void clib_symbolize(uword address, clib_symbol_t *symbol);

#endif
