/* SPDX-License-Identifier: Apache-2.0 */
/* The range trees: best fit in a range chooses what a walk does, whatever the quantum and however
 * far apart the spans; the work of a search stays small where holes are made to cost it the most;
 * and how the trees come and go.  Linked with the library's objects. */
#include <pthread.h>
#include <stdatomic.h>
#include "vmem_fixture.h"

/* Under the thread sanitizer two threads that pass a lock to and fro take a millisecond each time,
 * and a building is thousands of slices; what one thread does is other builds' matter. */
#if defined(__SANITIZE_THREAD__)
#	define N_BUILDINGS 2
#	define N_HOLES 1000
#	define N_FIRST_TEST (ARRAY_LEN(tests) - 1)
#else
#	define N_BUILDINGS 20
#	define N_HOLES 3000
#	define N_FIRST_TEST 0
#endif

#define BASE (1ull << 40)

static bool
has_ranges(vmem_t *vmp)
{
	u64 n_bytes;

	return vmem_index_state(vmp, &n_bytes) == VMEM_INDEX_ALL;
}

/* All trees, at once. */
static void
build(vmem_t *vmp)
{
	vmem_lock(&vmp->vm_lock);
	CU_ASSERT_EQUAL(vmem_index_build(vmp, VMEM_INDEX_ALL), 0);
	vmem_unlock(&vmp->vm_lock);
	CU_ASSERT(has_ranges(vmp));
}

/* ---- choices, at random ---- */

/* Spans have slots, each some powers of two further up than the one before. */
#define N_SLOTS 9
#define SPAN_QUANTA 2048
#define N_HELD 3000

typedef struct {
	vmem_t *vmp;
	u64 random;
	uword quantum, addr[N_HELD], size[N_HELD];
	u64 n_compared, n_found, n_turns;
} play_t;

static uword
slot_start(const play_t *p, u32 slot)
{
	return p->quantum << (slot * 5 + 2);
}

/* Around some slot, from a few quanta to all of several spans. */
static vmem_search_t
random_search(play_t *p)
{
	uword q = p->quantum, n_quanta = 1 + unit_random_below(&p->random, 12);
	vmem_search_t s = { .align = q,
			    .policy = VMEM_POLICY_BEST,
			    .has_bounds = 1,
			    .is_constrained = 1,
			    .may_walk = 1,
			    .size = n_quanta * q };
	uword start = slot_start(p, (u32)unit_random_below(&p->random, N_SLOTS));

	s.asked = s.size;
	s.min = start + q * unit_random_below(&p->random, SPAN_QUANTA);
	s.max = s.min +
		q * unit_random_below(&p->random, 1ull << unit_random_below(&p->random, 14));
	if (unit_random_below(&p->random, 4) == 0)
		s.min = unit_random_below(&p->random, 2) ? 0 : start;
	if (unit_random_below(&p->random, 4) == 0)
		s.max = ~(uword)0;
	if (unit_random_below(&p->random, 4) == 0) {
		s.align = q << unit_random_below(&p->random, 5);
		s.phase = q * unit_random_below(&p->random, s.align / q);
	}
	if (unit_random_below(&p->random, 6) == 0) {
		s.nocross = max_pow2(s.phase + s.size) << unit_random_below(&p->random, 3);
		if (s.align >= s.nocross)
			s.nocross = 0;
	}
	if (unit_random_below(&p->random, 4) == 0)
		s.flags = VMEM_REQUEST_HIGH_END;
	return s;
}

/* By the trees, and by as many turns as it takes, what a walk over the free lists finds; that is
 * held against a map of units by test_vmem_model. */
static void
compare_choice(play_t *p)
{
	vmem_search_t s = random_search(p);
	uword expected_addr = 0, addr = 0;
	u64 n_steps = 0;
	u32 expected, got;

	vmem_lock(&p->vmp->vm_lock);
	expected = vmem_walk_best(p->vmp, &s, &expected_addr);
	if (vmem_index_ranges(p->vmp)) {
		got = vmem_fit_by_pieces(p->vmp, &s, &addr, &n_steps);
		CU_ASSERT_EQUAL(got, expected);
		CU_ASSERT(!got || addr == expected_addr);
		p->n_compared++;
		p->n_found += got != 0;
	}
	if (vmem_index_tree(p->vmp, VMEM_INDEX_BY_ADDR) &&
	    vmem_index_tree(p->vmp, VMEM_INDEX_BY_SIZE)) {
		got = vmem_fit(p->vmp, &s, &addr);
		CU_ASSERT_EQUAL(got, expected);
		CU_ASSERT(!got || addr == expected_addr);
		p->n_turns++;
	}
	vmem_unlock(&p->vmp->vm_lock);
}

