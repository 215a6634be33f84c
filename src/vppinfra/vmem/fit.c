/* SPDX-License-Identifier: Apache-2.0 */
/* Where an allocation goes: placing a request inside one free segment, and choosing the segment
 * by policy.  Instant fit looks at list heads; best, first, next and every range go by the
 * indexes (index.h), or by a walk where there are few free segments.
 *
 * By an index a choice costs a descent for each candidate looked at.  A candidate is large enough;
 * that it is not the answer happens where it straddles min or max (two at most) and where
 * alignment, phase or nocross leave no place in it, which needs it to be smaller than s->certain.
 * vk_fit_tried counts those. */
#include "vmem_impl.h"

/* Next fit looks at so many neighbours of the rotor before it turns to an index. */
#define N_NEXT_STEPS 64
/* And instant fit at so many members of lists that are not certain to fit. */
#define N_INSTANT_STEPS VMEM_WALK_MAX

/* Lowest placement in [lo, hi], both inclusive; nothing overflows on the way. */
static bool
place_low(const vmem_search_t *s, uword lo, uword hi, uword *addr)
{
	uword x = lo + ((s->phase - lo) & (s->align - 1));

	if (x < lo)
		return false;
	if (s->nocross && ((x ^ (x + s->size - 1)) & ~(s->nocross - 1))) {
		/* Phase and size fit between two boundaries, so right after one they do. */
		uword boundary = round_down_pow2(x, s->nocross) + s->nocross;

		if (boundary < x)
			return false;
		x = boundary + s->phase;
	}
	if (x > hi || hi - x < s->size - 1)
		return false;
	*addr = x;
	return true;
}

/* Highest placement in [lo, hi]. */
static bool
place_high(const vmem_search_t *s, uword lo, uword hi, uword *addr)
{
	uword x = hi - (s->size - 1), down = (x - s->phase) & (s->align - 1);

	if (down > x)
		return false;
	x -= down;
	if (s->nocross && ((x ^ (x + s->size - 1)) & ~(s->nocross - 1))) {
		uword boundary = round_down_pow2(x + s->size - 1, s->nocross);

		x = boundary - s->size;
		x -= (x - s->phase) & (s->align - 1);
	}
	if (x < lo)
		return false;
	*addr = x;
	return true;
}

bool
vmem_place(const vmem_search_t *s, uword start, uword last, uword *addr)
{
	uword lo = clib_max(start, s->min), hi = clib_min(last, s->max);

	if (lo > hi || hi - lo < s->size - 1)
		return false;
	return s->flags & VMEM_REQUEST_HIGH_END ? place_high(s, lo, hi, addr)
						: place_low(s, lo, hi, addr);
}

/* Best fit for a size alone walks the first list that may have it, and where none of that is large
 * enough, the next.  An arena of many is not let walk, however short these two are: another size's
 * may be long, and then the index has to be there. */
static bool
is_best_walk_short(const vmem_t *vmp, uword size)
{
	u64 lists = vmem_lists_from(vmp, size), n = 0;

	if (vmp->vm_n_free > VMEM_WALK_LONG / 4 * 3)
		return false;
	for (u32 i = 0; i < 2 && lists; i++) {
		n += vmp->vm_order[count_trailing_zeros(lists)].n_free;
		lists &= lists - 1;
	}
	return n <= VMEM_WALK_MAX_BEST;
}

/* Ask for an index, or allow a walk when there is little to walk or nothing else is left. */
static bool
may_walk(const vmem_t *vmp, vmem_search_t *s, u32 orders)
{
	if (vmp->vm_n_free <= VMEM_WALK_MAX || s->may_walk)
		return true;
	if (s->policy == VMEM_POLICY_BEST && !s->is_constrained && is_best_walk_short(vmp, s->size))
		return true;
	s->wants = (u8)orders;
	return false;
}

/* Lowest by address among those of at least `need`. */
static u32
lowest(vmem_t *vmp, const vmem_search_t *s, uword need, uword *addr)
{
	vmem_index_tree_t *by_addr = vmem_index_tree(vmp, VMEM_INDEX_BY_ADDR);
	vmem_index_cursor_t c;

	vmp->vm_index->is_used = 1;
	/* The one before min may reach beyond it. */
	if (s->min)
		vmem_index_seek_before(by_addr, s->min, 0, &c);
	else
		vmem_index_seek(by_addr, 0, 0, &c);
	while (vmem_index_advance(&c, need)) {
		uword start = vmem_index_key(&c);

		if (start > s->max)
			break;
		if (vmem_place(s, start, start + vmem_index_aux(&c) - 1, addr)) {
			vmem_index_remember(by_addr, &c);
			return vmem_fit_taken(vmp, vmem_index_tag(&c), *addr);
		}
		VMEM_COUNT(vmp->vm_kstat.vk_fit_tried, 1);
	}
	return 0;
}

