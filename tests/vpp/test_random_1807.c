/* SPDX-License-Identifier: Apache-2.0 */
/* The small generator as a program for 18.07 uses it: how long until a value comes again, how the
 * values are spread. */
#include <vppinfra/format.h>
#include <vppinfra/bitmap.h>
#include <vppinfra/random.h>

static u32 seed = 0x12345678;

static int
test_period (u32 n_iterations)
{
  u32 start = seed, i;

  for (i = 0; i < n_iterations; i++)
    {
      random_u32 (&seed);
      if (seed == start)
	{
	  clib_warning ("period %d", i);
	  return 1;
	}
    }
  return 0;
}

static int
test_spread (u32 n_values)
{
  uword *bitmap = 0;
  u64 *values = 0;
  u32 i;
  f64 d;

  vec_validate (values, 255);
  for (i = 0; i < n_values; i++)
    {
      uword x = random_f64 (&seed) * 255.999;

      vec_elt (values, x)++;
      bitmap = clib_bitmap_ori (bitmap, x);
    }
  d = clib_chisquare (values);
  fformat (stdout, "%d values, %d of 256 seen, chi-square %.3f\n", n_values,
	   clib_bitmap_count_set_bits (bitmap), d);
  if (clib_bitmap_count_set_bits (bitmap) != 256)
    return 1;
  clib_bitmap_free (bitmap);
  vec_free (values);
  return !(d > 140. && d < 400.);
}

static int
test_others (void)
{
  u8 *s = random_string (&seed, 32);
  u64 x = random_u64 (&seed);
  uword y = random_uword (&seed);

  fformat (stdout, "%v %Lx %wx %u\n", s, x, y, random_u32_max ());
  if (vec_len (s) != 32)
    return 1;
  vec_free (s);
  return x == y;
}

int
test_random_main (unformat_input_t * input)
{
  u32 n_iterations = 100000;

  while (unformat_check_input (input) != UNFORMAT_END_OF_INPUT)
    {
      if (unformat (input, "iter %d", &n_iterations))
	;
      else if (unformat (input, "seed %d", &seed))
	;
      else
	{
	  clib_warning ("unknown input `%U'", format_unformat_error, input);
	  return 1;
	}
    }
  if (!seed)
    seed = random_default_seed ();
  return test_period (n_iterations) || test_spread (n_iterations)
    || test_others ();
}

#ifdef CLIB_UNIX
int
main (int argc, char *argv[])
{
  unformat_input_t i;
  int ret;

  clib_mem_init (0, 16ULL << 20);
  unformat_init_command_line (&i, argv);
  ret = test_random_main (&i);
  unformat_free (&i);

  return ret;
}
#endif /* CLIB_UNIX */