static void
take_or_give(play_t *p)
{
	u32 i = (u32)unit_random_below(&p->random, N_HELD);
	vmem_request_t r = { .size = p->quantum * (1 + unit_random_below(&p->random, 12)),
			     .max = ~(uword)0,
			     .policy = (vmem_policy_t)unit_random_below(&p->random, 4),
			     .flags = VMEM_REQUEST_NOSLEEP | VMEM_REQUEST_X };
	uword new_size = p->quantum * (1 + unit_random_below(&p->random, 16));

	if (!p->size[i]) {
		if (unit_random_below(&p->random, 3) == 0) {
			vmem_search_t s = random_search(p);

			r.min = s.min;
			r.max = s.max;
			r.align = s.align;
			r.phase = s.phase;
			if (r.max < r.min)
				return;
		}
		if (vmem_core_alloc(p->vmp, &r, &p->addr[i]) == 0)
			p->size[i] = r.size;
	} else if (unit_random_below(&p->random, 4)) {
		CU_ASSERT_EQUAL(
			vmem_core_free(p->vmp, p->addr[i], p->size[i], VMEM_REQUEST_X, NULL), 0);
		p->size[i] = 0;
	} else if (vmem_resize(p->vmp, p->addr[i], p->size[i], new_size) == 0) {
		p->size[i] = new_size;
	}
}

/* A span comes where there is none, or a free part of one goes. */
static void
change_spans(play_t *p)
{
	uword start = slot_start(p, (u32)unit_random_below(&p->random, N_SLOTS)), q = p->quantum;

	/* The lowest slots lie inside one another: where they meet nothing is added. */
	if (unit_random_below(&p->random, 8) == 0)
		vmem_core_add(p->vmp, start, SPAN_QUANTA * q);
	else
		vmem_remove(p->vmp, start + q * unit_random_below(&p->random, SPAN_QUANTA),
			    q * (1 + unit_random_below(&p->random, 4)));
}

static void
play(play_t *p, uword quantum, u64 n_ops)
{
	memset(p->size, 0, sizeof(p->size));
	p->quantum = quantum;
	p->vmp = new_arena("ranges", quantum);
	CU_ASSERT_EQUAL(vmem_prepare_ranges(p->vmp), 0);
	for (u64 op = 0; op < n_ops; op++) {
		take_or_give(p);
		if (op % 16 == 0)
			change_spans(p);
		if (op % 8 == 0)
			compare_choice(p);
		/* Unused for so long, they go; and come again. */
		if (op % 8192 == 4096) {
			vmem_vacate(p->vmp);
			vmem_vacate(p->vmp);
			CU_ASSERT_FALSE(has_ranges(p->vmp));
		}
		if (op % 2048 == 0)
			CU_ASSERT_EQUAL(vmem_prepare_ranges(p->vmp), 0);
		/* For a while there is no memory but what is in stock. */
		if (op % 4096 == 1000)
			vmem_internal_arena->vm_mtbf = 1;
		if (op % 4096 == 1500)
			vmem_internal_arena->vm_mtbf = 0;
		if (op % 1000 == 0)
			CU_ASSERT_EQUAL_FATAL(vmem_check(p->vmp, NULL, 0), 0);
	}
	vmem_internal_arena->vm_mtbf = 0;
	destroy(p->vmp);
}

/* Quanta of 1, 16 and 4096, spans up to 2^44 quanta apart that come and go, operations of all
 * kinds: whenever the trees are there they choose what a walk does, in whatever range. */
static void
choices_are_those_of_a_walk(void)
{
	static const uword quanta[] = { 1, 16, 4096 };
	u64 n_ops = unit_n_ops(120000);
	static play_t p;

	p = (play_t){ .random = unit_seed() };
	for (u32 i = 0; i < ARRAY_LEN(quanta); i++)
		play(&p, quanta[i], n_ops / ARRAY_LEN(quanta));
	/* Mostly they are there; hits and misses both. */
	CU_ASSERT(p.n_compared > n_ops / 16);
	CU_ASSERT(p.n_turns > n_ops / 16);
	CU_ASSERT(p.n_found > p.n_compared / 4 && p.n_found < p.n_compared);
}

/* ---- the worst case ---- */

#define N_SIZES 33000

/* One unit between each two: holes of 2, 3, ... units, and behind them as many that are larger than
 * all of these, in a range that has no other.  Value: where that begins. */
