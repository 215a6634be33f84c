/* SPDX-License-Identifier: Apache-2.0 */
/* Memory ends in the middle of every call of hash, mhash, sparse_vec and heap that asks for any:
 * each allocation of a call fails in turn, once and from then on.  The call either says that it did
 * nothing and everything is as before, or it did all of its work. */
#include <vppinfra/format.h>
#include <vppinfra/mhash.h>
#include <vppinfra/sparse_vec.h>
#include "container_test.h"

/* No call makes more allocations than this. */
#define N_ALLOCATIONS_MAX 8

/* Sizes around what makes a table, its pairs, its keys or a vector grow. */
static const u32 sizes[] = { 0,  1,  2,  3,  4,  7,  8,  9,  15,  16,
			     17, 31, 46, 47, 48, 70, 95, 96, 191, 500 };

/* What a call is tried on: n things were put into a container before it. */
typedef struct {
	u32 n;
	/* Whether the call's thing is in, too. */
	int is_done;
	uword *hash, *other_hash;
	mhash_t mhash;
	u32 *vector, *other_vector;
	u32 handles[512];
} subject_t;

typedef struct {
	const char *name;
	void (*make)(subject_t *s);
	/* The call.  Value: whether it did its work. */
	int (*call)(subject_t *s);
	/* Whether everything is as it should be. */
	int (*is_right)(subject_t *s);
	void (*drop)(subject_t *s);
	/* The call needs no memory, whatever the heap says. */
	int never_fails;
} case_t;

static void
try_with_failure(const case_t *c, u32 n, u64 k, int for_ever, uword *n_refused)
{
	subject_t s = { .n = n };
	void *neighbour;

	c->make(&s);
	/* Nothing grows where it is. */
	neighbour = clib_mem_alloc(16);
	CU_ASSERT_TRUE_FATAL(c->is_right(&s));
	(for_ever ? mheap_fail_gets_after : mheap_fail_get_after)(k);
	s.is_done = c->call(&s);
	mheap_fail_gets_after(0);
	if (!c->is_right(&s)) {
		printf("\n%s: n=%u, allocation %llu failing %s, %s\n", c->name, n,
		       (unsigned long long)k, for_ever ? "for ever" : "once",
		       s.is_done ? "done" : "refused");
		CU_FAIL_FATAL("not as it should be");
	}
	if (!s.is_done) {
		++*n_refused;
		s.is_done = c->call(&s);
		CU_ASSERT_TRUE_FATAL(s.is_done && c->is_right(&s));
	}
	c->drop(&s);
	clib_mem_free(neighbour);
}

static void
try_case(const case_t *c)
{
	uword n_refused = 0;

	heap_begin(MiB(4));
	for (u32 i = 0; i < ARRAY_LEN(sizes); i++)
		for (u64 k = 1; k <= N_ALLOCATIONS_MAX; k++)
			for (int for_ever = 0; for_ever < 2; for_ever++)
				try_with_failure(c, sizes[i], k, for_ever, &n_refused);
	if (c->never_fails)
		CU_ASSERT_EQUAL(n_refused, 0);
	if (!c->never_fails && !n_refused)
		printf("\n%s: never refused\n", c->name);
	CU_ASSERT_TRUE(c->never_fails || n_refused > 0);
	heap_end();
}

/* ---- hash: keys 1 .. n have ten times their value, and the call is about key n + 1 ---- */

static void
make_hash(subject_t *s)
{
	for (uword i = 1; i <= s->n; i++)
		hash_set(s->hash, i, 10 * i);
}

static void
make_empty_hash(subject_t *s)
{
	s->hash = hash_create(0, sizeof(uword));
	make_hash(s);
}

static int
hash_has(uword *h, uword n, uword last_value)
{
	if (hash_check(h) || hash_elts(h) != n)
		return 0;
	for (uword i = 1; i <= n; i++) {
		uword *v = hash_get(h, i);

		if (!v || *v != (i == n ? last_value : 10 * i))
			return 0;
	}
	return 1;
}

static int
hash_is_right(subject_t *s)
{
	return hash_has(s->hash, s->n + s->is_done, 10 * (s->n + s->is_done));
}

