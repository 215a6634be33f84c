/* SPDX-License-Identifier: Apache-2.0 */
/* The words of clib.h as both generations' programs use them: attributes, struct arithmetic, bits
 * and powers of two, order, unaligned access. */
#include <vppinfra/clib.h>
#include <vppinfra/mem.h>
#include <vppinfra/error.h>

typedef struct {
	u8 kind;
	CLIB_PACKED(u32 id);
	CLIB_PACKED(u64 time);
} wire_t;

typedef struct {
	CLIB_CACHE_LINE_ALIGN_MARK(cacheline0);
	u32 flags;
	u16 ports[6];
	STRUCT_MARK(template_end);
	CLIB_PAD_FROM_TO(16, 24);
	u64 counter;
	CLIB_ALIGN_MARK(second_half, 32);
	u64 scratch;
	CLIB_CACHE_LINE_ALIGN_MARK(cacheline1);
	u8 data[40];
} buffer_t;

STATIC_ASSERT_SIZEOF(wire_t, 13);
STATIC_ASSERT_OFFSET_OF(buffer_t, cacheline1, CLIB_CACHE_LINE_BYTES);
STATIC_ASSERT(sizeof(buffer_t) == 2 * CLIB_CACHE_LINE_BYTES, "two lines");
STATIC_ASSERT_SIZEOF_POW2(buffer_t);
STATIC_ASSERT_FITS_IN(buffer_t, scratch, CLIB_CACHE_LINE_BYTES);

#define CHECK(truth)                                                                               \
	do {                                                                                       \
		if (PREDICT_FALSE(!(truth)))                                                       \
			clib_panic("%s", #truth);                                                  \
	} while (0)

static u32 n_init, n_exit;

INIT_FUNCTION(void start_up(void))
{
	n_init++;
}

EXIT_FUNCTION(void shut_down(void))
{
	n_exit++;
}

static void __clib_constructor
also_at_start(void)
{
	n_init++;
}

never_inline static word
sum_never(word a, word b)
{
	return a + b;
}

always_inline word
sum_always(word a, word CLIB_UNUSED(b))
{
	return a;
}

static_always_inline u32
hot(u32 x)
{
	return x + 1;
}

__clib_weak int
replaceable(void)
{
	return 5;
}

static u8 line[64] __clib_aligned(CLIB_CACHE_LINE_BYTES);
static u32 unused_word __clib_unused;

static int
test_structs(void)
{
	buffer_t b[2];
	wire_t w = { .kind = 1, .id = 0x01020304 };
	u32 x = 0x11223344;
	u8 bytes[16] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 };

	CHECK(STRUCT_OFFSET_OF(wire_t, id) == 1 && STRUCT_SIZE_OF(wire_t, time) == 8);
	CHECK(STRUCT_BITS_OF(wire_t, id) == 32 && STRUCT_BIT_OFFSET_OF(wire_t, time) == 40);
	CHECK(STRUCT_ARRAY_LEN(buffer_t, ports) == 6 && ARRAY_LEN(b) == 2 && BITS(x) == 32);
	CHECK(STRUCT_STRIDE_OF(buffer_t, flags) == sizeof(buffer_t));
	CHECK(STRUCT_OFFSET_OF_VAR(&w, time) == 5);
	CHECK(STRUCT_OFFSET_OF(buffer_t, template_end) == 16);
	CHECK(STRUCT_OFFSET_OF(buffer_t, counter) == 24);
	CHECK((u8 *)STRUCT_MARK_PTR(b, template_end) == (u8 *)b + 16);
	CHECK(STRUCT_OFFSET_OF(buffer_t, second_half) % 32 == 0);
	CHECK(pointer_to_uword(line) % CLIB_CACHE_LINE_BYTES == 0);
	CHECK(uword_to_pointer(pointer_to_uword(&x), u32 *) == &x);

	CHECK(clib_mem_unaligned(bytes + 1, u32) == 0x04030201);
	clib_mem_unaligned(bytes + 3, u64) = 0;
	CHECK(bytes[2] == 2 && bytes[3] == 0 && bytes[10] == 0);
	clib_mem_aligned(bytes, u16, 2) = 0x0706;
	CHECK(bytes[0] == 6 && bytes[1] == 7);
	CHECK(w.id == *(u32u *)((u8 *)&w + 1));
	CLIB_PREFETCH(b, 2 * CLIB_CACHE_LINE_BYTES, STORE);
	CLIB_PREFETCH(line, sizeof(line), LOAD);
	return 0;
}

