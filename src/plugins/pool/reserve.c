/* SPDX-License-Identifier: Apache-2.0 */
/* Reservations, and callbacks at low water.
 *
 * A reservation's buffers are out of the depot, so nobody else's request can reach them; whatever
 * comes to the depot later makes up what was taken of them first.  Callbacks run with no lock
 * held: they may give buffers back, take some, or reclaim what a device has sent. */
#include <plugins/pool/forensics_impl.h>

/* A callback that takes buffers of a dry pool must not be called by its own request. */
static __thread u8 is_in_callback;

/* ---- reservations ---- */

void
pktpool_reservations_fill(pktpool_t *pool)
{
	for (pktpool_reservation_t *r = pool->reservations; r && pool->n_short; r = r->next) {
		u32 n = clib_min(r->n_quota - r->n_stock, pktpool_load(&pool->n_depot));

		pktpool_depot_take(pool, r->objs + r->n_stock, n);
		r->n_stock += n;
		pool->n_short -= n;
		pktpool_store(&pool->n_reserved, pktpool_load(&pool->n_reserved) + n);
	}
}

int
pktpool_reserve(pktpool_t *pool, u32 n, pktpool_reservation_t **result)
{
	pktpool_reservation_t *r;
	int error;

	if (!n || n > pool->n_buffers)
		return -EINVAL;
	r = pktpool_table_alloc(pool, sizeof(*r) + n * sizeof(void *));
	if (!r)
		return -ENOMEM;
	*r = (pktpool_reservation_t){ .pool = pool, .n_quota = n, .n_stock = n };
	error = pktpool_get_plain(pool, r->objs, n);
	if (error) {
		pktpool_table_free(pool, r);
		return error;
	}
	pktpool_lock(pool);
	r->next = pool->reservations;
	pool->reservations = r;
	pktpool_store(&pool->n_reserved, pktpool_load(&pool->n_reserved) + n);
	pktpool_unlock(pool);
	*result = r;
	return 0;
}

void
pktpool_unreserve(pktpool_reservation_t *r)
{
	pktpool_t *pool = r->pool;
	pktpool_reservation_t **p = &pool->reservations;

	pktpool_lock(pool);
	while (*p != r)
		p = &(*p)->next;
	*p = r->next;
	pool->n_short -= r->n_quota - r->n_stock;
	pktpool_store(&pool->n_reserved, pktpool_load(&pool->n_reserved) - r->n_stock);
	pktpool_depot_put(pool, r->objs, r->n_stock);
	pktpool_depot_filled(pool);
	pktpool_unlock(pool);
	pktpool_table_free(pool, r);
}

int
pktpool_get_reserved(pktpool_reservation_t *r, void **objs, u32 n)
{
	pktpool_t *pool = r->pool;
	int error = pktpool_get_at(pool, objs, n, __builtin_return_address(0));

	if (PREDICT_TRUE(!error))
		return 0;
	pktpool_lock(pool);
	if (n <= r->n_stock) {
		r->n_stock -= n;
		memcpy(objs, r->objs + r->n_stock, n * sizeof(*objs));
		pool->n_short += n;
		pktpool_store(&pool->n_reserved, pktpool_load(&pool->n_reserved) - n);
		error = 0;
	}
	pktpool_unlock(pool);
	if (!error && pktpool_trace_is_on(pool))
		pktpool_trace_take(pool, objs, n, __builtin_return_address(0));
	return error;
}

u32
pktpool_reserved(pktpool_reservation_t *r)
{
	u32 n;

	pktpool_lock(r->pool);
	n = r->n_stock;
	pktpool_unlock(r->pool);
	return n;
}

/* ---- low water ---- */

/* Which mark comes next, down and up; the lock is held. */
static void
marks_update(pktpool_t *pool)
{
	pool->low_mark = 0;
	pool->rearm_mark = ~0u;
	for (u32 i = 0; i < PKTPOOL_N_LOW_WATER; i++) {
		const pktpool_low_water_t *w = &pool->low_water[i];

		if (!w->fn)
			continue;
		if (w->is_armed)
			pool->low_mark = clib_max(pool->low_mark, w->n_low);
		else
			pool->rearm_mark = clib_min(pool->rearm_mark, w->n_ok);
	}
}

void
pktpool_low_water_rearm(pktpool_t *pool)
{
	for (u32 i = 0; i < PKTPOOL_N_LOW_WATER; i++)
		if (pktpool_load(&pool->n_depot) >= pool->low_water[i].n_ok)
			pool->low_water[i].is_armed = 1;
	marks_update(pool);
}

int
pktpool_low_water_call(pktpool_t *pool, int is_refused)
{
	int n_called = 0;

	if (is_in_callback)
		return 0;
	for (u32 i = 0; i < PKTPOOL_N_LOW_WATER; i++) {
		pktpool_low_water_t w;
		u32 n_free;

		pktpool_lock(pool);
		w = pool->low_water[i];
		n_free = pktpool_load(&pool->n_depot);
		if (!w.fn || (!is_refused && (!w.is_armed || n_free >= w.n_low)))
			w.fn = NULL;
		else
			pool->low_water[i].is_armed = 0;
		marks_update(pool);
		pktpool_unlock(pool);
		if (!w.fn)
			continue;
		is_in_callback = 1;
		w.fn(pool, n_free, w.arg);
		is_in_callback = 0;
		n_called++;
	}
	return n_called;
}

int
pktpool_low_water_add(pktpool_t *pool, u32 n_low, u32 n_ok, pktpool_low_water_fn_t *fn, void *arg)
{
	int error = -ENOSPC;

	if (!fn || !n_low || n_ok < n_low)
		return -EINVAL;
	pktpool_lock(pool);
	for (u32 i = 0; i < PKTPOOL_N_LOW_WATER && error; i++) {
		pktpool_low_water_t *w = &pool->low_water[i];

		if (w->fn)
			continue;
		*w = (pktpool_low_water_t){
			.fn = fn, .arg = arg, .n_low = n_low, .n_ok = n_ok, .is_armed = 1
		};
		error = 0;
	}
	marks_update(pool);
	pktpool_unlock(pool);
	return error;
}

int
pktpool_low_water_remove(pktpool_t *pool, pktpool_low_water_fn_t *fn, void *arg)
{
	int error = -ENOENT;

	pktpool_lock(pool);
	for (u32 i = 0; i < PKTPOOL_N_LOW_WATER && error; i++) {
		pktpool_low_water_t *w = &pool->low_water[i];

		if (w->fn != fn || w->arg != arg)
			continue;
		memset(w, 0, sizeof(*w));
		error = 0;
	}
	marks_update(pool);
	pktpool_unlock(pool);
	return error;
}