static uword
make_worst_holes(vmem_t *vmp, uword *end)
{
	uword addr = BASE, middle;

	CU_ASSERT_EQUAL_FATAL(vmem_core_add(vmp, BASE, 1ull << 33), 0);
	for (u32 i = 0; i < N_SIZES; i++) {
		addr += i + 2;
		CU_ASSERT_EQUAL(vmem_claim(vmp, addr++, 1), 0);
	}
	middle = addr;
	for (u32 i = 0; i < N_SIZES; i++) {
		addr += 2 * N_SIZES + i * 7919 % N_SIZES;
		CU_ASSERT_EQUAL(vmem_claim(vmp, addr++, 1), 0);
	}
	CU_ASSERT_EQUAL(vmem_claim(vmp, addr, BASE + (1ull << 33) - addr), 0);
	*end = addr;
	return middle;
}

/* The same with fewer: n holes of 2, 3, ... units from BASE on, and n of 4000.  Value: where the
 * latter begin. */
static uword
claim_between(vmem_t *vmp, u32 n, uword *end)
{
	uword addr = BASE, middle = BASE;

	for (u32 i = 0; i < 2 * n; i++) {
		if (i == n)
			middle = addr;
		addr += i < n ? i + 2 : 4000;
		CU_ASSERT_EQUAL(vmem_claim(vmp, addr++, 1), 0);
	}
	*end = addr;
	return middle;
}

/* Steps of the last search. */
static u64
n_steps_of(vmem_t *vmp, vmem_request_t *r, uword expected_size)
{
	u64 before = vmp->vm_kstat.vk_range_steps;
	vmem_search_t s = { .size = r->size,
			    .asked = r->size,
			    .align = 1,
			    .min = r->min,
			    .max = r->max,
			    .policy = VMEM_POLICY_BEST };
	uword expected = 0, addr = 0;
	u32 tag;

	vmem_lock(&vmp->vm_lock);
	tag = vmem_walk_best(vmp, &s, &expected);
	vmem_unlock(&vmp->vm_lock);
	if (tag == 0) {
		CU_ASSERT_EQUAL(vmem_core_alloc(vmp, r, &addr), -ENOMEM);
	} else {
		CU_ASSERT_EQUAL(vmem_seg_bytes(vmem_tag(tag)), expected_size);
		CU_ASSERT_EQUAL(vmem_core_alloc(vmp, r, &addr), 0);
		CU_ASSERT_EQUAL(addr, expected);
		vmem_core_free(vmp, addr, r->size, VMEM_REQUEST_X, NULL);
	}
	return vmp->vm_kstat.vk_range_steps - before;
}

/* Sixty-six thousand holes, half of them of all different sizes outside a range and nearer to what
 * is asked for than those in it, which are all large enough: the search that looks from both sides
 * would look at all of either.  It looks at a few turns, two blocks of 64 units, and in each scale
 * two ways down a tree at most. */
static void
the_worst_holes_cost_little(void)
{
	vmem_t *vmp = new_arena("worst", 1);
	uword end, middle = make_worst_holes(vmp, &end);
	u64 random = 5, n_most = 0;
	u32 n_levels = 0, n_scales = 0;

	CU_ASSERT(vmp->vm_n_free > 2 * N_SIZES - 10);
	for (u32 i = 0; i < 200; i++) {
		uword lo = middle + unit_random_below(&random, (end - middle) / 2);
		vmem_request_t r = { .size = 1 + unit_random_below(&random, 1000),
				     .min = i % 4 ? lo : middle,
				     .max = i % 4 ? lo + (end - middle) / 2 : end,
				     .policy = VMEM_POLICY_BEST,
				     .flags = VMEM_REQUEST_NOSLEEP | VMEM_REQUEST_X };
		vmem_search_t s = { .size = r.size, .align = 1, .min = r.min, .max = r.max };
		uword addr;
		u64 n;

		n = n_steps_of(vmp, &r, vmem_seg_bytes(vmem_tag(vmem_walk_best(vmp, &s, &addr))));
		if (i)
			n_most = clib_max(n_most, n);
	}
	CU_ASSERT_FATAL(has_ranges(vmp));
	for (u32 i = 0; i < vmp->vm_index->ranges->n_scales; i++) {
		const vmem_range_tree_t *tree = &vmp->vm_index->ranges->tree[i];

		n_scales += tree->is_needed;
		if (tree->root)
			n_levels = clib_max(n_levels, tree->root->level + 1u);
	}
	/* 2^33 units, 2^6 in a block. */
	CU_ASSERT_EQUAL(n_scales, 5);
	CU_ASSERT(n_levels <= 7);
	printf("steps=%llu ", (unsigned long long)n_most);
	CU_ASSERT(n_most <= 8 + 2 * 64 + 2 * n_scales * 2 * n_levels);
	CU_ASSERT_EQUAL(vmem_check(vmp, NULL, 0), 0);
	destroy(vmp);
}

