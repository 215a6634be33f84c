/* SPDX-License-Identifier: Apache-2.0 */
/* The allocators that bench_malloc calls itself: malloc, whosever it is in this process, this
 * project's heap in its forms, and the floor, which allocates nothing. */
#include <dlfcn.h>
#include <malloc.h>
#include <sys/mman.h>
#include <vppinfra/mem.h>
#include <vppinfra/vec.h>
#include <vppinfra/mheap_front.h>
#include "bench_malloc.h"
#include "bench_malloc_clock.h"

/* ---- malloc: glibc's, or that of the library in LD_PRELOAD ---- */

static int
libc_start(bench_page_t CLIB_UNUSED(page), int CLIB_UNUSED(n_threads))
{
	return 0; /* pages are chosen by the environment that the driver sets */
}

/* As each library wants to be asked. */
static void
libc_trim(void)
{
	int (*mallctl)(const char *, void *, size_t *, void *, size_t);
	void (*collect)(_Bool);
	void (*release)(void);

	*(void **)&mallctl = dlsym(RTLD_DEFAULT, "mallctl");
	*(void **)&collect = dlsym(RTLD_DEFAULT, "mi_collect");
	*(void **)&release = dlsym(RTLD_DEFAULT, "MallocExtension_ReleaseFreeMemory");
	if (mallctl) {
		mallctl("thread.tcache.flush", NULL, NULL, NULL, 0);
		mallctl("arena.4096.purge", NULL, NULL, NULL, 0); /* MALLCTL_ARENAS_ALL */
	} else if (collect)
		collect(1);
	else if (release)
		release();
	else
		malloc_trim(0);
}

#define LOOPS(name) libc_##name
#define START libc_start
#define TRIM libc_trim
#define ALLOC(n) malloc(n)
#define FREE(p) free(p)
#define RESIZE(p, n_old, n) realloc((p), (n))
#include "bench_malloc_loops.h"

/* ---- nothing: what the loops and the touching cost ----
 *
 * What is freed lies on a stack and is handed out next, whatever its size.  With nothing to hand
 * out, memory is cut off a mapping, over and over. */

#define TOUCH_BYTES (32ull << 30)
#define TOUCH_CROSS_BYTES MiB(1)
/* Room for a vector that nobody moves, and a stagger, so that not all start in one cache set. */
#define TOUCH_VECTOR_BYTES (MiB(16) + 4096 + 64)

static __thread struct {
	u32 n;
	void *free[1024];
} touch;
static u8 *touch_memory;
static uword touch_used, touch_bytes;

