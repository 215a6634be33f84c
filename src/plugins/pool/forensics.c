/* SPDX-License-Identifier: Apache-2.0 */
/* Records of watched buffers.
 *
 * Takes are recorded always: a record says who took its buffer last.  Gives are recorded where they
 * are checked (PKTPOOL_TRACE_CHECK):
 *
 *   UNKNOWN --take--> HELD --give--> FREE --take--> HELD ...
 *      \--give--> FREE                \--give: double free
 *
 * Whoever holds a buffer writes its record, and the state changes by an exchange, so of two threads
 * that give one buffer back at once one is told.  A give is recorded before the buffer goes into a
 * magazine and a take after it came out: a free buffer's record is never behind.
 *
 * Where gives are not recorded a state is HELD from the first take on, and what is free is found
 * when somebody asks: all magazines are looked through while threads are kept out of them. */
#include <plugins/pool/forensics_impl.h>

#include <pthread.h>
#ifdef __x86_64__
#	include <immintrin.h>
#endif
#include <rte_cycles.h>
#include <rte_graph.h>

#define MAX_EVERY 4096u
/* The latest; a page and a half. */
#define N_FAULTS_KEPT 64u

_Atomic u32 pktpool_n_fully_traced;

static struct {
	pthread_mutex_t lock; /* on, off and the ring of faults */
	pktpool_fault_t faults[N_FAULTS_KEPT];
	u64 n_faults;
	_Atomic(pktpool_fault_hook_t *) hook;
	void *_Atomic hook_arg;
} trace_main = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* ---- faults ---- */

static u64
age_ns(u64 tsc)
{
	u64 now = rte_rdtsc();

	return now > tsc ? (u64)((f64)(now - tsc) * 1e9 / (f64)rte_get_tsc_hz()) : 0;
}

static void
report(pktpool_t *pool, pktpool_fault_t *f)
{
	pktpool_fault_hook_t *hook;

	memcpy(f->pool, pool->name, sizeof(f->pool));
	f->thread_index = clib_thread_index();
	atomic_fetch_add_explicit(&pool->n_faults[f->kind], 1, memory_order_relaxed);
	pthread_mutex_lock(&trace_main.lock);
	f->number = ++trace_main.n_faults;
	trace_main.faults[f->number % N_FAULTS_KEPT] = *f;
	pthread_mutex_unlock(&trace_main.lock);
	/* Acquire: the hook's argument, pairs with pktpool_set_fault_hook(). */
	hook = atomic_load_explicit(&trace_main.hook, memory_order_acquire);
	if (hook)
		hook(f, atomic_load_explicit(&trace_main.hook_arg, memory_order_relaxed));
}

static pktpool_fault_t
fault_of(pktpool_fault_kind_t kind, void *obj, const void *site, const pktpool_record_t *r)
{
	pktpool_fault_t f = { .kind = kind,
			      .object = obj,
			      .site = site,
			      .taken_by = CLIB_THREAD_INDEX_NONE,
			      .freed_by = CLIB_THREAD_INDEX_NONE };

	if (r) {
		u64 tsc = record_get(r, tsc);

		f.taken_at = record_get(r, taken_at);
		f.freed_at = record_get(r, freed_at);
		f.taken_by = record_get(r, taken_by);
		f.freed_by = record_get(r, freed_by);
		f.age_ns = tsc ? age_ns(tsc) : 0;
	}
	return f;
}

u32
pktpool_faults(pktpool_fault_t *faults, u32 n)
{
	u32 i;

	pthread_mutex_lock(&trace_main.lock);
	n = (u32)clib_min((u64)clib_min(n, N_FAULTS_KEPT), trace_main.n_faults);
	for (i = 0; i < n; i++)
		faults[i] = trace_main.faults[(trace_main.n_faults - i) % N_FAULTS_KEPT];
	pthread_mutex_unlock(&trace_main.lock);
	return n;
}

