/* SPDX-License-Identifier: Apache-2.0 */
/* Object caches: layout, the way of objects between slabs, depot and magazines, construction,
 * exhaustion, and what each of the kernels' names does. */
#include "../unit.h"
#include "child.h"

#include <pthread.h>
#include <vppinfra/kmem.h>
#include <vppinfra/percpu.h>
#include <vppinfra/vmem.h>

static clib_kmem_error_t last_error;
static u32 n_errors;

static void
note_error(const clib_kmem_error_t *e)
{
	last_error = *e;
	n_errors++;
}

static void
hook_errors(void)
{
	n_errors = 0;
	memset(&last_error, 0, sizeof(last_error));
	clib_kmem_set_error_handler(note_error);
}

static clib_kmem_cache_t *
cache_of(const clib_kmem_params_t *p)
{
	clib_kmem_cache_t *c = NULL;

	CU_ASSERT_EQUAL_FATAL(clib_kmem_cache_make(p, &c), 0);
	return c;
}

static clib_kmem_cache_t *
plain_cache(const char *name, uword object_bytes)
{
	const clib_kmem_params_t p = { .name = name, .object_bytes = object_bytes };

	return cache_of(&p);
}

/* Straight to the slabs, so that counts follow each call. */
static clib_kmem_cache_t *
slab_cache(const char *name, uword object_bytes, uword slab_bytes)
{
	const clib_kmem_params_t p = { .name = name,
				       .object_bytes = object_bytes,
				       .slab_bytes = slab_bytes,
				       .flags = CLIB_KMEM_NO_MAGAZINES };

	return cache_of(&p);
}

static clib_kmem_stats_t
stats_of(clib_kmem_cache_t *c)
{
	clib_kmem_stats_t s;

	clib_kmem_cache_get_stats(c, &s);
	return s;
}

static int
check(clib_kmem_cache_t *c)
{
	char what[128];
	int error = clib_kmem_cache_check(c, what, sizeof(what));

	if (error == -EUCLEAN)
		printf("%s\n", what);
	return error;
}

/* A memory arena of exactly so many bytes, so that it can be exhausted. */
typedef struct {
	vmem_t *arena, *heap;
	vmem_free_t *ffunc;
	void *base;
	uword n_bytes;
} small_arena_t;

static small_arena_t
small_arena(uword n_bytes)
{
	small_arena_t s = { .n_bytes = n_bytes };
	vmem_alloc_t *afunc;

	s.heap = vmem_mmap_arena(&afunc, &s.ffunc);
	/* Slabs begin on multiples of their size. */
	s.n_bytes += KiB(64);
	s.base = afunc(s.heap, s.n_bytes, VM_NOSLEEP);
	s.arena = vmem_create("small", (void *)round_pow2((uword)s.base, KiB(64)), n_bytes, 4096,
			      NULL, NULL, NULL, 0, VM_NOSLEEP);
	return s;
}

static void
small_arena_free(small_arena_t *s)
{
	CU_ASSERT_EQUAL(vmem_size(s->arena, VMEM_ALLOC), 0);
	vmem_destroy(s->arena);
	s->ffunc(s->heap, s->base, s->n_bytes);
}

/* ---- objects ---- */

/* Objects do not overlap, keep what is written, and begin on their alignment. */
static void
objects_are_apart_and_aligned(void)
{
	static const struct {
		uword bytes, align;
	} kinds[] = { { 1, 0 },       { 3, 0 },     { 8, 0 },         { 24, 8 },
		      { 40, 64 },     { 100, 4 },   { 256, 256 },     { 1000, 0 },
		      { 4096, 4096 }, { 9000, 16 }, { 70000, 65536 }, { 300000, 0 } };

	for (u32 kind = 0; kind < ARRAY_LEN(kinds); kind++) {
		const clib_kmem_params_t p = { .name = "apart",
					       .object_bytes = kinds[kind].bytes,
					       .align = kinds[kind].align };
		clib_kmem_cache_t *c = cache_of(&p);
		u8 *objects[200];
		u32 n = kinds[kind].bytes > 65536 ? 8 : ARRAY_LEN(objects);
		uword align = stats_of(c).align, n_wrong = 0;

		for (u32 i = 0; i < n; i++) {
			objects[i] = kmem_cache_alloc(c, 0);
			CU_ASSERT_PTR_NOT_NULL_FATAL(objects[i]);
			n_wrong += (uword)objects[i] % align != 0;
			memset(objects[i], (int)i, kinds[kind].bytes);
		}
		for (u32 i = 0; i < n; i++)
			for (uword b = 0; b < kinds[kind].bytes; b++)
				n_wrong += objects[i][b] != (u8)i;
		CU_ASSERT_EQUAL(n_wrong, 0);
		CU_ASSERT_EQUAL(stats_of(c).n_live, n);
		CU_ASSERT_EQUAL(check(c), 0);
		for (u32 i = 0; i < n; i++)
			kmem_cache_free(c, objects[i]);
		CU_ASSERT_EQUAL(check(c), 0);
		CU_ASSERT_EQUAL(kmem_cache_destroy(c), 0);
	}
}

