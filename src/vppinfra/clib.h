/* SPDX-License-Identifier: Apache-2.0 */
/* clib: what every other header stands on.  Compiler words, power-of-two arithmetic, bits,
 * alignment, and assertion.  Nothing here allocates, locks or calls the system. */
#ifndef included_clib_h
#define included_clib_h

/** A program on an operating system has its main() inside #ifdef CLIB_UNIX. */
#if !defined(CLIB_STANDALONE) && !defined(CLIB_LINUX_KERNEL) && !defined(CLIB_UNIX)
#	define CLIB_UNIX
#endif

/** Assertions: 0 none, 1 ASSERT() checks. */
#ifndef CLIB_DEBUG
#	define CLIB_DEBUG 0
#endif

#include <string.h>
#include <errno.h>
#include <vppinfra/types.h>
#include <vppinfra/cache.h>

/** Marks a function that the shared library shows, in C++ too under its plain name; all others are
 *  hidden.  CLIB_EXPORT_EXTERN is for the declaration of a variable. */
#ifdef __cplusplus
#	define CLIB_EXPORT extern "C" __attribute__((visibility("default")))
#	define CLIB_EXPORT_EXTERN CLIB_EXPORT
#else
#	define CLIB_EXPORT __attribute__((visibility("default")))
#	define CLIB_EXPORT_EXTERN CLIB_EXPORT extern
#endif

/* DPDK writes __attribute__((always_inline)): where its headers came first, its macro gets the
 * reserved spelling, so what is included later still compiles. */
#ifdef __rte_always_inline
#	undef __rte_always_inline
#	define __rte_always_inline inline __attribute__((__always_inline__))
#endif

/** Whether a function is to be inline, whatever the compiler thinks. */
#define always_inline static inline __attribute__((__always_inline__))
#define static_always_inline static inline __attribute__((__always_inline__))
#define never_inline __attribute__((__noinline__))

/** Hints for a branch; the value is 0 or 1. */
#define PREDICT_FALSE(x) __builtin_expect((x) != 0, 0)
#define PREDICT_TRUE(x) __builtin_expect((x) != 0, 1)
#define COMPILE_TIME_CONST(x) __builtin_constant_p(x)
/** What is not true is never reached. */
#define CLIB_ASSUME(x)                                                                             \
	do {                                                                                       \
		if (!(x))                                                                          \
			__builtin_unreachable();                                                   \
	} while (0)

/* ---- attributes ---- */

/** Around a declaration: nobody need use it; no padding in it. */
#define CLIB_UNUSED(x) x __attribute__((unused))
#define CLIB_PACKED(x) x __attribute__((packed))
#define __clib_unused __attribute__((unused))
#define __clib_used __attribute__((used))
#define __clib_weak __attribute__((weak))
#define __clib_packed __attribute__((packed))
#define __clib_flatten __attribute__((flatten))
#define __clib_constructor __attribute__((constructor))
#define __clib_destructor __attribute__((destructor))
#define __clib_noinline __attribute__((__noinline__))
#define __clib_hot __attribute__((hot))
#define __clib_cold __attribute__((cold))
#define __clib_pure __attribute__((pure))
#define __clib_const __attribute__((const))
#define __clib_aligned(x) __attribute__((aligned(x)))
#define __clib_section(s) __attribute__((section(s)))
#define __clib_warn_unused_result __attribute__((warn_unused_result))
#define __clib_export __attribute__((visibility("default")))
#ifdef __clang__
#	define __clib_noclone
#	define __clib_no_tail_calls
#else
#	define __clib_noclone __attribute__((noclone))
#	define __clib_no_tail_calls __attribute__((optimize("no-optimize-sibling-calls")))
#endif
#define __clib_nosanitize_addr __attribute__((no_sanitize_address))
#define CLIB_NOSANITIZE_ADDR __clib_nosanitize_addr

/** A function to be called before main(), and one at exit: INIT_FUNCTION(void f(void)) { ... } */
#define INIT_FUNCTION(decl)                                                                        \
	decl __attribute__((constructor));                                                         \
	decl