void
pktpool_set_fault_hook(pktpool_fault_hook_t *fn, void *arg)
{
	atomic_store_explicit(&trace_main.hook, NULL, memory_order_relaxed);
	atomic_store_explicit(&trace_main.hook_arg, arg, memory_order_relaxed);
	/* Release: the argument comes first, pairs with report(). */
	atomic_store_explicit(&trace_main.hook, fn, memory_order_release);
}

const char *
pktpool_fault_name(pktpool_fault_kind_t kind)
{
	static const char *const names[] = {
		[PKTPOOL_FAULT_DOUBLE_FREE] = "double free",
		[PKTPOOL_FAULT_FOREIGN_FREE] = "foreign free",
		[PKTPOOL_FAULT_WRITE_AFTER_FREE] = "write after free",
		[PKTPOOL_FAULT_REFCOUNT] = "reference count",
	};

	return (u32)kind < ARRAY_LEN(names) ? names[kind] : "unknown";
}

/* ---- what a free buffer must look like ---- */

/* The header by DPDK's rule for raw frees; mended after a report. */
static void
check_header(pktpool_t *pool, struct rte_mbuf *m, const void *site, const pktpool_record_t *r)
{
	pktpool_fault_t f;

	if (!pool->head.has_fresh || PREDICT_TRUE(!pktpool_not_plain(m)))
		return;
	f = fault_of(PKTPOOL_FAULT_REFCOUNT, m, site, r);
	f.refcount = rte_mbuf_refcnt_read(m);
	f.n_segs = m->nb_segs;
	report(pool, &f);
	m->buf_addr = (u8 *)m + sizeof(*m) + PKTPOOL_PRIV_BYTES;
	m->buf_iova = rte_mempool_virt2iova(m) + sizeof(*m) + PKTPOOL_PRIV_BYTES;
	pktpool_freshen(pool->head.fresh, m);
}

static u32
data_bytes(const pktpool_t *pool)
{
	return RTE_PKTMBUF_HEADROOM + pool->data_bytes;
}

static u8 *
data_of(struct rte_mbuf *m)
{
	return (u8 *)(m + 1) + PKTPOOL_PRIV_BYTES;
}

static void
check_poison(pktpool_t *pool, struct rte_mbuf *m, const void *site, const pktpool_record_t *r)
{
	const u8 *p = data_of(m);
	u32 n = data_bytes(pool), i = 0;

	while (i < n && p[i] == PKTPOOL_POISON_BYTE)
		i++;
	if (i < n) {
		pktpool_fault_t f = fault_of(PKTPOOL_FAULT_WRITE_AFTER_FREE, m, site, r);

		f.offset = i;
		report(pool, &f);
	}
}

/* ---- the look at each pointer: all that a watched pool costs, but for the few ---- */

/* So many at a time; places in them fit a byte. */
#define LOOK_MAX 256u

/* Where in objs[0 .. n) watched ones are, n at most LOOK_MAX.  @return how many */
static u32
look(pktpool_watch_t w, void *const *objs, u32 n, u8 *at)
{
	u32 n_found = 0;

	for (u32 i = 0; (i = pktpool_next_watched(w, objs, i, n)) < n; i++)
		at[n_found++] = (u8)i;
	return n_found;
}

#ifdef __x86_64__
/* The same by thirty-twos.  With intrinsics, and tuned for a processor that has this: compilers
 * load and shuffle halves otherwise. */
#	define LOOK_TARGET __attribute__((target("avx2,tune=haswell")))

/* Of objs[0 .. 8), in the order 0 1 4 5, 2 3 6 7. */
LOOK_TARGET always_inline __m256i
watched_8(__m256i mask, __m256i residue, void *const *objs)
{
	__m256 a = _mm256_loadu_ps((const float *)objs);
	__m256 b = _mm256_loadu_ps((const float *)(objs + 4));

	/* The low half of each pointer. */
	return _mm256_cmpeq_epi32((__m256i)_mm256_shuffle_ps(a, b, 0x88) & mask, residue);
}