/* Ordinary holes never need the trees: 1 to 16 quanta, a range of a twentieth. */
static void
ordinary_ranges_need_no_more(void)
{
	vmem_t *vmp = new_arena("ordinary", 64);
	u64 random = 9;
	uword addr = BASE, end;

	CU_ASSERT_EQUAL_FATAL(vmem_core_add(vmp, BASE, MiB(64)), 0);
	for (u32 i = 0; i < 20000; i++) {
		addr += 64 * (1 + unit_random_below(&random, 16));
		CU_ASSERT_EQUAL(vmem_claim(vmp, addr, 64), 0);
		addr += 64;
	}
	end = addr;
	for (u32 i = 0; i < 2000; i++) {
		uword lo = BASE + unit_random_below(&random, (end - BASE) / 20 * 19);
		vmem_request_t r = { .size = 64 * (1 + unit_random_below(&random, 18)),
				     .min = lo,
				     .max = lo + (end - BASE) / 20,
				     .policy = VMEM_POLICY_BEST,
				     .flags = VMEM_REQUEST_NOSLEEP | VMEM_REQUEST_X };

		if (vmem_core_alloc(vmp, &r, &addr) == 0)
			vmem_core_free(vmp, addr, r.size, VMEM_REQUEST_X, NULL);
	}
	CU_ASSERT_PTR_NULL(vmp->vm_index->ranges);
	destroy(vmp);
}

/* ---- coming and going ---- */

/* So many holes of so many quanta, a quantum apart. */
static void
make_holes(vmem_t *vmp, uword start, u32 n, uword n_quanta)
{
	uword q = vmp->vm_quantum;

	CU_ASSERT_EQUAL_FATAL(vmem_core_add(vmp, start, n * (n_quanta + 1) * q), 0);
	for (u32 i = 1; i <= n; i++)
		CU_ASSERT_EQUAL(vmem_claim(vmp, start + (i * (n_quanta + 1) - 1) * q, q), 0);
}

/* Operations that find nothing and change nothing. */
static void
pass_time(vmem_t *vmp)
{
	CU_ASSERT_EQUAL(vmem_claim(vmp, 1ull << 62, vmp->vm_quantum), -ENOMEM);
}

/* Prepared while it is empty, an arena has the trees from its first free segment on; of the scales
 * only those that tell its segments apart.  A span far away makes another needed: it comes bit by
 * bit, and meanwhile everything goes on. */
static void
a_far_span_brings_a_scale(void)
{
	vmem_t *vmp = new_arena("far", 16);
	vmem_ranges_t *ranges;
	u32 n_ops = 0;

	CU_ASSERT_EQUAL(vmem_prepare_ranges(vmp), 0);
	CU_ASSERT(has_ranges(vmp));
	make_holes(vmp, BASE, 3000, 3);
	for (u32 i = 0; i < 3000 && !has_ranges(vmp); i++)
		pass_time(vmp);
	CU_ASSERT(has_ranges(vmp));
	CU_ASSERT_EQUAL(vmp->vm_kstat.vk_index_slices, 0);
	ranges = vmp->vm_index->ranges;
	/* 192000 bytes: blocks of 1 KiB, regions of 64 KiB and of 4 MiB. */
	for (u32 i = 0; i < ranges->n_scales; i++)
		CU_ASSERT_EQUAL(ranges->tree[i].is_kept, i < 2);

	/* 64 KiB at twice the address: bits 40 and 41 are told apart by the sixth scale. */
	make_holes(vmp, 2 * BASE, 1, 3);
	CU_ASSERT_FALSE(has_ranges(vmp));
	CU_ASSERT_EQUAL(vmem_check(vmp, NULL, 0), 0);
	for (; n_ops < 3000 && !has_ranges(vmp); n_ops++) {
		pass_time(vmp);
		CU_ASSERT_EQUAL(vmem_check(vmp, NULL, 0), 0);
	}
	CU_ASSERT(has_ranges(vmp) && n_ops > 100);
	for (u32 i = 0; i < ranges->n_scales; i++)
		CU_ASSERT_EQUAL(ranges->tree[i].is_kept, i < 2 || i == 5);
	CU_ASSERT_EQUAL(vmp->vm_kstat.vk_index_slices, 0);
	CU_ASSERT_EQUAL(vmp->vm_kstat.vk_index_lost, 0);
	destroy(vmp);
}