/* A table that was not there before is not there after a refusal. */
static int
first_hash_is_right(subject_t *s)
{
	return hash_is_right(s) && (s->hash != NULL) == (s->n + s->is_done > 0);
}

static void
drop_hash(subject_t *s)
{
	hash_free(s->hash);
	hash_free(s->other_hash);
}

static int
call_hash_set(subject_t *s)
{
	uword key = s->n + 1;
	int error = hash_set(s->hash, key, 10 * key);

	CU_ASSERT_TRUE_FATAL(error == 0 || error == -ENOMEM);
	return !error;
}

static int
call_hash_set3(subject_t *s)
{
	uword key = s->n + 1, old = 77;
	int error = hash_set3(s->hash, key, 10 * key, &old);

	CU_ASSERT_EQUAL_FATAL(old, 77);
	return !error;
}

static int
call_raw_hash_set(subject_t *s)
{
	uword key = s->n + 1, value = 10 * key;

	s->hash = _hash_set3(s->hash, key, &value, 0);
	return hash_get(s->hash, key) != NULL;
}

static int
call_hash_set1(subject_t *s)
{
	return !hash_set1(s->hash, s->n + 1);
}

static int
hash_set1_is_right(subject_t *s)
{
	return hash_has(s->hash, s->n + s->is_done, s->is_done ? 0 : 10 * s->n);
}

static int
call_hash_set_old(subject_t *s)
{
	return s->n == 0 || !hash_set(s->hash, s->n, 10 * s->n);
}

/* The call changes nothing that can be seen. */
static int
hash_is_as_made(subject_t *s)
{
	return hash_has(s->hash, s->n, 10 * s->n);
}

static int
call_hash_unset_all(subject_t *s)
{
	for (uword i = 1; i <= s->n; i++)
		if (hash_unset(s->hash, i))
			return 0;
	return 1;
}

static int
hash_unset_is_right(subject_t *s)
{
	return hash_has(s->hash, s->is_done ? 0 : s->n, 10 * s->n);
}

static int
call_hash_dup(subject_t *s)
{
	s->other_hash = hash_dup(s->hash);
	return s->other_hash != NULL;
}

static int
hash_dup_is_right(subject_t *s)
{
	return hash_is_as_made(s) && (!s->is_done || hash_has(s->other_hash, s->n, 10 * s->n));
}

static int
call_hash_resize(subject_t *s)
{
	s->hash = hash_resize(s->hash, 2048);
	return hash_capacity(s->hash) == 2048;
}

static int
call_hash_create(subject_t *s)
{
	s->other_hash = hash_create_mem(s->n, 16, 24);
	return s->other_hash != NULL;
}

static int
call_hash_walk(subject_t *s)
{
	uword key, value, sum = 0;
	hash_pair_t *p;

	hash_foreach(key, value, s->hash, ({ sum += key; }));
	hash_foreach_pair (p, s->hash, ({ sum -= p->value[0] / 10; }))
		;
	hash_foreach_mem(key, value, s->hash, ({ sum += value; }));
	return sum == 10 * ((uword)s->n * (s->n + 1) / 2);
}

static int
call_format_hash(subject_t *s)
{
	u8 *text = format(0, "%U", format_hash, s->hash, 1);

	vec_free(text);
	return 1;
}

static int
call_hash_validate(subject_t *s)
{
	return hash_validate(s->hash) == NULL;
}

/* Keys that the table owns: the strings of 1 .. n. */
static const char *
string_of(uword i)
{
	static char s[32];

	snprintf(s, sizeof(s), "%llu and more", (unsigned long long)i);
	return s;
}

static void
make_string_hash(subject_t *s)
{
	s->hash = hash_create_string(0, sizeof(uword));
	for (uword i = 1; i <= s->n; i++)
		hash_set_mem_alloc(&s->hash, string_of(i), i);
}

static int
call_hash_set_mem_alloc(subject_t *s)
{
	return !hash_set_mem_alloc(&s->hash, string_of(s->n + 1), s->n + 1);
}

