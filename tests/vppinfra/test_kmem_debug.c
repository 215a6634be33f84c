/* SPDX-License-Identifier: Apache-2.0 */
/* What programs do wrong with objects, and that it is caught, named, and does no harm: frees that
 * are none, overruns either way, writes after free, and stray writes into free objects. */
#include "../unit.h"
#include "child.h"

#include <pthread.h>
#include <vppinfra/kmem.h>

#define MAX_ERRORS 16
static clib_kmem_error_t errors[MAX_ERRORS];
static u32 n_errors;

static void
note_error(const clib_kmem_error_t *e)
{
	if (n_errors < MAX_ERRORS)
		errors[n_errors] = *e;
	n_errors++;
}

static clib_kmem_cache_t *
cache_of(const char *name, uword object_bytes, u32 flags)
{
	const clib_kmem_params_t p = { .name = name, .object_bytes = object_bytes, .flags = flags };
	clib_kmem_cache_t *c = NULL;

	CU_ASSERT_EQUAL_FATAL(clib_kmem_cache_make(&p, &c), 0);
	n_errors = 0;
	clib_kmem_set_error_handler(note_error);
	return c;
}

/* Exactly one error, of this kind, about this object. */
static void
expect(clib_kmem_error_kind_t kind, const void *object)
{
	CU_ASSERT_EQUAL(n_errors, 1);
	CU_ASSERT_EQUAL(errors[0].kind, kind);
	CU_ASSERT_PTR_EQUAL(errors[0].object, object);
	if (n_errors != 1 || errors[0].kind != kind)
		for (u32 i = 0; i < n_errors && i < MAX_ERRORS; i++)
			clib_kmem_print_error(stdout, &errors[i]);
	n_errors = 0;
}

static void
finish(clib_kmem_cache_t *c)
{
	char what[128] = "";

	CU_ASSERT_EQUAL(clib_kmem_cache_check(c, what, sizeof(what)), 0);
	if (what[0])
		printf("%s\n", what);
	CU_ASSERT_EQUAL(kmem_cache_destroy(c), 0);
	CU_ASSERT_EQUAL(n_errors, 0);
	clib_kmem_set_error_handler(NULL);
}

/* ---- frees that are none: with every kind of cache that sees a free at once ---- */

static const u32 seeing[] = { CLIB_KMEM_NO_MAGAZINES, CLIB_KMEM_CHECKED, CLIB_KMEM_REDZONE,
			      CLIB_KMEM_POISON,       CLIB_KMEM_AUDIT,   CLIB_KMEM_DEBUG };

/* Freed twice: the second is refused and named, and the object is handed out once after. */
static void
a_double_free_is_caught(void)
{
	for (u32 i = 0; i < ARRAY_LEN(seeing); i++) {
		clib_kmem_cache_t *c = cache_of("double", 64, seeing[i]);
		void *a = kmem_cache_alloc(c, 0), *b, *d;

		kmem_cache_free(c, a);
		CU_ASSERT_EQUAL(n_errors, 0);
		kmem_cache_free(c, a);
		expect(CLIB_KMEM_ERROR_DOUBLE_FREE, a);
		CU_ASSERT_EQUAL(clib_kmem_cache_free_checked(c, a), -EALREADY);
		n_errors = 0;
		b = kmem_cache_alloc(c, 0);
		d = kmem_cache_alloc(c, 0);
		CU_ASSERT_PTR_NOT_EQUAL(b, d);
		kmem_cache_free(c, b);
		kmem_cache_free(c, d);
		finish(c);
	}
}

/* A pointer into an object, and one between two, is not an object. */
static void
an_interior_pointer_is_caught(void)
{
	for (u32 i = 0; i < ARRAY_LEN(seeing); i++) {
		clib_kmem_cache_t *c = cache_of("interior", 64, seeing[i]);
		u8 *a = kmem_cache_alloc(c, 0);

		kmem_cache_free(c, a + 8);
		expect(CLIB_KMEM_ERROR_INTERIOR, a + 8);
		CU_ASSERT_EQUAL(clib_kmem_cache_free_checked(c, a + 63), -EINVAL);
		n_errors = 0;
		kmem_cache_free(c, a);
		finish(c);
	}
}

