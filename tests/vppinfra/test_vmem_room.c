/* SPDX-License-Identifier: Apache-2.0 */
/* What an arena offers besides allocating and freeing: exact places, other sizes in place, taking
 * space out, bursts, a limit, reclaiming, induced failures, counters without the lock; and quantum
 * caches, here from a table of the test's own. */
#include <pthread.h>
#include <stdatomic.h>
#include <vppinfra/vmem.h>
#include <vppinfra/vmem/vmem_lock.h>
#include <vppinfra/vmem/vmem_qcache.h>
#include "unit.h"

#define ADDR(x) ((void *)(uword)(x))

static char reported[128];
static u32 n_reports;

static void
note_report(const char *what, vmem_t *vmp, uword addr, uword size, const void *caller)
{
	snprintf(reported, sizeof(reported), "%s", what);
	n_reports++;
}

static bool
was_reported(const char *words)
{
	bool is_it = n_reports == 1 && strstr(reported, words);

	if (!is_it)
		printf("%u reports, the last: %s\n", n_reports, reported);
	n_reports = 0;
	return is_it;
}

static void
check(vmem_t *vmp)
{
	char what[128] = "";

	CU_ASSERT_EQUAL(vmem_check(vmp, what, sizeof(what)), 0);
	if (what[0])
		printf("%s: %s\n", vmp->vm_name, what);
}

/* The address is taken exactly or not at all. */
static void
claims_are_exact(void)
{
	vmem_t *vmp = vmem_create("pages", ADDR(0x10000), 0x10000, 0x1000, NULL, NULL, NULL, 0,
				  VM_NOSLEEP);

	CU_ASSERT_EQUAL(vmem_claim(vmp, 0x12000, 0x1800), 0);
	CU_ASSERT_EQUAL(vmem_claim(vmp, 0x13000, 1), -ENOMEM);
	CU_ASSERT_EQUAL(vmem_claim(vmp, 0x11000, 0x1001), -ENOMEM);
	CU_ASSERT_EQUAL(vmem_claim(vmp, 0x14800, 0x1000), -EINVAL);
	CU_ASSERT_EQUAL(vmem_claim(vmp, 0x1f000, 0x1000), 0);
	CU_ASSERT_EQUAL(vmem_claim(vmp, 0x1f000, 0x1001), -ENOMEM);
	CU_ASSERT_EQUAL(vmem_claim(vmp, -(uword)0x1000, 0x2000), -EINVAL);
	vmem_xfree(vmp, ADDR(0x12000), 0x1800);
	vmem_xfree(vmp, ADDR(0x1f000), 0x1000);
	check(vmp);
	vmem_destroy(vmp);
}

/* Longer as far as what follows is free, shorter always; a wrong size is reported. */
static void
sizes_change_in_place(void)
{
	vmem_t *vmp = vmem_create("bytes", ADDR(1000), 100, 1, NULL, NULL, NULL, 0, VM_NOSLEEP);
	void *p = vmem_alloc(vmp, 30, VM_NOSLEEP), *q;

	vmem_set_error_handler(note_report);
	n_reports = 0;
	CU_ASSERT_EQUAL(vmem_resize(vmp, 1000, 30, 60), 0);
	q = vmem_alloc(vmp, 10, VM_NOSLEEP | VM_FIRSTFIT);
	CU_ASSERT_PTR_EQUAL(q, ADDR(1060));
	CU_ASSERT_EQUAL(vmem_resize(vmp, 1000, 60, 61), -ENOMEM);
	CU_ASSERT_EQUAL(vmem_resize(vmp, 1000, 60, 20), 0);
	CU_ASSERT_EQUAL(vmem_resize(vmp, 1000, 20, 60), 0);
	CU_ASSERT_EQUAL(vmem_resize(vmp, 1060, 10, 40), 0);
	CU_ASSERT_EQUAL(vmem_size(vmp, VMEM_FREE), 0);
	CU_ASSERT_EQUAL(vmem_resize(vmp, 1060, 40, 41), -ENOMEM);
	CU_ASSERT_EQUAL(vmem_resize(vmp, 1060, 40, 0), -EINVAL);
	CU_ASSERT_EQUAL(vmem_resize(vmp, 1061, 40, 10), -EINVAL);
	CU_ASSERT_EQUAL(n_reports, 0);
	CU_ASSERT_EQUAL(vmem_resize(vmp, 1060, 39, 10), -ERANGE);
	CU_ASSERT(was_reported("wrong size"));
	vmem_set_error_handler(NULL);
	check(vmp);
	vmem_free(vmp, p, 60);
	vmem_free(vmp, q, 40);
	vmem_destroy(vmp);
}

