/* SPDX-License-Identifier: Apache-2.0 */
/* Random operations on random vectors, as a program of 18.07 does it: every operation by name, how
 * often each runs is a word on the command line, and after each step the vector is compared with
 * what a plain array says.
 *
 *   test_vec [iter N] [seed N] [size N] [n-vecs N] [verbose] [add1 N] [delete N] ... */
#include <vppinfra/clib.h>
#include <vppinfra/mem.h>
#include <vppinfra/vec.h>
#include <vppinfra/format.h>
#include <vppinfra/error.h>
#include <vppinfra/random.h>

typedef u16 elt_t;

typedef struct {
	u32 magic;
	u32 id;
	u8 pad[20];
} hdr_t;

#define MAX_LEN 512

/* A vector, how it was made, and its content once more. */
typedef struct {
	elt_t *v;
	uword hdr_bytes;
	uword align;
	uword id;
	uword n;
	elt_t model[MAX_LEN];
} case_t;

typedef struct {
	u32 seed;
	u32 n_iter;
	u32 n_vecs;
	u32 max_size;
	u32 verbose;
	case_t *cases;
	uword *op_prob;
	uword n_calls;
} test_main_t;

static test_main_t test_main_data;

#define foreach_op                                                                                 \
	_(resize)                                                                                  \
	_(alloc)                                                                                   \
	_(reset_length)                                                                            \
	_(free)                                                                                    \
	_(dup)                                                                                     \
	_(clone)                                                                                   \
	_(validate)                                                                                \
	_(validate_init_empty)                                                                     \
	_(add1)                                                                                    \
	_(add2)                                                                                    \
	_(add)                                                                                     \
	_(pop)                                                                                     \
	_(pop2)                                                                                    \
	_(insert)                                                                                  \
	_(insert_init_empty)                                                                       \
	_(insert_elts)                                                                             \
	_(delete)                                                                                  \
	_(del1)                                                                                    \
	_(append)                                                                                  \
	_(prepend)                                                                                 \
	_(zero)                                                                                    \
	_(set)                                                                                     \
	_(set_len)                                                                                 \
	_(sort)                                                                                    \
	_(search)                                                                                  \
	_(foreach)

typedef enum {
#define _(f) OP_IS_##f,
	foreach_op
#undef _
		N_OP,
} op_t;

static char *op_names[] = {
#define _(f) #f,
	foreach_op
#undef _
};

