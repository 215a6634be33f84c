/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <sys/mman.h>
#include <vppinfra/format.h>
#include <vppinfra/mem.h>
#include "unit.h"

static struct {
	uword n, offset;
	const void *v;
	char what[128];
} report;

static void
note_report(const char *what, const void *v, uword offset, const void *caller)
{
	report.n++;
	report.v = v;
	report.offset = offset;
	snprintf(report.what, sizeof(report.what), "%s", what);
}

/* VPP programs allocate before anybody called clib_mem_init(): a heap is there by then. */
static void
the_first_allocation_makes_a_heap(void)
{
	u8 *p = clib_mem_alloc(1000);

	CU_ASSERT_PTR_NOT_NULL_FATAL(p);
	CU_ASSERT_EQUAL((uword)p % 16, 0);
	memset(p, 1, 1000);
	CU_ASSERT_EQUAL(clib_mem_size(p), 1008);
	CU_ASSERT_EQUAL(clib_mem_is_heap_object(p), 1);
	CU_ASSERT_EQUAL(clib_mem_is_heap_object(p + 16), 0);
	CU_ASSERT_PTR_EQUAL(clib_mem_heap_of(p), clib_mem_main_heap());
	CU_ASSERT_PTR_EQUAL(clib_mem_get_heap(), clib_mem_main_heap());
	CU_ASSERT_NOT_EQUAL(mheap_header(clib_mem_main_heap())->flags & MHEAP_FLAG_THREAD_SAFE, 0);
	/* Room for far more than it holds now. */
	CU_ASSERT(mheap_max_size(clib_mem_main_heap()) > GiB(3));
	clib_mem_free(p);
	CU_ASSERT_EQUAL(clib_mem_is_heap_object(p), 0);
	CU_ASSERT_EQUAL(clib_mem_size(p), 0);
	clib_mem_validate();
	clib_mem_exit();
	CU_ASSERT_PTR_NULL(clib_mem_heap_of(p));
}

/* Main heaps of a size, in the caller's memory or of their own; refusal changes nothing. */
static void
init_makes_the_main_heap(void)
{
	static u8 memory[MiB(1)];
	clib_mem_heap_t *a = clib_mem_init(NULL, MiB(4)), *b;
	void *p;

	CU_ASSERT_PTR_NOT_NULL_FATAL(a);
	CU_ASSERT_PTR_EQUAL(clib_mem_get_heap(), a);
	CU_ASSERT_PTR_EQUAL(clib_mem_main_heap(), a);
	CU_ASSERT_EQUAL(mheap_max_size(a), MiB(4) - 4096);
	CU_ASSERT_PTR_NULL(clib_mem_init(memory, 2000));
	CU_ASSERT_PTR_EQUAL(clib_mem_main_heap(), a);
	p = clib_mem_alloc(100);
	b = clib_mem_init(memory, sizeof(memory));
	CU_ASSERT_PTR_NOT_NULL_FATAL(b);
	CU_ASSERT((u8 *)b > memory && (u8 *)b < memory + sizeof(memory));
	CU_ASSERT_PTR_EQUAL(clib_mem_get_heap(), b);
	/* Objects of the heap before find home. */
	clib_mem_free(p);
	CU_ASSERT_EQUAL(mheap_elts(a), 0);
	clib_mem_exit();
	CU_ASSERT_PTR_NULL(clib_mem_current_heap);
	mheap_free(a);
}

/* The current heap decides where memory comes from, never where it goes back to. */
static void
free_finds_the_objects_own_heap(void)
{
	clib_mem_heap_t *main_heap = clib_mem_init(NULL, MiB(1)),
			*other = mheap_alloc(NULL, MiB(1));
	void *p, *q;

	p = clib_mem_alloc(100);
	CU_ASSERT_PTR_EQUAL(clib_mem_set_heap(other), main_heap);
	q = clib_mem_alloc(100);
	CU_ASSERT_PTR_EQUAL(clib_mem_heap_of(p), main_heap);
	CU_ASSERT_PTR_EQUAL(clib_mem_heap_of(q), other);
	CU_ASSERT_EQUAL(clib_mem_size(p), 112);
	CU_ASSERT_EQUAL(clib_mem_is_heap_object(p), 0);
	CU_ASSERT_EQUAL(clib_mem_is_heap_object(q), 1);
	clib_mem_free(p);
	CU_ASSERT_EQUAL(mheap_elts(main_heap), 0);
	clib_mem_set_heap(main_heap);
	clib_mem_free(q);
	CU_ASSERT_EQUAL(mheap_elts(other), 0);
	mheap_free(other);
	clib_mem_exit();
}

