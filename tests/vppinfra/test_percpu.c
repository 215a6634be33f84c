/* SPDX-License-Identifier: Apache-2.0 */
/* Variables with a copy a thread: each writes its own, readers sum, nothing is lost. */
#include "../unit.h"
#include "child.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <vppinfra/percpu.h>
#include <vppinfra/vmem.h>

typedef struct {
	u64 packets, bytes;
	u8 tag[5];
} counters_t;

static DEFINE_PER_CPU(u64, zero_at_first);
static DEFINE_PER_CPU(u32, nine_at_first) = 9;
static DEFINE_PER_CPU(counters_t, counters);
static DEFINE_PER_CPU_ALIGNED(u64, line_aligned);

static clib_percpu_info_t
info(void)
{
	clib_percpu_info_t i;

	clib_percpu_get_info(&i);
	return i;
}

/* ---- counting ---- */

#define N_INCREMENTS 5000000

static u64 *run_time_counter;

static void *
count(void *arg)
{
	for (u64 i = 0; i < *(u64 *)arg; i++) {
		this_cpu_inc(zero_at_first);
		this_cpu_add(*run_time_counter, 2);
		this_cpu_inc(counters.packets);
	}
	return NULL;
}

/* Two threads add to one variable as fast as they can, while a third sums: every sum is one that
 * was true, and the last is exact. */
