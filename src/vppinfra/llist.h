/* SPDX-License-Identifier: Apache-2.0 */
/* llist: doubly linked lists through members of elements of a pool; an element may be in as many
 * lists as it has anchors.
 *
 *   typedef struct { u32 data; clib_llist_anchor_t ll; } elt_t;
 *   elt_t *pool = 0, *head, *e;
 *   clib_llist_index_t h = clib_llist_make_head (pool, ll);
 *   head = clib_llist_elt (pool, h);       good until the pool moves
 *   pool_get (pool, e); ...
 *   clib_llist_add_tail (pool, ll, e, head);
 *   clib_llist_foreach (pool, ll, head, e, ({ ... }));
 *
 * LP is the pool, name the anchor's member, E an element, H a list's head, an element as well.  An
 * anchor that is in no list has CLIB_LLIST_INVALID_INDEX on both sides.
 *
 * Threads: one at a time.  Arguments that are pointers are evaluated several times. */
#ifndef included_vppinfra_llist_h
#define included_vppinfra_llist_h

#include <vppinfra/clib.h>
#include <vppinfra/pool.h>

typedef u32 clib_llist_index_t;

typedef struct clib_llist_anchor {
	clib_llist_index_t next, prev;
} clib_llist_anchor_t;

/** No element. */
#define CLIB_LLIST_INVALID_INDEX ((clib_llist_index_t)~0)

#define _ll_var(v) _llist_##v
#define _lanchor(E, name) (E)->name
#define _lnext(E, name) ((E)->name).next
#define _lprev(E, name) ((E)->name).prev

/* ---- names ---- */

/** Index of an element, ~0 for NULL; the element of an index. */
#define clib_llist_entry_index(LP, E) ((clib_llist_index_t)((E) ? (E) - (LP) : ~0))
#define clib_llist_elt_index(LP, E) clib_llist_entry_index(LP, E)
#define clib_llist_elt(LP, N) pool_elt_at_index((LP), (N))
#define clib_llist_next_index(E, name) _lnext(E, name)
#define clib_llist_prev_index(E, name) _lprev(E, name)
#define clib_llist_next(LP, name, E) clib_llist_elt((LP), _lnext(E, name))
#define clib_llist_prev(LP, name, E) clib_llist_elt((LP), _lprev(E, name))

/* ---- heads ---- */

/** Get an element from the pool as the head of an empty list.
 *  Value: its index; CLIB_LLIST_INVALID_INDEX when there is no memory */
#define clib_llist_make_head(LP, name)                                                             \
	({                                                                                         \
		__typeof__(LP) _ll_var(head) = 0;                                                  \
		pool_get_zero((LP), _ll_var(head));                                                \
		if (_ll_var(head))                                                                 \
			_lnext(_ll_var(head), name) = _lprev(_ll_var(head), name) =                \
				clib_llist_entry_index((LP), _ll_var(head));                       \
		clib_llist_entry_index((LP), _ll_var(head));                                       \
	})

/** Whether a list has no element; whether an element is in one. */
#define clib_llist_is_empty(LP, name, H) (clib_llist_entry_index(LP, H) == _lnext(H, name))
#define clib_llist_elt_is_linked(E, name)                                                          \
	(_lnext(E, name) != CLIB_LLIST_INVALID_INDEX && _lprev(E, name) != CLIB_LLIST_INVALID_INDEX)

/** E is in no list. */
#define clib_llist_init_elt(E, name)                                                               \
	do {                                                                                       \
		_lnext(E, name) = _lprev(E, name) = CLIB_LLIST_INVALID_INDEX;                      \
	} while (0)

/* ---- add and remove ---- */

/** Put E behind P. */
#define clib_llist_insert(LP, name, E, P)                                                          \
	do {                                                                                       \
		clib_llist_index_t _ll_var(e) = clib_llist_entry_index((LP), (E));                 \
		_lnext(E, name) = _lnext(P, name);                                                 \
		_lprev(E, name) = clib_llist_entry_index((LP), (P));                               \
		_lprev((LP) + _lnext(E, name), name) = _ll_var(e);                                 \
		_lnext(P, name) = _ll_var(e);                                                      \
	} while (0)

/** Put E first, or last, in H's list. */
#define clib_llist_add(LP, name, E, H) clib_llist_insert(LP, name, E, H)
#define clib_llist_add_tail(LP, name, E, H)                                                        \
	do {                                                                                       \
		__typeof__(LP) _ll_var(last) = (LP) + _lprev(H, name);                             \
		clib_llist_insert(LP, name, E, _ll_var(last));                                     \
	} while (0)

/** E leaves its list; it stays in the pool. */
#define clib_llist_remove(LP, name, E)                                                             \
	do {                                                                                       \
		_lnext((LP) + _lprev(E, name), name) = _lnext(E, name);                            \
		_lprev((LP) + _lnext(E, name), name) = _lprev(E, name);                            \
		clib_llist_init_elt(E, name);                                                      \
	} while (0)

/** E becomes the first of H's list, which is not empty, and leaves it. */
#define clib_llist_pop_first(LP, name, E, H)                                                       \
	do {                                                                                       \
		(E) = clib_llist_next(LP, name, H);                                                \
		clib_llist_remove(LP, name, E);                                                    \
	} while (0)

/** All of H's list goes behind P; H's list is empty then. */
#define clib_llist_splice(LP, name, P, H)                                                          \
	do {                                                                                       \
		clib_llist_index_t _ll_var(p) = clib_llist_entry_index((LP), (P)),                 \
				   _ll_var(h) = clib_llist_entry_index((LP), (H)),                 \
				   _ll_var(first) = _lnext(H, name),                               \
				   _ll_var(last) = _lprev(H, name);                                \
		if (_ll_var(first) != _ll_var(h)) {                                                \
			_lprev((LP) + _ll_var(first), name) = _ll_var(p);                          \
			_lnext((LP) + _ll_var(last), name) = _lnext(P, name);                      \
			_lprev((LP) + _lnext(P, name), name) = _ll_var(last);                      \
			_lnext(P, name) = _ll_var(first);                                          \
			_lnext(H, name) = _lprev(H, name) = _ll_var(h);                            \
		}                                                                                  \
	} while (0)

/* ---- walks: body sees E; with _safe it may remove E and put it back into the pool, without it
 * may add behind E ---- */

/* The next index is read before the body or after it. */
#define _clib_llist_walk(LP, name, H, E, link, before, after)                                      \
	do {                                                                                       \
		clib_llist_index_t _ll_var(h) = clib_llist_entry_index((LP), (H)),                 \
				   _ll_var(i) = link((H), name);                                   \
		while (_ll_var(i) != _ll_var(h)) {                                                 \
			(E) = (LP) + _ll_var(i);                                                   \
			before;                                                                    \
			_ll_var(i) = link((E), name);                                              \
			after;                                                                     \
		}                                                                                  \
	} while (0)

/** Run body with E set to each element, from the front or from the back; in the safe forms the body
 *  may take E out. */
#define clib_llist_foreach(LP, name, H, E, body) _clib_llist_walk(LP, name, H, E, _lnext, body, )
#define clib_llist_foreach_reverse(LP, name, H, E, body)                                           \
	_clib_llist_walk(LP, name, H, E, _lprev, body, )
#define clib_llist_foreach_safe(LP, name, H, E, body)                                              \
	_clib_llist_walk(LP, name, H, E, _lnext, , body)
#define clib_llist_foreach_reverse_safe(LP, name, H, E, body)                                      \
	_clib_llist_walk(LP, name, H, E, _lprev, , body)

#endif
