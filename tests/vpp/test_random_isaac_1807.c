/* SPDX-License-Identifier: Apache-2.0 */
/* ISAAC and the random buffer as a program for 18.07 uses them: no word twice in a long run. */
#include <vppinfra/format.h>
#include <vppinfra/hash.h>
#include <vppinfra/random.h>
#include <vppinfra/random_buffer.h>
#include <vppinfra/random_isaac.h>

static int verbose;
#define if_verbose(format,args...) \
  if (verbose) { clib_warning(format, ## args); }

static int
test_isaac (uword seed, uword n_iterations)
{
  uword results[ISAAC_SIZE] = { 0 };
  uword *seen = hash_create (0, /* value bytes */ 0);
  uword i, n_results = ARRAY_LEN (results), n_repeats = 0;
  isaac_t ctx;

  results[0] = seed;
  isaac_init (&ctx, results);
  for (i = 0; i < n_iterations; i++)
    {
      uword r;

      if (n_results >= ARRAY_LEN (results))
	{
	  isaac (&ctx, results);
	  n_results = 0;
	}
      r = results[n_results++];
      if (hash_get (seen, r))
	{
	  fformat (stderr, "repeat at iteration %wd of %wd\n", i, n_iterations);
	  n_repeats++;
	}
      hash_set1 (seen, r);
    }
  if_verbose ("%wd iterations, %wd repeats", n_iterations, n_repeats);
  hash_free (seen);
  return n_repeats > 0;
}

static int
test_random_buffer (uword seed, uword n_iterations)
{
  clib_random_buffer_t _b, *b = &_b;
  uword *counts = 0;
  u64 *histogram = 0;
  uword i, j;
  f64 d;

  vec_validate (counts, 16);
  vec_validate (histogram, 255);
  clib_random_buffer_init (b, seed);
  for (i = 0; i < n_iterations; i++)
    {
      uword n = 1 + i % 16;
      u8 *data = clib_random_buffer_get_data (b, n);

      counts[n]++;
      for (j = 0; j < n; j++)
	histogram[data[j]]++;
    }
  d = clib_chisquare (histogram);
  if_verbose ("chi-square %.3f", d);
  clib_random_buffer_free (b);
  vec_free (counts);
  vec_free (histogram);
  /* 255 degrees of freedom. */
  return !(d > 140. && d < 400.);
}

int
test_isaac_main (unformat_input_t * input)
{
  uword n_iterations = 100000, seed = 0;

  while (unformat_check_input (input) != UNFORMAT_END_OF_INPUT)
    {
      if (0 == unformat (input, "iter %wd", &n_iterations)
	  && 0 == unformat (input, "seed %wd", &seed)
	  && 0 == unformat (input, "verbose %=", &verbose, 1))
	clib_error ("unknown input `%U'", format_unformat_error, input);
    }
  if (!seed)
    seed = random_default_seed ();
  if_verbose ("%wd iterations, seed %wd\n", n_iterations, seed);
  return test_isaac (seed, n_iterations) ||
    test_random_buffer (seed, n_iterations);
}

#ifdef CLIB_UNIX
int
main (int argc, char *argv[])
{
  unformat_input_t i;
  int ret;

  clib_mem_init (0, 64ULL << 20);

  unformat_init_command_line (&i, argv);
  ret = test_isaac_main (&i);
  unformat_free (&i);

  return ret;
}
#endif /* CLIB_UNIX */
