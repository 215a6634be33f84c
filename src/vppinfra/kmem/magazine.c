/* SPDX-License-Identifier: Apache-2.0 */
/* What the inline path calls when a magazine is empty or full: swap it with the previous one,
 * else with one of the depot, else deal with the slabs, a batch at a time.
 *
 * Loaded and previous are both full, both empty, or one of them is in between; so whatever a
 * program does, it comes here once in as many calls as a magazine has rounds (Bonwick and Adams,
 * 2001, 3.1). */
#include "kmem_impl.h"

/* Of so many visits to the depot, so many that found its lock taken make magazines larger. */
#define N_WINDOW 256
#define N_WINDOW_CONTENDED 8
/* Magazines that a depot keeps at least, and objects for each one that it keeps beyond. */
#define N_DEPOT_MIN 32
#define LOG2_DEPOT_SHARE 2

/* ---- magazines ---- */

static kmem_magazine_t *
magazine_new(kmem_t *k)
{
	u32 class = kmem_load(&k->class);
	kmem_magazine_t *m = kmem_meta_alloc(kmem_magazine_bytes(class), false);

	if (m) {
		m->next = NULL;
		m->n = 0;
		m->class = class;
	}
	return m;
}

void
kmem_magazine_free(kmem_magazine_t *m)
{
	kmem_meta_free(m, kmem_magazine_bytes(m->class));
}

uword
kmem_drain_list(kmem_t *k, kmem_magazine_t *list)
{
	uword n_bytes = 0;

	while (list) {
		kmem_magazine_t *m = list;

		list = m->next;
		n_bytes += kmem_slab_free(k, m->rounds, m->n, NULL);
		kmem_magazine_free(m);
	}
	return n_bytes;
}

static void
prepend(kmem_magazine_t **list, kmem_magazine_t *m)
{
	m->next = *list;
	*list = m;
}

/* ---- the depot; its lock held ---- */

/* Contention says that batches are too small. */
static void
adapt(kmem_t *k, bool is_contended)
{
	k->n_window_contended += is_contended;
	if (++k->n_window < N_WINDOW)
		return;
	if (k->n_window_contended >= N_WINDOW_CONTENDED && kmem_load(&k->class) < k->class_max) {
		kmem_store(&k->class, kmem_load(&k->class) + 1);
		kmem_add(&k->n_resizes, 1);
	}
	k->n_window = k->n_window_contended = 0;
}

void
kmem_depot_lock(kmem_t *k)
{
	bool is_contended = !kmem_trylock(&k->depot_lock);

	if (PREDICT_FALSE(is_contended)) {
		kmem_count(&k->n_contended, 1);
		kmem_lock(&k->depot_lock);
	}
	adapt(k, is_contended);
}

static void
depot_unlock(kmem_t *k)
{
	kmem_unlock(&k->depot_lock);
}

static kmem_magazine_t *
pop_full(kmem_t *k)
{
	kmem_magazine_t *m = k->full;

	if (m) {
		k->full = m->next;
		kmem_add(&k->n_full, (u32)-1);
		kmem_add(&k->n_depot_objects, (u64)0 - m->n);
		k->n_full_min = clib_min(k->n_full_min, kmem_load(&k->n_full));
	}
	return m;
}

static void
push_full(kmem_t *k, kmem_magazine_t *m)
{
	prepend(&k->full, m);
	kmem_add(&k->n_full, 1);
	kmem_add(&k->n_depot_objects, m->n);
}

static kmem_magazine_t *
pop_empty(kmem_t *k)
{
	kmem_magazine_t *m = k->empty;

	if (m) {
		k->empty = m->next;
		kmem_add(&k->n_empty, (u32)-1);
		k->n_empty_min = clib_min(k->n_empty_min, kmem_load(&k->n_empty));
	}
	return m;
}

/* Magazines that the depot keeps of a kind. */
static u32
depot_limit(const kmem_t *k)
{
	u64 n = kmem_load(&k->n_taken) >> LOG2_DEPOT_SHARE;

	if (k->depot_magazines)
		return k->depot_magazines;
	n /= kmem_magazine_capacity(kmem_load(&k->class));
	return (u32)clib_clamp(n, (u64)N_DEPOT_MIN, (u64)1 << 30);
}

/* Into the depot if it is of today's size and there is room, else onto the list. */
static void
push_empty(kmem_t *k, kmem_magazine_t *m, kmem_magazine_t **list)
{
	if (m->class != kmem_load(&k->class) || kmem_load(&k->n_empty) >= depot_limit(k)) {
		prepend(list, m);
		return;
	}
	prepend(&k->empty, m);
	kmem_add(&k->n_empty, 1);
}

void
kmem_depot_take(kmem_t *k, u32 n_full, u32 n_empty, kmem_magazine_t **list)
{
	for (; n_full && k->full; n_full--)
		prepend(list, pop_full(k));
	for (; n_empty && k->empty; n_empty--)
		prepend(list, pop_empty(k));
	k->n_full_min = kmem_load(&k->n_full);
	k->n_empty_min = kmem_load(&k->n_empty);
}

