/* SPDX-License-Identifier: Apache-2.0 */
/* march: one function in several builds, the best that the processor can run being called.
 *
 *   CLIB_MARCH_FN (sum, u64, u32 *v) { ... }            defines it
 *   CLIB_MARCH_FN_SELECT (sum) (v);                     calls the one that was chosen
 *
 * The file is compiled once as it is, and once more for each kind of processor, with that kind's
 * compiler flags and -DCLIB_MARCH_VARIANT=hsw (a name of foreach_march_variant).  Each build
 * announces its function before main(); the greatest priority among those that the processor
 * supports wins.  A program that has no other builds calls its plain function.
 *
 * Threads: chosen before main(), constant after.  Cost: a call through a pointer. */
#ifndef included_vppinfra_march_h
#define included_vppinfra_march_h

#include <vppinfra/clib.h>

/* (name, words for it, what the processor must support, priority; the plain build has 0) */
#if defined(__x86_64__)
#	define foreach_march_variant                                                              \
		_(hsw, "Intel Haswell", "avx2", 50)                                                \
		_(skx, "Intel Skylake (server) / Cascade Lake", "avx512f", 100)                    \
		_(icl, "Intel Ice Lake", "avx512bitalg", 200)
#else
#	define foreach_march_variant
#endif

typedef enum {
	CLIB_MARCH_VARIANT_TYPE = 0,
#define _(name, words, needs, priority) CLIB_MARCH_VARIANT_TYPE_##name,
	foreach_march_variant
#undef _
		CLIB_MARCH_TYPE_N_VARIANTS
} clib_march_variant_type_t;

/** Priority of a variant here; -1 when the processor cannot run it. */
#define _(name, words, needs, priority)                                                            \
	static inline int clib_cpu_march_priority_##name(void)                                     \
	{                                                                                          \
		return __builtin_cpu_supports(needs) ? priority : -1;                              \
	}
foreach_march_variant
#undef _

/** The name of a function, or of a thing, in this build of the file. */
#ifdef CLIB_MARCH_VARIANT
#	define CLIB_MULTIARCH_FN(fn) _CLIB_PASTE(_CLIB_PASTE(fn, _), CLIB_MARCH_VARIANT)
#	define CLIB_MARCH_FN_PRIORITY()                                                           \
		_CLIB_PASTE(clib_cpu_march_priority_, CLIB_MARCH_VARIANT)                          \
		()
#else
#	define CLIB_MULTIARCH_FN(fn) fn
#	define CLIB_MARCH_FN_PRIORITY() 0
#endif
#define CLIB_MARCH_SFX CLIB_MULTIARCH_FN

/* A variant puts itself in the place of the plain function, which every program has. */
#define CLIB_MARCH_FN_CONSTRUCTOR(fn)                                                              \
	static void __clib_constructor CLIB_MARCH_SFX(fn##_march_constructor)(void)                \
	{                                                                                          \
		int priority = CLIB_MARCH_FN_PRIORITY();                                           \
                                                                                                   \
		if (priority <= fn##_selected_priority)                                            \
			return;                                                                    \
		fn##_selected = CLIB_MARCH_SFX(fn##_ma);                                           \
		fn##_selected_priority = priority;                                                 \
	}

#ifdef CLIB_MARCH_VARIANT
#	define CLIB_MARCH_FN(fn, rtype, ...)                                                      \
		static rtype CLIB_MARCH_SFX(fn##_ma)(__VA_ARGS__);                                 \
		extern rtype (*fn##_selected)(__VA_ARGS__);                                        \
		extern int fn##_selected_priority;                                                 \
		CLIB_MARCH_FN_CONSTRUCTOR(fn)                                                      \
		static rtype CLIB_MARCH_SFX(fn##_ma)(__VA_ARGS__)
#else
#	define CLIB_MARCH_FN(fn, rtype, ...)                                                      \
		static rtype fn##_ma(__VA_ARGS__);                                                 \
		rtype (*fn##_selected)(__VA_ARGS__) = fn##_ma;                                     \
		int fn##_selected_priority = 0;                                                    \
		static rtype fn##_ma(__VA_ARGS__)
#endif
#define CLIB_MARCH_FN_SELECT(fn) (*fn##_selected)

	/* ---- functions that are looked for by whoever calls them ---- */

	/** A build of a function, in a list of all its builds. */
	typedef struct _clib_march_fn_registration {
	void *function;
	int priority;
	struct _clib_march_fn_registration *next;
	char *name;
} clib_march_fn_registration;

/** The function of greatest priority; NULL when the processor can run none. */
static inline void *
clib_march_select_fn_ptr(const clib_march_fn_registration *r)
{
	const clib_march_fn_registration *best = 0;

	for (; r; r = r->next)
		if (r->priority >= 0 && (!best || r->priority > best->priority))
			best = r;
	return best ? best->function : 0;
}

/** The variant of fn that suits this machine best. */
#define CLIB_MARCH_FN_POINTER(fn)                                                                  \
	(__typeof__(fn) *)clib_march_select_fn_ptr(fn##_march_fn_registrations)

/* Puts this build's fn into the list of them all, which the plain build holds. */
#ifdef CLIB_MARCH_VARIANT
#	define _CLIB_MARCH_FN_LIST(fn)                                                            \
		extern clib_march_fn_registration *fn##_march_fn_registrations;
#else
#	define _CLIB_MARCH_FN_LIST(fn) clib_march_fn_registration *fn##_march_fn_registrations = 0;
#endif
#define CLIB_MARCH_FN_REGISTRATION(fn)                                                             \
	_CLIB_MARCH_FN_LIST(fn)                                                                    \
	static void __clib_constructor CLIB_MARCH_SFX(fn##_march_register)(void)                   \
	{                                                                                          \
		static clib_march_fn_registration r = { .name = (char *)#fn };                     \
                                                                                                   \
		r.function = (void *)CLIB_MARCH_SFX(fn);                                           \
		r.priority = CLIB_MARCH_FN_PRIORITY();                                             \
		r.next = fn##_march_fn_registrations;                                              \
		fn##_march_fn_registrations = &r;                                                  \
	}

#endif
