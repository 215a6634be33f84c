/* SPDX-License-Identifier: Apache-2.0 */
/* elog: an event log: what happened, when, on which track, in 32 bytes an event.
 *
 *   ELOG_TYPE_DECLARE (e) = { .format = "port %d: %s", .format_args = "i2t1",
 *                             .n_enum_strings = 2, .enum_strings = { "down", "up" } };
 *   struct { u16 port; u8 is_up; } __clib_packed *d = ELOG_DATA (em, e);
 *   d->port = 7;
 *   d->is_up = 1;
 *
 * The caller writes at most 20 bytes; text is made of them only when somebody looks.  Events go
 * round in a ring, the newest over the oldest:
 *
 *   event_ring:  | time | type | track | data[20] | ...    event n in slot n % event_ring_size
 *
 * A type is a static of the caller's, registered by its first event: em then holds a copy with
 * texts of its own, so a log outlives the code that wrote it, in a file too (elog_write_file()).
 * format_args says what the bytes of data are, one item a conversion of the format:
 *
 *   i1 i2 i4 i8   integer of so many bytes         0 1 2 3  the same, by the logarithm
 *   t1 .. t8      index into the type's enum strings
 *   T1 .. T8      offset of a string from elog_string()
 *   f4 f8         floating point; f alone is f8, e alone f4
 *   s0 s          C string up to its NUL           sN       C string in N bytes
 *
 * Without format_args they follow from the conversions: i4, with l or w i8; f8; s0.
 *
 * Threads: any number may log at a time, without a lock: a slot is taken by one atomic addition.
 * (First events of a type or track take a lock.)  A log that is off costs a test.  Whoever looks
 * while others log may find the newest events half written.  init, alloc, resize, merge and free
 * while nobody logs.
 *
 * Exhaustion: an event whose type or track cannot be registered is dropped and counted; all calls
 * leave the log as it was. */
#ifndef included_vppinfra_elog_h
#define included_vppinfra_elog_h

#include <vppinfra/cache.h>
#include <vppinfra/clib.h>
#include <vppinfra/error.h>
#include <vppinfra/format.h>
#include <vppinfra/time.h>
#include <vppinfra/vec.h>

/** An event.  In the ring its time is the cycle counter; what elog_get_events() and
 *  elog_peek_events() give has seconds since elog_init(). */
typedef struct {
	union {
		u64 time_cycles;
		f64 time;
	};
	/** Index into event_types. */
	union {
		u16 type;
		u16 event_type;
	};
	/** Index into tracks. */
	u16 track;
	u8 data[20];
} elog_event_t;

STATIC_ASSERT_SIZEOF(elog_event_t, 32);

/* Where a type or track is known: its index in the main of that id.  Both change at once, as
 * `word`. */
typedef union {
	struct {
		u32 index_plus_one, main_id;
	} at;
	u64 word;
} _elog_registration_t;

typedef struct {
	/** Index + 1 in the main that saw it last, 0 before any, and that main's id. */
	union {
		u32 type_index_plus_one;
		_elog_registration_t registration;
	};
	/** In em: a vector of copies of enum_strings. */
	char **enum_strings_vector;
	/** For format(); %s takes s, t and T items.  In em: after function and a blank. */
	char *format;
	char *format_args;
	/** Where it is logged; may be 0. */
	char *function, *file;
	u32 line;

	u32 n_enum_strings;
	/** The words that t items choose from. */
	char *enum_strings[];
} elog_event_type_t;

/** A column of the log: a thread, a port. */
typedef struct {
	char *name;
	union {
		u32 track_index_plus_one;
		_elog_registration_t registration;
	};
} elog_track_t;

/** One moment by the cycle counter and by the system's clock since 1970. */
typedef struct {
	u64 cpu, os_nsec;
} elog_time_stamp_t;

typedef struct {
	/** Events logged since the last reset; atomic. */
	u64 n_total_events;
	/** Events are logged while n_total_events is below this. */
	u64 n_total_events_disable_limit;

	/** Power of two; 0 without a ring. */
	uword event_ring_size;
	/** Vector of event_ring_size events. */
	elog_event_t *event_ring;

	/** Unique in the process, given by elog_init(); 0 before. */
	u32 id;
	/** Held while a type, track or string is added or looked up; a spinlock. */
	u32 lock;

	/** Vectors. */
	elog_event_type_t *event_types;
	elog_track_t *tracks;
	/** C strings, one after the other. */
	char *string_table;

	/** Track of ELOG_DATA(): index 0, "default". */
	elog_track_t default_track;

	clib_time_t cpu_timer;
	/** At elog_init(), and when the log was last written to a file. */
	elog_time_stamp_t init_time, serialize_time;
	/** Measured over the time between these two, in the process that logged. */
	f64 nsec_per_cpu_clock;

	/** What elog_get_events() last collected: a vector in seconds. */
	elog_event_t *events;

	/** Events dropped as there was no memory for their type or track; atomic. */
	u64 n_dropped_events;
} elog_main_t;

