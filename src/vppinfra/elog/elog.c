/* SPDX-License-Identifier: Apache-2.0 */
/* Logging, registration and the ring.
 *
 * A type remembers the last main that registered it.  A program with several mains that log the
 * same type therefore takes the slow path at each change between them: there the type is found
 * again by its texts. */
#include "elog_impl.h"

#include <sched.h>
#include <time.h>

__thread elog_event_t elog_placeholder_event __attribute__((tls_model("initial-exec")));

/* Locks of any main that this thread holds. */
static __thread u32 n_locks_held;

int
elog_lock(elog_main_t *em)
{
	u32 n_turns = 0;

	if (n_locks_held)
		return -EBUSY;
	/* Acquire: pairs with the release in unlock. */
	while (__atomic_exchange_n(&em->lock, 1, __ATOMIC_ACQUIRE)) {
		if (++n_turns % 256)
			CLIB_PAUSE();
		else
			sched_yield();
	}
	n_locks_held++;
	return 0;
}

void
elog_unlock(elog_main_t *em)
{
	n_locks_held--;
	/* Release: what was registered is seen by the next holder. */
	__atomic_store_n(&em->lock, 0, __ATOMIC_RELEASE);
}

char *
elog_copy_string(const char *s, uword n_bytes)
{
	char *v = vec_new(char, n_bytes + 1);

	if (v && n_bytes)
		memcpy(v, s, n_bytes);
	return v;
}

/* ---- items of format_args ---- */

const char *
elog_next_arg(const char *args, elog_arg_t *arg)
{
	arg->kind = *args;
	arg->n_bytes = 4;
	switch (*args++) {
	case '0':
	case '1':
	case '2':
	case '3':
		arg->kind = 'i';
		arg->n_bytes = (u8)(1 << (args[-1] - '0'));
		return args;
	case 'i':
	case 't':
	case 'T':
	case 'e':
		break;
	case 'f':
		arg->n_bytes = 8;
		break;
	case 's':
		arg->n_bytes = 0;
		/* The only size of two digits. */
		if (*args >= '0' && *args <= '9')
			arg->n_bytes = (u8)(*args++ - '0');
		if (arg->n_bytes && *args >= '0' && *args <= '9')
			arg->n_bytes = (u8)(10 * arg->n_bytes + (*args++ - '0'));
		return args;
	default:
		arg->kind = 0;
		return args - 1;
	}
	if (arg->kind == 'e')
		arg->kind = 'f';
	if (*args == '4' || *args == '8' || (arg->kind != 'f' && (*args == '1' || *args == '2')))
		arg->n_bytes = (u8)(*args++ - '0');
	return args;
}

uword
elog_arg_bytes(elog_arg_t arg, const u8 *data, uword n_left)
{
	if (arg.n_bytes || arg.kind != 's')
		return arg.n_bytes;
	return clib_min(strnlen((const char *)data, n_left) + 1, n_left);
}

u64
elog_load_integer(const u8 *data, uword n_bytes)
{
	u16 x2;
	u32 x4;
	u64 x8;

	switch (n_bytes) {
	case 1:
		return data[0];
	case 2:
		memcpy(&x2, data, 2);
		return x2;
	case 4:
		memcpy(&x4, data, 4);
		return x4;
	default:
		memcpy(&x8, data, 8);
		return x8;
	}
}

/* What a format takes when format_args does not say: two letters a conversion.  Value: bytes
 * written (when to is not NULL) or needed. */
static uword
default_args(const char *format, char *to)
{
	uword n = 0;

	while ((format = strchr(format, '%'))) {
		const char *arg = "i4";

		format++;
		format += strspn(format, "-+=0123456789.*");
		if (*format == '%') {
			format++;
			continue;
		}
		if (*format && strchr("lLw", *format))
			arg = "i8";
		format += strspn(format, "lLw");
		if (!*format)
			break;
		if (strchr("feg", *format))
			arg = "f8";
		else if (*format == 's')
			arg = "s0";
		if (to)
			memcpy(to + n, arg, 2);
		n += 2;
	}
	return n;
}

/* ---- types ---- */

static void
free_strings(char **v)
{
	char **s;

	vec_foreach (s, v)
		vec_free(*s);
	vec_free(v);
}

void
elog_type_free(elog_event_type_t *t)
{
	free_strings(t->enum_strings_vector);
	vec_free(t->format);
	vec_free(t->format_args);
	vec_free(t->function);
	vec_free(t->file);
	memset(t, 0, sizeof(*t));
}

