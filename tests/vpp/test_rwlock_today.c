/* SPDX-License-Identifier: Apache-2.0 */
/* Readers and writers, as a program of today has them: writers are never two, and readers never see
 * one at work. */
#include <pthread.h>
#include <vppinfra/cache.h>
#include <vppinfra/format.h>
#include <vppinfra/lock.h>
#include <vppinfra/mem.h>
#include <vppinfra/time.h>

typedef struct
{
  clib_rwlock_t rwlock;
  u32 n_readers, n_writers;
  uword n_turns;
  uword shared_counter, copy;
  u32 n_wrong;
} rwlock_test_main_t;

rwlock_test_main_t rwlock_test_main;

static void *
write_shared_counter (void *arg)
{
  rwlock_test_main_t *tm = arg;

  for (uword i = 0; i < tm->n_turns; i++)
    {
      clib_rwlock_writer_lock (&tm->rwlock);
      tm->shared_counter++;
      CLIB_COMPILER_BARRIER ();
      tm->copy++;
      clib_rwlock_writer_unlock (&tm->rwlock);
    }
  return 0;
}

static void *
read_shared_counter (void *arg)
{
  rwlock_test_main_t *tm = arg;

  for (uword i = 0; i < tm->n_turns; i++)
    {
      clib_rwlock_reader_lock (&tm->rwlock);
      if (tm->shared_counter != tm->copy)
	clib_atomic_fetch_add (&tm->n_wrong, 1);
      clib_rwlock_reader_unlock (&tm->rwlock);
    }
  return 0;
}

static clib_error_t *
test_rwlock (rwlock_test_main_t *tm)
{
  u32 n = tm->n_readers + tm->n_writers;
  pthread_t *threads = clib_mem_alloc_aligned (n * sizeof (threads[0]),
					       CLIB_CACHE_LINE_BYTES);

  clib_rwlock_init (&tm->rwlock);
  for (u32 i = 0; i < n; i++)
    if (pthread_create (&threads[i], 0,
			i < tm->n_readers ? read_shared_counter :
						  write_shared_counter,
			tm))
      return clib_error_return_unix (0, "pthread_create");
  for (u32 i = 0; i < n; i++)
    pthread_join (threads[i], 0);
  clib_rwlock_free (&tm->rwlock);
  clib_mem_free (threads);
  if (tm->n_wrong || tm->shared_counter != tm->n_writers * tm->n_turns)
    return clib_error_return (0, "%u wrong reads, %wu writes", tm->n_wrong,
			      tm->shared_counter);
  return 0;
}

#ifdef CLIB_UNIX
int
main (int argc, char *argv[])
{
  rwlock_test_main_t *tm = &rwlock_test_main;
  clib_error_t *error;
  unformat_input_t i;

  clib_mem_init (0, 64ULL << 20);
  tm->n_readers = 1;
  tm->n_writers = 1;
  tm->n_turns = 10000;
  unformat_init_command_line (&i, argv);
  while (unformat_check_input (&i) != UNFORMAT_END_OF_INPUT)
    {
      if (unformat (&i, "readers %u", &tm->n_readers))
	;
      else if (unformat (&i, "writers %u", &tm->n_writers))
	;
      else if (unformat (&i, "turns %wu", &tm->n_turns))
	;
      else
	{
	  clib_warning ("unknown input `%U'", format_unformat_error, &i);
	  return 1;
	}
    }
  unformat_free (&i);
  error = test_rwlock (tm);
  if (error)
    {
      clib_error_report (error);
      return 1;
    }
  return 0;
}
#endif /* CLIB_UNIX */
