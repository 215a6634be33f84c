/* SPDX-License-Identifier: Apache-2.0 */
/* Which heap: the calling thread's, else the main one, which is made when first needed.  The list
 * of heaps is mheap's own table of what lives in this process. */
#include <pthread.h>
#include <stdatomic.h>
#include "mem_impl.h"

/* Address space of a main heap that nobody gave a size: memory is taken as it grows.  Where the
 * process may not have that much (ulimit -v), VPP's 64 MiB. */
#define DEFAULT_MAIN_BYTES GiB(4)
#define DEFAULT_MAIN_BYTES_IF_TIGHT MiB(64)
#define N_NUMA_NODES 64

__thread clib_mem_heap_t *clib_mem_current_heap;
void *clib_per_cpu_mheaps[CLIB_MAX_MHEAPS];
clib_mem_main_t clib_mem_main;

static struct {
	pthread_mutex_t lock;
	/* Made here, so clib_mem_exit() ends it; its range where the page size was chosen. */
	clib_mem_heap_t *own_heap;
	vm_range_t *own_range;
	_Atomic(clib_mem_heap_t *) numa_heaps[N_NUMA_NODES];
	_Atomic(clib_mem_oom_function_t *) oom_handler;
	_Atomic u64 n_oom, n_bad_frees;
} mem_main = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* ---- heaps ---- */

/* The calling thread's entry in old VPP's array; NULL beyond its end. */
static void **
own_entry(void)
{
	u16 i = clib_thread_index();

	return i < CLIB_MAX_MHEAPS ? &clib_per_cpu_mheaps[i] : NULL;
}

static void
set_current(clib_mem_heap_t *heap)
{
	void **entry = own_entry();

	clib_mem_current_heap = heap;
	if (entry)
		clib_atomic_store_relax_n(entry, heap);
}

/* Entries that name a heap which is no more, or no longer the main one. */
static void
replace_in_entries(clib_mem_heap_t *old, clib_mem_heap_t *heap)
{
	for (u32 i = 0; old && i < CLIB_MAX_MHEAPS; i++)
		if (clib_atomic_load_relax_n(&clib_per_cpu_mheaps[i]) == old)
			clib_atomic_store_relax_n(&clib_per_cpu_mheaps[i], heap);
}

void
clib_mem_forget_heap(clib_mem_heap_t *heap)
{
	replace_in_entries(heap, NULL);
}

/* The next thread with this index starts without a heap of its own. */
static void
forget_thread(void *CLIB_UNUSED(arg), u16 thread_index)
{
	if (thread_index < CLIB_MAX_MHEAPS)
		clib_atomic_store_relax_n(&clib_per_cpu_mheaps[thread_index], NULL);
}

__clib_constructor static void
watch_threads(void)
{
	clib_thread_at_exit(forget_thread, NULL);
}

static clib_mem_heap_t *
make_main_heap(void *base, uword size, const char *name)
{
	/* Memory of the caller's may be one that processes share, each with fronts of its own. */
	u32 flags = base ? 0 : MHEAP_FLAG_FRONTS | MHEAP_FLAG_FRONTS_WHEN_SHARED;

	return clib_mem_make_heap(base, size, MHEAP_FLAG_THREAD_SAFE | flags, name);
}

static clib_mem_heap_t *
make_main_heap_of_default_size(const char *name)
{
	clib_mem_heap_t *heap = make_main_heap(NULL, DEFAULT_MAIN_BYTES, name);

	return heap ? heap : make_main_heap(NULL, DEFAULT_MAIN_BYTES_IF_TIGHT, name);
}

