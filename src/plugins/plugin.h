/* SPDX-License-Identifier: Apache-2.0 */
/* plugin: what a plugin declares, and what it may call.
 *
 * A plugin is a shared object NAME_plugin.so.  It carries an ELF note, read with plain file reads
 * before dlopen() runs any of its code: wrong ABI, wrong struct fingerprint, another DPDK, a
 * missing dependency, and its code never runs.  After dlopen its constructors have linked
 * init functions, config stanzas and CLI commands into the framework's lists, and rte_graph
 * nodes into DPDK's.  Plugins are never closed again: rte_graph cannot forget a node.
 *
 *   note checked -> dlopen (dependencies first) -> config stanzas -> init functions in order
 *     -> graphs, workers -> ... -> exit functions, reverse order
 *
 * All functions run on the main lcore; node functions run on workers. */
#ifndef included_vmheap_plugin_h
#define included_vmheap_plugin_h

#include <plugins/framework/dpdk.h>
#include <vppinfra/clib.h>
#include <vppinfra/thread.h>
#include <vppinfra/vec_header.h>
#include <vppinfra/format.h>
#include <vppinfra/error.h>
#include <rte_build_config.h>
#include <rte_compat.h>
#include <rte_version.h>
#include <plugins/framework/output.h>

/* ---- the note ---- */

#define VMHEAP_PLUGIN_ABI 1
#define VMHEAP_NOTE_OWNER "vmheap"
#define VMHEAP_NOTE_TYPE 1

/** Descriptor of the ELF note: plain bytes, no pointers, so it can be read from the file. */
typedef struct {
	u32 desc_bytes;    /* sizeof this struct */
	u32 abi;           /* VMHEAP_PLUGIN_ABI */
	u64 fingerprint;   /* VMHEAP_STRUCT_FINGERPRINT */
	char dpdk_abi[16]; /* RTE ABI version, "23" */
	char name[32];     /* must equal the file's NAME in NAME_plugin.so */
	char version[32];
	char description[96];
	char requires[128];   /* comma separated plugin names that must be loaded first */
	char load_after[128]; /* comma separated plugin names: order only, may be absent */
	u32 default_disabled;
	u32 reserved;
} vmheap_plugin_note_t;

/** Combines sizes of the structs that framework and plugins share. */
#define VMHEAP_STRUCT_FINGERPRINT                                                                  \
	((u64)sizeof(vmheap_plugin_note_t) ^ (u64)sizeof(vmheap_init_t) << 8 ^                     \
	 (u64)sizeof(vmheap_cli_command_t) << 16 ^ (u64)sizeof(cli_output_t) << 24 ^               \
	 (u64)sizeof(cli_table_t) << 32 ^ (u64)sizeof(vmheap_error_strings_t) << 40 ^              \
	 (u64)sizeof(vec_header_t) << 48 ^ (u64)sizeof(clib_error_t) << 56)

#define _VMHEAP_XSTR(x) #x
#define VMHEAP_XSTR(x) _VMHEAP_XSTR(x)
#define VMHEAP_DPDK_ABI VMHEAP_XSTR(ABI_VERSION_MAJOR)
/* DPDK 22.11 is ABI 23; the header does not say so, its release does. */
#ifndef ABI_VERSION_MAJOR
#	if RTE_VER_YEAR == 22
#		define ABI_VERSION_MAJOR 23
#	elif RTE_VER_YEAR == 23
#		define ABI_VERSION_MAJOR 24
#	elif RTE_VER_YEAR == 24
#		define ABI_VERSION_MAJOR 25
#	elif RTE_VER_YEAR == 25
#		define ABI_VERSION_MAJOR 26
#	endif
#endif

/**
 * The note: once a plugin, at file level.
 *   VMHEAP_PLUGIN_REGISTER(.name = "sample", .version = VMHEAP_VERSION,
 *                          .description = "hands out ids", .requires = "buffer");
 */
#define VMHEAP_PLUGIN_REGISTER(...)                                                                \
	static const struct {                                                                      \
		u32 n_name, n_desc, type;                                                          \
		char owner[8];                                                                     \
		vmheap_plugin_note_t desc;                                                         \
	} vmheap_plugin_note                                                                       \
		__attribute__((section(".note.vmheap.plugin"), used,                               \
			       aligned(8))) = { sizeof(VMHEAP_NOTE_OWNER),                         \
						sizeof(vmheap_plugin_note_t),                      \
						VMHEAP_NOTE_TYPE,                                  \
						VMHEAP_NOTE_OWNER,                                 \
						{ .desc_bytes = sizeof(vmheap_plugin_note_t),      \
						  .abi = VMHEAP_PLUGIN_ABI,                        \
						  .fingerprint = VMHEAP_STRUCT_FINGERPRINT,        \
						  .dpdk_abi = VMHEAP_DPDK_ABI,                     \
						  __VA_ARGS__ } }

