/* SPDX-License-Identifier: Apache-2.0 */
/* Two logs into one: everything new is made first, then put in place at once, so that the end of
 * memory leaves both logs as they were. */
#include "elog_impl.h"

#include <math.h>

/* Both logs are of one machine's counter when it and the system's clock agree on how far apart
 * they began. */
#define SAME_CLOCK_NSEC 1e6

typedef struct {
	elog_main_t *dst;
	elog_event_t *events;    /* both, src's renumbered */
	char *string_table;      /* both, dst's first */
	char **track_names;      /* of dst's tracks, with the tag */
	u16 *types;              /* from src's index to dst's */
	uword n_types, n_tracks; /* dst's, before */
} merge_t;

static char *
tagged(const u8 *tag, const char *name)
{
	uword n_tag = tag ? strlen((const char *)tag) + 1 : 0, n_name = strlen(name);
	char *v = vec_new(char, n_tag + n_name + 1);

	if (!v)
		return 0;
	if (n_tag) {
		memcpy(v, tag, n_tag - 1);
		v[n_tag - 1] = ':';
	}
	memcpy(v + n_tag, name, n_name);
	return v;
}

static int
rename_tracks(merge_t *m, const u8 *tag)
{
	for (uword i = 0; i < m->n_tracks; i++) {
		char *name = tagged(tag, m->dst->tracks[i].name);

		if (!name || vec_add1(m->track_names, name)) {
			vec_free(name);
			return -ENOMEM;
		}
	}
	return 0;
}

static int
add_tracks(merge_t *m, const elog_main_t *src, const u8 *tag)
{
	for (uword i = 0; i < vec_len64(src->tracks); i++) {
		char *name = tagged(tag, src->tracks[i].name);
		word index = name ? elog_track_add(m->dst, name) : -ENOMEM;

		if (index < 0) {
			vec_free(name);
			return (int)index;
		}
	}
	return 0;
}

static int
add_types(merge_t *m, const elog_main_t *src)
{
	const elog_event_type_t *t;
	elog_event_type_t copy;

	vec_foreach (t, src->event_types) {
		word index = elog_type_find(m->dst, t);

		if (index < 0) {
			if (elog_type_copy(&copy, t))
				return -ENOMEM;
			index = elog_type_add(m->dst, &copy);
			if (index < 0) {
				elog_type_free(&copy);
				return (int)index;
			}
		}
		if (vec_add1(m->types, (u16)index))
			return -ENOMEM;
	}
	return 0;
}

/* Strings of src now lie behind dst's.  An offset that does not fit its item any more becomes one
 * that there is no string at. */
static void
move_strings(elog_event_t *e, const elog_event_type_t *t, uword n_before)
{
	const char *args = t->format_args;
	uword at = 0, n_bytes;
	elog_arg_t arg;

	for (;; at += n_bytes) {
		args = elog_next_arg(args, &arg);
		n_bytes = elog_arg_bytes(arg, e->data + at, sizeof(e->data) - at);
		if (!arg.kind || !n_bytes || n_bytes > sizeof(e->data) - at)
			return;
		if (arg.kind == 'T') {
			u64 most = n_bytes == 8 ? ~0ull : (1ull << 8 * n_bytes) - 1;
			u64 offset = elog_load_integer(e->data + at, n_bytes);

			offset = offset > most - n_before ? most : offset + n_before;
			memcpy(e->data + at, &offset, n_bytes);
		}
	}
}

/* How many seconds later than dst src began. */
static f64
seconds_apart(const elog_main_t *dst, const elog_main_t *src)
{
	f64 nsec_per_clock = (elog_nsec_per_clock(dst) + elog_nsec_per_clock(src)) / 2;
	f64 by_clocks = (f64)(i64)(src->init_time.cpu - dst->init_time.cpu) * nsec_per_clock;
	f64 by_system = (f64)(i64)(src->init_time.os_nsec - dst->init_time.os_nsec);

	return (fabs(by_clocks - by_system) < SAME_CLOCK_NSEC ? by_clocks : by_system) * 1e-9;
}

static int
compare_times(const void *a, const void *b)
{
	const elog_event_t *e1 = a, *e2 = b;

	return (e1->time > e2->time) - (e1->time < e2->time);
}

