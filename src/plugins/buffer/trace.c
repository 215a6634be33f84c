/* SPDX-License-Identifier: Apache-2.0 */
/* buffer-trace, and what it lets show buffers tell: owners, leaks, faults. */
#include "buffer.h"

#include <vppinfra/backtrace.h>
#include <vppinfra/thread.h>
#include <vppinfra/vec.h>
#include <plugins/pool/forensics.h>
#include <rte_graph.h>

/* Of one owner: who took them, at which node and site, and where they were seen last. */
typedef struct {
	pktpool_holding_t oldest;
	u32 n;
} owner_t;

typedef struct {
	owner_t *owners; /* vector */
	u64 min_age_ns;
} owners_t;

static int
add_holding(const pktpool_holding_t *h, void *arg)
{
	owners_t *all = arg;
	owner_t *o, new = { .oldest = *h, .n = 1 };

	if (h->age_ns < all->min_age_ns)
		return 0;
	vec_foreach (o, all->owners) {
		if (o->oldest.thread_index != h->thread_index || o->oldest.node != h->node ||
		    o->oldest.seen_node != h->seen_node || o->oldest.site != h->site)
			continue;
		o->n++;
		if (h->age_ns > o->oldest.age_ns)
			o->oldest = *h;
		return 0;
	}
	return vec_add1(all->owners, new) != 0;
}

static int
compare_owners(const void *a, const void *b)
{
	const owner_t *x = a, *y = b;

	return x->n != y->n ? (x->n < y->n ? 1 : -1)
			    : (x->oldest.age_ns < y->oldest.age_ns) * 2 - 1;
}

static const char *
node_name(u16 node)
{
	const char *name = node ? rte_node_id_to_name(node - 1) : NULL;

	return name ? name : "-";
}

static void
thread_cell(cli_table_t *t, u16 index)
{
	const char *name = index == CLIB_THREAD_INDEX_NONE ? NULL : clib_thread_name(index);

	if (!name)
		cli_none(t);
	else if (name[0])
		cli_string(t, "%u %s", index, name);
	else
		cli_string(t, "%u", index);
}

typedef struct {
	cli_table_t *table;
	cli_output_t *out;
	u64 min_age_ns;
	u32 n_traced;
} show_t;

static int
add_owners(pktpool_t *pool, void *arg)
{
	show_t *s = arg;
	owners_t all = { .min_age_ns = s->min_age_ns };
	pktpool_trace_info_t trace;
	pktpool_info_t info;
	owner_t *o;

	pktpool_trace_get_info(pool, &trace);
	if (!trace.is_on)
		return 0;
	s->n_traced++;
	pktpool_get_info(pool, &info);
	pktpool_trace_foreach(pool, add_holding, &all);
	if (all.owners)
		qsort(all.owners, vec_len(all.owners), sizeof(*all.owners), compare_owners);
	vec_foreach (o, all.owners) {
		cli_row(s->table);
		cli_string(s->table, "%s", info.name);
		thread_cell(s->table, o->oldest.thread_index);
		cli_string(s->table, "%s", node_name(o->oldest.node));
		cli_string(s->table, "%s", node_name(o->oldest.seen_node));
		cli_u64(s->table, (u64)o->n * trace.every);
		cli_u64(s->table, o->n);
		cli_f64(s->table, (f64)o->oldest.age_ns * 1e-9);
		cli_string(s->table, "0x%lx", (uword)o->oldest.object);
		cli_string(s->table, "%U", format_clib_symbol, (uword)o->oldest.site);
	}
	vec_free(all.owners);
	return 0;
}

static const char *
level_name(const pktpool_trace_info_t *trace)
{
	return trace->flags & PKTPOOL_TRACE_POISON  ? ", checked and poisoned when free"
	       : trace->flags & PKTPOOL_TRACE_CHECK ? ", checked when free"
						    : "";
}

static int
add_trace_line(pktpool_t *pool, void *arg)
{
	cli_output_t *out = arg;
	pktpool_trace_info_t trace;
	pktpool_info_t info;

	pktpool_get_info(pool, &info);
	pktpool_trace_get_info(pool, &trace);
	if (trace.is_on)
		cli_text(out, "%s: %u in use; one in %u is watched, %u of %u%s", info.name,
			 info.n_used, trace.every, trace.n_watched, info.n_total,
			 level_name(&trace));
	else
		cli_text(out, "%s: %u in use; not traced: buffer-trace on", info.name, info.n_used);
	cli_list_item_begin(out, "traces");
	cli_field_string(out, "name", "%s", info.name);
	cli_field_u64(out, "used", info.n_used);
	cli_field_bool(out, "traced", trace.is_on);
	cli_field_u64(out, "sample", trace.every);
	cli_field_u64(out, "watched", trace.n_watched);
	cli_field_bool(out, "check", (trace.flags & PKTPOOL_TRACE_CHECK) != 0);
	cli_field_bool(out, "poison", (trace.flags & PKTPOOL_TRACE_POISON) != 0);
	cli_end(out);
	return 0;
}