/* Neither the stack nor the heap of somebody else is a cache's. */
static void
a_strangers_pointer_is_caught(void)
{
	u64 on_stack;

	for (u32 i = 0; i < ARRAY_LEN(seeing); i++) {
		clib_kmem_cache_t *c = cache_of("stranger", 64, seeing[i]);

		kmem_cache_free(c, &on_stack);
		expect(CLIB_KMEM_ERROR_STRANGER, &on_stack);
		kmem_cache_free(c, (void *)64);
		expect(CLIB_KMEM_ERROR_STRANGER, (void *)64);
		CU_ASSERT_EQUAL(clib_kmem_cache_free_checked(c, &on_stack), -EINVAL);
		n_errors = 0;
		finish(c);
	}
}

/* Freed to another cache: the one that it belongs to is named, and keeps it. */
static void
the_wrong_cache_is_caught(void)
{
	for (u32 i = 0; i < ARRAY_LEN(seeing); i++) {
		clib_kmem_cache_t *owner = cache_of("owner", 64, seeing[i]);
		clib_kmem_cache_t *c = cache_of("other", 64, seeing[i]);
		void *a = kmem_cache_alloc(owner, 0), *b = kmem_cache_alloc(c, 0);

		kmem_cache_free(c, a);
		CU_ASSERT_STRING_EQUAL(errors[0].owner, "owner");
		CU_ASSERT_STRING_EQUAL(errors[0].cache, "other");
		expect(CLIB_KMEM_ERROR_WRONG_CACHE, a);
		kmem_cache_free(owner, a);
		kmem_cache_free(c, b);
		CU_ASSERT_EQUAL(kmem_cache_destroy(owner), 0);
		finish(c);
	}
}

/* A plain cache takes what it is given; the slabs find the fault when the magazine comes down,
 * and nothing is handed out twice from there. */
static void
magazines_are_looked_at_when_they_come_down(void)
{
	clib_kmem_cache_t *c = cache_of("late", 64, 0);
	void *a = kmem_cache_alloc(c, 0);
	u64 on_stack;

	kmem_cache_free(c, a);
	kmem_cache_free(c, a);
	kmem_cache_free(c, &on_stack);
	CU_ASSERT_EQUAL(n_errors, 0);
	CU_ASSERT_EQUAL(clib_kmem_cache_check(c, NULL, 0), -EUCLEAN);
	kmem_cache_shrink(c);
	CU_ASSERT_EQUAL(n_errors, 2);
	n_errors = 0;
	finish(c);
}

/* ---- overruns ---- */

/* One byte beyond the object, and one below: found at free with its place and value; reported
 * once, the next life of the object begins clean. */
static void
overruns_are_caught_on_both_sides(void)
{
	static const uword sizes[] = { 1, 7, 8, 24, 61, 300 };

	for (u32 i = 0; i < ARRAY_LEN(sizes); i++) {
		clib_kmem_cache_t *c = cache_of("overrun", sizes[i], CLIB_KMEM_REDZONE);
		u8 *a = kmem_cache_alloc(c, 0);

		memset(a, 0x77, sizes[i]);
		a[sizes[i]] = 0x41;
		CU_ASSERT_EQUAL(clib_kmem_cache_check(c, NULL, 0), -EUCLEAN);
		kmem_cache_free(c, a);
		CU_ASSERT_EQUAL(errors[0].offset, (word)sizes[i]);
		CU_ASSERT_EQUAL(errors[0].found, 0x41);
		expect(CLIB_KMEM_ERROR_RIGHT_OVERRUN, a);
		CU_ASSERT_PTR_EQUAL(kmem_cache_alloc(c, 0), a);
		a[-1] = 0x42;
		kmem_cache_free(c, a);
		CU_ASSERT_EQUAL(errors[0].offset, -1);
		CU_ASSERT_EQUAL(errors[0].found, 0x42);
		expect(CLIB_KMEM_ERROR_LEFT_OVERRUN, a);
		a = kmem_cache_alloc(c, 0);
		kmem_cache_free(c, a);
		finish(c);
	}
}

/* Red zones keep the alignment that was asked for. */
static void
red_zones_keep_alignment(void)
{
	const clib_kmem_params_t p = {
		.name = "aligned", .object_bytes = 100, .align = 64, .flags = CLIB_KMEM_DEBUG
	};
	clib_kmem_cache_t *c = NULL;
	void *objects[40];

	CU_ASSERT_EQUAL_FATAL(clib_kmem_cache_make(&p, &c), 0);
	for (u32 i = 0; i < ARRAY_LEN(objects); i++) {
		objects[i] = kmem_cache_alloc(c, 0);
		CU_ASSERT_EQUAL((uword)objects[i] % 64, 0);
	}
	kmem_cache_free_bulk(c, ARRAY_LEN(objects), objects);
	CU_ASSERT_EQUAL(kmem_cache_destroy(c), 0);
}

