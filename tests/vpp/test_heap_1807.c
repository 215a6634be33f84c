/* SPDX-License-Identifier: Apache-2.0 */
/* Objects of 1 to 100 elements come and go in one heap, as a program of 18.07 does it: each is filled
 * with a pattern that must be there when it goes.
 *
 *   test_heap [N [SEED [CHECK]]]     CHECK: 1 validate after each step, 2 work on a copy from then
 *                                    on, 4 look at every object's pattern */
#include <vppinfra/mem.h>
#include <vppinfra/vec.h>
#include <vppinfra/heap.h>
#include <vppinfra/format.h>
#include <vppinfra/error.h>
#include <vppinfra/random.h>
#include <stdlib.h>

static int verbose;
#define if_verbose(format, args...)                                                                \
	if (verbose) {                                                                             \
		fformat(stderr, format, ##args);                                                   \
	}

static void
fill(u32 *h, uword offset, uword n, u32 pattern)
{
	uword i;

	for (i = 0; i < n; i++)
		h[offset + i] = pattern + i;
}

static void
check(u32 *h, uword handle, uword offset, u32 pattern)
{
	u32 *o = heap_elt_with_handle(h, handle);
	uword i, n = heap_len(h, handle);

	ALWAYS_ASSERT(o == h + offset);
	ALWAYS_ASSERT(!heap_is_free_handle(h, handle));
	for (i = 0; i < n; i++)
		ALWAYS_ASSERT(o[i] == pattern + i);
}

int
test_heap_main(int argc, char *argv[])
{
	u32 *h = 0, *p;
	u32 seed = 1;
	uword *handles = 0, *objects = 0, *sizes = 0, *totals = 0;
	uword i, j, k, n = 1000, objects_used = 0, n_seen = 0, len, check_mask = 7;

	if (argc > 1)
		n = atoi(argv[1]);
	if (argc > 2)
		seed = atoi(argv[2]);
	if (argc > 3)
		check_mask = atoi(argv[3]);
	if_verbose("testing %wd iterations, seed %d\n", n, seed);

	vec_resize(objects, 1000);
	vec_set(objects, ~0);
	vec_resize(handles, vec_len(objects));
	vec_resize(sizes, vec_len(objects));

	for (i = 0; i < n; i++) {
		j = random_u32(&seed) % vec_len(objects);

		if (objects[j] != ~0) {
			check(h, handles[j], objects[j], j << 16);
			heap_dealloc(h, handles[j]);
			ALWAYS_ASSERT(heap_is_free_handle(h, handles[j]));
			objects[j] = ~0;
			objects_used--;
		} else {
			uword size = 1 + (random_u32(&seed) % 100);
			uword log2_align = random_u32(&seed) % 5;

			if (random_u32(&seed) & 1)
				objects[j] = heap_alloc(h, size, handles[j]);
			else
				objects[j] = heap_alloc_aligned(h, size, 1 << log2_align, handles[j]);
			ALWAYS_ASSERT(objects[j] != ~0);
			ALWAYS_ASSERT(heap_len(h, handles[j]) == size);
			sizes[j] = size;
			fill(h, objects[j], size, j << 16);
			objects_used++;
		}
		ALWAYS_ASSERT(heap_elts(h) == objects_used);

		if (check_mask & 1)
			heap_validate(h);
		if ((check_mask & 2) && i % 16 == 0) {
			u32 *h1 = heap_dup(h);
			heap_free(h);
			h = h1;
		}
		if ((check_mask & 4) && i % 16 == 0)
			for (k = 0; k < vec_len(objects); k++)
				if (objects[k] != ~0)
					check(h, handles[k], objects[k], k << 16);
		vec_add1(totals, vec_len(h));
	}

	if (verbose)
		fformat(stderr, "%U\n", format_heap, h, 1);

	heap_foreach(p, len, h, ({
			     j = p[0] >> 16;
			     ALWAYS_ASSERT(objects[j] == p - h);
			     ALWAYS_ASSERT(sizes[j] == len);
			     n_seen++;
		     }));
	ALWAYS_ASSERT(n_seen == objects_used);

	for (j = 0; j < vec_len(objects); j++)
		if (objects[j] != ~0)
			heap_dealloc(h, handles[j]);
	ALWAYS_ASSERT(heap_elts(h) == 0);
	heap_validate(h);
	heap_free(h);
	ALWAYS_ASSERT(h == 0);
	if (verbose)
		fformat(stderr, "%U\n", format_heap, h, 1);

	fformat(stdout, "%wd steps, %wd objects at the end, %wd elements\n", n, n_seen,
		vec_len(totals) ? vec_end(totals)[-1] : 0);
	vec_free(objects);
	vec_free(handles);
	vec_free(sizes);
	vec_free(totals);
	return 0;
}

#ifdef CLIB_UNIX
int
main(int argc, char *argv[])
{
	clib_mem_init(0, 10 << 20);
	return test_heap_main(argc, argv);
}
#endif /* CLIB_UNIX */
