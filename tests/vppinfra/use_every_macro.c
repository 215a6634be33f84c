/* SPDX-License-Identifier: Apache-2.0 */
/* Each family of macros in the public headers, used as a program uses it: beside its neighbours,
 * inside each other's arguments, one loop within another.  Compiled as C and as C++ with all
 * warnings on; exit status 0 when all is right. */
#include <vppinfra/arena.h>
#include <vppinfra/atomics.h>
#include <vppinfra/bitmap.h>
#include <vppinfra/cache.h>
#include <vppinfra/cpu.h>
#include <vppinfra/error.h>
#include <vppinfra/fifo.h>
#include <vppinfra/format.h>
#include <vppinfra/format_table.h>
#include <vppinfra/hash.h>
#include <vppinfra/heap.h>
#include <vppinfra/lock.h>
#include <vppinfra/mem.h>
#include <vppinfra/mhash.h>
#include <vppinfra/mheap.h>
#include <vppinfra/os.h>
#include <vppinfra/pool.h>
#include <vppinfra/random.h>
#include <vppinfra/sparse_vec.h>
#include <vppinfra/thread.h>
#include <vppinfra/time.h>
#include <vppinfra/vm.h>
#include <vppinfra/vmem.h>

static int n_wrong;

#define CHECK(truth)                                                                               \
	do {                                                                                       \
		if (!(truth)) {                                                                    \
			fformat(stdout, "%s:%d: %s\n", __FILE__, __LINE__, #truth);                \
			n_wrong++;                                                                 \
		}                                                                                  \
	} while (0)

typedef struct {
	u32 port;
	u32 pad;
	u64 n_bytes;
	CLIB_CACHE_LINE_ALIGN_MARK(line1);
	u32 more;
} session_t;

STATIC_ASSERT(sizeof(session_t) == 128, "two lines");
STATIC_ASSERT_SIZEOF(session_t, 128);
STATIC_ASSERT_OFFSET_OF(session_t, n_bytes, 8);

static void
use_clib(void)
{
	uword i, sum = 0;
	int a = 3, b = 7;
	u8 bytes[256];

	CHECK(clib_max(clib_min(a, b), clib_max(1, 2)) == 3);
	CHECK(clib_min(clib_min(a, b), clib_min(b, clib_min(9, 8))) == 3);
	CHECK(clib_clamp(clib_clamp(a, 5, 9), clib_abs(-6), 9) == 6);
	CHECK(clib_abs(clib_abs(-4) - 9) == 5);
	CHECK(ARRAY_LEN(bytes) == 256 && BITS(u32) == 32);
	CHECK(STRUCT_SIZE_OF(session_t, port) == 4 && STRUCT_OFFSET_OF(session_t, more) == 64);
	foreach_set_bit_index(i, (uword)0x81) sum += i;
	foreach_set_bit(i, (uword)6, sum += i);
	CHECK(sum == 10);
	CLIB_PREFETCH(bytes, sizeof(bytes), LOAD);
	CLIB_PREFETCH(bytes, 64, STORE);
	clib_memset(bytes, 0, sizeof(bytes));
	clib_memcpy(bytes, "x", 1);
	CHECK(PREDICT_TRUE(bytes[0] == 'x') && !PREDICT_FALSE(clib_memcmp(bytes, "x", 2)));
	CLIB_MEMORY_BARRIER();
	CLIB_COMPILER_BARRIER();
	CLIB_PAUSE();
	ASSERT(sum);
	ALWAYS_ASSERT(sum);
	CHECK(uword_to_pointer(pointer_to_uword(&a), int *) == &a);
	CHECK(KiB(1) + MiB(1) + GiB(1) == 1074791424);
}

static void
use_vec(void)
{
	u32 *v = 0, *w = 0, *p, *q, last = 0;
	u32 **vv = 0;
	u64 *wide = 0;
	uword i, j, sum = 0;

	vec_add1(v, 1);
	vec_add1(w, vec_len(v));
	vec_add1(v, vec_elt(w, 0) + 1);
	vec_add1_aligned(wide, 5, 64);
	vec_add1_ha(wide, 6, 0, 64);
	vec_add2(v, p, 2);
	p[0] = clib_min(3, (int)vec_len(v));
	p[1] = 4;
	vec_add(w, v, vec_len(v));
	vec_append(w, v);
	vec_prepend(w, v);
	CHECK(vec_len(w) == 13);
	vec_validate(v, vec_len(w));
	vec_validate_aligned(wide, 9, 64);
	vec_validate_init_empty(v, vec_len(v) + 1, 7);
	vec_validate_ha(vv, 3, 8, 8);
	vec_insert(v, 1, vec_len(v) - 1);
	vec_insert_init_empty(v, 1, 0, 9);
	vec_insert_elts(v, w, 2, 1);
	vec_delete(v, 2, vec_len(v) - 2);
	vec_del1(v, 0);
	vec_resize(v, vec_len(w));
	vec_alloc(v, vec_len(v));
	vec_zero(v);
	vec_set(v, vec_elt(w, 0));
	CHECK(vec_pop(v) == vec_elt(w, 0) && vec_pop2(v, last) && last == 1);
	vec_foreach (p, v)
		vec_foreach (q, w)
			sum += *p + *q;
	vec_foreach_backwards (p, v)
		vec_foreach_backwards (q, w)
			sum -= *p + *q;
	vec_foreach_index (i, v)
		vec_foreach_index (j, w)
			sum += v[i] * w[j];
	vec_foreach_index_backwards(i, v) vec_foreach_index_backwards(j, w) sum -= v[i] * w[j];
	CHECK(sum == 0);
	vec_reset_length(vv);
	vec_add1(vv, v);
	vec_add1(vv, w);
	vec_foreach_pointer(e, vv) vec_foreach_pointer(f, vv) sum +=
		vec_len(e) * vec_len(f) + (e == f);
	CHECK(sum > 2);
	vec_set_len(v, 4);
	vec_inc_len(v, 1);
	vec_dec_len(v, 1);
	p = vec_dup(v);
	CHECK(vec_is_equal(p, v) && vec_cmp(p, v) == 0 && vec_search(p, 12345) == ~(word)0);
	CHECK(vec_bytes(v) == 16 && vec_max_len(v) >= 4 && vec_end(v) == v + 4);
	CHECK(vec_is_member(v, v + 3) && vec_elt_at_index(v, 2) == v + 2);
	vec_copy(p, v);
	vec_clone(q, v);
	vec_free(p);
	vec_free(q);
	vec_free(wide);
	vec_free(vv);
	vec_free(v);
	vec_free(w);
	CHECK(vec_new(u32, 0) == 0 || 1);
	CHECK(v == 0 && vec_len(v) == 0 && vec_len64(w) == 0);
}

static void
use_strings(void)
{
	u8 *s = 0;

	vec_validate_init_c_string(s, "text", 4);
	CHECK(vec_c_string_is_terminated(s) && vec_len(s) == 5);
	vec_terminate_c_string(s);
	CHECK(vec_len(s) == 5);
	vec_free(s);
}

static void
use_pool(void)
{
	session_t *pool = 0, *other = 0, *s, *t;
	u32 n = 0, first;
	uword i, j;

	pool_get(pool, s);
	s->port = 1;
	pool_get_zero(pool, t);
	t->port = 2;
	pool_get_aligned(other, s, CLIB_CACHE_LINE_BYTES);
	s->port = pool_elt_at_index(pool, 1)->port;
	pool_foreach (s, pool)
		pool_foreach (t, other)
			n += s->port * t->port;
	CHECK(n == 6);
	pool_foreach (s, pool, ({
			      pool_foreach (t, other, ({ n -= s->port * t->port; }))
				      ;
		      }))
		;
	CHECK(n == 0);
	pool_foreach_index (i, pool)
		pool_foreach_index (j, other)
			n += pool[i].port + other[j].port;
	CHECK(n == 7);
	pool_foreach_index (i, pool, ({ n += (u32)i; }))
		;
	CHECK(n == 8 && pool_elts(pool) == 2 && pool_len(pool) == 2 && pool_free_elts(pool) == 0);
	first = pool_get_first_index(pool);
	CHECK(first == 0 && !pool_is_free_index(pool, 1) && !pool_is_free(pool, pool));
	CHECK(pool_get_will_expand(pool) || 1);
	pool_put(pool, pool);
	pool_put_index(pool, 1);
	pool_alloc(pool, 8);
	t = pool_dup(other);
	CHECK(pool_elts(t) == 1 && pool_bytes(t) > 0);
	pool_free(t);
	pool_flush(s, other, ({ n += s->port; }));
	CHECK(pool_elts(other) == 0);
	pool_free(pool);
	pool_free(other);
	pool_init_fixed(pool, 4);
	pool_get(pool, s);
	CHECK(s == pool);
	pool_free(pool);
}

static void
use_bitmap_and_fifo(void)
{
	uword *a = 0, *b = 0, *c, i, j, n = 0;
	u32 *fifo = 0, *p, x = 0;

	clib_bitmap_alloc(a, 100);
	clib_bitmap_validate(b, clib_bitmap_bytes(a));
	a = clib_bitmap_set(a, 3, 1);
	a = clib_bitmap_set(a, 70, 1);
	b = clib_bitmap_set(b, 70, 1);
	clib_bitmap_foreach (i, a)
		clib_bitmap_foreach (j, b)
			n += i + j;
	clib_bitmap_foreach (i, a, ({ n += i; }))
		;
	CHECK(n == 286);
	c = clib_bitmap_dup_and(a, b);
	CHECK(clib_bitmap_first_set(c) == 70);
	c = clib_bitmap_or(c, a);
	clib_bitmap_zero(c);
	clib_bitmap_free(c);
	clib_bitmap_free(a);
	clib_bitmap_free(b);

	clib_fifo_add1(fifo, 1);
	clib_fifo_add1(fifo, clib_fifo_elts(fifo));
	clib_fifo_add2(fifo, p);
	*p = 5;
	clib_fifo_add(fifo, p, 1);
	n = 0;
	clib_fifo_foreach(p, fifo, ({ n += *p; }));
	CHECK(n == 12 && *clib_fifo_head(fifo) == 1 && clib_fifo_elts(fifo) == 4);
	clib_fifo_sub1(fifo, x);
	clib_fifo_sub2(fifo, p);
	clib_fifo_validate(fifo, 100);
	clib_fifo_resize(fifo, 10);
	clib_fifo_advance_head(fifo, 1);
	CHECK(x == 1 && *p == 1 && clib_fifo_elt_at_index(fifo, 0) != 0);
	clib_fifo_reset(fifo);
	clib_fifo_free(fifo);
}

static void
use_hash(void)
{
	uword *h = 0, *by_name = (uword *)hash_create_string(0, sizeof(uword)), *v, key, value,
	      n = 0, old;
	hash_pair_t *pair, *inner;
	char *name;

	hash_set(h, 5, 6);
	hash_set(h, 7, hash_get(h, 5)[0]);
	hash_set1(h, 9);
	v = hash_get(h, 7);
	CHECK(v && *v == 6 && hash_elts(h) == 3);
	hash_set3(h, 5, 8, &old);
	hash_unset3(h, 5, &old);
	CHECK(old == 8);
	hash_foreach(key, value, h, ({ n += key; }));
	hash_foreach_pair (pair, h, ({
				   hash_foreach_pair (inner, h, ({ n += pair->key * inner->key; }))
					   ;
			   }))
		;
	CHECK(n == 16 + 256);
	hash_set_mem(by_name, "eth0", 1);
	CHECK(hash_get_mem(by_name, "eth0")[0] == 1);
	hash_foreach_mem(name, value, by_name, ({ n += value + strlen(name); }));
	hash_unset_mem(by_name, "eth0");
	CHECK(n == 277 && hash_get_pair(h, 7)->key == 7);
	hash_unset(h, 7);
	hash_free(by_name);
	hash_free(h);
}

static void
use_what_stands_on_vectors(void)
{
	u32 *h = 0, *sparse, *elt, a, b, k = 1;
	uword offset, *value, n = 0;
	mhash_t m;

	offset = heap_alloc(h, 10, a);
	CHECK(heap_alloc_aligned(h, 4, 4, b) != offset);
	*heap_elt_with_handle(h, a) = 5;
	CHECK(*heap_elt_at_index(h, offset) == 5);
	heap_dealloc(h, a);
	heap_dealloc(h, b);
	heap_free(h);

	memset(&m, 0, sizeof(m));
	CHECK(mhash_init(&m, sizeof(uword), sizeof(k)) == 0);
	mhash_set(&m, &k, 7, 0);
	mhash_foreach(elt, value, &m, ({ n += *elt + *value; }));
	CHECK(n == 8);
	mhash_free(&m);

	sparse = (u32 *)sparse_vec_new(sizeof(sparse[0]), 16);
	elt = sparse_vec_validate(sparse, 4789);
	*elt = 9;
	CHECK(*sparse_vec_elt_at_index(sparse, 4789) == 9);
	sparse_vec_free(sparse);
}

static clib_error_t *
fails(int n)
{
	clib_error_t *error;

	if (n == 0)
		return clib_error_create("no port %d", 7);
	if (n == 1)
		return clib_error_return_code(fails(0), -1, CLIB_ERROR_NO_RATE_LIMIT, "code");
	if (n == 2)
		return clib_error_return_unix(fails(1), "unix");
	if ((error = ERROR_ASSERT(n > 0)))
		return error;
	return CLIB_ERROR_ASSERT(n == 4);
}

static void
use_text_and_errors(void)
{
	unformat_input_t input;
	clib_error_t *error;
	table_t table = {}, *t = &table;
	u8 *s = 0;
	int n = 0;

	for (int i = 0; i < 4; i++) {
		error = fails(i);
		s = format(s, "%U\n", format_clib_error, error);
		clib_error_set_code(error, 3);
		CHECK(clib_error_get_code(error) == 3);
		clib_error_free(error);
	}
	CHECK(!fails(4) && vec_len(s) > 100);
	clib_error_report(error);
	unformat_init_string(&input, "size 12", 7);
	CHECK(unformat(&input, "size %d", &n) && n == 12 && unformat_is_eof(&input));
	error = unformat_parse_error(&input);
	clib_error_free(error);
	unformat_free(&input);
	table_add_header_col(t, 1, "h");
	table_format_cell(t, 0, 0, "%d", n);
	table_free(t);
	vec_free(s);
}

static void
use_mappings(void)
{
	uword page = clib_mem_get_page_size();
	u8 *p = (u8 *)clib_mem_vm_map(0, 2 * page, CLIB_MEM_PAGE_SZ_DEFAULT, "a name"), *q;

	CHECK(p != CLIB_MEM_VM_MAP_FAILED && p[page] == 0);
	CHECK(clib_mem_vm_unmap(p) == 0);
	p = (u8 *)clib_mem_vm_map(0, page, CLIB_MEM_PAGE_SZ_DEFAULT, "%s %d %d", "a", 1, 2);
	CHECK(p != CLIB_MEM_VM_MAP_FAILED && clib_mem_vm_unmap(p) == 0);
	/* With two arguments they are the old calls. */
	p = (u8 *)clib_mem_vm_alloc(2 * page);
	q = (u8 *)clib_mem_vm_unmap(p, page);
	CHECK(p && q == p);
	q = (u8 *)clib_mem_vm_map(p, page);
	CHECK(q == p && p[0] == 0);
	clib_mem_vm_free(p, 2 * page);
	p = (u8 *)clib_mem_alloc_no_fail(10);
	q = (u8 *)clib_mem_alloc_aligned_no_fail(10, 64);
	CHECK(p && q && clib_mem_size_nocheck(q) >= 10);
	clib_mem_free(p);
	clib_mem_free(q);
}

static void
use_memory_and_locks(void)
{
	clib_spinlock_t lock = 0;
	u32 seed = 1, counter = 0;
	CLIB_ATOMIC(u32) shared;
	void *p = clib_mem_alloc_aligned(100, 64), *q;
	vmem_t *arena;

	p = clib_mem_realloc(p, 200);
	p = clib_mem_realloc(p, 400, 200);
	CHECK(p && clib_mem_size(p) >= 400);
	q = clib_mem_heap_realloc(clib_mem_get_heap(), p, 500);
	clib_mem_free(q);
	CHECK(clib_spinlock_init(&lock) == 0);
	clib_spinlock_lock(&lock);
	CHECK(CLIB_SPINLOCK_IS_LOCKED(&lock));
	CLIB_SPINLOCK_ASSERT_LOCKED(&lock);
	clib_spinlock_unlock(&lock);
	clib_spinlock_free(&lock);
	clib_atomic_fetch_add(&counter, clib_atomic_add_fetch(&counter, 1));
	CHECK(clib_atomic_bool_cmp_and_swap(&counter, 2, 5) &&
	      clib_atomic_load_acq_n(&counter) == 5);
	clib_atomic_store_rel_n(&counter, clib_atomic_swap_acq_n(&counter, 6));
	shared = counter;
	CHECK(shared == 5);
	CHECK(random_u32(&seed) != random_u32(&seed));
	CHECK(clib_cpu_time_now() > 0);
	arena = vmem_create("ids", (void *)1, 100, 1, 0, 0, 0, 0, VM_SLEEP | VMC_IDENTIFIER);
	p = vmem_alloc(arena, 1, VM_NOSLEEP | VM_BESTFIT);
	CHECK(p != 0);
	vmem_free(arena, p, 1);
	vmem_destroy(arena);
}

int
main(void)
{
	use_clib();
	use_vec();
	use_strings();
	use_pool();
	use_bitmap_and_fifo();
	use_hash();
	use_what_stands_on_vectors();
	use_text_and_errors();
	use_mappings();
	use_memory_and_locks();
	return n_wrong != 0;
}
