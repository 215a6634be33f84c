/* SPDX-License-Identifier: Apache-2.0 */
/* The indexes of free segments: their choices beside those of a plain walk where there are many
 * holes, how few segments they look at, and what happens when there is no memory for them.
 * Linked with the library's objects. */
#include "vmem_fixture.h"

#define BASE (1ull << 40)
#define N_HOLES 8000

/* Holes of 1 to 32 quanta of 64, an allocated quantum after each.  Value: where they end. */
static uword
make_holes(vmem_t *vmp, u32 n_holes, u64 *random)
{
	uword addr = BASE;

	CU_ASSERT_EQUAL_FATAL(vmem_core_add(vmp, BASE, (uword)n_holes * 34 * 64), 0);
	for (u32 i = 0; i < n_holes; i++) {
		uword size = 64 * (1 + unit_random_below(random, 32));

		CU_ASSERT_EQUAL(vmem_claim(vmp, addr + size, 64), 0);
		addr += size + 64;
	}
	/* What is left is no hole. */
	CU_ASSERT_EQUAL(vmem_claim(vmp, addr, BASE + (uword)n_holes * 34 * 64 - addr), 0);
	return addr;
}

static void
random_search(vmem_search_t *s, uword end, u64 *random)
{
	*s = (vmem_search_t){ .align = 64, .max = ~(uword)0 };
	s->policy = (vmem_policy_t)unit_random_below(random, 4);
	s->asked = s->size = 64 * (1 + unit_random_below(random, 36));
	if (unit_random_below(random, 3) == 0) {
		s->align = 64ull << unit_random_below(random, 7);
		s->phase = 64 * unit_random_below(random, s->align / 64);
	}
	if (unit_random_below(random, 4) == 0) {
		s->nocross = max_pow2(s->phase + s->size) << unit_random_below(random, 3);
		if (s->align >= s->nocross)
			s->nocross = 0;
	}
	if (unit_random_below(random, 2)) {
		uword a = unit_random_below(random, end - BASE);
		uword n = unit_random_below(random, 1ull << unit_random_below(random, 24));

		s->min = BASE + a;
		s->max = BASE + a + n + s->size;
		s->has_bounds = 1;
	}
	s->certain = s->size + s->align - 64 + (s->nocross ? s->size + s->phase : 0);
	if (unit_random_below(random, 4) == 0)
		s->flags = VMEM_REQUEST_HIGH_END;
}

/* The walk is itself held against the map of units by test_vmem_model. */
static u32
by_walk(vmem_t *vmp, const vmem_search_t *s, uword *addr)
{
	if (s->policy == VMEM_POLICY_BEST)
		return vmem_walk_best(vmp, s, addr);
	return vmem_walk_lowest(
		vmp, s, s->policy == VMEM_POLICY_NEXT ? vmp->vm_rotor_seg->vs_start : 0, addr);
}

/* Eight thousand holes: whatever the constraints, the index chooses what a walk does. */
static void
choices_are_those_of_a_walk(void)
{
	u64 random = unit_seed(), n_found = 0, n_ops = unit_n_ops(1500);
	vmem_t *vmp = new_arena("holes", 64);
	uword end = make_holes(vmp, N_HOLES, &random);

	vmem_lock(&vmp->vm_lock);
	CU_ASSERT_EQUAL(vmem_index_build(vmp, VMEM_INDEX_ALL), 0);
	vmem_unlock(&vmp->vm_lock);
	CU_ASSERT_EQUAL(vmem_check(vmp, NULL, 0), 0);
	for (u64 op = 0; op < n_ops; op++) {
		uword a = 0, b = 0;
		vmem_search_t s;
		u32 got, expected;

		random_search(&s, end, &random);
		vmp->vm_rotor_seg->vs_start =
			BASE + 64 * unit_random_below(&random, (end - BASE) / 64);
		vmp->vm_rotor_seg->vs_anext = vmp->vm_seg0;
		got = vmem_fit(vmp, &s, &a);
		expected = by_walk(vmp, &s, &b);
		CU_ASSERT_NOT_EQUAL(got, VMEM_FIT_WANTS_INDEX);
		if (s.policy == VMEM_POLICY_INSTANT) {
			/* Any that fits, if one does. */
			CU_ASSERT_EQUAL(got != 0, expected != 0);
			if (got)
				CU_ASSERT(vmem_place_in_tag(&s, vmem_tag(got),
							    vmem_seg_bytes(vmem_tag(got)), &b));
		} else {
			CU_ASSERT_EQUAL(got, expected);
		}
		CU_ASSERT_EQUAL(a, b);
		n_found += got != 0;
	}
	/* Hits and misses both. */
	CU_ASSERT(n_found > n_ops / 4 && n_found < n_ops);
	destroy(vmp);
}

