/* SPDX-License-Identifier: Apache-2.0 */
/* Physical memory, as a program of today's tree exercises it: objects of one size and alignment
 * are taken and given back in random order, then a shared arena is used up.
 *
 *   test_pmalloc [nitems N] [size N] [align N] [iter N] [seed N] [verbose [N]] */
#include <vppinfra/pmalloc.h>
#include <vppinfra/format.h>
#include <vppinfra/error.h>
#include <vppinfra/random.h>

typedef struct
{
  clib_pmalloc_main_t pm;
  u32 nitems;
  uword size;
  u32 align;
  u32 n_iter;
  u32 seed;
  int verbose;
  void **items;
} test_main_t;

static test_main_t test_main;

clib_error_t *
test_palloc (test_main_t *tm)
{
  clib_pmalloc_main_t *pm = &tm->pm;
  uword pa, page_mask;
  void *arena;
  u32 i, j;

  if (clib_pmalloc_init (pm, 0, 64ULL << 20) == -1)
    return clib_error_return (0, "pmalloc init failed: %U", format_clib_error,
			      clib_pmalloc_last_error (pm));

  vec_validate (tm->items, tm->nitems - 1);
  for (i = 0; i < tm->n_iter; i++)
    {
      j = random_u32 (&tm->seed) % tm->nitems;
      if (tm->items[j])
	{
	  clib_pmalloc_free (pm, tm->items[j]);
	  tm->items[j] = 0;
	  continue;
	}
      tm->items[j] = clib_pmalloc_alloc_aligned (pm, tm->size, tm->align);
      if (tm->items[j] == 0)
	return clib_error_return (0, "%U", format_clib_error, clib_pmalloc_last_error (pm));
      if (pointer_to_uword (tm->items[j]) & (tm->align - 1))
	return clib_error_return (0, "%p is not aligned", tm->items[j]);
      if (clib_pmalloc_get_page_index (pm, tm->items[j]) !=
	  clib_pmalloc_get_page_index (pm, (u8 *) tm->items[j] + tm->size - 1))
	return clib_error_return (0, "%p crosses a page", tm->items[j]);
      page_mask = pow2_mask (pm->lookup_log2_page_sz);
      pa = clib_pmalloc_get_pa (pm, tm->items[j]);
      if (pa && (pa & page_mask) != (pointer_to_uword (tm->items[j]) & page_mask))
	return clib_error_return (0, "%p is at 0x%lx", tm->items[j], pa);
      memset (tm->items[j], j, tm->size);
    }
  if (tm->verbose)
    fformat (stdout, "\n%U\n%U\n", format_pmalloc, pm, tm->verbose, format_pmalloc_map, pm);

  for (j = 0; j < tm->nitems; j++)
    if (tm->items[j])
      clib_pmalloc_free (pm, tm->items[j]);

  arena = clib_pmalloc_create_shared_arena (pm, "test", 4 << 20, CLIB_MEM_PAGE_SZ_4K,
					    CLIB_PMALLOC_NUMA_LOCAL);
  if (arena == 0)
    return clib_error_return (0, "%U", format_clib_error, clib_pmalloc_last_error (pm));
  for (i = 0; clib_pmalloc_alloc_from_arena (pm, arena, 64 << 10, 64); i++)
    ;
  if (i != 64)
    return clib_error_return (0, "%u of 64 items in the arena", i);
  if (clib_pmalloc_get_arena (pm, arena)->fd < 0)
    return clib_error_return (0, "no descriptor");
  if (tm->verbose)
    fformat (stdout, "%U\n", format_pmalloc, pm, tm->verbose);
  return 0;
}

clib_error_t *
test_pmalloc_main (unformat_input_t *i)
{
  test_main_t *tm = &test_main;
  clib_error_t *error;

  tm->nitems = 500;
  tm->size = 1234;
  tm->align = 128;
  tm->n_iter = 10000;
  tm->seed = 3;
  while (unformat_check_input (i) != UNFORMAT_END_OF_INPUT)
    {
      if (unformat (i, "nitems %u", &tm->nitems))
	;
      else if (unformat (i, "size %U", unformat_memory_size, &tm->size))
	;
      else if (unformat (i, "align %u", &tm->align))
	;
      else if (unformat (i, "iter %u", &tm->n_iter))
	;
      else if (unformat (i, "seed %u", &tm->seed))
	;
      else if (unformat (i, "verbose %d", &tm->verbose))
	;
      else if (unformat (i, "verbose"))
	tm->verbose = 1;
      else
	return clib_error_create ("unknown input '%U'", format_unformat_error, i);
    }
  error = test_palloc (tm);
  vec_free (tm->items);
  return error;
}

#ifdef CLIB_UNIX
int
main (int argc, char *argv[])
{
  unformat_input_t i = { 0 };
  clib_error_t *error;

  clib_mem_init (0, 3ULL << 30);
  unformat_init_command_line (&i, argv);
  error = test_pmalloc_main (&i);
  unformat_free (&i);
  if (error)
    {
      clib_error_report (error);
      return 1;
    }
  return 0;
}
#endif
