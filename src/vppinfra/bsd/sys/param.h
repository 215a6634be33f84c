/* SPDX-License-Identifier: Apache-2.0 */
/* <sys/param.h> for source written for FreeBSD: the system's, and what FreeBSD's has besides. */
#ifndef included_vppinfra_bsd_param_h
#define included_vppinfra_bsd_param_h

#pragma GCC system_header
#include_next <sys/param.h>
#include <sys/types.h>

#ifndef PAGE_SHIFT
/** The machine's page: logarithm, bytes, offset mask. */
#	define PAGE_SHIFT 12
#endif
#ifndef PAGE_SIZE
#	define PAGE_SIZE (1 << PAGE_SHIFT)
#endif
#ifndef PAGE_MASK
#	define PAGE_MASK (PAGE_SIZE - 1)
#endif
#ifndef nitems
#	define nitems(x) (sizeof((x)) / sizeof((x)[0]))
#endif
#ifndef roundup2
#	define roundup2(x, y) (((x) + ((y)-1)) & ~((__typeof__(x))(y)-1))
#endif
#ifndef rounddown2
#	define rounddown2(x, y) ((x) & ~((__typeof__(x))(y)-1))
#endif
#ifndef rounddown
#	define rounddown(x, y) (((x) / (y)) * (y))
#endif
#ifndef __printflike
#	define __printflike(format, first) __attribute__((__format__(__printf__, format, first)))
#endif
#ifndef __unused
#	define __unused __attribute__((__unused__))
#endif

#endif
