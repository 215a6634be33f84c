/* SPDX-License-Identifier: Apache-2.0 */
/* Question: what do get, set and unset of a hash table cost beside glib's GHashTable?
 *
 * Method: both tables hold the same n keys and are asked for them in the same random order, in the
 * same rounds.  Keys are
 *   - word: random 64-bit numbers (g_direct_hash for glib, which hashes the low half of them);
 *   - string: C strings of 12 to 20 letters (g_str_hash, g_str_equal);
 *   - mem: 16 bytes, as a flow's key (glib has no such hash: the halves are mixed by a product).
 * A hit finds a key through another copy of it; a miss asks for keys that are not there.  `replace`
 * unsets one key and sets another in its place, so the table's size stays; it counts as one
 * operation.  `fill` sets all keys of a new table, growth included; `drain` unsets them all.
 * glib is what a C program on Linux takes when it does not write its own: chains and open
 * addressing in one library that everybody has.  Without its headers the peer's lines are missing.
 * Unit: nanoseconds (cycles, instructions) per operation. */
#include <vppinfra/hash.h>
#include <vppinfra/mem.h>
#ifdef HAVE_GLIB
#	include <glib.h>
#endif
#include "bench.h"

#define N_ROUNDS 21
/* With a million keys a round takes seconds. */
#define N_ROUNDS_OF_MANY 5
/* Look-ups in a round, whatever the table's size (the order wraps around): at 1k keys half a
 * millisecond, which a busy machine seldom interrupts. */
#define N_LOOKUPS (1 << 16)
#define N_REPLACE_MAX (1 << 18)
#define KEY_STRIDE 24

typedef enum {
	KEY_WORD,
	KEY_STRING,
	KEY_MEM,
	N_KEY_KINDS,
} key_kind_t;

static const char *kind_names[N_KEY_KINDS] = { "word", "string", "mem" };

/* Keys [0, n) are in the tables, [n, 2 n) are not.  `stored` is what the tables point at, `asked`
 * another copy. */
typedef struct {
	key_kind_t kind;
	u32 n;
	u64 *words;
	char *stored, *asked;
	u32 *order;
	uword *hash;
#ifdef HAVE_GLIB
	GHashTable *glib;
#endif
} table_t;

always_inline uword
stored_key(const table_t *t, u32 i)
{
	return t->kind == KEY_WORD ? t->words[i] : (uword)(t->stored + (uword)i * KEY_STRIDE);
}

always_inline uword
asked_key(const table_t *t, u32 i)
{
	return t->kind == KEY_WORD ? t->words[i] : (uword)(t->asked + (uword)i * KEY_STRIDE);
}

static uword *
new_hash(key_kind_t kind)
{
	switch (kind) {
	case KEY_STRING:
		return hash_create_string(0, sizeof(uword));
	case KEY_MEM:
		return hash_create_mem(0, 16, sizeof(uword));
	default:
		return hash_create(0, sizeof(uword));
	}
}

#ifdef HAVE_GLIB
static guint
mem_hash(gconstpointer key)
{
	const u64 *k = key;
	u64 product = (k[0] ^ k[1] * 0x9e3779b97f4a7c15ull) * 0xbf58476d1ce4e5b9ull;

	return (guint)(product >> 32);
}

static gboolean
mem_equal(gconstpointer a, gconstpointer b)
{
	return !memcmp(a, b, 16);
}

static GHashTable *
new_glib(key_kind_t kind)
{
	switch (kind) {
	case KEY_STRING:
		return g_hash_table_new(g_str_hash, g_str_equal);
	case KEY_MEM:
		return g_hash_table_new(mem_hash, mem_equal);
	default:
		return g_hash_table_new(g_direct_hash, g_direct_equal);
	}
}
#endif

/* ---- the work ---- */

static void
hash_hit(void *arg, u64 n_ops)
{
	table_t *t = arg;
	u64 sum = 0;

	for (u64 i = 0; i < n_ops; i++)
		sum += *hash_get(t->hash, asked_key(t, t->order[i & (t->n - 1)]));
	bench_keep(sum);
}

