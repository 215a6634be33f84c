/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <plugins/framework/framework.h>
#include <vppinfra/vec.h>
#include "run_command.h"
#include "unit.h"

#define N_THREADS 4
#define N_CROWD (CLIB_MAX_THREADS + 4)

static const char *const reasons[] = { "too short", "too long", "no route" };

static vmheap_error_strings_t node_a = { "node-a", reasons, 3, 0 };
static vmheap_error_strings_t node_b = { "node-b", reasons, 2, 0 };

/* Sets get counters of their own; a node's second set and a set without reasons are refused. */
static void
sets_are_registered_once(void)
{
	static vmheap_error_strings_t again = { "node-a", reasons, 3, 0 };
	static vmheap_error_strings_t none = { "node-c", reasons, 0, 0 };
	static vmheap_error_strings_t nameless = { NULL, reasons, 1, 0 };

	CU_ASSERT_EQUAL(vmheap_errors_register(&node_a), 0);
	CU_ASSERT_EQUAL(vmheap_errors_register(&node_b), 0);
	CU_ASSERT_EQUAL(vmheap_errors_register(&again), -EEXIST);
	CU_ASSERT_EQUAL(vmheap_errors_register(&none), -EINVAL);
	CU_ASSERT_EQUAL(vmheap_errors_register(&nameless), -EINVAL);
	CU_ASSERT_EQUAL(node_b.first_index, node_a.first_index + 3);
	CU_ASSERT(node_a.first_index > 0);
}

/* Counts add up by reason and disturb no other; a clear starts from zero. */
static void
counts_add_up(void)
{
	u32 i = 1;

	vmheap_error_count(&node_a, 0, 5);
	vmheap_error_count(&node_a, i++, 7);
	vmheap_error_count(&node_b, 1, 100);
	vmheap_error_count(&node_a, 0, 1);
	CU_ASSERT_EQUAL(i, 2);
	CU_ASSERT_EQUAL(vmheap_error_total(&node_a, 0), 6);
	CU_ASSERT_EQUAL(vmheap_error_total(&node_a, 1), 7);
	CU_ASSERT_EQUAL(vmheap_error_total(&node_a, 2), 0);
	CU_ASSERT_EQUAL(vmheap_error_total(&node_a, 3), 0);
	CU_ASSERT_EQUAL(vmheap_error_total(&node_b, 1), 100);
}

/* A set that was refused counts into the void: no other set and no memory is touched. */
static void
an_unregistered_set_counts_nowhere(void)
{
	static vmheap_error_strings_t stray = { "stray", reasons, 3, 0 };
	u64 before = vmheap_error_total(&node_a, 0);

	vmheap_error_count(&stray, 2, 9);
	CU_ASSERT_EQUAL(vmheap_error_total(&stray, 2), 0);
	CU_ASSERT_EQUAL(vmheap_error_total(&node_a, 0), before);
}

/* show errors lists what is not zero, with VPP's columns; clear errors leaves an empty table. */
static void
commands_show_and_clear(void)
{
	static const char header[] =
		"     Count               Node                              Reason               "
		" Severity\n";
	const char *text;

	text = run_command("show errors", "");
	CU_ASSERT_EQUAL(strncmp(text, header, strlen(header)), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "         6              node-a"));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "too short"));
	CU_ASSERT_PTR_NULL(strstr(text, "no route"));
	text = run_command("show errors", "verbose");
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "Thread "));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "Total:\n"));
	CU_ASSERT_STRING_EQUAL(run_command("show errors", "loudly"),
			       "error: unknown input 'loudly', expected verbose");
	CU_ASSERT_STRING_EQUAL(run_command("clear errors", "now"),
			       "error: unknown input 'now', expected no more words");
	CU_ASSERT_STRING_EQUAL(run_command("clear errors", ""), "");
	CU_ASSERT_EQUAL(vmheap_error_total(&node_a, 0), 0);
	CU_ASSERT_STRING_EQUAL(run_command("show errors", ""), header);
	vmheap_error_count(&node_a, 0, 2);
	CU_ASSERT_EQUAL(vmheap_error_total(&node_a, 0), 2);
}

