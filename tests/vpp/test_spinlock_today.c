/* SPDX-License-Identifier: Apache-2.0 */
/* Threads that count together under a spinlock, as a program of today has it. */
#include <pthread.h>
#include <sched.h>
#include <vppinfra/cache.h>
#include <vppinfra/format.h>
#include <vppinfra/lock.h>
#include <vppinfra/mem.h>
#include <vppinfra/time.h>
#include <vppinfra/atomics.h>

typedef struct
{
  CLIB_CACHE_LINE_ALIGN_MARK (cacheline0);
  clib_spinlock_t lock;
  u32 n_threads;
  uword n_increments;
  uword shared_count;
  u32 n_ready;
  volatile u32 go;
  clib_time_t time;
} spinlock_test_main_t;

spinlock_test_main_t spinlock_test_main;

static void *
inc_shared_counter (void *a)
{
  spinlock_test_main_t *tm = &spinlock_test_main;

  clib_atomic_fetch_add (&tm->n_ready, 1);
  while (!clib_atomic_load_acq_n (&tm->go))
    CLIB_PAUSE ();
  for (uword i = 0; i < tm->n_increments; i++)
    {
      clib_spinlock_lock (&tm->lock);
      CLIB_SPINLOCK_ASSERT_LOCKED (&tm->lock);
      tm->shared_count++;
      clib_spinlock_unlock (&tm->lock);
    }
  return 0;
}

static clib_error_t *
test_spinlock (spinlock_test_main_t *tm)
{
  pthread_t *threads = 0;
  clib_error_t *error = 0;
  f64 start;

  clib_spinlock_init (&tm->lock);
  vec_validate (threads, tm->n_threads - 1);
  for (u32 i = 0; i < tm->n_threads; i++)
    if (pthread_create (&threads[i], 0, inc_shared_counter, 0))
      return clib_error_return_unix (0, "pthread_create");
  while (clib_atomic_load_relax_n (&tm->n_ready) < tm->n_threads)
    sched_yield ();
  start = clib_time_now (&tm->time);
  clib_atomic_store_rel_n (&tm->go, 1);
  for (u32 i = 0; i < tm->n_threads; i++)
    pthread_join (threads[i], 0);
  fformat (stdout, "%u threads, %wu increments in %.3f s\n", tm->n_threads,
	   tm->shared_count, clib_time_now (&tm->time) - start);
  if (tm->shared_count != tm->n_threads * tm->n_increments)
    error = clib_error_return (0, "%wu counted", tm->shared_count);
  clib_spinlock_free (&tm->lock);
  vec_free (threads);

  /* A lock that was never made. */
  clib_spinlock_lock_if_init (&tm->lock);
  clib_spinlock_unlock_if_init (&tm->lock);
  return error;
}

#ifdef CLIB_UNIX
int
main (int argc, char *argv[])
{
  spinlock_test_main_t *tm = &spinlock_test_main;
  clib_error_t *error;
  unformat_input_t i;

  clib_mem_init (0, 64ULL << 20);
  clib_time_init (&tm->time);
  tm->n_threads = 2;
  tm->n_increments = 10000;
  unformat_init_command_line (&i, argv);
  while (unformat_check_input (&i) != UNFORMAT_END_OF_INPUT)
    {
      if (unformat (&i, "threads %u", &tm->n_threads))
	;
      else if (unformat (&i, "increments %wu", &tm->n_increments))
	;
      else
	{
	  clib_warning ("unknown input `%U'", format_unformat_error, &i);
	  return 1;
	}
    }
  unformat_free (&i);
  error = test_spinlock (tm);
  if (error)
    {
      clib_error_report (error);
      return 1;
    }
  return 0;
}
#endif /* CLIB_UNIX */
