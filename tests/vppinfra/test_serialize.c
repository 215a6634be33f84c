/* SPDX-License-Identifier: Apache-2.0 */
#include <unistd.h>
#include <vppinfra/mem.h>
#include <vppinfra/serialize.h>
#include <vppinfra/unix.h>
#include "unit.h"

/* Everything that the calls know, in one structure. */
typedef struct {
	char *name, *no_name;
	u8 *bytes;
	u16 *shorts;
	u64 *longs;
	u32 *pool; /* pool */
	uword *bitmap;
	f64 ratio;
	f32 small_ratio;
	i64 balance;
	u64 counter;
} thing_t;

static void
serialize_shorts(serialize_main_t *m, va_list *va)
{
	u16 *x = va_arg(*va, u16 *);
	u32 n = va_arg(*va, u32);

	for (u32 i = 0; i < n; i++)
		serialize_likely_small_unsigned_integer(m, x[i]);
}

static void
unserialize_shorts(serialize_main_t *m, va_list *va)
{
	u16 *x = va_arg(*va, u16 *);
	u32 n = va_arg(*va, u32);

	for (u32 i = 0; i < n; i++)
		x[i] = (u16)unserialize_likely_small_unsigned_integer(m);
}

static void
serialize_thing(serialize_main_t *m, va_list *va)
{
	thing_t *t = va_arg(*va, thing_t *);

	serialize_magic(m, "thing v1", 8);
	serialize_cstring(m, t->name);
	serialize_cstring(m, t->no_name);
	vec_serialize(m, t->bytes, serialize_vec_8);
	vec_serialize(m, t->shorts, serialize_shorts);
	vec_serialize(m, t->longs, serialize_vec_64);
	pool_serialize(m, t->pool, serialize_vec_32);
	serialize(m, serialize_bitmap, t->bitmap);
	serialize(m, serialize_f64, t->ratio);
	serialize(m, serialize_f32, (f64)t->small_ratio);
	serialize_likely_small_signed_integer(m, t->balance);
	serialize_integer(m, t->counter, 8);
}

static void
unserialize_thing(serialize_main_t *m, va_list *va)
{
	thing_t *t = va_arg(*va, thing_t *);

	memset(t, 0, sizeof(*t));
	unserialize_check_magic(m, "thing v1", 8);
	unserialize_cstring(m, &t->name);
	unserialize_cstring(m, &t->no_name);
	vec_unserialize(m, &t->bytes, unserialize_vec_8);
	vec_unserialize(m, &t->shorts, unserialize_shorts);
	vec_unserialize_aligned(m, &t->longs, unserialize_vec_64, 64);
	pool_unserialize(m, &t->pool, unserialize_vec_32);
	t->bitmap = unserialize_bitmap(m);
	unserialize(m, unserialize_f64, &t->ratio);
	unserialize(m, unserialize_f32, &t->small_ratio);
	t->balance = unserialize_likely_small_signed_integer(m);
	unserialize_integer(m, &t->counter, 8);
}

static void
free_thing(thing_t *t)
{
	vec_free(t->name);
	vec_free(t->no_name);
	vec_free(t->bytes);
	vec_free(t->shorts);
	vec_free(t->longs);
	pool_free(t->pool);
	clib_bitmap_free(t->bitmap);
}

static thing_t
make_thing(u64 *seed, uword most)
{
	thing_t t = { .ratio = (f64)unit_random(seed) / 3,
		      .small_ratio = 1.5f,
		      .balance = (i64)unit_random(seed) >> unit_random_below(seed, 64),
		      .counter = unit_random(seed) };
	u32 *e;

	t.name = (char *)format(0, "thing %d%c", (int)unit_random_below(seed, 1000), 0);
	for (uword i = unit_random_below(seed, most); i > 0; i--)
		vec_add1(t.bytes, (u8)unit_random(seed));
	for (uword i = unit_random_below(seed, most); i > 0; i--)
		vec_add1(t.shorts, (u16)(unit_random(seed) >> unit_random_below(seed, 16)));
	for (uword i = unit_random_below(seed, most); i > 0; i--)
		vec_add1(t.longs, unit_random(seed));
	for (uword i = unit_random_below(seed, most); i > 0; i--) {
		pool_get(t.pool, e);
		*e = (u32)unit_random(seed);
	}
	for (uword i = vec_len(t.pool) / 2; i > 0; i--) {
		uword k = unit_random_below(seed, vec_len(t.pool));

		if (!pool_is_free_index(t.pool, k))
			pool_put_index(t.pool, k);
	}
	for (uword i = unit_random_below(seed, 5); i > 0; i--)
		t.bitmap = clib_bitmap_set(t.bitmap, unit_random_below(seed, 500), 1);
	return t;
}

