/* SPDX-License-Identifier: Apache-2.0 */
/* The small headers: bits, byte order, lists by index, whole files, the processor, old atomics. */
#include <fcntl.h>
#include <sched.h>
#include <unistd.h>
#include <vppinfra/bitops.h>
#include <vppinfra/byte_order.h>
#include <vppinfra/dlist.h>
#include <vppinfra/llist.h>
#include <vppinfra/lock.h>
#include <vppinfra/math.h>
#include <vppinfra/mem.h>
#include <vppinfra/smp.h>
#include <vppinfra/time.h>
#include <vppinfra/unix.h>
#include <vppinfra/warnings.h>
#include <vppinfra/xxhash.h>
#include "unit.h"

/* Words: rotation, the next number with as many bits, the lowest bit, extraction. */
static void
bits_of_words(void)
{
	uword x = 0b10110;

	CU_ASSERT_EQUAL(rotate_left(0x8000000000000001ull, 1), 3);
	CU_ASSERT_EQUAL(rotate_left(5, 0), 5);
	CU_ASSERT_EQUAL(rotate_right(3, 1), 0x8000000000000001ull);
	CU_ASSERT_EQUAL(rotate_right(rotate_left(0x123456789abcdefull, 63), 63),
			0x123456789abcdefull);
	/* All numbers of 20 bits with 4 set, in order. */
	for (uword n = 0xf, next, n_seen = 1;; n = next, n_seen++) {
		next = next_with_same_number_of_set_bits(n);
		CU_ASSERT_TRUE_FATAL(next > n && count_set_bits(next) == 4);
		for (uword between = n + 1; between < next && next < 4096; between++)
			CU_ASSERT_NOT_EQUAL(count_set_bits(between), 4);
		if (next >= 1 << 20) {
			CU_ASSERT_EQUAL(n_seen, 4845);
			break;
		}
	}
	CU_ASSERT_EQUAL(next_with_same_number_of_set_bits(0), 0);
	CU_ASSERT_EQUAL(next_with_same_number_of_set_bits(1ull << 63), 0);
	CU_ASSERT_EQUAL(get_lowest_set_bit(x), 2);
	CU_ASSERT_EQUAL(get_lowest_set_bit_index(x), 1);
	CU_ASSERT_EQUAL(get_highest_set_bit_index(x), 4);
	CU_ASSERT_EQUAL(clear_lowest_set_bit(x), 0b10100);
	CU_ASSERT_EQUAL(bit_extract_u64(0xabcd, 0x0f0f), 0xbd);
	CU_ASSERT_EQUAL(bit_extract_u32(0xabcd, 0xf00f), 0xad);
	CU_ASSERT_EQUAL(bit_extract_u64(~0ull, ~0ull), ~0ull);
	CU_ASSERT_TRUE(GET_BIT(x, 4) && !GET_BIT(x, 3) && SET_BIT(40) == 1ull << 40);
}

/* Arrays of words against an array of bits. */
static void
bits_of_arrays(void)
{
	enum { N = 5 * 64 };
	u64 seed = unit_seed(), n_ops = unit_n_ops(20000);
	uword bmp[N / 64] = {}, n_set;
	u8 model[N] = {};

	while (n_ops-- > 0) {
		uword i = unit_random_below(&seed, N), n = unit_random_below(&seed, N - i + 1);
		int value = unit_random(&seed) & 1;

		if (value)
			uword_bitmap_set_bits_at_index(bmp, i, n);
		else
			uword_bitmap_clear_multiple(bmp, i, n);
		memset(model + i, value, n);
		i = unit_random_below(&seed, N);
		CU_ASSERT_EQUAL(uword_bitmap_is_bit_set(bmp, i), model[i]);
		n = clib_min(unit_random_below(&seed, 65), N - i);
		for (uword k = 0, wanted = 0; k <= n; k++) {
			if (k == n) {
				CU_ASSERT_EQUAL(uword_bitmap_get_multiple(bmp, i, n), wanted);
			} else
				wanted |= (uword)model[i + k] << k;
		}
		n_set = 0;
		for (i = N; i-- > 0;)
			n_set += model[i];
		CU_ASSERT_EQUAL(uword_bitmap_count_set_bits(bmp, N / 64), n_set);
		if (n_set)
			CU_ASSERT_EQUAL(uword_bitmap_find_first_set(bmp),
					(uword)((u8 *)memchr(model, 1, N) - model));
	}
	uword_bitmap_clear(bmp, N / 64);
	CU_ASSERT_EQUAL(uword_bitmap_count_set_bits(bmp, N / 64), 0);
}