/* A slab is chosen so that at most an eighth of it is neither objects nor bookkeeping. */
static void
slabs_waste_an_eighth_at_most(void)
{
	u64 n_wrong = 0;

	for (uword bytes = 1; bytes < KiB(200); bytes += 1 + bytes / 7) {
		clib_kmem_cache_t *c = plain_cache("waste", bytes);
		clib_kmem_stats_t s = stats_of(c);

		n_wrong += s.waste_bytes > s.slab_bytes / 8;
		n_wrong += !is_pow2(s.slab_bytes);
		/* Small objects have their bookkeeping with them, large ones elsewhere. */
		n_wrong += s.is_off_slab != (s.chunk_bytes >= s.slab_bytes / 8);
		kmem_cache_destroy(c);
	}
	CU_ASSERT_EQUAL(n_wrong, 0);
}

/* The last object given back is the first handed out: it is still in the processor's cache. */
static void
freed_last_comes_first(void)
{
	clib_kmem_cache_t *c = plain_cache("lifo", 64);
	void *a = kmem_cache_alloc(c, 0), *b = kmem_cache_alloc(c, 0);

	kmem_cache_free(c, a);
	kmem_cache_free(c, b);
	CU_ASSERT_PTR_EQUAL(kmem_cache_alloc(c, 0), b);
	CU_ASSERT_PTR_EQUAL(kmem_cache_alloc(c, 0), a);
	kmem_cache_free(c, a);
	kmem_cache_free(c, b);
	kmem_cache_free(c, NULL);
	CU_ASSERT_EQUAL(stats_of(c).n_allocs, 4);
	CU_ASSERT_EQUAL(stats_of(c).n_frees, 4);
	CU_ASSERT_EQUAL(kmem_cache_destroy(c), 0);
}

/* A dirty object comes back zeroed when that is asked for, by either spelling and in bulk. */
static void
zeroing_is_for_the_asking(void)
{
	static const u8 zero[96];
	clib_kmem_cache_t *c = plain_cache("zero", sizeof(zero));
	void *p = kmem_cache_alloc(c, 0), *q;

	memset(p, 0xff, sizeof(zero));
	kmem_cache_free(c, p);
	q = kmem_cache_zalloc(c, 0);
	CU_ASSERT_PTR_EQUAL(q, p);
	CU_ASSERT_EQUAL(memcmp(q, zero, sizeof(zero)), 0);
	memset(q, 0xff, sizeof(zero));
	kmem_cache_free(c, q);
	CU_ASSERT_EQUAL(kmem_cache_alloc_bulk(c, CLIB_KMEM_ZERO, 1, &q), 1);
	CU_ASSERT_EQUAL(memcmp(q, zero, sizeof(zero)), 0);
	kmem_cache_free_bulk(c, 1, &q);
	CU_ASSERT_EQUAL(kmem_cache_destroy(c), 0);
}

/* ---- slabs ---- */

