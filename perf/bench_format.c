/* SPDX-License-Identifier: Apache-2.0 */
/* What does a line of text cost?
 *
 * Each line is made by format() into a vector that has room (as a log or a command's output does,
 * line after line), and by snprintf() into an array; a case named `fresh' also makes and frees the
 * vector.  Lines of a command are taken apart by unformat(), one alternative after the other as a
 * command's loop does, and by sscanf().  Unit: nanoseconds a line.
 *
 * format() is held to at most twice snprintf() for the line of five fields. */
#include <vppinfra/format.h>
#include <vppinfra/mem.h>
#include "bench.h"

typedef struct {
	const char *name;
	u32 n_rx, n_tx, n_drop;
	f64 rate;
} row_t;

/* Numbers as counters have them: of all lengths. */
static row_t rows[256];
static u8 *vector;
static char array[512];

static void
make_rows(void)
{
	static const char *const names[] = { "eth0", "TenGigabitEthernet5/0/0", "tap1", "loop100",
					     "GigabitEthernet0/8/0" };
	u64 seed = 42;

	for (u32 i = 0; i < ARRAY_LEN(rows); i++)
		rows[i] = (row_t){
			.name = names[bench_random_below(&seed, ARRAY_LEN(names))],
			.n_rx = (u32)(bench_random(&seed) >> (32 + bench_random_below(&seed, 32))),
			.n_tx = (u32)(bench_random(&seed) >> (32 + bench_random_below(&seed, 32))),
			.n_drop = (u32)bench_random_below(&seed, 100),
			.rate = (f64)bench_random_below(&seed, 10000000) / 997
		};
}

/* A case pair: the same text by format() and by snprintf(). */
#define PAIR(name, fmt, ...)                                                                       \
	static void name##_format(void *arg, u64 n_ops)                                            \
	{                                                                                          \
		for (u64 i = 0; i < n_ops; i++) {                                                  \
			const row_t *r = &rows[i % ARRAY_LEN(rows)];                               \
			vec_reset_length(vector);                                                  \
			vector = format(vector, fmt, __VA_ARGS__);                                 \
			bench_keep(vector);                                                        \
		}                                                                                  \
	}                                                                                          \
	static void name##_snprintf(void *arg, u64 n_ops)                                          \
	{                                                                                          \
		for (u64 i = 0; i < n_ops; i++) {                                                  \
			const row_t *r = &rows[i % ARRAY_LEN(rows)];                               \
			snprintf(array, sizeof(array), fmt, __VA_ARGS__);                          \
			bench_keep(array);                                                         \
		}                                                                                  \
	}

PAIR(five_fields, "%s: rx %u tx %u drop %u rate %.2f\n", r->name, r->n_rx, r->n_tx, r->n_drop,
     r->rate)
PAIR(integers, "%u %d %x %lu", r->n_rx, (int)r->n_tx, r->n_drop, (u64)r->n_rx << 20)
PAIR(columns, "%-24s%12u%12u%8u\n", r->name, r->n_rx, r->n_tx, r->n_drop)
PAIR(hex, "%016lx %08x\n", (u64)r->n_rx << 20, r->n_tx)
PAIR(one_float, "%.2f", r->rate)
PAIR(one_string, "%s", r->name)
PAIR(literal, "a line with %s words around a name\n", r->name)

/* ---- functions inside ---- */

static u8 *
format_counters(u8 *s, va_list *va)
{
	const row_t *r = va_arg(*va, const row_t *);

	return format(s, "rx %u tx %u", r->n_rx, r->n_tx);
}

static void
nested_format(void *arg, u64 n_ops)
{
	for (u64 i = 0; i < n_ops; i++) {
		const row_t *r = &rows[i % ARRAY_LEN(rows)];

		vec_reset_length(vector);
		vector = format(vector, "%s: %U drop %u\n", r->name, format_counters, r, r->n_drop);
		bench_keep(vector);
	}
}