/* ---- instant ---- */

/* The head of the smallest list whose members are all certain to fit.  No bounds. */
static u32
fit_certain(vmem_t *vmp, const vmem_search_t *s, uword *addr)
{
	u64 lists = s->certain == ~(uword)0 ? 0 : vmem_lists_certain(vmp, s->certain);
	u32 tag;

	if (PREDICT_FALSE(lists == 0))
		return 0;
	tag = vmp->vm_freelist[count_trailing_zeros(lists)].vs_knext;
	vmem_place_in_tag(s, vmem_tag(tag), vmem_seg_bytes(vmem_tag(tag)), addr);
	return tag;
}

/* A few members of the lists that may have it.  Value: whether that was all of them. */
static bool
try_lists(vmem_t *vmp, const vmem_search_t *s, u32 *tag, uword *addr)
{
	u32 index, n, n_steps = 0;

	foreach_set_bit_index(n, vmem_lists_from(vmp, s->size))
	{
		for (index = vmp->vm_freelist[n].vs_knext; index;
		     index = vmem_tag_knext(vmem_tag(index))) {
			if (vmem_place_in_tag(s, vmem_tag(index), vmem_seg_bytes(vmem_tag(index)),
					      addr)) {
				*tag = index;
				return true;
			}
			if (++n_steps == N_INSTANT_STEPS && !s->may_walk)
				return false;
		}
	}
	*tag = 0;
	return true;
}

/* Constant time without bounds: the head of the smallest list certain to fit.  Else it is the
 * lowest of those that are certain to fit, which is one descent and a miss at either bound, and
 * then the lowest that does.  Before an index is made for that a few members are tried. */
static u32
fit_instant(vmem_t *vmp, vmem_search_t *s, uword *addr)
{
	u32 tag = s->has_bounds ? 0 : fit_certain(vmp, s, addr);

	if (PREDICT_TRUE(tag != 0))
		return tag;
	if (!vmem_index_tree(vmp, VMEM_INDEX_BY_ADDR)) {
		/* In a range the lists' members are anywhere: worth trying only when they are few.
		 */
		if ((!s->has_bounds || vmp->vm_n_free <= VMEM_WALK_MAX || s->may_walk) &&
		    try_lists(vmp, s, &tag, addr))
			return tag;
		s->wants = 1 << VMEM_INDEX_BY_ADDR;
		return VMEM_FIT_WANTS_INDEX;
	}
	if (s->certain != ~(uword)0 && s->certain > s->size)
		tag = lowest(vmp, s, s->certain, addr);
	return tag ? tag : lowest(vmp, s, s->size, addr);
}

/* ---- best ---- */

/* By size; the first that has a place is the smallest, and of its size the lowest. */
static u32
best_anywhere(vmem_t *vmp, const vmem_search_t *s, uword *addr)
{
	vmem_index_tree_t *by_size = vmem_index_tree(vmp, VMEM_INDEX_BY_SIZE);
	vmem_index_cursor_t c;

	vmp->vm_index->is_used = 1;
	vmem_index_seek(by_size, s->size, 0, &c);
	while (vmem_index_advance(&c, 0)) {
		uword start = vmem_index_aux(&c);

		if (vmem_place(s, start, start + vmem_index_key(&c) - 1, addr)) {
			vmem_index_remember(by_size, &c);
			return vmem_fit_taken(vmp, vmem_index_tag(&c), *addr);
		}
		VMEM_COUNT(vmp->vm_kstat.vk_fit_tried, 1);
	}
	return 0;
}

static u32
fit_best(vmem_t *vmp, vmem_search_t *s, uword *addr)
{
	u32 orders = 1 << VMEM_INDEX_BY_SIZE | (s->has_bounds ? 1 << VMEM_INDEX_BY_ADDR : 0);

	if (vmem_index_tree(vmp, VMEM_INDEX_BY_SIZE) &&
	    (!s->has_bounds || vmem_index_tree(vmp, VMEM_INDEX_BY_ADDR)))
		return s->has_bounds ? vmem_fit_best_in_range(vmp, s, addr)
				     : best_anywhere(vmp, s, addr);
	return may_walk(vmp, s, orders) ? vmem_walk_best(vmp, s, addr) : VMEM_FIT_WANTS_INDEX;
}

/* ---- first and next ---- */

static u32
fit_first(vmem_t *vmp, vmem_search_t *s, uword *addr)
{
	if (vmem_index_tree(vmp, VMEM_INDEX_BY_ADDR))
		return lowest(vmp, s, s->size, addr);
	return may_walk(vmp, s, 1 << VMEM_INDEX_BY_ADDR) ? vmem_walk_lowest(vmp, s, 0, addr)
							 : VMEM_FIT_WANTS_INDEX;
}

/* The first of some neighbours of the rotor, at or behind its address.  Value: whether that is an
 * answer: *tag, or 0 when none within max is left. */
