/* SPDX-License-Identifier: Apache-2.0 */
/* The framework's own commands, with VPP's words, columns and widths.  None stops a worker. */
#include <plugins/framework/framework_impl.h>

#include <sched.h>
#include <unistd.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <vppinfra/vec.h>

/* The one option that these commands know. */
static clib_error_t *
parse_verbose(unformat_input_t *input, int *is_verbose)
{
	*is_verbose = 0;
	while (unformat_check_input(input) != UNFORMAT_END_OF_INPUT) {
		if (!unformat(input, "verbose"))
			return vmheap_config_unknown(input, "verbose");
		*is_verbose = 1;
	}
	return NULL;
}

static clib_error_t *
parse_nothing(unformat_input_t *input)
{
	if (unformat_check_input(input) != UNFORMAT_END_OF_INPUT)
		return vmheap_config_unknown(input, "no more words");
	return NULL;
}

/* ---- show plugins ---- */

static const char *const plugin_states[] = {
	[VMHEAP_PLUGIN_LOADED] = "loaded",
	[VMHEAP_PLUGIN_DISABLED] = "disabled",
	[VMHEAP_PLUGIN_REFUSED] = "refused",
	[VMHEAP_PLUGIN_FAILED] = "failed",
};

static void
show_loaded_plugins(cli_output_t *out)
{
	static const cli_column_t columns[] = {
		{ "index", "", 5, CLI_RIGHT },
		{ "name", "Plugin", 41, CLI_LEFT },
		{ "version", "Version", 33, CLI_LEFT },
		{ "description", "Description", 0, CLI_LEFT },
	};
	cli_table_t *t = cli_table(out, "plugins", columns, ARRAY_LEN(columns));
	const vmheap_plugin_t *p;
	u32 n = 0;

	vec_foreach (p, vmheap_plugins()) {
		if (p->state != VMHEAP_PLUGIN_LOADED)
			continue;
		cli_row(t);
		cli_u64(t, ++n);
		cli_string(t, "%s_plugin.so", p->name);
		cli_string(t, "%s", p->note.version);
		cli_string(t, "%s", p->note.description);
	}
}

static void
show_other_plugins(cli_output_t *out)
{
	static const cli_column_t columns[] = {
		{ "name", "Not in use", 46, CLI_LEFT },
		{ "state", "State", 10, CLI_LEFT },
		{ "reason", "Reason", 0, CLI_LEFT },
		{ "path", "File", 0, CLI_LEFT },
	};
	cli_table_t *t = NULL;
	const vmheap_plugin_t *p;

	vec_foreach (p, vmheap_plugins()) {
		if (p->state == VMHEAP_PLUGIN_LOADED)
			continue;
		if (!t) {
			cli_text(out, "");
			t = cli_table(out, "not_in_use", columns, ARRAY_LEN(columns));
		}
		cli_row(t);
		cli_string(t, "%s_plugin.so", p->name);
		cli_string(t, "%s", plugin_states[p->state]);
		cli_string(t, "%s", p->reason ? p->reason : "");
		cli_string(t, "%s", p->path);
	}
}

static void
show_plugin_orders(cli_output_t *out)
{
	static const cli_column_t columns[] = {
		{ "name", "Plugin", 46, CLI_LEFT },
		{ "requires", "Requires", 16, CLI_LEFT },
		{ "load_after", "Must load after", 18, CLI_LEFT },
		{ "path", "File", 0, CLI_LEFT },
	};
	cli_table_t *t;
	const vmheap_plugin_t *p;

	cli_text(out, "");
	t = cli_table(out, "dependencies", columns, ARRAY_LEN(columns));
	vec_foreach (p, vmheap_plugins()) {
		if (p->state != VMHEAP_PLUGIN_LOADED)
			continue;
		cli_row(t);
		cli_string(t, "%s_plugin.so", p->name);
		cli_string(t, "%s", p->note.requires);
		cli_string(t, "%s", p->note.load_after);
		cli_string(t, "%s", p->path);
	}
}

