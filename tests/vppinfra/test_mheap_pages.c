/* SPDX-License-Identifier: Apache-2.0 */
/* Where the pages of an mheap come from and when they go: growth, give-back, and the accounts. */
#include <sys/mman.h>
#include <unistd.h>
#include <vppinfra/mheap_front.h>
#include "heap_helpers.h"
#include "strict_region.h"

static strict_region_t region;

static void *
strict_heap_of(uword size, uword page_bytes)
{
	void *v = strict_heap(&region, size, page_bytes, 0);

	CU_ASSERT_PTR_NOT_NULL_FATAL(v);
	return v;
}

static void
touch(void *v, uword offset)
{
	memset((u8 *)v + offset, 0x5a, mheap_data_bytes(v, offset));
}

static uword
n_resident_bytes(const void *p, uword n)
{
	uword first = round_down_pow2((uword)p, 4096), n_resident = 0;
	static u8 map[MiB(1)];

	n = round_pow2((uword)p + n, 4096) - first;
	CU_ASSERT_FATAL(n / 4096 <= sizeof(map));
	if (mincore((void *)first, n, map))
		return 0;
	for (uword i = 0; i < n / 4096; i++)
		n_resident += map[i] & 1;
	return n_resident * 4096;
}

static uword
rss_bytes(void)
{
	FILE *f = fopen("/proc/self/statm", "r");
	unsigned long n_total, n_resident = 0;

	if (!f || fscanf(f, "%lu %lu", &n_total, &n_resident) != 2)
		n_resident = 0;
	if (f)
		fclose(f);
	return n_resident * 4096;
}

/* ---- growth ---- */

/* A heap touches only what it committed, commits no page twice, and knows how much it has. */
static void
growth_commits_first(void)
{
	void *v = strict_heap_of(MiB(4), 4096);
	uword n = 0, offset;

	CU_ASSERT(strict_accounts_agree(&region, v));
	CU_ASSERT_EQUAL(region.n_held_bytes, 8192);
	while ((offset = get(v, 1000)) != NOTHING) {
		touch(v, offset);
		n++;
	}
	CU_ASSERT_EQUAL(n, (MiB(4) - 4096 - 16) / (1008 + 16));
	CU_ASSERT(strict_accounts_agree(&region, v));
	CU_ASSERT_EQUAL(region.n_held_bytes, MiB(4));
	/* In batches: not a call a page. */
	CU_ASSERT(region.n_commits <= MiB(4) / KiB(64) + 2);
	CU_ASSERT_EQUAL(mheap_header(v)->stats.n_commits, region.n_commits);
	CU_ASSERT(is_whole(v));
	mheap_free(v);
	CU_ASSERT_EQUAL(region.n_releases, 1);
}

/* When the region has no more, get fails, the heap is as it was, and goes on when there is. */
static void
a_failed_commit_changes_nothing(void)
{
	void *v = strict_heap_of(MiB(4), 4096);
	mheap_t before;
	uword offset, n = 0;

	region.n_commits_left = 3;
	while (get(v, 1000) != NOTHING)
		n++;
	CU_ASSERT(n >= 2 * KiB(64) / 1024);
	before = *mheap_header(v);
	CU_ASSERT_EQUAL(get(v, 1000), NOTHING);
	mheap_get_aligned(v, 100000, 4096, 8, &offset);
	CU_ASSERT_EQUAL(offset, NOTHING);
	CU_ASSERT_EQUAL(mheap_extend(v, 16, 200000), -ENOMEM);
	CU_ASSERT_EQUAL(before.n_elts, n);
	CU_ASSERT_EQUAL(before.n_committed_bytes, mheap_header(v)->n_committed_bytes);
	CU_ASSERT_EQUAL(before.n_free_bytes, mheap_header(v)->n_free_bytes);
	CU_ASSERT_EQUAL(before.n_used_bytes, mheap_header(v)->n_used_bytes);
	CU_ASSERT(is_whole(v));
	CU_ASSERT(strict_accounts_agree(&region, v));
	region.n_commits_left = ~0ULL;
	CU_ASSERT_NOT_EQUAL(get(v, 1000), NOTHING);
	CU_ASSERT(is_whole(v));
	mheap_free(v);
}

/* A batch that cannot be had is not the end: what is needed may be. */
static int
commit_at_most_a_page(void *opaque, void *p, uword n)
{
	return n > 8192 ? -ENOMEM : strict_commit(opaque, p, n);
}

