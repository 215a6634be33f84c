/* SPDX-License-Identifier: Apache-2.0 */
/* Stacks: walked where they are whole, left where they are not, on any kind of stack. */
#include <pthread.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <vppinfra/backtrace.h>
#include <vppinfra/format.h>
#include "unit.h"

static never_inline u32
callers_here(uword *callers, u32 n)
{
	u32 n_found = clib_backtrace_from(__builtin_frame_address(0), callers, n);

	CLIB_COMPILER_BARRIER();
	return n_found;
}

static never_inline u32
deeper(uword *callers, u32 n)
{
	n = callers_here(callers, n);
	CLIB_COMPILER_BARRIER();
	return n;
}

static int
is_in(uword address, void *function)
{
	return address > (uword)function && address < (uword)function + 2048;
}

/* The innermost caller first, skipped ones left out, never more than there is room for.  (CUnit,
 * which calls the tests, has no frame pointers.) */
static void
a_stack_is_walked(void)
{
	uword callers[CLIB_BACKTRACE_MAX_CALLERS], few[2] = { 0, 0 };
	u32 n = deeper(callers, ARRAY_LEN(callers));

	CU_ASSERT_FATAL(n >= 2);
	CU_ASSERT(is_in(callers[0], deeper));
	CU_ASSERT(is_in(callers[1], a_stack_is_walked));
	CU_ASSERT_EQUAL(deeper(few, 1), 1);
	CU_ASSERT(is_in(few[0], deeper));
	CU_ASSERT_EQUAL(few[1], 0);
	CU_ASSERT(clib_backtrace(callers, ARRAY_LEN(callers), 0) >= 1);
	CU_ASSERT(is_in(callers[0], a_stack_is_walked));
	n = (u32)clib_backtrace(callers, ARRAY_LEN(callers), 0);
	CU_ASSERT_EQUAL(clib_backtrace(callers, ARRAY_LEN(callers), 1), n - 1);
	CU_ASSERT_EQUAL(clib_backtrace(callers, ARRAY_LEN(callers), 1000), 0);
}

/* Code without frame pointers leaves anything in the register.  Whatever it is, the walk ends and
 * does not fault: here at the end of readable memory, on addresses that go down, are not aligned
 * or lie nowhere. */
static void
a_broken_chain_ends_the_walk(void)
{
	/* One page that can be read, and 16 MiB after it that cannot. */
	u8 *p = mmap(NULL, MiB(16), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uword *record = (uword *)(p + 4096 - 2 * sizeof(uword)), callers[8], real[8];
	const uword nowhere[] = { (uword)p + 4096,       (uword)p, (uword)record + 1, ~(uword)7,
				  (uword)p + 8 * MiB(1), 0,        (uword)record };
	u64 seed = 7;

	CU_ASSERT_PTR_NOT_EQUAL_FATAL(p, MAP_FAILED);
	mprotect(p + 4096, MiB(16) - 4096, PROT_NONE);
	record[1] = (uword)a_broken_chain_ends_the_walk;
	for (u32 i = 0; i < ARRAY_LEN(nowhere); i++) {
		record[0] = nowhere[i];
		CU_ASSERT_EQUAL(clib_backtrace_from(record, callers, 8), 1);
		CU_ASSERT_EQUAL(callers[0], record[1]);
	}
	for (u32 i = 0; i < 10000; i++) {
		record[0] = i % 2 ? (uword)record + unit_random_below(&seed, MiB(16))
				  : unit_random(&seed) >> 17;
		CU_ASSERT_EQUAL(clib_backtrace_from(record, callers, 1), 1);
		CU_ASSERT(clib_backtrace_from(record, callers, 8) >= 1);
	}
	/* A record across the end of what is readable. */
	CU_ASSERT_EQUAL(clib_backtrace_from(p + 4096 - 8, callers, 8), 0);
	/* And a chain on the thread's own stack that points to where nothing is. */
	for (u32 i = 0; i < 10000; i++) {
		volatile uword own[2] = {
			(uword)own + 16 + unit_random_below(&seed, MiB(64)) / 8 * 8, (uword)p
		};

		CU_ASSERT(clib_backtrace_from((const void *)own, real, 8) >= 1);
	}
	munmap(p, MiB(16));
}

static void *
walk_in_a_thread(void *arg)
{
	uword callers[8];

	*(u32 *)arg = callers_here(callers, 8);
	return NULL;
}

/* Threads with stacks of the smallest size, one of the caller's choosing included. */
static void
other_threads_are_walked(void)
{
	pthread_attr_t attr;
	pthread_t thread;
	u32 n[2] = { 0, 0 };
	void *stack =
		mmap(NULL, MiB(1), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	pthread_create(&thread, NULL, walk_in_a_thread, &n[0]);
	pthread_join(thread, NULL);
	pthread_attr_init(&attr);
	pthread_attr_setstack(&attr, stack, MiB(1));
	CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, &attr, walk_in_a_thread, &n[1]), 0);
	pthread_join(thread, NULL);
	munmap(stack, MiB(1));
	CU_ASSERT(n[0] >= 1);
	CU_ASSERT(n[1] >= 1);
}