/* ---- a thread's part; depot locked, so that nobody claims it ---- */

static u32
n_loaded(const clib_kmem_cpu_t *c)
{
	return kmem_load(&c->state) & 0xffff;
}

static void
load(clib_kmem_cpu_t *c, kmem_magazine_t *m)
{
	c->loaded = m;
	c->rounds = m->rounds;
	c->capacity = kmem_magazine_capacity(m->class);
	kmem_add(&c->state, m->n);
	kmem_store(&c->ceiling, c->capacity);
}

/* Sleepers are served by frees that find no room; see sleep.c.  Who begins to sleep counts itself,
 * then unloads all magazines under this lock. */
static bool
may_load(const kmem_t *k)
{
	return PREDICT_TRUE(kmem_load(&k->n_sleepers) == 0);
}

/* Value: what was loaded, its rounds counted; or NULL. */
static kmem_magazine_t *
unload(clib_kmem_cpu_t *c)
{
	kmem_magazine_t *m = c->loaded;

	if (m == NULL)
		return NULL;
	m->n = n_loaded(c);
	kmem_add(&c->state, (u64)0 - m->n);
	c->loaded = NULL;
	c->rounds = NULL;
	c->capacity = 0;
	kmem_store(&c->ceiling, 0);
	return m;
}

static void
set_previous(clib_kmem_cpu_t *c, kmem_magazine_t *m)
{
	c->previous = m;
	kmem_store(&c->n_previous, m ? m->n : 0);
}

static void
swap(clib_kmem_cpu_t *c)
{
	kmem_magazine_t *m = c->previous;

	set_previous(c, unload(c));
	load(c, m);
}

void
kmem_cpu_unload(clib_kmem_cpu_t *c, kmem_magazine_t **list)
{
	kmem_magazine_t *m = unload(c);

	if (m)
		prepend(list, m);
	if (c->previous)
		prepend(list, c->previous);
	set_previous(c, NULL);
}

/* The loaded magazine is full or missing: previous goes, loaded becomes previous, m is loaded.
 * Value: what has to go to the slabs, since the depot has enough; or NULL. */
static kmem_magazine_t *
load_empty(kmem_t *k, clib_kmem_cpu_t *c, kmem_magazine_t *m)
{
	kmem_magazine_t *full = c->previous;

	set_previous(c, unload(c));
	load(c, m);
	if (full && kmem_load(&k->n_full) < depot_limit(k)) {
		push_full(k, full);
		full = NULL;
	}
	return full;
}

/* Value: whether the loaded magazine has a round now. */
static bool
load_full(kmem_t *k, clib_kmem_cpu_t *c, kmem_magazine_t **garbage)
{
	kmem_magazine_t *m;

	if (n_loaded(c))
		return true; /* it had been claimed */
	if (c->previous && c->previous->n) {
		swap(c);
		return true;
	}
	kmem_add(&k->n_gets, 1);
	m = pop_full(k);
	if (m == NULL) {
		kmem_add(&k->n_misses, 1);
		return false;
	}
	if (c->previous)
		push_empty(k, c->previous, garbage);
	set_previous(c, unload(c));
	load(c, m);
	return true;
}

/* ---- allocation ---- */

/* A thread needs a magazine before a batch can be put into one.  Without memory it goes on
 * without. */
static void
arm(kmem_t *k, clib_kmem_cpu_t *c)
{
	kmem_magazine_t *m = magazine_new(k);

	if (m == NULL)
		return;
	kmem_depot_lock(k);
	if (c->loaded == NULL && may_load(k)) {
		load(c, m);
		m = NULL;
	}
	depot_unlock(k);
	if (m)
		kmem_magazine_free(m);
}

/* Half a magazine from the slabs, so that a free that follows finds room; no more than a slab, so
 * that large objects do not come in tens. */
static int
refill(kmem_t *k, clib_kmem_cpu_t *c, int flags, void **object, const void *caller)
{
	u32 n = clib_min(kmem_magazine_capacity(kmem_load(&k->class)) / 2, k->n_per_slab);
	void *objects[KMEM_BATCH];
	u32 got;

	got = kmem_slab_alloc(k, objects, clib_min(n, (u32)KMEM_BATCH), flags, caller);
	if (got == 0)
		return -ENOMEM;
	kmem_count(&k->n_direct_allocs, 1);
	*object = objects[0];
	if (got > 1 && kmem_load(&c->ceiling) == 0)
		arm(k, c);
	/* The lowest comes out first. */
	while (got > 1 && _clib_kmem_push(c, objects[got - 1]))
		got--;
	if (got > 1)
		kmem_slab_free(k, objects + 1, got - 1, caller);
	return 0;
}

int
kmem_cpu_alloc(kmem_t *k, clib_kmem_cpu_t *c, int flags, void **object, const void *caller)
{
	kmem_magazine_t *garbage = NULL;
	bool is_loaded;

	if (_clib_kmem_pop(c, object))
		return 0;
	do {
		kmem_depot_lock(k);
		is_loaded = load_full(k, c, &garbage);
		depot_unlock(k);
		if (garbage) {
			kmem_drain_list(k, garbage);
			garbage = NULL;
		}
		if (!is_loaded)
			return refill(k, c, flags, object, caller);
		/* Unless it is claimed between. */
	} while (!_clib_kmem_pop(c, object));
	return 0;
}