static void
two_threads_lose_no_increment(void)
{
	u64 n = unit_n_ops(N_INCREMENTS), before = per_cpu_sum(zero_at_first), last = 0;
	pthread_t threads[2];

	run_time_counter = alloc_percpu(u64);
	CU_ASSERT_PTR_NOT_NULL_FATAL(run_time_counter);
	for (u32 i = 0; i < 2; i++)
		pthread_create(&threads[i], NULL, count, &n);
	for (u32 i = 0; i < 1000; i++) {
		u64 sum = per_cpu_sum(zero_at_first);

		CU_ASSERT_TRUE(sum >= last && sum <= before + 2 * n);
		last = sum;
	}
	for (u32 i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	/* The threads are gone, what they counted is not. */
	CU_ASSERT_EQUAL(per_cpu_sum(zero_at_first), before + 2 * n);
	CU_ASSERT_EQUAL(per_cpu_sum(*run_time_counter), 4 * n);
	CU_ASSERT_EQUAL(per_cpu_sum(counters.packets), 2 * n);
	free_percpu(run_time_counter);
}

/* ---- static variables ---- */

static void *
look_at_statics(void *arg)
{
	u64 *n_wrong = arg;

	*n_wrong += this_cpu_read(nine_at_first) != 9 && this_cpu_read(nine_at_first) != 10;
	this_cpu_write(nine_at_first, 10);
	get_cpu_var(counters).bytes = 1500;
	put_cpu_var(counters);
	*n_wrong += this_cpu_ptr(&counters)->bytes != 1500;
	*n_wrong += (uword)this_cpu_ptr(&line_aligned) % CLIB_CACHE_LINE_BYTES != 0;
	return this_cpu_ptr(&counters);
}

/* Every thread begins with the static initialiser, in memory of its own. */
static void
static_variables_begin_as_written(void)
{
	u64 n_wrong = 0;
	void *theirs = NULL;
	pthread_t thread;

	CU_ASSERT_EQUAL(this_cpu_read(nine_at_first), 9);
	pthread_create(&thread, NULL, look_at_statics, &n_wrong);
	pthread_join(thread, &theirs);
	CU_ASSERT_EQUAL(n_wrong, 0);
	CU_ASSERT_EQUAL(this_cpu_read(nine_at_first), 9);
	/* Another page, not only another line. */
	CU_ASSERT_TRUE((word)((uword)theirs - (uword)this_cpu_ptr(&counters)) >= 4096 ||
		       (word)((uword)this_cpu_ptr(&counters) - (uword)theirs) >= 4096);
	CU_ASSERT_EQUAL(nine_at_first, 9);
}

/* All of the kernel's ways to say it. */
static void
the_kernels_operations_work(void)
{
	i32 *p = alloc_percpu(i32);
	u32 me = get_cpu();

	CU_ASSERT_EQUAL(me, clib_thread_index());
	CU_ASSERT_EQUAL(smp_processor_id(), me);
	put_cpu();
	this_cpu_write(*p, 40);
	this_cpu_inc(*p);
	this_cpu_add(*p, 5);
	this_cpu_sub(*p, 3);
	this_cpu_dec(*p);
	CU_ASSERT_EQUAL(this_cpu_read(*p), 42);
	CU_ASSERT_EQUAL(this_cpu_add_return(*p, -43), -1);
	CU_ASSERT_EQUAL(this_cpu_inc_return(*p), 0);
	CU_ASSERT_EQUAL(this_cpu_dec_return(*p), -1);
	this_cpu_write(*p, 0x0f);
	this_cpu_or(*p, 0x30);
	this_cpu_and(*p, 0x3c);
	CU_ASSERT_EQUAL(*this_cpu_ptr(p), 0x3c);
	CU_ASSERT_EQUAL(per_cpu(*p, me), 0x3c);
	CU_ASSERT_PTR_EQUAL(per_cpu_ptr(p, me), this_cpu_ptr(p));
	*get_cpu_ptr(p) = 7;
	put_cpu_ptr(p);
	CU_ASSERT_EQUAL(per_cpu_sum(*p), 7);
	free_percpu(p);
}

/* ---- run-time variables ---- */

/* Variables do not overlap, begin zeroed also where another was before, and keep alignment. */
static void
run_time_variables_are_apart(void)
{
	enum { N = 300 };
	static u8 *p[N];
	static uword sizes[N];
	u64 seed = unit_seed(), n_wrong = 0;

	for (u32 round = 0; round < 3; round++) {
		for (u32 i = 0; i < N; i++) {
			uword align = 1ull << unit_random_below(&seed, 8);

			sizes[i] = 1 + unit_random_below(&seed, 300);
			p[i] = clib_percpu_alloc(sizes[i], align);
			CU_ASSERT_PTR_NOT_NULL_FATAL(p[i]);
			n_wrong += (uword)this_cpu_ptr(p[i]) % align != 0;
			for (uword b = 0; b < sizes[i]; b++)
				n_wrong += this_cpu_ptr(p[i])[b] != 0;
			memset(this_cpu_ptr(p[i]), (int)i + 1, sizes[i]);
		}
		for (u32 i = 0; i < N; i++) {
			for (uword b = 0; b < sizes[i]; b++)
				n_wrong += this_cpu_ptr(p[i])[b] != (u8)(i + 1);
			free_percpu(p[i]);
		}
	}
	CU_ASSERT_EQUAL(n_wrong, 0);
	CU_ASSERT_EQUAL(info().n_dynamic_bytes, 0);
}

static u32 n_vmem_errors;

static void
note_vmem_error(const char *what, vmem_t *vmp, uword addr, uword size, const void *caller)
{
	n_vmem_errors++;
}

/* What makes no variable is refused; a wrong free is reported and changes nothing. */
static void
misuse_is_refused(void)
{
	u64 *p = alloc_percpu(u64);

	CU_ASSERT_PTR_NULL(clib_percpu_alloc(0, 8));
	CU_ASSERT_PTR_NULL(clib_percpu_alloc(8, 24));
	CU_ASSERT_PTR_NULL(clib_percpu_alloc(8, 3));
	CU_ASSERT_PTR_NULL(clib_percpu_alloc(8, MiB(1)));
	CU_ASSERT_PTR_NULL(clib_percpu_alloc(CLIB_PERCPU_UNIT_BYTES, 8));
	vmem_set_error_handler(note_vmem_error);
	free_percpu(NULL);
	CU_ASSERT_EQUAL(n_vmem_errors, 0);
	free_percpu((u8 *)p + 8);
	free_percpu(p);
	CU_ASSERT_EQUAL(n_vmem_errors, 1);
	free_percpu(p);
	CU_ASSERT_EQUAL(n_vmem_errors, 2);
	free_percpu(&zero_at_first);
	CU_ASSERT_EQUAL(n_vmem_errors, 3);
	vmem_set_error_handler(NULL);
	CU_ASSERT_EQUAL(info().n_dynamic_bytes, 0);
}

/* Units fill up: NULL, counted, and all of it can be had again. */
static void
a_full_unit_is_null(void)
{
	void *p[64];
	u64 n_fails = info().n_fails;
	u32 n = 0;

	while ((p[n] = clib_percpu_alloc(KiB(60), 8)) != NULL)
		n++;
	CU_ASSERT_TRUE(n >= info().unit_bytes / KiB(61) - 1);
	CU_ASSERT_EQUAL(info().n_fails, n_fails + 1);
	while (n)
		free_percpu(p[--n]);
	CU_ASSERT_EQUAL(info().n_dynamic_bytes, 0);
}

/* ---- threads without a unit ---- */

static void *
count_without_unit(void *arg)
{
	u64 *n_wrong = arg;

	/* Made to fail: as if memory were short, and as beyond the last index. */
	clib_percpu_fail_after(1);
	*n_wrong += clib_percpu_attach() != NULL;
	for (u32 i = 0; i < 1000; i++) {
		clib_percpu_fail_after(1);
		this_cpu_inc(zero_at_first);
		clib_percpu_fail_after(1);
		*n_wrong += get_cpu() != CLIB_PERCPU_SHARED;
		/* Pairs nest. */
		clib_percpu_fail_after(1);
		get_cpu_var(counters).tag[0]++;
		put_cpu_var(counters);
		put_cpu();
	}
	clib_percpu_fail_after(0);
	return NULL;
}

/* Without a unit of its own a thread counts in the shared one, and is in every sum. */
static void
the_shared_unit_serves_the_rest(void)
{
	u64 before = per_cpu_sum(zero_at_first), n_wrong = 0;
	u64 shared = per_cpu(zero_at_first, CLIB_PERCPU_SHARED);
	pthread_t thread;

	pthread_create(&thread, NULL, count_without_unit, &n_wrong);
	pthread_join(thread, NULL);
	CU_ASSERT_EQUAL(n_wrong, 0);
	CU_ASSERT_EQUAL(per_cpu_sum(zero_at_first), before + 1000);
	CU_ASSERT_EQUAL(per_cpu(zero_at_first, CLIB_PERCPU_SHARED), shared + 1000);
}

typedef struct {
	pthread_barrier_t all_in;
	_Atomic u64 n_without;
} crowd_t;

static void *
crowd_member(void *arg)
{
	crowd_t *crowd = arg;

	this_cpu_inc(line_aligned);
	crowd->n_without += clib_thread_index() == CLIB_THREAD_INDEX_NONE;
	pthread_barrier_wait(&crowd->all_in);
	for (u32 i = 0; i < 99; i++)
		this_cpu_inc(line_aligned);
	return NULL;
}

/* More threads than indices, all counting: the sum is exact. */
static void
a_crowd_beyond_the_last_index_is_counted(void)
{
	enum { N = CLIB_MAX_THREADS + 10 };
	static pthread_t threads[N];
	static crowd_t crowd;
	pthread_attr_t attr;
	u64 before = per_cpu_sum(line_aligned);

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, KiB(64));
	pthread_barrier_init(&crowd.all_in, NULL, N);
	for (u32 i = 0; i < N; i++)
		CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], &attr, crowd_member, &crowd), 0);
	for (u32 i = 0; i < N; i++)
		pthread_join(threads[i], NULL);
	CU_ASSERT_TRUE(crowd.n_without >= 10);
	CU_ASSERT_EQUAL(per_cpu_sum(line_aligned), before + 100 * (u64)N);
}