/* Bytes on the wire and in files, at any address. */
static void
bytes_are_in_order(void)
{
	u8 wire[9] = { 0, 1, 2, 3, 4, 5, 6, 7, 8 };
	u32 x = 0x01020304;

	CU_ASSERT_EQUAL(clib_byte_swap_u16(0x0102), 0x0201);
	CU_ASSERT_EQUAL(clib_byte_swap_i32(0x01020304), 0x04030201);
	CU_ASSERT_EQUAL(clib_byte_swap_u64(1), 1ull << 56);
	CU_ASSERT_EQUAL(clib_net_to_host_unaligned_mem_u16((u16 *)(wire + 1)), 0x0102);
	CU_ASSERT_EQUAL(clib_big_to_host_unaligned_mem_u32((u32 *)(wire + 1)), 0x01020304);
	CU_ASSERT_EQUAL(clib_net_to_host_unaligned_mem_u64((u64 *)(wire + 1)),
			0x0102030405060708ull);
	CU_ASSERT_EQUAL(clib_little_to_host_unaligned_mem_u32((u32 *)(wire + 1)), 0x04030201);
	CU_ASSERT_EQUAL(clib_little_to_host_unaligned_mem_i16((i16 *)(wire + 1)), 0x0201);
	x = clib_host_to_net_u32(x);
	CU_ASSERT_TRUE(!memcmp(&x, "\1\2\3\4", 4));
	CU_ASSERT_EQUAL(clib_net_to_host_mem_u32(&x), 0x01020304);
	x = clib_host_to_little_u32(0x01020304);
	CU_ASSERT_TRUE(!memcmp(&x, "\4\3\2\1", 4));
	CU_ASSERT_EQUAL(clib_host_to_big_uword(clib_big_to_host_uword(77)), 77);
	CU_ASSERT_EQUAL(clib_net_to_host_i16(clib_host_to_net_i16(-2)), -2);
	CU_ASSERT_TRUE(clib_arch_is_little_endian != clib_arch_is_big_endian);
}

/* A ring of indices: order at both ends, removal in the middle, emptiness. */
static void
dlists_keep_order(void)
{
	dlist_elt_t *pool = 0, *e;
	u32 head, index[4];

	pool_get(pool, e);
	head = (u32)(e - pool);
	clib_dlist_init(pool, head);
	CU_ASSERT_EQUAL(pool[head].value, ~0u);
	CU_ASSERT_EQUAL(clib_dlist_remove_head(pool, head), ~0u);
	for (u32 i = 0; i < 4; i++) {
		pool_get(pool, e);
		index[i] = (u32)(e - pool);
		clib_dlist_init(pool, index[i]);
		pool[index[i]].value = i;
		if (i == 3)
			clib_dlist_addhead(pool, head, index[i]);
		else
			clib_dlist_addtail(pool, head, index[i]);
	}
	clib_dlist_remove(pool, index[1]);
	clib_dlist_remove(pool, index[1]);
	CU_ASSERT_EQUAL(pool[clib_dlist_remove_head(pool, head)].value, 3);
	CU_ASSERT_EQUAL(pool[clib_dlist_remove_tail(pool, head)].value, 2);
	CU_ASSERT_EQUAL(pool[clib_dlist_remove_head(pool, head)].value, 0);
	CU_ASSERT_EQUAL(clib_dlist_remove_tail(pool, head), ~0u);
	pool_free(pool);
}

