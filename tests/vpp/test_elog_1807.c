/* SPDX-License-Identifier: Apache-2.0 */
/* The event log as a program for 18.07 uses it: log, dump, load, merge, print. */
#include <vppinfra/elog.h>
#include <vppinfra/error.h>
#include <vppinfra/format.h>
#include <vppinfra/random.h>
#include <vppinfra/serialize.h>
#include <vppinfra/unix.h>

typedef struct
{
  u32 n_iter, max_events, seed, verbose;
  char *dump_file, *load_file;
  char **merge_files;
  u8 **tags;
} elog_test_t;

static void
log_events (elog_main_t * em, elog_test_t * t)
{
  u32 i;

  for (i = 0; i < t->n_iter; i++)
    {
      u32 x = random_u32 (&t->seed);

      {
	ELOG_TYPE_XF (first);
	ELOG (em, first, x);
      }
      {
	/* The same name again, in a block of its own. */
	ELOG_TYPE_XF (first);
	ELOG (em, first, x + 1);
      }
      {
	struct
	{
	  u32 which;
	  f32 ratio;
	} *d;
	ELOG_TYPE_DECLARE (mixed) =
	{
	  .format = "state %s ratio %.9f",.format_args =
	    "t4f4",.n_enum_strings = 3,.enum_strings =
	  {
	"idle", "busy", "draining",},};

	d = ELOG_DATA (em, mixed);
	d->which = x % 3;
	d->ratio = (x & 0xff) / 64.;
      }
      {
	ELOG_TYPE_DECLARE (address) =
	{
	.format = "address %d.%d.%d.%d",.format_args = "i1i1i1i1",};
	ELOG_TRACK (addresses);
	u8 *d = ELOG_TRACK_DATA (em, address, addresses);

	d[0] = 10;
	d[1] = i >> 16;
	d[2] = i >> 8;
	d[3] = i;
      }
      {
	ELOG_TYPE_DECLARE (named) =
	{
	.format = "name `%s'",.format_args = "s20",};
	struct
	{
	  char s[20];
	} *d = ELOG_DATA (em, named);
	u8 *v = format (0, "iteration %d%c", i, 0);

	clib_memcpy (d->s, v, clib_min (vec_len (v), sizeof (d->s)));
	vec_free (v);
      }
      {
	ELOG_TYPE_DECLARE (tabled) =
	{
	.format = "text `%s'",.format_args = "T4",};
	struct
	{
	  u32 offset;
	} *d = ELOG_DATA (em, tabled);

	d->offset = elog_string (em, "in the table: %d", i);
      }
    }
}

static clib_error_t *
merge_logs (elog_main_t * em, elog_test_t * t)
{
  clib_error_t *error = 0;
  elog_main_t *ems;
  uword i;

  vec_clone (ems, t->merge_files);
  for (i = 0; i < vec_len (ems) && !error; i++)
    {
      error = elog_read_file (i == 0 ? em : &ems[i], t->merge_files[i]);
      if (error || i == 0)
	continue;
      elog_merge (em, t->tags[0], &ems[i], t->tags[i], 0.0);
      t->tags[0] = 0;
      elog_free (&ems[i]);
    }
  vec_free (ems);
  return error;
}

static clib_error_t *
print_events (elog_main_t * em)
{
  elog_event_t *e, *es = elog_get_events (em);
  f64 last = 0;

  vec_foreach (e, es)
  {
    fformat (stdout, "%18.9f: %12U %U\n", e->time,
	     format_elog_track, em, e, format_elog_event, em, e);
    if (e->time < last)
      return clib_error_return (0, "time runs backwards");
    last = e->time;
  }
  return 0;
}

static clib_error_t *
test_elog (elog_test_t * t)
{
  clib_error_t *error = 0;
  elog_main_t _em, *em = &_em;

  if (t->load_file)
    error = elog_read_file (em, t->load_file);
  else if (t->merge_files)
    error = merge_logs (em, t);
  else
    {
      elog_init (em, t->max_events);
      elog_enable_disable (em, 1);
      log_events (em, t);
      if (elog_n_events_in_buffer (em) !=
	  clib_min (6 * t->n_iter, elog_buffer_capacity (em)))
	return clib_error_return (0, "%d events in buffer",
				  elog_n_events_in_buffer (em));
    }
  if (!error && t->dump_file)
    error = elog_write_file (em, t->dump_file, 0 /* do not flush ring */ );
  if (!error && t->verbose)
    error = print_events (em);
  if (!error && vec_len (elog_get_events (em)) == 0)
    error = clib_error_return (0, "no events");
  elog_free (em);
  return error;
}

/* Logs twice, loads each, merges both. */
static clib_error_t *
test_elog_files (elog_test_t * t)
{
  char *names[2] = { "elog.one", "elog.two" };
  clib_error_t *error = 0;
  elog_test_t part;
  int i;

  for (i = 0; i < 2 && !error; i++)
    {
      part = t[0];
      part.dump_file = names[i];
      error = test_elog (&part);
      if (error)
	break;
      part = t[0];
      part.load_file = names[i];
      error = test_elog (&part);
    }
  if (error)
    return error;
  part = t[0];
  for (i = 0; i < 2; i++)
    {
      vec_add1 (part.merge_files, names[i]);
      vec_add1 (part.tags, format (0, "%s%c", names[i], 0));
    }
  return test_elog (&part);
}

int
test_elog_main (unformat_input_t * input)
{
  clib_error_t *error = 0;
  elog_test_t _t = { 0 }, *t = &_t;

  t->n_iter = 100;
  t->max_events = 100000;
  t->seed = 1;
  while (unformat_check_input (input) != UNFORMAT_END_OF_INPUT)
    {
      if (unformat (input, "iter %d", &t->n_iter))
	;
      else if (unformat (input, "seed %d", &t->seed))
	;
      else if (unformat (input, "max-events %d", &t->max_events))
	;
      else if (unformat (input, "verbose %=", &t->verbose, 1))
	;
      else
	{
	  error = clib_error_create ("unknown input `%U'\n",
				     format_unformat_error, input);
	  goto done;
	}
    }
  error = test_elog (t);
  if (!error)
    error = test_elog_files (t);

done:
  if (error)
    {
      clib_error_report (error);
      return 1;
    }
  return 0;
}

#ifdef CLIB_UNIX
int
main (int argc, char *argv[])
{
  unformat_input_t i;
  int r;

  clib_mem_init (0, 64ULL << 20);

  unformat_init_command_line (&i, argv);
  r = test_elog_main (&i);
  unformat_free (&i);
  return r;
}
#endif /* CLIB_UNIX */
