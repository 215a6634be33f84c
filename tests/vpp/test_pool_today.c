/* SPDX-License-Identifier: Apache-2.0 */
/* Pools as today's programs use them: loops are loop headers, will_expand has a value, objects come
 * zeroed and aligned; random puts and gets beside a plain array, and a walk past every hole.
 *
 *   test_pool [seed N] [ops N] */
#include <vppinfra/mem.h>
#include <vppinfra/pool.h>

typedef struct {
	CLIB_CACHE_LINE_ALIGN_MARK(cacheline0);
	u32 id;
	u8 rest[100];
} thing_t;

#define MAX_THINGS 2000

typedef struct {
	thing_t *pool;
	/* What should be in it, by index: 0 is free. */
	u32 model[MAX_THINGS];
	u32 *freed;
	u32 n_live;
	u32 seed;
	u32 n_ops;
} test_main_t;

static clib_error_t *
check(test_main_t *tm)
{
	u32 n = 0, i, n_holes = 0, next = ~0, first = ~0, *live = 0;
	thing_t *t;
	uword bytes = 0;

	pool_foreach (t, tm->pool) {
		i = t - tm->pool;
		if (t->id != tm->model[i])
			return clib_error_return(0, "object %u is %u, not %u", i, t->id,
						 tm->model[i]);
		if (n == 0)
			first = i;
		vec_add1(live, i);
		n++;
	}
	if (n != tm->n_live || pool_elts(tm->pool) != n)
		return clib_error_return(0, "%u objects, not %u", n, tm->n_live);

	pool_foreach_index (i, tm->pool) {
		if (vec_elt(live, 0) != i && bytes == 0)
			return clib_error_return(0, "the first index is %u", i);
		bytes += sizeof(thing_t);
		if (i > MAX_THINGS / 2)
			break;
	}
	if (n && pool_get_first_index(tm->pool) != first)
		return clib_error_return(0, "first index %u, not %u",
					 pool_get_first_index(tm->pool), first);

	/* A cursor of 32 bits. */
	for (n = 0; (next = pool_next_index(tm->pool, next)) != ~0; n++)
		if (live[n] != next)
			return clib_error_return(0, "next index %u, not %u", next, live[n]);
	if (n != vec_len(live))
		return clib_error_return(0, "%u indices, not %u", n, vec_len(live));

	for (i = 0; i < pool_len(tm->pool); i++)
		n_holes += pool_is_free_index(tm->pool, i);
	if (n_holes != vec_len(tm->freed))
		return clib_error_return(0, "%u holes, not %u", n_holes, vec_len(tm->freed));
	vec_free(live);
	return 0;
}

static clib_error_t *
one_get(test_main_t *tm)
{
	int expand = pool_get_will_expand(tm->pool);
	uword expected = vec_len(tm->freed) ? vec_pop(tm->freed) : pool_len(tm->pool);
	thing_t *t, *before = tm->pool;

	if (expected >= MAX_THINGS)
		return 0;
	pool_get_aligned_zero(tm->pool, t, CLIB_CACHE_LINE_BYTES);
	if (t - tm->pool != expected)
		return clib_error_return(0, "got %u, not %u", t - tm->pool, expected);
	if (!expand && tm->pool != before)
		return clib_error_return(0, "moved without being said to");
	if ((uword)t % CLIB_CACHE_LINE_BYTES || t->id || t->rest[99])
		return clib_error_return(0, "not aligned, or not zero");
	t->id = 1 + (random_u32(&tm->seed) >> 4);
	memset(t->rest, 0xff, sizeof(t->rest));
	tm->model[expected] = t->id;
	tm->n_live++;
	return 0;
}

static void
one_put(test_main_t *tm)
{
	u32 i = random_u32(&tm->seed) % clib_max(pool_len(tm->pool), 1);

	if (pool_is_free_index(tm->pool, i))
		return;
	if (i & 1)
		pool_put_index(tm->pool, i);
	else
		pool_put(tm->pool, pool_elt_at_index(tm->pool, i));
	vec_add1(tm->freed, i);
	tm->model[i] = 0;
	tm->n_live--;
}

static clib_error_t *
random_ops(test_main_t *tm)
{
	clib_error_t *error = 0;
	u32 favour = 50;

	for (u32 i = 0; i < tm->n_ops && !error; i++) {
		if (i % 512 == 0) {
			if ((error = check(tm)))
				return clib_error_return(error, "after %u operations", i);
			favour = 30 + random_u32(&tm->seed) % 45;
		}
		if (random_u32(&tm->seed) % 100 < favour)
			error = one_get(tm);
		else
			one_put(tm);
	}
	return error ? error : check(tm);
}

