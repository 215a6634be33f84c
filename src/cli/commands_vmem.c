/* SPDX-License-Identifier: Apache-2.0 */
/* show vmem: the arenas, and one of them field by field. */
#include <cli/commands.h>

#include <stdlib.h>
#include <string.h>
#include <vppinfra/vec.h>
#include <vppinfra/vmem.h>
#include <vppinfra/vmem/vmem_lock.h>
#include <vppinfra/vmem/vmem_qcache.h>

/* Rows of segments that an answer shows: beyond, a count says how many there are. */
#define MAX_SEGMENT_ROWS 1024
/* Sleepers shown, likewise. */
#define MAX_SLEEPER_ROWS 64

static int
add_vmem(vmem_t *vmp, void *arg)
{
	vmem_t ***v = arg;

	vec_add1(*v, vmp);
	return 0;
}

static vmem_t **
all_vmems(void)
{
	vmem_t **v = 0;

	vmem_foreach_arena(add_vmem, &v);
	return v;
}

/* A consistent copy: figures of one moment, and no lock held while they are formatted. */
static void
snapshot(vmem_t *vmp, vmem_t *copy)
{
	vmem_lock(&vmp->vm_lock);
	memcpy(copy, vmp, sizeof(*copy));
	vmem_unlock(&vmp->vm_lock);
}

/* Identifiers are counted, memory is measured. */
static void
cell_amount(cli_table_t *t, const vmem_t *vmp, u64 amount)
{
	if (vmp->vm_cflags & VMC_IDENTIFIER)
		cli_u64(t, amount);
	else
		cli_bytes(t, amount);
}

static void
show_arenas(cli_output_t *out)
{
	static const cli_column_t columns[] = {
		{ "name", "Name", 30, CLI_LEFT },       { "id", "ID", 4, CLI_RIGHT },
		{ "quantum", "Quantum", 8, CLI_RIGHT }, { "total", "Total", 9, CLI_RIGHT },
		{ "in_use", "In use", 9, CLI_RIGHT },   { "imported", "Imported", 9, CLI_RIGHT },
		{ "allocs", "Allocs", 9, CLI_RIGHT },   { "frees", "Frees", 9, CLI_RIGHT },
		{ "fails", "Fails", 6, CLI_RIGHT },     { "source", "Source", 0, CLI_LEFT },
	};
	vmem_t **arenas = all_vmems(), a;
	cli_table_t *t = cli_table(out, "arenas", columns, ARRAY_LEN(columns));

	for (uword i = 0; i < vec_len(arenas); i++) {
		if (!t)
			break;
		snapshot(arenas[i], &a);
		cli_row(t);
		cli_string(t, "%s", a.vm_name);
		cli_u64(t, a.vm_id);
		cell_amount(t, &a, a.vm_quantum);
		cell_amount(t, &a, a.vm_kstat.vk_mem_total);
		cell_amount(t, &a, a.vm_kstat.vk_mem_inuse);
		cell_amount(t, &a, a.vm_kstat.vk_mem_import);
		cli_u64(t, a.vm_kstat.vk_alloc);
		cli_u64(t, a.vm_kstat.vk_free);
		cli_u64(t, a.vm_kstat.vk_fail);
		cli_string(t, "%s", a.vm_source ? a.vm_source->vm_name : "");
	}
	vec_free(arenas);
}

/* ---- one arena ---- */

/* Whether somebody holds it now: all that can be told of a lock from outside. */
static const char *
lock_state(vmem_t *vmp)
{
	if (!vmem_trylock(&vmp->vm_lock))
		return "held";
	vmem_unlock(&vmp->vm_lock);
	return "free";
}

