/* SPDX-License-Identifier: Apache-2.0 */
/* startup.conf: what is read, and what exactly is said about what is not. */
#include <string.h>
#include <vppinfra/mem.h>
#include <vppinfra/vec.h>
#include <cli/daemon_config.h>
#include <cli/eal_args.h>
#include "unit.h"

/* The error of a text, as a C string; "" for none. */
static const char *
error_of(const char *text, uword n_bytes)
{
	static char what[1024];
	daemon_config_t d;
	config_t c;
	clib_error_t *error = config_read_text("f", text, n_bytes, &c);

	if (!error) {
		error = daemon_config_read(&c, &d);
		if (!error)
			daemon_config_free(&d);
	}
	snprintf(what, sizeof(what), "%.*s", error ? (int)vec_len(error->what) : 0,
		 error ? (char *)error->what : "");
	clib_error_free(error);
	config_free(&c);
	return what;
}

/* Every key of every stanza of the daemon's, with the value it leaves. */
static void
good_files_are_read(void)
{
	static const char text[] =
		"# the whole of it\n"
		"unix { cli-listen /run/x.sock pidfile /run/x.pid log /tmp/x.log exec /etc/x.cmd "
		"nodaemon }\n"
		"cpu { main-core 1 corelist-workers 0,2-4,2 skip-cores 1 }\n"
		"memory{main-heap-size 64M main-heap-page-size 2m numa-heap-size 1g "
		"default-hugepage-size 2M fronts off}\n"
		"plugins {\n"
		"  path /a:/b add-path /c   # two lists\n"
		"  plugin default { disable }\n"
		"  plugin sample { enable } plugin buffer { require }\n"
		"}\n"
		"dpdk { vdev net_null0 vdev net_null1,size=64 no-pci iova-mode va file-prefix p "
		"log-level 8\n"
		"  dev net_null0 { num-rx-queues 2 } socket-mem 64,64 in-memory }\n"
		"sample { ids 1 - 4 }\n";
	daemon_config_t d;
	config_t c;

	CU_ASSERT_PTR_NULL(config_read_text("f", text, sizeof(text) - 1, &c));
	CU_ASSERT_EQUAL(c.n_stanzas, 6);
	CU_ASSERT_PTR_NULL(daemon_config_read(&c, &d));
	CU_ASSERT_STRING_EQUAL(d.unix_.cli_listen, "/run/x.sock");
	CU_ASSERT_STRING_EQUAL(d.unix_.pidfile, "/run/x.pid");
	CU_ASSERT_STRING_EQUAL(d.unix_.log, "/tmp/x.log");
	CU_ASSERT_STRING_EQUAL(d.unix_.exec, "/etc/x.cmd");
	CU_ASSERT_EQUAL(d.unix_.nodaemon, 1);
	CU_ASSERT_EQUAL(d.cpu.main_core, 1);
	CU_ASSERT_EQUAL(d.cpu.n_corelist, 5);
	CU_ASSERT_EQUAL(d.cpu.corelist[3], 4);
	CU_ASSERT_EQUAL(d.cpu.corelist[4], 2);
	CU_ASSERT_EQUAL(d.cpu.skip_cores, 1);
	CU_ASSERT_EQUAL(d.memory.main_heap_size, MiB(64));
	CU_ASSERT_EQUAL(d.memory.numa_heap_size, GiB(1));
	CU_ASSERT_EQUAL(d.memory.main_heap_page_size, CLIB_MEM_PAGE_SZ_2M);
	CU_ASSERT_EQUAL(d.memory.default_hugepage_size, MiB(2));
	CU_ASSERT_EQUAL(d.memory.no_fronts, 1);
	CU_ASSERT_EQUAL(d.plugins.n_paths, 2);
	CU_ASSERT_STRING_EQUAL(d.plugins.paths[0].text, "/a:/b");
	CU_ASSERT_EQUAL(d.plugins.default_disable, 1);
	CU_ASSERT_EQUAL(d.plugins.n_entries, 2);
	CU_ASSERT_EQUAL(d.plugins.entries[0].enable, 1);
	CU_ASSERT_EQUAL(d.plugins.entries[1].require, 1);
	CU_ASSERT_EQUAL(d.dpdk.n_vdevs, 2);
	CU_ASSERT_STRING_EQUAL(d.dpdk.vdevs[1].text, "net_null1,size=64");
	CU_ASSERT_EQUAL(d.dpdk.n_devs, 0);
	CU_ASSERT_STRING_EQUAL(d.dpdk.iova_mode, "va");
	CU_ASSERT_STRING_EQUAL(d.dpdk.socket_mem, "64,64");
	daemon_config_free(&d);
	config_free(&c);
}