/* The forms that name a heap, NULL meaning the current one. */
static void
a_heap_can_be_named(void)
{
	clib_mem_heap_t *main_heap = clib_mem_init(NULL, MiB(1)),
			*other = mheap_alloc(NULL, MiB(1));
	void *p = clib_mem_heap_alloc(other, 50), *q = clib_mem_heap_alloc_aligned(other, 50, 256);

	CU_ASSERT_EQUAL(mheap_elts(other), 2);
	CU_ASSERT_EQUAL((uword)q % 256, 0);
	CU_ASSERT_EQUAL(clib_mem_heap_is_heap_object(other, p), 1);
	CU_ASSERT_EQUAL(clib_mem_heap_is_heap_object(main_heap, p), 0);
	CU_ASSERT_EQUAL(clib_mem_heap_is_heap_object(NULL, p), 0);
	CU_ASSERT_EQUAL(clib_mem_heap_size(other, p), 64);
	CU_ASSERT_EQUAL(clib_mem_heap_size(main_heap, p), 0);
	CU_ASSERT_EQUAL(clib_mem_heap_extend(other, q, 5000), 0);
	CU_ASSERT(clib_mem_heap_size(other, q) >= 5000);
	CU_ASSERT_EQUAL(clib_mem_heap_extend(other, q, MiB(2)), -ENOMEM);
	clib_mem_heap_free(other, p);
	clib_mem_heap_free(other, q);
	clib_mem_heap_free(other, NULL);
	CU_ASSERT_EQUAL(mheap_elts(other), 0);
	p = clib_mem_heap_alloc(NULL, 10);
	CU_ASSERT_PTR_EQUAL(clib_mem_heap_of(p), main_heap);
	clib_mem_heap_free(NULL, p);
	mheap_free(other);
	clib_mem_exit();
}

/* Alignment at an offset, as a vector with a header below its first element needs it. */
static void
alignment_at_an_offset(void)
{
	clib_mem_init(NULL, MiB(4));
	for (uword align = 8; align <= 4096; align *= 2) {
		for (uword ao = 0; ao <= align; ao += 8) {
			u8 *p = clib_mem_alloc_aligned_at_offset(100, align, ao, 1);

			CU_ASSERT_PTR_NOT_NULL_FATAL(p);
			CU_ASSERT_EQUAL(((uword)p + ao) % align, 0);
			clib_mem_free(p);
		}
	}
	CU_ASSERT_PTR_NULL(clib_mem_alloc_aligned_at_offset(100, 64, 3, 1));
	CU_ASSERT_EQUAL((uword)clib_mem_alloc_aligned(1, MiB(1)) % MiB(1), 0);
	clib_mem_validate();
	clib_mem_exit();
}

/* ---- wrong pointers ---- */