/* A bit each: of four times the first four of those above, then of four times the others. */
LOOK_TARGET always_inline u32
watched_32(__m256i mask, __m256i residue, void *const *objs)
{
	__m256i a = _mm256_packs_epi32(watched_8(mask, residue, objs),
				       watched_8(mask, residue, objs + 8));
	__m256i b = _mm256_packs_epi32(watched_8(mask, residue, objs + 16),
				       watched_8(mask, residue, objs + 24));

	return (u32)_mm256_movemask_epi8(_mm256_packs_epi16(a, b));
}

LOOK_TARGET static u32
look_avx2(pktpool_watch_t w, void *const *objs, u32 n, u8 *at)
{
	__m256i residue = _mm256_set1_epi32((i32)w.residue), mask = _mm256_set1_epi32((i32)w.mask);
	u32 i = 0, n_found = 0;

	for (; i + 32 <= n; i += 32)
		for (u32 bits = watched_32(mask, residue, objs + i); PREDICT_FALSE(bits);
		     bits &= bits - 1) {
			u32 k = count_trailing_zeros(bits);

			at[n_found++] =
				(u8)(i + (k & 12) * 2 + (k & 2) * 2 + (k & 1) + (k >> 4) * 2);
		}
	for (; i < n; i++)
		if (PREDICT_FALSE(pktpool_is_watched(w, objs[i])))
			at[n_found++] = (u8)i;
	return n_found;
}
#endif

static u32 (*look_best)(pktpool_watch_t w, void *const *objs, u32 n, u8 *at) = look;

static void __attribute__((constructor)) choose_look(void)
{
#ifdef __x86_64__
	if (__builtin_cpu_supports("avx2"))
		look_best = look_avx2;
#endif
}

/* ---- take and give ---- */

static never_inline void
trace_take_one(pktpool_t *pool, u32 trace, void *obj, const void *site, u64 now)
{
	pktpool_record_t *r = pktpool_record(obj);
	u32 before = record_kind(__atomic_load_n(&r->state, __ATOMIC_RELAXED), trace);

	if (before != PKTPOOL_RECORD_UNKNOWN)
		check_header(pool, obj, site, r);
	if (before == PKTPOOL_RECORD_POISONED)
		check_poison(pool, obj, site, r);
	record_set(r, tsc, now);
	record_set(r, taken_at, site);
	record_set(r, taken_by, clib_thread_index());
	record_set(r, node, pktpool_trace_walk.node);
	record_set(r, seen_node, pktpool_trace_walk.is_followed ? pktpool_trace_walk.node : 0);
	/* Release: the fields above, pairs with read_record(). */
	__atomic_store_n(&r->state, record_state(PKTPOOL_RECORD_HELD, trace), __ATOMIC_RELEASE);
}

/* @return whether the buffer may go into the pool. */
static never_inline int
trace_give_one(pktpool_t *pool, u32 trace, void *obj, const void *site)
{
	pktpool_record_t *r = pktpool_record(obj);
	u32 state, before;
	pktpool_fault_t f;

	if (!pktpool_is_object(pool, obj)) {
		f = fault_of(PKTPOOL_FAULT_FOREIGN_FREE, obj, site, NULL);
		report(pool, &f);
		return 0;
	}
	/* Acquire, release: of two gives at once the second sees the first one's record. */
	state = __atomic_exchange_n(&r->state, record_state(PKTPOOL_RECORD_FREE, trace),
				    __ATOMIC_ACQ_REL);
	before = record_kind(state, trace);
	if (PREDICT_FALSE(before == PKTPOOL_RECORD_FREE || before == PKTPOOL_RECORD_POISONED)) {
		__atomic_store_n(&r->state, state, __ATOMIC_RELAXED);
		f = fault_of(PKTPOOL_FAULT_DOUBLE_FREE, obj, site, r);
		report(pool, &f);
		return 0;
	}
	check_header(pool, obj, site, r);
	record_set(r, tsc, rte_rdtsc());
	record_set(r, freed_at, site);
	record_set(r, freed_by, clib_thread_index());
	if (pktpool_load(&pool->trace_flags) & PKTPOOL_TRACE_POISON) {
		memset(data_of(obj), PKTPOOL_POISON_BYTE, data_bytes(pool));
		__atomic_store_n(&r->state, record_state(PKTPOOL_RECORD_POISONED, trace),
				 __ATOMIC_RELAXED);
	}
	return 1;
}