#define EXIT_FUNCTION(decl)                                                                        \
	decl __attribute__((destructor));                                                          \
	decl

/* ---- tokens ---- */

/** x as a string. */
#define CLIB_STRING_MACRO(x) #x
/** A NULL-terminated array of C strings. */
#define CLIB_STRING_ARRAY(...)                                                                     \
	(char *[])                                                                                 \
	{                                                                                          \
		__VA_ARGS__, 0                                                                     \
	}

#define _CLIB_PASTE_TOKENS(a, b) a##b
#define _CLIB_PASTE(a, b) _CLIB_PASTE_TOKENS(a, b)
/** A name that no other use has: macros inside one another's arguments shadow nothing. */
#define CLIB_UNIQUE(name) _CLIB_PASTE(name, __COUNTER__)

/* ---- barriers ---- */

/** Order of memory: everything before is done before anything after; writes before are seen before
 *  writes after; the compiler keeps the order.  And a pause for loops that wait. */
#define CLIB_MEMORY_BARRIER() __sync_synchronize()
#define CLIB_MEMORY_STORE_BARRIER() __atomic_thread_fence(__ATOMIC_RELEASE)
#define CLIB_COMPILER_BARRIER() __asm__ volatile("" ::: "memory")
#if defined(__x86_64__)
#	define CLIB_PAUSE() __builtin_ia32_pause()
#elif defined(__aarch64__)
#	define CLIB_PAUSE() __asm__ volatile("yield" ::: "memory")
#else
#	define CLIB_PAUSE() CLIB_COMPILER_BARRIER()
#endif

/* ---- structs and arrays ---- */

/** Elements of an array; bits of an object; where a field of a type is, in bytes and bits, how
 *  large it is, and how many elements it has. */
#define ARRAY_LEN(x) (sizeof(x) / sizeof((x)[0]))
#define BITS(x) (8 * sizeof(x))
#define _STRUCT_FIELD(t, f) (((t *)0)->f)
#define STRUCT_OFFSET_OF(t, f) __builtin_offsetof(t, f)
#define STRUCT_BIT_OFFSET_OF(t, f) (8 * __builtin_offsetof(t, f))
#define STRUCT_SIZE_OF(t, f) (sizeof(_STRUCT_FIELD(t, f)))
#define STRUCT_BITS_OF(t, f) (BITS(_STRUCT_FIELD(t, f)))
#define STRUCT_ARRAY_LEN(t, f) ARRAY_LEN(_STRUCT_FIELD(t, f))
/** Bytes from field f of one array element to that of the next. */
#define STRUCT_STRIDE_OF(t, f) (0 * STRUCT_OFFSET_OF(t, f) + sizeof(t))
#define STRUCT_OFFSET_OF_VAR(v, f) ((uword)(&(v)->f) - (uword)(v))
/** A member of no size that names a place in a struct, and its address. */
#define STRUCT_MARK(mark) u8 mark[0]
#define STRUCT_MARK_PTR(v, f) &(v)->f
#define CLIB_ALIGN_MARK(name, alignment) u8 name[0] __attribute__((aligned(alignment)))
/** An unused member that fills the offsets from `from` to `to`. */
#define CLIB_PAD_FROM_TO(from, to) u8 pad_##from[(to) - (from)]