/* A range that has nothing large enough is refused without looking at what is in it, and one that
 * has is found; by every policy.  Only the segments at its ends may be looked at in vain. */
static void
ranges_are_not_walked(void)
{
	u64 random = 1, n_tried, n_fails;
	vmem_t *vmp = new_arena("ranges", 64);
	uword end = make_holes(vmp, N_HOLES, &random), addr, middle = (BASE + end) / 2;

	for (u32 policy = 0; policy < 4; policy++) {
		vmem_request_t r = { .size = 33 * 64,
				     .min = BASE,
				     .max = middle,
				     .policy = (vmem_policy_t)policy,
				     .flags = VMEM_REQUEST_NOSLEEP | VMEM_REQUEST_X };

		CU_ASSERT_EQUAL(vmem_core_alloc(vmp, &r, &addr), -ENOMEM);
		n_tried = vmp->vm_kstat.vk_fit_tried;
		n_fails = vmp->vm_kstat.vk_fail;
		for (u32 i = 0; i < 1000; i++) {
			r.min = BASE + 64 * unit_random_below(&random, (end - BASE) / 64 / 2);
			r.max = r.min + (end - BASE) / 3;
			CU_ASSERT_EQUAL(vmem_core_alloc(vmp, &r, &addr), -ENOMEM);
		}
		CU_ASSERT_EQUAL(vmp->vm_kstat.vk_fail - n_fails, 1000);
		CU_ASSERT(vmp->vm_kstat.vk_fit_tried - n_tried <= 2 * 1000);

		r.size = 20 * 64;
		for (u32 i = 0; i < 1000; i++) {
			r.min = BASE + 64 * unit_random_below(&random, (end - BASE) / 64 / 2);
			r.max = r.min + (end - BASE) / 3;
			CU_ASSERT_EQUAL(vmem_core_alloc(vmp, &r, &addr), 0);
			CU_ASSERT(addr >= r.min && addr + r.size - 1 <= r.max);
			vmem_core_free(vmp, addr, r.size, VMEM_REQUEST_X, NULL);
		}
		CU_ASSERT(vmp->vm_kstat.vk_fit_tried - n_tried <= 4 * 1000);
		CU_ASSERT_EQUAL(vmem_check(vmp, NULL, 0), 0);
	}
	CU_ASSERT_EQUAL(vmp->vm_kstat.vk_index_builds, 2);
	destroy(vmp);
}

/* Alignment is logarithmic where something large enough to be sure exists; else each candidate
 * is looked at, and counted: with a thousand holes of the size itself, all off the alignment. */
static void
unsure_candidates_are_counted(void)
{
	vmem_t *vmp = new_arena("unsure", 64);
	vmem_request_t r = { .size = 64,
			     .align = 128,
			     .max = ~(uword)0,
			     .flags = VMEM_REQUEST_NOSLEEP | VMEM_REQUEST_X };
	uword addr;

	CU_ASSERT_EQUAL(vmem_core_add(vmp, BASE, 2000 * 64), 0);
	for (u32 i = 0; i < 1000; i++)
		CU_ASSERT_EQUAL(vmem_claim(vmp, BASE + 128 * i, 64), 0);
	r.policy = VMEM_POLICY_FIRST;
	CU_ASSERT_EQUAL(vmem_core_alloc(vmp, &r, &addr), -ENOMEM);
	CU_ASSERT_EQUAL(vmp->vm_kstat.vk_fit_tried, 1000);
	r.policy = VMEM_POLICY_BEST;
	CU_ASSERT_EQUAL(vmem_core_alloc(vmp, &r, &addr), -ENOMEM);
	CU_ASSERT_EQUAL(vmp->vm_kstat.vk_fit_tried, 2000);
	/* One that is certain to fit, behind all of them: instant fit goes straight to it. */
	CU_ASSERT_EQUAL(vmem_core_add(vmp, BASE + MiB(1), 128), 0);
	r.policy = VMEM_POLICY_INSTANT;
	CU_ASSERT_EQUAL(vmem_core_alloc(vmp, &r, &addr), 0);
	CU_ASSERT_EQUAL(addr, BASE + MiB(1));
	CU_ASSERT_EQUAL(vmp->vm_kstat.vk_fit_tried, 2000);
	destroy(vmp);
}