static void
a_failed_batch_is_tried_smaller(void)
{
	u8 *base = mmap(NULL, MiB(1), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	mheap_params_t params = { .region = { .base = base,
					      .size = MiB(1),
					      .page_bytes = 4096,
					      .commit = commit_at_most_a_page,
					      .release = strict_release,
					      .opaque = &region } };
	void *v;

	memset(&region, 0, sizeof(region));
	region = (strict_region_t){
		.base = base, .size = MiB(1), .page_bytes = 4096, .n_commits_left = ~0ULL
	};
	CU_ASSERT_EQUAL_FATAL(mheap_create(&params, &v), 0);
	for (int i = 0; i < 100; i++)
		CU_ASSERT_NOT_EQUAL(get(v, 1000), NOTHING);
	CU_ASSERT_EQUAL(get(v, 20000), NOTHING);
	CU_ASSERT(strict_accounts_agree(&region, v));
	mheap_free(v);
}

/* ---- give-back ---- */

/* A large element gives back its whole pages but the one with its links; small ones keep all. */
static void
large_free_elements_give_pages_back(void)
{
	void *v = strict_heap_of(MiB(32), 4096);
	uword small = get(v, KiB(512)), large, held;

	get(v, 16);
	large = get(v, MiB(8));
	get(v, 16);
	touch(v, small);
	touch(v, large);
	held = region.n_held_bytes;
	mheap_put(v, small);
	CU_ASSERT_EQUAL(region.n_held_bytes, held);
	mheap_put(v, large);
	CU_ASSERT(held - region.n_held_bytes >= MiB(8) - 2 * 4096);
	CU_ASSERT_EQUAL(mheap_header(v)->n_reclaimed_bytes, held - region.n_held_bytes);
	CU_ASSERT_EQUAL(mheap_header(v)->stats.n_reclaimed_bytes, held - region.n_held_bytes);
	CU_ASSERT_EQUAL(mheap_elt_at_uoffset(v, large)->is_reclaimed, 1);
	CU_ASSERT(strict_accounts_agree(&region, v));
	CU_ASSERT(is_whole(v));
	/* Taken again it is usable in full. */
	CU_ASSERT_EQUAL(get(v, MiB(8)), large);
	touch(v, large);
	CU_ASSERT_EQUAL(region.n_held_bytes, held);
	CU_ASSERT_EQUAL(mheap_header(v)->n_reclaimed_bytes, 0);
	CU_ASSERT(strict_accounts_agree(&region, v));
	CU_ASSERT(is_whole(v));
	mheap_free(v);
}

/* A small get from a given-back element commits a little, and the rest stays given back. */
static void
a_small_get_commits_a_little(void)
{
	void *v = strict_heap_of(MiB(32), 4096);
	uword large = get(v, MiB(8)), offset, held;

	get(v, 16);
	mheap_put(v, large);
	held = region.n_held_bytes;
	for (int i = 0; i < 100; i++) {
		offset = get(v, 1000);
		touch(v, offset);
	}
	CU_ASSERT(region.n_held_bytes - held <= 100 * 1024 + 2 * KiB(64));
	CU_ASSERT(strict_accounts_agree(&region, v));
	/* In the middle: both remainders stay given back. */
	mheap_get_aligned(v, 100, MiB(2), 0, &offset);
	CU_ASSERT(offset < large + MiB(8));
	touch(v, offset);
	CU_ASSERT(region.n_held_bytes - held <= 100 * 1024 + 4 * KiB(64));
	CU_ASSERT(strict_accounts_agree(&region, v));
	CU_ASSERT(is_whole(v));
	mheap_put(v, offset);
	CU_ASSERT(strict_accounts_agree(&region, v));
	CU_ASSERT(is_whole(v));
	mheap_free(v);
}

/* Pages that do not come back leave the element as it was, given back. */
static void
a_failed_retake_changes_nothing(void)
{
	void *v = strict_heap_of(MiB(32), 4096);
	uword large = get(v, MiB(8)), last = get(v, 16), reclaimed;

	mheap_put(v, large);
	reclaimed = mheap_header(v)->n_reclaimed_bytes;
	region.n_commits_left = 0;
	CU_ASSERT_EQUAL(get(v, MiB(8)), NOTHING);
	CU_ASSERT_EQUAL(get(v, MiB(4)), NOTHING);
	CU_ASSERT_EQUAL(get(v, 8000), NOTHING);
	CU_ASSERT_EQUAL(mheap_header(v)->n_reclaimed_bytes, reclaimed);
	CU_ASSERT(is_whole(v));
	/* What lies in the page that was kept needs no call. */
	CU_ASSERT_EQUAL(get(v, 100), large);
	region.n_commits_left = ~0ULL;
	CU_ASSERT_NOT_EQUAL(get(v, MiB(7)), NOTHING);
	CU_ASSERT(strict_accounts_agree(&region, v));
	mheap_put(v, last);
	CU_ASSERT(is_whole(v));
	mheap_free(v);
}

/* Neighbours that both gave pages back merge; what is given back already is not given twice. */
static void
given_back_neighbours_merge(void)
{
	void *v = strict_heap_of(MiB(64), 4096);
	uword a[8];

	for (int i = 0; i < 8; i++)
		a[i] = get(v, MiB(3));
	get(v, 16);
	for (int i = 0; i < 8; i += 2)
		mheap_put(v, a[i]);
	for (int i = 1; i < 8; i += 2)
		mheap_put(v, a[i]);
	CU_ASSERT_EQUAL(n_free_elts(v), 1);
	CU_ASSERT(region.n_held_bytes < KiB(128));
	/* strict_accounts_agree: n_needless is 0. */
	CU_ASSERT(strict_accounts_agree(&region, v));
	CU_ASSERT(is_whole(v));
	mheap_free(v);
}

/* The same at the end: the vector shrinks over elements that gave pages back. */
static void
the_end_gives_back_too(void)
{
	void *v = strict_heap_of(MiB(64), 4096);
	uword a = get(v, 100), b = get(v, MiB(4)), c = get(v, 100), d = get(v, MiB(4));

	touch(v, d);
	mheap_put(v, d);
	CU_ASSERT(strict_accounts_agree(&region, v));
	CU_ASSERT(region.n_held_bytes < MiB(4) + KiB(128));
	mheap_put(v, b);
	CU_ASSERT(region.n_held_bytes < KiB(128));
	/* Swallows b, which has a hole. */
	mheap_put(v, c);
	CU_ASSERT_EQUAL(mheap_header(v)->n_reclaimed_bytes, 0);
	CU_ASSERT(strict_accounts_agree(&region, v));
	CU_ASSERT(is_whole(v));
	mheap_put(v, a);
	CU_ASSERT_EQUAL(_vec_find(v)->len, 16);
	/* Grows again over the same ground. */
	for (int i = 0; i < 10; i++) {
		a = get(v, MiB(5));
		touch(v, a);
	}
	CU_ASSERT(strict_accounts_agree(&region, v));
	CU_ASSERT(is_whole(v));
	mheap_free(v);
}

/* An object grows into a neighbour whose pages are gone. */
static void
extend_takes_given_back_pages(void)
{
	void *v = strict_heap_of(MiB(32), 4096);
	uword a = get(v, 100), b = get(v, MiB(8));

	get(v, 16);
	mheap_put(v, b);
	region.n_commits_left = 0;
	CU_ASSERT_EQUAL(mheap_extend(v, a, MiB(2)), -ENOMEM);
	CU_ASSERT(is_whole(v));
	region.n_commits_left = ~0ULL;
	CU_ASSERT_EQUAL(mheap_extend(v, a, MiB(2)), 0);
	touch(v, a);
	CU_ASSERT(is_whole(v));
	CU_ASSERT_EQUAL(mheap_extend(v, a, MiB(8)), 0);
	touch(v, a);
	CU_ASSERT(is_whole(v));
	CU_ASSERT(strict_accounts_agree(&region, v));
	mheap_free(v);
}

/* A wrong put into pages that are gone is an answer, not a crash. */
static void
wrong_puts_into_holes_are_refused(void)
{
	void *v = strict_heap_of(MiB(32), 4096);
	uword a = get(v, MiB(2)), b = get(v, MiB(2)), n_wrong = 0;

	get(v, 16);
	mheap_put(v, a);
	mheap_put(v, b);
	CU_ASSERT_EQUAL(mheap_put_checked(v, b), -EALREADY);
	for (uword uo = a + 8; uo < b + MiB(2); uo += 8)
		n_wrong += mheap_put_checked(v, uo) == 0;
	CU_ASSERT_EQUAL(n_wrong, 0);
	for (uword uo = _vec_find(v)->len; uo < MiB(32) + 4096; uo += 4096)
		n_wrong += mheap_offset_is_valid(v, uo);
	CU_ASSERT_EQUAL(n_wrong, 0);
	CU_ASSERT(is_whole(v));
	mheap_free(v);
}

/* Trim gives back everything that no object needs, at once, and says how much. */
static void
trim_gives_back_everything(void)
{
	void *v = strict_heap(&region, MiB(32), 4096, MHEAP_FLAG_DISABLE_VM);
	uword a[64], held, n_released;

	CU_ASSERT_PTR_NOT_NULL_FATAL(v);
	for (int i = 0; i < 64; i++)
		a[i] = get(v, KiB(128));
	for (int i = 0; i < 64; i += 2)
		mheap_put(v, a[i]);
	mheap_put(v, a[63]);
	held = region.n_held_bytes;
	CU_ASSERT_EQUAL(region.n_decommits, 0);
	n_released = mheap_trim(v);
	CU_ASSERT_EQUAL(n_released, held - region.n_held_bytes);
	CU_ASSERT(n_released >= 32 * (KiB(128) - 8192));
	/* Past the end, too. */
	CU_ASSERT_EQUAL(mheap_header(v)->n_committed_bytes, round_pow2(_vec_find(v)->len, 4096));
	CU_ASSERT_EQUAL(mheap_trim(v), 0);
	CU_ASSERT(strict_accounts_agree(&region, v));
	CU_ASSERT(is_whole(v));
	for (int i = 0; i < 64; i += 2) {
		a[i] = get(v, KiB(128));
		touch(v, a[i]);
	}
	CU_ASSERT(strict_accounts_agree(&region, v));
	CU_ASSERT(is_whole(v));
	mheap_free(v);
}

/* Pages that the system keeps (locked, say) stay usable, and it is not asked again every time. */
static void
a_refused_give_back_is_harmless(void)
{
	void *v = strict_heap_of(MiB(32), 4096);
	uword a = get(v, MiB(2));

	get(v, 16);
	region.decommit_is_refused = 1;
	mheap_put(v, a);
	CU_ASSERT_EQUAL(mheap_header(v)->n_reclaimed_bytes, 0);
	CU_ASSERT_NOT_EQUAL(mheap_header(v)->flags & MHEAP_FLAG_DISABLE_VM, 0);
	CU_ASSERT(strict_accounts_agree(&region, v));
	CU_ASSERT_EQUAL(get(v, MiB(2)), a);
	touch(v, a);
	CU_ASSERT(is_whole(v));
	mheap_free(v);
}

/* Pages of 2 MiB: v lies inside the first one, and only whole ones go. */
static void
pages_larger_than_the_systems(void)
{
	void *v = strict_heap_of(MiB(64), MiB(2));
	uword a = get(v, MiB(5)), b = get(v, MiB(3)), c = get(v, 100);

	CU_ASSERT_EQUAL(region.n_held_bytes, MiB(10));
	touch(v, a);
	touch(v, b);
	mheap_put(v, a);
	CU_ASSERT_EQUAL(region.n_held_bytes, MiB(8));
	CU_ASSERT_EQUAL(mheap_put_checked(v, b), 0);
	CU_ASSERT_EQUAL(region.n_held_bytes, MiB(4));
	CU_ASSERT(strict_accounts_agree(&region, v));
	CU_ASSERT(is_whole(v));
	a = get(v, MiB(6));
	touch(v, a);
	mheap_put(v, a);
	mheap_put(v, c);
	CU_ASSERT_EQUAL(region.n_held_bytes, MiB(2));
	CU_ASSERT(strict_accounts_agree(&region, v));
	CU_ASSERT(is_whole(v));
	mheap_free(v);
}

/* ---- the real thing ---- */

/* A7: resident memory falls after a mass free, and the heap regrows.  VPP's did not fall. */
static void
rss_falls_and_regrows(void)
{
	enum { N = 1000 };
	static uword offsets[N];
	void *v = heap_of(MiB(256));
	uword pin, full, empty;

	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < N; i++) {
			offsets[i] = get(v, KiB(64));
			touch(v, offsets[i]);
		}
		/* So that the memory is inside the vector, not past its end. */
		pin = get(v, 16);
		CU_ASSERT(n_resident_bytes(v, N * KiB(64)) >= N * KiB(64));
		full = rss_bytes();
		for (int i = 0; i < N; i++)
			mheap_put(v, offsets[i]);
		empty = rss_bytes();
		CU_ASSERT(full - empty > 60 * MiB(1));
		CU_ASSERT(n_resident_bytes(v, N * KiB(64)) <= MiB(1) + 8192);
		CU_ASSERT(mheap_header(v)->n_reclaimed_bytes >= 61 * MiB(1));
		CU_ASSERT(is_whole(v));
		if (round == 1)
			mheap_put(v, pin);
	}
	CU_ASSERT(mheap_header(v)->stats.n_reclaimed_bytes > 3 * 60 * MiB(1));
	CU_ASSERT(mheap_trim(v) <= MiB(1) + 8192);
	mheap_free(v);
}