clib_mem_heap_t *
clib_mem_init_ex(const clib_mem_init_ex_args_t *args)
{
	const char *name = args->name ? args->name : "main heap";
	vm_range_t *range = NULL;
	clib_mem_heap_t *heap;

	if (!args->base && args->log2_page_sz != CLIB_MEM_PAGE_SZ_UNKNOWN)
		heap = clib_mem_make_heap_of_pages(args->size, args->log2_page_sz, name, &range);
	else if (args->base || args->size)
		heap = make_main_heap(args->base, args->size, name);
	else
		heap = make_main_heap_of_default_size(name);
	if (!heap)
		return NULL;
	pthread_mutex_lock(&mem_main.lock);
	mem_main.own_heap = heap;
	mem_main.own_range = range;
	/* Release: the heap's header is seen by whoever loads the pointer with acquire. */
	atomic_store_explicit(&clib_mem_main.main_heap, heap, memory_order_release);
	pthread_mutex_unlock(&mem_main.lock);
	set_current(heap);
	return heap;
}

clib_mem_heap_t *
clib_mem_init(void *base, uword size)
{
	clib_mem_init_ex_args_t args = { .base = base, .size = size };

	return clib_mem_init_ex(&args);
}

clib_mem_heap_t *
clib_mem_init_thread_safe(void *base, uword size)
{
	return clib_mem_init(base, size);
}

clib_mem_heap_t *
clib_mem_init_with_page_size(uword size, clib_mem_page_sz_t log2_page_sz)
{
	clib_mem_init_ex_args_t args = { .size = size, .log2_page_sz = log2_page_sz };

	return clib_mem_init_ex(&args);
}

void
clib_mem_set_main_heap(clib_mem_heap_t *heap)
{
	/* Release: as in clib_mem_init_ex(). */
	replace_in_entries(
		atomic_exchange_explicit(&clib_mem_main.main_heap, heap, memory_order_release),
		heap);
}

static never_inline clib_mem_heap_t *
make_lazy_main_heap(void)
{
	clib_mem_heap_t *heap;
	void **entry = own_entry();

	pthread_mutex_lock(&mem_main.lock);
	heap = atomic_load_explicit(&clib_mem_main.main_heap, memory_order_relaxed);
	if (!heap) {
		heap = make_main_heap_of_default_size("main heap");
		mem_main.own_heap = heap;
		mem_main.own_range = NULL;
		if (entry)
			clib_atomic_store_relax_n(entry, heap);
		/* Release: as in clib_mem_init_ex(). */
		atomic_store_explicit(&clib_mem_main.main_heap, heap, memory_order_release);
	}
	pthread_mutex_unlock(&mem_main.lock);
	return heap;
}

clib_mem_heap_t *
clib_mem_main_heap(void)
{
	/* Acquire: pairs with the releases above. */
	clib_mem_heap_t *heap =
		atomic_load_explicit(&clib_mem_main.main_heap, memory_order_acquire);

	return PREDICT_TRUE(heap != NULL) ? heap : make_lazy_main_heap();
}

void
clib_mem_thread_init(void)
{
	set_current(clib_mem_main_heap());
}

void
clib_mem_exit(void)
{
	clib_mem_heap_t *own;
	vm_range_t *range;

	pthread_mutex_lock(&mem_main.lock);
	own = mem_main.own_heap;
	range = mem_main.own_range;
	mem_main.own_heap = NULL;
	mem_main.own_range = NULL;
	replace_in_entries(atomic_load_explicit(&clib_mem_main.main_heap, memory_order_relaxed),
			   NULL);
	atomic_store_explicit(&clib_mem_main.main_heap, NULL, memory_order_relaxed);
	for (u32 i = 0; i < N_NUMA_NODES; i++)
		atomic_store_explicit(&mem_main.numa_heaps[i], NULL, memory_order_relaxed);
	pthread_mutex_unlock(&mem_main.lock);
	set_current(NULL);
	clib_mem_destroy_heap(own);
	if (range)
		vm_release(range);
}

/* Where the thread set no heap: what another wrote into its entry, else the main one. */
static never_inline clib_mem_heap_t *
get_heap_of_thread(void)
{
	u32 i = clib_thread_index_plus_1;
	void *heap = NULL;

	if (i && i <= CLIB_MAX_MHEAPS)
		heap = clib_atomic_load_relax_n(&clib_per_cpu_mheaps[i - 1]);
	return heap ? heap : clib_mem_main_heap();
}

