/* SPDX-License-Identifier: Apache-2.0 */
/* The event log as a program of today uses it: tracks made as it runs, several writers, a resize,
 * triggers, and a printout by track. */
#include <vppinfra/clib.h>
#include <vppinfra/mem.h>
#include <vppinfra/elog.h>
#include <vppinfra/format.h>
#include <pthread.h>

#define N_WORKERS 2

typedef struct
{
  elog_main_t elog_main;
  elog_track_t tracks[N_WORKERS];
  u32 n_events;
} test_main_t;

static test_main_t test_main;

static void *
worker (void *arg)
{
  test_main_t *tm = &test_main;
  uword index = (uword) arg;

  for (u32 i = 0; i < tm->n_events; i++)
    {
      ELOG_TYPE_DECLARE (e) = {
	.format = "worker %d: loop %d took %u clocks, %s",
	.format_args = "i2i4i8t1",
	.n_enum_strings = 2,
	.enum_strings = { "polled", "slept" },
      };
      struct
      {
	u16 worker;
	u32 loop;
	u64 clocks;
	u8 how;
      } __clib_packed *ed;

      ed = elog_data_inline (&tm->elog_main, &e, &tm->tracks[index]);
      ed->worker = index;
      ed->loop = i;
      ed->clocks = clib_cpu_time_now ();
      ed->how = i & 1;
    }
  return 0;
}

static clib_error_t *
run_workers (test_main_t *tm)
{
  pthread_t threads[N_WORKERS];

  for (uword i = 0; i < N_WORKERS; i++)
    {
      tm->tracks[i].name = (char *) format (0, "worker %d%c", (u32) i, 0);
      elog_track_register (&tm->elog_main, &tm->tracks[i]);
      if (pthread_create (&threads[i], 0, worker, (void *) i))
	return clib_error_return_unix (0, "pthread_create");
    }
  for (uword i = 0; i < N_WORKERS; i++)
    pthread_join (threads[i], 0);
  return 0;
}

static clib_error_t *
check_events (test_main_t *tm)
{
  elog_main_t *em = &tm->elog_main;
  elog_event_t *e, *es = elog_peek_events (em);
  u32 n_on_track[N_WORKERS] = { 0 };
  u8 *s = 0;

  if (vec_len (es) != N_WORKERS * tm->n_events)
    return clib_error_return (0, "%u events, wanted %u", vec_len (es),
			      N_WORKERS * tm->n_events);
  vec_foreach (e, es)
    {
      s = format (s, "%18.9f: %12U %U\n", e->time, format_elog_track_name, em,
		  e, format_elog_event, em, e);
      for (int i = 0; i < N_WORKERS; i++)
	n_on_track[i] += e->track == tm->tracks[i].track_index_plus_one - 1;
    }
  for (int i = 0; i < N_WORKERS; i++)
    if (n_on_track[i] != tm->n_events)
      return clib_error_return (0, "track %d: %u events", i, n_on_track[i]);
  fformat (stdout, "%v", s);
  vec_reset_length (s);
  s = format (s, "%U", format_elog_track, em, 100.0,
	      (int) tm->tracks[1].track_index_plus_one - 1);
  fformat (stdout, "track 1:\n%v\n", s);
  vec_free (s);
  vec_free (es);
  return 0;
}

static clib_error_t *
test_elog (test_main_t *tm)
{
  elog_main_t *em = &tm->elog_main;
  clib_error_t *error;

  elog_init (em, 1024);
  if ((error = run_workers (tm)))
    return error;
  if ((error = check_events (tm)))
    return error;

  elog_resize (em, 4096);
  if (elog_buffer_capacity (em) != 4096)
    return clib_error_return (0, "resize to 4096 gave %u",
			      (u32) elog_buffer_capacity (em));
  if ((error = check_events (tm)))
    return error;

  /* Stops by itself. */
  elog_reset_buffer (em);
  elog_disable_after_events (em, 10);
  for (u32 i = 0; i < 100; i++)
    {
      ELOG_TYPE (e, "after %d");
      ELOG_INLINE (em, e, i);
    }
  if (elog_n_events_in_buffer (em) != 10 || elog_is_enabled (em))
    return clib_error_return (0, "not disabled after 10 events");
  elog_enable_disable (em, 1);
  elog_disable_trigger (em);
  if (!elog_is_enabled (em))
    return clib_error_return (0, "trigger disables at once");

  if ((error = elog_write_file (em, "elog.today", 1 /* flush ring */)))
    return error;
  elog_free (em);
  return elog_read_file_not_inline (em, "elog.today");
}

#ifdef CLIB_UNIX
int
main (int argc, char *argv[])
{
  test_main_t *tm = &test_main;
  clib_error_t *error;

  clib_mem_init (0, 64ULL << 20);
  tm->n_events = 100;
  error = test_elog (tm);
  if (error)
    {
      clib_error_report (error);
      return 1;
    }
  return 0;
}
#endif /* CLIB_UNIX */
