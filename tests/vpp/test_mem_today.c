/* SPDX-License-Identifier: Apache-2.0 */
/* Heaps, mappings and bulks, as a program of today's tree uses them.
 *
 *   test_mem [iter N] [seed N] [verbose] */
#include <sys/mman.h>
#include <unistd.h>
#include <vppinfra/mem.h>
#include <vppinfra/format.h>
#include <vppinfra/error.h>
#include <vppinfra/random.h>
#include <vppinfra/vec.h>
#include <vppinfra/pool.h>

typedef struct
{
  u32 seed;
  u32 n_iter;
  int verbose;
} test_main_t;

static test_main_t test_main;

typedef struct
{
  u32 index;
  u8 pad[100];
} elt_t;

static clib_error_t *
test_heap (test_main_t *tm)
{
  clib_mem_heap_t *heap, *old;
  clib_mem_usage_t usage;
  void *p[100] = {};
  u8 *v = 0;
  int i;

  heap = clib_mem_create_heap (0, 4ULL << 20, /* is_locked */ 1, "heap of %s %d", "test", 1);
  if (heap == 0)
    return clib_error_return (0, "no heap");
  if (tm->verbose)
    fformat (stdout, "%U\n", format_clib_mem_heap, heap, 1);

  for (i = 0; i < ARRAY_LEN (p); i++)
    p[i] = (i & 1) ? clib_mem_heap_alloc (heap, 1 + i * 13) :
		     clib_mem_heap_alloc_aligned (heap, 1 + i * 13, 64);
  clib_mem_get_heap_usage (heap, &usage);
  if (usage.object_count != ARRAY_LEN (p))
    return clib_error_return (0, "%lu objects", usage.object_count);
  for (i = 0; i < ARRAY_LEN (p); i++)
    {
      if (!clib_mem_heap_is_heap_object (heap, p[i]))
	return clib_error_return (0, "object %d is lost", i);
      p[i] = clib_mem_heap_realloc (heap, p[i], 5000);
      clib_mem_heap_free (heap, p[i]);
    }

  old = clib_mem_set_heap (heap);
  vec_validate (v, 100);
  clib_mem_set_heap (old);
  /* Grows in its own heap. */
  vec_validate (v, 10000);
  if (!clib_mem_heap_is_heap_object (heap, vec_header (v)) && old == heap)
    return clib_error_return (0, "vector is lost");
  vec_free (v);
  clib_mem_get_heap_usage (heap, &usage);
  if (usage.object_count)
    return clib_error_return (0, "%lu objects left", usage.object_count);
  if (clib_mem_heap_alloc_or_null (heap, 16ULL << 20))
    return clib_error_return (0, "more than there is");
  clib_mem_destroy_heap (heap);

  if (clib_mem_main.main_heap == 0 || vec_len (clib_mem_main.heaps) < 1)
    return clib_error_return (0, "clib_mem_main is empty");
  p[0] = clib_mem_alloc (100);
  p[0] = clib_mem_realloc (p[0], 1000);
  p[0] = clib_mem_realloc_aligned (p[0], 2000, 256);
  if (pointer_to_uword (p[0]) & 255)
    return clib_error_return (0, "realloc_aligned");
  clib_mem_free_s (p[0]);
  return 0;
}