/* From the middle of a span, from its ends, and what is left of it whole; never what is in use. */
static void
space_is_taken_out_again(void)
{
	vmem_t *vmp = vmem_create("ids", ADDR(1), 100, 1, NULL, NULL, NULL, 0, VM_NOSLEEP);

	CU_ASSERT_EQUAL(vmem_remove(vmp, 41, 20), 0);
	CU_ASSERT_EQUAL(vmem_size(vmp, VMEM_ALLOC | VMEM_FREE), 80);
	CU_ASSERT(!vmem_contains(vmp, ADDR(40), 2));
	CU_ASSERT(vmem_contains(vmp, ADDR(61), 40));
	CU_ASSERT_EQUAL(vmem_remove(vmp, 41, 1), -ENOENT);
	CU_ASSERT_EQUAL(vmem_remove(vmp, 40, 2), -ENOENT);
	CU_ASSERT_PTR_NULL(vmem_alloc(vmp, 41, VM_NOSLEEP));
	CU_ASSERT_EQUAL(vmem_claim(vmp, 10, 1), 0);
	CU_ASSERT_EQUAL(vmem_remove(vmp, 5, 10), -EBUSY);
	CU_ASSERT_EQUAL(vmem_remove(vmp, 1, 9), 0);
	CU_ASSERT_EQUAL(vmem_remove(vmp, 11, 30), 0);
	CU_ASSERT_EQUAL(vmem_remove(vmp, 61, 40), 0);
	CU_ASSERT_EQUAL(vmem_size(vmp, VMEM_ALLOC | VMEM_FREE), 1);
	check(vmp);
	vmem_xfree(vmp, ADDR(10), 1);
	CU_ASSERT_EQUAL(vmem_remove(vmp, 10, 1), 0);
	CU_ASSERT_PTR_NULL(vmem_alloc(vmp, 1, VM_NOSLEEP));
	/* And put in again. */
	CU_ASSERT_PTR_NOT_NULL(vmem_add(vmp, ADDR(1), 100, VM_NOSLEEP));
	CU_ASSERT_EQUAL(vmem_size(vmp, VMEM_MAXFREE), 100);
	check(vmp);
	vmem_destroy(vmp);
}

/* Thousands of spans in no order, some of them cut in two and some taken out again: each is found
 * in a few dozen steps, whichever was looked at before. */
