/* SPDX-License-Identifier: Apache-2.0 */
/* smp: the atomic operations by the names that VPP had for them before atomics.h.  Sequential
 * order, any thread; note that the new value comes before the old one. */
#ifndef included_vppinfra_smp_h
#define included_vppinfra_smp_h

#include <vppinfra/atomics.h>
#include <vppinfra/clib.h>
#include <vppinfra/os.h>

/** Stores `value`; value: what *addr was. */
#define clib_smp_swap(addr, value) __atomic_exchange_n((addr), (value), __ATOMIC_SEQ_CST)
/** Adds; value: what *addr was. */
#define clib_smp_atomic_add(addr, increment) clib_atomic_fetch_add((addr), (increment))
/** Stores `value` if *addr is `old_value`; value: what *addr was. */
#define clib_smp_compare_and_swap(addr, value, old_value)                                          \
	clib_atomic_cmp_and_swap((addr), (old_value), (value))
/** One turn of a loop that waits. */
#define clib_smp_pause() CLIB_PAUSE()

#endif