static void
show_source(cli_output_t *out, const vmem_t *a)
{
	cli_show_hex(out, "vm_source_alloc", (uword)a->vm_source_alloc);
	cli_show_hex(out, "vm_source_free", (uword)a->vm_source_free);
	cli_show_string(out, "vm_source", a->vm_source ? a->vm_source->vm_name : "");
	cli_show_u64(out, "vm_min_import", a->vm_min_import);
	cli_show_u64(out, "vm_import_quantum", a->vm_import_quantum);
	cli_show_u64(out, "vm_limit", a->vm_limit);
	cli_show_hex(out, "vm_reclaim", (uword)a->vm_reclaim);
}

static void
show_fields(cli_output_t *out, vmem_t *vmp, const vmem_t *a)
{
	static const char *const indexes[] = { "none", "by address", "by size",
					       "by address and by size" };
	static const char all[] = "by address, by size and for ranges";
	u64 n_bytes;
	u32 state = vmem_index_state(vmp, &n_bytes);

	cli_text(out, "arena '%s'", a->vm_name);
	cli_field_string(out, "vm_name", "%s", a->vm_name);
	cli_show_u64(out, "vm_id", a->vm_id);
	cli_show_string(out, "vm_lock", lock_state(vmp));
	cli_show_u64(out, "vm_mtbf", a->vm_mtbf);
	cli_show_u64(out, "vm_fail_at", a->vm_fail_at);
	cli_show_hex(out, "vm_cflags", a->vm_cflags);
	if (a->vm_node >= 0)
		cli_show_u64(out, "vm_node", a->vm_node);
	else
		cli_show_string(out, "vm_node", "any");
	cli_show_u64(out, "vm_quantum", a->vm_quantum);
	cli_show_u64(out, "vm_qshift", a->vm_qshift);
	show_source(out, a);
	cli_show_string(out, "vm_next", a->vm_next ? a->vm_next->vm_name : "");
	cli_show_u64(out, "vm_nsegfree", a->vm_nsegfree);
	cli_show_u64(out, "vm_segfree", a->vm_segfree);
	cli_show_u64(out, "vm_n_segs", a->vm_n_segs);
	cli_show_u64(out, "vm_n_free", a->vm_n_free);
	cli_show_hex(out, "vm_freemap", a->vm_freemap);
	cli_show_u64(out, "vm_seg0", a->vm_seg0);
	cli_show_u64(out, "vm_rotor", a->vm_rotor);
	cli_show_string(out, "vm_index", state == 7 ? all : indexes[state & 3]);
	cli_show_u64(out, "vm_index_bytes", n_bytes);
	cli_show_u64(out, "vm_n_waiters", a->vm_n_waiters);
}

static void
show_kstat(cli_output_t *out, const vmem_kstat_t *k)
{
	cli_object_begin(out, "vm_kstat");
	cli_show_u64(out, "vk_mem_inuse", k->vk_mem_inuse);
	cli_show_u64(out, "vk_mem_import", k->vk_mem_import);
	cli_show_u64(out, "vk_mem_total", k->vk_mem_total);
	cli_show_u64(out, "vk_source_id", k->vk_source_id);
	cli_show_u64(out, "vk_alloc", k->vk_alloc);
	cli_show_u64(out, "vk_free", k->vk_free);
	cli_show_u64(out, "vk_wait", k->vk_wait);
	cli_show_u64(out, "vk_fail", k->vk_fail);
	cli_show_u64(out, "vk_lookup", k->vk_lookup);
	cli_show_u64(out, "vk_search", k->vk_search);
	cli_show_u64(out, "vk_populate_wait", k->vk_populate_wait);
	cli_show_u64(out, "vk_populate_fail", k->vk_populate_fail);
	cli_show_u64(out, "vk_contains", k->vk_contains);
	cli_show_u64(out, "vk_contains_search", k->vk_contains_search);
	cli_show_u64(out, "vk_bad_free", k->vk_bad_free);
	cli_show_u64(out, "vk_hash_resizes", k->vk_hash_resizes);
	cli_show_u64(out, "vk_hash_moved", k->vk_hash_moved);
	cli_show_u64(out, "vk_import", k->vk_import);
	cli_show_u64(out, "vk_export", k->vk_export);
	cli_show_u64(out, "vk_fit_tried", k->vk_fit_tried);
	cli_show_u64(out, "vk_range_steps", k->vk_range_steps);
	cli_show_u64(out, "vk_index_builds", k->vk_index_builds);
	cli_show_u64(out, "vk_index_lost", k->vk_index_lost);
	cli_show_u64(out, "vk_index_slices", k->vk_index_slices);
	cli_show_u64(out, "vk_served", k->vk_served);
	cli_show_u64(out, "vk_timeout", k->vk_timeout);
	cli_show_u64(out, "vk_reclaim", k->vk_reclaim);
	cli_show_u64(out, "vk_limit", k->vk_limit);
	cli_show_u64(out, "vk_resize", k->vk_resize);
	cli_show_u64(out, "vk_induced", k->vk_induced);
	cli_show_u64(out, "vk_wait_ns_max", k->vk_wait_ns_max);
	cli_end(out);
}