void
pktpool_trace_take(pktpool_t *pool, u32 trace, void *const *objs, u32 n, const void *site)
{
	pktpool_watch_t w = pktpool_watch(pool);
	u8 at[LOOK_MAX];
	u64 now = 0;

	if (PREDICT_TRUE(n == 1)) {
		if (PREDICT_FALSE(pktpool_is_watched(w, objs[0])))
			trace_take_one(pool, trace, objs[0], site, rte_rdtsc());
		return;
	}
	for (; n; objs += LOOK_MAX, n -= clib_min(n, LOOK_MAX)) {
		u32 n_found = look_best(w, objs, clib_min(n, LOOK_MAX), at);

		if (n_found && !now)
			now = rte_rdtsc();
		for (u32 i = 0; i < n_found; i++)
			trace_take_one(pool, trace, objs[at[i]], site, now);
	}
}

void
pktpool_trace_give(pktpool_t *pool, u32 trace, void *const *objs, u32 n, const void *site)
{
	pktpool_watch_t w = pktpool_watch(pool);
	u32 first = 0;

	for (u32 i = 0; (i = pktpool_next_watched(w, objs, i, n)) < n; i++) {
		if (PREDICT_TRUE(trace_give_one(pool, trace, objs[i], site)))
			continue;
		/* The bad one stays out: what was before it goes in now. */
		pktpool_put_plain(pool, objs + first, i - first);
		first = i + 1;
	}
	pktpool_put_plain(pool, objs + first, n - first);
}

int
pktpool_trace_free_of_zero(struct rte_mbuf *m, const void *site)
{
	pktpool_t *pool = pktpool_of_mempool(m->pool);
	const pktpool_record_t *r;
	pktpool_fault_t f;

	if (!pool || !pktpool_trace_is_on(pool) || rte_mbuf_refcnt_read(m))
		return 0;
	r = pktpool_is_watched(pktpool_watch(pool), m) && pktpool_is_object(pool, m)
		    ? pktpool_record(m)
		    : NULL;
	f = fault_of(PKTPOOL_FAULT_REFCOUNT, m, site, r);
	f.n_segs = m->nb_segs;
	report(pool, &f);
	return 1;
}

void
pktpool_trace_seen(pktpool_t *pool, void *const *objs, u32 n, u16 node)
{
	pktpool_watch_t w = pktpool_watch(pool);
	u8 at[LOOK_MAX];

	for (; n; objs += LOOK_MAX, n -= clib_min(n, LOOK_MAX)) {
		u32 n_found = look_best(w, objs, clib_min(n, LOOK_MAX), at);

		for (u32 i = 0; i < n_found; i++)
			if (PREDICT_TRUE(pktpool_is_object(pool, objs[at[i]])))
				record_set(pktpool_record(objs[at[i]]), seen_node, node);
	}
}

/* ---- on and off ---- */

typedef struct {
	u32 n[MAX_EVERY];
	u32 mask;
} histogram_t;

static void
count_residue(struct rte_mempool *mp, void *arg, void *obj, unsigned i)
{
	histogram_t *h = arg;

	h->n[((u32)(uword)obj & h->mask) >> CLIB_LOG2_CACHE_LINE_BYTES]++;
}

/* The residue nearest to one in every: object strides of a power of two leave most of them empty.
 */
static int
choose_residue(pktpool_t *pool, u32 every, u32 *residue, u32 *n_watched)
{
	histogram_t *h = calloc(1, sizeof(*h));
	u32 want = clib_max(pool->n_buffers / every, 1u), best = ~0u;

	if (!h)
		return -ENOMEM;
	h->mask = (every - 1) << CLIB_LOG2_CACHE_LINE_BYTES;
	rte_mempool_obj_iter(pool->head.mempool, count_residue, h);
	for (u32 i = 0; i < every; i++) {
		u32 off = h->n[i] > want ? h->n[i] - want : want - h->n[i];

		if (h->n[i] && off < best) {
			best = off;
			*residue = i << CLIB_LOG2_CACHE_LINE_BYTES;
			*n_watched = h->n[i];
		}
	}
	free(h);
	return best == ~0u ? -ENOTSUP : 0;
}