clib_mem_heap_t *
clib_mem_get_heap(void)
{
	clib_mem_heap_t *heap = clib_mem_current_heap;

	return PREDICT_TRUE(heap != NULL) ? heap : get_heap_of_thread();
}

clib_mem_heap_t *
clib_mem_set_heap(clib_mem_heap_t *heap)
{
	clib_mem_heap_t *old = clib_mem_get_heap();

	set_current(heap);
	return old;
}

clib_mem_heap_t *
clib_mem_get_numa_heap(u32 node)
{
	if (node >= N_NUMA_NODES)
		return NULL;
	/* Acquire: pairs with the release in clib_mem_set_numa_heap(). */
	return atomic_load_explicit(&mem_main.numa_heaps[node], memory_order_acquire);
}

int
clib_mem_set_numa_heap(u32 node, clib_mem_heap_t *heap)
{
	if (node >= N_NUMA_NODES)
		return -EINVAL;
	/* Release: the heap's header is seen by whoever gets the pointer. */
	atomic_store_explicit(&mem_main.numa_heaps[node], heap, memory_order_release);
	return 0;
}

void *
clib_mem_set_per_numa_heap(void *heap)
{
	u32 node = (u32)vm_current_numa_node();
	void *old = clib_mem_get_numa_heap(node);

	clib_mem_set_numa_heap(node, heap);
	return old;
}

clib_mem_heap_t *
clib_mem_heap_of(const void *p)
{
	clib_mem_heap_t *heap = mheap_of_address(p);

	return heap && mheap_offset_is_valid(heap, (uword)p - (uword)heap) ? heap : NULL;
}

void
clib_mem_foreach_heap(int (*fn)(clib_mem_heap_t *heap, void *arg), void *arg)
{
	mheap_foreach_heap(fn, arg);
}

/* ---- objects ---- */

always_inline void *
heap_get(clib_mem_heap_t *heap, uword n_bytes, uword align, uword align_offset)
{
	uword offset;

	if (PREDICT_FALSE(!heap))
		return NULL;
	mheap_get_aligned(heap, n_bytes, align, align_offset, &offset);
	return PREDICT_TRUE(offset != ~(uword)0) ? (u8 *)heap + offset : NULL;
}

int
clib_mem_out_of_memory(clib_mem_heap_t *heap, uword n_bytes)
{
	clib_mem_oom_function_t *fn =
		atomic_load_explicit(&mem_main.oom_handler, memory_order_relaxed);

	atomic_fetch_add_explicit(&mem_main.n_oom, 1, memory_order_relaxed);
	return fn && fn(heap, n_bytes);
}

/* Count once, and let the handler make room as often as it says that it did. */
static never_inline void *
out_of_memory(clib_mem_heap_t *heap, uword n_bytes, uword align, uword align_offset,
	      int may_call_handler)
{
	clib_mem_oom_function_t *fn =
		atomic_load_explicit(&mem_main.oom_handler, memory_order_relaxed);
	void *p = NULL;

	atomic_fetch_add_explicit(&mem_main.n_oom, 1, memory_order_relaxed);
	while (!p && may_call_handler && fn && fn(heap, n_bytes))
		p = heap_get(heap, n_bytes, align, align_offset);
	return p;
}

always_inline void *
alloc_inline(clib_mem_heap_t *heap, uword n_bytes, uword align, uword align_offset,
	     int may_call_handler)
{
	void *p;

	if (PREDICT_FALSE(!heap))
		heap = clib_mem_get_heap();
	p = heap_get(heap, n_bytes, align, align_offset);
	if (PREDICT_TRUE(p != NULL))
		return p;
	return out_of_memory(heap, n_bytes, align, align_offset, may_call_handler);
}

void *
clib_mem_alloc(uword n_bytes)
{
	return alloc_inline(clib_mem_current_heap, n_bytes, 0, 0, 1);
}

void *
clib_mem_alloc_aligned(uword n_bytes, uword align)
{
	return alloc_inline(clib_mem_current_heap, n_bytes, align, 0, 1);
}

void *
clib_mem_alloc_or_null(uword n_bytes)
{
	return alloc_inline(clib_mem_current_heap, n_bytes, 0, 0, 0);
}