/* Each is reported and counted; none does harm. */
static void
wrong_pointers_are_reported(void)
{
	int on_stack;
	u64 n_before = clib_mem_n_bad_frees();
	clib_mem_heap_t *heap = clib_mem_init(NULL, MiB(1));
	u8 *p = clib_mem_alloc(100), *q = clib_mem_alloc(100);

	mheap_set_error_handler(note_report);
	report.n = 0;
	clib_mem_free(NULL);
	CU_ASSERT_EQUAL(report.n, 0);
	clib_mem_free(&on_stack);
	CU_ASSERT_EQUAL(report.n, 1);
	CU_ASSERT_PTR_NULL(report.v);
	CU_ASSERT_EQUAL(report.offset, (uword)&on_stack);
	clib_mem_free(p + 16);
	CU_ASSERT_EQUAL(report.n, 2);
	CU_ASSERT_PTR_EQUAL(report.v, heap);
	clib_mem_free(p + 1);
	CU_ASSERT_EQUAL(report.n, 3);
	clib_mem_free(p);
	clib_mem_free(p);
	CU_ASSERT_EQUAL(report.n, 4);
	CU_ASSERT_PTR_NOT_NULL(strstr(report.what, "already"));
	clib_mem_heap_free(heap, &on_stack);
	CU_ASSERT_EQUAL(report.n, 5);
	CU_ASSERT_EQUAL(clib_mem_n_bad_frees() - n_before, 5);
	CU_ASSERT_EQUAL(clib_mem_size(&on_stack), 0);
	CU_ASSERT_PTR_NULL(clib_mem_heap_of(&on_stack));
	CU_ASSERT_PTR_NULL(clib_mem_heap_of(q + 16));
	CU_ASSERT_PTR_EQUAL(clib_mem_heap_of(q), heap);
	mheap_set_error_handler(NULL);
	clib_mem_validate();
	clib_mem_exit();
}

/* ---- exhaustion ---- */

static int n_calls, n_retries;
static void *reserve;

static int
free_the_reserve(clib_mem_heap_t *heap, uword n_bytes)
{
	n_calls++;
	if (n_retries-- == 0)
		clib_mem_free(reserve);
	return n_retries >= -1;
}

/* Without a handler the plain forms return NULL too; with one they try as often as it says. */
static void
exhaustion_is_null_unless_the_handler_helps(void)
{
	u64 n_before = clib_mem_n_oom();

	clib_mem_init(NULL, MiB(1));
	CU_ASSERT_PTR_NULL(clib_mem_alloc(MiB(2)));
	CU_ASSERT_PTR_NULL(clib_mem_alloc_aligned(MiB(2), 64));
	CU_ASSERT_PTR_NULL(clib_mem_alloc_or_null(MiB(2)));
	CU_ASSERT_PTR_NULL(clib_mem_alloc_aligned_or_null(~(uword)0, 64));
	CU_ASSERT_EQUAL(clib_mem_n_oom() - n_before, 4);

	reserve = clib_mem_alloc(KiB(700));
	clib_mem_set_oom_handler(free_the_reserve);
	n_calls = 0;
	n_retries = 2;
	CU_ASSERT_PTR_NULL(clib_mem_alloc_or_null(KiB(600)));
	CU_ASSERT_PTR_NULL(clib_mem_alloc_aligned_at_offset(KiB(600), 64, 0, 0));
	CU_ASSERT_EQUAL(n_calls, 0);
	CU_ASSERT_PTR_NOT_NULL(clib_mem_alloc(KiB(600)));
	CU_ASSERT_EQUAL(n_calls, 3);
	/* It gives up. */
	CU_ASSERT_PTR_NULL(clib_mem_alloc(KiB(600)));
	CU_ASSERT_EQUAL(n_calls, 4);
	CU_ASSERT_EQUAL(clib_mem_n_oom() - n_before, 8);
	clib_mem_set_oom_handler(NULL);
	clib_mem_validate();
	clib_mem_exit();
}

/* The n-th allocation can be made to fail, here too. */
static void
allocations_fail_on_demand(void)
{
	clib_mem_init(NULL, MiB(1));
	mheap_fail_get_after(2);
	CU_ASSERT_PTR_NOT_NULL(clib_mem_alloc(10));
	CU_ASSERT_PTR_NULL(clib_mem_alloc(10));
	CU_ASSERT_PTR_NOT_NULL(clib_mem_alloc(10));
	clib_mem_exit();
}

/* ---- resizing ---- */