/* An arena that sees instant fit alone has no index. */
static void
instant_fit_builds_none(void)
{
	u64 random = 1, n_bytes;
	vmem_t *vmp = new_arena("instant", 64);
	vmem_request_t r = { .max = ~(uword)0, .flags = VMEM_REQUEST_NOSLEEP | VMEM_REQUEST_X };
	uword addrs[256];

	CU_ASSERT_EQUAL(vmem_core_add(vmp, BASE, MiB(64)), 0);
	for (u32 i = 0; i < 20000; i++) {
		u32 k = (u32)unit_random_below(&random, ARRAY_LEN(addrs));

		if (i >= ARRAY_LEN(addrs))
			vmem_core_xfree_if(vmp, addrs[k], 64 * (1 + k % 13));
		else
			k = i;
		r.size = 64 * (1 + k % 13);
		CU_ASSERT_EQUAL(vmem_core_alloc(vmp, &r, &addrs[k]), 0);
	}
	CU_ASSERT(vmp->vm_n_free > VMEM_WALK_MAX);
	CU_ASSERT_EQUAL(vmem_index_state(vmp, &n_bytes), 0);
	CU_ASSERT_EQUAL(vmp->vm_kstat.vk_index_builds, 0);
	destroy(vmp);
}

/* Best fit walks where its lists are short; all the same its index is there before there are so
 * many free segments that beginning it would be a pause. */
static void
best_fit_has_its_index_in_time(void)
{
	vmem_t *vmp = new_arena("best", 64);
	vmem_request_t r = { .size = 8192,
			     .max = ~(uword)0,
			     .policy = VMEM_POLICY_BEST,
			     .flags = VMEM_REQUEST_NOSLEEP | VMEM_REQUEST_X };
	uword addr;

	CU_ASSERT_EQUAL(vmem_core_add(vmp, BASE, MiB(64)), 0);
	/* More and more holes of one size, requests of another. */
	for (u32 i = 0; i < VMEM_WALK_LONG; i++) {
		CU_ASSERT_EQUAL(vmem_claim(vmp, BASE + 128 * i + 64, 64), 0);
		CU_ASSERT_EQUAL(vmem_core_alloc(vmp, &r, &addr), 0);
		vmem_core_xfree_if(vmp, addr, r.size);
		if (i == 2 * VMEM_WALK_MAX)
			CU_ASSERT_PTR_NULL(vmem_index_tree(vmp, VMEM_INDEX_BY_SIZE));
	}
	CU_ASSERT_EQUAL(vmp->vm_n_free, VMEM_WALK_LONG + 1);
	CU_ASSERT(vmem_index_tree(vmp, VMEM_INDEX_BY_SIZE) != NULL);
	destroy(vmp);
}

/* An arena that was created with a policy, empty, has the indexes when the first request with one
 * comes among thousands of holes that instant fit left: nobody builds anything. */
static void
a_promised_policy_finds_its_index(void)
{
	static const int policies[] = { VM_BESTFIT, VM_FIRSTFIT, VM_NEXTFIT };
	u64 n_bytes, n_builds;

	for (u32 i = 0; i < ARRAY_LEN(policies); i++) {
		vmem_t *vmp = vmem_create("promise", NULL, 0, 64, NULL, NULL, NULL, 0,
					  VM_NOSLEEP | policies[i]);
		static void *held[4000];

		CU_ASSERT_PTR_NOT_NULL_FATAL(vmp);
		CU_ASSERT_EQUAL(vmem_index_state(vmp, &n_bytes), 3);
		CU_ASSERT_PTR_NOT_NULL(
			vmem_add(vmp, uword_to_pointer(BASE, void *), MiB(4), VM_NOSLEEP));
		n_builds = vmp->vm_kstat.vk_index_builds;
		for (u32 k = 0; k < ARRAY_LEN(held); k++)
			held[k] = vmem_alloc(vmp, 128, VM_NOSLEEP);
		for (u32 k = 0; k < ARRAY_LEN(held); k += 2)
			vmem_free(vmp, held[k], 128);
		CU_ASSERT(vmp->vm_n_free > 1000);
		CU_ASSERT_EQUAL(vmem_check(vmp, NULL, 0), 0);
		CU_ASSERT_EQUAL(vmem_alloc(vmp, 128, VM_NOSLEEP | policies[i]), held[0]);
		vmem_free(vmp, held[0], 128);
		CU_ASSERT_EQUAL(vmem_index_state(vmp, &n_bytes), 3);
		CU_ASSERT_EQUAL(vmp->vm_kstat.vk_index_builds, n_builds);
		CU_ASSERT_EQUAL(vmp->vm_kstat.vk_index_slices, 0);
		for (u32 k = 1; k < ARRAY_LEN(held); k += 2)
			vmem_free(vmp, held[k], 128);
		vmem_destroy(vmp);
	}
}