static void
hash_miss(void *arg, u64 n_ops)
{
	table_t *t = arg;
	u64 n_found = 0;

	for (u64 i = 0; i < n_ops; i++)
		n_found += hash_get(t->hash, asked_key(t, t->n + t->order[i & (t->n - 1)])) != 0;
	bench_keep(n_found);
}

/* Half of the operations put key n + i in the place of key i, the other half put all of those back,
 * so a round leaves the table as it was. */
typedef struct {
	u32 out, in;
} replacement_t;

always_inline replacement_t
replacement(const table_t *t, u64 i, u64 n_ops)
{
	int is_way_back = i >= n_ops / 2;
	u32 k = t->order[i - (is_way_back ? n_ops / 2 : 0)];

	return (replacement_t){ .out = is_way_back ? t->n + k : k,
				.in = is_way_back ? k : t->n + k };
}

static void
hash_replace(void *arg, u64 n_ops)
{
	table_t *t = arg;

	for (u64 i = 0; i < n_ops; i++) {
		replacement_t r = replacement(t, i, n_ops);

		hash_unset(t->hash, asked_key(t, r.out));
		hash_set(t->hash, stored_key(t, r.in), i);
	}
}

static void
hash_fill(void *arg, u64 n_ops)
{
	table_t *t = arg;

	for (u64 i = 0; i < n_ops; i++)
		hash_set(t->hash, stored_key(t, t->order[i]), i);
}

static void
hash_drain(void *arg, u64 n_ops)
{
	table_t *t = arg;

	for (u64 i = 0; i < n_ops; i++)
		hash_unset(t->hash, asked_key(t, t->order[i]));
}

static void
hash_renew(void *arg)
{
	table_t *t = arg;

	hash_free(t->hash);
	t->hash = new_hash(t->kind);
}

#ifdef HAVE_GLIB
static void
glib_hit(void *arg, u64 n_ops)
{
	table_t *t = arg;
	u64 sum = 0;

	for (u64 i = 0; i < n_ops; i++)
		sum += (uword)g_hash_table_lookup(t->glib,
						  (gpointer)asked_key(t, t->order[i & (t->n - 1)]));
	bench_keep(sum);
}

static void
glib_miss(void *arg, u64 n_ops)
{
	table_t *t = arg;
	u64 n_found = 0;

	for (u64 i = 0; i < n_ops; i++)
		n_found += g_hash_table_lookup(
				   t->glib,
				   (gpointer)asked_key(t, t->n + t->order[i & (t->n - 1)])) != NULL;
	bench_keep(n_found);
}

static void
glib_replace(void *arg, u64 n_ops)
{
	table_t *t = arg;

	for (u64 i = 0; i < n_ops; i++) {
		replacement_t r = replacement(t, i, n_ops);

		g_hash_table_remove(t->glib, (gpointer)asked_key(t, r.out));
		g_hash_table_insert(t->glib, (gpointer)stored_key(t, r.in), (gpointer)(i + 1));
	}
}

static void
glib_fill(void *arg, u64 n_ops)
{
	table_t *t = arg;

	for (u64 i = 0; i < n_ops; i++)
		g_hash_table_insert(t->glib, (gpointer)stored_key(t, t->order[i]),
				    (gpointer)(i + 1));
}

static void
glib_drain(void *arg, u64 n_ops)
{
	table_t *t = arg;

	for (u64 i = 0; i < n_ops; i++)
		g_hash_table_remove(t->glib, (gpointer)asked_key(t, t->order[i]));
}

static void
glib_renew(void *arg)
{
	table_t *t = arg;

	if (t->glib)
		g_hash_table_destroy(t->glib);
	t->glib = new_glib(t->kind);
}

#endif

static void
nothing(void *arg, u64 n_ops)
{
	table_t *t = arg;
	u64 sum = 0;

	for (u64 i = 0; i < n_ops; i++) {
		sum += asked_key(t, t->order[i & (t->n - 1)]);
		bench_keep(sum);
	}
}

