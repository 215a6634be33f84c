/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>
#include <vppinfra/elog.h>
#include <vppinfra/mem.h>
#include <vppinfra/unix.h>
#include "unit.h"

#define CHECK_TEXT(em, e, ...)                                                                     \
	do {                                                                                       \
		u8 *_text = format(0, "%U%c", format_elog_event, (em), (e), 0);                    \
		u8 *_wanted = format(0, __VA_ARGS__);                                              \
		vec_add1(_wanted, 0);                                                              \
		CU_ASSERT_STRING_EQUAL((char *)_text, (char *)_wanted);                            \
		if (strcmp((char *)_text, (char *)_wanted))                                        \
			printf("\n  '%s' is not '%s'\n", (char *)_text, (char *)_wanted);          \
		vec_free(_text);                                                                   \
		vec_free(_wanted);                                                                 \
	} while (0)

/* One event of a number, a word and a string: 4 + 1 + 4 bytes. */
static void
log_sample(elog_main_t *em, u32 i)
{
	ELOG_TYPE_DECLARE(sample) = { .format = "sample %d %s `%s'",
				      .format_args = "i4t1T4",
				      .n_enum_strings = 2,
				      .enum_strings = { "even", "odd" } };
	struct {
		u32 i;
		u8 parity;
		u32 string;
	} __clib_packed *d = ELOG_DATA(em, sample);

	d->i = i;
	d->parity = i & 1;
	d->string = elog_string(em, "string %d", i);
}

/* Every kind of item prints as its conversion says, and what format_args leaves out follows from
 * the format. */
static void
each_item_prints(void)
{
	elog_main_t em;
	elog_event_t *es;
	u8 *d;

	CU_ASSERT_EQUAL(elog_init(&em, 16), 0);
	{
		ELOG_TYPE_XF(e);
		ELOG(&em, e, 0xbeef);
	}
	{
		ELOG_TYPE_DECLARE(e) = { .format = "%d.%d %04x %lu|%%", .format_args = "i1i2i4i8" };
		u16 x2 = 65535;
		u32 x4 = 0xab;
		u64 x8 = 1ull << 40;

		d = ELOG_DATA(&em, e);
		d[0] = 200;
		memcpy(d + 1, &x2, 2);
		memcpy(d + 3, &x4, 4);
		memcpy(d + 7, &x8, 8);
	}
	{
		ELOG_TYPE_DECLARE(e) = { .format = "%d,%d %.3f %.2f", .format_args = "23f4f" };
		i32 a = -5;
		i64 b = -1099511627776ll;
		f32 c = 1.5f;

		d = ELOG_DATA(&em, e);
		memcpy(d, &a, 4);
		memcpy(d + 4, &b, 8);
		memcpy(d + 12, &c, 4);
		memset(d + 16, 0, 4);
	}
	{
		ELOG_TYPE_DECLARE(e) = { .format = "`%s' `%s' `%-5s'", .format_args = "ss3s20" };

		d = ELOG_DATA(&em, e);
		memcpy(d, "ab\0cdefghi\0jklmnopqr", 20);
	}
	{
		ELOG_TYPE_DECLARE(e) = { .format = "%s and %d but %s", .format_args = "i1" };

		d = ELOG_DATA(&em, e);
		d[0] = 7;
	}
	{
		/* By the conversions alone: i4, i8, f8. */
		ELOG_TYPE_DECLARE(e) = { .format = "%u %llx %.1f" };
		u32 a = 9;
		u64 b = 0x123456789abcull;
		f64 c = 2.5;

		d = ELOG_DATA(&em, e);
		memcpy(d, &a, 4);
		memcpy(d + 4, &b, 8);
		memcpy(d + 12, &c, 8);
	}
	es = elog_get_events(&em);
	CU_ASSERT_EQUAL_FATAL(vec_len(es), 6);
	CHECK_TEXT(&em, &es[0], "each_item_prints e 0xbeef");
	CHECK_TEXT(&em, &es[1], "200.65535 00ab 1099511627776|%%");
	CHECK_TEXT(&em, &es[2], "-5,-1099511627776 1.500 ?");
	CHECK_TEXT(&em, &es[3], "`ab' `cde' `?    '");
	CHECK_TEXT(&em, &es[4], "7 and ? but ?");
	CHECK_TEXT(&em, &es[5], "9 123456789abc 2.5");
	for (uword i = 1; i < vec_len(es); i++)
		CU_ASSERT_TRUE(es[i].time >= es[i - 1].time);
	CU_ASSERT_TRUE(es[0].time >= 0 && es[5].time < 60);
	elog_free(&em);
}

