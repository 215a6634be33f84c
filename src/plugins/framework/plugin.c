/* SPDX-License-Identifier: Apache-2.0 */
/* Loading goes in passes over a table, each of which can only refuse: scan and name, configuration
 * and note, requirements, order, dlopen.  Only the last runs a plugin's code. */
#include <plugins/framework/framework_impl.h>

#include <dirent.h>
#include <dlfcn.h>
#include <stdlib.h>
#include <plugins/framework/event_log.h>
#include <vppinfra/vec.h>

#define SUFFIX "_plugin.so"

static char *path_searched;      /* NUL-terminated vector */
static vmheap_plugin_t *plugins; /* vector: loaded in load order, then others by name */

static char *
string_dup(const char *s)
{
	return (char *)format(NULL, "%s%c", s, 0);
}

const vmheap_plugin_t *
vmheap_plugins(void)
{
	return plugins;
}

const char *
vmheap_plugin_path(void)
{
	return path_searched ? path_searched : "";
}

static vmheap_plugin_t *
find(vmheap_plugin_t *table, const char *name, uword n_bytes)
{
	vmheap_plugin_t *p;

	vec_foreach (p, table)
		if (strlen(p->name) == n_bytes && !memcmp(p->name, name, n_bytes))
			return p;
	return NULL;
}

const vmheap_plugin_t *
vmheap_plugin_by_name(const char *list)
{
	const char *name;
	u32 n_bytes;

	return framework_next_name(&list, &name, &n_bytes) ? find(plugins, name, n_bytes) : NULL;
}

int
framework_plugin_is_usable(const char *name)
{
	const vmheap_plugin_t *p = name ? find(plugins, name, strlen(name)) : NULL;

	/* Not in the table yet: its constructors are running. */
	return !p || p->state == VMHEAP_PLUGIN_LOADED;
}

/* ---- what became of it, for the event log ---- */

static void
log_plugin_event(const char *name, u32 what)
{
	ELOG_TYPE_DECLARE(e) = { .format = "%s %s",
				 .format_args = "T4t4",
				 .n_enum_strings = 3,
				 .enum_strings = { "loaded", "refused", "failed" } };
	ELOG_TRACK_DECLARE(track) = { .name = (char *)"plugins" };
	u32 *d, name_offset = vmheap_elog_name(name);

	d = ELOG_TRACK_DATA(vmheap_elog_main(), e, track);
	d[0] = name_offset;
	d[1] = what;
}

enum { EVENT_LOADED, EVENT_REFUSED, EVENT_FAILED };

/* ---- refusing ---- */

static void
refuse(vmheap_plugin_t *p, const char *fmt, ...)
{
	va_list va;

	va_start(va, fmt);
	p->reason = (char *)va_format(NULL, fmt, &va);
	va_end(va);
	p->reason = (char *)format((u8 *)p->reason, "%c", 0);
	p->state = VMHEAP_PLUGIN_REFUSED;
	vmheap_log("%s: refused: %s", p->path, p->reason);
	log_plugin_event(p->name, EVENT_REFUSED);
}

static void
refuse_error(vmheap_plugin_t *p, clib_error_t *error)
{
	refuse(p, "%v", error->what);
	clib_error_free(error);
}

clib_error_t *
framework_plugin_fail(const char *name, const char *reason)
{
	vmheap_plugin_t *p = find(plugins, name, strlen(name)), *q;
	clib_error_t *error = NULL;
	u32 *failed = NULL;

	/* A work list instead of recursion: each failure may fail those that require it. */
	if (!p || p->state != VMHEAP_PLUGIN_LOADED || vec_add1(failed, (u32)(p - plugins)))
		return NULL;
	p->reason = string_dup(reason);
	for (u32 i = 0; i < vec_len(failed); i++) {
		p = plugins + failed[i];
		p->state = VMHEAP_PLUGIN_FAILED;
		vmheap_log("plugin %s failed: %s", p->name, p->reason);
		log_plugin_event(p->name, EVENT_FAILED);
		framework_withdraw_commands(p->name);
		framework_withdraw_timers(p->name);
		framework_withdraw_nodes(p->name);
		if (p->is_required && !error)
			error = clib_error_return(0, "plugin %s is required and failed: %s",
						  p->name, p->reason);
		vec_foreach (q, plugins) {
			if (q->state != VMHEAP_PLUGIN_LOADED || q->reason ||
			    !framework_list_has(q->note.requires, p->name))
				continue;
			q->reason = (char *)format(NULL, "requires %s, which failed%c", p->name, 0);
			vec_add1(failed, (u32)(q - plugins));
		}
	}
	vec_free(failed);
	return error;
}