static int
test_bits(void)
{
	uword x, i, n, sum;

	for (i = 0; i < 64; i++) {
		x = (uword)1 << i;
		CHECK(min_log2(x) == i && max_log2(x) == i && is_pow2(x) && min_pow2(x) == x);
		CHECK(max_pow2(x) == x && first_set(x * 3) == x && log2_first_set(x) == i);
		CHECK(count_trailing_zeros(x) == i && count_leading_zeros(x) == 63 - i);
		CHECK(pow2_mask(i) == x - 1 && count_set_bits(pow2_mask(i)) == i);
		if (i > 1 && i < 63) {
			CHECK(min_log2(x + 1) == i && max_log2(x + 1) == i + 1);
			CHECK(!is_pow2(x + 1) && max_pow2(x + 1) == 2 * x && min_pow2(x + 1) == x);
			CHECK(min_log2_u64(x - 1) == i - 1);
		}
	}
	CHECK(round_pow2(65, 64) == 128 && round_pow2(64, 64) == 64 && round_pow2(0, 64) == 0);
	CHECK(round_down_pow2(127, 64) == 64 && round_pow2_u64(1ULL << 40, 4096) == 1ULL << 40);
	CHECK(extract_bits(0xabcd, 4, 8) == 0xbc);
	CHECK(CLIB_CACHE_LINE_ROUND(1) == CLIB_CACHE_LINE_BYTES);
	CHECK(uword_bits == 64 && log2_uword_bits == 6 && sizeof(any) == sizeof(uword));

	n = sum = 0;
	/* *INDENT-OFF* */
	foreach_set_bit(i, 0x8000000000000005ULL, ({
				n++;
				sum += i;
			}));
	/* *INDENT-ON* */
	CHECK(n == 3 && sum == 0 + 2 + 63);
	return 0;
}

static int
test_numbers(void)
{
	int n_evaluated = 0;
	f64 f = -2.5;
	u32 a = 3, b = 7, sum = 0;

	CHECK(clib_min(a, b) == 3 && clib_max(a, b) == 7 && clib_max(clib_min(a, b), 5) == 5);
	CHECK(clib_min((n_evaluated++, a), b) == 3 && n_evaluated == 1);
	CHECK(clib_clamp(9, 1, 5) == 5 && clib_clamp(-9, 1, 5) == 1 && clib_clamp(3, 1, 5) == 3);
	CHECK(clib_abs(-7) == 7 && clib_abs(f) == 2.5);
	CHECK(flt_round_down(2.9) == 2.0 && flt_round_down(-2.9) == -2.0);
	CHECK(flt_round_nearest(2.5) == 3 && flt_round_nearest(-2.6) == -3);
	CHECK(flt_round_to_multiple(7.4, 5) == 5 && flt_round_to_multiple(7.6, 5) == 10);
	foreach_int(i, 1, 2, 40) sum += i;
	CHECK(sum == 43);
	foreach_pointer(p, &a, &b) sum += *(u32 *)p;
	CHECK(sum == 53);
	return 0;
}

#ifdef CLIB_UNIX
int
main(int argc, char *argv[])
{
	char **names = CLIB_STRING_ARRAY("one", "two");

	clib_mem_init(0, 1 << 20);
	CHECK(n_init == 2 && n_exit == 0);
	CHECK(sum_never(1, 2) == 3 && sum_always(1, 2) == 1 && hot(1) == 2 && replaceable() == 5);
	CHECK(!strcmp(names[1], "two") && names[2] == 0);
	CHECK(!strcmp(CLIB_STRING_MACRO(a b), "a b"));
	CHECK(COMPILE_TIME_CONST(5));
	CLIB_MEMORY_BARRIER();
	CLIB_MEMORY_STORE_BARRIER();
	CLIB_COMPILER_BARRIER();
	CLIB_PAUSE();
	ASSERT(n_init == 2);
	ALWAYS_ASSERT(n_init == 2);
	ASSERT_AND_PANIC(n_init == 2);
	CLIB_ASSUME(argc > 0);
	return test_structs() || test_bits() || test_numbers();
}
#endif
