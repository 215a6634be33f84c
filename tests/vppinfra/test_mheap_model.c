/* SPDX-License-Identifier: Apache-2.0 */
/* An mheap beside an array of what should be in it: millions of random operations, each object's
 * bytes checked before it goes, the whole heap every 1000. */
#include "strict_region.h"
#include "unit.h"

/* What the model knows of an object; its bytes hold a pattern made from `key`. */
typedef struct {
	uword offset, n_bytes, align, align_offset;
	u64 key;
} object_t;

#define N_OBJECTS 4000
#define FILL_BYTES 64 /* of each end: the bytes a wrong split or link would hit first */

typedef struct {
	u64 seed;
	void *v;
	object_t objects[N_OBJECTS];
	u32 n_objects;
	/* Largest size asked for, base-2 logarithm. */
	u32 log2_max_bytes;
	/* Behind the heap, to compare accounts with; NULL none. */
	strict_region_t *region;
} model_t;

static u8
pattern_byte(const object_t *o, uword i)
{
	return (u8)(o->key >> (i % 8 * 8)) ^ (u8)i;
}

static void
fill(model_t *m, const object_t *o)
{
	u8 *p = (u8 *)m->v + o->offset;

	for (uword i = 0; i < o->n_bytes; i++) {
		if (i == FILL_BYTES && o->n_bytes > 2 * FILL_BYTES)
			i = o->n_bytes - FILL_BYTES;
		p[i] = pattern_byte(o, i);
	}
}

static int
is_intact(model_t *m, const object_t *o)
{
	const u8 *p = (u8 *)m->v + o->offset;

	for (uword i = 0; i < o->n_bytes; i++) {
		if (i == FILL_BYTES && o->n_bytes > 2 * FILL_BYTES)
			i = o->n_bytes - FILL_BYTES;
		if (p[i] != pattern_byte(o, i))
			return 0;
	}
	return mheap_data_bytes(m->v, o->offset) >= o->n_bytes;
}

/* Log-uniform, so that every bin up to the largest is met. */
static uword
random_size(model_t *m)
{
	uword log2 = unit_random_below(&m->seed, m->log2_max_bytes + 1);

	return 1 + unit_random_below(&m->seed, 1ULL << log2);
}

static void
random_alignment(model_t *m, object_t *o)
{
	o->align = o->align_offset = 0;
	if (unit_random_below(&m->seed, 4))
		return;
	o->align = 1ULL << unit_random_below(&m->seed, 13);
	if (unit_random_below(&m->seed, 2))
		o->align_offset = 8 * unit_random_below(&m->seed, 1 + o->align / 8);
}

/* Returns 0 when the heap broke a promise. */
static int
get_one(model_t *m)
{
	object_t o;

	if (m->n_objects == N_OBJECTS)
		return 1;
	o.n_bytes = random_size(m);
	o.key = unit_random(&m->seed);
	random_alignment(m, &o);
	m->v = mheap_get_aligned(m->v, o.n_bytes, o.align, o.align_offset, &o.offset);
	if (o.offset == ~(uword)0)
		return 1;
	if (o.align > 8 && (o.offset + o.align_offset) % o.align)
		return 0;
	if (o.offset % 16 && o.align_offset % 16 == 0)
		return 0;
	if (!mheap_offset_is_valid(m->v, o.offset))
		return 0;
	fill(m, &o);
	m->objects[m->n_objects++] = o;
	return 1;
}

static int
put_one(model_t *m)
{
	u32 i;
	int is_ok;

	if (!m->n_objects)
		return 1;
	i = (u32)unit_random_below(&m->seed, m->n_objects);
	is_ok = is_intact(m, &m->objects[i]);
	is_ok &= mheap_put_checked(m->v, m->objects[i].offset) == 0;
	m->objects[i] = m->objects[--m->n_objects];
	return is_ok;
}

static int
extend_one(model_t *m)
{
	object_t *o;
	uword n_bytes;

	if (!m->n_objects)
		return 1;
	o = &m->objects[unit_random_below(&m->seed, m->n_objects)];
	if (!is_intact(m, o))
		return 0;
	n_bytes = o->n_bytes + random_size(m);
	if (mheap_extend(m->v, o->offset, n_bytes))
		return 1;
	if (mheap_data_bytes(m->v, o->offset) < n_bytes)
		return 0;
	o->n_bytes = n_bytes;
	fill(m, o);
	return 1;
}

static int
whole_heap_agrees(model_t *m)
{
	char what[160];
	int error = mheap_check(m->v, what, sizeof(what));

	if (error)
		printf("mheap_check: %s\n", what);
	if (m->region && !strict_accounts_agree(m->region, m->v)) {
		printf("accounts: committed %lu, given back %lu, held %lu, needless calls %lu\n",
		       mheap_header(m->v)->n_committed_bytes, mheap_header(m->v)->n_reclaimed_bytes,
		       m->region->n_held_bytes, m->region->n_needless);
		return 0;
	}
	return !error && mheap_elts(m->v) == m->n_objects;
}

