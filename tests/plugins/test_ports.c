/* SPDX-License-Identifier: Apache-2.0 */
/* The plugins buffer, ethdev and xconnect as the daemon runs them, on two workers and virtual
 * devices: makers of packets (net_null), loops (net_ring) and capture files (net_pcap).  What goes
 * in comes out, what changes while workers run changes only that, and every buffer comes back.
 *
 * A process has one EAL and one life of its plugins, so the tests are chapters of one story.  Run
 * with the word leak it tells another one, a buffer that somebody keeps; with refused, of buffers
 * that cannot be had. */
#include <stdatomic.h>
#include <sys/stat.h>
#include <unistd.h>
#include <plugins/framework/framework.h>
#include <plugins/framework/port.h>
#include <plugins/pool/pktpool.h>
#include <vppinfra/mem.h>
#include <vppinfra/mem_setup.h>
#include <vppinfra/vec.h>
#include <rte_dev.h>
#include <rte_lcore.h>
#include "eal.h"
#include "run_command.h"
#include "unit.h"

#define N_BUFFERS 4096
#define N_PCAP 500
#define N_RING 100

static char work_dir[64];
static u8 *log_text;

/* In front of DPDK's own, to count who asks the system where a page lies. */
static u32 n_asked;

rte_iova_t
rte_mem_virt2iova(const void *va)
{
	n_asked++;
	return rte_eal_iova_mode() == RTE_IOVA_VA ? (rte_iova_t)va : rte_mem_virt2phy(va);
}

static void
keep_log(const char *line)
{
	log_text = format(log_text, "%s\n", line);
}

static int
log_says(const char *what)
{
	int found;

	vec_add1(log_text, 0);
	found = strstr((char *)log_text, what) != NULL;
	_vec_len(log_text)--;
	return found;
}

/* ---- capture files: 24 bytes for the file, 16 for each packet ---- */

static u32
packet_bytes(u32 i)
{
	return 60 + i % 1000;
}

static void
write_capture(const char *path, u32 salt)
{
	u32 file_header[6] = { 0xa1b2c3d4, 4u << 16 | 2, 0, 0, 65535, 1 };
	FILE *f = fopen(path, "w");

	fwrite(file_header, sizeof(file_header), 1, f);
	for (u32 i = 0; i < N_PCAP; i++) {
		u32 n = packet_bytes(i), header[4] = { i, 0, n, n };

		fwrite(header, sizeof(header), 1, f);
		for (u32 k = 0; k < n; k++)
			fputc((int)((i * 7 + k + salt) & 255), f);
	}
	fclose(f);
}

/* How many packets of a capture are the i-th as written, in order. */
static u32
compare_capture(const char *path, u32 salt)
{
	u32 file_header[6], header[4], i = 0;
	FILE *f = fopen(path, "r");

	if (!f || fread(file_header, sizeof(file_header), 1, f) != 1)
		return 0;
	for (; fread(header, sizeof(header), 1, f) == 1; i++) {
		if (header[2] != packet_bytes(i) || header[3] != packet_bytes(i))
			break;
		for (u32 k = 0; k < header[2]; k++)
			if (fgetc(f) != (int)((i * 7 + k + salt) & 255))
				return i;
	}
	fclose(f);
	return i;
}

/* ---- the daemon's steps ---- */

static clib_error_t *
configure(const char *stanza, const char *words)
{
	unformat_input_t input;
	clib_error_t *error;

	unformat_init_cstring(&input, words);
	error = vmheap_config_call(stanza, &input);
	unformat_free(&input);
	return error;
}

static int
is_refused(const char *stanza, const char *words, const char *says)
{
	clib_error_t *error = configure(stanza, words);
	int as_expected = 0;
	u8 *s;

	if (error) {
		s = format(0, "%U%c", format_clib_error, error, 0);
		as_expected = strstr((char *)s, says) != NULL;
		if (!as_expected)
			printf("%s { %s }: %s\n", stanza, words, s);
		vec_free(s);
	}
	clib_error_free(error);
	return as_expected;
}

static void
load_plugins(void)
{
	static const char *const names[] = { "buffer", "ethdev", "xconnect" };
	char dir[400], *path = dir;
	vmheap_plugin_config_t config = { .default_disable = 1 };
	clib_error_t *error;
	ssize_t n = readlink("/proc/self/exe", dir, sizeof(dir) - 32);

	CU_ASSERT_FATAL(n > 0);
	dir[n] = 0;
	strcpy(strrchr(dir, '/'), "/../../src/plugins");
	vec_add1(config.paths, path);
	for (u32 i = 0; i < ARRAY_LEN(names); i++) {
		vmheap_plugin_entry_t entry = { .name = (char *)names[i], .require = 1 };

		vec_add1(config.entries, entry);
	}
	error = vmheap_plugins_load(&config);
	clib_error_report(error);
	CU_ASSERT_PTR_NULL_FATAL(error);
	vec_free(config.paths);
	vec_free(config.entries);
}