/* One slab's worth and one more, and back: the counts of each list tell the way. */
static void
a_slab_goes_empty_partial_full_empty(void)
{
	clib_kmem_cache_t *c = slab_cache("walk", 128, 4096);
	u32 n = (u32)stats_of(c).n_objects_per_slab;
	void *objects[64];
	clib_kmem_stats_t s;

	CU_ASSERT_TRUE_FATAL(n > 2 && n < ARRAY_LEN(objects));
	CU_ASSERT_EQUAL(stats_of(c).n_slabs, 0);
	for (u32 i = 0; i < n; i++) {
		objects[i] = kmem_cache_alloc(c, 0);
		s = stats_of(c);
		CU_ASSERT_EQUAL(s.n_slabs, 1);
		CU_ASSERT_EQUAL(s.n_partial, i + 1 < n);
		CU_ASSERT_EQUAL(s.n_full, i + 1 == n);
	}
	objects[n] = kmem_cache_alloc(c, 0);
	s = stats_of(c);
	CU_ASSERT_EQUAL(s.n_full, 1);
	CU_ASSERT_EQUAL(s.n_partial, 1);
	kmem_cache_free(c, objects[n]);
	s = stats_of(c);
	CU_ASSERT_EQUAL(s.n_partial, 0);
	CU_ASSERT_EQUAL(s.n_empty, 1);
	for (u32 i = 0; i < n; i++) {
		kmem_cache_free(c, objects[i]);
		s = stats_of(c);
		CU_ASSERT_EQUAL(s.n_full, 0);
		CU_ASSERT_EQUAL(s.n_partial, i + 1 < n);
		CU_ASSERT_EQUAL(s.n_live, n - i - 1);
		CU_ASSERT_EQUAL(check(c), 0);
	}
	CU_ASSERT_EQUAL(stats_of(c).n_empty, 2);
	/* Two empty slabs stay until somebody asks for them. */
	CU_ASSERT_EQUAL(kmem_cache_shrink(c), 2 * 4096);
	s = stats_of(c);
	CU_ASSERT_EQUAL(s.n_slabs, 0);
	CU_ASSERT_EQUAL(s.n_slabs_created, 2);
	CU_ASSERT_EQUAL(s.n_slabs_destroyed, 2);
	CU_ASSERT_EQUAL(kmem_cache_destroy(c), 0);
}

/* Successive slabs begin their objects at offsets that are all different until every colour that
 * the slack has room for was used, and then again from the first. */
static void
colours_are_distinct(void)
{
	/* 5 objects of 3000 in 16 KiB: 1384 bytes over, so 22 steps of a line. */
	clib_kmem_cache_t *c = slab_cache("colour", 3000, KiB(16));
	clib_kmem_stats_t s = stats_of(c);
	static void *objects[64][5];
	uword offsets[64], n_wrong = 0;

	CU_ASSERT_EQUAL(s.n_objects_per_slab, 5);
	CU_ASSERT_EQUAL(s.colour_bytes, 64);
	CU_ASSERT_EQUAL_FATAL(s.n_colours, 1384 / 64 + 1);
	for (u32 i = 0; i < ARRAY_LEN(offsets); i++) {
		for (u32 k = 0; k < 5; k++)
			objects[i][k] = kmem_cache_alloc(c, 0);
		offsets[i] = (uword)objects[i][0] % KiB(16);
		n_wrong += offsets[i] != i % s.n_colours * 64;
	}
	CU_ASSERT_EQUAL(n_wrong, 0);
	CU_ASSERT_EQUAL(stats_of(c).n_full, ARRAY_LEN(offsets));
	for (u32 i = 0; i < ARRAY_LEN(offsets); i++)
		kmem_cache_free_bulk(c, 5, objects[i]);
	CU_ASSERT_EQUAL(kmem_cache_destroy(c), 0);
}

/* Thousands of slabs: the table that finds them grows with them, and shrinking gives all back. */
static void
many_slabs_are_found(void)
{
	enum { N = 20000 };
	clib_kmem_cache_t *c = slab_cache("many", 2000, 4096);
	void **objects = malloc(N * sizeof(void *));
	u64 n_wrong = 0;

	for (u32 i = 0; i < N; i++) {
		objects[i] = kmem_cache_alloc(c, 0);
		*(u32 *)objects[i] = i;
	}
	CU_ASSERT_EQUAL(stats_of(c).n_slabs, N / 2);
	CU_ASSERT_EQUAL(check(c), 0);
	for (u32 i = 0; i < N; i++) {
		u32 k = (u32)(i * 7919ull % N);

		n_wrong += *(u32 *)objects[k] != k;
		n_wrong += clib_kmem_cache_free_checked(c, objects[k]) != 0;
	}
	CU_ASSERT_EQUAL(n_wrong, 0);
	CU_ASSERT_EQUAL(check(c), 0);
	kmem_cache_shrink(c);
	CU_ASSERT_EQUAL(stats_of(c).n_slabs, 0);
	free(objects);
	CU_ASSERT_EQUAL(kmem_cache_destroy(c), 0);
}