/* See that so many tags are to be had without fetching any: an arena's that had them. */
static void
stock_tags(u32 n)
{
	vmem_t *vmp = new_arena("tags", 64);

	CU_ASSERT_EQUAL(vmem_core_add(vmp, BASE, (uword)n * 64), 0);
	for (u32 i = 0; i < n; i++)
		CU_ASSERT_EQUAL(vmem_claim(vmp, BASE + i * 64, 64), 0);
	destroy(vmp);
}

/* Without memory for an index a request walks, and finds the same; with it again the index comes.
 * When it runs short of nodes while segments are freed it is given up, and freeing succeeds. */
static void
without_memory_requests_walk(void)
{
	u64 random = 2, n_bytes;
	vmem_t *vmp = new_arena("starved", 64);
	uword end = make_holes(vmp, 3000, &random), addr;
	vmem_request_t r = { .size = 640,
			     .max = ~(uword)0,
			     .policy = VMEM_POLICY_FIRST,
			     .flags = VMEM_REQUEST_NOSLEEP | VMEM_REQUEST_X };

	vmem_vacate(vmp);
	vmem_vacate(vmp);
	CU_ASSERT_EQUAL(vmem_index_state(vmp, &n_bytes), 0);
	vmem_internal_arena->vm_mtbf = 1;
	CU_ASSERT_EQUAL(vmem_core_alloc(vmp, &r, &addr), 0);
	CU_ASSERT_EQUAL(vmem_index_state(vmp, &n_bytes), 0);
	vmem_core_free(vmp, addr, 640, VMEM_REQUEST_X, NULL);
	vmem_internal_arena->vm_mtbf = 0;
	for (u32 i = 0; i < 3000 / VMEM_INDEX_N_ABSORB; i++) {
		CU_ASSERT_EQUAL(vmem_core_alloc(vmp, &r, &addr), 0);
		vmem_core_free(vmp, addr, 640, VMEM_REQUEST_X, NULL);
	}
	CU_ASSERT_EQUAL(vmem_index_state(vmp, &n_bytes), 1);
	CU_ASSERT(n_bytes > 3000 * 24);
	CU_ASSERT_EQUAL(vmem_check(vmp, NULL, 0), 0);

	/* Tens of thousands of holes more; tags for them are in stock, nodes are not. */
	stock_tags(70000);
	vmem_internal_arena->vm_mtbf = 1;
	CU_ASSERT_EQUAL(vmem_core_add(vmp, end + MiB(16), 60000 * 64), 0);
	for (u32 i = 0; i < 30000; i++)
		vmem_claim(vmp, end + MiB(16) + i * 128, 64);
	CU_ASSERT(vmp->vm_kstat.vk_index_lost > 0);
	CU_ASSERT_EQUAL(vmem_check(vmp, NULL, 0), 0);
	vmem_internal_arena->vm_mtbf = 0;
	destroy(vmp);
}

/* A hundred best fits take what a walk over all free segments finds. */
static void
choices_are_exact(vmem_t *vmp)
{
	vmem_request_t r = { .max = ~(uword)0,
			     .policy = VMEM_POLICY_BEST,
			     .flags = VMEM_REQUEST_NOSLEEP | VMEM_REQUEST_X };

	for (u32 i = 0; i < 100; i++) {
		vmem_search_t s = { .size = 64 * (1 + i % 33),
				    .asked = 64 * (1 + i % 33),
				    .certain = 64 * (1 + i % 33),
				    .align = 64,
				    .max = ~(uword)0,
				    .policy = VMEM_POLICY_BEST };
		uword expected = 0, addr = 0;

		r.size = s.size;
		if (vmem_walk_best(vmp, &s, &expected) == 0)
			continue;
		CU_ASSERT_EQUAL(vmem_core_alloc(vmp, &r, &addr), 0);
		CU_ASSERT_EQUAL(addr, expected);
	}
}