/* `function format', or the format alone. */
static char *
make_format(const elog_event_type_t *t)
{
	uword n_function = t->function ? strlen(t->function) + 1 : 0;
	uword n_format = strlen(t->format);
	char *v = vec_new(char, n_function + n_format + 1);

	if (!v)
		return 0;
	if (n_function) {
		memcpy(v, t->function, n_function - 1);
		v[n_function - 1] = ' ';
	}
	memcpy(v + n_function, t->format, n_format);
	return v;
}

static char *
make_format_args(const elog_event_type_t *t)
{
	char *v;

	if (t->format_args)
		return elog_copy_string(t->format_args, strlen(t->format_args));
	v = vec_new(char, default_args(t->format, NULL) + 1);
	if (v)
		default_args(t->format, v);
	return v;
}

/* Strings that are missing print as such.  Value: 0 or -ENOMEM. */
static int
copy_enum_strings(elog_event_type_t *to, char *const *strings, u32 n)
{
	for (u32 i = 0; i < n; i++) {
		const char *s = strings[i] ? strings[i] : "MISSING";
		char *copy = elog_copy_string(s, strlen(s));

		if (!copy || vec_add1(to->enum_strings_vector, copy)) {
			vec_free(copy);
			return -ENOMEM;
		}
	}
	to->n_enum_strings = n;
	return 0;
}

/* The rest of a copy; on failure what there is goes. */
static int
finish_copy(elog_event_type_t *to, const elog_event_type_t *from, char *const *strings)
{
	to->line = from->line;
	if (from->function)
		to->function = elog_copy_string(from->function, strlen(from->function));
	if (from->file)
		to->file = elog_copy_string(from->file, strlen(from->file));
	if (to->format && to->format_args && !to->function == !from->function &&
	    !to->file == !from->file && !copy_enum_strings(to, strings, from->n_enum_strings))
		return 0;
	elog_type_free(to);
	return -ENOMEM;
}

/* From the static of a program: an owned copy with its texts made. */
static int
make_type(elog_event_type_t *to, elog_event_type_t *from)
{
	memset(to, 0, sizeof(*to));
	to->format = make_format(from);
	to->format_args = make_format_args(from);
	return finish_copy(to, from, from->enum_strings);
}

int
elog_type_copy(elog_event_type_t *to, const elog_event_type_t *from)
{
	memset(to, 0, sizeof(*to));
	to->format = elog_copy_string(from->format, strlen(from->format));
	to->format_args = elog_copy_string(from->format_args, strlen(from->format_args));
	return finish_copy(to, from, from->enum_strings_vector);
}

static int
are_same_texts(const elog_event_type_t *a, const elog_event_type_t *b)
{
	if (strcmp(a->format, b->format) || strcmp(a->format_args, b->format_args) ||
	    a->n_enum_strings != b->n_enum_strings)
		return 0;
	for (u32 i = 0; i < a->n_enum_strings; i++) {
		if (strcmp(a->enum_strings_vector[i], b->enum_strings_vector[i]))
			return 0;
	}
	return 1;
}

word
elog_type_find(elog_main_t *em, const elog_event_type_t *t)
{
	for (uword i = 0; i < vec_len64(em->event_types); i++) {
		if (are_same_texts(&em->event_types[i], t))
			return (word)i;
	}
	return -ENOENT;
}

word
elog_type_add(elog_main_t *em, const elog_event_type_t *t)
{
	uword i = vec_len64(em->event_types);
	elog_event_type_t *to;

	if (i >= ELOG_MAX_INDEXES)
		return -ENOSPC;
	if (vec_add2(em->event_types, to, 1))
		return -ENOMEM;
	memcpy(to, t, sizeof(*to));
	to->registration.at.index_plus_one = (u32)i + 1;
	to->registration.at.main_id = em->id;
	return (word)i;
}

/* Tell r where it is known, both words at once. */
static void
publish(_elog_registration_t *r, elog_main_t *em, word index)
{
	_elog_registration_t now = { .at = { (u32)index + 1, em->id } };

	/* Release: partner of the acquire in _elog_index(). */
	__atomic_store_n(&r->word, now.word, __ATOMIC_RELEASE);
}

/* Index + 1 in em, 0 where it is not known; *is_fresh: known nowhere. */
static word
registered_index(elog_main_t *em, const _elog_registration_t *r, int *is_fresh)
{
	*is_fresh = __atomic_load_n(&r->word, __ATOMIC_ACQUIRE) == 0;
	return (word)_elog_index(em, r) - 1;
}

