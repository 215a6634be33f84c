/* SPDX-License-Identifier: Apache-2.0 */
/* atomics: VPP's names for the compiler's atomic operations.
 *
 * Code of our own uses <stdatomic.h> with the order spelt out; these are for source written
 * against vppinfra, on plain integers and pointers.  Without a suffix the order is sequential;
 * _relax, _acq and _rel say otherwise.  All work on 1, 2, 4 and 8 byte objects, any thread. */
#ifndef included_vppinfra_atomics_h
#define included_vppinfra_atomics_h

/** The type of an object that <stdatomic.h> works on, for structs that C++ sees as well: there it
 *  is std::atomic, of the same size and layout. */
#ifdef __cplusplus
#	include <atomic>
#	define CLIB_ATOMIC(T) std::atomic<T>
using std::memory_order_acquire;
using std::memory_order_relaxed;
using std::memory_order_release;
#else
#	include <stdatomic.h>
#	define CLIB_ATOMIC(T) _Atomic(T)
#endif

/* Value before the operation. */
#define clib_atomic_fetch_add(a, b) __atomic_fetch_add((a), (b), __ATOMIC_SEQ_CST)
#define clib_atomic_fetch_sub(a, b) __atomic_fetch_sub((a), (b), __ATOMIC_SEQ_CST)
#define clib_atomic_fetch_and(a, b) __atomic_fetch_and((a), (b), __ATOMIC_SEQ_CST)
#define clib_atomic_fetch_xor(a, b) __atomic_fetch_xor((a), (b), __ATOMIC_SEQ_CST)
#define clib_atomic_fetch_or(a, b) __atomic_fetch_or((a), (b), __ATOMIC_SEQ_CST)
#define clib_atomic_fetch_nand(a, b) __atomic_fetch_nand((a), (b), __ATOMIC_SEQ_CST)
#define clib_atomic_fetch_add_relax(a, b) __atomic_fetch_add((a), (b), __ATOMIC_RELAXED)
#define clib_atomic_fetch_sub_relax(a, b) __atomic_fetch_sub((a), (b), __ATOMIC_RELAXED)
#define clib_atomic_fetch_add_acq(a, b) __atomic_fetch_add((a), (b), __ATOMIC_ACQUIRE)
#define clib_atomic_fetch_add_rel(a, b) __atomic_fetch_add((a), (b), __ATOMIC_RELEASE)
#define clib_atomic_fetch_sub_rel(a, b) __atomic_fetch_sub((a), (b), __ATOMIC_RELEASE)

/* Value after it. */
#define clib_atomic_add_fetch(a, b) __atomic_add_fetch((a), (b), __ATOMIC_SEQ_CST)
#define clib_atomic_sub_fetch(a, b) __atomic_sub_fetch((a), (b), __ATOMIC_SEQ_CST)
#define clib_atomic_and_fetch(a, b) __atomic_and_fetch((a), (b), __ATOMIC_SEQ_CST)
#define clib_atomic_xor_fetch(a, b) __atomic_xor_fetch((a), (b), __ATOMIC_SEQ_CST)
#define clib_atomic_or_fetch(a, b) __atomic_or_fetch((a), (b), __ATOMIC_SEQ_CST)
#define clib_atomic_nand_fetch(a, b) __atomic_nand_fetch((a), (b), __ATOMIC_SEQ_CST)

/** Stores `new_value` if *addr is `old_value`.  Value: what *addr was, or whether it stored. */
#define clib_atomic_cmp_and_swap(addr, old_value, new_value)                                       \
	__sync_val_compare_and_swap((addr), (old_value), (new_value))
#define clib_atomic_bool_cmp_and_swap(addr, old_value, new_value)                                  \
	__sync_bool_compare_and_swap((addr), (old_value), (new_value))

/** Compare *addr with *exp and store; on failure *exp is what was found.  A weak one may fail
 *  without cause.  The _n form takes the new value, the other a pointer to it. */
#define clib_atomic_cmp_and_swap_acq_relax_n(addr, exp, new_value, is_weak)                        \
	__atomic_compare_exchange_n((addr), (exp), (new_value), (is_weak), __ATOMIC_ACQUIRE,       \
				    __ATOMIC_RELAXED)
#define clib_atomic_cmp_and_swap_acq_relax(addr, exp, new_value, is_weak)                          \
	__atomic_compare_exchange((addr), (exp), (new_value), (is_weak), __ATOMIC_ACQUIRE,         \
				  __ATOMIC_RELAXED)
#define clib_atomic_cmp_and_swap_relax_n(addr, exp, new_value, is_weak)                            \
	__atomic_compare_exchange_n((addr), (exp), (new_value), (is_weak), __ATOMIC_RELAXED,       \
				    __ATOMIC_RELAXED)

/** A lock that is a word: take it, the former value is 0 when it was free (acquire); give it back
 *  (release). */
#define clib_atomic_test_and_set(a) __atomic_exchange_n((a), 1, __ATOMIC_ACQUIRE)
#define clib_atomic_release(a) __atomic_store_n((a), 0, __ATOMIC_RELEASE)

/** Load, store and exchange, with the order that the name ends in. */
#define clib_atomic_load_relax_n(a) __atomic_load_n((a), __ATOMIC_RELAXED)
#define clib_atomic_load_acq_n(a) __atomic_load_n((a), __ATOMIC_ACQUIRE)
#define clib_atomic_load_seq_cst(a) __atomic_load_n((a), __ATOMIC_SEQ_CST)
#define clib_atomic_store_relax_n(a, b) __atomic_store_n((a), (b), __ATOMIC_RELAXED)
#define clib_atomic_store_rel_n(a, b) __atomic_store_n((a), (b), __ATOMIC_RELEASE)
#define clib_atomic_store_seq_cst(a, b) __atomic_store_n((a), (b), __ATOMIC_SEQ_CST)
#define clib_atomic_swap_acq_n(a, b) __atomic_exchange_n((a), (b), __ATOMIC_ACQUIRE)
#define clib_atomic_swap_rel_n(a, b) __atomic_exchange_n((a), (b), __ATOMIC_RELEASE)
#define clib_atomic_swap_acq_rel_n(a, b) __atomic_exchange_n((a), (b), __ATOMIC_ACQ_REL)
#define clib_atomic_swap_relax_n(a, b) __atomic_exchange_n((a), (b), __ATOMIC_RELAXED)

/** Fences of that order. */
#define clib_atomic_fence_rel() __atomic_thread_fence(__ATOMIC_RELEASE)
#define clib_atomic_fence_acq() __atomic_thread_fence(__ATOMIC_ACQUIRE)
#define clib_atomic_fence_seq_cst() __atomic_thread_fence(__ATOMIC_SEQ_CST)

#endif