static bool
next_by_steps(vmem_t *vmp, const vmem_search_t *behind, u32 *tag, uword *addr)
{
	u32 index = vmp->vm_rotor_seg->vs_anext;

	*tag = 0;
	/* The rotor's tag begins at or below the rotor's address, so walking on from it meets every
	 * segment behind that address in order: the first that fits is the answer. */
	if (index == vmp->vm_seg0)
		index = vmem_tag(index)->vs_anext;
	for (u32 i = 0; i < N_NEXT_STEPS; i++) {
		vmem_seg_t *t = vmem_tag(index);

		if (index == vmp->vm_seg0 || t->vs_start > behind->max)
			return true;
		if (vmem_tag_type(t) == VMEM_TAG_FREE &&
		    vmem_place_in_tag(behind, t, vmem_seg_bytes(t), addr)) {
			*tag = index;
			return true;
		}
		index = t->vs_anext;
	}
	return false;
}

/* Behind the rotor, and then from min on.  Where the rotor is outside the range the two are one
 * search; where it is before it, its neighbours are not those looked for. */
static u32
fit_next(vmem_t *vmp, vmem_search_t *s, uword *addr)
{
	uword rotor = vmp->vm_rotor_seg->vs_start;
	vmem_search_t behind;
	bool has_index = vmem_index_tree(vmp, VMEM_INDEX_BY_ADDR) != NULL;
	u32 tag;

	if (vmem_lists_from(vmp, s->size) == 0)
		return 0;
	if (rotor <= s->max && (rotor > s->min || s->min == 0)) {
		behind = *s;
		behind.min = clib_max(s->min, rotor);
		if (next_by_steps(vmp, &behind, &tag, addr)) {
			if (tag)
				return tag;
		} else if (has_index) {
			tag = lowest(vmp, &behind, s->size, addr);
			if (tag)
				return tag;
		}
	}
	if (has_index)
		return lowest(vmp, s, s->size, addr);
	return may_walk(vmp, s, 1 << VMEM_INDEX_BY_ADDR) ? vmem_walk_lowest(vmp, s, rotor, addr)
							 : VMEM_FIT_WANTS_INDEX;
}

u32
vmem_fit(vmem_t *vmp, vmem_search_t *s, uword *addr)
{
	switch (s->policy) {
	case VMEM_POLICY_BEST:
		return fit_best(vmp, s, addr);
	case VMEM_POLICY_FIRST:
		return fit_first(vmp, s, addr);
	case VMEM_POLICY_NEXT:
		return fit_next(vmp, s, addr);
	default:
		return fit_instant(vmp, s, addr);
	}
}

/* ---- a size alone ---- */

/* The first FREE tag at or behind the rotor of so many that are looked at, and where in it: the
 * part behind the rotor where it is astride.  Value: 0 for none. */
static never_inline u32
next_plain(vmem_t *vmp, uword size, uword *addr)
{
	vmem_seg_t *rotor = vmp->vm_rotor_seg;
	u32 index = rotor->vs_anext;

	if (index == vmp->vm_seg0)
		index = vmem_tag(index)->vs_anext;
	for (u32 i = 0; i < N_NEXT_STEPS && index != vmp->vm_seg0; i++) {
		vmem_seg_t *t = vmem_tag(index);

		if (vmem_tag_type(t) == VMEM_TAG_FREE) {
			uword bytes = vmem_seg_bytes(t), start = t->vs_start;
			uword before = rotor->vs_start > start ? rotor->vs_start - start : 0;

			if (bytes >= size &&
			    (before == 0 || (before < bytes && bytes - before >= size))) {
				*addr = start + before;
				return index;
			}
		}
		index = t->vs_anext;
	}
	return 0;
}

u32
vmem_fit_plain(vmem_t *vmp, uword size, vmem_policy_t policy, uword *addr)
{
	bool is_best = policy == VMEM_POLICY_BEST;
	vmem_index_tree_t *tree;
	u32 tag;

	if (policy == VMEM_POLICY_NEXT)
		return next_plain(vmp, size, addr);
	tree = vmem_index_tree(vmp, is_best ? VMEM_INDEX_BY_SIZE : VMEM_INDEX_BY_ADDR);
	if (tree != NULL) {
		vmp->vm_index->is_used = 1;
		tag = is_best ? vmem_index_smallest(tree, size) : vmem_index_lowest(tree, size);
	} else if (is_best && is_best_walk_short(vmp, size)) {
		tag = vmem_walk_best_plain(vmp, size);
	} else if (!is_best && vmp->vm_n_free <= VMEM_WALK_MAX) {
		tag = vmem_walk_lowest_plain(vmp, size);
	} else {
		return 0;
	}
	if (tag)
		*addr = vmem_tag(tag)->vs_start;
	return tag;
}