static clib_error_t *
test_map (test_main_t *tm)
{
  clib_mem_page_sz_t log2 = CLIB_MEM_PAGE_SZ_DEFAULT;
  clib_mem_vm_map_hdr_t *hdr = 0;
  clib_mem_page_stats_t stats;
  uword page = clib_mem_get_page_size (), reserved;
  void *base, *shared, *stack;
  int fd, found = 0;

  base = clib_mem_vm_map (0, 10 * page, log2, "map %U", format_memory_size, 10 * page);
  if (base == CLIB_MEM_VM_MAP_FAILED)
    return clib_error_return (0, "%U", format_clib_error, clib_mem_get_last_error ());
  while ((hdr = clib_mem_vm_get_next_map_hdr (hdr)))
    if (hdr->base_addr == pointer_to_uword (base))
      {
	found = 1;
	if (hdr->num_pages != 10 || 1ULL << hdr->log2_page_sz != page || hdr->fd != -1)
	  return clib_error_return (0, "header of '%s'", hdr->name);
      }
  if (!found)
    return clib_error_return (0, "no header");
  memset (base, 1, 3 * page);
  clib_mem_get_page_stats (base, log2, 10, &stats);
  if (stats.total != 10 || stats.mapped + stats.not_mapped + stats.unknown != 10)
    return clib_error_return (0, "%U", format_clib_mem_page_stats, &stats);
  if (tm->verbose)
    fformat (stdout, "%U\n", format_clib_mem_page_stats, &stats);

  fd = clib_mem_vm_create_fd (log2, "fd %u", 7);
  if (fd == CLIB_MEM_ERROR || ftruncate (fd, 4 * page) == -1)
    return clib_error_return (0, "%U", format_clib_error, clib_mem_get_last_error ());
  shared = clib_mem_vm_map_shared (0, 4 * page, fd, 0, "shared");
  stack = clib_mem_vm_map_stack (8 * page, log2, "stack of %s", "thread");
  if (shared == CLIB_MEM_VM_MAP_FAILED || stack == CLIB_MEM_VM_MAP_FAILED)
    return clib_error_return (0, "%U", format_clib_error, clib_mem_get_last_error ());
  memset (shared, 2, 4 * page);
  memset (stack, 3, 8 * page);

  /* What fails says why. */
  if (clib_mem_vm_map_shared (0, 8 * page, fd, 0, "too long") != CLIB_MEM_VM_MAP_FAILED ||
      clib_mem_get_last_error () == 0)
    return clib_error_return (0, "mapped past the end of a file");

  if (clib_mem_vm_unmap (shared) || clib_mem_vm_unmap (stack) || clib_mem_vm_unmap (base))
    return clib_error_return (0, "unmap");
  if (clib_mem_vm_unmap (base) != CLIB_MEM_ERROR)
    return clib_error_return (0, "unmapped twice");
  close (fd);

  reserved = clib_mem_vm_reserve (0, 64 * page, log2);
  if (reserved == ~0ULL)
    return clib_error_return (0, "%U", format_clib_error, clib_mem_get_last_error ());
  base = clib_mem_vm_map (uword_to_pointer (reserved + page, void *), page, log2, "inside");
  if (pointer_to_uword (base) != reserved + page)
    return clib_error_return (0, "%U", format_clib_error, clib_mem_get_last_error ());
  if (clib_mem_vm_unmap (base))
    return clib_error_return (0, "unmap");
  if (clib_mem_set_numa_affinity (0, /* force */ 0) || clib_mem_set_default_numa_affinity ())
    return clib_error_return (0, "%U", format_clib_error, clib_mem_get_last_error ());
  return 0;
}

static clib_error_t *
test_bulk (test_main_t *tm)
{
  clib_mem_bulk_handle_t h = clib_mem_bulk_init (sizeof (elt_t), CLIB_CACHE_LINE_BYTES, 100);
  elt_t **elts = 0, *e;
  u32 i, j;

  for (i = 0; i < tm->n_iter; i++)
    {
      if (vec_len (elts) && (random_u32 (&tm->seed) & 1))
	{
	  j = random_u32 (&tm->seed) % vec_len (elts);
	  e = elts[j];
	  if (e->pad[99] != (u8) e->index)
	    return clib_error_return (0, "element %u was overwritten", e->index);
	  clib_mem_bulk_free (h, e);
	  vec_del1 (elts, j);
	  continue;
	}
      e = clib_mem_bulk_alloc (h);
      if (pointer_to_uword (e) & (CLIB_CACHE_LINE_BYTES - 1))
	return clib_error_return (0, "%p is not aligned", e);
      e->index = i;
      e->pad[99] = (u8) i;
      vec_add1 (elts, e);
    }
  if (tm->verbose)
    fformat (stdout, "%U\n", format_clib_mem_bulk, h);
  vec_free (elts);
  clib_mem_bulk_destroy (h);
  return 0;
}

static clib_error_t *
test_mem_main (unformat_input_t *input)
{
  test_main_t *tm = &test_main;
  clib_error_t *error;

  tm->n_iter = 10000;
  tm->seed = 0x12345678;
  while (unformat_check_input (input) != UNFORMAT_END_OF_INPUT)
    {
      if (unformat (input, "iter %u", &tm->n_iter))
	;
      else if (unformat (input, "seed %u", &tm->seed))
	;
      else if (unformat (input, "verbose %=", &tm->verbose, 1))
	;
      else
	return clib_error_return (0, "unknown input '%U'", format_unformat_error, input);
    }
  if ((error = test_heap (tm)))
    return error;
  if ((error = test_map (tm)))
    return error;
  return test_bulk (tm);
}

#ifdef CLIB_UNIX
int
main (int argc, char *argv[])
{
  unformat_input_t input = {};
  clib_error_t *error;

  clib_mem_init_with_page_size (64ULL << 20, CLIB_MEM_PAGE_SZ_DEFAULT);
  unformat_init_command_line (&input, argv);
  error = test_mem_main (&input);
  unformat_free (&input);
  if (error)
    {
      clib_error_report (error);
      return 1;
    }
  return 0;
}
#endif
