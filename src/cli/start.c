/* SPDX-License-Identifier: Apache-2.0 */
/* The stages of a daemon's life, each with its way back. */
#include <cli/daemon.h>
#include <cli/commands.h>
#include <cli/symbolize.h>

#include <errno.h>
#include <fcntl.h>
#include <mntent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <linux/mempolicy.h>
#include <event2/event.h>
#include <rte_dev.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <vppinfra/arena.h>
#include <vppinfra/fault.h>
#include <vppinfra/format.h>
#include <vppinfra/kmem.h>
#include <vppinfra/mem.h>
#include <vppinfra/mem_setup.h>
#include <vppinfra/physmem.h>
#include <vppinfra/segment.h>
#include <vppinfra/vec.h>
#include <vppinfra/vm_guard.h>
#include <plugins/framework/event_log.h>
#include <plugins/framework/framework.h>
#include <cli/command_impl.h>

/* ---- before anything is taken ---- */

static clib_error_t *
check_size(const config_t *c, const char *key, uword size, u32 offset)
{
	uword memory = (uword)sysconf(_SC_PHYS_PAGES) * (uword)sysconf(_SC_PAGESIZE);

	if (size <= memory)
		return 0;
	return config_error(c, offset, "%s %U is more than the %U of memory this machine has", key,
			    format_memory_size, size, format_memory_size, memory);
}

static clib_error_t *
check_hugepage_size(const config_t *c, uword size, u32 offset)
{
	u8 sizes[8];
	u32 n = vm_hugepage_sizes(sizes, ARRAY_LEN(sizes));
	clib_error_t *error;
	u8 *list = 0;

	for (u32 i = 0; i < n; i++) {
		if (size == 1ull << sizes[i]) {
			vec_free(list);
			return 0;
		}
		list = format(list, "%s%U", i ? ", " : "", format_log2_page_size, (int)sizes[i]);
	}
	error = config_error(c, offset, "no huge pages of %U here, expected %s%v",
			     format_memory_size, size,
			     n > 1 ? "one of: "
			     : n   ? ""
				   : "none: this kernel has no huge pages",
			     list);
	vec_free(list);
	return error;
}

clib_error_t *
daemon_check(daemon_t *m)
{
	const config_t *c = &m->config;
	const daemon_config_t *d = &m->d;
	clib_error_t *error = 0;
	cpu_set_t available;

	if (d->memory.main_heap_size)
		error = check_size(c, "main-heap-size", d->memory.main_heap_size,
				   d->memory.main_heap_size_offset);
	if (!error && d->memory.numa_heap_size)
		error = check_size(c, "numa-heap-size", d->memory.numa_heap_size,
				   d->memory.numa_heap_size_offset);
	if (!error && d->memory.default_hugepage_size)
		error = check_hugepage_size(c, d->memory.default_hugepage_size,
					    d->memory.default_hugepage_size_offset);
	if (error)
		return error;
	if (sched_getaffinity(0, sizeof(available), &available))
		return clib_error_return(0, "which CPUs this process may use: %s", strerror(errno));
	return cpu_plan_make(c, d, &available, &m->plan);
}

/* ---- pid file, control loop, socket ---- */

static clib_error_t *
pidfile_up(daemon_t *m)
{
	return m->d.unix_.pidfile ? daemon_open_pidfile(m->d.unix_.pidfile, &m->pidfile_fd) : 0;
}

static void
pidfile_down(daemon_t *m)
{
	daemon_close_pidfile(m->d.unix_.pidfile, m->pidfile_fd);
}

static u64
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (u64)t.tv_sec * 1000 + (u64)t.tv_nsec / 1000000;
}

/* Pages of heaps are given back here, on the main lcore: who frees may be a worker, which must not
 * call the system.  Often enough for `show memory`, seldom enough that pages freed and taken again
 * in one piece of work stay. */
static void
give_pages_back(void *arg)
{
	ELOG_TYPE_DECLARE(e) = { .format = "trim gave %lu bytes back", .format_args = "i8" };
	ELOG_TRACK(memory);
	u64 n_bytes;

	vmheap_elog_sample_memory();
	n_bytes = clib_mem_trim() + clib_kmem_reap();
	if (!n_bytes)
		return;
	memcpy(ELOG_TRACK_DATA(vmheap_elog_main(), e, memory), &n_bytes, sizeof(n_bytes));
	vmheap_elog_sample_memory();
}

#define TRIM_PERIOD_MS 5000