/* Whether two things are the same; their pools then hand out the same indices. */
static int
are_same(thing_t *a, thing_t *b)
{
	u32 *e, *f;

	if (strcmp(a->name, b->name) || b->no_name || !vec_is_equal(a->bytes, b->bytes) ||
	    !vec_is_equal(a->shorts, b->shorts) || !vec_is_equal(a->longs, b->longs) ||
	    !clib_bitmap_is_equal(a->bitmap, b->bitmap) || a->ratio != b->ratio ||
	    a->small_ratio != b->small_ratio || a->balance != b->balance ||
	    a->counter != b->counter || pool_elts(a->pool) != pool_elts(b->pool) ||
	    vec_len(a->pool) != vec_len(b->pool) || (uword)b->longs % 64)
		return 0;
	for (u32 i = 0; i < vec_len(a->pool); i++) {
		if (pool_is_free_index(a->pool, i) != pool_is_free_index(b->pool, i))
			return 0;
		if (!pool_is_free_index(a->pool, i) && a->pool[i] != b->pool[i])
			return 0;
	}
	for (u32 i = 0; i < 3; i++) {
		pool_get(a->pool, e);
		pool_get(b->pool, f);
		if (e - a->pool != f - b->pool)
			return 0;
	}
	return 1;
}

static u8 *
bytes_of(thing_t *t)
{
	serialize_main_t m;
	clib_error_t *error;

	serialize_open_vector(&m, 0);
	error = serialize(&m, serialize_thing, t);
	CU_ASSERT_PTR_NULL(error);
	return serialize_close_vector(&m);
}

/* Any structure comes back the same through a vector and through memory of the caller's. */
static void
what_goes_in_comes_out(void)
{
	u64 seed = unit_seed(), n_ops = unit_n_ops(500);

	while (n_ops-- > 0) {
		thing_t t = make_thing(&seed, 300), back;
		serialize_main_t m;
		u8 *bytes = bytes_of(&t);

		unserialize_open_vector(&m, bytes);
		CU_ASSERT_PTR_NULL(unserialize(&m, unserialize_thing, &back));
		CU_ASSERT_EQUAL(m.stream.current_buffer_index, vec_len(bytes));
		CU_ASSERT_PTR_NULL(unserialize_close(&m));
		CU_ASSERT_TRUE(are_same(&t, &back));
		vec_free(bytes);
		free_thing(&t);
		free_thing(&back);
	}
}

/* The same through files, whose buffer is smaller than many a piece. */
static void
files_hold_the_same_bytes(void)
{
	u64 seed = 7;
	char path[64];
	serialize_main_t m;
	u8 *bytes, *read = 0;

	snprintf(path, sizeof(path), "/tmp/vmheap-serialize-test-%d", getpid());
	for (int i = 0; i < 20; i++) {
		thing_t t = make_thing(&seed, 5000), back;

		CU_ASSERT_PTR_NULL(serialize_open_clib_file(&m, path));
		CU_ASSERT_PTR_NULL(serialize(&m, serialize_thing, &t));
		CU_ASSERT_PTR_NULL(serialize_close(&m));
		CU_ASSERT_PTR_NULL(clib_file_contents(path, &read));
		bytes = bytes_of(&t);
		CU_ASSERT_TRUE(vec_is_equal(bytes, read));
		vec_free(read);
		vec_free(bytes);
		CU_ASSERT_PTR_NULL(unserialize_open_clib_file(&m, path));
		CU_ASSERT_PTR_NULL(unserialize(&m, unserialize_thing, &back));
		CU_ASSERT_PTR_NULL(unserialize_close(&m));
		CU_ASSERT_TRUE(are_same(&t, &back));
		free_thing(&t);
		free_thing(&back);
		unlink(path);
	}
}