/* What was never touched was never there: the count of released bytes says so. */
static void
released_bytes_are_true(void)
{
	void *v = heap_of(MiB(256));
	uword a = get(v, MiB(64));

	get(v, 16);
	memset((u8 *)v + a, 1, MiB(2));
	mheap_put(v, a);
	CU_ASSERT(mheap_header(v)->stats.n_reclaimed_bytes <= MiB(2) + 4096);
	CU_ASSERT(mheap_header(v)->stats.n_reclaimed_bytes >= MiB(2) - 8192);
	mheap_free(v);
}

/* Beyond 4 GiB: VPP's lengths wrap there and objects overlap.  Here they do not. */
static void
objects_beyond_4_gib(void)
{
	void *v = heap_of(GiB(16));
	uword a[9], big, offset;

	for (int i = 0; i < 9; i++) {
		a[i] = get(v, MiB(1000));
		CU_ASSERT_NOT_EQUAL_FATAL(a[i], NOTHING);
		if (i)
			CU_ASSERT_EQUAL(a[i], a[i - 1] + MiB(1000) + 16);
		((u8 *)v)[a[i]] = (u8)i;
		((u8 *)v)[a[i] + MiB(1000) - 1] = (u8)i;
	}
	for (int i = 0; i < 9; i++)
		CU_ASSERT(((u8 *)v)[a[i]] == i && ((u8 *)v)[a[i] + MiB(1000) - 1] == i);
	CU_ASSERT(_vec_find(v)->len > GiB(8));
	big = get(v, GiB(5));
	CU_ASSERT_NOT_EQUAL(big, NOTHING);
	get(v, 16);
	CU_ASSERT_EQUAL(mheap_data_bytes(v, big), GiB(5));
	CU_ASSERT(is_whole(v));
	mheap_put(v, big);
	CU_ASSERT_EQUAL(mheap_put_checked(v, big), -EALREADY);
	mheap_get_aligned(v, GiB(3), 4096, 0, &offset);
	CU_ASSERT(offset >= big && offset < big + 4096 + 64);
	CU_ASSERT(is_whole(v));
	for (int i = 0; i < 9; i++)
		mheap_put(v, a[i]);
	CU_ASSERT(is_whole(v));
	mheap_free(v);
}

