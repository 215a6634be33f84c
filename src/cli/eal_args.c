/* SPDX-License-Identifier: Apache-2.0 */
#include <cli/eal_args.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <vppinfra/format.h>
#include <vppinfra/vec.h>

/* EAL without huge pages takes all its memory at once, in MiB: tables of ports, graphs and rings
 * fit in a tenth of it, and 4K pages that nobody touches are never resident. */
#define NO_HUGE_MIB "256"

/* ---- CPUs ---- */

static u8 *
format_cpu_set(u8 *s, va_list *va)
{
	const cpu_set_t *set = va_arg(*va, const cpu_set_t *);
	int first = 1;

	for (int cpu = 0; cpu < DAEMON_MAX_CPUS; cpu++) {
		int last = cpu;

		if (!CPU_ISSET(cpu, set))
			continue;
		while (last + 1 < DAEMON_MAX_CPUS && CPU_ISSET(last + 1, set))
			last++;
		s = format(s, last > cpu ? "%s%d-%d" : "%s%d", first ? "" : ",", cpu, last);
		first = 0;
		cpu = last;
	}
	return s;
}

static clib_error_t *
no_such_cpu(const config_t *c, u32 offset, u32 cpu, const cpu_set_t *available)
{
	return config_error(c, offset,
			    "CPU %d does not exist or is not this process' to use, it has %U", cpu,
			    format_cpu_set, available);
}

/* CPUs that are left for placing, ascending, main's own last. */
static u32
order_cpus(const cpu_set_t *usable, u32 main_cpu, u16 *order)
{
	u32 n = 0;

	for (u32 cpu = 0; cpu < DAEMON_MAX_CPUS; cpu++) {
		if (CPU_ISSET(cpu, usable) && cpu != main_cpu)
			order[n++] = cpu;
	}
	order[n++] = main_cpu;
	return n;
}

static int
first_cpu(const cpu_set_t *set)
{
	int cpu = 0;

	while (cpu < DAEMON_MAX_CPUS && !CPU_ISSET(cpu, set))
		cpu++;
	return cpu;
}

clib_error_t *
cpu_plan_make(const config_t *c, const daemon_config_t *d, const cpu_set_t *available,
	      cpu_plan_t *plan)
{
	cpu_set_t usable = *available;
	u16 order[DAEMON_MAX_CPUS + 1];
	u32 n_order;

	memset(plan, 0, sizeof(*plan));
	for (u32 i = 0; i < d->cpu.skip_cores; i++) {
		int cpu = first_cpu(&usable);

		if (cpu < DAEMON_MAX_CPUS)
			CPU_CLR(cpu, &usable);
	}
	if (CPU_COUNT(&usable) == 0)
		return config_error(c, d->cpu.offset, "skip-cores %d leaves no CPU of %U",
				    d->cpu.skip_cores, format_cpu_set, available);
	plan->main_cpu = d->cpu.main_core != ~0u ? d->cpu.main_core : (u32)first_cpu(&usable);
	if (!CPU_ISSET(plan->main_cpu, available))
		return no_such_cpu(c, d->cpu.main_core_offset, plan->main_cpu, available);
	plan->n_workers = d->cpu.n_corelist         ? d->cpu.n_corelist
			  : d->cpu.n_workers != ~0u ? d->cpu.n_workers
						    : 1;
	n_order = order_cpus(&usable, plan->main_cpu, order);
	for (u32 w = 0; w < plan->n_workers; w++) {
		plan->worker_cpu[w] = d->cpu.n_corelist ? d->cpu.corelist[w] : order[w % n_order];
		if (!CPU_ISSET(plan->worker_cpu[w], available))
			return no_such_cpu(c, d->cpu.corelist_offset, plan->worker_cpu[w],
					   available);
	}
	return 0;
}

/* ---- arguments ---- */

/* EAL's words for the same things as a stanza's; the value may follow in the same word. */
static const struct {
	const char *option;
	u8 is_cpu, is_memory;
} known_options[] = {
	{ "-l", .is_cpu = 1 },
	{ "-c", .is_cpu = 1 },
	{ "--lcores", .is_cpu = 1 },
	{ "--main-lcore", .is_cpu = 1 },
	{ "--no-huge", .is_memory = 1 },
	{ "--in-memory", .is_memory = 1 },
	{ "--legacy-mem", .is_memory = 1 },
	{ "--huge-dir", .is_memory = 1 },
	{ "-m", .is_memory = 1 },
	{ "--socket-mem", .is_memory = 1 },
	{ "--single-file-segments", .is_memory = 1 },
};

static int
is_option(const char *arg, const char *option)
{
	size_t n = strlen(option);

	if (strncmp(arg, option, n))
		return 0;
	return option[1] != '-' || arg[n] == 0 || arg[n] == '=';
}

typedef struct {
	const char *cpu, *memory; /* the first word that speaks of each; NULL none */
} user_words_t;