/* The first and the last address there are, at a quantum of one: nothing overflows. */
static void
all_addresses_are_told_apart(void)
{
	vmem_t *vmp = new_arena("all", 1);
	vmem_search_t s = { .size = 2,
			    .asked = 2,
			    .align = 1,
			    .max = ~(uword)0,
			    .policy = VMEM_POLICY_BEST,
			    .has_bounds = 1 };
	u64 n_steps = 0;
	uword addr;

	make_holes(vmp, 0, 500, 3);
	make_holes(vmp, 0 - 501ull * 4, 501, 3);
	for (u32 i = 0; i < 40; i++)
		make_holes(vmp, 1ull << (12 + i), 1 + i, 4 + i % 3);
	build(vmp);
	CU_ASSERT_EQUAL(vmp->vm_index->ranges->n_scales, VMEM_RANGE_N_SCALES);
	CU_ASSERT_EQUAL(vmem_check(vmp, NULL, 0), 0);
	vmem_lock(&vmp->vm_lock);
	for (u32 i = 0; i < 64; i++) {
		uword expected = 0;

		s.min = 1ull << i;
		s.size = s.asked = 1 + i % 7;
		CU_ASSERT_EQUAL(vmem_fit_by_pieces(vmp, &s, &addr, &n_steps),
				vmem_walk_best(vmp, &s, &expected));
		CU_ASSERT(expected == 0 || expected == addr);
	}
	/* The last hole is before the last address, which is taken; and itself once it is free. */
	s.min = ~(uword)0 - 3;
	s.size = s.asked = 3;
	CU_ASSERT_NOT_EQUAL(vmem_fit_by_pieces(vmp, &s, &addr, &n_steps), 0);
	CU_ASSERT_EQUAL(addr, ~(uword)0 - 3);
	vmem_unlock(&vmp->vm_lock);
	CU_ASSERT_EQUAL(vmem_claim(vmp, ~(uword)0 - 1, 1), 0);
	CU_ASSERT_EQUAL(vmem_core_free(vmp, ~(uword)0, 1, VMEM_REQUEST_X, NULL), 0);
	vmem_lock(&vmp->vm_lock);
	s.min = 1;
	s.max = ~(uword)0;
	s.size = s.asked = 1;
	CU_ASSERT_NOT_EQUAL(vmem_fit_by_pieces(vmp, &s, &addr, &n_steps), 0);
	CU_ASSERT_EQUAL(addr, ~(uword)0);
	vmem_unlock(&vmp->vm_lock);
	destroy(vmp);
}

/* What nobody used since vmem_vacate() looked goes: the range trees without the others. */
static void
unused_they_go_alone(void)
{
	vmem_t *vmp = new_arena("unused", 64);
	vmem_request_t r = { .size = 64,
			     .max = ~(uword)0,
			     .policy = VMEM_POLICY_BEST,
			     .flags = VMEM_REQUEST_NOSLEEP | VMEM_REQUEST_X };
	u64 n_with, n_without;
	uword addr;

	make_holes(vmp, BASE, 5000, 2);
	build(vmp);
	vmem_vacate(vmp);
	CU_ASSERT(has_ranges(vmp));
	CU_ASSERT_EQUAL(vmem_index_state(vmp, &n_with), VMEM_INDEX_ALL);
	CU_ASSERT_EQUAL(vmem_core_alloc(vmp, &r, &addr), 0);
	vmem_vacate(vmp);
	CU_ASSERT_EQUAL(vmem_index_state(vmp, &n_without), VMEM_INDEX_BOTH);
	/* 15000 quanta are 235 blocks: two scales, 16 bytes a segment in each, some room and inner
	 * nodes, since they were built in order. */
	CU_ASSERT(n_with - n_without > 2 * 16 * 5000);
	CU_ASSERT(n_with - n_without < 2 * 26 * 5000);
	CU_ASSERT_EQUAL(vmem_check(vmp, NULL, 0), 0);
	/* Nor do they stand in the way of others that are being built with them. */
	vmem_vacate(vmp);
	CU_ASSERT_EQUAL(vmem_index_state(vmp, &n_without), 0);
	CU_ASSERT_EQUAL(vmem_prepare_ranges(vmp), 0);
	vmem_lock(&vmp->vm_lock);
	vmem_index_detach_ranges(vmp, &vmp->vm_index_dead);
	vmem_unlock(&vmp->vm_lock);
	for (u32 i = 0; i < 5000; i++)
		pass_time(vmp);
	CU_ASSERT_EQUAL(vmem_index_state(vmp, &n_without), VMEM_INDEX_BOTH);
	/* Nor leave anything behind that goes on being built. */
	CU_ASSERT_EQUAL(vmem_prepare_ranges(vmp), 0);
	vmem_lock(&vmp->vm_lock);
	vmem_index_detach_ranges(vmp, &vmp->vm_index_dead);
	CU_ASSERT_FALSE(vmp->vm_index->is_building);
	vmem_unlock(&vmp->vm_lock);
	CU_ASSERT_EQUAL(vmem_check(vmp, NULL, 0), 0);
	destroy(vmp);
}

