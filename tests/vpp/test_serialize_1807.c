/* SPDX-License-Identifier: Apache-2.0 */
/* Messages into a vector and a file and back, as a program for 18.07 has it. */
#include <vppinfra/format.h>
#include <vppinfra/random.h>
#include <vppinfra/serialize.h>
#include <vppinfra/os.h>

#define foreach_my_vector_type			\
  _ (u8, a8)					\
  _ (u16, a16)					\
  _ (u32, a32)

typedef struct
{
#define _(t,f) t f;
  foreach_my_vector_type
#undef _
} my_vector_type_t;

static void
serialize_my_vector_type (serialize_main_t * m, va_list * va)
{
  my_vector_type_t *v = va_arg (*va, my_vector_type_t *);
  u32 n = va_arg (*va, u32);
  u32 i;

  for (i = 0; i < n; i++)
    {
#define _(t,f) serialize_integer (m, v[i].f, sizeof (v[i].f));
      foreach_my_vector_type;
#undef _
    }
}

static void
unserialize_my_vector_type (serialize_main_t * m, va_list * va)
{
  my_vector_type_t *v = va_arg (*va, my_vector_type_t *);
  u32 n = va_arg (*va, u32);
  u32 i;

  for (i = 0; i < n; i++)
    {
#define _(t,f) unserialize_integer (m, &v[i].f, sizeof (v[i].f));
      foreach_my_vector_type;
#undef _
    }
}

typedef struct
{
  u64 a64;
  i64 likely_small;
  char *name;
  my_vector_type_t *vector;
  my_vector_type_t *pool;
} serialize_test_msg_t;

static void
serialize_msg (serialize_main_t * m, va_list * va)
{
  serialize_test_msg_t *msg = va_arg (*va, serialize_test_msg_t *);

  serialize_magic (m, "msg v0", 6);
  serialize_integer (m, msg->a64, sizeof (msg->a64));
  serialize_likely_small_signed_integer (m, msg->likely_small);
  serialize_cstring (m, msg->name);
  vec_serialize (m, msg->vector, serialize_my_vector_type);
  pool_serialize (m, msg->pool, serialize_my_vector_type);
}

static void
unserialize_msg (serialize_main_t * m, va_list * va)
{
  serialize_test_msg_t *msg = va_arg (*va, serialize_test_msg_t *);

  unserialize_check_magic (m, "msg v0", 6);
  unserialize_integer (m, &msg->a64, sizeof (msg->a64));
  msg->likely_small = unserialize_likely_small_signed_integer (m);
  unserialize_cstring (m, &msg->name);
  vec_unserialize (m, &msg->vector, unserialize_my_vector_type);
  pool_unserialize (m, &msg->pool, unserialize_my_vector_type);
}

static void
make_msg (serialize_test_msg_t * msg, u32 * seed)
{
  my_vector_type_t *e;
  u32 i;

  memset (msg, 0, sizeof (msg[0]));
  msg->a64 = random_u64 (seed);
  msg->likely_small = (i64) random_u32 (seed) - random_u32 (seed);
  msg->name = (char *) format (0, "msg %u%c", random_u32 (seed), 0);
  for (i = random_u32 (seed) % 50; i > 0; i--)
    {
      vec_add2 (msg->vector, e, 1);
      e->a8 = random_u32 (seed);
      e->a16 = random_u32 (seed);
      e->a32 = random_u32 (seed);
      pool_get (msg->pool, e);
      e[0] = *(vec_end (msg->vector) - 1);
    }
  for (i = 0; i < vec_len (msg->pool); i += 3)
    pool_put_index (msg->pool, i);
}

static int
msgs_differ (serialize_test_msg_t * a, serialize_test_msg_t * b)
{
  u32 i;

  if (a->a64 != b->a64 || a->likely_small != b->likely_small
      || strcmp (a->name, b->name)
      || vec_len (a->vector) != vec_len (b->vector)
      || vec_len (a->pool) != vec_len (b->pool)
      || pool_elts (a->pool) != pool_elts (b->pool))
    return 1;
  vec_foreach_index (i, a->vector)
    if (a->vector[i].a8 != b->vector[i].a8
	|| a->vector[i].a16 != b->vector[i].a16
	|| a->vector[i].a32 != b->vector[i].a32)
      return 1;
  vec_foreach_index (i, a->pool)
    if (pool_is_free_index (a->pool, i) != pool_is_free_index (b->pool, i)
	|| (!pool_is_free_index (a->pool, i)
	    && a->pool[i].a32 != b->pool[i].a32))
      return 1;
  return 0;
}

static void
free_msg (serialize_test_msg_t * msg)
{
  vec_free (msg->name);
  vec_free (msg->vector);
  pool_free (msg->pool);
}

int
test_serialize_main (unformat_input_t * input)
{
  u32 seed = 1, n_iter = 100, verbose = 0, i;
  serialize_main_t sm;
  clib_error_t *error = 0;
  char *dump_file = 0;
  u8 *v = 0;

  while (unformat_check_input (input) != UNFORMAT_END_OF_INPUT)
    {
      if (unformat (input, "iter %d", &n_iter))
	;
      else if (unformat (input, "seed %d", &seed))
	;
      else if (unformat (input, "file %s", &dump_file))
	;
      else if (unformat (input, "verbose %=", &verbose, 1))
	;
      else
	{
	  error = clib_error_create ("unknown input `%U'",
				     format_unformat_error, input);
	  goto done;
	}
    }
  for (i = 0; i < n_iter; i++)
    {
      serialize_test_msg_t msg, back;

      make_msg (&msg, &seed);
      memset (&back, 0, sizeof (back));
      if (dump_file)
	{
	  if ((error = serialize_open_clib_file (&sm, dump_file)))
	    goto done;
	}
      else
	serialize_open_vector (&sm, v);
      error = serialize (&sm, serialize_msg, &msg);
      if (error)
	goto done;
      if (dump_file)
	serialize_close (&sm);
      else
	v = serialize_close_vector (&sm);

      if (dump_file)
	{
	  if ((error = unserialize_open_clib_file (&sm, dump_file)))
	    goto done;
	}
      else
	unserialize_open_vector (&sm, v);
      error = unserialize (&sm, unserialize_msg, &back);
      if (error)
	goto done;
      unserialize_close (&sm);
      if (verbose)
	fformat (stdout, "%s: %u elements\n", back.name,
		 vec_len (back.vector));
      if (msgs_differ (&msg, &back))
	{
	  error = clib_error_create ("message %d came back another", i);
	  goto done;
	}
      free_msg (&msg);
      free_msg (&back);
    }

done:
  if (error)
    {
      clib_error_report (error);
      return 1;
    }
  vec_free (v);
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
  r = test_serialize_main (&i);
  unformat_free (&i);
  return r;
}
#endif