static clib_error_t *
show_plugins_fn(cli_output_t *out, unformat_input_t *input, vmheap_cli_command_t *cmd)
{
	clib_error_t *error;
	int is_verbose;

	if ((error = parse_verbose(input, &is_verbose)))
		return error;
	cli_text(out, " Plugin path is: %s, plugins shown in load order", vmheap_plugin_path());
	cli_field_string(out, "path", "%s", vmheap_plugin_path());
	cli_text(out, "");
	show_loaded_plugins(out);
	if (is_verbose)
		show_plugin_orders(out);
	show_other_plugins(out);
	return NULL;
}

VMHEAP_CLI_COMMAND(show_plugins) = {
	.path = "show plugins",
	.short_help = "show plugins [verbose]",
	.long_help = "Plugins in load order, then those that are not in use and why.\n"
		     "verbose: what each requires, what it must load after, and its file.",
	.words = "verbose",
	.function = show_plugins_fn,
};

/* ---- show runtime ---- */

/* What goes in, out and to drop, and how full the vectors between are. */
typedef struct {
	f64 in, out, drop, vectors_per_call;
} node_rates_t;

static node_rates_t
node_rates(const framework_node_stats_t *stats, f64 seconds)
{
	u64 in = 0, out = 0, drop = 0, n_calls = 0, n_objs = 0;
	const framework_node_stats_t *s;

	vec_foreach (s, stats) {
		in += s->is_source ? s->n_objs : 0;
		out += s->is_output ? s->n_objs : 0;
		drop += s->is_drop ? s->n_objs : 0;
		n_calls += s->is_source ? 0 : s->n_calls;
		n_objs += s->is_source ? 0 : s->n_objs;
	}
	/* What an output node hands to drop is not out. */
	return (node_rates_t){ .in = (f64)in / seconds,
			       .out = (f64)out / seconds,
			       .drop = (f64)drop / seconds,
			       .vectors_per_call = n_calls ? (f64)n_objs / (f64)n_calls : 0 };
}

static int
compare_stats(const void *a, const void *b)
{
	return strcmp(((const framework_node_stats_t *)a)->name,
		      ((const framework_node_stats_t *)b)->name);
}

static void
show_nodes(cli_output_t *out, const framework_node_stats_t *stats, int is_verbose)
{
	static const cli_column_t columns[] = {
		{ "name", "Name", 30, CLI_LEFT },
		{ "state", "State", 12, CLI_CENTRE },
		{ "calls", "Calls", 16, CLI_RIGHT },
		{ "vectors", "Vectors", 16, CLI_RIGHT },
		{ "suspends", "Suspends", 16, CLI_RIGHT },
		{ "packet_clocks", "Packet-Clocks", 16, CLI_RIGHT },
		{ "vectors_per_call", "Vectors/Call", 16, CLI_RIGHT },
	};
	cli_table_t *t = cli_table(out, "nodes", columns, ARRAY_LEN(columns));
	const framework_node_stats_t *s;

	vec_foreach (s, stats) {
		u64 n_packets = s->n_objs ? s->n_objs : s->n_calls;

		if (!is_verbose && !s->n_calls)
			continue;
		cli_row(t);
		cli_string(t, "%s", s->name);
		cli_string(t, "%s", s->is_source ? "polling" : "active");
		cli_u64(t, s->n_calls);
		cli_u64(t, s->n_objs);
		cli_u64(t, 0); /* a graph node never suspends: VPP's processes do */
		cli_f64(t, n_packets ? (f64)s->n_cycles / (f64)n_packets : 0);
		cli_f64(t, s->n_calls ? (f64)s->n_objs / (f64)s->n_calls : 0);
	}
}