static int
call_hash_unset_mem_free(subject_t *s)
{
	for (uword i = 1; i <= s->n; i++)
		if (hash_unset_mem_free(&s->hash, string_of(i)))
			return 0;
	return 1;
}

static int
string_hash_has(subject_t *s, uword n)
{
	if (hash_check(s->hash) || hash_elts(s->hash) != n)
		return 0;
	for (uword i = 1; i <= n; i++)
		if (!hash_get_mem(s->hash, string_of(i)) ||
		    *hash_get_mem(s->hash, string_of(i)) != i)
			return 0;
	return 1;
}

static int
string_hash_is_right(subject_t *s)
{
	return string_hash_has(s, s->n + s->is_done);
}

static int
string_hash_unset_is_right(subject_t *s)
{
	return string_hash_has(s, s->is_done ? 0 : s->n);
}

static void
drop_string_hash(subject_t *s)
{
	hash_pair_t *p;

	hash_foreach_pair (p, s->hash)
		clib_mem_free((void *)p->key);
	hash_free(s->hash);
}

static const case_t hash_cases[] = {
	{ "hash_set", make_hash, call_hash_set, first_hash_is_right, drop_hash },
	{ "hash_set of a made table", make_empty_hash, call_hash_set, hash_is_right, drop_hash },
	{ "hash_set3", make_hash, call_hash_set3, first_hash_is_right, drop_hash },
	{ "_hash_set3", make_hash, call_raw_hash_set, first_hash_is_right, drop_hash },
	{ "hash_set1", make_hash, call_hash_set1, hash_set1_is_right, drop_hash },
	{ "hash_set of an old key", make_hash, call_hash_set_old, hash_is_as_made, drop_hash, 1 },
	{ "hash_unset", make_hash, call_hash_unset_all, hash_unset_is_right, drop_hash, 1 },
	{ "hash_dup", make_empty_hash, call_hash_dup, hash_dup_is_right, drop_hash },
	{ "hash_resize", make_empty_hash, call_hash_resize, hash_is_as_made, drop_hash },
	{ "hash_create", make_hash, call_hash_create, hash_is_as_made, drop_hash },
	{ "hash_foreach", make_hash, call_hash_walk, hash_is_as_made, drop_hash, 1 },
	{ "format_hash", make_hash, call_format_hash, hash_is_as_made, drop_hash, 1 },
	{ "hash_validate", make_hash, call_hash_validate, hash_is_as_made, drop_hash, 1 },
	{ "hash_set_mem_alloc", make_string_hash, call_hash_set_mem_alloc, string_hash_is_right,
	  drop_string_hash },
	{ "hash_unset_mem_free", make_string_hash, call_hash_unset_mem_free,
	  string_hash_unset_is_right, drop_string_hash, 1 },
};

static void
hash_survives_exhaustion(void)
{
	for (u32 i = 0; i < ARRAY_LEN(hash_cases); i++)
		try_case(&hash_cases[i]);
}

/* ---- mhash: key i has value i; some keys were unset before, so there are places to reuse ---- */

static const void *
mhash_key(const mhash_t *m, u64 i)
{
	static u64 number[2];
	static u8 *vector;

	if (m->n_key_bytes == MHASH_C_STRING_KEY)
		return string_of(i);
	number[0] = number[1] = i;
	if (m->n_key_bytes != MHASH_VEC_STRING_KEY)
		return number;
	/* Of another heap than the one whose gets fail. */
	vec_alloc_heap(vector, sizeof(number), heap_before);
	vec_reset_length(vector);
	vec_add(vector, (u8 *)number, 2 + i % (sizeof(number) - 2));
	return vector;
}

static void
make_mhash(subject_t *s, uword n_key_bytes)
{
	mhash_key(&(mhash_t){ .n_key_bytes = MHASH_VEC_STRING_KEY }, 0);
	CU_ASSERT_EQUAL_FATAL(mhash_init(&s->mhash, sizeof(uword), n_key_bytes), 0);
	for (uword i = 1; i <= s->n + s->n % 3; i++)
		mhash_set(&s->mhash, mhash_key(&s->mhash, i), i, 0);
	for (uword i = s->n + 1; i <= s->n + s->n % 3; i++)
		mhash_unset(&s->mhash, mhash_key(&s->mhash, i), 0);
}