/* Timers of plugins; one that a command adds later is seen within a second. */
static void
timer_fired(evutil_socket_t fd, short events, void *arg)
{
	daemon_t *m = arg;
	u64 ms = clib_clamp(vmheap_timers_run(now_ms()), (u64)1, (u64)1000);
	struct timeval next = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };

	event_add(m->timer, &next);
}

static void
signal_came(evutil_socket_t signal_number, short events, void *arg)
{
	daemon_t *m = arg;

	daemon_log("%s: stopping", strsignal((int)signal_number));
	event_base_loopbreak(m->base);
}

static void
loop_down(daemon_t *m)
{
	for (u32 i = 0; i < DAEMON_N_SIGNALS; i++) {
		if (m->signals[i])
			event_free(m->signals[i]);
	}
	if (m->timer)
		event_free(m->timer);
	if (m->base)
		event_base_free(m->base);
	libevent_global_shutdown();
}

/* Below this EAL panics half way, as it makes two pipes a worker. */
#define DESCRIPTORS_LEAST 24
#define DESCRIPTORS_PER_WORKER 4

/* A client is a descriptor: as many as we are allowed, not as many as a shell is given. */
static clib_error_t *
raise_descriptor_limit(u32 n_workers)
{
	uword least = DESCRIPTORS_LEAST + DESCRIPTORS_PER_WORKER * n_workers;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return 0;
	if (limit.rlim_max < least)
		return clib_error_return(0,
					 "%u descriptors are allowed, %u workers need %u: "
					 "ulimit -Hn 1024",
					 (u32)limit.rlim_max, n_workers, (u32)least);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	return 0;
}

static clib_error_t *
loop_up(daemon_t *m)
{
	static const int numbers[DAEMON_N_SIGNALS] = { SIGINT, SIGTERM, SIGHUP };
	clib_error_t *error = raise_descriptor_limit(m->plan.n_workers);
	int is_up;

	if (error)
		return error;
	m->base = event_base_new();
	is_up = m->base != NULL;
	for (u32 i = 0; is_up && i < DAEMON_N_SIGNALS; i++) {
		/* A signal that comes while we start is kept and ends the loop at once. */
		m->signals[i] = evsignal_new(m->base, numbers[i], signal_came, m);
		is_up = m->signals[i] && !event_add(m->signals[i], NULL);
	}
	if (is_up)
		m->timer = evtimer_new(m->base, timer_fired, m);
	if (m->timer)
		return 0;
	loop_down(m);
	return clib_error_return(0, "control loop: no memory");
}

static clib_error_t *
server_up(daemon_t *m)
{
	const char *path =
		m->d.unix_.cli_listen ? m->d.unix_.cli_listen : cli_default_socket_path();

	cli_set_save_folder(path);
	return cli_server_create(m->base, path, &m->server);
}

static void
server_down(daemon_t *m)
{
	cli_server_destroy(m->server);
}

/* ---- memory ---- */

static clib_mem_page_sz_t
page_size_of(uword bytes)
{
	return bytes ? (clib_mem_page_sz_t)min_log2(bytes) : CLIB_MEM_PAGE_SZ_UNKNOWN;
}

/* The arenas' memory by selector: `show memory address` can say a place as a handle. */
static int
add_segment(clib_arena_t *arena, void *arg)
{
	vm_range_info_t info;
	clib_segment_t s = { .rights = CLIB_SEGMENT_READ | CLIB_SEGMENT_WRITE };
	clib_selector_t selector;

	vm_range_get_info(clib_arena_range(arena), &info);
	s.name = info.name;
	s.base = (void *)info.base;
	s.limit = clib_min(info.reserve_bytes, (uword)CLIB_SEGMENT_MAX_BYTES);
	if (clib_segment_add(&s, &selector))
		daemon_log("no selector for arena %s", info.name);
	return 0;
}

static int
remove_segment(clib_selector_t selector, const clib_segment_t *segment, void *arg)
{
	clib_segment_remove(selector);
	return 0;
}