/* One big piece across many fillings of a file's buffer. */
static void
a_piece_may_be_larger_than_the_buffer(void)
{
	serialize_main_t m;
	u8 *big = vec_new(u8, 100000), *p;
	int fds[2];

	CU_ASSERT_EQUAL_FATAL(pipe(fds), 0);
	memset(big, 'b', 30000);
	serialize_open_clib_file_descriptor(&m, fds[1]);
	serialize_integer(&m, 3, 1);
	p = serialize_get(&m, 30000);
	CU_ASSERT_PTR_NOT_NULL_FATAL(p);
	memcpy(p, big, 30000);
	serialize_integer(&m, 77, 2);
	CU_ASSERT_PTR_NULL(serialize_close(&m));
	unserialize_open_clib_file_descriptor(&m, fds[0]);
	CU_ASSERT_EQUAL(*(u8 *)unserialize_get(&m, 1), 3);
	p = unserialize_get(&m, 30000);
	CU_ASSERT_PTR_NOT_NULL_FATAL(p);
	CU_ASSERT_EQUAL(memcmp(p, big, 30000), 0);
	p = unserialize_get(&m, 2);
	CU_ASSERT_TRUE(p[0] == 0 && p[1] == 77);
	CU_ASSERT_EQUAL(*(u8 *)unserialize_get(&m, 1), 0);
	CU_ASSERT_PTR_NOT_NULL(m.header.error);
	clib_error_free(m.header.error);
	CU_ASSERT_PTR_NULL(unserialize_close(&m));
	vec_free(big);
}

static uword
n_live_objects(void)
{
	clib_mem_usage_t u;

	clib_mem_usage(&u);
	return u.object_count;
}

/* Bytes that are cut short or wrong: an error or another thing, never a crash, never a leak. */
static void
damage_is_an_error(void)
{
	u64 seed = unit_seed(), n_ops = unit_n_ops(6000), n_errors = 0;
	thing_t t = make_thing(&seed, 20), back;
	u8 *bytes = bytes_of(&t), *bad;
	uword n_before = n_live_objects();
	serialize_main_t m;
	clib_error_t *error;

	for (uword n = 0; n < vec_len(bytes); n++) {
		unserialize_open_data(&m, bytes, n);
		error = unserialize(&m, unserialize_thing, &back);
		CU_ASSERT_PTR_NOT_NULL(error);
		clib_error_free(error);
		free_thing(&back);
		CU_ASSERT_PTR_NULL(unserialize_close(&m));
	}
	while (n_ops-- > 0) {
		bad = vec_dup(bytes);
		for (u64 k = 1 + unit_random_below(&seed, 3); k > 0; k--)
			bad[unit_random_below(&seed, vec_len(bad))] = (u8)unit_random(&seed);
		unserialize_open_vector(&m, bad);
		error = unserialize(&m, unserialize_thing, &back);
		n_errors += error != 0;
		clib_error_free(error);
		free_thing(&back);
		CU_ASSERT_PTR_NULL(unserialize_close(&m));
		vec_free(bad);
	}
	CU_ASSERT_TRUE(n_errors > 0);
	CU_ASSERT_EQUAL(n_live_objects(), n_before);
	vec_free(bytes);
	free_thing(&t);
}

/* Each allocation fails in turn, writing and reading: an error, no leak, and it works again. */
static void
no_memory_is_an_error(void)
{
	u64 seed = 3, n_oom, k = 0, n_errors = 0;
	thing_t t = make_thing(&seed, 200), back;
	u8 *bytes = bytes_of(&t), *again;
	uword n_before = n_live_objects();
	serialize_main_t m;
	clib_error_t *error;

	do {
		n_oom = clib_mem_n_oom();
		mheap_fail_get_after(++k);
		unserialize_open_vector(&m, bytes);
		error = unserialize(&m, unserialize_thing, &back);
		mheap_fail_get_after(0);
		/* A pool may do without the room that it asks for beyond its need. */
		if (error)
			n_errors++;
		else
			CU_ASSERT_EQUAL(back.counter, t.counter);
		clib_error_free(error);
		free_thing(&back);
		CU_ASSERT_PTR_NULL(unserialize_close(&m));
		CU_ASSERT_EQUAL(n_live_objects(), n_before);
	} while (clib_mem_n_oom() != n_oom);
	CU_ASSERT_TRUE(n_errors > 5);
	k = 0;
	do {
		n_oom = clib_mem_n_oom();
		mheap_fail_get_after(++k);
		serialize_open_vector(&m, 0);
		error = serialize(&m, serialize_thing, &t);
		again = serialize_close_vector(&m);
		mheap_fail_get_after(0);
		CU_ASSERT_TRUE(error || vec_is_equal(again, bytes));
		clib_error_free(error);
		vec_free(again);
		CU_ASSERT_EQUAL(n_live_objects(), n_before);
	} while (clib_mem_n_oom() != n_oom);
	vec_free(bytes);
	free_thing(&t);
}