/* What is not EAL's stays for the ethdev plugin, at its place in the file. */
static void
ethdev_words_keep_their_place(void)
{
	static const char text[] =
		"dpdk {\n vdev net_null0\n dev 0000:01:00.0 { num-rx-queues 2 }\n rx-desc 512 }";
	static const char left[] =
		"      \n               \n dev 0000:01:00.0 { num-rx-queues 2 }\n rx-desc 512  ";
	daemon_config_t d;
	config_t c;

	CU_ASSERT_PTR_NULL(config_read_text("f", text, sizeof(text) - 1, &c));
	CU_ASSERT_PTR_NULL(daemon_config_read(&c, &d));
	CU_ASSERT_STRING_EQUAL(d.dpdk.rest, left);
	CU_ASSERT_EQUAL(d.dpdk.n_devs, 1);
	CU_ASSERT_STRING_EQUAL(d.dpdk.devs[0].text, "0000:01:00.0");
	daemon_config_free(&d);
	config_free(&c);
}

/* Each wrong file has one error, which says where it is and what belongs there. */
static void
bad_files_are_pointed_at(void)
{
	static const struct {
		const char *text, *error;
	} cases[] = {
		{ "unix", "f:1:5: expected '{' after 'unix'" },
		{ "unix {\n  nodaemon\n", "f:1:6: this '{' of stanza 'unix' is never closed" },
		{ "}\n", "f:1:1: expected the name of a stanza, not '}'" },
		{ "unix { } }", "f:1:10: expected the name of a stanza, not '}'" },
		{ "{ }", "f:1:1: expected the name of a stanza, not '{'" },
		{ "memory {\n\tmain-heap-sise 1G\n}",
		  "f:2:2: unknown word 'main-heap-sise' in stanza 'memory', expected one of: "
		  "main-heap-size, "
		  "main-heap-page-size, numa-heap-size, default-hugepage-size, guard-metadata, "
		  "fronts" },
		{ "memory { fronts maybe }",
		  "f:1:17: expected on or off after 'fronts' in stanza 'memory'" },
		{ "memory { main-heap-size }",
		  "f:1:25: expected a size after 'main-heap-size' in stanza 'memory'" },
		{ "memory { main-heap-size 1X }",
		  "f:1:25: '1X' after 'main-heap-size': expected a size such as 64k, 512M or 1G" },
		{ "memory { main-heap-size 99999999999T }",
		  "f:1:25: '99999999999T' after 'main-heap-size': expected a size such as 64k, "
		  "512M or 1G" },
		{ "memory { main-heap-size 0 }",
		  "f:1:25: '0' after 'main-heap-size': expected a size such as 64k, 512M or 1G" },
		{ "memory { main-heap-page-size 3M }",
		  "f:1:30: unknown word '3M' in stanza 'memory', expected one of: 4K, 2M, 1G, "
		  "default, default-hugepage" },
		{ "memory { main-heap-size 1G }\nmemory { main-heap-size 2G }",
		  "f:2:10: 'main-heap-size' is given twice in stanza 'memory'" },
		{ "unix { cli-listen { } }",
		  "f:1:19: expected a word after 'cli-listen' in stanza 'unix'" },
		{ "unix { exec a startup-config b }",
		  "f:1:15: 'startup-config': a file to run is given already" },
		{ "unix { daemon nodaemon }", "f: stanza 'unix': daemon contradicts nodaemon" },
		{ "cpu { workers many }",
		  "f:1:15: 'many' after 'workers': expected a number from 0 to 64" },
		{ "cpu { workers 65 }",
		  "f:1:15: '65' after 'workers': expected a number from 0 to 64" },
		{ "cpu { corelist-workers 3-1 }", "f:1:24: expected a list of CPUs such as 1-3,5 "
						  "after 'corelist-workers' in stanza 'cpu'" },
		{ "cpu { corelist-workers 1, }", "f:1:24: expected a list of CPUs such as 1-3,5 "
						 "after 'corelist-workers' in stanza 'cpu'" },
		{ "cpu { corelist-workers 0-99 }", "f:1:24: more than 64 workers" },
		{ "cpu { workers 2 corelist-workers 1 }",
		  "f:1:34: corelist-workers and workers exclude each other" },
		{ "plugins { plugin x }", "f:1:20: expected '{' after plugin 'x'" },
		{ "plugins { plugin x { maybe } }",
		  "f:1:22: unknown word 'maybe' in stanza 'plugins', expected one of: enable, "
		  "disable, require" },
		{ "plugins { plugin x { enable disable } }",
		  "f:1:29: plugin 'x': disable contradicts the word before" },
		{ "plugins { plugin x { enable } plugin x { disable } }",
		  "f:1:38: plugin 'x' is configured twice" },
		{ "plugins { plugin default { enable } }",
		  "f:1:28: unknown word 'enable' in stanza 'plugins', expected one of: disable" },
		{ "dpdk { iova-mode dc }",
		  "f:1:18: expected pa or va after 'iova-mode' in stanza 'dpdk'" },
		{ "dpdk { no-huge in-memory }",
		  "f:1:16: in-memory and no-huge exclude each other in DPDK" },
		{ "dpdk { socket-mem 64 no-huge }",
		  "f:1:8: socket-mem needs huge pages, but no-huge is given" },
		{ "dpdk { dev { } }",
		  "f:1:12: expected a PCI address or a port's name after 'dev' in stanza 'dpdk'" },
		{ "# fine\n\n  unix { nodemon } # not",
		  "f:3:10: unknown word 'nodemon' in stanza 'unix', expected one of: cli-listen, "
		  "pidfile, log, exec, "
		  "startup-config, nodaemon, daemon, interactive" },
	};

	for (u32 i = 0; i < ARRAY_LEN(cases); i++) {
		const char *error = error_of(cases[i].text, strlen(cases[i].text));

		if (strcmp(error, cases[i].error))
			printf("\n%s\n  said     %s\n  expected %s\n", cases[i].text, error,
			       cases[i].error);
		CU_ASSERT_STRING_EQUAL(error, cases[i].error);
	}
	CU_ASSERT_STRING_EQUAL(error_of("unix {\n \0 }", 11), "f:2:2: byte 0x00 is not text");
}