static void
must(clib_error_t *error)
{
	CU_ASSERT_PTR_NULL(error);
	clib_error_report(error);
}

static void
add_vdev(const char *name, const char *args)
{
	CU_ASSERT_EQUAL_FATAL(rte_eal_hotplug_add("vdev", name, args), 0);
}

/* ---- commands ---- */

static never_inline u64
stat_at(const char *name, uword offset)
{
	struct rte_eth_stats stats = { 0 };

	CU_ASSERT_PTR_NOT_NULL_FATAL(vmheap_port_by_name(name));
	CU_ASSERT_EQUAL(rte_eth_stats_get(vmheap_port_by_name(name)->port_id, &stats), 0);
	return *(u64 *)((u8 *)&stats + offset);
}

#define STAT(name, field) stat_at(name, offsetof(struct rte_eth_stats, field))

/* Until a port has sent so many more packets, or half a minute. */
static int
wait_for_tx(const char *name, u64 n)
{
	u64 first = STAT(name, opackets);

	for (u32 i = 0; i < 30000; i++) {
		if (STAT(name, opackets) - first >= n)
			return 1;
		usleep(1000);
	}
	return 0;
}

static u64
in_use(void)
{
	return rte_mempool_in_use_count(pktpool_mempool(pktpool_by_node(0)));
}

/* ---- the story ---- */

/* Stanzas take what they know and point at what they do not. */
static void
stanzas_are_checked(void)
{
	load_plugins();
	CU_ASSERT(is_refused("buffers", "buffers-per-numa 0", "at least 1"));
	CU_ASSERT(is_refused("buffers", "buffers-per-numa many", "unknown input"));
	CU_ASSERT(is_refused("buffers", "colour blue", "unknown input 'colour', expected"));
	CU_ASSERT(is_refused("buffers", "default data-size 70000", "at most"));
	CU_ASSERT(is_refused("buffers", "numa 0 { buffers }", "expected buffers N"));
	CU_ASSERT(is_refused("buffers", "numa 4000 { buffers 1 }", "numa 4000"));
	CU_ASSERT(is_refused("buffers", "numa 0 { buffers 7", "input ends"));
	CU_ASSERT(is_refused("dpdk", "dev default { num-rx-queues 0 }", "at least 1"));
	CU_ASSERT(is_refused("dpdk", "dev default { name x }", "unknown input 'name'"));
	CU_ASSERT(is_refused("dpdk", "dev net_null0 { num-rx-dosc 7 }",
			     "unknown input 'num-rx-dosc'"));
	CU_ASSERT(is_refused("dpdk", "device net_null0", "unknown input 'device'"));
	CU_ASSERT(is_refused("xconnect", "net_null0", "input ends, expected pairs"));

	/* What was refused half way must not stay: the words that count come last. */
	must(configure("buffers",
		       "buffers-per-numa 4096 numa 0 { buffers 4096 } default data-size 2048"));
	must(configure("dpdk", "dev default { num-rx-desc 256 num-tx-desc 256 }\n"
			       "dev net_null0 { name east num-tx-queues 1 }\n"
			       "dev net_null1 { name west num-rx-queues 1 }\n"
			       "dev net_ring2 { num-rx-queues 1 }\n"
			       "dev net_nul7"));
	must(configure("xconnect", "net_pcap0 net_pcap1 net_ring0 net_ring1\nnet_null3 net_ring2"));
}