/* ---- after free ---- */

/* A free object is filled with one pattern, a fresh one with another; a byte written in between is
 * found when the object is next handed out, or its slab goes. */
static void
a_write_after_free_is_caught(void)
{
	clib_kmem_cache_t *c = cache_of("late write", 40, CLIB_KMEM_POISON);
	u8 *a = kmem_cache_alloc(c, 0);

	CU_ASSERT_EQUAL(*(u32 *)a, 0xbaddcafe);
	CU_ASSERT_EQUAL(*(u32 *)(a + 36), 0xbaddcafe);
	kmem_cache_free(c, a);
	CU_ASSERT_EQUAL(*(u32 *)a, 0xdeadbeef);
	a[13] = 0x13;
	CU_ASSERT_EQUAL(clib_kmem_cache_check(c, NULL, 0), -EUCLEAN);
	CU_ASSERT_PTR_EQUAL(kmem_cache_alloc(c, 0), a);
	CU_ASSERT_EQUAL(errors[0].offset, 13);
	CU_ASSERT_EQUAL(errors[0].found, 0x13);
	expect(CLIB_KMEM_ERROR_USE_AFTER_FREE, a);
	kmem_cache_free(c, a);
	a[39] = 1;
	kmem_cache_shrink(c);
	CU_ASSERT_EQUAL(errors[0].offset, 39);
	expect(CLIB_KMEM_ERROR_USE_AFTER_FREE, a);
	finish(c);
}

/* A program that scribbles over all of its free objects breaks nothing of ours: there is no list
 * in them. */
static void
scribbling_over_free_objects_breaks_no_list(void)
{
	clib_kmem_cache_t *c = cache_of("scribble", 48, CLIB_KMEM_NO_MAGAZINES);
	void *objects[300];

	for (u32 i = 0; i < ARRAY_LEN(objects); i++)
		objects[i] = kmem_cache_alloc(c, 0);
	for (u32 i = 0; i < ARRAY_LEN(objects); i += 2) {
		kmem_cache_free(c, objects[i]);
		memset(objects[i], 0xff, 48);
	}
	CU_ASSERT_EQUAL(clib_kmem_cache_check(c, NULL, 0), 0);
	for (u32 i = 0; i < ARRAY_LEN(objects); i += 2) {
		objects[i] = kmem_cache_alloc(c, 0);
		memset(objects[i], 0, 48);
	}
	for (u32 i = 0; i < ARRAY_LEN(objects); i++)
		for (u32 k = 0; k < i; k++)
			if (objects[i] == objects[k])
				CU_FAIL("handed out twice");
	kmem_cache_free_bulk(c, ARRAY_LEN(objects), objects);
	finish(c);
}

/* ---- sites ---- */

static never_inline void *
the_allocating_function(clib_kmem_cache_t *c)
{
	void *p = kmem_cache_alloc(c, 0);

	CLIB_COMPILER_BARRIER();
	return p;
}

static never_inline void
the_freeing_function(clib_kmem_cache_t *c, void *p)
{
	kmem_cache_free(c, p);
	CLIB_COMPILER_BARRIER();
}

/* Whether an address lies in a function: those of tests stay below 4 KiB, sanitizers included. */
static bool
is_in(const void *address, const void *function)
{
	return (uword)address - (uword)function < 4096;
}

/* The report of a write after free names who allocated the object and who freed it, with thread
 * and time; so does that of a double free. */
static void
both_sites_are_named(void)
{
	clib_kmem_cache_t *c = cache_of("sites", 64, CLIB_KMEM_POISON | CLIB_KMEM_AUDIT);
	u8 *a = the_allocating_function(c);
	clib_kmem_site_t allocated, freed;

	CU_ASSERT_EQUAL(clib_kmem_cache_audit(c, a, &allocated, &freed), 0);
	CU_ASSERT_TRUE(is_in(allocated.frames[0], (void *)the_allocating_function));
	CU_ASSERT_TRUE(allocated.n_frames >= 2);
	CU_ASSERT_TRUE(is_in(allocated.frames[1], (void *)both_sites_are_named));
	CU_ASSERT_EQUAL(allocated.thread, clib_thread_index());
	CU_ASSERT_NOT_EQUAL(allocated.ns, 0);
	CU_ASSERT_EQUAL(freed.ns, 0);
	the_freeing_function(c, a);
	a[0]++;
	(void)kmem_cache_alloc(c, 0);
	CU_ASSERT_TRUE(is_in(errors[0].alloc_site.frames[0], (void *)the_allocating_function));
	CU_ASSERT_TRUE(is_in(errors[0].free_site.frames[0], (void *)the_freeing_function));
	CU_ASSERT_TRUE(errors[0].free_site.ns >= errors[0].alloc_site.ns);
	expect(CLIB_KMEM_ERROR_USE_AFTER_FREE, a);
	the_freeing_function(c, a);
	kmem_cache_free(c, a);
	CU_ASSERT_TRUE(is_in(errors[0].free_site.frames[0], (void *)the_freeing_function));
	expect(CLIB_KMEM_ERROR_DOUBLE_FREE, a);
	CU_ASSERT_EQUAL(clib_kmem_cache_audit(c, &allocated, &allocated, &freed), -ENOENT);
	finish(c);
}

