/* SPDX-License-Identifier: Apache-2.0 */
/* Thirty programs with a mistake each, which know malloc, realloc and free only, and which of them
 * libvmheap-malloc notices when it is preloaded: as it is, where it is to abort, and where it looks
 * harder.  Each has a twin without the mistake, of which nothing may be said.
 *
 * This program is all of them: run as `test_misuse NUMBER right|wrong' it is one. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>
#include "unit.h"

/* ---- what a program does before and after its mistake ---- */

/* 200 of each size, more than a thread caches. */
#define N_LIFE 8000

/* Objects of many sizes come and go, so that what is cached goes on to the bins. */
static void
live_on(void)
{
	static void *objects[N_LIFE];

	for (u32 round = 0; round < 3; round++) {
		for (u32 i = 0; i < N_LIFE; i++)
			objects[i] = malloc(i % 40 * 16 + 1);
		for (u32 i = 0; i < N_LIFE; i++)
			free(objects[i]);
	}
}

/* Two that lie side by side where the heap is young: the lower one, and the higher in *right. */
static u8 *
two(size_t n_bytes, u8 **right)
{
	u8 *p = malloc(n_bytes), *q = malloc(n_bytes);

	*right = p < q ? q : p;
	return p < q ? p : q;
}

/* ---- frees of what is no object any more ---- */

static void
free_twice(int wrong)
{
	void *p = malloc(64);

	free(p);
	if (wrong)
		free(p);
}

static void
free_twice_with_one_between(int wrong)
{
	void *p = malloc(64), *q = malloc(64);

	free(p);
	free(q);
	if (wrong)
		free(p);
}

static void
free_twice_with_many_between(int wrong)
{
	void *objects[300], *p = malloc(64);

	for (u32 i = 0; i < 300; i++)
		objects[i] = malloc(64);
	free(p);
	for (u32 i = 0; i < 300; i++)
		free(objects[i]);
	if (wrong)
		free(p);
}

static void
free_a_large_one_twice(int wrong)
{
	void *p = malloc(100000);

	free(p);
	if (wrong)
		free(p);
}

static void
free_a_mapping_twice(int wrong)
{
	void *p = malloc(MiB(8));

	free(p);
	if (wrong)
		free(p);
}

static void *
free_in_thread(void *p)
{
	free(p);
	return NULL;
}

static void
free_again_what_a_thread_freed(int wrong)
{
	void *p = malloc(64);
	pthread_t thread;

	if (!pthread_create(&thread, NULL, free_in_thread, p))
		pthread_join(thread, NULL);
	if (wrong)
		free(p);
}

/* The stale one frees another's object; its owner finds out. */
static void
free_twice_with_a_malloc_between(int wrong)
{
	void *p = malloc(64), *q;

	free(p);
	q = malloc(64);
	if (wrong)
		free(p);
	free(q);
}

static void
free_again_after_all_was_merged(int wrong)
{
	u8 *q, *p = two(50000, &q);

	free(p);
	free(q);
	live_on();
	if (wrong)
		free(q);
}

static void
free_what_realloc_moved(int wrong)
{
	u8 *right, *p = two(64, &right), *q = realloc(p, 4000);

	if (wrong)
		free(p);
	free(q);
	free(right);
}

static void
realloc_after_free(int wrong)
{
	void *p = malloc(2000);

	if (!wrong) {
		free(realloc(p, 3000));
		return;
	}
	free(p);
	live_on();
	p = realloc(p, 3000);
}

/* ---- frees of what never was one ---- */

static void
free_the_middle(int wrong)
{
	u8 *p = malloc(64);

	free(wrong ? p + 16 : p);
}

static void
free_a_word_behind_the_start(int wrong)
{
	u8 *p = malloc(64);

	free(wrong ? p + 8 : p);
}

static void
free_an_odd_address(int wrong)
{
	u8 *p = malloc(64);

	free(wrong ? p + 1 : p);
}

static void
free_the_middle_of_a_large_one(int wrong)
{
	u8 *p = malloc(100000);

	memset(p, 0, 100000);
	free(wrong ? (u8 *)(((uintptr_t)p + 9000) & ~(uintptr_t)4095) : p);
}

static void
free_inside_a_mapping(int wrong)
{
	u8 *p = malloc(MiB(8));

	free(wrong ? p + MiB(1) : p);
}

static void
realloc_the_middle(int wrong)
{
	u8 *p = malloc(64);

	free(realloc(wrong ? p + 16 : p, 200));
}

static void
free_from_the_stack(int wrong)
{
	u64 words[4] = { 0 };

	free(wrong ? words : NULL);
}

static void
free_static_memory(int wrong)
{
	static u8 memory[256];

	free(wrong ? memory + 16 : NULL);
}

static void
free_what_was_never_set(int wrong)
{
	free(wrong ? (void *)0x4141414141414141 : NULL);
}

/* A header copied along with an object makes no object. */
static void
free_a_forged_object(int wrong)
{
	u8 *p = malloc(256);

	memcpy(p + 64 - 16, p - 16, 16);
	free(wrong ? p + 64 : p);
}