static user_words_t
scan_user_words(char *const *user, u32 n_user)
{
	user_words_t w = {};

	for (u32 i = 0; i < n_user; i++) {
		for (u32 k = 0; k < ARRAY_LEN(known_options); k++) {
			if (!is_option(user[i], known_options[k].option))
				continue;
			if (known_options[k].is_cpu && !w.cpu)
				w.cpu = user[i];
			if (known_options[k].is_memory && !w.memory)
				w.memory = user[i];
		}
	}
	return w;
}

static int
add_arg(eal_args_t *args, const char *fmt, ...)
{
	char **grown, *arg;
	va_list va;
	int n;

	va_start(va, fmt);
	n = vasprintf(&arg, fmt, va);
	va_end(va);
	if (n < 0)
		return -ENOMEM;
	grown = realloc(args->argv, (args->argc + 2) * sizeof(char *));
	if (!grown) {
		free(arg);
		return -ENOMEM;
	}
	args->argv = grown;
	grown[args->argc++] = arg;
	grown[args->argc] = NULL;
	return 0;
}

static int
add_lcores(eal_args_t *args, const cpu_plan_t *plan)
{
	/* 16: "127@1023," */
	char text[16 * (VMHEAP_MAX_WORKERS + 1)];
	int n = snprintf(text, sizeof(text), "0@%u", plan->main_cpu);

	for (u32 w = 0; w < plan->n_workers; w++)
		n += snprintf(text + n, sizeof(text) - n, ",%u@%u", w + 1, plan->worker_cpu[w]);
	return add_arg(args, "--lcores=%s", text) || add_arg(args, "--main-lcore=0");
}

static int
add_memory(eal_args_t *args, const daemon_config_t *d, int has_hugepages)
{
	int rv = 0;

	/* EAL refuses --no-huge together with --in-memory; --no-shconf has the rest of its effect.
	 */
	if (d->dpdk.no_huge || !has_hugepages)
		rv = add_arg(args, "--no-huge") || add_arg(args, "--no-shconf") ||
		     add_arg(args, "-m") || add_arg(args, NO_HUGE_MIB);
	else
		rv = add_arg(args, "--in-memory");
	if (d->dpdk.socket_mem)
		rv = rv || add_arg(args, "--socket-mem=%s", d->dpdk.socket_mem);
	return rv;
}

static int
add_words(eal_args_t *args, const daemon_config_t *d)
{
	int rv = add_arg(args, "--file-prefix=%s",
			 d->dpdk.file_prefix ? d->dpdk.file_prefix : "vmheap");

	if (d->dpdk.no_pci)
		rv = rv || add_arg(args, "--no-pci");
	for (u32 i = 0; i < d->dpdk.n_devs; i++)
		rv = rv || add_arg(args, "-a") || add_arg(args, "%s", d->dpdk.devs[i].text);
	if (d->dpdk.iova_mode)
		rv = rv || add_arg(args, "--iova-mode=%s", d->dpdk.iova_mode);
	if (d->dpdk.log_level)
		rv = rv || add_arg(args, "--log-level=%s", d->dpdk.log_level);
	return rv;
}

static clib_error_t *
check(const config_t *c, const daemon_config_t *d, const user_words_t *w, int has_hugepages)
{
	if (w->cpu && d->cpu.is_given)
		return config_error(c, d->cpu.offset,
				    "stanza 'cpu' and the EAL argument %s exclude each other",
				    w->cpu);
	if (w->memory && (d->dpdk.no_huge || d->dpdk.in_memory || d->dpdk.socket_mem))
		return clib_error_return(
			0, "%s: no-huge, in-memory and socket-mem exclude the EAL argument %s",
			c->file, w->memory);
	if (d->dpdk.no_pci && d->dpdk.n_devs)
		return config_error(c, d->dpdk.devs[0].offset, "dev %s contradicts no-pci",
				    d->dpdk.devs[0].text);
	if (!has_hugepages && d->dpdk.in_memory)
		return config_error(c, d->dpdk.in_memory_offset,
				    "in-memory needs free huge pages, and there are none");
	if (!has_hugepages && d->dpdk.socket_mem)
		return config_error(c, d->dpdk.socket_mem_offset,
				    "socket-mem needs free huge pages, and there are none");
	return 0;
}

clib_error_t *
eal_args_make(const config_t *c, const daemon_config_t *d, const cpu_plan_t *plan,
	      int has_hugepages, char *const *user, u32 n_user, eal_args_t *args)
{
	user_words_t w = scan_user_words(user, n_user);
	clib_error_t *error = check(c, d, &w, has_hugepages);
	int rv;

	memset(args, 0, sizeof(*args));
	if (error)
		return error;
	rv = add_arg(args, "vmheap");
	if (!w.cpu)
		rv = rv || add_lcores(args, plan);
	if (!w.memory)
		rv = rv || add_memory(args, d, has_hugepages);
	rv = rv || add_words(args, d);
	for (u32 i = 0; i < n_user; i++)
		rv = rv || add_arg(args, "%s", user[i]);
	if (!rv)
		return 0;
	eal_args_free(args);
	return clib_error_return(0, "EAL arguments: no memory");
}

void
eal_args_free(eal_args_t *args)
{
	for (int i = 0; i < args->argc; i++)
		free(args->argv[i]);
	free(args->argv);
	memset(args, 0, sizeof(*args));
}