/* Bytes that are still resident of a heap of 32 MiB in objects of 1000 after nine in ten went,
 * those that stay scattered over all of it. */
static uword
n_left_after_mass_put(uword give_back_bytes)
{
	enum { N = 32 * 1024 };
	static uword objects[N];
	void *v = heap_of(MiB(64));
	uword n_left;

	mheap_set_give_back_bytes(v, give_back_bytes);
	for (u32 i = 0; i < N; i++) {
		objects[i] = get(v, 1000);
		memset((u8 *)v + objects[i], (int)i, 1000);
	}
	/* Of each 200 objects the first 20 stay; the others go in no order of their places. */
	for (u32 k = 0; k < N; k++) {
		u32 i = k * 7919 % N;

		if (i % 200 >= 20)
			mheap_put(v, objects[i]);
	}
	CU_ASSERT(is_whole(v));
	n_left = n_resident_bytes(v, MiB(32));
	for (u32 i = 0; i < N; i++)
		if (i % 200 < 20)
			CU_ASSERT_EQUAL(((u8 *)v)[objects[i] + 999], (u8)i);
	/* What was given back is taken again. */
	for (u32 i = 0; i < N; i++)
		if (i % 200 >= 20) {
			objects[i] = get(v, 1000);
			memset((u8 *)v + objects[i], (int)i, 1000);
		}
	CU_ASSERT(is_whole(v));
	CU_ASSERT(mheap_bytes(v) < MiB(34));
	mheap_free(v);
	return n_left;
}