typedef struct {
	u32 data;
	clib_llist_anchor_t a, b;
} item_t;

/* The data of a list, as text, both ways; 1 when they agree. */
static int
reads(item_t *pool, item_t *head, const char *wanted)
{
	char forth[40] = "", back[40] = "", *p = forth, *q = back + 39;
	item_t *e;

	clib_llist_foreach(pool, a, head, e, ({ *p++ = (char)('0' + e->data); }));
	clib_llist_foreach_reverse(pool, a, head, e, ({ *--q = (char)('0' + e->data); }));
	return !strcmp(forth, wanted) && !strcmp(q, wanted);
}

/* Lists through members: an element in two of them, splicing, walks that remove. */
static void
llists_keep_order(void)
{
	item_t *pool = 0, *e, *h1, *h2, *hb, *first = 0;
	clib_llist_index_t i1, i2, ib;
	u32 index[6];

	i1 = clib_llist_make_head(pool, a);
	i2 = clib_llist_make_head(pool, a);
	ib = clib_llist_make_head(pool, b);
	for (u32 i = 0; i < 6; i++) {
		pool_get_zero(pool, e);
		index[i] = clib_llist_entry_index(pool, e);
		e->data = i;
		clib_llist_init_elt(e, a);
		CU_ASSERT_FALSE(clib_llist_elt_is_linked(e, a));
	}
	h1 = clib_llist_elt(pool, i1);
	h2 = clib_llist_elt(pool, i2);
	hb = clib_llist_elt(pool, ib);
	CU_ASSERT_TRUE(clib_llist_is_empty(pool, a, h1));
	for (u32 i = 0; i < 6; i++) {
		e = pool + index[i];
		if (i % 2)
			clib_llist_add(pool, a, e, h2);
		else
			clib_llist_add_tail(pool, a, e, h1);
		clib_llist_add_tail(pool, b, e, hb);
	}
	CU_ASSERT_TRUE(reads(pool, h1, "024"));
	CU_ASSERT_TRUE(reads(pool, h2, "531"));
	e = clib_llist_next(pool, a, h1);
	clib_llist_splice(pool, a, e, h2);
	CU_ASSERT_TRUE(clib_llist_is_empty(pool, a, h2));
	CU_ASSERT_TRUE(reads(pool, h1, "053124"));
	clib_llist_splice(pool, a, e, h2);
	CU_ASSERT_TRUE(reads(pool, h1, "053124"));
	clib_llist_foreach_safe(pool, a, h1, e, ({
					if (e->data % 2)
						clib_llist_remove(pool, a, e);
				}));
	CU_ASSERT_TRUE(reads(pool, h1, "024"));
	clib_llist_pop_first(pool, a, first, h1);
	CU_ASSERT_EQUAL(first->data, 0);
	CU_ASSERT_FALSE(clib_llist_elt_is_linked(first, a));
	e = clib_llist_prev(pool, a, h1);
	clib_llist_insert(pool, a, first, e);
	CU_ASSERT_TRUE(reads(pool, h1, "240"));
	/* The other list saw none of it. */
	e = clib_llist_next(pool, b, hb);
	for (u32 i = 0; i < 6; i++, e = clib_llist_next(pool, b, e))
		CU_ASSERT_EQUAL(e->data, i);
	CU_ASSERT_PTR_EQUAL(e, hb);
	pool_free(pool);
	mheap_fail_get_after(1);
	CU_ASSERT_EQUAL(clib_llist_make_head(pool, a), CLIB_LLIST_INVALID_INDEX);
	mheap_fail_get_after(0);
}