static void
thousands_of_spans_are_found(void)
{
	enum { N = 4096, STEP = 1531, BYTES = 100 }; /* STEP is a prime */
	vmem_t *vmp = vmem_create("spans", NULL, 0, 1, NULL, NULL, NULL, 0, VM_NOSLEEP);
	u64 n_steps, n_most = 0, before;

#define SPAN(i) (1000ull + 2ull * BYTES * ((u64)(i)*STEP % N))
	for (u32 i = 0; i < N; i++)
		CU_ASSERT_PTR_NOT_NULL(vmem_add(vmp, ADDR(SPAN(i)), BYTES, VM_NOSLEEP));
	check(vmp);
	for (u32 i = 0; i < N; i += 4) {
		CU_ASSERT_EQUAL(vmem_remove(vmp, SPAN(i) + 40, 20), 0);
		CU_ASSERT_EQUAL(vmem_remove(vmp, SPAN(i + 1), BYTES), 0);
		CU_ASSERT_EQUAL(vmem_remove(vmp, SPAN(i + 2), 10), 0);
	}
	check(vmp);
	for (u32 i = 0; i < N; i++) {
		before = vmp->vm_kstat.vk_contains_search;
		CU_ASSERT_EQUAL(vmem_contains(vmp, ADDR(SPAN(i) + 10), 30), i % 4 != 1);
		CU_ASSERT_EQUAL(vmem_contains(vmp, ADDR(SPAN(i) + 30), 40), i % 4 >= 2);
		CU_ASSERT(!vmem_contains(vmp, ADDR(SPAN(i) + BYTES), 1));
		n_steps = vmp->vm_kstat.vk_contains_search - before;
		n_most = clib_max(n_most, n_steps / 3);
	}
	printf("at most %llu steps among %u spans\n", (unsigned long long)n_most, N);
	CU_ASSERT(n_most <= 48); /* four times the logarithm */
	for (u32 i = 0; i < N; i += 4) {
		CU_ASSERT_PTR_NOT_NULL(vmem_add(vmp, ADDR(SPAN(i) + 40), 20, VM_NOSLEEP));
		CU_ASSERT_EQUAL(vmem_remove(vmp, SPAN(i), 40), 0);
	}
	check(vmp);
#undef SPAN
	vmem_destroy(vmp);
}

/* As many as there is room for, here and in the source; given back together. */
static void
bursts_take_what_there_is(void)
{
	vmem_t *source = vmem_create("source", ADDR(1), 300, 1, NULL, NULL, NULL, 0, VM_NOSLEEP);
	vmem_t *vmp = vmem_create("burst", ADDR(1000), 200, 1, vmem_alloc, vmem_free, source, 0,
				  VM_NOSLEEP);
	uword addrs[256], strangers[3] = { 1000, 7777, 1005 };
	u32 n = vmem_alloc_burst(vmp, 5, VMEM_POLICY_INSTANT, 0, addrs, ARRAY_LEN(addrs));

	CU_ASSERT_EQUAL(n, 200 / 5 + 300 / 5);
	CU_ASSERT_EQUAL(vmem_size(vmp, VMEM_ALLOC), 500);
	check(vmp);
	vmem_free_burst(vmp, addrs, n, 5, 0);
	CU_ASSERT_EQUAL(vmem_size(vmp, VMEM_ALLOC), 0);
	CU_ASSERT_EQUAL(vmem_size(source, VMEM_ALLOC), 0);
	CU_ASSERT_EQUAL(vmem_alloc_burst(vmp, 0, VMEM_POLICY_BEST, 0, addrs, 2), 0);
	/* A stranger among them is named, the others are freed. */
	n = vmem_alloc_burst(vmp, 5, VMEM_POLICY_FIRST, 0, addrs, 2);
	CU_ASSERT_EQUAL(n, 2);
	vmem_set_error_handler(note_report);
	n_reports = 0;
	vmem_free_burst(vmp, strangers, 3, 5, 0);
	CU_ASSERT(was_reported("bad free"));
	vmem_set_error_handler(NULL);
	CU_ASSERT_EQUAL(vmem_size(vmp, VMEM_ALLOC), 0);
	check(vmp);
	vmem_destroy(vmp);
	vmem_destroy(source);
}

