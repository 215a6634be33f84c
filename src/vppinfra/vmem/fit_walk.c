/* SPDX-License-Identifier: Apache-2.0 */
/* Choosing by walking the free lists: where there are few free segments, or no memory for an
 * index.  The answers are those of the indexes. */
#include "vmem_impl.h"

/* Smallest that fits, ties to the lowest address.  A list holds larger segments than the one
 * before, so the first list with a fit has the best. */
u32
vmem_walk_best(vmem_t *vmp, const vmem_search_t *s, uword *addr)
{
	u32 index, best = 0, n;
	uword best_size = 0, x;

	foreach_set_bit_index(n, vmem_lists_from(vmp, s->size))
	{
		for (index = vmp->vm_freelist[n].vs_knext; index;
		     index = vmem_tag_knext(vmem_tag(index))) {
			vmem_seg_t *t = vmem_tag(index);
			uword size = vmem_seg_bytes(t);

			if (best && (size > best_size ||
				     (size == best_size && t->vs_start > vmem_tag(best)->vs_start)))
				continue;
			if (!vmem_place_in_tag(s, t, size, &x))
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
u32
vmem_walk_lowest(vmem_t *vmp, const vmem_search_t *s, uword from, uword *addr)
{
	vmem_search_t behind = *s;
	u32 index, n, best[2] = { 0, 0 };
	uword x, found[2] = { 0, 0 };

	behind.min = clib_max(s->min, from);
	foreach_set_bit_index(n, vmem_lists_from(vmp, s->size))
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

/* The same for a size alone. */
u32
vmem_walk_best_plain(vmem_t *vmp, uword size)
{
	uword best_size = ~(uword)0, best_start = 0;
	u32 best = 0, n;

	foreach_set_bit_index(n, vmem_lists_from(vmp, size))
	{
		for (u32 i = vmp->vm_freelist[n].vs_knext; i;) {
			vmem_seg_t *t = vmem_tag(i);
			uword has = vmem_seg_bytes(t);

			if (has >= size && (has < best_size || (has == best_size && best &&
								t->vs_start < best_start))) {
				best = i;
				best_size = has;
				best_start = t->vs_start;
			}
			i = vmem_tag_knext(t);
		}
		if (best)
			return best;
	}
	return 0;
}

u32
vmem_walk_lowest_plain(vmem_t *vmp, uword size)
{
	uword lowest = ~(uword)0;
	u32 best = 0, n;

	foreach_set_bit_index(n, vmem_lists_from(vmp, size))
	{
		for (u32 i = vmp->vm_freelist[n].vs_knext; i;) {
			vmem_seg_t *t = vmem_tag(i);

			if (t->vs_start <= lowest && vmem_seg_bytes(t) >= size) {
				best = i;
				lowest = t->vs_start;
			}
			i = vmem_tag_knext(t);
		}
	}
	return best;
}