static void
ports_start(void)
{
	char args[400];

	snprintf(args, sizeof(args), "rx_pcap=%s/in0,tx_pcap=%s/out0", work_dir, work_dir);
	add_vdev("net_pcap0", args);
	snprintf(args, sizeof(args), "rx_pcap=%s/in1,tx_pcap=%s/out1", work_dir, work_dir);
	add_vdev("net_pcap1", args);
	for (u32 i = 0; i < 4; i++) {
		snprintf(args, sizeof(args), "net_null%u", i);
		add_vdev(args, "");
	}
	add_vdev("net_ring0", "");
	add_vdev("net_ring1", "");
	add_vdev("net_ring2", "");
	must(vmheap_init_call(VMHEAP_INIT));
	CU_ASSERT(log_says("dev net_nul7 }: there is no such port"));
	CU_ASSERT_PTR_NOT_NULL_FATAL(vmheap_port_by_name("east"));
	CU_ASSERT_PTR_NULL(vmheap_port_by_name("net_null0"));
	CU_ASSERT_EQUAL(vmheap_port_by_name("east")->n_tx_queues, 1);
	CU_ASSERT_EQUAL(vmheap_port_by_name("east")->n_rx_queues, 2);
	CU_ASSERT_EQUAL(vmheap_port_by_name("west")->n_tx_queues, 2);
	CU_ASSERT_EQUAL(vmheap_port_by_name("net_pcap0")->n_rx_queues, 1);
	CU_ASSERT_STRING_EQUAL(vmheap_port_by_name("west")->rx_next, "xconnect");
	CU_ASSERT_EQUAL(vmheap_port_set_rx_next(0, "other", "other"), -EBUSY);
	CU_ASSERT_EQUAL(vmheap_port_set_rx_next(99, "other", "other"), -ENODEV);
	CU_ASSERT_EQUAL(vmheap_port_add(vmheap_port_by_name("west")), -EEXIST);
	must(vmheap_init_call(VMHEAP_GRAPH_INIT));
	must(vmheap_graphs_create());
	must(vmheap_init_call(VMHEAP_MAIN_LOOP_ENTER));
}

/* A hundred packets circulate between two loops; each passes each port again and again. */
static void
fill_the_loop(void)
{
	u16 port_id = vmheap_port_by_name("net_ring0")->port_id;
	struct rte_mbuf *mbufs[N_RING];

	CU_ASSERT_EQUAL(pktpool_alloc(pktpool_by_node(0), mbufs, N_RING), 0);
	for (u32 i = 0; i < N_RING; i++)
		rte_pktmbuf_append(mbufs[i], 100);
	CU_ASSERT_EQUAL(rte_eth_tx_burst(port_id, 0, mbufs, N_RING), N_RING);
}

static void
packets_cross(void)
{
	fill_the_loop();
	must(vmheap_workers_start());
	for (u32 i = 0; i < 30000; i++) {
		if (STAT("net_pcap0", opackets) + STAT("net_pcap1", opackets) == 2 * N_PCAP)
			break;
		usleep(1000);
	}
	CU_ASSERT_EQUAL(STAT("net_pcap0", opackets), N_PCAP);
	CU_ASSERT_EQUAL(STAT("net_pcap1", opackets), N_PCAP);
	CU_ASSERT_EQUAL(STAT("net_pcap0", ipackets), N_PCAP);
	CU_ASSERT_EQUAL(STAT("net_pcap0", ibytes), STAT("net_pcap1", obytes));
	CU_ASSERT(wait_for_tx("net_ring1", 1000 * N_RING));
	CU_ASSERT(wait_for_tx("net_null3", 0));
}

/* Worker 1 sends into a loop that nobody receives from: it fills, the rest is dropped, counted
 * and given back. */
static void
a_full_queue_drops(void)
{
	const char *text = "";

	for (u32 i = 0; i < 30000; i++) {
		text = run_command("show interface", "net_ring2 detail");
		if (strstr(text, "tx drops, queue full"))
			break;
		usleep(1000);
	}
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "tx drops, queue full"));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "net_ring2: device net_ring2, driver net_ring"));
}

/* East and west are not connected: dropped, with the reason.  Connected while workers run: they
 * pass.  Disconnected: dropped again. */
static void
connections_change_while_workers_run(void)
{
	CU_ASSERT_EQUAL(STAT("east", opackets), 0);
	CU_ASSERT_STRING_EQUAL(run_command("xconnect add", "east nobody"),
			       "error: unknown input 'nobody', expected the name of a port");
	CU_ASSERT_STRING_EQUAL(run_command("xconnect add", "east"),
			       "error: input ends, expected the name of a port");
	CU_ASSERT_STRING_EQUAL(run_command("xconnect add", "east net_pcap0"),
			       "error: net_pcap0 is connected to net_pcap1 already");
	CU_ASSERT_STRING_EQUAL(run_command("xconnect del", "east west"),
			       "error: east and west are not connected");
	for (u32 i = 0; i < 20; i++) {
		CU_ASSERT_STRING_EQUAL(run_command("xconnect add", "east west"), "");
		CU_ASSERT(wait_for_tx("east", 1000));
		CU_ASSERT(wait_for_tx("west", 1000));
		CU_ASSERT_STRING_EQUAL(run_command("xconnect del", "west east"), "");
	}
	CU_ASSERT_STRING_EQUAL(run_command("xconnect add", "east east"), "");
	CU_ASSERT(wait_for_tx("east", 1000));
	CU_ASSERT_STRING_EQUAL(run_command("xconnect del", "east east"), "");
	CU_ASSERT_PTR_NOT_NULL(strstr(run_command("show errors", ""), "port not connected"));
	CU_ASSERT_PTR_NOT_NULL(strstr(run_command("show errors", ""), "tx queue full"));
	CU_ASSERT_STRING_EQUAL(run_command("xconnect add", "east west"), "");
	CU_ASSERT(wait_for_tx("west", 100000));
	CU_ASSERT_PTR_NOT_NULL(strstr(run_command("show xconnect", ""), "east"));
}