/* An object keeps its bytes and its heap when it grows, in place or not; both of VPP's arities. */
static void
realloc_keeps_bytes_and_heap(void)
{
	clib_mem_heap_t *main_heap = clib_mem_init(NULL, MiB(1)),
			*other = mheap_alloc(NULL, MiB(1));
	u8 *p = clib_mem_heap_alloc(other, 100), *q;
	int n_wrong = 0;

	memset(p, 0x3c, 100);
	/* The last object of its heap: in place. */
	q = clib_mem_realloc(p, 1000);
	CU_ASSERT_PTR_EQUAL(q, p);
	clib_mem_heap_alloc(other, 10);
	q = clib_mem_realloc(p, 2000, 1000);
	CU_ASSERT_PTR_NOT_EQUAL(q, p);
	CU_ASSERT_PTR_EQUAL(clib_mem_heap_of(q), other);
	CU_ASSERT_PTR_NULL(clib_mem_heap_of(p));
	for (int i = 0; i < 100; i++)
		n_wrong += q[i] != 0x3c;
	CU_ASSERT_EQUAL(n_wrong, 0);
	/* Smaller: as it is. */
	CU_ASSERT_PTR_EQUAL(clib_mem_realloc(q, 10), q);
	p = clib_mem_realloc_aligned(q, 10, 4096);
	CU_ASSERT_EQUAL((uword)p % 4096, 0);
	CU_ASSERT_EQUAL(p[9], 0x3c);
	/* No room: p as it was. */
	CU_ASSERT_PTR_NULL(clib_mem_realloc(p, MiB(2)));
	CU_ASSERT_EQUAL(clib_mem_heap_is_heap_object(other, p), 1);
	CU_ASSERT_PTR_EQUAL(clib_mem_heap_of(clib_mem_realloc(NULL, 10)), main_heap);
	p = clib_mem_heap_realloc(other, p, 5000);
	CU_ASSERT_PTR_EQUAL(clib_mem_heap_of(p), other);
	mheap_set_error_handler(note_report);
	report.n = 0;
	CU_ASSERT_PTR_NULL(clib_mem_realloc(p + 16, 10000));
	CU_ASSERT_PTR_NULL(clib_mem_realloc(&n_wrong, 10));
	CU_ASSERT_PTR_NULL(clib_mem_heap_realloc(main_heap, p, 10));
	CU_ASSERT_EQUAL(report.n, 3);
	mheap_set_error_handler(NULL);
	CU_ASSERT_EQUAL(mheap_check(other, NULL, 0), 0);
	mheap_free(other);
	clib_mem_exit();
}

/* free_s leaves nothing to read. */
static void
free_s_wipes(void)
{
	u8 *p;
	uword n_left = 0;

	clib_mem_init(NULL, MiB(1));
	p = clib_mem_alloc(1000);
	clib_mem_alloc(10);
	memset(p, 0x99, 1000);
	clib_mem_free_s(p);
	/* Above the links and the bookkeeping of a free element. */
	for (int i = 32; i < 1000; i++)
		n_left += p[i] != 0;
	CU_ASSERT_EQUAL(n_left, 0);
	clib_mem_free_s(NULL);
	clib_mem_exit();
}

/* Heaps as VPP-new makes them, named like a printf. */
static void
heaps_are_created_and_destroyed(void)
{
	static u8 memory[KiB(64)];
	clib_mem_heap_t *a = clib_mem_create_heap(NULL, MiB(1), 1, "heap of %s %d", "worker", 3),
			*b;
	clib_mem_usage_t u;

	CU_ASSERT_PTR_NOT_NULL_FATAL(a);
	CU_ASSERT_STRING_EQUAL(mheap_header(a)->name, "heap of worker 3");
	CU_ASSERT_NOT_EQUAL(mheap_header(a)->flags & MHEAP_FLAG_THREAD_SAFE, 0);
	CU_ASSERT_EQUAL(clib_mem_get_heap_size(a), MiB(1) - 4096);
	CU_ASSERT_PTR_EQUAL(clib_mem_get_heap_base(a), (u8 *)a - 4096);
	CU_ASSERT_PTR_NULL(clib_mem_get_heap_base(NULL));
	CU_ASSERT_EQUAL(clib_mem_get_heap_free_space(NULL), 0);
	CU_ASSERT_EQUAL(clib_mem_get_heap_free_space(a), MiB(1) - 4096 - 16);
	CU_ASSERT_PTR_NOT_NULL(clib_mem_heap_alloc_or_null(a, 100));
	CU_ASSERT_PTR_NULL(clib_mem_heap_alloc_aligned_or_null(a, MiB(1), 64));
	CU_ASSERT_EQUAL(clib_mem_get_heap_free_space(a), MiB(1) - 4096 - 16 - 112 - 16);
	clib_mem_get_heap_usage(a, &u);
	CU_ASSERT_EQUAL(u.object_count, 1);
	b = clib_mem_create_heap(memory, sizeof(memory), 0, NULL);
	CU_ASSERT_PTR_NOT_NULL_FATAL(b);
	CU_ASSERT_EQUAL(mheap_header(b)->flags & MHEAP_FLAG_THREAD_SAFE, 0);
	CU_ASSERT_PTR_NULL(clib_mem_create_heap(memory, 100, 0, "small"));
	clib_mem_destroy_heap(a);
	clib_mem_destroy_heap(b);
	memory[0] = 1;
}

