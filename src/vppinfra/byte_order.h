/* SPDX-License-Identifier: Apache-2.0 */
/* byte_order: integers in the order of this machine, of a wire, of a file.
 *
 *   clib_host_to_net_u16 (x)            clib_net_to_host_u32 (x)
 *   clib_host_to_little_mem_u64 (&x)    clib_big_to_host_unaligned_mem_u16 (p)
 *
 * For u and i of 16, 32 and 64 bits, u8 and i8 for company, and uword; orders little, big, and net,
 * which is big.  A _mem form converts what is at an address and leaves it there; _unaligned_mem
 * does so at any address. */
#ifndef included_vppinfra_byte_order_h
#define included_vppinfra_byte_order_h

#include <vppinfra/clib.h>

/** Which end of a number comes first in memory: 0 or 1, known to the preprocessor. */
#define CLIB_ARCH_IS_LITTLE_ENDIAN (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__)
#define CLIB_ARCH_IS_BIG_ENDIAN (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__)
#define clib_arch_is_little_endian CLIB_ARCH_IS_LITTLE_ENDIAN
#define clib_arch_is_big_endian CLIB_ARCH_IS_BIG_ENDIAN

/** The bytes of x in the opposite order; one by type. */
always_inline u8
clib_byte_swap_u8(u8 x)
{
	return x;
}

/** As above. */
always_inline u16
clib_byte_swap_u16(u16 x)
{
	return __builtin_bswap16(x);
}

/** As above. */
always_inline u32
clib_byte_swap_u32(u32 x)
{
	return __builtin_bswap32(x);
}

/** As above. */
always_inline u64
clib_byte_swap_u64(u64 x)
{
	return __builtin_bswap64(x);
}

/** As above. */
always_inline i8
clib_byte_swap_i8(i8 x)
{
	return x;
}

/** As above. */
always_inline i16
clib_byte_swap_i16(i16 x)
{
	return (i16)__builtin_bswap16((u16)x);
}

/** As above. */
always_inline i32
clib_byte_swap_i32(i32 x)
{
	return (i32)__builtin_bswap32((u32)x);
}

/** As above. */
always_inline i64
clib_byte_swap_i64(i64 x)
{
	return (i64)__builtin_bswap64((u64)x);
}

/** As above. */
always_inline uword
clib_byte_swap_uword(uword x)
{
	return __builtin_bswap64(x);
}

/* One way: from one order to another, for one type. */
#define _CLIB_CONVERT(from, to, is_swapped, type)                                                  \
	always_inline type clib_##from##_to_##to##_##type(type x)                                  \
	{                                                                                          \
		return (is_swapped) ? clib_byte_swap_##type(x) : x;                                \
	}                                                                                          \
	always_inline type clib_##from##_to_##to##_mem_##type(const type *p)                       \
	{                                                                                          \
		return clib_##from##_to_##to##_##type(*p);                                         \
	}                                                                                          \
	always_inline type clib_##from##_to_##to##_unaligned_mem_##type(const type *p)             \
	{                                                                                          \
		type x;                                                                            \
                                                                                                   \
		memcpy(&x, p, sizeof(x));                                                          \
		return clib_##from##_to_##to##_##type(x);                                          \
	}

#define _CLIB_CONVERT_TYPES(from, to, is_swapped)                                                  \
	_CLIB_CONVERT(from, to, is_swapped, u8)                                                    \
	_CLIB_CONVERT(from, to, is_swapped, u16)                                                   \
	_CLIB_CONVERT(from, to, is_swapped, u32)                                                   \
	_CLIB_CONVERT(from, to, is_swapped, u64)                                                   \
	_CLIB_CONVERT(from, to, is_swapped, i8)                                                    \
	_CLIB_CONVERT(from, to, is_swapped, i16)                                                   \
	_CLIB_CONVERT(from, to, is_swapped, i32)                                                   \
	_CLIB_CONVERT(from, to, is_swapped, i64)                                                   \
	_CLIB_CONVERT(from, to, is_swapped, uword)

_CLIB_CONVERT_TYPES(host, little, CLIB_ARCH_IS_BIG_ENDIAN)
_CLIB_CONVERT_TYPES(little, host, CLIB_ARCH_IS_BIG_ENDIAN)
_CLIB_CONVERT_TYPES(host, big, CLIB_ARCH_IS_LITTLE_ENDIAN)
_CLIB_CONVERT_TYPES(big, host, CLIB_ARCH_IS_LITTLE_ENDIAN)
_CLIB_CONVERT_TYPES(host, net, CLIB_ARCH_IS_LITTLE_ENDIAN)
_CLIB_CONVERT_TYPES(net, host, CLIB_ARCH_IS_LITTLE_ENDIAN)

#undef _CLIB_CONVERT_TYPES
#undef _CLIB_CONVERT

#endif