void
buffer_show_owners(cli_output_t *out, f64 min_age)
{
	static const cli_column_t columns[] = {
		{ "name", "Pool Name", 20, CLI_LEFT },  { "owner", "Owner", 12, CLI_LEFT },
		{ "node", "Node", 18, CLI_LEFT },       { "last_node", "Last seen", 18, CLI_LEFT },
		{ "buffers", "Buffers", 8, CLI_RIGHT }, { "watched", "Watched", 8, CLI_RIGHT },
		{ "oldest", "Oldest s", 9, CLI_RIGHT }, { "sample", "Buffer", 16, CLI_LEFT },
		{ "site", "Site", 0, CLI_LEFT },
	};
	show_t s = { .out = out, .min_age_ns = (u64)(min_age * 1e9) };

	s.table = cli_table(out, "owners", columns, ARRAY_LEN(columns));
	pktpool_foreach(add_owners, &s);
	pktpool_foreach(add_trace_line, out);
}

/* ---- faults ---- */

static void
fault_site(cli_output_t *out, const char *what, const char *key, const void *site, u16 thread)
{
	if (!site)
		return;
	cli_text(out, "    %-10s %U, thread %d", what, format_clib_symbol, (uword)site,
		 thread == CLIB_THREAD_INDEX_NONE ? -1 : (int)thread);
	cli_object_begin(out, key);
	cli_field_string(out, "address", "0x%lx", (uword)site);
	cli_field_string(out, "site", "%U", format_clib_symbol, (uword)site);
	cli_field_i64(out, "thread", thread == CLIB_THREAD_INDEX_NONE ? -1 : (int)thread);
	cli_end(out);
}

static void
show_fault(cli_output_t *out, const pktpool_fault_t *f)
{
	cli_list_item_begin(out, "faults");
	cli_text(out, "%lu: %s of 0x%lx, pool %s", f->number, pktpool_fault_name(f->kind),
		 (uword)f->object, f->pool);
	cli_field_u64(out, "number", f->number);
	cli_field_string(out, "kind", "%s", pktpool_fault_name(f->kind));
	cli_field_string(out, "pool", "%s", f->pool);
	cli_field_string(out, "buffer", "0x%lx", (uword)f->object);
	if (f->kind == PKTPOOL_FAULT_REFCOUNT) {
		cli_text(out, "    found with %u references and %u segments", f->refcount,
			 f->n_segs);
		cli_field_u64(out, "references", f->refcount);
		cli_field_u64(out, "segments", f->n_segs);
	} else if (f->kind == PKTPOOL_FAULT_WRITE_AFTER_FREE) {
		cli_text(out, "    byte %u of its data room was written", f->offset);
		cli_field_u64(out, "offset", f->offset);
	}
	fault_site(out, "noticed at", "noticed", f->site, f->thread_index);
	fault_site(out, "taken at", "taken", f->taken_at, f->taken_by);
	fault_site(out, "freed at", "freed", f->freed_at, f->freed_by);
	cli_end(out);
}

static int
add_fault_counts(pktpool_t *pool, void *arg)
{
	cli_table_t *t = arg;
	pktpool_trace_info_t trace;
	pktpool_info_t info;

	pktpool_get_info(pool, &info);
	pktpool_trace_get_info(pool, &trace);
	cli_row(t);
	cli_string(t, "%s", info.name);
	for (u32 k = 0; k < PKTPOOL_N_FAULTS; k++)
		cli_u64(t, trace.n_faults[k]);
	return 0;
}

void
buffer_show_faults(cli_output_t *out)
{
	static const cli_column_t columns[] = {
		{ "name", "Pool Name", 20, CLI_LEFT },
		{ "double_free", "Double free", 12, CLI_RIGHT },
		{ "foreign_free", "Foreign free", 13, CLI_RIGHT },
		{ "write_after_free", "Write after free", 17, CLI_RIGHT },
		{ "reference_count", "Reference count", 16, CLI_RIGHT },
	};
	pktpool_fault_t faults[16];
	u32 n = pktpool_faults(faults, ARRAY_LEN(faults));

	pktpool_foreach(add_fault_counts, cli_table(out, "counts", columns, ARRAY_LEN(columns)));
	for (u32 i = 0; i < n; i++)
		show_fault(out, &faults[i]);
}

/* ---- buffer-trace ---- */

typedef struct {
	cli_output_t *out;
	u8 **names; /* vector; empty: all pools */
	u8 enable, without_nodes;
	u32 every, flags;
	u32 n_matched;
	clib_error_t *error;
} buffer_trace_t;