static void
commands_show_ports_and_buffers(void)
{
	const char *text = run_command("show interface", "");

	CU_ASSERT_PTR_NOT_NULL(strstr(text, "Rx packets"));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "net_pcap1"));
	text = run_command("show interface", "west");
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "west"));
	CU_ASSERT_PTR_NULL(strstr(text, "east"));
	CU_ASSERT_STRING_EQUAL(
		run_command("show interface", "wast"),
		"error: unknown input 'wast', expected the name of a port or detail");
	CU_ASSERT_STRING_EQUAL(run_command("clear interface", "wast"),
			       "error: unknown input 'wast', expected the name of a port");
	text = run_command("show buffers", "");
	CU_ASSERT_PTR_NOT_NULL(strstr(text,
				      "Pool Name            Index  NUMA  Size  Data Size  Total  "
				      "Avail   Cached   Used"));
	CU_ASSERT_PTR_NOT_NULL(
		strstr(text, "default-numa-0         0     0    2496    2048     4096 "));
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "default-numa-0"));
	text = run_command("show buffers", "detail");
	CU_ASSERT_PTR_NOT_NULL(strstr(text, "mempool default-numa-0"));
	CU_ASSERT_PTR_NOT_NULL(strstr(run_command("show buffers", "verbose"), "expected detail"));
}

/* With nothing moving the device's counters and the buffers add up. */
static void
all_is_counted_when_workers_stop(void)
{
	char what[160] = "";

	vmheap_workers_stop();
	CU_ASSERT_EQUAL(pktpool_check(pktpool_by_node(0), what, sizeof(what)), 0);
	CU_ASSERT_STRING_EQUAL(what, "");
	/* Held by nobody but the loops: the hundred, and what filled the deaf one. */
	CU_ASSERT(in_use() >= N_RING);
	CU_ASSERT(in_use() <= N_RING + 3 * 1024);

	/* From here on everything that east receives leaves by west. */
	run_command("clear interface", "");
	CU_ASSERT_EQUAL(STAT("east", ipackets), 0);
	CU_ASSERT_PTR_NULL(strstr(run_command("show interface", "net_ring2 detail"), "tx drops"));
	must(vmheap_workers_start());
	CU_ASSERT(wait_for_tx("west", 10000));
	vmheap_workers_stop();
	CU_ASSERT_EQUAL(STAT("east", ipackets), STAT("west", opackets));
	CU_ASSERT_EQUAL(STAT("west", ipackets), STAT("east", opackets));
	CU_ASSERT_EQUAL(STAT("net_ring0", ipackets) + STAT("net_ring1", ipackets),
			STAT("net_ring0", opackets) + STAT("net_ring1", opackets));
}

/* Exit drains the loops, closes the ports and finds every buffer; arenas and heaps are empty. */
static void
everything_comes_back(void)
{
	char path[100], what[256] = "";

	vmheap_graphs_destroy();
	must(vmheap_init_call(VMHEAP_EXIT));
	/* For a million buffers on small pages that would be a quarter of a minute a port. */
	CU_ASSERT_EQUAL(n_asked, 0);
	CU_ASSERT(log_says("pool default-numa-0: 0 buffers leaked"));
	CU_ASSERT_EQUAL(rte_eth_dev_count_avail(), 0);
	CU_ASSERT_PTR_NULL(vmheap_port_by_name("east"));
	CU_ASSERT_PTR_NULL(pktpool_by_node(0));
	CU_ASSERT_EQUAL(vmem_size(clib_arena_vmem(clib_mem_numa_arena(0)), VMEM_ALLOC), 0);
	CU_ASSERT_EQUAL(mheap_elts(clib_mem_get_numa_heap(0)), 0);
	CU_ASSERT_EQUAL(mheap_check(clib_mem_get_numa_heap(0), what, sizeof(what)), 0);
	snprintf(path, sizeof(path), "%s/out1", work_dir);
	CU_ASSERT_EQUAL(compare_capture(path, 0), N_PCAP);
	snprintf(path, sizeof(path), "%s/out0", work_dir);
	CU_ASSERT_EQUAL(compare_capture(path, 99), N_PCAP);
}