/* Where most of a heap is free again, pages go by the put that frees them, though no free element
 * is large; a heap that is told to keep its pages keeps them. */
static void
pages_go_when_most_objects_do(void)
{
	CU_ASSERT(n_left_after_mass_put(MiB(1)) < MiB(32) * 6 / 10);
	CU_ASSERT(n_left_after_mass_put(MiB(16)) < MiB(32) * 6 / 10);
	CU_ASSERT(n_left_after_mass_put(~(uword)0) > MiB(31));
}

/* ---- objects that go for good ---- */

#define N_GOING 30000

/* Bytes that the heap holds of the system. */
static uword
n_held(const void *v)
{
	return mheap_header(v)->n_committed_bytes - mheap_header(v)->n_reclaimed_bytes;
}

/* Of many objects nine in ten go, at random; no put makes more than a few calls to the region. */
static void
most_objects_go(uword flags)
{
	static uword offsets[N_GOING];
	void *v = mheap_alloc_with_flags(NULL, MiB(512), flags);
	u64 seed = unit_seed(), n_reclaims, n_most = 0;
	uword n = N_GOING, n_full, n_left;

	CU_ASSERT_PTR_NOT_NULL_FATAL(v);
	for (u32 i = 0; i < N_GOING; i++)
		offsets[i] = get(v, 16 + unit_random_below(&seed, 4000));
	n_full = n_held(v);
	while (n > N_GOING / 10) {
		uword k = unit_random_below(&seed, n);

		n_reclaims = mheap_header(v)->stats.n_reclaims;
		mheap_put(v, offsets[k]);
		n_reclaims = mheap_header(v)->stats.n_reclaims - n_reclaims;
		n_most = clib_max(n_most, n_reclaims);
		offsets[k] = offsets[--n];
	}
	n_left = n_held(v);
	CU_ASSERT(is_whole(v));
	CU_ASSERT(n_left < n_full / 2);
	mheap_trim(v);
	printf("[%lu KiB, then %lu, trimmed %lu; at most %llu calls a put] ", n_full / 1024,
	       n_left / 1024, n_held(v) / 1024, (unsigned long long)n_most);
	/* A tenth more than there has to be, without having been asked. */
	CU_ASSERT(n_left <= n_held(v) + n_held(v) / 10);
	/* With fronts a put may be one of a stack. */
	CU_ASSERT(n_most <= 8 * (flags ? MHEAP_FRONT_MAX_DEPTH : 1));
	CU_ASSERT(is_whole(v));
	while (n > 0)
		mheap_put(v, offsets[--n]);
	mheap_trim(v);
	CU_ASSERT_EQUAL(mheap_bytes(v), MHEAP_HEADER_BYTES + MHEAP_ELT_OVERHEAD_BYTES);
	mheap_free(v);
}

