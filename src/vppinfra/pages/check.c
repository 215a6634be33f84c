/* SPDX-License-Identifier: Apache-2.0 */
/* Compare lists, records and counters, chunk by chunk. */
#include "pages_impl.h"

#include <stdio.h>

typedef struct {
	pages_t *p;
	char *what;
	uword n_what;
	u64 n_in_lists[PAGES_N_ZONES];
} check_t;

#define fail(c, ...)                                                                               \
	({                                                                                         \
		snprintf((c)->what, (c)->n_what, __VA_ARGS__);                                     \
		-EUCLEAN;                                                                          \
	})

static int
check_list(check_t *c, u32 zone, u32 order, u32 type)
{
	const pages_area_t *area = &c->p->zones[zone].area[order];
	u32 previous = PAGES_NONE;
	u64 n = 0;

	for (u32 i = area->head[type]; i != PAGES_NONE; i = c->p->records[i].next) {
		const page_t *page = &c->p->records[i];

		if ((page->flags & (PG_FREE | PG_ORDER_MASK | PG_ZONE_MASK)) !=
		    (PG_FREE | order | zone << PG_ZONE_SHIFT))
			return fail(c, "page %u in list %u of zone %u says 0x%x", i, order, zone,
				    page->flags);
		if (page->prev != previous || i % (1u << order))
			return fail(c, "page %u: broken link or alignment", i);
		if (n++ > area->nr_free[type])
			break;
		previous = i;
	}
	if (n != area->nr_free[type] ||
	    (n == 0) == (c->p->zones[zone].non_empty[type] >> order & 1))
		return fail(c, "zone %u order %u: %lu in the list, %lu counted", zone, order,
			    (unsigned long)n, (unsigned long)area->nr_free[type]);
	c->n_in_lists[zone] += n << order;
	return 0;
}

/* The blocks of a chunk tile it, and no two buddies are free. */
static int
check_chunk(check_t *c, u32 chunk)
{
	const pages_t *p = c->p;
	u32 i = chunk << p->max_order, end = i + (1u << p->max_order);

	while (i < end) {
		u32 flags = p->records[i].flags, order = flags & PG_ORDER_MASK;
		u32 state = flags & (PG_FREE | PG_USED | PG_CACHED);

		if ((state & (state - 1)) || !state || (state == PG_CACHED && order))
			return fail(c, "page %u begins no block: 0x%x", i, flags);
		if ((state == PG_USED) != (p->records[i]._count != 0))
			return fail(c, "page %u has %u users and says 0x%x", i,
				    (u32)p->records[i]._count, flags);
		if (state == PG_FREE && order < p->max_order &&
		    (p->records[i ^ (1u << order)].flags & (PG_FREE | PG_ORDER_MASK)) ==
			    (PG_FREE | order))
			return fail(c, "page %u and its buddy of order %u are both free", i, order);
		i += 1u << order;
	}
	return i == end ? 0 : fail(c, "a block reaches out of chunk %u", chunk);
}

int
pages_check(pages_t *p, char *what, uword n_what)
{
	char nowhere[1];
	check_t c = { .p = p,
		      .what = what ? what : nowhere,
		      .n_what = what ? n_what : sizeof(nowhere) };
	u32 n_chunks = (p->n_direct + p->n_high) >> p->max_order;
	int rv = 0;

	pages_spin_lock(&p->lock);
	for (u32 z = 0; z < PAGES_N_ZONES && !rv; z++) {
		for (u32 o = 0; o <= p->max_order && !rv; o++)
			for (u32 t = 0; t < PAGES_N_TYPES && !rv; t++)
				rv = check_list(&c, z, o, t);
		if (!rv && c.n_in_lists[z] != p->zones[z].free_pages)
			rv = fail(&c, "zone %u: %lu pages in lists, %lu free", z,
				  (unsigned long)c.n_in_lists[z],
				  (unsigned long)p->zones[z].free_pages);
	}
	for (u32 i = 0; i < n_chunks && !rv; i++)
		if (p->chunks[i].is_present)
			rv = check_chunk(&c, i);
	pages_spin_unlock(&p->lock);
	return rv;
}