static void
show_worker_runtime(cli_output_t *out, u32 w, int is_verbose)
{
	framework_node_stats_t *stats = framework_node_stats(w);
	f64 seconds = clib_max(framework_runtime_seconds(), 1e-6);
	f64 loops = (f64)framework_runtime_loops(w) / seconds;
	node_rates_t r = node_rates(stats, seconds);
	framework_worker_t *worker = framework_worker(w);

	if (stats)
		qsort(stats, vec_len(stats), sizeof(*stats), compare_stats);
	if (w)
		cli_text(out, "---------------");
	cli_text(out, "Thread %u %s (lcore %u)", w + 1, worker->name, worker->lcore);
	cli_text(out, "Time %.1f, %.1f sec internal node vector rate %.2f loops/sec %.2f", seconds,
		 seconds, r.vectors_per_call, loops);
	cli_text(out, "  vector rates in %.4e, out %.4e, drop %.4e, punt %.4e", r.in, r.out, r.drop,
		 0.0);
	cli_list_item_begin(out, "threads");
	cli_field_u64(out, "thread", w + 1);
	cli_field_string(out, "name", "%s", worker->name);
	cli_field_u64(out, "lcore", worker->lcore);
	cli_field_f64(out, "seconds", seconds);
	cli_field_f64(out, "internal_node_vector_rate", r.vectors_per_call);
	cli_field_f64(out, "loops_per_second", loops);
	cli_field_f64(out, "in_per_second", r.in);
	cli_field_f64(out, "out_per_second", r.out);
	cli_field_f64(out, "drop_per_second", r.drop);
	if (stats)
		show_nodes(out, stats, is_verbose);
	else
		cli_text(out, "  no source node: this worker has no graph");
	cli_end(out);
	vec_free(stats);
}

static clib_error_t *
show_runtime_fn(cli_output_t *out, unformat_input_t *input, vmheap_cli_command_t *cmd)
{
	u32 n_workers = vmheap_n_workers();
	clib_error_t *error;
	int is_verbose;

	if ((error = parse_verbose(input, &is_verbose)))
		return error;
	for (u32 w = 0; w < n_workers; w++)
		show_worker_runtime(out, w, is_verbose);
	if (!n_workers)
		cli_text(out,
			 "no worker lcores: give the daemon some, cpu { corelist-workers ... }");
	return NULL;
}

VMHEAP_CLI_COMMAND(show_runtime) = {
	.path = "show runtime",
	.short_help = "show runtime [verbose]",
	.long_help = "Calls, packets and clocks of each graph node, by worker, since the last\n"
		     "`clear runtime`, read while workers run.  verbose: nodes never called, too.\n"
		     "Packet-Clocks of a node that moved nothing are clocks per call.",
	.words = "verbose",
	.function = show_runtime_fn,
};

static clib_error_t *
clear_runtime_fn(cli_output_t *out, unformat_input_t *input, vmheap_cli_command_t *cmd)
{
	clib_error_t *error = parse_nothing(input);

	if (!error)
		framework_runtime_clear();
	return error;
}

VMHEAP_CLI_COMMAND(clear_runtime) = {
	.path = "clear runtime",
	.short_help = "clear runtime",
	.long_help = "Count graph nodes from zero again.  Workers are not disturbed.",
	.function = clear_runtime_fn,
};

/* ---- show errors ---- */

static const cli_column_t error_columns[] = {
	{ "count", "Count", 10, CLI_RIGHT },    { "node", "Node", 35, CLI_CENTRE },
	{ "reason", "Reason", 35, CLI_CENTRE }, { "severity", "Severity", 10, CLI_CENTRE },
	{ "index", "Index", 10, CLI_RIGHT },
};