/* Memory goes when objects do, though no put frees a megabyte and nobody trims. */
static void
memory_goes_when_objects_do(void)
{
	most_objects_go(0);
	most_objects_go(MHEAP_FLAG_FRONTS);
}

/* What goes and comes back keeps its pages, and so does a heap that was told to. */
static void
what_comes_back_keeps_its_pages(void)
{
	static uword offsets[N_GOING];
	void *v = heap_of(MiB(512));

	for (u32 i = 0; i < N_GOING; i++)
		offsets[i] = get(v, 3000);
	for (u32 round = 0; round < 5; round++) {
		/* A tenth, every tenth. */
		for (u32 i = 0; i < N_GOING; i += 10)
			mheap_put(v, offsets[i]);
		for (u32 i = 0; i < N_GOING; i += 10)
			offsets[i] = get(v, 3000);
	}
	CU_ASSERT_EQUAL(mheap_header(v)->stats.n_reclaims, 0);
	mheap_set_give_back_bytes(v, ~(uword)0);
	for (u32 i = 0; i < N_GOING; i += 2)
		mheap_put(v, offsets[i]);
	CU_ASSERT_EQUAL(mheap_header(v)->stats.n_reclaims, 0);
	CU_ASSERT(is_whole(v));
	mheap_free(v);
}

/* ---- a reservation ---- */

/* Whether a byte can be read, by the kernel's word. */
static int
is_readable(const void *p)
{
	int fds[2], is_there;

	CU_ASSERT_EQUAL_FATAL(pipe(fds), 0);
	is_there = write(fds[1], p, 1) == 1;
	close(fds[0]);
	close(fds[1]);
	return is_there;
}

static void
usable_as_far_as_it_has_grown(int (*make)(uword size, mheap_region_t *region))
{
	mheap_params_t params = { .numa_node = -1 };
	static uword offsets[1000];
	uword n;
	void *v;

	CU_ASSERT_EQUAL_FATAL(make(MiB(64) + 3 * 4096, &params.region), 0);
	CU_ASSERT_EQUAL_FATAL(mheap_create(&params, &v), 0);
	for (u32 round = 0; round < 3; round++) {
		for (n = 0; (offsets[n] = get(v, KiB(100))) != NOTHING; n++) {
			uword end = round_pow2(_vec_find(v)->len, MiB(2));

			touch(v, offsets[n]);
			if (round == 0 && end < MiB(64))
				CU_ASSERT_FALSE(is_readable((u8 *)v + end));
		}
		/* The rest, to the last page. */
		for (; (offsets[n] = get(v, 1000)) != NOTHING; n++)
			touch(v, offsets[n]);
		CU_ASSERT(n > MiB(64) / KiB(101));
		CU_ASSERT(is_readable((u8 *)v + mheap_header(v)->max_size - 1));
		CU_ASSERT(is_whole(v));
		while (n > 0)
			mheap_put(v, offsets[--n]);
		mheap_trim(v);
		CU_ASSERT(n_resident_bytes(v, MiB(64)) <= 8192);
	}
	mheap_free(v);
	CU_ASSERT_FALSE(is_readable(params.region.base));
	CU_ASSERT_FALSE(is_readable((u8 *)params.region.base - 4096));
}