word
elog_event_type_register(elog_main_t *em, elog_event_type_t *t)
{
	elog_event_type_t fresh;
	int is_fresh, is_kept = 0;
	word index = registered_index(em, &t->registration, &is_fresh);

	if (index >= 0)
		return index;
	if (!t->format || !em->id)
		return -EINVAL;
	if (make_type(&fresh, t))
		return -ENOMEM;
	index = elog_lock(em);
	if (!index) {
		/* Another thread may have been first. */
		index = registered_index(em, &t->registration, &is_fresh);
		if (index < 0 && !is_fresh)
			index = elog_type_find(em, &fresh);
		if (index < 0) {
			index = elog_type_add(em, &fresh);
			is_kept = index >= 0;
		}
		if (index >= 0)
			publish(&t->registration, em, index);
		elog_unlock(em);
	}
	if (!is_kept)
		elog_type_free(&fresh);
	return index;
}

/* ---- tracks ---- */

word
elog_track_add(elog_main_t *em, char *name)
{
	uword i = vec_len64(em->tracks);
	elog_track_t *t;

	if (i >= ELOG_MAX_INDEXES)
		return -ENOSPC;
	if (vec_add2(em->tracks, t, 1))
		return -ENOMEM;
	t->name = name;
	t->registration.at.index_plus_one = (u32)i + 1;
	t->registration.at.main_id = em->id;
	return (word)i;
}

static word
find_track(elog_main_t *em, const char *name)
{
	for (uword i = 0; i < vec_len64(em->tracks); i++) {
		if (!strcmp(em->tracks[i].name, name))
			return (word)i;
	}
	return -ENOENT;
}

word
elog_track_register(elog_main_t *em, elog_track_t *t)
{
	int is_fresh, is_kept = 0;
	word index = registered_index(em, &t->registration, &is_fresh);
	char *name;

	if (index >= 0)
		return index;
	if (!t->name || !em->id)
		return -EINVAL;
	name = elog_copy_string(t->name, strlen(t->name));
	if (!name)
		return -ENOMEM;
	index = elog_lock(em);
	if (!index) {
		index = registered_index(em, &t->registration, &is_fresh);
		if (index < 0 && !is_fresh)
			index = find_track(em, name);
		if (index < 0) {
			index = elog_track_add(em, name);
			is_kept = index >= 0;
		}
		if (index >= 0)
			publish(&t->registration, em, index);
		elog_unlock(em);
	}
	if (!is_kept)
		vec_free(name);
	return index;
}

/* ---- log ---- */

void *
elog_event_data(elog_main_t *em, elog_event_type_t *type, elog_track_t *track, u64 cpu_time)
{
	word type_index, track_index;
	elog_event_t *e;

	if (!elog_is_enabled(em))
		return elog_placeholder_event.data;
	type_index = elog_event_type_register(em, type);
	track_index = elog_track_register(em, track);
	if (type_index < 0 || track_index < 0) {
		__atomic_fetch_add(&em->n_dropped_events, 1, __ATOMIC_RELAXED);
		return elog_placeholder_event.data;
	}
	e = em->event_ring + (__atomic_fetch_add(&em->n_total_events, 1, __ATOMIC_RELAXED) &
			      (em->event_ring_size - 1));
	e->time_cycles = cpu_time;
	e->type = (u16)type_index;
	e->track = (u16)track_index;
	return e->data;
}

void *
elog_data(elog_main_t *em, elog_event_type_t *type, elog_track_t *track)
{
	return elog_data_inline(em, type, track);
}

void
elog(elog_main_t *em, elog_event_type_t *type, u32 data)
{
	elog_inline(em, type, data);
}

u32
elog_string(elog_main_t *em, char *fmt, ...)
{
	u32 offset = ~0u;
	u8 *s = 0;
	va_list va;

	va_start(va, fmt);
	s = va_format(s, fmt, &va);
	va_end(va);
	/* An empty text is a string too. */
	if ((!vec_len64(s) || *(vec_end(s) - 1)) && vec_add1(s, 0)) {
		vec_free(s);
		return ~0u;
	}
	if (!elog_lock(em)) {
		uword n = vec_len64(em->string_table);

		if (n + vec_len64(s) < ~0u && !vec_append(em->string_table, (char *)s))
			offset = (u32)n;
		elog_unlock(em);
	}
	vec_free(s);
	return offset;
}

/* ---- the ring ---- */

/* The slots in use: [*first, *first + value), modulo the ring's size. */
static uword
ring_range(elog_main_t *em, u64 *first)
{
	u64 n_total = __atomic_load_n(&em->n_total_events, __ATOMIC_RELAXED);
	uword n = clib_min(n_total, (u64)em->event_ring_size);

	*first = n_total - n;
	return n;
}

