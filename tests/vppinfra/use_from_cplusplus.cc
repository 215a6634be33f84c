// SPDX-License-Identifier: Apache-2.0
// The containers, text and errors as a C++ program uses them; exit status 0 when all is right.
#include <cstdio>
#include <cstring>
#include <vppinfra/bitmap.h>
#include <vppinfra/error.h>
#include <vppinfra/format_table.h>
#include <vppinfra/hash.h>
#include <vppinfra/heap.h>
#include <vppinfra/lock.h>
#include <vppinfra/mem.h>
#include <vppinfra/mhash.h>
#include <vppinfra/pool.h>
#include <vppinfra/sparse_vec.h>

static int n_wrong;

#define CHECK(truth)                                                                               \
	do {                                                                                       \
		if (!(truth)) {                                                                    \
			printf("%s:%d: %s\n", __FILE__, __LINE__, #truth);                         \
			n_wrong++;                                                                 \
		}                                                                                  \
	} while (0)

struct session {
	u32 port;
	u64 n_bytes;
};

static void
use_vectors()
{
	u32 *v = nullptr, *p, *copy;
	u64 sum = 0;

	vec_add1(v, 1u);
	vec_add2(v, p, 2);
	p[0] = 2;
	p[1] = 3;
	vec_validate(v, 9);
	vec_insert(v, 2, 1);
	vec_delete(v, 2, 1);
	vec_foreach(p, v)
		sum += *p;
	CHECK(sum == 6 && vec_len(v) == 10);
	copy = vec_dup(v);
	vec_append(copy, v);
	CHECK(vec_len(copy) == 20 && vec_pop(copy) == 0);
	vec_free(copy);
	vec_free(v);
	CHECK(v == nullptr);
}

static void
use_pool_bitmap_hash_and_lock()
{
	session *pool = nullptr, *s;
	uword *bitmap = nullptr, *hash = nullptr, *value;
	clib_spinlock_t lock = nullptr;

	pool_get(pool, s);
	s->port = 80;
	pool_foreach(s, pool)
	{
		s->n_bytes = 7;
	}
	CHECK(pool_elts(pool) == 1 && pool[0].n_bytes == 7);
	pool_put_index(pool, 0);
	pool_free(pool);

	bitmap = clib_bitmap_set(bitmap, 77, 1);
	CHECK(clib_bitmap_first_set(bitmap) == 77);
	clib_bitmap_free(bitmap);

	hash_set(hash, 5, 6);
	value = hash_get(hash, 5);
	CHECK(value && *value == 6);
	hash_unset(hash, 5);
	hash_free(hash);

	CHECK(clib_spinlock_init(&lock) == 0);
	clib_spinlock_lock(&lock);
	clib_spinlock_unlock(&lock);
	clib_spinlock_free(&lock);
}

static void
use_hashes_heap_and_sparse_vector()
{
	uword *hash = nullptr, key, value, sum = 0, offset, len;
	u8 *ranges = nullptr, *range;
	session *ports = nullptr;
	hash_pair_t *pair;
	const char *name;
	uword *found;
	u32 handle;
	mhash_t names;

	hash = (uword *)hash_create_mem(0, sizeof(u64), sizeof(uword));
	CHECK(hash_set_mem_alloc(&hash, "12345678", 7) == 0);
	CHECK(*hash_get_mem(hash, "12345678") == 7);
	hash_foreach(key, value, hash, ({ sum += value + (key != 0); }));
	hash_foreach_mem(name, value, hash, ({ sum += name[0] == '1'; }));
	hash_foreach_pair (pair, hash)
		sum += pair->value[0];
	hash_foreach_pair(pair, hash, { sum += pair->value[0]; });
	CHECK(sum == 23);
	CHECK(hash_validate(hash) == nullptr);
	CHECK(hash_unset_mem_free(&hash, "12345678") == 0);
	hash_free(hash);

	mhash_init_c_string(&names, sizeof(uword));
	mhash_set(&names, "eth0", 3, nullptr);
	CHECK(*mhash_get(&names, "eth0") == 3);
	mhash_foreach(name, found, &names, ({ sum += *found + (name[0] == 'e'); }));
	CHECK(sum == 27 && mhash_unset(&names, "eth0", nullptr) == 1);
	mhash_free(&names);

	offset = heap_alloc(ranges, 10, handle);
	CHECK(offset == 0 && heap_len(ranges, handle) == 10);
	heap_foreach(range, len, ranges, ({ sum += len + (range == ranges); }));
	CHECK(sum == 38 && heap_elt_with_handle(ranges, handle) == ranges);
	heap_dealloc(ranges, handle);
	heap_free(ranges);

	sparse_vec_validate(ports, 80)->port = 80;
	CHECK(sparse_vec_elt_at_index(ports, 80)->port == 80 && sparse_vec_index(ports, 81) == 0);
	sparse_vec_free(ports);
}

static clib_error_t *
fails()
{
	return clib_error_create("no port %d", 7);
}

static void
use_text_and_errors()
{
	u8 *s = format(nullptr, "%-4d|%U%c", 42, format_memory_size, (uword)1536, 0);
	clib_error_t *error = fails();
	unformat_input_t input;
	table_t table = {};
	int n = 0;

	CHECK(!strcmp((char *)s, "42  |1.50k"));
	vec_free(s);
	unformat_init_cstring(&input, "size 12");
	CHECK(unformat(&input, "size %d", &n) && n == 12 && unformat_is_eof(&input));
	unformat_free(&input);
	s = format(nullptr, "%U%c", format_clib_error, error, 0);
	CHECK(!strcmp((char *)s, "fails: no port 7"));
	vec_free(s);
	clib_error_free(error);
	table_add_header_row(&table, 1, "h");
	table_free(&table);
}

int
main()
{
	void *p = clib_mem_alloc_aligned(100, 64);

	CHECK(p && clib_mem_size(p) >= 100);
	clib_mem_free(p);
	use_vectors();
	use_pool_bitmap_hash_and_lock();
	use_hashes_heap_and_sparse_vector();
	use_text_and_errors();
	return n_wrong != 0;
}
