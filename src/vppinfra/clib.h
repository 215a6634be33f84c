/* SPDX-License-Identifier: Apache-2.0 */
/* clib: what every other header stands on.  Compiler words, power-of-two arithmetic, bits,
 * alignment, and assertion.  Nothing here allocates, locks or calls the system. */
#ifndef included_clib_h
#define included_clib_h

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

#define always_inline static inline __attribute__((__always_inline__))
#define static_always_inline static inline __attribute__((__always_inline__))
#define never_inline __attribute__((__noinline__))

#define PREDICT_FALSE(x) __builtin_expect((x) != 0, 0)
#define PREDICT_TRUE(x) __builtin_expect((x) != 0, 1)
#define COMPILE_TIME_CONST(x) __builtin_constant_p(x)

#define CLIB_UNUSED(x) x __attribute__((unused))
#define __clib_unused __attribute__((unused))
#define __clib_aligned(x) __attribute__((aligned(x)))
#define __clib_packed __attribute__((packed))
#define __clib_constructor __attribute__((constructor))
#define __clib_section(s) __attribute__((section(s)))
#define __clib_weak __attribute__((weak))
#define CLIB_PACKED(x) x __attribute__((packed))

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

#define ARRAY_LEN(x) (sizeof(x) / sizeof((x)[0]))
#define BITS(x) (8 * sizeof(x))
#define STRUCT_OFFSET_OF(t, f) __builtin_offsetof(t, f)
#define STRUCT_SIZE_OF(t, f) (sizeof(((t *)0)->f))
#define STATIC_ASSERT(truth, ...) _Static_assert(truth, __VA_ARGS__)
#define STATIC_ASSERT_SIZEOF(d, s)                                                                 \
	STATIC_ASSERT(sizeof(d) == s, "Size of " #d " must be " #s " bytes")
#define STATIC_ASSERT_OFFSET_OF(s, e, o)                                                           \
	STATIC_ASSERT(STRUCT_OFFSET_OF(s, e) == o, "Offset of " #s "." #e " must be " #o)

#define clib_min(x, y)                                                                             \
	({                                                                                         \
		__typeof__(x) _x = (x);                                                            \
		__typeof__(y) _y = (y);                                                            \
		_x < _y ? _x : _y;                                                                 \
	})
#define clib_max(x, y)                                                                             \
	({                                                                                         \
		__typeof__(x) _x = (x);                                                            \
		__typeof__(y) _y = (y);                                                            \
		_x > _y ? _x : _y;                                                                 \
	})
#define clib_clamp(x, lo, hi)                                                                      \
	({                                                                                         \
		__typeof__(x) _clamp_x = (x);                                                      \
		__typeof__(lo) _clamp_lo = (lo);                                                   \
		__typeof__(hi) _clamp_hi = (hi);                                                   \
		(_clamp_x < _clamp_lo)   ? _clamp_lo                                               \
		: (_clamp_x > _clamp_hi) ? _clamp_hi                                               \
					 : _clamp_x;                                               \
	})
#define clib_abs(x)                                                                                \
	({                                                                                         \
		__typeof__(x) _x = (x);                                                            \
		_x < 0 ? -_x : _x;                                                                 \
	})

/** Byte sizes, for constants. */
#define KiB(n) ((uword)(n) << 10)
#define MiB(n) ((uword)(n) << 20)
#define GiB(n) ((uword)(n) << 30)

#ifndef CLIB_DEBUG
#	define CLIB_DEBUG 0
#endif

/** Stops the process after a message: only for what a bug of our own breaks. */
CLIB_EXPORT void clib_assert_failed(const char *file, int line, const char *function,
				    const char *what) __attribute__((noreturn));

#ifndef ASSERT
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

always_inline uword
is_pow2(uword x)
{
	return 0 == (x & (x - 1));
}

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

always_inline u64
round_pow2_u64(u64 x, u64 pow2)
{
	return (x + pow2 - 1) & ~(pow2 - 1);
}

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

always_inline uword
log2_first_set(uword x)
{
	return count_trailing_zeros(x);
}

#define foreach_set_bit_index(i, v)                                                                \
	for (uword _tmp = (v) + 0 * (uword)(i = count_trailing_zeros(v)); _tmp;                    \
	     i = count_trailing_zeros(_tmp = _tmp & (_tmp - 1)))

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

always_inline uword
flt_round_down(f64 x)
{
	return (uword)x;
}

#define clib_memcpy(d, s, n) memcpy(d, s, n)
#define clib_memcpy_fast(d, s, n) memcpy(d, s, n)
#define clib_memset(p, v, n) memset(p, v, n)
#define clib_memset_u8(p, v, n) memset(p, v, n)
#define clib_memcmp(a, b, n) memcmp(a, b, n)
#define clib_memmove(d, s, n) memmove(d, s, n)
#define clib_strcmp(a, b) strcmp(a, b)
#define clib_strncmp(a, b, n) strncmp(a, b, n)

#endif
