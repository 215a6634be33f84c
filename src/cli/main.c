/* SPDX-License-Identifier: Apache-2.0 */
/* vmheap [-c startup.conf] [-- EAL arguments] */
#include <cli/daemon.h>

#include <stdio.h>
#include <string.h>
#include <plugins/framework/framework.h>

static const char usage[] =
	"usage: vmheap [-c STARTUP.CONF] [-- EAL arguments]\n"
	"  -c FILE     configuration: stanzas unix, cpu, memory, plugins, dpdk, and those of "
	"plugins\n"
	"  -h, --help  this text\n"
	"  --version   version\n"
	"Runs in the foreground until SIGINT or SIGTERM, unless unix { daemon } says otherwise.\n"
	"vmheapctl talks to it.\n";

static int
complain(clib_error_t *error)
{
	daemon_log_error(error);
	return 1;
}

static int
wrong_usage(const char *why, const char *word)
{
	fprintf(stderr, "vmheap: %s%s\n%s", why, word, usage);
	return 1;
}

/* Value: -1 to go on, else the exit status. */
static int
parse_arguments(int argc, char **argv, daemon_t *m, const char **config_file)
{
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--")) {
			m->user_args = argv + i + 1;
			m->n_user_args = argc - i - 1;
			return -1;
		}
		if (!strcmp(argv[i], "-h") || !strcmp(argv[i], "--help")) {
			fputs(usage, stdout);
			return 0;
		}
		if (!strcmp(argv[i], "--version")) {
			puts("vmheap " VMHEAP_VERSION);
			return 0;
		}
		if (strcmp(argv[i], "-c"))
			return wrong_usage("unknown argument ", argv[i]);
		if (++i == argc)
			return wrong_usage("-c needs a file", "");
		*config_file = argv[i];
	}
	return -1;
}

static clib_error_t *
read_config(const char *file, daemon_t *m)
{
	clib_error_t *error;

	if (file)
		error = config_read_file(file, &m->config);
	else
		error = config_read_text("(no configuration)", "", 0, &m->config);
	if (error)
		return error;
	error = daemon_config_read(&m->config, &m->d);
	return error ? error : daemon_check(m);
}

static void
log_of_framework(const char *line)
{
	daemon_log("%s", line);
}

int
main(int argc, char **argv)
{
	daemon_t m = { .ready_fd = -1 };
	const char *config_file = NULL;
	clib_error_t *error;
	int status = parse_arguments(argc, argv, &m, &config_file);

	if (status >= 0)
		return status;
	error = read_config(config_file, &m);
	if (!error && m.d.unix_.daemon)
		error = daemon_detach(&m.ready_fd);
	if (!error && m.d.unix_.log)
		error = daemon_open_log(m.d.unix_.log);
	if (error)
		return complain(error);
	vmheap_log_set_function(log_of_framework);
	status = daemon_run(&m);
	daemon_config_free(&m.d);
	config_free(&m.config);
	return status;
}