/* Gets, puts and extends in phases that fill and empty the heap; a full check every 1000. */
static void
run_model(model_t *m, u64 n_ops)
{
	u32 percent_gets = 50;
	int is_ok = 1;

	for (u64 i = 0; i < n_ops && is_ok; i++) {
		u64 dice = unit_random_below(&m->seed, 100);

		if (i % 5000 == 0)
			percent_gets = 35 + 30 * (u32)unit_random_below(&m->seed, 2);
		if (dice >= 97)
			is_ok = extend_one(m);
		else if (dice < percent_gets)
			is_ok = get_one(m);
		else
			is_ok = put_one(m);
		if (i % 1000 == 0)
			is_ok &= whole_heap_agrees(m);
		if (!is_ok)
			printf("operation %llu\n", (unsigned long long)i);
	}
	CU_ASSERT(is_ok);
	CU_ASSERT(whole_heap_agrees(m));
	while (m->n_objects && is_ok)
		is_ok = put_one(m);
	CU_ASSERT(is_ok);
	CU_ASSERT(whole_heap_agrees(m));
	/* Everything merged, what waited included: the vector is empty again. */
	if (mheap_header(m->v)->flags & MHEAP_FLAG_CHECKED)
		mheap_trim(m->v);
	CU_ASSERT_EQUAL(mheap_bytes(m->v), MHEAP_HEADER_BYTES + MHEAP_ELT_OVERHEAD_BYTES);
}

static model_t model;

static void
run_on(void *v, strict_region_t *region, u32 log2_max_bytes, u64 n_ops)
{
	memset(&model, 0, sizeof(model));
	model.seed = unit_seed();
	model.v = v;
	model.region = region;
	model.log2_max_bytes = log2_max_bytes;
	CU_ASSERT_PTR_NOT_NULL_FATAL(v);
	run_model(&model, unit_n_ops(n_ops));
	mheap_free(model.v);
}

/* Small objects in a heap with room: growth, split, merge. */
static void
small_objects(void)
{
	run_on(mheap_alloc(NULL, MiB(64)), NULL, 11, 1500000);
}

/* A heap that is too small: exhaustion all the time, nothing ever lost. */
static void
a_heap_that_is_always_full(void)
{
	static u8 memory[KiB(300)];

	run_on(mheap_alloc(memory + 8, sizeof(memory) - 8), NULL, 12, 1000000);
}

/* Up to 16 MiB: pages are given back and taken again. */
static void
large_objects_give_pages_back(void)
{
	run_on(mheap_alloc(NULL, GiB(1)), NULL, 24, 700000);
}

/* Redzones and objects that wait are met by all that moves: nothing is said of a program without
 * mistakes. */
static void
objects_that_are_checked(void)
{
	run_on(mheap_alloc_with_flags(NULL, MiB(16), MHEAP_FLAG_CHECKED), NULL, 11, 300000);
	run_on(mheap_alloc_with_flags(NULL, KiB(300), MHEAP_FLAG_CHECKED), NULL, 12, 300000);
}

static strict_region_t region;

/* A strict heap whose pages come and go all the time: it does not learn what it wants again. */
static void *
restless_heap(uword size, uword page_bytes)
{
	void *v = strict_heap(&region, size, page_bytes, 0);

	if (v)
		mheap_set_give_back_bytes(v, MiB(1));
	return v;
}

/* The same where a page that was not committed cannot be touched, and every byte is accounted
 * for after every 1000 operations. */
static void
strict_pages(void)
{
	run_on(restless_heap(MiB(256), 4096), &region, 23, 200000);
	CU_ASSERT(region.n_decommits > 100);
}

/* Pages of 2 MiB in a heap that is too small for what is asked. */
static void
strict_large_pages(void)
{
	run_on(restless_heap(MiB(64), MiB(2)), &region, 24, 200000);
	CU_ASSERT(region.n_decommits > 30);
}

/* One commit in eight fails: a refusal each time, never a half-done change. */
static void
commits_that_fail_now_and_then(void)
{
	void *v = restless_heap(MiB(256), 4096);

	region.fail_every = 8;
	run_on(v, &region, 22, 200000);
	CU_ASSERT(region.n_failures > 100);
}

/* A heap that learns how much to keep, and is swept when it falls. */
static void
strict_pages_that_are_kept(void)
{
	run_on(strict_heap(&region, MiB(256), 4096, 0), &region, 23, 200000);
	CU_ASSERT(region.n_decommits > 0);
}

static const unit_test_t tests[] = {
	UNIT(small_objects),
	UNIT(a_heap_that_is_always_full),
	UNIT(large_objects_give_pages_back),
	UNIT(objects_that_are_checked),
	UNIT(strict_pages_that_are_kept),
	UNIT(strict_pages),
	UNIT(strict_large_pages),
	UNIT(commits_that_fail_now_and_then),
};

int
main(void)
{
	return unit_run("mheap_model", tests, ARRAY_LEN(tests));
}