/* Imports stop at the limit; the source can be set while there is no span. */
static void
imports_have_a_limit(void)
{
	vmem_t *source =
		vmem_create("source", ADDR(1000), 1000, 1, NULL, NULL, NULL, 0, VM_NOSLEEP);
	vmem_t *vmp = vmem_create("limited", NULL, 0, 1, NULL, NULL, NULL, 0, VM_NOSLEEP);
	void *p, *q;

	CU_ASSERT_EQUAL(vmem_set_import(vmp, vmem_alloc, vmem_free, source, 64), 0);
	vmem_set_limit(vmp, 200);
	p = vmem_alloc(vmp, 10, VM_NOSLEEP);
	CU_ASSERT_EQUAL(vmem_size(source, VMEM_ALLOC), 64);
	CU_ASSERT_EQUAL(vmem_set_import(vmp, NULL, NULL, NULL, 0), -EBUSY);
	q = vmem_alloc(vmp, 100, VM_NOSLEEP);
	CU_ASSERT_PTR_NOT_NULL(q);
	CU_ASSERT_PTR_NULL(vmem_alloc(vmp, 100, VM_NOSLEEP));
	CU_ASSERT_EQUAL(vmp->vm_kstat.vk_limit, 1);
	CU_ASSERT_EQUAL(vmem_size(source, VMEM_ALLOC), 64 + 128);
	vmem_free(vmp, q, 100);
	vmem_set_limit(vmp, 0);
	q = vmem_alloc(vmp, 500, VM_NOSLEEP);
	CU_ASSERT_PTR_NOT_NULL(q);
	vmem_free(vmp, q, 500);
	vmem_free(vmp, p, 10);
	CU_ASSERT_EQUAL(vmem_size(source, VMEM_ALLOC), 0);
	vmem_destroy(vmp);
	vmem_destroy(source);
}

/* The k-th request fails, once, whatever it is; each k in turn leaves the arena whole. */
static void
the_kth_request_fails(void)
{
	vmem_t *vmp = vmem_create("ids", ADDR(1), 100, 1, NULL, NULL, NULL, 0, VM_NOSLEEP);
	uword addr;

	for (u32 k = 1; k <= 12; k++) {
		u32 failed = 0;

		vmem_fail_at(vmp, k);
		for (u32 i = 1; i <= 12; i++) {
			int error =
				i % 3 == 0 ? vmem_claim(vmp, 2 * i, 1)
				: i % 3 == 1
					? (vmem_alloc_burst(vmp, 1, VMEM_POLICY_BEST, 0, &addr, 1)
						   ? 0
						   : -ENOMEM)
					: (vmem_alloc(vmp, 1, VM_SLEEP) ? 0 : -ENOMEM);

			failed |= (u32)(error != 0) << i;
		}
		/* A burst tries once more by itself, so its failure is made up for. */
		CU_ASSERT(failed == 1u << k || (k % 3 == 1 && failed == 0));
		check(vmp);
		for (uword a = 1; a <= 100; a++) {
			vmem_set_error_handler(note_report);
			if (vmem_resize(vmp, a, 1, 1) == 0) {
				u64 n_bad = vmp->vm_kstat.vk_bad_free;

				vmem_free(vmp, ADDR(a), 1);
				if (vmp->vm_kstat.vk_bad_free != n_bad)
					vmem_xfree(vmp, ADDR(a), 1);
			}
			vmem_set_error_handler(NULL);
		}
		CU_ASSERT_EQUAL(vmem_size(vmp, VMEM_ALLOC), 0);
	}
	CU_ASSERT_EQUAL(vmp->vm_kstat.vk_induced, 12);
	vmem_destroy(vmp);
}