static void
make_mhash_of_strings(subject_t *s)
{
	make_mhash(s, MHASH_C_STRING_KEY);
}

static void
make_mhash_of_vectors(subject_t *s)
{
	make_mhash(s, MHASH_VEC_STRING_KEY);
}

static void
make_mhash_of_memory(subject_t *s)
{
	make_mhash(s, 16);
}

static int
mhash_has(subject_t *s, uword n)
{
	if (mhash_check(&s->mhash) || mhash_elts(&s->mhash) != n)
		return 0;
	for (uword i = 1; i <= n; i++) {
		uword *v = mhash_get(&s->mhash, mhash_key(&s->mhash, i));

		if (!v || *v != i)
			return 0;
	}
	return !mhash_get(&s->mhash, mhash_key(&s->mhash, n + 1));
}

static int
mhash_is_right(subject_t *s)
{
	return mhash_has(s, s->n + s->is_done);
}

static int
call_mhash_set(subject_t *s)
{
	return mhash_set(&s->mhash, mhash_key(&s->mhash, s->n + 1), s->n + 1, 0) != ~0ULL;
}

static int
call_mhash_set_mem(subject_t *s)
{
	uword value = s->n + 1, old = 5;
	uword at = mhash_set_mem(&s->mhash, mhash_key(&s->mhash, s->n + 1), &value, &old);

	CU_ASSERT_EQUAL_FATAL(old, 5);
	return at != ~0ULL;
}

static int
call_mhash_unset(subject_t *s)
{
	for (uword i = 1; i <= s->n; i++)
		if (!mhash_unset(&s->mhash, mhash_key(&s->mhash, i), 0))
			return 0;
	return 1;
}

static int
mhash_unset_is_right(subject_t *s)
{
	return mhash_has(s, s->is_done ? 0 : s->n);
}

static int
call_mhash_init(subject_t *s)
{
	int error = mhash_init_c_string(&s->mhash, sizeof(uword));

	/* What could not be made is safe to use: nothing is in it, nothing goes in. */
	if (error) {
		CU_ASSERT_EQUAL_FATAL(error, -ENOMEM);
		CU_ASSERT_EQUAL_FATAL(mhash_set(&s->mhash, "x", 1, 0), ~0ULL);
		CU_ASSERT_PTR_NULL_FATAL(mhash_get(&s->mhash, "x"));
		CU_ASSERT_EQUAL_FATAL(mhash_unset(&s->mhash, "x", 0), 0);
		CU_ASSERT_EQUAL_FATAL(mhash_value_bytes(&s->mhash), 0);
		mhash_free(&s->mhash);
	}
	return !error;
}

static void
make_nothing(subject_t *s)
{
}

static int
mhash_is_empty(subject_t *s)
{
	return mhash_elts(&s->mhash) == 0 && mhash_check(&s->mhash) == 0;
}

static void
drop_mhash(subject_t *s)
{
	mhash_free(&s->mhash);
}

static const case_t mhash_cases[] = {
	{ "mhash_init", make_nothing, call_mhash_init, mhash_is_empty, drop_mhash },
	{ "mhash_set of a string", make_mhash_of_strings, call_mhash_set, mhash_is_right,
	  drop_mhash },
	{ "mhash_set of a vector", make_mhash_of_vectors, call_mhash_set, mhash_is_right,
	  drop_mhash },
	{ "mhash_set of memory", make_mhash_of_memory, call_mhash_set, mhash_is_right, drop_mhash },
	{ "mhash_set_mem of a string", make_mhash_of_strings, call_mhash_set_mem, mhash_is_right,
	  drop_mhash },
	{ "mhash_set_mem of memory", make_mhash_of_memory, call_mhash_set_mem, mhash_is_right,
	  drop_mhash },
	{ "mhash_unset of strings", make_mhash_of_strings, call_mhash_unset, mhash_unset_is_right,
	  drop_mhash, 1 },
	{ "mhash_unset of vectors", make_mhash_of_vectors, call_mhash_unset, mhash_unset_is_right,
	  drop_mhash, 1 },
	{ "mhash_unset of memory", make_mhash_of_memory, call_mhash_unset, mhash_unset_is_right,
	  drop_mhash, 1 },
};

