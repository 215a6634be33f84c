/* SPDX-License-Identifier: Apache-2.0 */
/* The heap of a thread and memory from the system, as a program of 18.07 uses them: objects of
 * random sizes and alignments, a second heap, mappings in place, memory by flags.
 *
 *   test_mem [iter N] [seed N] [objects N] [size N] [verbose] */
#include <vppinfra/mem.h>
#include <vppinfra/format.h>
#include <vppinfra/error.h>
#include <vppinfra/random.h>
#include <vppinfra/vec.h>

typedef struct
{
  u32 seed;
  u32 n_iter;
  u32 n_objects;
  u32 max_size;
  int verbose;
  void **objects;
  uword *sizes;
  clib_mem_usage_t usage;
} test_mem_main_t;

static test_mem_main_t test_mem_main;

static clib_error_t *
test_objects (test_mem_main_t * tm)
{
  uword i, j, size, align, offset;
  u8 *p;

  vec_validate (tm->objects, tm->n_objects - 1);
  vec_validate (tm->sizes, tm->n_objects - 1);
  for (i = 0; i < tm->n_iter; i++)
    {
      j = random_u32 (&tm->seed) % tm->n_objects;
      if (tm->objects[j])
	{
	  p = tm->objects[j];
	  if (!clib_mem_is_heap_object (p))
	    return clib_error_return (0, "%p is lost", p);
	  if (clib_mem_size (p) < tm->sizes[j])
	    return clib_error_return (0, "object of %wd bytes has %wd", tm->sizes[j],
				      clib_mem_size (p));
	  if (p[0] != (u8) j || p[tm->sizes[j] - 1] != (u8) j)
	    return clib_error_return (0, "object %wd was overwritten", j);
	  if (i & 1)
	    {
	      size = 1 + random_u32 (&tm->seed) % tm->max_size;
	      p = clib_mem_realloc (p, size, tm->sizes[j]);
	      if (p[0] != (u8) j)
		return clib_error_return (0, "realloc lost object %wd", j);
	      p[size - 1] = j;
	      tm->objects[j] = p;
	      tm->sizes[j] = size;
	      continue;
	    }
	  clib_mem_free (p);
	  tm->objects[j] = 0;
	  continue;
	}
      size = 1 + random_u32 (&tm->seed) % tm->max_size;
      align = 1 << (random_u32 (&tm->seed) % 10);
      offset = 0;
      switch (random_u32 (&tm->seed) % 5)
	{
	case 0:
	  p = clib_mem_alloc (size);
	  align = 1;
	  break;
	case 1:
	  p = clib_mem_alloc_aligned (size, align);
	  break;
	case 2:
	  p = clib_mem_alloc_or_null (size);
	  align = 1;
	  break;
	case 3:
	  p = clib_mem_alloc_no_fail (size);
	  align = 1;
	  break;
	default:
	  offset = 8;
	  align = clib_max (align, 16);
	  p = clib_mem_alloc_aligned_at_offset (size, align, offset,
						/* os_out_of_memory */ 1);
	  break;
	}
      if (!p)
	return clib_error_return (0, "no memory for %wd bytes", size);
      if ((pointer_to_uword (p) + offset) & (align - 1))
	return clib_error_return (0, "%p is not aligned to %wd", p, align);
      p[0] = p[size - 1] = (u8) j;
      tm->objects[j] = p;
      tm->sizes[j] = size;
    }
  clib_mem_validate ();
  clib_mem_usage (&tm->usage);
  if (tm->verbose)
    fformat (stdout, "%U\n", format_clib_mem_usage, /* verbose */ 0);
  for (j = 0; j < vec_len (tm->objects); j++)
    if (tm->objects[j])
      clib_mem_free (tm->objects[j]);
  return 0;
}