/* ---- construction ---- */

typedef struct {
	u32 magic, n_uses;
	void *self;
} built_t;

static u64 n_built, n_torn_down;
static u32 fail_ctor_at;

static int
build(void *object, void *arg, int flags)
{
	built_t *b = object;

	if (fail_ctor_at && --fail_ctor_at == 0)
		return -1;
	b->magic = 0xb01d;
	b->n_uses = 0;
	b->self = arg;
	n_built++;
	return 0;
}

static void
tear_down(void *object, void *arg)
{
	built_t *b = object;

	CU_ASSERT_EQUAL(b->magic, 0xb01d);
	b->magic = 0;
	n_torn_down++;
}

/* An object is built once, when it is first handed out, keeps its state through frees, and is torn
 * down once, when its slab goes: not at each allocation. */
static void
an_object_is_built_once_in_its_life(void)
{
	clib_kmem_cache_t *c = kmem_cache_create("built", sizeof(built_t), 0, build, tear_down,
						 NULL, &n_built, NULL, 0);
	built_t *objects[100];
	u64 n_wrong = 0;

	n_built = n_torn_down = 0;
	for (u32 round = 0; round < 50; round++) {
		for (u32 i = 0; i < ARRAY_LEN(objects); i++) {
			objects[i] = kmem_cache_alloc(c, KM_NOSLEEP);
			n_wrong += objects[i]->magic != 0xb01d || objects[i]->self != &n_built;
			objects[i]->n_uses++;
		}
		for (u32 i = 0; i < ARRAY_LEN(objects); i++)
			kmem_cache_free(c, objects[i]);
	}
	CU_ASSERT_EQUAL(n_wrong, 0);
	/* What a batch brought along was built too; 5000 allocations built no more than that. */
	CU_ASSERT_TRUE(n_built >= 100 && n_built <= 100 + 64);
	CU_ASSERT_EQUAL(n_torn_down, 0);
	kmem_cache_shrink(c);
	CU_ASSERT_EQUAL(n_torn_down, n_built);
	CU_ASSERT_EQUAL(stats_of(c).n_slabs, 0);
	CU_ASSERT_EQUAL(kmem_cache_destroy(c), 0);
}

/* A constructor that refuses makes that allocation fail; nothing is lost, and the object is built
 * when it is asked for again. */
static void
a_constructor_may_refuse(void)
{
	clib_kmem_params_t p = { .name = "refuses",
				 .object_bytes = sizeof(built_t),
				 .flags = CLIB_KMEM_NO_MAGAZINES,
				 .ctor = build,
				 .dtor = tear_down };
	clib_kmem_cache_t *c = cache_of(&p);
	void *object;

	n_built = n_torn_down = 0;
	fail_ctor_at = 1;
	CU_ASSERT_PTR_NULL(kmem_cache_alloc(c, 0));
	CU_ASSERT_EQUAL(stats_of(c).n_fails, 1);
	CU_ASSERT_EQUAL(stats_of(c).n_live, 0);
	CU_ASSERT_EQUAL(check(c), 0);
	object = kmem_cache_alloc(c, 0);
	CU_ASSERT_PTR_NOT_NULL(object);
	CU_ASSERT_EQUAL(n_built, 1);
	kmem_cache_free(c, object);
	CU_ASSERT_EQUAL(kmem_cache_destroy(c), 0);
	CU_ASSERT_EQUAL(n_torn_down, 1);
}

static void
init_linux(void *object)
{
	((built_t *)object)->magic = 0x11;
	n_built++;
}

/* Five arguments are Linux' call and nine illumos'; the bare names are the real ones' addresses,
 * so they serve as callbacks. */
