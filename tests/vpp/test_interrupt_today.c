/* SPDX-License-Identifier: Apache-2.0 */
/* Interrupts of every number, raised at every step, as a program of today has them; both forms of
 * the call that takes the next. */
#include <vppinfra/mem.h>
#include <vppinfra/format.h>
#include <vppinfra/interrupt.h>

#define MAX_INTS 300

static int n_wrong;

static void
check (int got, int wanted)
{
  if (got != wanted)
    {
      fformat (stderr, "got %d, wanted %d\n", got, wanted);
      n_wrong++;
    }
}

static void
set_and_check_bits (void *interrupts, int num_ints)
{
  for (int step = 1; step < num_ints; step++)
    {
      int expected, int_num = -1;

      for (int i = 0; i < num_ints; i += step)
	clib_interrupt_set (interrupts, i);
      for (expected = 0; (int_num = clib_interrupt_get_next (
			    interrupts, int_num)) != -1;
	   expected += step)
	{
	  check (int_num, expected);
	  clib_interrupt_clear (interrupts, int_num);
	}
      check (clib_interrupt_is_any_pending (interrupts), 0);

      for (int i = 0; i < num_ints; i += step)
	clib_interrupt_set_atomic (interrupts, i);
      for (expected = 0;
	   (int_num = clib_interrupt_get_next_and_clear (interrupts)) != -1;
	   expected += step)
	check (int_num, expected);

      for (int i = 0; i < num_ints; i += step)
	clib_interrupt_set (interrupts, i);
      for (expected = 0, int_num = -1;
	   (int_num = clib_interrupt_get_next_and_clear (interrupts,
							 int_num)) != -1;
	   expected += step)
	check (int_num, expected);
    }
}

int
main (int argc, char *argv[])
{
  void *interrupts = NULL;

  clib_mem_init (0, 64ULL << 20);
  for (int num_ints = 0; num_ints < MAX_INTS; num_ints++)
    {
      clib_interrupt_resize (&interrupts, num_ints);
      check (clib_interrupt_get_n_int (interrupts), num_ints);
      set_and_check_bits (interrupts, num_ints);
    }
  clib_interrupt_free (&interrupts);
  return n_wrong != 0;
}