static ucontext_t here, there;
static u32 n_found_there;

static void
coroutine(void)
{
	uword callers[8];

	n_found_there = deeper(callers, 8);
	if (n_found_there >= 2 && !(is_in(callers[0], deeper) && is_in(callers[1], coroutine)))
		n_found_there = 0;
	swapcontext(&there, &here);
}

/* A stack that is not the thread's own, with nothing above it. */
static void
a_coroutine_is_walked(void)
{
	u8 *p = mmap(NULL, KiB(64) + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		     0);

	CU_ASSERT_PTR_NOT_EQUAL_FATAL(p, MAP_FAILED);
	mprotect(p + KiB(64), 4096, PROT_NONE);
	getcontext(&there);
	there.uc_stack.ss_sp = p;
	there.uc_stack.ss_size = KiB(64);
	there.uc_link = NULL;
	makecontext(&there, coroutine, 0);
	swapcontext(&here, &there);
	CU_ASSERT(n_found_there >= 2);
	munmap(p, KiB(64) + 4096);
}

/* A symbolizer that is installed is asked; NULL brings dladdr() back. */
static void
name_all_alike(uword address, clib_symbol_t *symbol)
{
	strcpy(symbol->object, "object.so");
	strcpy(symbol->function, "function");
	strcpy(symbol->file, "file.c");
	symbol->offset = address & 0xff;
	symbol->line = 12;
}

static void
a_better_symbolizer_is_used(void)
{
	uword callers[2] = { 0x1234, 0x5678 };
	u8 *s;

	clib_set_symbolizer(name_all_alike);
	s = format(NULL, "-> %U%c", format_backtrace, callers, 2, 0);
	CU_ASSERT_STRING_EQUAL(s, "-> 0x000000001234 function + 0x34 (file.c:12)\n"
				  "   0x000000005678 function + 0x78 (file.c:12)");
	vec_free(s);
	clib_set_symbolizer(NULL);
	s = format(NULL, "%U and %U%c", format_clib_symbol, (uword)format_white_space + 4,
		   format_clib_symbol, (uword)8, 0);
	CU_ASSERT_STRING_EQUAL(s, "format_white_space + 0x4 and 0x8");
	vec_free(s);
}

static const unit_test_t tests[] = {
	UNIT(a_stack_is_walked),           UNIT(a_broken_chain_ends_the_walk),
	UNIT(other_threads_are_walked),    UNIT(a_coroutine_is_walked),
	UNIT(a_better_symbolizer_is_used),
};

int
main(void)
{
	return unit_run("backtrace", tests, ARRAY_LEN(tests));
}