/* Live objects at destruction come with the stack of who allocated them. */
static void
live_objects_are_listed_with_their_stacks(void)
{
	clib_kmem_cache_t *c = cache_of("leaky", 64, CLIB_KMEM_AUDIT);
	void *a = the_allocating_function(c);

	CU_ASSERT_EQUAL(kmem_cache_destroy(c), -EBUSY);
	CU_ASSERT_EQUAL(n_errors, 2);
	CU_ASSERT_PTR_EQUAL(errors[0].object, a);
	CU_ASSERT_TRUE(is_in(errors[0].alloc_site.frames[0], (void *)the_allocating_function));
	CU_ASSERT_EQUAL(errors[1].count, 1);
	n_errors = 0;
	kmem_cache_free(c, a);
	finish(c);
}

/* The words of an error: what, which object, where, and both stacks. */
static void
an_error_reads_well(void)
{
	clib_kmem_error_t e = { .kind = CLIB_KMEM_ERROR_RIGHT_OVERRUN,
				.cache = "foo",
				.object = (void *)0x1000,
				.offset = 64,
				.found = 0x41,
				.caller = (void *)0x2000 };
	char text[1024] = "";
	FILE *f = fmemopen(text, sizeof(text), "w");

	e.alloc_site = (clib_kmem_site_t){ .ns = 1500000000, .thread = 3, .n_frames = 1 };
	e.alloc_site.frames[0] = (void *)0x3000;
	clib_kmem_print_error(f, &e);
	fclose(f);
	CU_ASSERT_STRING_EQUAL(text, "kmem: cache foo: written beyond the object: object 0x1000, "
				     "byte 64 is 0x41, called from 0x2000\n"
				     "  allocated by thread 3 at 1.500000 s: 0x3000\n");
	for (u32 i = 0; i < CLIB_KMEM_N_ERRORS; i++)
		CU_ASSERT_STRING_NOT_EQUAL(clib_kmem_error_name((clib_kmem_error_kind_t)i),
					   "unknown");
}

/* ---- switching by name ---- */

static u32
flags_of(clib_kmem_cache_t *c)
{
	clib_kmem_stats_t s;

	clib_kmem_cache_get_stats(c, &s);
	return s.flags & CLIB_KMEM_DEBUG;
}

/* A pattern reaches caches made after it, and empty ones that exist; one with live objects stays
 * as it is and says so. */
static void
debugging_is_switched_by_name(void)
{
	clib_kmem_cache_t *empty = cache_of("switch.empty", 64, 0);
	clib_kmem_cache_t *busy = cache_of("switch.busy", 64, 0), *later;
	void *a = kmem_cache_alloc(busy, 0), *b = kmem_cache_alloc(empty, 0);
	u32 n_changed, n_busy;

	kmem_cache_free(empty, b);
	CU_ASSERT_EQUAL(clib_kmem_debug("switch.*", CLIB_KMEM_POISON, &n_changed, &n_busy), 0);
	CU_ASSERT_EQUAL(n_changed, 1);
	CU_ASSERT_EQUAL(n_busy, 1);
	CU_ASSERT_EQUAL(flags_of(empty), CLIB_KMEM_POISON);
	CU_ASSERT_EQUAL(flags_of(busy), 0);
	later = cache_of("switch.later", 64, 0);
	CU_ASSERT_EQUAL(flags_of(later), CLIB_KMEM_POISON);
	b = kmem_cache_alloc(empty, 0);
	CU_ASSERT_EQUAL(*(u32 *)b, 0xbaddcafe);
	kmem_cache_free(empty, b);
	kmem_cache_free(busy, a);
	CU_ASSERT_EQUAL(clib_kmem_debug("switch.*", 0, &n_changed, &n_busy), 0);
	CU_ASSERT_EQUAL(n_changed, 2);
	CU_ASSERT_EQUAL(n_busy, 0);
	CU_ASSERT_EQUAL(flags_of(empty) | flags_of(later), 0);
	b = kmem_cache_alloc(empty, 0);
	kmem_cache_free(empty, b);
	CU_ASSERT_EQUAL(clib_kmem_debug("x", CLIB_KMEM_CHECKED, NULL, NULL), -EINVAL);
	CU_ASSERT_EQUAL(clib_kmem_debug("", 0, NULL, NULL), -EINVAL);
	CU_ASSERT_EQUAL(kmem_cache_destroy(empty), 0);
	CU_ASSERT_EQUAL(kmem_cache_destroy(busy), 0);
	finish(later);
}