/* The copy of the counters is right when nobody works, by power of two as well. */
static void
counters_need_no_lock(void)
{
	vmem_t *vmp =
		vmem_create("bytes", ADDR(1 << 20), 1 << 20, 16, NULL, NULL, NULL, 0, VM_NOSLEEP);
	void *p[10];
	vmem_stats_t s;

	for (u32 i = 0; i < 10; i++)
		p[i] = vmem_alloc(vmp, 20 + 100 * i, VM_NOSLEEP);
	/* With the lock held, no less: a reader waits for nobody. */
	vmem_lock(&vmp->vm_lock);
	vmem_get_stats(vmp, &s);
	vmem_unlock(&vmp->vm_lock);
	CU_ASSERT_EQUAL(s.n_segs, 10);
	CU_ASSERT_EQUAL(s.kstat.vk_alloc, 10);
	CU_ASSERT_EQUAL(s.kstat.vk_mem_inuse, 10 * 20 + 100 * 45);
	CU_ASSERT_EQUAL(s.order[5].n_alloc, 1);      /* 32 */
	CU_ASSERT_EQUAL(s.order[5].alloc_bytes, 32); /* rounded */
	CU_ASSERT_EQUAL(s.order[9].n_alloc, 5);      /* 528 to 928 */
	CU_ASSERT_EQUAL(s.n_free, 1);
	CU_ASSERT_EQUAL(s.order[19].n_free, 1);
	for (u32 i = 0; i < 10; i++)
		vmem_free(vmp, p[i], 20 + 100 * i);
	vmem_get_stats(vmp, &s);
	CU_ASSERT_EQUAL(s.order[20].free_bytes, 1 << 20);
	CU_ASSERT_EQUAL(s.order[9].n_alloc, 0);
	vmem_destroy(vmp);
}

/* ---- quantum caches: one slab each, a bit for every object ---- */

typedef struct {
	vmem_t *vmp;
	uword size, slab_bytes, slab;
	u64 taken; /* bit for each object of the slab */
	u32 n_slabs, n_allocs, n_frees, n_fails;
	char name[32];
} mock_t;

static mock_t mocks[32];
static u32 n_mocks;

static void *
mock_create(vmem_t *vmp, const char *name, uword size, uword slab_bytes, uword quantum)
{
	mock_t *m = &mocks[n_mocks++ % ARRAY_LEN(mocks)];

	*m = (mock_t){ .vmp = vmp, .size = size, .slab_bytes = slab_bytes };
	snprintf(m->name, sizeof(m->name), "%s", name);
	return m;
}

static uword
mock_reap(void *cache)
{
	mock_t *m = cache;

	if (m->n_slabs == 0 || m->taken)
		return 0;
	CU_ASSERT_EQUAL(_vmem_qcache_slab_free(m->vmp, m->slab, m->slab_bytes), 0);
	m->n_slabs = 0;
	return m->slab_bytes;
}

static void
mock_destroy(void *cache)
{
	((mock_t *)cache)->taken = 0;
	mock_reap(cache);
}

static int
mock_alloc(void *cache, int vm_flags, uword *addr)
{
	mock_t *m = cache;
	u32 n = (u32)(m->slab_bytes / m->size);

	CU_ASSERT(vm_flags & VM_NOSLEEP);
	if (m->n_slabs == 0) {
		if (_vmem_qcache_slab_alloc(m->vmp, m->slab_bytes, m->slab_bytes, vm_flags,
					    &m->slab))
			return m->n_fails++, -ENOMEM;
		m->n_slabs = 1;
	}
	for (u32 i = 0; i < n; i++) {
		if (m->taken >> i & 1)
			continue;
		m->taken |= 1ull << i;
		m->n_allocs++;
		*addr = m->slab + i * m->size;
		return 0;
	}
	return m->n_fails++, -ENOMEM;
}

static int
mock_free(void *cache, uword addr)
{
	mock_t *m = cache;
	uword i = (addr - m->slab) / m->size;

	if (m->n_slabs == 0 || addr - m->slab >= m->slab_bytes || (addr - m->slab) % m->size)
		return -EINVAL;
	if (!(m->taken >> i & 1))
		return -EALREADY;
	m->taken &= ~(1ull << i);
	m->n_frees++;
	return 0;
}

static void
mock_stats(void *cache, vmem_qcache_stats_t *stats)
{
	mock_t *m = cache;

	*stats = (vmem_qcache_stats_t){ .size = m->size,
					.n_alloc = m->n_allocs - m->n_frees,
					.n_slabs = m->n_slabs,
					.n_allocs = m->n_allocs,
					.n_frees = m->n_frees,
					.n_fails = m->n_fails };
}

