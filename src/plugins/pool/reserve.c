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

/* The lock is held. */
static pktpool_reservation_t *
find(const pktpool_t *pool, const char *name)
{
	pktpool_reservation_t *r = pool->reservations;

	while (r && strcmp(r->name, name))
		r = r->next;
	return r;
}

/* name: "" for none. */
static int
reserve(pktpool_t *pool, const char *name, u32 n, pktpool_reservation_t **result)
{
	pktpool_reservation_t *r;
	int error;

	if (!n || n > pool->n_buffers)
		return -EINVAL;
	r = pktpool_table_alloc(pool, sizeof(*r) + n * sizeof(void *));
	if (!r)
		return -ENOMEM;
	*r = (pktpool_reservation_t){ .pool = pool, .n_quota = n, .n_stock = n };
	memcpy(r->name, name, strlen(name));
	error = pktpool_get_plain(pool, r->objs, n);
	if (error) {
		pktpool_table_free(pool, r);
		return error;
	}
	pktpool_lock(pool);
	if (name[0] && find(pool, name)) {
		pktpool_depot_put(pool, r->objs, n);
		error = -EEXIST;
	} else {
		r->next = pool->reservations;
		pool->reservations = r;
		pktpool_store(&pool->n_reserved, pktpool_load(&pool->n_reserved) + n);
	}
	pktpool_unlock(pool);
	if (error)
		pktpool_table_free(pool, r);
	else
		*result = r;
	return error;
}

int
pktpool_reserve(pktpool_t *pool, u32 n, pktpool_reservation_t **result)
{
	return reserve(pool, "", n, result);
}

int
pktpool_reserve_as(pktpool_t *pool, const char *name, u32 n, pktpool_reservation_t **result)
{
	if (!name[0] || strlen(name) >= PKTPOOL_RESERVATION_NAME_BYTES)
		return -EINVAL;
	return reserve(pool, name, n, result);
}

pktpool_reservation_t *
pktpool_reservation_by_name(pktpool_t *pool, const char *name)
{
	pktpool_reservation_t *r;

	pktpool_lock(pool);
	r = find(pool, name);
	pktpool_unlock(pool);
	return r;
}

u32
pktpool_reservations(pktpool_t *pool, pktpool_reservation_info_t *infos, u32 n)
{
	u32 i = 0;

	pktpool_lock(pool);
	for (pktpool_reservation_t *r = pool->reservations; r && i < n; r = r->next, i++) {
		infos[i].n_quota = r->n_quota;
		infos[i].n_stock = r->n_stock;
		infos[i].n_taken = r->n_taken;
		memcpy(infos[i].name, r->name, sizeof(r->name));
	}
	pktpool_unlock(pool);
	return i;
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

/* The pool has refused. */
static int
get_stock(pktpool_reservation_t *r, void **objs, u32 n, const void *site)
{
	pktpool_t *pool = r->pool;
	int error = -ENOBUFS;
	u32 trace;

	pktpool_lock(pool);
	if (n <= r->n_stock) {
		r->n_stock -= n;
		r->n_taken += n;
		memcpy(objs, r->objs + r->n_stock, n * sizeof(*objs));
		pool->n_short += n;
		pktpool_store(&pool->n_reserved, pktpool_load(&pool->n_reserved) - n);
		error = 0;
	}
	pktpool_unlock(pool);
	trace = pktpool_trace_is_on(pool);
	if (!error && trace)
		pktpool_trace_take(pool, trace, objs, n, site);
	return error;
}

int
pktpool_get_reserved(pktpool_reservation_t *r, void **objs, u32 n)
{
	const void *site = __builtin_return_address(0);

	return PREDICT_TRUE(!pktpool_get_at(r->pool, objs, n, site)) ? 0
								     : get_stock(r, objs, n, site);
}

struct rte_mbuf *
pktpool_alloc_by_name(struct rte_mempool *mp, const char *name)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(mp);
	pktpool_reservation_t *r;
	pktpool_t *pool;

	/* A secondary's threads do not take the lock like this, and reserve nothing. */
	if (PREDICT_TRUE(m != NULL) || pktpool_lock_word != PKTPOOL_LOCK_THREAD)
		return m;
	pool = pktpool_of_mempool(mp);
	r = pool ? pktpool_reservation_by_name(pool, name) : NULL;
	if (!r || get_stock(r, (void **)&m, 1, __builtin_return_address(0)))
		return NULL;
	rte_pktmbuf_reset(m);
	return m;
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