static void
both_kernels_calls_create_caches(void)
{
	struct kmem_cache *linux_cache =
		kmem_cache_create("linux", sizeof(built_t), 64, SLAB_HWCACHE_ALIGN, init_linux);
	kmem_cache_t *illumos_cache =
		kmem_cache_create("illumos", 100, 0, NULL, NULL, NULL, NULL, NULL, KMC_NOMAGAZINE);
	umem_cache_t *umem =
		umem_cache_create("umem", 100, 0, NULL, NULL, NULL, NULL, NULL, UMC_NODEBUG);
	/* Volatile: gcc -Og sees through a plain pointer and then cannot inline what it must. */
	void *(*volatile alloc)(struct kmem_cache *, int) = kmem_cache_alloc;
	void (*volatile give)(struct kmem_cache *, void *) = kmem_cache_free;
	built_t *b;
	void *p;

	n_built = 0;
	b = alloc(linux_cache, 0);
	CU_ASSERT_EQUAL(b->magic, 0x11);
	CU_ASSERT_EQUAL((uword)b % 64, 0);
	give(linux_cache, b);
	CU_ASSERT_EQUAL(kmem_cache_size(linux_cache), sizeof(built_t));
	CU_ASSERT_STRING_EQUAL(kmem_cache_name(linux_cache), "linux");
	CU_ASSERT_PTR_EQUAL(clib_kmem_cache_by_name("illumos"), illumos_cache);
	p = kmem_cache_alloc(illumos_cache, KM_SLEEP);
	kmem_cache_free(illumos_cache, p);
	CU_ASSERT_EQUAL(stats_of(illumos_cache).magazine_rounds, 0);
	p = umem_cache_alloc(umem, UMEM_DEFAULT);
	umem_cache_free(umem, p);
	CU_ASSERT_EQUAL(kmem_cache_destroy(linux_cache), 0);
	CU_ASSERT_EQUAL(kmem_cache_destroy(illumos_cache), 0);
	CU_ASSERT_EQUAL(kmem_cache_destroy(umem), 0);
	CU_ASSERT_PTR_NULL(clib_kmem_cache_by_name("illumos"));
}

/* Linux' macro takes a struct by its name. */
struct session {
	u64 id[5];
};

static void
a_struct_names_its_cache(void)
{
	struct kmem_cache *c = KMEM_CACHE(session, 0);

	CU_ASSERT_STRING_EQUAL(kmem_cache_name(c), "session");
	CU_ASSERT_EQUAL(kmem_cache_size(c), sizeof(struct session));
	CU_ASSERT_EQUAL(kmem_cache_destroy(c), 0);
}

/* Arguments that make no cache are refused by all calls, reported by those without an errno. */
static void
wrong_arguments_are_refused(void)
{
	static const clib_kmem_params_t wrong[] = {
		{ .name = NULL, .object_bytes = 8 },
		{ .name = "", .object_bytes = 8 },
		{ .name = "0123456789012345678901234567890123456789012345678901234567890123",
		  .object_bytes = 8 },
		{ .name = "size", .object_bytes = 0 },
		{ .name = "size", .object_bytes = ~0ull },
		{ .name = "align", .object_bytes = 8, .align = 24 },
		{ .name = "align", .object_bytes = 8, .align = MiB(1) },
		{ .name = "slab", .object_bytes = 8, .slab_bytes = 5000 },
		{ .name = "slab", .object_bytes = 8192, .slab_bytes = 4096 },
		{ .name = "slab", .object_bytes = 8, .slab_bytes = 2048 },
		{ .name = "ctors", .object_bytes = 8, .ctor = build, .init = init_linux },
		{ .name = "touch", .object_bytes = 8, .ctor = build, .flags = CLIB_KMEM_NO_TOUCH },
		{ .name = "touch",
		  .object_bytes = 8,
		  .flags = CLIB_KMEM_NO_TOUCH | CLIB_KMEM_POISON },
	};
	clib_kmem_cache_t *c = (clib_kmem_cache_t *)1;

	for (u32 i = 0; i < ARRAY_LEN(wrong); i++) {
		CU_ASSERT_EQUAL(clib_kmem_cache_make(&wrong[i], &c), -EINVAL);
		CU_ASSERT_PTR_EQUAL(c, (clib_kmem_cache_t *)1);
	}
	hook_errors();
	CU_ASSERT_PTR_NULL(kmem_cache_create("none", 0, 0, 0, NULL));
	CU_ASSERT_EQUAL(n_errors, 1);
	CU_ASSERT_EQUAL(last_error.kind, CLIB_KMEM_ERROR_ARGUMENT);
	clib_kmem_set_error_handler(NULL);
	CU_ASSERT_EQUAL(kmem_cache_destroy(NULL), 0);
}

/* ---- destruction ---- */