/* Files of a known size, of none that the system knows, and that are not there; no memory. */
static void
files_are_read_whole(void)
{
	char path[64];
	u8 *v = 0, *kept = (u8 *)"kept", bytes[8];
	clib_error_t *error;
	uword n = 0;
	int fd;

	snprintf(path, sizeof(path), "/tmp/vmheap-small-test-%d", getpid());
	fd = open(path, O_CREAT | O_WRONLY | O_TRUNC, 0600);
	for (int i = 0; i < 3000; i++)
		CU_ASSERT_EQUAL_FATAL(write(fd, "0123456789", 10), 10);
	close(fd);
	CU_ASSERT_PTR_NULL(clib_file_n_bytes(path, &n));
	CU_ASSERT_EQUAL(n, 30000);
	CU_ASSERT_PTR_NULL(clib_file_contents(path, &v));
	CU_ASSERT_EQUAL_FATAL(vec_len(v), 30000);
	CU_ASSERT_EQUAL(v[29999], '9');
	vec_free(v);
	CU_ASSERT_PTR_NULL(clib_file_read_contents(path, bytes, 8));
	CU_ASSERT_TRUE(!memcmp(bytes, "01234567", 8));
	for (u64 k = 1; k < 100; k++) {
		u64 n_oom = clib_mem_n_oom();

		mheap_fail_get_after(k);
		v = kept;
		error = clib_file_contents(path, &v);
		mheap_fail_get_after(0);
		if (clib_mem_n_oom() == n_oom) {
			vec_free(v);
			break;
		}
		CU_ASSERT_TRUE(error ? v == kept : vec_len(v) == 30000);
		if (!error)
			vec_free(v);
		clib_error_free(error);
	}
	truncate(path, 0);
	v = kept;
	CU_ASSERT_PTR_NULL(clib_file_contents(path, &v));
	CU_ASSERT_PTR_NULL(v);
	error = clib_file_read_contents(path, bytes, 8);
	CU_ASSERT_PTR_NOT_NULL(error);
	clib_error_free(error);
	unlink(path);
	error = unix_file_contents(path, &v);
	CU_ASSERT_PTR_NOT_NULL(error);
	CU_ASSERT_EQUAL(clib_error_get_code(error), ENOENT);
	clib_error_free(error);
	error = clib_file_n_bytes(path, &n);
	CU_ASSERT_PTR_NOT_NULL(error);
	clib_error_free(error);
	CU_ASSERT_PTR_NULL(unix_proc_file_contents((char *)"/proc/self/maps", &v));
	CU_ASSERT_TRUE(vec_len(v) > 1000);
	vec_free(v);
}

/* What the system says of its processors and of us. */
static void
the_machine_is_described(void)
{
	clib_bitmap_t *online = os_get_online_cpu_core_bitmap(), *mine;
	u8 *path = os_get_exec_path(), *s;
	cpu_set_t set;

	CU_ASSERT_EQUAL(clib_bitmap_count_set_bits(online), (uword)sysconf(_SC_NPROCESSORS_ONLN));
	mine = os_get_cpu_affinity_bitmap(0);
	CU_ASSERT_EQUAL(sched_getaffinity(0, sizeof(set), &set), 0);
	CU_ASSERT_EQUAL(clib_bitmap_count_set_bits(mine), (uword)CPU_COUNT(&set));
	clib_bitmap_free(online);
	clib_bitmap_free(mine);
	CU_ASSERT_TRUE(vec_len(path) > 10 && path[0] == '/');
	CU_ASSERT_TRUE(!memcmp(vec_end(path) - 10, "test_small", 10));
	vec_free(path);
	s = format(0, "%U|%U|%U%c", format_cpu_uarch, format_cpu_model_name, format_cpu_flags, 0);
	CU_ASSERT_TRUE(vec_len(s) > 10);
#if defined(__x86_64__)
	/* The compiler's own answers to the same questions. */
	CU_ASSERT_EQUAL(clib_cpu_supports_avx2(), !!__builtin_cpu_supports("avx2"));
	CU_ASSERT_EQUAL(clib_cpu_supports_avx512f(), !!__builtin_cpu_supports("avx512f"));
	CU_ASSERT_EQUAL(clib_cpu_supports_sse42(), !!__builtin_cpu_supports("sse4.2"));
	CU_ASSERT_EQUAL(clib_cpu_supports_bmi2(), !!__builtin_cpu_supports("bmi2"));
	CU_ASSERT_EQUAL(clib_cpu_supports_popcnt(), !!__builtin_cpu_supports("popcnt"));
	CU_ASSERT_EQUAL(strstr((char *)s, "sse42") != 0, clib_cpu_supports_sse42());
	CU_ASSERT_FALSE(clib_cpu_supports_sve());
#endif
	vec_free(s);
}

