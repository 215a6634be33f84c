/* SPDX-License-Identifier: Apache-2.0 */
/* Binary buddies over page numbers.  Lists are in the records; a bitmap of orders finds the
 * smallest block that is large enough without a walk. */
#include "pages_impl.h"

static void
push(pages_t *p, pages_zone_t *z, u32 number, u32 order, u32 type, int is_cold)
{
	pages_area_t *area = &z->area[order];
	page_t *page = &p->records[number];
	u32 head = area->head[type];

	page->flags = order | (page->flags & PG_ZONE_MASK) | PG_FREE | (type ? PG_MOVABLE : 0);
	area->nr_free[type]++;
	z->non_empty[type] |= 1u << order;
	if (!is_cold || head == PAGES_NONE) {
		page->next = head;
		page->prev = PAGES_NONE;
		if (head != PAGES_NONE)
			p->records[head].prev = number;
		area->head[type] = number;
		return;
	}
	/* Second: the first is what the next request gets. */
	page->prev = head;
	page->next = p->records[head].next;
	if (page->next != PAGES_NONE)
		p->records[page->next].prev = number;
	p->records[head].next = number;
}

void
pages_buddy_unlink(pages_t *p, u32 number, u32 order)
{
	page_t *page = &p->records[number];
	pages_zone_t *z = &p->zones[(page->flags & PG_ZONE_MASK) >> PG_ZONE_SHIFT];
	u32 type = (page->flags & PG_MOVABLE) != 0;
	pages_area_t *area = &z->area[order];

	if (page->next != PAGES_NONE)
		p->records[page->next].prev = page->prev;
	if (page->prev != PAGES_NONE)
		p->records[page->prev].next = page->next;
	else
		area->head[type] = page->next;
	area->nr_free[type]--;
	if (area->head[type] == PAGES_NONE)
		z->non_empty[type] &= ~(1u << order);
	page->flags &= PG_ZONE_MASK;
}

u32
pages_buddy_take(pages_t *p, pages_zone_t *z, u32 order, u32 type, int is_cold)
{
	u32 fits = z->non_empty[type] & ~(u32)pow2_mask(order), number, from;

	if (PREDICT_TRUE(fits)) {
		from = (u32)count_trailing_zeros(fits);
	} else {
		/* Of the other type, the largest: few, long intrusions instead of many short ones.
		 */
		type = !type;
		fits = z->non_empty[type] & ~(u32)pow2_mask(order);
		if (!fits)
			return PAGES_NONE;
		from = (u32)min_log2(fits);
		z->n_steals++;
		/* A whole chunk changes sides, and what comes back to it later with it. */
		if (from == p->max_order) {
			number = z->area[from].head[type];
			p->chunks[pages_chunk_of(p, number)].type = (u8)!type;
		}
	}
	number = z->area[from].head[type];
	pages_buddy_unlink(p, number, from);
	while (from > order) {
		from--;
		push(p, z, number + (1u << from), from, p->chunks[pages_chunk_of(p, number)].type,
		     is_cold);
	}
	z->free_pages -= 1ull << order;
	return number;
}

void
pages_buddy_give(pages_t *p, u32 number, u32 order, int is_cold)
{
	pages_zone_t *z = &p->zones[(p->records[number].flags & PG_ZONE_MASK) >> PG_ZONE_SHIFT];

	z->free_pages += 1ull << order;
	while (order < p->max_order) {
		u32 buddy = number ^ (1u << order);

		if ((__atomic_load_n(&p->records[buddy].flags, __ATOMIC_RELAXED) &
		     (PG_FREE | PG_ORDER_MASK)) != (PG_FREE | order))
			break;
		pages_buddy_unlink(p, buddy, order);
		/* The upper half is no first page any more. */
		p->records[number | buddy].flags &= PG_ZONE_MASK;
		number &= buddy;
		order++;
	}
	push(p, z, number, order, p->chunks[pages_chunk_of(p, number)].type, is_cold);
}