/* A cache with live objects is not destroyed: each is named, and it goes on working. */
static void
destroy_refuses_while_objects_are_live(void)
{
	clib_kmem_cache_t *c = plain_cache("live", 64);
	void *a = kmem_cache_alloc(c, 0), *b = kmem_cache_alloc(c, 0);

	hook_errors();
	CU_ASSERT_EQUAL(kmem_cache_destroy(c), -EBUSY);
	CU_ASSERT_EQUAL(n_errors, 3);
	CU_ASSERT_EQUAL(last_error.kind, CLIB_KMEM_ERROR_LIVE);
	CU_ASSERT_EQUAL(last_error.count, 2);
	kmem_cache_free(c, a);
	n_errors = 0;
	CU_ASSERT_EQUAL(kmem_cache_destroy(c), -EBUSY);
	CU_ASSERT_EQUAL(n_errors, 2);
	CU_ASSERT_EQUAL(last_error.count, 1);
	CU_ASSERT_EQUAL(check(c), 0);
	kmem_cache_free(c, b);
	CU_ASSERT_EQUAL(kmem_cache_destroy(c), 0);
	clib_kmem_set_error_handler(NULL);
}

/* ---- bulk ---- */

/* Many at once are all different, come from magazines and slabs alike, and n of them or none. */
static void
bulk_is_all_or_nothing(void)
{
	small_arena_t a = small_arena(KiB(64));
	const clib_kmem_params_t p = {
		.name = "bulk", .object_bytes = 256, .slab_bytes = 4096, .source = a.arena
	};
	clib_kmem_cache_t *c = cache_of(&p);
	u32 n_all = (u32)stats_of(c).n_objects_per_slab * 16;
	static void *objects[512];
	void *one;
	u64 n_wrong = 0;

	CU_ASSERT_EQUAL(kmem_cache_alloc_bulk(c, 0, 32, objects), 32);
	for (u32 i = 0; i < 32; i++)
		memset(objects[i], (int)i, 256);
	for (u32 i = 0; i < 32; i++)
		n_wrong += ((u8 *)objects[i])[255] != i;
	CU_ASSERT_EQUAL(n_wrong, 0);
	CU_ASSERT_EQUAL(stats_of(c).n_live, 32);
	kmem_cache_free_bulk(c, 32, objects);
	CU_ASSERT_EQUAL(stats_of(c).n_live, 0);
	CU_ASSERT_EQUAL(stats_of(c).n_allocs, 32);
	CU_ASSERT_EQUAL(kmem_cache_alloc_bulk(c, 0, n_all + 1, objects), 0);
	CU_ASSERT_EQUAL(stats_of(c).n_live, 0);
	CU_ASSERT_EQUAL(kmem_cache_alloc_bulk(c, 0, n_all, objects), (int)n_all);
	one = kmem_cache_alloc(c, 0);
	CU_ASSERT_PTR_NULL(one);
	kmem_cache_free_bulk(c, n_all, objects);
	CU_ASSERT_EQUAL(kmem_cache_alloc_bulk(c, 0, 0, objects), 0);
	CU_ASSERT_EQUAL(check(c), 0);
	CU_ASSERT_EQUAL(kmem_cache_destroy(c), 0);
	small_arena_free(&a);
}

/* ---- exhaustion ---- */

static u32 n_reclaims;
static clib_kmem_cache_t *hoarder;
static void *hoard[8];

static void
give_hoard_back(void *arg)
{
	n_reclaims++;
	for (u32 i = 0; i < ARRAY_LEN(hoard); i++) {
		kmem_cache_free(hoarder, hoard[i]);
		hoard[i] = NULL;
	}
}

/* An arena that is used up means NULL, counted; every object of it can be had, and again. */
static void
exhaustion_is_null_and_changes_nothing(void)
{
	small_arena_t a = small_arena(KiB(64));
	const clib_kmem_params_t p = {
		.name = "exhausted", .object_bytes = 500, .slab_bytes = 8192, .source = a.arena
	};
	clib_kmem_cache_t *c = cache_of(&p);
	u32 n_all = (u32)stats_of(c).n_objects_per_slab * 8;
	void *objects[256], *p1;

	for (u32 round = 0; round < 3; round++) {
		u32 n = 0;

		while ((p1 = kmem_cache_alloc(c, 0)) != NULL)
			objects[n++] = p1;
		CU_ASSERT_EQUAL(n, n_all);
		CU_ASSERT_EQUAL(stats_of(c).n_fails, round + 1);
		CU_ASSERT_EQUAL(stats_of(c).n_live, n_all);
		CU_ASSERT_EQUAL(check(c), 0);
		while (n)
			kmem_cache_free(c, objects[--n]);
		CU_ASSERT_EQUAL(stats_of(c).n_live, 0);
	}
	CU_ASSERT_EQUAL(kmem_cache_destroy(c), 0);
	small_arena_free(&a);
}

