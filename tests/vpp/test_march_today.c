/* SPDX-License-Identifier: Apache-2.0 */
/* A function that may have builds for several processors; in this program there is the plain one.
 */
#include <vppinfra/clib.h>
#include <vppinfra/cpu.h>
#include <vppinfra/vec.h>

CLIB_MARCH_FN(sum, u64, u32 *v, u64 from)
{
	u32 *p;

	vec_foreach (p, v)
		from += *p;
	return from;
}

__clib_export u32
CLIB_MULTIARCH_FN(twice)(u32 x)
{
	return 2 * x;
}

CLIB_MARCH_FN_REGISTRATION(twice);

static u32
CLIB_MARCH_SFX(thrice)(u32 x)
{
	return 3 * x;
}

int
main(int argc, char *argv[])
{
	u32 *v = 0, (*fn)(u32) = CLIB_MARCH_FN_POINTER(twice);

	for (u32 i = 0; i < 10; i++)
		vec_add1(v, i);
	if (CLIB_MARCH_FN_SELECT(sum)(v, 100) != 145 || fn(4) != 8 || thrice(4) != 12)
		return 1;
	vec_free(v);
	return 0;
}