/* The old atomic names: the new value stands before the old one. */
static void
old_atomics_are_atomic(void)
{
	u32 x = 5;

	CU_ASSERT_EQUAL(clib_smp_atomic_add(&x, 3), 5);
	CU_ASSERT_EQUAL(clib_smp_compare_and_swap(&x, 1, 7), 8);
	CU_ASSERT_EQUAL(x, 8);
	CU_ASSERT_EQUAL(clib_smp_compare_and_swap(&x, 1, 8), 8);
	CU_ASSERT_EQUAL(x, 1);
	CU_ASSERT_EQUAL(clib_smp_swap(&x, 9), 1);
	CU_ASSERT_EQUAL(x, 9);
	CU_ASSERT_EQUAL(clib_atomic_swap_acq_rel_n(&x, 2), 9);
	CU_ASSERT_EQUAL(clib_atomic_fetch_add_acq(&x, 2), 2);
	clib_atomic_fence_seq_cst();
	clib_smp_pause();
}

/* XXH64 of eight bytes under the golden ratio as seed: values of the reference implementation. */
static void
xxhash_is_xxh64(void)
{
	CU_ASSERT_EQUAL(clib_xxhash(0), 0x6f06f901bfa27892ull);
	CU_ASSERT_EQUAL(clib_xxhash(1), 0x4a67795370639ba2ull);
	CU_ASSERT_EQUAL(clib_xxhash(0x0123456789abcdefull), 0x57ef565c71cb8f0full);
}

/* clang-format off */
static int
is_below(int a, unsigned b)
{
	WARN_OFF(sign-compare)
	return a < b;
	WARN_ON(sign-compare)
}
/* clang-format on */

/* Roots; a comparison that would not compile without WARN_OFF; and time in words. */
static void
numbers_and_times(void)
{
	clib_time_t c;
	u8 *s;

	CU_ASSERT_EQUAL(sqrt(2.25), 1.5);
	CU_ASSERT_EQUAL(fabs(-3.5), 3.5);
	CU_ASSERT_FALSE(is_below(-1, 1));
	CU_ASSERT_TRUE(isnan(sqrt(-1.)));
	clib_time_init(&c);
	CU_ASSERT_TRUE(1ull << c.log2_clocks_per_second <= c.clocks_per_second &&
		       2ull << c.log2_clocks_per_second > c.clocks_per_second);
	clib_local_pause(1e-4);
	CU_ASSERT_TRUE(clib_time_now(&c) >= .9e-4 && clib_time_now(&c) < CLIB_TIME_MAX);
	s = format(0, "%U|%U%c", format_clib_time, &c, 0, format_clib_time, &c, 1, 0);
	CU_ASSERT_EQUAL(strncmp((char *)s, "Time now 0.", 11), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr((char *)s, "|Time now 0."));
	CU_ASSERT_PTR_NOT_NULL(strstr((char *)s, "clocks/sec "));
	vec_free(s);
}

static const unit_test_t tests[] = {
	UNIT(bits_of_words),
	UNIT(bits_of_arrays),
	UNIT(bytes_are_in_order),
	UNIT(dlists_keep_order),
	UNIT(llists_keep_order),
	UNIT(files_are_read_whole),
	UNIT(the_machine_is_described),
	UNIT(old_atomics_are_atomic),
	UNIT(xxhash_is_xxh64),
	UNIT(numbers_and_times),
};

int
main(void)
{
	return unit_run("small", tests, ARRAY_LEN(tests));
}