/* Before NULL, what other caches of the arena keep is taken back, and their owners are asked. */
static void
pressure_takes_back_from_other_caches(void)
{
	small_arena_t a = small_arena(KiB(64));
	clib_kmem_params_t p = { .name = "hoarder",
				 .object_bytes = 8000,
				 .slab_bytes = 8192,
				 .source = a.arena,
				 .reclaim = give_hoard_back };
	clib_kmem_cache_t *c;
	void *object;

	hoarder = cache_of(&p);
	n_reclaims = 0;
	for (u32 i = 0; i < ARRAY_LEN(hoard); i++)
		hoard[i] = kmem_cache_alloc(hoarder, 0);
	CU_ASSERT_PTR_NOT_NULL(hoard[7]);
	p.name = "needy";
	p.reclaim = NULL;
	c = cache_of(&p);
	object = kmem_cache_alloc(c, 0);
	CU_ASSERT_PTR_NOT_NULL(object);
	CU_ASSERT_EQUAL(n_reclaims, 1);
	CU_ASSERT_EQUAL(stats_of(hoarder).n_slabs, 0);
	kmem_cache_free(c, object);
	CU_ASSERT_EQUAL(kmem_cache_destroy(c), 0);
	CU_ASSERT_EQUAL(kmem_cache_destroy(hoarder), 0);
	small_arena_free(&a);
}

/* Whichever taking of memory fails, creation and allocation leave everything as it was. */
static void
every_unwind_is_clean(void)
{
	static const u32 flags[] = { 0, CLIB_KMEM_CHECKED, CLIB_KMEM_DEBUG };
	small_arena_t a = small_arena(MiB(1));

	for (u32 kind = 0; kind < ARRAY_LEN(flags); kind++) {
		const clib_kmem_params_t p = { .name = "unwind",
					       .object_bytes = 600,
					       .source = a.arena,
					       .flags = flags[kind] };

		for (u64 k = 1; k < 12; k++) {
			clib_kmem_cache_t *c = NULL;
			static void *objects[300];
			u32 n = 0;
			int error;

			clib_kmem_fail_after(k);
			error = clib_kmem_cache_make(&p, &c);
			CU_ASSERT_TRUE(error == 0 || (error == -ENOMEM && k <= 2));
			if (error)
				continue;
			for (u32 i = 0; i < ARRAY_LEN(objects); i++)
				if ((objects[n] = kmem_cache_alloc(c, 0)) != NULL)
					n++;
			/* At most the one that failed. */
			CU_ASSERT_TRUE(n >= ARRAY_LEN(objects) - 1);
			CU_ASSERT_EQUAL(check(c), 0);
			while (n)
				kmem_cache_free(c, objects[--n]);
			CU_ASSERT_EQUAL(kmem_cache_destroy(c), 0);
			CU_ASSERT_EQUAL(vmem_size(a.arena, VMEM_ALLOC), 0);
		}
		clib_kmem_fail_after(0);
	}
	small_arena_free(&a);
}

/* ---- giving back ---- */

/* What lay unused between two reaps goes back; what was used stays. */
static void
reaping_takes_what_was_not_needed(void)
{
	clib_kmem_cache_t *c = plain_cache("reaped", 1024);
	void **objects = malloc(4000 * sizeof(void *));
	u64 n_slabs;

	for (u32 i = 0; i < 4000; i++)
		objects[i] = kmem_cache_alloc(c, 0);
	for (u32 i = 0; i < 4000; i++)
		kmem_cache_free(c, objects[i]);
	n_slabs = stats_of(c).n_slabs;
	CU_ASSERT_TRUE(n_slabs > 0);
	/* The first starts the period; in the second everything lay still. */
	kmem_cache_reap(c);
	for (u32 i = 0; i < 4; i++)
		kmem_cache_reap(c);
	CU_ASSERT_EQUAL(stats_of(c).n_depot_full, 0);
	/* This thread's two magazines are what is left. */
	CU_ASSERT_TRUE(stats_of(c).n_slabs < n_slabs);
	CU_ASSERT_TRUE(stats_of(c).n_cached <= 2 * stats_of(c).magazine_rounds);
	kmem_reap();
	CU_ASSERT_EQUAL(check(c), 0);
	free(objects);
	CU_ASSERT_EQUAL(kmem_cache_destroy(c), 0);
}