static int
touch_start(bench_page_t CLIB_UNUSED(page), int n_threads)
{
	if (!touch_memory) {
		touch_memory = mmap(NULL, TOUCH_BYTES, PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (touch_memory == MAP_FAILED)
			return -ENOMEM;
	}
	/* Between threads objects do not come back: few, used again, as a ring of buffers is. */
	touch_bytes = n_threads > 1 ? TOUCH_CROSS_BYTES : TOUCH_BYTES;
	touch_used = 0;
	return 0;
}

always_inline void *
touch_get(uword n_bytes)
{
	uword offset;

	if (PREDICT_TRUE(touch.n > 0))
		return touch.free[--touch.n];
	offset = touch_used;
	touch_used = offset + ((n_bytes + 15) & ~(uword)15);
	if (touch_used + n_bytes > touch_bytes)
		touch_used = 0;
	return touch_memory + offset;
}

always_inline void
touch_put(void *p)
{
	if (PREDICT_TRUE(touch.n < ARRAY_LEN(touch.free)))
		touch.free[touch.n++] = p;
}

/* In one place for good: the memory is there, no allocator moves it. */
static void *
touch_resize(void *p, uword n_old, uword CLIB_UNUSED(n))
{
	return n_old ? p : touch_get(TOUCH_VECTOR_BYTES);
}

#define LOOPS(name) touch_##name
#define START touch_start
#define TRIM NULL
#define ALLOC(n) touch_get(n)
#define FREE(p) touch_put(p)
#define RESIZE(p, n_old, n) touch_resize((p), (n_old), (n))
#include "bench_malloc_loops.h"

/* ---- the heap ---- */

static void *heap;

#define HEAP_BYTES GiB(8)
/* Of heaps on pages that are asked for; 100000 objects have 77 MB. */
#define HEAP_PAGES_BYTES MiB(192)

/* Memory of the wanted pages; NULL and errno. */
static void *
map_pages(bench_page_t page, uword *n_bytes)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS;
	uword n = HEAP_PAGES_BYTES;
	u8 *p;

	if (page == BENCH_PAGE_2M)
		flags |= MAP_HUGETLB | 21 << MAP_HUGE_SHIFT;
	if (page == BENCH_PAGE_1G) {
		flags |= MAP_HUGETLB | 30 << MAP_HUGE_SHIFT;
		n = GiB(1);
	}
	*n_bytes = n;
	/* Room to start on a large page's border. */
	p = mmap(NULL, page == BENCH_PAGE_THP ? n + MiB(2) : n, PROT_READ | PROT_WRITE, flags, -1,
		 0);
	if (p == MAP_FAILED)
		return NULL;
	if (page == BENCH_PAGE_THP)
		p = (u8 *)(((uword)p + MiB(2) - 1) & ~(uword)(MiB(2) - 1));
	if (page == BENCH_PAGE_THP || page == BENCH_PAGE_4K)
		madvise(p, n, page == BENCH_PAGE_THP ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	return p;
}

static int
heap_start(bench_page_t page, uword flags)
{
	void *memory = NULL;
	uword n_bytes = HEAP_BYTES;

	if (page != BENCH_PAGE_ANY) {
		memory = map_pages(page, &n_bytes);
		if (!memory)
			return -errno;
	}
	heap = mheap_alloc_with_flags(memory, n_bytes, flags);
	return heap ? 0 : -ENOMEM;
}

static int
plain_start(bench_page_t page, int n_threads)
{
	return heap_start(page, n_threads > 1 ? MHEAP_FLAG_THREAD_SAFE : 0);
}

static void
heap_trim(void)
{
	mheap_trim(heap);
}

always_inline void *
heap_alloc(uword n_bytes)
{
	uword offset;

	mheap_get_aligned(heap, n_bytes, 0, 0, &offset);
	return offset == ~(uword)0 ? NULL : (u8 *)heap + offset;
}

always_inline void
heap_free(void *p)
{
	mheap_put(heap, (uword)p - (uword)heap);
}

static void *
heap_resize(void *p, uword n_old, uword n)
{
	void *q;

	if (p && !mheap_extend(heap, (uword)p - (uword)heap, n))
		return p;
	q = heap_alloc(n);
	if (q && p) {
		memcpy(q, p, n_old);
		heap_free(p);
	}
	return q;
}

#define LOOPS(name) plain_##name
#define START plain_start
#define TRIM heap_trim
#define ALLOC(n) heap_alloc(n)
#define FREE(p) heap_free(p)
#define RESIZE(p, n_old, n) heap_resize((p), (n_old), (n))
#include "bench_malloc_loops.h"

static int
fronts_start(bench_page_t page, int CLIB_UNUSED(n_threads))
{
	return heap_start(page, MHEAP_FLAG_FRONTS);
}

#define LOOPS(name) fronts_##name
#define START fronts_start
#define TRIM heap_trim
#define ALLOC(n) heap_alloc(n)
#define FREE(p) heap_free(p)
#define RESIZE(p, n_old, n) heap_resize((p), (n_old), (n))
#include "bench_malloc_loops.h"

#define LOOPS(name) inlined_##name
#define START fronts_start
#define TRIM heap_trim
#define ALLOC(n) mheap_get_inline(heap, (n))
#define FREE(p) mheap_put_inline(heap, (p))
#define RESIZE(p, n_old, n) heap_resize((p), (n_old), (n))
#include "bench_malloc_loops.h"

#define LOOPS(name) later_##name
#define START fronts_start
#define TRIM heap_trim
#define ALLOC(n) mheap_get_inline(heap, (n))
#define FREE(p) mheap_put_later(heap, (p))
#define RESIZE(p, n_old, n) heap_resize((p), (n_old), (n))
#include "bench_malloc_loops.h"

#define LOOPS(name) bulk_##name
#define START fronts_start
#define TRIM heap_trim
#define ALLOC(n) heap_alloc(n)
#define FREE(p) heap_free(p)
#define RESIZE(p, n_old, n) heap_resize((p), (n_old), (n))
#define ALLOC_BURST(n_bytes, n, p) mheap_get_bulk(heap, (n_bytes), (n), (p))
#define FREE_BURST(n, p) mheap_put_bulk(heap, (n), (p))
#include "bench_malloc_loops.h"

/* ---- vectors of this project, for the loop that pushes; in the main heap ---- */

static int
vec_start(bench_page_t CLIB_UNUSED(page), int CLIB_UNUSED(n_threads))
{
	return clib_mem_init(NULL, HEAP_BYTES) ? 0 : -ENOMEM;
}

/* The harness frees data by free(); a vector's is its own. */
static void
vec_push(bench_work_t *w, uint64_t n)
{
	for (uint64_t i = 0; i < n; i += w->n_vectors)
		for (uint32_t k = 0; k < w->n_vectors; k++)
			vec_add1(w->vectors[k].data, i);
}

static void
vec_free_data(void *p)
{
	u64 *v = p;

	vec_free(v);
}

static const bench_loops_t vec_loops = {
	.start = vec_start,
	.free = vec_free_data,
	.push = vec_push,
};

/* ---- rte_malloc: a module, so that no other worker has DPDK in it ---- */

static const bench_loops_t *
rte_loops(void)
{
	static char path[4096];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 32);
	const bench_loops_t *(*loops)(void);
	void *module;
	char *slash;

	if (n < 0)
		return NULL;
	path[n] = 0;
	slash = strrchr(path, '/');
	snprintf(slash + 1, 32, "rte_malloc_loops.so");
	module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!module)
		return NULL;
	*(void **)&loops = dlsym(module, "bench_rte_malloc_loops");
	return loops ? loops() : NULL;
}

const bench_loops_t *
bench_loops(const char *face)
{
	static const struct {
		const char *face;
		const bench_loops_t *loops;
	} all[] = {
		{ "malloc", &libc_loops },     { "touch", &touch_loops },
		{ "mheap", &plain_loops },     { "fronts", &fronts_loops },
		{ "inlined", &inlined_loops }, { "later", &later_loops },
		{ "bulk", &bulk_loops },       { "vec", &vec_loops },
	};

	for (u32 i = 0; i < ARRAY_LEN(all); i++)
		if (!strcmp(face, all[i].face))
			return all[i].loops;
	return strcmp(face, "rte_malloc") ? NULL : rte_loops();
}