/* Words of the type, strings of the table; an index that is out of range says so and reads
 * nothing. */
static void
words_and_strings(void)
{
	elog_event_t *es;
	elog_main_t em;

	CU_ASSERT_EQUAL(elog_init(&em, 10), 0);
	CU_ASSERT_EQUAL(elog_buffer_capacity(&em), 16);
	log_sample(&em, 6);
	log_sample(&em, 7);
	{
		ELOG_TYPE_DECLARE(bad) = { .format = "%s %s", .format_args = "t4T4" };
		u32 *d = ELOG_DATA(&em, bad);

		d[0] = 3;
		d[1] = elog_string(&em, "");
		d = ELOG_DATA(&em, bad);
		d[0] = ~0u;
		d[1] = 1000;
	}
	es = elog_get_events(&em);
	CU_ASSERT_EQUAL_FATAL(vec_len(es), 4);
	CHECK_TEXT(&em, &es[0], "sample 6 even `string 6'");
	CHECK_TEXT(&em, &es[1], "sample 7 odd `string 7'");
	CHECK_TEXT(&em, &es[2], "(no string 3) ");
	CHECK_TEXT(&em, &es[3], "(no string 4294967295) (no string)");
	es[0].type = 999;
	es[0].track = 998;
	CHECK_TEXT(&em, &es[0], "(no type 999)");
	elog_free(&em);
}

static void
number(elog_main_t *em, u32 i)
{
	ELOG_TYPE_D(n);
	ELOG(em, n, i);
}

static u32
number_of(const elog_event_t *e)
{
	u32 x;

	memcpy(&x, e->data, 4);
	return x;
}

/* The ring keeps the newest; more room or less keeps the newest too. */
static void
the_ring_keeps_the_newest(void)
{
	static const u32 sizes[] = { 32, 4 };
	elog_event_t *es;
	elog_main_t em;

	CU_ASSERT_EQUAL(elog_init(&em, 8), 0);
	for (u32 i = 0; i < 13; i++)
		number(&em, i);
	CU_ASSERT_EQUAL(em.n_total_events, 13);
	CU_ASSERT_EQUAL(elog_n_events_in_buffer(&em), 8);
	for (u32 k = 0; k < ARRAY_LEN(sizes); k++) {
		u32 size = sizes[k], n = clib_min(size, 8u);

		CU_ASSERT_EQUAL(elog_resize(&em, size), 0);
		CU_ASSERT_EQUAL(elog_buffer_capacity(&em), size);
		CU_ASSERT_TRUE(elog_is_enabled(&em));
		es = elog_peek_events(&em);
		CU_ASSERT_EQUAL_FATAL(vec_len(es), n);
		for (u32 i = 0; i < n; i++)
			CU_ASSERT_EQUAL(number_of(&es[i]), 13 - n + i);
		vec_free(es);
	}
	number(&em, 13);
	es = elog_peek_events(&em);
	CU_ASSERT_EQUAL_FATAL(vec_len(es), 4);
	CU_ASSERT_EQUAL(number_of(&es[3]), 13);
	vec_free(es);
	CU_ASSERT_EQUAL(elog_alloc(&em, 16), 0);
	CU_ASSERT_EQUAL(elog_n_events_in_buffer(&em), 0);
	CU_ASSERT_PTR_NULL(elog_peek_events(&em));
	elog_free(&em);
}

/* Off writes nothing that anybody sees; limits stop where they say; a log without a ring cannot be
 * switched on. */