/* ---- keys ---- */

static void
make_key(char *key, u64 random)
{
	u32 n = 12 + (u32)(random >> 60) % 9;

	for (u32 i = 0; i < n; i++, random = random >> 5 | random << 59)
		key[i] = (char)('a' + random % 26);
	key[n] = 0;
}

static int
make_table(table_t *t, key_kind_t kind, u32 n)
{
	u64 seed = n;

	*t = (table_t){ .kind = kind, .n = n };
	t->words = calloc(2 * n, sizeof(t->words[0]));
	t->stored = calloc(2 * n, KEY_STRIDE);
	t->asked = calloc(2 * n, KEY_STRIDE);
	t->order = calloc(n, sizeof(t->order[0]));
	if (!t->words || !t->stored || !t->asked || !t->order)
		return -ENOMEM;
	for (u32 i = 0; i < 2 * n; i++) {
		t->words[i] = bench_random(&seed);
		make_key(t->stored + (uword)i * KEY_STRIDE, t->words[i]);
	}
	memcpy(t->asked, t->stored, (uword)2 * n * KEY_STRIDE);
	for (u32 i = 0; i < n; i++) {
		u32 j = (u32)bench_random_below(&seed, i + 1);

		t->order[i] = t->order[j];
		t->order[j] = i;
	}
	return 0;
}

static void
free_table(table_t *t)
{
	hash_free(t->hash);
#ifdef HAVE_GLIB
	if (t->glib)
		g_hash_table_destroy(t->glib);
#endif
	free(t->words);
	free(t->stored);
	free(t->asked);
	free(t->order);
}

/* In a round fill makes the table for the cases between, and drain leaves it empty. */
static bench_case_t cases[] = {
	{ .name = "empty", .fn = nothing },
	{ .name = "hash_fill", .prepare = hash_renew, .fn = hash_fill },
	{ .name = "hash_hit", .fn = hash_hit },
	{ .name = "hash_miss", .fn = hash_miss },
	{ .name = "hash_replace", .fn = hash_replace },
	{ .name = "hash_drain", .fn = hash_drain },
#ifdef HAVE_GLIB
	{ .name = "glib_fill", .prepare = glib_renew, .fn = glib_fill },
	{ .name = "glib_hit", .fn = glib_hit },
	{ .name = "glib_miss", .fn = glib_miss },
	{ .name = "glib_replace", .fn = glib_replace },
	{ .name = "glib_drain", .fn = glib_drain },
#endif
};

static u64
n_ops_of(const char *case_name, u32 n)
{
	if (strstr(case_name, "fill") || strstr(case_name, "drain"))
		return n;
	return strstr(case_name, "replace") ? clib_min(2 * n, (u32)N_REPLACE_MAX) : N_LOOKUPS;
}

static int
run(key_kind_t kind, u32 n)
{
	static table_t table;
	char params[64];

	if (make_table(&table, kind, n)) {
		printf("# not enough memory for %u keys\n", n);
		return 1;
	}
	snprintf(params, sizeof(params), "key=%s elts=%u", kind_names[kind], n);
	for (u32 i = 0; i < ARRAY_LEN(cases); i++) {
		cases[i].params = params;
		cases[i].arg = &table;
		cases[i].n_ops = n_ops_of(cases[i].name, n);
	}
	bench_run(cases, ARRAY_LEN(cases), n > 100000 ? N_ROUNDS_OF_MANY : N_ROUNDS);
	free_table(&table);
	return 0;
}

int
main(void)
{
	int n_errors = 0;

	bench_start("bench_hash");
#ifndef HAVE_GLIB
	printf("# built without glib-2.0: no peer\n");
#endif
	if (!clib_mem_init(NULL, GiB(8))) {
		printf("# no address space for the heap\n");
		return 1;
	}
	for (u32 kind = 0; kind < N_KEY_KINDS; kind++) {
		n_errors += run(kind, 1 << 10);
		n_errors += run(kind, 1 << 20);
	}
	clib_mem_exit();
	return n_errors != 0;
}