/* Rights come with growth, for 2 MiB at once and no further, stay when pages go, and end with the
 * region; the last bit of it can be had. */
static void
a_reservation_is_usable_as_far_as_it_has_grown(void)
{
	usable_as_far_as_it_has_grown(mheap_region_reserve);
}

#ifdef __SANITIZE_THREAD__
/* The sanitizer has no such addresses: that is an answer. */
static void
no_region_is_placed(void)
{
	mheap_region_t region;

	CU_ASSERT_EQUAL(mheap_region_place(MiB(2), &region), -ENOMEM);
}
#else
/* So do pages where nothing is reserved; two such regions find places of their own. */
static void
a_placed_region_is_there_as_far_as_it_has_grown(void)
{
	mheap_region_t other;

	CU_ASSERT_EQUAL(mheap_region_place(4096, &other), -EINVAL);
	CU_ASSERT_EQUAL(mheap_region_place(~(uword)0, &other), -EINVAL);
	CU_ASSERT_EQUAL_FATAL(mheap_region_place(GiB(512), &other), 0);
	CU_ASSERT_EQUAL((uword)other.base % MiB(2), MiB(2) - other.page_bytes);
	usable_as_far_as_it_has_grown(mheap_region_place);
	usable_as_far_as_it_has_grown(mheap_region_place);
	other.release(other.opaque, other.base, other.size);
	CU_ASSERT_FALSE(is_readable(other.base));
}

/* A stranger's mapping in the way is left alone: the heap has what lies below it, to the page. */
static void
a_placed_region_ends_where_others_are(void)
{
	mheap_params_t params = { .numa_node = -1 };
	u8 *stranger, *v;
	uword n = 0, n_bytes, offset;

	CU_ASSERT_EQUAL_FATAL(mheap_region_place(GiB(1), &params.region), 0);
	stranger = (u8 *)params.region.base + params.region.page_bytes + MiB(7) + KiB(12);
	CU_ASSERT_EQUAL_FATAL(mmap(stranger, 4096, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0),
			      stranger);
	memset(stranger, 0x5a, 4096);
	CU_ASSERT_EQUAL_FATAL(mheap_create(&params, (void **)&v), 0);
	CU_ASSERT_EQUAL(get(v, MiB(8)), NOTHING);
	for (n_bytes = KiB(64); n_bytes >= 16; n_bytes /= 2)
		while ((offset = get(v, n_bytes)) != NOTHING) {
			touch(v, offset);
			n += n_bytes;
		}
	CU_ASSERT(n > MiB(6) + KiB(900));
	CU_ASSERT((uword)v + mheap_bytes(v) - MHEAP_HEADER_BYTES <= (uword)stranger);
	CU_ASSERT(is_whole(v));
	for (u32 i = 0; i < 4096; i++)
		CU_ASSERT_FATAL(stranger[i] == 0x5a);
	mheap_free(v);
	CU_ASSERT(is_readable(stranger));
	munmap(stranger, 4096);
}
#endif

/* ---- objects that come again ---- */

/* An object of n bytes comes and goes, inside the vector or at its end; how often its pages went.
 */
static u64
n_give_backs(void *v, uword n, u32 n_rounds, int is_inside)
{
	u64 before = mheap_header(v)->stats.n_reclaims;

	for (u32 i = 0; i < n_rounds; i++) {
		uword offset = get(v, n), pin = is_inside ? get(v, 16) : NOTHING;

		touch(v, offset);
		mheap_put(v, offset);
		if (is_inside)
			mheap_put(v, pin);
		CU_ASSERT(strict_accounts_agree(&region, v));
	}
	return mheap_header(v)->stats.n_reclaims - before;
}

/* A program that does the same thing again has its pages given back once; how much is kept has an
 * end, and is what the heap was told where it was told. */