/* thread ~0: the sum of all.  The index column is verbose only. */
static void
show_error_rows(cli_output_t *out, u32 thread, int is_verbose)
{
	cli_table_t *t =
		cli_table(out, "errors", error_columns, ARRAY_LEN(error_columns) - !is_verbose);
	vmheap_error_strings_t **s;

	vec_foreach (s, framework_error_sets()) {
		for (u32 i = 0; i < (*s)->n_reasons; i++) {
			u32 counter = (*s)->first_index + i;
			u64 n = thread == ~0u ? framework_error_sum(counter)
					      : framework_error_of_thread(counter, thread);

			if (!n)
				continue;
			cli_row(t);
			cli_u64(t, n);
			cli_string(t, "%s", (*s)->node);
			cli_string(t, "%s", (*s)->reasons[i]);
			cli_string(t, "error");
			if (is_verbose)
				cli_u64(t, counter);
		}
	}
}

static void
show_thread_errors(cli_output_t *out, u32 thread)
{
	const char *name = clib_thread_name((u16)thread);

	cli_list_item_begin(out, "threads");
	if (thread == CLIB_MAX_THREADS) {
		cli_text(out, "Threads without an index:");
		cli_field_string(out, "name", "without an index");
	} else {
		cli_text(out, "Thread %u (%s):", thread, *name ? name : "no name");
		cli_field_u64(out, "thread", thread);
		cli_field_string(out, "name", "%s", name);
	}
	show_error_rows(out, thread, 1);
	cli_end(out);
}

static int
thread_has_errors(u32 thread)
{
	vmheap_error_strings_t **s;

	vec_foreach (s, framework_error_sets())
		for (u32 i = 0; i < (*s)->n_reasons; i++)
			if (framework_error_of_thread((*s)->first_index + i, thread))
				return 1;
	return 0;
}

static clib_error_t *
show_errors_fn(cli_output_t *out, unformat_input_t *input, vmheap_cli_command_t *cmd)
{
	clib_error_t *error;
	int is_verbose;

	if ((error = parse_verbose(input, &is_verbose)))
		return error;
	if (is_verbose) {
		for (u32 t = 0; t < clib_thread_index_limit(); t++)
			if (thread_has_errors(t))
				show_thread_errors(out, t);
		if (thread_has_errors(CLIB_MAX_THREADS))
			show_thread_errors(out, CLIB_MAX_THREADS);
		cli_text(out, "Total:");
	}
	show_error_rows(out, ~0u, is_verbose);
	return NULL;
}

VMHEAP_CLI_COMMAND(show_errors) = {
	.path = "show errors",
	.short_help = "show errors [verbose]",
	.long_help = "Packets by node and reason since the last `clear errors`, nonzero only.\n"
		     "verbose: by thread, with the counter's index, then the total.",
	.words = "verbose",
	.function = show_errors_fn,
};

static clib_error_t *
clear_errors_fn(cli_output_t *out, unformat_input_t *input, vmheap_cli_command_t *cmd)
{
	clib_error_t *error = parse_nothing(input);
	int rv;

	if (!error && (rv = framework_errors_clear()))
		error = clib_error_return_code(0, rv, 0, "clearing errors: %s", strerror(-rv));
	return error;
}

VMHEAP_CLI_COMMAND(clear_errors) = {
	.path = "clear errors",
	.short_help = "clear errors",
	.long_help = "Count errors from zero again.  Threads that count are not disturbed.",
	.function = clear_errors_fn,
};

/* ---- show lcores ---- */

/* "0,2-3": the CPUs an lcore may run on. */
static u8 *
format_cpuset(u8 *s, va_list *va)
{
	const rte_cpuset_t *set = va_arg(*va, const rte_cpuset_t *);
	const char *comma = "";

	for (u32 c = 0; c < CPU_SETSIZE; c++) {
		u32 last = c;

		if (!CPU_ISSET(c, set))
			continue;
		while (last + 1 < CPU_SETSIZE && CPU_ISSET(last + 1, set))
			last++;
		s = format(s, "%s%u", comma, c);
		if (last > c)
			s = format(s, "-%u", last);
		comma = ",";
		c = last;
	}
	return s;
}