void *
clib_mem_alloc_aligned_or_null(uword n_bytes, uword align)
{
	return alloc_inline(clib_mem_current_heap, n_bytes, align, 0, 0);
}

void *
clib_mem_alloc_aligned_at_offset(uword n_bytes, uword align, uword align_offset,
				 int os_out_of_memory_on_failure)
{
	/* An offset that cannot be had is the caller's mistake: no handler could make room for it.
	 */
	if (PREDICT_FALSE(align_offset % MHEAP_USER_DATA_WORD_BYTES))
		return NULL;
	return alloc_inline(clib_mem_current_heap, n_bytes, align, align_offset,
			    os_out_of_memory_on_failure);
}

always_inline int
heap_spans(clib_mem_heap_t *heap, const void *p)
{
	return heap && (uword)p - (uword)heap < mheap_header(heap)->max_size;
}

void
clib_mem_report_bad_free(clib_mem_heap_t *heap, const void *p, const char *what, const void *caller)
{
	atomic_fetch_add_explicit(&mem_main.n_bad_frees, 1, memory_order_relaxed);
	mheap_report(what, heap, (uword)p - (uword)heap, caller);
}

static void
free_from(clib_mem_heap_t *heap, void *p, const void *caller)
{
	uword offset = (uword)p - (uword)heap;
	int error = mheap_put_checked(heap, offset);

	if (PREDICT_FALSE(error)) {
		atomic_fetch_add_explicit(&mem_main.n_bad_frees, 1, memory_order_relaxed);
		mheap_report(error == -EALREADY  ? "free of an object that is free already"
			     : error == -EUCLEAN ? "free of an object that was written past its end"
						 : "free of what is no object of this heap",
			     heap, offset, caller);
	}
}

void
clib_mem_free(void *p)
{
	clib_mem_heap_t *heap = clib_mem_current_heap;

	if (PREDICT_FALSE(!p))
		return;
	if (PREDICT_FALSE(!heap_spans(heap, p))) {
		heap = mheap_of_address(p);
		if (!heap) {
			clib_mem_report_bad_free(NULL, p, "free of an address that is in no heap",
						 __builtin_return_address(0));
			return;
		}
	}
	free_from(heap, p, __builtin_return_address(0));
}

uword
clib_mem_size(const void *p)
{
	clib_mem_heap_t *heap = clib_mem_current_heap;

	if (!heap_spans(heap, p))
		heap = mheap_of_address(p);
	return heap ? clib_mem_heap_size(heap, p) : 0;
}

uword
clib_mem_is_heap_object(const void *p)
{
	return clib_mem_heap_is_heap_object(NULL, p);
}

/* Whether p is aligned as is wished, and still is where its pages are moved to. */
static int
keeps_alignment(const void *p, uword align)
{
	return align < 2 ||
	       ((uword)p % min_pow2(align) == 0 && min_pow2(align) <= MHEAP_MOVE_KEPT_ALIGN);
}

/* heap is p's, or p is NULL. */
static void *
resize(clib_mem_heap_t *heap, void *p, uword n_bytes, uword align, const void *caller)
{
	uword n_now;
	void *q;

	if (!p)
		return alloc_inline(heap, n_bytes, align, 0, 1);
	n_now = clib_mem_heap_size(heap, p);
	if (!n_now) {
		clib_mem_report_bad_free(heap, p, "realloc of what is no object of this heap",
					 caller);
		return NULL;
	}
	if ((align < 2 || (uword)p % min_pow2(align) == 0) &&
	    (n_bytes <= n_now || !mheap_extend(heap, (uword)p - (uword)heap, n_bytes)))
		return p;
	if (n_now >= MHEAP_MOVE_MIN_BYTES && n_bytes > n_now && keeps_alignment(p, align) &&
	    !clib_mem_heap_move(heap, &p, n_bytes, n_now))
		return p;
	q = alloc_inline(heap, n_bytes, align, 0, 1);
	if (!q)
		return NULL;
	clib_memcpy(q, p, clib_min(n_now, n_bytes));
	free_from(heap, p, caller);
	return q;
}