/* The depot of a cache that is limited sends the rest home to the slabs. */
static void
a_depot_keeps_what_it_may(void)
{
	const clib_kmem_params_t p = { .name = "limited",
				       .object_bytes = 64,
				       .magazine_rounds = 14,
				       .magazine_rounds_max = 14,
				       .depot_magazines = 3 };
	clib_kmem_cache_t *c = cache_of(&p);
	static void *objects[1000];

	for (u32 i = 0; i < ARRAY_LEN(objects); i++)
		objects[i] = kmem_cache_alloc(c, 0);
	for (u32 i = 0; i < ARRAY_LEN(objects); i++)
		kmem_cache_free(c, objects[i]);
	CU_ASSERT_EQUAL(stats_of(c).n_depot_full, 3);
	CU_ASSERT_EQUAL(stats_of(c).magazine_rounds, 14);
	CU_ASSERT_TRUE(stats_of(c).n_cached <= 5 * 14);
	CU_ASSERT_EQUAL(check(c), 0);
	CU_ASSERT_EQUAL(kmem_cache_destroy(c), 0);
}

/* An address is traced to its object, live or free, wherever in it it points; strangers are not. */
static void
addresses_find_their_object(void)
{
	clib_kmem_cache_t *c = kmem_cache_create("whereis", 40, 8, 0, NULL);
	clib_kmem_where_t where = { .object = NULL };
	u8 *a = clib_kmem_cache_alloc(c, KM_NOSLEEP), *b = clib_kmem_cache_alloc(c, KM_NOSLEEP);

	CU_ASSERT_EQUAL(clib_kmem_cache_whereis(c, a, &where), 0);
	CU_ASSERT(where.object == a && where.is_live);
	CU_ASSERT_EQUAL(clib_kmem_cache_whereis(c, b + 39, &where), 0);
	CU_ASSERT(where.object == b && where.is_live);
	/* In a magazine it is free, too. */
	clib_kmem_cache_free(c, b);
	CU_ASSERT_EQUAL(clib_kmem_cache_whereis(c, b + 1, &where), 0);
	CU_ASSERT(where.object == b && !where.is_live);
	CU_ASSERT_EQUAL(clib_kmem_cache_whereis(c, &where, &where), -ENOENT);
	CU_ASSERT_EQUAL(clib_kmem_cache_whereis(c, NULL, &where), -ENOENT);
	CU_ASSERT_EQUAL(clib_kmem_cache_check(c, NULL, 0), 0);
	clib_kmem_cache_free(c, a);
	CU_ASSERT_EQUAL(clib_kmem_cache_destroy(c), 0);
}

static const unit_test_t tests[] = {
	UNIT(addresses_find_their_object),
	UNIT(objects_are_apart_and_aligned),
	UNIT(slabs_waste_an_eighth_at_most),
	UNIT(freed_last_comes_first),
	UNIT(zeroing_is_for_the_asking),
	UNIT(a_slab_goes_empty_partial_full_empty),
	UNIT(colours_are_distinct),
	UNIT(many_slabs_are_found),
	UNIT(an_object_is_built_once_in_its_life),
	UNIT(a_constructor_may_refuse),
	UNIT(both_kernels_calls_create_caches),
	UNIT(a_struct_names_its_cache),
	UNIT(wrong_arguments_are_refused),
	UNIT(destroy_refuses_while_objects_are_live),
	UNIT(bulk_is_all_or_nothing),
	UNIT(exhaustion_is_null_and_changes_nothing),
	UNIT(pressure_takes_back_from_other_caches),
	UNIT(every_unwind_is_clean),
	UNIT(reaping_takes_what_was_not_needed),
	UNIT(a_depot_keeps_what_it_may),
};

int
main(void)
{
	return unit_run("kmem", tests, ARRAY_LEN(tests));
}