/* ---- free ---- */

/* Room for a round.  m: an empty magazine in hand or NULL; what is left of it, and what has to be
 * drained, comes back.  Value: whether there is room now.  Depot locked. */
static bool
make_room(kmem_t *k, clib_kmem_cpu_t *c, kmem_magazine_t **m, kmem_magazine_t **surplus)
{
	if (n_loaded(c) < c->capacity)
		return true; /* it had been claimed */
	if (!may_load(k))
		return false;
	if (c->previous && c->previous->n == 0) {
		swap(c);
		return true;
	}
	while (*m == NULL && (*m = pop_empty(k)) != NULL) {
		if ((*m)->class == kmem_load(&k->class))
			break;
		prepend(surplus, *m); /* of another size than today's */
		*m = NULL;
	}
	if (*m == NULL)
		return false;
	kmem_magazine_t *full = load_empty(k, c, *m);

	*m = NULL;
	if (full)
		prepend(surplus, full);
	return true;
}

/* Full magazines that the depot did not want, and empty ones that are not used any more. */
static void
drain_surplus(kmem_t *k, kmem_magazine_t *surplus, const void *caller)
{
	kmem_magazine_t *garbage = NULL, *next;

	for (kmem_magazine_t *m = surplus; m; m = m->next) {
		kmem_slab_free(k, m->rounds, m->n, caller);
		m->n = 0;
	}
	kmem_depot_lock(k);
	for (; surplus; surplus = next) {
		next = surplus->next;
		push_empty(k, surplus, &garbage);
	}
	depot_unlock(k);
	kmem_drain_list(k, garbage);
}

void
kmem_cpu_free(kmem_t *k, clib_kmem_cpu_t *c, void *object, const void *caller)
{
	kmem_magazine_t *m = NULL, *surplus = NULL;
	bool is_room;

	while (!_clib_kmem_push(c, object)) {
		kmem_depot_lock(k);
		is_room = make_room(k, c, &m, &surplus);
		depot_unlock(k);
		if (is_room)
			continue;
		if (m == NULL && may_load(k))
			m = magazine_new(k);
		if (m == NULL || !may_load(k)) {
			kmem_slab_free(k, &object, 1, caller);
			break;
		}
	}
	if (m)
		prepend(&surplus, m);
	if (surplus)
		drain_surplus(k, surplus, caller);
}

/* ---- many at once ---- */

/* Rounds of the loaded magazine, as many as there are and n asks for. */
static u32
pop_many(clib_kmem_cpu_t *c, void **objects, u32 n)
{
	u64 state;
	u32 got;

	_clib_kmem_enter(c);
	state = kmem_load(&c->state);
	got = clib_min((u32)(state & 0xffff), n);
	/* Acquire: as in _clib_kmem_pop(). */
	if (atomic_load_explicit(&c->floor, memory_order_acquire))
		got = 0;
	if (got) {
		memcpy(objects, c->rounds + (state & 0xffff) - got, got * sizeof(void *));
		kmem_store(&c->state, state - got + ((u64)got << 16));
	}
	_clib_kmem_leave(c);
	return got;
}

static u32
push_many(clib_kmem_cpu_t *c, void *const *objects, u32 n)
{
	u32 n_room, n_loaded_now;
	u64 state;

	_clib_kmem_enter(c);
	state = kmem_load(&c->state);
	n_loaded_now = state & 0xffff;
	n_room = atomic_load_explicit(&c->ceiling, memory_order_acquire);
	n = n_room > n_loaded_now ? clib_min(n_room - n_loaded_now, n) : 0;
	if (n) {
		memcpy(c->rounds + n_loaded_now, objects, n * sizeof(void *));
		kmem_store(&c->state, state + n);
	}
	_clib_kmem_leave(c);
	return n;
}

size_t
kmem_cpu_alloc_many(kmem_t *k, clib_kmem_cpu_t *c, void **objects, size_t n)
{
	kmem_magazine_t *garbage = NULL;
	bool is_loaded = true;
	size_t got = 0;

	while (got < n && is_loaded) {
		got += pop_many(c, objects + got, (u32)clib_min(n - got, (size_t)0xffff));
		if (got == n)
			break;
		kmem_depot_lock(k);
		is_loaded = load_full(k, c, &garbage);
		depot_unlock(k);
	}
	kmem_drain_list(k, garbage);
	return got;
}

void
kmem_cpu_free_many(kmem_t *k, clib_kmem_cpu_t *c, void *const *objects, size_t n,
		   const void *caller)
{
	while (n) {
		u32 n_put = push_many(c, objects, (u32)clib_min(n, (size_t)0xffff));

		objects += n_put;
		n -= n_put;
		if (n) {
			/* One goes the long way, which makes room for more. */
			kmem_cpu_free(k, c, *objects++, caller);
			n--;
		}
	}
}
