/* SPDX-License-Identifier: Apache-2.0 */
/* Constructors link what a plugin declares into lists, before main() for what is built in and
 * inside dlopen() for a plugin: nothing here may allocate at that time. */
#include <plugins/framework/framework_impl.h>

#include <plugins/framework/event_log.h>
#include <vppinfra/vec.h>

const char *framework_current_plugin;

static vmheap_init_t *inits, **inits_tail = &inits;
static vmheap_cli_command_t *commands;

static const char *const kind_names[] = {
	[VMHEAP_INIT] = "init function",
	[VMHEAP_CONFIG] = "config function",
	[VMHEAP_GRAPH_INIT] = "graph init function",
	[VMHEAP_MAIN_LOOP_ENTER] = "main loop enter function",
	[VMHEAP_EXIT] = "exit function",
};

void
vmheap_init_register(vmheap_init_t *i)
{
	i->plugin = framework_current_plugin;
	i->next = NULL;
	*inits_tail = i;
	inits_tail = &i->next;
}

void
vmheap_cli_register(vmheap_cli_command_t *c)
{
	c->plugin = framework_current_plugin;
	for (const vmheap_cli_command_t *o = commands; o; o = o->next) {
		if (strcmp(o->path, c->path))
			continue;
		vmheap_log("command '%s' of %s: passed over, %s has it already", c->path,
			   c->plugin ? c->plugin : "the daemon",
			   o->plugin ? o->plugin : "the daemon");
		return;
	}
	c->next = commands;
	commands = c;
}

vmheap_cli_command_t *
vmheap_cli_commands(void)
{
	return commands;
}

void
framework_withdraw_commands(const char *plugin)
{
	vmheap_cli_command_t **link = &commands;

	while (*link) {
		if ((*link)->plugin == plugin)
			*link = (*link)->next;
		else
			link = &(*link)->next;
	}
}

/* ---- config ---- */

static vmheap_init_t *
config_find(const char *stanza)
{
	for (vmheap_init_t *i = inits; i; i = i->next)
		if (i->kind == VMHEAP_CONFIG && i->stanza && !strcmp(i->stanza, stanza) &&
		    framework_plugin_is_usable(i->plugin))
			return i;
	return NULL;
}

int
vmheap_config_is_known(const char *stanza)
{
	return config_find(stanza) != NULL;
}

clib_error_t *
vmheap_config_call(const char *stanza, unformat_input_t *input)
{
	const vmheap_plugin_t *p = vmheap_plugin_by_name(stanza);
	vmheap_init_t *i = config_find(stanza);
	clib_error_t *error;

	if (!i && p && p->state != VMHEAP_PLUGIN_LOADED) {
		vmheap_log("stanza '%s': passed over, the plugin is not in use: %s", stanza,
			   p->reason);
		return NULL;
	}
	if (!i)
		return clib_error_return_code(0, -ENOENT, 0, "unknown stanza '%s'", stanza);
	framework_current_plugin = i->plugin;
	error = ((vmheap_config_function_t *)i->function)(input);
	framework_current_plugin = NULL;
	return error;
}

/* ---- init ---- */

/* Exit functions are for failed plugins too: their configuration was read, and maybe they made
 * half of what they wanted. */
static int
is_to_run(const vmheap_init_t *i, vmheap_init_kind_t kind)
{
	return i->kind == (u32)kind && !i->done &&
	       (kind == VMHEAP_EXIT || framework_plugin_is_usable(i->plugin));
}

/* Vector of the functions of a kind that are still to run, in base order. */
static int
collect(vmheap_init_kind_t kind, vmheap_init_t ***functions)
{
	vmheap_init_t **v = NULL;

	for (vmheap_init_t *i = inits; i; i = i->next) {
		if (!is_to_run(i, kind))
			continue;
		if (vec_add1(v, i)) {
			vec_free(v);
			return -ENOMEM;
		}
	}
	/* What came up last goes down first. */
	for (u32 a = 0, n = vec_len(v); kind == VMHEAP_EXIT && a < n / 2; a++) {
		vmheap_init_t *t = v[a];

		v[a] = v[n - 1 - a];
		v[n - 1 - a] = t;
	}
	*functions = v;
	return 0;
}

/* Functions that wait for each other in a circle: one of the daemon's own is an error, plugins
 * fail.  *is_changed says that another try makes sense. */
static clib_error_t *
break_cycle(vmheap_init_kind_t kind, vmheap_init_t **functions, const framework_order_item_t *items,
	    const u32 *cycle)
{
	u8 *text = framework_cycle_text(items, cycle);
	u8 *reason = format(NULL, "%ss wait for each other: %s%c", kind_names[kind], text, 0);
	clib_error_t *error = NULL;
	int n_plugins = 0;

	for (u32 k = 0; k < vec_len(cycle) && !error; k++) {
		const char *plugin = functions[cycle[k]]->plugin;

		if (!plugin)
			continue;
		n_plugins++;
		error = framework_plugin_fail(plugin, (char *)reason);
	}
	if (!error && !n_plugins)
		error = clib_error_return(0, "%s", reason);
	vec_free(text);
	vec_free(reason);
	return error;
}

