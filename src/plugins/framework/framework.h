/* SPDX-License-Identifier: Apache-2.0 */
/* framework: what the daemon calls, in this order.  Plugins include plugins/plugin.h instead.
 *
 *   clib_mem_init, parse startup.conf
 *     vmheap_plugins_load       notes read and checked, then dlopen, dependencies first
 *     vmheap_config_call        once a stanza that the daemon does not know itself
 *     rte_eal_init
 *     vmheap_init_call          VMHEAP_INIT, then VMHEAP_GRAPH_INIT
 *     vmheap_graphs_create      one rte_graph a worker
 *     vmheap_init_call          VMHEAP_MAIN_LOOP_ENTER
 *     vmheap_workers_start
 *     ... event loop: vmheap_timers_run() ...
 *     vmheap_workers_stop, vmheap_graphs_destroy
 *     vmheap_init_call          VMHEAP_EXIT
 *     vmheap_framework_free
 *
 * A plugin that cannot be used never ends the daemon by itself: it is refused (before its code
 * ran) or failed (its init said no), logged, and shown with its reason by `show plugins`.  Only
 * one that the configuration requires turns into an error here.
 *
 * Threads: the main lcore alone, except where a call says otherwise. */
#ifndef included_framework_framework_h
#define included_framework_framework_h

#include <plugins/plugin.h>

/* ---- log ---- */

/** Receives one line, NUL-terminated, without a newline. */
typedef void(vmheap_log_function_t)(const char *line);

/** Where refused plugins and failed functions are reported; NULL: stderr, "vmheap: " in front. */
CLIB_EXPORT void vmheap_log_set_function(vmheap_log_function_t *fn);

/** One line by format().  Threads: any, if the function is. */
CLIB_EXPORT void vmheap_log(const char *fmt, ...);

/* ---- plugins ---- */

/** `plugins { plugin NAME { enable | disable | require } }` */
typedef struct {
	char *name; /* "sample"; "sample_plugin.so" means the same */
	u8 enable;  /* load it although the note or `plugin default` disables it */
	u8 disable;
	u8 require; /* enable, and an error when it cannot be used */
} vmheap_plugin_entry_t;

typedef struct {
	char **paths; /* vector of colon separated directory lists; of one name the first wins */
	vmheap_plugin_entry_t *entries; /* vector */
	u8 default_disable;             /* only what is enabled or required is loaded */
} vmheap_plugin_config_t;

typedef enum {
	VMHEAP_PLUGIN_LOADED,
	VMHEAP_PLUGIN_DISABLED, /* by configuration or by its own note; code never ran */
	VMHEAP_PLUGIN_REFUSED,  /* code never ran */
	VMHEAP_PLUGIN_FAILED,   /* an init function returned an error */
} vmheap_plugin_state_t;

typedef struct {
	char *name; /* "sample", NUL-terminated vector, as are path and reason */
	char *path;
	char *reason;              /* why it is not loaded; NULL when it is */
	vmheap_plugin_note_t note; /* zero when it could not be read */
	void *handle;
	u8 state; /* vmheap_plugin_state_t */
	u8 is_required;
} vmheap_plugin_t;

/**
 * Find, check and load plugins.
 *
 * @return NULL, also when plugins were refused; an error when a required plugin could not be
 *         loaded (the others are), when an entry is contradictory (enable and disable) or named
 *         twice (nothing is loaded then).  May be called again with other directories: names
 *         already in the table are passed over.
 */
CLIB_EXPORT clib_error_t *vmheap_plugins_load(const vmheap_plugin_config_t *config);

/** Vector of every plugin seen: loaded ones first, in load order, then the others by name. */
CLIB_EXPORT const vmheap_plugin_t *vmheap_plugins(void);
CLIB_EXPORT const vmheap_plugin_t *vmheap_plugin_by_name(const char *name);

