/* SPDX-License-Identifier: Apache-2.0 */
/* Rewrite strings of many lengths in one heap of bytes, and in one that a buffer of the program's
 * holds; a table remembers index and handle of each.
 *
 *   test_heap [strings N] [seed N] [verbose] */
#include <vppinfra/clib.h>
#include <vppinfra/mem.h>
#include <vppinfra/heap.h>
#include <vppinfra/pool.h>
#include <vppinfra/error.h>
#include <vppinfra/format.h>
#include <vppinfra/random.h>

typedef struct {
	u32 offset, handle, len;
	u8 first;
} rewrite_t;

typedef struct {
	u8 *heap;
	rewrite_t *rewrites;
	u32 seed, n_strings, n_refused;
	int verbose;
} test_main_t;

static test_main_t test_main;

static int
add_rewrite(test_main_t *tm, u32 len)
{
	rewrite_t *r;
	uword offset;
	u32 handle;
	u8 *p;

	offset = heap_alloc(tm->heap, len, handle);
	if (offset == ~0)
		return -1;
	pool_get(tm->rewrites, r);
	clib_memset(r, 0, sizeof(*r));
	r->offset = offset;
	r->handle = handle;
	r->len = len;
	r->first = r - tm->rewrites;
	p = heap_elt_at_index(tm->heap, offset);
	clib_memset(p, r->first, len);
	return 0;
}

static clib_error_t *
check_rewrites(test_main_t *tm)
{
	clib_error_t *error;
	rewrite_t *r;
	uword len, n = 0;
	u32 i;
	u8 *p;

	pool_foreach (r, tm->rewrites) {
		p = heap_elt_with_handle(tm->heap, r->handle);
		if ((error = CLIB_ERROR_ASSERT(p == tm->heap + r->offset)) ||
		    (error = CLIB_ERROR_ASSERT(heap_len(tm->heap, r->handle) == r->len)))
			return error;
		for (i = 0; i < r->len; i++)
			if (p[i] != r->first)
				return clib_error_return(0, "rewrite %u, byte %u: %u", r->first, i, p[i]);
	}
	heap_foreach (p, len, tm->heap, ({
			      n += len > 0;
			      if (p[0] != p[len - 1])
				      return clib_error_return(0, "at %u", (u32)(p - tm->heap));
		      }));
	if ((error = CLIB_ERROR_ASSERT(n == pool_elts(tm->rewrites))) ||
	    (error = CLIB_ERROR_ASSERT(n == heap_elts(tm->heap))))
		return error;
	heap_validate(tm->heap);
	return 0;
}

static clib_error_t *
run_rewrites(test_main_t *tm)
{
	clib_error_t *error;
	rewrite_t *r;
	u32 i, index;

	for (i = 0; i < tm->n_strings; i++) {
		index = random_u32(&tm->seed) % 200;
		if (pool_is_free_index(tm->rewrites, index)) {
			tm->n_refused += add_rewrite(tm, 1 + random_u32(&tm->seed) % 60) != 0;
			continue;
		}
		r = pool_elt_at_index(tm->rewrites, index);
		heap_dealloc(tm->heap, r->handle);
		pool_put(tm->rewrites, r);
		if (i % 64 == 0 && (error = check_rewrites(tm)))
			return error;
	}
	if ((error = check_rewrites(tm)))
		return error;
	if (tm->verbose)
		fformat(stdout, "%U\n", format_heap, tm->heap, 1);
	fformat(stdout, "%U\n", format_heap, tm->heap, 0);
	pool_flush(r, tm->rewrites, ({ heap_dealloc(tm->heap, r->handle); }));
	error = CLIB_ERROR_ASSERT(heap_elts(tm->heap) == 0);
	heap_free(tm->heap);
	pool_free(tm->rewrites);
	return error;
}

static clib_error_t *
test_given_memory(test_main_t *tm)
{
	uword max_len = 2000;
	u8 *memory = clib_mem_alloc_aligned(heap_header_bytes() + max_len, CLIB_CACHE_LINE_BYTES);
	clib_error_t *error;

	tm->heap = heap_create_from_memory(memory, max_len, sizeof(tm->heap[0]));
	if (!tm->heap)
		return clib_error_return(0, "no heap");
	if ((error = CLIB_ERROR_ASSERT(heap_get_max_len(tm->heap) == max_len)) ||
	    (error = run_rewrites(tm)) || (error = CLIB_ERROR_ASSERT(tm->n_refused > 0)))
		return error;
	clib_mem_free(memory);
	return 0;
}

int
test_heap_main(unformat_input_t *input)
{
	test_main_t *tm = &test_main;
	clib_error_t *error;

	tm->n_strings = 20000;
	tm->seed = 42;
	while (unformat_check_input(input) != UNFORMAT_END_OF_INPUT) {
		if (unformat(input, "strings %u", &tm->n_strings))
			;
		else if (unformat(input, "seed %u", &tm->seed))
			;
		else if (unformat(input, "verbose"))
			tm->verbose = 1;
		else {
			clib_warning("unknown input `%U'", format_unformat_error, input);
			return 1;
		}
	}
	if ((error = run_rewrites(tm)) || (error = test_given_memory(tm))) {
		error->flags &= ~CLIB_ERROR_FATAL;
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

	clib_mem_init(0, 3ULL << 30);
	unformat_init_command_line(&i, argv);
	ret = test_heap_main(&i);
	unformat_free(&i);
	return ret;
}
#endif
