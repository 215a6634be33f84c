/* SPDX-License-Identifier: Apache-2.0 */
/* cpu: the cycle counter, where the caller runs, and what the processor is and can.
 *
 *   if (clib_cpu_supports_avx2 ()) ...
 *
 * asks the processor (x86: cpuid; arm64: what the kernel says it has) and whether the kernel keeps
 * the registers that the instructions use.  Cost: a few hundred cycles, so ask once. */
#ifndef included_vppinfra_cpu_h
#define included_vppinfra_cpu_h

#include <sched.h>
#include <time.h>
#include <vppinfra/clib.h>
#include <vppinfra/march.h>

/** The processor's time stamp: rises steadily at the rate of os_cpu_clock_frequency().  Not
 *  ordered against the instructions around it. */
always_inline u64
clib_cpu_time_now(void)
{
#if defined(__x86_64__)
	return __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
	u64 t;

	__asm__ volatile("mrs %0, cntvct_el0" : "=r"(t));
	return t;
#else
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (u64)ts.tv_sec * 1000000000ull + (u64)ts.tv_nsec;
#endif
}

/** Processor and NUMA node of the caller at this moment; ~0 when the system does not say. */
static inline u32
clib_get_current_cpu_id(void)
{
	unsigned cpu, node;

	return getcpu(&cpu, &node) ? ~0u : cpu;
}

/** The processor the caller runs on, and its NUMA node; both may have changed by the time they are
 *  read unless the thread is pinned. */
#define clib_get_current_cpu_index() clib_get_current_cpu_id()

/** NUMA node of the processor the caller runs on. */
static inline u32
clib_get_current_numa_node(void)
{
	unsigned cpu, node;

	return getcpu(&cpu, &node) ? ~0u : node;
}

/* ---- what it can: (name, cpuid leaf, register, bit, what the kernel must keep) ---- */

/* clang-format off */
#define foreach_x86_64_flags                                                                       \
	_(sse3, 1, ecx, 0, NONE) _(pclmulqdq, 1, ecx, 1, NONE) _(ssse3, 1, ecx, 9, NONE)           \
	_(sse41, 1, ecx, 19, NONE) _(sse42, 1, ecx, 20, NONE) _(movbe, 1, ecx, 22, NONE)           \
	_(popcnt, 1, ecx, 23, NONE) _(aes, 1, ecx, 25, NONE) _(x86_aes, 1, ecx, 25, NONE)          \
	_(avx, 1, ecx, 28, AVX) _(rdrand, 1, ecx, 30, NONE) _(bmi1, 7, ebx, 3, NONE)               \
	_(avx2, 7, ebx, 5, AVX) _(bmi2, 7, ebx, 8, NONE) _(erms, 7, ebx, 9, NONE)                  \
	_(rtm, 7, ebx, 11, NONE) _(pqm, 7, ebx, 12, NONE) _(pqe, 7, ebx, 15, NONE)                 \
	_(avx512f, 7, ebx, 16, AVX512) _(rdseed, 7, ebx, 18, NONE) _(clflushopt, 7, ebx, 23, NONE) \
	_(clwb, 7, ebx, 24, NONE) _(sha, 7, ebx, 29, NONE)                                         \
	_(avx512_vbmi, 7, ecx, 1, AVX512) _(avx512_vbmi2, 7, ecx, 6, AVX512)                       \
	_(gfni, 7, ecx, 8, NONE) _(vaes, 7, ecx, 9, AVX) _(vpclmulqdq, 7, ecx, 10, AVX)            \
	_(avx512_vnni, 7, ecx, 11, AVX512) _(avx512_bitalg, 7, ecx, 12, AVX512)                    \
	_(avx512_vpopcntdq, 7, ecx, 14, AVX512) _(movdiri, 7, ecx, 27, NONE)                       \
	_(movdir64b, 7, ecx, 28, NONE) _(enqcmd, 7, ecx, 29, NONE)                                 \
	_(avx512_fp16, 7, edx, 23, AVX512) _(invariant_tsc, 0x80000007, edx, 8, NONE)              \
	_(monitorx, 0x80000001, ecx, 29, NONE) _(lzcnt, 0x80000001, ecx, 5, NONE)

/* (name, bit of AT_HWCAP) */
#define foreach_aarch64_flags                                                                      \
	_(fp, 0) _(asimd, 1) _(evtstrm, 2) _(aarch64_aes, 3) _(pmull, 4) _(sha1, 5) _(sha2, 6)     \
	_(crc32, 7) _(atomics, 8) _(fphp, 9) _(asimdhp, 10) _(cpuid, 11) _(asimdrdm, 12)           \
	_(jscvt, 13) _(fcma, 14) _(lrcpc, 15) _(dcpop, 16) _(sha3, 17) _(sm3, 18) _(sm4, 19)       \
	_(asimddp, 20) _(sha512, 21) _(sve, 22)
/* clang-format on */

/** Whether bit `bit` of register 0 eax .. 3 edx of a cpuid leaf (subleaf 0) is set and the kernel
 *  keeps the registers: 0 any, 1 ymm, 2 zmm.  0 on other machines. */
CLIB_EXPORT int clib_cpu_has_x86_flag(u32 leaf, u32 reg, u32 bit, u32 registers);
/** Whether a bit of AT_HWCAP is set; 0 on other machines. */
CLIB_EXPORT int clib_cpu_has_aarch64_flag(u32 bit);

/** No arguments: the processor's family as its maker calls it ("[0x6] Sapphire Rapids", numbers
 *  alone where we know no name), its own words for itself, and the names below that it supports,
 *  blanks between.  In a %U. */
CLIB_EXPORT u8 *format_cpu_uarch(u8 *s, __builtin_va_list *args);
/** (): the processor's name; the features it has. */
CLIB_EXPORT u8 *format_cpu_model_name(u8 *s, __builtin_va_list *args);
CLIB_EXPORT u8 *format_cpu_flags(u8 *s, __builtin_va_list *args);

#define _CLIB_CPU_REG_eax 0
#define _CLIB_CPU_REG_ebx 1
#define _CLIB_CPU_REG_ecx 2
#define _CLIB_CPU_REG_edx 3
#define _CLIB_CPU_KEEP_NONE 0
#define _CLIB_CPU_KEEP_AVX 1
#define _CLIB_CPU_KEEP_AVX512 2

/* An expansion without a semicolon is nothing the formatter knows. */
/* clang-format off */
#define _(name, leaf, reg, bit, keep)                                                              \
	static inline int clib_cpu_supports_##name(void)                                           \
	{                                                                                          \
		return clib_cpu_has_x86_flag(leaf, _CLIB_CPU_REG_##reg, bit,                       \
					     _CLIB_CPU_KEEP_##keep);                               \
	}
foreach_x86_64_flags
#undef _

#define _(name, bit)                                                                               \
	static inline int clib_cpu_supports_##name(void)                                           \
	{                                                                                          \
		return clib_cpu_has_aarch64_flag(bit);                                             \
	}
foreach_aarch64_flags
#undef _
/* clang-format on */

#endif