static const vmem_qcache_ops_t mock_ops = {
	mock_create, mock_destroy, mock_alloc, mock_free, mock_reap, mock_stats,
};

/* Sizes up to qcache_max go to a cache each, larger ones and xalloc past them; slabs are the next
 * power of two above three of the largest; address 0 is one. */
static void
small_sizes_are_fronted(void)
{
	vmem_t *vmp = vmem_create("fronted", ADDR(16), 16 * 4095, 16, NULL, NULL, NULL, 5 * 16,
				  VM_NOSLEEP);
	vmem_qcache_stats_t stats[VMEM_NQCACHE_MAX];
	void *p[8], *x;

	CU_ASSERT_EQUAL(vmem_qcache_stats(vmp, stats), 5);
	CU_ASSERT_STRING_EQUAL(((mock_t *)vmp->vm_qcache[0])->name, "fronted_16");
	CU_ASSERT_STRING_EQUAL(((mock_t *)vmp->vm_qcache[4])->name, "fronted_80");
	CU_ASSERT_EQUAL(((mock_t *)vmp->vm_qcache[4])->slab_bytes, 256);
	for (u32 i = 0; i < 8; i++)
		p[i] = vmem_alloc(vmp, 16 * (i + 1) - 3, VM_NOSLEEP);
	vmem_qcache_stats(vmp, stats);
	for (u32 i = 0; i < 5; i++)
		CU_ASSERT_EQUAL(stats[i].n_alloc, 1);
	x = vmem_xalloc(vmp, 16, 0, 0, 0, NULL, NULL, VM_NOSLEEP);
	CU_ASSERT_PTR_NOT_NULL(x);
	/* Five slabs, three large ones, one xalloc. */
	CU_ASSERT_EQUAL(vmp->vm_n_segs, 9);
	CU_ASSERT_EQUAL(pointer_to_uword(p[0]) % 16, 0);
	vmem_xfree(vmp, x, 16);
	for (u32 i = 0; i < 8; i++)
		vmem_free(vmp, p[i], 16 * (i + 1) - 3);
	CU_ASSERT_EQUAL(vmp->vm_n_segs, 5);
	CU_ASSERT_EQUAL(vmem_vacate(vmp), 5 * 256);
	CU_ASSERT_EQUAL(vmp->vm_n_segs, 0);
	check(vmp);
	vmem_destroy(vmp);
}

/* A double free of a cached object is named, and so is one that no cache handed out. */
static void
a_cache_names_a_double_free(void)
{
	vmem_t *vmp =
		vmem_create("fronted", ADDR(16), 16 * 63, 16, NULL, NULL, NULL, 16, VM_NOSLEEP);
	void *p = vmem_alloc(vmp, 16, VM_NOSLEEP);

	vmem_set_error_handler(note_report);
	n_reports = 0;
	vmem_free(vmp, p, 16);
	CU_ASSERT_EQUAL(n_reports, 0);
	vmem_free(vmp, p, 16);
	CU_ASSERT(was_reported("double free"));
	vmem_free(vmp, ADDR(pointer_to_uword(p) + 8), 16);
	CU_ASSERT(was_reported("bad free"));
	vmem_free(vmp, ADDR(0x100000), 16);
	CU_ASSERT(was_reported("bad free"));
	CU_ASSERT_EQUAL(vmp->vm_kstat.vk_bad_free, 3);
	vmem_set_error_handler(NULL);
	vmem_destroy(vmp);
}

static void *
sleep_for_one(void *arg)
{
	return vmem_alloc(arg, 16, VM_SLEEP);
}

typedef struct {
	void *kept;
	u32 n_calls, n_got;
} reclaimer_t;