static void
on_off_and_limits(void)
{
	elog_main_t em;

	CU_ASSERT_EQUAL(elog_init(&em, 0), 0);
	CU_ASSERT_FALSE(elog_is_enabled(&em));
	elog_enable_disable(&em, 1);
	elog_reset_buffer(&em);
	CU_ASSERT_FALSE(elog_is_enabled(&em));
	number(&em, 1);
	CU_ASSERT_EQUAL(elog_n_events_in_buffer(&em), 0);
	CU_ASSERT_EQUAL(elog_alloc(&em, 16), 0);
	CU_ASSERT_TRUE(elog_is_enabled(&em));
	elog_disable_after_events(&em, 3);
	for (u32 i = 0; i < 10; i++)
		number(&em, i);
	CU_ASSERT_EQUAL(elog_n_events_in_buffer(&em), 3);
	/* Stopped stays stopped through a resize. */
	CU_ASSERT_EQUAL(elog_resize(&em, 64), 0);
	number(&em, 10);
	CU_ASSERT_EQUAL(elog_n_events_in_buffer(&em), 3);
	elog_enable_disable(&em, 1);
	CU_ASSERT_EQUAL(elog_n_events_in_buffer(&em), 0);
	for (u32 i = 0; i < 10; i++)
		number(&em, i);
	elog_disable_trigger(&em);
	/* Half a ring more; what is still to come survives a resize. */
	for (u32 i = 0; i < 12; i++)
		number(&em, i);
	CU_ASSERT_EQUAL(elog_resize(&em, 32), 0);
	for (u32 i = 0; i < 100; i++)
		number(&em, 100 + i);
	CU_ASSERT_EQUAL(em.n_total_events, 10 + 32);
	elog_enable_disable(&em, 0);
	number(&em, 1);
	CU_ASSERT_EQUAL(elog_n_events_in_buffer(&em), 0);
	elog_free(&em);
	/* Zeroes are a log that is off. */
	number(&em, 1);
	CU_ASSERT_EQUAL(em.n_total_events, 0);
}

/* One static type in two logs, turn by turn, and in one that was made anew at the same place:
 * each log has the type under its own index. */
static void
logs_share_types(void)
{
	ELOG_TYPE_DECLARE(only_b) = { .format = "only b" };
	ELOG_TRACK(lane);
	elog_main_t a, b;
	elog_event_t *es;

	CU_ASSERT_EQUAL(elog_init(&a, 64), 0);
	CU_ASSERT_EQUAL(elog_init(&b, 64), 0);
	CU_ASSERT_EQUAL(elog_event_type_register(&b, &only_b), 0);
	for (u32 i = 0; i < 10; i++) {
		ELOG_TYPE_D(shared);
		*(u32 *)ELOG_TRACK_DATA(i & 1 ? &b : &a, shared, lane) = i;
	}
	CU_ASSERT_EQUAL(vec_len(a.event_types), 1);
	CU_ASSERT_EQUAL(vec_len(b.event_types), 2);
	CU_ASSERT_EQUAL(vec_len(a.tracks), 2);
	CU_ASSERT_EQUAL(vec_len(b.tracks), 2);
	es = elog_get_events(&b);
	CU_ASSERT_EQUAL_FATAL(vec_len(es), 5);
	CHECK_TEXT(&b, &es[4], "shared 9");
	elog_free(&b);
	CU_ASSERT_EQUAL(elog_init(&b, 64), 0);
	number(&b, 77);
	es = elog_get_events(&b);
	CU_ASSERT_EQUAL_FATAL(vec_len(es), 1);
	CHECK_TEXT(&b, &es[0], "n 77");
	elog_free(&a);
	elog_free(&b);
}