/* Where events of a log that is off are written to; a thread's own, so that they never meet. */
CLIB_EXPORT_EXTERN __thread elog_event_t elog_placeholder_event
	__attribute__((tls_model("initial-exec")));

/* ---- make and free ---- */

/**
 * An empty log for n_events events, rounded up to a power of two, that is on; 0: no ring yet, off.
 * What em held before is not freed.
 * @return 0; -ENOMEM: em is valid, without a ring and off
 */
CLIB_EXPORT int elog_init(elog_main_t *em, u32 n_events);

/** Another ring, empty.  A log that had none is on from now, others as they were.
 *  @return 0; -ENOMEM with em as it was */
CLIB_EXPORT int elog_alloc(elog_main_t *em, u32 n_events);
/** The same; free_ring 0: keeps the newest events that fit. */
CLIB_EXPORT int elog_alloc_internal(elog_main_t *em, u32 n_events, int free_ring);
CLIB_EXPORT int elog_resize(elog_main_t *em, u32 n_events);

/** Give all memory back; em is as before elog_init(). */
CLIB_EXPORT void elog_free(elog_main_t *em);

/* ---- on and off ---- */

/** Events that the ring holds now. */
always_inline uword
elog_n_events_in_buffer(elog_main_t *em)
{
	u64 n = __atomic_load_n(&em->n_total_events, __ATOMIC_RELAXED);

	return clib_min(n, (u64)em->event_ring_size);
}

/** Events that it can hold. */
always_inline uword
elog_buffer_capacity(elog_main_t *em)
{
	return em->event_ring_size;
}

always_inline void
_elog_set_limit(elog_main_t *em, u64 limit)
{
	if (!em->event_ring_size)
		limit = 0;
	__atomic_store_n(&em->n_total_events_disable_limit, limit, __ATOMIC_RELAXED);
}

/** Forget the events in the ring, and go on. */
always_inline void
elog_reset_buffer(elog_main_t *em)
{
	__atomic_store_n(&em->n_total_events, 0, __ATOMIC_RELAXED);
	_elog_set_limit(em, ~0ull);
}

/** Forget the events in the ring, and go on or stop. */
always_inline void
elog_enable_disable(elog_main_t *em, int is_enabled)
{
	__atomic_store_n(&em->n_total_events, 0, __ATOMIC_RELAXED);
	_elog_set_limit(em, is_enabled ? ~0ull : 0);
}

/** Stop when n_total_events reaches n (threads that are about to log still do). */
always_inline void
elog_disable_after_events(elog_main_t *em, uword n)
{
	_elog_set_limit(em, n);
}

/** Stop half a ring from now: what came before and comes after this moment stays. */
always_inline void
elog_disable_trigger(elog_main_t *em)
{
	_elog_set_limit(em, __atomic_load_n(&em->n_total_events, __ATOMIC_RELAXED) +
				    em->event_ring_size / 2);
}

/** Whether events are kept. */
always_inline uword
elog_is_enabled(elog_main_t *em)
{
	return __atomic_load_n(&em->n_total_events, __ATOMIC_RELAXED) <
	       __atomic_load_n(&em->n_total_events_disable_limit, __ATOMIC_RELAXED);
}

/* ---- log ---- */

/** Make a type or track known to em; done by its first event otherwise.  Again is no harm.
 *  @return its index; -ENOMEM; -ENOSPC: 65536 are known; -EINVAL: no format or no name */
CLIB_EXPORT word elog_event_type_register(elog_main_t *em, elog_event_type_t *t);
CLIB_EXPORT word elog_track_register(elog_main_t *em, elog_track_t *t);

/**
 * Take a slot for an event.  @return its 20 bytes of data, for the caller to fill in, contents
 * undefined; 4-byte aligned
 *
 * Threads: any.  Cost: some 30 instructions, an atomic addition among them; off: 6.
 */
