/* SPDX-License-Identifier: Apache-2.0 */
/* Thirty mistakes, and which of them a heap notices: always, with fronts and without (what is told
 * when something is put, or later where puts wait), and all of them where it is checked. */
#include <pthread.h>
#include <vppinfra/mheap_front.h>
#include "heap_helpers.h"

static void *v;
/* Other heap; memory that is no heap's. */
static void *other;
static u8 strange[256];

static u8 *
at(uword offset)
{
	return (u8 *)v + offset;
}

/* Puts wait, as malloc's do. */
static int puts_wait;

static never_inline void
put(uword offset)
{
	if (puts_wait)
		mheap_put_later(v, at(offset));
	else
		mheap_put(v, offset);
}

static void
put_address(const void *p)
{
	put((uword)p - (uword)v);
}

/* Bytes that may be used, in an ordinary heap more than were asked for. */
static uword
usable(uword o)
{
	return mheap_object_bytes(v, o);
}

/* A used neighbour on the right of what is got next. */
static uword
two(uword n_bytes, uword *right)
{
	uword a = get(v, n_bytes), b = get(v, n_bytes);

	/* Whichever lies lower. */
	*right = clib_max(a, b);
	return clib_min(a, b);
}

/* ---- puts of what is no object any more ---- */

static void
put_twice(void)
{
	uword a = get(v, 64);

	put(a);
	put(a);
}

static void
put_twice_with_one_between(void)
{
	uword b, a = two(64, &b);

	put(a);
	put(b);
	put(a);
}

static void
put_twice_with_many_between(void)
{
	uword offsets[300], a = get(v, 64);

	for (u32 i = 0; i < 300; i++)
		offsets[i] = get(v, 64);
	put(a);
	for (u32 i = 0; i < 300; i++)
		put(offsets[i]);
	put(a);
}

static void
put_a_large_one_twice(void)
{
	uword a = get(v, 100000);

	put(a);
	put(a);
}

static void
put_an_aligned_one_twice(void)
{
	uword a;

	mheap_get_aligned(v, 100, 256, 8, &a);
	put(a);
	put(a);
}

static void *
put_in_thread(void *arg)
{
	put(*(uword *)arg);
	return NULL;
}

static void
put_again_what_a_thread_put(void)
{
	uword a = get(v, 64);
	pthread_t thread;

	pthread_create(&thread, NULL, put_in_thread, &a);
	pthread_join(thread, NULL);
	put(a);
}

static void
put_twice_in_bulk(void)
{
	void *objects[3] = { at(get(v, 64)), at(get(v, 64)) };

	objects[2] = objects[0];
	mheap_put_bulk(v, 3, objects);
}

/* The stale one frees another's object; that one's owner finds out. */
static void
put_twice_with_a_get_between(void)
{
	uword a = get(v, 64), b;

	put(a);
	b = get(v, 64);
	put(a);
	put(b);
}

static void
put_again_after_all_was_merged(void)
{
	uword b, a = two(5000, &b);

	put(a);
	put(b);
	mheap_trim(v);
	put(b);
}

/* ---- puts of what never was one ---- */

static void
put_the_middle(void)
{
	put_address(at(get(v, 64)) + 16);
}

static void
put_a_word_behind_the_start(void)
{
	put_address(at(get(v, 64)) + 8);
}

static void
put_an_odd_address(void)
{
	put_address(at(get(v, 64)) + 1);
}

static void
put_the_middle_of_a_large_one(void)
{
	u8 *p = at(get(v, 100000));

	memset(p, 0, 100000);
	put_address((u8 *)round_pow2((uword)p + 5000, 4096));
}

static void
put_from_the_stack(void)
{
	u64 words[4] = { 0 };

	put_address(words);
}

static void
put_static_memory(void)
{
	put_address(strange + 16);
}

static void
put_beyond_the_end(void)
{
	put_address((u8 *)v + mheap_bytes(v) + 4096);
}

static void
put_below_the_start(void)
{
	put_address((u8 *)v - 64);
}

static void
put_anothers(void)
{
	uword o;

	mheap_get(other, 64, &o);
	put_address((u8 *)other + o);
	mheap_put(other, o);
}

static void
put_what_was_never_set(void)
{
	put_address((void *)0x4141414141414141);
}

/* What looks like a header is none: its tag is another address's. */
static void
put_a_forged_object(void)
{
	u8 *p = at(get(v, 256));

	memcpy(p + 64 - 16, p - 16, 16);
	put_address(p + 64);
}

/* ---- writes past the ends of what lives ---- */

static void
write_one_byte_past_the_end(void)
{
	uword b, a = two(64, &b);

	at(a)[usable(a)] = 0;
	put(a);
}