/* Tracks by name; both forms of format_elog_track. */
static void
tracks_have_names(void)
{
	static elog_track_t nameless;
	elog_track_t dynamic = { .name = (char *)"dynamic" };
	ELOG_TRACK(my_track);
	elog_event_t *es;
	elog_main_t em;
	u8 *s;

	CU_ASSERT_EQUAL(elog_init(&em, 16), 0);
	CU_ASSERT_EQUAL(elog_track_register(&em, &nameless), -EINVAL);
	CU_ASSERT_EQUAL(elog_track_register(&em, &dynamic), 1);
	CU_ASSERT_EQUAL(elog_track_register(&em, &dynamic), 1);
	{
		ELOG_TYPE_DECLARE(e) = { .format = "hello %d" };
		*(u32 *)ELOG_DATA(&em, e) = 1;
		*(u32 *)ELOG_TRACK_DATA(&em, e, my_track) = 2;
		*(u32 *)ELOG_TRACK_DATA_INLINE(&em, e, dynamic) = 3;
		*(u32 *)ELOG_TRACK_DATA(&em, e, my_track) = 4;
	}
	es = elog_get_events(&em);
	CU_ASSERT_EQUAL_FATAL(vec_len(es), 4);
	s = format(0, "%U %U %12U%c", format_elog_track_name, &em, &es[0], format_elog_track_name,
		   &em, &es[1], format_elog_track, &em, &es[2], 0);
	CU_ASSERT_STRING_EQUAL((char *)s, "default my_track      dynamic");
	vec_free(s);
	s = format(0, "%U%c", format_elog_track, &em, 1e6, 2, 0);
	CU_ASSERT_PTR_NOT_NULL(strstr((char *)s, "1000000."));
	CU_ASSERT_PTR_NOT_NULL(strstr((char *)s, ": hello 2\n"));
	CU_ASSERT_PTR_NOT_NULL(strstr((char *)s, ": hello 4"));
	CU_ASSERT_PTR_NULL(strstr((char *)s, "hello 1"));
	vec_free(s);
	elog_free(&em);
}

static char path[64];

static void
make_path(void)
{
	snprintf(path, sizeof(path), "/tmp/vmheap-elog-test-%d", getpid());
}

/* The two logs print the same, line by line. */
static void
check_same(elog_main_t *a, elog_main_t *b)
{
	elog_event_t *ea = elog_get_events(a), *eb = elog_get_events(b);

	CU_ASSERT_EQUAL_FATAL(vec_len(ea), vec_len(eb));
	for (uword i = 0; i < vec_len(ea); i++) {
		CU_ASSERT_EQUAL(ea[i].time, eb[i].time);
		CHECK_TEXT(a, &ea[i], "%U", format_elog_event, b, &eb[i]);
	}
	CU_ASSERT_EQUAL(vec_len(a->tracks), vec_len(b->tracks));
}

/* What is read is what was written; the log that was read is off, can be written again, and can go
 * on. */
static void
a_file_keeps_a_log(void)
{
	elog_main_t em, back, again;
	clib_error_t *error;

	make_path();
	CU_ASSERT_EQUAL(elog_init(&em, 64), 0);
	for (u32 i = 0; i < 100; i++) {
		log_sample(&em, i);
		number(&em, i);
	}
	error = elog_write_file(&em, path, 0);
	CU_ASSERT_PTR_NULL(error);
	error = elog_read_file(&back, path);
	CU_ASSERT_PTR_NULL_FATAL(error);
	check_same(&em, &back);
	CU_ASSERT_EQUAL(vec_len(back.events), 64);
	CU_ASSERT_EQUAL(back.init_time.cpu, em.init_time.cpu);
	CU_ASSERT_EQUAL(back.cpu_timer.clocks_per_second, em.cpu_timer.clocks_per_second);
	CU_ASSERT_FALSE(elog_is_enabled(&back));
	error = elog_write_file_not_inline(&back, path, 0);
	CU_ASSERT_PTR_NULL(error);
	error = elog_read_file_not_inline(&again, path);
	CU_ASSERT_PTR_NULL_FATAL(error);
	check_same(&em, &again);
	elog_reset_buffer(&again);
	number(&again, 5);
	CU_ASSERT_EQUAL(elog_n_events_in_buffer(&again), 1);
	CU_ASSERT_EQUAL(vec_len(again.event_types), 2);
	elog_free(&em);
	elog_free(&back);
	elog_free(&again);

	/* An empty log. */
	CU_ASSERT_EQUAL(elog_init(&em, 0), 0);
	error = elog_write_file(&em, path, 1);
	CU_ASSERT_PTR_NULL(error);
	error = elog_read_file(&back, path);
	CU_ASSERT_PTR_NULL(error);
	CU_ASSERT_PTR_NULL(elog_get_events(&back));
	elog_free(&em);
	elog_free(&back);
	unlink(path);
}