/* ---- the table of one load ---- */

static const vmheap_plugin_entry_t *
entry_of(const vmheap_plugin_config_t *config, const char *plugin)
{
	const vmheap_plugin_entry_t *e;

	vec_foreach (e, config->entries)
		if (framework_list_has(e->name, plugin))
			return e;
	return NULL;
}

static clib_error_t *
check_entries(const vmheap_plugin_config_t *config)
{
	const vmheap_plugin_entry_t *a;

	vec_foreach (a, config->entries) {
		const char *list = a->name, *name;
		char copy[64];
		u32 n_bytes;

		if (!framework_next_name(&list, &name, &n_bytes) || n_bytes >= sizeof(copy))
			return clib_error_return_code(0, -EINVAL, 0, "'%s' is not a plugin's name",
						      a->name);
		if (a->disable && (a->enable || a->require))
			return clib_error_return_code(
				0, -EINVAL, 0, "plugin %s: disable and %s exclude each other",
				a->name, a->enable ? "enable" : "require");
		memcpy(copy, name, n_bytes);
		copy[n_bytes] = 0;
		if (entry_of(config, copy) != a)
			return clib_error_return_code(0, -EINVAL, 0,
						      "plugin %s is configured twice", a->name);
	}
	return NULL;
}

static int
add_file(vmheap_plugin_t **table, const char *dir, const char *file)
{
	vmheap_plugin_t p = { 0 }, *first;
	uword n_bytes = strlen(file) - strlen(SUFFIX);

	p.path = (char *)format(NULL, "%s/%s%c", dir, file, 0);
	first = find(plugins, file, n_bytes);
	if (!first)
		first = find(*table, file, n_bytes);
	if (first) {
		if (strcmp(first->path, p.path))
			vmheap_log("%s: passed over, %s comes first in the plugin path", p.path,
				   first->path);
		vec_free(p.path);
		return 0;
	}
	p.name = (char *)format(NULL, "%.*s%c", (int)n_bytes, file, 0);
	if (p.path && p.name && !vec_add1(*table, p))
		return 0;
	vec_free(p.path);
	vec_free(p.name);
	return -ENOMEM;
}

static int
is_plugin_file(const char *file)
{
	uword n_bytes = strlen(file);

	return n_bytes > strlen(SUFFIX) && file[0] != '.' &&
	       !strcmp(file + n_bytes - strlen(SUFFIX), SUFFIX);
}

static int
scan_dir(vmheap_plugin_t **table, const char *dir)
{
	struct dirent *e;
	int rv = 0;
	DIR *d;

	d = opendir(dir);
	if (!d) {
		vmheap_log("plugin path %s: %s", dir, strerror(errno));
		return 0;
	}
	while (!rv && (e = readdir(d)))
		if (is_plugin_file(e->d_name))
			rv = add_file(table, dir, e->d_name);
	closedir(d);
	return rv;
}

static int
scan(vmheap_plugin_t **table, const vmheap_plugin_config_t *config)
{
	char **path;

	vec_foreach (path, config->paths) {
		const char *p = *path;
		u8 *all = format(NULL, "%s%s%s%c", vmheap_plugin_path(), path_searched ? ":" : "",
				 p, 0);

		vec_free(path_searched);
		path_searched = (char *)all;
		while (*p) {
			uword n_bytes = strcspn(p, ":");
			u8 *dir = NULL;
			int rv = 0;

			if (n_bytes) {
				dir = format(NULL, "%.*s%c", (int)n_bytes, p, 0);
				rv = dir ? scan_dir(table, (char *)dir) : -ENOMEM;
				vec_free(dir);
			}
			if (rv)
				return rv;
			p += n_bytes + (p[n_bytes] == ':');
		}
	}
	return 0;
}