/* The text form: names with what to do, separated by semicolons; nonsense is refused. */
static void
the_environments_text_is_parsed(void)
{
	clib_kmem_cache_t *c;

	CU_ASSERT_EQUAL(clib_kmem_debug_parse("text.a:redzone,audit;text.b"), 0);
	c = cache_of("text.a", 8, 0);
	CU_ASSERT_EQUAL(flags_of(c), CLIB_KMEM_REDZONE | CLIB_KMEM_AUDIT);
	CU_ASSERT_EQUAL(kmem_cache_destroy(c), 0);
	c = cache_of("text.b", 8, 0);
	CU_ASSERT_EQUAL(flags_of(c), CLIB_KMEM_DEBUG);
	CU_ASSERT_EQUAL(kmem_cache_destroy(c), 0);
	c = cache_of("text.b", 8, CLIB_KMEM_NO_DEBUG);
	CU_ASSERT_EQUAL(flags_of(c), 0);
	CU_ASSERT_EQUAL(kmem_cache_destroy(c), 0);
	CU_ASSERT_EQUAL(clib_kmem_debug_parse("text.a:wings"), -EINVAL);
	CU_ASSERT_EQUAL(clib_kmem_debug_parse(":poison"), -EINVAL);
	CU_ASSERT_EQUAL(clib_kmem_debug_parse("text.a:off;text.b:off"), 0);
	c = cache_of("text.a", 8, 0);
	CU_ASSERT_EQUAL(flags_of(c), 0);
	finish(c);
}

/* Constructed and destructed at each call with poison, which leaves nothing of an object. */
static u32 n_built, n_torn_down;

static int
build(void *object, void *arg, int flags)
{
	n_built++;
	*(u32 *)object = 7;
	return 0;
}

static void
tear_down(void *object, void *arg)
{
	n_torn_down += *(u32 *)object == 7;
}

static void
poison_builds_objects_each_time(void)
{
	const clib_kmem_params_t p = { .name = "poisoned",
				       .object_bytes = 32,
				       .flags = CLIB_KMEM_DEBUG,
				       .ctor = build,
				       .dtor = tear_down };
	clib_kmem_cache_t *c = NULL;

	CU_ASSERT_EQUAL_FATAL(clib_kmem_cache_make(&p, &c), 0);
	n_built = n_torn_down = 0;
	for (u32 i = 0; i < 10; i++) {
		u32 *a = kmem_cache_alloc(c, 0);

		CU_ASSERT_EQUAL(*a, 7);
		kmem_cache_free(c, a);
		CU_ASSERT_EQUAL(*a, 0xdeadbeef);
	}
	CU_ASSERT_EQUAL(n_built, 10);
	CU_ASSERT_EQUAL(n_torn_down, 10);
	n_errors = 0;
	finish(c);
}

static const unit_test_t tests[] = {
	UNIT(a_double_free_is_caught),
	UNIT(an_interior_pointer_is_caught),
	UNIT(a_strangers_pointer_is_caught),
	UNIT(the_wrong_cache_is_caught),
	UNIT(magazines_are_looked_at_when_they_come_down),
	UNIT(overruns_are_caught_on_both_sides),
	UNIT(red_zones_keep_alignment),
	UNIT(a_write_after_free_is_caught),
	UNIT(scribbling_over_free_objects_breaks_no_list),
	UNIT(both_sites_are_named),
	UNIT(live_objects_are_listed_with_their_stacks),
	UNIT(an_error_reads_well),
	UNIT(debugging_is_switched_by_name),
	UNIT(the_environments_text_is_parsed),
	UNIT(poison_builds_objects_each_time),
};

int
main(void)
{
	return unit_run("kmem_debug", tests, ARRAY_LEN(tests));
}