/* Loops inside loops, left early and gone on with, and one that frees what it visits. */
static clib_error_t *
loops(void)
{
	u32 *pool = 0, *a, *b, n = 0, i;
	void **pointers = 0;
	uword sum = 0;

	for (i = 0; i < 130; i++) {
		pool_get(pool, a);
		*a = i;
	}
	for (i = 0; i < 130; i += 2)
		pool_put_index(pool, i);
	pool_foreach (a, pool) {
		if (*a == 5)
			continue;
		pool_foreach (b, pool) {
			if (b == a)
				break;
			n++;
		}
		if (*a > 100)
			break;
	}
	/* 1, 3, ... 101 without 5, each with those below it. */
	if (n != 50 * 51 / 2 - 2)
		return clib_error_return(0, "%u turns", n);

	n = 0;
	pool_foreach_stepping_index(i, 0, 10, pool) n += i;
	if (n != 1 + 3 + 5 + 7 + 9)
		return clib_error_return(0, "stepping: %u", n);
	n = 0;
	pool_foreach_old(a, pool, ({ n += *a > 100; }));
	if (n != 15)
		return clib_error_return(0, "old form: %u", n);
	n = 0;
	pool_foreach_stepping_index(i, 63, 1000, pool) n++;
	if (n != 34)
		return clib_error_return(0, "stepping to the end: %u", n);

	pool_foreach (a, pool)
		pool_put(pool, a);
	if (pool_elts(pool))
		return clib_error_return(0, "%u left", pool_elts(pool));
	pool_free(pool);

	for (i = 0; i < 100; i++) {
		void **p;

		pool_get_zero(pointers, p);
		p[0] = uword_to_pointer(i * 3, void *);
	}
	pool_put_index(pointers, 0);
	pool_put_index(pointers, 99);
	pool_foreach_pointer(e, pointers) sum += pointer_to_uword(e);
	if (sum != 3 * (98 * 99 / 2))
		return clib_error_return(0, "pointers: %u", sum);
	pool_free(pointers);
	return 0;
}

static clib_error_t *
copies(void)
{
	u64 *pool = 0, *copy, *e;

	pool_alloc(pool, 1000);
	if (pool_get_will_expand(pool) || pool_free_elts(pool) < 1000 || pool_elts(pool))
		return clib_error_return(0, "1000 were reserved");
	for (u32 i = 0; i < 1000; i++) {
		pool_get(pool, e);
		*e = i;
		if (pool_put_will_expand(pool, e))
			return clib_error_return(0, "a put that expands");
	}
	for (u32 i = 0; i < 1000; i += 9)
		pool_put_index(pool, i);
	copy = pool_dup_aligned(pool, 64);
	if (pool_elts(copy) != pool_elts(pool) || pool_len(copy) != pool_len(pool))
		return clib_error_return(0, "copy of another size");
	pool_foreach (e, copy) {
		if (*e != pool[e - copy] || *e != e - copy)
			return clib_error_return(0, "copy differs");
	}
	pool_flush(e, copy, ({
			   if (*e != e - copy)
				   return clib_error_return(0, "flush");
		   }));
	pool_validate(copy);
	pool_validate(pool);
	pool_validate_index(pool, 1999);
	if (pool_len(pool) != 2000 || pool_is_free_index(pool, 1999) || pool[1999])
		return clib_error_return(0, "index 1999");
	pool_free(copy);
	pool_free(pool);
	return 0;
}

int
main(int argc, char *argv[])
{
	static test_main_t test_main = { .seed = 1, .n_ops = 100000 };
	test_main_t *tm = &test_main;
	unformat_input_t _i, *i = &_i;
	clib_error_t *error = 0;

	clib_mem_init(0, 64ULL << 20);
	unformat_init_command_line(i, argv);
	while (unformat_check_input(i) != UNFORMAT_END_OF_INPUT)
		if (unformat(i, "seed %u", &tm->seed))
			;
		else if (unformat(i, "ops %u", &tm->n_ops))
			;
		else {
			error = unformat_parse_error(i);
			break;
		}
	unformat_free(i);
	if (!error)
		error = random_ops(tm);
	if (!error)
		error = loops();
	if (!error)
		error = copies();
	pool_free(tm->pool);
	vec_free(tm->freed);
	if (error) {
		clib_error_report(error);
		return 1;
	}
	clib_mem_validate();
	return 0;
}