static void
mhash_survives_exhaustion(void)
{
	for (u32 i = 0; i < ARRAY_LEN(mhash_cases); i++)
		try_case(&mhash_cases[i]);
}

/* ---- sparse_vec: members 7, 14, ... 7 n, the call is about 3 ---- */

static void
make_sparse_vec(subject_t *s)
{
	for (u32 i = 1; i <= s->n; i++)
		*sparse_vec_validate(s->vector, 7 * i) = i;
}

/* Flags as long as members are; the call's member comes before all of them. */
static void
make_sparse_vec_with_flags(subject_t *s)
{
	make_sparse_vec(s);
	if (s->n)
		vec_validate_init_empty(sparse_vec_header(s->vector)->range_flags, s->n - 1, 4);
}

static int
call_sparse_vec_validate(subject_t *s)
{
	return sparse_vec_validate(s->vector, 3) != NULL;
}

static int
sparse_vec_has(u32 *v, u32 n, u32 n_before)
{
	if (sparse_vec_check(v) || (v && vec_len(v) != 1 + n + n_before) || (!v && n + n_before))
		return 0;
	for (u32 i = 1; i <= n; i++)
		if (*sparse_vec_elt_at_index(v, 7 * i) != i ||
		    sparse_vec_index(v, 7 * i) != i + n_before)
			return 0;
	return 1;
}

static int
sparse_vec_is_right(subject_t *s)
{
	return sparse_vec_has(s->vector, s->n, (u32)s->is_done);
}

static int
sparse_vec_with_flags_is_right(subject_t *s)
{
	u8 *flags = s->n ? sparse_vec_header(s->vector)->range_flags : 0;

	return sparse_vec_is_right(s) && (!s->n || vec_len(flags) == s->n + (u32)s->is_done) &&
	       (!s->n || flags[vec_len(flags) - 1] == 4);
}

static int
call_sparse_vec_new(subject_t *s)
{
	s->other_vector = sparse_vec_new(sizeof(u32), 16);
	return s->other_vector != NULL;
}

static int
call_sparse_vec_dup(subject_t *s)
{
	if (!s->vector)
		s->vector = sparse_vec_new(sizeof(u32), 16);
	s->other_vector = sparse_vec_dup(s->vector);
	return s->other_vector != NULL;
}

static int
sparse_vec_is_as_made(subject_t *s)
{
	return sparse_vec_has(s->vector, s->n, 0) && sparse_vec_check(s->other_vector) == 0;
}

static void
drop_sparse_vec(subject_t *s)
{
	sparse_vec_free(s->vector);
	sparse_vec_free(s->other_vector);
}

static const case_t sparse_vec_cases[] = {
	{ "sparse_vec_validate", make_sparse_vec, call_sparse_vec_validate, sparse_vec_is_right,
	  drop_sparse_vec },
	{ "sparse_vec_validate with flags", make_sparse_vec_with_flags, call_sparse_vec_validate,
	  sparse_vec_with_flags_is_right, drop_sparse_vec },
	{ "sparse_vec_new", make_sparse_vec, call_sparse_vec_new, sparse_vec_is_as_made,
	  drop_sparse_vec },
	{ "sparse_vec_dup", make_sparse_vec_with_flags, call_sparse_vec_dup, sparse_vec_is_as_made,
	  drop_sparse_vec },
};

static void
sparse_vec_survives_exhaustion(void)
{
	for (u32 i = 0; i < ARRAY_LEN(sparse_vec_cases); i++)
		try_case(&sparse_vec_cases[i]);
}

/* ---- heap: object i has 1 + i % 4 elements of value i; every fifth was freed ---- */

static void
make_heap(subject_t *s)
{
	for (u32 i = 0; i < s->n; i++) {
		uword offset = heap_alloc(s->vector, 1 + i % 4, s->handles[i]);

		for (u32 k = 0; k < 1 + i % 4; k++)
			s->vector[offset + k] = i;
	}
	for (u32 i = 4; i < s->n; i += 5)
		heap_dealloc(s->vector, s->handles[i]);
}

