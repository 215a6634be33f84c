/* SPDX-License-Identifier: Apache-2.0 */
/* types: the short integer names that all vppinfra code is written in. */
#ifndef included_vppinfra_types_h
#define included_vppinfra_types_h

#include <stdint.h>
#include <stddef.h>
#include <stdbool.h>

typedef int8_t i8;
typedef int16_t i16;
typedef int32_t i32;
typedef int64_t i64;
typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef float f32;
typedef double f64;

/** A machine word: pointers, byte counts and offsets fit.  Only 64-bit machines are supported. */
typedef u64 uword;
typedef i64 word;
typedef u64 any;
typedef u64 clib_address_t;

/** Bits of a word and of an address. */
#define log2_uword_bits 6
#define uword_bits (1 << log2_uword_bits)
#define clib_address_bits 64

#ifdef __SIZEOF_INT128__
typedef __int128 i128;
typedef unsigned __int128 u128;
#endif
typedef __complex__ float cf32;
typedef __complex__ double cf64;

/** Integers at any address. */
typedef u16 u16u __attribute__((aligned(1), __may_alias__));
typedef u32 u32u __attribute__((aligned(1), __may_alias__));
typedef u64 u64u __attribute__((aligned(1), __may_alias__));
typedef i16 i16u __attribute__((aligned(1), __may_alias__));
typedef i32 i32u __attribute__((aligned(1), __may_alias__));
typedef i64 i64u __attribute__((aligned(1), __may_alias__));
typedef word wordu __attribute__((aligned(1), __may_alias__));
typedef uword uwordu __attribute__((aligned(1), __may_alias__));

/* C++ has the same under its own name. */
#ifdef __cplusplus
#	define _Static_assert static_assert
#endif

_Static_assert(sizeof(void *) == sizeof(uword), "vppinfra needs 64-bit pointers");

/** The address of a pointer. */
static inline uword
pointer_to_uword(const void *p)
{
	return (uword)p;
}

/** The pointer of an address. */
#define uword_to_pointer(u, type) ((type)(uword)(u))

/** The object of a type at a pointer of any alignment, or of one named: an lvalue. */
#define clib_mem_aligned(addr, type, align)                                                        \
	(*({                                                                                       \
		typedef type _clib_aligned_t __attribute__((aligned(align), __may_alias__));       \
		(_clib_aligned_t *)(addr);                                                         \
	}))
#define clib_mem_unaligned(pointer, type) clib_mem_aligned(pointer, type, 1)

/** The body runs with var, an int or a void *, set to each of the values in turn. */
#define foreach_int(var, ...)                                                                      \
	for (int _foreach_int_a_##var[] = { __VA_ARGS__, 0 },                                      \
		 *_foreach_int_p_##var = _foreach_int_a_##var, var = *_foreach_int_p_##var;        \
	     (uword)(_foreach_int_p_##var - _foreach_int_a_##var) <                                \
	     sizeof(_foreach_int_a_##var) / sizeof(int) - 1;                                       \
	     var = *++_foreach_int_p_##var)
#define foreach_pointer(var, ...)                                                                  \
	for (void *_foreach_pointer_a_##var[] = { __VA_ARGS__, 0 },                                \
		  **_foreach_pointer_p_##var = _foreach_pointer_a_##var,                           \
		  *var = *_foreach_pointer_p_##var;                                                \
	     (uword)(_foreach_pointer_p_##var - _foreach_pointer_a_##var) <                        \
	     sizeof(_foreach_pointer_a_##var) / sizeof(void *) - 1;                                \
	     var = *++_foreach_pointer_p_##var)

#endif