/* Prepared, an arena with thousands of free segments gets its index a few segments at a time, while
 * others come and go on both sides of what it has.  Then it is there, whole, and nothing has to be
 * built when the first policy comes. */
static void
an_index_comes_bit_by_bit(void)
{
	u64 random = unit_seed(), n_bytes, n_builds;
	vmem_t *vmp = new_arena("late", 64);
	uword addrs[64] = { 0 }, others[256] = { 0 };
	vmem_request_t r = { .size = 64,
			     .max = ~(uword)0,
			     .policy = VMEM_POLICY_BEST,
			     .flags = VMEM_REQUEST_NOSLEEP | VMEM_REQUEST_X };

	make_holes(vmp, N_HOLES, &random);
	vmem_vacate(vmp);
	vmem_vacate(vmp);
	CU_ASSERT_EQUAL(vmem_index_state(vmp, &n_bytes), 0);
	n_builds = vmp->vm_kstat.vk_index_builds + 1;
	CU_ASSERT_EQUAL(vmem_prepare(vmp), 0);
	for (u32 i = 0; vmem_index_state(vmp, &n_bytes) != 3; i++) {
		u32 k = (u32)unit_random_below(&random, ARRAY_LEN(addrs));

		CU_ASSERT_FATAL(i < N_HOLES);
		if (addrs[k])
			vmem_core_free(vmp, addrs[k], 64 * (1 + k), VMEM_REQUEST_X, NULL);
		r.size = 64 * (1 + k);
		r.policy = VMEM_POLICY_INSTANT;
		if (vmem_core_alloc(vmp, &r, &addrs[k]))
			addrs[k] = 0;
		/* Segments that split and merge on both sides of the place. */
		k = (u32)unit_random_below(&random, ARRAY_LEN(others));
		if (others[k])
			vmem_core_free(vmp, others[k], 64, VMEM_REQUEST_X, NULL);
		r.size = 64;
		r.policy = VMEM_POLICY_INSTANT;
		CU_ASSERT_EQUAL(vmem_core_alloc(vmp, &r, &others[k]), 0);
		if (i % 16 == 0)
			CU_ASSERT_EQUAL(vmem_check(vmp, NULL, 0), 0);
	}
	CU_ASSERT_EQUAL(vmp->vm_kstat.vk_index_builds, n_builds);
	CU_ASSERT_EQUAL(vmem_check(vmp, NULL, 0), 0);
	for (u32 k = 0; k < ARRAY_LEN(addrs); k++) {
		if (addrs[k])
			vmem_core_free(vmp, addrs[k], 64 * (1 + k), VMEM_REQUEST_X, NULL);
	}
	for (u32 k = 0; k < ARRAY_LEN(others); k++) {
		if (others[k])
			vmem_core_free(vmp, others[k], 64, VMEM_REQUEST_X, NULL);
	}
	CU_ASSERT_EQUAL(vmem_check(vmp, NULL, 0), 0);
	choices_are_exact(vmp);
	CU_ASSERT_EQUAL(vmp->vm_kstat.vk_index_builds, n_builds);
	destroy(vmp);
}

/* A span that comes while an index is being built is in it, wherever the building rests. */
static void
a_new_span_is_in_a_coming_index(void)
{
	u64 n_bytes;

	for (u32 gap = 0; gap < 50; gap++) {
		vmem_t *vmp = new_arena("spans", 64);
		uword addr = BASE + gap * 256;

		for (u32 i = 0; i < 60; i++) {
			CU_ASSERT_EQUAL(vmem_core_add(vmp, BASE + i * 256, 64), 0);
			CU_ASSERT_EQUAL(vmem_claim(vmp, BASE + i * 256, 64), 0);
		}
		CU_ASSERT_EQUAL(vmem_prepare(vmp), 0);
		CU_ASSERT_NOT_EQUAL(vmem_index_state(vmp, &n_bytes), 3);
		CU_ASSERT_EQUAL(vmem_core_add(vmp, addr - 128, 64), 0);
		CU_ASSERT_EQUAL(vmem_check(vmp, NULL, 0), 0);
		for (u32 i = 0; i < 20; i++)
			CU_ASSERT_EQUAL(vmem_prepare(vmp), 0);
		CU_ASSERT_EQUAL(vmem_index_state(vmp, &n_bytes), 3);
		CU_ASSERT_EQUAL(vmem_check(vmp, NULL, 0), 0);
		CU_ASSERT_EQUAL(vmem_claim(vmp, addr - 128, 64), 0);
		CU_ASSERT_EQUAL(vmem_check(vmp, NULL, 0), 0);
		destroy(vmp);
	}
}