static void
write_far_past_the_end(void)
{
	uword b, a = two(64, &b);

	memset(at(a), 'x', usable(a) + 40);
	put(a);
}

static void
write_past_the_end_of_a_large_one(void)
{
	uword b, a = two(100000, &b);

	memset(at(a) + usable(a), 'x', 8);
	put(a);
}

static void
write_before_the_start(void)
{
	uword b;

	two(64, &b);
	at(b)[-9] ^= 0x55;
	put(b);
}

static void
write_far_before_the_start(void)
{
	uword b;

	two(64, &b);
	memset(at(b) - 24, 'x', 24);
	put(b);
}

/* 20 bytes are asked for, of which an ordinary heap makes 32. */
static void
write_into_the_slack(void)
{
	uword a = get(v, 20);

	at(a)[20] = 'x';
	put(a);
}

/* The right neighbour is on a list: its links and its header's are hit. */
static void
write_into_a_free_neighbour(void)
{
	uword b, a = two(40000, &b);

	get(v, 40000);
	put(b);
	memset(at(a) + usable(a), 'x', 64);
	put(a);
}

/* ---- writes into what was put ---- */

static void
write_after_put_into_a_list(void)
{
	uword b, a = two(40000, &b);

	put(a);
	memset(at(a), 'x', 64);
	get(v, 40000);
}

/* Where no list's links lie: nothing is lost by it, and an ordinary heap does not look. */
static void
write_after_put_into_a_small_one(void)
{
	uword a = get(v, 64);

	put(a);
	at(a)[20] = 'x';
	get(v, 64);
}

static void
write_after_put_through_an_old_copy(void)
{
	uword a = get(v, 2000), b;
	u8 *old = at(a);

	b = get(v, 4000);
	memcpy(at(b), old, 2000);
	put(a);
	old[1999] = 'x';
	put(b);
}

static const struct {
	const char *name;
	void (*fn)(void);
	/* Noticed by an ordinary heap. */
	int is_always;
} misuses[] = {
#define MISUSE(fn, is_always)                                                                      \
	{                                                                                          \
#		fn, fn, is_always                                                                 \
	}
	MISUSE(put_twice, 1),
	MISUSE(put_twice_with_one_between, 1),
	MISUSE(put_twice_with_many_between, 1),
	MISUSE(put_a_large_one_twice, 1),
	MISUSE(put_an_aligned_one_twice, 1),
	MISUSE(put_again_what_a_thread_put, 1),
	MISUSE(put_twice_in_bulk, 1),
	MISUSE(put_twice_with_a_get_between, 1),
	MISUSE(put_again_after_all_was_merged, 1),
	MISUSE(put_the_middle, 1),
	MISUSE(put_a_word_behind_the_start, 1),
	MISUSE(put_an_odd_address, 1),
	MISUSE(put_the_middle_of_a_large_one, 1),
	MISUSE(put_from_the_stack, 1),
	MISUSE(put_static_memory, 1),
	MISUSE(put_beyond_the_end, 1),
	MISUSE(put_below_the_start, 1),
	MISUSE(put_anothers, 1),
	MISUSE(put_what_was_never_set, 1),
	MISUSE(put_a_forged_object, 1),
	MISUSE(write_one_byte_past_the_end, 1),
	MISUSE(write_far_past_the_end, 1),
	MISUSE(write_past_the_end_of_a_large_one, 1),
	MISUSE(write_before_the_start, 1),
	MISUSE(write_far_before_the_start, 1),
	MISUSE(write_into_the_slack, 0),
	MISUSE(write_into_a_free_neighbour, 1),
	MISUSE(write_after_put_into_a_list, 1),
	MISUSE(write_after_put_into_a_small_one, 0),
	MISUSE(write_after_put_through_an_old_copy, 0),
};

/* Makes the mistake in a fresh heap.  @return whether the heap told of it. */
static int
is_noticed(u32 i, uword flags)
{
	char what[128];

	v = mheap_alloc_with_flags(NULL, MiB(16), flags);
	CU_ASSERT_PTR_NOT_NULL_FATAL(v);
	/* Some life before, and something that keeps the end. */
	for (u32 k = 0; k < 50; k++)
		mheap_put(v, get(v, 16 * k + 1));
	get(v, 16);
	report.n = 0;
	misuses[i].fn();
	if (puts_wait) {
		/* Other puts come, and in the end what fronts hold goes to the bins. */
		mheap_put_flush(v);
		mheap_trim(v);
	}
	/* A checked heap is looked through when the program ends. */
	if (!report.n && flags & MHEAP_FLAG_CHECKED && mheap_check(v, what, sizeof(what)))
		report.n++;
	mheap_free(v);
	return report.n != 0;
}

