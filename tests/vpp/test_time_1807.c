/* SPDX-License-Identifier: Apache-2.0 */
/* Time as a program for 18.07 uses it: many short waits, and what they took by the system's clock.
 */
#include <vppinfra/format.h>
#include <vppinfra/time.h>
#include <vppinfra/math.h>	/* for sqrt */

static int verbose;
#define if_verbose(format,args...) \
  if (verbose) { clib_warning(format, ## args); }

static int
test_time (unformat_input_t * input)
{
  f64 wait = 1e-4, ave = 0, rms = 0, t, tu[2], error;
  int i, n = 200;
  clib_time_t c;

  while (unformat_check_input (input) != UNFORMAT_END_OF_INPUT)
    {
      if (unformat (input, "wait %f", &wait))
	;
      else if (unformat (input, "iter %d", &n))
	;
      else if (unformat (input, "verbose %=", &verbose, 1))
	;
      else
	{
	  clib_warning ("unknown input `%U'", format_unformat_error, input);
	  return 1;
	}
    }
  clib_time_init (&c);
  tu[0] = unix_time_now ();
  for (i = 0; i < n; i++)
    {
      int n_loops = 0;

      t = clib_time_now (&c);
      while (clib_time_now (&c) < t + wait)
	n_loops++;
      ave += n_loops;
      rms += (f64) n_loops *n_loops;
    }
  tu[1] = unix_time_now ();
  ave /= n;
  rms = sqrt (fabs (rms / n - ave * ave));
  error = (tu[1] - tu[0] - n * wait) / n;
  if_verbose ("%d waits of %.6e s, error %.6e, loops %.3e +- %.3e", n, wait,
	      error, ave, rms);
  if_verbose ("%.3e clocks/second, %.3e seconds/clock, %wu clocks since init",
	      c.clocks_per_second, c.seconds_per_clock, c.total_cpu_time);
  if_verbose ("%.6f s of cpu used", unix_usage_now ());
  /* The waits took at least as long as they should. */
  return !(error > -.01 * wait && c.last_cpu_time - c.init_cpu_time == c.total_cpu_time);
}

#ifdef CLIB_UNIX
int
main (int argc, char *argv[])
{
  unformat_input_t i;
  int ret;

  clib_mem_init (0, 64ULL << 20);

  unformat_init_command_line (&i, argv);
  ret = test_time (&i);
  unformat_free (&i);
  return ret;
}
#endif /* CLIB_UNIX */