/* Names are made as format() makes text, before there is any heap and when memory ends. */
static void
heaps_are_named_by_format(void)
{
	clib_mem_heap_t *a, *b;
	uword n_before;
	u8 *v;

	/* Naming the first heap makes no other. */
	CU_ASSERT_PTR_NULL(clib_mem_main.main_heap);
	a = clib_mem_create_heap(NULL, MiB(1), 0, "%U heap %s", format_memory_size, (uword)MiB(3),
				 "x");
	CU_ASSERT_PTR_NULL(clib_mem_main.main_heap);
	CU_ASSERT_STRING_EQUAL(clib_mem_get_heap_name(a), "3m heap x");
	clib_mem_init(NULL, MiB(1));
	n_before = mheap_elts(clib_mem_get_heap());
	v = format(0, "vector");
	b = clib_mem_create_heap(NULL, MiB(1), 1, "a %v and %036u", v, 1);
	/* 39 bytes. */
	CU_ASSERT_STRING_EQUAL(clib_mem_get_heap_name(b),
			       "a vector and 00000000000000000000000000");
	vec_free(v);
	CU_ASSERT_EQUAL(mheap_elts(clib_mem_get_heap()), n_before);
	clib_mem_destroy_heap(b);
	mheap_fail_gets_after(1);
	b = clib_mem_create_heap(NULL, MiB(1), 1, "%d", 7);
	mheap_fail_gets_after(0);
	CU_ASSERT_STRING_EQUAL(clib_mem_get_heap_name(b), "%d");
	CU_ASSERT_STRING_EQUAL(clib_mem_get_heap_name(NULL), "");
	clib_mem_destroy_heap(a);
	clib_mem_destroy_heap(b);
	clib_mem_exit();
}

