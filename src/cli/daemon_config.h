/* SPDX-License-Identifier: Apache-2.0 */
/* daemon_config: the stanzas that are the daemon's own, as values.
 *
 *   unix     cli-listen PATH | pidfile PATH | log PATH | exec FILE | startup-config FILE |
 *            nodaemon | daemon | interactive
 *   cpu      main-core N | workers N | corelist-workers LIST | skip-cores N
 *   memory   main-heap-size S | main-heap-page-size P | numa-heap-size S | default-hugepage-size S
 *   plugins  path P | add-path P | plugin default { disable } |
 *            plugin NAME { enable | disable | require }
 *   dpdk     vdev ARGS | dev PCI [{...}] | no-pci | no-huge | in-memory | socket-mem LIST |
 *            file-prefix P | iova-mode pa|va | log-level L | what the ethdev plugin knows
 *
 * Every other stanza is a plugin's.  A key given twice is an error, since one of the two would be
 * ignored.  Memory is malloc's: no heap exists yet. */
#ifndef included_cli_daemon_config_h
#define included_cli_daemon_config_h

#include <vppinfra/vm.h>
#include <cli/config.h>
#include <plugins/framework/framework.h>

#define DAEMON_MAX_CPUS 1024

typedef struct {
	char *text;
	u32 offset; /* in the file */
} config_word_t;

typedef struct {
	struct {
		char *cli_listen, *pidfile, *log, *exec;
		u8 nodaemon, daemon, interactive;
	} unix_;
	struct {
		u32 main_core; /* ~0: the first CPU this process may use */
		u32 main_core_offset;
		u32 n_workers; /* ~0: as many as corelist-workers names, or one */
		u32 skip_cores;
		u16 *corelist; /* CPU of each worker */
		u32 n_corelist, corelist_offset;
		u8 is_given;
		u32 offset; /* of the stanza */
	} cpu;
	struct {
		uword main_heap_size, numa_heap_size; /* 0: not given */
		u32 main_heap_size_offset, numa_heap_size_offset;
		clib_mem_page_sz_t main_heap_page_size; /* UNKNOWN: not given */
		u32 main_heap_page_size_offset;
		uword default_hugepage_size;
		u32 default_hugepage_size_offset;
		u8 guard_metadata;
		u8 no_fronts; /* heaps go by their lock alone */
	} memory;
	struct {
		config_word_t *paths;
		u32 n_paths;
		u8 has_path; /* path replaces the built-in directory, add-path does not */
		vmheap_plugin_entry_t *entries;
		u32 n_entries;
		u8 default_disable;
	} plugins;
	struct {
		config_word_t *vdevs, *devs;
		u32 n_vdevs, n_devs;
		char *socket_mem, *file_prefix, *iova_mode, *log_level;
		u8 no_pci, no_huge, in_memory;
		u32 in_memory_offset, socket_mem_offset;
		/* The stanzas' text without the words above, for the ethdev plugin: as long as the
		 * file, so that offsets hold; NULL without such a stanza. */
		char *rest;
	} dpdk;
} daemon_config_t;

/** Values of the daemon's stanzas.  @return NULL, or FILE:LINE:COLUMN: error with *d empty. */
clib_error_t *daemon_config_read(const config_t *c, daemon_config_t *d);
void daemon_config_free(daemon_config_t *d);

/** Whether a stanza is the daemon's own. */
int daemon_config_owns(const char *stanza);

#endif