/* Where the building of an index rests the segment grows, and is cut so that what is left begins
 * behind that place: it is in the index all the same. */
static void
a_cut_at_the_place_is_in_a_coming_index(void)
{
	vmem_t *vmp = new_arena("cut", 64);
	const vmem_seg_t *t;
	uword start, end;
	u64 n_bytes;

	/* Holes of two quanta. */
	CU_ASSERT_EQUAL(vmem_core_add(vmp, BASE, 600 * 64), 0);
	for (u32 i = 0; i < 200; i++)
		CU_ASSERT_EQUAL(vmem_claim(vmp, BASE + (i * 3 + 2) * 64, 64), 0);
	CU_ASSERT_EQUAL(vmem_prepare(vmp), 0);
	CU_ASSERT_FATAL(vmp->vm_index->is_building);
	t = vmem_tag(vmp->vm_index->place.hint);
	CU_ASSERT_EQUAL(vmem_tag_type(t), VMEM_TAG_FREE);
	start = t->vs_start;
	end = start + vmem_seg_bytes(t);
	CU_ASSERT_EQUAL(vmp->vm_index->built_last, end - 1);
	/* As if a request built it: others enter nothing. */
	vmp->vm_index->has_builder = 1;
	CU_ASSERT_EQUAL(vmem_core_free(vmp, end, 64, VMEM_REQUEST_X, NULL), 0);
	CU_ASSERT_EQUAL(vmp->vm_index->built_last, end - 1);
	CU_ASSERT_EQUAL(vmem_claim(vmp, start, end + 64 - start), 0);
	CU_ASSERT_EQUAL(vmem_check(vmp, NULL, 0), 0);
	vmp->vm_index->has_builder = 0;
	for (u32 i = 0; i < 20; i++)
		CU_ASSERT_EQUAL(vmem_prepare(vmp), 0);
	CU_ASSERT_EQUAL(vmem_index_state(vmp, &n_bytes), 3);
	CU_ASSERT_EQUAL(vmem_check(vmp, NULL, 0), 0);
	destroy(vmp);
}

/* Many spans that hold little and are mostly full come and go, so that what builds an index rests
 * between them; and again and again an index is given up and comes anew, a little an operation: it
 * is whole at every moment. */
static void
spans_come_and_go_while_an_index_comes(void)
{
	enum { N_SPANS = 200, N_HELD = 600, SPAN = 2 * 64 };
	u64 random = unit_seed(), n_ops = unit_n_ops(60000), n_begun = 0, n_bytes;
	static u8 is_there[N_SPANS];
	static uword addr[N_HELD], size[N_HELD];
	vmem_t *vmp = new_arena("many spans", 64);

	for (u64 op = 0; op < n_ops; op++) {
		u32 k = (u32)unit_random_below(&random, N_SPANS);
		u32 i = (u32)unit_random_below(&random, N_HELD);
		uword start = BASE + (uword)k * 2 * SPAN;
		vmem_request_t r = { .max = ~(uword)0,
				     .policy = (vmem_policy_t)unit_random_below(&random, 4),
				     .flags = VMEM_REQUEST_NOSLEEP | VMEM_REQUEST_X };

		if (op % 3 == 0 && !is_there[k])
			is_there[k] = vmem_core_add(vmp, start, SPAN) == 0;
		else if (op % 3 == 0 && unit_random_below(&random, 4) == 0) {
			for (u32 h = 0; h < N_HELD; h++) {
				if (addr[h] < start || addr[h] >= start + SPAN)
					continue;
				vmem_core_free(vmp, addr[h], size[h], VMEM_REQUEST_X, NULL);
				addr[h] = 0;
			}
			CU_ASSERT_EQUAL(vmem_remove(vmp, start, SPAN), 0);
			is_there[k] = 0;
		}
		/* Mostly full: free segments are few, so the steps of a slice run out and not
		 * those. */
		if (addr[i] && unit_random_below(&random, 8) == 0) {
			vmem_core_free(vmp, addr[i], size[i], VMEM_REQUEST_X, NULL);
			addr[i] = 0;
		} else if (!addr[i]) {
			r.size = size[i] = 64 * (1 + unit_random_below(&random, 2));
			if (vmem_core_alloc(vmp, &r, &addr[i]))
				addr[i] = 0;
			/* Half of the addresses are in no span. */
			CU_ASSERT(!addr[i] || (addr[i] - BASE) % (2 * SPAN) < SPAN);
		}
		if (unit_random_below(&random, 20) == 0) {
			vmem_vacate(vmp);
			vmem_vacate(vmp);
			CU_ASSERT_EQUAL(vmem_prepare(vmp), 0);
			n_begun += vmem_index_state(vmp, &n_bytes) != 3;
		}
		if (op % 20 == 0)
			CU_ASSERT_EQUAL(vmem_check(vmp, NULL, 0), 0);
	}
	CU_ASSERT(n_begun > n_ops / 1000);
	destroy(vmp);
}