/* ---- init, config and exit functions ---- */

typedef clib_error_t *(vmheap_init_function_t)(void);
/** input holds the stanza's words without its braces; see vmheap_config_unknown(). */
typedef clib_error_t *(vmheap_config_function_t)(unformat_input_t *input);

typedef enum {
	VMHEAP_INIT,            /* EAL is up, config is read */
	VMHEAP_CONFIG,          /* for one stanza of startup.conf, before any INIT */
	VMHEAP_GRAPH_INIT,      /* ports are started: clone nodes, ask for edges */
	VMHEAP_MAIN_LOOP_ENTER, /* graphs exist, workers are about to run */
	VMHEAP_EXIT,            /* workers have stopped */
} vmheap_init_kind_t;

typedef struct vmheap_init {
	struct vmheap_init *next;
	const char *name;   /* the function's name */
	const char *plugin; /* set by the framework while the plugin loads; NULL: built in */
	u32 kind;
	void *function;
	const char *stanza;      /* CONFIG: the stanza's word */
	const char *runs_before; /* comma separated function names */
	const char *runs_after;
	u8 done;
} vmheap_init_t;

CLIB_EXPORT void vmheap_init_register(vmheap_init_t *i);

#define _VMHEAP_INIT(kind_, f, ...)                                                                \
	static vmheap_init_t _vmheap_init_##f = {                                                  \
		.name = #f, .kind = kind_, .function = (void *)f, __VA_ARGS__                      \
	};                                                                                         \
	static void __attribute__((constructor)) _vmheap_init_register_##f(void)                   \
	{                                                                                          \
		vmheap_init_register(&_vmheap_init_##f);                                           \
	}                                                                                          \
	struct vmheap_init

/** VMHEAP_INIT_FUNCTION(f, .runs_after = "g"); and so on. */
#define VMHEAP_INIT_FUNCTION(f, ...) _VMHEAP_INIT(VMHEAP_INIT, f, ##__VA_ARGS__)
#define VMHEAP_CONFIG_FUNCTION(f, stanza_, ...)                                                    \
	_VMHEAP_INIT(VMHEAP_CONFIG, f, .stanza = stanza_, ##__VA_ARGS__)
#define VMHEAP_GRAPH_INIT_FUNCTION(f, ...) _VMHEAP_INIT(VMHEAP_GRAPH_INIT, f, ##__VA_ARGS__)
#define VMHEAP_MAIN_LOOP_ENTER_FUNCTION(f, ...)                                                    \
	_VMHEAP_INIT(VMHEAP_MAIN_LOOP_ENTER, f, ##__VA_ARGS__)
#define VMHEAP_EXIT_FUNCTION(f, ...) _VMHEAP_INIT(VMHEAP_EXIT, f, ##__VA_ARGS__)

/** clib_error_t.flags: the code is a byte offset in the input, ~0 its end. */
#define VMHEAP_ERROR_AT_WORD (1 << 24)

/** The error for a word that a config stanza or a command does not know: names the word and what
 *  was expected; its code is the word's byte offset in the input, so the caller can point. */
CLIB_EXPORT clib_error_t *vmheap_config_unknown(unformat_input_t *input, const char *expected);

/* ---- CLI commands ---- */

struct vmheap_cli_command;
typedef clib_error_t *(vmheap_cli_function_t)(cli_output_t *out, unformat_input_t *input,
					      struct vmheap_cli_command *cmd);

typedef struct vmheap_cli_command {
	struct vmheap_cli_command *next;
	const char *path;       /* "show buffers" */
	const char *short_help; /* "show buffers [detail]": the syntax, for help and for errors */
	const char *long_help;  /* may be NULL */
	const char *words;      /* option words for completion, space separated; may be NULL */
	vmheap_cli_function_t *function;
	uword function_arg;
	const char *plugin; /* set while loading */
} vmheap_cli_command_t;

CLIB_EXPORT void vmheap_cli_register(vmheap_cli_command_t *c);
/** Head of the list, unordered. */
CLIB_EXPORT vmheap_cli_command_t *vmheap_cli_commands(void);

/** VMHEAP_CLI_COMMAND(show_x) = { .path = "show x", .short_help = ..., .function = show_x_fn }; */
#define VMHEAP_CLI_COMMAND(sym)                                                                    \
	static vmheap_cli_command_t _vmheap_cli_##sym;                                             \
	static void __attribute__((constructor)) _vmheap_cli_register_##sym(void)                  \
	{                                                                                          \
		vmheap_cli_register(&_vmheap_cli_##sym);                                           \
	}                                                                                          \
	static vmheap_cli_command_t _vmheap_cli_##sym

/* ---- node error counters ---- */

/** Reasons for which a node counts packets; strings live as long as the plugin. */
typedef struct vmheap_error_strings {
	const char *node;
	const char *const *reasons;
	u32 n_reasons;
	u32 first_index; /* of this node's counters, set at registration */
} vmheap_error_strings_t;

/**
 * Give a node its counters.
 *
 * @param e  lives as long as the process; first_index is filled in
 * @return 0; -EINVAL no name or no reason; -EEXIST the node has counters already; -ENOMEM fewer
 *         than n_reasons counters are left.  After an error e's counts go nowhere.
 *
 * Threads: the main lcore, before workers run.
 */
CLIB_EXPORT int vmheap_errors_register(vmheap_error_strings_t *e);

/** One line-aligned array of counters per thread index, one writer each.  Always there. */
CLIB_EXPORT_EXTERN u64 *vmheap_error_counters[CLIB_MAX_THREADS];

/** For a thread without an index: an array that all of them share, atomically. */
CLIB_EXPORT void vmheap_error_count_slow(u32 counter, u64 n);

/** Count n packets for reason i of a node.  Threads: any; one with an index (every lcore) pays a
 *  load and an add, the others an atomic add.  Nothing is lost either way. */
#define vmheap_error_count(e, i, n)                                                                \
	do {                                                                                       \
		u16 _vmheap_thread = clib_thread_index();                                          \
		u32 _vmheap_counter = (e)->first_index + (i);                                      \
		if (PREDICT_TRUE(_vmheap_thread != CLIB_THREAD_INDEX_NONE))                        \
			vmheap_error_counters[_vmheap_thread][_vmheap_counter] += (n);             \
		else                                                                               \
			vmheap_error_count_slow(_vmheap_counter, (n));                             \
	} while (0)

/** Packets counted for a reason by all threads since the last `clear errors`.  Threads: any;
 *  live, so approximate while they count. */
CLIB_EXPORT u64 vmheap_error_total(const vmheap_error_strings_t *e, u32 reason);

/* ---- lcores and graphs ---- */

#define VMHEAP_MAX_WORKERS 64

/** Worker lcores in order; worker w runs on EAL lcore vmheap_worker_lcore(w), ~0 beyond the
 *  last.  EAL must be up.  Cost: a walk over EAL's lcores, so ask once, not per packet. */
CLIB_EXPORT u32 vmheap_n_workers(void);
CLIB_EXPORT u32 vmheap_worker_lcore(u32 worker);
/** Worker that owns an EAL lcore, ~0 for the main lcore. */
CLIB_EXPORT u32 vmheap_worker_of_lcore(u32 lcore);

/**
 * Ask that a worker's graph holds a source node.  From GRAPH_INIT functions.
 *
 * Nodes that its edges lead to come along; each worker has its own copy of every node (context,
 * counters), so a node function needs no lock.
 *
 * @return 0; -EINVAL no such worker, or a name that is empty, too long or has a pattern's
 *         characters; -EEXIST this worker has it already; -ENOMEM.  Whether the node exists is
 *         checked when graphs are made.
 */
CLIB_EXPORT int vmheap_worker_add_source(u32 worker, const char *node_name);

/**
 * Announce non-source nodes by a shell pattern ("ethdev-tx-*").
 *
 * Each graph holds the matching nodes that its sources reach, by edges added until GRAPH_INIT
 * is over.  rte_graph refuses a graph with isolated nodes, so one that no source reaches is left
 * out, and a line in the log says so: the usual cause is a forgotten rte_node_edge_update().
 *
 * @return 0, -EINVAL, -ENOMEM
 */
CLIB_EXPORT int vmheap_graph_add_nodes(const char *pattern);

/**
 * Wait until every running worker is done with what it could see when this was called: it has
 * begun another walk of its graph since.  So: unlink a thing that nodes read, synchronize, free it.
 * Threads: the main lcore.  Cost: two walks of the slowest worker, 100 us when it naps.
 */
CLIB_EXPORT void vmheap_workers_synchronize(void);

/**
 * Run fn on the main lcore at least every period_ms from the control loop, and once at its start.
 * fn must not block.  @return 0; -EINVAL no period or no function; -ENOMEM
 */
CLIB_EXPORT int vmheap_timer_add(u32 period_ms, void (*fn)(void *arg), void *arg);

#endif
