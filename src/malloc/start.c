/* SPDX-License-Identifier: Apache-2.0 */
/* The heap's beginning, forks, and the end of the process. */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include <vppinfra/thread.h>
#include "malloc_impl.h"

/* What the heap may grow to.  None of it is reserved, so that ulimit -v, or a program that sets
 * RLIMIT_AS itself, limits what is used as it does under glibc.  Where no place is found (address
 * spaces of less than 47 bits) it is reserved, and where less may be had half as much is tried, and
 * so on. */
#define MAX_HEAP_BYTES (GiB(1) << 10)
#define MIN_HEAP_BYTES MiB(16)
/* From here on a mapping, and moving its pages, is cheaper than copying. */
#define DEFAULT_MMAP_THRESHOLD MiB(4)

/* Which nobody writes. */
#define CLOSED_FRONT ((mheap_front_t *)(uword)mheap_closed_front)

__thread mheap_front_t *malloc_front = CLOSED_FRONT;
/* It has no front any more. */
static __thread u8 is_ending __attribute__((tls_model("initial-exec")));

malloc_main_t malloc_main = { .mmap_threshold = DEFAULT_MMAP_THRESHOLD };
static pthread_mutex_t start_lock = PTHREAD_MUTEX_INITIALIZER;

/* A program with more rights than who started it (AT_SECURE) takes no orders: the statistics would
 * be written to whatever file it is told. */
static int
is_set(const char *name)
{
	const char *s = secure_getenv(name);

	return s && s[0] && strcmp(s, "0") != 0;
}

/* Decimal bytes; 0: there are none. */
static uword
bytes_from_environment(const char *name)
{
	const char *s = secure_getenv(name);
	uword n = 0;

	for (; s && *s >= '0' && *s <= '9'; s++)
		n = n * 10 + (uword)(*s - '0');
	return n;
}

static void
read_environment(void)
{
	uword n = bytes_from_environment("MALLOC_MMAP_THRESHOLD_");

	malloc_main.aborts = (u8)is_set("VMHEAP_MALLOC_ABORT");
	if (n) {
		malloc_main.mmap_threshold = n;
		malloc_main.thresholds_are_set = 1;
	}
	if (bytes_from_environment("MALLOC_TRIM_THRESHOLD_"))
		malloc_main.thresholds_are_set = 1;
}

static void *
make_heap(void)
{
	mheap_params_t params = { .numa_node = -1,
				  .flags = is_set("VMHEAP_MALLOC_CHECK")
						   ? MHEAP_FLAG_CHECKED | MHEAP_FLAG_THREAD_SAFE
						   : MHEAP_FLAG_FRONTS };
	uword n, size = MAX_HEAP_BYTES;
	int is_placed = !mheap_region_place(size, &params.region);
	void *v;

	for (; size >= MIN_HEAP_BYTES; size /= 2, is_placed = 0) {
		if (!is_placed && mheap_region_reserve(size, &params.region))
			continue;
		if (mheap_create(&params, &v) == 0) {
			n = bytes_from_environment("MALLOC_TRIM_THRESHOLD_");
			mheap_set_give_back_bytes(v, n ? n : MALLOC_GIVE_BACK_BYTES);
			return v;
		}
		params.region.release(params.region.opaque, params.region.base, params.region.size);
	}
	return NULL;
}

static void
on_misuse(const char *what, const void *v, uword offset, const void *caller)
{
	malloc_misuse(what, (const u8 *)v + offset);
}

static void
thread_ends(void *CLIB_UNUSED(arg), u16 CLIB_UNUSED(thread_index))
{
	is_ending = 1;
	malloc_front = CLOSED_FRONT;
}

void
malloc_find_front(void)
{
	mheap_front_t *f;

	if (!malloc_main.has_fronts || is_ending)
		return;
	f = mheap_front(mheap_header(malloc_main.v));
	if (mheap_front_is_open(f))
		malloc_front = f;
}

void *
malloc_start(void)
{
	void *v;

	pthread_mutex_lock(&start_lock);
	v = malloc_main.v;
	if (!v) {
		/* environ is there before any constructor runs. */
		read_environment();
		v = make_heap();
		if (v) {
			mheap_set_error_handler(on_misuse);
			/* Called before the heap is told of the thread's end, as it came later. */
			malloc_main.has_fronts =
				!malloc_main.aborts && !clib_thread_at_exit(thread_ends, NULL);
		}
		/* Release: the heap as it was made; its readers depend on the pointer. */
		__atomic_store_n(&malloc_main.v, v, __ATOMIC_RELEASE);
	}
	pthread_mutex_unlock(&start_lock);
	return v;
}

void
malloc_misuse(const char *what, const void *p)
{
	char line[256];
	int n;

	__atomic_fetch_add(&malloc_main.n_misuses, 1, __ATOMIC_RELAXED);
	n = snprintf(line, sizeof(line), "vmheap-malloc: %s: %p\n", what, p);
	if (n > 0 && write(STDERR_FILENO, line, clib_min((uword)n, sizeof(line) - 1)) < 0)
		return; /* nobody listens */
	if (malloc_main.aborts)
		abort();
}

/* ---- fork: all locks are ours while the process is copied ---- */

static void
before_fork(void)
{
	pthread_mutex_lock(&start_lock);
	clib_thread_before_fork();
	large_lock();
	if (malloc_main.v)
		mheap_before_fork(malloc_main.v);
}

static void
after_fork_in_parent(void)
{
	if (malloc_main.v)
		mheap_after_fork(malloc_main.v, 0);
	large_unlock();
	clib_thread_after_fork();
	pthread_mutex_unlock(&start_lock);
}

static void
after_fork_in_child(void)
{
	if (malloc_main.v)
		mheap_after_fork(malloc_main.v, 1);
	large_unlock();
	clib_thread_after_fork();
	pthread_mutex_unlock(&start_lock);
}

static void __attribute__((constructor)) watch_forks(void)
{
	pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
}

/* ---- the end ---- */

static void __attribute__((destructor)) print_at_exit(void)
{
	const char *s = secure_getenv("VMHEAP_MALLOC_STATS");
	char what[128];
	int fd;

	if (malloc_main.v)
		mheap_put_flush(malloc_main.v);
	if (is_set("VMHEAP_MALLOC_CHECK") && mheap_check(malloc_main.v, what, sizeof(what)))
		malloc_misuse(what, malloc_main.v);
	if (!s || !s[0] || !strcmp(s, "0"))
		return;
	if (!strcmp(s, "1")) {
		malloc_print_line(STDERR_FILENO);
		return;
	}
	fd = open(s, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
	if (fd >= 0) {
		malloc_print_line(fd);
		close(fd);
	}
}