int
elog_alloc_internal(elog_main_t *em, u32 n_events, int free_ring)
{
	uword size = n_events ? max_pow2(n_events) : 0, n = 0, mask = em->event_ring_size - 1;
	u64 first, n_to_go = em->n_total_events_disable_limit;
	int is_first = !em->event_ring_size;
	elog_event_t *ring = 0;

	if (size) {
		ring = vec_new_aligned(elog_event_t, size, CLIB_CACHE_LINE_BYTES);
		if (!ring)
			return -ENOMEM;
	}
	/* How many events were still to come; ~0 is no limit. */
	if (n_to_go != ~0ull)
		n_to_go -= clib_min(n_to_go, em->n_total_events);
	if (!free_ring) {
		uword n_old = ring_range(em, &first);

		n = clib_min(n_old, size);
		for (uword i = 0; i < n; i++)
			ring[i] = em->event_ring[(first + n_old - n + i) & mask];
	}
	vec_free(em->event_ring);
	em->event_ring = ring;
	em->event_ring_size = size;
	em->n_total_events = n;
	if (is_first)
		n_to_go = ~0ull;
	_elog_set_limit(em, n_to_go > ~0ull - n ? ~0ull : n + n_to_go);
	return 0;
}

int
elog_alloc(elog_main_t *em, u32 n_events)
{
	return elog_alloc_internal(em, n_events, 1);
}

int
elog_resize(elog_main_t *em, u32 n_events)
{
	return elog_alloc_internal(em, n_events, 0);
}

void
elog_time_now(elog_time_stamp_t *et)
{
	et->cpu = clib_cpu_time_now();
	et->os_nsec = unix_time_now_nsec();
}

int
elog_init(elog_main_t *em, u32 n_events)
{
	static u32 last_id;
	int rv;

	memset(em, 0, sizeof(*em));
	do
		em->id = __atomic_add_fetch(&last_id, 1, __ATOMIC_RELAXED);
	while (!em->id);
	clib_time_init(&em->cpu_timer);
	em->nsec_per_cpu_clock = em->cpu_timer.seconds_per_clock * 1e9;
	em->default_track.name = (char *)"default";
	elog_time_now(&em->init_time);
	/* Without memory for it the first event tries again. */
	elog_track_register(em, &em->default_track);
	rv = n_events ? elog_alloc(em, n_events) : 0;
	return rv;
}

void
elog_free(elog_main_t *em)
{
	elog_event_type_t *t;
	elog_track_t *track;

	vec_foreach (t, em->event_types)
		elog_type_free(t);
	vec_free(em->event_types);
	vec_foreach (track, em->tracks)
		vec_free(track->name);
	vec_free(em->tracks);
	vec_free(em->string_table);
	vec_free(em->event_ring);
	vec_free(em->events);
	memset(em, 0, sizeof(*em));
}

elog_event_t *
elog_peek_events(elog_main_t *em)
{
	u64 first;
	uword n = ring_range(em, &first);
	elog_event_t *events = n ? vec_new(elog_event_t, n) : 0;

	for (uword i = 0; i < vec_len64(events); i++) {
		elog_event_t *e = &events[i];

		*e = em->event_ring[(first + i) & (em->event_ring_size - 1)];
		/* Another core's counter may be a hair behind: before the start, then. */
		e->time = (f64)(i64)(e->time_cycles - em->init_time.cpu) *
			  em->cpu_timer.seconds_per_clock;
	}
	return events;
}

elog_event_t *
elog_get_events(elog_main_t *em)
{
	if (!em->events)
		em->events = elog_peek_events(em);
	return em->events;
}

int
elog_install_events(elog_main_t *em, const elog_event_t *events)
{
	uword n = vec_len64(events);
	elog_event_t *ring = 0;

	if (n) {
		ring = vec_new_aligned(elog_event_t, max_pow2(n), CLIB_CACHE_LINE_BYTES);
		if (!ring)
			return -ENOMEM;
	}
	for (uword i = 0; i < n; i++) {
		ring[i] = events[i];
		ring[i].time_cycles = em->init_time.cpu +
				      (u64)(i64)(events[i].time / em->cpu_timer.seconds_per_clock);
	}
	vec_free(em->event_ring);
	em->event_ring = ring;
	em->event_ring_size = vec_len64(ring);
	em->n_total_events = n;
	em->n_total_events_disable_limit = 0;
	return 0;
}

f64
elog_nsec_per_clock(const elog_main_t *em)
{
	f64 by_timer = em->cpu_timer.seconds_per_clock * 1e9, measured;

	if (em->serialize_time.cpu <= em->init_time.cpu)
		return by_timer;
	measured = (f64)(i64)(em->serialize_time.os_nsec - em->init_time.os_nsec) /
		   (f64)(em->serialize_time.cpu - em->init_time.cpu);
	/* The system's clock was set meanwhile, or the time was too short to tell. */
	if (measured < by_timer * (1 - 1e-3) || measured > by_timer * (1 + 1e-3))
		return by_timer;
	return measured;
}