CLIB_EXPORT void *elog_event_data(elog_main_t *em, elog_event_type_t *type, elog_track_t *track,
				  u64 cpu_time);

always_inline u32
_elog_index(elog_main_t *em, const _elog_registration_t *r)
{
	_elog_registration_t now;

	/* Acquire: the type that em holds is whole; partner: the release of the registrar. */
	now.word = __atomic_load_n(&r->word, __ATOMIC_ACQUIRE);
	return PREDICT_TRUE(now.at.main_id == em->id) ? now.at.index_plus_one : 0;
}

/** Place for the data of a new event of that time; what is written there is the event's. */
always_inline void *
elog_event_data_inline(elog_main_t *em, elog_event_type_t *type, elog_track_t *track, u64 cpu_time)
{
	u32 type_plus_one, track_plus_one;
	elog_event_t *e;

	if (PREDICT_FALSE(!elog_is_enabled(em)))
		return elog_placeholder_event.data;
	type_plus_one = _elog_index(em, &type->registration);
	track_plus_one = _elog_index(em, &track->registration);
	if (PREDICT_FALSE(!type_plus_one || !track_plus_one))
		return elog_event_data(em, type, track, cpu_time);
	e = em->event_ring + (__atomic_fetch_add(&em->n_total_events, 1, __ATOMIC_RELAXED) &
			      (em->event_ring_size - 1));
	e->time_cycles = cpu_time;
	e->type = (u16)(type_plus_one - 1);
	e->track = (u16)(track_plus_one - 1);
	return e->data;
}

/** An event of this moment. */
CLIB_EXPORT void *elog_data(elog_main_t *em, elog_event_type_t *type, elog_track_t *track);

/** The same, now. */
always_inline void *
elog_data_inline(elog_main_t *em, elog_event_type_t *type, elog_track_t *track)
{
	return elog_event_data_inline(em, type, track, clib_cpu_time_now());
}

/** An event of four bytes on the default track. */
CLIB_EXPORT void elog(elog_main_t *em, elog_event_type_t *type, u32 data);

/** An event of one number. */
always_inline void
elog_inline(elog_main_t *em, elog_event_type_t *type, u32 data)
{
	*(u32 *)elog_data_inline(em, type, &em->default_track) = data;
}

/** Put a string, made as by format(), into the string table.
 *  @return its offset, for T items; ~0 when there is no memory, which prints as (no string) */
CLIB_EXPORT u32 elog_string(elog_main_t *em, char *fmt, ...);

/* Types and tracks as statics of the place that logs. */
#define __ELOG_TYPE_VAR(f) f
#define __ELOG_TRACK_VAR(f) f

/** ELOG_TYPE_DECLARE (e) = { .format = ..., ... }; */
#define ELOG_TYPE_DECLARE(f) static elog_event_type_t __ELOG_TYPE_VAR(f)

/** Types from a format, registered when first used. */
#define ELOG_TYPE_INIT_FORMAT_AND_FUNCTION(fmt, func)                                              \
	.format = (char *)(fmt), .function = (char *)(func)
#define ELOG_TYPE_INIT(fmt) ELOG_TYPE_INIT_FORMAT_AND_FUNCTION(fmt, __func__)
#define ELOG_TYPE_DECLARE_HELPER(f, fmt, func)                                                     \
	static elog_event_type_t __ELOG_TYPE_VAR(                                                  \
		f) = { ELOG_TYPE_INIT_FORMAT_AND_FUNCTION(fmt, func) }
#define ELOG_TYPE_DECLARE_FORMAT_AND_FUNCTION(f, fmt) ELOG_TYPE_DECLARE_HELPER(f, fmt, __func__)
#define ELOG_TYPE_DECLARE_FORMAT(f, fmt) ELOG_TYPE_DECLARE_HELPER(f, fmt, 0)

/** With a format and the function's name before it.  The others: the type's own name and a number,
 *  D decimal, X hex, with F the function's name before. */
#define ELOG_TYPE(f, fmt) ELOG_TYPE_DECLARE_FORMAT_AND_FUNCTION(f, fmt)
#define ELOG_TYPE_D(f) ELOG_TYPE_DECLARE_FORMAT(f, #f " %d")
#define ELOG_TYPE_X(f) ELOG_TYPE_DECLARE_FORMAT(f, #f " 0x%x")
#define ELOG_TYPE_DF(f) ELOG_TYPE_DECLARE_FORMAT_AND_FUNCTION(f, #f " %d")
#define ELOG_TYPE_XF(f) ELOG_TYPE_DECLARE_FORMAT_AND_FUNCTION(f, #f " 0x%x")
#define ELOG_TYPE_FD(f) ELOG_TYPE_DF(f)
#define ELOG_TYPE_FX(f) ELOG_TYPE_XF(f)