/* Room of the caller's that is too small, and a place that cannot be written. */
static void
no_room_is_an_error(void)
{
	u64 seed = 5;
	thing_t t = make_thing(&seed, 50);
	u8 *bytes = bytes_of(&t);
	static u8 room[4096];
	serialize_main_t m;
	clib_error_t *error;

	CU_ASSERT_TRUE_FATAL(vec_len(bytes) <= sizeof(room));
	for (uword n = 0; n < vec_len(bytes); n++) {
		serialize_open_data(&m, room, n);
		error = serialize(&m, serialize_thing, &t);
		CU_ASSERT_PTR_NOT_NULL(error);
		clib_error_free(error);
		CU_ASSERT_PTR_NULL(serialize_close(&m));
	}
	serialize_open_data(&m, room, vec_len(bytes));
	CU_ASSERT_PTR_NULL(serialize(&m, serialize_thing, &t));
	CU_ASSERT_PTR_NULL(serialize_close(&m));
	CU_ASSERT_EQUAL(memcmp(room, bytes, vec_len(bytes)), 0);
	error = serialize_open_clib_file(&m, (char *)"/nonexistent/file");
	CU_ASSERT_PTR_NOT_NULL(error);
	clib_error_free(error);
	CU_ASSERT_PTR_NULL(serialize_open_clib_file(&m, (char *)"/dev/full"));
	serialize_integer(&m, 1, 4);
	error = serialize_close(&m);
	CU_ASSERT_PTR_NOT_NULL(error);
	clib_error_free(error);
	vec_free(bytes);
	free_thing(&t);
}

/* Bytes are big-endian; small numbers are short. */
static void
bytes_are_as_said(void)
{
	static const struct {
		u64 x;
		u32 n_bytes;
	} small[] = { { 0, 1 },     { 127, 1 },        { 128, 2 },         { 16511, 2 },
		      { 16512, 5 }, { 0xffffffff, 5 }, { 0x100000000, 9 }, { ~0ull, 9 } };
	serialize_main_t m;
	u8 *v;

	serialize_open_vector(&m, 0);
	serialize_integer(&m, 0x0102, 2);
	serialize(&m, serialize_32, 0x03040506);
	v = serialize_close_vector(&m);
	CU_ASSERT_TRUE(vec_len(v) == 6 && !memcmp(v, "\1\2\3\4\5\6", 6));
	for (uword i = 0; i < ARRAY_LEN(small); i++) {
		serialize_open_vector(&m, v);
		serialize_likely_small_unsigned_integer(&m, small[i].x);
		v = serialize_close_vector(&m);
		CU_ASSERT_EQUAL(vec_len(v), small[i].n_bytes);
		unserialize_open_vector(&m, v);
		CU_ASSERT_EQUAL(unserialize_likely_small_unsigned_integer(&m), small[i].x);
		CU_ASSERT_PTR_NULL(unserialize_close(&m));
	}
	vec_free(v);
}

static const unit_test_t tests[] = {
	UNIT(what_goes_in_comes_out),
	UNIT(files_hold_the_same_bytes),
	UNIT(a_piece_may_be_larger_than_the_buffer),
	UNIT(damage_is_an_error),
	UNIT(no_memory_is_an_error),
	UNIT(no_room_is_an_error),
	UNIT(bytes_are_as_said),
};

int
main(void)
{
	return unit_run("serialize", tests, ARRAY_LEN(tests));
}