static u64 n_counts;

static void *
count_many(void *arg)
{
	for (u64 i = 0; i < n_counts; i++)
		vmheap_error_count(&node_b, 0, 1);
	return NULL;
}

/* Threads count at once, while another reads and clears: nothing is lost, sums never fall. */
static void
threads_count_without_loss(void)
{
	pthread_t threads[N_THREADS];
	u64 last = 0, before = vmheap_error_total(&node_b, 0);

	n_counts = unit_n_ops(2000000);
	for (u32 i = 0; i < N_THREADS; i++)
		CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, count_many, NULL), 0);
	for (u32 i = 0; i < 1000; i++) {
		u64 n = vmheap_error_total(&node_b, 0);

		CU_ASSERT_FATAL(n >= last);
		last = n;
	}
	for (u32 i = 0; i < N_THREADS; i++)
		pthread_join(threads[i], NULL);
	CU_ASSERT_EQUAL(vmheap_error_total(&node_b, 0), before + N_THREADS * n_counts);
}

static pthread_barrier_t all_are_in, all_may_go;

static void *
count_in_the_crowd(void *arg)
{
	u16 index = clib_thread_index();

	pthread_barrier_wait(&all_are_in);
	for (u32 i = 0; i < 100; i++)
		vmheap_error_count(&node_a, 2, 1);
	pthread_barrier_wait(&all_may_go);
	return (void *)(uword)(index == CLIB_THREAD_INDEX_NONE);
}

/* Threads beyond the last index share counters and lose nothing either; a clear covers them. */
static void
threads_without_an_index_count_too(void)
{
	static pthread_t threads[N_CROWD];
	u64 n_none = 0;
	pthread_attr_t attr;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 64 << 10);
	pthread_barrier_init(&all_are_in, NULL, N_CROWD);
	pthread_barrier_init(&all_may_go, NULL, N_CROWD);
	for (u32 i = 0; i < N_CROWD; i++)
		CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], &attr, count_in_the_crowd, NULL),
				      0);
	for (u32 i = 0; i < N_CROWD; i++) {
		void *is_none;

		pthread_join(threads[i], &is_none);
		n_none += (uword)is_none;
	}
	CU_ASSERT_EQUAL(n_none, 5);
	CU_ASSERT_EQUAL(vmheap_error_total(&node_a, 2), 100 * N_CROWD);
	CU_ASSERT_PTR_NOT_NULL(
		strstr(run_command("show errors", "verbose"), "Threads without an index:\n"));
	run_command("clear errors", "");
	CU_ASSERT_EQUAL(vmheap_error_total(&node_a, 2), 0);
}

/* Counters are finite: the set that does not fit is refused, those before it keep working. */
static void
a_set_that_does_not_fit_is_refused(void)
{
	static const char *many_reasons[512];
	static vmheap_error_strings_t sets[8];
	static char names[8][8];
	u32 n_registered = 0;
	int error = 0;

	for (u32 i = 0; i < 512; i++)
		many_reasons[i] = "r";
	for (u32 i = 0; i < 8 && !error; i++) {
		snprintf(names[i], sizeof(names[i]), "many-%u", i);
		sets[i] = (vmheap_error_strings_t){ names[i], many_reasons, 512, 0 };
		error = vmheap_errors_register(&sets[i]);
		n_registered += !error;
	}
	CU_ASSERT_EQUAL(error, -ENOMEM);
	CU_ASSERT(n_registered > 0 && n_registered < 8);
	vmheap_error_count(&sets[n_registered - 1], 511, 3);
	CU_ASSERT_EQUAL(vmheap_error_total(&sets[n_registered - 1], 511), 3);
}

static const unit_test_t tests[] = {
	UNIT(sets_are_registered_once),           UNIT(counts_add_up),
	UNIT(an_unregistered_set_counts_nowhere), UNIT(commands_show_and_clear),
	UNIT(threads_count_without_loss),         UNIT(threads_without_an_index_count_too),
	UNIT(a_set_that_does_not_fit_is_refused),
};

int
main(void)
{
	return unit_run("errors", tests, ARRAY_LEN(tests));
}