static int
compare_names(const void *a, const void *b)
{
	return strcmp(((const vmheap_plugin_t *)a)->name, ((const vmheap_plugin_t *)b)->name);
}

/* Configuration and note. */
static void
examine(vmheap_plugin_t *p, const vmheap_plugin_config_t *config)
{
	const vmheap_plugin_entry_t *e = entry_of(config, p->name);
	clib_error_t *error = vmheap_plugin_read_note(p->path, p->name, &p->note);
	int is_wanted = e && (e->enable || e->require);

	p->is_required = e && e->require;
	if ((e && e->disable) || (config->default_disable && !is_wanted)) {
		p->state = VMHEAP_PLUGIN_DISABLED;
		p->reason = string_dup("disabled by configuration");
		clib_error_free(error);
	} else if (error) {
		refuse_error(p, error);
	} else if (p->note.default_disabled && !is_wanted) {
		p->state = VMHEAP_PLUGIN_DISABLED;
		p->reason = string_dup("disabled by default, enable it in startup.conf");
	}
}

/* ---- requirements and order ---- */

/* Another plugin of this load, or one of an earlier load. */
static const vmheap_plugin_t *
required_plugin(vmheap_plugin_t *table, const char *name, u32 n_bytes)
{
	const vmheap_plugin_t *q = find(table, name, n_bytes);

	return q ? q : find(plugins, name, n_bytes);
}

static int
requirements_are_met(vmheap_plugin_t *table, vmheap_plugin_t *p)
{
	static const char *const without[] = {
		[VMHEAP_PLUGIN_DISABLED] = "is disabled",
		[VMHEAP_PLUGIN_REFUSED] = "was refused",
		[VMHEAP_PLUGIN_FAILED] = "failed",
	};
	const char *list = p->note.requires, *name;
	u32 n_bytes;

	while (framework_next_name(&list, &name, &n_bytes)) {
		const vmheap_plugin_t *q = required_plugin(table, name, n_bytes);

		if (q && q->state == VMHEAP_PLUGIN_LOADED)
			continue;
		if (!q)
			refuse(p, "requires %.*s, which was not found", (int)n_bytes, name);
		else
			refuse(p, "requires %s, which %s", q->name, without[q->state]);
		return 0;
	}
	return 1;
}

/* Refusing one may leave another without its requirement. */
static void
check_requirements(vmheap_plugin_t *table)
{
	vmheap_plugin_t *p;
	int is_changed;

	do {
		is_changed = 0;
		vec_foreach (p, table)
			if (p->state == VMHEAP_PLUGIN_LOADED && !requirements_are_met(table, p))
				is_changed = 1;
	} while (is_changed);
}

/* Indices of what is to be loaded, in load order.  Cycles are refused and another try made. */
static int
order_plugins(vmheap_plugin_t *table, u32 **load_order)
{
	framework_order_item_t *items = NULL;
	u32 *index = NULL, *order = NULL, *cycle = NULL, n = 0;
	u8 *after, **lists = NULL, **list;
	int error = 0;

	vec_validate(items, vec_len(table));
	vec_validate(index, vec_len(table));
	vec_validate(order, vec_len(table));
	if (!items || !index || !order)
		error = -ENOMEM;
	for (u32 i = 0; i < vec_len(table) && !error; i++) {
		if (table[i].state != VMHEAP_PLUGIN_LOADED)
			continue;
		after = format(NULL, "%s,%s%c", table[i].note.requires, table[i].note.load_after,
			       0);
		if (!after || vec_add1(lists, after)) {
			vec_free(after);
			error = -ENOMEM;
			break;
		}
		items[n] = (framework_order_item_t){ table[i].name, NULL, (char *)after };
		index[n++] = i;
	}
	if (!error)
		error = framework_order(items, n, order, &cycle);
	if (error == -ELOOP) {
		u8 *text = framework_cycle_text(items, cycle);

		for (u32 k = 0; k < vec_len(cycle); k++)
			refuse(table + index[cycle[k]], "must be loaded after itself: %s", text);
		vec_free(text);
		error = -EAGAIN;
	}
	for (u32 k = 0; k < n && !error; k++)
		error = vec_add1(*load_order, index[order[k]]);
	vec_foreach (list, lists)
		vec_free(*list);
	vec_free(lists);
	vec_free(items);
	vec_free(index);
	vec_free(order);
	vec_free(cycle);
	return error;
}