/* The peer's way: into an array of its own, and that as a string. */
static void
nested_snprintf(void *arg, u64 n_ops)
{
	char inner[64];

	for (u64 i = 0; i < n_ops; i++) {
		const row_t *r = &rows[i % ARRAY_LEN(rows)];

		snprintf(inner, sizeof(inner), "rx %u tx %u", r->n_rx, r->n_tx);
		snprintf(array, sizeof(array), "%s: %s drop %u\n", r->name, inner, r->n_drop);
		bench_keep(array);
	}
}

/* ---- a string of its own ---- */

static void
fresh_format(void *arg, u64 n_ops)
{
	for (u64 i = 0; i < n_ops; i++) {
		const row_t *r = &rows[i % ARRAY_LEN(rows)];
		u8 *s = format(NULL, "%s: rx %u tx %u drop %u rate %.2f\n", r->name, r->n_rx,
			       r->n_tx, r->n_drop, r->rate);

		bench_keep(s);
		vec_free(s);
	}
}

static void
fresh_asprintf(void *arg, u64 n_ops)
{
	for (u64 i = 0; i < n_ops; i++) {
		const row_t *r = &rows[i % ARRAY_LEN(rows)];
		char *s = NULL;

		if (asprintf(&s, "%s: rx %u tx %u drop %u rate %.2f\n", r->name, r->n_rx, r->n_tx,
			     r->n_drop, r->rate) < 0)
			abort();
		bench_keep(s);
		free(s);
	}
}

/* ---- input ---- */

static const char command[] = "create port eth0 size 64k queues 4 node 1";

typedef struct {
	u8 *name;
	uword n_bytes;
	u32 n_queues, node;
} options_t;

/* The loop of a VPP command. */
static void
command_unformat(void *arg, u64 n_ops)
{
	for (u64 i = 0; i < n_ops; i++) {
		unformat_input_t input;
		options_t o = {};

		unformat_init_string(&input, command, sizeof(command) - 1);
		if (!unformat(&input, "create port %s", &o.name))
			abort();
		while (unformat_check_input(&input) != UNFORMAT_END_OF_INPUT)
			if (unformat(&input, "size %U", unformat_memory_size, &o.n_bytes) ||
			    unformat(&input, "queues %u", &o.n_queues) ||
			    unformat(&input, "node %u", &o.node))
				continue;
			else
				abort();
		bench_keep(&o);
		vec_free(o.name);
		unformat_free(&input);
	}
}

/* The peer knows the order of the words, and needs no memory. */
static void
command_sscanf(void *arg, u64 n_ops)
{
	for (u64 i = 0; i < n_ops; i++) {
		char name[32], unit;
		u32 n, n_queues, node;

		if (sscanf(command, "create port %31s size %u%c queues %u node %u", name, &n, &unit,
			   &n_queues, &node) != 5)
			abort();
		bench_keep(name);
		bench_keep(n + n_queues + node);
	}
}

#define CASE(function, what)                                                                       \
	{                                                                                          \
		.name = #function, .params = what, .fn = function, .n_ops = 20000                  \
	}

static bench_case_t cases[] = {
	CASE(five_fields_format, "by=format"), CASE(five_fields_snprintf, "by=snprintf"),
	CASE(integers_format, "by=format"),    CASE(integers_snprintf, "by=snprintf"),
	CASE(columns_format, "by=format"),     CASE(columns_snprintf, "by=snprintf"),
	CASE(hex_format, "by=format"),         CASE(hex_snprintf, "by=snprintf"),
	CASE(one_float_format, "by=format"),   CASE(one_float_snprintf, "by=snprintf"),
	CASE(one_string_format, "by=format"),  CASE(one_string_snprintf, "by=snprintf"),
	CASE(literal_format, "by=format"),     CASE(literal_snprintf, "by=snprintf"),
	CASE(nested_format, "by=format"),      CASE(nested_snprintf, "by=snprintf"),
	CASE(fresh_format, "by=format"),       CASE(fresh_asprintf, "by=asprintf"),
	CASE(command_unformat, "by=unformat"), CASE(command_sscanf, "by=sscanf"),
};

int
main(void)
{
	bench_start("bench_format");
	make_rows();
	vec_alloc(vector, 512);
	return bench_run(cases, ARRAY_LEN(cases), 31);
}