static int
heap_has(subject_t *s, u32 *v, uword n_more)
{
	uword n = 0;

	if (heap_check(v))
		return 0;
	for (u32 i = 0; i < s->n; i++) {
		if (i % 5 == 4)
			continue;
		n++;
		if (heap_len(v, s->handles[i]) != 1 + i % 4)
			return 0;
		for (u32 k = 0; k < 1 + i % 4; k++)
			if (heap_elt_with_handle(v, s->handles[i])[k] != i)
				return 0;
	}
	return heap_elts(v) == n + n_more;
}

static int
heap_is_right(subject_t *s)
{
	return heap_has(s, s->vector, (uword)s->is_done);
}

static int
call_heap_alloc(subject_t *s)
{
	u32 handle;
	uword offset = heap_alloc(s->vector, 20, handle);

	CU_ASSERT_EQUAL_FATAL(offset == ~0ULL, handle == ~0u);
	return offset != ~0ULL;
}

static int
call_heap_alloc_aligned(subject_t *s)
{
	u32 handle;

	return heap_alloc_aligned(s->vector, 1, 64, handle) != ~0ULL;
}

static int
call_heap_set_max_len(subject_t *s)
{
	return heap_set_max_len(s->vector, 100) == 0;
}

static int
heap_is_as_made(subject_t *s)
{
	return heap_has(s, s->vector, 0);
}

static int
call_heap_dup(subject_t *s)
{
	if (!s->vector)
		return 1;
	s->other_vector = heap_dup(s->vector);
	return s->other_vector != NULL;
}

static int
heap_dup_is_right(subject_t *s)
{
	return heap_is_as_made(s) && (!s->other_vector || heap_has(s, s->other_vector, 0));
}

static int
call_heap_new(subject_t *s)
{
	heap_new(s->other_vector);
	return s->other_vector != NULL;
}

static int
call_heap_dealloc_all(subject_t *s)
{
	for (u32 i = 0; i < s->n; i++)
		if (i % 5 != 4 && heap_dealloc_checked(s->vector, s->handles[i]))
			return 0;
	return 1;
}

static int
heap_dealloc_is_right(subject_t *s)
{
	if (!s->is_done)
		return heap_is_as_made(s);
	return heap_check(s->vector) == 0 && heap_elts(s->vector) == 0;
}

static void
drop_heap(subject_t *s)
{
	heap_free(s->vector);
	heap_free(s->other_vector);
}

static void
make_static_heap(subject_t *s)
{
	static _Alignas(64) u8 memory[16384];

	s->vector = heap_create_from_memory(memory, 2000, sizeof(u32));
	make_heap(s);
}

static const case_t heap_cases[] = {
	{ "heap_alloc", make_heap, call_heap_alloc, heap_is_right, drop_heap },
	{ "heap_alloc_aligned", make_heap, call_heap_alloc_aligned, heap_is_right, drop_heap },
	{ "heap_alloc of given memory", make_static_heap, call_heap_alloc, heap_is_right,
	  drop_heap },
	{ "heap_set_max_len", make_heap, call_heap_set_max_len, heap_is_as_made, drop_heap },
	{ "heap_dup", make_heap, call_heap_dup, heap_dup_is_right, drop_heap },
	{ "heap_new", make_heap, call_heap_new, heap_is_as_made, drop_heap },
	{ "heap_dealloc", make_heap, call_heap_dealloc_all, heap_dealloc_is_right, drop_heap, 1 },
};

static void
heap_survives_exhaustion(void)
{
	for (u32 i = 0; i < ARRAY_LEN(heap_cases); i++)
		try_case(&heap_cases[i]);
}

static const unit_test_t tests[] = {
	UNIT(hash_survives_exhaustion),
	UNIT(mhash_survives_exhaustion),
	UNIT(sparse_vec_survives_exhaustion),
	UNIT(heap_survives_exhaustion),
};

int
main(void)
{
	return unit_run("exhaustion of hash", tests, ARRAY_LEN(tests));
}