/* See that so many tags are to be had without fetching any: an arena's that had them. */
static void
stock_tags(u32 n)
{
	vmem_t *vmp = new_arena("tags", 64);

	make_holes(vmp, BASE, n / 2, 1);
	destroy(vmp);
}

/* Without memory for them the search goes on from two sides, to its end; when their nodes run short
 * they are given up, and the two other trees are not. */
static void
without_memory_the_search_goes_on(void)
{
	vmem_t *vmp = new_arena("starved", 1);
	uword middle, end, got;
	u64 n_bytes;
	vmem_request_t r = { .size = 1,
			     .policy = VMEM_POLICY_BEST,
			     .flags = VMEM_REQUEST_NOSLEEP | VMEM_REQUEST_X };

	CU_ASSERT_EQUAL_FATAL(vmem_core_add(vmp, BASE, 1ull << 24), 0);
	CU_ASSERT_EQUAL(vmem_core_add(vmp, BASE + (1ull << 24), 30000), 0);
	middle = claim_between(vmp, 2000, &end);
	vmem_lock(&vmp->vm_lock);
	CU_ASSERT_EQUAL(vmem_index_build(vmp, VMEM_INDEX_BOTH), 0);
	vmem_unlock(&vmp->vm_lock);
	r.min = middle;
	r.max = end - 1;
	/* Not a block is left in stock. */
	vmem_internal_arena->vm_mtbf = 1;
	vmem_index_trim();
	{
		void *kept[16];
		u32 n = 0;

		while (n < ARRAY_LEN(kept) && (kept[n] = vmem_block_take(VMEM_BLOCK_INDEX)))
			n++;
		CU_ASSERT(n < ARRAY_LEN(kept));
		CU_ASSERT_EQUAL(vmem_core_alloc(vmp, &r, &got), 0);
		CU_ASSERT_EQUAL(got, middle);
		CU_ASSERT_EQUAL(vmem_core_free(vmp, got, 1, VMEM_REQUEST_X, NULL), 0);
		CU_ASSERT(vmp->vm_kstat.vk_range_steps >= 2000);
		CU_ASSERT_EQUAL(vmem_prepare_ranges(vmp), -ENOMEM);
		CU_ASSERT_EQUAL(vmem_index_state(vmp, &n_bytes), VMEM_INDEX_BOTH);
		while (n)
			vmem_block_keep(VMEM_BLOCK_INDEX, kept[--n]);
	}
	vmem_internal_arena->vm_mtbf = 0;
	CU_ASSERT_EQUAL(vmem_core_alloc(vmp, &r, &got), 0);
	CU_ASSERT_EQUAL(got, middle);
	CU_ASSERT_EQUAL(vmem_core_free(vmp, got, 1, VMEM_REQUEST_X, NULL), 0);
	CU_ASSERT(has_ranges(vmp));

	/* As if their nodes had run out: the next change cannot be entered. */
	vmp->vm_index->ranges->stock.n_free_nodes = 0;
	vmem_internal_arena->vm_mtbf = 1;
	CU_ASSERT_EQUAL(vmem_claim(vmp, BASE + (1ull << 24) + 2, 1), 0);
	CU_ASSERT_EQUAL(vmp->vm_kstat.vk_index_lost, 1);
	CU_ASSERT_PTR_NOT_NULL_FATAL(vmp->vm_index);
	CU_ASSERT_PTR_NULL(vmp->vm_index->ranges);
	CU_ASSERT(vmem_index_tree(vmp, VMEM_INDEX_BY_SIZE) != NULL);
	CU_ASSERT_EQUAL(vmem_check(vmp, NULL, 0), 0);
	vmem_internal_arena->vm_mtbf = 0;
	CU_ASSERT_EQUAL(vmem_core_alloc(vmp, &r, &got), 0);
	CU_ASSERT(has_ranges(vmp));

	/* Thousands of segments more; tags for them are in stock, nodes are not: whatever is given
	 * up, each is freed. */
	stock_tags(40000);
	vmem_internal_arena->vm_mtbf = 1;
	for (u32 i = 2; i < 14000; i++)
		CU_ASSERT_EQUAL(vmem_claim(vmp, BASE + (1ull << 24) + 2 * i, 1), 0);
	CU_ASSERT(vmp->vm_kstat.vk_index_lost > 1);
	CU_ASSERT_EQUAL(vmem_check(vmp, NULL, 0), 0);
	for (u32 i = 2; i < 14000; i++)
		CU_ASSERT_EQUAL(
			vmem_core_free(vmp, BASE + (1ull << 24) + 2 * i, 1, VMEM_REQUEST_X, NULL),
			0);
	CU_ASSERT_EQUAL(vmem_check(vmp, NULL, 0), 0);
	vmem_internal_arena->vm_mtbf = 0;
	destroy(vmp);
}