static u8 *
format_scheduling(u8 *s, va_list *va)
{
	pid_t tid = (pid_t)va_arg(*va, u32);
	struct sched_param p = { 0 };
	int policy = sched_getscheduler(tid);

	if (policy < 0 || sched_getparam(tid, &p) < 0)
		return format(s, "?");
	switch (policy) {
	case SCHED_OTHER:
		return format(s, "other (%d)", p.sched_priority);
	case SCHED_FIFO:
		return format(s, "fifo (%d)", p.sched_priority);
	case SCHED_RR:
		return format(s, "rr (%d)", p.sched_priority);
	case SCHED_BATCH:
		return format(s, "batch (%d)", p.sched_priority);
	case SCHED_IDLE:
		return format(s, "idle (%d)", p.sched_priority);
	default:
		return format(s, "%d (%d)", policy, p.sched_priority);
	}
}

static void
show_lcore(cli_table_t *t, u32 lcore)
{
	u32 w = vmheap_worker_of_lcore(lcore);
	framework_worker_t *worker = w == ~0u ? NULL : framework_worker(w);
	int is_running = worker && rte_eal_get_lcore_state(lcore) == RUNNING;
	u32 tid = worker ? atomic_load_explicit(&worker->tid, memory_order_relaxed) : 0;
	rte_cpuset_t cpus = rte_lcore_cpuset(lcore);

	if (lcore == rte_get_main_lcore())
		tid = (u32)getpid();
	cli_row(t);
	cli_u64(t, lcore);
	cli_string(t, "%s", worker ? worker->name : lcore == rte_get_main_lcore() ? "main" : "");
	cli_string(t, "%s", worker ? "worker" : lcore == rte_get_main_lcore() ? "main" : "unused");
	if (tid) {
		cli_u64(t, tid);
		cli_string(t, "%U", format_scheduling, tid);
	} else {
		cli_none(t);
		cli_none(t);
	}
	cli_string(t, "%U", format_cpuset, &cpus);
	cli_u64(t, rte_lcore_to_socket_id(lcore));
	if (worker) {
		cli_string(t, "%s", !is_running ? "wait" : worker->graph ? "polling" : "no source");
		cli_u64(t, atomic_load_explicit(&worker->n_loops, memory_order_relaxed));
		cli_u64(t, atomic_load_explicit(&worker->n_sleeps, memory_order_relaxed));
	} else {
		cli_string(t, "%s", lcore == rte_get_main_lcore() ? "control" : "wait");
	}
}

static clib_error_t *
show_lcores_fn(cli_output_t *out, unformat_input_t *input, vmheap_cli_command_t *cmd)
{
	static const cli_column_t columns[] = {
		{ "lcore", "ID", 4, CLI_LEFT },
		{ "name", "Name", 12, CLI_LEFT },
		{ "type", "Type", 9, CLI_LEFT },
		{ "lwp", "LWP", 9, CLI_LEFT },
		{ "sched", "Sched Policy (Priority)", 25, CLI_LEFT },
		{ "cpus", "CPUs", 8, CLI_LEFT },
		{ "socket", "Socket", 8, CLI_LEFT },
		{ "state", "State", 10, CLI_LEFT },
		{ "loops", "Loops", 14, CLI_RIGHT },
		{ "sleeps", "Sleeps", 10, CLI_RIGHT },
	};
	clib_error_t *error = parse_nothing(input);
	cli_table_t *t;
	u32 lcore;

	if (error)
		return error;
	t = cli_table(out, "lcores", columns, ARRAY_LEN(columns));
	RTE_LCORE_FOREACH (lcore)
		show_lcore(t, lcore);
	return NULL;
}

VMHEAP_CLI_COMMAND(show_lcores) = {
	.path = "show lcores",
	.short_help = "show lcores",
	.long_help =
		"Each lcore: its thread, the CPUs it may run on, what it does, how many times\n"
		"it walked its graph and how many times it slept because nothing came.",
	.function = show_lcores_fn,
};
