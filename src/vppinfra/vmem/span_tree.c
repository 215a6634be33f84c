/* SPDX-License-Identifier: Apache-2.0 */
/* Spans by address: a treap (Seidel and Aragon, "Randomized search trees", 1996) in the tags that a
 * span has, so it needs no memory, and an arena of whatever many imports finds a place among them
 * in a logarithm of steps.  A span's left child stands in its SPAN tag, its right one in its END;
 * priorities are the tags' numbers, scattered; the anchor has the root. */
#include "seg.h"

/* Where a child's number stands. */
typedef struct {
	u32 span; /* the anchor for the root, on its left */
	bool is_right;
} link_t;

static u32
get(link_t link)
{
	const vmem_seg_t *t = vmem_tag(link.span);

	return link.is_right ? vmem_tag(t->vs_kprev)->vs_kprev : vmem_tag_knext(t);
}

static void
set(link_t link, u32 child)
{
	vmem_seg_t *t = vmem_tag(link.span);

	if (link.is_right)
		vmem_tag(t->vs_kprev)->vs_kprev = child;
	else
		vmem_tag_set_knext(t, child);
}

static link_t
left_of(u32 span)
{
	return (link_t){ span, false };
}

static link_t
right_of(u32 span)
{
	return (link_t){ span, true };
}

/* Numbers come in runs: their bits are mixed as in MurmurHash3's end (Appleby). */
static u32
priority(u32 span)
{
	span = (span ^ span >> 16) * 0x85ebca6bu;
	span = (span ^ span >> 13) * 0xc2b2ae35u;
	return span ^ span >> 16;
}

static bool
is_before(u32 a, u32 b)
{
	return vmem_tag(a)->vs_start < vmem_tag(b)->vs_start;
}

u32
vmem_span_next(const vmem_t *vmp, u32 span)
{
	u32 end = span ? vmem_tag(span)->vs_kprev : vmp->vm_seg0;
	u32 next = vmem_tag(end)->vs_anext;

	return next == vmp->vm_seg0 ? 0 : next;
}

u32
vmem_span_below(vmem_t *vmp, uword addr, u64 *n_steps)
{
	u32 span = get(left_of(vmp->vm_seg0)), below = 0;

	while (span) {
		bool is_below = vmem_tag(span)->vs_start <= addr;

		below = is_below ? span : below;
		span = get((link_t){ span, is_below });
		(*n_steps)++;
	}
	return below;
}

/* Below the first on its way that has less priority it takes that one's place, with what is before
 * and behind it for its children. */
void
vmem_span_enter(vmem_t *vmp, u32 span)
{
	link_t link = left_of(vmp->vm_seg0), before = left_of(span), behind = right_of(span);
	u32 node;

	while ((node = get(link)) != 0 && priority(node) >= priority(span))
		link = (link_t){ node, is_before(node, span) };
	set(link, span);
	while (node) {
		link_t *side = is_before(node, span) ? &before : &behind;

		set(*side, node);
		*side = (link_t){ node, side == &before };
		node = get(*side);
	}
	set(before, 0);
	set(behind, 0);
}

/* Its children take its place, the one of more priority first. */
void
vmem_span_leave(vmem_t *vmp, u32 span)
{
	link_t link = left_of(vmp->vm_seg0);
	u32 node, left = get(left_of(span)), right = get(right_of(span));

	while ((node = get(link)) != span)
		link = (link_t){ node, is_before(node, span) };
	while (left && right) {
		bool is_left = priority(left) >= priority(right);
		u32 *child = is_left ? &left : &right;

		set(link, *child);
		link = (link_t){ *child, is_left };
		*child = get(link);
	}
	set(link, left ? left : right);
}

const char *
vmem_span_check(vmem_t *vmp)
{
	u64 n_spans = 0, n_links = get(left_of(vmp->vm_seg0)) != 0, n_steps;

	for (u32 span = vmem_span_next(vmp, 0); span; span = vmem_span_next(vmp, span)) {
		n_spans++;
		for (u32 is_right = 0; is_right < 2; is_right++) {
			u32 child = get((link_t){ span, is_right });

			if (child == 0)
				continue;
			n_links++;
			if (vmem_tag_type(vmem_tag(child)) != VMEM_TAG_SPAN ||
			    is_before(span, child) != is_right || priority(child) > priority(span))
				return "the tree of spans has a child where it does not belong";
		}
	}
	if (n_links != n_spans)
		return "the tree of spans is longer than the ring";
	for (u32 span = vmem_span_next(vmp, 0); span; span = vmem_span_next(vmp, span)) {
		if (vmem_span_below(vmp, vmem_tag(span)->vs_start, &n_steps) != span)
			return "a span is not found in the tree of spans";
	}
	return NULL;
}