static void
record_reset(struct rte_mempool *mp, void *arg, void *obj, unsigned i)
{
	pktpool_record_t *r = pktpool_record(obj);

	if (!pktpool_is_watched(pktpool_watch(arg), obj))
		return;
	record_set(r, tsc, 0);
	record_set(r, taken_at, NULL);
	record_set(r, freed_at, NULL);
	record_set(r, taken_by, CLIB_THREAD_INDEX_NONE);
	record_set(r, freed_by, CLIB_THREAD_INDEX_NONE);
	record_set(r, node, 0);
	record_set(r, seen_node, 0);
	record_set(r, free_in, 0);
	__atomic_store_n(&r->state, PKTPOOL_RECORD_UNKNOWN, __ATOMIC_RELEASE);
}

/* stop: PKTPOOL_STOP_TRACE*, or 0 to let them go. */
static void
set_trace(pktpool_t *pool, u32 stop)
{
	u32 before = pktpool_load(&pool->trace) & 0xff;
	u32 is_full = !pktpool_load(&pool->trace_mask);

	pktpool_lock(pool);
	/* 24 bits; a record that is reset has 0. */
	if (stop && !(++pool->trace_number << 8))
		pool->trace_number++;
	/* Release: mask and residue, pairs with pktpool_trace_is_on(). */
	atomic_store_explicit(&pool->trace, stop ? pool->trace_number << 8 | stop : 0,
			      memory_order_release);
	atomic_fetch_add_explicit(&pktpool_n_fully_traced, stop ? is_full : -is_full,
				  memory_order_relaxed);
	pktpool_stop_all(pool, stop | before, stop != 0);
	pktpool_unlock(pool);
}

static int
has_room(const struct rte_mempool *mp)
{
	return mp->header_size >= sizeof(pktpool_record_t) + sizeof(struct rte_mempool_objhdr);
}

void
pktpool_trace_off(pktpool_t *pool)
{
	pthread_mutex_lock(&trace_main.lock);
	if (pktpool_trace_is_on(pool))
		set_trace(pool, 0);
	pthread_mutex_unlock(&trace_main.lock);
}

int
pktpool_trace_on(pktpool_t *pool, u32 every, u32 flags)
{
	u32 residue = 0, n_watched = 0;
	int error;

	every = every ? every : PKTPOOL_TRACE_DEFAULT_EVERY;
	if (every > MAX_EVERY || !is_pow2(every) ||
	    (flags & ~(PKTPOOL_TRACE_CHECK | PKTPOOL_TRACE_POISON)))
		return -EINVAL;
	if (!pool->head.has_fresh)
		flags &= ~PKTPOOL_TRACE_POISON;
	/* What is free cannot be found later where threads cannot be kept out. */
	if ((flags & PKTPOOL_TRACE_POISON) || !pktpool_reclaim_is_offered())
		flags |= PKTPOOL_TRACE_CHECK;
	if (!has_room(pool->head.mempool))
		return -ENOTSUP;
	error = choose_residue(pool, every, &residue, &n_watched);
	if (error)
		return error;
	pktpool_trace_off(pool);
	pktpool_wait_until_outside(pool);
	pthread_mutex_lock(&trace_main.lock);
	pktpool_store(&pool->trace_mask, (every - 1) << CLIB_LOG2_CACHE_LINE_BYTES);
	pktpool_store(&pool->trace_residue, residue);
	pktpool_store(&pool->trace_flags, flags);
	pktpool_store(&pool->n_watched, n_watched);
	rte_mempool_obj_iter(pool->head.mempool, record_reset, pool);
	set_trace(pool,
		  PKTPOOL_STOP_TRACE | (flags & PKTPOOL_TRACE_CHECK ? PKTPOOL_STOP_TRACE_PUTS : 0));
	pthread_mutex_unlock(&trace_main.lock);
	pktpool_wait_until_outside(pool);
	return 0;
}