static clib_error_t *
memory_up(daemon_t *m)
{
	clib_mem_setup_t setup = {
		.main_heap_bytes = m->d.memory.main_heap_size,
		.main_heap_page_size = m->d.memory.main_heap_page_size,
		.numa_heap_bytes = m->d.memory.numa_heap_size,
		.hugepage_size = page_size_of(m->d.memory.default_hugepage_size),
		.flags = (m->d.dpdk.no_huge ? CLIB_MEM_SETUP_NO_HUGE : 0) |
			 (m->d.memory.no_fronts ? CLIB_MEM_SETUP_NO_FRONTS : 0),
	};
	const char *lines[16];
	const char *why = "";
	char what[512] = "";
	u32 n;
	int rv;

	if (setup.main_heap_page_size == CLIB_MEM_PAGE_SZ_DEFAULT_HUGE && setup.hugepage_size)
		setup.main_heap_page_size = setup.hugepage_size;
	/* From here on a fault has names to tell. */
	clib_fault_install();
	if (m->d.memory.guard_metadata && vm_guard_enable(&why))
		daemon_log("degraded: guard-metadata: %s", why);
	rv = clib_mem_setup(&setup, what, sizeof(what));
	if (rv)
		return clib_error_return(0, "memory: %s", what[0] ? what : strerror(-rv));
	n = clib_mem_degradations(lines, ARRAY_LEN(lines));
	for (u32 i = 0; i < clib_min(n, (u32)ARRAY_LEN(lines)); i++)
		daemon_log("degraded: %s", lines[i]);
	clib_arena_foreach(add_segment, NULL);
	return 0;
}

/* The last word of a daemon's life: what did not come back. */
static void
memory_down(daemon_t *m)
{
	u64 n_physmem = clib_physmem_n_allocations();
	char what[512] = "";
	int rv;

	clib_segment_foreach(remove_segment, NULL);
	if (n_physmem) {
		m->has_leaked = 1;
		daemon_log("leaked: %Lu allocations of physmem", n_physmem);
	}
	clib_physmem_exit();
	rv = clib_mem_teardown(what, sizeof(what));
	if (rv && !m->has_initialised) {
		/* What plugins took for their configuration: exit functions were not reached. */
	} else if (rv) {
		m->has_leaked = 1;
		daemon_log("leaked: %s", what[0] ? what : strerror(-rv));
	} else {
		daemon_log("0 heap objects and 0 arena spans leaked");
	}
	clib_fault_uninstall();
}

/* ---- event log ---- */

static clib_error_t *
events_up(daemon_t *m)
{
	if (vmheap_elog_start(VMHEAP_ELOG_N_EVENTS))
		daemon_log("no memory for the event log");
	vmheap_elog_sample_memory();
	return 0;
}

static void
events_down(daemon_t *m)
{
	vmheap_elog_stop();
}

/* ---- plugins ---- */

/* A NUL-terminated vector, as the framework keeps its paths. */
static char *
text_vector(const char *s)
{
	return (char *)format(0, "%s%c", s, 0);
}

/* Where plugins are when nobody says: beside the daemon in a build, else where they are installed.
 */
static char *
default_plugin_path(void)
{
	char exe[512];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	char *slash, *path;

	exe[clib_max(n, (ssize_t)0)] = 0;
	slash = strrchr(exe, '/');
	if (slash) {
		*slash = 0;
		path = (char *)format(0, "%s/../plugins%c", exe, 0);
		if (!access(path, R_OK))
			return path;
		vec_free(path);
	}
	return text_vector(VMHEAP_PLUGIN_DIR);
}

static clib_error_t *
load_plugins(daemon_t *m)
{
	vmheap_plugin_config_t pc = { .default_disable = m->d.plugins.default_disable };
	clib_error_t *error;

	if (!m->d.plugins.has_path)
		vec_add1(pc.paths, default_plugin_path());
	for (u32 i = 0; i < m->d.plugins.n_paths; i++)
		vec_add1(pc.paths, text_vector(m->d.plugins.paths[i].text));
	for (u32 i = 0; i < m->d.plugins.n_entries; i++)
		vec_add1(pc.entries, m->d.plugins.entries[i]);
	error = vmheap_plugins_load(&pc);
	for (uword i = 0; i < vec_len(pc.paths); i++)
		vec_free(pc.paths[i]);
	vec_free(pc.paths);
	vec_free(pc.entries);
	return error;
}

/* The error of a stanza's function gets the place in the file that its code tells. */
static clib_error_t *
place_error(const config_t *c, u32 body_offset, u32 n_body_bytes, clib_error_t *error)
{
	clib_error_t *placed;
	u32 offset = body_offset;

	if (cli_error_has_offset(error))
		offset += clib_min((uword)error[0].code, (uword)n_body_bytes);
	placed = config_error(c, offset, "%v", error[0].what);
	clib_error_free(error);
	return placed;
}

