/* SPDX-License-Identifier: Apache-2.0 */
/* Address ranges, as a program of 18.07 exercises them: three chunks around one address, then a
 * random alloc and free loop whose result must be the three chunks as one.
 *
 *   test_valloc [iter N] [seed N] [items N] [verbose] */
#include <vppinfra/valloc.h>
#include <vppinfra/format.h>
#include <vppinfra/error.h>
#include <vppinfra/random.h>
#include <vppinfra/time.h>

typedef struct
{
  clib_valloc_main_t valloc_main;
  uword *vas;
  u32 seed;
  u32 n_iter;
  u32 n_items;
  int verbose;
  clib_time_t clib_time;
} test_valloc_main_t;

test_valloc_main_t test_valloc_main;

clib_error_t *
test_valloc (test_valloc_main_t * tm)
{
  clib_valloc_chunk_t _ip, *ip = &_ip;
  clib_valloc_main_t *vam = &tm->valloc_main;
  f64 before, after;
  uword i, j, size, total = 0;

  clib_time_init (&tm->clib_time);
  memset (ip, 0, sizeof (*ip));
  ip->baseva = 0x20000000;
  ip->size = 1024;
  clib_valloc_init (vam, ip, 1 /* lock */ );

  ip->baseva = 0x20000000 - 1024;
  clib_valloc_add_chunk (vam, ip);

  ip->baseva = 0x20000000 + 1024;
  ip->size = 1 << 20;
  clib_valloc_add_chunk (vam, ip);

  if (tm->verbose)
    fformat (stdout, "Initial state:\n%U", format_valloc, vam, 1 /* verbose */ );

  vec_validate (tm->vas, tm->n_items - 1);
  before = clib_time_now (&tm->clib_time);
  for (i = 0; i < tm->n_iter; i++)
    {
      j = random_u32 (&tm->seed) % tm->n_items;
      if (tm->vas[j])
	{
	  total -= clib_valloc_free (vam, tm->vas[j]);
	  tm->vas[j] = 0;
	}
      else
	{
	  size = (1 + random_u32 (&tm->seed) % 16) * 64;
	  tm->vas[j] = clib_valloc_alloc (vam, size, 0 /* os_out_of_memory_on_failure */ );
	  if (tm->vas[j] == 0)
	    continue;
	  total += size;
	  if (tm->vas[j] & 63)
	    return clib_error_return (0, "iter %wd: 0x%wx", i, tm->vas[j]);
	}
    }
  after = clib_time_now (&tm->clib_time);
  if (tm->verbose)
    fformat (stdout, "%d iterations, %.2f per second\n%U", tm->n_iter,
	     (f64) tm->n_iter / (after - before), format_valloc, vam, 0);

  for (j = 0; j < tm->n_items; j++)
    if (tm->vas[j])
      total -= clib_valloc_free (vam, tm->vas[j]);
  if (total != 0)
    return clib_error_return (0, "%wd bytes were not given back", total);
  if (pool_elts (vam->chunks) != 1)
    return clib_error_return (0, "%d chunks left:\n%U", pool_elts (vam->chunks), format_valloc,
			      vam, 1);
  ip = pool_elt_at_index (vam->chunks, vam->first_index);
  if (ip->baseva != 0x20000000 - 1024 || ip->size != 2048 + (1 << 20))
    return clib_error_return (0, "base 0x%wx size %wd", ip->baseva, ip->size);
  return 0;
}

clib_error_t *
test_valloc_main_fn (unformat_input_t * i)
{
  test_valloc_main_t *tm = &test_valloc_main;
  clib_error_t *error;

  tm->n_iter = 10000;
  tm->n_items = 300;
  tm->seed = 0xdeaddabe;
  while (unformat_check_input (i) != UNFORMAT_END_OF_INPUT)
    {
      if (unformat (i, "seed %d", &tm->seed))
	;
      else if (unformat (i, "iter %d", &tm->n_iter))
	;
      else if (unformat (i, "items %d", &tm->n_items))
	;
      else if (unformat (i, "verbose"))
	tm->verbose = 1;
      else
	return clib_error_return (0, "unknown input '%U'", format_unformat_error, i);
    }
  error = test_valloc (tm);
  vec_free (tm->vas);
  return error;
}

#ifdef CLIB_UNIX
int
main (int argc, char *argv[])
{
  unformat_input_t i;
  int rv = 0;
  clib_error_t *error;

  clib_mem_init (0, 64ULL << 20);
  unformat_init_command_line (&i, argv);
  error = test_valloc_main_fn (&i);
  unformat_free (&i);
  if (error)
    {
      clib_error_report (error);
      rv = 1;
    }
  return rv;
}
#endif /* CLIB_UNIX */
