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

/* C++ has the same under its own name. */
#ifdef __cplusplus
#	define _Static_assert static_assert
#endif

_Static_assert(sizeof(void *) == sizeof(uword), "vppinfra needs 64-bit pointers");

#define pointer_to_uword(p) ((uword)(p))
#define uword_to_pointer(u, type) ((type)(uword)(u))

#endif