static void
write_all(const u8 *bytes, uword n_bytes)
{
	int fd;

	/* Anew: what is truncated and written some file systems flush. */
	unlink(path);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
	CU_ASSERT_EQUAL_FATAL(write(fd, bytes, n_bytes), (ssize_t)n_bytes);
	close(fd);
}

/* As the file's description says: FNV-1a in the last eight bytes. */
static void
sign(u8 *bytes, uword n_bytes)
{
	u64 x = 0xcbf29ce484222325ull;

	for (uword i = 0; i < n_bytes - 8; i++)
		x = (x ^ bytes[i]) * 0x100000001b3ull;
	memcpy(bytes + n_bytes - 8, &x, 8);
}

/* Reads the file, prints all that it may have, and frees it.  Value: whether it was taken. */
static int
read_and_print(void)
{
	clib_error_t *error;
	elog_event_t *e;
	elog_main_t em;
	u8 *s = 0;

	error = elog_read_file(&em, path);
	vec_foreach (e, em.events)
		s = format(s, "%U %U\n", format_elog_track_name, &em, e, format_elog_event, &em, e);
	vec_free(s);
	/* After an error the log is an empty one that works. */
	if (error) {
		CU_ASSERT_PTR_NULL(em.events);
		CU_ASSERT_EQUAL(elog_alloc(&em, 4), 0);
		number(&em, 1);
		CU_ASSERT_EQUAL(elog_n_events_in_buffer(&em), 1);
	}
	elog_free(&em);
	if (!error)
		return 1;
	clib_error_free(error);
	return 0;
}

/* A file that is cut short or damaged in any byte is refused.  One whose maker lied, the checksum
 * being right, is refused or printed, and reads nothing that is not there. */
static void
damaged_files_are_refused(void)
{
	u64 seed = unit_seed(), n_taken = 0, n_lies = unit_n_ops(20000);
	clib_error_t *error;
	elog_main_t em;
	u8 *good = 0, *bad;

	make_path();
	CU_ASSERT_EQUAL(elog_init(&em, 4), 0);
	for (u32 i = 0; i < 3; i++)
		log_sample(&em, i);
	error = elog_write_file(&em, path, 1);
	CU_ASSERT_PTR_NULL(error);
	error = clib_file_contents(path, &good);
	CU_ASSERT_PTR_NULL_FATAL(error);
	for (uword i = 0; i < vec_len(good); i++) {
		write_all(good, i);
		CU_ASSERT_FALSE(read_and_print());
	}
	for (uword i = 0; i < vec_len(good); i++) {
		good[i] ^= 0x41;
		write_all(good, vec_len(good));
		CU_ASSERT_FALSE(read_and_print());
		good[i] ^= 0x41;
	}
	for (u64 n = 0; n < n_lies / 10; n++) {
		bad = vec_dup(good);
		for (u64 k = unit_random_below(&seed, 4); k + 1 > 0; k--)
			bad[unit_random_below(&seed, vec_len(bad))] =
				(u8)(unit_random_below(&seed, 2) ? unit_random(&seed)
								 : 255 * (k & 1));
		sign(bad, vec_len(bad));
		write_all(bad, vec_len(bad));
		n_taken += (u64)read_and_print();
		vec_free(bad);
	}
	CU_ASSERT_TRUE(n_taken > 0);
	write_all(good, vec_len(good));
	CU_ASSERT_TRUE(read_and_print());
	unlink(path);
	CU_ASSERT_FALSE(read_and_print());
	error = elog_write_file(&em, (char *)"/nonexistent/file", 0);
	CU_ASSERT_PTR_NOT_NULL(error);
	clib_error_free(error);
	vec_free(good);
	elog_free(&em);
}