/* ---- other objects ---- */

/* A variable that another shared object defined is found by its address. */
static void
a_plugins_variable_is_found(void)
{
	static const char source[] = "#include <vppinfra/percpu.h>\n"
				     "CLIB_EXPORT_EXTERN __typeof__(u64) plugin_counter;\n"
				     "DEFINE_PER_CPU(u64, plugin_counter) = 5;\n"
				     "CLIB_EXPORT void plugin_count(void);\n"
				     "void plugin_count(void) { this_cpu_inc(plugin_counter); }\n";
	char dir[] = "/tmp/vmheap-percpu-XXXXXX", command[512], path[64];
	u64 *variable;
	void (*plugin_count)(void);
	void *handle;
	FILE *f;

	if (getenv("VMHEAP_SOURCE_ROOT") == NULL || mkdtemp(dir) == NULL) {
		printf("not shown here (needs VMHEAP_SOURCE_ROOT and a compiler)\n");
		return;
	}
	snprintf(command, sizeof(command),
		 "cc -shared -fPIC -O2 -D_GNU_SOURCE -I%s/src -x c - -o %s/p.so",
		 getenv("VMHEAP_SOURCE_ROOT"), dir);
	f = popen(command, "w");
	fputs(source, f);
	CU_ASSERT_EQUAL_FATAL(pclose(f), 0);
	snprintf(path, sizeof(path), "%s/p.so", dir);
	handle = dlopen(path, RTLD_NOW);
	CU_ASSERT_PTR_NOT_NULL_FATAL(handle);
	variable = dlsym(handle, "plugin_counter");
	plugin_count = (void (*)(void))dlsym(handle, "plugin_count");
	plugin_count();
	plugin_count();
	this_cpu_inc(*variable);
	CU_ASSERT_EQUAL(this_cpu_read(*variable), 8);
	dlclose(handle);
	unlink(path);
	rmdir(dir);
}

/* A child counts on in its own copy. */
static int
count_in_child(void)
{
	u64 before = per_cpu_sum(zero_at_first);
	u32 *p = alloc_percpu(u32);

	CHILD_CHECK(p != NULL);
	this_cpu_inc(zero_at_first);
	CHILD_CHECK(per_cpu_sum(zero_at_first) == before + 1);
	return 0;
}

static void
a_forked_child_has_its_own_copies(void)
{
	u64 before = per_cpu_sum(zero_at_first);

	CU_ASSERT_EQUAL(in_child(count_in_child), 0);
	CU_ASSERT_EQUAL(per_cpu_sum(zero_at_first), before);
}

static const unit_test_t tests[] = {
	UNIT(the_shared_unit_serves_the_rest), /* first: while index 1 has no unit yet */
	UNIT(static_variables_begin_as_written),
	UNIT(two_threads_lose_no_increment),
	UNIT(the_kernels_operations_work),
	UNIT(run_time_variables_are_apart),
	UNIT(misuse_is_refused),
	UNIT(a_full_unit_is_null),
	UNIT(a_plugins_variable_is_found),
	UNIT(a_forked_child_has_its_own_copies),
	UNIT(a_crowd_beyond_the_last_index_is_counted),
};

int
main(void)
{
	return unit_run("percpu", tests, ARRAY_LEN(tests));
}