/* Puts functions in order; *try_again after a cycle was broken. */
static clib_error_t *
sort_functions(vmheap_init_kind_t kind, vmheap_init_t ***functions, int *try_again)
{
	framework_order_item_t *items = NULL;
	vmheap_init_t **sorted = NULL;
	clib_error_t *error = NULL;
	u32 *order = NULL, *cycle = NULL, n = vec_len(*functions);
	int rv;

	*try_again = 0;
	if (!n)
		return NULL;
	vec_validate(items, n - 1);
	vec_validate(order, n - 1);
	vec_validate(sorted, n - 1);
	if (vec_len(items) < n || vec_len(order) < n || vec_len(sorted) < n) {
		error = clib_error_return(0, "ordering %ss: no memory", kind_names[kind]);
		goto done;
	}
	for (u32 k = 0; k < n; k++) {
		vmheap_init_t *i = (*functions)[k];

		items[k] = (framework_order_item_t){ i->name, i->runs_before, i->runs_after };
	}
	rv = framework_order(items, n, order, &cycle);
	if (rv == -ELOOP && kind == VMHEAP_EXIT) {
		/* Too late to refuse anybody: they run in base order. */
		u8 *text = framework_cycle_text(items, cycle);

		vmheap_log("%ss wait for each other: %s", kind_names[kind], text);
		vec_free(text);
	} else if (rv == -ELOOP) {
		error = break_cycle(kind, *functions, items, cycle);
		*try_again = !error;
	} else if (rv) {
		error = clib_error_return(0, "ordering %ss: %s", kind_names[kind], strerror(-rv));
	} else {
		for (u32 k = 0; k < n; k++)
			sorted[k] = (*functions)[order[k]];
		vec_free(*functions);
		*functions = sorted;
		sorted = NULL;
	}
done:
	vec_free(items);
	vec_free(order);
	vec_free(sorted);
	vec_free(cycle);
	return error;
}

static void
log_function_event(const vmheap_init_t *i, u64 cycles, int has_failed)
{
	ELOG_TYPE_DECLARE(e) = { .format = "%s %s in %u us",
				 .format_args = "T4t4i4",
				 .n_enum_strings = 2,
				 .enum_strings = { "done", "failed" } };
	ELOG_TRACK(functions);
	elog_main_t *em = vmheap_elog_main();
	u32 *d, name = vmheap_elog_name(i->name);

	d = ELOG_TRACK_DATA(em, e, functions);
	d[0] = name;
	d[1] = has_failed != 0;
	d[2] = (u32)((f64)cycles * em->cpu_timer.seconds_per_clock * 1e6);
}

static clib_error_t *
run_one(vmheap_init_t *i)
{
	clib_error_t *error;
	u64 start = clib_cpu_time_now();
	u8 *reason;

	i->done = 1;
	framework_current_plugin = i->plugin;
	error = ((vmheap_init_function_t *)i->function)();
	framework_current_plugin = NULL;
	log_function_event(i, clib_cpu_time_now() - start, error != 0);
	if (!error || !i->plugin)
		return error;
	/* What did not come back is the daemon's affair, whoever required the plugin. */
	if (i->kind == VMHEAP_EXIT)
		return clib_error_return(error, "plugin %s", i->plugin);
	/* The plugin's error becomes the plugin's reason. */
	reason = format(NULL, "%s %s: %v%c", kind_names[i->kind], i->name, error->what, 0);
	clib_error_free(error);
	error = framework_plugin_fail(i->plugin, (char *)reason);
	vec_free(reason);
	return error;
}

clib_error_t *
vmheap_init_call(vmheap_init_kind_t kind)
{
	clib_error_t *error = NULL, *first = NULL;
	vmheap_init_t **functions;
	int try_again;

	do {
		if (collect(kind, &functions))
			return clib_error_return(0, "ordering %ss: no memory", kind_names[kind]);
		error = sort_functions(kind, &functions, &try_again);
		if (error || try_again)
			vec_free(functions);
	} while (try_again);
	if (error)
		return error;

	for (u32 k = 0; k < vec_len(functions); k++) {
		/* A function before this one may have made its plugin fail. */
		if (!is_to_run(functions[k], kind))
			continue;
		error = run_one(functions[k]);
		if (!error)
			continue;
		if (kind != VMHEAP_EXIT) {
			first = error;
			break;
		}
		/* On the way out everybody gets a turn; the first error is the one returned. */
		if (first)
			clib_error_free(error);
		else
			first = error;
	}
	vec_free(functions);
	return first;
}