/* A file that is not there, and one that is far too long. */
static void
unreadable_files_are_named(void)
{
	config_t c;
	clib_error_t *error = config_read_file("/nonexistent/startup.conf", &c);
	char *text = malloc(CONFIG_BYTES_MAX + 1);

	CU_ASSERT_PTR_NOT_NULL_FATAL(error);
	vec_add1(error->what, 0);
	CU_ASSERT_STRING_EQUAL((char *)error->what,
			       "/nonexistent/startup.conf: No such file or directory");
	clib_error_free(error);
	memset(text, ' ', CONFIG_BYTES_MAX + 1);
	CU_ASSERT_STRING_EQUAL(error_of(text, CONFIG_BYTES_MAX + 1),
			       "f: longer than 1048576 bytes");
	CU_ASSERT_STRING_EQUAL(error_of(text, CONFIG_BYTES_MAX), "");
	free(text);
}

/* Any bytes at all: an error or none, and every byte of the memory given back (which the
 * sanitizers look at). */
static void
any_bytes_are_read_or_refused(void)
{
	static const char *const words[] = { "unix", "{",      "}",
					     " { ",  "memory", "main-heap-size",
					     "1G",   "dpdk",   "vdev",
					     "x",    "plugin", "#",
					     "\n",   "cpu",    "corelist-workers",
					     "1-2,", "dev",    "plugins" };
	u64 seed = unit_seed(), n = unit_n_ops(100000);

	for (u64 k = 0; k < n; k++) {
		char text[512];
		u32 n_text = 0;

		for (u32 w = unit_random_below(&seed, 20); w; w--) {
			const char *word = words[unit_random_below(&seed, ARRAY_LEN(words))];

			n_text += sprintf(text + n_text, "%s%s", word,
					  unit_random_below(&seed, 4) ? " " : "");
			if (!unit_random_below(&seed, 16))
				text[n_text++] = unit_random(&seed);
		}
		error_of(text, n_text);
	}
	CU_PASS("no crash");
}