/* Again and again they are dropped and asked for anew while spans that hold little come and go, so
 * that what builds them rests between spans, and another scale is needed in the middle: they are
 * whole at every moment. */
static void
spans_come_and_go_while_they_come(void)
{
	enum { N_SPANS = 200, N_TAKEN = 400 };
	u64 random = unit_seed(), n_ops = unit_n_ops(30000), n_begun = 0, n_whole = 0;
	static u8 is_there[N_SPANS];
	static uword addr[N_TAKEN];
	vmem_t *vmp = new_arena("many spans", 64);

	for (u64 op = 0; op < n_ops; op++) {
		u32 k = (u32)unit_random_below(&random, N_SPANS);
		u32 i = (u32)unit_random_below(&random, N_TAKEN);
		/* Four groups, far apart. */
		uword start = BASE * (1 + k % 4 * 1000) + (uword)k * 4 * 64;
		vmem_request_t r = { .size = 64,
				     .max = ~(uword)0,
				     .policy = (vmem_policy_t)unit_random_below(&random, 4),
				     .flags = VMEM_REQUEST_NOSLEEP | VMEM_REQUEST_X };

		if (op % 3 == 0 && !is_there[k])
			is_there[k] = vmem_core_add(vmp, start, 3 * 64) == 0;
		else if (op % 3 == 0 && vmem_remove(vmp, start, 3 * 64) == 0)
			is_there[k] = 0;
		if (addr[i]) {
			vmem_core_free(vmp, addr[i], 64, VMEM_REQUEST_X, NULL);
			addr[i] = 0;
		} else if (vmem_core_alloc(vmp, &r, &addr[i])) {
			addr[i] = 0;
		}
		if (unit_random_below(&random, 60) == 0) {
			vmem_vacate(vmp);
			vmem_vacate(vmp);
			CU_ASSERT_EQUAL(vmem_prepare_ranges(vmp), 0);
			n_begun += !has_ranges(vmp);
		}
		n_whole += has_ranges(vmp);
		if (op % 10 == 0)
			CU_ASSERT_EQUAL_FATAL(vmem_check(vmp, NULL, 0), 0);
	}
	CU_ASSERT(n_begun > n_ops / 200 && n_whole > n_ops / 4);
	destroy(vmp);
}

/* ---- threads ---- */

typedef struct {
	vmem_t *vmp;
	_Atomic u32 is_over;
	u64 n_done;
} other_t;

static void *
use_meanwhile(void *arg)
{
	other_t *o = arg;
	u64 random = 11;
	uword held[64] = { 0 };

	/* Relaxed: only that it ends. */
	while (!atomic_load_explicit(&o->is_over, memory_order_relaxed)) {
		u32 i = (u32)unit_random_below(&random, ARRAY_LEN(held));
		vmem_request_t r = { .size = 1 + i,
				     .max = ~(uword)0,
				     .flags = VMEM_REQUEST_NOSLEEP | VMEM_REQUEST_X };

		if (held[i])
			vmem_core_free(o->vmp, held[i], 1 + i, VMEM_REQUEST_X, NULL);
		if (vmem_core_alloc(o->vmp, &r, &held[i]))
			held[i] = 0;
		o->n_done++;
		/* A span far away comes, and goes again if nothing of it is taken: another scale.
		 */
		if (o->n_done % 256 == 0) {
			uword start = BASE << (1 + o->n_done / 256 % 20);

			if (vmem_core_add(o->vmp, start, 64))
				vmem_remove(o->vmp, start, 64);
		}
	}
	return NULL;
}