/** What the compiler checks: a truth, a size, a power of two, the offset of a field. */
#define STATIC_ASSERT(truth, ...) _Static_assert(truth, __VA_ARGS__)
#define STATIC_ASSERT_SIZEOF(d, s)                                                                 \
	STATIC_ASSERT(sizeof(d) == (s), "Size of " #d " must be " #s " bytes")
#define STATIC_ASSERT_SIZEOF_POW2(d)                                                               \
	STATIC_ASSERT((sizeof(d) & (sizeof(d) - 1)) == 0, "Size of " #d " must be a power of two")
#define STATIC_ASSERT_OFFSET_OF(s, e, o)                                                           \
	STATIC_ASSERT(STRUCT_OFFSET_OF(s, e) == (o), "Offset of " #s "." #e " must be " #o)
/** Member e ends at or before offset z. */
#define STATIC_ASSERT_FITS_IN(s, e, z)                                                             \
	STATIC_ASSERT(STRUCT_OFFSET_OF(s, e) + STRUCT_SIZE_OF(s, e) <= (z),                        \
		      #s "." #e " must end within " #z " bytes")

/* ---- order; each argument is evaluated once ---- */

#define _clib_order(x, y, op, _x, _y)                                                              \
	({                                                                                         \
		__typeof__(x) _x = (x);                                                            \
		__typeof__(y) _y = (y);                                                            \
		_x op _y ? _x : _y;                                                                \
	})
/** The less and the greater of two, x within [lo, hi], and the distance from 0. */
#define clib_min(x, y) _clib_order(x, y, <, CLIB_UNIQUE(_min_x), CLIB_UNIQUE(_min_y))
#define clib_max(x, y) _clib_order(x, y, >, CLIB_UNIQUE(_max_x), CLIB_UNIQUE(_max_y))
#define clib_clamp(x, lo, hi)                                                                      \
	_clib_clamp(x, lo, hi, CLIB_UNIQUE(_clamp_x), CLIB_UNIQUE(_clamp_lo),                      \
		    CLIB_UNIQUE(_clamp_hi))
#define _clib_clamp(x, lo, hi, _x, _lo, _hi)                                                       \
	({                                                                                         \
		__typeof__(x) _x = (x);                                                            \
		__typeof__(lo) _lo = (lo);                                                         \
		__typeof__(hi) _hi = (hi);                                                         \
		_x<_lo ? _lo : _x> _hi ? _hi : _x;                                                 \
	})
#define clib_abs(x) _clib_abs(x, CLIB_UNIQUE(_abs_x))
#define _clib_abs(x, _x)                                                                           \
	({                                                                                         \
		__typeof__(x) _x = (x);                                                            \
		_x < 0 ? -_x : _x;                                                                 \
	})

/** Byte sizes, for constants. */
#define KiB(n) ((uword)(n) << 10)
#define MiB(n) ((uword)(n) << 20)
#define GiB(n) ((uword)(n) << 30)

/** Stops the process after a message: only for what a bug of our own breaks. */
CLIB_EXPORT void clib_assert_failed(const char *file, int line, const char *function,
				    const char *what) __attribute__((noreturn));

#ifndef ASSERT
/** Stop the process unless truth holds: ASSERT() in builds with CLIB_DEBUG, the other in all. */
#	define ASSERT(truth)                                                                      \
		do {                                                                               \
			if (CLIB_DEBUG > 0 && PREDICT_FALSE(!(truth)))                             \
				clib_assert_failed(__FILE__, __LINE__, __func__, #truth);          \
		} while (0)
#endif
#define ALWAYS_ASSERT(truth)                                                                       \
	do {                                                                                       \
		if (PREDICT_FALSE(!(truth)))                                                       \
			clib_assert_failed(__FILE__, __LINE__, __func__, #truth);                  \
	} while (0)

/** VPP's form that only a debug build checks. */
#define ASSERT_AND_PANIC(truth) ASSERT(truth)

/* ---- bits and powers of two ---- */

/** Number of the lowest set bit; 64 for 0. */
always_inline uword
count_trailing_zeros(uword x)
{
	return x ? (uword)__builtin_ctzll(x) : 64;
}

/** Number of zero bits above the highest set bit; 64 for 0. */
always_inline uword
count_leading_zeros(uword x)
{
	return x ? (uword)__builtin_clzll(x) : 64;
}

/** How many bits are set. */
always_inline uword
count_set_bits(uword x)
{
	return (uword)__builtin_popcountll(x);
}

/** Floor of the base-2 logarithm; x must not be 0. */
always_inline uword
min_log2(uword x)
{
	return 63 - (uword)__builtin_clzll(x);
}

/** The same, under VPP's name for 64 bits. */
always_inline uword
min_log2_u64(u64 x)
{
	return min_log2(x);
}

/** Ceiling of the base-2 logarithm; 0 for 0 and 1. */
always_inline uword
max_log2(uword x)
{
	return x < 2 ? 0 : min_log2(x - 1) + 1;
}

/** Whether x is a power of two, or 0. */
always_inline uword
is_pow2(uword x)
{
	return 0 == (x & (x - 1));
}

/** The low log2_x bits; all from 64 on. */
always_inline uword
pow2_mask(uword log2_x)
{
	return log2_x >= 64 ? ~0ULL : (1ULL << log2_x) - 1;
}

/** Greatest power of two at most x. */
always_inline uword
min_pow2(uword x)
{
	return 1ULL << min_log2(x);
}

/** Least power of two at least x. */
always_inline uword
max_pow2(uword x)
{
	return 1ULL << max_log2(x);
}

/** Round up or down to a multiple of pow2, a power of two. */
always_inline uword
round_pow2(uword x, uword pow2)
{
	return (x + pow2 - 1) & ~(pow2 - 1);
}

/** The same, under VPP's name for 64 bits. */
always_inline u64
round_pow2_u64(u64 x, u64 pow2)
{
	return (x + pow2 - 1) & ~(pow2 - 1);
}

/** Round down to a multiple of pow2, a power of two. */
always_inline uword
round_down_pow2(uword x, uword pow2)
{
	return x & ~(pow2 - 1);
}

/** The lowest set bit of x, as a mask. */
always_inline uword
first_set(uword x)
{
	return x & -x;
}

/** Number of the lowest set bit; 64 for 0. */
always_inline uword
log2_first_set(uword x)
{
	return count_trailing_zeros(x);
}

/** Loop: i is the number of each set bit of v, the lowest first. */
#define foreach_set_bit_index(i, v)                                                                \
	for (uword _tmp = (v) + 0 * (uword)(i = count_trailing_zeros(v)); _tmp;                    \
	     i = count_trailing_zeros(_tmp = _tmp & (_tmp - 1)))

/** The same with the body as an argument. */
#define foreach_set_bit(var, mask, body)                                                           \
	do {                                                                                       \
		uword _foreach_set_bit_m_##var = (mask);                                           \
		while (_foreach_set_bit_m_##var) {                                                 \
			(var) = count_trailing_zeros(_foreach_set_bit_m_##var);                    \
			_foreach_set_bit_m_##var &= _foreach_set_bit_m_##var - 1;                  \
			do {                                                                       \
				body;                                                              \
			} while (0);                                                               \
		}                                                                                  \
	} while (0)

/** Bits [start, start + count) of x. */
always_inline uword
extract_bits(uword x, int start, int count)
{
	return x >> start & pow2_mask((uword)count);
}

/* ---- numbers with a point, within 63 bits ---- */

/** Towards zero. */
always_inline f64
flt_round_down(f64 x)
{
	return (f64)(word)x;
}

/** Halves away from zero. */
always_inline word
flt_round_nearest(f64 x)
{
	return (word)(x < 0 ? x - .5 : x + .5);
}

/** The multiple of f that is nearest to x. */
always_inline f64
flt_round_to_multiple(f64 x, f64 f)
{
	return f * (f64)flt_round_nearest(x / f);
}

/**
 * Return addresses of the calling function and its callers, innermost first.
 *
 * @param n_frames_to_skip  innermost ones to leave out
 * @return how many were stored, at most max_callers; more in <vppinfra/backtrace.h>
 *
 * Threads: any.  Never faults, never allocates.
 */
CLIB_EXPORT uword clib_backtrace(uword *callers, uword max_callers, uword n_frames_to_skip);

/* Memory and strings belong to what every header stands on. */
#include <vppinfra/string.h>

#endif
