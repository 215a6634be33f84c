/* SPDX-License-Identifier: Apache-2.0 */
/* The pool's invariants, for tests and for `show buffers` in doubt.  Collects every free buffer's
 * address, sorts, and looks for strangers and twins. */
#include <plugins/pool/pktpool_impl.h>

#include <stdio.h>
#include <stdlib.h>

typedef struct {
	char *what;
	uword n_what;
	uword *free_objs;
	u32 n_free, max_free;
} check_t;

#define fault(c, ...)                                                                              \
	({                                                                                         \
		if ((c)->what)                                                                     \
			snprintf((c)->what, (c)->n_what, __VA_ARGS__);                             \
		-EUCLEAN;                                                                          \
	})

static int
check_object(check_t *c, const pktpool_t *pool, uword obj, const char *where)
{
	if (pool->is_in_arena && !pktpool_extent_of(pool, obj - PKTPOOL_OBJHDR_BYTES))
		return fault(c, "%s: %s holds %#lx, which is no buffer of this pool", pool->name,
			     where, (unsigned long)obj);
	if (rte_mempool_from_obj((void *)obj) != pool->head.mempool)
		return fault(c, "%s: %s holds %#lx, whose header names another mempool", pool->name,
			     where, (unsigned long)obj);
	if (c->n_free == c->max_free)
		return fault(c, "%s: more free buffers than the pool has, %u", pool->name,
			     c->max_free);
	c->free_objs[c->n_free++] = obj;
	return 0;
}

static int
check_magazine(check_t *c, const pktpool_t *pool, void *const *objs, u32 n, const char *where)
{
	if (n > pool->magazine_size)
		return fault(c, "%s: %s holds %u of at most %u", pool->name, where, n,
			     pool->magazine_size);
	for (u32 i = 0; i < n; i++) {
		int error = check_object(c, pool, (uword)objs[i], where);

		if (error)
			return error;
	}
	return 0;
}

static int
check_depot(check_t *c, const pktpool_t *pool)
{
	u32 n_full = 0, n_empty = 0;
	int error;

	for (pktpool_magazine_t *m = pool->full; m; m = m->next) {
		if (++n_full > pool->n_full)
			break;
		if ((error = check_magazine(c, pool, m->objs, pool->magazine_size,
					    "a full magazine")))
			return error;
	}
	for (pktpool_magazine_t *m = pool->empty; m && n_empty <= pool->n_empty; m = m->next)
		n_empty++;
	if (n_full != pool->n_full || n_empty != pool->n_empty)
		return fault(c, "%s: depot lists %u full and %u empty, counts say %u and %u",
			     pool->name, n_full, n_empty, pool->n_full, pool->n_empty);
	if (n_full + n_empty + 1 != pool->n_containers)
		return fault(c, "%s: %u containers in the depot instead of %u", pool->name,
			     n_full + n_empty + 1, pool->n_containers);
	if (n_full * pool->magazine_size + pool->n_partial != pool->n_depot)
		return fault(c, "%s: depot holds %u, n_depot says %u", pool->name,
			     n_full * pool->magazine_size + pool->n_partial, pool->n_depot);
	return check_magazine(c, pool, pool->partial->objs, pool->n_partial,
			      "the partial magazine");
}

static int
compare(const void *a, const void *b)
{
	uword x = *(const uword *)a, y = *(const uword *)b;

	return x < y ? -1 : x > y;
}

static int
check_all(check_t *c, pktpool_t *pool)
{
	int error = check_depot(c, pool);

	for (u32 i = 0; i < CLIB_MAX_THREADS && !error; i++) {
		pktpool_thread_t *t = pktpool_thread(pool, (u16)i);
		char where[32];

		if (!t)
			continue;
		snprintf(where, sizeof(where), "thread %u", i);
		if (slot_load(&t->busy) || (slot_load(&t->stop) & PKTPOOL_STOP_RECLAIM))
			return fault(c, "%s: thread %u is inside: the pool is not quiet",
				     pool->name, i);
		error = check_magazine(c, pool, t->loaded, slot_load(&t->n_loaded), where);
		if (!error)
			error = check_magazine(c, pool, t->previous, slot_load(&t->n_previous),
					       where);
	}
	for (pktpool_reservation_t *r = pool->reservations; r && !error; r = r->next)
		for (u32 i = 0; i < r->n_stock && !error; i++)
			error = check_object(c, pool, (uword)r->objs[i], "a reservation");
	for (u32 k = 0; k < pool->n_extents && !error; k++)
		for (u32 i = 0; i < pool->extents[k].n_parked && !error; i++)
			error = check_object(c, pool, (uword)pool->extents[k].parked[i], "a park");
	if (error)
		return error;
	qsort(c->free_objs, c->n_free, sizeof(uword), compare);
	for (u32 i = 1; i < c->n_free; i++)
		if (c->free_objs[i] == c->free_objs[i - 1])
			return fault(c, "%s: buffer %#lx is free twice", pool->name,
				     (unsigned long)c->free_objs[i]);
	if (atomic_load_explicit(&pool->n_bad_puts, memory_order_relaxed))
		return fault(c, "%s: %lu buffers were put that had not been taken", pool->name,
			     (unsigned long)pool->n_bad_puts);
	return 0;
}

int
pktpool_check(pktpool_t *pool, char *what, uword n_what)
{
	check_t c = { .what = what, .n_what = n_what, .max_free = pool->n_buffers };
	int error;

	c.free_objs = malloc((uword)pool->n_buffers * sizeof(uword));
	if (!c.free_objs)
		return -ENOMEM;
	pktpool_lock(pool);
	error = check_all(&c, pool);
	pktpool_unlock(pool);
	free(c.free_objs);
	return error;
}
