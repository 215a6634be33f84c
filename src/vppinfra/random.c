/* SPDX-License-Identifier: Apache-2.0 */
#include <vppinfra/random.h>

#include <unistd.h>
#include <vppinfra/cpu.h>

u32
random_default_seed(void)
{
	u64 t = clib_cpu_time_now() ^ ((u64)getpid() << 20);

	return (u32)(t ^ t >> 32);
}

u8 *
random_string(u32 *seed, uword len)
{
	u8 *s = vec_new(u8, len);

	/* High bits: the low ones of this generator repeat soon. */
	for (uword i = 0; i < vec_len64(s); i++)
		s[i] = (u8)('a' + (random_u32(seed) >> 16) % 26);
	return s;
}

f64
clib_chisquare(u64 *values)
{
	f64 total = 0, expected, sum = 0;
	u64 *v;

	vec_foreach (v, values)
		total += (f64)*v;
	if (total == 0)
		return (f64)~0ULL;
	expected = total / (f64)vec_len64(values);
	vec_foreach (v, values)
		sum += ((f64)*v - expected) * ((f64)*v - expected) / expected;
	return sum;
}