static void
what_is_wanted_again_is_kept(void)
{
	void *v = strict_heap_of(MiB(64), 4096);
	uword pin;

	CU_ASSERT_EQUAL(n_give_backs(v, MiB(7), 20, 0), 1);
	CU_ASSERT(n_held(v) > MiB(7));
	CU_ASSERT(mheap_trim(v) > MiB(6));
	/* Gone by request is no reason to keep more: as much is kept as before. */
	CU_ASSERT_EQUAL(n_give_backs(v, MiB(7), 20, 0), 0);
	mheap_free(v);

	/* Also where the put that frees it is a fall. */
	v = strict_heap_of(MiB(64), 4096);
	CU_ASSERT(n_give_backs(v, MiB(13), 20, 0) <= 2);
	mheap_free(v);

	/* Inside. */
	v = strict_heap_of(MiB(64), 4096);
	CU_ASSERT(n_give_backs(v, MiB(7), 20, 1) <= 2);
	CU_ASSERT(is_whole(v));
	mheap_free(v);

	/* More than is kept at most goes each time. */
	v = strict_heap_of(MiB(64), 4096);
	CU_ASSERT_EQUAL(n_give_backs(v, MiB(20), 20, 0), 20);
	pin = get(v, 16);
	CU_ASSERT(n_held(v) < KiB(128));
	mheap_put(v, pin);
	mheap_free(v);

	v = strict_heap_of(MiB(64), 4096);
	mheap_set_give_back_bytes(v, MiB(1));
	CU_ASSERT_EQUAL(n_give_backs(v, MiB(7), 20, 0), 20);
	CU_ASSERT(n_held(v) < MiB(1) + KiB(128));
	mheap_free(v);
}

/* What is kept for the next time does not outlive a fall: then all goes, above the end too, and
 * little is kept again. */
static void
a_fall_ends_what_is_kept(void)
{
	enum { N = 1000 };
	static uword offsets[N];
	void *v = strict_heap_of(MiB(128), 4096);
	uword n_full, stays;

	for (u32 round = 0; round < 3; round++) {
		/* Comes and goes until more is kept. */
		stays = get(v, KiB(64));
		n_give_backs(v, MiB(5), 5, 0);
		CU_ASSERT(mheap_header(v)->give_back_bytes >= MiB(5));
		for (u32 i = 0; i < N; i++) {
			offsets[i] = get(v, KiB(64));
			touch(v, offsets[i]);
		}
		n_full = n_held(v);
		/* From the end down, so that the vector shrinks. */
		for (u32 i = N; i > 0; i--)
			mheap_put(v, offsets[i - 1]);
		CU_ASSERT(n_full > N * KiB(64));
		CU_ASSERT(n_held(v) < MiB(2));
		CU_ASSERT_EQUAL(mheap_header(v)->give_back_bytes, MiB(1));
		CU_ASSERT(strict_accounts_agree(&region, v));
		CU_ASSERT(is_whole(v));
		mheap_put(v, stays);
	}
	mheap_free(v);
}

static const unit_test_t tests[] = {
	UNIT(growth_commits_first),
	UNIT(a_failed_commit_changes_nothing),
	UNIT(a_failed_batch_is_tried_smaller),
	UNIT(large_free_elements_give_pages_back),
	UNIT(a_small_get_commits_a_little),
	UNIT(a_failed_retake_changes_nothing),
	UNIT(given_back_neighbours_merge),
	UNIT(the_end_gives_back_too),
	UNIT(extend_takes_given_back_pages),
	UNIT(wrong_puts_into_holes_are_refused),
	UNIT(memory_goes_when_objects_do),
	UNIT(what_comes_back_keeps_its_pages),
	UNIT(a_reservation_is_usable_as_far_as_it_has_grown),
#ifdef __SANITIZE_THREAD__
	UNIT(no_region_is_placed),
#else
	UNIT(a_placed_region_is_there_as_far_as_it_has_grown),
	UNIT(a_placed_region_ends_where_others_are),
#endif
	UNIT(what_is_wanted_again_is_kept),
	UNIT(a_fall_ends_what_is_kept),
	UNIT(trim_gives_back_everything),
	UNIT(a_refused_give_back_is_harmless),
	UNIT(pages_larger_than_the_systems),
	UNIT(rss_falls_and_regrows),
	UNIT(released_bytes_are_true),
	UNIT(pages_go_when_most_objects_do),
	UNIT(objects_beyond_4_gib),
};

int
main(void)
{
	return unit_run("mheap_pages", tests, ARRAY_LEN(tests));
}