/* ---- loading ---- */

static void
open_plugin(vmheap_plugin_t *p)
{
	framework_current_plugin = p->name;
	p->handle = dlopen(p->path, RTLD_NOW | RTLD_LOCAL);
	framework_current_plugin = NULL;
	if (p->handle)
		log_plugin_event(p->name, EVENT_LOADED);
	else
		refuse(p, "%s", dlerror());
}

static clib_error_t *
check_required(const vmheap_plugin_config_t *config)
{
	const vmheap_plugin_entry_t *e;
	clib_error_t *error = NULL;

	vec_foreach (e, config->entries) {
		const vmheap_plugin_t *p = vmheap_plugin_by_name(e->name);

		if (p && p->state == VMHEAP_PLUGIN_LOADED)
			continue;
		if (e->require)
			error = clib_error_return(error, "plugin %s is required but %s: %s",
						  e->name, p ? "not usable" : "missing",
						  p ? p->reason : "not in the plugin path");
		else if (e->enable && !p)
			vmheap_log("plugin %s is enabled but not in the plugin path", e->name);
	}
	return error;
}

/* The table of this load joins the others: what was loaded before anything that was not. */
static int
keep(vmheap_plugin_t *table, const u32 *load_order)
{
	vmheap_plugin_t *all = NULL, *p;
	u32 n_loaded = 0, n;

	n = vec_len(plugins) + vec_len(table);
	if (!n)
		return 0;
	vec_validate(all, n - 1);
	if (vec_len(all) < n)
		return -ENOMEM;
	n = 0;
	vec_foreach (p, plugins)
		if (p->handle)
			all[n++] = *p;
	for (u32 k = 0; k < vec_len(load_order); k++)
		if (table[load_order[k]].handle)
			all[n++] = table[load_order[k]];
	n_loaded = n;
	vec_foreach (p, plugins)
		if (!p->handle)
			all[n++] = *p;
	vec_foreach (p, table)
		if (!p->handle)
			all[n++] = *p;
	qsort(all + n_loaded, n - n_loaded, sizeof(*all), compare_names);
	vec_free(plugins);
	plugins = all;
	return 0;
}

clib_error_t *
vmheap_plugins_load(const vmheap_plugin_config_t *config)
{
	vmheap_plugin_t *table = NULL, *p;
	u32 *load_order = NULL;
	clib_error_t *error = check_entries(config);
	int rv;

	if (error)
		return error;
	rv = scan(&table, config);
	if (!rv && !vec_len(table) && !vec_len(vmheap_plugins()))
		vmheap_log(
			"no NAME_plugin.so in %s: nothing will move packets; see plugins { path }",
			*vmheap_plugin_path() ? vmheap_plugin_path() : "any path");
	if (table)
		qsort(table, vec_len(table), sizeof(*table), compare_names);
	vec_foreach (p, table)
		examine(p, config);
	while (!rv) {
		check_requirements(table);
		rv = order_plugins(table, &load_order);
		if (rv != -EAGAIN)
			break;
		rv = 0;
	}
	for (u32 k = 0; k < vec_len(load_order) && !rv; k++) {
		p = table + load_order[k];
		/* A requirement may have been refused by the loader just now. */
		if (requirements_are_met(table, p))
			open_plugin(p);
	}
	if (!rv)
		rv = keep(table, load_order);
	vec_free(load_order);
	vec_free(table);
	if (rv)
		return clib_error_return_code(0, rv, 0, "loading plugins: %s", strerror(-rv));
	return check_required(config);
}

void
vmheap_framework_free(void)
{
	vmheap_plugin_t *p;

	vmheap_graphs_destroy();
	framework_graph_requests_free();
	framework_timers_free();
	framework_runtime_free();
	framework_errors_free();
	vec_foreach (p, plugins) {
		vec_free(p->name);
		vec_free(p->path);
		vec_free(p->reason);
	}
	vec_free(plugins);
	vec_free(path_searched);
}