/* Two logs of one process into one: all events, in time's order, strings and types renumbered,
 * tracks with their tags. */
static void
logs_merge(void)
{
	elog_main_t a, b;
	elog_event_t *es;
	u8 *s;

	CU_ASSERT_EQUAL(elog_init(&a, 64), 0);
	CU_ASSERT_EQUAL(elog_init(&b, 64), 0);
	for (u32 i = 0; i < 20; i++) {
		log_sample(i & 1 ? &b : &a, i);
		if (i & 1)
			number(&b, i);
	}
	CU_ASSERT_EQUAL(elog_merge(&a, (u8 *)"A", &a, (u8 *)"B"), -EINVAL);
	/* The later log into the earlier one, and the other way round. */
	CU_ASSERT_EQUAL(elog_merge(&a, (u8 *)"A", &b, (u8 *)"B"), 0);
	es = elog_get_events(&a);
	CU_ASSERT_EQUAL_FATAL(vec_len(es), 30);
	for (uword i = 1; i < vec_len(es); i++)
		CU_ASSERT_TRUE(es[i].time >= es[i - 1].time);
	for (u32 i = 0, n = 0; i < 20; i++) {
		CHECK_TEXT(&a, &es[n], "sample %d %s `string %d'", i, i & 1 ? "odd" : "even", i);
		s = format(0, "%U%c", format_elog_track_name, &a, &es[n++], 0);
		CU_ASSERT_STRING_EQUAL((char *)s, i & 1 ? "B:default" : "A:default");
		vec_free(s);
		if (i & 1)
			CHECK_TEXT(&a, &es[n++], "n %d", i);
	}
	CU_ASSERT_EQUAL(vec_len(a.event_types), 2);
	CU_ASSERT_EQUAL(elog_merge(&b, 0, &a, 0, 0.), 0);
	es = elog_get_events(&b);
	CU_ASSERT_EQUAL_FATAL(vec_len(es), 50);
	/* The ring has them too. */
	es = elog_peek_events(&b);
	CU_ASSERT_EQUAL_FATAL(vec_len(es), 50);
	for (uword i = 0; i < 50; i++)
		CHECK_TEXT(&b, &es[i], "%U", format_elog_event, &b, &b.events[i]);
	vec_free(es);
	/* Each event of b is in a twice over, at the same moment within a cycle or two. */
	for (uword i = 0, n_pairs = 0; i + 1 < 50; i++) {
		n_pairs += b.events[i + 1].time - b.events[i].time < 1e-8;
		if (i == 48)
			CU_ASSERT_TRUE(n_pairs >= 20);
	}
	elog_free(&a);
	elog_free(&b);
}

/* Logs of two machines are put in order by the system's clocks, and tweaked. */
static void
logs_of_two_machines_merge(void)
{
	elog_main_t a, b;
	elog_event_t *es;

	CU_ASSERT_EQUAL(elog_init(&a, 64), 0);
	CU_ASSERT_EQUAL(elog_init(&b, 64), 0);
	number(&a, 1);
	number(&b, 2);
	/* b's machine was started at another time, its log 10 s before a's. */
	elog_get_events(&b);
	b.init_time.cpu += 1ull << 50;
	b.init_time.os_nsec = a.init_time.os_nsec - 10000000000ull;
	CU_ASSERT_EQUAL(elog_merge(&a, 0, &b, 0, 0.5), 0);
	es = elog_get_events(&a);
	CU_ASSERT_EQUAL_FATAL(vec_len(es), 2);
	CHECK_TEXT(&a, &es[0], "n 2");
	CHECK_TEXT(&a, &es[1], "n 1");
	CU_ASSERT_TRUE(es[1].time >= 10.5);
	CU_ASSERT_EQUAL(a.init_time.os_nsec, b.init_time.os_nsec);
	elog_free(&a);
	elog_free(&b);
}