void *
clib_mem_realloc_aligned(void *p, uword n_bytes, uword align)
{
	clib_mem_heap_t *heap = clib_mem_get_heap();

	if (p && !heap_spans(heap, p)) {
		heap = mheap_of_address(p);
		if (!heap) {
			clib_mem_report_bad_free(NULL, p,
						 "realloc of an address that is in no heap",
						 __builtin_return_address(0));
			return NULL;
		}
	}
	return resize(heap, p, n_bytes, align, __builtin_return_address(0));
}

void *
clib_mem_heap_realloc_aligned(clib_mem_heap_t *heap, void *p, uword n_bytes, uword align)
{
	return resize(heap ? heap : clib_mem_get_heap(), p, n_bytes, align,
		      __builtin_return_address(0));
}

void
clib_mem_free_s(void *p)
{
	/* A stranger has no size, so nothing is written; free reports it. */
	if (p)
		memset(p, 0, clib_mem_size(p));
	clib_mem_free(p);
}

void *
clib_mem_heap_alloc_or_null(clib_mem_heap_t *heap, uword n_bytes)
{
	return alloc_inline(heap, n_bytes, 0, 0, 0);
}

void *
clib_mem_heap_alloc_aligned_or_null(clib_mem_heap_t *heap, uword n_bytes, uword align)
{
	return alloc_inline(heap, n_bytes, align, 0, 0);
}

void *
clib_mem_heap_alloc(clib_mem_heap_t *heap, uword n_bytes)
{
	return alloc_inline(heap, n_bytes, 0, 0, 1);
}

void *
clib_mem_heap_alloc_aligned(clib_mem_heap_t *heap, uword n_bytes, uword align)
{
	return alloc_inline(heap, n_bytes, align, 0, 1);
}

void
clib_mem_heap_free(clib_mem_heap_t *heap, void *p)
{
	if (PREDICT_FALSE(!p))
		return;
	free_from(heap ? heap : clib_mem_get_heap(), p, __builtin_return_address(0));
}

uword
clib_mem_heap_is_heap_object(clib_mem_heap_t *heap, const void *p)
{
	if (!heap)
		heap = clib_mem_get_heap();
	return heap_spans(heap, p) && mheap_offset_is_valid(heap, (uword)p - (uword)heap);
}

uword
clib_mem_heap_size(clib_mem_heap_t *heap, const void *p)
{
	if (!heap)
		heap = clib_mem_get_heap();
	return heap_spans(heap, p) ? mheap_object_bytes(heap, (uword)p - (uword)heap) : 0;
}

int
clib_mem_heap_extend(clib_mem_heap_t *heap, void *p, uword n_bytes)
{
	if (!heap)
		heap = clib_mem_get_heap();
	return mheap_extend(heap, (uword)p - (uword)heap, n_bytes);
}

int
clib_mem_heap_move(clib_mem_heap_t *heap, void **p, uword n_bytes, uword n_keep_bytes)
{
	uword offset;
	int error;

	if (!heap)
		heap = clib_mem_get_heap();
	offset = (uword)*p - (uword)heap;
	error = mheap_move(heap, &offset, n_bytes, n_keep_bytes);
	if (!error)
		*p = (u8 *)heap + offset;
	return error;
}

/* ---- looking ---- */

void
clib_mem_usage(clib_mem_usage_t *usage)
{
	mheap_usage(clib_mem_get_heap(), usage);
}

void
clib_mem_validate(void)
{
	clib_mem_heap_t *heap = clib_mem_get_heap();

	if (heap)
		mheap_validate(heap);
}

void
clib_mem_set_oom_handler(clib_mem_oom_function_t *fn)
{
	atomic_store_explicit(&mem_main.oom_handler, fn, memory_order_relaxed);
}

u64
clib_mem_n_oom(void)
{
	return atomic_load_explicit(&mem_main.n_oom, memory_order_relaxed);
}

u64
clib_mem_n_bad_frees(void)
{
	return atomic_load_explicit(&mem_main.n_bad_frees, memory_order_relaxed);
}
