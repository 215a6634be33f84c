/* SPDX-License-Identifier: Apache-2.0 */
/* dlist: doubly linked rings of elements that live in one pool and are named by their index.
 *
 *   dlist_elt_t *pool = 0, *head;
 *   pool_get (pool, head);
 *   clib_dlist_init (pool, head - pool);
 *   clib_dlist_addtail (pool, head - pool, index);
 *
 * The head is an element too, whose value is ~0.  Threads: one at a time. */
#ifndef included_vppinfra_dlist_h
#define included_vppinfra_dlist_h

#include <vppinfra/clib.h>
#include <vppinfra/pool.h>

typedef struct {
	u32 next, prev;
	/** The caller's; ~0 in a head and in an element that is in no list. */
	u32 value;
} dlist_elt_t;

/** An element alone: an empty list's head, or what is to be added. */
static inline void
clib_dlist_init(dlist_elt_t *pool, u32 index)
{
	dlist_elt_t *e = pool_elt_at_index(pool, index);

	e->next = e->prev = index;
	e->value = ~0u;
}

/* Between two neighbours. */
static inline void
_clib_dlist_insert(dlist_elt_t *pool, u32 prev, u32 next, u32 index)
{
	pool[index].prev = prev;
	pool[index].next = next;
	pool[prev].next = index;
	pool[next].prev = index;
}

/** Put an element at the end of a list. */
static inline void
clib_dlist_addtail(dlist_elt_t *pool, u32 head_index, u32 new_index)
{
	_clib_dlist_insert(pool, pool_elt_at_index(pool, head_index)->prev, head_index, new_index);
}

/** Put an element at the front of a list. */
static inline void
clib_dlist_addhead(dlist_elt_t *pool, u32 head_index, u32 new_index)
{
	_clib_dlist_insert(pool, head_index, pool_elt_at_index(pool, head_index)->next, new_index);
}

/** Out of its list; its value stays.  One that is in none is left alone. */
static inline void
clib_dlist_remove(dlist_elt_t *pool, u32 index)
{
	dlist_elt_t *e = pool_elt_at_index(pool, index);

	pool[e->prev].next = e->next;
	pool[e->next].prev = e->prev;
	e->next = e->prev = index;
}

/** Take the first, or the last.  @return its index; ~0 from an empty list */
static inline u32
clib_dlist_remove_head(dlist_elt_t *pool, u32 head_index)
{
	u32 index = pool_elt_at_index(pool, head_index)->next;

	if (index == head_index)
		return ~0u;
	clib_dlist_remove(pool, index);
	return index;
}

/** Take the last element.  @return its index; ~0 when there is none */
static inline u32
clib_dlist_remove_tail(dlist_elt_t *pool, u32 head_index)
{
	u32 index = pool_elt_at_index(pool, head_index)->prev;

	if (index == head_index)
		return ~0u;
	clib_dlist_remove(pool, index);
	return index;
}

#endif