/* ---- what the machine has to say ---- */

static void
plan_of(const char *stanza, const char *cpus, cpu_plan_t *plan, char *what, uword n_what)
{
	daemon_config_t d;
	clib_error_t *error;
	cpu_set_t set;
	config_t c;

	CPU_ZERO(&set);
	for (; *cpus; cpus++)
		CPU_SET(*cpus - '0', &set);
	error = config_read_text("f", stanza, strlen(stanza), &c);
	CU_ASSERT_PTR_NULL_FATAL(error);
	error = daemon_config_read(&c, &d);
	CU_ASSERT_PTR_NULL_FATAL(error);
	error = cpu_plan_make(&c, &d, &set, plan);
	snprintf(what, n_what, "%.*s", error ? (int)vec_len(error->what) : 0,
		 error ? (char *)error->what : "");
	clib_error_free(error);
	daemon_config_free(&d);
	config_free(&c);
}

/* "main:worker,worker": where each lcore runs. */
static void
expect_plan(const char *stanza, const char *cpus, const char *expected)
{
	char what[256], text[256];
	cpu_plan_t plan;
	int n;

	plan_of(stanza, cpus, &plan, what, sizeof(what));
	n = snprintf(text, sizeof(text), "%u:", plan.main_cpu);
	for (u32 w = 0; w < plan.n_workers; w++)
		n += snprintf(text + n, sizeof(text) - n, "%s%u", w ? "," : "", plan.worker_cpu[w]);
	CU_ASSERT_STRING_EQUAL(what, "");
	CU_ASSERT_STRING_EQUAL(text, expected);
}

static void
expect_no_plan(const char *stanza, const char *cpus, const char *expected)
{
	char what[256];
	cpu_plan_t plan;

	plan_of(stanza, cpus, &plan, what, sizeof(what));
	CU_ASSERT_STRING_EQUAL(what, expected);
}

/* Workers spread over the CPUs that main does not use, share when there are more of them. */
static void
lcores_are_placed_on_cpus(void)
{
	expect_plan("", "01", "0:1");
	expect_plan("", "0", "0:0");
	expect_plan("cpu { workers 2 main-core 0 }", "01", "0:1,0");
	expect_plan("cpu { workers 5 }", "012", "0:1,2,0,1,2");
	expect_plan("cpu { workers 0 }", "01", "0:");
	expect_plan("cpu { main-core 1 workers 1 }", "01", "1:0");
	expect_plan("cpu { skip-cores 1 workers 2 }", "0123", "1:2,3");
	expect_plan("cpu { corelist-workers 0,1,1 main-core 1 }", "01", "1:0,1,1");
	expect_no_plan("cpu {\n main-core 7 }", "012",
		       "f:2:12: CPU 7 does not exist or is not this process' to use, it has 0-2");
	expect_no_plan("cpu { corelist-workers 1,3 }", "0125",
		       "f:1:24: CPU 3 does not exist or is not this process' to use, it has 0-2,5");
	expect_no_plan("cpu { skip-cores 2 }", "01", "f:1:1: skip-cores 2 leaves no CPU of 0-1");
}

