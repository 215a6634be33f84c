/* SPDX-License-Identifier: Apache-2.0 */
/* Where an allocation goes: placing a request inside one free segment, and choosing the segment
 * by policy.  Instant fit looks at list heads only; best, first and next look at every free
 * segment that is large enough where no shorter way is certain to give the right answer. */
#include "vmem_impl.h"

/* Next fit looks at so many neighbours of the rotor before it turns to the free lists. */
#define N_NEXT_STEPS 64

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

static bool
place_in_tag(const vmem_search_t *s, const vmem_seg_t *t, uword size, uword *addr)
{
	return vmem_place(s, t->vs_start, t->vs_start + size - 1, addr);
}

/* Lists that may hold a segment of this size. */
static u64
lists_from(const vmem_t *vmp, uword size)
{
	return vmp->vm_freemap & (~0ULL << vmem_freelist_of(size));
}

/* Lists all of whose segments are at least this large. */
static u64
lists_certain(const vmem_t *vmp, uword size)
{
	u64 n = max_log2(size);

	return n > 63 ? 0 : vmp->vm_freemap & (~0ULL << n);
}

/* Constant time where alignment is the only constraint: a segment that is larger by as much as
 * aligning can cost.  Else the lists are tried in turn. */
static u32
fit_instant(vmem_t *vmp, const vmem_search_t *s, uword *addr)
{
	uword spare = s->align - vmp->vm_quantum;
	u64 lists;
	u32 index, n;

	if (!s->has_bounds && s->nocross == 0 && s->size + spare >= s->size) {
		lists = lists_certain(vmp, s->size + spare);
		if (lists) {
			index = vmp->vm_freelist[count_trailing_zeros(lists)].vs_knext;
			place_in_tag(s, vmem_tag(index), vmem_seg_bytes(vmem_tag(index)), addr);
			return index;
		}
	}
	foreach_set_bit_index(n, lists_from(vmp, s->size))
	{
		for (index = vmp->vm_freelist[n].vs_knext; index;
		     index = vmem_tag_knext(vmem_tag(index))) {
			if (place_in_tag(s, vmem_tag(index), vmem_seg_bytes(vmem_tag(index)), addr))
				return index;
		}
	}
	return 0;
}

/* Smallest that fits, ties to the lowest address.  A list holds larger segments than the one
 * before, so the first list with a fit has the best. */
static u32
fit_best(vmem_t *vmp, const vmem_search_t *s, uword *addr)
{
	u32 index, best = 0, n;
	uword best_size = 0, x;

	foreach_set_bit_index(n, lists_from(vmp, s->size))
	{
		for (index = vmp->vm_freelist[n].vs_knext; index;
		     index = vmem_tag_knext(vmem_tag(index))) {
			vmem_seg_t *t = vmem_tag(index);
			uword size = vmem_seg_bytes(t);

			if (best && (size > best_size ||
				     (size == best_size && t->vs_start > vmem_tag(best)->vs_start)))
				continue;
			if (!place_in_tag(s, t, size, &x))
				continue;
			best = index;
			best_size = size;
			*addr = x;
		}
		if (best)
			return best;
	}
	return 0;
}

/* Lowest segment that fits at or after `from`, and if there is none, lowest of all.  When a
 * segment reaches across `from`, only the part behind it counts in the first sense. */
static u32
fit_lowest(vmem_t *vmp, const vmem_search_t *s, uword from, uword *addr)
{
	vmem_search_t behind = *s;
	u32 index, n, best[2] = { 0, 0 };
	uword x, found[2] = { 0, 0 };

	behind.min = clib_max(s->min, from);
	foreach_set_bit_index(n, lists_from(vmp, s->size))
	{
		for (index = vmp->vm_freelist[n].vs_knext; index;
		     index = vmem_tag_knext(vmem_tag(index))) {
			vmem_seg_t *t = vmem_tag(index);
			uword last = t->vs_start + vmem_seg_bytes(t) - 1;

			if ((!best[0] || t->vs_start < vmem_tag(best[0])->vs_start) &&
			    vmem_place(&behind, t->vs_start, last, &x)) {
				best[0] = index;
				found[0] = x;
			}
			if (from && !best[0] &&
			    (!best[1] || t->vs_start < vmem_tag(best[1])->vs_start) &&
			    vmem_place(s, t->vs_start, last, &x)) {
				best[1] = index;
				found[1] = x;
			}
		}
	}
	*addr = found[best[0] == 0];
	return best[best[0] == 0];
}

/* The rotor's tag begins at or below the rotor's address, so walking on from it meets every
 * segment behind that address in order: the first that fits is the answer. */
static u32
fit_next(vmem_t *vmp, const vmem_search_t *s, uword *addr)
{
	vmem_seg_t *rotor = vmem_tag(vmp->vm_rotor);
	vmem_search_t behind = *s;
	u32 index = rotor->vs_anext;

	if (lists_from(vmp, s->size) == 0)
		return 0;
	behind.min = clib_max(s->min, rotor->vs_start);
	if (index == vmp->vm_seg0)
		index = vmem_tag(index)->vs_anext;
	for (u32 i = 0; i < N_NEXT_STEPS && index != vmp->vm_seg0; i++) {
		vmem_seg_t *t = vmem_tag(index);

		if (vmem_tag_type(t) == VMEM_TAG_FREE &&
		    place_in_tag(&behind, t, vmem_seg_bytes(t), addr))
			return index;
		index = t->vs_anext;
	}
	return fit_lowest(vmp, s, rotor->vs_start, addr);
}

u32
vmem_fit(vmem_t *vmp, const vmem_search_t *s, uword *addr)
{
	switch (s->policy) {
	case VMEM_POLICY_BEST:
		return fit_best(vmp, s, addr);
	case VMEM_POLICY_FIRST:
		return fit_lowest(vmp, s, 0, addr);
	case VMEM_POLICY_NEXT:
		return fit_next(vmp, s, addr);
	default:
		return fit_instant(vmp, s, addr);
	}
}
