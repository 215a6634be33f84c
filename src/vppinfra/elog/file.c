/* SPDX-License-Identifier: Apache-2.0 */
/* A log in a file.  Little-endian, packed:
 *
 *   "vmhelog1"
 *   u64 init cpu, init nsec, serialize cpu, serialize nsec; f64 clocks per second
 *   u32 n_types, n_tracks, n_string_bytes, n_events
 *   a type:   string format, format_args, function, file; u32 line, n_enum_strings; strings
 *   a track:  string name
 *   the string table's bytes
 *   an event: f64 seconds; u16 type, track; 20 bytes of data
 *   u64       FNV-1a of all that is before it
 *
 * A string is its length (u32) and its bytes; ~0 for one that is not there.  The digit in the first
 * word is the version.  Reading trusts nothing: lengths and counts are compared with the bytes that
 * are there before anything is allocated for them. */
#include "elog_impl.h"

#include <fcntl.h>
#include <unistd.h>
#include <vppinfra/unix.h>

#define MAGIC "vmhelog1"
#define MAGIC_BYTES 8
#define EVENT_BYTES 32
#define NO_STRING (~0u)

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the file is what memory is");

/* FNV-1a: Fowler, Noll and Vo. */
static u64
checksum(const u8 *p, uword n_bytes)
{
	u64 x = 0xcbf29ce484222325ull;

	for (uword i = 0; i < n_bytes; i++)
		x = (x ^ p[i]) * 0x100000001b3ull;
	return x;
}

/* ---- write ---- */

typedef struct {
	u8 *bytes;
	int error;
} writer_t;

static void
put(writer_t *w, const void *data, uword n_bytes)
{
	if (n_bytes && !w->error)
		w->error = vec_add(w->bytes, (const u8 *)data, n_bytes);
}

static void
put_u32(writer_t *w, u32 x)
{
	put(w, &x, sizeof(x));
}

static void
put_string(writer_t *w, const char *s)
{
	u32 n = s ? (u32)strlen(s) : NO_STRING;

	put_u32(w, n);
	if (s)
		put(w, s, n);
}

static void
put_type(writer_t *w, const elog_event_type_t *t)
{
	put_string(w, t->format);
	put_string(w, t->format_args);
	put_string(w, t->function);
	put_string(w, t->file);
	put_u32(w, t->line);
	put_u32(w, t->n_enum_strings);
	for (u32 i = 0; i < t->n_enum_strings; i++)
		put_string(w, t->enum_strings_vector[i]);
}

static void
put_event(writer_t *w, const elog_event_t *e)
{
	u16 index[2] = { e->type, e->track };

	put(w, &e->time, sizeof(e->time));
	put(w, index, sizeof(index));
	put(w, e->data, sizeof(e->data));
}

static int
make_image(writer_t *w, const elog_main_t *em)
{
	const elog_event_type_t *t;
	const elog_track_t *track;
	const elog_event_t *e;
	u64 sum;

	put(w, MAGIC, MAGIC_BYTES);
	put(w, &em->init_time, sizeof(em->init_time));
	put(w, &em->serialize_time, sizeof(em->serialize_time));
	put(w, &em->cpu_timer.clocks_per_second, sizeof(f64));
	put_u32(w, vec_len(em->event_types));
	put_u32(w, vec_len(em->tracks));
	put_u32(w, vec_len(em->string_table));
	put_u32(w, vec_len(em->events));
	vec_foreach (t, em->event_types)
		put_type(w, t);
	vec_foreach (track, em->tracks)
		put_string(w, track->name);
	put(w, em->string_table, vec_len(em->string_table));
	vec_foreach (e, em->events)
		put_event(w, e);
	sum = checksum(w->bytes, vec_len64(w->bytes));
	put(w, &sum, sizeof(sum));
	return w->error;
}

static clib_error_t *
write_bytes(const char *file, const u8 *bytes)
{
	int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	uword n_done = 0, n = vec_len64(bytes);
	clib_error_t *error = 0;

	if (fd < 0)
		return clib_error_return_unix(0, "open `%s'", file);
	while (!error && n_done < n) {
		ssize_t n_now = write(fd, bytes + n_done, n - n_done);

		if (n_now >= 0)
			n_done += (uword)n_now;
		else if (errno != EINTR)
			error = clib_error_return_unix(0, "write `%s'", file);
	}
	if (close(fd) && !error)
		error = clib_error_return_unix(0, "write `%s'", file);
	return error;
}