static int
is_blank_text(const char *s, u32 n)
{
	while (n && strchr(" \t\r\n\f\v", s[n - 1]))
		n--;
	return n == 0;
}

/* text is the whole file's or as long; the stanza's part of it goes to the plugin. */
static clib_error_t *
call_stanza(const config_t *c, const char *text, const config_stanza_t *s)
{
	u32 n = s->n_body_bytes;
	unformat_input_t input;
	clib_error_t *error;

	/* Blanks at the end would look like one more word to functions that loop to the end. */
	while (n && is_blank_text(text + s->body_offset + n - 1, 1))
		n--;
	unformat_init_string(&input, text + s->body_offset, n);
	error = vmheap_config_call(s->name, &input);
	if (!error) {
		unformat_skip_white_space(&input);
		if (unformat_check_input(&input) != UNFORMAT_END_OF_INPUT)
			error = vmheap_config_unknown(&input, "the stanza's end");
	}
	unformat_free(&input);
	if (!error)
		return 0;
	if (!cli_error_has_offset(error) && (i64)error[0].code == -ENOENT) {
		clib_error_free(error);
		return config_error(c, s->name_offset,
				    "unknown stanza '%s', expected unix, cpu, memory, plugins, "
				    "dpdk or that of a plugin in use",
				    s->name);
	}
	return place_error(c, s->body_offset, n, error);
}

/* What of a dpdk stanza is not EAL's is ethdev's. */
static clib_error_t *
call_dpdk_stanza(daemon_t *m, const config_stanza_t *s)
{
	const char *rest = m->d.dpdk.rest;
	config_cursor_t cursor;
	config_token_t t;

	if (is_blank_text(rest + s->body_offset, s->n_body_bytes))
		return 0;
	if (vmheap_config_is_known("dpdk"))
		return call_stanza(&m->config, rest, s);
	config_cursor_init(&cursor, &m->config, s);
	while (cursor.at < cursor.end && strchr(" \t\r\n\f\v", rest[cursor.at]))
		cursor.at++;
	t = config_peek(&cursor);
	return config_unknown(
		&cursor, &t,
		"one of: vdev, no-pci, no-huge, in-memory, socket-mem, file-prefix, iova-mode, "
		"log-level (the ethdev plugin, which knows more, is not in use)");
}

static void
plugins_down(daemon_t *m)
{
	vmheap_framework_free();
}

static clib_error_t *
plugins_up(daemon_t *m)
{
	clib_error_t *error = load_plugins(m);
	const config_t *c = &m->config;

	for (u32 i = 0; i < c->n_stanzas && !error; i++) {
		const config_stanza_t *s = &c->stanzas[i];

		if (!strcmp(s->name, "dpdk"))
			error = call_dpdk_stanza(m, s);
		else if (!daemon_config_owns(s->name))
			error = call_stanza(c, c->text, s);
	}
	return error;
}

/* ---- EAL and ports ---- */

/* 32 MiB: what EAL, port tables and graphs take, with room to spare. */
#define EAL_LEAST_HUGE_BYTES MiB(32)

static int
has_hugepages_for_eal(void)
{
	u8 sizes[8];
	u32 n = vm_hugepage_sizes(sizes, ARRAY_LEN(sizes));
	vm_hugepages_t h;
	u64 free_bytes = 0;

	for (u32 i = 0; i < n; i++) {
		if (!vm_hugepages(VM_NODE_ANY, sizes[i], &h) && h.n_free > h.n_reserved)
			free_bytes += (h.n_free - h.n_reserved) << sizes[i];
	}
	return free_bytes >= EAL_LEAST_HUGE_BYTES;
}

/* EAL opens the first hugetlbfs that is mounted for each page size, in-memory or not, and gives up
 * where that fails: one of mode 1770, below a private folder, or hidden by a later mount, say.
 * Value: 0; or an errno, with that folder in dir. */
static int
closed_hugetlbfs(char *dir, uword n_dir)
{
	FILE *f = setmntent("/proc/mounts", "re");
	char text[1024], seen[8][32];
	u32 n_seen = 0;
	struct mntent m;
	int error = 0;

	while (f && !error && n_seen < ARRAY_LEN(seen) && getmntent_r(f, &m, text, sizeof(text))) {
		const char *size = hasmntopt(&m, "pagesize");
		int fd;
		u32 i = 0;

		if (strcmp(m.mnt_type, "hugetlbfs"))
			continue;
		snprintf(seen[n_seen], sizeof(seen[0]), "%.*s", (int)strcspn(size ? size : "", ","),
			 size ? size : "");
		while (strcmp(seen[i], seen[n_seen]))
			i++;
		if (i < n_seen)
			continue;
		n_seen++;
		fd = open(m.mnt_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd >= 0)
			close(fd);
		else
			error = errno;
		if (error)
			snprintf(dir, n_dir, "%s", m.mnt_dir);
	}
	if (f)
		endmntent(f);
	return error;
}