/* Another heap for a while, by the thread's entry in the array. */
static clib_error_t *
test_per_cpu_heap (test_mem_main_t * tm)
{
  void *main_heap = clib_mem_get_heap ();
  void *heap = mheap_alloc (0, 1 << 20), *old;
  u8 *p;

  if (clib_per_cpu_mheaps[os_get_thread_index ()] != main_heap)
    return clib_error_return (0, "the array has %p, the current heap is %p",
			      clib_per_cpu_mheaps[0], main_heap);
  old = clib_mem_set_per_cpu_heap (heap);
  if (old != main_heap || clib_mem_get_per_cpu_heap () != heap)
    return clib_error_return (0, "wrong heap");
  p = clib_mem_alloc (100);
  if (mheap_elts (heap) != 1)
    return clib_error_return (0, "not taken from the other heap");
  clib_mem_free (p);
  clib_mem_set_heap (main_heap);
  mheap_free (heap);
  p = clib_mem_alloc_stack (64);
  memset (p, 0xff, 64);
  return 0;
}

static clib_error_t *
test_vm (test_mem_main_t * tm)
{
  uword page = clib_mem_get_page_size (), n = 16 * page, i;
  clib_mem_vm_alloc_t alloc = { 0 };
  clib_error_t *error;
  u8 *p = clib_mem_vm_alloc (n);

  if (!p)
    return clib_error_return_unix (0, "clib_mem_vm_alloc");
  memset (p, 1, n);
  if (clib_mem_vm_unmap (p + page, 2 * page) != p + page)
    return clib_error_return (0, "unmap");
  if (clib_mem_vm_map (p + page, 2 * page) != p + page)
    return clib_error_return (0, "map");
  for (i = 0; i < n; i++)
    if (p[i] != (i < page || i >= 3 * page))
      return clib_error_return (0, "byte %wd is %d", i, p[i]);
  clib_mem_vm_free (p, n);

  alloc.name = "test";
  alloc.size = n + 1;
  alloc.flags = CLIB_MEM_VM_F_SHARED | CLIB_MEM_VM_F_NUMA_PREFER;
  alloc.numa_node = 0;
  if ((error = clib_mem_vm_ext_alloc (&alloc)))
    return error;
  if (alloc.n_pages != 17 || alloc.fd < 0 || 1 << alloc.log2_page_size != page)
    return clib_error_return (0, "%d pages, fd %d", alloc.n_pages, alloc.fd);
  if (clib_mem_get_fd_page_size (alloc.fd) != page)
    return clib_error_return (0, "fd page size");
  memset (alloc.addr, 0x5a, n);
  clib_mem_vm_ext_free (&alloc);
  return 0;
}

int
test_mem_main_fn (unformat_input_t * input)
{
  test_mem_main_t *tm = &test_mem_main;
  clib_error_t *error = 0;

  tm->n_iter = 10000;
  tm->n_objects = 500;
  tm->max_size = 2000;
  tm->seed = 1;
  while (unformat_check_input (input) != UNFORMAT_END_OF_INPUT)
    {
      if (unformat (input, "iter %d", &tm->n_iter))
	;
      else if (unformat (input, "seed %d", &tm->seed))
	;
      else if (unformat (input, "objects %d", &tm->n_objects))
	;
      else if (unformat (input, "size %d", &tm->max_size))
	;
      else if (unformat (input, "verbose"))
	tm->verbose = 1;
      else
	{
	  error = clib_error_create ("unknown input `%U'", format_unformat_error, input);
	  goto done;
	}
    }
  if ((error = test_objects (tm)))
    goto done;
  if ((error = test_per_cpu_heap (tm)))
    goto done;
  error = test_vm (tm);
done:
  vec_free (tm->objects);
  vec_free (tm->sizes);
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
  int rv;

  /* No clib_mem_init(): the first allocation makes the heap. */
  unformat_init_command_line (&i, argv);
  rv = test_mem_main_fn (&i);
  unformat_free (&i);
  return rv;
}
#endif