clib_error_t *
elog_write_file(elog_main_t *em, char *file, int flush_ring)
{
	clib_error_t *error;
	writer_t w = {};

	if (flush_ring)
		vec_free(em->events);
	/* A log that was read keeps the clocks of the machine that wrote it. */
	if (em->event_ring_size && em->n_total_events_disable_limit)
		elog_time_now(&em->serialize_time);
	em->nsec_per_cpu_clock = elog_nsec_per_clock(em);
	if ((!elog_get_events(em) && elog_n_events_in_buffer(em)) || make_image(&w, em))
		error = clib_error_return_code(0, ENOMEM, 0, "`%s': no memory for the log's image",
					       file);
	else
		error = write_bytes(file, w.bytes);
	vec_free(w.bytes);
	return error;
}

/* ---- read ---- */

typedef struct {
	const u8 *at, *end;
	const char *what; /* is wrong; NULL: nothing */
	int error;
} reader_t;

static void
fail(reader_t *r, int error, const char *what)
{
	if (!r->error) {
		r->error = error;
		r->what = what;
	}
}

/* The next bytes, NULL when there are not so many. */
static const void *
take(reader_t *r, uword n_bytes)
{
	const u8 *p = r->at;

	if (!r->error && (uword)(r->end - r->at) < n_bytes)
		fail(r, EINVAL, "it ends too soon");
	if (r->error)
		return 0;
	r->at += n_bytes;
	return p;
}

static void
get(reader_t *r, void *data, uword n_bytes)
{
	const void *p = take(r, n_bytes);

	if (p && n_bytes)
		memcpy(data, p, n_bytes);
	else
		memset(data, 0, n_bytes);
}

static u32
get_u32(reader_t *r)
{
	u32 x;

	get(r, &x, sizeof(x));
	return x;
}

/* A C string of its own; NULL for one that is not there and on errors. */
static char *
get_string(reader_t *r)
{
	u32 n = get_u32(r);
	const char *p = n == NO_STRING ? 0 : take(r, n);
	char *s;

	if (!p)
		return 0;
	if (memchr(p, 0, n)) {
		fail(r, EINVAL, "a string has a NUL in it");
		return 0;
	}
	s = elog_copy_string(p, n);
	if (!s)
		fail(r, ENOMEM, "no memory");
	return s;
}

static void
get_type(reader_t *r, elog_main_t *em)
{
	elog_event_type_t t = {};
	u32 n_strings;

	t.format = get_string(r);
	t.format_args = get_string(r);
	t.function = get_string(r);
	t.file = get_string(r);
	t.line = get_u32(r);
	n_strings = get_u32(r);
	if (!r->error && (!t.format || !t.format_args))
		fail(r, EINVAL, "a type has no format");
	for (u32 i = 0; i < n_strings && !r->error; i++) {
		char *s = get_string(r);

		if (!s)
			fail(r, EINVAL, "a type lacks a string");
		else if (vec_add1(t.enum_strings_vector, s)) {
			vec_free(s);
			fail(r, ENOMEM, "no memory");
		}
		t.n_enum_strings = vec_len(t.enum_strings_vector);
	}
	if (!r->error && elog_type_add(em, &t) < 0)
		fail(r, ENOMEM, "no memory for its types, or more than 65536");
	if (r->error)
		elog_type_free(&t);
}

static void
get_track(reader_t *r, elog_main_t *em)
{
	char *name = get_string(r);

	if (!name)
		fail(r, EINVAL, "a track has no name");
	else if (elog_track_add(em, name) < 0) {
		vec_free(name);
		fail(r, ENOMEM, "no memory for its tracks, or more than 65536");
	}
}

static void
get_string_table(reader_t *r, elog_main_t *em, u32 n_bytes)
{
	const char *p = take(r, n_bytes);

	if (!p || !n_bytes)
		return;
	if (p[n_bytes - 1])
		fail(r, EINVAL, "its string table does not end");
	else if (vec_add(em->string_table, p, n_bytes))
		fail(r, ENOMEM, "no memory");
}

