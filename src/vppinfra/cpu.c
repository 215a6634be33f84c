/* SPDX-License-Identifier: Apache-2.0 */
#include <vppinfra/cpu.h>

#include <stdarg.h>
#include <vppinfra/format.h>
#include <vppinfra/vec.h>

#if defined(__x86_64__)
#	include <cpuid.h>

typedef struct {
	u32 reg[4]; /* eax, ebx, ecx, edx */
} cpuid_t;

static cpuid_t
ask_cpuid(u32 leaf)
{
	cpuid_t c = {};

	if (!__get_cpuid_count(leaf, 0, &c.reg[0], &c.reg[1], &c.reg[2], &c.reg[3]))
		memset(&c, 0, sizeof(c));
	return c;
}

/* What the kernel saves when it switches threads: XCR0, when it lets us look. */
static u64
saved_state(void)
{
	u32 low, high;

	if (!(ask_cpuid(1).reg[2] >> 27 & 1))
		return 0;
	__asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	return (u64)high << 32 | low;
}

int
clib_cpu_has_x86_flag(u32 leaf, u32 reg, u32 bit, u32 registers)
{
	/* xmm and ymm; those and opmask and both parts of zmm. */
	static const u64 needed[] = { 0, 0x06, 0xe6 };

	if (!(ask_cpuid(leaf).reg[reg & 3] >> (bit & 31) & 1))
		return 0;
	registers = clib_min(registers, 2u);
	return !needed[registers] || (saved_state() & needed[registers]) == needed[registers];
}
#else
int
clib_cpu_has_x86_flag(u32 leaf, u32 reg, u32 bit, u32 registers)
{
	return 0;
}
#endif

#if defined(__aarch64__)
#	include <sys/auxv.h>

int
clib_cpu_has_aarch64_flag(u32 bit)
{
	return getauxval(AT_HWCAP) >> (bit & 63) & 1;
}
#else
int
clib_cpu_has_aarch64_flag(u32 bit)
{
	return 0;
}
#endif

#if defined(__x86_64__)
/* Families that dataplanes run on; the stepping decides between two of the same number. */
static const struct {
	u16 family, model;
	u8 first_stepping;
	const char *name;
} uarchs[] = {
	{ 0x06, 0x9e, 0, "Kaby Lake" },
	{ 0x06, 0x8e, 0, "Kaby Lake" },
	{ 0x06, 0x5e, 0, "Skylake" },
	{ 0x06, 0x4e, 0, "Skylake" },
	{ 0x06, 0x55, 10, "Cooper Lake" },
	{ 0x06, 0x55, 5, "Cascade Lake" },
	{ 0x06, 0x55, 0, "Skylake" },
	{ 0x06, 0x3d, 0, "Broadwell" },
	{ 0x06, 0x47, 0, "Broadwell" },
	{ 0x06, 0x4f, 0, "Broadwell" },
	{ 0x06, 0x56, 0, "Broadwell" },
	{ 0x06, 0x3c, 0, "Haswell" },
	{ 0x06, 0x3f, 0, "Haswell" },
	{ 0x06, 0x45, 0, "Haswell" },
	{ 0x06, 0x46, 0, "Haswell" },
	{ 0x06, 0x3a, 0, "Ivy Bridge" },
	{ 0x06, 0x3e, 0, "Ivy Bridge" },
	{ 0x06, 0x2a, 0, "Sandy Bridge" },
	{ 0x06, 0x2d, 0, "Sandy Bridge" },
	{ 0x06, 0x6a, 0, "Ice Lake" },
	{ 0x06, 0x6c, 0, "Ice Lake" },
	{ 0x06, 0x7e, 0, "Ice Lake" },
	{ 0x06, 0x8f, 0, "Sapphire Rapids" },
	{ 0x06, 0xcf, 0, "Emerald Rapids" },
	{ 0x06, 0xad, 0, "Granite Rapids" },
	{ 0x06, 0xaf, 0, "Sierra Forest" },
	{ 0x06, 0x97, 0, "Alder Lake" },
	{ 0x06, 0x9a, 0, "Alder Lake" },
	{ 0x06, 0x86, 0, "Tremont" },
	{ 0x06, 0x5f, 0, "Goldmont" },
	{ 0x17, 0x01, 0, "Zen" },
	{ 0x17, 0x31, 0, "Zen 2" },
	{ 0x17, 0x71, 0, "Zen 2" },
	{ 0x19, 0x01, 0, "Zen 3" },
	{ 0x19, 0x21, 0, "Zen 3" },
	{ 0x19, 0x11, 0, "Zen 4" },
	{ 0x19, 0x61, 0, "Zen 4" },
	{ 0x19, 0xa0, 0, "Zen 4c" },
	{ 0x1a, 0x02, 0, "Zen 5" },
	{ 0x1a, 0x44, 0, "Zen 5" },
};

u8 *
format_cpu_uarch(u8 *s, va_list *args)
{
	u32 eax = ask_cpuid(1).reg[0];
	u32 family = eax >> 8 & 0xf, model = eax >> 4 & 0xf, stepping = eax & 0xf;
	const char *name = "unknown";

	if (family == 6 || family == 0xf)
		model |= (eax >> 16 & 0xf) << 4;
	if (family == 0xf)
		family += eax >> 20 & 0xff;
	for (uword i = 0; i < ARRAY_LEN(uarchs); i++) {
		if (uarchs[i].family == family && uarchs[i].model == model &&
		    uarchs[i].first_stepping <= stepping) {
			name = uarchs[i].name;
			break;
		}
	}
	return format(s, "[0x%x] %s ([0x%02x] stepping 0x%x)", family, name, model, stepping);
}

u8 *
format_cpu_model_name(u8 *s, va_list *args)
{
	char name[3 * 16 + 1] = "";

	if (ask_cpuid(0x80000000).reg[0] < 0x80000004)
		return format(s, "unknown");
	for (u32 i = 0; i < 3; i++) {
		cpuid_t c = ask_cpuid(0x80000002 + i);

		memcpy(name + 16 * i, c.reg, 16);
	}
	return format(s, "%s", name + strspn(name, " "));
}
#else
u8 *
format_cpu_uarch(u8 *s, va_list *args)
{
	return format(s, "unknown");
}

u8 *
format_cpu_model_name(u8 *s, va_list *args)
{
	return format(s, "unknown");
}
#endif

u8 *
format_cpu_flags(u8 *s, va_list *args)
{
	const char *blank = "";

#define _(name, ...)                                                                               \
	if (clib_cpu_supports_##name()) {                                                          \
		s = format(s, "%s" #name, blank);                                                  \
		blank = " ";                                                                       \
	}
#if defined(__aarch64__)
	foreach_aarch64_flags
#else
	foreach_x86_64_flags
#endif
#undef _
		return s;
}
