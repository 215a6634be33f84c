/* SPDX-License-Identifier: Apache-2.0 */
/* Who holds what: gets, puts and growth of a traced heap, site by site.
 *
 * The tables have a lock of their own, taken inside the heap's.  It is what makes a heap without a
 * lock safe to look at, and to switch, from the control thread.  Nothing is called out to, mapped
 * or grown while it is held. */
#include <math.h>
#include "trace_impl.h"

static __thread u32 is_thread_off __attribute__((tls_model("initial-exec")));

/* ---- weights and the sampler ---- */

/* What an object counts for that had n_first bytes when it was got, and n_bytes now. */
static void
weigh(uword sample_bytes, uword n_first, uword n_bytes, u64 *n_objects, u64 *n_weighed_bytes)
{
	f64 p;

	if (!sample_bytes) {
		*n_objects = COUNT_ONE;
		*n_weighed_bytes = n_bytes;
		return;
	}
	p = -expm1(-(f64)n_first / (f64)sample_bytes);
	*n_objects = (u64)((f64)COUNT_ONE / p + .5);
	*n_weighed_bytes = (u64)((f64)n_bytes / p + .5);
}

/* splitmix64: Steele, Lea and Flood, 2014. */
static u64
next_random(trace_main_t *tm)
{
	u64 z = atomic_load_explicit(&tm->random, memory_order_relaxed) + 0x9e3779b97f4a7c15ull;

	atomic_store_explicit(&tm->random, z, memory_order_relaxed);
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

/* Bytes to the next hit of the Poisson process: exponential, by inversion. */
static i64
next_gap(trace_main_t *tm, uword sample_bytes)
{
	f64 u = (f64)((next_random(tm) >> 11) + 1) * 0x1p-53; /* (0, 1] */

	return (i64)(-log(u) * (f64)sample_bytes);
}

/* Whether one of the next n_bytes is hit.  The process has no memory, so it starts anew behind an
 * object that was hit. */
static int
sample_is_due(trace_main_t *tm, uword n_bytes)
{
	uword sample_bytes = atomic_load_explicit(&tm->sample_bytes, memory_order_relaxed);
	i64 left;

	if (!sample_bytes)
		return 1;
	left = atomic_load_explicit(&tm->bytes_to_sample, memory_order_relaxed) - (i64)n_bytes;
	if (PREDICT_TRUE(left >= 0)) {
		atomic_store_explicit(&tm->bytes_to_sample, left, memory_order_relaxed);
		return 0;
	}
	atomic_store_explicit(&tm->bytes_to_sample, next_gap(tm, sample_bytes),
			      memory_order_relaxed);
	return 1;
}

void
mheap_trace_start_sampler(trace_main_t *tm, uword sample_bytes, u64 seed)
{
	atomic_store_explicit(&tm->sample_bytes, sample_bytes, memory_order_relaxed);
	atomic_store_explicit(&tm->random, seed, memory_order_relaxed);
	atomic_store_explicit(&tm->bytes_to_sample, sample_bytes ? next_gap(tm, sample_bytes) : 0,
			      memory_order_relaxed);
}

/* ---- sites ---- */

static u64
hash_callers(const uword *callers)
{
	u64 x = 0;

	for (u32 i = 0; i < N_CALLERS && callers[i]; i++) {
		x = (x ^ callers[i]) * 0x9e3779b97f4a7c15ull;
		x ^= x >> 32;
	}
	return x;
}

static u32 *
bucket_of(trace_tables_t *t, u64 hash)
{
	return &t->buckets[hash >> (64 - t->log2_buckets)];
}

/* The site of a stack, made when new; NO_INDEX when none is left. */
static u32
site_find_or_add(trace_tables_t *t, const uword *callers)
{
	u64 hash = hash_callers(callers);
	u32 *bucket = bucket_of(t, hash), i;
	trace_site_t *site;

	for (i = *bucket; i; i = site->next) {
		site = &t->sites[i - 1];
		if (site->hash == hash && !memcmp(site->callers, callers, sizeof(site->callers)))
			return i - 1;
	}
	if (t->free_sites) {
		i = t->free_sites - 1;
		t->free_sites = t->sites[i].next;
	} else if (t->n_sites_ever < t->max_sites) {
		i = t->n_sites_ever++;
	} else {
		return NO_INDEX;
	}
	site = &t->sites[i];
	memset(site, 0, sizeof(*site));
	memcpy(site->callers, callers, sizeof(site->callers));
	site->hash = hash;
	site->sample_uoffset = ~(uword)0;
	site->next = *bucket;
	*bucket = i + 1;
	t->n_sites++;
	return i;
}

/* Its last object went. */
static void
site_recycle(trace_tables_t *t, u32 index)
{
	trace_site_t *site = &t->sites[index];
	u32 *link = bucket_of(t, site->hash);

	while (*link != index + 1)
		link = &t->sites[*link - 1].next;
	*link = site->next;
	site->next = t->free_sites;
	t->free_sites = index + 1;
	t->n_sites--;
}

/* ---- what get, put and extend call ---- */

static void
add_object(trace_tables_t *t, uword sample_bytes, uword uo, uword n_bytes, const uword *callers)
{
	u64 *slot = slot_of(t, uo), n_objects, n_weighed;
	trace_site_t *site;
	u32 i;

	if (!slot)
		return;
	i = site_find_or_add(t, callers);
	if (i == NO_INDEX) {
		t->n_untraced++;
		*slot = 0;
		return;
	}
	site = &t->sites[i];
	weigh(sample_bytes, n_bytes, n_bytes, &n_objects, &n_weighed);
	site->n_samples++;
	site->n_objects += n_objects;
	site->n_bytes += n_weighed;
	/* The oldest that lives is shown: the one that leaks is more likely among them. */
	if (site->sample_uoffset == ~(uword)0)
		site->sample_uoffset = uo;
	*slot = slot_make(SLOT_LIVE, uo, i) | n_bytes / MHEAP_USER_DATA_WORD_BYTES;
}

void
mheap_trace_get(mheap_t *h, void *v, uword uo, const void *frame)
{
	trace_main_t *tm = trace_of(h);
	uword n_bytes = hdr_bytes(elt_words(v, uo)[1]), callers[N_CALLERS];

	if (!tm || is_thread_off || !sample_is_due(tm, n_bytes))
		return;
	trace_walk(frame, callers);
	trace_lock(tm);
	if (tm->tables)
		add_object(tm->tables,
			   atomic_load_explicit(&tm->sample_bytes, memory_order_relaxed), uo,
			   n_bytes, callers);
	trace_unlock(tm);
}

/* Remember the put, for the one that may follow. */
static void
remember_put(trace_tables_t *t, uword uo, u64 *slot, const uword *get_callers, const void *frame)
{
	u32 i = t->next_put++ % TRACE_N_PUTS;
	trace_put_t *put = &t->puts[i];

	put->uoffset = uo;
	memcpy(put->get_callers, get_callers, sizeof(put->get_callers));
	trace_walk(frame, put->put_callers);
	*slot = slot_make(SLOT_PUT, uo, i);
}

static void
remove_object(trace_tables_t *t, uword sample_bytes, uword uo, uword n_bytes, const void *frame)
{
	u64 *slot = slot_of(t, uo), n_objects, n_weighed;
	trace_site_t *site;

	if (!slot || !slot_is(*slot, SLOT_LIVE, uo)) {
		/* Not remembered.  What its place says is of an object before it. */
		if (slot && *slot)
			*slot = 0;
		return;
	}
	site = &t->sites[slot_index(*slot)];
	weigh(sample_bytes, (*slot & SLOT_WORDS_MASK) * MHEAP_USER_DATA_WORD_BYTES, n_bytes,
	      &n_objects, &n_weighed);
	site->n_samples--;
	site->n_objects -= n_objects;
	site->n_bytes -= n_weighed;
	if (site->sample_uoffset == uo)
		site->sample_uoffset = ~(uword)0;
	if (site->n_samples == 0)
		site_recycle(t, slot_index(*slot));
	remember_put(t, uo, slot, site->callers, frame);
}

void
mheap_trace_put(mheap_t *h, void *v, uword uo, const void *frame)
{
	trace_main_t *tm = trace_of(h);

	if (!tm)
		return;
	trace_lock(tm);
	if (tm->tables)
		remove_object(tm->tables,
			      atomic_load_explicit(&tm->sample_bytes, memory_order_relaxed), uo,
			      hdr_bytes(elt_words(v, uo)[1]), frame);
	trace_unlock(tm);
}

void
mheap_trace_resize(mheap_t *h, void *v, uword uo, uword n_bytes_before)
{
	trace_main_t *tm = trace_of(h);
	u64 *slot, n_objects, n_before, n_now;
	uword sample_bytes, n_first;

	if (!tm)
		return;
	trace_lock(tm);
	slot = tm->tables ? slot_of(tm->tables, uo) : NULL;
	if (slot && slot_is(*slot, SLOT_LIVE, uo)) {
		sample_bytes = atomic_load_explicit(&tm->sample_bytes, memory_order_relaxed);
		n_first = (*slot & SLOT_WORDS_MASK) * MHEAP_USER_DATA_WORD_BYTES;
		weigh(sample_bytes, n_first, n_bytes_before, &n_objects, &n_before);
		weigh(sample_bytes, n_first, hdr_bytes(elt_words(v, uo)[1]), &n_objects, &n_now);
		tm->tables->sites[slot_index(*slot)].n_bytes += n_now - n_before;
	}
	trace_unlock(tm);
}

int
mheap_trace_thread_enable(int enable)
{
	int was_on = !is_thread_off;

	is_thread_off = !enable;
	return was_on;
}