/* Works in the arena that it makes room in. */
static void
swap_kept(vmem_t *vmp, int flags, void *arg)
{
	reclaimer_t *r = arg;

	r->n_calls++;
	r->n_got += vmem_alloc(vmp, 64, VM_NOSLEEP) != NULL;
	if (r->kept)
		vmem_free(vmp, r->kept, 64);
	r->kept = NULL;
}

/* A reclaim function that allocates from its own arena is not called again for that: the request
 * that it makes fails, and the one that it is called for has what it gives. */
static void
reclaim_may_allocate(void)
{
	vmem_t *vmp = vmem_create("self", ADDR(64), 128, 64, NULL, NULL, NULL, 0, VM_NOSLEEP);
	reclaimer_t r = { .kept = vmem_alloc(vmp, 64, VM_NOSLEEP) };
	void *p = vmem_alloc(vmp, 64, VM_NOSLEEP), *q;

	vmem_set_reclaim(vmp, swap_kept, &r);
	q = vmem_alloc(vmp, 64, VM_NOSLEEP);
	CU_ASSERT_PTR_NOT_NULL(q);
	CU_ASSERT_EQUAL(r.n_calls, 1);
	CU_ASSERT_EQUAL(r.n_got, 0);
	CU_ASSERT_PTR_NULL(vmem_alloc(vmp, 64, VM_NOSLEEP));
	CU_ASSERT_EQUAL(r.n_calls, 2);
	vmem_free(vmp, p, 64);
	vmem_free(vmp, q, 64);
	vmem_destroy(vmp);
}

/* Room for a slab there is not: a quantum from the arena does.  Before a request fails or sleeps
 * the caches are reaped; and a sleeper is woken by what is freed to a cache. */
static void
caches_make_room(void)
{
	vmem_t *vmp = vmem_create("tight", ADDR(64), 128, 16, NULL, NULL, NULL, 16, VM_NOSLEEP);
	void *p[8], *all, *got;
	pthread_t thread;

	/* A slab of 64 bytes for four, then four more from the arena itself. */
	for (u32 i = 0; i < 8; i++)
		CU_ASSERT_PTR_NOT_NULL(p[i] = vmem_alloc(vmp, 16, VM_NOSLEEP));
	CU_ASSERT_PTR_NULL(vmem_alloc(vmp, 16, VM_NOSLEEP));
	pthread_create(&thread, NULL, sleep_for_one, vmp);
	while (vmem_sleepers(vmp, NULL, 0) == 0)
		sched_yield();
	vmem_free(vmp, p[2], 16);
	pthread_join(thread, &got);
	CU_ASSERT_PTR_EQUAL(got, p[2]);
	for (u32 i = 0; i < 8; i++)
		vmem_free(vmp, p[i], 16);
	CU_ASSERT_EQUAL(vmp->vm_n_segs, 1);
	all = vmem_alloc(vmp, 128, VM_NOSLEEP);
	CU_ASSERT_PTR_EQUAL(all, ADDR(64));
	CU_ASSERT(vmp->vm_kstat.vk_reclaim > 0);
	vmem_free(vmp, all, 128);
	check(vmp);
	vmem_destroy(vmp);
}

static const unit_test_t tests[] = {
	UNIT(claims_are_exact),          UNIT(sizes_change_in_place),
	UNIT(space_is_taken_out_again),  UNIT(thousands_of_spans_are_found),
	UNIT(bursts_take_what_there_is), UNIT(imports_have_a_limit),
	UNIT(the_kth_request_fails),     UNIT(counters_need_no_lock),
	UNIT(small_sizes_are_fronted),   UNIT(a_cache_names_a_double_free),
	UNIT(caches_make_room),          UNIT(reclaim_may_allocate),
};

int
main(void)
{
	vmem_set_qcache_ops(&mock_ops);
	return unit_run("vmem_room", tests, ARRAY_LEN(tests));
}