/* ---- writes past the ends of what lives ---- */

static void
write_one_byte_past_the_end(int wrong)
{
	u8 *right, *p = two(64, &right);

	/* A string's end that nobody counted. */
	memset(p, 'x', 63);
	p[wrong ? 64 : 63] = 0;
	free(p);
	free(right);
}

static void
write_far_past_the_end(int wrong)
{
	u8 *right, *p = two(64, &right);

	memset(p, 'x', wrong ? 104 : 64);
	free(p);
	free(right);
}

static void
write_past_the_end_of_a_large_one(int wrong)
{
	u8 *right, *p = two(100000, &right);

	memset(p, 'x', wrong ? 100008 : 100000);
	free(p);
	free(right);
}

/* Among the sizes that threads cache the next one is 8192. */
static void
write_past_the_end_after_realloc(int wrong)
{
	u8 *right, *p = two(4000, &right);

	p = realloc(p, 8000);
	memset(p, 'x', wrong ? 8008 : 8000);
	free(p);
	free(right);
}

static void
write_before_the_start(int wrong)
{
	u8 *right, *p = two(64, &right);

	if (wrong)
		right[-9] ^= 0x55;
	free(p);
	free(right);
}

static void
write_far_before_the_start(int wrong)
{
	u8 *right, *p = two(64, &right);

	if (wrong)
		memset(right - 24, 'x', 24);
	free(p);
	free(right);
}

/* 20 bytes are asked for, of which an ordinary heap makes 32. */
static void
write_into_the_slack(int wrong)
{
	u8 *p = malloc(20);

	p[wrong ? 20 : 19] = 'x';
	free(p);
}

/* ---- writes into what was freed ---- */

static void
write_after_free_into_a_large_one(int wrong)
{
	u8 *left = malloc(40000), *right, *p = two(40000, &right);

	free(p);
	free(malloc(200000));
	if (wrong)
		memset(p, 'x', 64);
	/* The next one is to lie there. */
	free(malloc(40000));
	free(right);
	free(left);
}

static void
write_after_free_into_a_small_one(int wrong)
{
	u8 *p = malloc(64);

	free(p);
	if (wrong)
		p[20] = 'x';
}

static void
write_through_what_realloc_moved(int wrong)
{
	u8 *right, *p = two(2000, &right), *q = realloc(p, 9000);

	if (wrong)
		p[1999] = 'x';
	else
		q[1999] = 'x';
	free(q);
	free(right);
}

static const struct {
	const char *name;
	void (*fn)(int wrong);
	/* Noticed as it is, whether it aborts or not. */
	int is_told;
} programs[] = {
#define PROGRAM(fn, is_told)                                                                       \
	{                                                                                          \
#		fn, fn, is_told                                                                   \
	}
	PROGRAM(free_twice, 1),
	PROGRAM(free_twice_with_one_between, 1),
	PROGRAM(free_twice_with_many_between, 1),
	PROGRAM(free_a_large_one_twice, 1),
	PROGRAM(free_a_mapping_twice, 1),
	PROGRAM(free_again_what_a_thread_freed, 1),
	PROGRAM(free_twice_with_a_malloc_between, 1),
	PROGRAM(free_again_after_all_was_merged, 1),
	PROGRAM(free_what_realloc_moved, 1),
	PROGRAM(realloc_after_free, 1),
	PROGRAM(free_the_middle, 1),
	PROGRAM(free_a_word_behind_the_start, 1),
	PROGRAM(free_an_odd_address, 1),
	PROGRAM(free_the_middle_of_a_large_one, 1),
	PROGRAM(free_inside_a_mapping, 1),
	PROGRAM(realloc_the_middle, 1),
	PROGRAM(free_from_the_stack, 1),
	PROGRAM(free_static_memory, 1),
	PROGRAM(free_what_was_never_set, 1),
	PROGRAM(free_a_forged_object, 1),
	PROGRAM(write_one_byte_past_the_end, 1),
	PROGRAM(write_far_past_the_end, 1),
	PROGRAM(write_past_the_end_of_a_large_one, 1),
	PROGRAM(write_past_the_end_after_realloc, 0),
	PROGRAM(write_before_the_start, 1),
	PROGRAM(write_far_before_the_start, 1),
	PROGRAM(write_into_the_slack, 0),
	PROGRAM(write_after_free_into_a_large_one, 1),
	PROGRAM(write_after_free_into_a_small_one, 0),
	PROGRAM(write_through_what_realloc_moved, 0),
};

static int
be_program(u32 i, int wrong)
{
	void *pin;

	live_on();
	/* Something that keeps the heap's end. */
	pin = malloc(16);
	programs[i].fn(wrong);
	live_on();
	free(pin);
	return 0;
}

/* ---- who runs them ---- */

static const char *self, *library;

typedef struct {
	int status;
	char text[2048];
} outcome_t;