#define PANIC_IF(truth)                                                                            \
	do {                                                                                       \
		if (truth) {                                                                       \
			clib_warning("vector %d: %s", c->id, #truth);                              \
			os_panic();                                                                \
		}                                                                                  \
	} while (0)

static u32
rnd(test_main_t *tm, u32 n)
{
	return n ? (random_u32(&tm->seed) >> 8) % n : 0;
}

static elt_t
rnd_elt(test_main_t *tm)
{
	/* Few values, so that searches find something. */
	return 1 + rnd(tm, 200);
}

static hdr_t *
case_header(case_t *c)
{
	return c->align ? vec_aligned_header(c->v, c->hdr_bytes, c->align)
			: vec_header(c->v, c->hdr_bytes);
}

static void
sign(case_t *c)
{
	if (c->hdr_bytes && c->v) {
		hdr_t *h = case_header(c);

		h->magic = 0xfeedface;
		h->id = c->id;
	}
}

static void
check(case_t *c)
{
	elt_t *e;
	uword i = 0;

	PANIC_IF(vec_len(c->v) != c->n);
	PANIC_IF(vec_bytes(c->v) != c->n * sizeof(elt_t));
	PANIC_IF(c->v && vec_capacity(c->v, c->hdr_bytes) < vec_bytes(c->v));
	PANIC_IF(vec_max_len(c->v) < vec_len(c->v));
	PANIC_IF(c->align && (uword)c->v % c->align);
	vec_foreach (e, c->v) {
		PANIC_IF(*e != c->model[i]);
		PANIC_IF(vec_elt(c->v, i) != c->model[i]);
		PANIC_IF(!vec_is_member(c->v, e));
		i++;
	}
	PANIC_IF(i != c->n);
	PANIC_IF(vec_end(c->v) != c->v + i);
	if (c->hdr_bytes && c->v) {
		hdr_t *h = case_header(c);

		PANIC_IF(h->magic != 0xfeedface || h->id != c->id);
		PANIC_IF(c->align == 0 && vec_header_end((void *)h, c->hdr_bytes) != (void *)c->v);
		PANIC_IF(c->align &&
			 vec_aligned_header_end((void *)h, c->hdr_bytes, c->align) != (void *)c->v);
	}
}

/* ---- a model of n elements at m ---- */

static void
model_open(case_t *c, uword n, uword m, elt_t *from, elt_t all)
{
	uword i;

	memmove(c->model + m + n, c->model + m, (c->n - m) * sizeof(elt_t));
	for (i = 0; i < n; i++)
		c->model[m + i] = from ? from[i] : all;
	c->n += n;
}

static int
compare(void *a, void *b)
{
	return (int)*(elt_t *)a - (int)*(elt_t *)b;
}

static int
compare_const(const void *a, const void *b)
{
	return (int)*(const elt_t *)a - (int)*(const elt_t *)b;
}

static word
is_twice(elt_t *e, uword x)
{
	return *e == 2 * x;
}

/* Every grower in the spelling that fits how the vector was made. */
#define GROW(op, c, ...)                                                                           \
	do {                                                                                       \
		if ((c)->hdr_bytes)                                                                \
			vec_##op##_ha((c)->v, ##__VA_ARGS__, (c)->hdr_bytes, (c)->align);          \
		else if ((c)->align)                                                               \
			vec_##op##_aligned((c)->v, ##__VA_ARGS__, (c)->align);                     \
		else                                                                               \
			vec_##op((c)->v, ##__VA_ARGS__);                                           \
		sign(c);                                                                           \
	} while (0)

static void
step(test_main_t *tm, case_t *c, op_t op)
{
	elt_t some[32], *p, *w, x = rnd_elt(tm);
	uword room = MAX_LEN - c->n, n, m, i;

	n = rnd(tm, clib_min(room, (uword)ARRAY_LEN(some)));
	m = rnd(tm, c->n + 1);
	for (i = 0; i < ARRAY_LEN(some); i++)
		some[i] = rnd_elt(tm);

	switch (op) {
	case OP_IS_resize:
		GROW(resize, c, n);
		/* What shows there is undefined: write it. */
		for (i = 0; i < n; i++)
			c->v[c->n + i] = some[i];
		model_open(c, n, c->n, some, 0);
		break;
	case OP_IS_alloc:
		GROW(alloc, c, n);
		PANIC_IF(vec_max_len(c->v) < c->n + n);
		break;
	case OP_IS_reset_length:
		vec_reset_length(c->v);
		c->n = 0;
		break;
	case OP_IS_free:
		if (c->hdr_bytes)
			vec_free_ha(c->v, c->hdr_bytes, c->align);
		else
			vec_free(c->v);
		PANIC_IF(c->v != 0);
		c->n = 0;
		break;
	case OP_IS_dup:
		w = c->hdr_bytes ? vec_dup_ha(c->v, c->hdr_bytes, c->align)
		    : c->align   ? vec_dup_aligned(c->v, c->align)
				 : vec_dup(c->v);
		PANIC_IF(!vec_is_equal(w, c->v) || (w && w == c->v));
		vec_free_ha(c->v, c->hdr_bytes, c->align);
		c->v = w;
		sign(c);
		break;
	case OP_IS_clone:
		vec_clone(w, c->v);
		PANIC_IF(vec_len(w) != c->n);
		for (i = 0; i < c->n; i++)
			PANIC_IF(w[i] != 0);
		vec_copy(w, c->v);
		PANIC_IF(!vec_is_equal(w, c->v) || vec_cmp(w, c->v));
		vec_free(w);
		break;
	case OP_IS_validate:
		i = rnd(tm, MAX_LEN);
		GROW(validate, c, i);
		if (i + 1 > c->n)
			model_open(c, i + 1 - c->n, c->n, 0, 0);
		break;
	case OP_IS_validate_init_empty:
		i = rnd(tm, MAX_LEN);
		GROW(validate_init_empty, c, i, x);
		if (i + 1 > c->n)
			model_open(c, i + 1 - c->n, c->n, 0, x);
		break;
	case OP_IS_add1:
		if (room) {
			GROW(add1, c, x);
			c->model[c->n++] = x;
		}
		break;
	case OP_IS_add2:
		GROW(add2, c, p, n);
		PANIC_IF(p != c->v + c->n);
		for (i = 0; i < n; i++)
			p[i] = some[i];
		model_open(c, n, c->n, some, 0);
		break;
	case OP_IS_add:
		GROW(add, c, some, n);
		model_open(c, n, c->n, some, 0);
		break;
	case OP_IS_pop:
		if (c->n) {
			PANIC_IF(vec_pop(c->v) != c->model[c->n - 1]);
			c->n--;
		}
		break;
	case OP_IS_pop2:
		PANIC_IF(vec_pop2(c->v, x) != (c->n > 0));
		if (c->n) {
			c->n--;
			PANIC_IF(x != c->model[c->n]);
		}
		break;
	case OP_IS_insert:
		GROW(insert, c, n, m);
		model_open(c, n, m, 0, 0);
		break;
	case OP_IS_insert_init_empty:
		GROW(insert_init_empty, c, n, m, x);
		model_open(c, n, m, 0, x);
		break;
	case OP_IS_insert_elts:
		GROW(insert_elts, c, some, n, m);
		model_open(c, n, m, some, 0);
		break;
	case OP_IS_delete:
		n = rnd(tm, c->n - m + 1);
		vec_delete(c->v, n, m);
		memmove(c->model + m, c->model + m + n, (c->n - m - n) * sizeof(elt_t));
		c->n -= n;
		break;
	case OP_IS_del1:
		if (m < c->n) {
			vec_del1(c->v, m);
			c->model[m] = c->model[--c->n];
		}
		break;
	case OP_IS_append:
	case OP_IS_prepend:
		w = 0;
		vec_add(w, some, n);
		if (op == OP_IS_append)
			GROW(append, c, w);
		else
			GROW(prepend, c, w);
		model_open(c, n, op == OP_IS_append ? c->n : 0, some, 0);
		vec_free(w);
		break;
	case OP_IS_zero:
		vec_zero(c->v);
		memset(c->model, 0, c->n * sizeof(elt_t));
		break;
	case OP_IS_set:
		vec_set(c->v, x);
		for (i = 0; i < c->n; i++)
			c->model[i] = x;
		break;
	case OP_IS_set_len:
		if (c->v)
			_vec_len(c->v) = m;
		c->n = m;
		break;
	case OP_IS_sort:
		vec_sort_with_function(c->v, compare);
		qsort(c->model, c->n, sizeof(elt_t), compare_const);
		break;
	case OP_IS_search:
		for (i = 0; i < c->n && c->model[i] != x; i++)
			;
		PANIC_IF(vec_search(c->v, x) != (i < c->n ? (word)i : ~0));
		for (i = 0; i < c->n && c->model[i] != 2 * x; i++)
			;
		PANIC_IF(vec_search_with_function(c->v, x, is_twice) != (i < c->n ? (word)i : ~0));
		break;
	case OP_IS_foreach:
		i = c->n;
		vec_foreach_backwards (p, c->v) {
			i--;
			PANIC_IF(p != c->v + i);
		}
		PANIC_IF(i != 0);
		vec_foreach_index (i, c->v)
			PANIC_IF(vec_elt_at_index(c->v, i) != c->v + i);
		break;
	default:
		os_panic();
	}
}

static op_t
pick(test_main_t *tm)
{
	u32 x = rnd(tm, tm->op_prob[N_OP - 1]);
	op_t op = 0;

	while (x >= tm->op_prob[op])
		op++;
	return op;
}

static void
make_cases(test_main_t *tm)
{
	static uword aligns[] = { 8, 16, 64, 256, 4096 };
	uword i;

	vec_validate_aligned(tm->cases, tm->n_vecs - 1, CLIB_CACHE_LINE_BYTES);
	for (i = 0; i < tm->n_vecs; i++) {
		case_t *c = vec_elt_at_index(tm->cases, i);

		c->id = i;
		c->hdr_bytes = i % 3 ? sizeof(hdr_t) : 0;
		c->align = i % 2 ? aligns[i % ARRAY_LEN(aligns)] : 0;
	}
}

static int
test_vec_main(unformat_input_t *input)
{
	test_main_t *tm = &test_main_data;
	uword i, n;
	case_t *c;
	u32 *dummy;
	int op;

	tm->n_iter = 1000;
	tm->n_vecs = 12;
	tm->seed = 0xdabcdef1;
	vec_resize(tm->op_prob, N_OP);
	vec_set(tm->op_prob, 10);

	while (unformat_check_input(input) != UNFORMAT_END_OF_INPUT) {
		if (0) {
		}
#define _(f) else if (unformat(input, #f " %d", &n)) tm->op_prob[OP_IS_##f] = (u32)n;
		foreach_op
#undef _
			else if (unformat(input, "iter %d", &tm->n_iter));
		else if (unformat(input, "seed %d", &tm->seed));
		else if (unformat(input, "n-vecs %d", &tm->n_vecs));
		else if (unformat(input, "verbose %=", &tm->verbose, 1));
		else
		{
			clib_warning("unknown input `%U'", format_unformat_error, input);
			return 1;
		}
	}
	for (i = 1; i < N_OP; i++)
		tm->op_prob[i] += tm->op_prob[i - 1];
	make_cases(tm);

	/* A vector that nobody touches. */
	dummy = 0;
	vec_add1(dummy, 17);
	for (i = 0; i < tm->n_iter * tm->n_vecs; i++) {
		c = vec_elt_at_index(tm->cases, rnd(tm, vec_len(tm->cases)));
		op = pick(tm);
		step(tm, c, op);
		check(c);
		if (tm->verbose)
			fformat(stdout, "%6d: vector %d: %-20s length %d of %d\n", i, c->id,
				op_names[op], vec_len(c->v), vec_max_len(c->v));
	}
	if (vec_len(dummy) != 1 || dummy[0] != 17)
		os_panic();
	vec_foreach (c, tm->cases) {
		check(c);
		vec_free_ha(c->v, c->hdr_bytes, c->align);
	}
	vec_free(dummy);
	vec_free(tm->cases);
	vec_free(tm->op_prob);
	clib_mem_validate();
	fformat(stdout, "%d operations, seed now %d: %U\n", tm->n_iter * tm->n_vecs, tm->seed,
		format_mheap, clib_mem_get_heap(), 0);
	return 0;
}

#ifdef CLIB_UNIX
int
main(int argc, char *argv[])
{
	unformat_input_t i;
	int r;

	clib_mem_init(0, 3ULL << 30);
	unformat_init_command_line(&i, argv);
	r = test_vec_main(&i);
	unformat_free(&i);
	return r;
}
#endif
