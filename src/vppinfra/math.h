/* SPDX-License-Identifier: Apache-2.0 */
/* math: libc's <math.h>, with sqrt() and fabs() as single instructions, so that a program that uses
 * no more of it, as VPP's do, need not name libm when it is linked.  sqrt() of a negative number is
 * NaN and leaves errno alone. */
#ifndef included_vppinfra_math_h
#define included_vppinfra_math_h

#include <math.h>
#include <vppinfra/clib.h>

/** Square root. */
always_inline f64
clib_sqrt(f64 x)
{
#if defined(__x86_64__)
	__asm__("sqrtsd %1, %0" : "=x"(x) : "x"(x));
	return x;
#elif defined(__aarch64__)
	__asm__("fsqrt %d0, %d1" : "=w"(x) : "w"(x));
	return x;
#else
	return __builtin_sqrt(x);
#endif
}

#ifndef __cplusplus
/** The C library's names, where its header is not included. */
#	define sqrt(x) clib_sqrt(x)
#	define fabs(x) __builtin_fabs(x)
#endif

#endif