/* EAL asks on which node each huge page lies and gives up when it may not ask.  A kernel without
 * NUMA (ENOSYS) it knows. */
static int
is_numa_refused(void)
{
	int node;

	return syscall(SYS_get_mempolicy, &node, NULL, 0, &node, MPOL_F_NODE | MPOL_F_ADDR) &&
	       errno != ENOSYS;
}

static void
free_eal_args(daemon_t *m)
{
	free(m->eal_argv);
	m->eal_argv = NULL;
	eal_args_free(&m->eal_args);
}

static void
eal_down(daemon_t *m)
{
	rte_eal_cleanup();
	free_eal_args(m);
}

static clib_error_t *
eal_start(daemon_t *m)
{
	uword n_bytes = (m->eal_args.argc + 1) * sizeof(char *);

	m->eal_argv = malloc(n_bytes);
	if (!m->eal_argv)
		return clib_error_return(0, "EAL arguments: no memory");
	memcpy(m->eal_argv, m->eal_args.argv, n_bytes);
	if (rte_eal_init(m->eal_args.argc, m->eal_argv) < 0)
		return clib_error_return(
			0, "DPDK's EAL did not start: %s; its own lines above say more",
			rte_strerror(rte_errno));
	return 0;
}

static clib_error_t *
eal_up(daemon_t *m)
{
	char dir[256];
	int is_refused = is_numa_refused(), is_closed = closed_hugetlbfs(dir, sizeof(dir));
	int has_hugepages = !is_refused && !is_closed && has_hugepages_for_eal();
	clib_error_t *error;

	error = eal_args_make(&m->config, &m->d, &m->plan, has_hugepages, m->user_args,
			      m->n_user_args, &m->eal_args);
	if (error)
		return error;
	if (is_refused && !m->d.dpdk.no_huge)
		daemon_log("degraded: EAL runs on 4K pages, NUMA calls are refused; run with "
			   "CAP_SYS_NICE (docker run --cap-add SYS_NICE)");
	else if (is_closed && !m->d.dpdk.no_huge)
		daemon_log("degraded: EAL runs on 4K pages, it cannot open the hugetlbfs at %s "
			   "(%s); give this user the rights, or unmount it: it is not needed",
			   dir, strerror(is_closed));
	else if (!has_hugepages && !m->d.dpdk.no_huge)
		daemon_log("degraded: EAL runs on 4K pages, fewer than %U of huge pages are free; "
			   "for more: sysctl vm.nr_hugepages=512",
			   format_memory_size, (uword)EAL_LEAST_HUGE_BYTES);
	error = eal_start(m);
	if (error)
		free_eal_args(m);
	return error;
}

static int
pci_device_exists(const char *address)
{
	char path[128];
	int is_short = strchr(address, ':') == strrchr(address, ':');

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s%s", is_short ? "0000:" : "", address);
	return access(path, F_OK) == 0;
}

/* A port that is not there is reported; the others and the daemon go on. */
static clib_error_t *
ports_up(daemon_t *m)
{
	const config_t *c = &m->config;

	for (u32 i = 0; i < m->d.dpdk.n_devs; i++) {
		const config_word_t *dev = &m->d.dpdk.devs[i];

		if (!pci_device_exists(dev->text))
			daemon_log_error(config_error(c, dev->offset, "dev %s: no such PCI device",
						      dev->text));
	}
	for (u32 i = 0; i < m->d.dpdk.n_vdevs; i++) {
		const config_word_t *vdev = &m->d.dpdk.vdevs[i];
		int rv = rte_dev_probe(vdev->text);

		/* EAL says EFAULT for whatever it could not make sense of. */
		if (rv)
			daemon_log_error(config_error(c, vdev->offset, "vdev %s: %s", vdev->text,
						      rv == -EFAULT
							      ? "no such driver, or wrong arguments"
							      : strerror(-rv)));
	}
	return 0;
}

/* ---- functions of plugins, graphs, workers ---- */