static u32
n_noticed(uword flags, const char *name)
{
	u32 n = 0;

	for (u32 i = 0; i < ARRAY_LEN(misuses); i++) {
		int is_caught = is_noticed(i, flags);
		int is_due = misuses[i].is_always || flags & MHEAP_FLAG_CHECKED;

		n += (u32)is_caught;
		if (is_caught != is_due)
			printf("%s: %s is %snoticed\n", name, misuses[i].name,
			       is_caught ? "" : "not ");
	}
	printf("%s: %u of %u noticed\n", name, n, (u32)ARRAY_LEN(misuses));
	return n;
}

/* What an ordinary heap notices, without more than it does for each put. */
static void
ordinary_heaps_notice_most(void)
{
	CU_ASSERT_EQUAL(ARRAY_LEN(misuses), 30);
	CU_ASSERT_EQUAL(n_noticed(0, "ordinary"), 27);
	CU_ASSERT_EQUAL(n_noticed(MHEAP_FLAG_THREAD_SAFE, "locked"), 27);
	CU_ASSERT_EQUAL(n_noticed(MHEAP_FLAG_FRONTS, "fronts"), 27);
}

/* The same of a heap whose puts wait, as those of libvmheap-malloc: told later, but told.  What is
 * written while its put waits is overwritten by nobody, so one mistake less. */
static void
late_puts_are_noticed_as_well(void)
{
	puts_wait = 1;
	CU_ASSERT_EQUAL(n_noticed(MHEAP_FLAG_FRONTS, "fronts, late puts"), 26);
	CU_ASSERT_EQUAL(n_noticed(MHEAP_FLAG_CHECKED, "checked, late puts"), 30);
	puts_wait = 0;
}

/* A checked heap notices all. */
static void
checked_heaps_notice_all(void)
{
	CU_ASSERT_EQUAL(n_noticed(MHEAP_FLAG_CHECKED, "checked"), 30);
}

static uword
count_object(void *arg, void *heap, void *data, uword size)
{
	++*(uword *)arg;
	return 0;
}

/* A checked heap without mistakes is a heap like others: counts, sizes, walks, exhaustion. */
static void
a_checked_heap_works(void)
{
	static uword offsets[4000];
	u64 seed = unit_seed();
	uword n, o;

	v = mheap_alloc_with_flags(NULL, MiB(4), MHEAP_FLAG_CHECKED);
	report.n = 0;
	memset(offsets, 0xff, sizeof(offsets));
	for (u32 i = 0; i < 60000; i++) {
		uword k = unit_random_below(&seed, ARRAY_LEN(offsets));
		uword n_bytes = 1 + unit_random_below(&seed, i % 50 ? 600 : 20000);

		if (offsets[k] == NOTHING) {
			offsets[k] = get(v, n_bytes);
			if (offsets[k] != NOTHING) {
				CU_ASSERT_EQUAL(mheap_object_bytes(v, offsets[k]), n_bytes);
				memset(at(offsets[k]), 1, n_bytes);
			}
		} else if (i % 5 == 0 && !mheap_extend(v, offsets[k], n_bytes)) {
			n = mheap_object_bytes(v, offsets[k]);
			CU_ASSERT(n >= n_bytes);
			memset(at(offsets[k]), 1, n);
		} else {
			mheap_put(v, offsets[k]);
			offsets[k] = NOTHING;
		}
	}
	CU_ASSERT(is_whole(v));
	n = 0;
	for (u32 i = 0; i < ARRAY_LEN(offsets); i++)
		n += offsets[i] != NOTHING;
	CU_ASSERT_EQUAL(mheap_elts(v), n);
	o = 0;
	mheap_foreach(v, count_object, &o);
	CU_ASSERT_EQUAL(o, n);
	for (u32 i = 0; i < ARRAY_LEN(offsets); i++)
		if (offsets[i] != NOTHING)
			mheap_put(v, offsets[i]);
	CU_ASSERT_EQUAL(mheap_elts(v), 0);
	/* What waits is used when there is nothing else. */
	o = get(v, MiB(4) - KiB(8));
	CU_ASSERT_NOT_EQUAL(o, NOTHING);
	mheap_put(v, o);
	mheap_trim(v);
	CU_ASSERT_EQUAL(mheap_bytes(v), MHEAP_HEADER_BYTES + MHEAP_ELT_OVERHEAD_BYTES);
	CU_ASSERT_EQUAL(report.n, 0);
	mheap_free(v);
}

static const unit_test_t tests[] = {
	UNIT(ordinary_heaps_notice_most),
	UNIT(late_puts_are_noticed_as_well),
	UNIT(checked_heaps_notice_all),
	UNIT(a_checked_heap_works),
};

int
main(void)
{
	mheap_set_error_handler(note_report);
	other = mheap_alloc(NULL, MiB(1));
	return unit_run("mheap_misuse", tests, ARRAY_LEN(tests));
}