/* Requests that need the trees build them in slices, while another thread takes and frees, and adds
 * spans that make other scales needed. */
static void
others_go_on_while_a_request_builds_them(void)
{
	vmem_t *vmp = new_arena("threads", 1);
	other_t o = { .vmp = vmp };
	uword middle, end;
	pthread_t thread;

	CU_ASSERT_EQUAL_FATAL(vmem_core_add(vmp, BASE, 1ull << 26), 0);
	middle = claim_between(vmp, N_HOLES, &end);
	CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, use_meanwhile, &o), 0);
	for (u32 round = 0; round < N_BUILDINGS; round++) {
		vmem_request_t r = { .size = 1,
				     .min = middle,
				     .max = end - 1,
				     .policy = VMEM_POLICY_BEST,
				     .flags = VMEM_REQUEST_NOSLEEP | VMEM_REQUEST_X };
		uword got = 0;

		CU_ASSERT_EQUAL(vmem_core_alloc(vmp, &r, &got), 0);
		CU_ASSERT(got >= r.min && got <= r.max);
		CU_ASSERT_EQUAL(vmem_core_free(vmp, got, 1, VMEM_REQUEST_X, NULL), 0);
		CU_ASSERT_EQUAL(vmem_check(vmp, NULL, 0), 0);
		vmem_vacate(vmp);
		vmem_vacate(vmp);
	}
	atomic_store_explicit(&o.is_over, 1, memory_order_relaxed);
	pthread_join(thread, NULL);
	CU_ASSERT(o.n_done > 0);
	CU_ASSERT(vmp->vm_kstat.vk_index_slices > 20);
	destroy(vmp);
}

/* ---- faults ---- */

/* vmem_check() looks into them too. */
static void
check_finds_a_broken_one(void)
{
	vmem_t *vmp = new_arena("broken", 64);
	vmem_range_tree_t *tree;
	vmem_range_node_t *root, *leaf;
	char what[128];

	make_holes(vmp, BASE, 2000, 2);
	build(vmp);
	tree = &vmp->vm_index->ranges->tree[1];
	root = leaf = tree->root;
	CU_ASSERT_FATAL(root->level > 0);
	while (leaf->level)
		leaf = leaf->inner[0].child;
#define BROKEN(place, damage)                                                                      \
	do {                                                                                       \
		u64 _saved = (u64)(place);                                                         \
		(place) = (damage);                                                                \
		CU_ASSERT_EQUAL(vmem_check(vmp, what, sizeof(what)), -EUCLEAN);                    \
		CU_ASSERT_PTR_NOT_NULL(strstr(what, "an index of ranges"));                        \
		(place) = _saved;                                                                  \
		CU_ASSERT_EQUAL(vmem_check(vmp, what, sizeof(what)), 0);                           \
	} while (0)
	BROKEN(root->inner[1].key.size, ~0ull);
	BROKEN(root->inner[1].key.start, 0);
	BROKEN(root->inner[0].parts, root->inner[0].parts << 1);
	BROKEN(leaf->leaf[0].size, leaf->leaf[0].size + 64);
	BROKEN(leaf->leaf[1].start, leaf->leaf[0].start);
	BROKEN(leaf->n, (u16)(leaf->n - 1));
	BROKEN(tree->n, 3);
	BROKEN(tree->is_kept, 0);
	BROKEN(vmp->vm_index->ranges->varying, 0);
#undef BROKEN
	destroy(vmp);
}

static const unit_test_t tests[] = {
	UNIT(choices_are_those_of_a_walk),
	UNIT(the_worst_holes_cost_little),
	UNIT(ordinary_ranges_need_no_more),
	UNIT(a_far_span_brings_a_scale),
	UNIT(all_addresses_are_told_apart),
	UNIT(unused_they_go_alone),
	UNIT(without_memory_the_search_goes_on),
	UNIT(spans_come_and_go_while_they_come),
	UNIT(check_finds_a_broken_one),
	/* From here on with another thread. */
	UNIT(others_go_on_while_a_request_builds_them),
};

int
main(void)
{
	vmem_mmap_arena(NULL, NULL);
	return unit_run("vmem_ranges", tests + N_FIRST_TEST, ARRAY_LEN(tests) - N_FIRST_TEST);
}