static void
expect_args(const char *stanza, int has_hugepages, char *user, const char *expected)
{
	cpu_plan_t plan = { .main_cpu = 0, .n_workers = 2, .worker_cpu = { 1, 0 } };
	char *users[] = { user, NULL };
	daemon_config_t d;
	eal_args_t args;
	clib_error_t *error;
	config_t c;
	u8 *text = 0;

	error = config_read_text("f", stanza, strlen(stanza), &c);
	CU_ASSERT_PTR_NULL_FATAL(error);
	error = daemon_config_read(&c, &d);
	CU_ASSERT_PTR_NULL_FATAL(error);
	error = eal_args_make(&c, &d, &plan, has_hugepages, users, user != NULL, &args);
	if (error)
		text = format(0, "%v", error->what);
	for (int i = 0; i < args.argc; i++)
		text = format(text, "%s%s", i ? " " : "", args.argv[i]);
	vec_add1(text, 0);
	if (text && strcmp((char *)text, expected))
		printf("\n%s\n  %s\n", stanza, (char *)text);
	CU_ASSERT_STRING_EQUAL((char *)text, expected);
	vec_free(text);
	clib_error_free(error);
	eal_args_free(&args);
	daemon_config_free(&d);
	config_free(&c);
}

/* Each word of the stanzas is in EAL's arguments; words on the command line that contradict them
 * are refused. */
static void
eal_arguments_follow_the_stanzas(void)
{
	expect_args("", 1, NULL,
		    "vmheap --lcores=0@0,1@1,2@0 --main-lcore=0 --in-memory --file-prefix=vmheap");
	expect_args("", 0, NULL,
		    "vmheap --lcores=0@0,1@1,2@0 --main-lcore=0 --no-huge --no-shconf -m 256 "
		    "--file-prefix=vmheap");
	expect_args("dpdk { no-pci no-huge file-prefix p iova-mode va log-level 5 }", 1, NULL,
		    "vmheap --lcores=0@0,1@1,2@0 --main-lcore=0 --no-huge --no-shconf -m 256 "
		    "--file-prefix=p --no-pci "
		    "--iova-mode=va --log-level=5");
	expect_args("dpdk { dev 01:00.0 {} socket-mem 64 }", 1, NULL,
		    "vmheap --lcores=0@0,1@1,2@0 --main-lcore=0 --in-memory --socket-mem=64 "
		    "--file-prefix=vmheap -a 01:00.0");
	expect_args("", 1, "--lcores=0,1", "vmheap --in-memory --file-prefix=vmheap --lcores=0,1");
	expect_args("", 1, "-m64",
		    "vmheap --lcores=0@0,1@1,2@0 --main-lcore=0 --file-prefix=vmheap -m64");
	expect_args("\n cpu { workers 2 }", 1, "-l",
		    "f:2:2: stanza 'cpu' and the EAL argument -l exclude each other");
	expect_args("dpdk { no-huge }", 1, "--no-huge",
		    "f: no-huge, in-memory and socket-mem exclude the EAL argument --no-huge");
	expect_args("dpdk { no-pci dev 01:00.0 }", 1, NULL,
		    "f:1:19: dev 01:00.0 contradicts no-pci");
	expect_args("dpdk { in-memory }", 0, NULL,
		    "f:1:8: in-memory needs free huge pages, and there are none");
	expect_args("dpdk { socket-mem 1 }", 0, NULL,
		    "f:1:8: socket-mem needs free huge pages, and there are none");
}

static const unit_test_t tests[] = {
	UNIT(good_files_are_read),
	UNIT(ethdev_words_keep_their_place),
	UNIT(bad_files_are_pointed_at),
	UNIT(unreadable_files_are_named),
	UNIT(any_bytes_are_read_or_refused),
	UNIT(lcores_are_placed_on_cpus),
	UNIT(eal_arguments_follow_the_stanzas),
};

int
main(void)
{
	clib_mem_init(0, MiB(64));
	return unit_run("config", tests, ARRAY_LEN(tests));
}