static void
get_events(reader_t *r, elog_main_t *em, u32 n_events)
{
	if (!r->error && (uword)(r->end - r->at) / EVENT_BYTES < n_events)
		fail(r, EINVAL, "it ends too soon");
	if (r->error || !n_events)
		return;
	em->events = vec_new(elog_event_t, n_events);
	if (!em->events)
		fail(r, ENOMEM, "no memory");
	for (uword i = 0; i < vec_len64(em->events) && !r->error; i++) {
		elog_event_t *e = &em->events[i];
		u16 index[2];

		get(r, &e->time, sizeof(e->time));
		get(r, index, sizeof(index));
		get(r, e->data, sizeof(e->data));
		e->type = index[0];
		e->track = index[1];
		if (e->type >= vec_len64(em->event_types) || e->track >= vec_len64(em->tracks))
			fail(r, EINVAL, "an event is of no type or track");
		/* Seconds of a century, in cycles, fit an i64. */
		if (!(e->time > -3.2e9 && e->time < 3.2e9))
			fail(r, EINVAL, "an event is of no time");
	}
}

static void
get_clock(reader_t *r, elog_main_t *em)
{
	clib_time_t *c = &em->cpu_timer;

	get(r, &em->init_time, sizeof(em->init_time));
	get(r, &em->serialize_time, sizeof(em->serialize_time));
	get(r, &c->clocks_per_second, sizeof(f64));
	if (!r->error && !(c->clocks_per_second >= 1e3 && c->clocks_per_second <= 1e12))
		fail(r, EINVAL, "its clock has no rate");
	if (!r->error)
		c->seconds_per_clock = 1 / c->clocks_per_second;
}

/* em is a fresh log. */
static void
parse(reader_t *r, elog_main_t *em)
{
	const void *magic = take(r, MAGIC_BYTES);
	u32 n_types, n_tracks, n_string_bytes, n_events;
	u64 sum;

	if (!magic || memcmp(magic, MAGIC, MAGIC_BYTES)) {
		r->error = 0;
		fail(r, EINVAL, "it is no event log of this version");
		return;
	}
	if ((uword)(r->end - r->at) < sizeof(sum)) {
		fail(r, EINVAL, "it ends too soon");
		return;
	}
	r->end -= sizeof(sum);
	memcpy(&sum, r->end, sizeof(sum));
	if (sum != checksum(magic, (uword)(r->end - (const u8 *)magic)))
		fail(r, EINVAL, "it is damaged, its checksum is not right");
	get_clock(r, em);
	n_types = get_u32(r);
	n_tracks = get_u32(r);
	n_string_bytes = get_u32(r);
	n_events = get_u32(r);
	for (u32 i = 0; i < n_types && !r->error; i++)
		get_type(r, em);
	for (u32 i = 0; i < n_tracks && !r->error; i++)
		get_track(r, em);
	get_string_table(r, em, n_string_bytes);
	get_events(r, em, n_events);
	if (!r->error && r->at != r->end)
		fail(r, EINVAL, "there are bytes after its end");
}

/* A log without even a default track: the file brings its own. */
static void
init_without_tracks(elog_main_t *em)
{
	elog_init(em, 0);
	if (em->tracks)
		vec_free(em->tracks[0].name);
	vec_free(em->tracks);
	em->default_track.registration.word = 0;
}

clib_error_t *
elog_read_file(elog_main_t *em, char *file)
{
	clib_error_t *error;
	u8 *bytes = 0;
	reader_t r = {};

	init_without_tracks(em);
	error = clib_file_contents(file, &bytes);
	if (error) {
		elog_track_register(em, &em->default_track);
		return error;
	}
	r.at = bytes;
	r.end = vec_end(bytes);
	parse(&r, em);
	if (!r.error && elog_install_events(em, em->events))
		fail(&r, ENOMEM, "no memory");
	vec_free(bytes);
	if (!r.error) {
		em->nsec_per_cpu_clock = elog_nsec_per_clock(em);
		if (vec_len64(em->tracks) && !strcmp(em->tracks[0].name, "default"))
			em->default_track.registration = em->tracks[0].registration;
		return 0;
	}
	error = clib_error_return_code(0, r.error, 0, "`%s': %s", file, r.what);
	elog_free(em);
	elog_init(em, 0);
	return error;
}
