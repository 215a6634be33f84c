/* SPDX-License-Identifier: Apache-2.0 */
/* Heaps as a program of 18.07 drives them: random objects in a heap of its own, aligned at random
 * offsets, each filled and checked against what was written; the heap validated, walked, measured
 * and printed on the way; its last part runs with that heap as the current one.
 *
 *   test_mheap [iter N] [count N] [size N] [seed N] [check-align] [trace] [verbose] */
#include <vppinfra/mheap.h>
#include <vppinfra/format.h>
#include <vppinfra/random.h>
#include <vppinfra/time.h>
#include <vppinfra/error.h>
#include <vppinfra/mem.h>
#include <vppinfra/vec.h>

static int verbose = 0;

#define if_verbose(format, args...)                                                                \
	if (verbose) {                                                                             \
		clib_warning(format, ##args);                                                      \
	}

typedef struct {
	uword offset;
	uword n_bytes;
	u32 mark;
} object_t;

typedef struct {
	void *heap;
	object_t *objects;
	uword n_found;
	uword n_bytes_found;
} test_mheap_t;

static void
fill(void *v, object_t *o)
{
	u8 *p = v + o->offset;
	uword i;

	for (i = 0; i < o->n_bytes; i++)
		p[i] = o->mark + i;
}

static clib_error_t *
check(void *v, object_t *o)
{
	u8 *p = v + o->offset;
	uword i;

	for (i = 0; i < o->n_bytes; i++) {
		if (p[i] != (u8)(o->mark + i))
			return clib_error_return(0, "object at 0x%wx: byte %wd is 0x%x", o->offset,
						 i, p[i]);
	}
	return 0;
}

/* Every alignment with every offset that is possible for it. */
static clib_error_t *
test_align(uword max_align)
{
	void *v = mheap_alloc(0, 16 << 20);
	uword align, align_offset, offset, n = 0;

	if (!v)
		return clib_error_return(0, "mheap_alloc failed");
	for (align = 8; align <= max_align; align *= 2) {
		for (align_offset = 0; align_offset < align; align_offset += 8) {
			v = mheap_get_aligned(v, 1 + (n++ % 100), align, align_offset, &offset);
			if (offset == ~0)
				return clib_error_return(0, "get of align %wd, offset %wd failed",
							 align, align_offset);
			if ((offset + align_offset) & (align - 1))
				return clib_error_return(0, "0x%wx is not align %wd, offset %wd",
							 offset, align, align_offset);
			if (n % 3)
				mheap_put(v, offset);
		}
	}
	mheap_validate(v);
	if_verbose("%wd aligned gets: %U", n, format_mheap, v, verbose);
	mheap_free(v);
	if (v != 0)
		return clib_error_return(0, "mheap_free left the pointer");
	return 0;
}

static uword
count_object(void *arg, void *v, void *elt_data, uword elt_size)
{
	test_mheap_t *tm = arg;

	if (v != tm->heap || elt_size != mheap_data_bytes(v, elt_data - v))
		clib_panic("foreach: %p of %wd bytes", elt_data, elt_size);
	tm->n_found++;
	tm->n_bytes_found += elt_size;
	return 0;
}

static clib_error_t *
check_usage(test_mheap_t *tm, uword n_live)
{
	clib_mem_usage_t usage;
	clib_error_t *error;
	object_t *o;

	mheap_validate(tm->heap);
	mheap_usage(tm->heap, &usage);
	if (usage.object_count != n_live || mheap_elts(tm->heap) != n_live)
		return clib_error_return(0, "%wd objects, expected %wd", usage.object_count,
					 n_live);
	if (usage.bytes_total != mheap_bytes(tm->heap) ||
	    usage.bytes_max != mheap_max_size(tm->heap) ||
	    usage.bytes_used + usage.bytes_free > usage.bytes_total)
		return clib_error_return(0, "usage does not add up: %wd used, %wd free, %wd total",
					 usage.bytes_used, usage.bytes_free, usage.bytes_total);

	tm->n_found = tm->n_bytes_found = 0;
	mheap_foreach(tm->heap, count_object, tm);
	if (tm->n_found != n_live || tm->n_bytes_found != usage.bytes_used)
		return clib_error_return(0, "foreach found %wd objects of %wd bytes", tm->n_found,
					 tm->n_bytes_found);

	vec_foreach (o, tm->objects) {
		if (o->offset == ~0)
			continue;
		if (!mheap_offset_is_valid(tm->heap, o->offset))
			return clib_error_return(0, "0x%wx is not valid", o->offset);
		error = check(tm->heap, o);
		if (error)
			return error;
	}
	return 0;
}

static clib_error_t *
test_random(test_mheap_t *tm, u32 *seed, uword n_iter, uword n_objects, uword max_bytes,
	    int check_align, int trace)
{
	clib_error_t *error;
	clib_time_t ct;
	uword i, n_live = 0;
	f64 start;

	clib_time_init(&ct);
	tm->heap = mheap_alloc(0, 64 << 20);
	if (!tm->heap)
		return clib_error_return(0, "mheap_alloc failed");
	if (trace)
		mheap_trace(tm->heap, 1);

	vec_resize(tm->objects, n_objects);
	for (i = 0; i < n_objects; i++)
		tm->objects[i].offset = ~0;

	start = clib_time_now(&ct);
	for (i = 0; i < n_iter; i++) {
		object_t *o = vec_elt_at_index(tm->objects, random_u32(seed) % n_objects);

		if (o->offset != ~0) {
			error = check(tm->heap, o);
			if (error)
				return error;
			mheap_put(tm->heap, o->offset);
			o->offset = ~0;
			n_live--;
		} else {
			uword align = 0, align_offset = 0;

			o->n_bytes = 1 + random_u32(seed) % max_bytes;
			if (check_align) {
				align = 8 << (random_u32(seed) % 8);
				align_offset = (random_u32(seed) % align) & ~7;
			}
			tm->heap = mheap_get_aligned(tm->heap, o->n_bytes, align, align_offset,
						     &o->offset);
			if (o->offset == ~0)
				return clib_error_return(0, "get of %wd bytes failed", o->n_bytes);
			if (align && (o->offset + align_offset) % align)
				return clib_error_return(0, "0x%wx: align %wd, offset %wd",
							 o->offset, align, align_offset);
			o->mark = random_u32(seed);
			fill(tm->heap, o);
			n_live++;
		}
		if (i % 1000 == 0) {
			error = check_usage(tm, n_live);
			if (error)
				return error;
		}
	}
	if_verbose("%wd gets and puts, %.2f ns each", n_iter,
		   1e9 * (clib_time_now(&ct) - start) / n_iter);
	if (verbose)
		fformat(stdout, "%U\n", format_mheap, tm->heap, verbose);
	error = check_usage(tm, n_live);
	if (error)
		return error;

	for (i = 0; i < n_objects; i++) {
		if (tm->objects[i].offset != ~0)
			mheap_put(tm->heap, tm->objects[i].offset);
		tm->objects[i].offset = ~0;
	}
	return check_usage(tm, 0);
}

/* The containers take their memory from whatever heap is current, and shows it. */
static clib_error_t *
test_current_heap(test_mheap_t *tm)
{
	void *old_heap = clib_mem_set_heap(tm->heap);
	mheap_t *h = mheap_header(tm->heap);
	u8 *s = 0;
	u32 *v = 0;
	uword n_bytes;

	vec_validate(v, 1000);
	s = format(s, "%U%c", format_mheap, tm->heap, 2, 0);
	n_bytes = vec_len(s);
	if (!clib_mem_is_heap_object(vec_header(v, 0)) && h->n_elts < 2)
		return clib_error_return(0, "the vector is not in the current heap");
	vec_free(v);
	vec_free(s);
	if (clib_mem_get_heap() != tm->heap)
		return clib_error_return(0, "another heap is current");
	clib_mem_set_heap(old_heap);
	if (n_bytes < 100)
		return clib_error_return(0, "format_mheap said %wd bytes", n_bytes);
	if (h->n_elts != 0)
		return clib_error_return(0, "%Ld objects are left", h->n_elts);
	if (verbose)
		dmh(tm->heap);
	return 0;
}

int
test_mheap_main(unformat_input_t *input)
{
	test_mheap_t _tm = { 0 }, *tm = &_tm;
	uword n_iter = 20000, n_objects = 500, max_bytes = 2000;
	int check_align = 0, trace = 0;
	clib_error_t *error = 0;
	u32 seed = 1;

	clib_mem_init(0, 32 << 20);

	while (unformat_check_input(input) != UNFORMAT_END_OF_INPUT) {
		if (unformat(input, "iter %wd", &n_iter) ||
		    unformat(input, "count %wd", &n_objects) ||
		    unformat(input, "size %wd", &max_bytes) || unformat(input, "seed %d", &seed))
			;
		else if (unformat(input, "check-align"))
			check_align = 1;
		else if (unformat(input, "trace"))
			trace = 1;
		else if (unformat(input, "verbose %d", &verbose))
			;
		else if (unformat(input, "verbose"))
			verbose = 1;
		else {
			error = clib_error_create("unknown input `%U'\n", format_unformat_error,
						  input);
			goto done;
		}
	}
	if (!seed)
		seed = random_default_seed();

	error = test_align(1024);
	if (!error)
		error = test_random(tm, &seed, n_iter, n_objects, max_bytes, check_align, trace);
	if (!error)
		error = test_current_heap(tm);
	if (!error) {
		vec_free(tm->objects);
		mheap_free(tm->heap);
	}

done:
	if (error) {
		clib_error_report(error);
		return 1;
	}
	return 0;
}

#ifdef CLIB_UNIX
int
main(int argc, char *argv[])
{
	unformat_input_t i;
	int ret;

	unformat_init_command_line(&i, argv);
	ret = test_mheap_main(&i);
	unformat_free(&i);

	return ret;
}
#endif /* CLIB_UNIX */