/* What VPP's struct says of a heap the calls say of ours; in words, too. */
static void
heaps_tell_about_themselves(void)
{
	static u8 memory[KiB(64)];
	clib_mem_heap_t *a = clib_mem_init(NULL, MiB(4)),
			*b = clib_mem_create_heap(memory, sizeof(memory), 0, "plain");
	u8 *s;

	CU_ASSERT_EQUAL(clib_mem_get_heap_flags(a),
			CLIB_MEM_HEAP_F_LOCKED | CLIB_MEM_HEAP_F_UNMAP_ON_DESTROY);
	CU_ASSERT_EQUAL(clib_mem_get_heap_flags(b), 0);
	CU_ASSERT_EQUAL(clib_mem_get_heap_flags(NULL), 0);
	CU_ASSERT_EQUAL(clib_mem_get_heap_log2_page_size(a), clib_mem_get_log2_page_size());
	clib_mem_alloc(KiB(100));
	s = format(0, "%U%c", format_clib_mem_heap, NULL, 0, 0);
	CU_ASSERT_PTR_NOT_NULL(strstr((char *)s, ", size 4m, locked, unmap-on-destroy, name "
						 "'main heap'\n  page stats: page-size 4K, "
						 "total 1024, populated "));
	CU_ASSERT_PTR_NOT_NULL(strstr((char *)s, "\n  total: 4.00M, used: 10"));
	vec_free(s);
	s = format(0, "%U%c", format_clib_mem_heap, b, 1, 0);
	CU_ASSERT_PTR_NOT_NULL(strstr((char *)s, ", size 64k, name 'plain'\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr((char *)s, "\n  0 objects, "));
	vec_free(s);
	s = format(0, "%U%c", format_clib_mem_usage, 0, 0);
	CU_ASSERT_PTR_NOT_NULL(strstr((char *)s, " objects, "));
	vec_free(s);
	clib_mem_destroy_heap(b);
	clib_mem_exit();
}

/* ---- VPP's tables ---- */

static int
is_listed(clib_mem_heap_t *heap)
{
	for (u32 i = 0; i < vec_len(clib_mem_main.heaps); i++)
		if (clib_mem_main.heaps[i] == heap)
			return 1;
	return 0;
}

/* clib_mem_main lists the heaps that live; one that ended by mheap_free() as well. */
static void
clib_mem_main_lists_heaps(void)
{
	clib_mem_heap_t *a = clib_mem_init(NULL, MiB(1)),
			*b = clib_mem_create_heap(NULL, MiB(1), 0, "b"), *c;

	CU_ASSERT_PTR_EQUAL(clib_mem_main.main_heap, a);
	CU_ASSERT(is_listed(a) && is_listed(b));
	mheap_free(b);
	c = clib_mem_create_heap(NULL, MiB(1), 0, "c");
	CU_ASSERT(is_listed(a) && is_listed(c));
	CU_ASSERT_EQUAL(vec_len(clib_mem_main.heaps), 2);
	clib_mem_destroy_heap(c);
	CU_ASSERT(is_listed(a) && !is_listed(c));
	clib_mem_exit();
	CU_ASSERT_EQUAL(vec_len(clib_mem_main.heaps), 0);
	CU_ASSERT_PTR_NULL(clib_mem_main.main_heap);
}

static void *
allocate_in_old_thread(void *arg)
{
	void **heap_of = arg;
	u16 i = clib_thread_index();
	void *p;

	/* Before it runs nobody knows its index; old VPP's threads write their own entry. */
	clib_per_cpu_mheaps[i] = heap_of[0];
	p = clib_mem_alloc(10);
	heap_of[1] = clib_mem_heap_of(p);
	heap_of[2] = clib_mem_get_per_cpu_heap();
	clib_mem_free(p);
	heap_of[3] = (void *)(uword)i;
	return NULL;
}

/* Old VPP's array shows what is current, and decides for a thread that set no heap; the next
 * thread with the same index starts without. */
static void
per_cpu_heaps_are_seen_and_used(void)
{
	u16 i = clib_thread_index();
	void *heap_of[4] = {};
	pthread_t thread;
	void *p;

	/* The first allocation makes the entry. */
	clib_mem_exit();
	CU_ASSERT_PTR_NULL(clib_per_cpu_mheaps[i]);
	p = clib_mem_alloc(10);
	CU_ASSERT_PTR_EQUAL(clib_per_cpu_mheaps[i], clib_mem_main_heap());
	clib_mem_free(p);
	clib_mem_exit();
	CU_ASSERT_PTR_NULL(clib_per_cpu_mheaps[i]);

	clib_mem_init(NULL, MiB(1));
	CU_ASSERT_PTR_EQUAL(clib_per_cpu_mheaps[i], clib_mem_main_heap());
	heap_of[0] = clib_mem_create_heap(NULL, MiB(1), 1, "worker");
	CU_ASSERT_PTR_EQUAL(clib_mem_set_per_cpu_heap(heap_of[0]), clib_mem_main_heap());
	CU_ASSERT_PTR_EQUAL(clib_per_cpu_mheaps[i], heap_of[0]);
	clib_mem_thread_init();
	CU_ASSERT_PTR_EQUAL(clib_per_cpu_mheaps[i], clib_mem_main_heap());

	pthread_create(&thread, NULL, allocate_in_old_thread, heap_of);
	pthread_join(thread, NULL);
	CU_ASSERT_PTR_EQUAL(heap_of[1], heap_of[0]);
	CU_ASSERT_PTR_EQUAL(heap_of[2], heap_of[0]);
	CU_ASSERT_PTR_NULL(clib_per_cpu_mheaps[(uword)heap_of[3]]);
	clib_mem_destroy_heap(heap_of[0]);
	clib_mem_exit();
}

/* A heap for the node we run on. */
static void
per_numa_heaps_by_name(void)
{
	u32 node = (u32)vm_current_numa_node();
	clib_mem_heap_t *heap = clib_mem_init(NULL, MiB(1));

	CU_ASSERT_PTR_NULL(clib_mem_set_per_numa_heap(heap));
	CU_ASSERT_PTR_EQUAL(clib_mem_get_per_numa_heap(node), heap);
	CU_ASSERT_PTR_EQUAL(clib_mem_set_per_numa_heap(NULL), heap);
	clib_mem_exit();
}

/* The program's own: it is called instead of the library's, which stops. */
static int n_os_out_of_memory;

void
os_out_of_memory(void)
{
	n_os_out_of_memory++;
}

/* Memory for callers that cannot do without: they never go on after os_out_of_memory() unless it
 * returns, as here; and memory on the stack. */
static void
no_fail_forms_return_memory(void)
{
	u8 *p, *on_stack = clib_mem_alloc_stack(100);

	memset(on_stack, 1, 100);
	CU_ASSERT_PTR_NOT_NULL(clib_mem_init_thread_safe(NULL, MiB(1)));
	p = clib_mem_alloc_no_fail(100);
	CU_ASSERT_EQUAL(clib_mem_size_nocheck(p), 112);
	p = clib_mem_alloc_aligned_no_fail(100, 256);
	CU_ASSERT_EQUAL((uword)p % 256, 0);
	CU_ASSERT_EQUAL(n_os_out_of_memory, 0);
	CU_ASSERT_PTR_NULL(clib_mem_alloc_no_fail(MiB(2)));
	CU_ASSERT_PTR_NULL(clib_mem_alloc_aligned_no_fail(MiB(2), 64));
	CU_ASSERT_EQUAL(n_os_out_of_memory, 2);
	CU_ASSERT_EQUAL(on_stack[99], 1);
	clib_mem_destroy();
}

/* ---- NUMA heaps, the list, usage ---- */

static int
count_heap(clib_mem_heap_t *heap, void *arg)
{
	(*(int *)arg)++;
	return 0;
}

static int
stop_at_first(clib_mem_heap_t *heap, void *arg)
{
	(*(int *)arg)++;
	return 1;
}

/* A node's heap is what was announced for it; all live heaps are on the list. */
static void
numa_heaps_and_the_list(void)
{
	clib_mem_heap_t *node0;
	int n_before = 0, n = 0, n_first = 0;

	clib_mem_foreach_heap(count_heap, &n_before);
	clib_mem_init(NULL, MiB(1));
	node0 = mheap_alloc(NULL, MiB(1));
	CU_ASSERT_PTR_NULL(clib_mem_get_numa_heap(0));
	CU_ASSERT_EQUAL(clib_mem_set_numa_heap(0, node0), 0);
	CU_ASSERT_PTR_EQUAL(clib_mem_get_numa_heap(0), node0);
	CU_ASSERT_PTR_NULL(clib_mem_get_numa_heap(1));
	CU_ASSERT_PTR_NULL(clib_mem_get_numa_heap(100000));
	CU_ASSERT_EQUAL(clib_mem_set_numa_heap(100000, node0), -EINVAL);
	clib_mem_foreach_heap(count_heap, &n);
	CU_ASSERT_EQUAL(n - n_before, 2);
	clib_mem_foreach_heap(stop_at_first, &n_first);
	CU_ASSERT_EQUAL(n_first, 1);
	mheap_free(node0);
	clib_mem_exit();
	CU_ASSERT_PTR_NULL(clib_mem_get_numa_heap(0));
	n = 0;
	clib_mem_foreach_heap(count_heap, &n);
	CU_ASSERT_EQUAL(n, n_before);
}

/* A heap made elsewhere can be the main one; exit forgets it but does not destroy it. */
static void
the_main_heap_can_be_brought_along(void)
{
	clib_mem_heap_t *heap = mheap_alloc(NULL, MiB(1));
	void *p;

	clib_mem_set_main_heap(heap);
	p = clib_mem_alloc(10);
	CU_ASSERT_PTR_EQUAL(clib_mem_heap_of(p), heap);
	clib_mem_exit();
	CU_ASSERT_PTR_EQUAL(clib_mem_heap_of(p), heap);
	mheap_free(heap);
}

static void
usage_is_the_current_heaps(void)
{
	clib_mem_usage_t u;

	clib_mem_init(NULL, MiB(1));
	clib_mem_alloc(100);
	clib_mem_usage(&u);
	CU_ASSERT_EQUAL(u.object_count, 1);
	CU_ASSERT_EQUAL(u.bytes_used, 112);
	CU_ASSERT_EQUAL(u.bytes_max, MiB(1) - 4096);
	clib_mem_exit();
}

/* ---- threads ---- */

static void *
allocate_in_a_thread(void *arg)
{
	clib_mem_heap_t *own = mheap_alloc(NULL, MiB(1));
	uword n_wrong = 0;
	void *p;

	n_wrong += clib_mem_get_heap() != arg;
	for (int i = 0; i < 1000; i++) {
		p = clib_mem_alloc(1 + (uword)i);
		n_wrong += clib_mem_heap_of(p) != arg;
		clib_mem_free(p);
	}
	clib_mem_set_heap(own);
	p = clib_mem_alloc(10);
	n_wrong += clib_mem_heap_of(p) != own;
	clib_mem_free(p);
	mheap_free(own);
	return (void *)n_wrong;
}

/* A current heap is the thread's own affair; without one a thread uses the main heap. */
static void
each_thread_has_its_current_heap(void)
{
	clib_mem_heap_t *main_heap = clib_mem_init(NULL, MiB(64)),
			*mine = mheap_alloc(NULL, MiB(1));
	pthread_t threads[2];
	void *n_wrong;

	clib_mem_set_heap(mine);
	for (int i = 0; i < 2; i++)
		pthread_create(&threads[i], NULL, allocate_in_a_thread, main_heap);
	for (int i = 0; i < 2; i++) {
		pthread_join(threads[i], &n_wrong);
		CU_ASSERT_PTR_NULL(n_wrong);
	}
	CU_ASSERT_PTR_EQUAL(clib_mem_get_heap(), mine);
	CU_ASSERT_EQUAL(mheap_elts(main_heap), 0);
	clib_mem_exit();
	mheap_free(mine);
}

static const unit_test_t tests[] = {
	UNIT(the_first_allocation_makes_a_heap),
	UNIT(init_makes_the_main_heap),
	UNIT(free_finds_the_objects_own_heap),
	UNIT(a_heap_can_be_named),
	UNIT(alignment_at_an_offset),
	UNIT(wrong_pointers_are_reported),
	UNIT(exhaustion_is_null_unless_the_handler_helps),
	UNIT(allocations_fail_on_demand),
	UNIT(realloc_keeps_bytes_and_heap),
	UNIT(free_s_wipes),
	UNIT(heaps_are_created_and_destroyed),
	UNIT(heaps_are_named_by_format),
	UNIT(heaps_tell_about_themselves),
	UNIT(clib_mem_main_lists_heaps),
	UNIT(per_cpu_heaps_are_seen_and_used),
	UNIT(per_numa_heaps_by_name),
	UNIT(no_fail_forms_return_memory),
	UNIT(numa_heaps_and_the_list),
	UNIT(the_main_heap_can_be_brought_along),
	UNIT(usage_is_the_current_heaps),
	UNIT(each_thread_has_its_current_heap),
};

int
main(void)
{
	return unit_run("mem", tests, ARRAY_LEN(tests));
}