/** The directories searched so far, colon separated; "" before the first load. */
CLIB_EXPORT const char *vmheap_plugin_path(void);

/**
 * Read a plugin's note by plain file reads; none of its code runs.
 *
 * @param path    the file
 * @param name    what note->name must be; NULL: anything
 * @param[out] note  zero on error unless it could be read but was refused
 * @return NULL, or one line that says what is wrong with the file
 */
CLIB_EXPORT clib_error_t *vmheap_plugin_read_note(const char *path, const char *name,
						  vmheap_plugin_note_t *note);

/* ---- functions that plugins registered ---- */

/**
 * Hand a stanza to the function registered for its word.
 *
 * @return NULL; the function's error; code -ENOENT when nobody knows the stanza.  The stanza
 *         named like a plugin that is not in use is passed over with a log line.
 */
CLIB_EXPORT clib_error_t *vmheap_config_call(const char *stanza, unformat_input_t *input);

/** Whether a stanza has a function.  Plugins must be loaded. */
CLIB_EXPORT int vmheap_config_is_known(const char *stanza);

/**
 * Run all functions of a kind that have not run yet.
 *
 * Order: registration (plugins in load order), EXIT in reverse, both bent as little as
 * runs_before and runs_after ask.  A cycle is named; the plugins in it fail.
 *
 * @return NULL; the error of a built-in or a required plugin, later functions have then not run.
 *         Any other plugin's error is logged, the plugin and those that require it fail: their
 *         other functions but EXIT, commands, timers and sources are withdrawn.
 *         EXIT: all have run, those of failed plugins too, which give back what was made before,
 *         perhaps without an init function having been called; the first error, whosever it is.
 */
CLIB_EXPORT clib_error_t *vmheap_init_call(vmheap_init_kind_t kind);

/* ---- graphs and workers ---- */

/**
 * Make the graph of each worker that has a source: its sources, what their edges lead to, and
 * the nodes of vmheap_graph_add_nodes() that a source of that worker reaches (rte_graph refuses
 * isolated nodes).
 *
 * @return NULL, or an error with no graph left behind.
 */
CLIB_EXPORT clib_error_t *vmheap_graphs_create(void);

/** Workers must have stopped.  Node contexts see their fini functions.  No graphs: nothing. */
CLIB_EXPORT void vmheap_graphs_destroy(void);

/** Launch each worker lcore.  Can be called again after vmheap_workers_stop(). */
CLIB_EXPORT clib_error_t *vmheap_workers_start(void);
/** Ask each worker to stop and wait: at most one walk of its graph.  Not running: nothing. */
CLIB_EXPORT void vmheap_workers_stop(void);
CLIB_EXPORT int vmheap_workers_are_running(void);

#define VMHEAP_IDLE_ADAPTIVE (~0u)

/**
 * What a worker does when walk after walk brings nothing.
 *
 * @param us  0: keeps polling.  n: after 64 empty walks sleeps n microseconds before each next
 *        one.  VMHEAP_IDLE_ADAPTIVE, the default: keeps polling, unless lcores outnumber CPUs or
 *        the worker shares its CPU with another lcore; then it yields the CPU after 64 empty
 *        walks and sleeps 50 us after 4096, so the control thread and the others get to run.
 *
 * Takes effect at the next vmheap_workers_start().
 */
CLIB_EXPORT void vmheap_set_idle_sleep_us(u32 us);

/* ---- the end ---- */

/** Give back the framework's own memory, after EXIT: the tables of plugins, sources, timers and
 *  counters.  Code stays mapped, but nothing of it may be called any more. */
CLIB_EXPORT void vmheap_framework_free(void);

/* ---- timers ---- */

/**
 * Run the functions of vmheap_timer_add() that are due.
 *
 * @param now_ms  any clock that does not jump back
 * @return milliseconds until the next is due; ~0 when there is none
 */
CLIB_EXPORT u64 vmheap_timers_run(u64 now_ms);

#endif