void
pktpool_trace_get_info(pktpool_t *pool, pktpool_trace_info_t *info)
{
	memset(info, 0, sizeof(*info));
	for (u32 k = 0; k < PKTPOOL_N_FAULTS; k++)
		info->n_faults[k] = atomic_load_explicit(&pool->n_faults[k], memory_order_relaxed);
	info->is_on = pktpool_trace_is_on(pool) != 0;
	if (!info->is_on)
		return;
	info->every = (pktpool_load(&pool->trace_mask) >> CLIB_LOG2_CACHE_LINE_BYTES) + 1;
	info->flags = pktpool_load(&pool->trace_flags);
	info->n_watched = pktpool_load(&pool->n_watched);
}

/* ---- looking ---- */

typedef struct {
	pktpool_t *pool;
	int (*fn)(const pktpool_holding_t *h, void *arg);
	void *arg;
	u64 now;
	u32 trace;
	f64 ns_per_tick;
	u32 look; /* 0: the records know what is free */
	int is_over;
} walk_t;

/* Looks for what is free, one at a time; the latest one's number, never 0. */
static struct {
	pthread_mutex_t lock;
	u32 number;
} looks = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void
mark_free(pktpool_t *pool, void *const *objs, u32 n)
{
	pktpool_watch_t w = pktpool_watch(pool);

	/* A stranger may have been put, for nobody looked. */
	for (u32 i = 0; (i = pktpool_next_watched(w, objs, i, n)) < n; i++)
		if (PREDICT_TRUE(pktpool_is_object(pool, objs[i])))
			record_set(pktpool_record(objs[i]), free_in, looks.number);
}

/* @return 0, or -ENOTSUP: what is free cannot be found. */
static int
look_for_free(pktpool_t *pool, u32 *look)
{
	int error;

	*look = 0;
	if (pktpool_trace_is_on(pool) & PKTPOOL_STOP_TRACE_PUTS)
		return 0;
	pthread_mutex_lock(&looks.lock);
	looks.number += looks.number == ~0u ? 2 : 1;
	*look = looks.number;
	error = pktpool_foreach_free(pool, mark_free);
	pthread_mutex_unlock(&looks.lock);
	return error;
}

/* Value: whether the buffer is held; then h is how. */
static int
read_record(const pktpool_record_t *r, const walk_t *w, pktpool_holding_t *h)
{
	/* Acquire: the fields, pairs with trace_take_one(). */
	if (record_kind(__atomic_load_n(&r->state, __ATOMIC_ACQUIRE), w->trace) !=
	    PKTPOOL_RECORD_HELD)
		return 0;
	/* In this look or in a later one. */
	if (w->look && (i32)(record_get(r, free_in) - w->look) >= 0 && record_get(r, free_in))
		return 0;
	h->thread_index = record_get(r, taken_by);
	h->node = record_get(r, node);
	h->seen_node = record_get(r, seen_node);
	h->site = record_get(r, taken_at);
	h->age_ns = record_get(r, tsc);
	h->age_ns = w->now > h->age_ns ? (u64)((f64)(w->now - h->age_ns) * w->ns_per_tick) : 0;
	return 1;
}

static void
walk_one(struct rte_mempool *mp, void *arg, void *obj, unsigned i)
{
	walk_t *w = arg;
	pktpool_holding_t h = { .object = obj };

	if (w->is_over || !pktpool_is_watched(pktpool_watch(w->pool), obj))
		return;
	if (read_record(pktpool_record(obj), w, &h))
		w->is_over = w->fn(&h, w->arg) != 0;
}

void
pktpool_trace_foreach(pktpool_t *pool, int (*fn)(const pktpool_holding_t *h, void *arg), void *arg)
{
	walk_t w = { .pool = pool, .fn = fn, .arg = arg };

	w.trace = pktpool_trace_is_on(pool);
	if (!w.trace || look_for_free(pool, &w.look))
		return;
	w.now = rte_rdtsc();
	w.ns_per_tick = 1e9 / (f64)rte_get_tsc_hz();
	rte_mempool_obj_iter(pool->head.mempool, walk_one, &w);
}