static const unit_test_t story[] = {
	UNIT(stanzas_are_checked),
	UNIT(ports_start),
	UNIT(packets_cross),
	UNIT(a_full_queue_drops),
	UNIT(connections_change_while_workers_run),
	UNIT(commands_show_ports_and_buffers),
	UNIT(all_is_counted_when_workers_stop),
	UNIT(everything_comes_back),
};

/* ---- the other story ---- */

/* Three buffers that somebody keeps are three buffers leaked: said, and an error. */
static void
a_kept_buffer_is_reported(void)
{
	struct rte_mbuf *mbufs[3];
	clib_error_t *error;

	load_plugins();
	must(configure("buffers", "page-size 4K"));
	must(vmheap_init_call(VMHEAP_INIT));
	CU_ASSERT_EQUAL(pktpool_alloc(pktpool_by_node(0), mbufs, 3), 0);
	error = vmheap_init_call(VMHEAP_EXIT);
	CU_ASSERT(log_says("pool default-numa-0: 3 buffers leaked"));
	CU_ASSERT_PTR_NOT_NULL(error);
	clib_error_free(error);
}

static const unit_test_t leak_story[] = {
	UNIT(a_kept_buffer_is_reported),
};

/* Buffers asked for where there is no memory: an error that says so, and nothing half made. */
static void
a_node_without_memory_is_refused(void)
{
	clib_error_t *error;
	u8 *s;

	load_plugins();
	must(configure("buffers", "numa 31 { buffers 10 }"));
	error = vmheap_init_call(VMHEAP_INIT);
	s = format(0, "%U%c", format_clib_error, error, 0);
	CU_ASSERT_PTR_NOT_NULL(strstr((char *)s, "numa 31 }: this machine has no memory there"));
	vec_free(s);
	clib_error_free(error);
	CU_ASSERT_PTR_NULL(pktpool_by_node(0));
	CU_ASSERT_EQUAL(vmem_size(clib_arena_vmem(clib_mem_numa_arena(0)), VMEM_ALLOC), 0);
	CU_ASSERT_EQUAL(mheap_elts(clib_mem_get_numa_heap(0)), 0);
}

static const unit_test_t refused_story[] = {
	UNIT(a_node_without_memory_is_refused),
};

static void
remove_files(void)
{
	static const char *const names[] = { "in0", "in1", "out0", "out1" };
	char path[100];

	for (u32 i = 0; i < ARRAY_LEN(names); i++) {
		snprintf(path, sizeof(path), "%s/%s", work_dir, names[i]);
		unlink(path);
	}
	rmdir(work_dir);
}

int
main(int argc, char **argv)
{
	clib_mem_setup_t setup = { .main_heap_bytes = MiB(64),
				   .numa_heap_bytes = MiB(64),
				   .numa_arena_bytes = MiB(256),
				   .flags = CLIB_MEM_SETUP_NO_HUGE };
	const char *which = argc > 1 ? argv[1] : "";
	int status;
	char path[100];

	if (clib_mem_setup(&setup, path, sizeof(path))) {
		fprintf(stderr, "%s\n", path);
		return 1;
	}
	vmheap_log_set_function(keep_log);
	if (eal_up(2, 0, NULL))
		return 1;
	snprintf(work_dir, sizeof(work_dir), "/tmp/vmheap-test-ports-%d", (int)getpid());
	mkdir(work_dir, 0700);
	snprintf(path, sizeof(path), "%s/in0", work_dir);
	write_capture(path, 0);
	snprintf(path, sizeof(path), "%s/in1", work_dir);
	write_capture(path, 99);
	if (!strcmp(which, "refused"))
		status = unit_run("ports, refused", refused_story, ARRAY_LEN(refused_story));
	else if (!strcmp(which, "leak"))
		status = unit_run("ports, a leak", leak_story, ARRAY_LEN(leak_story));
	else
		status = unit_run("ports", story, ARRAY_LEN(story));
	if (status)
		printf("%.*s", (int)vec_len(log_text), log_text);
	remove_files();
	eal_down();
	return status;
}