/* The table grows and shrinks by one bucket at a time, so there is no old table: what is split of
 * the present doubling is its progress. */
static void
show_hash(cli_output_t *out, vmem_t *vmp, const vmem_t *a)
{
	u64 n_base = a->vm_hash_mask + 1, n_buckets = n_base + a->vm_hash_split;
	u64 n_live = a->vm_n_segs, n_parts = 0;

	while (n_parts < VMEM_HASH_PARTS && a->vm_hash_table[n_parts])
		n_parts++;
	cli_object_begin(out, "hash");
	cli_text(out, "hash: %Lu buckets, %Lu allocated segments, %.2f a bucket", n_buckets, n_live,
		 (f64)n_live / n_buckets);
	cli_text(out, "  doubling: %Lu of %Lu buckets split", (u64)a->vm_hash_split, n_base);
	cli_show_hex(out, "vm_hash_mask", a->vm_hash_mask);
	cli_show_u64(out, "vm_hash_shift", a->vm_hash_shift);
	cli_show_u64(out, "vm_hash_parts", n_parts);
	cli_show_u64(out, "vm_hash_bytes", vmem_hash_bytes(vmp));
	cli_field_u64(out, "buckets", n_buckets);
	cli_field_u64(out, "split", a->vm_hash_split);
	cli_field_f64(out, "load", (f64)n_live / n_buckets);
	cli_end(out);
}

/* As FreeBSD's debugger has it: what is in use and free of each power of two. */
static void
show_orders(cli_output_t *out, const vmem_t *a)
{
	static const cli_column_t columns[] = {
		{ "order", "Order", 5, CLI_RIGHT },   { "least", "From", 9, CLI_RIGHT },
		{ "in_use", "In use", 9, CLI_RIGHT }, { "in_use_amount", "Amount", 9, CLI_RIGHT },
		{ "free", "Free", 9, CLI_RIGHT },     { "free_amount", "Amount", 9, CLI_RIGHT },
		{ "freelist", "Head", 9, CLI_RIGHT },
	};
	cli_table_t *t = cli_table(out, "orders", columns, ARRAY_LEN(columns));

	for (u32 i = 0; t && i < VMEM_FREELISTS; i++) {
		const vmem_order_t *o = &a->vm_order[i];

		if (!o->n_alloc && !o->n_free)
			continue;
		cli_row(t);
		cli_u64(t, i);
		cell_amount(t, a, 1ull << i);
		cli_u64(t, o->n_alloc);
		cell_amount(t, a, o->alloc_bytes);
		cli_u64(t, o->n_free);
		cell_amount(t, a, o->free_bytes);
		cli_u64(t, a->vm_freelist[i].vs_knext);
	}
}

