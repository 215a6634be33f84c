/* SPDX-License-Identifier: Apache-2.0 */
/* Looking at the traces.  The tables' lock stops the threads that use the heap, so it is held for
 * a bounded piece at a time. */
#include "trace_impl.h"

#define N_SITES_AT_ONCE 64
#define N_SLOTS_AT_ONCE 4096 /* 32 KiB of slots: 128 KiB of heap */

u32
mheap_trace_n_callers(const uword callers[MHEAP_TRACE_MAX_CALLERS])
{
	u32 n = 0;

	while (n < N_CALLERS && callers[n])
		n++;
	return n;
}

static u64
whole_objects(u64 n_objects)
{
	return (n_objects + COUNT_ONE / 2) >> LOG2_COUNT_ONE;
}

void
mheap_trace_info(const void *v, mheap_trace_info_t *info)
{
	trace_main_t *tm = v ? trace_of(mheap_header(v)) : NULL;
	u64 n_objects = 0;
	u32 n_ever = 1;

	memset(info, 0, sizeof(*info));
	if (!tm)
		return;
	for (u32 i = 0; i < n_ever;) {
		trace_lock(tm);
		n_ever = tm->tables ? tm->tables->n_sites_ever : 0;
		if (tm->tables) {
			info->is_on = 1;
			info->sample_bytes =
				atomic_load_explicit(&tm->sample_bytes, memory_order_relaxed);
			info->n_sites = tm->tables->n_sites;
			info->n_untraced = tm->tables->n_untraced;
		}
		for (u32 end = clib_min(i + N_SITES_AT_ONCE, n_ever); i < end; i++) {
			const trace_site_t *site = &tm->tables->sites[i];

			if (!site->n_samples)
				continue;
			info->n_samples += site->n_samples;
			n_objects += site->n_objects;
			info->n_bytes += site->n_bytes;
		}
		trace_unlock(tm);
	}
	info->n_allocations = whole_objects(n_objects);
}

u32
mheap_trace_read(const void *v, u32 *cursor, mheap_trace_t *traces, u32 n)
{
	trace_main_t *tm = v ? trace_of(mheap_header(v)) : NULL;
	u32 n_copied = 0, n_ever = tm ? *cursor + 1 : 0;

	while (n_copied < n && *cursor < n_ever) {
		trace_lock(tm);
		n_ever = tm->tables ? tm->tables->n_sites_ever : 0;
		for (u32 end = clib_min(*cursor + N_SITES_AT_ONCE, n_ever);
		     *cursor < end && n_copied < n; ++*cursor) {
			const trace_site_t *site = &tm->tables->sites[*cursor];
			mheap_trace_t *to = &traces[n_copied];

			if (!site->n_samples)
				continue;
			memcpy(to->callers, site->callers, sizeof(to->callers));
			to->n_allocations = whole_objects(site->n_objects);
			to->n_bytes = site->n_bytes;
			to->n_samples = site->n_samples;
			to->offset = site->sample_uoffset;
			n_copied++;
		}
		trace_unlock(tm);
	}
	return n_copied;
}

/* Whether a site shows no object although it has one. */
static int
a_sample_is_missing(trace_main_t *tm)
{
	u32 n_ever = 1;
	int is_missing = 0;

	for (u32 i = 0; i < n_ever && !is_missing;) {
		trace_lock(tm);
		n_ever = tm->tables ? tm->tables->n_sites_ever : 0;
		for (u32 end = clib_min(i + N_SITES_AT_ONCE, n_ever); i < end; i++) {
			const trace_site_t *site = &tm->tables->sites[i];

			is_missing |= site->n_samples && site->sample_uoffset == ~(uword)0;
		}
		trace_unlock(tm);
	}
	return is_missing;
}

/* A look at every slot: a megabyte for each four of the heap. */
void
mheap_trace_find_samples(const void *v)
{
	trace_main_t *tm = v ? trace_of(mheap_header(v)) : NULL;
	u64 n_slots = 1;

	if (!tm || !a_sample_is_missing(tm))
		return;
	for (u64 i = 0; i < n_slots;) {
		trace_tables_t *t;

		trace_lock(tm);
		t = tm->tables;
		n_slots = t ? clib_min(t->n_slots, (vector_len(v) >> LOG2_SLOT_SPAN) + 1) : 0;
		for (u64 end = clib_min(i + N_SLOTS_AT_ONCE, n_slots); i < end; i++) {
			trace_site_t *site = &t->sites[slot_index(t->slots[i])];

			if (PREDICT_FALSE(t->slots[i] & SLOT_LIVE) &&
			    site->sample_uoffset == ~(uword)0)
				site->sample_uoffset = slot_uoffset(i, t->slots[i]);
		}
		trace_unlock(tm);
	}
}

int
mheap_trace_blame(const void *v, uword uo, const char *what, const void *frame,
		  mheap_trace_misuse_t *misuse)
{
	trace_main_t *tm = v ? trace_of(mheap_header(v)) : NULL;
	trace_tables_t *t;
	const u64 *slot;

	if (!tm)
		return 0;
	memset(misuse, 0, sizeof(*misuse));
	strncpy(misuse->what, what, sizeof(misuse->what) - 1);
	misuse->offset = uo;
	trace_walk(frame, misuse->put_callers);
	trace_lock(tm);
	t = tm->tables;
	slot = t ? slot_of(t, uo) : NULL;
	if (slot && slot_is(*slot, SLOT_LIVE, uo)) {
		memcpy(misuse->get_callers, t->sites[slot_index(*slot)].callers,
		       sizeof(misuse->get_callers));
	} else if (slot && slot_is(*slot, SLOT_PUT, uo) &&
		   t->puts[slot_index(*slot)].uoffset == uo) {
		const trace_put_t *put = &t->puts[slot_index(*slot)];

		memcpy(misuse->get_callers, put->get_callers, sizeof(misuse->get_callers));
		memcpy(misuse->free_callers, put->put_callers, sizeof(misuse->free_callers));
	}
	if (t)
		tm->misuses[tm->n_misuses++ % N_MISUSES] = *misuse;
	trace_unlock(tm);
	return t != NULL;
}

u32
mheap_trace_misuses(const void *v, mheap_trace_misuse_t *misuses, u32 n)
{
	trace_main_t *tm = v ? trace_of(mheap_header(v)) : NULL;

	if (!tm)
		return 0;
	trace_lock(tm);
	n = clib_min(n, clib_min(tm->n_misuses, (u32)N_MISUSES));
	for (u32 i = 0; i < n; i++)
		misuses[i] = tm->misuses[(tm->n_misuses - 1 - i) % N_MISUSES];
	trace_unlock(tm);
	return n;
}