static uword
n_live_objects(void)
{
	clib_mem_usage_t u;

	clib_mem_usage(&u);
	return u.object_count;
}

/* Everything that allocates, once; failures are all right, broken logs are not. */
static void
use_it_all(void)
{
	static elog_event_type_t type = { .format = (char *)"first %s",
					  .n_enum_strings = 2,
					  .enum_strings = { 0, 0 } };
	elog_track_t track = { .name = (char *)"first" };
	elog_main_t a, b, c;
	clib_error_t *error;
	elog_event_t *es;

	type.registration.word = 0;
	elog_init(&a, 16);
	elog_init(&b, 16);
	elog_event_type_register(&a, &type);
	elog_track_register(&a, &track);
	for (u32 i = 0; i < 3; i++) {
		log_sample(&a, i);
		log_sample(&b, i);
		number(&b, i);
	}
	CU_ASSERT_TRUE(a.n_total_events + a.n_dropped_events == 3 || !a.event_ring);
	elog_resize(&a, 64);
	es = elog_peek_events(&a);
	vec_free(es);
	error = elog_write_file(&a, path, 1);
	clib_error_free(error);
	error = elog_read_file(&c, path);
	clib_error_free(error);
	if (elog_merge(&a, (u8 *)"a", &b, (u8 *)"b"))
		CU_ASSERT_TRUE(elog_n_events_in_buffer(&a) <= 3);
	es = elog_get_events(&a);
	for (uword i = 0; i < vec_len(es); i++) {
		u8 *s = format(0, "%U %U", format_elog_track_name, &a, &es[i], format_elog_event,
			       &a, &es[i]);

		vec_free(s);
	}
	elog_free(&a);
	elog_free(&b);
	elog_free(&c);
}

/* Each allocation fails in turn: nothing crashes, nothing is lost. */
static void
each_allocation_may_fail(void)
{
	uword n_before, n_lost = 0, n_failed = 0;
	u64 n_oom;

	make_path();
	use_it_all();
	n_before = n_live_objects();
	do {
		n_oom = clib_mem_n_oom();
		mheap_fail_get_after(++n_failed);
		use_it_all();
		mheap_fail_get_after(0);
		n_lost += n_live_objects() != n_before;
	} while (clib_mem_n_oom() != n_oom);
	CU_ASSERT_EQUAL(n_lost, 0);
	CU_ASSERT_TRUE(n_failed > 50);
	unlink(path);
}

/* Memory has ended for good: events of types that are known go on, others are dropped and
 * counted. */
static void
events_are_counted_when_memory_has_ended(void)
{
	clib_mem_heap_t *small = clib_mem_create_heap(0, KiB(64), 1, "small"), *main_heap;
	void **objects = 0;
	elog_main_t em;
	void *p;

	main_heap = clib_mem_set_heap(small);
	CU_ASSERT_EQUAL(elog_init(&em, 16), 0);
	number(&em, 1);
	for (uword size = 4096; size >= 16; size /= 2) {
		while ((p = clib_mem_alloc_or_null(size)))
			memset(p, 0, 1);
	}
	number(&em, 2);
	{
		ELOG_TYPE_DECLARE(never_seen) = { .format = "never seen %s",
						  .n_enum_strings = 1,
						  .enum_strings = { "word" } };
		u32 *d = ELOG_DATA(&em, never_seen);

		memset(d, 0xff, 20);
	}
	CU_ASSERT_EQUAL(elog_string(&em, "%s", "no room"), ~0u);
	CU_ASSERT_EQUAL(elog_resize(&em, 1024), -ENOMEM);
	CU_ASSERT_EQUAL(elog_alloc(&em, 1024), -ENOMEM);
	CU_ASSERT_EQUAL(elog_buffer_capacity(&em), 16);
	CU_ASSERT_EQUAL(em.n_total_events, 2);
	CU_ASSERT_EQUAL(em.n_dropped_events, 1);
	CU_ASSERT_PTR_NULL(elog_peek_events(&em));
	clib_mem_set_heap(main_heap);
	CU_ASSERT_EQUAL(vec_len(elog_get_events(&em)), 2);
	vec_free(em.events);
	elog_free(&em);
	vec_free(objects);
	clib_mem_destroy_heap(small);
}