static int
is_named(const buffer_trace_t *a, const char *name)
{
	u8 **n;

	vec_foreach (n, a->names)
		if (!strcmp((char *)*n, name))
			return 1;
	return !a->names;
}

static int
trace_pool(pktpool_t *pool, void *arg)
{
	buffer_trace_t *a = arg;
	pktpool_trace_info_t trace;
	pktpool_info_t info;
	int error;

	pktpool_get_info(pool, &info);
	if (!is_named(a, info.name))
		return 0;
	a->n_matched++;
	if (a->enable) {
		error = pktpool_trace_on(pool, a->every, a->flags);
		if (error) {
			a->error = clib_error_return_code(
				0, error, 0, "tracing '%s': %s", info.name,
				error == -ENOTSUP ? "its object headers have no room for a record"
						  : strerror(-error));
			return 1;
		}
	} else {
		pktpool_trace_off(pool);
	}
	pktpool_trace_get_info(pool, &trace);
	if (trace.is_on)
		cli_text(a->out, "'%s': traced, one in %u buffers, %u of %u are watched%s",
			 info.name, trace.every, trace.n_watched, info.n_total, level_name(&trace));
	else
		cli_text(a->out, "'%s': not traced", info.name);
	cli_list_item_begin(a->out, "pools");
	cli_field_string(a->out, "name", "%s", info.name);
	cli_field_bool(a->out, "traced", trace.is_on);
	cli_field_u64(a->out, "sample", trace.every);
	cli_field_u64(a->out, "watched", trace.n_watched);
	cli_field_bool(a->out, "check", (trace.flags & PKTPOOL_TRACE_CHECK) != 0);
	cli_field_bool(a->out, "poison", (trace.flags & PKTPOOL_TRACE_POISON) != 0);
	cli_end(a->out);
	return 0;
}

static int
count_traced(pktpool_t *pool, void *arg)
{
	pktpool_trace_info_t trace;

	pktpool_trace_get_info(pool, &trace);
	*(u32 *)arg += trace.is_on;
	return 0;
}

static clib_error_t *
parse_buffer_trace(unformat_input_t *input, buffer_trace_t *a)
{
	u8 *name;

	if (unformat(input, "on"))
		a->enable = 1;
	else if (!unformat(input, "off"))
		return vmheap_config_unknown(input, "on or off");
	while (unformat_skip_white_space(input), !unformat_is_eof(input)) {
		if (a->enable && unformat(input, "sample %u", &a->every)) {
			if (!is_pow2(a->every) || !a->every || a->every > 4096)
				return clib_error_return(0,
							 "sample %u: one in how many buffers? A "
							 "power of two, at most 4096",
							 a->every);
		} else if (a->enable && unformat(input, "check"))
			a->flags |= PKTPOOL_TRACE_CHECK;
		else if (a->enable && unformat(input, "poison"))
			a->flags |= PKTPOOL_TRACE_POISON;
		else if (a->enable && unformat(input, "no-nodes"))
			a->without_nodes = 1;
		else if (unformat(input, "%s", &name)) {
			vec_add1(name, 0);
			vec_add1(a->names, name);
		} else
			return vmheap_config_unknown(input, "a pool's name");
	}
	return NULL;
}

static clib_error_t *
buffer_trace(cli_output_t *out, unformat_input_t *input, vmheap_cli_command_t *cmd)
{
	buffer_trace_t a = { .out = out };
	u32 n_traced = 0;
	int error;
	u8 **name;

	a.error = parse_buffer_trace(input, &a);
	if (!a.error)
		pktpool_foreach(trace_pool, &a);
	if (!a.error && a.n_matched < vec_len(a.names))
		a.error = clib_error_return(0, "%u of %u pools have such a name: show buffers",
					    a.n_matched, (u32)vec_len(a.names));
	pktpool_foreach(count_traced, &n_traced);
	error = pktpool_trace_nodes(n_traced && !a.without_nodes);
	if (error && !a.error)
		a.error = clib_error_return_code(0, error, 0, "no memory for the nodes' table");
	vec_foreach (name, a.names)
		vec_free(*name);
	vec_free(a.names);
	return a.error;
}
VMHEAP_CLI_COMMAND(buffer_trace) = {
	.path = "buffer-trace",
	.short_help = "buffer-trace on|off [POOL]... [sample N] [check] [poison] [no-nodes]",
	.long_help =
		"Watch one in N buffers (256; 1: all): show buffers owners then tells who holds\n"
		"them and since when, show buffers leaks the old ones.  check: frees are looked\n"
		"at, too, and show buffers faults tells what was freed twice, into another pool\n"
		"or with a wrong reference count.  poison: what is free is checked and filled,\n"
		"so that writes after the free are found.  no-nodes: graph nodes are not\n"
		"followed.  Without a pool's name: all.",
	.words = "on off sample check poison no-nodes",
	.function = buffer_trace,
};