static void
show_qcaches(cli_output_t *out, vmem_t *vmp, const vmem_t *a)
{
	static const cli_column_t columns[] = {
		{ "size", "Quantum cache", 13, CLI_RIGHT }, { "allocated", "In use", 9, CLI_RIGHT },
		{ "cached", "Cached", 9, CLI_RIGHT },       { "slabs", "Slabs", 6, CLI_RIGHT },
		{ "allocs", "Allocs", 9, CLI_RIGHT },       { "frees", "Frees", 9, CLI_RIGHT },
		{ "fails", "Fails", 6, CLI_RIGHT },
	};
	vmem_qcache_stats_t stats[VMEM_NQCACHE_MAX];
	u32 n = vmem_qcache_stats(vmp, stats);
	cli_table_t *t;

	cli_show_u64(out, "vm_qcache_max", a->vm_qcache_max);
	cli_show_u64(out, "vm_qcache", n);
	if (!n)
		return;
	t = cli_table(out, "qcaches", columns, ARRAY_LEN(columns));
	for (u32 i = 0; t && i < n; i++) {
		cli_row(t);
		cell_amount(t, a, stats[i].size);
		cli_u64(t, stats[i].n_alloc);
		cli_u64(t, stats[i].n_cached);
		cli_u64(t, stats[i].n_slabs);
		cli_u64(t, stats[i].n_allocs);
		cli_u64(t, stats[i].n_frees);
		cli_u64(t, stats[i].n_fails);
	}
}

static void
show_sleepers(cli_output_t *out, vmem_t *vmp)
{
	static const cli_column_t columns[] = {
		{ "size", "Sleeps for", 10, CLI_RIGHT },
		{ "since_us", "Since us", 10, CLI_RIGHT },
		{ "left_us", "Left us", 10, CLI_RIGHT },
	};
	vmem_sleeper_t sleepers[MAX_SLEEPER_ROWS];
	u32 n = vmem_sleepers(vmp, sleepers, MAX_SLEEPER_ROWS);
	cli_table_t *t;

	if (n == 0)
		return;
	t = cli_table(out, "sleepers", columns, ARRAY_LEN(columns));
	for (u32 i = 0; t && i < n && i < MAX_SLEEPER_ROWS; i++) {
		cli_row(t);
		cell_amount(t, vmp, sleepers[i].size);
		cli_u64(t, sleepers[i].since_ns / 1000);
		if (sleepers[i].deadline_ns)
			cli_u64(t, sleepers[i].deadline_ns / 1000);
		else
			cli_string(t, "no limit");
	}
}

/* All that one arena has to tell.  The copy is too large for a stack. */
static void
show_arena(cli_output_t *out, vmem_t *vmp)
{
	vmem_t *a = aligned_alloc(_Alignof(vmem_t), sizeof(*a));

	if (!a)
		return;
	snapshot(vmp, a);
	show_fields(out, vmp, a);
	show_qcaches(out, vmp, a);
	show_kstat(out, &a->vm_kstat);
	show_hash(out, vmp, a);
	show_orders(out, a);
	show_sleepers(out, vmp);
	free(a);
}

/* ---- spans and segments ---- */

typedef struct {
	uword start, size;
	const char *type;
} segment_row_t;

typedef struct {
	segment_row_t *rows; /* room for MAX_SEGMENT_ROWS: a walk must not allocate */
	u32 n_rows;
	u64 n_more;
	const char *type;
} segment_walk_t;

static void
note_segment(void *arg, void *addr, size_t size)
{
	segment_walk_t *w = arg;

	if (w->n_rows == MAX_SEGMENT_ROWS) {
		w->n_more++;
		return;
	}
	w->rows[w->n_rows++] = (segment_row_t){ (uword)addr, size, w->type };
}

/* By address; a span stands before its first segment. */
static int
compare_segments(const void *a, const void *b)
{
	const segment_row_t *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return y->size < x->size ? -1 : y->size > x->size ? 1 : strcmp(y->type, x->type);
}