/** A track named as the variable. */
#define ELOG_TRACK_DECLARE(f) static elog_track_t __ELOG_TRACK_VAR(f)
#define ELOG_TRACK(f) ELOG_TRACK_DECLARE(f) = { .name = (char *)#f }

/** Log 32 bits. */
#define ELOG(em, f, data) elog((em), &__ELOG_TYPE_VAR(f), data)
#define ELOG_INLINE(em, f, data) elog_inline((em), &__ELOG_TYPE_VAR(f), data)

/** Log, and get the 20 bytes to fill in: on a track, on the default track. */
#define ELOG_TRACK_DATA(em, f, track) elog_data((em), &__ELOG_TYPE_VAR(f), &__ELOG_TRACK_VAR(track))
#define ELOG_TRACK_DATA_INLINE(em, f, track)                                                       \
	elog_data_inline((em), &__ELOG_TYPE_VAR(f), &__ELOG_TRACK_VAR(track))
#define ELOG_DATA(em, f) elog_data((em), &__ELOG_TYPE_VAR(f), &(em)->default_track)
#define ELOG_DATA_INLINE(em, f) elog_data_inline((em), &__ELOG_TYPE_VAR(f), &(em)->default_track)

/* ---- look ---- */

/** Both clocks now. */
CLIB_EXPORT void elog_time_now(elog_time_stamp_t *et);

/** The events of the ring, oldest first, times in seconds: a vector, the caller's; NULL when there
 *  are none, or no memory. */
CLIB_EXPORT elog_event_t *elog_peek_events(elog_main_t *em);

/** The same into em->events, once: until that vector is freed, or a file is read or another log
 *  merged, the same events come back.  em's. */
CLIB_EXPORT elog_event_t *elog_get_events(elog_main_t *em);

/** (elog_main_t *em, elog_event_t *e): what the event's type says of its data. */
CLIB_EXPORT format_function_t format_elog_event;
/** (elog_main_t *em, elog_event_t *e): the name of its track. */
CLIB_EXPORT format_function_t format_elog_track_name;
/** Today's (elog_main_t *em, f64 dt, int track_index): lines of time + dt and event, for the events
 *  of the ring that are on the track.  Older (elog_main_t *em, elog_event_t *e): as
 *  format_elog_track_name(). */
CLIB_EXPORT format_function_t format_elog_track;

/* ---- merge, write, read ---- */

/**
 * Add src's events to dst's, sorted by time; both are collected first (elog_get_events()).  Types
 * that dst knows are shared, tracks stay apart.  Seconds are since the earlier log's init; how far
 * apart the logs began is told by the cycle counter when it and the system's clock agree to a
 * millisecond, else by the system's clocks.  src is left as it was; dst is off.
 *
 * @param dst_tag, src_tag  C strings put before the names of the tracks, "tag:name"; 0 none
 * @param align_tweak  seconds that the later log is moved by besides; may be left out
 * @return 0; -ENOMEM or -ENOSPC (more than 65536 types or tracks) with dst as it was; -EINVAL: dst
 *         is src
 */
CLIB_EXPORT int _elog_merge(elog_main_t *dst, u8 *dst_tag, elog_main_t *src, u8 *src_tag,
			    f64 align_tweak);
#define elog_merge(dst, dst_tag, src, ...) _ELOG_MERGE(dst, dst_tag, src, __VA_ARGS__, 0, 0)
#define _ELOG_MERGE(dst, dst_tag, src, src_tag, align_tweak, ...)                                  \
	_elog_merge((dst), (dst_tag), (src), (src_tag), (align_tweak))

/**
 * Write the collected events to a file, with all that is needed to print them elsewhere.
 * @param flush_ring  collect anew; 0: what elog_get_events() gives
 */
CLIB_EXPORT clib_error_t *elog_write_file(elog_main_t *em, char *file, int flush_ring);
#define elog_write_file_not_inline elog_write_file

/** em becomes the log in a file, off: elog_get_events() gives its events, and the ring holds them.
 *  What em held before is not freed.  An error leaves em an empty log without a ring. */
CLIB_EXPORT clib_error_t *elog_read_file(elog_main_t *em, char *file);
#define elog_read_file_not_inline elog_read_file

#endif
