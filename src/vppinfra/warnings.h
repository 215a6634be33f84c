/* SPDX-License-Identifier: Apache-2.0 */
/* warnings: switch one of the compiler's warnings off and on again around a few lines.
 *
 *   WARN_OFF (unused-variable)
 *   ...
 *   WARN_ON (unused-variable) */
#ifndef included_vppinfra_warnings_h
#define included_vppinfra_warnings_h

#define _WARN_STRING(x) #x
#define _WARN_PRAGMA(x) _Pragma(#x)
#define _WARN_PRAGMA_OF(x) _WARN_PRAGMA(x)

/* clang knows this spelling, too. */
#define WARN_OFF(name)                                                                             \
	_Pragma("GCC diagnostic push")                                                             \
		_WARN_PRAGMA_OF(GCC diagnostic ignored _WARN_STRING(-W##name))
#define WARN_ON(name) _Pragma("GCC diagnostic pop")

#endif