/* Nobody asked for an index, and then a policy comes among many holes: its choice, from the first.
 */
static void
the_first_policy_is_obeyed(void)
{
	u64 random = unit_seed(), n_bytes;
	vmem_t *vmp = new_arena("first", 64);

	make_holes(vmp, N_HOLES, &random);
	vmem_vacate(vmp);
	vmem_vacate(vmp);
	CU_ASSERT_EQUAL(vmem_index_state(vmp, &n_bytes), 0);
	choices_are_exact(vmp);
	CU_ASSERT_EQUAL(vmem_check(vmp, NULL, 0), 0);
	destroy(vmp);
}

/* vmem_check() looks into the indexes too. */
static void
check_finds_a_broken_index(void)
{
	u64 random = 3;
	vmem_t *vmp = new_arena("broken", 64);
	vmem_index_node_t *root;
	char what[128];

	make_holes(vmp, 500, &random);
	vmem_lock(&vmp->vm_lock);
	CU_ASSERT_EQUAL(vmem_index_build(vmp, 3), 0);
	vmem_unlock(&vmp->vm_lock);
	for (u32 order = 0; order < 2; order++) {
		root = vmp->vm_index->tree[order].root;
		CU_ASSERT(root->level > 0);
#define BROKEN(place, damage)                                                                      \
	do {                                                                                       \
		u64 _saved = (place);                                                              \
		(place) = (damage);                                                                \
		CU_ASSERT_EQUAL(vmem_check(vmp, what, sizeof(what)), -EUCLEAN);                    \
		CU_ASSERT_PTR_NOT_NULL(strstr(what, "an index "));                                 \
		(place) = _saved;                                                                  \
		CU_ASSERT_EQUAL(vmem_check(vmp, what, sizeof(what)), 0);                           \
	} while (0)
		BROKEN(root->key[1], ~0ull);
		BROKEN(root->key[1], 0);
		if (order == VMEM_INDEX_BY_ADDR)
			BROKEN(root->aux[0], 1);
		while (root->level)
			root = root->child[0];
		BROKEN(root->aux[0], 7);
		BROKEN(root->tag[0], vmp->vm_seg0);
		BROKEN(root->key[0], ~0ull);
		BROKEN(vmp->vm_index->tree[order].n, 3);
#undef BROKEN
	}
	destroy(vmp);
}

static const unit_test_t tests[] = {
	UNIT(choices_are_those_of_a_walk),       UNIT(ranges_are_not_walked),
	UNIT(unsure_candidates_are_counted),     UNIT(instant_fit_builds_none),
	UNIT(a_promised_policy_finds_its_index), UNIT(without_memory_requests_walk),
	UNIT(an_index_comes_bit_by_bit),         UNIT(best_fit_has_its_index_in_time),
	UNIT(the_first_policy_is_obeyed),        UNIT(a_cut_at_the_place_is_in_a_coming_index),
	UNIT(a_new_span_is_in_a_coming_index),   UNIT(spans_come_and_go_while_an_index_comes),
	UNIT(check_finds_a_broken_index),
};

int
main(void)
{
	vmem_mmap_arena(NULL, NULL);
	return unit_run("vmem_index", tests, ARRAY_LEN(tests));
}