static void
show_segments(cli_output_t *out, vmem_t *vmp)
{
	static const cli_column_t columns[] = {
		{ "type", "Type", 10, CLI_LEFT },
		{ "start", "Start", 18, CLI_RIGHT },
		{ "end", "End", 18, CLI_RIGHT },
		{ "size", "Size", 9, CLI_RIGHT },
	};
	static const struct {
		const char *type;
		int mask;
	} types[] = { { "span", VMEM_SPAN }, { "allocated", VMEM_ALLOC }, { "free", VMEM_FREE } };
	segment_walk_t w = { .rows = malloc(MAX_SEGMENT_ROWS * sizeof(segment_row_t)) };
	cli_table_t *t = cli_table(out, "segments", columns, ARRAY_LEN(columns));

	if (!t || !w.rows) {
		free(w.rows);
		return;
	}
	for (u32 i = 0; i < ARRAY_LEN(types); i++) {
		w.type = types[i].type;
		/* Others have the arena between one segment and the next. */
		vmem_walk(vmp, types[i].mask | (int)VMEM_REENTRANT, note_segment, &w);
	}
	qsort(w.rows, w.n_rows, sizeof(w.rows[0]), compare_segments);
	for (u32 i = 0; i < w.n_rows; i++) {
		const segment_row_t *r = &w.rows[i];

		cli_row(t);
		cli_string(t, "%s%s", r->type[0] == 's' ? "" : "  ", r->type);
		cli_hex(t, r->start);
		cli_hex(t, r->start + r->size);
		cell_amount(t, vmp, r->size);
	}
	if (w.n_more)
		cli_text(out, "and %Lu more", w.n_more);
	cli_field_u64(out, "segments_not_shown", w.n_more);
	free(w.rows);
}

/* The name of an arena: yields it, or leaves the input alone. */
static uword
unformat_vmem(unformat_input_t *input, va_list *va)
{
	vmem_t **vmp = va_arg(*va, vmem_t **);
	u8 *name = 0;
	int found;

	if (!unformat(input, "%s", &name))
		return 0;
	*vmp = vmem_by_name((char *)name);
	found = *vmp != 0;
	vec_free(name);
	return found;
}

static clib_error_t *
unknown_arena(unformat_input_t *input)
{
	vmem_t **arenas = all_vmems();
	clib_error_t *error;
	u8 *expected = format(0, "the name of an arena (");

	for (uword i = 0; i < vec_len(arenas); i++)
		expected = format(expected, "%s%s", i ? ", " : "", arenas[i]->vm_name);
	expected = format(expected, ") or verbose%c", 0);
	error = vmheap_config_unknown(input, (char *)expected);
	vec_free(expected);
	vec_free(arenas);
	return error;
}

static clib_error_t *
show_vmem_fn(cli_output_t *out, unformat_input_t *input, vmheap_cli_command_t *cmd)
{
	vmem_t *vmp = 0;
	u8 verbose = 0;

	while (unformat_check_input(input) != UNFORMAT_END_OF_INPUT) {
		if (!verbose && unformat(input, "verbose"))
			verbose = 1;
		else if (vmp || !unformat(input, "%U", unformat_vmem, &vmp))
			return unknown_arena(input);
	}
	if (!vmp) {
		show_arenas(out);
		if (!verbose)
			return 0;
	}
	if (vmp) {
		show_arena(out, vmp);
		if (verbose)
			show_segments(out, vmp);
		return 0;
	}
	/* Every arena, one after the other. */
	vmem_t **arenas = all_vmems();

	for (uword i = 0; i < vec_len(arenas); i++) {
		cli_text(out, "");
		cli_list_item_begin(out, "details");
		show_arena(out, arenas[i]);
		cli_end(out);
	}
	vec_free(arenas);
	return 0;
}

VMHEAP_CLI_COMMAND(show_vmem) = {
	.path = "show vmem",
	.short_help = "show vmem [ARENA] [verbose]",
	.long_help =
		"The vmem arenas: what they manage, what is taken, where they import from.  "
		"With an\n"
		"ARENA every field of its struct vmem, its quantum caches, counters and hash, what "
		"is in\n"
		"use and free by power of two, and who sleeps for room; verbose adds the spans "
		"and\n"
		"segments by address.",
	.words = "verbose",
	.function = show_vmem_fn,
};