/* Run one, preloaded, with one variable set, or none. */
static void
run(u32 i, int wrong, const char *variable, outcome_t *o)
{
	uword n = 0;
	int fds[2];
	ssize_t n_read;
	char number[16];
	pid_t pid;

	memset(o, 0, sizeof(*o));
	snprintf(number, sizeof(number), "%u", i);
	if (pipe(fds)) {
		CU_FAIL_FATAL("no pipe");
		return;
	}
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		dup2(fds[1], STDERR_FILENO);
		close(fds[0]);
		close(fds[1]);
		alarm(60);
		setenv("LD_PRELOAD", library, 1);
		if (variable)
			setenv(variable, "1", 1);
		execl(self, self, number, wrong ? "wrong" : "right", (char *)NULL);
		_exit(127);
	}
	close(fds[1]);
	/* What does not fit is read all the same: the program is not to wait for it. */
	while ((n_read = read(fds[0], o->text + n, sizeof(o->text) - 1 - n)) > 0)
		n = clib_min(n + (uword)n_read, sizeof(o->text) / 2);
	close(fds[0]);
	waitpid(pid, &o->status, 0);
}

/* Named on stderr; with ABORT also the end of the program, there and not otherwise. */
static int
is_noticed(u32 i, const char *variable)
{
	static outcome_t o;
	int is_said, aborts = variable && strstr(variable, "ABORT");

	run(i, 1, variable, &o);
	is_said = strstr(o.text, "vmheap-malloc: ") != NULL;
	if (aborts) {
		CU_ASSERT_EQUAL(is_said, WIFSIGNALED(o.status) && WTERMSIG(o.status) == SIGABRT);
	} else if (o.status) {
		printf("%s: ended with status %d\n", programs[i].name, o.status);
		CU_ASSERT_EQUAL(o.status, 0);
	}
	return is_said;
}

static u32
n_noticed(const char *variable, const char *name)
{
	u32 n = 0;

	for (u32 i = 0; i < ARRAY_LEN(programs); i++) {
		int is_caught = is_noticed(i, variable);
		int is_due = programs[i].is_told || (variable && strstr(variable, "CHECK"));

		n += (u32)is_caught;
		if (is_caught != is_due)
			printf("%s: %s is %snoticed\n", name, programs[i].name,
			       is_caught ? "" : "not ");
		CU_ASSERT_EQUAL(is_caught, is_due);
	}
	printf("%s: %u of %u noticed\n", name, n, (u32)ARRAY_LEN(programs));
	return n;
}

/* A program without a mistake is told nothing and ends as it wants to. */
static void
nothing_is_said_of_what_is_right(void)
{
	static const char *const variables[] = { NULL, "VMHEAP_MALLOC_ABORT",
						 "VMHEAP_MALLOC_CHECK" };
	static outcome_t o;

	for (u32 k = 0; k < ARRAY_LEN(variables); k++)
		for (u32 i = 0; i < ARRAY_LEN(programs); i++) {
			run(i, 0, variables[k], &o);
			if (o.status || o.text[0])
				printf("%s: status %d, %s\n", programs[i].name, o.status, o.text);
			CU_ASSERT_EQUAL(o.status, 0);
			CU_ASSERT_EQUAL(o.text[0], 0);
		}
}

/* The library itself answers: it says at the end what it did. */
static void
it_is_preloaded(void)
{
	static outcome_t o;

	run(0, 0, "VMHEAP_MALLOC_STATS", &o);
	CU_ASSERT_EQUAL(o.status, 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(o.text, " allocations"));
}

/* As it is: most mistakes are told, at the latest when what was freed goes to the bins. */
static void
most_mistakes_are_told(void)
{
	CU_ASSERT_EQUAL(ARRAY_LEN(programs), 30);
	CU_ASSERT_EQUAL(n_noticed(NULL, "malloc"), 26);
}

/* Where it aborts, the program does not live on. */
static void
most_mistakes_are_the_end(void)
{
	CU_ASSERT_EQUAL(n_noticed("VMHEAP_MALLOC_ABORT", "malloc that aborts"), 26);
}

/* Where it looks harder, all of them. */
static void
all_mistakes_are_told_where_it_looks_harder(void)
{
	CU_ASSERT_EQUAL(n_noticed("VMHEAP_MALLOC_CHECK", "malloc that checks"), 30);
}

static const unit_test_t tests[] = {
	UNIT(it_is_preloaded),
	UNIT(nothing_is_said_of_what_is_right),
	UNIT(most_mistakes_are_told),
	UNIT(most_mistakes_are_the_end),
	UNIT(all_mistakes_are_told_where_it_looks_harder),
};

int
main(int argc, char **argv)
{
	if (argc == 3) {
		u32 i = (u32)atoi(argv[1]);

		return i < ARRAY_LEN(programs) ? be_program(i, !strcmp(argv[2], "wrong")) : 2;
	}
	if (argc != 2) {
		fprintf(stderr, "usage: test_misuse LIBRARY | NUMBER right|wrong\n");
		return 2;
	}
	self = "/proc/self/exe";
	library = realpath(argv[1], NULL);
	if (!library) {
		fprintf(stderr, "%s: %s\n", argv[1], strerror(errno));
		return 2;
	}
	return unit_run("malloc_misuse", tests, ARRAY_LEN(tests));
}