static clib_error_t *
init_up(daemon_t *m)
{
	m->has_initialised = 1;
	return vmheap_init_call(VMHEAP_INIT);
}

static void
init_down(daemon_t *m)
{
	clib_error_t *error = vmheap_init_call(VMHEAP_EXIT);

	if (error) {
		daemon_log_error(error);
		m->has_leaked = 1;
	}
}

static clib_error_t *
graphs_up(daemon_t *m)
{
	clib_error_t *error = vmheap_init_call(VMHEAP_GRAPH_INIT);

	return error ? error : vmheap_graphs_create();
}

static void
graphs_down(daemon_t *m)
{
	vmheap_graphs_destroy();
}

static clib_error_t *
workers_up(daemon_t *m)
{
	clib_error_t *error = vmheap_init_call(VMHEAP_MAIN_LOOP_ENTER);

	return error ? error : vmheap_workers_start();
}

static void
workers_down(daemon_t *m)
{
	vmheap_workers_stop();
}

static clib_error_t *
console_up(daemon_t *m)
{
	return m->d.unix_.interactive ? console_create(m->base, &m->console) : 0;
}

static void
console_down(daemon_t *m)
{
	console_destroy(m->console);
}

/* ---- all of it ---- */

static const struct {
	const char *name;
	clib_error_t *(*up)(daemon_t *m);
	void (*down)(daemon_t *m);
	/* A stage that fails half way is taken down too. */
	u8 down_after_failure;
} stages[] = {
	{ "pid file", pidfile_up, pidfile_down },
	{ "control loop", loop_up, loop_down },
	{ "command server", server_up, server_down },
	{ "memory", memory_up, memory_down },
	{ "event log", events_up, events_down },
	{ "plugins", plugins_up, plugins_down, .down_after_failure = 1 },
	{ "EAL", eal_up, eal_down },
	{ "ports", ports_up },
	{ "init functions", init_up, init_down, .down_after_failure = 1 },
	{ "graphs", graphs_up, graphs_down },
	{ "workers", workers_up, workers_down },
	{ "console", console_up, console_down },
};

/* What becomes of a stage, once there is a log to say it in. */
enum { STAGE_UP, STAGE_FAILED };

static void
log_stage_event(u32 stage, u32 what)
{
	ELOG_TYPE_DECLARE(e) = { .format = "%s %s",
				 .format_args = "T4t4",
				 .n_enum_strings = 2,
				 .enum_strings = { "up", "failed" } };
	ELOG_TRACK_DECLARE(track) = { .name = (char *)"daemon" };
	u32 *d, name = vmheap_elog_name(stages[stage].name);

	d = ELOG_TRACK_DATA(vmheap_elog_main(), e, track);
	d[0] = name;
	d[1] = what;
}

static void
run_startup_commands(const char *file)
{
	u8 *text = 0;
	clib_error_t *error = cli_exec_file(file, &text);

	fwrite(text, 1, vec_len(text), stdout);
	fflush(stdout);
	vec_free(text);
	if (error)
		daemon_log_error(error);
}

static void
loop(daemon_t *m)
{
	struct timeval soon = {};

	/* Plugins are loaded: their debug information is found with the rest. */
	cli_symbolizer_install();
	if (vmheap_timer_add(TRIM_PERIOD_MS, give_pages_back, NULL))
		daemon_log("no memory for the timer that gives empty pages back");
	event_add(m->timer, &soon);
	daemon_log("ready: %d worker%s, commands at %s", vmheap_n_workers(),
		   vmheap_n_workers() == 1 ? "" : "s",
		   m->d.unix_.cli_listen ? m->d.unix_.cli_listen : cli_default_socket_path());
	daemon_tell_ready(&m->ready_fd);
	if (m->d.unix_.exec)
		run_startup_commands(m->d.unix_.exec);
	event_base_dispatch(m->base);
}

int
daemon_run(daemon_t *m)
{
	clib_error_t *error = 0;
	u32 n = 0;
	int status;

	m->pidfile_fd = -1;
	while (!error && n < ARRAY_LEN(stages)) {
		error = stages[n++].up(m);
		log_stage_event(n - 1, error ? STAGE_FAILED : STAGE_UP);
	}
	status = error != 0;
	if (error) {
		daemon_log_error(error);
		if (!stages[n - 1].down_after_failure)
			n--;
	} else {
		loop(m);
	}
	while (n-- > 0) {
		if (stages[n].down)
			stages[n].down(m);
	}
	return status || m->has_leaked;
}