#define N_THREADS 4
static elog_main_t shared;
static u64 n_each;

static void *
log_in_thread(void *arg)
{
	for (u32 i = 0; i < n_each; i++) {
		ELOG_TYPE_DECLARE(e) = { .format = "thread %d event %d" };
		ELOG_TRACK(busy);
		u32 *d = ELOG_TRACK_DATA_INLINE(&shared, e, busy);

		d[0] = (u32)(uword)arg;
		d[1] = i;
	}
	return NULL;
}

/* Threads log at the same time, the first event included: one type, one track, every event there
 * once, each thread's in order. */
static void
threads_log_together(void)
{
	pthread_t threads[N_THREADS];
	u32 next[N_THREADS] = {};
	elog_event_t *es, *e;

	n_each = unit_n_ops(20000);
	CU_ASSERT_EQUAL(elog_init(&shared, (u32)(N_THREADS * n_each)), 0);
	for (uword i = 0; i < N_THREADS; i++)
		CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, log_in_thread, (void *)i),
				      0);
	for (uword i = 0; i < N_THREADS; i++)
		pthread_join(threads[i], NULL);
	CU_ASSERT_EQUAL(vec_len(shared.event_types), 1);
	CU_ASSERT_EQUAL(vec_len(shared.tracks), 2);
	es = elog_get_events(&shared);
	CU_ASSERT_EQUAL(vec_len(es), N_THREADS * n_each);
	vec_foreach (e, es) {
		u32 thread = number_of(e), i;

		memcpy(&i, e->data + 4, 4);
		CU_ASSERT_EQUAL_FATAL(thread < N_THREADS && i == next[thread], 1);
		next[thread]++;
	}
	elog_free(&shared);
}

static elog_main_t *log_of_handler;
static int n_handler_calls;

static int
handler_logs(clib_mem_heap_t *heap, uword n_bytes)
{
	ELOG_TYPE_DECLARE(oom) = { .format = "no memory" };

	n_handler_calls++;
	ELOG_DATA(log_of_handler, oom);
	return 0;
}

/* A program whose handler of exhaustion logs: even when it is the log that found no memory, it
 * neither waits for itself nor goes round in circles. */
static void
a_handler_of_exhaustion_may_log(void)
{
	elog_main_t em;

	CU_ASSERT_EQUAL(elog_init(&em, 16), 0);
	log_of_handler = &em;
	clib_mem_set_oom_handler(handler_logs);
	for (u64 k = 1; k < 6; k++) {
		elog_event_type_t t = { .format = (char *)"x %d" };

		mheap_fail_get_after(k);
		elog_event_type_register(&em, &t);
		elog_string(&em, "a string");
		mheap_fail_get_after(1);
		CU_ASSERT_PTR_NULL(clib_mem_alloc(100));
		mheap_fail_get_after(0);
	}
	clib_mem_set_oom_handler(0);
	CU_ASSERT_TRUE(n_handler_calls >= 5);
	CU_ASSERT_TRUE(em.n_total_events + em.n_dropped_events >= 5);
	elog_free(&em);
}

static const unit_test_t tests[] = {
	UNIT(each_item_prints),
	UNIT(words_and_strings),
	UNIT(the_ring_keeps_the_newest),
	UNIT(on_off_and_limits),
	UNIT(logs_share_types),
	UNIT(tracks_have_names),
	UNIT(a_file_keeps_a_log),
	UNIT(damaged_files_are_refused),
	UNIT(logs_merge),
	UNIT(logs_of_two_machines_merge),
	UNIT(each_allocation_may_fail),
	UNIT(events_are_counted_when_memory_has_ended),
	UNIT(threads_log_together),
	UNIT(a_handler_of_exhaustion_may_log),
};

int
main(void)
{
	return unit_run("elog", tests, ARRAY_LEN(tests));
}