static int
merge_events(merge_t *m, elog_main_t *src, f64 dt, f64 align_tweak)
{
	elog_event_t *from_dst = elog_get_events(m->dst), *from_src = elog_get_events(src);
	uword n_strings = vec_len64(m->dst->string_table), n_dst = vec_len64(from_dst);

	/* A log that has events but could not collect them. */
	if ((!from_dst && elog_n_events_in_buffer(m->dst)) ||
	    (!from_src && elog_n_events_in_buffer(src)))
		return -ENOMEM;
	if (vec_append(m->events, from_dst) || vec_append(m->events, from_src))
		return -ENOMEM;
	for (uword i = 0; i < vec_len64(m->events); i++) {
		elog_event_t *e = &m->events[i];
		int is_src = i >= n_dst;

		if (is_src == (dt > 0))
			e->time += fabs(dt) + align_tweak;
		if (!is_src)
			continue;
		if (e->type < vec_len64(src->event_types)) {
			move_strings(e, &src->event_types[e->type], n_strings);
			e->type = m->types[e->type];
		}
		e->track = (u16)(e->track + m->n_tracks);
	}
	if (vec_len64(m->events))
		qsort(m->events, vec_len64(m->events), sizeof(m->events[0]), compare_times);
	return 0;
}

/* Nothing of dst's that is seen from outside has changed before this succeeds. */
static int
make(merge_t *m, elog_main_t *src, u8 *dst_tag, u8 *src_tag, f64 align_tweak)
{
	f64 dt = seconds_apart(m->dst, src);
	elog_time_stamp_t began = m->dst->init_time;
	int rv = rename_tracks(m, dst_tag);

	if (!rv)
		rv = add_tracks(m, src, src_tag);
	if (!rv)
		rv = add_types(m, src);
	if (!rv && (vec_append(m->string_table, m->dst->string_table) ||
		    vec_append(m->string_table, src->string_table)))
		rv = -ENOMEM;
	if (!rv)
		rv = merge_events(m, src, dt, align_tweak);
	if (rv)
		return rv;
	/* Time begins with the earlier log. */
	if (dt < 0) {
		m->dst->init_time.cpu -= (u64)(-dt / m->dst->cpu_timer.seconds_per_clock);
		m->dst->init_time.os_nsec -= (u64)(-dt * 1e9);
	}
	/* The ring is the last that may fail, and is in place when it did not. */
	rv = elog_install_events(m->dst, m->events);
	if (rv)
		m->dst->init_time = began;
	return rv;
}

static void
take_back(merge_t *m)
{
	for (uword i = m->n_types; i < vec_len64(m->dst->event_types); i++)
		elog_type_free(&m->dst->event_types[i]);
	if (m->dst->event_types)
		vec_set_len(m->dst->event_types, m->n_types);
	for (uword i = m->n_tracks; i < vec_len64(m->dst->tracks); i++)
		vec_free(m->dst->tracks[i].name);
	if (m->dst->tracks)
		vec_set_len(m->dst->tracks, m->n_tracks);
	vec_free(m->events);
	vec_free(m->string_table);
}

static void
take_over(merge_t *m)
{
	for (uword i = 0; i < m->n_tracks; i++) {
		char *old = m->dst->tracks[i].name;

		m->dst->tracks[i].name = m->track_names[i];
		m->track_names[i] = old;
	}
	vec_free(m->dst->events);
	m->dst->events = m->events;
	vec_free(m->dst->string_table);
	m->dst->string_table = m->string_table;
}

int
_elog_merge(elog_main_t *dst, u8 *dst_tag, elog_main_t *src, u8 *src_tag, f64 align_tweak)
{
	merge_t m = { .dst = dst,
		      .n_types = vec_len64(dst->event_types),
		      .n_tracks = vec_len64(dst->tracks) };
	int rv;

	if (dst == src)
		return -EINVAL;
	rv = make(&m, src, dst_tag, src_tag, align_tweak);
	if (rv)
		take_back(&m);
	else
		take_over(&m);
	for (uword i = 0; i < vec_len64(m.track_names); i++)
		vec_free(m.track_names[i]);
	vec_free(m.track_names);
	vec_free(m.types);
	return rv;
}
